"""What to send: which blocks of a source to look at, and what becomes of each once it was looked at.

    source   ──data──┐   ┌─────hole─────┐   ┌──data──      a block without data reads as zeros
    parent    a  b   │ c │  d           │   │ e            blocks the parent holds
    steps     a  b     c    d (hole)          e  …         their union, ascending

    content            parent holds nothing      parent holds the same     parent holds something else
    zeros              pass over                 keep                      send
    anything else      send                      keep                      send

A block nobody wrote reads as zeros (contract 6.3), so passing over zeros loses nothing, unless the parent
holds other bytes there: then the zeros must be written. Without a parent, everything is in the first column.

Everything here is an iterator over ascending indexes: a volume of 64 TiB is planned in constant memory.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from neve.domain.blocks import BlockIndex, Digest


@dataclass(frozen=True, slots=True)
class KnownBlock:
    """A block whose content's SHA-256 is known."""

    index: BlockIndex
    digest: Digest


@dataclass(frozen=True, slots=True)
class ListedBlock:
    """A block that is known to be there; the token reads it."""

    index: BlockIndex
    token: str


@dataclass(frozen=True, slots=True)
class NoBlock:
    """The parent holds nothing here, or there is no parent."""


ParentBlock = KnownBlock | ListedBlock | NoBlock
NO_BLOCK = NoBlock()


@dataclass(frozen=True, slots=True)
class Step:
    """One block to look at."""

    index: BlockIndex
    has_data: bool
    """False: the source has a hole here and need not be read."""
    parent: ParentBlock


class Verdict(Enum):
    """What becomes of a block."""

    SEND = "send"
    KEEP = "keep"
    """The parent holds the same bytes."""
    PASS = "pass"  # noqa: S105 - no password
    """Zeros, and nothing there to hide: absent reads the same."""


def block_ranges(extents: Iterable[tuple[int, int]], block_bytes: int) -> Iterator[range]:
    """Yield ascending, disjoint ranges of the blocks that [start, end) extents in bytes touch."""
    first, behind = 0, 0
    for start, end in extents:
        if start >= end:
            continue
        start_block, end_block = start // block_bytes, -(-end // block_bytes)
        if start_block > behind:
            if behind > first:
                yield range(first, behind)
            first = start_block
        behind = max(behind, end_block)
    if behind > first:
        yield range(first, behind)


def steps(data: Iterable[range], parent: Iterable[KnownBlock | ListedBlock]) -> Iterator[Step]:
    """Yield the blocks to look at, ascending: those with data, and those the parent holds.

    Both arguments are ascending; neither is read further than needed.
    """
    parents = iter(parent)
    held = next(parents, None)
    for blocks in data:
        for index in map(BlockIndex, blocks):
            while held is not None and held.index < index:
                yield Step(held.index, has_data=False, parent=held)
                held = next(parents, None)
            if held is not None and held.index == index:
                yield Step(index, has_data=True, parent=held)
                held = next(parents, None)
            else:
                yield Step(index, has_data=True, parent=NO_BLOCK)
    while held is not None:
        yield Step(held.index, has_data=False, parent=held)
        held = next(parents, None)


def verdict_without_parent(*, is_zero: bool, send_zeros: bool) -> Verdict:
    """Return what becomes of a block at whose place the parent holds nothing."""
    return Verdict.PASS if is_zero and not send_zeros else Verdict.SEND


def verdict_with_parent(content: Digest, parent: Digest) -> Verdict:
    """Return what becomes of a block at whose place the parent holds something."""
    return Verdict.KEEP if content == parent else Verdict.SEND


def volume_gib_for(size_bytes: int, gib_bytes: int, *, wanted_gib: int, parent_gib: int) -> int:
    """Return the size of the volume: as wanted, or (0) the smallest that holds the image and the parent.

    Raises:
        ValueError: what is wanted is too small; says for what.
    """
    image_gib = -(-size_bytes // gib_bytes)
    if not wanted_gib:
        return max(image_gib, parent_gib)
    if wanted_gib < image_gib:
        raise ValueError(f"the image needs {image_gib} GiB")
    if wanted_gib < parent_gib:
        raise ValueError(f"the parent has {parent_gib} GiB, and a child cannot be smaller")
    return wanted_gib
