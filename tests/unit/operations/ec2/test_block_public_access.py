"""EnableSnapshotBlockPublicAccess, Disable…, Get…State: contract 9.10, row by row, and what blocking hides.

Ids begin with the row's evidence label.
"""

from collections.abc import Callable

import pytest

from lifecycle_scene import block, code, completed, refusal, share, unblock
from neve.domain.identities import AccountId
from neve.errors import EbsError
from neve.messages import ebs
from neve.messages.ec2 import (
    DescribeSnapshotAttributeRequest,
    DescribeSnapshotAttributeResponse,
    DescribeSnapshotsRequest,
    Filter,
)
from neve.messages.ec2_lifecycle import (
    DisableSnapshotBlockPublicAccessRequest,
    GetSnapshotBlockPublicAccessStateRequest,
    GetSnapshotBlockPublicAccessStateResponse,
)
from neve.operations.ebs.list_snapshot_blocks import list_snapshot_blocks
from neve.operations.ec2.block_public_access import (
    disable_snapshot_block_public_access,
    get_snapshot_block_public_access_state,
)
from neve.operations.ec2.describe_snapshot_attribute import describe_snapshot_attribute
from neve.operations.ec2.describe_snapshots import describe_snapshots
from neve.testing.world import ACCOUNT, OTHER_ACCOUNT, World

NEW, ALL, UNBLOCKED = "block-new-sharing", "block-all-sharing", "unblocked"


def state(world: World, account_id: AccountId = ACCOUNT) -> GetSnapshotBlockPublicAccessStateResponse:
    request = GetSnapshotBlockPublicAccessStateRequest()
    return get_snapshot_block_public_access_state(world.context, world.caller(account_id), request)


def seen(world: World, account_id: AccountId = OTHER_ACCOUNT, **asked: object) -> list[str]:
    request = DescribeSnapshotsRequest(**asked)  # type: ignore[arg-type]
    answer = describe_snapshots(world.context, world.caller(account_id), request)
    return [snapshot.snapshot_id for snapshot in answer.snapshots]


def reading(world: World, snapshot_id: str, account_id: AccountId = OTHER_ACCOUNT) -> str:
    """Return the Reason with which reading is refused, `read` if it is not."""
    request = ebs.ListSnapshotBlocksRequest(snapshot_id=snapshot_id)
    try:
        list_snapshot_blocks(world.context, world.caller(account_id), request)
    except EbsError as error:
        return str(error.reason)
    return "read"


def attribute(world: World, snapshot_id: str) -> DescribeSnapshotAttributeResponse:
    request = DescribeSnapshotAttributeRequest(snapshot_id=snapshot_id, attribute="createVolumePermission")
    return describe_snapshot_attribute(world.context, world.caller(), request)


def test_DOC_the_setting_is_the_accounts_own_and_answered_by_all_three(world: World) -> None:
    assert state(world) == GetSnapshotBlockPublicAccessStateResponse(state=UNBLOCKED, managed_by="account")
    for each in (NEW, ALL, ALL, NEW):
        assert block(world, each) == each
        assert state(world).state == each
        assert state(world, OTHER_ACCOUNT).state == UNBLOCKED
    assert (unblock(world), unblock(world), state(world).state) == (UNBLOCKED, UNBLOCKED, UNBLOCKED)


@pytest.mark.parametrize("asked", ["unblocked", "", "block", "Block-New-Sharing"])
def test_DOC_enabling_means_one_of_two_ways_to_block(world: World, asked: str) -> None:
    assert code(lambda: block(world, asked)) == "InvalidParameterValue"
    assert state(world).state == UNBLOCKED


def test_DOC_a_rehearsal_changes_nothing(world: World) -> None:
    block(world, NEW)
    caller = world.caller()
    for call in (
        lambda: block(world, ALL, dry_run=True),
        lambda: disable_snapshot_block_public_access(
            world.context, caller, DisableSnapshotBlockPublicAccessRequest(dry_run=True)
        ),
        lambda: get_snapshot_block_public_access_state(
            world.context, caller, GetSnapshotBlockPublicAccessStateRequest(dry_run=True)
        ),
    ):
        assert code(call) == "DryRunOperation"
    assert state(world).state == NEW


@pytest.mark.parametrize("blocking", [pytest.param(NEW, id="DOC-new"), pytest.param(ALL, id="DOC-all")])
def test_nothing_is_made_public_while_that_is_blocked(world: World, blocking: str) -> None:
    snapshot_id = completed(world)
    block(world, blocking)
    found = refusal(lambda: share(world, snapshot_id, public=True))
    assert (found.code, found.status) == ("OperationNotPermitted", 400)
    assert blocking in found.message
    assert code(lambda: share(world, snapshot_id, OTHER_ACCOUNT, public=True)) == "OperationNotPermitted"
    assert attribute(world, snapshot_id).create_volume_permissions == ()
    share(world, snapshot_id, OTHER_ACCOUNT)
    assert reading(world, snapshot_id) == "read"
    unblock(world)
    share(world, snapshot_id, public=True)
    assert reading(world, snapshot_id) == "INVALID_SNAPSHOT_ID"


def test_DOC_blocking_new_sharing_leaves_public_what_is_public(world: World) -> None:
    snapshot_id = completed(world)
    share(world, snapshot_id, public=True)
    block(world, NEW)
    assert seen(world) == seen(world, snapshot_ids=(snapshot_id,)) == [snapshot_id]
    assert reading(world, snapshot_id) == "INVALID_SNAPSHOT_ID"


def test_DOC_blocking_all_sharing_hides_what_is_public_and_alters_no_permission(world: World) -> None:
    snapshot_id = completed(world)
    share(world, snapshot_id, public=True)
    before = attribute(world, snapshot_id)
    block(world, ALL)
    assert seen(world) == []
    assert seen(world, filters=(Filter("snapshot-id", (snapshot_id,)),)) == []
    assert seen(world, owner_ids=(ACCOUNT,)) == seen(world, restorable_by_user_ids=("all",)) == []
    assert code(lambda: seen(world, snapshot_ids=(snapshot_id,))) == "InvalidSnapshot.NotFound"
    assert reading(world, snapshot_id) == "SNAPSHOT_NOT_FOUND"
    assert attribute(world, snapshot_id) == before
    # For its owner it is as it was.
    assert seen(world, ACCOUNT) == seen(world, ACCOUNT, restorable_by_user_ids=("all",)) == [snapshot_id]
    assert reading(world, snapshot_id, ACCOUNT) == "read"
    unblock(world)
    assert seen(world) == [snapshot_id]
    assert reading(world, snapshot_id) == "INVALID_SNAPSHOT_ID"


def test_INFERRED_what_is_public_and_shared_by_name_stays_shared_by_name(world: World) -> None:
    snapshot_id = completed(world)
    share(world, snapshot_id, OTHER_ACCOUNT, public=True)
    assert reading(world, snapshot_id) == "INVALID_SNAPSHOT_ID"
    block(world, ALL)
    assert seen(world) == seen(world, snapshot_ids=(snapshot_id,)) == [snapshot_id]
    assert seen(world, restorable_by_user_ids=("all",)) == []
    assert seen(world, restorable_by_user_ids=("self",)) == [snapshot_id]
    assert reading(world, snapshot_id) == "read"


def test_owners_are_asked_once_in_a_request_and_only_for_public_snapshots_of_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = [completed(world) for _ in range(3)]
    for snapshot_id in public:
        share(world, snapshot_id, public=True)
    share(world, completed(world), OTHER_ACCOUNT)
    asked = counted(world, monkeypatch)
    assert len(seen(world)) == 4
    assert asked == [ACCOUNT]
    asked.clear()
    assert len(seen(world, ACCOUNT)) == 4
    assert asked == []


def counted(world: World, monkeypatch: pytest.MonkeyPatch) -> list[AccountId]:
    """Return a list that grows with every account whose settings are asked for."""
    asked: list[AccountId] = []
    real: Callable[[AccountId], object] = world.metadata.identities.account_settings

    def settings(account_id: AccountId) -> object:
        asked.append(account_id)
        return real(account_id)

    monkeypatch.setattr(world.metadata.identities, "account_settings", settings)
    return asked
