"""One statement of a policy, and whether it is about a request."""

from dataclasses import dataclass
from enum import Enum, StrEnum

from neve.domain.policies.arn_patterns import ArnPattern
from neve.domain.policies.conditions import Condition
from neve.domain.policies.principal_element import Naming, Principals
from neve.domain.policies.templates import Lookup
from neve.domain.policies.wildcards import Wildcard


class Effect(StrEnum):
    """What a statement does to what it is about. The words are AWS's."""

    ALLOW = "Allow"
    DENY = "Deny"


class Fit(Enum):
    """Whether a statement is about a request, or which element first says that it is not."""

    FITS = "fits"
    PRINCIPAL = "is about others"
    ACTION = "is about other actions"
    RESOURCE = "is about other resources"
    CONDITION = "has a condition that does not hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question, prepared for many statements."""

    account_id: str
    arns: frozenset[str]
    """Who asks, and whose session they are."""
    is_root: bool
    action: str
    """In lower case."""
    resource: str
    lookup: Lookup


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement that was read. Immutable; safe from any thread."""

    number: int
    """Its place in the document, from 1."""
    sid: str
    effect: Effect
    actions: tuple[Wildcard, ...]
    """In lower case."""
    all_but_actions: bool
    resources: tuple[ArnPattern, ...]
    all_but_resources: bool
    principals: Principals | None
    """None in policies that say nothing of it: they are about whom they are attached to."""
    conditions: tuple[Condition, ...]

    @property
    def denies(self) -> bool:
        """True if it takes away."""
        return self.effect is Effect.DENY

    def naming(self, asked: Asked) -> Naming:
        """Say how the statement names who asks."""
        if self.principals is None:
            return Naming.PERSON
        return self.principals.naming(asked.account_id, asked.arns, is_root=asked.is_root)

    def fit(self, asked: Asked) -> Fit:
        """Say whether the statement is about what is asked; conditions, which may cost a look-up, come last."""
        if self.naming(asked) is Naming.NOT:
            return Fit.PRINCIPAL
        if any(action.match(asked.action) for action in self.actions) is self.all_but_actions:
            return Fit.ACTION
        if not self._covers(asked):
            return Fit.RESOURCE
        if self.failing_condition(asked) is not None:
            return Fit.CONDITION
        return Fit.FITS

    def failing_condition(self, asked: Asked) -> Condition | None:
        """Return the first condition that does not hold, None if all do."""
        for condition in self.conditions:
            if not condition.holds(asked.lookup, denies=self.denies):
                return condition
        return None

    def _covers(self, asked: Asked) -> bool:
        answers = [resource.match(asked.resource, asked.lookup) for resource in self.resources]
        if not self.all_but_resources:
            return True in answers
        # A variable that stands for nothing excludes nothing, and must not grant by that.
        return True not in answers and (self.denies or None not in answers)
