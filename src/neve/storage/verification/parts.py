"""What verification works with: the stores, and what proves what is in them."""

from dataclasses import dataclass

from neve.clock import Clock, Entropy
from neve.domain.keyring import Keyring
from neve.events import Report
from neve.limits import Limits
from neve.storage.domains import Domains
from neve.storage.verification.proving import Prover
from neve.stores.archive.contract import ArchiveStore
from neve.stores.marks.contract import OpenMarks
from neve.stores.metadata.contract import MetadataStore
from neve.stores.segments.contract import SegmentStore

_CLOCK_AHEAD_MS = 60_000
"""What was verified further in the future than this was so by a clock that was wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything of one store that is verified, or helps to."""

    metadata: MetadataStore
    segments: SegmentStore
    domains: Domains
    archive: ArchiveStore
    keyring: Keyring
    open_marks: OpenMarks
    clock: Clock
    entropy: Entropy
    limits: Limits
    prover: Prover
    report: Report

    def new_moment(self) -> int:
        """Return a moment behind every one that something was verified at.

        Whoever goes through all segments that were verified before it, and notes it or a later one for each, meets none
        twice, whatever the clock does. Notes of a clock that was wrong do not count any more.
        """
        now_ms = self.clock.now_ms()
        self.metadata.collection.distrust_verified(after_ms=now_ms + _CLOCK_AHEAD_MS)
        return max(now_ms, self.metadata.collection.verification_standing().newest_ms + 1)
