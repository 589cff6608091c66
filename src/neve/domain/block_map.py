"""Block maps: which content each block index has, as an immutable tree of nodes.

    level 2   root            one node, children are level-1 nodes
    level 1   inner nodes     children are leaves
    level 0   leaves          children are blocks: a leaf of fanout 1024 covers 512 MiB of volume

Depth is always three, whatever the volume: reading a block never walks a chain of snapshots, and two maps
can be compared level by level. A child is a chunk id. An absent child is an unwritten block, or a subtree
without any. Nodes are chunks themselves, so equal subtrees have equal ids: a child snapshot shares what it
did not touch, and `diff` skips what two maps share.

This module knows ids and bits. Where nodes come from and go to is passed in (`Load`, `Store`).

A node's bytes (docs/format.md), integers big-endian:

    "NVN1" | level u8 | 3 zero bytes | fanout u32 | count u32 | bitmap, fanout/8 bytes | count ids, 32 bytes each
"""

import struct
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import TypeVar

from neve.domain.blocks import BlockIndex, ChunkId
from neve.errors import ChunkDamaged
from neve.limits import BLOCK_MAP_DEPTH

ROOT_LEVEL = BLOCK_MAP_DEPTH - 1
ID_BYTES = 32
_HEADER = struct.Struct(">4sB3xII")
_MAGIC = b"NVN1"
_BITS_OF_BYTE = tuple(tuple(bit for bit in range(8) if value >> bit & 1) for value in range(256))


@dataclass(frozen=True, slots=True, repr=False)
class Node:
    """One node: the slots that are present, ascending, and their ids, packed in the same order."""

    level: int
    fanout: int
    slots: "array[int]"
    ids: bytes

    def __post_init__(self) -> None:
        assert len(self.ids) == ID_BYTES * len(self.slots)

    def __len__(self) -> int:
        return len(self.slots)

    def __repr__(self) -> str:
        return f"<level-{self.level} node, {len(self)} of {self.fanout} children>"

    def id_at(self, position: int) -> ChunkId:
        """Return the id of the `position`-th present child."""
        return ChunkId(self.ids[position * ID_BYTES : (position + 1) * ID_BYTES])

    def child(self, slot: int) -> ChunkId | None:
        """Return the id of the child in `slot`, None if it is absent."""
        position = bisect_left(self.slots, slot)
        if position < len(self.slots) and self.slots[position] == slot:
            return self.id_at(position)
        return None

    def children(self, first_slot: int = 0) -> Iterator[tuple[int, ChunkId]]:
        """Yield (slot, id) of the present children from `first_slot` on, ascending."""
        for position in range(bisect_left(self.slots, first_slot), len(self.slots)):
            yield self.slots[position], self.id_at(position)

    def with_children(self, changes: Mapping[int, ChunkId]) -> "Node":
        """Return this node with the children in `changes` set."""
        merged = dict(self.children())
        merged.update(changes)
        slots = sorted(merged)
        assert not slots or slots[-1] < self.fanout
        return Node(self.level, self.fanout, array("H", slots), b"".join(merged[slot] for slot in slots))

    def encode(self) -> bytes:
        """Return the node's bytes; equal nodes have equal bytes."""
        bitmap = bytearray(self.fanout // 8)
        for slot in self.slots:
            bitmap[slot >> 3] |= 1 << (slot & 7)
        return _HEADER.pack(_MAGIC, self.level, self.fanout, len(self)) + bitmap + self.ids


Load = Callable[[Sequence[ChunkId]], Sequence[Node]]
"""Returns the nodes with these ids, verified, in their order; raises StoreError.

Several at once, since nodes that are wanted together were mostly written together: one look-up and one read.
"""

Store = Callable[[Node], ChunkId]
"""Takes a node to be stored and returns its id."""


def empty_node(level: int, fanout: int) -> Node:
    """Return a node without children."""
    return Node(level, fanout, array("H"), b"")


def decode_node(content: bytes, fanout: int) -> Node:
    """Return the node with these bytes.

    Raises:
        ChunkDamaged: they are not exactly what `Node.encode` makes for this fanout.
    """
    bitmap_end = _HEADER.size + fanout // 8
    if len(content) < bitmap_end:
        raise ChunkDamaged("a block-map node is cut short")
    magic, level, node_fanout, count = _HEADER.unpack_from(content)
    bitmap = content[_HEADER.size : bitmap_end]
    slots = array(
        "H", [base * 8 + bit for base, value in enumerate(bitmap) if value for bit in _BITS_OF_BYTE[value]]
    )
    if (magic, node_fanout, count) != (_MAGIC, fanout, len(slots)) or level > ROOT_LEVEL:
        raise ChunkDamaged("a block-map node's header does not fit")
    if len(content) != bitmap_end + count * ID_BYTES or content[5:8] != b"\0\0\0":
        raise ChunkDamaged("a block-map node's length does not fit its header")
    return Node(level, fanout, slots, content[bitmap_end:])


_WINDOW_MAX = 64
"""Nodes of one map that a walk loads at once; 64 full leaves are 2 MiB."""

_Item = TypeVar("_Item")


def _windows(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    """Yield the items in lists of 1, 2, 4 … `_WINDOW_MAX`: who stops early has loaded little in vain."""
    rest = iter(items)
    size = 1
    while window := list(islice(rest, size)):
        yield window
        size = min(2 * size, _WINDOW_MAX)


def walk(load: Load, root: ChunkId, start: int = 0) -> Iterator[tuple[BlockIndex, ChunkId]]:
    """Yield (index, chunk id) of every block present from `start` on, ascending.

    Loads nodes as they are wanted, a few ahead.
    """
    (node,) = load([root])
    return _walk_node(load, node, 0, start)


def _walk_node(load: Load, node: Node, base: int, start: int) -> Iterator[tuple[BlockIndex, ChunkId]]:
    span = node.fanout**node.level
    first_slot = max(0, start - base) // span
    if node.level == 0:
        for slot, chunk_id in node.children(first_slot):
            yield BlockIndex(base + slot), chunk_id
        return
    for window in _windows(node.children(first_slot)):
        children = load([child for _, child in window])
        for (slot, _), child_node in zip(window, children, strict=True):
            yield from _walk_node(load, child_node, base + slot * span, start)


def diff(
    load: Load, first: ChunkId, second: ChunkId, start: int = 0
) -> Iterator[tuple[BlockIndex, ChunkId | None, ChunkId | None]]:
    """Yield (index, id in first, id in second) of every block from `start` on that the two maps differ in.

    Equal subtrees are skipped unread: the cost follows the number of changes, not the size.
    """
    if first != second:
        before, after = load([first, second])
        yield from _diff_nodes(load, before, after, 0, start)


_Change = tuple[int, ChunkId | None, ChunkId | None]
"""A slot, and its child in each of two nodes."""


def _diff_nodes(
    load: Load, first: Node, second: Node, base: int, start: int
) -> Iterator[tuple[BlockIndex, ChunkId | None, ChunkId | None]]:
    assert (first.level, first.fanout) == (second.level, second.fanout)
    span = first.fanout**first.level
    changes = _changed_children(first, second, max(0, start - base) // span)
    if first.level == 0:
        for slot, before, after in changes:
            yield BlockIndex(base + slot), before, after
        return
    empty = empty_node(first.level - 1, first.fanout)
    for window in _windows(changes):
        wanted = [child for _, *pair in window for child in pair if child is not None]
        nodes = dict(zip(wanted, load(wanted), strict=True))
        for slot, before, after in window:
            yield from _diff_nodes(
                load,
                empty if before is None else nodes[before],
                empty if after is None else nodes[after],
                base + slot * span,
                start,
            )


def _changed_children(first: Node, second: Node, first_slot: int) -> Iterator[_Change]:
    """Yield the slots from `first_slot` on whose children differ, ascending."""
    if first.slots == second.slots:
        begin = bisect_left(first.slots, first_slot)
        for position in _differing_positions(first.ids, second.ids, begin, len(first)):
            yield first.slots[position], first.id_at(position), second.id_at(position)
        return
    before, after = dict(first.children(first_slot)), dict(second.children(first_slot))
    for slot in sorted(before.keys() | after.keys()):
        if before.get(slot) != after.get(slot):
            yield slot, before.get(slot), after.get(slot)


def _differing_positions(first: bytes, second: bytes, begin: int, end: int) -> Iterator[int]:
    """Yield where two packed lists of ids differ, by halving: a full leaf has few changes and 1,024 ids."""
    if first[begin * ID_BYTES : end * ID_BYTES] == second[begin * ID_BYTES : end * ID_BYTES]:
        return
    if end - begin == 1:
        yield begin
        return
    middle = (begin + end) // 2
    yield from _differing_positions(first, second, begin, middle)
    yield from _differing_positions(first, second, middle, end)


def unshared_children(node: Node, others: Sequence[Node]) -> Iterator[tuple[int, ChunkId]]:
    """Yield (slot, id) of those children that some of `others` does not have in the same slot, ascending.

    Of nothing at all every child is yielded. The cost follows what is yielded, where slots are the same.
    """
    if not others:
        yield from node.children()
        return
    found: dict[int, ChunkId] = {}
    for other in others:
        changes = _changed_children(other, node, 0)
        found.update({slot: child for slot, _, child in changes if child is not None})
    yield from sorted(found.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """A map made by `merge`: its root, and how many blocks it has more than its base."""

    root: ChunkId
    blocks_added: int


def merge(
    load: Load, store: Store, base: ChunkId | None, writes: Iterable[tuple[BlockIndex, ChunkId]], fanout: int
) -> Merged:
    """Return the map that `base` (none: the empty map) becomes by `writes`, given ascending by index.

    One pass; in memory at once are the path to one leaf and the changes of its ancestors. `store` gets every
    node that differs from the base's, and the root in any case, children before parents.
    """
    added = 0
    root = load([base])[0] if base is not None else empty_node(ROOT_LEVEL, fanout)
    inner_changes: dict[int, ChunkId] = {}
    for inner_slot, inner_writes in groupby(writes, key=lambda write: write[0] // fanout**2):
        inner = _child_or_empty(load, root, inner_slot)
        leaf_changes: dict[int, ChunkId] = {}
        for leaf_number, leaf_writes in groupby(inner_writes, key=lambda write: write[0] // fanout):
            leaf = _child_or_empty(load, inner, leaf_number % fanout)
            merged = leaf.with_children({index % fanout: chunk_id for index, chunk_id in leaf_writes})
            added += len(merged) - len(leaf)
            leaf_changes[leaf_number % fanout] = store(merged)
        inner_changes[inner_slot] = store(inner.with_children(leaf_changes))
    return Merged(root=store(root.with_children(inner_changes)), blocks_added=added)


def _child_or_empty(load: Load, node: Node, slot: int) -> Node:
    child = node.child(slot)
    return load([child])[0] if child is not None else empty_node(node.level - 1, node.fanout)
