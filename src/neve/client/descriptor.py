"""An open file that many threads read and write at their own offsets, and that closes at a safe moment.

A stopped transfer leaves workers behind that are still waiting for the network. One that wakes up after the
file was closed must not write: the kernel may have given the same number to another file by then. So a
descriptor counts who is in the middle of using it, and is closed by the last of them.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class DescriptorClosed(Exception):
    """Used after close(): the transfer is over."""


_NO_FD = -1


class Descriptor:
    """One file descriptor. Every method is safe from any thread."""

    def __init__(self, fd: int) -> None:
        """Take over `fd`: it is closed by `close`."""
        self._fd = fd
        self._lock = threading.Lock()
        self._users = 0
        self._closing = False

    @contextmanager
    def held(self) -> Iterator[int]:
        """Give out the number for the time of the block.

        Raises:
            DescriptorClosed
        """
        with self._lock:
            if self._closing:
                raise DescriptorClosed
            self._users += 1
        try:
            yield self._fd
        finally:
            with self._lock:
                self._users -= 1
                self._close_if_idle()

    def close(self) -> None:
        """Let nobody use it from now on. Repeating does nothing."""
        with self._lock:
            if not self._closing:
                self._closing = True
                self._close_if_idle()

    def _close_if_idle(self) -> None:
        if self._closing and self._users == 0 and self._fd != _NO_FD:
            os.close(self._fd)

    def read_at(self, offset: int, size_bytes: int) -> bytes:
        """Return up to `size_bytes`; fewer only at the end of the file.

        Raises:
            OSError, DescriptorClosed
        """
        with self.held() as fd:
            data = os.pread(fd, size_bytes, offset)
            if len(data) in {0, size_bytes}:
                return data
            parts = [data]
            missing = size_bytes - len(data)
            while missing and (part := os.pread(fd, missing, offset + size_bytes - missing)):
                parts.append(part)
                missing -= len(part)
            return b"".join(parts)

    def write_at(self, offset: int, data: bytes) -> None:
        """Write all of `data`.

        Raises:
            OSError, DescriptorClosed
        """
        with self.held() as fd:
            written = os.pwrite(fd, data, offset)
            while written < len(data):
                written += os.pwrite(fd, memoryview(data)[written:], offset + written)

    def sync(self) -> None:
        """Return once everything written is on the disk.

        Raises:
            OSError: the data may be lost; calling again proves nothing (the kernel forgets the error).
        """
        with self.held() as fd:
            os.fsync(fd)


CLOSED = Descriptor(_NO_FD)
"""What a file that is not open yet has: using it is refused, closing it does nothing."""
CLOSED.close()
