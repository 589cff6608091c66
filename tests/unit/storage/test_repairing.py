"""Repair: what was lost comes back from wherever it still is, if it proves; and what does not is named."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copy_scene import block
from fix_world import MemoryStores
from neve.domain.blocks import ChunkId, ChunkKind, digest
from neve.domain.identities import SnapshotId
from neve.domain.snapshots import State
from neve.errors import NeveError, StoreUnavailable
from neve.limits import TINY
from neve.storage.progress import Check
from neve.storage.repair_sources import Blocks, Candidate, PlainCandidate, SegmentTables, WantedName, Wishes
from neve.storage.repairing import RepairReport
from neve.storage.verification.report import FindingKind
from neve.stores.metadata.contract_archive import ArchiveKind
from neve.stores.metadata.placement import SegmentName
from neve.testing.memory_archive import MemoryArchiveStore
from neve.testing.memory_keys import MemoryKeys
from neve.testing.memory_segments import MemorySegmentStore
from neve.testing.world import ACCOUNT, World

INDEXES = (0, 1, 2, 15, 16, 17, 300, 2047)


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()


def segments_of(world: World) -> MemorySegmentStore:
    assert isinstance(world.segments, MemorySegmentStore)
    return world.segments


def written(world: World, **options: Any) -> tuple[str, dict[int, bytes]]:
    contents = {index: block(index + 1) for index in INDEXES}
    snapshot_id = world.start(**options)
    for index, content in contents.items():
        world.put(snapshot_id, index, content)
    assert world.complete(snapshot_id, count=len(contents)) is State.COMPLETED
    return snapshot_id, contents


def settled(world: World) -> None:
    """Let go of the rows of completed snapshots, as collection does."""
    collection = world.metadata.collection
    epoch = collection.begin()
    keys: list[Any] = []
    collection.cut(epoch, needs=lambda _: None, unsettled=keys.extend)
    for key in keys:
        while collection.drop_rows(epoch, key, limit=100) == 100:
            pass


def replica_of(world: World) -> SegmentTables:
    """Return a copy of all segments as they are now, as a source."""
    copied = MemorySegmentStore()
    copied._segments = dict(segments_of(world)._segments)
    return SegmentTables("replica", copied, world.metadata)


def volume(contents: dict[int, bytes], *, sparse: bool = False) -> Blocks:
    """Return the volume that a snapshot of these blocks is of; a sparse one has nothing where nothing was written."""
    nothing = b"" if sparse else bytes(64)
    return Blocks("image", lambda index: contents.get(index, nothing) if index < 2048 else b"", TINY)


def lose_all(world: World) -> None:
    for name in list(segments_of(world)._segments):
        world.segments.delete(name)


def lose_nodes(world: World, snapshot_id: str, *, levels: set[int]) -> None:
    """Spoil a snapshot's nodes on these levels."""
    snapshot = world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id))
    domain = world.context.domains.by_key(snapshot.domain_key)
    assert snapshot.root is not None
    wanted = [snapshot.root]
    for level in (2, 1, 0):
        nodes = world.context.chunks.nodes(domain, wanted)
        if level in levels:
            for record in world.metadata.chunks(domain.key, wanted).values():
                segments_of(world).damage(record.segment, record.offset, bytes(record.stored_bytes))
        wanted = [child for node in nodes for _, child in node.children()]


def restored(report: RepairReport) -> dict[str, int]:
    return {each.name: each.restored for each in report.sources if each.restored}


# --- from where


def test_a_replica_brings_everything_back(world: World) -> None:
    snapshot_id, contents = written(world)
    settled(world)
    replica = replica_of(world)
    lose_all(world)
    report = world.repairer.repair([replica])
    assert report.before.touched
    assert report.after.touched == []
    assert report.chunks_restored == report.chunks_wanted
    assert restored(report) == {"replica": report.chunks_restored}
    assert world.read(snapshot_id) == contents
    assert report.as_json()["after"]["touched"] == []


def test_an_image_brings_blocks_back(world: World) -> None:
    snapshot_id, contents = written(world)
    settled(world)
    snapshot = world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id))
    domain = world.context.domains.by_key(snapshot.domain_key)
    for record in list(world.stores.metadata._kept.records.values()):  # type: ignore[attr-defined]  # in memory
        if record.kind is ChunkKind.BLOCK and record.domain_key == domain.key:
            world.segments.delete(record.segment)
    report = world.repairer.repair([volume(contents)])
    assert restored(report) == {"image": len(contents)}
    assert report.after.touched == []
    assert world.read(snapshot_id) == contents


def test_an_image_brings_leaves_back_by_the_blocks_below_them(world: World) -> None:
    snapshot_id, contents = written(world)
    settled(world)
    lose_nodes(world, snapshot_id, levels={0})
    report = world.repairer.repair([volume(contents)])
    assert restored(report)["image"] > 0
    assert report.after.touched == []
    assert world.read(snapshot_id) == contents


def test_what_comes_back_shows_what_is_below_it(world: World) -> None:
    """Where lost blocks belong, nobody knows while the leaf above them is lost, too."""
    snapshot_id, contents = written(world)
    settled(world)
    lose_nodes(world, snapshot_id, levels={0})
    for record in list(world.stores.metadata._kept.records.values()):  # type: ignore[attr-defined]  # in memory
        if record.kind is ChunkKind.BLOCK:
            world.segments.delete(record.segment)
    report = world.repairer.repair([volume(contents)])
    assert report.after.touched == []
    assert report.chunks_wanted == report.chunks_restored
    assert world.read(snapshot_id) == contents


def test_block_rows_bring_every_node_back_while_they_are_there(world: World) -> None:
    base, contents = written(world)
    child = world.start(parent=base)
    world.put(child, 16, block(99))
    world.complete(child, count=1)
    lose_nodes(world, base, levels={0, 1, 2})
    lose_nodes(world, child, levels={2})
    report = world.repairer.repair()
    assert restored(report).keys() == {"block rows in the database"}
    assert report.after.touched == []
    assert world.read(base) == contents
    assert world.read(child) == contents | {16: block(99)}


def test_a_second_copy_in_a_condemned_segment_is_enough(world: World) -> None:
    snapshot_id, contents = written(world)
    settled(world)
    segments = segments_of(world)._segments
    again = dict(segments)
    lose_all(world)
    other = world.repairer.repair([replica_of_these(world, again)])
    assert other.after.touched == []
    newest = [name for name in segments_of(world)._segments if name not in again]
    segments_of(world)._segments.update(again)  # as if collection had not come to them
    for name in newest:
        world.segments.delete(name)
    report = world.repairer.repair()
    assert restored(report) == {"segments of this store": report.chunks_restored}
    assert world.read(snapshot_id) == contents


def replica_of_these(world: World, segments: dict[SegmentName, bytes]) -> SegmentTables:
    copied = MemorySegmentStore()
    copied._segments = dict(segments)
    return SegmentTables("replica", copied, world.metadata)


def test_what_is_right_moves_out_of_a_segment_that_is_not(world: World) -> None:
    snapshot_id, contents = written(world)
    name = next(iter(segments_of(world)._segments))
    size = world.segments.size(name)
    segments_of(world).damage(name, size - 4, b"????")
    report = world.repairer.repair()
    assert report.chunks_moved > 0
    assert report.after.touched == []
    assert world.metadata.collection.segment_chunks(name) == []
    assert world.read(snapshot_id) == contents


def test_the_archive_is_written_anew_where_it_lost_something(world: World) -> None:
    written(world)
    world.archiver.flush()
    assert isinstance(world.archive, MemoryArchiveStore)
    names = sorted(world.archive.contents())
    world.archive.delete(names[0])
    world.archive.replace(names[1], b"something else")
    report = world.repairer.repair()
    assert report.objects_renewed == 2
    assert report.after.is_sound
    assert sorted(world.archive.contents()) == names
    assert {name.split("/")[0] for name in names} >= {ArchiveKind.SNAPSHOT, ArchiveKind.DOMAIN}


# --- what proves nothing


class Liar:
    """A source with an answer to everything, and none of them true."""

    name = "liar"

    def candidates(self, wishes: Wishes, check: Check) -> Iterator[Candidate]:
        for name in list(wishes):
            check()
            yield PlainCandidate(name=name, data=bytes(64))
            yield PlainCandidate(name=name, data=b"")
        yield PlainCandidate(name=(next(iter(wishes))[0], ChunkId(bytes(range(32)))), data=bytes(64))


class Broken:
    """A source that cannot go on."""

    name = "broken"

    def candidates(self, wishes: Wishes, check: Check) -> Iterator[Candidate]:
        def fail(_name: WantedName) -> Candidate:
            check()
            raise StoreUnavailable(f"{len(wishes)} wishes are too many")

        return map(fail, wishes)


def test_a_source_that_lies_or_breaks_does_no_harm(world: World) -> None:
    snapshot_id, contents = written(world)
    settled(world)
    replica = replica_of(world)
    lose_all(world)
    report = world.repairer.repair([Liar(), Broken(), volume(dict.fromkeys(INDEXES, block(77))), replica])
    by_name = {each.name: each for each in report.sources}
    assert by_name["liar"].candidates > 0
    assert by_name["liar"].restored == by_name["image"].restored == 0
    assert "too many" in by_name["broken"].failure
    assert report.after.touched == []
    assert world.read(snapshot_id) == contents


def test_what_cannot_be_had_is_named_and_the_rest_is_read(world: World) -> None:
    snapshot_id, contents = written(world)
    settled(world)
    replica = replica_of(world)
    lose_all(world)
    snapshot = world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id))
    domain = world.context.domains.by_key(snapshot.domain_key)
    missing = domain.chunk_id(digest(contents[16]))
    record = world.metadata.chunks(domain.key, [missing])[missing]
    replica._segments.delete(record.segment)
    report = world.repairer.repair([replica])
    (touched,) = report.after.touched
    assert [(each.first, each.last) for each in touched.ranges] == [(16, 16)]
    assert report.chunks_restored == report.chunks_wanted - 1
    tokens = world.listed(snapshot_id)
    for index, content in contents.items():
        if index == 16:
            with pytest.raises(NeveError):
                world.get(snapshot_id, index, tokens[index])
        else:
            assert world.get(snapshot_id, index, tokens[index]) == content


def test_a_stopped_key_keeps_its_blocks_from_being_restored_and_nothing_else(
    make_world: Callable[..., World],
) -> None:
    keys = MemoryKeys()
    world = make_world(keys=keys, data_key_age_s=0, key_state_age_s=0)
    arn = keys.make_key(ACCOUNT)
    sealed, contents = written(world, kms_key_arn=arn)
    plain, _ = written(world)
    settled(world)
    replica = replica_of(world)
    lose_all(world)
    keys.disable(arn)
    report = world.repairer.repair([replica])
    assert report.without_key > 0
    assert {each.snapshot_id for each in report.after.touched} == {sealed}
    assert all(each.nodes_lost == 0 for each in report.after.touched), "nodes need no KMS key"
    assert world.read(plain) == contents
    keys.enable(arn)
    world.clock.advance(minutes=2)  # type: ignore[attr-defined]  # the world's clock is moved by hand
    assert world.repairer.repair([replica]).after.touched == []
    assert world.read(sealed) == contents


def test_a_sound_store_is_left_as_it_is(world: World) -> None:
    written(world)
    world.archiver.flush()
    before = dict(segments_of(world)._segments)
    report = world.repairer.repair([Liar()])
    assert (report.chunks_wanted, report.chunks_restored, report.stored_bytes) == (0, 0, 0)
    assert report.after.is_sound
    assert segments_of(world)._segments == before


# --- whatever was lost


@settings(max_examples=(settings.default or settings()).max_examples // 2)
@given(lost=st.sets(st.integers(0, 60)), flipped=st.sets(st.integers(0, 60)), swap=st.booleans())
def test_whatever_was_lost_a_whole_replica_makes_the_store_whole(
    lost: set[int], flipped: set[int], swap: bool
) -> None:
    with World(MemoryStores()) as world:
        parent, contents = written(world)
        child = world.start(parent=parent)
        world.put(child, 1, block(50))
        world.put(child, 40, bytes(64))
        world.complete(child, count=2)
        settled(world)
        replica = replica_of(world)
        names = sorted(segments_of(world)._segments)
        for number, name in enumerate(names):
            if number in flipped:
                data = segments_of(world)._segments[name]
                at = (number * 37) % len(data)
                segments_of(world).damage(name, at, bytes([data[at] ^ 0x40]))
            if number in lost:
                world.segments.delete(name)
        if swap and not {0, 1} & lost:
            held = segments_of(world)._segments
            held[names[0]], held[names[1]] = held[names[1]], held[names[0]]
        world.verify()
        report = world.repairer.repair([replica])
        assert report.after.touched == []
        assert FindingKind.CHUNK_DAMAGED not in report.after.finding_counts
        world.restart()
        assert world.read(parent) == contents
        assert world.read(child) == contents | {1: block(50), 40: bytes(64)}
