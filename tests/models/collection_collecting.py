"""What a collector does in the model of collection.

    begin ─▶ close undos ─▶ cut, mark ─▶ drop rows ─▶ drop chunks ─▶ condemn ─▶ copy, repoint ─▶ bytes ─▶ record

See `collection_protocol`. Each step is a method that returns the state after it, or None where it cannot be taken.
"""

from models.collection_words import (
    CHUNK_NAMES,
    WRITTEN,
    Chunks,
    Collector,
    Keeps,
    Life,
    Record,
    Row,
    Rule,
    Scene,
    Segment,
    Snapshot,
    Stage,
    State,
    Steps,
    numbers,
    reserve,
    tree,
    with_collector,
    with_row,
    with_segment,
    with_snapshot,
)


class Collecting:
    """The steps of collectors, under the rules that are kept."""

    def __init__(self, scene: Scene, keeps: Keeps) -> None:
        self.scene = scene
        self.keeps = keeps

    def steps_of_collector(self, state: State, who: int) -> Steps:
        collector = state.collectors[who]
        name = f"collector {who}"
        if collector.stage is Stage.IDLE:
            yield f"{name} begins", self.begin(state, who)
            return
        yield f"{name} crashes", with_collector(state, who, Collector())
        for number, slot in enumerate(self.scene.slots):
            if state.snapshots[number].life is Life.UNDOABLE:
                yield f"{name} closes the undo of {slot.name}", self.close_undo(state, who, number)
        if collector.stage in {Stage.BEGUN, Stage.HALF_CUT}:
            yield f"{name} takes its cut", self.cut(state, who)
        elif collector.stage is Stage.CUT:
            for number, slot in enumerate(self.scene.slots):
                yield f"{name} drops the rows of {slot.name}", self.drop_rows(state, who, number)
            for number, chunk in enumerate(CHUNK_NAMES):
                yield f"{name} drops the chunk row of {chunk}", self.drop_chunk(state, who, number)
            yield f"{name} turns to segments", self.turn_to_segments(state, who)
        else:
            yield from self._steps_with_segments(state, who, name)

    def _steps_with_segments(self, state: State, who: int, name: str) -> Steps:
        stage, source, target = (
            state.collectors[who].stage,
            state.collectors[who].source,
            state.collectors[who].target,
        )
        if stage is Stage.COPIED:
            yield f"{name} repoints rows from segment {source} to segment {target}", self.repoint(state, who)
        elif stage is Stage.TAKING:
            yield f"{name} deletes the bytes of segment {source}", self.delete_bytes(state, who)
        else:
            for number in range(len(state.segments)):
                yield f"{name} condemns segment {number}", self.condemn(state, who, number)
                yield f"{name} copies segment {number} into another", self.copy(state, who, number)
                yield f"{name} finds that segment {number} may go", self.begin_taking(state, who, number)
                yield f"{name} forgets the record of segment {number}", self.forget_record(state, who, number)

    def begin(self, state: State, who: int) -> State:
        collectors = tuple(other._replace(owns_epoch=False) for other in state.collectors)
        return with_collector(
            state._replace(collectors=collectors), who, Collector(Stage.BEGUN, owns_epoch=True)
        )

    def close_undo(self, state: State, who: int, number: int) -> State | None:
        """Whenever it likes: how long a deletion can be undone is nobody's safety."""
        snapshot = state.snapshots[number]
        if snapshot.life is not Life.UNDOABLE or not self._may(state, who, Rule.EPOCH_OF_UNDO):
            return None
        root = 0 if self.keeps[Rule.UNDO_ONCE] else snapshot.root
        promised = 0 if self.keeps[Rule.UNDO_ONCE] else snapshot.promised
        return with_snapshot(
            state, number, Snapshot(Life.GONE, root=root, rows=snapshot.rows, promised=promised)
        )

    def cut(self, state: State, who: int) -> State | None:
        """Note what is needed, whose roots speak for themselves, and which chunk rows there are; then mark."""
        collector = state.collectors[who]
        if not self._may(state, who, Rule.EPOCH_OF_CUT):
            return None
        if collector.stage is Stage.BEGUN:
            collector = collector._replace(marked=self._needed(state))
            if not self.keeps[Rule.ONE_CUT]:
                return with_collector(state, who, collector._replace(stage=Stage.HALF_CUT))
        elif collector.stage is not Stage.HALF_CUT:
            return None
        unsettled = sum(1 << number for number, each in enumerate(state.snapshots) if _is_unsettled(each))
        old = sum(1 << number for number, row in enumerate(state.chunks) if row is not None)
        taken = collector._replace(stage=Stage.CUT, unsettled=unsettled, old=old)
        return with_collector(state, who, taken)

    def _needed(self, state: State) -> Chunks:
        needed = 0
        for snapshot in state.snapshots:
            if snapshot.life is Life.COMPLETED or (
                snapshot.life is Life.UNDOABLE and self.keeps[Rule.UNDO_COUNTS]
            ):
                needed |= tree(snapshot.root)
            if snapshot.base and self.keeps[Rule.BASE_ROOTS]:
                needed |= tree(snapshot.base)
            if snapshot.source and self.keeps[Rule.SOURCE_ROOTS]:
                needed |= tree(snapshot.source)
            if not self.keeps[Rule.RECHECKED]:
                needed |= snapshot.rows  # somebody who looks once, at the cut, and not again
        return needed

    def drop_rows(self, state: State, who: int, number: int) -> State | None:
        """From here on the root alone speaks for a snapshot's chunks, in this cut and in every later one."""
        collector, snapshot = state.collectors[who], state.snapshots[number]
        if collector.stage is not Stage.CUT or not _is_unsettled(snapshot):
            return None
        is_noted = collector.unsettled >> number & 1
        if (self.keeps[Rule.NOTED_ONLY] and not is_noted) or not self._may(state, who, Rule.EPOCH_OF_ROWS):
            return None
        return with_snapshot(state, number, snapshot._replace(rows=0))

    def drop_chunk(self, state: State, who: int, number: int) -> State | None:
        collector, chunk = state.collectors[who], 1 << number
        if collector.stage is not Stage.CUT or state.chunks[number] is None or collector.marked & chunk:
            return None
        if not self._may(state, who, Rule.EPOCH_OF_CHUNKS):
            return None
        if not collector.old & chunk and self.keeps[Rule.OLD_ONLY]:
            return None
        if self.keeps[Rule.RECHECKED] and any(snapshot.rows & chunk for snapshot in state.snapshots):
            return None
        return with_row(state, number, None)

    def turn_to_segments(self, state: State, who: int) -> State | None:
        """What remains asks the database alone, so the cut is forgotten."""
        collector = state.collectors[who]
        if collector.stage is not Stage.CUT:
            return None
        return with_collector(state, who, Collector(Stage.TIDY, owns_epoch=collector.owns_epoch))

    def condemn(self, state: State, who: int, number: int) -> State | None:
        segment = state.segments[number]
        if state.collectors[who].stage is not Stage.TIDY or segment.record is not Record.LIVE:
            return None
        if not self._may(state, who, Rule.EPOCH_OF_SEGMENTS):
            return None
        if self.keeps[Rule.EMPTY_ONLY] and any(row and row.segment == number for row in state.chunks):
            return None
        return with_segment(state, number, segment._replace(record=Record.CONDEMNED))

    def copy(self, state: State, who: int, number: int) -> State | None:
        """Read what rows say is there, prove it, and write it under a name reserved for it.

        Bytes that are gone or wrong are not copied. A name without an object can only be cancelled, so this is one step.
        """
        collector, source = state.collectors[who], state.segments[number]
        moved = _good_rows_into(state, number)
        if not self.scene.rewrites or collector.stage is not Stage.TIDY or not moved:
            return None
        if moved & ~(source.bytes & ~source.spoilt):
            return None
        state, target = reserve(state, self.keeps)
        state = with_segment(state, target, Segment(Record.RESERVED, moved))
        copied = Collector(Stage.COPIED, collector.owns_epoch, source=number, target=target, moved=moved)
        return with_collector(state, who, copied)

    def repoint(self, state: State, who: int) -> State | None:
        collector = state.collectors[who]
        if collector.stage is not Stage.COPIED:
            return None
        target = state.segments[collector.target]
        is_fenced = target.record is not Record.RESERVED and self.keeps[Rule.COPY_FENCED]
        if is_fenced or not self._may(state, who, Rule.EPOCH_OF_SEGMENTS):
            return with_collector(state, who, Collector())
        after = with_segment(state, collector.target, target._replace(record=Record.LIVE))
        for number in numbers(collector.moved):
            row = state.chunks[number]
            if self.keeps[Rule.COMPARED] and row != Row(collector.source):
                continue
            after = with_row(after, number, Row(collector.target))
        return with_collector(after, who, Collector(Stage.TIDY, owns_epoch=collector.owns_epoch))

    def begin_taking(self, state: State, who: int, number: int) -> State | None:
        """See that a segment is condemned or cancelled. What is done about it may come much later."""
        segment = state.segments[number]
        if state.collectors[who].stage is not Stage.TIDY or not segment.bytes:
            return None
        if segment.record not in {Record.CONDEMNED, Record.CANCELLED}:
            return None
        if segment.record is Record.CONDEMNED and not self.keeps[Rule.BYTES_FIRST]:
            state = with_segment(state, number, segment._replace(record=Record.NONE))
        return with_collector(state, who, state.collectors[who]._replace(stage=Stage.TAKING, source=number))

    def delete_bytes(self, state: State, who: int) -> State | None:
        """Delete an object. Nobody asks the database, nor whose epoch it is: that no such name lives again is enough."""
        collector = state.collectors[who]
        if collector.stage is not Stage.TAKING:
            return None
        segment = state.segments[collector.source]
        state = with_segment(state, collector.source, segment._replace(bytes=0, spoilt=0))
        return with_collector(state, who, Collector(Stage.TIDY, collector.owns_epoch))

    def forget_record(self, state: State, who: int, number: int) -> State | None:
        """Forget a condemned segment whose object is gone.

        A cancelled one stays on record: its writer may still come, and then its bytes need an explanation.
        """
        segment = state.segments[number]
        if state.collectors[who].stage is not Stage.TIDY:
            return None
        if segment.record is not Record.CONDEMNED or segment.bytes:
            return None
        return with_segment(state, number, segment._replace(record=Record.NONE))

    def _may(self, state: State, who: int, rule: Rule) -> bool:
        collector = state.collectors[who]
        return collector.stage is not Stage.IDLE and (collector.owns_epoch or not self.keeps[rule])


def _is_unsettled(snapshot: Snapshot) -> bool:
    return snapshot.rows != 0 and snapshot.life not in WRITTEN


def _good_rows_into(state: State, number: int) -> Chunks:
    """Return the chunks whose rows name a segment and are not bad."""
    return sum(1 << chunk for chunk, row in enumerate(state.chunks) if row == Row(number))
