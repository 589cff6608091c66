"""What the steps of one collection have in common: whose turn it is, how far it is, and that nobody waits for it long."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import Final

from neve.clock import Clock
from neve.storage.collection.report import Tally
from neve.storage.progress import Check, OnProgress, Progress, Unit
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.contract_collection import Epoch

_PAUSE_S_MAX: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One collection. For one thread."""

    metadata: MetadataStore
    epoch: Epoch | None
    """None for a dry run, which takes nothing away and ends nobody else's collection."""
    clock: Clock
    tally: Tally
    on_progress: OnProgress
    check: Check
    _never: Event = field(default_factory=Event)

    @property
    def own_epoch(self) -> Epoch:
        assert self.epoch is not None, "a dry run takes nothing away"
        return self.epoch

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run one small transaction, then leave the store to others for as long as that took.

        Without the pause a loop of transactions would take the store's one place for writers again before whoever
        waits for it wakes up.
        """
        began_s = self.clock.monotonic_s()
        yield
        took_s = self.clock.monotonic_s() - began_s
        if took_s > 0:
            self._never.wait(min(took_s, _PAUSE_S_MAX))

    def demand_epoch(self) -> None:
        """Return if nobody began since: what seems to be wrong would be another collection's work, and right.

        Raises:
            EpochLost
        """
        if self.epoch is not None:
            self.metadata.collection.condemn(
                self.epoch, (), now_ms=0
            )  # condemns nothing, and demands the epoch

    def tell(self, phase: str, done: int, total: int, unit: Unit) -> None:
        """Say how far a phase is, and end here if the collection is to end."""
        self.check()
        self.on_progress(Progress(phase=phase, done=done, total=total, unit=unit))
