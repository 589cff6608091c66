"""The folder of an audit log: its files by number, and its head. What their bytes mean it does not know.

    DIR/audit/000001.jsonl  000002.jsonl …      lines are appended to the last; no byte is ever written twice
    DIR/audit/head                              replaced as a whole

The folder appears whole: it is made under another name, with a first file and a head in it, and then renamed.
Every method raises OSError, as the file operations do that it is made of.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from neve.limits import KIB
from neve.stores.file_operations import FileOperations, write_all

NAME: Final = "audit"
"""In the store's directory."""
_UNFINISHED: Final = "audit.part"
_HEAD: Final = "head"
_HEAD_PART: Final = "head.part"
_HEAD_BYTES_MAX: Final = 4 * KIB
_FILE: Final = re.compile(r"([0-9]{6,12})\.jsonl", re.ASCII)
_PIECE_BYTES: Final = 256 * KIB


def file_name(number: int) -> str:
    """Return what the file of this number is called."""
    return f"{number:06d}.jsonl"


class AuditFolder:
    """Files and head under one directory. For one writer; readers may come at any time."""

    def __init__(self, store: Path, files: FileOperations) -> None:
        self._store = store
        self._path = store / NAME
        self.files = files

    def __str__(self) -> str:
        return str(self._path)

    def create(self, first_file: bytes, head: bytes) -> None:
        """Make the folder, durably, with its first file and its head. FileExistsError if it is there."""
        part = self._store / _UNFINISHED
        with suppress(FileExistsError):
            self.files.make_directory(str(part))
        for name in self.files.list_names(str(part)):
            self.files.remove(str(part / name))
        for name, content in ((file_name(1), first_file), (_HEAD, head)):
            self._write(part / name, content)
        self.files.sync_directory(str(part))
        self.files.rename(str(part), str(self._path))
        self.files.sync_directory(str(self._store))

    def numbers(self) -> Sequence[int]:
        """Return the numbers of the files, ascending. FileNotFoundError if there is no folder."""
        names = self.files.list_names(str(self._path))
        return sorted(int(match[1]) for name in names if (match := _FILE.fullmatch(name)))

    def size(self, number: int) -> int:
        """Return how long a file is."""
        descriptor = self.files.open_for_reading(self._file(number))
        try:
            return self.files.size(descriptor)
        finally:
            self.files.close(descriptor)

    def lines(
        self, number: int, *, start: int = 0, end: int | None = None, line_bytes_max: int
    ) -> Iterator[bytes]:
        """Yield the lines of a file from one offset to another, their ends included.

        What has no end is the last; a line too long to be one comes in pieces that have none.
        """
        descriptor = self.files.open_for_reading(self._file(number))
        try:
            waiting = b""
            while piece := self.files.read_at(descriptor, _wanted(start, end), start):
                start += len(piece)
                *whole, waiting = (waiting + piece).split(b"\n")
                yield from (line + b"\n" for line in whole)
                if len(waiting) > line_bytes_max:
                    yield waiting
                    waiting = b""
            if waiting:
                yield waiting
        finally:
            self.files.close(descriptor)

    # --- writing

    def begin(self, number: int) -> int:
        """Make a file that is not there, and return its descriptor. Its name is durable after `sync_names`."""
        return self.files.create_named(self._file(number))

    def go_on(self, number: int) -> int:
        """Return a descriptor to append to a file that is there."""
        return self.files.open_for_appending(self._file(number))

    def remove(self, number: int) -> None:
        """Take away a file in which nothing was promised. One that is not there is no error."""
        with suppress(FileNotFoundError):
            self.files.remove(self._file(number))

    def sync_names(self) -> None:
        """Return when the names of the files are on the medium."""
        self.files.sync_directory(str(self._path))

    def free_bytes(self) -> int:
        """Return how much room there is."""
        return self.files.free_bytes(str(self._path))

    # --- the head

    def read_head(self) -> bytes:
        """Return the head's content; nothing if there is none."""
        try:
            descriptor = self.files.open_for_reading(str(self._path / _HEAD))
        except FileNotFoundError:
            return b""
        try:
            return self.files.read_at(descriptor, _HEAD_BYTES_MAX, 0)
        finally:
            self.files.close(descriptor)

    def write_head(self, content: bytes) -> None:
        """Replace the head, durably: there is the old one or the new one at every instant."""
        part = self._path / _HEAD_PART
        with suppress(FileNotFoundError):
            self.files.remove(str(part))
        self._write(part, content)
        self.files.rename(str(part), str(self._path / _HEAD))
        self.sync_names()

    def _file(self, number: int) -> str:
        return str(self._path / file_name(number))

    def _write(self, path: Path, content: bytes) -> None:
        descriptor = self.files.create_named(str(path))
        try:
            write_all(self.files, descriptor, [content])
            self.files.sync(descriptor)
        finally:
            self.files.close(descriptor)


def _wanted(start: int, end: int | None) -> int:
    return _PIECE_BYTES if end is None else max(0, min(_PIECE_BYTES, end - start))
