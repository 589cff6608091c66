"""Making the database again from what lies beside it: the archive, and the tables of the segments.

    archive objects ─▶ accounts, domains, keys, completed snapshots     (one transaction)
    segment tables ──▶ segment and chunk rows                          (one for each segment)

Nothing is believed that does not open under the master key or hang together: an object that is damaged is named and
left out, with what needs it. Entries of segment tables are under nobody's key; what they say is a place to look, and
whoever reads there proves what is found. Where two segments have the same chunk, the copy that proves right is taken.
Snapshots that were not completed are not in the archive: they are gone, and with them what was written to them.

Where an older database was put back and worked with, the archive has snapshots of both: two of them may have one key,
which means nothing outside of a database. The later one gets another.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from neve.clock import Clock
from neve.domain.blocks import ChunkId
from neve.domain.identities import DomainKey
from neve.domain.keyring import Keyring
from neve.errors import (
    ArchiveDamaged,
    ArchiveMissing,
    ChunkDamaged,
    SegmentMissing,
    StoreUnusable,
)
from neve.storage.archiving import archived_names, read_record
from neve.storage.progress import Check, OnProgress, Progress, Unit
from neve.storage.segment_format import read_table
from neve.storage.verification.proving import Prover, Verdict
from neve.stores.archive.contract import ArchiveStore
from neve.stores.metadata.contract import Batch, MetadataStore
from neve.stores.metadata.contract_archive import (
    ARCHIVE_ORDER,
    STORE_FACTS,
    ArchivedRecord,
    ArchiveKind,
    ArchiveName,
)
from neve.stores.metadata.placement import ChunkRecord, SegmentName
from neve.stores.segments.contract import SegmentStore

_PAGE_NAMES: Final = 1_000
_NAMED_MAX: Final = 1_000
"""Left-out objects and segments that are named one by one: whoever lost more needs no list."""


@dataclass(slots=True, kw_only=True)
class RebuildReport:
    """What came of a rebuilding."""

    restored: dict[str, int] = field(default_factory=dict)
    """Archived records, by kind."""
    segments: int = 0
    chunks: int = 0
    left_out: list[str] = field(default_factory=list)
    """Sentences about what could not be used, the first thousand."""
    left_out_count: int = 0

    def leave_out(self, what: str) -> None:
        """Note something that could not be used."""
        self.left_out_count += 1
        if len(self.left_out) < _NAMED_MAX:
            self.left_out.append(what)


@dataclass(frozen=True, slots=True)
class _Owners:
    """Who was restored so far and may have something."""

    accounts: set[str]
    domains: set[int]


class Rebuilder:
    """Fills a new metadata store that has nothing but the facts. For one thread, once."""

    def __init__(
        self,
        *,
        metadata: MetadataStore,
        segments: SegmentStore,
        archive: ArchiveStore,
        keyring: Keyring,
        prover: Prover,
        clock: Clock,
    ) -> None:
        self._metadata = metadata
        self._segments = segments
        self._archive = archive
        self._keyring = keyring
        self._prover = prover
        self._clock = clock

    def rebuild(self, *, on_progress: OnProgress, check: Check) -> RebuildReport:
        """Fill the database; return what that came to.

        Raises:
            StoreError: it cannot be done, or not now. The database is to be thrown away.
        """
        report = RebuildReport()
        self._metadata.archive.restore(self._records(report, on_progress, check))
        self._take_segments(report, on_progress, check)
        return report

    # --- the archive

    def _records(
        self, report: RebuildReport, on_progress: OnProgress, check: Check
    ) -> Iterator[ArchivedRecord]:
        """Yield every record that opens and whose owner did, in the order to restore them."""
        owners = _Owners(accounts=set(), domains=set())
        keys: set[int] = set()
        again: list[ArchiveName] = []
        for kind in ARCHIVE_ORDER:
            report.restored[kind] = 0
            for name in archived_names(self._archive, kind):
                check()
                record = self._owned_record(name, owners, report)
                if record is None:
                    continue
                if kind is ArchiveKind.SNAPSHOT:
                    if (key := _snapshot_key(record)) in keys:
                        again.append(name)
                        continue
                    keys.add(key)
                yield record
                _count(report, kind, on_progress)
        newest = max(keys, default=0)
        for number, name in enumerate(again, start=1):
            check()
            record = self._owned_record(name, owners, report)
            if record is not None:
                yield _with_key(record, newest + number)
                _count(report, name.kind, on_progress)

    def _owned_record(
        self, name: ArchiveName, owners: _Owners, report: RebuildReport
    ) -> ArchivedRecord | None:
        """Return a record if it opens and its owner did; what is not returned, the report has."""
        record = self._record(name, report)
        if record is None:
            return None
        missing = _missing_owner(record, owners)
        if missing:
            report.leave_out(f"{name.kind} {name.name}: {missing} could not be restored")
            return None
        if name.kind is ArchiveKind.ACCOUNT:
            owners.accounts.add(name.name)
        elif name.kind is ArchiveKind.DOMAIN:
            owners.domains.add(int(name.name))
        return record

    def _record(self, name: ArchiveName, report: RebuildReport) -> ArchivedRecord | None:
        try:
            return read_record(self._archive, name, self._keyring)
        except (ArchiveDamaged, ArchiveMissing) as error:
            if name == STORE_FACTS:
                raise
            report.leave_out(f"{name.kind} {name.name}: {error}")
            return None

    # --- the segments

    def _take_segments(self, report: RebuildReport, on_progress: OnProgress, check: Check) -> None:
        domain_keys = {domain.uid: domain.key for domain in self._metadata.domains()}
        after: SegmentName | None = None
        while names := self._segments.names(after=after, limit=_PAGE_NAMES):
            self._metadata.reserve_segments(names, now_ms=self._clock.now_ms())
            for name in names:
                check()
                self._take_segment(name, domain_keys, report)
                on_progress(
                    Progress(phase="reading segments", done=report.segments, total=0, unit=Unit.SEGMENTS)
                )
            after = names[-1]
        # Those that could not be taken keep their names: nobody publishes them any more.
        self._metadata.cancel_reservations()

    def _take_segment(
        self, name: SegmentName, domain_keys: Mapping[bytes, DomainKey], report: RebuildReport
    ) -> None:
        try:
            size_bytes = self._segments.size(name)
            table = read_table(name, size_bytes, lambda offset, size: self._segments.read(name, offset, size))
        except (ChunkDamaged, SegmentMissing, StoreUnusable) as error:
            report.leave_out(f"segment {name}: {error}")
            return
        records = [
            ChunkRecord(
                domain_key=domain_keys[entry.domain_uid],
                chunk_id=entry.chunk_id,
                kind=entry.kind,
                encoding=entry.encoding,
                segment=name,
                offset=entry.offset,
                stored_bytes=entry.stored_bytes,
                plain_bytes=entry.plain_bytes,
            )
            for entry in table
            if entry.domain_uid in domain_keys
        ]
        if len(records) < len(table):
            report.leave_out(
                f"segment {name}: {len(table) - len(records)} chunks of domains that are not there"
            )
        self._doubt_the_known(records)
        batch = Batch(segment=name, segment_bytes=size_bytes, chunks=records)
        self._metadata.publish(batch, now_ms=self._clock.now_ms())
        report.segments += 1
        report.chunks += len(records)

    def _doubt_the_known(self, records: list[ChunkRecord]) -> None:
        """Prove the copies that are on record already of chunks that come again; what fails makes room for the other."""
        by_domain: dict[DomainKey, list[ChunkId]] = {}
        for record in records:
            by_domain.setdefault(record.domain_key, []).append(record.chunk_id)
        for domain_key, chunk_ids in by_domain.items():
            for known in self._metadata.chunks(domain_key, chunk_ids).values():
                if self._prover.look(known).verdict is Verdict.DAMAGED:
                    self._metadata.mark_bad(domain_key, known.chunk_id)


def _count(report: RebuildReport, kind: ArchiveKind, on_progress: OnProgress) -> None:
    report.restored[kind] += 1
    on_progress(
        Progress(phase=f"restoring {kind} records", done=report.restored[kind], total=0, unit=Unit.SNAPSHOTS)
    )


def _snapshot_key(record: ArchivedRecord) -> int:
    (row,) = record.tables["snapshot"]
    key = row["snapshot_key"]
    if not isinstance(key, int):
        raise StoreUnusable(f"the archived record snapshot/{record.name.name} says that its key is {key!r}")
    return key


def _with_key(record: ArchivedRecord, key: int) -> ArchivedRecord:
    """Return a snapshot's record under another key: all of its tables name it by that."""
    tables = {table: [{**row, "snapshot_key": key} for row in rows] for table, rows in record.tables.items()}
    return ArchivedRecord(name=record.name, tables=tables)


def _missing_owner(record: ArchivedRecord, owners: _Owners) -> str:
    """Return who a record needs and is not there; empty if nobody is missing."""
    kind = record.name.kind
    if kind in {ArchiveKind.STORE, ArchiveKind.ACCOUNT}:
        return ""
    first = {ArchiveKind.DOMAIN: "domain", ArchiveKind.KEY: "kms_key", ArchiveKind.SNAPSHOT: "snapshot"}[kind]
    (row,) = record.tables[first]
    if row["account_id"] not in owners.accounts:
        return f"account {row['account_id']!s}"
    if kind is ArchiveKind.SNAPSHOT and row["domain_key"] not in owners.domains:
        return f"domain {row['domain_key']!s}"
    return ""
