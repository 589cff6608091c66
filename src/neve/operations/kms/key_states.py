"""EnableKey, DisableKey, ScheduleKeyDeletion, CancelKeyDeletion."""

from dataclasses import replace
from typing import Final

from neve.domain.kms_keys import KeyState, KmsKey
from neve.errors import KmsError
from neve.messages import kms
from neve.messages.kms_responses import CancelKeyDeletionResponse, EmptyResponse, ScheduleKeyDeletionResponse
from neve.operations.context import Caller, Context
from neve.operations.kms.access import MANAGING, check_customers, check_not_pending, keyring_of, permitted_key

_WINDOW_DAYS: Final = range(7, 31)
_WINDOW_DAYS_DEFAULT: Final = 30
"""KMS API reference, ScheduleKeyDeletion."""
_DAY_MS: Final = 24 * 60 * 60 * 1000


def enable_key(ctx: Context, caller: Caller, request: kms.EnableKeyRequest) -> EmptyResponse:
    """Let a disabled key be used again. Repeating it changes nothing.

    Raises:
        KmsError: NotFoundException, InvalidArnException, AccessDeniedException, KMSInvalidStateException.
    """
    return _put_state(ctx, caller, "kms:EnableKey", request.key_id, KeyState.ENABLED)


def disable_key(ctx: Context, caller: Caller, request: kms.DisableKeyRequest) -> EmptyResponse:
    """Let the key be used by nobody, from the next call on. Repeating it changes nothing.

    Raises:
        KmsError: NotFoundException, InvalidArnException, AccessDeniedException, KMSInvalidStateException.
    """
    return _put_state(ctx, caller, "kms:DisableKey", request.key_id, KeyState.DISABLED)


def schedule_key_deletion(
    ctx: Context, caller: Caller, request: kms.ScheduleKeyDeletionRequest
) -> ScheduleKeyDeletionResponse:
    """Stop the key now and destroy it when the window is over: then nothing it wrapped will ever open again.

    Raises:
        KmsError: NotFoundException, InvalidArnException, AccessDeniedException, ValidationException;
            KMSInvalidStateException if it is pending deletion already.
    """
    days = request.pending_window_in_days or _WINDOW_DAYS_DEFAULT
    key = permitted_key(
        ctx,
        caller,
        "kms:ScheduleKeyDeletion",
        request.key_id,
        MANAGING,
        conditions={"kms:schedulekeydeletionpendingwindowindays": (str(days),)},
    )
    if days not in _WINDOW_DAYS:
        raise KmsError(
            "ValidationException",
            f"PendingWindowInDays must be between {_WINDOW_DAYS[0]} and {_WINDOW_DAYS[-1]}, not {days}.",
        )
    deletion_ms = ctx.clock.now_ms() + days * _DAY_MS

    def scheduled(read: KmsKey) -> KmsKey:
        check_not_pending(read)
        check_customers(read)
        return replace(read, state=KeyState.PENDING_DELETION, deletion_ms=deletion_ms)

    keyring_of(ctx).update(key.key_id, scheduled)
    return ScheduleKeyDeletionResponse(
        key_id=key.arn,
        deletion_date_ms=deletion_ms,
        key_state=KeyState.PENDING_DELETION,
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

    def saved(read: KmsKey) -> KmsKey:
        if read.state is not KeyState.PENDING_DELETION:
            raise KmsError("KMSInvalidStateException", f"{read.arn} is not pending deletion.")
        return replace(read, state=KeyState.DISABLED, deletion_ms=None)

    keyring_of(ctx).update(key.key_id, saved)
    return CancelKeyDeletionResponse(key_id=key.arn)


def _put_state(ctx: Context, caller: Caller, action: str, name: str, state: KeyState) -> EmptyResponse:
    key = permitted_key(ctx, caller, action, name, MANAGING)

    def changed(read: KmsKey) -> KmsKey:
        check_not_pending(read)
        check_customers(read)
        return replace(read, state=state)

    keyring_of(ctx).update(key.key_id, changed)
    return EmptyResponse()
