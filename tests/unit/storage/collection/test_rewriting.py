"""Wasteful and small segments become good ones, and a right original never gives way to a copy that nobody proved."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from collection_scene import ALL, Between, block, nothing_leaks, objects, pass_time, stored, uses
from neve.domain.blocks import BlockIndex, ChunkKind, digest
from neve.domain.identities import SnapshotId
from neve.domain.snapshots import State
from neve.errors import CollectionStopped, StoreFull
from neve.limits import TINY
from neve.storage.chunk_codec import ChunkCodec
from neve.storage.chunk_store import ChunkStore
from neve.storage.committer import _Entry
from neve.stores.metadata.contract import BlockWrite
from neve.stores.metadata.contract_collection import SegmentState, StoredChunk
from neve.stores.metadata.placement import ChunkRecord, SegmentName
from neve.testing.memory_keys import MemoryKeys
from neve.testing.world import ACCOUNT, World
from usage_scene import Name

Writes = Sequence[tuple[str, int]]


def together(world: World, writes: Writes) -> SegmentName:
    """Write blocks, each at the index of its fill, in one batch, as that of many clients is; return its segment."""
    before = objects(world)
    entries = []
    for snapshot_id, fill in writes:
        snapshot = world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id))
        domain = world.context.domains.with_content(world.context.domains.by_key(snapshot.domain_key))
        content = block(fill)
        write = BlockWrite(
            domain_key=domain.key,
            snapshot_key=snapshot.key,
            block_index=BlockIndex(fill),
            chunk_id=domain.chunk_id(digest(content)),
            digest=domain.mask(digest(content)),
        )
        chunk = world.committer._sealed(domain, write.chunk_id, ChunkKind.BLOCK, content)
        entries.append(_Entry(write=write, chunk=chunk, plain_bytes=len(content)))
    world.committer._submit(entries)
    for entry in entries:
        world.committer._wait(entry)
    [name] = objects(world) - before
    return name


class Wasteful:
    """A segment with two blocks of a snapshot that stays, and many of one that is to be deleted."""

    def __init__(self, world: World, kms_key_arn: str | None = None, *, first: int = 1) -> None:
        self.world = world
        self.kept = world.start(kms_key_arn=kms_key_arn)
        self.gone = world.start(kms_key_arn=kms_key_arn)
        waste = [(self.gone, first + fill) for fill in range(10, 15)]
        self.name = together(world, [(self.kept, first), *waste, (self.kept, first + 1)])
        assert world.complete(self.kept, count=2) is State.COMPLETED
        assert world.complete(self.gone, count=len(waste)) is State.COMPLETED
        self.image = {index: block(index) for index in (first, first + 1)}
        assert world.read(self.kept) == self.image
        world.collect()  # small segments come together, so that there is only this one to look at
        pass_time(world)

    def lay_waste(self) -> None:
        """Delete what most of it is of."""
        self.world.delete(self.gone)
        pass_time(self.world)

    def chunks(self) -> Sequence[StoredChunk]:
        return self.world.metadata.collection.segment_chunks(self.name)

    def reads(self) -> bool:
        self.world.restart()
        return self.world.read(self.kept) == self.image

    @property
    def state(self) -> SegmentState | None:
        return self.world.metadata.collection.segment_states([self.name]).get(self.name)


def wasteful(world: World, kms_key_arn: str | None = None) -> Wasteful:
    house = Wasteful(world, kms_key_arn)
    house.lay_waste()
    return house


def test_a_segment_that_is_mostly_waste_is_rewritten(world: World) -> None:
    house = wasteful(world)
    before = {each.record.chunk_id: each.record for each in house.chunks()}
    found = world.collect()
    assert found.segments_rewritten >= 1
    assert house.state is SegmentState.CONDEMNED
    assert house.chunks() == []
    assert house.reads()
    nothing_leaks(world)
    assert house.name not in objects(world)
    assert house.reads()
    for use in uses(world).values():
        for each in world.metadata.collection.segment_chunks(use.name):
            if (old := before.get(each.record.chunk_id)) is not None:
                assert (each.record.plain_bytes, each.record.encoding) == (old.plain_bytes, old.encoding)
    assert world.damage == []


def test_rewriting_comes_to_an_end(world: World) -> None:
    wasteful(world)
    for index in range(30):
        snapshot_id = world.start()
        world.put(snapshot_id, index, block(1000 + index))
        world.complete(snapshot_id, count=1)
    for _ in range(4):
        pass_time(world)
        world.collect()
    settled = objects(world)
    pass_time(world)
    assert world.collect().segments_rewritten == 0
    assert objects(world) == settled


def test_many_small_segments_become_few(world: World) -> None:
    pending = world.start()
    for index in range(40):
        world.put(pending, index, block(index))
    assert len(objects(world)) == 40
    world.collect()
    pass_time(world)
    world.collect()
    assert len(objects(world)) < 12
    assert world.complete(pending, count=40) is State.COMPLETED
    world.restart()
    assert world.read(pending) == {index: block(index) for index in range(40)}


def test_a_few_small_segments_are_not_written_again_and_again(world: World) -> None:
    pending = world.start()
    for index in range(2):
        world.put(pending, index, block(index))
    assert world.collect().segments_rewritten == 0


def test_sealed_chunks_are_carried_over_as_they_are(make_world: Callable[..., World]) -> None:
    keys = MemoryKeys()
    world = make_world(keys=keys)
    house = wasteful(world, keys.make_key(ACCOUNT))
    before = stored_bytes(world)
    world.collect()
    after = stored_bytes(world)
    assert after.keys() == {name for name in before if name in stored(world)}
    assert all(before[name] == content for name, content in after.items())
    assert house.reads()


def stored_bytes(world: World) -> dict[Name, bytes]:
    """Return every chunk as it stands in its segment."""
    found = {}
    for name in uses(world):
        for each in world.metadata.collection.segment_chunks(name):
            record = each.record
            content = world.segments.read(name, record.offset, record.stored_bytes)
            found[record.domain_key, record.chunk_id] = content
    return found


# --- what is not rewritten


def test_a_segment_with_a_damaged_chunk_is_left_alone_and_told_and_the_others_go_on(world: World) -> None:
    house, other = Wasteful(world), Wasteful(world, first=20)
    house.lay_waste()
    other.lay_waste()
    bad, *_, good = house.chunks()  # between them is what is dropped
    world.segments.damage(house.name, bad.record.offset, b"\xff\xff\xff\xff")  # type: ignore[attr-defined]  # in memory
    found = world.collect()
    assert found.segments_left == 1
    assert house.state is SegmentState.LIVE
    assert other.state is SegmentState.CONDEMNED
    assert [record.chunk_id for record, _ in world.damage] == [bad.record.chunk_id]
    assert {each.record.chunk_id: each.bad for each in house.chunks()} == {
        bad.record.chunk_id: True,
        good.record.chunk_id: False,
    }
    assert other.reads()


def test_a_segment_with_a_bad_row_is_not_even_read(world: World) -> None:
    house = wasteful(world)
    record = house.chunks()[0].record
    world.metadata.mark_bad(record.domain_key, record.chunk_id)
    between = Between(world)
    found = between.collect()
    assert found.segments_left == 1
    assert house.state is SegmentState.LIVE
    assert world.damage == []
    world.metadata.collection.clear_bad(record)
    assert world.collect().segments_left == 0
    assert house.reads()


def test_what_a_disabled_kms_key_keeps_from_being_proven_stays_until_it_is_enabled(
    make_world: Callable[..., World],
) -> None:
    keys = MemoryKeys()
    world = make_world(keys=keys)
    arn = keys.make_key(ACCOUNT)
    house = wasteful(world, arn)
    keys.disable(arn)
    pass_time(world)
    found = world.collect()
    assert (found.segments_left, house.state) == (1, SegmentState.LIVE)
    assert not any(each.bad for each in house.chunks())
    assert world.damage == []
    keys.enable(arn)
    pass_time(world)
    assert world.collect().segments_left == 0
    assert house.state is SegmentState.CONDEMNED
    assert house.reads()


def test_a_segment_of_two_domains_is_rewritten_only_if_both_can_be_proven(
    make_world: Callable[..., World],
) -> None:
    keys = MemoryKeys()
    world = make_world(keys=keys)
    arn = keys.make_key(ACCOUNT)
    plain, encrypted, gone = world.start(), world.start(kms_key_arn=arn), world.start()
    waste = [(gone, fill) for fill in range(10, 15)]
    name = together(world, [(plain, 1), (encrypted, 1), *waste])
    assert world.complete(plain, count=1) is State.COMPLETED
    assert world.complete(encrypted, count=1) is State.COMPLETED
    world.delete(gone)
    keys.disable(arn)
    pass_time(world)
    assert world.collect().segments_left == 1
    assert len(world.metadata.collection.segment_chunks(name)) == 2
    keys.enable(arn)
    pass_time(world)
    assert world.collect().segments_left == 0
    assert world.metadata.collection.segment_chunks(name) == []
    world.restart()
    assert world.read(plain) == world.read(encrypted) == {1: block(1)}


def test_without_room_nothing_is_rewritten_and_the_rest_is_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = wasteful(world)

    def full() -> None:
        raise StoreFull("no room, for the test")

    monkeypatch.setattr(world.segments, "check_writable", full)
    found = world.collect()
    assert found.out_of_room
    assert (found.segments_rewritten, house.state) == (0, SegmentState.LIVE)
    assert found.chunks_dropped


# --- copies that are not used


def test_a_copy_that_does_not_read_back_is_not_used(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    house = wasteful(world)
    before = objects(world)
    write = world.segments.write

    def wrongly(name: SegmentName, parts: Sequence[bytes | memoryview]) -> None:
        data = bytearray(b"".join(parts))
        data[40] ^= 1
        write(name, [bytes(data)])

    monkeypatch.setattr(world.segments, "write", wrongly)
    with pytest.raises(CollectionStopped, match="does not read back as it was just written"):
        world.collect()
    assert house.state is SegmentState.LIVE
    assert objects(world) == before
    monkeypatch.undo()
    assert house.reads()
    nothing_leaks(world)


def once_before(between: Between, call: str, act: Callable[[], object]) -> None:
    """Let somebody do something just before the first call of a name."""

    def maybe(_number: int, name: str) -> None:
        if name == call:
            between.on_call = lambda _number, _name: None
            act()

    between.on_call = maybe


def test_a_copy_whose_reservation_was_cancelled_is_not_used(world: World) -> None:
    house = wasteful(world)
    between = Between(world)
    once_before(between, "metadata.collection.repoint", world.metadata.cancel_reservations)
    found = between.collect()
    assert found.segments_rewritten == 0
    assert house.state is SegmentState.LIVE
    assert house.reads()
    nothing_leaks(world)


def test_a_copy_of_a_collection_that_lost_its_epoch_goes(world: World) -> None:
    house = wasteful(world)
    between = Between(world)
    before = objects(world)
    once_before(between, "metadata.collection.repoint", world.metadata.collection.begin)
    assert between.collect().overtaken
    assert objects(world) == before
    assert house.reads()
    nothing_leaks(world)


def test_a_chunk_that_was_healed_meanwhile_stays_where_it_was_healed(world: World) -> None:
    house = wasteful(world)
    old = house.chunks()[0].record
    again = world.start()
    healed: list[ChunkRecord] = []

    def heal() -> None:
        world.metadata.mark_bad(old.domain_key, old.chunk_id)
        world.put(again, 1, block(1))
        healed.append(where(world, old))

    between = Between(world)
    once_before(between, "metadata.collection.repoint", heal)
    assert between.collect().segments_rewritten
    assert [where(world, old)] == healed
    assert house.state is SegmentState.CONDEMNED
    assert house.reads()
    assert world.complete(again, count=1) is State.COMPLETED
    nothing_leaks(world)


def where(world: World, chunk: ChunkRecord) -> ChunkRecord:
    """Return where a chunk lies now."""
    return world.metadata.chunks(chunk.domain_key, [chunk.chunk_id])[chunk.chunk_id]


# --- readers


def reader(world: World, between: Between) -> ChunkStore:
    """Return a reader who remembers nothing."""
    return ChunkStore(
        metadata=between.metadata,
        segments=between.segments,
        codec=ChunkCodec(),
        limits=TINY,
        on_damage=lambda record, error: world.damage.append((record, error)),
    )


def collected_twice(world: World) -> None:
    """What is worth it is rewritten, and the old bytes are gone."""
    for _ in range(2):
        world.collect()
        pass_time(world)


def test_a_reader_that_looked_a_block_up_before_it_moved_finds_it(world: World) -> None:
    house = wasteful(world)
    between = Between(world)
    once_before(between, "segments.read", lambda: collected_twice(world))
    record = house.chunks()[0].record
    domain = world.context.domains.by_key(record.domain_key)
    assert reader(world, between).read(domain, record.chunk_id).data == block(1)
    assert house.state is None
    assert world.damage == []


def test_a_reader_that_looked_nodes_up_before_they_moved_finds_them(make_world: Callable[..., World]) -> None:
    world = make_world(
        limits=replace(TINY, batch_bytes_max=16 * TINY.batch_bytes_max)
    )  # all segments are small
    for index in range(10):
        snapshot_id = world.start()
        world.put(snapshot_id, index, block(index))
        assert world.complete(snapshot_id, count=1) is State.COMPLETED
    [domain] = [world.context.domains.by_key(each.key) for each in world.metadata.domains()]
    entries = world.metadata.collection.chunk_entries(domain.key, after=None, limit=ALL)
    nodes = [entry.chunk_id for entry in entries if entry.kind is ChunkKind.NODE]
    before = {record.segment for record in world.metadata.chunks(domain.key, nodes).values()}
    between = Between(world)
    once_before(between, "segments.read", lambda: collected_twice(world))
    assert len(reader(world, between).nodes(domain, nodes)) == len(nodes)
    assert objects(world).isdisjoint(before)
    assert world.damage == []
