"""How a store is, in numbers: what lies there, what of it is proven, what is bad, and what waits to go.

All of it is counted when it is asked for. That takes time in proportion to the segments, a second for a million or so,
so it is a task like other long work.
"""

from typing import Final

from neve.clock import Clock
from neve.domain.snapshots import SnapshotKey
from neve.errors import SegmentMissing
from neve.server.administration.messages_tasks import CountStore, TaskView
from neve.server.administration.messages_upkeep import StatusOutcome
from neve.server.administration.task_desk import summary_of, view_of
from neve.server.administration.tasks import Task, TaskKind, Tasks
from neve.server.administration.texts import moment
from neve.server.ledger import Ledger
from neve.storage.progress import Progress, Unit
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.contract_collection import ChunkKey
from neve.stores.metadata.placement import SegmentName
from neve.stores.segments.contract import SegmentStore

_PAGE: Final = 1_000
_CONDEMNED_MAX: Final = 1_000_000
_WAITING_MAX: Final = 10_000
"""More changes than that that wait for the archive are not counted."""


class StandingDesk:
    """What operators ask about a store as a whole."""

    def __init__(
        self, metadata: MetadataStore, segments: SegmentStore, tasks: Tasks, ledger: Ledger, clock: Clock
    ) -> None:
        self._metadata = metadata
        self._segments = segments
        self._tasks = tasks
        self._ledger = ledger
        self._clock = clock

    def count(self, _request: CountStore) -> TaskView:
        return view_of(self._tasks.begin(TaskKind.COUNT, self._count))

    def _count(self, task: Task) -> StatusOutcome:
        task.on_progress(Progress(phase="counting segments", done=0, total=0, unit=Unit.SEGMENTS))
        records = self._metadata.collection
        standing = records.verification_standing()
        condemned_segments, condemned_bytes = self._condemned(task)
        task.on_progress(Progress(phase="counting bad chunks", done=0, total=0, unit=Unit.CHUNKS))
        bad_chunks, bad_bytes = self._bad(task)
        last = self._ledger.last_collection
        return StatusOutcome(
            segments=standing.segments,
            segment_bytes=standing.size_bytes,
            oldest_proof=None if standing.oldest_ms is None else moment(standing.oldest_ms),
            newest_proof=moment(standing.newest_ms) if standing.newest_ms else None,
            condemned_segments=condemned_segments,
            condemned_bytes=condemned_bytes,
            bad_chunks=bad_chunks,
            bad_bytes=bad_bytes,
            deletions=self._deletions(task),
            archive_waiting=len(self._metadata.archive.changes(limit=_WAITING_MAX)),
            last_collection=None if last is None else moment(last.ended_ms),
            last_collection_failed=last is not None and last.failed,
            last_collection_said="" if last is None else last.summary,
            unexplained_objects=0 if last is None else last.unexplained,
            tasks=[summary_of(other) for other in self._tasks.under_way() if other is not task],
        )

    def _condemned(self, task: Task) -> tuple[int, int]:
        names: list[SegmentName] = list(
            self._metadata.collection.condemned(
                condemned_before_ms=self._clock.now_ms() + 1, limit=_CONDEMNED_MAX
            )
        )
        size_bytes = 0
        for name in names:
            task.check()
            try:
                size_bytes += self._segments.size(name)
            except SegmentMissing:
                continue  # its bytes are gone, and its record is about to go
        return len(names), size_bytes

    def _bad(self, task: Task) -> tuple[int, int]:
        count = stored_bytes = 0
        after: ChunkKey | None = None
        while page := self._metadata.collection.bad_chunks(after=after, limit=_PAGE):
            task.check()
            count += len(page)
            stored_bytes += sum(chunk.record.stored_bytes for _, chunk in page)
            after = page[-1][0]
        return count, stored_bytes

    def _deletions(self, task: Task) -> int:
        count = 0
        after: SnapshotKey | None = None
        while page := self._metadata.collection.deletions(None, after=after, limit=_PAGE):
            task.check()
            count += len(page)
            after = page[-1].key
        return count
