"""What policies say together: allowed, denied, or nothing.

    explicit deny, anywhere          ─▶ no       whatever else says yes
    session policy does not allow    ─▶ no       whoever the session is of
    the root, or an allow            ─▶ yes
    nothing                          ─▶ no

A KMS key has a policy of its own, and grants. Inside the key's account one yes is enough: of a key policy that names
the caller, of a grant, or of the caller's own policies where the key policy hands the decision to the account. From
another account it takes two: the key's side must let the account or the caller in, and the caller's own side must
let them go there. The root of an account has no power over a key but what its policy gives (contract 11).

Whose resource it is, is not asked here, except for keys: records are looked up inside the caller's account.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from neve.domain.kms_keys import Grant
from neve.domain.policies.documents import Policy, PolicyKind
from neve.domain.policies.principal_element import Naming
from neve.domain.policies.request_context import (
    ContextValue,
    RequestContext,
    key_context,
    lookup_in,
    names_of,
    principal_context,
)
from neve.domain.policies.statements import Asked, Fit, Statement
from neve.domain.principals import Principal, root_arn

__all__ = [
    "ContextValue",
    "Decision",
    "Question",
    "RequestContext",
    "Verdict",
    "decide",
    "decide_for_key",
]

_KMS_PREFIX: Final = "kms:"
_WITH_CONTEXT: Final = frozenset(
    {
        "Decrypt",
        "Encrypt",
        "GenerateDataKey",
        "GenerateDataKeyWithoutPlaintext",
        "ReEncryptFrom",
        "ReEncryptTo",
    }
)
"""Operations that have an encryption context, if an empty one: constraints of grants apply to no others."""
_ARTICLES: Final = {PolicyKind.IDENTITY: "an", PolicyKind.KEY: "a", PolicyKind.SESSION: "a"}
_CLOSENESS: Final = {Fit.PRINCIPAL: 0, Fit.ACTION: 0, Fit.RESOURCE: 1, Fit.CONDITION: 2}
"""How near a statement came to being about a request. Two that are about other things altogether are no help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """May `principal` do `action` to `resource`?"""

    principal: Principal
    action: str
    """`ebs:PutSnapshotBlock`"""
    resource: str
    """An ARN, or `*` for actions without resources."""
    context: RequestContext
    """What policies may ask about beside the principal, whose keys (`aws:username` and the like) come by themselves."""


class Verdict(Enum):
    """What became of a question."""

    ALLOWED = "allowed"
    NOT_ALLOWED = "no statement allows it"
    DENIED = "a statement denies it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A verdict with its reason."""

    verdict: Verdict
    explanation: str
    """For people: `denied: statement 2 of policy "no-deletes" denies ec2:DeleteSnapshot on …`"""
    because: str
    """The end of the API's message: `because no identity-based policy allows the ebs:PutSnapshotBlock action`, or
    `with an explicit deny in an identity-based policy` (contract 11). Empty if allowed."""

    @property
    def allowed(self) -> bool:
        """True if the request may go on."""
        return self.verdict is Verdict.ALLOWED


def decide(question: Question) -> Decision:
    """Decide by the principal's own policies; the root may do everything."""
    principal = question.principal
    if principal.is_root and principal.session_policy is None:
        # As below, without what it takes to ask policies: most requests are the root's.
        return _allowed(question, f"{principal.arn} is the root")
    asked = _asked(question, {})
    own = _own_side(question, asked)
    if own.decision is not None:
        return own.decision
    return _allowed(question, own.reason)


def decide_for_key(
    question: Question,
    *,
    key_policy: Policy | None,
    key_account_id: str,
    grants: Callable[[], Sequence[Grant]],
    encryption_context: Mapping[str, str] | None,
) -> Decision:
    """Decide a `kms:` action by key policy, grants and the principal's own policies together (contract 11).

    Without a key policy (a key that somebody else's KMS keeps) the principal's own policies decide alone. `grants`
    are asked for only where nothing else allows the action. The condition keys `kms:EncryptionContext:…`,
    `kms:EncryptionContextKeys` and `kms:CallerAccount` come by themselves.
    """
    assert question.action.startswith(_KMS_PREFIX)
    assert key_policy is None or key_policy.kind is PolicyKind.KEY
    asked = _asked(question, key_context(question.principal, encryption_context or {}))
    key_said = _survey([] if key_policy is None else [key_policy], asked)
    if key_said.denying is not None:
        return _denied(question, PolicyKind.KEY, key_said.denying)
    own = _own_side(question, asked)
    if own.decision is not None and (own.decision.verdict is Verdict.DENIED or own.bounded):
        return own.decision
    if key_policy is None:
        return own.decision or _allowed(question, own.reason)
    is_foreign = question.principal.account_id != key_account_id
    decision = _weighed(question, own, key_said.allowing, is_foreign=is_foreign)
    if decision is None:
        granted = _granting(question, asked, grants(), encryption_context or {})
        decision = _weighed(question, own, granted, is_foreign=is_foreign)
        if decision is None and (key_said.allowing or granted):
            decision = own.decision
    return decision or _not_allowed(question, PolicyKind.KEY, key_said.nearest)


def _weighed(
    question: Question, own: "_OwnSide", key_side: Mapping[Naming, str], *, is_foreign: bool
) -> Decision | None:
    """Return a yes if what the key's side allows is enough together with the principal's own side."""
    if Naming.PERSON in key_side and (own.decision is None or not is_foreign):
        return _allowed(question, key_side[Naming.PERSON])
    if Naming.ACCOUNT in key_side and own.decision is None:
        return _allowed(question, f"{own.reason}, and {key_side[Naming.ACCOUNT]} leaves it to the account")
    return None


# --- one side at a time -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _OwnSide:
    """What the principal's own policies, or being the root, say."""

    decision: Decision | None
    """A no; None is a yes."""
    reason: str = ""
    """Of a yes."""
    bounded: bool = False
    """True if it is the session policy that does not allow it: then nothing else can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Survey:
    """What statements say, before anybody weighs it."""

    denying: str | None
    allowing: Mapping[Naming, str]
    """By how the statement names the principal; in policies without principals, always as themselves."""
    nearest: str
    """The allowing statement that came closest, for explanations."""


def _asked(question: Question, more: Mapping[str, ContextValue]) -> Asked:
    principal = question.principal
    return Asked(
        account_id=principal.account_id,
        arns=names_of(principal),
        is_root=principal.is_root,
        action=question.action.lower(),
        resource=question.resource,
        lookup=lookup_in(question.context, {**principal_context(principal), **more}),
    )


def _own_side(question: Question, asked: Asked) -> _OwnSide:
    principal = question.principal
    assert all(policy.kind is PolicyKind.IDENTITY for policy in principal.policies)
    if principal.is_root:
        own = _Survey(denying=None, allowing={Naming.PERSON: f"{principal.arn} is the root"}, nearest="")
    else:
        own = _survey(principal.policies, asked)
    if own.denying is not None:
        return _OwnSide(decision=_denied(question, PolicyKind.IDENTITY, own.denying))
    reason = own.allowing.get(Naming.PERSON, "")
    if principal.session_policy is not None:
        bound = _survey([principal.session_policy], asked)
        if bound.denying is not None:
            return _OwnSide(decision=_denied(question, PolicyKind.SESSION, bound.denying))
        if not bound.allowing:
            return _OwnSide(decision=_not_allowed(question, PolicyKind.SESSION, bound.nearest), bounded=True)
        reason = f"{reason}, and {bound.allowing[Naming.PERSON]}"
    if not own.allowing:
        return _OwnSide(decision=_not_allowed(question, PolicyKind.IDENTITY, own.nearest))
    return _OwnSide(decision=None, reason=reason)


def _survey(policies: Sequence[Policy], asked: Asked) -> _Survey:
    allowing: dict[Naming, str] = {}
    nearest: tuple[int, str] = (0, "")
    for policy, statement in _statements(policies, denies=True):
        if statement.fit(asked) is Fit.FITS:
            return _Survey(denying=_cited(policy, statement), allowing={}, nearest="")
    for policy, statement in _statements(policies, denies=False):
        fit = statement.fit(asked)
        if fit is Fit.FITS:
            allowing.setdefault(statement.naming(asked), _cited(policy, statement))
            if Naming.PERSON in allowing:
                break
        elif _CLOSENESS[fit] > nearest[0]:
            nearest = _CLOSENESS[fit], _near_miss(policy, statement, fit, asked)
    return _Survey(denying=None, allowing=allowing, nearest=nearest[1])


def _statements(policies: Iterable[Policy], *, denies: bool) -> Iterable[tuple[Policy, Statement]]:
    return (
        (policy, statement)
        for policy in policies
        for statement in policy.statements
        if statement.denies is denies
    )


def _granting(
    question: Question, asked: Asked, grants: Sequence[Grant], context: Mapping[str, str]
) -> Mapping[Naming, str]:
    """Return which grants allow the action: one for whoever asks, one for their account."""
    operation = question.action.removeprefix(_KMS_PREFIX)
    account_names = {question.principal.account_id, root_arn(question.principal.account_id)}
    found: dict[Naming, str] = {}
    for grant in grants:
        if operation not in grant.operations:
            continue
        if operation in _WITH_CONTEXT and not _constraints_hold(grant, context):
            continue
        if grant.grantee_principal in account_names:
            found.setdefault(Naming.ACCOUNT, f"grant {grant.grant_id}")
        elif grant.grantee_principal in asked.arns:
            found.setdefault(Naming.PERSON, f"grant {grant.grant_id}")
    return found


def _constraints_hold(grant: Grant, context: Mapping[str, str]) -> bool:
    if grant.context_equals is not None and dict(grant.context_equals) != dict(context):
        return False
    return grant.context_subset is None or grant.context_subset.items() <= context.items()


# --- words --------------------------------------------------------------------------------------------


def _cited(policy: Policy, statement: Statement) -> str:
    sid = f' ("{statement.sid}")' if statement.sid else ""
    return f"statement {statement.number}{sid} of {_named(policy)}"


def _named(policy: Policy) -> str:
    if policy.kind is PolicyKind.KEY:
        return "the key policy"
    kind = "session policy" if policy.kind is PolicyKind.SESSION else "policy"
    return f'{kind} "{policy.name}"' if policy.name else f"the {kind}"


def _near_miss(policy: Policy, statement: Statement, fit: Fit, asked: Asked) -> str:
    condition = statement.failing_condition(asked) if fit is Fit.CONDITION else None
    named = f" ({condition.operator} of {condition.key})" if condition is not None else ""
    return f"; {_cited(policy, statement)} comes closest, but {fit.value}{named}"


def _allowed(question: Question, by: str) -> Decision:
    return Decision(
        verdict=Verdict.ALLOWED,
        explanation=f"allowed: {question.action} on {question.resource}: {by}",
        because="",
    )


def _denied(question: Question, kind: PolicyKind, by: str) -> Decision:
    return Decision(
        verdict=Verdict.DENIED,
        explanation=f"denied: {by} denies {question.action} on {question.resource}",
        because=f"with an explicit deny in {_ARTICLES[kind]} {kind.value} policy",
    )


def _not_allowed(question: Question, kind: PolicyKind, nearest: str) -> Decision:
    whose = {PolicyKind.KEY: " of the key policy", PolicyKind.SESSION: " of the session policy"}.get(kind, "")
    return Decision(
        verdict=Verdict.NOT_ALLOWED,
        explanation=f"denied: no statement{whose} allows {question.action} on {question.resource}{nearest}",
        because=f"because no {kind.value} policy allows the {question.action} action",
    )
