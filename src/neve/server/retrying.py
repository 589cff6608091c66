"""When background work on one thing is tried again: after twice as long each time, up to a bound.

What cannot be done now mostly cannot be done in five seconds either: a node on a damaged disk, a key that is disabled.
It is tried for as long as there is hope, and says so less and less often.
"""

from dataclasses import dataclass
from typing import Final

FIRST_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Retry:
    """How long the last wait is, and until when."""

    wait_s: float = 0.0
    not_before_s: float = 0.0

    def after_another(self, now_s: float, *, wait_s_max: float) -> "Retry":
        """Return what it is after one more try that failed."""
        wait_s = min(wait_s_max, 2 * self.wait_s or FIRST_S)
        return Retry(wait_s, now_s + wait_s)
