"""Records of what becomes of snapshots beside their states: locks, the recycle bin, copies.

Part of what every metadata store promises; the promises of `contract` hold here too: atomic, durable, consistent,
bounded, shared, closed-mouthed. What is given a function calls it inside the transaction, perhaps more than once, and
passes on what it raises with nothing changed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from neve.domain.blocks import BlockIndex, ChunkId
from neve.domain.identities import AccountId, DomainKey, SnapshotId
from neve.domain.locks import Lock
from neve.domain.retention import RetentionRule
from neve.domain.snapshots import Snapshot, SnapshotKey


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedSnapshot:
    """A snapshot and its lock, which may have expired."""

    snapshot: Snapshot
    lock: Lock


@dataclass(frozen=True, slots=True, kw_only=True)
class RecycledSnapshot:
    """A snapshot in the recycle bin."""

    snapshot: Snapshot
    entered_ms: int
    exits_ms: int
    """When it goes for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyStart:
    """What CopySnapshot wants recorded."""

    snapshot_id: SnapshotId
    account_id: AccountId
    domain_key: DomainKey
    """Where the copy's record stands until it is resolved: the account's unencrypted domain."""
    source_id: SnapshotId
    description: str | None
    encrypted: bool
    """Whether it is to be encrypted: by the request, the account's default, or because its source is."""
    kms_key: str
    """The ARN of the key it is to be encrypted with; empty if it is not to be."""
    refusal: str
    """What it is to fail with. What the caller may do with source and keys is decided when it is known who asks, and
    recorded in the same moment; empty if nothing stands against it."""
    principal_arn: str
    """Who asked."""
    tags: Mapping[str, str]
    now_ms: int
    copies_max: int
    """Most copies of the account under way, this one included; 0 is no limit."""
    snapshots_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A copy under way."""

    snapshot: Snapshot
    source_id: SnapshotId
    encrypted: bool
    kms_key: str
    refusal: str
    principal_arn: str
    source_domain_key: DomainKey | None
    """None until it is resolved, as the next ones."""
    source_root: ChunkId | None
    """What is copied, whatever becomes of the source meanwhile: collection marks from it too."""
    source_block_count: int
    next_index: BlockIndex
    """Blocks below it are copied."""
    copied_count: int


class LifecycleRecords(Protocol):
    """Locks, the recycle bin, copies."""

    # --- locks

    def change_lock(
        self,
        account_id: AccountId,
        snapshot_id: SnapshotId,
        change: Callable[[Snapshot, Lock | None], Lock | None],
    ) -> LockedSnapshot | None:
        """Put what `change` makes of an own snapshot's lock in its place; None takes it off. Return what is there then.

        It is given the snapshot as its record stands (`domain.snapshots.observed` knows of deadlines that passed).

        Raises:
            SnapshotNotFound: missing, foreign, deleted or in the bin.
        """
        ...

    def lock(self, account_id: AccountId, snapshot_id: SnapshotId) -> LockedSnapshot | None:
        """Return an own snapshot's lock, None if it has none.

        Raises:
            SnapshotNotFound
        """
        ...

    def locks(
        self, account_id: AccountId, *, after: SnapshotKey | None, limit: int
    ) -> Sequence[LockedSnapshot]:
        """Return up to `limit` of the account's snapshots with a lock, ascending by key, the first one above `after`.

        Those whose lock has expired are among them, those in the bin are not.
        """
        ...

    # --- recycle bin

    def recycled(
        self, account_id: AccountId, *, after: SnapshotKey | None, limit: int
    ) -> Sequence[RecycledSnapshot]:
        """Return up to `limit` of the account's snapshots in the bin, ascending by key, the first one above `after`."""
        ...

    def recycled_snapshot(self, account_id: AccountId, snapshot_id: SnapshotId) -> RecycledSnapshot:
        """Return one in the bin.

        Raises:
            SnapshotNotFound: not in this account's bin.
        """
        ...

    def restore(self, account_id: AccountId, snapshot_id: SnapshotId, *, now_ms: int) -> Snapshot:
        """Take a snapshot out of the bin, as it was: completed, with its tags and permissions.

        Raises:
            SnapshotNotFound: not in this account's bin, or its time there is over.
        """
        ...

    def empty_bin(self, *, now_ms: int, limit: int) -> Sequence[SnapshotId]:
        """Move up to `limit` snapshots whose time in the bin is over to deleted, the longest over first; return their ids.

        Nothing brings them back, so `now_ms` is a moment that is past without doubt, which the clock alone cannot tell.
        """
        ...

    def change_rules(
        self, account_id: AccountId, change: Callable[[Sequence[RetentionRule]], RetentionRule]
    ) -> RetentionRule:
        """Record and return the retention rule that `change` makes of those a recorded account has.

        It is a new one, or takes the place of the one with its id.
        """
        ...

    def rule(self, account_id: AccountId, rule_id: str) -> RetentionRule:
        """Return a rule.

        Raises:
            RuleNotFound
        """
        ...

    def rules(self, account_id: AccountId) -> Sequence[RetentionRule]:
        """Return the account's rules, by id. They are few: whoever changes them sees to that."""
        ...

    def remove_rule(self, account_id: AccountId, rule_id: str) -> None:
        """Forget a rule; what is in the bin stays as long as it was to.

        Raises:
            RuleNotFound
        """
        ...

    # --- copies

    def start_copy(self, start: CopyStart) -> Snapshot:
        """Record a copy that nothing is known of yet: pending, of origin COPY, of 0 GiB, its own lineage.

        It takes no blocks and no completion from the API, and no deadline passes for it.

        Raises:
            CopyLimitReached, SnapshotLimitReached
        """
        ...

    def copies(self, *, after: SnapshotKey | None, limit: int) -> Sequence[Copy]:
        """Return up to `limit` copies that are pending, of every account, ascending by key, the first above `after`."""
        ...

    def copy(self, key: SnapshotKey) -> Copy | None:
        """Return a copy under way; None if it is over: done, failed or deleted."""
        ...

    def resolve_copy(
        self, key: SnapshotKey, *, source_key: SnapshotKey, domain_key: DomainKey
    ) -> Copy | None:
        """Write down what a pending copy is of, once: volume size, source's root and domain; and its own domain.

        If both domains are one, the copy's base is the source's root: there is nothing to copy. A copy that was
        resolved before stays as it is. None if it is no longer pending. Before, it takes no blocks: resolving one
        that has some is an InvariantError.

        Raises:
            SnapshotNotFound: the source is no longer completed.
        """
        ...

    def note_copied(self, key: SnapshotKey, *, next_index: BlockIndex, copied_count: int) -> bool:
        """Write down how far a copy is. False if it is no longer pending."""
        ...

    def finish_copying(self, key: SnapshotKey, *, now_ms: int) -> bool:
        """Move a pending copy whose blocks are all written to sealing, as if its completion had been accepted.

        Its claim is the count of its block rows, without a checksum: whoever calls writes no more. False if it is no
        longer pending. Not before it is resolved.
        """
        ...

    def fail_copy(self, key: SnapshotKey, message: str, *, now_ms: int) -> bool:
        """Move a pending copy to error with `message`; rows and lock are dropped. False if it is no longer pending."""
        ...
