"""The byte budget against its model: never more is out than there is, and what came back can be had again."""

from hypothesis import given
from hypothesis import strategies as st

from neve.server.bodies import ByteBudget


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
