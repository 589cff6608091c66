"""What policies say together: allowed, denied, or nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from neve.domain.kms_keys import Grant
from neve.domain.policies.documents import Policy
from neve.domain.principals import Principal

ContextValue = Sequence[str]
RequestContext = Mapping[str, Callable[[], ContextValue | None] | ContextValue]
"""Condition keys of one request, by lower-case name. A value that costs a look-up is given as a function, called at
most when a condition asks for it; one that is absent in this request is missing, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """May `principal` do `action` to `resource`?"""

    principal: Principal
    action: str
    """`ebs:PutSnapshotBlock`"""
    resource: str
    """An ARN, or `*` for actions without resources."""
    context: RequestContext


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
    raise NotImplementedError


def decide_for_key(
    question: Question,
    *,
    key_policy: Policy | None,
    key_account_id: str,
    grants: Callable[[], Sequence[Grant]],
    encryption_context: Mapping[str, str] | None,
) -> Decision:
    """Decide a `kms:` action by key policy, grants and the principal's own policies together (contract 11).

    Without a key policy (a key that somebody else's KMS keeps) the principal's own policies decide alone.
    """
    raise NotImplementedError
