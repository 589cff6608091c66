"""What can go wrong with a request's body, and how many bytes of bodies may be held at once."""

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
