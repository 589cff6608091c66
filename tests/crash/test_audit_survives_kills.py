"""kill -9 under load: whatever change was answered has its line, once, and the log is whole at every start."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from neve.assemble_audit import audit_key_of
from neve.settings import Settings
from neve.stores.audit.verifying import verify_log
from neve.testing.server import ServerProcess

KILLS = 3
WRITERS = 8
LOAD_S = 1.2


def change_until_killed(ec2: Any, snapshot_id: str) -> list[str]:
    """Tag a snapshot again and again; return the ids of the requests that were answered."""
    answered: list[str] = []
    while True:
        try:
            answer = ec2.create_tags(
                Resources=[snapshot_id], Tags=[{"Key": "n", "Value": str(len(answered))}]
            )
        except (BotoCoreError, ClientError):
            return answered
        answered.append(answer["ResponseMetadata"]["RequestId"])


@pytest.mark.slow
def test_every_change_that_was_answered_has_its_line_after_every_kill(tmp_path: Path) -> None:
    answered: list[str] = []
    settings = {"audit_log": "all", "audit_file_bytes_max": 64 * 1024}
    server = ServerProcess(tmp_path / "store", settings=settings).start()
    try:
        for _ in range(KILLS):
            ec2 = server.client("ec2")
            snapshot_id = server.client("ebs").start_snapshot(VolumeSize=1)["SnapshotId"]
            killing = Timer(LOAD_S, server.kill)
            with ThreadPoolExecutor(WRITERS) as threads:
                writers = [threads.submit(change_until_killed, ec2, snapshot_id) for _ in range(WRITERS)]
                killing.start()
                answered += [each for writer in writers for each in writer.result()]
            killing.join()
            server.start()
            verified = verify_log(server.directory, audit_key_of(server.directory, Settings()))
            assert verified.findings == []
    finally:
        server.terminate()
    verified = verify_log(server.directory, audit_key_of(server.directory, Settings()))
    assert verified.findings == []
    files = sorted((server.directory / "audit").glob("*.jsonl"))
    written = [
        json.loads(line).get("request_id")
        for file in files
        for line in file.read_bytes().splitlines(keepends=True)
        if line.endswith(b"}\n")
    ]
    assert len(answered) > 100 * KILLS
    assert len(files) > KILLS
    assert set(answered) - set(written) == set()
    assert len([each for each in written if each]) == len({each for each in written if each})
