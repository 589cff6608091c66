"""What the memory store knows of segments, chunks and the rows that name them, for all its parts to share.

No part calls another one's methods while it holds the store's lock, so the dictionaries themselves are what they have
in common.
"""

from dataclasses import dataclass, field

from neve.domain.blocks import BlockIndex, ChunkId
from neve.domain.identities import DomainKey
from neve.domain.snapshots import SnapshotKey
from neve.stores.metadata.contract import BlockRow
from neve.stores.metadata.contract_collection import ChunkKey, SegmentKey, SegmentState
from neve.stores.metadata.placement import ChunkRecord, SegmentName

ChunkName = tuple[DomainKey, ChunkId]


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySegment:
    """A segment's record."""

    key: SegmentKey
    reserved_ms: int
    state: SegmentState = SegmentState.RESERVED
    size_bytes: int = 0
    verified_ms: int = 0
    condemned_ms: int | None = None


@dataclass(slots=True)
class MemoryChunks:
    """Segments, chunk rows, block rows and holds."""

    segments: dict[SegmentName, MemorySegment] = field(default_factory=dict)
    records: dict[ChunkName, ChunkRecord] = field(default_factory=dict)
    keys: dict[ChunkName, ChunkKey] = field(default_factory=dict)
    bad: set[ChunkName] = field(default_factory=set)
    blocks: dict[SnapshotKey, dict[BlockIndex, BlockRow]] = field(default_factory=dict)
    holds: dict[SnapshotKey, set[ChunkName]] = field(default_factory=dict)
    unsettled: set[SnapshotKey] = field(default_factory=set)
    segments_made: int = 0
    chunks_made: int = 0

    def add_segment(self, name: SegmentName, *, now_ms: int) -> None:
        """Reserve a name."""
        self.segments_made += 1
        self.segments[name] = MemorySegment(key=SegmentKey(self.segments_made), reserved_ms=now_ms)

    def put(self, record: ChunkRecord) -> None:
        """Have a chunk's row say this, and be good: a new row, or the one that is there."""
        name = (record.domain_key, record.chunk_id)
        if name not in self.keys:
            self.chunks_made += 1
            self.keys[name] = ChunkKey(self.chunks_made)
        self.records[name] = record
        self.bad.discard(name)

    def drop(self, name: ChunkName) -> None:
        """Let a chunk row go."""
        del self.records[name], self.keys[name]
        self.bad.discard(name)

    def forget_snapshot(self, key: SnapshotKey) -> None:
        """Let go of the place where a snapshot's rows were."""
        del self.blocks[key], self.holds[key]
