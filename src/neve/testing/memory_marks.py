"""Marks in a dictionary, held to the same contract suite as those on disk."""

from collections.abc import Collection, Mapping

from neve.domain.blocks import ChunkId
from neve.errors import StoreUnavailable
from neve.stores.marks.contract import Mark


class MemoryMarkStore:
    """`stores.marks.contract.MarkStore`, but for its promise about memory."""

    def __init__(self) -> None:
        self._marks: dict[ChunkId, Mark] | None = {}

    def marks(self, chunk_ids: Collection[ChunkId]) -> Mapping[ChunkId, Mark]:
        usable = self._usable()
        return {chunk_id: usable[chunk_id] for chunk_id in chunk_ids if chunk_id in usable}

    def put(self, marks: Mapping[ChunkId, Mark]) -> None:
        self._usable().update(marks)

    def close(self) -> None:
        self._marks = None

    def _usable(self) -> dict[ChunkId, Mark]:
        if self._marks is None:
            raise StoreUnavailable("the marks were thrown away")
        return self._marks
