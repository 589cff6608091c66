"""ModifySnapshotAttribute: share a snapshot with accounts or with everybody, and take that back (contract 9.6).

    Attribute=createVolumePermission&OperationType=add&UserId.1=…&UserGroup.1=all        one form
    CreateVolumePermission.Add.1.UserId=…&CreateVolumePermission.Add.2.Group=all         the other

Both mean the same and are held to the same rules. Whoever a snapshot was shared with may see, list and read it, and
nothing else. An encrypted one is shared with the content still sealed: the recipient needs the key as well. That
is why one under the account's AWS managed key cannot be shared (nobody can be let use that key), and why none can
be made public (not everybody can).

Where the key of an encrypted snapshot cannot be looked at, whether gone or not ours to see, sharing is refused:
nobody can tell then whether it would have been allowed, and nobody could read what was shared. A key that is merely
disabled is no obstacle. Taking permissions back asks for no key.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from neve.domain.identities import ACCOUNT_ID_PATTERN
from neve.domain.kms_keys import KeyManager
from neve.domain.snapshots import Snapshot
from neve.errors import Ec2Error, KmsError, SnapshotNotFound
from neve.limits import Limits
from neve.messages.ec2 import CreateVolumePermission, ModifySnapshotAttributeRequest, VoidResponse
from neve.operations.context import Caller, Context
from neve.operations.ec2 import refusals
from neve.operations.visibility import UNBLOCKED
from neve.stores.metadata.contract import EVERYBODY

_ADD: Final = "add"
_REMOVE: Final = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """Whom to share with, or whom no longer: one of the two."""

    add: frozenset[str] = frozenset()
    remove: frozenset[str] = frozenset()


def modify_snapshot_attribute(
    ctx: Context, caller: Caller, request: ModifySnapshotAttributeRequest
) -> VoidResponse:
    """Change whom a snapshot of the caller is shared with, whatever its state. Takes effect at once.

    Sharing twice, sharing with the owner, and taking back what was not given change nothing.

    Raises:
        Ec2Error: InvalidSnapshot.NotFound also for a snapshot that is only shared with the caller;
            OperationNotPermitted for one whose encryption does not let it be shared so, and for making one public
            while the account blocks that;
            InvalidSnapshotID.Malformed, InvalidAMIAttributeItemValue, InvalidParameterValue,
            InvalidParameterCombination, MissingParameter for the request itself; DryRunOperation.
        KeyProviderUnavailable: nobody can say whose the key of an encrypted snapshot is.
    """
    snapshot_id = refusals.checked_snapshot_id(request.snapshot_id)
    change = _change(request, ctx.limits)
    snapshot = refusals.own_snapshot(ctx, caller, snapshot_id)
    if change.add:
        _check_sharable(ctx, snapshot, change.add)
        _check_public_access(ctx, caller, change.add)
    refusals.end_dry_run(dry_run=request.dry_run)
    try:
        ctx.metadata.modify_permissions(caller.account_id, snapshot_id, add=change.add, remove=change.remove)
    except SnapshotNotFound as refusal:
        raise refusals.snapshot_not_found(refusal) from refusal
    return VoidResponse()


def _change(request: ModifySnapshotAttributeRequest, limits: Limits) -> _Change:
    """Return what either form says, or both together if they say the same operation."""
    if request.attribute is not None:
        refusals.check_permission_attribute(request.attribute)
    add = _named(request.create_volume_permission.add)
    remove = _named(request.create_volume_permission.remove)
    listed = _grantees(request.user_ids, request.group_names)
    operation = request.operation_type
    if operation is not None:
        _check_operation(operation, request.attribute)
        (add if operation == _ADD else remove).extend(listed)
    elif listed:
        raise Ec2Error(
            "InvalidParameterCombination",
            "The parameter operationType must be specified with userId and userGroup",
        )
    if not add and not remove:
        raise Ec2Error("InvalidParameterCombination", "No attributes specified.")
    if (add or operation == _ADD) and (remove or operation == _REMOVE):
        raise Ec2Error(
            "InvalidParameterCombination",
            "One and only one operation type may be specified for createVolumePermissions",
        )
    if len(add) + len(remove) > limits.permission_changes_max:
        raise Ec2Error(
            "InvalidParameterValue",
            f"Modification size must not be greater than {limits.permission_changes_max}.",
        )
    return _Change(add=frozenset(add), remove=frozenset(remove))


def _check_operation(operation: str, attribute: str | None) -> None:
    if operation not in {_ADD, _REMOVE}:
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({operation}) for parameter operationType is invalid. Expected: 'add' or 'remove'.",
        )
    if attribute is None:
        raise Ec2Error("MissingParameter", "The request must contain the parameter attribute")


def _named(permissions: Collection[CreateVolumePermission]) -> list[str]:
    user_ids = [each.user_id for each in permissions if each.user_id is not None]
    groups = [each.group for each in permissions if each.group is not None]
    return _grantees(user_ids, groups)


def _grantees(user_ids: Collection[str], groups: Collection[str]) -> list[str]:
    for user_id in user_ids:
        if ACCOUNT_ID_PATTERN.fullmatch(user_id) is None:
            raise _invalid_item("userId", user_id)
    for group in groups:
        if group != EVERYBODY:
            raise _invalid_item("userGroup", group)
    return [*user_ids, *groups]


def _invalid_item(kind: str, text: str) -> Ec2Error:
    return Ec2Error(
        "InvalidAMIAttributeItemValue", f'Invalid attribute item value "{text}" for {kind} item type.'
    )


def _check_sharable(ctx: Context, snapshot: Snapshot, grantees: Collection[str]) -> None:
    key_arn = ctx.domains.by_key(snapshot.domain_key).kms_key_arn
    if not key_arn:
        return
    if _manager(ctx, key_arn) is KeyManager.AWS:
        raise Ec2Error("OperationNotPermitted", "Encrypted snapshots with EBS default key cannot be shared")
    if EVERYBODY in grantees:
        raise Ec2Error("OperationNotPermitted", "Encrypted snapshots cannot be shared publicly")


def _check_public_access(ctx: Context, caller: Caller, grantees: Collection[str]) -> None:
    if EVERYBODY not in grantees:
        return
    state = ctx.metadata.identities.account_settings(caller.account_id).public_access
    if state != UNBLOCKED:
        raise Ec2Error(
            "OperationNotPermitted",
            f"Snapshots of this account cannot be shared publicly: block public access is set to {state}.",
        )


def _manager(ctx: Context, key_arn: str) -> KeyManager:
    try:
        return ctx.keys.describe(key_arn).manager
    except KmsError as refusal:
        if refusal.code == "ThrottlingException":
            raise Ec2Error("RequestLimitExceeded", refusal.message, status=503) from refusal
        raise Ec2Error(
            "OperationNotPermitted",
            f"The snapshot cannot be shared, since its KMS key cannot be looked at: {refusal.message}",
        ) from refusal
