"""EnableKey, DisableKey, ScheduleKeyDeletion, CancelKeyDeletion."""

from collections.abc import Callable

from neve.domain import kms_changes
from neve.domain.kms_keys import KmsKey
from neve.messages import kms
from neve.messages.kms_responses import CancelKeyDeletionResponse, EmptyResponse, ScheduleKeyDeletionResponse
from neve.operations.context import Caller, Context
from neve.operations.kms.access import MANAGING, keyring_of, permitted_key


def enable_key(ctx: Context, caller: Caller, request: kms.EnableKeyRequest) -> EmptyResponse:
    """Let a disabled key be used again. Repeating it changes nothing.

    Raises:
        KmsError: NotFoundException, InvalidArnException, AccessDeniedException, KMSInvalidStateException.
    """
    return _changed(ctx, caller, "kms:EnableKey", request.key_id, kms_changes.enabled)


def disable_key(ctx: Context, caller: Caller, request: kms.DisableKeyRequest) -> EmptyResponse:
    """Let the key be used by nobody, from the next call on. Repeating it changes nothing.

    Raises:
        KmsError: NotFoundException, InvalidArnException, AccessDeniedException, KMSInvalidStateException.
    """
    return _changed(ctx, caller, "kms:DisableKey", request.key_id, kms_changes.disabled)


def schedule_key_deletion(
    ctx: Context, caller: Caller, request: kms.ScheduleKeyDeletionRequest
) -> ScheduleKeyDeletionResponse:
    """Stop the key now and destroy it when the window is over: then nothing it wrapped will ever open again.

    Raises:
        KmsError: NotFoundException, InvalidArnException, AccessDeniedException, ValidationException;
            KMSInvalidStateException if it is pending deletion already.
    """
    days = request.pending_window_in_days or kms_changes.DELETION_DAYS_MAX
    key = permitted_key(
        ctx,
        caller,
        "kms:ScheduleKeyDeletion",
        request.key_id,
        MANAGING,
        conditions={"kms:schedulekeydeletionpendingwindowindays": (str(days),)},
    )
    now_ms = ctx.clock.now_ms()

    def scheduled(read: KmsKey) -> KmsKey:
        return kms_changes.deletion_scheduled(read, days=days, now_ms=now_ms)

    changed = keyring_of(ctx).update(key.key_id, scheduled)
    assert changed.deletion_ms is not None
    return ScheduleKeyDeletionResponse(
        key_id=key.arn,
        deletion_date_ms=changed.deletion_ms,
        key_state=changed.state,
        pending_window_in_days=days,
    )


def cancel_key_deletion(
    ctx: Context, caller: Caller, request: kms.CancelKeyDeletionRequest
) -> CancelKeyDeletionResponse:
    """Let a key that waits for its end live on, disabled.

    Raises:
        KmsError: NotFoundException, InvalidArnException, AccessDeniedException;
            KMSInvalidStateException if it is not pending deletion.
    """
    key = permitted_key(ctx, caller, "kms:CancelKeyDeletion", request.key_id, MANAGING)
    keyring_of(ctx).update(key.key_id, kms_changes.deletion_cancelled)
    return CancelKeyDeletionResponse(key_id=key.arn)


def _changed(
    ctx: Context, caller: Caller, action: str, name: str, change: Callable[[KmsKey], KmsKey]
) -> EmptyResponse:
    key = permitted_key(ctx, caller, action, name, MANAGING)
    keyring_of(ctx).update(key.key_id, change)
    return EmptyResponse()
