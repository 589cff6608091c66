"""DeleteSnapshot: forget a snapshot, whatever its state, or put it into the recycle bin (contract 9.4, 9.11).

It is gone from every answer at once. Its relatives do not notice: they share content, not records, and what
any of them still needs is kept. Whether it goes to the bin, the account's retention rules say at that moment. A locked
one stays, whoever asks: the records themselves refuse.
"""

from typing import NoReturn

from neve.domain.identities import SnapshotId
from neve.domain.lock_changes import lock_in_force, sentence
from neve.domain.snapshots import observed
from neve.errors import Ec2Error, SnapshotLocked, SnapshotNotFound
from neve.messages.ec2 import DeleteSnapshotRequest, VoidResponse
from neve.operations.context import Caller, Context
from neve.operations.ec2 import refusals


def delete_snapshot(ctx: Context, caller: Caller, request: DeleteSnapshotRequest) -> VoidResponse:
    """Delete a snapshot of the caller. Repeating it finds nothing and changes nothing.

    Raises:
        Ec2Error: InvalidSnapshot.NotFound, InvalidSnapshotID.Malformed, InvalidParameterValue; OperationNotPermitted
            for a locked one, with the lock's end; DryRunOperation.
    """
    snapshot_id = refusals.checked_snapshot_id(request.snapshot_id)
    now_ms = ctx.clock.now_ms()
    try:
        if request.dry_run:
            _rehearse(ctx, caller, snapshot_id, now_ms)
        ctx.metadata.delete_snapshot(caller.account_id, snapshot_id, now_ms=now_ms)
    except SnapshotNotFound as refusal:
        raise refusals.snapshot_not_found(refusal) from refusal
    except SnapshotLocked as refusal:
        raise _locked(ctx, caller, snapshot_id, refusal) from refusal
    return VoidResponse()


def _rehearse(ctx: Context, caller: Caller, snapshot_id: SnapshotId, now_ms: int) -> NoReturn:
    """Do all of it but the deletion."""
    locked = ctx.metadata.lifecycle.lock(caller.account_id, snapshot_id)
    if locked is not None:
        snapshot = observed(locked.snapshot, now_ms)
        lock = lock_in_force(snapshot, locked.lock)
        if lock is not None and lock.forbids_deletion(snapshot, now_ms):
            raise SnapshotLocked(snapshot_id, lock.mode)
    raise refusals.dry_run_operation()


def _locked(ctx: Context, caller: Caller, snapshot_id: SnapshotId, refusal: SnapshotLocked) -> Ec2Error:
    try:
        locked = ctx.metadata.lifecycle.lock(caller.account_id, snapshot_id)
    except SnapshotNotFound:
        locked = None
    # Unlocked or deleted since: it was locked when it was asked for.
    text = (
        f"The snapshot '{snapshot_id}' is locked in {refusal.mode} mode."
        if locked is None
        else sentence(locked.snapshot, locked.lock)
    )
    return Ec2Error("OperationNotPermitted", f"{text} It cannot be deleted before that lock is gone.")
