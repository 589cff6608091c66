"""A clock that stands until it is told, and entropy that a seed repeats."""

import random
from threading import Lock


class ManualClock:
    """Time that tests move."""

    def __init__(self, now_ms: int = 1_790_000_000_000) -> None:
        self._now_ms = now_ms
        self._monotonic_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic_s(self) -> float:
        return self._monotonic_ms / 1000

    def advance(self, *, seconds: float = 0, minutes: float = 0) -> None:
        """Let time pass; or, with negative values, set the clock back."""
        passed_ms = int((seconds + 60 * minutes) * 1000)
        self._now_ms += passed_ms
        self._monotonic_ms += max(0, passed_ms)

    def step(self, *, seconds: float) -> None:
        """Set the clock forward or back: no time passes."""
        self._now_ms += int(seconds * 1000)


class SeededEntropy:
    """The same bytes for the same seed."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._lock = Lock()

    def take(self, size_bytes: int) -> bytes:
        with self._lock:
            return self._random.randbytes(size_bytes)
