"""Secrets with marks on them, used in every way there is: none is in a log line, in the audit log, or in a refusal."""

import json
import re
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fix_scoreboard import Figure
from neve.domain.blocks import checksum_b64, digest
from neve.limits import STANDARD
from neve.testing.server import ServerProcess, read_all

CANARY = "canary-5e4d3c2b1a"
BLOCK = (CANARY.encode() * 40_000)[: STANDARD.block_bytes]
WRONG_BLOCK = BLOCK[:-1] + b"!"


class Canaries:
    """Every secret that a session has with a server, and what was answered where something was refused."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.secrets: dict[str, str] = {
            "the secret access key": server.secret_access_key,
            "the master key": (server.directory / "master.key").read_text().strip(),
            "content": CANARY,
            "content in base64": b64encode(CANARY.encode() * 3).decode()[4:24],
        }
        self.refusals: list[str] = []
        self._headers: list[tuple[str, str]] = []

    def client(self, service: str, **options: Any) -> Any:
        """Return a client whose signatures are remembered."""
        client = self.server.client(service, **options)
        client.meta.events.register("before-send", self._note)
        return client

    def _note(self, request: Any, **_: Any) -> None:
        authorization = (
            str(request.headers.get("Authorization", b""), "latin-1")
            if isinstance(request.headers.get("Authorization"), bytes)
            else str(request.headers.get("Authorization", ""))
        )
        found = re.search(r"Signature=([0-9a-f]{64})", authorization)
        if found:
            self.secrets[f"signature {len(self.secrets)}"] = found[1]

    def refused(self, call: Callable[[], Any]) -> None:
        """Have something refused, and remember in which words."""
        with pytest.raises(ClientError) as refusal:
            call()
        self.refusals.append(json.dumps(refusal.value.response, default=str))

    def found_in(self, text: str) -> list[str]:
        return [name for name, secret in self.secrets.items() if secret in text]


def use_everything(canaries: Canaries) -> None:
    """Write, read, list, compare, encrypt and assume, rightly and wrongly."""
    ebs, ec2, kms, sts = (canaries.client(name) for name in ("ebs", "ec2", "kms", "sts"))
    secrets = canaries.secrets
    snapshot_id = ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
    good = {
        "SnapshotId": snapshot_id,
        "BlockIndex": 0,
        "DataLength": len(BLOCK),
        "Checksum": checksum_b64(digest(BLOCK)),
        "ChecksumAlgorithm": "SHA256",
    }
    ebs.put_snapshot_block(BlockData=BLOCK, **good)
    canaries.refused(lambda: ebs.put_snapshot_block(BlockData=WRONG_BLOCK, **good))
    canaries.refused(lambda: ebs.get_snapshot_block(SnapshotId=snapshot_id, BlockIndex=0, BlockToken="0a1b"))
    ebs.complete_snapshot(SnapshotId=snapshot_id, ChangedBlocksCount=1)
    ec2.get_waiter("snapshot_completed").wait(
        SnapshotIds=[snapshot_id], WaiterConfig={"Delay": 0.05, "MaxAttempts": 400}
    )
    (block,) = ebs.list_snapshot_blocks(SnapshotId=snapshot_id)["Blocks"]
    secrets["a block token"] = block["BlockToken"]
    ebs.get_snapshot_block(SnapshotId=snapshot_id, BlockIndex=0, BlockToken=block["BlockToken"])[
        "BlockData"
    ].read()
    canaries.refused(
        lambda: ebs.get_snapshot_block(SnapshotId=snapshot_id, BlockIndex=1, BlockToken=block["BlockToken"])
    )
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    sealed = kms.encrypt(KeyId=key_id, Plaintext=CANARY.encode())["CiphertextBlob"]
    secrets["a data key"] = b64encode(
        kms.generate_data_key(KeyId=key_id, KeySpec="AES_256")["Plaintext"]
    ).decode()
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == CANARY.encode()
    canaries.refused(lambda: kms.decrypt(CiphertextBlob=sealed[:-1] + b"x"))
    session = sts.get_session_token()["Credentials"]
    secrets["a session's secret"] = session["SecretAccessKey"]
    secrets["a session token"] = session["SessionToken"]
    given = {
        "aws_access_key_id": session["AccessKeyId"],
        "aws_secret_access_key": session["SecretAccessKey"],
        "aws_session_token": session["SessionToken"],
    }
    canaries.client("ec2", **given).describe_snapshots(OwnerIds=["self"])
    canaries.refused(
        lambda: canaries.client("ec2", **given | {"aws_secret_access_key": CANARY + "x"}).describe_snapshots()
    )
    canaries.refused(
        lambda: canaries.client(
            "ebs", **given | {"aws_session_token": session["SessionToken"] + "x"}
        ).start_snapshot(VolumeSize=1)
    )


def send_raw(canaries: Canaries) -> None:
    """Send secrets where no client would put them: in targets, headers, and behind broken heads."""
    secret = canaries.server.secret_access_key
    for data in (
        f"GET /snapshots?secret={secret}&X-Amz-Signature={'5e' * 32} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        f"GET /{secret} HTTP/1.1\r\nHost: a\r\nAuthorization: {secret}\r\nConnection: close\r\n\r\n",
        f"GET /\x01{secret} HTTP/1.1\r\nHost: {secret}\r\n\r\n",
        f"POST /snapshots HTTP/1.1\r\nHost: a\r\nX-Amz-Security-Token: {secret}\r\nContent-Length: 40\r\n\r\n{{{secret}",
    ):
        with canaries.server.connect() as connection, suppress(OSError):
            connection.sendall(data.encode())
            connection.shutdown(1)
            read_all(connection)


@pytest.mark.row(21)
def test_no_secret_is_told_to_a_log_or_to_a_client(
    make_server: Callable[..., ServerProcess], figure: Figure
) -> None:
    server = make_server(log_level="debug", audit_log="all")
    canaries = Canaries(server)
    use_everything(canaries)
    send_raw(canaries)
    assert server.terminate() == 0
    log = server.log.read_text()
    audit = "".join(path.read_text() for path in sorted((server.directory / "audit").iterdir()))
    assert '"request"' in log
    assert "PutSnapshotBlock" in audit
    assert len(canaries.secrets) > 20
    for place in (log, audit):
        assert canaries.found_in(place) == []
    for refusal in canaries.refusals:
        # A token that does not fit is repeated to whoever sent it, in the service's own words.
        assert set(canaries.found_in(refusal)) <= {"a block token"}
    lines = log.count("\n") + audit.count("\n")
    figure(
        f"{len(canaries.secrets)} secrets in {lines} lines of logs and {len(canaries.refusals)} refusals: 0"
    )
