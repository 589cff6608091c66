"""The client's own contract, kept by botocore against a real server."""

from collections.abc import Iterator

import pytest

from neve.client.boto import BotoEbsApi, Connection
from neve.client.errors import AccessRefused, AnswerUnexpected, ClientError, NotConfigured, ServiceUnreachable
from neve.limits import STANDARD
from neve.messages.ebs import GetSnapshotBlockRequest, ListSnapshotBlocksRequest
from neve.messages.ec2 import DescribeSnapshotsRequest
from neve.testing.ebs_api_contract import UNKNOWN, Caller, EbsApiContract
from neve.testing.server import ServerProcess

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server") / "store") as server:
        yield server


@pytest.fixture
def connection(server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> Connection:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.secret_access_key)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return Connection(endpoint_url=server.endpoint, region=server.region)


@pytest.fixture
def caller(connection: Connection) -> Caller:
    return Caller(BotoEbsApi(connection, {}), STANDARD)


class TestBotoEbs(EbsApiContract):
    pass


def ask(connection: Connection, environment: dict[str, str] | None = None) -> None:
    api = BotoEbsApi(connection, environment or {})
    api.list_snapshot_blocks(ListSnapshotBlocksRequest(snapshot_id=UNKNOWN))


def test_the_wrong_secret_is_refused_with_what_to_check(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(AccessRefused) as refused:
        ask(connection)
    assert "secret" in refused.value.advice
    with pytest.raises(AccessRefused):
        BotoEbsApi(connection, {}).describe_snapshots(DescribeSnapshotsRequest())


def test_the_wrong_region_is_named(connection: Connection) -> None:
    with pytest.raises(AccessRefused, match="us-west-7") as refused:
        ask(Connection(endpoint_url=connection.endpoint_url, region="us-west-7"))
    assert "region" in refused.value.advice


def test_the_region_may_come_from_either_variable(
    connection: Connection, server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Connection(endpoint_url=connection.endpoint_url)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    with pytest.raises(NotConfigured) as unset:
        ask(plain)
    assert "AWS_REGION" in unset.value.advice
    with pytest.raises(ClientError, match="does not exist"):
        ask(plain, {"AWS_REGION": server.region})
    monkeypatch.setenv("AWS_DEFAULT_REGION", server.region)
    with pytest.raises(ClientError, match="does not exist"):
        ask(plain)


def test_no_credentials_is_said_before_anything_is_sent(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(NotConfigured) as unset:
        ask(connection)
    assert "AWS_ACCESS_KEY_ID" in unset.value.advice


def test_an_unknown_profile_is_named(connection: Connection) -> None:
    with pytest.raises(NotConfigured, match="nobody"):
        ask(Connection(endpoint_url=connection.endpoint_url, region="us-east-1", profile="nobody"))


def test_an_endpoint_that_is_no_url_is_refused(connection: Connection) -> None:
    with pytest.raises(NotConfigured, match="localhost"):
        ask(Connection(endpoint_url="localhost:9753", region="us-east-1"))


def test_nobody_listening_is_unreachable_and_worth_repeating(connection: Connection) -> None:
    with pytest.raises(ServiceUnreachable) as unreachable:
        ask(Connection(endpoint_url="http://127.0.0.1:1", region=connection.region))
    assert unreachable.value.safe_to_retry


def test_an_endpoint_that_serves_something_else_is_recognised(connection: Connection) -> None:
    with pytest.raises(AnswerUnexpected):
        ask(Connection(endpoint_url=f"{connection.endpoint_url}/no-such-base", region=connection.region))


def test_a_request_that_cannot_be_sent_is_our_error(caller: Caller) -> None:
    request = GetSnapshotBlockRequest(snapshot_id="snap-0", block_index=-1, block_token="")
    with pytest.raises(ClientError):
        caller.api.get_snapshot_block(request)
