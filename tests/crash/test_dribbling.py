"""400 connections that dribble: every one is closed by its deadline, who means it is served, and memory is bounded.

How fast who means it is served is a figure and no assertion: machines differ. `dribbling.py` measures it with the
settings a server has by default.
"""

from collections.abc import Callable

import pytest

from crash.dribbling import BLOCK, KINDS, dribble
from fix_scoreboard import Figure
from neve.limits import KIB
from neve.testing.server import ServerProcess

CONNECTIONS = 400
BUDGET_BYTES = 64 * len(BLOCK)


@pytest.mark.row(20)
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
def test_who_dribbles_is_closed_and_holds_nobody_up(
    make_server: Callable[..., ServerProcess], kind: str, full_size: bool, figure: Figure
) -> None:
    deadlines = (
        {} if full_size else {"header_deadline_s": 4, "body_deadline_s": 4, "body_bytes_per_s_min": 1 << 30}
    )
    server = make_server(
        connections_max=CONNECTIONS + 100, body_bytes_in_flight_max=BUDGET_BYTES, **deadlines
    )
    outcome = dribble(server, kind, CONNECTIONS)
    assert outcome.closed == CONNECTIONS
    # Of puts that dribble only as many are let in as there is room for; who means it may meet the rest of them.
    assert all("ServiceUnavailable" in failure for failure in outcome.failures)
    assert kind == "bodies" or outcome.failures == []
    assert outcome.latencies_s
    assert outcome.grown_bytes < BUDGET_BYTES + CONNECTIONS * 64 * KIB
    assert server.events("request failed") == []
    figure(f"{kind}: {outcome}")
