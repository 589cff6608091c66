"""Every key provider against the contract they share. A new provider is one line, and an engine for its keys."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from key_engines import local_engine, memory_engine
from neve.testing.key_provider_contract import KeyProviderContract
from neve.testing.key_provider_scene import KeyEngine
from openbao import openbao_engine

ENGINES: dict[str, Callable[[pytest.FixtureRequest, Path], AbstractContextManager[KeyEngine]]] = {
    "memory": lambda _, directory: memory_engine(directory),
    "local keyring": lambda _, directory: local_engine(directory),
    "OpenBao": lambda request, directory: openbao_engine(request.getfixturevalue("openbao"), directory),
    "AWS KMS (moto)": lambda request, _: nullcontext(request.getfixturevalue("moto_engine")),
}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path: Path, aws_credentials: None) -> Iterator[KeyEngine]:
    with ENGINES[request.param](request, tmp_path) as opened:
        yield opened


class TestKeyProviders(KeyProviderContract):
    pass
