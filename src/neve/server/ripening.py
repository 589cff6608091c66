"""Which moments are past without doubt, where a clock may be wrong.

    wall clock   ──────╮        ╭────     a step ahead that is put right within the hour
                       ╰────────╯
    `past_ms`    the least that the wall clock said at any look in the last hour, the last look before it included

A server sees at once that a time is over. What nothing brings back is another matter: a pending snapshot put in error,
the recycle bin emptied, a key destroyed, a deletion that cannot be undone any more. That waits until the time has been
over at every look for an hour of the clock that nobody can set. A clock that is wrong after a start is usually put right
by then. Whoever has such work to do asks for what was over at `past_ms`, and needs to remember nothing himself.

Nothing here is needed for what was acknowledged to be safe; it is needed for what somebody may still want back.
"""

from collections import deque
from dataclasses import dataclass
from threading import Lock
from typing import Final

from neve.clock import Clock

SEEN_FOR_S: Final = 3600.0
_APART_S: Final = 1.0
"""Looks nearer to the last one than this count as that one, as long as they say nothing earlier: an hour has 3,600."""
_STEP_MS: Final = 60_000
"""From here on the clock has not been adjusted but set, or the machine has slept: the shortest Timeout is ten of it."""
NOTHING_IS_PAST_MS: Final = 0
"""Before every moment that a store knows."""


@dataclass(frozen=True, slots=True)
class _Look:
    at_s: float
    """By the clock that nobody can set."""
    now_ms: int
    """By the other one."""


class Ripening:
    """Looks at the clock whenever it is asked. Safe from any thread; those who ask look for each other."""

    def __init__(self, clock: Clock, *, seen_for_s: float = SEEN_FOR_S) -> None:
        self._clock = clock
        self._seen_for_s = seen_for_s
        self._lock = Lock()
        self._looks: deque[_Look] = deque()
        """Ascending in both: what a later look undercut says nothing any more."""
        self._first_s = clock.monotonic_s()
        self.past_ms()

    def past_ms(self) -> int:
        """Return the latest moment that the wall clock has been beyond at every look for an hour, and look once more.

        `NOTHING_IS_PAST_MS` in the first hour.
        """
        with self._lock:
            look = _Look(self._clock.monotonic_s(), self._clock.now_ms())
            self._take(look)
            hour_ago_s = look.at_s - self._seen_for_s
            while len(self._looks) > 1 and self._looks[1].at_s <= hour_ago_s:
                self._looks.popleft()
            return NOTHING_IS_PAST_MS if self._first_s > hour_ago_s else self._looks[0].now_ms

    def _take(self, look: _Look) -> None:
        at_s = look.at_s
        while self._looks and self._looks[-1].now_ms >= look.now_ms:
            at_s = self._looks.pop().at_s
        # It stands for those it undercut as well, from when they were taken.
        if not self._looks or at_s - self._looks[-1].at_s >= _APART_S:
            self._looks.append(_Look(at_s, look.now_ms))


@dataclass(frozen=True, slots=True)
class ClockStep:
    """The wall clock went from one moment to another in no time."""

    from_ms: int
    to_ms: int


class ClockSteps:
    """Notices that the wall clock was set forward, or that the machine slept. For one thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = self._look()

    def take(self) -> ClockStep | None:
        """Return the step ahead since the last call; None if there was none to speak of."""
        last, self._last = self._last, self._look()
        expected_ms = last.now_ms + round((self._last.at_s - last.at_s) * 1000)
        if self._last.now_ms - expected_ms < _STEP_MS:
            return None
        return ClockStep(from_ms=expected_ms, to_ms=self._last.now_ms)

    def _look(self) -> _Look:
        return _Look(self._clock.monotonic_s(), self._clock.now_ms())
