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
MATERIALS_MAX: Final = 200
"""Versions of one key's material after which none is made by hand. KMS counts 25 rotations on demand; each is a
record that every opening of older ciphertexts reads."""
_DAY_MS: Final = 86_400_000


def enabled(key: KmsKey) -> KmsKey:
    """Return the key, of use again.

    Raises:
        KmsError: KMSInvalidStateException, UnsupportedOperationException.
    """
    check_customers(key)
    check_not_pending(key)
    return replace(key, state=KeyState.ENABLED)


def disabled(key: KmsKey) -> KmsKey:
    """Return the key, of no use until it is enabled.

    Raises:
        KmsError: KMSInvalidStateException, UnsupportedOperationException.
    """
    check_customers(key)
    check_not_pending(key)
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
    check_customers(key)
    check_not_pending(key)
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
    check_customers(key)
    check_not_pending(key)
    if key.state is KeyState.DISABLED:
        raise KmsError("DisabledException", f"{key.arn} is disabled.")
    return replace(key, rotation_days=days)


def check_rotatable(key: KmsKey) -> None:
    """Return if the key may be given new material by hand.

    Raises:
        KmsError: LimitExceededException, DisabledException, KMSInvalidStateException, UnsupportedOperationException.
    """
    rotating(key, days=key.rotation_days)
    if key.material_version >= MATERIALS_MAX:
        raise KmsError(
            "LimitExceededException",
            f"{key.arn} has {key.material_version} versions of its material already.",
        )


def with_policy(key: KmsKey, policy: str) -> KmsKey:
    """Return the key with another key policy, which was read before.

    Raises:
        KmsError: UnsupportedOperationException
    """
    check_customers(key)
    return replace(key, policy=policy)


def check_customers(key: KmsKey) -> None:
    """Return unless the key is one that the service made for itself: nobody changes those.

    Raises:
        KmsError: UnsupportedOperationException
    """
    if key.manager is KeyManager.AWS:
        raise KmsError(
            "UnsupportedOperationException", f"{key.arn} is managed by the service and cannot be changed."
        )


def check_not_pending(key: KmsKey) -> None:
    """Return unless the key is to be deleted.

    Raises:
        KmsError: KMSInvalidStateException
    """
    if key.state is KeyState.PENDING_DELETION:
        raise KmsError("KMSInvalidStateException", f"{key.arn} is pending deletion.")
