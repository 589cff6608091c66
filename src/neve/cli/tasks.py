"""Waiting for long work: what it finds, how far it is meanwhile, and that it ends when its command does."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Event
from typing import Final

from neve.cli.output import note
from neve.errors import NeveError
from neve.server.administration.messages import Administrator, Request
from neve.server.administration.messages_tasks import AnyOutcome, AnyRow, ShowTask, StopTask, TaskView

_PAUSE_FIRST_S: Final = 0.02
_PAUSE_S_MAX: Final = 2.0
_TOLD_EVERY_S: Final = 10.0

OnView = Callable[[TaskView], None]
"""Told how far a task is, every time it was asked after; its rows are the new ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What came of a task."""

    rows: list[AnyRow]
    rows_found: int
    """More than there are rows, if there were too many to keep."""
    outcome: AnyOutcome


def awaited(administrator: Administrator, request: Request[TaskView], on_view: OnView) -> Finished:
    """Begin a task, wait for it, and return what came of it; interrupted, it ends.

    Raises:
        AdministrationRefused, StoreError
    """
    task_id = administrator.ask(request).task_id
    try:
        return _finished(administrator, task_id, on_view)
    finally:
        with suppress(NeveError):  # what matters is the answer, or the first failure
            administrator.ask(StopTask(task_id=task_id))


def _finished(administrator: Administrator, task_id: str, on_view: OnView) -> Finished:
    rows: list[AnyRow] = []
    pause_s = _PAUSE_FIRST_S
    while True:
        view = administrator.ask(ShowTask(task_id=task_id, first_row=len(rows)))
        rows.extend(view.rows)
        on_view(view)
        if len(rows) < view.rows_kept:
            continue
        if view.outcome is not None:
            return Finished(rows=rows, rows_found=view.rows_found, outcome=view.outcome)
        Event().wait(pause_s)
        pause_s = min(2 * pause_s, _PAUSE_S_MAX)


class Murmur:
    """Says now and then how far something is, if it takes long: for commands that are quick as a rule."""

    def __init__(self) -> None:
        self._told_s = 0.0

    def __call__(self, view: TaskView) -> None:
        """Be told, and say it if it is time to."""
        if view.running and view.elapsed_s - self._told_s >= _TOLD_EVERY_S:
            self._told_s = view.elapsed_s
            note(f"neve: {view.phase}: {view.done} of {view.total} so far.")
