"""DescribeLockedSnapshots: which snapshots have a lock, and what it means now (contract 9.9).

Locks that have expired are shown until they are replaced or their snapshot is deleted; one whose snapshot failed is
gone.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from neve.domain.filters import LOCK_FILTERS, Filters
from neve.domain.lock_changes import lock_in_force
from neve.domain.snapshots import SnapshotKey, observed
from neve.errors import SnapshotNotFound
from neve.messages.ec2_lifecycle import (
    DescribeLockedSnapshotsRequest,
    DescribeLockedSnapshotsResponse,
    LockedSnapshotsInfo,
)
from neve.operations.context import Caller, Context
from neve.operations.ec2 import pages, refusals
from neve.operations.ec2.lock_snapshot import lock_duration_days
from neve.stores.metadata.contract_lifecycle import LockedSnapshot

_OPERATION: Final = "DescribeLockedSnapshots"


def describe_locked_snapshots(
    ctx: Context, caller: Caller, request: DescribeLockedSnapshotsRequest
) -> DescribeLockedSnapshotsResponse:
    """Return the caller's snapshots that have a lock, oldest first, a page at a time.

    Changes nothing. With ids, those of them that have one. Pages keep their promise while locks come and go: see `pages`.

    Raises:
        Ec2Error: InvalidSnapshot.NotFound if any id asked for is not there; InvalidSnapshotID.Malformed,
            InvalidParameterValue, InvalidParameterCombination, FilterLimitExceeded, InvalidPaginationToken for the
            request itself; DryRunOperation.
    """
    size = pages.page_size(request.max_results, ctx.limits)
    wishes = pages.filter_wishes(request.filters)
    filters = Filters(wishes, LOCK_FILTERS, ctx.limits)
    subject = pages.subject_of(caller, wishes)

    locked: Iterable[LockedSnapshot]
    if request.snapshot_ids:
        snapshot_ids = pages.named_ids(
            request.snapshot_ids, request.max_results, request.next_token, ctx.limits
        )
        locked = _named(ctx, caller, snapshot_ids)
    else:
        after = None
        if request.next_token is not None:
            after = pages.read_page_token(ctx, request.next_token, _OPERATION, subject)
        locked = pages.slices(
            lambda last, limit: ctx.metadata.lifecycle.locks(caller.account_id, after=last, limit=limit),
            _key,
            after,
        )
    refusals.end_dry_run(dry_run=request.dry_run)

    found = _passing(locked, filters, ctx.clock.now_ms())
    page, more = pages.cut_page(found, size, chars=lambda _: 0, chars_max=1)
    return DescribeLockedSnapshotsResponse(
        snapshots=tuple(described for _, described in page),
        next_token=pages.mint_page_token(ctx, _OPERATION, subject, page[-1][0]) if more else None,
    )


def _key(locked: LockedSnapshot) -> SnapshotKey:
    return locked.snapshot.key


def _named(ctx: Context, caller: Caller, snapshot_ids: Iterable[str]) -> list[LockedSnapshot]:
    found = []
    for snapshot_id in map(refusals.checked_snapshot_id, snapshot_ids):
        try:
            locked = ctx.metadata.lifecycle.lock(caller.account_id, snapshot_id)
        except SnapshotNotFound as refusal:
            raise refusals.snapshot_not_found(refusal) from refusal
        if locked is not None:
            found.append(locked)
    return sorted(found, key=_key)


def _passing(
    locked: Iterable[LockedSnapshot], filters: Filters, now_ms: int
) -> Iterator[tuple[SnapshotKey, LockedSnapshotsInfo]]:
    for each in locked:
        if lock_in_force(observed(each.snapshot, now_ms), each.lock) is None:
            continue
        described = _described(each, now_ms)
        if filters.hold({"lock-state": described.lock_state}, {}):
            yield _key(each), described


def _described(locked: LockedSnapshot, now_ms: int) -> LockedSnapshotsInfo:
    snapshot, lock = locked.snapshot, locked.lock
    return LockedSnapshotsInfo(
        owner_id=snapshot.account_id,
        snapshot_id=snapshot.snapshot_id,
        lock_state=lock.state(snapshot, now_ms),
        lock_duration=lock_duration_days(locked),
        cool_off_period=lock.cool_off_hours,
        cool_off_period_expires_on_ms=lock.cool_off_ends_ms(),
        lock_created_on_ms=lock.created_ms,
        lock_duration_start_time_ms=lock.duration_start_ms(snapshot),
        lock_expires_on_ms=lock.ends_ms(snapshot),
    )
