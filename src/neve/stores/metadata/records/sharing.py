"""Whom a snapshot was shared with, and what an account may see because of it.

Permissions of a deleted snapshot are gone; those of one in the recycle bin wait with it. Tags are each account's own:
whoever sees somebody else's snapshot sees the tags they gave it themselves, for as long as they see it.
"""

from collections.abc import Collection, Sequence
from typing import Final

from neve.domain.identities import AccountId, SnapshotId
from neve.domain.snapshots import SnapshotKey
from neve.errors import SnapshotNotFound
from neve.stores.metadata import statements
from neve.stores.metadata.contract import VisibleSnapshot
from neve.stores.metadata.records.snapshots import BEFORE_THE_FIRST, snapshot_from
from neve.stores.metadata.session import Row, Session

_ACCOUNT_ID: Final = 2
"""Where the owner stands in a row of `statements._SNAPSHOT`."""


def visible_snapshot(session: Session, account_id: AccountId, snapshot_id: SnapshotId) -> VisibleSnapshot:
    values = (account_id, snapshot_id, account_id, account_id, account_id, account_id)
    rows = session.rows(statements.VISIBLE_WITH_TAGS, values)
    if not rows:
        raise SnapshotNotFound(snapshot_id)
    tags = {tag_key: tag_value for *_, tag_key, tag_value in rows if tag_key is not None}
    return _visible_from(rows[0][:-2], tags)


def visible_snapshots(
    session: Session,
    account_id: AccountId,
    *,
    after: SnapshotKey | None,
    limit: int,
    tag_key: str | None,
    tag_value: str | None,
) -> Sequence[VisibleSnapshot]:
    first = BEFORE_THE_FIRST if after is None else after
    if tag_key is None:
        values = (account_id, account_id, first, account_id, first, first, limit)
        rows = session.rows(statements.VISIBLE_SNAPSHOTS, values)
    else:
        own_tag, guest_tag = (tag_key, first, tag_value, account_id), (account_id, tag_key, first, tag_value)
        rows = session.rows(statements.VISIBLE_SNAPSHOTS_TAGGED, (account_id, *own_tag, *guest_tag, limit))
    tags: dict[int, dict[str, str]] = {row[0]: {} for row in rows}
    own = [(row[0],) for row in rows if row[_ACCOUNT_ID] == account_id]
    foreign = [(row[0], account_id) for row in rows if row[_ACCOUNT_ID] != account_id]
    for key, own_key, own_value in [
        *session.rows_of_each(statements.TAGS, own),
        *session.rows_of_each(statements.GUEST_TAGS, foreign),
    ]:
        tags[key][own_key] = own_value
    return [_visible_from(row, tags[row[0]]) for row in rows]


def modify_permissions(
    session: Session,
    account_id: AccountId,
    snapshot_id: SnapshotId,
    *,
    add: Collection[str],
    remove: Collection[str],
) -> None:
    key = _own_key(session, account_id, snapshot_id)
    added = [(key, grantee) for grantee in add if grantee != account_id]
    session.rows_of_each(statements.ADD_PERMISSION, added)
    session.rows_of_each(statements.REMOVE_PERMISSION, [(key, grantee) for grantee in remove])
    session.rows(statements.REMOVE_TAGS_OF_THE_GONE, (key,))


def permissions(session: Session, account_id: AccountId, snapshot_id: SnapshotId) -> Sequence[str]:
    key = _own_key(session, account_id, snapshot_id)
    return [grantee for (grantee,) in session.rows(statements.PERMISSIONS, (key,))]


def _visible_from(row: Row, tags: dict[str, str]) -> VisibleSnapshot:
    *snapshot, public, shared = row
    return VisibleSnapshot(
        snapshot=snapshot_from(tuple(snapshot), tags), public=bool(public), shared=bool(shared)
    )


def _own_key(session: Session, account_id: AccountId, snapshot_id: SnapshotId) -> int:
    rows = session.rows(statements.SNAPSHOT_BY_ID, (snapshot_id, account_id))
    if not rows:
        raise SnapshotNotFound(snapshot_id)
    key: int = rows[0][0]
    return key
