"""A file system that loses what was not synced, when told to: `losing_file_system.py MOUNTPOINT NAMES`.

Started by lost_cache.py. Everything is in this process' memory, on a `neve.testing.disk.Disk`: a line `cut SEED` on
standard input makes that what a power cut leaves. What the kernel caches is written through to here at once, and read
anew after each open, so that nothing survives elsewhere. Shared memory and locks are the kernel's own.
"""

import errno
import os
import random
import stat
import sys
import time
from threading import Thread
from typing import Any

import mfusepy  # type: ignore[import-untyped]

from neve.testing.disk import Disk, Names

_BLOCK_BYTES = 4096
_FREE_BLOCKS = 1 << 28


class LosingFiles(mfusepy.Operations):  # type: ignore[misc]
    """FUSE's operations on a disk; a file's handle is its number there."""

    use_ns = True

    def __init__(self, names: Names) -> None:
        self.disk = Disk("/", names)
        self._changed: dict[int, int] = {}
        self._changed_as_synced: dict[int, int] = {}
        """When each file was changed, as everybody sees it and as a power cut leaves it."""

    def init_with_config(self, conn_info: Any, config_3: Any) -> None:
        del conn_info
        # What a cut takes away, no cache of the kernel may bring back.
        config_3.attr_timeout = config_3.entry_timeout = config_3.negative_timeout = 0.0
        config_3.use_ino = 1
        say("ready")

    def cut(self, seed: str) -> None:
        """Lose what a power cut loses."""
        self.disk = self.disk.cut(random.Random(seed))
        self.disk.forget_nameless()
        self._changed = dict(self._changed_as_synced)

    # --- looking

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        with self.disk.lock:
            node = self.disk.node(self.disk.number_at(path))
            return {
                "st_ino": node.number + 1,
                "st_mode": node.mode,
                "st_nlink": 2 if node.is_directory else 1,
                "st_size": len(node.content),
                "st_blocks": len(node.content) // 512,
                "st_uid": os.getuid(),
                "st_gid": os.getgid(),
                "st_mtime": self._changed.get(node.number, 0),
            }

    def readdir(self, path: str, fh: int) -> list[tuple[str, dict[str, int], int]]:
        with self.disk.lock:
            children = self.disk.node(self.disk.number_at(path)).children
            nodes = {name: self.disk.node(number) for name, number in children.items()}
            # Entries without a number are taken for deleted ones.
            return [
                (name, {"st_ino": node.number + 1, "st_mode": node.mode}, 0) for name, node in nodes.items()
            ]

    def statfs(self, path: str) -> dict[str, int]:
        blocks = {"f_blocks": _FREE_BLOCKS, "f_bfree": _FREE_BLOCKS, "f_bavail": _FREE_BLOCKS}
        return {"f_bsize": _BLOCK_BYTES, "f_frsize": _BLOCK_BYTES, "f_namemax": 255, **blocks}

    def open(self, path: str, flags: int) -> int:
        return self.disk.number_at(path)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        with self.disk.lock:
            return bytes(self.disk.node(fh).content[offset : offset + size])

    # --- changing

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        return self.disk.create(path, stat.S_IFREG | stat.S_IMODE(mode))

    def mknod(self, path: str, mode: int, dev: int) -> int:
        self.disk.create(path, mode)
        return 0

    def mkdir(self, path: str, mode: int) -> int:
        self.disk.create(path, stat.S_IFDIR | stat.S_IMODE(mode))
        return 0

    def link(self, target: str, source: str) -> int:
        self.disk.link(self.disk.number_at(source), target)
        return 0

    def rename(self, old: str, new: str) -> int:
        self.disk.rename(old, new)
        return 0

    def unlink(self, path: str) -> int:
        self.disk.remove(path)
        return 0

    def rmdir(self, path: str) -> int:
        with self.disk.lock:
            if self.disk.node(self.disk.number_at(path)).children:
                raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path)
            self.disk.remove(path)
        return 0

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        self.disk.write(fh, offset, data)
        self._changed[fh] = time.time_ns()
        return len(data)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        number = self.disk.number_at(path)
        self.disk.truncate(number, length)
        self._changed[number] = time.time_ns()
        return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        self.disk.sync(fh)
        self._changed_as_synced[fh] = self._changed.get(fh, 0)
        return 0

    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        self.disk.sync_directory(path)
        return 0

    def chmod(self, path: str, mode: int) -> int:
        return 0

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        return 0


def obey(files: LosingFiles) -> None:
    """Do what standard input says, line by line."""
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        assert command == "cut"
        files.cut(argument)
        say("cut")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(mountpoint: str, names: str) -> None:
    files = LosingFiles(Names(names))
    Thread(target=obey, args=(files,), daemon=True).start()
    mfusepy.FUSE(files, mountpoint, foreground=True, nothreads=True, fsname="neve-losing")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
