"""Requests and responses of the EC2 calls neve serves, version 2016-11-15.

Fields are the model's members in snake case. `None` means absent. Times are milliseconds since the epoch.
"""

from dataclasses import dataclass

from neve.messages.ebs import Tag


@dataclass(frozen=True, slots=True)
class Filter:
    """One `Filter.N`: its values are alternatives; filters of one request must all hold."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeSnapshotsRequest:
    max_results: int | None = None
    next_token: str | None = None
    owner_ids: tuple[str, ...] = ()
    restorable_by_user_ids: tuple[str, ...] = ()
    snapshot_ids: tuple[str, ...] = ()
    dry_run: bool = False
    filters: tuple[Filter, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotDescription:
    """`snapshotSet/item`, elements in the live order (contract 9.3)."""

    snapshot_id: str
    volume_id: str
    state: str
    state_message: str | None
    start_time_ms: int
    progress: str
    owner_id: str
    volume_size: int
    description: str
    encrypted: bool
    kms_key_id: str | None
    tags: tuple[Tag, ...]
    storage_tier: str
    transfer_type: str
    completion_time_ms: int | None
    full_snapshot_size_in_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeSnapshotsResponse:
    snapshots: tuple[SnapshotDescription, ...]
    next_token: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteSnapshotRequest:
    snapshot_id: str
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TagSpecification:
    """Tags for what a request is about to make, by the kind of resource."""

    resource_type: str | None = None
    tags: tuple[Tag, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CopySnapshotRequest:
    source_region: str
    source_snapshot_id: str
    description: str | None = None
    destination_outpost_arn: str | None = None
    destination_region: str | None = None
    encrypted: bool = False
    kms_key_id: str | None = None
    presigned_url: str | None = None
    """Every SDK sends one, for servers that ask the source's region with it; here the request itself says all."""
    tag_specifications: tuple[TagSpecification, ...] = ()
    completion_duration_minutes: int | None = None
    destination_availability_zone: str | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CopySnapshotResponse:
    tags: tuple[Tag, ...]
    snapshot_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTagsRequest:
    resources: tuple[str, ...]
    tags: tuple[Tag, ...]
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class TagSelector:
    """A tag to delete: by key alone, or only if its value is equal (contract 9.5)."""

    key: str
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteTagsRequest:
    resources: tuple[str, ...]
    tags: tuple[TagSelector, ...] = ()
    """Empty: every user tag of the resources."""
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeTagsRequest:
    filters: tuple[Filter, ...] = ()
    max_results: int | None = None
    next_token: str | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TagDescription:
    key: str
    resource_id: str
    resource_type: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeTagsResponse:
    tags: tuple[TagDescription, ...]
    next_token: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateVolumePermission:
    """Whom a snapshot is shared with: an account or a group."""

    user_id: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateVolumePermissionModifications:
    add: tuple[CreateVolumePermission, ...] = ()
    remove: tuple[CreateVolumePermission, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModifySnapshotAttributeRequest:
    """Says it in one of two forms: lists with an operation type, or modifications (contract 9.6)."""

    snapshot_id: str
    attribute: str | None = None
    create_volume_permission: CreateVolumePermissionModifications = CreateVolumePermissionModifications()
    group_names: tuple[str, ...] = ()
    operation_type: str | None = None
    user_ids: tuple[str, ...] = ()
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeSnapshotAttributeRequest:
    snapshot_id: str
    attribute: str
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductCode:
    product_code_id: str
    product_code_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeSnapshotAttributeResponse:
    """The attribute asked for; the other one is None."""

    snapshot_id: str
    create_volume_permissions: tuple[CreateVolumePermission, ...] | None = None
    product_codes: tuple[ProductCode, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetSnapshotAttributeRequest:
    snapshot_id: str
    attribute: str
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EnableEbsEncryptionByDefaultRequest:
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DisableEbsEncryptionByDefaultRequest:
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EbsEncryptionByDefaultResponse:
    """Of Enable and of Disable."""

    ebs_encryption_by_default: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GetEbsEncryptionByDefaultRequest:
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GetEbsEncryptionByDefaultResponse:
    ebs_encryption_by_default: bool
    sse_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GetEbsDefaultKmsKeyIdRequest:
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModifyEbsDefaultKmsKeyIdRequest:
    kms_key_id: str
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetEbsDefaultKmsKeyIdRequest:
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EbsDefaultKmsKeyIdResponse:
    """Of Get, of Modify and of Reset."""

    kms_key_id: str


@dataclass(frozen=True, slots=True)
class VoidResponse:
    """`<return>true</return>`."""


Ec2Request = (
    DescribeSnapshotsRequest
    | DeleteSnapshotRequest
    | CopySnapshotRequest
    | CreateTagsRequest
    | DeleteTagsRequest
    | DescribeTagsRequest
    | ModifySnapshotAttributeRequest
    | DescribeSnapshotAttributeRequest
    | ResetSnapshotAttributeRequest
    | EnableEbsEncryptionByDefaultRequest
    | DisableEbsEncryptionByDefaultRequest
    | GetEbsEncryptionByDefaultRequest
    | GetEbsDefaultKmsKeyIdRequest
    | ModifyEbsDefaultKmsKeyIdRequest
    | ResetEbsDefaultKmsKeyIdRequest
)
Ec2Response = (
    DescribeSnapshotsResponse
    | CopySnapshotResponse
    | DescribeTagsResponse
    | DescribeSnapshotAttributeResponse
    | EbsEncryptionByDefaultResponse
    | GetEbsEncryptionByDefaultResponse
    | EbsDefaultKmsKeyIdResponse
    | VoidResponse
)
