"""Scrubbing: reading everything once in a while, a segment at a time, at an even pace.

    longest ago verified first ─▶ read and prove it ─▶ note it ─▶ wait as long as its share of all bytes is of the period

As Ceph does in a week and Proxmox Backup Server in a month. A cycle goes once through everything that was not verified
since it began; what is not right, or cannot be proven now, is passed over and comes first in the next one. Where it has
come is in memory only: after a restart those that were verified longest ago come first again.
"""

from dataclasses import dataclass
from threading import Lock
from typing import Final

from neve.storage.progress import Check
from neve.storage.verification.parts import Parts
from neve.storage.verification.report import Findings, Tally
from neve.storage.verification.segment_checks import SegmentChecks
from neve.stores.metadata.contract_collection import SegmentUse, VerificationStanding

_STANDING_AGE_S: Final = 300
"""Counting segments takes time on a large store."""
_PACE: Final = 0.875
"""Share of the period that reading everything once is to take: the rest is for what comes to be meanwhile."""
_HURRY: Final = 4
"""How much faster it goes when something has waited longer than the period: after a long stop, say."""
_WAIT_S_MAX: Final = 3600.0
"""A small store is read more often than it must be: in an hour it may be a larger one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrubStep:
    """One segment, looked at in the background."""

    segment: str
    """Its name; empty if there was none to look at."""
    bytes_read: int
    is_right: bool
    """Every byte of it was proven, or there was none."""
    findings: int
    wait_s: float
    """How long to wait before the next step, so that everything is read once in the period at an even pace."""


@dataclass(slots=True)
class _Cycle:
    """How far this time through everything has come."""

    before_ms: int
    """What was verified since belongs to the next cycle."""
    after: SegmentUse | None = None


class Scrubber:
    """Goes through all segments again and again. Safe from any thread."""

    def __init__(self, parts: Parts, *, period_s: int) -> None:
        self._parts = parts
        self._period_s = period_s
        self._lock = Lock()
        self._cycle: _Cycle | None = None
        self._standing: VerificationStanding | None = None
        self._standing_s = 0.0

    def step(self, check: Check) -> ScrubStep:
        """Look at the next segment, and note it if every byte is right."""
        parts = self._parts
        began_s = parts.clock.monotonic_s()
        use, moment_ms = self._next()
        if use is None:
            return ScrubStep(segment="", bytes_read=0, is_right=True, findings=0, wait_s=_WAIT_S_MAX)
        findings, tally = Findings(parts.report), Tally()
        checks = SegmentChecks(
            metadata=parts.metadata,
            segments=parts.segments,
            prover=parts.prover,
            findings=findings,
            tally=tally,
            check=check,
        )
        is_right = checks.look(use, data=True)
        if is_right:
            now_ms = max(moment_ms, parts.clock.now_ms())
            parts.metadata.collection.set_verified(use.name, now_ms=now_ms)
        took_s = parts.clock.monotonic_s() - began_s
        return ScrubStep(
            segment=use.name,
            bytes_read=tally.bytes_read,
            is_right=is_right,
            findings=findings.counts.total(),
            wait_s=self._wait_s(use, took_s),
        )

    def standing(self) -> VerificationStanding:
        """Return what there is to verify, as it was a few minutes ago at most."""
        now_s = self._parts.clock.monotonic_s()
        with self._lock:
            if self._standing is None or now_s - self._standing_s >= _STANDING_AGE_S:
                self._standing = self._parts.metadata.collection.verification_standing()
                self._standing_s = now_s
            return self._standing

    def _next(self) -> tuple[SegmentUse | None, int]:
        """Return the next segment, if there is any, and the moment that its cycle began."""
        with self._lock:
            use = None if self._cycle is None else self._next_of(self._cycle)
            if self._cycle is None or use is None:
                self._cycle = _Cycle(before_ms=self._parts.new_moment())
                use = self._next_of(self._cycle)
            return use, self._cycle.before_ms

    def _next_of(self, cycle: _Cycle) -> SegmentUse | None:
        found = self._parts.metadata.collection.segments_to_verify(
            verified_before_ms=cycle.before_ms, after=cycle.after, limit=1
        )
        if not found:
            return None
        cycle.after = found[0]
        return found[0]

    def _wait_s(self, use: SegmentUse, took_s: float) -> float:
        standing = self.standing()
        share = use.size_bytes / max(standing.size_bytes, use.size_bytes)
        wait_s = self._period_s * _PACE * share
        oldest_ms = standing.oldest_ms
        now_ms = self._parts.clock.now_ms()
        if oldest_ms is not None and now_ms - oldest_ms > self._period_s * 1000:
            wait_s /= _HURRY
        return min(max(0.0, wait_s - took_s), _WAIT_S_MAX)
