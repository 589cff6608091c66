"""The forms and answers in this folder, against the messages they stand for."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from neve.messages import ec2, ec2_lifecycle
from neve.messages.ebs import Tag
from neve.messages.http import RequestHead
from neve.wire import ec2query, ec2xml

FOLDER = Path(__file__).parent
HEAD = RequestHead(method="POST", raw_target="/", headers=[])
REQUEST_ID = "11112222-3333-4444-5555-666677778888"
SNAPSHOT = "snap-0123456789abcdef0"

REQUESTS: Mapping[str, tuple[str, ec2.Ec2Request | ec2_lifecycle.LifecycleRequest]] = {
    "describe-snapshots": (
        "DescribeSnapshots",
        ec2.DescribeSnapshotsRequest(
            snapshot_ids=(SNAPSHOT,),
            owner_ids=("self",),
            restorable_by_user_ids=("all",),
            filters=(ec2.Filter("status", ("completed", "pending")), ec2.Filter("tag:k", ("v*",))),
        ),
    ),
    "delete-snapshot": ("DeleteSnapshot", ec2.DeleteSnapshotRequest(snapshot_id=SNAPSHOT, dry_run=True)),
    "copy-snapshot": (
        "CopySnapshot",
        ec2.CopySnapshotRequest(
            source_region="us-east-1",
            source_snapshot_id=SNAPSHOT,
            description="d & e",
            destination_region="us-east-1",
            encrypted=True,
            kms_key_id="alias/disks",
            presigned_url="https://ec2.us-east-1.amazonaws.com/?Action=CopySnapshot",
            tag_specifications=(ec2.TagSpecification(resource_type="snapshot", tags=(Tag("k", "a b"),)),),
        ),
    ),
    "create-tags": (
        "CreateTags",
        ec2.CreateTagsRequest(resources=(SNAPSHOT,), tags=(Tag("k", ""), Tag("névé", "a b"))),
    ),
    "delete-tags": (
        "DeleteTags",
        ec2.DeleteTagsRequest(
            resources=(SNAPSHOT,), tags=(ec2.TagSelector("k", None), ec2.TagSelector("k2", "x"))
        ),
    ),
    "describe-tags": (
        "DescribeTags",
        ec2.DescribeTagsRequest(
            filters=(ec2.Filter("resource-id", (SNAPSHOT,)),), max_results=5, next_token="0a1b"
        ),
    ),
    "modify-snapshot-attribute": (
        "ModifySnapshotAttribute",
        ec2.ModifySnapshotAttributeRequest(
            snapshot_id=SNAPSHOT,
            attribute="createVolumePermission",
            operation_type="add",
            user_ids=("111122223333", "444455556666"),
            group_names=("all",),
        ),
    ),
    "modify-snapshot-attribute-structured": (
        "ModifySnapshotAttribute",
        ec2.ModifySnapshotAttributeRequest(
            snapshot_id=SNAPSHOT,
            create_volume_permission=ec2.CreateVolumePermissionModifications(
                add=(
                    ec2.CreateVolumePermission(user_id="111122223333"),
                    ec2.CreateVolumePermission(group="all"),
                ),
                remove=(ec2.CreateVolumePermission(user_id="444455556666"),),
            ),
        ),
    ),
    "describe-snapshot-attribute": (
        "DescribeSnapshotAttribute",
        ec2.DescribeSnapshotAttributeRequest(snapshot_id=SNAPSHOT, attribute="createVolumePermission"),
    ),
    "reset-snapshot-attribute": (
        "ResetSnapshotAttribute",
        ec2.ResetSnapshotAttributeRequest(
            snapshot_id=SNAPSHOT, attribute="createVolumePermission", dry_run=True
        ),
    ),
    "modify-ebs-default-kms-key-id": (
        "ModifyEbsDefaultKmsKeyId",
        ec2.ModifyEbsDefaultKmsKeyIdRequest(kms_key_id="alias/disks"),
    ),
    "get-ebs-encryption-by-default": (
        "GetEbsEncryptionByDefault",
        ec2.GetEbsEncryptionByDefaultRequest(),
    ),
    "lock-snapshot": (
        "LockSnapshot",
        ec2_lifecycle.LockSnapshotRequest(
            snapshot_id=SNAPSHOT,
            lock_mode="compliance",
            cool_off_period=24,
            expiration_date_ms=1_893_553_445_000,
        ),
    ),
    "describe-locked-snapshots": (
        "DescribeLockedSnapshots",
        ec2_lifecycle.DescribeLockedSnapshotsRequest(
            filters=(ec2.Filter("lock-state", ("governance", "expired")),), max_results=5, next_token="0a1b"
        ),
    ),
}
STARTED_MS = 1_790_337_440_000
LOCKED_MS = STARTED_MS + 570
DAY_MS = 24 * 3600 * 1000
RESPONSES: Mapping[str, tuple[str, ec2.Ec2Response | ec2_lifecycle.LifecycleResponse]] = {
    "lock-snapshot": (
        "LockSnapshot",
        ec2_lifecycle.LockSnapshotResponse(
            snapshot_id=SNAPSHOT,
            lock_state="compliance-cooloff",
            lock_duration=30,
            cool_off_period=24,
            cool_off_period_expires_on_ms=LOCKED_MS + DAY_MS,
            lock_created_on_ms=LOCKED_MS,
            lock_expires_on_ms=LOCKED_MS + 30 * DAY_MS,
            lock_duration_start_time_ms=LOCKED_MS,
        ),
    ),
    "describe-locked-snapshots": (
        "DescribeLockedSnapshots",
        ec2_lifecycle.DescribeLockedSnapshotsResponse(
            snapshots=(
                ec2_lifecycle.LockedSnapshotsInfo(
                    owner_id="111122223333",
                    snapshot_id=SNAPSHOT,
                    lock_state="governance",
                    lock_duration=30,
                    cool_off_period=None,
                    cool_off_period_expires_on_ms=None,
                    lock_created_on_ms=LOCKED_MS,
                    lock_duration_start_time_ms=None,
                    lock_expires_on_ms=None,
                ),
            ),
            next_token="0a1b",
        ),
    ),
    "list-snapshots-in-recycle-bin": (
        "ListSnapshotsInRecycleBin",
        ec2_lifecycle.ListSnapshotsInRecycleBinResponse(
            snapshots=(
                ec2_lifecycle.SnapshotRecycleBinInfo(
                    snapshot_id=SNAPSHOT,
                    recycle_bin_enter_time_ms=LOCKED_MS,
                    recycle_bin_exit_time_ms=LOCKED_MS + 30 * DAY_MS,
                    description="d & e",
                    volume_id="vol-ffffffff",
                ),
            ),
            next_token=None,
        ),
    ),
    "restore-snapshot-from-recycle-bin": (
        "RestoreSnapshotFromRecycleBin",
        ec2_lifecycle.RestoreSnapshotFromRecycleBinResponse(
            snapshot_id=SNAPSHOT,
            description="",
            encrypted=True,
            owner_id="111122223333",
            progress="100%",
            start_time_ms=LOCKED_MS,
            state="completed",
            volume_id="vol-ffffffff",
            volume_size=1,
        ),
    ),
    "copy-snapshot": (
        "CopySnapshot",
        ec2.CopySnapshotResponse(tags=(Tag("k", "a b"),), snapshot_id="snap-0123456789abcdef1"),
    ),
    "describe-snapshots": (
        "DescribeSnapshots",
        ec2.DescribeSnapshotsResponse(
            snapshots=(
                ec2.SnapshotDescription(
                    snapshot_id=SNAPSHOT,
                    volume_id="vol-ffffffff",
                    state="completed",
                    state_message=None,
                    start_time_ms=STARTED_MS + 570,
                    progress="100%",
                    owner_id="111122223333",
                    volume_size=1,
                    description="d & e",
                    encrypted=False,
                    kms_key_id=None,
                    tags=(Tag("k", "v"),),
                    storage_tier="standard",
                    transfer_type="standard",
                    completion_time_ms=STARTED_MS + 2001,
                    full_snapshot_size_in_bytes=1_048_576,
                ),
                ec2.SnapshotDescription(
                    snapshot_id="snap-0123456789abcdef1",
                    volume_id="vol-ffffffff",
                    state="error",
                    state_message="Snapshot timed out",
                    start_time_ms=STARTED_MS,
                    progress="0%",
                    owner_id="111122223333",
                    volume_size=2,
                    description="",
                    encrypted=True,
                    kms_key_id="arn:aws:kms:us-east-1:111122223333:key/1",
                    tags=(),
                    storage_tier="standard",
                    transfer_type="standard",
                    completion_time_ms=None,
                    full_snapshot_size_in_bytes=None,
                ),
            ),
            next_token="0a1b",
        ),
    ),
    "delete-snapshot": ("DeleteSnapshot", ec2.VoidResponse()),
    "describe-tags": (
        "DescribeTags",
        ec2.DescribeTagsResponse(
            tags=(ec2.TagDescription(key="k", resource_id=SNAPSHOT, resource_type="snapshot", value="v"),),
            next_token=None,
        ),
    ),
    "describe-snapshot-attribute": (
        "DescribeSnapshotAttribute",
        ec2.DescribeSnapshotAttributeResponse(
            snapshot_id=SNAPSHOT,
            create_volume_permissions=(
                ec2.CreateVolumePermission(user_id="444455556666"),
                ec2.CreateVolumePermission(group="all"),
            ),
        ),
    ),
    "describe-snapshot-attribute-product-codes": (
        "DescribeSnapshotAttribute",
        ec2.DescribeSnapshotAttributeResponse(snapshot_id=SNAPSHOT, product_codes=()),
    ),
    "get-ebs-encryption-by-default": (
        "GetEbsEncryptionByDefault",
        ec2.GetEbsEncryptionByDefaultResponse(ebs_encryption_by_default=True, sse_type="sse-kms"),
    ),
    "modify-ebs-default-kms-key-id": (
        "ModifyEbsDefaultKmsKeyId",
        ec2.EbsDefaultKmsKeyIdResponse(kms_key_id="arn:aws:kms:us-east-1:111122223333:key/1"),
    ),
}


@pytest.mark.parametrize("name", sorted(REQUESTS))
def test_a_form_decodes_to_its_message(name: str) -> None:
    assert ec2query.decode(HEAD, (FOLDER / f"{name}.form").read_bytes()) == REQUESTS[name]


@pytest.mark.parametrize("name", sorted(RESPONSES))
def test_a_message_is_answered_as_written_down(name: str) -> None:
    operation, message = RESPONSES[name]
    declaration, *lines = (FOLDER / f"{name}.xml").read_text().splitlines()
    expected = declaration + "\n" + "".join(line.strip() for line in lines)
    assert ec2xml.encode(operation, message, REQUEST_ID).body.decode() == expected


def test_everything_written_down_is_read() -> None:
    assert {path.stem for path in FOLDER.glob("*.form")} == REQUESTS.keys()
    assert {path.stem for path in FOLDER.glob("*.xml")} == RESPONSES.keys()
