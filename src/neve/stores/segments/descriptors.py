"""Open files, kept for the next reader: a bounded cache, least recently used out first.

A descriptor that somebody reads from is never closed under them: one that must leave the cache meanwhile is
closed by its last reader. The lock is held for look-ups only, never across a system call.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from neve.errors import StoreUnavailable


@dataclass(slots=True)
class _Opened:
    descriptor: int
    readers: int = 1
    cached: bool = True


class DescriptorCache:
    """Descriptors by path. Safe from any thread."""

    def __init__(
        self, *, open_file: Callable[[str], int], close_file: Callable[[int], None], kept_max: int
    ) -> None:
        """Keep at most `kept_max` open, besides those being read from right now."""
        assert kept_max > 0
        self._open_file, self._close_file = open_file, close_file
        self._kept_max = kept_max
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Opened] = OrderedDict()
        self._forgotten_count = 0
        self._closed = False

    @contextmanager
    def borrow(self, path: str) -> Iterator[int]:
        """Lend a descriptor of `path` for reading at offsets.

        Raises:
            StoreUnavailable: the cache is closed.
            whatever `open_file` raises.
        """
        opened = self._take(path)
        try:
            yield opened.descriptor
        finally:
            self._give_back(opened)

    def forget(self, path: str) -> None:
        """See to it that whoever borrows `path` from now on opens it anew."""
        with self._lock:
            # Somebody may have opened the file and not yet have filed it: see _file().
            self._forgotten_count += 1
            dropped = self._drop([path] if path in self._kept else [])
        self._close_all(dropped)

    def close(self) -> None:
        """Close what nobody reads from; the rest closes as it comes back. Repeating it changes nothing."""
        with self._lock:
            self._closed = True
            dropped = self._drop(list(self._kept))
        self._close_all(dropped)

    def kept_count(self) -> int:
        """Return how many descriptors are kept for the next reader."""
        with self._lock:
            return len(self._kept)

    def _take(self, path: str) -> _Opened:
        with self._lock:
            if self._closed:
                raise StoreUnavailable("the segment store is closed")
            if (opened := self._kept.get(path)) is not None:
                self._kept.move_to_end(path)
                opened.readers += 1
                return opened
            forgotten_before = self._forgotten_count
        opened = _Opened(self._open_file(path))
        with self._lock:
            dropped = self._file(path, opened, forgotten_before)
        self._close_all(dropped)
        return opened

    def _file(self, path: str, opened: _Opened, forgotten_before: int) -> list[int]:
        """Keep what was just opened, unless it may be out of date or is there twice; return what to close."""
        if self._closed or path in self._kept or forgotten_before != self._forgotten_count:
            opened.cached = False
            return []
        self._kept[path] = opened
        return self._drop([next(iter(self._kept))] if len(self._kept) > self._kept_max else [])

    def _drop(self, paths: list[str]) -> list[int]:
        """Take `paths` out of the cache; return the descriptors that nobody reads from, to be closed."""
        idle = []
        for path in paths:
            opened = self._kept.pop(path)
            opened.cached = False
            if opened.readers == 0:
                idle.append(opened.descriptor)
        return idle

    def _give_back(self, opened: _Opened) -> None:
        with self._lock:
            opened.readers -= 1
            is_last = opened.readers == 0 and not opened.cached
        if is_last:
            self._close_file(opened.descriptor)

    def _close_all(self, descriptors: list[int]) -> None:
        for descriptor in descriptors:
            self._close_file(descriptor)
