"""The contract every metadata store keeps.

It holds the records: who there is, which snapshots, what each block of a pending snapshot refers to, and
where each chunk lies. It knows no bytes of blocks, no HTTP and no policy; it decides only what must be
decided in one transaction.

    reserve names ─▶ (bytes become durable in a segment) ─▶ publish: chunk, block and hold rows, at once
    start ─▶ publish … publish ─▶ accept_completion ─▶ publish nodes ─▶ finish_completion ─▶ delete

Words and units
    now_ms         milliseconds since the epoch by the service's clock, never the store's.
    account_id     part of every look-up: another account's record is a missing record.
    chunk row      (domain, chunk id) -> where the bytes lie. Named by block rows and holds through foreign
                   keys: while one exists, the store refuses to let the chunk row go.
    block row      (snapshot, index) -> chunk row, and the SHA-256 that the completion's aggregate needs.
    hold           (snapshot, chunk row) for each block-map node that completing the snapshot made or found.

Promises (checked against every implementation by `neve.testing.metadata_contract`)
    atomic         a method does all of what it says or, when it raises, none of it.
    durable        when a method that writes returns, its effect outlives a kill and a power cut.
    consistent     a read sees every write that returned before it began, and no half of one.
    fenced         publish() refuses a segment whose reservation was cancelled, however late it comes.
    bounded        a method returns at most `limit` records where it has one, in ascending key order.
    shared         every method may be called from any number of threads at once.
    closed-mouthed every failure of a driver comes out as StoreError; RecordRefused is an answer. A call that
                   only a bug can make (an unknown account, a name reserved twice) is an InvariantError.

Rows of a snapshot that never completed and is in error or deleted are *dropped*: from that moment no method
shows them. The store itself may take longer to let millions of them go, so that nobody waits: `reap` does
that, a slice at a time. Until then they still hold their chunk rows, which errs on the safe side.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from neve.domain.blocks import BlockIndex, ChunkId, Digest
from neve.domain.identities import AccessKey, Account, AccountId, Domain, DomainKey, SnapshotId
from neve.domain.snapshots import CompletionClaim, Sealed, Snapshot, SnapshotKey
from neve.stores.metadata.contract_archive import ArchiveRecords
from neve.stores.metadata.contract_collection import CollectionRecords
from neve.stores.metadata.contract_identities import IdentityRecords
from neve.stores.metadata.contract_keys import KeyRecords
from neve.stores.metadata.contract_lifecycle import LifecycleRecords
from neve.stores.metadata.contract_needs import NeedRecords
from neve.stores.metadata.placement import ChunkRecord, SegmentName


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFacts:
    """What is decided when a store is created and never changes."""

    format_version: int
    """Version of the bytes in segments (docs/format.md)."""
    store_id: bytes
    """16 random bytes that tell this store from every other."""
    block_bytes: int
    node_fanout: int
    created_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockWrite:
    """One accepted block of a pending snapshot. `ZERO_CHUNK_ID` needs no chunk row."""

    domain_key: DomainKey
    snapshot_key: SnapshotKey
    block_index: BlockIndex
    chunk_id: ChunkId
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeHold:
    """One block-map node that a sealing snapshot needs."""

    domain_key: DomainKey
    snapshot_key: SnapshotKey
    chunk_id: ChunkId


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one group commit publishes.

    `chunks` are the new chunks of `segment`; both are empty when every block was a hit or a zero.
    """

    segment: SegmentName | None
    segment_bytes: int
    chunks: Sequence[ChunkRecord] = ()
    blocks: Sequence[BlockWrite] = ()
    holds: Sequence[NodeHold] = ()


class WriteOutcome(Enum):
    """What became of one block write or hold of a batch; one never harms another."""

    WRITTEN = "written"
    SNAPSHOT_NOT_FOUND = "snapshot not found"
    """Deleted, in the bin, in error, or past its deadline."""
    SNAPSHOT_SEALED = "snapshot sealed"
    """Its completion was accepted (for a block), or is over (for a hold)."""
    CHUNK_GONE = "chunk gone"
    """The deduplication hit it relied on is no longer there or is bad: store the bytes and try again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishResult:
    """Outcomes, one for each entry of the batch, in its order."""

    blocks: Sequence[WriteOutcome]
    holds: Sequence[WriteOutcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRow:
    """One block written to a snapshot, as completion reads it."""

    block_index: BlockIndex
    chunk_id: ChunkId
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotStart:
    """What StartSnapshot wants recorded, and under which conditions."""

    snapshot_id: SnapshotId
    account_id: AccountId
    domain_key: DomainKey | None
    """None with a parent, whose domain it shares: one given beside a parent is not looked at."""
    parent_id: SnapshotId | None
    volume_gib: int
    description: str | None
    timeout_minutes: int
    tags: Mapping[str, str]
    now_ms: int
    client_token: str | None
    fingerprint: bytes
    """Digest of every parameter but the token: equal fingerprints are equal requests."""
    pending_max: int
    """Most pending snapshots of the account, this one included; 0 is no limit."""
    snapshots_max: int
    """Most snapshots of the account, this one included; 0 is no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The snapshot as it was when it was started, and whether a client token brought it back."""

    snapshot: Snapshot
    """For a replay: as first recorded, even if the snapshot has moved on or is deleted."""
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StartCheck:
    """What StartSnapshot would do, before it has a domain to do it in."""

    replayed: Started | None
    """What the client token started before: the answer."""
    parent: Snapshot | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VisibleSnapshot:
    """A snapshot that an account owns, or that was shared with it or with everybody."""

    snapshot: Snapshot
    """With the tags that the account itself gave it: tag sets are each account's own."""
    public: bool
    """Shared with everybody."""
    shared: bool
    """Shared with this very account; False for its own."""


EVERYBODY = "all"
"""Stands for a group of grantees, where else an account id stands: who was shared with it is public."""


@dataclass(frozen=True, slots=True)
class TagRemoval:
    """A tag to take away: by key, or only if it has this value."""

    key: str
    value: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataStatistics:
    """Counts for the console and for tests."""

    accounts: int
    snapshots: Mapping[str, int] = field(default_factory=dict)
    """By state, deleted ones included."""
    block_rows: int = 0
    """Dropped ones that `reap` has not taken yet included."""
    holds: int = 0
    """As block_rows."""
    chunk_rows: int = 0
    segments: Mapping[str, int] = field(default_factory=dict)
    """By state."""
    stored_bytes: int = 0
    """Sum of stored_bytes over chunk rows."""


class MetadataStore(Protocol):
    """Records, kept. See the module's text for the promises."""

    @property
    def identities(self) -> IdentityRecords:
        """Users, policies, account settings."""
        ...

    @property
    def keys(self) -> KeyRecords:
        """KMS keys, aliases, grants, wrapped data keys."""
        ...

    @property
    def lifecycle(self) -> LifecycleRecords:
        """Locks, the recycle bin, copies."""
        ...

    @property
    def needs(self) -> NeedRecords:
        """What needs chunks."""
        ...

    @property
    def collection(self) -> CollectionRecords:
        """What may go."""
        ...

    @property
    def archive(self) -> ArchiveRecords:
        """What the archive beside the segments is to have."""
        ...

    # --- accounts, keys, domains

    def create_account(self, account: Account) -> None:
        """Record an account. Repeating it with the same id changes nothing."""
        ...

    def accounts(self) -> Sequence[Account]:
        """Return every account, by id."""
        ...

    def add_access_key(self, access_key: AccessKey) -> None:
        """Record an access key of a recorded account. An id already there is replaced, whoever had it.

        Raises:
            UserNotFound: the account has no user of the name that the key bears.
        """
        ...

    def access_key(self, access_key_id: str) -> AccessKey:
        """Return an access key.

        Raises:
            AccessKeyNotFound
        """
        ...

    def access_keys(self, account_id: AccountId) -> Sequence[AccessKey]:
        """Return the account's access keys, those of its users included, by id."""
        ...

    def remove_access_key(self, access_key_id: str) -> None:
        """Forget an access key.

        Raises:
            AccessKeyNotFound
        """
        ...

    def add_domain(
        self, *, account_id: AccountId, kms_key_arn: str, uid: bytes, sealed_id_key: bytes
    ) -> Domain:
        """Record a domain of a recorded account and return it; if (account, KMS key) has one, return that one."""
        ...

    def domains(self) -> Sequence[Domain]:
        """Return every domain, by key. They are few: an account has one for each KMS key it used."""
        ...

    # --- snapshots

    def check_start(self, start: SnapshotStart) -> StartCheck:
        """Go through all of `start_snapshot` but the writing.

        For what must be known before a domain can be chosen; `start_snapshot` decides again.

        Raises:
            as `start_snapshot`
        """
        ...

    def start_snapshot(self, start: SnapshotStart) -> Started:
        """Record a pending snapshot with its tags, or return what its client token started before.

        One transaction: the token is looked up before anything else; then the parent must be completed,
        visible to the account and not larger; then the quotas must have room; then everything is written.
        The lineage, domain, base root and base count come from the parent where there is one.
        A snapshot counts as pending until its completion is accepted or its deadline passes, unless it is a copy, and
        counts as a snapshot until it is deleted, which it is not in the bin. A snapshot id used before, and neither parent nor domain, is an
        InvariantError.

        Raises:
            ClientTokenMismatch: the token was used with another fingerprint.
            SnapshotNotFound: the parent is missing, foreign, in error, in the bin or deleted.
            SnapshotNotComplete: the parent is pending or sealing.
            ParentLargerThanChild
            PendingLimitReached, SnapshotLimitReached
        """
        ...

    def snapshot(self, account_id: AccountId, snapshot_id: SnapshotId) -> Snapshot:
        """Return a snapshot with its tags, in order of their keys.

        Raises:
            SnapshotNotFound: missing, foreign, deleted, or in the bin, as everywhere below.
        """
        ...

    def snapshots(
        self,
        account_id: AccountId,
        *,
        after: SnapshotKey | None,
        limit: int,
        tag_key: str | None = None,
        tag_value: str | None = None,
    ) -> Sequence[Snapshot]:
        """Return up to `limit` of the account's snapshots with their tags, deleted and recycled ones left out.

        Ascending by key, the first one above `after`. A page shorter than `limit` is the last. Given a tag key, only
        those that have a tag with it, and given a value too, with this value, without looking at the others.
        """
        ...

    def accept_completion(
        self, account_id: AccountId, snapshot_id: SnapshotId, claim: CompletionClaim, *, now_ms: int
    ) -> Snapshot:
        """Move a pending snapshot to sealing with `claim`; return it as it then is.

        One that is past its deadline is returned in error, as everybody sees it, and nothing is written: a clock that
        is wrong must not end it for good. In every other state nothing changes, the first claim stays, and the snapshot
        is returned as it is.

        Raises:
            SnapshotNotFound: missing, foreign, deleted, or a copy, which no client completes.
        """
        ...

    def sealing(self, *, limit: int) -> Sequence[Snapshot]:
        """Return up to `limit` snapshots whose completion was accepted and is not finished, oldest first."""
        ...

    def finish_completion(self, key: SnapshotKey, sealed: Sealed, *, now_ms: int) -> bool:
        """Move a sealing snapshot to completed. False if it is no longer sealing (deleted meanwhile).

        Drops no block rows: they hold its chunks until collection has marked from its root. It is unsettled until then.
        """
        ...

    def fail_completion(self, key: SnapshotKey, message: str, *, now_ms: int) -> bool:
        """Move a sealing snapshot to error with `message`, which drops its rows and its lock. False as above."""
        ...

    def expire(self, *, now_ms: int, limit: int) -> Sequence[SnapshotId]:
        """Move up to `limit` pending snapshots whose deadline is not after `now_ms` to error; return their ids.

        Nothing takes that back, so `now_ms` is a moment that is past without doubt, which the clock alone cannot tell.
        Their block rows are dropped: nobody can have built on them. So are their locks. A copy has no deadline that passes.
        """
        ...

    def postpone(self, *, after_ms: int, now_ms: int, limit: int) -> int:
        """Let up to `limit` pending snapshots whose deadline is after `after_ms`, but not after `now_ms`, have been
        written to at `now_ms`; return how many, the earliest deadline first.

        For a clock that went from the one to the other at once: nobody had that time to write in. Fewer than `limit`
        means that none are left.
        """
        ...

    def reap(self, *, limit: int) -> int:
        """Let up to `limit` dropped block rows and holds go for good; return how many went.

        Fewer than `limit` means that none are left. Background work calls it until then; `limit` bounds how
        long writers wait for one call.
        """
        ...

    def delete_snapshot(self, account_id: AccountId, snapshot_id: SnapshotId, *, now_ms: int) -> int | None:
        """Move a snapshot to the recycle bin, or to deleted; return when it leaves the bin, None if it is deleted.

        Which of the two, the account's retention rules say (`domain.retention`), as they stand in the same
        transaction. In the bin it is missing for every method but those about the bin, and keeps its tags and
        permissions for a restoration. Deleted, it loses tags, permissions and lock. A completed one keeps its block
        rows and holds (collection needs them) and leaves an undo (`CollectionRecords.undelete`); of one that never
        completed rows are dropped, and nothing brings it back.

        Raises:
            SnapshotNotFound: missing, foreign, deleted or in the bin.
            SnapshotLocked: its lock forbids it, at `now_ms`. Nothing changed.
        """
        ...

    def forget_client_tokens(self, *, used_before_ms: int, limit: int) -> int:
        """Forget up to `limit` tokens first used before then whose snapshot is deleted; return how many.

        The oldest go first, those of one moment in order of account and token.
        """
        ...

    # --- sharing

    def visible_snapshot(self, account_id: AccountId, snapshot_id: SnapshotId) -> VisibleSnapshot:
        """Return a snapshot that the account owns, or that was shared with it or with everybody.

        Raises:
            SnapshotNotFound: missing, deleted, or not shared.
        """
        ...

    def visible_snapshots(
        self,
        account_id: AccountId,
        *,
        after: SnapshotKey | None,
        limit: int,
        tag_key: str | None = None,
        tag_value: str | None = None,
    ) -> Sequence[VisibleSnapshot]:
        """Return up to `limit` snapshots as `visible_snapshot` shows them.

        Ascending by key, the first one above `after`. A page shorter than `limit` is the last. Given a tag key, only
        those that the account itself gave a tag with it, and given a value too, with this value, without looking at
        the others.
        """
        ...

    def modify_permissions(
        self,
        account_id: AccountId,
        snapshot_id: SnapshotId,
        *,
        add: Collection[str] = (),
        remove: Collection[str] = (),
    ) -> None:
        """Share an own snapshot with accounts or `EVERYBODY`, and take that back.

        Adding whom it is shared with, adding the owner, removing whom it is not: no error, no change. Whoever
        cannot see it any more loses the tags they gave it.

        Raises:
            SnapshotNotFound: missing, foreign or deleted.
        """
        ...

    def permissions(self, account_id: AccountId, snapshot_id: SnapshotId) -> Sequence[str]:
        """Return whom an own snapshot is shared with, in order.

        Raises:
            SnapshotNotFound: missing, foreign or deleted.
        """
        ...

    # --- tags

    def put_tags(
        self,
        account_id: AccountId,
        snapshot_ids: Collection[SnapshotId],
        tags: Mapping[str, str],
        *,
        tags_max: int,
    ) -> None:
        """Set `tags` on each of the snapshots; a key that is there takes the new value.

        A snapshot that was shared with the account takes tags too: tag sets are each account's own, and end with
        the sharing.

        Raises:
            SnapshotNotFound: one of them is missing, deleted, or not to be seen by the account. None was changed.
            TagLimitReached: one of them would carry more than `tags_max`. None was changed.
        """
        ...

    def remove_tags(
        self, account_id: AccountId, snapshot_ids: Collection[SnapshotId], removals: Collection[TagRemoval]
    ) -> None:
        """Take the account's own tags away from each of the snapshots; no removals at all means every one.

        Raises:
            SnapshotNotFound: as `put_tags`. None was changed.
        """
        ...

    # --- blocks, chunks, segments

    def reserve_segments(self, names: Collection[SegmentName], *, now_ms: int) -> None:
        """Reserve names never used before. A name that was ever reserved is an InvariantError."""
        ...

    def cancel_reservations(self) -> int:
        """Cancel every active reservation; return how many.

        What a process that owns the store does as it starts.
        """
        ...

    def publish(self, batch: Batch, *, now_ms: int) -> PublishResult:
        """Make a batch true, in one transaction.

        The batch's segment goes from reserved to live. Each chunk gets its row unless a good one is there; a
        bad row is replaced, which heals every snapshot that uses it. Then each block write, in order: its
        snapshot, a copy or not, must be pending and before its deadline, its chunk row must exist and not be bad; the
        block row is set (the last write to an index wins) and the snapshot's last_write_ms moves to
        `now_ms`, unless that is back. Then each hold: its snapshot must be sealing, its chunk row must exist
        and not be bad.
        A hold for a pending snapshot, and an entry of another domain than its snapshot's, are InvariantErrors.

        Raises:
            ReservationCancelled: nothing was written.
        """
        ...

    def chunks(self, domain_key: DomainKey, chunk_ids: Collection[ChunkId]) -> Mapping[ChunkId, ChunkRecord]:
        """Return where these chunks lie; those without a row are left out. Bad ones are included."""
        ...

    def stored(self, domain_key: DomainKey, chunk_ids: Collection[ChunkId]) -> set[ChunkId]:
        """Return those of these chunks that a new block may refer to: a row exists and is not bad."""
        ...

    def mark_bad(self, domain_key: DomainKey, chunk_id: ChunkId) -> None:
        """Bar a chunk that failed verification from deduplication, so that the next upload heals it.

        Of a chunk without a row there is nothing to bar.
        """
        ...

    def blocks(
        self, snapshot_key: SnapshotKey, *, after: BlockIndex | None, limit: int
    ) -> Sequence[BlockRow]:
        """Return up to `limit` blocks written to the snapshot, ascending, the first one above `after`.

        None of one that never completed and is in error or deleted.
        """
        ...

    def block_count(self, snapshot_key: SnapshotKey) -> int:
        """Return how many rows `blocks` has for the snapshot; takes time proportional to that."""
        ...

    # --- the store itself

    def facts(self) -> StoreFacts:
        """Return what was decided when the store was created."""
        ...

    def flaws(self, check: Callable[[], None], *, limit: int) -> Sequence[str]:
        """Return what is wrong with how the store keeps its records, in up to `limit` sentences for a person; nothing
        of a store that is sound.

        It knows its own structure and references, and nothing of whether what stands there is true. Takes time
        proportional to the store's size, and hinders nobody; `check` is called often, and what it raises ends it.
        """
        ...

    def statistics(self) -> MetadataStatistics:
        """Return counts; may take time proportional to the store's size."""
        ...

    def close(self) -> None:
        """Let calls that are under way finish, then let go of everything. Repeating it changes nothing.

        Every later call is StoreUnavailable.
        """
        ...
