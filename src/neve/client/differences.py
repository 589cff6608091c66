"""Changed blocks as stretches of a volume: what a person, or a copying program, wants to know of a difference."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from neve.messages.ebs import ChangedBlock


class Change(StrEnum):
    """How a block differs between a first and a second snapshot."""

    CHANGED = "changed"
    ADDED = "added"
    """Only the second holds it; in the first it reads as zeros."""
    REMOVED = "removed"
    """Only the first holds it; in the second it reads as zeros."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Neighbouring blocks that differ in the same way."""

    first_block: int
    block_count: int
    change: Change


def stretches(blocks: Iterable[ChangedBlock]) -> Iterator[Stretch]:
    """Yield the stretches of ascending changed blocks, in constant memory."""
    first, count, change = 0, 0, Change.CHANGED
    for block in blocks:
        kind = _change(block)
        if count and (block.block_index != first + count or kind is not change):
            yield Stretch(first_block=first, block_count=count, change=change)
            count = 0
        if not count:
            first, change = block.block_index, kind
        count += 1
    if count:
        yield Stretch(first_block=first, block_count=count, change=change)


def _change(block: ChangedBlock) -> Change:
    if block.first_block_token is None:
        return Change.ADDED
    return Change.REMOVED if block.second_block_token is None else Change.CHANGED
