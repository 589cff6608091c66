"""Power cuts under a server at work: on a file system that keeps what was not synced in memory, and loses it.

Where test_power_cut.py knows every call and simulates what a disk does with it, here a real server talks to a real
mount, and what a kernel and SQLite's shared memory do in between is theirs.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from random import Random

import pytest

from crash.campaign import COLLECTING, Campaign
from crash.lost_cache import LosingDisk
from fix_scoreboard import Figure
from neve.assemble import create_store
from neve.testing.disk import Names
from neve.testing.server import REGION, ServerProcess

ROUNDS = 2
ROUNDS_FULL = 50
"""Of each of two readings of what a directory's sync is for."""
SEED = os.environ.get("TEST_KILLS_SEED", "") or str(time.time_ns())

OnLosingDisk = Callable[[Names], AbstractContextManager[tuple[ServerProcess, LosingDisk]]]


@contextmanager
def server_on_losing_disk(folder: Path, names: Names) -> Iterator[tuple[ServerProcess, LosingDisk]]:
    """Make a store on a file system of its own, cut the power, and start a server on what is left of it."""
    store = folder / "store"
    with LosingDisk(store, names) as disk:
        made = create_store(store, account_name="", region=REGION)
        (folder / "store.json").write_text(json.dumps(asdict(made)))
        disk.cut_power(seed=0)
        with ServerProcess(store, settings=COLLECTING) as server:
            yield server, disk


@pytest.mark.slow
@pytest.mark.row(4)
@pytest.mark.timeout(120 + 60 * ROUNDS_FULL)
@pytest.mark.parametrize("names", Names, ids=[names.value for names in Names])
def test_nothing_acknowledged_is_lost_with_the_cache(
    tmp_path: Path, names: Names, full_size: bool, figure: Figure
) -> None:
    chance = Random(SEED)
    with server_on_losing_disk(tmp_path, names) as (server, disk):

        def die(server: ServerProcess) -> None:
            server.kill()
            disk.cut_power(chance.getrandbits(32))

        campaign = Campaign(server, chance, die=die)
        for _ in range(ROUNDS_FULL if full_size else ROUNDS):
            campaign.round()
        campaign.end()
        tally = campaign.tally
        figure(f"{names.value} names: {tally.figure}")
        assert (tally.lost, tally.changed, tally.starts_needing_help) == ([], [], 0), f"seed {SEED}"
