"""UnlockSnapshot: take a lock off, while that is allowed (contract 9.9)."""

from neve.domain.lock_changes import check_removable
from neve.domain.locks import Lock
from neve.domain.snapshots import Snapshot, observed
from neve.errors import SnapshotNotFound
from neve.messages.ec2_lifecycle import UnlockSnapshotRequest, UnlockSnapshotResponse
from neve.operations.context import Caller, Context
from neve.operations.ec2 import refusals


def unlock_snapshot(ctx: Context, caller: Caller, request: UnlockSnapshotRequest) -> UnlockSnapshotResponse:
    """Take the lock off a snapshot of the caller: it can be deleted at once.

    Raises:
        Ec2Error: InvalidSnapshot.NotFound; IncorrectState for one that is not locked, or not any more, so repeating it
            as well; OperationNotPermitted for a compliance lock whose cooling-off period is over;
            InvalidSnapshotID.Malformed, InvalidParameterValue for the request itself; DryRunOperation.
    """
    snapshot_id = refusals.checked_snapshot_id(request.snapshot_id)
    now_ms = ctx.clock.now_ms()

    def change(snapshot: Snapshot, lock: Lock | None) -> None:
        check_removable(observed(snapshot, now_ms), lock, now_ms=now_ms)
        refusals.end_dry_run(dry_run=request.dry_run)

    try:
        ctx.metadata.lifecycle.change_lock(caller.account_id, snapshot_id, change)
    except SnapshotNotFound as refusal:
        raise refusals.snapshot_not_found(refusal) from refusal
    return UnlockSnapshotResponse(snapshot_id=snapshot_id)
