"""RestoreSnapshotFromRecycleBin: have a deleted snapshot back (contract 9.11).

It is as it was: its blocks, tags, lineage and whom it was shared with. Relatives never noticed that it was away.
"""

from neve.domain.snapshots import API_STATUS, NO_VOLUME
from neve.errors import SnapshotNotFound
from neve.messages.ec2_lifecycle import (
    RestoreSnapshotFromRecycleBinRequest,
    RestoreSnapshotFromRecycleBinResponse,
)
from neve.operations.context import Caller, Context
from neve.operations.ec2 import refusals


def restore_snapshot_from_recycle_bin(
    ctx: Context, caller: Caller, request: RestoreSnapshotFromRecycleBinRequest
) -> RestoreSnapshotFromRecycleBinResponse:
    """Take a snapshot out of the caller's recycle bin. Repeating it finds nothing there and changes nothing.

    Raises:
        Ec2Error: InvalidSnapshot.NotFound for what is not in the bin or whose time there is over;
            InvalidSnapshotID.Malformed, InvalidParameterValue for the request itself; DryRunOperation.
    """
    snapshot_id = refusals.checked_snapshot_id(request.snapshot_id)
    if request.dry_run:
        refusals.recycled_snapshot(ctx, caller, snapshot_id)
    refusals.end_dry_run(dry_run=request.dry_run)
    try:
        snapshot = ctx.metadata.lifecycle.restore(caller.account_id, snapshot_id, now_ms=ctx.clock.now_ms())
    except SnapshotNotFound as refusal:
        raise refusals.snapshot_not_found(refusal) from refusal
    return RestoreSnapshotFromRecycleBinResponse(
        snapshot_id=snapshot.snapshot_id,
        description=snapshot.description or "",
        encrypted=bool(ctx.domains.by_key(snapshot.domain_key).kms_key_arn),
        owner_id=snapshot.account_id,
        progress="100%",
        start_time_ms=snapshot.started_ms,
        state=API_STATUS[snapshot.state],
        volume_id=NO_VOLUME,
        volume_size=snapshot.volume_gib,
    )
