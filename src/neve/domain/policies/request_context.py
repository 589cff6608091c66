"""What a policy's conditions and variables may ask about a request.

Most of it comes from whoever serves the request; what follows from who asks, and from a key operation's encryption
context, is made here, so that it is the same for every operation and nobody else's word counts for it.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from neve.domain.policies.templates import Lookup
from neve.domain.principals import Principal, root_arn, user_arn

ContextValue = Sequence[str]
RequestContext = Mapping[str, Callable[[], ContextValue | None] | ContextValue]
"""Condition keys of one request, by lower-case name. A value that costs a look-up is given as a function, called at
most when a condition asks for it; one that is absent in this request is missing, or None."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def lookup_in(context: RequestContext, known: Mapping[str, ContextValue]) -> Lookup:
    """Return a look-up of keys, in which `known` wins; each function is called at most once."""
    found: dict[str, ContextValue | None] = dict(known)

    def lookup(key: str) -> ContextValue | None:
        if key not in found:
            value = context.get(key)
            found[key] = value() if callable(value) else value
        assert not isinstance(found[key], str), "a string would count as the list of its characters"
        return found[key]

    return lookup


def names_of(principal: Principal) -> frozenset[str]:
    """Return every ARN a policy may name somebody by: their own, and that of whose session they are."""
    return frozenset({principal.arn, _owner_arn(principal)})


def principal_context(principal: Principal) -> Mapping[str, ContextValue]:
    """Return the condition keys that follow from who asks."""
    context: dict[str, ContextValue] = {
        "aws:principalaccount": [principal.account_id],
        "aws:principalarn": [principal.arn],
        "aws:userid": [principal.user_id],
    }
    if principal.arn != _owner_arn(principal):
        context["aws:principaltype"] = ["FederatedUser"]
    elif principal.is_root:
        context["aws:principaltype"] = ["Account"]
    else:
        context["aws:principaltype"] = ["User"]
        context["aws:username"] = [principal.user_name]
    if principal.session_issued_ms is not None:
        issued = _EPOCH + timedelta(milliseconds=principal.session_issued_ms)
        context["aws:tokenissuetime"] = [f"{issued:%Y-%m-%dT%H:%M:%SZ}"]
        # Temporary credentials say whether a second factor was shown; there is none here.
        context["aws:multifactorauthpresent"] = ["false"]
    return context


def key_context(principal: Principal, encryption_context: Mapping[str, str]) -> Mapping[str, ContextValue]:
    """Return the condition keys of every operation on a KMS key."""
    context: dict[str, list[str]] = {"kms:calleraccount": [principal.account_id]}
    for name, value in encryption_context.items():
        context.setdefault(f"kms:encryptioncontext:{name.lower()}", []).append(value)
        context.setdefault("kms:encryptioncontextkeys", []).append(name)
    return dict(context)


def _owner_arn(principal: Principal) -> str:
    if principal.is_root:
        return root_arn(principal.account_id)
    return user_arn(principal.account_id, principal.user_name)
