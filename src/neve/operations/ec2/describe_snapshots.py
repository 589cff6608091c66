"""DescribeSnapshots: which snapshots there are, and how they are doing (contract 9.3).

Every state is visible until deletion, failed ones included: it is here that clients learn why a snapshot
failed. Shared and public snapshots of other accounts are shown too, without their tags, which are the owner's
(`selection` has who sees what).
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from neve.domain.filters import SNAPSHOT_FILTERS, Filters
from neve.domain.snapshots import API_STATUS, Snapshot, SnapshotKey, State, observed
from neve.errors import Ec2Error
from neve.messages.ebs import Tag
from neve.messages.ec2 import DescribeSnapshotsRequest, DescribeSnapshotsResponse, SnapshotDescription
from neve.operations.context import Caller, Context
from neve.operations.ec2 import pages, refusals
from neve.operations.ec2.selection import Selection

_OPERATION: Final = "DescribeSnapshots"
_NO_VOLUME: Final = "vol-ffffffff"
"""What a snapshot shows that was made of blocks, not of a volume."""


def describe_snapshots(
    ctx: Context, caller: Caller, request: DescribeSnapshotsRequest
) -> DescribeSnapshotsResponse:
    """Return the snapshots the caller may see and asks for, oldest first, a page at a time.

    Changes nothing. Pages keep their promise while snapshots come and go: see `pages`.

    Raises:
        Ec2Error: InvalidSnapshot.NotFound if any id asked for is not there or not shared; InvalidSnapshotID.Malformed,
            InvalidUserID.Malformed, InvalidParameterValue, InvalidParameterCombination,
            FilterLimitExceeded, InvalidPaginationToken for the request itself; DryRunOperation.
    """
    size = pages.page_size(request.max_results, ctx.limits)
    wishes = pages.filter_wishes(request.filters)
    filters = Filters(wishes, SNAPSHOT_FILTERS, ctx.limits)
    selection = Selection(ctx, caller, owners=request.owner_ids, restorers=request.restorable_by_user_ids)
    subject = pages.subject_of(caller, request.owner_ids, request.restorable_by_user_ids, wishes)

    snapshots: Iterable[Snapshot]
    if request.snapshot_ids:
        snapshots = _named(ctx, caller, request, selection)
    else:
        after = None
        if request.next_token is not None:
            after = pages.read_page_token(ctx, request.next_token, _OPERATION, subject)
        snapshots = selection.look_through(after=after, only=filters.only("snapshot-id"))
    refusals.end_dry_run(dry_run=request.dry_run)

    found = _passing(ctx, snapshots, filters)
    page, more = pages.cut_page(
        found,
        size,
        chars=_text_chars,
        chars_max=sys.maxsize if request.snapshot_ids else ctx.limits.describe_text_chars_max,
    )
    return DescribeSnapshotsResponse(
        snapshots=tuple(description for _, description in page),
        next_token=pages.mint_page_token(ctx, _OPERATION, subject, page[-1][0]) if more else None,
    )


def _text_chars(found: tuple[SnapshotKey, SnapshotDescription]) -> int:
    _, snapshot = found
    return len(snapshot.description) + sum(len(tag.key) + len(tag.value) for tag in snapshot.tags)


def _named(
    ctx: Context, caller: Caller, request: DescribeSnapshotsRequest, selection: Selection
) -> list[Snapshot]:
    """Return the snapshots whose ids the request gives, each once, oldest first. One missing fails all."""
    if request.max_results is not None or request.next_token is not None:
        other = "maxResults" if request.max_results is not None else "nextToken"
        raise Ec2Error(
            "InvalidParameterCombination",
            f"The parameter snapshotSet cannot be used with the parameter {other}",
        )
    if len(request.snapshot_ids) > ctx.limits.describe_results_max:
        raise Ec2Error(
            "InvalidParameterValue",
            f"A request can name at most {ctx.limits.describe_results_max} snapshots, "
            f"this one names {len(request.snapshot_ids)}.",
        )
    now_ms = ctx.clock.now_ms()
    snapshot_ids = [refusals.checked_snapshot_id(text) for text in dict.fromkeys(request.snapshot_ids)]
    records = [refusals.visible_snapshot(ctx, caller, snapshot_id) for snapshot_id in snapshot_ids]
    wanted = [record.snapshot for record in records if selection.holds(record)]
    return [observed(snapshot, now_ms) for snapshot in sorted(wanted, key=lambda snapshot: snapshot.key)]


def _passing(
    ctx: Context, snapshots: Iterable[Snapshot], filters: Filters
) -> Iterator[tuple[SnapshotKey, SnapshotDescription]]:
    for snapshot in snapshots:
        description = _described(ctx, snapshot)
        if filters.hold(_texts(description), snapshot.tags):
            yield snapshot.key, description


def _described(ctx: Context, snapshot: Snapshot) -> SnapshotDescription:
    """Return what the API shows of a snapshot that has been through `observed`."""
    kms_key_arn = ctx.domains.by_key(snapshot.domain_key).kms_key_arn
    is_completed = snapshot.state is State.COMPLETED
    return SnapshotDescription(
        snapshot_id=snapshot.snapshot_id,
        volume_id=_NO_VOLUME,
        state=API_STATUS[snapshot.state],
        state_message=snapshot.state_message or None,
        start_time_ms=snapshot.started_ms,
        progress="100%" if is_completed else "0%",
        owner_id=snapshot.account_id,
        volume_size=snapshot.volume_gib,
        description=snapshot.description or "",
        encrypted=bool(kms_key_arn),
        kms_key_id=kms_key_arn or None,
        tags=tuple(Tag(key, value) for key, value in sorted(snapshot.tags.items())),
        storage_tier="standard",
        transfer_type="standard",
        completion_time_ms=snapshot.completed_ms if is_completed else None,
        full_snapshot_size_in_bytes=snapshot.block_count * ctx.limits.block_bytes if is_completed else None,
    )


def _texts(description: SnapshotDescription) -> Mapping[str, str]:
    """Return what filters compare with: each element as the answer spells it.

    There is no `owner-alias`: only snapshots of Amazon's own have one.
    """
    return {
        "description": description.description,
        "encrypted": "true" if description.encrypted else "false",
        "owner-id": description.owner_id,
        "progress": description.progress,
        "snapshot-id": description.snapshot_id,
        "start-time": _iso_8601(description.start_time_ms),
        "status": description.state,
        "storage-tier": description.storage_tier,
        "transfer-type": description.transfer_type,
        "volume-id": description.volume_id,
        "volume-size": str(description.volume_size),
    }


def _iso_8601(time_ms: int) -> str:
    seconds, milliseconds = divmod(time_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03}Z"
