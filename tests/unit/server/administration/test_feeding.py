"""Blocks that a repair gets from whoever asked for it: the one that is wanted, once, or the reason why there is none."""

from threading import Event, Thread

import pytest

from neve.domain.blocks import BlockIndex
from neve.errors import StoreUnavailable
from neve.server.administration.feeding import Feeding
from neve.server.administration.messages_tasks import FeedTask
from neve.server.administration.messages_upkeep import WantedBlock
from neve.server.administration.tasks import TaskEnded


class Reading:
    """A thread that reads blocks, one after the other."""

    def __init__(self, feeding: Feeding, *indexes: int, volume: int = 0) -> None:
        self.read: list[bytes | Exception] = []
        self._feeding = feeding
        self._indexes = indexes
        self._volume = volume
        self.end = Event()
        self._thread = Thread(target=self._work)
        self._thread.start()

    def _check(self) -> None:
        if self.end.is_set():
            raise TaskEnded

    def _work(self) -> None:
        for index in self._indexes:
            try:
                self.read.append(self._feeding.read(self._volume, BlockIndex(index), self._check))
            except (StoreUnavailable, TaskEnded) as error:
                self.read.append(error)

    def join(self) -> list[bytes | Exception]:
        self._thread.join()
        return self.read


def wish(feeding: Feeding, number: int) -> WantedBlock:
    """Return a wish when it is there."""
    while (wanted := feeding.wanted) is None or wanted.number != number:
        pass
    return wanted


def answer(number: int, data: bytes = b"", failure: str = "") -> FeedTask:
    return FeedTask(task_id="00", number=number, data=data, failure=failure)


def test_what_is_wanted_is_told_and_what_is_given_is_read() -> None:
    feeding = Feeding()
    reading = Reading(feeding, 7, 7, 9)
    for number, index in ((1, 7), (2, 7), (3, 9)):
        assert wish(feeding, number) == WantedBlock(number=number, volume=0, block_index=index)
        feeding.give(answer(number, bytes([number])))
    assert reading.join() == [b"\1", b"\2", b"\3"]
    assert feeding.wanted is None


def test_what_is_not_wanted_is_not_used() -> None:
    feeding = Feeding()
    feeding.give(answer(1, b"too early"))
    reading = Reading(feeding, 7)
    wish(feeding, 1)
    feeding.give(answer(2, b"too early"))
    feeding.give(answer(1, b"right"))
    feeding.give(answer(1, b"too late"))
    assert reading.join() == [b"right"]


def test_a_volume_that_cannot_be_read_is_not_asked_again() -> None:
    feeding = Feeding()
    reading = Reading(feeding, 7, 8)
    wish(feeding, 1)
    feeding.give(answer(1, failure="the disk is gone"))
    first, second = reading.join()
    assert str(first) == str(second) == "the disk is gone"
    other = Reading(feeding, 3, volume=1)
    wish(feeding, 2)
    feeding.give(answer(2, b"of the other"))
    assert other.join() == [b"of the other"]


def test_waiting_ends_when_the_task_does() -> None:
    feeding = Feeding()
    reading = Reading(feeding, 7)
    wish(feeding, 1)
    reading.end.set()
    (ended,) = reading.join()
    assert isinstance(ended, TaskEnded)
    assert feeding.wanted is None


def test_one_that_is_to_end_already_wants_nothing() -> None:
    feeding = Feeding()

    def ended() -> None:
        raise TaskEnded

    with pytest.raises(TaskEnded):
        feeding.read(0, BlockIndex(0), ended)
    assert feeding.wanted is None
