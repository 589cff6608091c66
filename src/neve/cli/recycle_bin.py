"""`neve bin`: deleted snapshots that can be had back, and the rules that keep them."""

from typing import Annotated

import typer

from neve.cli.client_options import EndpointOption, ProfileOption, RegionOption, Service
from neve.cli.exit_codes import CommandFailed, ExitCode
from neve.cli.managing import managing, moment, printable, tag_choice
from neve.cli.output import OutputFormat, OutputOption, result, result_json, result_table
from neve.messages.rbin import GetRuleResponse, ResourceTag

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)

RuleArgument = Annotated[str, typer.Argument(metavar="RULE", help="A rule's id, as `rules` lists it.")]


@app.callback()
def _bin() -> None:
    """Have deleted snapshots back, and say which are kept.

    Rules say which deleted snapshots stay in the recycle bin, and for how long. Without a rule nothing goes there: what is
    deleted is gone.

    Exit status: 0 done, 2 wrong usage or AWS settings, 3 no such snapshot or rule, or no permission, 5 the service cannot
    be reached or is too busy, 130 interrupted.
    """


@app.command(name="list")
def list_bin(
    *,
    endpoint_url: EndpointOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """List the account's snapshots in the recycle bin."""
    with managing(Service(endpoint_url=endpoint_url, profile=profile, region=region)) as management:
        found = list(management.in_bin())
    if output is OutputFormat.JSON:
        result_json([
            {
                "snapshot_id": each.snapshot_id,
                "entered": moment(each.recycle_bin_enter_time_ms),
                "exits": moment(each.recycle_bin_exit_time_ms),
                "description": each.description,
            }
            for each in found
        ])  # fmt: skip
        return
    result_table(
        ("snapshot", "deleted", "gone", "description"),
        [
            (
                each.snapshot_id,
                moment(each.recycle_bin_enter_time_ms),
                moment(each.recycle_bin_exit_time_ms),
                printable(each.description),
            )
            for each in found
        ],
    )


@app.command()
def restore(
    snapshot_id: Annotated[str, typer.Argument(metavar="SNAP", help="Snapshot in the bin.")],
    *,
    endpoint_url: EndpointOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
) -> None:
    """Take a snapshot out of the recycle bin, as it was.

    \b
    Example:
      neve bin restore snap-0123456789abcdef0
    """
    with managing(Service(endpoint_url=endpoint_url, profile=profile, region=region)) as management:
        management.restore(snapshot_id)
    result(f"{snapshot_id} is back.")


@app.command()
def rules(
    *,
    endpoint_url: EndpointOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """List the rules: which deleted snapshots stay in the bin, and for how many days."""
    with managing(Service(endpoint_url=endpoint_url, profile=profile, region=region)) as management:
        found = list(management.rules())
    if output is OutputFormat.JSON:
        result_json([_facts(rule) for rule in found])
        return
    result_table(
        ("rule", "days", "for", "description"),
        [
            (
                rule.identifier,
                str(rule.retention_period.retention_period_value),
                _whom(rule),
                printable(rule.description),
            )
            for rule in found
        ],
    )


@app.command(name="add-rule")
def add_rule(
    *,
    days: Annotated[
        int, typer.Option(metavar="N", help="How long deleted snapshots can be had back: 1 to 365.")
    ],
    tag: Annotated[
        list[str] | None,
        typer.Option(
            "--tag",
            metavar="KEY[=VALUE]",
            help="Only snapshots with this tag; may be repeated, for one of several.",
            show_default=False,
        ),
    ] = None,
    but_tag: Annotated[
        list[str] | None,
        typer.Option(
            "--but-tag",
            metavar="KEY[=VALUE]",
            help="All snapshots but those with this tag; may be repeated.",
            show_default=False,
        ),
    ] = None,
    description: Annotated[str, typer.Option(help="What it is for.", show_default=False)] = "",
    endpoint_url: EndpointOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
) -> None:
    """Keep deleted snapshots in the bin from now on; print the new rule's id.

    Without --tag it is for all of the account's snapshots. Where several rules match, the longest time counts. Only
    completed snapshots go to the bin: of the others there is nothing to bring back.

    \b
    Examples:
      neve bin add-rule --days 7
      neve bin add-rule --days 30 --tag team=web
    """
    if tag and but_tag:
        raise CommandFailed(
            "--tag and --but-tag exclude each other: a rule is for some, or for all but some.", ExitCode.USAGE
        )
    tags = [tag_choice(text) for text in tag or ()]
    but_tags = [tag_choice(text) for text in but_tag or ()]
    with managing(Service(endpoint_url=endpoint_url, profile=profile, region=region)) as management:
        rule_id = management.add_rule(days=days, description=description, tags=tags, but_tags=but_tags)
    result(rule_id)


@app.command(name="remove-rule")
def remove_rule(
    rule_id: RuleArgument,
    *,
    endpoint_url: EndpointOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
) -> None:
    """Forget a rule. What is in the bin stays there for as long as it was to."""
    with managing(Service(endpoint_url=endpoint_url, profile=profile, region=region)) as management:
        management.remove_rule(rule_id)
    result(f"{rule_id} is gone.")


def _facts(rule: GetRuleResponse) -> dict[str, object]:
    return {
        "rule_id": rule.identifier,
        "description": rule.description,
        "retention_days": rule.retention_period.retention_period_value,
        "tags": [_tag_facts(tag) for tag in rule.resource_tags],
        "but_tags": [_tag_facts(tag) for tag in rule.exclude_resource_tags],
        "status": rule.status,
    }


def _tag_facts(tag: ResourceTag) -> dict[str, str | None]:
    return {"key": tag.resource_tag_key, "value": tag.resource_tag_value}


def _whom(rule: GetRuleResponse) -> str:
    chosen, left_out = _tags_text(rule.resource_tags), _tags_text(rule.exclude_resource_tags)
    if chosen:
        return chosen
    return f"all but {left_out}" if left_out else "all"


def _tags_text(tags: tuple[ResourceTag, ...]) -> str:
    names = (
        tag.resource_tag_key
        if tag.resource_tag_value is None
        else f"{tag.resource_tag_key}={tag.resource_tag_value}"
        for tag in tags
    )
    return printable(", ".join(names))
