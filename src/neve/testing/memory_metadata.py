"""A metadata store in dictionaries, held to the same contract suite as the durable ones.

For tests: it promises everything but durability, in as few lines as show what the contract means. It shares no
code with the SQL stores on purpose; the machine in `metadata_machine` runs both and demands equal answers.
"""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from neve.domain.blocks import ZERO_CHUNK_ID, BlockIndex, ChunkId
from neve.domain.identities import AccessKey, Account, AccountId, Domain, DomainKey, SnapshotId
from neve.domain.snapshots import (
    CompletionClaim,
    Origin,
    Sealed,
    Snapshot,
    SnapshotKey,
    State,
    observed,
)
from neve.errors import (
    AccessKeyNotFound,
    ClientTokenMismatch,
    InvariantError,
    ParentLargerThanChild,
    PendingLimitReached,
    ReservationCancelled,
    SnapshotLimitReached,
    SnapshotNotComplete,
    SnapshotNotFound,
    StoreUnavailable,
    TagLimitReached,
)
from neve.limits import TINY
from neve.stores.metadata.contract import (
    Batch,
    BlockRow,
    BlockWrite,
    MetadataStatistics,
    NodeHold,
    PublishResult,
    SnapshotStart,
    StartCheck,
    Started,
    StoreFacts,
    TagRemoval,
    VisibleSnapshot,
    WriteOutcome,
)
from neve.stores.metadata.contract_archive import ArchiveKind
from neve.stores.metadata.contract_collection import SegmentState
from neve.stores.metadata.placement import ChunkRecord, SegmentName
from neve.testing.memory_archive_records import MemoryArchiveRecords
from neve.testing.memory_chunks import ChunkName, MemoryChunks
from neve.testing.memory_collection import MemoryCollectionRecords
from neve.testing.memory_drawers import Drawer
from neve.testing.memory_identities import MemoryIdentityRecords
from neve.testing.memory_key_records import MemoryKeyRecords
from neve.testing.memory_lifecycle import MemoryLifecycleRecords
from neve.testing.memory_needs import MemoryNeedRecords
from neve.testing.memory_sharing import MemorySharing


@dataclass(frozen=True, slots=True)
class _Token:
    fingerprint: bytes
    started: Snapshot
    used_ms: int


FACTS = StoreFacts(
    format_version=1,
    store_id=bytes(range(16)),
    block_bytes=TINY.block_bytes,
    node_fanout=TINY.node_fanout,
    created_ms=1_790_000_000_000,
)
"""Of a store of tiny blocks, for tests that do not care."""


class MemoryMetadataStore:
    """`contract.MetadataStore` until the process ends. Everything happens under one lock."""

    def __init__(self, facts: StoreFacts = FACTS) -> None:
        self._facts = facts
        self._lock = threading.Lock()
        self._closed = False
        self._accounts: dict[AccountId, Account] = {}
        self._access_keys: dict[str, AccessKey] = {}
        self._identities = MemoryIdentityRecords(
            alone=self._alone, accounts=self._accounts, access_keys=self._access_keys
        )
        self._domains: dict[DomainKey, Domain] = {}
        self._snapshots: dict[SnapshotKey, Snapshot] = {}
        self._sharing = MemorySharing()
        self._tokens: dict[tuple[AccountId, str], _Token] = {}
        self._newest_key = SnapshotKey(0)
        self._kept = MemoryChunks()
        self._chunks, self._bad = self._kept.records, self._kept.bad
        self._blocks, self._holds = self._kept.blocks, self._kept.holds
        self._keys = MemoryKeyRecords(self._alone, accounts=self._accounts, domains=self._domains)
        self._lifecycle = MemoryLifecycleRecords(
            alone=self._alone,
            accounts=self._accounts,
            domains=self._domains,
            snapshots=self._snapshots,
            blocks=self._blocks,
            sharing=self._sharing,
            add=self._add,
            next_key=self._next_key,
        )
        self._needs = MemoryNeedRecords(
            alone=self._alone,
            snapshots=self._snapshots,
            holds=self._holds,
            copy_under_way=self._lifecycle.under_way,
        )
        self._collection = MemoryCollectionRecords(
            alone=self._alone,
            snapshots=self._snapshots,
            chunks=self._kept,
            sharing=self._sharing,
            needs=self._needs,
            has_token=lambda key: any(token.started.key == key for token in self._tokens.values()),
        )
        self._archive = MemoryArchiveRecords(
            alone=self._alone,
            facts=facts,
            accounts=self._accounts,
            domains=self._domains,
            snapshots=self._snapshots,
            undos=self._sharing.undos,
            drawers=self._drawers,
            add=self._add,
        )

    @property
    def identities(self) -> MemoryIdentityRecords:
        return self._identities

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._lock:
            if self._closed:
                raise StoreUnavailable("the metadata store is closed")
            yield

    @property
    def keys(self) -> MemoryKeyRecords:
        return self._keys

    @property
    def lifecycle(self) -> MemoryLifecycleRecords:
        return self._lifecycle

    @property
    def needs(self) -> MemoryNeedRecords:
        return self._needs

    @property
    def collection(self) -> MemoryCollectionRecords:
        return self._collection

    @property
    def archive(self) -> MemoryArchiveRecords:
        return self._archive

    def _drawers(self) -> Sequence[Drawer]:
        account, domain = ArchiveKind.ACCOUNT, ArchiveKind.DOMAIN
        return [
            Drawer(account, "accounts", self._accounts, AccountId, Account, lambda key, _: key),
            Drawer(
                account, "access_keys", self._access_keys, str, AccessKey, lambda _, value: value.account_id
            ),
            *self._identities.drawers(),
            Drawer(domain, "domains", self._domains, DomainKey, Domain, lambda key, _: str(key)),
            *self._keys.drawers(),
            Drawer(
                ArchiveKind.SNAPSHOT,
                "snapshots",
                self._snapshots,
                SnapshotKey,
                Snapshot,
                lambda _, value: value.snapshot_id,
            ),
            *self._sharing.drawers(self._snapshots),
            *self._lifecycle.drawers(),
        ]

    # --- accounts, keys, domains

    def create_account(self, account: Account) -> None:
        with self._alone():
            self._accounts.setdefault(account.account_id, account)

    def accounts(self) -> Sequence[Account]:
        with self._alone():
            return [self._accounts[account_id] for account_id in sorted(self._accounts)]

    def add_access_key(self, access_key: AccessKey) -> None:
        with self._alone():
            self._demand_account(access_key.account_id)
            if access_key.user_name:
                self._identities.find_user(access_key.account_id, access_key.user_name)
            self._access_keys[access_key.access_key_id] = access_key

    def access_key(self, access_key_id: str) -> AccessKey:
        with self._alone():
            if access_key_id not in self._access_keys:
                raise AccessKeyNotFound(access_key_id)
            return self._access_keys[access_key_id]

    def access_keys(self, account_id: AccountId) -> Sequence[AccessKey]:
        with self._alone():
            keys = [key for key in self._access_keys.values() if key.account_id == account_id]
            return sorted(keys, key=lambda key: key.access_key_id)

    def remove_access_key(self, access_key_id: str) -> None:
        with self._alone():
            if self._access_keys.pop(access_key_id, None) is None:
                raise AccessKeyNotFound(access_key_id)

    def add_domain(
        self, *, account_id: AccountId, kms_key_arn: str, uid: bytes, sealed_id_key: bytes
    ) -> Domain:
        with self._alone():
            self._demand_account(account_id)
            for domain in self._domains.values():
                if (domain.account_id, domain.kms_key_arn) == (account_id, kms_key_arn):
                    return domain
            if any(domain.uid == uid for domain in self._domains.values()):
                raise InvariantError("two domains have one uid")
            key = DomainKey(max(self._domains, default=0) + 1)
            self._domains[key] = Domain(
                key=key, uid=uid, account_id=account_id, kms_key_arn=kms_key_arn, sealed_id_key=sealed_id_key
            )
            return self._domains[key]

    def domains(self) -> Sequence[Domain]:
        with self._alone():
            return list(self._domains.values())

    def _demand_account(self, account_id: AccountId) -> None:
        if account_id not in self._accounts:
            raise InvariantError(f"account {account_id} is not recorded")

    # --- snapshots

    def check_start(self, start: SnapshotStart) -> StartCheck:
        with self._alone():
            return self._checked(start)

    def start_snapshot(self, start: SnapshotStart) -> Started:
        with self._alone():
            check = self._checked(start)
            if check.replayed is not None:
                return check.replayed
            snapshot = self._started(start, check.parent)
            self._add(replace(snapshot, tags=_in_order(snapshot.tags)))
            if start.client_token is not None:
                token = _Token(start.fingerprint, snapshot, start.now_ms)
                self._tokens[start.account_id, start.client_token] = token
            return Started(snapshot=snapshot, replayed=False)

    def _next_key(self) -> SnapshotKey:
        return SnapshotKey(self._newest_key + 1)

    def _add(self, snapshot: Snapshot) -> None:
        self._newest_key = max(self._newest_key, snapshot.key)
        self._snapshots[snapshot.key] = snapshot
        self._blocks[snapshot.key] = {}
        self._holds[snapshot.key] = set()

    def _checked(self, start: SnapshotStart) -> StartCheck:
        token_name = (start.account_id, start.client_token or "")
        token = None if start.client_token is None else self._tokens.get(token_name)
        if token is not None:
            if token.fingerprint != start.fingerprint:
                raise ClientTokenMismatch
            return StartCheck(replayed=Started(snapshot=token.started, replayed=True), parent=None)
        parent = None if start.parent_id is None else self._parent(start, start.parent_id)
        self._check_quotas(start)
        return StartCheck(replayed=None, parent=parent)

    def _parent(self, start: SnapshotStart, parent_id: SnapshotId) -> Snapshot:
        parent = observed(self._find(start.account_id, parent_id), start.now_ms)
        if parent.state is State.ERROR:
            raise SnapshotNotFound(parent_id)
        if parent.state is not State.COMPLETED:
            raise SnapshotNotComplete
        if parent.volume_gib > start.volume_gib:
            raise ParentLargerThanChild
        return parent

    def _check_quotas(self, start: SnapshotStart) -> None:
        there = [each for each in self._of_account(start.account_id) if each.state is not State.DELETED]
        waiting = [each for each in there if each.origin is Origin.DIRECT]
        pending = [each for each in waiting if observed(each, start.now_ms).state is State.PENDING]
        if start.pending_max and len(pending) >= start.pending_max:
            raise PendingLimitReached
        if start.snapshots_max and len(there) >= start.snapshots_max:
            raise SnapshotLimitReached

    def _started(self, start: SnapshotStart, parent: Snapshot | None) -> Snapshot:
        domain_key = start.domain_key if parent is None else parent.domain_key
        self._demand_account(start.account_id)
        if domain_key is None or domain_key not in self._domains:
            raise InvariantError("a snapshot lives in a recorded domain")
        if self._domains[domain_key].account_id != start.account_id:
            raise InvariantError("a snapshot lives in a domain of its account")
        if any(each.snapshot_id == start.snapshot_id for each in self._snapshots.values()):
            raise InvariantError(f"{start.snapshot_id} was used before")
        return Snapshot(
            key=self._next_key(),
            snapshot_id=start.snapshot_id,
            account_id=start.account_id,
            domain_key=domain_key,
            lineage_id=start.snapshot_id if parent is None else parent.lineage_id,
            parent_id=start.parent_id,
            state=State.PENDING,
            state_message="",
            volume_gib=start.volume_gib,
            description=start.description,
            timeout_minutes=start.timeout_minutes,
            started_ms=start.now_ms,
            last_write_ms=start.now_ms,
            completed_ms=None,
            base_root=None if parent is None else parent.root,
            base_block_count=0 if parent is None else parent.block_count,
            root=None,
            block_count=0,
            claim=None,
            tags=dict(start.tags),
        )

    def snapshot(self, account_id: AccountId, snapshot_id: SnapshotId) -> Snapshot:
        with self._alone():
            return self._find(account_id, snapshot_id)

    def snapshots(
        self,
        account_id: AccountId,
        *,
        after: SnapshotKey | None,
        limit: int,
        tag_key: str | None = None,
        tag_value: str | None = None,
    ) -> Sequence[Snapshot]:
        with self._alone():
            there = [
                each
                for each in self._of_account(account_id)
                if each.state not in {State.RECYCLED, State.DELETED}
                and (after is None or each.key > after)
                and _is_tagged(each, tag_key, tag_value)
            ]
            return there[:limit]

    def accept_completion(
        self, account_id: AccountId, snapshot_id: SnapshotId, claim: CompletionClaim, *, now_ms: int
    ) -> Snapshot:
        with self._alone():
            found = self._find(account_id, snapshot_id)
            if found.origin is Origin.COPY:
                raise SnapshotNotFound(snapshot_id)
            if found.state is State.PENDING:
                if observed(found, now_ms).state is State.ERROR:
                    return observed(found, now_ms)
                self._snapshots[found.key] = replace(found, state=State.SEALING, claim=claim)
            return self._snapshots[found.key]

    def sealing(self, *, limit: int) -> Sequence[Snapshot]:
        with self._alone():
            return [each for each in self._snapshots.values() if each.state is State.SEALING][:limit]

    def finish_completion(self, key: SnapshotKey, sealed: Sealed, *, now_ms: int) -> bool:
        with self._alone():
            is_finished = self._leave_sealing(
                key,
                lambda found: replace(
                    found,
                    state=State.COMPLETED,
                    completed_ms=now_ms,
                    root=sealed.root,
                    block_count=sealed.block_count,
                ),
            )
            if is_finished:
                self._kept.unsettled.add(key)
            return is_finished

    def fail_completion(self, key: SnapshotKey, message: str, *, now_ms: int) -> bool:
        del now_ms  # a durable store notes when; nothing shows it
        with self._alone():
            return self._leave_sealing(
                key, lambda found: replace(found, state=State.ERROR, state_message=message)
            )

    def _leave_sealing(self, key: SnapshotKey, leave: Callable[[Snapshot], Snapshot]) -> bool:
        found = self._snapshots.get(key)
        if found is None or found.state is not State.SEALING:
            return False
        left = leave(found)
        if left.state is State.ERROR:
            self._fail(left)
        else:
            self._snapshots[key] = left
        return True

    def expire(self, *, now_ms: int, limit: int) -> Sequence[SnapshotId]:
        with self._alone():
            seen = [observed(each, now_ms) for each in self._snapshots.values()]
            overdue = [each for each in seen if each != self._snapshots[each.key]][:limit]
            for each in overdue:
                self._fail(each)
            return [each.snapshot_id for each in overdue]

    def postpone(self, *, after_ms: int, now_ms: int, limit: int) -> int:
        with self._alone():
            pending = [each for each in self._snapshots.values() if each.state is State.PENDING]
            passed = [each for each in pending if after_ms < each.deadline_ms <= now_ms]
            passed = sorted(passed, key=lambda each: (each.deadline_ms, each.key))[:limit]
            for each in passed:
                self._snapshots[each.key] = replace(each, last_write_ms=now_ms)
            return len(passed)

    def _fail(self, failed: Snapshot) -> None:
        self._snapshots[failed.key] = failed
        self._lifecycle.drop_lock(failed.key)

    def reap(self, *, limit: int) -> int:
        with self._alone():
            taken = 0
            for key in self._snapshots:
                if not self._rows_are_shown(key):
                    for index in sorted(self._blocks[key])[: limit - taken]:
                        del self._blocks[key][index]
                        taken += 1
                    for name in sorted(self._holds[key])[: limit - taken]:
                        self._holds[key].remove(name)
                        taken += 1
            return taken

    def _rows_are_shown(self, key: SnapshotKey) -> bool:
        snapshot = self._snapshots.get(key)
        if snapshot is None:
            return False
        return snapshot.state not in {State.ERROR, State.DELETED} or snapshot.completed_ms is not None

    def delete_snapshot(self, account_id: AccountId, snapshot_id: SnapshotId, *, now_ms: int) -> int | None:
        with self._alone():
            return self._lifecycle.delete(account_id, snapshot_id, now_ms)

    def forget_client_tokens(self, *, used_before_ms: int, limit: int) -> int:
        with self._alone():
            old = [
                name
                for name, token in sorted(self._tokens.items(), key=lambda item: (item[1].used_ms, item[0]))
                if token.used_ms < used_before_ms
                and self._snapshots[token.started.key].state is State.DELETED
            ]
            for name in old[:limit]:
                del self._tokens[name]
            return len(old[:limit])

    def _find(self, account_id: AccountId, snapshot_id: SnapshotId) -> Snapshot:
        return self._lifecycle.find(account_id, snapshot_id)

    def _of_account(self, account_id: AccountId) -> Sequence[Snapshot]:
        return [each for each in self._snapshots.values() if each.account_id == account_id]

    # --- sharing

    def visible_snapshot(self, account_id: AccountId, snapshot_id: SnapshotId) -> VisibleSnapshot:
        with self._alone():
            return self._see(account_id, snapshot_id)

    def _see(self, account_id: AccountId, snapshot_id: SnapshotId) -> VisibleSnapshot:
        for seen in self._sharing.seen_by(account_id, self._snapshots.values()):
            if seen.snapshot.snapshot_id == snapshot_id:
                return seen
        raise SnapshotNotFound(snapshot_id)

    def visible_snapshots(
        self,
        account_id: AccountId,
        *,
        after: SnapshotKey | None,
        limit: int,
        tag_key: str | None = None,
        tag_value: str | None = None,
    ) -> Sequence[VisibleSnapshot]:
        with self._alone():
            later = [each for each in self._snapshots.values() if after is None or each.key > after]
            seen = self._sharing.seen_by(account_id, later)
            return [each for each in seen if _is_tagged(each.snapshot, tag_key, tag_value)][:limit]

    def modify_permissions(
        self,
        account_id: AccountId,
        snapshot_id: SnapshotId,
        *,
        add: Collection[str] = (),
        remove: Collection[str] = (),
    ) -> None:
        with self._alone():
            self._sharing.modify(self._find(account_id, snapshot_id), add=add, remove=remove)

    def permissions(self, account_id: AccountId, snapshot_id: SnapshotId) -> Sequence[str]:
        with self._alone():
            return self._sharing.grantees(self._find(account_id, snapshot_id))

    # --- tags

    def put_tags(
        self,
        account_id: AccountId,
        snapshot_ids: Collection[SnapshotId],
        tags: Mapping[str, str],
        *,
        tags_max: int,
    ) -> None:
        with self._alone():
            found = [self._see(account_id, snapshot_id).snapshot for snapshot_id in snapshot_ids]
            tagged = [replace(each, tags=_in_order({**each.tags, **tags})) for each in found]
            for each in tagged:
                if len(each.tags) > tags_max:
                    raise TagLimitReached(each.snapshot_id)
            self._put_tags(account_id, tagged)

    def remove_tags(
        self, account_id: AccountId, snapshot_ids: Collection[SnapshotId], removals: Collection[TagRemoval]
    ) -> None:
        with self._alone():
            tagged = []
            for each in [self._see(account_id, snapshot_id).snapshot for snapshot_id in snapshot_ids]:
                tags = dict(each.tags) if removals else {}
                for removal in removals:
                    if removal.value in {None, tags.get(removal.key)}:
                        tags.pop(removal.key, None)
                tagged.append(replace(each, tags=tags))
            self._put_tags(account_id, tagged)

    def _put_tags(self, account_id: AccountId, tagged: Sequence[Snapshot]) -> None:
        for each in tagged:
            if each.account_id == account_id:
                self._snapshots[each.key] = each
            else:
                self._sharing.put_guest_tags(each, account_id, each.tags)

    # --- blocks, chunks, segments

    def reserve_segments(self, names: Collection[SegmentName], *, now_ms: int) -> None:
        with self._alone():
            if len(set(names)) < len(names) or any(name in self._kept.segments for name in names):
                raise InvariantError("a segment name is reserved once")
            for name in names:
                self._kept.add_segment(name, now_ms=now_ms)

    def cancel_reservations(self) -> int:
        with self._alone():
            segments = self._kept.segments
            active = [name for name in segments if segments[name].state is SegmentState.RESERVED]
            for name in active:
                segments[name] = replace(segments[name], state=SegmentState.CANCELLED)
            return len(active)

    def publish(self, batch: Batch, *, now_ms: int) -> PublishResult:
        with self._alone():
            self._check_segment(batch)
            replaced = {
                (chunk.domain_key, chunk.chunk_id): chunk
                for chunk in reversed(batch.chunks)
                if not self._is_good((chunk.domain_key, chunk.chunk_id))
            }
            good = (self._chunks.keys() - self._bad) | replaced.keys()
            blocks = [
                self._outcome(write, State.PENDING, good | {(write.domain_key, ZERO_CHUNK_ID)}, now_ms)
                for write in batch.blocks
            ]
            holds = [self._outcome(hold, State.SEALING, good, now_ms) for hold in batch.holds]
            # Nothing below this line can be refused.
            if batch.segment is not None:
                self._kept.segments[batch.segment] = replace(
                    self._kept.segments[batch.segment],
                    state=SegmentState.LIVE,
                    size_bytes=batch.segment_bytes,
                )
            for chunk in reversed(replaced.values()):
                self._kept.put(chunk)
            for write, outcome in zip(batch.blocks, blocks, strict=True):
                if outcome is WriteOutcome.WRITTEN:
                    self._write(write, now_ms)
            for hold, outcome in zip(batch.holds, holds, strict=True):
                if outcome is WriteOutcome.WRITTEN:
                    self._holds[hold.snapshot_key].add((hold.domain_key, hold.chunk_id))
            return PublishResult(blocks=blocks, holds=holds)

    def _check_segment(self, batch: Batch) -> None:
        segment = None if batch.segment is None else self._kept.segments.get(batch.segment)
        if batch.segment is not None and (segment is None or segment.state is not SegmentState.RESERVED):
            raise ReservationCancelled
        for chunk in batch.chunks:
            if chunk.segment != batch.segment or chunk.chunk_id == ZERO_CHUNK_ID:
                raise InvariantError("a batch publishes the chunks of its own segment")
            if chunk.domain_key not in self._domains:
                raise InvariantError("a chunk lives in a recorded domain")

    def _outcome(
        self, entry: BlockWrite | NodeHold, wanted: State, good: Collection[ChunkName], now_ms: int
    ) -> WriteOutcome:
        found = self._snapshots.get(entry.snapshot_key)
        state = State.DELETED if found is None else observed(found, now_ms).state
        if found is None or state in {State.ERROR, State.RECYCLED, State.DELETED}:
            return WriteOutcome.SNAPSHOT_NOT_FOUND
        if found.domain_key != entry.domain_key:
            raise InvariantError("a snapshot refers to chunks of its own domain")
        if state is State.PENDING and wanted is State.SEALING:
            raise InvariantError("a pending snapshot has no nodes")
        if state is not wanted:
            return WriteOutcome.SNAPSHOT_SEALED
        name = (entry.domain_key, entry.chunk_id)
        return WriteOutcome.WRITTEN if name in good else WriteOutcome.CHUNK_GONE

    def _write(self, write: BlockWrite, now_ms: int) -> None:
        row = BlockRow(block_index=write.block_index, chunk_id=write.chunk_id, digest=write.digest)
        self._blocks[write.snapshot_key][write.block_index] = row
        found = self._snapshots[write.snapshot_key]
        self._snapshots[write.snapshot_key] = replace(found, last_write_ms=max(found.last_write_ms, now_ms))

    def _is_good(self, name: ChunkName) -> bool:
        return name in self._chunks and name not in self._bad

    def chunks(self, domain_key: DomainKey, chunk_ids: Collection[ChunkId]) -> Mapping[ChunkId, ChunkRecord]:
        with self._alone():
            return {
                chunk_id: self._chunks[domain_key, chunk_id]
                for chunk_id in chunk_ids
                if (domain_key, chunk_id) in self._chunks
            }

    def stored(self, domain_key: DomainKey, chunk_ids: Collection[ChunkId]) -> set[ChunkId]:
        with self._alone():
            return {chunk_id for chunk_id in chunk_ids if self._is_good((domain_key, chunk_id))}

    def mark_bad(self, domain_key: DomainKey, chunk_id: ChunkId) -> None:
        with self._alone():
            if (domain_key, chunk_id) in self._chunks:
                self._bad.add((domain_key, chunk_id))

    def blocks(
        self, snapshot_key: SnapshotKey, *, after: BlockIndex | None, limit: int
    ) -> Sequence[BlockRow]:
        with self._alone():
            rows = self._blocks[snapshot_key] if self._rows_are_shown(snapshot_key) else {}
            return [rows[index] for index in sorted(rows) if after is None or index > after][:limit]

    def block_count(self, snapshot_key: SnapshotKey) -> int:
        with self._alone():
            return len(self._blocks[snapshot_key]) if self._rows_are_shown(snapshot_key) else 0

    # --- the store itself

    def facts(self) -> StoreFacts:
        with self._alone():
            return self._facts

    def flaws(self, check: Callable[[], None], *, limit: int) -> Sequence[str]:
        assert limit > 0
        with self._alone():
            check()
            return []

    def statistics(self) -> MetadataStatistics:
        with self._alone():
            return MetadataStatistics(
                accounts=len(self._accounts),
                snapshots=dict(Counter(each.state.value for each in self._snapshots.values())),
                block_rows=sum(len(rows) for rows in self._blocks.values()),
                holds=sum(len(rows) for rows in self._holds.values()),
                chunk_rows=len(self._chunks),
                segments=dict(Counter(each.state.value for each in self._kept.segments.values())),
                stored_bytes=sum(chunk.stored_bytes for chunk in self._chunks.values()),
            )

    def close(self) -> None:
        with self._lock:
            self._closed = True

    def reopen(self) -> None:
        """Be open again, with all that was there: what a restart is to a durable store."""
        with self._lock:
            self._closed = False


def _is_tagged(snapshot: Snapshot, tag_key: str | None, tag_value: str | None) -> bool:
    return tag_key is None or (tag_key in snapshot.tags and tag_value in {None, snapshot.tags[tag_key]})


def _in_order(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: tags[key] for key in sorted(tags)}
