"""The service without sockets (neve.testing.world), over in-memory stores held to the contracts or over a folder."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from neve.limits import TINY, Limits
from neve.stores.metadata.contract import StoreFacts
from neve.stores.metadata.sqlite import SqliteMetadataStore
from neve.stores.segments.local import LocalSegmentStore
from neve.testing.memory_metadata import MemoryMetadataStore
from neve.testing.memory_segments import MemorySegmentStore
from neve.testing.world import World


def facts_for(limits: Limits) -> StoreFacts:
    """What a store of these sizes says of itself."""
    return StoreFacts(
        format_version=1,
        store_id=bytes(16),
        block_bytes=limits.block_bytes,
        node_fanout=limits.node_fanout,
        created_ms=0,
    )


class MemoryStores:
    """Stores that survive a restart of the world because they never really close."""

    def __init__(self, limits: Limits = TINY) -> None:
        self.metadata = MemoryMetadataStore(facts_for(limits))
        self.segments = MemorySegmentStore()

    def open_metadata(self) -> MemoryMetadataStore:
        self.metadata._closed = False
        return self.metadata

    def open_segments(self) -> MemorySegmentStore:
        self.segments._closed = False
        return self.segments


class FolderStores:
    """SQLite and a folder, made at first use: what the embedded default runs on."""

    def __init__(self, path: Path, limits: Limits = TINY) -> None:
        self.path = path
        self._limits = limits
        SqliteMetadataStore.create(path / "metadata.db", facts_for(limits)).close()
        LocalSegmentStore.create(path / "segments")

    def open_metadata(self) -> SqliteMetadataStore:
        return SqliteMetadataStore.open(self.path / "metadata.db", limits=self._limits)

    def open_segments(self) -> LocalSegmentStore:
        return LocalSegmentStore(self.path / "segments")


@pytest.fixture
def make_world() -> Iterator[Callable[..., World]]:
    """A function that makes worlds over memory and sees to it that they are closed."""
    with ExitStack() as worlds:

        def make(**options: Any) -> World:
            return worlds.enter_context(World(MemoryStores(options.get("limits", TINY)), **options))

        yield make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A world of 64-byte blocks."""
    return make_world()
