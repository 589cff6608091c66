"""The part of the table that is about locks, public access, the recycle bin and its rules."""

from collections.abc import Mapping, Sequence
from typing import Final

from neve.auth.authorization import RULE_PREFIX, Demand, rule_arn
from neve.auth.conditions import Value, of_tags
from neve.messages import ec2_lifecycle as ec2
from neve.messages import rbin
from neve.operations.ec2.block_public_access import (
    disable_snapshot_block_public_access,
    enable_snapshot_block_public_access,
    get_snapshot_block_public_access_state,
)
from neve.operations.ec2.describe_locked_snapshots import describe_locked_snapshots
from neve.operations.ec2.list_snapshots_in_recycle_bin import list_snapshots_in_recycle_bin
from neve.operations.ec2.lock_snapshot import lock_snapshot
from neve.operations.ec2.restore_snapshot_from_recycle_bin import restore_snapshot_from_recycle_bin
from neve.operations.ec2.unlock_snapshot import unlock_snapshot
from neve.operations.rbin.rules import (
    create_rule,
    delete_rule,
    get_rule,
    list_rules,
    refuse_rule_lock,
    update_rule,
)
from neve.operations.rbin.tagging import list_tags_for_resource, tag_resource, untag_resource
from neve.server.demands import Demands, Operation, Place, on_everything, on_its_snapshot

_EVERY_RULE: Final = "*"
_RESOURCE_TYPE: Final = {"rbin:attribute/resourcetype": (rbin.EBS_SNAPSHOT,)}


def _on_its_rule(action: str) -> Demands:
    return lambda request, place: [_on_rule(action, place, request.identifier)]


def _on_its_resource(action: str) -> Demands:
    def demands(request: rbin.TagResourceRequest, place: Place) -> Sequence[Demand]:
        prefix = rule_arn(place.region, place.account_id, "")
        rule_id = request.resource_arn.removeprefix(prefix)
        if rule_id == request.resource_arn:  # of another account or region: not there
            return [Demand(action=action, resource=request.resource_arn)]
        return [_on_rule(action, place, rule_id)]

    return demands


def _on_rule(action: str, place: Place, rule_id: str) -> Demand:
    return Demand(
        action=action,
        resource=rule_arn(place.region, place.account_id, rule_id),
        snapshot_id=RULE_PREFIX + rule_id,
    )


def _creating_demands(request: rbin.CreateRuleRequest, place: Place) -> Sequence[Demand]:
    every = rule_arn(place.region, place.account_id, _EVERY_RULE)
    actions = ["rbin:CreateRule", *(["rbin:TagResource"] if request.tags else [])]
    return [Demand(action=action, resource=every) for action in actions]


def _creating_conditions(request: rbin.CreateRuleRequest, _place: Place) -> Mapping[str, Value]:
    return {
        **of_tags([(tag.key, tag.value) for tag in request.tags or ()]),
        "rbin:request/resourcetype": (request.resource_type,),
    }


def _listing_conditions(request: rbin.ListRulesRequest, _place: Place) -> Mapping[str, Value]:
    return {"rbin:request/resourcetype": (request.resource_type,)}


def _rule_conditions(_request: object, _place: Place) -> Mapping[str, Value]:
    return _RESOURCE_TYPE


def _tagging_conditions(request: rbin.TagResourceRequest, _place: Place) -> Mapping[str, Value]:
    return {**_RESOURCE_TYPE, **of_tags([(tag.key, tag.value) for tag in request.tags])}


def _untagging_conditions(request: rbin.UntagResourceRequest, _place: Place) -> Mapping[str, Value]:
    return {**_RESOURCE_TYPE, **of_tags([(key, None) for key in request.tag_keys])}


def _locking_conditions(request: ec2.LockSnapshotRequest, _place: Place) -> Mapping[str, Value]:
    conditions: dict[str, Value] = {}
    if request.lock_duration is not None:
        conditions["ec2:snapshotlockduration"] = (str(request.lock_duration),)
    if request.cool_off_period is not None:
        conditions["ec2:snapshotcooloffperiod"] = (str(request.cool_off_period),)
    return conditions


LIFECYCLE_OPERATIONS: Final[Mapping[type, Operation]] = {
    ec2.LockSnapshotRequest: Operation(
        function=lock_snapshot, demands=on_its_snapshot("ec2:LockSnapshot"), conditions=_locking_conditions
    ),
    ec2.UnlockSnapshotRequest: Operation(
        function=unlock_snapshot, demands=on_its_snapshot("ec2:UnlockSnapshot")
    ),
    ec2.DescribeLockedSnapshotsRequest: Operation(
        function=describe_locked_snapshots, demands=on_everything("ec2:DescribeLockedSnapshots")
    ),
    ec2.EnableSnapshotBlockPublicAccessRequest: Operation(
        function=enable_snapshot_block_public_access,
        demands=on_everything("ec2:EnableSnapshotBlockPublicAccess"),
    ),
    ec2.DisableSnapshotBlockPublicAccessRequest: Operation(
        function=disable_snapshot_block_public_access,
        demands=on_everything("ec2:DisableSnapshotBlockPublicAccess"),
    ),
    ec2.GetSnapshotBlockPublicAccessStateRequest: Operation(
        function=get_snapshot_block_public_access_state,
        demands=on_everything("ec2:GetSnapshotBlockPublicAccessState"),
    ),
    ec2.ListSnapshotsInRecycleBinRequest: Operation(
        function=list_snapshots_in_recycle_bin, demands=on_everything("ec2:ListSnapshotsInRecycleBin")
    ),
    ec2.RestoreSnapshotFromRecycleBinRequest: Operation(
        function=restore_snapshot_from_recycle_bin,
        demands=on_its_snapshot("ec2:RestoreSnapshotFromRecycleBin"),
    ),
    rbin.CreateRuleRequest: Operation(
        function=create_rule, demands=_creating_demands, conditions=_creating_conditions
    ),
    rbin.GetRuleRequest: Operation(
        function=get_rule, demands=_on_its_rule("rbin:GetRule"), conditions=_rule_conditions
    ),
    rbin.ListRulesRequest: Operation(
        function=list_rules, demands=on_everything("rbin:ListRules"), conditions=_listing_conditions
    ),
    rbin.UpdateRuleRequest: Operation(
        function=update_rule, demands=_on_its_rule("rbin:UpdateRule"), conditions=_rule_conditions
    ),
    rbin.DeleteRuleRequest: Operation(
        function=delete_rule, demands=_on_its_rule("rbin:DeleteRule"), conditions=_rule_conditions
    ),
    rbin.LockRuleRequest: Operation(
        function=refuse_rule_lock, demands=_on_its_rule("rbin:LockRule"), conditions=_rule_conditions
    ),
    rbin.UnlockRuleRequest: Operation(
        function=refuse_rule_lock, demands=_on_its_rule("rbin:UnlockRule"), conditions=_rule_conditions
    ),
    rbin.ListTagsForResourceRequest: Operation(
        function=list_tags_for_resource,
        demands=_on_its_resource("rbin:ListTagsForResource"),
        conditions=_rule_conditions,
    ),
    rbin.TagResourceRequest: Operation(
        function=tag_resource, demands=_on_its_resource("rbin:TagResource"), conditions=_tagging_conditions
    ),
    rbin.UntagResourceRequest: Operation(
        function=untag_resource,
        demands=_on_its_resource("rbin:UntagResource"),
        conditions=_untagging_conditions,
    ),
}
"""Every operation by its request."""
