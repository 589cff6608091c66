"""Tags of snapshots that are there: the owner's, and those that others gave to what they may see.

All of the named snapshots change, or none does.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from neve.domain.identities import AccountId, SnapshotId
from neve.errors import SnapshotNotFound, TagLimitReached
from neve.stores.metadata import statements
from neve.stores.metadata.contract import TagRemoval
from neve.stores.metadata.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class _Statements:
    """How the tags of one kind are kept. Each begins with the values of `_TagSet.name`."""

    put: str
    count: str
    remove: str
    remove_of_value: str
    remove_all: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _TagSet:
    """The tags that an account gave to a snapshot."""

    snapshot_id: SnapshotId
    name: tuple[int] | tuple[int, AccountId]
    is_own: bool
    """Whether it is the owner who gave them."""

    @property
    def statements(self) -> _Statements:
        # Looked up when asked for: a statement is the module's, and tests plant bugs in it.
        if self.is_own:
            return _Statements(
                put=statements.PUT_TAG,
                count=statements.COUNT_TAGS,
                remove=statements.REMOVE_TAG,
                remove_of_value=statements.REMOVE_TAG_OF_VALUE,
                remove_all=statements.REMOVE_TAGS,
            )
        return _Statements(
            put=statements.PUT_GUEST_TAG,
            count=statements.COUNT_GUEST_TAGS,
            remove=statements.REMOVE_GUEST_TAG,
            remove_of_value=statements.REMOVE_GUEST_TAG_OF_VALUE,
            remove_all=statements.REMOVE_GUEST_TAGS,
        )


def put_tags(
    session: Session,
    account_id: AccountId,
    snapshot_ids: Collection[SnapshotId],
    tags: Mapping[str, str],
    *,
    tags_max: int,
) -> None:
    for tag_set in _tag_sets(session, account_id, snapshot_ids):
        kind = tag_set.statements
        session.rows_of_each(kind.put, [(*tag_set.name, *tag) for tag in tags.items()])
        ((count,),) = session.rows(kind.count, tag_set.name)
        if count > tags_max:
            raise TagLimitReached(tag_set.snapshot_id)


def remove_tags(
    session: Session,
    account_id: AccountId,
    snapshot_ids: Collection[SnapshotId],
    removals: Collection[TagRemoval],
) -> None:
    for tag_set in _tag_sets(session, account_id, snapshot_ids):
        kind = tag_set.statements
        if not removals:
            session.rows(kind.remove_all, tag_set.name)
        for removal in removals:
            if removal.value is None:
                session.rows(kind.remove, (*tag_set.name, removal.key))
            else:
                session.rows(kind.remove_of_value, (*tag_set.name, removal.key, removal.value))


def _tag_sets(
    session: Session, account_id: AccountId, snapshot_ids: Collection[SnapshotId]
) -> Sequence[_TagSet]:
    found = []
    for snapshot_id in dict.fromkeys(snapshot_ids):
        rows = session.rows(statements.VISIBLE, (snapshot_id, account_id, account_id))
        if not rows:
            raise SnapshotNotFound(snapshot_id)
        ((key, owner),) = rows
        is_own = owner == account_id
        name = (key,) if is_own else (key, account_id)
        found.append(_TagSet(snapshot_id=snapshot_id, name=name, is_own=is_own))
    return found
