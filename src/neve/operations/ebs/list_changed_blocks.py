"""ListChangedBlocks: where two related snapshots differ, with tokens to read both sides.

Changed means that the contents differ: a block rewritten with the same bytes is not listed (design section 4,
docs/differences.md). Equal parts of the two block maps are skipped unread, so that the cost follows the
number of changes, not the size of the volumes.
"""

from itertools import islice

from neve.domain.block_map import diff
from neve.domain.blocks import BlockIndex, ChunkId
from neve.domain.tokens import Stamp
from neve.errors import SnapshotNotFound, ValidationError, ValidationReason
from neve.messages.ebs import ChangedBlock, ListChangedBlocksRequest, ListChangedBlocksResponse
from neve.operations.context import Caller, Context
from neve.operations.ebs.answers import snapshot_not_found
from neve.operations.ebs.dependency import domain_to_list
from neve.operations.ebs.reading import (
    ReadableSnapshot,
    first_index_of_page,
    new_stamp,
    next_page_token,
    readable_snapshot,
)

_OPERATION = "ListChangedBlocks"


def list_changed_blocks(
    ctx: Context, caller: Caller, request: ListChangedBlocksRequest
) -> ListChangedBlocksResponse:
    """Return one page of changed blocks, ascending by index.

    Raises:
        ValidationError: INVALID_SNAPSHOT_ID (no first snapshot, or somebody else's public one),
            UNRELATED_SNAPSHOTS, INVALID_PAGE_TOKEN.
        ResourceNotFoundError: SNAPSHOT_NOT_FOUND, for either; DEPENDENCY_RESOURCE_NOT_FOUND for the KMS key.
    """
    first, second = _related_snapshots(ctx, caller, request)
    subject = (first.record.snapshot_id, second.record.snapshot_id)
    start = first_index_of_page(
        ctx,
        _OPERATION,
        subject,
        next_token=request.next_token,
        starting_block_index=request.starting_block_index,
    )
    page_size = request.max_results or ctx.limits.page_results_default
    load = ctx.chunks.loader(domain_to_list(ctx, caller, second.record))
    found = list(islice(diff(load, first.root, second.root, start), page_size + 1))
    stamp = new_stamp(ctx, age_s=ctx.limits.block_token_age_s)
    return ListChangedBlocksResponse(
        changed_blocks=tuple(
            ChangedBlock(
                index,
                _token(ctx, stamp, first, index, in_first),
                _token(ctx, stamp, second, index, in_second),
            )
            for index, in_first, in_second in found[:page_size]
        ),
        expiry_time_ms=stamp.expires_ms,
        volume_size=second.record.volume_gib,
        block_size=ctx.limits.block_bytes,
        next_token=(
            next_page_token(ctx, _OPERATION, subject, found[page_size][0]) if len(found) > page_size else None
        ),
    )


def _related_snapshots(
    ctx: Context, caller: Caller, request: ListChangedBlocksRequest
) -> tuple[ReadableSnapshot, ReadableSnapshot]:
    if not request.first_snapshot_id:
        raise ValidationError(
            "First snapshot should not be empty or null", reason=ValidationReason.INVALID_SNAPSHOT_ID
        )
    try:
        first = readable_snapshot(ctx, caller, request.first_snapshot_id)
        second = readable_snapshot(ctx, caller, request.second_snapshot_id)
    except SnapshotNotFound:
        raise snapshot_not_found(request.first_snapshot_id, request.second_snapshot_id) from None
    if first.record.lineage_id != second.record.lineage_id:
        raise ValidationError(
            f"The snapshot {request.first_snapshot_id} and {request.second_snapshot_id} are not related.",
            reason=ValidationReason.UNRELATED_SNAPSHOTS,
        )
    assert first.record.domain_key == second.record.domain_key, "a lineage stays in its domain"
    return first, second


def _token(
    ctx: Context, stamp: Stamp, snapshot: ReadableSnapshot, index: BlockIndex, chunk_id: ChunkId | None
) -> str | None:
    if chunk_id is None:
        return None
    return ctx.tokens.block_token(stamp, snapshot.record.snapshot_id, index, chunk_id)
