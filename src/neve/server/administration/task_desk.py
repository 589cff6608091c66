"""What operators ask of tasks that were begun: how far they are, what they found, and that they end."""

from collections.abc import Sequence
from typing import Final

import msgspec

from neve.limits import MIB
from neve.server.administration.messages_tasks import AnyRow, FeedTask, ShowTask, StopTask, TaskView
from neve.server.administration.messages_upkeep import TaskSummary
from neve.server.administration.tasks import Task, Tasks
from neve.server.administration.texts import moment

_ROWS_MAX: Final = 5_000
_ROW_BYTES_MAX: Final = 4 * MIB
"""In one answer, and one row more."""


class TaskDesk:
    """Shows and ends tasks, whatever they are."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks

    def show(self, request: ShowTask) -> TaskView:
        return view_of(self._tasks.find(request.task_id), max(0, request.first_row))

    def feed(self, request: FeedTask) -> None:
        feeding = self._tasks.find(request.task_id).feeding
        if feeding is not None:
            feeding.give(request)

    def stop(self, request: StopTask) -> None:
        self._tasks.stop(request.task_id)


def view_of(task: Task, first_row: int = 0) -> TaskView:
    """Return how far a task is, with some of its rows."""
    running = task.running  # before its rows and outcome: what is over has all of them
    summary = summary_of(task)
    rows_kept, rows_found = len(task.rows), task.rows_found
    return TaskView(
        **{name: getattr(summary, name) for name in summary.__struct_fields__ if name != "running"},
        running=running,
        rows=_some(task.rows[first_row : min(rows_kept, first_row + _ROWS_MAX)]),
        rows_kept=rows_kept,
        rows_found=rows_found,
        outcome=None if running else task.outcome,
        wanted=task.feeding.wanted if running and task.feeding is not None else None,
    )


def _some(rows: Sequence[AnyRow]) -> list[AnyRow]:
    """Return as many of the first rows as one answer holds, at least one."""
    taken: list[AnyRow] = []
    size_bytes = 0
    for row in rows:
        if size_bytes > _ROW_BYTES_MAX:
            break
        taken.append(row)
        size_bytes += len(msgspec.json.encode(row))
    return taken


def summary_of(task: Task) -> TaskSummary:
    """Return how far a task is."""
    progress = task.progress
    return TaskSummary(
        task_id=task.task_id,
        kind=task.kind.value,
        running=task.running,
        by_itself=not task.watched,
        begun=moment(task.begun_ms),
        elapsed_s=round(task.clock.monotonic_s() - task.begun_s, 3),
        phase=progress.phase,
        done=progress.done,
        total=progress.total,
        unit=progress.unit.value,
    )
