"""What may go of the memory store, held to the same contract suite as the durable ones.

It looks through everything whenever it is asked, in as few lines as show what the contract means.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TypeVar

from neve.domain.blocks import ZERO_CHUNK_ID, ChunkId
from neve.domain.identities import AccountId, DomainKey, SnapshotId
from neve.domain.snapshots import Snapshot, SnapshotKey, State
from neve.errors import EpochLost, InvariantError, ReservationCancelled, SnapshotNotFound
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
from neve.testing.memory_chunks import ChunkName, MemoryChunks
from neve.testing.memory_needs import MemoryNeedRecords
from neve.testing.memory_sharing import MemorySharing, Undo

_Found = TypeVar("_Found")

_SLICE = 3
"""Few, so that nobody relies on getting all at once."""


class MemoryCollectionRecords:
    """`contract_collection.CollectionRecords` in the memory store whose lock and dictionaries it is given."""

    def __init__(
        self,
        *,
        alone: Callable[[], AbstractContextManager[None]],
        snapshots: MutableMapping[SnapshotKey, Snapshot],
        chunks: MemoryChunks,
        sharing: MemorySharing,
        needs: MemoryNeedRecords,
        has_token: Callable[[SnapshotKey], bool],
    ) -> None:
        self._alone = alone
        self._snapshots = snapshots
        self._chunks = chunks
        self._sharing = sharing
        self._needs = needs
        self._has_token = has_token
        self._epoch = Epoch(0)

    # --- epochs and the cut

    def begin(self) -> Epoch:
        with self._alone():
            self._epoch = Epoch(self._epoch + 1)
            return self._epoch

    def _demand(self, epoch: Epoch) -> None:
        if epoch != self._epoch:
            raise EpochLost

    def cut(
        self,
        epoch: Epoch,
        *,
        needs: Callable[[Sequence[Need]], None],
        unsettled: Callable[[Sequence[SnapshotKey]], None],
    ) -> Cut:
        with self._alone():
            self._demand(epoch)
            self._give_needs(needs)
            for keys in _slices(sorted(self._chunks.unsettled)):
                unsettled(keys)
            return self._moment()

    def needed(self, take: Callable[[Sequence[Need]], None]) -> Cut:
        with self._alone():
            self._give_needs(take)
            return self._moment()

    def _moment(self) -> Cut:
        newest = max(self._chunks.keys.values(), default=ChunkKey(0))
        return Cut(newest_chunk=newest, chunk_rows=len(self._chunks.records))

    def _give_needs(self, take: Callable[[Sequence[Need]], None]) -> None:
        undone = {key for key in self._snapshots if key in self._sharing.undos}
        for some in _slices(self._needs.all_needs(undone)):
            take(some)

    # --- letting rows go

    def drop_rows(self, epoch: Epoch, snapshot_key: SnapshotKey, *, limit: int) -> int:
        with self._alone():
            self._demand(epoch)
            found = self._snapshots.get(snapshot_key)
            if found is not None and found.completed_ms is None:
                raise InvariantError("no mark speaks for the rows of one that never completed")
            if snapshot_key not in self._chunks.unsettled:
                return 0
            blocks, holds = self._chunks.blocks[snapshot_key], self._chunks.holds[snapshot_key]
            indexes = sorted(blocks)[:limit]
            for index in indexes:
                del blocks[index]
            names = sorted(holds)[: limit - len(indexes)]
            holds.difference_update(names)
            if len(indexes) + len(names) < limit:
                self._chunks.unsettled.remove(snapshot_key)
            return len(indexes) + len(names)

    def chunk_entries(
        self, domain_key: DomainKey, *, after: ChunkId | None, limit: int
    ) -> Sequence[ChunkEntry]:
        with self._alone():
            names = sorted(name for name in self._chunks.records if name[0] == domain_key)
            later = [name for name in names if after is None or name[1] > after]
            return [self._entry(name) for name in later[:limit]]

    def _entry(self, name: ChunkName) -> ChunkEntry:
        record = self._chunks.records[name]
        return ChunkEntry(
            chunk_key=self._chunks.keys[name],
            chunk_id=record.chunk_id,
            kind=record.kind,
            stored_bytes=record.stored_bytes,
            bad=name in self._chunks.bad,
        )

    def drop_chunks(
        self, epoch: Epoch, domain_key: DomainKey, chunk_ids: Collection[ChunkId], *, newest: ChunkKey
    ) -> Dropped:
        with self._alone():
            self._demand(epoch)
            named = {name for names in self._chunks.holds.values() for name in names}
            for key, rows in self._chunks.blocks.items():
                # A snapshot that moved to another domain did so before it had rows.
                domain = self._snapshots[key].domain_key
                named.update((domain, row.chunk_id) for row in rows.values())
            gone = {
                name
                for name in ((domain_key, chunk_id) for chunk_id in chunk_ids)
                if name in self._chunks.records and self._chunks.keys[name] <= newest and name not in named
            }
            stored_bytes = sum(self._chunks.records[name].stored_bytes for name in gone)
            for name in gone:
                self._chunks.drop(name)
            return Dropped(chunks=len(gone), stored_bytes=stored_bytes)

    def forget_snapshots(self, epoch: Epoch, *, limit: int) -> Sequence[SnapshotId]:
        with self._alone():
            self._demand(epoch)
            gone = [key for key in sorted(self._snapshots) if self._is_forgettable(key)][:limit]
            for key in gone:
                self._chunks.forget_snapshot(key)
            return [self._snapshots.pop(key).snapshot_id for key in gone]

    def _is_forgettable(self, key: SnapshotKey) -> bool:
        has_rows = self._chunks.blocks[key] or self._chunks.holds[key] or key in self._chunks.unsettled
        is_deleted = self._snapshots[key].state is State.DELETED
        return is_deleted and not (has_rows or key in self._sharing.undos or self._has_token(key))

    # --- segments

    def segments(self, *, after: SegmentKey | None, limit: int) -> Sequence[SegmentUse]:
        with self._alone():
            there = {SegmentState.LIVE, SegmentState.CONDEMNED}
            uses = sorted(self._uses_of(there), key=lambda use: use.segment_key)
            return [use for use in uses if after is None or use.segment_key > after][:limit]

    def segments_to_verify(
        self, *, verified_before_ms: int, limit: int, after: SegmentUse | None = None
    ) -> Sequence[SegmentUse]:
        with self._alone():
            uses = [
                use
                for use in sorted(self._uses_of({SegmentState.LIVE}), key=_in_turn)
                if use.verified_ms < verified_before_ms
            ]
            return [use for use in uses if after is None or _in_turn(use) > _in_turn(after)][:limit]

    def verification_standing(self) -> VerificationStanding:
        with self._alone():
            live = [each for each in self._chunks.segments.values() if each.state is SegmentState.LIVE]
            return VerificationStanding(
                segments=len(live),
                size_bytes=sum(each.size_bytes for each in live),
                oldest_ms=min((each.verified_ms or each.reserved_ms for each in live), default=None),
                newest_ms=max((each.verified_ms for each in live), default=0),
            )

    def _uses_of(self, states: Collection[SegmentState]) -> Iterator[SegmentUse]:
        for name, segment in self._chunks.segments.items():
            if segment.state in states:
                rows = self._records_in(name)
                yield SegmentUse(
                    segment_key=segment.key,
                    name=name,
                    state=segment.state,
                    size_bytes=segment.size_bytes,
                    chunk_rows=len(rows),
                    live_bytes=sum(record.stored_bytes for record in rows),
                    verified_ms=segment.verified_ms,
                    condemned_ms=segment.condemned_ms,
                )

    def _records_in(self, name: SegmentName) -> Sequence[ChunkRecord]:
        return [record for record in self._chunks.records.values() if record.segment == name]

    def segment_states(self, names: Collection[SegmentName]) -> Mapping[SegmentName, SegmentState]:
        with self._alone():
            segments = self._chunks.segments
            return {name: segments[name].state for name in names if name in segments}

    def segment_chunks(self, name: SegmentName) -> Sequence[StoredChunk]:
        with self._alone():
            records = sorted(self._records_in(name), key=lambda record: (record.offset, self._key_of(record)))
            return [self._stored(record) for record in records]

    def _key_of(self, record: ChunkRecord) -> ChunkKey:
        return self._chunks.keys[record.domain_key, record.chunk_id]

    def _stored(self, record: ChunkRecord) -> StoredChunk:
        return StoredChunk(record=record, bad=(record.domain_key, record.chunk_id) in self._chunks.bad)

    def condemn(self, epoch: Epoch, names: Collection[SegmentName], *, now_ms: int) -> Sequence[SegmentName]:
        with self._alone():
            self._demand(epoch)
            condemned = [
                name
                for name in dict.fromkeys(names)
                if self._state_of(name) is SegmentState.LIVE and not self._records_in(name)
            ]
            for name in condemned:
                self._change(name, state=SegmentState.CONDEMNED, condemned_ms=now_ms)
            return condemned

    def _state_of(self, name: SegmentName) -> SegmentState | None:
        segment = self._chunks.segments.get(name)
        return None if segment is None else segment.state

    def _change(self, name: SegmentName, **changes: object) -> None:
        self._chunks.segments[name] = replace(self._chunks.segments[name], **changes)  # type: ignore[arg-type]  # names of its fields

    def repoint(
        self, epoch: Epoch, segment: SegmentName, moved: Sequence[Moved], *, segment_bytes: int
    ) -> int:
        with self._alone():
            self._demand(epoch)
            if self._state_of(segment) is not SegmentState.RESERVED:
                raise ReservationCancelled
            for each in moved:
                as_it_was = replace(
                    each.new,
                    segment=each.old.segment,
                    offset=each.old.offset,
                    encoding=each.old.encoding,
                    stored_bytes=each.old.stored_bytes,
                )
                if each.new.segment != segment or as_it_was != each.old:
                    raise InvariantError("a chunk is moved, and stays what it is")
            self._change(segment, state=SegmentState.LIVE, size_bytes=segment_bytes)
            count = 0
            for each in moved:
                if self._says(each.old) and (each.old.domain_key, each.old.chunk_id) not in self._chunks.bad:
                    self._chunks.put(each.new)
                    count += 1
            return count

    def _says(self, record: ChunkRecord) -> bool:
        return self._chunks.records.get((record.domain_key, record.chunk_id)) == record

    def found_cancelled(
        self, names: Collection[SegmentName], *, now_ms: int, found_before_ms: int
    ) -> Sequence[SegmentName]:
        with self._alone():
            old = []
            for name in names:
                segment = self._chunks.segments.get(name)
                if segment is None or segment.state is not SegmentState.CANCELLED:
                    continue
                first_ms = now_ms if segment.condemned_ms is None else segment.condemned_ms
                self._change(name, condemned_ms=first_ms)
                if first_ms < found_before_ms:
                    old.append(name)
            return old

    def condemned(self, *, condemned_before_ms: int, limit: int) -> Sequence[SegmentName]:
        with self._alone():
            old = sorted(
                (segment.condemned_ms, segment.key, name)
                for name, segment in self._chunks.segments.items()
                if segment.state is SegmentState.CONDEMNED
                and segment.condemned_ms is not None
                and segment.condemned_ms < condemned_before_ms
            )
            return [name for *_, name in old[:limit]]

    def forget_segment(self, name: SegmentName) -> bool:
        with self._alone():
            if self._state_of(name) is not SegmentState.CONDEMNED:
                return False
            del self._chunks.segments[name]
            return True

    def set_verified(self, name: SegmentName, *, now_ms: int) -> None:
        with self._alone():
            if self._state_of(name) is SegmentState.LIVE:
                self._change(name, verified_ms=now_ms)

    def distrust_verified(self, *, after_ms: int) -> int:
        with self._alone():
            wrong = [
                name
                for name, segment in self._chunks.segments.items()
                if segment.state is SegmentState.LIVE and segment.verified_ms > after_ms
            ]
            for name in wrong:
                self._change(name, verified_ms=0)
            return len(wrong)

    # --- what is bad

    def bad_chunks(self, *, after: ChunkKey | None, limit: int) -> Sequence[tuple[ChunkKey, StoredChunk]]:
        with self._alone():
            bad = sorted((self._chunks.keys[name], name) for name in self._chunks.bad)
            later = [(key, name) for key, name in bad if after is None or key > after]
            return [(key, self._stored(self._chunks.records[name])) for key, name in later[:limit]]

    def clear_bad(self, record: ChunkRecord) -> bool:
        with self._alone():
            if not self._says(record):
                return False
            self._chunks.bad.discard((record.domain_key, record.chunk_id))
            return True

    def uses(self, domain_key: DomainKey, chunk_id: ChunkId, *, limit: int) -> Sequence[ChunkUse]:
        with self._alone():
            found: list[ChunkUse] = []
            if chunk_id == ZERO_CHUNK_ID:
                return found  # a block of zeros names no chunk
            for key in sorted(self._snapshots):
                snapshot = self._snapshots[key]
                is_shown = (
                    snapshot.state not in {State.ERROR, State.DELETED} or snapshot.completed_ms is not None
                )
                if not is_shown or snapshot.domain_key != domain_key:
                    continue
                if (domain_key, chunk_id) in self._chunks.holds[key]:
                    found.append(ChunkUse(snapshot_id=snapshot.snapshot_id, block_index=None))
                rows = self._chunks.blocks[key]
                found += [
                    ChunkUse(snapshot_id=snapshot.snapshot_id, block_index=index)
                    for index in sorted(rows)
                    if rows[index].chunk_id == chunk_id
                ]
            return found[:limit]

    # --- undoing deletions

    def deletions(
        self, account_id: AccountId | None, *, after: SnapshotKey | None, limit: int
    ) -> Sequence[Deletion]:
        with self._alone():
            found = [
                self._deletion(self._snapshots[key], undo)
                for key, undo in sorted(self._sharing.undos.items(), key=lambda item: item[0])
                if (after is None or key > after) and account_id in {None, self._snapshots[key].account_id}
            ]
            return found[:limit]

    def _deletion(self, snapshot: Snapshot, undo: Undo) -> Deletion:
        return Deletion(
            snapshot_id=snapshot.snapshot_id,
            account_id=snapshot.account_id,
            key=snapshot.key,
            volume_gib=snapshot.volume_gib,
            description=snapshot.description,
            started_ms=snapshot.started_ms,
            deleted_ms=undo.deleted_ms,
        )

    def undelete(self, account_id: AccountId, snapshot_id: SnapshotId, *, now_ms: int) -> Snapshot:
        del now_ms  # a durable store notes when; nothing shows it
        with self._alone():
            for key in self._sharing.undos:
                found = self._snapshots[key]
                if (found.account_id, found.snapshot_id) == (account_id, snapshot_id):
                    break
            else:
                raise SnapshotNotFound(snapshot_id)
            tags = self._sharing.put_back(found)
            self._snapshots[key] = replace(found, state=State.COMPLETED, tags=tags)
            return self._snapshots[key]

    def close_undo(self, epoch: Epoch, *, deleted_before_ms: int, limit: int) -> Sequence[SnapshotId]:
        with self._alone():
            self._demand(epoch)
            old = sorted(
                (undo.deleted_ms, key)
                for key, undo in self._sharing.undos.items()
                if undo.deleted_ms < deleted_before_ms
            )[:limit]
            for _, key in old:
                del self._sharing.undos[key]
            return [self._snapshots[key].snapshot_id for _, key in old]


def _slices(found: Sequence[_Found]) -> Iterator[Sequence[_Found]]:
    for start in range(0, len(found), _SLICE):
        yield found[start : start + _SLICE]


def _in_turn(use: SegmentUse) -> tuple[int, SegmentKey]:
    return use.verified_ms, use.segment_key
