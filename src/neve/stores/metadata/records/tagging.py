"""Tags of snapshots that are there. All of the named snapshots change, or none does."""

from collections.abc import Collection, Mapping

from neve.domain.identities import AccountId, SnapshotId
from neve.errors import SnapshotNotFound, TagLimitReached
from neve.stores.metadata import statements
from neve.stores.metadata.contract import TagRemoval
from neve.stores.metadata.session import Session


def put_tags(
    session: Session,
    account_id: AccountId,
    snapshot_ids: Collection[SnapshotId],
    tags: Mapping[str, str],
    *,
    tags_max: int,
) -> None:
    for snapshot_id, key in _keys(session, account_id, snapshot_ids).items():
        session.rows_of_each(statements.PUT_TAG, [(key, *tag) for tag in tags.items()])
        ((count,),) = session.rows(statements.COUNT_TAGS, (key,))
        if count > tags_max:
            raise TagLimitReached(snapshot_id)


def remove_tags(
    session: Session,
    account_id: AccountId,
    snapshot_ids: Collection[SnapshotId],
    removals: Collection[TagRemoval],
) -> None:
    for key in _keys(session, account_id, snapshot_ids).values():
        if not removals:
            session.rows(statements.REMOVE_TAGS, (key,))
        for removal in removals:
            if removal.value is None:
                session.rows(statements.REMOVE_TAG, (key, removal.key))
            else:
                session.rows(statements.REMOVE_TAG_OF_VALUE, (key, removal.key, removal.value))


def _keys(
    session: Session, account_id: AccountId, snapshot_ids: Collection[SnapshotId]
) -> Mapping[SnapshotId, int]:
    keys: dict[SnapshotId, int] = {}
    for snapshot_id in snapshot_ids:
        rows = session.rows(statements.SNAPSHOT_BY_ID, (snapshot_id, account_id))
        if not rows:
            raise SnapshotNotFound(snapshot_id)
        keys[snapshot_id] = rows[0][0]
    return keys
