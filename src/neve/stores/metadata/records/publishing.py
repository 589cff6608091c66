"""Publishing a batch: the segment, its chunks, the blocks and the holds, in one transaction.

This is the path every block takes. It runs a handful of statements for a whole batch, each prepared once and run
for each row, and two for each block: its chunk row and its block row.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from neve.domain.blocks import ZERO_CHUNK_ID, ChunkId
from neve.domain.identities import DomainKey
from neve.domain.snapshots import SnapshotKey, State
from neve.errors import InvariantError, ReservationCancelled
from neve.stores.metadata import statements
from neve.stores.metadata.contract import (
    Batch,
    BlockWrite,
    NodeHold,
    PublishResult,
    WriteOutcome,
)
from neve.stores.metadata.placement import SegmentName
from neve.stores.metadata.session import Session

_MISSING: Final = frozenset({State.ERROR, State.RECYCLED, State.DELETED})
"""To whoever wants to add to it."""

ChunkName = tuple[DomainKey, ChunkId]
ChunkKeys = Mapping[ChunkName, int]


@dataclass(frozen=True, slots=True)
class _Standing:
    """What a snapshot says to whoever wants to add to it."""

    domain_key: DomainKey
    state: State
    """A deadline that has passed makes it an error here (neve.domain.snapshots.observed)."""


Standings = Mapping[SnapshotKey, _Standing]


def reserve_segments(session: Session, names: Collection[SegmentName], *, now_ms: int) -> None:
    session.rows_of_each(statements.RESERVE_SEGMENT, [(name, now_ms) for name in names])


def cancel_reservations(session: Session) -> int:
    return len(session.rows(statements.CANCEL_RESERVATIONS))


def publish(session: Session, batch: Batch, *, now_ms: int) -> PublishResult:
    published = _publish_chunks(session, batch)
    standings = _standings(session, batch, now_ms)
    keys = _chunk_keys(session, batch, published)
    blocks = [_block_outcome(write, standings, keys) for write in batch.blocks]
    holds = [_hold_outcome(hold, standings, keys) for hold in batch.holds]

    written = [write for write, outcome in zip(batch.blocks, blocks, strict=True) if _is_written(outcome)]
    session.rows_of_each(statements.PUT_BLOCK, (_block_row(write, keys) for write in written))
    touched = sorted({write.snapshot_key for write in written})
    session.rows_of_each(statements.TOUCH_SNAPSHOT, ((now_ms, now_ms, key, now_ms) for key in touched))
    held = [hold for hold, outcome in zip(batch.holds, holds, strict=True) if _is_written(outcome)]
    hold_rows = ((hold.snapshot_key, keys[hold.domain_key, hold.chunk_id]) for hold in held)
    session.rows_of_each(statements.PUT_HOLD, hold_rows)
    return PublishResult(blocks=blocks, holds=holds)


def _publish_chunks(session: Session, batch: Batch) -> ChunkKeys:
    """Make the segment live and file its chunks; return the keys of those whose row now points into it."""
    if batch.segment is None:
        if batch.chunks:
            raise InvariantError("a batch without a segment has no chunks")
        return {}
    rows = session.rows(statements.PUBLISH_SEGMENT, (batch.segment_bytes, batch.segment))
    if not rows:
        raise ReservationCancelled(f"segment {batch.segment} is not reserved any more")
    (segment_key,) = rows[0]
    for chunk in batch.chunks:
        if chunk.segment != batch.segment or chunk.chunk_id == ZERO_CHUNK_ID:
            raise InvariantError("a batch publishes the chunks of its own segment, and zeros have none")
    values = (
        (
            chunk.domain_key,
            chunk.chunk_id,
            chunk.kind,
            chunk.encoding,
            segment_key,
            chunk.offset,
            chunk.stored_bytes,
            chunk.plain_bytes,
        )
        for chunk in batch.chunks
    )
    return _keys_from(session.rows_of_each(statements.PUBLISH_CHUNK, values))


def _chunk_keys(session: Session, batch: Batch, published: ChunkKeys) -> ChunkKeys:
    """Return the keys of all chunks the batch's entries name that have a row and are not bad."""
    named = {(write.domain_key, write.chunk_id) for write in batch.blocks}
    named.update((hold.domain_key, hold.chunk_id) for hold in batch.holds)
    others = sorted(named - published.keys())
    return {**published, **_keys_from(session.rows_of_each(statements.GOOD_CHUNK, others))}


def _keys_from(rows: Iterable[tuple[DomainKey, ChunkId, int]]) -> ChunkKeys:
    return {(domain_key, chunk_id): key for domain_key, chunk_id, key in rows}


def _standings(session: Session, batch: Batch, now_ms: int) -> Standings:
    keys = {write.snapshot_key for write in batch.blocks}
    keys.update(hold.snapshot_key for hold in batch.holds)
    standings = {}
    rows = session.rows_of_each(statements.STANDING, ((key,) for key in sorted(keys)))
    for key, state_word, recycled, deadline_ms, domain_key in rows:
        state = State.RECYCLED if recycled else State(state_word)
        if state is State.PENDING and now_ms >= deadline_ms:
            state = State.ERROR
        standings[SnapshotKey(key)] = _Standing(domain_key=DomainKey(domain_key), state=state)
    return standings


def _block_outcome(write: BlockWrite, standings: Standings, keys: ChunkKeys) -> WriteOutcome:
    standing = standings.get(write.snapshot_key)
    if standing is None or standing.state in _MISSING:
        return WriteOutcome.SNAPSHOT_NOT_FOUND
    _check_domain(write.domain_key, standing)
    if standing.state is not State.PENDING:
        return WriteOutcome.SNAPSHOT_SEALED
    if write.chunk_id != ZERO_CHUNK_ID and (write.domain_key, write.chunk_id) not in keys:
        return WriteOutcome.CHUNK_GONE
    return WriteOutcome.WRITTEN


def _hold_outcome(hold: NodeHold, standings: Standings, keys: ChunkKeys) -> WriteOutcome:
    standing = standings.get(hold.snapshot_key)
    if standing is None or standing.state in _MISSING:
        return WriteOutcome.SNAPSHOT_NOT_FOUND
    _check_domain(hold.domain_key, standing)
    if standing.state is State.PENDING:
        raise InvariantError("a snapshot has no nodes before its completion is accepted")
    if standing.state is not State.SEALING:
        return WriteOutcome.SNAPSHOT_SEALED
    if (hold.domain_key, hold.chunk_id) not in keys:
        return WriteOutcome.CHUNK_GONE
    return WriteOutcome.WRITTEN


def _check_domain(domain_key: DomainKey, standing: _Standing) -> None:
    if domain_key != standing.domain_key:
        raise InvariantError("a snapshot refers to chunks of its own domain only")


def _is_written(outcome: WriteOutcome) -> bool:
    return outcome is WriteOutcome.WRITTEN


def _block_row(write: BlockWrite, keys: ChunkKeys) -> tuple[int, int, int | None, bytes]:
    chunk_key = None if write.chunk_id == ZERO_CHUNK_ID else keys[write.domain_key, write.chunk_id]
    return write.snapshot_key, write.block_index, chunk_key, write.digest
