"""Writes segments until it is killed; test_segments_survive_kills.py starts it.

    segment_writer.py storm ROOT SEED       from four threads, each name on a line of its own once it is durable
    segment_writer.py points ROOT FILES     one segment for each system call of a write, killed just before it

FILES is a key of `FORMS`. `points` kills children of its own; each line names what the next child writes.
"""

import errno
import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ParamSpec, TypeVar

from neve.domain.blocks import ChunkKind, chunk_id, digest
from neve.storage.chunk_codec import ChunkCodec
from neve.storage.segment_format import SegmentEntry, build
from neve.stores.file_operations import Buffer, FileOperations, SystemFileOperations
from neve.stores.metadata.placement import SegmentName
from neve.stores.segments.local import LocalSegmentStore
from neve.testing.faulty_files import FaultyFileOperations
from neve.testing.segment_contract import segment_name

ID_KEY = b"k" * 32
CALLS_MAX = 20
"""More than a write makes."""

P = ParamSpec("P")
R = TypeVar("R")


class ReluctantFiles(SystemFileOperations):
    """Takes at most a hundred bytes at a time, so that there are moments in the middle."""

    def write(self, descriptor: int, buffers: Sequence[Buffer]) -> int:
        return os.write(descriptor, b"".join(buffers)[:100])


class NamedOnlyFiles(ReluctantFiles):
    """A file system without unnamed files."""

    def create_unnamed(self, directory: str) -> int:
        raise OSError(errno.EOPNOTSUPP, "none here", directory)


class PlantedBug(NamedOnlyFiles):
    """Gathers the bytes under the segment's own name: what the test must notice."""

    def create_named(self, path: str) -> int:
        return super().create_named(path.replace(".part", ".seg"))

    def add_name(self, path: str, new_path: str) -> None:
        pass

    def remove(self, path: str) -> None:
        pass


FORMS: dict[str, Callable[[], FileOperations]] = {
    "unnamed": ReluctantFiles,
    "named": NamedOnlyFiles,
    "planted bug": PlantedBug,
}


class DeadlyFiles(FaultyFileOperations):
    """Kills its process just before the n-th call."""

    def __init__(self, files: FileOperations, dies_at: int) -> None:
        super().__init__(files)
        self._dies_at = dies_at

    def _pass_on(self, method: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        if len(self.calls) == self._dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._pass_on(method, *arguments, **named)


def segment_parts(name: SegmentName, chance: random.Random) -> Sequence[bytes | memoryview]:
    """Return a segment of a few chunks that can be told from every other."""
    contents = [
        f"{name} {number} ".encode() * chance.randrange(1, 4000) + chance.randbytes(chance.randrange(2000))
        for number in range(chance.randrange(1, 9))
    ]
    entries = [
        SegmentEntry(
            domain_uid=b"d" * 16,
            chunk_id=chunk_id(ID_KEY, digest(content)),
            kind=ChunkKind.BLOCK,
            encoded=ChunkCodec().encode(content),
        )
        for content in contents
    ]
    return build(name, entries).parts


def storm(root: Path, seed: str) -> None:
    """Write from four threads for as long as it lives."""
    store = LocalSegmentStore(root)

    def write(thread: int) -> None:
        chance = random.Random(f"{seed} {thread}")
        while True:
            name = SegmentName(chance.randbytes(16).hex())
            store.write(name, segment_parts(name, chance))
            os.write(1, name.encode() + b"\n")  # one system call: lines of several threads do not mix

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def points(root: Path, form: str) -> None:
    """Let a child die before each call of a write in turn; print each outcome and name."""
    for dies_at in range(CALLS_MAX):
        name = segment_name(dies_at)
        child = os.fork()
        if child == 0:
            files = DeadlyFiles(
                FORMS[form](), dies_at=1 + dies_at
            )  # the first call lists the root on opening
            LocalSegmentStore(root, files).write(name, _small_parts(name))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        ended = "killed" if os.WIFSIGNALED(status) else f"exit {os.waitstatus_to_exitcode(status)}"
        os.write(1, f"{ended} {name}\n".encode())


def _small_parts(name: SegmentName) -> Sequence[bytes | memoryview]:
    content = name.encode()
    entry = SegmentEntry(
        domain_uid=b"d" * 16,
        chunk_id=chunk_id(ID_KEY, digest(content)),
        kind=ChunkKind.BLOCK,
        encoded=ChunkCodec().encode(content),
    )
    return build(name, [entry]).parts


if __name__ == "__main__":
    {"storm": storm, "points": points}[sys.argv[1]](Path(sys.argv[2]), sys.argv[3])
