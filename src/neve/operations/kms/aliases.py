"""CreateAlias, UpdateAlias, DeleteAlias, ListAliases: other names for keys, inside an account.

To change what an alias names takes leave for the alias and for every key concerned.
"""

import re
from collections.abc import Sequence
from typing import Final

from neve.domain import kms_changes
from neve.domain.kms_keys import Alias, KmsKey
from neve.errors import AliasExists, AliasNotFound, KmsError, KmsKeyNotFound
from neve.messages import kms
from neve.messages.kms_responses import AliasListEntry, EmptyResponse, ListAliasesResponse
from neve.operations.context import Caller, Context
from neve.operations.kms.access import (
    MANAGING,
    keyring_of,
    named_key,
    permit,
    permit_alias,
    permitted_key,
)
from neve.operations.kms.pages import checked_marker
from neve.stores.keys.key_arns import key_not_found
from neve.stores.keys.key_names import ALIAS_PREFIX, alias_arn, alias_not_found

_RESERVED_PREFIX: Final = "alias/aws/"
_NAME: Final = re.compile(r"alias/[a-zA-Z0-9/_-]{1,250}", re.ASCII)
_PAGE_ALIASES: Final = 50
"""KMS API reference, ListAliases."""
_LOOKED_AT_MAX: Final = 1000
"""Aliases that one request looks through for those of one key."""


def create_alias(ctx: Context, caller: Caller, request: kms.CreateAliasRequest) -> EmptyResponse:
    """Name a key of the account.

    Raises:
        KmsError: AlreadyExistsException, InvalidAliasNameException, ValidationException, NotFoundException,
            AccessDeniedException, KMSInvalidStateException.
    """
    arn = _permitted_alias(ctx, caller, "kms:CreateAlias", request.alias_name)
    key = _target(ctx, caller, "kms:CreateAlias", request.target_key_id)
    now_ms = ctx.clock.now_ms()
    try:
        ctx.metadata.keys.add_alias(
            Alias(
                account_id=caller.account_id,
                name=request.alias_name,
                key_id=key.key_id,
                created_ms=now_ms,
                updated_ms=now_ms,
            )
        )
    except AliasExists:
        raise KmsError("AlreadyExistsException", f"An alias with the name {arn} already exists") from None
    except KmsKeyNotFound:
        raise key_not_found(key.arn) from None
    return EmptyResponse()


def update_alias(ctx: Context, caller: Caller, request: kms.UpdateAliasRequest) -> EmptyResponse:
    """Let an alias name another key of the account. Repeating it changes nothing but its date.

    Raises:
        KmsError: NotFoundException, InvalidAliasNameException, ValidationException, AccessDeniedException,
            KMSInvalidStateException.
    """
    arn = _permitted_alias(ctx, caller, "kms:UpdateAlias", request.alias_name)
    _named_until_now(ctx, caller, "kms:UpdateAlias", request.alias_name)
    key = _target(ctx, caller, "kms:UpdateAlias", request.target_key_id)
    try:
        ctx.metadata.keys.move_alias(
            caller.account_id, request.alias_name, key.key_id, now_ms=ctx.clock.now_ms()
        )
    except AliasNotFound:
        raise alias_not_found(arn) from None
    except KmsKeyNotFound:
        raise key_not_found(key.arn) from None
    return EmptyResponse()


def delete_alias(ctx: Context, caller: Caller, request: kms.DeleteAliasRequest) -> EmptyResponse:
    """Forget an alias; its key stays.

    Raises:
        KmsError: NotFoundException, InvalidAliasNameException, ValidationException, AccessDeniedException.
    """
    arn = _permitted_alias(ctx, caller, "kms:DeleteAlias", request.alias_name)
    _named_until_now(ctx, caller, "kms:DeleteAlias", request.alias_name)
    try:
        ctx.metadata.keys.remove_alias(caller.account_id, request.alias_name)
    except AliasNotFound:
        raise alias_not_found(arn) from None
    return EmptyResponse()


def list_aliases(ctx: Context, caller: Caller, request: kms.ListAliasesRequest) -> ListAliasesResponse:
    """Return the account's aliases, by name; of one key, if one is named. A page may be short before the end.

    Raises:
        KmsError: InvalidMarkerException, NotFoundException, InvalidArnException, AccessDeniedException.
    """
    keyring_of(ctx)
    after = checked_marker(request.marker, _NAME)
    if request.key_id is None:
        key_id = None
    else:
        key_id = named_key(ctx, caller, "kms:ListAliases", request.key_id, MANAGING).key_id
    limit = request.limit or _PAGE_ALIASES
    looked_at_max = limit if key_id is None else max(limit, _LOOKED_AT_MAX)
    found = ctx.metadata.keys.aliases(caller.account_id, after=after, limit=looked_at_max + 1)
    chosen: list[Alias] = []
    last: Alias | None = None
    for alias in found[:looked_at_max]:
        if len(chosen) == limit:
            break
        last = alias
        if key_id is None or alias.key_id == key_id:
            chosen.append(alias)
    truncated = last is not None and last is not found[-1]
    return ListAliasesResponse(
        aliases=_entries(ctx, chosen),
        next_marker=last.name if last is not None and truncated else None,
        truncated=truncated,
    )


def _permitted_alias(ctx: Context, caller: Caller, action: str, name: str) -> str:
    """Return the ARN of an alias that the caller may change, whether it exists or not."""
    keyring_of(ctx)
    if not name.startswith(ALIAS_PREFIX):
        raise KmsError("ValidationException", "Invalid identifier")
    if _NAME.fullmatch(name) is None:
        raise KmsError("ValidationException", f"{name} contains invalid characters for an alias")
    arn = alias_arn(ctx.region, caller.account_id, name)
    permit_alias(caller, action, arn)
    if name.startswith(_RESERVED_PREFIX):
        raise KmsError(
            "InvalidAliasNameException", f"Aliases that begin with {_RESERVED_PREFIX} are the service's own."
        )
    return arn


def _target(ctx: Context, caller: Caller, action: str, name: str) -> KmsKey:
    """Return the key that an alias is to name."""
    if name.startswith(ALIAS_PREFIX):
        raise KmsError("ValidationException", "Aliases must refer to keys. Not aliases")
    key = permitted_key(ctx, caller, action, name, MANAGING)
    kms_changes.check_customers(key)
    kms_changes.check_not_pending(key)
    return key


def _named_until_now(ctx: Context, caller: Caller, action: str, name: str) -> None:
    """Return if the caller may take the alias from the key that it names."""
    permit(ctx, caller, action, keyring_of(ctx).resolve(caller.account_id, name))


def _entries(ctx: Context, aliases: Sequence[Alias]) -> tuple[AliasListEntry, ...]:
    return tuple(
        AliasListEntry(
            alias_name=alias.name,
            alias_arn=alias_arn(ctx.region, alias.account_id, alias.name),
            target_key_id=alias.key_id,
            creation_date_ms=alias.created_ms,
            last_updated_date_ms=alias.updated_ms,
        )
        for alias in aliases
    )
