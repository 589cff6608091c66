"""A server whose KMS keys somebody else keeps: OpenBao, or a KMS that is not ours. Through boto3, as clients come."""

import hashlib
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from key_engines import REGION
from moto_kms import CREDENTIALS, MotoEngine, MotoServer
from neve.cli.exit_codes import ExitCode
from neve.domain.kms_keys import key_arn
from neve.testing.server import ServerDied, ServerProcess
from openbao import OpenBao, documented_policy

BLOCK = b"disk " * 104_857 + b"end"
CHECKSUM = b64encode(hashlib.sha256(BLOCK).digest()).decode()
UNAVAILABLE = (503, "ServiceUnavailable")


@pytest.fixture
def over_openbao(openbao: OpenBao, tmp_path: Path) -> ServerProcess:
    """A server under a token that may do what the documentation says."""
    openbao.put_policy("neve-documented", documented_policy())
    token = tmp_path / "vault-token"
    token.write_text(openbao.make_token("neve-documented"))
    token.chmod(0o600)
    # Asked before every block, so that what a test does to a key is seen at once.
    settings = {
        "key_provider": "vault",
        "vault_address": openbao.url,
        "vault_token": f"file:{token}",
        "key_state_age_s": 0,
    }
    return ServerProcess(tmp_path / "store", settings=settings)


def transit_key(openbao: OpenBao, server: ServerProcess, key_id: str) -> tuple[str, str]:
    """Make a key in the account; return its path and its ARN."""
    path = f"transit/keys/{server.account_id}.{key_id}"
    openbao.ask("POST", path, {"type": "aes256-gcm96"})
    return path, key_arn(REGION, server.account_id, key_id)


def put(ebs: Any, snapshot_id: str, index: int = 0) -> None:
    ebs.put_snapshot_block(
        SnapshotId=snapshot_id,
        BlockIndex=index,
        BlockData=BLOCK,
        DataLength=len(BLOCK),
        Checksum=CHECKSUM,
        ChecksumAlgorithm="SHA256",
    )


def got(ebs: Any, snapshot_id: str) -> bytes:
    (listed,) = ebs.list_snapshot_blocks(SnapshotId=snapshot_id)["Blocks"]
    answer = ebs.get_snapshot_block(
        SnapshotId=snapshot_id, BlockIndex=listed["BlockIndex"], BlockToken=listed["BlockToken"]
    )
    return bytes(answer["BlockData"].read())


def upload(server: ServerProcess, **options: object) -> str:
    """Return a completed snapshot of one block."""
    ebs = server.client("ebs")
    snapshot_id = str(ebs.start_snapshot(VolumeSize=1, **options)["SnapshotId"])
    put(ebs, snapshot_id)
    ebs.complete_snapshot(SnapshotId=snapshot_id, ChangedBlocksCount=1)
    server.client("ec2").get_waiter("snapshot_completed").wait(
        SnapshotIds=[snapshot_id], WaiterConfig={"Delay": 0.05, "MaxAttempts": 400}
    )
    return snapshot_id


def refusal(action: Callable[[], object]) -> tuple[int, str, str]:
    """Return status, code and message of what a call is refused with."""
    with pytest.raises(ClientError) as caught:
        action()
    answer = caught.value.response
    return (
        answer["ResponseMetadata"]["HTTPStatusCode"],
        answer["Error"]["Code"],
        answer["Error"]["Message"],
    )


def test_a_disk_goes_in_and_out_under_a_key_of_openbao(openbao: OpenBao, over_openbao: ServerProcess) -> None:
    with over_openbao as server:
        path, arn = transit_key(openbao, server, "disks")
        snapshot_id = upload(server, KmsKeyArn=arn)
        assert got(server.client("ebs"), snapshot_id) == BLOCK
        openbao.ask("POST", f"{path}/rotate")
        assert got(server.client("ebs"), snapshot_id) == BLOCK
    with over_openbao as server:
        assert got(server.client("ebs"), snapshot_id) == BLOCK


def test_material_retired_before_data_keys_were_wrapped_anew_is_said_and_what_comes_again_is_stored_again(
    openbao: OpenBao, over_openbao: ServerProcess
) -> None:
    with over_openbao as server:
        path, arn = transit_key(openbao, server, "retired")
        snapshot_id = upload(server, KmsKeyArn=arn)
    openbao.ask("POST", f"{path}/rotate")
    openbao.ask("POST", f"{path}/config", {"min_decryption_version": 2})
    with over_openbao as server:
        # The first round of renewing begins with the server.
        assert openbao.wait_until(lambda: bool(server.events("background work failed")))
        (failed,) = server.events("background work failed")
        assert "min_decryption_version" in failed["error"]
        assert refusal(lambda: got(server.client("ebs"), snapshot_id))[:2] == UNAVAILABLE
        again = upload(server, KmsKeyArn=arn)
        assert got(server.client("ebs"), again) == BLOCK
        assert got(server.client("ebs"), snapshot_id) == BLOCK


def test_a_key_that_the_operator_disabled_stops_reads_and_writes_at_once(
    openbao: OpenBao, over_openbao: ServerProcess
) -> None:
    with over_openbao as server:
        ebs = server.client("ebs")
        path, arn = transit_key(openbao, server, "soft-deleted")
        snapshot_id = upload(server, KmsKeyArn=arn)
        pending = ebs.start_snapshot(VolumeSize=1, KmsKeyArn=arn)["SnapshotId"]
        openbao.ask("DELETE", f"{path}/soft-delete")
        for use in (lambda: got(ebs, snapshot_id), lambda: put(ebs, pending)):
            status, code, message = refusal(use)
            assert (status, code) == (400, "ValidationException")
            assert f"{arn} is disabled." in message
        assert ebs.list_snapshot_blocks(SnapshotId=snapshot_id)["Blocks"]
        openbao.ask("POST", f"{path}/soft-delete-restore")
        assert got(ebs, snapshot_id) == BLOCK
        put(ebs, pending)


def test_a_sealed_openbao_stops_what_needs_keys_and_nothing_else(
    openbao: OpenBao, over_openbao: ServerProcess
) -> None:
    with over_openbao as server:
        ebs = server.client("ebs")
        _, arn = transit_key(openbao, server, "sealed")
        encrypted, plain = upload(server, KmsKeyArn=arn), upload(server)
        openbao.seal()
        try:
            assert refusal(lambda: got(ebs, encrypted))[:2] == UNAVAILABLE
            assert refusal(lambda: ebs.start_snapshot(VolumeSize=1, KmsKeyArn=arn))[:2] == UNAVAILABLE
            assert got(ebs, plain) == BLOCK
            assert got(ebs, upload(server)) == BLOCK
        finally:
            openbao.unseal()
        assert got(ebs, encrypted) == BLOCK
        assert any("is sealed: unseal it" in event["error"] for event in server.events("request failed"))


def test_a_server_starts_before_its_openbao_and_says_so(
    openbao: OpenBao, over_openbao: ServerProcess
) -> None:
    with over_openbao as server:
        _, arn = transit_key(openbao, server, "early")
        encrypted, plain = upload(server, KmsKeyArn=arn), upload(server)
    openbao.stop()
    try:
        with over_openbao as server:
            (silent,) = server.events("key provider silent")
            assert "does not answer" in silent["error"]
            assert server.get("/readyz")[0] == 200
            assert got(server.client("ebs"), plain) == BLOCK
            assert refusal(lambda: got(server.client("ebs"), encrypted))[:2] == UNAVAILABLE
            openbao.restart()
            assert got(server.client("ebs"), encrypted) == BLOCK
    finally:
        openbao.restart()


def test_encryption_without_a_key_takes_the_accounts_default_key(
    openbao: OpenBao, over_openbao: ServerProcess
) -> None:
    with over_openbao as server:
        ebs = server.client("ebs")
        started = ebs.start_snapshot(VolumeSize=1, Encrypted=True)
        assert started["KmsKeyArn"] == key_arn(REGION, server.account_id, "aws-ebs")
        assert openbao.ask("GET", f"transit/keys/{server.account_id}.aws-ebs")["data"]["latest_version"] == 1


def test_a_disk_goes_in_and_out_under_a_key_of_an_external_kms(
    moto_kms: MotoServer,
    moto_engine: MotoEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / ".aws").mkdir()
    lines = ["[keeper]", *(f"{name} = {value}" for name, value in CREDENTIALS.items())]
    (tmp_path / ".aws" / "credentials").write_text("\n".join(lines))
    monkeypatch.setenv("HOME", str(tmp_path))
    default_arn, arn = (moto_engine.make_key(moto_kms.account_id) for _ in range(2))
    settings = {
        "key_provider": "aws",
        "aws_kms_endpoint": moto_kms.url,
        "aws_kms_profile": "keeper",
        "aws_kms_default_key_arn": default_arn,
        "key_state_age_s": 0,
    }
    with ServerProcess(tmp_path / "store", settings=settings) as server:
        ebs = server.client("ebs")
        assert ebs.start_snapshot(VolumeSize=1, Encrypted=True)["KmsKeyArn"] == default_arn
        snapshot_id = upload(server, KmsKeyArn=arn)
        assert got(ebs, snapshot_id) == BLOCK
        moto_engine.disable(arn)
        status, code, message = refusal(lambda: got(ebs, snapshot_id))
        assert (status, code) == (400, "ValidationException")
        assert f"{arn} is disabled." in message
        moto_engine.enable(arn)
        assert got(ebs, snapshot_id) == BLOCK


def test_settings_that_cannot_fit_together_stop_the_start(tmp_path: Path) -> None:
    with pytest.raises(ServerDied) as died:
        ServerProcess(tmp_path / "store", settings={"key_provider": "vault"}).start()
    assert "vault_address is not set" in str(died.value)
    assert f"exit status {ExitCode.USAGE}" in str(died.value)
