"""Letting records go, in small transactions each of which demands the epoch and looks again.

    rows of what was completed at the cut ─▶ chunk rows without mark, not above the cut, that nothing names now ─▶ snapshots

May end anywhere: what is left, the next collection finds.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Final

from neve.domain.snapshots import SnapshotKey
from neve.storage.collection.foretelling import pages, unneeded
from neve.storage.collection.marking import Marking
from neve.storage.collection.round import Round
from neve.storage.progress import Unit
from neve.stores.metadata.contract_collection import Cut

_SLICE: Final = 100
"""Rows that go in one transaction: puts wait for it. Each lies in a page of its own, which is written with the commit."""


def close_undos(of: Round, *, deleted_before_ms: int) -> None:
    """Make deletions before then final.

    Raises:
        EpochLost, as all that follow
    """
    more = True
    while more:
        of.check()
        with of.transaction():
            closed = of.metadata.collection.close_undo(
                of.own_epoch, deleted_before_ms=deleted_before_ms, limit=_SLICE
            )
        of.tally.add(undos_closed=len(closed))
        more = len(closed) == _SLICE


def drop_rows(of: Round, unsettled: Sequence[int]) -> None:
    """Drop the block rows and holds of snapshots that the cut called unsettled: everything in the cut is marked by now.

    Those of snapshots that never completed go, too, if nobody took them yet: no mark is needed for that.
    """
    for done, snapshot_key in enumerate(map(SnapshotKey, unsettled)):
        of.tell("letting rows go", done, len(unsettled), Unit.SNAPSHOTS)
        dropped = _SLICE
        while dropped == _SLICE:
            of.check()
            with of.transaction():
                dropped = of.metadata.collection.drop_rows(of.own_epoch, snapshot_key, limit=_SLICE)
            of.tally.add(rows_dropped=dropped)
        of.tally.add(snapshots_settled=1)
    reaped = _SLICE
    while reaped == _SLICE:
        of.check()
        with of.transaction():
            reaped = of.metadata.reap(limit=_SLICE)
        of.tally.add(rows_dropped=reaped)


def drop_chunks(of: Round, marking: Marking, cut: Cut) -> None:
    """Drop the chunk rows that bear no mark; the store leaves those that are newer than the cut or named now."""
    looked_at = 0
    for domain in of.metadata.domains():
        for entries in pages(of, domain.key):
            of.tell("letting chunks go", looked_at, cut.chunk_rows, Unit.CHUNKS)
            looked_at += len(entries)
            going = iter(unneeded(marking, entries, newest=cut.newest_chunk))
            while some := [entry.chunk_id for entry in islice(going, _SLICE)]:
                of.check()
                with of.transaction():
                    dropped = of.metadata.collection.drop_chunks(
                        of.own_epoch, domain.key, some, newest=cut.newest_chunk
                    )
                of.tally.add(chunks_dropped=dropped.chunks, bytes_dropped=dropped.stored_bytes)


def forget_snapshots(of: Round) -> None:
    """Forget deleted snapshots of which nothing is left but their record."""
    forgotten = _SLICE
    while forgotten == _SLICE:
        of.check()
        with of.transaction():
            forgotten = len(of.metadata.collection.forget_snapshots(of.own_epoch, limit=_SLICE))
        of.tally.add(snapshots_forgotten=forgotten)
