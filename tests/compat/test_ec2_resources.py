"""boto3's resource objects, collections, paginators and waiters for snapshots, unchanged, against a real server."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, WaiterError

from compat.people import People, Person, told
from neve.domain.blocks import checksum_b64, digest
from neve.limits import STANDARD
from neve.testing.server import ServerProcess

BLOCK = bytes(range(256)) * (STANDARD.block_bytes // 256)


@pytest.fixture(scope="module")
def ec2(server: ServerProcess) -> Any:
    """What `boto3.resource("ec2")` is to a user of this server."""
    make: Any = boto3.resource  # its stubs want each service spelt out
    return make(
        "ec2",
        endpoint_url=server.endpoint,
        region_name=server.region,
        aws_access_key_id=server.access_key_id,
        aws_secret_access_key=server.secret_access_key,
    )


@pytest.fixture(scope="module")
def ebs(server: ServerProcess) -> Any:
    return server.client("ebs")


@pytest.fixture(scope="module")
def stranger(server: ServerProcess) -> Person:
    return People(server).account("stranger")


def completed(ec2: Any, ebs: Any, **start: Any) -> Any:
    """Return a completed snapshot of one block, as a resource."""
    snapshot = ec2.Snapshot(ebs.start_snapshot(VolumeSize=1, **start)["SnapshotId"])
    ebs.put_snapshot_block(
        SnapshotId=snapshot.id,
        BlockIndex=0,
        BlockData=BLOCK,
        DataLength=len(BLOCK),
        Checksum=checksum_b64(digest(BLOCK)),
        ChecksumAlgorithm="SHA256",
    )
    ebs.complete_snapshot(SnapshotId=snapshot.id, ChangedBlocksCount=1)
    wait(ec2, snapshot)
    return snapshot


def wait(ec2: Any, snapshot: Any) -> None:
    """Wait as `wait_until_completed` does, but not for 15 seconds at a time; then do that too."""
    waiter = ec2.meta.client.get_waiter("snapshot_completed")
    waiter.config.delay, waiter.config.max_attempts = 0.05, 400
    waiter.wait(SnapshotIds=[snapshot.id])
    snapshot.wait_until_completed()


def refusal(error: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    status, code, _ = told(error.value)
    return status, code


def test_a_snapshot_has_every_attribute_boto3_knows(ec2: Any, ebs: Any, server: ServerProcess) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    tags = [{"Key": "host", "Value": "web-1"}]
    snapshot = completed(ec2, ebs, Description="nightly", Tags=tags)
    snapshot.load()
    assert (snapshot.id, snapshot.snapshot_id) == (snapshot.id,) * 2
    assert (snapshot.state, snapshot.progress, snapshot.state_message) == ("completed", "100%", None)
    assert (snapshot.description, snapshot.volume_size, snapshot.tags) == ("nightly", 1, tags)
    assert (snapshot.owner_id, snapshot.owner_alias) == (server.account_id, None)
    assert (snapshot.encrypted, snapshot.kms_key_id) == (False, None)
    assert (snapshot.volume_id, snapshot.storage_tier, snapshot.transfer_type) == (
        "vol-ffffffff",
        "standard",
        "standard",
    )
    assert snapshot.full_snapshot_size_in_bytes == len(BLOCK)
    assert before < snapshot.start_time <= snapshot.completion_time <= datetime.now(UTC)
    for name in (
        "data_encryption_key_id",
        "outpost_arn",
        "restore_expiry_time",
        "sse_type",
        "availability_zone",
        "completion_duration_minutes",
    ):
        assert getattr(snapshot, name) is None


def test_an_encrypted_snapshot_names_its_key(ec2: Any, ebs: Any, server: ServerProcess) -> None:
    snapshot = completed(ec2, ebs, Encrypted=True)
    assert snapshot.encrypted is True
    described = server.client("kms").describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]
    assert snapshot.kms_key_id == described["Arn"]


def test_tags_are_made_loaded_and_deleted_as_objects(ec2: Any, ebs: Any) -> None:
    snapshot = completed(ec2, ebs)
    made = snapshot.create_tags(Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
    assert [(tag.resource_id, tag.key, tag.value) for tag in made] == [
        (snapshot.id, "a", "1"),
        (snapshot.id, "b", ""),
    ]
    (tag, _) = made
    tag.load()
    assert tag.resource_type == "snapshot"
    snapshot.reload()
    assert snapshot.tags == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]
    tag.delete()
    snapshot.reload()
    assert snapshot.tags == [{"Key": "b", "Value": ""}]
    both = ec2.create_tags(Resources=[snapshot.id], Tags=[{"Key": "b", "Value": "2"}])
    assert [(tag.key, tag.value) for tag in both] == [("b", "2")]
    snapshot.meta.client.delete_tags(Resources=[snapshot.id])
    snapshot.reload()
    assert snapshot.tags is None


def test_a_snapshot_is_shared_looked_at_and_taken_back(ec2: Any, ebs: Any, stranger: Person) -> None:
    snapshot = completed(ec2, ebs)

    def shared_with() -> list[dict[str, str]]:
        found: list[dict[str, str]] = snapshot.describe_attribute(Attribute="createVolumePermission")[
            "CreateVolumePermissions"
        ]
        return found

    assert shared_with() == []
    snapshot.modify_attribute(
        Attribute="createVolumePermission", OperationType="add", UserIds=[stranger.account_id]
    )
    snapshot.modify_attribute(CreateVolumePermission={"Add": [{"Group": "all"}]})
    assert shared_with() == [{"UserId": stranger.account_id}, {"Group": "all"}]
    snapshot.reset_attribute(Attribute="createVolumePermission")
    assert shared_with() == []
    assert snapshot.describe_attribute(Attribute="productCodes")["ProductCodes"] == []


def test_a_copy_is_a_snapshot_to_wait_for(ec2: Any, ebs: Any, server: ServerProcess) -> None:
    snapshot = completed(ec2, ebs, Description="source")
    copied = ec2.Snapshot(snapshot.copy(SourceRegion=server.region, Description="copy")["SnapshotId"])
    wait(ec2, copied)
    copied.reload()
    assert (copied.state, copied.description, copied.full_snapshot_size_in_bytes) == (
        "completed",
        "copy",
        len(BLOCK),
    )


def test_a_deleted_snapshot_cannot_be_loaded(ec2: Any, ebs: Any) -> None:
    snapshot = completed(ec2, ebs)
    snapshot.delete()
    with pytest.raises(ClientError) as caught:
        snapshot.load()
    assert refusal(caught) == (400, "InvalidSnapshot.NotFound")
    with pytest.raises(ClientError) as caught:
        snapshot.delete()
    assert refusal(caught) == (400, "InvalidSnapshot.NotFound")


def test_a_dry_run_deletes_nothing(ec2: Any, ebs: Any) -> None:
    snapshot = completed(ec2, ebs)
    with pytest.raises(ClientError) as caught:
        snapshot.delete(DryRun=True)
    assert refusal(caught) == (412, "DryRunOperation")
    snapshot.load()


# --- collections and paginators


def tagged(ebs: Any, value: str, count: int) -> list[str]:
    """Return the ids of new pending snapshots with a tag of the test's own."""
    tags = [{"Key": "collection", "Value": value}]
    return [ebs.start_snapshot(VolumeSize=1, Tags=tags)["SnapshotId"] for _ in range(count)]


def wanted(value: str) -> list[dict[str, Any]]:
    return [{"Name": "tag:collection", "Values": [value]}]


def test_collections_filter_limit_and_page(ec2: Any, ebs: Any) -> None:
    ids = tagged(ebs, "of its own", 12)
    assert [each.id for each in ec2.snapshots.filter(Filters=wanted("of its *"))] == ids
    mine = ec2.snapshots.filter(Filters=wanted("of its own"), OwnerIds=["self"])
    assert [each.id for each in mine.limit(7)] == ids[:7]
    assert [[each.id for each in page] for page in mine.page_size(5).pages()] == [
        ids[:5],
        ids[5:10],
        ids[10:],
    ]
    assert [each.id for each in ec2.snapshots.filter(SnapshotIds=[ids[3], ids[1]])] == [ids[1], ids[3]]
    assert set(ids) <= {each.id for each in ec2.snapshots.all()}
    # What a collection gives is loaded already: no further request is made.
    first = next(iter(mine))
    assert first.meta.data["SnapshotId"] == ids[0]
    assert first.tags == [{"Key": "collection", "Value": "of its own"}]


def test_paginators_go_on_where_they_stopped(ec2: Any, ebs: Any) -> None:
    ids = tagged(ebs, "pages", 11)
    client = ec2.meta.client
    for name, key, filters in (
        ("describe_snapshots", "Snapshots", wanted("pages")),
        (
            "describe_tags",
            "Tags",
            [{"Name": "key", "Values": ["collection"]}, {"Name": "value", "Values": ["pages"]}],
        ),
    ):
        paginator = client.get_paginator(name)
        some = paginator.paginate(Filters=filters, PaginationConfig={"PageSize": 5, "MaxItems": 7})
        first = some.build_full_result()
        rest = paginator.paginate(
            Filters=filters, PaginationConfig={"PageSize": 5, "StartingToken": first["NextToken"]}
        ).build_full_result()
        shown = [each.get("SnapshotId") or each["ResourceId"] for each in [*first[key], *rest[key]]]
        assert len(first[key]) == 7
        assert shown == ids
        assert "NextToken" not in rest


# --- waiters


@pytest.fixture
def quick_waiter(ec2: Any) -> Any:
    waiter = ec2.meta.client.get_waiter("snapshot_completed")
    waiter.config.delay = 0.05
    return waiter


def test_the_waiter_succeeds_once_every_snapshot_is_completed(ec2: Any, ebs: Any, quick_waiter: Any) -> None:
    first, second = completed(ec2, ebs), ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
    asked = threading.Event()
    ec2.meta.client.meta.events.register("after-call.ec2.DescribeSnapshots", lambda **_: asked.set())
    waiting = threading.Thread(target=lambda: quick_waiter.wait(SnapshotIds=[first.id, second]))
    waiting.start()
    assert asked.wait(timeout=60)
    assert waiting.is_alive(), "one of the two is pending"
    ebs.complete_snapshot(SnapshotId=second, ChangedBlocksCount=0)
    waiting.join(timeout=60)
    assert not waiting.is_alive()
    assert ec2.Snapshot(second).state == "completed"


@pytest.fixture
def failed(ebs: Any) -> str:
    """A snapshot whose completion says that something was written which was not."""
    snapshot_id: str = ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
    ebs.complete_snapshot(SnapshotId=snapshot_id, ChangedBlocksCount=1)
    return snapshot_id


def test_the_waiter_fails_once_any_snapshot_is_in_error(
    ec2: Any, ebs: Any, quick_waiter: Any, failed: str
) -> None:
    good = completed(ec2, ebs)
    with pytest.raises(WaiterError, match="terminal failure state") as caught:
        quick_waiter.wait(SnapshotIds=[good.id, failed])
    answer: Any = caught.value.last_response
    shown = {each["SnapshotId"]: each for each in answer["Snapshots"]}
    assert shown[failed]["State"] == "error"
    assert shown[failed]["StateMessage"] == "Changed blocks count mismatch for snapshot"
    assert shown[failed]["Progress"] == "0%"
    assert not {"CompletionTime", "FullSnapshotSizeInBytes"} & set(shown[failed])


def test_the_waiter_of_a_missing_snapshot_says_so(quick_waiter: Any) -> None:
    with pytest.raises(WaiterError, match=r"InvalidSnapshot\.NotFound|does not exist"):
        quick_waiter.wait(SnapshotIds=["snap-0123456789abcdef0"])
