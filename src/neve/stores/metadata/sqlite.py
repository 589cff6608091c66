"""The metadata store of one process: the records, kept in SQLite.

Every method is one transaction of `SqliteDatabase` around one function of `records`. What is decided stands there
and is common to all SQL stores; how it becomes durable stands in `sqlite_database`. One process owns the store.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Self

from neve.domain.blocks import BlockIndex, ChunkId
from neve.domain.identities import AccessKey, Account, AccountId, Domain, DomainKey, SnapshotId
from neve.domain.snapshots import CompletionClaim, Sealed, Snapshot, SnapshotKey
from neve.errors import StoreUnusable
from neve.limits import Limits
from neve.stores.file_operations import FileOperations
from neve.stores.metadata import migrations
from neve.stores.metadata.contract import (
    Batch,
    BlockRow,
    MetadataStatistics,
    PublishResult,
    SnapshotStart,
    StartCheck,
    Started,
    StoreFacts,
    TagRemoval,
    VisibleSnapshot,
)
from neve.stores.metadata.placement import ChunkRecord, SegmentName
from neve.stores.metadata.records import (
    accounts,
    publishing,
    reading,
    recycling,
    sharing,
    snapshots,
    starting,
    tagging,
)
from neve.stores.metadata.schema import SQLITE
from neve.stores.metadata.sqlite_archive import SqliteArchiveRecords
from neve.stores.metadata.sqlite_backup import OnPages, back_up
from neve.stores.metadata.sqlite_collection import SqliteCollectionRecords
from neve.stores.metadata.sqlite_database import (
    APPLICATION_ID,
    SYSTEM_FILES,
    SqliteDatabase,
    create_file,
    sync_directory,
)
from neve.stores.metadata.sqlite_identities import SqliteIdentityRecords
from neve.stores.metadata.sqlite_keys import SqliteKeyRecords
from neve.stores.metadata.sqlite_lifecycle import SqliteLifecycleRecords
from neve.stores.metadata.sqlite_needs import SqliteNeedRecords
from neve.stores.metadata.sqlite_schema import altered_schema


class SqliteMetadataStore:
    """`contract.MetadataStore` on SQLite. Made by `create` or `open`."""

    def __init__(self, database: SqliteDatabase) -> None:
        """Take over a database whose tables are there and up to date."""
        self._database = database
        self._keys = SqliteKeyRecords(database)
        self._identities = SqliteIdentityRecords(database)
        self._lifecycle = SqliteLifecycleRecords(database)
        self._needs = SqliteNeedRecords(database)
        self._archive = SqliteArchiveRecords(database)
        self._collection = SqliteCollectionRecords(database)

    @property
    def identities(self) -> SqliteIdentityRecords:
        return self._identities

    @classmethod
    def create(
        cls, path: Path, facts: StoreFacts, *, vfs: str | None = None, files: FileOperations = SYSTEM_FILES
    ) -> Self:
        """Make the tables of a new store in a new file, durably, and open it.

        An empty file, such as a creation that was cut short leaves, is used.

        Raises:
            StoreUnusable: there is a database already.
        """
        create_file(path, files)
        database = SqliteDatabase(path, vfs=vfs, files=files)
        try:
            with database.writing() as session:
                if migrations.steps_taken(session, SQLITE) > 0:
                    raise StoreUnusable(
                        f"there is a store at {path} already: open it, or choose another place"
                    )
                session.rows(f"PRAGMA application_id = {APPLICATION_ID}")
                migrations.migrate(session, SQLITE)
                reading.add_facts(session, facts)
            sync_directory(path.parent, files)
        except BaseException:
            database.close()
            raise
        return cls(database)

    @classmethod
    def open(
        cls, path: Path, *, limits: Limits, vfs: str | None = None, files: FileOperations = SYSTEM_FILES
    ) -> Self:
        """Open a store and bring its tables up to date; where nothing can be written, they must be that already.

        Raises:
            StoreUnusable: nothing is there, it is damaged, newer than this program, or made with other sizes.
            StoreUnavailable: it could not be read or written this time.
        """
        database = SqliteDatabase(path, vfs=vfs, files=files)
        try:
            with database.reading() if database.is_read_only else database.writing() as session:
                if migrations.steps_taken(session, SQLITE) == 0:
                    raise StoreUnusable(
                        f"the metadata at {path} is empty: if the store was ever used, bring its database back from "
                        "a copy; if its creation was cut short, create it anew"
                    )
                if database.is_read_only and migrations.plan(session, SQLITE):
                    raise StoreUnusable(
                        f"the metadata at {path} is of an older program and cannot be brought up to date where nothing can "
                        "be written: start that program, or mount the file system for writing"
                    )
                migrations.migrate(session, SQLITE)
                _check_sizes(reading.facts(session), limits)
        except BaseException:
            database.close()
            raise
        return cls(database)

    @staticmethod
    def outstanding_migrations(path: Path) -> Sequence[str]:
        """Return what `open` would do to the tables, in words, and do nothing.

        Raises:
            StoreUnusable: nothing is there, it is damaged, or newer than this program.
        """
        database = SqliteDatabase(path)
        try:
            with database.reading() as session:
                return [f"{step.number}: {step.title}" for step in migrations.plan(session, SQLITE)]
        finally:
            database.close()

    @property
    def keys(self) -> SqliteKeyRecords:
        return self._keys

    @property
    def lifecycle(self) -> SqliteLifecycleRecords:
        return self._lifecycle

    @property
    def needs(self) -> SqliteNeedRecords:
        return self._needs

    @property
    def collection(self) -> SqliteCollectionRecords:
        return self._collection

    @property
    def archive(self) -> SqliteArchiveRecords:
        return self._archive

    # --- accounts, keys, domains

    def create_account(self, account: Account) -> None:
        with self._database.writing() as session:
            accounts.create_account(session, account)

    def accounts(self) -> Sequence[Account]:
        with self._database.reading(one_statement=True) as session:
            return accounts.accounts(session)

    def add_access_key(self, access_key: AccessKey) -> None:
        with self._database.writing() as session:
            accounts.add_access_key(session, access_key)

    def access_key(self, access_key_id: str) -> AccessKey:
        with self._database.reading(one_statement=True) as session:
            return accounts.access_key(session, access_key_id)

    def access_keys(self, account_id: AccountId) -> Sequence[AccessKey]:
        with self._database.reading(one_statement=True) as session:
            return accounts.access_keys(session, account_id)

    def remove_access_key(self, access_key_id: str) -> None:
        with self._database.writing() as session:
            accounts.remove_access_key(session, access_key_id)

    def add_domain(
        self, *, account_id: AccountId, kms_key_arn: str, uid: bytes, sealed_id_key: bytes
    ) -> Domain:
        with self._database.writing() as session:
            return accounts.add_domain(
                session, account_id=account_id, kms_key_arn=kms_key_arn, uid=uid, sealed_id_key=sealed_id_key
            )

    def domains(self) -> Sequence[Domain]:
        with self._database.reading(one_statement=True) as session:
            return accounts.domains(session)

    # --- snapshots

    def check_start(self, start: SnapshotStart) -> StartCheck:
        with self._database.reading() as session:
            return starting.check_start(session, start)

    def start_snapshot(self, start: SnapshotStart) -> Started:
        with self._database.writing() as session:
            return starting.start_snapshot(session, start)

    def snapshot(self, account_id: AccountId, snapshot_id: SnapshotId) -> Snapshot:
        with self._database.reading(one_statement=True) as session:
            return snapshots.snapshot(session, account_id, snapshot_id)

    def snapshots(
        self,
        account_id: AccountId,
        *,
        after: SnapshotKey | None,
        limit: int,
        tag_key: str | None = None,
        tag_value: str | None = None,
    ) -> Sequence[Snapshot]:
        with self._database.reading() as session:
            return snapshots.snapshots(
                session, account_id, after=after, limit=limit, tag_key=tag_key, tag_value=tag_value
            )

    def accept_completion(
        self, account_id: AccountId, snapshot_id: SnapshotId, claim: CompletionClaim, *, now_ms: int
    ) -> Snapshot:
        with self._database.writing() as session:
            return snapshots.accept_completion(session, account_id, snapshot_id, claim, now_ms=now_ms)

    def sealing(self, *, limit: int) -> Sequence[Snapshot]:
        with self._database.reading() as session:
            return snapshots.sealing(session, limit=limit)

    def finish_completion(self, key: SnapshotKey, sealed: Sealed, *, now_ms: int) -> bool:
        with self._database.writing() as session:
            return snapshots.finish_completion(session, key, sealed, now_ms=now_ms)

    def fail_completion(self, key: SnapshotKey, message: str, *, now_ms: int) -> bool:
        with self._database.writing() as session:
            return snapshots.fail_completion(session, key, message, now_ms=now_ms)

    def expire(self, *, now_ms: int, limit: int) -> Sequence[SnapshotId]:
        with self._database.writing() as session:
            return snapshots.expire(session, now_ms=now_ms, limit=limit)

    def postpone(self, *, after_ms: int, now_ms: int, limit: int) -> int:
        with self._database.writing() as session:
            return snapshots.postpone(session, after_ms=after_ms, now_ms=now_ms, limit=limit)

    def reap(self, *, limit: int) -> int:
        with self._database.writing() as session:
            return snapshots.reap(session, limit=limit)

    def delete_snapshot(self, account_id: AccountId, snapshot_id: SnapshotId, *, now_ms: int) -> int | None:
        with self._database.writing() as session:
            return recycling.delete_snapshot(session, account_id, snapshot_id, now_ms=now_ms)

    def forget_client_tokens(self, *, used_before_ms: int, limit: int) -> int:
        with self._database.writing() as session:
            return snapshots.forget_client_tokens(session, used_before_ms=used_before_ms, limit=limit)

    # --- sharing

    def visible_snapshot(self, account_id: AccountId, snapshot_id: SnapshotId) -> VisibleSnapshot:
        with self._database.reading(one_statement=True) as session:
            return sharing.visible_snapshot(session, account_id, snapshot_id)

    def visible_snapshots(
        self,
        account_id: AccountId,
        *,
        after: SnapshotKey | None,
        limit: int,
        tag_key: str | None = None,
        tag_value: str | None = None,
    ) -> Sequence[VisibleSnapshot]:
        with self._database.reading() as session:
            return sharing.visible_snapshots(
                session, account_id, after=after, limit=limit, tag_key=tag_key, tag_value=tag_value
            )

    def modify_permissions(
        self,
        account_id: AccountId,
        snapshot_id: SnapshotId,
        *,
        add: Collection[str] = (),
        remove: Collection[str] = (),
    ) -> None:
        with self._database.writing() as session:
            sharing.modify_permissions(session, account_id, snapshot_id, add=add, remove=remove)

    def permissions(self, account_id: AccountId, snapshot_id: SnapshotId) -> Sequence[str]:
        with self._database.reading() as session:
            return sharing.permissions(session, account_id, snapshot_id)

    # --- tags

    def put_tags(
        self,
        account_id: AccountId,
        snapshot_ids: Collection[SnapshotId],
        tags: Mapping[str, str],
        *,
        tags_max: int,
    ) -> None:
        with self._database.writing() as session:
            tagging.put_tags(session, account_id, snapshot_ids, tags, tags_max=tags_max)

    def remove_tags(
        self, account_id: AccountId, snapshot_ids: Collection[SnapshotId], removals: Collection[TagRemoval]
    ) -> None:
        with self._database.writing() as session:
            tagging.remove_tags(session, account_id, snapshot_ids, removals)

    # --- blocks, chunks, segments

    def reserve_segments(self, names: Collection[SegmentName], *, now_ms: int) -> None:
        with self._database.writing() as session:
            publishing.reserve_segments(session, names, now_ms=now_ms)

    def cancel_reservations(self) -> int:
        with self._database.writing() as session:
            return publishing.cancel_reservations(session)

    def publish(self, batch: Batch, *, now_ms: int) -> PublishResult:
        with self._database.writing() as session:
            return publishing.publish(session, batch, now_ms=now_ms)

    def chunks(self, domain_key: DomainKey, chunk_ids: Collection[ChunkId]) -> Mapping[ChunkId, ChunkRecord]:
        with self._database.reading(one_statement=len(chunk_ids) == 1) as session:
            return reading.chunks(session, domain_key, chunk_ids)

    def stored(self, domain_key: DomainKey, chunk_ids: Collection[ChunkId]) -> set[ChunkId]:
        with self._database.reading(one_statement=len(chunk_ids) == 1) as session:
            return reading.stored(session, domain_key, chunk_ids)

    def mark_bad(self, domain_key: DomainKey, chunk_id: ChunkId) -> None:
        with self._database.writing() as session:
            reading.mark_bad(session, domain_key, chunk_id)

    def blocks(
        self, snapshot_key: SnapshotKey, *, after: BlockIndex | None, limit: int
    ) -> Sequence[BlockRow]:
        with self._database.reading() as session:
            return reading.blocks(session, snapshot_key, after=after, limit=limit)

    def block_count(self, snapshot_key: SnapshotKey) -> int:
        with self._database.reading() as session:
            return reading.block_count(session, snapshot_key)

    # --- the store itself

    def facts(self) -> StoreFacts:
        with self._database.reading() as session:
            return reading.facts(session)

    def flaws(self, check: Callable[[], None], *, limit: int) -> Sequence[str]:
        with self._database.reading(one_statement=True) as session:
            altered = altered_schema(session)
        return [*altered, *self._database.flaws(check, limit=limit)][:limit]

    def statistics(self) -> MetadataStatistics:
        with self._database.reading() as session:
            return reading.statistics(session)

    def back_up(self, destination: Path, *, on_bytes: OnPages, check: Callable[[], None]) -> int:
        """Copy the records as they are at one moment into a new file, durably; return its size in bytes.

        Raises:
            StoreUnusable: something is at `destination`, or nothing can be made there. Nothing changed.
            StoreFull, StoreUnavailable: nothing is left there.
            whatever `check` does, which is called often
        """
        return back_up(self._database, destination, on_bytes=on_bytes, check=check)

    def close(self) -> None:
        self._database.close()


def _check_sizes(facts: StoreFacts, limits: Limits) -> None:
    for name, kept, wanted in (
        ("blocks of {} bytes", facts.block_bytes, limits.block_bytes),
        ("block maps that branch {} ways", facts.node_fanout, limits.node_fanout),
    ):
        if kept != wanted:
            raise StoreUnusable(
                f"the store has {name.format(kept)}, this service works with {name.format(wanted)}: "
                "start it with the limits that the store was created with"
            )
