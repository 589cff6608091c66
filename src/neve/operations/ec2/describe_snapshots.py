"""DescribeSnapshots: which snapshots there are, and how they are doing (contract 9.3).

Every state is visible until deletion, failed ones included: it is here that clients learn why a snapshot
failed. Shared and public snapshots of other accounts are shown too, with the tags that the caller's account gave them:
tag sets are each account's own (`selection` has who sees what).
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from neve.domain.copies import MESSAGE_UNRESOLVED, copied_percent
from neve.domain.filters import SNAPSHOT_FILTERS, Filters
from neve.domain.snapshots import API_STATUS, NO_VOLUME, Origin, Snapshot, SnapshotKey, State, observed
from neve.errors import Ec2Error
from neve.messages.ebs import Tag
from neve.messages.ec2 import DescribeSnapshotsRequest, DescribeSnapshotsResponse, SnapshotDescription
from neve.operations.context import Caller, Context
from neve.operations.ec2 import pages, refusals
from neve.operations.ec2.selection import Selection
from neve.operations.visibility import Sight

_OPERATION: Final = "DescribeSnapshots"
_STORAGE_TIER: Final = "standard"
_TRANSFER_TYPE: Final = "standard"


def describe_snapshots(
    ctx: Context, caller: Caller, request: DescribeSnapshotsRequest
) -> DescribeSnapshotsResponse:
    """Return the snapshots the caller may see and asks for, oldest first, a page at a time.

    Changes nothing. Pages keep their promise while snapshots come and go: see `pages`.

    Raises:
        Ec2Error: InvalidSnapshot.NotFound if any id asked for is not there or not shared; InvalidSnapshotID.Malformed,
            InvalidUserID.Malformed, InvalidParameterValue (for too much named at once, too), InvalidParameterCombination,
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
        snapshots = selection.look_through(after=after, only=filters.only("snapshot-id"), tag=filters.tag())
    refusals.end_dry_run(dry_run=request.dry_run)

    found = _passing(ctx, snapshots, filters)
    page, more = pages.cut_page(
        found,
        size,
        chars=_shown_chars,
        chars_max=sys.maxsize if request.snapshot_ids else ctx.limits.describe_text_chars_max,
    )
    return DescribeSnapshotsResponse(
        snapshots=tuple(description for _, description in page),
        next_token=pages.mint_page_token(ctx, _OPERATION, subject, page[-1][0]) if more else None,
    )


def _shown_chars(found: tuple[SnapshotKey, SnapshotDescription]) -> int:
    _, shown = found
    return _text_chars(shown.description, {tag.key: tag.value for tag in shown.tags})


def _text_chars(description: str, tags: Mapping[str, str]) -> int:
    return len(description) + sum(len(key) + len(value) for key, value in tags.items())


def _named(
    ctx: Context, caller: Caller, request: DescribeSnapshotsRequest, selection: Selection
) -> list[Snapshot]:
    """Return the snapshots whose ids the request gives, each once, oldest first. One missing fails all.

    They are answered whole, since clients that name them do not look for more pages: so more text than is to be held in
    memory is refused, as soon as it has been read.
    """
    named = pages.named_ids(request.snapshot_ids, request.max_results, request.next_token, ctx.limits)
    now_ms = ctx.clock.now_ms()
    snapshot_ids = [refusals.checked_snapshot_id(text) for text in named]
    sight = Sight(ctx, caller.account_id)
    wanted: list[Snapshot] = []
    chars = 0
    for snapshot_id in snapshot_ids:
        record = refusals.visible_snapshot(sight, snapshot_id)
        if not selection.holds(record):
            continue
        wanted.append(record.snapshot)
        chars += _text_chars(record.snapshot.description or "", record.snapshot.tags)
        if chars > ctx.limits.describe_named_text_chars_max:
            raise Ec2Error(
                "InvalidParameterValue",
                f"The {len(snapshot_ids)} snapshots that this request names have more tags than one answer carries: "
                "name fewer",
            )
    return [observed(snapshot, now_ms) for snapshot in sorted(wanted, key=lambda snapshot: snapshot.key)]


def _passing(
    ctx: Context, snapshots: Iterable[Snapshot], filters: Filters
) -> Iterator[tuple[SnapshotKey, SnapshotDescription]]:
    for snapshot in snapshots:
        candidate = _Candidate(ctx, snapshot)
        if filters.hold(candidate, snapshot.tags):
            yield snapshot.key, candidate.described()


class _Candidate:
    """A snapshot that may be shown, having been through `observed`.

    Filters look at many more snapshots than they let through, so each text is made when it is asked for.
    """

    def __init__(self, ctx: Context, snapshot: Snapshot) -> None:
        self._ctx = ctx
        self.snapshot = snapshot

    def get(self, name: str, /) -> str | None:
        """Return what a filter of this name compares with."""
        text = _TEXTS.get(name)
        return None if text is None else text(self)

    @property
    def kms_key_arn(self) -> str:
        """Empty for an unencrypted one."""
        return self._ctx.domains.by_key(self.snapshot.domain_key).kms_key_arn

    @cached_property
    def progress(self) -> tuple[str, str]:
        """How far it is, and its message. Only copies are ever between the ends (contract 9.3, 9.8)."""
        snapshot = self.snapshot
        if snapshot.state is State.COMPLETED:
            return "100%", snapshot.state_message
        if snapshot.origin is not Origin.COPY or snapshot.state is State.ERROR:
            return "0%", snapshot.state_message
        copy = self._ctx.metadata.lifecycle.copy(snapshot.key)
        if copy is None:  # all its blocks are there
            return f"{copied_percent(1, 1)}%", snapshot.state_message
        if copy.source_root is None:
            return "0%", MESSAGE_UNRESOLVED
        return f"{copied_percent(copy.copied_count, copy.source_block_count)}%", snapshot.state_message

    def described(self) -> SnapshotDescription:
        """Return what the API shows of it."""
        snapshot, kms_key_arn = self.snapshot, self.kms_key_arn
        is_completed = snapshot.state is State.COMPLETED
        progress, state_message = self.progress
        return SnapshotDescription(
            snapshot_id=snapshot.snapshot_id,
            volume_id=NO_VOLUME,
            state=API_STATUS[snapshot.state],
            state_message=state_message or None,
            start_time_ms=snapshot.started_ms,
            progress=progress,
            owner_id=snapshot.account_id,
            volume_size=snapshot.volume_gib,
            description=snapshot.description or "",
            encrypted=bool(kms_key_arn),
            kms_key_id=kms_key_arn or None,
            tags=tuple(Tag(key, value) for key, value in sorted(snapshot.tags.items())),
            storage_tier=_STORAGE_TIER,
            transfer_type=_TRANSFER_TYPE,
            completion_time_ms=snapshot.completed_ms if is_completed else None,
            full_snapshot_size_in_bytes=(
                snapshot.block_count * self._ctx.limits.block_bytes if is_completed else None
            ),
        )


def _iso_8601(time_ms: int) -> str:
    return f"{(_EPOCH + timedelta(milliseconds=time_ms)).isoformat(timespec='milliseconds')}Z"


_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC, left unsaid: an offset would be written out

_TEXTS: Final[Mapping[str, Callable[[_Candidate], str]]] = {
    "description": lambda each: each.snapshot.description or "",
    "encrypted": lambda each: "true" if each.kms_key_arn else "false",
    "owner-id": lambda each: each.snapshot.account_id,
    "progress": lambda each: each.progress[0],
    "snapshot-id": lambda each: each.snapshot.snapshot_id,
    "start-time": lambda each: _iso_8601(each.snapshot.started_ms),
    "status": lambda each: API_STATUS[each.snapshot.state],
    "storage-tier": lambda _: _STORAGE_TIER,
    "transfer-type": lambda _: _TRANSFER_TYPE,
    "volume-id": lambda _: NO_VOLUME,
    "volume-size": lambda each: str(each.snapshot.volume_gib),
}
"""What filters compare with: each element as the answer spells it.

There is no `owner-alias`: only snapshots of Amazon's own have one.
"""
