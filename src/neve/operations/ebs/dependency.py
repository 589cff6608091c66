"""Using a snapshot's KMS key on the caller's behalf, and EBS's own words for what KMS refuses (contract 3.4).

    Start, first      GenerateDataKey
    Start, child      ReEncryptFrom the parent's, ReEncryptTo the child's, Decrypt
    Put               Decrypt
    Get               Decrypt, DescribeKey
    List, ListChanged DescribeKey, whatever state the key is in
    Complete          nothing

What these permissions are asked with is the live service's encryption context, `aws:ebs:id`, so that policies and grants
written for it mean the same here. What data keys are wrapped with is `storage`'s business (docs/differences.md).

A refusal by KMS is wrapped into a 400 that quotes it; for readers a key they may not use, and one that is not there,
is a 404. A provider that cannot be reached is no refusal: it stays a KeyProviderUnavailable.
"""

import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final

from neve.domain.snapshots import Snapshot
from neve.errors import (
    EbsError,
    KmsError,
    RequestThrottledError,
    RequestThrottledReason,
    ResourceNotFoundError,
    ResourceNotFoundReason,
    ValidationError,
    ValidationReason,
)
from neve.operations.context import Caller, Context
from neve.operations.key_permission import described_key, require_key_permission
from neve.storage.domains import OpenDomain
from neve.stores.keys.contract import KeyDescription

_ACCESS_DENIED: Final = "AccessDeniedException"
_HIDDEN_FROM_READERS: Final = {_ACCESS_DENIED, "NotFoundException"}


def domain_of_first(ctx: Context, caller: Caller, key_arn: str, snapshot_id: str) -> OpenDomain:
    """Return the domain of a snapshot without a parent under a key, made at its first use.

    An empty `key_arn` is the default of whoever keeps the account's keys.

    Raises:
        EbsError: KMS's refusal, wrapped. No domain was made.
        KeyProviderUnavailable
    """
    with _wrapped(ctx):
        key_arn = key_arn or ctx.keys.default_key_arn(caller.account_id)
        key = described_key(ctx, caller, "kms:GenerateDataKey", key_arn)
        _require(ctx, caller, key, "kms:GenerateDataKey", snapshot_id)
        return ctx.domains.encrypted(caller.account_id, key_arn)


def domain_of_child(ctx: Context, caller: Caller, parent: Snapshot, snapshot_id: str) -> OpenDomain:
    """Return the domain of a snapshot whose parent is encrypted: the parent's.

    Raises:
        EbsError: KMS's refusal, wrapped; ResourceNotFoundError if Decrypt is not allowed.
        KeyProviderUnavailable
    """
    domain = ctx.domains.by_key(parent.domain_key)
    with _wrapped(ctx):
        key = described_key(ctx, caller, "kms:ReEncryptFrom", domain.kms_key_arn)
        _require(ctx, caller, key, "kms:ReEncryptFrom", parent.snapshot_id)
        _require(ctx, caller, key, "kms:ReEncryptTo", snapshot_id)
    with _wrapped(ctx, hidden={_ACCESS_DENIED}):
        _require(ctx, caller, key, "kms:Decrypt", snapshot_id)
    with _wrapped(ctx):
        return ctx.domains.with_content(domain, key)


def domain_to_write(ctx: Context, caller: Caller, snapshot: Snapshot) -> OpenDomain:
    """Return a snapshot's domain with what seals blocks.

    Raises:
        EbsError: KMS's refusal, wrapped.
        KeyProviderUnavailable
    """
    domain = ctx.domains.by_key(snapshot.domain_key)
    if not domain.is_encrypted:
        return domain
    with _wrapped(ctx):
        key = described_key(ctx, caller, "kms:Decrypt", domain.kms_key_arn)
        _require(ctx, caller, key, "kms:Decrypt", snapshot.snapshot_id)
        return ctx.domains.with_content(domain, key)


def domain_to_read(ctx: Context, caller: Caller, snapshot: Snapshot) -> OpenDomain:
    """Return a snapshot's domain with what opens blocks.

    Raises:
        EbsError: ResourceNotFoundError for a key that is missing or not the caller's to use, KMS's refusal wrapped
            otherwise.
        KeyProviderUnavailable
    """
    domain = ctx.domains.by_key(snapshot.domain_key)
    if not domain.is_encrypted:
        return domain
    with _wrapped(ctx, hidden=_HIDDEN_FROM_READERS):
        key = described_key(ctx, caller, "kms:DescribeKey", domain.kms_key_arn)
        _require(ctx, caller, key, "kms:DescribeKey")
        _require(ctx, caller, key, "kms:Decrypt", snapshot.snapshot_id)
        return ctx.domains.with_content(domain, key)


def domain_to_list(ctx: Context, caller: Caller, snapshot: Snapshot) -> OpenDomain:
    """Return a snapshot's domain with what opens block maps: a disabled key is no hindrance.

    Raises:
        EbsError: as `domain_to_read`.
        KeyProviderUnavailable
    """
    domain = ctx.domains.by_key(snapshot.domain_key)
    if domain.is_encrypted:
        with _wrapped(ctx, hidden=_HIDDEN_FROM_READERS):
            key = described_key(ctx, caller, "kms:DescribeKey", domain.kms_key_arn)
            _require(ctx, caller, key, "kms:DescribeKey")
    return domain


def _require(ctx: Context, caller: Caller, key: KeyDescription, action: str, snapshot_id: str = "") -> None:
    """Ask for one action; whatever opens or seals does so for a snapshot."""
    require_key_permission(
        ctx,
        caller,
        action,
        key,
        encryption_context={"aws:ebs:id": snapshot_id} if snapshot_id else None,
        via_service=True,
    )


@contextmanager
def _wrapped(ctx: Context, *, hidden: Collection[str] = ()) -> Iterator[None]:
    """Turn what KMS refuses within into what EBS says; codes in `hidden` into a 404."""
    try:
        yield
    except KmsError as error:
        raise _ebs_error(ctx, error, hidden) from None


def _ebs_error(ctx: Context, error: KmsError, hidden: Collection[str]) -> EbsError:
    if error.code in hidden:
        return ResourceNotFoundError(
            "KMS key not found.", reason=ResourceNotFoundReason.DEPENDENCY_RESOURCE_NOT_FOUND
        )
    if error.code == "ThrottlingException":
        return RequestThrottledError(
            error.message, reason=RequestThrottledReason.DEPENDENCY_REQUEST_THROTTLED
        )
    java_class = "AWSKMSException" if error.code == _ACCESS_DENIED else error.code
    request_id = uuid.UUID(bytes=ctx.entropy.take(16), version=4)
    return ValidationError(
        "Invalid parameters for a dependent service: "
        f"com.amazonaws.services.kms.model.{java_class}: {error.message} "
        f"(Service: AWSKMS; Status Code: {error.status}; Error Code: {error.code}; "
        f"Request ID: {request_id}; Proxy: null)",
        reason=ValidationReason.INVALID_DEPENDENCY_REQUEST,
    )
