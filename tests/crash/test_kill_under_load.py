"""kill -9 under load, again and again, on one store: nothing acknowledged is lost, nothing completed changes.

    TEST_KILLS=100 make test-all ARGS="-n 0 -k under_load"

Collections run all the time, so that kills fall into them as well. See crash/campaign.py for what a round is.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from crash.campaign import COLLECTING, Campaign
from fix_scoreboard import Figure
from neve.testing.server import ServerProcess

KILLS_FULL = 150
"""Of each of two campaigns in the long form."""
KILLS = int(os.environ.get("TEST_KILLS", "0"))
SEED = os.environ.get("TEST_KILLS_SEED", "") or str(time.time_ns())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server of the test's own, that collects all the time."""
    with ServerProcess(tmp_path / "store", settings=COLLECTING) as running:
        yield running


@pytest.mark.slow
@pytest.mark.row(1)
@pytest.mark.timeout(120 + 60 * max(KILLS, KILLS_FULL))
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_nothing_acknowledged_is_lost_by_kills_under_load(
    server: ServerProcess,
    capsys: pytest.CaptureFixture[str],
    encrypted: bool,
    full_size: bool,
    figure: Figure,
) -> None:
    campaign = Campaign(server, Random(SEED), encrypted=encrypted)
    for number in range(KILLS or (KILLS_FULL if full_size else 3)):
        campaign.round()
        if number % 10 == 9:
            _say(capsys, str(campaign.tally))
    campaign.end()
    tally = campaign.tally
    _say(capsys, f"seed {SEED}: {tally}")
    figure(tally.figure)
    assert (tally.lost, tally.changed, tally.starts_needing_help) == ([], [], 0)
    assert [event["error"] for event in server.events("background work failed")] == []


def _say(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\n{text}\n")
