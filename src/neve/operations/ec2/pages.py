"""Paging of the Describe calls: how large a page is, where the next one begins, and what to look through.

A page token names the last record shown, not a count of records, so that snapshots which come and go
between two pages move nothing: every record that was there all along is shown exactly once. It is bound to
the account and to what the request asked for (contract 9.1), and expires like any page token.
"""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TypeVar

from neve.domain.filters import WantedTag
from neve.domain.identities import AccountId, SnapshotId
from neve.domain.snapshots import Snapshot, SnapshotKey, observed
from neve.domain.tokens import SALT_BYTES, Stamp, TokenInvalid
from neve.errors import Ec2Error, SnapshotNotFound
from neve.limits import Limits
from neve.messages.ec2 import Filter
from neve.operations.context import Caller, Context

_SLICE_RECORDS = 101
"""Records read at a time: the memory one Describe call takes beside its answer. One more than a hundred, since a page
is cut when the record after it was seen: pages of a hundred take one slice, those of a thousand ten."""


_Item = TypeVar("_Item")


def page_size(max_results: int | None, limits: Limits) -> int:
    """Return how many records one answer may hold (choice 67).

    Without MaxResults an answer is as large as it can be with it, and has a token if there is more: memory
    must not depend on how many snapshots an account has.

    Raises:
        Ec2Error: InvalidParameterValue below the least; above the most is taken as the most.
    """
    if max_results is None:
        return limits.describe_results_max
    if max_results < limits.describe_results_min:
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ( {max_results} ) for parameter maxResults is invalid. "
            f"Expecting a value greater than {limits.describe_results_min}.",
        )
    return min(max_results, limits.describe_results_max)


def named_ids(
    ids: Sequence[str], max_results: int | None, next_token: str | None, limits: Limits
) -> Sequence[str]:
    """Return the ids that a request names, each once: what is named is answered whole, and has no pages (choice 68).

    Raises:
        Ec2Error: InvalidParameterCombination with a page's size or token, InvalidParameterValue for too many.
    """
    if max_results is not None or next_token is not None:
        other = "maxResults" if max_results is not None else "nextToken"
        raise Ec2Error(
            "InvalidParameterCombination",
            f"The parameter snapshotSet cannot be used with the parameter {other}",
        )
    if len(ids) > limits.describe_results_max:
        raise Ec2Error(
            "InvalidParameterValue",
            f"A request can name at most {limits.describe_results_max} snapshots, this one names {len(ids)}.",
        )
    return tuple(dict.fromkeys(ids))


def cut_page(
    found: Iterator[_Item], size: int, *, chars: Callable[[_Item], int], chars_max: int
) -> tuple[list[_Item], bool]:
    """Return the first items of `found`, and whether there are more.

    `size` of them at most, and no more once their text is `chars_max` long; but always one, or paging would
    never end.
    """
    page: list[_Item] = []
    total = 0
    for item in found:
        if page and (len(page) == size or total >= chars_max):
            return page, True
        page.append(item)
        total += chars(item)
    return page, False


def subject_of(caller: Caller, *wishes: Sequence[object]) -> list[str]:
    """Return what a page token is bound to: whose records are asked for, and which."""
    return [caller.account_id, json.dumps(wishes)]


def filter_wishes(filters: Sequence[Filter]) -> list[tuple[str, tuple[str, ...]]]:
    """Return filters as `domain.filters` takes them and page tokens are bound to them."""
    return [(each.name, each.values) for each in filters]


def mint_page_token(ctx: Context, operation: str, subject: Sequence[str], last: SnapshotKey) -> str:
    """Return the token of a page that ended with the snapshot `last`."""
    stamp = Stamp(
        expires_ms=ctx.clock.now_ms() + ctx.limits.page_token_age_s * 1000,
        salt=ctx.entropy.take(SALT_BYTES),
    )
    return ctx.tokens.page_token(stamp, operation, subject, last)


def read_page_token(ctx: Context, token: str, operation: str, subject: Sequence[str]) -> SnapshotKey:
    """Return the snapshot with which the page before ended.

    Raises:
        Ec2Error: InvalidPaginationToken for a token that is forged, expired, or of another request.
    """
    try:
        return SnapshotKey(ctx.tokens.read_page_token(token, operation, subject, now_ms=ctx.clock.now_ms()))
    except TokenInvalid:
        raise invalid_pagination_token() from None


def invalid_pagination_token() -> Ec2Error:
    """Return the refusal of a page token. Of EC2's two codes for it, the one that covers expiry."""
    return Ec2Error("InvalidPaginationToken", "The specified pagination token is not valid or is expired.")


def look_through(
    ctx: Context,
    account_id: AccountId,
    *,
    after: SnapshotKey | None,
    only: frozenset[str] | None,
    tag: WantedTag,
) -> Iterator[Snapshot]:
    """Yield the account's own snapshots above `after`, ascending by key, as they are seen now.

    `only` are the ids that can be wanted, or None if any can: a handful is looked up one by one instead of
    searched for among all the others. Otherwise only those with the tag are looked at, if there is one that all
    that are wanted have. At most one slice of records is in memory.
    """
    now_ms = ctx.clock.now_ms()
    metadata = ctx.metadata
    records = (
        slices(
            lambda last, limit: metadata.snapshots(
                account_id, after=last, limit=limit, tag_key=tag.key, tag_value=tag.value
            ),
            _key,
            after,
        )
        if only is None
        else handful(lambda snapshot_id: metadata.snapshot(account_id, snapshot_id), _key, after, only)
    )
    for record in records:
        yield observed(record, now_ms)


def slices(
    read: Callable[[SnapshotKey | None, int], Sequence[_Item]],
    key: Callable[[_Item], SnapshotKey],
    after: SnapshotKey | None,
) -> Iterator[_Item]:
    """Yield everything above `after` that `read` gives, which takes where to begin and how many it may return."""
    while True:
        records = read(after, _SLICE_RECORDS)
        yield from records
        if len(records) < _SLICE_RECORDS:
            return
        after = key(records[-1])


def handful(
    read: Callable[[SnapshotId], _Item],
    key: Callable[[_Item], SnapshotKey],
    after: SnapshotKey | None,
    snapshot_ids: Collection[str],
) -> Iterator[_Item]:
    """Yield those of the named ones that `read` finds above `after`, ascending by key."""
    found = []
    for snapshot_id in snapshot_ids:
        try:
            found.append(read(SnapshotId(snapshot_id)))
        except SnapshotNotFound:
            continue
    return (each for each in sorted(found, key=key) if after is None or key(each) > after)


def _key(snapshot: Snapshot) -> SnapshotKey:
    return snapshot.key
