"""Objects against records: what is cancelled goes, what is unexplained stays, what is missing is told and bars its chunks."""

import pytest

from collection_scene import Between, block, objects, pass_time, uses
from neve.domain.snapshots import State
from neve.errors import StoreUnavailable
from neve.events import ObjectsUnexplained, SegmentFoundMissing
from neve.stores.metadata.contract_collection import SegmentState
from neve.stores.metadata.placement import SegmentName
from neve.testing.world import World

STRAY = SegmentName("7" * 32)


def test_what_a_writer_left_that_was_cancelled_is_kept_for_a_while_and_goes(world: World) -> None:
    world.metadata.reserve_segments([STRAY], now_ms=0)
    world.segments.write(STRAY, [b"never published"])
    assert world.collect().segments_deleted == 0
    assert objects(world) == {STRAY}, "somebody may be about to publish it"
    world.restart()
    assert world.collect().segments_deleted == 0
    assert objects(world) == {STRAY}, "the database may be an older copy, and the newer one knows better"
    pass_time(world)
    found = world.collect()
    assert (found.segments_deleted, found.bytes_deleted) == (1, 15)
    assert objects(world) == set()
    assert world.metadata.collection.segment_states([STRAY]) == {STRAY: SegmentState.CANCELLED}


def test_a_dry_run_counts_what_was_cancelled_and_leaves_it(world: World) -> None:
    world.metadata.reserve_segments([STRAY], now_ms=0)
    world.segments.write(STRAY, [b"never published"])
    world.restart()
    found = world.collector().collect(dry_run=True)
    assert (found.segments_deleted, found.bytes_deleted) == (1, 15)
    assert objects(world) == {STRAY}


def test_what_was_cancelled_stays_where_something_is_unexplained(world: World) -> None:
    """As when the database is an older one: what it knows as reserved, and cancels, was published since."""
    world.metadata.reserve_segments([STRAY], now_ms=0)
    world.segments.write(STRAY, [b"acknowledged, as a newer database knew"])
    other = SegmentName("8" * 32)
    world.segments.write(other, [b"so was this"])
    world.restart()
    found = world.collect()
    assert (found.segments_deleted, found.unexplained_names) == (0, (other,))
    assert objects(world) == {STRAY, other}


@pytest.mark.parametrize("dry_run", [False, True])
def test_what_no_record_explains_is_told_and_left_alone(world: World, *, dry_run: bool) -> None:
    world.segments.write(STRAY, [b"from a newer database"])
    found = world.collector().collect(dry_run=dry_run)
    assert (found.unexplained, found.unexplained_names) == (1, (STRAY,))
    assert objects(world) == {STRAY}
    told = [each for each in world.found if isinstance(each, ObjectsUnexplained)]
    assert told == ([] if dry_run else [ObjectsUnexplained(count=1, segments=(STRAY,))])


def test_only_the_first_unexplained_objects_are_named_and_all_are_counted(world: World) -> None:
    for number in range(250):
        world.segments.write(SegmentName(f"{number:032x}"), [b"stray"])
    found = world.collect()
    assert (found.unexplained, len(found.unexplained_names)) == (250, 100)


def test_a_segment_that_is_missing_is_told_and_an_upload_heals_it(world: World) -> None:
    pending = world.start()
    world.put(pending, 1, block(1))
    [name] = objects(world)
    world.segments.delete(name)
    assert world.collector().collect(dry_run=True).missing_names == (name,)
    [chunk] = world.metadata.collection.segment_chunks(name)
    assert not chunk.bad, "a dry run only looks"
    found = world.collect()
    assert (found.missing, found.missing_names) == (1, (name,))
    assert SegmentFoundMissing(segment=name, chunks=1) in world.found
    [chunk] = world.metadata.collection.segment_chunks(name)
    assert chunk.bad
    world.put(pending, 2, block(1))
    assert world.complete(pending, count=2) is State.COMPLETED
    world.restart()
    assert world.read(pending) == {1: block(1), 2: block(1)}
    pass_time(world)
    assert world.collect().missing == 0


def test_a_segment_that_is_being_condemned_and_deleted_by_another_collection_is_neither(world: World) -> None:
    """It is listed and then gone, with its record; or it is among the records and then gone."""
    pending = world.start()
    world.put(pending, 1, block(1))
    world.delete(pending)
    pass_time(world)
    world.collect()
    [name] = objects(world)
    pass_time(world)
    for call in ("metadata.collection.segment_states", "segments.size"):
        between = Between(world)

        def gone(_number: int, name_of_call: str, wanted: str = call) -> None:
            if name_of_call == wanted:
                world.segments.delete(name)
                world.metadata.collection.forget_segment(name)

        between.on_call = gone
        found = between.collect(keep_s=1_000)
        assert (found.unexplained, found.missing) == (0, 0)


def test_a_segment_that_is_published_meanwhile_is_not_missing(world: World) -> None:
    pending = world.start()
    between = Between(world)
    between.on_return = lambda _number, call: (
        world.put(pending, 1, block(1)) if call == "segments.names" and not objects(world) else None
    )
    found = between.collect()
    assert len(objects(world)) == 1
    assert (found.unexplained, found.missing) == (0, 0)


def test_an_error_in_a_listing_is_no_empty_listing(world: World) -> None:
    pending = world.start()
    world.put(pending, 1, block(1))
    between = Between(world)

    def unavailable(_number: int, call: str) -> None:
        if call == "segments.names":
            raise StoreUnavailable("not now")

    between.on_call = unavailable
    with pytest.raises(StoreUnavailable, match="not now"):
        between.collect()
    assert not any(
        each.bad for name in uses(world) for each in world.metadata.collection.segment_chunks(name)
    )


def test_bytes_that_cannot_be_deleted_keep_their_record(world: World) -> None:
    pending = world.start()
    world.put(pending, 1, block(1))
    world.delete(pending)
    pass_time(world)
    world.collect()
    pass_time(world)
    between = Between(world)

    def unavailable(_number: int, call: str) -> None:
        if call == "segments.delete":
            raise StoreUnavailable("not now")

    between.on_call = unavailable
    with pytest.raises(StoreUnavailable, match="not now"):
        between.collect()
    assert {use.state for use in uses(world).values()} == {SegmentState.CONDEMNED}
    assert world.collect().segments_deleted == 1
    assert objects(world) == set()
    assert uses(world) == {}
