"""Patterns of resource names, matched field by field.

    arn : aws : ec2 : * :  : snapshot/*
    └── five fields, in which a wildcard never reaches over a colon ──┘ └─ the rest, colons included

So an account id in a pattern is an account id in the name, and never a piece of something else. The account field of
a snapshot is empty (contract 11): a pattern with an account id in it matches no snapshot. A pattern of fewer fields
must end in `:*`, which stands for all the rest. `*` alone is everything, also what is no ARN.
"""

from collections.abc import Sequence
from typing import Final

from neve.domain.policies.json_text import PolicyInvalid, quoted
from neve.domain.policies.templates import Lookup, Template, parse_template, split_outside_variables

_FIELDS: Final = 6
_ANYTHING: Final = "*"


class ArnPattern:
    """A pattern, read. Immutable; safe from any thread."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Sequence[Template]) -> None:
        self._fields = tuple(fields)

    def match(self, name: str, lookup: Lookup) -> bool | None:
        """Say whether a name fits; None if a policy variable stands for nothing in this request."""
        if not self._fields:
            return True
        parts = name.split(":", len(self._fields) - 1)
        if len(parts) != len(self._fields):
            return False
        answers = [field.match(part, lookup) for field, part in zip(self._fields, parts, strict=True)]
        if False in answers:
            return False
        return None if None in answers else True


def parse_resource(text: str, where: str, *, variables: bool) -> ArnPattern:
    """Return the pattern of a Resource element; variables may stand in its last field only, as in AWS.

    Raises:
        PolicyInvalid: neither `*` nor an ARN.
    """
    fields = _fields(text, where, variables=variables)
    if any(field.has_variables for field in fields[:-1]):
        raise PolicyInvalid(
            f"{where}: {quoted(text)} has a policy variable before the fifth colon; "
            "they may stand in the last part of an ARN only."
        )
    return ArnPattern(fields)


def parse_arn_value(text: str, where: str, *, variables: bool) -> ArnPattern:
    """Return the pattern of an ARN condition: like a resource, but variables may stand anywhere, or be all of it.

    Raises:
        PolicyInvalid
    """
    if variables and len(split_outside_variables(text, variables=True)) == 1:
        whole = parse_template(text, where, wildcards=True, variables=True)
        if whole.has_variables:
            return ArnPattern([whole])
    return ArnPattern(_fields(text, where, variables=variables))


def _fields(text: str, where: str, *, variables: bool) -> list[Template]:
    if text == _ANYTHING:
        return []
    parts = split_outside_variables(text, variables=variables)
    is_whole = len(parts) >= _FIELDS and parts[_FIELDS - 1] != ""
    is_open = 2 < len(parts) < _FIELDS and parts[-1] == _ANYTHING
    if parts[0] != "arn" or not all(parts[1:3]) or not (is_whole or is_open):
        raise PolicyInvalid(
            f"{where}: {quoted(text)} is neither * nor an ARN; "
            "an ARN is arn:partition:service:region:account:resource."
        )
    joined = [*parts[: _FIELDS - 1], ":".join(parts[_FIELDS - 1 :])] if len(parts) >= _FIELDS else parts
    return [parse_template(part, where, wildcards=True, variables=variables) for part in joined]
