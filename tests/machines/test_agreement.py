"""How many steps the service and the model of it take without a difference: a row of the scoreboard.

The programs are those of test_snapshots.py and test_collection.py; here they are counted, and as many as the scoreboard
wants.
"""

from collections.abc import Mapping
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from fix_scoreboard import Figure
from machines import test_collection, test_snapshots
from machines.snapshot_machine import SnapshotMachine

STEPS = 50
PROGRAMS: Mapping[type[SnapshotMachine], int] = {
    test_snapshots.OverMemory: 90,
    test_snapshots.OverFolder: 15,
    test_collection.OverMemory: 10,
    test_collection.OverFolder: 5,
}
"""Five thousand steps and more."""
TIMES_IN_FULL = 200


def steps_taken(machine: type[SnapshotMachine], programs: int) -> int:
    """Run programs until one differs from the model; return how many steps they had."""

    class Counted(machine):  # type: ignore[misc, valid-type]
        taken: ClassVar[int] = 0

        @invariant()
        def one_more(self) -> None:
            type(self).taken += 1

    run_state_machine_as_test(
        Counted, settings=settings(max_examples=programs, stateful_step_count=STEPS, database=None)
    )
    return Counted.taken


@pytest.mark.slow
@pytest.mark.row(12)
@pytest.mark.timeout(12 * 3600)
def test_the_service_and_its_model_never_differ(full_size: bool, figure: Figure) -> None:
    times = TIMES_IN_FULL if full_size else 1
    taken = {machine: steps_taken(machine, times * count) for machine, count in PROGRAMS.items()}
    total = sum(taken.values())
    on_disk = taken[test_snapshots.OverFolder] + taken[test_collection.OverFolder]
    figure(f"{total:,} steps without a difference, {on_disk:,} of them over SQLite and a folder")
    assert total > 1000
