"""`neve delete`: take snapshots away, or only say what that would do."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from neve.cli.administering import administering
from neve.cli.client_options import EndpointOption, ProfileOption, RegionOption, Service, connected
from neve.cli.client_progress import sized
from neve.cli.exit_codes import CommandFailed, ExitCode
from neve.cli.output import OutputFormat, OutputOption, note, result, result_json
from neve.cli.tasks import Murmur, awaited
from neve.client.context import ClientContext
from neve.client.errors import ServiceRefused, SnapshotMissing
from neve.client.snapshots import delete as delete_snapshot
from neve.client.snapshots import rehearse_deletion
from neve.server.administration.messages_tasks import ReckonFreed
from neve.server.administration.messages_usage import FreedRow, FreedView


def delete(
    snapshot_ids: Annotated[list[str], typer.Argument(metavar="SNAP", help="Snapshots to delete.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, not even at a terminal.")] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Delete nothing: ask whether it would be allowed, and show what it would free."
        ),
    ] = False,
    store: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="For --dry-run: the store's directory, on this machine."),
    ] = None,
    endpoint_url: EndpointOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Delete snapshots, in whatever state they are.

    Other snapshots keep everything they hold, children of a deleted one included. At a terminal neve asks first; in a
    script it does not.

    A completed snapshot can be had back for a while, if the service is neve: for `deletion_undo_s` seconds (three days,
    unless its operator set another time) with `neve undelete DIR` on the machine of the store, where `--list` says until
    when; or from the recycle bin, if a retention rule sends it there. One that is still being written is gone at once.

    With --dry-run nothing is deleted. The service says whether each one could be, and the store itself, which must be on
    this machine, how many stored bytes exactly nothing would need any more if all of them were gone: usually less than
    they hold, since snapshots share. It says until when the deletion could be undone, too. Bytes are taken back after
    that, by collection.

    \b
    Examples:
      neve delete snap-0123456789abcdef0 --yes
      neve delete snap-0123456789abcdef0 snap-0123456789abcdef1 --dry-run --store /var/lib/neve

    \b
    Exit status:
      0    all deleted; with --dry-run: all could be
      1    the answer to the question was no, or (--dry-run) the bytes cannot be told; nothing was deleted
      2    wrong usage, --dry-run without --store, or AWS settings that are missing or cannot be used
      3    one was not there or may not be deleted; the others were deleted
      4    (--dry-run) no store there, or it cannot be opened
      5    the service cannot be reached or is too busy
      130  interrupted
    """
    names = list(dict.fromkeys(snapshot_ids))
    service = Service(endpoint_url=endpoint_url, profile=profile, region=region)
    if dry_run:
        _rehearse(names, store, service, output)
        return
    if store is not None:
        raise CommandFailed("--store is for --dry-run only; nothing was deleted.", ExitCode.USAGE)
    if not yes and sys.stdin.isatty() and not typer.confirm(f"Delete {', '.join(names)}?", err=True):
        raise CommandFailed("nothing was deleted.")
    # What is remembered of a deleted snapshot goes, too.
    with connected(service, verb="delete", no_cache=False) as (client, _):
        _delete(client, names, output)


def _delete(client: ClientContext, names: list[str], output: OutputFormat) -> None:
    outcomes: dict[str, str] = {}
    refused: list[ServiceRefused] = []
    for snapshot_id in names:
        try:
            delete_snapshot(client, snapshot_id)
        except ServiceRefused as refusal:
            refused.append(refusal)
            outcomes[snapshot_id] = refusal.message
            note(f"neve: {refusal.message}")
        else:
            outcomes[snapshot_id] = ""
            if output is OutputFormat.TEXT:
                result(f"{snapshot_id} deleted")
    if output is OutputFormat.JSON:
        result_json([
            {"snapshot_id": snapshot_id, "deleted": not trouble, "message": trouble or None}
            for snapshot_id, trouble in outcomes.items()
        ])  # fmt: skip
    if len(refused) < len(names):
        note(
            "neve: a mistake? `neve undelete DIR --list`, on the machine of the store, says until when there is a way back."
        )
    _end(refused, f"{len(refused)} of {len(names)} were not deleted.")


def _end(refused: list[ServiceRefused], sentence: str) -> None:
    if refused:
        missing = all(isinstance(refusal, SnapshotMissing) for refusal in refused)
        why = "`neve list` shows those there are." if missing else refused[0].advice
        raise CommandFailed(f"{sentence} {why}".rstrip(), ExitCode.REFUSED)


# --- only saying it


def _rehearse(names: list[str], store: Path | None, service: Service, output: OutputFormat) -> None:
    if store is None:
        raise CommandFailed(
            "only the store itself can tell what would be free, no service over the network: run this on the machine that "
            "the store is on, as the user that its server runs as, with --store DIR. Nothing was deleted.",
            ExitCode.USAGE,
        )
    refused: list[ServiceRefused] = []
    with connected(service, verb="delete") as (client, _):
        for snapshot_id in names:
            try:
                rehearse_deletion(client, snapshot_id)
            except ServiceRefused as refusal:
                refused.append(refusal)
                note(f"neve: {refusal.message}")
    _end(refused, f"{len(refused)} of {len(names)} could not be deleted; nothing was.")
    with administering(store) as administrator:
        freed = awaited(administrator, ReckonFreed(snapshot_ids=names), Murmur()).outcome
    assert isinstance(freed, FreedView), "that is what was asked for"
    _show(freed, output)


def _show(freed: FreedView, output: OutputFormat) -> None:
    if output is OutputFormat.JSON:
        result_json({
            "freed_bytes": freed.freed_bytes,
            "freed_from_bin_bytes": freed.freed_from_bin_bytes,
            "snapshots": [_facts(row) for row in freed.snapshots],
        })  # fmt: skip
        return
    for row in freed.snapshots:
        result(f"{row.snapshot_id} {_outcome(row)}")
    once = " then" if any(row.outcome == "deleted" and row.until for row in freed.snapshots) else ""
    result(f"{freed.freed_bytes} bytes ({sized(freed.freed_bytes)}) would be free{once}.")
    if any(row.outcome == "recycled" for row in freed.snapshots):
        later = freed.freed_from_bin_bytes
        result(f"{later} bytes ({sized(later)}) more once the recycle bin has let them go.")


def _facts(row: FreedRow) -> dict[str, object]:
    return {
        "snapshot_id": row.snapshot_id,
        "outcome": row.outcome,
        "until": None if row.until is None else f"{row.until:%Y-%m-%dT%H:%M:%SZ}",
    }


def _outcome(row: FreedRow) -> str:
    until = "" if row.until is None else f" until {row.until:%Y-%m-%dT%H:%M:%SZ}"
    if row.outcome == "recycled":
        return f"would be in the recycle bin{until}"
    if row.outcome == "locked":
        return f"is locked{until}"
    return f"would be deleted, and could be had back{until}" if until else "would be deleted"
