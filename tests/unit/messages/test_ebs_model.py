"""Messages, constraints, statuses and errors against the service model that botocore ships.

Nothing may be missing and nothing extra: a typo here fails a test and not a client. Where neve differs on
purpose, `DEVIATIONS` says so, and must stop saying so once the model agrees.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, get_args

import botocore.loaders
import msgspec
import pytest

from neve import errors
from neve.messages import ebs
from neve.messages.constraints import DEVIATIONS, REQUESTS, TAG_MEMBERS, Kind, Location, Member, Shape
from neve.wire.restjson_requests import REQUEST_TYPES
from neve.wire.routes import EBS_OPERATIONS

MODEL: Mapping[str, Any] = botocore.loaders.Loader().load_service_model("ebs", "service-2")
OPERATIONS: Mapping[str, Any] = MODEL["operations"]
SHAPES: Mapping[str, Any] = MODEL["shapes"]
RESPONSES = {response.__name__: response for response in get_args(ebs.EbsResponse)}
REASONS: Mapping[str, type[StrEnum]] = {
    "AccessDeniedException": errors.AccessDeniedReason,
    "ValidationException": errors.ValidationReason,
    "ResourceNotFoundException": errors.ResourceNotFoundReason,
    "RequestThrottledException": errors.RequestThrottledReason,
    "ServiceQuotaExceededException": errors.ServiceQuotaExceededReason,
}
ITEMS: Mapping[str, type] = {"Block": ebs.Block, "ChangedBlock": ebs.ChangedBlock, "Tag": ebs.Tag}


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def fields(message: type) -> list[str]:
    """Return a message's fields, without the unit at the end of times."""
    if issubclass(message, msgspec.Struct):
        return [name.removesuffix("_ms") for name in message.__struct_fields__]
    assert dataclasses.is_dataclass(message)
    return [field.name.removesuffix("_ms") for field in dataclasses.fields(message)]


def model_traits(structure: str, member: str, *, payload: str = "") -> dict[str, object]:
    """Return what the model says of one member, in the words of `traits`."""
    reference = SHAPES[structure]["members"][member]
    shape = SHAPES[reference["shape"]]
    default = Location.PAYLOAD if member == payload else Location.BODY
    return {
        "type": shape["type"],
        "location": reference.get("location", default),
        "wire_name": reference.get("locationName", member),
        "required": member in SHAPES[structure].get("required", []),
        "minimum": shape.get("min"),
        "maximum": shape.get("max"),
        "pattern": shape.get("pattern", ""),
        "enum": tuple(shape.get("enum", ())),
        "sensitive": shape.get("sensitive", False),
    }


def traits(member: Member) -> dict[str, object]:
    shape: Shape = member.shape
    return {
        "type": shape.kind,
        "location": member.location,
        "wire_name": member.wire_name,
        "required": member.required,
        "minimum": shape.minimum,
        "maximum": shape.maximum,
        "pattern": shape.pattern,
        "enum": shape.enum,
        "sensitive": shape.sensitive,
    }


def differences() -> Iterator[str]:
    """Yield `<structure>.<member>.<trait>` for every point in which the tables and the model differ."""
    structures = [
        (OPERATIONS[operation]["input"]["shape"], members) for operation, members in REQUESTS.items()
    ]
    for structure, members in [*structures, ("Tag", TAG_MEMBERS)]:
        payload = SHAPES[structure].get("payload", "")
        for member in members:
            ours, theirs = traits(member), model_traits(structure, member.name, payload=payload)
            yield from (f"{structure}.{member.name}.{name}" for name in ours if ours[name] != theirs[name])


def test_the_tables_differ_from_the_model_where_they_say_so_and_nowhere_else() -> None:
    assert sorted(differences()) == sorted(DEVIATIONS)


def test_the_operations_are_the_models() -> None:
    assert set(REQUESTS) == set(EBS_OPERATIONS) == set(REQUEST_TYPES) == set(OPERATIONS)


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_a_request_line_and_its_status_are_the_models(operation: str) -> None:
    ours, theirs = EBS_OPERATIONS[operation], OPERATIONS[operation]["http"]
    assert (ours.method, ours.path) == (theirs["method"], theirs["requestUri"])
    assert ours.status == theirs.get("responseCode", 200)


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_a_request_has_the_models_members_in_the_models_order(operation: str) -> None:
    members = list(SHAPES[OPERATIONS[operation]["input"]["shape"]]["members"])
    assert [member.name for member in REQUESTS[operation]] == members
    assert [member.field_name for member in REQUESTS[operation]] == [snake(member) for member in members]
    assert fields(REQUEST_TYPES[operation]) == [snake(member) for member in members]
    assert REQUEST_TYPES[operation].__name__ == OPERATIONS[operation]["input"]["shape"]


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_a_response_has_the_models_members(operation: str) -> None:
    structure = OPERATIONS[operation]["output"]["shape"]
    members = {snake(member) for member in SHAPES[structure]["members"]}
    assert set(fields(RESPONSES[structure])) == members


@pytest.mark.parametrize("name", sorted(ITEMS))
def test_an_item_has_the_models_members(name: str) -> None:
    assert fields(ITEMS[name]) == [snake(member) for member in SHAPES[name]["members"]]


def test_only_the_block_operation_may_leave_its_body_unsigned() -> None:
    assert [name for name, operation in OPERATIONS.items() if operation.get("unsignedPayload")] == [
        "PutSnapshotBlock"
    ]


def error_types() -> list[type[errors.EbsError]]:
    return errors.EbsError.__subclasses__()


def test_the_error_shapes_are_the_models() -> None:
    theirs = {
        name: shape["error"]["httpStatusCode"] for name, shape in SHAPES.items() if shape.get("exception")
    }
    assert {error.code: error.status for error in error_types()} == theirs


def test_the_reasons_are_the_models() -> None:
    theirs = {
        name: SHAPES[shape["members"]["Reason"]["shape"]]["enum"]
        for name, shape in SHAPES.items()
        if shape.get("exception") and "Reason" in shape["members"]
    }
    assert {name: [str(reason) for reason in reasons] for name, reasons in REASONS.items()} == theirs


def test_every_error_shape_has_a_message_and_at_most_a_reason() -> None:
    for error in error_types():
        assert {"Message"} <= set(SHAPES[error.code]["members"]) <= {"Message", "Reason"}


def test_every_kind_of_value_is_known() -> None:
    used = {member.shape.kind for members in REQUESTS.values() for member in members}
    assert used == set(Kind)
