"""Answers of the EBS direct APIs: messages and errors to JSON, headers and statuses.

Members stand in the order of the live service, absent ones are null (contract 0.1, rule 4), times are epoch
seconds with a fraction. `Date` and `Connection` belong to the server that sends the answer.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from neve.errors import (
    CommonError,
    EbsError,
    InternalServerError,
    ModelViolationError,
    Overloaded,
    RequestError,
    StoreUnavailable,
)
from neve.messages import ebs
from neve.messages.http import Response
from neve.wire.routes import EBS_OPERATIONS

_CORAL: Final = "http://internal.amazon.com/coral/"
_SERVICE_FAMILY: Final = _CORAL + "com.amazon.zeppelindataservice/"
_VALIDATION_FAMILY: Final = _CORAL + "com.amazon.coral.validate/"
_COMMON_FAMILY: Final = _CORAL + "com.amazon.coral.service/"
"""What follows the code in `x-amzn-ErrorType` (contract 1.4); every SDK cuts it off."""

OVERLOAD_RETRY_AFTER_S: Final = 1
UNAVAILABLE_RETRY_AFTER_S: Final = 5


class _StartSnapshot(msgspec.Struct, rename="pascal"):
    block_size: int
    description: str | None
    kms_key_arn: str | None
    owner_id: str
    parent_snapshot_id: str | None
    snapshot_id: str
    sse_type: str | None
    start_time: float
    status: str
    tags: list[dict[str, str]] | None
    volume_size: int


class _CompleteSnapshot(msgspec.Struct, rename="pascal"):
    status: str


class _ListSnapshotBlocks(msgspec.Struct, rename="pascal"):
    block_size: int
    blocks: Sequence[ebs.Block]
    expiry_time: float
    next_token: str | None
    volume_size: int


class _ListChangedBlocks(msgspec.Struct, rename="pascal"):
    block_size: int
    changed_blocks: Sequence[ebs.ChangedBlock]
    expiry_time: float
    last_evaluated_block_index: None
    """Not in the model, always null in live answers (contract 1.2)."""
    next_token: str | None
    volume_size: int


class _ServiceError(msgspec.Struct, rename="pascal", omit_defaults=True):
    message: str
    reason: str | None = None


_JSON: Final = msgspec.json.Encoder()


def encode(response: ebs.EbsResponse, request_id: str) -> Response:
    """Return a successful answer as HTTP."""
    operation, encoder = _ENCODERS[type(response)]
    content_type, headers, body = encoder(response)
    return Response(
        status=EBS_OPERATIONS[operation].status,
        headers=[*_common_headers(request_id, content_type, body), *headers],
        body=body,
    )


def encode_error(error: Exception, request_id: str) -> Response:
    """Return an error as HTTP, in its family (contract 1.4).

    An error that is not the caller's says nothing of what happened inside: the request id leads to the log.
    """
    told = _told(error)
    headers = []
    if isinstance(told, EbsError):
        family = _SERVICE_FAMILY
        reason = None if told.reason is None else str(told.reason)
        body = _JSON.encode(_ServiceError(message=_sendable(told.message), reason=reason))
    else:
        family = _VALIDATION_FAMILY if isinstance(told, ModelViolationError) else _COMMON_FAMILY
        body = _JSON.encode({"message": _sendable(told.message)})
    if isinstance(told, CommonError) and told.retry_after_s:
        # The Rust SDK reads the second one, in milliseconds (contract 8.3).
        headers.append(("Retry-After", str(told.retry_after_s)))
        headers.append(("x-amz-retry-after", str(told.retry_after_s * 1000)))
    headers.append(("x-amzn-ErrorType", f"{told.code}:{family}"))
    return Response(
        status=told.status,
        headers=[*_common_headers(request_id, "application/json", body), *headers],
        body=body,
    )


def _told(error: Exception) -> RequestError:
    if isinstance(error, RequestError):
        return error
    if isinstance(error, Overloaded):
        return CommonError(
            "ServiceUnavailable", 503, "The service is busy.", retry_after_s=OVERLOAD_RETRY_AFTER_S
        )
    if isinstance(error, StoreUnavailable):
        return CommonError(
            "ServiceUnavailable",
            503,
            "The service is unavailable for the moment.",
            retry_after_s=UNAVAILABLE_RETRY_AFTER_S,
        )
    return InternalServerError("An internal error occurred.")


def _sendable(text: str) -> str:
    """Return `text` without the halves of surrogate pairs that stand for bytes a client sent undecodable."""
    return text.encode("utf-8", "replace").decode()


def _common_headers(request_id: str, content_type: str, body: bytes) -> list[tuple[str, str]]:
    return [
        ("x-amzn-RequestId", request_id),
        ("Content-Type", content_type),
        ("Content-Length", str(len(body))),
    ]


_Encoded = tuple[str, list[tuple[str, str]], bytes]
"""Content type, headers of this operation, body."""


def _json(structure: object) -> _Encoded:
    return "application/json", [], _JSON.encode(structure)


def _start_snapshot(response: ebs.StartSnapshotResponse) -> _Encoded:
    tags = response.tags
    return _json(
        _StartSnapshot(
            block_size=response.block_size,
            description=response.description,
            kms_key_arn=response.kms_key_arn,
            owner_id=response.owner_id,
            parent_snapshot_id=response.parent_snapshot_id,
            snapshot_id=response.snapshot_id,
            sse_type=response.sse_type,
            start_time=response.start_time_ms / 1000,
            status=response.status,
            tags=[{"Key": tag.key, "Value": tag.value} for tag in tags] if tags else None,
            volume_size=response.volume_size,
        )
    )


def _put_snapshot_block(response: ebs.PutSnapshotBlockResponse) -> _Encoded:
    return "application/json", _checksum_headers(response.checksum, response.checksum_algorithm), b"{}"


def _complete_snapshot(response: ebs.CompleteSnapshotResponse) -> _Encoded:
    return _json(_CompleteSnapshot(status=response.status))


def _list_snapshot_blocks(response: ebs.ListSnapshotBlocksResponse) -> _Encoded:
    return _json(
        _ListSnapshotBlocks(
            block_size=response.block_size,
            blocks=response.blocks,
            expiry_time=response.expiry_time_ms / 1000,
            next_token=response.next_token,
            volume_size=response.volume_size,
        )
    )


def _list_changed_blocks(response: ebs.ListChangedBlocksResponse) -> _Encoded:
    return _json(
        _ListChangedBlocks(
            block_size=response.block_size,
            changed_blocks=response.changed_blocks,
            expiry_time=response.expiry_time_ms / 1000,
            last_evaluated_block_index=None,
            next_token=response.next_token,
            volume_size=response.volume_size,
        )
    )


def _get_snapshot_block(response: ebs.GetSnapshotBlockResponse) -> _Encoded:
    headers = [
        ("x-amz-Data-Length", str(response.data_length)),
        *_checksum_headers(response.checksum, response.checksum_algorithm),
    ]
    return "application/octet-stream", headers, response.block_data


def _checksum_headers(checksum: str, algorithm: str) -> list[tuple[str, str]]:
    return [("x-amz-Checksum", checksum), ("x-amz-Checksum-Algorithm", algorithm)]


_ENCODERS: Final[Mapping[type[ebs.EbsResponse], tuple[str, Callable[[Any], _Encoded]]]] = {
    ebs.StartSnapshotResponse: ("StartSnapshot", _start_snapshot),
    ebs.PutSnapshotBlockResponse: ("PutSnapshotBlock", _put_snapshot_block),
    ebs.CompleteSnapshotResponse: ("CompleteSnapshot", _complete_snapshot),
    ebs.ListSnapshotBlocksResponse: ("ListSnapshotBlocks", _list_snapshot_blocks),
    ebs.ListChangedBlocksResponse: ("ListChangedBlocks", _list_changed_blocks),
    ebs.GetSnapshotBlockResponse: ("GetSnapshotBlock", _get_snapshot_block),
}
