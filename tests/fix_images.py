"""Real ext4 file systems in image files, made with e2fsprogs once a run, and what is needed to look into a copy.

disk         1 GiB with a few dozen MiB of files, sparse
small_disk   1 MiB, two blocks: for clients that take a second to start

Each comes with a changed version, as a running system would leave it, and with the files that are in both.
Tools that are missing skip the tests that need them, with their names as the reason.
"""

import hashlib
import os
import shutil
import stat
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from neve.limits import GIB, KIB, MIB

TOOLS = ("mkfs.ext4", "debugfs", "e2fsck", "cp")
TOOLS_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
"""Debian keeps these tools where only root's PATH leads."""


@dataclass(frozen=True, slots=True)
class Image:
    """A file system in a file, and a folder with what is in it."""

    path: Path
    files: Path


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system at two moments."""

    before: Image
    after: Image


class CannotMount(Exception):
    """This machine or this user mounts nothing. The text is why."""


@pytest.fixture(scope="session")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Disk:
    """A file system of 1 GiB: what a client would have to back up."""
    _require_tools()
    folder = tmp_path_factory.mktemp("disk")
    chance = Random("disk")
    files = folder / "before"
    files.mkdir()
    library = Path(sysconfig.get_path("stdlib"))
    for package in ("asyncio", "email", "json"):
        shutil.copytree(library / package, files / "text" / package)
    (files / "random").mkdir()
    for number in range(4):
        (files / "random" / f"{number}.bin").write_bytes(chance.randbytes(8 * MIB))
    _add_what_backups_stumble_over(files)
    return _disk(folder, GIB, chance, rewritten_bytes=3 * MIB)


@pytest.fixture(scope="session")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Disk:
    """A file system of two blocks."""
    _require_tools()
    folder = tmp_path_factory.mktemp("small-disk")
    chance = Random("small disk")
    (folder / "before" / "random").mkdir(parents=True)
    (folder / "before" / "random" / "0.bin").write_bytes(chance.randbytes(500 * KIB))
    return _disk(folder, MIB, chance, rewritten_bytes=100 * KIB)


def _require_tools() -> None:
    missing = [tool for tool in TOOLS if shutil.which(tool, path=TOOLS_PATH) is None]
    if missing:
        pytest.skip(f"no ext4 image can be made: {', '.join(missing)} missing (package e2fsprogs)")


def _add_what_backups_stumble_over(files: Path) -> None:
    """Add links, holes, odd names, modes and sizes."""
    odd = files / "odd"
    (odd / "empty folder").mkdir(parents=True)
    (odd / "empty file").touch()
    (odd / "n\u00e9v\u00e9 \u2744").write_text("a name that is not ASCII\n", encoding="utf-8")
    (odd / "secret").write_text("nobody else\n")
    (odd / "secret").chmod(0o600)
    (odd / "a link").symlink_to("secret")
    (odd / "the same file").hardlink_to(odd / "secret")
    with (odd / "holes").open("wb") as holes:
        holes.seek(64 * MIB)
        holes.write(b"the end")


def _disk(folder: Path, size_bytes: int, chance: Random, *, rewritten_bytes: int) -> Disk:
    """Make an image of folder/before, then a changed one: a file rewritten, one added."""
    before = Image(folder / "before.img", folder / "before")
    with before.path.open("wb") as file:
        file.truncate(size_bytes)
    # Less than two MiB has no room for a journal.
    features = [] if size_bytes > 2 * MIB else ["-O", "^has_journal", "-b", "1024"]
    _tool("mkfs.ext4", "-q", "-F", *features, "-d", before.files, before.path)

    after = Image(folder / "after.img", folder / "after")
    _tool("cp", "--sparse=always", before.path, after.path)
    _tool("cp", "-a", before.files, after.files)
    rewritten, added = after.files / "random" / "0.bin", after.files / "random" / "added.txt"
    rewritten.write_bytes(chance.randbytes(rewritten_bytes))
    added.write_text("This line was not there before.\n" * 100)
    script = folder / "changes"
    script.write_text(f"cd /random\nrm 0.bin\nwrite {rewritten} 0.bin\nwrite {added} added.txt\n")
    # debugfs succeeds whatever becomes of its commands: the caller's comparison of the trees tells.
    _tool("debugfs", "-w", "-f", script, after.path)
    return Disk(before, after)


def _tool(*command: str | Path) -> str:
    """Run a tool, which must succeed; return what it printed."""
    name = shutil.which(command[0], path=TOOLS_PATH)
    assert name is not None, f"_require_tools() has seen {command[0]}"
    done = subprocess.run(
        [name, *command[1:]], check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}:\n{done.stdout}"
    return done.stdout


# --- looking into an image -------------------------------------------------------------------------


def require_clean(image: Path) -> None:
    """Return if fsck finds nothing to mend in an image."""
    _tool("e2fsck", "-f", "-n", image)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def mounted(image: Path, at: Path) -> Iterator[Path]:
    """Mount an image read-only while the block runs.

    Raises:
        CannotMount
    """
    if os.geteuid() != 0:
        raise CannotMount("mounting needs root")
    if not Path("/dev/loop-control").exists():
        raise CannotMount("this machine has no loop devices")
    at.mkdir(exist_ok=True)
    done = subprocess.run(
        ["mount", "-o", "loop,ro", image, at], check=False, text=True, stderr=subprocess.PIPE
    )
    if done.returncode != 0:
        raise CannotMount(done.stderr.strip())
    try:
        yield at
    finally:
        subprocess.run(["umount", at], check=True)


@dataclass(frozen=True, slots=True)
class Node:
    """What one name in a file tree is."""

    mode: int
    link_count: int
    content: str
    """SHA-256 of a file, the target of a link, nothing for a folder."""


def tree_of(root: Path, *, without: Sequence[str] = ("lost+found",)) -> Mapping[str, Node]:
    """Return every name below a folder and what it is."""
    found = {}
    for path in root.rglob("*"):
        name = str(path.relative_to(root))
        if name not in without:
            found[name] = _node(path)
    return found


def _node(path: Path) -> Node:
    about = path.lstat()
    if stat.S_ISLNK(about.st_mode):
        return Node(about.st_mode, about.st_nlink, str(path.readlink()))
    if stat.S_ISDIR(about.st_mode):
        return Node(about.st_mode, 0, "")  # file systems count the links of folders differently
    return Node(about.st_mode, about.st_nlink, sha256_of(path))
