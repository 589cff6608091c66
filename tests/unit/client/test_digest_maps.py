"""What is remembered of a snapshot comes back as it was, or not at all: a wrong digest would lose a change."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neve.client.digest_maps import DigestMaps, MapDamaged, MapMissing
from neve.client.plan import KnownBlock
from neve.domain.blocks import BlockIndex, digest
from neve.testing.time_and_chance import SeededEntropy

SNAPSHOT_ID = "snap-0123456789abcdef0"
BLOCK_BYTES = 64
ENTROPY = SeededEntropy()


def maps_in(folder: Path, endpoint: str = "http://127.0.0.1:9753") -> DigestMaps:
    return DigestMaps(folder, endpoint, ENTROPY)


def known(index: int) -> KnownBlock:
    return KnownBlock(BlockIndex(index), digest(str(index).encode()))


def keep(maps: DigestMaps, indexes: list[int], snapshot_id: str = SNAPSHOT_ID) -> bool:
    with maps.writer(snapshot_id, volume_gib=3, block_bytes=BLOCK_BYTES) as writer:
        for index in indexes:
            writer.add(BlockIndex(index), known(index).digest)
        return writer.commit()


def recall(maps: DigestMaps, snapshot_id: str = SNAPSHOT_ID) -> list[KnownBlock]:
    reader = maps.open(snapshot_id, BLOCK_BYTES)
    try:
        return list(reader.blocks())
    finally:
        reader.close()


def recall_until_damage(maps: DigestMaps) -> tuple[list[KnownBlock], bool]:
    """Return what is still believed, and whether all of it was."""
    believed: list[KnownBlock] = []
    try:
        reader = maps.open(SNAPSHOT_ID, BLOCK_BYTES)
    except MapMissing:
        return believed, False
    try:
        believed.extend(reader.blocks())
    except MapDamaged:
        return believed, False
    finally:
        reader.close()
    return believed, True


def map_file(folder: Path) -> Path:
    (path,) = folder.glob("*/*")
    return path


@contextmanager
def fresh_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@settings(max_examples=30)
@given(st.sets(st.integers(0, 2**27 - 1), max_size=20), st.integers(0, 3000))
def test_a_map_comes_back_as_it_was_written(scattered: set[int], dense: int) -> None:
    indexes = sorted(scattered | set(range(dense)))
    with fresh_folder() as folder:
        assert keep(maps_in(folder), indexes)
        assert recall(maps_in(folder)) == [known(index) for index in indexes]
        reader = maps_in(folder).open(SNAPSHOT_ID, BLOCK_BYTES)
        assert reader.volume_gib == 3
        reader.close()


def test_a_map_that_breaks_off_is_good_as_far_as_it_goes(tmp_path: Path) -> None:
    indexes = list(range(2500))
    keep(maps_in(tmp_path), indexes)
    whole = map_file(tmp_path).read_bytes()
    for size_bytes in [*range(80), *range(80, len(whole), 997), len(whole) - 1]:
        map_file(tmp_path).write_bytes(whole[:size_bytes])
        believed, all_of_it = recall_until_damage(maps_in(tmp_path))
        assert not all_of_it
        assert believed == [known(index) for index in range(len(believed))]


def test_a_flipped_bit_anywhere_is_never_believed(tmp_path: Path) -> None:
    indexes = list(range(6))
    keep(maps_in(tmp_path), indexes)
    whole = map_file(tmp_path).read_bytes()
    for place in range(len(whole)):
        map_file(tmp_path).write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        believed, all_of_it = recall_until_damage(maps_in(tmp_path))
        assert not all_of_it
        assert believed in ([], [known(index) for index in indexes])


def test_pages_that_changed_places_are_not_believed(tmp_path: Path) -> None:
    keep(maps_in(tmp_path), list(range(2048)))
    whole = map_file(tmp_path).read_bytes()
    page_bytes = 2 + 1024 * 36 + 32
    head = len(whole) - 2 * page_bytes - 34
    first, second = whole[head : head + page_bytes], whole[head + page_bytes : head + 2 * page_bytes]
    map_file(tmp_path).write_bytes(whole[:head] + second + first + whole[-34:])
    assert recall_until_damage(maps_in(tmp_path)) == ([], False)


def test_a_map_belongs_to_one_service_one_snapshot_and_one_block_size(tmp_path: Path) -> None:
    keep(maps_in(tmp_path), [1])
    with pytest.raises(MapMissing):
        recall(maps_in(tmp_path, "https://ebs.us-east-1.amazonaws.com"))
    with pytest.raises(MapMissing):
        recall(maps_in(tmp_path), "snap-0123456789abcdef1")
    with pytest.raises(MapMissing):
        maps_in(tmp_path).open(SNAPSHOT_ID, BLOCK_BYTES * 2)
    path = map_file(tmp_path)
    path.rename(path.with_name("snap-0123456789abcdef1.digests"))
    with pytest.raises(MapMissing):
        recall(maps_in(tmp_path), "snap-0123456789abcdef1")


def test_a_writer_that_is_not_committed_leaves_nothing(tmp_path: Path) -> None:
    with maps_in(tmp_path).writer(SNAPSHOT_ID, volume_gib=1, block_bytes=BLOCK_BYTES) as writer:
        writer.add(BlockIndex(0), known(0).digest)
    assert list(tmp_path.glob("*/*")) == []


def test_a_map_is_forgotten_on_request_and_again_without_complaint(tmp_path: Path) -> None:
    maps = maps_in(tmp_path)
    keep(maps, [1])
    maps.forget(SNAPSHOT_ID)
    maps.forget(SNAPSHOT_ID)
    with pytest.raises(MapMissing):
        recall(maps)


@pytest.mark.parametrize("snapshot_id", ["snap-../../escape", "snap-", "/etc/passwd", "snap-A", "snap-0\n"])
def test_an_id_that_is_no_id_touches_no_file_outside(tmp_path: Path, snapshot_id: str) -> None:
    maps = maps_in(tmp_path / "inside")
    keep(maps, [1], snapshot_id)
    assert recall(maps, snapshot_id) == [known(1)]
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
    maps.forget(snapshot_id)
    assert list(tmp_path.glob("inside/*/*")) == []


def test_a_folder_that_cannot_be_used_is_an_empty_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"in the way")
    maps = maps_in(tmp_path / "file")
    assert not keep(maps, [1])
    with pytest.raises(MapMissing):
        recall(maps)
    maps.make_room()


def test_room_is_made_by_what_was_used_longest_ago(tmp_path: Path) -> None:
    maps = maps_in(tmp_path)
    ids = [f"snap-{number:017x}" for number in range(4)]
    for age, snapshot_id in enumerate(reversed(ids)):
        keep(maps, [1], snapshot_id)
        path = next(tmp_path.glob(f"*/{snapshot_id}*"))
        os.utime(path, (1000 - age, 1000 - age))
    size_bytes = path.stat().st_size
    recall(maps, ids[0])  # the oldest, but used just now
    maps.make_room(2 * size_bytes)
    assert {path.name.removesuffix(".digests") for path in tmp_path.glob("*/*")} == {ids[0], ids[3]}
