"""Bugs planted in locks, blocked public access, the bin and its rules, and the test that must catch each."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from fix_world import MemoryStores
from neve.domain import lock_changes
from neve.domain.locks import Lock, LockState
from neve.domain.snapshots import State
from neve.operations import visibility
from neve.operations.ec2 import list_snapshots_in_recycle_bin, modify_snapshot_attribute, refusals
from neve.operations.rbin import rules, tagging
from neve.operations.visibility import Sight
from neve.testing.world import World
from unit.operations.ec2 import test_block_public_access, test_locks, test_recycle_bin
from unit.operations.rbin import test_rbin_rules

Plant = Callable[[pytest.MonkeyPatch], None]
Test = Callable[[], None]


def in_a_world(test: Callable[..., None], *arguments: Any, **named: Any) -> Test:
    """Return a test, run in a world of its own."""

    def run() -> None:
        with ExitStack() as closing:
            test(closing.enter_context(World(MemoryStores())), *arguments, **named)

    return run


def replaced(owner: object, name: str, value: object) -> Plant:
    """Put something else in the place of a part."""
    return lambda patch: patch.setattr(owner, name, value)


PLANTED: dict[str, tuple[Plant, Test]] = {
    "final locks are replaced": (
        replaced(Lock, "state", lambda *_: LockState.GOVERNANCE),
        in_a_world(test_locks.test_DOC_compliance_after_its_cool_off_is_extended_and_nothing_else),
    ),
    "final locks are shortened": (
        replaced(lock_changes, "_ends_no_earlier", lambda *_: True),
        in_a_world(
            test_locks.test_INFERRED_a_final_lock_of_a_pending_snapshot_is_not_bent_around_its_completion
        ),
    ),
    "failed snapshots are locked": (
        replaced(lock_changes, "LOCKABLE", frozenset(State)),
        in_a_world(test_locks.test_choice65_one_that_timed_out_unnoticed_is_not_locked),
    ),
    "rehearsals have effects": (
        replaced(refusals, "end_dry_run", lambda **_: None),
        in_a_world(test_locks.test_DOC_a_rehearsal_changes_nothing_and_answers_as_the_request_would),
    ),
    "what is blocked is shown": (
        replaced(visibility, "BLOCK_ALL_SHARING", "nothing"),
        in_a_world(
            test_block_public_access.test_DOC_blocking_all_sharing_hides_what_is_public_and_alters_no_permission
        ),
    ),
    "blocking hides what is shared by name": (
        replaced(Sight, "_seen", lambda self, record: None if self._blocks("111122223333") else record),
        in_a_world(
            test_block_public_access.test_INFERRED_what_is_public_and_shared_by_name_stays_shared_by_name
        ),
    ),
    "what is blocked can be made public": (
        replaced(modify_snapshot_attribute, "_check_public_access", lambda *_: None),
        in_a_world(
            test_block_public_access.test_nothing_is_made_public_while_that_is_blocked, "block-new-sharing"
        ),
    ),
    "the bin shows what is over": (
        replaced(list_snapshots_in_recycle_bin, "_still_there", lambda recycled, _: iter(recycled)),
        in_a_world(
            test_recycle_bin.test_INFERRED_its_time_over_it_is_gone_whether_or_not_the_bin_was_emptied
        ),
    ),
    "a rule both looks for tags and leaves some out": (
        replaced(rules, "_check_tags_go_together", lambda _: None),
        in_a_world(
            test_rbin_rules.test_DOC_an_update_that_cannot_be_changes_nothing,
            {"exclude_resource_tags": test_rbin_rules.tags("b")},
        ),
    ),
    "a rule is told by its id alone": (
        replaced(tagging, "rule_id_of", lambda _ctx, _account_id, arn: arn.rpartition("/")[2]),
        in_a_world(
            test_rbin_rules.test_INFERRED_rules_of_others_elsewhere_and_of_nobody_have_no_tags,
        ),
    ),
}


@pytest.mark.parametrize(("plant", "test"), PLANTED.values(), ids=PLANTED)
def test_the_named_test_catches(plant: Plant, test: Test, monkeypatch: pytest.MonkeyPatch) -> None:
    test()
    plant(monkeypatch)
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - an assertion, or pytest's own Failed
        test()
    assert not isinstance(caught.value, AttributeError | TypeError | KeyboardInterrupt), (
        "the bug itself is broken"
    )
