"""Model validation, in the words of the service's own validator (contract 1.4).

Value '99' at 'maxResults' failed to satisfy constraint: Member must have value greater than or equal to 100
"""

import re
from functools import lru_cache
from typing import Final

from neve.messages.constraints import NUMBER_RANGES, Member, Shape

_ECHO_CHARS_MAX: Final = 512
"""How much of a refused value its message repeats: all of it, for anything near its limit."""
_NUMBER: Final = re.compile(r"-?[0-9]+", re.ASCII)
_NUMBER_CHARS_MAX: Final = 20
"""No number the model knows has more; longer ones need not be converted to be refused."""


def missing(path: str) -> str:
    """A required member is not there."""
    return f"Value null at '{path}' failed to satisfy constraint: Member must not be null"


def text_violations(path: str, shape: Shape, text: str) -> list[str]:
    """Return what is wrong with a string."""
    found = _length_constraints(shape.minimum, shape.maximum, len(text))
    if shape.pattern and _compiled(shape.pattern).fullmatch(text) is None:
        found.append(f"Member must satisfy regular expression pattern: {shape.pattern}")
    if shape.enum and text not in shape.enum:
        found.append(f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")
    return [_violation(path, shape, text, constraint) for constraint in found]


def number_violations(path: str, shape: Shape, number: int) -> list[str]:
    """Return what is wrong with a number: the shape's bounds, or what its type can hold."""
    lowest, highest = NUMBER_RANGES[shape.kind]
    minimum = lowest if shape.minimum is None else shape.minimum
    maximum = highest if shape.maximum is None else shape.maximum
    found = []
    if number < minimum:
        found.append(f"Member must have value greater than or equal to {minimum}")
    if number > maximum:
        found.append(f"Member must have value less than or equal to {maximum}")
    return [_violation(path, shape, str(number), constraint) for constraint in found]


def blob_violations(path: str, shape: Shape, size_bytes: int) -> list[str]:
    """Return what is wrong with the length of a blob, which no message repeats."""
    return [
        f"Value at '{path}' failed to satisfy constraint: {constraint}"
        for constraint in _length_constraints(shape.minimum, shape.maximum, size_bytes)
    ]


def list_violations(path: str, minimum: int | None, maximum: int | None, item_count: int) -> list[str]:
    """Return what is wrong with the number of items in a list."""
    return [
        f"Value at '{path}' failed to satisfy constraint: {constraint}"
        for constraint in _length_constraints(minimum, maximum, item_count)
    ]


def parsed_text(member: Member, text: str) -> tuple[str | int, list[str]]:
    """Return the value of a member that came as text (path, query or header), and what is wrong with it."""
    shape, path = member.shape, member.coral_name
    if shape.kind not in NUMBER_RANGES:
        return text, text_violations(path, shape, text)
    if _NUMBER.fullmatch(text) is None:
        constraint = f"Member must satisfy regular expression pattern: ^{_NUMBER.pattern}$"
        return 0, [_violation(path, shape, text, constraint)]
    if len(text) > _NUMBER_CHARS_MAX:
        lowest, highest = NUMBER_RANGES[shape.kind]
        return 0, number_violations(path, shape, lowest - 1 if text.startswith("-") else highest + 1)
    return int(text), number_violations(path, shape, int(text))


def _length_constraints(minimum: int | None, maximum: int | None, length: int) -> list[str]:
    found = []
    if minimum is not None and length < minimum:
        found.append(f"Member must have length greater than or equal to {minimum}")
    if maximum is not None and length > maximum:
        found.append(f"Member must have length less than or equal to {maximum}")
    return found


def _violation(path: str, shape: Shape, text: str, constraint: str) -> str:
    echoed = text if len(text) <= _ECHO_CHARS_MAX else text[:_ECHO_CHARS_MAX] + "..."
    if shape.sensitive:
        echoed = "***"
    return f"Value '{echoed}' at '{path}' failed to satisfy constraint: {constraint}"


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)
