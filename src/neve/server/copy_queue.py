"""Whose turn it is among the copies under way: each gets one step, then the next one.

So a small copy need not wait for a large one, and one that cannot go on now (its key is disabled, its key provider does
not answer) holds up nobody: it is tried again after a pause that grows, and every time an event says why.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from neve.clock import Clock
from neve.domain.snapshots import SnapshotKey
from neve.events import CopyFailed, Report, SnapshotCopied
from neve.server.background import Work, failure
from neve.server.retrying import Retry
from neve.storage.copying import Advance, Copier, Step
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.contract_lifecycle import Copy

_PAUSE_S: Final = 5.0
"""Copies that begin wake the copier; this is for those that wait for their next try."""
_RETRY_S_MAX: Final = 300.0
_READ_AT_ONCE: Final = 20


class CopyQueue:
    """Takes copies further, one step of one copy at a time. For one thread."""

    def __init__(
        self,
        *,
        metadata: MetadataStore,
        copier: Copier,
        clock: Clock,
        report: Report,
        on_copied: Callable[[], None],
    ) -> None:
        """`on_copied` is called when a copy has all its blocks, and waits for its block map."""
        self._metadata = metadata
        self._copier = copier
        self._clock = clock
        self._report = report
        self._on_copied = on_copied
        self._last: SnapshotKey | None = None
        self._retries: dict[SnapshotKey, Retry] = {}

    def work(self) -> Work:
        """Return this as a piece of background work."""
        return Work(
            name="copier",
            do_slice=self.advance_one,
            pause_s=_PAUSE_S,
            wakes=True,
            interrupt=self._copier.interrupt,
        )

    def advance_one(self) -> int:
        """Take the next copy one step further; return 0 if there is none that can be."""
        copy = self._next()
        if copy is None:
            return 0
        key = copy.snapshot.key
        try:
            advance = self._copier.advance(copy)
        except Exception as error:  # noqa: BLE001 - one that cannot go on must not hold up the rest
            if self._copier.interrupted:
                return 0
            retry = self._retries.get(key, Retry()).after_another(
                self._clock.monotonic_s(), wait_s_max=_RETRY_S_MAX
            )
            self._retries[key] = retry
            told = failure(f"copying {copy.source_id} to {copy.snapshot.snapshot_id}", error)
            self._report(replace(told, retry_in_s=retry.wait_s))
        else:
            self._retries.pop(key, None)
            self._tell(copy, advance)
        return 1

    def _next(self) -> Copy | None:
        """Return the first copy after the one that had its turn last, then from the beginning, that need not wait."""
        now_s = self._clock.monotonic_s()
        for begin in (self._last, None):
            after = begin
            while copies := self._metadata.lifecycle.copies(after=after, limit=_READ_AT_ONCE):
                for copy in copies:
                    retry = self._retries.get(copy.snapshot.key)
                    if retry is None or retry.not_before_s <= now_s:
                        self._last = copy.snapshot.key
                        return copy
                after = copies[-1].snapshot.key
        return None

    def _tell(self, copy: Copy, advance: Advance) -> None:
        if advance.step is Step.FINISHED:
            self._report(
                SnapshotCopied(
                    snapshot_id=copy.snapshot.snapshot_id,
                    source_id=copy.source_id,
                    principal=copy.principal_arn,
                    copied_blocks=copy.copied_count,
                )
            )
            self._on_copied()
        elif advance.step is Step.FAILED:
            self._report(
                CopyFailed(
                    snapshot_id=copy.snapshot.snapshot_id,
                    source_id=copy.source_id,
                    principal=copy.principal_arn,
                    state_message=advance.message,
                    error=advance.error,
                )
            )
