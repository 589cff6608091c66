"""Every key provider against the contract they share. A new provider is one line, and an engine for its keys."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from key_engines import local_engine, memory_engine
from neve.testing.key_provider_contract import KeyEngine, KeyProviderContract

ENGINES: dict[str, Callable[[Path], AbstractContextManager[KeyEngine]]] = {
    "memory": memory_engine,
    "local": local_engine,
}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyEngine]:
    with ENGINES[request.param](tmp_path) as opened:
        yield opened


class TestKeyProviders(KeyProviderContract):
    pass
