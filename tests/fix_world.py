"""The service without sockets, over in-memory stores held to the contracts (neve.testing.world)."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from neve.testing.memory_metadata import MemoryMetadataStore

from neve.testing.memory_segments import MemorySegmentStore
from neve.testing.world import World


class MemoryStores:
    """Stores that survive a restart of the world because they never really close."""

    def __init__(self) -> None:
        self.metadata = MemoryMetadataStore()
        self.segments = MemorySegmentStore()

    def open_metadata(self) -> MemoryMetadataStore:
        return self.metadata

    def open_segments(self) -> MemorySegmentStore:
        return self.segments


@pytest.fixture
def make_world() -> Iterator[Callable[..., World]]:
    """A function that makes worlds and sees to it that they are closed."""
    with ExitStack() as worlds:

        def make(**options: Any) -> World:
            return worlds.enter_context(World(MemoryStores(), **options))

        yield make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A world of 64-byte blocks."""
    return make_world()
