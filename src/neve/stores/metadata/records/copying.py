"""Copies under way: what they are of, and how far they are.

    start ─▶ resolve ─▶ (publish, note) … ─▶ finish: sealing, and from there as any other
                 └───────────┴────▶ fail, or the copy is deleted

A row in `snapshot_copy` is what makes a copy one that is under way: whatever ends that removes the row.
"""

from collections.abc import Sequence
from typing import Final

from neve.domain.blocks import BlockIndex, ChunkId
from neve.domain.identities import DomainKey, SnapshotId
from neve.domain.snapshots import NO_TIMEOUT_MINUTES, Origin, Snapshot, SnapshotKey, State
from neve.errors import CopyLimitReached, InvariantError, SnapshotLimitReached, SnapshotNotFound
from neve.stores.metadata import statements as common
from neve.stores.metadata import statements_lifecycle as statements
from neve.stores.metadata.contract_lifecycle import Copy, CopyStart
from neve.stores.metadata.records import snapshots
from neve.stores.metadata.session import Row, Session

_NO_GIB: Final = 0
"""What a copy shows while its source has not been looked at (contract 9.8)."""


def start_copy(session: Session, start: CopyStart) -> Snapshot:
    _check_limits(session, start)
    key = snapshots.add_snapshot(
        session,
        snapshots.NewSnapshot(
            snapshot_id=start.snapshot_id,
            account_id=start.account_id,
            domain_key=start.domain_key,
            lineage_id=start.snapshot_id,
            parent_id=None,
            volume_gib=_NO_GIB,
            description=start.description,
            timeout_minutes=NO_TIMEOUT_MINUTES,
            now_ms=start.now_ms,
            base_root=None,
            base_block_count=0,
            origin=Origin.COPY,
            tags=start.tags,
        ),
    )
    asked_for = (start.source_id, int(start.encrypted), start.kms_key, start.refusal, start.principal_arn)
    session.rows(statements.ADD_COPY, (key, *asked_for))
    return snapshots.snapshot(session, start.account_id, start.snapshot_id)


def _check_limits(session: Session, start: CopyStart) -> None:
    if start.copies_max:
        ((copies,),) = session.rows(statements.COUNT_COPIES, (start.account_id,))
        if copies >= start.copies_max:
            raise CopyLimitReached(f"the account has {copies} copies under way")
    if start.snapshots_max:
        ((count,),) = session.rows(common.COUNT_OF_ACCOUNT, (start.account_id,))
        if count >= start.snapshots_max:
            raise SnapshotLimitReached(f"the account has {count} snapshots")


def copies(session: Session, *, after: SnapshotKey | None, limit: int) -> Sequence[Copy]:
    first = snapshots.BEFORE_THE_FIRST if after is None else after
    return _copies_from(session, session.rows(statements.COPIES, (first, limit)))


def copy(session: Session, key: SnapshotKey) -> Copy | None:
    for found in _copies_from(session, session.rows(statements.COPY, (key,))):
        return found
    return None


def resolve_copy(
    session: Session, key: SnapshotKey, *, source_key: SnapshotKey, domain_key: DomainKey
) -> Copy | None:
    found = copy(session, key)
    if found is None or found.source_domain_key is not None:
        return found
    if session.rows(statements.HAS_BLOCKS, (key,)):
        raise InvariantError("nothing is copied before it is known what")
    sources = snapshots.by_keys(session, [source_key])
    if not sources or sources[0].state is not State.COMPLETED:
        raise SnapshotNotFound(found.source_id)
    (source,) = sources
    is_same = source.domain_key == domain_key
    base_root, base_block_count = (source.root, source.block_count) if is_same else (None, 0)
    values = (source.domain_key, source.root, source.block_count, key)
    session.rows(statements.RESOLVE_COPY, values)
    resolved = (domain_key, source.volume_gib, base_root, base_block_count, key)
    session.rows(statements.RESOLVE_SNAPSHOT, resolved)
    return copy(session, key)


def note_copied(session: Session, key: SnapshotKey, *, next_index: BlockIndex, copied_count: int) -> bool:
    return bool(session.rows(statements.NOTE_COPIED, (next_index, copied_count, key)))


def finish_copying(session: Session, key: SnapshotKey, *, block_count: int, now_ms: int) -> bool:
    """As the contract says, given the count of its block rows."""
    found = copy(session, key)
    if found is None:
        return False
    if found.source_domain_key is None:
        raise InvariantError("a copy of nothing known is not finished")
    session.rows(common.ACCEPT_COMPLETION, (now_ms, block_count, None, key))
    session.rows(statements.REMOVE_COPY, (key,))
    return True


def fail_copy(session: Session, key: SnapshotKey, message: str, *, now_ms: int) -> bool:
    if not session.rows(statements.REMOVE_COPY, (key,)):
        return False
    snapshots.end_pending(session, [key], message, now_ms=now_ms)
    return True


def _copies_from(session: Session, rows: Sequence[Row]) -> Sequence[Copy]:
    found = snapshots.by_keys(session, [key for key, *_ in rows])
    return [_copy_from(snapshot, row) for snapshot, row in zip(found, rows, strict=True)]


def _copy_from(snapshot: Snapshot, row: Row) -> Copy:
    (
        _, source_id, encrypted, kms_key, refusal, principal_arn, source_domain_key, source_root,
        source_block_count, next_index, copied_count,
    ) = row  # fmt: skip
    return Copy(
        snapshot=snapshot,
        source_id=SnapshotId(source_id),
        encrypted=bool(encrypted),
        kms_key=kms_key,
        refusal=refusal,
        principal_arn=principal_arn,
        source_domain_key=None if source_domain_key is None else DomainKey(source_domain_key),
        source_root=None if source_root is None else ChunkId(source_root),
        source_block_count=source_block_count,
        next_index=BlockIndex(next_index),
        copied_count=copied_count,
    )
