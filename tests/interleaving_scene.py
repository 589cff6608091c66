"""Clients and collectors of two servers over one store, interleaved by a seed; and what they were told, held to the store.

    server a   4 clients, a collector  ─┐
    server b   4 clients, a collector  ─┼─▶ one metadata store, one segment store
    chance     crashes, pauses, clock  ─┘   chunks marked bad, answers lost

Servers run the real code of puts, completions, deletions, undeletions and collections, with all threads it has, under
`neve.testing.scheduler`. A server that starts cancels all reservations there are, the other one's included: writers
have to live with that at any time. When all is done the servers die, the faults stop, and a new server is held to what
clients were told: everything acknowledged reads as it was written, and three quiet collections leave what is needed.
"""

from collections.abc import Mapping
from functools import partial
from types import ModuleType
from typing import Final

from collection_scene import nothing_leaks, undelete
from interleaving_told import MUST_BE_THERE, Fate, Known
from neve.domain.blocks import ChunkId
from neve.domain.identities import SnapshotId
from neve.domain.snapshots import State
from neve.errors import NeveError, RecordRefused, RequestError, StoreUnavailable
from neve.storage import archiving, committer
from neve.storage.collection import round as collection_round
from neve.stores.metadata.contract import MetadataStore
from neve.stores.segments.contract import SegmentStore
from neve.testing.memory_archive import MemoryArchiveStore
from neve.testing.memory_keys import MemoryKeys
from neve.testing.scheduler import Process, Scheduler
from neve.testing.time_and_chance import ManualClock, SeededEntropy
from neve.testing.world import ACCOUNT, REGION, Stores, World
from usage_scene import content

MODULES: Final[tuple[ModuleType, ...]] = (committer, archiving, collection_round)
"""Those whose threads may meet in memory. The locks of all others are let go of before the next point."""
CLIENTS: Final = 4
"""Of each server."""
INDEXES: Final = (0, 1, 16, 255, 2047)
FILLS: Final = 40
"""Contents there are. Clients like best what was deleted: they find it stored while collectors are about to take it."""
TIMEOUT_MINUTES: Final = 4320
ANSWERS_LOST: Final = frozenset(
    f"metadata.{name}"
    for name in (
        "publish",
        "finish_completion",
        "delete_snapshot",
        "collection.undelete",
        "collection.begin",
        "collection.close_undo",
        "collection.drop_rows",
        "collection.drop_chunks",
        "collection.condemn",
        "collection.repoint",
        "collection.forget_segment",
    )
)
"""Calls of the metadata store that may have their effect and fail."""


class Shared:
    """The stores behind all servers: what every server opens, watched."""

    def __init__(self, metadata: MetadataStore, segments: SegmentStore) -> None:
        self._metadata = metadata
        self._segments = segments

    def open_metadata(self) -> MetadataStore:
        return self._metadata

    def open_segments(self) -> SegmentStore:
        return self._segments


class Interleaving:
    """One run."""

    def __init__(self, seed: int, stores: Stores) -> None:
        """Over empty stores, which are opened for this and closed after it."""
        self.scheduler = Scheduler(seed)
        self.chance = self.scheduler.random
        self.clock = ManualClock()
        self.entropy = SeededEntropy(seed)
        self.keys = MemoryKeys(region=REGION, entropy=self.entropy)
        self.archive = MemoryArchiveStore()
        self.scheduler.on_step = lambda: self.clock.advance(seconds=0.001)
        self.known: list[Known] = []
        self._distrusted: set[ChunkId] = set()
        self.counts: dict[str, int] = {}
        self._fails = self.chance.choice((0.0, 0.0, 0.002, 0.02))
        self._loses_answers = self.chance.choice((0.0, 0.0, 0.005, 0.02))
        self._nostalgia = self.chance.choice((0.2, 0.6, 0.9))
        self._zeal = self.chance.choice((1, 3, 10))
        """How much faster collectors are than all others."""
        self._undo_s = self.chance.choice((0, 0, 1))
        self._keep_s = self.chance.choice((0, 0, 1))
        self._metadata, self._segments = stores.open_metadata(), stores.open_segments()
        self._shared = Shared(
            self.scheduler.watched(self._metadata, "metadata", after=self._lose_answer),
            self.scheduler.watched(self._segments, "segments", before=self._fail, after=self._fail),
        )
        self._acts_left = [self.chance.randint(6, 12) for _ in range(2 * CLIENTS)]
        self._rounds_left = [self.chance.randint(1, 5) for _ in range(2)]
        self._servers = [self._start(number) for number in range(2)]
        self.scheduler.spawn(Process("chance"), "", self._disturb)

    def run(self) -> None:
        """Let everything happen. Afterwards all servers are dead."""
        try:
            with self.scheduler.substituted(*MODULES):
                self.scheduler.run()
        finally:
            self._segments.close()
            self._metadata.close()

    # --- faults and chance

    def _fail(self, name: str) -> None:
        if self.chance.random() < self._fails:
            self.scheduler.note(f"{name} fails")
            raise StoreUnavailable(f"{name} failed for the test")

    def _lose_answer(self, name: str) -> None:
        if name in ANSWERS_LOST and self.chance.random() < self._loses_answers:
            self.scheduler.note(f"the answer of {name} is lost")
            raise StoreUnavailable(f"the answer of {name} was lost for the test")

    def _disturb(self) -> None:
        for _ in range(self.chance.randint(0, 8)):
            self.scheduler.sleep(self.chance.randint(1, 400))
            match self.chance.randrange(8):
                case 0 | 1:
                    self._crash()
                case 2 | 3 | 4:
                    self._pause()
                case 5:
                    self.clock.advance(minutes=self.chance.randint(-90, 90))
                case _:
                    self._distrust()

    def _distrust(self) -> None:
        """Mark a chunk bad, as if somebody had found it so: the next upload stores it anew, and none of it is moved."""
        for domain in self._metadata.domains():
            entries = self._metadata.collection.chunk_entries(domain.key, after=None, limit=1_000)
            if entries:
                entry = self.chance.choice(entries)
                self.scheduler.note(f"marks {entry.chunk_id.hex()} bad")
                self._metadata.mark_bad(domain.key, entry.chunk_id)
                self._distrusted.add(entry.chunk_id)
                self.count("distrusted")

    def _crash(self) -> None:
        number = self.chance.randrange(2)
        self.scheduler.crash(self._servers[number])
        self._servers[number] = self._start(number)
        self.count("crashes")

    def _pause(self) -> None:
        server = self.chance.choice(self._servers)
        tasks = [task for task in server.tasks if not task.is_done]
        steps = None if self.chance.random() < 0.1 else self.chance.randint(10, 1_000)
        for task in tasks if self.chance.random() < 0.3 else tasks and [self.chance.choice(tasks)]:
            self.scheduler.pause(task, steps)
        self.count("pauses")

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    # --- servers

    def _start(self, number: int) -> Process:
        process = Process(f"server {'ab'[number]}")
        self.scheduler.spawn(process, "starts", lambda: self._open(process, number), matters=True)
        return process

    def _open(self, process: Process, number: int) -> None:
        """Make a service, and let its clients and its collector go on where those of the last one were."""
        world = World(
            self._shared, clock=self.clock, entropy=self.entropy, keys=self.keys, archive=self.archive
        )
        for client in range(number * CLIENTS, (number + 1) * CLIENTS):
            serve = partial(self._serve, world, process, client)
            self.scheduler.spawn(process, f"client {client}", serve, matters=True)
        collect = partial(self._collect, world, number)
        self.scheduler.spawn(process, "collector", collect, matters=True, weight=self._zeal)

    def _collect(self, world: World, number: int) -> None:
        while self._rounds_left[number]:
            self.scheduler.sleep(self.chance.randint(1, 800))
            self._rounds_left[number] -= 1
            try:
                found = world.collector(undo_s=self._undo_s, keep_s=self._keep_s).collect()
            except StoreUnavailable:
                self.count("collections that failed")
                continue
            assert not found.missing
            assert not found.unexplained
            self.count("collections overtaken" if found.overtaken else "collections")
            self.count_all(
                {"segments rewritten": found.segments_rewritten, "chunks dropped": found.chunks_dropped}
            )

    def count_all(self, counts: Mapping[str, int]) -> None:
        for what, number in counts.items():
            self.counts[what] = self.counts.get(what, 0) + number

    def _serve(self, world: World, process: Process, client: int) -> None:
        own: Known | None = None
        while self._acts_left[client]:
            self._acts_left[client] -= 1
            try:
                own = self._act(world, process, own)
            except StoreUnavailable:
                self.count("requests that failed")

    def _act(self, world: World, process: Process, own: Known | None) -> Known | None:
        """Do one thing; return the snapshot that is being written."""
        if own is None or own.fate is not Fate.PENDING:
            if self.chance.random() < 0.5:
                return self._begin(world)
            self._change_others(world, process)
            return own
        if self.chance.random() < 0.4:
            self._write(world, own)
        else:
            self._complete(world, own)
        return own

    # --- what clients do

    def _begin(self, world: World) -> Known | None:
        parents = [known for known in self.known if known.fate is Fate.COMPLETED]
        parent = self.chance.choice(parents) if parents and self.chance.random() < 0.6 else None
        try:
            snapshot_id = world.start(parent=parent.snapshot_id if parent else None, timeout=TIMEOUT_MINUTES)
        except RequestError:
            assert parent is not None
            assert parent.deletions, "a parent that nobody deleted is there"
            return None
        known = Known(snapshot_id, parent.final_blocks() if parent else {})
        self.known.append(known)
        self.count("snapshots")
        self._write(world, known)
        return known

    def _write(self, world: World, known: Known) -> None:
        for index in self.chance.sample(INDEXES, self.chance.randint(1, 2)):
            self._put(world, known, index, self._some_block(index))

    def _some_block(self, index: int) -> bytes:
        gone = [known for known in self.known if known.fate in {Fate.DELETED, Fate.GONE}]
        if gone and self.chance.random() < self._nostalgia:
            blocks = self.chance.choice(gone).final_blocks()
            return blocks.get(index) or self.chance.choice(sorted(blocks.values()))
        return content(self.chance.randrange(FILLS))

    def _put(self, world: World, known: Known, index: int, block: bytes) -> None:
        known.doubtful.setdefault(index, set()).add(block)
        world.put(known.snapshot_id, index, block)
        known.written[index] = block
        known.doubtful.pop(index)
        self.count("blocks")

    def _complete(self, world: World, known: Known) -> None:
        for index, blocks in sorted(known.doubtful.items()):
            self._put(world, known, index, min(blocks))
        known.fate = Fate.COMPLETING
        assert world.complete(known.snapshot_id, count=len(known.written)) is State.COMPLETED
        known.fate = Fate.COMPLETED
        self.count("completions")

    def _change_others(self, world: World, process: Process) -> None:
        those = [
            known
            for known in self.known
            if known.fate in {Fate.COMPLETED, Fate.DELETING, Fate.DELETED}
            and (known.user is None or known.user.is_dead)
        ]
        if not those:
            return
        known = self.chance.choice(those)
        if known.fate is Fate.COMPLETED and self.chance.random() < 0.2:
            self._read(world, known)
            return
        known.user = process
        try:
            if known.fate is Fate.DELETED:
                self._undelete(world, known)
            else:
                self._delete(world, known)
        finally:
            if not process.is_dead:
                known.user = None

    def _read(self, world: World, known: Known) -> None:
        deletions = known.deletions
        try:
            found = world.read(known.snapshot_id)
        except StoreUnavailable:
            raise
        except NeveError:
            if known.deletions == deletions:
                raise
            return
        if known.deletions == deletions:
            assert found == known.final_blocks()
            self.count("reads")

    def _delete(self, world: World, known: Known) -> None:
        known.fate = Fate.DELETING
        known.deletions += 1
        try:
            world.delete(known.snapshot_id)
        except RecordRefused:
            assert known.deletions > 1, "it was there"
        known.fate = Fate.DELETED
        self.count("deletions")

    def _undelete(self, world: World, known: Known) -> None:
        known.fate = Fate.RETURNING
        try:
            undelete(world, known.snapshot_id)
        except RecordRefused:
            known.fate = Fate.GONE
            return
        known.fate = Fate.COMPLETED
        self.count("undeletions")

    # --- afterwards

    def hold_to_what_was_told(self, world: World) -> None:
        """Complete what is pending, read everything, then collect in peace."""
        world.seal()
        for known in self.known:
            self._hold(world, known)
        assert world.damage == []
        bad = world.metadata.collection.bad_chunks(after=None, limit=1_000)
        assert {each.record.chunk_id for _, each in bad} <= self._distrusted
        self.clock.advance(minutes=1_000_000)
        nothing_leaks(world)
        for known in self.known:
            if known.fate is Fate.COMPLETED:
                assert world.read(known.snapshot_id) == known.final_blocks()

    def _hold(self, world: World, known: Known) -> None:
        try:
            snapshot = world.metadata.snapshot(ACCOUNT, SnapshotId(known.snapshot_id))
        except RecordRefused:
            assert known.fate not in MUST_BE_THERE
            return
        assert known.fate not in {Fate.DELETED, Fate.GONE}
        if snapshot.state is State.PENDING:
            count = world.metadata.block_count(snapshot.key)
            assert world.complete(known.snapshot_id, count=count) is State.COMPLETED
        blocks = world.read(known.snapshot_id)
        assert known.may_be(blocks), f"{known.snapshot_id} reads otherwise than it was written"
        known.fate, known.base, known.written = Fate.COMPLETED, {}, blocks


def interleaved(seed: int, stores: Stores) -> dict[str, int]:
    """Run a seed over empty stores, open them again and look; return how often what happened."""
    run = Interleaving(seed, stores)
    run.run()
    try:
        with World(stores, clock=run.clock, entropy=run.entropy, keys=run.keys, archive=run.archive) as world:
            run.hold_to_what_was_told(world)
    except Exception as error:
        run.scheduler.annotate(error)
        raise
    run.count_all({"steps": len(run.scheduler.trace)})
    return run.counts
