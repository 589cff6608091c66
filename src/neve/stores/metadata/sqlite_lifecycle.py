"""Locks, the recycle bin and copies, kept in SQLite: one transaction around each function of `records`.

But one: what a finished copy is said to have is counted beforehand.
"""

from collections.abc import Callable, Sequence

from neve.domain.blocks import BlockIndex
from neve.domain.identities import AccountId, DomainKey, SnapshotId
from neve.domain.locks import Lock
from neve.domain.retention import RetentionRule
from neve.domain.snapshots import Snapshot, SnapshotKey
from neve.stores.metadata.contract_lifecycle import Copy, CopyStart, LockedSnapshot, RecycledSnapshot
from neve.stores.metadata.records import copying, locking, reading, recycling
from neve.stores.metadata.sqlite_database import SqliteDatabase


class SqliteLifecycleRecords:
    """`contract_lifecycle.LifecycleRecords` on the database of a metadata store, which opens and closes it."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    # --- locks

    def change_lock(
        self,
        account_id: AccountId,
        snapshot_id: SnapshotId,
        change: Callable[[Snapshot, Lock | None], Lock | None],
    ) -> LockedSnapshot | None:
        with self._database.writing() as session:
            return locking.change_lock(session, account_id, snapshot_id, change)

    def lock(self, account_id: AccountId, snapshot_id: SnapshotId) -> LockedSnapshot | None:
        with self._database.reading() as session:
            return locking.lock(session, account_id, snapshot_id)

    def locks(
        self, account_id: AccountId, *, after: SnapshotKey | None, limit: int
    ) -> Sequence[LockedSnapshot]:
        with self._database.reading() as session:
            return locking.locks(session, account_id, after=after, limit=limit)

    # --- recycle bin

    def recycled(
        self, account_id: AccountId, *, after: SnapshotKey | None, limit: int
    ) -> Sequence[RecycledSnapshot]:
        with self._database.reading() as session:
            return recycling.recycled(session, account_id, after=after, limit=limit)

    def recycled_snapshot(self, account_id: AccountId, snapshot_id: SnapshotId) -> RecycledSnapshot:
        with self._database.reading() as session:
            return recycling.recycled_snapshot(session, account_id, snapshot_id)

    def restore(self, account_id: AccountId, snapshot_id: SnapshotId, *, now_ms: int) -> Snapshot:
        with self._database.writing() as session:
            return recycling.restore(session, account_id, snapshot_id, now_ms=now_ms)

    def empty_bin(self, *, now_ms: int, limit: int) -> Sequence[SnapshotId]:
        with self._database.writing() as session:
            return recycling.empty_bin(session, now_ms=now_ms, limit=limit)

    def change_rules(
        self, account_id: AccountId, change: Callable[[Sequence[RetentionRule]], RetentionRule]
    ) -> RetentionRule:
        with self._database.writing() as session:
            return recycling.change_rules(session, account_id, change)

    def rule(self, account_id: AccountId, rule_id: str) -> RetentionRule:
        with self._database.reading(one_statement=True) as session:
            return recycling.rule(session, account_id, rule_id)

    def rules(self, account_id: AccountId) -> Sequence[RetentionRule]:
        with self._database.reading(one_statement=True) as session:
            return recycling.rules(session, account_id)

    def remove_rule(self, account_id: AccountId, rule_id: str) -> None:
        with self._database.writing() as session:
            recycling.remove_rule(session, account_id, rule_id)

    # --- copies

    def start_copy(self, start: CopyStart) -> Snapshot:
        with self._database.writing() as session:
            return copying.start_copy(session, start)

    def copies(self, *, after: SnapshotKey | None, limit: int) -> Sequence[Copy]:
        with self._database.reading() as session:
            return copying.copies(session, after=after, limit=limit)

    def copy(self, key: SnapshotKey) -> Copy | None:
        with self._database.reading() as session:
            return copying.copy(session, key)

    def resolve_copy(
        self, key: SnapshotKey, *, source_key: SnapshotKey, domain_key: DomainKey
    ) -> Copy | None:
        with self._database.writing() as session:
            return copying.resolve_copy(session, key, source_key=source_key, domain_key=domain_key)

    def note_copied(self, key: SnapshotKey, *, next_index: BlockIndex, copied_count: int) -> bool:
        with self._database.writing() as session:
            return copying.note_copied(session, key, next_index=next_index, copied_count=copied_count)

    def finish_copying(self, key: SnapshotKey, *, now_ms: int) -> bool:
        # Counted before the writing begins: over a hundred million rows take longer than others can wait for it.
        with self._database.reading() as session:
            block_count = reading.block_count(session, key)
        with self._database.writing() as session:
            return copying.finish_copying(session, key, block_count=block_count, now_ms=now_ms)

    def fail_copy(self, key: SnapshotKey, message: str, *, now_ms: int) -> bool:
        with self._database.writing() as session:
            return copying.fail_copy(session, key, message, now_ms=now_ms)
