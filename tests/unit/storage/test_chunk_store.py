"""Reading back: what cannot be proven right is an error, a report and a mark, and an upload heals it."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fix_world import MemoryStores
from neve.domain.blocks import ChunkId, digest
from neve.domain.identities import SnapshotId
from neve.errors import ChunkDamaged, ChunkMissing, SegmentMissing, StoreError
from neve.limits import TINY
from neve.storage.domains import OpenDomain
from neve.stores.metadata.placement import ChunkRecord, SegmentName
from neve.testing.world import ACCOUNT, World


def noise(seed: int) -> bytes:
    return (seed.to_bytes(2) + bytes(range(100, 130))) * 2


def domain_of(world: World) -> OpenDomain:
    return world.context.domains.unencrypted(ACCOUNT)


def written(world: World, content: bytes) -> tuple[str, ChunkRecord]:
    snapshot_id = world.start()
    world.put(snapshot_id, 0, content)
    chunk_id = domain_of(world).chunk_id(digest(content))
    return snapshot_id, world.metadata.chunks(domain_of(world).key, [chunk_id])[chunk_id]


def test_content_comes_back_with_its_digest(world: World) -> None:
    _, record = written(world, noise(1))
    content = world.context.chunks.read(domain_of(world), record.chunk_id)
    assert (content.data, content.digest) == (noise(1), digest(noise(1)))


@settings(max_examples=60)
@given(st.data())
def test_a_flipped_bit_anywhere_in_a_chunk_is_never_served(data: st.DataObject) -> None:
    with World(MemoryStores()) as world:
        _, record = written(world, noise(data.draw(st.integers(0, 3))))
        segments = world.segments
        at = data.draw(st.integers(record.offset, record.offset + record.stored_bytes - 1))
        (old,) = segments.read(record.segment, at, 1)
        segments.damage(record.segment, at, bytes([old ^ 1 << data.draw(st.integers(0, 7))]))  # type: ignore[attr-defined]
        try:
            served = world.context.chunks.read(domain_of(world), record.chunk_id)
        except ChunkDamaged:
            assert [damaged for damaged, _ in world.damage] == [record]
            assert world.metadata.stored(domain_of(world).key, [record.chunk_id]) == set()
        else:
            # Some bits of a zstd frame mean nothing; what matters is that no other byte is served.
            assert digest(served.data) == served.digest
            assert domain_of(world).chunk_id(served.digest) == record.chunk_id


def destroyed(world: World, record: ChunkRecord) -> None:
    world.segments.delete(record.segment)


def overwritten(world: World, record: ChunkRecord) -> None:
    world.segments.damage(record.segment, record.offset, bytes(record.stored_bytes))  # type: ignore[attr-defined]


@pytest.mark.parametrize(("spoil", "error"), [(destroyed, SegmentMissing), (overwritten, ChunkDamaged)])
def test_the_next_upload_of_the_same_content_heals_every_snapshot_that_uses_it(
    world: World, spoil: Callable[[World, ChunkRecord], None], error: type[StoreError]
) -> None:
    snapshot_id, record = written(world, noise(1))
    world.complete(snapshot_id, count=1)
    world.restart()
    spoil(world, record)
    token = world.listed(snapshot_id)[0] if spoil is overwritten else ""
    with pytest.raises(error):
        world.context.chunks.read(domain_of(world), record.chunk_id)
    assert len(world.damage) == 1

    written(world, noise(1))

    assert world.context.chunks.read(domain_of(world), record.chunk_id).data == noise(1)
    if token:
        assert world.get(snapshot_id, 0, token) == noise(1)


def test_a_chunk_without_a_record_is_missing(world: World) -> None:
    with pytest.raises(ChunkMissing):
        world.context.chunks.read(domain_of(world), ChunkId(b"x" * 32))


def test_a_chunk_moved_between_look_up_and_read_is_read_where_it_is_now(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, record = written(world, noise(1))
    chunks = world.metadata.chunks
    stale = replace(record, segment=SegmentName("0" * 32))
    answers = iter([{record.chunk_id: stale}])
    monkeypatch.setattr(world.metadata, "chunks", lambda key, ids: next(answers, None) or chunks(key, ids))
    assert world.context.chunks.read(domain_of(world), record.chunk_id).data == noise(1)
    assert world.damage == []


def test_block_map_nodes_are_read_once_and_then_remembered(world: World) -> None:
    snapshot_id, _ = written(world, noise(1))
    world.complete(snapshot_id, count=1)
    world.listed(snapshot_id)
    reads = world.segments.statistics().reads
    world.listed(snapshot_id)
    assert world.segments.statistics().reads == reads


def test_the_node_cache_stays_within_its_budget(make_world: Callable[..., World]) -> None:
    world = make_world(limits=replace(TINY, node_cache_bytes=2000))
    for start in range(6):
        snapshot_id = world.start()
        for index in range(0, 2048, 256):
            world.put(snapshot_id, index + start, noise(index + start))
        world.complete(snapshot_id, count=8)
        assert len(world.listed(snapshot_id)) == 8
    assert 0 < world.context.chunks._nodes._bytes <= 2000


def full_leaves(world: World, leaf_count: int) -> str:
    snapshot_id = world.start()
    indexes = range(0, leaf_count * TINY.node_fanout, TINY.node_fanout)
    for index in indexes:
        world.put(snapshot_id, index, noise(index))
    world.complete(snapshot_id, count=leaf_count)
    return snapshot_id


def test_nodes_wanted_together_cost_few_reads(world: World) -> None:
    snapshot_id = full_leaves(world, 100)
    world.restart()
    before = world.segments.statistics().reads
    assert len(world.listed(snapshot_id)) == 100
    assert world.segments.statistics().reads - before < 54, (
        "108 nodes: half, though a map branches 16 ways only"
    )


def test_a_damaged_node_among_many_is_named_and_the_others_are_read(world: World) -> None:
    snapshot_id = full_leaves(world, 100)
    domain = domain_of(world)
    root = world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id)).root
    assert root is not None
    nodes = {chunk_id for inner in leaves_of(world, root) for chunk_id in leaves_of(world, inner)}
    records = world.metadata.chunks(domain.key, nodes)
    world.restart()
    spoilt = sorted(records)[50]
    overwritten(world, records[spoilt])
    with pytest.raises(ChunkDamaged):
        world.context.chunks.nodes(domain, sorted(nodes))
    assert [record.chunk_id for record, _ in world.damage] == [spoilt]
    others = sorted(nodes - {spoilt})
    assert len(world.context.chunks.nodes(domain, others)) == len(others)


def leaves_of(world: World, chunk_id: ChunkId) -> list[ChunkId]:
    (node,) = world.context.chunks.nodes(domain_of(world), [chunk_id])
    return [child for _, child in node.children()]
