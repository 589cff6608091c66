"""CreateKey, DescribeKey, ListKeys, UpdateKeyDescription."""

import re
from dataclasses import replace
from typing import Final

from neve.domain import kms_changes
from neve.domain.kms_keys import KEY_SPEC, KEY_USAGE, KeyState, KmsKey, KmsKeyId, key_arn
from neve.domain.policies.ready_made import default_key_policy
from neve.errors import KmsError
from neve.messages import kms
from neve.messages.kms_responses import (
    CreateKeyResponse,
    DescribeKeyResponse,
    EmptyResponse,
    KeyListEntry,
    KeyMetadata,
    ListKeysResponse,
)
from neve.operations.context import Caller, Context
from neve.operations.kms.access import (
    MANAGING,
    USING,
    check_grant_tokens,
    keyring_of,
    permitted_key,
)
from neve.operations.kms.key_policies import check_policy
from neve.operations.kms.pages import checked_marker, page
from neve.operations.kms.tagging import checked_tags

ORIGIN: Final = "AWS_KMS"

_MARKER: Final = re.compile(r"[0-9a-f-]{36}", re.ASCII)
_PAGE_KEYS: Final = 100


def create_key(ctx: Context, caller: Caller, request: kms.CreateKeyRequest) -> CreateKeyResponse:
    """Make an enabled symmetric key in the caller's account. Repeating it makes another.

    Raises:
        KmsError: UnsupportedOperationException for any other kind of key, MalformedPolicyDocumentException,
            TagException, LimitExceededException, ValidationException.
    """
    keyring = keyring_of(ctx)
    _check_kind(request)
    tags = checked_tags(request.tags or ())
    policy = request.policy
    if policy is None:
        policy = default_key_policy(caller.account_id)
    else:
        any_key = key_arn(ctx.region, caller.account_id, "*")
        check_policy(
            caller, policy, any_key, caller.account_id, bypass=request.bypass_policy_lockout_safety_check
        )
    key = keyring.create_key(
        caller.account_id, description=request.description or "", policy=policy, tags=tags
    )
    return CreateKeyResponse(key_metadata=_metadata(key))


def describe_key(ctx: Context, caller: Caller, request: kms.DescribeKeyRequest) -> DescribeKeyResponse:
    """Return what there is to know of a key, whatever its state.

    Raises:
        KmsError: NotFoundException, InvalidArnException, AccessDeniedException, InvalidGrantTokenException.
    """
    check_grant_tokens(ctx, request.grant_tokens)
    return DescribeKeyResponse(
        key_metadata=_metadata(permitted_key(ctx, caller, "kms:DescribeKey", request.key_id, USING))
    )


def list_keys(ctx: Context, caller: Caller, request: kms.ListKeysRequest) -> ListKeysResponse:
    """Return the account's keys, by id. No other account shares any by way of RAM, which is not here.

    Raises:
        KmsError: InvalidMarkerException.
    """
    keyring = keyring_of(ctx)
    after = checked_marker(request.marker, _MARKER)
    if request.resource_owners is not None and "SELF" not in request.resource_owners:
        return ListKeysResponse(keys=(), next_marker=None, truncated=False)
    limit = request.limit or _PAGE_KEYS
    found = keyring.keys(caller.account_id, after=None if after is None else KmsKeyId(after), limit=limit + 1)
    keys, next_marker, truncated = page(found, limit, lambda key: key.key_id)
    return ListKeysResponse(
        keys=tuple(KeyListEntry(key_id=key.key_id, key_arn=key.arn) for key in keys),
        next_marker=next_marker,
        truncated=truncated,
    )


def update_key_description(
    ctx: Context, caller: Caller, request: kms.UpdateKeyDescriptionRequest
) -> EmptyResponse:
    """Replace the key's description. Repeating it changes nothing.

    Raises:
        KmsError: NotFoundException, InvalidArnException, AccessDeniedException, KMSInvalidStateException.
    """
    key = permitted_key(ctx, caller, "kms:UpdateKeyDescription", request.key_id, MANAGING)

    def described(read: KmsKey) -> KmsKey:
        kms_changes.check_not_pending(read)
        kms_changes.check_customers(read)
        return replace(read, description=request.description)

    keyring_of(ctx).update(key.key_id, described)
    return EmptyResponse()


def _check_kind(request: kms.CreateKeyRequest) -> None:
    """Return if the request asks for the one kind of key there is."""
    if request.key_spec is not None and request.customer_master_key_spec is not None:
        raise KmsError(
            "ValidationException",
            "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. "
            "CustomerMasterKeySpec is deprecated.",
        )
    asked = (
        ("KeySpec", request.key_spec or request.customer_master_key_spec, KEY_SPEC),
        ("KeyUsage", request.key_usage, KEY_USAGE),
        ("Origin", request.origin, ORIGIN),
        ("MultiRegion", request.multi_region or None, False),
        ("CustomKeyStoreId", request.custom_key_store_id, ""),
        ("XksKeyId", request.xks_key_id, ""),
    )
    for name, value, served in asked:
        if value is not None and value != served:
            raise KmsError("UnsupportedOperationException", f"{name} {value} is not supported.")


def _metadata(key: KmsKey) -> KeyMetadata:
    return KeyMetadata(
        aws_account_id=key.account_id,
        key_id=key.key_id,
        arn=key.arn,
        creation_date_ms=key.created_ms,
        enabled=key.state is KeyState.ENABLED,
        description=key.description,
        key_usage=KEY_USAGE,
        key_state=key.state,
        deletion_date_ms=key.deletion_ms,
        origin=ORIGIN,
        key_manager=key.manager,
        customer_master_key_spec=KEY_SPEC,
        key_spec=KEY_SPEC,
        encryption_algorithms=(KEY_SPEC,),
        multi_region=False,
    )
