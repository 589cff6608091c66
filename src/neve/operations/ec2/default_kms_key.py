"""GetEbsDefaultKmsKeyId, ModifyEbsDefaultKmsKeyId, ResetEbsDefaultKmsKeyId (contract 9.7).

The key of the account's snapshots that are to be encrypted and name none. While nobody set one it is the AWS managed
`alias/aws/ebs`, which is made at its first use.

What is set is kept as a key ARN. Whether that key is there, enabled, symmetric and the account's to use is not asked
here: it may become so later, or cease to be, and StartSnapshot asks anyway. An alias is looked up, since without a
key behind it there is no ARN to keep; it names the key of this moment, wherever it points later.
"""

import re
from dataclasses import replace
from typing import Final

from neve.domain.identities import AccountId
from neve.domain.kms_keys import AWS_MANAGED_ALIAS, key_arn
from neve.errors import Ec2Error, KmsError
from neve.messages.ec2 import (
    EbsDefaultKmsKeyIdResponse,
    GetEbsDefaultKmsKeyIdRequest,
    ModifyEbsDefaultKmsKeyIdRequest,
    ResetEbsDefaultKmsKeyIdRequest,
)
from neve.operations.context import Caller, Context
from neve.operations.ec2 import refusals

_ALIAS_PREFIX: Final = "alias/"
_KEY_ARN: Final = re.compile(
    r"arn:aws[a-z-]{0,20}:kms:[a-z0-9-]{1,32}:[0-9]{12}:key/[A-Za-z0-9-]{1,128}", re.ASCII
)
_KEY_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32}", re.ASCII)
_ALIAS: Final = re.compile(
    r"(?:arn:aws[a-z-]{0,20}:kms:[a-z0-9-]{1,32}:[0-9]{12}:)?alias/[a-zA-Z0-9/_-]{1,250}", re.ASCII
)


def get_ebs_default_kms_key_id(
    ctx: Context, caller: Caller, request: GetEbsDefaultKmsKeyIdRequest
) -> EbsDefaultKmsKeyIdResponse:
    """Return the key that was set, or `alias/aws/ebs`. Changes nothing.

    Raises:
        Ec2Error: DryRunOperation.
    """
    refusals.end_dry_run(dry_run=request.dry_run)
    chosen = ctx.metadata.identities.account_settings(caller.account_id).default_kms_key
    return EbsDefaultKmsKeyIdResponse(kms_key_id=chosen or AWS_MANAGED_ALIAS)


def modify_ebs_default_kms_key_id(
    ctx: Context, caller: Caller, request: ModifyEbsDefaultKmsKeyIdRequest
) -> EbsDefaultKmsKeyIdResponse:
    """Set the key and return its ARN. Repeating it changes nothing; snapshots that are there keep theirs.

    Raises:
        Ec2Error: InvalidParameterValue for what names no key, and for an alias that is not there, of another
            account or region, or that only somebody else's KMS could look up; DryRunOperation.
        KeyProviderUnavailable: the AWS managed key could not be asked for.
    """
    name = request.kms_key_id
    if not (_KEY_ARN.fullmatch(name) or _KEY_ID.fullmatch(name) or _ALIAS.fullmatch(name)):
        raise _invalid(name, "Expected a key id, a key ARN, an alias or an alias ARN.")
    if _means_managed(ctx, caller.account_id, name):
        refusals.end_dry_run(dry_run=request.dry_run)  # finding this one may mean making it
        arn = _managed_key_arn(ctx, caller.account_id)
    else:
        arn = _resolved(ctx, caller.account_id, name)
        refusals.end_dry_run(dry_run=request.dry_run)
    _set(ctx, caller.account_id, arn)
    return EbsDefaultKmsKeyIdResponse(kms_key_id=arn)


def reset_ebs_default_kms_key_id(
    ctx: Context, caller: Caller, request: ResetEbsDefaultKmsKeyIdRequest
) -> EbsDefaultKmsKeyIdResponse:
    """Go back to the AWS managed key and return its ARN; it is made if need be. Repeating it changes nothing.

    Raises:
        Ec2Error: IncorrectState where the key provider has no such key, and nothing is changed then;
            DryRunOperation.
        KeyProviderUnavailable
    """
    refusals.end_dry_run(dry_run=request.dry_run)
    arn = _managed_key_arn(ctx, caller.account_id)
    _set(ctx, caller.account_id, "")
    return EbsDefaultKmsKeyIdResponse(kms_key_id=arn)


def _set(ctx: Context, account_id: AccountId, key_arn: str) -> None:
    ctx.metadata.identities.change_account_settings(
        account_id, lambda found: replace(found, default_kms_key=key_arn)
    )


def _means_managed(ctx: Context, account_id: AccountId, name: str) -> bool:
    return name in {AWS_MANAGED_ALIAS, _alias_arn(ctx, account_id, AWS_MANAGED_ALIAS)}


def _alias_arn(ctx: Context, account_id: AccountId, alias: str) -> str:
    return f"arn:aws:kms:{ctx.region}:{account_id}:{alias}"


def _managed_key_arn(ctx: Context, account_id: AccountId) -> str:
    try:
        return ctx.keys.default_key_arn(account_id)
    except KmsError as refusal:
        raise Ec2Error("IncorrectState", f"There is no AWS managed key: {refusal.message}") from refusal


def _resolved(ctx: Context, account_id: AccountId, name: str) -> str:
    if _KEY_ARN.fullmatch(name):
        return name
    if _KEY_ID.fullmatch(name):
        return key_arn(ctx.region, account_id, name)
    alias = name.removeprefix(_alias_arn(ctx, account_id, ""))
    if not alias.startswith(_ALIAS_PREFIX):
        # Looking one up would tell which aliases others have, and the ids of their keys.
        raise _invalid(
            name, "An alias of another account or region cannot be looked up: give the ARN of the key."
        )
    if ctx.keyring is None:
        raise _invalid(name, f"Keys are kept by {ctx.keys.name}: give the ARN of the key.")
    try:
        return ctx.keyring.resolve(account_id, alias).arn
    except KmsError as refusal:
        raise _invalid(name, refusal.message) from refusal


def _invalid(name: str, expectation: str) -> Ec2Error:
    return Ec2Error(
        "InvalidParameterValue", f"Value ({name}) for parameter kmsKeyId is invalid. {expectation}"
    )
