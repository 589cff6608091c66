"""Real code in real threads, of which exactly one runs at a time, and a seed says which: so that a race can be repeated.

    task ─ point ─▶ who goes on? ─▶ another task ─ point ─▶ … ─▶ all who matter are done

A task runs until it comes to a point: before a call of a store (`watched`), or where it takes a lock, waits or starts a
thread. For the latter, modules under test are given this scheduler's `Lock`, `Condition`, `Event` and `Thread` in the
place of those of `threading` (`substituted`). At each point the seed chooses who goes on.

Tasks belong to processes. `crash` ends a process where it stands: in each of its tasks `Crashed` is raised, and whatever
its clean-up would still call of a store or a lock raises it again, so nothing of it has an effect. What was in memory
is lost; stores stay. `pause` lets a task sleep while the others go on, for a while or for ever.

Every failure has the seed and the steps in its notes. The same seed takes the same steps, as long as what it drives depends
on nothing but itself: no clock, no entropy, no order of a set of strings.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from types import ModuleType
from typing import Final, TypeVar, cast

from neve.testing.simulated_threading import (
    SimulatedCondition,
    SimulatedEvent,
    SimulatedLock,
    SimulatedThread,
)
from neve.testing.watched import Told, Watched

Store = TypeVar("Store")

_FOR_EVER: Final = 1 << 60
_STEPS_TOLD: Final = 400
_SUBSTITUTED: Final = ("Lock", "Condition", "Event", "Thread")


class Crashed(BaseException):
    """Raised in a task whose process is no more. No `except Exception` stops it."""


class Stuck(AssertionError):
    """Everybody waits for somebody else, or it takes too many steps."""


@dataclass(slots=True, eq=False)
class Process:
    """What crashes together."""

    name: str
    is_dead: bool = False
    tasks: list["Task"] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Task:
    """A thread that runs when it is its turn."""

    name: str
    process: Process
    target: Callable[[], object]
    matters: bool
    """Whether the run goes on until it is done."""
    weight: float = 1
    """How likely it is to be chosen, compared with others."""
    baton: threading.Lock = field(default_factory=threading.Lock)
    thread: threading.Thread | None = None
    is_done: bool = False
    asleep_until: int = 0
    ready: Callable[[], bool] | None = None
    """Whether it could go on; None if nothing keeps it."""

    def can_run(self, step: int) -> bool:
        return not self.is_done and self.asleep_until <= step and (self.ready is None or self.ready())


class Scheduler:
    """One run. Everything random about it comes from the seed, by way of `random`."""

    def __init__(self, seed: int, *, steps_max: int = 100_000) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.steps = 0
        self.on_step: Callable[[], object] = lambda: None
        """Called at each point, before it is decided who goes on."""
        self._steps_max = steps_max
        self._stays = self.random.choice((0.0, 0.3, 0.6, 0.9))
        """How likely it is that a task goes on that could: runs differ in what they are likely to find."""
        self._tasks: list[Task] = []
        self._current: Task | None = None
        self._taken = 0
        self._own = threading.local()
        """Which task a thread is: `task`, if it is one."""
        self._over = threading.Event()
        self._error: BaseException | None = None
        self._trace: list[str] = []

    # --- tasks

    def spawn(
        self,
        process: Process,
        name: str,
        target: Callable[[], object],
        *,
        matters: bool = False,
        weight: float = 1,
    ) -> Task:
        """Add a task to a process that lives. It begins when it is chosen."""
        assert not process.is_dead
        task = Task(
            name=f"{process.name} {name}", process=process, target=target, matters=matters, weight=weight
        )
        task.baton.acquire()
        task.thread = threading.Thread(target=self._live, args=(task,), name=task.name, daemon=True)
        self._tasks.append(task)
        process.tasks.append(task)
        task.thread.start()
        return task

    def run(self) -> None:
        """Let tasks run until all that matter are done, or asleep for ever; then end all the others.

        Raises:
            Stuck: they wait for each other.
            whatever a task raised: with the seed and the last steps in its notes.
        """
        self._go_on()
        self._over.wait()
        for process in {id(task.process): task.process for task in self._tasks}.values():
            self._end(process)
        if self._error is not None:
            self.annotate(self._error)
            raise self._error

    def annotate(self, error: BaseException) -> None:
        """Give an error what it takes to repeat it."""
        left_out = max(len(self._trace) - _STEPS_TOLD, 0)
        error.add_note(
            "\n".join(
                [
                    f"seed {self.seed}, {self.steps} steps, {left_out} of them left out here:",
                    *self._trace[left_out:],
                ]
            )
        )

    @property
    def trace(self) -> list[str]:
        """What happened, a line for each step."""
        return self._trace

    # --- what tasks do

    def point(self, what: str) -> None:
        """Let somebody else go on, perhaps, before this task does what it is about to do."""
        self._switch(what, None)

    def wait(self, what: str, ready: Callable[[], bool], *, can_time_out: bool = False) -> bool:
        """Let others go on until something is so; return whether it is. With a time-out it may also be any time."""
        self._switch(what, None if can_time_out else ready)
        return ready()

    def sleep(self, steps: int) -> None:
        """Let others take so many steps, if they can."""
        if (task := self._this_task()) is not None:
            task.asleep_until = self.steps + steps
        self._switch(f"sleeps for {steps} steps", None)

    def pause(self, task: Task, steps: int | None) -> None:
        """Let a task take no step for so many of the others', or never again. It keeps what it holds."""
        task.asleep_until = _FOR_EVER if steps is None else self.steps + steps
        self.note(f"pauses {task.name} {'for ever' if steps is None else f'for {steps} steps'}")

    def crash(self, process: Process) -> None:
        """End a process that is not the caller's own."""
        caller = self._this_task()
        assert caller is None or caller.process is not process
        self.note(f"crashes {process.name}")
        self._end(process)

    def note(self, what: str) -> None:
        """Write something down among the steps."""
        name = "-" if self._current is None else self._current.name
        self._trace.append(f"{self.steps:6} {name}: {what}")

    def spawn_beside(self, name: str, target: Callable[[], object]) -> Callable[[], bool]:
        """Add a task to the caller's process; return what says whether it is done."""
        beside = self._this_task()
        assert beside is not None, "what starts threads runs in a task"
        task = self.spawn(beside.process, name, target)
        return lambda: task.is_done

    # --- what modules under test are given

    def Lock(self) -> "SimulatedLock":
        """Stand in for `threading.Lock`."""
        return SimulatedLock(self)

    def Condition(self, lock: "SimulatedLock | None" = None) -> "SimulatedCondition":
        """Stand in for `threading.Condition`; its own lock is none that one task takes twice."""
        return SimulatedCondition(self, lock or SimulatedLock(self))

    def Event(self) -> "SimulatedEvent":
        """Stand in for `threading.Event`."""
        return SimulatedEvent(self)

    def Thread(
        self, *, target: Callable[[], object], name: str = "thread", daemon: bool = False
    ) -> "SimulatedThread":
        """Stand in for `threading.Thread`; the run waits for none of them."""
        del daemon
        return SimulatedThread(self, target, name)

    @contextmanager
    def substituted(self, *modules: ModuleType) -> Iterator[None]:
        """Have these modules use this scheduler's locks and threads for as long as the block lasts."""
        saved = [
            (module, name, getattr(module, name))
            for module in modules
            for name in _SUBSTITUTED
            if hasattr(module, name)
        ]
        for module, name, _ in saved:
            setattr(module, name, getattr(self, name))
        try:
            yield
        finally:
            for module, name, original in saved:
                setattr(module, name, original)

    def watched(
        self, store: Store, name: str, *, before: Told = lambda _: None, after: Told = lambda _: None
    ) -> Store:
        """Return a store with a point before each of its calls; `before` and `after` may let calls fail.

        What `after` raises comes when the call has had its effect: the answer is lost.
        """

        def come(call: str) -> None:
            self.point(call)
            before(call)

        return cast(Store, Watched(store, name, before=come, after=after))

    # --- whose turn it is

    def _live(self, task: Task) -> None:
        self._own.task = task
        task.baton.acquire()
        try:
            if not task.process.is_dead:
                task.target()
        except Crashed:
            pass
        except BaseException as error:  # noqa: BLE001 - it is the run's, whatever it is
            if not task.process.is_dead:
                self._error = self._error or error
        task.is_done = True
        if not task.process.is_dead:
            self._go_on()

    def _switch(self, what: str, ready: Callable[[], bool] | None) -> None:
        task = self._this_task()
        if task is None:
            assert ready is None or ready(), "outside of a run nobody is there to wait for"
            return
        task.ready = ready
        self.note(what)
        if self._go_on() is not task:
            task.baton.acquire()
            self._this_task()
        task.ready = None

    def _this_task(self) -> Task | None:
        """Return the task that calls, if it is one.

        Raises:
            Crashed: its process is no more.
        """
        task: Task | None = getattr(self._own, "task", None)
        if task is not None and task.process.is_dead:
            raise Crashed
        return task

    def _go_on(self) -> Task | None:
        """Choose who goes on, and wake them; the caller then sleeps, if it is not the one."""
        before = self._current
        self.steps += 1
        self._taken += 1
        self.on_step()
        chosen = self._choose()
        if chosen is None:
            self._current = None
            self._over.set()
            return None
        self._current = chosen
        if chosen is not before:
            chosen.baton.release()
        return chosen

    def _choose(self) -> Task | None:
        if self._error is not None:
            return None
        if self._taken > self._steps_max:
            self._error = Stuck(f"not done after {self._taken} steps")
            return None
        waited_for = [task for task in self._tasks if task.matters and not task.is_done]
        if all(task.asleep_until >= _FOR_EVER for task in waited_for):
            return None
        current = self._current
        if (
            current is not None
            and self._stays
            and self.random.random() < self._stays
            and current.can_run(self.steps)
        ):
            return current
        able = [task for task in self._tasks if task.can_run(self.steps)]
        if not able:
            able = self._woken()
        if not able:
            if not any(task.asleep_until >= _FOR_EVER for task in self._tasks if not task.is_done):
                names = ", ".join(task.name for task in waited_for)
                self._error = Stuck(f"nobody can go on, and these are not done: {names}")
            return None
        return self.random.choices(able, [task.weight for task in able])[0]

    def _woken(self) -> list[Task]:
        """Let time pass until somebody who sleeps wakes up and can go on."""
        sleepers = [
            task
            for task in self._tasks
            if not task.is_done
            and self.steps < task.asleep_until < _FOR_EVER
            and (task.ready is None or task.ready())
        ]
        if not sleepers:
            return []
        self.steps = min(task.asleep_until for task in sleepers)
        return [task for task in sleepers if task.asleep_until <= self.steps]

    def _end(self, process: Process) -> None:
        """Unwind every task of a process, one by one, while everybody else stands still."""
        process.is_dead = True
        for task in process.tasks:
            if not task.is_done:
                task.baton.release()
                assert task.thread is not None
                task.thread.join()
        self._tasks = [task for task in self._tasks if task.process is not process]
