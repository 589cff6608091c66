"""Snapshots written and read with boto3, as the AWS documentation tells it; nothing here knows neve."""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

BLOCK_BYTES = 524_288
WRITERS = 8


def blocks_of(image: Path) -> Iterator[tuple[int, bytes]]:
    """Yield index and content of every block of an image that is not all zeros."""
    zeros = bytes(BLOCK_BYTES)
    with image.open("rb") as file:
        for index in range(image.stat().st_size // BLOCK_BYTES):
            data = file.read(BLOCK_BYTES)
            if data != zeros:
                yield index, data


def put(ebs: Any, snapshot_id: str, index: int, data: bytes) -> bytes:
    """Write one block; return its digest once the service has acknowledged it."""
    digest = hashlib.sha256(data).digest()
    ebs.put_snapshot_block(
        SnapshotId=snapshot_id,
        BlockIndex=index,
        BlockData=data,
        DataLength=len(data),
        Checksum=base64.b64encode(digest).decode(),
        ChecksumAlgorithm="SHA256",
    )
    return digest


def put_all(ebs: Any, snapshot_id: str, blocks: Iterable[tuple[int, bytes]]) -> dict[int, bytes]:
    """Write blocks, several at once; return the digest of each by its index."""
    with ThreadPoolExecutor(WRITERS) as pool:
        pending = {index: pool.submit(put, ebs, snapshot_id, index, data) for index, data in blocks}
        return {index: future.result() for index, future in pending.items()}


def complete(ebs: Any, ec2: Any, snapshot_id: str, digests: Mapping[int, bytes]) -> None:
    """Seal a snapshot, vouching for every block of it, and wait until the service agrees."""
    aggregate = hashlib.sha256(b"".join(digests[index] for index in sorted(digests))).digest()
    ebs.complete_snapshot(
        SnapshotId=snapshot_id,
        ChangedBlocksCount=len(digests),
        Checksum=base64.b64encode(aggregate).decode(),
        ChecksumAlgorithm="SHA256",
        ChecksumAggregationMethod="LINEAR",
    )
    waiter = ec2.get_waiter("snapshot_completed")
    waiter.wait(SnapshotIds=[snapshot_id], WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def read_all(ebs: Any, snapshot_id: str) -> dict[int, bytes]:
    """Read every block of a completed snapshot; return the digest of each by its index."""

    def read(block: Mapping[str, Any]) -> bytes:
        answer = ebs.get_snapshot_block(
            SnapshotId=snapshot_id, BlockIndex=block["BlockIndex"], BlockToken=block["BlockToken"]
        )
        return hashlib.sha256(answer["BlockData"].read()).digest()

    blocks: list[Mapping[str, Any]] = []
    page: dict[str, str] = {}
    while True:
        answer = ebs.list_snapshot_blocks(SnapshotId=snapshot_id, **page)
        blocks += answer["Blocks"]
        if not answer.get("NextToken"):
            break
        page = {"NextToken": answer["NextToken"]}
    with ThreadPoolExecutor(WRITERS) as pool:
        digests = pool.map(read, blocks)
        return {block["BlockIndex"]: digest for block, digest in zip(blocks, digests, strict=True)}
