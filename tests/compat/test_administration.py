"""Users, policies and keys made at the console while a real server runs, as boto3 then sees them."""

import base64
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fix_commands import Commands
from neve.limits import STANDARD
from neve.testing.server import ServerProcess

BLOCK = os.urandom(STANDARD.block_bytes)
CHECKSUM = base64.b64encode(hashlib.sha256(BLOCK).digest()).decode()


class Site:
    """A running server, its console, and clients for whoever gets a key."""

    def __init__(self, server: ServerProcess, commands: Commands) -> None:
        self.server = server
        self.commands = commands

    def done(self, family: str, command: str, *arguments: str) -> Any:
        """Run a command on the server's store, which must succeed; return its JSON, if it gave any."""
        outcome = self.commands.done(family, command, str(self.server.directory), *arguments)
        return outcome.json if "json" in arguments else outcome.out.decode()

    def key(self, user: str, *arguments: str) -> Any:
        return self.done("access-keys", "create", "--user", user, *arguments, "--output", "json")

    def client(self, service: str, key: Any) -> Any:
        return self.server.client(
            service,
            aws_access_key_id=key["access_key_id"],
            aws_secret_access_key=key["secret_access_key"],
        )


@pytest.fixture
def site(
    make_server: Callable[..., ServerProcess], make_commands: Callable[[ServerProcess], Commands]
) -> Site:
    server = make_server()
    return Site(server, make_commands(server))


def code_of(call: Callable[..., Any], **members: Any) -> str:
    """Return the code of the error that a call must end with."""
    with pytest.raises(ClientError) as caught:
        call(**members)
    code: str = caught.value.response["Error"]["Code"]
    return code


def start(ebs: Any) -> str:
    started: str = ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
    return started


def put(ebs: Any, snapshot_id: str) -> dict[str, Any]:
    """Return the members of a put that is right in everything."""
    return {
        "SnapshotId": snapshot_id,
        "BlockIndex": 0,
        "BlockData": BLOCK,
        "DataLength": len(BLOCK),
        "Checksum": CHECKSUM,
        "ChecksumAlgorithm": "SHA256",
    }


def completed(site: Site) -> str:
    """Return a completed snapshot with one block, made by the account itself."""
    ebs = site.server.client("ebs")
    snapshot_id = start(ebs)
    ebs.put_snapshot_block(**put(ebs, snapshot_id))
    ebs.complete_snapshot(SnapshotId=snapshot_id, ChangedBlocksCount=1)
    site.server.client("ec2").get_waiter("snapshot_completed").wait(
        SnapshotIds=[snapshot_id], WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
    return snapshot_id


@pytest.mark.slow
def test_a_user_made_while_the_server_runs_reads_and_does_not_write_and_stops_when_disabled(
    site: Site,
) -> None:
    snapshot_id = completed(site)
    site.done("users", "create", "anna")
    key = site.key("anna")
    ebs, ec2 = site.client("ebs", key), site.client("ec2", key)
    assert code_of(ebs.list_snapshot_blocks, SnapshotId=snapshot_id) == "AccessDeniedException"
    assert code_of(ec2.describe_snapshots) == "UnauthorizedOperation"
    site.done("policies", "attach", "NeveReadOnly", "anna")
    (block,) = ebs.list_snapshot_blocks(SnapshotId=snapshot_id)["Blocks"]
    read = ebs.get_snapshot_block(SnapshotId=snapshot_id, BlockIndex=0, BlockToken=block["BlockToken"])
    assert read["BlockData"].read() == BLOCK
    assert [each["SnapshotId"] for each in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]] == [
        snapshot_id
    ]
    pending = start(site.server.client("ebs"))
    assert code_of(ebs.put_snapshot_block, **put(ebs, pending)) == "AccessDeniedException"
    site.done("access-keys", "disable", key["access_key_id"])
    assert code_of(ebs.list_snapshot_blocks, SnapshotId=snapshot_id) == "UnrecognizedClientException"
    site.done("access-keys", "enable", key["access_key_id"])
    assert ebs.list_snapshot_blocks(SnapshotId=snapshot_id)["Blocks"]
    site.done("users", "delete", "anna")
    assert code_of(ebs.list_snapshot_blocks, SnapshotId=snapshot_id) == "UnrecognizedClientException"


@pytest.mark.slow
def test_the_simulator_says_what_the_server_then_does(site: Site, tmp_path: Path) -> None:
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["ebs:*", "ec2:CreateTags"],
                "Resource": "*",
            },
            {
                "Sid": "Frozen",
                "Effect": "Deny",
                "Action": "ebs:PutSnapshotBlock",
                "Resource": "*",
                "Condition": {"StringEquals": {"aws:ResourceTag/frozen": "yes"}},
            },
        ],
    }
    file = tmp_path / "team.json"
    file.write_text(json.dumps(document))
    site.done("users", "create", "anna")
    site.done("policies", "put", "team", str(file))
    site.done("policies", "attach", "team", "anna")
    ebs = site.client("ebs", site.key("anna"))
    free = start(ebs)
    frozen = ebs.start_snapshot(VolumeSize=1, Tags=[{"Key": "frozen", "Value": "yes"}])["SnapshotId"]
    store = str(site.server.directory)
    for snapshot_id, status in ((free, 0), (frozen, 3)):
        asked = site.commands.run(
            "policies", "simulate", store, "ebs:PutSnapshotBlock", snapshot_id, "--user", "anna"
        )
        assert asked.status == status
        assert (b"Frozen" in asked.out) == (status == 3)
    ebs.put_snapshot_block(**put(ebs, free))
    assert code_of(ebs.put_snapshot_block, **put(ebs, frozen)) == "AccessDeniedException"


@pytest.mark.slow
def test_a_rotated_key_and_its_successor_both_work_until_the_grace_is_over(site: Site) -> None:
    site.done("users", "create", "anna")
    site.done("policies", "attach", "NeveReadOnly", "anna")
    old = site.key("anna")
    new = site.done("access-keys", "rotate", old["access_key_id"], "--output", "json")
    at_once = site.done("access-keys", "rotate", new["access_key_id"], "--grace", "0s", "--output", "json")
    assert site.client("ec2", old).describe_snapshots()["Snapshots"] == []
    assert code_of(site.client("ec2", new).describe_snapshots) == "AuthFailure"
    assert site.client("ec2", at_once).describe_snapshots()["Snapshots"] == []


@pytest.mark.slow
def test_a_server_that_was_killed_leaves_a_store_that_commands_open_and_a_socket_the_next_one_replaces(
    site: Site,
) -> None:
    site.done("users", "create", "anna")
    site.server.kill()
    assert (site.server.directory / "admin.sock").exists()
    assert "anna" in site.done("users", "list")
    site.server.start()
    assert "anna" in site.done("users", "list")
    (told,) = {event["operator_uid"] for event in site.server.events("administration")}
    assert told == os.getuid()
    assert site.server.terminate() == 0
    assert not (site.server.directory / "admin.sock").exists()
