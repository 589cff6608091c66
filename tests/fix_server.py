"""Real server processes on loopback ports (neve.testing.server), stopped when the test is over.

server          one for all tests of a file that leave it as it was: fast
make_server     one of the test's own, with settings of its choice: to be stopped, killed, filled, overloaded
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from neve.testing.server import ServerProcess


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with short deadlines, shared by the tests of one file."""
    directory = tmp_path_factory.mktemp("server") / "store"
    settings = {"header_deadline_s": 1.0, "body_deadline_s": 2.0, "body_bytes_per_s_min": 1 << 30}
    with ServerProcess(directory, settings=settings) as running:
        yield running


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """A function that makes a store and starts a server on it; keywords are settings."""
    with ExitStack() as servers:

        def make(name: str = "store", **settings: Any) -> ServerProcess:
            return servers.enter_context(ServerProcess(tmp_path / name, settings=settings))

        yield make
