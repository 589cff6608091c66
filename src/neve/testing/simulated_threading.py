"""`Lock`, `Condition`, `Event` and `Thread` as `threading` has them, under a scheduler that decides who goes on.

One task runs at a time, so a flag is all that a lock is. What a task of a crashed process still does to them has no effect
but that it ends sooner.
"""

from collections import deque
from collections.abc import Callable
from typing import Protocol, Self


class Waits(Protocol):
    """What these need of a scheduler."""

    def wait(self, what: str, ready: Callable[[], bool], *, can_time_out: bool = False) -> bool:
        """Let others go on until `ready`, or perhaps earlier if time can run out; return whether it is."""
        ...

    def spawn_beside(self, name: str, target: Callable[[], object]) -> Callable[[], bool]:
        """Add a task to the caller's process; return what says whether it is done."""
        ...


class SimulatedLock:
    """A lock that anybody may release."""

    def __init__(self, scheduler: Waits) -> None:
        self._scheduler = scheduler
        self._held = False

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        can_time_out = timeout >= 0 or not blocking
        if not self._scheduler.wait("takes a lock", lambda: not self._held, can_time_out=can_time_out):
            return False
        self._held = True
        return True

    def release(self) -> None:
        if not self._held:
            raise RuntimeError("release unlocked lock")
        self._held = False

    def locked(self) -> bool:
        return self._held

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class SimulatedCondition:
    """A condition over such a lock. Who waited first is woken first."""

    def __init__(self, scheduler: Waits, lock: SimulatedLock) -> None:
        self._scheduler = scheduler
        self._lock = lock
        self._waiting: deque[SimulatedEvent] = deque()

    def __enter__(self) -> bool:
        return self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        woken = SimulatedEvent(self._scheduler)
        self._waiting.append(woken)
        self._lock.release()
        was_woken = woken.wait(timeout)
        if not was_woken:
            self._waiting.remove(woken)
        self._lock.acquire()
        return was_woken

    def wait_for(self, predicate: Callable[[], bool], timeout: float | None = None) -> bool:
        while not predicate():
            if not self.wait(timeout) and timeout is not None:
                return predicate()
        return True

    def notify(self, count: int = 1) -> None:
        for _ in range(min(count, len(self._waiting))):
            self._waiting.popleft().set()

    def notify_all(self) -> None:
        self.notify(len(self._waiting))


class SimulatedEvent:
    """A flag to wait for."""

    def __init__(self, scheduler: Waits) -> None:
        self._scheduler = scheduler
        self._is_set = False

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True

    def clear(self) -> None:
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        return self._scheduler.wait("waits", self.is_set, can_time_out=timeout is not None)


class SimulatedThread:
    """A task in the process of whoever starts it."""

    def __init__(self, scheduler: Waits, target: Callable[[], object], name: str) -> None:
        self.name = name
        self._scheduler = scheduler
        self._target = target
        self._is_done: Callable[[], bool] | None = None

    def start(self) -> Self:
        assert self._is_done is None, "a thread is started once"
        self._is_done = self._scheduler.spawn_beside(self.name, self._target)
        return self

    def is_alive(self) -> bool:
        return self._is_done is not None and not self._is_done()

    def join(self, timeout: float | None = None) -> None:
        assert self._is_done is not None, "a thread is joined after it was started"
        self._scheduler.wait(f"joins {self.name}", self._is_done, can_time_out=timeout is not None)
