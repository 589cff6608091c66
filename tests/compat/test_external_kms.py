"""A KMS that is not ours, beside what every key provider promises: what it may answer, and as whom we ask.

Moto is the real one here; a server that answers what a test says stands in for the faults that moto does not have.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from key_engines import REGION
from moto_kms import MotoEngine, MotoServer
from neve.domain.identities import AccountId
from neve.domain.kms_keys import KeyManager, KeyState
from neve.errors import KeyProviderUnavailable, KmsError
from neve.stores.keys.aws import AwsEndpoint, AwsKeys

ARN = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
CONTEXT = {"neve:domain": "00"}
METADATA: dict[str, Any] = {
    "Arn": ARN,
    "KeyId": ARN.rpartition("/")[2],
    "KeyState": "Enabled",
    "KeySpec": "SYMMETRIC_DEFAULT",
    "KeyUsage": "ENCRYPT_DECRYPT",
    "KeyManager": "CUSTOMER",
    "CurrentKeyMaterialId": "a" * 64,
}
Answer = tuple[int, object]


@dataclass
class Scripted:
    """A server that answers each operation as it is told."""

    url: str
    answers: dict[str, Answer] = field(
        default_factory=lambda: {"DescribeKey": (200, {"KeyMetadata": METADATA})}
    )
    asked: list[str] = field(default_factory=list)


@contextmanager
def scripted_server() -> Iterator[Scripted]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            operation = self.headers["X-Amz-Target"].partition(".")[2]
            self.rfile.read(int(self.headers["Content-Length"]))
            scripted.asked.append(operation)
            status, answer = scripted.answers.get(operation, (400, {"__type": "UnknownOperationException"}))
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    scripted = Scripted(url=f"http://127.0.0.1:{server.server_address[1]}")
    serving = Thread(target=server.serve_forever)
    serving.start()
    try:
        yield scripted
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


@pytest.fixture(scope="module")
def server() -> Iterator[Scripted]:
    with scripted_server() as running:
        yield running


@pytest.fixture(scope="module")
def provider(server: Scripted) -> Iterator[AwsKeys]:
    """One for all tests: to make a client of botocore takes longer than all of them."""
    with closing(AwsKeys(AwsEndpoint(region=REGION, url=server.url, timeout_s=5))) as opened:
        yield opened


@pytest.fixture
def script(server: Scripted) -> Scripted:
    """The server, which knows an enabled key and nothing else."""
    server.answers = {"DescribeKey": (200, {"KeyMetadata": METADATA})}
    server.asked = []
    return server


@pytest.fixture
def keys(provider: AwsKeys, aws_credentials: None) -> AwsKeys:
    return provider


def refused(action: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(KmsError) as caught:
        action()
    return caught.value.code, caught.value.message


def unavailable(action: Callable[[], object]) -> str:
    with pytest.raises(KeyProviderUnavailable) as caught:
        action()
    return str(caught.value)


# --- keys


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("Enabled", KeyState.ENABLED),
        ("Disabled", KeyState.DISABLED),
        ("PendingDeletion", KeyState.PENDING_DELETION),
        ("PendingReplicaDeletion", KeyState.PENDING_DELETION),
        ("PendingImport", KeyState.PENDING_IMPORT),
        ("Unavailable", KeyState.UNAVAILABLE),
        ("Creating", KeyState.UNAVAILABLE),
        ("Updating", KeyState.UNAVAILABLE),
        ("SomethingNew", KeyState.UNAVAILABLE),
    ],
)
def test_DOC_a_key_is_used_in_no_state_but_enabled(
    script: Scripted, keys: AwsKeys, said: str, state: KeyState
) -> None:
    script.answers["DescribeKey"] = (200, {"KeyMetadata": METADATA | {"KeyState": said}})
    script.answers["Decrypt"] = (200, {"KeyId": ARN, "Plaintext": "YWJj"})
    assert keys.describe(ARN).state is state
    if state is KeyState.ENABLED:
        assert keys.decrypt(ARN, b"wrapping", CONTEXT) == b"abc"
        return
    code, _ = refused(lambda: keys.decrypt(ARN, b"wrapping", CONTEXT))
    assert code == ("DisabledException" if state is KeyState.DISABLED else "KMSInvalidStateException")
    # Whatever the server would have done.
    assert "Decrypt" not in script.asked


def test_LIVE_an_answer_about_another_key_opens_nothing(script: Scripted, keys: AwsKeys) -> None:
    script.answers["Decrypt"] = (200, {"KeyId": ARN[:-1] + "c", "Plaintext": "YWJj"})
    assert refused(lambda: keys.decrypt(ARN, b"wrapping", CONTEXT))[0] == "InvalidCiphertextException"


def test_the_key_material_names_the_version_where_kms_tells_it(script: Scripted, keys: AwsKeys) -> None:
    script.answers["GenerateDataKey"] = (
        200,
        {"KeyId": ARN, "Plaintext": "YWJj", "CiphertextBlob": "d3JhcA==", "KeyMaterialId": "b" * 64},
    )
    assert keys.describe(ARN).key_version == "a" * 64
    assert keys.generate_data_key(ARN, CONTEXT, size_bytes=3).key_version == "b" * 64
    assert "ListKeyRotations" not in script.asked


@pytest.mark.parametrize("rotations", [[], [{"RotationDate": 1_700_000_000}]])
def test_material_that_only_uses_name_is_no_version_since_no_description_would_ever_equal_it(
    script: Scripted, keys: AwsKeys, rotations: list[dict[str, float]]
) -> None:
    metadata = {name: value for name, value in METADATA.items() if name != "CurrentKeyMaterialId"}
    made = {"KeyId": ARN, "Plaintext": "YWJj", "CiphertextBlob": "d3JhcA==", "KeyMaterialId": "b" * 64}
    again = {
        "KeyId": ARN,
        "SourceKeyId": ARN,
        "CiphertextBlob": "d3JhcA==",
        "DestinationKeyMaterialId": "b" * 64,
    }
    script.answers |= {
        "DescribeKey": (200, {"KeyMetadata": metadata}),
        "ListKeyRotations": (200, {"Rotations": rotations, "Truncated": False}),
        "GenerateDataKey": (200, made),
        "ReEncrypt": (200, again),
    }
    described = keys.describe(ARN).key_version
    assert keys.generate_data_key(ARN, CONTEXT, size_bytes=3).key_version == described
    assert keys.re_encrypt(ARN, b"wrap", CONTEXT, to_key_arn=ARN, to_context=CONTEXT)[1] == described


@pytest.mark.parametrize(
    "answer",
    [
        (
            400,
            {"__type": "AccessDeniedException", "message": "not authorized to perform: kms:ListKeyRotations"},
        ),
        (400, {"__type": "UnsupportedOperationException"}),
        (400, {"__type": "UnknownOperationException"}),
    ],
)
def test_a_kms_that_tells_no_rotations_has_no_versions(
    script: Scripted, keys: AwsKeys, answer: Answer
) -> None:
    metadata = {name: value for name, value in METADATA.items() if name != "CurrentKeyMaterialId"}
    script.answers |= {"DescribeKey": (200, {"KeyMetadata": metadata}), "ListKeyRotations": answer}
    assert keys.describe(ARN).key_version == ""


def test_the_last_rotation_counts_over_all_pages(script: Scripted, keys: AwsKeys) -> None:
    metadata = {name: value for name, value in METADATA.items() if name != "CurrentKeyMaterialId"}
    page: dict[str, Any] = {
        "Rotations": [{"RotationDate": 1_700_000_000.5}, {"RotationDate": 1_600_000_000}],
        "Truncated": True,
        "NextMarker": "more",
    }
    script.answers |= {"DescribeKey": (200, {"KeyMetadata": metadata}), "ListKeyRotations": (200, page)}
    # A list that never ends is not followed for ever.
    assert keys.describe(ARN).key_version == ""
    assert script.asked.count("ListKeyRotations") == 10
    script.answers["ListKeyRotations"] = (200, page | {"Truncated": False})
    assert keys.describe(ARN).key_version == "rotated 1700000000500"
    script.answers["ListKeyRotations"] = (200, {"Rotations": [], "Truncated": False})
    assert keys.describe(ARN).key_version == "never rotated"


def test_a_key_that_aws_manages_says_so(script: Scripted, keys: AwsKeys) -> None:
    script.answers["DescribeKey"] = (200, {"KeyMetadata": METADATA | {"KeyManager": "AWS"}})
    assert keys.describe(ARN).manager is KeyManager.AWS


# --- refusals


@pytest.mark.parametrize(
    ("code", "status", "becomes"),
    [
        ("NotFoundException", 400, "NotFoundException"),
        ("DisabledException", 400, "DisabledException"),
        ("KMSInvalidStateException", 400, "KMSInvalidStateException"),
        ("InvalidKeyUsageException", 400, "InvalidKeyUsageException"),
        ("InvalidCiphertextException", 400, "InvalidCiphertextException"),
        ("IncorrectKeyException", 400, "InvalidCiphertextException"),
        ("InvalidArnException", 400, "InvalidArnException"),
        ("AccessDeniedException", 400, "AccessDeniedException"),
        ("ThrottlingException", 400, "ThrottlingException"),
        ("LimitExceededException", 400, "ThrottlingException"),
        ("KMSInternalException", 500, ""),
        ("KeyUnavailableException", 500, ""),
        ("DependencyTimeoutException", 503, ""),
        ("UnrecognizedClientException", 400, ""),
        ("ExpiredTokenException", 400, ""),
        ("InvalidSignatureException", 403, ""),
        ("SomethingElseException", 400, ""),
    ],
)
def test_DOC_a_refusal_of_kms_is_the_callers_or_the_operators(
    script: Scripted, keys: AwsKeys, code: str, status: int, becomes: str
) -> None:
    said = "User: somebody is not authorized to perform: kms:Decrypt"
    script.answers["Decrypt"] = (status, {"__type": code, "message": said})
    decrypt = lambda: keys.decrypt(ARN, b"wrapping", CONTEXT)  # noqa: E731 - it is passed on in both branches
    if becomes:
        assert refused(decrypt)[0] == becomes
    else:
        assert f"refused Decrypt with {code}" in unavailable(decrypt)
    assert script.asked.count("Decrypt") == 1


def test_a_denial_names_key_and_operation_and_not_who_we_are(script: Scripted, keys: AwsKeys) -> None:
    said = "User: arn:aws:iam::111122223333:user/secret-agent is not authorized to perform: kms:Decrypt"
    script.answers["Decrypt"] = (400, {"__type": "AccessDeniedException", "message": said})
    _, message = refused(lambda: keys.decrypt(ARN, b"wrapping", CONTEXT))
    assert message.startswith(f"The key provider does not let us call kms:Decrypt on {ARN}.")
    assert "secret-agent" not in message


def test_DOC_a_ciphertext_of_a_key_that_kms_does_not_know_is_invalid(script: Scripted, keys: AwsKeys) -> None:
    said = (
        "The ciphertext refers to a customer master key that does not exist, does not exist in this region, …"
    )
    script.answers["Decrypt"] = (400, {"__type": "AccessDeniedException", "message": said})
    assert refused(lambda: keys.decrypt(ARN, b"wrapping", CONTEXT))[0] == "InvalidCiphertextException"


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"\xff\xfe", b"[]", b"{}", b'{"KeyMetadata": {}}', b'{"KeyMetadata": 1}']
)
def test_what_is_no_kms_is_unavailable(script: Scripted, keys: AwsKeys, body: bytes) -> None:
    script.answers["DescribeKey"] = (200, body)
    assert script.url in unavailable(lambda: keys.describe(ARN))


# --- who we are


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment without credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_credentials_that_appear_later_are_found(
    moto_kms: MotoServer, moto_engine: MotoEngine, nobody: None, tmp_path: Path
) -> None:
    arn = moto_engine.make_key(moto_kms.account_id)
    with closing(AwsKeys(AwsEndpoint(region=REGION, url=moto_kms.url))) as keys:
        for _ in range(2):
            assert "there are no credentials" in unavailable(lambda: keys.describe(arn))
        (tmp_path / "AWS_SHARED_CREDENTIALS_FILE").write_text(
            "[default]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = example\n"
        )
        assert keys.describe(arn).state is KeyState.ENABLED


def test_a_profile_is_used_and_one_that_is_not_there_is_named(
    moto_kms: MotoServer, moto_engine: MotoEngine, nobody: None, tmp_path: Path
) -> None:
    arn = moto_engine.make_key(moto_kms.account_id)
    endpoint = AwsEndpoint(region=REGION, url=moto_kms.url, profile="keeper")
    with closing(AwsKeys(endpoint)) as keys:
        assert "keeper" in unavailable(lambda: keys.describe(arn))
        (tmp_path / "AWS_SHARED_CREDENTIALS_FILE").write_text(
            "[keeper]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = example\n"
        )
        assert keys.describe(arn).state is KeyState.ENABLED


def test_without_a_default_key_one_is_asked_for(aws_credentials: None) -> None:
    code, message = refused(
        lambda: AwsKeys(AwsEndpoint(region=REGION)).default_key_arn(AccountId("111122223333"))
    )
    assert code == "NotFoundException"
    assert "aws_kms_default_key_arn" in message
