"""EnableKeyRotation, DisableKeyRotation, GetKeyRotationStatus, RotateKeyOnDemand, ListKeyRotations.

A rotation gives a key new material for what is wrapped from then on. Older material stays and opens what it
wrapped: no ciphertext has to be made anew, and none stops working.
"""

import re
from collections.abc import Sequence
from typing import Final

from neve.domain import kms_changes
from neve.domain.kms_keys import KeyMaterial, KmsKey
from neve.messages import kms
from neve.messages.kms_responses import (
    EmptyResponse,
    GetKeyRotationStatusResponse,
    ListKeyRotationsResponse,
    RotateKeyOnDemandResponse,
    RotationsListEntry,
)
from neve.operations.context import Caller, Context
from neve.operations.kms.access import (
    GRANTING,
    MANAGING,
    keyring_of,
    permitted_key,
)
from neve.operations.kms.pages import checked_marker, page

_PERIOD_DAYS_DEFAULT: Final = 365
"""KMS API reference, EnableKeyRotation."""
_DAY_MS: Final = 24 * 60 * 60 * 1000
_MARKER: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_PAGE_ROTATIONS: Final = 100


def enable_key_rotation(ctx: Context, caller: Caller, request: kms.EnableKeyRotationRequest) -> EmptyResponse:
    """Let the key's material rotate by itself, a period after its newest was made. Repeating it changes the period.

    Raises:
        KmsError: NotFoundException, InvalidArnException, AccessDeniedException, DisabledException,
            KMSInvalidStateException.
    """
    days = request.rotation_period_in_days or _PERIOD_DAYS_DEFAULT
    key = permitted_key(
        ctx,
        caller,
        "kms:EnableKeyRotation",
        request.key_id,
        MANAGING,
        conditions={"kms:rotationperiodindays": (str(days),)},
    )
    return _put_rotation(ctx, key, days)


def disable_key_rotation(
    ctx: Context, caller: Caller, request: kms.DisableKeyRotationRequest
) -> EmptyResponse:
    """Let the key's material rotate on demand only. Repeating it changes nothing.

    Raises:
        KmsError: NotFoundException, InvalidArnException, AccessDeniedException, DisabledException,
            KMSInvalidStateException.
    """
    key = permitted_key(ctx, caller, "kms:DisableKeyRotation", request.key_id, MANAGING)
    return _put_rotation(ctx, key, None)


def get_key_rotation_status(
    ctx: Context, caller: Caller, request: kms.GetKeyRotationStatusRequest
) -> GetKeyRotationStatusResponse:
    """Return whether and when the key's material rotates by itself.

    Raises:
        KmsError: NotFoundException, InvalidArnException, AccessDeniedException, KMSInvalidStateException.
    """
    key = permitted_key(ctx, caller, "kms:GetKeyRotationStatus", request.key_id, GRANTING)
    kms_changes.check_not_pending(key)
    days = key.rotation_days
    return GetKeyRotationStatusResponse(
        key_rotation_enabled=days is not None,
        key_id=key.key_id,
        rotation_period_in_days=days,
        next_rotation_date_ms=None if days is None else key.rotated_ms + days * _DAY_MS,
    )


def rotate_key_on_demand(
    ctx: Context, caller: Caller, request: kms.RotateKeyOnDemandRequest
) -> RotateKeyOnDemandResponse:
    """Give the key new material now. Repeating it gives it another.

    Raises:
        KmsError: NotFoundException, InvalidArnException, AccessDeniedException, DisabledException,
            KMSInvalidStateException, LimitExceededException.
    """
    key = permitted_key(ctx, caller, "kms:RotateKeyOnDemand", request.key_id, MANAGING)
    kms_changes.check_rotatable(key)
    keyring_of(ctx).rotate(key.key_id)
    return RotateKeyOnDemandResponse(key_id=key.key_id)


def list_key_rotations(
    ctx: Context, caller: Caller, request: kms.ListKeyRotationsRequest
) -> ListKeyRotationsResponse:
    """Return the rotations that were; or, if asked for, every material, the first one included.

    Raises:
        KmsError: NotFoundException, InvalidArnException, AccessDeniedException, InvalidMarkerException.
    """
    key = permitted_key(ctx, caller, "kms:ListKeyRotations", request.key_id, MANAGING)
    after = int(checked_marker(request.marker, _MARKER) or 0)
    every = request.include_key_material == "ALL_KEY_MATERIAL"
    found = [
        material
        for material in ctx.metadata.keys.key_materials(key.key_id)
        if material.version > after and (every or material.version > 1)
    ]
    limit = request.limit or _PAGE_ROTATIONS
    materials, next_marker, truncated = page(found, limit, lambda material: str(material.version))
    return ListKeyRotationsResponse(
        rotations=_entries(key, materials, every=every), next_marker=next_marker, truncated=truncated
    )


def _put_rotation(ctx: Context, key: KmsKey, days: int | None) -> EmptyResponse:
    keyring_of(ctx).update(key.key_id, lambda read: kms_changes.rotating(read, days=days))
    return EmptyResponse()


def _entries(key: KmsKey, materials: Sequence[KeyMaterial], *, every: bool) -> tuple[RotationsListEntry, ...]:
    return tuple(
        RotationsListEntry(
            key_id=key.key_id,
            key_material_state=_material_state(key, material) if every else None,
            rotation_date_ms=material.created_ms if material.version > 1 else None,
        )
        for material in materials
    )


def _material_state(key: KmsKey, material: KeyMaterial) -> str:
    return "CURRENT" if material.version == key.material_version else "NON_CURRENT"
