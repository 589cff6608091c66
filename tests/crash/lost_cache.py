"""A directory whose disk can lose its power: losing_file_system.py, mounted.

It needs /dev/fuse, Debian's fuse3 (which brings libfuse3), and leave to mount; where one of them is missing, the test
is skipped with the reason.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from neve.testing.disk import Names

PROGRAM = Path(__file__).with_name("losing_file_system.py")


class LosingDisk:
    """A file system at `mountpoint`. Use it as a context manager."""

    def __init__(self, mountpoint: Path, names: Names) -> None:
        self.mountpoint = mountpoint
        self._names = names

    def __enter__(self) -> Self:
        if not Path("/dev/fuse").exists():
            pytest.skip("there is no /dev/fuse here")
        if shutil.which("fusermount3") is None:
            pytest.skip("fuse3 is not installed")
        self.mountpoint.mkdir(exist_ok=True)
        self._complaints = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            [sys.executable, PROGRAM, self.mountpoint, self._names.value],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
        )
        if self._said() != "ready":
            self._process.communicate()
            pytest.skip(f"nothing can be mounted here: {self._why()}")
        return self

    def cut_power(self, seed: int) -> None:
        """Lose what a power cut loses. Nobody may have anything open there."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"cut {seed}\n")
        self._process.stdin.flush()
        assert self._said() == "cut"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        subprocess.run(["fusermount3", "-u", "-z", self.mountpoint], check=True)
        self._process.communicate()
        self._complaints.close()

    def _why(self) -> str:
        self._complaints.seek(0)
        return self._complaints.read().strip()

    def _said(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()
