"""What a real server leaves of an encrypted snapshot in its files, its mappings and its log: nothing.

The same scan runs over an unencrypted control and finds everything there, so that finding nothing means something.
"""

import json
import mmap
import os
import random
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from neve.assemble import open_service
from neve.clock import SystemEntropy
from neve.domain.blocks import LinearAggregate, checksum_b64, digest
from neve.domain.keyring import Keyring, Purpose
from neve.limits import STANDARD
from neve.settings import Settings
from neve.testing.server import ServerProcess
from plaintext_scan import found_in_files, found_in_process, samples

MakeServer = Callable[..., ServerProcess]
RANDOM = random.Random(11)


def text(number: int) -> bytes:
    lines = b"".join(b"line %d of file %d: nobody may read this\n" % (at, number) for at in range(20_000))
    return lines[: STANDARD.block_bytes]


def noise() -> bytes:
    return RANDOM.randbytes(STANDARD.block_bytes)


FIRST = {0: text(0), 1: noise(), 2: noise(), 3: text(3), 2000: noise()}
REWRITTEN = {0: text(10), 2000: noise()}
CHILD = {1: noise(), 2: FIRST[1], 3: text(13), 4: FIRST[0]}
NEEDLES: dict[str, bytes] = {}
for _name, _blocks in (("first", FIRST), ("rewritten", REWRITTEN), ("child", CHILD)):
    for _index, _content in _blocks.items():
        NEEDLES |= samples(f"{_name} {_index}", _content)
        NEEDLES[f"digest of {_name} {_index}"] = digest(_content)


def put(ebs: Any, snapshot_id: str, blocks: Mapping[int, bytes]) -> None:
    for index, content in blocks.items():
        ebs.put_snapshot_block(
            SnapshotId=snapshot_id,
            BlockIndex=index,
            BlockData=content,
            DataLength=len(content),
            Checksum=checksum_b64(digest(content)),
            ChecksumAlgorithm="SHA256",
        )


def complete(server: ServerProcess, snapshot_id: str, blocks: Mapping[int, bytes]) -> None:
    aggregate = LinearAggregate()
    for index in sorted(blocks):
        aggregate.add(digest(blocks[index]))
    NEEDLES[f"digest of {len(blocks)} blocks"] = aggregate.digest()
    server.client("ebs").complete_snapshot(
        SnapshotId=snapshot_id,
        ChangedBlocksCount=len(blocks),
        Checksum=checksum_b64(aggregate.digest()),
        ChecksumAlgorithm="SHA256",
        ChecksumAggregationMethod="LINEAR",
    )
    waiter = server.client("ec2").get_waiter("snapshot_completed")
    waiter.config.delay, waiter.config.max_attempts = 0.05, 400
    waiter.wait(SnapshotIds=[snapshot_id])


def read(ebs: Any, snapshot_id: str) -> dict[int, bytes]:
    return {
        block["BlockIndex"]: ebs.get_snapshot_block(
            SnapshotId=snapshot_id, BlockIndex=block["BlockIndex"], BlockToken=block["BlockToken"]
        )["BlockData"].read()
        for block in ebs.list_snapshot_blocks(SnapshotId=snapshot_id)["Blocks"]
    }


def lived_through(server: ServerProcess, look: Callable[[], None], **encryption: Any) -> str:
    """Write, rewrite, deduplicate, complete, build on, read; `look` at every step. Return the child's id."""
    ebs = server.client("ebs")
    first = ebs.start_snapshot(VolumeSize=1, **encryption)["SnapshotId"]
    put(ebs, first, FIRST)
    look()
    put(ebs, first, REWRITTEN)
    complete(server, first, FIRST | REWRITTEN)
    child = ebs.start_snapshot(VolumeSize=1, ParentSnapshotId=first)["SnapshotId"]
    put(ebs, child, CHILD)
    look()
    complete(server, child, CHILD)
    assert read(ebs, child) == FIRST | REWRITTEN | CHILD
    look()
    return str(child)


def session_secrets(server: ServerProcess, snapshot_id: str) -> dict[str, bytes]:
    """Ask for a session and let its secrets travel through the server in every way they can."""
    session = server.client("sts").get_session_token()["Credentials"]
    ebs = server.client(
        "ebs",
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )
    assert ebs.list_snapshot_blocks(SnapshotId=snapshot_id)["Blocks"]
    url = ebs.generate_presigned_url("list_snapshot_blocks", Params={"SnapshotId": snapshot_id})
    assert "X-Amz-Security-Token" in url
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - our own server
        assert answer.status == 200
    return {
        "session token": session["SessionToken"].encode(),
        "session secret": session["SecretAccessKey"].encode(),
    }


def kms_secrets(server: ServerProcess, key_id: str) -> dict[str, bytes]:
    """Let the KMS port see plaintexts and give some out."""
    kms = server.client("kms")
    plaintext = RANDOM.randbytes(64)
    ciphertext = kms.encrypt(KeyId=key_id, Plaintext=plaintext)["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=ciphertext)["Plaintext"] == plaintext
    generated = kms.generate_data_key(KeyId=key_id, KeySpec="AES_256")["Plaintext"]
    return {"plaintext for KMS": plaintext, "data key of KMS": generated}


def stored_secrets(server: ServerProcess) -> dict[str, bytes]:
    """Open a stopped server's store and take out every key there is in it."""
    digits = (server.directory / "master.key").read_text(encoding="ascii").strip()
    master_key = bytes.fromhex(digits)
    keyring = Keyring(master_key, SystemEntropy())
    found = {"master key": master_key}
    with open_service(server.directory, Settings()) as service:
        context = service.context
        for domain in context.metadata.domains():
            if not domain.kms_key_arn:
                continue
            found[f"id key of domain {domain.key}"] = context.domains.by_key(domain.key).id_key
            for each in context.metadata.keys.wrappings(domain.key):
                bound = {"neve:domain": domain.uid.hex(), "neve:generation": str(each.generation)}
                data_key = context.keys.decrypt(domain.kms_key_arn, each.wrapping, bound)
                found[f"data key {each.generation} of domain {domain.key}"] = data_key
        for key in context.metadata.keys.kms_keys(
            context.metadata.accounts()[0].account_id, after=None, limit=9
        ):
            for material in context.metadata.keys.key_materials(key.key_id):
                owner = f"{key.key_id} {material.version}"
                found[f"material {owner}"] = keyring.open(
                    Purpose.KMS_KEY_MATERIAL, material.sealed_material, belongs_to=owner
                )
    return found


@pytest.mark.slow
def test_an_encrypted_snapshot_and_the_secrets_of_its_server_are_nowhere_to_be_read(
    make_server: MakeServer,
) -> None:
    server = make_server(log_level="debug", audit_log="all")
    looks: list[int] = []

    def look() -> None:
        looks.append(server.pid)
        assert found_in_files(server.directory, NEEDLES) == {}
        assert found_in_process(server.pid, NEEDLES) == {}
        assert found_in_files(server.log.parent, NEEDLES) == {}

    kms = server.client("kms")
    key = kms.create_key()["KeyMetadata"]
    child = lived_through(server, look, Encrypted=True, KmsKeyArn=key["Arn"])
    kms.rotate_key_on_demand(KeyId=key["KeyId"])
    lived_through(server, look, Encrypted=True)
    secrets = {
        "access key secret": server.secret_access_key.encode(),
        **session_secrets(server, child),
        **kms_secrets(server, key["KeyId"]),
    }
    assert found_in_process(server.pid, secrets) == {}
    server.terminate()
    secrets |= stored_secrets(server)
    assert len(secrets) >= 5 + 1 + 2 + 2 + 3, "two domains, each with data keys, and keys of two"
    assert found_in_files(server.log.parent, NEEDLES) == {}
    assert found_in_files(server.log.parent, secrets) == {
        "store.json": {"access key secret"},
        "store/master.key": {"master key"},
    }, "where the test keeps the one, and the store the other"
    assert len(looks) == 6
    assert server.log.stat().st_size > 10_000, "there was something to search"
    audited = (server.directory / "audit" / "000001.jsonl").read_text(encoding="utf-8")
    assert {"PutSnapshotBlock", "Encrypt", "GenerateDataKey", "GetSessionToken"} <= {
        json.loads(line).get("operation") for line in audited.splitlines()
    }


@pytest.mark.slow
def test_the_same_scan_finds_everything_of_an_unencrypted_snapshot(make_server: MakeServer) -> None:
    server = make_server(log_level="debug")
    lived_through(server, lambda: None)
    in_files = found_in_files(server.directory, NEEDLES)
    in_process = found_in_process(server.pid, NEEDLES)
    assert set().union(*in_files.values()) == set(NEEDLES)
    assert any(name.startswith("digest") for name in set().union(*in_process.values()))


# --- the scan itself


@pytest.fixture
def hidden_file() -> Iterator[Any]:
    """A file without a name."""
    with tempfile.TemporaryFile() as file:
        yield file


def test_the_scan_sees_open_files_that_have_no_name_and_mapped_ones(hidden_file: Any, tmp_path: Path) -> None:
    needles = {"open": RANDOM.randbytes(64), "mapped": RANDOM.randbytes(64)}
    assert found_in_process(os.getpid(), needles) == {}
    hidden_file.write(needles["open"])
    hidden_file.flush()
    path = tmp_path / "mapped"
    path.write_bytes(bytes(4096))
    with path.open("r+b") as file:
        mapping = mmap.mmap(file.fileno(), 4096)
    mapping[100:164] = needles["mapped"]
    try:
        found = found_in_process(os.getpid(), needles)
    finally:
        mapping.close()
    assert set().union(*found.values()) == set(needles)
