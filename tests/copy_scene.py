"""Copies in a world without sockets: asked for, taken as far as a test says, and looked at."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from neve.domain.identities import SnapshotId
from neve.domain.snapshots import Snapshot, State
from neve.errors import Ec2Error
from neve.limits import TINY
from neve.messages.ec2 import (
    CopySnapshotRequest,
    CopySnapshotResponse,
    DescribeSnapshotsRequest,
    SnapshotDescription,
)
from neve.operations.context import Caller
from neve.operations.ec2.copy_snapshot import copy_snapshot
from neve.operations.ec2.describe_snapshots import describe_snapshots
from neve.stores.metadata.contract_lifecycle import Copy
from neve.testing.world import ACCOUNT, REGION, World


def block(fill: int) -> bytes:
    """Return a block that no other fill has; that of 0 is zeros."""
    return fill.to_bytes(8, "big") * (TINY.block_bytes // 8)


def source(world: World, blocks: Mapping[int, bytes], *, kms_key_arn: str | None = None) -> str:
    """Return a completed snapshot of these blocks."""
    snapshot_id = world.start(kms_key_arn=kms_key_arn)
    for index, content in blocks.items():
        world.put(snapshot_id, index, content)
    assert world.complete(snapshot_id, count=len(blocks)) is State.COMPLETED
    return snapshot_id


def ask(
    world: World, source_id: str, *, caller: Caller | None = None, **members: Any
) -> CopySnapshotResponse:
    """Ask for a copy; nothing is copied yet."""
    request = CopySnapshotRequest(**{"source_region": REGION, "source_snapshot_id": source_id, **members})
    return copy_snapshot(world.context, caller or world.caller(), request)


def copied(world: World, source_id: str, **members: Any) -> Snapshot:
    """Return what has become of a copy."""
    snapshot_id = ask(world, source_id, **members).snapshot_id
    world.copy_all()
    return record(world, snapshot_id)


def record(world: World, snapshot_id: str) -> Snapshot:
    """Return one of the account's snapshots."""
    return world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id))


def under_way(world: World, snapshot_id: str) -> Copy:
    """Return a copy under way."""
    copy = world.metadata.lifecycle.copy(record(world, snapshot_id).key)
    assert copy is not None
    return copy


def shown(world: World, snapshot_id: str, caller: Caller | None = None) -> SnapshotDescription:
    """Return what DescribeSnapshots says."""
    request = DescribeSnapshotsRequest(snapshot_ids=(snapshot_id,))
    (description,) = describe_snapshots(world.context, caller or world.caller(), request).snapshots
    return description


def refusal(call: Callable[[], object], status: int = 400) -> tuple[str, str]:
    """Return code and message of a refusal by EC2."""
    with pytest.raises(Ec2Error) as caught:
        call()
    assert caught.value.status == status
    return caught.value.code, caught.value.message


def error_of(snapshot: Snapshot) -> str:
    """Return what a copy that failed says of itself."""
    assert snapshot.state is State.ERROR
    return snapshot.state_message


def key_of(world: World, snapshot: Snapshot) -> str:
    """Return what a completed snapshot is encrypted with; empty for nothing."""
    assert snapshot.state is State.COMPLETED, snapshot.state_message
    return world.context.domains.by_key(snapshot.domain_key).kms_key_arn


def share(world: World, snapshot_id: str, *grantees: str) -> None:
    """Share one of the account's snapshots."""
    world.metadata.modify_permissions(ACCOUNT, SnapshotId(snapshot_id), add=grantees)
