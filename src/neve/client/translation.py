"""botocore's exceptions in our words: the one place that knows both.

A refusal is sorted by its code (contract 1.4, 1.5, 9.1), an unknown code by its HTTP status. Two faults can
be told only by their text, because the service gives them the code of another (contract 4 and 8.2).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

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

_ACCESS: Final = frozenset({
    "AccessDeniedException", "AuthFailure", "ExpiredTokenException", "IncompleteSignature",
    "IncompleteSignatureException", "InvalidClientTokenId", "InvalidSignatureException",
    "MissingAuthenticationToken", "MissingAuthenticationTokenException", "NotAuthorized", "OptInRequired",
    "RequestExpired", "SignatureDoesNotMatch", "UnauthorizedOperation", "UnrecognizedClientException",
})  # fmt: skip
_MISSING: Final = frozenset({"InvalidSnapshot.NotFound", "InvalidSnapshotID.Malformed"})
_BUSY: Final = frozenset({
    "InternalError", "InternalFailure", "InternalServerException", "RequestLimitExceeded",
    "RequestThrottledException", "RequestTimeoutException", "ServiceUnavailable", "Throttling",
    "ThrottlingException", "Unavailable",
})  # fmt: skip
_BUSY_REASONS: Final = frozenset({"CONFLICTING_BLOCK_UPDATE", "WRITE_REQUEST_TIMEOUT"})

_BODY_LOST: Final = "Failed to read block data"
"""Contract 4 and 8.2: a ValidationException, and yet worth repeating."""
_BODY_DAMAGED: Final = "The value passed in as x-amz-Checksum does not match"
"""Contract 4: an InvalidSignatureException, though it is the body and not the signature that is wrong."""

_ADVICE_ACCESS: Final = (
    "Check the access key and its secret (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or --profile), the region, "
    "the endpoint they belong to, and this machine's clock."
)
_ADVICE_MISSING: Final = "`neve list` shows the snapshots of this account here; check the id, --region, --endpoint-url and --profile."
_ADVICE_CREDENTIALS: Final = (
    "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile of ~/.aws with --profile. "
    "`neve init` prints a pair for a new store."
)
_ADVICE_REGION: Final = (
    "Set --region, AWS_REGION or `region` in the profile; `neve init` prints the region of a new store."
)
_ADVICE_ENDPOINT: Final = (
    "Check that the service is running and that --endpoint-url or AWS_ENDPOINT_URL names it."
)
_ADVICE_TLS: Final = (
    "Check http:// against https://, and the certificate (AWS_CA_BUNDLE names your own authority)."
)


@contextmanager
def translated() -> Iterator[None]:
    """Turn what botocore raises inside into our errors; each names its cause."""
    try:
        yield
    except boto.ClientError as error:
        raise refusal(error.response, error.operation_name) from error
    except (boto.BotoCoreError, ResponseParserError) as error:
        raise _fault(error) from error
    except KeyError as error:
        raise AnswerUnexpected(
            f"the answer lacks the member {error}", advice="Is it an EBS endpoint that listens there?"
        ) from error


def refusal(response: Mapping[str, Any], operation: str) -> ClientError:  # noqa: PLR0911 - a table: a line a kind
    """Return the error for an error answer in botocore's parsed form."""
    details = response.get("Error", {})
    code, text = str(details.get("Code", "")), str(details.get("Message", ""))
    reason = str(response.get("Reason", ""))
    metadata = response.get("ResponseMetadata", {})
    status = int(metadata.get("HTTPStatusCode", 0))
    message = (
        f"{operation} was refused: {text or 'no reason given'} ({code}{', ' + reason if reason else ''})"
    )
    if code in _BUSY or reason in _BUSY_REASONS or text.startswith(_BODY_LOST) or status in {408, 429} | _5XX:
        return ServiceBusy(message, retry_after_s=_retry_after_s(metadata.get("HTTPHeaders", {})))
    if text.startswith(_BODY_DAMAGED):
        return AnswerDamaged(message, advice="Blocks arrive damaged: look at the network in between.")
    if code in _ACCESS or status in {401, 403}:
        return AccessRefused(message, code=code, reason=reason, advice=_ADVICE_ACCESS)
    if code in _MISSING or (code == "ResourceNotFoundException" and reason == "SNAPSHOT_NOT_FOUND"):
        return SnapshotMissing(message, code=code, reason=reason, advice=_ADVICE_MISSING)
    if reason == "INVALID_PAGE_TOKEN":
        return PageTokenRefused(message, code=code, reason=reason)
    if code.isdecimal() or code in {"UnknownOperationException", "InvalidAction"}:
        # botocore makes a code of the status when the answer carries none: no AWS service answers so.
        return AnswerUnexpected(
            message, advice="Is it an EBS endpoint that listens there? " + _ADVICE_ENDPOINT
        )
    return ServiceRefused(message, code=code, reason=reason)


_5XX: Final = frozenset(range(500, 600)) - {501, 505}


def _retry_after_s(headers: Mapping[str, str]) -> float:
    """Return how long the service asks to be left alone; 0 if it does not say.

    `x-amz-retry-after` is milliseconds (contract 8.3), `Retry-After` seconds (choice 63).
    """
    for name, unit_s in (("x-amz-retry-after", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "")
        if value.isdecimal():
            return int(value) * unit_s
    return 0.0


def _fault(error: Exception) -> ClientError:  # noqa: PLR0911 - a table: a line a kind
    """Return the error for a failure on our side of the wire or on the wire itself."""
    match error:
        case boto.NoCredentialsError() | boto.PartialCredentialsError():
            return NotConfigured(f"no usable credentials: {error}", advice=_ADVICE_CREDENTIALS)
        case boto.CredentialRetrievalError() | boto.TokenRetrievalError() | boto.SSOError():
            return NotConfigured(f"the credentials could not be fetched: {error}", advice="Log in again.")
        case boto.NoRegionError() | boto.InvalidRegionError():
            return NotConfigured("no valid region is set", advice=_ADVICE_REGION)
        case boto.ProfileNotFound():
            return NotConfigured(
                str(error), advice="`aws configure list-profiles` shows the profiles there are."
            )
        case boto.SSLError():
            return NotConfigured(f"no trusted connection: {error}", advice=_ADVICE_TLS)
        case boto.HTTPClientError() | boto.ConnectionError() | boto.IncompleteReadError():
            return ServiceUnreachable(str(error), advice=_ADVICE_ENDPOINT)
        case boto.ParamValidationError():
            return ServiceRefused(f"the request cannot be sent: {error}", code="ParamValidation")
        case ResponseParserError():
            return AnswerUnexpected(f"the answer cannot be read: {error}", advice=_ADVICE_ENDPOINT)
        case _:
            return NotConfigured(f"the AWS settings cannot be used: {error}")
