"""Collections, whoever wants them: the schedule, or an operator. One at a time, and how the last one ended.

Nobody depends on when: a collection that is not begun, or ends half-way, costs room and nothing else.
"""

from collections.abc import Callable
from enum import Enum
from threading import Event

from neve.clock import Clock
from neve.errors import StoreError
from neve.server.administration.messages_upkeep import CollectionOutcome
from neve.server.administration.tasks import Task, TaskKind, Tasks
from neve.server.ledger import LastCollection, Ledger
from neve.storage.collection.collector import Collector
from neve.storage.collection.report import CollectionReport


class Haste(Enum):
    """How long what could still be had back is kept."""

    SCHEDULED = "scheduled"
    """As the settings say, and as long again as a clock may be wrong without anybody noticing."""
    ASKED = "asked"
    """As the settings say, by the clock as it is: somebody is there who looks."""
    AT_ONCE = "at once"
    """No longer."""


OpenCollector = Callable[[Haste], Collector]
"""Returns what collects a store, with caches of its own."""


class Collections:
    """Begins collections. Safe from any thread."""

    def __init__(self, open_collector: OpenCollector, tasks: Tasks, ledger: Ledger, clock: Clock) -> None:
        self._open_collector = open_collector
        self._tasks = tasks
        self._ledger = ledger
        self._clock = clock

    def begin(self, *, dry_run: bool, share_max: float | None, at_once: bool) -> Task:
        """Collect for an operator.

        Raises:
            AdministrationRefused: a collection is under way.
        """
        haste = Haste.AT_ONCE if at_once else Haste.ASKED
        return self._tasks.begin(
            TaskKind.COLLECTION, lambda task: self._collect(task, haste, dry_run=dry_run, share_max=share_max)
        )

    def run(self, end: Event) -> None:
        """Collect by schedule, on this thread, at most until `end` is set.

        Raises:
            AdministrationRefused: a collection is under way.
            TaskEnded: it was told to end.
            StoreError: as `Collector.collect`.
        """
        self._tasks.run(
            TaskKind.COLLECTION,
            lambda task: self._collect(task, Haste.SCHEDULED, dry_run=False, share_max=None),
            end=end,
        )

    def _collect(
        self, task: Task, haste: Haste, *, dry_run: bool, share_max: float | None
    ) -> CollectionOutcome:
        try:
            found = self._open_collector(haste).collect(
                dry_run=dry_run, share_max=share_max, on_progress=task.on_progress, check=task.check
            )
        except StoreError as error:
            if not dry_run:
                self._note(str(error), failed=True, unexplained=0)
            raise
        if not dry_run:
            self._note(_summary(found), failed=False, unexplained=found.unexplained)
        return _outcome(found)

    def _note(self, summary: str, *, failed: bool, unexplained: int) -> None:
        self._ledger.note_collection(
            LastCollection(
                ended_ms=self._clock.now_ms(), summary=summary, failed=failed, unexplained=unexplained
            )
        )


def _summary(found: CollectionReport) -> str:
    if found.overtaken:
        return "another one took its place"
    return (
        f"let go of {found.chunks_dropped} chunks, freed {found.bytes_deleted} bytes, "
        f"{found.bytes_condemned} bytes became unneeded"
    )


def _outcome(found: CollectionReport) -> CollectionOutcome:
    return CollectionOutcome(
        dry_run=found.dry_run,
        overtaken=found.overtaken,
        undos_closed=found.undos_closed,
        snapshots_settled=found.snapshots_settled,
        chunks_dropped=found.chunks_dropped,
        bytes_dropped=found.bytes_dropped,
        snapshots_forgotten=found.snapshots_forgotten,
        segments_condemned=found.segments_condemned,
        bytes_condemned=found.bytes_condemned,
        segments_deleted=found.segments_deleted,
        bytes_deleted=found.bytes_deleted,
        segments_rewritten=found.segments_rewritten,
        bytes_rewritten=found.bytes_rewritten,
        segments_left=found.segments_left,
        out_of_room=found.out_of_room,
        unexplained=found.unexplained,
        unexplained_names=list(found.unexplained_names),
        missing=found.missing,
        missing_names=list(found.missing_names),
    )
