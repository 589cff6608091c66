"""What LockSnapshot and UnlockSnapshot may do to a lock (contract 9.9), as functions from record to record.

    none, expired                  ─lock─▶  a new lock
    governance, compliance-cooloff ─lock─▶  a new lock in its place: it begins anew, with a new cool-off or none
                                   ─unlock─▶ none
    compliance                     ─lock─▶  the same lock, ending no earlier: nothing else, and nobody unlocks it

A lock that can be taken off can as well be replaced; one that cannot be taken off keeps its beginning, from which its
duration counts. Nothing here knows who asks: these rules hold for everybody.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from neve.domain.locks import DAY_MS, Lock, LockMode, LockState
from neve.domain.snapshots import API_STATUS, Snapshot, State
from neve.errors import Ec2Error

LOCKABLE: Final = frozenset({State.PENDING, State.SEALING, State.COMPLETED})
"""A snapshot that failed has nothing to keep."""
_REMOVABLE: Final = frozenset({LockState.GOVERNANCE, LockState.COMPLIANCE_COOLOFF})


@dataclass(frozen=True, slots=True, kw_only=True)
class LockWish:
    """What a LockSnapshot asks for, each part within its bounds. Exactly one of duration and expiry is given."""

    mode: LockMode
    duration_days: int | None
    expires_ms: int | None
    cool_off_hours: int | None

    def __post_init__(self) -> None:
        assert (self.duration_days is None) != (self.expires_ms is None)
        assert self.cool_off_hours is None or self.mode is LockMode.COMPLIANCE


def lock_in_force(snapshot: Snapshot, lock: Lock | None) -> Lock | None:
    """Return a snapshot's lock, expired or not; None if it has none, or failed and lost it."""
    return None if snapshot.state is State.ERROR else lock


def changed_lock(snapshot: Snapshot, lock: Lock | None, wish: LockWish, *, now_ms: int) -> Lock:
    """Return the lock that takes the place of `lock`. Asking the same again of a final one changes nothing.

    `snapshot` is as it is seen at `now_ms`.

    Raises:
        Ec2Error: IncorrectState if the snapshot is neither pending nor completed; OperationNotPermitted for
            anything but an extension of a lock that is final.
    """
    if snapshot.state not in LOCKABLE:
        raise Ec2Error(
            "IncorrectState",
            f"The snapshot '{snapshot.snapshot_id}' is in the state {API_STATUS[snapshot.state]}: only pending and "
            f"completed snapshots can be locked.",
        )
    if lock is not None and lock.state(snapshot, now_ms) is LockState.COMPLIANCE:
        return _extended(snapshot, lock, wish, now_ms)
    return Lock(
        mode=wish.mode,
        created_ms=now_ms,
        duration_days=wish.duration_days,
        expires_ms=wish.expires_ms,
        cool_off_hours=wish.cool_off_hours,
    )


def check_removable(snapshot: Snapshot, lock: Lock | None, *, now_ms: int) -> None:
    """Return if the lock may be taken off.

    `snapshot` is as it is seen at `now_ms`.

    Raises:
        Ec2Error: IncorrectState if there is none, or none any more; OperationNotPermitted if it is final.
    """
    lock = lock_in_force(snapshot, lock)
    state = LockState.EXPIRED if lock is None else lock.state(snapshot, now_ms)
    if lock is None or state is LockState.EXPIRED:
        raise Ec2Error("IncorrectState", f"The snapshot '{snapshot.snapshot_id}' is not locked.")
    if state not in _REMOVABLE:
        raise Ec2Error(
            "OperationNotPermitted",
            f"{sentence(snapshot, lock)} Its cooling-off period is over: nobody can unlock it.",
        )


def sentence(snapshot: Snapshot, lock: Lock) -> str:
    """Return what a refusal says of a lock: its mode, and when it ends."""
    ends_ms = lock.ends_ms(snapshot)
    if ends_ms is None:
        end = f"for {lock.duration_days} days from its completion"
    else:
        end = f"until {datetime.fromtimestamp(ends_ms // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    return f"The snapshot '{snapshot.snapshot_id}' is locked in {lock.mode} mode {end}."


def _extended(snapshot: Snapshot, lock: Lock, wish: LockWish, now_ms: int) -> Lock:
    if wish.mode is not lock.mode:
        raise _final(snapshot, lock, "Its mode cannot be changed any more.")
    if wish.cool_off_hours is not None:
        raise _final(snapshot, lock, "It cannot be given another cooling-off period.")
    extended = replace(lock, duration_days=wish.duration_days, expires_ms=wish.expires_ms)
    if not _ends_no_earlier(snapshot, lock, extended, now_ms):
        raise _final(snapshot, lock, "It can be extended, and not shortened.")
    return extended


def _ends_no_earlier(snapshot: Snapshot, lock: Lock, extended: Lock, now_ms: int) -> bool:
    """Say whether `extended` is sure to hold for as long as `lock`, whenever a pending snapshot completes."""
    before_ms, after_ms = lock.ends_ms(snapshot), extended.ends_ms(snapshot)
    if before_ms is not None and after_ms is not None:
        return after_ms >= before_ms
    if after_ms is not None:
        return False
    assert extended.duration_days is not None
    if before_ms is not None:
        return now_ms + extended.duration_days * DAY_MS >= before_ms
    assert lock.duration_days is not None
    return extended.duration_days >= lock.duration_days


def _final(snapshot: Snapshot, lock: Lock, what: str) -> Ec2Error:
    return Ec2Error("OperationNotPermitted", f"{sentence(snapshot, lock)} {what}")
