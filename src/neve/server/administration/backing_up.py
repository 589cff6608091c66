"""Copies of the records, as operators ask for them."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from neve.server.administration.messages import AdministrationRefused, RefusedBecause
from neve.server.administration.messages_tasks import BackUpMetadata, TaskView
from neve.server.administration.messages_upkeep import BackupOutcome
from neve.server.administration.task_desk import view_of
from neve.server.administration.tasks import Task, TaskKind, Tasks
from neve.storage.progress import Progress, Unit


class BackUp(Protocol):
    """Copies records as they are at one moment into a new file, durably."""

    def __call__(
        self, destination: Path, /, *, on_bytes: Callable[[int, int], None], check: Callable[[], None]
    ) -> int:
        """Return the size of the copy in bytes.

        Raises:
            StoreUnusable: something is at `destination`, or nothing can be made there.
            StoreFull, StoreUnavailable: nothing is left there.
        """
        ...


class BackupDesk:
    """What operators ask about copies of the records."""

    def __init__(self, back_up: BackUp, tasks: Tasks) -> None:
        self._back_up = back_up
        self._tasks = tasks

    def back_up(self, request: BackUpMetadata) -> TaskView:
        destination = Path(request.path)
        if not destination.is_absolute():
            raise AdministrationRefused(
                RefusedBecause.INVALID,
                f"{request.path} says nothing to a server elsewhere: give the whole path",
            )

        def work(task: Task) -> BackupOutcome:
            def tell(done: int, total: int) -> None:
                task.on_progress(Progress(phase="copying records", done=done, total=total, unit=Unit.BYTES))

            size_bytes = self._back_up(destination, on_bytes=tell, check=task.check)
            return BackupOutcome(path=request.path, size_bytes=size_bytes)

        return view_of(self._tasks.begin(TaskKind.BACKUP, work))
