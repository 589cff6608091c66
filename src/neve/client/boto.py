"""The API over botocore: the user's ~/.aws, profiles and AWS_* variables work as they do everywhere else.

botocore resolves credentials, regions and endpoints, signs, and keeps connections. It does not retry here:
its waits cannot be interrupted and nobody sees them, so `engine.py` does, as contract 8 advises.

Importing this module costs half a second: commands import it when they run, not when `--help` is asked for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import botocore.session
from botocore.config import Config

from neve import __version__
from neve.client.errors import AnswerUnexpected, NotConfigured
from neve.client.translation import translated
from neve.limits import STANDARD
from neve.messages.ebs import (
    Block,
    ChangedBlock,
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
    Tag,
)
from neve.messages.ec2 import (
    CopySnapshotRequest,
    CopySnapshotResponse,
    DeleteSnapshotRequest,
    DescribeSnapshotsRequest,
    DescribeSnapshotsResponse,
    SnapshotDescription,
)

_CONNECT_TIMEOUT_S = 10
_READ_TIMEOUT_S = 60
"""botocore's own default. A block at 10 KiB/s still fits; a server that says nothing for a minute is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where to, and as whom. An empty text leaves the choice to the user's AWS settings."""

    endpoint_url: str = ""
    profile: str = ""
    region: str = ""
    connections: int = 16
    """Sockets to keep open: one for each worker."""


def made_clients(
    connection: Connection, environment: Mapping[str, str], services: Sequence[str]
) -> Sequence[Any]:
    """Return botocore's client of each service, as the user's settings have it; nothing is sent.

    Raises:
        NotConfigured
    """
    # AWS_REGION is what the newer SDKs and the AWS CLI read; botocore knows AWS_DEFAULT_REGION only.
    region = connection.region or environment.get("AWS_REGION", "")
    config = Config(
        max_pool_connections=connection.connections,
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=_CONNECT_TIMEOUT_S,
        read_timeout=_READ_TIMEOUT_S,
        tcp_keepalive=True,
        user_agent_extra=f"neve/{__version__}",
    )
    with translated():
        session = botocore.session.Session(profile=connection.profile or None)
        try:
            return [
                session.create_client(
                    service,
                    region_name=region or None,
                    endpoint_url=connection.endpoint_url or None,
                    config=config,
                )
                for service in services
            ]
        except ValueError as error:
            raise NotConfigured(
                f"the endpoint cannot be used: {error}", advice="It looks like http://127.0.0.1:9753."
            ) from error


class BotoEbsApi:
    """`EbsApi` on two botocore clients, one for each protocol."""

    def __init__(self, connection: Connection, environment: Mapping[str, str]) -> None:
        """Read the user's settings; nothing is sent.

        Raises:
            NotConfigured
        """
        # The operations of a client are made at run time: to a type checker they are not there.
        self._ebs: Any
        self._ec2: Any
        self._ebs, self._ec2 = made_clients(connection, environment, ("ebs", "ec2"))

    @property
    def endpoint(self) -> str:
        return str(self._ebs.meta.endpoint_url).rstrip("/").lower()

    def start_snapshot(self, request: StartSnapshotRequest) -> StartSnapshotResponse:
        arguments = {
            "VolumeSize": request.volume_size,
            "ParentSnapshotId": request.parent_snapshot_id,
            "Tags": [{"Key": tag.key, "Value": tag.value} for tag in request.tags] if request.tags else None,
            "Description": request.description,
            "ClientToken": request.client_token,
            "Encrypted": request.encrypted,
            "KmsKeyArn": request.kms_key_arn,
            "Timeout": request.timeout,
        }
        answer = called(self._ebs.start_snapshot, arguments)
        with translated():
            return StartSnapshotResponse(
                block_size=answer["BlockSize"],
                description=answer.get("Description"),
                kms_key_arn=answer.get("KmsKeyArn"),
                owner_id=answer.get("OwnerId", ""),
                parent_snapshot_id=answer.get("ParentSnapshotId"),
                snapshot_id=answer["SnapshotId"],
                sse_type=answer.get("SseType"),
                start_time_ms=milliseconds(answer.get("StartTime")),
                status=answer["Status"],
                tags=_tags(answer) or None,
                volume_size=answer["VolumeSize"],
            )

    def put_snapshot_block(self, request: PutSnapshotBlockRequest) -> PutSnapshotBlockResponse:
        arguments = {
            "SnapshotId": request.snapshot_id,
            "BlockIndex": request.block_index,
            "BlockData": request.block_data,
            "DataLength": request.data_length,
            "Progress": request.progress,
            "Checksum": request.checksum,
            "ChecksumAlgorithm": request.checksum_algorithm,
        }
        answer = called(self._ebs.put_snapshot_block, arguments)
        with translated():
            return PutSnapshotBlockResponse(
                checksum=answer["Checksum"], checksum_algorithm=answer["ChecksumAlgorithm"]
            )

    def complete_snapshot(self, request: CompleteSnapshotRequest) -> CompleteSnapshotResponse:
        arguments = {
            "SnapshotId": request.snapshot_id,
            "ChangedBlocksCount": request.changed_blocks_count,
            "Checksum": request.checksum,
            "ChecksumAlgorithm": request.checksum_algorithm,
            "ChecksumAggregationMethod": request.checksum_aggregation_method,
        }
        answer = called(self._ebs.complete_snapshot, arguments)
        with translated():
            return CompleteSnapshotResponse(status=answer["Status"])

    def list_snapshot_blocks(self, request: ListSnapshotBlocksRequest) -> ListSnapshotBlocksResponse:
        arguments = {
            "SnapshotId": request.snapshot_id,
            "NextToken": request.next_token,
            "MaxResults": request.max_results,
            "StartingBlockIndex": request.starting_block_index,
        }
        answer = called(self._ebs.list_snapshot_blocks, arguments)
        with translated():
            return ListSnapshotBlocksResponse(
                blocks=tuple(Block(each["BlockIndex"], each["BlockToken"]) for each in answer["Blocks"]),
                expiry_time_ms=milliseconds(answer.get("ExpiryTime")),
                volume_size=answer["VolumeSize"],
                block_size=answer["BlockSize"],
                next_token=answer.get("NextToken") or None,
            )

    def list_changed_blocks(self, request: ListChangedBlocksRequest) -> ListChangedBlocksResponse:
        arguments = {
            "FirstSnapshotId": request.first_snapshot_id,
            "SecondSnapshotId": request.second_snapshot_id,
            "NextToken": request.next_token,
            "MaxResults": request.max_results,
            "StartingBlockIndex": request.starting_block_index,
        }
        answer = called(self._ebs.list_changed_blocks, arguments)
        with translated():
            return ListChangedBlocksResponse(
                changed_blocks=tuple(
                    ChangedBlock(
                        each["BlockIndex"], each.get("FirstBlockToken"), each.get("SecondBlockToken")
                    )
                    for each in answer["ChangedBlocks"]
                ),
                expiry_time_ms=milliseconds(answer.get("ExpiryTime")),
                volume_size=answer.get("VolumeSize", 0),
                block_size=answer.get("BlockSize", 0),
                next_token=answer.get("NextToken") or None,
            )

    def get_snapshot_block(self, request: GetSnapshotBlockRequest) -> GetSnapshotBlockResponse:
        arguments = {
            "SnapshotId": request.snapshot_id,
            "BlockIndex": request.block_index,
            "BlockToken": request.block_token,
        }
        answer = called(self._ebs.get_snapshot_block, arguments)
        with translated(), answer["BlockData"] as body:
            return GetSnapshotBlockResponse(
                data_length=answer["DataLength"],
                # One byte more than a block is enough to see that there are too many, whatever is sent.
                block_data=body.read(min(answer["DataLength"], STANDARD.block_bytes) + 1),
                checksum=answer["Checksum"],
                checksum_algorithm=answer["ChecksumAlgorithm"],
            )

    def describe_snapshots(self, request: DescribeSnapshotsRequest) -> DescribeSnapshotsResponse:
        arguments = {
            "SnapshotIds": list(request.snapshot_ids) or None,
            "OwnerIds": list(request.owner_ids) or None,
            "RestorableByUserIds": list(request.restorable_by_user_ids) or None,
            "Filters": [{"Name": each.name, "Values": list(each.values)} for each in request.filters] or None,
            "MaxResults": request.max_results,
            "NextToken": request.next_token,
            "DryRun": request.dry_run or None,
        }
        answer = called(self._ec2.describe_snapshots, arguments)
        with translated():
            return DescribeSnapshotsResponse(
                snapshots=tuple(_description(each) for each in answer.get("Snapshots", ())),
                next_token=answer.get("NextToken") or None,
            )

    def copy_snapshot(self, request: CopySnapshotRequest) -> CopySnapshotResponse:
        arguments = {
            "SourceRegion": request.source_region or self._ec2.meta.region_name,
            "SourceSnapshotId": request.source_snapshot_id,
            "Description": request.description,
            "DestinationOutpostArn": request.destination_outpost_arn,
            "DestinationRegion": request.destination_region,
            "Encrypted": request.encrypted or None,
            "KmsKeyId": request.kms_key_id,
            "PresignedUrl": request.presigned_url,
            "TagSpecifications": [
                {
                    "ResourceType": each.resource_type,
                    "Tags": [{"Key": tag.key, "Value": tag.value} for tag in each.tags],
                }
                for each in request.tag_specifications
            ]
            or None,
            "CompletionDurationMinutes": request.completion_duration_minutes,
            "DestinationAvailabilityZone": request.destination_availability_zone,
            "DryRun": request.dry_run or None,
        }
        answer = called(self._ec2.copy_snapshot, arguments)
        with translated():
            return CopySnapshotResponse(tags=_tags(answer), snapshot_id=answer["SnapshotId"])

    def delete_snapshot(self, request: DeleteSnapshotRequest) -> None:
        called(
            self._ec2.delete_snapshot, {"SnapshotId": request.snapshot_id, "DryRun": request.dry_run or None}
        )


def called(method: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Call a botocore method with the arguments that are given, and translate what it raises."""
    with translated():
        answer = method(**{name: value for name, value in arguments.items() if value is not None})
    if not isinstance(answer, dict):
        raise AnswerUnexpected("the answer is not an object")
    return answer


def milliseconds(moment: datetime | None) -> int:
    return 0 if moment is None else round(moment.timestamp() * 1000)


def _tags(holder: Mapping[str, Any]) -> tuple[Tag, ...]:
    return tuple(Tag(each["Key"], each["Value"]) for each in holder.get("Tags") or ())


def _description(item: Mapping[str, Any]) -> SnapshotDescription:
    completed = item.get("CompletionTime")
    return SnapshotDescription(
        snapshot_id=item["SnapshotId"],
        volume_id=item.get("VolumeId", ""),
        state=item["State"],
        state_message=item.get("StateMessage"),
        start_time_ms=milliseconds(item.get("StartTime")),
        progress=item.get("Progress", ""),
        owner_id=item.get("OwnerId", ""),
        volume_size=item["VolumeSize"],
        description=item.get("Description", ""),
        encrypted=item.get("Encrypted", False),
        kms_key_id=item.get("KmsKeyId"),
        tags=_tags(item),
        storage_tier=item.get("StorageTier", ""),
        transfer_type=item.get("TransferType", ""),
        completion_time_ms=None if completed is None else milliseconds(completed),
        full_snapshot_size_in_bytes=item.get("FullSnapshotSizeInBytes"),
    )
