"""Requests and responses of EC2's locks, recycle bin and block public access, version 2016-11-15.

Fields are the model's members in snake case. `None` means absent. Times are milliseconds since the epoch.
"""

from dataclasses import dataclass

from neve.messages.ec2 import Filter

# --- locks


@dataclass(frozen=True, slots=True, kw_only=True)
class LockSnapshotRequest:
    snapshot_id: str
    lock_mode: str
    cool_off_period: int | None = None
    """Hours."""
    lock_duration: int | None = None
    """Days."""
    expiration_date_ms: int | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LockSnapshotResponse:
    snapshot_id: str
    lock_state: str
    lock_duration: int
    cool_off_period: int | None
    cool_off_period_expires_on_ms: int | None
    lock_created_on_ms: int
    lock_expires_on_ms: int | None
    """None as long as the snapshot is pending and its lock is for a duration."""
    lock_duration_start_time_ms: int | None
    """None as long as the snapshot is pending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedSnapshotsInfo:
    """`snapshotSet/item`."""

    owner_id: str
    snapshot_id: str
    lock_state: str
    lock_duration: int
    cool_off_period: int | None
    cool_off_period_expires_on_ms: int | None
    lock_created_on_ms: int
    lock_duration_start_time_ms: int | None
    lock_expires_on_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockSnapshotRequest:
    snapshot_id: str
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockSnapshotResponse:
    snapshot_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeLockedSnapshotsRequest:
    filters: tuple[Filter, ...] = ()
    max_results: int | None = None
    next_token: str | None = None
    snapshot_ids: tuple[str, ...] = ()
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeLockedSnapshotsResponse:
    snapshots: tuple[LockedSnapshotsInfo, ...]
    next_token: str | None


# --- block public access


@dataclass(frozen=True, slots=True, kw_only=True)
class EnableSnapshotBlockPublicAccessRequest:
    state: str
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DisableSnapshotBlockPublicAccessRequest:
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotBlockPublicAccessResponse:
    """Of Enable and of Disable."""

    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GetSnapshotBlockPublicAccessStateRequest:
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GetSnapshotBlockPublicAccessStateResponse:
    state: str
    managed_by: str


# --- recycle bin


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSnapshotsInRecycleBinRequest:
    max_results: int | None = None
    next_token: str | None = None
    snapshot_ids: tuple[str, ...] = ()
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRecycleBinInfo:
    """`snapshotSet/item`."""

    snapshot_id: str
    recycle_bin_enter_time_ms: int
    recycle_bin_exit_time_ms: int
    description: str
    volume_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSnapshotsInRecycleBinResponse:
    snapshots: tuple[SnapshotRecycleBinInfo, ...]
    next_token: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreSnapshotFromRecycleBinRequest:
    snapshot_id: str
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreSnapshotFromRecycleBinResponse:
    snapshot_id: str
    description: str
    encrypted: bool
    owner_id: str
    progress: str
    start_time_ms: int
    state: str
    volume_id: str
    volume_size: int


LifecycleRequest = (
    LockSnapshotRequest
    | UnlockSnapshotRequest
    | DescribeLockedSnapshotsRequest
    | EnableSnapshotBlockPublicAccessRequest
    | DisableSnapshotBlockPublicAccessRequest
    | GetSnapshotBlockPublicAccessStateRequest
    | ListSnapshotsInRecycleBinRequest
    | RestoreSnapshotFromRecycleBinRequest
)
LifecycleResponse = (
    LockSnapshotResponse
    | UnlockSnapshotResponse
    | DescribeLockedSnapshotsResponse
    | SnapshotBlockPublicAccessResponse
    | GetSnapshotBlockPublicAccessStateResponse
    | ListSnapshotsInRecycleBinResponse
    | RestoreSnapshotFromRecycleBinResponse
)
