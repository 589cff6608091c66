"""Storing content anew that was lost: a new segment, durable, then published in the place of rows that are bad.

What comes here was proven to be what its chunk id says. It is encoded and sealed as a block that a client sends is, so
it is opened again and compared before it counts. A row that is good by then stays as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from neve.clock import Clock, Entropy
from neve.domain.blocks import ChunkId, ChunkKind
from neve.errors import ReservationCancelled, StoreUnavailable
from neve.limits import Limits
from neve.storage.chunk_codec import ChunkCodec
from neve.storage.domains import OpenDomain
from neve.storage.segment_format import ChunkLocation, SegmentEntry, build
from neve.storage.verification.segment_checks import record_of
from neve.stores.metadata.contract import Batch, MetadataStore
from neve.stores.metadata.placement import ChunkRecord, SegmentName
from neve.stores.segments.contract import SegmentStore

_NAME_BYTES = 16


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A chunk that goes into the next segment."""

    domain: OpenDomain
    entry: SegmentEntry


class Restorer:
    """Gathers chunks and stores them a segment at a time. For one thread."""

    def __init__(
        self,
        *,
        metadata: MetadataStore,
        segments: SegmentStore,
        codec: ChunkCodec,
        clock: Clock,
        entropy: Entropy,
        limits: Limits,
    ) -> None:
        self._metadata = metadata
        self._segments = segments
        self._codec = codec
        self._clock = clock
        self._entropy = entropy
        self._limits = limits
        self._waiting: dict[tuple[bytes, ChunkId], _Waiting] = {}
        self._bytes = 0
        self.stored_bytes = 0
        """Of all that was stored."""

    def add(self, domain: OpenDomain, chunk_id: ChunkId, kind: ChunkKind, content: bytes) -> None:
        """Take a chunk. A block of an encrypted domain needs one with its data keys.

        Raises:
            StoreError: what waited may not be stored; what was stored before is.
        """
        encoded = domain.cipher_for(kind).seal(chunk_id, kind, self._codec.encode(content))
        entry = SegmentEntry(domain_uid=domain.uid, chunk_id=chunk_id, kind=kind, encoded=encoded)
        self._waiting[domain.uid, chunk_id] = _Waiting(domain, entry)
        self._bytes += len(encoded.data)
        is_full = self._bytes >= self._limits.batch_bytes_max
        if is_full or len(self._waiting) >= self._limits.batch_entries_max:
            self.flush()

    def flush(self) -> None:
        """Store what waits, durably, and have it take the place of rows that are bad or gone.

        Raises:
            StoreError: it may not be stored.
        """
        waiting, self._waiting, self._bytes = list(self._waiting.values()), {}, 0
        if not waiting:
            return
        name = SegmentName(self._entropy.take(_NAME_BYTES).hex())
        self._metadata.reserve_segments([name], now_ms=self._clock.now_ms())
        segment = build(name, [each.entry for each in waiting])
        self._segments.write(name, segment.parts)
        batch = Batch(
            segment=name,
            segment_bytes=segment.size_bytes,
            chunks=_records_of(name, waiting, segment.locations),
        )
        for each in waiting:
            # Only bad rows are replaced: what is good and in a segment that is not is stored anew as well.
            self._metadata.mark_bad(each.domain.key, each.entry.chunk_id)
        try:
            self._metadata.publish(batch, now_ms=self._clock.now_ms())
        except ReservationCancelled as error:
            raise StoreUnavailable("the segment's name was taken back before it was published") from error
        self.stored_bytes += sum(len(each.entry.encoded.data) for each in waiting)


def _records_of(
    name: SegmentName, waiting: Sequence[_Waiting], locations: Sequence[ChunkLocation]
) -> Sequence[ChunkRecord]:
    return [
        record_of(each.domain.key, name, location) for each, location in zip(waiting, locations, strict=True)
    ]
