"""The protocol of collection as a machine: every transaction, and every act on an object, is one step.

Anybody may pause between two steps for as long as the others like, or crash. There is no clock: where the product waits
(for an undo to end, a condemned segment to age, a reservation to be given up) the model may go on at once, or never.
So nothing here is safe because something takes long enough.

    collection_words        chunks, records, who acts, and every rule in a sentence
    collection_writing      what clients and writers do
    collection_collecting   what collectors do
    here                    all of it together, and what must hold after every step

`without` takes rules out; the code that stands in their place is what somebody in a hurry would have written. What is not
modelled: more than two blocks, trees of more than one level (a shared block plays the shared leaf), how marking walks
(content never changes, so what is reached from the roots of the cut is known at the cut), and slices of transactions.
"""

from collections.abc import Collection, Iterator

from models.collection_collecting import Collecting
from models.collection_words import (
    BLOCKS_OF,
    WRITTEN,
    A,
    Chunks,
    Life,
    Record,
    Rule,
    Scene,
    Snapshot,
    State,
    Steps,
    spoken,
    tree,
)
from models.collection_writing import Writing

Step = tuple[str, State]


class Protocol:
    """All steps that are possible in a scene, under all rules but those left out."""

    def __init__(self, scene: Scene, *, without: Collection[Rule] = ()) -> None:
        self.scene = scene
        keeps = {rule: rule not in without for rule in Rule}
        self.writing = Writing(scene, keeps)
        self.collecting = Collecting(scene, keeps)

    def steps(self, state: State) -> Iterator[Step]:
        """Yield every step that can be taken, in words, and the state after it."""
        for what, after in self._all_steps(state):
            if after is not None:
                yield what, after

    def _all_steps(self, state: State) -> Steps:
        yield from self.writing.steps_of_clients(state)
        for who in range(len(state.writers)):
            yield from self.writing.steps_of_writer(state, who)
        for who in range(len(state.collectors)):
            yield from self.collecting.steps_of_collector(state, who)
        for number in range(len(state.segments)):
            yield f"the reservation of segment {number} is cancelled", self.writing.cancel(state, number)
        if self.scene.spoils:
            yield "all bytes of block a go bad", self.writing.spoil(state)
            yield "a reader finds block a bad", self.writing.mark_bad(state)


# --- what must hold


def complaint(state: State) -> str:
    """Return what is wrong with a state, empty if nothing is: asked after every step."""
    for number, row in enumerate(state.chunks):
        if row is None:
            continue
        segment, chunk = state.segments[row.segment], 1 << number
        if segment.record is not Record.LIVE:
            return f"the row of {spoken(chunk)} names segment {row.segment}, which is {segment.record}"
        if not segment.bytes & chunk:
            return f"the row of {spoken(chunk)} names segment {row.segment}, whose bytes are not there"
        if chunk == A and state.healed and segment.spoilt & A:
            return "block a was stored anew and acknowledged, and its row names bytes that are bad"
    stored = sum(1 << number for number, row in enumerate(state.chunks) if row is not None)
    for number, snapshot in enumerate(state.snapshots):
        if lost := promised_by(snapshot) & ~stored:
            return f"snapshot {number} needs {spoken(lost)}, which has no row"
        if snapshot.life in {Life.COMPLETED, Life.UNDOABLE} and BLOCKS_OF[snapshot.root] != snapshot.promised:
            return f"snapshot {number} does not have all that was acknowledged"
    return ""


def promised_by(snapshot: Snapshot) -> Chunks:
    """Return all chunks that must be there for a snapshot's sake."""
    if snapshot.life in WRITTEN:
        return tree(snapshot.base) | tree(snapshot.source) | snapshot.promised | snapshot.rows
    if snapshot.life in {Life.COMPLETED, Life.UNDOABLE}:
        return tree(snapshot.root) | snapshot.promised
    return 0
