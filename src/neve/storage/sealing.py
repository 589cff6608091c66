"""Completing a snapshot: compare what was claimed with what was written, then make its block map.

    block rows, ascending ─▶ count and aggregate right? ─▶ merge with the parent's map ─▶ nodes held ─▶ archived ─▶ completed

Everything streams in index order: memory is bounded by `Limits.seal_rows_max`, whatever the snapshot's size.
The archive has the snapshot, and all that reading it takes, before it is completed: a completed snapshot outlives the
database. While the archive cannot be written nothing is completed.
It may be killed at any instant and started again: the snapshot stays sealing until the last transaction, the
rows stay as they are, and nodes stored twice are one chunk. It needs no KMS key, so that a disabled one stops no
completion.
"""

from collections.abc import Iterator

from neve.clock import Clock
from neve.domain.block_map import Merged, Node, merge
from neve.domain.blocks import (
    ZERO_CHUNK_ID,
    BlockIndex,
    ChunkId,
    LinearAggregate,
    digest,
    zero_block_digest,
)
from neve.domain.snapshots import MESSAGE_CHECKSUM, MESSAGE_COUNT, Sealed, Snapshot, SnapshotKey
from neve.errors import ChunkDamaged, StoreUnavailable
from neve.limits import MIB, Limits
from neve.storage.archiving import Archiver
from neve.storage.chunk_store import ChunkStore
from neve.storage.committer import Committer
from neve.storage.domains import Domains, OpenDomain
from neve.stores.metadata.contract import BlockRow, MetadataStore
from neve.stores.metadata.contract_archive import Completion

_NODE_BYTES_AT_ONCE = 4 * MIB
"""New nodes are committed when they have grown to this much: a hundred or so full leaves."""


class Sealer:
    """Finishes accepted completions. One call at a time is enough; more do no harm."""

    def __init__(
        self,
        *,
        metadata: MetadataStore,
        committer: Committer,
        chunks: ChunkStore,
        domains: Domains,
        archiver: Archiver,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._metadata = metadata
        self._committer = committer
        self._chunks = chunks
        self._domains = domains
        self._archiver = archiver
        self._clock = clock
        self._limits = limits
        self.interrupted = False
        """True once `interrupt` was called."""

    def interrupt(self) -> None:
        """Make every completion under way give up soon, so that a stop need not wait; they stay sealing."""
        self.interrupted = True

    def seal(self, snapshot: Snapshot) -> None:
        """Finish one completion: it ends completed, or in error if the claim does not fit.

        Raises:
            StoreError: it stays sealing; call again. StoreUnavailable if it was interrupted.
        """
        domain = self._domains.by_key(snapshot.domain_key)
        mismatch = self._mismatch(snapshot, domain)
        if mismatch:
            self._metadata.fail_completion(snapshot.key, mismatch, now_ms=self._clock.now_ms())
            return
        nodes = _NodeWriter(domain, snapshot.key, self._committer)
        merged = self._merge(snapshot, domain, nodes)
        if nodes.flush():
            sealed = Sealed(root=merged.root, block_count=snapshot.base_block_count + merged.blocks_added)
            completion = Completion(key=snapshot.key, sealed=sealed, now_ms=self._clock.now_ms())
            if self._archiver.write_completion(snapshot.snapshot_id, completion):
                self._metadata.finish_completion(completion.key, sealed, now_ms=completion.now_ms)

    def _mismatch(self, snapshot: Snapshot, domain: OpenDomain) -> str:
        """Return the message of what is wrong with the claim, empty if nothing is (contract 5.2)."""
        claim = snapshot.claim
        assert claim is not None, "a sealing snapshot has a claim"
        if claim.aggregate is not None:
            aggregate = LinearAggregate()
            for row in self._rows(snapshot.key):
                aggregate.add(domain.unmask(row.digest))
            if domain.mask(aggregate.digest()) != claim.aggregate:
                return MESSAGE_CHECKSUM
        if self._metadata.block_count(snapshot.key) != claim.changed_blocks_count:
            return MESSAGE_COUNT
        return ""

    def _merge(self, snapshot: Snapshot, domain: OpenDomain, nodes: "_NodeWriter") -> Merged:
        return merge(
            self._chunks.loader(domain),
            nodes.add,
            snapshot.base_root,
            self._writes(snapshot.key, domain),
            self._limits.node_fanout,
        )

    def _writes(self, key: SnapshotKey, domain: OpenDomain) -> Iterator[tuple[BlockIndex, ChunkId]]:
        """Yield the content of each block that was written, having seen that its row means what was acknowledged.

        A row refers to its chunk by number: were that altered, by a disk say, every proof after this would prove another
        block's content.

        Raises:
            ChunkDamaged: a row was altered. Nothing may be completed with it.
        """
        for row in self._rows(key):
            if not means_what_it_says(row, domain, self._limits):
                raise ChunkDamaged(
                    f"the row of block {row.block_index} refers to other content than was written: it was altered"
                )
            yield row.block_index, row.chunk_id

    def _rows(self, key: SnapshotKey) -> Iterator[BlockRow]:
        after: BlockIndex | None = None
        limit = self._limits.seal_rows_max
        while rows := self._metadata.blocks(key, after=after, limit=limit):
            if self.interrupted:
                raise StoreUnavailable("the service is stopping")
            yield from rows
            after = rows[-1].block_index


def means_what_it_says(row: BlockRow, domain: OpenDomain, limits: Limits) -> bool:
    """Return whether a block row's chunk has the content whose digest is in the row.

    Raises:
        ChunkDamaged: the digest is not one that a row of this domain holds.
    """
    written = domain.unmask(row.digest)
    if row.chunk_id == ZERO_CHUNK_ID:
        return written == zero_block_digest(limits.block_bytes)
    return row.chunk_id == domain.chunk_id(written)


class _NodeWriter:
    """Gathers new nodes and commits them a few MiB at a time."""

    def __init__(self, domain: OpenDomain, snapshot_key: SnapshotKey, committer: Committer) -> None:
        self._domain = domain
        self._snapshot_key = snapshot_key
        self._committer = committer
        self._nodes: list[tuple[ChunkId, bytes]] = []
        self._bytes = 0
        self._wanted = True

    def add(self, node: Node) -> ChunkId:
        """Take a node; return its id at once, and commit when enough have come together."""
        content = node.encode()
        chunk_id = self._domain.chunk_id(digest(content))
        self._nodes.append((chunk_id, content))
        self._bytes += len(content)
        if self._bytes >= _NODE_BYTES_AT_ONCE:
            self.flush()
        return chunk_id

    def flush(self) -> bool:
        """Commit what is gathered. False if the snapshot is gone, now or before."""
        if self._nodes and self._wanted:
            self._wanted = self._committer.put_nodes(self._domain, self._snapshot_key, self._nodes)
        self._nodes, self._bytes = [], 0
        return self._wanted
