"""The file operations that stores in a folder are made of: one system call each, and nothing clever.

A store that goes through this object can be given another one: that fails at the n-th call, or that logs what
was written and synced so that a test can cut the power between any two of them. The real one is here.

Every method raises OSError and translates nothing: what a failure means is the store's to say. All methods
are safe from any thread.
"""

# Paths are strings because one is made for every read, and each method is one system call.
# ruff: noqa: PTH102, PTH105, PTH108, PTH110, PTH208

import errno
import os
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Protocol

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700

Buffer = bytes | memoryview

_BUFFERS_MAX = os.sysconf("SC_IOV_MAX")


class FileOperations(Protocol):
    """What a store asks of a file system."""

    def make_directory(self, path: str) -> None:
        """Create a directory, for its owner only. FileExistsError if anything is there."""
        ...

    def create_unnamed(self, directory: str) -> int:
        """Open a new file without a name on the directory's file system; return its descriptor.

        OSError with an errno of `UNNAMED_UNSUPPORTED` where there is no such thing.
        """
        ...

    def give_name(self, descriptor: int, path: str) -> None:
        """Give an unnamed file a name. FileExistsError if anything has it."""
        ...

    def create_named(self, path: str) -> int:
        """Create a file and open it for writing; return its descriptor. FileExistsError if it is there."""
        ...

    def open_for_appending(self, path: str) -> int:
        """Open a file that is there so that writes go behind its end. A symbolic link is not followed."""
        ...

    def add_name(self, path: str, new_path: str) -> None:
        """Give a file a second name. FileExistsError if anything has it."""
        ...

    def rename(self, path: str, new_path: str) -> None:
        """Move a file, replacing what has the new name."""
        ...

    def remove(self, path: str) -> None:
        """Take a name away. FileNotFoundError if there is none."""
        ...

    def open_for_reading(self, path: str) -> int:
        """Open a file; return its descriptor. A symbolic link is not followed."""
        ...

    def write(self, descriptor: int, buffers: Sequence[Buffer]) -> int:
        """Append from `buffers`, in order; return how many bytes were taken, which may be fewer."""
        ...

    def read_at(self, descriptor: int, size: int, offset: int) -> bytes:
        """Return up to `size` bytes from `offset`, fewer at the end of the file and whenever it pleases."""
        ...

    def size(self, descriptor: int) -> int:
        """Return a file's length in bytes."""
        ...

    def sync(self, descriptor: int) -> None:
        """Return when the file's bytes are on the medium. After a failure they may be lost for good."""
        ...

    def sync_directory(self, path: str) -> None:
        """Return when the names in a directory are on the medium."""
        ...

    def close(self, descriptor: int) -> None:
        """Let go of a descriptor; it is gone even if this raises."""
        ...

    def list_names(self, path: str) -> Sequence[str]:
        """Return the names of everything in a directory, in no order."""
        ...

    def list_files(self, path: str) -> Sequence[str]:
        """Return the names of the regular files in a directory, in no order."""
        ...

    def free_bytes(self, path: str) -> int:
        """Return how much room its file system has for us."""
        ...


UNNAMED_UNSUPPORTED = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL})
"""What open(O_TMPFILE) says where the file system (the first; NFS, some overlays) or the kernel (the others:
it sees O_DIRECTORY with O_WRONLY) knows no unnamed files."""


class SystemFileOperations:
    """The operating system's."""

    def make_directory(self, path: str) -> None:
        os.mkdir(path, DIRECTORY_MODE)

    def create_unnamed(self, directory: str) -> int:
        descriptor = os.open(directory, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE)
        if not os.path.exists(_proc_path(descriptor)):
            os.close(descriptor)
            raise OSError(errno.EOPNOTSUPP, "without /proc an unnamed file cannot be given a name", directory)
        return descriptor

    def give_name(self, descriptor: int, path: str) -> None:
        # Given a directory descriptor Python calls linkat(2), which follows the link to the open file; without
        # one it calls link(2), which takes the link itself and says EXDEV. The source's path is absolute, so
        # that which descriptor it is does not matter.
        os.link(_proc_path(descriptor), path, src_dir_fd=descriptor, follow_symlinks=True)

    def create_named(self, path: str) -> int:
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE)

    def open_for_appending(self, path: str) -> int:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)

    def add_name(self, path: str, new_path: str) -> None:
        os.link(path, new_path)

    def rename(self, path: str, new_path: str) -> None:
        os.replace(path, new_path)

    def remove(self, path: str) -> None:
        os.unlink(path)

    def open_for_reading(self, path: str) -> int:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)

    def write(self, descriptor: int, buffers: Sequence[Buffer]) -> int:
        return os.writev(descriptor, buffers)

    def read_at(self, descriptor: int, size: int, offset: int) -> bytes:
        return os.pread(descriptor, size, offset)

    def size(self, descriptor: int) -> int:
        return os.fstat(descriptor).st_size

    def sync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def sync_directory(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def list_names(self, path: str) -> Sequence[str]:
        return os.listdir(path)

    def list_files(self, path: str) -> Sequence[str]:
        with os.scandir(path) as entries:
            return [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]

    def free_bytes(self, path: str) -> int:
        status = os.statvfs(path)
        return status.f_bavail * status.f_frsize


def write_all(files: FileOperations, descriptor: int, parts: Sequence[Buffer]) -> int:
    """Append all of `parts`, however few bytes are taken at a time; return how many there were."""
    waiting = deque(memoryview(part).cast("B") for part in parts if len(part) > 0)
    size_bytes = sum(len(part) for part in waiting)
    while waiting:
        taken = files.write(descriptor, list(islice(waiting, _BUFFERS_MAX)))
        if taken == 0:
            raise OSError(errno.EIO, "the file system takes no bytes and gives no reason")
        while taken > 0:
            part = waiting.popleft()
            if taken < len(part):
                waiting.appendleft(part[taken:])
            taken -= min(taken, len(part))
    return size_bytes


def _proc_path(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"
