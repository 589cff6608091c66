"""Every segment store against the contract they share. A new backend is one line."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from neve.stores.segments.contract import SegmentStore
from neve.stores.segments.local import LocalSegmentStore
from neve.testing.memory_segments import MemorySegmentStore
from neve.testing.segment_contract import SegmentStoreContract


def local(path: Path) -> LocalSegmentStore:
    LocalSegmentStore.create(path / "segments")
    return LocalSegmentStore(path / "segments")


def local_with_one_open_file(path: Path) -> LocalSegmentStore:
    LocalSegmentStore.create(path / "segments")
    return LocalSegmentStore(path / "segments", open_files_max=1)


STORES: dict[str, Callable[[Path], SegmentStore]] = {
    "memory": lambda _: MemorySegmentStore(),
    "local": local,
    "local, one open file": local_with_one_open_file,
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SegmentStore]:
    opened = STORES[request.param](tmp_path)
    yield opened
    opened.close()


class TestSegmentStores(SegmentStoreContract):
    pass
