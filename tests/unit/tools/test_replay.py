"""The load generator counts what it should: a benchmark's numbers are worth what these are."""

import hashlib
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from benchmarks.programs import BenchmarkError, Programs, Replayed
from benchmarks.requests_file import BLOCK_BYTES, Pool, Request, write_requests

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler named cc")

Answer = Callable[[int], bytes]
"""From the number of a request, over all connections, to the bytes sent back; none at all closes."""


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    return Programs(tmp_path_factory.mktemp("programs"))


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    return Pool(tmp_path_factory.mktemp("pool") / "pool", random_bytes=2 * BLOCK_BYTES)


class Listener:
    """A server that reads requests of a known body size and answers as it is told."""

    def __init__(self, answer: Answer, body_bytes: int, *, read_body: bool) -> None:
        self.bodies: list[bytes] = []
        self._answer = answer
        self._body_bytes = body_bytes if read_body else 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self) -> None:
        threads = []
        while True:
            connection, _ = self._socket.accept()
            first = connection.recv(1, socket.MSG_PEEK)
            if first == b"!":
                connection.close()
                break
            threads.append(threading.Thread(target=self._serve, args=(connection,)))
            threads[-1].start()
        for thread in threads:
            thread.join()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            while line := stream.readline():
                while line not in {b"\r\n", b""}:
                    line = stream.readline()
                body = stream.read(self._body_bytes)
                with self._lock:
                    answer = self._answer(len(self.bodies))
                    self.bodies.append(body)
                connection.sendall(answer)
                if not answer or b"connection: close" in answer.lower():
                    return

    def stop(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as last:
            last.sendall(b"!")
            self._thread.join()
        self._socket.close()


@contextmanager
def listening(answer: Answer, *, body_bytes: int = 0, read_body: bool = True) -> Iterator[Listener]:
    listener = Listener(answer, body_bytes, read_body=read_body)
    try:
        yield listener
    finally:
        listener.stop()


def replayed(
    tools: Programs,
    pool: Pool,
    path: Path,
    listener: Listener,
    requests: list[Request],
    *,
    connections: int = 2,
) -> Replayed:
    write_requests(path, requests, status=201)
    return tools.replay("127.0.0.1", listener.port, connections, path, pool.path)


def answer_of(status: int, body: bytes = b"{}", more: str = "") -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


GET = Request(head=b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")


def test_every_body_arrives_whole_and_different(tools: Programs, pool: Pool, tmp_path: Path) -> None:
    bodies = [pool.random_body() for _ in range(6)] + [pool.sparse_body() for _ in range(2)]
    requests = [Request(head=b"PUT / HTTP/1.1\r\nHost: x\r\n\r\n", body=body) for body in bodies]
    with listening(lambda _: answer_of(201), body_bytes=BLOCK_BYTES) as listener:
        result = replayed(tools, pool, tmp_path / "requests", listener, requests, connections=3)
    assert (result.requests, result.as_expected, result.failures, result.broken) == (8, 8, 0, 0)
    assert result.bytes_sent == sum(len(request.head) + BLOCK_BYTES for request in requests)
    assert {hashlib.sha256(body).digest() for body in listener.bodies} == {body.digest for body in bodies}


def test_large_answers_are_counted_to_their_last_byte(tools: Programs, pool: Pool, tmp_path: Path) -> None:
    answer = answer_of(201, bytes(BLOCK_BYTES))
    with listening(lambda _: answer) as listener:
        result = replayed(tools, pool, tmp_path / "requests", listener, [GET] * 10)
    assert (result.as_expected, result.bytes_received) == (10, 10 * len(answer))
    assert 0 < result.p50_us <= result.p99_us <= result.max_us


def test_other_answers_are_failures_and_closed_connections_are_opened_again(
    tools: Programs, pool: Pool, tmp_path: Path
) -> None:
    def answer(number: int) -> bytes:
        return answer_of(503, more="Connection: close\r\n") if number % 2 else answer_of(201)

    with listening(answer) as listener:
        result = replayed(tools, pool, tmp_path / "requests", listener, [GET] * 10)
    assert (result.as_expected, result.failures, result.statuses) == (5, 5, {"201": 5, "503": 5})


def test_a_connection_that_breaks_off_is_a_failure(tools: Programs, pool: Pool, tmp_path: Path) -> None:
    with listening(lambda number: b"" if number == 3 else answer_of(201)) as listener:
        result = replayed(tools, pool, tmp_path / "requests", listener, [GET] * 10)
    assert (result.as_expected, result.failures, result.broken) == (9, 1, 1)


def test_an_answer_that_comes_before_the_body_is_counted(tools: Programs, pool: Pool, tmp_path: Path) -> None:
    request = Request(head=b"PUT / HTTP/1.1\r\nHost: x\r\n\r\n", body=pool.random_body())
    refusal = answer_of(503, more="Connection: close\r\n")
    with listening(lambda _: refusal, read_body=False) as listener:
        result = replayed(tools, pool, tmp_path / "requests", listener, [request] * 3, connections=1)
    # The kernel may drop an answer whose connection is reset over unread bytes: either way it is no success.
    assert result.as_expected == 0
    assert result.failures == 3


def test_a_server_that_never_answers_properly_gives_no_numbers(
    tools: Programs, pool: Pool, tmp_path: Path
) -> None:
    with listening(lambda _: b"HTTP/1.1 200 OK\r\n\r\n") as listener, pytest.raises(BenchmarkError):
        replayed(tools, pool, tmp_path / "requests", listener, [GET])
