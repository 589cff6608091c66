"""The scheduler: one at a time, by a seed; crashes, pauses, and locks that are locks."""

import sys
from collections.abc import Callable

import pytest

from neve.errors import StoreUnavailable
from neve.testing.scheduler import Crashed, Process, Scheduler, Stuck
from neve.testing.simulated_threading import SimulatedLock

SEEDS = range(20)


class Counter:
    """Reads and writes in two calls: whoever comes between loses a count."""

    def __init__(self) -> None:
        self.value = 0

    def get(self) -> int:
        return self.value

    def put(self, value: int) -> None:
        self.value = value


def counted(seed: int, *, locked: bool, tasks: int = 3) -> tuple[int, list[str]]:
    """Let tasks count to their number together; return how far they came, and the steps."""
    scheduler = Scheduler(seed)
    counter = Counter()
    watched = scheduler.watched(counter, "counter")
    lock = scheduler.Lock()

    def count() -> None:
        if locked:
            with lock:
                watched.put(watched.get() + 1)
        else:
            watched.put(watched.get() + 1)

    process = Process("p")
    for number in range(tasks):
        scheduler.spawn(process, str(number), count, matters=True)
    scheduler.run()
    return counter.value, scheduler.trace


def test_a_race_is_found_and_the_same_seed_repeats_it() -> None:
    lost = [seed for seed in SEEDS if counted(seed, locked=False)[0] < 3]
    assert lost
    for seed in lost:
        assert counted(seed, locked=False) == counted(seed, locked=False)


def test_a_lock_keeps_others_out() -> None:
    assert {counted(seed, locked=True)[0] for seed in SEEDS} == {3}


def test_seeds_differ() -> None:
    assert len({tuple(counted(seed, locked=True)[1]) for seed in SEEDS}) > 10


@pytest.mark.parametrize("seed", SEEDS)
def test_a_crash_ends_a_process_where_it_stands_and_nothing_it_cleans_up_has_an_effect(seed: int) -> None:
    scheduler = Scheduler(seed)
    counter = Counter()
    watched = scheduler.watched(counter, "counter")
    lock = scheduler.Lock()
    dying, other = Process("dying"), Process("other")
    cleaned_up: list[str] = []

    def work() -> None:
        try:
            while True:
                watched.put(watched.get() + 1)
        finally:
            watched.put(-1)
            cleaned_up.append("worker")

    def hold() -> None:
        with lock:
            scheduler.sleep(1_000_000)
            cleaned_up.append("holder")

    def kill() -> None:
        scheduler.sleep(20)
        scheduler.crash(dying)
        before = counter.value
        scheduler.sleep(20)
        assert counter.value == before

    scheduler.spawn(dying, "worker", work, matters=True)
    scheduler.spawn(dying, "holder", hold)
    scheduler.spawn(other, "killer", kill, matters=True)
    scheduler.run()
    assert dying.is_dead
    assert counter.value >= 0
    assert cleaned_up == []


def test_no_except_clause_of_the_product_stops_a_crash() -> None:
    assert not issubclass(Crashed, Exception)


def test_who_is_paused_for_ever_is_not_waited_for_and_keeps_what_it_holds() -> None:
    scheduler = Scheduler(1)
    lock = scheduler.Lock()
    reached: list[str] = []
    process = Process("p")

    def hold() -> None:
        with lock:
            for _ in range(1_000):
                scheduler.point("holds it")
        reached.append("let go")

    def want() -> None:
        scheduler.sleep(30)
        with lock:
            reached.append("got it")

    holder = scheduler.spawn(process, "holder", hold, matters=True)
    scheduler.spawn(process, "wants", want, matters=True)

    def pause() -> None:
        scheduler.sleep(20)
        scheduler.pause(holder, None)

    scheduler.spawn(Process("chance"), "pauses", pause)
    scheduler.run()
    assert reached == []


def test_a_deadlock_is_told_with_seed_and_steps() -> None:
    seed = next(seed for seed in range(1_000) if deadlocks(seed))
    with pytest.raises(Stuck) as caught:
        cross(seed)
    assert f"seed {seed}" in caught.value.__notes__[0]
    assert "takes a lock" in caught.value.__notes__[0]


def deadlocks(seed: int) -> bool:
    try:
        cross(seed)
    except Stuck:
        return True
    return False


def cross(seed: int) -> None:
    """Let two tasks take two locks, each in its own order."""
    scheduler = Scheduler(seed)
    one, other = scheduler.Lock(), scheduler.Lock()

    def take(first: SimulatedLock, second: SimulatedLock) -> None:
        with first, second:
            pass

    run(scheduler, lambda: take(one, other), lambda: take(other, one))


def run(scheduler: Scheduler, *bodies: Callable[[], object]) -> None:
    process = Process("p")
    for number, body in enumerate(bodies):
        scheduler.spawn(process, str(number), body, matters=True)
    scheduler.run()


def test_what_a_task_raises_is_what_the_run_raises() -> None:
    scheduler = Scheduler(1)

    def fail() -> None:
        raise ValueError("no")

    scheduler.spawn(Process("p"), "fails", fail, matters=True)
    with pytest.raises(ValueError, match="no"):
        scheduler.run()


def test_what_never_ends_is_stuck() -> None:
    scheduler = Scheduler(1, steps_max=1_000)

    def spin() -> None:
        while True:
            scheduler.point("spins")

    scheduler.spawn(Process("p"), "spins", spin, matters=True)
    with pytest.raises(Stuck):
        scheduler.run()


def test_calls_can_fail_before_and_after_their_effect() -> None:
    counter = Counter()

    def refuse(name: str) -> None:
        raise StoreUnavailable(name)

    before = Scheduler(1).watched(counter, "counter", before=refuse)
    with pytest.raises(StoreUnavailable, match=r"counter\.put"):
        before.put(1)
    assert counter.value == 0
    after = Scheduler(1).watched(counter, "counter", after=refuse)
    with pytest.raises(StoreUnavailable):
        after.put(1)
    assert counter.value == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_a_condition_hands_over_in_order_and_can_time_out(seed: int) -> None:
    scheduler = Scheduler(seed)
    condition = scheduler.Condition()
    full: list[int] = []
    taken: list[int] = []

    def give() -> None:
        for number in range(5):
            with condition:
                full.append(number)
                condition.notify()

    def take() -> None:
        for _ in range(5):
            with condition:
                assert condition.wait_for(lambda: bool(full))
                taken.append(full.pop(0))
        with condition:
            assert not condition.wait_for(lambda: bool(full), timeout=1)

    run(scheduler, give, take)
    assert taken == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("seed", SEEDS)
def test_threads_and_events_work_as_threadings_do(seed: int) -> None:
    scheduler = Scheduler(seed)
    said: list[str] = []

    def parent() -> None:
        event = scheduler.Event()

        def child() -> None:
            event.wait()
            said.append("child")

        thread = scheduler.Thread(target=child, name="child", daemon=True)
        assert not thread.is_alive()
        thread.start()
        assert thread.is_alive()
        said.append("parent")
        event.set()
        thread.join()
        assert not thread.is_alive()

    run(scheduler, parent)
    assert said == ["parent", "child"]


def test_modules_use_the_locks_they_are_given_and_get_theirs_back() -> None:
    here = sys.modules[__name__]
    here.Lock = original = object()  # type: ignore[attr-defined]
    scheduler = Scheduler(1)
    with scheduler.substituted(here):
        assert here.Lock == scheduler.Lock
    assert here.Lock is original
