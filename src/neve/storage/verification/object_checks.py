"""Comparing the objects that are there with the records: what is in a segment store that no record explains?

The other way round, a published segment that is not there, is found by whoever looks at each (`segment_checks`).
Nothing is taken away here. An object that no record explains may hold what a newer database knew, so people decide.
"""

from collections.abc import Sequence
from typing import Final

from neve.errors import SegmentMissing
from neve.storage.progress import Check
from neve.storage.verification.report import FindingKind, Findings
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.placement import SegmentName
from neve.stores.segments.contract import SegmentStore

_PAGE: Final = 1_000


def find_unexplained(
    metadata: MetadataStore, segments: SegmentStore, findings: Findings, check: Check
) -> None:
    """Find the objects that no record explains.

    Raises:
        StoreError: the objects cannot be listed. Nothing can be said.
    """
    after: SegmentName | None = None
    while names := segments.names(after=after, limit=_PAGE):
        check()
        for name in _without_record(metadata, names):
            try:
                size_bytes = segments.size(name)
            except SegmentMissing:
                continue  # collected since it was listed, its record too
            what = (
                f"no record explains these {size_bytes} bytes: was the database put back from an older copy?"
            )
            findings.add(FindingKind.SEGMENT_UNEXPLAINED, name, what)
        after = names[-1]


def _without_record(metadata: MetadataStore, names: Sequence[SegmentName]) -> Sequence[SegmentName]:
    states = metadata.collection.segment_states(names)
    return [name for name in names if name not in states]
