"""The scoreboard's rows, and who finds them out."""

import argparse
from pathlib import Path

import pytest
from tools import reliability
from tools.reliability import files_of, main, numbers, run
from tools.reliability_rows import ROWS, Row

from mutants.planted.seeded_bugs import BUGS

HERE = {row.number for row in ROWS if not row.needs}


def test_every_marked_test_is_of_a_row_that_is_run() -> None:
    marked = {
        int(number)
        for path in reliability.TESTS.rglob("test_*.py")
        for number in reliability._MARK.findall(path.read_text(encoding="utf-8"))
    }
    assert marked <= HERE


def test_every_seeded_bug_turns_a_row_red_that_is_run() -> None:
    assert len(BUGS) >= 20
    assert {bug.row for bug in BUGS.values()} <= HERE


def test_the_rows_of_a_kill_are_found_in_the_files_that_kill() -> None:
    (row,) = (row for row in ROWS if row.number == 1)
    assert [path.name for path in files_of(row)] == ["test_kill_under_load.py"]


def test_rows_are_chosen_by_number() -> None:
    assert numbers("3,8") == {3, 8}
    assert numbers("") == {row.number for row in ROWS}
    with pytest.raises(argparse.ArgumentTypeError, match="no row 99"):
        numbers("3,99")


def test_a_row_that_needs_what_is_not_here_says_so() -> None:
    result = run(Row(99, "a name", "a target", "an anchor", needs="a moon"), full=False)
    assert (result.verdict, result.figure) == ("absent", "not here: needs a moon")


PASSING = """
import pytest

@pytest.mark.row(NUMBER)
def test_of_a_row(figure):
    figure("lost 0 of 3")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "verdict", "figure"),
    [
        (PASSING, "green", "lost 0 of 3"),
        (PASSING + "    assert False\n", "red", "lost 0 of 3"),
        (PASSING.replace("figure(", "print("), "red", "no test said a figure"),
        (PASSING.replace("    figure(", "    pytest.skip("), "grey", "skipped: lost 0 of 3"),
    ],
    ids=["passes", "fails", "says nothing", "is skipped"],
)
def test_a_verdict_is_about_the_tests_of_the_row(
    text: str, verdict: str, figure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["fix_scoreboard"]\n')
    (tmp_path / "test_row.py").write_text(text.replace("NUMBER", "99"))
    monkeypatch.setattr(reliability, "files_of", lambda _row: [tmp_path])
    monkeypatch.setattr(reliability, "OPTIONS", ["--rootdir", str(tmp_path), "-p", "no:cacheprovider"])
    monkeypatch.setenv("PYTHONPATH", str(reliability.TESTS))
    result = run(Row(99, "a name", "a target", "an anchor"), full=False)
    assert (result.verdict, result.figure) == (verdict, figure)


def test_a_row_that_is_red_is_an_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        reliability, "run", lambda row, *, full: reliability._result(row, "red", f"{full}", 1.0)
    )
    monkeypatch.setattr("sys.argv", ["reliability", "--rows", "3", "--full"])
    assert main() == 1
    assert " 3  red " in capsys.readouterr().out
