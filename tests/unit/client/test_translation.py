"""Every way in which botocore reports trouble, and what it means to us; rows carry their evidence label."""

from typing import Any

import pytest
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from neve.client.errors import (
    AccessRefused,
    AnswerDamaged,
    AnswerUnexpected,
    ClientError,
    NotConfigured,
    PageTokenRefused,
    ServiceBusy,
    ServiceRefused,
    ServiceUnreachable,
    SnapshotMissing,
)
from neve.client.translation import refusal, translated

CHECKSUM_TEXT = (
    "The value passed in as x-amz-Checksum does not match the computed checksum. Computed checksum: AAA= "
    "expected checksum: BBB="
)


def answer(
    code: str, status: int, *, reason: str = "", message: str = "text", headers: dict[str, str] | None = None
) -> dict[str, Any]:
    """An error answer as botocore hands it over."""
    parsed: dict[str, Any] = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers or {}},
    }
    return parsed | ({"Reason": reason} if reason else {})


REFUSALS = {
    "DOC: account throttled": (answer("ThrottlingException", 400), ServiceBusy),
    "DOC: snapshot throttled": (answer("RequestThrottledException", 400), ServiceBusy),
    "DOC: EC2 throttled": (answer("RequestLimitExceeded", 503), ServiceBusy),
    "DOC: internal": (answer("InternalServerException", 500), ServiceBusy),
    "DOC: overloaded": (answer("ServiceUnavailable", 503), ServiceBusy),
    "DOC: request timeout": (answer("RequestTimeoutException", 408), ServiceBusy),
    "CLIENT: a proxy's own answer": (answer("502", 502), ServiceBusy),
    "CLIENT: too many requests": (answer("429", 429), ServiceBusy),
    "REPORT: body lost on the way": (
        answer(
            "ValidationException",
            400,
            reason="INVALID_PARAMETER_VALUE",
            message="Failed to read block data",
        ),
        ServiceBusy,
    ),
    "DOC: body too slow": (
        answer("ValidationException", 400, reason="WRITE_REQUEST_TIMEOUT"),
        ServiceBusy,
    ),
    "DOC: conflicting update": (
        answer("ValidationException", 400, reason="CONFLICTING_BLOCK_UPDATE"),
        ServiceBusy,
    ),
    "LIVE: body damaged on the way": (
        answer("InvalidSignatureException", 403, message=CHECKSUM_TEXT),
        AnswerDamaged,
    ),
    "DOC: wrong signature": (answer("InvalidSignatureException", 403), AccessRefused),
    "DOC: unknown key": (answer("UnrecognizedClientException", 403), AccessRefused),
    "LIVE: no permission": (answer("AccessDeniedException", 403), AccessRefused),
    "REPORT: EC2 credentials": (answer("AuthFailure", 401), AccessRefused),
    "DOC: EC2 permission": (answer("UnauthorizedOperation", 403), AccessRefused),
    "DOC: EC2 clock": (answer("RequestExpired", 400), AccessRefused),
    "LIVE: no such snapshot": (
        answer("ResourceNotFoundException", 404, reason="SNAPSHOT_NOT_FOUND"),
        SnapshotMissing,
    ),
    "LIVE: no such snapshot, EC2": (answer("InvalidSnapshot.NotFound", 400), SnapshotMissing),
    "LIVE: no key": (
        answer("ResourceNotFoundException", 404, reason="DEPENDENCY_RESOURCE_NOT_FOUND"),
        ServiceRefused,
    ),
    "LIVE: page token": (
        answer("ValidationException", 400, reason="INVALID_PAGE_TOKEN"),
        PageTokenRefused,
    ),
    "LIVE: block token": (
        answer("ValidationException", 400, reason="INVALID_BLOCK_TOKEN"),
        ServiceRefused,
    ),
    "INFERRED: too many pending": (answer("ConcurrentLimitExceededException", 400), ServiceRefused),
    "CLIENT: an answer without a code": (answer("404", 404), AnswerUnexpected),
    "DOC: no such path": (answer("UnknownOperationException", 404), AnswerUnexpected),
}


@pytest.mark.parametrize("row", REFUSALS)
def test_a_refusal_is_sorted_by_what_it_means(row: str) -> None:
    parsed, meaning = REFUSALS[row]
    error = refusal(parsed, "PutSnapshotBlock")
    assert type(error) is meaning
    assert "PutSnapshotBlock" in error.message
    assert parsed["Error"]["Message"] in error.message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0.0),
        ({"retry-after": "3"}, 3.0),
        ({"x-amz-retry-after": "1500"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0.0),
        ({"retry-after": "-1"}, 0.0),
    ],
)
def test_a_busy_service_may_say_for_how_long(headers: dict[str, str], seconds: float) -> None:
    error = refusal(answer("ServiceUnavailable", 503, headers=headers), "PutSnapshotBlock")
    assert isinstance(error, ServiceBusy)
    assert error.retry_after_s == seconds


FAULTS = {
    "no credentials": (boto.NoCredentialsError(), NotConfigured),
    "half of the credentials": (
        boto.PartialCredentialsError(provider="env", cred_var="secret"),
        NotConfigured,
    ),
    "no region": (boto.NoRegionError(), NotConfigured),
    "no profile": (boto.ProfileNotFound(profile="nobody"), NotConfigured),
    "expired login": (boto.UnauthorizedSSOTokenError(), NotConfigured),
    "certificate": (boto.SSLError(endpoint_url="https://x", error=OSError("bad")), NotConfigured),
    "settings file": (boto.ConfigParseError(path="config"), NotConfigured),
    "no connection": (boto.EndpointConnectionError(endpoint_url="http://x"), ServiceUnreachable),
    "slow connection": (boto.ConnectTimeoutError(endpoint_url="http://x"), ServiceUnreachable),
    "no answer": (boto.ReadTimeoutError(endpoint_url="http://x"), ServiceUnreachable),
    "closed": (boto.ConnectionClosedError(endpoint_url="http://x"), ServiceUnreachable),
    "body broke off": (boto.ResponseStreamingError(error="x"), ServiceUnreachable),
    "body too short": (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), ServiceUnreachable),
    "proxy": (boto.ProxyConnectionError(proxy_url="http://x"), ServiceUnreachable),
    "cannot be sent": (boto.ParamValidationError(report="x"), ServiceRefused),
    "cannot be read": (ResponseParserError("x"), AnswerUnexpected),
    "member missing": (KeyError("BlockSize"), AnswerUnexpected),
}


@pytest.mark.parametrize("row", FAULTS)
def test_a_fault_is_sorted_by_who_must_act(row: str) -> None:
    fault, meaning = FAULTS[row]
    with pytest.raises(ClientError) as raised, translated():
        raise fault
    assert type(raised.value) is meaning
    assert raised.value.__cause__ is fault


@pytest.mark.parametrize(
    ("meaning", "worth_it"),
    [
        (ServiceUnreachable, True),
        (ServiceBusy, True),
        (AnswerDamaged, True),
        (ServiceRefused, False),
        (AccessRefused, False),
        (SnapshotMissing, False),
        (NotConfigured, False),
        (AnswerUnexpected, False),
    ],
)
def test_an_error_says_whether_calling_again_may_help(meaning: type[ClientError], worth_it: bool) -> None:
    assert meaning.safe_to_retry is worth_it
