"""What needs chunks, read from SQLite: one transaction around each function of `records`."""

from collections.abc import Callable, Sequence

from neve.domain.blocks import ChunkId
from neve.domain.snapshots import SnapshotKey
from neve.stores.metadata.contract_needs import Need
from neve.stores.metadata.records import needs
from neve.stores.metadata.sqlite_database import SqliteDatabase


class SqliteNeedRecords:
    """`contract_needs.NeedRecords` on the database of a metadata store, which opens and closes it."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    def living(self, take: Callable[[Sequence[Need]], None]) -> None:
        with self._database.reading() as session:
            needs.living(session, take)

    def held_nodes(
        self, snapshot_key: SnapshotKey, *, after: ChunkId | None, limit: int
    ) -> Sequence[ChunkId]:
        with self._database.reading(one_statement=True) as session:
            return needs.held_nodes(session, snapshot_key, after=after, limit=limit)
