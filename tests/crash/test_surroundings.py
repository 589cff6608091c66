"""A server among hostile surroundings: a disk that is full or takes no writes, a log that somebody took away.

What was acknowledged can be read wherever there is a disk to read from. Needs leave to mount small file systems in
memory for the first two.
"""

import os
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from neve.limits import STANDARD
from neve.testing.server import ServerDied, ServerProcess

DISK_BYTES = 192 << 20
"""Enough to be ready, where there is room at all."""


class Disk:
    """A small file system in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        made = self._mount("-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(path))
        if made.returncode:
            pytest.skip(f"needs leave to mount file systems: {made.stderr.strip()}")

    def _mount(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["mount", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )

    def fill(self) -> None:
        """Leave no room for a single byte."""
        with (self.path / "ballast").open("ab", buffering=0) as ballast, suppress(OSError):
            while True:
                ballast.write(bytes(1 << 20))
        with (self.path / "ballast").open("ab", buffering=0) as ballast, suppress(OSError):
            while True:
                ballast.write(b"\0")
        assert os.statvfs(self.path).f_bavail == 0

    def make_room(self) -> None:
        (self.path / "ballast").unlink()

    def take_no_writes(self) -> None:
        assert self._mount("-o", "remount,ro", str(self.path)).returncode == 0

    def take_writes(self) -> None:
        assert self._mount("-o", "remount,rw", str(self.path)).returncode == 0

    def move_in(self, store: Path) -> None:
        """Move a store here; its old name leads to it."""
        moved = self.path / "store"
        shutil.copytree(store, moved, ignore=shutil.ignore_patterns("*.sock"))
        shutil.rmtree(store)
        store.symlink_to(moved)

    def unmount(self) -> None:
        subprocess.run(["umount", "-l", str(self.path)], check=False)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("needs leave to mount file systems: run as root")
    with ExitStack() as closing:
        made = Disk(tmp_path / "disk")
        closing.callback(made.unmount)
        yield made


def block(number: int) -> bytes:
    return number.to_bytes(4, "big") * (STANDARD.block_bytes // 4)


class Clients:
    """Writes and reads what it wrote."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.completed = ""
        self.pending = ""
        self.written: dict[int, bytes] = {}

    @property
    def ebs(self) -> Any:
        return self.server.client("ebs")

    def write_a_snapshot_and_a_half(self) -> None:
        self.completed, self.pending = (self.ebs.start_snapshot(VolumeSize=1)["SnapshotId"] for _ in range(2))
        for index in range(4):
            self.put(self.completed, index)
        self.ebs.complete_snapshot(SnapshotId=self.completed, ChangedBlocksCount=4)
        waiter = self.server.client("ec2").get_waiter("snapshot_completed")
        waiter.wait(SnapshotIds=[self.completed], WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})
        self.written = {index: block(index) for index in range(4)}
        # Behind the last checkpoint, so that it is in the log alone.
        for index in range(3):
            self.put(self.pending, index)

    def put(self, snapshot_id: str, index: int) -> None:
        data = block(index)
        self.ebs.put_snapshot_block(
            SnapshotId=snapshot_id,
            BlockIndex=index,
            BlockData=data,
            DataLength=len(data),
            Checksum=b64encode(sha256(data).digest()).decode(),
            ChecksumAlgorithm="SHA256",
        )

    def read(self, snapshot_id: str) -> dict[int, bytes]:
        listed = self.ebs.list_snapshot_blocks(SnapshotId=snapshot_id)["Blocks"]
        return {
            each["BlockIndex"]: self.ebs.get_snapshot_block(
                SnapshotId=snapshot_id, BlockIndex=each["BlockIndex"], BlockToken=each["BlockToken"]
            )["BlockData"].read()
            for each in listed
        }

    def assert_only_reads(self) -> None:
        """Everything there is can be read; everything that would write is answered 503."""
        assert self.read(self.completed) == self.written
        described = self.server.client("ec2").describe_snapshots(OwnerIds=["self"])["Snapshots"]
        assert {each["SnapshotId"] for each in described} == {self.completed, self.pending}
        for refused in (
            lambda: self.put(self.pending, 3),
            lambda: self.ebs.start_snapshot(VolumeSize=1),
            lambda: self.ebs.complete_snapshot(SnapshotId=self.pending, ChangedBlocksCount=3),
            lambda: self.server.client("ec2").delete_snapshot(SnapshotId=self.completed),
        ):
            with pytest.raises(ClientError) as answer:
                refused()
            assert answer.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
        assert self.server.get("/readyz")[0] == 503

    def assert_all_is_well(self) -> None:
        """Nothing acknowledged is missing, and it goes on as if nothing had been: soon, which clients wait for."""
        patient = self.server.client("ebs", config=Config(retries={"total_max_attempts": 10}))
        self.put(self.pending, 3)
        patient.complete_snapshot(SnapshotId=self.pending, ChangedBlocksCount=4)
        waiter = self.server.client("ec2").get_waiter("snapshot_completed")
        waiter.wait(SnapshotIds=[self.pending], WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})
        assert self.read(self.pending) == self.written
        assert self.server.get("/readyz")[0] == 200


Stop = Callable[[ServerProcess], object]
ENDS = pytest.mark.parametrize(
    "stop",
    [
        pytest.param(ServerProcess.kill, id="killed"),
        pytest.param(ServerProcess.terminate, id="stopped", marks=pytest.mark.slow),
    ],
)


@pytest.fixture
def clients(make_server: Callable[..., ServerProcess]) -> Clients:
    made = Clients(make_server(expire_interval_s=1, archive_interval_s=1))
    made.write_a_snapshot_and_a_half()
    return made


@ENDS
def test_a_server_starts_on_a_full_disk_reads_and_goes_on_when_there_is_room(
    clients: Clients, disk: Disk, stop: Stop
) -> None:
    stop(clients.server)
    disk.move_in(clients.server.directory)
    disk.fill()
    clients.server.start()
    clients.assert_only_reads()
    clients.server.kill()
    clients.server.start()
    clients.assert_only_reads()
    disk.make_room()
    clients.assert_all_is_well()
    assert clients.server.terminate() == 0
    clients.server.start()
    assert clients.read(clients.pending) == clients.written


@ENDS
def test_a_server_starts_on_a_disk_that_takes_no_writes_and_reads(
    clients: Clients, disk: Disk, stop: Stop
) -> None:
    stop(clients.server)
    disk.move_in(clients.server.directory)
    disk.take_no_writes()
    clients.server.start()
    clients.assert_only_reads()
    assert clients.server.terminate() == 0
    disk.take_writes()
    clients.server.start()
    clients.assert_all_is_well()


def test_a_log_that_was_taken_away_is_missed(clients: Clients) -> None:
    server = clients.server
    server.kill()
    log, away = server.directory / "metadata.db-wal", server.directory.parent / "away"
    log.rename(away)
    with pytest.raises(ServerDied, match="is missing, and what was written last is in it alone"):
        server.start()
    away.rename(log)
    server.start()
    clients.assert_all_is_well()
