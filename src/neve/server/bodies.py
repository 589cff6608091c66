"""What can go wrong with a request's body, and how many bytes of bodies may be held at once."""

from asyncio import Future
from enum import Enum


class BodyFault(Enum):
    """Why a body could not be read."""

    ENDED_EARLY = "ended early"
    STALLED = "stalled"
    MALFORMED = "malformed"
    TOO_LONG = "too long"


class BodyFailed(Exception):
    """The body cannot be had; the connection closes after the answer."""

    def __init__(self, fault: BodyFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


class DirectBody:
    """A body of known length on its way from the socket to where it belongs, copied by nobody.

    A block is half a MiB: each copy of it costs more than everything the event loop does for a request.
    """

    def __init__(self, length: int, beginning: bytes, whole: "Future[bytearray]") -> None:
        """`beginning` is what came with the head; there is more to come."""
        assert len(beginning) < length
        self.whole = whole
        self._buffer = bytearray(length)
        self._buffer[: len(beginning)] = beginning
        self.rest = memoryview(self._buffer)[len(beginning) :]
        """Where the next bytes go; not one byte of the next request fits in."""

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
    """The bytes of bodies that may be in memory. Belongs to the event loop: no lock."""

    def __init__(self, bytes_max: int) -> None:
        self._left = bytes_max

    def take(self, size_bytes: int) -> bool:
        """Take room for a body, before it is read. False, and nothing taken, if there is not enough."""
        if size_bytes > self._left:
            return False
        self._left -= size_bytes
        return True

    def give_back(self, size_bytes: int) -> None:
        """Give back what `take` took."""
        self._left += size_bytes
