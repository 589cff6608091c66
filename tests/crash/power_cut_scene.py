"""Small programs of calls against the service, the power cut at any moment, and what must be there afterwards.

    Recorder      plays programs on a service whose disk is noted, from one scene on: a completed snapshot, a
                  deleted one, a pending one
    Program.cuts  every moment of the program's last call, with what may be left of the disk then
    Examination   opens what is left as a start would, and compares it with what was acknowledged

What a call was about to do when the power went may have been done or not; what was acknowledged before must be
there, and nothing else may be.
"""

import os
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self, cast

from fix_world import facts_for
from neve.clock import Entropy
from neve.domain.blocks import ChunkId, digest
from neve.domain.identities import DomainKey, SnapshotId
from neve.domain.keyring import Keyring
from neve.domain.snapshots import Snapshot, State
from neve.errors import (
    ArchiveDamaged,
    ArchiveMissing,
    ChunkDamaged,
    ChunkMissing,
    SegmentMissing,
    StoreUnusable,
)
from neve.limits import TINY
from neve.storage import archive_format
from neve.storage.domains import OpenDomain
from neve.stores.archive.local import LocalArchiveStore
from neve.stores.metadata.contract_archive import ArchiveKind, ArchiveName
from neve.stores.metadata.placement import SegmentName
from neve.stores.metadata.sqlite import SqliteMetadataStore
from neve.stores.metadata.sqlite_database import SqliteDatabase
from neve.stores.segments.local import LocalSegmentStore
from neve.testing.disk import Call, Disk, Names
from neve.testing.power_cut import DiskFiles, RecordingFiles, RecordingSqlite, leave_database
from neve.testing.time_and_chance import SeededEntropy
from neve.testing.world import ACCOUNT, MASTER_KEY, World, aggregate_of

DATABASE: Final = "metadata.db"
SEGMENTS: Final = "segments"
ARCHIVE: Final = "archive"
_GOES_ON_EVERY: Final = 8
"""One in so many of the disks that are examined is written to as well."""
_LOST: Final = (ArchiveDamaged, ArchiveMissing, ChunkDamaged, ChunkMissing, SegmentMissing)
_KEYRING: Final = Keyring(MASTER_KEY, SeededEntropy())


@dataclass(frozen=True, slots=True)
class Known:
    """What a client knows of one snapshot."""

    state: State
    blocks: Mapping[int, bytes] = field(default_factory=dict)
    written: frozenset[int] = frozenset()
    """Which of them it wrote, rather than inherited."""

    def with_block(self, index: int, content: bytes) -> Self:
        return replace(self, blocks={**self.blocks, index: content}, written=self.written | {index})


Knowledge = Mapping[str, Known]
"""By snapshot id."""


class CutStores:
    """The stores of a `World`: the database on a real disk, in memory and noted; the segments on a `Disk` alone."""

    def __init__(self, disk: Disk, place: Path, *, vfs: str | None = None) -> None:
        self.disk = disk
        self._database = place / DATABASE
        self._vfs = vfs
        self._root = Path(disk.root)

    def create(self) -> None:
        SqliteMetadataStore.create(
            self._database, facts_for(TINY), vfs=self._vfs, files=RecordingFiles(self.disk)
        ).close()
        LocalSegmentStore.create(self._root / SEGMENTS, DiskFiles(self.disk))

    def open_metadata(self) -> SqliteMetadataStore:
        if self._vfs is None:
            return SqliteMetadataStore.open(self._database, limits=TINY)
        return SqliteMetadataStore.open(
            self._database, limits=TINY, vfs=self._vfs, files=RecordingFiles(self.disk)
        )

    def open_segments(self) -> LocalSegmentStore:
        return LocalSegmentStore(self._root / SEGMENTS, DiskFiles(self.disk))

    def open_world(self, entropy: Entropy) -> World:
        archive = LocalArchiveStore(self._root / ARCHIVE, DiskFiles(self.disk))
        return World(self, entropy=entropy, archive=archive)


class Player:
    """One client at work."""

    def __init__(self, world: World, knowledge: Knowledge) -> None:
        self.world = world
        self.knowledge = dict(knowledge)
        self._contents = sum(len(known.written) for known in knowledge.values())

    def only(self, state: State) -> str | None:
        """Return the newest snapshot in a state."""
        return next((name for name, known in reversed(self.knowledge.items()) if known.state is state), None)

    def learn(self, snapshot_id: str, known: Known) -> None:
        self.knowledge[snapshot_id] = known

    def new_content(self) -> bytes:
        self._contents += 1
        return content_of(self._contents)

    def put(self, snapshot_id: str, index: int, content: bytes) -> None:
        self.world.put(snapshot_id, index, content)
        self.learn(snapshot_id, self.knowledge[snapshot_id].with_block(index, content))


def content_of(number: int) -> bytes:
    """Return a block that compresses badly."""
    return digest(number.to_bytes(8)) * (TINY.block_bytes // 32)


_SHARED: Final = content_of(1000)
_DELETED: Final = 2
"""Number of the content that only the deleted snapshot of the scene has."""


# --- the calls programs are made of; each says whether there was anything to do


def start(player: Player) -> bool:
    player.learn(player.world.start(), Known(State.PENDING))
    return True


def start_child(player: Player) -> bool:
    parent = player.only(State.COMPLETED)
    if parent is None:
        return False
    child = player.world.start(parent=parent)
    player.learn(child, Known(State.PENDING, player.knowledge[parent].blocks))
    return True


def put(player: Player) -> bool:
    pending = player.only(State.PENDING)
    if pending is None:
        return False
    unwritten = next(i for i in range(0, 2048, 17) if i not in player.knowledge[pending].blocks)
    player.put(pending, unwritten, player.new_content())
    return True


def put_what_is_stored(player: Player) -> bool:
    """Put what only the deleted snapshot has: a deduplication hit for as long as it is not collected."""
    pending = player.only(State.PENDING)
    if pending is None:
        return False
    player.put(pending, 40, content_of(_DELETED))
    return True


def put_again(player: Player) -> bool:
    """Put other content in the place of a block that is there."""
    pending = player.only(State.PENDING)
    if pending is None or not player.knowledge[pending].written:
        return False
    player.put(pending, min(player.knowledge[pending].written), player.new_content())
    return True


def complete(player: Player) -> bool:
    pending = player.only(State.PENDING)
    if pending is None:
        return False
    known = player.knowledge[pending]
    written = {index: known.blocks[index] for index in known.written}
    state = player.world.complete(pending, count=len(written), aggregate=aggregate_of(written))
    assert state is State.COMPLETED
    player.learn(pending, replace(known, state=state))
    return True


def delete(player: Player) -> bool:
    return _delete(player, State.COMPLETED)


def delete_pending(player: Player) -> bool:
    return _delete(player, State.PENDING)


def _delete(player: Player, state: State) -> bool:
    snapshot_id = player.only(state)
    if snapshot_id is None:
        return False
    player.world.delete(snapshot_id)
    if state is State.COMPLETED:
        player.learn(snapshot_id, replace(player.knowledge[snapshot_id], state=State.DELETED))
    else:
        player.learn(snapshot_id, Known(State.DELETED))
    return True


def undelete(player: Player) -> bool:
    snapshot_id = next(
        (name for name, known in player.knowledge.items() if known.state is State.DELETED and known.blocks),
        None,
    )
    if snapshot_id is None:
        return False
    player.world.metadata.collection.undelete(
        ACCOUNT, SnapshotId(snapshot_id), now_ms=player.world.clock.now_ms()
    )
    player.learn(snapshot_id, replace(player.knowledge[snapshot_id], state=State.COMPLETED))
    return True


def archive(player: Player) -> bool:
    """Bring the archive up to everything that changed."""
    player.world.archiver.flush()
    return True


CALLS: Final[Mapping[str, Callable[[Player], bool]]] = MappingProxyType(
    {
        call.__name__: call
        for call in (
            start,
            start_child,
            put,
            put_what_is_stored,
            put_again,
            complete,
            delete,
            delete_pending,
            undelete,
            archive,
        )
    }
)


@dataclass(frozen=True, slots=True)
class Program:
    """A program that was played, and its last call in detail."""

    names: Sequence[str]
    base: Disk
    calls: Sequence[Call]
    began_at: int
    """How many calls of `calls` there had been when the last call of the program began."""
    before: Knowledge
    after: Knowledge

    def cuts(self, names: Names, chance: random.Random, outcomes: int) -> Iterator[tuple[int, Disk]]:
        """Yield every moment from the last call's begin to its end, with what may be left of the disk."""
        disk = self.base.copied(names=names)
        disk.play(self.calls[: self.began_at])
        for moment in range(self.began_at, len(self.calls) + 1):
            for _ in range(1 if disk.is_settled else outcomes):
                yield moment, disk.cut(chance)
            disk.play(self.calls[moment : moment + 1])


class Recorder:
    """Plays programs, each on the same scene."""

    def __init__(self, place: Path, vfs_name: str) -> None:
        """Use the empty directory `place`, best one in memory."""
        self._place = place
        self._base = Disk(str(place), Names.STRICT)
        self._vfs = RecordingSqlite(vfs_name, self._base)
        stores = CutStores(self._base, place, vfs=vfs_name)
        stores.create()
        with stores.open_world(SeededEntropy()) as world:
            self._knowledge = _set_the_scene(world)
        self._base.settle()

    def close(self) -> None:
        self._vfs.unregister()

    def play(self, names: Sequence[str]) -> Program | None:
        """Play a program; None if one of its calls has nothing to do."""
        calls: list[Call] = []
        disk = self._base.copied(calls=calls)
        leave_database(disk, self._place / DATABASE, self._place)
        self._vfs.disk = disk
        seed = random.Random(" ".join(names)).getrandbits(32)
        stores = CutStores(disk, self._place, vfs=self._vfs.name)
        with stores.open_world(SeededEntropy(seed)) as world:
            player = Player(world, self._knowledge)
            began_at, before = len(calls), self._knowledge
            for name in names:
                began_at, before = len(calls), dict(player.knowledge)
                if not CALLS[name](player):
                    return None
            noted = list(calls)
        return Program(names, self._base, noted, began_at, before, player.knowledge)


def _set_the_scene(world: World) -> Knowledge:
    """Leave one completed snapshot, a deleted one that shares a block with it, and a pending one."""
    player = Player(world, {})
    for indexes in ((0, 20), (1, 20)):
        snapshot_id = world.start()
        player.learn(snapshot_id, Known(State.PENDING))
        for index in indexes:
            player.put(snapshot_id, index, _SHARED if index == 20 else player.new_content())
        complete(player)
    delete(player)
    start(player)
    put(player)
    return player.knowledge


@dataclass(slots=True)
class Findings:
    """What examinations came to."""

    cuts: int = 0
    states: int = 0
    """How many of the cuts left what no other had left."""
    lost: list[str] = field(default_factory=list)
    dangling: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def add(self, other: "Findings") -> None:
        self.cuts += other.cuts
        self.states += other.states
        self.lost += other.lost
        self.dangling += other.dangling
        self.unreadable += other.unreadable

    @property
    def are_none(self) -> bool:
        return not (self.lost or self.dangling or self.unreadable)

    def __str__(self) -> str:
        return (
            f"lost {len(self.lost)}, dangling {len(self.dangling)}, unreadable {len(self.unreadable)} "
            f"of {self.cuts:,} cuts"
        )


def survey(programs: Sequence[Sequence[str]], *, seed: int, outcomes: int) -> Findings:
    """Play programs, cut the power at every moment of their last calls, and return what was found.

    Of programs that begin alike, the shorter ones are for the cuts in what they have in common.
    """
    memory = Path("/dev/shm")  # noqa: S108 - TemporaryDirectory makes an unguessable folder in it
    chance = random.Random(seed)
    with ExitStack() as closing:
        folder = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        place = Path(closing.enter_context(folder))
        for part in ("played", "left"):
            (place / part).mkdir()
        recorder = Recorder(place / "played", f"neve-power-cut-{os.getpid()}")
        closing.callback(recorder.close)
        examination = Examination(place / "left")
        for program in filter(None, map(recorder.play, programs)):
            for names in Names:
                for moment, left in program.cuts(names, chance, outcomes):
                    examination.examine(program, moment, left, chance.getrandbits(32))
        return examination.findings


class Examination:
    """What is left of a disk, opened as a start would."""

    def __init__(self, place: Path) -> None:
        """Use the directory `place` for databases, best one in memory."""
        self._place = place
        self.findings = Findings()
        self._seen: set[tuple[tuple[str, ...], bool, bytes]] = set()

    def examine(self, program: Program, moment: int, left: Disk, seed: int) -> None:
        """Open what a cut left, and note what is not as it may be."""
        self.findings.cuts += 1
        is_over = moment == len(program.calls)
        state = (tuple(program.names), is_over, left.fingerprint(program.base))
        if state in self._seen:
            return
        self._seen.add(state)
        self.findings.states += 1
        where = f"{' '.join(program.names)}, {left.names.value}, call {moment} of {len(program.calls)}: "
        leave_database(left, Path(left.root) / DATABASE, self._place)
        try:
            world = CutStores(left, self._place).open_world(SeededEntropy(seed))
        except StoreUnusable as error:
            self.findings.lost.append(f"{where}{error}")
            return
        with world:
            try:
                self._compare(where, world, program.after if is_over else program.before, program.after)
                self._look_at_chunks(where, world)
                self._look_at_archive(where, world)
                if seed % _GOES_ON_EVERY == 0:
                    self._go_on(where, world)
            except _LOST as error:
                self.findings.unreadable.append(f"{where}{error}")

    def _go_on(self, where: str, world: World) -> None:
        """See that what is left takes new snapshots."""
        content = content_of(2000)
        snapshot_id = world.start()
        world.put(snapshot_id, 5, content)
        if world.complete(snapshot_id, count=1) is not State.COMPLETED or world.read(snapshot_id) != {
            5: content
        }:
            self.findings.lost.append(f"{where}a new snapshot")

    def _compare(self, where: str, world: World, before: Knowledge, after: Knowledge) -> None:
        with _database_of(world).reading() as session:
            if session.rows("PRAGMA quick_check") != [("ok",)] or session.rows("PRAGMA foreign_key_check"):
                self.findings.lost.append(f"{where}the database is corrupt")
        found = {each.snapshot_id: each for each in world.metadata.snapshots(ACCOUNT, after=None, limit=100)}
        for snapshot_id in {*before, *after, *found}:
            may_be = _allowed(before.get(snapshot_id), after.get(snapshot_id))
            record = found.get(SnapshotId(snapshot_id))
            if (State.DELETED if record is None else record.state) not in may_be:
                self.findings.lost.append(f"{where}{snapshot_id} is {record and record.state}, not {may_be}")
        world.seal()
        for snapshot_id, record in found.items():
            old, new = before.get(snapshot_id), after.get(snapshot_id)
            if new is not None:
                blocks = _blocks_of(world, record)
                is_pending = record.state is State.PENDING
                self._compare_blocks(
                    where, blocks, *(_written(each) if is_pending else each for each in (old or new, new))
                )

    def _compare_blocks(self, where: str, found: dict[int, bytes | None], old: Known, new: Known) -> None:
        for index in {*old.blocks, *new.blocks, *found}:
            allowed = {old.blocks.get(index), new.blocks.get(index)}
            if new.state is State.DELETED:
                allowed = {old.blocks.get(index)}
            if index in found and found[index] is None:
                self.findings.unreadable.append(f"{where}block {index}")
            elif found.get(index) not in allowed:
                self.findings.lost.append(f"{where}block {index}")

    def _look_at_archive(self, where: str, world: World) -> None:
        """See that every completed snapshot is in the archive, and that all of the archive can be opened."""
        there = set(world.archive.names(ArchiveKind.SNAPSHOT, after=None, limit=100))
        for snapshot in world.metadata.snapshots(ACCOUNT, after=None, limit=100):
            if snapshot.state is State.COMPLETED and snapshot.snapshot_id not in there:
                self.findings.lost.append(f"{where}{snapshot.snapshot_id} is not in the archive")
        for kind in ArchiveKind:
            for word in world.archive.names(kind, after=None, limit=100):
                name = ArchiveName(kind, word)
                archive_format.open_record(
                    name, world.archive.read(archive_format.object_name(name)), _KEYRING
                )

    def _look_at_chunks(self, where: str, world: World) -> None:
        """Prove every chunk that has a row, and see that every published segment is there."""
        with _database_of(world).reading() as session:
            chunks = session.rows("SELECT domain_key, chunk_id FROM chunk WHERE bad = 0")
            segments = session.rows("SELECT name FROM segment WHERE state = 'live'")
        for (name,) in segments:
            try:
                world.segments.size(SegmentName(str(name)))
            except SegmentMissing:
                self.findings.dangling.append(f"{where}segment {name}")
        for domain_key, chunk_id in chunks:
            domain = world.context.domains.by_key(DomainKey(cast("int", domain_key)))
            if _content(world, domain, ChunkId(cast("bytes", chunk_id))) is None:
                self.findings.dangling.append(f"{where}chunk {chunk_id!r}")


def _database_of(world: World) -> SqliteDatabase:
    assert isinstance(world.metadata, SqliteMetadataStore)
    return world.metadata._database


def _written(known: Known) -> Known:
    """Return what rows say of a snapshot that is not completed: its own blocks, not those of its base."""
    return replace(known, blocks={index: known.blocks[index] for index in known.written})


def _allowed(before: Known | None, after: Known | None) -> set[State]:
    states = {State.DELETED if known is None else known.state for known in (before, after)}
    if states == {State.PENDING, State.COMPLETED}:
        states.add(State.SEALING)
    return states


def _blocks_of(world: World, record: Snapshot) -> dict[int, bytes | None]:
    """Return every block of a snapshot, None for what cannot be read; of a pending one as completing it would show."""
    record = world.metadata.snapshot(ACCOUNT, record.snapshot_id)
    if record.state is State.COMPLETED:
        return {
            index: _block(world, record.snapshot_id, index, token)
            for index, token in world.listed(record.snapshot_id).items()
        }
    domain = world.context.domains.by_key(record.domain_key)
    return {
        row.block_index: _content(world, domain, row.chunk_id)
        for row in world.metadata.blocks(record.key, after=None, limit=100)
    }


def _block(world: World, snapshot_id: str, index: int, token: str) -> bytes | None:
    try:
        return world.get(snapshot_id, index, token)
    except _LOST:
        return None


def _content(world: World, domain: OpenDomain, chunk_id: ChunkId) -> bytes | None:
    try:
        return world.context.chunks.read(domain, chunk_id).data
    except _LOST:
        return None
