"""ListSnapshotBlocks: the blocks of a completed snapshot, inherited ones included, with tokens to read them."""

from itertools import islice

from neve.domain.block_map import walk
from neve.errors import SnapshotNotFound
from neve.messages.ebs import Block, ListSnapshotBlocksRequest, ListSnapshotBlocksResponse
from neve.operations.context import Caller, Context
from neve.operations.ebs.answers import snapshot_not_found
from neve.operations.ebs.dependency import domain_to_list
from neve.operations.ebs.reading import first_index_of_page, new_stamp, next_page_token, readable_snapshot

_OPERATION = "ListSnapshotBlocks"


def list_snapshot_blocks(
    ctx: Context, caller: Caller, request: ListSnapshotBlocksRequest
) -> ListSnapshotBlocksResponse:
    """Return one page of blocks, ascending by index.

    Raises:
        ResourceNotFoundError: SNAPSHOT_NOT_FOUND; DEPENDENCY_RESOURCE_NOT_FOUND for the KMS key.
        ValidationError: INVALID_PAGE_TOKEN; INVALID_SNAPSHOT_ID (somebody else's public snapshot).
    """
    try:
        snapshot = readable_snapshot(ctx, caller, request.snapshot_id)
    except SnapshotNotFound:
        raise snapshot_not_found(request.snapshot_id) from None
    record = snapshot.record
    subject = (record.snapshot_id,)
    start = first_index_of_page(
        ctx,
        _OPERATION,
        subject,
        next_token=request.next_token,
        starting_block_index=request.starting_block_index,
    )
    page_size = request.max_results or ctx.limits.page_results_default
    load = ctx.chunks.loader(domain_to_list(ctx, caller, record))
    found = list(islice(walk(load, snapshot.root, start), page_size + 1))
    stamp = new_stamp(ctx, age_s=ctx.limits.block_token_age_s)
    token = ctx.tokens.block_token
    return ListSnapshotBlocksResponse(
        blocks=tuple(
            Block(index, token(stamp, record.snapshot_id, index, chunk_id))
            for index, chunk_id in found[:page_size]
        ),
        expiry_time_ms=stamp.expires_ms,
        volume_size=record.volume_gib,
        block_size=ctx.limits.block_bytes,
        next_token=(
            next_page_token(ctx, _OPERATION, subject, found[page_size][0]) if len(found) > page_size else None
        ),
    )
