"""What may go, kept in SQLite: one transaction around each function of `records`.

But one: which snapshots may be forgotten is found out beforehand, so that writers wait for no search.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

from neve.domain.blocks import ChunkId
from neve.domain.identities import AccountId, DomainKey, SnapshotId
from neve.domain.snapshots import Snapshot, SnapshotKey
from neve.stores.metadata.contract_collection import (
    ChunkEntry,
    ChunkKey,
    ChunkUse,
    Cut,
    Deletion,
    Dropped,
    Epoch,
    Moved,
    SegmentKey,
    SegmentState,
    SegmentUse,
    StoredChunk,
    VerificationStanding,
)
from neve.stores.metadata.contract_needs import Need
from neve.stores.metadata.placement import ChunkRecord, SegmentName
from neve.stores.metadata.records import collection, undoing
from neve.stores.metadata.sqlite_database import SqliteDatabase


class SqliteCollectionRecords:
    """`contract_collection.CollectionRecords` on the database of a metadata store, which opens and closes it."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    # --- epochs and the cut

    def begin(self) -> Epoch:
        with self._database.writing() as session:
            return collection.begin(session)

    def cut(
        self,
        epoch: Epoch,
        *,
        needs: Callable[[Sequence[Need]], None],
        unsettled: Callable[[Sequence[SnapshotKey]], None],
    ) -> Cut:
        with self._database.reading() as session:
            return collection.cut(session, epoch, needs=needs, unsettled=unsettled)

    def needed(self, take: Callable[[Sequence[Need]], None]) -> Cut:
        with self._database.reading() as session:
            return collection.needed(session, take)

    # --- letting rows go

    def drop_rows(self, epoch: Epoch, snapshot_key: SnapshotKey, *, limit: int) -> int:
        with self._database.writing() as session:
            return collection.drop_rows(session, epoch, snapshot_key, limit=limit)

    def chunk_entries(
        self, domain_key: DomainKey, *, after: ChunkId | None, limit: int
    ) -> Sequence[ChunkEntry]:
        with self._database.reading(one_statement=True) as session:
            return collection.chunk_entries(session, domain_key, after=after, limit=limit)

    def drop_chunks(
        self, epoch: Epoch, domain_key: DomainKey, chunk_ids: Collection[ChunkId], *, newest: ChunkKey
    ) -> Dropped:
        with self._database.writing() as session:
            return collection.drop_chunks(session, epoch, domain_key, chunk_ids, newest=newest)

    def forget_snapshots(self, epoch: Epoch, *, limit: int) -> Sequence[SnapshotId]:
        with self._database.reading(one_statement=True) as session:
            keys = collection.forgettable(session, limit=limit)
        with self._database.writing() as session:
            return collection.forget_snapshots(session, epoch, keys)

    # --- segments

    def segments(self, *, after: SegmentKey | None, limit: int) -> Sequence[SegmentUse]:
        with self._database.reading(one_statement=True) as session:
            return collection.segments(session, after=after, limit=limit)

    def segments_to_verify(
        self, *, verified_before_ms: int, limit: int, after: SegmentUse | None = None
    ) -> Sequence[SegmentUse]:
        with self._database.reading(one_statement=True) as session:
            return collection.segments_to_verify(
                session, verified_before_ms=verified_before_ms, limit=limit, after=after
            )

    def verification_standing(self) -> VerificationStanding:
        with self._database.reading(one_statement=True) as session:
            return collection.verification_standing(session)

    def segment_states(self, names: Collection[SegmentName]) -> Mapping[SegmentName, SegmentState]:
        with self._database.reading() as session:
            return collection.segment_states(session, names)

    def segment_chunks(self, name: SegmentName) -> Sequence[StoredChunk]:
        with self._database.reading(one_statement=True) as session:
            return collection.segment_chunks(session, name)

    def condemn(self, epoch: Epoch, names: Collection[SegmentName], *, now_ms: int) -> Sequence[SegmentName]:
        with self._database.writing() as session:
            return collection.condemn(session, epoch, names, now_ms=now_ms)

    def repoint(
        self, epoch: Epoch, segment: SegmentName, moved: Sequence[Moved], *, segment_bytes: int
    ) -> int:
        with self._database.writing() as session:
            return collection.repoint(session, epoch, segment, moved, segment_bytes=segment_bytes)

    def condemned(self, *, condemned_before_ms: int, limit: int) -> Sequence[SegmentName]:
        with self._database.reading(one_statement=True) as session:
            return collection.condemned(session, condemned_before_ms=condemned_before_ms, limit=limit)

    def found_cancelled(
        self, names: Collection[SegmentName], *, now_ms: int, found_before_ms: int
    ) -> Sequence[SegmentName]:
        with self._database.writing() as session:
            return collection.found_cancelled(session, names, now_ms=now_ms, found_before_ms=found_before_ms)

    def forget_segment(self, name: SegmentName) -> bool:
        with self._database.writing() as session:
            return collection.forget_segment(session, name)

    def set_verified(self, name: SegmentName, *, now_ms: int) -> None:
        with self._database.writing() as session:
            collection.set_verified(session, name, now_ms=now_ms)

    def distrust_verified(self, *, after_ms: int) -> int:
        with self._database.writing() as session:
            return collection.distrust_verified(session, after_ms=after_ms)

    # --- what is bad

    def bad_chunks(self, *, after: ChunkKey | None, limit: int) -> Sequence[tuple[ChunkKey, StoredChunk]]:
        with self._database.reading(one_statement=True) as session:
            return collection.bad_chunks(session, after=after, limit=limit)

    def clear_bad(self, record: ChunkRecord) -> bool:
        with self._database.writing() as session:
            return collection.clear_bad(session, record)

    def uses(self, domain_key: DomainKey, chunk_id: ChunkId, *, limit: int) -> Sequence[ChunkUse]:
        with self._database.reading(one_statement=True) as session:
            return collection.uses(session, domain_key, chunk_id, limit=limit)

    # --- undoing deletions

    def deletions(
        self, account_id: AccountId | None, *, after: SnapshotKey | None, limit: int
    ) -> Sequence[Deletion]:
        with self._database.reading(one_statement=True) as session:
            return undoing.deletions(session, account_id, after=after, limit=limit)

    def undelete(self, account_id: AccountId, snapshot_id: SnapshotId, *, now_ms: int) -> Snapshot:
        with self._database.writing() as session:
            return undoing.undelete(session, account_id, snapshot_id, now_ms=now_ms)

    def close_undo(self, epoch: Epoch, *, deleted_before_ms: int, limit: int) -> Sequence[SnapshotId]:
        with self._database.writing() as session:
            collection.demand(session, epoch)
            return undoing.close(session, deleted_before_ms=deleted_before_ms, limit=limit)
