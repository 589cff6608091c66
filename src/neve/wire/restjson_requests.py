"""Requests of the EBS direct APIs: heads and JSON bodies to messages, checked against the model.

Strict where a lenient reader could be led astray: numbers are ASCII digits, JSON is UTF-8 and has the model's
types, and what may be given once may not be given twice. Lenient where every rest-json service is: members and
query parameters the model does not have are ignored, of a JSON member given twice the last one counts, null
is the same as absent, and an absent body is an empty structure.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from neve.errors import CommonError, ModelViolationError, ValidationError, ValidationReason
from neve.messages import ebs
from neve.messages.constraints import REQUESTS, TAG_MEMBERS, Location, Member
from neve.messages.http import RequestHead
from neve.wire import coral, percent
from neve.wire.routes import Route

REQUEST_TYPES: Final[Mapping[str, type[ebs.EbsRequest]]] = {
    "StartSnapshot": ebs.StartSnapshotRequest,
    "PutSnapshotBlock": ebs.PutSnapshotBlockRequest,
    "CompleteSnapshot": ebs.CompleteSnapshotRequest,
    "ListSnapshotBlocks": ebs.ListSnapshotBlocksRequest,
    "ListChangedBlocks": ebs.ListChangedBlocksRequest,
    "GetSnapshotBlock": ebs.GetSnapshotBlockRequest,
}


class _TagBody(msgspec.Struct, rename="pascal"):
    key: str | None = None
    value: str | None = None


class _StartSnapshotBody(msgspec.Struct, rename="pascal"):
    volume_size: int | None = None
    parent_snapshot_id: str | None = None
    tags: list[_TagBody] | None = None
    description: str | None = None
    client_token: str | None = None
    encrypted: bool | None = None
    kms_key_arn: str | None = None
    timeout: int | None = None


_JSON: Final = msgspec.json.Decoder(_StartSnapshotBody)


def decode(route: Route, head: RequestHead, body: bytes) -> ebs.EbsRequest:
    """Return the message of a request that carries no block.

    Raises:
        ModelViolationError: every member that breaks the model, in one message (contract 1.4).
        CommonError: not readable at all.
    """
    assert not route.carries_block
    request_type = REQUEST_TYPES[route.operation]
    if route.operation == "StartSnapshot":
        return request_type(**_start_snapshot_values(body))
    return request_type(**_text_values(route, head))


def decode_put_head(route: Route, head: RequestHead) -> ebs.PutSnapshotBlockRequest:
    """Return a block's request without the block; `dataclasses.replace(…, block_data=…)` adds it.

    Everything the head says is checked here, before the body is read (contract 4).

    Raises:
        ModelViolationError: every member that breaks the model, in one message.
        ValidationError: INVALID_CONTENT_ENCODING; a block comes as it is (choice 22).
        CommonError: not readable at all.
    """
    assert route.carries_block
    values = _text_values(route, head)
    for encoding in head.values("content-encoding"):
        if encoding.strip(" \t").lower() not in {"", "identity"}:
            raise ValidationError(
                "The Content-Encoding of a block must be absent or identity.",
                reason=ValidationReason.INVALID_CONTENT_ENCODING,
            )
    return ebs.PutSnapshotBlockRequest(**values, block_data=b"")


def _text_values(route: Route, head: RequestHead) -> dict[str, Any]:
    query = percent.query_values(head.raw_query)
    values: dict[str, Any] = {}
    violations: list[str] = []
    for member in REQUESTS[route.operation]:
        if member.location is Location.PAYLOAD:
            continue
        text = _text(member, route, head, query)
        if text is not None:
            values[member.field_name], found = coral.parsed_text(member, text)
            violations += found
        elif member.required:
            violations.append(coral.missing(member.coral_name))
    if violations:
        raise ModelViolationError(*violations)
    return values


def _text(member: Member, route: Route, head: RequestHead, query: Mapping[str, list[str]]) -> str | None:
    if member.location is Location.URI:
        return route.path_parameters[member.wire_name]
    if member.location is Location.QUERY:
        found = query.get(member.wire_name, [])
    else:
        found = [value.strip(" \t") for value in head.values(member.wire_name.lower())]
    if len(found) > 1:
        raise percent.malformed(f"{member.wire_name} is given more than once.")
    return found[0] if found else None


def _start_snapshot_values(body: bytes) -> dict[str, Any]:
    parsed = _parsed(body)
    values: dict[str, Any] = {}
    violations: list[str] = []
    for member in REQUESTS["StartSnapshot"]:
        value = getattr(parsed, member.field_name)
        if value is None:
            if member.required:
                violations.append(coral.missing(member.coral_name))
        elif isinstance(value, list):
            values[member.field_name] = tuple(
                _tag(tag, f"tags.{position}.member", violations) for position, tag in enumerate(value, 1)
            )
        else:
            values[member.field_name] = value
            violations += _value_violations(member.coral_name, member, value)
    if violations:
        raise ModelViolationError(*violations)
    return values


def _tag(tag: _TagBody, path: str, violations: list[str]) -> ebs.Tag:
    for member in TAG_MEMBERS:
        value = getattr(tag, member.field_name)
        member_path = f"{path}.{member.coral_name}"
        if value is not None:
            violations += _value_violations(member_path, member, value)
        elif member.required:
            violations.append(coral.missing(member_path))
    return ebs.Tag(tag.key or "", tag.value or "")


def _value_violations(path: str, member: Member, value: str | int | bool) -> list[str]:
    if isinstance(value, bool):
        return []
    if isinstance(value, int):
        return coral.number_violations(path, member.shape, value)
    return coral.text_violations(path, member.shape, value)


def _parsed(body: bytes) -> _StartSnapshotBody:
    try:
        # msgspec does not look at the text of members it skips.
        body.decode("utf-8")
        return _JSON.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise CommonError(
            "SerializationException", 400, "The body is not the JSON structure this operation takes."
        ) from None
