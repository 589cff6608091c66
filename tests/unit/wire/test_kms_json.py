"""KMS's JSON 1.1: what is read, what is refused with which words, and what goes out."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neve.errors import (
    AccessDeniedError,
    CommonError,
    InternalServerError,
    InvariantError,
    KeyProviderUnavailable,
    KmsError,
    ModelViolationError,
    Overloaded,
    RequestError,
    RequestThrottledError,
    StoreUnusable,
)
from neve.messages import kms, kms_responses
from neve.messages.http import RequestHead, Response
from neve.wire import kms_json

REQUEST_ID = "11111111-2222-4333-8444-555555555555"


def head(*targets: str) -> RequestHead:
    return RequestHead(
        method="POST", raw_target="/", headers=[("X-Amz-Target", target) for target in targets]
    )


def decoded(operation: str, body: Any) -> kms.KmsRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    name, request = kms_json.decode(head(f"TrentService.{operation}"), raw)
    assert name == operation
    return request


def refusal(operation: str, body: Any) -> tuple[str, str]:
    """Return code and message of what a body is refused with; the status is 400 always."""
    with pytest.raises(RequestError) as caught:
        decoded(operation, body)
    assert caught.value.status == 400
    return caught.value.code, caught.value.message


def told(response: Response) -> tuple[int, Any]:
    return response.status, json.loads(response.body)


# --- requests


def test_DOC_members_of_every_type_are_read() -> None:
    assert decoded(
        "Decrypt",
        {
            "CiphertextBlob": base64.b64encode(b"\x00\xff").decode(),
            "EncryptionContext": {"a": "ä", "": ""},
            "GrantTokens": ["t"],
            "DryRun": True,
        },
    ) == kms.DecryptRequest(
        ciphertext_blob=b"\x00\xff", encryption_context={"a": "ä", "": ""}, grant_tokens=("t",), dry_run=True
    )
    assert decoded(
        "CreateGrant",
        {
            "KeyId": "k",
            "GranteePrincipal": "p",
            "Operations": ["Decrypt"],
            "Constraints": {"EncryptionContextSubset": {"a": "b"}},
        },
    ) == kms.CreateGrantRequest(
        key_id="k",
        grantee_principal="p",
        operations=("Decrypt",),
        constraints=kms.GrantConstraints(encryption_context_subset={"a": "b"}),
    )


def test_null_is_the_same_as_absent_and_no_body_as_an_empty_one() -> None:
    assert decoded("ListKeys", b"") == decoded("ListKeys", {"Limit": None}) == kms.ListKeysRequest()


@pytest.mark.parametrize(
    "targets",
    [
        (),
        ("TrentService.Sign",),
        ("TrentService.",),
        ("ListKeys",),
        ("trentservice.ListKeys",),
        ("DynamoDB_20120810.ListTables",),
        ("TrentService.ListKeys", "TrentService.ListKeys"),
    ],
)
def test_DOC_any_other_target_is_an_unknown_operation(targets: tuple[str, ...]) -> None:
    with pytest.raises(CommonError) as caught:
        kms_json.decode(head(*targets), b"{}")
    assert (caught.value.code, caught.value.status) == ("UnknownOperationException", 400)


@pytest.mark.parametrize(
    "body",
    [
        b"[",
        b"null",
        b"[]",
        b'"text"',
        b"\xff",
        b'{"KeyId": "\xff"}',
        b"[" * 100_000,
        b'{"KeyId": 1}',
        b'{"KeyId": ["k"]}',
        b'{"KeyId": "k", "GrantTokens": "t"}',
        b'{"KeyId": "k", "GrantTokens": [1]}',
        b'{"KeyId": "k", "EncryptionContext": {"a": 1}}',
        b'{"KeyId": "k", "EncryptionContext": []}',
        b'{"KeyId": "k", "NumberOfBytes": "32"}',
        b'{"KeyId": "k", "NumberOfBytes": true}',
        b'{"KeyId": "k", "NumberOfBytes": 32.5}',
        b'{"KeyId": "k", "DryRun": 1}',
        b'{"KeyId": "k", "Recipient": "r"}',
        b'{"KeyId": "k", "Recipient": {"AttestationDocument": "no base64"}}',
        b'{"KeyId": "k", "Unknown": 1}',
        b'{"keyId": "k"}',
        b'{"KeyId": "\\ud800"}',
    ],
)
def test_what_is_not_of_the_models_types_is_not_read(body: bytes) -> None:
    code, _ = refusal("GenerateDataKey", body)
    assert code == "SerializationException"


@pytest.mark.parametrize(
    ("operation", "body", "value", "constraint"),
    [
        ("DescribeKey", {}, "Value null at 'keyId'", "not be null"),
        (
            "DescribeKey",
            {"KeyId": ""},
            "Value '' at 'keyId'",
            "have length greater than or equal to 1",
        ),
        (
            "GenerateDataKey",
            {"KeyId": "k", "NumberOfBytes": 1025},
            "Value '1025' at 'numberOfBytes'",
            "have value less than or equal to 1024",
        ),
        (
            "CreateAlias",
            {"AliasName": "alias/ ", "TargetKeyId": "k"},
            "Value 'alias/ ' at 'aliasName'",
            "satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$",
        ),
        (
            "GenerateDataKey",
            {"KeyId": "k", "KeySpec": "AES_512"},
            "Value 'AES_512' at 'keySpec'",
            "satisfy enum value set: [AES_256, AES_128]",
        ),
        (
            "TagResource",
            {"KeyId": "k", "Tags": [{"TagKey": "a", "TagValue": ""}, {"TagKey": "b"}]},
            "Value null at 'tags.2.member.tagValue'",
            "not be null",
        ),
        (
            "Encrypt",
            {"KeyId": "k", "Plaintext": base64.b64encode(bytes(4097)).decode()},
            "Value at 'plaintext'",
            "have length less than or equal to 4096",
        ),
        (
            "DescribeKey",
            {"KeyId": "k", "GrantTokens": ["t"] * 11},
            "Value at 'grantTokens'",
            "have length less than or equal to 10",
        ),
    ],
)
def test_INFERRED_a_broken_constraint_is_told_in_corals_words(
    operation: str, body: dict[str, Any], value: str, constraint: str
) -> None:
    violation = f"{value} failed to satisfy constraint: Member must {constraint}"
    assert refusal(operation, body) == ("ValidationException", f"1 validation error detected: {violation}")


def test_every_violation_is_told_at_once() -> None:
    _, message = refusal("CreateAlias", {"AliasName": ""})
    assert message.startswith("3 validation errors detected: ")


def test_a_long_list_of_bad_items_costs_no_more_than_a_short_one() -> None:
    code, message = refusal("UntagResource", {"KeyId": "k", "TagKeys": [""] * 50_000})
    assert code == "ValidationException"
    assert message.startswith("32 validation errors detected: ")


@given(
    operation=st.sampled_from(sorted(kms_json.REQUEST_TYPES)),
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["KeyId", "GrantTokens", "Tags", "Constraints", "Operations", "a"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=8,
    ),
)
def test_any_json_is_a_request_or_a_refusal(operation: str, body: Any) -> None:
    try:
        found: object = type(decoded(operation, body))
    except (CommonError, ModelViolationError) as error:
        found = error.code
    assert found in {kms_json.REQUEST_TYPES[operation], "SerializationException", "ValidationException"}


# --- answers


def test_DOC_an_answer_has_the_models_names_times_in_seconds_and_blobs_in_base64() -> None:
    answer = kms_responses.CreateKeyResponse(
        key_metadata=kms_responses.KeyMetadata(
            aws_account_id="111122223333",
            key_id="k",
            arn="a",
            creation_date_ms=1_790_000_000_123,
            enabled=True,
            description="",
            key_usage="ENCRYPT_DECRYPT",
            key_state="Enabled",
            origin="AWS_KMS",
            key_manager="CUSTOMER",
            customer_master_key_spec="SYMMETRIC_DEFAULT",
            key_spec="SYMMETRIC_DEFAULT",
            encryption_algorithms=("SYMMETRIC_DEFAULT",),
            multi_region=False,
        )
    )
    response = kms_json.encode("CreateKey", answer, REQUEST_ID)
    metadata = json.loads(response.body)["KeyMetadata"]
    assert (metadata["AWSAccountId"], metadata["CreationDate"]) == ("111122223333", 1_790_000_000.123)
    assert metadata["EncryptionAlgorithms"] == ["SYMMETRIC_DEFAULT"]
    assert "DeletionDate" not in metadata
    assert response.status == 200
    assert ("Content-Type", "application/x-amz-json-1.1") in response.headers
    assert ("x-amzn-RequestId", REQUEST_ID) in response.headers
    blob = kms_json.encode("GenerateRandom", kms_responses.GenerateRandomResponse(plaintext=b"\xff"), "")
    assert json.loads(blob.body) == {"Plaintext": "/w=="}


def test_an_operation_that_only_does_something_answers_without_a_body() -> None:
    response = kms_json.encode("EnableKey", kms_responses.EmptyResponse(), REQUEST_ID)
    assert (response.status, response.body) == (200, b"")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        pytest.param(KmsError("NotFoundException", "m"), 400, "NotFoundException", id="DOC-400"),
        pytest.param(
            KmsError("DryRunOperationException", "m", status=412),
            412,
            "DryRunOperationException",
            id="DOC-412",
        ),
        pytest.param(ModelViolationError("v"), 400, "ValidationException", id="DOC-model"),
        pytest.param(
            CommonError("InvalidSignatureException", 403, "m"), 400, "InvalidSignatureException", id="DOC-403"
        ),
        pytest.param(
            CommonError("UnknownOperationException", 404, "m"), 400, "UnknownOperationException", id="DOC-404"
        ),
        pytest.param(
            CommonError("RequestEntityTooLargeException", 413, "m"),
            413,
            "RequestEntityTooLargeException",
            id="INFERRED-413",
        ),
        pytest.param(AccessDeniedError("m"), 400, "AccessDeniedException", id="DOC-denied"),
        pytest.param(RequestThrottledError("m"), 400, "ThrottlingException", id="DOC-throttled"),
        pytest.param(InternalServerError("m"), 500, "KMSInternalException", id="DOC-500"),
        pytest.param(InvariantError("m"), 500, "KMSInternalException", id="DOC-500-bug"),
        pytest.param(StoreUnusable("m"), 500, "KMSInternalException", id="DOC-500-store"),
        pytest.param(KeyProviderUnavailable("m"), 503, "DependencyTimeoutException", id="DOC-503"),
        pytest.param(Overloaded("m"), 503, "ServiceUnavailableException", id="INFERRED-503"),
    ],
)
def test_an_error_has_its_code_in_the_body(error: Exception, status: int, code: str) -> None:
    found, body = told(kms_json.encode_error(error, REQUEST_ID))
    assert (found, body["__type"]) == (status, code)
    assert set(body) == {"__type", "message"}


def test_what_went_wrong_inside_is_not_told() -> None:
    for error in (InvariantError("secret"), StoreUnusable("secret"), KeyProviderUnavailable("secret")):
        assert b"secret" not in kms_json.encode_error(error, REQUEST_ID).body


def test_whoever_should_ask_again_is_told_when() -> None:
    response = kms_json.encode_error(KeyProviderUnavailable("m"), REQUEST_ID)
    assert ("Retry-After", "5") in response.headers


def test_a_message_with_half_a_surrogate_pair_is_sent_without_it() -> None:
    _, body = told(kms_json.encode_error(KmsError("NotFoundException", "a\ud800b"), REQUEST_ID))
    assert body["message"] == "a?b"
