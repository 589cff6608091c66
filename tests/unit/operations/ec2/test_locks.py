"""LockSnapshot, UnlockSnapshot, DescribeLockedSnapshots: contract 9.9 and choices 64 to 66, row by row.

Ids begin with the row's evidence label.
"""

from collections.abc import Callable
from typing import Any

import pytest

from lifecycle_scene import (
    UNKNOWN,
    code,
    completed,
    delete,
    exists,
    failed,
    let_pass,
    lock,
    lock_states,
    locks,
    refusal,
    rule,
    share,
    unlock,
)
from neve.domain.locks import DAY_MS, HOUR_MS
from neve.errors import Ec2Error
from neve.messages.ebs import CompleteSnapshotRequest
from neve.messages.ec2 import Filter
from neve.messages.ec2_lifecycle import LockedSnapshotsInfo, LockSnapshotResponse
from neve.operations.ebs.complete_snapshot import complete_snapshot
from neve.testing.world import ACCOUNT, OTHER_ACCOUNT, World

NOT_PERMITTED = "OperationNotPermitted"
INCORRECT = "IncorrectState"
NOT_FOUND = "InvalidSnapshot.NotFound"

# --- what a request may say


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param({"days": 1, "until_ms": 1}, "InvalidParameterCombination", id="choice66-both"),
        pytest.param({}, "MissingParameter", id="choice66-neither"),
        pytest.param({"days": 0}, "InvalidParameterValue", id="DOC-duration-too-short"),
        pytest.param({"days": 36_501}, "InvalidParameterValue", id="DOC-duration-too-long"),
        pytest.param({"days": -1}, "InvalidParameterValue", id="DOC-duration-negative"),
        pytest.param(
            {"mode": "compliance", "days": 1, "cool_off": 0}, "InvalidParameterValue", id="DOC-cool-off-0"
        ),
        pytest.param(
            {"mode": "compliance", "days": 1, "cool_off": 73}, "InvalidParameterValue", id="DOC-cool-off-73"
        ),
        pytest.param({"days": 1, "cool_off": 1}, "InvalidParameterCombination", id="DOC-governance-cool-off"),
        pytest.param({"mode": "legal-hold", "days": 1}, "InvalidParameterValue", id="DOC-mode"),
        pytest.param({"mode": "Governance", "days": 1}, "InvalidParameterValue", id="DOC-mode-in-capitals"),
        pytest.param({"until_ms": -1}, "InvalidParameterValue", id="INFERRED-date-before-the-epoch"),
    ],
)
def test_a_request_that_makes_no_lock_leaves_none(world: World, asked: dict[str, Any], expected: str) -> None:
    snapshot_id = completed(world)
    assert code(lambda: lock(world, snapshot_id, **asked)) == expected
    assert lock_states(world) == {}


@pytest.mark.parametrize(
    ("ahead_ms", "allowed"),
    [(0, False), (1, True), (36_500 * DAY_MS, True), (36_500 * DAY_MS + 1, False)],
    ids=["INFERRED-now", "INFERRED-soon", "INFERRED-a-century", "INFERRED-later"],
)
def test_an_expiration_date_is_ahead_by_a_century_at_most(
    world: World, ahead_ms: int, *, allowed: bool
) -> None:
    snapshot_id, until_ms = completed(world), world.clock.now_ms() + ahead_ms
    if allowed:
        assert lock(world, snapshot_id, until_ms=until_ms).lock_expires_on_ms == until_ms
    else:
        assert code(lambda: lock(world, snapshot_id, until_ms=until_ms)) == "InvalidParameterValue"


@pytest.mark.parametrize("call", [lock, unlock])
@pytest.mark.parametrize(
    ("snapshot_id", "expected"),
    [
        pytest.param(UNKNOWN, NOT_FOUND, id="LIVE-unknown"),
        pytest.param("snap-12345", "InvalidSnapshotID.Malformed", id="DOC-malformed"),
        pytest.param("vol-12345678", "InvalidParameterValue", id="LIVE-no-snapshot"),
    ],
)
def test_only_a_snapshot_of_the_callers_has_a_lock(
    world: World, call: Callable[..., object], snapshot_id: str, expected: str
) -> None:
    more = {"days": 1} if call is lock else {}
    assert code(lambda: call(world, snapshot_id, **more)) == expected


@pytest.mark.parametrize("public", [False, True])
def test_INFERRED_whoever_a_snapshot_is_shared_with_cannot_lock_it(world: World, *, public: bool) -> None:
    snapshot_id = completed(world)
    share(world, snapshot_id, OTHER_ACCOUNT, public=public)
    lock(world, snapshot_id, days=1)
    for call in (
        lambda: lock(world, snapshot_id, days=1, account_id=OTHER_ACCOUNT),
        lambda: unlock(world, snapshot_id, account_id=OTHER_ACCOUNT),
        lambda: locks(world, snapshot_id, account_id=OTHER_ACCOUNT),
    ):
        assert code(call) == NOT_FOUND
    assert locks(world, account_id=OTHER_ACCOUNT).snapshots == ()


# --- what a lock answers


def test_DOC_an_answer_has_every_member(world: World) -> None:
    snapshot_id, now_ms = completed(world), world.clock.now_ms()
    assert lock(world, snapshot_id, "compliance", days=30, cool_off=24) == LockSnapshotResponse(
        snapshot_id=snapshot_id,
        lock_state="compliance-cooloff",
        lock_duration=30,
        cool_off_period=24,
        cool_off_period_expires_on_ms=now_ms + 24 * HOUR_MS,
        lock_created_on_ms=now_ms,
        lock_expires_on_ms=now_ms + 30 * DAY_MS,
        lock_duration_start_time_ms=now_ms,
    )
    assert locks(world).snapshots == (
        LockedSnapshotsInfo(
            owner_id=ACCOUNT,
            snapshot_id=snapshot_id,
            lock_state="compliance-cooloff",
            lock_duration=30,
            cool_off_period=24,
            cool_off_period_expires_on_ms=now_ms + 24 * HOUR_MS,
            lock_created_on_ms=now_ms,
            lock_duration_start_time_ms=now_ms,
            lock_expires_on_ms=now_ms + 30 * DAY_MS,
        ),
    )


def test_INFERRED_a_lock_until_a_date_says_for_how_many_days_it_is(world: World) -> None:
    snapshot_id, now_ms = completed(world), world.clock.now_ms()
    for ahead_ms, days in ((1, 1), (DAY_MS, 1), (DAY_MS + 1, 2), (10 * DAY_MS, 10)):
        answer = lock(world, snapshot_id, until_ms=now_ms + ahead_ms)
        assert (answer.lock_duration, answer.lock_expires_on_ms) == (days, now_ms + ahead_ms)
        assert answer.cool_off_period is None
        assert answer.cool_off_period_expires_on_ms is None


# --- what a lock does


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({"days": 1}, id="DOC-governance"),
        pytest.param({"mode": "compliance", "days": 1}, id="DOC-compliance"),
        pytest.param({"mode": "compliance", "days": 1, "cool_off": 1}, id="DOC-cool-off"),
        pytest.param({"mode": "compliance", "days": 1, "cool_off": 72}, id="INFERRED-cool-off-outlasts"),
    ],
)
def test_a_locked_snapshot_stays_until_its_lock_ends(world: World, asked: dict[str, Any]) -> None:
    snapshot_id = completed(world)
    lock(world, snapshot_id, **asked)
    let_pass(world, hours=23, minutes=59)
    for dry_run in (False, True):
        found = refusal(lambda: delete(world, snapshot_id, dry_run=dry_run))  # noqa: B023 - called at once
        assert (found.code, found.status) == (NOT_PERMITTED, 400)
    assert world.read(snapshot_id)
    let_pass(world, minutes=1)
    assert lock_states(world) == {snapshot_id: "expired"}
    assert code(lambda: delete(world, snapshot_id, dry_run=True)) == "DryRunOperation"
    delete(world, snapshot_id)
    assert not exists(world, snapshot_id)
    assert lock_states(world) == {}


def test_INFERRED_a_refused_deletion_names_the_lock_and_its_end(world: World) -> None:
    snapshot_id = completed(world)
    lock(world, snapshot_id, "compliance", until_ms=world.clock.now_ms() + DAY_MS)
    ends = refusal(lambda: delete(world, snapshot_id)).message
    assert f"The snapshot '{snapshot_id}' is locked in compliance mode until 20" in ends
    pending = world.start()
    lock(world, pending, days=3)
    assert (
        "in governance mode for 3 days from its completion" in refusal(lambda: delete(world, pending)).message
    )


def test_DOC_a_locked_snapshot_does_not_go_to_the_bin(world: World) -> None:
    rule(world)
    snapshot_id = completed(world)
    lock(world, snapshot_id, days=1)
    assert code(lambda: delete(world, snapshot_id)) == NOT_PERMITTED
    assert exists(world, snapshot_id)


def test_INFERRED_a_locked_snapshot_is_read_shared_and_built_on_as_before(world: World) -> None:
    snapshot_id = completed(world)
    lock(world, snapshot_id, "compliance", days=1)
    share(world, snapshot_id, OTHER_ACCOUNT)
    child = world.start(parent=snapshot_id)
    world.complete(child, count=0)
    assert world.read(child) == world.read(snapshot_id)


# --- which snapshots


def test_choice65_a_snapshot_that_failed_is_not_locked(world: World) -> None:
    snapshot_id = failed(world)
    assert code(lambda: lock(world, snapshot_id, days=1)) == INCORRECT
    assert code(lambda: unlock(world, snapshot_id)) == INCORRECT


def test_choice65_one_that_timed_out_unnoticed_is_not_locked(world: World) -> None:
    snapshot_id = world.start(timeout=10)
    let_pass(world, minutes=10)
    assert code(lambda: lock(world, snapshot_id, days=1)) == INCORRECT


def test_DOC_on_a_pending_snapshot_the_duration_begins_at_completion(world: World) -> None:
    snapshot_id = world.start(timeout=4320)
    created_ms = world.clock.now_ms()
    answer = lock(world, snapshot_id, days=1)
    assert (answer.lock_state, answer.lock_expires_on_ms, answer.lock_duration_start_time_ms) == (
        "governance",
        None,
        None,
    )
    let_pass(world, days=2)
    assert code(lambda: delete(world, snapshot_id)) == NOT_PERMITTED
    world.complete(snapshot_id, count=0)
    completed_ms = world.clock.now_ms()
    (shown,) = locks(world).snapshots
    assert (shown.lock_created_on_ms, shown.lock_duration_start_time_ms, shown.lock_expires_on_ms) == (
        created_ms,
        completed_ms,
        completed_ms + DAY_MS,
    )
    let_pass(world, hours=23)
    assert code(lambda: delete(world, snapshot_id)) == NOT_PERMITTED
    let_pass(world, hours=1)
    delete(world, snapshot_id)


def test_INFERRED_one_that_is_completing_is_locked_as_a_pending_one(world: World) -> None:
    snapshot_id = world.start()
    request = CompleteSnapshotRequest(snapshot_id=snapshot_id, changed_blocks_count=0)
    complete_snapshot(world.context, world.caller(), request)
    assert lock(world, snapshot_id, days=1).lock_expires_on_ms is None


@pytest.mark.parametrize("mode", ["governance", "compliance"])
def test_DOC_a_snapshot_that_fails_loses_its_lock(world: World, mode: str) -> None:
    timed_out, wrong = world.start(timeout=10), world.start()
    for snapshot_id in (timed_out, wrong):
        lock(world, snapshot_id, mode, days=1)
    world.complete(wrong, count=5)
    let_pass(world, minutes=10)
    assert lock_states(world) == {}
    for snapshot_id in (timed_out, wrong):
        assert code(lambda: unlock(world, snapshot_id)) == INCORRECT  # noqa: B023 - called at once
        delete(world, snapshot_id)


# --- what may be changed


def test_DOC_governance_is_shortened_extended_made_compliance_and_unlocked(world: World) -> None:
    snapshot_id = completed(world)
    lock(world, snapshot_id, days=10)
    assert lock(world, snapshot_id, days=5).lock_duration == 5
    assert lock(world, snapshot_id, days=20).lock_duration == 20
    assert unlock(world, snapshot_id).snapshot_id == snapshot_id
    assert lock_states(world) == {}
    lock(world, snapshot_id, days=1)
    assert lock(world, snapshot_id, "compliance", days=1).lock_state == "compliance"


def test_DOC_compliance_in_its_cool_off_is_as_governance(world: World) -> None:
    snapshot_id = completed(world)
    lock(world, snapshot_id, "compliance", days=10, cool_off=10)
    let_pass(world, hours=9)
    assert lock(world, snapshot_id, "compliance", days=2, cool_off=10).lock_state == "compliance-cooloff"
    let_pass(world, hours=9)
    assert lock(world, snapshot_id, days=1).lock_state == "governance"
    lock(world, snapshot_id, "compliance", days=10, cool_off=1)
    unlock(world, snapshot_id)
    delete(world, snapshot_id)


def test_DOC_compliance_after_its_cool_off_is_extended_and_nothing_else(world: World) -> None:
    snapshot_id, created_ms = completed(world), world.clock.now_ms()
    lock(world, snapshot_id, "compliance", days=10, cool_off=10)
    let_pass(world, hours=10)
    assert lock_states(world) == {snapshot_id: "compliance"}
    before = locks(world)
    ends_ms = created_ms + 10 * DAY_MS
    for asked in (
        {"mode": "compliance", "days": 9},
        {"mode": "compliance", "until_ms": ends_ms - 1},
        {"mode": "compliance", "days": 20, "cool_off": 1},
        {"mode": "governance", "days": 20},
    ):
        assert code(lambda: lock(world, snapshot_id, **asked)) == NOT_PERMITTED  # type: ignore[arg-type]  # noqa: B023
    assert code(lambda: unlock(world, snapshot_id)) == NOT_PERMITTED
    assert locks(world) == before
    again = lock(world, snapshot_id, "compliance", days=10)
    assert (again.lock_expires_on_ms, again.cool_off_period) == (ends_ms, 10)
    assert lock(world, snapshot_id, "compliance", until_ms=ends_ms + 1).lock_expires_on_ms == ends_ms + 1
    longer = lock(world, snapshot_id, "compliance", days=11)
    assert (longer.lock_created_on_ms, longer.lock_expires_on_ms) == (created_ms, ends_ms + DAY_MS)


def test_INFERRED_a_final_lock_of_a_pending_snapshot_is_not_bent_around_its_completion(world: World) -> None:
    snapshot_id = world.start(timeout=4320)
    lock(world, snapshot_id, "compliance", days=10)
    # Nobody knows when it completes: any date may turn out to be earlier than ten days after that.
    far_ms = world.clock.now_ms() + 1000 * DAY_MS
    assert code(lambda: lock(world, snapshot_id, "compliance", until_ms=far_ms)) == NOT_PERMITTED
    assert code(lambda: lock(world, snapshot_id, "compliance", days=9)) == NOT_PERMITTED
    assert lock(world, snapshot_id, "compliance", days=11).lock_expires_on_ms is None
    dated = world.start(timeout=4320)
    lock(world, dated, "compliance", until_ms=world.clock.now_ms() + 5 * DAY_MS)
    assert code(lambda: lock(world, dated, "compliance", days=4)) == NOT_PERMITTED
    assert lock(world, dated, "compliance", days=5).lock_expires_on_ms is None


def test_DOC_an_expired_lock_may_be_made_anew(world: World) -> None:
    snapshot_id = completed(world)
    lock(world, snapshot_id, "compliance", days=1)
    let_pass(world, days=1)
    assert lock_states(world) == {snapshot_id: "expired"}
    assert code(lambda: unlock(world, snapshot_id)) == INCORRECT
    assert lock(world, snapshot_id, days=1).lock_state == "governance"


def test_choice65_what_is_not_locked_is_not_unlocked(world: World) -> None:
    assert code(lambda: unlock(world, completed(world))) == INCORRECT


# --- rehearsals


def test_DOC_a_rehearsal_changes_nothing_and_answers_as_the_request_would(world: World) -> None:
    snapshot_id = completed(world)
    assert code(lambda: lock(world, snapshot_id, days=1, dry_run=True)) == "DryRunOperation"
    assert lock_states(world) == {}
    lock(world, snapshot_id, days=1)
    assert code(lambda: unlock(world, snapshot_id, dry_run=True)) == "DryRunOperation"
    assert lock_states(world) == {snapshot_id: "governance"}
    lock(world, snapshot_id, "compliance", days=1)
    assert code(lambda: unlock(world, snapshot_id, dry_run=True)) == NOT_PERMITTED
    assert code(lambda: lock(world, snapshot_id, days=1, dry_run=True)) == NOT_PERMITTED
    assert code(lambda: locks(world, dry_run=True)) == "DryRunOperation"
    assert code(lambda: locks(world, UNKNOWN, dry_run=True)) == NOT_FOUND


# --- describing


def test_DOC_the_filter_lock_state_chooses_by_what_a_lock_is_now(world: World) -> None:
    governance, cool_off, final, expired = (completed(world) for _ in range(4))
    lock(world, expired, days=1)
    let_pass(world, days=1)
    lock(world, governance, days=1)
    lock(world, cool_off, "compliance", days=1, cool_off=1)
    lock(world, final, "compliance", days=1)
    by_state = {
        "governance": governance,
        "compliance-cooloff": cool_off,
        "compliance": final,
        "expired": expired,
    }
    for state, snapshot_id in by_state.items():
        found = locks(world, filters=(Filter("lock-state", (state,)),)).snapshots
        assert [each.snapshot_id for each in found] == [snapshot_id]
    both = locks(world, filters=(Filter("lock-state", ("compliance*",)),)).snapshots
    assert [each.snapshot_id for each in both] == [cool_off, final]
    assert code(lambda: locks(world, filters=(Filter("status", ("x",)),))) == "InvalidParameterValue"


def test_INFERRED_asked_for_ids_those_with_a_lock_are_shown_and_one_missing_fails_all(world: World) -> None:
    first, bare, second = (completed(world) for _ in range(3))
    for snapshot_id in (first, second):
        lock(world, snapshot_id, days=1)
    found = locks(world, second, bare, first, second).snapshots
    assert [each.snapshot_id for each in found] == [first, second]
    assert code(lambda: locks(world, first, UNKNOWN)) == NOT_FOUND
    assert code(lambda: locks(world, first, max_results=5)) == "InvalidParameterCombination"
    assert code(lambda: locks(world, first, next_token="00")) == "InvalidParameterCombination"


def test_pages_show_every_lock_once(world: World) -> None:
    expected = [completed(world) for _ in range(13)]
    for snapshot_id in expected:
        lock(world, snapshot_id, days=1)
    found: list[str] = []
    answer = locks(world, max_results=5)
    while True:
        assert len(answer.snapshots) <= 5
        found += [each.snapshot_id for each in answer.snapshots]
        if answer.next_token is None:
            break
        answer = locks(world, max_results=5, next_token=answer.next_token)
    assert found == expected
    assert code(lambda: locks(world, max_results=4)) == "InvalidParameterValue"
    assert code(lambda: locks(world, next_token="00")) == "InvalidPaginationToken"


def test_a_deletion_between_refusal_and_look_still_answers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot_id = completed(world)
    lock(world, snapshot_id, days=1)
    monkeypatch.setattr(world.metadata.lifecycle, "lock", lambda *_: None)
    found = refusal(lambda: delete(world, snapshot_id))
    assert isinstance(found, Ec2Error)
    assert "is locked in governance mode." in found.message


def test_the_days_of_a_lock_are_bounded_by_the_models_numbers(world: World) -> None:
    snapshot_id = completed(world)
    assert lock(world, snapshot_id, "compliance", days=36_500, cool_off=72).lock_duration == 36_500
