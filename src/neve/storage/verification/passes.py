"""One verification from beginning to end: what is looked at, in which order, and what comes of it.

Losses come after everything that may mark a chunk bad, so that they name what was just found.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Final

from neve.domain.identities import DomainKey
from neve.domain.snapshots import SnapshotKey
from neve.errors import StoreUnusable
from neve.storage.progress import Check, OnProgress, Progress, Unit
from neve.storage.verification.archive_checks import ArchiveChecks
from neve.storage.verification.losses import Losses, LossSearch, OnLoss
from neve.storage.verification.object_checks import find_unexplained
from neve.storage.verification.parts import Parts
from neve.storage.verification.proving import Verdict, placed
from neve.storage.verification.report import FindingKind, Findings, Tally, VerificationReport
from neve.storage.verification.segment_checks import SegmentChecks, chunk_name
from neve.storage.verification.trees import Loss, TreeChecks
from neve.stores.metadata.contract_collection import (
    ChunkKey,
    SegmentKey,
    SegmentState,
    SegmentUse,
    StoredChunk,
)
from neve.stores.metadata.contract_needs import Need

_PAGE: Final = 200
_CHANCE_BYTES: Final = 8
_FLAWS_MAX: Final = 100


class Pass:
    """One verification. For one thread, once."""

    def __init__(self, parts: Parts, on_progress: OnProgress, check: Check) -> None:
        self._parts = parts
        self._on_progress = on_progress
        self._check = check
        self._findings = Findings(parts.report)
        self._tally = Tally()
        self._finished = True
        self._losses = Losses(snapshots=0, touched=(), touched_count=0)
        self._archive_objects = 0
        self._segment_checks = SegmentChecks(
            metadata=parts.metadata,
            segments=parts.segments,
            prover=parts.prover,
            findings=self._findings,
            tally=self._tally,
            check=check,
        )

    def run(self, *, data: bool, sample: float | None, budget_s: float | None) -> VerificationReport:
        """Do all of it; return what it came to.

        Raises:
            StoreError: something could not be read this time.
        """
        parts = self._parts
        started_ms = parts.clock.now_ms()
        flaws = parts.metadata.flaws(self._check, limit=_FLAWS_MAX)
        for number, flaw in enumerate(flaws, start=1):
            self._findings.add(FindingKind.RECORDS_DAMAGED, f"the database, {number}", flaw)
        self._try(self._look_at_snapshots)
        self._try(self._look_at_bad_chunks)
        self._try(lambda: find_unexplained(parts.metadata, parts.segments, self._findings, self._check))
        self._try(self._look_at_segments)
        if sample is not None:
            self._try(lambda: self._read_sample(sample, budget_s))
        elif data:
            self._try(lambda: self._read_all(budget_s))
        self._try(self._look_for_losses)
        self._try(self._look_at_archive)
        return VerificationReport(
            started_ms=started_ms,
            ended_ms=parts.clock.now_ms(),
            data=data,
            sample=sample,
            finished=self._finished,
            segments=self._tally.segments,
            segments_read=self._tally.segments_read,
            bytes_read=self._tally.bytes_read,
            chunks_proven=self._tally.proven,
            unproven=[self._tally.unproven[arn] for arn in sorted(self._tally.unproven)],
            chunks_cleared=self._tally.cleared,
            snapshots=self._losses.snapshots,
            archive_objects=self._archive_objects,
            findings=self._findings.listed,
            finding_counts=dict(self._findings.counts),
            touched=self._losses.touched,
            touched_count=self._losses.touched_count,
        )

    def _try(self, work: Callable[[], None]) -> None:
        """Do a part of it; what the records keep from being done is found, and the rest goes on."""
        try:
            work()
        except StoreUnusable as error:
            self._findings.add(FindingKind.RECORDS_DAMAGED, "the database", str(error))

    def _look_for_losses(self) -> None:
        self._losses = search_losses(
            self._parts, self._findings, _tell_nobody, self._on_progress, self._check
        )

    def _look_at_archive(self) -> None:
        parts = self._parts
        self._archive_objects = ArchiveChecks(
            metadata=parts.metadata,
            archive=parts.archive,
            keyring=parts.keyring,
            findings=self._findings,
            check=self._check,
        ).run(self._on_progress)

    # --- records

    def _look_at_snapshots(self) -> None:
        """Read every record of a snapshot that is shown: one that cannot be keeps all of its account from being listed."""
        for account in self._parts.metadata.accounts():
            after: SnapshotKey | None = None
            while page := self._parts.metadata.snapshots(account.account_id, after=after, limit=_PAGE):
                self._check()
                after = page[-1].key

    # --- what is marked bad

    def _look_at_bad_chunks(self) -> None:
        """Take the mark off what is right by now: a disk that came back, a segment that was put back."""
        after: ChunkKey | None = None
        while page := self._parts.metadata.collection.bad_chunks(after=after, limit=_PAGE):
            for _, stored in page:
                self._check()
                self._look_at_bad(stored)
            after = page[-1][0]

    def _look_at_bad(self, stored: StoredChunk) -> None:
        record = stored.record
        proof = self._parts.prover.look(record)
        if proof.verdict is Verdict.PROVEN:
            self._tally.cleared += self._parts.metadata.collection.clear_bad(record)
        elif proof.verdict is Verdict.DAMAGED and not proof.segment_is_missing:
            what = placed(record, proof.why)
            self._findings.add(FindingKind.CHUNK_DAMAGED, chunk_name(record), what, told=True)

    # --- segments

    def _look_at_segments(self) -> None:
        """Look at every segment without reading its chunks."""
        total = self._parts.metadata.collection.verification_standing().segments
        for use in self._segments():
            self._tell("looking at segments", self._tally.segments, total, Unit.SEGMENTS)
            self._tally.segments += 1
            self._segment_checks.look(use, data=False)

    def _segments(self) -> Iterator[SegmentUse]:
        """Yield every live segment, having found out that no condemned one is used."""
        after: SegmentKey | None = None
        while page := self._parts.metadata.collection.segments(after=after, limit=_PAGE):
            for use in page:
                self._check()
                if use.state is SegmentState.LIVE:
                    yield use
                elif use.chunk_rows:
                    what = f"it is condemned, and {use.chunk_rows} chunk rows point into it"
                    self._findings.add(FindingKind.ROW_WRONG, use.name, what)
            after = page[-1].segment_key

    def _read_all(self, budget_s: float | None) -> None:
        """Read segments, those first that were verified longest ago, for as long as there is time."""
        began_s = self._parts.clock.monotonic_s()
        moment_ms = self._parts.new_moment()
        total = self._parts.metadata.collection.verification_standing().size_bytes
        after: SegmentUse | None = None
        while page := self._parts.metadata.collection.segments_to_verify(
            verified_before_ms=moment_ms, after=after, limit=_PAGE
        ):
            for use in page:
                if budget_s is not None and self._parts.clock.monotonic_s() - began_s >= budget_s:
                    self._finished = False
                    return
                self._read(use, moment_ms, total)
            after = page[-1]

    def _read_sample(self, share: float, budget_s: float | None) -> None:
        """Read those segments that chance chooses, for as long as there is time."""
        began_s = self._parts.clock.monotonic_s()
        moment_ms = self._parts.new_moment()
        total = int(self._parts.metadata.collection.verification_standing().size_bytes * share)
        for use in self._segments():
            if budget_s is not None and self._parts.clock.monotonic_s() - began_s >= budget_s:
                self._finished = False
                return
            if self._is_chosen(share):
                self._read(use, moment_ms, total)

    def _read(self, use: SegmentUse, moment_ms: int, total_bytes: int) -> None:
        self._check()
        self._tell("reading segments", self._tally.bytes_read, total_bytes, Unit.BYTES)
        if self._segment_checks.look(use, data=True):
            now_ms = max(moment_ms, self._parts.clock.now_ms())
            self._parts.metadata.collection.set_verified(use.name, now_ms=now_ms)

    def _is_chosen(self, share: float) -> bool:
        return int.from_bytes(self._parts.entropy.take(_CHANCE_BYTES)) < share * (1 << 8 * _CHANCE_BYTES)

    def _tell(self, phase: str, done: int, total: int, unit: Unit) -> None:
        self._on_progress(Progress(phase=phase, done=done, total=max(done, total), unit=unit))


def search_losses(
    parts: Parts, findings: Findings, on_loss: OnLoss, on_progress: OnProgress, check: Check
) -> Losses:
    """Walk all block maps and say what is lost.

    Raises:
        StoreUnavailable: something could not be read this time.
    """
    with closing(parts.open_marks()) as marks:
        trees = TreeChecks(
            metadata=parts.metadata,
            segments=parts.segments,
            prover=parts.prover,
            marks=marks,
            limits=parts.limits,
            findings=findings,
            check=check,
        )
        search = LossSearch(
            metadata=parts.metadata,
            domains=parts.domains,
            trees=trees,
            limits=parts.limits,
            findings=findings,
        )
        return search.run(on_progress, on_loss)


def _tell_nobody(_need: Need, _domain_key: DomainKey, _loss: Loss) -> None:
    """Whoever only reports needs the ranges, which the search itself gathers."""
