"""What may go: epochs, the cut, rows and segments that nothing needs.

Each function that takes something away first demands the epoch, in the transaction it runs in, and each of its
statements looks again at what makes it right: a collector may be slow, late or one of two, and still do no harm.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from neve.domain.blocks import ChunkId, ChunkKind
from neve.domain.identities import DomainKey, SnapshotId
from neve.domain.snapshots import SnapshotKey
from neve.errors import EpochLost, InvariantError, ReservationCancelled
from neve.stores.metadata import statements as common
from neve.stores.metadata import statements_collection as statements
from neve.stores.metadata.contract_collection import (
    ChunkEntry,
    ChunkKey,
    ChunkUse,
    Cut,
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
from neve.stores.metadata.placement import ChunkRecord, Encoding, SegmentName
from neve.stores.metadata.records import needs as living
from neve.stores.metadata.records.snapshots import BEFORE_THE_FIRST
from neve.stores.metadata.session import Row, Session, Value

_SLICE: Final = 1_000
_NO_INDEX: Final = -1
"""What `statements.USES` gives a hold, which has none."""


def begin(session: Session) -> Epoch:
    ((epoch,),) = session.rows(statements.TAKE_EPOCH)
    return Epoch(epoch)


def demand(session: Session, epoch: Epoch) -> None:
    """Return if nobody began since.

    Raises:
        EpochLost
    """
    ((current,),) = session.rows(statements.EPOCH)
    if current != epoch:
        raise EpochLost(f"collector {current} began after collector {epoch}")


def cut(
    session: Session,
    epoch: Epoch,
    *,
    needs: Callable[[Sequence[Need]], None],
    unsettled: Callable[[Sequence[SnapshotKey]], None],
) -> Cut:
    demand(session, epoch)
    found = needed(session, needs)
    after = BEFORE_THE_FIRST
    while rows := session.rows(statements.UNSETTLED, (after, _SLICE)):
        unsettled([SnapshotKey(key) for (key,) in rows])
        after = rows[-1][0]
    return found


def needed(session: Session, take: Callable[[Sequence[Need]], None]) -> Cut:
    ((newest,),) = session.rows(statements.NEWEST_CHUNK)
    ((chunk_rows, _),) = session.rows(common.COUNT_CHUNKS)
    after = BEFORE_THE_FIRST
    while rows := session.rows(statements.NEEDED, (after, _SLICE)):
        take([living.need_from(row) for row in rows])
        after = rows[-1][0]
    return Cut(newest_chunk=ChunkKey(newest), chunk_rows=chunk_rows)


# --- letting rows go


def drop_rows(session: Session, epoch: Epoch, snapshot_key: SnapshotKey, *, limit: int) -> int:
    demand(session, epoch)
    standing = session.rows(statements.STANDING, (snapshot_key,))
    if not standing:
        return 0
    ((completed_ms, unsettled),) = standing
    if completed_ms is None:
        raise InvariantError(f"no mark speaks for the rows of snapshot {snapshot_key}: it never completed")
    if not unsettled:
        return 0
    taken = 0
    for statement in (common.REAP_BLOCKS, common.REAP_HOLDS):
        taken += len(session.rows(statement, (snapshot_key, snapshot_key, limit - taken)))
    if taken < limit:
        session.rows(statements.SETTLE, (snapshot_key,))
    return taken


def chunk_entries(
    session: Session, domain_key: DomainKey, *, after: ChunkId | None, limit: int
) -> Sequence[ChunkEntry]:
    return [
        ChunkEntry(
            chunk_key=ChunkKey(chunk_key),
            chunk_id=ChunkId(chunk_id),
            kind=ChunkKind(kind),
            stored_bytes=stored_bytes,
            bad=bool(bad),
        )
        for chunk_key, chunk_id, kind, stored_bytes, bad in session.rows(
            statements.CHUNK_ENTRIES, (domain_key, after or b"", limit)
        )
    ]


def drop_chunks(
    session: Session,
    epoch: Epoch,
    domain_key: DomainKey,
    chunk_ids: Collection[ChunkId],
    *,
    newest: ChunkKey,
) -> Dropped:
    demand(session, epoch)
    values = [(domain_key, chunk_id, newest) for chunk_id in chunk_ids]
    gone = session.rows_of_each(statements.DROP_CHUNK, values)
    return Dropped(chunks=len(gone), stored_bytes=sum(stored_bytes for (stored_bytes,) in gone))


def forgettable(session: Session, *, limit: int) -> Sequence[SnapshotKey]:
    """Return up to `limit` snapshots that `forget_snapshots` may find forgettable, too."""
    return [SnapshotKey(key) for (key,) in session.rows(statements.FORGETTABLE, (limit,))]


def forget_snapshots(session: Session, epoch: Epoch, keys: Sequence[SnapshotKey]) -> Sequence[SnapshotId]:
    """Forget those of these snapshots that nothing refers to now."""
    demand(session, epoch)
    gone = session.rows_of_each(statements.FORGET_SNAPSHOT, [(key,) for key in keys])
    return [SnapshotId(snapshot_id) for (snapshot_id,) in gone]


# --- segments


def segments(session: Session, *, after: SegmentKey | None, limit: int) -> Sequence[SegmentUse]:
    first = BEFORE_THE_FIRST if after is None else after
    return [_segment_from(row) for row in session.rows(statements.SEGMENTS, (first, limit))]


def segments_to_verify(
    session: Session, *, verified_before_ms: int, limit: int, after: SegmentUse | None
) -> Sequence[SegmentUse]:
    first = (BEFORE_THE_FIRST, 0) if after is None else (after.verified_ms, after.segment_key)
    rows = session.rows(statements.SEGMENTS_TO_VERIFY, (verified_before_ms, *first, limit))
    return [_segment_from(row) for row in rows]


def verification_standing(session: Session) -> VerificationStanding:
    ((segments, size_bytes, oldest_ms, newest_ms),) = session.rows(statements.VERIFICATION_STANDING)
    return VerificationStanding(
        segments=segments, size_bytes=size_bytes, oldest_ms=oldest_ms, newest_ms=newest_ms
    )


def segment_states(session: Session, names: Collection[SegmentName]) -> Mapping[SegmentName, SegmentState]:
    rows = session.rows_of_each(statements.SEGMENT_STATE, [(name,) for name in names])
    return {SegmentName(name): SegmentState(state) for name, state in rows}


def segment_chunks(session: Session, name: SegmentName) -> Sequence[StoredChunk]:
    return [stored for _, stored in map(_stored_from, session.rows(statements.SEGMENT_CHUNKS, (name,)))]


def condemn(
    session: Session, epoch: Epoch, names: Collection[SegmentName], *, now_ms: int
) -> Sequence[SegmentName]:
    demand(session, epoch)
    condemned = session.rows_of_each(statements.CONDEMN, [(now_ms, name) for name in names])
    return [SegmentName(name) for (name,) in condemned]


def repoint(
    session: Session, epoch: Epoch, segment: SegmentName, moved: Sequence[Moved], *, segment_bytes: int
) -> int:
    demand(session, epoch)
    rows = session.rows(common.PUBLISH_SEGMENT, (segment_bytes, segment))
    if not rows:
        raise ReservationCancelled(f"segment {segment} is not reserved any more")
    ((segment_key,),) = rows
    for each in moved:
        if each.new.segment != segment or _content_of(each.new) != _content_of(each.old):
            raise InvariantError("a chunk is moved into the segment that is published, and stays what it is")
    values = [
        (each.new.encoding, segment_key, each.new.offset, each.new.stored_bytes, *_place_of(each.old))
        for each in moved
    ]
    return len(session.rows_of_each(statements.REPOINT_CHUNK, values))


def condemned(session: Session, *, condemned_before_ms: int, limit: int) -> Sequence[SegmentName]:
    return [SegmentName(name) for (name,) in session.rows(statements.CONDEMNED, (condemned_before_ms, limit))]


def found_cancelled(
    session: Session, names: Collection[SegmentName], *, now_ms: int, found_before_ms: int
) -> Sequence[SegmentName]:
    found = session.rows_of_each(statements.FOUND_CANCELLED, [(now_ms, name) for name in names])
    return [SegmentName(name) for name, first_ms in found if first_ms < found_before_ms]


def forget_segment(session: Session, name: SegmentName) -> bool:
    return bool(session.rows(statements.FORGET_SEGMENT, (name,)))


def set_verified(session: Session, name: SegmentName, *, now_ms: int) -> None:
    session.rows(statements.SET_VERIFIED, (now_ms, name))


def distrust_verified(session: Session, *, after_ms: int) -> int:
    return len(session.rows(statements.DISTRUST_VERIFIED, (after_ms,)))


# --- what is bad


def bad_chunks(
    session: Session, *, after: ChunkKey | None, limit: int
) -> Sequence[tuple[ChunkKey, StoredChunk]]:
    first = BEFORE_THE_FIRST if after is None else after
    return [_stored_from(row) for row in session.rows(statements.BAD_CHUNKS, (first, limit))]


def clear_bad(session: Session, record: ChunkRecord) -> bool:
    return bool(session.rows(statements.CLEAR_BAD, _place_of(record)))


def uses(session: Session, domain_key: DomainKey, chunk_id: ChunkId, *, limit: int) -> Sequence[ChunkUse]:
    rows = session.rows(statements.USES, (domain_key, chunk_id, domain_key, chunk_id, limit))
    return [
        ChunkUse(
            snapshot_id=SnapshotId(snapshot_id),
            block_index=None if block_index == _NO_INDEX else block_index,
        )
        for _, block_index, snapshot_id in rows
    ]


# --- rows and what they are


def _content_of(record: ChunkRecord) -> tuple[DomainKey, ChunkId, ChunkKind, int]:
    return record.domain_key, record.chunk_id, record.kind, record.plain_bytes


def _place_of(record: ChunkRecord) -> tuple[Value, ...]:
    """Return what a statement compares a chunk row with, in the order of its conditions."""
    return (
        record.domain_key,
        record.chunk_id,
        record.segment,
        record.offset,
        record.encoding,
        record.stored_bytes,
    )


def _segment_from(row: Row) -> SegmentUse:
    segment_key, name, state, size_bytes, chunk_rows, live_bytes, verified_ms, condemned_ms = row
    return SegmentUse(
        segment_key=SegmentKey(segment_key),
        name=SegmentName(name),
        state=SegmentState(state),
        size_bytes=size_bytes,
        chunk_rows=chunk_rows,
        live_bytes=live_bytes,
        verified_ms=verified_ms,
        condemned_ms=condemned_ms,
    )


def _stored_from(row: Row) -> tuple[ChunkKey, StoredChunk]:
    chunk_key, bad, domain_key, chunk_id, kind, encoding, segment, offset, stored_bytes, plain_bytes = row
    record = ChunkRecord(
        domain_key=DomainKey(domain_key),
        chunk_id=ChunkId(chunk_id),
        kind=ChunkKind(kind),
        encoding=Encoding(encoding),
        segment=SegmentName(segment),
        offset=offset,
        stored_bytes=stored_bytes,
        plain_bytes=plain_bytes,
    )
    return ChunkKey(chunk_key), StoredChunk(record=record, bad=bool(bad))
