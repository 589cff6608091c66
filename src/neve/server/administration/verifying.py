"""Verification, as operators ask for it."""

from collections.abc import Callable

from neve.events import ChunkFoundDamaged, Event, Report, VerificationFound
from neve.server.administration.messages_tasks import AnyRow, TaskView, VerifyStore
from neve.server.administration.messages_upkeep import (
    FindingRow,
    TouchedRow,
    UnprovenRow,
    VerificationOutcome,
)
from neve.server.administration.task_desk import view_of
from neve.server.administration.tasks import Task, TaskKind, Tasks
from neve.server.administration.texts import duration_ms, moment, share_of
from neve.storage.verification.report import TouchedSnapshot, VerificationReport
from neve.storage.verification.verifier import Verifier

OpenVerifier = Callable[[Report], Verifier]
"""Returns what verifies a store, with caches of its own, and tells as it is told to."""


class VerificationDesk:
    """What operators ask about whether everything is there and right."""

    def __init__(self, open_verifier: OpenVerifier, tasks: Tasks, report: Report) -> None:
        self._open_verifier = open_verifier
        self._tasks = tasks
        self._report = report

    def verify(self, request: VerifyStore) -> TaskView:
        sample = share_of(request.sample) if request.sample else None
        budget_s = duration_ms(request.budget) / 1_000 if request.budget else None
        data = request.data or sample is not None or budget_s is not None

        def work(task: Task) -> VerificationOutcome:
            verifier = self._open_verifier(counting(task, self._report))
            found = verifier.verify(
                data=data, sample=sample, budget_s=budget_s, on_progress=task.on_progress, check=task.check
            )
            task.replace_rows(found_rows(found))
            return _outcome(found)

        return view_of(self._tasks.begin(TaskKind.VERIFICATION, work))


def counting(task: Task, report: Report) -> Report:
    """Return what passes events on, and counts findings for whoever watches: their rows come in the end."""

    def take(event: Event) -> None:
        if isinstance(event, VerificationFound | ChunkFoundDamaged):
            task.count_found()
        report(event)

    return take


def _touched_row(touched: TouchedSnapshot) -> TouchedRow:
    """Return a row about a snapshot that has lost something."""
    return TouchedRow(
        snapshot_id=touched.snapshot_id,
        account_id=touched.account_id,
        state=touched.state.value,
        ranges=[(each.first, each.last) for each in touched.ranges],
        ranges_left_out=touched.ranges_left_out,
        blocks_lost=touched.blocks_lost,
        nodes_lost=touched.nodes_lost,
        of_copied=touched.of_copied,
    )


def found_rows(found: VerificationReport) -> list[AnyRow]:
    """Return what a verification found, what that touches, and what could not be proven."""
    return [
        *(FindingRow(kind=each.kind.value, subject=each.subject, what=each.what) for each in found.findings),
        *map(_touched_row, found.touched),
        *(
            UnprovenRow(
                kms_key_arn=each.kms_key_arn,
                chunks=each.chunks,
                stored_bytes=each.stored_bytes,
                why=each.why,
            )
            for each in found.unproven
        ),
    ]


def _outcome(found: VerificationReport) -> VerificationOutcome:
    return VerificationOutcome(
        started=moment(found.started_ms),
        ended=moment(found.ended_ms),
        data=found.data,
        finished=found.finished,
        segments=found.segments,
        segments_read=found.segments_read,
        bytes_read=found.bytes_read,
        chunks_proven=found.chunks_proven,
        chunks_cleared=found.chunks_cleared,
        snapshots=found.snapshots,
        archive_objects=found.archive_objects,
        findings=sum(found.finding_counts.values()),
        touched=found.touched_count,
    )
