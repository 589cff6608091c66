"""How the demonstration speaks: numbered steps, claims that must hold, a summary at the end."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

WIDTH = 78


class ClaimBroken(Exception):
    """Something the demonstration says is not so."""


def _bold(words: str) -> str:
    return f"\033[1m{words}\033[0m" if sys.stdout.isatty() else words


class Stage:
    """Where the steps are told. One for a run."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._steps = 0
        self._claims: list[str] = []

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce a step, and how long it took once it is over."""
        self._steps += 1
        print(f"\n{_bold(f'{self._steps}. {title}')}", flush=True)
        started = time.monotonic()
        yield
        print(f"   ({time.monotonic() - started:.1f} s)".rjust(WIDTH), flush=True)

    def say(self, *lines: str) -> None:
        """Tell what is going on."""
        for line in lines:
            print(f"   {line}", flush=True)

    def claim(self, words: str, *, holds: bool) -> None:
        """Say that something is so.

        Raises:
            ClaimBroken: it is not.
        """
        if not holds:
            raise ClaimBroken(words)
        self._claims.append(words)
        self.say(f"✓ {words}")

    def close(self) -> None:
        """Sum up: every claim again, and how long all of it took."""
        print(f"\n{_bold('What was shown')}")
        for words in self._claims:
            self.say(f"✓ {words}")
        seconds = time.monotonic() - self._started
        print(f"\n{len(self._claims)} claims held, in {self._steps} steps and {seconds:.0f} seconds.")


def mib(size_bytes: int) -> str:
    """Return a size as a person reads it."""
    return f"{size_bytes / (1 << 20):,.1f} MiB"
