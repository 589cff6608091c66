"""What every metadata store promises about segments: which there are, what is in them, how they go; and bad chunks."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from neve.errors import EpochLost, InvariantError, ReservationCancelled
from neve.stores.metadata.contract import Batch
from neve.stores.metadata.contract_collection import (
    ChunkKey,
    Epoch,
    Moved,
    SegmentState,
    SegmentUse,
    StoredChunk,
    VerificationStanding,
)
from neve.stores.metadata.placement import ChunkRecord, Encoding, SegmentName
from neve.testing.metadata_contract_collection import drop, entries
from neve.testing.metadata_scene import Scene, chunk_id, chunk_record, segment_name

UNKNOWN_SEGMENT = segment_name(1 << 100)


def stored(scene: Scene, *numbers: int) -> SegmentName:
    """Store chunks in a segment of their own; return its name."""
    batch = scene.batch(new=numbers)
    scene.publish(batch)
    assert batch.segment is not None
    return batch.segment


def empty(scene: Scene, epoch: Epoch) -> SegmentName:
    """Return a live segment that no chunk row names."""
    name = stored(scene, 99)
    assert drop(scene, epoch, 99) == 1
    return name


def condemn(scene: Scene, epoch: Epoch, *names: SegmentName) -> Sequence[SegmentName]:
    return scene.store.collection.condemn(epoch, names, now_ms=scene.now_ms)


def state_of(scene: Scene, name: SegmentName) -> SegmentState | None:
    return scene.store.collection.segment_states([name]).get(name)


def record_of(scene: Scene, number: int) -> ChunkRecord:
    return scene.store.chunks(scene.domain_key, [chunk_id(number)])[chunk_id(number)]


def moved(scene: Scene, segment: SegmentName, *numbers: int) -> Sequence[Moved]:
    """Return what is to be said when chunks are copied into a segment: encoded anew, at other places."""
    return [
        Moved(
            old=record_of(scene, number),
            new=replace(
                record_of(scene, number),
                segment=segment,
                encoding=Encoding.RAW,
                offset=7 + place,
                stored_bytes=50 + place,
            ),
        )
        for place, number in enumerate(numbers)
    ]


class SegmentsContract:
    """Which segments there are."""

    def test_a_cancelled_segment_that_was_found_is_given_back_only_after_a_while(self, scene: Scene) -> None:
        name = scene.reserve()
        records = scene.store.collection
        assert records.found_cancelled([name], now_ms=10, found_before_ms=99) == [], "it is reserved"
        scene.store.cancel_reservations()
        assert records.found_cancelled([name, UNKNOWN_SEGMENT], now_ms=20, found_before_ms=20) == []
        assert records.found_cancelled([name], now_ms=30, found_before_ms=20) == [], "the first time counts"
        assert records.found_cancelled([name], now_ms=5, found_before_ms=21) == [name]
        assert records.condemned(condemned_before_ms=99, limit=9) == []
        assert not records.forget_segment(name)

    def test_published_and_condemned_ones_are_told_with_what_of_them_is_needed(self, scene: Scene) -> None:
        epoch = scene.store.collection.begin()
        scene.reserve()
        first = stored(scene, 3, 4)
        gone = empty(scene, epoch)
        last = stored(scene, 5)
        drop(scene, epoch, 4)
        scene.now_ms += 1
        condemn(scene, epoch, gone)
        page = scene.store.collection.segments(after=None, limit=10)
        assert [use.segment_key for use in page] == sorted(use.segment_key for use in page)
        assert page == [
            use_of(page[0], first, size_bytes=7, chunk_rows=1, live_bytes=3),
            use_of(
                page[1],
                gone,
                size_bytes=99,
                chunk_rows=0,
                live_bytes=0,
                state=SegmentState.CONDEMNED,
                condemned_ms=scene.now_ms,
            ),
            use_of(page[2], last, size_bytes=5, chunk_rows=1, live_bytes=5),
        ]
        assert scene.store.collection.segments(after=None, limit=1) == page[:1]
        assert scene.store.collection.segments(after=page[0].segment_key, limit=1) == page[1:2]
        assert scene.store.collection.segments(after=page[2].segment_key, limit=1) == []

    def test_every_state_has_a_word(self, scene: Scene) -> None:
        epoch = scene.store.collection.begin()
        cancelled = scene.reserve()
        scene.store.cancel_reservations()
        live, condemned, reserved = stored(scene, 1), empty(scene, epoch), scene.reserve()
        condemn(scene, epoch, condemned)
        names = [cancelled, live, condemned, reserved, UNKNOWN_SEGMENT]
        assert scene.store.collection.segment_states(names) == {
            cancelled: SegmentState.CANCELLED,
            live: SegmentState.LIVE,
            condemned: SegmentState.CONDEMNED,
            reserved: SegmentState.RESERVED,
        }

    def test_chunks_of_one_come_by_offset(self, scene: Scene) -> None:
        name = scene.reserve()
        records = [
            replace(chunk_record(number, name, scene.domain_key), offset=offset)
            for number, offset in ((1, 20), (2, 0), (3, 10))
        ]
        scene.publish(Batch(segment=name, segment_bytes=30, chunks=records))
        stored(scene, 9)
        scene.store.mark_bad(scene.domain_key, chunk_id(3))
        assert scene.store.collection.segment_chunks(name) == [
            StoredChunk(record=records[1], bad=False),
            StoredChunk(record=records[2], bad=True),
            StoredChunk(record=records[0], bad=False),
        ]
        assert scene.store.collection.segment_chunks(UNKNOWN_SEGMENT) == []


def use_of(found: SegmentUse, name: SegmentName, **told: Any) -> SegmentUse:
    """Return what is to be told of a segment that was never verified, with the key that was found."""
    never = {"state": SegmentState.LIVE, "verified_ms": 0, "condemned_ms": None}
    return SegmentUse(segment_key=found.segment_key, name=name, **{**never, **told})


class CondemnContract:
    """Segments that no chunk row names."""

    def test_only_a_live_one_without_rows_is_condemned(self, scene: Scene) -> None:
        epoch = scene.store.collection.begin()
        used, first, second, reserved = (
            stored(scene, 1),
            empty(scene, epoch),
            empty(scene, epoch),
            scene.reserve(),
        )
        names = (used, second, reserved, UNKNOWN_SEGMENT, first, first)
        assert set(condemn(scene, epoch, *names)) == {first, second}
        assert condemn(scene, epoch, *names) == []
        assert state_of(scene, used) is SegmentState.LIVE
        assert state_of(scene, reserved) is SegmentState.RESERVED

    def test_a_lost_epoch_condemns_nothing(self, scene: Scene) -> None:
        lost, epoch = scene.store.collection.begin(), scene.store.collection.begin()
        name = empty(scene, epoch)
        with pytest.raises(EpochLost):
            condemn(scene, lost, name)
        assert state_of(scene, name) is SegmentState.LIVE

    def test_the_longest_condemned_come_first_and_only_those_are_forgotten(self, scene: Scene) -> None:
        collection = scene.store.collection
        epoch = collection.begin()
        names = [empty(scene, epoch) for _ in range(3)]
        live = stored(scene, 1)
        for name in (names[2], names[0], names[1]):
            condemn(scene, epoch, name)
            scene.now_ms += 10
        at_ms = scene.now_ms - 10
        order = [names[2], names[0], names[1]]
        assert collection.condemned(condemned_before_ms=at_ms + 1, limit=10) == order
        assert collection.condemned(condemned_before_ms=at_ms, limit=10) == order[:2]
        assert collection.condemned(condemned_before_ms=at_ms + 1, limit=1) == order[:1]
        for name in (live, scene.reserve(), UNKNOWN_SEGMENT):
            assert not collection.forget_segment(name)
        assert collection.forget_segment(names[2])
        assert not collection.forget_segment(names[2])
        assert state_of(scene, names[2]) is None
        assert collection.condemned(condemned_before_ms=at_ms + 1, limit=10) == order[1:]

    def test_nobody_publishes_into_a_condemned_one(self, scene: Scene) -> None:
        epoch = scene.store.collection.begin()
        name = empty(scene, epoch)
        condemn(scene, epoch, name)
        record = chunk_record(1, name, scene.domain_key)
        with pytest.raises(ReservationCancelled):
            scene.publish(Batch(segment=name, segment_bytes=1, chunks=[record]))
        assert entries(scene) == []


class RepointContract:
    """Chunks that were copied into another segment."""

    def test_rows_point_to_the_copies_and_nothing_else_of_them_changes(self, scene: Scene) -> None:
        epoch, old = scene.store.collection.begin(), stored(scene, 1, 2, 3)
        snapshot = scene.start()
        scene.refer(snapshot, 0, 1)
        before = [entry.chunk_key for entry in entries(scene)]
        new = scene.reserve()
        moves = moved(scene, new, 1, 3)
        assert scene.store.collection.repoint(epoch, new, moves, segment_bytes=77) == 2
        assert [record_of(scene, number) for number in (1, 3)] == [move.new for move in moves]
        assert record_of(scene, 2).segment == old
        assert [entry.chunk_key for entry in entries(scene)] == before
        assert scene.read(snapshot) == {0: 1}
        uses = {use.name: use for use in scene.store.collection.segments(after=None, limit=10)}
        assert (uses[new].size_bytes, uses[new].chunk_rows, uses[new].live_bytes) == (77, 2, 101)
        assert (uses[old].chunk_rows, uses[new].verified_ms) == (1, 0)

    def test_rows_that_changed_meanwhile_stay_as_they_are(self, scene: Scene) -> None:
        epoch = scene.store.collection.begin()
        stored(scene, 1, 2, 3, 4)
        new = scene.reserve()
        moves = moved(scene, new, 1, 2, 3, 4)
        scene.store.mark_bad(scene.domain_key, chunk_id(1))
        scene.keep(1)  # healed: its row says something else
        scene.store.mark_bad(scene.domain_key, chunk_id(2))
        drop(scene, epoch, 3)
        healed = record_of(scene, 1)
        assert scene.store.collection.repoint(epoch, new, moves, segment_bytes=1) == 1
        assert record_of(scene, 1) == healed
        assert record_of(scene, 2) == moves[1].old
        assert scene.store.stored(scene.domain_key, [chunk_id(2)]) == set()
        assert [entry.chunk_id for entry in entries(scene)] == [chunk_id(number) for number in (1, 2, 4)]

    @pytest.mark.parametrize("difference", [{"offset": 1}, {"stored_bytes": 1}, {"encoding": Encoding.RAW}])
    def test_rows_that_say_anything_else_stay_as_they_are(
        self, scene: Scene, difference: dict[str, Any]
    ) -> None:
        epoch = scene.store.collection.begin()
        stored(scene, 2)
        new = scene.reserve()
        (move,) = moved(scene, new, 2)
        other = replace(move, old=replace(move.old, **difference))
        assert scene.store.collection.repoint(epoch, new, [other], segment_bytes=1) == 0
        assert record_of(scene, 2) == move.old

    def test_a_segment_to_which_nothing_moved_is_live_and_can_be_condemned(self, scene: Scene) -> None:
        epoch, new = scene.store.collection.begin(), scene.reserve()
        assert scene.store.collection.repoint(epoch, new, [], segment_bytes=1) == 0
        assert state_of(scene, new) is SegmentState.LIVE
        assert condemn(scene, epoch, new) == [new]

    def test_without_epoch_or_reservation_nothing_moves(self, scene: Scene) -> None:
        lost, epoch = scene.store.collection.begin(), scene.store.collection.begin()
        stored(scene, 1)
        cancelled = scene.reserve()
        scene.store.cancel_reservations()
        new = scene.reserve()
        before = record_of(scene, 1)
        with pytest.raises(EpochLost):
            scene.store.collection.repoint(lost, new, moved(scene, new, 1), segment_bytes=1)
        assert state_of(scene, new) is SegmentState.RESERVED
        for name in (cancelled, before.segment, UNKNOWN_SEGMENT):
            with pytest.raises(ReservationCancelled):
                scene.store.collection.repoint(epoch, name, moved(scene, name, 1), segment_bytes=1)
        assert record_of(scene, 1) == before
        assert state_of(scene, cancelled) is SegmentState.CANCELLED

    @pytest.mark.parametrize(
        "change", [{"chunk_id": chunk_id(9)}, {"plain_bytes": 9}, {"segment": segment_name(9)}]
    )
    def test_a_copy_of_something_else_is_a_bug(self, scene: Scene, change: dict[str, Any]) -> None:
        epoch = scene.store.collection.begin()
        stored(scene, 1)
        new = scene.reserve()
        (move,) = moved(scene, new, 1)
        wrong = [move, replace(move, new=replace(move.new, **change))]
        with pytest.raises(InvariantError):
            scene.store.collection.repoint(epoch, new, wrong, segment_bytes=1)
        assert record_of(scene, 1) == move.old
        assert state_of(scene, new) is SegmentState.RESERVED


class VerifiedContract:
    """When each segment was last found right."""

    def test_the_longest_ago_come_first(self, scene: Scene) -> None:
        collection = scene.store.collection
        names = [stored(scene, number) for number in (1, 2, 3, 4)]
        for name, at_ms in ((names[0], 20), (names[1], 10), (names[2], 20)):
            collection.set_verified(name, now_ms=at_ms)
        queue = collection.segments_to_verify(verified_before_ms=21, limit=10)
        assert [use.name for use in queue] == [names[3], names[1], names[0], names[2]]
        assert [use.verified_ms for use in queue] == [0, 10, 20, 20]
        assert collection.segments_to_verify(verified_before_ms=20, limit=10) == queue[:2]
        assert collection.segments_to_verify(verified_before_ms=21, limit=1) == queue[:1]
        for place, use in enumerate(queue, start=1):
            rest = collection.segments_to_verify(verified_before_ms=21, limit=10, after=use)
            assert rest == queue[place:]

    def test_only_live_ones_are_noted_and_asked_for(self, scene: Scene) -> None:
        collection = scene.store.collection
        epoch = collection.begin()
        condemned, reserved = empty(scene, epoch), scene.reserve()
        condemn(scene, epoch, condemned)
        for name in (condemned, reserved, UNKNOWN_SEGMENT):
            collection.set_verified(name, now_ms=5)
        assert collection.segments_to_verify(verified_before_ms=10, limit=10) == []
        (use,) = collection.segments(after=None, limit=10)
        assert (use.name, use.verified_ms) == (condemned, 0)

    def test_moments_that_have_not_come_are_not_believed(self, scene: Scene) -> None:
        collection = scene.store.collection
        early, late = stored(scene, 1), stored(scene, 2)
        collection.set_verified(early, now_ms=10)
        collection.set_verified(late, now_ms=11)
        assert collection.distrust_verified(after_ms=10) == 1
        queue = collection.segments_to_verify(verified_before_ms=100, limit=10)
        assert [(use.name, use.verified_ms) for use in queue] == [(late, 0), (early, 10)]
        assert collection.distrust_verified(after_ms=10) == 0

    def test_how_old_the_oldest_proof_is(self, scene: Scene) -> None:
        collection = scene.store.collection
        nothing = VerificationStanding(segments=0, size_bytes=0, oldest_ms=None, newest_ms=0)
        assert collection.verification_standing() == nothing
        first, second = stored(scene, 3), stored(scene, 4)
        scene.reserve()
        standing = collection.verification_standing()
        assert standing == VerificationStanding(segments=2, size_bytes=7, oldest_ms=scene.now_ms, newest_ms=0)
        collection.set_verified(first, now_ms=scene.now_ms + 20)
        assert collection.verification_standing().oldest_ms == scene.now_ms
        collection.set_verified(second, now_ms=scene.now_ms + 10)
        last = collection.verification_standing()
        assert (last.oldest_ms, last.newest_ms) == (scene.now_ms + 10, scene.now_ms + 20)


class BadChunksContract:
    """Chunks that failed verification."""

    def test_they_come_in_order_a_few_at_a_time(self, scene: Scene) -> None:
        scene.keep(3, 1, 2)
        for number in (1, 3):
            scene.store.mark_bad(scene.domain_key, chunk_id(number))
        page = scene.store.collection.bad_chunks(after=None, limit=10)
        assert [found.record for _, found in page] == [record_of(scene, number) for number in (3, 1)]
        assert [found.bad for _, found in page] == [True, True]
        keys = {entry.chunk_id: entry.chunk_key for entry in entries(scene)}
        assert [key for key, _ in page] == [keys[chunk_id(3)], keys[chunk_id(1)]]
        assert scene.store.collection.bad_chunks(after=None, limit=1) == page[:1]
        assert scene.store.collection.bad_chunks(after=page[0][0], limit=10) == page[1:]
        assert scene.store.collection.bad_chunks(after=ChunkKey(1 << 40), limit=10) == []

    def test_what_was_proven_right_is_good_again(self, scene: Scene) -> None:
        scene.keep(1)
        record = record_of(scene, 1)
        scene.store.mark_bad(scene.domain_key, chunk_id(1))
        assert scene.store.collection.clear_bad(record)
        assert scene.store.collection.clear_bad(record), "it is not bad, as was asked for"
        assert scene.store.stored(scene.domain_key, [chunk_id(1)]) == {chunk_id(1)}
        assert scene.store.collection.bad_chunks(after=None, limit=10) == []

    @pytest.mark.parametrize(
        "difference",
        [
            {"offset": 1},
            {"stored_bytes": 9},
            {"encoding": Encoding.RAW},
            {"segment": UNKNOWN_SEGMENT},
            {"chunk_id": chunk_id(9)},
        ],
    )
    def test_what_was_proven_elsewhere_says_nothing(self, scene: Scene, difference: dict[str, Any]) -> None:
        scene.keep(1)
        record = record_of(scene, 1)
        scene.store.mark_bad(scene.domain_key, chunk_id(1))
        assert not scene.store.collection.clear_bad(replace(record, **difference))
        assert scene.store.stored(scene.domain_key, [chunk_id(1)]) == set()


class SoundnessContract:
    """What a store says of itself."""

    def test_a_sound_store_finds_nothing_wrong_with_itself(self, scene: Scene) -> None:
        scene.put(scene.start(), {1: 7})
        assert scene.store.flaws(lambda: None, limit=5) == []
