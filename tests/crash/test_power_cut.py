"""One power cut on database and segments at once, at every call of every small program: nothing acknowledged is lost.

The long form walks all programs of up to three calls; the short one all of one call, and some of two and three. The
alarm is proven in tests/mutants.
"""

import random
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context

import pytest

from crash.power_cut_scene import survey
from crash.store_examination import Findings
from crash.store_programs import CALLS
from fix_scoreboard import Figure

pytestmark = pytest.mark.row(3)

CALLS_MAX = 3
SAMPLE = 12
"""Programs of two or three calls in the short form."""
OUTCOMES = 3
"""What may be left is chosen so often at each moment at which it is open."""
WORKERS = 2
PARTS = 64


def programs() -> list[tuple[str, ...]]:
    return [names for length in range(1, CALLS_MAX + 1) for names in product(CALLS, repeat=length)]


@pytest.mark.timeout(4 * 3600)
def test_a_power_cut_at_any_moment_loses_nothing_acknowledged(full_size: bool, figure: Figure) -> None:
    chance = random.Random(3)
    chosen = programs()
    if full_size:
        chance.shuffle(chosen)  # so that the parts take about as long
        found = Findings()
        with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
            parts = [
                pool.submit(survey, chosen[part::PARTS], seed=part, outcomes=OUTCOMES)
                for part in range(PARTS)
            ]
            for part in parts:
                found.add(part.result())
        assert found.cuts >= 100_000
    else:
        longer = chance.sample(chosen[len(CALLS) :], SAMPLE)
        found = survey([*chosen[: len(CALLS)], *longer], seed=3, outcomes=OUTCOMES)
    figure(f"{found}, {found.states:,} of them different")
    assert (found.lost, found.dangling, found.unreadable) == ([], [], [])
    assert found.states > 500
