"""Long work beside a server: one of a kind at a time, told how far it is, never for nobody, and ended when asked to."""

from collections.abc import Callable, Iterator
from threading import Event, Thread

import pytest

from neve.errors import ChunkDamaged, StoreUnavailable
from neve.server.administration import tasks as mechanism
from neve.server.administration.messages import AdministrationRefused
from neve.server.administration.messages_tasks import StopTask
from neve.server.administration.messages_usage import UsageOutcome, UsageRow
from neve.server.administration.task_desk import TaskDesk, view_of
from neve.server.administration.tasks import Task, TaskEnded, TaskKind, Tasks
from neve.storage.progress import Progress, Unit
from neve.testing.time_and_chance import ManualClock, SeededEntropy
from neve.testing.world import ACCOUNT

KIND, OTHER_KIND = TaskKind.COLLECTION, TaskKind.VERIFICATION


class Slow:
    """Work that waits until a test lets it go on."""

    def __init__(self) -> None:
        self.began, self.go_on = Event(), Event()

    def work(self, task: Task) -> UsageOutcome:
        task.on_progress(Progress(phase="waiting", done=1, total=3, unit=Unit.BYTES))
        self.began.set()
        self.go_on.wait()
        task.check()
        return UsageOutcome(accounts=3)


def endless(task: Task) -> UsageOutcome:
    while True:
        task.check()


def counted(number: int) -> Callable[[Task], UsageOutcome]:
    return lambda _: UsageOutcome(accounts=number)


def row(number: int) -> UsageRow:
    return UsageRow(account_id=ACCOUNT, about="snapshot", snapshots=number, logical_bytes=0, unique_bytes=0)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def tasks(clock: ManualClock) -> Iterator[Tasks]:
    tasks = Tasks(clock, SeededEntropy())
    yield tasks
    tasks.close()


def test_one_of_a_kind_is_under_way_and_says_how_far_it_is(tasks: Tasks) -> None:
    slow = Slow()
    begun = tasks.begin(KIND, slow.work)
    slow.began.wait()
    view = view_of(tasks.find(begun.task_id))
    assert (view.running, view.phase, view.done, view.total, view.unit) == (True, "waiting", 1, 3, "bytes")
    with pytest.raises(AdministrationRefused, match="under way"):
        tasks.begin(KIND, slow.work)
    other = tasks.begin(OTHER_KIND, counted(1))
    other.over.wait()
    assert tasks.find(other.task_id).outcome == UsageOutcome(accounts=1)
    assert tasks.under_way() == [begun]
    slow.go_on.set()
    begun.over.wait()
    assert view_of(tasks.find(begun.task_id)).outcome == UsageOutcome(accounts=3)
    tasks.begin(KIND, counted(2)).over.wait()
    assert tasks.find(begun.task_id).outcome == UsageOutcome(accounts=3), "the last few stay"


def test_one_that_nobody_asks_after_ends_by_itself(tasks: Tasks, clock: ManualClock) -> None:
    slow = Slow()
    begun = tasks.begin(KIND, slow.work)
    slow.began.wait()
    clock.advance(seconds=61)
    slow.go_on.set()
    begun.over.wait()
    with pytest.raises(StoreUnavailable, match="stopped"):
        tasks.find(begun.task_id)


def test_asking_keeps_it_going(tasks: Tasks, clock: ManualClock) -> None:
    slow = Slow()
    begun = tasks.begin(KIND, slow.work)
    slow.began.wait()
    for _ in range(3):
        clock.advance(seconds=50)
        tasks.find(begun.task_id)
    slow.go_on.set()
    begun.over.wait()
    assert tasks.find(begun.task_id).outcome == UsageOutcome(accounts=3)


def test_stopping_waits_for_its_end_and_forgets_it(tasks: Tasks) -> None:
    begun = tasks.begin(KIND, endless)
    desk = TaskDesk(tasks)
    for _ in range(2):
        desk.stop(StopTask(task_id=begun.task_id))
        assert begun.over.is_set()
    with pytest.raises(AdministrationRefused, match="it is over"):
        tasks.find(begun.task_id)
    tasks.begin(KIND, counted(1)).over.wait()


def test_closing_ends_all_and_begins_no_more(tasks: Tasks) -> None:
    begun = [tasks.begin(kind, endless) for kind in (KIND, OTHER_KIND)]
    tasks.close()
    assert all(task.over.is_set() for task in begun)
    with pytest.raises(AdministrationRefused, match="stops"):
        tasks.begin(KIND, endless)


def test_what_went_wrong_is_told_to_everybody_who_asks(tasks: Tasks) -> None:
    def broken(task: Task) -> UsageOutcome:
        task.found(row(1))
        raise ChunkDamaged("not what it was")

    begun = tasks.begin(KIND, broken)
    begun.over.wait()
    for _ in range(2):
        with pytest.raises(ChunkDamaged, match="not what it was"):
            tasks.find(begun.task_id)
    tasks.begin(KIND, counted(1)).over.wait()


def test_rows_are_told_while_it_runs_and_those_beyond_the_bound_are_counted(
    tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mechanism, "ROWS_MAX", 3)
    found, go_on = Event(), Event()

    def finding(task: Task) -> UsageOutcome:
        for number in range(2):
            task.found(row(number))
        found.set()
        go_on.wait()
        for number in range(2, 5):
            task.found(row(number))
        return UsageOutcome(accounts=1)

    begun = tasks.begin(KIND, finding)
    found.wait()
    view = view_of(tasks.find(begun.task_id))
    assert (view.rows, view.rows_kept, view.outcome) == ([row(0), row(1)], 2, None)
    go_on.set()
    begun.over.wait()
    view = view_of(tasks.find(begun.task_id), first_row=2)
    assert (view.rows, view.rows_kept, view.rows_found) == ([row(2)], 3, 5)


def test_what_came_of_old_ones_is_forgotten(tasks: Tasks) -> None:
    begun = []
    for number in range(10):
        begun.append(tasks.begin(KIND, counted(number)))
        begun[-1].over.wait()
    for forgotten in begun[:2]:
        with pytest.raises(AdministrationRefused):
            tasks.find(forgotten.task_id)
    assert [tasks.find(each.task_id).outcome for each in begun[2:]] == [
        UsageOutcome(accounts=number) for number in range(2, 10)
    ]


# --- what the server does by itself


def test_what_the_server_does_by_itself_is_seen_and_is_one_of_its_kind(
    tasks: Tasks, clock: ManualClock
) -> None:
    slow = Slow()
    outcomes: list[object] = []
    thread = Thread(target=lambda: outcomes.append(tasks.run(KIND, slow.work, end=Event())))
    thread.start()
    slow.began.wait()
    (task,) = tasks.under_way()
    assert view_of(task).by_itself
    with pytest.raises(AdministrationRefused, match="the server began by itself"):
        tasks.begin(KIND, endless)
    clock.advance(seconds=3_600)
    slow.go_on.set()
    thread.join()
    assert outcomes == [UsageOutcome(accounts=3)], "it is not done for whoever asks"
    assert tasks.under_way() == []


def test_the_server_waits_for_no_operator(tasks: Tasks) -> None:
    tasks.begin(KIND, endless)
    with pytest.raises(AdministrationRefused, match="under way"):
        tasks.run(KIND, endless, end=Event())


@pytest.mark.parametrize("by_operator", [True, False])
def test_what_the_server_does_by_itself_ends_when_it_is_told_to(tasks: Tasks, by_operator: bool) -> None:
    end, began = Event(), Event()
    ended: list[bool] = []

    def work(task: Task) -> UsageOutcome:
        began.set()
        return endless(task)

    def run() -> None:
        with pytest.raises(TaskEnded):
            tasks.run(KIND, work, end=end)
        ended.append(True)

    thread = Thread(target=run)
    thread.start()
    began.wait()
    if by_operator:
        tasks.stop(tasks.under_way()[0].task_id)
    else:
        end.set()
    thread.join()
    assert ended == [True]
    assert end.is_set() is not by_operator, "the next one may begin"


def test_a_failure_of_what_the_server_does_is_the_servers(tasks: Tasks) -> None:
    def broken(task: Task) -> UsageOutcome:
        raise ChunkDamaged(task.task_id)

    with pytest.raises(ChunkDamaged):
        tasks.run(KIND, broken, end=Event())
    assert tasks.run(KIND, counted(1), end=Event()) == UsageOutcome(accounts=1)
