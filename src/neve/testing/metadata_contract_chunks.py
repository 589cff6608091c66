"""What every metadata store promises about segments, chunks, blocks and holds, and about being shared."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from threading import Barrier, Event

import pytest

from neve.domain.blocks import BlockIndex, ChunkKind
from neve.domain.snapshots import Sealed, Snapshot
from neve.errors import InvariantError, ReservationCancelled, StoreUnavailable
from neve.stores.metadata.contract import Batch, MetadataStatistics, MetadataStore, WriteOutcome
from neve.testing.memory_metadata import FACTS
from neve.testing.metadata_scene import (
    ACCOUNT,
    ALL_WRITTEN,
    MINUTE_MS,
    OTHER_ACCOUNT,
    START_MS,
    UNKNOWN_SNAPSHOT,
    Scene,
    block_write,
    chunk_id,
    chunk_record,
    node_hold,
    segment_name,
)

WRITTEN = WriteOutcome.WRITTEN
NOT_FOUND = WriteOutcome.SNAPSHOT_NOT_FOUND
SEALED = WriteOutcome.SNAPSHOT_SEALED
GONE = WriteOutcome.CHUNK_GONE


class ReservationContract:
    """Names of segments: reserved before use, never used twice, fenced."""

    def test_a_name_is_reserved_once_for_ever(self, scene: Scene) -> None:
        reserved, live, cancelled = segment_name(1001), segment_name(1002), segment_name(1003)
        scene.store.reserve_segments([live, cancelled], now_ms=scene.now_ms)
        scene.publish(Batch(segment=live, segment_bytes=0))
        scene.store.cancel_reservations()
        scene.store.reserve_segments([reserved], now_ms=scene.now_ms)
        before = scene.store.statistics()
        for name in (reserved, live, cancelled):
            with pytest.raises(InvariantError):
                scene.store.reserve_segments([segment_name(1004), name], now_ms=scene.now_ms)
        with pytest.raises(InvariantError):
            scene.store.reserve_segments([segment_name(1004)] * 2, now_ms=scene.now_ms)
        assert scene.store.statistics() == before

    def test_cancelling_takes_back_every_active_reservation(self, scene: Scene) -> None:
        scene.keep(1)
        scene.reserve()
        scene.reserve()
        assert scene.store.cancel_reservations() == 2
        assert scene.store.cancel_reservations() == 0
        assert scene.store.statistics().segments == {"live": 1, "cancelled": 2}

    def test_a_cancelled_writer_is_refused_and_nothing_is_written(self, scene: Scene) -> None:
        pending, sealing = scene.start(), scene.accept(scene.start())
        batch = scene.batch(new=[1], blocks=[block_write(pending, 0, 1)], holds=[node_hold(sealing, 1)])
        scene.store.cancel_reservations()
        before = scene.store.statistics()
        with pytest.raises(ReservationCancelled):
            scene.publish(batch)
        assert scene.store.statistics() == before
        assert scene.store.stored(scene.domain_key, [chunk_id(1)]) == set()
        assert scene.read(pending) == {}

    def test_a_batch_is_published_once(self, scene: Scene) -> None:
        batch = scene.batch(new=[1])
        scene.publish(batch)
        with pytest.raises(ReservationCancelled):
            scene.publish(batch)

    def test_a_name_nobody_reserved_is_refused(self, scene: Scene) -> None:
        with pytest.raises(ReservationCancelled):
            scene.publish(Batch(segment=segment_name(1), segment_bytes=1))


class ChunkContract:
    """Where chunks lie."""

    def test_a_published_chunk_is_found_where_the_batch_put_it(self, scene: Scene) -> None:
        batch = scene.batch(new=[1, 2])
        chunks = [batch.chunks[0], replace(batch.chunks[1], kind=ChunkKind.NODE)]
        scene.publish(replace(batch, chunks=chunks))
        found = scene.store.chunks(scene.domain_key, [chunk_id(2), chunk_id(3), chunk_id(1), chunk_id(0)])
        assert found == {chunk.chunk_id: chunk for chunk in chunks}
        assert scene.store.stored(scene.domain_key, [chunk_id(1), chunk_id(3)]) == {chunk_id(1)}

    def test_a_good_row_stays_when_the_same_chunk_comes_again(self, scene: Scene) -> None:
        scene.keep(1)
        first = scene.store.chunks(scene.domain_key, [chunk_id(1)])
        snapshot = scene.start()
        assert scene.put(snapshot, {0: 1}) == [WRITTEN]
        assert scene.store.chunks(scene.domain_key, [chunk_id(1)]) == first
        assert scene.store.statistics().chunk_rows == 1

    def test_a_chunk_twice_in_a_batch_is_the_first_of_them(self, scene: Scene) -> None:
        batch = scene.batch(new=[1])
        twin = replace(batch.chunks[0], offset=77)
        scene.publish(replace(batch, chunks=[batch.chunks[0], twin]))
        assert scene.store.chunks(scene.domain_key, [chunk_id(1)]) == {chunk_id(1): batch.chunks[0]}

    def test_domains_share_nothing(self, scene: Scene) -> None:
        scene.keep(1)
        assert scene.store.stored(scene.sealed_domain_key, [chunk_id(1)]) == set()
        assert scene.store.chunks(scene.sealed_domain_key, [chunk_id(1)]) == {}
        assert scene.refer(scene.start(domain_key=scene.sealed_domain_key), 0, 1) is GONE

    def test_a_bad_chunk_is_found_but_no_hit_until_it_is_stored_again(self, scene: Scene) -> None:
        old, new = scene.start(), scene.start()
        scene.put(old, {0: 1, 1: 2})
        scene.store.mark_bad(scene.domain_key, chunk_id(1))
        bad = scene.store.chunks(scene.domain_key, [chunk_id(1)])
        assert bad.keys() == {chunk_id(1)}
        assert scene.store.stored(scene.domain_key, [chunk_id(1), chunk_id(2)]) == {chunk_id(2)}
        assert scene.refer(new, 0, 1) is GONE
        assert scene.put(new, {0: 1}) == [WRITTEN]
        assert scene.store.chunks(scene.domain_key, [chunk_id(1)]) != bad
        assert scene.store.stored(scene.domain_key, [chunk_id(1)]) == {chunk_id(1)}
        assert scene.read(old) == {0: 1, 1: 2}
        assert scene.store.statistics().chunk_rows == 2

    def test_marking_a_chunk_without_a_row_marks_nothing(self, scene: Scene) -> None:
        scene.store.mark_bad(scene.domain_key, chunk_id(1))
        scene.keep(1)
        assert scene.store.stored(scene.domain_key, [chunk_id(1)]) == {chunk_id(1)}

    def test_a_chunk_outside_the_batchs_segment_is_a_bug(self, scene: Scene) -> None:
        batch = scene.batch(new=[1, 2])
        elsewhere = chunk_record(2, segment_name(1001), scene.domain_key)
        zeros = chunk_record(0, batch.chunks[0].segment, scene.domain_key)
        before = scene.store.statistics()
        for stranger in (elsewhere, zeros):
            with pytest.raises(InvariantError):
                scene.publish(replace(batch, chunks=[batch.chunks[0], stranger]))
        with pytest.raises(InvariantError):
            scene.publish(replace(batch, segment=None))
        assert scene.store.statistics() == before


class BlockContract:
    """Blocks of pending snapshots, holds of sealing ones."""

    def test_the_last_write_to_an_index_wins(self, scene: Scene) -> None:
        snapshot = scene.start()
        writes = [block_write(snapshot, 5, 1), block_write(snapshot, 3, 2), block_write(snapshot, 5, 2)]
        assert set(scene.publish(scene.batch(new=[1, 2], blocks=writes)).blocks) == ALL_WRITTEN
        assert scene.read(snapshot) == {3: 2, 5: 2}
        scene.put(snapshot, {3: 0})
        scene.put(snapshot, {5: 1, 9: 0})
        assert scene.read(snapshot) == {3: 0, 5: 1, 9: 0}
        assert scene.store.block_count(snapshot.key) == 3

    def test_a_block_of_zeros_needs_no_chunk(self, scene: Scene) -> None:
        snapshot = scene.start()
        assert scene.refer(snapshot, 0, 0) is WRITTEN
        assert scene.store.statistics().chunk_rows == 0

    def test_a_block_that_relies_on_a_missing_chunk_is_not_written(self, scene: Scene) -> None:
        snapshot = scene.start()
        scene.put(snapshot, {0: 1})
        assert scene.refer(snapshot, 0, 2) is GONE
        assert scene.read(snapshot) == {0: 1}

    def test_blocks_are_taken_until_the_deadline(self, scene: Scene) -> None:
        snapshot = scene.start(timeout_minutes=10)
        scene.now_ms = snapshot.deadline_ms - 1
        assert scene.refer(snapshot, 0, 0) is WRITTEN
        scene.now_ms += 10 * MINUTE_MS
        assert scene.refer(snapshot, 1, 0) is NOT_FOUND
        assert scene.read(snapshot) == {0: 0}

    def test_every_state_answers_a_block(self, scene: Scene) -> None:
        deleted = scene.start()
        scene.delete(deleted)
        answers = {
            "pending": scene.refer(scene.start(), 0, 0),
            "sealing": scene.refer(scene.accept(scene.start()), 0, 0),
            "completed": scene.refer(scene.complete(scene.start()), 0, 0),
            "error": scene.refer(scene.fail(scene.start()), 0, 0),
            "deleted": scene.refer(deleted, 0, 0),
            "unknown": scene.refer(replace(deleted, key=UNKNOWN_SNAPSHOT), 0, 0),
        }
        assert answers == {
            "pending": WRITTEN,
            "sealing": SEALED,
            "completed": SEALED,
            "error": NOT_FOUND,
            "deleted": NOT_FOUND,
            "unknown": NOT_FOUND,
        }

    def test_every_state_answers_a_hold(self, scene: Scene) -> None:
        scene.keep(900)
        deleted = scene.accept(scene.start())
        scene.delete(deleted)
        answers = {
            "sealing": scene.hold(scene.accept(scene.start()), 900),
            "completed": scene.hold(scene.complete(scene.start()), 900),
            "error": scene.hold(scene.fail(scene.start()), 900),
            "overdue": scene.hold(scene.overdue(), 900),
            "deleted": scene.hold(deleted, 900),
            "unknown": scene.hold(replace(deleted, key=UNKNOWN_SNAPSHOT), 900),
        }
        assert answers == {
            "sealing": WRITTEN,
            "completed": SEALED,
            "error": NOT_FOUND,
            "overdue": NOT_FOUND,
            "deleted": NOT_FOUND,
            "unknown": NOT_FOUND,
        }
        assert scene.store.statistics().holds == 1

    def test_a_hold_needs_a_good_chunk(self, scene: Scene) -> None:
        sealing = scene.accept(scene.start())
        assert scene.hold(sealing, 900) is GONE
        scene.keep(900)
        scene.store.mark_bad(scene.domain_key, chunk_id(900))
        assert scene.hold(sealing, 900) is GONE
        assert scene.hold(sealing, 0) is GONE

    def test_a_node_is_stored_and_held_in_one_batch_and_held_twice_is_held(self, scene: Scene) -> None:
        sealing = scene.accept(scene.start())
        hold = node_hold(sealing, 900)
        assert scene.publish(scene.batch(new=[900], holds=[hold, hold])).holds == [WRITTEN, WRITTEN]
        assert scene.hold(sealing, 900) is WRITTEN
        assert scene.store.statistics().holds == 1

    def test_one_entry_never_harms_another(self, scene: Scene) -> None:
        good, sealing = scene.start(), scene.accept(scene.start())
        result = scene.publish(
            scene.batch(
                new=[1],
                blocks=[
                    block_write(sealing, 0, 1),
                    block_write(good, 0, 1),
                    block_write(good, 1, 7),
                    block_write(replace(good, key=UNKNOWN_SNAPSHOT), 0, 1),
                    block_write(good, 2, 0),
                ],
                holds=[node_hold(sealing, 7), node_hold(sealing, 1)],
            )
        )
        assert result.blocks == [SEALED, WRITTEN, GONE, NOT_FOUND, WRITTEN]
        assert result.holds == [GONE, WRITTEN]
        assert scene.read(good) == {0: 1, 2: 0}

    def test_only_a_written_block_restarts_the_clock(self, scene: Scene) -> None:
        written, refused = scene.start(), scene.start()
        scene.now_ms += MINUTE_MS
        blocks = [block_write(written, 0, 0), block_write(refused, 0, 7)]
        scene.publish(scene.batch(blocks=blocks))
        assert scene.look(written).last_write_ms == START_MS + MINUTE_MS
        assert scene.look(refused).last_write_ms == START_MS

    def test_a_block_written_while_the_clock_is_behind_takes_no_time_away(self, scene: Scene) -> None:
        snapshot = scene.start()
        scene.put(snapshot, {0: 1})
        before = scene.look(snapshot)
        scene.now_ms -= 24 * 60 * MINUTE_MS
        scene.put(snapshot, {1: 1})
        assert scene.look(snapshot) == before
        assert scene.store.expire(now_ms=before.deadline_ms - 1, limit=10) == []
        assert scene.store.expire(now_ms=before.deadline_ms, limit=10) == [snapshot.snapshot_id]

    def test_an_entry_of_another_domain_and_an_early_hold_are_bugs(self, scene: Scene) -> None:
        pending = scene.start()
        batch = scene.batch(new=[1], blocks=[block_write(pending, 0, 1)])
        stranger = replace(block_write(pending, 1, 0), domain_key=scene.sealed_domain_key)
        before = scene.store.statistics()
        with pytest.raises(InvariantError):
            scene.publish(replace(batch, blocks=[*batch.blocks, stranger]))
        with pytest.raises(InvariantError):
            scene.publish(replace(batch, holds=[node_hold(pending, 1)]))
        assert scene.store.statistics() == before
        assert set(scene.publish(batch).blocks) == ALL_WRITTEN

    def test_completion_keeps_every_row(self, scene: Scene) -> None:
        snapshot = scene.start()
        scene.put(snapshot, {0: 1, 7: 0})
        scene.accept(snapshot)
        scene.publish(scene.batch(new=[900], holds=[node_hold(snapshot, 900)]))
        sealed = Sealed(root=chunk_id(900), block_count=2)
        assert scene.store.finish_completion(snapshot.key, sealed, now_ms=scene.now_ms)
        assert scene.read(snapshot) == {0: 1, 7: 0}
        assert scene.store.statistics().holds == 1

    def test_an_empty_batch_is_no_trouble(self, scene: Scene) -> None:
        result = scene.publish(scene.batch())
        assert (result.blocks, result.holds) == ([], [])


class PagesContract:
    """Reading page by page."""

    @pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 100])
    def test_pages_of_blocks_meet_without_gap_or_overlap(self, scene: Scene, limit: int) -> None:
        snapshot = scene.start(volume_gib=65_536)
        contents = {0: 1, 1: 0, 2: 2, 511: 1, 512: 3, 134_217_727: 2}
        scene.put(snapshot, contents)
        scene.put(scene.start(), {3: 4})
        pages: list[list[int]] = []
        after: BlockIndex | None = None
        while not pages or len(pages[-1]) == limit:
            rows = scene.store.blocks(snapshot.key, after=after, limit=limit)
            pages.append([row.block_index for row in rows])
            after = rows[-1].block_index if rows else after
        assert list(chain.from_iterable(pages)) == sorted(contents)

    @pytest.mark.parametrize("limit", [1, 2, 3, 4, 100])
    def test_pages_of_snapshots_meet_without_gap_or_overlap(self, scene: Scene, limit: int) -> None:
        snapshots = [scene.start(tags={"n": str(number), "a": ""}) for number in range(5)]
        scene.start(account_id=OTHER_ACCOUNT, domain_key=scene.other_domain_key)
        scene.delete(snapshots.pop(2))
        pages: list[list[Snapshot]] = []
        after = None
        while not pages or len(pages[-1]) == limit:
            pages.append(list(scene.store.snapshots(ACCOUNT, after=after, limit=limit)))
            after = pages[-1][-1].key if pages[-1] else after
        assert list(chain.from_iterable(pages)) == snapshots

    def test_an_unknown_snapshot_has_no_blocks(self, store: MetadataStore) -> None:
        assert store.blocks(UNKNOWN_SNAPSHOT, after=None, limit=10) == []
        assert store.block_count(UNKNOWN_SNAPSHOT) == 0

    def test_statistics_count_everything(self, scene: Scene) -> None:
        snapshot = scene.start()
        scene.put(snapshot, {0: 1, 1: 2, 2: 0})
        scene.delete(scene.start())
        scene.reserve()
        scene.accept(snapshot)
        scene.hold(snapshot, 2)
        assert scene.store.statistics() == MetadataStatistics(
            accounts=2,
            snapshots={"sealing": 1, "deleted": 1},
            block_rows=3,
            holds=1,
            chunk_rows=2,
            segments={"live": 1, "reserved": 1},
            stored_bytes=3,
        )

    def test_an_empty_store_counts_nothing(self, store: MetadataStore) -> None:
        assert store.statistics() == MetadataStatistics(accounts=0)

    def test_the_facts_are_those_of_its_creation(self, store: MetadataStore) -> None:
        assert store.facts() == FACTS

    def test_a_closed_store_says_so_and_closing_again_changes_nothing(self, scene: Scene) -> None:
        scene.store.close()
        scene.store.close()
        calls: tuple[Callable[[], object], ...] = (scene.start, scene.store.statistics, scene.store.accounts)
        for call in calls:
            with pytest.raises(StoreUnavailable):
                call()


class SharingContract:
    """Many threads at once."""

    def test_writers_side_by_side_lose_nothing(self, scene: Scene) -> None:
        snapshot = scene.start()
        batches = [
            scene.batch(
                new=[1, 100 + number],
                blocks=[block_write(snapshot, number, 100 + number), block_write(snapshot, 1000, 1)],
            )
            for number in range(40)
        ]
        with ThreadPoolExecutor(8) as pool:
            outcomes = [outcome for result in pool.map(scene.publish, batches) for outcome in result.blocks]
        assert set(outcomes) == ALL_WRITTEN
        assert scene.read(snapshot) == {**{number: 100 + number for number in range(40)}, 1000: 1}
        assert scene.store.statistics().chunk_rows == 41

    def test_a_reader_never_sees_half_a_batch(self, scene: Scene) -> None:
        snapshot = scene.start()
        scene.put(snapshot, {0: 1, 1: 1})
        batches = [
            scene.batch(new=[number], blocks=[block_write(snapshot, index, number) for index in (0, 1)])
            for number in range(2, 60)
        ]
        done, together = Event(), Barrier(4)

        def read() -> set[bool]:
            together.wait()
            seen = set()
            while True:
                last_round = done.is_set()
                contents = scene.read(snapshot)
                seen.add(contents[0] == contents[1])
                if last_round:
                    return seen

        with ThreadPoolExecutor(3) as pool:
            readers = [pool.submit(read) for _ in range(3)]
            together.wait()
            for batch in batches:
                scene.publish(batch)
            done.set()
            assert [reader.result() for reader in readers] == [{True}] * 3

    def test_a_block_is_in_before_the_completion_or_refused(self, scene: Scene) -> None:
        snapshot = scene.start()
        together = Barrier(5)

        def write(writer: int) -> dict[int, WriteOutcome]:
            together.wait()
            return {index: scene.refer(snapshot, index, 0) for index in range(writer, 80, 4)}

        with ThreadPoolExecutor(4) as pool:
            writers = [pool.submit(write, writer) for writer in range(4)]
            together.wait()
            scene.accept(snapshot)
            frozen = scene.read(snapshot)
            outcomes = {index: outcome for each in writers for index, outcome in each.result().items()}
        assert set(outcomes.values()) <= {WRITTEN, SEALED}
        assert scene.read(snapshot) == frozen
        assert {index for index, outcome in outcomes.items() if outcome is WRITTEN} == frozen.keys()
