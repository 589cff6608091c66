"""DescribeTags: every tag that the account gave to a snapshot it sees, one by one (contract 9.5).

That includes its tags on what others share with it, and nobody else's: tag sets are each account's own.

A page may end in the middle of a snapshot's tags. Its token therefore names the snapshot and, behind a dash,
the key of the last tag shown; the key is part of what the sealed half is bound to, so it cannot be altered.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from neve.domain.filters import TAG_FILTERS, Filters, WantedTag
from neve.domain.snapshots import Snapshot, SnapshotKey
from neve.messages.ec2 import DescribeTagsRequest, DescribeTagsResponse, TagDescription
from neve.operations.context import Caller, Context
from neve.operations.ec2 import pages, refusals
from neve.operations.ec2.selection import Selection

_OPERATION: Final = "DescribeTags"
_RESOURCE_TYPE: Final = "snapshot"


def describe_tags(ctx: Context, caller: Caller, request: DescribeTagsRequest) -> DescribeTagsResponse:
    """Return the caller's tags that pass the filters, by snapshot and key, page by page.

    Changes nothing. Pages keep their promise while tags and snapshots come and go: see `pages`.

    Raises:
        Ec2Error: InvalidParameterValue, FilterLimitExceeded, InvalidPaginationToken, DryRunOperation.
    """
    size = pages.page_size(request.max_results, ctx.limits)
    wishes = pages.filter_wishes(request.filters)
    filters = Filters(wishes, TAG_FILTERS, ctx.limits)
    last = None
    if request.next_token is not None:
        last = _read_token(ctx, caller, request.next_token, wishes)
    refusals.end_dry_run(dry_run=request.dry_run)

    found = _passing(ctx, caller, filters, last)
    page = list(islice(found, size))
    next_token = None
    if next(found, None) is not None:
        key, tag = page[-1]
        next_token = _mint_token(ctx, caller, key, tag.key, wishes)
    return DescribeTagsResponse(tags=tuple(tag for _, tag in page), next_token=next_token)


def _passing(
    ctx: Context, caller: Caller, filters: Filters, last: tuple[SnapshotKey, str] | None
) -> Iterator[tuple[SnapshotKey, TagDescription]]:
    # The snapshot that the page before ended in is looked at again: it may have more tags.
    after = None if last is None else SnapshotKey(last[0] - 1)
    visible = Selection(ctx, caller, owners=(), restorers=())
    for snapshot in visible.look_through(after=after, only=filters.only("resource-id"), tag=_wanted(filters)):
        for tag in _tags(snapshot):
            if last is not None and (snapshot.key, tag.key) <= last:
                continue
            texts = {
                "key": tag.key,
                "resource-id": tag.resource_id,
                "resource-type": tag.resource_type,
                "value": tag.value,
            }
            if filters.hold(texts, {tag.key: tag.value}):
                yield snapshot.key, tag


def _wanted(filters: Filters) -> WantedTag:
    """Return what is known of the tags that pass without looking at them."""
    key, value = (_one_of(filters.only(name)) for name in ("key", "value"))
    return filters.tag() if key is None else WantedTag(key, value)


def _one_of(texts: frozenset[str] | None) -> str | None:
    return next(iter(texts)) if texts is not None and len(texts) == 1 else None


def _tags(snapshot: Snapshot) -> Iterator[TagDescription]:
    for key, value in sorted(snapshot.tags.items()):
        yield TagDescription(
            key=key, resource_id=snapshot.snapshot_id, resource_type=_RESOURCE_TYPE, value=value
        )


def _mint_token(
    ctx: Context, caller: Caller, key: SnapshotKey, tag_key: str, wishes: list[tuple[str, tuple[str, ...]]]
) -> str:
    tag_hex = tag_key.encode().hex()
    subject = pages.subject_of(caller, wishes, [tag_hex])
    return f"{pages.mint_page_token(ctx, _OPERATION, subject, key)}-{tag_hex}"


def _read_token(
    ctx: Context, caller: Caller, token: str, wishes: list[tuple[str, tuple[str, ...]]]
) -> tuple[SnapshotKey, str]:
    sealed, _, tag_hex = token.partition("-")
    subject = pages.subject_of(caller, wishes, [tag_hex])
    key = pages.read_page_token(ctx, sealed, _OPERATION, subject)
    # The seal held, so this is the text that was put there.
    return key, bytes.fromhex(tag_hex).decode()
