"""Volumes that whoever asks for a repair has, given block by block: an image file, or a snapshot of another service.

    repair wants block 7 ─▶ TaskView.wanted ─▶ the command reads its file, or asks its service ─▶ FeedTask ─▶ goes on

So the server opens no file that an operator names, asks no address, and is given nobody's credentials: what it gets are
bytes, which it proves before it uses them.
"""

from threading import Condition, Lock
from typing import Final

from neve.domain.blocks import BlockIndex
from neve.errors import StoreUnavailable
from neve.server.administration.messages_tasks import FeedTask
from neve.server.administration.messages_upkeep import WantedBlock
from neve.storage.progress import Check

_LOOK_EVERY_S: Final = 0.2
"""Whether the task is to end."""


class Feeding:
    """The volumes of one task. One thread reads them, another one gives."""

    def __init__(self) -> None:
        self._changed = Condition(Lock())
        self._wanted: WantedBlock | None = None
        self._given: list[bytes] = []
        self._number = 0
        self._failures: dict[int, str] = {}

    @property
    def wanted(self) -> WantedBlock | None:
        """What is waited for."""
        return self._wanted

    def read(self, volume: int, index: BlockIndex, check: Check) -> bytes:
        """Return a block when it was given; nothing at all if the volume has none there.

        Raises:
            StoreUnavailable: the volume cannot be read.
        """
        with self._changed:
            self._demand_readable(volume)
            self._given.clear()
            self._number += 1
            self._wanted = WantedBlock(number=self._number, volume=volume, block_index=index)
            try:
                while not self._given:
                    check()
                    self._changed.wait(_LOOK_EVERY_S)
                    self._demand_readable(volume)
                return self._given.pop()
            finally:
                self._wanted = None

    def give(self, request: FeedTask) -> None:
        """Hand over a block, or say that there will be none."""
        with self._changed:
            wanted = self._wanted
            if wanted is None or wanted.number != request.number:
                return
            if request.failure:
                self._failures[wanted.volume] = request.failure
            elif not self._given:
                self._given = [request.data]
            self._changed.notify()

    def _demand_readable(self, volume: int) -> None:
        if volume in self._failures:
            raise StoreUnavailable(self._failures[volume])
