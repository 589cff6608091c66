"""Segments that nothing names: condemned, and their bytes deleted when they were kept long enough; and what does not fit.

    live, no chunk row ─▶ condemned ─ condemned_keep_s ─▶ bytes deleted ─▶ record forgotten
    an object whose record is cancelled ─ condemned_keep_s from when that was first seen ─▶ deleted, if none is without record
    an object without any record ─▶ reported, never deleted: it may hold what a newer database knew was acknowledged
    a live record without its object ─▶ its chunks marked bad, so that an upload heals them; reported

What is condemned or cancelled never lives again, so that its bytes may go at any time and by anybody, as far as this
database goes. One that was put back from an older copy takes names for cancelled that a newer one had published under: so
those objects are kept for a while, too, and `neve rebuild` finds in them what was acknowledged. A listing only
proposes: whether something is there, or gone, is asked for each by name before it is believed.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Final

from neve.domain.blocks import ChunkId
from neve.errors import SegmentMissing
from neve.events import Report, SegmentFoundMissing
from neve.storage.collection.round import Round
from neve.storage.progress import Unit
from neve.stores.marks.contract import Mark, MarkStore, OpenMarks
from neve.stores.metadata.contract_collection import SegmentKey, SegmentState, SegmentUse
from neve.stores.metadata.placement import SegmentName
from neve.stores.segments.contract import SegmentStore

_SLICE: Final = 250
"""Segments condemned in one transaction."""
_PAGE: Final = 1_000
_REPORTED_MAX: Final = 100
"""Missing segments that are reported one by one; the report counts all."""
_LISTED: Final = Mark(0, 0)


class Sweeper:
    """Looks through segments. For one thread."""

    def __init__(self, of: Round, *, segments: SegmentStore, open_marks: OpenMarks, report: Report) -> None:
        self._round = of
        self._records = of.metadata.collection
        self._segments = segments
        self._open_marks = open_marks
        self._report = report

    def condemn_empty(self) -> SegmentKey:
        """Condemn the live segments that no chunk row names; return the key of the newest one there was.

        Raises:
            EpochLost
        """
        newest = SegmentKey(0)
        looked_at = 0
        for uses in self._uses():
            self._round.tell("looking at segments", looked_at, 0, Unit.SEGMENTS)
            looked_at += len(uses)
            newest = uses[-1].segment_key
            empty = [use for use in uses if use.state is SegmentState.LIVE and not use.chunk_rows]
            for start in range(0, len(empty), _SLICE):
                self._condemn(empty[start : start + _SLICE])
        return newest

    def _condemn(self, empty: Sequence[SegmentUse]) -> None:
        names = [use.name for use in empty]
        self._round.check()
        with self._round.transaction():
            condemned = set(
                self._records.condemn(self._round.own_epoch, names, now_ms=self._round.clock.now_ms())
            )
        self._round.tally.add(
            segments_condemned=len(condemned),
            bytes_condemned=sum(use.size_bytes for use in empty if use.name in condemned),
        )

    def delete_condemned(self, *, condemned_before_ms: int) -> None:
        """Delete the bytes of segments condemned before then, and their records after them.

        Raises:
            StoreUnavailable: some segment cannot be deleted. The others can be, once it is.
        """
        while names := self._records.condemned(condemned_before_ms=condemned_before_ms, limit=_PAGE):
            for done, name in enumerate(names):
                self._round.tell("deleting segments", done, len(names), Unit.SEGMENTS)
                size_bytes = self._size(name) or 0
                self._segments.delete(name)
                with self._round.transaction():
                    self._records.forget_segment(name)
                self._round.tally.add(segments_deleted=1, bytes_deleted=size_bytes)

    def foretell_deleted(self, *, condemned_before_ms: int) -> None:
        """Count what `delete_condemned` would delete."""
        for uses in self._uses():
            self._round.check()
            old = [
                use for use in uses if use.condemned_ms is not None and use.condemned_ms < condemned_before_ms
            ]
            self._round.tally.add(segments_deleted=len(old), bytes_deleted=sum(use.size_bytes for use in old))

    def compare(self, *, found_before_ms: int) -> None:
        """Hold the objects that are there to the records, and the records to the objects.

        Cancelled ones that were found before then go, if no object is without a record.

        Raises:
            StoreError: objects cannot be listed or asked for. What was not looked at stays as it is.
        """
        with closing(self._open_marks()) as listed:
            has_cancelled = self._explain_objects(listed)
            self._find_objects(listed)
        if has_cancelled:
            self._go_through_cancelled(found_before_ms)

    # --- objects

    def _explain_objects(self, listed: MarkStore) -> bool:
        """Note all objects, and those without a record; return whether there are cancelled ones."""
        has_cancelled = False
        for names, states in self._objects():
            listed.put({_mark_of(name): _LISTED for name in names})
            has_cancelled = has_cancelled or SegmentState.CANCELLED in states.values()
            # One that was condemned may have gone since it was listed, and its record after it.
            unexplained = [name for name in names if name not in states and self._size(name) is not None]
            self._round.tally.name("unexplained", unexplained)
        return has_cancelled

    def _go_through_cancelled(self, found_before_ms: int) -> None:
        """Delete what writers left long ago that can never be published. Records stay: those writers may wake up yet.

        An object without a record says that the database is an older one than the objects: then nothing goes.
        """
        is_explained = not self._round.tally.report.unexplained
        for names, states in self._objects():
            cancelled = [name for name in names if states.get(name) is SegmentState.CANCELLED]
            if self._round.epoch is not None and cancelled:
                with self._round.transaction():
                    cancelled = list(
                        self._records.found_cancelled(
                            cancelled, now_ms=self._round.clock.now_ms(), found_before_ms=found_before_ms
                        )
                    )
            for name in cancelled if is_explained else ():
                self._delete_cancelled(name)

    def _delete_cancelled(self, name: SegmentName) -> None:
        self._round.check()
        size_bytes = self._size(name) or 0
        if self._round.epoch is not None:
            self._segments.delete(name)
        self._round.tally.add(segments_deleted=1, bytes_deleted=size_bytes)

    def _objects(self) -> Iterator[tuple[Sequence[SegmentName], Mapping[SegmentName, SegmentState]]]:
        """Yield all names of objects with the states of those that have a record."""
        after: SegmentName | None = None
        looked_at = 0
        while names := self._segments.names(after=after, limit=_PAGE):
            self._round.tell("comparing objects and records", looked_at, 0, Unit.SEGMENTS)
            looked_at += len(names)
            yield names, self._records.segment_states(names)
            after = names[-1]

    # --- records

    def _find_objects(self, listed: MarkStore) -> None:
        for uses in self._uses():
            self._round.check()
            live = [use.name for use in uses if use.state is SegmentState.LIVE]
            found = listed.marks([_mark_of(name) for name in live])
            for name in live:
                # It may have been published since; or rewritten, condemned and deleted.
                if _mark_of(name) not in found and self._size(name) is None and self._is_live(name):
                    self._note_missing(name)

    def _note_missing(self, name: SegmentName) -> None:
        chunks = self._records.segment_chunks(name)
        if self._round.epoch is not None:
            for each in chunks:
                if not each.bad:
                    self._round.check()
                    with self._round.transaction():
                        self._round.metadata.mark_bad(each.record.domain_key, each.record.chunk_id)
            if self._round.tally.report.missing < _REPORTED_MAX:
                self._report(SegmentFoundMissing(segment=name, chunks=len(chunks)))
        self._round.tally.name("missing", [name])

    def _is_live(self, name: SegmentName) -> bool:
        return self._records.segment_states([name]).get(name) is SegmentState.LIVE

    def _size(self, name: SegmentName) -> int | None:
        try:
            return self._segments.size(name)
        except SegmentMissing:
            return None

    def _uses(self) -> Iterator[Sequence[SegmentUse]]:
        after: SegmentKey | None = None
        while uses := self._records.segments(after=after, limit=_PAGE):
            yield uses
            after = uses[-1].segment_key


def _mark_of(name: SegmentName) -> ChunkId:
    """Return a name as a mark store takes it: any name, for a record may have been altered."""
    return ChunkId(hashlib.sha256(name.encode()).digest())
