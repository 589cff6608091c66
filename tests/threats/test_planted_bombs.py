"""Frames that open to far more than they should, planted where chunks lie: an error, an event, and no memory."""

import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import pytest
import zstandard

from fix_scoreboard import Figure
from neve.domain.identities import SnapshotId
from neve.errors import StoreError
from neve.limits import KIB, MIB
from neve.stores.metadata.contract import Batch
from neve.stores.metadata.placement import ChunkRecord, Encoding, SegmentName
from neve.testing.world import ACCOUNT, World

HUGE = bytes(64 * MIB)
BLOCK = b"block " * 10 + b"...."
MAGIC = b"\x28\xb5\x2f\xfd"


def bombs() -> dict[str, bytes]:
    streamed = zstandard.ZstdCompressor(level=1).compressobj()
    blocks = (streamed.compress(HUGE) + streamed.flush())[6:]  # behind magic, descriptor and window
    return {
        "says how much it is": zstandard.ZstdCompressor(level=1).compress(HUGE),
        "does not say": MAGIC + b"\x00\x48" + blocks,
        "says that it is a block": MAGIC + b"\x20" + bytes([len(BLOCK)]) + blocks,
        "wants a window of 128 MiB": MAGIC + b"\x00\x88" + blocks,
    }


BOMBS = bombs()


def planted(world: World, record: ChunkRecord, bomb: bytes) -> None:
    """Have a chunk's record point at a bomb in a segment: what somebody does who can write to files and database."""
    name = SegmentName("b" * 32)
    world.metadata.reserve_segments([name], now_ms=0)
    world.segments.write(name, [bomb])
    world.metadata.mark_bad(record.domain_key, record.chunk_id)  # so that the next one takes its place
    lie = replace(
        record, segment=name, offset=0, stored_bytes=len(bomb), encoding=Encoding.ZSTD, plain_bytes=len(BLOCK)
    )
    world.metadata.publish(Batch(segment=name, segment_bytes=len(bomb), chunks=[lie]), now_ms=0)


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
@pytest.mark.row(18)
def test_a_planted_bomb_is_damage_and_takes_no_memory(
    make_world: Callable[..., World], bomb: bytes, figure: Figure
) -> None:
    world = make_world()
    snapshot_id = world.start()
    world.put(snapshot_id, 0, BLOCK)
    world.complete(snapshot_id, count=1)
    (token,) = world.listed(snapshot_id).values()
    snapshot = world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id))
    (row,) = world.metadata.blocks(snapshot.key, after=None, limit=1)
    (record,) = world.metadata.chunks(snapshot.domain_key, [row.chunk_id]).values()
    planted(world, record, bomb)
    tracemalloc.start()
    try:
        with pytest.raises(StoreError):
            world.get(snapshot_id, 0, token)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [each.chunk_id for each, _ in world.damage] == [row.chunk_id]
    assert peak_bytes < len(bomb) + 256 * KIB
    assert world.metadata.stored(snapshot.domain_key, [row.chunk_id]) == set(), (
        "and it is never a duplicate of anything"
    )
    figure(
        f"a bomb of {len(bomb):,} bytes that opens to {len(HUGE) // MIB} MiB: refused, {peak_bytes:,} bytes at most"
    )
