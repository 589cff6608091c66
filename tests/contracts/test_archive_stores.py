"""Every archive store against the contract they share. A new backend is one line."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from neve.stores.archive.contract import ArchiveStore
from neve.stores.archive.local import LocalArchiveStore
from neve.testing.archive_contract import ArchiveStoreContract
from neve.testing.memory_archive import MemoryArchiveStore

STORES: dict[str, Callable[[Path], ArchiveStore]] = {
    "memory": lambda _: MemoryArchiveStore(),
    "local": LocalArchiveStore,
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ArchiveStore]:
    opened = STORES[request.param](tmp_path / "archive")
    yield opened
    opened.close()


class TestArchiveStores(ArchiveStoreContract):
    pass
