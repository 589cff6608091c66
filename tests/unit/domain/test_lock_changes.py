"""Locks and what may be done to them, for any lock, wish and moment."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from neve.domain.identities import AccountId, DomainKey, SnapshotId
from neve.domain.lock_changes import LockWish, changed_lock, check_removable, sentence
from neve.domain.locks import DAY_MS, HOUR_MS, Lock, LockMode, LockState
from neve.domain.snapshots import Snapshot, SnapshotKey, State
from neve.errors import Ec2Error

NOW_MS = 100 * DAY_MS
PENDING = Snapshot(
    key=SnapshotKey(1),
    snapshot_id=SnapshotId("snap-0123456789abcdef0"),
    account_id=AccountId("111122223333"),
    domain_key=DomainKey(1),
    lineage_id=SnapshotId("snap-0123456789abcdef0"),
    state=State.PENDING,
    state_message="",
    volume_gib=1,
    parent_id=None,
    description=None,
    timeout_minutes=4320,
    started_ms=0,
    last_write_ms=NOW_MS,
    completed_ms=None,
    base_root=None,
    base_block_count=0,
    root=None,
    block_count=0,
    claim=None,
)

ends = st.integers(1, 40).map(lambda days: (days, None)) | st.integers(1, 40 * DAY_MS).map(
    lambda ahead_ms: (None, NOW_MS + ahead_ms)
)


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Return one that can be locked, as it is seen now."""
    state = draw(st.sampled_from([State.PENDING, State.SEALING, State.COMPLETED]))
    completed_ms = draw(st.integers(0, NOW_MS)) if state is State.COMPLETED else None
    return replace(PENDING, state=state, completed_ms=completed_ms)


@st.composite
def wishes(draw: st.DrawFn) -> LockWish:
    mode = draw(st.sampled_from(LockMode))
    days, expires_ms = draw(ends)
    hours = draw(st.none() | st.integers(1, 72)) if mode is LockMode.COMPLIANCE else None
    return LockWish(mode=mode, duration_days=days, expires_ms=expires_ms, cool_off_hours=hours)


@st.composite
def locks(draw: st.DrawFn) -> Lock:
    """Return one that was made before now, and may have expired."""
    wish = draw(wishes())
    return Lock(
        mode=wish.mode,
        created_ms=NOW_MS - draw(st.integers(0, 50 * DAY_MS)),
        duration_days=wish.duration_days,
        expires_ms=wish.expires_ms,
        cool_off_hours=wish.cool_off_hours,
    )


def is_final(snapshot: Snapshot, lock: Lock) -> bool:
    return lock.state(snapshot, NOW_MS) is LockState.COMPLIANCE


def ends_when_completed(snapshot: Snapshot, lock: Lock, completed_ms: int) -> int:
    """Return when a lock ends if the snapshot, unless it is completed already, completes then."""
    if snapshot.completed_ms is None:
        snapshot = replace(snapshot, state=State.COMPLETED, completed_ms=completed_ms)
    ends_ms = lock.ends_ms(snapshot)
    assert ends_ms is not None
    return ends_ms


@given(snapshots(), locks(), wishes(), st.integers(0, 100 * DAY_MS))
def test_whatever_is_asked_a_final_lock_ends_no_earlier_and_stays_final(
    snapshot: Snapshot, lock: Lock, wish: LockWish, later_ms: int
) -> None:
    assume(is_final(snapshot, lock))
    try:
        changed = changed_lock(snapshot, lock, wish, now_ms=NOW_MS)
    except Ec2Error as refusal:
        assert refusal.code == "OperationNotPermitted"  # noqa: PT017 - either outcome is right, none is demanded
        return
    assert is_final(snapshot, changed)
    assert changed.created_ms == lock.created_ms
    completed_ms = NOW_MS + later_ms
    assert ends_when_completed(snapshot, changed, completed_ms) >= ends_when_completed(
        snapshot, lock, completed_ms
    )


@given(snapshots(), locks(), st.integers(0, 40))
def test_a_final_lock_can_always_be_extended_in_its_own_words(
    snapshot: Snapshot, lock: Lock, more_days: int
) -> None:
    assume(is_final(snapshot, lock))
    wish = LockWish(
        mode=LockMode.COMPLIANCE,
        duration_days=None if lock.duration_days is None else lock.duration_days + more_days,
        expires_ms=None if lock.expires_ms is None else lock.expires_ms + more_days * DAY_MS,
        cool_off_hours=None,
    )
    changed = changed_lock(snapshot, lock, wish, now_ms=NOW_MS)
    assert (changed == lock) == (more_days == 0)


@given(snapshots(), st.none() | locks(), wishes())
def test_any_other_lock_gives_way_to_what_is_asked(
    snapshot: Snapshot, lock: Lock | None, wish: LockWish
) -> None:
    assume(lock is None or not is_final(snapshot, lock))
    changed = changed_lock(snapshot, lock, wish, now_ms=NOW_MS)
    assert changed == Lock(
        mode=wish.mode,
        created_ms=NOW_MS,
        duration_days=wish.duration_days,
        expires_ms=wish.expires_ms,
        cool_off_hours=wish.cool_off_hours,
    )
    assert changed.forbids_deletion(snapshot, NOW_MS)


@given(snapshots(), st.none() | locks())
def test_a_lock_comes_off_exactly_if_it_holds_and_is_not_final(snapshot: Snapshot, lock: Lock | None) -> None:
    state = LockState.EXPIRED if lock is None else lock.state(snapshot, NOW_MS)
    expected = {
        LockState.EXPIRED: "IncorrectState",
        LockState.COMPLIANCE: "OperationNotPermitted",
        LockState.GOVERNANCE: None,
        LockState.COMPLIANCE_COOLOFF: None,
    }[state]
    if expected is None:
        check_removable(snapshot, lock, now_ms=NOW_MS)
        return
    with pytest.raises(Ec2Error) as caught:
        check_removable(snapshot, lock, now_ms=NOW_MS)
    assert caught.value.code == expected


@given(st.none() | locks(), wishes())
def test_a_snapshot_that_failed_has_no_lock_and_gets_none(lock: Lock | None, wish: LockWish) -> None:
    snapshot = replace(PENDING, state=State.ERROR)
    for call in (
        lambda: changed_lock(snapshot, lock, wish, now_ms=NOW_MS),
        lambda: check_removable(snapshot, lock, now_ms=NOW_MS),
    ):
        with pytest.raises(Ec2Error) as caught:
            call()
        assert caught.value.code == "IncorrectState"
    assert lock is None or not lock.forbids_deletion(snapshot, NOW_MS)


@given(snapshots(), locks(), st.integers(0, 200 * DAY_MS))
def test_a_lock_goes_from_cool_off_to_final_to_expired_and_never_back(
    snapshot: Snapshot, lock: Lock, later_ms: int
) -> None:
    order = [LockState.COMPLIANCE_COOLOFF, LockState.GOVERNANCE, LockState.COMPLIANCE, LockState.EXPIRED]
    now, then = lock.state(snapshot, NOW_MS), lock.state(snapshot, NOW_MS + later_ms)
    assert order.index(now) <= order.index(then)
    assert lock.forbids_deletion(snapshot, NOW_MS) == (now is not LockState.EXPIRED)


def test_the_bounds_of_time_belong_to_what_follows() -> None:
    snapshot = replace(PENDING, state=State.COMPLETED, completed_ms=0)
    lock = Lock(
        mode=LockMode.COMPLIANCE, created_ms=NOW_MS, duration_days=1, expires_ms=None, cool_off_hours=2
    )
    assert [
        lock.state(snapshot, NOW_MS + after_ms)
        for after_ms in (2 * HOUR_MS - 1, 2 * HOUR_MS, DAY_MS - 1, DAY_MS)
    ] == [
        LockState.COMPLIANCE_COOLOFF,
        LockState.COMPLIANCE,
        LockState.COMPLIANCE,
        LockState.EXPIRED,
    ]


def test_a_sentence_names_mode_and_end() -> None:
    lock = Lock(mode=LockMode.GOVERNANCE, created_ms=0, duration_days=2, expires_ms=None, cool_off_hours=None)
    assert sentence(PENDING, lock) == (
        "The snapshot 'snap-0123456789abcdef0' is locked in governance mode for 2 days from its completion."
    )
    completed = replace(PENDING, state=State.COMPLETED, completed_ms=1)
    assert sentence(completed, lock).endswith("is locked in governance mode until 1970-01-03T00:00:00Z.")
