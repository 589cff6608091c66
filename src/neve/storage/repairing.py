"""Repair: bytes that were lost are looked for wherever they may still be, proven, and stored anew.

    verify ─▶ what is bad or gone ─▶ own segments ─▶ block rows ─▶ replicas, images, endpoints ─▶ proven? stored anew
       ▲                                                                                               │
       └───────────── a node that came back shows what is below it, so look again ◀────────────────────┘

A chunk that is stored anew takes the place of the row that was bad, so every snapshot that has it is whole again.
Nothing is taken away: what was damaged stays where it lies until collection finds that nothing needs it. What cannot be
had from anywhere is named in the end, by snapshot and range of blocks. Repair may be killed at any instant and repeated.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from neve.clock import Clock, Entropy
from neve.domain.blocks import ChunkKind
from neve.errors import KeyProviderUnavailable, KmsError, StoreUnusable
from neve.limits import Limits
from neve.storage.archiving import Archiver
from neve.storage.chunk_codec import ChunkCodec
from neve.storage.chunk_store import ChunkStore
from neve.storage.domains import Domains
from neve.storage.progress import Check, OnProgress, unhurried, unwatched
from neve.storage.repair_search import RepairSearch, SourceReport, Trying
from neve.storage.repair_sources import CompletionAgain, RepairSource, SegmentTables
from neve.storage.restoring import Restorer
from neve.storage.verification.report import Finding, FindingKind, VerificationReport
from neve.storage.verification.verifier import Verifier
from neve.stores.marks.contract import OpenMarks
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.contract_archive import ArchiveKind, ArchiveName
from neve.stores.metadata.placement import ChunkRecord, SegmentName
from neve.stores.segments.contract import SegmentStore

_BROKEN_SEGMENTS: Final = frozenset({FindingKind.SEGMENT_SIZE, FindingKind.SEGMENT_DAMAGED})
_BROKEN_OBJECTS: Final = frozenset({FindingKind.ARCHIVE_MISSING, FindingKind.ARCHIVE_DAMAGED})


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairReport:
    """What one repair came to."""

    before: VerificationReport
    after: VerificationReport
    """What is still lost: snapshots and ranges of blocks."""
    chunks_wanted: int
    chunks_restored: int
    stored_bytes: int
    """Of chunks that were stored anew."""
    chunks_moved: int
    """Were right and lay in segments that are not: they lie in others now."""
    objects_renewed: int
    """Of the archive."""
    without_key: int
    """Candidates that nobody could prove or seal: their KMS key cannot be used now."""
    sources: Sequence[SourceReport]

    def as_json(self) -> Any:
        """Return it in dictionaries, lists, text and numbers."""
        return msgspec.to_builtins(self, str_keys=True)


class Repairer:
    """Repairs one store. One call at a time is enough; more do no harm."""

    def __init__(
        self,
        *,
        verifier: Verifier,
        metadata: MetadataStore,
        segments: SegmentStore,
        chunks: ChunkStore,
        domains: Domains,
        archiver: Archiver,
        codec: ChunkCodec,
        open_marks: OpenMarks,
        clock: Clock,
        entropy: Entropy,
        limits: Limits,
    ) -> None:
        self._verifier = verifier
        self._metadata = metadata
        self._segments = segments
        self._chunks = chunks
        self._domains = domains
        self._archiver = archiver
        self._codec = codec
        self._open_marks = open_marks
        self._clock = clock
        self._entropy = entropy
        self._limits = limits

    def repair(
        self,
        sources: Sequence[RepairSource] = (),
        *,
        on_progress: OnProgress = unwatched,
        check: Check = unhurried,
    ) -> RepairReport:
        """Mend what can be mended, from this store's own segments and rows first and then from `sources` in their order.

        It knows of what was found before, by reads and by verification, and of what a verification without data finds.

        Raises:
            StoreError: this store could not be read or written this time. What was stored anew stays.
        """
        before = self._verifier.verify(on_progress=on_progress, check=check)
        restorer = Restorer(
            metadata=self._metadata,
            segments=self._segments,
            codec=self._codec,
            clock=self._clock,
            entropy=self._entropy,
            limits=self._limits,
        )
        moved = self._move_out_of_broken_segments(before.findings, restorer, check)
        tries = [Trying(source) for source in (*self._own_sources(), *sources)]
        with closing(self._open_marks()) as tried:
            search = RepairSearch(
                verifier=self._verifier,
                metadata=self._metadata,
                domains=self._domains,
                restorer=restorer,
                tried=tried,
                limits=self._limits,
                on_progress=on_progress,
                check=check,
            )
            search.run(tries)
        renewed = self._renew_objects(before.findings, check)
        return RepairReport(
            before=before,
            after=self._verifier.verify(on_progress=on_progress, check=check),
            chunks_wanted=search.wanted_count,
            chunks_restored=search.restored_count,
            stored_bytes=restorer.stored_bytes,
            chunks_moved=moved,
            objects_renewed=renewed,
            without_key=search.without_key,
            sources=[trying.report() for trying in tries],
        )

    def _own_sources(self) -> Sequence[RepairSource]:
        return (
            SegmentTables("segments of this store", self._segments, self._metadata),
            CompletionAgain(self._metadata, self._domains, self._chunks, self._limits),
        )

    def _move_out_of_broken_segments(
        self, findings: Sequence[Finding], restorer: Restorer, check: Check
    ) -> int:
        """Store anew what is right in segments that are not: their tables no longer say what they hold."""
        moved = 0
        for finding in findings:
            if finding.kind in _BROKEN_SEGMENTS:
                for row in self._metadata.collection.segment_chunks(SegmentName(finding.subject)):
                    check()
                    moved += self._move(row.record, restorer)
        restorer.flush()
        return moved

    def _move(self, record: ChunkRecord, restorer: Restorer) -> bool:
        proof = self._verifier.prover.look(record)
        if proof.content is None:
            return False
        domain = self._domains.by_key(record.domain_key)
        if record.kind is ChunkKind.BLOCK:
            try:
                domain = self._domains.with_content(domain)
            except (KmsError, KeyProviderUnavailable, StoreUnusable):
                return False  # its key was stopped since it was proven
        restorer.add(domain, record.chunk_id, record.kind, proof.content.data)
        return True

    def _renew_objects(self, findings: Sequence[Finding], check: Check) -> int:
        """Write anew what the archive lost. Where it says something else than the database, people decide."""
        renewed = 0
        for finding in findings:
            if finding.kind in _BROKEN_OBJECTS:
                check()
                kind, name = finding.subject.split("/", 1)
                renewed += self._archiver.renew(ArchiveName(ArchiveKind(kind), name))
        return renewed
