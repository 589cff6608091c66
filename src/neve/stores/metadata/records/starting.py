"""StartSnapshot, in one transaction: the token first, then the parent, then the quotas, then everything is written.

A token that was used answers before anything else is looked at: its request was right when it was first made, and
the answer is the one it got then, whatever has become of the parent, the quotas or the snapshot since.
"""

import json

from neve.domain.snapshots import (
    MINUTE_MS,
    NO_TIMEOUT_MINUTES,
    Origin,
    Snapshot,
    SnapshotKey,
    State,
    observed,
)
from neve.errors import (
    ClientTokenMismatch,
    ParentLargerThanChild,
    PendingLimitReached,
    SnapshotLimitReached,
    SnapshotNotComplete,
    SnapshotNotFound,
)
from neve.stores.metadata import statements
from neve.stores.metadata.contract import SnapshotStart, StartCheck, Started
from neve.stores.metadata.records import snapshots
from neve.stores.metadata.session import Session


def check_start(session: Session, start: SnapshotStart) -> StartCheck:
    replayed = _replay(session, start)
    if replayed is not None:
        return StartCheck(replayed=Started(snapshot=replayed, replayed=True), parent=None)
    parent = _parent(session, start)
    _check_quotas(session, start)
    return StartCheck(replayed=None, parent=parent)


def start_snapshot(session: Session, start: SnapshotStart) -> Started:
    check = check_start(session, start)
    if check.replayed is not None:
        return check.replayed
    key = _add(session, start, check.parent)
    (row,) = session.rows(statements.SNAPSHOT_BY_KEY, (key,))
    return Started(snapshot=snapshots.snapshot_from(row, dict(start.tags)), replayed=False)


def _replay(session: Session, start: SnapshotStart) -> Snapshot | None:
    """Return what the client token started before, as it was then; None if it is new."""
    if start.client_token is None:
        return None
    rows = session.rows(statements.CLIENT_TOKEN, (start.account_id, start.client_token))
    if not rows:
        return None
    fingerprint, key, tags = rows[0]
    if fingerprint != start.fingerprint:
        raise ClientTokenMismatch("the client token was used with other parameters")
    (row,) = session.rows(statements.SNAPSHOT_BY_KEY, (key,))
    return as_started(snapshots.snapshot_from(row, json.loads(tags)))


def as_started(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot as it was when it was started, given the tags of then.

    What a snapshot is never changes; this takes back all that has happened to it.
    """
    return Snapshot(
        key=snapshot.key,
        snapshot_id=snapshot.snapshot_id,
        account_id=snapshot.account_id,
        domain_key=snapshot.domain_key,
        lineage_id=snapshot.lineage_id,
        parent_id=snapshot.parent_id,
        state=State.PENDING,
        state_message="",
        volume_gib=snapshot.volume_gib,
        description=snapshot.description,
        timeout_minutes=snapshot.timeout_minutes,
        started_ms=snapshot.started_ms,
        last_write_ms=snapshot.started_ms,
        completed_ms=None,
        base_root=snapshot.base_root,
        base_block_count=snapshot.base_block_count,
        root=None,
        block_count=0,
        claim=None,
        tags=snapshot.tags,
    )


def _parent(session: Session, start: SnapshotStart) -> Snapshot | None:
    if start.parent_id is None:
        return None
    parent = observed(snapshots.snapshot(session, start.account_id, start.parent_id), start.now_ms)
    if parent.state is State.ERROR:
        raise SnapshotNotFound(start.parent_id)
    if parent.state is not State.COMPLETED:
        raise SnapshotNotComplete(f"snapshot {start.parent_id} is not completed")
    if parent.volume_gib > start.volume_gib:
        raise ParentLargerThanChild(f"snapshot {start.parent_id} has {parent.volume_gib} GiB")
    return parent


def _check_quotas(session: Session, start: SnapshotStart) -> None:
    if start.pending_max:
        values = (start.now_ms, NO_TIMEOUT_MINUTES * MINUTE_MS, start.account_id)
        ((pending,),) = session.rows(statements.COUNT_PENDING, values)
        if pending >= start.pending_max:
            raise PendingLimitReached(f"the account has {pending} pending snapshots")
    if start.snapshots_max:
        ((count,),) = session.rows(statements.COUNT_OF_ACCOUNT, (start.account_id,))
        if count >= start.snapshots_max:
            raise SnapshotLimitReached(f"the account has {count} snapshots")


def _add(session: Session, start: SnapshotStart, parent: Snapshot | None) -> SnapshotKey:
    key = snapshots.add_snapshot(
        session,
        snapshots.NewSnapshot(
            snapshot_id=start.snapshot_id,
            account_id=start.account_id,
            domain_key=start.domain_key if parent is None else parent.domain_key,
            lineage_id=start.snapshot_id if parent is None else parent.lineage_id,
            parent_id=start.parent_id,
            volume_gib=start.volume_gib,
            description=start.description,
            timeout_minutes=start.timeout_minutes,
            now_ms=start.now_ms,
            base_root=None if parent is None else parent.root,
            base_block_count=0 if parent is None else parent.block_count,
            origin=Origin.DIRECT,
            tags=start.tags,
        ),
    )
    if start.client_token is not None:
        tags = json.dumps(dict(start.tags), ensure_ascii=False)
        token_values = (start.account_id, start.client_token, start.fingerprint, key, tags, start.now_ms)
        session.rows(statements.ADD_CLIENT_TOKEN, token_values)
    return key
