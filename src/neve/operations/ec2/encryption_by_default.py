"""EnableEbsEncryptionByDefault, DisableEbsEncryptionByDefault, GetEbsEncryptionByDefault (contract 9.7).

A setting of the account, in force for every later StartSnapshot that does not say otherwise.
"""

from dataclasses import replace

from neve.messages.ec2 import (
    DisableEbsEncryptionByDefaultRequest,
    EbsEncryptionByDefaultResponse,
    EnableEbsEncryptionByDefaultRequest,
    GetEbsEncryptionByDefaultRequest,
    GetEbsEncryptionByDefaultResponse,
)
from neve.operations.context import Caller, Context
from neve.operations.ec2 import refusals


def enable_ebs_encryption_by_default(
    ctx: Context, caller: Caller, request: EnableEbsEncryptionByDefaultRequest
) -> EbsEncryptionByDefaultResponse:
    """Encrypt what the account starts from now on. Repeating it changes nothing.

    Raises:
        Ec2Error: DryRunOperation.
    """
    return _set(ctx, caller, enabled=True, dry_run=request.dry_run)


def disable_ebs_encryption_by_default(
    ctx: Context, caller: Caller, request: DisableEbsEncryptionByDefaultRequest
) -> EbsEncryptionByDefaultResponse:
    """Encrypt from now on only what asks for it. Repeating it changes nothing.

    Raises:
        Ec2Error: DryRunOperation.
    """
    return _set(ctx, caller, enabled=False, dry_run=request.dry_run)


def get_ebs_encryption_by_default(
    ctx: Context, caller: Caller, request: GetEbsEncryptionByDefaultRequest
) -> GetEbsEncryptionByDefaultResponse:
    """Return the setting. Changes nothing.

    Raises:
        Ec2Error: DryRunOperation.
    """
    refusals.end_dry_run(dry_run=request.dry_run)
    enabled = ctx.metadata.identities.account_settings(caller.account_id).encryption_by_default
    return GetEbsEncryptionByDefaultResponse(
        ebs_encryption_by_default=enabled, sse_type="sse-kms" if enabled else "none"
    )


def _set(ctx: Context, caller: Caller, *, enabled: bool, dry_run: bool) -> EbsEncryptionByDefaultResponse:
    refusals.end_dry_run(dry_run=dry_run)
    settings = ctx.metadata.identities.change_account_settings(
        caller.account_id, lambda found: replace(found, encryption_by_default=enabled)
    )
    return EbsEncryptionByDefaultResponse(ebs_encryption_by_default=settings.encryption_by_default)
