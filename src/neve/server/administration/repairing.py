"""Repair, as operators ask for it: where to look is named by them, what is found is proven."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Final

from neve.errors import StoreUnusable
from neve.events import Report
from neve.limits import Limits
from neve.server.administration.feeding import Feeding
from neve.server.administration.messages_tasks import AnyRow, RepairStore, TaskView
from neve.server.administration.messages_upkeep import RepairOutcome, SourceRow
from neve.server.administration.task_desk import view_of
from neve.server.administration.tasks import Task, TaskKind, Tasks
from neve.server.administration.texts import invalid, shown
from neve.server.administration.verifying import counting, found_rows
from neve.storage.repair_sources import Blocks, ReadBlock, RepairSource
from neve.storage.repairing import Repairer, RepairReport

_SOURCES_MAX: Final = 16
_NAME_CHARS_MAX: Final = 4_096

OpenRepairer = Callable[[Report], Repairer]
"""Returns what repairs a store, with caches of its own, and tells as it is told to."""


OpenReplica = Callable[[str], AbstractContextManager[RepairSource]]
"""Opens segments elsewhere on the store's machine, to read from. Entering raises StoreUnusable if there are none."""


class RepairDesk:
    """What operators ask about having back what was lost."""

    def __init__(
        self,
        open_repairer: OpenRepairer,
        open_replica: OpenReplica,
        tasks: Tasks,
        report: Report,
        limits: Limits,
    ) -> None:
        self._open_repairer = open_repairer
        self._open_replica = open_replica
        self._tasks = tasks
        self._report = report
        self._limits = limits

    def repair(self, request: RepairStore) -> TaskView:
        _check_names([*request.replicas, *request.volumes])

        def work(task: Task) -> RepairOutcome:
            repairer = self._open_repairer(counting(task, self._report))
            with ExitStack() as opened:
                replicas = [self._replica(opened, path) for path in request.replicas]
                sources = [*replicas, *self._volumes(task, request.volumes)]
                found = repairer.repair(sources, on_progress=task.on_progress, check=task.check)
            task.replace_rows(_rows(found))
            return _outcome(found)

        return view_of(self._tasks.begin(TaskKind.REPAIR, work))

    def _replica(self, opened: ExitStack, path: str) -> RepairSource:
        try:
            return opened.enter_context(self._open_replica(path))
        except StoreUnusable as error:
            raise invalid(str(error)) from None

    def _volumes(self, task: Task, names: Sequence[str]) -> list[RepairSource]:
        feeding = Feeding()
        task.feeding = feeding

        def reader(volume: int) -> ReadBlock:
            return lambda index: feeding.read(volume, index, task.check)

        return [Blocks(name, reader(volume), self._limits) for volume, name in enumerate(names)]


def _check_names(names: Sequence[str]) -> None:
    if len(names) > _SOURCES_MAX:
        raise invalid(f"name at most {_SOURCES_MAX} sources at a time")
    for name in names:
        if not 0 < len(name) <= _NAME_CHARS_MAX or "\0" in name:
            raise invalid(f"{shown(name)} names no source")


def _rows(found: RepairReport) -> list[AnyRow]:
    sources = [
        SourceRow(
            name=source.name,
            candidates=source.candidates,
            restored=source.restored,
            failure=source.failure,
        )
        for source in found.sources
    ]
    return [*sources, *found_rows(found.after)]


def _outcome(found: RepairReport) -> RepairOutcome:
    return RepairOutcome(
        chunks_wanted=found.chunks_wanted,
        chunks_restored=found.chunks_restored,
        stored_bytes=found.stored_bytes,
        chunks_moved=found.chunks_moved,
        objects_renewed=found.objects_renewed,
        without_key=found.without_key,
        findings=sum(found.after.finding_counts.values()),
        touched=found.after.touched_count,
    )
