"""A writer of segments is killed, and every name it left behind is a whole segment.

This tests atomicity: what a kill leaves is all the kernel was told. What a power cut leaves is another matter.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from neve.domain.blocks import chunk_id, digest
from neve.errors import ChunkDamaged
from neve.storage.chunk_codec import decode
from neve.storage.segment_format import read_table
from neve.stores.metadata.placement import SegmentName
from neve.stores.segments.local import LocalSegmentStore

WRITER = Path(__file__).with_name("segment_writer.py")
ID_KEY = b"k" * 32


def check_whole(root: Path, name: SegmentName) -> None:
    """Read a segment down to its chunks; ChunkDamaged if anything is not as it was written."""
    store = LocalSegmentStore(root)
    try:
        locations = read_table(name, store.size(name), lambda offset, size: store.read(name, offset, size))
        for location in locations:
            stored = store.read(name, location.offset, location.stored_bytes)
            content = decode(location.encoding, stored, location.plain_bytes)
            if chunk_id(ID_KEY, digest(content)) != location.chunk_id:
                raise ChunkDamaged(f"segment {name} holds other bytes than it says")
    finally:
        store.close()


def names_in(root: Path) -> set[SegmentName]:
    return set(LocalSegmentStore(root).names(after=None, limit=100_000))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    LocalSegmentStore.create(tmp_path / "segments")
    return tmp_path / "segments"


def run_to_every_point(root: Path, form: str) -> dict[SegmentName, str]:
    """Return, by name, how the child that wrote it ended."""
    done = subprocess.run(
        [sys.executable, WRITER, "points", root, form], capture_output=True, text=True, check=True
    )
    lines = [line.rsplit(" ", 1) for line in done.stdout.splitlines()]
    return {SegmentName(name): ended for ended, name in lines}


@pytest.mark.parametrize("form", ["unnamed", "named"])
def test_killed_before_any_call_of_a_write_a_name_is_absent_or_whole(root: Path, form: str) -> None:
    ended = run_to_every_point(root, form)
    found = names_in(root)
    for name in found:
        check_whole(root, name)
    survivors = {name for name, end in ended.items() if end == "exit 0"}
    assert set(ended.values()) == {"killed", "exit 0"}
    assert survivors <= found < set(ended)


def test_a_writer_that_gathers_bytes_under_the_final_name_would_be_noticed(root: Path) -> None:
    run_to_every_point(root, "planted bug")
    damaged = 0
    for name in names_in(root):
        try:
            check_whole(root, name)
        except ChunkDamaged:
            damaged += 1
    assert damaged > 0


@pytest.mark.slow
@pytest.mark.parametrize("acknowledged_count", [1, 2, 3, 5, 8, 13, 21, 34, 55])
def test_killed_under_four_writers_every_name_is_whole_and_none_acknowledged_is_gone(
    root: Path, acknowledged_count: int
) -> None:
    writer = subprocess.Popen(
        [sys.executable, WRITER, "storm", root, str(acknowledged_count)], stdout=subprocess.PIPE, text=True
    )
    with writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(acknowledged_count)]
        writer.kill()
        lines += writer.stdout.readlines()
    acknowledged = {SegmentName(line.strip()) for line in lines}
    found = names_in(root)
    for name in found:
        check_whole(root, name)
    assert acknowledged <= found
    assert len(acknowledged) >= acknowledged_count
