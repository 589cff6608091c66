"""CompleteSnapshot: say that everything was written. The rest happens in the background (storage/sealing.py).

A wrong count or aggregate is never refused: the answer is 202, and the snapshot ends in `error` (contract 5).
"""

import base64
import binascii

from neve.domain.blocks import Digest
from neve.domain.identities import SnapshotId
from neve.domain.snapshots import API_STATUS, CompletionClaim, Origin, State
from neve.errors import SnapshotNotFound
from neve.messages.ebs import CompleteSnapshotRequest, CompleteSnapshotResponse
from neve.operations.context import Caller, Context
from neve.operations.ebs.answers import invalid_parameter, snapshot_not_found

_NEVER_EQUAL = Digest(b"")
_DIGEST_BYTES = 32


def complete_snapshot(
    ctx: Context, caller: Caller, request: CompleteSnapshotRequest
) -> CompleteSnapshotResponse:
    """Accept a completion and wake whoever finishes it.

    Repeating a call changes nothing, in any state, and answers the state; the first claim counts.

    Raises:
        ValidationError: INVALID_PARAMETER_VALUE for checksum headers that do not go together.
        ResourceNotFoundError: SNAPSHOT_NOT_FOUND.
    """
    aggregate = _claimed_aggregate(request)
    snapshot_id = SnapshotId(request.snapshot_id)
    try:
        record = ctx.metadata.snapshot(caller.account_id, snapshot_id)
        if record.origin is Origin.COPY:
            raise SnapshotNotFound(snapshot_id)
        if aggregate:
            # Of few blocks an aggregate tells as much as their digests: it is stored as they are.
            aggregate = ctx.domains.by_key(record.domain_key).mask(aggregate)
        claim = CompletionClaim(changed_blocks_count=request.changed_blocks_count, aggregate=aggregate)
        snapshot = ctx.metadata.accept_completion(
            caller.account_id, snapshot_id, claim, now_ms=ctx.clock.now_ms()
        )
    except SnapshotNotFound:
        raise snapshot_not_found(request.snapshot_id) from None
    if snapshot.state is State.SEALING:
        ctx.wake_background()
    return CompleteSnapshotResponse(status=API_STATUS[snapshot.state])


def _claimed_aggregate(request: CompleteSnapshotRequest) -> Digest | None:
    combination = "Invalid parameter combination."
    if request.checksum is None:
        if request.checksum_algorithm is not None or request.checksum_aggregation_method is not None:
            raise invalid_parameter(f"{combination} Snapshot checksum is missing.")
        return None
    if request.checksum_algorithm is None:
        raise invalid_parameter(f"{combination} Checksum algorithm is missing.")
    if request.checksum_aggregation_method is None:
        raise invalid_parameter(f"{combination} Checksum aggregation method is missing.")
    try:
        claimed = base64.b64decode(request.checksum, validate=True)
    except binascii.Error:
        return _NEVER_EQUAL
    return Digest(claimed) if len(claimed) == _DIGEST_BYTES else _NEVER_EQUAL
