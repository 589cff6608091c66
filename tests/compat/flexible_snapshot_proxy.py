"""The calls of awslabs/flexible-snapshot-proxy, in its order and with its expectations.

The program itself is on no package index and wants S3, IAM and a pool of processes around it; what it does with
the EBS direct APIs is little, and done here the same way (contract 12.4):

    upload      no checksum at completion, a count of the puts that succeeded; blocks of zeros are not sent
    listing     pages for as long as an answer has the member NextToken
    failures    every ClientError is tried again, whatever its code; the two throttling codes are told apart
    sync        what ListChangedBlocks says of two snapshots, written to a child of a copy of the first
"""

import base64
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any, Final, Self

import boto3
from botocore.exceptions import ClientError

from compat.image_blocks import (
    BLOCK_BYTES,
    Base,
    at_once,
    differing_blocks,
    make_volume,
    volume_gib,
    write_block,
)

ZEROS_CHECKSUM: Final = "B4VNL+8pega6gWheZgwzLeNtXRjVRpJ9MNqtbX/aFUE="
WORKERS: Final = 8
TRIES_MAX: Final = 10_000
"""The original tries for ever."""


class FlexibleSnapshotProxy:
    """upload, download, diff and sync, as the program has them."""

    def __init__(self, ebs: Any, ec2: Any) -> None:
        """Use these boto3 clients."""
        self._ebs, self._ec2 = ebs, ec2
        self._lock = Lock()
        self.codes: Counter[str] = Counter()
        """Error codes met on the way."""

    @classmethod
    def from_variables(cls, environment: Mapping[str, str]) -> Self:
        """Make clients of this process's AWS_* variables, which the caller has set to `environment`."""
        del environment
        session: Any = boto3.Session()
        return cls(session.client("ebs"), session.client("ec2"))

    def version(self) -> str:
        return f"the calls of flexible-snapshot-proxy over boto3 {boto3.__version__}"

    # --- its commands

    def upload(self, image: Path, base: Base | None = None) -> str:
        """Upload an image; with a base, sync a child of the base to what the image holds.

        The original syncs what EC2 made of one volume at two moments. Here the later moment is uploaded, as a
        child of the base, since only relatives can be compared.
        """
        whole = self._upload(image, base)
        if base is None:
            return whole
        self._ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[whole], WaiterConfig={"Delay": 1})
        return self._sync(base.snapshot_id, whole, destination=base.snapshot_id)

    def download(self, snapshot_id: str, to: Path) -> None:
        """Write a snapshot to a file; the original writes to a device, which has its size already."""
        self._require_completed(snapshot_id)
        described = self._ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"][0]
        make_volume(to, described["VolumeSize"])

        def get(block: Mapping[str, Any]) -> None:
            data, checksum = self._get(snapshot_id, block["BlockIndex"], block["BlockToken"])
            if checksum != ZEROS_CHECKSUM:
                write_block(to, block["BlockIndex"], data)

        at_once(WORKERS, get, self._blocks(snapshot_id))

    def changed(self, first: str, second: str) -> list[dict[str, Any]]:
        """Return what ListChangedBlocks says, all pages of it."""
        response = self._ebs.list_changed_blocks(FirstSnapshotId=first, SecondSnapshotId=second)
        blocks: list[dict[str, Any]] = response["ChangedBlocks"]
        while "NextToken" in response:
            response = self._ebs.list_changed_blocks(
                FirstSnapshotId=first, SecondSnapshotId=second, NextToken=response["NextToken"]
            )
            blocks.extend(response["ChangedBlocks"])
        return blocks

    # --- its parts

    def _upload(self, image: Path, base: Base | None) -> str:
        parent = {"ParentSnapshotId": base.snapshot_id} if base else {}
        snapshot_id: str = self._ebs.start_snapshot(
            VolumeSize=volume_gib(image), Description=f"Uploaded from {image.name}", **parent
        )["SnapshotId"]

        def put(block: tuple[int, bytes]) -> None:
            self._put(snapshot_id, *block)

        written = at_once(WORKERS, put, differing_blocks(image, base))
        self._ebs.complete_snapshot(SnapshotId=snapshot_id, ChangedBlocksCount=len(written))
        return snapshot_id

    def _sync(self, first: str, second: str, *, destination: str) -> str:
        for snapshot_id in (first, second, destination):
            self._require_completed(snapshot_id)
        size = self._ec2.describe_snapshots(SnapshotIds=[first])["Snapshots"][0]["VolumeSize"]
        child: str = self._ebs.start_snapshot(
            ParentSnapshotId=destination, VolumeSize=size, Description=f"Delta from {first} to {second}"
        )["SnapshotId"]

        def copy(block: Mapping[str, Any]) -> None:
            # A block that only the first snapshot has would end the original, too.
            data, _ = self._get(second, block["BlockIndex"], block["SecondBlockToken"])
            self._put(child, block["BlockIndex"], data)

        written = at_once(WORKERS, copy, self.changed(first, second))
        self._ebs.complete_snapshot(SnapshotId=child, ChangedBlocksCount=len(written))
        return child

    def _require_completed(self, snapshot_id: str) -> None:
        described = self._ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"][0]
        assert (described["Progress"], described["State"]) == ("100%", "completed")

    def _blocks(self, snapshot_id: str) -> list[dict[str, Any]]:
        response = self._ebs.list_snapshot_blocks(SnapshotId=snapshot_id)
        blocks: list[dict[str, Any]] = response["Blocks"]
        while "NextToken" in response:
            response = self._ebs.list_snapshot_blocks(SnapshotId=snapshot_id, NextToken=response["NextToken"])
            blocks.extend(response["Blocks"])
        return blocks

    def _put(self, snapshot_id: str, index: int, data: bytes) -> None:
        """Write a block until it is taken."""
        checksum = base64.b64encode(hashlib.sha256(data).digest()).decode()
        self._stubbornly(
            self._ebs.put_snapshot_block,
            SnapshotId=snapshot_id,
            BlockIndex=index,
            BlockData=data,
            DataLength=BLOCK_BYTES,
            Checksum=checksum,
            ChecksumAlgorithm="SHA256",
        )

    def _get(self, snapshot_id: str, index: int, token: str) -> tuple[bytes, str]:
        response = self._stubbornly(
            self._ebs.get_snapshot_block, SnapshotId=snapshot_id, BlockIndex=index, BlockToken=token
        )
        data: bytes = response["BlockData"].read()
        checksum: str = response["Checksum"]
        assert checksum == base64.b64encode(hashlib.sha256(data).digest()).decode()
        return data, checksum

    def _stubbornly(self, call: Callable[..., dict[str, Any]], **parameters: Any) -> dict[str, Any]:
        for tried in count(1):
            try:
                return call(**parameters)
            except ClientError as error:
                with self._lock:
                    self.codes[error.response["Error"]["Code"]] += 1
                if tried == TRIES_MAX:
                    raise
        raise AssertionError("count() ends never")
