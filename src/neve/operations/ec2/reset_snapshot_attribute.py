"""ResetSnapshotAttribute: share a snapshot with nobody any more (contract 9.6)."""

from neve.errors import SnapshotNotFound
from neve.messages.ec2 import ResetSnapshotAttributeRequest, VoidResponse
from neve.operations.context import Caller, Context
from neve.operations.ec2 import refusals


def reset_snapshot_attribute(
    ctx: Context, caller: Caller, request: ResetSnapshotAttributeRequest
) -> VoidResponse:
    """Take back every permission there is as this begins. Takes effect at once; repeating it changes nothing.

    Raises:
        Ec2Error: InvalidSnapshot.NotFound, InvalidSnapshotID.Malformed, InvalidParameterValue,
            MissingParameter for an empty attribute, DryRunOperation.
    """
    snapshot_id = refusals.checked_snapshot_id(request.snapshot_id)
    refusals.check_permission_attribute(request.attribute)
    try:
        grantees = ctx.metadata.permissions(caller.account_id, snapshot_id)
        refusals.end_dry_run(dry_run=request.dry_run)
        ctx.metadata.modify_permissions(caller.account_id, snapshot_id, remove=grantees)
    except SnapshotNotFound as refusal:
        raise refusals.snapshot_not_found(refusal) from refusal
    return VoidResponse()
