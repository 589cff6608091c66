"""Rewriting segments that are mostly waste, or small: their needed chunks go together into a new one.

    rows of the old segments ─▶ bytes read, each chunk proven ─▶ new segment, durable ─▶ read back, compared
    ─▶ rows repointed, in one transaction ─▶ old segments condemned, in another

Sealed chunks are carried over as they are: their ids, keys and nonces do not depend on where they lie. A right original
is never given up for a copy that nobody proved: where one chunk of a segment cannot be proven, whether it is damaged or its
KMS key cannot be used now, the whole segment stays as it is. Readers that looked a chunk up before it moved find the old bytes
for as long as condemned segments are kept, and look it up again after that.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from neve.clock import Entropy
from neve.domain.blocks import ChunkId, ChunkKind
from neve.domain.identities import DomainKey
from neve.errors import (
    ChunkDamaged,
    ChunkMissing,
    CollectionStopped,
    EpochLost,
    KmsError,
    ReservationCancelled,
    SegmentMissing,
    StoreError,
    StoreFull,
    StoreUnavailable,
    StoreUnusable,
)
from neve.limits import Limits
from neve.storage.chunk_codec import Encoded
from neve.storage.chunk_store import ChunkStore, is_placeable, stretches
from neve.storage.collection.round import Round
from neve.storage.domains import Domains, OpenDomain
from neve.storage.progress import Unit
from neve.storage.segment_format import (
    ENTRY_BYTES,
    FOOTER_BYTES,
    HEADER_BYTES,
    BuiltSegment,
    SegmentEntry,
    build,
    read_table,
)
from neve.stores.metadata.contract_collection import Moved, SegmentKey, SegmentState, SegmentUse
from neve.stores.metadata.placement import ChunkRecord, SegmentName
from neve.stores.segments.contract import SegmentStore

_PAGE: Final = 500
_NAME_BYTES: Final = 16
_CHUNKS_MAX: Final = 256
"""Rows repointed in one transaction, which puts wait for; more only if one segment has more."""
_MERGED_MIN: Final = 8
"""So many small segments at least become one: what came in lately is not written again each time for a little more."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A chunk that was proven, as its row says and as it will stand."""

    record: ChunkRecord
    entry: SegmentEntry


class Rewriter:
    """Rewrites what is worth it. For one thread."""

    def __init__(
        self,
        of: Round,
        *,
        segments: SegmentStore,
        chunks: ChunkStore,
        domains: Domains,
        entropy: Entropy,
        limits: Limits,
    ) -> None:
        self._round = of
        self._records = of.metadata.collection
        self._segments = segments
        self._chunks = chunks
        self._domains = domains
        self._entropy = entropy
        self._bytes_max = limits.batch_bytes_max

    def rewrite(self, *, newest: SegmentKey) -> None:
        """Rewrite what is worth it of the segments up to `newest`; those made here are above it.

        Raises:
            CollectionStopped: a copy does not read back as it was written. It was not used.
            EpochLost: what was being copied stays where it was.
            StoreError: as EpochLost, unless it was the answer of a transaction that was lost.
        """
        done = 0
        try:
            for group in self._groups(newest):
                self._round.tell("rewriting segments", done, 0, Unit.SEGMENTS)
                self._rewrite(group)
                done += len(group)
        except StoreFull:
            self._round.tally.note("out_of_room")

    # --- which

    def _groups(self, newest: SegmentKey) -> Iterator[Sequence[SegmentUse]]:
        """Yield segments that are worth rewriting into one, in order of age: what was written together stays near."""
        group: list[SegmentUse] = []
        for use in self._candidates(newest):
            if group and not self._fit([*group, use]):
                if self._is_worth_it(group):
                    yield group
                group = []
            group.append(use)
        if self._is_worth_it(group):
            yield group

    def _candidates(self, newest: SegmentKey) -> Iterator[SegmentUse]:
        after: SegmentKey | None = None
        while uses := self._records.segments(after=after, limit=_PAGE):
            self._round.check()
            for use in uses:
                if use.segment_key > newest:
                    return
                if (
                    use.state is SegmentState.LIVE
                    and use.chunk_rows
                    and (_is_thin(use) or self._is_small(use))
                ):
                    yield use
            after = uses[-1].segment_key

    def _is_small(self, use: SegmentUse) -> bool:
        return use.size_bytes <= self._bytes_max // 4 and use.chunk_rows <= _CHUNKS_MAX // 4

    def _fit(self, group: Sequence[SegmentUse]) -> bool:
        chunk_rows = sum(use.chunk_rows for use in group)
        return chunk_rows <= _CHUNKS_MAX and sum(map(_rewritten_bytes, group)) <= self._bytes_max

    def _is_worth_it(self, group: Sequence[SegmentUse]) -> bool:
        """Whatever is worth it is smaller or fewer segments afterwards, so that this comes to an end."""
        if any(map(_is_thin, group)):
            return True
        return len(group) >= _MERGED_MIN or (
            len(group) > 1 and sum(map(_rewritten_bytes, group)) > self._bytes_max // 2
        )

    # --- how

    def _rewrite(self, group: Sequence[SegmentUse]) -> None:
        self._segments.check_writable()
        chunks: dict[tuple[DomainKey, ChunkId], _Chunk] = {}
        taken: list[SegmentUse] = []
        for use in group:
            self._round.check()
            found = self._proven_chunks(use)
            if found is None:
                self._round.tally.add(segments_left=1)
                continue
            taken.append(use)
            # Had another collector moved a chunk between two of these reads, the later one counts.
            chunks.update({(each.record.domain_key, each.record.chunk_id): each for each in found})
        if not chunks or not self._is_worth_it(taken):
            return
        self._copy(taken, list(chunks.values()))

    def _copy(self, old: Sequence[SegmentUse], chunks: Sequence[_Chunk]) -> None:
        """Put these chunks into a new segment, have their rows point there, and condemn the old segments."""
        name = SegmentName(self._entropy.take(_NAME_BYTES).hex())
        with self._round.transaction():
            self._round.metadata.reserve_segments([name], now_ms=self._round.clock.now_ms())
        built = build(name, [chunk.entry for chunk in chunks])
        self._segments.write(name, built.parts)
        self._demand_written(name, built)
        moved = [
            Moved(old=chunk.record, new=replace(chunk.record, segment=name, offset=location.offset))
            for chunk, location in zip(chunks, built.locations, strict=True)
        ]
        try:
            with self._round.transaction():
                self._records.repoint(self._round.own_epoch, name, moved, segment_bytes=built.size_bytes)
        except ReservationCancelled:
            return  # nothing changed: the object is swept as that of any writer who was cancelled
        except EpochLost:
            self._forget_copy(name)
            raise
        self._round.tally.add(segments_rewritten=len(old), bytes_rewritten=built.size_bytes)
        names = [use.name for use in old]
        with self._round.transaction():
            condemned = set(
                self._records.condemn(self._round.own_epoch, names, now_ms=self._round.clock.now_ms())
            )
        self._round.tally.add(
            segments_condemned=len(condemned),
            bytes_condemned=sum(use.size_bytes for use in old if use.name in condemned),
        )

    def _demand_written(self, name: SegmentName, built: BuiltSegment) -> None:
        """Return if the segment reads back as it was written. If not, it is no more.

        Raises:
            CollectionStopped: it does not.
            StoreUnavailable: it cannot be read this time.
        """
        try:
            self._compare(name, built)
        except StoreError as error:
            self._forget_copy(name)
            if isinstance(error, StoreUnavailable):
                raise
            raise CollectionStopped(
                f"segment {name} does not read back as it was just written: {error}. It was not used, and nothing is lost: "
                "look at the disk"
            ) from error

    def _compare(self, name: SegmentName, built: BuiltSegment) -> None:
        size_bytes = self._segments.size(name)
        if size_bytes != built.size_bytes:
            raise ChunkDamaged(f"it has {size_bytes} bytes in the place of {built.size_bytes}")
        offset = 0
        for part in built.parts:
            if self._segments.read(name, offset, len(part)) != part:
                raise ChunkDamaged(f"its bytes from {offset} on are others")
            offset += len(part)
        table = read_table(name, size_bytes, lambda start, size: self._segments.read(name, start, size))
        if list(table) != list(built.locations):
            raise ChunkDamaged("its table says something else")

    def _forget_copy(self, name: SegmentName) -> None:
        """Take away a copy that nobody published and nobody will: the name is known here only."""
        with suppress(StoreError):
            self._segments.delete(name)

    # --- what is right

    def _proven_chunks(self, use: SegmentUse) -> Sequence[_Chunk] | None:
        """Return all chunks that rows name in a segment, proven; None if one of them is bad, or cannot be proven now."""
        stored = self._records.segment_chunks(use.name)
        if any(each.bad or not is_placeable(each.record) for each in stored):
            return None
        try:
            return [
                chunk
                for stretch in stretches([each.record for each in stored])
                for chunk in self._proven_stretch(stretch)
            ]
        except (SegmentMissing, ChunkDamaged, ChunkMissing, StoreUnavailable, StoreUnusable, KmsError):
            # What is damaged was told and marked by whoever read it; of what could not be read there is nothing to say.
            return None

    def _proven_stretch(self, stretch: Sequence[ChunkRecord]) -> Iterator[_Chunk]:
        self._round.check()
        start = stretch[0].offset
        end = stretch[-1].offset + stretch[-1].stored_bytes
        domains = {record.domain_key: self._opened(record.domain_key, stretch) for record in stretch}
        try:
            data = self._segments.read(stretch[0].segment, start, end - start)
            for record in stretch:
                own = data[record.offset - start : record.offset - start + record.stored_bytes]
                self._chunks.prove(domains[record.domain_key], record, own)
                encoded = Encoded(encoding=record.encoding, data=own, plain_bytes=record.plain_bytes)
                yield _Chunk(
                    record,
                    SegmentEntry(
                        domain_uid=domains[record.domain_key].uid,
                        chunk_id=record.chunk_id,
                        kind=record.kind,
                        encoded=encoded,
                    ),
                )
        except (SegmentMissing, ChunkDamaged):
            # Read as readers do: what they find wrong, they mark bad and report, and this says which ones are.
            for record in stretch:
                self._chunks.read(domains[record.domain_key], record.chunk_id)
            raise

    def _opened(self, domain_key: DomainKey, stretch: Sequence[ChunkRecord]) -> OpenDomain:
        """Return a domain, with its data keys if blocks of it are to be proven."""
        domain = self._domains.by_key(domain_key)
        if any(record.domain_key == domain_key and record.kind is ChunkKind.BLOCK for record in stretch):
            return self._domains.with_content(domain)
        return domain


def _rewritten_bytes(use: SegmentUse) -> int:
    """Return how large the needed part of a segment would be as one by itself."""
    return HEADER_BYTES + use.live_bytes + use.chunk_rows * ENTRY_BYTES + FOOTER_BYTES


def _is_thin(use: SegmentUse) -> bool:
    """Whether more than half of a segment is waste."""
    return 2 * _rewritten_bytes(use) < use.size_bytes
