"""`neve wait`, `list` and `diff`: snapshots as wholes."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated

import typer

from neve.cli.client_options import (
    WAIT_S_DEFAULT,
    EndpointOption,
    ProfileOption,
    RegionOption,
    Service,
    WaitSecondsOption,
    connected,
)
from neve.cli.client_progress import sized
from neve.cli.output import OutputFormat, OutputOption, note, result, result_json, result_table
from neve.client.differences import Change, Stretch, stretches
from neve.client.reading import list_changed_blocks
from neve.client.snapshots import describe_all, wait_until_completed
from neve.limits import STANDARD
from neve.messages.ec2 import Filter, SnapshotDescription


def wait(
    snapshot_id: Annotated[str, typer.Argument(metavar="SNAP", help="Snapshot to wait for.")],
    *,
    timeout: WaitSecondsOption = WAIT_S_DEFAULT,
    endpoint_url: EndpointOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Wait until a snapshot is completed.

    Asks EC2's DescribeSnapshots every two seconds, at first more often. A snapshot that ends in error ends the
    waiting, with the service's reason.

    \b
    Example:
      neve wait snap-0123456789abcdef0 --timeout 600

    \b
    Exit status:
      0    completed
      1    ended in error; the message says why
      2    wrong usage, or AWS settings that are missing or cannot be used
      3    no such snapshot, or no permission
      5    the service cannot be reached or is too busy
      6    still pending after --timeout
      130  interrupted
    """
    with connected(Service(endpoint_url=endpoint_url, profile=profile, region=region), verb="wait") as (
        client,
        _,
    ):
        description = wait_until_completed(client, snapshot_id, timeout_s=timeout)
    if output is OutputFormat.JSON:
        result_json(_facts(description))
    else:
        result(f"{description.snapshot_id} {description.state}")


def list_snapshots(
    *,
    state: Annotated[
        str,
        typer.Option(
            metavar="STATE", help="Only those that are pending, completed or error.", show_default=False
        ),
    ] = "",
    tag: Annotated[
        list[str] | None,
        typer.Option(
            "--tag",
            metavar="KEY[=VALUE]",
            help="Only those with this tag; may be repeated. The value may hold * and ?.",
            show_default=False,
        ),
    ] = None,
    endpoint_url: EndpointOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """List the account's snapshots, oldest first.

    \b
    Examples:
      neve list
      neve list --state completed --tag host=web1
      neve list --output json | jq -r '.[].snapshot_id'

    \b
    Exit status:
      0    done, also if there are none
      2    wrong usage, or AWS settings that are missing or cannot be used
      3    no permission
      5    the service cannot be reached or is too busy
      130  interrupted
    """
    filters = tuple(_filters(state, tag or []))
    with connected(Service(endpoint_url=endpoint_url, profile=profile, region=region), verb="list") as (
        client,
        _,
    ):
        found = sorted(describe_all(client, filters), key=lambda each: (each.start_time_ms, each.snapshot_id))
    if output is OutputFormat.JSON:
        result_json([_facts(description) for description in found])
        return
    result_table(
        ("snapshot", "state", "GiB", "started", "description", "tags"),
        [
            (
                each.snapshot_id,
                each.state,
                str(each.volume_size),
                _moment(each.start_time_ms),
                _one_line(each.description),
                _one_line(" ".join(f"{tag.key}={tag.value}" for tag in each.tags)),
            )
            for each in found
        ],
    )


def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="Completed snapshot to compare from.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Completed snapshot to compare with.")],
    *,
    summary: Annotated[bool, typer.Option("--summary", help="Only how much differs, not where.")] = False,
    endpoint_url: EndpointOption = "",
    profile: ProfileOption = "",
    region: RegionOption = "",
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """List the stretches of a volume in which two snapshots differ.

    The snapshots must have an ancestor in common. Offsets and lengths are bytes of the volume, in whole blocks
    of 512 KiB. `changed`: both hold the block; `added`: only B does, in A it reads as zeros; `removed`: only A
    does. neve compares contents; AWS lists blocks that were written again with the same bytes, too.

    \b
    Examples:
      neve diff snap-0123456789abcdef0 snap-0123456789abcdef1
      neve diff "$monday" "$tuesday" --summary

    \b
    Exit status:
      0    done, whether or not they differ
      2    wrong usage, or AWS settings that are missing or cannot be used
      3    no such snapshot, not completed, not related, or no permission
      5    the service cannot be reached or is too busy
      130  interrupted
    """
    counts: Counter[Change] = Counter()
    with connected(Service(endpoint_url=endpoint_url, profile=profile, region=region), verb="diff") as (
        client,
        _,
    ):
        comparison = list_changed_blocks(client, first, second)
        found = _counted(stretches(comparison.blocks), counts)
        if output is OutputFormat.JSON:
            facts: dict[str, object] = {
                "first_snapshot_id": first,
                "second_snapshot_id": second,
                "volume_size_gib": comparison.volume_gib,
                "block_bytes": STANDARD.block_bytes,
            }
            _print_json_difference(facts, found, counts, summary=summary)
        else:
            _print_difference(found, counts, summary=summary)


# --- how things are told


def _filters(state: str, tags: list[str]) -> Iterator[Filter]:
    if state:
        yield Filter("status", (state,))
    for tag in tags:
        key, equals, value = tag.partition("=")
        yield Filter(f"tag:{key}", (value,)) if equals else Filter("tag-key", (key,))


def _facts(description: SnapshotDescription) -> dict[str, object]:
    return {
        "snapshot_id": description.snapshot_id,
        "state": description.state,
        "state_message": description.state_message,
        "volume_size_gib": description.volume_size,
        "full_snapshot_bytes": description.full_snapshot_size_in_bytes,
        "started": _moment(description.start_time_ms),
        "completed": None
        if description.completion_time_ms is None
        else _moment(description.completion_time_ms),
        "owner_id": description.owner_id,
        "description": description.description,
        "encrypted": description.encrypted,
        "tags": {tag.key: tag.value for tag in description.tags},
    }


def _moment(moment_ms: int) -> str:
    return f"{datetime.fromtimestamp(moment_ms // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _one_line(text: str) -> str:
    """Return text that cannot break a table, or a terminal: descriptions and tags hold what anybody wrote."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _counted(found: Iterator[Stretch], counts: Counter[Change]) -> Iterator[Stretch]:
    """Pass stretches on, counting their blocks."""
    for stretch in found:
        counts[stretch.change] += stretch.block_count
        yield stretch


def _print_difference(found: Iterator[Stretch], counts: Counter[Change], *, summary: bool) -> None:
    form = "{:<8}  {:>18}  {:>18}  {:>11}  {:>9}".format
    if not summary:
        result(form("change", "offset", "length", "first block", "blocks"))
    for stretch in found:
        if not summary:
            start, length = _bytes(stretch.first_block), _bytes(stretch.block_count)
            result(form(stretch.change, start, length, stretch.first_block, stretch.block_count))
    total = counts.total()
    parts = ", ".join(f"{counts[change]} {change}" for change in Change)
    sentence = f"{total} blocks differ ({sized(_bytes(total))}): {parts}."
    (result if summary else note)(sentence)


def _print_json_difference(
    comparison: Mapping[str, object], found: Iterator[Stretch], counts: Counter[Change], *, summary: bool
) -> None:
    """Print one object, its list line by line: a difference may have millions of stretches."""
    result("{")
    for name, value in comparison.items():
        result(f"  {json.dumps(name)}: {json.dumps(value)},")
    if summary:
        for _ in found:  # counting is all that is wanted
            pass
    else:
        result('  "stretches": [')
        for line, comma in _with_commas(json.dumps(_stretch_facts(stretch)) for stretch in found):
            result(f"    {line}{comma}")
        result("  ],")
    blocks = {str(change): counts[change] for change in Change} | {"total": counts.total()}
    result(f'  "differing_blocks": {json.dumps(blocks)},')
    result(f'  "differing_bytes": {_bytes(counts.total())}')
    result("}")


def _stretch_facts(stretch: Stretch) -> dict[str, object]:
    return {
        "change": stretch.change,
        "offset": _bytes(stretch.first_block),
        "length": _bytes(stretch.block_count),
        "first_block": stretch.first_block,
        "blocks": stretch.block_count,
    }


def _with_commas(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Yield each line with the comma that follows it in a list, or nothing after the last."""
    previous = ""
    for line in lines:
        if previous:
            yield previous, ","
        previous = line
    if previous:
        yield previous, ""


def _bytes(block_count: int) -> int:
    return block_count * STANDARD.block_bytes
