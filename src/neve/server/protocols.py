"""The protocols of the services, as a table: all that the steps of a request do differently for each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from neve.auth import failures
from neve.errors import AccessDeniedError, CommonError, Ec2Error, KmsError, RequestError, StsError
from neve.limits import Limits
from neve.messages.http import RequestHead, Response
from neve.wire import (
    ec2query,
    ec2xml,
    kms_json,
    rbin_json,
    restjson_requests,
    restjson_responses,
    sts_query,
    sts_xml,
)
from neve.wire.routes import Route, Service

_EC2_DENIAL: Final = "You are not authorized to perform this operation. "


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """How one service is spoken."""

    decode: Callable[[Route, RequestHead, bytes], tuple[str, Any]]
    """Return the operation's name and its message; raise `RequestError`."""
    encode: Callable[[str, Any, str], Response]
    """Return the answer of an operation, with the request's id."""
    encode_error: Callable[[Exception, str], Response]
    unproven: Callable[[CommonError], RequestError]
    """Return what is said instead of a failure to prove who one is."""
    denied: Callable[[str], RequestError]
    """Return the refusal that has this sentence."""
    body_bytes_max: Callable[[Limits], int]
    headers: tuple[tuple[str, str], ...] = ()
    """What every answer has beside the common ones."""


def _ebs_decode(route: Route, head: RequestHead, body: bytes) -> tuple[str, Any]:
    return route.operation, restjson_requests.decode(route, head, body)


def _json_bytes_max(limits: Limits) -> int:
    return limits.json_body_bytes_max


def _form_bytes_max(limits: Limits) -> int:
    return limits.form_body_bytes_max


PROTOCOLS: Final[Mapping[Service, Protocol]] = {
    Service.EBS: Protocol(
        decode=_ebs_decode,
        encode=lambda _operation, response, request_id: restjson_responses.encode(response, request_id),
        encode_error=restjson_responses.encode_error,
        unproven=lambda error: error,
        denied=AccessDeniedError,
        body_bytes_max=_json_bytes_max,
    ),
    Service.EC2: Protocol(
        decode=lambda _route, head, body: ec2query.decode(head, body),
        encode=ec2xml.encode,
        encode_error=ec2xml.encode_error,
        unproven=failures.as_ec2,
        denied=lambda sentence: Ec2Error("UnauthorizedOperation", _EC2_DENIAL + sentence, status=403),
        body_bytes_max=_form_bytes_max,
        headers=(("Server", "AmazonEC2"),),  # contract 9.1
    ),
    Service.KMS: Protocol(
        decode=lambda _route, head, body: kms_json.decode(head, body),
        encode=kms_json.encode,
        encode_error=kms_json.encode_error,
        unproven=lambda error: error,
        denied=lambda sentence: KmsError("AccessDeniedException", sentence),
        body_bytes_max=_json_bytes_max,
    ),
    Service.RBIN: Protocol(
        decode=rbin_json.decode,
        encode=rbin_json.encode,
        encode_error=rbin_json.encode_error,
        unproven=lambda error: error,
        denied=AccessDeniedError,
        body_bytes_max=_json_bytes_max,
    ),
    Service.STS: Protocol(
        decode=lambda _route, head, body: sts_query.decode(head, body),
        encode=sts_xml.encode,
        encode_error=sts_xml.encode_error,
        unproven=failures.as_sts,
        denied=lambda sentence: StsError("AccessDenied", sentence, status=403),
        body_bytes_max=_json_bytes_max,
    ),
}
