"""Two accounts, three domains and a clock on a metadata store, and short words for what tests do there.

Everything is named by a number: chunk 7 has the same id in every scene, chunk 0 is the block of zeros.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from neve.domain.blocks import ZERO_CHUNK_ID, BlockIndex, ChunkId, ChunkKind, Digest
from neve.domain.identities import Account, AccountId, DomainKey, SnapshotId
from neve.domain.snapshots import CompletionClaim, Sealed, Snapshot, SnapshotKey
from neve.stores.metadata.contract import (
    Batch,
    BlockRow,
    BlockWrite,
    MetadataStore,
    NodeHold,
    PublishResult,
    SnapshotStart,
    Started,
    WriteOutcome,
)
from neve.stores.metadata.contract_needs import Need
from neve.stores.metadata.placement import ChunkRecord, Encoding, SegmentName

ACCOUNT: Final = AccountId("111122223333")
OTHER_ACCOUNT: Final = AccountId("444455556666")
START_MS: Final = 1_790_000_000_000
MINUTE_MS: Final = 60_000
CLAIM: Final = CompletionClaim(changed_blocks_count=1, aggregate=Digest(b"a" * 32))
ALL_WRITTEN: Final = {WriteOutcome.WRITTEN}


def chunk_id(number: int) -> ChunkId:
    """Return the id of chunk `number`: 0 is the block of zeros."""
    return ZERO_CHUNK_ID if number == 0 else ChunkId(number.to_bytes(32))


def digest(number: int) -> Digest:
    """Return what stands for the SHA-256 of chunk `number`'s content."""
    return Digest(b"d" + number.to_bytes(31))


def segment_name(number: int) -> SegmentName:
    return SegmentName(f"{number:032x}")


def snapshot_id(number: int) -> SnapshotId:
    return SnapshotId(f"snap-{number:017x}")


def chunk_record(
    number: int, segment: SegmentName, domain_key: DomainKey, *, kind: ChunkKind = ChunkKind.BLOCK
) -> ChunkRecord:
    """Return a record that puts chunk `number` at a place of its own in the segment."""
    return ChunkRecord(
        domain_key=domain_key,
        chunk_id=chunk_id(number),
        kind=kind,
        encoding=Encoding.ZSTD,
        segment=segment,
        offset=100 * number,
        stored_bytes=number,
        plain_bytes=10 * number,
    )


class Scene:
    """A store with somebody in it."""

    def __init__(self, store: MetadataStore) -> None:
        self.store = store
        self.now_ms = START_MS
        self._names_used = 0
        for account_id in (ACCOUNT, OTHER_ACCOUNT):
            store.create_account(Account(account_id=account_id, name=account_id[:4], created_ms=START_MS))
        self.domain_key = self._domain(ACCOUNT, "", b"1")
        self.sealed_domain_key = self._domain(ACCOUNT, "arn:aws:kms:eu-north-1:111122223333:key/k", b"2")
        self.other_domain_key = self._domain(OTHER_ACCOUNT, "", b"3")

    def _domain(self, account_id: AccountId, kms_key_arn: str, seed: bytes) -> DomainKey:
        domain = self.store.add_domain(
            account_id=account_id, kms_key_arn=kms_key_arn, uid=seed * 16, sealed_id_key=seed * 40
        )
        return domain.key

    # --- snapshots

    def request(self, **changes: Any) -> SnapshotStart:
        """Return a request to start a snapshot with an id nobody has, with `changes`."""
        self._names_used += 1
        start = SnapshotStart(
            snapshot_id=snapshot_id(self._names_used),
            account_id=ACCOUNT,
            domain_key=self.domain_key,
            parent_id=None,
            volume_gib=1,
            description=None,
            timeout_minutes=60,
            tags={},
            now_ms=self.now_ms,
            client_token=None,
            fingerprint=b"f" * 32,
            pending_max=0,
            snapshots_max=0,
        )
        return replace(start, **changes)

    def start(self, **changes: Any) -> Snapshot:
        return self.started(**changes).snapshot

    def started(self, **changes: Any) -> Started:
        return self.store.start_snapshot(self.request(**changes))

    def look(self, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot as it is now."""
        return self.store.snapshot(snapshot.account_id, snapshot.snapshot_id)

    def accept(self, snapshot: Snapshot, claim: CompletionClaim = CLAIM) -> Snapshot:
        return self.store.accept_completion(
            snapshot.account_id, snapshot.snapshot_id, claim, now_ms=self.now_ms
        )

    def complete(self, snapshot: Snapshot, *, root: int = 900, block_count: int = 5) -> Snapshot:
        """Take the snapshot from pending to completed."""
        self.accept(snapshot)
        return self.complete_sealing(snapshot, root=root, block_count=block_count)

    def complete_sealing(self, snapshot: Snapshot, *, root: int = 900, block_count: int = 5) -> Snapshot:
        """Take the snapshot from sealing to completed."""
        sealed = Sealed(root=chunk_id(root), block_count=block_count)
        assert self.store.finish_completion(snapshot.key, sealed, now_ms=self.now_ms)
        return self.look(snapshot)

    def fail(self, snapshot: Snapshot) -> Snapshot:
        """Take the snapshot from pending to error."""
        self.accept(snapshot)
        assert self.store.fail_completion(snapshot.key, "it failed", now_ms=self.now_ms)
        return self.look(snapshot)

    def delete(self, snapshot: Snapshot) -> None:
        self.store.delete_snapshot(snapshot.account_id, snapshot.snapshot_id, now_ms=self.now_ms)

    def overdue(self, **changes: Any) -> Snapshot:
        """Return a pending snapshot whose deadline passes now."""
        started_ms = self.now_ms - 10 * MINUTE_MS
        return self.start(now_ms=started_ms, timeout_minutes=10, **changes)

    # --- blocks

    def reserve(self) -> SegmentName:
        """Return a name that is reserved and was never used."""
        self._names_used += 1
        name = segment_name(self._names_used)
        self.store.reserve_segments([name], now_ms=self.now_ms)
        return name

    def batch(
        self,
        *,
        new: Sequence[int] = (),
        blocks: Sequence[BlockWrite] = (),
        holds: Sequence[NodeHold] = (),
        domain_key: DomainKey | None = None,
    ) -> Batch:
        """Return a batch that stores the chunks `new` in a segment it has just reserved."""
        segment = self.reserve() if new else None
        key = self.domain_key if domain_key is None else domain_key
        chunks = [chunk_record(number, segment, key) for number in new] if segment is not None else []
        size = sum(chunk.stored_bytes for chunk in chunks)
        return Batch(segment=segment, segment_bytes=size, chunks=chunks, blocks=blocks, holds=holds)

    def publish(self, batch: Batch) -> PublishResult:
        return self.store.publish(batch, now_ms=self.now_ms)

    def keep(self, *numbers: int) -> None:
        """Store chunks that no block refers to yet."""
        self.publish(self.batch(new=numbers))

    def put(self, snapshot: Snapshot, contents: Mapping[int, int]) -> Sequence[WriteOutcome]:
        """Store the chunks of `contents` (index -> chunk) and write them to the snapshot."""
        writes = [block_write(snapshot, index, number) for index, number in contents.items()]
        new = sorted({number for number in contents.values() if number})
        return self.publish(self.batch(new=new, blocks=writes, domain_key=snapshot.domain_key)).blocks

    def refer(self, snapshot: Snapshot, index: int, number: int) -> WriteOutcome:
        """Write a block that relies on chunk `number` being there."""
        (outcome,) = self.publish(self.batch(blocks=[block_write(snapshot, index, number)])).blocks
        return outcome

    def hold(self, snapshot: Snapshot, number: int) -> WriteOutcome:
        (outcome,) = self.publish(self.batch(holds=[node_hold(snapshot, number)])).holds
        return outcome

    def read(self, snapshot: Snapshot) -> Mapping[int, int]:
        """Return what was written to the snapshot, index -> chunk."""
        return contents_of(self.store.blocks(snapshot.key, after=None, limit=1_000))


def living_in(store: MetadataStore) -> list[Need]:
    """Return all that needs chunks, in the order in which the store gives it."""
    found: list[Need] = []
    store.needs.living(found.extend)
    return found


def block_write(snapshot: Snapshot, index: int, number: int) -> BlockWrite:
    return BlockWrite(
        domain_key=snapshot.domain_key,
        snapshot_key=snapshot.key,
        block_index=BlockIndex(index),
        chunk_id=chunk_id(number),
        digest=digest(number),
    )


def node_hold(snapshot: Snapshot, number: int) -> NodeHold:
    return NodeHold(domain_key=snapshot.domain_key, snapshot_key=snapshot.key, chunk_id=chunk_id(number))


def contents_of(rows: Sequence[BlockRow]) -> Mapping[int, int]:
    """Return index -> chunk, having looked that each digest is its chunk's."""
    contents = {int(row.block_index): int.from_bytes(row.chunk_id) for row in rows}
    assert [row.digest for row in rows] == [digest(number) for number in contents.values()]
    return contents


UNKNOWN_SNAPSHOT: Final = SnapshotKey(1 << 40)
"""A key no snapshot has."""
