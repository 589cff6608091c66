"""An unmodified boto3, and keys in states that a keyring of ours never has: of the wrong kind, kept from us, throttled,
out of reach. Whoever keeps keys so is simulated; botocore's requests go through the whole pipeline in this process.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HeadersDict
from botocore.config import Config
from botocore.exceptions import ClientError

from encryption_rows import MATRIX, SEALED, UNRECORDED, Row
from fix_logs import Journal
from neve.clock import SystemClock
from neve.domain.encryption import Outcome
from neve.errors import KmsError
from neve.messages.http import RequestHead
from neve.operations.context import Quotas
from neve.stores.keys.contract import KeyDescription
from neve.stores.metadata.contract_identities import AccountSettings
from neve.testing.memory_keys import MemoryKeys
from neve.testing.world import ACCOUNT, World
from pipeline_door import KEY_ID, SECRET, Door

Said = tuple[int, str, str | None]


class OtherKeys(MemoryKeys):
    """Keys whose provider is asked too often, once a test says so."""

    throttled = False

    def describe(self, key_arn: str) -> KeyDescription:
        if self.throttled:
            raise KmsError("ThrottlingException", "Rate exceeded")
        return super().describe(key_arn)


class Body:
    """A body as botocore wants it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> list[bytes]:
        return [self._content]


def ebs_client(door: Door) -> Any:
    """Return a client of boto3's whose requests the pipeline answers."""

    def answer(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        url = urlsplit(request.url)
        assert request.body is None or isinstance(request.body, bytes), "every body here is whole"
        headers = [(name, _text(value)) for name, value in request.headers.items()]
        head = RequestHead(
            method=request.method,
            raw_target=url.path,
            headers=[("Host", url.netloc), *headers],
            peer="192.0.2.1",
        )
        response = door.pipeline.answer(head, request.body or b"")
        received: Any = HeadersDict(dict(response.headers))
        return AWSResponse(request.url, response.status, received, Body(response.body))

    make: Any = boto3.client  # its stubs want each service spelt out
    client = make(
        "ebs",
        endpoint_url="http://neve.example",
        region_name="us-east-1",
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
        config=Config(retries={"total_max_attempts": 1}),
    )
    client.meta.events.register("before-send.ebs", answer)
    return client


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


class Scene:
    """A world, its keys, and a client."""

    def __init__(self, world: World, keys: OtherKeys, journal: Journal) -> None:
        self.world = world
        self.keys = keys
        self.journal = journal
        self.ebs = ebs_client(Door(world, journal))
        self.key = keys.make_key(ACCOUNT)
        self.parents = {
            "plain": self._completed(None),
            "sealed": self._completed(self.key),
        }

    def _completed(self, key: str | None) -> str:
        snapshot_id = self.world.start(kms_key_arn=key)
        self.world.complete(snapshot_id, count=0)
        return snapshot_id

    def start(self, row: Row, key: str) -> dict[str, Any]:
        members = {
            "VolumeSize": 1,
            "Encrypted": row.encrypted,
            "KmsKeyArn": key if row.has_key else None,
            "ParentSnapshotId": row.parent and self.parents["sealed" if row.parent is SEALED else "plain"],
        }
        answer: dict[str, Any] = self.ebs.start_snapshot(
            **{name: value for name, value in members.items() if value is not None}
        )
        return answer

    def set_default(self, key: str, *, on: bool) -> None:
        self.world.metadata.identities.change_account_settings(
            ACCOUNT,
            lambda _: AccountSettings(account_id=ACCOUNT, encryption_by_default=on, default_kms_key=key),
        )


@pytest.fixture
def scene(make_world: Callable[..., World], journal: Journal) -> Scene:
    keys = OtherKeys()
    world = make_world(keys=keys, clock=SystemClock(), quotas=Quotas(pending_snapshots_max=0))
    return Scene(world, keys, journal)


def refusal(call: Callable[[], object]) -> tuple[Said, str]:
    with pytest.raises(ClientError) as caught:
        call()
    answer: Any = caught.value.response
    status = answer["ResponseMetadata"]["HTTPStatusCode"]
    return (status, answer["Error"]["Code"], answer.get("Reason")), answer["Error"]["Message"]


QUOTED: Final = (400, "ValidationException", "INVALID_DEPENDENCY_REQUEST")


def wrong_kind(scene: Scene) -> str:
    return scene.keys.make_key(ACCOUNT, symmetric=False)


def kept_from_us(scene: Scene) -> str:
    scene.keys.deny(scene.key)
    return scene.key


def throttled(scene: Scene) -> str:
    scene.keys.throttled = True
    return scene.key


def out_of_reach(scene: Scene) -> str:
    scene.keys.go_away()
    return scene.key


class Trouble(NamedTuple):
    """How a key comes to be unusable, and what is said of it."""

    bring_about: Callable[[Scene], str]
    said: Said
    words: str

    def __str__(self) -> str:
        return self.bring_about.__name__


TROUBLES: Final = (
    Trouble(wrong_kind, QUOTED, "com.amazonaws.services.kms.model.InvalidKeyUsageException: "),
    Trouble(kept_from_us, QUOTED, "com.amazonaws.services.kms.model.AWSKMSException: "),
    Trouble(throttled, (400, "RequestThrottledException", "DEPENDENCY_REQUEST_THROTTLED"), "Rate exceeded"),
    Trouble(out_of_reach, (503, "ServiceUnavailable", None), ""),
)


@pytest.mark.parametrize("trouble", TROUBLES, ids=str)
@pytest.mark.parametrize("by_default", [False, True], ids=["default-off", "default-on"])
@pytest.mark.parametrize("row", MATRIX, ids=str)
def test_the_row_with_a_key_that_ours_never_is(
    scene: Scene, row: Row, by_default: bool, trouble: Trouble
) -> None:
    key = trouble.bring_about(scene)
    scene.set_default(key, on=by_default)
    expected = row.expected(by_default=by_default)
    if isinstance(expected, str):
        found, message = refusal(lambda: scene.start(row, key))
        assert found == (400, "ValidationException", "INVALID_PARAMETER_VALUE")
        assert expected in {message, UNRECORDED}
    elif expected is Outcome.UNENCRYPTED:
        assert "KmsKeyArn" not in scene.start(row, key)
    elif expected is Outcome.PARENTS_KEY and key != scene.key:
        assert scene.start(row, key)["KmsKeyArn"] == scene.key, "no snapshot is under a key of the wrong kind"
    else:
        if trouble.bring_about is out_of_reach:
            scene.journal.announce("request failed")
        found, message = refusal(lambda: scene.start(row, key))
        assert found == trouble.said
        assert trouble.words in message
