"""A copy of an encrypted snapshot to another key, on a server that is killed in the middle of it, again and again."""

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from fix_commands import Commands
from neve.clock import SystemClock
from neve.limits import GIB, MIB, STANDARD
from neve.testing.server import ServerProcess

KILL_AT_PERCENT = (1, 12, 25, 38, 50, 63, 75, 88, 97)
STRETCHES = 60
STRETCH_BYTES = 6 * MIB
"""360 MiB that do not compress, in as many places as a disk in use has them."""
PATIENT = Config(retries={"total_max_attempts": 5})
"""A connection that is kept does not outlive the server at its other end."""


def write_image(path: Path, seed: int) -> int:
    """Write a sparse image of 1 GiB; return how many blocks it has data in."""
    chance = Random(seed)
    blocks: set[int] = set()
    with path.open("wb") as file:
        file.truncate(GIB)
        for _ in range(STRETCHES):
            offset = chance.randrange(0, GIB - STRETCH_BYTES)
            file.seek(offset)
            file.write(chance.randbytes(STRETCH_BYTES))
            first, last = offset // STANDARD.block_bytes, (offset + STRETCH_BYTES - 1) // STANDARD.block_bytes
            blocks.update(range(first, last + 1))
    return len(blocks)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Scene:
    """The server, its clients, and what is read through them."""

    def __init__(self, server: ServerProcess, commands: Commands, folder: Path) -> None:
        self.server = server
        self.commands = commands
        self.folder = folder
        self.ec2 = server.client("ec2", config=PATIENT)
        self.kms = server.client("kms", config=PATIENT)

    def new_key(self) -> str:
        arn: str = self.kms.create_key()["KeyMetadata"]["Arn"]
        return arn

    def shown(self, snapshot_id: str) -> dict[str, Any]:
        (found,) = self.ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"]
        return dict(found)

    def percent(self, snapshot_id: str) -> int:
        found = self.shown(snapshot_id)
        assert found["State"] != "error", found["StateMessage"]
        return int(found["Progress"].removesuffix("%"))

    def wait_for_percent(self, snapshot_id: str, percent: int) -> int:
        while (found := self.percent(snapshot_id)) < percent:
            pass
        return found

    def sha256(self, snapshot_id: str) -> str:
        """Return the SHA-256 of a volume, read through the API."""
        target = self.folder / f"{snapshot_id}.img"
        self.commands.done("download", snapshot_id, str(target), "--no-cache", "--quiet")
        found = sha256_of(target)
        target.unlink()
        return found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_copy_to_another_key_survives_any_number_of_kills(
    make_server: Callable[..., ServerProcess],
    make_commands: Callable[[ServerProcess], Commands],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server, clock = make_server(), SystemClock()
    scene = Scene(server, make_commands(server), tmp_path)
    old, new = scene.new_key(), scene.new_key()
    scene.ec2.modify_ebs_default_kms_key_id(KmsKeyId=old)
    scene.ec2.enable_ebs_encryption_by_default()
    image = tmp_path / "disk.img"
    block_count = write_image(image, seed=1)
    source_id = scene.commands.upload(image, "--quiet")
    before, content = scene.shown(source_id), sha256_of(image)
    assert (before["KmsKeyId"], before["FullSnapshotSizeInBytes"]) == (
        old,
        block_count * STANDARD.block_bytes,
    )

    began_s = clock.monotonic_s()
    copy_id = scene.ec2.copy_snapshot(
        SourceRegion=server.region, SourceSnapshotId=source_id, Encrypted=True, KmsKeyId=new
    )["SnapshotId"]
    killed_at = []
    for percent in KILL_AT_PERCENT:
        reached = scene.wait_for_percent(copy_id, percent)
        if reached == 100:
            break
        server.kill()
        killed_at.append(reached)
        server.start()
        assert scene.percent(copy_id) >= reached, "what was written down is not copied again"
    scene.ec2.get_waiter("snapshot_completed").wait(
        SnapshotIds=[copy_id], WaiterConfig={"Delay": 0.1, "MaxAttempts": 3000}
    )
    took_s = clock.monotonic_s() - began_s
    assert len(killed_at) >= 5
    assert scene.shown(source_id) == before, "the source is as it was"
    found = scene.shown(copy_id)
    assert (found["KmsKeyId"], found["VolumeSize"]) == (new, 1)
    assert found["FullSnapshotSizeInBytes"] == before["FullSnapshotSizeInBytes"]
    assert scene.sha256(source_id) == content

    # Wrapped by the new key, and by nothing else: one key at a time.
    scene.kms.disable_key(KeyId=old)
    assert scene.sha256(copy_id) == content
    assert scene.commands.run("download", source_id, str(tmp_path / "no.img"), "--no-cache").status == 3
    scene.kms.enable_key(KeyId=old)
    scene.kms.disable_key(KeyId=new)
    assert scene.sha256(source_id) == content
    with pytest.raises(ClientError, match="is disabled"):
        first_block(server, copy_id)
    scene.kms.enable_key(KeyId=new)

    # … and when neither source nor old key are there any more.
    scene.ec2.delete_snapshot(SnapshotId=source_id)
    scene.kms.schedule_key_deletion(KeyId=old, PendingWindowInDays=7)
    assert scene.sha256(copy_id) == content
    assert [event["error"] for event in server.events("background work failed")] == []
    carried = [event["copied_blocks"] for event in server.events("snapshot copied")]
    assert carried == [block_count]
    with capsys.disabled():
        sys.stdout.write(
            f"\n{block_count} blocks ({block_count * STANDARD.block_bytes // MIB} MiB) copied to another key in "
            f"{took_s:.1f} s, killed at {killed_at} percent; equal bytes, {content[:16]}…\n"
        )


def first_block(server: ServerProcess, snapshot_id: str) -> bytes:
    ebs = server.client("ebs")
    block = ebs.list_snapshot_blocks(SnapshotId=snapshot_id, MaxResults=100)["Blocks"][0]
    content: bytes = ebs.get_snapshot_block(SnapshotId=snapshot_id, **block)["BlockData"].read()
    return content
