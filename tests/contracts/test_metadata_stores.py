"""Every metadata store against the contract they share. A new backend is one line."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.sqlite import SqliteMetadataStore
from neve.testing.memory_metadata import FACTS, MemoryMetadataStore
from neve.testing.metadata_contract import MetadataStoreContract

STORES: dict[str, Callable[[Path], MetadataStore]] = {
    "memory": lambda _: MemoryMetadataStore(),
    "sqlite": lambda path: SqliteMetadataStore.create(path / "metadata.db", FACTS),
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MetadataStore]:
    opened = STORES[request.param](tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def spare(request: pytest.FixtureRequest, tmp_path: Path, store: MetadataStore) -> Iterator[MetadataStore]:
    """Another empty store of the same kind."""
    kind = next(name for name in STORES if name in request.node.callspec.params.values())
    (tmp_path / "spare").mkdir()
    opened = STORES[kind](tmp_path / "spare")
    assert type(opened) is type(store)
    yield opened
    opened.close()


class TestMetadataStores(MetadataStoreContract):
    pass
