"""ListSnapshotsInRecycleBin: which deleted snapshots can still be had back, and until when (contract 9.11)."""

from collections.abc import Iterable, Iterator
from typing import Final

from neve.domain.snapshots import NO_VOLUME, SnapshotKey
from neve.messages.ec2_lifecycle import (
    ListSnapshotsInRecycleBinRequest,
    ListSnapshotsInRecycleBinResponse,
    SnapshotRecycleBinInfo,
)
from neve.operations.context import Caller, Context
from neve.operations.ec2 import pages, refusals
from neve.stores.metadata.contract_lifecycle import RecycledSnapshot

_OPERATION: Final = "ListSnapshotsInRecycleBin"


def list_snapshots_in_recycle_bin(
    ctx: Context, caller: Caller, request: ListSnapshotsInRecycleBinRequest
) -> ListSnapshotsInRecycleBinResponse:
    """Return what is in the caller's recycle bin, oldest snapshot first, a page at a time.

    Changes nothing. One whose time is over is not there, whether or not it was taken out yet. Pages keep their promise
    while snapshots come and go: see `pages`.

    Raises:
        Ec2Error: InvalidSnapshot.NotFound if any id asked for is not in the bin; InvalidSnapshotID.Malformed,
            InvalidParameterValue, InvalidParameterCombination, InvalidPaginationToken for the request itself;
            DryRunOperation.
    """
    size = pages.page_size(request.max_results, ctx.limits)
    subject = pages.subject_of(caller)
    recycled: Iterable[RecycledSnapshot]
    if request.snapshot_ids:
        named = pages.named_ids(request.snapshot_ids, request.max_results, request.next_token, ctx.limits)
        snapshot_ids = [refusals.checked_snapshot_id(text) for text in named]
        found = [refusals.recycled_snapshot(ctx, caller, snapshot_id) for snapshot_id in snapshot_ids]
        recycled = sorted(found, key=_key)
    else:
        after = None
        if request.next_token is not None:
            after = pages.read_page_token(ctx, request.next_token, _OPERATION, subject)
        recycled = pages.slices(
            lambda last, limit: ctx.metadata.lifecycle.recycled(caller.account_id, after=last, limit=limit),
            _key,
            after,
        )
    refusals.end_dry_run(dry_run=request.dry_run)

    page, more = pages.cut_page(
        _still_there(recycled, ctx.clock.now_ms()),
        size,
        chars=lambda each: len(each.snapshot.description or ""),
        chars_max=ctx.limits.describe_text_chars_max,
    )
    return ListSnapshotsInRecycleBinResponse(
        snapshots=tuple(_described(each) for each in page),
        next_token=pages.mint_page_token(ctx, _OPERATION, subject, _key(page[-1])) if more else None,
    )


def _key(recycled: RecycledSnapshot) -> SnapshotKey:
    return recycled.snapshot.key


def _still_there(recycled: Iterable[RecycledSnapshot], now_ms: int) -> Iterator[RecycledSnapshot]:
    return (each for each in recycled if now_ms < each.exits_ms)


def _described(recycled: RecycledSnapshot) -> SnapshotRecycleBinInfo:
    return SnapshotRecycleBinInfo(
        snapshot_id=recycled.snapshot.snapshot_id,
        recycle_bin_enter_time_ms=recycled.entered_ms,
        recycle_bin_exit_time_ms=recycled.exits_ms,
        description=recycled.snapshot.description or "",
        volume_id=NO_VOLUME,
    )
