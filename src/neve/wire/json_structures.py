"""JSON bodies and what they hold, for the services whose messages are read by their types (`kms_reader`)."""

import base64
import dataclasses
from typing import Any

import msgspec

from neve.errors import CommonError
from neve.messages import kms


def parsed(body: bytes) -> Any:
    """Return the value that a body holds; an absent body is an empty structure.

    Raises:
        CommonError: SerializationException if it is not JSON.
    """
    try:
        # msgspec would take text that is no UTF-8 where it does not look at it.
        body.decode("utf-8")
        return msgspec.json.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise CommonError("SerializationException", 400, "The body is not JSON.") from None


def structure(message: Any) -> dict[str, Any]:
    """Return a message as JSON has it: absent members are left out, times are seconds, bytes are base64."""
    found = {}
    for field in dataclasses.fields(message):
        value = getattr(message, field.name)
        if value is None:
            continue
        found[kms.member_name(field.name)] = value / 1000 if field.name.endswith("_ms") else _value(value)
    return found


def _value(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, tuple):
        return [_value(item) for item in value]
    if dataclasses.is_dataclass(value):
        return structure(value)
    return value
