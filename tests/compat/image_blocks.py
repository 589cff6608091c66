"""Blocks of images in files: which of them a client sends, and where it writes those it reads."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from neve.limits import GIB, STANDARD

BLOCK_BYTES = STANDARD.block_bytes

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Base:
    """A snapshot to build on, and the image it was made from."""

    snapshot_id: str
    image: Path


def differing_blocks(image: Path, base: Base | None) -> Iterator[tuple[int, bytes]]:
    """Yield index and content of every block that a new snapshot on `base`, or on nothing, does not have."""
    with image.open("rb") as file, (base.image if base else Path(os.devnull)).open("rb") as before:
        index = 0
        while data := file.read(BLOCK_BYTES):
            if data != (before.read(BLOCK_BYTES) or bytes(len(data))):
                yield index, data
            index += 1


def volume_gib(image: Path) -> int:
    """Return the size of the smallest volume that an image fits into."""
    return -(-image.stat().st_size // GIB)


def make_volume(path: Path, size_gib: int) -> None:
    """Make a sparse file of a volume's size."""
    with path.open("wb") as file:
        file.truncate(size_gib * GIB)


def write_block(path: Path, index: int, content: bytes) -> None:
    """Write one block to its place in a file."""
    with path.open("rb+") as file:
        file.seek(index * BLOCK_BYTES)
        file.write(content)


def at_once(workers: int, work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Do the work for every item, several at once, and return the results in order; a failure ends it."""
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(work, items))
