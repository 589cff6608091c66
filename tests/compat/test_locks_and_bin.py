"""Locks, block public access and the recycle bin through unmodified boto3 and the AWS CLI, against a real server."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from compat.people import People, Person, allow, deny, told
from neve.domain.blocks import checksum_b64, digest
from neve.limits import STANDARD
from neve.testing.server import ServerProcess

BLOCK = bytes(range(256)) * (STANDARD.block_bytes // 256)
WEEK = {"RetentionPeriodValue": 7, "RetentionPeriodUnit": "DAYS"}
NOT_PERMITTED = (400, "OperationNotPermitted")
NOT_FOUND = (400, "InvalidSnapshot.NotFound")


@pytest.fixture(scope="module")
def people(server: ServerProcess) -> People:
    return People(server)


@pytest.fixture
def owner(people: People) -> Person:
    """An account of the test's own: nobody else's rules and settings reach it."""
    return people.account("owner")


@pytest.fixture
def ec2(owner: Person) -> Any:
    return owner.client("ec2")


def completed(person: Person, **start: Any) -> str:
    """Return a snapshot of the person's with one block."""
    ebs = person.client("ebs")
    snapshot_id: str = ebs.start_snapshot(VolumeSize=1, **start)["SnapshotId"]
    ebs.put_snapshot_block(
        SnapshotId=snapshot_id,
        BlockIndex=0,
        BlockData=BLOCK,
        DataLength=len(BLOCK),
        Checksum=checksum_b64(digest(BLOCK)),
        ChecksumAlgorithm="SHA256",
    )
    ebs.complete_snapshot(SnapshotId=snapshot_id, ChangedBlocksCount=1)
    waiter = person.client("ec2").get_waiter("snapshot_completed")
    waiter.config.delay, waiter.config.max_attempts = 0.05, 400
    waiter.wait(SnapshotIds=[snapshot_id])
    return snapshot_id


def refused(call: Callable[[], Any]) -> tuple[int, str]:
    """Return status and code."""
    with pytest.raises(ClientError) as caught:
        call()
    status, code, _ = told(caught.value)
    return status, code


def paged(client: Any, operation: str, key: str, **asked: Any) -> list[Any]:
    """Return everything a paginator finds."""
    pages = client.get_paginator(operation).paginate(**asked)
    return [found for page in pages for found in page[key]]


def read(person: Person, snapshot_id: str) -> bytes:
    ebs = person.client("ebs")
    (block,) = ebs.list_snapshot_blocks(SnapshotId=snapshot_id)["Blocks"]
    content: bytes = ebs.get_snapshot_block(SnapshotId=snapshot_id, **block)["BlockData"].read()
    return content


# --- locks


def test_CLIENT_a_lock_is_made_shown_changed_and_taken_off(owner: Person, ec2: Any) -> None:
    snapshot_id = completed(owner)
    made = ec2.lock_snapshot(SnapshotId=snapshot_id, LockMode="compliance", LockDuration=30, CoolOffPeriod=24)
    created = made["LockCreatedOn"]
    assert abs(datetime.now(UTC) - created) < timedelta(minutes=5)
    made.pop("ResponseMetadata")
    assert made == {
        "SnapshotId": snapshot_id,
        "LockState": "compliance-cooloff",
        "LockDuration": 30,
        "CoolOffPeriod": 24,
        "CoolOffPeriodExpiresOn": created + timedelta(hours=24),
        "LockCreatedOn": created,
        "LockExpiresOn": created + timedelta(days=30),
        "LockDurationStartTime": created,
    }
    (shown,) = ec2.describe_locked_snapshots(SnapshotIds=[snapshot_id])["Snapshots"]
    assert shown == {"OwnerId": owner.account_id, **made}
    until = datetime(2100, 1, 2, 3, 4, 5, tzinfo=UTC)
    changed = ec2.lock_snapshot(SnapshotId=snapshot_id, LockMode="governance", ExpirationDate=until)
    assert (changed["LockState"], changed["LockExpiresOn"]) == ("governance", until)
    assert ec2.unlock_snapshot(SnapshotId=snapshot_id)["SnapshotId"] == snapshot_id
    assert ec2.describe_locked_snapshots()["Snapshots"] == []


def test_DOC_a_locked_snapshot_is_deleted_by_nobody(people: People, owner: Person, ec2: Any) -> None:
    snapshot_id = completed(owner)
    admin = people.user("admin", allow("*"), account_id=owner.account_id)
    ec2.lock_snapshot(SnapshotId=snapshot_id, LockMode="compliance", LockDuration=1)
    for person in (owner, admin):
        client = person.client("ec2")
        for call in (
            lambda: client.delete_snapshot(SnapshotId=snapshot_id),  # noqa: B023 - called at once
            lambda: client.unlock_snapshot(SnapshotId=snapshot_id),  # noqa: B023
            lambda: client.lock_snapshot(  # noqa: B023
                SnapshotId=snapshot_id, LockMode="governance", LockDuration=1
            ),
        ):
            assert refused(call) == NOT_PERMITTED
    assert read(owner, snapshot_id) == BLOCK


def test_DOC_locking_and_unlocking_are_permissions_of_their_own(
    people: People, server: ServerProcess, owner: Person, ec2: Any
) -> None:
    snapshot_id = completed(owner)
    name = f"arn:aws:ec2:{server.region}::snapshot/{snapshot_id}"
    month = {"NumericLessThanEquals": {"ec2:SnapshotLockDuration": "30"}}
    locker = people.user(
        "locker",
        allow("ec2:LockSnapshot", name, **month),
        allow(["ec2:DescribeLockedSnapshots", "ec2:DeleteSnapshot"]),
        account_id=owner.account_id,
    ).client("ec2")
    unauthorized = (403, "UnauthorizedOperation")
    assert (
        refused(lambda: locker.lock_snapshot(SnapshotId=snapshot_id, LockMode="governance", LockDuration=31))
        == unauthorized
    )
    locker.lock_snapshot(SnapshotId=snapshot_id, LockMode="governance", LockDuration=30)
    assert refused(lambda: locker.unlock_snapshot(SnapshotId=snapshot_id)) == unauthorized
    assert refused(lambda: locker.delete_snapshot(SnapshotId=snapshot_id)) == NOT_PERMITTED
    assert len(locker.describe_locked_snapshots()["Snapshots"]) == 1
    ec2.unlock_snapshot(SnapshotId=snapshot_id)
    locker.delete_snapshot(SnapshotId=snapshot_id)


def test_CLIENT_pages_and_the_filter_find_locks(owner: Person, ec2: Any) -> None:
    expected = []
    for number in range(7):
        snapshot_id = owner.client("ebs").start_snapshot(VolumeSize=1)["SnapshotId"]
        mode = "governance" if number % 2 else "compliance"
        ec2.lock_snapshot(SnapshotId=snapshot_id, LockMode=mode, LockDuration=1)
        expected.append((snapshot_id, mode))
    first = ec2.describe_locked_snapshots(MaxResults=5)  # botocore has no paginator for this one
    last = ec2.describe_locked_snapshots(MaxResults=5, NextToken=first["NextToken"])
    assert "NextToken" not in last
    found = first["Snapshots"] + last["Snapshots"]
    assert [(each["SnapshotId"], each["LockState"]) for each in found] == expected
    filters = [{"Name": "lock-state", "Values": ["governance"]}]
    found = ec2.describe_locked_snapshots(Filters=filters)["Snapshots"]
    assert [each["SnapshotId"] for each in found] == [name for name, mode in expected if mode == "governance"]


# --- public access


def test_DOC_block_public_access_hides_and_refuses(people: People, owner: Person, ec2: Any) -> None:
    stranger = people.account("stranger").client("ec2")
    snapshot_id = completed(owner)
    public = {"SnapshotId": snapshot_id, "CreateVolumePermission": {"Add": [{"Group": "all"}]}}
    ec2.modify_snapshot_attribute(**public)

    def seen() -> list[str]:
        found = paged(stranger, "describe_snapshots", "Snapshots", OwnerIds=[owner.account_id])
        return [each["SnapshotId"] for each in found]

    assert seen() == [snapshot_id]
    assert ec2.enable_snapshot_block_public_access(State="block-all-sharing")["State"] == "block-all-sharing"
    assert seen() == []
    assert refused(lambda: stranger.describe_snapshots(SnapshotIds=[snapshot_id])) == NOT_FOUND
    assert refused(lambda: ec2.modify_snapshot_attribute(**public)) == NOT_PERMITTED
    state = ec2.get_snapshot_block_public_access_state()
    assert (state["State"], state["ManagedBy"]) == ("block-all-sharing", "account")
    shared = ec2.describe_snapshot_attribute(SnapshotId=snapshot_id, Attribute="createVolumePermission")
    assert shared["CreateVolumePermissions"] == [{"Group": "all"}]
    assert ec2.disable_snapshot_block_public_access()["State"] == "unblocked"
    assert seen() == [snapshot_id]


# --- the recycle bin


@pytest.fixture
def rbin(owner: Person) -> Any:
    return owner.client("rbin")


def test_CLIENT_a_rule_lives_its_life_in_boto3(owner: Person, server: ServerProcess, rbin: Any) -> None:
    made = rbin.create_rule(
        ResourceType="EBS_SNAPSHOT",
        RetentionPeriod=WEEK,
        Description="by boto3",
        ResourceTags=[{"ResourceTagKey": "keep", "ResourceTagValue": "yes"}],
        Tags=[{"Key": "team", "Value": "ops"}],
    )
    assert made.pop("ResponseMetadata")["HTTPStatusCode"] == 201
    rule_id = made["Identifier"]
    arn = f"arn:aws:rbin:{server.region}:{owner.account_id}:rule/{rule_id}"
    assert (made["RuleArn"], made["Status"], made["Tags"]) == (
        arn,
        "available",
        [{"Key": "team", "Value": "ops"}],
    )
    assert made["RetentionPeriod"] == WEEK
    changed = rbin.update_rule(
        Identifier=rule_id, RetentionPeriod=WEEK | {"RetentionPeriodValue": 9}, Description=""
    )
    found = rbin.get_rule(Identifier=rule_id)
    assert found["ResourceTags"] == changed["ResourceTags"] == made["ResourceTags"]
    assert (found["RetentionPeriod"]["RetentionPeriodValue"], found["Description"]) == (9, "")
    rbin.tag_resource(ResourceArn=arn, Tags=[{"Key": "a/b c", "Value": ""}])
    assert rbin.untag_resource(ResourceArn=arn, TagKeys=["team"])["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert rbin.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "a/b c", "Value": ""}]
    assert rbin.delete_rule(Identifier=rule_id)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert refused(lambda: rbin.get_rule(Identifier=rule_id)) == (404, "ResourceNotFoundException")


def test_CLIENT_the_paginator_finds_every_rule(rbin: Any) -> None:
    made = {
        rbin.create_rule(ResourceType="EBS_SNAPSHOT", RetentionPeriod=WEEK)["Identifier"] for _ in range(5)
    }
    found = paged(rbin, "list_rules", "Rules", ResourceType="EBS_SNAPSHOT", PaginationConfig={"PageSize": 2})
    assert [each["Identifier"] for each in found] == sorted(made)


def test_refusals_are_the_models_with_their_reasons(rbin: Any) -> None:
    year = {"RetentionPeriodValue": 366, "RetentionPeriodUnit": "DAYS"}
    with pytest.raises(rbin.exceptions.ValidationException) as caught:
        rbin.create_rule(ResourceType="EBS_SNAPSHOT", RetentionPeriod=year)
    assert caught.value.response["Reason"] == "INVALID_PARAMETER_VALUE"
    assert "365 days" in caught.value.response["Message"]
    with pytest.raises(rbin.exceptions.ResourceNotFoundException) as missed:
        rbin.delete_rule(Identifier="0123456789a")
    assert missed.value.response["Reason"] == "RULE_NOT_FOUND"


def test_DOC_rules_ask_policies_with_their_names_and_tags(
    people: People, server: ServerProcess, owner: Person, rbin: Any
) -> None:
    kept = rbin.create_rule(
        ResourceType="EBS_SNAPSHOT", RetentionPeriod=WEEK, Tags=[{"Key": "keep", "Value": "yes"}]
    )
    other = rbin.create_rule(ResourceType="EBS_SNAPSHOT", RetentionPeriod=WEEK)
    guard = {**deny(["rbin:DeleteRule", "rbin:UntagResource"])}
    guard["Condition"] = {"StringEquals": {"aws:ResourceTag/keep": "yes"}}
    clerk = people.user("clerk", allow("rbin:*"), guard, account_id=owner.account_id).client("rbin")
    denied = (403, "AccessDeniedException")
    assert refused(lambda: clerk.delete_rule(Identifier=kept["Identifier"])) == denied
    assert refused(lambda: clerk.untag_resource(ResourceArn=kept["RuleArn"], TagKeys=["keep"])) == denied
    clerk.delete_rule(Identifier=other["Identifier"])
    name = f"arn:aws:rbin:{server.region}:{owner.account_id}:rule/{kept['Identifier']}"
    reader = people.user("reader", allow("rbin:GetRule", name), account_id=owner.account_id).client("rbin")
    assert reader.get_rule(Identifier=kept["Identifier"])["RuleArn"] == name
    assert refused(lambda: reader.get_rule(Identifier="0123456789a")) == denied
    assert refused(lambda: reader.list_rules(ResourceType="EBS_SNAPSHOT")) == denied
    assert refused(lambda: reader.create_rule(ResourceType="EBS_SNAPSHOT", RetentionPeriod=WEEK)) == denied


def test_DOC_a_deleted_snapshot_comes_back_as_it_was(owner: Person, ec2: Any, rbin: Any) -> None:
    rbin.create_rule(ResourceType="EBS_SNAPSHOT", RetentionPeriod=WEEK)
    tags = [{"Key": "host", "Value": "web-1"}]
    snapshot_id = completed(owner, Tags=tags, Description="d")
    (before,) = ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"]
    ec2.delete_snapshot(SnapshotId=snapshot_id)
    assert refused(lambda: ec2.describe_snapshots(SnapshotIds=[snapshot_id])) == NOT_FOUND
    assert refused(lambda: read(owner, snapshot_id)) == (404, "ResourceNotFoundException")
    (shown,) = paged(ec2, "list_snapshots_in_recycle_bin", "Snapshots")
    assert shown["RecycleBinExitTime"] - shown["RecycleBinEnterTime"] == timedelta(days=7)
    assert (shown["SnapshotId"], shown["Description"], shown["VolumeId"]) == (
        snapshot_id,
        "d",
        "vol-ffffffff",
    )
    restored = ec2.restore_snapshot_from_recycle_bin(SnapshotId=snapshot_id)
    restored.pop("ResponseMetadata")
    assert restored == {name: before[name] for name in restored}
    assert ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"] == [before]
    assert read(owner, snapshot_id) == BLOCK


def test_CLIENT_the_bin_has_pages(owner: Person, ec2: Any, rbin: Any) -> None:
    rbin.create_rule(ResourceType="EBS_SNAPSHOT", RetentionPeriod=WEEK)
    expected = [completed(owner) for _ in range(6)]
    for snapshot_id in expected:
        ec2.delete_snapshot(SnapshotId=snapshot_id)
    found = paged(ec2, "list_snapshots_in_recycle_bin", "Snapshots", PaginationConfig={"PageSize": 5})
    assert [each["SnapshotId"] for each in found] == expected


# --- the AWS CLI


@pytest.fixture
def aws(owner: Person, server: ServerProcess, tmp_path: Path) -> Callable[..., Any]:
    """The AWS CLI, as the owner."""
    command = shutil.which("aws", path=str(Path(sys.executable).parent)) or pytest.skip(
        "the AWS CLI is not installed"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AWS_ACCESS_KEY_ID": owner.access_key_id,
        "AWS_SECRET_ACCESS_KEY": owner.secret_access_key,
        "AWS_DEFAULT_REGION": server.region,
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_PAGER": "",
        "AWS_MAX_ATTEMPTS": "1",
    }

    def run(*arguments: str) -> Any:
        done = subprocess.run(
            [command, *arguments, "--output", "json"],
            env=environment,
            capture_output=True,
            check=False,
            timeout=120,
        )
        if done.returncode:
            return done.stderr.decode()
        return json.loads(done.stdout or b"null")

    return run


@pytest.mark.slow
def test_CLIENT_locks_and_the_bin_in_the_aws_cli(owner: Person, aws: Callable[..., Any]) -> None:
    snapshot_id = completed(owner)
    named = ("--snapshot-id", snapshot_id)
    locked = aws("ec2", "lock-snapshot", *named, "--lock-mode", "governance", "--lock-duration", "3")
    assert (locked["LockState"], locked["LockDuration"]) == ("governance", 3)
    dated = aws(
        "ec2",
        "lock-snapshot",
        *named,
        "--lock-mode",
        "governance",
        "--expiration-date",
        "2099-12-31T00:00:00Z",
    )
    assert dated["LockExpiresOn"].startswith("2099-12-31T00:00:00")
    assert "OperationNotPermitted" in aws("ec2", "delete-snapshot", *named)
    shown = aws("ec2", "describe-locked-snapshots", "--filters", "Name=lock-state,Values=governance")
    assert [each["SnapshotId"] for each in shown["Snapshots"]] == [snapshot_id]
    assert aws("ec2", "unlock-snapshot", *named) == {"SnapshotId": snapshot_id}
    rule = aws(
        "rbin",
        "create-rule",
        *("--resource-type", "EBS_SNAPSHOT", "--description", "by the CLI"),
        *("--retention-period", "RetentionPeriodValue=2,RetentionPeriodUnit=DAYS"),
    )
    assert aws("rbin", "get-rule", "--identifier", rule["Identifier"])["Description"] == "by the CLI"
    assert aws("ec2", "delete-snapshot", *named) is None
    assert [each["SnapshotId"] for each in aws("ec2", "list-snapshots-in-recycle-bin")["Snapshots"]] == [
        snapshot_id
    ]
    assert aws("ec2", "restore-snapshot-from-recycle-bin", *named)["State"] == "completed"
    assert aws("rbin", "delete-rule", "--identifier", rule["Identifier"]) is None
    assert aws("rbin", "list-rules", "--resource-type", "EBS_SNAPSHOT") == {"Rules": []}
    blocked = aws("ec2", "enable-snapshot-block-public-access", "--state", "block-new-sharing")
    assert blocked == {"State": "block-new-sharing"}
    assert aws("ec2", "get-snapshot-block-public-access-state") == {
        "State": "block-new-sharing",
        "ManagedBy": "account",
    }
