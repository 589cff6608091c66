"""Answers about locks, the recycle bin and block public access: messages to the content of EC2's XML.

Elements stand in the model's order.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from neve.messages import ec2_lifecycle as ec2
from neve.wire.xml_text import boolean_text, element, listed, optional, time_text


def content(response: ec2.LifecycleResponse) -> str:
    """Return what an answer holds beside its request id."""
    return _CONTENTS[type(response)](response)


def _page(items: Iterable[str], next_token: str | None) -> str:
    return listed("snapshotSet", items) + optional("nextToken", next_token)


def _lock(lock: ec2.LockSnapshotResponse) -> str:
    return "".join(
        (
            element("snapshotId", lock.snapshot_id),
            element("lockState", lock.lock_state),
            element("lockDuration", str(lock.lock_duration)),
            _cool_off(lock),
            element("lockCreatedOn", time_text(lock.lock_created_on_ms)),
            _time("lockExpiresOn", lock.lock_expires_on_ms),
            _time("lockDurationStartTime", lock.lock_duration_start_time_ms),
        )
    )


def _locked(lock: ec2.LockedSnapshotsInfo) -> str:
    return "".join(
        (
            element("ownerId", lock.owner_id),
            element("snapshotId", lock.snapshot_id),
            element("lockState", lock.lock_state),
            element("lockDuration", str(lock.lock_duration)),
            _cool_off(lock),
            element("lockCreatedOn", time_text(lock.lock_created_on_ms)),
            _time("lockDurationStartTime", lock.lock_duration_start_time_ms),
            _time("lockExpiresOn", lock.lock_expires_on_ms),
        )
    )


def _cool_off(lock: ec2.LockSnapshotResponse | ec2.LockedSnapshotsInfo) -> str:
    hours = lock.cool_off_period
    return optional("coolOffPeriod", None if hours is None else str(hours)) + _time(
        "coolOffPeriodExpiresOn", lock.cool_off_period_expires_on_ms
    )


def _recycled(snapshot: ec2.SnapshotRecycleBinInfo) -> str:
    return "".join(
        (
            element("snapshotId", snapshot.snapshot_id),
            element("recycleBinEnterTime", time_text(snapshot.recycle_bin_enter_time_ms)),
            element("recycleBinExitTime", time_text(snapshot.recycle_bin_exit_time_ms)),
            element("description", snapshot.description),
            element("volumeId", snapshot.volume_id),
        )
    )


def _restored(snapshot: ec2.RestoreSnapshotFromRecycleBinResponse) -> str:
    return "".join(
        (
            element("snapshotId", snapshot.snapshot_id),
            element("description", snapshot.description),
            element("encrypted", boolean_text(snapshot.encrypted)),
            element("ownerId", snapshot.owner_id),
            element("progress", snapshot.progress),
            element("startTime", time_text(snapshot.start_time_ms)),
            element("status", snapshot.state),
            element("volumeId", snapshot.volume_id),
            element("volumeSize", str(snapshot.volume_size)),
        )
    )


def _time(name: str, time_ms: int | None) -> str:
    return optional(name, None if time_ms is None else time_text(time_ms))


_CONTENTS: Final[Mapping[type[ec2.LifecycleResponse], Callable[[Any], str]]] = {
    ec2.LockSnapshotResponse: _lock,
    ec2.UnlockSnapshotResponse: lambda answer: element("snapshotId", answer.snapshot_id),
    ec2.DescribeLockedSnapshotsResponse: lambda answer: _page(
        map(_locked, answer.snapshots), answer.next_token
    ),
    ec2.SnapshotBlockPublicAccessResponse: lambda answer: element("state", answer.state),
    ec2.GetSnapshotBlockPublicAccessStateResponse: lambda answer: (
        element("state", answer.state) + element("managedBy", answer.managed_by)
    ),
    ec2.ListSnapshotsInRecycleBinResponse: lambda answer: _page(
        map(_recycled, answer.snapshots), answer.next_token
    ),
    ec2.RestoreSnapshotFromRecycleBinResponse: _restored,
}
