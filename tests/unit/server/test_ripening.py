"""Which moments are past without doubt: held to a plain reading of every look, whatever the clock does."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from neve.server.ripening import NOTHING_IS_PAST_MS, ClockStep, ClockSteps, Ripening
from neve.testing.time_and_chance import ManualClock

HOUR_S = 3600
YEAR_S = 365 * 24 * HOUR_S
START_MS = 1_790_000_000_000

passes = st.sampled_from([0, 0.5, 1, 15, 59, 600, HOUR_S - 1, HOUR_S, HOUR_S + 1, 3 * HOUR_S])
steps = st.sampled_from([0, 0, 0, 1, -1, 59, -59, HOUR_S, -HOUR_S, 10 * YEAR_S, -10 * YEAR_S])


def plain(looks: list[tuple[float, int]]) -> int:
    """Return what the last look may answer: the least since the last one that is an hour old."""
    hour_ago_s = looks[-1][0] - HOUR_S
    old = [number for number, (at_s, _) in enumerate(looks) if at_s <= hour_ago_s]
    return min(now_ms for _, now_ms in looks[old[-1] :]) if old else NOTHING_IS_PAST_MS


@given(st.lists(st.tuples(passes, steps), min_size=1, max_size=30))
def test_it_is_the_least_of_every_look_in_an_hour(program: list[tuple[float, float]]) -> None:
    clock = ManualClock(START_MS)
    ripening = Ripening(clock)
    looks = [(clock.monotonic_s(), clock.now_ms())]
    for passed_s, step_s in program:
        clock.advance(seconds=passed_s)
        clock.step(seconds=step_s)
        looks.append((clock.monotonic_s(), clock.now_ms()))
        answer = ripening.past_ms()
        assert answer <= plain(looks), "never later than every look allows"
        sparse = all(later[0] - earlier[0] >= 1 for earlier, later in pairwise(looks))
        if sparse:
            assert answer == plain(looks), "and no earlier, if nobody looks every moment"


def test_who_looks_all_the_time_costs_no_memory_but_an_hours() -> None:
    clock = ManualClock(START_MS)
    ripening = Ripening(clock)
    for _ in range(20_000):
        clock.advance(seconds=0.3)
        ripening.past_ms()
    assert len(ripening._looks) <= HOUR_S + 2
    assert clock.now_ms() - ripening.past_ms() in range(HOUR_S * 1000, HOUR_S * 1000 + 1501)


@given(st.lists(st.tuples(passes, steps), max_size=20))
def test_steps_ahead_are_noticed_and_no_other(program: list[tuple[float, float]]) -> None:
    clock = ManualClock(START_MS)
    watch = ClockSteps(clock)
    for passed_s, step_s in program:
        clock.advance(seconds=passed_s)
        from_ms = clock.now_ms()
        clock.step(seconds=step_s)
        found = watch.take()
        assert found == (ClockStep(from_ms, clock.now_ms()) if step_s >= 60 else None)
