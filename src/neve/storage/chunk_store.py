"""Reading chunks: where is it, read it, open it, prove it.

    chunk id ─▶ chunk row ─▶ one ranged read ─▶ decode ─▶ SHA-256 ─▶ does it have this id? ─▶ content

A wrong byte is never returned: what cannot be proven right is an error, a report, and a mark that bars the
chunk from deduplication, so that the next upload of the same content heals every snapshot that uses it.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from neve.domain.block_map import Load, Node, decode_node
from neve.domain.blocks import (
    ZERO_CHUNK_ID,
    ChunkId,
    Digest,
    digest,
    zero_block,
    zero_block_digest,
)
from neve.domain.identities import DomainKey
from neve.errors import ChunkDamaged, ChunkMissing, SegmentMissing, StoreError
from neve.limits import Limits
from neve.storage.chunk_codec import ChunkCodec
from neve.storage.domains import OpenDomain
from neve.stores.metadata.contract import ChunkRecord, MetadataStore
from neve.stores.segments.contract import SegmentStore

OnDamage = Callable[[ChunkRecord, StoreError], None]
"""Told once for each read that failed because bytes are wrong or gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A chunk's plain content and its SHA-256, which was just computed from it."""

    data: bytes
    digest: Digest


class ChunkStore:
    """Reads chunks of open domains. Safe from any thread."""

    def __init__(
        self,
        *,
        metadata: MetadataStore,
        segments: SegmentStore,
        codec: ChunkCodec,
        limits: Limits,
        on_damage: OnDamage,
    ) -> None:
        self._metadata = metadata
        self._segments = segments
        self._codec = codec
        self._limits = limits
        self._on_damage = on_damage
        self._zero = Content(
            data=zero_block(limits.block_bytes), digest=zero_block_digest(limits.block_bytes)
        )
        self._nodes = _NodeCache(limits.node_cache_bytes)

    def read(self, domain: OpenDomain, chunk_id: ChunkId) -> Content:
        """Return the content of a chunk, proven to be what its id says.

        Raises:
            ChunkMissing, SegmentMissing, ChunkDamaged: it is lost or wrong. Reported; never data.
            StoreUnavailable: it could not be read this time.
        """
        if chunk_id == ZERO_CHUNK_ID:
            return self._zero
        record = self._record(domain, chunk_id)
        try:
            return self._prove(domain, record)
        except (SegmentMissing, ChunkDamaged) as error:
            moved = self._record(domain, chunk_id)
            if moved != record:
                # Collection repointed the chunk after we looked it up: it lies elsewhere now.
                return self._prove(domain, moved)
            self._on_damage(record, error)
            self._metadata.mark_bad(domain.key, chunk_id)
            raise

    def node(self, domain: OpenDomain, chunk_id: ChunkId) -> Node:
        """Return a block-map node, from memory if it was read lately.

        Raises:
            as `read`
        """
        key = (domain.key, chunk_id)
        node = self._nodes.get(key)
        if node is None:
            node = decode_node(self.read(domain, chunk_id).data, self._limits.node_fanout)
            self._nodes.put(key, node)
        return node

    def loader(self, domain: OpenDomain) -> Load:
        """Return `node` for one domain, in the form that block-map algebra takes."""
        return lambda chunk_id: self.node(domain, chunk_id)

    def _record(self, domain: OpenDomain, chunk_id: ChunkId) -> ChunkRecord:
        record = self._metadata.chunks(domain.key, [chunk_id]).get(chunk_id)
        if record is None:
            raise ChunkMissing(f"chunk {chunk_id.hex()} of domain {domain.key} has no record")
        return record

    def _prove(self, domain: OpenDomain, record: ChunkRecord) -> Content:
        stored = self._segments.read(record.segment, record.offset, record.stored_bytes)
        data = self._codec.decode(record.encoding, stored, record.plain_bytes)
        content = Content(data=data, digest=digest(data))
        if domain.chunk_id(content.digest) != record.chunk_id:
            raise ChunkDamaged(
                f"segment {record.segment} at {record.offset}: not the content of chunk {record.chunk_id.hex()}"
            )
        return content


class _NodeCache:
    """The nodes read last, within a budget of bytes."""

    _NODE_OVERHEAD_BYTES = 400

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._lock = Lock()
        self._nodes: OrderedDict[tuple[DomainKey, ChunkId], Node] = OrderedDict()

    def get(self, key: tuple[DomainKey, ChunkId]) -> Node | None:
        with self._lock:
            node = self._nodes.get(key)
            if node is not None:
                self._nodes.move_to_end(key)
            return node

    def put(self, key: tuple[DomainKey, ChunkId], node: Node) -> None:
        with self._lock:
            if key in self._nodes:
                return
            self._nodes[key] = node
            self._bytes += self._cost(node)
            while self._bytes > self._bytes_max:
                _, dropped = self._nodes.popitem(last=False)
                self._bytes -= self._cost(dropped)

    def _cost(self, node: Node) -> int:
        return len(node.ids) + 2 * len(node.slots) + self._NODE_OVERHEAD_BYTES
