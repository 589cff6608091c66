"""How a SQLite database can be had where its file system does not give all that SQLite asks for.

    SHARED      with shared memory in a file (`-shm`): other programs may look into the database meanwhile
    ALONE       with shared memory of this process alone, where there is no room for such a file
    READ_ONLY   where nothing can be written: each connection reads the log for itself, or there is none to be read

A full disk and one that takes no writes must not keep a server from reading: that may be all that somebody wants of it.
ALONE writes as well as SHARED as soon as there is room. READ_ONLY stays as it is until the database is opened again.
"""

import os
from enum import Enum
from pathlib import Path
from typing import Final
from urllib.parse import quote

import apsw

from neve.stores.metadata.log_witness import LOG_SUFFIX

_NO_SHARED_MEMORY: Final = frozenset(
    {
        apsw.SQLITE_IOERR_SHMOPEN,
        apsw.SQLITE_IOERR_SHMSIZE,
        apsw.SQLITE_IOERR_SHMMAP,
    }
)


class Access(Enum):
    """How much of SQLite there is."""

    SHARED = "shared"
    ALONE = "alone"
    READ_ONLY = "read only"


def takes_no_writes(path: Path) -> bool:
    """Say whether nothing can be written where the database lies."""
    try:
        return bool(os.statvfs(path.parent).f_flag & os.ST_RDONLY) or not (
            os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
        )
    except OSError:
        return False


def lacks_shared_memory(error: BaseException | None) -> bool:
    """Say whether an error is that there is no room for shared memory in a file."""
    return isinstance(error, apsw.FullError) or getattr(error, "extendedresult", 0) in _NO_SHARED_MEMORY


def connect(path: Path, access: Access, vfs: str | None) -> apsw.Connection:
    """Return a new connection; `vfs` is another file system than the platform's, for SHARED.

    Raises:
        apsw.Error
    """
    match access:
        case Access.SHARED:
            return apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs)
        case Access.ALONE:
            return apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE, vfs="unix-excl")
        case Access.READ_ONLY:
            return _connect_read_only(path)


def _connect_read_only(path: Path) -> apsw.Connection:
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    if not path.with_name(path.name + LOG_SUFFIX).exists():
        # Nobody can be writing, so the database is all there is.
        return apsw.Connection(f"file:{quote(str(path))}?immutable=1", flags=flags)
    # Without locks, which want leave to write; whoever has the store's directory locked has the database too.
    connection = apsw.Connection(f"file:{quote(str(path))}", flags=flags, vfs="unix-none")
    connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
    return connection
