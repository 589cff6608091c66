"""Long answers: worked out on a thread of their own, while operators ask how far they are.

One at a time, since each reads all of a store's block maps; one that nobody asks after ends by itself, so that a command
that was killed leaves nothing running. What came of the last few stays until it was fetched.
"""

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import Any, Final

from neve.clock import Clock, Entropy
from neve.errors import NeveError, StoreUnavailable
from neve.server.administration.texts import conflict, not_found
from neve.storage.usage import Watch

_UNWATCHED_S: Final = 60.0
_KEPT_MAX: Final = 4
_ID_BYTES: Final = 8


class _Stopped(NeveError):
    """Nobody wants to know any more."""


@dataclass(slots=True)
class Reckoning:
    """One of them. Read by operators while its thread writes; every field is written whole."""

    reckoning_id: str
    asked_s: float
    """When somebody asked after it last."""
    stop: Event
    steps_done: int = 0
    steps: int = 0
    finished: bool = False
    result: Any = None
    error: Exception | None = None


class Reckonings:
    """Those under way, and the last few that are finished."""

    def __init__(self, clock: Clock, entropy: Entropy) -> None:
        self._clock = clock
        self._entropy = entropy
        self._lock = Lock()
        self._known: OrderedDict[str, Reckoning] = OrderedDict()
        self._thread: Thread | None = None

    def begin(self, work: Callable[[Watch], Any]) -> Reckoning:
        """Do `work` on a thread of its own.

        Raises:
            AdministrationRefused: another one is under way.
        """
        with self._lock:
            if any(not each.finished for each in self._known.values()):
                raise conflict("another reckoning is under way: ask again when it is done")
            reckoning = Reckoning(
                self._entropy.take(_ID_BYTES).hex(), self._clock.monotonic_s(), stop=Event()
            )
            self._known[reckoning.reckoning_id] = reckoning
            while len(self._known) > _KEPT_MAX:
                self._known.popitem(last=False)
            self._thread = Thread(target=self._work, args=(reckoning, work), name="reckoning", daemon=True)
            self._thread.start()
        return reckoning

    def find(self, reckoning_id: str) -> Reckoning:
        """Return one that was begun, and note that somebody asked.

        Raises:
            AdministrationRefused: it is not there, or it failed for a reason that has to do with what was asked.
            StoreError: it failed.
        """
        with self._lock:
            reckoning = self._known.get(reckoning_id)
        if reckoning is None:
            raise not_found("the reckoning is over: nobody asked after it for a minute, or it was stopped")
        reckoning.asked_s = self._clock.monotonic_s()
        if reckoning.finished and reckoning.error is not None:
            raise reckoning.error
        return reckoning

    def stop(self, reckoning_id: str) -> None:
        """End one and forget it; return when it has ended. One that is not there is no error."""
        with self._lock:
            reckoning = self._known.pop(reckoning_id, None)
            if reckoning is None:
                return
            reckoning.stop.set()
            if not reckoning.finished and self._thread is not None:
                self._thread.join()

    def close(self) -> None:
        """End all of them; return when they have ended."""
        for reckoning_id in list(self._known):
            self.stop(reckoning_id)

    def _work(self, reckoning: Reckoning, work: Callable[[Watch], Any]) -> None:
        def watch(steps_done: int, steps: int) -> None:
            reckoning.steps_done, reckoning.steps = steps_done, steps
            if reckoning.stop.is_set() or self._clock.monotonic_s() - reckoning.asked_s > _UNWATCHED_S:
                raise _Stopped

        try:
            with suppress(_Stopped):
                reckoning.result = work(watch)
        except Exception as error:  # noqa: BLE001 - raised again to whoever asks after it
            reckoning.error = error
        finally:
            if reckoning.result is None and reckoning.error is None:
                reckoning.error = StoreUnavailable("the reckoning was stopped: ask again")
            reckoning.finished = True
