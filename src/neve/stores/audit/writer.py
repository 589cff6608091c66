"""Writes an audit log: appends lines, syncs them, seals how far it came, begins new files. For one thread at a time.

    append ─▶ sync ─▶ seal          position: what was written         synced: what cannot be lost any more

No byte is written twice and nothing is mended in place. When a write or a sync fails, what was written since the last
sync is given up (`give_up`), whatever became of it: the log goes on in a new file, which says where the old one ends and
how much behind that is nobody's. The caller still has those records, and appends them again.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

from neve.clock import Clock
from neve.domain.audit import (
    FORMAT,
    NOTHING_YET,
    VERSION,
    Begin,
    File,
    Head,
    encoded,
    sealed_head,
    sealed_line,
    time_text,
)
from neve.stores.audit.finding import End, find_end
from neve.stores.audit.folder import AuditFolder, file_name
from neve.stores.file_operations import FileOperations, SystemFileOperations, write_all

_NO_DESCRIPTOR: Final = -1


class AuditWriter:
    """The one writer of a store's audit log. Every method raises OSError; after one, `give_up` before the next."""

    def __init__(
        self, folder: AuditFolder, end: End, *, key: bytes, store_id: str, clock: Clock, file_bytes_max: int
    ) -> None:
        """Go on where `find_end` said that the log ends; see `open`."""
        self._folder = folder
        self._key = key
        self._store_id = store_id
        self._clock = clock
        self._file_bytes_max = file_bytes_max
        self._descriptor = _NO_DESCRIPTOR
        self._made: list[int] = []
        self._names_are_durable = False
        self._must_begin = not end.clean
        self.position = self.synced = end
        self.found = end

    @classmethod
    def open(
        cls,
        store: Path,
        *,
        key: bytes,
        store_id: str,
        clock: Clock,
        file_bytes_max: int,
        files: FileOperations | None = None,
    ) -> Self:
        """Return the writer of a store's log, which is begun if there is none.

        Raises:
            OSError
        """
        folder = AuditFolder(store, files or SystemFileOperations())
        try:
            folder.numbers()
        except FileNotFoundError:
            _begin_log(folder, key=key, store_id=store_id, clock=clock)
        end = find_end(folder, key)
        return cls(folder, end, key=key, store_id=store_id, clock=clock, file_bytes_max=file_bytes_max)

    def append(self, contents: Sequence[bytes]) -> None:
        """Write records (of `encoded`) behind the others, in a new file if the last one is long enough."""
        if self._must_begin or self.position.size >= self._file_bytes_max:
            self._begin_file()
        if self._descriptor == _NO_DESCRIPTOR:
            self._descriptor = self._folder.go_on(self.position.number)
        self._write(contents)

    def sync(self) -> None:
        """Return when everything appended is on the medium."""
        if self.position == self.synced:
            return
        self._folder.files.sync(self._descriptor)
        if not self._names_are_durable:
            self._folder.sync_names()
        self._names_are_durable = True
        self._made.clear()
        self.synced = self.position

    def seal(self) -> Head:
        """Write down, durably, how far what was synced has come."""
        head = Head(
            mark=self.synced.mark,
            file=file_name(self.synced.number),
            size=self.synced.size,
            time=time_text(self._clock.now_ms()),
        )
        self._folder.write_head(sealed_head(self._key, head, self._store_id))
        return head

    def give_up(self) -> None:
        """Forget what was appended since the last sync: it was promised to nobody, and may or may not be there."""
        self._let_go()
        self.position = self.synced
        self._must_begin = True

    def free_bytes(self) -> int:
        """Return how much room there is."""
        return self._folder.free_bytes()

    def close(self) -> None:
        """Let go of the file; what was not synced may be lost."""
        self._let_go()

    def _begin_file(self) -> None:
        """Begin a new file behind `synced`, whatever else there is behind it."""
        if not self._must_begin:
            self.sync()
        while self._made:
            # Nothing in it was synced; if it stayed, its lines would be there a second time.
            self._folder.remove(self._made[-1])
            self._made.pop()
        end = self.synced
        there = self._folder.numbers()
        number = max([end.number, *there]) + 1
        left_over = 0
        if end.number in there:
            left_over = max(0, self._folder.size(end.number) - end.size)
        first = File(
            time=time_text(self._clock.now_ms()),
            format=FORMAT,
            version=VERSION,
            store_id=self._store_id,
            continues=file_name(end.number) if end.number else "",
            size=end.size,
            abandoned_bytes=left_over,
            damage=end.damage,
        )
        self._let_go()
        self._made.append(number)  # before it is: a call that fails may have had its effect
        self._descriptor = self._folder.begin(number)
        self._names_are_durable = False
        self._must_begin = False
        self.position = End(mark=end.mark, number=number, size=0)
        self._write([encoded(first)])

    def _write(self, contents: Sequence[bytes]) -> None:
        mark, size, lines = self.position.mark, self.position.size, []
        for content in contents:
            line, mark = sealed_line(self._key, mark, content)
            size += len(line)
            lines.append(line)
        write_all(self._folder.files, self._descriptor, lines)
        self.position = replace(self.position, mark=mark, size=size)

    def _let_go(self) -> None:
        descriptor, self._descriptor = self._descriptor, _NO_DESCRIPTOR
        if descriptor != _NO_DESCRIPTOR:
            with suppress(OSError):
                self._folder.files.close(descriptor)


def _begin_log(folder: AuditFolder, *, key: bytes, store_id: str, clock: Clock) -> None:
    now = time_text(clock.now_ms())
    begin = Begin(time=now, format=FORMAT, version=VERSION, store_id=store_id)
    line, mark = sealed_line(key, NOTHING_YET, encoded(begin))
    head = Head(mark=mark, file=file_name(1), size=len(line), time=now)
    folder.create(line, sealed_head(key, head, store_id))
