"""The Recycle Bin's protocol, JSON under paths: requests to messages, messages and errors to bodies.

    POST /rules      {"RetentionPeriod": …, "ResourceType": "EBS_SNAPSHOT"}
    PATCH /rules/{identifier}      DELETE /tags/{resourceArn}?tagKeys=…

As strict as KMS's reader, which reads here too: a member that the model does not have is refused, in the body or the
query, so that no parameter is ever ignored. Errors are what the EBS direct APIs' are: the code stands in a header.
"""

from collections.abc import Mapping
from typing import Any, Final, get_args

import msgspec

from neve.errors import CommonError, ModelViolationError, RbinError
from neve.messages import rbin
from neve.messages.http import RequestHead, Response
from neve.wire import percent, restjson_responses
from neve.wire.json_structures import parsed, structure
from neve.wire.kms_reader import Reader, reader_of
from neve.wire.routes import RBIN_OPERATIONS, Route

REQUEST_TYPES: Final[Mapping[str, type[rbin.RbinRequest]]] = {
    request_type.__name__.removesuffix("Request"): request_type for request_type in get_args(rbin.RbinRequest)
}
"""Operation to request."""

_READERS: Final[Mapping[str, Reader]] = {
    operation: reader_of(request_type) for operation, request_type in REQUEST_TYPES.items()
}
_IN_PATH: Final[Mapping[str, str]] = {"identifier": "Identifier", "resourceArn": "ResourceArn"}
_IN_QUERY: Final[Mapping[str, Mapping[str, str]]] = {"UntagResource": {"tagKeys": "TagKeys"}}
_SIGNATURE_PREFIX: Final = "X-Amz-"
"""Query parameters of a presigned request; they belong to the signature."""
_JSON: Final = msgspec.json.Encoder()


def decode(route: Route, head: RequestHead, body: bytes) -> tuple[str, rbin.RbinRequest]:
    """Return the operation and its message.

    Raises:
        CommonError: SerializationException; MalformedHttpRequestException for a query that cannot be read.
        ModelViolationError: every member that breaks the model, in one message.
    """
    members = parsed(body)
    if not isinstance(members, dict):
        raise CommonError("SerializationException", 400, "'the body' is not a structure.")
    elsewhere: dict[str, Any] = {
        _IN_PATH[name]: text for name, text in route.path_parameters.items()
    } | _in_query(route.operation, head)
    for name in elsewhere:
        if name in members:
            raise CommonError("SerializationException", 400, f"The member '{name}' is not part of the body.")
    violations: list[str] = []
    request: rbin.RbinRequest = _READERS[route.operation].read("", members | elsewhere, violations)
    if violations:
        raise ModelViolationError(*violations)
    return route.operation, request


def encode(operation: str, response: rbin.RbinResponse, request_id: str) -> Response:
    """Return a successful answer as HTTP."""
    status = RBIN_OPERATIONS[operation].status
    if isinstance(response, rbin.EmptyResponse):
        # No body may follow 204, so nothing is said about one.
        body, headers = (b"", []) if status == 204 else (b"{}", [("Content-Type", "application/json")])
    else:
        body, headers = _JSON.encode(structure(response)), [("Content-Type", "application/json")]
    if status != 204:
        headers.append(("Content-Length", str(len(body))))
    return Response(status=status, headers=[("x-amzn-RequestId", request_id), *headers], body=body)


def encode_error(error: Exception, request_id: str) -> Response:
    """Return an error as HTTP."""
    if not isinstance(error, RbinError):
        return restjson_responses.encode_error(error, request_id)
    body = _JSON.encode(
        {"Message": error.message.encode("utf-8", "replace").decode(), "Reason": error.reason}
    )
    return Response(
        status=error.status,
        headers=[
            ("x-amzn-RequestId", request_id),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("x-amzn-ErrorType", error.code),
        ],
        body=body,
    )


def _in_query(operation: str, head: RequestHead) -> dict[str, list[str]]:
    known = _IN_QUERY.get(operation, {})
    found = {}
    for name, texts in percent.query_values(head.raw_query).items():
        if name in known:
            found[known[name]] = texts
        elif not name.startswith(_SIGNATURE_PREFIX):
            raise CommonError("SerializationException", 400, f"No member '{name[:128]}' is known here.")
    return found
