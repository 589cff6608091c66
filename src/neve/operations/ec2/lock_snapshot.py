"""LockSnapshot: keep a snapshot from being deleted for a while, or until a date (contract 9.9).

What may become of a lock that is there already is `domain.lock_changes`' business; here is what a request may say.
"""

from typing import Final

from neve.domain.lock_changes import LockWish, changed_lock
from neve.domain.locks import DAY_MS, Lock, LockMode
from neve.domain.snapshots import Snapshot, observed
from neve.errors import Ec2Error, SnapshotNotFound
from neve.limits import Limits
from neve.messages.ec2_lifecycle import LockSnapshotRequest, LockSnapshotResponse
from neve.operations.context import Caller, Context
from neve.operations.ec2 import refusals
from neve.stores.metadata.contract_lifecycle import LockedSnapshot

_MODES: Final = frozenset(LockMode)


def lock_snapshot(ctx: Context, caller: Caller, request: LockSnapshotRequest) -> LockSnapshotResponse:
    """Lock a snapshot of the caller, or change its lock. In force at once; the snapshot works as before otherwise.

    Repeating it begins a lock that can be taken off anew, and leaves a final one as it is.

    Raises:
        Ec2Error: InvalidSnapshot.NotFound; IncorrectState for a snapshot that failed; OperationNotPermitted for what a
            final lock does not allow; MissingParameter, InvalidParameterCombination, InvalidParameterValue,
            InvalidSnapshotID.Malformed for the request itself; DryRunOperation.
    """
    snapshot_id = refusals.checked_snapshot_id(request.snapshot_id)
    now_ms = ctx.clock.now_ms()
    wish = _wish(request, ctx.limits, now_ms)

    def change(snapshot: Snapshot, lock: Lock | None) -> Lock:
        changed = changed_lock(observed(snapshot, now_ms), lock, wish, now_ms=now_ms)
        # Within the transaction, so that a rehearsal sees what the real request would.
        refusals.end_dry_run(dry_run=request.dry_run)
        return changed

    try:
        locked = ctx.metadata.lifecycle.change_lock(caller.account_id, snapshot_id, change)
    except SnapshotNotFound as refusal:
        raise refusals.snapshot_not_found(refusal) from refusal
    assert locked is not None, "a lock was put there"
    return _described(locked, now_ms)


def lock_duration_days(locked: LockedSnapshot) -> int:
    """Return for how many days a lock is: as was asked, or up to the date that was asked, begun days as whole ones."""
    lock = locked.lock
    if lock.duration_days is not None:
        return lock.duration_days
    assert lock.expires_ms is not None
    begin_ms = lock.duration_start_ms(locked.snapshot)
    return max(-(-(lock.expires_ms - (lock.created_ms if begin_ms is None else begin_ms)) // DAY_MS), 1)


def _wish(request: LockSnapshotRequest, limits: Limits, now_ms: int) -> LockWish:
    if request.lock_mode not in _MODES:
        raise _invalid("lockMode", request.lock_mode, "Expected: 'governance' or 'compliance'.")
    if request.lock_duration is not None and request.expiration_date_ms is not None:
        raise Ec2Error(
            "InvalidParameterCombination",
            "The parameter lockDuration cannot be used with the parameter expirationDate",
        )
    if request.lock_duration is not None:
        _check_range("lockDuration", request.lock_duration, limits.lock_days_max, "days")
    elif request.expiration_date_ms is None:
        raise Ec2Error(
            "MissingParameter", "The request must contain the parameter lockDuration or expirationDate"
        )
    elif not now_ms < request.expiration_date_ms <= now_ms + limits.lock_days_max * DAY_MS:
        raise Ec2Error(
            "InvalidParameterValue",
            f"The parameter expirationDate must be in the future, by at most {limits.lock_days_max} days.",
        )
    if request.cool_off_period is not None:
        if request.lock_mode != LockMode.COMPLIANCE:
            raise Ec2Error(
                "InvalidParameterCombination",
                "The parameter coolOffPeriod cannot be used with the lock mode 'governance'",
            )
        _check_range("coolOffPeriod", request.cool_off_period, limits.lock_cool_off_hours_max, "hours")
    return LockWish(
        mode=LockMode(request.lock_mode),
        duration_days=request.lock_duration,
        expires_ms=request.expiration_date_ms,
        cool_off_hours=request.cool_off_period,
    )


def _check_range(name: str, number: int, most: int, unit: str) -> None:
    if not 1 <= number <= most:
        raise _invalid(name, str(number), f"Expected: 1 to {most} {unit}.")


def _invalid(name: str, text: str, expectation: str) -> Ec2Error:
    return Ec2Error("InvalidParameterValue", f"Value ({text}) for parameter {name} is invalid. {expectation}")


def _described(locked: LockedSnapshot, now_ms: int) -> LockSnapshotResponse:
    snapshot, lock = locked.snapshot, locked.lock
    return LockSnapshotResponse(
        snapshot_id=snapshot.snapshot_id,
        lock_state=lock.state(snapshot, now_ms),
        lock_duration=lock_duration_days(locked),
        cool_off_period=lock.cool_off_hours,
        cool_off_period_expires_on_ms=lock.cool_off_ends_ms(),
        lock_created_on_ms=lock.created_ms,
        lock_expires_on_ms=lock.ends_ms(snapshot),
        lock_duration_start_time_ms=lock.duration_start_ms(snapshot),
    )
