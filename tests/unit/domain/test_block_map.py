"""Block-map algebra against dictionaries: the model knows nothing of nodes, and that is its worth."""

import hashlib
from collections.abc import Sequence
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neve.domain.block_map import ROOT_LEVEL, Merged, Node, decode_node, diff, empty_node, merge, walk
from neve.domain.blocks import BlockIndex, ChunkId
from neve.errors import ChunkDamaged
from neve.limits import STANDARD, TINY

FANOUT = TINY.node_fanout
Blocks = dict[int, ChunkId]


def chunk(fill: int) -> ChunkId:
    return ChunkId(bytes([fill]) * 32)


# Few contents and indexes near every node's edge: equal subtrees and boundaries are where maps go wrong.
edges = [edge + offset for edge in (0, 16, 256, 512, 4096) for offset in (-2, -1, 0, 1, 17)]
indexes = st.sampled_from(sorted({index for index in edges if 0 <= index < FANOUT**3}))
block_maps = st.dictionaries(indexes, st.integers(0, 2).map(chunk), max_size=30)


class Shelf:
    """Nodes in a dictionary, under names made from their bytes; counts what is read."""

    def __init__(self) -> None:
        self.nodes: dict[ChunkId, bytes] = {}
        self.loads = 0

    def store(self, node: Node) -> ChunkId:
        content = node.encode()
        name = ChunkId(hashlib.sha256(content).digest())
        self.nodes[name] = content
        return name

    def load(self, names: Sequence[ChunkId]) -> Sequence[Node]:
        self.loads += len(names)
        return [decode_node(self.nodes[name], FANOUT) for name in names]

    def merged(self, base: ChunkId | None, writes: Blocks) -> Merged:
        ordered = [(BlockIndex(index), writes[index]) for index in sorted(writes)]
        return merge(self.load, self.store, base, ordered, FANOUT)


@given(block_maps, block_maps)
def test_a_merged_map_reads_as_its_base_overlaid_with_the_writes(base: Blocks, writes: Blocks) -> None:
    shelf = Shelf()
    parent = shelf.merged(None, base)
    child = shelf.merged(parent.root, writes)
    expected = {**base, **writes}

    assert dict(walk(shelf.load, child.root)) == expected
    assert parent.blocks_added == len(base)
    assert child.blocks_added == len(expected) - len(base)


@given(block_maps, block_maps, indexes)
def test_diff_lists_exactly_the_indexes_whose_contents_differ(one: Blocks, two: Blocks, start: int) -> None:
    shelf = Shelf()
    first, second = shelf.merged(None, one).root, shelf.merged(None, two).root

    found = [(index, before, after) for index, before, after in diff(shelf.load, first, second, start)]

    assert found == [
        (index, one.get(index), two.get(index))
        for index in sorted(one.keys() | two.keys())
        if index >= start and one.get(index) != two.get(index)
    ]


@given(block_maps, indexes)
def test_a_walk_may_begin_anywhere_and_goes_up(blocks: Blocks, start: int) -> None:
    shelf = Shelf()
    root = shelf.merged(None, blocks).root
    assert list(walk(shelf.load, root, start)) == [(i, blocks[i]) for i in sorted(blocks) if i >= start]


@given(block_maps)
def test_equal_contents_make_equal_roots_whatever_the_history(blocks: Blocks) -> None:
    shelf = Shelf()
    at_once = shelf.merged(None, blocks).root
    one_by_one = shelf.merged(None, {}).root
    for index in blocks:
        one_by_one = shelf.merged(one_by_one, {index: blocks[index]}).root
    assert one_by_one == at_once


def test_diff_reads_only_what_differs() -> None:
    shelf = Shelf()
    full = {index: chunk(1) for index in range(FANOUT**3)}
    first = shelf.merged(None, full).root
    second = shelf.merged(first, {300: chunk(2)}).root
    shelf.loads = 0

    assert list(diff(shelf.load, first, second)) == [(300, chunk(1), chunk(2))]
    assert shelf.loads == 2 * (ROOT_LEVEL + 1), "one path in each map"


def test_a_page_that_stops_early_loads_few_nodes_in_vain() -> None:
    shelf = Shelf()
    root = shelf.merged(None, {index: chunk(1) for index in range(0, FANOUT**3, FANOUT)}).root
    shelf.loads = 0
    assert len(list(islice(walk(shelf.load, root), 5))) == 5
    assert shelf.loads <= 2 * (5 + ROOT_LEVEL), "one block in each leaf, five wanted"


@given(block_maps, block_maps)
def test_diff_of_whole_leaves_agrees_too(one: Blocks, two: Blocks) -> None:
    shelf = Shelf()
    full = {index: chunk(9) for index in range(3 * FANOUT)}
    first, second = shelf.merged(None, full | one).root, shelf.merged(None, full | two).root
    assert [index for index, _, _ in diff(shelf.load, first, second)] == [
        index for index in sorted(one.keys() | two.keys() | full.keys())
        if (full | one).get(index) != (full | two).get(index)
    ]  # fmt: skip


def test_a_child_that_writes_nothing_shares_its_parents_root() -> None:
    shelf = Shelf()
    parent = shelf.merged(None, {5: chunk(1)}).root
    assert shelf.merged(parent, {}).root == parent


@given(st.dictionaries(st.integers(0, FANOUT - 1), st.integers(0, 255).map(chunk)), st.integers(0, 2))
def test_a_node_comes_back_from_its_bytes(children: Blocks, level: int) -> None:
    node = empty_node(level, FANOUT).with_children(children)
    again = decode_node(node.encode(), FANOUT)
    assert (again.level, dict(again.children()), again.encode()) == (level, children, node.encode())


@given(st.data())
def test_a_nodes_bytes_altered_in_their_structure_are_refused(data: st.DataObject) -> None:
    content = empty_node(0, FANOUT).with_children({1: chunk(1), 9: chunk(2)}).encode()
    structure_bytes = len(content) - 2 * 32
    position = data.draw(st.integers(0, structure_bytes - 1).filter(lambda at: at != 4))
    bit = data.draw(st.integers(0, 7))
    altered = bytearray(content)
    altered[position] ^= 1 << bit
    with pytest.raises(ChunkDamaged):
        decode_node(bytes(altered), FANOUT)


@pytest.mark.parametrize("size", range(0, 82, 3))
def test_a_node_cut_short_is_refused(size: int) -> None:
    content = empty_node(0, FANOUT).with_children({1: chunk(1), 9: chunk(2)}).encode()
    assert size < len(content)
    with pytest.raises(ChunkDamaged):
        decode_node(content[:size], FANOUT)


def test_a_node_of_another_fanout_is_refused() -> None:
    with pytest.raises(ChunkDamaged):
        decode_node(empty_node(0, FANOUT).encode(), STANDARD.node_fanout)
