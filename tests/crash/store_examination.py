"""What is left of a disk, opened as a start would, and compared with what was acknowledged.

What a call was about to do when it all ended may have been done or not; what was acknowledged before must be there, and
nothing else may be.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final, Protocol, cast

from crash.store_programs import Knowledge, Known, content_of
from neve.clock import Entropy
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
from neve.limits import TINY
from neve.storage import archive_format
from neve.storage.chunk_codec import ChunkCodec
from neve.storage.chunk_store import ChunkStore
from neve.storage.domains import Domains, OpenDomain
from neve.stores.archive.contract import ArchiveStore
from neve.stores.metadata.contract_archive import ArchiveKind, ArchiveName
from neve.stores.metadata.placement import SegmentName
from neve.stores.metadata.sqlite import SqliteMetadataStore
from neve.stores.segments.contract import SegmentStore
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


class Stores(Protocol):
    """Stores that were left, to be opened as often as one likes."""

    def open_metadata(self) -> SqliteMetadataStore: ...

    def open_segments(self) -> SegmentStore: ...

    def open_archive(self) -> ArchiveStore: ...

    def open_world(self, entropy: Entropy) -> World: ...


class Examination:
    """Looks at what is left, again and again, and gathers what is not as it may be."""

    def __init__(self) -> None:
        self.findings = Findings()

    def examine(
        self, where: str, stores: Stores, before: Knowledge, after: Knowledge, *, goes_on_with: int | None
    ) -> None:
        """Compare what is left with what was acknowledged, and with what was about to be.

        Then start a service on it if something waits to be completed; given a seed, one that goes on with it.
        """
        self.findings.states += 1
        try:
            with closing(Glance(stores)) as glance:
                self._look(where, glance, before, after)
                waits = bool(glance.metadata.sealing(limit=1))
            if waits or goes_on_with is not None:
                with stores.open_world(SeededEntropy(goes_on_with or 0)) as world:
                    world.seal()
                    if goes_on_with is not None:
                        self._go_on(where, world)
                with closing(Glance(stores)) as glance:
                    self._look(f"{where}started again, ", glance, before, after)
        except StoreUnusable as error:
            self.findings.lost.append(f"{where}{error}")
        except StoreError as error:
            self.findings.unreadable.append(f"{where}{error!r}")

    def _look(self, where: str, glance: "Glance", before: Knowledge, after: Knowledge) -> None:
        self._compare(where, glance, before, after)
        self._look_at_chunks(where, glance)
        self._look_at_archive(where, glance)

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

    def _compare(self, where: str, glance: "Glance", before: Knowledge, after: Knowledge) -> None:
        if not glance.database_is_intact():
            self.findings.lost.append(f"{where}the database is corrupt")
        found = {each.snapshot_id: each for each in glance.snapshots()}
        for snapshot_id in {*before, *after, *found}:
            may_be = _allowed(before.get(snapshot_id), after.get(snapshot_id))
            record = found.get(SnapshotId(snapshot_id))
            if (State.DELETED if record is None else record.state) not in may_be:
                self.findings.lost.append(f"{where}{snapshot_id} is {record and record.state}, not {may_be}")
        for snapshot_id, record in found.items():
            old, new = before.get(snapshot_id), after.get(snapshot_id)
            if new is not None:
                self._compare_blocks(where, glance.blocks(record), old or new, new)

    def _compare_blocks(self, where: str, found: dict[int, bytes | None], old: Known, new: Known) -> None:
        for index in {*old.blocks, *new.blocks, *found}:
            allowed = {old.blocks.get(index), new.blocks.get(index)}
            if new.state is State.DELETED:
                allowed = {old.blocks.get(index)}
            if index in found and found[index] is None:
                self.findings.unreadable.append(f"{where}block {index}")
            elif found.get(index) not in allowed:
                self.findings.lost.append(f"{where}block {index}")

    def _look_at_archive(self, where: str, glance: "Glance") -> None:
        """See that every completed snapshot is in the archive, and that all of the archive can be opened."""
        there = set(glance.archive.names(ArchiveKind.SNAPSHOT, after=None, limit=100))
        for snapshot in glance.snapshots():
            if snapshot.state is State.COMPLETED and snapshot.snapshot_id not in there:
                self.findings.lost.append(f"{where}{snapshot.snapshot_id} is not in the archive")
        for kind in ArchiveKind:
            for word in glance.archive.names(kind, after=None, limit=100):
                name = ArchiveName(kind, word)
                content = glance.archive.read(archive_format.object_name(name))
                archive_format.open_record(name, content, _KEYRING)

    def _look_at_chunks(self, where: str, glance: "Glance") -> None:
        """Prove every chunk that has a row, and see that every published segment is there."""
        chunks, segments = glance.chunks_and_segments()
        for name in segments:
            try:
                glance.segments.size(name)
            except SegmentMissing:
                self.findings.dangling.append(f"{where}segment {name}")
        for domain_key, chunk_id in chunks:
            if glance.content(glance.domains.by_key(domain_key), chunk_id) is None:
                self.findings.dangling.append(f"{where}chunk {chunk_id!r}")


def _allowed(before: Known | None, after: Known | None) -> set[State]:
    states = {State.DELETED if known is None else known.state for known in (before, after)}
    if states == {State.PENDING, State.COMPLETED}:
        states.add(State.SEALING)
    return states


class Glance:
    """What is stored, opened to be looked at: nothing works on it, and each chunk is read and proven once."""

    def __init__(self, stores: Stores) -> None:
        self.metadata = stores.open_metadata()
        self.segments = stores.open_segments()
        self.archive = stores.open_archive()
        self.domains = Domains(self.metadata, _KEYRING, SeededEntropy(), None)
        self._reader = ChunkStore(
            metadata=self.metadata,
            segments=self.segments,
            codec=ChunkCodec(),
            limits=TINY,
            on_damage=lambda _record, _error: None,
        )
        self._known: dict[ChunkId, bytes | None] = {}
        self._records = {
            (record.key, chunk_id): found
            for record in self.metadata.domains()
            for chunk_id, found in self.metadata.chunks(record.key, self._chunk_ids(record.key)).items()
        }

    def _chunk_ids(self, domain_key: DomainKey) -> Sequence[ChunkId]:
        entries = self.metadata.collection.chunk_entries(domain_key, after=None, limit=1000)
        return [entry.chunk_id for entry in entries]

    def close(self) -> None:
        self.segments.close()
        self.archive.close()
        self.metadata.close()

    def database_is_intact(self) -> bool:
        with self.metadata._database.reading() as session:
            structure = session.rows("PRAGMA quick_check")
            return structure == [("ok",)] and not session.rows("PRAGMA foreign_key_check")

    def snapshots(self) -> Sequence[Snapshot]:
        return self.metadata.snapshots(ACCOUNT, after=None, limit=100)

    def chunks_and_segments(self) -> tuple[list[tuple[DomainKey, ChunkId]], list[SegmentName]]:
        """Return every chunk that has a row and is not bad, and every published segment."""
        with self.metadata._database.reading() as session:
            chunks = session.rows("SELECT domain_key, chunk_id FROM chunk WHERE bad = 0")
            segments = session.rows("SELECT name FROM segment WHERE state = 'live'")
        return (
            [(DomainKey(cast("int", key)), ChunkId(cast("bytes", chunk_id))) for key, chunk_id in chunks],
            [SegmentName(str(name)) for (name,) in segments],
        )

    def content(self, domain: OpenDomain, chunk_id: ChunkId) -> bytes | None:
        """Return a chunk's content, None if it cannot be read."""
        if chunk_id not in self._known:
            try:
                record = self._records[domain.key, chunk_id]
                stored = self.segments.read(record.segment, record.offset, record.stored_bytes)
                self._known[chunk_id] = self._reader.prove(domain, record, stored).data
            except (*_LOST, KeyError):
                self._known[chunk_id] = None
        return self._known[chunk_id]

    def blocks(self, record: Snapshot) -> dict[int, bytes | None]:
        """Return every block of a snapshot; of one that is not completed as it would be now."""
        domain = self.domains.by_key(record.domain_key)
        root = record.root or record.base_root
        found = {} if root is None else dict(walk(self._load(domain), root))
        if record.root is None:
            rows = self.metadata.blocks(record.key, after=None, limit=100)
            found |= {row.block_index: row.chunk_id for row in rows}
        return {index: self.content(domain, chunk_id) for index, chunk_id in found.items()}

    def _load(self, domain: OpenDomain) -> Load:
        def load(chunk_ids: Sequence[ChunkId]) -> Sequence[Node]:
            contents = [self.content(domain, chunk_id) for chunk_id in chunk_ids]
            return [decode_node(content or b"", TINY.node_fanout) for content in contents]

        return load
