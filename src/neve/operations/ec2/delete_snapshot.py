"""DeleteSnapshot: forget a snapshot, whatever its state (contract 9.4).

It is gone from every answer at once. Its relatives do not notice: they share content, not records, and what
any of them still needs is kept.
"""

from neve.errors import SnapshotNotFound
from neve.messages.ec2 import DeleteSnapshotRequest, VoidResponse
from neve.operations.context import Caller, Context
from neve.operations.ec2 import refusals


def delete_snapshot(ctx: Context, caller: Caller, request: DeleteSnapshotRequest) -> VoidResponse:
    """Delete a snapshot of the caller. Repeating it finds nothing and changes nothing.

    Raises:
        Ec2Error: InvalidSnapshot.NotFound, InvalidSnapshotID.Malformed, InvalidParameterValue,
            DryRunOperation.
    """
    snapshot_id = refusals.checked_snapshot_id(request.snapshot_id)
    if request.dry_run:
        refusals.own_snapshot(ctx, caller, snapshot_id)
    refusals.end_dry_run(dry_run=request.dry_run)
    try:
        ctx.metadata.delete_snapshot(caller.account_id, snapshot_id, now_ms=ctx.clock.now_ms())
    except SnapshotNotFound as refusal:
        raise refusals.snapshot_not_found(refusal) from refusal
    return VoidResponse()
