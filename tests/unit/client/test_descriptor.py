"""A descriptor closes when nobody is in the middle of using it, and never under anybody."""

import os
from pathlib import Path

import pytest

from neve.client.descriptor import Descriptor, DescriptorClosed


def opened(path: Path) -> tuple[Descriptor, int]:
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    return Descriptor(fd), fd


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def test_a_descriptor_in_use_stays_open_until_its_last_user_is_done(tmp_path: Path) -> None:
    descriptor, fd = opened(tmp_path / "file")
    with descriptor.held():
        with descriptor.held():
            descriptor.close()
            descriptor.close()
        assert is_open(fd)
    assert not is_open(fd)


def test_nobody_gets_a_closed_descriptor(tmp_path: Path) -> None:
    descriptor, fd = opened(tmp_path / "file")
    descriptor.close()
    assert not is_open(fd)
    with pytest.raises(DescriptorClosed):
        descriptor.write_at(0, b"late")
    with pytest.raises(DescriptorClosed):
        descriptor.read_at(0, 1)


def test_short_writes_and_reads_are_carried_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite, pread = os.pwrite, os.pread
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: pwrite(fd, bytes(data)[:3], offset))
    monkeypatch.setattr(os, "pread", lambda fd, size, offset: pread(fd, min(size, 3), offset))
    descriptor, _ = opened(tmp_path / "file")
    descriptor.write_at(2, b"0123456789")
    assert descriptor.read_at(2, 10) == b"0123456789"
    assert descriptor.read_at(4, 100) == b"23456789"
    assert descriptor.read_at(100, 5) == b""
    descriptor.close()
