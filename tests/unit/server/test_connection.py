"""A connection without a socket: bytes in every possible division, and a clock that only the test moves."""

import asyncio
import itertools
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neve.messages.http import Response
from neve.server.bodies import BlockBuffers, BodyFailed, ByteBudget
from neve.server.connection import Connection, Surroundings
from neve.server.framing import Malformed
from neve.server.incoming import Deadlines, Incoming

DEADLINES = Deadlines(head_s=10, transfer_s=30, bytes_per_s_min=100, keep_alive_s=75)
BODY_BYTES_MAX = 1000
Handler = Callable[[Incoming], Awaitable[Response]]


class Wire(asyncio.Transport):
    """The server's end of a connection, and a client that does what the test says."""

    def __init__(self, handler: Handler, *, connections_max: int = 10) -> None:
        super().__init__({"peername": ("192.0.2.1", 4711)})
        self.loop = asyncio.get_running_loop()
        self.surroundings = Surroundings(
            handler=handler,
            malformed=refused,
            deadlines=DEADLINES,
            connections_max=connections_max,
            buffers=BlockBuffers(BODY_BYTES_MAX),
            budget=ByteBudget(BODY_BYTES_MAX),
        )
        self.sent = bytearray()
        self.ended = self.closed = self.aborted = self.paused = self.was_ended = False
        self.untaken_bytes = 0
        self.connection = Connection(self.surroundings, self.loop)
        self.connection.connection_made(self)

    # --- what the server does

    def write(self, data: Any) -> None:
        assert not self.closed
        self.sent += data

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.loop.call_soon(self.connection.connection_lost, None)

    def abort(self) -> None:
        self.aborted = True
        self.close()

    def get_write_buffer_size(self) -> int:
        return self.untaken_bytes

    def is_reading(self) -> bool:
        return not self.paused

    def pause_reading(self) -> None:
        assert not self.paused, "paused twice"
        self.paused = True

    def resume_reading(self) -> None:
        assert self.paused, "resumed without a pause"
        self.paused = False

    # --- what the client does

    async def send(self, data: bytes) -> None:
        """Deliver bytes as far as the server wants them."""
        rest = memoryview(data)
        while rest and not self.closed:
            await turn()
            if self.paused:
                continue
            buffer = self.connection.get_buffer(-1)
            size = min(len(buffer), len(rest))
            buffer[:size] = rest[:size]
            self.connection.buffer_updated(size)
            rest = rest[size:]
        await turn()

    async def end(self) -> None:
        """Say that nothing more comes."""
        await turn()
        if not self.connection.eof_received():
            self.close()
        await turn()

    async def press(self, seconds: float) -> None:
        """Let the server find, so much later, that others want room."""
        await turn()
        self.connection.make_way(self.loop.time() + seconds)
        await turn()

    async def let_pass(self, seconds: float) -> None:
        """Let the server find that so much time has passed."""
        await turn()
        self.connection.check_deadline(self.loop.time() + seconds)
        await turn()

    def answers(self) -> list[bytes]:
        """Return the bodies of the answers so far, each with its status."""
        rest, found = bytes(self.sent), []
        while rest:
            head, _, rest = rest.partition(b"\r\n\r\n")
            length = re.search(rb"Content-Length: ([0-9]+)", head)
            size = int(length[1]) if length else 0
            found.append(head.split()[1] + b" " + rest[:size])
            rest = rest[size:]
        return found


async def turn() -> None:
    """Let everything happen that can happen now."""
    for _ in range(8):
        await asyncio.sleep(0)


def refused(_peer: str, malformed: Malformed) -> Response:
    return text(str(malformed), malformed.status)


def text(content: str, status: int = 200) -> Response:
    body = content.encode()
    return Response(status=status, headers=[("Content-Length", str(len(body)))], body=body)


async def echo(incoming: Incoming) -> Response:
    """Answer with what was sent."""
    try:
        body = await incoming.read_body(bytes_max=BODY_BYTES_MAX)
    except BodyFailed as failed:
        return text(failed.fault.value, 400)
    return text(f"{incoming.head.raw_target} {body.decode()}")


def run(scene: Callable[[Wire], Coroutine[Any, Any, None]], handler: Handler = echo, **options: Any) -> Wire:
    """Play a scene on a fresh connection and return what is left of it."""

    async def play() -> Wire:
        wire = Wire(handler, **options)
        await scene(wire)
        await turn()
        # The end of the event loop, which follows, would close every connection.
        wire.was_ended = wire.closed or wire.ended
        return wire

    return asyncio.run(play())


def request(path: str, body: str = "", *, chunk_size: int = 0, more: str = "") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: neve\r\n{more}"
    if not chunk_size:
        return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()
    pieces = [body[at : at + chunk_size] for at in range(0, len(body), chunk_size)]
    chunks = "".join(f"{len(piece):x}\r\n{piece}\r\n" for piece in pieces)
    return f"{head}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n".encode()


def divided(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for begin, end in itertools.pairwise(edges):
        yield data[begin:end]


@given(
    bodies=st.lists(
        st.tuples(st.text("abc\r\n0", max_size=40), st.integers(0, 5)),
        min_size=1,
        max_size=4,
    ),
    cuts=st.lists(st.integers(0, 2000), max_size=12),
)
def test_requests_come_through_however_their_bytes_are_divided(
    bodies: list[tuple[str, int]], cuts: list[int]
) -> None:
    data = b"".join(request(f"/{n}", body, chunk_size=size) for n, (body, size) in enumerate(bodies))

    async def scene(wire: Wire) -> None:
        for piece in divided(data, cuts):
            await wire.send(piece)

    wire = run(scene)
    assert wire.answers() == [f"200 /{n} {body}".encode() for n, (body, _) in enumerate(bodies)]
    assert not wire.was_ended


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=10))
def test_whatever_is_sent_ends_in_an_answer_or_an_end(garbage: bytes, cuts: list[int]) -> None:
    async def scene(wire: Wire) -> None:
        for piece in divided(garbage, cuts):
            await wire.send(piece)
        await wire.end()
        await wire.let_pass(1000)

    wire = run(scene)
    assert wire.closed
    assert all(answer[:3] in {b"200", b"400", b"408", b"417"} for answer in wire.answers())


def test_a_body_stays_in_the_socket_until_it_is_asked_for() -> None:
    asked = asyncio.Event()

    async def patient(incoming: Incoming) -> Response:
        await asked.wait()
        return await echo(incoming)

    async def scene(wire: Wire) -> None:
        data = request("/a", "x" * 900)
        await wire.send(data[:-800])
        assert not wire.is_reading()
        asked.set()
        await turn()
        assert wire.is_reading()
        await wire.send(data[-800:])

    assert run(scene, patient).answers() == [b"200 /a " + b"x" * 900]


def test_the_next_request_waits_in_the_socket_too() -> None:
    answer_now = asyncio.Event()

    async def slow(incoming: Incoming) -> Response:
        await answer_now.wait()
        return await echo(incoming)

    async def scene(wire: Wire) -> None:
        await wire.send(request("/a"))
        await wire.send(request("/b")[:20])
        assert not wire.is_reading()
        answer_now.set()
        await turn()
        await wire.send(request("/b")[20:])

    assert run(scene, slow).answers() == [b"200 /a ", b"200 /b "]


@pytest.mark.parametrize("chunk_size", [0, 400])
def test_a_body_that_is_too_long_is_given_up_early(chunk_size: int) -> None:
    async def scene(wire: Wire) -> None:
        await wire.send(request("/a", "x" * 1_001, chunk_size=chunk_size)[:-1])

    wire = run(scene)
    assert wire.answers() == [b"400 too long"]
    assert wire.ended


def test_who_asks_first_is_told_to_continue() -> None:
    async def scene(wire: Wire) -> None:
        await wire.send(request("/a", "x", more="Expect: 100-continue\r\n")[:-1])
        assert bytes(wire.sent) == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.sent.clear()
        await wire.send(b"x")

    assert run(scene).answers() == [b"200 /a x"]


def test_who_is_refused_is_not_told_to_continue() -> None:
    async def refuse(_incoming: Incoming) -> Response:
        return text("no", 403)

    async def scene(wire: Wire) -> None:
        await wire.send(request("/a", "x" * 100, more="Expect: 100-continue\r\n")[:-100])

    wire = run(scene, refuse)
    assert wire.answers() == [b"403 no"]
    assert wire.ended


def test_after_a_refusal_what_still_comes_is_thrown_away_for_a_while() -> None:
    async def refuse(_incoming: Incoming) -> Response:
        return text("no", 403)

    async def scene(wire: Wire) -> None:
        await wire.send(request("/a", "x" * 100)[:-50])
        await wire.send(b"x" * 50 + request("/smuggled"))
        assert not wire.closed
        await wire.let_pass(6)
        assert wire.aborted

    assert run(scene, refuse).answers() == [b"403 no"]


def test_a_client_that_never_stops_sending_is_cut_off() -> None:
    async def scene(wire: Wire) -> None:
        await wire.send(b"garbage\r\n\r\n" + b"x" * 3_000_000)

    wire = run(scene)
    assert wire.aborted
    assert [answer[:3] for answer in wire.answers()] == [b"400"]


@pytest.mark.parametrize(
    ("sent", "seconds", "answers"),
    [
        (b"", 74, []),
        (b"", 76, []),
        (b"POST", 9, []),
        (b"POST", 11, [b"408 the request's head took too long"]),
        (request("/a", "x" * 100)[:-1], 30, []),
        (request("/a", "x" * 100)[:-1], 32, [b"400 stalled"]),
        (request("/a") + b"POST", 76, [b"200 /a "]),
    ],
)
def test_every_wait_has_its_end(sent: bytes, seconds: float, answers: list[bytes]) -> None:
    async def scene(wire: Wire) -> None:
        await wire.send(sent)
        await wire.let_pass(seconds)

    wire = run(scene)
    assert wire.answers() == answers
    assert wire.was_ended is (seconds in {76, 11, 32})


def test_a_dribble_does_not_move_the_deadline() -> None:
    async def scene(wire: Wire) -> None:
        await wire.send(b"POST /a")
        await wire.send(b" HTTP/1.1\r\nHost: ne")
        await wire.let_pass(10.5)

    assert run(scene).answers() == [b"408 the request's head took too long"]


@pytest.mark.parametrize("chunk_size", [0, 3])
@pytest.mark.parametrize(("seconds", "is_given_up"), [(0, False), (1.9, False), (2.1, True)])
def test_a_body_that_stands_still_makes_way_for_others(
    chunk_size: int, seconds: float, is_given_up: bool
) -> None:
    async def scene(wire: Wire) -> None:
        data = request("/a", "x" * 60, chunk_size=chunk_size)
        head, _, body = data.partition(b"\r\n\r\n")
        await wire.send(head + b"\r\n\r\n")
        await wire.press(seconds)
        await wire.send(body)

    wire = run(scene)
    expected = b"400 made way" if is_given_up else b"200 /a " + b"x" * 60
    assert wire.answers() == [expected]


def test_a_body_that_comes_at_its_pace_makes_way_for_nobody() -> None:
    async def scene(wire: Wire) -> None:
        data = request("/a", "x" * 60)
        await wire.send(data[:-10])
        await wire.press(2 + 40 / DEADLINES.bytes_per_s_min)
        await wire.send(data[-10:])

    assert run(scene).answers() == [b"200 /a " + b"x" * 60]


def test_who_works_or_waits_makes_way_for_nobody() -> None:
    async def scene(wire: Wire) -> None:
        await wire.press(1000)
        await wire.send(b"POST /a HTT")
        await wire.press(1000)
        await wire.send(request("/a", "b")[len(b"POST /a HTT") :])

    assert run(scene).answers() == [b"200 /a b"]


def test_working_has_no_deadline() -> None:
    answer_now = asyncio.Event()

    async def slow(incoming: Incoming) -> Response:
        await answer_now.wait()
        return await echo(incoming)

    async def scene(wire: Wire) -> None:
        await wire.send(request("/a"))
        await wire.let_pass(1_000_000)
        answer_now.set()

    assert run(scene, slow).answers() == [b"200 /a "]


def test_an_answer_that_is_not_taken_is_given_up() -> None:
    async def scene(wire: Wire) -> None:
        wire.connection.pause_writing()
        await wire.send(request("/a") + request("/b"))
        assert len(wire.answers()) == 1
        await wire.let_pass(29)
        assert not wire.aborted
        await wire.let_pass(31)
        assert wire.aborted

    run(scene)


def test_an_answer_that_is_not_taken_makes_way_for_others() -> None:
    async def scene(wire: Wire) -> None:
        wire.connection.pause_writing()
        wire.untaken_bytes = 10**6
        await wire.send(request("/a"))
        await wire.press(1.9)
        assert not wire.aborted
        wire.untaken_bytes = 0
        await wire.press(2.2)
        assert not wire.aborted
        wire.untaken_bytes = 10**6
        await wire.press(2.2)
        assert wire.aborted

    run(scene)


def test_an_answer_that_is_taken_late_lets_the_next_one_come() -> None:
    async def scene(wire: Wire) -> None:
        wire.connection.pause_writing()
        await wire.send(request("/a") + request("/b"))
        wire.connection.resume_writing()

    assert run(scene).answers() == [b"200 /a ", b"200 /b "]


@pytest.mark.parametrize(
    "sent", [b"", b"POST /a HTTP/1.1\r\n", request("/a", "xx")[:-1], request("/a", "xx")]
)
def test_a_client_that_ends_is_answered_as_far_as_it_got(sent: bytes) -> None:
    async def scene(wire: Wire) -> None:
        await wire.send(sent)
        await wire.end()

    wire = run(scene)
    whole, partly = sent == request("/a", "xx"), sent == request("/a", "xx")[:-1]
    assert wire.answers() == ([b"200 /a xx"] if whole else [b"400 ended early"] if partly else [])
    assert wire.closed


def test_a_client_that_is_gone_troubles_nobody() -> None:
    async def scene(wire: Wire) -> None:
        await wire.send(request("/a", "xx")[:-1])
        wire.connection.connection_lost(ConnectionResetError())

    wire = run(scene)
    assert not wire.sent
    assert not wire.surroundings.connections


def test_one_connection_too_many_is_told_so() -> None:
    wire = run(lambda _wire: turn(), connections_max=0)
    assert wire.answers() == [b"503 too many connections"]
    assert wire.closed


def test_a_head_request_gets_a_head() -> None:
    async def scene(wire: Wire) -> None:
        await wire.send(request("/a").replace(b"POST", b"HEAD") + request("/b"))

    sent = bytes(run(scene).sent)
    assert sent.startswith(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_draining_ends_idle_connections_now_and_busy_ones_after_their_answer() -> None:
    answer_now = asyncio.Event()

    async def slow(incoming: Incoming) -> Response:
        await answer_now.wait()
        return await echo(incoming)

    async def idle(wire: Wire) -> None:
        wire.connection.drain()
        assert wire.closed

    async def busy(wire: Wire) -> None:
        await wire.send(request("/a") + request("/b"))
        wire.connection.drain()
        await turn()
        assert wire.connection.busy
        answer_now.set()

    run(idle)
    wire = run(busy, slow)
    assert wire.answers() == [b"200 /a "]
    assert b"Connection: close" in wire.sent
    assert wire.closed


def test_a_request_that_has_just_come_is_answered_before_the_end() -> None:
    async def scene(wire: Wire) -> None:
        await turn()
        data = request("/a")
        wire.connection.get_buffer(-1)[: len(data)] = data
        wire.connection.buffer_updated(len(data))
        wire.connection.drain()

    assert run(scene).answers() == [b"200 /a "]


def test_a_header_cannot_become_two() -> None:
    async def split(_incoming: Incoming) -> Response:
        return Response(status=200, headers=[("X", "a\r\nSet: b")])

    async def scene(wire: Wire) -> None:
        await wire.send(request("/a"))

    async def play() -> Wire:
        wire = Wire(split)
        task = wire.connection._task
        assert task is not None
        await scene(wire)
        with pytest.raises(AssertionError, match="one line"):
            await task
        return wire

    wire = asyncio.run(play())
    assert not wire.sent
    assert wire.closed
