"""Sharing between accounts through an unmodified boto3, against a real server: who reads, who writes nothing, and
what stops at once. Ids begin with the label of the contract's row (3.2, 9.6, 9.7)."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from compat.people import People, Person, told
from neve.domain.blocks import checksum_b64, digest
from neve.limits import STANDARD
from neve.testing.server import ServerProcess

BLOCK = bytes(range(256)) * (STANDARD.block_bytes // 256)
CHANGED = BLOCK[::-1]
READING = ["kms:DescribeKey", "kms:Decrypt"]


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


@pytest.fixture
def stranger(people: People) -> Person:
    return people.account("stranger")


@pytest.fixture
def defaults(owner: Person) -> Iterator[Any]:
    """The owner's EC2 client, with the account's settings put back afterwards."""
    ec2 = owner.client("ec2")
    yield ec2
    ec2.disable_ebs_encryption_by_default()
    ec2.reset_ebs_default_kms_key_id()


def put(person: Person, snapshot_id: str, content: bytes = BLOCK, index: int = 0) -> None:
    person.client("ebs").put_snapshot_block(
        SnapshotId=snapshot_id,
        BlockIndex=index,
        BlockData=content,
        DataLength=len(content),
        Checksum=checksum_b64(digest(content)),
        ChecksumAlgorithm="SHA256",
    )


def completed(person: Person, *, content: bytes = BLOCK, **start: Any) -> str:
    """Return a snapshot of the person's with one block written."""
    snapshot_id: str = person.client("ebs").start_snapshot(VolumeSize=1, **start)["SnapshotId"]
    put(person, snapshot_id, content)
    person.client("ebs").complete_snapshot(SnapshotId=snapshot_id, ChangedBlocksCount=1)
    waiter = person.client("ec2").get_waiter("snapshot_completed")
    waiter.config.delay, waiter.config.max_attempts = 0.05, 400
    waiter.wait(SnapshotIds=[snapshot_id])
    return snapshot_id


def share(owner: Person, snapshot_id: str, person: Person) -> None:
    owner.client("ec2").modify_snapshot_attribute(
        SnapshotId=snapshot_id,
        Attribute="createVolumePermission",
        OperationType="add",
        UserIds=[person.account_id],
    )


def unshare(owner: Person, snapshot_id: str, person: Person) -> None:
    owner.client("ec2").modify_snapshot_attribute(
        SnapshotId=snapshot_id, CreateVolumePermission={"Remove": [{"UserId": person.account_id}]}
    )


def listed(person: Person, snapshot_id: str) -> dict[str, Any]:
    """Return the one block of a snapshot: its index and token."""
    (block,) = person.client("ebs").list_snapshot_blocks(SnapshotId=snapshot_id)["Blocks"]
    return dict(block)


def read(person: Person, snapshot_id: str, block: dict[str, Any]) -> bytes:
    content: bytes = (
        person.client("ebs").get_snapshot_block(SnapshotId=snapshot_id, **block)["BlockData"].read()
    )
    return content


def visible(person: Person, **asked: Any) -> list[str]:
    """Return the ids of what the person is shown."""
    pages = person.client("ec2").get_paginator("describe_snapshots").paginate(**asked)
    return [snapshot["SnapshotId"] for page in pages for snapshot in page["Snapshots"]]


def refusal(call: Callable[[], Any]) -> tuple[int, str, str]:
    """Return status, code, and Reason if there is one."""
    with pytest.raises(ClientError) as caught:
        call()
    response: Any = caught.value.response
    status, code, _ = told(caught.value)
    return status, code, response.get("Reason", "")


NOT_FOUND = (404, "ResourceNotFoundException", "SNAPSHOT_NOT_FOUND")
NO_SNAPSHOT = (400, "InvalidSnapshot.NotFound", "")
NO_KEY = (404, "ResourceNotFoundException", "DEPENDENCY_RESOURCE_NOT_FOUND")
NOT_PERMITTED = (400, "OperationNotPermitted", "")


# --- reading, and nothing else


def test_LIVE_a_recipient_describes_lists_compares_and_reads(
    owner: Person, recipient: Person, stranger: Person
) -> None:
    first = completed(owner, Tags=[{"Key": "host", "Value": "web-1"}])
    second = completed(owner, content=CHANGED, ParentSnapshotId=first)
    private = completed(owner)
    for snapshot_id in (first, second):
        share(owner, snapshot_id, recipient)
    assert visible(recipient) == [first, second]
    assert visible(stranger) == []
    (shown,) = recipient.client("ec2").describe_snapshots(SnapshotIds=[first])["Snapshots"]
    assert (shown["OwnerId"], shown.get("Tags", [])) == (owner.account_id, [])
    assert read(recipient, first, listed(recipient, first)) == BLOCK
    (changed,) = recipient.client("ebs").list_changed_blocks(FirstSnapshotId=first, SecondSnapshotId=second)[
        "ChangedBlocks"
    ]
    block = {"BlockIndex": changed["BlockIndex"], "BlockToken": changed["SecondBlockToken"]}
    assert read(recipient, second, block) == CHANGED
    for person, snapshot_id in ((recipient, private), (stranger, first)):
        assert refusal(lambda: listed(person, snapshot_id)) == NOT_FOUND  # noqa: B023 - called at once
        assert refusal(lambda: visible(person, SnapshotIds=[snapshot_id])) == NO_SNAPSHOT  # noqa: B023


def test_LIVE_a_recipient_changes_nothing_and_builds_on_nothing(owner: Person, recipient: Person) -> None:
    snapshot_id = completed(owner)
    pending = owner.client("ebs").start_snapshot(VolumeSize=1)["SnapshotId"]
    for shared in (snapshot_id, pending):
        share(owner, shared, recipient)
    ebs, ec2 = recipient.client("ebs"), recipient.client("ec2")
    permissions = {"SnapshotId": snapshot_id, "Attribute": "createVolumePermission"}
    for call in (
        lambda: put(recipient, pending),
        lambda: put(recipient, snapshot_id),
        lambda: ebs.complete_snapshot(SnapshotId=pending, ChangedBlocksCount=0),
        lambda: ebs.start_snapshot(VolumeSize=1, ParentSnapshotId=snapshot_id),
        lambda: ebs.start_snapshot(VolumeSize=1, ParentSnapshotId=snapshot_id, Encrypted=True),
    ):
        assert refusal(call) == NOT_FOUND
    for call in (
        lambda: ec2.delete_snapshot(SnapshotId=snapshot_id),
        lambda: ec2.describe_snapshot_attribute(**permissions),
        lambda: ec2.reset_snapshot_attribute(**permissions),
        lambda: ec2.modify_snapshot_attribute(
            **permissions, OperationType="add", UserIds=[recipient.account_id]
        ),
    ):
        assert refusal(call) == NO_SNAPSHOT
    assert read(owner, snapshot_id, listed(owner, snapshot_id)) == BLOCK
    assert owner.client("ec2").describe_snapshot_attribute(**permissions)["CreateVolumePermissions"] == [
        {"UserId": recipient.account_id}
    ]


def test_LIVE_a_recipients_tags_are_the_recipients_own(
    owner: Person, recipient: Person, stranger: Person
) -> None:
    snapshot_id = completed(owner, Tags=[{"Key": "host", "Value": "web-1"}])
    for person in (recipient, stranger):
        share(owner, snapshot_id, person)
    recipient.client("ec2").create_tags(Resources=[snapshot_id], Tags=[{"Key": "copied", "Value": "no"}])

    def tags(person: Person) -> tuple[list[Any], list[Any]]:
        (shown,) = person.client("ec2").describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"]
        described = person.client("ec2").describe_tags(
            Filters=[{"Name": "resource-id", "Values": [snapshot_id]}]
        )
        pairs = [(tag["Key"], tag["Value"]) for tag in shown.get("Tags", [])]
        return pairs, [(tag["Key"], tag["Value"]) for tag in described["Tags"]]

    assert tags(owner) == ([("host", "web-1")],) * 2
    assert tags(recipient) == ([("copied", "no")],) * 2
    assert tags(stranger) == ([],) * 2
    by_tag = {"Filters": [{"Name": "tag:copied", "Values": ["*"]}]}
    assert (visible(recipient, **by_tag), visible(owner, **by_tag)) == ([snapshot_id], [])
    unshare(owner, snapshot_id, recipient)
    share(owner, snapshot_id, recipient)
    assert tags(recipient) == ([],) * 2
    unshare(owner, snapshot_id, stranger)
    for call in (
        lambda: stranger.client("ec2").create_tags(Resources=[snapshot_id], Tags=[{"Key": "k"}]),
        lambda: stranger.client("ec2").delete_tags(Resources=[snapshot_id]),
    ):
        assert refusal(call) == NO_SNAPSHOT


@pytest.mark.parametrize(
    "revoke",
    [
        pytest.param(unshare, id="LIVE-removed"),
        pytest.param(
            lambda owner, snapshot_id, _recipient: owner.client("ec2").reset_snapshot_attribute(
                SnapshotId=snapshot_id, Attribute="createVolumePermission"
            ),
            id="DOC-reset",
        ),
        pytest.param(
            lambda owner, snapshot_id, _recipient: owner.client("ec2").delete_snapshot(
                SnapshotId=snapshot_id
            ),
            id="LIVE-deleted",
        ),
    ],
)
def test_revocation_kills_tokens_at_once(
    owner: Person, recipient: Person, revoke: Callable[[Person, str, Person], None]
) -> None:
    snapshot_id = completed(owner)
    share(owner, snapshot_id, recipient)
    block = listed(recipient, snapshot_id)
    assert read(recipient, snapshot_id, block) == BLOCK
    revoke(owner, snapshot_id, recipient)
    assert refusal(lambda: read(recipient, snapshot_id, block)) == NOT_FOUND
    assert refusal(lambda: listed(recipient, snapshot_id)) == NOT_FOUND
    assert refusal(lambda: visible(recipient, SnapshotIds=[snapshot_id])) == NO_SNAPSHOT
    assert visible(recipient) == []


def test_DOC_what_is_public_everybody_sees(owner: Person, recipient: Person, stranger: Person) -> None:
    snapshot_id = completed(owner)
    everybody = {"SnapshotId": snapshot_id, "CreateVolumePermission": {"Add": [{"Group": "all"}]}}
    owner.client("ec2").modify_snapshot_attribute(**everybody)
    share(owner, snapshot_id, recipient)
    for person in (owner, recipient, stranger):
        assert snapshot_id in visible(person)
        assert visible(person, RestorableByUserIds=["all"]) == [snapshot_id]
    assert visible(recipient, RestorableByUserIds=["self"]) == [snapshot_id]
    assert visible(stranger, RestorableByUserIds=["self"]) == []
    assert visible(stranger, OwnerIds=[owner.account_id]) == [snapshot_id]
    assert visible(owner, RestorableByUserIds=[recipient.account_id]) == [snapshot_id]
    owner.client("ec2").delete_snapshot(SnapshotId=snapshot_id)


# --- encrypted ones


def put_policy(owner: Person, key_arn: str, *statements: dict[str, Any]) -> None:
    """Let the owner's account do everything with the key, and others what the statements say."""
    root = f"arn:aws:iam::{owner.account_id}:root"
    own = {"Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [own, *statements]})
    owner.client("kms").put_key_policy(KeyId=key_arn, PolicyName="default", Policy=document)


def let_use(person: Person, actions: list[str]) -> dict[str, Any]:
    root = f"arn:aws:iam::{person.account_id}:root"
    return {"Effect": "Allow", "Principal": {"AWS": root}, "Action": actions, "Resource": "*"}


def make_key(owner: Person) -> str:
    arn: str = owner.client("kms").create_key()["KeyMetadata"]["Arn"]
    return arn


def test_DOC_a_recipient_of_an_encrypted_snapshot_needs_the_key_too(
    owner: Person, recipient: Person, stranger: Person
) -> None:
    key_arn = make_key(owner)
    snapshot_id = completed(owner, KmsKeyArn=key_arn)
    share(owner, snapshot_id, recipient)
    (shown,) = recipient.client("ec2").describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"]
    assert (shown["Encrypted"], shown["KmsKeyId"]) == (True, key_arn)
    owners_block = listed(owner, snapshot_id)
    assert refusal(lambda: read(recipient, snapshot_id, owners_block)) == NO_KEY
    put_policy(owner, key_arn, let_use(recipient, READING), let_use(stranger, READING))
    block = listed(recipient, snapshot_id)
    assert read(recipient, snapshot_id, block) == BLOCK
    assert refusal(lambda: read(stranger, snapshot_id, block)) == NOT_FOUND
    put_policy(owner, key_arn)
    assert refusal(lambda: read(recipient, snapshot_id, block)) == NO_KEY
    put_policy(owner, key_arn, let_use(recipient, READING))
    unshare(owner, snapshot_id, recipient)
    assert refusal(lambda: read(recipient, snapshot_id, block)) == NOT_FOUND


def test_LIVE_what_is_encrypted_cannot_be_public_and_under_the_default_key_not_shared(
    owner: Person, recipient: Person
) -> None:
    ec2 = owner.client("ec2")
    public = {"CreateVolumePermission": {"Add": [{"Group": "all"}]}}
    named = {"CreateVolumePermission": {"Add": [{"UserId": recipient.account_id}]}}
    snapshot_id = completed(owner, KmsKeyArn=make_key(owner))
    assert refusal(lambda: ec2.modify_snapshot_attribute(SnapshotId=snapshot_id, **public)) == NOT_PERMITTED
    by_default = completed(owner, Encrypted=True)
    for change in (public, named):
        with pytest.raises(ClientError, match="Encrypted snapshots with EBS default key cannot be shared"):
            ec2.modify_snapshot_attribute(SnapshotId=by_default, **change)
    assert visible(recipient) == []


# --- the account's settings


def test_DOC_encryption_by_default_is_what_later_snapshots_get(owner: Person, defaults: Any) -> None:
    plain = completed(owner)
    assert defaults.get_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"
    assert defaults.enable_ebs_encryption_by_default()["EbsEncryptionByDefault"] is True
    under_managed = completed(owner)
    managed = defaults.reset_ebs_default_kms_key_id()["KmsKeyId"]
    chosen = make_key(owner)
    owner.client("kms").create_alias(AliasName="alias/disks", TargetKeyId=chosen)
    assert defaults.modify_ebs_default_kms_key_id(KmsKeyId="alias/disks")["KmsKeyId"] == chosen
    assert defaults.get_ebs_default_kms_key_id()["KmsKeyId"] == chosen
    under_chosen = completed(owner)
    assert defaults.get_ebs_encryption_by_default()["EbsEncryptionByDefault"] is True
    assert defaults.disable_ebs_encryption_by_default()["EbsEncryptionByDefault"] is False
    plain_again, encrypted = completed(owner), completed(owner, Encrypted=True)
    wanted = {
        plain: None,
        under_managed: managed,
        under_chosen: chosen,
        plain_again: None,
        encrypted: chosen,
    }
    shown = defaults.describe_snapshots(SnapshotIds=list(wanted))["Snapshots"]
    assert {each["SnapshotId"]: each.get("KmsKeyId") for each in shown} == wanted
    for snapshot_id in wanted:
        assert read(owner, snapshot_id, listed(owner, snapshot_id)) == BLOCK


def test_DOC_a_key_is_not_asked_for_until_it_is_used(owner: Person, defaults: Any) -> None:
    gone = f"arn:aws:kms:us-east-1:{owner.account_id}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    assert defaults.modify_ebs_default_kms_key_id(KmsKeyId=gone)["KmsKeyId"] == gone
    start = owner.client("ebs").start_snapshot
    refused = (400, "ValidationException", "INVALID_DEPENDENCY_REQUEST")
    assert refusal(lambda: start(VolumeSize=1, Encrypted=True)) == refused
    assert start(VolumeSize=1)["Status"] == "pending"
