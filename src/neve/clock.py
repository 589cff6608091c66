"""Time and chance, passed in: nothing below the shells reads a clock or draws a random byte itself."""

import os
import time
from typing import Protocol


class Clock(Protocol):
    """What time it is. Safe from any thread."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch, UTC. May jump either way: no safety argument rests on it."""
        ...

    def monotonic_s(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        ...


class Entropy(Protocol):
    """Unpredictable bytes, for ids, names, nonces and keys. Safe from any thread."""

    def take(self, size_bytes: int) -> bytes:
        """Return `size_bytes` fresh random bytes."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        return time.monotonic()


class SystemEntropy:
    """The kernel's generator."""

    def take(self, size_bytes: int) -> bytes:
        return os.urandom(size_bytes)
