"""From `neve init` to the last request: how a server begins, who may use it, and how it ends."""

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from neve.cli.exit_codes import ExitCode
from neve.testing.server import ServerProcess, read_all

MakeServer = Callable[..., ServerProcess]
PATIENCE_S = 20


def neve(*arguments: object, interpreter: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [sys.executable, *interpreter, "-m", "neve", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def begun_request(server: ServerProcess) -> socket.socket:
    """Return the connection of a request that the server works on: it waits for the body."""
    connection = server.connect(PATIENCE_S)
    connection.sendall(
        b"POST /snapshots HTTP/1.1\r\nHost: neve\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    )
    assert b" 100 " in connection.recv(100)
    return connection


def status_of(answer: bytes) -> int:
    return int(answer.split()[1])


# --- begin


def test_init_and_serve_agree_on_everything(tmp_path: Path) -> None:
    store = tmp_path / "store"
    made = neve("init", store, "--region", "eu-test-7", "--output", "json")
    assert (made.returncode, made.stderr) == (ExitCode.OK, "")
    facts = json.loads(made.stdout)
    assert list(facts) == [
        "account_id",
        "access_key_id",
        "secret_access_key",
        "region",
        "master_key",
        "master_key_fingerprint",
    ]
    (tmp_path / "store.json").write_text(made.stdout)
    with ServerProcess(store) as server:
        with pytest.raises(ClientError, match="valid Region"):
            server.client("ebs").start_snapshot(VolumeSize=1)
        answer = server.client("ebs", region_name=facts["region"]).start_snapshot(VolumeSize=1)
        assert answer["OwnerId"] == facts["account_id"]


def test_init_takes_no_directory_that_has_something(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = neve("init", tmp_path)
    assert refused.returncode == ExitCode.STORE_UNUSABLE
    assert "is not empty" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_second_server_is_refused_and_the_first_goes_on(make_server: MakeServer) -> None:
    server = make_server()
    refused = neve("serve", server.directory, "--listen", "127.0.0.1:0")
    assert refused.returncode == ExitCode.STORE_UNUSABLE
    assert f"pid {server.pid}" in refused.stderr
    assert refused.stdout == ""
    assert server.get("/readyz") == (200, b'{"status":"ok"}')


def test_a_port_in_use_is_refused_with_a_sentence(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server()
    neve("init", tmp_path / "other")
    refused = neve("serve", tmp_path / "other", "--listen", "{}:{}".format(*server.address))
    assert refused.returncode == ExitCode.FAILURE
    assert refused.stderr.startswith("neve: cannot listen on 127.0.0.1")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("serve", "nowhere"), ExitCode.STORE_UNUSABLE, "not a directory that exists"),
        (("serve", "nowhere", "--listen", "here"), ExitCode.USAGE, "--listen is 'here'"),
        (("serve", "nowhere", "--config", "missing"), ExitCode.USAGE, "no settings file missing"),
        (("serve",), ExitCode.USAGE, "Missing argument"),
        (("fly",), ExitCode.USAGE, "No such command"),
    ],
)
def test_a_wrong_start_says_what_is_wrong(arguments: tuple[str, ...], code: ExitCode, said: str) -> None:
    ended = neve(*arguments)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_assertions_cannot_be_switched_off() -> None:
    ended = neve("--version", interpreter=("-O",))
    assert ended.returncode == ExitCode.FAILURE
    assert "does not run under python -O" in ended.stderr


# --- who may use it


def test_a_disabled_access_key_opens_nothing(make_server: MakeServer) -> None:
    server = make_server()
    made = json.loads(neve("access-keys", "create", server.directory, "--output", "json").stdout)
    assert neve("access-keys", "disable", server.directory, server.access_key_id).returncode == ExitCode.OK
    listed = json.loads(neve("access-keys", "list", server.directory, "--output", "json").stdout)
    assert {key["access_key_id"]: key["enabled"] for key in listed} == {
        server.access_key_id: False,
        made["access_key_id"]: True,
    }
    for _ in range(2):
        with pytest.raises(ClientError, match="UnrecognizedClientException"):
            server.client("ebs").start_snapshot(VolumeSize=1)
        # Disabled while the server runs, and it stays so.
        assert server.terminate() == ExitCode.OK
        server.start()
    new_key = {
        "aws_access_key_id": made["access_key_id"],
        "aws_secret_access_key": made["secret_access_key"],
    }
    assert server.client("ebs", **new_key).start_snapshot(VolumeSize=1)["OwnerId"] == server.account_id


def test_the_log_has_a_line_for_each_request_and_no_secret(make_server: MakeServer) -> None:
    server = make_server()
    ebs = server.client("ebs")
    snapshot_id = ebs.start_snapshot(VolumeSize=1, Description="canary-description")["SnapshotId"]
    ebs.complete_snapshot(SnapshotId=snapshot_id, ChangedBlocksCount=0)
    with pytest.raises(ClientError):
        ebs.get_snapshot_block(SnapshotId=snapshot_id, BlockIndex=0, BlockToken="canarytoken")
    assert server.terminate() == ExitCode.OK
    lines = [(line["operation"], line["status"], line["snapshot_id"]) for line in server.events("request")]
    assert lines[:2] == [("StartSnapshot", 201, snapshot_id), ("CompleteSnapshot", 202, snapshot_id)]
    assert [line[0] for line in lines[2:]] == ["GetSnapshotBlock"]
    log = server.log.read_text()
    for secret in (server.secret_access_key, "canary", "Signature", "Authorization", "blockToken"):
        assert secret not in log


# --- end


def test_a_request_that_has_begun_is_finished_before_the_end(make_server: MakeServer) -> None:
    server = make_server()
    with begun_request(server) as request:
        server.signal(signal.SIGTERM)
        assert wait_for_event(server, "stopping")["requests_in_flight"] == 1
        request.sendall(b"{}")
        answer = read_all(request)
    assert status_of(answer) == 403
    assert b"Connection: close" in answer
    assert server.wait() == ExitCode.OK
    assert [event["status"] for event in server.events("request")] == [403]
    assert server.events("stopped") != []


def test_a_second_signal_does_not_wait(make_server: MakeServer) -> None:
    server = make_server()
    with begun_request(server) as request:
        server.signal(signal.SIGTERM)
        wait_for_event(server, "stopping")
        server.signal(signal.SIGTERM)
        assert server.wait() == ExitCode.OK
        assert read_all(request) == b""


def test_a_request_that_outlasts_the_grace_is_cut_off(make_server: MakeServer) -> None:
    server = make_server(shutdown_grace_s=0.2)
    with begun_request(server):
        assert server.terminate() == ExitCode.OK
    assert server.events("stopped") != []


def test_nobody_new_is_taken_while_it_ends(make_server: MakeServer) -> None:
    server = make_server()
    with server.connect(PATIENCE_S) as idle, begun_request(server) as request:
        server.signal(signal.SIGTERM)
        assert read_all(idle) == b""
        with pytest.raises(ConnectionRefusedError):
            server.connect()
        request.close()
    assert server.wait() == ExitCode.OK


def wait_for_event(server: ServerProcess, name: str) -> dict[str, Any]:
    """Return the first event of this name in the server's log, as soon as it is there."""
    pause = threading.Event()
    while not (found := server.events(name)):
        pause.wait(0.01)
    return found[0]
