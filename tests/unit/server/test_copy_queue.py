"""Whose turn it is among the copies: everybody's, one after the other, and nobody waits for one that cannot go on."""

import threading
from collections.abc import Callable

import pytest

from copy_scene import ask, block, record, source
from fix_logs import Journal
from neve.domain.snapshots import State
from neve.events import BackgroundFailed, CopyFailed, SnapshotCopied
from neve.server.background import Background
from neve.server.copy_queue import CopyQueue
from neve.testing.memory_keys import MemoryKeys
from neve.testing.time_and_chance import ManualClock
from neve.testing.world import ACCOUNT, World

PATIENCE_S = 20
BLOCKS = {index: block(index) for index in range(10)}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def keys() -> MemoryKeys:
    return MemoryKeys()


@pytest.fixture
def world(make_world: Callable[..., World], keys: MemoryKeys, clock: ManualClock) -> World:
    return make_world(keys=keys, clock=clock, key_state_age_s=0, data_key_age_s=0)


def queue_of(world: World, journal: Journal, on_copied: Callable[[], None] = lambda: None) -> CopyQueue:
    return CopyQueue(
        metadata=world.metadata,
        copier=world.copier,
        clock=world.clock,
        report=journal.report,
        on_copied=on_copied,
    )


def begun(world: World, key: str) -> str:
    return ask(world, source(world, BLOCKS), encrypted=True, kms_key_id=key).snapshot_id


def progress(world: World) -> dict[str, int]:
    copies = world.metadata.lifecycle.copies(after=None, limit=10)
    return {copy.snapshot.snapshot_id: copy.copied_count for copy in copies}


def test_copies_take_turns(world: World, keys: MemoryKeys, journal: Journal) -> None:
    queue = queue_of(world, journal)
    first, second = (begun(world, keys.make_key(ACCOUNT)) for _ in range(2))
    for _ in range(4):  # both resolved, and a slice of each
        assert queue.advance_one() == 1
    assert progress(world) == {first: 4, second: 4}
    late = begun(world, keys.make_key(ACCOUNT))
    for _ in range(3):
        queue.advance_one()
    assert progress(world) == {first: 8, second: 8, late: 0}


def test_it_goes_on_until_nothing_is_left_and_says_so(
    world: World, keys: MemoryKeys, journal: Journal
) -> None:
    wakes: list[str] = []
    queue = queue_of(world, journal, lambda: wakes.append("sealers"))
    copies = [begun(world, keys.make_key(ACCOUNT)) for _ in range(2)]
    while queue.advance_one():
        pass
    assert wakes == ["sealers"] * 2
    told = [event for event in journal.events if isinstance(event, SnapshotCopied)]
    assert [event.snapshot_id for event in told] == copies
    assert {event.copied_blocks for event in told} == {len(BLOCKS)}
    assert {event.principal for event in told} == {f"arn:aws:iam::{ACCOUNT}:root"}
    world.seal()
    assert {record(world, each).state for each in copies} == {State.COMPLETED}


def test_one_that_cannot_go_on_holds_up_nobody_and_is_tried_again_after_longer_and_longer(
    world: World, keys: MemoryKeys, clock: ManualClock, journal: Journal
) -> None:
    journal.announce("background work failed")
    queue = queue_of(world, journal)
    stuck_key = keys.make_key(ACCOUNT)
    stuck, other = begun(world, stuck_key), begun(world, keys.make_key(ACCOUNT))
    keys.disable(stuck_key)
    while queue.advance_one():
        pass
    assert progress(world) == {stuck: 0}
    assert record(world, other).state is State.SEALING
    waits = []
    for _ in range(9):
        (*_, told) = (event for event in journal.events if isinstance(event, BackgroundFailed))
        assert stuck in told.work
        assert "DisabledException" in told.error
        assert not told.trace
        waits.append(told.retry_in_s)
        clock.advance(seconds=told.retry_in_s - 0.1)
        assert queue.advance_one() == 0, "not before"
        clock.advance(seconds=0.2)
        assert queue.advance_one() == 1
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    keys.enable(stuck_key)
    clock.advance(seconds=301)
    while queue.advance_one():
        pass
    assert record(world, stuck).state is State.SEALING


def test_a_copy_that_fails_is_told_of(world: World, journal: Journal) -> None:
    journal.announce("copy failed")
    queue = queue_of(world, journal)
    copy_id = ask(world, "snap-0123456789abcdef0").snapshot_id
    assert [queue.advance_one(), queue.advance_one()] == [1, 0]
    (told,) = (event for event in journal.events if isinstance(event, CopyFailed))
    assert (told.snapshot_id, told.source_id) == (copy_id, "snap-0123456789abcdef0")
    assert (told.state_message, told.error) == ("Source snapshot is not found", "")


def test_one_that_was_deleted_is_forgotten(world: World, keys: MemoryKeys, journal: Journal) -> None:
    queue = queue_of(world, journal)
    copy_id = begun(world, keys.make_key(ACCOUNT))
    queue.advance_one()
    world.delete(copy_id)
    assert queue.advance_one() == 0
    assert journal.events == []


def test_a_stop_ends_the_slice_under_way_without_a_complaint(
    world: World, keys: MemoryKeys, journal: Journal
) -> None:
    copy_id = begun(world, keys.make_key(ACCOUNT))
    queue = queue_of(world, journal)
    queue.advance_one()
    work = queue.work()
    assert work.interrupt is not None
    work.interrupt()
    assert queue.advance_one() == 0
    assert progress(world) == {copy_id: 0}
    assert journal.events == []


def test_the_work_begins_with_what_was_left_and_when_it_is_woken(
    world: World, keys: MemoryKeys, journal: Journal
) -> None:
    left = begun(world, keys.make_key(ACCOUNT))
    copied = threading.Semaphore(0)
    work = queue_of(world, journal, copied.release).work()
    with Background([work], journal.report) as background:
        assert copied.acquire(timeout=PATIENCE_S)
        asked = begun(world, keys.make_key(ACCOUNT))
        background.wake()
        assert copied.acquire(timeout=PATIENCE_S)
    world.seal()
    assert world.read(left) == world.read(asked) == BLOCKS
