"""What clients and writers do in the model of collection, what faults do to them, and who takes reservations back.

    clients      start ─▶ (put …) ─▶ accept ─▶ (put nodes) ─▶ finish ─▶ delete ─▶ undelete
    a put        look, reserve a name ─▶ write the object ─▶ publish: rows, acknowledged

See `collection_protocol`. Each step is a method that returns the state after it, or None where it cannot be taken.
"""

from models.collection_words import (
    BLOCKS,
    BLOCKS_OF,
    NOBODY,
    NODE_OF,
    WRITTEN,
    A,
    Chunks,
    Keeps,
    Life,
    Record,
    Row,
    Rule,
    Scene,
    Snapshot,
    Stage,
    State,
    Steps,
    Writer,
    numbers,
    reserve,
    spoken,
    with_row,
    with_segment,
    with_snapshot,
    with_writer,
)


class Writing:
    """The steps of all who are not collectors, under the rules that are kept."""

    def __init__(self, scene: Scene, keeps: Keeps) -> None:
        self.scene = scene
        self.keeps = keeps

    # --- clients

    def steps_of_clients(self, state: State) -> Steps:
        for number, slot in enumerate(self.scene.slots):
            name = slot.name
            match state.snapshots[number].life:
                case Life.ABSENT:
                    yield f"{name} is started", self.start(state, number)
                case Life.PENDING:
                    yield f"{name} is to be completed", self.accept(state, number)
                case Life.SEALING:
                    yield f"{name} is completed", self.finish(state, number)
                case Life.UNDOABLE | Life.GONE:
                    yield f"{name} is brought back", self.undelete(state, number)
            yield f"{name} is deleted", self.delete(state, number)

    def start(self, state: State, number: int) -> State | None:
        slot, snapshot = self.scene.slots[number], state.snapshots[number]
        if snapshot.life is not Life.ABSENT:
            return None
        if slot.parent is None:
            return with_snapshot(state, number, Snapshot(Life.PENDING))
        parent = state.snapshots[slot.parent]
        if parent.life is not Life.COMPLETED:
            return None
        if slot.copies:
            return with_snapshot(state, number, Snapshot(Life.PENDING, source=parent.root))
        started = Snapshot(Life.PENDING, base=parent.root, promised=BLOCKS_OF[parent.root])
        return with_snapshot(state, number, started)

    def accept(self, state: State, number: int) -> State | None:
        snapshot = state.snapshots[number]
        if snapshot.life is not Life.PENDING or not (snapshot.promised or snapshot.source):
            return None
        return with_snapshot(state, number, snapshot._replace(life=Life.SEALING))

    def finish(self, state: State, number: int) -> State | None:
        """Complete. A copy's own chunks are another domain's, where it is a writer like any other: here it is over."""
        snapshot = state.snapshots[number]
        if snapshot.life is not Life.SEALING:
            return None
        if snapshot.source:
            return with_snapshot(state, number, Snapshot(Life.GONE))
        if snapshot.rows & BLOCKS and not snapshot.mapped:
            return None
        completed = Snapshot(
            Life.COMPLETED,
            root=NODE_OF[snapshot.promised],
            rows=snapshot.rows if self.keeps[Rule.KEPT_COMPLETED] else 0,
            promised=snapshot.promised,
        )
        return with_snapshot(state, number, completed)

    def delete(self, state: State, number: int) -> State | None:
        snapshot = state.snapshots[number]
        if snapshot.life in WRITTEN:
            return with_snapshot(state, number, Snapshot(Life.GONE))
        if snapshot.life is not Life.COMPLETED:
            return None
        rows = snapshot.rows if self.keeps[Rule.KEPT_DELETED] else 0
        return with_snapshot(state, number, snapshot._replace(life=Life.UNDOABLE, rows=rows))

    def undelete(self, state: State, number: int) -> State | None:
        snapshot = state.snapshots[number]
        is_there = snapshot.life is Life.UNDOABLE or (
            snapshot.life is Life.GONE and snapshot.root and not self.keeps[Rule.UNDO_ONCE]
        )
        return with_snapshot(state, number, snapshot._replace(life=Life.COMPLETED)) if is_there else None

    # --- writers

    def steps_of_writer(self, state: State, who: int) -> Steps:
        writer = state.writers[who]
        if writer.stage is Stage.IDLE:
            yield from self._tasks(state, who)
            return
        yield f"writer {who} crashes", with_writer(state, who, Writer())
        if writer.stage is Stage.NAMED:
            yield f"writer {who} writes segment {writer.segment}", self.write(state, who)
        what = f"writer {who} publishes {spoken(writer.task)} for {self.scene.slots[writer.snapshot].name}"
        yield what, self.publish(state, who)

    def _tasks(self, state: State, who: int) -> Steps:
        for number, (slot, snapshot) in enumerate(zip(self.scene.slots, state.snapshots, strict=True)):
            tasks: tuple[Chunks, ...] = ()
            if snapshot.life is Life.PENDING:
                tasks = slot.writes
            elif snapshot.life is Life.SEALING and snapshot.rows & BLOCKS and not snapshot.mapped:
                tasks = (NODE_OF[snapshot.promised],)
            for task in tasks:
                stored = self._stored(state, task)
                what = (
                    f"writer {who} begins {spoken(task)} for {slot.name}, and finds {spoken(stored)} stored"
                )
                begun = Writer(Stage.IDLE, number, task, task & ~stored)
                yield what, self.begin_writing(state, who, begun)
                if not self.keeps[Rule.CONDEMNED_FOR_GOOD]:
                    yield (
                        f"{slot.name} gets {spoken(task)} out of a condemned segment",
                        self._revive(state, number, task),
                    )

    def _stored(self, state: State, chunks: Chunks) -> Chunks:
        """Return those that a writer may rely on, as far as a look tells."""
        found = 0
        for number in numbers(chunks):
            row = state.chunks[number]
            if row is not None and not (row.bad and self.keeps[Rule.BAD_IS_NO_HIT]):
                found |= 1 << number
        return found

    def begin_writing(self, state: State, who: int, task: Writer) -> State:
        """Look what is stored, and reserve a name for the rest: names are reserved beforehand, so these are one step."""
        if not task.anew:
            return with_writer(state, who, task._replace(stage=Stage.READY))
        state, segment = reserve(state, self.keeps)
        return with_writer(state, who, task._replace(stage=Stage.NAMED, segment=segment))

    def write(self, state: State, who: int) -> State:
        """Write an object. Nobody asks the database: a writer may come as late as it likes."""
        writer = state.writers[who]
        segment = state.segments[writer.segment]
        if segment.bytes:
            return with_writer(state, who, Writer())  # a name is written once: the store refuses
        state = with_segment(state, writer.segment, segment._replace(bytes=writer.anew))
        return with_writer(state, who, writer._replace(stage=Stage.DURABLE))

    def publish(self, state: State, who: int) -> State | None:
        """The one transaction of a put: segment, chunk rows, block rows or hold. It acknowledges, or it changes less."""
        writer = state.writers[who]
        if writer.stage is Stage.NAMED and self.keeps[Rule.DATA_FIRST]:
            return None
        over = with_writer(state, who, Writer() if writer.stage is not Stage.NAMED else writer)
        if writer.stage is Stage.NAMED and state.segments[writer.segment].record is not Record.RESERVED:
            return None  # published already, before its bytes
        if not self.keeps[Rule.ROWS_FIRST] and not state.snapshots[writer.snapshot].promised & writer.task:
            return self._acknowledge_early(state, writer)
        if writer.segment == NOBODY:
            return self._add_rows(over, writer, state)
        segment = state.segments[writer.segment]
        if segment.record is not Record.RESERVED and self.keeps[Rule.FENCE]:
            return over
        after = with_segment(over, writer.segment, segment._replace(record=Record.LIVE))
        for number in numbers(writer.anew):
            row = after.chunks[number]
            if row is None or row.bad:
                after = with_row(after, number, Row(writer.segment))
        return self._add_rows(after, writer, state)

    def _add_rows(self, state: State, writer: Writer, before: State) -> State:
        snapshot = state.snapshots[writer.snapshot]
        is_node = not writer.task & BLOCKS
        if snapshot.life is not (Life.SEALING if is_node else Life.PENDING):
            return state
        relied_on = writer.task & ~writer.anew if self.keeps[Rule.HIT_RECHECKED] else 0
        if self._stored(state, writer.anew | relied_on) != writer.anew | relied_on:
            return state  # it is gone: the bytes are to be stored anew
        if is_node:
            rows = snapshot.rows | (writer.task if self.keeps[Rule.HOLDS] else 0)
            return with_snapshot(state, writer.snapshot, snapshot._replace(rows=rows, mapped=True))
        written = snapshot._replace(
            rows=snapshot.rows | writer.task, promised=snapshot.promised | writer.task
        )
        state = with_snapshot(state, writer.snapshot, written)
        return state._replace(healed=state.healed or self._heals(before, writer))

    def _heals(self, before: State, writer: Writer) -> bool:
        """Say whether block a was known as bad and is now acknowledged as stored."""
        row = before.chunks[0]
        if not writer.task & A or row is None or not row.bad:
            return False
        return not writer.anew & A or not before.segments[writer.segment].spoilt & A

    def _acknowledge_early(self, state: State, writer: Writer) -> State | None:
        snapshot = state.snapshots[writer.snapshot]
        if snapshot.life is not Life.PENDING or not writer.task & BLOCKS:
            return None
        promised = snapshot._replace(promised=snapshot.promised | writer.task)
        return with_snapshot(state, writer.snapshot, promised)

    def _revive(self, state: State, number: int, task: Chunks) -> State | None:
        """Without CONDEMNED_FOR_GOOD: content is found in a condemned segment, which is made live again."""
        for position, segment in enumerate(state.segments):
            if segment.record is Record.CONDEMNED and segment.bytes & task == task:
                after = with_segment(state, position, segment._replace(record=Record.LIVE))
                for chunk in numbers(task):
                    after = with_row(after, chunk, Row(position))
                return self._add_rows(after, Writer(Stage.READY, number, task), state)
        return None

    # --- whoever gives up reservations, and faults

    def cancel(self, state: State, number: int) -> State | None:
        segment = state.segments[number]
        if segment.record is not Record.RESERVED:
            return None
        return with_segment(state, number, segment._replace(record=Record.CANCELLED))

    def spoil(self, state: State) -> State | None:
        """A medium rots, or the key is lost that opens what was written so far: copies are no better than what was copied."""
        if state.spoilt or not any(segment.bytes & A for segment in state.segments):
            return None
        segments = tuple(segment._replace(spoilt=segment.bytes & A) for segment in state.segments)
        return state._replace(segments=segments, spoilt=True)

    def mark_bad(self, state: State) -> State | None:
        row = state.chunks[0]
        if row is None or row.bad or not state.segments[row.segment].spoilt & A:
            return None
        return with_row(state, 0, row._replace(bad=True))
