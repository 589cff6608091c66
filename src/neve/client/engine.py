"""Many blocks at once: the only part of the client that knows how waiting is done.

    steps ──▶ worker ─┐                        one worker at a time takes the next step, so they are numbered
    steps ──▶ worker ─┼─▶ results by number ─▶ caller: finished steps, strictly in order
    steps ──▶ worker ─┘                        a step is taken only inside a window after the last one finished

Bounded: at most `window` steps are between taken and finished, so memory follows the window and never the
volume. In order: what the caller computes over the results (a checksum of checksums, a stream) needs no
sorting. Stopping: the first fatal error, or Ctrl-C in the caller's thread, stops everybody at the next step or
wait; a worker that is inside a request is given a moment, then left behind (its thread dies with the process).
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from neve.client.errors import Cancelled, ClientError, ServiceBusy
from neve.client.retries import Patience, wait_s
from neve.clock import Clock, Entropy

StepT = TypeVar("StepT")
ResultT = TypeVar("ResultT")

_TICK_S: Final = 0.25
"""How often a waiting caller shows that it is alive."""
_PARTING_S: Final = 5.0
"""How long a stopped transfer waits for workers inside a request."""


Pause = Callable[[threading.Event, float], None]
"""Waits so many seconds; returns early when the event is set."""


def _pause(stop: threading.Event, seconds: float) -> None:
    stop.wait(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStatistics:
    """What the engine has been through."""

    calls: int
    retries: int


class Engine:
    """Runs calls, one or many, with retries; can be stopped. Safe from any thread; one for a command."""

    def __init__(
        self,
        *,
        workers: int,
        clock: Clock,
        entropy: Entropy,
        on_tick: Callable[[], None] = lambda: None,
        pause: Pause = _pause,
    ) -> None:
        """`on_tick` is called in the caller's thread every moment while it waits."""
        self.workers = workers
        self.clock = clock
        self.entropy = entropy
        self.on_tick = on_tick
        self._pause = pause
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._calls = 0
        self._retries = 0

    def statistics(self) -> EngineStatistics:
        """Return the counts so far."""
        with self._lock:
            return EngineStatistics(calls=self._calls, retries=self._retries)

    def successor(self) -> "Engine":
        """Return a fresh engine with the same settings: to clean up after this one was stopped."""
        return Engine(
            workers=self.workers,
            clock=self.clock,
            entropy=self.entropy,
            on_tick=self.on_tick,
            pause=self._pause,
        )

    @property
    def stopped(self) -> bool:
        """Whether everybody is to end."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Let every worker end at its next step or wait. There is no way back: see `successor`."""
        self._stop.set()

    def wait(self, seconds: float) -> None:
        """Wait, unless stopped meanwhile.

        Raises:
            Cancelled
        """
        self._pause(self._stop, seconds)
        self.check()

    def check(self) -> None:
        """Raise if the engine was stopped: to be asked before anything that has an effect.

        Raises:
            Cancelled
        """
        if self._stop.is_set():
            raise Cancelled("the transfer was stopped")

    def call(
        self,
        action: Callable[[], ResultT],
        patience: Patience,
        *,
        worth_repeating: Callable[[ClientError], bool] = lambda error: error.safe_to_retry,
    ) -> ResultT:
        """Return what `action` returns, repeating it as long as `patience` lasts and the error is worth it.

        Raises:
            ClientError: the last one.
            Cancelled
        """
        waits = patience.waits(self.entropy)
        while True:
            self.check()
            self._count(calls=1)
            try:
                return action()
            except ClientError as error:
                planned_s = next(waits, None)
                if planned_s is None or not worth_repeating(error):
                    raise
                asked_s = error.retry_after_s if isinstance(error, ServiceBusy) else 0.0
            self._count(retries=1)
            self.wait(wait_s(planned_s, asked_s))

    def run_in_order(
        self,
        steps: Iterator[StepT],
        work: Callable[[StepT], ResultT],
        finish: Callable[[ResultT], None],
        *,
        window: int,
    ) -> None:
        """Do `work` on every step in many threads and `finish` each result, in order, in this one.

        `steps` is read by one worker at a time, at most `window` ahead of what is finished. Returns when
        everything is finished.

        Raises:
            whatever `steps`, `work` or `finish` raised first; by then the engine is stopped.
        """
        run = _Run(self, steps, work, window)
        threads = [
            threading.Thread(target=run.work_until_done, name=f"transfer-{number}", daemon=True)
            for number in range(self.workers)
        ]
        try:
            for thread in threads:
                thread.start()
            for results in run.results_in_order(self.on_tick):
                for result in results:
                    finish(result)
        except BaseException:
            self.stop()
            run.wake_everybody()
            self._part(threads)
            raise
        for thread in threads:
            thread.join()

    def _part(self, threads: list[threading.Thread]) -> None:
        deadline_s = self.clock.monotonic_s() + _PARTING_S
        for thread in threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline_s - self.clock.monotonic_s()))

    def _count(self, *, calls: int = 0, retries: int = 0) -> None:
        with self._lock:
            self._calls += calls
            self._retries += retries


class _Run(Generic[StepT, ResultT]):
    """One `run_in_order`: who is where, under one condition."""

    def __init__(
        self, engine: Engine, steps: Iterator[StepT], work: Callable[[StepT], ResultT], window: int
    ) -> None:
        assert window >= 1
        self._engine = engine
        self._steps = steps
        self._work = work
        self._window = window
        self._taking = threading.Lock()
        """Held by the worker that takes the next step: taking may mean asking the service for a page."""
        self._changed = threading.Condition()
        self._taken = 0
        self._finished = 0
        self._results: dict[int, ResultT] = {}
        self._exhausted = False
        self._failures: list[BaseException] = []

    def work_until_done(self) -> None:
        """Be a worker."""
        try:
            for number, step in self._steps_to_do():
                result = self._work(step)
                with self._changed:
                    self._results[number] = result
                    if number == self._finished:
                        self._changed.notify_all()
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, which raises it
            with self._changed:
                self._failures.append(error)
            self._engine.stop()
            self.wake_everybody()

    def _steps_to_do(self) -> Iterator[tuple[int, StepT]]:
        """Yield numbered steps for one worker, until nobody finds any more."""
        while True:
            with self._taking:
                with self._changed:
                    self._changed.wait_for(self._may_take)
                self._engine.check()
                if self._exhausted:
                    return
                try:
                    step = next(self._steps)
                except StopIteration:
                    with self._changed:
                        self._exhausted = True
                        self._changed.notify_all()
                    return
                with self._changed:
                    number = self._taken
                    self._taken += 1
            yield number, step

    def _may_take(self) -> bool:
        return (
            self._exhausted
            or self._taken - self._finished < self._window
            or bool(self._failures)
            or self._engine.stopped
        )

    def results_in_order(self, on_tick: Callable[[], None]) -> Iterator[list[ResultT]]:
        """Yield finished steps in order, in batches; a batch counts as finished when the next is asked for.

        Raises:
            the first failure of a worker
        """
        while True:
            batch = self._await_batch()
            on_tick()
            if batch:
                yield batch
                with self._changed:
                    self._finished += len(batch)
                    self._changed.notify_all()
            elif self._is_over():
                return

    def _await_batch(self) -> list[ResultT]:
        with self._changed:
            self._changed.wait_for(self._has_news, timeout=_TICK_S)
            if self._failures:
                raise self._first_failure()
            batch: list[ResultT] = []
            while (number := self._finished + len(batch)) in self._results:
                batch.append(self._results.pop(number))
            return batch

    def _has_news(self) -> bool:
        return bool(self._failures) or self._finished in self._results or self._ended()

    def _is_over(self) -> bool:
        with self._changed:
            return self._ended()

    def _ended(self) -> bool:
        return self._exhausted and self._finished == self._taken

    def _first_failure(self) -> BaseException:
        """Return what went wrong first; that others were stopped because of it is not it."""
        for failure in self._failures:
            if not isinstance(failure, Cancelled):
                return failure
        return self._failures[0]

    def wake_everybody(self) -> None:
        """Let those who wait look again."""
        with self._changed:
            self._changed.notify_all()
