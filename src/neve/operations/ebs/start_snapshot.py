"""StartSnapshot: begin a pending snapshot, empty or as the child of a completed one.

    token ─▶ parent ─▶ encryption ─▶ volume, tags ─▶ quotas ─▶ KMS key ─▶ record

A client token that was used answers first, and from the record alone: whatever became of parent, quotas or key since,
the answer is the one of then. Nothing is written before the last step but a domain, and that only after its key said
yes: a refused start leaves no snapshot behind, and its token is as good as new.

A child costs nothing to start, whatever the parent's size: it remembers the root of the parent's block map,
and completion merges its own writes into that.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import msgspec

from neve.domain.encryption import Outcome, Parent, outcome
from neve.domain.identities import SnapshotId, snapshot_id_from
from neve.domain.snapshots import API_STATUS, Snapshot, State
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
from neve.operations.ebs import dependency
from neve.operations.ebs.answers import snapshot_not_found
from neve.storage.domains import OpenDomain
from neve.stores.metadata.contract import SnapshotStart

_ID_ENTROPY_BYTES = 9


def start_snapshot(ctx: Context, caller: Caller, request: StartSnapshotRequest) -> StartSnapshotResponse:
    """Record a pending snapshot, or answer again what the client token started before.

    Repeating a call with its client token changes nothing and returns the first answer, also after the
    snapshot was completed, failed or was deleted (contract 3.6).

    Raises:
        ValidationError: INVALID_PARAMETER_VALUE (encryption), INVALID_VOLUME_SIZE, INVALID_TAG,
            INVALID_SNAPSHOT_ID (the parent is not complete), INVALID_DEPENDENCY_REQUEST (the KMS key).
        ResourceNotFoundError: SNAPSHOT_NOT_FOUND for the parent, DEPENDENCY_RESOURCE_NOT_FOUND for its key.
        RequestThrottledError: DEPENDENCY_REQUEST_THROTTLED.
        ConflictError: the client token was used with other parameters.
        ConcurrentLimitExceededError, ServiceQuotaExceededError: no room for another.
        KeyProviderUnavailable: nothing was started; repeating it is safe.
    """
    start = _wanted(ctx, caller, request)
    with _refusals(request):
        found = ctx.metadata.check_start(replace(start, pending_max=0, snapshots_max=0))
    if found.replayed is not None:
        return _response(ctx, found.replayed.snapshot)
    settings = ctx.metadata.identities.account_settings(caller.account_id)
    means = outcome(
        parent=_kind_of_parent(ctx, found.parent),
        encrypted=request.encrypted,
        kms_key_arn=request.kms_key_arn,
        by_default=settings.encryption_by_default,
    )
    if request.volume_size > ctx.limits.volume_gib_max:
        raise _invalid_volume_size(request)
    start = replace(
        start, tags=checked_tags([(tag.key, tag.value) for tag in request.tags or ()], ctx.limits)
    )
    with _refusals(request):
        ctx.metadata.check_start(start)  # quotas: no key is asked for what there is no room for
        key_arn = request.kms_key_arn or settings.default_kms_key
        domain = _domain(ctx, caller, start.snapshot_id, means, parent=found.parent, key_arn=key_arn)
        started = ctx.metadata.start_snapshot(replace(start, domain_key=domain.key))
    return _response(ctx, started.snapshot)


def _wanted(ctx: Context, caller: Caller, request: StartSnapshotRequest) -> SnapshotStart:
    """Return what is to be recorded, as far as the request says without a closer look."""
    timeout_minutes = request.timeout or ctx.limits.timeout_minutes_default
    return SnapshotStart(
        snapshot_id=snapshot_id_from(ctx.entropy.take(_ID_ENTROPY_BYTES)),
        account_id=caller.account_id,
        domain_key=None,
        parent_id=SnapshotId(request.parent_snapshot_id) if request.parent_snapshot_id else None,
        volume_gib=request.volume_size,
        description=request.description,
        timeout_minutes=timeout_minutes,
        tags={},
        now_ms=ctx.clock.now_ms(),
        client_token=request.client_token,
        fingerprint=_fingerprint(request, timeout_minutes),
        pending_max=ctx.quotas.pending_snapshots_max,
        snapshots_max=ctx.quotas.snapshots_max,
    )


def _kind_of_parent(ctx: Context, parent: Snapshot | None) -> Parent | None:
    if parent is None:
        return None
    return Parent.ENCRYPTED if ctx.domains.by_key(parent.domain_key).is_encrypted else Parent.UNENCRYPTED


def _domain(
    ctx: Context,
    caller: Caller,
    snapshot_id: str,
    means: Outcome,
    *,
    parent: Snapshot | None,
    key_arn: str,
) -> OpenDomain:
    """Return the domain the snapshot will live in, after its KMS key was asked.

    `key_arn` is the key that was named, or that the account chose as its default; empty for the provider's default.
    """
    if parent is not None:
        if means is Outcome.PARENTS_KEY:
            return dependency.domain_of_child(ctx, caller, parent, snapshot_id)
        return ctx.domains.by_key(parent.domain_key)
    if means is Outcome.UNENCRYPTED:
        return ctx.domains.unencrypted(caller.account_id)
    return dependency.domain_of_first(ctx, caller, key_arn, snapshot_id)


@contextmanager
def _refusals(request: StartSnapshotRequest) -> Iterator[None]:
    """Put what the records refuse into the API's words."""
    parent_id = request.parent_snapshot_id or ""
    try:
        yield
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


def _response(ctx: Context, snapshot: Snapshot) -> StartSnapshotResponse:
    return StartSnapshotResponse(
        block_size=ctx.limits.block_bytes,
        description=snapshot.description,
        kms_key_arn=ctx.domains.by_key(snapshot.domain_key).kms_key_arn or None,
        owner_id=snapshot.account_id,
        parent_snapshot_id=snapshot.parent_id,
        snapshot_id=snapshot.snapshot_id,
        sse_type=None,
        start_time_ms=snapshot.started_ms,
        status=API_STATUS[State.PENDING],
        tags=tuple(Tag(key, value) for key, value in snapshot.tags.items()) or None,
        volume_size=snapshot.volume_gib,
    )
