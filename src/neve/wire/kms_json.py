"""KMS's protocol, JSON 1.1: bodies to messages, messages and errors to bodies (contract 10).

    POST /      X-Amz-Target: TrentService.<Operation>      {"KeyId": …}

One reader serves every operation: it follows the types of the messages (`messages.kms`), which carry the model's
constraints. Strict where a lenient reader could be led astray: types are the model's, base64 is canonical, members
the model does not have are refused, so that no parameter is ever ignored. null is the same as absent, and an absent
body is an empty structure. Every error has status 400 unless KMS says otherwise.
"""

from collections.abc import Mapping
from typing import Final, get_args

import msgspec

from neve.errors import (
    CommonError,
    EbsError,
    ModelViolationError,
    Overloaded,
    RequestError,
    StoreUnavailable,
)
from neve.messages import kms
from neve.messages.http import RequestHead, Response
from neve.messages.kms_responses import EmptyResponse, KmsResponse
from neve.wire.json_structures import parsed, structure
from neve.wire.kms_reader import Reader, reader_of

TARGET_PREFIX: Final = "TrentService."
CONTENT_TYPE: Final = "application/x-amz-json-1.1"
OVERLOAD_RETRY_AFTER_S: Final = 1
UNAVAILABLE_RETRY_AFTER_S: Final = 5

REQUEST_TYPES: Final[Mapping[str, type[kms.KmsRequest]]] = {
    request_type.__name__.removesuffix("Request"): request_type for request_type in get_args(kms.KmsRequest)
}
"""Operation to request."""

_READERS: Final[Mapping[str, Reader]] = {
    operation: reader_of(request_type) for operation, request_type in REQUEST_TYPES.items()
}
_JSON: Final = msgspec.json.Encoder()
_HTTP_OF_OTHER_PROTOCOLS: Final = frozenset({403, 404})
"""Statuses that errors every service shares have elsewhere and not in JSON 1.1, where the code alone tells."""


def decode(head: RequestHead, body: bytes) -> tuple[str, kms.KmsRequest]:
    """Return the operation and its message.

    Raises:
        CommonError: UnknownOperationException, SerializationException.
        ModelViolationError: every member that breaks the model, in one message.
    """
    operation = _operation(head)
    request: kms.KmsRequest
    violations: list[str] = []
    request = _READERS[operation].read("", parsed(body), violations)
    if violations:
        raise ModelViolationError(*violations)
    return operation, request


def encode(_operation: str, response: KmsResponse, request_id: str) -> Response:
    """Return a successful answer as HTTP."""
    body = b"" if isinstance(response, EmptyResponse) else _JSON.encode(structure(response))
    return _answer(200, body, request_id)


def encode_error(error: Exception, request_id: str) -> Response:
    """Return an error as HTTP.

    One that is not the caller's says nothing of what happened inside: the request id leads to the log.
    """
    code, status, message = _told(error)
    headers = []
    if retry_after_s := _retry_after_s(error):
        headers = [("Retry-After", str(retry_after_s)), ("x-amz-retry-after", str(retry_after_s * 1000))]
    sendable = message.encode("utf-8", "replace").decode()
    return _answer(status, _JSON.encode({"__type": code, "message": sendable}), request_id, *headers)


def _operation(head: RequestHead) -> str:
    targets = [value.strip(" \t") for value in head.values("x-amz-target")]
    operation = targets[0].removeprefix(TARGET_PREFIX) if len(targets) == 1 else ""
    if operation not in REQUEST_TYPES or targets[0] != TARGET_PREFIX + operation:
        raise CommonError("UnknownOperationException", 400, "The requested operation is not known here.")
    return operation


def _answer(status: int, body: bytes, request_id: str, *more: tuple[str, str]) -> Response:
    return Response(
        status=status,
        headers=[
            ("x-amzn-RequestId", request_id),
            ("Content-Type", CONTENT_TYPE),
            ("Content-Length", str(len(body))),
            *more,
        ],
        body=body,
    )


def _told(error: Exception) -> tuple[str, int, str]:
    if isinstance(error, EbsError) and error.status < 500:
        # The steps before an operation refuse in EBS's words what every service has.
        code = "ThrottlingException" if error.code == "RequestThrottledException" else error.code
        return code, 400, error.message
    if isinstance(error, RequestError) and not isinstance(error, EbsError):
        return error.code, 400 if error.status in _HTTP_OF_OTHER_PROTOCOLS else error.status, error.message
    if isinstance(error, Overloaded):
        return "ServiceUnavailableException", 503, "The service is busy."
    if isinstance(error, StoreUnavailable):
        return "DependencyTimeoutException", 503, "The service is unavailable for the moment."
    return "KMSInternalException", 500, "An internal error occurred."


def _retry_after_s(error: Exception) -> int:
    if isinstance(error, CommonError):
        return error.retry_after_s
    if isinstance(error, Overloaded):
        return OVERLOAD_RETRY_AFTER_S
    return UNAVAILABLE_RETRY_AFTER_S if isinstance(error, StoreUnavailable) else 0
