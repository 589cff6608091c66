"""Copies of snapshots: asked for, and watched while the service makes them.

A CopySnapshot carries no client token: whoever asks twice gets two copies. So only what was certainly not heard is
asked again; an answer that was lost is told to the person, who can look.
"""

from typing import Final

from neve.client.context import ClientContext
from neve.client.errors import ClientError, ServiceBusy, ServiceUnreachable, SnapshotFailed, WaitTimedOut
from neve.client.retries import FIRST_CONTACT
from neve.client.snapshots import COMPLETED, wait_until_completed
from neve.messages.ec2 import CopySnapshotRequest, SnapshotDescription

_APPEARS_WITHIN_S: Final = 120.0
"""Contract 3.1: EC2 may not know a new snapshot of the live service at once."""
_PERCENT: Final = 100


def start_copy(client: ClientContext, request: CopySnapshotRequest) -> str:
    """Begin a copy and return its id.

    Raises:
        ServiceUnreachable: whether a copy was begun is not known.
        ClientError: none was.
    """
    try:
        answer = client.engine.call(
            lambda: client.api.copy_snapshot(request), FIRST_CONTACT, worth_repeating=_was_not_heard
        )
    except ServiceUnreachable as error:
        error.add_note("A copy may have been begun: `neve list` shows it then.")
        raise
    return answer.snapshot_id


def wait_until_copied(client: ClientContext, snapshot_id: str, *, timeout_s: float) -> SnapshotDescription:
    """Return the description of a copy once it is completed; until then the client's meter counts percents.

    Raises:
        SnapshotFailed: it ended in error; says why.
        WaitTimedOut, ClientError: the copy goes on by itself.
    """
    client.meter.expect(_PERCENT)
    shown = 0

    def watch(description: SnapshotDescription) -> None:
        nonlocal shown
        percent = _percent_of(description)
        client.meter.advance(max(0, percent - shown), moved_bytes=0)
        shown = max(shown, percent)

    try:
        return wait_until_completed(
            client, snapshot_id, timeout_s=timeout_s, appears_within_s=_APPEARS_WITHIN_S, watch=watch
        )
    except SnapshotFailed as error:
        raise SnapshotFailed(
            error.message,
            advice=f"`neve delete {snapshot_id}` takes it away; what stood against it stands in the message.",
        ) from None
    except WaitTimedOut as error:
        raise WaitTimedOut(
            error.message, advice=f"The copy goes on; `neve wait {snapshot_id}` goes on waiting."
        ) from None


def _percent_of(description: SnapshotDescription) -> int:
    if description.state == COMPLETED:
        return _PERCENT
    digits = description.progress.removesuffix("%")
    # The live service leaves the progress of a new snapshot empty for a moment.
    return min(_PERCENT, int(digits)) if digits.isascii() and digits.isdecimal() else 0


def _was_not_heard(error: ClientError) -> bool:
    return isinstance(error, ServiceBusy)
