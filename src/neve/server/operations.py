"""Every operation served here: its function, its IAM action and what that action is asked about.

The table is the whole list: a request type without a row is answered as an invariant's failure, never served.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from neve.auth.authorization import NO_PARENT
from neve.messages import ebs, ec2
from neve.operations.context import Caller, Context
from neve.operations.ebs.complete_snapshot import complete_snapshot
from neve.operations.ebs.get_snapshot_block import get_snapshot_block
from neve.operations.ebs.list_changed_blocks import list_changed_blocks
from neve.operations.ebs.list_snapshot_blocks import list_snapshot_blocks
from neve.operations.ebs.put_snapshot_block import put_snapshot_block
from neve.operations.ebs.start_snapshot import start_snapshot
from neve.operations.ec2.create_tags import create_tags
from neve.operations.ec2.delete_snapshot import delete_snapshot
from neve.operations.ec2.delete_tags import delete_tags
from neve.operations.ec2.describe_snapshots import describe_snapshots
from neve.operations.ec2.describe_tags import describe_tags

Request = Any
"""One of the request messages; each row of the table takes its own."""

_ANY_SNAPSHOT: Final = "*"
_SNAPSHOT_ID_CHARS_MAX: Final = 64
"""Contract 2.1. EC2 takes any text as an id, to refuse it later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One API operation."""

    function: Callable[[Context, Caller, Request], Any]
    demands: Callable[[Request], Sequence[tuple[str, str]]]
    """What must be allowed: IAM actions, each with the snapshot id its resource names (contract 11)."""


def _start_demands(request: ebs.StartSnapshotRequest) -> list[tuple[str, str]]:
    demands = [("ebs:StartSnapshot", request.parent_snapshot_id or NO_PARENT)]
    if request.tags:
        demands.append(("ec2:CreateTags", _ANY_SNAPSHOT))
    return demands


def _on_its_snapshot(action: str) -> Callable[[Request], Sequence[tuple[str, str]]]:
    return lambda request: [(action, request.snapshot_id)]


def _on_all(action: str) -> Callable[[Request], Sequence[tuple[str, str]]]:
    return lambda _request: [(action, _ANY_SNAPSHOT)]


def _on_each_resource(action: str) -> Callable[[Request], Sequence[tuple[str, str]]]:
    return lambda request: [(action, resource) for resource in request.resources]


OPERATIONS: Final[Mapping[type, Operation]] = {
    ebs.StartSnapshotRequest: Operation(function=start_snapshot, demands=_start_demands),
    ebs.PutSnapshotBlockRequest: Operation(
        function=put_snapshot_block, demands=_on_its_snapshot("ebs:PutSnapshotBlock")
    ),
    ebs.CompleteSnapshotRequest: Operation(
        function=complete_snapshot, demands=_on_its_snapshot("ebs:CompleteSnapshot")
    ),
    ebs.ListSnapshotBlocksRequest: Operation(
        function=list_snapshot_blocks, demands=_on_its_snapshot("ebs:ListSnapshotBlocks")
    ),
    ebs.ListChangedBlocksRequest: Operation(
        function=list_changed_blocks,
        demands=lambda request: [
            ("ebs:ListChangedBlocks", snapshot_id)
            for snapshot_id in (request.first_snapshot_id, request.second_snapshot_id)
            if snapshot_id is not None
        ],
    ),
    ebs.GetSnapshotBlockRequest: Operation(
        function=get_snapshot_block, demands=_on_its_snapshot("ebs:GetSnapshotBlock")
    ),
    ec2.DescribeSnapshotsRequest: Operation(
        function=describe_snapshots, demands=_on_all("ec2:DescribeSnapshots")
    ),
    ec2.DeleteSnapshotRequest: Operation(
        function=delete_snapshot, demands=_on_its_snapshot("ec2:DeleteSnapshot")
    ),
    ec2.CreateTagsRequest: Operation(function=create_tags, demands=_on_each_resource("ec2:CreateTags")),
    ec2.DeleteTagsRequest: Operation(function=delete_tags, demands=_on_each_resource("ec2:DeleteTags")),
    ec2.DescribeTagsRequest: Operation(function=describe_tags, demands=_on_all("ec2:DescribeTags")),
}


def snapshot_id_of(request: Request) -> str:
    """Return the one snapshot a request is about, empty if there is none: for rates and for the log."""
    if isinstance(request, ebs.ListChangedBlocksRequest):
        return request.second_snapshot_id
    return str(getattr(request, "snapshot_id", ""))[:_SNAPSHOT_ID_CHARS_MAX]
