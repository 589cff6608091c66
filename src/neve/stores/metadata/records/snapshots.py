"""Snapshots: reading them, and every move from one state to the next.

Each move is one statement that names the state it starts from, so that it happens once whoever else is at it.
"""

from collections.abc import Sequence
from typing import Final

from neve.domain.blocks import ChunkId, Digest
from neve.domain.identities import AccountId, DomainKey, SnapshotId
from neve.domain.snapshots import (
    MESSAGE_TIMED_OUT,
    CompletionClaim,
    Sealed,
    Snapshot,
    SnapshotKey,
    State,
    observed,
)
from neve.errors import SnapshotNotFound
from neve.stores.metadata import statements
from neve.stores.metadata.session import Row, Session

BEFORE_THE_FIRST: Final = -1
"""Below every key and every block index."""


def snapshot(session: Session, account_id: AccountId, snapshot_id: SnapshotId) -> Snapshot:
    rows = session.rows(statements.SNAPSHOT_WITH_TAGS, (snapshot_id, account_id))
    if not rows:
        raise SnapshotNotFound(snapshot_id)
    tags = {tag_key: tag_value for *_, tag_key, tag_value in rows if tag_key is not None}
    return snapshot_from(rows[0][:-2], tags)


def snapshots(
    session: Session, account_id: AccountId, *, after: SnapshotKey | None, limit: int
) -> Sequence[Snapshot]:
    first = BEFORE_THE_FIRST if after is None else after
    return with_tags(session, session.rows(statements.SNAPSHOTS_OF_ACCOUNT, (account_id, first, limit)))


def sealing(session: Session, *, limit: int) -> Sequence[Snapshot]:
    return with_tags(session, session.rows(statements.SNAPSHOTS_SEALING, (limit,)))


def accept_completion(
    session: Session, account_id: AccountId, snapshot_id: SnapshotId, claim: CompletionClaim, *, now_ms: int
) -> Snapshot:
    found = snapshot(session, account_id, snapshot_id)
    if found.state is not State.PENDING:
        return found
    if observed(found, now_ms).state is State.PENDING:
        values = (now_ms, claim.changed_blocks_count, claim.aggregate, found.key)
        session.rows(statements.ACCEPT_COMPLETION, values)
    else:
        session.rows(statements.TIME_OUT, (MESSAGE_TIMED_OUT, now_ms, found.key))
    return snapshot(session, account_id, snapshot_id)


def finish_completion(session: Session, key: SnapshotKey, sealed: Sealed, *, now_ms: int) -> bool:
    values = (now_ms, now_ms, sealed.root, sealed.block_count, key)
    return bool(session.rows(statements.FINISH_COMPLETION, values))


def fail_completion(session: Session, key: SnapshotKey, message: str, *, now_ms: int) -> bool:
    return bool(session.rows(statements.FAIL_COMPLETION, (message, now_ms, key)))


def expire(session: Session, *, now_ms: int, limit: int) -> Sequence[SnapshotId]:
    overdue = session.rows(statements.OVERDUE, (now_ms, limit))
    session.rows_of_each(statements.TIME_OUT, [(MESSAGE_TIMED_OUT, now_ms, key) for key, _ in overdue])
    return [SnapshotId(snapshot_id) for _, snapshot_id in overdue]


def delete_snapshot(session: Session, account_id: AccountId, snapshot_id: SnapshotId, *, now_ms: int) -> None:
    key = snapshot(session, account_id, snapshot_id).key
    session.rows(statements.DELETE_SNAPSHOT, (now_ms, key))
    session.rows(statements.REMOVE_TAGS, (key,))
    session.rows(statements.REMOVE_PERMISSIONS, (key,))
    session.rows(statements.RELEASE_CLIENT_TOKEN, (key,))


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
        base_root, base_block_count, root, block_count, claim_count, claim_aggregate,
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
        tags=tags,
    )


def _claim_from(changed_blocks_count: int, aggregate: bytes | None) -> CompletionClaim:
    return CompletionClaim(
        changed_blocks_count=changed_blocks_count,
        aggregate=None if aggregate is None else Digest(aggregate),
    )
