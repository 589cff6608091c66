"""Segments in a dictionary: for tests, and held to the same contract as the ones on disks."""

import threading
from collections.abc import Sequence

from neve.errors import ChunkDamaged, InvariantError, SegmentMissing, StoreUnavailable
from neve.stores.metadata.placement import SegmentName
from neve.stores.segments.contract import SegmentStatistics


class MemorySegmentStore:
    """A `SegmentStore` that keeps its promises for as long as the process lives."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._segments: dict[SegmentName, bytes] = {}
        self._written = self._written_bytes = self._reads = self._read_bytes = 0
        self._closed = False

    def write(self, name: SegmentName, parts: Sequence[bytes | memoryview]) -> None:
        data = b"".join(parts)
        with self._lock:
            self._check_open()
            if name in self._segments:
                raise InvariantError(f"segment {name} was written before")
            self._segments[name] = data
            self._written += 1
            self._written_bytes += len(data)

    def read(self, name: SegmentName, offset: int, size: int) -> bytes:
        assert offset >= 0
        assert size > 0
        with self._lock:
            data = self._find(name)[offset : offset + size]
            if len(data) != size:
                raise ChunkDamaged(f"segment {name} ends before byte {offset + size}")
            self._reads += 1
            self._read_bytes += size
        return data

    def size(self, name: SegmentName) -> int:
        with self._lock:
            return len(self._find(name))

    def names(self, *, after: SegmentName | None, limit: int) -> Sequence[SegmentName]:
        assert limit > 0
        with self._lock:
            self._check_open()
            return sorted(name for name in self._segments if after is None or name > after)[:limit]

    def delete(self, name: SegmentName) -> None:
        with self._lock:
            self._check_open()
            self._segments.pop(name, None)

    def check_writable(self) -> None:
        with self._lock:
            self._check_open()

    def statistics(self) -> SegmentStatistics:
        with self._lock:
            return SegmentStatistics(
                segments_written=self._written,
                bytes_written=self._written_bytes,
                reads=self._reads,
                bytes_read=self._read_bytes,
            )

    def close(self) -> None:
        with self._lock:
            self._closed = True

    def damage(self, name: SegmentName, offset: int, replacement: bytes) -> None:
        """For tests: change bytes in place, as a bad disk would."""
        with self._lock:
            data = self._find(name)
            assert offset + len(replacement) <= len(data)
            self._segments[name] = data[:offset] + replacement + data[offset + len(replacement) :]

    def _find(self, name: SegmentName) -> bytes:
        self._check_open()
        if name not in self._segments:
            raise SegmentMissing(f"segment {name} is not there")
        return self._segments[name]

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the segment store is closed")
