"""The Principal and NotPrincipal elements of a key policy: whom a statement is about.

A statement that names an account (by its id or its root) says two things: to the account's root, that it is meant;
and to everybody else in it, that their own policies may decide. A statement that names a user, or everybody, decides
by itself. `evaluation` makes the difference; this module says which of the two it is.
"""

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import Enum
from typing import Final

from neve.domain.policies.json_text import JsonNumber, PolicyInvalid, kind_of, quoted

_EVERYBODY: Final = "*"
_AWS: Final = "AWS"
_OTHERS: Final = frozenset({"Service", "Federated", "CanonicalUser"})
"""Kinds of principals that AWS has and this service has not: accepted, and nobody here."""
_ACCOUNT: Final = re.compile(r"(?:arn:aws:iam::)?([0-9]{12})(?::root)?", re.ASCII)
_ARN: Final = re.compile(
    r"arn:aws[a-z-]*:(?:iam::[0-9]{12}:(?:root|(?:user|role)/[\w+=,.@/-]+)"
    r"|sts::[0-9]{12}:(?:assumed-role/[\w+=,.@-]+/[\w+=,.@-]+|federated-user/[\w+=,.@-]+))",
    re.ASCII,
)


class Naming(Enum):
    """How a statement names somebody."""

    NOT = "not at all"
    ACCOUNT = "by their account"
    PERSON = "themselves"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principals:
    """Whom a statement is about; with `excluded`, whom it is not about."""

    everybody: bool
    accounts: frozenset[str]
    arns: frozenset[str]
    excluded: bool

    def naming(self, account_id: str, arns: AbstractSet[str], *, is_root: bool) -> Naming:
        """Say how the statement names somebody, who may have more than one ARN (a session, and whose it is).

        To be left out by NotPrincipal, somebody must be named themselves and their account too, as in AWS.
        """
        named_themselves = self.everybody or not self.arns.isdisjoint(arns)
        named_by_account = account_id in self.accounts
        if self.excluded:
            left_out = self.everybody or (named_by_account and (is_root or named_themselves))
            return Naming.NOT if left_out else Naming.PERSON
        if named_themselves:
            return Naming.PERSON
        return Naming.ACCOUNT if named_by_account else Naming.NOT


def parse_principals(value: object, where: str, *, excluded: bool) -> Principals:
    """Return what the element says.

    Raises:
        PolicyInvalid
    """
    if value == _EVERYBODY and not isinstance(value, JsonNumber):
        return Principals(everybody=True, accounts=frozenset(), arns=frozenset(), excluded=excluded)
    if not isinstance(value, dict) or not value:
        raise PolicyInvalid(f'{where}: must be "*" or an object like {{"AWS": "…"}}, not {kind_of(value)}.')
    names = _names(value, where)
    accounts: set[str] = set()
    arns: set[str] = set()
    for name in names:
        if account := _account(name):
            accounts.add(account)
        elif name != _EVERYBODY:
            arns.add(_checked_arn(name, where))
    return Principals(
        everybody=_EVERYBODY in names, accounts=frozenset(accounts), arns=frozenset(arns), excluded=excluded
    )


def _names(value: Mapping[str, object], where: str) -> Sequence[str]:
    """Return the names of the principals that can be somebody here; check the others for their type only."""
    names: list[str] = []
    for kind, members in value.items():
        if kind != _AWS and kind not in _OTHERS:
            raise PolicyInvalid(f"{where}: {quoted(kind)} is no kind of principal.")
        listed = members if isinstance(members, list) else [members]
        if not listed:
            raise PolicyInvalid(f"{where}: {quoted(kind)} names nobody.")
        for member in listed:
            if not isinstance(member, str) or isinstance(member, JsonNumber) or not member:
                raise PolicyInvalid(
                    f"{where}: a principal of {quoted(kind)} must be a string, not {kind_of(member)}."
                )
            if kind == _AWS:
                names.append(member)
    return names


def _account(name: str) -> str:
    found = _ACCOUNT.fullmatch(name)
    is_whole = found is not None and name.startswith("arn:") == name.endswith(":root")
    return found[1] if found is not None and is_whole else ""


def _checked_arn(name: str, where: str) -> str:
    if _ARN.fullmatch(name) is None:
        raise PolicyInvalid(
            f"{where}: {quoted(name)} is neither *, an account id, nor the ARN of a root, user or role"
            + ("; a principal cannot have wildcards in it." if "*" in name or "?" in name else ".")
        )
    return name
