"""Bodies in memory: never more than there may be, and what came back can be had again."""

from hypothesis import given
from hypothesis import strategies as st

from neve.server.bodies import BlockBuffers, ByteBudget


@given(total=st.integers(0, 50), steps=st.lists(st.tuples(st.integers(0, 30), st.booleans())))
def test_never_more_is_out_than_there_is(total: int, steps: list[tuple[int, bool]]) -> None:
    budget = ByteBudget(total)
    out: list[int] = []
    for size, then_gives_back in steps:
        fits = sum(out) + size <= total
        assert budget.take(size) is fits
        if fits:
            out.append(size)
        if out and then_gives_back:
            budget.give_back(out.pop())
    for size in out:
        budget.give_back(size)
    assert budget.take(total)


def test_a_buffer_given_back_is_taken_again() -> None:
    buffers = BlockBuffers(64)
    first, second = buffers.take(64), buffers.take(64)
    assert first is not second
    buffers.give_back(first)
    assert buffers.take(64) is first


@given(st.lists(st.integers(0, 70), max_size=100))
def test_only_blocks_are_kept_and_not_without_end(lengths: list[int]) -> None:
    buffers = BlockBuffers(64)
    for length in lengths:
        taken = buffers.take(length)
        assert len(taken) == length
        buffers.give_back(taken)
    many = [buffers.take(64) for _ in range(100)]
    for buffer in many:
        buffers.give_back(buffer)
    again = {id(buffer) for buffer in [buffers.take(64) for _ in range(100)]}
    assert len(again & {id(buffer) for buffer in many}) == 32


def test_answers_that_nobody_reads_keep_new_bodies_out() -> None:
    budget = ByteBudget(100)
    budget.owe(150)
    assert not budget.take(0)
    budget.give_back(60)
    assert budget.take(10)
    assert not budget.take(1)
    budget.give_back(90)
    assert budget.take(90)


def test_whoever_can_make_room_is_told_that_there_is_none() -> None:
    budget = ByteBudget(100)
    told: list[int] = []
    budget.when_short(lambda: told.append(1))
    assert budget.take(100)
    assert told == []
    assert not budget.take(1)
    assert told == [1]
