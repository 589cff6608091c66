"""A copy of the database of a running store: one moment of it, in one file.

    one read transaction ─▶ pages, some at a time ─▶ names taken back that nobody may use again ─▶ the file's own name

The copy is made under another name beside the one asked for, and gets that when it is whole and durable. Writers go on
meanwhile; what they add to the log stays there until the copy is made.

A store keeps names reserved for the segments it is about to write. What of them is written after the copy was made, holds
what was acknowledged then; somebody who goes on from the copy must find it unexplained, which it is then, and not
cancelled, which would let a collection take it away. So the copy has no reserved names.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import apsw

from neve.errors import StoreFull, StoreUnavailable, StoreUnusable
from neve.stores.file_operations import FILE_MODE
from neve.stores.metadata.sqlite_database import SqliteDatabase, translated

_PAGES_AT_ONCE: Final = 256
"""A mebibyte of pages of the usual size."""
_UNFINISHED: Final = ".part"

OnPages = Callable[[int, int], None]
"""Told how many bytes of how many are copied."""


def back_up(
    database: SqliteDatabase, destination: Path, *, on_bytes: OnPages, check: Callable[[], None]
) -> int:
    """Copy a database into a new file, durably; return the file's size in bytes.

    Raises:
        StoreUnusable: something is at `destination`, or nothing can be made there. Nothing changed.
        StoreFull, StoreUnavailable: nothing is left there.
        whatever `check` does
    """
    if os.path.lexists(destination):
        raise StoreUnusable(f"{destination} is there already: name a file that is not")
    unfinished = destination.with_name(destination.name + _UNFINISHED)
    try:
        os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE))
    except OSError as error:
        raise StoreUnusable(f"no copy can be made at {destination}: {error}") from error
    try:
        _copy(database, unfinished, on_bytes, check)
        _sync(unfinished)
        unfinished.rename(destination)
        _sync(destination.parent)
        return destination.stat().st_size
    except OSError as error:
        raise StoreUnavailable(f"the copy at {destination} may not be durable: {error}") from error
    finally:
        for left in (unfinished, unfinished.with_name(unfinished.name + "-journal")):
            with suppress(OSError):
                left.unlink()


def _copy(database: SqliteDatabase, file: Path, on_bytes: OnPages, check: Callable[[], None]) -> None:
    with database.reading() as session:
        # A transaction reads its moment from its first statement on.
        ((page_bytes,),) = session.rows("PRAGMA page_size")
        session.rows("SELECT 1 FROM migration LIMIT 1")
        copy = _opened(file)
        try:
            with copy.backup("main", session.connection, "main") as backup:
                while not backup.done:
                    check()
                    backup.step(_PAGES_AT_ONCE)
                    done = backup.page_count - backup.remaining
                    on_bytes(done * page_bytes, backup.page_count * page_bytes)
            # As the file has it: the log of the original is none of the copy's.
            copy.execute("PRAGMA journal_mode = DELETE")
            copy.execute("DELETE FROM segment WHERE state = 'reserved'")
        except apsw.FullError as error:
            raise StoreFull(f"there is no room for a copy at {file.parent}") from error
        finally:
            copy.close(force=True)


def _opened(file: Path) -> apsw.Connection:
    try:
        copy = apsw.Connection(str(file))
    except apsw.Error as error:
        raise translated(error) from error
    copy.execute("PRAGMA synchronous = FULL")
    return copy


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
