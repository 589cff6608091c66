"""One real OpenBao server for all tests of a run (of each of its workers); started by the first that wants it.

openbao         unsealed, whatever the test before did to it; keys, policies and tokens of other tests are in it
"""

from collections.abc import Iterator

import pytest

from openbao import OpenBao


@pytest.fixture(scope="session")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    with OpenBao(tmp_path_factory.mktemp("openbao")) as running:
        yield running
