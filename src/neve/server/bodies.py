"""What can go wrong with a request's body, and how many bytes of bodies may be held at once."""

from asyncio import Future
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Final

_BUFFERS_KEPT_MAX: Final = 32
"""As many as receive at once under a full load; a buffer is free again before its block is stored."""


class BodyFault(Enum):
    """Why a body could not be read."""

    ENDED_EARLY = "ended early"
    STALLED = "stalled"
    MALFORMED = "malformed"
    TOO_LONG = "too long"
    MADE_WAY = "made way"
    """It came too slowly while others waited for its room."""


class BodyFailed(Exception):
    """The body cannot be had; the connection closes after the answer."""

    def __init__(self, fault: BodyFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


class BlockBuffers:
    """Buffers of one block each, received into again and again. Safe from any thread.

    A new one costs more than what is received into it: its memory is cleared, and mapped page by page.
    """

    def __init__(self, block_bytes: int) -> None:
        self._block_bytes = block_bytes
        self._kept: list[bytearray] = []

    def take(self, length: int) -> bytearray:
        """Return a buffer of this length, with anything in it."""
        if length == self._block_bytes:
            with suppress(IndexError):
                return self._kept.pop()
        return bytearray(length)

    def give_back(self, buffer: bytearray) -> None:
        """Take a buffer that nobody looks at any more."""
        if len(buffer) == self._block_bytes and len(self._kept) < _BUFFERS_KEPT_MAX:
            self._kept.append(buffer)


class DirectBody:
    """A body of known length on its way from the socket into one buffer, past the parser.

    A block is half a MiB: each copy of it costs as much as all else the event loop does for a request.
    """

    def __init__(self, buffer: bytearray, beginning: bytes, whole: "Future[bytearray]") -> None:
        """`buffer` has the body's length; `beginning` is what came with the head, and there is more to come."""
        assert len(beginning) < len(buffer)
        self.whole = whole
        self._buffer = buffer
        self._buffer[: len(beginning)] = beginning
        self.rest = memoryview(self._buffer)[len(beginning) :]
        """Where the next bytes go; not one byte of the next request fits in."""

    @property
    def received_bytes(self) -> int:
        """How much of it has come."""
        return len(self._buffer) - len(self.rest)

    def received(self, size_bytes: int) -> bool:
        """Note that so many bytes of `rest` are filled; return True if that was the last of it."""
        self.rest = self.rest[size_bytes:]
        if self.rest:
            return False
        self.rest.release()
        if not self.whole.done():
            self.whole.set_result(self._buffer)
        return True

    def fail(self, failed: BodyFailed) -> None:
        """Let whoever waits for the body know that it will not come."""
        if not self.whole.done():
            self.whole.set_exception(failed)


class ByteBudget:
    """The bytes of bodies that may be in memory, of requests and answers. Belongs to the event loop: no lock."""

    def __init__(self, bytes_max: int) -> None:
        self._left = bytes_max
        self._on_shortage: Callable[[], None] = lambda: None

    def when_short(self, on_shortage: Callable[[], None]) -> None:
        """Have something called whenever there is not enough: it may see to it that there will be soon."""
        self._on_shortage = on_shortage

    def take(self, size_bytes: int) -> bool:
        """Take room for a body, before it is read. False, and nothing taken, if there is not enough."""
        if size_bytes > self._left:
            self._on_shortage()
            return False
        self._left -= size_bytes
        return True

    def owe(self, size_bytes: int) -> None:
        """Take room for what is in memory already, such as an answer: until it is given back, less is let in."""
        self._left -= size_bytes

    def give_back(self, size_bytes: int) -> None:
        """Give back what `take` took or `owe` owed."""
        self._left += size_bytes
