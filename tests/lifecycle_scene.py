"""Locks, the recycle bin and public access over a world without sockets, in few words."""

from collections.abc import Callable
from typing import Any

import pytest

from neve.domain.identities import AccountId, SnapshotId
from neve.domain.locks import DAY_MS, HOUR_MS
from neve.errors import Ec2Error, RbinError, RequestError, SnapshotNotFound
from neve.messages import ec2, rbin
from neve.messages import ec2_lifecycle as lifecycle
from neve.operations.ec2.block_public_access import (
    disable_snapshot_block_public_access,
    enable_snapshot_block_public_access,
)
from neve.operations.ec2.delete_snapshot import delete_snapshot
from neve.operations.ec2.describe_locked_snapshots import describe_locked_snapshots
from neve.operations.ec2.list_snapshots_in_recycle_bin import list_snapshots_in_recycle_bin
from neve.operations.ec2.lock_snapshot import lock_snapshot
from neve.operations.ec2.modify_snapshot_attribute import modify_snapshot_attribute
from neve.operations.ec2.restore_snapshot_from_recycle_bin import restore_snapshot_from_recycle_bin
from neve.operations.ec2.unlock_snapshot import unlock_snapshot
from neve.operations.rbin.rules import create_rule
from neve.testing.time_and_chance import ManualClock
from neve.testing.world import ACCOUNT, World

BLOCK = b"\x07" * 64
UNKNOWN = "snap-0123456789abcdef0"
DAY_MINUTES = DAY_MS // 60_000
HOUR_MINUTES = HOUR_MS // 60_000


def let_pass(world: World, *, days: int = 0, hours: int = 0, minutes: int = 0) -> None:
    """Let time go on."""
    assert isinstance(world.clock, ManualClock)
    world.clock.advance(minutes=days * DAY_MINUTES + hours * HOUR_MINUTES + minutes)


def completed(world: World, content: bytes = BLOCK) -> str:
    """Return a snapshot with one block."""
    snapshot_id = world.start()
    world.put(snapshot_id, 0, content)
    world.complete(snapshot_id, count=1)
    return snapshot_id


def failed(world: World) -> str:
    """Return a snapshot in error."""
    snapshot_id = world.start()
    world.complete(snapshot_id, count=1)
    return snapshot_id


def lock(
    world: World,
    snapshot_id: str,
    mode: str = "governance",
    *,
    days: int | None = None,
    until_ms: int | None = None,
    cool_off: int | None = None,
    account_id: AccountId = ACCOUNT,
    dry_run: bool = False,
) -> lifecycle.LockSnapshotResponse:
    request = lifecycle.LockSnapshotRequest(
        snapshot_id=snapshot_id,
        lock_mode=mode,
        lock_duration=days,
        expiration_date_ms=until_ms,
        cool_off_period=cool_off,
        dry_run=dry_run,
    )
    return lock_snapshot(world.context, world.caller(account_id), request)


def unlock(
    world: World, snapshot_id: str, *, account_id: AccountId = ACCOUNT, dry_run: bool = False
) -> lifecycle.UnlockSnapshotResponse:
    request = lifecycle.UnlockSnapshotRequest(snapshot_id=snapshot_id, dry_run=dry_run)
    return unlock_snapshot(world.context, world.caller(account_id), request)


def locks(
    world: World, *snapshot_ids: str, account_id: AccountId = ACCOUNT, **asked: Any
) -> lifecycle.DescribeLockedSnapshotsResponse:
    request = lifecycle.DescribeLockedSnapshotsRequest(snapshot_ids=snapshot_ids, **asked)
    return describe_locked_snapshots(world.context, world.caller(account_id), request)


def lock_states(world: World) -> dict[str, str]:
    """Return the state of every lock there is to see."""
    return {each.snapshot_id: each.lock_state for each in locks(world).snapshots}


def delete(
    world: World, snapshot_id: str, *, account_id: AccountId = ACCOUNT, dry_run: bool = False
) -> ec2.VoidResponse:
    request = ec2.DeleteSnapshotRequest(snapshot_id=snapshot_id, dry_run=dry_run)
    return delete_snapshot(world.context, world.caller(account_id), request)


def rule(world: World, *, days: int = 7, account_id: AccountId = ACCOUNT, **more: Any) -> str:
    """Make a retention rule and return its id."""
    request = rbin.CreateRuleRequest(
        retention_period=rbin.RetentionPeriod(retention_period_value=days, retention_period_unit="DAYS"),
        resource_type="EBS_SNAPSHOT",
        **more,
    )
    return create_rule(world.context, world.caller(account_id), request).identifier


def in_bin(
    world: World, *snapshot_ids: str, account_id: AccountId = ACCOUNT, **asked: Any
) -> lifecycle.ListSnapshotsInRecycleBinResponse:
    request = lifecycle.ListSnapshotsInRecycleBinRequest(snapshot_ids=snapshot_ids, **asked)
    return list_snapshots_in_recycle_bin(world.context, world.caller(account_id), request)


def restore(
    world: World, snapshot_id: str, *, account_id: AccountId = ACCOUNT, dry_run: bool = False
) -> lifecycle.RestoreSnapshotFromRecycleBinResponse:
    request = lifecycle.RestoreSnapshotFromRecycleBinRequest(snapshot_id=snapshot_id, dry_run=dry_run)
    return restore_snapshot_from_recycle_bin(world.context, world.caller(account_id), request)


def share(world: World, snapshot_id: str, *users: str, public: bool = False) -> None:
    modify_snapshot_attribute(
        world.context,
        world.caller(),
        ec2.ModifySnapshotAttributeRequest(
            snapshot_id=snapshot_id,
            attribute="createVolumePermission",
            operation_type="add",
            user_ids=users,
            group_names=("all",) if public else (),
        ),
    )


def block(world: World, state: str, *, account_id: AccountId = ACCOUNT, dry_run: bool = False) -> str:
    """Set block public access and return the state it has then."""
    request = lifecycle.EnableSnapshotBlockPublicAccessRequest(state=state, dry_run=dry_run)
    return enable_snapshot_block_public_access(world.context, world.caller(account_id), request).state


def unblock(world: World, *, account_id: AccountId = ACCOUNT) -> str:
    request = lifecycle.DisableSnapshotBlockPublicAccessRequest()
    return disable_snapshot_block_public_access(world.context, world.caller(account_id), request).state


def exists(world: World, snapshot_id: str) -> bool:
    """Say whether the account has the snapshot: neither deleted nor in the bin."""
    try:
        world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id))
    except SnapshotNotFound:
        return False
    return True


def refusal(call: Callable[[], object]) -> Ec2Error | RbinError:
    """Return how a call is refused."""
    with pytest.raises(RequestError) as caught:
        call()
    assert isinstance(caught.value, Ec2Error | RbinError)
    return caught.value


def code(call: Callable[[], object]) -> str:
    """Return the code a call is refused with."""
    return refusal(call).code
