"""Policy documents: text to values, or a sentence that says what is wrong.

    {"Version": "2012-10-17",
     "Statement": [{"Sid": "Nights", "Effect": "Allow", "Action": "ebs:*", "Resource": "arn:aws:ec2:*::snapshot/*",
                    "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}]}

The grammar is AWS's (IAM JSON policy elements reference). Everything is checked when a policy is put, nothing when
it is asked: an element nobody knows, a value of the wrong kind, an operator with a typing error would otherwise be a
Deny that denies nothing. A policy that was read can be asked from any thread, any number of times.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from neve.domain.policies.arn_patterns import parse_resource
from neve.domain.policies.conditions import parse_conditions
from neve.domain.policies.json_text import JsonNumber, PolicyInvalid, kind_of, parse_json, quoted
from neve.domain.policies.principal_element import Principals, parse_principals
from neve.domain.policies.statements import Effect, Statement
from neve.domain.policies.wildcards import Wildcard, tokens_of

__all__ = ["Policy", "PolicyInvalid", "PolicyKind", "parse_policy"]

_POLICY_ELEMENTS: Final = frozenset({"Version", "Id", "Statement"})
_STATEMENT_ELEMENTS: Final = frozenset(
    {
        "Sid",
        "Effect",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Principal",
        "NotPrincipal",
        "Condition",
    }
)
_WITH_VARIABLES: Final = "2012-10-17"
_WITHOUT_VARIABLES: Final = "2008-10-17"
_ACTION: Final = re.compile(r"\*(?::\*)?|[A-Za-z0-9-]+:[A-Za-z0-9*?]+", re.ASCII)
_IDENTITY_SID: Final = re.compile(r"[A-Za-z0-9]*", re.ASCII)
_SID_CHARS_MAX: Final = 128
"""Ours: a Sid is quoted in explanations. Those of AWS's own key policies have up to 90."""
_WHITE: Final = dict.fromkeys(map(ord, " \t\r\n"))


class PolicyKind(Enum):
    """Where a policy stands, which decides what it must and must not have."""

    IDENTITY = "identity-based"
    """Attached to a user: no Principal."""
    KEY = "resource-based"
    """A key policy: every statement has a Principal."""
    SESSION = "session"


IDENTITY_CHARS_MAX: Final = 6_144
"""IAM: a managed policy, white space not counted."""
SESSION_CHARS_MAX: Final = 2_048
"""STS: a session policy; here white space is not counted either."""
KEY_BYTES_MAX: Final = 32_768
"""KMS: a key policy, everything counted."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A document that was read. Two are equal if their name, text and kind are."""

    name: str
    """For messages: the policy's name or ARN; empty for a key policy."""
    text: str
    kind: PolicyKind
    statements: tuple[Statement, ...] = field(compare=False, repr=False)


def parse_policy(text: str, kind: PolicyKind, *, name: str = "") -> Policy:
    """Return the policy.

    Raises:
        PolicyInvalid: the message says what is wrong and in which statement.
    """
    _check_size(text, kind)
    document = parse_json(text)
    if not isinstance(document, dict):
        raise PolicyInvalid(f"The document must be an object, not {kind_of(document)}.")
    _check_elements(document, _POLICY_ELEMENTS, "The document")
    variables = _has_variables(document)
    if "Id" in document:
        _string(document["Id"], "Id")
    if "Statement" not in document:
        raise PolicyInvalid("The document has no Statement.")
    listed = document["Statement"]
    members = listed if isinstance(listed, list) else [listed]
    if not members:
        raise PolicyInvalid("The document has no Statement: the list is empty.")
    statements = tuple(
        _statement(member, number, kind, variables=variables) for number, member in enumerate(members, 1)
    )
    _check_sids(statements)
    return Policy(name, text, kind, statements)


def _check_size(text: str, kind: PolicyKind) -> None:
    if kind is PolicyKind.KEY:
        size, size_max, unit = len(text.encode(errors="replace")), KEY_BYTES_MAX, "bytes"
    else:
        size = len(text.translate(_WHITE))
        size_max = IDENTITY_CHARS_MAX if kind is PolicyKind.IDENTITY else SESSION_CHARS_MAX
        unit = "characters without white space"
    if size > size_max:
        raise PolicyInvalid(f"The document is too large: it has {size} {unit}, {size_max} are allowed.")


def _has_variables(document: Mapping[str, object]) -> bool:
    version = _string(document.get("Version", _WITHOUT_VARIABLES), "Version")
    if version not in {_WITH_VARIABLES, _WITHOUT_VARIABLES}:
        raise PolicyInvalid(
            f"Version: {quoted(version)} is unknown; write {_WITH_VARIABLES} or {_WITHOUT_VARIABLES}."
        )
    return version == _WITH_VARIABLES


def _statement(value: Any, number: int, kind: PolicyKind, *, variables: bool) -> Statement:
    where = f"Statement {number}"
    if not isinstance(value, dict):
        raise PolicyInvalid(f"{where}: must be an object, not {kind_of(value)}.")
    _check_elements(value, _STATEMENT_ELEMENTS, where)
    sid = _string(value.get("Sid", ""), f"{where}: Sid")
    if kind is not PolicyKind.KEY and _IDENTITY_SID.fullmatch(sid) is None:
        raise PolicyInvalid(f"{where}: the Sid {quoted(sid)} may have letters and digits only.")
    if len(sid) > _SID_CHARS_MAX or not sid.isprintable():
        raise PolicyInvalid(
            f"{where}: the Sid {quoted(sid)} must be printable, and {_SID_CHARS_MAX} characters long at most."
        )
    effect = _effect(value, where)
    action_element = _one_of(value, "Action", "NotAction", where)
    resource_element = _one_of(value, "Resource", "NotResource", where)
    return Statement(
        number=number,
        sid=sid,
        effect=effect,
        actions=tuple(
            _action(text, f"{where}: {action_element}")
            for text in _strings(value[action_element], f"{where}: {action_element}")
        ),
        all_but_actions=action_element == "NotAction",
        resources=tuple(
            parse_resource(text, f"{where}: {resource_element}", variables=variables)
            for text in _strings(value[resource_element], f"{where}: {resource_element}")
        ),
        all_but_resources=resource_element == "NotResource",
        principals=_principals(value, effect, kind, where),
        conditions=parse_conditions(value.get("Condition", {}), f"{where}: Condition", variables=variables),
    )


def _effect(value: Mapping[str, object], where: str) -> Effect:
    if "Effect" not in value:
        raise PolicyInvalid(f"{where}: has no Effect.")
    text = _string(value["Effect"], f"{where}: Effect")
    if text not in {Effect.ALLOW, Effect.DENY}:
        raise PolicyInvalid(f"{where}: the Effect must be Allow or Deny, not {quoted(text)}.")
    return Effect(text)


def _principals(
    value: Mapping[str, object], effect: Effect, kind: PolicyKind, where: str
) -> Principals | None:
    if kind is not PolicyKind.KEY:
        for element in ("Principal", "NotPrincipal"):
            if element in value:
                raise PolicyInvalid(
                    f"{where}: has a {element}, which only key policies have: "
                    f"{'an' if kind is PolicyKind.IDENTITY else 'a'} {kind.value} policy is about "
                    "whoever it is attached to."
                )
        return None
    element = _one_of(value, "Principal", "NotPrincipal", where)
    if element == "NotPrincipal" and effect is Effect.ALLOW:
        raise PolicyInvalid(f"{where}: NotPrincipal cannot be used with Allow.")
    return parse_principals(value[element], f"{where}: {element}", excluded=element == "NotPrincipal")


def _action(text: str, where: str) -> Wildcard:
    if _ACTION.fullmatch(text) is None:
        raise PolicyInvalid(
            f"{where}: {quoted(text)} is no action; actions look like ebs:PutSnapshotBlock or ec2:Describe*."
        )
    return Wildcard(tokens_of(text.lower()))


def _check_sids(statements: tuple[Statement, ...]) -> None:
    seen: set[str] = set()
    for statement in statements:
        if statement.sid and statement.sid in seen:
            raise PolicyInvalid(
                f"Statement {statement.number}: another statement has the Sid {quoted(statement.sid)} already."
            )
        seen.add(statement.sid)


def _check_elements(value: Mapping[str, object], known: frozenset[str], where: str) -> None:
    for element in value:
        if element not in known:
            raise PolicyInvalid(f"{where}: {quoted(element)} is no element of a policy.")


def _one_of(value: Mapping[str, object], element: str, opposite: str, where: str) -> str:
    """Return which of two elements there is."""
    if element in value and opposite in value:
        raise PolicyInvalid(f"{where}: has both {element} and {opposite}; it must have one of them.")
    if element not in value and opposite not in value:
        raise PolicyInvalid(f"{where}: has neither {element} nor {opposite}; it must have one of them.")
    return element if element in value else opposite


def _string(value: object, where: str) -> str:
    if not isinstance(value, str) or isinstance(value, JsonNumber):
        raise PolicyInvalid(f"{where}: must be a string, not {kind_of(value)}.")
    return value


def _strings(value: object, where: str) -> list[str]:
    members = value if isinstance(value, list) else [value]
    if not members:
        raise PolicyInvalid(f"{where}: the list is empty.")
    return [_string(member, where) for member in members]
