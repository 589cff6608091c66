"""Where a volume's bytes come from: an image file or a block device.

A source says where it may hold data, so that holes of sparse files are passed over without reading them, and
gives out whole blocks; the part of the last block that lies behind the end is zeros. The size is the one
found on opening. Whoever reads a device in use reads a moving picture: taking a consistent one (a file system
freeze, an LVM snapshot) is the caller's.
"""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from neve.client.descriptor import Descriptor
from neve.client.errors import SourceUnusable


class Source(Protocol):
    """Bytes to make a snapshot of. `read_block` is safe from any thread."""

    @property
    def name(self) -> str:
        """What a person calls it."""
        ...

    @property
    def size_bytes(self) -> int:
        """How much there is; more than nothing."""
        ...

    def extents(self) -> Iterator[tuple[int, int]]:
        """Yield [start, end) in bytes, ascending and apart, of everything that may be other than zero."""
        ...

    def read_block(self, offset: int, block_bytes: int) -> bytes:
        """Return exactly `block_bytes` from `offset`, zeros behind the end.

        Raises:
            SourceUnusable
        """
        ...


class ImageSource:
    """A regular file or a block device. Close it when the transfer is over, however it ended."""

    def __init__(self, path: Path) -> None:
        """Open for reading only.

        Raises:
            SourceUnusable: it is not there, may not be read, is empty, or is neither file nor device.
        """
        self.name = path.name
        self._path = path
        try:
            # Without O_NONBLOCK, opening a named pipe would wait for somebody to write to it.
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise _unusable(path, error) from error
        self._descriptor = Descriptor(fd)
        try:
            self.size_bytes = _size_bytes(path, fd)
        except BaseException:
            self._descriptor.close()
            raise

    def close(self) -> None:
        """Let go of the file. Repeating does nothing."""
        self._descriptor.close()

    def extents(self) -> Iterator[tuple[int, int]]:
        offset = 0
        while offset < self.size_bytes:
            start, end = self._extent_from(offset)
            if start < end:
                yield start, end
            offset = end

    def _extent_from(self, offset: int) -> tuple[int, int]:
        """Return the first extent with data at or after `offset`, empty at the end if there is none."""
        size = self.size_bytes
        with self._descriptor.held() as fd:
            try:
                start = os.lseek(fd, offset, os.SEEK_DATA)
                end = os.lseek(fd, start, os.SEEK_HOLE)
            except OSError as error:
                if error.errno == errno.ENXIO:  # no data behind `offset`
                    return size, size
                # This file system cannot tell (lseek(2) allows that), so everything may be data.
                return offset, size
        return min(start, size), min(end, size)

    def read_block(self, offset: int, block_bytes: int) -> bytes:
        expected = min(block_bytes, self.size_bytes - offset)
        if expected <= 0:
            return bytes(block_bytes)
        try:
            data = self._descriptor.read_at(offset, expected)
        except OSError as error:
            raise SourceUnusable(
                f"{self._path} cannot be read at byte {offset}: {error.strerror}",
                advice="Look at the disk's health; nothing was changed on it.",
            ) from error
        if len(data) < expected:
            raise SourceUnusable(
                f"{self._path} became shorter while it was read ({self.size_bytes} bytes at the start, data "
                f"ends before {offset + expected})",
                advice="Take the snapshot of something that stands still: stop the writer, or freeze it.",
            )
        return data if expected == block_bytes else data.ljust(block_bytes, b"\0")


def _size_bytes(path: Path, fd: int) -> int:
    mode = os.fstat(fd).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
        raise SourceUnusable(
            f"{path} is neither a regular file nor a block device",
            advice="Write a stream to a file first; of a directory, make an image.",
        )
    size = os.lseek(fd, 0, os.SEEK_END)  # of a device, too: where its end is, is its size
    if size == 0:
        raise SourceUnusable(
            f"{path} is empty", advice="Is it the right file? A snapshot of nothing helps no one."
        )
    return size


def _unusable(path: Path, error: OSError) -> SourceUnusable:
    advice = {
        errno.ENOENT: "Check the path.",
        errno.EACCES: "Reading a device needs root or its group (often `disk`).",
        errno.EPERM: "Reading a device needs root or its group (often `disk`).",
    }.get(error.errno or 0, "")
    return SourceUnusable(f"{path} cannot be opened: {error.strerror}", advice=advice)
