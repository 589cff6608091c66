"""An unmodified boto3 and every row of contract 3.3, over every key provider and all that may befall its keys.

The keys are kept by a real OpenBao, by a KMS that is not ours, and in memory; botocore's requests go through the whole
pipeline in this process. What cannot happen where is said by the provider's engine. The local keyring has
test_encryption_matrix, with policies and a server of its own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HeadersDict
from botocore.config import Config
from botocore.exceptions import ClientError

from contracts.test_key_providers import ENGINES
from encryption_rows import MATRIX, SEALED, Row
from fix_logs import Journal
from neve.clock import SystemClock
from neve.domain.encryption import Outcome
from neve.limits import TINY
from neve.messages.http import RequestHead
from neve.operations.context import Quotas
from neve.stores.metadata.contract_identities import AccountSettings
from neve.testing.key_provider_scene import Deed, KeyEngine
from neve.testing.world import ACCOUNT, World
from pipeline_door import KEY_ID, SECRET, Door

BLOCK: Final = b"sealed!!" * (TINY.block_bytes // 8)


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
        head = RequestHead(
            method=request.method,
            raw_target=url.path,
            headers=[
                ("Host", url.netloc),
                *((name, _text(value)) for name, value in request.headers.items()),
            ],
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


@pytest.fixture(params=[name for name in ENGINES if name != "local keyring"])
def engine(request: pytest.FixtureRequest, tmp_path: Path, aws_credentials: None) -> Iterator[KeyEngine]:
    with ENGINES[request.param](request, tmp_path) as opened:
        yield opened


class Scene:
    """A service over a provider, a key, and two parents: one plain, one under that key."""

    def __init__(self, world: World, engine: KeyEngine, journal: Journal) -> None:
        self.world = world
        self.engine = engine
        self.journal = journal
        self.ebs = ebs_client(Door(world, journal))
        self.key = engine.make_key(ACCOUNT)
        self.plain, self.sealed = self._completed(None), self._completed(self.key)

    def _completed(self, key: str | None) -> str:
        snapshot_id = self.world.start(kms_key_arn=key)
        self.world.put(snapshot_id, 0, BLOCK)
        self.world.complete(snapshot_id, count=1)
        return snapshot_id

    def start(self, row: Row, key: str) -> dict[str, Any]:
        members = {
            "VolumeSize": 1,
            "Encrypted": row.encrypted,
            "KmsKeyArn": key if row.has_key else None,
            "ParentSnapshotId": row.parent and (self.sealed if row.parent is SEALED else self.plain),
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
def scene(make_world: Callable[..., World], engine: KeyEngine, journal: Journal) -> Scene:
    world = make_world(
        keys=engine.provider,
        key_state_age_s=0,
        clock=SystemClock(),
        quotas=Quotas(pending_snapshots_max=0),
    )
    return Scene(world, engine, journal)


# --- what may befall a key, and what is said of it -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Keys:
    """What a start meets: the key it names or has for its default, and whether a parent's key is as unusable."""

    named: str
    parents_too: bool = True


@dataclass(frozen=True, slots=True)
class State:
    """A state a key may be in, how it gets there, and what is said of it."""

    name: str
    deed: Deed | None
    bring_about: Callable[[Scene], Keys]
    said: tuple[int, str, str | None]
    words: str
    """`{}` stands for the key."""

    def __str__(self) -> str:
        return self.name


def disabled(scene: Scene) -> Keys:
    scene.engine.disable(scene.key)
    return Keys(scene.key)


def pending_deletion(scene: Scene) -> Keys:
    scene.engine.schedule_deletion(scene.key)
    return Keys(scene.key)


def absent(scene: Scene) -> Keys:
    return Keys(scene.engine.absent_key(ACCOUNT), parents_too=False)


def removed(scene: Scene) -> Keys:
    scene.engine.remove(scene.key)
    return Keys(scene.key)


def of_the_wrong_kind(scene: Scene) -> Keys:
    return Keys(scene.engine.make_asymmetric_key(ACCOUNT), parents_too=False)


def kept_from_us(scene: Scene) -> Keys:
    scene.engine.deny(scene.key)
    return Keys(scene.key)


def out_of_reach(scene: Scene) -> Keys:
    scene.engine.stop_answering()
    scene.journal.announce("request failed")
    return Keys(scene.key)


REFUSED: Final = (400, "ValidationException", "INVALID_PARAMETER_VALUE")
QUOTED: Final = (400, "ValidationException", "INVALID_DEPENDENCY_REQUEST")
_MODEL: Final = "com.amazonaws.services.kms.model."
STATES: Final = (
    State("disabled", Deed.DISABLE, disabled, QUOTED, _MODEL + "DisabledException: {} is disabled. ("),
    State(
        "pending deletion",
        Deed.SCHEDULE_DELETION,
        pending_deletion,
        QUOTED,
        _MODEL + "KMSInvalidStateException: {} is pending deletion. (",
    ),
    State("absent", None, absent, QUOTED, _MODEL + "NotFoundException: Key '{}' does not exist ("),
    State("removed", Deed.REMOVE, removed, QUOTED, _MODEL + "NotFoundException: Key '{}' does not exist ("),
    State(
        "of the wrong kind",
        Deed.MAKE_ASYMMETRIC_KEYS,
        of_the_wrong_kind,
        QUOTED,
        _MODEL + "InvalidKeyUsageException: {} ",
    ),
    State("kept from us", Deed.DENY, kept_from_us, QUOTED, _MODEL + "AWSKMSException: "),
    State("out of reach", Deed.STOP_ANSWERING, out_of_reach, (503, "ServiceUnavailable", None), ""),
)


@pytest.fixture(params=STATES, ids=str)
def state(request: pytest.FixtureRequest, engine: KeyEngine) -> Iterator[State]:
    wanted: State = request.param
    if wanted.deed is not None and wanted.deed in engine.cannot:
        pytest.skip(engine.cannot[wanted.deed])
    yield wanted
    if wanted.deed is Deed.STOP_ANSWERING:
        engine.answer_again()


def refusal(call: Callable[[], object]) -> tuple[tuple[int, str, str | None], str]:
    with pytest.raises(ClientError) as caught:
        call()
    answer: Any = caught.value.response
    status = answer["ResponseMetadata"]["HTTPStatusCode"]
    return (status, answer["Error"]["Code"], answer.get("Reason")), answer["Error"]["Message"]


# --- the rows ------------------------------------------------------------------------------------------

CASES: Final = [(row, by_default) for by_default in (False, True) for row in MATRIX]


def expect_refusal(scene: Scene, row: Row, key: str, said: tuple[int, str, str | None], words: str) -> None:
    found, message = refusal(lambda: scene.start(row, key))
    assert found == said, row
    assert words in message, row


def test_every_row_with_a_key_that_works(scene: Scene) -> None:
    for row, by_default in CASES:
        scene.set_default(scene.key, on=by_default)
        expected = row.expected(by_default=by_default)
        if isinstance(expected, str):
            expect_refusal(scene, row, scene.key, REFUSED, expected)
        else:
            named = None if expected is Outcome.UNENCRYPTED else scene.key
            assert scene.start(row, scene.key).get("KmsKeyArn") == named, row


def test_every_row_with_a_key_that_does_not(scene: Scene, state: State) -> None:
    keys = state.bring_about(scene)
    for row, by_default in CASES:
        scene.set_default(keys.named, on=by_default)
        expected = row.expected(by_default=by_default)
        if isinstance(expected, str):
            expect_refusal(scene, row, keys.named, REFUSED, expected)
        elif expected is Outcome.UNENCRYPTED:
            assert "KmsKeyArn" not in scene.start(row, keys.named), row
        elif expected is Outcome.PARENTS_KEY and not keys.parents_too:
            assert scene.start(row, keys.named)["KmsKeyArn"] == scene.key, row
        else:
            expect_refusal(scene, row, keys.named, state.said, state.words.format(keys.named))


def test_a_snapshot_lives_and_stops_with_its_key(scene: Scene) -> None:
    snapshot_id = scene.start(MATRIX[1], scene.key)["SnapshotId"]
    scene.world.put(snapshot_id, 3, BLOCK)
    scene.engine.rotate(scene.key)
    scene.world.put(snapshot_id, 4, BLOCK[::-1])
    scene.engine.disable(scene.key)
    for call in (
        lambda: scene.world.put(snapshot_id, 5, BLOCK),
        lambda: scene.world.read(scene.sealed),
    ):
        with pytest.raises(Exception, match=f"{scene.key} is disabled"):
            call()
    scene.world.complete(snapshot_id, count=2)
    assert list(scene.world.listed(snapshot_id)) == [3, 4]
    scene.engine.enable(scene.key)
    assert scene.world.read(snapshot_id) == {3: BLOCK, 4: BLOCK[::-1]}
