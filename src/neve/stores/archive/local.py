"""The archive as files in a folder.

    root/snapshot/snap-0123…            an object; directories are made when a first one is written
    root/snapshot/.snap-0123….0.part    one on its way in, or what a crash left of it; no object has such a name

A write makes a new file, syncs it, renames it over the old one and syncs the directory: at every instant the name has
all of the old bytes or all of the new ones. A failed sync is never repeated: the kernel marks the pages clean, and the
next sync would lie; the next write begins with a new file. What an object means it does not know.
"""

import errno
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from neve.errors import ArchiveDamaged, ArchiveMissing, StoreFull, StoreUnavailable
from neve.stores.archive.contract import NAME_PATTERN, OBJECT_BYTES_MAX
from neve.stores.file_operations import FileOperations, SystemFileOperations, write_all

_NAME = re.compile(NAME_PATTERN, re.ASCII)
_PART = re.compile(r"\..+\.[0-9]+\.part", re.ASCII)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class LocalArchiveStore:
    """`contract.ArchiveStore` under one directory of a local file system, which need not be there yet."""

    def __init__(self, root: Path, files: FileOperations | None = None) -> None:
        """Open the archive in `root`, whose parent is there."""
        self._root = str(root)
        self._parent = str(root.parent)
        self._files = files or SystemFileOperations()
        self._closed = False
        self._lock = threading.Lock()
        self._prepared: set[str] = set()
        """Directories that need no looking after any more."""
        self._parts: set[str] = set()

    def write(self, name: str, content: bytes) -> None:
        assert len(content) <= OBJECT_BYTES_MAX
        directory, path = self._places(name)
        with _translated(f"archive object {name} was not written", when_full=StoreFull):
            self._prepare(directory)
            with self._part_of(directory, path) as part:
                self._write_part(part, content)
                # From here on the name may have either content until this returns.
                with _translated(f"archive object {name} may not be durable", when_full=StoreUnavailable):
                    self._files.rename(part, path)
                    self._files.sync_directory(directory)

    def read(self, name: str) -> bytes:
        _, path = self._places(name)
        with _translated(f"archive object {name} cannot be read", when_full=StoreUnavailable):
            try:
                descriptor = self._files.open_for_reading(path)
            except FileNotFoundError as error:
                raise ArchiveMissing(f"the archive has no object {name}") from error
            try:
                return self._read_all(name, descriptor)
            finally:
                self._close(descriptor)

    def names(self, kind: str, *, after: str | None, limit: int) -> Sequence[str]:
        assert limit > 0
        self._check_open()
        with _translated("archive objects could not be listed", when_full=StoreUnavailable):
            try:
                files = self._files.list_files(f"{self._root}/{kind}")
            except FileNotFoundError:
                # None of that kind was ever written.
                return []
        first = after or ""
        return sorted(name for name in files if name > first and _NAME.fullmatch(f"{kind}/{name}"))[:limit]

    def delete(self, name: str) -> None:
        directory, path = self._places(name)
        with _translated(f"archive object {name} may not be deleted", when_full=StoreUnavailable):
            try:
                with suppress(FileNotFoundError):
                    self._files.remove(path)
                # Even if nothing was there: an earlier delete may have failed here.
                self._files.sync_directory(directory)
            except FileNotFoundError:
                # Nor is the directory.
                return

    def close(self) -> None:
        self._closed = True

    # --- writing

    def _prepare(self, directory: str) -> None:
        """See to it that a directory is there and stays, and that nothing is in it of writes that a crash ended."""
        with self._lock:
            if directory in self._prepared:
                return
            for path, parent in ((self._root, self._parent), (directory, self._root)):
                with suppress(FileExistsError):
                    self._files.make_directory(path)
                # Even if it was there: whoever made it may have been killed before this.
                self._files.sync_directory(parent)
            for name in self._files.list_files(directory):
                if _PART.fullmatch(name):
                    self._files.remove(f"{directory}/{name}")
            self._prepared.add(directory)

    @contextmanager
    def _part_of(self, directory: str, path: str) -> Iterator[str]:
        """Lend a name to gather an object's bytes under, which no other write has; nothing has it in the end."""
        stem = f"{directory}/.{path.rpartition('/')[2]}"
        with self._lock:
            names = (f"{stem}.{number}.part" for number in count())
            part = next(name for name in names if name not in self._parts)
            self._parts.add(part)
        try:
            yield part
        except BaseException:
            # What cannot be removed stays: it is no object, whatever is in it.
            with suppress(OSError):
                self._files.remove(part)
            raise
        finally:
            with self._lock:
                self._parts.discard(part)

    def _write_part(self, part: str, content: bytes) -> None:
        descriptor = self._create(part)
        try:
            write_all(self._files, descriptor, [content])
            self._files.sync(descriptor)
        finally:
            self._close(descriptor)

    def _create(self, part: str) -> int:
        try:
            return self._files.create_named(part)
        except FileExistsError:
            # One that could not be removed.
            self._files.remove(part)
            return self._files.create_named(part)

    # --- reading

    def _read_all(self, name: str, descriptor: int) -> bytes:
        try:
            size = self._files.size(descriptor)
            if size > OBJECT_BYTES_MAX:
                raise ArchiveDamaged(
                    f"archive object {name} has {size} bytes, and none has more than {OBJECT_BYTES_MAX}"
                )
            pieces, have = [], 0
            while have < size and (piece := self._files.read_at(descriptor, size - have, have)):
                pieces.append(piece)
                have += len(piece)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            # It would seldom come back by waiting.
            raise ArchiveDamaged(f"archive object {name} cannot be read: {error}") from error
        if have != size:
            raise ArchiveDamaged(f"archive object {name} ends after {have} of its {size} bytes")
        return b"".join(pieces)

    def _close(self, descriptor: int) -> None:
        # Whatever had to be durable was synced before, and the descriptor is gone either way.
        with suppress(OSError):
            self._files.close(descriptor)

    # --- names

    def _places(self, name: str) -> tuple[str, str]:
        """Return the directory and the path of an object."""
        self._check_open()
        assert _NAME.fullmatch(name) is not None
        kind, _, _ = name.partition("/")
        return f"{self._root}/{kind}", f"{self._root}/{name}"

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the archive is closed")


@contextmanager
def _translated(what: str, *, when_full: type[StoreUnavailable]) -> Iterator[None]:
    """Turn the file system's failures into the contract's."""
    try:
        yield
    except OSError as error:
        kind = when_full if error.errno in _FULL else StoreUnavailable
        raise kind(f"{what}: {error}") from error
