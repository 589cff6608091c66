"""Segments as files in a folder.

    root/ab/ab….seg     the first two digits of the name choose one of 256 directories, made beforehand

A write makes an unnamed file, syncs it, gives it its name without replacing anything, and syncs the
directory: at every instant the name is absent or has all of its bytes. Where the file system knows no
unnamed files the bytes are gathered under `ab….part` and given their name by a second link; what a crash
leaves under such a name is no segment. A failed sync is never repeated: the kernel marks the pages clean, and
the next sync would lie. What is in a segment it does not know.
"""

import errno
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from neve import limits
from neve.errors import (
    ChunkDamaged,
    InvariantError,
    SegmentMissing,
    StoreError,
    StoreFull,
    StoreUnavailable,
    StoreUnusable,
)
from neve.stores.file_operations import (
    UNNAMED_UNSUPPORTED,
    Buffer,
    FileOperations,
    SystemFileOperations,
    write_all,
)
from neve.stores.metadata.placement import SegmentName
from neve.stores.segments.contract import SegmentStatistics
from neve.stores.segments.descriptors import DescriptorCache

_FANOUT = tuple(f"{number:02x}" for number in range(256))
_NAME = re.compile(r"[0-9a-f]{32}", re.ASCII)
_FILE = re.compile(r"([0-9a-f]{32})\.seg", re.ASCII)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

OPEN_FILES_MAX = 256
"""Descriptors kept for readers: a quarter of the customary limit of a process."""
FREE_BYTES_MIN = 64 * limits.MIB
"""Less room than two of the largest batches need counts as full before it is."""


class LocalSegmentStore:
    """Segments under one directory of a local file system. See the module's text."""

    @staticmethod
    def create(root: Path, files: FileOperations | None = None) -> None:
        """Make the directories of a new store, durably.

        Raises:
            StoreUnusable: something is there already, or they cannot be made.
        """
        files = files or SystemFileOperations()
        try:
            for path in (root, *(root / part for part in _FANOUT)):
                files.make_directory(str(path))
            files.sync_directory(str(root))
            files.sync_directory(str(root.parent))
        except OSError as error:
            raise StoreUnusable(f"the segment directories cannot be made in {root}: {error}") from error

    def __init__(
        self,
        root: Path,
        files: FileOperations | None = None,
        *,
        open_files_max: int = OPEN_FILES_MAX,
        free_bytes_min: int = FREE_BYTES_MIN,
    ) -> None:
        """Open what `create` made.

        Raises:
            StoreUnusable: it is not there, or not whole.
        """
        self._root = str(root)
        self._files = files or SystemFileOperations()
        self._free_bytes_min = free_bytes_min
        self._opened = DescriptorCache(
            open_file=self._files.open_for_reading, close_file=self._close, kept_max=open_files_max
        )
        self._makes_unnamed = True
        self._lock = threading.Lock()
        self._probe_lock = threading.Lock()
        self._written = self._written_bytes = self._reads = self._read_bytes = 0
        try:
            missing = set(_FANOUT).difference(self._files.list_names(self._root))
        except OSError as error:
            raise StoreUnusable(f"the segment directory cannot be read: {error}") from error
        if missing:
            raise StoreUnusable(
                f"{self._root} lacks {len(missing)} of the {len(_FANOUT)} directories of a segment store: "
                "is the right disk mounted? Without them segments are missing; bring them back from a copy."
            )

    def write(self, name: SegmentName, parts: Sequence[Buffer]) -> None:
        with _translated(f"segment {name} was not written", when_full=StoreFull):
            size_bytes = self._put_in_place(name, parts)
        # From here on the name exists, and may or may not outlive a power cut until this returns.
        with _translated(f"segment {name} may not be durable", when_full=StoreUnavailable):
            self._files.sync_directory(self._directory(name))
        with self._lock:
            self._written += 1
            self._written_bytes += size_bytes

    def read(self, name: SegmentName, offset: int, size: int) -> bytes:
        assert offset >= 0
        assert size > 0
        self._check_name(name)
        with (
            self._translated_read(name),
            self._opened.borrow(self._path(name)) as descriptor,
            _unreadable_is_damaged(name, offset),
        ):
            data = self._files.read_at(descriptor, size, offset)
            if 0 < len(data) < size:
                data = self._read_on(descriptor, data, size, offset)
        if len(data) != size:
            raise ChunkDamaged(f"segment {name} ends before byte {offset + size}")
        with self._lock:
            self._reads += 1
            self._read_bytes += size
        return data

    def size(self, name: SegmentName) -> int:
        self._check_name(name)
        with self._translated_read(name), self._opened.borrow(self._path(name)) as descriptor:
            return self._files.size(descriptor)

    def names(self, *, after: SegmentName | None, limit: int) -> Sequence[SegmentName]:
        assert limit > 0
        first = after or ""
        found: list[SegmentName] = []
        for part in _FANOUT:
            if part < first[:2]:
                continue
            with _translated("segments could not be listed", when_full=StoreUnavailable):
                files = self._files.list_files(f"{self._root}/{part}")
            matches = (match.group(1) for match in map(_FILE.fullmatch, files) if match is not None)
            found.extend(SegmentName(n) for n in sorted(matches) if n > first and n.startswith(part))
            if len(found) >= limit:
                break
        return found[:limit]

    def delete(self, name: SegmentName) -> None:
        path = self._path(name)
        with _translated(f"segment {name} may not be deleted", when_full=StoreUnavailable):
            with suppress(FileNotFoundError):
                self._files.remove(path)
            # Even if nothing was there: an earlier delete may have failed here.
            self._files.sync_directory(self._directory(name))
        self._opened.forget(path)

    def check_writable(self) -> None:
        with _translated("a write would fail", when_full=StoreFull):
            free = self._files.free_bytes(self._root)
            if free < self._free_bytes_min:
                raise StoreFull(
                    f"{free} bytes are free in {self._root}; below {self._free_bytes_min} nothing is written"
                )
            self._probe()

    def statistics(self) -> SegmentStatistics:
        with self._lock:
            return SegmentStatistics(
                segments_written=self._written,
                bytes_written=self._written_bytes,
                reads=self._reads,
                bytes_read=self._read_bytes,
            )

    def close(self) -> None:
        self._opened.close()

    # --- writing

    def _put_in_place(self, name: SegmentName, parts: Sequence[Buffer]) -> int:
        """Bring the bytes onto the medium, then give them their name; return how many there are."""
        path = self._path(name)
        gathered = f"{self._directory(name)}/{name}.part"
        descriptor, has_name = self._create(self._directory(name), gathered)
        try:
            try:
                size_bytes = write_all(self._files, descriptor, parts)
                self._files.sync(descriptor)
                if not has_name:
                    self._files.give_name(descriptor, path)
            finally:
                self._close(descriptor)
            if has_name:
                self._files.add_name(gathered, path)
        finally:
            if has_name:
                # What cannot be removed stays as debris: it is no segment, whatever is in it.
                with suppress(OSError):
                    self._files.remove(gathered)
        return size_bytes

    def _create(self, directory: str, gathered: str) -> tuple[int, bool]:
        """Open a new file in `directory`; return its descriptor and whether it has the name `gathered`."""
        if self._makes_unnamed:
            try:
                return self._files.create_unnamed(directory), False
            except OSError as error:
                if error.errno not in UNNAMED_UNSUPPORTED:
                    raise
                self._makes_unnamed = False
        return self._files.create_named(gathered), True

    def _probe(self) -> None:
        directory = f"{self._root}/{_FANOUT[0]}"
        gathered = f"{directory}/probe.part"
        with self._probe_lock:
            with suppress(FileNotFoundError):  # a crash may have left one
                self._files.remove(gathered)
            descriptor, has_name = self._create(directory, gathered)
            try:
                write_all(self._files, descriptor, [b"probe"])
            finally:
                self._close(descriptor)
                if has_name:
                    self._files.remove(gathered)

    def _close(self, descriptor: int) -> None:
        # Whatever had to be durable was synced before, and the descriptor is gone either way.
        with suppress(OSError):
            self._files.close(descriptor)

    # --- reading

    def _read_on(self, descriptor: int, data: bytes, size: int, offset: int) -> bytes:
        """Go on after a short read until everything is there or the file ends."""
        pieces, have = [data], len(data)
        while have < size and (piece := self._files.read_at(descriptor, size - have, offset + have)):
            pieces.append(piece)
            have += len(piece)
        return b"".join(pieces)

    @contextmanager
    def _translated_read(self, name: SegmentName) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise self._missing(name) from error
        except OSError as error:
            raise StoreUnavailable(f"segment {name} cannot be read: {error}") from error

    @staticmethod
    def _check_name(name: SegmentName) -> None:
        """Return if a segment can be called so: whoever asks may have read the name from a record that was altered."""
        if _NAME.fullmatch(name) is None:
            raise SegmentMissing(f"segment {name!r} is not there: none is ever called so")

    def _missing(self, name: SegmentName) -> StoreError:
        """Tell a segment that is gone from a whole disk that is."""
        try:
            self._files.list_names(self._directory(name))
        except OSError as error:
            return StoreUnavailable(f"segment {name} cannot be read: its directory cannot be ({error})")
        return SegmentMissing(f"segment {name} is not there")

    # --- names

    def _directory(self, name: SegmentName) -> str:
        assert _NAME.fullmatch(name) is not None
        return f"{self._root}/{name[:2]}"

    def _path(self, name: SegmentName) -> str:
        return f"{self._directory(name)}/{name}.seg"


@contextmanager
def _unreadable_is_damaged(name: SegmentName, offset: int) -> Iterator[None]:
    """Call what the medium does not give back damaged.

    It would seldom come back by waiting, and as long as nobody calls it damaged, a new upload of the same content
    is taken for stored already. If it was only the way to the medium that failed, the content is stored twice.
    """
    try:
        yield
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        raise ChunkDamaged(f"segment {name} cannot be read from byte {offset} on: {error}") from error


@contextmanager
def _translated(what: str, *, when_full: type[StoreUnavailable]) -> Iterator[None]:
    """Turn the file system's failures into the contract's."""
    try:
        yield
    except FileExistsError as error:
        raise InvariantError(f"{what}: a name was used twice ({error})") from error
    except OSError as error:
        kind = when_full if error.errno in _FULL else StoreUnavailable
        raise kind(f"{what}: {error}") from error
