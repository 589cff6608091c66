"""One client connection: HTTP/1.1 over a socket, with every wait and every buffer bounded.

    IDLE ─first byte─▶ HEAD ─parsed─▶ WORKING ⇄ BODY
      ▲                                  │
      └──────── answer taken ◀─ ANSWER ◀─┘─ something left unread ─▶ LINGER ─▶ closed

aiohttp's parser (llhttp) takes the bytes apart and `framing` decides what we take of that. This module adds what
neither has: a deadline for each phase but WORKING, whose time is the stores', and the rule that a body stays in
the client's socket until somebody asks for it. It knows no API: it hands an `Incoming` to a handler and sends
what comes back.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final, cast

from aiohttp.http import HttpRequestParser, RawRequestMessage

from neve.limits import KIB, MIB
from neve.messages.http import Response
from neve.server.bodies import BlockBuffers, BodyFailed, BodyFault, ByteBudget, DirectBody
from neve.server.framing import Framed, Framing, Malformed, framed, response_head
from neve.server.incoming import Deadlines, Incoming

if TYPE_CHECKING:
    from aiohttp import StreamReader

_HEAD_READ_BYTES: Final = 16 * KIB
"""Read at once while waiting for a head: all that a body may send ahead before it is asked for."""
_BODY_READ_BYTES: Final = 256 * KIB
_FRAMED_PER_BYTE_MAX: Final = 8
"""Bytes on the wire for one of a body: in chunks of one byte each it takes six. Extensions and zeros without end, which no
limit on the body itself ever meets, end here."""
_HEAD_BYTES_MAX: Final = 64 * KIB
_PARSED_BYTES_MAX: Final = 256 * KIB
"""Of a chunked body: the parser's reader asks for a pause at twice this."""
_JOIN_BYTES_MAX: Final = 64 * KIB
"""Up to here copying the body behind the head is cheaper than a second send."""
_LINGER_BYTES_MAX: Final = 2 * MIB
_LINGER_S: Final = 5.0
"""A client that is still sending would lose our answer to a reset if we closed under it."""
_PRESSED_GRACE_S: Final = 2.0
"""How long a body or an answer may stand still while others wait for its room."""
_NEVER: Final = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the connections of one server share."""

    handler: Callable[[Incoming], Awaitable[Response]]
    """Answers a request. Must not raise."""
    malformed: Callable[[str, Malformed], Response]
    """Makes the answer to what is no request; also told the peer's address."""
    deadlines: Deadlines
    connections_max: int
    buffers: BlockBuffers
    budget: ByteBudget
    connections: "set[Connection]" = field(default_factory=set)
    read_buffer: memoryview = field(default_factory=lambda: memoryview(bytearray(_BODY_READ_BYTES)))
    """One for all: it is filled and copied from within one step of the event loop."""


class _Phase(Enum):
    IDLE = "idle"
    HEAD = "head"
    WORKING = "working"
    BODY = "body"
    ANSWER = "answer"
    LINGER = "linger"
    CLOSING = "closing"
    CLOSED = "closed"


class _ClientGone(Exception):
    """Nobody is there to answer."""


class Connection(asyncio.BufferedProtocol):
    """The protocol asyncio drives. Everything runs on the event loop."""

    def __init__(self, surroundings: Surroundings, loop: asyncio.AbstractEventLoop) -> None:
        self._surroundings = surroundings
        self._deadlines = surroundings.deadlines
        self._loop = loop
        self._phase = _Phase.IDLE
        self._deadline_s = _NEVER
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._parser = self._new_parser()
        self._parsed: tuple[RawRequestMessage, StreamReader] | Malformed | None = None
        self._payload: StreamReader | None = None
        self._direct: DirectBody | None = None
        self._early = b""
        self._phase_bytes = 0
        self._phase_began_s = 0.0
        self._framed_bytes_max = 0
        self._client_done = False
        self._draining = False
        self._reading_paused = False
        self._parser_paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._peer = ""

    # --- what the server calls

    @property
    def busy(self) -> bool:
        """True while a request is worked on, or is there and will be in a moment."""
        return self._parsed is not None or self._phase in {_Phase.WORKING, _Phase.BODY, _Phase.ANSWER}

    def drain(self) -> None:
        """Take no further request: close now, or after the answer of the one that is worked on."""
        self._draining = True
        if not self.busy:
            self._close()

    def abort(self) -> None:
        """Close now, whatever is on its way."""
        if self._transport is not None:
            self._transport.abort()

    def check_deadline(self, now_s: float) -> None:
        """Do what the phase demands when its time is over. The server calls this a few times a second."""
        if now_s < self._deadline_s:
            return
        self._deadline_s = _NEVER
        if self._phase is _Phase.IDLE:
            self._close()
        elif self._phase is _Phase.HEAD:
            self._found(Malformed("the request's head took too long", status=408))
        elif self._phase is _Phase.BODY:
            self._fail_body(BodyFault.STALLED)
        else:
            self.abort()

    def make_way(self, now_s: float) -> None:
        """Give up a body or an answer that is slower than any that is waited for: others want the room it holds.

        Without this a few hundred connections that send a byte now and then would keep everybody out until their
        deadlines. Who is only unlucky is told to come again.
        """
        expected = (now_s - self._phase_began_s - _PRESSED_GRACE_S) * self._deadlines.bytes_per_s_min
        if expected <= 0:
            return
        if self._phase is _Phase.BODY and self._came_bytes < expected:
            self._fail_body(BodyFault.MADE_WAY)
        elif self._phase is _Phase.ANSWER and self._went_bytes < expected:
            self.abort()

    @property
    def _came_bytes(self) -> int:
        return self._phase_bytes if self._direct is None else self._direct.received_bytes

    @property
    def _went_bytes(self) -> int:
        waiting = 0 if self._transport is None else self._transport.get_write_buffer_size()
        return self._phase_bytes - waiting

    # --- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        address = transport.get_extra_info("peername")
        self._peer = str(address[0]) if isinstance(address, tuple) else ""
        connections = self._surroundings.connections
        if len(connections) >= self._surroundings.connections_max:
            refusal = self._surroundings.malformed(self._peer, Malformed("too many connections", status=503))
            self._transport.write(response_head(refusal, keep_alive=False) + refusal.body)
            self._close()
            return
        connections.add(self)
        self._enter(_Phase.IDLE, self._deadlines.keep_alive_s)
        self._task = self._loop.create_task(self._serve())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._enter(_Phase.CLOSED, _NEVER)
        self._transport = None
        self._surroundings.connections.discard(self)
        self._fail_body(BodyFault.ENDED_EARLY)
        self._wake()
        if self._drained is not None and not self._drained.done():
            self._drained.set_exception(_ClientGone())

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        if self._direct is not None:
            return self._direct.rest
        view = self._surroundings.read_buffer
        return view if self._phase in {_Phase.BODY, _Phase.LINGER} else view[:_HEAD_READ_BYTES]

    def buffer_updated(self, nbytes: int) -> None:
        if self._direct is not None:
            if self._direct.received(nbytes):
                self._body_is_whole()
        elif self._phase in {_Phase.IDLE, _Phase.HEAD}:
            self._feed_head(bytes(self._surroundings.read_buffer[:nbytes]))
        elif self._phase is _Phase.LINGER:
            self._phase_bytes += nbytes
            if self._phase_bytes > _LINGER_BYTES_MAX:
                self.abort()
        elif self._body_is_open:
            self._phase_bytes += nbytes
            self._parse(bytes(self._surroundings.read_buffer[:nbytes]))
            if self._phase_bytes > self._framed_bytes_max:
                self._fail_body(BodyFault.TOO_LONG)
        else:
            # The next request, before this one is answered: it waits its turn, and so does its sender.
            self._early += self._surroundings.read_buffer[:nbytes]
            self._pause_reading()

    def eof_received(self) -> bool:
        """Answer what the client has sent, then close; return True while there is something to answer."""
        self._client_done = True
        self._fail_body(BodyFault.ENDED_EARLY)
        return self.busy

    def pause_writing(self) -> None:
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    # --- what the parser calls

    @property
    def connected(self) -> bool:
        """True while there is a socket."""
        return self._transport is not None

    def pause_reading(self) -> None:
        self._parser_paused = True
        self._parser.pause_reading()
        self._pause_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:
        if self._parser_paused:
            self._parser_paused = False
            if resume_parser:
                self._parse(b"")
        if self._phase is _Phase.BODY and not self._parser_paused:
            self._resume_reading()

    # --- one request after the other

    async def _serve(self) -> None:
        try:
            while await self._serve_one():
                self._await_next()
        except _ClientGone:
            pass
        finally:
            if self._phase is not _Phase.LINGER:
                self._close()

    async def _serve_one(self) -> bool:
        """Answer one request; return True if the connection is good for another."""
        request = await self._next_request()
        if isinstance(request, Malformed):
            answer = self._surroundings.malformed(self._peer, request)
            await self._send(answer, keep_alive=False, with_body=True)
            self._linger()
            return False
        answer = await self._surroundings.handler(Incoming(request, self._read_body))
        unread = self._payload is not None and not self._payload.is_eof()
        keep_alive = request.keep_alive and not (unread or self._client_done or self._draining)
        self._surroundings.budget.owe(len(answer.body))
        try:
            await self._send(answer, keep_alive=keep_alive, with_body=request.head.method != "HEAD")
        finally:
            self._surroundings.budget.give_back(len(answer.body))
        self._payload = None
        if unread:
            self._linger()
        return keep_alive

    async def _next_request(self) -> Framed | Malformed:
        while self._parsed is None:
            if self._transport is None:
                raise _ClientGone
            self._waiter = self._loop.create_future()
            await self._waiter
        parsed, self._parsed = self._parsed, None
        self._enter(_Phase.WORKING, _NEVER)
        if isinstance(parsed, Malformed):
            return parsed
        message, self._payload = parsed
        if self._body_is_open:
            # Not one byte more than came with the head before somebody asks for it.
            self._pause_reading()
        try:
            return framed(message, self._peer)
        except Malformed as malformed:
            return malformed

    def _await_next(self) -> None:
        """Go on with what came while the last request was worked on, if anything did."""
        self._enter(_Phase.IDLE, self._deadlines.keep_alive_s)
        self._parser.message_consumed()
        self._parse(b"")
        if self._parsed is None and self._early:
            early, self._early = self._early, b""
            self._feed_head(early)
        self._resume_reading()

    async def _read_body(self, request: Framed, bytes_max: int) -> bytes | bytearray:
        payload = self._payload
        if self._transport is None or payload is None:
            raise BodyFailed(BodyFault.ENDED_EARLY)
        if request.expects_continue and not payload.total_bytes:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._framed_bytes_max = _FRAMED_PER_BYTE_MAX * bytes_max + _HEAD_BYTES_MAX
        has_length = request.framing is Framing.LENGTH
        self._enter(_Phase.BODY, self._deadlines.for_transfer(request.length if has_length else bytes_max))
        try:
            if has_length and self._body_is_open:
                return await self._read_directly(payload, request.length)
            return await self._read_parsed(payload, bytes_max)
        finally:
            self._direct = None
            self._enter(_Phase.WORKING, _NEVER)

    async def _read_directly(self, payload: "StreamReader", length: int) -> bytearray:
        """Have the rest of the body put where it belongs, without a stop at the parser."""
        buffer = self._surroundings.buffers.take(length)
        self._direct = DirectBody(buffer, payload.read_nowait(), self._loop.create_future())
        self._resume_reading()
        return await self._direct.whole

    async def _read_parsed(self, payload: "StreamReader", bytes_max: int) -> bytes:
        self._resume_reading()
        pieces, size = [], 0
        while piece := await payload.readany():
            size += len(piece)
            if size > bytes_max:
                raise BodyFailed(BodyFault.TOO_LONG)
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _send(self, answer: Response, *, keep_alive: bool, with_body: bool) -> None:
        if self._transport is None:
            raise _ClientGone
        self._enter(_Phase.ANSWER, self._deadlines.for_transfer(len(answer.body)))
        head = response_head(answer, keep_alive=keep_alive)
        body = answer.body if with_body else b""
        self._phase_bytes = len(head) + len(body)
        if len(body) <= _JOIN_BYTES_MAX:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)
        if self._drained is not None:
            await self._drained

    # --- bytes in

    def _new_parser(self) -> HttpRequestParser:
        # Of its protocol the parser calls `pause_reading`, `resume_reading` and `connected`.
        return HttpRequestParser(
            self,  # type: ignore[arg-type]
            self._loop,
            _PARSED_BYTES_MAX,
            auto_decompress=False,
            max_msg_queue_size=1,
        )

    @property
    def _body_is_open(self) -> bool:
        """True while the parser is inside a body that has neither ended nor failed."""
        payload = self._payload
        return payload is not None and not payload.is_eof() and payload.exception() is None

    def _feed_head(self, data: bytes) -> None:
        if self._phase is _Phase.IDLE:
            self._enter(_Phase.HEAD, self._deadlines.head_s)
        self._phase_bytes += len(data)
        self._parse(data)
        if self._phase_bytes > _HEAD_BYTES_MAX and self._parsed is None:
            self._found(Malformed("the request's head is too long", status=431))

    def _parse(self, data: bytes) -> None:
        try:
            messages, _, _ = self._parser.feed_data(data)
        except Exception:  # noqa: BLE001 - whatever it is that the parser does not take, it is no HTTP
            if self._body_is_open:
                self._fail_body(BodyFault.MALFORMED)
            else:
                self._found(Malformed("this is not an HTTP/1.1 request"))
            return
        if messages:
            self._found(messages[0])

    def _found(self, parsed: "tuple[RawRequestMessage, StreamReader] | Malformed") -> None:
        self._parsed = parsed
        self._deadline_s = _NEVER
        self._wake()

    def _body_is_whole(self) -> None:
        """The body came past the parser, which still waits for it: the next request needs a new one."""
        self._direct = self._payload = None
        self._parser = self._new_parser()

    def _fail_body(self, fault: BodyFault) -> None:
        if self._body_is_open and self._payload is not None:
            self._payload.set_exception(BodyFailed(fault))
        if self._direct is not None:
            self._direct.fail(BodyFailed(fault))
            self._direct = None

    # --- state

    def _enter(self, phase: _Phase, seconds: float) -> None:
        self._phase = phase
        self._phase_bytes = 0
        self._phase_began_s = self._loop.time()
        self._deadline_s = self._phase_began_s + seconds

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        self._waiter = None

    def _pause_reading(self) -> None:
        if self._transport is not None and not self._reading_paused and not self._client_done:
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._transport is not None and self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()

    def _linger(self) -> None:
        """Say that we are done, and throw away what still comes until the client has heard it."""
        if self._transport is None or self._client_done:
            self._close()
            return
        self._enter(_Phase.LINGER, _LINGER_S)
        self._transport.write_eof()
        self._resume_reading()

    def _close(self) -> None:
        if self._transport is not None:
            # What is still buffered goes out first; a client that does not take it is cut off.
            self._enter(_Phase.CLOSING, self._deadlines.transfer_s)
            self._transport.close()
