"""Bugs planted in verification and repair, and the test that must catch each."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from inspect import signature
from typing import Any

import pytest

from fix_world import MemoryStores
from neve.storage.repair_search import RepairSearch
from neve.storage.restoring import Restorer
from neve.storage.verification import archive_checks, passes
from neve.storage.verification.losses import LossSearch
from neve.storage.verification.parts import Parts
from neve.storage.verification.proving import Proof, Prover, Verdict
from neve.storage.verification.scrubbing import Scrubber
from neve.storage.verification.segment_checks import SegmentChecks
from neve.storage.verification.trees import TreeChecks
from neve.testing.time_and_chance import ManualClock
from neve.testing.world import World
from unit.storage import test_repairing
from unit.storage.verification import test_scrubbing, test_verifying

Plant = Callable[[pytest.MonkeyPatch], None]
Test = Callable[..., None]


# --- the bugs


def one_read_is_enough_to_condemn(patch: pytest.MonkeyPatch) -> None:
    def unread(_self: Prover, _record: Any) -> Proof:
        return Proof(verdict=Verdict.DAMAGED, why="it was wrong before")

    patch.setattr(Prover, "look_again", unread)


def a_stopped_key_counts_as_damage(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Prover, "refusal", lambda *_: None)
    prove = Prover.prove

    def harsh(self: Prover, record: Any, stored: Any) -> Proof:
        proof = prove(self, record, stored)
        if proof.verdict is Verdict.UNPROVEN:
            return Proof(verdict=Verdict.DAMAGED, why=proof.why)
        return proof

    patch.setattr(Prover, "prove", harsh)


def everything_that_was_read_is_verified(patch: pytest.MonkeyPatch) -> None:
    look = SegmentChecks.look

    def content(self: SegmentChecks, use: Any, *, data: bool) -> bool:
        look(self, use, data=data)
        return True

    patch.setattr(SegmentChecks, "look", content)


def rows_are_not_compared(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SegmentChecks, "_wrong_rows", lambda *_: [])


def missing_segments_mark_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SegmentChecks, "_look_for", lambda *_: None)


def marks_stay_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(passes.Pass, "_look_at_bad_chunks", lambda _: None)


def blocks_of_leaves_are_not_looked_for(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TreeChecks, "lost", lambda *_: set())


def rows_of_pending_ones_are_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LossSearch, "_rows", lambda *_: iter(()))


def what_was_written_since_counts_as_lost(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LossSearch, "_not_written_since", lambda _self, _key, losses: losses)


def a_cycle_has_no_cursor(patch: pytest.MonkeyPatch) -> None:
    next_of = Scrubber._next_of

    def forgetful(self: Scrubber, cycle: Any) -> Any:
        cycle.after = None
        return next_of(self, cycle)

    patch.setattr(Scrubber, "_next_of", forgetful)


def the_clock_is_believed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Parts, "new_moment", lambda self: self.clock.now_ms())


def whatever_is_offered_is_stored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        RepairSearch, "_content", lambda _self, _wanted, candidate: getattr(candidate, "data", None)
    )


def a_repair_looks_once(patch: pytest.MonkeyPatch) -> None:
    wishes = RepairSearch._wishes

    def once(self: RepairSearch) -> Any:
        return {} if self.wanted_count else wishes(self)

    patch.setattr(RepairSearch, "_wishes", once)


def good_rows_are_not_replaced(patch: pytest.MonkeyPatch) -> None:
    flush = Restorer.flush

    def lenient(self: Restorer) -> None:
        metadata = self._metadata
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(metadata, "mark_bad", lambda *_: None)
            flush(self)

    patch.setattr(Restorer, "flush", lenient)


def the_archive_is_not_compared(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(archive_checks.ArchiveChecks, "run", lambda *_: 0)


PLANTED: list[tuple[Plant, Test]] = [
    (one_read_is_enough_to_condemn, test_verifying.test_a_read_that_goes_wrong_once_condemns_nothing),
    (
        a_stopped_key_counts_as_damage,
        test_verifying.test_what_a_stopped_key_seals_is_unproven_and_not_called_bad,
    ),
    (
        everything_that_was_read_is_verified,
        test_scrubbing.test_what_is_damaged_is_passed_over_and_comes_first_in_the_next_cycle,
    ),
    (rows_are_not_compared, test_verifying.test_a_row_that_says_something_else_than_the_table_is_found),
    (
        missing_segments_mark_nothing,
        test_verifying.test_a_missing_segment_is_named_once_with_all_it_takes_along,
    ),
    (
        marks_stay_for_ever,
        test_verifying.test_what_is_right_again_loses_its_mark_even_without_reading_data,
    ),
    (
        blocks_of_leaves_are_not_looked_for,
        test_verifying.test_a_damaged_block_is_marked_told_and_named_with_its_places,
    ),
    (
        rows_of_pending_ones_are_not_looked_at,
        test_verifying.test_a_snapshot_that_is_being_written_has_its_rows_and_its_base_looked_at,
    ),
    (
        what_was_written_since_counts_as_lost,
        test_verifying.test_a_snapshot_that_is_being_written_has_its_rows_and_its_base_looked_at,
    ),
    (
        a_cycle_has_no_cursor,
        test_scrubbing.test_what_is_damaged_is_passed_over_and_comes_first_in_the_next_cycle,
    ),
    (
        the_clock_is_believed,
        partial(test_scrubbing.test_a_clock_that_jumps_makes_nothing_be_left_out, jump_s=-3600 * 24 * 365),
    ),
    (whatever_is_offered_is_stored, test_repairing.test_a_source_that_lies_or_breaks_does_no_harm),
    (a_repair_looks_once, test_repairing.test_what_comes_back_shows_what_is_below_it),
    (good_rows_are_not_replaced, test_repairing.test_what_is_right_moves_out_of_a_segment_that_is_not),
    (the_archive_is_not_compared, test_repairing.test_the_archive_is_written_anew_where_it_lost_something),
]


def run(test: Test) -> None:
    """Run a test on a world of its own, with what else it asks for."""
    with ExitStack() as stack:
        clock = ManualClock()

        def make_world(**options: Any) -> World:
            return stack.enter_context(World(MemoryStores(), **options))

        world = make_world(clock=clock)
        given = {"make_world": make_world, "world": world, "clock": clock}
        wanted = signature(test).parameters
        if "scrubber" in wanted:
            test_scrubbing.write(world, 60)
            given["scrubber"] = Scrubber(world.verifier._parts, period_s=test_scrubbing.PERIOD_S)
        if "monkeypatch" in wanted:
            given["monkeypatch"] = stack.enter_context(pytest.MonkeyPatch.context())
        test(**{name: value for name, value in given.items() if name in wanted})


@pytest.mark.parametrize(("plant", "test"), PLANTED, ids=[plant.__name__ for plant, _ in PLANTED])
def test_the_named_test_catches(plant: Plant, test: Test, monkeypatch: pytest.MonkeyPatch) -> None:
    run(test)
    plant(monkeypatch)
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - an assertion, or pytest's own Failed
        run(test)
    assert not isinstance(caught.value, AttributeError | TypeError | KeyboardInterrupt), (
        "the bug itself is broken"
    )
