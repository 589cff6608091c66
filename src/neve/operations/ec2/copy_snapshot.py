"""CopySnapshot: begin a snapshot that is another one's copy, under another key if need be (contract 9.8).

    request ─▶ room? ─▶ dry run? ─▶ what is to become of it (`copy_decision`) ─▶ record

The answer comes before anything is copied, and whatever the source: one that is missing, one that is not completed
and a key that cannot be used end in a copy that is in error and says why, as they do in the live service. What is
copied is the content: description, tags and permissions are the copy's own. It is related to nothing but its own
children (choice 50). The rest happens in the background (storage/copying.py).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from neve.domain.identities import SnapshotId, snapshot_id_from
from neve.domain.tags import checked_ec2_tags
from neve.errors import CopyLimitReached, Ec2Error, SnapshotLimitReached
from neve.limits import Limits
from neve.messages.ebs import Tag
from neve.messages.ec2 import CopySnapshotRequest, CopySnapshotResponse, TagSpecification
from neve.operations.context import Caller, Context
from neve.operations.ec2 import refusals
from neve.operations.ec2.copy_decision import check_key_name, decide
from neve.stores.metadata.contract import SnapshotStart
from neve.stores.metadata.contract_lifecycle import CopyStart

_ID_ENTROPY_BYTES: Final = 9
_SNAPSHOT_ID: Final = re.compile(r"snap-[0-9a-f]{8}(?:[0-9a-f]{9})?", re.ASCII)
"""Contract 9.2."""
_COPIES_READ_AT_ONCE: Final = 500
_TAGGABLE: Final = "snapshot"


def copy_snapshot(ctx: Context, caller: Caller, request: CopySnapshotRequest) -> CopySnapshotResponse:
    """Record a copy and wake whoever makes it. Each call makes another one.

    Raises:
        Ec2Error: MissingParameter, InvalidRegion, InvalidParameterValue, InvalidParameterDependency,
            TagLimitExceeded, UnsupportedOperation for the request itself; ResourceLimitExceeded,
            SnapshotLimitExceeded for want of room; RequestLimitExceeded; DryRunOperation.
        KeyProviderUnavailable: nothing was started; repeating it is safe.
    """
    _check_place(ctx, request)
    _check_duration(ctx.limits, request.completion_duration_minutes)
    source_id = _checked_source(request)
    _check_description(ctx.limits, request.description)
    _check_key(ctx, request)
    tags = _checked_tags(ctx.limits, request.tag_specifications)
    _check_room(ctx, caller)
    refusals.end_dry_run(dry_run=request.dry_run)
    snapshot_id = snapshot_id_from(ctx.entropy.take(_ID_ENTROPY_BYTES))
    decision = decide(
        ctx,
        caller,
        source_id=source_id,
        snapshot_id=snapshot_id,
        encrypted=request.encrypted,
        kms_key_id=request.kms_key_id,
    )
    start = CopyStart(
        snapshot_id=snapshot_id,
        account_id=caller.account_id,
        domain_key=ctx.domains.unencrypted(caller.account_id).key,
        source_id=source_id,
        description=request.description,
        encrypted=bool(decision.kms_key_arn),
        kms_key=decision.kms_key_arn,
        refusal=decision.refusal,
        principal_arn=caller.principal.arn,
        tags=tags,
        now_ms=ctx.clock.now_ms(),
        copies_max=ctx.quotas.snapshot_copies_max,
        snapshots_max=ctx.quotas.snapshots_max,
    )
    with _no_room(ctx):
        snapshot = ctx.metadata.lifecycle.start_copy(start)
    ctx.wake_background()
    return CopySnapshotResponse(
        tags=tuple(Tag(key, value) for key, value in snapshot.tags.items()), snapshot_id=snapshot.snapshot_id
    )


def _check_place(ctx: Context, request: CopySnapshotRequest) -> None:
    if not request.source_region:
        raise _missing("SourceRegion")
    if request.source_region != ctx.region:
        raise Ec2Error(
            "InvalidRegion", f"The source region {request.source_region} is not here: this is {ctx.region}."
        )
    if request.destination_region not in {None, ctx.region}:
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({request.destination_region}) for parameter destinationRegion is invalid. A copy is made where "
            f"the request goes: in {ctx.region}.",
        )
    for name, given in (
        ("DestinationOutpostArn", request.destination_outpost_arn),
        ("DestinationAvailabilityZone", request.destination_availability_zone),
    ):
        if given is not None:
            raise Ec2Error(
                "UnsupportedOperation",
                f"The parameter {name} is not supported: there are no Outposts and no zones here.",
            )


def _check_duration(limits: Limits, minutes: int | None) -> None:
    if minutes is None:
        return
    step = limits.copy_duration_minutes_step
    least, most = limits.copy_duration_minutes_min, limits.copy_duration_minutes_max
    if not least <= minutes <= most or minutes % step:
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({minutes}) for parameter completionDurationMinutes is invalid. It must be from {least} to {most}, "
            f"in steps of {step}.",
        )
    raise Ec2Error(
        "UnsupportedOperation",
        "Time-based copies are not supported: every copy is made as fast as the server can. Leave out "
        "CompletionDurationMinutes.",
    )


def _checked_source(request: CopySnapshotRequest) -> SnapshotId:
    if not request.source_snapshot_id:
        raise _missing("SourceSnapshotId")
    if _SNAPSHOT_ID.fullmatch(request.source_snapshot_id) is None:
        raise Ec2Error("InvalidParameterValue", "The specified snapshotId is invalid")
    return SnapshotId(request.source_snapshot_id)


def _check_description(limits: Limits, description: str | None) -> None:
    if description is not None and len(description) > limits.description_chars_max:
        raise Ec2Error(
            "InvalidParameterValue",
            f"The description must not be longer than {limits.description_chars_max} characters.",
        )


def _check_key(ctx: Context, request: CopySnapshotRequest) -> None:
    if request.kms_key_id is None:
        return
    if not request.encrypted:
        raise Ec2Error(
            "InvalidParameterDependency", "The parameter KmsKeyId requires the parameter Encrypted to be set."
        )
    check_key_name(ctx, request.kms_key_id)


def _checked_tags(limits: Limits, specifications: Sequence[TagSpecification]) -> Mapping[str, str]:
    if len(specifications) > 1:
        raise Ec2Error(
            "InvalidParameterValue",
            "The same resource type may not be specified more than once in tag specifications",
        )
    for specification in specifications:
        if not specification.resource_type:
            raise Ec2Error("InvalidParameterValue", "Tag specification resource type must have a value")
        if specification.resource_type != _TAGGABLE:
            raise Ec2Error(
                "InvalidParameterValue",
                f"'{specification.resource_type}' is not a valid taggable resource type for this operation.",
            )
        if not specification.tags:
            raise Ec2Error("InvalidParameterValue", "Tag specification must have at least one tag")
        return checked_ec2_tags([(tag.key, tag.value) for tag in specification.tags], limits)
    return {}


def _check_room(ctx: Context, caller: Caller) -> None:
    """Return if there is room for another copy: no key is asked, or made, for what there is no room for.

    The records decide again when there is one to be written.
    """
    copies_max = ctx.quotas.snapshot_copies_max
    if copies_max and _under_way(ctx, caller) >= copies_max:
        raise _too_many_copies(copies_max)
    with _no_room(ctx):
        ctx.metadata.check_start(
            SnapshotStart(
                snapshot_id=SnapshotId(""),
                account_id=caller.account_id,
                domain_key=None,
                parent_id=None,
                volume_gib=0,
                description=None,
                timeout_minutes=0,
                tags={},
                now_ms=ctx.clock.now_ms(),
                client_token=None,
                fingerprint=b"",
                pending_max=0,
                snapshots_max=ctx.quotas.snapshots_max,
            )
        )


def _under_way(ctx: Context, caller: Caller) -> int:
    count = 0
    after = None
    while copies := ctx.metadata.lifecycle.copies(after=after, limit=_COPIES_READ_AT_ONCE):
        count += sum(copy.snapshot.account_id == caller.account_id for copy in copies)
        after = copies[-1].snapshot.key
    return count


@contextmanager
def _no_room(ctx: Context) -> Iterator[None]:
    """Put what the records refuse into the API's words."""
    try:
        yield
    except CopyLimitReached:
        raise _too_many_copies(ctx.quotas.snapshot_copies_max) from None
    except SnapshotLimitReached:
        raise Ec2Error(
            "SnapshotLimitExceeded", "You have reached the limit on the number of snapshots."
        ) from None


def _too_many_copies(copies_max: int) -> Ec2Error:
    return Ec2Error(
        "ResourceLimitExceeded",
        f"Too many snapshot copies in progress. The limit is {copies_max} for this destination region.",
    )


def _missing(name: str) -> Ec2Error:
    return Ec2Error("MissingParameter", f"The request must contain the parameter {name}")
