"""DeleteTags: take labels off snapshots (contract 9.5)."""

from neve.errors import SnapshotNotFound
from neve.messages.ec2 import DeleteTagsRequest, VoidResponse
from neve.operations.context import Caller, Context
from neve.operations.ec2 import refusals
from neve.operations.visibility import Sight
from neve.stores.metadata.contract import TagRemoval


def delete_tags(ctx: Context, caller: Caller, request: DeleteTagsRequest) -> VoidResponse:
    """Take the selected tags off every resource, or every tag if none is selected.

    A selector with a value takes only a tag that has exactly this value; one that finds nothing is no
    error. Repeating it changes nothing.

    Raises:
        Ec2Error: InvalidSnapshot.NotFound, InvalidID, MissingParameter, InvalidParameterValue,
            DryRunOperation.
    """
    snapshot_ids = refusals.checked_resource_ids(ctx, request.resources)
    sight = Sight(ctx, caller.account_id)
    for snapshot_id in snapshot_ids:
        refusals.visible_snapshot(sight, snapshot_id)
    refusals.end_dry_run(dry_run=request.dry_run)
    removals = [TagRemoval(selector.key, selector.value) for selector in request.tags]
    try:
        ctx.metadata.remove_tags(caller.account_id, snapshot_ids, removals)
    except SnapshotNotFound as refusal:
        raise refusals.snapshot_not_found(refusal) from refusal
    return VoidResponse()
