"""The contract every segment store keeps.

A segment is an immutable file or object that holds many chunks (docs/format.md). The store sees bytes: what
they mean is `storage.segments`' business, and which segments count is the metadata store's.

    write(name, parts) -> durable -> read(name, offset, size) -> those bytes, all of them, or an error

Promises (checked against every implementation by `neve.testing.contracts`)
    durable      when write() returns, the segment outlives a kill and a power cut, under its name.
    whole        a name is either absent or has all of what was written; never a part of it.
    once         a name is written once; a second write of it is an InvariantError and changes nothing.
    exact        read() gives exactly `size` bytes or raises.
    no retries   a write that failed is given up; its name may or may not exist and is never used again.
    shared       every method may be called from any number of threads at once.
    closed-mouthed every OSError and driver error comes out as a StoreError.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from neve.stores.metadata.placement import SegmentName


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentStatistics:
    """Counts since the store was opened."""

    segments_written: int
    bytes_written: int
    reads: int
    bytes_read: int


class SegmentStore(Protocol):
    """Segments, kept. See the module's text for the promises."""

    def write(self, name: SegmentName, parts: Sequence[bytes | memoryview]) -> None:
        """Write the concatenation of `parts` under `name`.

        Raises:
            StoreFull: no room; nothing is left under the name.
            StoreUnavailable: it may or may not be there.
        """
        ...

    def read(self, name: SegmentName, offset: int, size: int) -> bytes:
        """Return `size` bytes from `offset`.

        Raises:
            SegmentMissing: no such segment. For a published one this is data loss.
            ChunkDamaged: it is shorter than that, or the medium does not give these bytes back.
            StoreUnavailable: the bytes could not be read this time.
        """
        ...

    def size(self, name: SegmentName) -> int:
        """Return a segment's size in bytes.

        Raises:
            SegmentMissing
        """
        ...

    def names(self, *, after: SegmentName | None, limit: int) -> Sequence[SegmentName]:
        """Return up to `limit` names in ascending order, the first one above `after`.

        A page shorter than `limit` is the last. An error is raised, never an empty page instead of it.
        """
        ...

    def delete(self, name: SegmentName) -> None:
        """Take a segment away, durably. An absent one is no error. Only collection calls this."""
        ...

    def check_writable(self) -> None:
        """Return if a write would be taken now.

        Raises:
            StoreFull, StoreUnavailable
        """
        ...

    def statistics(self) -> SegmentStatistics:
        """Return counts."""
        ...

    def close(self) -> None:
        """Let go of everything. Repeating it changes nothing."""
        ...
