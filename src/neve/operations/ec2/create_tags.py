"""CreateTags: label snapshots, one's own and those that others share (contract 9.5).

Tag sets are each account's own (contract 9.3): a recipient's tags are seen by the recipient alone, and end with the
sharing.
"""

from neve.domain.tags import checked_ec2_tags, tag_limit_exceeded
from neve.errors import SnapshotNotFound, TagLimitReached
from neve.messages.ec2 import CreateTagsRequest, VoidResponse
from neve.operations.context import Caller, Context
from neve.operations.ec2 import refusals
from neve.operations.visibility import Sight


def create_tags(ctx: Context, caller: Caller, request: CreateTagsRequest) -> VoidResponse:
    """Set every tag on every resource, or none on any; a key that is there takes the new value.

    Repeating it changes nothing.

    Raises:
        Ec2Error: InvalidSnapshot.NotFound, InvalidID, TagLimitExceeded, MissingParameter,
            InvalidParameterValue, DryRunOperation.
    """
    tags = checked_ec2_tags([(tag.key, tag.value) for tag in request.tags], ctx.limits)
    snapshot_ids = refusals.checked_resource_ids(ctx, request.resources)
    sight = Sight(ctx, caller.account_id)
    for snapshot_id in snapshot_ids:
        snapshot = refusals.visible_snapshot(sight, snapshot_id).snapshot
        if len(snapshot.tags.keys() | tags.keys()) > ctx.limits.tags_per_snapshot_max:
            raise tag_limit_exceeded()
    refusals.end_dry_run(dry_run=request.dry_run)
    try:
        ctx.metadata.put_tags(
            caller.account_id, snapshot_ids, tags, tags_max=ctx.limits.tags_per_snapshot_max
        )
    except SnapshotNotFound as refusal:
        raise refusals.snapshot_not_found(refusal) from refusal
    except TagLimitReached as refusal:
        raise tag_limit_exceeded() from refusal
    return VoidResponse()
