"""Changed blocks as stretches."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from neve.client.differences import Change, Stretch, stretches
from neve.messages.ebs import ChangedBlock

changes = st.dictionaries(st.integers(0, 20), st.sampled_from(Change))


def changed_block(index: int, change: Change) -> ChangedBlock:
    return ChangedBlock(
        index,
        None if change is Change.ADDED else "first",
        None if change is Change.REMOVED else "second",
    )


@given(changes)
def test_stretches_say_the_same_as_their_blocks_and_cannot_be_joined(blocks: dict[int, Change]) -> None:
    found = list(stretches(changed_block(index, blocks[index]) for index in sorted(blocks)))
    assert {
        index: stretch.change
        for stretch in found
        for index in range(stretch.first_block, stretch.first_block + stretch.block_count)
    } == blocks
    for before, after in pairwise(found):
        touching = before.first_block + before.block_count == after.first_block
        assert before.first_block < after.first_block
        assert not (touching and before.change is after.change)


def test_nothing_changed_is_no_stretch() -> None:
    assert list(stretches([])) == []


def test_a_run_of_equal_changes_is_one_stretch() -> None:
    blocks = [changed_block(index, Change.ADDED) for index in (7, 8, 9)]
    assert list(stretches(blocks)) == [Stretch(first_block=7, block_count=3, change=Change.ADDED)]
