"""Every segment store against the contract they share. A new backend is one line."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from neve.stores.segments.contract import SegmentStore
from neve.stores.segments.local import LocalSegmentStore
from neve.testing.memory_segments import MemorySegmentStore
from neve.testing.segment_contract import SegmentStoreContract

STORES: dict[str, Callable[[Path], SegmentStore]] = {
    "memory": lambda _: MemorySegmentStore(),
    "local": LocalSegmentStore,
    "local, one open file": lambda root: LocalSegmentStore(root, open_files_max=1),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directories of a local store, made once: for each test that takes minutes on a busy disk."""
    root = tmp_path_factory.mktemp("contract") / "segments"
    LocalSegmentStore.create(root)
    return root


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, root: Path) -> Iterator[SegmentStore]:
    opened = STORES[request.param](root)
    yield opened
    opened.close()
    for segment in root.glob("*/*"):
        segment.unlink()


class TestSegmentStores(SegmentStoreContract):
    pass
