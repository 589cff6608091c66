"""How much of a server strangers and busy clients can take: connections, memory, time."""

import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NoReturn

import pytest
from botocore.exceptions import ClientError

from neve.auth import sigv4
from neve.clock import SystemClock
from neve.domain.blocks import checksum_b64, digest
from neve.limits import KIB, STANDARD
from neve.messages.http import RequestHead
from neve.testing.server import ServerProcess, read_all

BLOCK = bytes(range(256)) * (STANDARD.block_bytes // 256)
PATIENCE_S = 20
ASK = b"GET /healthz HTTP/1.1\r\nHost: neve\r\n\r\n"
MakeServer = Callable[..., ServerProcess]


def signed_put_head(server: ServerProcess, snapshot_id: str, *, connection: str = "close") -> bytes:
    """Return the head of a put that will be admitted; its body is up to the test."""
    host, port = server.address
    head = RequestHead(
        method="PUT",
        raw_target=f"/snapshots/{snapshot_id}/blocks/0",
        headers=[
            ("Host", f"{host}:{port}"),
            ("x-amz-Data-Length", str(len(BLOCK))),
            ("x-amz-Checksum", checksum_b64(digest(BLOCK))),
            ("x-amz-Checksum-Algorithm", "SHA256"),
        ],
    )
    added = sigv4.sign(
        head,
        access_key_id=server.access_key_id,
        secret=server.secret_access_key,
        region=server.region,
        service="ebs",
        now_ms=SystemClock().now_ms(),
        payload_hash="UNSIGNED-PAYLOAD",
    )
    lines = [f"{name}: {value}" for name, value in [*head.headers, *added]]
    lines += [f"Content-Length: {len(BLOCK)}", f"Connection: {connection}", "Expect: 100-continue"]
    return (f"PUT {head.raw_target} HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode()


def status_of(answer: bytes) -> int:
    return int(answer.split()[1])


@contextmanager
def half_sent_put(server: ServerProcess, snapshot_id: str) -> Iterator[socket.socket]:
    """A put of which the server waits for the body: it has said so."""
    with server.connect(PATIENCE_S) as connection:
        connection.sendall(signed_put_head(server, snapshot_id))
        assert status_of(connection.recv(100)) == 100
        yield connection


def start(server: ServerProcess) -> str:
    snapshot_id: str = server.client("ebs").start_snapshot(VolumeSize=1)["SnapshotId"]
    return snapshot_id


def put(server: ServerProcess, snapshot_id: str) -> int:
    answer = server.client("ebs").put_snapshot_block(
        SnapshotId=snapshot_id,
        BlockIndex=1,
        BlockData=BLOCK,
        DataLength=len(BLOCK),
        Checksum=checksum_b64(digest(BLOCK)),
        ChecksumAlgorithm="SHA256",
    )
    status: int = answer["ResponseMetadata"]["HTTPStatusCode"]
    return status


def test_a_body_past_the_budget_is_told_to_come_again(make_server: MakeServer) -> None:
    server = make_server(body_bytes_in_flight_max=2 * len(BLOCK))
    snapshot_id = start(server)
    with half_sent_put(server, snapshot_id) as first, half_sent_put(server, snapshot_id):
        with pytest.raises(ClientError) as refused:
            put(server, snapshot_id)
        head = refused.value.response["ResponseMetadata"]
        assert refused.value.response["Error"]["Code"] == "ServiceUnavailable"
        assert (head["HTTPStatusCode"], head["HTTPHeaders"]["retry-after"]) == (503, "1")
        assert head["HTTPHeaders"]["connection"] == "close"
        first.sendall(BLOCK)
        assert status_of(read_all(first)) == 201
        assert put(server, snapshot_id) == 201
    assert put(server, snapshot_id) == 201
    assert server.events("request failed") == []


def test_a_connection_too_many_is_turned_away(make_server: MakeServer) -> None:
    server = make_server(connections_max=2)
    with server.connect() as first, server.connect() as second:
        for connection in (first, second):
            connection.sendall(ASK)
            assert status_of(connection.recv(1000)) == 200
        with server.connect() as third:
            assert status_of(read_all(third)) == 503
        first.sendall(ASK)
        assert status_of(first.recv(1000)) == 200
    assert [event["status"] for event in server.events("connection refused")] == [503]


@pytest.mark.slow
def test_stalled_clients_are_cut_off_and_hold_nobody_up(make_server: MakeServer) -> None:
    server = make_server(
        header_deadline_s=2, body_deadline_s=2, body_bytes_per_s_min=1 << 30, request_threads=2
    )
    snapshot_id = start(server)
    with ExitStack() as stalled:
        heads = [stalled.enter_context(server.connect(PATIENCE_S)) for _ in range(60)]
        for connection in heads:
            connection.sendall(b"PUT /snapshots/snap-1/blocks/0 HTTP/1.1\r\nHost: ")
        bodies = [stalled.enter_context(half_sent_put(server, snapshot_id)) for _ in range(60)]
        for connection in bodies:
            connection.sendall(BLOCK[:1000])
        assert put(server, snapshot_id) == 201
        assert {status_of(read_all(connection)) for connection in heads} == {408}
        assert {status_of(read_all(connection)) for connection in bodies} == {400}
    assert put(server, snapshot_id) == 201


@pytest.mark.slow
def test_memory_is_bounded_by_the_budget_and_not_by_who_sends(make_server: MakeServer) -> None:
    budget = 8 * len(BLOCK)
    server = make_server(body_bytes_in_flight_max=budget, connections_max=400)
    snapshot_id = start(server)
    assert put(server, snapshot_id) == 201
    before = resident_bytes(server.pid)
    with ExitStack() as senders:
        for _ in range(300):
            connection = senders.enter_context(server.connect(PATIENCE_S))
            connection.sendall(signed_put_head(server, snapshot_id))
            connection.setblocking(False)
            with suppress(OSError):
                connection.send(BLOCK[:-1])
        assert server.get("/readyz")[0] == 200
        grown = resident_bytes(server.pid) - before
    assert grown < budget + 300 * 64 * KIB


@pytest.mark.slow
def test_an_answer_nobody_takes_is_given_up(make_server: MakeServer) -> None:
    server = make_server(body_deadline_s=1, body_bytes_per_s_min=1 << 30)
    with server.connect(PATIENCE_S) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            ask_without_listening(connection)
    assert server.get("/healthz")[0] == 200


def ask_without_listening(connection: socket.socket) -> NoReturn:
    """Send requests until the server, whose answers nobody takes, loses its patience."""
    while True:
        connection.sendall(ASK * 1000)


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
