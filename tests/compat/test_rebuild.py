"""The worst day: the database is gone. `neve rebuild` makes it again, and `neve-read` needs neither it nor neve.

What clients and operators are told is written down before the loss and asked again after it: everything must be equal.
"""

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

import neve_read
from compat.people import People, Person, allow, told
from fix_scoreboard import Figure
from neve.domain.blocks import checksum_b64, digest
from neve.limits import GIB, STANDARD
from neve.server.administration import messages
from neve.testing.server import ServerProcess

BLOCK = STANDARD.block_bytes
QUIET = {"archive_interval_s": "0.1", "log_level": "info"}


def uploaded(person: Person, blocks: Mapping[int, bytes], **start: Any) -> str:
    """Return a new completed snapshot with these blocks."""
    ebs = person.client("ebs")
    snapshot_id: str = ebs.start_snapshot(VolumeSize=1, **start)["SnapshotId"]
    for index, content in blocks.items():
        ebs.put_snapshot_block(
            SnapshotId=snapshot_id,
            BlockIndex=index,
            BlockData=content,
            DataLength=BLOCK,
            Checksum=checksum_b64(digest(content)),
            ChecksumAlgorithm="SHA256",
        )
    ebs.complete_snapshot(SnapshotId=snapshot_id, ChangedBlocksCount=len(blocks))
    waiter = person.client("ec2").get_waiter("snapshot_completed")
    waiter.config.delay, waiter.config.max_attempts = 0.05, 600
    waiter.wait(SnapshotIds=[snapshot_id])
    return snapshot_id


def filled(byte: int) -> bytes:
    return bytes([byte]) * BLOCK


class Scene:
    """A store with something of everything, and the people in it."""

    def __init__(self, server: ServerProcess) -> None:
        people = People(server)
        self.server = server
        self.office = people.office
        self.owner = people.root
        self.guest = people.account("guest")
        self.user = people.user("reader", allow(["ebs:*", "ec2:Describe*"]))
        owner, ec2, kms = self.owner, self.owner.client("ec2"), self.owner.client("kms")
        self.key_arn = kms.create_key(Description="of disks")["KeyMetadata"]["Arn"]
        kms.create_alias(AliasName="alias/disks", TargetKeyId=self.key_arn)
        kms.create_grant(
            KeyId=self.key_arn,
            GranteePrincipal=f"arn:aws:iam::{owner.account_id}:root",
            Operations=["Decrypt"],
        )
        self.plain = uploaded(owner, {0: filled(1), 7: os.urandom(BLOCK), 2047: bytes(BLOCK)})
        changes = {7: filled(2), 9: filled(3)}
        self.child = uploaded(owner, changes, ParentSnapshotId=self.plain, Description="a child")
        self.sealed = uploaded(
            owner, {3: os.urandom(BLOCK), 4: filled(4)}, Encrypted=True, KmsKeyArn=self.key_arn
        )
        kms.rotate_key_on_demand(KeyId=self.key_arn)
        self.deleted = uploaded(owner, {5: filled(5)})
        self.binned = uploaded(owner, {6: filled(6)}, Tags=[{"Key": "keep", "Value": "yes"}])
        copy_of = {"SourceSnapshotId": self.sealed, "SourceRegion": "us-east-1"}
        self.copied = ec2.copy_snapshot(**copy_of, Description="a copy")["SnapshotId"]
        waiter = ec2.get_waiter("snapshot_completed")
        waiter.config.delay, waiter.config.max_attempts = 0.05, 600
        waiter.wait(SnapshotIds=[self.copied])
        ec2.create_tags(
            Resources=[self.plain, self.child], Tags=[{"Key": "host", "Value": "wéb\N{SNOWFLAKE}"}]
        )
        ec2.modify_snapshot_attribute(
            SnapshotId=self.plain,
            Attribute="createVolumePermission",
            OperationType="add",
            UserIds=[self.guest.account_id],
        )
        self.guest.client("ec2").create_tags(Resources=[self.plain], Tags=[{"Key": "seen", "Value": "1"}])
        ec2.lock_snapshot(SnapshotId=self.child, LockMode="governance", LockDuration=3)
        ec2.enable_ebs_encryption_by_default()
        ec2.modify_ebs_default_kms_key_id(KmsKeyId=self.key_arn)
        owner.client("rbin").create_rule(
            ResourceType="EBS_SNAPSHOT",
            RetentionPeriod={"RetentionPeriodValue": 7, "RetentionPeriodUnit": "DAYS"},
            ResourceTags=[{"ResourceTagKey": "keep"}],
        )
        ec2.delete_snapshot(SnapshotId=self.binned)
        ec2.delete_snapshot(SnapshotId=self.deleted)
        self.completed = [self.plain, self.child, self.sealed, self.copied]

    def told(self) -> dict[str, Any]:
        """Return everything that clients and operators are told, without what is made anew at each asking."""
        found: dict[str, Any] = {}
        for name, person in (("owner", self.owner), ("guest", self.guest), ("user", self.user)):
            for key, answer in _answers(person, self.key_arn, self.plain):
                found[f"{name} {key}"] = answer
        for snapshot_id in self.completed:
            found[f"bytes {snapshot_id}"] = bytes_of(self.owner, snapshot_id)
        found["shared bytes"] = bytes_of(self.guest, self.plain)
        found["changes"] = [
            change["BlockIndex"]
            for change in self.owner.client("ebs").list_changed_blocks(
                FirstSnapshotId=self.plain, SecondSnapshotId=self.child
            )["ChangedBlocks"]
        ]
        found["accounts"] = self.office.ask(messages.ListAccounts())
        found["users"] = self.office.ask(messages.ListUsers())
        found["access keys"] = self.office.ask(messages.ListAccessKeys())
        found["policies"] = self.office.ask(messages.ListPolicies(account_id=self.owner.account_id))
        return found


def _answers(person: Person, key_arn: str, snapshot_id: str) -> Iterator[tuple[str, Any]]:
    ec2, kms = person.client("ec2"), person.client("kms")
    calls: dict[str, Callable[[], Any]] = {
        "snapshots": ec2.describe_snapshots,
        "tags": ec2.describe_tags,
        "locks": ec2.describe_locked_snapshots,
        "bin": ec2.list_snapshots_in_recycle_bin,
        "shared with": lambda: ec2.describe_snapshot_attribute(
            SnapshotId=snapshot_id, Attribute="createVolumePermission"
        ),
        "by default": ec2.get_ebs_encryption_by_default,
        "default key": ec2.get_ebs_default_kms_key_id,
        "public access": ec2.get_snapshot_block_public_access_state,
        "rules": lambda: person.client("rbin").list_rules(ResourceType="EBS_SNAPSHOT"),
        "keys": kms.list_keys,
        "key": lambda: kms.describe_key(KeyId=key_arn),
        "aliases": kms.list_aliases,
        "key policy": lambda: kms.get_key_policy(KeyId=key_arn, PolicyName="default"),
        "grants": lambda: kms.list_grants(KeyId=key_arn),
        "rotations": lambda: kms.list_key_rotations(KeyId=key_arn),
    }
    for name, call in calls.items():
        try:
            answer = dict(call())
            del answer["ResponseMetadata"]
        except ClientError as error:
            answer = {"refused": told(error)[1]}
        yield name, answer


def bytes_of(person: Person, snapshot_id: str) -> dict[int, str]:
    """Return the SHA-256 of every block."""
    ebs = person.client("ebs")
    found = {}
    for block in ebs.list_snapshot_blocks(SnapshotId=snapshot_id)["Blocks"]:
        index, token = block["BlockIndex"], block["BlockToken"]
        answer = ebs.get_snapshot_block(SnapshotId=snapshot_id, BlockIndex=index, BlockToken=token)
        found[index] = hashlib.sha256(answer["BlockData"].read()).hexdigest()
    return found


def neve(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "neve", *words], check=False, capture_output=True, text=True, timeout=100
    )


def lose_the_database(store: Path) -> None:
    for file in store.glob("metadata.db*"):
        file.unlink()


@pytest.mark.row(24)
def test_after_the_database_is_lost_everything_is_as_it_was(
    make_server: Callable[..., ServerProcess], figure: Figure, tmp_path: Path
) -> None:
    server = make_server(**QUIET)
    scene = Scene(server)
    before = scene.told()
    scene.owner.client("ebs").start_snapshot(VolumeSize=1)  # the one thing that goes with the database
    server.terminate()
    lose_the_database(server.directory)

    rebuilt = neve("rebuild", server.directory, "--output", "json")
    assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr
    said = json.loads(rebuilt.stdout)
    assert (said["left_out_count"], said["finding_count"], said["touched_count"]) == (0, 0, 0)

    for snapshot_id in scene.completed:
        target = tmp_path / f"{snapshot_id}.img"
        assert neve_read.main([str(server.directory), "restore", snapshot_id, str(target)]) == 0
        assert _blocks_of(target) == _written(before[f"bytes {snapshot_id}"])
        target.unlink()

    server.start()
    assert scene.told() == before
    assert neve("undelete", server.directory, scene.deleted).returncode == 0
    assert list(bytes_of(scene.owner, scene.deleted)) == [5]
    figure(
        f"{len(before)} answers equal, {said['restored']['snapshot']} snapshots, of 4 every byte by neve-read, too"
    )


def _written(digests: Mapping[int, str]) -> dict[int, str]:
    zeros = hashlib.sha256(bytes(BLOCK)).hexdigest()
    return {index: found for index, found in digests.items() if found != zeros}


def _blocks_of(image: Path) -> dict[int, str]:
    """Return the SHA-256 of every block of an image that is not zeros."""
    assert image.stat().st_size == GIB
    found = {}
    with image.open("rb") as stream, suppress(OSError):
        at = 0
        while True:
            at = os.lseek(stream.fileno(), at, os.SEEK_DATA) // BLOCK * BLOCK
            content = os.pread(stream.fileno(), BLOCK, at)
            if content.strip(b"\0"):
                found[at // BLOCK] = hashlib.sha256(content).hexdigest()
            at += BLOCK
    return found


def test_a_rebuilding_asks_before_it_replaces_a_database_and_keeps_the_old_one(
    make_server: Callable[..., ServerProcess],
) -> None:
    server = make_server(**QUIET)
    snapshot_id = uploaded(People(server).root, {0: filled(1)})
    server.terminate()

    refused = neve("rebuild", server.directory)
    assert refused.returncode == 4
    assert "--replace" in refused.stderr

    old = (server.directory / "metadata.db").read_bytes()
    assert neve("rebuild", server.directory, "--replace").returncode == 0
    assert (server.directory / "replaced-1-metadata.db").read_bytes() == old
    server.start()
    assert list(bytes_of(People(server).root, snapshot_id)) == [0]


def test_a_database_that_is_moved_aside_keeps_its_log_and_no_other_one_gets_it(
    make_server: Callable[..., ServerProcess],
) -> None:
    server = make_server(**QUIET)
    owner = People(server).root
    server.terminate()
    assert neve("rebuild", server.directory, "--replace").returncode == 0, "an old database without a log"
    server.start()
    unfinished = owner.client("ebs").start_snapshot(VolumeSize=1)["SnapshotId"]
    server.kill()

    assert neve("rebuild", server.directory, "--replace").returncode == 0
    aside = sorted(server.directory.glob("replaced-*"))
    assert [file.name for file in aside if file.name.startswith("replaced-1-")] == ["replaced-1-metadata.db"]
    assert server.directory / "replaced-2-metadata.db-wal" in aside
    with closing(sqlite3.connect(server.directory / "replaced-2-metadata.db")) as database:
        (found,) = database.execute("SELECT snapshot_id FROM snapshot")
    assert found == (unfinished,)


def test_files_of_a_database_whose_moving_was_interrupted_come_together_again(
    make_server: Callable[..., ServerProcess],
) -> None:
    server = make_server(**QUIET)
    owner = People(server).root
    owner.client("ebs").start_snapshot(VolumeSize=1)
    server.kill()
    (server.directory / "metadata.db-wal").rename(server.directory / "replaced-3-metadata.db-wal")
    assert neve("rebuild", server.directory, "--replace").returncode == 0
    assert (server.directory / "replaced-3-metadata.db").exists()


def test_a_rebuilding_while_a_server_runs_is_refused(server: ServerProcess) -> None:
    refused = neve("rebuild", server.directory, "--replace")
    assert refused.returncode == 4
    assert "open" in refused.stderr


def test_what_is_damaged_is_named_and_the_rest_comes_back(make_server: Callable[..., ServerProcess]) -> None:
    server = make_server(**QUIET)
    owner = People(server).root
    whole = uploaded(owner, {0: filled(1)})
    spoilt = uploaded(owner, {0: filled(2), 1: os.urandom(BLOCK)})
    server.terminate()
    lose_the_database(server.directory)
    object_file = server.directory / "archive" / "snapshot" / spoilt
    content = bytearray(object_file.read_bytes())
    content[-1] ^= 1
    object_file.write_bytes(content)

    rebuilt = neve("rebuild", server.directory, "--output", "json")
    assert rebuilt.returncode == 7
    said = json.loads(rebuilt.stdout)
    assert said["left_out_count"] == 1
    assert spoilt in said["left_out"][0]
    server.start()
    assert list(bytes_of(owner, whole)) == [0]
