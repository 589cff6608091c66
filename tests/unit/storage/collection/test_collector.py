"""Each step's effect, and that every doubt ends a collection with nothing taken away."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from collection_scene import (
    Between,
    block,
    deletions,
    needed,
    nothing_leaks,
    objects,
    pass_time,
    stored,
    undelete,
    uses,
)
from copy_scene import ask, source
from neve.domain.blocks import ChunkId
from neve.domain.identities import SnapshotId
from neve.domain.snapshots import CompletionClaim, State
from neve.errors import CollectionStopped, SnapshotNotFound, StoreUnavailable
from neve.events import CollectionEnded, CollectionRefused
from neve.storage.collection.marking import Claims
from neve.storage.progress import Progress
from neve.stores.metadata.contract_needs import Need
from neve.testing.memory_keys import MemoryKeys
from neve.testing.world import ACCOUNT, World
from usage_scene import KEEP_ALL, Filled


def snapshot(world: World, *fills: int, parent: str | None = None, kms_key_arn: str | None = None) -> str:
    """Return a completed snapshot with these blocks, each at the index of its fill."""
    snapshot_id = world.start(parent=parent, kms_key_arn=kms_key_arn)
    for fill in fills:
        world.put(snapshot_id, fill, block(fill))
    assert world.complete(snapshot_id, count=len(fills)) is State.COMPLETED
    return snapshot_id


def gone(world: World, snapshot_id: str) -> None:
    """Delete a snapshot, and let a moment pass."""
    world.delete(snapshot_id)
    pass_time(world)


# --- what goes, and what stays


def test_a_deleted_snapshot_takes_its_chunks_with_it_and_no_other_ones(world: World) -> None:
    kept = snapshot(world, 1, 2)
    image = world.read(kept)
    before = stored(world)
    gone(world, snapshot(world, 2, 3, 300))
    going = len(stored(world) - before)
    found = world.collect()
    assert stored(world) == before
    assert (found.undos_closed, found.snapshots_forgotten, found.chunks_dropped) == (1, 1, going)
    world.restart()
    assert world.read(kept) == image
    nothing_leaks(world)


def test_bytes_go_when_condemned_segments_were_kept_long_enough(world: World) -> None:
    gone(world, snapshot(world, 1, 2))
    there = objects(world)
    found = world.collect(keep_s=3)
    assert found.segments_condemned == len(there)
    assert found.bytes_condemned == sum(map(world.segments.size, there))
    pass_time(world)
    assert world.collect(keep_s=3).segments_deleted == 0
    assert objects(world) == there
    for _ in range(3):
        pass_time(world)
    again = world.collect(keep_s=3)
    assert (again.segments_deleted, again.bytes_deleted) == (len(there), found.bytes_condemned)
    assert objects(world) == set()
    assert uses(world) == {}


def test_a_deletion_can_be_undone_until_a_collection_after_its_time_and_not_after_that(world: World) -> None:
    snapshot_id = snapshot(world, 1, 300)
    image = world.read(snapshot_id)
    gone(world, snapshot_id)
    assert world.collect(undo_s=10).undos_closed == 0
    undelete(world, snapshot_id)
    world.restart()
    assert world.read(snapshot_id) == image
    gone(world, snapshot_id)
    assert world.collect().undos_closed == 1
    with pytest.raises(SnapshotNotFound):
        undelete(world, snapshot_id)
    assert stored(world) == set()


def test_what_is_in_the_recycle_bin_stays(world: World) -> None:
    snapshot_id = snapshot(world, 1, 2)
    image = world.read(snapshot_id)
    world.metadata.lifecycle.change_rules(ACCOUNT, lambda _: KEEP_ALL)
    gone(world, snapshot_id)
    nothing_leaks(world)
    world.restart()
    world.metadata.lifecycle.restore(ACCOUNT, SnapshotId(snapshot_id), now_ms=world.clock.now_ms())
    assert world.read(snapshot_id) == image


def test_a_child_keeps_what_it_has_of_a_parent_that_is_gone(world: World) -> None:
    parent = snapshot(world, 1, 2, 300)
    completed, pending = snapshot(world, 2, 4, parent=parent), world.start(parent=parent)
    gone(world, parent)
    nothing_leaks(world)
    world.restart()
    assert world.read(completed) == {index: block(index) for index in (1, 2, 4, 300)}
    world.put(pending, 5, block(5))
    assert world.complete(pending, count=1) is State.COMPLETED
    assert world.read(pending) == {index: block(index) for index in (1, 2, 5, 300)}


def test_a_copy_under_way_keeps_its_source(make_world: Callable[..., World]) -> None:
    keys = MemoryKeys()
    world = make_world(keys=keys)
    source_id = source(world, {index: block(index) for index in range(10)})
    copy = ask(world, source_id, encrypted=True, kms_key_id=keys.make_key(ACCOUNT)).snapshot_id
    for _ in range(2):  # resolved, and some blocks carried
        [under_way] = world.metadata.lifecycle.copies(after=None, limit=10)
        world.copier.advance(under_way)
    gone(world, source_id)
    nothing_leaks(world)
    world.restart()
    world.copy_all()
    assert world.read(copy) == {index: block(index) for index in range(10)}
    nothing_leaks(world)


def test_an_upload_under_way_stays_and_one_that_failed_goes(world: World) -> None:
    pending, failed = world.start(), world.start()
    world.put(pending, 1, block(1))
    world.put(failed, 2, block(2))
    assert world.complete(failed, count=7) is State.ERROR
    pass_time(world)
    world.collect()
    assert stored(world) == needed(world)
    assert len(stored(world)) == 1
    assert world.complete(pending, count=1) is State.COMPLETED


def test_completed_snapshots_keep_their_chunks_when_their_rows_are_gone(world: World) -> None:
    snapshot_id = snapshot(world, 1, 2, 300)
    found = world.collect()
    assert (found.snapshots_settled, found.chunks_dropped) == (1, 0)
    assert found.rows_dropped == 3 + 5  # blocks; two leaves, what is above each, the root
    assert world.metadata.statistics().block_rows == 0
    assert world.collect().snapshots_settled == 0
    world.restart()
    assert len(world.read(snapshot_id)) == 3


def test_a_node_that_is_held_leads_on_all_the_same(world: World) -> None:
    """Rows of an upload are marked, then it is finished: the nodes that it holds lead to more than was marked."""
    parent = snapshot(world)
    given_up = world.start(parent=parent)
    world.put(given_up, 2, block(2))
    kept = snapshot(world, 1, 2, parent=parent)
    image = world.read(kept)
    world.collect()
    between = Between(world)

    def finish_and_give_up(_number: int, call: str) -> None:
        if call == "metadata.blocks":
            between.on_return = give_up
            world.put(given_up, 1, block(1))
            record = world.metadata.snapshot(ACCOUNT, SnapshotId(given_up))
            Filled.half_seal(world, record, CompletionClaim(changed_blocks_count=2, aggregate=None))

    def give_up(_number: int, call: str) -> None:
        if call.endswith("close_undo"):
            world.delete(given_up)

    between.on_return = finish_and_give_up
    between.collect()
    world.restart()
    assert world.read(kept) == image


def test_the_archive_is_brought_up_to_date_before_chunks_go(world: World) -> None:
    gone(world, snapshot(world, 1))
    [name] = world.archive.names("snapshot", after=None, limit=10)
    between = Between(world)

    def look(_number: int, call: str) -> None:
        if call.endswith("drop_chunks"):
            assert world.archive.names("snapshot", after=None, limit=10) == []

    between.on_call = look
    assert between.collect().chunks_dropped
    assert stored(world) == set()
    assert name not in world.archive.names("snapshot", after=None, limit=10)


def test_it_says_what_it_does_and_how_far_it_is(world: World) -> None:
    snapshot(world, 1)
    gone(world, snapshot(world, *range(10)))
    told: list[Progress] = []
    found = world.collector().collect(on_progress=told.append)
    assert all(each.done <= each.total or not each.total for each in told)
    assert {each.phase for each in told} >= {"marking what is needed", "letting chunks go"}
    [event] = [each for each in world.found if isinstance(each, CollectionEnded)]
    assert (event.chunks_dropped, event.bytes_condemned) == (found.chunks_dropped, found.bytes_condemned)


def test_whoever_watches_can_end_it_at_any_look(world: World) -> None:
    gone(world, snapshot(world, 1, 2, 300))
    kept = snapshot(world, 4, 5)
    image = world.read(kept)
    looks = 0
    limit = 1

    class Enough(Exception):
        pass

    def check() -> None:
        nonlocal looks
        looks += 1
        if looks == limit:
            raise Enough

    while True:
        looks = 0
        try:
            world.collector().collect(check=check)
        except Enough:
            limit += 1
        else:
            break
        assert world.read(kept) == image
    assert limit > 10
    nothing_leaks(world)


# --- a dry run


def test_a_dry_run_foretells_and_changes_nothing(world: World) -> None:
    snapshot(world, 1, 2)
    gone(world, snapshot(world, 2, 3, 4))
    pending = world.start()
    world.put(pending, 9, block(9))
    before = world.metadata.statistics(), objects(world), deletions(world)
    foretold = world.collector().collect(dry_run=True)
    assert (world.metadata.statistics(), objects(world), deletions(world)) == before
    assert world.found == []
    found = world.collect()
    assert foretold.dry_run
    assert (foretold.undos_closed, foretold.chunks_dropped, foretold.bytes_dropped) == (
        found.undos_closed,
        found.chunks_dropped,
        found.bytes_dropped,
    )
    assert found.chunks_dropped > 0


def test_a_dry_run_counts_what_waits_to_be_deleted(world: World) -> None:
    gone(world, snapshot(world, 1))
    condemned = world.collect()
    pass_time(world)
    foretold = world.collector().collect(dry_run=True)
    assert (foretold.segments_deleted, foretold.bytes_deleted) == (
        condemned.segments_condemned,
        condemned.bytes_condemned,
    )
    assert objects(world)


def test_a_dry_run_ends_no_collection(world: World) -> None:
    gone(world, snapshot(world, 1))
    between = Between(world)
    between.do_at(15, lambda: world.collector().collect(dry_run=True))
    found = between.collect()
    assert not found.overtaken
    assert found.chunks_dropped == 4


# --- two at once


def test_the_older_of_two_collections_ends_quietly_and_says_so(world: World) -> None:
    gone(world, snapshot(world, *range(8)))
    between = Between(world)
    between.do_at(10, world.collect)
    assert between.collect().overtaken
    assert [each.overtaken for each in world.found if isinstance(each, CollectionEnded)] == [False, True]
    nothing_leaks(world)


def test_one_that_finds_the_work_of_a_younger_one_stops_for_no_doubt(world: World) -> None:
    """It marks a map, and meanwhile that is deleted, and its nodes are collected."""
    snapshot_id = snapshot(world, 1, 300)
    between = Between(world)

    def once(_number: int, call: str) -> None:
        if call == "metadata.chunks":
            between.on_call = lambda _number, _call: None
            gone(world, snapshot_id)
            world.collect()

    between.on_call = once
    assert between.collect().overtaken
    assert not [each for each in world.found if isinstance(each, CollectionRefused)]


# --- too much


def test_more_than_a_share_of_all_chunks_is_refused_while_it_can_be_undone(world: World) -> None:
    snapshot(world, 1, 2, 3)
    much = snapshot(world, *range(10, 30))
    image = world.read(much)
    gone(world, much)
    before = stored(world)
    with pytest.raises(CollectionStopped, match=r"of 30 chunks would go \(\d+ %\)"):
        world.collector(share_max=0.5).collect()
    assert stored(world) == before
    [event] = [each for each in world.found if isinstance(each, CollectionRefused)]
    assert "neve undelete" in event.error
    undelete(world, much)
    assert world.read(much) == image
    gone(world, much)
    assert world.collector(share_max=0.5).collect(share_max=0.99).chunks_dropped > 20


def test_a_few_chunks_may_go_whatever_their_share(world: World) -> None:
    gone(world, snapshot(world, 1, 2))
    with pytest.raises(CollectionStopped):
        world.collector(share_max=0.5, free_chunks=4).collect()
    assert world.collector(share_max=0.5, free_chunks=5).collect().chunks_dropped == 5


def test_what_is_being_uploaded_is_not_counted_among_what_would_go(world: World) -> None:
    pending = world.start()
    for index in range(20):
        world.put(pending, index, block(index))
    assert world.collector(share_max=0.01).collect().chunks_dropped == 0


# --- doubts


def taken_away(world: World) -> tuple[object, ...]:
    return stored(world), objects(world), world.metadata.statistics().block_rows, deletions(world)


def doubts(world: World, sentence: str) -> None:
    """Hold a collection, dry or not, to stopping before it takes anything away."""
    pass_time(world)
    gone(world, snapshot(world, 50, 51))
    before = taken_away(world)
    for dry_run in (False, True):
        with pytest.raises(CollectionStopped, match=sentence):
            world.collector().collect(dry_run=dry_run)
    assert taken_away(world) == before


def root_of(world: World, snapshot_id: str) -> ChunkId:
    root = world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id)).root
    assert root is not None
    return root


def spoil(world: World, which: Callable[[int], bool]) -> None:
    """Damage the stored bytes of some chunks: by how many bytes they have once they are decoded."""
    for domain in world.metadata.domains():
        for _, name in [each for each in stored(world) if each[0] == domain.key]:
            record = world.metadata.chunks(domain.key, [name])[name]
            if which(record.plain_bytes):
                world.segments.damage(record.segment, record.offset, b"\xff\xff\xff")  # type: ignore[attr-defined]


def test_a_node_that_is_damaged(world: World) -> None:
    snapshot_id = snapshot(world, 1, 2)
    spoil(world, lambda size: size != world.limits.block_bytes)
    doubts(world, f"the block map that {snapshot_id} needs cannot be read")


def test_a_block_that_is_damaged_is_none(world: World) -> None:
    snapshot(world, 1, 2)
    spoil(world, lambda size: size == world.limits.block_bytes)
    gone(world, snapshot(world, 3))
    assert world.collect().chunks_dropped == 4


def test_a_node_whose_segment_is_missing(world: World) -> None:
    snapshot_id = snapshot(world, 1, 2)
    for name in objects(world):
        world.segments.delete(name)
    doubts(world, f"the block map that {snapshot_id} needs cannot be read")


@pytest.mark.parametrize("fill", [1, None], ids=["block", "root"])
def test_a_chunk_that_has_no_row(world: World, fill: int | None) -> None:
    snapshot_id = snapshot(world, 1, 2)
    root = root_of(world, snapshot_id)
    block_id = next(
        each.chunk_id
        for each in world.metadata.blocks(
            world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id)).key, after=None, limit=1
        )
    )
    world.collect()
    domain = world.metadata.domains()[0].key
    world.metadata.collection._chunks.drop((domain, root if fill is None else block_id))  # type: ignore[attr-defined]
    doubts(world, "cannot be read" if fill is None else "1 chunks that snapshots need have no record")


def test_a_snapshot_without_a_root(world: World) -> None:
    snapshot_id = snapshot(world, 1)
    record = world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id))
    world.metadata._snapshots[record.key] = replace(record, root=None)  # type: ignore[attr-defined]
    doubts(world, "is completed and has no block map")


def test_a_node_of_another_level(world: World) -> None:
    """A root that is a leaf, say: what hangs under it would not be reached."""
    snapshot_id = snapshot(world, 1)
    record = world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id))
    [root] = world.context.chunks.nodes(
        world.context.domains.by_key(record.domain_key), [root_of(world, snapshot_id)]
    )
    world.metadata._snapshots[record.key] = replace(record, root=root.id_at(0))  # type: ignore[attr-defined]
    doubts(world, "a node of level 1 is where one of level 2 should be")


def test_a_root_that_is_no_chunk_id(world: World) -> None:
    snapshot_id = snapshot(world, 1)
    record = world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id))
    world.metadata._snapshots[record.key] = replace(record, root=ChunkId(b"short"))  # type: ignore[attr-defined]
    doubts(world, "has 5 bytes")


def test_a_copy_without_a_source_root(world: World) -> None:
    source_id = source(world, {1: block(1)})
    snapshot_id = ask(world, source_id).snapshot_id
    [copy] = world.metadata.lifecycle.copies(after=None, limit=1)
    world.copier.advance(copy)
    [copy] = world.metadata.lifecycle.copies(after=None, limit=1)
    claims = Claims()
    needs: list[Need] = []
    world.metadata.collection.needed(needs.extend)
    claims.take(needs)
    with pytest.raises(CollectionStopped, match=f"copy {snapshot_id} has a source without a block map"):
        claims.take([replace(need, source_root=None) for need in needs])


def test_a_block_map_that_cannot_be_read_this_time_is_no_damage(world: World) -> None:
    snapshot(world, 1)
    gone(world, snapshot(world, 2))
    before = taken_away(world)
    between = Between(world)

    def unavailable(_number: int, call: str) -> None:
        if call == "segments.read":
            raise StoreUnavailable("not now")

    between.on_call = unavailable
    with pytest.raises(StoreUnavailable, match="not now"):
        between.collect()
    assert taken_away(world) == before
    assert world.damage == []


def test_a_bad_node_that_reads_right_is_right(world: World) -> None:
    """Whoever marked it bad was wrong: it is proven here, and what it leads to is needed."""
    snapshot_id = snapshot(world, 1, 2)
    image = world.read(snapshot_id)
    record = world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id))
    world.metadata.mark_bad(record.domain_key, root_of(world, snapshot_id))
    gone(world, snapshot(world, 3))
    world.collect()
    world.restart()
    assert world.read(snapshot_id) == image
