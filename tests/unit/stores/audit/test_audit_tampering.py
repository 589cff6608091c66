"""Whatever somebody does to the files of an audit log who has no master key is noticed, but for what nobody sealed."""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_scene import Log, content
from neve.domain.audit import NOTHING_YET, Mark, line_of, sealed_line
from neve.stores.audit.verifying import NoAuditLog

NAMES = [f"call {number}" for number in range(24)]
FILE_BYTES = 2500
"""A few lines each."""
FORGED = sealed_line(bytes(32), NOTHING_YET, content("forged"))[0]


def written(store: Path) -> Log:
    """Return a log of four files or so."""
    log = Log(store, file_bytes_max=FILE_BYTES)
    log.write(NAMES)
    assert len(log.files) > 3
    return log


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return written(tmp_path)


def rewritten(log: Log, number: int, change: Callable[[list[bytes]], list[bytes]]) -> None:
    file = log.files[number]
    file.write_bytes(b"".join(change(file.read_bytes().splitlines(keepends=True))))


def test_an_untouched_log_is_whole(log: Log) -> None:
    verified = log.verified()
    assert verified.findings == []
    assert verified.notes == []
    assert verified.lines == len(log.lines())
    assert log.names() == NAMES
    assert verified.head is not None
    assert verified.last is not None
    assert verified.head.mark == verified.last.mark


@given(data=st.data())
def test_no_byte_can_be_changed_put_in_or_taken_out(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        log = written(Path(folder))
        file = data.draw(st.sampled_from([*log.files, log.head]))
        before = file.read_bytes()
        at = data.draw(st.integers(0, len(before) - 1))
        put = data.draw(st.binary(max_size=3))
        taken = data.draw(st.integers(0 if put else 1, 40))
        after = before[:at] + put + before[at + taken :]
        file.write_bytes(after)
        assert bool(log.kinds()) == (after != before)


def test_the_end_of_a_files_last_line_cannot_be_taken_away(log: Log) -> None:
    rewritten(log, 0, lambda lines: [*lines[:-1], lines[-1].removesuffix(b"\n")])
    assert log.kinds() == ["altered"]


@given(data=st.data())
def test_no_lines_can_be_moved_repeated_or_taken_out(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        log = written(Path(folder))
        lines = log.lines()
        order = data.draw(
            st.one_of(
                st.permutations(range(len(lines))),
                st.lists(st.integers(0, len(lines) - 1), max_size=2 * len(lines)),
                st.sets(st.integers(0, len(lines) - 1)).map(sorted),
            )
        )
        ends = [len(file.read_bytes().splitlines()) for file in log.files]
        changed = [lines[at] for at in order]
        for file, count in zip(log.files, [*ends[:-1], len(changed)], strict=True):
            file.write_bytes(b"".join(changed[:count]))
            changed = changed[count:]
        assert bool(log.kinds()) == (log.lines() != lines)


def test_an_altered_line_is_called_so_and_its_place_is_told(log: Log) -> None:
    rewritten(log, 1, lambda lines: [*lines[:2], lines[2].replace(b"us-east-1", b"us-west-1"), *lines[3:]])
    [finding] = log.verified().findings
    assert (finding.kind, finding.place.file, finding.place.line) == ("altered", "000002.jsonl", 3)
    line = line_of(log.files[1].read_bytes().splitlines()[2])
    assert line is not None
    assert finding.said == f"line {line.sequence} is altered"


@pytest.mark.parametrize("count", [1, 2])
def test_removed_lines_are_called_so(log: Log, count: int) -> None:
    rewritten(log, 1, lambda lines: [lines[0], *lines[1 + count :]])
    [finding] = log.verified().findings
    assert finding.kind == "removed"
    assert "missing" in finding.said


def test_a_removed_file_is_as_many_removed_lines(log: Log) -> None:
    log.files[1].unlink()
    assert log.kinds() == ["removed"]
    log.files[0].unlink()
    assert log.kinds()[0] == "removed"


def test_a_line_of_somebody_elses_making_is_called_inserted(log: Log) -> None:
    rewritten(log, 1, lambda lines: [*lines[:2], FORGED, *lines[2:]])
    assert log.kinds()[0] == "inserted"


def test_a_line_that_stands_there_twice_is_called_inserted(log: Log) -> None:
    rewritten(log, len(log.files) - 1, lambda lines: [*lines, lines[1]])
    assert log.kinds() == ["inserted"]


def test_lines_that_changed_places_are_called_reordered(log: Log) -> None:
    rewritten(log, 0, lambda lines: [lines[0], lines[2], lines[1], *lines[3:]])
    assert log.kinds() == ["reordered"]


def test_a_log_that_was_cut_off_behind_a_line_is_called_truncated(log: Log) -> None:
    rewritten(log, len(log.files) - 1, lambda lines: lines[:-1])
    assert log.kinds() == ["truncated"]


def test_a_log_that_was_cut_off_in_a_line_is_called_truncated(log: Log) -> None:
    os.truncate(log.files[-1], log.files[-1].stat().st_size - 10)
    assert log.kinds() == ["truncated"]


@given(kept=st.integers(0, 23))
def test_a_log_cannot_be_cut_off_before_its_head(kept: int) -> None:
    with TemporaryDirectory() as folder:
        log = Log(Path(folder))
        log.write(NAMES)
        rewritten(log, 0, lambda lines: lines[: kept + 1])
        assert log.kinds() == ["truncated"]


def test_what_nobody_sealed_can_be_cut_off_unnoticed_and_verify_says_how_much_that_is(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(NAMES[:4])
    log.write(NAMES[4:], seal=False)
    verified = log.verified()
    assert verified.head is not None
    assert verified.last is not None
    assert verified.last.sequence - verified.head.mark.sequence == 20
    rewritten(log, 0, lambda lines: lines[:-20])
    assert log.kinds() == []
    rewritten(log, 0, lambda lines: lines[:-1])
    assert log.kinds() == ["truncated"]


def test_a_head_that_is_gone_or_of_somebody_elses_making_is_told(log: Log) -> None:
    log.head.write_bytes(log.head.read_bytes().replace(b'"sequence":', b'"sequence":1'))
    assert log.kinds() == ["head"]
    log.head.unlink()
    assert log.kinds() == ["head"]


def test_an_older_copy_of_everything_passes_unless_a_later_mark_is_known(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(NAMES[:4])
    old = {file: file.read_bytes() for file in (log.files[0], log.head)}
    log.write(NAMES[4:])
    last = log.verified().last
    assert last is not None
    for file, before in old.items():
        file.write_bytes(before)
    assert log.kinds() == []
    assert [each.kind for each in log.verified(expected=last.mark).findings] == ["truncated"]
    log.write(["other"] * 20)
    assert log.kinds() == []
    assert [each.kind for each in log.verified(expected=last.mark).findings] == ["head"]


def test_a_mark_from_elsewhere_that_the_log_has_changes_nothing(log: Log) -> None:
    line = line_of(log.lines()[9].rstrip(b"\n"))
    assert line is not None
    assert log.verified(expected=line.mark).findings == []
    assert log.verified(expected=Mark(line.sequence, "f" * 64)).findings != []


def test_older_files_that_are_kept_elsewhere_are_missed_unless_that_is_said(log: Log) -> None:
    first = line_of(log.files[2].read_bytes().splitlines()[0])
    assert first is not None
    for file in log.files[:2]:
        file.unlink()
    assert log.kinds() == ["removed"]
    assert log.verified(first=first.sequence).findings == []


def test_bytes_behind_the_end_of_a_file_that_is_continued_are_foreign(log: Log) -> None:
    with log.files[0].open("ab") as file:
        file.write(b"x")
    assert log.kinds() == ["inserted"]


def test_a_line_without_end_at_the_end_is_no_tampering_for_it_was_promised_to_nobody(log: Log) -> None:
    with log.files[-1].open("ab") as file:
        file.write(FORGED[:40])
    assert log.kinds() == []
    assert log.verified().notes == [
        f"40 bytes of a line without end stand at the end of {log.files[-1].name}"
    ]


def test_one_line_of_a_gigabyte_is_read_in_pieces(log: Log) -> None:
    with log.files[0].open("r+b") as file:
        file.truncate(1 << 28)
    assert log.kinds() == ["inserted"]
    with log.files[-1].open("r+b") as file:
        file.truncate(1 << 24)
    assert log.kinds() != []


def test_where_there_is_no_log_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(NoAuditLog):
        Log(tmp_path).verified()
