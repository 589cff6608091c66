"""Sealed bytes that were flipped, cut, exchanged or carried elsewhere: every one refused, no wrong byte served.

One store with everything in it: two encrypted domains, two generations of a data key, blocks raw and compressed,
nodes, and an unencrypted domain with the same contents. Each test counts what it tried and what was refused.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fix_world import MemoryStores
from neve.domain.blocks import BlockIndex, ChunkKind, digest
from neve.domain.identities import SnapshotId
from neve.domain.snapshots import CompletionClaim, State
from neve.errors import ChunkDamaged, StoreUnusable
from neve.storage.domains import OpenDomain
from neve.storage.segment_format import HEADER_BYTES, parse
from neve.stores.metadata.contract import Batch, BlockWrite
from neve.stores.metadata.placement import ChunkRecord, Encoding, SegmentName
from neve.testing.memory_keys import MemoryKeys
from neve.testing.memory_segments import MemorySegmentStore
from neve.testing.time_and_chance import SeededEntropy
from neve.testing.world import ACCOUNT, World

RAW = digest(b"one") + digest(b"two")
TEXT = b"neve" * 16
NEWER = digest(b"three") + digest(b"four")


@dataclass(frozen=True)
class Stored:
    """One chunk of the scene, and what it must read as."""

    domain: OpenDomain
    record: ChunkRecord
    content: bytes


class Scene:
    """The store, and every chunk in it."""

    def __init__(self) -> None:
        self.keys = MemoryKeys(entropy=SeededEntropy(5))
        self.stores = MemoryStores()
        self.world = World(self.stores, keys=self.keys)
        self.first, self.second = self.keys.make_key(ACCOUNT), self.keys.make_key(ACCOUNT)
        for arn in (self.first, self.second, None):
            self.snapshot([RAW, TEXT], arn)
        self.keys.rotate(self.first)
        self.world.data_keys.renew(self.domain(self.first).record)
        self.snapshot([NEWER], self.first)
        self.chunks = [stored for arn in (self.first, self.second, "") for stored in self._stored(arn)]

    @property
    def segments(self) -> MemorySegmentStore:
        return self.stores.segments

    def snapshot(self, contents: Sequence[bytes], arn: str | None) -> str:
        snapshot_id = self.world.start(kms_key_arn=arn)
        for index, content in enumerate(contents):
            self.world.put(snapshot_id, index, content)
        self.world.complete(snapshot_id, count=len(contents))
        return snapshot_id

    def domain(self, arn: str) -> OpenDomain:
        domains = self.world.context.domains
        return domains.encrypted(ACCOUNT, arn) if arn else domains.unencrypted(ACCOUNT)

    def _stored(self, arn: str) -> Iterator[Stored]:
        domain = self.domain(arn)
        for name in self.segments.names(after=None, limit=1000):
            data = self.segments.read(name, 0, self.segments.size(name))
            for location in parse(name, data):
                records = self.world.metadata.chunks(domain.key, [location.chunk_id])
                if location.domain_uid == domain.uid and records[location.chunk_id].segment == name:
                    content = self.world.context.chunks.read(domain, location.chunk_id).data
                    yield Stored(domain, records[location.chunk_id], content)

    def reads(self, stored: Stored, found: ChunkRecord | None = None) -> bool:
        """Return whether a chunk is served, as it must be, when its record says `found`; False if refused."""
        chunks = self.world.context.chunks
        try:
            content = chunks._read_record(stored.domain, found or stored.record)
        except ChunkDamaged:
            return False
        assert content.data == stored.content, "wrong bytes were served"
        return True

    def segment_of(self, stored: Stored) -> tuple[SegmentName, bytes]:
        name = stored.record.segment
        return name, self.segments.read(name, 0, self.segments.size(name))

    def sealed(self) -> list[Stored]:
        return [stored for stored in self.chunks if stored.domain.is_encrypted]


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.world.close()


def test_the_scene_has_one_of_everything(scene: Scene) -> None:
    seen = {
        (stored.domain.is_encrypted, stored.record.kind, stored.record.encoding) for stored in scene.chunks
    }
    assert {kind for encrypted, kind, _ in seen if encrypted} == set(ChunkKind)
    assert {encoding for encrypted, _, encoding in seen if encrypted} == {
        Encoding.SEALED_RAW,
        Encoding.SEALED_ZSTD,
    }
    generations = {scene.segment_of(stored)[1][stored.record.offset + 3] for stored in scene.sealed()}
    assert generations == {0, 1, 2}
    assert all(scene.reads(stored) for stored in scene.chunks)


def test_every_flipped_bit_of_every_sealed_chunk_is_refused(scene: Scene) -> None:
    tried = refused = 0
    for stored in scene.sealed():
        name, data = scene.segment_of(stored)
        for at in range(stored.record.offset, stored.record.offset + stored.record.stored_bytes):
            for bit in range(8):
                scene.segments.damage(name, at, bytes([data[at] ^ 1 << bit]))
                refused += not scene.reads(stored)
                tried += 1
            scene.segments.damage(name, at, data[at : at + 1])
        assert scene.reads(stored), "the damage was undone"
    assert tried == 8 * sum(stored.record.stored_bytes for stored in scene.sealed())
    assert refused == tried


def test_every_flipped_byte_of_a_sealed_segment_is_noticed_by_whoever_reads_it(scene: Scene) -> None:
    segments = {stored.record.segment: stored for stored in scene.sealed()}
    for stored in segments.values():
        name, data = scene.segment_of(stored)
        locations = parse(name, data)
        table = locations[-1].offset + locations[-1].stored_bytes
        for at in (*range(HEADER_BYTES), *range(table, len(data))):
            changed = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
            with pytest.raises((ChunkDamaged, StoreUnusable)):
                parse(name, changed)


@given(st.data())
def test_bytes_overwritten_with_anything_else_are_refused(scene: Scene, data: st.DataObject) -> None:
    stored = data.draw(st.sampled_from(scene.sealed()))
    name, whole = scene.segment_of(stored)
    start = data.draw(st.integers(0, stored.record.stored_bytes - 1))
    other = data.draw(st.binary(min_size=1, max_size=stored.record.stored_bytes - start))
    at = stored.record.offset + start
    scene.segments.damage(name, at, other)
    try:
        assert scene.reads(stored) is (whole[at : at + len(other)] == other)
    finally:
        scene.segments.damage(name, at, whole[at : at + len(other)])


def test_every_truncation_of_a_sealed_chunk_is_refused(scene: Scene) -> None:
    tried = refused = 0
    for stored in scene.sealed():
        record = stored.record
        for stored_bytes in range(1, record.stored_bytes):
            for offset in (record.offset, record.offset + record.stored_bytes - stored_bytes):
                cut = replace(record, offset=offset, stored_bytes=stored_bytes)
                refused += not scene.reads(stored, cut)
                tried += 1
    assert refused == tried > 1000


def elsewhere(stored: Stored, other: Stored) -> Iterator[ChunkRecord]:
    """Yield what the record of `stored` can say to pass the bytes of `other` off as it."""
    moved = replace(other.record, domain_key=stored.record.domain_key, chunk_id=stored.record.chunk_id)
    for kind in ChunkKind:
        for encoding in Encoding:
            yield replace(moved, kind=kind, encoding=encoding)
            yield replace(moved, kind=kind, encoding=encoding, plain_bytes=stored.record.plain_bytes)


def test_a_chunk_in_the_place_of_another_is_refused_across_kinds_domains_and_generations(
    scene: Scene,
) -> None:
    tried = refused = 0
    for stored, other in permutations(scene.chunks, 2):
        if not (stored.domain.is_encrypted or other.domain.is_encrypted):
            continue
        for lie in elsewhere(stored, other):
            refused += not scene.reads(stored, lie)
            tried += 1
    assert refused == tried > 1000


def test_a_sealed_chunk_with_any_lie_on_its_record_is_refused(scene: Scene) -> None:
    for stored in scene.sealed():
        record = stored.record
        lies = [lie for lie in elsewhere(stored, stored) if lie != record]
        lies += [replace(record, plain_bytes=record.plain_bytes + by) for by in (-1, 1)]
        assert len(lies) > 10
        assert not any(scene.reads(stored, lie) for lie in lies)


def test_a_chunk_that_was_carried_into_another_store_is_refused(scene: Scene) -> None:
    """The other store has the same accounts, the same KMS key and the same content, and other ids and keys."""
    with World(MemoryStores(), keys=scene.keys, entropy=SeededEntropy(77)) as other:
        domain = other.context.domains.encrypted(ACCOUNT, scene.first)
        for stored in scene.sealed():
            _, data = scene.segment_of(stored)
            own = data[stored.record.offset :][: stored.record.stored_bytes]
            with pytest.raises(ChunkDamaged):
                other.context.chunks.prove(domain, stored.record, own)


# --- block rows


def test_a_completion_over_a_row_that_was_altered_stays_open_and_says_so(scene: Scene) -> None:
    world = scene.world
    snapshot_id = world.start(kms_key_arn=scene.first)
    world.put(snapshot_id, 0, RAW)
    snapshot = world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id))
    domain = scene.domain(scene.first)
    plain = BlockWrite(
        domain_key=domain.key,
        snapshot_key=snapshot.key,
        block_index=BlockIndex(0),
        chunk_id=domain.chunk_id(digest(RAW)),
        digest=digest(RAW),
    )
    now_ms = world.clock.now_ms()
    world.metadata.publish(Batch(segment=None, segment_bytes=0, blocks=[plain]), now_ms=now_ms)
    claim = CompletionClaim(changed_blocks_count=1, aggregate=digest(digest(RAW)))
    accepted = world.metadata.accept_completion(ACCOUNT, SnapshotId(snapshot_id), claim, now_ms=now_ms)
    with pytest.raises(ChunkDamaged, match="block row"):
        world.sealer.seal(accepted)
    assert world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id)).state is State.SEALING
    world.delete(snapshot_id)
