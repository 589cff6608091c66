"""What every metadata store promises about letting rows go: epochs, the cut, and what nothing needs any more."""
# ruff: noqa: S106 - a client token is no secret

from collections.abc import Callable, Sequence

import pytest

from neve.domain.blocks import ChunkId, ChunkKind
from neve.domain.identities import DomainKey
from neve.domain.snapshots import Snapshot, SnapshotKey, State
from neve.errors import EpochLost, InvariantError, SnapshotNotFound
from neve.stores.metadata.contract import MetadataStore, WriteOutcome
from neve.stores.metadata.contract_collection import ChunkEntry, ChunkKey, ChunkUse, Cut, Dropped, Epoch
from neve.stores.metadata.contract_needs import Need
from neve.testing.metadata_contract_bin import recycle
from neve.testing.metadata_contract_copies import completed_source, resolve, start_copy
from neve.testing.metadata_scene import ACCOUNT, OTHER_ACCOUNT, UNKNOWN_SNAPSHOT, Scene, chunk_id, living_in

MANY = 1_000


def cut_of(scene: Scene, epoch: Epoch) -> tuple[Cut, Sequence[Need], Sequence[SnapshotKey]]:
    """Return a cut with all that it gave."""
    needs: list[Need] = []
    unsettled: list[SnapshotKey] = []
    cut = scene.store.collection.cut(epoch, needs=needs.extend, unsettled=unsettled.extend)
    return cut, needs, unsettled


def entries(scene: Scene, domain_key: DomainKey | None = None) -> Sequence[ChunkEntry]:
    """Return every chunk row of a domain."""
    key = scene.domain_key if domain_key is None else domain_key
    return scene.store.collection.chunk_entries(key, after=None, limit=MANY)


def there(scene: Scene) -> Sequence[ChunkId]:
    return [entry.chunk_id for entry in entries(scene)]


def settle(scene: Scene, epoch: Epoch, snapshot: Snapshot) -> int:
    """Drop all rows of a completed snapshot; return how many there were."""
    return scene.store.collection.drop_rows(epoch, snapshot.key, limit=MANY)


def drop(scene: Scene, epoch: Epoch, *numbers: int, newest: ChunkKey | None = None) -> int:
    """Drop those of the chunks that may go; return how many did."""
    keys = [entry.chunk_key for entry in entries(scene)]
    dropped = scene.store.collection.drop_chunks(
        epoch,
        scene.domain_key,
        [chunk_id(number) for number in numbers],
        newest=max(keys, default=ChunkKey(0)) if newest is None else newest,
    )
    return dropped.chunks


def written(scene: Scene, *, hold: int | None = None) -> Snapshot:
    """Return a completed snapshot with chunks 1 and 2 in two blocks, and a hold if asked for."""
    snapshot = scene.start()
    scene.put(snapshot, {0: 1, 5: 2})
    scene.accept(snapshot)
    if hold is not None:
        scene.keep(hold)
        scene.hold(snapshot, hold)
    return scene.complete_sealing(snapshot)


def forgettable(scene: Scene) -> Snapshot:
    """Return a deleted snapshot that nothing keeps any more."""
    snapshot = scene.start()
    scene.delete(snapshot)
    scene.store.reap(limit=MANY)
    return snapshot


DEMANDING: dict[str, Callable[[MetadataStore, Epoch, Snapshot], object]] = {
    "cut": lambda store, epoch, _: store.collection.cut(epoch, needs=_refuse, unsettled=_refuse),
    "drop_rows": lambda store, epoch, found: store.collection.drop_rows(epoch, found.key, limit=10),
    "drop_chunks": lambda store, epoch, found: store.collection.drop_chunks(
        epoch, found.domain_key, [chunk_id(9)], newest=ChunkKey(1 << 40)
    ),
    "forget_snapshots": lambda store, epoch, _: store.collection.forget_snapshots(epoch, limit=10),
    "close_undo": lambda store, epoch, _: store.collection.close_undo(
        epoch, deleted_before_ms=1 << 60, limit=10
    ),
}


def _refuse(_slice: Sequence[object]) -> None:
    raise AssertionError("nothing is shown to whoever lost the epoch")


class EpochContract:
    """Only who began last may take anything away."""

    def test_every_epoch_is_above_the_one_before(self, scene: Scene) -> None:
        epochs = [scene.store.collection.begin() for _ in range(3)]
        assert epochs == sorted(set(epochs))

    @pytest.mark.parametrize("method", DEMANDING)
    def test_who_lost_the_epoch_changes_nothing(self, scene: Scene, method: str) -> None:
        unsettled, deleted = written(scene), scene.complete(scene.start())
        scene.delete(deleted)
        forgotten = forgettable(scene)
        scene.keep(9)
        lost, own = scene.store.collection.begin(), scene.store.collection.begin()
        before = scene.store.statistics()
        for epoch in (lost, Epoch(own + 1)):
            with pytest.raises(EpochLost):
                DEMANDING[method](scene.store, epoch, unsettled)
        assert scene.store.statistics() == before
        assert drop(scene, own, 9) == 1
        assert settle(scene, own, unsettled) == 2
        assert scene.store.collection.forget_snapshots(own, limit=10) == [forgotten.snapshot_id]
        closed = scene.store.collection.close_undo(own, deleted_before_ms=scene.now_ms + 1, limit=10)
        assert closed == [deleted.snapshot_id]


class CutContract:
    """What a collector is shown of one moment."""

    def test_an_empty_store_has_nothing_to_give(self, scene: Scene) -> None:
        cut, needs, unsettled = cut_of(scene, scene.store.collection.begin())
        assert (cut, needs, unsettled) == (Cut(newest_chunk=ChunkKey(0), chunk_rows=0), [], [])

    def test_what_lives_is_needed_and_so_is_what_can_be_undone(self, scene: Scene) -> None:
        epoch = scene.store.collection.begin()
        source = completed_source(scene)
        copy = resolve(scene, start_copy(scene), source)
        in_bin, deleted = (
            recycle(scene, scene.start()),
            scene.complete(scene.start(), root=901, block_count=7),
        )
        scene.fail(scene.start())
        never_completed = scene.start()
        child = scene.start(parent_id=deleted.snapshot_id)
        alive = living_in(scene.store)
        for snapshot in (deleted, never_completed):
            scene.delete(snapshot)
        cut, needs, _ = cut_of(scene, epoch)
        assert [need.key for need in needs] == [each.key for each in (source, copy, in_bin, deleted, child)]
        (undone,) = [need for need in needs if need.state is State.DELETED]
        assert (undone.key, undone.root, undone.block_count) == (deleted.key, chunk_id(901), 7)
        assert not undone.is_written
        assert [need for need in needs if need != undone] == [
            need for need in alive if need.key not in {deleted.key, never_completed.key}
        ]
        shown: list[Need] = []
        assert scene.store.collection.needed(shown.extend) == cut
        assert shown == needs

    def test_living_does_not_count_what_can_be_undone(self, scene: Scene) -> None:
        scene.delete(scene.complete(scene.start()))
        assert living_in(scene.store) == []

    def test_what_was_completed_is_unsettled_deleted_or_not(self, scene: Scene) -> None:
        epoch = scene.store.collection.begin()
        kept, in_bin, deleted, settled = (written(scene) for _ in range(4))
        recycle(scene, in_bin)
        scene.delete(deleted)
        settle(scene, epoch, settled)
        scene.put(scene.start(), {0: 1})
        scene.accept(scene.start())
        scene.delete(scene.start())
        _, _, unsettled = cut_of(scene, epoch)
        assert unsettled == [kept.key, in_bin.key, deleted.key]

    def test_it_counts_chunk_rows_and_knows_the_newest(self, scene: Scene) -> None:
        epoch = scene.store.collection.begin()
        scene.keep(3, 1)
        cut, _, _ = cut_of(scene, epoch)
        assert cut == Cut(newest_chunk=max(entry.chunk_key for entry in entries(scene)), chunk_rows=2)
        scene.keep(2)
        later = [entry.chunk_key for entry in entries(scene) if entry.chunk_id == chunk_id(2)]
        assert later > [cut.newest_chunk]

    def test_very_many_come_once_and_in_order(self, scene: Scene) -> None:
        keys = [scene.complete(scene.start()).key for _ in range(1_003)]
        _, needs, unsettled = cut_of(scene, scene.store.collection.begin())
        assert [need.key for need in needs] == keys
        assert unsettled == keys


class DropRowsContract:
    """Block rows and holds of completed snapshots, once a mark spoke for them."""

    def test_they_go_a_slice_at_a_time_until_it_is_settled(self, scene: Scene) -> None:
        epoch, snapshot = scene.store.collection.begin(), written(scene, hold=900)
        kept = scene.start()
        scene.refer(kept, 0, 1)
        assert scene.store.collection.drop_rows(epoch, snapshot.key, limit=1) == 1
        assert scene.read(snapshot) == {5: 2}
        assert scene.store.collection.drop_rows(epoch, snapshot.key, limit=2) == 2
        assert cut_of(scene, epoch)[2] == [snapshot.key], "nobody has seen yet that none are left"
        assert scene.store.collection.drop_rows(epoch, snapshot.key, limit=1) == 0
        assert cut_of(scene, epoch)[2] == []
        statistics = scene.store.statistics()
        assert (statistics.block_rows, statistics.holds) == (1, 0)
        assert scene.read(kept) == {0: 1}
        assert scene.look(snapshot) == snapshot

    def test_of_a_settled_one_and_of_none_there_is_nothing_to_drop(self, scene: Scene) -> None:
        epoch, snapshot = scene.store.collection.begin(), written(scene)
        assert settle(scene, epoch, snapshot) == 2
        for key in (snapshot.key, UNKNOWN_SNAPSHOT):
            assert scene.store.collection.drop_rows(epoch, key, limit=10) == 0

    def test_rows_of_one_that_never_completed_are_not_to_be_dropped_like_that(self, scene: Scene) -> None:
        epoch = scene.store.collection.begin()
        pending, sealing, failed, deleted = (scene.start() for _ in range(4))
        for snapshot in (pending, sealing, failed, deleted):
            scene.put(snapshot, {0: 1})
        scene.accept(sealing)
        scene.fail(failed)
        scene.delete(deleted)
        for snapshot in (pending, sealing, failed, deleted):
            with pytest.raises(InvariantError):
                settle(scene, epoch, snapshot)
        assert scene.store.statistics().block_rows == 4


class ChunkEntriesContract:
    """Chunk rows, for whoever goes through all of them."""

    def test_they_come_in_order_a_few_at_a_time_of_one_domain(self, scene: Scene) -> None:
        scene.publish(scene.batch(new=[3, 1, 2]))
        scene.publish(scene.batch(new=[4], domain_key=scene.sealed_domain_key))
        scene.store.mark_bad(scene.domain_key, chunk_id(2))
        page = scene.store.collection.chunk_entries
        first = page(scene.domain_key, after=None, limit=2)
        assert [(entry.chunk_id, entry.bad) for entry in first] == [(chunk_id(1), False), (chunk_id(2), True)]
        (last,) = page(scene.domain_key, after=chunk_id(2), limit=2)
        assert last == ChunkEntry(
            chunk_key=last.chunk_key, chunk_id=chunk_id(3), kind=ChunkKind.BLOCK, stored_bytes=3, bad=False
        )
        assert page(scene.domain_key, after=chunk_id(3), limit=2) == []
        assert [entry.chunk_id for entry in entries(scene, scene.sealed_domain_key)] == [chunk_id(4)]

    def test_a_healed_chunk_keeps_its_key_and_one_that_was_dropped_does_not_come_back_with_it(
        self, scene: Scene
    ) -> None:
        epoch = scene.store.collection.begin()
        scene.keep(1)
        (first,) = entries(scene)
        scene.store.mark_bad(scene.domain_key, chunk_id(1))
        scene.keep(1)
        assert entries(scene) == [first]
        assert drop(scene, epoch, 1) == 1
        scene.keep(1)
        (second,) = entries(scene)
        assert second.chunk_key > first.chunk_key


class DropChunksContract:
    """Chunk rows that nothing needs."""

    def test_what_a_row_names_stays_and_the_rest_goes(self, scene: Scene) -> None:
        epoch = scene.store.collection.begin()
        snapshot = written(scene, hold=7)
        scene.keep(5, 6)
        numbers = (1, 2, 5, 6, 7, 8)
        dropped = scene.store.collection.drop_chunks(
            epoch,
            scene.domain_key,
            [chunk_id(number) for number in numbers],
            newest=ChunkKey(1 << 40),
        )
        assert dropped == Dropped(chunks=2, stored_bytes=11)
        assert there(scene) == [chunk_id(1), chunk_id(2), chunk_id(7)]
        settle(scene, epoch, snapshot)
        assert drop(scene, epoch, *numbers) == 3
        assert there(scene) == []

    def test_what_a_snapshot_deleted_or_in_error_still_names_stays_until_its_rows_are_gone(
        self, scene: Scene
    ) -> None:
        epoch = scene.store.collection.begin()
        failed = scene.start()
        scene.put(failed, {0: 1})
        scene.fail(failed)
        assert drop(scene, epoch, 1) == 0
        scene.store.reap(limit=MANY)
        assert drop(scene, epoch, 1) == 1

    def test_what_came_after_the_cut_stays(self, scene: Scene) -> None:
        epoch = scene.store.collection.begin()
        scene.keep(1)
        cut, _, _ = cut_of(scene, epoch)
        scene.keep(2)
        assert drop(scene, epoch, 1, 2, newest=cut.newest_chunk) == 1
        assert there(scene) == [chunk_id(2)]

    def test_a_deduplication_hit_and_a_drop_are_one_after_the_other(self, scene: Scene) -> None:
        """Whichever comes first, no row is left that names nothing."""
        epoch, snapshot = scene.store.collection.begin(), scene.start()
        scene.keep(1, 2)
        assert scene.refer(snapshot, 0, 1) is WriteOutcome.WRITTEN
        assert drop(scene, epoch, 1, 2) == 1
        assert scene.refer(snapshot, 1, 2) is WriteOutcome.CHUNK_GONE
        assert scene.read(snapshot) == {0: 1}

    def test_the_same_name_in_another_domain_is_another_chunk(self, scene: Scene) -> None:
        epoch = scene.store.collection.begin()
        scene.keep(1)
        scene.publish(scene.batch(new=[1], domain_key=scene.sealed_domain_key))
        assert drop(scene, epoch, 1) == 1
        assert [entry.chunk_id for entry in entries(scene, scene.sealed_domain_key)] == [chunk_id(1)]

    def test_repeating_it_drops_nothing_more(self, scene: Scene) -> None:
        epoch = scene.store.collection.begin()
        scene.keep(1)
        assert drop(scene, epoch, 1, 1) == 1
        assert drop(scene, epoch, 1) == 0

    def test_a_bad_chunk_goes_like_any_other_and_is_not_bad_when_it_comes_again(self, scene: Scene) -> None:
        epoch = scene.store.collection.begin()
        scene.keep(1)
        scene.store.mark_bad(scene.domain_key, chunk_id(1))
        assert drop(scene, epoch, 1) == 1
        scene.keep(1)
        assert scene.store.stored(scene.domain_key, [chunk_id(1)]) == {chunk_id(1)}


class UsesContract:
    """Who names a chunk."""

    def test_rows_are_told_by_snapshot_and_index_dropped_ones_left_out(self, scene: Scene) -> None:
        failed = scene.start()
        scene.put(failed, {0: 1})
        scene.fail(failed)
        first, second = scene.start(), scene.start()
        scene.put(second, {9: 1, 3: 1, 4: 2})
        scene.put(first, {2: 1})
        foreign = scene.start(domain_key=scene.sealed_domain_key)
        scene.put(foreign, {0: 1})
        scene.accept(second)
        scene.hold(second, 1)
        completed = scene.complete_sealing(second)
        scene.delete(completed)
        everything = [
            ChunkUse(snapshot_id=first.snapshot_id, block_index=2),
            ChunkUse(snapshot_id=second.snapshot_id, block_index=None),
            ChunkUse(snapshot_id=second.snapshot_id, block_index=3),
            ChunkUse(snapshot_id=second.snapshot_id, block_index=9),
        ]
        assert scene.store.collection.uses(scene.domain_key, chunk_id(1), limit=10) == everything
        assert scene.store.collection.uses(scene.domain_key, chunk_id(1), limit=3) == everything[:3]
        assert scene.store.collection.uses(scene.domain_key, chunk_id(8), limit=3) == []


class ForgetSnapshotsContract:
    """Deleted snapshots that nothing refers to any more."""

    def test_one_goes_once_its_undo_its_rows_and_its_token_are_gone(self, scene: Scene) -> None:
        collection = scene.store.collection
        epoch = collection.begin()
        snapshot = scene.start(client_token="once")
        scene.put(snapshot, {0: 1})
        completed = scene.complete(snapshot)
        steps: list[Callable[[], object]] = [
            lambda: scene.delete(completed),
            lambda: collection.close_undo(epoch, deleted_before_ms=scene.now_ms + 1, limit=10),
            lambda: settle(scene, epoch, completed),
            lambda: scene.store.forget_client_tokens(used_before_ms=scene.now_ms + 1, limit=10),
        ]
        for step in steps:
            assert collection.forget_snapshots(epoch, limit=10) == []
            step()
        assert collection.forget_snapshots(epoch, limit=10) == [snapshot.snapshot_id]
        assert collection.forget_snapshots(epoch, limit=10) == []
        assert scene.store.statistics().snapshots == {}
        assert scene.start().key > snapshot.key, "keys are never used twice"

    def test_one_that_never_completed_goes_once_its_rows_are_reaped(self, scene: Scene) -> None:
        epoch, snapshot = scene.store.collection.begin(), scene.start()
        scene.put(snapshot, {0: 1})
        scene.delete(snapshot)
        assert scene.store.collection.forget_snapshots(epoch, limit=10) == []
        scene.store.reap(limit=MANY)
        assert scene.store.collection.forget_snapshots(epoch, limit=10) == [snapshot.snapshot_id]
        assert scene.read(snapshot) == {}
        assert scene.store.block_count(snapshot.key) == 0

    def test_only_deleted_ones_go_and_only_so_many(self, scene: Scene) -> None:
        epoch = scene.store.collection.begin()
        alive = [scene.start(), scene.accept(scene.start()), scene.fail(scene.start()), written(scene)]
        settle(scene, epoch, alive[-1])
        gone = [forgettable(scene).snapshot_id for _ in range(3)]
        scene.store.reap(limit=MANY)
        assert scene.store.collection.forget_snapshots(epoch, limit=2) == gone[:2]
        assert scene.store.collection.forget_snapshots(epoch, limit=2) == gone[2:]
        assert [scene.look(each) for each in alive] == alive

    def test_children_copies_and_guests_of_one_live_on(self, scene: Scene) -> None:
        epoch = scene.store.collection.begin()
        parent = scene.complete(scene.start())
        scene.store.modify_permissions(ACCOUNT, parent.snapshot_id, add=[OTHER_ACCOUNT])
        scene.store.put_tags(OTHER_ACCOUNT, [parent.snapshot_id], {"a": "b"}, tags_max=9)
        child = scene.start(parent_id=parent.snapshot_id)
        copy = resolve(scene, start_copy(scene, source_id=parent.snapshot_id), parent)
        scene.delete(parent)
        scene.store.collection.close_undo(epoch, deleted_before_ms=scene.now_ms + 1, limit=10)
        settle(scene, epoch, parent)
        assert scene.store.collection.forget_snapshots(epoch, limit=10) == [parent.snapshot_id]
        assert scene.look(child) == child
        assert scene.look(copy) == copy
        with pytest.raises(SnapshotNotFound):
            scene.store.visible_snapshot(OTHER_ACCOUNT, parent.snapshot_id)
