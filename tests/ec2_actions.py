"""Every EC2 action that is served, and what botocore's model says of it: what the tests of all of them are made from.

Actions come from the table of operations and everything about them from the model, so that whatever is added to the
one is held to the other without a line here.
"""

import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import NoneType
from typing import Any

import botocore.loaders
import botocore.model
import botocore.serialize
from botocore.utils import percent_encode_sequence

from neve.server.operations import OPERATIONS

SERVICE: Any = botocore.model.ServiceModel(
    botocore.loaders.Loader().load_service_model("ec2", "service-2"), "ec2"
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

NOT_SERVED: Mapping[str, str] = {
    "Snapshot.OwnerAlias": "only Amazon's own snapshots have one",
    "Snapshot.OutpostArn": "there are no Outposts",
    "Snapshot.RestoreExpiryTime": "there is no archive tier to restore from",
    "Snapshot.SseType": "reserved, never sent by the live service (contract 9.3)",
    "Snapshot.AvailabilityZone": "there are no zones",
    "Snapshot.CompletionDurationMinutes": "belongs to time-based copies",
    "Snapshot.AssociatedKmsKeys": "belongs to copies under way",
    "Snapshot.DataEncryptionKeyId": "the live service leaves it out of these answers (contract 9.3)",
    "RestoreSnapshotFromRecycleBinResult.OutpostArn": "there are no Outposts",
    "RestoreSnapshotFromRecycleBinResult.SseType": "reserved, never sent by the live service (contract 9.3)",
}
"""Members of the model's structures that no message of ours has, and why."""


@dataclass(frozen=True)
class Action:
    """One action: our messages, and the model's shapes."""

    name: str
    request: type
    response: type
    input: Any
    output: Any
    """None where it answers with nothing."""


def _actions() -> Iterator[Action]:
    for request, operation in OPERATIONS.items():
        if request.__module__.startswith("neve.messages.ec2"):
            model = SERVICE.operation_model(request.__name__.removesuffix("Request"))
            response = typing.get_type_hints(operation.function)["return"]
            yield Action(model.name, request, response, model.input_shape, model.output_shape)


ACTIONS: Mapping[str, Action] = {action.name: action for action in _actions()}


def snake(name: str) -> str:
    """Return a member's name as our messages have it, but for the unit of times."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def field_of(name: str, shape: Any) -> str:
    """Return a member's name as our messages have it."""
    return snake(name) + ("_ms" if shape.type_name == "timestamp" else "")


def members(structure: Any) -> Iterator[tuple[str, Any]]:
    """Yield the members of a structure that are served, and their shapes."""
    for name, shape in structure.members.items():
        if f"{structure.name}.{name}" not in NOT_SERVED:
            yield name, shape


def wire_name(name: str, shape: Any) -> str:
    """Return what a member of a request is called on the wire."""
    found: str = shape.serialization.get("queryName") or shape.serialization.get("name", name)
    return found[0].upper() + found[1:]


def without_none(hint: Any) -> Any:
    """Return a type without its `| None`."""
    kept = [each for each in typing.get_args(hint) if each is not NoneType]
    return kept[0] if len(kept) == 1 and NoneType in typing.get_args(hint) else hint


def written(action: str, parameters: Mapping[str, Any]) -> bytes:
    """Return the form body botocore sends."""
    serializer = botocore.serialize.create_serializer("ec2", include_validation=False)
    request = serializer.serialize_to_request(dict(parameters), SERVICE.operation_model(action))
    form: str = percent_encode_sequence(request["body"])
    return form.encode()


# --- samples: one of everything, no two alike


class Samples:
    """Gives values of every type, each another."""

    def __init__(self) -> None:
        self._count = 0

    def parameter(self, shape: Any) -> Any:
        """Return a value of a shape as boto3 takes it, every member there."""
        self._count += 1
        match shape.type_name:
            case "string":
                return f"text {self._count} <&> ½"
            case "integer" | "long":
                return self._count
            case "boolean":
                return True
            case "timestamp":
                return EPOCH + timedelta(days=10_000 + self._count)
            case "list":
                return [self.parameter(shape.member) for _ in range(2)]
            case "structure":
                return {name: self.parameter(member) for name, member in members(shape)}
            case other:
                raise AssertionError(other)

    def message(self, hint: Any) -> Any:
        """Return a message of ours, or a part of one, every field there."""
        self._count += 1
        hint = without_none(hint)
        if hint is str:
            return f"text {self._count} <&> ½"
        if hint is int:
            return 86_400_000 * self._count
        if hint is bool:
            return True
        if typing.get_origin(hint) is tuple:
            return tuple(self.message(typing.get_args(hint)[0]) for _ in range(2))
        return hint(**{name: self.message(each) for name, each in typing.get_type_hints(hint).items()})


def assert_alike(given: Any, message: Any, shape: Any) -> None:
    """Check that what boto3 has says the same as a message of ours."""
    match shape.type_name:
        case "timestamp":
            assert (given - EPOCH) // timedelta(milliseconds=1) == message
        case "list":
            assert len(given) == len(message)
            for one, other in zip(given, message, strict=True):
                assert_alike(one, other, shape.member)
        case "structure":
            assert set(given) == {name for name, _ in members(shape)}
            for name, member in members(shape):
                assert_alike(given[name], getattr(message, field_of(name, member)), member)
        case _:
            assert given == message
