"""CopySnapshot through an unmodified boto3 and the AWS CLI, against a real server. Ids begin with the row's label."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from compat.people import People, Person, allow, told
from compat.real_clients import Program
from fix_commands import Commands
from neve.domain.blocks import checksum_b64, digest
from neve.limits import STANDARD
from neve.testing.server import ServerProcess

UNKNOWN = "snap-0123456789abcdef0"
BLOCKS = {
    0: bytes([1]) * STANDARD.block_bytes,
    3: bytes(STANDARD.block_bytes),
    2047: os.urandom(STANDARD.block_bytes),
}
READING = ["kms:DescribeKey", "kms:Decrypt", "kms:ReEncryptFrom"]


@pytest.fixture(scope="module")
def people(server: ServerProcess) -> People:
    return People(server)


@pytest.fixture(scope="module")
def owner(people: People) -> Person:
    return people.root


@pytest.fixture
def recipient(people: People) -> Person:
    """An account of the test's own, with every right in itself."""
    return people.account("recipient")


def new_key(person: Person) -> str:
    arn: str = person.client("kms").create_key()["KeyMetadata"]["Arn"]
    return arn


def waited(person: Person, snapshot_id: str) -> dict[str, Any]:
    """Return a snapshot as soon as boto3's own waiter says that it is completed."""
    waiter = person.client("ec2").get_waiter("snapshot_completed")
    waiter.config.delay, waiter.config.max_attempts = 0.05, 600
    waiter.wait(SnapshotIds=[snapshot_id])
    return shown(person, snapshot_id)


def shown(person: Person, snapshot_id: str) -> dict[str, Any]:
    (found,) = person.client("ec2").describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"]
    return dict(found)


def completed(person: Person, **start: Any) -> str:
    ebs = person.client("ebs")
    snapshot_id: str = ebs.start_snapshot(VolumeSize=1, **start)["SnapshotId"]
    for index, content in BLOCKS.items():
        ebs.put_snapshot_block(
            SnapshotId=snapshot_id,
            BlockIndex=index,
            BlockData=content,
            DataLength=len(content),
            Checksum=checksum_b64(digest(content)),
            ChecksumAlgorithm="SHA256",
        )
    ebs.complete_snapshot(SnapshotId=snapshot_id, ChangedBlocksCount=len(BLOCKS))
    waited(person, snapshot_id)
    return snapshot_id


def read(person: Person, snapshot_id: str) -> dict[int, bytes]:
    ebs = person.client("ebs")
    return {
        block["BlockIndex"]: ebs.get_snapshot_block(SnapshotId=snapshot_id, **block)["BlockData"].read()
        for block in ebs.list_snapshot_blocks(SnapshotId=snapshot_id)["Blocks"]
    }


def copy(person: Person, source_id: str, **members: Any) -> str:
    answer = person.client("ec2").copy_snapshot(
        **{"SourceRegion": "us-east-1", "SourceSnapshotId": source_id, **members}
    )
    snapshot_id: str = answer["SnapshotId"]
    assert snapshot_id != source_id
    return snapshot_id


def failure(person: Person, snapshot_id: str) -> str:
    """Return what a copy says of itself when boto3's waiter says that it failed."""
    with pytest.raises(WaiterError):
        waited(person, snapshot_id)
    found = shown(person, snapshot_id)
    assert found["State"] == "error"
    message: str = found["StateMessage"]
    return message


# --- what becomes of it -----------------------------------------------------------------------------


def test_DOC_a_plain_snapshot_is_copied_with_boto3s_waiter_and_resource(
    owner: Person, server: ServerProcess
) -> None:
    source_id = completed(owner, Description="the source", Tags=[{"Key": "of", "Value": "source"}])
    copy_id = copy(owner, source_id, Description="the copy")
    found = waited(owner, copy_id)
    assert (found["Description"], found["VolumeSize"], found["Encrypted"]) == ("the copy", 1, False)
    assert (found["Progress"], found["VolumeId"], found["OwnerId"]) == (
        "100%",
        "vol-ffffffff",
        owner.account_id,
    )
    assert "Tags" not in found
    assert "StateMessage" not in found
    assert read(owner, copy_id) == read(owner, source_id) == BLOCKS


def test_DOC_a_resource_object_copies_and_waits(owner: Person, server: ServerProcess) -> None:
    import boto3  # noqa: PLC0415 - the one test that takes a resource

    ec2: Any = boto3.resource(
        "ec2",
        endpoint_url=server.endpoint,
        region_name=server.region,
        aws_access_key_id=server.access_key_id,
        aws_secret_access_key=server.secret_access_key,
    )
    source = ec2.Snapshot(completed(owner))
    made = ec2.Snapshot(source.copy(SourceRegion=server.region)["SnapshotId"])
    waiter = made.meta.client.get_waiter("snapshot_completed")
    waiter.config.delay = 0.05
    waiter.wait(SnapshotIds=[made.id])
    made.reload()
    assert (made.state, made.volume_size) == ("completed", 1)


def test_DOC_tags_are_the_copys_own_and_in_the_answer(owner: Person) -> None:
    answer = owner.client("ec2").copy_snapshot(
        SourceRegion="us-east-1",
        SourceSnapshotId=completed(owner),
        TagSpecifications=[{"ResourceType": "snapshot", "Tags": [{"Key": "a", "Value": "b"}]}],
    )
    assert answer["Tags"] == [{"Key": "a", "Value": "b"}]
    assert waited(owner, answer["SnapshotId"])["Tags"] == answer["Tags"]


@pytest.mark.parametrize("named", ["key", "alias", "default"])
def test_DOC_LIVE_a_plain_snapshot_is_copied_into_an_encrypted_one(owner: Person, named: str) -> None:
    kms = owner.client("kms")
    key = new_key(owner)
    alias = f"alias/{key.rpartition('/')[2]}"
    kms.create_alias(AliasName=alias, TargetKeyId=key)
    members = {"key": {"KmsKeyId": key}, "alias": {"KmsKeyId": alias}, "default": {}}[named]
    copy_id = copy(owner, completed(owner), Encrypted=True, **members)
    found = waited(owner, copy_id)
    assert found["Encrypted"] is True
    assert (found["KmsKeyId"] == key) == (named != "default")
    assert read(owner, copy_id) == BLOCKS
    if named != "default":
        kms.disable_key(KeyId=key)
        with pytest.raises(ClientError, match="is disabled"):
            read(owner, copy_id)


def test_DOC_LIVE_an_encrypted_snapshot_is_copied_to_another_key(owner: Person) -> None:
    first, second = new_key(owner), new_key(owner)
    source_id = completed(owner, Encrypted=True, KmsKeyArn=first)
    copy_id = copy(owner, source_id, Encrypted=True, KmsKeyId=second)
    assert waited(owner, copy_id)["KmsKeyId"] == second
    owner.client("kms").disable_key(KeyId=first)
    owner.client("ec2").delete_snapshot(SnapshotId=source_id)
    assert read(owner, copy_id) == BLOCKS
    owner.client("kms").disable_key(KeyId=second)
    with pytest.raises(ClientError, match="is disabled"):
        read(owner, copy_id)


def test_LIVE_a_shared_snapshot_and_its_key_become_a_copy_of_ones_own(
    owner: Person, recipient: Person
) -> None:
    key = new_key(owner)
    source_id = completed(owner, Encrypted=True, KmsKeyArn=key)
    owner.client("ec2").modify_snapshot_attribute(
        SnapshotId=source_id,
        Attribute="createVolumePermission",
        OperationType="add",
        UserIds=[recipient.account_id],
    )
    refused = copy(recipient, source_id)
    statements = [
        allow("kms:*") | {"Principal": {"AWS": f"arn:aws:iam::{owner.account_id}:root"}},
        allow(READING) | {"Principal": {"AWS": f"arn:aws:iam::{recipient.account_id}:root"}},
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    owner.client("kms").put_key_policy(KeyId=key, PolicyName="default", Policy=policy)
    copy_id = copy(recipient, source_id)
    found = waited(recipient, copy_id)
    assert failure(recipient, refused) == "Given key ID is not accessible"
    assert found["OwnerId"] == recipient.account_id
    assert found["KmsKeyId"].split(":")[4] == recipient.account_id
    owner.client("kms").disable_key(KeyId=key)
    owner.client("ec2").delete_snapshot(SnapshotId=source_id)
    assert read(recipient, copy_id) == BLOCKS
    with pytest.raises(ClientError, match="does not exist"):
        shown(owner, copy_id)


def test_LIVE_a_snapshot_that_is_public_is_copied_though_the_direct_apis_do_not_read_it(
    owner: Person, recipient: Person
) -> None:
    source_id = completed(owner)
    owner.client("ec2").modify_snapshot_attribute(
        SnapshotId=source_id, CreateVolumePermission={"Add": [{"Group": "all"}]}
    )
    copy_id = copy(recipient, source_id)
    waited(recipient, copy_id)
    assert read(recipient, copy_id) == BLOCKS


def test_a_copy_may_be_a_parent(owner: Person) -> None:
    copy_id = copy(owner, completed(owner))
    waited(owner, copy_id)
    child = owner.client("ebs").start_snapshot(VolumeSize=1, ParentSnapshotId=copy_id)["SnapshotId"]
    owner.client("ebs").complete_snapshot(SnapshotId=child, ChangedBlocksCount=0)
    waited(owner, child)
    assert read(owner, child) == BLOCKS


# --- refusals ---------------------------------------------------------------------------------------


def test_LIVE_what_is_missing_pending_or_without_a_key_ends_in_error(owner: Person) -> None:
    pending = owner.client("ebs").start_snapshot(VolumeSize=1)["SnapshotId"]
    gone = new_key(owner).replace(owner.account_id, "999999999999")
    source_id = completed(owner)
    assert failure(owner, copy(owner, UNKNOWN)) == "Source snapshot is not found"
    assert failure(owner, copy(owner, pending)) == "Source snapshot is not complete"
    assert (
        failure(owner, copy(owner, source_id, Encrypted=True, KmsKeyId=gone))
        == "Given key ID is not accessible"
    )


@pytest.mark.parametrize(
    ("members", "code"),
    [
        pytest.param({"SourceSnapshotId": "snap-xyz"}, "InvalidParameterValue", id="LIVE-malformed"),
        pytest.param({"SourceRegion": "eu-west-1"}, "InvalidRegion", id="LIVE-region"),
        pytest.param({"KmsKeyId": "alias/k"}, "InvalidParameterDependency", id="DOC-key-alone"),
        pytest.param({"CompletionDurationMinutes": 15}, "UnsupportedOperation", id="OURS-duration"),
        pytest.param({"CompletionDurationMinutes": 20}, "InvalidParameterValue", id="DOC-duration"),
        pytest.param({"DestinationOutpostArn": "arn:x"}, "UnsupportedOperation", id="OURS-outpost"),
        pytest.param({"DryRun": True}, "DryRunOperation", id="DOC-dry-run"),
    ],
)
def test_refusals_are_ec2s(owner: Person, members: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as caught:
        copy(owner, UNKNOWN, **members)
    assert told(caught.value)[1] == code


def test_DOC_a_user_needs_leave_to_copy_and_to_tag(people: People, owner: Person) -> None:
    source_id = completed(owner)
    arn = f"arn:aws:ec2:us-east-1::snapshot/{source_id}"
    user = people.user("copier", allow("ec2:CopySnapshot", arn))
    copy_id = copy(user, source_id)
    assert waited(owner, copy_id)["State"] == "completed"
    tags = [{"ResourceType": "snapshot", "Tags": [{"Key": "a", "Value": "b"}]}]
    for asked, members in ((UNKNOWN, {}), (source_id, {"TagSpecifications": tags})):
        with pytest.raises(ClientError) as caught:
            copy(user, asked, **members)
        assert told(caught.value)[:2] == (403, "UnauthorizedOperation")


# --- the AWS CLI and `neve copy` ---------------------------------------------------------------------


def test_the_aws_cli_copies_and_waits(owner: Person, server: ServerProcess) -> None:
    key = new_key(owner)
    source_id = completed(owner)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
        "AWS_ACCESS_KEY_ID": server.access_key_id,
        "AWS_SECRET_ACCESS_KEY": server.secret_access_key,
        "AWS_DEFAULT_REGION": server.region,
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    aws = Program([str(Path(sys.executable).with_name("aws")), "ec2"], environment)
    answer = json.loads(
        aws.run(
            "copy-snapshot",
            *("--source-region", server.region, "--source-snapshot-id", source_id),
            *("--description", "by the CLI", "--encrypted", "--kms-key-id", key),
            *("--tag-specifications", "ResourceType=snapshot,Tags=[{Key=a,Value=b}]"),
            *("--output", "json"),
        )
    )
    assert answer["Tags"] == [{"Key": "a", "Value": "b"}]
    waited(owner, answer["SnapshotId"])
    aws.run("wait", "snapshot-completed", "--snapshot-ids", answer["SnapshotId"])
    found = shown(owner, answer["SnapshotId"])
    assert (found["Description"], found["KmsKeyId"]) == ("by the CLI", key)
    assert read(owner, answer["SnapshotId"]) == BLOCKS


@pytest.fixture
def commands(server: ServerProcess, make_commands: Callable[[ServerProcess], Commands]) -> Commands:
    return make_commands(server)


def test_neve_copy_waits_and_says_what_became_of_it(commands: Commands, owner: Person) -> None:
    key, source_id = new_key(owner), completed(owner)
    done = commands.done("copy", source_id, "--kms-key", key, "--tag", "a=b", "--output", "json")
    facts = done.json
    assert facts == {
        "snapshot_id": facts["snapshot_id"],
        "source_snapshot_id": source_id,
        "state": "completed",
        "volume_size_gib": 1,
        "full_snapshot_bytes": len(BLOCKS) * STANDARD.block_bytes,
        "encrypted": True,
        "kms_key_id": key,
    }
    assert "copied in " in done.err
    assert shown(owner, facts["snapshot_id"])["Tags"] == [{"Key": "a", "Value": "b"}]
    assert read(owner, facts["snapshot_id"]) == BLOCKS


def test_neve_copy_need_not_wait(commands: Commands, owner: Person) -> None:
    source_id = completed(owner)
    done = commands.done("copy", source_id, "--no-wait", "--description", "mine")
    assert done.err == ""
    assert waited(owner, done.last_line)["Description"] == "mine"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ((UNKNOWN,), 1, "is in error: Source snapshot is not found"),
        (("snap-xyz",), 3, "The specified snapshotId is invalid"),
        ((UNKNOWN, "--tag", "x"), 2, "a tag looks like KEY=VALUE"),
    ],
)
def test_neve_copy_ends_as_the_page_says(
    commands: Commands, arguments: tuple[str, ...], status: int, words: str
) -> None:
    outcome = commands.run("copy", *arguments)
    assert outcome.status == status
    assert words in outcome.err
    # What was begun has a name, and whoever asked is told it.
    assert bool(outcome.out) == (status == 1)
