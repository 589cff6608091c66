"""Slots to compute: never more at once than there are, and who waits lends its own."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, Lock

from neve.processors import Processors


def test_no_more_threads_compute_at_once_than_there_are_slots() -> None:
    processors, lock = Processors(2), Lock()
    now = most = 0

    def compute(_: int) -> None:
        nonlocal now, most
        with processors.computing():
            with lock:
                now += 1
                most = max(most, now)
            with lock:
                now -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(compute, range(400)))
    assert 1 <= most <= 2


def test_as_many_as_there_are_slots_do_compute_at_once() -> None:
    processors, together = Processors(3), Barrier(3, timeout=30)

    def compute(_: int) -> None:
        with processors.computing():
            together.wait()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(compute, range(3)))


def test_one_that_waits_lets_another_in_and_computes_on_when_there_is_room() -> None:
    processors = Processors(1)
    answered = Event()

    def wait_for_an_answer() -> str:
        with processors.computing():
            with processors.waiting():
                assert answered.wait(30)
            return "answered"

    def answer() -> None:
        with processors.computing():
            answered.set()

    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(wait_for_an_answer)
        pool.submit(answer).result(30)
        assert waiting.result(30) == "answered"


def test_an_exception_gives_the_slot_back() -> None:
    processors = Processors(1)
    for _ in range(3):
        try:
            with processors.computing(), processors.waiting():
                raise ValueError
        except ValueError:
            pass
    with processors.computing():
        pass


def test_a_thread_without_a_slot_may_wait_too() -> None:
    processors = Processors(1)
    with processors.waiting():
        pass
    with processors.computing():
        pass
