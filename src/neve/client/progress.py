"""How far a transfer is: counts that the caller's thread writes and whoever draws a bar reads."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One moment of a transfer."""

    total_bytes: int
    """What there is to look at; 0 if nobody knows."""
    done_bytes: int
    """What was looked at, moved or not."""
    moved_bytes: int
    """What went over the network."""


class Meter:
    """The counts of one transfer."""

    def __init__(self) -> None:
        self._total_bytes = 0
        self._done_bytes = 0
        self._moved_bytes = 0

    def expect(self, total_bytes: int) -> None:
        """Say how much there is to look at."""
        self._total_bytes = total_bytes

    def advance(self, done_bytes: int, *, moved_bytes: int) -> None:
        """Count one more piece."""
        self._done_bytes += done_bytes
        self._moved_bytes += moved_bytes

    def progress(self) -> Progress:
        """Return the counts so far."""
        return Progress(
            # Blocks that only the parent holds are met on the way: the total is at least what was done.
            total_bytes=max(self._total_bytes, self._done_bytes) if self._total_bytes else 0,
            done_bytes=self._done_bytes,
            moved_bytes=self._moved_bytes,
        )
