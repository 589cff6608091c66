"""What a store needs without being asked: what nothing needs goes, and what is stored is proven again.

    collect    every `collect_interval_s`: what one does is in its own event, and in `neve status`
    scrub      a segment at a time, evenly, so that every byte is proven once in `scrub_period_s`

Both begin a while after a start, when clients have come back, and wait inside their slices: a stop ends the wait, and what
is under way, at once. Neither is needed for what was acknowledged to be safe, and no request waits for either.
"""

from collections.abc import Callable
from dataclasses import replace
from threading import Event
from typing import Final

from neve.clock import Clock
from neve.errors import CollectionStopped, StoreError
from neve.events import Report
from neve.server.administration.messages import AdministrationRefused
from neve.server.administration.tasks import TaskEnded
from neve.server.background import Work, failure
from neve.server.collecting import Collections
from neve.server.retrying import Retry
from neve.storage.verification.verifier import Verifier

_FIRST_COLLECTION_S: Final = 600.0
_FIRST_SCRUB_S: Final = 60.0
_RETRY_S_MAX: Final = 600.0

Wait = Callable[[float], bool]
"""Wait for so many seconds, or until it is all to end; return whether it is."""


class CollectionUpkeep:
    """Collects again and again. For one thread; `interrupt` from any."""

    def __init__(
        self, collections: Collections, *, interval_s: int, report: Report, wait: Wait | None = None
    ) -> None:
        """`interval_s` is not 0."""
        self._collections = collections
        self._interval_s = interval_s
        self._report = report
        self._end = Event()
        self._wait = wait or self._end.wait
        self._pause_s = min(_FIRST_COLLECTION_S, interval_s)

    def work(self) -> Work:
        """Return this as a piece of background work."""
        return Work(name="collect", do_slice=self.collect_next, pause_s=0, interrupt=self._end.set)

    def collect_next(self) -> int:
        """Wait until it is time, and collect once; return 0 if it was told to end."""
        if self._wait(self._pause_s):
            return 0
        self._pause_s = self._interval_s
        try:
            self._collections.run(self._end)
        except TaskEnded:
            return 0 if self._end.is_set() else 1
        except AdministrationRefused:
            return 1  # an operator collects: what there is to do is being done
        except CollectionStopped:
            return 1  # it has said so itself, and needs somebody who looks
        except StoreError as error:
            self._report(replace(failure("collect", error), retry_in_s=self._pause_s))
        return 1


class ScrubUpkeep:
    """Proves one segment after the other. For one thread; `interrupt` from any."""

    def __init__(
        self,
        open_verifier: Callable[[], Verifier],
        *,
        period_s: int,
        clock: Clock,
        report: Report,
        wait: Wait | None = None,
    ) -> None:
        """`period_s` is not 0."""
        self._open_verifier = open_verifier
        self._verifier: Verifier | None = None
        self._clock = clock
        self._report = report
        self._end = Event()
        self._wait = wait or self._end.wait
        self._pause_s = min(_FIRST_SCRUB_S, period_s)
        self._retry = Retry()

    def work(self) -> Work:
        """Return this as a piece of background work."""
        return Work(name="scrub", do_slice=self.scrub_next, pause_s=0, interrupt=self._end.set)

    def scrub_next(self) -> int:
        """Wait until it is time, and prove one segment; return 0 if it was told to end."""
        if self._wait(self._pause_s):
            return 0
        if self._verifier is None:
            self._verifier = self._open_verifier()
        try:
            step = self._verifier.scrub_one(check=self._check)
        except TaskEnded:
            return 0
        except StoreError as error:
            self._retry = self._retry.after_another(self._clock.monotonic_s(), wait_s_max=_RETRY_S_MAX)
            self._pause_s = self._retry.wait_s
            self._report(replace(failure("scrub", error), retry_in_s=self._pause_s))
        else:
            self._retry = Retry()
            self._pause_s = step.wait_s
        return 1

    def _check(self) -> None:
        if self._end.is_set():
            raise TaskEnded
