"""Snapshots as wholes: what they are called, what state they are in, waiting for it, deleting them."""

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from neve.client.context import ClientContext
from neve.client.errors import (
    AnswerUnexpected,
    ClientError,
    ServiceRefused,
    SnapshotFailed,
    SnapshotMissing,
    WaitTimedOut,
)
from neve.client.retries import FIRST_CONTACT, STEADY, Patience
from neve.messages.ec2 import (
    DeleteSnapshotRequest,
    DescribeSnapshotsRequest,
    Filter,
    SnapshotDescription,
)

ResultT = TypeVar("ResultT")

PENDING: Final = "pending"
COMPLETED: Final = "completed"
ERROR: Final = "error"

_POLL_FIRST_S: Final = 0.1
_POLL_S_MAX: Final = 2.0
"""coldsnap asks every 2 s (contract 12.3); the first answers of a service nearby come much sooner."""
_WOULD_SUCCEED: Final = "DryRunOperation"
"""How EC2 says yes to a rehearsal (contract 9.1)."""
_NOT_YET_READABLE: Final = Patience(attempts_max=10, wait_first_s=1.0, wait_s_max=20.0)
"""Contract 3.1: the live service may call a snapshot completed a minute before it can be read."""


def describe(
    client: ClientContext, snapshot_id: str, patience: Patience = FIRST_CONTACT
) -> SnapshotDescription:
    """Return what EC2 says of one snapshot.

    Raises:
        SnapshotMissing, ClientError
    """
    request = DescribeSnapshotsRequest(snapshot_ids=(snapshot_id,))
    answer = client.engine.call(lambda: client.api.describe_snapshots(request), patience)
    for description in answer.snapshots:
        if description.snapshot_id == snapshot_id:
            return description
    raise SnapshotMissing(f"the snapshot '{snapshot_id}' does not exist")


def describe_all(client: ClientContext, filters: tuple[Filter, ...]) -> Iterator[SnapshotDescription]:
    """Yield the account's own snapshots, in the service's order.

    Raises:
        ClientError
    """
    token: str | None = None
    patience = FIRST_CONTACT
    while True:
        request = DescribeSnapshotsRequest(
            owner_ids=("self",),
            filters=filters,
            max_results=client.limits.describe_results_max,
            next_token=token,
        )
        answer = client.engine.call(lambda: client.api.describe_snapshots(request), patience)  # noqa: B023 - called at once
        yield from answer.snapshots
        token, patience = answer.next_token, STEADY
        if token is None:
            return


def wait_until_completed(
    client: ClientContext,
    snapshot_id: str,
    *,
    timeout_s: float,
    appears_within_s: float = 0.0,
    watch: Callable[[SnapshotDescription], None] = lambda _: None,
) -> SnapshotDescription:
    """Return the description of the snapshot once it is completed. `watch` is shown each one until then.

    Raises:
        SnapshotFailed: it ended in error; says why.
        WaitTimedOut
        SnapshotMissing: it is not there, or was deleted meanwhile. EC2 may not know a new one at once:
            `appears_within_s` bounds how long that is believed.
        ClientError
    """
    clock = client.engine.clock
    started_s = clock.monotonic_s()
    patience, poll_s = FIRST_CONTACT, _POLL_FIRST_S
    while True:
        try:
            description = describe(client, snapshot_id, patience)
        except SnapshotMissing:
            if clock.monotonic_s() - started_s >= appears_within_s:
                raise
        else:
            watch(description)
            if description.state == COMPLETED:
                return description
            if description.state == ERROR:
                raise failed(description)
        if clock.monotonic_s() - started_s >= timeout_s:
            raise WaitTimedOut(
                f"{snapshot_id} was not completed after {timeout_s:g} seconds",
                advice=f"`neve wait {snapshot_id}` goes on waiting. One nobody completes ends in error by itself.",
            )
        client.engine.on_tick()
        client.engine.wait(poll_s)
        patience, poll_s = STEADY, min(_POLL_S_MAX, poll_s * 1.5)


def failed(description: SnapshotDescription) -> SnapshotFailed:
    """Return the error for a snapshot in state `error`."""
    return SnapshotFailed(
        f"{description.snapshot_id} is in error: {description.state_message or 'the service gives no reason'}",
        advice="Nothing can be read from it: upload again.",
    )


def delete(client: ClientContext, snapshot_id: str) -> None:
    """Delete a snapshot, and what is remembered of it here.

    Raises:
        SnapshotMissing: it was not there.
        ClientError
    """
    lost_answers = 0

    def attempt() -> None:
        nonlocal lost_answers
        try:
            client.api.delete_snapshot(DeleteSnapshotRequest(snapshot_id=snapshot_id))
        except SnapshotMissing:
            if not lost_answers:  # otherwise an attempt whose answer was lost has deleted it
                raise
        except ClientError:
            lost_answers += 1
            raise

    client.engine.call(attempt, FIRST_CONTACT)
    client.maps.forget(snapshot_id)


def rehearse_deletion(client: ClientContext, snapshot_id: str) -> None:
    """Return if the service would delete a snapshot; nothing is deleted.

    Raises:
        SnapshotMissing: it is not there.
        ServiceRefused: it would be refused, and why.
        ClientError
    """
    request = DeleteSnapshotRequest(snapshot_id=snapshot_id, dry_run=True)
    try:
        client.engine.call(lambda: client.api.delete_snapshot(request), FIRST_CONTACT)
    except ServiceRefused as refusal:
        if refusal.code != _WOULD_SUCCEED:
            raise
    else:
        raise AnswerUnexpected(
            f"the service was asked whether {snapshot_id} could be deleted, and answered as if it had been",
            advice="`neve list` shows whether it is still there. Is it an EC2 endpoint that listens there?",
        )


def once_readable(client: ClientContext, snapshot_id: str, action: Callable[[], ResultT]) -> ResultT:
    """Return what `action` returns, waiting a while if the snapshot is completed but not yet readable.

    To the operations that read, a pending or failed snapshot does not exist (contract 3.1); EC2 tells which
    it is, and so does the error.

    Raises:
        SnapshotMissing, ClientError
    """
    try:
        return client.engine.call(action, FIRST_CONTACT)
    except SnapshotMissing as missing:
        try:
            description = describe(client, snapshot_id)
        except ClientError:  # no such snapshot, or no permission to ask: the first answer stands
            raise missing from None
    if description.state == ERROR:
        raise failed(description)
    if description.state != COMPLETED:
        raise SnapshotMissing(
            f"{snapshot_id} is not completed: it is {description.state}",
            advice=f"`neve wait {snapshot_id}` waits until it is.",
        )
    return client.engine.call(action, _NOT_YET_READABLE, worth_repeating=_missing_or_passing)


def _missing_or_passing(error: ClientError) -> bool:
    return error.safe_to_retry or isinstance(error, SnapshotMissing)
