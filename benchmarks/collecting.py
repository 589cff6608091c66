"""What does a collection take, and how long do writers wait for it? A store of 10^6 chunks and 10^3 snapshots, half of it gone.

Ten lineages of a hundred snapshots, each with a thousand blocks of its own in four leaves of a volume of 64 GiB; five of
the lineages are deleted, then collected beside a writer who keeps asking for one small transaction after another. How
long that one waits is how long a put would.

Block maps, segments and records are real. What stands in the place of blocks is a few random bytes: a collection reads none.
"""

import random
import resource
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from threading import Event, Thread
from typing import Final, Self

from benchmarks.programs import BenchmarkError

from neve.clock import SystemClock, SystemEntropy
from neve.domain.blocks import BlockIndex, ChunkKind, Digest
from neve.domain.identities import Account, AccountId, SnapshotId
from neve.domain.keyring import Keyring
from neve.domain.snapshots import CompletionClaim, SnapshotKey
from neve.events import silent
from neve.limits import STANDARD
from neve.processors import Processors
from neve.storage.archiving import Archiver
from neve.storage.chunk_codec import ChunkCodec, Encoded
from neve.storage.chunk_store import ChunkStore
from neve.storage.collection.collector import Collector
from neve.storage.collection.report import CollectionReport, CollectionRules
from neve.storage.committer import Committer
from neve.storage.domains import Domains, OpenDomain
from neve.storage.sealing import Sealer
from neve.storage.segment_format import SegmentEntry, build
from neve.stores.archive.local import LocalArchiveStore
from neve.stores.directory import VERSION
from neve.stores.marks.sqlite import SqliteMarkStore
from neve.stores.metadata.contract import Batch, BlockWrite, SnapshotStart, StoreFacts
from neve.stores.metadata.placement import ChunkRecord, Encoding, SegmentName
from neve.stores.metadata.session import Session
from neve.stores.metadata.sqlite import SqliteMetadataStore
from neve.stores.segments.local import LocalSegmentStore

LINEAGES: Final = 10
GENERATIONS: Final = 100
_BLOCKS_EACH: Final = 1_000
_LEAVES_EACH: Final = 4
_VOLUME_GIB: Final = 64
_STORED_BYTES: Final = 64
_BATCH_BLOCKS: Final = 250
_ACCOUNT: Final = AccountId("111122223333")
_PROBE_PAUSE_S: Final = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionMeasurement:
    """What one collection took."""

    what: str
    chunks: int
    snapshots: int
    chunks_dropped: int
    rows_dropped: int
    seconds: float
    cpu_s: float
    """Of the whole process, the writer beside it included."""
    grown_bytes: int
    """What the collection added to resident memory at its peak."""
    transactions: int
    longest_ms: float
    """From the beginning of a transaction that writes to the end of its commit."""
    waits_p50_ms: float
    waits_p99_ms: float
    wait_max_ms: float
    """Of a writer who wants nothing but its turn and a commit."""


class Collecting:
    """One measurement, on a store of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._random = random.Random(20)

    def measure(self) -> list[CollectionMeasurement]:
        """Make the store, collect it with half of it gone, and once more with nothing to do; leave nothing behind."""
        try:
            self._directory.mkdir(parents=True)
            with _Store(self._directory) as store:
                keys = self._fill(store)
                settling = store.measured("everything settled")
                for snapshot_id in keys[: len(keys) // 2]:
                    store.metadata.delete_snapshot(_ACCOUNT, snapshot_id, now_ms=store.clock.now_ms())
                time.sleep(0.01)  # tidy: what was deleted in this very millisecond would stay
                collecting = store.measured("half of it gone")
                if collecting.chunks_dropped < LINEAGES * GENERATIONS * _BLOCKS_EACH // 2:
                    raise BenchmarkError("What was deleted was not collected.")
                return [settling, collecting, store.measured("nothing to do")]
        finally:
            shutil.rmtree(self._directory, ignore_errors=True)

    def _fill(self, store: "_Store") -> list[SnapshotId]:
        ids: list[SnapshotId] = []
        for lineage in range(LINEAGES):
            parent: SnapshotId | None = None
            for generation in range(GENERATIONS):
                snapshot_id = SnapshotId(f"snap-{lineage * GENERATIONS + generation:017x}")
                store.complete(snapshot_id, parent, self._indexes(), self._random)
                parent = snapshot_id
                ids.append(snapshot_id)
        return ids

    def _indexes(self) -> list[BlockIndex]:
        """Return which blocks a generation writes: in a few leaves, as disks are written."""
        fanout = STANDARD.node_fanout
        leaves = self._random.sample(range(_VOLUME_GIB * STANDARD.blocks_per_gib // fanout), _LEAVES_EACH)
        return sorted(
            BlockIndex(leaf * fanout + slot)
            for leaf in leaves
            for slot in self._random.sample(range(fanout), _BLOCKS_EACH // _LEAVES_EACH)
        )


class _Store:
    """Everything of a store that a collection needs, in this process."""

    def __init__(self, directory: Path) -> None:
        self.clock, entropy = SystemClock(), SystemEntropy()
        self._entropy = entropy
        facts = StoreFacts(
            format_version=VERSION,
            store_id=bytes(16),
            block_bytes=STANDARD.block_bytes,
            node_fanout=STANDARD.node_fanout,
            created_ms=0,
        )
        self.metadata = SqliteMetadataStore.create(directory / "metadata.db", facts)
        LocalSegmentStore.create(directory / "segments")
        self.segments = LocalSegmentStore(directory / "segments")
        (directory / "archive").mkdir()
        self.metadata.create_account(Account(account_id=_ACCOUNT, name="", created_ms=0))
        keyring = Keyring(bytes(32), entropy)
        self._archiver = Archiver(
            metadata=self.metadata, store=LocalArchiveStore(directory / "archive"), keyring=keyring
        )
        self._domains = Domains(self.metadata, keyring, entropy, None)
        self._domain: OpenDomain = self._domains.unencrypted(_ACCOUNT)
        self._committer = Committer(
            metadata=self.metadata,
            segments=self.segments,
            codec=ChunkCodec(),
            clock=self.clock,
            entropy=entropy,
            limits=STANDARD,
            processors=Processors(2),
        )
        self._sealer = Sealer(
            metadata=self.metadata,
            committer=self._committer,
            chunks=self._chunks(),
            domains=self._domains,
            archiver=self._archiver,
            clock=self.clock,
            limits=STANDARD,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._committer.close()
        self.segments.close()
        self.metadata.close()

    def complete(
        self,
        snapshot_id: SnapshotId,
        parent: SnapshotId | None,
        indexes: Sequence[BlockIndex],
        chance: random.Random,
    ) -> None:
        """Make a snapshot with new content at these indexes."""
        started = self.metadata.start_snapshot(
            SnapshotStart(
                snapshot_id=snapshot_id,
                account_id=_ACCOUNT,
                domain_key=self._domain.key,
                parent_id=parent,
                volume_gib=_VOLUME_GIB,
                description=None,
                timeout_minutes=60,
                tags={},
                now_ms=self.clock.now_ms(),
                client_token=None,
                fingerprint=b"",
                pending_max=0,
                snapshots_max=0,
            )
        )
        for start in range(0, len(indexes), _BATCH_BLOCKS):
            self._publish(started.snapshot.key, indexes[start : start + _BATCH_BLOCKS], chance)
        claim = CompletionClaim(changed_blocks_count=len(indexes), aggregate=None)
        self._sealer.seal(
            self.metadata.accept_completion(_ACCOUNT, snapshot_id, claim, now_ms=self.clock.now_ms())
        )

    def _publish(self, key: SnapshotKey, indexes: Sequence[BlockIndex], chance: random.Random) -> None:
        name = SegmentName(chance.randbytes(16).hex())
        self.metadata.reserve_segments([name], now_ms=self.clock.now_ms())
        digests = [Digest(chance.randbytes(32)) for _ in indexes]
        entries = [
            SegmentEntry(
                domain_uid=self._domain.uid,
                chunk_id=self._domain.chunk_id(digest),
                kind=ChunkKind.BLOCK,
                encoded=Encoded(
                    encoding=Encoding.ZSTD,
                    data=chance.randbytes(_STORED_BYTES),
                    plain_bytes=STANDARD.block_bytes,
                ),
            )
            for digest in digests
        ]
        built = build(name, entries)
        self.segments.write(name, built.parts)
        chunks = [
            ChunkRecord(
                domain_key=self._domain.key,
                chunk_id=location.chunk_id,
                kind=location.kind,
                encoding=location.encoding,
                segment=name,
                offset=location.offset,
                stored_bytes=location.stored_bytes,
                plain_bytes=location.plain_bytes,
            )
            for location in built.locations
        ]
        blocks = [
            BlockWrite(
                domain_key=self._domain.key,
                snapshot_key=key,
                block_index=index,
                chunk_id=chunk.chunk_id,
                digest=digest,
            )
            for index, chunk, digest in zip(indexes, chunks, digests, strict=True)
        ]
        batch = Batch(segment=name, segment_bytes=built.size_bytes, chunks=chunks, blocks=blocks)
        self.metadata.publish(batch, now_ms=self.clock.now_ms())

    def _chunks(self) -> ChunkStore:
        return ChunkStore(
            metadata=self.metadata,
            segments=self.segments,
            codec=ChunkCodec(),
            limits=STANDARD,
            on_damage=lambda _record, error: print(f"damage: {error}"),
        )

    def measured(self, what: str) -> CollectionMeasurement:
        """Collect, and say what it took."""
        statistics = self.metadata.statistics()
        collector = Collector(
            metadata=self.metadata,
            segments=self.segments,
            chunks=self._chunks(),
            domains=self._domains,
            archiver=self._archiver,
            open_marks=SqliteMarkStore,
            clock=self.clock,
            past_ms=self.clock.now_ms,
            entropy=self._entropy,
            limits=STANDARD,
            rules=CollectionRules(deletion_undo_s=0, condemned_keep_s=0, share_max=1),
            report=silent,
        )
        with _timed(self.metadata) as durations_s, _Writer(self.metadata) as writer:
            taken = _taken_by(collector.collect)
        waits = quantiles(writer.waits_s, n=100) if len(writer.waits_s) > 1 else [0.0] * 99
        return CollectionMeasurement(
            what=what,
            chunks=statistics.chunk_rows,
            snapshots=sum(statistics.snapshots.values()),
            chunks_dropped=taken.found.chunks_dropped,
            rows_dropped=taken.found.rows_dropped,
            seconds=taken.seconds,
            cpu_s=taken.cpu_s,
            grown_bytes=taken.grown_bytes,
            transactions=len(durations_s),
            longest_ms=1000 * max(durations_s),
            waits_p50_ms=1000 * waits[49],
            waits_p99_ms=1000 * waits[98],
            wait_max_ms=1000 * max(writer.waits_s, default=0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    found: CollectionReport
    seconds: float
    cpu_s: float
    grown_bytes: int


def _taken_by(collect: Callable[[], CollectionReport]) -> _Taken:
    _forget_peak()
    before_bytes, began_s, began_cpu_s = _memory("VmRSS"), time.perf_counter(), _cpu_s()
    found = collect()
    return _Taken(
        found=found,
        seconds=time.perf_counter() - began_s,
        cpu_s=_cpu_s() - began_cpu_s,
        grown_bytes=max(0, _memory("VmHWM") - before_bytes),
    )


class _Writer:
    """Somebody who wants one small transaction after another, and notes how long each takes."""

    def __init__(self, metadata: SqliteMetadataStore) -> None:
        self._metadata = metadata
        self._enough = Event()
        self._thread = Thread(target=self._write, name="writer")
        self.waits_s: list[float] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()

    def _write(self) -> None:
        while not self._enough.wait(_PROBE_PAUSE_S):
            name = SegmentName(random.randbytes(16).hex())
            began_s = time.perf_counter()
            self._metadata.reserve_segments([name], now_ms=0)
            self.waits_s.append(time.perf_counter() - began_s)


@contextmanager
def _timed(metadata: SqliteMetadataStore) -> Iterator[list[float]]:
    """Note how long each transaction that writes takes, once it has begun."""
    durations_s: list[float] = []
    database = metadata._database  # noqa: SLF001 - nothing else knows when a transaction begins
    writing = database.writing

    @contextmanager
    def timed() -> Iterator[Session]:
        began_s = 0.0
        with writing() as session:
            began_s = time.perf_counter()
            yield session
        durations_s.append(time.perf_counter() - began_s)

    database.writing = timed  # type: ignore[method-assign]  # for this measurement
    try:
        yield durations_s
    finally:
        database.writing = writing  # type: ignore[method-assign]


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _memory(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise BenchmarkError(f"/proc/self/status has no {name}")


def _forget_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return
