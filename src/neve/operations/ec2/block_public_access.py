"""EnableSnapshotBlockPublicAccess, DisableSnapshotBlockPublicAccess, GetSnapshotBlockPublicAccessState (contract 9.10).

A setting of the account, in force at once:

    block-new-sharing  no snapshot is made public any more; what is public stays so
    block-all-sharing  that, and what is public is hidden from everybody else, as if it were not shared with all
    unblocked          neither; what was hidden is public again, since no permission was changed

`neve.operations.visibility` hides, ModifySnapshotAttribute refuses.
"""

from dataclasses import replace
from typing import Final

from neve.errors import Ec2Error
from neve.messages.ec2_lifecycle import (
    DisableSnapshotBlockPublicAccessRequest,
    EnableSnapshotBlockPublicAccessRequest,
    GetSnapshotBlockPublicAccessStateRequest,
    GetSnapshotBlockPublicAccessStateResponse,
    SnapshotBlockPublicAccessResponse,
)
from neve.operations.context import Caller, Context
from neve.operations.ec2 import refusals
from neve.operations.visibility import BLOCK_ALL_SHARING, BLOCK_NEW_SHARING, UNBLOCKED

_BLOCKS: Final = (BLOCK_ALL_SHARING, BLOCK_NEW_SHARING)
_MANAGED_BY: Final = "account"
"""Nobody above an account says how it must be set: there are no organizations."""


def enable_snapshot_block_public_access(
    ctx: Context, caller: Caller, request: EnableSnapshotBlockPublicAccessRequest
) -> SnapshotBlockPublicAccessResponse:
    """Block public sharing, to the extent that is asked for. Repeating it changes nothing.

    Raises:
        Ec2Error: InvalidParameterValue for what is no way to block, `unblocked` included; DryRunOperation.
    """
    if request.state not in _BLOCKS:
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({request.state}) for parameter state is invalid. Expected: {' or '.join(map(repr, _BLOCKS))}.",
        )
    return _set(ctx, caller, request.state, dry_run=request.dry_run)


def disable_snapshot_block_public_access(
    ctx: Context, caller: Caller, request: DisableSnapshotBlockPublicAccessRequest
) -> SnapshotBlockPublicAccessResponse:
    """Block nothing: what is shared with everybody is public again. Repeating it changes nothing.

    Raises:
        Ec2Error: DryRunOperation.
    """
    return _set(ctx, caller, UNBLOCKED, dry_run=request.dry_run)


def get_snapshot_block_public_access_state(
    ctx: Context, caller: Caller, request: GetSnapshotBlockPublicAccessStateRequest
) -> GetSnapshotBlockPublicAccessStateResponse:
    """Return the setting. Changes nothing.

    Raises:
        Ec2Error: DryRunOperation.
    """
    refusals.end_dry_run(dry_run=request.dry_run)
    settings = ctx.metadata.identities.account_settings(caller.account_id)
    return GetSnapshotBlockPublicAccessStateResponse(state=settings.public_access, managed_by=_MANAGED_BY)


def _set(ctx: Context, caller: Caller, state: str, *, dry_run: bool) -> SnapshotBlockPublicAccessResponse:
    refusals.end_dry_run(dry_run=dry_run)
    settings = ctx.metadata.identities.change_account_settings(
        caller.account_id, lambda found: replace(found, public_access=state)
    )
    return SnapshotBlockPublicAccessResponse(state=settings.public_access)
