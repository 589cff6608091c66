"""What a collection is told beforehand, and what it says in the end."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from neve.stores.metadata.placement import SegmentName

_NAMES_MAX: Final = 100
"""As many segments are named; what is counted beside them is all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionRules:
    """What an operator set. None of it stands in the safety argument: it is for what somebody may still want back."""

    deletion_undo_s: int
    """How long the deletion of a completed snapshot can be undone."""
    condemned_keep_s: int
    """How long the bytes of segments stay that no chunk row names."""
    share_max: float
    """The share of all chunks that one collection may take away without being told that this is right."""
    free_chunks: int = 10_000
    """So many may go whatever the share: a small store is emptied in a moment by whoever owns it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionReport:
    """What a collection did; of a dry run what one would do now, as far as that is known beforehand."""

    dry_run: bool = False
    overtaken: bool = False
    """Another collection began meanwhile and goes on in its place; what is counted here was done before."""

    undos_closed: int = 0
    """Deletions that cannot be undone any more."""
    snapshots_settled: int = 0
    """Completed snapshots whose block rows and holds went: their roots speak for their chunks from now on."""
    rows_dropped: int = 0
    """Those block rows and holds, and those of snapshots that never completed."""
    chunks_dropped: int = 0
    bytes_dropped: int = 0
    """What those chunks take in their segments."""
    snapshots_forgotten: int = 0
    """Deleted snapshots whose last record went."""

    segments_condemned: int = 0
    bytes_condemned: int = 0
    """What becomes free once `condemned_keep_s` is over."""
    segments_deleted: int = 0
    bytes_deleted: int = 0
    """What became free: segments condemned long enough ago, and what writers left that were cancelled."""
    segments_rewritten: int = 0
    """Condemned, too, after the chunks that are needed were copied out of them."""
    bytes_rewritten: int = 0
    segments_left: int = 0
    """That ought to be rewritten and are as they were: some chunk of theirs is bad, or cannot be proven now."""
    out_of_room: bool = False
    """There was no room to rewrite segments in."""

    unexplained: int = 0
    """Objects without any record: they may hold what a newer database knew, and are left alone."""
    unexplained_names: tuple[SegmentName, ...] = ()
    missing: int = 0
    """Live segments whose objects are gone. Their chunks are marked bad."""
    missing_names: tuple[SegmentName, ...] = ()


class Tally:
    """A report in the making."""

    def __init__(self, *, dry_run: bool) -> None:
        self.report = CollectionReport(dry_run=dry_run)

    def add(self, **counts: int) -> None:
        """Add to what is counted."""
        self._change({name: getattr(self.report, name) + count for name, count in counts.items()})

    def name(self, list_name: str, names: Sequence[SegmentName]) -> None:
        """Count segments in a list of the report, and name the first ones."""
        named = (*getattr(self.report, f"{list_name}_names"), *names)[:_NAMES_MAX]
        count = getattr(self.report, list_name) + len(names)
        self._change({list_name: count, f"{list_name}_names": named})

    def note(self, what: str) -> None:
        """Say yes to one of the report's questions."""
        self._change({what: True})

    def _change(self, changes: dict[str, Any]) -> None:
        assert changes.keys() <= {field.name for field in fields(CollectionReport)}
        self.report = replace(self.report, **changes)
