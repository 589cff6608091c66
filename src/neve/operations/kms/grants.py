"""CreateGrant, ListGrants, RevokeGrant, RetireGrant: what a principal may do with a key beside what policies say.

A grant works from the moment it is made, and is gone from the moment it is revoked. Whoever may make grants only by
a grant themselves can hand on no more than that grant allows.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from neve.domain.kms_keys import EncryptionContext, Grant, KmsKey
from neve.domain.policies.evaluation import ContextValue
from neve.domain.principals import root_arn
from neve.errors import GrantNotFound, KmsError, KmsKeyNotFound
from neve.messages import kms
from neve.messages.kms_responses import CreateGrantResponse, EmptyResponse, GrantListEntry, ListGrantsResponse
from neve.operations.context import Caller, Context
from neve.operations.key_permission import grants_of
from neve.operations.kms.access import (
    GRANTING,
    Conditions,
    check_enabled,
    check_grant_tokens,
    end_dry_run,
    keyring_of,
    named_key,
    permit,
    permitted_key,
)
from neve.operations.kms.cryptography import missing
from neve.operations.kms.pages import checked_marker
from neve.stores.keys.key_arns import key_not_found

GRANTS_MAX: Final = 2500
"""Grants of one key: every question that policies leave open reads them all. KMS has 50,000."""

OPERATIONS: Final = frozenset(
    {
        "CreateGrant",
        "Decrypt",
        "DescribeKey",
        "Encrypt",
        "GenerateDataKey",
        "GenerateDataKeyWithoutPlaintext",
        "ReEncryptFrom",
        "ReEncryptTo",
        "RetireGrant",
    }
)
"""What a grant for a symmetric key can allow here."""

_PRINCIPAL: Final = re.compile(
    r"arn:aws:iam::[0-9]{12}:(?:root|(?:user|role)/[\w+=,.@/-]+)"
    r"|arn:aws:sts::[0-9]{12}:(?:assumed-role/[\w+=,.@-]+/[\w+=,.@-]+|federated-user/[\w+=,.@-]+)",
    re.ASCII,
)
_GRANT_ID: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_ID_BYTES: Final = 32
_PAGE_GRANTS: Final = 50
"""KMS API reference, ListGrants."""
_LOOKED_AT_MAX: Final = 1000
"""Grants that one request looks through for those it asks for."""


def create_grant(ctx: Context, caller: Caller, request: kms.CreateGrantRequest) -> CreateGrantResponse:
    """Allow a principal some operations with a key.

    With a name, repeating it changes nothing and returns the same grant with another token.

    Raises:
        KmsError: NotFoundException, InvalidArnException, AccessDeniedException, DisabledException,
            KMSInvalidStateException, InvalidGrantTokenException, LimitExceededException, ValidationException,
            UnsupportedOperationException, DryRunOperationException.
    """
    check_grant_tokens(ctx, request.grant_tokens)
    grantee = _checked_grantee(request)
    operations = _checked_operations(request.operations)
    key = named_key(ctx, caller, "kms:CreateGrant", request.key_id, GRANTING)
    grant = _asked_for(ctx, key, request, grantee=grantee, operations=operations)
    permit(
        ctx,
        caller,
        "kms:CreateGrant",
        key,
        conditions=_conditions(grant),
        grants=lambda: [held for held in grants_of(ctx, key.arn) if _covers(held, grant)],
    )
    check_enabled(key)
    if len(grants_of(ctx, key.arn)) >= GRANTS_MAX:
        raise KmsError("LimitExceededException", f"{key.arn} has {GRANTS_MAX} grants already.")
    end_dry_run(dry_run=request.dry_run)
    try:
        ctx.metadata.keys.add_grant(grant)
    except KmsKeyNotFound:
        raise key_not_found(key.arn) from None
    token = keyring_of(ctx).grant_token(key.arn, grant.grant_id)
    return CreateGrantResponse(grant_token=token, grant_id=grant.grant_id)


def list_grants(ctx: Context, caller: Caller, request: kms.ListGrantsRequest) -> ListGrantsResponse:
    """Return a key's grants, by id; those of one id or grantee, if the request says so.

    A page may be short before the end.

    Raises:
        KmsError: NotFoundException, InvalidArnException, AccessDeniedException, InvalidMarkerException,
            InvalidGrantIdException.
    """
    key = permitted_key(ctx, caller, "kms:ListGrants", request.key_id, GRANTING)
    after = checked_marker(request.marker, _GRANT_ID)
    if request.grant_id is not None:
        _check_grant_id(request.grant_id)
    if request.grantee_service_principal is not None:
        # No grant here is a service's.
        return ListGrantsResponse(grants=(), next_marker=None, truncated=False)
    limit = request.limit or _PAGE_GRANTS
    found = ctx.metadata.keys.grants(key.key_id, after=after, limit=_LOOKED_AT_MAX + 1)
    chosen: list[Grant] = []
    last: Grant | None = None
    for grant in found[:_LOOKED_AT_MAX]:
        if len(chosen) == limit:
            break
        last = grant
        if _is_asked_for(grant, request):
            chosen.append(grant)
    truncated = last is not None and last is not found[-1]
    return ListGrantsResponse(
        grants=tuple(_entry(key, grant) for grant in chosen),
        next_marker=last.grant_id if last is not None and truncated else None,
        truncated=truncated,
    )


def revoke_grant(ctx: Context, caller: Caller, request: kms.RevokeGrantRequest) -> EmptyResponse:
    """Take a grant back; whoever had it may no more from the next call on.

    Raises:
        KmsError: NotFoundException, InvalidArnException, AccessDeniedException, InvalidGrantIdException,
            DryRunOperationException.
    """
    key = permitted_key(ctx, caller, "kms:RevokeGrant", request.key_id, GRANTING)
    _check_grant_id(request.grant_id)
    grant = _grant(ctx, key, request.grant_id)
    end_dry_run(dry_run=request.dry_run)
    _remove(ctx, grant)
    return EmptyResponse()


def retire_grant(ctx: Context, caller: Caller, request: kms.RetireGrantRequest) -> EmptyResponse:
    """Give a grant up: for its retiring principal, for a grantee whose grant allows it, and for who has leave to.

    Raises:
        KmsError: NotFoundException, InvalidArnException, AccessDeniedException, InvalidGrantIdException,
            InvalidGrantTokenException, ValidationException, DryRunOperationException.
    """
    key, grant = _grant_to_retire(ctx, caller, request)
    counting = [grant]
    if grant.retiring_principal is not None:
        counting.append(
            replace(grant, grantee_principal=grant.retiring_principal, operations=("RetireGrant",))
        )
    permit(ctx, caller, "kms:RetireGrant", key, grants=lambda: counting)
    end_dry_run(dry_run=request.dry_run)
    _remove(ctx, grant)
    return EmptyResponse()


# --- making


def _checked_grantee(request: kms.CreateGrantRequest) -> str:
    """Return whom a grant is for, if it is for somebody there can be, and asks for nothing that there is not."""
    for name in ("grantee_service_principal", "retiring_service_principal"):
        if getattr(request, name) is not None:
            raise KmsError("UnsupportedOperationException", f"{kms.member_name(name)} is not supported.")
    if request.constraints is not None and request.constraints.source_arn is not None:
        raise KmsError("UnsupportedOperationException", "The constraint SourceArn is not supported.")
    if request.grantee_principal is None:
        raise missing("granteePrincipal")
    for principal in (request.grantee_principal, request.retiring_principal):
        if principal is not None and _PRINCIPAL.fullmatch(principal) is None:
            raise KmsError("InvalidArnException", f"{principal} is not the ARN of an account, user or role.")
    return request.grantee_principal


def _checked_operations(asked: Sequence[str]) -> tuple[str, ...]:
    """Return what a grant is to allow, each once."""
    operations = tuple(dict.fromkeys(asked))
    if not operations:
        raise KmsError("ValidationException", "A grant must allow at least one operation.")
    if not OPERATIONS.issuperset(operations):
        refused = ", ".join(sorted(set(operations) - OPERATIONS))
        raise KmsError("ValidationException", f"A grant for a symmetric key cannot allow {refused}.")
    return operations


def _asked_for(
    ctx: Context,
    key: KmsKey,
    request: kms.CreateGrantRequest,
    *,
    grantee: str,
    operations: tuple[str, ...],
) -> Grant:
    """Return the grant that a request describes."""
    constraints = request.constraints or kms.GrantConstraints()
    grant = Grant(
        grant_id="",
        key_id=key.key_id,
        grantee_principal=grantee,
        retiring_principal=request.retiring_principal,
        operations=operations,
        name=request.name,
        created_ms=0,
        context_equals=constraints.encryption_context_equals,
        context_subset=constraints.encryption_context_subset,
    )
    return replace(grant, grant_id=_grant_id(ctx, grant), created_ms=ctx.clock.now_ms())


def _grant_id(ctx: Context, grant: Grant) -> str:
    """Return the id of a grant that has none: random, or if it has a name, the same for the same grant."""
    if grant.name is None:
        return ctx.entropy.take(_ID_BYTES).hex()
    described = (
        grant.key_id,
        grant.name,
        grant.grantee_principal,
        grant.retiring_principal,
        sorted(grant.operations),
        _sorted(grant.context_equals),
        _sorted(grant.context_subset),
    )
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()


def _sorted(context: EncryptionContext | None) -> Sequence[tuple[str, str]] | None:
    return None if context is None else sorted(context.items())


def _covers(held: Grant, asked: Grant) -> bool:
    """Return whether a grant allows to make another: one that allows no more, and is bound at least as tightly."""
    if not set(asked.operations) <= set(held.operations):
        return False
    if held.context_equals is not None and (
        asked.context_equals is None or dict(asked.context_equals) != dict(held.context_equals)
    ):
        return False
    if held.context_subset is None:
        return True
    bound_to = {**(asked.context_subset or {}), **(asked.context_equals or {})}
    return held.context_subset.items() <= bound_to.items()


def _conditions(grant: Grant) -> Conditions:
    found: dict[str, ContextValue] = {
        "kms:granteeprincipal": (grant.grantee_principal,),
        "kms:grantoperations": grant.operations,
        "kms:grantisforawsresource": ("false",),
    }
    if grant.retiring_principal is not None:
        found["kms:retiringprincipal"] = (grant.retiring_principal,)
    if grant.context_equals is not None:
        found["kms:grantconstrainttype"] = ("EncryptionContextEquals",)
    elif grant.context_subset is not None:
        found["kms:grantconstrainttype"] = ("EncryptionContextSubset",)
    return found


# --- finding and removing


def _grant_to_retire(ctx: Context, caller: Caller, request: kms.RetireGrantRequest) -> tuple[KmsKey, Grant]:
    by_id = request.key_id is not None and request.grant_id is not None
    by_token = request.grant_token is not None
    if by_id == by_token or (by_token and (request.key_id is not None or request.grant_id is not None)):
        raise KmsError("ValidationException", "Specify either a GrantToken, or a KeyId and a GrantId.")
    if request.grant_token is not None:
        arn, grant_id = keyring_of(ctx).read_grant_token(request.grant_token)
        key = keyring_of(ctx).resolve(caller.account_id, arn)
    else:
        assert request.key_id is not None
        assert request.grant_id is not None
        grant_id = request.grant_id
        _check_grant_id(grant_id)
        key = named_key(ctx, caller, "kms:RetireGrant", request.key_id, GRANTING)
    try:
        return key, _grant(ctx, key, grant_id)
    except KmsError:
        if not by_token and key.account_id != caller.account_id:
            # Without a grant to retire nothing but policies can have let the caller know of the key.
            permit(ctx, caller, "kms:RetireGrant", key, grants=lambda: ())
        raise


def _grant(ctx: Context, key: KmsKey, grant_id: str) -> Grant:
    """Return a grant of a key."""
    before = int(grant_id, 16) - 1
    after = f"{before:064x}" if before >= 0 else None
    found = ctx.metadata.keys.grants(key.key_id, after=after, limit=1)
    if not found or found[0].grant_id != grant_id:
        raise _grant_not_found(grant_id)
    return found[0]


def _remove(ctx: Context, grant: Grant) -> None:
    try:
        ctx.metadata.keys.remove_grant(grant.key_id, grant.grant_id)
    except GrantNotFound:
        raise _grant_not_found(grant.grant_id) from None


def _check_grant_id(grant_id: str) -> None:
    if _GRANT_ID.fullmatch(grant_id) is None:
        raise KmsError("InvalidGrantIdException", "A grant id has 64 hex digits.")


def _grant_not_found(grant_id: str) -> KmsError:
    return KmsError("NotFoundException", f"Grant ID {grant_id} not found")


def _is_asked_for(grant: Grant, request: kms.ListGrantsRequest) -> bool:
    return (request.grant_id in {None, grant.grant_id}) and (
        request.grantee_principal in {None, grant.grantee_principal}
    )


def _entry(key: KmsKey, grant: Grant) -> GrantListEntry:
    bound = grant.context_equals is not None or grant.context_subset is not None
    return GrantListEntry(
        key_id=key.arn,
        grant_id=grant.grant_id,
        name=grant.name,
        creation_date_ms=grant.created_ms,
        grantee_principal=grant.grantee_principal,
        retiring_principal=grant.retiring_principal,
        issuing_account=root_arn(key.account_id),
        operations=grant.operations,
        constraints=kms.GrantConstraints(
            encryption_context_equals=grant.context_equals, encryption_context_subset=grant.context_subset
        )
        if bound
        else None,
    )
