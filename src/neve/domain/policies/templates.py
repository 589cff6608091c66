"""Texts of a policy that may hold wildcards and policy variables.

    arn:aws:ec2:*::snapshot/*      ${aws:username}-*      ${aws:PrincipalTag/team, 'nobody'}      ${*}

Variables exist since version 2012-10-17; in an older document `${aws:username}` is those fifteen characters. What a
variable stands for is put in as it is: a `*` in a user's tag is no wildcard. `${*}`, `${?}` and `${$}` are the
characters themselves. A variable whose key the request does not have, or has several values of, and that names no
default, makes the text one that matches nothing.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from neve.domain.policies.json_text import PolicyInvalid, quoted
from neve.domain.policies.wildcards import Token, Wildcard, tokens_of

Lookup = Callable[[str], Sequence[str] | None]
"""From a condition key in lower case to its values in this request; None if it has none."""

_VARIABLE: Final = re.compile(r"\$\{([^{}]*)\}")
_NAMED: Final = re.compile(r"\s*([A-Za-z0-9-]+:[^\s,'](?:[^,']*[^\s,'])?)\s*(?:,\s*'([^']*)'\s*)?")
_CHARACTERS: Final = frozenset("*?$")


@dataclass(frozen=True, slots=True)
class Variable:
    """A place that the request fills."""

    key: str
    """In lower case."""
    default: str | None


class Template:
    """A text of a policy, read. Immutable; safe from any thread."""

    __slots__ = ("_fixed", "_parts")

    def __init__(self, parts: Sequence[Token | Variable]) -> None:
        self._parts = tuple(parts)
        tokens = [part for part in parts if not isinstance(part, Variable)]
        self._fixed = Wildcard(tokens) if len(tokens) == len(parts) else None

    @property
    def has_variables(self) -> bool:
        """True if the request has a part in what it matches."""
        return self._fixed is None

    def resolve(self, lookup: Lookup) -> Wildcard | None:
        """Return the pattern for one request; None if a variable stands for nothing in it."""
        if self._fixed is not None:
            return self._fixed
        tokens: list[Token] = []
        for part in self._parts:
            if not isinstance(part, Variable):
                tokens.append(part)
                continue
            values = lookup(part.key)
            value = values[0] if values is not None and len(values) == 1 else part.default
            if value is None:
                return None
            tokens.append(value)
        return Wildcard(tokens)

    def match(self, text: str, lookup: Lookup) -> bool | None:
        """Say whether a text fits; None if a variable stands for nothing."""
        pattern = self.resolve(lookup)
        return None if pattern is None else pattern.match(text)


def parse_template(text: str, where: str, *, wildcards: bool, variables: bool) -> Template:
    """Return a text with the meaning its place and its document's version give it.

    Raises:
        PolicyInvalid: what looks like a variable is none.
    """
    if not variables:
        return Template(_tokens(text, wildcards=wildcards))
    parts: list[Token | Variable] = []
    position = 0
    for found in _VARIABLE.finditer(text):
        parts += _tokens(_without_openings(text[position : found.start()], text, where), wildcards=wildcards)
        parts.append(_variable(found[1], text, where))
        position = found.end()
    parts += _tokens(_without_openings(text[position:], text, where), wildcards=wildcards)
    return Template(parts)


def split_outside_variables(text: str, *, variables: bool) -> list[str]:
    """Return the parts of a text between its colons, of which those inside `${…}` are none."""
    if not variables:
        return text.split(":")
    fields = [""]
    position = 0
    for found in _VARIABLE.finditer(text):
        _append_fields(fields, text[position : found.start()])
        fields[-1] += found[0]
        position = found.end()
    _append_fields(fields, text[position:])
    return fields


def _append_fields(fields: list[str], text: str) -> None:
    first, *others = text.split(":")
    fields[-1] += first
    fields += others


def _tokens(text: str, *, wildcards: bool) -> list[Token]:
    return tokens_of(text) if wildcards else [text]


def _without_openings(part: str, text: str, where: str) -> str:
    if "${" in part:
        raise PolicyInvalid(f"{where}: {quoted(text)} begins a policy variable with ${{ and does not end it.")
    return part


def _variable(inside: str, text: str, where: str) -> str | Variable:
    if inside in _CHARACTERS:
        return inside
    named = _NAMED.fullmatch(inside)
    if named is None:
        raise PolicyInvalid(
            f"{where}: {quoted(text)} has a policy variable that names no condition key; "
            "write ${prefix:key} or ${prefix:key, 'default'}."
        )
    return Variable(named[1].lower(), named[2])
