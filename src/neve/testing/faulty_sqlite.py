"""A file system for SQLite that fails where it is told to, and remembers what reached it.

    faults = FaultySqlite("a name")          pass the name as `vfs` to a store
    faults.fail(at=7, error=apsw.IOError)    the 7th operation from now raises, or all from the 7th on
    faults.operations                        everything since the beginning, for `PowerCut` to cut short

A kill leaves the page cache as it was, so it says little about durability; a power cut does not. `PowerCut` makes
files again as a power cut at some moment may have left them: of what a file had at its last sync everything, of
what came later nothing, everything, or any part, the last write of a page torn at a sector. A name that was made
is there only if its directory was synced since.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Final

import apsw

SECTOR_BYTES: Final = 512
SHARED_MEMORY_SUFFIX: Final = "-shm"
"""Ends the name of the file that is nothing but memory: no power cut leaves it behind."""


class Act(Enum):
    """What may happen to a file or, for the last, to a directory."""

    OPEN = "open"
    READ = "read"
    WRITE = "write"
    TRUNCATE = "truncate"
    SYNC = "sync"
    DELETE = "delete"
    SYNC_DIRECTORY = "sync directory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call that reached the file system."""

    act: Act
    path: str
    offset: int = 0
    """Where it writes, or the size it truncates to."""
    content: bytes = field(default=b"", repr=False)


class FaultySqlite(apsw.VFS):
    """The platform's file system with a plan of faults. Keep it for as long as SQLite may use it."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "")
        self.name = name
        self.operations: list[Operation] = []
        self._fail_from: int | None = None
        self._error: type[apsw.Error] = apsw.IOError
        self._is_lasting = False
        self._failed = 0

    def fail(self, *, at: int, error: type[apsw.Error], is_lasting: bool = False) -> None:
        """Raise `error` from the operation `at` (1 is the next), or from every one from there on."""
        self._fail_from = len(self.operations) + at
        self._failed = 0
        self._error = error
        self._is_lasting = is_lasting

    def heal(self) -> int:
        """Let everything succeed from now on; return how many operations have failed since `fail`."""
        self._fail_from = None
        return self._failed

    def note(self, operation: Operation) -> None:
        """Remember an operation, and fail it if that is the plan."""
        self.operations.append(operation)
        if self._fail_from is None:
            return
        count = len(self.operations)
        if count == self._fail_from or (self._is_lasting and count > self._fail_from):
            self._failed += 1
            raise self._error("planted")

    def xOpen(self, name: Any, flags: list[int]) -> "FaultyFile":
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        self.note(Operation(act=Act.OPEN, path=path))
        return FaultyFile(self, name, flags, path)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self.note(Operation(act=Act.DELETE, path=filename))
        super().xDelete(filename, syncdir)


class FaultyFile(apsw.VFSFile):
    """One open file of a `FaultySqlite`."""

    def __init__(self, faults: FaultySqlite, name: Any, flags: list[int], path: str) -> None:
        super().__init__("", name, flags)
        self._faults = faults
        self._path = path

    def xRead(self, amount: int, offset: int) -> bytes:
        self._faults.note(Operation(act=Act.READ, path=self._path))
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._faults.note(Operation(act=Act.WRITE, path=self._path, offset=offset, content=bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        self._faults.note(Operation(act=Act.TRUNCATE, path=self._path, offset=newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        self._faults.note(Operation(act=Act.SYNC, path=self._path))
        super().xSync(flags)


@dataclass(slots=True)
class _File:
    """A file as the disk has it, and what is still on its way there."""

    content: bytearray = field(default_factory=bytearray)
    later: list[Operation] = field(default_factory=list)
    has_name: bool = False
    """True once its directory was synced with the name in it."""


class PowerCut:
    """Files as a power cut after some of the operations may have left them."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._files: dict[str, _File] = {}
        for operation in operations:
            self._take(operation)

    def _take(self, operation: Operation) -> None:
        if operation.act is Act.SYNC_DIRECTORY:
            for file in self._files.values():
                file.has_name = True
            return
        if operation.path.endswith(SHARED_MEMORY_SUFFIX) or operation.act in {Act.OPEN, Act.READ}:
            return
        if operation.act is Act.DELETE:
            self._files.pop(operation.path, None)
            return
        file = self._files.setdefault(operation.path, _File())
        if operation.act is not Act.SYNC:
            file.later.append(operation)
            return
        for each in file.later:
            _apply(file.content, each, len(each.content))
        file.later.clear()
        # SQLite syncs the directory itself with the first sync of a journal or log it has made.
        file.has_name = file.has_name or operation.path.endswith(("-wal", "-journal"))

    def leave(self, folder: Path, chance: random.Random) -> None:
        """Write the files into `folder`, each with some of what was not synced."""
        for path, file in self._files.items():
            if not file.has_name:
                continue
            content = bytearray(file.content)
            share = chance.choice([0.0, 0.5, 1.0])
            for operation in file.later:
                if chance.random() < share:
                    _apply(content, operation, _torn(len(operation.content), chance))
            (folder / Path(path).name).write_bytes(content)


def _torn(size_bytes: int, chance: random.Random) -> int:
    """Return how much of a write arrives: mostly all, else a few whole sectors."""
    return size_bytes if chance.random() < 0.7 else chance.randrange(0, size_bytes + 1, SECTOR_BYTES)


def _apply(content: bytearray, operation: Operation, arriving_bytes: int) -> None:
    if operation.act is Act.TRUNCATE:
        del content[operation.offset :]
        return
    end = operation.offset + arriving_bytes
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    content[operation.offset : end] = operation.content[:arriving_bytes]
