"""One power cut on database and segments at once, at every call of every small program: nothing acknowledged is lost.

The long form walks all programs of up to three calls; the short one all of one call, and two of three. The
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
TELLING = [("start_child", "delete", "collect"), ("delete", "collect_but_undo", "undelete")]
"""Programs of several calls in the short form: what can go wrong in no single one."""
OUTCOMES = {1: 1, 2: 3, 3: 1}
"""By the number of calls of a program: how often it is chosen, at each moment at which it is open, what may be left."""
WORKERS = 2
PARTS = 128


def programs(calls: int) -> list[tuple[str, ...]]:
    return list(product(CALLS, repeat=calls))


def survey_all(chance: random.Random) -> Findings:
    """Cut the power in every program, on all processors."""
    found = Findings()
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        parts = []
        for calls in range(1, CALLS_MAX + 1):
            chosen = programs(calls)
            chance.shuffle(chosen)  # so that the parts take about as long
            parts += [
                pool.submit(survey, chosen[part::PARTS], seed=part, outcomes=OUTCOMES[calls])
                for part in range(min(PARTS, len(chosen)))
            ]
        for part in parts:
            found.add(part.result())
    return found


@pytest.mark.timeout(4 * 3600)
def test_a_power_cut_at_any_moment_loses_nothing_acknowledged(full_size: bool, figure: Figure) -> None:
    chance = random.Random(3)
    if full_size:
        found = survey_all(chance)
        assert found.cuts >= 100_000
    else:
        found = survey([*programs(1), *TELLING], seed=3, outcomes=OUTCOMES[1])
    figure(f"{found}, {found.states:,} of them different")
    assert (found.lost, found.dangling, found.unreadable) == ([], [], [])
    assert found.states > 500
