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
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

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


Load = Callable[[ChunkId], Node]
"""Returns the node with this id, verified; raises StoreError."""

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


def lookup(load: Load, root: ChunkId, index: BlockIndex) -> ChunkId | None:
    """Return the chunk id of one block, None if it is absent."""
    node = load(root)
    span = node.fanout**ROOT_LEVEL
    rest = int(index)
    for _ in range(ROOT_LEVEL):
        slot, rest = divmod(rest, span)
        child = node.child(slot)
        if child is None:
            return None
        node = load(child)
        span //= node.fanout
    return node.child(rest)


def walk(load: Load, root: ChunkId, start: int = 0) -> Iterator[tuple[BlockIndex, ChunkId]]:
    """Yield (index, chunk id) of every block present from `start` on, ascending.

    Loads a node when its first child is wanted and not before.
    """
    return _walk_node(load, load(root), 0, start)


def _walk_node(load: Load, node: Node, base: int, start: int) -> Iterator[tuple[BlockIndex, ChunkId]]:
    span = node.fanout**node.level
    first_slot = max(0, start - base) // span
    for slot, child in node.children(first_slot):
        child_base = base + slot * span
        if node.level == 0:
            yield BlockIndex(child_base), child
        else:
            yield from _walk_node(load, load(child), child_base, start)


def diff(
    load: Load, first: ChunkId, second: ChunkId, start: int = 0
) -> Iterator[tuple[BlockIndex, ChunkId | None, ChunkId | None]]:
    """Yield (index, id in first, id in second) of every block from `start` on that the two maps differ in.

    Equal subtrees are skipped unread: the cost follows the number of changes, not the size.
    """
    if first != second:
        yield from _diff_nodes(load, load(first), load(second), 0, start)


def _diff_nodes(
    load: Load, first: Node, second: Node, base: int, start: int
) -> Iterator[tuple[BlockIndex, ChunkId | None, ChunkId | None]]:
    assert (first.level, first.fanout) == (second.level, second.fanout)
    span = first.fanout**first.level
    first_slot = max(0, start - base) // span
    before, after = dict(first.children(first_slot)), dict(second.children(first_slot))
    for slot in sorted(slot for slot in before.keys() | after.keys() if before.get(slot) != after.get(slot)):
        child_base = base + slot * span
        if first.level == 0:
            yield BlockIndex(child_base), before.get(slot), after.get(slot)
        else:
            empty = empty_node(first.level - 1, first.fanout)
            yield from _diff_nodes(
                load,
                load(before[slot]) if slot in before else empty,
                load(after[slot]) if slot in after else empty,
                child_base,
                start,
            )


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
    root = load(base) if base is not None else empty_node(ROOT_LEVEL, fanout)
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
    return load(child) if child is not None else empty_node(node.level - 1, node.fanout)
