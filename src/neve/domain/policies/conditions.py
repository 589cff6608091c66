"""The Condition element: every operator of AWS, with its rules for keys that are missing or have many values.

    "Condition": {"StringLike": {"aws:RequestTag/team": ["web-*", "db"]}}
                   │             │                       └ values: one must match; with a negated operator, none
                   │             └ keys: all must hold, their case does not matter
                   └ operators: all must hold

| the key is missing      | the condition                                                    |
|-------------------------|------------------------------------------------------------------|
| plain operator          | does not hold; holds if the operator is negated (`…Not…`)        |
| `…IfExists`             | holds                                                            |
| `ForAllValues:`         | holds: there is no value that breaks it                          |
| `ForAnyValue:`          | does not hold: there is no value that fulfils it                 |
| `Null`                  | holds for `"true"`                                               |

A key that has several values where the operator has no qualifier is a misunderstanding between policy and request (two
tags whose keys differ in case only): an Allow then wants all of them to fit, a Deny is content with one.

A comparison that cannot be told (a policy variable that stands for nothing, a request's value that is no number)
counts as no match. Where "no match" is what makes a negated condition hold, that would let a gap in the request grant
something: there it holds in a Deny and does not hold in an Allow.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from operator import eq, ge, gt, le, lt
from typing import Any, Final, TypeVar

from neve.domain.policies.arn_patterns import parse_arn_value
from neve.domain.policies.json_text import PolicyInvalid, kind_of, quoted
from neve.domain.policies.operands import (
    lies_in,
    read_binary,
    read_instant,
    read_network,
    read_number,
    read_truth,
)
from neve.domain.policies.templates import Lookup, parse_template

_Comparison = Callable[[str, Lookup], bool | None]
"""From one value of the request to whether it matches one value of the policy; None if that cannot be told."""

_Reader = Callable[[str, str, bool], _Comparison]
"""From a policy's value, where it stands, and whether its document has variables, to a comparison."""

_Value = TypeVar("_Value")


class _Set(Enum):
    """Which of a key's values a condition is about."""

    UNSAID = auto()
    """No qualifier: meant for keys with one value. If there are more, all of them in an Allow, any in a Deny."""
    ALL = auto()
    SOME = auto()


_QUALIFIERS: Final = {"ForAllValues": _Set.ALL, "ForAnyValue": _Set.SOME}
_IF_EXISTS: Final = "IfExists"
_NULL: Final = "Null"
_KEY: Final = re.compile(r"[A-Za-z0-9-]+:\S(?:.{0,254}\S)?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One operator on one key."""

    operator: str
    """As it was written, for explanations."""
    key: str
    """As it was written; compared in lower case."""
    comparisons: tuple[_Comparison, ...]
    negated: bool
    subject: _Set
    holds_if_missing: bool

    def holds(self, lookup: Lookup, *, denies: bool) -> bool:
        """Say whether the condition holds for a request; `denies` if it stands in a Deny."""
        values = lookup(self.key.lower())
        if self.subject is not _Set.UNSAID:
            # "a null data set, such as an empty string" counts as no value for the two qualifiers (AWS).
            values = [value for value in values or () if value]
        if not values:
            return self.holds_if_missing
        fitting = (self._fits(value, lookup, denies=denies) for value in values)
        wants_all = self.subject is _Set.ALL or (self.subject is _Set.UNSAID and not denies)
        return all(fitting) if wants_all else any(fitting)

    def _fits(self, value: str, lookup: Lookup, *, denies: bool) -> bool:
        answers = [comparison(value, lookup) for comparison in self.comparisons]
        if True in answers:
            return not self.negated
        return self.negated and (denies or None not in answers)


@dataclass(frozen=True, slots=True, kw_only=True)
class _NullCondition(Condition):
    """Whether a key is there at all."""

    wanted_missing: frozenset[bool]

    def holds(self, lookup: Lookup, *, denies: bool) -> bool:  # noqa: ARG002 - there is nothing that cannot be told
        return (not lookup(self.key.lower())) in self.wanted_missing


def parse_conditions(value: object, where: str, *, variables: bool) -> tuple[Condition, ...]:
    """Return what a Condition element says.

    Raises:
        PolicyInvalid: an unknown operator, a key without prefix, a value that the operator cannot compare with.
    """
    if not isinstance(value, dict):
        raise PolicyInvalid(f"{where}: must be an object of operators, not {kind_of(value)}.")
    conditions: list[Condition] = []
    for operator, keys in value.items():
        if not isinstance(keys, dict) or not keys:
            raise PolicyInvalid(f"{where}: {quoted(operator)} must be an object with at least one key.")
        for key, values in keys.items():
            conditions.append(_condition(operator, key, values, where, variables=variables))
    return tuple(conditions)


def _condition(operator: str, key: str, value: object, where: str, *, variables: bool) -> Condition:
    known = None if operator == _NULL else _known(operator, where)
    if _KEY.fullmatch(key) is None or not key.isprintable():
        raise PolicyInvalid(f"{where}: {quoted(key)} is no condition key; keys look like aws:SourceIp.")
    place = f"{where}: {operator} of {quoted(key)}"
    texts = _texts(value, place)
    if known is None:
        return _NullCondition(
            operator=operator,
            key=key,
            comparisons=(),
            negated=False,
            subject=_Set.UNSAID,
            holds_if_missing=True,
            wanted_missing=frozenset(_read(read_truth, text, place, "true or false") for text in texts),
        )
    missing = {_Set.UNSAID: known.negated, _Set.ALL: True, _Set.SOME: False}
    return Condition(
        operator=operator,
        key=key,
        comparisons=tuple(known.reader(text, place, variables) for text in texts),
        negated=known.negated,
        subject=known.subject,
        holds_if_missing=missing[known.subject] or known.if_exists,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """An operator's name, taken apart."""

    subject: _Set
    reader: _Reader
    negated: bool
    if_exists: bool


def _known(operator: str, where: str) -> _Known:
    qualifier, separator, name = operator.rpartition(":")
    subject = _QUALIFIERS.get(qualifier) if separator else _Set.UNSAID
    found = _OPERATORS.get(name.removesuffix(_IF_EXISTS))
    if subject is None or found is None:
        raise PolicyInvalid(f"{where}: {quoted(operator)} is no condition operator.")
    reader, negated = found
    return _Known(subject=subject, reader=reader, negated=negated, if_exists=name.endswith(_IF_EXISTS))


def _texts(value: object, place: str) -> list[str]:
    members = value if isinstance(value, list) else [value]
    if not members:
        raise PolicyInvalid(f"{place}: has no values.")
    texts: list[str] = []
    for member in members:
        if isinstance(member, bool):
            texts.append("true" if member else "false")
        elif isinstance(member, str):
            texts.append(str(member))
        else:
            raise PolicyInvalid(
                f"{place}: a value must be a string, a number or a boolean, not {kind_of(member)}."
            )
    return texts


def _read(reader: Callable[[str], _Value], text: str, place: str, kind: str) -> _Value:
    try:
        return reader(text)
    except ValueError:
        raise PolicyInvalid(f"{place}: {quoted(text)} is not {kind}.") from None


# --- operators ----------------------------------------------------------------------------------------


def _string(*, wildcards: bool) -> _Reader:
    def read(text: str, place: str, variables: bool) -> _Comparison:
        return parse_template(text, place, wildcards=wildcards, variables=variables).match

    return read


def _string_ignoring_case(text: str, place: str, variables: bool) -> _Comparison:
    template = parse_template(text, place, wildcards=False, variables=variables)

    def compare(value: str, lookup: Lookup) -> bool | None:
        pattern = template.resolve(lookup)
        return None if pattern is None else (pattern.literal or "").casefold() == value.casefold()

    return compare


def _arn(text: str, place: str, variables: bool) -> _Comparison:
    return parse_arn_value(text, place, variables=variables).match


def _reading(read_value: Callable[[str], _Value], kind: str, relation: Callable[[Any, Any], bool]) -> _Reader:
    """Return the reader of an operator that compares values after reading both of them."""

    def read(text: str, place: str, variables: bool) -> _Comparison:  # noqa: ARG001 - only texts have variables
        expected = _read(read_value, text, place, kind)

        def compare(value: str, lookup: Lookup) -> bool | None:  # noqa: ARG001 - the same
            try:
                return relation(read_value(value), expected)
            except ValueError:
                return None

        return compare

    return read


def _address(text: str, place: str, variables: bool) -> _Comparison:  # noqa: ARG001 - only texts have variables
    network = _read(read_network, text, place, "an IP address or a range like 203.0.113.0/24")

    def compare(value: str, lookup: Lookup) -> bool | None:  # noqa: ARG001 - the same
        try:
            return lies_in(value, network)
        except ValueError:
            return None

    return compare


def _number(relation: Callable[[Any, Any], bool]) -> _Reader:
    return _reading(read_number, "a decimal number", relation)


def _date(relation: Callable[[Any, Any], bool]) -> _Reader:
    return _reading(read_instant, "a date like 2026-11-24T08:00:00Z or seconds since 1970", relation)


_OPERATORS: Final[Mapping[str, tuple[_Reader, bool]]] = {
    "StringEquals": (_string(wildcards=False), False),
    "StringNotEquals": (_string(wildcards=False), True),
    "StringEqualsIgnoreCase": (_string_ignoring_case, False),
    "StringNotEqualsIgnoreCase": (_string_ignoring_case, True),
    "StringLike": (_string(wildcards=True), False),
    "StringNotLike": (_string(wildcards=True), True),
    "NumericEquals": (_number(eq), False),
    "NumericNotEquals": (_number(eq), True),
    "NumericLessThan": (_number(lt), False),
    "NumericLessThanEquals": (_number(le), False),
    "NumericGreaterThan": (_number(gt), False),
    "NumericGreaterThanEquals": (_number(ge), False),
    "DateEquals": (_date(eq), False),
    "DateNotEquals": (_date(eq), True),
    "DateLessThan": (_date(lt), False),
    "DateLessThanEquals": (_date(le), False),
    "DateGreaterThan": (_date(gt), False),
    "DateGreaterThanEquals": (_date(ge), False),
    "Bool": (_reading(read_truth, "true or false", eq), False),
    "BinaryEquals": (_reading(read_binary, "base64", eq), False),
    "IpAddress": (_address, False),
    "NotIpAddress": (_address, True),
    "ArnEquals": (_arn, False),
    "ArnLike": (_arn, False),
    "ArnNotEquals": (_arn, True),
    "ArnNotLike": (_arn, True),
}
"""Each operator of the IAM reference, and whether it is negated. `Null` is apart: it takes no qualifier."""

OPERATOR_NAMES: Final = frozenset({*_OPERATORS, _NULL})
