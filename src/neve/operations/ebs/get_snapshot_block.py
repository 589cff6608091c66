"""GetSnapshotBlock: read one block of a completed snapshot with a token from one of the lists.

The token carries the chunk id, so that a read walks no block map: one look-up, one ranged read, one proof.
"""

from neve.domain.blocks import BlockIndex, checksum_b64
from neve.domain.tokens import TokenInvalid
from neve.errors import SnapshotNotFound
from neve.messages.ebs import GetSnapshotBlockRequest, GetSnapshotBlockResponse
from neve.operations.context import Caller, Context
from neve.operations.ebs.answers import invalid_block_token, snapshot_not_found
from neve.operations.ebs.dependency import domain_to_read
from neve.operations.ebs.reading import readable_snapshot


def get_snapshot_block(
    ctx: Context, caller: Caller, request: GetSnapshotBlockRequest
) -> GetSnapshotBlockResponse:
    """Return a block's bytes, proven to be those that were written.

    Raises:
        ResourceNotFoundError: SNAPSHOT_NOT_FOUND, looked at before the token (contract 7);
            DEPENDENCY_RESOURCE_NOT_FOUND for the KMS key.
        ValidationError: INVALID_BLOCK_TOKEN; INVALID_SNAPSHOT_ID (somebody else's public snapshot);
            INVALID_DEPENDENCY_REQUEST (the KMS key).
        RequestThrottledError: DEPENDENCY_REQUEST_THROTTLED.
        StoreError: the bytes are lost or wrong, or could not be read this time; never wrong data.
    """
    try:
        record = readable_snapshot(ctx, caller, request.snapshot_id).record
    except SnapshotNotFound:
        raise snapshot_not_found(request.snapshot_id) from None
    try:
        chunk_id = ctx.tokens.read_block_token(
            request.block_token,
            record.snapshot_id,
            BlockIndex(request.block_index),
            now_ms=ctx.clock.now_ms(),
        )
    except TokenInvalid:
        raise invalid_block_token(request.block_token) from None
    content = ctx.chunks.read(domain_to_read(ctx, caller, record), chunk_id)
    return GetSnapshotBlockResponse(
        data_length=len(content.data),
        block_data=content.data,
        checksum=checksum_b64(content.digest),
        checksum_algorithm="SHA256",
    )
