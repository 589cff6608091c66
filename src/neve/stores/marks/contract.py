"""The contract every mark store keeps: which label each of very many chunks bears.

A store at its design size has a hundred million chunks; their ids alone are three gigabytes. Whoever goes through
block maps and must know what was seen before keeps that here, in bounded memory, and throws it away in the end.

Promises (checked against every implementation by `neve.testing.marks_contract`)
    private        nobody else sees a mark; it begins empty, and what it had is gone once it is closed, by a kill too.
    bounded        memory does not grow with the number of marks.
    one thread     at a time. Nothing here is durable.
    closed-mouthed every failure of a driver comes out as StoreError.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from neve.domain.blocks import ChunkId


@dataclass(frozen=True, slots=True)
class Mark:
    """What is written on a chunk. What a label means is its user's affair."""

    label: int
    stored_bytes: int


class MarkStore(Protocol):
    """Marks by chunk id."""

    def marks(self, chunk_ids: Collection[ChunkId]) -> Mapping[ChunkId, Mark]:
        """Return the marks of those of the chunks that have one.

        Raises:
            StoreUnavailable: they cannot be read this time.
        """
        ...

    def put(self, marks: Mapping[ChunkId, Mark]) -> None:
        """Put these marks in place of those that are there.

        Raises:
            StoreFull: there is no room for them.
            StoreUnavailable
        """
        ...

    def close(self) -> None:
        """Forget everything. Repeating it changes nothing; every later call is StoreUnavailable."""
        ...


OpenMarks = Callable[[], MarkStore]
"""Makes an empty mark store."""
