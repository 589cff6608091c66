"""Locks, the recycle bin and copies in dictionaries, held to the same contract suite as the durable ones."""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from neve.domain.blocks import BlockIndex
from neve.domain.identities import Account, AccountId, Domain, DomainKey, SnapshotId
from neve.domain.locks import DAY_MS, Lock
from neve.domain.retention import RetentionRule, retention_days
from neve.domain.snapshots import (
    NO_TIMEOUT_MINUTES,
    CompletionClaim,
    Origin,
    Snapshot,
    SnapshotKey,
    State,
    observed,
)
from neve.errors import (
    CopyLimitReached,
    InvariantError,
    RuleNotFound,
    SnapshotLimitReached,
    SnapshotLocked,
    SnapshotNotFound,
)
from neve.stores.metadata.contract import BlockRow
from neve.stores.metadata.contract_archive import ArchiveKind
from neve.stores.metadata.contract_lifecycle import Copy, CopyStart, LockedSnapshot, RecycledSnapshot
from neve.testing.memory_drawers import Drawer
from neve.testing.memory_sharing import MemorySharing


@dataclass(frozen=True, slots=True)
class _InBin:
    entered_ms: int
    exits_ms: int


class MemoryLifecycleRecords:
    """`contract_lifecycle.LifecycleRecords` in the memory store whose lock and dictionaries it is given."""

    def __init__(
        self,
        *,
        alone: Callable[[], AbstractContextManager[None]],
        accounts: Mapping[AccountId, Account],
        domains: Mapping[DomainKey, Domain],
        snapshots: MutableMapping[SnapshotKey, Snapshot],
        blocks: Mapping[SnapshotKey, Mapping[BlockIndex, BlockRow]],
        sharing: MemorySharing,
        add: Callable[[Snapshot], None],
        next_key: Callable[[], SnapshotKey],
    ) -> None:
        self._alone = alone
        self._accounts = accounts
        self._domains = domains
        self._snapshots = snapshots
        self._blocks = blocks
        self._sharing = sharing
        self._add = add
        self._next_key = next_key
        self._locks: dict[SnapshotKey, Lock] = {}
        self._bin: dict[SnapshotKey, _InBin] = {}
        self._rules: dict[tuple[AccountId, str], RetentionRule] = {}
        self._copies: dict[SnapshotKey, Copy] = {}

    # --- for the store, which holds the lock

    def find(self, account_id: AccountId, snapshot_id: SnapshotId) -> Snapshot:
        """Return a snapshot that is neither deleted nor in the bin."""
        for each in self._snapshots.values():
            if (each.account_id, each.snapshot_id) == (account_id, snapshot_id):
                if each.state in {State.RECYCLED, State.DELETED}:
                    break
                return each
        raise SnapshotNotFound(snapshot_id)

    def delete(self, account_id: AccountId, snapshot_id: SnapshotId, now_ms: int) -> int | None:
        """Do what `delete_snapshot` promises."""
        found = observed(self.find(account_id, snapshot_id), now_ms)
        lock = self._locks.get(found.key)
        if lock is not None and lock.forbids_deletion(found, now_ms):
            raise SnapshotLocked(snapshot_id, lock.mode)
        days = retention_days(found, self._rules_of(account_id))
        if days is None:
            self._delete_for_good(found, now_ms)
            return None
        self._bin[found.key] = _InBin(now_ms, now_ms + days * DAY_MS)
        self._snapshots[found.key] = replace(found, state=State.RECYCLED)
        return self._bin[found.key].exits_ms

    def under_way(self, key: SnapshotKey) -> Copy | None:
        """Return a copy that is not over."""
        return self._copy(key) if key in self._copies else None

    def drawers(self) -> Sequence[Drawer]:
        """Return what the archive is to have of this."""
        rules, snapshot = tuple[AccountId, str], ArchiveKind.SNAPSHOT
        return [
            Drawer(ArchiveKind.ACCOUNT, "rules", self._rules, rules, RetentionRule, lambda key, _: key[0]),
            Drawer(snapshot, "locks", self._locks, SnapshotKey, Lock, self._snapshot_id),
            Drawer(snapshot, "bin", self._bin, SnapshotKey, _InBin, self._snapshot_id),
        ]

    def _snapshot_id(self, key: SnapshotKey, _: object) -> str:
        return self._snapshots[key].snapshot_id

    def drop_lock(self, key: SnapshotKey) -> None:
        """Take the lock off a snapshot that failed."""
        self._locks.pop(key, None)

    def _delete_for_good(self, found: Snapshot, now_ms: int) -> None:
        self._snapshots[found.key] = replace(self._snapshots[found.key], state=State.DELETED, tags={})
        self._sharing.forget(found, now_ms=now_ms)
        self._locks.pop(found.key, None)
        self._copies.pop(found.key, None)
        self._bin.pop(found.key, None)

    # --- locks

    def change_lock(
        self,
        account_id: AccountId,
        snapshot_id: SnapshotId,
        change: Callable[[Snapshot, Lock | None], Lock | None],
    ) -> LockedSnapshot | None:
        with self._alone():
            found = self.find(account_id, snapshot_id)
            lock = change(found, self._locks.get(found.key))
            if lock is None:
                self._locks.pop(found.key, None)
                return None
            self._locks[found.key] = lock
            return LockedSnapshot(snapshot=found, lock=lock)

    def lock(self, account_id: AccountId, snapshot_id: SnapshotId) -> LockedSnapshot | None:
        with self._alone():
            return self._locked(self.find(account_id, snapshot_id))

    def locks(
        self, account_id: AccountId, *, after: SnapshotKey | None, limit: int
    ) -> Sequence[LockedSnapshot]:
        with self._alone():
            there = [
                self._locked(each)
                for each in self._snapshots.values()
                if each.account_id == account_id
                and each.state not in {State.RECYCLED, State.DELETED}
                and (after is None or each.key > after)
            ]
            return [each for each in there if each is not None][:limit]

    def _locked(self, snapshot: Snapshot) -> LockedSnapshot | None:
        lock = self._locks.get(snapshot.key)
        return None if lock is None else LockedSnapshot(snapshot=snapshot, lock=lock)

    # --- recycle bin

    def recycled(
        self, account_id: AccountId, *, after: SnapshotKey | None, limit: int
    ) -> Sequence[RecycledSnapshot]:
        with self._alone():
            keys = sorted(key for key in self._bin if after is None or key > after)
            found = [self._recycled(key) for key in keys if self._snapshots[key].account_id == account_id]
            return found[:limit]

    def recycled_snapshot(self, account_id: AccountId, snapshot_id: SnapshotId) -> RecycledSnapshot:
        with self._alone():
            return self._find_in_bin(account_id, snapshot_id)

    def restore(self, account_id: AccountId, snapshot_id: SnapshotId, *, now_ms: int) -> Snapshot:
        with self._alone():
            found = self._find_in_bin(account_id, snapshot_id)
            if now_ms >= found.exits_ms:
                raise SnapshotNotFound(snapshot_id)
            del self._bin[found.snapshot.key]
            self._snapshots[found.snapshot.key] = replace(found.snapshot, state=State.COMPLETED)
            return self._snapshots[found.snapshot.key]

    def empty_bin(self, *, now_ms: int, limit: int) -> Sequence[SnapshotId]:
        with self._alone():
            over = sorted((each.exits_ms, key) for key, each in self._bin.items() if now_ms >= each.exits_ms)
            gone = [self._snapshots[key] for _, key in over[:limit]]
            for each in gone:
                self._delete_for_good(each, now_ms)
            return [each.snapshot_id for each in gone]

    def _find_in_bin(self, account_id: AccountId, snapshot_id: SnapshotId) -> RecycledSnapshot:
        for key in self._bin:
            found = self._recycled(key)
            if (found.snapshot.account_id, found.snapshot.snapshot_id) == (account_id, snapshot_id):
                return found
        raise SnapshotNotFound(snapshot_id)

    def _recycled(self, key: SnapshotKey) -> RecycledSnapshot:
        times = self._bin[key]
        return RecycledSnapshot(
            snapshot=self._snapshots[key], entered_ms=times.entered_ms, exits_ms=times.exits_ms
        )

    def change_rules(
        self, account_id: AccountId, change: Callable[[Sequence[RetentionRule]], RetentionRule]
    ) -> RetentionRule:
        with self._alone():
            self._demand_account(account_id)
            rule = change(self._rules_of(account_id))
            if rule.account_id != account_id:
                raise InvariantError("an account changes its own rules")
            self._rules[account_id, rule.rule_id] = rule
            return rule

    def rule(self, account_id: AccountId, rule_id: str) -> RetentionRule:
        with self._alone():
            if (account_id, rule_id) not in self._rules:
                raise RuleNotFound(f"account {account_id} has no retention rule {rule_id}")
            return self._rules[account_id, rule_id]

    def rules(self, account_id: AccountId) -> Sequence[RetentionRule]:
        with self._alone():
            return self._rules_of(account_id)

    def _rules_of(self, account_id: AccountId) -> Sequence[RetentionRule]:
        return [rule for (owner, _), rule in sorted(self._rules.items()) if owner == account_id]

    def remove_rule(self, account_id: AccountId, rule_id: str) -> None:
        with self._alone():
            if self._rules.pop((account_id, rule_id), None) is None:
                raise RuleNotFound(f"account {account_id} has no retention rule {rule_id}")

    # --- copies

    def start_copy(self, start: CopyStart) -> Snapshot:
        with self._alone():
            self._check_limits(start)
            copy = Copy(
                snapshot=self._started(start),
                source_id=start.source_id,
                encrypted=start.encrypted,
                kms_key=start.kms_key,
                refusal=start.refusal,
                principal_arn=start.principal_arn,
                source_domain_key=None,
                source_root=None,
                source_block_count=0,
                next_index=BlockIndex(0),
                copied_count=0,
            )
            self._add(copy.snapshot)
            self._copies[copy.snapshot.key] = copy
            return copy.snapshot

    def _check_limits(self, start: CopyStart) -> None:
        own = [each for each in self._snapshots.values() if each.account_id == start.account_id]
        copies = [each for each in own if each.key in self._copies]
        if start.copies_max and len(copies) >= start.copies_max:
            raise CopyLimitReached
        there = [each for each in own if each.state is not State.DELETED]
        if start.snapshots_max and len(there) >= start.snapshots_max:
            raise SnapshotLimitReached

    def _started(self, start: CopyStart) -> Snapshot:
        self._demand_account(start.account_id)
        self._demand_domain(start.domain_key, start.account_id)
        if any(each.snapshot_id == start.snapshot_id for each in self._snapshots.values()):
            raise InvariantError(f"{start.snapshot_id} was used before")
        return Snapshot(
            key=self._next_key(),
            snapshot_id=start.snapshot_id,
            account_id=start.account_id,
            domain_key=start.domain_key,
            lineage_id=start.snapshot_id,
            parent_id=None,
            state=State.PENDING,
            state_message="",
            volume_gib=0,
            description=start.description,
            timeout_minutes=NO_TIMEOUT_MINUTES,
            started_ms=start.now_ms,
            last_write_ms=start.now_ms,
            completed_ms=None,
            base_root=None,
            base_block_count=0,
            root=None,
            block_count=0,
            claim=None,
            origin=Origin.COPY,
            tags={key: start.tags[key] for key in sorted(start.tags)},
        )

    def copies(self, *, after: SnapshotKey | None, limit: int) -> Sequence[Copy]:
        with self._alone():
            keys = sorted(key for key in self._copies if after is None or key > after)
            return [self._copy(key) for key in keys[:limit]]

    def copy(self, key: SnapshotKey) -> Copy | None:
        with self._alone():
            return self.under_way(key)

    def _copy(self, key: SnapshotKey) -> Copy:
        return replace(self._copies[key], snapshot=self._snapshots[key])

    def resolve_copy(
        self, key: SnapshotKey, *, source_key: SnapshotKey, domain_key: DomainKey
    ) -> Copy | None:
        with self._alone():
            if key not in self._copies:
                return None
            copy = self._copy(key)
            if copy.source_domain_key is not None:
                return copy
            if self._blocks[key]:
                raise InvariantError("nothing is copied before it is known what")
            source = self._snapshots.get(source_key)
            if source is None or source.state is not State.COMPLETED:
                raise SnapshotNotFound(copy.source_id)
            self._demand_domain(domain_key, copy.snapshot.account_id)
            is_same = source.domain_key == domain_key
            self._snapshots[key] = replace(
                copy.snapshot,
                domain_key=domain_key,
                volume_gib=source.volume_gib,
                base_root=source.root if is_same else None,
                base_block_count=source.block_count if is_same else 0,
            )
            self._copies[key] = replace(
                copy,
                source_domain_key=source.domain_key,
                source_root=source.root,
                source_block_count=source.block_count,
            )
            return self._copy(key)

    def note_copied(self, key: SnapshotKey, *, next_index: BlockIndex, copied_count: int) -> bool:
        with self._alone():
            if key not in self._copies:
                return False
            self._copies[key] = replace(self._copies[key], next_index=next_index, copied_count=copied_count)
            return True

    def finish_copying(self, key: SnapshotKey, *, now_ms: int) -> bool:
        del now_ms  # a durable store notes when; nothing shows it
        with self._alone():
            if key not in self._copies:
                return False
            if self._copies[key].source_domain_key is None:
                raise InvariantError("a copy of nothing known is not finished")
            claim = CompletionClaim(changed_blocks_count=len(self._blocks[key]), aggregate=None)
            self._snapshots[key] = replace(self._snapshots[key], state=State.SEALING, claim=claim)
            del self._copies[key]
            return True

    def fail_copy(self, key: SnapshotKey, message: str, *, now_ms: int) -> bool:
        del now_ms  # as above
        with self._alone():
            if self._copies.pop(key, None) is None:
                return False
            self._snapshots[key] = replace(self._snapshots[key], state=State.ERROR, state_message=message)
            self.drop_lock(key)
            return True

    def _demand_account(self, account_id: AccountId) -> None:
        if account_id not in self._accounts:
            raise InvariantError(f"account {account_id} is not recorded")

    def _demand_domain(self, domain_key: DomainKey, account_id: AccountId) -> None:
        if domain_key not in self._domains or self._domains[domain_key].account_id != account_id:
            raise InvariantError("a snapshot lives in a domain of its account")
