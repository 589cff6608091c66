"""Completion in the background: it can be cut off anywhere and started again, and holds little in memory."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from neve.domain.blocks import BlockIndex
from neve.domain.identities import SnapshotId
from neve.domain.snapshots import CompletionClaim, SnapshotKey, State
from neve.errors import ChunkDamaged, StoreUnavailable
from neve.limits import TINY
from neve.stores.metadata.contract import BlockRow
from neve.testing.world import ACCOUNT, World


def block(fill: int) -> bytes:
    return bytes([fill % 251 + 1]) * TINY.block_bytes


def accepted(world: World, indexes: Sequence[int], parent: str | None = None) -> str:
    snapshot_id = world.start(parent=parent)
    for index in indexes:
        world.put(snapshot_id, index, block(index))
    claim = CompletionClaim(changed_blocks_count=len(indexes), aggregate=None)
    world.metadata.accept_completion(ACCOUNT, SnapshotId(snapshot_id), claim, now_ms=world.clock.now_ms())
    return snapshot_id


def state(world: World, snapshot_id: str) -> State:
    return world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id)).state


INDEXES = range(0, 2048, 60)


@pytest.mark.parametrize("failing_call", range(1, 8))
@pytest.mark.parametrize(
    "where", ["segments.write", "metadata.publish", "metadata.blocks", "segments.read", "archive.write"]
)
def test_a_completion_that_fails_anywhere_is_finished_by_the_next_try(
    world: World, monkeypatch: pytest.MonkeyPatch, where: str, failing_call: int
) -> None:
    parent = accepted(world, INDEXES)
    world.seal()
    world.restart()
    child = accepted(world, [1, 300, 2047], parent)
    store, method = where.split(".")
    work = getattr(getattr(world, store), method)
    calls = iter(range(1, 1000))

    def failing(*arguments: Any, **named: Any) -> Any:
        if next(calls) == failing_call:
            raise StoreUnavailable("this once")
        return work(*arguments, **named)

    monkeypatch.setattr(getattr(world, store), method, failing)
    try:
        world.seal()
    except StoreUnavailable:
        assert state(world, child) is State.SEALING
        world.restart()
        world.seal()
    assert state(world, child) is State.COMPLETED
    assert world.read(child) == {index: block(index) for index in {*INDEXES, 1, 300, 2047}}


def test_rows_are_read_in_slices(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(limits=replace(TINY, seal_rows_max=8))
    snapshot_id = accepted(world, INDEXES)
    blocks = world.metadata.blocks
    sizes = []

    def measured(key: SnapshotKey, *, after: BlockIndex | None, limit: int) -> Sequence[BlockRow]:
        rows = blocks(key, after=after, limit=limit)
        sizes.append(len(rows))
        return rows

    monkeypatch.setattr(world.metadata, "blocks", measured)
    world.seal()
    assert state(world, snapshot_id) is State.COMPLETED
    assert max(sizes) <= 8


def test_a_damaged_node_of_the_parent_leaves_the_child_sealing_and_is_reported(world: World) -> None:
    parent = accepted(world, INDEXES)
    world.seal()
    world.restart()
    for name in world.segments.names(after=None, limit=1000):
        world.segments.damage(name, 32, bytes(8))  # type: ignore[attr-defined]
    child = accepted(world, [0], parent)
    with pytest.raises(ChunkDamaged):
        world.seal()
    assert state(world, child) is State.SEALING
    assert world.damage != []


def test_a_deletion_in_the_middle_of_sealing_wins(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot_id = accepted(world, INDEXES)
    put_nodes = world.committer.put_nodes

    def deleting(*arguments: Any) -> bool:
        world.delete(snapshot_id)
        return put_nodes(*arguments)

    monkeypatch.setattr(world.committer, "put_nodes", deleting)
    world.seal()
    assert world.metadata.snapshots(ACCOUNT, after=None, limit=10) == []


def test_a_child_shares_the_nodes_it_did_not_touch(world: World) -> None:
    parent = accepted(world, range(2048))
    world.seal()
    nodes = world.committer.statistics().nodes
    accepted(world, [5], parent)
    world.seal()
    assert world.committer.statistics().nodes - nodes == 3, "one leaf, one inner node, the root"


def test_a_completion_that_is_interrupted_stays_sealing_and_is_finished_after_the_next_start(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(limits=replace(TINY, seal_rows_max=8))
    snapshot_id = accepted(world, INDEXES)
    blocks = world.metadata.blocks

    def interrupting(key: SnapshotKey, *, after: BlockIndex | None, limit: int) -> Sequence[BlockRow]:
        if after is not None:
            world.sealer.interrupt()
        return blocks(key, after=after, limit=limit)

    with monkeypatch.context() as stopping:
        stopping.setattr(world.metadata, "blocks", interrupting)
        with pytest.raises(StoreUnavailable, match="stopping"):
            world.seal()
    assert state(world, snapshot_id) is State.SEALING
    world.restart()
    world.seal()
    assert world.read(snapshot_id) == {index: block(index) for index in INDEXES}
