"""What may be changed about a KMS key, and what becomes of it: records in, records out, or KMS's own refusal.

    Enabled ◀──▶ Disabled ──schedule──▶ PendingDeletion ──its time──▶ gone
       └────────────schedule────────────────▲    └──cancel──▶ Disabled

Who asks is not known here. The keys the service manages for an account change by nobody's hand (contract 10).
"""

from dataclasses import replace
from typing import Final

from neve.domain.kms_keys import KeyManager, KeyState, KmsKey
from neve.errors import KmsError

DELETION_DAYS_MIN: Final = 7
DELETION_DAYS_MAX: Final = 30
"""ScheduleKeyDeletion; the longest is the default."""
ROTATION_DAYS_MIN: Final = 90
ROTATION_DAYS_MAX: Final = 2560
"""EnableKeyRotation."""
ROTATION_DAYS_DEFAULT: Final = 365
_DAY_MS: Final = 86_400_000


def enabled(key: KmsKey) -> KmsKey:
    """Return the key, of use again.

    Raises:
        KmsError: KMSInvalidStateException, UnsupportedOperationException.
    """
    _check_customers(key)
    _check_not_pending(key)
    return replace(key, state=KeyState.ENABLED)


def disabled(key: KmsKey) -> KmsKey:
    """Return the key, of no use until it is enabled.

    Raises:
        KmsError: KMSInvalidStateException, UnsupportedOperationException.
    """
    _check_customers(key)
    _check_not_pending(key)
    return replace(key, state=KeyState.DISABLED)


def deletion_scheduled(key: KmsKey, *, days: int, now_ms: int) -> KmsKey:
    """Return the key, of no use from now on and to be destroyed in so many days.

    Raises:
        KmsError: ValidationException, KMSInvalidStateException, UnsupportedOperationException.
    """
    if not DELETION_DAYS_MIN <= days <= DELETION_DAYS_MAX:
        raise KmsError(
            "ValidationException",
            f"PendingWindowInDays must be between {DELETION_DAYS_MIN} and {DELETION_DAYS_MAX} days",
        )
    _check_customers(key)
    _check_not_pending(key)
    return replace(key, state=KeyState.PENDING_DELETION, deletion_ms=now_ms + days * _DAY_MS)


def deletion_cancelled(key: KmsKey) -> KmsKey:
    """Return the key, disabled: whoever wants to use it enables it.

    Raises:
        KmsError: KMSInvalidStateException
    """
    if key.state is not KeyState.PENDING_DELETION:
        raise KmsError("KMSInvalidStateException", f"{key.arn} is not pending deletion.")
    return replace(key, state=KeyState.DISABLED, deletion_ms=None)


def rotating(key: KmsKey, *, days: int | None) -> KmsKey:
    """Return the key, its material rotating by itself every so many days; None ends that.

    Raises:
        KmsError: ValidationException, DisabledException, KMSInvalidStateException, UnsupportedOperationException.
    """
    if days is not None and not ROTATION_DAYS_MIN <= days <= ROTATION_DAYS_MAX:
        raise KmsError(
            "ValidationException",
            f"RotationPeriodInDays must be between {ROTATION_DAYS_MIN} and {ROTATION_DAYS_MAX} days",
        )
    _check_customers(key)
    _check_not_pending(key)
    if key.state is KeyState.DISABLED:
        raise KmsError("DisabledException", f"{key.arn} is disabled.")
    return replace(key, rotation_days=days)


def with_policy(key: KmsKey, policy: str) -> KmsKey:
    """Return the key with another key policy, which was read before.

    Raises:
        KmsError: KMSInvalidStateException, UnsupportedOperationException.
    """
    _check_customers(key)
    return replace(key, policy=policy)


def _check_customers(key: KmsKey) -> None:
    if key.manager is KeyManager.AWS:
        raise KmsError(
            "UnsupportedOperationException",
            f"{key.arn} is the account's default key, which the service manages: it cannot be changed.",
        )


def _check_not_pending(key: KmsKey) -> None:
    if key.state is KeyState.PENDING_DELETION:
        raise KmsError("KMSInvalidStateException", f"{key.arn} is pending deletion.")
