"""How far long work is, on standard error: a bar for a terminal, a line now and then for a log.

    reading segments   42 %   1.7 GiB of 4.0 GiB   92.3 MiB/s   25 s left   3 found
    marking            3 of 1,204 snapshots                     phases follow each other, each with its own count

The time left is that of the phase: nobody knows how long the next one takes.
"""

import sys
from collections import deque
from typing import Any, Final, Protocol

from neve.cli.client_progress import lasting, sized
from neve.cli.output import note
from neve.server.administration.messages_tasks import TaskView

_LINE_EVERY_S: Final = 10.0
_LOOK_BACK_S: Final = 60.0
"""The rate is that of the last minute: bytes come in bursts."""


class TaskGauge:
    """Turns what a task tells into a line of text."""

    def __init__(self) -> None:
        self._phase = ""
        self._samples: deque[tuple[float, int]] = deque()

    def line(self, view: TaskView) -> str:
        """Return where the task is, in one line."""
        if view.phase != self._phase:
            self._phase = view.phase
            self._samples.clear()
        self._samples.append((view.elapsed_s, view.done))
        while len(self._samples) > 2 and view.elapsed_s - self._samples[1][0] >= _LOOK_BACK_S:
            self._samples.popleft()
        parts = [view.phase, *_amounts(view), *self._pace(view)]
        if view.rows_found:
            parts.append(f"{view.rows_found} found")
        return "   ".join(parts)

    def _pace(self, view: TaskView) -> list[str]:
        since_s, before = self._samples[0]
        elapsed_s = view.elapsed_s - since_s
        if elapsed_s <= 0 or view.done <= before:
            return []
        per_s = (view.done - before) / elapsed_s
        parts = [f"{sized(per_s)}/s"] if view.unit == "bytes" else []
        if view.total > view.done:
            parts.append(f"{lasting((view.total - view.done) / per_s)} left")
        return parts


def _amounts(view: TaskView) -> list[str]:
    if view.total == 0 and view.done == 0:
        return []
    percent = [f"{100 * view.done // view.total} %"] if view.total else []
    if view.unit == "bytes":
        return [*percent, sized(view.done) + (f" of {sized(view.total)}" if view.total else "")]
    of_total = f" of {view.total:,}" if view.total else ""
    return [*percent, f"{view.done:,}{of_total} {view.unit}"]


class TaskReporter(Protocol):
    """Shows how far a task is."""

    def __call__(self, view: TaskView) -> None:
        """Be told, and show it if it is time to."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was. Repeating does nothing."""
        ...


class TaskLines:
    """Prints a line every ten seconds: for logs, and for terminals that are none."""

    def __init__(self) -> None:
        self._gauge = TaskGauge()
        self._told_s = 0.0

    def __call__(self, view: TaskView) -> None:
        line = self._gauge.line(view)
        if view.running and view.elapsed_s - self._told_s >= _LINE_EVERY_S:
            self._told_s = view.elapsed_s
            note(line)

    def close(self) -> None:
        """Do nothing: every line stands for itself."""


class TaskBar:
    """Draws a bar that moves."""

    def __init__(self) -> None:
        # Imported here: only a terminal needs it.
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415

        self._gauge = TaskGauge()
        self._bar: Any = Progress(
            BarColumn(bar_width=24),
            TextColumn("{task.description}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("", total=None)
        self._bar.start()

    def __call__(self, view: TaskView) -> None:
        self._bar.update(
            self._task, description=self._gauge.line(view), completed=view.done, total=view.total or None
        )

    def close(self) -> None:
        self._bar.stop()


class _Quiet:
    """Says nothing."""

    def __call__(self, view: TaskView) -> None: ...

    def close(self) -> None: ...


def task_reporter(*, quiet: bool) -> TaskReporter:
    """Return the reporter that suits where standard error goes."""
    if quiet:
        return _Quiet()
    return TaskBar() if sys.stderr.isatty() else TaskLines()
