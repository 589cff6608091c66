"""Long work beside a running server: done on a thread of its own, while operators ask how far it is.

One of a kind at a time: two collections, say, would only end each other. One that an operator began and that nobody
asks after any more ends by itself, so that a command that was killed leaves nothing running; what the server began
goes on. What came of the last few stays until it was fetched.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Event, Lock, Thread
from typing import Final

from neve.clock import Clock, Entropy
from neve.errors import NeveError, StoreUnavailable
from neve.server.administration.feeding import Feeding
from neve.server.administration.messages_tasks import AnyOutcome, AnyRow
from neve.server.administration.texts import conflict, not_found
from neve.storage.progress import Progress, Unit

ROWS_MAX: Final = 100_000
"""That one task keeps, some 50 MiB at most; what it finds beyond is counted. Usage has a row for each snapshot."""
_UNWATCHED_S: Final = 60.0
_KEPT_MAX: Final = 8
_ID_BYTES: Final = 8
_NOT_BEGUN: Final = Progress(phase="beginning", done=0, total=0, unit=Unit.SEGMENTS)


class TaskKind(StrEnum):
    """What tasks there are."""

    RECKONING = "reckoning"
    COLLECTION = "collection"
    VERIFICATION = "verification"
    REPAIR = "repair"
    COUNT = "count"
    BACKUP = "backup"


_WORDS: Final[Mapping[TaskKind, str]] = {
    TaskKind.RECKONING: "another reckoning",
    TaskKind.COLLECTION: "a collection",
    TaskKind.VERIFICATION: "another verification",
    TaskKind.REPAIR: "another repair",
    TaskKind.COUNT: "another count",
    TaskKind.BACKUP: "another copy",
}


class TaskEnded(NeveError):
    """Nobody wants the work any more: what ends it from inside. Never seen by an operator."""


@dataclass(slots=True, eq=False)
class Task:
    """One of them. Read by operators while its thread writes; every field is written whole."""

    task_id: str
    kind: TaskKind
    begun_s: float
    begun_ms: int
    asked_s: float
    """When somebody asked after it last."""
    watched: bool
    """Whether it ends when nobody does."""
    clock: Clock
    progress: Progress = _NOT_BEGUN
    rows: list[AnyRow] = field(default_factory=list)
    rows_found: int = 0
    """More than there are rows, if there were too many to keep."""
    feeding: Feeding | None = None
    """What it is given while it works, if it wants something."""
    outcome: AnyOutcome | None = None
    error: Exception | None = None
    running: bool = True
    end: Event = field(default_factory=Event)
    """An operator wants it to end."""
    end_of_all: Event = field(default_factory=Event)
    """… or whoever began it does."""
    over: Event = field(default_factory=Event)

    # --- for whoever does the work, on its thread

    def on_progress(self, progress: Progress) -> None:
        """`storage.progress.OnProgress`."""
        self.progress = progress

    def check(self) -> None:
        """`storage.progress.Check`.

        Raises:
            TaskEnded: it was stopped, or nobody asked after it for a minute.
        """
        unwatched = self.watched and self.clock.monotonic_s() - self.asked_s > _UNWATCHED_S
        if unwatched or self.end.is_set() or self.end_of_all.is_set():
            raise TaskEnded

    def found(self, row: AnyRow) -> None:
        """Keep something for whoever asks."""
        self.rows_found += 1
        if len(self.rows) < ROWS_MAX:
            self.rows.append(row)

    def count_found(self) -> None:
        """Count something of which a row comes in the end."""
        self.rows_found += 1

    def replace_rows(self, rows: list[AnyRow]) -> None:
        """Keep these, which say all that was counted so far."""
        self.rows = rows[:ROWS_MAX]
        self.rows_found = len(rows)


TaskWork = Callable[[Task], AnyOutcome]
"""Does the work of a task, tells the task how far it is, calls `check` often, and returns what came of it."""


class Tasks:
    """Those under way, and the last few that are over. Safe from any thread."""

    def __init__(self, clock: Clock, entropy: Entropy) -> None:
        self._clock = clock
        self._entropy = entropy
        self._lock = Lock()
        self._known: OrderedDict[str, Task] = OrderedDict()
        self._end = Event()

    def begin(self, kind: TaskKind, work: TaskWork) -> Task:
        """Do `work` on a thread of its own, for as long as somebody asks after it.

        Raises:
            AdministrationRefused: one of its kind is under way.
        """
        with self._lock:
            task = self._enter(kind, watched=True, end_of_all=self._end)
            Thread(target=self._work, args=(task, work), name=kind.value, daemon=True).start()
        return task

    def run(self, kind: TaskKind, work: TaskWork, *, end: Event) -> AnyOutcome:
        """Do `work` on this thread, at most until `end` is set; operators see it as they see their own.

        Raises:
            AdministrationRefused: one of its kind is under way.
            TaskEnded: it was told to end.
            NeveError: as the work raises.
        """
        with self._lock:
            task = self._enter(kind, watched=False, end_of_all=end)
        self._work(task, work)
        if task.outcome is not None:
            return task.outcome
        if task.error is None:
            raise TaskEnded
        raise task.error

    def find(self, task_id: str) -> Task:
        """Return one that was begun, and note that somebody asked.

        Raises:
            AdministrationRefused: it is not there, or it failed for a reason that has to do with what was asked.
            StoreError: it failed.
        """
        with self._lock:
            task = self._known.get(task_id)
        if task is None:
            raise not_found("it is over: nobody asked after it for a minute, or it was stopped")
        task.asked_s = self._clock.monotonic_s()
        if not task.running and task.outcome is None:
            raise task.error or StoreUnavailable("it was stopped before it was done: ask again")
        return task

    def under_way(self) -> list[Task]:
        """Return what is being done, in the order in which it began."""
        with self._lock:
            return [task for task in self._known.values() if task.running]

    def stop(self, task_id: str) -> None:
        """End one and forget it; return when it has ended. One that is not there is no error."""
        with self._lock:
            task = self._known.get(task_id)
        if task is None:
            return
        task.end.set()
        task.over.wait()
        with self._lock:
            self._known.pop(task_id, None)

    def close(self) -> None:
        """End all of them and begin no more; return when those that operators began have ended."""
        with self._lock:
            self._end.set()
            known = list(self._known.values())
        for task in known:
            if task.watched:
                task.over.wait()

    # --- inside

    def _enter(self, kind: TaskKind, *, watched: bool, end_of_all: Event) -> Task:
        if self._end.is_set():
            raise conflict("the server stops: ask again when it runs")
        for other in self._known.values():
            if other.kind is kind and other.running:
                by_whom = "" if other.watched else ", which the server began by itself"
                raise conflict(
                    f"{_WORDS[kind]} is under way{by_whom}: ask again when it is done (`neve status` shows how far it is)"
                )
        task = Task(
            task_id=self._entropy.take(_ID_BYTES).hex(),
            kind=kind,
            begun_s=self._clock.monotonic_s(),
            begun_ms=self._clock.now_ms(),
            asked_s=self._clock.monotonic_s(),
            watched=watched,
            clock=self._clock,
            end_of_all=end_of_all,
        )
        self._known[task.task_id] = task
        over = [known.task_id for known in self._known.values() if not known.running]
        for task_id in over[: max(0, len(self._known) - _KEPT_MAX)]:
            del self._known[task_id]
        return task

    @staticmethod
    def _work(task: Task, work: TaskWork) -> None:
        try:
            with suppress(TaskEnded):
                task.outcome = work(task)
        except Exception as error:  # noqa: BLE001 - raised again to whoever asks after it
            task.error = error
        finally:
            task.running = False
            task.over.set()
