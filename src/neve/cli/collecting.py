"""`neve gc`: free what nothing needs."""

from typing import Annotated

import typer

from neve.cli.administering import DirectoryArgument, administering, plain
from neve.cli.client_options import QuietOption, interruptible
from neve.cli.client_progress import sized
from neve.cli.exit_codes import CommandFailed, ExitCode
from neve.cli.managing import asked
from neve.cli.output import OutputFormat, OutputOption, note, result, result_json
from neve.cli.task_progress import task_reporter
from neve.cli.tasks import awaited
from neve.server.administration.messages_tasks import CollectGarbage
from neve.server.administration.messages_upkeep import CollectionOutcome


def collect(
    directory: DirectoryArgument,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Free nothing: only say what would be let go and freed now.")
    ] = False,
    share_max: Annotated[
        str,
        typer.Option(
            metavar="PERCENT",
            help="How much of all chunks may go in this collection. (default: `collect_share_max`)",
            show_default=False,
        ),
    ] = "",
    at_once: Annotated[
        bool,
        typer.Option(
            "--at-once",
            help="Keep nothing any longer: every deletion becomes final now, and its bytes go now.",
        ),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask; --at-once asks at a terminal.")
    ] = False,
    quiet: QuietOption = False,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Free what nothing needs: chunks of deleted snapshots, and room that lies waste in segments.

    The server does it by itself every `collect_interval_s`. A deletion can be undone for `deletion_undo_s`; the first
    collection after that lets its chunks go, and their bytes are freed by the first one that comes `condemned_keep_s`
    later. --at-once waits for neither, which is for a disk that is full: no deletion can be undone after it. What snapshots
    need, what is being written and what is in the recycle bin stays in any case.

    It never blocks a request and may be interrupted at any time: the next one goes on. Anything that it does not understand
    stops it before it takes anything away, and so does an unlikely share of all chunks that would go: look at what was
    deleted, then say with --share-max 100% that this is right.

    \b
    Examples:
      neve gc /var/lib/neve --dry-run
      neve gc /var/lib/neve --at-once --yes

    \b
    Exit status:
      0    done
      1    it stopped, and the message says why; or a collection is under way
      2    wrong usage
      4    no store there, or it cannot be opened
      5    the server that has the store open did not answer
      7    done, and segments that are needed are missing
      130  interrupted
    """
    if at_once and not dry_run:
        asked("No deletion can be undone after this. Free everything at once?", yes=yes)
    request = CollectGarbage(dry_run=dry_run, share_max=share_max, at_once=at_once)
    with administering(directory) as administrator, interruptible():
        reporter = task_reporter(quiet=quiet)
        try:
            found = awaited(administrator, request, reporter).outcome
        finally:
            reporter.close()
    assert isinstance(found, CollectionOutcome), "that is what was asked for"
    if output is OutputFormat.JSON:
        fields = plain(found)
        del fields["outcome"]
        result_json(fields)
    elif found.dry_run:
        _foretell(found)
    else:
        _show(found, at_once=at_once)
    _warn(found)
    if found.missing:
        raise CommandFailed(
            f"{found.missing} segments that are needed are missing: `neve verify` says what that touches.",
            ExitCode.FOUND,
        )


def _foretell(found: CollectionOutcome) -> None:
    result(f"{found.undos_closed} deletions would become final.")
    result(f"{found.chunks_dropped} chunks ({sized(found.bytes_dropped)}) would be let go.")
    result(f"{sized(found.bytes_deleted)} in {found.segments_deleted} segments would be free now.")


def _show(found: CollectionOutcome, *, at_once: bool) -> None:
    result(f"{found.undos_closed} deletions became final.")
    result(f"{found.chunks_dropped} chunks ({sized(found.bytes_dropped)}) were let go.")
    if found.segments_rewritten:
        result(
            f"{found.segments_rewritten} segments were rewritten, {sized(found.bytes_rewritten)} of them kept."
        )
    if found.segments_condemned:
        when = "they are freed when `condemned_keep_s` is over"
        if at_once:
            when = "what of them is not free yet goes with the next --at-once"
        waiting = (
            f"{sized(found.bytes_condemned)} in {found.segments_condemned} segments are not needed any more"
        )
        result(f"{waiting}; {when}.")
    result(f"{sized(found.bytes_deleted)} in {found.segments_deleted} segments are free.")


def _warn(found: CollectionOutcome) -> None:
    if found.overtaken:
        note("neve: another collection began meanwhile, and goes on in the place of this one.")
    if found.out_of_room:
        note(
            "neve: there is no room to rewrite segments that are mostly waste: the next collection tries again."
        )
    if found.segments_left:
        note(
            f"neve: {found.segments_left} segments ought to be rewritten, and hold something bad or not proven: `neve verify`."
        )
    if found.unexplained:
        names = ", ".join(found.unexplained_names)
        note(
            f"neve: {found.unexplained} segments have no record and were left alone, since a newer database may know them: "
            f"{names}"
        )
