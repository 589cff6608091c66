"""Where bytes may come from that were lost: the contract of a source, and the sources that need no network.

    wanted chunks ─▶ source ─▶ candidates, which whoever asked proves one by one

A source vouches for nothing. What it offers is stored only if it has the chunk id that is wanted: a wrong image, an
older replica or somebody else's endpoint can slow a repair down, and do no other harm.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from neve.domain.block_map import Node, empty_node, merge
from neve.domain.blocks import ZERO_CHUNK_ID, BlockIndex, ChunkId, ChunkKind, digest, zero_block
from neve.domain.identities import AccountId, DomainKey, SnapshotId
from neve.domain.snapshots import SnapshotKey
from neve.errors import ChunkDamaged, ChunkMissing, SegmentMissing, SnapshotNotFound, StoreUnusable
from neve.limits import Limits
from neve.storage.chunk_store import ChunkStore
from neve.storage.domains import Domains, OpenDomain
from neve.storage.progress import Check
from neve.storage.segment_format import read_table
from neve.storage.verification.segment_checks import record_of
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.placement import ChunkRecord, SegmentName
from neve.stores.segments.contract import SegmentStore

_PAGE: Final = 1_000

WantedName = tuple[DomainKey, ChunkId]


@dataclass(frozen=True, slots=True)
class Place:
    """Where content is, or was: in a snapshot, from a block index on."""

    account_id: AccountId
    snapshot_id: SnapshotId
    block_index: BlockIndex


@dataclass(slots=True)
class Wanted:
    """A chunk to look for."""

    domain: OpenDomain
    """Without its data keys."""
    chunk_id: ChunkId
    kind: ChunkKind
    block_span: int = 1
    """How many blocks it stands for: of a leaf as many as it has slots. 0 if nobody knows."""
    places: list[Place] = field(default_factory=list)
    """Some of those it is known to belong to, each index once."""

    @property
    def name(self) -> WantedName:
        return self.domain.key, self.chunk_id


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCandidate:
    """Bytes as they stand in a segment."""

    name: WantedName
    record: ChunkRecord
    """What their table says of them."""
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainCandidate:
    """Content as it was before it was stored."""

    name: WantedName
    data: bytes = field(repr=False)


Candidate = StoredCandidate | PlainCandidate
Wishes = Mapping[WantedName, Wanted]
"""What is still looked for: whoever asks takes away what was found, while a source goes on."""


class RepairSource(Protocol):
    """Somebody who may have what was lost."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    def candidates(self, wishes: Wishes, check: Check) -> Iterator[Candidate]:
        """Yield what may be what is wanted. What is no longer in `wishes` when it is come to need not be looked for.

        Raises:
            NeveError: it cannot go on. What it yielded before stands.
        """
        ...


class SegmentTables:
    """Segments of this store, condemned ones and those that no record explains included, or of a replica of it.

    Each says itself what it holds, so any one that still has a second copy of a chunk will do.
    """

    def __init__(self, name: str, segments: SegmentStore, metadata: MetadataStore) -> None:
        """`segments` are read and not changed; `metadata` are this store's records."""
        self._name = name
        self._segments = segments
        self._domain_of = {domain.uid: domain.key for domain in metadata.domains()}

    @property
    def name(self) -> str:
        return self._name

    def candidates(self, wishes: Wishes, check: Check) -> Iterator[Candidate]:
        after: SegmentName | None = None
        while names := self._segments.names(after=after, limit=_PAGE):
            for name in names:
                check()
                if not wishes:
                    return
                yield from self._in_segment(name, wishes)
            after = names[-1]

    def _in_segment(self, name: SegmentName, wishes: Wishes) -> Iterator[Candidate]:
        try:
            size_bytes = self._segments.size(name)
            table = read_table(name, size_bytes, lambda offset, size: self._segments.read(name, offset, size))
        except (ChunkDamaged, SegmentMissing, StoreUnusable):
            return  # it says nothing: another one may
        for location in table:
            domain_key = self._domain_of.get(location.domain_uid)
            if domain_key is None or (domain_key, location.chunk_id) not in wishes:
                continue
            record = record_of(domain_key, name, location)
            try:
                data = self._segments.read(name, location.offset, location.stored_bytes)
            except (ChunkDamaged, SegmentMissing):
                continue
            yield StoredCandidate(name=(domain_key, location.chunk_id), record=record, data=data)


ReadBlock = Callable[[BlockIndex], bytes]
"""Return a block of some volume; nothing at all where it has none. Raises NeveError."""


class Blocks:
    """A volume that still has the content of some snapshot: an image file, a device, a snapshot of another service.

    It gives blocks by their index. A lost leaf is made again from the blocks below it, if those that are zero were all
    written or none of them was.
    """

    def __init__(self, name: str, read_block: ReadBlock, limits: Limits) -> None:
        self._name = name
        self._read_block = read_block
        self._limits = limits
        self._zero_block = zero_block(limits.block_bytes)

    @property
    def name(self) -> str:
        return self._name

    def candidates(self, wishes: Wishes, check: Check) -> Iterator[Candidate]:
        found = [(place.block_index, wanted) for wanted in list(wishes.values()) for place in wanted.places]
        for index, wanted in sorted(found, key=lambda each: (each[0], each[1].chunk_id)):
            check()
            if wanted.name not in wishes:
                continue
            if wanted.kind is ChunkKind.BLOCK:
                data = self._read_block(index)
                if len(data) == self._limits.block_bytes:
                    yield PlainCandidate(name=wanted.name, data=data)
            elif wanted.block_span == self._limits.node_fanout:
                yield from self._leaves(wanted, index)

    def _leaves(self, wanted: Wanted, first: BlockIndex) -> Iterator[Candidate]:
        ids: dict[int, ChunkId] = {}
        for slot in range(self._limits.node_fanout):
            data = self._read_block(BlockIndex(first + slot))
            if len(data) == self._limits.block_bytes:
                is_zero = data == self._zero_block
                ids[slot] = ZERO_CHUNK_ID if is_zero else wanted.domain.chunk_id(digest(data))
        written = {slot: chunk_id for slot, chunk_id in ids.items() if chunk_id != ZERO_CHUNK_ID}
        for children in (written, ids):
            leaf = empty_node(0, self._limits.node_fanout).with_children(children)
            yield PlainCandidate(name=wanted.name, data=leaf.encode())


class CompletionAgain:
    """Nodes of block maps, made from the block rows of snapshots that were completed and not yet settled."""

    name = "block rows in the database"

    def __init__(self, metadata: MetadataStore, domains: Domains, chunks: ChunkStore, limits: Limits) -> None:
        self._metadata = metadata
        self._domains = domains
        self._chunks = chunks
        self._limits = limits

    def candidates(self, wishes: Wishes, check: Check) -> Iterator[Candidate]:
        snapshots = {
            (place.account_id, place.snapshot_id): None
            for wanted in wishes.values()
            if wanted.kind is ChunkKind.NODE
            for place in wanted.places
        }
        for account_id, snapshot_id in snapshots:
            yield from self._nodes_of(account_id, snapshot_id, wishes, check)

    def _nodes_of(
        self, account_id: AccountId, snapshot_id: SnapshotId, wishes: Wishes, check: Check
    ) -> Sequence[Candidate]:
        """Complete a snapshot as it was completed, and return the nodes that are wanted of what that makes."""
        made: dict[ChunkId, Candidate] = {}
        try:
            snapshot = self._metadata.snapshot(account_id, snapshot_id)
            domain = self._domains.by_key(snapshot.domain_key)

            def keep(node: Node) -> ChunkId:
                content = node.encode()
                chunk_id = domain.chunk_id(digest(content))
                if (domain.key, chunk_id) in wishes:
                    made[chunk_id] = PlainCandidate(name=(domain.key, chunk_id), data=content)
                return chunk_id

            rows = self._rows(snapshot.key, check)
            merge(self._chunks.loader(domain), keep, snapshot.base_root, rows, self._limits.node_fanout)
        except (SnapshotNotFound, ChunkMissing, ChunkDamaged, SegmentMissing):
            pass  # deleted since, or what it builds on is lost too: what was made before that counts
        return list(made.values())

    def _rows(self, key: SnapshotKey, check: Check) -> Iterator[tuple[BlockIndex, ChunkId]]:
        after: BlockIndex | None = None
        while rows := self._metadata.blocks(key, after=after, limit=self._limits.seal_rows_max):
            check()
            yield from ((row.block_index, row.chunk_id) for row in rows)
            after = rows[-1].block_index
