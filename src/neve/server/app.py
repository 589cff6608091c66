"""What the server does with a request: who waits where, and for what.

    head ─▶ admit ─▶ room in the byte budget? ─▶ body ─▶ answer
            loop                                socket   thread

The event loop moves bytes, decides who goes next, and sees who is asking: a signature and one look-up by key, a
fifth of a millisecond, which is less than it costs to hand them to a thread and back. Everything else is blocking
work in a fixed number of threads. No thread ever waits for a client, so that slow clients cost memory at most,
and that is what the budget bounds.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import msgspec

from neve.clock import Clock, Entropy
from neve.errors import Overloaded
from neve.events import ConnectionRefused, Report
from neve.messages.http import Response
from neve.processors import Processors
from neve.server.bodies import BlockBuffers, BodyFailed, ByteBudget
from neve.server.framing import Malformed
from neve.server.incoming import Incoming
from neve.server.pipeline import Exchange, Pipeline, dated
from neve.server.threads import Threads

_ALIVE_PATH: Final = "/healthz"
_READY_PATH: Final = "/readyz"
_REFUSAL_CODES: Final = {
    408: "RequestTimeoutException",
    503: "ServiceUnavailable",
}
_TURNS_TO_GIVE_BACK: Final = 4
"""Of the event loop: one for the body to fail, one for its request to hear of it, and some to spare."""
_MALFORMED: Final = "MalformedHttpRequestException"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much is worked on at once."""

    request_threads: int
    body_bytes_in_flight_max: int


class App:
    """Answers what connections bring. Made and closed while its event loop runs."""

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        unready_reason: Callable[[], str],
        bounds: Bounds,
        processors: Processors,
        clock: Clock,
        entropy: Entropy,
        report: Report,
    ) -> None:
        self._pipeline = pipeline
        self._unready_reason = unready_reason
        self._processors = processors
        self._clock = clock
        self._entropy = entropy
        self._report = report
        self.buffers = BlockBuffers(pipeline.context.limits.block_bytes)
        """What bodies are received into: for the connections."""
        self.budget = ByteBudget(bounds.body_bytes_in_flight_max)
        """What bodies in memory are taken from: for the connections, which hold answers until they are read."""
        self._threads = Threads(bounds.request_threads, "request")
        # Whether we are ready is found out in a thread of its own, so that a full house still answers.
        self._ready_asker = Threads(1, "ready")
        self.stopping = False

    async def handle(self, incoming: Incoming) -> Response:
        """Answer one request. Never raises."""
        if incoming.head.raw_path in {_ALIVE_PATH, _READY_PATH} and incoming.head.method in {"GET", "HEAD"}:
            return await self._health(incoming.head.raw_path)
        exchange = self._pipeline.begin(incoming.head)
        return exchange.admit() or await self._with_body(exchange, incoming)

    def refuse_malformed(self, peer: str, malformed: Malformed) -> Response:
        """Return the answer to what is no request we take."""
        self._report(ConnectionRefused(peer=peer, status=malformed.status, why=str(malformed)))
        body = msgspec.json.encode({"message": f"The request cannot be read: {malformed}."})
        headers = [
            ("x-amzn-ErrorType", _REFUSAL_CODES.get(malformed.status, _MALFORMED)),
            *([("Retry-After", "1")] if malformed.status == 503 else []),
        ]
        return self._json(malformed.status, body, headers)

    async def close(self) -> None:
        """Return when every thread has finished what it was doing: that is left whole, whoever waits for it."""
        await asyncio.to_thread(self._threads.close)
        await asyncio.to_thread(self._ready_asker.close)

    async def _with_body(self, exchange: Exchange, incoming: Incoming) -> Response:
        bytes_max = exchange.body_bytes_max
        declared = incoming.declared_bytes
        room = bytes_max if declared is None else min(declared, bytes_max)
        if not self.budget.take(room) and not await self._take_again(room):
            return exchange.refuse(Overloaded("the request bodies in memory are as many as they may be"))
        try:
            body = await incoming.read_body(bytes_max=bytes_max)
            return await self._threads.run(self._answer, exchange, body)
        except BodyFailed as failed:
            return exchange.fail_body(failed.fault)
        finally:
            self.budget.give_back(room)

    async def _take_again(self, room: int) -> bool:
        """Take room that somebody slow has just been made to give up, once it is given back."""
        for _ in range(_TURNS_TO_GIVE_BACK):
            await asyncio.sleep(0)
        return self.budget.take(room)

    def _answer(self, exchange: Exchange, body: bytes | bytearray) -> Response:
        """In a thread: make the body immutable, let its buffer go, and go on."""
        with self._processors.computing():
            content = bytes(body)
            if isinstance(body, bytearray):
                self.buffers.give_back(body)
            return exchange.answer(content)

    async def _health(self, path: str) -> Response:
        reason = ""
        if path == _READY_PATH:
            reason = "stopping"
            if not self.stopping:
                reason = await self._ready_asker.run(self._unready_reason)
        answer = {"status": "unavailable", "reason": reason} if reason else {"status": "ok"}
        return self._json(503 if reason else 200, msgspec.json.encode(answer), [])

    def _json(self, status: int, body: bytes, headers: list[tuple[str, str]]) -> Response:
        common = [
            ("x-amzn-RequestId", str(UUID(bytes=self._entropy.take(16), version=4))),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
        ]
        response = Response(status=status, headers=[*common, *headers], body=body)
        return dated(response, self._clock.now_ms())
