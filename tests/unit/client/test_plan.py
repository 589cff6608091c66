"""Which blocks an upload looks at and sends: against sets and dictionaries, which cannot be subtly wrong."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neve.client.plan import (
    NO_BLOCK,
    KnownBlock,
    ListedBlock,
    NoBlock,
    Step,
    Verdict,
    block_ranges,
    steps,
    verdict_with_parent,
    verdict_without_parent,
    volume_gib_for,
)
from neve.domain.blocks import BlockIndex, digest

BLOCK_BYTES = 4
BLOCK_COUNT = 12
indexes = st.integers(min_value=0, max_value=BLOCK_COUNT - 1)
contents = st.sampled_from([bytes(BLOCK_BYTES), b"aaaa", b"bbbb"])
ZERO = digest(bytes(BLOCK_BYTES))


@st.composite
def ascending_extents(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Byte extents as a file system gives them: ascending and apart, now and then empty."""
    bounds = sorted(draw(st.lists(st.integers(0, BLOCK_BYTES * BLOCK_COUNT), max_size=12)))
    return list(zip(bounds[::2], bounds[1::2], strict=False))


@given(ascending_extents())
def test_the_block_ranges_are_the_blocks_that_extents_touch(extents: list[tuple[int, int]]) -> None:
    touched = {byte // BLOCK_BYTES for start, end in extents for byte in range(start, end)}
    ranges = list(block_ranges(extents, BLOCK_BYTES))
    assert [index for blocks in ranges for index in blocks] == sorted(touched)
    for before, after in pairwise(ranges):
        assert before.stop < after.start, "neighbours are one range"


@given(data=st.sets(indexes), parent=st.sets(indexes))
def test_the_steps_are_the_union_of_data_and_parent_in_order(data: set[int], parent: set[int]) -> None:
    listed = {index: ListedBlock(BlockIndex(index), f"token{index}") for index in parent}
    ranges = block_ranges([(index, index + 1) for index in sorted(data)], 1)
    assert list(steps(ranges, (listed[index] for index in sorted(parent)))) == [
        Step(BlockIndex(index), has_data=index in data, parent=listed.get(index, NO_BLOCK))
        for index in sorted(data | parent)
    ]


@given(
    image=st.dictionaries(indexes, contents),
    parent=st.dictionaries(indexes, contents),
    admitted_zeros=st.sets(indexes),
    send_zeros=st.booleans(),
)
def test_the_parent_with_the_plan_applied_reads_as_the_image(
    image: dict[int, bytes], parent: dict[int, bytes], admitted_zeros: set[int], send_zeros: bool
) -> None:
    zeros = bytes(BLOCK_BYTES)
    # Whatever is not zeros lies in an extent; zeros may (a file system rounds up) or may not.
    data = {index for index, content in image.items() if content != zeros} | admitted_zeros
    ranges = block_ranges([(index, index + 1) for index in sorted(data)], 1)
    known = (KnownBlock(BlockIndex(index), digest(parent[index])) for index in sorted(parent))

    child, sent = dict(parent), set()
    for step in steps(ranges, known):
        content = image.get(step.index, zeros) if step.has_data else zeros
        match step.parent:
            case NoBlock():
                verdict = verdict_without_parent(is_zero=content == zeros, send_zeros=send_zeros)
            case KnownBlock(digest=held):
                verdict = verdict_with_parent(digest(content), held)
            case ListedBlock():
                raise AssertionError
        if verdict is Verdict.SEND:
            child[step.index] = content
            sent.add(step.index)

    for index in range(BLOCK_COUNT):
        assert child.get(index, zeros) == image.get(index, zeros)
    for index in sent:
        assert parent.get(index, b"") != image.get(index, zeros), "only blocks that differ are sent"
        assert send_zeros or index in parent or image.get(index, zeros) != zeros


def test_a_plan_reads_the_parent_no_further_than_it_must() -> None:
    read = []

    def parent() -> Iterator[KnownBlock]:
        for index in (0, 5, 6):
            read.append(index)
            yield KnownBlock(BlockIndex(index), ZERO)

    planned = steps(iter([range(4)]), parent())
    assert [next(planned).index for _ in range(4)] == [0, 1, 2, 3]
    assert read == [0, 5]


@pytest.mark.parametrize(
    ("size_bytes", "wanted_gib", "parent_gib", "volume_gib"),
    [(1, 0, 0, 1), (100, 0, 0, 1), (101, 0, 0, 2), (101, 0, 5, 5), (101, 7, 5, 7), (100, 1, 1, 1)],
)
def test_a_volume_holds_the_image_and_its_parent(
    size_bytes: int, wanted_gib: int, parent_gib: int, volume_gib: int
) -> None:
    assert volume_gib_for(size_bytes, 100, wanted_gib=wanted_gib, parent_gib=parent_gib) == volume_gib


@pytest.mark.parametrize(
    ("wanted_gib", "parent_gib", "why"), [(1, 0, "the image needs 2 GiB"), (2, 3, "the parent has 3 GiB")]
)
def test_a_volume_too_small_is_refused_with_the_reason(wanted_gib: int, parent_gib: int, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        volume_gib_for(101, 100, wanted_gib=wanted_gib, parent_gib=parent_gib)
