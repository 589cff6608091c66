"""Real ext4 images: made with the tools every Linux has, changed in place the way a running system would."""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from random import Random

VOLUME_GIB = 1
RANDOM_BYTES = 48 << 20
"""Content that no compression helps with, beside source code with which it does."""
TOOLS = ("mkfs.ext4", "debugfs", "e2fsck")
TOOLS_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
"""Debian keeps these tools where only root's PATH leads."""
_INSTALLER = Path(__file__).resolve().parent.parent / "tools" / "debian_packages.sh"


class ToolFailed(Exception):
    """One of the ext4 tools did not do what it was asked for; the text is what it said."""


def find_tools() -> None:
    """Make sure that the ext4 tools are there: install them, or say what to install.

    Raises:
        subprocess.CalledProcessError: they are not and could not be installed; the reason is on the screen.
    """
    if not all(shutil.which(tool, path=TOOLS_PATH) for tool in TOOLS):
        subprocess.run([_INSTALLER, "the demo makes an ext4 image", "e2fsprogs"], check=True)


def _try_tool(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run one of the ext4 tools, and leave it to the caller what its status means."""
    name = shutil.which(command[0], path=TOOLS_PATH)
    assert name is not None, f"find_tools() has seen {command[0]}"
    return subprocess.run(
        [name, *command[1:]], check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def _tool(*command: str | Path) -> str:
    """Run one of the ext4 tools, which must succeed; return what it printed."""
    done = _try_tool(*command)
    if done.returncode != 0:
        raise ToolFailed(f"{' '.join(map(str, command))}:\n{done.stdout}")
    return done.stdout


def make(image: Path, *, files: Path, chance: Random) -> int:
    """Make an ext4 file system in a sparse file, with Python's library and some random bytes in it.

    Returns the number of files in it; they stay in the folder `files`.
    """
    library = Path(sysconfig.get_path("stdlib"))
    unwanted = shutil.ignore_patterns("__pycache__", "site-packages", "dist-packages", "*.so", "*.a", "test")
    shutil.copytree(library, files / "python", ignore=unwanted)
    (files / "random").mkdir()
    for number in range(8):
        (files / "random" / f"{number}.bin").write_bytes(chance.randbytes(RANDOM_BYTES // 8))
    with image.open("wb") as file:
        file.truncate(VOLUME_GIB << 30)
    _tool("mkfs.ext4", "-q", "-F", "-L", "demo", "-d", files, image)
    return sum(path.is_file() for path in files.rglob("*"))


def change(image: Path, *, files: Path, chance: Random) -> None:
    """Change a file system in place: a file rewritten, one deleted, one added."""
    rewritten = files / "rewritten.bin"
    rewritten.write_bytes(chance.randbytes(RANDOM_BYTES // 8))
    added = files / "added.txt"
    added.write_text("This line was not in the parent.\n" * 1000, encoding="utf-8")
    deleted = min((files / "python").glob("*.py"))
    script = files / "changes"
    script.write_text(
        f"cd /random\nrm 0.bin\nwrite {rewritten} 0.bin\ncd /python\nrm {deleted.name}\nwrite {added} added.txt\n",
        encoding="utf-8",
    )
    # debugfs succeeds whatever its commands do; it complains with the command's name and a colon.
    printed = _tool("debugfs", "-w", "-f", script, image)
    if complaints := [line for line in printed.splitlines() if line.startswith(("rm:", "write:", "cd:"))]:
        raise ToolFailed(f"debugfs: {complaints}")


def is_clean(image: Path) -> bool:
    """Tell whether e2fsck finds nothing to mend."""
    return _try_tool("e2fsck", "-f", "-n", image).returncode == 0
