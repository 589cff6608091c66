"""Which children of a block-map node some other node does not have in the same place."""

from array import array

from hypothesis import given
from hypothesis import strategies as st

from neve.domain.block_map import Node, unshared_children
from neve.domain.blocks import ChunkId

FANOUT = 16
children = st.dictionaries(st.integers(0, FANOUT - 1), st.integers(1, 3))


def node_of(held: dict[int, int]) -> Node:
    slots = sorted(held)
    return Node(0, FANOUT, array("H", slots), b"".join(held[slot].to_bytes(32) for slot in slots))


@given(node=children, others=st.lists(children, max_size=3))
def test_they_are_those_that_are_not_the_same_everywhere(
    node: dict[int, int], others: list[dict[int, int]]
) -> None:
    expected = [
        (slot, ChunkId(child.to_bytes(32)))
        for slot, child in sorted(node.items())
        if not others or any(other.get(slot) != child for other in others)
    ]
    assert list(unshared_children(node_of(node), [node_of(other) for other in others])) == expected
