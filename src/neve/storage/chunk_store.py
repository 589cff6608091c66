"""Reading chunks: where is it, read it, open it, prove it.

    chunk id ─▶ chunk row ─▶ one ranged read ─▶ open ─▶ decode ─▶ SHA-256 ─▶ does it have this id? ─▶ content

A wrong byte is never returned: what cannot be proven right is an error, a report, and a mark that bars the
chunk from deduplication, so that the next upload of the same content heals every snapshot that uses it.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
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
from neve.limits import KIB, MIB, Limits
from neve.storage.chunk_codec import PLAIN_BYTES_MAX, SEALED_OVERHEAD_BYTES, ChunkCodec, Encoded
from neve.storage.domains import OpenDomain
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.placement import ChunkRecord
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

        A block of an encrypted domain needs one that comes from `Domains.with_content`.

        Raises:
            ChunkMissing, SegmentMissing, ChunkDamaged: it is lost or wrong. Reported; never data.
            StoreUnavailable: it could not be read this time, or its data key could not be had.
        """
        if chunk_id == ZERO_CHUNK_ID:
            return self._zero
        record = self._record(domain, chunk_id)
        try:
            return self._read_record(domain, record)
        except (SegmentMissing, ChunkDamaged) as error:
            moved = self._record(domain, chunk_id)
            if moved != record:
                # Collection repointed the chunk after we looked it up: it lies elsewhere now.
                return self._read_record(domain, moved)
            self._on_damage(record, error)
            self._metadata.mark_bad(domain.key, chunk_id)
            raise

    def nodes(self, domain: OpenDomain, chunk_ids: Sequence[ChunkId]) -> Sequence[Node]:
        """Return block-map nodes, in the order of their ids, those read lately from memory.

        The others cost one look-up together, and one read for each stretch of a segment they lie in.

        Raises:
            as `read`
        """
        found: dict[ChunkId, Node] = {}
        for chunk_id in chunk_ids:
            if (node := self._nodes.get((domain.key, chunk_id))) is not None:
                found[chunk_id] = node
        missing = [chunk_id for chunk_id in dict.fromkeys(chunk_ids) if chunk_id not in found]
        for chunk_id, content in self._read_together(domain, missing):
            found[chunk_id] = decode_node(content.data, self._limits.node_fanout)
            self._nodes.put((domain.key, chunk_id), found[chunk_id])
        return [found[chunk_id] for chunk_id in chunk_ids]

    def loader(self, domain: OpenDomain) -> Load:
        """Return `nodes` for one domain, in the form that block-map algebra takes."""
        return lambda chunk_ids: self.nodes(domain, chunk_ids)

    def prove(self, domain: OpenDomain, record: ChunkRecord, stored: bytes | memoryview) -> Content:
        """Return the content of the stored bytes that were found where `record` says.

        Nobody is told and nothing is marked if they are wrong: that is for whoever read them.

        Raises:
            ChunkDamaged: they are not that chunk.
            StoreUnavailable, StoreUnusable: its data key could not be had.
        """
        found = Encoded(encoding=record.encoding, data=stored, plain_bytes=record.plain_bytes)
        opened = domain.cipher_for(record.kind).open(record.chunk_id, record.kind, found)
        data = self._codec.decode(opened.encoding, opened.data, record.plain_bytes)
        content = Content(data=data, digest=digest(data))
        if domain.chunk_id(content.digest) != record.chunk_id:
            raise ChunkDamaged(
                f"segment {record.segment} at {record.offset}: not the content of chunk {record.chunk_id.hex()}"
            )
        return content

    def _read_together(
        self, domain: OpenDomain, chunk_ids: Sequence[ChunkId]
    ) -> Iterator[tuple[ChunkId, Content]]:
        if len(chunk_ids) < 2:
            yield from ((chunk_id, self.read(domain, chunk_id)) for chunk_id in chunk_ids)
            return
        found = self._metadata.chunks(domain.key, chunk_ids)
        records = {chunk_id: record for chunk_id, record in found.items() if is_placeable(record)}
        for stretch in stretches(records.values()):
            yield from self._read_stretch(domain, stretch)
        for chunk_id in chunk_ids:
            if chunk_id not in records:
                yield chunk_id, self.read(domain, chunk_id)

    def _read_stretch(
        self, domain: OpenDomain, stretch: Sequence[ChunkRecord]
    ) -> Iterator[tuple[ChunkId, Content]]:
        start = stretch[0].offset
        try:
            stored = memoryview(self._segments.read(stretch[0].segment, start, _end_of(stretch[-1]) - start))
        except (SegmentMissing, ChunkDamaged):
            stored = memoryview(b"")  # one by one, each will say what is wrong with it
        for record in stretch:
            own = stored[record.offset - start : _end_of(record) - start]
            try:
                yield record.chunk_id, self.prove(domain, record, bytes(own))
            except ChunkDamaged:
                yield record.chunk_id, self.read(domain, record.chunk_id)

    def _record(self, domain: OpenDomain, chunk_id: ChunkId) -> ChunkRecord:
        record = self._metadata.chunks(domain.key, [chunk_id]).get(chunk_id)
        if record is None:
            raise ChunkMissing(f"chunk {chunk_id.hex()} of domain {domain.key} has no record")
        return record

    def _read_record(self, domain: OpenDomain, record: ChunkRecord) -> Content:
        check_place(record)
        stored = self._segments.read(record.segment, record.offset, record.stored_bytes)
        return self.prove(domain, record, stored)


def is_placeable(record: ChunkRecord) -> bool:
    """Return whether any chunk can be where a row says that one is."""
    return 0 <= record.offset < _OFFSET_END and 0 < record.stored_bytes <= _STORED_BYTES_MAX


def check_place(record: ChunkRecord) -> None:
    """Return if a chunk can be where its row says.

    Raises:
        ChunkDamaged: the row was altered. To read what it says might take any amount of memory.
    """
    if not is_placeable(record):
        raise ChunkDamaged(
            f"chunk {record.chunk_id.hex()} is on record with {record.stored_bytes} bytes at {record.offset}: "
            "no chunk is like that"
        )


_STORED_BYTES_MAX = PLAIN_BYTES_MAX + SEALED_OVERHEAD_BYTES
_OFFSET_END = 1 << 40
"""Above what any file has that a segment can be in: 65,536 chunks of 16 MiB."""
_STRETCH_BYTES_MAX = 4 * MIB
_GAP_BYTES_MAX = 64 * KIB
"""Reading this much in vain costs less than asking once more."""


def stretches(
    records: Iterable[ChunkRecord], *, bytes_max: int = _STRETCH_BYTES_MAX
) -> Iterator[Sequence[ChunkRecord]]:
    """Yield the records in groups that lie close together, each group in one segment, ascending.

    A group spans `bytes_max` at most, unless it is a single longer chunk.
    """
    stretch: list[ChunkRecord] = []
    for record in sorted(records, key=lambda each: (each.segment, each.offset)):
        if stretch and not (
            record.segment == stretch[-1].segment
            and record.offset - _end_of(stretch[-1]) <= _GAP_BYTES_MAX
            and _end_of(record) - stretch[0].offset <= bytes_max
        ):
            yield stretch
            stretch = []
        stretch.append(record)
    if stretch:
        yield stretch


def _end_of(record: ChunkRecord) -> int:
    return record.offset + record.stored_bytes


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
