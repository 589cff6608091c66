"""Where a volume's bytes go: a new sparse file, a block device, or a stream.

    file     written under another name beside, synced, then given its name: what has the name is whole
    device   written in place; what the snapshot does not hold is zeroed; it must not be in use
    stream   in index order, every hole as zeros

`in_order` says whether blocks must come in ascending order, from one thread; otherwise `write` may be called
from any thread, in any order.
"""

import errno
import fcntl
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from neve.client.descriptor import CLOSED, Descriptor
from neve.client.errors import TargetUnusable
from neve.clock import Entropy
from neve.limits import MIB

_BLKZEROOUT: Final = 0x127F
"""_IO(0x12, 127) of <linux/fs.h>: write zeros to a byte range of a device, by the device itself if it can."""
_ZEROS_BYTES: Final = 16 * MIB
"""Zeros written with one call: large enough to be quick, small enough that Ctrl-C is heard."""


class Target(Protocol):
    """Takes one volume: `prepare`, any number of `write` and `zero`, then `commit` or `discard`.

    Making a target touches nothing, so that whoever prepares it can be sure to `discard` it, whatever happens
    and whenever: after a failed or interrupted `prepare` or `commit`, too.
    """

    in_order: bool
    capacity_bytes: int
    """Where it ends, once prepared; nothing but zeros can be written behind that."""

    def prepare(self) -> None:
        """Open it.

        Raises:
            TargetUnusable
        """
        ...

    def write(self, offset: int, data: bytes) -> None:
        """Put `data` at `offset`.

        Raises:
            TargetUnusable
        """
        ...

    def zero(self, start: int, end: int) -> None:
        """Make [start, end) read as zeros.

        Raises:
            TargetUnusable
        """
        ...

    def commit(self) -> None:
        """Return once the whole volume is where it belongs and durable (a stream: handed over).

        Raises:
            TargetUnusable
        """
        ...

    def discard(self) -> None:
        """Leave nothing that looks whole. Repeating does nothing."""
        ...


class FileTarget:
    """A sparse file of the volume's size. Until `commit` it has another name; an interrupted one is removed."""

    in_order = False

    def __init__(self, path: Path, volume_bytes: int, *, replace: bool, entropy: Entropy) -> None:
        """With `replace`, a file that has the name gives it up at `commit`; without, it keeps it."""
        self.capacity_bytes = volume_bytes
        self._path = Path(os.path.realpath(path))  # a link stays a link: its target is replaced
        self._replace = replace
        self._descriptor = CLOSED
        self._partial = self._path.with_name(f".{self._path.name[:50]}.{entropy.take(8).hex()}.partial")

    def prepare(self) -> None:
        mode = 0o666
        with _reported(self._path):
            if os.path.lexists(self._path):
                if not self._replace:
                    raise _taken(self._path)
                mode = stat.S_IMODE(self._path.stat().st_mode)
            fd = os.open(self._partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            self._descriptor = Descriptor(fd)
            with self._descriptor.held() as held:
                os.ftruncate(held, self.capacity_bytes)

    def write(self, offset: int, data: bytes) -> None:
        with _reported(self._path):
            self._descriptor.write_at(offset, data)

    def zero(self, start: int, end: int) -> None:
        """Do nothing: each block is written once at most, and what was not written is a hole."""

    def commit(self) -> None:
        with _reported(self._path):
            self._descriptor.sync()
            if self._replace:
                self._partial.replace(self._path)
            else:
                self._take_free_name()
            _sync_directory(self._path.parent)
        self._descriptor.close()

    def _take_free_name(self) -> None:
        """Give the file its name unless something has taken it meanwhile."""
        try:
            os.link(self._partial, self._path)  # unlike rename, link replaces nothing
        except FileExistsError:
            raise _taken(self._path) from None
        except OSError:  # a file system without hard links: the best there is
            if os.path.lexists(self._path):
                raise _taken(self._path) from None
            self._partial.rename(self._path)
        else:
            self._partial.unlink()

    def discard(self) -> None:
        self._descriptor.close()
        with suppress(OSError):  # its name says what it is, and the error on its way is the one that matters
            self._partial.unlink(missing_ok=True)


class DeviceTarget:
    """A block device. What lies behind the volume's end is left alone.

    Volumes are whole GiB and devices are not: a device smaller than the volume takes it if nothing but zeros
    lies behind the device's end, so that what was uploaded from a device goes back to one of its size.
    """

    in_order = False

    def __init__(self, path: Path) -> None:
        self.capacity_bytes = 0
        self._path = path
        self._zeroes_itself = True
        self._descriptor = CLOSED

    def prepare(self) -> None:
        """Open the device for us alone.

        Raises:
            TargetUnusable: it is in use (mounted, part of an array), or may not be written.
        """
        with _reported(self._path):
            # O_EXCL without O_CREAT: the kernel refuses a device that a file system or an array is using.
            self._descriptor = Descriptor(os.open(self._path, os.O_RDWR | os.O_EXCL | os.O_CLOEXEC))
            with self._descriptor.held() as fd:
                self.capacity_bytes = os.lseek(fd, 0, os.SEEK_END)

    def write(self, offset: int, data: bytes) -> None:
        room = max(0, self.capacity_bytes - offset)
        if any(data[room:]):
            raise TargetUnusable(
                f"{self._path} has {self.capacity_bytes} bytes, and the volume has data behind that",
                advice="Choose a larger device, or download to a file.",
            )
        with _reported(self._path):
            self._descriptor.write_at(offset, data[:room])

    def zero(self, start: int, end: int) -> None:
        end = min(end, self.capacity_bytes)
        with _reported(self._path):
            for offset in range(start, end, _ZEROS_BYTES):
                self._zero_piece(offset, min(_ZEROS_BYTES, end - offset))

    def _zero_piece(self, offset: int, size_bytes: int) -> None:
        if self._zeroes_itself:
            try:
                with self._descriptor.held() as fd:
                    fcntl.ioctl(fd, _BLKZEROOUT, struct.pack("QQ", offset, size_bytes))
            except OSError:
                self._zeroes_itself = False
            else:
                return
        self._descriptor.write_at(offset, bytes(size_bytes))

    def commit(self) -> None:
        with _reported(self._path):
            self._descriptor.sync()
        self._descriptor.close()

    def discard(self) -> None:
        """Let go of the device: what it holds now is neither the old content nor the volume."""
        self._descriptor.close()


class StreamTarget:
    """A pipe or standard output."""

    in_order = True

    def __init__(self, stream: BinaryIO, volume_bytes: int) -> None:
        """Write to `stream`, which stays its owner's to close."""
        self.capacity_bytes = volume_bytes
        self._stream = stream

    def prepare(self) -> None:
        """Do nothing: it is open."""

    def write(self, offset: int, data: bytes) -> None:  # noqa: ARG002 - in order: the offset is where we are
        with _reported(Path("-")):
            self._stream.write(data)

    def zero(self, start: int, end: int) -> None:
        zeros = bytes(min(MIB, end - start))
        with _reported(Path("-")):
            for offset in range(start, end, MIB):
                self._stream.write(zeros[: end - offset])

    def commit(self) -> None:
        with _reported(Path("-")):
            self._stream.flush()

    def discard(self) -> None:
        """Do nothing: the reader sees the stream end early, and our exit status."""


def target_at(path: Path, volume_bytes: int, *, force: bool, entropy: Entropy) -> Target:
    """Return the target for a path: a device if it is one, else a new file.

    Raises:
        TargetUnusable
    """
    check_target(path, force=force)
    if path.is_block_device():
        return DeviceTarget(path)
    return FileTarget(path, volume_bytes, replace=force, entropy=entropy)


def check_target(path: Path, *, force: bool) -> None:
    """Refuse at once what would be refused after the service has been asked.

    Raises:
        TargetUnusable
    """
    if path.is_block_device():
        if not force:
            raise TargetUnusable(
                f"{path} is a device: everything on it would be overwritten",
                advice="Give --force if that is what you want.",
            )
    elif path.is_dir() or (path.exists() and not path.is_file()):
        raise TargetUnusable(
            f"{path} is neither a regular file nor a block device",
            advice="Use - to write to standard output.",
        )
    elif not force and os.path.lexists(path):
        raise _taken(path)


def _taken(path: Path) -> TargetUnusable:
    return TargetUnusable(f"{path} exists", advice="Choose another name, or give --force to replace it.")


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    """Turn what the system refuses into our error, with what to do."""
    try:
        yield
    except BrokenPipeError as error:
        raise TargetUnusable("whoever read our output closed it before the end") from error
    except OSError as error:
        advice = {
            errno.EBUSY: "It is in use: unmount it, or take it out of its array or volume group.",
            errno.ENOSPC: "Make room, or choose another place.",
            errno.EACCES: "Writing there needs more rights.",
            errno.EPERM: "Writing there needs more rights.",
            errno.ENOENT: "The folder must exist.",
            errno.EFBIG: "This file system does not take files that large.",
        }.get(error.errno or 0, "")
        raise TargetUnusable(f"{path} cannot be written: {error.strerror or error}", advice=advice) from error
