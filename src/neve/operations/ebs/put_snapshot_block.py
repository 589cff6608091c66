"""PutSnapshotBlock: write one block of a pending snapshot.

The content becomes durable first, the row that points at it second, the answer third. The order of the
checks is contract section 4's, then the KMS key; the snapshot's state is looked at once early, so that a useless
body costs little, and once more in the transaction that writes the row, so that the answer cannot go stale in between.
"""

from neve.domain.blocks import BlockIndex, checksum_b64, digest
from neve.domain.identities import SnapshotId
from neve.domain.snapshots import Origin, Snapshot, State, observed
from neve.errors import CommonError, SnapshotNotFound, SnapshotSealed, ValidationError, ValidationReason
from neve.messages.ebs import PutSnapshotBlockRequest, PutSnapshotBlockResponse
from neve.operations.context import Caller, Context
from neve.operations.ebs.answers import invalid_parameter, snapshot_not_found
from neve.operations.ebs.dependency import domain_to_write

_ALGORITHM = "SHA256"


def put_snapshot_block(
    ctx: Context, caller: Caller, request: PutSnapshotBlockRequest
) -> PutSnapshotBlockResponse:
    """Check the block and make it durable.

    Repeating a call is safe: the same content changes nothing, other content replaces the block for as long
    as the snapshot is pending.

    Raises:
        ValidationError: INVALID_PARAMETER_VALUE (the body, the algorithm), INVALID_BLOCK (the length, the
            index), INVALID_SNAPSHOT_ID (completion was accepted), INVALID_DEPENDENCY_REQUEST (the KMS key).
        CommonError: InvalidSignatureException if the body is not what the checksum says.
        ResourceNotFoundError: SNAPSHOT_NOT_FOUND.
        RequestThrottledError: DEPENDENCY_REQUEST_THROTTLED.
        StoreError: not acknowledged; repeating it is safe.
    """
    if len(request.block_data) != ctx.limits.block_bytes:
        raise invalid_parameter("Failed to read block data")
    if request.data_length != ctx.limits.block_bytes:
        raise ValidationError(
            f"Block data length {request.data_length} is not valid, expected {ctx.limits.block_bytes}",
            reason=ValidationReason.INVALID_BLOCK,
        )
    content_digest = digest(request.block_data)
    computed = checksum_b64(content_digest)
    if computed != request.checksum:
        raise _wrong_checksum(computed, request.checksum)
    if request.checksum_algorithm != _ALGORITHM:
        raise invalid_parameter(
            f"Unsupported Checksum Algorithm '{request.checksum_algorithm}', "
            f"supported algorithms are {_ALGORITHM}"
        )
    try:
        snapshot = _writable_snapshot(ctx, caller, request)
        ctx.committer.put_block(
            domain_to_write(ctx, caller, snapshot),
            snapshot,
            BlockIndex(request.block_index),
            request.block_data,
            content_digest,
        )
    except SnapshotNotFound:
        raise snapshot_not_found(request.snapshot_id) from None
    except SnapshotSealed:
        raise ValidationError(
            "Snapshot is already completed", reason=ValidationReason.INVALID_SNAPSHOT_ID
        ) from None
    return PutSnapshotBlockResponse(checksum=computed, checksum_algorithm=_ALGORITHM)


def _writable_snapshot(ctx: Context, caller: Caller, request: PutSnapshotBlockRequest) -> Snapshot:
    record = ctx.metadata.snapshot(caller.account_id, SnapshotId(request.snapshot_id))
    snapshot = observed(record, ctx.clock.now_ms())
    if snapshot.origin is Origin.COPY:
        raise SnapshotNotFound(request.snapshot_id)
    if snapshot.state in {State.SEALING, State.COMPLETED}:
        raise SnapshotSealed(request.snapshot_id)
    if snapshot.state is not State.PENDING:
        raise SnapshotNotFound(request.snapshot_id)
    if request.block_index >= snapshot.volume_gib * ctx.limits.blocks_per_gib:
        raise ValidationError(
            f"Block index {request.block_index} is beyond the volume size extent",
            reason=ValidationReason.INVALID_BLOCK,
        )
    return snapshot


def _wrong_checksum(computed: str, expected: str) -> CommonError:
    """Return the live service's answer: 403, of the authentication family (contract 4)."""
    return CommonError(
        "InvalidSignatureException",
        403,
        "The value passed in as x-amz-Checksum does not match the computed checksum. "
        f"Computed checksum: {computed} expected checksum: {expected}",
    )
