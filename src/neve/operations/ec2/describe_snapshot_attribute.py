"""DescribeSnapshotAttribute: whom a snapshot is shared with (contract 9.6).

The owner's to know: a recipient sees the snapshot, but not who else does.
"""

from neve.errors import Ec2Error, SnapshotNotFound
from neve.messages.ec2 import (
    CreateVolumePermission,
    DescribeSnapshotAttributeRequest,
    DescribeSnapshotAttributeResponse,
)
from neve.operations.context import Caller, Context
from neve.operations.ec2 import refusals
from neve.stores.metadata.contract import EVERYBODY


def describe_snapshot_attribute(
    ctx: Context, caller: Caller, request: DescribeSnapshotAttributeRequest
) -> DescribeSnapshotAttributeResponse:
    """Return one attribute of a snapshot of the caller. Changes nothing. There are no product codes here.

    Raises:
        Ec2Error: InvalidSnapshot.NotFound, InvalidSnapshotID.Malformed, InvalidParameterValue,
            MissingParameter for an empty attribute, InvalidRequest for an unknown one, DryRunOperation.
    """
    snapshot_id = refusals.checked_snapshot_id(request.snapshot_id)
    refusals.check_attribute_is_named(request.attribute)
    if request.attribute not in {refusals.PERMISSIONS, refusals.PRODUCT_CODES}:
        raise Ec2Error("InvalidRequest", f"The attribute '{request.attribute}' is not one of a snapshot's.")
    try:
        grantees = ctx.metadata.permissions(caller.account_id, snapshot_id)
    except SnapshotNotFound as refusal:
        raise refusals.snapshot_not_found(refusal) from refusal
    refusals.end_dry_run(dry_run=request.dry_run)
    if request.attribute == refusals.PRODUCT_CODES:
        return DescribeSnapshotAttributeResponse(snapshot_id=snapshot_id, product_codes=())
    return DescribeSnapshotAttributeResponse(
        snapshot_id=snapshot_id, create_volume_permissions=tuple(_permission(each) for each in grantees)
    )


def _permission(grantee: str) -> CreateVolumePermission:
    if grantee == EVERYBODY:
        return CreateVolumePermission(group=grantee)
    return CreateVolumePermission(user_id=grantee)
