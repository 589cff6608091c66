"""Snapshots: reading them, and every move from one state to the next.

Each move is one statement that names the state it starts from, so that it happens once whoever else is at it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from neve.domain.blocks import ChunkId, Digest
from neve.domain.identities import AccountId, DomainKey, SnapshotId
from neve.domain.snapshots import (
    MESSAGE_TIMED_OUT,
    MINUTE_MS,
    CompletionClaim,
    Origin,
    Sealed,
    Snapshot,
    SnapshotKey,
    State,
    observed,
)
from neve.errors import SnapshotNotFound
from neve.stores.metadata import statements, statements_lifecycle
from neve.stores.metadata.session import Row, Session

BEFORE_THE_FIRST: Final = -1
"""Below every key and every block index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSnapshot:
    """What a snapshot is from its start on, whoever makes it: a start, or a copy."""

    snapshot_id: SnapshotId
    account_id: AccountId
    domain_key: DomainKey | None
    """None, a bug, is refused by the table."""
    lineage_id: SnapshotId
    parent_id: SnapshotId | None
    volume_gib: int
    description: str | None
    timeout_minutes: int
    now_ms: int
    base_root: ChunkId | None
    base_block_count: int
    origin: Origin
    tags: Mapping[str, str]


def add_snapshot(session: Session, new: NewSnapshot) -> SnapshotKey:
    """Record a pending snapshot with its tags."""
    values = (
        new.snapshot_id,
        new.account_id,
        new.domain_key,
        new.lineage_id,
        new.parent_id,
        new.now_ms,
        new.volume_gib,
        new.description,
        new.timeout_minutes,
        new.now_ms,
        new.now_ms,
        new.now_ms + new.timeout_minutes * MINUTE_MS,
        new.base_root,
        new.base_block_count,
        new.origin,
    )
    ((key,),) = session.rows(statements.ADD_SNAPSHOT, values)
    session.rows_of_each(statements.PUT_TAG, [(key, *tag) for tag in new.tags.items()])
    return SnapshotKey(key)


def snapshot(session: Session, account_id: AccountId, snapshot_id: SnapshotId) -> Snapshot:
    rows = session.rows(statements.SNAPSHOT_WITH_TAGS, (snapshot_id, account_id))
    if not rows:
        raise SnapshotNotFound(snapshot_id)
    tags = {tag_key: tag_value for *_, tag_key, tag_value in rows if tag_key is not None}
    return snapshot_from(rows[0][:-2], tags)


def snapshots(
    session: Session,
    account_id: AccountId,
    *,
    after: SnapshotKey | None,
    limit: int,
    tag_key: str | None,
    tag_value: str | None,
) -> Sequence[Snapshot]:
    first = BEFORE_THE_FIRST if after is None else after
    if tag_key is None:
        rows = session.rows(statements.SNAPSHOTS_OF_ACCOUNT, (account_id, first, limit))
    else:
        rows = session.rows(statements.SNAPSHOTS_TAGGED, (tag_key, first, tag_value, account_id, limit))
    return with_tags(session, rows)


def by_keys(session: Session, keys: Sequence[SnapshotKey]) -> Sequence[Snapshot]:
    """Return the snapshots with these keys, in this order, whatever their state; unknown keys are left out."""
    return with_tags(session, session.rows_of_each(statements.SNAPSHOT_BY_KEY, [(key,) for key in keys]))


def sealing(session: Session, *, limit: int) -> Sequence[Snapshot]:
    return with_tags(session, session.rows(statements.SNAPSHOTS_SEALING, (limit,)))


def accept_completion(
    session: Session, account_id: AccountId, snapshot_id: SnapshotId, claim: CompletionClaim, *, now_ms: int
) -> Snapshot:
    found = snapshot(session, account_id, snapshot_id)
    if found.origin is not Origin.DIRECT:
        raise SnapshotNotFound(snapshot_id)
    if found.state is not State.PENDING:
        return found
    seen = observed(found, now_ms)
    if seen.state is not State.PENDING:
        return seen
    session.rows(
        statements.ACCEPT_COMPLETION, (now_ms, claim.changed_blocks_count, claim.aggregate, found.key)
    )
    return snapshot(session, account_id, snapshot_id)


def finish_completion(session: Session, key: SnapshotKey, sealed: Sealed, *, now_ms: int) -> bool:
    values = (now_ms, now_ms, sealed.root, sealed.block_count, key)
    return bool(session.rows(statements.FINISH_COMPLETION, values))


def fail_completion(session: Session, key: SnapshotKey, message: str, *, now_ms: int) -> bool:
    if not session.rows(statements.FAIL_COMPLETION, (message, now_ms, key)):
        return False
    session.rows(statements_lifecycle.REMOVE_LOCK, (key,))
    return True


def expire(session: Session, *, now_ms: int, limit: int) -> Sequence[SnapshotId]:
    overdue = session.rows(statements.OVERDUE, (now_ms, limit))
    end_pending(session, [key for key, _ in overdue], MESSAGE_TIMED_OUT, now_ms=now_ms)
    return [SnapshotId(snapshot_id) for _, snapshot_id in overdue]


def postpone(session: Session, *, after_ms: int, now_ms: int, limit: int) -> int:
    return len(session.rows(statements.POSTPONE, (now_ms, now_ms, after_ms, now_ms, limit)))


def end_pending(session: Session, keys: Sequence[SnapshotKey], message: str, *, now_ms: int) -> None:
    """Move pending snapshots to error with `message`; a lock goes with it, since one in error has none."""
    session.rows_of_each(statements.END_PENDING, [(message, now_ms, key) for key in keys])
    session.rows_of_each(statements_lifecycle.REMOVE_LOCK, [(key,) for key in keys])


def forget_client_tokens(session: Session, *, used_before_ms: int, limit: int) -> int:
    return len(session.rows(statements.FORGET_CLIENT_TOKENS, (used_before_ms, limit)))


def reap(session: Session, *, limit: int) -> int:
    """Take up to `limit` dropped rows, of one snapshot after another.

    A snapshot is done with once a slice of its rows comes back short: it is in error or deleted, so nobody can
    have added one since.
    """
    taken = 0
    while taken < limit:
        rows = session.rows(statements.REAPING)
        if not rows:
            break
        (key,) = rows[0]
        for statement in (statements.REAP_BLOCKS, statements.REAP_HOLDS):
            taken += len(session.rows(statement, (key, key, limit - taken)))
        if taken < limit:
            session.rows(statements.REAPED, (key,))
    return taken


def with_tags(session: Session, rows: Sequence[Row]) -> Sequence[Snapshot]:
    """Return the snapshots that these rows of `statements._SNAPSHOT` are, with their tags."""
    tags: dict[int, dict[str, str]] = {row[0]: {} for row in rows}
    for key, tag_key, tag_value in session.rows_of_each(statements.TAGS, [(key,) for key in tags]):
        tags[key][tag_key] = tag_value
    return [snapshot_from(row, tags[row[0]]) for row in rows]


def snapshot_from(row: Row, tags: dict[str, str]) -> Snapshot:
    """Return the snapshot that a row of `statements._SNAPSHOT` is."""
    (
        key, snapshot_id, account_id, domain_key, lineage_id, parent_id, state, state_message,
        volume_gib, description, timeout_minutes, started_ms, last_write_ms, completed_ms,
        base_root, base_block_count, root, block_count, claim_count, claim_aggregate, origin,
    ) = row  # fmt: skip
    return Snapshot(
        key=SnapshotKey(key),
        snapshot_id=SnapshotId(snapshot_id),
        account_id=AccountId(account_id),
        domain_key=DomainKey(domain_key),
        lineage_id=SnapshotId(lineage_id),
        parent_id=None if parent_id is None else SnapshotId(parent_id),
        state=State(state),
        state_message=state_message,
        volume_gib=volume_gib,
        description=description,
        timeout_minutes=timeout_minutes,
        started_ms=started_ms,
        last_write_ms=last_write_ms,
        completed_ms=completed_ms,
        base_root=None if base_root is None else ChunkId(base_root),
        base_block_count=base_block_count,
        root=None if root is None else ChunkId(root),
        block_count=block_count,
        claim=None if claim_count is None else _claim_from(claim_count, claim_aggregate),
        origin=Origin(origin),
        tags=tags,
    )


def _claim_from(changed_blocks_count: int, aggregate: bytes | None) -> CompletionClaim:
    return CompletionClaim(
        changed_blocks_count=changed_blocks_count,
        aggregate=None if aggregate is None else Digest(aggregate),
    )
