"""The reliability scoreboard with bugs in the product: the row that each bug is about must turn red.

A green board from a blind harness is worth nothing. Each bug is planted in every process of a run of the row's own tests,
servers included (planted/sitecustomize.py).
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tools.reliability import ROOT, files_of
from tools.reliability_rows import ROWS

from fix_scoreboard import Figure
from mutants.planted.seeded_bugs import BUGS

PLANTED = Path(__file__).with_name("planted")
BROKEN = re.compile(r"\b(AttributeError|ImportError|ModuleNotFoundError|NameError)\b")
"""What a bug looks like that does not fit the product any more."""
ATTEMPTS = 3
"""A kill that is to fall between an answer and a commit may need more than one run of a short form."""


def run_row(number: int, bug: str) -> "subprocess.CompletedProcess[str]":
    """Run a row's tests until one fails, with a bug in every process."""
    (row,) = (row for row in ROWS if row.number == number)
    options = ["-q", "-x", "-n", "0", "-p", "no:cacheprovider", "-p", "no:randomly", "--row", str(number)]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *files_of(row)],
        cwd=ROOT,
        env={**os.environ, "PLANTED_BUG": bug, "PYTHONPATH": str(PLANTED), "TEST_FULL_SIZE": "0"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.row(29)
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("bug", BUGS)
def test_a_seeded_bug_turns_its_row_red(bug: str, figure: Figure) -> None:
    for _ in range(ATTEMPTS):
        done = run_row(BUGS[bug].row, bug)
        if done.returncode:
            break
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout[-4000:]
    assert BROKEN.search(done.stdout) is None, done.stdout[-4000:]
    figure("caught")
