"""Marks in a private temporary database of SQLite.

SQLite keeps such a database in its cache until that is full and then in a file without a name, which the operating
system takes back when the process ends, however it ends. The file lies where SQLITE_TMPDIR or TMPDIR says, else in
/var/tmp: at its largest some 70 bytes for each chunk. Nothing is logged, locked or synced.
"""

from collections.abc import Collection, Mapping
from typing import Final

import apsw

from neve.domain.blocks import ChunkId
from neve.errors import StoreError, StoreFull, StoreUnavailable
from neve.limits import MIB
from neve.stores.marks.contract import Mark

_CACHE_BYTES: Final = 32 * MIB
"""Ids are random, so lookups hit pages at random: what does not fit is the operating system's to keep."""

_TABLE: Final = """
CREATE TABLE mark (chunk_id BLOB NOT NULL PRIMARY KEY, label INTEGER NOT NULL, stored_bytes INTEGER NOT NULL)
STRICT, WITHOUT ROWID
"""
_MARK: Final = "SELECT chunk_id, label, stored_bytes FROM mark WHERE chunk_id = ?"
_PUT: Final = "INSERT OR REPLACE INTO mark (chunk_id, label, stored_bytes) VALUES (?, ?, ?)"


class SqliteMarkStore:
    """`contract.MarkStore` until it is closed."""

    def __init__(self, *, cache_bytes: int = _CACHE_BYTES) -> None:
        """Make an empty one.

        Raises:
            StoreUnavailable: there is no place for temporary files.
        """
        self._database: apsw.Connection | None = None
        try:
            # An empty name is a database of its own that nobody else can open.
            database = apsw.Connection("")
            for pragma in (
                "journal_mode = OFF",
                "synchronous = OFF",
                f"cache_size = -{cache_bytes // 1024}",
                "mmap_size = 0",
            ):
                database.execute(f"PRAGMA {pragma}").fetchall()
            database.execute(_TABLE)
            # One transaction for all: there is nothing to take back, and nobody to show it to.
            database.execute("BEGIN EXCLUSIVE")
        except apsw.Error as error:
            raise _translated(error) from error
        self._database = database

    def marks(self, chunk_ids: Collection[ChunkId]) -> Mapping[ChunkId, Mark]:
        try:
            rows = self._usable().executemany(_MARK, [(chunk_id,) for chunk_id in chunk_ids])
            return {ChunkId(chunk_id): Mark(label, stored_bytes) for chunk_id, label, stored_bytes in rows}
        except apsw.Error as error:
            raise _translated(error) from error

    def put(self, marks: Mapping[ChunkId, Mark]) -> None:
        try:
            self._usable().executemany(
                _PUT, [(chunk_id, mark.label, mark.stored_bytes) for chunk_id, mark in marks.items()]
            )
        except apsw.Error as error:
            raise _translated(error) from error

    def close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close(force=True)

    def _usable(self) -> apsw.Connection:
        if self._database is None:
            raise StoreUnavailable("the marks were thrown away")
        return self._database


def _translated(error: apsw.Error) -> StoreError:
    sentence = f"{type(error).__name__}: {error}"
    if isinstance(error, apsw.FullError):
        return StoreFull(
            f"no room for temporary files ({sentence}): let TMPDIR name a directory on a disk with more"
        )
    return StoreUnavailable(f"temporary files cannot be used ({sentence}): does TMPDIR name a directory?")
