"""Deletion and the recycle bin: locks and retention rules decide, in the transaction that deletes.

Nothing but this module takes a snapshot from an account: by deletion at once, or by way of the bin.
"""

import json
from collections.abc import Callable, Iterable, Sequence

from neve.domain.identities import AccountId, SnapshotId
from neve.domain.locks import DAY_MS
from neve.domain.retention import ResourceTag, RetentionRule, retention_days
from neve.domain.snapshots import Snapshot, SnapshotKey, observed
from neve.errors import InvariantError, RuleNotFound, SnapshotLocked, SnapshotNotFound
from neve.stores.metadata import statements as common
from neve.stores.metadata import statements_lifecycle as statements
from neve.stores.metadata.contract_lifecycle import RecycledSnapshot
from neve.stores.metadata.records import locking, snapshots, undoing
from neve.stores.metadata.session import Row, Session

# --- deletion


def delete_snapshot(
    session: Session, account_id: AccountId, snapshot_id: SnapshotId, *, now_ms: int
) -> int | None:
    snapshot = observed(snapshots.snapshot(session, account_id, snapshot_id), now_ms)
    lock = locking.lock_of(session, snapshot.key)
    if lock is not None and lock.forbids_deletion(snapshot, now_ms):
        raise SnapshotLocked(snapshot_id, lock.mode)
    days = retention_days(snapshot, rules(session, account_id))
    if days is None:
        _delete_for_good(session, snapshot.key, now_ms=now_ms)
        return None
    exits_ms = now_ms + days * DAY_MS
    session.rows(statements.RECYCLE, (now_ms, snapshot.key))
    session.rows(statements.PUT_IN_BIN, (snapshot.key, account_id, now_ms, exits_ms))
    return exits_ms


def _delete_for_good(session: Session, key: SnapshotKey, *, now_ms: int) -> None:
    undoing.keep(session, key, now_ms=now_ms)
    session.rows(common.DELETE_SNAPSHOT, (now_ms, key))
    for statement in (
        common.REMOVE_TAGS,
        common.REMOVE_ALL_GUEST_TAGS,
        common.REMOVE_PERMISSIONS,
        common.RELEASE_CLIENT_TOKEN,
        statements.REMOVE_LOCK,
        statements.REMOVE_COPY,
        statements.REMOVE_FROM_BIN,
    ):
        session.rows(statement, (key,))


# --- the bin


def recycled(
    session: Session, account_id: AccountId, *, after: SnapshotKey | None, limit: int
) -> Sequence[RecycledSnapshot]:
    first = snapshots.BEFORE_THE_FIRST if after is None else after
    return _recycled_from(session, session.rows(statements.RECYCLED, (account_id, first, limit)))


def recycled_snapshot(session: Session, account_id: AccountId, snapshot_id: SnapshotId) -> RecycledSnapshot:
    rows = session.rows(statements.RECYCLED_BY_ID, (snapshot_id, account_id))
    if not rows:
        raise SnapshotNotFound(snapshot_id)
    return _recycled_from(session, rows)[0]


def restore(session: Session, account_id: AccountId, snapshot_id: SnapshotId, *, now_ms: int) -> Snapshot:
    found = recycled_snapshot(session, account_id, snapshot_id)
    if now_ms >= found.exits_ms:
        raise SnapshotNotFound(snapshot_id)
    session.rows(statements.RESTORE, (now_ms, found.snapshot.key))
    session.rows(statements.REMOVE_FROM_BIN, (found.snapshot.key,))
    return snapshots.snapshot(session, account_id, snapshot_id)


def empty_bin(session: Session, *, now_ms: int, limit: int) -> Sequence[SnapshotId]:
    gone = session.rows(statements.OVER_IN_BIN, (now_ms, limit))
    for key, _ in gone:
        _delete_for_good(session, key, now_ms=now_ms)
    return [SnapshotId(snapshot_id) for _, snapshot_id in gone]


def _recycled_from(session: Session, rows: Sequence[Row]) -> Sequence[RecycledSnapshot]:
    found = snapshots.by_keys(session, [key for key, *_ in rows])
    return [
        RecycledSnapshot(snapshot=snapshot, entered_ms=entered_ms, exits_ms=exits_ms)
        for snapshot, (_, entered_ms, exits_ms) in zip(found, rows, strict=True)
    ]


# --- retention rules


def change_rules(
    session: Session, account_id: AccountId, change: Callable[[Sequence[RetentionRule]], RetentionRule]
) -> RetentionRule:
    rule = change(rules(session, account_id))
    if rule.account_id != account_id:
        raise InvariantError("an account changes its own rules")
    values = (
        account_id,
        rule.rule_id,
        rule.description,
        rule.retention_days,
        _tags_text(rule.resource_tags),
        _tags_text(rule.exclude_resource_tags),
        json.dumps(dict(rule.tags), ensure_ascii=False),
        rule.created_ms,
    )
    session.rows(statements.PUT_RULE, values)
    return rule


def rule(session: Session, account_id: AccountId, rule_id: str) -> RetentionRule:
    rows = session.rows(statements.RULE, (account_id, rule_id))
    if not rows:
        raise _rule_not_found(account_id, rule_id)
    return _rule_from(account_id, rows[0])


def rules(session: Session, account_id: AccountId) -> Sequence[RetentionRule]:
    return [_rule_from(account_id, row) for row in session.rows(statements.RULES, (account_id,))]


def remove_rule(session: Session, account_id: AccountId, rule_id: str) -> None:
    if not session.rows(statements.REMOVE_RULE, (account_id, rule_id)):
        raise _rule_not_found(account_id, rule_id)


def _rule_from(account_id: AccountId, row: Row) -> RetentionRule:
    rule_id, description, days, resource_tags, exclude_resource_tags, tags, created_ms = row
    return RetentionRule(
        account_id=account_id,
        rule_id=rule_id,
        description=description,
        retention_days=days,
        resource_tags=_tags_from(resource_tags),
        exclude_resource_tags=_tags_from(exclude_resource_tags),
        tags=json.loads(tags),
        created_ms=created_ms,
    )


def _tags_text(tags: Iterable[ResourceTag]) -> str:
    return json.dumps([[tag.key, tag.value] for tag in tags], ensure_ascii=False)


def _tags_from(text: str) -> tuple[ResourceTag, ...]:
    return tuple(ResourceTag(key, value) for key, value in json.loads(text))


def _rule_not_found(account_id: AccountId, rule_id: str) -> RuleNotFound:
    return RuleNotFound(f"account {account_id} has no retention rule {rule_id}")
