"""Every state that the model of collection can get into, breadth first, so that what goes wrong is shown in fewest steps.

States that differ only in what segments are called, or in which of two writers or collectors is which, count as one.
"""

import gc
import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import count, islice, pairwise
from typing import Any, Final, NamedTuple

from models.collection_protocol import Protocol, complaint, promised_by
from models.collection_words import (
    NOBODY,
    WRITTEN,
    Collector,
    Record,
    Row,
    Rule,
    Scene,
    Segment,
    Snapshot,
    Stage,
    State,
    Writer,
    numbers,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explored:
    """What a search came to."""

    states: int
    quiet_ends: int
    """Different states that the death of everybody who acts leaves: from each a quiet collector was let loose."""
    is_exhausted: bool
    """Whether there are no further states."""
    trace: str = ""
    """Empty if nothing is wrong, else how it comes about."""


def explore(scene: Scene, *, without: Collection[Rule] = (), states_max: int) -> Explored:
    """Go through the states of a scene, up to so many, until something is wrong."""
    gc.disable()  # nothing here is ever garbage, and looking for it among millions of tuples takes its time
    try:
        return _explore(scene, without, states_max)
    finally:
        gc.enable()


def _explore(scene: Scene, without: Collection[Rule], states_max: int) -> Explored:
    protocol = Protocol(scene, without=without)
    forgets = _OF_CUTS.isdisjoint(without)
    beginning = canonical(scene.beginning(), forgets=forgets)
    came_from: dict[State, State | None] = {beginning: None}
    quiet: set[State] = set()
    parts: dict[object, Any] = {}
    level = [beginning]
    while level and len(came_from) < states_max:
        following = []
        for state in level:
            for _, raw in protocol.steps(state):
                if raw in came_from:
                    continue  # most are: it is quicker to ask first
                after = canonical(raw, forgets=forgets)
                if after in came_from:
                    continue
                after = State(*(parts.setdefault(part, part) for part in after))
                came_from[after] = state
                following.append(after)
                wrong = complaint(after) or _wrong_in_the_end(protocol, after, quiet)
                if wrong:
                    trace = _told(protocol, came_from, after, wrong, forgets=forgets)
                    return Explored(
                        states=len(came_from), quiet_ends=len(quiet), is_exhausted=False, trace=trace
                    )
        level = following
    return Explored(states=len(came_from), quiet_ends=len(quiet), is_exhausted=not level)


# --- which states are one


class Order(NamedTuple):
    """Which segment, writer and collector of a state is which of the canonical one."""

    segments: list[int]
    writers: list[int]
    collectors: list[int]


Kept = tuple[tuple[Any, ...], int, int]
"""What a segment looks like, who among those who act knows of it, and what it was called."""
_NOTHING: Final = frozenset({Record.NONE, Record.CANCELLED, Record.RESERVED})
"""Records that mean nothing once nobody who acts knows of them and there is no object."""
_OF_CUTS: Final = frozenset(
    {Rule.NOTED_ONLY, Rule.OLD_ONLY, Rule.EPOCH_OF_CUT, Rule.EPOCH_OF_ROWS, Rule.EPOCH_OF_CHUNKS}
)
"""Rules without which more of a cut matters than otherwise."""


def canonical(state: State, *, forgets: bool) -> State:
    """Return the one state that stands for all that differ from this one in names only, or in what nobody asks for.

    With `forgets` collectors lose what is of no use to them any more.
    """
    return _arranged(state, forgets=forgets)[0]


def _arranged(state: State, *, forgets: bool) -> tuple[State, Order]:
    snapshots, chunks, segments, writers, collectors, spoilt, healed = state
    if forgets:
        collectors = tuple([_without_what_is_over(each, snapshots) for each in collectors])
    into = [0] * (len(segments) + 1)
    for number, row in enumerate(chunks):
        if row is not None:
            into[row.segment] |= 1 << number
    known = {writer.segment for writer in writers}
    for collector in collectors:
        known.update((collector.source, collector.target))
    looks: list[tuple[Any, ...]] = [
        (*(segment if number in known else _given_up(segment)), into[number])
        for number, segment in enumerate(segments)
    ]
    looks.append(())  # of NOBODY, which is the last one
    writer_order = sorted(range(len(writers)), key=lambda who: (writers[who], looks[writers[who].segment]))
    keys = [(*each[:5], each.moved, looks[each.source], looks[each.target]) for each in collectors]
    collector_order = sorted(range(len(collectors)), key=keys.__getitem__)
    users = [0] * len(looks)
    for position, who in enumerate(writer_order):
        users[writers[who].segment] |= 1 << position
    for position, who in enumerate(collector_order):
        users[collectors[who].source] |= 0x100 << position
        users[collectors[who].target] |= 0x10000 << position
    kept = sorted(
        (looks[number], users[number], number)
        for number, segment in enumerate(segments)
        if segment.bytes or into[number] or number in known or segment.record not in _NOTHING
    )
    kept = [
        each for position, each in enumerate(kept) if not position or not _is_alike(each, kept[position - 1])
    ]
    called = [NOBODY] * len(looks)
    for position, (_, _, number) in enumerate(kept):
        called[number] = position
    arranged = State(
        snapshots,
        tuple([row and Row(called[row.segment], row.bad) for row in chunks]),
        tuple([Segment(*look[:3]) for look, _, _ in kept]),
        tuple([_renamed_writer(writers[who], called) for who in writer_order]),
        tuple([_renamed_collector(collectors[who], called) for who in collector_order]),
        spoilt,
        healed,
    )
    return arranged, Order([number for _, _, number in kept], writer_order, collector_order)


def _renamed_writer(writer: Writer, called: list[int]) -> Writer:
    stage, snapshot, task, anew, segment = writer
    return Writer(stage, snapshot, task, anew, called[segment])


def _renamed_collector(collector: Collector, called: list[int]) -> Collector:
    stage, owns_epoch, marked, unsettled, old, source, target, moved = collector
    return Collector(stage, owns_epoch, marked, unsettled, old, called[source], called[target], moved)


def _without_what_is_over(collector: Collector, snapshots: tuple[Snapshot, ...]) -> Collector:
    """Return a collector without what changes nothing about what it can still do, or less than nothing.

    One that lost its epoch has its transactions refused, so that all that remains is what needs no epoch.
    """
    stage, owns_epoch = collector.stage, collector.owns_epoch
    if stage in {Stage.BEGUN, Stage.CUT} and not owns_epoch:
        return Collector(Stage.TIDY)
    if stage is not Stage.CUT:
        return collector
    old = collector.old & ~collector.marked
    unsettled = sum(1 << n for n in numbers(collector.unsettled) if snapshots[n].rows)
    if not old and not unsettled:
        return Collector(Stage.TIDY, owns_epoch)
    return Collector(Stage.CUT, owns_epoch, 0, unsettled, old)


def _given_up(segment: Segment) -> Segment:
    """Return what is as good as a segment that nobody who acts knows of: a reservation of nobody is cancelled some day."""
    return segment._replace(record=Record.CANCELLED) if segment.record is Record.RESERVED else segment


def _is_alike(one: Kept, other: Kept) -> bool:
    """Say whether a segment is waste, and the other one just such waste: one of them stands for any number."""
    look, users, _ = one
    return not users and not look[3] and look == other[0]


# --- from every state a quiet collector reaches exactly what is needed


def _wrong_in_the_end(protocol: Protocol, state: State, quiet: set[State]) -> str:
    """Let everybody die, then one collector work twice; say what is left over or missing."""
    dead = canonical(
        state._replace(
            writers=(Writer(),) * len(state.writers), collectors=(Collector(),) * len(state.collectors)
        ),
        forgets=True,
    )
    if dead in quiet:
        return ""
    quiet.add(dead)
    ended = dead
    for _ in range(2):
        ended = _collected(protocol, ended)
    wrong = complaint(ended) or _left_over(ended)
    return wrong and f"once all others are dead and a collector has worked twice, {wrong}"


def _collected(protocol: Protocol, state: State) -> State:
    """Return what one undisturbed collection, with nobody else there, makes of a state."""
    for number in range(len(state.segments)):
        state = protocol.writing.cancel(state, number) or state
    state = protocol.collecting.begin(state, 0)
    while state.collectors[0].stage is not Stage.CUT:
        cut = protocol.collecting.cut(state, 0)
        assert cut is not None
        state = cut
    for number in range(len(state.snapshots)):
        state = protocol.collecting.drop_rows(state, 0, number) or state
    for number in range(len(state.chunks)):
        state = protocol.collecting.drop_chunk(state, 0, number) or state
    state = protocol.collecting.turn_to_segments(state, 0) or state
    for number in range(len(state.segments)):
        state = protocol.collecting.condemn(state, 0, number) or state
        state = protocol.collecting.begin_taking(state, 0, number) or state
        state = protocol.collecting.delete_bytes(state, 0) or state
        state = protocol.collecting.forget_record(state, 0, number) or state
    return state


def _left_over(state: State) -> str:
    needed = 0
    for number, snapshot in enumerate(state.snapshots):
        needed |= promised_by(snapshot)
        if snapshot.rows and snapshot.life not in WRITTEN:
            return f"snapshot {number} still has rows"
    into = {row.segment for row in state.chunks if row is not None}
    if any(row is not None and not needed >> number & 1 for number, row in enumerate(state.chunks)):
        return "there are chunk rows that nobody needs"
    for number, segment in enumerate(state.segments):
        if number not in into and (segment.bytes or segment.record not in {Record.NONE, Record.CANCELLED}):
            return f"segment {number} is left over: {segment.record}"
    return ""


# --- how it comes about


def _told(
    protocol: Protocol, came_from: dict[State, State | None], last: State, wrong: str, *, forgets: bool
) -> str:
    """Return the steps to a state, a line each, in which everybody and every segment keeps one name."""
    path = [last]
    while (before := came_from[path[-1]]) is not None:
        path.append(before)
    path.reverse()
    names: dict[str, list[int]] = {
        "segment": [],
        "writer": list(range(len(last.writers))),
        "collector": list(range(len(last.collectors))),
    }
    fresh = count()
    lines: list[str] = []
    for state, wanted in pairwise(path):
        what, raw, order = next(
            (what, raw, order)
            for what, raw in protocol.steps(state)
            for after, order in [_arranged(raw, forgets=forgets)]
            if after == wanted
        )
        names["segment"].extend(islice(fresh, len(raw.segments) - len(state.segments)))
        lines.append(f"{len(lines) + 1:3}. {_renamed(what, names)}")
        for kind, positions in zip(("segment", "writer", "collector"), order, strict=True):
            names[kind] = [names[kind][position] for position in positions]
    return "\n".join([*lines, f"     so {_renamed(wrong, names)}"])


def _renamed(text: str, names: dict[str, list[int]]) -> str:
    return re.sub(
        r"(segment|writer|collector) (\d+)",
        lambda found: f"{found[1]} {names[found[1]][int(found[2])]}",
        text,
    )
