"""How many steps the service and the model of it take without a difference: a row of the scoreboard.

The programs are those of test_snapshots.py; here they are counted, and as many as the scoreboard wants.
"""

from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from fix_scoreboard import Figure
from machines.snapshot_machine import SnapshotMachine
from machines.test_snapshots import OverFolder, OverMemory

STEPS = 50
PROGRAMS = {OverMemory: 100, OverFolder: 20}
PROGRAMS_FULL = {OverMemory: 18_000, OverFolder: 2_000}


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
    programs = PROGRAMS_FULL if full_size else PROGRAMS
    taken = {machine: steps_taken(machine, count) for machine, count in programs.items()}
    in_memory, on_disk = taken[OverMemory], taken[OverFolder]
    figure(
        f"{in_memory + on_disk:,} steps without a difference, {on_disk:,} of them over SQLite and a folder"
    )
    assert in_memory + on_disk > 1000
