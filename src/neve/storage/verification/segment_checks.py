"""Looking at one segment: is it the one that was published, do the records agree with it, is every byte right?

    size ─▶ header, table, footer ─▶ chunk rows against the table ─▶ every chunk proven, if data are asked for

Where the first three find something, every chunk that a row points to is proven at once, asked for or not: so that
what is called bad is bad, and the rest of a broken segment is known to be right.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from neve.domain.blocks import ChunkId
from neve.domain.identities import DomainKey
from neve.errors import ChunkDamaged, SegmentMissing, StoreUnavailable, StoreUnusable
from neve.limits import MIB
from neve.storage.chunk_store import is_placeable, stretches
from neve.storage.progress import Check
from neve.storage.segment_format import ChunkLocation, read_table
from neve.storage.verification.proving import Proof, Prover, Verdict, placed, without_content
from neve.storage.verification.report import FindingKind, Findings, Tally
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.contract_collection import SegmentState, SegmentUse, StoredChunk
from neve.stores.metadata.placement import ChunkRecord, SegmentName
from neve.stores.segments.contract import SegmentStore

_READ_BYTES: Final = 8 * MIB
"""Read at once: enough that a disk or a bucket is asked seldom, and little beside what a server may use."""
_UNREADABLE_IN_A_ROW_MAX: Final = 10
"""After so many segments that could not be read it is the store that is away."""

_Name = tuple[bytes, ChunkId]


@dataclass(frozen=True, slots=True)
class _Item:
    """A chunk to prove."""

    record: ChunkRecord
    row: StoredChunk | None
    """None if no row points to it."""


class SegmentChecks:
    """Looks at segments, one after another. For one thread."""

    def __init__(
        self,
        *,
        metadata: MetadataStore,
        segments: SegmentStore,
        prover: Prover,
        findings: Findings,
        tally: Tally,
        check: Check,
    ) -> None:
        self._metadata = metadata
        self._segments = segments
        self._prover = prover
        self._findings = findings
        self._tally = tally
        self._check = check
        self._unreadable_in_a_row = 0
        self._is_right = True
        """Of the segment that is looked at."""

    def look(self, use: SegmentUse, *, data: bool) -> bool:
        """Look at a live segment; return whether all that was looked at is right and, with `data`, every byte was.

        What is wrong is marked, told and found.

        Raises:
            StoreUnavailable: many in a row could not be read.
        """
        self._tally.segments_read += data
        self._is_right = True
        try:
            self._look(use, data=data)
        except SegmentMissing:
            self._look_for(use)
        except StoreUnavailable as error:
            self._unreadable_in_a_row += 1
            if self._unreadable_in_a_row >= _UNREADABLE_IN_A_ROW_MAX:
                raise
            self._find(FindingKind.SEGMENT_UNREADABLE, use.name, str(error))
            return False
        self._unreadable_in_a_row = 0
        return self._is_right

    def _find(self, kind: FindingKind, subject: str, what: str, *, told: bool = False) -> None:
        self._is_right = False
        self._findings.add(kind, subject, what, told=told)

    def _look(self, use: SegmentUse, *, data: bool) -> None:
        table = self._table(use)
        rows = self._metadata.collection.segment_chunks(use.name)
        if table is None:
            items = [_Item(row.record, row) for row in rows]
        else:
            wrong = self._wrong_rows(use.name, rows, table.values())
            items = [_Item(row.record, row) for row in wrong]
            if data:
                items += self._items_of(use.name, table.values(), rows)
        self._prove(items)

    # --- the segment itself

    def _table(self, use: SegmentUse) -> Mapping[_Name, ChunkLocation] | None:
        """Return what a segment says it holds; None if it is not what was written."""
        size_bytes = self._segments.size(use.name)
        if size_bytes != use.size_bytes:
            what = f"it has {size_bytes} bytes, and was published with {use.size_bytes}"
            self._find(FindingKind.SEGMENT_SIZE, use.name, what)
        sizes = [size_bytes, *([use.size_bytes] if 0 < use.size_bytes < size_bytes else [])]
        why = ""
        for size in sizes * 2:  # what is found wrong is read twice
            try:
                locations = read_table(
                    use.name, size, lambda offset, size: self._segments.read(use.name, offset, size)
                )
            except (ChunkDamaged, StoreUnusable) as error:
                why = why or str(error)
                continue
            return {(each.domain_uid, each.chunk_id): each for each in locations}
        if size_bytes == use.size_bytes:
            self._find(FindingKind.SEGMENT_DAMAGED, use.name, why)
        return None

    def _wrong_rows(
        self, name: SegmentName, rows: Sequence[StoredChunk], table: Iterable[ChunkLocation]
    ) -> Sequence[StoredChunk]:
        """Find and return the rows that say something else than the table."""
        said = {record for _, record in self._records_of(name, table)}
        wrong = [row for row in rows if row.record not in said]
        for row in wrong:
            why = f"segment {name} does not have it at {row.record.offset} as the database says"
            self._find(FindingKind.ROW_WRONG, chunk_name(row.record), why)
        return wrong

    def _items_of(
        self, name: SegmentName, table: Iterable[ChunkLocation], rows: Sequence[StoredChunk]
    ) -> Sequence[_Item]:
        row_of = {row.record: row for row in rows}
        items = []
        strangers = set()
        for location, record in self._records_of(name, table):
            if record is None:
                strangers.add(location.domain_uid)
            else:
                items.append(_Item(record, row_of.get(record)))
        for uid in sorted(strangers):
            what = f"it has chunks of domain {uid.hex()}, which no record explains"
            self._find(FindingKind.SEGMENT_UNEXPLAINED, name, what)
        return items

    def _records_of(
        self, name: SegmentName, table: Iterable[ChunkLocation]
    ) -> Iterator[tuple[ChunkLocation, ChunkRecord | None]]:
        """Yield a table's entries, each as a row would say it; None for those of domains that no record explains."""
        domains: dict[bytes, DomainKey | None] = {}
        for location in table:
            if location.domain_uid not in domains:
                domains[location.domain_uid] = self._prover.domain_of(location.domain_uid)
            domain_key = domains[location.domain_uid]
            yield location, None if domain_key is None else record_of(domain_key, name, location)

    def _look_for(self, use: SegmentUse) -> None:
        """Find out whether a segment that was not there is missing, and mark what it had."""
        if self._metadata.collection.segment_states([use.name]).get(use.name) is not SegmentState.LIVE:
            return  # collected meanwhile
        try:
            self._segments.size(use.name)
        except SegmentMissing as error:
            rows = self._metadata.collection.segment_chunks(use.name)
            for row in rows:
                if not row.bad:
                    self._metadata.mark_bad(row.record.domain_key, row.record.chunk_id)
            what = f"{error}; {len(rows)} chunk rows point into it"
            if not rows:
                what = f"{error}; nothing needs it, and collection will forget it"
            self._find(FindingKind.SEGMENT_MISSING, use.name, what)
        else:
            self._find(
                FindingKind.SEGMENT_UNREADABLE, use.name, "it was away for a moment, and is there again"
            )

    # --- chunks

    def _prove(self, items: Sequence[_Item]) -> None:
        """Prove chunks and say what is wrong."""
        readable: dict[ChunkRecord, _Item] = {}
        for item in items:
            refusal = self._prover.refusal(item.record)
            if refusal is not None:
                self._leave_unproven(item, refusal)
            elif is_placeable(item.record):
                readable[item.record] = item
            else:
                self._judge(item, self._prover.read(item.record))
        for stretch in stretches(readable, bytes_max=_READ_BYTES):
            self._check()
            for record, proof in zip(stretch, self._proofs(stretch), strict=True):
                self._judge(readable[record], proof)

    def _proofs(self, stretch: Sequence[ChunkRecord]) -> Sequence[Proof]:
        start = stretch[0].offset
        size = stretch[-1].offset + stretch[-1].stored_bytes - start
        try:
            stored = memoryview(self._segments.read(stretch[0].segment, start, size))
        except ChunkDamaged:
            stored = memoryview(b"")  # one by one, each will say what is wrong with it
        self._tally.bytes_read += len(stored)
        proofs = []
        for record in stretch:
            own = stored[record.offset - start :][: record.stored_bytes]
            proofs.append(without_content(self._prover.prove(record, own)))
        return proofs

    def _judge(self, item: _Item, proof: Proof) -> None:
        if proof.verdict is Verdict.DAMAGED:
            proof = self._look_again(item)
        match proof.verdict:
            case Verdict.PROVEN:
                self._tally.proven += 1
                if item.row is not None and item.row.bad:
                    self._tally.cleared += self._metadata.collection.clear_bad(item.record)
            case Verdict.UNPROVEN:
                self._leave_unproven(item, proof)
            case Verdict.DAMAGED:
                self._condemn(item, proof.why)
            case Verdict.MOVED:
                pass

    def _look_again(self, item: _Item) -> Proof:
        if item.row is None:
            return self._prover.read(item.record)
        return self._prover.look_again(item.record)

    def _condemn(self, item: _Item, why: str) -> None:
        what = placed(item.record, why)
        if item.row is None:
            self._find(FindingKind.UNUSED_CHUNK_DAMAGED, chunk_name(item.record), what)
            return
        if not item.row.bad:
            self._prover.condemn(item.record, why)
        self._find(FindingKind.CHUNK_DAMAGED, chunk_name(item.record), what, told=True)

    def _leave_unproven(self, item: _Item, proof: Proof) -> None:
        self._is_right = False
        self._tally.leave_unproven(proof.kms_key_arn, item.record.stored_bytes, proof.why)


def record_of(domain_key: DomainKey, name: SegmentName, location: ChunkLocation) -> ChunkRecord:
    """Return what a segment's table says of a chunk, as a row says it."""
    return ChunkRecord(
        domain_key=domain_key,
        chunk_id=location.chunk_id,
        kind=location.kind,
        encoding=location.encoding,
        segment=name,
        offset=location.offset,
        stored_bytes=location.stored_bytes,
        plain_bytes=location.plain_bytes,
    )


def chunk_name(record: ChunkRecord) -> str:
    """Return what findings call a chunk."""
    return f"domain {record.domain_key} chunk {record.chunk_id.hex()}"
