"""Undoing deletions: what a deletion leaves, and how it is put back.

An undo is all there is to it: while its row is there the snapshot counts among what needs chunks, whatever the time,
and once it is gone nothing brings the snapshot back.
"""

import json
from collections.abc import Sequence
from typing import Any

from neve.domain.identities import AccountId, SnapshotId
from neve.domain.snapshots import Snapshot, SnapshotKey
from neve.errors import SnapshotNotFound
from neve.stores.metadata import statements as common
from neve.stores.metadata import statements_collection as statements
from neve.stores.metadata.contract_collection import Deletion
from neve.stores.metadata.records import snapshots
from neve.stores.metadata.session import Session


def keep(session: Session, key: SnapshotKey, *, now_ms: int) -> None:
    """Write down what is about to be taken from a snapshot that is deleted. Of one that never completed, nothing."""
    owners = session.rows(statements.COMPLETED_OWNER, (key,))
    for (account_id,) in owners:
        session.rows(statements.ADD_UNDO, (key, account_id, now_ms, _kept(session, key)))


def undelete(session: Session, account_id: AccountId, snapshot_id: SnapshotId, *, now_ms: int) -> Snapshot:
    rows = session.rows(statements.UNDO, (snapshot_id, account_id))
    if not rows:
        raise SnapshotNotFound(snapshot_id)
    ((key, kept),) = rows
    session.rows(statements.UNDELETE, (now_ms, key))
    _put_back(session, key, json.loads(kept))
    session.rows(statements.HOLD_CLIENT_TOKEN, (key,))
    session.rows(statements.REMOVE_UNDO, (key,))
    return snapshots.snapshot(session, account_id, snapshot_id)


def deletions(
    session: Session, account_id: AccountId | None, *, after: SnapshotKey | None, limit: int
) -> Sequence[Deletion]:
    first = snapshots.BEFORE_THE_FIRST if after is None else after
    if account_id is None:
        rows = session.rows(statements.DELETIONS, (first, limit))
    else:
        rows = session.rows(statements.DELETIONS_OF_ACCOUNT, (account_id, first, limit))
    return [
        Deletion(
            snapshot_id=SnapshotId(snapshot_id),
            account_id=AccountId(owner),
            key=SnapshotKey(key),
            volume_gib=volume_gib,
            description=description,
            started_ms=started_ms,
            deleted_ms=deleted_ms,
        )
        for key, snapshot_id, owner, volume_gib, description, started_ms, deleted_ms in rows
    ]


def close(session: Session, *, deleted_before_ms: int, limit: int) -> Sequence[SnapshotId]:
    """Let old undos go; return whose. For a collector, whose epoch was checked."""
    rows = session.rows(statements.OLD_UNDOS, (deleted_before_ms, limit))
    session.rows_of_each(statements.REMOVE_UNDO, [(key,) for key, _ in rows])
    return [SnapshotId(snapshot_id) for _, snapshot_id in rows]


def _kept(session: Session, key: SnapshotKey) -> str:
    """Return what the column `kept` is to say; `schema_collection` has its form."""
    kept = {
        "tags": {tag_key: value for _, tag_key, value in session.rows(common.TAGS, (key,))},
        "permissions": [grantee for (grantee,) in session.rows(common.PERMISSIONS, (key,))],
        "guest_tags": [list(row) for row in session.rows(statements.ALL_GUEST_TAGS, (key,))],
    }
    return json.dumps(kept, ensure_ascii=False)


def _put_back(session: Session, key: int, kept: dict[str, Any]) -> None:
    session.rows_of_each(common.PUT_TAG, [(key, *tag) for tag in kept["tags"].items()])
    session.rows_of_each(common.ADD_PERMISSION, [(key, grantee) for grantee in kept["permissions"]])
    session.rows_of_each(common.PUT_GUEST_TAG, [(key, *guest_tag) for guest_tag in kept["guest_tags"]])
