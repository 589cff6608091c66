"""What a caller may do: every demand of an operation, put to the caller's policies (contract 11).

Whose snapshot it is, is not asked here: every record is looked up inside the caller's account, so a foreign
snapshot does not exist for it. An explicit deny is found before anybody looks whether the resource is there.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from neve.auth.conditions import Conditions
from neve.domain.policies.evaluation import Question, decide
from neve.domain.principals import Principal

NO_PARENT = "null"
"""StartSnapshot without a parent is evaluated on `snapshot/null` (contract 11)."""
EVERYTHING = "*"
"""The resource of actions that have none."""
RULE_PREFIX = "rule/"
"""What the names of retention rules begin with, as resources."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One thing that must be allowed before an operation begins."""

    action: str
    """`ebs:PutSnapshotBlock`"""
    resource: str = EVERYTHING
    """An ARN, or `*`."""
    snapshot_id: str = ""
    """The snapshot whose tags `aws:ResourceTag` asks for, or `rule/` and the id of a retention rule; empty where the
    resource has none."""
    every_tag: bool = False
    """True if all tags of the snapshot are concerned without being named: then `aws:TagKeys` is what they are called."""


class Denied(Exception):
    """Policies do not let the caller. The message is the API's; each protocol has its own code for it."""


def snapshot_arn(region: str, snapshot_id: str) -> str:
    """Return the name policies use for a snapshot; its account field is empty (contract 11)."""
    return f"arn:aws:ec2:{region}::snapshot/{snapshot_id}"


def rule_arn(region: str, account_id: str, rule_id: str) -> str:
    """Return the name policies use for a retention rule of the recycle bin."""
    return f"arn:aws:rbin:{region}:{account_id}:{RULE_PREFIX}{rule_id}"


def authorize(principal: Principal, demands: Iterable[Demand], conditions: Conditions) -> None:
    """Return if the caller may do all that is demanded, in the circumstances of this request.

    Raises:
        Denied: the first demand that no policy allows, or that one denies.
    """
    for demand in demands:
        decision = decide(
            Question(
                principal=principal,
                action=demand.action,
                resource=demand.resource,
                context=conditions.about(demand.snapshot_id, every_tag=demand.every_tag),
            )
        )
        if not decision.allowed:
            raise Denied(denial(principal, demand.action, demand.resource, decision.because))


def denial(principal: Principal, action: str, resource: str, because: str) -> str:
    """Return the sentence of a refusal; an action without resources names none."""
    on_what = "" if resource == EVERYTHING else f" on resource: {resource}"
    return f"User: {principal.arn} is not authorized to perform: {action}{on_what} {because}"
