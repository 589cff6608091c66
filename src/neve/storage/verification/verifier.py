"""Verification: is everything that was stored there and right, and what is touched if it is not?

    bad chunks, are they still? ─▶ segments and records ─▶ data, longest ago first ─▶ block maps ─▶ archive

Without data it looks at what says where bytes are: at every segment's header, table and footer, every chunk row, every
block map, every archived record. With data it reads every byte as well. It takes nothing away and mends nothing; it marks
what is bad, which bars it from deduplication, and takes the mark off what is right. Beside it, `scrubbing` reads
everything once in a while, a segment at a time.
"""

from neve.clock import Clock, Entropy
from neve.domain.keyring import Keyring
from neve.events import Event, Report
from neve.limits import Limits
from neve.processors import Processors
from neve.storage.chunk_store import ChunkStore
from neve.storage.domains import Domains
from neve.storage.progress import Check, OnProgress, unhurried, unwatched
from neve.storage.verification.losses import Losses, OnLoss
from neve.storage.verification.parts import Parts
from neve.storage.verification.passes import Pass, search_losses
from neve.storage.verification.proving import Prover
from neve.storage.verification.report import Findings, VerificationReport
from neve.storage.verification.scrubbing import Scrubber, ScrubStep
from neve.stores.archive.contract import ArchiveStore
from neve.stores.marks.contract import OpenMarks
from neve.stores.metadata.contract import MetadataStore
from neve.stores.segments.contract import SegmentStore


class Verifier:
    """Verifies one store. Safe from any thread, beside a server that works on it."""

    def __init__(
        self,
        *,
        metadata: MetadataStore,
        segments: SegmentStore,
        chunks: ChunkStore,
        domains: Domains,
        archive: ArchiveStore,
        keyring: Keyring,
        open_marks: OpenMarks,
        clock: Clock,
        entropy: Entropy,
        limits: Limits,
        processors: Processors,
        report: Report,
        scrub_period_s: int,
    ) -> None:
        """`scrub_period_s` is in how much time `scrub_one`, asked again and again, reads everything; not 0."""
        prover = Prover(
            metadata=metadata,
            segments=segments,
            chunks=chunks,
            domains=domains,
            clock=clock,
            processors=processors,
            report=report,
        )
        self._parts = Parts(
            metadata=metadata,
            segments=segments,
            domains=domains,
            archive=archive,
            keyring=keyring,
            open_marks=open_marks,
            clock=clock,
            entropy=entropy,
            limits=limits,
            prover=prover,
            report=report,
        )
        self._scrubber = Scrubber(self._parts, period_s=scrub_period_s)

    def verify(
        self,
        *,
        data: bool = False,
        sample: float | None = None,
        budget_s: float | None = None,
        on_progress: OnProgress = unwatched,
        check: Check = unhurried,
    ) -> VerificationReport:
        """Look at everything, and with `data` read it; say what was found and what that touches.

        Of data, `sample` reads a share of all segments that chance chooses, and `budget_s` reads for that long, those
        first that were read longest ago: again and again with a budget, everything is read. Neither shortens the rest.

        Raises:
            StoreError: something could not be read this time. No harm was done; what was marked stays marked.
        """
        assert data or (sample is None and budget_s is None), "both are about reading data"
        assert sample is None or 0 < sample <= 1
        return Pass(self._parts, on_progress, check).run(data=data, sample=sample, budget_s=budget_s)

    def scrub_one(self, *, check: Check = unhurried) -> ScrubStep:
        """Read and prove the segment that was verified longest ago, and note it if all of it is right.

        One that is not right, or cannot be proven now, is passed over until everything else was read.

        Raises:
            StoreUnavailable: the records could not be read this time.
        """
        return self._scrubber.step(check)

    def oldest_unverified_ms(self) -> int | None:
        """Return when the segment that was verified longest ago was, or came to be if it never was; None without any.

        As it was a few minutes ago at most.
        """
        return self._scrubber.standing().oldest_ms

    # --- for whoever mends what was found

    @property
    def prover(self) -> Prover:
        """What proves chunks."""
        return self._parts.prover

    def search_losses(self, on_loss: OnLoss, on_progress: OnProgress, check: Check) -> Losses:
        """Walk all block maps and say what is lost, chunk by chunk to `on_loss` too. There are no events of findings.

        Raises:
            StoreUnavailable: something could not be read this time.
        """
        return search_losses(self._parts, Findings(_tell_nobody), on_loss, on_progress, check)


def _tell_nobody(_event: Event) -> None:
    """`verify` told it."""
