"""What verification finds, marks and passes over, and that it says exactly which blocks are touched."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from copy_scene import ask, block
from fix_world import MemoryStores
from neve.domain.identities import SnapshotId
from neve.domain.snapshots import SnapshotKey, State
from neve.errors import StoreError, StoreUnavailable
from neve.events import ChunkFoundDamaged, VerificationFound
from neve.storage.progress import Progress, Unit
from neve.storage.verification.report import (
    BlockRange,
    FindingKind,
    TouchedSnapshot,
    VerificationReport,
)
from neve.stores.metadata.contract_needs import Need
from neve.stores.metadata.placement import ChunkRecord, SegmentName
from neve.testing.memory_keys import MemoryKeys
from neve.testing.memory_segments import MemorySegmentStore
from neve.testing.world import ACCOUNT, World
from usage_scene import Filled, Mark, programs


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()


def segments_of(world: World) -> MemorySegmentStore:
    assert isinstance(world.segments, MemorySegmentStore)
    return world.segments


def written(world: World, indexes: Sequence[int], **options: Any) -> str:
    """Complete a snapshot with a block of its own at each index."""
    snapshot_id = world.start(**options)
    for index in indexes:
        world.put(snapshot_id, index, block(index + 1))
    assert world.complete(snapshot_id, count=len(indexes)) is State.COMPLETED
    return snapshot_id


def chunks_of(world: World, snapshot_id: str) -> dict[int, ChunkRecord]:
    """Return where each block of a completed snapshot lies."""
    snapshot = world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id))
    rows = world.metadata.blocks(snapshot.key, after=None, limit=10_000)
    found = world.metadata.chunks(snapshot.domain_key, [row.chunk_id for row in rows])
    return {row.block_index: found[row.chunk_id] for row in rows}


def root_of(world: World, snapshot_id: str) -> ChunkRecord:
    snapshot = world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id))
    assert snapshot.root is not None
    return world.metadata.chunks(snapshot.domain_key, [snapshot.root])[snapshot.root]


def spoil(world: World, record: ChunkRecord) -> None:
    """Change a byte of a chunk where it lies; once more, and it is right again."""
    data = segments_of(world)._segments[record.segment]
    at = record.offset + record.stored_bytes - 1
    segments_of(world).damage(record.segment, at, bytes([data[at] ^ 1]))


def touched(report: VerificationReport) -> dict[str, list[tuple[int, int]]]:
    return {each.snapshot_id: [(found.first, found.last) for found in each.ranges] for each in report.touched}


def kinds(report: VerificationReport) -> dict[FindingKind, int]:
    return dict(report.finding_counts)


# --- a sound store


def test_a_sound_store_has_nothing_to_find_and_everything_is_read(world: World) -> None:
    written(world, range(40))
    report = world.verify()
    assert report.is_sound
    assert report.finished
    assert report.chunks_proven == world.metadata.statistics().chunk_rows
    assert report.segments == report.segments_read == world.metadata.statistics().segments["live"]
    assert world.found == []
    assert report.as_json()["touched"] == []


def test_without_data_no_block_is_read(world: World) -> None:
    snapshot_id = written(world, range(40))
    spoil(world, chunks_of(world, snapshot_id)[7])
    report = world.verify(data=False)
    assert report.is_sound
    assert (report.segments_read, report.bytes_read, report.chunks_proven) == (0, 0, 0)


# --- what is found


def test_a_damaged_block_is_marked_told_and_named_with_its_places(world: World) -> None:
    first = written(world, [3, 4, 5, 40])
    child = world.start(parent=first)
    world.put(child, 4, block(99))
    world.complete(child, count=1)
    chunks = chunks_of(world, first)
    for index in (3, 4, 40):
        spoil(world, chunks[index])
    report = world.verify()
    assert kinds(report) == {FindingKind.CHUNK_DAMAGED: 3}
    assert touched(report) == {first: [(3, 4), (40, 40)], child: [(3, 3), (40, 40)]}
    assert [type(event) for event in world.found] == [ChunkFoundDamaged] * 3
    record = chunks[3]
    assert record.chunk_id not in world.metadata.stored(record.domain_key, [record.chunk_id])


def test_what_is_right_again_loses_its_mark_even_without_reading_data(world: World) -> None:
    snapshot_id = written(world, [1, 2])
    record = chunks_of(world, snapshot_id)[1]
    spoil(world, record)
    assert not world.verify().is_sound
    spoil(world, record)
    report = world.verify(data=False)
    assert report.is_sound
    assert report.chunks_cleared == 1
    assert record.chunk_id in world.metadata.stored(record.domain_key, [record.chunk_id])


def test_what_stays_bad_is_said_every_time_and_told_once(world: World) -> None:
    snapshot_id = written(world, [1])
    spoil(world, chunks_of(world, snapshot_id)[1])
    for data in (True, False, True):
        report = world.verify(data=data)
        assert kinds(report) == {FindingKind.CHUNK_DAMAGED: 1}
        assert touched(report) == {snapshot_id: [(1, 1)]}
    assert len(world.found) == 1


def test_a_missing_segment_is_named_once_with_all_it_takes_along(world: World) -> None:
    snapshot_id = written(world, [0, 1, 2])
    record = chunks_of(world, snapshot_id)[1]
    world.segments.delete(record.segment)
    for _ in range(2):
        report = world.verify(data=False)
        assert kinds(report) == {FindingKind.SEGMENT_MISSING: 1}
        assert report.findings[0].subject == record.segment
        assert touched(report) == {snapshot_id: [(1, 1)]}


def test_below_a_lost_root_everything_is_lost_up_to_the_end_of_the_volume(world: World) -> None:
    snapshot_id = written(world, [0])
    spoil(world, root_of(world, snapshot_id))
    report = world.verify()
    (found,) = report.touched
    assert found.ranges == [BlockRange(0, 2047)]
    assert (found.blocks_lost, found.nodes_lost) == (2048, 1)


def test_a_lost_node_is_found_without_reading_blocks(world: World) -> None:
    snapshot_id = written(world, [0])
    spoil(world, root_of(world, snapshot_id))
    report = world.verify(data=False)
    assert kinds(report) == {FindingKind.NODE_LOST: 1}
    assert touched(report) == {snapshot_id: [(0, 2047)]}


def test_a_row_that_says_something_else_than_the_table_is_found(world: World) -> None:
    snapshot_id = written(world, [0, 1])
    chunks = chunks_of(world, snapshot_id)
    stores = world.stores
    assert isinstance(stores, MemoryStores)
    kept = stores.metadata._kept
    kept.records[chunks[0].domain_key, chunks[0].chunk_id] = replace(
        chunks[0], offset=chunks[0].offset + 1, stored_bytes=1 << 60
    )
    report = world.verify(data=False)
    assert kinds(report) == {FindingKind.ROW_WRONG: 1, FindingKind.CHUNK_DAMAGED: 1}
    assert touched(report) == {snapshot_id: [(0, 0)]}


def test_a_snapshot_that_is_being_written_has_its_rows_and_its_base_looked_at(world: World) -> None:
    base = written(world, [1, 2])
    pending = world.start(parent=base)
    world.put(pending, 2, block(50))
    world.put(pending, 9, block(51))
    lost = {**chunks_of(world, base), **chunks_of(world, pending)}
    spoil(world, chunks_of(world, base)[1])
    spoil(world, chunks_of(world, base)[2])
    spoil(world, lost[9])
    report = world.verify()
    assert touched(report) == {base: [(1, 2)], pending: [(1, 1), (9, 9)]}
    assert {each.snapshot_id: each.state for each in report.touched}[SnapshotId(pending)] is State.PENDING


def test_a_deleted_snapshot_that_can_be_brought_back_is_looked_at(world: World) -> None:
    snapshot_id = written(world, [1])
    spoil(world, chunks_of(world, snapshot_id)[1])
    world.delete(snapshot_id)
    (found,) = world.verify().touched
    assert (found.snapshot_id, found.state) == (snapshot_id, State.DELETED)


def test_a_copy_under_way_is_touched_by_what_it_copies(world: World) -> None:
    source = written(world, [1])
    key = world.keys.make_key(ACCOUNT)  # type: ignore[attr-defined]  # the world's own keys are in memory
    ask(world, source, encrypted=True, kms_key_id=key)
    (under_way,) = world.metadata.lifecycle.copies(after=None, limit=9)
    world.copier.advance(under_way)
    spoil(world, chunks_of(world, source)[1])
    found = {each.snapshot_id: each.of_copied for each in world.verify().touched}
    assert found == {source: False, under_way.snapshot.snapshot_id: True}


# --- what cannot be said


def test_what_a_stopped_key_seals_is_unproven_and_not_called_bad(make_world: Callable[..., World]) -> None:
    keys = MemoryKeys()
    world = make_world(keys=keys, data_key_age_s=0, key_state_age_s=0)
    arn = keys.make_key(ACCOUNT)
    snapshot_id = written(world, [1, 2, 3], kms_key_arn=arn)
    spoil(world, chunks_of(world, snapshot_id)[2])
    keys.disable(arn)
    report = world.verify()
    assert report.is_sound
    (unproven,) = report.unproven
    assert (unproven.kms_key_arn, unproven.chunks) == (arn, 3)
    assert report.chunks_proven > 0, "nodes need no KMS key"
    standing = world.metadata.collection.verification_standing()
    assert standing.oldest_ms == world.clock.now_ms(), "segments with blocks do not count as verified"
    keys.enable(arn)
    world.clock.advance(minutes=2)  # type: ignore[attr-defined]  # the world's clock is moved by hand
    assert touched(world.verify()) == {snapshot_id: [(2, 2)]}


class Flickering:
    """A segment store whose next reads go wrong."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wrong: list[bytes | Exception] = []
        read = world.segments.read

        def reading(name: SegmentName, offset: int, size: int) -> bytes:
            content = read(name, offset, size)
            if self.wrong and size < 1_000 and offset == 32:
                now = self.wrong.pop(0)
                if isinstance(now, Exception):
                    raise now
                return now.ljust(size, b"?")[:size]
            return content

        monkeypatch.setattr(world.segments, "read", reading)


def test_a_read_that_goes_wrong_once_condemns_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    written(world, [1, 2, 3])
    Flickering(world, monkeypatch).wrong = [b"other bytes"]
    report = world.verify()
    assert report.is_sound
    assert world.found == []


def test_a_segment_that_cannot_be_read_this_time_is_not_called_damaged(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(world, [1, 2, 3])
    Flickering(world, monkeypatch).wrong = [StoreUnavailable("later")]
    report = world.verify()
    assert kinds(report) == {FindingKind.SEGMENT_UNREADABLE: 1}
    assert report.touched == []
    assert [type(event) for event in world.found] == [VerificationFound]
    assert world.verify().is_sound


def test_a_store_that_is_away_ends_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    written(world, range(40))

    def away(name: SegmentName) -> int:
        raise StoreUnavailable(f"no {name} now")

    monkeypatch.setattr(world.segments, "size", away)
    with pytest.raises(StoreUnavailable):
        world.verify()
    assert world.metadata.collection.bad_chunks(after=None, limit=10) == []


# --- how much of it


def test_a_budget_reads_what_was_read_longest_ago_and_the_next_one_the_rest(world: World) -> None:
    written(world, range(40))
    total = world.metadata.statistics().segments["live"]
    read = 0

    def passing(progress: Progress) -> None:
        if progress.unit is Unit.BYTES:
            world.clock.advance(seconds=1)  # type: ignore[attr-defined]  # moved by hand

    while read < total:
        report = world.verifier.verify(data=True, budget_s=12, on_progress=passing)
        assert report.segments_read == 12
        assert not report.finished
        read += report.segments_read
        never = world.metadata.collection.segments_to_verify(verified_before_ms=1, limit=1_000)
        assert len(never) == max(0, total - read), "those that never were come before those that were"
    assert world.verifier.verify(data=True, budget_s=1_000, on_progress=passing).finished


def test_a_sample_reads_about_that_share(world: World) -> None:
    written(world, range(200))
    report = world.verifier.verify(data=True, sample=0.25)
    assert report.finished
    assert report.segments == world.metadata.statistics().segments["live"]
    assert 0.1 < report.segments_read / report.segments < 0.4


def test_progress_is_told_phase_by_phase(world: World) -> None:
    written(world, range(20))
    told: list[Progress] = []
    world.verifier.verify(data=True, on_progress=told.append)
    assert list(dict.fromkeys(each.unit for each in told)) == [
        Unit.SEGMENTS,
        Unit.BYTES,
        Unit.SNAPSHOTS,
        Unit.OBJECTS,
    ]
    assert all(each.done <= each.total for each in told if each.unit is not Unit.OBJECTS)


class StopAsked(Exception):
    """Raised by a check."""


def test_a_check_ends_it_anywhere(world: World) -> None:
    written(world, range(20))
    calls = 0
    ends_at = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == ends_at:
            raise StopAsked

    world.verifier.verify(data=True, check=check)
    total = calls
    assert total > 50
    for number in range(1, total, 5):
        calls, ends_at = 0, number
        with pytest.raises(StopAsked):
            world.verifier.verify(data=True, check=check)
    ends_at = 0
    assert world.verifier.verify(data=True, check=check).is_sound


# --- against a search that is too simple to be wrong


@settings(max_examples=(settings.default or settings()).max_examples // 4)
@given(program=programs, data=st.data())
def test_exactly_what_needs_a_damaged_chunk_is_touched(program: Any, data: st.DataObject) -> None:
    keys = MemoryKeys()
    with World(MemoryStores(), keys=keys) as world:
        filled = Filled(world, keys)
        filled.run(program)
        tokens = {each.snapshot_id: world.listed(each.snapshot_id) for each in filled.those(State.COMPLETED)}
        mark = Mark(world)
        everything = sorted({name for names in mark.needed_by.values() for name in names})
        assume(everything)
        spoiled = set(data.draw(st.lists(st.sampled_from(everything), max_size=3, unique=True)))
        for domain_key, chunk_id in sorted(spoiled):
            spoil(world, world.metadata.chunks(domain_key, [chunk_id])[chunk_id])
        report = world.verify()
        for each in report.touched:
            assert each.state is State.DELETED or mark.needed_by[key_of(world, each)] & spoiled
        touching = {each.snapshot_id: each for each in report.touched if not each.of_copied}
        for snapshot_id, blocks in tokens.items():
            lost = {
                index for index, token in blocks.items() if not is_readable(world, snapshot_id, index, token)
            }
            found = touching.get(snapshot_id)
            ranges = [] if found is None else found.ranges
            named = {index for each in ranges for index in range(each.first, each.last + 1)}
            assert lost <= named
            if found is not None and found.nodes_lost == 0:
                assert named == lost


def key_of(world: World, found: TouchedSnapshot) -> SnapshotKey:
    needs: list[Need] = []
    world.metadata.collection.needed(needs.extend)
    (key,) = [need.key for need in needs if need.snapshot_id == found.snapshot_id]
    return key


def is_readable(world: World, snapshot_id: str, index: int, token: str) -> bool:
    try:
        world.get(snapshot_id, index, token)
    except StoreError:
        return False
    return True
