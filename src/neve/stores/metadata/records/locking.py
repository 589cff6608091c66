"""Locks: one record beside a snapshot. What a lock forbids is decided where something is deleted."""

from collections.abc import Callable, Sequence
from typing import Any

from neve.domain.identities import AccountId, SnapshotId
from neve.domain.locks import Lock, LockMode
from neve.domain.snapshots import Snapshot, SnapshotKey
from neve.stores.metadata import statements_lifecycle as statements
from neve.stores.metadata.contract_lifecycle import LockedSnapshot
from neve.stores.metadata.records import snapshots
from neve.stores.metadata.session import Session


def change_lock(
    session: Session,
    account_id: AccountId,
    snapshot_id: SnapshotId,
    change: Callable[[Snapshot, Lock | None], Lock | None],
) -> LockedSnapshot | None:
    snapshot = snapshots.snapshot(session, account_id, snapshot_id)
    lock = change(snapshot, lock_of(session, snapshot.key))
    if lock is None:
        session.rows(statements.REMOVE_LOCK, (snapshot.key,))
        return None
    values = (
        snapshot.key,
        account_id,
        lock.mode,
        lock.created_ms,
        lock.duration_days,
        lock.expires_ms,
        lock.cool_off_hours,
    )
    session.rows(statements.PUT_LOCK, values)
    return LockedSnapshot(snapshot=snapshot, lock=lock)


def lock(session: Session, account_id: AccountId, snapshot_id: SnapshotId) -> LockedSnapshot | None:
    snapshot = snapshots.snapshot(session, account_id, snapshot_id)
    found = lock_of(session, snapshot.key)
    return None if found is None else LockedSnapshot(snapshot=snapshot, lock=found)


def locks(
    session: Session, account_id: AccountId, *, after: SnapshotKey | None, limit: int
) -> Sequence[LockedSnapshot]:
    first = snapshots.BEFORE_THE_FIRST if after is None else after
    rows = session.rows(statements.LOCKS, (account_id, first, limit))
    found = snapshots.by_keys(session, [key for key, *_ in rows])
    return [
        LockedSnapshot(snapshot=snapshot, lock=_lock_from(columns))
        for snapshot, (_, *columns) in zip(found, rows, strict=True)
    ]


def lock_of(session: Session, key: SnapshotKey) -> Lock | None:
    """Return a snapshot's lock, None if it has none."""
    for row in session.rows(statements.LOCK, (key,)):
        return _lock_from(row)
    return None


def _lock_from(row: Sequence[Any]) -> Lock:
    mode, created_ms, duration_days, expires_ms, cool_off_hours = row
    return Lock(
        mode=LockMode(mode),
        created_ms=created_ms,
        duration_days=duration_days,
        expires_ms=expires_ms,
        cool_off_hours=cool_off_hours,
    )
