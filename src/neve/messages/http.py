"""HTTP as values: what the shell hands to the pure layers and what it gets back."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHead:
    """The head of one request, exactly as it came in: signatures are made over these characters."""

    method: str
    raw_target: str
    """Path and query as received, percent-encoding untouched."""
    headers: Sequence[tuple[str, str]] = field(repr=False)
    """Names and values as received, in their order, repetitions included."""
    peer: str = ""
    """The client's address, for the log."""

    @property
    def raw_path(self) -> str:
        """The target up to the first question mark."""
        return self.raw_target.partition("?")[0]

    @property
    def raw_query(self) -> str:
        """The target behind the first question mark, without it."""
        return self.raw_target.partition("?")[2]

    def values(self, name: str) -> list[str]:
        """Return every value of a header, by its lower-case name, in order."""
        return [value for key, value in self.headers if key.lower() == name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One answer, whole: our largest body is one block."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes = field(repr=False, default=b"")
