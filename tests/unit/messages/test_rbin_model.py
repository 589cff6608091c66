"""The Recycle Bin's messages against the service model that botocore ships: nothing missing, nothing extra.

What answers leave out on purpose is listed, and must be in the model.
"""

import dataclasses
import types
from collections.abc import Mapping
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import botocore.loaders
import pytest

from neve.errors import RbinReason
from neve.messages import rbin
from neve.messages.constraints import Shape
from neve.messages.kms import member_name
from neve.messages.kms_shapes import Size
from neve.wire.rbin_json import REQUEST_TYPES
from neve.wire.routes import RBIN_OPERATIONS, Service

MODEL: Mapping[str, Any] = botocore.loaders.Loader().load_service_model("rbin", "service-2")
OPERATIONS: Mapping[str, Any] = MODEL["operations"]
SHAPES: Mapping[str, Any] = MODEL["shapes"]

LOCKS_OF_RULES = {"LockConfiguration", "LockState", "LockEndTime"}
"""Members that answers never have: rules are never locked."""
LEFT_OUT: Mapping[str, set[str]] = {
    name: LOCKS_OF_RULES & set(SHAPES[name]["members"])
    for name in ("CreateRuleResponse", "GetRuleResponse", "UpdateRuleResponse", "RuleSummary")
}


def without_none(hint: Any) -> Any:
    if isinstance(hint, types.UnionType) or type(None) in get_args(hint):
        (hint,) = (part for part in get_args(hint) if part is not type(None))
    return hint


def described(hint: Any) -> Any:
    """Return a type of ours in the words of `model_described`."""
    marks: tuple[Any, ...] = ()
    if get_origin(hint) is Annotated:
        hint, *rest = get_args(hint)
        marks = tuple(rest)
    if get_origin(hint) is tuple:
        (size,) = (mark for mark in marks if isinstance(mark, Size))
        return ["list", size.minimum, size.maximum, described(get_args(hint)[0])]
    if dataclasses.is_dataclass(hint):
        return structure(hint)
    (shape,) = (mark for mark in marks if isinstance(mark, Shape))
    return [str(shape.kind), shape.minimum, shape.maximum, shape.pattern, list(shape.enum)]


def structure(message: Any) -> list[Any]:
    hints = get_type_hints(message, include_extras=True)
    return [
        [
            member_name(field.name),
            field.default is dataclasses.MISSING,
            described(without_none(hints[field.name])),
        ]
        for field in dataclasses.fields(message)
    ]


def model_described(name: str) -> Any:
    shape = SHAPES[name]
    kind = shape["type"]
    if kind == "list":
        return ["list", shape.get("min"), shape.get("max"), model_described(shape["member"]["shape"])]
    if kind == "structure":
        required = shape.get("required", [])
        return [
            [member, member in required, model_described(reference["shape"])]
            for member, reference in shape["members"].items()
        ]
    pattern = {"RuleArn": rbin._ARN}.get(name, "") if name in rbin.DEVIATIONS else shape.get("pattern", "")
    return [kind, shape.get("min"), shape.get("max"), pattern, list(shape.get("enum", ()))]


def test_every_operation_of_the_model_is_served_or_refused_by_name() -> None:
    assert set(REQUEST_TYPES) == set(RBIN_OPERATIONS) == set(OPERATIONS)


@pytest.mark.parametrize("operation", sorted(REQUEST_TYPES))
def test_a_request_is_the_models_with_every_constraint(operation: str) -> None:
    name = OPERATIONS[operation]["input"]["shape"]
    assert REQUEST_TYPES[operation].__name__ == name
    assert structure(REQUEST_TYPES[operation]) == model_described(name)


@pytest.mark.parametrize("operation", sorted(RBIN_OPERATIONS))
def test_method_path_and_status_are_the_models(operation: str) -> None:
    ours, theirs = RBIN_OPERATIONS[operation], OPERATIONS[operation]["http"]
    assert (ours.method, ours.path, ours.status) == (
        theirs["method"],
        theirs["requestUri"],
        theirs["responseCode"],
    )


@pytest.mark.parametrize("name", rbin.DEVIATIONS)
def test_a_deviation_is_from_a_pattern_that_the_model_has(name: str) -> None:
    assert SHAPES[name]["pattern"]


ANSWERS = (
    *(type_ for type_ in get_args(rbin.RbinResponse) if type_ is not rbin.EmptyResponse),
    rbin.RuleSummary,
)


@pytest.mark.parametrize("response", ANSWERS, ids=lambda response: response.__name__)
def test_an_answer_has_the_models_members_in_the_models_order_but_for_those_listed(response: Any) -> None:
    left_out = LEFT_OUT.get(response.__name__, set())
    ours = [member_name(field.name) for field in dataclasses.fields(response)]
    assert ours == [member for member in SHAPES[response.__name__]["members"] if member not in left_out]


@pytest.mark.parametrize("operation", sorted(set(REQUEST_TYPES) - {"LockRule", "UnlockRule"}))
def test_an_operation_answers_with_the_models_structure(operation: str) -> None:
    name = OPERATIONS[operation]["output"]["shape"]
    is_empty = not SHAPES[name]["members"]
    assert is_empty or name in {response.__name__ for response in ANSWERS}


def test_the_protocol_is_the_models() -> None:
    metadata = MODEL["metadata"]
    assert (metadata["protocol"], metadata["signingName"]) == ("rest-json", Service.RBIN)
    assert metadata["apiVersion"] == "2021-06-15"


def test_reasons_are_the_models() -> None:
    reasons = {
        reason
        for name, shape in SHAPES.items()
        if name.endswith("ExceptionReason") and not name.startswith("Conflict")
        for reason in shape["enum"]
    }
    assert {str(reason) for reason in RbinReason} == reasons
