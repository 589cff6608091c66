"""Answers of the EC2 query protocol: messages and errors to XML (contract 9.1, 9.3).

Elements stand in the order of the live service and are left out where there is nothing to say.
"""

from collections.abc import Mapping
from typing import Final

from neve.errors import CommonError, Ec2Error, Overloaded, RequestError, StoreUnavailable
from neve.messages import ec2
from neve.messages.ebs import Tag
from neve.messages.ec2_lifecycle import LifecycleResponse
from neve.messages.http import Response
from neve.wire import ec2xml_lifecycle
from neve.wire.xml_text import DECLARATION, boolean_text, element, listed, optional, time_text

_NAMESPACE: Final = "http://ec2.amazonaws.com/doc/2016-11-15/"
_RETRY_AFTER_S: Final = 5

_EC2_CODES: Final[Mapping[str, tuple[str, int]]] = {
    "AccessDeniedException": ("UnauthorizedOperation", 403),
    "InternalServerException": ("InternalError", 500),
    "MalformedHttpRequestException": ("MalformedQueryString", 400),
    "RequestThrottledException": ("RequestLimitExceeded", 503),
    "ServiceUnavailable": ("Unavailable", 503),
    "ThrottlingException": ("RequestLimitExceeded", 503),
    "ValidationException": ("InvalidParameterValue", 400),
}
"""What EC2 calls the errors of the other protocol; the rest lose their `Exception`."""


def encode(operation: str, response: ec2.Ec2Response | LifecycleResponse, request_id: str) -> Response:
    """Return a successful answer as HTTP."""
    head = element("requestId", request_id)
    name = f"{operation}Response"
    return _response(200, f'<{name} xmlns="{_NAMESPACE}">{head}{_content(response)}</{name}>', request_id)


def _content(response: ec2.Ec2Response | LifecycleResponse) -> str:
    match response:
        case ec2.DescribeSnapshotsResponse():
            content = listed("snapshotSet", map(_snapshot, response.snapshots))
            content += optional("nextToken", response.next_token)
        case ec2.CopySnapshotResponse():
            content = element("snapshotId", response.snapshot_id)
            content += listed("tagSet", map(_tag, response.tags)) if response.tags else ""
        case ec2.DescribeTagsResponse():
            content = listed("tagSet", map(_tag_description, response.tags))
            content += optional("nextToken", response.next_token)
        case ec2.DescribeSnapshotAttributeResponse():
            content = _attribute(response)
        case ec2.EbsEncryptionByDefaultResponse():
            content = element("ebsEncryptionByDefault", boolean_text(response.ebs_encryption_by_default))
        case ec2.GetEbsEncryptionByDefaultResponse():
            content = element("ebsEncryptionByDefault", boolean_text(response.ebs_encryption_by_default))
            content += element("sseType", response.sse_type)
        case ec2.EbsDefaultKmsKeyIdResponse():
            content = element("kmsKeyId", response.kms_key_id)
        case ec2.VoidResponse():
            content = element("return", "true")
        case _:
            content = ec2xml_lifecycle.content(response)
    return content


def encode_error(error: Exception, request_id: str) -> Response:
    """Return an error as HTTP.

    An error that is not the caller's says nothing of what happened inside: the request id leads to the log.
    """
    told = _told(error)
    described = element("Code", told.code) + element("Message", told.message)
    content = f"<Errors><Error>{described}</Error></Errors>{element('RequestID', request_id)}"
    response = _response(told.status, f"<Response>{content}</Response>", request_id)
    if told.status != 503:
        return response
    return Response(
        status=response.status,
        headers=[*response.headers, ("Retry-After", str(_retry_after_s(error)))],
        body=response.body,
    )


def _told(error: Exception) -> Ec2Error:
    if isinstance(error, Ec2Error):
        return error
    if isinstance(error, RequestError):
        same = (error.code.removesuffix("Exception"), error.status)
        code, status = _EC2_CODES.get(error.code, same)
        return Ec2Error(code, error.message, status=status)
    if isinstance(error, Overloaded | StoreUnavailable):
        return Ec2Error("Unavailable", "The server is overloaded and can't handle the request.", status=503)
    return Ec2Error("InternalError", "An internal error has occurred", status=500)


def _retry_after_s(error: Exception) -> int:
    if isinstance(error, CommonError) and error.retry_after_s:
        return error.retry_after_s
    return 1 if isinstance(error, Overloaded) else _RETRY_AFTER_S


def _response(status: int, document: str, request_id: str) -> Response:
    body = (DECLARATION + document).encode()
    headers = [
        ("x-amzn-RequestId", request_id),
        ("Content-Type", "text/xml;charset=UTF-8"),
        ("Content-Length", str(len(body))),
    ]
    return Response(status=status, headers=headers, body=body)


def _snapshot(snapshot: ec2.SnapshotDescription) -> str:
    return "".join(
        (
            element("snapshotId", snapshot.snapshot_id),
            element("volumeId", snapshot.volume_id),
            element("status", snapshot.state),
            optional("statusMessage", snapshot.state_message),
            element("startTime", time_text(snapshot.start_time_ms)),
            element("progress", snapshot.progress),
            element("ownerId", snapshot.owner_id),
            element("volumeSize", str(snapshot.volume_size)),
            element("description", snapshot.description),
            element("encrypted", boolean_text(snapshot.encrypted)),
            optional("kmsKeyId", snapshot.kms_key_id),
            listed("tagSet", map(_tag, snapshot.tags)) if snapshot.tags else "",
            element("storageTier", snapshot.storage_tier),
            element("transferType", snapshot.transfer_type),
            optional("completionTime", _optional_time(snapshot.completion_time_ms)),
            optional("fullSnapshotSizeInBytes", _optional_number(snapshot.full_snapshot_size_in_bytes)),
        )
    )


def _attribute(response: ec2.DescribeSnapshotAttributeResponse) -> str:
    content = element("snapshotId", response.snapshot_id)
    if response.create_volume_permissions is not None:
        content += listed("createVolumePermission", map(_permission, response.create_volume_permissions))
    if response.product_codes is not None:
        content += listed("productCodes", map(_product_code, response.product_codes))
    return content


def _permission(permission: ec2.CreateVolumePermission) -> str:
    return optional("userId", permission.user_id) + optional("group", permission.group)


def _product_code(product_code: ec2.ProductCode) -> str:
    return element("productCode", product_code.product_code_id) + element(
        "type", product_code.product_code_type
    )


def _tag(tag: Tag) -> str:
    return element("key", tag.key) + element("value", tag.value)


def _tag_description(tag: ec2.TagDescription) -> str:
    return "".join(
        (
            element("key", tag.key),
            element("resourceId", tag.resource_id),
            element("resourceType", tag.resource_type),
            element("value", tag.value),
        )
    )


def _optional_number(number: int | None) -> str | None:
    return None if number is None else str(number)


def _optional_time(time_ms: int | None) -> str | None:
    return None if time_ms is None else time_text(time_ms)
