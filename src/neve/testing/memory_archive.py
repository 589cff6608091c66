"""An archive in a dictionary, held to the same contract suite as the durable ones."""

import re
import threading
from collections.abc import Sequence

from neve.errors import ArchiveMissing, StoreError, StoreUnavailable
from neve.stores.archive.contract import NAME_PATTERN, OBJECT_BYTES_MAX

_NAME = re.compile(NAME_PATTERN, re.ASCII)


class MemoryArchiveStore:
    """`contract.ArchiveStore` until the process ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = False
        self._objects: dict[str, bytes] = {}
        self._failure: StoreError | None = None
        self.writes: list[str] = []
        """Names written, in order."""

    def write(self, name: str, content: bytes) -> None:
        with self._lock:
            self._check(name)
            assert len(content) <= OBJECT_BYTES_MAX
            if self._failure is not None:
                raise self._failure
            self._objects[name] = content
            self.writes.append(name)

    def read(self, name: str) -> bytes:
        with self._lock:
            self._check(name)
            if name not in self._objects:
                raise ArchiveMissing(f"the archive has no object {name}")
            return self._objects[name]

    def names(self, kind: str, *, after: str | None, limit: int) -> Sequence[str]:
        assert limit > 0
        with self._lock:
            self._check()
            found = [name.removeprefix(f"{kind}/") for name in self._objects if name.startswith(f"{kind}/")]
            return sorted(name for name in found if after is None or name > after)[:limit]

    def delete(self, name: str) -> None:
        with self._lock:
            self._check(name)
            if self._failure is not None:
                raise self._failure
            self._objects.pop(name, None)

    def close(self) -> None:
        self._closed = True

    def reopen(self) -> None:
        """Be open again, with all that was there: what a restart is to a durable store."""
        self._closed = False

    def fail(self, failure: StoreError | None) -> None:
        """Refuse every write and deletion with `failure`; None: no longer."""
        self._failure = failure

    def contents(self) -> dict[str, bytes]:
        """Return every object there is."""
        with self._lock:
            return dict(self._objects)

    def replace(self, name: str, content: bytes) -> None:
        """Put other bytes in the place of an object, as a bad disk would."""
        with self._lock:
            assert name in self._objects
            self._objects[name] = content

    def _check(self, name: str | None = None) -> None:
        if self._closed:
            raise StoreUnavailable("the archive is closed")
        assert name is None or _NAME.fullmatch(name) is not None
