"""Group commit: many writers, one durable write and one transaction for all of them.

    put_block ─▶ prepare (zero? hit? else encode and seal, in the caller's thread) ─▶ queue ─▶ wait
    flusher   ─▶ take all that waits ─▶ one segment, durable ─▶ one transaction ─▶ wake everybody

There are no timers. While one batch is on its way the next one fills, so that the time a flush takes is the
time the next batch has to grow: 64 clients at once share one sync, one client alone waits for nobody. Two
flushers overlap the durable write of batch n+1 with the transaction of batch n; batches are published in the
order they were taken, so that of two writes to one index the one that came later wins.

What is never done: acknowledge before the transaction returned; publish a row before its bytes are durable;
try a failed segment write again under its name. A batch that fails leaves only a segment that no row names.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Condition, Lock, Thread

from neve.clock import Clock, Entropy
from neve.domain.blocks import ZERO_CHUNK_ID, BlockIndex, ChunkId, ChunkKind, Digest, zero_block
from neve.domain.identities import DomainKey
from neve.domain.snapshots import Snapshot, SnapshotKey
from neve.errors import (
    ChunkDamaged,
    InvariantError,
    NeveError,
    ReservationCancelled,
    SegmentMissing,
    SnapshotNotFound,
    SnapshotSealed,
    StoreUnavailable,
)
from neve.limits import Limits
from neve.processors import Processors
from neve.storage.chunk_cipher import GENERATION_BYTES
from neve.storage.chunk_codec import ChunkCodec
from neve.storage.domains import OpenDomain
from neve.storage.segment_format import SegmentEntry, build
from neve.stores.metadata.contract import (
    Batch,
    BlockWrite,
    MetadataStore,
    NodeHold,
    WriteOutcome,
)
from neve.stores.metadata.placement import ChunkRecord, SegmentName
from neve.stores.segments.contract import SegmentStore

_NAMES_RESERVED_AT_ONCE = 64
"""One small transaction buys this many names: a commit pays a sixty-fourth of one."""
_NAME_BYTES = 16
_FLUSHERS = 2
_ATTEMPTS_MAX = 3
"""A deduplication hit can vanish once or be barred; storing the bytes anew cannot miss twice by chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitStatistics:
    """Counts since the committer was made."""

    batches: int = 0
    blocks: int = 0
    nodes: int = 0
    zero_blocks: int = 0
    deduplicated: int = 0
    plain_bytes: int = 0
    stored_bytes: int = 0


@dataclass(slots=True, eq=False)
class _Entry:
    """One write on its way, and where its writer waits."""

    write: BlockWrite | NodeHold
    chunk: SegmentEntry | None
    """The bytes, if they must be stored: None for a zero block and for a deduplication hit."""
    plain_bytes: int
    done: Lock = field(init=False)
    """Held until there is an outcome: a lock wakes its one waiter faster than an event does."""
    outcome: WriteOutcome | None = None
    error: NeveError | None = None

    def __post_init__(self) -> None:
        self.done = Lock()
        self.done.acquire()

    @property
    def stored_bytes(self) -> int:
        return len(self.chunk.encoded.data) if self.chunk is not None else 0


class Committer:
    """Takes blocks and block-map nodes; returns when they are durable. Safe from any thread."""

    def __init__(
        self,
        *,
        metadata: MetadataStore,
        segments: SegmentStore,
        codec: ChunkCodec,
        clock: Clock,
        entropy: Entropy,
        limits: Limits,
        processors: Processors,
    ) -> None:
        self._metadata = metadata
        self._segments = segments
        self._codec = codec
        self._clock = clock
        self._entropy = entropy
        self._limits = limits
        self._processors = processors
        self._zero_block = zero_block(limits.block_bytes)
        self._lock = Lock()
        self._arrived = Condition(self._lock)
        self._turn = Condition(self._lock)
        self._waiting: deque[_Entry] = deque()
        self._names: deque[SegmentName] = deque()
        self._naming = Lock()
        self._batches_taken = 0
        self._batches_published = 0
        self._closed = False
        self._counts = dict.fromkeys(CommitStatistics.__dataclass_fields__, 0)
        self._flushers = [
            Thread(target=self._flush_forever, name=f"committer-{number}", daemon=True)
            for number in range(_FLUSHERS)
        ]
        for flusher in self._flushers:
            flusher.start()

    # --- what writers call

    def put_block(
        self,
        domain: OpenDomain,
        snapshot: Snapshot,
        index: BlockIndex,
        content: bytes,
        digest: Digest,
    ) -> None:
        """Make one block of a pending snapshot durable; `digest` is SHA-256 of `content`.

        The blocks of an encrypted domain need one that comes from `Domains.with_content`. Repeating it changes
        nothing; other content replaces the block.

        Raises:
            SnapshotNotFound: deleted, in error or past its deadline.
            SnapshotSealed: its completion was accepted.
            StoreError: not acknowledged; repeating it is safe.
        """
        is_zero = content == self._zero_block
        write = BlockWrite(
            domain_key=domain.key,
            snapshot_key=snapshot.key,
            block_index=index,
            chunk_id=ZERO_CHUNK_ID if is_zero else domain.chunk_id(digest),
            digest=domain.mask(digest),
        )
        for attempt in range(_ATTEMPTS_MAX):
            chunk = None
            if not is_zero:
                chunk = self._block_unless_stored(domain, write.chunk_id, content, attempt)
            entry = _Entry(write=write, chunk=chunk, plain_bytes=len(content))
            self._submit([entry])
            outcome = self._wait(entry)
            if outcome is WriteOutcome.WRITTEN:
                return
            if outcome is WriteOutcome.SNAPSHOT_NOT_FOUND:
                raise SnapshotNotFound(snapshot.snapshot_id)
            if outcome is WriteOutcome.SNAPSHOT_SEALED:
                raise SnapshotSealed(snapshot.snapshot_id)
        raise StoreUnavailable("a block's chunk vanished each time it was stored")

    def put_nodes(
        self, domain: OpenDomain, snapshot_key: SnapshotKey, nodes: Sequence[tuple[ChunkId, bytes]]
    ) -> bool:
        """Make block-map nodes of a sealing snapshot durable and held by it.

        Returns False if the snapshot is no longer sealing: it was deleted.

        Raises:
            StoreError: some may be stored, none is lost; repeating it is safe.
        """
        stored = self._metadata.stored(domain.key, [chunk_id for chunk_id, _ in nodes])
        missing = list(nodes)
        for attempt in range(_ATTEMPTS_MAX):
            entries = []
            for chunk_id, content in missing:
                hit = attempt == 0 and chunk_id in stored
                chunk = None if hit else self._sealed(domain, chunk_id, ChunkKind.NODE, content)
                hold = NodeHold(domain_key=domain.key, snapshot_key=snapshot_key, chunk_id=chunk_id)
                entries.append(_Entry(write=hold, chunk=chunk, plain_bytes=len(content)))
            self._submit(entries)
            outcomes = [self._wait(entry) for entry in entries]
            if any(o in {WriteOutcome.SNAPSHOT_NOT_FOUND, WriteOutcome.SNAPSHOT_SEALED} for o in outcomes):
                return False
            missing = [
                node
                for node, outcome in zip(missing, outcomes, strict=True)
                if outcome is WriteOutcome.CHUNK_GONE
            ]
            if not missing:
                return True
        raise StoreUnavailable("a block-map node vanished each time it was stored")

    def statistics(self) -> CommitStatistics:
        """Return counts."""
        with self._lock:
            return CommitStatistics(**self._counts)

    def check_alive(self) -> None:
        """Return if a write would be taken now.

        Raises:
            StoreUnavailable: closing, or a flusher died.
        """
        if self._closed or not all(flusher.is_alive() for flusher in self._flushers):
            raise StoreUnavailable("the committer is not running")

    def close(self) -> None:
        """Commit what waits, then stop. Repeating it changes nothing."""
        with self._lock:
            self._closed = True
            self._arrived.notify_all()
        for flusher in self._flushers:
            flusher.join()

    # --- before the queue, in the writer's thread

    def _block_unless_stored(
        self, domain: OpenDomain, chunk_id: ChunkId, content: bytes, attempt: int
    ) -> SegmentEntry | None:
        if attempt == 0 and self._metadata.stored(domain.key, [chunk_id]):
            if not domain.blocks.has_older_keys or self._has_key_of(domain, chunk_id):
                return None
            self._metadata.mark_bad(domain.key, chunk_id)
        return self._sealed(domain, chunk_id, ChunkKind.BLOCK, content)

    def _has_key_of(self, domain: OpenDomain, chunk_id: ChunkId) -> bool:
        """Return whether a stored block can be opened, as far as that is a question of keys.

        An older data key may be lost with the KMS key's old material: to acknowledge what only that one opens would be to
        acknowledge nothing. Stored anew under the newest, it is there again for every snapshot that has it.
        """
        record = self._metadata.chunks(domain.key, [chunk_id]).get(chunk_id)
        if record is None:
            return True  # gone since: the transaction will say so
        try:
            head = self._segments.read(record.segment, record.offset, GENERATION_BYTES)
        except (SegmentMissing, ChunkDamaged):
            return False
        return domain.blocks.has_key_of(head)

    def _sealed(self, domain: OpenDomain, chunk_id: ChunkId, kind: ChunkKind, content: bytes) -> SegmentEntry:
        """Return content as it will stand in a segment; it was opened again and compared."""
        encoded = domain.cipher_for(kind).seal(chunk_id, kind, self._codec.encode(content))
        return SegmentEntry(domain_uid=domain.uid, chunk_id=chunk_id, kind=kind, encoded=encoded)

    def _submit(self, entries: Sequence[_Entry]) -> None:
        with self._lock:
            if self._closed:
                raise StoreUnavailable("the service is stopping")
            self._waiting.extend(entries)
            self._arrived.notify()

    def _wait(self, entry: _Entry) -> WriteOutcome:
        with self._processors.waiting():
            entry.done.acquire()
        if entry.error is not None:
            # Each waiter gets an exception object of its own: a shared one would grow everybody's trace.
            raise type(entry.error)(*entry.error.args) from entry.error
        assert entry.outcome is not None
        return entry.outcome

    # --- behind the queue, in a flusher's thread

    def _flush_forever(self) -> None:
        while True:
            number, entries = self._take_batch()
            if not entries:
                return
            try:
                outcomes = self._commit(number, entries)
            except NeveError as error:
                self._fail(entries, error)
            except Exception as error:  # noqa: BLE001 - a flusher must outlive any bug, and say so
                self._fail(entries, InvariantError(f"a commit failed unexpectedly: {error!r}"))
            else:
                for entry, outcome in zip(entries, outcomes, strict=True):
                    entry.outcome = outcome
                    entry.done.release()
            finally:
                self._pass_turn(number)

    def _take_batch(self) -> tuple[int, list[_Entry]]:
        """Return the next batch and its number, when there is one; an empty batch is the end."""
        entries: list[_Entry] = []
        with self._lock:
            while not self._waiting and not self._closed:
                self._arrived.wait()
            size = 0
            while self._waiting and len(entries) < self._limits.batch_entries_max:
                size += self._waiting[0].stored_bytes
                if entries and size > self._limits.batch_bytes_max:
                    break
                entries.append(self._waiting.popleft())
            number = self._batches_taken
            self._batches_taken += bool(entries)
        return number, entries

    def _commit(self, number: int, entries: list[_Entry]) -> list[WriteOutcome]:
        batch = self._write_segment(entries)
        self._await_turn(number)
        try:
            result = self._metadata.publish(batch, now_ms=self._clock.now_ms())
        except ReservationCancelled as error:
            with self._naming:
                self._names.clear()  # reserved together with this one, they are as likely to be cancelled
            raise StoreUnavailable("the segment's name was taken back before it was published") from error
        self._count(entries, batch)
        blocks, holds = iter(result.blocks), iter(result.holds)
        return [next(blocks if isinstance(entry.write, BlockWrite) else holds) for entry in entries]

    def _write_segment(self, entries: list[_Entry]) -> Batch:
        """Make the batch's new chunks durable, each once, and return what to publish."""
        chunks: dict[tuple[DomainKey, ChunkId], SegmentEntry] = {
            (entry.write.domain_key, entry.write.chunk_id): entry.chunk
            for entry in entries
            if entry.chunk is not None
        }
        blocks = [entry.write for entry in entries if isinstance(entry.write, BlockWrite)]
        holds = [entry.write for entry in entries if isinstance(entry.write, NodeHold)]
        if not chunks:
            return Batch(segment=None, segment_bytes=0, blocks=blocks, holds=holds)
        name = self._take_name()
        segment = build(name, list(chunks.values()))
        self._segments.write(name, segment.parts)
        records = [
            ChunkRecord(
                domain_key=domain_key,
                chunk_id=chunk_id,
                kind=location.kind,
                encoding=location.encoding,
                segment=name,
                offset=location.offset,
                stored_bytes=location.stored_bytes,
                plain_bytes=location.plain_bytes,
            )
            for (domain_key, chunk_id), location in zip(chunks, segment.locations, strict=True)
        ]
        return Batch(
            segment=name, segment_bytes=segment.size_bytes, chunks=records, blocks=blocks, holds=holds
        )

    def _take_name(self) -> SegmentName:
        with self._naming:
            if not self._names:
                names = [
                    SegmentName(self._entropy.take(_NAME_BYTES).hex()) for _ in range(_NAMES_RESERVED_AT_ONCE)
                ]
                self._metadata.reserve_segments(names, now_ms=self._clock.now_ms())
                self._names.extend(names)
            return self._names.popleft()

    def _await_turn(self, number: int) -> None:
        with self._lock:
            while self._batches_published != number:
                self._turn.wait()

    def _pass_turn(self, number: int) -> None:
        """Let the next batch publish, whether this one did or failed before it came to that."""
        self._await_turn(number)
        with self._lock:
            self._batches_published = number + 1
            self._turn.notify_all()

    def _fail(self, entries: list[_Entry], error: NeveError) -> None:
        for entry in entries:
            entry.error = error
            entry.done.release()

    def _count(self, entries: list[_Entry], batch: Batch) -> None:
        with self._lock:
            counts = self._counts
            counts["batches"] += 1
            counts["blocks"] += len(batch.blocks)
            counts["nodes"] += len(batch.holds)
            counts["zero_blocks"] += sum(write.chunk_id == ZERO_CHUNK_ID for write in batch.blocks)
            counts["deduplicated"] += sum(
                entry.chunk is None and entry.write.chunk_id != ZERO_CHUNK_ID for entry in entries
            )
            counts["plain_bytes"] += sum(entry.plain_bytes for entry in entries)
            counts["stored_bytes"] += sum(record.stored_bytes for record in batch.chunks)
