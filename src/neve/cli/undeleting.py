"""`neve undelete`: bring back what was deleted by mistake."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from neve.cli.administering import DirectoryArgument, EveryAccountOption, administering, plain
from neve.cli.exit_codes import CommandFailed, ExitCode
from neve.cli.managing import printable
from neve.cli.output import OutputFormat, OutputOption, note, result, result_json, result_table
from neve.server.administration.messages import AdministrationRefused, Administrator
from neve.server.administration.messages_upkeep import DeletionView, ListDeletions, UndeleteSnapshot


def undelete(
    directory: DirectoryArgument,
    snapshot_ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SNAP]...", help="Snapshots to bring back.", show_default=False),
    ] = None,
    *,
    show: Annotated[
        bool, typer.Option("--list", help="Only list the deletions that can be undone, and until when.")
    ] = False,
    account_id: EveryAccountOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Bring deleted snapshots back, while that is possible.

    A completed snapshot that was deleted can be had back for `deletion_undo_s` seconds (three days, unless set otherwise):
    every block of it, its tags, and whom it was shared with. The first collection after that makes the deletion final. One that
    was still being written when it was deleted never comes back. What retention rules keep is in the recycle bin instead:
    `neve bin list`.

    A server may be running: the snapshot is there from its next request on. A lock it once had was over.

    \b
    Examples:
      neve undelete /var/lib/neve --list
      neve undelete /var/lib/neve snap-0123456789abcdef0

    \b
    Exit status:
      0    all are back
      1    one cannot be brought back, and the message says why; the others are back
      2    wrong usage
      4    no store there, or it cannot be opened
      5    the server that has the store open did not answer
      130  interrupted
    """
    names = list(dict.fromkeys(snapshot_ids or ()))
    if bool(names) == show:
        raise CommandFailed(
            "name the snapshots to bring back, or say --list to see which there are.", ExitCode.USAGE
        )
    if names and account_id is not None:
        raise CommandFailed(
            "--account-id is for --list: a snapshot's id is enough to find it.", ExitCode.USAGE
        )
    with administering(directory) as administrator:
        if show:
            _list(list(_deletions(administrator, account_id)), output)
        else:
            _bring_back(administrator, names, output)


def _deletions(administrator: Administrator, account_id: str | None) -> Iterator[DeletionView]:
    after = 0
    while True:
        page = administrator.ask(ListDeletions(account_id=account_id, after=after))
        yield from page.deletions
        after = page.after
        if not after:
            return


def _list(found: list[DeletionView], output: OutputFormat) -> None:
    rows = [plain(each) for each in found]
    if output is OutputFormat.JSON:
        result_json(rows)
        return
    result_table(
        ("snapshot", "account", "GiB", "deleted", "until", "description"),
        [
            (
                row["snapshot_id"],
                row["account_id"],
                str(row["volume_gib"]),
                row["deleted"],
                row["until"],
                printable(row["description"]),
            )
            for row in rows
        ],
    )


def _bring_back(administrator: Administrator, names: list[str], output: OutputFormat) -> None:
    outcomes: list[dict[str, Any]] = []
    for snapshot_id in names:
        try:
            administrator.ask(UndeleteSnapshot(snapshot_id=snapshot_id))
        except AdministrationRefused as refused:
            outcomes.append({"snapshot_id": snapshot_id, "undeleted": False, "message": str(refused)})
            note(f"neve: {refused}.")
        else:
            outcomes.append({"snapshot_id": snapshot_id, "undeleted": True, "message": None})
            if output is OutputFormat.TEXT:
                result(f"{snapshot_id} is back.")
    if output is OutputFormat.JSON:
        result_json(outcomes)
    missed = sum(not each["undeleted"] for each in outcomes)
    if missed:
        raise CommandFailed(
            f"{missed} of {len(names)} could not be brought back. `--list` shows those that can."
        )
