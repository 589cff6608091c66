"""What the archive is to have, kept in SQLite: one transaction around each function of `records`."""

from collections.abc import Collection, Iterable, Sequence

from neve.domain.identities import SnapshotId
from neve.errors import InvariantError, StoreUnusable
from neve.stores.metadata.contract_archive import (
    ARCHIVE_ORDER,
    ArchiveChange,
    ArchivedRecord,
    ArchiveKind,
    ArchiveName,
    Completion,
)
from neve.stores.metadata.records import archiving
from neve.stores.metadata.sqlite_database import SqliteDatabase


class SqliteArchiveRecords:
    """`contract_archive.ArchiveRecords` on the database of a metadata store, which opens and closes it."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    def changes(
        self, *, limit: int, kinds: Collection[ArchiveKind] = ARCHIVE_ORDER
    ) -> Sequence[ArchiveChange]:
        with self._database.reading() as session:
            return archiving.changes(session, limit=limit, kinds=kinds)

    def settle(self, settled: Sequence[ArchiveChange]) -> None:
        with self._database.writing() as session:
            archiving.settle(session, settled)

    def export(self, name: ArchiveName) -> ArchivedRecord | None:
        with self._database.reading() as session:
            return archiving.export(session, name)

    def export_completion(self, completion: Completion) -> ArchivedRecord | None:
        with self._database.reading() as session:
            return archiving.export_completion(session, completion)

    def names(self, kind: ArchiveKind, *, after: str | None, limit: int) -> Sequence[str]:
        with self._database.reading(one_statement=True) as session:
            return archiving.names(session, kind, after=after, limit=limit)

    def accounts_for(self, snapshot_id: SnapshotId) -> bool:
        with self._database.reading(one_statement=True) as session:
            return archiving.accounts_for(session, snapshot_id)

    def restore(self, records: Iterable[ArchivedRecord]) -> None:
        try:
            with self._database.writing() as session:
                archiving.restore(session, records)
        except InvariantError as error:
            # Here it was not us: a record that the tables refuse came from outside.
            raise StoreUnusable(f"the archived records do not fit together: {error}") from error
