"""What the service does without being asked: finish completions, time snapshots out, empty the bin, let rows go.

Each piece of work is a function that does a slice and says how much that was. Its thread calls it until nothing
is left, then sleeps until it is woken or its pause is over. Whatever fails is reported and tried again after a
pause; nothing here is needed for what was acknowledged to be safe, so all of it may die at any instant.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Final, Self

from neve.clock import Clock
from neve.domain.snapshots import Snapshot, SnapshotKey
from neve.errors import SnapshotNotFound, StoreError
from neve.events import (
    BackgroundFailed,
    BinEmptied,
    ClockSetForward,
    Report,
    RowsReaped,
    SnapshotSealed,
    SnapshotsTimedOut,
    trace_of,
)
from neve.server.retrying import Retry
from neve.server.ripening import ClockStep, ClockSteps, Ripening
from neve.storage.sealing import Sealer
from neve.stores.metadata.contract import MetadataStore

_RETRY_S: Final = 5.0
_SEAL_RETRY_S_MAX: Final = 600.0
"""The longest that a completion waits for its next try: what keeps it back may be put right at any time."""
_SEALER_PAUSE_S: Final = 5.0
"""Completions wake the sealers; this is only for those that failed before."""
_SEALERS: Final = 2
"""So that a small completion need not wait for a large one that came before it."""
_SLICE_ROWS: Final = 500
"""Rows taken away in one transaction: puts wait for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One piece of work and its rhythm."""

    name: str
    do_slice: Callable[[], int]
    """Do some; return how much was done, 0 if nothing was left. Called by one thread at a time."""
    pause_s: float
    wakes: bool = False
    """True if `Background.wake` is meant for it."""
    interrupt: Callable[[], None] | None = None
    """Makes a slice that is under way end soon, if it can take longer than a stop may wait."""


class Background:
    """Runs works until `stop`, each in a thread of its own."""

    def __init__(self, works: Sequence[Work], report: Report) -> None:
        self._report = report
        self._stopping = False
        self._works = [(work, Event()) for work in works]
        self._threads = [
            Thread(target=self._run, args=(work, waker), name=work.name, daemon=True)
            for work, waker in self._works
        ]

    def start(self) -> None:
        """Begin. What was left undone when the last process ended is taken up at once."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """A completion was accepted: look for it now."""
        for work, waker in self._works:
            if work.wakes:
                waker.set()

    def stop(self) -> None:
        """Return when every thread has finished its slice. Repeating it changes nothing."""
        self._stopping = True
        for work, waker in self._works:
            if work.interrupt is not None:
                work.interrupt()
            waker.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self, work: Work, waker: Event) -> None:
        while not self._stopping:
            waker.clear()
            waker.wait(self._pause_after(work))

    def _pause_after(self, work: Work) -> float:
        """Do all there is to do; return how long to sleep then."""
        try:
            while not self._stopping and work.do_slice():
                pass
        except Exception as error:  # noqa: BLE001 - a thread outlives any bug in its work, and says so
            self._report(failure(work.name, error))
            return _RETRY_S
        return 0 if self._stopping else work.pause_s


def failure(name: str, error: Exception) -> BackgroundFailed:
    """Return the event of a work that failed."""
    return BackgroundFailed(
        work=name,
        error=f"{type(error).__name__}: {error}",
        trace="" if isinstance(error, StoreError) else trace_of(error),
        retry_in_s=_RETRY_S,
    )


class SealingQueue:
    """Hands accepted completions to several sealers, each to one, and the failed ones not before the others."""

    def __init__(self, metadata: MetadataStore, sealer: Sealer, clock: Clock, report: Report) -> None:
        self._metadata = metadata
        self._sealer = sealer
        self._clock = clock
        self._report = report
        self._lock = Lock()
        self._taken: set[SnapshotKey] = set()
        self._retries: dict[SnapshotKey, Retry] = {}

    def seal_one(self) -> int:
        """Finish one completion; return 0 if there is none to take now."""
        snapshot = self._take()
        if snapshot is None:
            return 0
        try:
            self._sealer.seal(snapshot)
        except Exception as error:  # noqa: BLE001 - one that cannot be finished must not hold up the rest
            if self._sealer.interrupted:
                return 0
            told = failure(f"sealing {snapshot.snapshot_id}", error)
            self._report(replace(told, retry_in_s=self._put_off(snapshot.key)))
        else:
            with self._lock:
                self._retries.pop(snapshot.key, None)
            self._report_outcome(snapshot)
        finally:
            with self._lock:
                self._taken.discard(snapshot.key)
        return 1

    def interrupt(self) -> None:
        """Make completions under way give up soon: the next start takes them up again."""
        self._sealer.interrupt()

    def _put_off(self, key: SnapshotKey) -> float:
        """Let a completion wait, each time for longer; return how long."""
        with self._lock:
            retry = self._retries.get(key, Retry()).after_another(
                self._clock.monotonic_s(), wait_s_max=_SEAL_RETRY_S_MAX
            )
            self._retries[key] = retry
            return retry.wait_s

    def _take(self) -> Snapshot | None:
        with self._lock:
            waiting = self._metadata.sealing(limit=len(self._taken) + len(self._retries) + 1)
            keys = {snapshot.key for snapshot in waiting}
            self._retries = {key: retry for key, retry in self._retries.items() if key in keys}
            now_s = self._clock.monotonic_s()
            for snapshot in waiting:
                retry = self._retries.get(snapshot.key, Retry())
                if snapshot.key not in self._taken and retry.not_before_s <= now_s:
                    self._taken.add(snapshot.key)
                    return snapshot
        return None

    def _report_outcome(self, snapshot: Snapshot) -> None:
        try:
            sealed = self._metadata.snapshot(snapshot.account_id, snapshot.snapshot_id)
        except SnapshotNotFound:
            return
        self._report(
            SnapshotSealed(
                snapshot_id=sealed.snapshot_id, state=sealed.state, state_message=sealed.state_message
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """How often to look for what nobody announces."""

    expire_interval_s: float
    """Snapshots that wait for nobody any more, and those whose time in the recycle bin is over."""
    reap_interval_s: float
    client_token_age_s: int


def works(
    *,
    metadata: MetadataStore,
    sealing: SealingQueue,
    clock: Clock,
    ripening: Ripening,
    report: Report,
    rhythm: Rhythm,
) -> list[Work]:
    """Return everything a server does in the background. What nobody can take back waits for `ripening`."""
    steps = ClockSteps(clock)

    def expire() -> int:
        step = steps.take()
        if step is not None:
            _postpone(metadata, step, report)
        snapshot_ids = metadata.expire(now_ms=ripening.past_ms(), limit=_SLICE_ROWS)
        if snapshot_ids:
            report(SnapshotsTimedOut(snapshot_ids=tuple(snapshot_ids)))
        return len(snapshot_ids)

    def empty_bin() -> int:
        snapshot_ids = metadata.lifecycle.empty_bin(now_ms=ripening.past_ms(), limit=_SLICE_ROWS)
        if snapshot_ids:
            report(BinEmptied(snapshot_ids=tuple(snapshot_ids)))
        return len(snapshot_ids)

    def reap() -> int:
        count = metadata.reap(limit=_SLICE_ROWS)
        if count:
            report(RowsReaped(kind="block rows and holds", count=count))
        return count

    def forget_tokens() -> int:
        before_ms = ripening.past_ms() - rhythm.client_token_age_s * 1000
        count = metadata.forget_client_tokens(used_before_ms=before_ms, limit=_SLICE_ROWS)
        if count:
            report(RowsReaped(kind="client tokens", count=count))
        return count

    sealers = [
        Work(
            name=f"sealer-{number}",
            do_slice=sealing.seal_one,
            pause_s=_SEALER_PAUSE_S,
            wakes=True,
            interrupt=sealing.interrupt,
        )
        for number in range(_SEALERS)
    ]
    return [
        *sealers,
        Work(name="expire", do_slice=expire, pause_s=rhythm.expire_interval_s),
        Work(name="empty-bin", do_slice=empty_bin, pause_s=rhythm.expire_interval_s),
        Work(name="reap", do_slice=reap, pause_s=rhythm.reap_interval_s),
        Work(name="forget-tokens", do_slice=forget_tokens, pause_s=rhythm.reap_interval_s),
    ]


def _postpone(metadata: MetadataStore, step: ClockStep, report: Report) -> None:
    """Give the snapshots whose time ran out by nothing but a step of the clock their time anew."""
    count = 0
    while True:
        postponed = metadata.postpone(after_ms=step.from_ms, now_ms=step.to_ms, limit=_SLICE_ROWS)
        count += postponed
        if postponed < _SLICE_ROWS:
            break
    report(ClockSetForward(by_s=(step.to_ms - step.from_ms) / 1000, snapshots_postponed=count))
