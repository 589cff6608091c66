"""From parsed JSON to a message, led by the types of the message's fields.

    str, int, bool, bytes       with a `Shape` beside them, what the model demands
    tuple[item, …]              a list, with a `Size` beside it
    Mapping[str, str]           an encryption context
    a dataclass                 a structure

Readers are made once, from the types, and hold no state. What breaks a constraint is collected, so that one answer
names everything; what is not even of the right type ends the reading.
"""

import base64
import binascii
import dataclasses
import types
from collections.abc import Mapping
from typing import Annotated, Any, Final, Protocol, get_args, get_origin, get_type_hints

from neve.errors import CommonError
from neve.messages import kms
from neve.messages.constraints import Kind, Shape
from neve.messages.kms_shapes import Size
from neve.wire import coral

_TYPES: Final[Mapping[Kind, type]] = {
    Kind.STRING: str,
    Kind.INTEGER: int,
    Kind.BOOLEAN: bool,
    Kind.BLOB: str,
}
_VIOLATIONS_MAX: Final = 32
"""More than a message has room for: a long list of bad items is not read to its end."""


class Reader(Protocol):
    """Reads one kind of value."""

    def read(self, path: str, value: Any, violations: list[str]) -> Any:
        """Return the value as messages have it, and add to `violations` what the model forbids.

        Raises:
            CommonError: SerializationException if it is of another type.
        """
        ...


def reader_of(hint: Any) -> Reader:
    """Return the reader for a type that a message's field may have."""
    marks: tuple[Any, ...] = ()
    if get_origin(hint) is Annotated:
        hint, *rest = get_args(hint)
        marks = tuple(rest)
    if get_origin(hint) is tuple:
        size = next((mark for mark in marks if isinstance(mark, Size)), Size())
        return _List(reader_of(get_args(hint)[0]), size)
    if get_origin(hint) is Mapping:
        return _Pairs()
    if dataclasses.is_dataclass(hint):
        return _Structure(hint)
    if hint is bool:
        return _Scalar(Shape(kind=Kind.BOOLEAN))
    (shape,) = (mark for mark in marks if isinstance(mark, Shape))
    return _Scalar(shape)


class _Scalar:
    def __init__(self, shape: Shape) -> None:
        self._shape = shape

    def read(self, path: str, value: Any, violations: list[str]) -> Any:
        shape = self._shape
        if not _is_of(shape.kind, value):
            raise _wrong_type(path, shape.kind)
        if shape.kind is Kind.BLOB:
            data = _decoded(path, value)
            violations += coral.blob_violations(path, shape, len(data))
            return data
        if shape.kind is Kind.STRING:
            violations += coral.text_violations(path, shape, value)
        elif shape.kind is Kind.INTEGER:
            violations += coral.number_violations(path, shape, value)
        return value


class _List:
    def __init__(self, item: Reader, size: Size) -> None:
        self._item = item
        self._size = size

    def read(self, path: str, value: Any, violations: list[str]) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise _wrong_type(path, Kind.LIST)
        found = coral.list_violations(path, self._size.minimum, self._size.maximum, len(value))
        violations += found
        items: list[Any] = []
        for position, item in enumerate(value, 1):
            if len(violations) >= _VIOLATIONS_MAX:
                break
            items.append(self._item.read(f"{path}.{position}.member", item, violations))
        return tuple(items)


class _Pairs:
    def read(self, path: str, value: Any, violations: list[str]) -> Mapping[str, str]:  # noqa: ARG002 - no bounds
        if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
            raise CommonError("SerializationException", 400, f"'{path}' is not a map of strings.")
        return value


class _Structure:
    def __init__(self, message_type: Any) -> None:
        self._type = message_type
        hints = get_type_hints(message_type, include_extras=True)
        self._members = {
            kms.member_name(field.name): (
                field.name,
                reader_of(_without_none(hints[field.name])),
                field.default is dataclasses.MISSING,
            )
            for field in dataclasses.fields(message_type)
        }

    def read(self, path: str, value: Any, violations: list[str]) -> Any:
        if not isinstance(value, dict):
            raise CommonError("SerializationException", 400, f"'{path or 'the body'}' is not a structure.")
        for name in value:
            if name not in self._members:
                raise CommonError("SerializationException", 400, f"No member '{name[:128]}' is known here.")
        # A member that is missing is a violation: nobody sees the message it would be missing in.
        found: dict[str, Any] = {}
        for name, (field_name, reader, required) in self._members.items():
            member_path = f"{path}.{_coral(name)}" if path else _coral(name)
            if value.get(name) is not None:
                found[field_name] = reader.read(member_path, value[name], violations)
            elif required:
                violations.append(coral.missing(member_path))
                found[field_name] = None
        return self._type(**found)


def _without_none(hint: Any) -> Any:
    """Return the type of a member that may be absent."""
    if isinstance(hint, types.UnionType) or (get_origin(hint) is not None and type(None) in get_args(hint)):
        (found,) = (part for part in get_args(hint) if part is not type(None))
        return found
    return hint


def _coral(name: str) -> str:
    return name[0].lower() + name[1:]


def _is_of(kind: Kind, value: Any) -> bool:
    # Not isinstance: True is no number here.
    return type(value) is _TYPES[kind]


def _decoded(path: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise CommonError("SerializationException", 400, f"'{path}' is not base64.") from None


def _wrong_type(path: str, kind: Kind) -> CommonError:
    article = "an" if kind is Kind.INTEGER else "a"
    return CommonError("SerializationException", 400, f"'{path}' is not {article} {kind}.")
