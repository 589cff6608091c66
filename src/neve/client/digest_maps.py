"""What neve remembers of a snapshot it has sent or fetched: the SHA-256 of each block, so that the next
upload on top of it finds out what changed without reading the snapshot back.

The API tells which blocks a snapshot holds, but their checksums only together with their bytes. A completed
snapshot never changes, so what was learnt of one stays true; a map is a cache and may be deleted at any time.

A file is read and written from its beginning to its end, never searched. Integers are big-endian:

    header   "neve-dm1"   u32 block size   u32 volume size in GiB   u8 length, name           32 bytes SHA-256
    page     u16 count (1 … 1024)   count times u32 index, then 32-byte digest              32 bytes SHA-256
    end      u16 0                                                                            32 bytes SHA-256

Indexes ascend over the whole file. Each SHA-256 is over the one before it and the bytes since then, so that
pages cannot be exchanged, left out or altered unnoticed: taking a wrong digest for right would mean a changed
block that is never sent. A file that breaks off is good as far as it goes.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from neve.client.plan import KnownBlock
from neve.clock import Entropy
from neve.domain.blocks import BlockIndex, Digest
from neve.limits import GIB

_MAGIC: Final = b"neve-dm1"
_PAGE_BLOCKS: Final = 1024
_DIGEST_BYTES: Final = 32
_TOTAL_BYTES_MAX: Final = 2 * GIB
"""Room for about thirty full maps of one-TiB volumes; the maps used longest ago go first."""
_SNAPSHOT_ID: Final = re.compile(r"snap-[0-9a-f]{1,59}", re.ASCII)
_SUFFIX: Final = ".digests"


class MapMissing(Exception):
    """There is no map of this snapshot that can be used."""


class MapDamaged(Exception):
    """The rest of the file is not what was written; what was read before is good."""


class DigestMaps:
    """The folder of maps of one service. A folder that cannot be used is a cache that is empty."""

    def __init__(self, folder: Path, endpoint: str, entropy: Entropy) -> None:
        """Use the part of `folder` that belongs to `endpoint`; nothing is made until something is kept."""
        self._root = folder
        self._folder = folder / hashlib.sha256(endpoint.encode()).hexdigest()[:16]
        self._entropy = entropy

    def open(self, snapshot_id: str, block_bytes: int) -> "MapReader":
        """Return a reader of the snapshot's map.

        Raises:
            MapMissing: nothing usable is known of the snapshot.
        """
        path = self._path(snapshot_id)
        try:
            file = path.open("rb")
            os.utime(path)  # used just now: the last to go when room is made
        except OSError as error:
            raise MapMissing from error
        try:
            return MapReader(file, snapshot_id, block_bytes)
        except (MapDamaged, OSError) as error:
            file.close()
            raise MapMissing from error

    def writer(self, snapshot_id: str, *, volume_gib: int, block_bytes: int) -> "MapWriter":
        """Return a writer for the snapshot's map. It never raises: a map that cannot be written is given up."""
        path = self._path(snapshot_id)
        return MapWriter(path, snapshot_id, volume_gib, block_bytes, self._entropy)

    def forget(self, snapshot_id: str) -> None:
        """Remove what is known of a snapshot. Repeating does nothing."""
        with contextlib.suppress(OSError):
            self._path(snapshot_id).unlink(missing_ok=True)

    def make_room(self, total_bytes_max: int = _TOTAL_BYTES_MAX) -> None:
        """Remove the maps used longest ago, of whatever service, until the rest fits."""
        with contextlib.suppress(OSError):
            found = [(path.stat(), path) for path in self._root.glob(f"*/*{_SUFFIX}*")]
            total = sum(status.st_size for status, _ in found)
            for status, path in sorted(found, key=lambda each: each[0].st_mtime_ns):
                if total <= total_bytes_max:
                    break
                path.unlink(missing_ok=True)
                total -= status.st_size

    def _path(self, snapshot_id: str) -> Path:
        return self._folder / (_name(snapshot_id) + _SUFFIX)


def _name(snapshot_id: str) -> str:
    """Return what a snapshot is called in the cache: its id, unless that could climb out of the folder."""
    if _SNAPSHOT_ID.fullmatch(snapshot_id):
        return snapshot_id
    return hashlib.sha256(snapshot_id.encode()).hexdigest()


class MapReader:
    """Reads one map, once, in ascending order."""

    def __init__(self, file: BinaryIO, snapshot_id: str, block_bytes: int) -> None:
        """Read the header.

        Raises:
            MapDamaged, OSError: it is no map, or the map of another snapshot or other blocks.
        """
        self._file = file
        self._seal = b""
        head = self._read(len(_MAGIC) + 9)
        name = self._read(head[-1])
        self._check(head + name)
        if head[:12] != _MAGIC + block_bytes.to_bytes(4) or name != _name(snapshot_id).encode():
            raise MapDamaged
        self.volume_gib = int.from_bytes(head[12:16])

    def blocks(self) -> Iterator[KnownBlock]:
        """Yield what is known, ascending.

        Raises:
            MapDamaged: all there is before this point was given out; nothing doubtful was.
        """
        try:
            while count := int.from_bytes(head := self._read(2)):
                if count > _PAGE_BLOCKS:
                    raise MapDamaged
                body = self._read(count * (4 + _DIGEST_BYTES))
                self._check(head + body)
                digests = 4 * count
                for number in range(count):
                    place = digests + number * _DIGEST_BYTES
                    yield KnownBlock(
                        BlockIndex(int.from_bytes(body[4 * number : 4 * number + 4])),
                        Digest(body[place : place + _DIGEST_BYTES]),
                    )
            self._check(head)
        except OSError:
            raise MapDamaged from None

    def close(self) -> None:
        """Let go of the file. Repeating does nothing."""
        self._file.close()

    def _read(self, size_bytes: int) -> bytes:
        data = self._file.read(size_bytes)
        if len(data) < size_bytes:
            raise MapDamaged
        return data

    def _check(self, data: bytes) -> None:
        self._seal = hashlib.sha256(self._seal + data).digest()
        if self._read(_DIGEST_BYTES) != self._seal:
            raise MapDamaged


class MapWriter:
    """Writes one map beside its place, and puts it there at `commit`. Leaving the block without it removes it."""

    def __init__(
        self, path: Path, snapshot_id: str, volume_gib: int, block_bytes: int, entropy: Entropy
    ) -> None:
        self._path = path
        self._partial = path.with_name(f"{path.name}.{entropy.take(4).hex()}")
        self._seal = b""
        self._indexes = bytearray()
        self._digests = bytearray()
        self._file: BinaryIO | None = None
        name = _name(snapshot_id).encode()
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = self._partial.open("xb")
        self._write(_MAGIC + block_bytes.to_bytes(4) + volume_gib.to_bytes(4) + len(name).to_bytes(1) + name)

    def add(self, index: BlockIndex, digest: Digest) -> None:
        """Note the content of a block; the caller goes in ascending order."""
        self._indexes += index.to_bytes(4)
        self._digests += digest
        if len(self._indexes) == 4 * _PAGE_BLOCKS:
            self._end_page()

    def commit(self) -> bool:
        """Put the map in its place; return whether that succeeded."""
        self._end_page()
        self._write((0).to_bytes(2))
        if self._file is None:
            return False
        try:
            self._file.close()
            self._partial.replace(self._path)
        except OSError:
            self.discard()
            return False
        self._file = None
        return True

    def discard(self) -> None:
        """Give the map up. Repeating does nothing."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            with contextlib.suppress(OSError):
                self._partial.unlink(missing_ok=True)
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()

    def _end_page(self) -> None:
        if self._indexes:
            self._write((len(self._indexes) // 4).to_bytes(2) + self._indexes + self._digests)
            self._indexes.clear()
            self._digests.clear()

    def _write(self, data: bytes) -> None:
        self._seal = hashlib.sha256(self._seal + data).digest()
        if self._file is not None:
            try:
                self._file.write(data + self._seal)
            except OSError:
                self.discard()
