"""Clients that send a byte now and then and never come to an end, beside one who means it.

    python tests/crash/dribbling.py [CONNECTIONS]      against a server with default settings; prints one line

Each connection dribbles until the server has closed it. Meanwhile somebody reads and writes blocks, one after another, and
what that takes is measured. The server's memory is looked at all the time.
"""

import resource
import selectors
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from threading import Event, Thread
from typing import Any

from neve.auth import sigv4
from neve.clock import SystemClock
from neve.domain.blocks import checksum_b64, digest
from neve.limits import STANDARD
from neve.messages.http import RequestHead
from neve.testing.server import ServerProcess

BLOCK = bytes(range(256)) * (STANDARD.block_bytes // 256)
BETWEEN_BYTES_S = 0.2
BETWEEN_REQUESTS_S = 0.02
PATIENCE_S = 120
"""Long after every deadline there is by default."""


@dataclass(slots=True)
class Outcome:
    """What became of the connections, and of who meant it."""

    connections: int
    closed: int = 0
    slowest_close_s: float = 0
    latencies_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    grown_bytes: int = 0

    def __str__(self) -> str:
        median, worst = (quantiles(self.latencies_s, n=100)[at] * 1000 for at in (49, 98))
        return (
            f"closed {self.closed} of {self.connections}, the last after {self.slowest_close_s:.1f} s; legitimate requests "
            f"{len(self.latencies_s)}, failed {len(self.failures)}, p50 {median:.0f} ms, p99 {worst:.0f} ms; "
            f"memory grew by {self.grown_bytes / (1 << 20):.0f} MiB"
        )


def half_a_head(server: ServerProcess, _snapshot_id: str) -> bytes:
    host, port = server.address
    return f"PUT /snapshots/snap-1/blocks/0 HTTP/1.1\r\nHost: {host}:{port}\r\nX-Slow: ".encode()


def a_put_without_its_body(server: ServerProcess, snapshot_id: str) -> bytes:
    """Return the head of a put that is let in."""
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
    lines += [f"Content-Length: {len(BLOCK)}"]
    return (f"PUT {head.raw_target} HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode()


KINDS = {"headers": half_a_head, "bodies": a_put_without_its_body}


def dribble(server: ServerProcess, kind: str, connections: int) -> Outcome:
    """Dribble over so many connections until all are closed or patience ends."""
    outcome = Outcome(connections)
    ebs = server.client("ebs")
    snapshot_id = ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
    put(ebs, snapshot_id)
    before_bytes = resident_bytes(server.pid)
    over = Event()
    meaning_it = Thread(target=_mean_it, args=(server, snapshot_id, outcome, over))
    meaning_it.start()
    try:
        beginning = KINDS[kind](server, snapshot_id)
        _dribble(server, [server.connect() for _ in range(connections)], beginning, outcome, before_bytes)
    finally:
        over.set()
        meaning_it.join()
    return outcome


def _dribble(
    server: ServerProcess,
    connections: Sequence[socket.socket],
    beginning: bytes,
    outcome: Outcome,
    before_bytes: int,
) -> None:
    started_s = time.monotonic()
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            connection.setblocking(False)
            selector.register(connection, selectors.EVENT_READ)
            _send(connection, beginning)
        while selector.get_map() and time.monotonic() - started_s < PATIENCE_S:
            outcome.grown_bytes = max(outcome.grown_bytes, resident_bytes(server.pid) - before_bytes)
            until_s = time.monotonic() + BETWEEN_BYTES_S
            while (left_s := until_s - time.monotonic()) > 0:
                for key, _ in selector.select(left_s):
                    if _is_closed(key.fileobj):
                        selector.unregister(key.fileobj)
                        outcome.closed += 1
                        outcome.slowest_close_s = time.monotonic() - started_s
            for key in list(selector.get_map().values()):
                _send(key.fileobj, b"a")
    for connection in connections:
        connection.close()


def _send(connection: Any, data: bytes) -> None:
    """Send what goes; that it was closed is seen where it is read."""
    try:
        connection.send(data)
    except OSError:
        return


def _is_closed(connection: Any) -> bool:
    try:
        return not connection.recv(65_536)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _mean_it(server: ServerProcess, snapshot_id: str, outcome: Outcome, over: Event) -> None:
    ebs = server.client("ebs")
    while not over.wait(BETWEEN_REQUESTS_S):
        started_s = time.monotonic()
        try:
            put(ebs, snapshot_id)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what the figure is about
            outcome.failures.append(repr(error))
            continue
        outcome.latencies_s.append(time.monotonic() - started_s)


def put(ebs: Any, snapshot_id: str) -> None:
    """Write a block that is stored already: what is measured is the server and not the disk."""
    ebs.put_snapshot_block(
        SnapshotId=snapshot_id,
        BlockIndex=1,
        BlockData=BLOCK,
        DataLength=len(BLOCK),
        Checksum=checksum_b64(digest(BLOCK)),
        ChecksumAlgorithm="SHA256",
    )


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


def main() -> None:
    """Measure both kinds."""
    connections = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    for kind in KINDS:
        with (
            tempfile.TemporaryDirectory() as folder,
            ServerProcess(Path(folder) / "store", settings={"connections_max": connections + 100}) as server,
        ):
            sys.stdout.write(f"{kind}: {dribble(server, kind, connections)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
