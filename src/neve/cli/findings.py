"""What verification and repair found, as people read it and as programs do."""

from collections.abc import Sequence
from typing import Any, Final

from neve.cli.administering import plain
from neve.cli.client_progress import sized
from neve.cli.managing import printable
from neve.cli.output import result
from neve.server.administration.messages_tasks import AnyRow
from neve.server.administration.messages_upkeep import FindingRow, TouchedRow, UnprovenRow

_RANGES_SHOWN: Final = 20


def show_findings(rows: Sequence[AnyRow]) -> None:
    """Print findings, then the snapshots that they touch, then what could not be proven."""
    for row in rows:
        if isinstance(row, FindingRow):
            result(printable(f"{row.kind}: {row.subject}: {row.what}"))
    for row in rows:
        if isinstance(row, TouchedRow):
            result(_touched(row))
    for row in rows:
        if isinstance(row, UnprovenRow):
            result(
                printable(
                    f"not proven: {row.chunks} chunks ({sized(row.stored_bytes)}) under {row.kms_key_arn}: {row.why}"
                )
            )


def findings_json(rows: Sequence[AnyRow]) -> dict[str, list[dict[str, Any]]]:
    """Return findings by what they are about."""
    return {
        name: [_fields(row) for row in rows if isinstance(row, kind)]
        for name, kind in (("findings", FindingRow), ("touched", TouchedRow), ("unproven", UnprovenRow))
    }


def _fields(row: AnyRow) -> dict[str, Any]:
    fields = plain(row)
    del fields["row"]
    return fields


def _touched(row: TouchedRow) -> str:
    whose = "what it copies of " if row.of_copied else ""
    shown = row.ranges[:_RANGES_SHOWN]
    places = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in shown)
    more = len(row.ranges) - len(shown) + row.ranges_left_out
    rest = f" and {more} ranges more (--output json has them)" if more else ""
    return (
        f"lost: {whose}{row.snapshot_id} (account {row.account_id}, {row.state}): {row.blocks_lost} blocks cannot be read: "
        f"{places}{rest}"
    )
