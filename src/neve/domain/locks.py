"""Locks: a snapshot that must not be deleted before its date (contract 9.9).

    governance   ─▶ may be changed and taken off by whoever may do that
    compliance   ─▶ as governance until its cool-off is over; then only ever extended, by nobody taken off
    expired      ─▶ as if there were none, but shown

A lock is a record beside its snapshot; what it means now follows from the record, the snapshot and the time. On a
pending snapshot the duration begins at completion: until then it holds without an end. One that fails has no lock.
"""

from dataclasses import dataclass
from enum import StrEnum

from neve.domain.snapshots import Snapshot, State

DAY_MS = 24 * 3600 * 1000
HOUR_MS = 3600 * 1000


class LockMode(StrEnum):
    """What LockSnapshot was asked for. The words are stored and sent."""

    GOVERNANCE = "governance"
    COMPLIANCE = "compliance"


class LockState(StrEnum):
    """What the API says of a lock (contract 9.9)."""

    COMPLIANCE_COOLOFF = "compliance-cooloff"
    COMPLIANCE = "compliance"
    GOVERNANCE = "governance"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """One lock, as its record stands. Exactly one of `duration_days` and `expires_ms` was asked for."""

    mode: LockMode
    created_ms: int
    duration_days: int | None
    """Counted from `created_ms`, or from completion if the snapshot was pending then."""
    expires_ms: int | None
    cool_off_hours: int | None
    """Compliance only; None for a lock that is final at once."""

    def __post_init__(self) -> None:
        assert (self.duration_days is None) != (self.expires_ms is None)
        assert self.cool_off_hours is None or self.mode is LockMode.COMPLIANCE

    def duration_start_ms(self, snapshot: Snapshot) -> int | None:
        """Return when the duration began; None for a snapshot that is not completed yet."""
        if snapshot.completed_ms is None:
            return None
        return max(self.created_ms, snapshot.completed_ms)

    def ends_ms(self, snapshot: Snapshot) -> int | None:
        """Return when the lock expires; None as long as that is open."""
        if self.expires_ms is not None:
            return self.expires_ms
        start_ms = self.duration_start_ms(snapshot)
        assert self.duration_days is not None
        return None if start_ms is None else start_ms + self.duration_days * DAY_MS

    def cool_off_ends_ms(self) -> int | None:
        """Return when a compliance lock becomes final; None if it was at once, or is of the other mode."""
        if self.cool_off_hours is None:
            return None
        return self.created_ms + self.cool_off_hours * HOUR_MS

    def state(self, snapshot: Snapshot, now_ms: int) -> LockState:
        """Return what the lock is now."""
        ends_ms = self.ends_ms(snapshot)
        if ends_ms is not None and now_ms >= ends_ms:
            return LockState.EXPIRED
        if self.mode is LockMode.GOVERNANCE:
            return LockState.GOVERNANCE
        cool_off_ends_ms = self.cool_off_ends_ms()
        if cool_off_ends_ms is not None and now_ms < cool_off_ends_ms:
            return LockState.COMPLIANCE_COOLOFF
        return LockState.COMPLIANCE

    def forbids_deletion(self, snapshot: Snapshot, now_ms: int) -> bool:
        """Return whether the snapshot must stay."""
        return snapshot.state is not State.ERROR and self.state(snapshot, now_ms) is not LockState.EXPIRED
