"""Bringing changes into the archive, round after round, and saying so when it falls behind.

Completions do not wait for it: they write what they need themselves. What it brings is all that changes otherwise, and
what it takes away: tags, locks, keys made, rotated and destroyed, snapshots deleted for good.
"""

from typing import Final

from neve.clock import Clock
from neve.errors import StoreError
from neve.events import ArchiveBehind, ArchiveCaughtUp, Report
from neve.server.background import Work
from neve.storage.archiving import Archiver

_BEHIND_S: Final = 60.0
"""From then on it is said, and again each time it is twice as long."""


class ArchiveUpkeep:
    """The work, and how long it is behind. Belongs to one thread."""

    def __init__(self, *, archiver: Archiver, interval_s: float, clock: Clock, report: Report) -> None:
        self._archiver = archiver
        self._interval_s = interval_s
        self._clock = clock
        self._report = report
        self._since_s: float | None = None
        """When it was found behind first, by the clock that nobody can set; None while it has everything."""
        self._say_at_s = _BEHIND_S + interval_s
        self._said = False

    def work(self) -> Work:
        """Return it as a piece of background work."""
        return Work(name="archive", do_slice=self.do_slice, pause_s=self._interval_s)

    def do_slice(self) -> int:
        """Bring some changes; return how many objects that took, 0 if there was nothing to do.

        Raises:
            StoreError: the archive or the records cannot be reached; what is left is brought next time.
        """
        try:
            written = self._archiver.flush_slice()
        except StoreError:
            self._note_behind()
            raise
        if written:
            self._note_behind()
        else:
            self._note_caught_up()
        return written

    def _note_behind(self) -> None:
        now_s = self._clock.monotonic_s()
        if self._since_s is None:
            self._since_s = now_s
        behind_s = now_s - self._since_s
        if behind_s >= self._say_at_s:
            self._report(ArchiveBehind(behind_s=int(behind_s)))
            self._said = True
            self._say_at_s = 2 * behind_s

    def _note_caught_up(self) -> None:
        if self._said and self._since_s is not None:
            self._report(ArchiveCaughtUp(behind_s=int(self._clock.monotonic_s() - self._since_s)))
        self._since_s, self._said = None, False
        self._say_at_s = _BEHIND_S + self._interval_s
