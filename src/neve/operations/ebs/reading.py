"""What the three read operations share: which snapshots can be read, and how pages go on."""

from collections.abc import Sequence
from dataclasses import dataclass

from neve.domain.blocks import ChunkId
from neve.domain.identities import SnapshotId
from neve.domain.snapshots import Snapshot, State
from neve.domain.tokens import SALT_BYTES, Stamp, TokenInvalid
from neve.errors import SnapshotNotFound, ValidationError, ValidationReason
from neve.operations.context import Caller, Context
from neve.operations.ebs.answers import invalid_page_token
from neve.operations.visibility import Sight


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadableSnapshot:
    """A completed snapshot and the root of its block map."""

    record: Snapshot
    root: ChunkId


def readable_snapshot(ctx: Context, caller: Caller, snapshot_id: str) -> ReadableSnapshot:
    """Return a snapshot that can be read: one's own, or one that was shared with the caller's account by name.

    Pending and failed ones do not exist for readers (contract 0.1). Asked with every request: what was shared and is
    so no longer is gone at once, and tokens with it (contract 6.2).

    Raises:
        SnapshotNotFound
        ValidationError: INVALID_SNAPSHOT_ID for what somebody else made public, even if it was shared by name too.
    """
    seen = Sight(ctx, caller.account_id).snapshot(SnapshotId(snapshot_id))
    record = seen.snapshot
    if seen.public and record.account_id != caller.account_id:
        raise ValidationError(
            "Public snapshots are not supported", reason=ValidationReason.INVALID_SNAPSHOT_ID
        )
    if record.state is not State.COMPLETED:
        raise SnapshotNotFound(snapshot_id)
    assert record.root is not None, "a completed snapshot has a root"
    return ReadableSnapshot(record=record, root=record.root)


def first_index_of_page(
    ctx: Context,
    operation: str,
    subject: Sequence[str],
    *,
    next_token: str | None,
    starting_block_index: int | None,
) -> int:
    """Return where a page begins. A token beats StartingBlockIndex (contract 6.1).

    Raises:
        ValidationError: INVALID_PAGE_TOKEN.
    """
    if next_token is None:
        return starting_block_index or 0
    try:
        return ctx.tokens.read_page_token(next_token, operation, subject, now_ms=ctx.clock.now_ms())
    except TokenInvalid:
        raise invalid_page_token(next_token) from None


def new_stamp(ctx: Context, *, age_s: int) -> Stamp:
    """Return a stamp for tokens that are good for `age_s` seconds from now."""
    return Stamp(expires_ms=ctx.clock.now_ms() + age_s * 1000, salt=ctx.entropy.take(SALT_BYTES))


def next_page_token(ctx: Context, operation: str, subject: Sequence[str], position: int) -> str:
    """Return a token with which the same request goes on at block index `position`."""
    stamp = new_stamp(ctx, age_s=ctx.limits.page_token_age_s)
    return ctx.tokens.page_token(stamp, operation, subject, position)
