"""`neve usage`: what the snapshots of a store cost."""

from typing import Annotated, Any

import typer

from neve.cli.administering import DirectoryArgument, EveryAccountOption, administering, plain
from neve.cli.client_progress import sized
from neve.cli.output import OutputFormat, OutputOption, result_json, result_table
from neve.cli.tasks import Murmur, awaited
from neve.server.administration.messages_tasks import ReckonUsage
from neve.server.administration.messages_usage import UsageRow


def usage(
    directory: DirectoryArgument,
    *,
    account_id: EveryAccountOption = None,
    by_tag: Annotated[
        str | None,
        typer.Option(
            metavar="KEY", help="Tell snapshots apart by the value of this tag.", show_default=False
        ),
    ] = None,
    by_snapshot: Annotated[bool, typer.Option("--by-snapshot", help="Show each snapshot, too.")] = False,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Show what snapshots cost: by account, and by tag or snapshot on demand.

    `logical` is what full copies of all volumes would hold: the blocks present in each snapshot. `unique` is what is
    stored, compressed, for these snapshots and for nothing else: what would be free without them. The unique bytes of
    two snapshots do not add up to those of both: what they share with each other belongs to neither alone.

    Snapshots being written and those in the recycle bin count; what deleted ones left behind does not. A server may be
    running. Every block map is read once, which takes minutes on a store of many terabytes, and where there are very
    many chunks, temporary files (TMPDIR, else /var/tmp): some 70 bytes for each.

    \b
    Examples:
      neve usage /var/lib/neve
      neve usage /var/lib/neve --by-tag team --output json

    \b
    Exit status:
      0    done
      1    a block map cannot be read, another reckoning is under way, or there is no such account
      2    wrong usage
      4    no store there, or it cannot be opened
      5    the server that has the store open did not answer
      130  interrupted
    """
    request = ReckonUsage(account_id=account_id, tag_key=by_tag, by_snapshot=by_snapshot)
    with administering(directory) as administrator:
        rows = [row for row in awaited(administrator, request, Murmur()).rows if isinstance(row, UsageRow)]
    if output is OutputFormat.JSON:
        result_json(_accounts(rows, by_tag))
        return
    result_table(
        ("account", "snapshots of", "snapshots", "logical", "unique"),
        [
            (
                row.account_id,
                _about(row, by_tag),
                str(row.snapshots),
                sized(row.logical_bytes),
                sized(row.unique_bytes),
            )
            for row in rows
        ],
    )


def _about(row: UsageRow, tag_key: str | None) -> str:
    if row.about == "account":
        return "the account"
    if row.about == "snapshot":
        return f"{row.snapshot_id} ({row.state})"
    value = f"{tag_key} without a value" if row.tag_value == "" else f"{tag_key}={row.tag_value}"
    text = f"without {tag_key}" if row.tag_value is None else value
    return "".join(char if char.isprintable() else "?" for char in text)


def _accounts(rows: list[UsageRow], tag_key: str | None) -> list[dict[str, Any]]:
    """Return one object for each account, with its groups in lists."""
    accounts: list[dict[str, Any]] = []
    for row in rows:
        fields = plain(row)
        cost = {name: fields[name] for name in ("snapshots", "logical_bytes", "unique_bytes")}
        if row.about == "account":
            accounts.append({"account_id": row.account_id} | cost)
        elif row.about == "tag":
            by_tag = accounts[-1].setdefault("by_tag", [])
            by_tag.append({"tag_key": tag_key, "tag_value": row.tag_value} | cost)
        else:
            cost.pop("snapshots")
            by_snapshot = accounts[-1].setdefault("by_snapshot", [])
            by_snapshot.append({"snapshot_id": row.snapshot_id, "state": row.state} | cost)
    return accounts
