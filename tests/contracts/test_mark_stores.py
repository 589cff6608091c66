"""Every mark store against the contract they share. A new backend is one line."""

import pytest

from neve.stores.marks.contract import OpenMarks
from neve.stores.marks.sqlite import SqliteMarkStore
from neve.testing.marks_contract import MarkStoreContract
from neve.testing.memory_marks import MemoryMarkStore

STORES: dict[str, OpenMarks] = {
    "memory": MemoryMarkStore,
    "sqlite": SqliteMarkStore,
    "sqlite, hardly a cache": lambda: SqliteMarkStore(cache_bytes=64 * 1024),
}


@pytest.fixture(params=STORES)
def open_marks(request: pytest.FixtureRequest) -> OpenMarks:
    return STORES[request.param]


class TestMarkStores(MarkStoreContract):
    pass
