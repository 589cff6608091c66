"""`neve verify`: is everything there and right?"""

from typing import Annotated

import typer

from neve.cli.administering import DirectoryArgument, administering, plain
from neve.cli.client_options import QuietOption, interruptible
from neve.cli.client_progress import sized
from neve.cli.exit_codes import CommandFailed, ExitCode
from neve.cli.findings import findings_json, show_findings
from neve.cli.output import OutputFormat, OutputOption, note, result, result_json
from neve.cli.task_progress import task_reporter
from neve.cli.tasks import Finished, awaited
from neve.server.administration.messages_tasks import VerifyStore
from neve.server.administration.messages_upkeep import UnprovenRow, VerificationOutcome


def verify(
    directory: DirectoryArgument,
    *,
    data: Annotated[
        bool,
        typer.Option("--data", help="Read and prove every stored byte, what was read longest ago first."),
    ] = False,
    sample: Annotated[
        str,
        typer.Option(
            metavar="PERCENT",
            help="Read only a share of all segments, chosen by chance: 5%.",
            show_default=False,
        ),
    ] = "",
    budget: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="Read for so long, such as 2h or 30m; the next time goes on from there.",
            show_default=False,
        ),
    ] = "",
    quiet: QuietOption = False,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Look whether everything that was stored is there and right, and say what is touched if it is not.

    Without options it looks at what says where bytes are: every record of a chunk against the segment it points into, every
    block map, every object of the archive. That finds what is missing, cut short or swapped, and takes minutes on many
    terabytes. With --data it reads every byte and proves it by its hash. --sample and --budget imply --data; repeated with a
    budget it comes to everything in the end.

    A server may be running, and does this by itself once in `scrub_period_s` (a week, unless set otherwise). What is found bad
    is marked so: it is never served, never shared with new uploads, and healed by the next upload of the same content, or
    by `neve repair`. Nothing is ever taken away. What is found is in the server's log, too.

    \b
    Examples:
      neve verify /var/lib/neve
      neve verify /var/lib/neve --data --budget 2h

    \b
    Exit status:
      0    nothing was found
      1    it could not go on, or another verification is under way
      2    wrong usage
      4    no store there, or it cannot be opened
      5    the server that has the store open did not answer
      7    something is damaged, lost or not as it should be; the result says what
      130  interrupted
    """
    request = VerifyStore(data=data, sample=sample, budget=budget)
    with administering(directory) as administrator, interruptible():
        reporter = task_reporter(quiet=quiet)
        try:
            found = awaited(administrator, request, reporter)
        finally:
            reporter.close()
    outcome = found.outcome
    assert isinstance(outcome, VerificationOutcome), "that is what was asked for"
    if output is OutputFormat.JSON:
        fields = plain(outcome)
        del fields["outcome"]
        # Counts stand beside the lists, which are bounded.
        fields |= {"finding_count": fields.pop("findings"), "touched_count": fields.pop("touched")}
        result_json(fields | findings_json(found.rows))
    else:
        _show(found, outcome)
    if outcome.findings or outcome.touched:
        raise CommandFailed(
            f"{outcome.findings} findings, {outcome.touched} snapshots touched: `neve repair` mends what still is somewhere "
            "and is needed, docs/operations.md says what else there is to do.",
            ExitCode.FOUND,
        )


def _show(found: Finished, outcome: VerificationOutcome) -> None:
    show_findings(found.rows)
    result(
        f"Looked at {outcome.segments} segments, {outcome.snapshots} snapshots and {outcome.archive_objects} objects of the "
        "archive."
    )
    if outcome.data:
        result(
            f"Read {sized(outcome.bytes_read)} in {outcome.segments_read} segments, and proved {outcome.chunks_proven} chunks."
        )
    if outcome.chunks_cleared:
        result(f"{outcome.chunks_cleared} chunks were marked bad, and are right.")
    if not outcome.finished:
        note("neve: time was up before everything was read; what is left comes first next time.")
    if any(isinstance(row, UnprovenRow) for row in found.rows):
        note("neve: what was not proven may be right or wrong: its KMS key cannot be used now.")
    if not outcome.findings and not outcome.touched:
        result("Nothing was found.")
