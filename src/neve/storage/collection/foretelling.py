"""What would go, before anything does: counted by the marks, and refused if that is more than anybody would mean."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from neve.domain.blocks import ChunkId
from neve.domain.identities import DomainKey, SnapshotId
from neve.errors import CollectionStopped
from neve.storage.collection.marking import Marking
from neve.storage.collection.report import CollectionRules
from neve.storage.collection.round import Round
from neve.storage.progress import Unit
from neve.stores.metadata.contract_collection import ChunkEntry, ChunkKey, Cut, Dropped

_NAMED_MAX: Final = 3
PAGE: Final = 2_000
"""Chunk rows looked at together: a megabyte."""


def foretell(of: Round, marking: Marking, cut: Cut) -> Dropped:
    """Return what would go of what there was at the cut.

    Raises:
        CollectionStopped: a chunk that is needed has no row. Nothing was taken away.
        EpochLost: … and it is another collection that took it.
    """
    chunks = stored_bytes = looked_at = marked = 0
    for domain in of.metadata.domains():
        for entries in pages(of, domain.key):
            of.tell("counting what would go", looked_at, cut.chunk_rows, Unit.CHUNKS)
            going = unneeded(marking, entries, newest=None)
            marked += len(entries) - len(going)
            old = [entry for entry in going if entry.chunk_key <= cut.newest_chunk]
            chunks += len(old)
            stored_bytes += sum(entry.stored_bytes for entry in old)
            looked_at += len(entries)
    if marked < marking.marked:
        of.demand_epoch()
        raise CollectionStopped(
            f"{marking.marked - marked} chunks that snapshots need have no record. Nothing was taken away. `neve verify` "
            "says what is touched: mend it or delete what cannot be mended, and collect again"
        )
    return Dropped(chunks=chunks, stored_bytes=stored_bytes)


def demand_newest_records(unaccounted: Iterator[SnapshotId]) -> None:
    """Return if the archive has no snapshot that the records do not account for.

    It would have in a store whose database is an older copy, and what those snapshots share with deleted ones would go.

    Raises:
        CollectionStopped
    """
    if named := list(islice(unaccounted, _NAMED_MAX)):
        raise CollectionStopped(
            f"the archive has snapshots that the database knows nothing of, {', '.join(named)} among them: the database is "
            "an older copy than the rest of the store. Nothing was taken away. Stop the server and run `neve rebuild --replace`, "
            "which brings them back; those that nobody wants can then be deleted"
        )


def demand_moderation(going: Dropped, cut: Cut, rules: CollectionRules, share_max: float) -> None:
    """Return if no more goes than may.

    Raises:
        CollectionStopped
    """
    if going.chunks <= max(rules.free_chunks, share_max * cut.chunk_rows):
        return
    share = 100 * going.chunks / cut.chunk_rows
    raise CollectionStopped(
        f"{going.chunks:,} of {cut.chunk_rows:,} chunks would go ({share:.0f} %), and one collection may take {share_max:.0%}. "
        "Nothing was taken away, and every deletion can be undone that could be. If so much was deleted on purpose, run "
        "`neve gc` with a higher share; if not, bring it back with `neve undelete`"
    )


def pages(of: Round, domain_key: DomainKey) -> Iterator[Sequence[ChunkEntry]]:
    """Yield all chunk rows of a domain, ascending by id."""
    after: ChunkId | None = None
    while entries := of.metadata.collection.chunk_entries(domain_key, after=after, limit=PAGE):
        yield entries
        after = entries[-1].chunk_id


def unneeded(
    marking: Marking, entries: Sequence[ChunkEntry], *, newest: ChunkKey | None
) -> Sequence[ChunkEntry]:
    """Return those of these rows that bear no mark, and are not above `newest`."""
    marked = marking.is_marked([entry.chunk_id for entry in entries])
    return [
        entry
        for entry in entries
        if entry.chunk_id not in marked and (newest is None or entry.chunk_key <= newest)
    ]
