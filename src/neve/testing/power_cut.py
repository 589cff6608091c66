"""One power cut that falls on the database and on the files beside it.

    disk = Disk(root, Names.STRICT, calls=[])
    RecordingSqlite("a name", disk)        SQLite's file system: pass the name as `vfs` to a metadata store
    RecordingFiles(disk)                   what else is done to the database's directory; pass it as `files`
    DiskFiles(disk)                        the files of any other store; nothing of them is on a real disk

All three change one `Disk`, whose calls then are everything that happened, in order. The database is on a real disk
as well, best one in memory, since SQLite shares memory between its connections; `leave_database` puts there what a
cut left of it, and `DiskFiles` over what the cut left is the rest.
"""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import apsw

from neve.stores.file_operations import Buffer, SystemFileOperations
from neve.testing.disk import Disk

SHARED_MEMORY_SUFFIX: Final = "-shm"
"""Ends the name of the file that is nothing but memory: no power cut leaves it behind."""
_JOURNALS: Final = ("-wal", "-journal")
"""SQLite syncs the directory itself with the first sync of such a file that it has opened."""


class DiskFiles:
    """`FileOperations` on a `Disk`. Safe from any thread."""

    def __init__(self, disk: Disk, *, write_bytes_max: int = 1 << 30) -> None:
        """Take at most so many bytes at a time, as a file system may."""
        self.disk = disk
        self._write_bytes_max = write_bytes_max
        self._open: dict[int, int] = {}
        self._next = 3

    def make_directory(self, path: str) -> None:
        self.disk.make_directory(path)

    def create_unnamed(self, directory: str) -> int:
        self.disk.number_at(directory)
        return self._opened(self.disk.create_unnamed())

    def give_name(self, descriptor: int, path: str) -> None:
        self.disk.link(self._number(descriptor), path)

    def create_named(self, path: str) -> int:
        return self._opened(self.disk.create(path))

    def open_for_appending(self, path: str) -> int:
        return self._opened(self.disk.number_at(path))

    def add_name(self, path: str, new_path: str) -> None:
        self.disk.link(self.disk.number_at(path), new_path)

    def rename(self, path: str, new_path: str) -> None:
        self.disk.rename(path, new_path)

    def remove(self, path: str) -> None:
        self.disk.remove(path)

    def open_for_reading(self, path: str) -> int:
        return self._opened(self.disk.number_at(path))

    def write(self, descriptor: int, buffers: Sequence[Buffer]) -> int:
        number, data = self._number(descriptor), b"".join(buffers)[: self._write_bytes_max]
        with self.disk.lock:
            self.disk.write(number, len(self.disk.node(number).content), data)
        return len(data)

    def read_at(self, descriptor: int, size: int, offset: int) -> bytes:
        with self.disk.lock:
            return bytes(self.disk.node(self._number(descriptor)).content[offset : offset + size])

    def size(self, descriptor: int) -> int:
        return len(self.disk.node(self._number(descriptor)).content)

    def sync(self, descriptor: int) -> None:
        self.disk.sync(self._number(descriptor))

    def sync_directory(self, path: str) -> None:
        self.disk.sync_directory(path)

    def close(self, descriptor: int) -> None:
        self._number(descriptor)
        del self._open[descriptor]

    def list_names(self, path: str) -> Sequence[str]:
        with self.disk.lock:
            return list(self.disk.node(self.disk.number_at(path)).children)

    def list_files(self, path: str) -> Sequence[str]:
        with self.disk.lock:
            children = self.disk.node(self.disk.number_at(path)).children
            return [name for name, number in children.items() if not self.disk.node(number).is_directory]

    def free_bytes(self, path: str) -> int:
        self.disk.number_at(path)
        return 1 << 40

    def _opened(self, number: int) -> int:
        with self.disk.lock:
            descriptor, self._next = self._next, self._next + 1
            self._open[descriptor] = number
            return descriptor

    def _number(self, descriptor: int) -> int:
        try:
            return self._open[descriptor]
        except KeyError as error:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF)) from error


class RecordingFiles(SystemFileOperations):
    """The operating system's, with what happens to a database's directory besides SQLite done to a disk as well."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def create_named(self, path: str) -> int:
        descriptor = super().create_named(path)
        self._disk.create(path)
        return descriptor

    def sync_directory(self, path: str) -> None:
        self._disk.sync_directory(path)


class RecordingSqlite(apsw.VFS):
    """The platform's file system, with everything that is written done to a disk as well.

    Keep it for as long as SQLite may use it, and `unregister` it then.
    """

    def __init__(self, name: str, disk: Disk) -> None:
        super().__init__(name, "")
        self.name = name
        self.disk = disk

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        return _RecordedFile(self.disk, name, flags, path)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        with self.disk.lock, _told_to_sqlite():
            if filename in self.disk:
                self.disk.remove(filename)
            super().xDelete(filename, syncdir)
            if syncdir:
                self.disk.sync_directory(str(Path(filename).parent))


class _RecordedFile(apsw.VFSFile):
    """One open file of a `RecordingSqlite`."""

    def __init__(self, disk: Disk, name: Any, flags: list[int], path: str) -> None:
        with disk.lock, _told_to_sqlite():
            self._disk = disk
            self._path = path
            self._syncs_directory = path.endswith(_JOURNALS)
            self._number = disk.number_at(path) if path in disk else disk.create(path)
            super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        with self._disk.lock, _told_to_sqlite():
            self._disk.write(self._number, offset, bytes(data))
            super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        with self._disk.lock, _told_to_sqlite():
            self._disk.truncate(self._number, newsize)
            super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: ARG002 - what apsw calls it with
        with self._disk.lock, _told_to_sqlite():
            self._disk.sync(self._number)
            if self._syncs_directory:
                self._disk.sync_directory(str(Path(self._path).parent))
                self._syncs_directory = False


@contextmanager
def _told_to_sqlite() -> Iterator[None]:
    """Turn a disk's failures into what SQLite calls them."""
    try:
        yield
    except OSError as error:
        kind = apsw.FullError if error.errno == errno.ENOSPC else apsw.IOError
        raise kind(str(error)) from error


def leave_database(disk: Disk, database: Path, place: Path) -> None:
    """Put what a disk has of a database and its journals into the directory `place`, under the same names.

    Files of such names that lie there and are not on the disk are removed.
    """
    for suffix in ("", *_JOURNALS, SHARED_MEMORY_SUFFIX):
        path, found = f"{database}{suffix}", place / f"{database.name}{suffix}"
        if suffix != SHARED_MEMORY_SUFFIX and path in disk:
            found.write_bytes(disk.node(disk.number_at(path)).content)
        else:
            found.unlink(missing_ok=True)
