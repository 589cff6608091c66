"""Every check that needs no test run, side by side; all of them, so that one run tells the whole story.

python -m tools.check       one line a check, the output of those that complain, exit 1 if any does
"""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

CHECKS: Mapping[str, Sequence[str | Path]] = {
    # The slowest first: the others fit beside it.
    "types": [BIN / "mypy", "--no-error-summary"],
    "import rules": [BIN / "lint-imports", "--no-logo", "--no-cache"],
    "lint": [BIN / "ruff", "check", "--quiet"],
    "format": [BIN / "ruff", "format", "--check", "--quiet"],
    "tidy": [sys.executable, "-m", "tools.tidy"],
    "docs/commands.md": [sys.executable, "-m", "tools.paste_help", "--check"],
    "docs/states.svg": [sys.executable, "-m", "tools.draw_states", "--check"],
}
SIDE_BY_SIDE = 2
"""The smallest machine this is meant for has two cores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one check went."""

    passed: bool
    seconds: float
    output: str


def run(command: Sequence[str | Path]) -> Outcome:
    """Run one check from the top of the repository."""
    started = time.monotonic()
    done = subprocess.run(
        command,
        cwd=ROOT,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return Outcome(
        passed=done.returncode == 0, seconds=time.monotonic() - started, output=done.stdout.strip()
    )


def main() -> int:
    """Run all checks, report each, return an exit status."""
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        outcomes = dict(zip(CHECKS, pool.map(run, CHECKS.values()), strict=True))
    for name, outcome in outcomes.items():
        print(f"{'ok    ' if outcome.passed else 'FAILED'} {outcome.seconds:5.1f} s  {name}")
    for name, outcome in outcomes.items():
        if outcome.output and (not outcome.passed or name == "tidy"):
            print(f"\n--- {name}\n{outcome.output}")
    failed = sum(not outcome.passed for outcome in outcomes.values())
    print(f"\n{len(outcomes) - failed} checks passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
