"""Background work: done when woken, done again when it failed, and over when it is told to stop."""

import threading
from collections.abc import Callable

import pytest

import lifecycle_scene
from fix_logs import Journal
from neve.domain.identities import SnapshotId
from neve.domain.snapshots import Snapshot, State
from neve.errors import RequestError, StoreUnavailable
from neve.events import (
    BackgroundFailed,
    BinEmptied,
    ClockSetForward,
    RowsReaped,
    SnapshotSealed,
    SnapshotsTimedOut,
)
from neve.messages import ebs
from neve.operations.ebs.complete_snapshot import complete_snapshot
from neve.operations.ebs.start_snapshot import start_snapshot
from neve.server.background import Background, Rhythm, SealingQueue, Work, works
from neve.server.ripening import Ripening
from neve.storage.sealing import Sealer
from neve.testing.time_and_chance import ManualClock
from neve.testing.world import ACCOUNT, World

BLOCK = b"\x01" * 64
NEVER_S = 3600.0
HOUR_S = 3600
YEAR_S = 365 * 24 * HOUR_S
PATIENCE_S = 20


class Slices:
    """A piece of work that does as told, and says when it was called."""

    def __init__(self, *outcomes: int | Exception) -> None:
        self._outcomes = list(outcomes)
        self.called = threading.Semaphore(0)
        self.calls = 0

    def __call__(self) -> int:
        outcome = self._outcomes.pop(0) if self._outcomes else 0
        self.calls += 1
        self.called.release()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def wait(self, times: int = 1) -> None:
        for _ in range(times):
            assert self.called.acquire(timeout=PATIENCE_S)


def work(slices: Callable[[], int], *, pause_s: float = NEVER_S, wakes: bool = True) -> Work:
    return Work(name="work", do_slice=slices, pause_s=pause_s, wakes=wakes)


def test_it_goes_on_until_nothing_is_left(journal: Journal) -> None:
    slices = Slices(5, 5, 1)
    with Background([work(slices)], journal.report):
        slices.wait(4)
    assert slices.calls == 4


def test_it_begins_at_once_and_again_when_woken(journal: Journal) -> None:
    slices = Slices()
    with Background([work(slices)], journal.report) as background:
        slices.wait()
        background.wake()
        slices.wait()


def test_it_begins_again_when_its_pause_is_over(journal: Journal) -> None:
    slices = Slices()
    with Background([work(slices, pause_s=0.001)], journal.report):
        slices.wait(3)


def test_a_wish_that_comes_while_it_works_is_not_lost(journal: Journal) -> None:
    slices = Slices()
    background = Background([], journal.report)

    def wake_then_do() -> int:
        if not slices.calls:
            background.wake()
        return slices()

    background = Background([work(wake_then_do)], journal.report)
    with background:
        slices.wait(2)


def test_only_who_is_meant_wakes(journal: Journal) -> None:
    woken, asleep = Slices(), Slices()
    with Background([work(woken), work(asleep, wakes=False)], journal.report) as background:
        asleep.wait()
        woken.wait()
        background.wake()
        woken.wait()
    assert asleep.calls == 1


@pytest.mark.parametrize(
    ("error", "has_trace"), [(RuntimeError("a bug"), True), (StoreUnavailable("the disk"), False)]
)
def test_what_fails_is_reported_and_leaves_the_thread_alive(
    journal: Journal, error: Exception, has_trace: bool
) -> None:
    journal.announce("background work failed")
    slices = Slices(error)
    with Background([work(slices)], journal.report) as background:
        slices.wait()
        background.wake()
        slices.wait()
    (failure,) = [event for event in journal.events if isinstance(event, BackgroundFailed)]
    assert (failure.work, str(error) in failure.error) == ("work", True)
    assert bool(failure.trace) is has_trace


def test_stopping_twice_is_stopping(journal: Journal) -> None:
    slices = Slices()
    background = Background([work(slices)], journal.report)
    background.start()
    slices.wait()
    background.stop()
    background.stop()


# --- completions


def queue_for(world: World, journal: Journal, sealer: Sealer | None = None) -> SealingQueue:
    return SealingQueue(world.metadata, sealer or world.sealer, world.clock, journal.report)


def accept_completion(world: World, snapshot_id: str, *, count: int) -> str:
    """Say that a snapshot is complete; return what is answered."""
    request = ebs.CompleteSnapshotRequest(snapshot_id=snapshot_id, changed_blocks_count=count)
    return complete_snapshot(world.context, world.caller(), request).status


def accept(world: World, *, count: int = 1) -> SnapshotId:
    """Return a snapshot of one block whose completion is accepted."""
    snapshot_id = world.start()
    world.put(snapshot_id, 0, BLOCK)
    accept_completion(world, snapshot_id, count=count)
    return SnapshotId(snapshot_id)


def advance(world: World, *, seconds: float) -> None:
    clock_of(world).advance(seconds=seconds)


def clock_of(world: World) -> ManualClock:
    assert isinstance(world.clock, ManualClock)
    return world.clock


def state_of(world: World, snapshot_id: SnapshotId) -> State:
    return world.metadata.snapshot(ACCOUNT, snapshot_id).state


def test_accepted_completions_are_finished_one_by_one(world: World, journal: Journal) -> None:
    right, wrong = accept(world), accept(world, count=2)
    queue = queue_for(world, journal)
    assert [queue.seal_one() for _ in range(3)] == [1, 1, 0]
    assert (state_of(world, right), state_of(world, wrong)) == (State.COMPLETED, State.ERROR)
    assert [event for event in journal.events if isinstance(event, SnapshotSealed)] == [
        SnapshotSealed(snapshot_id=right, state="completed"),
        SnapshotSealed(
            snapshot_id=wrong, state="error", state_message="Changed blocks count mismatch for snapshot"
        ),
    ]


class PickySealer(Sealer):
    """Fails for the snapshots it is told to fail for."""

    def __init__(self, inner: Sealer) -> None:
        self._inner = inner
        self.interrupted = False
        self.fails_for: set[str] = set()
        self.tried: list[str] = []

    def seal(self, snapshot: Snapshot) -> None:
        self.tried.append(snapshot.snapshot_id)
        if snapshot.snapshot_id in self.fails_for:
            raise StoreUnavailable("not this one")
        self._inner.seal(snapshot)


def test_one_that_cannot_be_finished_holds_up_no_other_and_is_tried_again(
    world: World, journal: Journal
) -> None:
    journal.announce("background work failed")
    stuck, fine = accept(world), accept(world)
    sealer = PickySealer(world.sealer)
    sealer.fails_for = {stuck}
    queue = queue_for(world, journal, sealer)
    assert [queue.seal_one() for _ in range(3)] == [1, 1, 0]
    assert (state_of(world, stuck), state_of(world, fine)) == (State.SEALING, State.COMPLETED)
    sealer.fails_for.clear()
    assert queue.seal_one() == 0
    advance(world, seconds=5)
    assert queue.seal_one() == 1
    assert state_of(world, stuck) is State.COMPLETED
    assert sealer.tried == [stuck, fine, stuck]


def test_the_longer_one_cannot_be_finished_the_rarer_it_is_tried_and_told(
    world: World, journal: Journal
) -> None:
    journal.announce("background work failed")
    stuck = accept(world)
    sealer = PickySealer(world.sealer)
    sealer.fails_for = {stuck}
    queue = queue_for(world, journal, sealer)
    for _ in range(10):
        assert queue.seal_one() == 1
        assert queue.seal_one() == 0
        told = [event for event in journal.events if isinstance(event, BackgroundFailed)]
        advance(world, seconds=told[-1].retry_in_s)
    assert [event.retry_in_s for event in told] == [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]
    sealer.fails_for.clear()
    assert queue.seal_one() == 1
    assert state_of(world, stuck) is State.COMPLETED


def test_one_deleted_meanwhile_is_nobodys_business(world: World, journal: Journal) -> None:
    snapshot_id = accept(world)

    class DeletingSealer(PickySealer):
        def seal(self, snapshot: Snapshot) -> None:
            world.delete(snapshot_id)
            super().seal(snapshot)

    assert queue_for(world, journal, DeletingSealer(world.sealer)).seal_one() == 1
    assert [event for event in journal.events if isinstance(event, SnapshotSealed)] == []


def test_two_sealers_never_take_the_same_one(world: World, journal: Journal) -> None:
    accept(world)
    accept(world)
    at_work, go_on = threading.Semaphore(0), threading.Event()

    class SlowSealer(PickySealer):
        def seal(self, snapshot: Snapshot) -> None:
            at_work.release()
            assert go_on.wait(PATIENCE_S)
            super().seal(snapshot)

    sealer = SlowSealer(world.sealer)
    queue = queue_for(world, journal, sealer)
    threads = [threading.Thread(target=queue.seal_one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert at_work.acquire(timeout=PATIENCE_S)
    assert queue.seal_one() == 0
    go_on.set()
    for thread in threads:
        thread.join()
    assert len(set(sealer.tried)) == len(sealer.tried) == 2


# --- the rest of the works


def slice_named(name: str, world: World, journal: Journal) -> Callable[[], int]:
    """Return the slice of a work that has looked at the clock before."""
    made = works(
        metadata=world.metadata,
        sealing=queue_for(world, journal),
        clock=world.clock,
        ripening=Ripening(world.clock),
        report=journal.report,
        rhythm=Rhythm(expire_interval_s=1, reap_interval_s=1, client_token_age_s=86_400),
    )
    (found,) = [each for each in made if each.name == name]
    return found.do_slice


def test_what_timed_out_is_in_error_an_hour_later_and_its_rows_go(world: World, journal: Journal) -> None:
    late = SnapshotId(world.start(timeout=10))
    world.put(late, 0, BLOCK)
    expire, reap = slice_named("expire", world, journal), slice_named("reap", world, journal)
    advance(world, seconds=600)
    assert expire() == 0
    advance(world, seconds=HOUR_S - 1)
    assert expire() == 0
    assert (reap(), state_of(world, late)) == (0, State.PENDING)
    advance(world, seconds=1)
    assert expire() == 1
    assert expire() == 0
    assert state_of(world, late) is State.ERROR
    assert SnapshotsTimedOut(snapshot_ids=(late,)) in journal.events
    assert (reap(), reap()) == (1, 0)
    assert RowsReaped(kind="block rows and holds", count=1) in journal.events


def test_a_clock_that_is_ahead_for_less_than_an_hour_ends_no_snapshot(world: World, journal: Journal) -> None:
    """It was ahead before the server came, so that nothing shows that it was set."""
    snapshot_id = world.start(timeout=10)
    world.put(snapshot_id, 0, BLOCK)
    for _ in range(3):
        clock_of(world).step(seconds=20 * YEAR_S)
        expire = slice_named("expire", world, journal)
        assert expire() == 0
        with pytest.raises(RequestError):
            world.put(snapshot_id, 1, BLOCK)
        assert accept_completion(world, snapshot_id, count=1) == "error"
        advance(world, seconds=HOUR_S - 1)
        assert expire() == 0
        clock_of(world).step(seconds=-20 * YEAR_S - HOUR_S)
        assert expire() == 0
    world.put(snapshot_id, 1, BLOCK)
    assert world.complete(snapshot_id, count=2) is State.COMPLETED


@pytest.mark.parametrize("years", [10, 1, 0])
def test_whose_time_runs_out_by_a_step_of_the_clock_has_it_anew(
    world: World, journal: Journal, years: int
) -> None:
    journal.announce("clock set forward")
    expire = slice_named("expire", world, journal)
    snapshot_ids = [world.start(timeout=timeout) for timeout in (10, 600)]
    late = world.start(timeout=10)
    advance(world, seconds=590)
    world.put(snapshot_ids[0], 0, BLOCK)
    advance(world, seconds=10)
    by_s = years * YEAR_S + HOUR_S
    clock_of(world).step(seconds=by_s)
    assert expire() == 0
    for snapshot_id in snapshot_ids:
        world.put(snapshot_id, 1, BLOCK)
    with pytest.raises(RequestError):
        world.put(late, 0, BLOCK)
    count = 2 if years else 1
    expected = ClockSetForward(by_s=by_s, snapshots_postponed=count)
    assert [event for event in journal.events if isinstance(event, ClockSetForward)] == [expected]


def test_what_was_in_the_bin_for_its_time_is_gone_for_good_an_hour_later(
    world: World, journal: Journal
) -> None:
    lifecycle_scene.rule(world, days=1)
    snapshot_id = lifecycle_scene.completed(world)
    lifecycle_scene.delete(world, snapshot_id)
    empty = slice_named("empty-bin", world, journal)
    lifecycle_scene.let_pass(world, hours=23, minutes=59)
    assert empty() == 0
    assert lifecycle_scene.restore(world, snapshot_id).snapshot_id == snapshot_id
    lifecycle_scene.delete(world, snapshot_id)
    lifecycle_scene.let_pass(world, days=1)
    assert empty() == 0
    lifecycle_scene.let_pass(world, minutes=59)
    assert empty() == 0
    lifecycle_scene.let_pass(world, minutes=1)
    assert (empty(), empty()) == (1, 0)
    assert [event for event in journal.events if isinstance(event, BinEmptied)] == [
        BinEmptied(snapshot_ids=(snapshot_id,))
    ]


def test_a_clock_that_is_ahead_for_less_than_an_hour_empties_no_bin(world: World, journal: Journal) -> None:
    lifecycle_scene.rule(world, days=7)
    snapshot_id = lifecycle_scene.completed(world)
    lifecycle_scene.delete(world, snapshot_id)
    empty = slice_named("empty-bin", world, journal)
    clock_of(world).step(seconds=YEAR_S)
    assert empty() == 0
    advance(world, seconds=HOUR_S - 1)
    assert empty() == 0
    clock_of(world).step(seconds=-YEAR_S)
    advance(world, seconds=1)
    assert empty() == 0
    assert lifecycle_scene.restore(world, snapshot_id).snapshot_id == snapshot_id


def test_client_tokens_of_deleted_snapshots_are_forgotten_after_a_day(world: World, journal: Journal) -> None:
    request = ebs.StartSnapshotRequest(volume_size=1, client_token="again")
    first = start_snapshot(world.context, world.caller(), request).snapshot_id
    world.delete(first)
    forget = slice_named("forget-tokens", world, journal)
    advance(world, seconds=24 * HOUR_S)
    assert forget() == 0
    assert start_snapshot(world.context, world.caller(), request).snapshot_id == first
    advance(world, seconds=HOUR_S)
    assert forget() == 0
    advance(world, seconds=1)
    assert forget() == 0
    advance(world, seconds=HOUR_S)
    assert forget() == 1
    assert start_snapshot(world.context, world.caller(), request).snapshot_id != first
