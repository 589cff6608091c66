"""The calls a client makes, as a contract: what every way of reaching a service keeps to.

Requests and answers are the messages of `neve.messages`, the very ones the server decodes and encodes.
An integer the service left out of an answer is 0: the live service leaves `VolumeSize`, `BlockSize` and
`ExpiryTime` out of the last, empty page of ListChangedBlocks (contract 6.4).

Promises
    once        one call is one request: retrying is the caller's (`engine.py`), who knows when to stop
    translated  a call raises errors of `client/errors.py`, and no other
    shared      every method may be called from any number of threads at once
    unchecked   block data is handed over as it came; `reading.py` compares it with its checksum
"""

from typing import Protocol

from neve.messages.ebs import (
    CompleteSnapshotRequest,
    CompleteSnapshotResponse,
    GetSnapshotBlockRequest,
    GetSnapshotBlockResponse,
    ListChangedBlocksRequest,
    ListChangedBlocksResponse,
    ListSnapshotBlocksRequest,
    ListSnapshotBlocksResponse,
    PutSnapshotBlockRequest,
    PutSnapshotBlockResponse,
    StartSnapshotRequest,
    StartSnapshotResponse,
)
from neve.messages.ec2 import (
    CopySnapshotRequest,
    CopySnapshotResponse,
    DeleteSnapshotRequest,
    DescribeSnapshotsRequest,
    DescribeSnapshotsResponse,
)


class EbsApi(Protocol):
    """The six EBS operations, and the EC2 calls for snapshots as wholes."""

    @property
    def endpoint(self) -> str:
        """Where the EBS calls go; equal for equal services, so that what was learnt of one is not mixed up."""
        ...

    def start_snapshot(self, request: StartSnapshotRequest) -> StartSnapshotResponse:
        """Start a snapshot. Repeating the call with the same client token gives the same snapshot."""
        ...

    def put_snapshot_block(self, request: PutSnapshotBlockRequest) -> PutSnapshotBlockResponse:
        """Write one block. Repeating is harmless."""
        ...

    def complete_snapshot(self, request: CompleteSnapshotRequest) -> CompleteSnapshotResponse:
        """Say that all blocks are written. Repeating is harmless."""
        ...

    def list_snapshot_blocks(self, request: ListSnapshotBlocksRequest) -> ListSnapshotBlocksResponse:
        """Return one page of the blocks present in a completed snapshot."""
        ...

    def list_changed_blocks(self, request: ListChangedBlocksRequest) -> ListChangedBlocksResponse:
        """Return one page of the blocks that differ between two snapshots."""
        ...

    def get_snapshot_block(self, request: GetSnapshotBlockRequest) -> GetSnapshotBlockResponse:
        """Read one block."""
        ...

    def describe_snapshots(self, request: DescribeSnapshotsRequest) -> DescribeSnapshotsResponse:
        """Return one page of snapshot descriptions.

        Raises:
            SnapshotMissing: an id that was asked for by name is not there.
        """
        ...

    def copy_snapshot(self, request: CopySnapshotRequest) -> CopySnapshotResponse:
        """Begin a copy; an empty source region is the client's own.

        Repeating begins another one. A source that is not there is accepted: the copy ends in error.
        """
        ...

    def delete_snapshot(self, request: DeleteSnapshotRequest) -> None:
        """Delete a snapshot in any state.

        Raises:
            SnapshotMissing: it is not there; after a repetition that means it is gone.
        """
        ...
