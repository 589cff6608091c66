"""How long to go on: how often a call is repeated and how much is waited in between.

The waits double and are drawn at random from their upper half, so that the workers of a client, and the
clients of a service that was away, do not come back all at once. A service that names a time is given it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from neve.clock import Entropy

_RETRY_AFTER_S_MAX: Final = 60.0
"""A service may ask for more, a person at a terminal will not wait for it unseen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """A bound on attempts and waits."""

    attempts_max: int
    wait_first_s: float = 0.2
    wait_s_max: float = 20.0

    def waits(self, entropy: Entropy) -> Iterator[float]:
        """Yield the waits between attempts, in seconds; one fewer than there are attempts."""
        for attempt in range(self.attempts_max - 1):
            full = min(self.wait_s_max, self.wait_first_s * 2**attempt)
            yield full / 2 * (1 + int.from_bytes(entropy.take(2)) / 0xFFFF)


FIRST_CONTACT: Final = Patience(attempts_max=4)
"""About a second: somebody waits to be told that the address is wrong."""

STEADY: Final = Patience(attempts_max=12)
"""About a minute and a half: the service answered before, and may be restarting (coldsnap tries 12 times)."""


def wait_s(planned_s: float, asked_s: float) -> float:
    """Return how long to wait, given the plan and what the service asked for."""
    return max(planned_s, min(asked_s, _RETRY_AFTER_S_MAX))
