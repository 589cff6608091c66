"""What reckoning reads, what it holds on to, and what it does when the store changes under it.

That its numbers are right is shown in tests/machines/test_freed_bytes.py.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from copy_scene import block, record, source
from neve.domain.blocks import ChunkId
from neve.domain.snapshots import CompletionClaim, State
from neve.errors import ChunkMissing, StoreUnavailable
from neve.storage.usage import Grouping
from neve.testing.world import ACCOUNT, World
from usage_scene import Filled, Mark, reckoner, unwatched


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()


def child_of(world: World, parent: str, blocks: dict[int, bytes]) -> str:
    snapshot_id = world.start(parent=parent)
    for index, content in blocks.items():
        world.put(snapshot_id, index, content)
    assert world.complete(snapshot_id, count=len(blocks)) is State.COMPLETED
    return snapshot_id


def counting_nodes(world: World, monkeypatch: pytest.MonkeyPatch) -> list[ChunkId]:
    """Return a list that every node which is read from now on is added to."""
    read: list[ChunkId] = []
    nodes = world.context.chunks.nodes

    def counted(domain: Any, chunk_ids: Sequence[ChunkId]) -> Any:
        read.extend(chunk_ids)
        return nodes(domain, chunk_ids)

    monkeypatch.setattr(world.context.chunks, "nodes", counted)
    return read


def test_a_chain_costs_one_of_its_snapshots_and_their_changes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {index: block(index + 1) for index in range(0, 2048, 4)}
    newest = source(world, whole)
    read = counting_nodes(world, monkeypatch)
    reckoner(world).account_cost(ACCOUNT, Grouping(by_snapshot=True), unwatched)
    alone = len(read)
    assert alone > 200, "a map of 128 leaves, twice"
    for step in range(20):
        newest = child_of(world, newest, {4 * step: block(5_000 + step)})
    read.clear()
    reckoner(world).account_cost(ACCOUNT, Grouping(by_snapshot=True), unwatched)
    # A change is a path of three nodes, each beside those of two snapshots before it, in two passes.
    assert len(read) < alone + 20 * 3 * 3 * 2 * 2


def test_what_a_completion_under_way_holds_is_not_free(world: World) -> None:
    first = source(world, {0: block(1), 300: block(2)})
    twin = world.start()
    world.put(twin, 0, block(1))
    world.put(twin, 300, block(2))
    only_rows = reckoner(world).freed_bytes([record(world, first).key], unwatched)
    assert only_rows > 0, "the nodes of the first"
    Filled.half_seal(world, record(world, twin), CompletionClaim(changed_blocks_count=2, aggregate=None))
    assert record(world, twin).state is State.SEALING
    foretold = reckoner(world).freed_bytes([record(world, first).key], unwatched)
    assert foretold == Mark(world).unique_bytes([record(world, first).key]) == 0


def test_a_snapshot_that_goes_meanwhile_is_no_damage(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot_id = source(world, {0: block(1)})

    def collected(*_: Any) -> Any:
        world.delete(snapshot_id)
        raise ChunkMissing("its node was taken back")

    monkeypatch.setattr(world.context.chunks, "nodes", collected)
    with pytest.raises(StoreUnavailable, match=f"{snapshot_id} was deleted while"):
        reckoner(world).freed_bytes([record(world, snapshot_id).key], unwatched)
    assert world.damage == []


def test_a_node_that_is_lost_is_told_as_such(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot_id = source(world, {0: block(1)})

    def lost(*_: Any) -> Any:
        raise ChunkMissing("nobody knows where it is")

    monkeypatch.setattr(world.context.chunks, "nodes", lost)
    with pytest.raises(ChunkMissing):
        reckoner(world).freed_bytes([record(world, snapshot_id).key], unwatched)


def test_whoever_watches_can_end_it(world: World) -> None:
    for fill in range(1, 4):
        source(world, {0: block(fill)})
    told: list[tuple[int, int]] = []

    class Enough(Exception):
        pass

    def watch(done: int, steps: int) -> None:
        told.append((done, steps))
        if done == 2:
            raise Enough

    with pytest.raises(Enough):
        reckoner(world).account_cost(ACCOUNT, Grouping(), watch)
    assert told == sorted(told)
    assert {steps for _, steps in told} == {3}


def test_an_empty_account_costs_nothing(world: World) -> None:
    cost = reckoner(world).account_cost(ACCOUNT, Grouping(group_of={}, by_snapshot=True), unwatched)
    assert (cost.total.snapshot_count, cost.total.logical_bytes, cost.total.unique_bytes) == (0, 0, 0)
    assert (cost.by_group, cost.by_snapshot) == ({}, [])
    assert reckoner(world).freed_bytes([], unwatched) == 0
