"""Requests of EC2's locks, recycle bin and block public access: parameters to messages."""

from collections.abc import Callable, Mapping
from typing import Final

from neve.messages import ec2_lifecycle as ec2
from neve.wire.query_parameters import Parameters, filters


def _lock_snapshot(parameters: Parameters) -> ec2.LifecycleRequest:
    return ec2.LockSnapshotRequest(
        snapshot_id=parameters.required_text("SnapshotId"),
        lock_mode=parameters.required_text("LockMode"),
        cool_off_period=parameters.integer("CoolOffPeriod"),
        lock_duration=parameters.integer("LockDuration"),
        expiration_date_ms=parameters.time_ms("ExpirationDate"),
        dry_run=parameters.boolean("DryRun"),
    )


def _unlock_snapshot(parameters: Parameters) -> ec2.LifecycleRequest:
    return ec2.UnlockSnapshotRequest(
        snapshot_id=parameters.required_text("SnapshotId"), dry_run=parameters.boolean("DryRun")
    )


def _describe_locked_snapshots(parameters: Parameters) -> ec2.LifecycleRequest:
    return ec2.DescribeLockedSnapshotsRequest(
        filters=filters(parameters),
        max_results=parameters.integer("MaxResults"),
        next_token=parameters.text("NextToken"),
        snapshot_ids=parameters.texts("SnapshotId"),
        dry_run=parameters.boolean("DryRun"),
    )


def _enable_snapshot_block_public_access(parameters: Parameters) -> ec2.LifecycleRequest:
    return ec2.EnableSnapshotBlockPublicAccessRequest(
        state=parameters.required_text("State"), dry_run=parameters.boolean("DryRun")
    )


def _disable_snapshot_block_public_access(parameters: Parameters) -> ec2.LifecycleRequest:
    return ec2.DisableSnapshotBlockPublicAccessRequest(dry_run=parameters.boolean("DryRun"))


def _get_snapshot_block_public_access_state(parameters: Parameters) -> ec2.LifecycleRequest:
    return ec2.GetSnapshotBlockPublicAccessStateRequest(dry_run=parameters.boolean("DryRun"))


def _list_snapshots_in_recycle_bin(parameters: Parameters) -> ec2.LifecycleRequest:
    return ec2.ListSnapshotsInRecycleBinRequest(
        max_results=parameters.integer("MaxResults"),
        next_token=parameters.text("NextToken"),
        snapshot_ids=parameters.texts("SnapshotId"),
        dry_run=parameters.boolean("DryRun"),
    )


def _restore_snapshot_from_recycle_bin(parameters: Parameters) -> ec2.LifecycleRequest:
    return ec2.RestoreSnapshotFromRecycleBinRequest(
        snapshot_id=parameters.required_text("SnapshotId"), dry_run=parameters.boolean("DryRun")
    )


LIFECYCLE_ACTIONS: Final[Mapping[str, Callable[[Parameters], ec2.LifecycleRequest]]] = {
    "LockSnapshot": _lock_snapshot,
    "UnlockSnapshot": _unlock_snapshot,
    "DescribeLockedSnapshots": _describe_locked_snapshots,
    "EnableSnapshotBlockPublicAccess": _enable_snapshot_block_public_access,
    "DisableSnapshotBlockPublicAccess": _disable_snapshot_block_public_access,
    "GetSnapshotBlockPublicAccessState": _get_snapshot_block_public_access_state,
    "ListSnapshotsInRecycleBin": _list_snapshots_in_recycle_bin,
    "RestoreSnapshotFromRecycleBin": _restore_snapshot_from_recycle_bin,
}
