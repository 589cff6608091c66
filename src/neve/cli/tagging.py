"""`neve tag`: names and values on snapshots."""

from typing import Annotated

import typer

from neve.cli.client_options import EndpointOption, ProfileOption, RegionOption, Service
from neve.cli.exit_codes import CommandFailed, ExitCode
from neve.cli.managing import SnapshotArgument, managing, printable, tag_choice
from neve.cli.output import OutputFormat, OutputOption, result, result_json, result_table
from neve.messages.ebs import Tag

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _tag() -> None:
    """Set, take off and list tags of snapshots.

    Tags are the account's own, on its own snapshots and on those that were shared with it.

    Exit status: 0 done, 2 wrong usage or AWS settings, 3 no such snapshot, no permission, or a tag that cannot be, 5 the
    service cannot be reached or is too busy, 130 interrupted.
    """


@app.command(name="set")
def set_tags(
    snapshot_id: SnapshotArgument,
    tags: Annotated[list[str], typer.Argument(metavar="KEY=VALUE", help="Tags to set.")],
    *,
    endpoint_url: EndpointOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
) -> None:
    """Set tags on a snapshot: all of them or none. A key that is there takes the new value.

    \b
    Example:
      neve tag set snap-0123456789abcdef0 team=web host=web-1
    """
    wanted = [_pair(text) for text in tags]
    with managing(Service(endpoint_url=endpoint_url, profile=profile, region=region)) as management:
        management.set_tags([snapshot_id], wanted)
    result(f"{snapshot_id} has {', '.join(printable(text) for text in tags)}.")


@app.command()
def remove(
    snapshot_id: SnapshotArgument,
    tags: Annotated[
        list[str],
        typer.Argument(metavar="KEY[=VALUE]", help="Tags to take off; with a value, only if they have it."),
    ],
    *,
    endpoint_url: EndpointOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
) -> None:
    """Take tags off a snapshot. Those that are not there are no error.

    \b
    Example:
      neve tag remove snap-0123456789abcdef0 host team=web
    """
    wanted = [tag_choice(text) for text in tags]
    with managing(Service(endpoint_url=endpoint_url, profile=profile, region=region)) as management:
        management.remove_tags([snapshot_id], wanted)
    result(f"{snapshot_id} has no {', '.join(printable(text) for text in tags)}.")


@app.command(name="list")
def list_tags(
    snapshot_ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SNAP]", help="Only of these snapshots.", show_default=False),
    ] = None,
    *,
    endpoint_url: EndpointOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """List the account's tags, on all snapshots or on some."""
    with managing(Service(endpoint_url=endpoint_url, profile=profile, region=region)) as management:
        found = list(management.tags(snapshot_ids or ()))
    if output is OutputFormat.JSON:
        result_json([
            {"snapshot_id": tag.resource_id, "key": tag.key, "value": tag.value} for tag in found
        ])  # fmt: skip
        return
    result_table(
        ("snapshot", "key", "value"),
        [(tag.resource_id, printable(tag.key), printable(tag.value)) for tag in found],
    )


def _pair(text: str) -> Tag:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise CommandFailed(f"{text!r} is no tag: write KEY=VALUE.", ExitCode.USAGE)
    return Tag(key, value)
