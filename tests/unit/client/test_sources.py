"""Files and devices as sources of whole blocks."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neve.client.errors import SourceUnusable
from neve.client.sources import ImageSource

BLOCK_BYTES = 4096
PAGE = 4096


@settings(max_examples=25)
@given(
    pieces=st.lists(st.tuples(st.booleans(), st.integers(1, 3)), min_size=1, max_size=8),
    tail_bytes=st.integers(0, 100),
)
def test_whatever_is_not_in_an_extent_reads_as_zeros(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[tuple[bool, int]], tail_bytes: int
) -> None:
    path = tmp_path_factory.mktemp("sparse") / "image"
    with path.open("wb") as file:
        for is_data, page_count in pieces:
            if is_data:
                file.write(b"x" * page_count * PAGE)
            else:
                file.seek(page_count * PAGE, os.SEEK_CUR)
        file.truncate(file.tell() + tail_bytes)
    content = path.read_bytes()
    if not content:
        return
    source = ImageSource(path)
    extents = list(source.extents())
    source.close()
    rest = bytearray(content)
    reached = 0
    for start, end in extents:
        assert reached <= start < end <= len(content), "ascending, apart and inside the file"
        rest[start:end] = bytes(end - start)
        reached = end
    assert not any(rest)


def test_a_hole_of_a_terabyte_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "image"
    with path.open("wb") as file:
        file.truncate(1 << 40)
        file.seek(1 << 39)
        file.write(b"data")
    source = ImageSource(path)
    assert source.size_bytes == 1 << 40
    if list(source.extents()) == [(0, 1 << 40)]:
        pytest.skip("the file system of the temporary folder cannot tell holes from data")
    ((start, end),) = source.extents()
    assert start <= 1 << 39 < end
    assert end - start < 1 << 20
    source.close()


def test_the_last_block_is_padded_with_zeros(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(b"a" * BLOCK_BYTES + b"bc")
    source = ImageSource(path)
    assert source.read_block(0, BLOCK_BYTES) == b"a" * BLOCK_BYTES
    assert source.read_block(BLOCK_BYTES, BLOCK_BYTES) == b"bc".ljust(BLOCK_BYTES, b"\0")
    assert source.read_block(5 * BLOCK_BYTES, BLOCK_BYTES) == bytes(BLOCK_BYTES)
    source.close()


def test_a_file_that_shrinks_is_an_error_and_not_zeros(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(b"a" * 3 * BLOCK_BYTES)
    source = ImageSource(path)
    os.truncate(path, BLOCK_BYTES + 1)
    with pytest.raises(SourceUnusable, match="became shorter"):
        source.read_block(BLOCK_BYTES, BLOCK_BYTES)
    source.close()


@pytest.mark.parametrize("kind", ["missing", "empty", "folder", "pipe"])
def test_what_is_no_disk_image_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "thing"
    if kind == "empty":
        path.touch()
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)  # opening it must not wait for a writer
    with pytest.raises(SourceUnusable) as refused:
        ImageSource(path)
    assert refused.value.advice
