"""Every operation served here: its function, what it demands, and what policies may ask about what it brings.

The table is the whole list: a request type without a row is answered as an invariant's failure, never served.
Operations that touch KMS keys ask about those themselves, since key policies and grants have a say there.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from neve.auth.authorization import NO_PARENT, Demand, snapshot_arn
from neve.auth.conditions import Value, of_tags
from neve.domain.principals import federated_arn
from neve.messages import ebs, ec2, sts
from neve.operations.ebs.complete_snapshot import complete_snapshot
from neve.operations.ebs.get_snapshot_block import get_snapshot_block
from neve.operations.ebs.list_changed_blocks import list_changed_blocks
from neve.operations.ebs.list_snapshot_blocks import list_snapshot_blocks
from neve.operations.ebs.put_snapshot_block import put_snapshot_block
from neve.operations.ebs.start_snapshot import start_snapshot
from neve.operations.ec2.copy_snapshot import copy_snapshot
from neve.operations.ec2.create_tags import create_tags
from neve.operations.ec2.default_kms_key import (
    get_ebs_default_kms_key_id,
    modify_ebs_default_kms_key_id,
    reset_ebs_default_kms_key_id,
)
from neve.operations.ec2.delete_snapshot import delete_snapshot
from neve.operations.ec2.delete_tags import delete_tags
from neve.operations.ec2.describe_snapshot_attribute import describe_snapshot_attribute
from neve.operations.ec2.describe_snapshots import describe_snapshots
from neve.operations.ec2.describe_tags import describe_tags
from neve.operations.ec2.encryption_by_default import (
    disable_ebs_encryption_by_default,
    enable_ebs_encryption_by_default,
    get_ebs_encryption_by_default,
)
from neve.operations.ec2.modify_snapshot_attribute import modify_snapshot_attribute
from neve.operations.ec2.reset_snapshot_attribute import reset_snapshot_attribute
from neve.operations.sts.assume_role import assume_role
from neve.operations.sts.get_caller_identity import get_caller_identity
from neve.operations.sts.get_federation_token import get_federation_token
from neve.operations.sts.get_session_token import get_session_token
from neve.server.demands import (
    Operation,
    Place,
    Request,
    nothing,
    on_each_resource,
    on_everything,
    on_its_snapshot,
    on_snapshot,
)
from neve.server.kms_operations import KMS_FUNCTIONS, kms_conditions, kms_demands
from neve.server.lifecycle_operations import LIFECYCLE_OPERATIONS

_ANY_SNAPSHOT: Final = "*"
_SNAPSHOT_ID_CHARS_MAX: Final = 64
"""Contract 2.1. EC2 takes any text as an id, to refuse it later."""


# --- what is demanded


def _start_demands(request: ebs.StartSnapshotRequest, place: Place) -> list[Demand]:
    parent = request.parent_snapshot_id
    if parent is None:
        null = snapshot_arn(place.region, NO_PARENT)
        demands = [Demand(action="ebs:StartSnapshot", resource=null)]
    else:
        demands = [on_snapshot("ebs:StartSnapshot", place, parent)]
    if request.tags:
        demands.append(_tagging_what_is_made(place))
    return demands


def _copy_demands(request: ec2.CopySnapshotRequest, place: Place) -> list[Demand]:
    demands = [on_snapshot("ec2:CopySnapshot", place, request.source_snapshot_id)]
    if any(specification.tags for specification in request.tag_specifications):
        demands.append(_tagging_what_is_made(place))
    return demands


def _tagging_what_is_made(place: Place) -> Demand:
    """Demand what tags in a request that makes a snapshot need (contract 3.5)."""
    return Demand(action="ec2:CreateTags", resource=snapshot_arn(place.region, _ANY_SNAPSHOT))


def _changed_blocks_demands(request: ebs.ListChangedBlocksRequest, place: Place) -> list[Demand]:
    both = (request.first_snapshot_id, request.second_snapshot_id)
    return [
        on_snapshot("ebs:ListChangedBlocks", place, snapshot_id)
        for snapshot_id in both
        if snapshot_id is not None
    ]


def _untagging_demands(request: ec2.DeleteTagsRequest, place: Place) -> list[Demand]:
    """Demand what taking tags off needs; who names no tag takes off all that there are."""
    demands = on_each_resource("ec2:DeleteTags")(request, place)
    return [replace(demand, every_tag=not request.tags) for demand in demands]


def _federation_demands(request: sts.GetFederationTokenRequest, place: Place) -> list[Demand]:
    return [Demand(action="sts:GetFederationToken", resource=federated_arn(place.account_id, request.name))]


# --- what the request brings


def _start_conditions(request: ebs.StartSnapshotRequest, place: Place) -> Mapping[str, Value]:
    conditions = of_tags([(tag.key, tag.value) for tag in request.tags or ()])
    conditions["ebs:volumesize"] = (str(request.volume_size),)
    if request.description is not None:
        conditions["ebs:description"] = (request.description,)
    if request.parent_snapshot_id is not None:
        conditions["ebs:parentsnapshot"] = (snapshot_arn(place.region, request.parent_snapshot_id),)
    return conditions


def _copy_conditions(request: ec2.CopySnapshotRequest, _place: Place) -> Mapping[str, Value]:
    return of_tags([(tag.key, tag.value) for each in request.tag_specifications for tag in each.tags])


def _tags_conditions(
    request: ec2.CreateTagsRequest | ec2.DeleteTagsRequest, _place: Place
) -> Mapping[str, Value]:
    return of_tags([(tag.key, tag.value) for tag in request.tags])


def _sharing_conditions(request: ec2.ModifySnapshotAttributeRequest, _place: Place) -> Mapping[str, Value]:
    """Return whom a snapshot is to be shared with or no longer, in whichever form the request says it."""
    changes = request.create_volume_permission
    found: dict[str, Value] = {}
    for verb, named in (("add", changes.add), ("remove", changes.remove)):
        is_listed = request.operation_type == verb
        users = [each.user_id for each in named if each.user_id is not None]
        groups = [each.group for each in named if each.group is not None]
        users += request.user_ids if is_listed else ()
        groups += request.group_names if is_listed else ()
        found |= {f"ec2:{verb}/userid": tuple(users)} if users else {}
        found |= {f"ec2:{verb}/group": tuple(groups)} if groups else {}
    return found


OPERATIONS: Final[Mapping[type, Operation]] = {
    ebs.StartSnapshotRequest: Operation(
        function=start_snapshot, demands=_start_demands, conditions=_start_conditions
    ),
    ebs.PutSnapshotBlockRequest: Operation(
        function=put_snapshot_block, demands=on_its_snapshot("ebs:PutSnapshotBlock")
    ),
    ebs.CompleteSnapshotRequest: Operation(
        function=complete_snapshot, demands=on_its_snapshot("ebs:CompleteSnapshot")
    ),
    ebs.ListSnapshotBlocksRequest: Operation(
        function=list_snapshot_blocks, demands=on_its_snapshot("ebs:ListSnapshotBlocks")
    ),
    ebs.ListChangedBlocksRequest: Operation(function=list_changed_blocks, demands=_changed_blocks_demands),
    ebs.GetSnapshotBlockRequest: Operation(
        function=get_snapshot_block, demands=on_its_snapshot("ebs:GetSnapshotBlock")
    ),
    ec2.DescribeSnapshotsRequest: Operation(
        function=describe_snapshots, demands=on_everything("ec2:DescribeSnapshots")
    ),
    ec2.DeleteSnapshotRequest: Operation(
        function=delete_snapshot, demands=on_its_snapshot("ec2:DeleteSnapshot")
    ),
    ec2.CopySnapshotRequest: Operation(
        function=copy_snapshot, demands=_copy_demands, conditions=_copy_conditions
    ),
    ec2.CreateTagsRequest: Operation(
        function=create_tags, demands=on_each_resource("ec2:CreateTags"), conditions=_tags_conditions
    ),
    ec2.DeleteTagsRequest: Operation(
        function=delete_tags, demands=_untagging_demands, conditions=_tags_conditions
    ),
    ec2.DescribeTagsRequest: Operation(function=describe_tags, demands=on_everything("ec2:DescribeTags")),
    ec2.ModifySnapshotAttributeRequest: Operation(
        function=modify_snapshot_attribute,
        demands=on_its_snapshot("ec2:ModifySnapshotAttribute"),
        conditions=_sharing_conditions,
    ),
    ec2.DescribeSnapshotAttributeRequest: Operation(
        function=describe_snapshot_attribute, demands=on_its_snapshot("ec2:DescribeSnapshotAttribute")
    ),
    ec2.ResetSnapshotAttributeRequest: Operation(
        function=reset_snapshot_attribute, demands=on_its_snapshot("ec2:ResetSnapshotAttribute")
    ),
    ec2.EnableEbsEncryptionByDefaultRequest: Operation(
        function=enable_ebs_encryption_by_default, demands=on_everything("ec2:EnableEbsEncryptionByDefault")
    ),
    ec2.DisableEbsEncryptionByDefaultRequest: Operation(
        function=disable_ebs_encryption_by_default,
        demands=on_everything("ec2:DisableEbsEncryptionByDefault"),
    ),
    ec2.GetEbsEncryptionByDefaultRequest: Operation(
        function=get_ebs_encryption_by_default, demands=on_everything("ec2:GetEbsEncryptionByDefault")
    ),
    ec2.GetEbsDefaultKmsKeyIdRequest: Operation(
        function=get_ebs_default_kms_key_id, demands=on_everything("ec2:GetEbsDefaultKmsKeyId")
    ),
    ec2.ModifyEbsDefaultKmsKeyIdRequest: Operation(
        function=modify_ebs_default_kms_key_id, demands=on_everything("ec2:ModifyEbsDefaultKmsKeyId")
    ),
    ec2.ResetEbsDefaultKmsKeyIdRequest: Operation(
        function=reset_ebs_default_kms_key_id, demands=on_everything("ec2:ResetEbsDefaultKmsKeyId")
    ),
    sts.GetCallerIdentityRequest: Operation(function=get_caller_identity, demands=nothing),
    sts.GetSessionTokenRequest: Operation(function=get_session_token, demands=nothing),
    sts.GetFederationTokenRequest: Operation(function=get_federation_token, demands=_federation_demands),
    sts.AssumeRoleRequest: Operation(function=assume_role, demands=nothing),
    **LIFECYCLE_OPERATIONS,
    **{
        request: Operation(function=function, demands=kms_demands, conditions=kms_conditions)
        for request, function in KMS_FUNCTIONS.items()
    },
}


def snapshot_id_of(request: Request) -> str:
    """Return the one snapshot a request is about, empty if there is none: for rates and for the log."""
    if isinstance(request, ebs.ListChangedBlocksRequest):
        return request.second_snapshot_id
    return str(getattr(request, "snapshot_id", ""))[:_SNAPSHOT_ID_CHARS_MAX]
