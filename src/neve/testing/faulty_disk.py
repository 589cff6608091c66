"""A disk in memory that fails where it is told to.

    disk.fail(at=7, error=errno.EIO)     the 7th change from now on raises, and has no effect
    disk.heal()                          everything succeeds again

A sync that fails is a sync whose bytes never arrive: everybody sees them, no later sync brings them to the medium,
and a power cut takes them. `retried` names the files that were synced again all the same.
"""

import errno
import os
from collections.abc import Callable
from typing import Any

from neve.testing.disk import Call, Disk, Names, State


class FaultyDisk(Disk):
    """A `Disk` with a plan of faults. See the module's text."""

    def __init__(
        self, root: str, names: Names, *, calls: list[Call] | None = None, state: State | None = None
    ) -> None:
        super().__init__(root, names, calls=calls, state=state)
        self.changes = 0
        """How many there have been, those that failed included."""
        self.failed: list[str] = []
        """What failed since the plan was made."""
        self.retried: list[int] = []
        self._fails_from: int | None = None
        self._error = errno.EIO
        self._is_lasting = False
        self._given_up: set[int] = set()

    def fail(self, *, at: int, error: int, is_lasting: bool = False) -> None:
        """Fail the change `at` (1 is the next one), or every one from there on."""
        self._fails_from = self.changes + at
        self._error = error
        self._is_lasting = is_lasting
        self.failed.clear()

    def heal(self) -> None:
        """Let everything succeed from now on."""
        self._fails_from = None

    def _note(self, method: Callable[..., object], *arguments: Any) -> None:
        self.changes += 1
        self._watch(method, *arguments)
        planned = self._fails_from
        if planned is None or self.changes < planned or (self.changes > planned and not self._is_lasting):
            super()._note(method, *arguments)
            return
        self.failed.append(method.__name__)
        if method is Disk.sync:
            self.give_up(arguments[0])
            self._given_up.add(arguments[0])
        raise OSError(self._error, os.strerror(self._error))

    def _watch(self, method: Callable[..., object], *arguments: Any) -> None:
        """See whether a file is synced again after its sync had failed, without having been written again."""
        if method is Disk.write:
            self._given_up.discard(arguments[0])
        if method is Disk.sync and arguments[0] in self._given_up:
            self.retried.append(arguments[0])
