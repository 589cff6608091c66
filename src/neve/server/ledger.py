"""What upkeep last came to, for whoever asks how a store is: kept while the process lives, and no longer."""

from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True, slots=True, kw_only=True)
class LastCollection:
    """How the last collection that took something away, or was to, ended."""

    ended_ms: int
    summary: str
    """A sentence for a person."""
    failed: bool
    unexplained: int
    """Objects that no record explains."""


class Ledger:
    """Safe from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._collection: LastCollection | None = None

    @property
    def last_collection(self) -> LastCollection | None:
        """None if there was none since the process started."""
        with self._lock:
            return self._collection

    def note_collection(self, collection: LastCollection) -> None:
        """Remember how a collection ended, in the place of the one before it."""
        with self._lock:
            self._collection = collection
