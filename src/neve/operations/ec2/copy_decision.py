"""What is to become of a copy, decided while it is known who asks (contract 9.8, 3.4).

    source encrypted, default on, or Encrypted=true ─▶ encrypted: the key that was named, else the account's default
    otherwise                                       ─▶ not encrypted

    source encrypted       Decrypt and ReEncryptFrom with its key, ReEncryptTo with the copy's
    copy encrypted         GenerateDataKey with its key

The copy is made later and by nobody in particular, so all that depends on the caller is settled here: whether the
source is there for them, and what they may do with both keys. The live service answers as if all were well and lets
the copy fail; so does this, which is why what stands against a copy is a text to be recorded and no refusal.
"""

from dataclasses import dataclass
from typing import Final

from neve.domain.copies import (
    MESSAGE_KEY_NOT_ACCESSIBLE,
    MESSAGE_SOURCE_NOT_COMPLETE,
    MESSAGE_SOURCE_NOT_FOUND,
)
from neve.domain.identities import SnapshotId
from neve.domain.kms_keys import AWS_MANAGED_ALIAS, key_arn
from neve.domain.snapshots import Snapshot, State, observed
from neve.errors import Ec2Error, KmsError, SnapshotNotFound
from neve.operations.context import Caller, Context
from neve.operations.key_permission import described_key, require_key_permission
from neve.operations.kms.access import USING, named_key
from neve.operations.visibility import Sight
from neve.stores.keys.contract import KeyDescription
from neve.stores.keys.key_arns import check_usable

_ARN_PREFIX: Final = "arn:"
_ALIAS_PREFIX: Final = "alias/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a copy is to be encrypted with, or what it is to fail with."""

    kms_key_arn: str = ""
    """Empty: with nothing."""
    refusal: str = ""
    """Empty: nothing stands against it."""


def decide(
    ctx: Context,
    caller: Caller,
    *,
    source_id: SnapshotId,
    snapshot_id: SnapshotId,
    encrypted: bool,
    kms_key_id: str | None,
) -> Decision:
    """Return what is to become of the copy `snapshot_id`. An account's default key may be made by it, nothing else is.

    Raises:
        Ec2Error: RequestLimitExceeded if KMS is too busy to say.
        KeyProviderUnavailable: nobody can say what the caller may do.
    """
    try:
        source = observed(Sight(ctx, caller.account_id).snapshot(source_id).snapshot, ctx.clock.now_ms())
    except SnapshotNotFound:
        return Decision(refusal=MESSAGE_SOURCE_NOT_FOUND)
    if source.state is not State.COMPLETED:
        return Decision(refusal=MESSAGE_SOURCE_NOT_COMPLETE)
    source_key_arn = ctx.domains.by_key(source.domain_key).kms_key_arn
    settings = ctx.metadata.identities.account_settings(caller.account_id)
    if not (encrypted or source_key_arn or settings.encryption_by_default):
        return Decision()
    try:
        if source_key_arn:
            _permit_reading(ctx, caller, source, source_key_arn)
        name = kms_key_id or settings.default_kms_key
        arn = _key_arn(ctx, caller, name) if name else ctx.keys.default_key_arn(caller.account_id)
        _permit_writing(ctx, caller, snapshot_id, arn, re_encrypted=bool(source_key_arn))
    except KmsError as error:
        if error.code == "ThrottlingException":
            raise Ec2Error("RequestLimitExceeded", error.message, status=503) from error
        return Decision(refusal=MESSAGE_KEY_NOT_ACCESSIBLE)
    return Decision(kms_key_arn=arn)


def check_key_name(ctx: Context, name: str) -> None:
    """Return if a key can be looked up by this name here; whether there is one is found out later.

    Raises:
        Ec2Error: InvalidParameterValue for an alias that only somebody else's KMS could look up.
    """
    is_alias = name.startswith(_ALIAS_PREFIX) or f":{_ALIAS_PREFIX}" in name
    if ctx.keyring is None and is_alias and name != AWS_MANAGED_ALIAS:
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({name}) for parameter kmsKeyId is invalid. Keys are kept by {ctx.keys.name}: give the ARN of "
            "the key.",
        )


def _key_arn(ctx: Context, caller: Caller, name: str) -> str:
    if ctx.keyring is not None:
        return named_key(ctx, caller, "kms:GenerateDataKey", name, USING).arn
    if name == AWS_MANAGED_ALIAS:
        return ctx.keys.default_key_arn(caller.account_id)
    return name if name.startswith(_ARN_PREFIX) else key_arn(ctx.region, caller.account_id, name)


def _permit_reading(ctx: Context, caller: Caller, source: Snapshot, arn: str) -> None:
    key = described_key(ctx, caller, "kms:Decrypt", arn)
    _require(ctx, caller, "kms:Decrypt", key, source.snapshot_id)
    _require(ctx, caller, "kms:ReEncryptFrom", key, source.snapshot_id)
    check_usable(key)


def _permit_writing(
    ctx: Context, caller: Caller, snapshot_id: SnapshotId, arn: str, *, re_encrypted: bool
) -> None:
    key = described_key(ctx, caller, "kms:GenerateDataKey", arn)
    _require(ctx, caller, "kms:GenerateDataKey", key, snapshot_id)
    if re_encrypted:
        _require(ctx, caller, "kms:ReEncryptTo", key, snapshot_id)
    check_usable(key)


def _require(ctx: Context, caller: Caller, action: str, key: KeyDescription, snapshot_id: SnapshotId) -> None:
    """Ask for one action, with the live service's encryption context."""
    require_key_permission(
        ctx, caller, action, key, encryption_context={"aws:ebs:id": snapshot_id}, via_service=True
    )
