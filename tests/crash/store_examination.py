"""What is left of a disk, opened as a start would, and compared with what was acknowledged.

What a call was about to do when it all ended may have been done or not; what was acknowledged before must be there, and
nothing else may be.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, cast

from crash.store_programs import Knowledge, Known, content_of
from neve.domain.block_map import Load, Node, decode_node, walk
from neve.domain.blocks import ChunkId
from neve.domain.identities import DomainKey, SnapshotId
from neve.domain.keyring import Keyring
from neve.domain.snapshots import Snapshot, State
from neve.errors import (
    ArchiveDamaged,
    ArchiveMissing,
    ChunkDamaged,
    ChunkMissing,
    SegmentMissing,
    StoreError,
    StoreUnusable,
)
from neve.storage import archive_format
from neve.storage.domains import OpenDomain
from neve.stores.metadata.contract_archive import ArchiveKind, ArchiveName
from neve.stores.metadata.placement import SegmentName
from neve.stores.metadata.sqlite import SqliteMetadataStore
from neve.stores.metadata.sqlite_database import SqliteDatabase
from neve.testing.time_and_chance import SeededEntropy
from neve.testing.world import ACCOUNT, MASTER_KEY, World

_LOST: Final = (ArchiveDamaged, ArchiveMissing, ChunkDamaged, ChunkMissing, SegmentMissing)
_KEYRING: Final = Keyring(MASTER_KEY, SeededEntropy())


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


class Examination:
    """Opens what is left, again and again, and gathers what is not as it may be."""

    def __init__(self) -> None:
        self.findings = Findings()

    def examine(
        self,
        where: str,
        open_world: Callable[[], World],
        before: Knowledge,
        after: Knowledge,
        *,
        goes_on: bool,
    ) -> None:
        """Compare what is left with what was acknowledged, and with what was about to be; then perhaps go on with it."""
        try:
            world = open_world()
        except StoreUnusable as error:
            self.findings.lost.append(f"{where}{error}")
            return
        self.findings.states += 1
        with world:
            try:
                self._look(where, world, before, after)
                if goes_on:
                    self._go_on(where, world)
                    self._look(f"{where}collected, ", world, before, after)
            except StoreError as error:
                self.findings.unreadable.append(f"{where}{error!r}")

    def _look(self, where: str, world: World, before: Knowledge, after: Knowledge) -> None:
        contents = _Contents(world)
        self._compare(where, contents, before, after)
        self._look_at_chunks(where, contents)
        self._look_at_archive(where, world)

    def _go_on(self, where: str, world: World) -> None:
        """See that what is left takes new snapshots, and explains everything to a collection."""
        content = content_of(2000)
        snapshot_id = world.start()
        world.put(snapshot_id, 5, content)
        if world.complete(snapshot_id, count=1) is not State.COMPLETED or world.read(snapshot_id) != {
            5: content
        }:
            self.findings.lost.append(f"{where}a new snapshot")
        world.delete(snapshot_id)
        report = world.collect(undo_s=3600)
        if report.missing or report.unexplained:
            self.findings.dangling.append(f"{where}{report}")

    def _compare(self, where: str, contents: "_Contents", before: Knowledge, after: Knowledge) -> None:
        world = contents.world
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
                blocks = contents.blocks(record)
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

    def _look_at_chunks(self, where: str, contents: "_Contents") -> None:
        """Prove every chunk that has a row, and see that every published segment is there."""
        world = contents.world
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
            if contents.of(domain, ChunkId(cast("bytes", chunk_id))) is None:
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


class _Contents:
    """What is stored, each chunk of it read and proven once."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._known: dict[ChunkId, bytes | None] = {}

    def of(self, domain: OpenDomain, chunk_id: ChunkId) -> bytes | None:
        """Return a chunk's content, None if it cannot be read."""
        if chunk_id not in self._known:
            try:
                self._known[chunk_id] = self.world.context.chunks.read(domain, chunk_id).data
            except _LOST:
                self._known[chunk_id] = None
        return self._known[chunk_id]

    def blocks(self, record: Snapshot) -> dict[int, bytes | None]:
        """Return every block of a completed snapshot, or those written to one that is not."""
        record = self.world.metadata.snapshot(ACCOUNT, record.snapshot_id)
        domain = self.world.context.domains.by_key(record.domain_key)
        if record.root is not None:
            return {
                index: self.of(domain, chunk_id) for index, chunk_id in walk(self._load(domain), record.root)
            }
        rows = self.world.metadata.blocks(record.key, after=None, limit=100)
        return {row.block_index: self.of(domain, row.chunk_id) for row in rows}

    def _load(self, domain: OpenDomain) -> Load:
        def load(chunk_ids: Sequence[ChunkId]) -> Sequence[Node]:
            contents = [self.of(domain, chunk_id) for chunk_id in chunk_ids]
            return [decode_node(content or b"", self.world.limits.node_fanout) for content in contents]

        return load
