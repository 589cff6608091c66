"""One KMS that is not ours for all tests of a run (of each of its workers); started by the first that wants it.

moto_kms            moto's server; keys of other tests are in it
moto_engine         our provider over it, and a hand on its keys: one for all tests as well. It looks for credentials
                    at its first call: wants aws_credentials
aws_credentials     an environment with credentials for it, and with nobody's own AWS settings
"""

from collections.abc import Iterator

import pytest

from moto_kms import CREDENTIALS, MotoEngine, MotoServer


@pytest.fixture(scope="session")
def moto_kms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoServer]:
    with MotoServer(tmp_path_factory.mktemp("moto")) as running:
        yield running


@pytest.fixture(scope="session")
def moto_engine(moto_kms: MotoServer) -> Iterator[MotoEngine]:
    engine = MotoEngine(moto_kms)
    yield engine
    engine.close()


@pytest.fixture
def aws_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name.upper(), value)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS"):
        monkeypatch.delenv(name, raising=False)
