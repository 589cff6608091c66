"""`neve rebuild`: the database of a store, made again from what lies beside it."""

from typing import Annotated

import typer

from neve.assemble_rebuild import Rebuilt, rebuild_metadata
from neve.cli.administering import DirectoryArgument
from neve.cli.client_options import QuietOption, interruptible
from neve.cli.exit_codes import CommandFailed, ExitCode
from neve.cli.findings import findings_json, show_findings
from neve.cli.managing import printable
from neve.cli.output import OutputFormat, OutputOption, note, result, result_json
from neve.cli.settings_options import load_settings
from neve.cli.task_progress import TaskReporter, task_reporter
from neve.clock import SystemClock
from neve.server.administration.messages_tasks import AnyRow, TaskView
from neve.server.administration.texts import moment
from neve.server.administration.verifying import found_rows
from neve.storage.progress import OnProgress, Progress, unhurried

_LEFT_OUT_SHOWN = 50


def rebuild(
    directory: DirectoryArgument,
    *,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="There is a database, but it is lost or wrong: move it aside."),
    ] = False,
    quiet: QuietOption = False,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Make the database of a store again, from the archive and the segments beside it.

    For a store whose `metadata.db` is lost, damaged or older than its segments. What comes back: accounts, users, policies,
    access keys, KMS keys of the store's own, every completed snapshot with its tags, permissions, lock and place in the
    recycle bin, and deletions that could still be undone. What changed within the last seconds before the loss may be
    missing (`archive_interval_s`). What does not come back: snapshots that were not completed, and client tokens.

    No server may have the store open. It reads the archive, the tables of all segments and every block map, and writes a new
    database beside the old one's place, which takes it when it is whole: interrupted, it leaves the store as it was. The
    master key must be there. `neve verify --data` proves the rest.

    \b
    Examples:
      neve rebuild /var/lib/neve
      neve rebuild /var/lib/neve --replace --output json

    \b
    Exit status:
      0    done, and everything that the archive has is whole
      1    it could not be done; the store is as it was
      2    wrong usage
      4    no store there, or it cannot be opened, or it has a database (--replace)
      7    done, but something could not be restored or is not whole; the result says what
      130  interrupted; the store is as it was
    """
    settings = load_settings(directory).settings
    reporter = task_reporter(quiet=quiet)
    with interruptible():
        try:
            rebuilt = rebuild_metadata(
                directory, settings, replace=replace, on_progress=_told(reporter), check=unhurried
            )
        finally:
            reporter.close()
    rows = found_rows(rebuilt.verification)
    if output is OutputFormat.JSON:
        _show_json(rebuilt, rows)
    else:
        _show(rebuilt, rows)
    if rebuilt.report.left_out_count or not rebuilt.verification.is_sound:
        raise CommandFailed(
            f"{rebuilt.report.left_out_count} things could not be restored, and {rebuilt.verification.touched_count} snapshots "
            "have lost blocks: see docs/operations.md, and `neve repair` if there is a copy anywhere.",
            ExitCode.FOUND,
        )


def _told(reporter: TaskReporter) -> OnProgress:
    clock = SystemClock()
    begun, started_s = moment(clock.now_ms()), clock.monotonic_s()

    def tell(progress: Progress) -> None:
        reporter(
            TaskView(
                task_id="",
                kind="rebuild",
                running=True,
                by_itself=False,
                begun=begun,
                elapsed_s=clock.monotonic_s() - started_s,
                phase=progress.phase,
                done=progress.done,
                total=progress.total,
                unit=progress.unit,
                rows=[],
                rows_kept=0,
                rows_found=0,
                outcome=None,
            )
        )

    return tell


def _show(rebuilt: Rebuilt, rows: list[AnyRow]) -> None:
    report = rebuilt.report
    for what in report.left_out[:_LEFT_OUT_SHOWN]:
        result(printable(f"not restored: {what}"))
    if report.left_out_count > _LEFT_OUT_SHOWN:
        note(f"neve: {report.left_out_count - _LEFT_OUT_SHOWN} more (--output json has them)")
    show_findings(rows)
    counts = ", ".join(f"{count} {kind}" for kind, count in report.restored.items() if kind != "store")
    result(f"Restored records: {counts}.")
    result(f"Found {report.chunks} chunks in {report.segments} segments.")
    for file in rebuilt.moved_aside:
        note(f"neve: part of the old database is now {file}: remove it when you are sure")


def _show_json(rebuilt: Rebuilt, rows: list[AnyRow]) -> None:
    report = rebuilt.report
    result_json(
        {
            "restored": report.restored,
            "segments": report.segments,
            "chunks": report.chunks,
            "left_out": report.left_out,
            "left_out_count": report.left_out_count,
            "moved_aside": [str(file) for file in rebuilt.moved_aside],
            "finding_count": sum(rebuilt.verification.finding_counts.values()),
            "touched_count": rebuilt.verification.touched_count,
        }
        | findings_json(rows)
    )
