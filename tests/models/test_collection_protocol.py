"""The protocol of collection, in every state that it can get into; and what happens when a rule is left out.

A failure prints the steps that lead to it. What the rules are for stands in docs/decisions/017-collection.md.
"""

import pytest

from fix_scoreboard import Figure
from models.collection_words import A, B, Rule, Scene, Slot
from models.exploration import explore

PARENT = Slot("parent", writes=(A,))
UNCHANGED_CHILD = Slot("child", parent=0)
"""Completed without a write of its own, its root is its parent's, and it has no rows and no holds."""

ONE = Scene("one snapshot, two collectors", (PARENT,))
CHILD = Scene("a child of what is then deleted", (PARENT, UNCHANGED_CHILD))
COPY = Scene("a copy of what is then deleted", (PARENT, Slot("copy", parent=0, copies=True)))
REWRITING = Scene("segments are rewritten", (PARENT,), collectors=1, rewrites=True)
DAMAGE = Scene("a bad chunk is healed", (PARENT,), collectors=1, spoils=True)
SMALL = (ONE, CHILD, COPY, REWRITING, DAMAGE)
"""Some ten or twenty thousand states each: all of them."""
QUICK = (COPY,)
EQUALS = Scene("two snapshots of equal content", (PARENT, Slot("equal", writes=(A,))))
MOVED_AND_DAMAGED = Scene(
    "a bad chunk is healed while its segment is rewritten",
    (PARENT,),
    collectors=1,
    rewrites=True,
    spoils=True,
)
TWO_REWRITERS = Scene("two collectors rewrite segments", (PARENT,), rewrites=True)
LARGE = (
    EQUALS,
    MOVED_AND_DAMAGED,
    TWO_REWRITERS,
    Scene("two writers write one snapshot", (PARENT,), writers=2),
    Scene("a child that writes", (PARENT, Slot("child", parent=0, writes=(B,)))),
    Scene(
        "batches of two blocks are rewritten",
        (Slot("parent", writes=(A, A | B)),),
        collectors=1,
        rewrites=True,
    ),
)
"""Hundreds of thousands of states each: all of them."""
EVERYTHING = Scene(
    "everything at once",
    (
        PARENT,
        Slot("child", parent=0, writes=(B,)),
        Slot("equal", writes=(A, A | B)),
        Slot("copy", parent=0, copies=True),
    ),
    writers=2,
    rewrites=True,
    spoils=True,
)
EVERYTHING_STATES = 1_000_000
"""Of very many, those that the fewest steps lead to."""


def _named(scene: Scene) -> str:
    return scene.name


def _is_safe(scene: Scene, figure: Figure) -> None:
    found = explore(scene, states_max=10_000_000)
    assert found.trace == ""
    assert found.is_exhausted
    figure(f"safe: all {found.states:,} states, {found.quiet_ends:,} ends without a leak ({scene.name})")


@pytest.mark.row(10)
@pytest.mark.parametrize("scene", QUICK, ids=_named)
def test_in_every_state_what_was_promised_is_there_and_nothing_leaks(scene: Scene, figure: Figure) -> None:
    _is_safe(scene, figure)


@pytest.mark.slow
@pytest.mark.row(10)
@pytest.mark.parametrize("scene", [scene for scene in SMALL if scene not in QUICK], ids=_named)
def test_in_every_other_state_too(scene: Scene, figure: Figure) -> None:
    _is_safe(scene, figure)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.row(10)
@pytest.mark.parametrize("scene", LARGE, ids=_named)
def test_in_hundreds_of_thousands_of_states_too(scene: Scene, full_size: bool, figure: Figure) -> None:
    if not full_size:
        pytest.skip("minutes for each: in the long form of row 10 only")
    _is_safe(scene, figure)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.row(10)
def test_with_everything_at_once_as_far_as_a_search_comes(full_size: bool, figure: Figure) -> None:
    found = explore(EVERYTHING, states_max=EVERYTHING_STATES if full_size else 10_000)
    assert found.trace == ""
    figure(f"safe: the first {found.states:,} states, {found.quiet_ends:,} ends ({EVERYTHING.name})")


# --- rules left out

NEEDED: dict[Rule, Scene] = {
    Rule.DATA_FIRST: ONE,
    Rule.ROWS_FIRST: ONE,
    Rule.FENCE: ONE,
    Rule.NAMES_ONCE: ONE,
    Rule.HIT_RECHECKED: EQUALS,
    Rule.BAD_IS_NO_HIT: DAMAGE,
    Rule.HOLDS: ONE,
    Rule.KEPT_COMPLETED: ONE,
    Rule.KEPT_DELETED: ONE,
    Rule.ONE_CUT: ONE,
    Rule.BASE_ROOTS: CHILD,
    Rule.SOURCE_ROOTS: COPY,
    Rule.UNDO_COUNTS: ONE,
    Rule.UNDO_ONCE: ONE,
    Rule.NOTED_ONLY: ONE,
    Rule.RECHECKED: EQUALS,
    Rule.EPOCH_OF_CHUNKS: ONE,
    Rule.EMPTY_ONLY: REWRITING,
    Rule.COMPARED: MOVED_AND_DAMAGED,
    Rule.COPY_FENCED: TWO_REWRITERS,
    Rule.CONDEMNED_FOR_GOOD: EQUALS,
    Rule.BYTES_FIRST: ONE,
}
"""Rules that nothing else makes up for, and where that shows."""
SECOND_LINE: dict[Rule, Scene] = {
    Rule.EPOCH_OF_CUT: ONE,
    Rule.EPOCH_OF_ROWS: ONE,
    Rule.EPOCH_OF_UNDO: CHILD,
    Rule.EPOCH_OF_SEGMENTS: REWRITING,
    Rule.OLD_ONLY: ONE,
}
"""Rules that the others make up for, one at a time. The product keeps them: they cost nothing, and a mistake is caught."""
STATES_MAX = 10_000


@pytest.mark.row(10)
@pytest.mark.parametrize("rule", NEEDED, ids=lambda rule: rule.name)
def test_a_rule_left_out_is_shown_to_be_needed(rule: Rule, figure: Figure) -> None:
    trace = explore(NEEDED[rule], without=[rule], states_max=STATES_MAX).trace
    assert trace, f"nothing happens without this: {rule}"
    print(f"without the rule that {rule}:\n{trace}")  # noqa: T201 - shown by -s, for whoever wants to read it
    figure(f"caught in {len(trace.splitlines()) - 1} steps: {rule.name}")


def test_every_rule_is_either_needed_or_a_second_line() -> None:
    assert sorted([*NEEDED, *SECOND_LINE]) == sorted(Rule)


def test_two_second_lines_left_out_together_can_be_one_too_many() -> None:
    """Somebody who lost the epoch cuts anew, and drops rows whose chunks the one who has it did not mark."""
    both = [Rule.EPOCH_OF_CUT, Rule.EPOCH_OF_ROWS]
    assert explore(ONE, without=both, states_max=STATES_MAX).trace


@pytest.mark.slow
@pytest.mark.parametrize("rule", SECOND_LINE, ids=lambda rule: rule.name)
def test_the_others_make_up_for_a_rule_of_the_second_line(rule: Rule) -> None:
    """Should this fail, the rule has become needed, and its place is in the first line."""
    found = explore(SECOND_LINE[rule], without=[rule], states_max=1_000_000)
    assert found.trace == ""
    assert found.is_exhausted


@pytest.mark.parametrize("rule", [Rule.FENCE, Rule.COPY_FENCED])
def test_a_trace_names_everybody_the_same_all_along(rule: Rule) -> None:
    lines = explore(NEEDED[rule], without=[rule], states_max=STATES_MAX).trace.splitlines()
    lost = lines[-1].split("names segment ")[1].split(",")[0]
    assert any(f"deletes the bytes of segment {lost}" in line for line in lines)
