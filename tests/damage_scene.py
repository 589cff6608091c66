"""A small store of everything there is, in real files, for tests that damage them.

Blocks raw, compressed, zero and shared; a child; a domain that is encrypted and one that is not; segments of one chunk
and of several. Records are in memory, so that thousands of damages take seconds.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from fix_world import MemoryStores
from neve.domain.snapshots import State
from neve.errors import StoreError
from neve.storage.segment_format import ChunkLocation, parse
from neve.storage.verification.report import VerificationReport
from neve.stores.archive.local import LocalArchiveStore
from neve.stores.metadata.placement import Encoding, SegmentName
from neve.stores.segments.local import LocalSegmentStore
from neve.testing.world import ACCOUNT, World

Contents = dict[int, bytes]


class FileStores(MemoryStores):
    """Records in memory, segments and archive in a folder."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        LocalSegmentStore.create(path / "segments")

    def open_segments(self) -> LocalSegmentStore:  # type: ignore[override]  # another store of the same contract
        return LocalSegmentStore(self.path / "segments", free_bytes_min=0)


def raw(seed: str) -> bytes:
    """Return a block that does not compress."""
    return hashlib.sha512(seed.encode()).digest()


def compressible(fill: int) -> bytes:
    """Return a block that does."""
    return bytes([fill]) * 40 + bytes(range(24))


def filled(world: World, kms_key_arn: str | None, label: str) -> Mapping[str, Contents]:
    """Complete a snapshot and a child of it; return what each has."""
    whole: Contents = {
        0: raw(f"{label} 0"),
        1: compressible(1),
        2: raw(f"{label} 2"),
        3: bytes(64),
        17: compressible(2),
        18: raw(f"{label} 0"),
        300: raw(f"{label} 300"),
    }
    parent = world.start(kms_key_arn=kms_key_arn)
    for index, content in whole.items():
        world.put(parent, index, content)
    assert world.complete(parent, count=len(whole)) is State.COMPLETED
    changed = {2: raw(f"{label} changed"), 301: compressible(3)}
    child = world.start(parent=parent)
    for index, content in changed.items():
        world.put(child, index, content)
    assert world.complete(child, count=len(changed)) is State.COMPLETED
    return {parent: whole, child: whole | changed}


class DamageScene:
    """The store, what is in it, and ways to spoil its files."""

    def __init__(self, path: Path) -> None:
        self.stores = FileStores(path)
        self.archive = LocalArchiveStore(path / "archive")
        self.world = World(self.stores, archive=self.archive)
        key = self.world.keys.make_key(ACCOUNT)  # type: ignore[attr-defined]  # the world's own keys are in memory
        self.wanted = {
            **filled(self.world, None, "plain"),
            **filled(self.world, key, "sealed"),
        }
        report = self.world.verify()
        assert report.is_sound, report.findings
        assert report.unproven == []

    def close(self) -> None:
        """Stop."""
        self.world.close()
        self.archive.close()

    @property
    def segments(self) -> list[Path]:
        """Return the files of segments."""
        return sorted((self.stores.path / "segments").rglob("*.seg"))

    @property
    def objects(self) -> list[Path]:
        """Return the files of the archive."""
        return sorted(path for path in (self.stores.path / "archive").rglob("*") if path.is_file())

    def verify(self, *, data: bool) -> VerificationReport:
        """Start anew, so that nothing is remembered, and verify."""
        self.world.restart()
        return self.world.verifier.verify(data=data)

    def refused_reads(self) -> int:
        """Read everything as clients do: what is answered must be right. Return how much was refused instead."""
        self.world.restart()
        refused = 0
        for snapshot_id, wanted in self.wanted.items():
            try:
                tokens = self.world.listed(snapshot_id)
            except StoreError:
                refused += 1
                continue
            assert set(tokens) == set(wanted), "a list is right or an error"
            for index, token in tokens.items():
                try:
                    content = self.world.get(snapshot_id, index, token)
                except StoreError:
                    refused += 1
                else:
                    assert content == wanted[index], "a block is right or an error"
        return refused


def name_of(segment: Path) -> SegmentName:
    """Return what a segment's file is called in records."""
    return SegmentName(segment.stem)


def is_named(report: VerificationReport, segment: Path) -> bool:
    """Return whether a report says that something is wrong with a segment, or with a chunk in it."""
    return any(segment.stem in finding.subject or segment.stem in finding.what for finding in report.findings)


def compressed_at(segment: Path, content: bytes, offset: int) -> bool:
    """Return whether a byte of a segment is in a zstd frame that is not sealed."""
    return any(
        location.encoding is Encoding.ZSTD
        and location.offset <= offset < location.offset + location.stored_bytes
        for location in parse(name_of(segment), content)
    )


def locations(segment: Path) -> Iterator[ChunkLocation]:
    """Yield what a segment's table says."""
    yield from parse(name_of(segment), segment.read_bytes())


SNAPSHOT_BLOCKS: Final = 2048
"""Of the smallest volume."""
