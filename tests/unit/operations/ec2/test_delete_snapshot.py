"""DeleteSnapshot: contract 9.4, row by row. Ids begin with the row's evidence label."""

from collections.abc import Callable

import pytest

from neve.domain.identities import AccountId, SnapshotId
from neve.errors import Ec2Error, SnapshotNotFound
from neve.limits import TINY
from neve.messages.ebs import CompleteSnapshotRequest
from neve.messages.ec2 import DeleteSnapshotRequest, VoidResponse
from neve.operations.ebs.complete_snapshot import complete_snapshot
from neve.operations.ec2.delete_snapshot import delete_snapshot
from neve.testing.time_and_chance import ManualClock
from neve.testing.world import ACCOUNT, OTHER_ACCOUNT, World

UNKNOWN = "snap-0123456789abcdef0"


def delete(
    world: World, snapshot_id: str, *, account_id: AccountId = ACCOUNT, dry_run: bool = False
) -> VoidResponse:
    request = DeleteSnapshotRequest(snapshot_id=snapshot_id, dry_run=dry_run)
    return delete_snapshot(world.context, world.caller(account_id), request)


def refusal(world: World, snapshot_id: str, *, account_id: AccountId = ACCOUNT, dry_run: bool = False) -> str:
    with pytest.raises(Ec2Error) as caught:
        delete(world, snapshot_id, account_id=account_id, dry_run=dry_run)
    return caught.value.code


def exists(world: World, snapshot_id: str) -> bool:
    try:
        world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id))
    except SnapshotNotFound:
        return False
    return True


def pending(world: World) -> str:
    return world.start()


def sealing(world: World) -> str:
    snapshot_id = world.start()
    request = CompleteSnapshotRequest(snapshot_id=snapshot_id, changed_blocks_count=0)
    complete_snapshot(world.context, world.caller(), request)
    return snapshot_id


def completed(world: World) -> str:
    snapshot_id = world.start()
    world.complete(snapshot_id, count=0)
    return snapshot_id


def failed(world: World) -> str:
    snapshot_id = world.start()
    world.complete(snapshot_id, count=1)
    return snapshot_id


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(pending, id="LIVE-pending"),
        pytest.param(sealing, id="INFERRED-completing"),
        pytest.param(completed, id="LIVE-completed"),
        pytest.param(failed, id="LIVE-error"),
    ],
)
def test_a_snapshot_in_any_state_is_gone_at_once(world: World, make: Callable[[World], str]) -> None:
    snapshot_id = make(world)
    assert delete(world, snapshot_id) == VoidResponse()
    assert not exists(world, snapshot_id)
    assert refusal(world, snapshot_id) == "InvalidSnapshot.NotFound"


def test_LIVE_one_that_timed_out_unnoticed_can_be_deleted(make_world: Callable[..., World]) -> None:
    clock = ManualClock()
    world = make_world(clock=clock)
    snapshot_id = world.start(timeout=10)
    clock.advance(minutes=11)
    delete(world, snapshot_id)
    assert not exists(world, snapshot_id)


def test_a_snapshot_deleted_while_it_is_completed_stays_deleted(world: World) -> None:
    snapshot_id = sealing(world)
    delete(world, snapshot_id)
    world.seal()
    assert not exists(world, snapshot_id)


def test_LIVE_children_keep_what_they_need(world: World) -> None:
    parent = world.start()
    block = b"p" * TINY.block_bytes
    world.put(parent, 3, block)
    world.complete(parent, count=1)
    child = world.start(parent=parent)
    delete(world, parent)
    world.complete(child, count=0)
    assert world.read(child) == {3: block}


@pytest.mark.parametrize(
    ("snapshot_id", "code"),
    [
        pytest.param(UNKNOWN, "InvalidSnapshot.NotFound", id="LIVE-unknown"),
        pytest.param("snap-0", "InvalidSnapshotID.Malformed", id="DOC-length"),
        pytest.param("ami-01234567", "InvalidParameterValue", id="LIVE-prefix"),
    ],
)
def test_what_is_no_snapshot_of_the_caller_is_refused(world: World, snapshot_id: str, code: str) -> None:
    assert refusal(world, snapshot_id) == code
    assert refusal(world, snapshot_id, dry_run=True) == code


def test_LIVE_somebody_elses_snapshot_does_not_exist(world: World) -> None:
    snapshot_id = world.start()
    assert refusal(world, snapshot_id, account_id=OTHER_ACCOUNT) == "InvalidSnapshot.NotFound"
    assert exists(world, snapshot_id)


def test_DOC_a_dry_run_says_yes_and_deletes_nothing(world: World) -> None:
    snapshot_id = world.start()
    assert refusal(world, snapshot_id, dry_run=True) == "DryRunOperation"
    assert exists(world, snapshot_id)
