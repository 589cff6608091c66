"""How far a transfer is, on standard error: a bar for a terminal, a line now and then for a log.

    upload   42 %   1.7 GiB of 4.0 GiB   92.3 MiB/s   25 s left   3 retries
    copy     42 %   25 s left                                                  what the service does by itself

The rate is what went over the network in the last moments; the time left follows from how fast the volume was
worked through, holes and unchanged blocks included.
"""

import sys
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from neve.cli.output import note
from neve.client.engine import Engine
from neve.client.progress import Meter, Progress
from neve.clock import Clock
from neve.limits import KIB

_LINE_EVERY_S: Final = 10.0
_LOOK_BACK_S: Final = 20.0
_SAMPLE_EVERY_S: Final = 0.5


class Reporter(Protocol):
    """Shows how far a command is. Used from one thread; `tell` from any."""

    def watch(self, engine: Engine) -> None:
        """Show the retries of this engine, too."""
        ...

    def tick(self) -> None:
        """Show how far things are, if it is time to."""
        ...

    def tell(self, sentence: str) -> None:
        """Say a sentence in between."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was. Repeating does nothing."""
        ...


class Gauge:
    """Turns counts into a line of text. Knows the last moments, so that a rate is today's and not the average."""

    def __init__(self, verb: str, meter: Meter, clock: Clock, *, shows_bytes: bool = True) -> None:
        self._verb = verb
        self._shows_bytes = shows_bytes
        self._meter = meter
        self._clock = clock
        self._samples: deque[tuple[float, Progress]] = deque([(clock.monotonic_s(), meter.progress())])
        self.retries: Callable[[], int] = lambda: 0

    def sample(self) -> Progress:
        """Look at the counts, and forget what is too old."""
        now_s, progress = self._clock.monotonic_s(), self._meter.progress()
        if now_s - self._samples[-1][0] >= _SAMPLE_EVERY_S:
            self._samples.append((now_s, progress))
        while len(self._samples) > 2 and now_s - self._samples[1][0] >= _LOOK_BACK_S:
            self._samples.popleft()
        return progress

    def line(self) -> str:
        """Return where things are, in one line."""
        progress = self.sample()
        since_s, before = self._samples[0]
        elapsed_s = self._clock.monotonic_s() - since_s
        parts = [self._verb]
        if progress.total_bytes:
            parts.append(f"{100 * progress.done_bytes // progress.total_bytes} %")
        if self._shows_bytes:
            of_total = f" of {sized(progress.total_bytes)}" if progress.total_bytes else ""
            parts.append(f"{sized(progress.done_bytes)}{of_total}")
            if elapsed_s > 0:
                parts.append(f"{sized((progress.moved_bytes - before.moved_bytes) / elapsed_s)}/s")
        if elapsed_s > 0:
            done_per_s = (progress.done_bytes - before.done_bytes) / elapsed_s
            left = progress.total_bytes - progress.done_bytes
            if left > 0 and done_per_s > 0:
                parts.append(f"{lasting(left / done_per_s)} left")
        if retries := self.retries():
            parts.append(f"{retries} retries")
        return "   ".join(parts)


class _Quiet:
    """Says nothing."""

    def watch(self, engine: Engine) -> None: ...

    def tick(self) -> None: ...

    def tell(self, sentence: str) -> None: ...

    def close(self) -> None: ...


class Lines:
    """Prints a line every ten seconds: for logs, and for terminals that are none."""

    def __init__(self, gauge: Gauge, clock: Clock) -> None:
        self._gauge = gauge
        self._clock = clock
        self._printed_s = clock.monotonic_s()

    def watch(self, engine: Engine) -> None:
        self._gauge.retries = lambda: engine.statistics().retries

    def tick(self) -> None:
        self._gauge.sample()
        if self._clock.monotonic_s() - self._printed_s >= _LINE_EVERY_S:
            self._printed_s = self._clock.monotonic_s()
            note(self._gauge.line())

    def tell(self, sentence: str) -> None:
        note(sentence)

    def close(self) -> None:
        """Do nothing: every line stands for itself."""


class Bar:
    """Draws a bar that moves."""

    def __init__(self, gauge: Gauge, meter: Meter) -> None:
        # Imported here: only a terminal needs it.
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import BarColumn, TextColumn  # noqa: PLC0415
        from rich.progress import Progress as RichProgress  # noqa: PLC0415

        self._gauge = gauge
        self._meter = meter
        self._bar: Any = RichProgress(
            BarColumn(bar_width=24),
            TextColumn("{task.description}", markup=False),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task(gauge.line(), total=None)
        self._bar.start()

    def watch(self, engine: Engine) -> None:
        self._gauge.retries = lambda: engine.statistics().retries

    def tick(self) -> None:
        progress = self._meter.progress()
        self._bar.update(
            self._task,
            description=self._gauge.line(),
            completed=progress.done_bytes,
            total=progress.total_bytes or None,
        )

    def tell(self, sentence: str) -> None:
        self._bar.console.print(sentence, markup=False, highlight=False)

    def close(self) -> None:
        self.tick()
        self._bar.stop()


def quiet_reporter() -> Reporter:
    """Return a reporter that says nothing."""
    return _Quiet()


def reporter_for(verb: str, meter: Meter, clock: Clock, *, shows_bytes: bool = True) -> Reporter:
    """Return the reporter that suits where standard error goes."""
    gauge = Gauge(verb, meter, clock, shows_bytes=shows_bytes)
    return Bar(gauge, meter) if sys.stderr.isatty() else Lines(gauge, clock)


def sized(count_bytes: float) -> str:
    """Return a count of bytes as people say it: 1.5 GiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count_bytes < KIB:
            return f"{count_bytes:.0f} {unit}" if unit == "B" else f"{count_bytes:.1f} {unit}"
        count_bytes /= KIB
    return f"{count_bytes:.1f} TiB"


def lasting(seconds: float) -> str:
    """Return a time as people say it: 2 h 05 min."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
