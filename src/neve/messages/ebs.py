"""Requests and responses of the EBS direct APIs, version 2019-11-02.

Fields are the model's members in snake case, in the model's order. `None` means that the member is absent;
an absent response member is JSON null (contract 0.1, rule 4). Times are milliseconds since the epoch here
and epoch seconds on the wire. The constraints stand in `constraints.py`.

The items of a page are msgspec structs that carry the model's names: a page has up to 10,000 of them, and this
way they go to JSON as they are, without a second object each.
"""

from dataclasses import dataclass, field

import msgspec


@dataclass(frozen=True, slots=True)
class Tag:
    key: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartSnapshotRequest:
    volume_size: int
    parent_snapshot_id: str | None = None
    tags: tuple[Tag, ...] | None = None
    description: str | None = None
    client_token: str | None = None
    encrypted: bool | None = None
    kms_key_arn: str | None = field(default=None, repr=False)
    timeout: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartSnapshotResponse:
    """Members in the live order (contract 1.2)."""

    block_size: int
    description: str | None
    kms_key_arn: str | None = field(repr=False)
    owner_id: str
    parent_snapshot_id: str | None
    snapshot_id: str
    sse_type: str | None
    start_time_ms: int
    status: str
    tags: tuple[Tag, ...] | None
    volume_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PutSnapshotBlockRequest:
    snapshot_id: str
    block_index: int
    block_data: bytes = field(repr=False)
    data_length: int
    progress: int | None = None
    checksum: str
    checksum_algorithm: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PutSnapshotBlockResponse:
    checksum: str
    checksum_algorithm: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteSnapshotRequest:
    snapshot_id: str
    changed_blocks_count: int
    checksum: str | None = None
    checksum_algorithm: str | None = None
    checksum_aggregation_method: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteSnapshotResponse:
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSnapshotBlocksRequest:
    snapshot_id: str
    next_token: str | None = None
    max_results: int | None = None
    starting_block_index: int | None = None


class Block(msgspec.Struct, frozen=True, gc=False, rename="pascal"):
    block_index: int
    block_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSnapshotBlocksResponse:
    blocks: tuple[Block, ...]
    expiry_time_ms: int
    volume_size: int
    block_size: int
    next_token: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListChangedBlocksRequest:
    first_snapshot_id: str | None = None
    second_snapshot_id: str
    next_token: str | None = None
    max_results: int | None = None
    starting_block_index: int | None = None


class ChangedBlock(msgspec.Struct, frozen=True, gc=False, rename="pascal"):
    block_index: int
    first_block_token: str | None
    second_block_token: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListChangedBlocksResponse:
    changed_blocks: tuple[ChangedBlock, ...]
    expiry_time_ms: int
    volume_size: int
    block_size: int
    next_token: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GetSnapshotBlockRequest:
    snapshot_id: str
    block_index: int
    block_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GetSnapshotBlockResponse:
    data_length: int
    block_data: bytes = field(repr=False)
    checksum: str
    checksum_algorithm: str


EbsRequest = (
    StartSnapshotRequest
    | PutSnapshotBlockRequest
    | CompleteSnapshotRequest
    | ListSnapshotBlocksRequest
    | ListChangedBlocksRequest
    | GetSnapshotBlockRequest
)
EbsResponse = (
    StartSnapshotResponse
    | PutSnapshotBlockResponse
    | CompleteSnapshotResponse
    | ListSnapshotBlocksResponse
    | ListChangedBlocksResponse
    | GetSnapshotBlockResponse
)
