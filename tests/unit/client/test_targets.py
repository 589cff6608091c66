"""Files and streams as targets: whole under their name, or not there."""

import errno
import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from neve.client.errors import TargetUnusable
from neve.client.targets import FileTarget, StreamTarget, check_target, target_at
from neve.testing.time_and_chance import SeededEntropy

VOLUME_BYTES = 1 << 20


def file_target(path: Path, *, replace: bool = False) -> FileTarget:
    target = FileTarget(path, VOLUME_BYTES, replace=replace, entropy=SeededEntropy())
    target.prepare()
    return target


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_committed_file_is_sparse_and_has_the_volumes_size(tmp_path: Path) -> None:
    target = file_target(tmp_path / "disk.img")
    target.write(1000, b"data")
    target.zero(5000, VOLUME_BYTES)
    target.commit()
    content = (tmp_path / "disk.img").read_bytes()
    assert content == b"data".rjust(1004, b"\0").ljust(VOLUME_BYTES, b"\0")
    assert (tmp_path / "disk.img").stat().st_blocks * 512 < VOLUME_BYTES
    assert names_in(tmp_path) == ["disk.img"]


def test_until_it_is_committed_nothing_has_the_name(tmp_path: Path) -> None:
    target = file_target(tmp_path / "disk.img")
    target.write(0, b"half")
    assert "disk.img" not in names_in(tmp_path)
    target.discard()
    target.discard()
    assert names_in(tmp_path) == []


def test_a_target_that_was_not_prepared_can_be_discarded(tmp_path: Path) -> None:
    target_at(tmp_path / "disk.img", VOLUME_BYTES, force=False, entropy=SeededEntropy()).discard()
    assert names_in(tmp_path) == []


def test_a_preparation_that_is_interrupted_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(fd: int, size_bytes: int) -> None:
        raise KeyboardInterrupt

    target = FileTarget(tmp_path / "disk.img", VOLUME_BYTES, replace=False, entropy=SeededEntropy())
    monkeypatch.setattr(os, "ftruncate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        target.prepare()
    target.discard()
    assert names_in(tmp_path) == []


def test_a_file_that_exists_is_left_alone_without_force(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(b"precious")
    with pytest.raises(TargetUnusable, match="exists"):
        file_target(path)
    with pytest.raises(TargetUnusable, match="exists"):
        check_target(path, force=False)
    assert path.read_bytes() == b"precious"
    assert names_in(tmp_path) == ["disk.img"]


def test_a_file_that_appears_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    target = file_target(path)
    path.write_bytes(b"precious")
    with pytest.raises(TargetUnusable, match="exists"):
        target.commit()
    target.discard()
    assert path.read_bytes() == b"precious"
    assert names_in(tmp_path) == ["disk.img"]


def test_force_replaces_at_the_very_end_and_keeps_the_mode(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(b"old")
    path.chmod(0o600)
    target = file_target(path, replace=True)
    target.write(0, b"new")
    assert path.read_bytes() == b"old"
    target.commit()
    assert path.read_bytes()[:4] == b"new\0"
    assert path.stat().st_mode & 0o777 == 0o600


def test_force_through_a_link_replaces_what_it_points_at(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "disk.img").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real/disk.img")
    file_target(tmp_path / "link", replace=True).commit()
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "disk.img").stat().st_size == VOLUME_BYTES


def test_without_hard_links_a_file_still_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    path = tmp_path / "disk.img"
    file_target(path).commit()
    assert path.stat().st_size == VOLUME_BYTES
    assert names_in(tmp_path) == ["disk.img"]


def failing(error_number: int) -> Callable[..., int]:
    def fail(*_: object) -> int:
        raise OSError(error_number, os.strerror(error_number))

    return fail


@pytest.mark.parametrize("call", ["pwrite", "fsync"])
@pytest.mark.parametrize("error_number", [errno.EIO, errno.ENOSPC])
def test_a_disk_that_fails_is_our_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, error_number: int
) -> None:
    target = file_target(tmp_path / "disk.img")

    def write_and_commit() -> None:
        target.write(0, b"data")
        target.commit()

    with monkeypatch.context() as patched:
        patched.setattr(os, call, failing(error_number))
        with pytest.raises(TargetUnusable, match=os.strerror(error_number)):
            write_and_commit()
    target.discard()
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_cannot_hold_a_volume_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "thing"
    if kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    with pytest.raises(TargetUnusable) as refused:
        target_at(path, VOLUME_BYTES, force=True, entropy=SeededEntropy())
    assert refused.value.advice


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    target = target_at(tmp_path / "no" / "disk.img", VOLUME_BYTES, force=False, entropy=SeededEntropy())
    with pytest.raises(TargetUnusable, match="No such file") as refused:
        target.prepare()
    target.discard()
    assert refused.value.advice == "The folder must exist."


def test_a_stream_gets_data_and_zeros_in_order() -> None:
    stream = io.BytesIO()
    target = StreamTarget(stream, 3_000_000)
    target.write(0, b"ab")
    target.zero(2, 2_500_000)
    target.write(2_500_000, b"c")
    target.commit()
    target.discard()
    assert stream.getvalue() == b"ab" + bytes(2_499_998) + b"c"


def test_a_reader_that_goes_away_is_our_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as stream:
        target = StreamTarget(stream, 1000)
        with pytest.raises(TargetUnusable, match="closed it before the end"):
            target.write(0, b"data")
