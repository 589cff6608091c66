"""What readers ask: where chunks lie, which blocks were written, how much there is."""

from collections.abc import Collection, Mapping, Sequence

from neve.domain.blocks import ZERO_CHUNK_ID, BlockIndex, ChunkId, ChunkKind, Digest
from neve.domain.identities import DomainKey
from neve.domain.snapshots import SnapshotKey
from neve.stores.metadata import statements
from neve.stores.metadata.contract import BlockRow, MetadataStatistics, StoreFacts
from neve.stores.metadata.placement import ChunkRecord, Encoding, SegmentName
from neve.stores.metadata.records.snapshots import BEFORE_THE_FIRST
from neve.stores.metadata.session import Row, Session


def facts(session: Session) -> StoreFacts:
    ((format_version, store_id, block_bytes, node_fanout, created_ms),) = session.rows(statements.FACTS)
    return StoreFacts(
        format_version=format_version,
        store_id=store_id,
        block_bytes=block_bytes,
        node_fanout=node_fanout,
        created_ms=created_ms,
    )


def add_facts(session: Session, facts: StoreFacts) -> None:
    """Record what never changes; once, as the store is created."""
    values = (facts.format_version, facts.store_id, facts.block_bytes, facts.node_fanout, facts.created_ms)
    session.rows(statements.ADD_FACTS, values)


def chunks(
    session: Session, domain_key: DomainKey, chunk_ids: Collection[ChunkId]
) -> Mapping[ChunkId, ChunkRecord]:
    names = [(domain_key, chunk_id) for chunk_id in chunk_ids]
    records = [_chunk_from(row) for row in session.rows_of_each(statements.CHUNK, names)]
    return {record.chunk_id: record for record in records}


def stored(session: Session, domain_key: DomainKey, chunk_ids: Collection[ChunkId]) -> set[ChunkId]:
    names = [(domain_key, chunk_id) for chunk_id in chunk_ids]
    return {ChunkId(chunk_id) for _, chunk_id, _ in session.rows_of_each(statements.GOOD_CHUNK, names)}


def mark_bad(session: Session, domain_key: DomainKey, chunk_id: ChunkId) -> None:
    session.rows(statements.MARK_BAD, (domain_key, chunk_id))


def blocks(
    session: Session, snapshot_key: SnapshotKey, *, after: BlockIndex | None, limit: int
) -> Sequence[BlockRow]:
    if not session.rows(statements.ROWS_SHOWN, (snapshot_key,)):
        return []
    first = BEFORE_THE_FIRST if after is None else after
    return [
        BlockRow(
            block_index=BlockIndex(block_index),
            chunk_id=ZERO_CHUNK_ID if chunk_id is None else ChunkId(chunk_id),
            digest=Digest(digest),
        )
        for block_index, chunk_id, digest in session.rows(statements.BLOCKS, (snapshot_key, first, limit))
    ]


def block_count(session: Session, snapshot_key: SnapshotKey) -> int:
    if not session.rows(statements.ROWS_SHOWN, (snapshot_key,)):
        return 0
    ((count,),) = session.rows(statements.COUNT_BLOCKS_OF, (snapshot_key,))
    return int(count)


def statistics(session: Session) -> MetadataStatistics:
    ((accounts,),) = session.rows(statements.COUNT_ACCOUNTS)
    ((block_rows,),) = session.rows(statements.COUNT_BLOCKS)
    ((holds,),) = session.rows(statements.COUNT_HOLDS)
    ((chunk_rows, stored_bytes),) = session.rows(statements.COUNT_CHUNKS)
    return MetadataStatistics(
        accounts=accounts,
        snapshots=dict(session.rows(statements.COUNT_SNAPSHOTS)),
        block_rows=block_rows,
        holds=holds,
        chunk_rows=chunk_rows,
        segments=dict(session.rows(statements.COUNT_SEGMENTS)),
        stored_bytes=int(stored_bytes),
    )


def _chunk_from(row: Row) -> ChunkRecord:
    domain_key, chunk_id, kind, encoding, segment, offset, stored_bytes, plain_bytes = row
    return ChunkRecord(
        domain_key=DomainKey(domain_key),
        chunk_id=ChunkId(chunk_id),
        kind=ChunkKind(kind),
        encoding=Encoding(encoding),
        segment=SegmentName(segment),
        offset=offset,
        stored_bytes=stored_bytes,
        plain_bytes=plain_bytes,
    )
