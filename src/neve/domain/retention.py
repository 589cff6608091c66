"""The recycle bin: which deleted snapshots stay a while, and for how long (contract 9.11).

A rule is for snapshots with one of its tags, or for all of an account's but those with one of its excluded tags. Where
several match, the longest retention counts. Only completed snapshots go to the bin: of the others there is nothing to
bring back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from neve.domain.identities import AccountId
from neve.domain.snapshots import Snapshot, State

RETENTION_DAYS_MAX = 365


@dataclass(frozen=True, slots=True)
class ResourceTag:
    """A tag a rule asks for; without a value, any value will do."""

    key: str
    value: str | None = None

    def on(self, tags: Mapping[str, str]) -> bool:
        """Return whether a snapshot with `tags` has it."""
        return self.key in tags and self.value in {None, tags[self.key]}


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRule:
    """One rule of the recycle bin service."""

    account_id: AccountId
    rule_id: str
    """What the service calls its identifier."""
    description: str
    retention_days: int
    resource_tags: tuple[ResourceTag, ...]
    """Empty: for all snapshots of the account."""
    exclude_resource_tags: tuple[ResourceTag, ...]
    """Only where `resource_tags` is empty."""
    tags: Mapping[str, str]
    """The rule's own."""
    created_ms: int

    def matches(self, snapshot: Snapshot) -> bool:
        """Return whether the rule is for this snapshot."""
        if self.resource_tags:
            return any(tag.on(snapshot.tags) for tag in self.resource_tags)
        return not any(tag.on(snapshot.tags) for tag in self.exclude_resource_tags)


def retention_days(snapshot: Snapshot, rules: Iterable[RetentionRule]) -> int | None:
    """Return how long a snapshot stays in the bin when it is deleted now; None if it goes at once."""
    if snapshot.state is not State.COMPLETED:
        return None
    return max((rule.retention_days for rule in rules if rule.matches(snapshot)), default=None)
