"""The client without disks, network or waiting: sources and targets in memory, and pauses that take no time."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from neve.client.api import EbsApi
from neve.client.context import ClientContext
from neve.client.digest_maps import DigestMaps
from neve.client.engine import Engine
from neve.client.progress import Meter
from neve.clock import Clock
from neve.limits import TINY, Limits
from neve.testing.time_and_chance import ManualClock, SeededEntropy

_ENTROPY = SeededEntropy()
"""One for all clients of a process: two that drew the same client token would share a snapshot."""


def client_over(
    api: EbsApi,
    folder: Path,
    *,
    workers: int = 4,
    limits: Limits = TINY,
    clock: Clock | None = None,
    told: list[str] | None = None,
) -> ClientContext:
    """Return a client of `api` whose retries wait no time; digest maps lie in `folder`.

    With a `ManualClock` (the default), a pause moves the clock instead.
    """
    ours = clock or ManualClock()
    sentences = told if told is not None else []

    def pause(stop: threading.Event, seconds: float) -> None:
        if isinstance(ours, ManualClock) and not stop.is_set():
            ours.advance(seconds=seconds)

    return ClientContext(
        api=api,
        engine=Engine(workers=workers, clock=ours, entropy=_ENTROPY, pause=pause),
        maps=DigestMaps(folder, api.endpoint, _ENTROPY),
        limits=limits,
        meter=Meter(),
        tell=sentences.append,
    )


class MemorySource:
    """A `Source` of given content; `extents` says where it admits to have data (default: everywhere)."""

    name = "memory.img"

    def __init__(self, content: bytes, extents: Sequence[tuple[int, int]] | None = None) -> None:
        self.content = content
        self.size_bytes = len(content)
        self.reads: list[int] = []
        self._extents = [(0, len(content))] if extents is None else list(extents)

    def extents(self) -> Iterator[tuple[int, int]]:
        return iter(self._extents)

    def read_block(self, offset: int, block_bytes: int) -> bytes:
        self.reads.append(offset)
        return self.content[offset : offset + block_bytes].ljust(block_bytes, b"\0")


class MemoryTarget:
    """A `Target` that starts full of rubbish, so that what nobody wrote shows."""

    def __init__(
        self, volume_bytes: int, *, in_order: bool = False, capacity_bytes: int | None = None
    ) -> None:
        self.in_order = in_order
        self.capacity_bytes = volume_bytes if capacity_bytes is None else capacity_bytes
        self.content = bytearray(b"?" * self.capacity_bytes)
        self.outcome = ""
        self._end = 0

    def prepare(self) -> None:
        """Do nothing: it is there."""

    def write(self, offset: int, data: bytes) -> None:
        """Put data at its place; in order, only where the last one ended."""
        assert not self.outcome, "written after the end"
        if self.in_order:
            assert offset == self._end, "out of order"
        self._end = offset + len(data)
        room = max(0, self.capacity_bytes - offset)
        assert not any(data[room:]), "data behind the end"
        self.content[offset : offset + len(data[:room])] = data[:room]

    def zero(self, start: int, end: int) -> None:
        """Write zeros."""
        self.write(start, bytes(end - start))

    def commit(self) -> None:
        """Note that the transfer is whole."""
        self.outcome = "committed"

    def discard(self) -> None:
        """Note that it is not."""
        self.outcome = "discarded"
