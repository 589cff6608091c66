"""JSON read strictly: a document that two readers could understand differently is no policy.

The last of two equal keys wins in most JSON readers; in a policy that would be a statement that somebody wrote and
nobody obeys, so it is refused. Numbers stay as they were written: they are texts to a condition.
"""

import json
from typing import Any, Final

_QUOTED_CHARS_MAX: Final = 100
_RAW_CHARS_MAX: Final = 131_072
"""The longest document IAM's and KMS's models take, white space included."""


class PolicyInvalid(ValueError):
    """The document is no policy. The message says what and where."""


class JsonNumber(str):
    """A number, as it was written."""

    __slots__ = ()


def quoted(text: str) -> str:
    """Return a text for a message: not longer than a line, nothing unprintable in it."""
    shown = text if len(text) <= _QUOTED_CHARS_MAX else text[:_QUOTED_CHARS_MAX] + "…"
    return '"' + "".join(character if character.isprintable() else "\ufffd" for character in shown) + '"'


def kind_of(value: object) -> str:
    """Return what JSON calls a value, for messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, JsonNumber):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an object" if isinstance(value, dict) else "a list"


def parse_json(text: str) -> Any:
    """Return what the text says, of whatever JSON type: each caller checks the type it needs.

    Raises:
        PolicyInvalid: it is no JSON, or too long; an object has a key twice; a string has half a character in it.
    """
    if len(text) > _RAW_CHARS_MAX:
        raise PolicyInvalid(f"The document is longer than {_RAW_CHARS_MAX} characters.")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=JsonNumber,
            parse_float=JsonNumber,
            parse_constant=_refuse_constant,
        )
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise PolicyInvalid(
            f"The document is not JSON: {error.msg} in line {error.lineno}, column {error.colno}."
        ) from None
    except UnicodeEncodeError:
        # JSON can spell a lone surrogate; nobody could store or send it.
        raise PolicyInvalid("The document has half of a surrogate pair in a string.") from None
    except RecursionError:
        raise PolicyInvalid("The document is not a policy: it is nested too deeply.") from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise PolicyInvalid(f"The document is ambiguous: it has {quoted(key)} twice in the same object.")
        found[key] = value
    return found


def _refuse_constant(name: str) -> None:
    raise PolicyInvalid(f"The document is not JSON: {name} is no number.")
