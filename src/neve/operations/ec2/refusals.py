"""What the EC2 operations refuse alike: ids that are none, snapshots that are not there, rehearsals.

    syntax of the request ─▶ the records it names ─▶ dry run? ─▶ the effect

A dry run goes through everything up to the effect, since its answer promises that the request would have
succeeded (contract 9.1).
"""

import re
from typing import Final

from neve.domain.identities import SnapshotId
from neve.domain.snapshots import Snapshot
from neve.errors import Ec2Error, SnapshotNotFound
from neve.operations.context import Caller, Context
from neve.operations.visibility import Sight
from neve.stores.metadata.contract import VisibleSnapshot
from neve.stores.metadata.contract_lifecycle import RecycledSnapshot

PERMISSIONS: Final = "createVolumePermission"
PRODUCT_CODES: Final = "productCodes"
"""Contract 9.6: the attributes of a snapshot."""
_PREFIX = "snap-"
_DIGITS = re.compile(r"[0-9a-f]{8}(?:[0-9a-f]{9})?", re.ASCII)
"""Contract 9.2: ids have 8 or 17 hex digits."""


def checked_snapshot_id(text: str) -> SnapshotId:
    """Return `text` as a snapshot id, whether or not there is such a snapshot.

    Raises:
        Ec2Error: InvalidParameterValue without the prefix or in capitals, InvalidSnapshotID.Malformed if
            what follows the prefix is not 8 or 17 hex digits.
    """
    digits = text.removeprefix(_PREFIX)
    if not text.startswith(_PREFIX) or (digits != digits.lower() and _DIGITS.fullmatch(digits.lower())):
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({text}) for parameter snapshotId is invalid. Expected: 'snap-...'.",
        )
    if _DIGITS.fullmatch(digits) is None:
        raise Ec2Error("InvalidSnapshotID.Malformed", f'Invalid id: "{text}"')
    return SnapshotId(text)


def checked_resource_ids(ctx: Context, texts: tuple[str, ...]) -> tuple[SnapshotId, ...]:
    """Return the resources of a tag operation as snapshot ids, each once: nothing else has tags here.

    Raises:
        Ec2Error: MissingParameter without any, InvalidParameterValue for too many, InvalidID for one that
            cannot be a snapshot's.
    """
    if not texts:
        raise Ec2Error("MissingParameter", "The request must contain the parameter ResourceId")
    if len(texts) > ctx.limits.tag_resources_max:
        raise Ec2Error(
            "InvalidParameterValue",
            f"A request can name at most {ctx.limits.tag_resources_max} resources, "
            f"this one names {len(texts)}.",
        )
    for text in texts:
        if not text.startswith(_PREFIX) or _DIGITS.fullmatch(text.removeprefix(_PREFIX)) is None:
            raise Ec2Error("InvalidID", f"The ID '{text}' is not valid")
    return tuple(SnapshotId(text) for text in dict.fromkeys(texts))


def visible_snapshot(sight: Sight, snapshot_id: SnapshotId) -> VisibleSnapshot:
    """Return a snapshot that the caller, whose sight this is, owns or that was shared, as its record stands.

    Raises:
        Ec2Error: InvalidSnapshot.NotFound if it is missing, deleted or not shared.
    """
    try:
        return sight.snapshot(snapshot_id)
    except SnapshotNotFound as refusal:
        raise snapshot_not_found(refusal) from refusal


def own_snapshot(ctx: Context, caller: Caller, snapshot_id: SnapshotId) -> Snapshot:
    """Return a snapshot of the caller as its record stands.

    Raises:
        Ec2Error: InvalidSnapshot.NotFound if it is missing, deleted or somebody else's, shared or not.
    """
    try:
        return ctx.metadata.snapshot(caller.account_id, snapshot_id)
    except SnapshotNotFound as refusal:
        raise snapshot_not_found(refusal) from refusal


def recycled_snapshot(ctx: Context, caller: Caller, snapshot_id: SnapshotId) -> RecycledSnapshot:
    """Return a snapshot in the caller's recycle bin.

    Raises:
        Ec2Error: InvalidSnapshot.NotFound if it is not there, or its time there is over.
    """
    try:
        recycled = ctx.metadata.lifecycle.recycled_snapshot(caller.account_id, snapshot_id)
    except SnapshotNotFound as refusal:
        raise snapshot_not_found(refusal) from refusal
    if ctx.clock.now_ms() >= recycled.exits_ms:
        raise snapshot_not_found(SnapshotNotFound(snapshot_id))
    return recycled


def snapshot_not_found(refusal: SnapshotNotFound) -> Ec2Error:
    """Return EC2's words for a snapshot that is not there for the caller (contract 9.2)."""
    return Ec2Error("InvalidSnapshot.NotFound", f"The snapshot '{refusal.snapshot_id}' does not exist.")


def end_dry_run(*, dry_run: bool) -> None:
    """Stop a rehearsal where the effect would begin; do nothing for a real request.

    Raises:
        Ec2Error: DryRunOperation, which is how EC2 says yes.
    """
    if dry_run:
        raise dry_run_operation()


def dry_run_operation() -> Ec2Error:
    """Return how EC2 says yes to a rehearsal."""
    return Ec2Error("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", status=412)


def check_attribute_is_named(attribute: str) -> None:
    """Return unless the name is empty.

    Raises:
        Ec2Error: MissingParameter
    """
    if not attribute:
        raise Ec2Error("MissingParameter", "The request must contain the parameter attribute")


def check_permission_attribute(attribute: str) -> None:
    """Return if this is the one attribute that can be changed.

    Raises:
        Ec2Error: MissingParameter for an empty name, InvalidParameterValue for any other.
    """
    check_attribute_is_named(attribute)
    if attribute != PERMISSIONS:
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({attribute}) for parameter attribute is invalid. Only {PERMISSIONS} can be changed.",
        )
