"""Scrubbing: everything once in the period, at an even pace, whatever cannot be verified, whatever the clock does."""

from collections.abc import Callable

import pytest

from copy_scene import block
from neve.domain.snapshots import State
from neve.storage.progress import unhurried
from neve.storage.verification.scrubbing import Scrubber
from neve.stores.metadata.placement import SegmentName
from neve.testing.memory_segments import MemorySegmentStore
from neve.testing.time_and_chance import ManualClock
from neve.testing.world import World

PERIOD_S = 24 * 3600


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def world(make_world: Callable[..., World], clock: ManualClock) -> World:
    world = make_world(clock=clock)
    write(world, 60)
    return world


@pytest.fixture
def scrubber(world: World) -> Scrubber:
    """What scrubs the world in a day, which its own does in a week."""
    return Scrubber(world.verifier._parts, period_s=PERIOD_S)


def write(world: World, count: int) -> None:
    snapshot_id = world.start()
    for index in range(count):
        world.put(snapshot_id, index, block(index + 1))
    assert world.complete(snapshot_id, count=count) is State.COMPLETED


def names(world: World) -> set[SegmentName]:
    return {use.name for use in world.metadata.collection.segments(after=None, limit=10_000)}


def damage(world: World, name: SegmentName) -> None:
    assert isinstance(world.segments, MemorySegmentStore)
    world.segments.damage(name, 40, b"\0\0\0\0")


def test_a_store_without_segments_has_nothing_to_do(make_world: Callable[..., World]) -> None:
    step = make_world().verifier.scrub_one()
    assert (step.segment, step.bytes_read, step.is_right) == ("", 0, True)
    assert step.wait_s > 0


def test_everything_is_read_once_in_the_period_at_an_even_pace(
    world: World, scrubber: Scrubber, clock: ManualClock
) -> None:
    began_ms = clock.now_ms()
    waits = []
    seen = []
    for _ in names(world):
        step = scrubber.step(unhurried)
        assert step.is_right
        seen.append(step.segment)
        waits.append(step.wait_s)
        clock.advance(seconds=step.wait_s)
    assert sorted(seen) == sorted(names(world))
    passed_s = (clock.now_ms() - began_ms) / 1000
    assert 0.8 * PERIOD_S < passed_s < PERIOD_S
    assert len({round(wait, 3) for wait in waits[:50]}) == 1, "these are of one size"


def test_for_weeks_nothing_is_older_than_the_period(
    world: World, scrubber: Scrubber, clock: ManualClock
) -> None:
    until_ms = clock.now_ms() + 3 * PERIOD_S * 1000
    oldest_s = 0.0
    while clock.now_ms() < until_ms:
        clock.advance(seconds=scrubber.step(unhurried).wait_s)
        oldest_ms = world.metadata.collection.verification_standing().oldest_ms
        assert oldest_ms is not None
        oldest_s = max(oldest_s, (clock.now_ms() - oldest_ms) / 1000)
    assert oldest_s <= PERIOD_S


def test_a_small_store_is_read_now_and_then(make_world: Callable[..., World]) -> None:
    world = make_world()
    write(world, 2)
    assert world.verifier.scrub_one().wait_s == 3600


def test_what_is_late_is_hurried(world: World, scrubber: Scrubber, clock: ManualClock) -> None:
    usual_s = scrubber.step(unhurried).wait_s
    clock.advance(seconds=2 * PERIOD_S)
    assert scrubber.step(unhurried).wait_s < usual_s / 2


def test_what_is_damaged_is_passed_over_and_comes_first_in_the_next_cycle(
    world: World, scrubber: Scrubber, clock: ManualClock
) -> None:
    first = world.metadata.collection.segments_to_verify(verified_before_ms=1, limit=1)[0].name
    damage(world, first)
    count = len(names(world))
    steps = []
    for _ in range(count + 1):
        steps.append(scrubber.step(unhurried))
        clock.advance(seconds=60)
    assert {step.segment for step in steps} == names(world)
    assert [step.segment for step in steps if not step.is_right] == [first, first]
    assert [steps[0].segment, steps[count].segment] == [first, first]


@pytest.mark.parametrize("jump_s", [-10 * 365 * 24 * 3600, 10 * 365 * 24 * 3600])
def test_a_clock_that_jumps_makes_nothing_be_left_out(
    world: World, scrubber: Scrubber, clock: ManualClock, jump_s: int
) -> None:
    for _ in range(20):
        scrubber.step(unhurried)
        clock.advance(seconds=60)
    clock.step(seconds=jump_s)
    total = len(names(world))
    rest = {scrubber.step(unhurried).segment for _ in range(total - 20)}
    assert len(rest) == total - 20, "those that were not read yet"
    again = {scrubber.step(unhurried).segment for _ in range(total)}
    assert again == names(world)


def test_how_old_the_oldest_is_may_be_asked_often(
    world: World, scrubber: Scrubber, clock: ManualClock
) -> None:
    born_ms = world.verifier.oldest_unverified_ms()
    assert born_ms == clock.now_ms()
    clock.advance(minutes=10)
    for _ in names(world):
        scrubber.step(unhurried)
    clock.advance(minutes=10)
    assert world.verifier.oldest_unverified_ms() == born_ms + 600_000
