"""`neve backup-metadata`: a copy of a store's database."""

from pathlib import Path
from typing import Annotated

import typer

from neve.cli.administering import DirectoryArgument, administering, plain
from neve.cli.client_options import QuietOption, interruptible
from neve.cli.client_progress import sized
from neve.cli.output import OutputFormat, OutputOption, result, result_json
from neve.cli.task_progress import task_reporter
from neve.cli.tasks import awaited
from neve.server.administration.messages_tasks import BackUpMetadata
from neve.server.administration.messages_upkeep import BackupOutcome


def back_up_metadata(
    directory: DirectoryArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The copy to make; it is not there yet.")],
    *,
    quiet: QuietOption = False,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Copy the database of a store into one file, as it is at one moment.

    A server may be running, and writes go on meanwhile. For a backup of the store: first this, then `segments/` and `archive/`,
    file by file, in any order and while the server runs. What is in the copy is in those files, as long as no collection
    deletes bytes in between (`condemned_keep_s` is the time there is). To restore, put everything back, the copy as
    `metadata.db`, and the master key. If anything was written after the copy was made, run `neve rebuild --replace` before the
    server starts: it makes the database from the other two, which have every completed snapshot. A server that wrote with a
    database older than those would write over what they have of newer keys.

    The server makes the copy: the path must be one that it may write.

    \b
    Examples:
      neve backup-metadata /var/lib/neve /backup/metadata.db

    \b
    Exit status:
      0    done
      1    it could not be made, or another copy is under way
      2    wrong usage
      4    no store there, it cannot be opened, or there is a file already
      5    the server that has the store open did not answer
      130  interrupted; nothing is left
    """
    with administering(directory) as administrator, interruptible():
        reporter = task_reporter(quiet=quiet)
        try:
            outcome = awaited(administrator, BackUpMetadata(path=str(file.absolute())), reporter).outcome
        finally:
            reporter.close()
    assert isinstance(outcome, BackupOutcome), "that is what was asked for"
    if output is OutputFormat.JSON:
        fields = plain(outcome)
        del fields["outcome"]
        result_json(fields)
    else:
        result(f"Copied the database: {sized(outcome.size_bytes)} in {outcome.path}.")
