"""The forms and answers in this folder, against the messages they stand for and against botocore's parser."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import botocore.loaders
import botocore.model
import botocore.parsers
import pytest

from neve.errors import StsError
from neve.messages import sts
from neve.messages.http import RequestHead, Response
from neve.wire import sts_query, sts_xml

FOLDER = Path(__file__).parent
HEAD = RequestHead(method="POST", raw_target="/", headers=[])
REQUEST_ID = "11112222-3333-4444-5555-666677778888"
SERVICE = botocore.model.ServiceModel(botocore.loaders.Loader().load_service_model("sts", "service-2"))

REQUESTS: Mapping[str, tuple[str, sts.StsRequest]] = {
    "get-caller-identity": ("GetCallerIdentity", sts.GetCallerIdentityRequest()),
    "get-session-token": ("GetSessionToken", sts.GetSessionTokenRequest(duration_seconds=3600)),
    "get-federation-token": (
        "GetFederationToken",
        sts.GetFederationTokenRequest(
            name="bob", policy='{"Version":"2012-10-17", "Statement":[]}', duration_seconds=900
        ),
    ),
    "assume-role": (
        "AssumeRole",
        sts.AssumeRoleRequest(role_arn="arn:aws:iam::111122223333:role/backup"),
    ),
}
CREDENTIALS = sts.Credentials(
    access_key_id="ASIAEXAMPLE",
    secret_access_key="secret/+",
    session_token="dG9r/+=",
    expiration_ms=1_790_337_440_570,
)
RESPONSES: Mapping[str, tuple[str, sts.StsResponse]] = {
    "get-caller-identity": (
        "GetCallerIdentity",
        sts.GetCallerIdentityResponse(
            arn="arn:aws:iam::111122223333:user/joe", user_id="AIDAEXAMPLE", account="111122223333"
        ),
    ),
    "get-session-token": ("GetSessionToken", sts.GetSessionTokenResponse(credentials=CREDENTIALS)),
    "get-federation-token": (
        "GetFederationToken",
        sts.GetFederationTokenResponse(
            credentials=CREDENTIALS,
            federated_user=sts.FederatedUser(
                federated_user_id="111122223333:bob", arn="arn:aws:sts::111122223333:federated-user/bob"
            ),
            packed_policy_size=2,
        ),
    ),
}
ERROR = StsError("AccessDenied", "Cannot call GetSessionToken with session credentials & <more>", status=403)


def written(name: str) -> str:
    declaration, *lines = (FOLDER / f"{name}.xml").read_text().splitlines()
    return declaration + "\n" + "".join(line.strip() for line in lines)


def parsed(response: Response, operation: str) -> dict[str, Any]:
    shape = SERVICE.operation_model(operation).output_shape
    assert shape is not None
    answer = {"body": response.body, "headers": dict(response.headers), "status_code": response.status}
    found: dict[str, Any] = botocore.parsers.create_parser("query").parse(answer, shape)
    return found


@pytest.mark.parametrize("name", sorted(REQUESTS))
def test_a_form_decodes_to_its_message(name: str) -> None:
    assert sts_query.decode(HEAD, (FOLDER / f"{name}.form").read_bytes()) == REQUESTS[name]


@pytest.mark.parametrize("name", sorted(RESPONSES))
def test_a_message_is_answered_as_written_down(name: str) -> None:
    operation, message = RESPONSES[name]
    assert sts_xml.encode(operation, message, REQUEST_ID).body.decode() == written(name)


def test_an_error_is_answered_as_written_down() -> None:
    assert sts_xml.encode_error(ERROR, REQUEST_ID).body.decode() == written("error")


def test_botocore_reads_the_answers() -> None:
    credentials = {
        "AccessKeyId": "ASIAEXAMPLE",
        "SecretAccessKey": "secret/+",
        "SessionToken": "dG9r/+=",
        "Expiration": datetime(2026, 9, 25, 11, 57, 20, 570_000, tzinfo=UTC),
    }
    expected: Mapping[str, dict[str, Any]] = {
        "get-caller-identity": {
            "Arn": "arn:aws:iam::111122223333:user/joe",
            "UserId": "AIDAEXAMPLE",
            "Account": "111122223333",
        },
        "get-session-token": {"Credentials": credentials},
        "get-federation-token": {
            "Credentials": credentials,
            "FederatedUser": {
                "Arn": "arn:aws:sts::111122223333:federated-user/bob",
                "FederatedUserId": "111122223333:bob",
            },
            "PackedPolicySize": 2,
        },
    }
    for name, (operation, message) in RESPONSES.items():
        found = parsed(sts_xml.encode(operation, message, REQUEST_ID), operation)
        metadata = found.pop("ResponseMetadata")
        assert metadata["RequestId"] == REQUEST_ID
        assert found == expected[name]


def test_botocore_reads_the_error() -> None:
    found = parsed(sts_xml.encode_error(ERROR, REQUEST_ID), "GetSessionToken")
    assert found["Error"] == {"Type": "Sender", "Code": "AccessDenied", "Message": ERROR.message}
    assert found["ResponseMetadata"]["RequestId"] == REQUEST_ID


def test_everything_written_down_is_read() -> None:
    assert {path.stem for path in FOLDER.glob("*.form")} == REQUESTS.keys()
    assert {path.stem for path in FOLDER.glob("*.xml")} == RESPONSES.keys() | {"error"}
