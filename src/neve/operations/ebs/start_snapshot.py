"""StartSnapshot: begin a pending snapshot, empty or as the child of a completed one.

A child costs nothing to start, whatever the parent's size: it remembers the root of the parent's block map,
and completion merges its own writes into that.
"""

import hashlib

import msgspec

from neve.domain.encryption import check_encryption
from neve.domain.identities import SnapshotId, snapshot_id_from
from neve.domain.snapshots import API_STATUS, State
from neve.domain.tags import checked_tags
from neve.errors import (
    ClientTokenMismatch,
    ConcurrentLimitExceededError,
    ConflictError,
    ParentLargerThanChild,
    PendingLimitReached,
    ServiceQuotaExceededError,
    ServiceQuotaExceededReason,
    SnapshotLimitReached,
    SnapshotNotComplete,
    SnapshotNotFound,
    ValidationError,
    ValidationReason,
)
from neve.messages.ebs import StartSnapshotRequest, StartSnapshotResponse, Tag
from neve.operations.context import Caller, Context
from neve.operations.ebs.answers import snapshot_not_found
from neve.stores.metadata.contract import SnapshotStart, Started

_ID_ENTROPY_BYTES = 9


def start_snapshot(ctx: Context, caller: Caller, request: StartSnapshotRequest) -> StartSnapshotResponse:
    """Record a pending snapshot, or answer again what the client token started before.

    Repeating a call with its client token changes nothing and returns the first answer, also after the
    snapshot was completed, failed or was deleted (contract 3.6).

    Raises:
        ValidationError: INVALID_PARAMETER_VALUE (encryption), INVALID_VOLUME_SIZE, INVALID_TAG,
            INVALID_SNAPSHOT_ID (the parent is not complete).
        ResourceNotFoundError: SNAPSHOT_NOT_FOUND for the parent.
        ConflictError: the client token was used with other parameters.
        ConcurrentLimitExceededError, ServiceQuotaExceededError: no room for another.
    """
    check_encryption(
        has_parent=request.parent_snapshot_id is not None,
        encrypted=request.encrypted,
        kms_key_arn=request.kms_key_arn,
    )
    if request.volume_size > ctx.limits.volume_gib_max:
        raise _invalid_volume_size(request)
    tags = checked_tags([(tag.key, tag.value) for tag in request.tags or ()], ctx.limits)
    timeout_minutes = request.timeout or ctx.limits.timeout_minutes_default
    start = SnapshotStart(
        snapshot_id=snapshot_id_from(ctx.entropy.take(_ID_ENTROPY_BYTES)),
        account_id=caller.account_id,
        domain_key=ctx.domains.unencrypted(caller.account_id).key,
        parent_id=SnapshotId(request.parent_snapshot_id) if request.parent_snapshot_id else None,
        volume_gib=request.volume_size,
        description=request.description,
        timeout_minutes=timeout_minutes,
        tags=tags,
        now_ms=ctx.clock.now_ms(),
        client_token=request.client_token,
        fingerprint=_fingerprint(request, timeout_minutes),
        pending_max=ctx.quotas.pending_snapshots_max,
        snapshots_max=ctx.quotas.snapshots_max,
    )
    return _response(ctx, _recorded(ctx, request, start))


def _recorded(ctx: Context, request: StartSnapshotRequest, start: SnapshotStart) -> Started:
    parent_id = request.parent_snapshot_id or ""
    try:
        return ctx.metadata.start_snapshot(start)
    except ClientTokenMismatch:
        raise ConflictError("Current request does not match request stored with this token.") from None
    except SnapshotNotFound:
        raise snapshot_not_found(parent_id) from None
    except SnapshotNotComplete:
        raise ValidationError(
            f"Source snapshot ({parent_id}) is not complete.", reason=ValidationReason.INVALID_SNAPSHOT_ID
        ) from None
    except ParentLargerThanChild:
        raise _invalid_volume_size(request) from None
    except PendingLimitReached:
        raise ConcurrentLimitExceededError(
            "You have reached the limit on concurrent pending snapshots."
        ) from None
    except SnapshotLimitReached:
        raise ServiceQuotaExceededError(
            "You have reached the limit on the number of snapshots.",
            reason=ServiceQuotaExceededReason.DEPENDENCY_SERVICE_QUOTA_EXCEEDED,
        ) from None


def _invalid_volume_size(request: StartSnapshotRequest) -> ValidationError:
    return ValidationError(
        f"Invalid volume size: {request.volume_size}", reason=ValidationReason.INVALID_VOLUME_SIZE
    )


def _fingerprint(request: StartSnapshotRequest, timeout_minutes: int) -> bytes:
    """Return a digest of every parameter but the token (choice 3).

    Tags are an unordered set, and the default Timeout equals none.
    """
    compared = (
        request.volume_size,
        request.parent_snapshot_id,
        sorted((tag.key, tag.value) for tag in request.tags or ()),
        request.description,
        request.encrypted,
        request.kms_key_arn,
        timeout_minutes,
    )
    return hashlib.sha256(msgspec.json.encode(compared)).digest()


def _response(ctx: Context, started: Started) -> StartSnapshotResponse:
    snapshot = started.snapshot
    return StartSnapshotResponse(
        block_size=ctx.limits.block_bytes,
        description=snapshot.description,
        kms_key_arn=None,
        owner_id=snapshot.account_id,
        parent_snapshot_id=snapshot.parent_id,
        snapshot_id=snapshot.snapshot_id,
        sse_type=None,
        start_time_ms=snapshot.started_ms,
        status=API_STATUS[State.PENDING],
        tags=tuple(Tag(key, value) for key, value in snapshot.tags.items()) or None,
        volume_size=snapshot.volume_gib,
    )
