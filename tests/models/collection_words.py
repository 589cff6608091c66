"""What the model of collection is made of: chunks, records, those who act, and the rules that can be taken out.

Every value is frozen and small: a state is a handful of tuples, and millions of them are kept at once. Sets of chunks
and of snapshots are bits of an integer.

    blocks a, b          content that clients write
    nodes [a], [b], [ab] the block maps that have just these blocks: a root is a node, and a node names its blocks

Chunk ids come from content, so that two snapshots of equal content have one root; that is what makes sharing hard.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

Chunks = int
"""A set of chunks, one bit each."""
A, B = 1, 2
BLOCKS: Chunks = A | B
CHUNK_NAMES = ("a", "b", "[a]", "[b]", "[ab]")
NODE_OF: dict[Chunks, Chunks] = {0: 0, A: 4, B: 8, A | B: 16}
"""The block map that has just these blocks."""
BLOCKS_OF: dict[Chunks, Chunks] = {node: blocks for blocks, node in NODE_OF.items()}
NOBODY = -1
"""Stands for no segment."""


def tree(root: Chunks) -> Chunks:
    """Return all that is needed to read what lies under a root; of no root, nothing."""
    return root | BLOCKS_OF[root]


def numbers(bits: int) -> Iterator[int]:
    """Yield which bits are set."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def spoken(chunks: Chunks) -> str:
    """Return a set of chunks in words."""
    return " and ".join(CHUNK_NAMES[number] for number in numbers(chunks)) or "nothing"


class Rule(StrEnum):
    """Each sentence is one that somebody could leave out. The model can do without any of them, and show what happens."""

    DATA_FIRST = "rows are published when their bytes are durable, not before"
    ROWS_FIRST = "a block is acknowledged when its row is there, not before"
    FENCE = "publishing demands that the segment's reservation still stands"
    NAMES_ONCE = "a segment's name is never reserved twice"
    HIT_RECHECKED = "publishing demands the rows of chunks that were found stored before"
    BAD_IS_NO_HIT = "publishing on a chunk that is marked bad demands its bytes anew"
    HOLDS = "new nodes of a snapshot are held by it"
    KEPT_COMPLETED = "completion drops no rows and holds"
    KEPT_DELETED = "deletion of a completed snapshot drops no rows and holds"
    ONE_CUT = "needs and unsettled snapshots are noted in one transaction"
    BASE_ROOTS = "the cut has the base roots of snapshots that are being written"
    SOURCE_ROOTS = "the cut has the roots that copies under way copy from"
    UNDO_COUNTS = "the cut has the roots of deletions that can be undone"
    UNDO_ONCE = "what has no undo any more is not brought back"
    NOTED_ONLY = "rows are dropped only of snapshots that the cut noted as completed"
    RECHECKED = "dropping a chunk row demands that nothing names it now"
    OLD_ONLY = "dropping a chunk row demands that it was there at the cut"
    EPOCH_OF_CUT = "the cut demands the epoch"
    EPOCH_OF_ROWS = "dropping block rows and holds demands the epoch"
    EPOCH_OF_CHUNKS = "dropping chunk rows demands the epoch"
    EPOCH_OF_UNDO = "closing an undo demands the epoch"
    EPOCH_OF_SEGMENTS = "condemning and repointing demand the epoch"
    EMPTY_ONLY = "a segment is condemned when no chunk row names it"
    COMPARED = "repointing leaves rows alone that do not say any more what was copied"
    COPY_FENCED = "repointing demands that the reservation of the copy still stands"
    CONDEMNED_FOR_GOOD = "a condemned segment never lives again"
    BYTES_FIRST = "the record of a condemned segment goes after its bytes"


Keeps = Mapping[Rule, bool]
"""Which rules are followed."""


class Life(StrEnum):
    """Where a snapshot stands."""

    ABSENT = "absent"
    PENDING = "pending"
    SEALING = "sealing"
    COMPLETED = "completed"
    UNDOABLE = "deleted, undo there"
    GONE = "gone"


LIVING = frozenset({Life.PENDING, Life.SEALING, Life.COMPLETED, Life.UNDOABLE})
WRITTEN = frozenset({Life.PENDING, Life.SEALING})


class Snapshot(NamedTuple):
    """A snapshot's record, its block rows and its holds, and what was promised about it."""

    life: Life = Life.ABSENT
    base: Chunks = 0
    """Root of the one it was started from, while it is being written."""
    source: Chunks = 0
    """Root of what it copies into another domain, while it does."""
    root: Chunks = 0
    rows: Chunks = 0
    """Chunks that a block row or a hold of it names: foreign keys."""
    promised: Chunks = 0
    """Blocks it must give back: those of its base, and those acknowledged. No store knows this; the model does."""
    mapped: bool = False
    """Whether the nodes of its block map are stored, as its sealer remembers."""


class Row(NamedTuple):
    """A chunk's row."""

    segment: int
    bad: bool = False


class Record(StrEnum):
    """What the record of a segment says."""

    NONE = "no record"
    RESERVED = "reserved"
    LIVE = "live"
    CANCELLED = "cancelled"
    CONDEMNED = "condemned"


class Segment(NamedTuple):
    """A segment's record, and the object that has its name."""

    record: Record
    bytes: Chunks = 0
    """Chunks that the object holds; none if there is no object."""
    spoilt: Chunks = 0
    """Those of them that nobody can read any more."""


class Stage(StrEnum):
    """How far somebody who acts has come. It is in memory: a crash takes it."""

    IDLE = "idle"
    # writers
    NAMED = "has a name reserved"
    DURABLE = "has bytes written"
    READY = "relies on what is stored"
    # collectors
    BEGUN = "has an epoch"
    HALF_CUT = "has noted needs only"
    CUT = "has the cut"
    TIDY = "tidies segments"
    COPIED = "has copied"
    TAKING = "is about to delete bytes"


class Writer(NamedTuple):
    """A flusher with one batch, or a sealer with one node."""

    stage: Stage = Stage.IDLE
    snapshot: int = 0
    task: Chunks = 0
    """What is to be written; nodes for a hold."""
    anew: Chunks = 0
    """Those whose bytes it stores; the others it found stored."""
    segment: int = NOBODY


class Collector(NamedTuple):
    """A collection, from its epoch on."""

    stage: Stage = Stage.IDLE
    owns_epoch: bool = False
    marked: Chunks = 0
    """All that the roots of its cut lead to."""
    unsettled: int = 0
    """Snapshots that its cut noted as completed, or deleted after that."""
    old: Chunks = 0
    """Chunks whose rows of now were there at its cut."""
    source: int = NOBODY
    """Segment that it copies from or takes away."""
    target: int = NOBODY
    moved: Chunks = 0


class State(NamedTuple):
    """The database, the objects, and the memory of everybody who acts."""

    snapshots: tuple[Snapshot, ...]
    chunks: tuple[Row | None, ...]
    segments: tuple[Segment, ...]
    writers: tuple[Writer, ...]
    collectors: tuple[Collector, ...]
    spoilt: bool = False
    """Whether the one fault has struck: no byte of block a written until then can be read any more."""
    healed: bool = False
    """Whether somebody was acknowledged storing block a anew, it being known as bad."""


Steps = Iterator[tuple[str, State | None]]
"""Steps in words, and the state after each; None where it cannot be taken."""


# --- a state with one thing changed


# Written out, not `_replace`d: most of a search's time goes by here.


def with_snapshot(state: State, number: int, snapshot: Snapshot) -> State:
    snapshots, chunks, segments, writers, collectors, spoilt, healed = state
    snapshots = (*snapshots[:number], snapshot, *snapshots[number + 1 :])
    return State(snapshots, chunks, segments, writers, collectors, spoilt, healed)


def with_segment(state: State, number: int, segment: Segment) -> State:
    snapshots, chunks, segments, writers, collectors, spoilt, healed = state
    segments = (*segments[:number], segment, *segments[number + 1 :])
    return State(snapshots, chunks, segments, writers, collectors, spoilt, healed)


def with_writer(state: State, who: int, writer: Writer) -> State:
    snapshots, chunks, segments, writers, collectors, spoilt, healed = state
    writers = (*writers[:who], writer, *writers[who + 1 :])
    return State(snapshots, chunks, segments, writers, collectors, spoilt, healed)


def with_collector(state: State, who: int, collector: Collector) -> State:
    snapshots, chunks, segments, writers, collectors, spoilt, healed = state
    collectors = (*collectors[:who], collector, *collectors[who + 1 :])
    return State(snapshots, chunks, segments, writers, collectors, spoilt, healed)


def with_row(state: State, number: int, row: Row | None) -> State:
    """Change a chunk's row. One that comes or goes is another row from then on: no cut has it."""
    snapshots, chunks, segments, writers, collectors, spoilt, healed = state
    if row is None or chunks[number] is None:
        collectors = tuple(each._replace(old=each.old & ~(1 << number)) for each in collectors)
        healed = healed and number != 0
    chunks = (*chunks[:number], row, *chunks[number + 1 :])
    return State(snapshots, chunks, segments, writers, collectors, spoilt, healed)


def reserve(state: State, keeps: Keeps) -> tuple[State, int]:
    """Reserve a segment's name: one that was never there before."""
    if not keeps[Rule.NAMES_ONCE]:
        for number, segment in enumerate(state.segments):
            if segment.record in {Record.NONE, Record.CANCELLED} and not segment.bytes:
                return with_segment(state, number, Segment(Record.RESERVED)), number
    snapshots, chunks, segments, writers, collectors, spoilt, healed = state
    segments = (*segments, Segment(Record.RESERVED))
    return State(snapshots, chunks, segments, writers, collectors, spoilt, healed), len(segments) - 1


# --- how much of everything there is


class Slot(NamedTuple):
    """A snapshot that may come to be."""

    name: str
    parent: int | None = None
    writes: tuple[Chunks, ...] = ()
    """Batches of blocks that clients may write, each again and again."""
    copies: bool = False
    """Whether it copies its parent's content into another domain, instead of building on it."""


class Scene(NamedTuple):
    """How much of everything there is."""

    name: str
    slots: tuple[Slot, ...]
    writers: int = 1
    collectors: int = 2
    rewrites: bool = False
    spoils: bool = False

    def beginning(self) -> State:
        return State(
            snapshots=(Snapshot(),) * len(self.slots),
            chunks=(None,) * len(CHUNK_NAMES),
            segments=(),
            writers=(Writer(),) * self.writers,
            collectors=(Collector(),) * self.collectors,
        )
