"""Order, bounds and stopping of the transfer engine; no test waits for a clock."""

import os
import threading
from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neve.client.engine import Engine
from neve.client.errors import Cancelled, ClientError, ServiceBusy, ServiceRefused, ServiceUnreachable
from neve.client.retries import FIRST_CONTACT, STEADY, Patience, wait_s
from neve.testing.time_and_chance import ManualClock, SeededEntropy

PATIENCE = Patience(attempts_max=3)


class Pauses:
    """Waits that take no time and are remembered."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, stop: threading.Event, seconds: float) -> None:
        self.seconds.append(seconds)


def engine(*, workers: int = 4, pauses: Pauses | None = None) -> Engine:
    return Engine(workers=workers, clock=ManualClock(), entropy=SeededEntropy(), pause=pauses or Pauses())


def give_way(times: int) -> None:
    """Let other threads run for a while."""
    for _ in range(times):
        os.sched_yield()


# --- many steps


@settings(max_examples=30)
@given(
    delays=st.lists(st.integers(0, 30), max_size=40),
    workers=st.integers(1, 6),
    window=st.integers(1, 10),
)
def test_results_are_finished_in_the_order_of_their_steps(
    delays: list[int], workers: int, window: int
) -> None:
    finished: list[int] = []

    def work(step: tuple[int, int]) -> int:
        number, delay = step
        give_way(delay)
        return number

    engine(workers=workers).run_in_order(iter(enumerate(delays)), work, finished.append, window=window)
    assert finished == list(range(len(delays)))


def test_no_step_is_taken_further_ahead_than_the_window() -> None:
    window, finished, ahead = 5, [0], []

    def steps() -> Iterator[int]:
        for number in range(200):
            ahead.append(number - finished[0])
            yield number

    def finish(number: int) -> None:
        give_way(number % 3)
        finished[0] = number + 1

    engine().run_in_order(steps(), lambda number: number, finish, window=window)
    assert max(ahead) < window + 1
    assert finished == [200]


def test_a_slow_first_step_holds_up_the_order_and_not_the_other_workers() -> None:
    others_done = threading.Event()
    finished: list[int] = []

    def work(number: int) -> int:
        if number == 0:
            assert others_done.wait(60), "the others never got to run"
        if number == 9:
            others_done.set()
        return number

    engine().run_in_order(iter(range(10)), work, finished.append, window=10)
    assert finished == list(range(10))


def test_the_first_failure_of_a_worker_is_raised_and_stops_an_endless_transfer() -> None:
    running = engine()

    def work(number: int) -> int:
        if number == 20:
            raise ServiceRefused("no")
        running.check()
        return number

    with pytest.raises(ServiceRefused, match="no"):
        running.run_in_order(count(), work, lambda _: None, window=8)
    assert running.stopped


def test_a_failure_of_the_listing_is_raised() -> None:
    def steps() -> Iterator[int]:
        yield 1
        raise ServiceUnreachable("the next page")

    with pytest.raises(ServiceUnreachable, match="next page"):
        engine().run_in_order(steps(), lambda number: number, lambda _: None, window=8)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ServiceRefused])
def test_a_failure_while_finishing_stops_the_workers(interruption: type[BaseException]) -> None:
    running = engine()

    def finish(number: int) -> None:
        if number == 5:
            raise interruption("full")

    with pytest.raises((KeyboardInterrupt, ServiceRefused)):
        running.run_in_order(count(), lambda number: number, finish, window=4)
    assert running.stopped
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("transfer-")]


def test_a_worker_inside_a_request_is_left_behind() -> None:
    answer = threading.Event()
    clock = ManualClock()
    running = Engine(workers=2, clock=clock, entropy=SeededEntropy(), pause=Pauses())

    def work(number: int) -> int:
        if number == 0:
            clock.advance(seconds=3600)  # so that the moment given to the others is over at once
            raise ServiceRefused("no")
        answer.wait()
        return number

    try:
        with pytest.raises(ServiceRefused):
            running.run_in_order(count(), work, lambda _: None, window=4)
    finally:
        answer.set()


# --- one call


def test_a_call_is_repeated_while_it_is_worth_it() -> None:
    answers: Iterator[ClientError | int] = iter([ServiceUnreachable("lost"), ServiceBusy("busy"), 7])
    pauses = Pauses()

    def action() -> int:
        answer = next(answers)
        if isinstance(answer, int):
            return answer
        raise answer

    running = engine(pauses=pauses)
    assert running.call(action, PATIENCE) == 7
    assert running.statistics().calls == 3
    assert running.statistics().retries == len(pauses.seconds) == 2


def test_the_last_error_is_raised_when_patience_is_over() -> None:
    numbers = count(1)

    def action() -> None:
        raise ServiceUnreachable(f"attempt {next(numbers)}")

    with pytest.raises(ServiceUnreachable, match="attempt 3"):
        engine().call(action, PATIENCE)


def test_a_refusal_is_not_repeated() -> None:
    running = engine()

    def action() -> None:
        raise ServiceRefused("no")

    with pytest.raises(ServiceRefused):
        running.call(action, PATIENCE)
    assert running.statistics().calls == 1


def test_a_service_that_asks_for_time_is_given_it_within_reason() -> None:
    assert wait_s(0.2, 7.0) == 7.0
    assert wait_s(9.0, 7.0) == 9.0
    assert wait_s(0.2, 86_400.0) == 60.0


@given(st.integers(0, 1000))
def test_waits_double_and_stay_in_their_upper_half(seed: int) -> None:
    for patience in (FIRST_CONTACT, STEADY):
        waits = list(patience.waits(SeededEntropy(seed)))
        assert len(waits) == patience.attempts_max - 1
        for attempt, seconds in enumerate(waits):
            full = min(patience.wait_s_max, patience.wait_first_s * 2**attempt)
            assert full / 2 <= seconds <= full


def test_a_stopped_engine_calls_nothing_and_its_successor_does() -> None:
    running = engine()
    running.stop()
    with pytest.raises(Cancelled):
        running.call(lambda: 1, PATIENCE)
    with pytest.raises(Cancelled):
        running.wait(1)
    assert running.successor().call(lambda: 1, PATIENCE) == 1


def test_a_pause_ends_when_the_engine_is_stopped() -> None:
    running = Engine(workers=1, clock=ManualClock(), entropy=SeededEntropy())
    stopper = threading.Thread(target=running.stop)
    stopper.start()
    with pytest.raises(Cancelled):
        running.wait(3600)
    stopper.join()
