"""The reliability scoreboard: runs the tests of each row and prints what it came to, a line a row.

python -m tools.reliability [--rows 3,8] [--full] [--output json]

A row is green if all its tests passed and one of them said a figure; red if any failed; grey if they were all skipped,
with the reason; absent if it needs what is not here. The exit status is 1 if any row is red.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from tools.reliability_rows import ROWS, Row

ROOT: Final = Path(__file__).resolve().parent.parent
TESTS: Final = ROOT / "tests"
OPTIONS: Final[Sequence[str]] = ()
"""More of pytest's."""
_MARK: Final = re.compile(r"mark\.row\((\d+)\)")
_SKIPPED: Final = re.compile(r"^SKIPPED .*?: (.*)$", re.MULTILINE)
_PASSED: Final = re.compile(r"\b(\d+) passed")
_LINES_OF_A_FAILURE: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a row."""

    number: int
    name: str
    verdict: str
    """green, red, grey or absent."""
    figure: str
    target: str
    anchor: str
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.number:>2}  {self.verdict:<6}  {self.seconds:>7.1f} s  {self.name}: {self.figure} "
            f"(target {self.target}; elsewhere: {self.anchor})"
        )


def files_of(row: Row) -> Sequence[Path]:
    """Return the files that have tests of a row."""
    return [
        path
        for path in sorted(TESTS.rglob("test_*.py"))
        if str(row.number) in _MARK.findall(path.read_text(encoding="utf-8"))
    ]


def run(row: Row, *, full: bool) -> Result:
    """Run a row's tests; what they print is shown only if they fail."""
    if row.needs:
        return _result(row, "absent", f"not here: needs {row.needs}", 0)
    files = files_of(row)
    if not files:
        return _result(row, "absent", "not here: no test finds it out", 0)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder) / "figures"
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-n",
                "0",
                "-rs",
                "--row",
                str(row.number),
                *OPTIONS,
                *files,
            ],
            cwd=ROOT,
            env={**os.environ, "TEST_FIGURES": str(figures), "TEST_FULL_SIZE": "1" if full else "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        said = figures.read_text(encoding="utf-8").splitlines() if figures.exists() else []
    seconds = time.monotonic() - started
    counts = Counter(json.loads(line)["figure"] for line in said)
    found = "; ".join(text if count == 1 else f"{count} times {text}" for text, count in counts.items())
    if done.returncode != 0:
        sys.stderr.write("\n".join(done.stdout.splitlines()[-_LINES_OF_A_FAILURE:]) + "\n")
        return _result(row, "red", found or "a test failed", seconds)
    if not _PASSED.search(done.stdout):
        reasons = "; ".join(dict.fromkeys(_SKIPPED.findall(done.stdout)))
        return _result(row, "grey", f"skipped: {reasons}", seconds)
    return (
        _result(row, "green", found, seconds)
        if found
        else _result(row, "red", "no test said a figure", seconds)
    )


def _result(row: Row, verdict: str, figure: str, seconds: float) -> Result:
    return Result(
        number=row.number,
        name=row.name,
        verdict=verdict,
        figure=figure,
        target=row.target,
        anchor=row.anchor,
        seconds=round(seconds, 1),
    )


def numbers(text: str) -> frozenset[int]:
    """Return the rows that `3,8` names; all of them if it names none."""
    chosen = frozenset(int(part) for part in text.split(",") if part)
    known = frozenset(row.number for row in ROWS)
    if not chosen <= known:
        raise argparse.ArgumentTypeError(f"there is no row {min(chosen - known)}: they are 1 to {max(known)}")
    return chosen or known


def main() -> int:
    """Run what is asked for; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.reliability")
    parser.add_argument(
        "--rows", type=numbers, default="", help="numbers with commas between them; all by default"
    )
    parser.add_argument("--full", action="store_true", help="the long form of each row: hours")
    parser.add_argument("--output", choices=["text", "json"], default="text")
    options = parser.parse_args()
    results = []
    for row in ROWS:
        if row.number in options.rows:
            results.append(run(row, full=options.full))
            if options.output == "text":
                print(results[-1], flush=True)
    if options.output == "json":
        print(json.dumps([asdict(result) for result in results], indent=2))
    return int(any(result.verdict == "red" for result in results))


if __name__ == "__main__":
    sys.exit(main())
