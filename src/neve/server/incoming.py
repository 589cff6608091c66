"""What a connection and whoever handles its requests say to each other."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from neve.messages.http import RequestHead
from neve.server.bodies import BodyFailed, BodyFault
from neve.server.framing import Framed, Framing

ReadBody = Callable[[Framed, int], Awaitable[bytes | bytearray]]
"""Reads the body of a request, given the most bytes it may have. Raises BodyFailed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """How long a connection waits for what."""

    head_s: float
    transfer_s: float
    bytes_per_s_min: int
    keep_alive_s: float

    def for_transfer(self, size_bytes: int) -> float:
        """Return the time for a body of this size to come or go."""
        return self.transfer_s + size_bytes / self.bytes_per_s_min


class Incoming:
    """One request as the handler sees it: its head, and its body if asked for."""

    def __init__(self, request: Framed, read: ReadBody) -> None:
        self._request = request
        self._read = read

    @property
    def head(self) -> RequestHead:
        """The head, exactly as received."""
        return self._request.head

    @property
    def declared_bytes(self) -> int | None:
        """The body's size if the head tells it; None for a chunked body."""
        return None if self._request.framing is Framing.CHUNKED else self._request.length

    async def read_body(self, *, bytes_max: int) -> bytes | bytearray:
        """Return the whole body, holding little more than `bytes_max` bytes at any time.

        Raises:
            BodyFailed
        """
        if self._request.length > bytes_max:
            raise BodyFailed(BodyFault.TOO_LONG)
        return await self._read(self._request, bytes_max)
