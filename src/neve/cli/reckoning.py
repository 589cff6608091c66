"""Waiting for what takes an administrator long: what snapshots cost."""

from contextlib import suppress
from dataclasses import dataclass
from threading import Event
from typing import Final

from neve.cli.output import note
from neve.errors import NeveError
from neve.server.administration.messages import Administrator, Request
from neve.server.administration.messages_usage import (
    FreedView,
    ReckoningView,
    ShowReckoning,
    StopReckoning,
    UsageRow,
)

_PAUSE_FIRST_S: Final = 0.02
_PAUSE_S_MAX: Final = 2.0
_TOLD_EVERY: Final = 5
"""Pauses of full length between two words to whoever waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reckoned:
    """What came of a reckoning."""

    usage: list[UsageRow]
    freed: FreedView | None


def reckoned(administrator: Administrator, request: Request[ReckoningView]) -> Reckoned:
    """Begin a reckoning, wait for it, and return what came of it; interrupted, it ends.

    Raises:
        AdministrationRefused, StoreError
    """
    begun = administrator.ask(request)
    try:
        view = _finished(administrator, begun)
        rows = view.usage
        while len(rows) < view.rows:
            more = ShowReckoning(reckoning_id=begun.reckoning_id, first_row=len(rows))
            rows = [*rows, *administrator.ask(more).usage]
        return Reckoned(usage=rows, freed=view.freed)
    finally:
        with suppress(NeveError):  # what matters is the answer, or the first failure
            administrator.ask(StopReckoning(reckoning_id=begun.reckoning_id))


def _finished(administrator: Administrator, begun: ReckoningView) -> ReckoningView:
    view, pause_s, long_pauses = begun, _PAUSE_FIRST_S, 0
    while not view.finished:
        Event().wait(pause_s)
        pause_s = min(2 * pause_s, _PAUSE_S_MAX)
        view = administrator.ask(ShowReckoning(reckoning_id=begun.reckoning_id))
        long_pauses += pause_s == _PAUSE_S_MAX
        if long_pauses % _TOLD_EVERY == 1 and pause_s == _PAUSE_S_MAX:
            note(f"neve: reading block maps: {view.steps_done} of {view.steps} so far.")
    # The answer to the question that began it has no result.
    return view if view is not begun else administrator.ask(ShowReckoning(reckoning_id=begun.reckoning_id))
