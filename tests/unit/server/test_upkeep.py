"""Collecting and scrubbing without being asked: when, how they end, and that a failure waits for its next turn."""

from collections.abc import Callable, Iterator
from threading import Event, Thread
from typing import Any

import pytest

from fix_logs import Journal
from neve.errors import CollectionStopped, StoreUnavailable
from neve.events import BackgroundFailed
from neve.server.administration.tasks import TaskKind, Tasks
from neve.server.collecting import Collections, Haste
from neve.server.ledger import Ledger
from neve.server.upkeep import CollectionUpkeep, ScrubUpkeep
from neve.storage.collection.report import CollectionReport
from neve.storage.progress import Check, OnProgress, Progress, Unit
from neve.storage.verification.scrubbing import ScrubStep
from neve.testing.time_and_chance import ManualClock, SeededEntropy


class Collected:
    """Stands for a collector; does what a test says."""

    def __init__(self) -> None:
        self.hastes: list[Haste] = []
        self.began = Event()
        self.failure: Exception | None = None
        self.endless = False

    def open(self, haste: Haste) -> Any:
        self.hastes.append(haste)
        return self

    def collect(
        self, *, dry_run: bool, share_max: float | None, on_progress: OnProgress, check: Check
    ) -> CollectionReport:
        on_progress(Progress(phase="marking", done=0, total=1, unit=Unit.SNAPSHOTS))
        self.began.set()
        while self.endless:
            check()
        if self.failure is not None:
            raise self.failure
        return CollectionReport(dry_run=dry_run, bytes_deleted=7, unexplained=2)


class Pauses:
    """Waits for nobody, and keeps for how long that would have been."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    def __call__(self, pause_s: float) -> bool:
        self.asked.append(pause_s)
        return False


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def tasks(clock: ManualClock) -> Iterator[Tasks]:
    tasks = Tasks(clock, SeededEntropy())
    yield tasks
    tasks.close()


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def collected() -> Collected:
    return Collected()


@pytest.fixture
def collections(collected: Collected, tasks: Tasks, ledger: Ledger, clock: ManualClock) -> Collections:
    return Collections(collected.open, tasks, ledger, clock)


# --- collecting


def test_the_first_collection_comes_a_while_after_the_start_and_then_one_every_interval(
    collections: Collections, collected: Collected, ledger: Ledger, journal: Journal
) -> None:
    pauses = Pauses()
    upkeep = CollectionUpkeep(collections, interval_s=21_600, report=journal.report, wait=pauses)
    for _ in range(3):
        assert upkeep.collect_next() == 1
    assert pauses.asked == [600, 21_600, 21_600]
    assert collected.hastes == [Haste.SCHEDULED] * 3
    last = ledger.last_collection
    assert last is not None
    assert (last.failed, last.unexplained) == (False, 2)
    assert "freed 7 bytes" in last.summary


def test_one_that_fails_is_tried_again_at_its_next_turn(
    collections: Collections, collected: Collected, ledger: Ledger, journal: Journal
) -> None:
    journal.announce(BackgroundFailed.name)
    pauses = Pauses()
    upkeep = CollectionUpkeep(collections, interval_s=60, report=journal.report, wait=pauses)
    for failure in (CollectionStopped("odd"), StoreUnavailable("down")):
        collected.failure = failure
        assert upkeep.collect_next() == 1
        last = ledger.last_collection
        assert last is not None
        assert (last.failed, last.summary) == (True, str(failure))
    told = [event for event in journal.events if isinstance(event, BackgroundFailed)]
    assert [event.error for event in told] == ["StoreUnavailable: down"], (
        "a collector says itself why it stopped"
    )
    collected.failure = None
    assert upkeep.collect_next() == 1
    assert pauses.asked == [60, 60, 60]
    last = ledger.last_collection
    assert last is not None
    assert not last.failed


def test_an_operators_collection_takes_the_place_of_the_schedules(
    collections: Collections, collected: Collected, journal: Journal
) -> None:
    collected.endless = True
    task = collections.begin(dry_run=False, share_max=None, at_once=False)
    collected.began.wait()
    upkeep = CollectionUpkeep(collections, interval_s=60, report=journal.report, wait=Pauses())
    assert upkeep.collect_next() == 1
    assert collected.hastes == [Haste.ASKED]
    assert journal.events == []
    collected.endless = False
    task.over.wait()


def test_a_dry_run_and_haste_are_an_operators(
    collections: Collections, collected: Collected, ledger: Ledger
) -> None:
    for dry_run, at_once in ((True, True), (False, True)):
        collections.begin(dry_run=dry_run, share_max=None, at_once=at_once).over.wait()
    assert collected.hastes == [Haste.AT_ONCE] * 2
    collections.begin(dry_run=True, share_max=None, at_once=False).over.wait()
    assert collected.hastes[-1] is Haste.ASKED


def test_a_dry_run_is_no_collection_that_is_remembered(collections: Collections, ledger: Ledger) -> None:
    collections.begin(dry_run=True, share_max=None, at_once=False).over.wait()
    assert ledger.last_collection is None


def test_a_stop_ends_the_wait_and_what_is_under_way(
    collections: Collections, collected: Collected, tasks: Tasks, journal: Journal
) -> None:
    waiting = CollectionUpkeep(collections, interval_s=3_600, report=journal.report).work()
    assert waiting.interrupt is not None
    waiting.interrupt()
    assert waiting.do_slice() == 0
    assert collected.hastes == []

    collected.endless = True
    busy = CollectionUpkeep(collections, interval_s=1, report=journal.report, wait=Pauses()).work()
    assert busy.interrupt is not None
    slices: list[int] = []
    thread = Thread(target=lambda: slices.append(busy.do_slice()))
    thread.start()
    collected.began.wait()
    assert [task.kind for task in tasks.under_way()] == [TaskKind.COLLECTION]
    busy.interrupt()
    thread.join()
    assert slices == [0]


def test_one_that_an_operator_stops_comes_again(
    collections: Collections, collected: Collected, tasks: Tasks, journal: Journal
) -> None:
    collected.endless = True
    upkeep = CollectionUpkeep(collections, interval_s=1, report=journal.report, wait=Pauses())
    slices: list[int] = []
    thread = Thread(target=lambda: slices.append(upkeep.collect_next()))
    thread.start()
    collected.began.wait()
    tasks.stop(tasks.under_way()[0].task_id)
    thread.join()
    assert slices == [1]


# --- scrubbing


class Scrubbed:
    """Stands for a verifier; does what a test says."""

    def __init__(self) -> None:
        self.steps = 0
        self.failure: Exception | None = None
        self.endless = False
        self.began = Event()

    def scrub_one(self, *, check: Check) -> ScrubStep:
        self.steps += 1
        self.began.set()
        while self.endless:
            check()
        if self.failure is not None:
            raise self.failure
        return ScrubStep(segment="a", bytes_read=1, is_right=True, findings=0, wait_s=12.5)


def scrubbing(scrubbed: Scrubbed, clock: ManualClock, journal: Journal, wait: Any = None) -> ScrubUpkeep:
    opener: Callable[[], Any] = lambda: scrubbed  # noqa: E731 - it stands for another type
    return ScrubUpkeep(opener, period_s=604_800, clock=clock, report=journal.report, wait=wait)


def test_scrubbing_waits_as_long_as_it_is_told_to(clock: ManualClock, journal: Journal) -> None:
    scrubbed, pauses = Scrubbed(), Pauses()
    upkeep = scrubbing(scrubbed, clock, journal, pauses)
    for _ in range(3):
        assert upkeep.scrub_next() == 1
    assert pauses.asked == [60, 12.5, 12.5]


def test_scrubbing_that_fails_is_tried_again_later_and_later(clock: ManualClock, journal: Journal) -> None:
    journal.announce(BackgroundFailed.name)
    scrubbed, pauses = Scrubbed(), Pauses()
    upkeep = scrubbing(scrubbed, clock, journal, pauses)
    scrubbed.failure = StoreUnavailable("down")
    for _ in range(10):
        assert upkeep.scrub_next() == 1
    assert pauses.asked[:4] == [60, 5, 10, 20]
    assert pauses.asked[-1] == 600
    scrubbed.failure = None
    assert upkeep.scrub_next() == 1
    scrubbed.failure = StoreUnavailable("down")
    upkeep.scrub_next()
    upkeep.scrub_next()
    assert pauses.asked[-2:] == [12.5, 5]


def test_a_stop_ends_scrubbing(clock: ManualClock, journal: Journal) -> None:
    scrubbed = Scrubbed()
    waiting = scrubbing(scrubbed, clock, journal).work()
    assert waiting.interrupt is not None
    waiting.interrupt()
    assert waiting.do_slice() == 0
    assert scrubbed.steps == 0

    scrubbed.endless = True
    busy = scrubbing(scrubbed, clock, journal, Pauses()).work()
    assert busy.interrupt is not None
    slices: list[int] = []
    thread = Thread(target=lambda: slices.append(busy.do_slice()))
    thread.start()
    scrubbed.began.wait()
    busy.interrupt()
    thread.join()
    assert slices == [0]
