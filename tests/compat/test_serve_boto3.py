"""An unmodified boto3 against a real server process: the six operations and what they leave behind."""

import base64
import hashlib
import io
import signal
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from neve.domain.blocks import LinearAggregate, checksum_b64, digest
from neve.limits import STANDARD
from neve.testing.server import ServerProcess

BLOCK_BYTES = STANDARD.block_bytes
MakeServer = Callable[..., ServerProcess]


def block(seed: int) -> bytes:
    """Return a block of its own; half of it compresses."""
    noise = hashlib.shake_128(seed.to_bytes(8)).digest(BLOCK_BYTES // 2)
    return noise + bytes(BLOCK_BYTES - len(noise))


def put(ebs: Any, snapshot_id: str, index: int, content: bytes, *, body: Any = None) -> dict[str, Any]:
    answer: dict[str, Any] = ebs.put_snapshot_block(
        SnapshotId=snapshot_id,
        BlockIndex=index,
        BlockData=content if body is None else body,
        DataLength=len(content),
        Checksum=checksum_b64(digest(content)),
        ChecksumAlgorithm="SHA256",
    )
    return answer


def start(ebs: Any, **more: Any) -> str:
    snapshot_id: str = ebs.start_snapshot(VolumeSize=1, **more)["SnapshotId"]
    return snapshot_id


def complete(server: ServerProcess, snapshot_id: str, count: int, **more: Any) -> str:
    """Complete a snapshot and return the state it ends in."""
    server.client("ebs").complete_snapshot(SnapshotId=snapshot_id, ChangedBlocksCount=count, **more)
    waiter = server.client("ec2").get_waiter("snapshot_completed")
    waiter.config.delay, waiter.config.max_attempts = 0.05, 400
    waiter.wait(SnapshotIds=[snapshot_id])
    described = server.client("ec2").describe_snapshots(SnapshotIds=[snapshot_id])
    state: str = described["Snapshots"][0]["State"]
    return state


def written(server: ServerProcess, blocks: Mapping[int, bytes], **more: Any) -> str:
    """Return the id of a completed snapshot of these blocks."""
    ebs = server.client("ebs")
    snapshot_id = start(ebs, **more)
    for index, content in blocks.items():
        put(ebs, snapshot_id, index, content)
    assert complete(server, snapshot_id, len(blocks)) == "completed"
    return snapshot_id


def read(server: ServerProcess, snapshot_id: str) -> dict[int, bytes]:
    """Return every block of a snapshot, its checksum compared."""
    ebs = server.client("ebs")
    blocks = {}
    for entry in ebs.list_snapshot_blocks(SnapshotId=snapshot_id)["Blocks"]:
        answer = ebs.get_snapshot_block(SnapshotId=snapshot_id, **entry)
        content = answer["BlockData"].read()
        assert answer["DataLength"] == len(content)
        assert base64.b64decode(answer["Checksum"]) == hashlib.sha256(content).digest()
        blocks[entry["BlockIndex"]] = content
    return blocks


class NotSeekable(io.RawIOBase):
    """A stream boto3 must send in chunks, since it cannot know its length."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._content.readinto(buffer)


def test_a_child_reads_as_its_parent_and_what_it_wrote(server: ServerProcess) -> None:
    parent_blocks = {0: block(0), 1: block(1), 2047: block(2)}
    parent = written(server, parent_blocks)
    child_blocks = {1: block(3), 7: block(4)}
    child = written(server, child_blocks, ParentSnapshotId=parent)
    assert read(server, parent) == parent_blocks
    assert read(server, child) == parent_blocks | child_blocks
    changed = server.client("ebs").list_changed_blocks(FirstSnapshotId=parent, SecondSnapshotId=child)
    assert [entry["BlockIndex"] for entry in changed["ChangedBlocks"]] == [1, 7]


def test_the_answer_has_what_an_sdk_shows(server: ServerProcess) -> None:
    ebs = server.client("ebs")
    tags = [{"Key": "name", "Value": "disk \u00e9"}]
    answer = ebs.start_snapshot(VolumeSize=3, Description="a disk", Tags=tags)
    head = answer["ResponseMetadata"]
    assert head["HTTPStatusCode"] == 201
    assert head["RequestId"] == head["HTTPHeaders"]["x-amzn-requestid"]
    assert "date" in head["HTTPHeaders"]
    assert (answer["VolumeSize"], answer["BlockSize"], answer["Status"]) == (3, BLOCK_BYTES, "pending")
    assert (answer["Description"], answer["Tags"], answer["OwnerId"]) == ("a disk", tags, server.account_id)
    assert put(ebs, answer["SnapshotId"], 0, block(0))["Checksum"] == checksum_b64(digest(block(0)))


def test_the_aggregate_decides(server: ServerProcess) -> None:
    aggregate = LinearAggregate()
    for content in (block(0), block(1)):
        aggregate.add(digest(content))
    ebs = server.client("ebs")
    snapshot_id = start(ebs)
    put(ebs, snapshot_id, 9, block(1))
    put(ebs, snapshot_id, 3, block(0))
    claims = {"ChecksumAlgorithm": "SHA256", "ChecksumAggregationMethod": "LINEAR"}
    state = complete(server, snapshot_id, 2, Checksum=checksum_b64(aggregate.digest()), **claims)
    assert state == "completed"


@pytest.mark.parametrize("framing", ["whole", "file", "chunks"])
def test_a_block_may_come_in_any_framing(server: ServerProcess, framing: str) -> None:
    body = {"whole": block(5), "file": io.BytesIO(block(5)), "chunks": NotSeekable(block(5))}[framing]
    ebs = server.client("ebs")
    snapshot_id = start(ebs)
    put(ebs, snapshot_id, 0, block(5), body=body)
    assert complete(server, snapshot_id, 1) == "completed"
    assert read(server, snapshot_id) == {0: block(5)}


@pytest.mark.parametrize("size_bytes", [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES + 1, 3 * BLOCK_BYTES])
@pytest.mark.parametrize("framing", ["whole", "chunks"])
def test_a_body_of_another_size_is_refused(server: ServerProcess, size_bytes: int, framing: str) -> None:
    body: Any = bytes(size_bytes)
    ebs = server.client("ebs")
    snapshot_id = start(ebs)
    with pytest.raises(ClientError) as refused:
        put(ebs, snapshot_id, 0, block(5), body=NotSeekable(body) if framing == "chunks" else body)
    error: Any = refused.value.response
    assert error["Error"]["Message"] == "Failed to read block data"
    assert error["Reason"] == "INVALID_PARAMETER_VALUE"
    assert complete(server, snapshot_id, 0) == "completed"


def test_a_body_that_is_not_what_its_checksum_says_is_refused(server: ServerProcess) -> None:
    ebs = server.client("ebs")
    snapshot_id = start(ebs)
    with pytest.raises(ClientError) as refused:
        put(ebs, snapshot_id, 0, block(5), body=block(6))
    assert refused.value.response["Error"]["Code"] == "InvalidSignatureException"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_wrong_secret_opens_nothing(server: ServerProcess) -> None:
    ebs = server.client("ebs")
    snapshot_id = start(ebs)
    stranger = {"aws_secret_access_key": "x" * 40}
    with pytest.raises(ClientError, match="signature we calculated does not match"):
        put(server.client("ebs", **stranger), snapshot_id, 0, block(0))
    with pytest.raises(ClientError, match="AuthFailure"):
        server.client("ec2", **stranger).describe_snapshots()
    assert complete(server, snapshot_id, 0) == "completed"


def test_what_was_acknowledged_survives_a_kill(make_server: MakeServer) -> None:
    server = make_server()
    ebs = server.client("ebs")
    snapshot_id = start(ebs)
    put(ebs, snapshot_id, 0, block(0))
    server.kill()
    server.start()
    put(ebs, snapshot_id, 1, block(1))
    server.kill()
    server.start()
    assert complete(server, snapshot_id, 2) == "completed"
    server.kill()
    server.start()
    assert read(server, snapshot_id) == {0: block(0), 1: block(1)}


def test_a_base_path_is_part_of_the_endpoint(make_server: MakeServer) -> None:
    server = make_server(base_path="/some/base")
    assert server.endpoint.endswith("/some/base")
    snapshot_id = written(server, {4: block(4)})
    assert read(server, snapshot_id) == {4: block(4)}
    outside = server.client("ebs", endpoint_url=server.endpoint.removesuffix("/some/base"))
    with pytest.raises(ClientError, match="UnknownOperationException"):
        outside.list_snapshot_blocks(SnapshotId=snapshot_id)


def test_a_rate_limit_is_told_in_the_right_words(make_server: MakeServer) -> None:
    server = make_server(start_snapshot_per_s_max=0.001)
    ebs = server.client("ebs")
    start(ebs)
    with pytest.raises(ClientError) as refused:
        start(ebs)
    assert refused.value.response["Error"] == {"Code": "ThrottlingException", "Message": "Rate exceeded"}


def test_an_interrupt_is_a_graceful_end_too(make_server: MakeServer) -> None:
    server = make_server()
    server.signal(signal.SIGINT)
    assert server.wait() == 0
