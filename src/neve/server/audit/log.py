"""The audit log of a running store: many threads bring lines, one thread writes them.

    write_durably ─▶ queue ─▶ [ append ─▶ sync ─▶ wake who waits ] ─▶ seal the head, once a second
    write         ─▶ queue ─▶ [ append             sync within a second ]

As with blocks there are no timers before a sync: while one is on its way, lines gather for the next, and many callers
share it. When lines cannot be written, those who wait are told so, and the lines stay, in bounded memory, until they
can: `require_room` is how callers find out before they change anything that could not be written down.
"""

from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Condition, Lock, Thread
from types import TracebackType
from typing import Final, Self

from neve import limits
from neve.clock import Clock
from neve.domain.audit import Lived, Record, Unwritten, encoded, time_text
from neve.errors import StoreFull, StoreUnavailable
from neve.events import (
    AuditHead,
    AuditLogDamaged,
    AuditLogFailed,
    AuditLogResumed,
    Report,
    trace_of,
)
from neve.stores.audit.folder import file_name
from neve.stores.audit.writer import AuditWriter

SYNC_S: Final = 1.0
"""How long a line that nobody waits for may be written and not synced, and how long a head may be behind."""
_RETRY_S: Final = 1.0
_HEAD_TOLD_S: Final = 3600.0
"""How often the head is told to the server's own log."""
_WAITING_BYTES_MAX: Final = 16 * limits.MIB
"""Lines in memory, after which nobody may bring more but those who are at work already."""
_FREE_BYTES_MIN: Final = 4 * limits.MIB
"""Less room than this counts as none: what is at work must still find room for its lines."""
_BATCH_LINES_MAX: Final = 1024
LOG_FAILED: Final = "log failed"
UNPROVEN: Final = "unproven"
"""Why a call has no line of its own: see `domain.audit.Unwritten`."""
_COUNTED_S: Final = {LOG_FAILED: 1.0, UNPROVEN: 60.0}
"""After how long one line says how many they were."""


@dataclass(slots=True, eq=False)
class _Entry:
    """One record on its way."""

    content: bytes
    waited_for: bool = False
    """Whether somebody waits for the outcome, and nobody told them yet."""
    error: str = ""
    done: Lock = field(default_factory=Lock)
    """Held until there is an outcome: a lock wakes its one waiter faster than an event does."""

    def wait(self) -> str:
        """Return what went wrong, when it is known; nothing if the line is safe."""
        self.done.acquire()
        return self.error

    def tell(self, error: str = "") -> None:
        """Wake who waits."""
        if self.waited_for:
            self.waited_for = False
            self.error = error
            self.done.release()


class AuditLog:
    """Takes records; see the module's text. Safe from any thread. It owns its writer."""

    def __init__(self, writer: AuditWriter, *, clock: Clock, report: Report) -> None:
        self._writer = writer
        self._clock = clock
        self._report = report
        self._arrived = Condition(Lock())
        self._waiting: deque[_Entry] = deque()
        self._bytes = 0
        self._unwritten: dict[str, tuple[int, float, int]] = {}
        """Why calls got no line: since when, by both clocks, and how many."""
        self._failure = ""
        self._is_used = False
        """True once a line came that says more than that a server was started."""
        self._narrow = False
        """True if there was too little room when somebody looked last."""
        self._closed = False
        # What follows is the thread's own.
        self._pending: list[_Entry] = []
        self._unsynced: list[_Entry] = []
        self._unsynced_since_s = 0.0
        self._sealed = writer.synced.mark
        self._sealed_s = clock.monotonic_s()
        self._told_s = -_HEAD_TOLD_S
        if writer.found.damage:
            report(AuditLogDamaged(error=writer.found.damage))
        self._thread = Thread(target=self._work, name="audit", daemon=True)
        self._thread.start()

    # --- what callers call

    def require_room(self) -> None:
        """Return if a line would be written now.

        Raises:
            StoreFull, StoreUnavailable: it would not: change nothing.
        """
        self.require_open()
        try:
            self._narrow = self._writer.free_bytes() < _FREE_BYTES_MIN
        except OSError as error:
            raise StoreUnavailable(f"the audit log cannot be written: {error}") from error
        if self._narrow:
            raise StoreFull("there is no room for the audit log")

    def require_open(self) -> None:
        """Return if lines are being written and there are not too many to be. Does no I/O.

        Raises:
            StoreUnavailable
        """
        if self._failure or self._closed:
            raise StoreUnavailable(f"the audit log cannot be written: {self._failure or 'it is closed'}")
        if self._bytes > _WAITING_BYTES_MAX:
            raise StoreUnavailable("the audit log cannot be written as fast as its lines come")

    def write(self, record: Record) -> None:
        """Have a line written soon and synced within a second. Never waits; counts the line if it cannot be taken."""
        try:
            if self._narrow:
                self.require_room()
            self.require_open()
            self._submit(record, _Entry(encoded(record)))
        except StoreUnavailable:
            self.count_unwritten(LOG_FAILED)

    def write_durably(self, record: Record) -> None:
        """Return when the record's line cannot be lost any more.

        Raises:
            StoreUnavailable: it could not be written yet; it will be if that becomes possible before the server stops.
        """
        entry = _Entry(encoded(record), waited_for=True)
        entry.done.acquire()
        self._submit(record, entry)
        if error := entry.wait():
            raise StoreUnavailable(f"the audit log cannot be written: {error}")

    def count_unwritten(self, why: str) -> None:
        """Count a call that gets no line: one line will say how many there were."""
        with self._arrived:
            now = (self._clock.now_ms(), self._clock.monotonic_s(), 0)
            since_ms, since_s, count = self._unwritten.get(why, now)
            self._unwritten[why] = (since_ms, since_s, count + 1)
            if count == 0:
                self._arrived.notify()

    def close(self) -> None:
        """Write what waits, seal the head, and stop. Repeating it changes nothing."""
        with self._arrived:
            self._closed = True
            self._arrived.notify()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _submit(self, record: Record, entry: _Entry) -> None:
        with self._arrived:
            if self._closed:
                raise StoreUnavailable("the audit log is closed")
            self._is_used = self._is_used or not isinstance(record, Lived)
            self._waiting.append(entry)
            self._bytes += len(entry.content)
            self._arrived.notify()

    # --- the thread

    def _work(self) -> None:
        closing = False
        while not closing:
            closing = self._gather()
            try:
                self._write_and_sync(closing=closing)
            except Exception as error:  # noqa: BLE001 - the thread must outlive any failure, and say what it was
                self._fail(error)
                continue
            try:
                self._seal_if_due(closing=closing)
            except Exception as error:  # noqa: BLE001 - as above
                # The lines are where they should be: only the head is behind.
                self._fail(error, lines_are_safe=True)
        self._writer.close()
        if self._pending:
            self._report(AuditLogFailed(error=self._failure, lines_lost=len(self._pending)))
        elif self._is_used:
            self._tell_head()

    def _gather(self) -> bool:
        """Wait for something to do and take the lines that wait; return whether this is the last time."""
        with self._arrived:
            if self._failure:
                self._arrived.wait_for(lambda: self._closed, timeout=_RETRY_S)
            elif not self._waiting and not self._closed:
                self._arrived.wait(self._pause_s())
            while self._waiting and len(self._pending) < _BATCH_LINES_MAX:
                self._pending.append(self._waiting.popleft())
            self._pending += self._counted(closing=self._closed)
            return self._closed and not self._waiting

    def _pause_s(self) -> float | None:
        """Return how long there is nothing to do if nobody brings a line; None for ever."""
        due_s = [since_s + _COUNTED_S[why] for why, (_, since_s, _) in self._unwritten.items()]
        if self._narrow:
            due_s = [self._clock.monotonic_s() + _RETRY_S] if due_s else []
        if self._unsynced:
            due_s.append(self._unsynced_since_s + SYNC_S)
        elif self._writer.synced.mark != self._sealed:
            due_s.append(self._sealed_s + SYNC_S)
        return max(0.0, min(due_s) - self._clock.monotonic_s()) if due_s else None

    def _counted(self, *, closing: bool) -> list[_Entry]:
        """Return lines that say how many calls got none, if it is time for them."""
        if not closing and (self._failure or self._has_no_room()):
            return []
        now_ms, now_s = self._clock.now_ms(), self._clock.monotonic_s()
        due = [
            why
            for why, (_, since_s, _) in self._unwritten.items()
            if closing or now_s - since_s >= _COUNTED_S[why]
        ]
        entries = []
        for why in due:
            since_ms, _, count = self._unwritten.pop(why)
            record = Unwritten(time=time_text(now_ms), since=time_text(since_ms), count=count, why=why)
            entries.append(_Entry(encoded(record)))
            self._bytes += len(entries[-1].content)
        return entries

    def _has_no_room(self) -> bool:
        """Look again whether there is room, if there was none."""
        if self._narrow:
            with suppress(OSError):
                self._narrow = self._writer.free_bytes() < _FREE_BYTES_MIN
        return self._narrow

    def _write_and_sync(self, *, closing: bool) -> None:
        now_s = self._clock.monotonic_s()
        if self._pending or self._failure:
            self._writer.append([entry.content for entry in self._pending])
            if not self._unsynced:
                self._unsynced_since_s = now_s
            self._unsynced += self._pending
            self._pending = []
        waited_for = any(entry.waited_for for entry in self._unsynced)
        overdue = bool(self._unsynced) and now_s - self._unsynced_since_s >= SYNC_S
        if waited_for or overdue or closing or self._failure:
            self._writer.sync()
            synced, self._unsynced = self._unsynced, []
            with self._arrived:
                self._bytes -= sum(len(entry.content) for entry in synced)
            for entry in synced:
                entry.tell()

    def _seal_if_due(self, *, closing: bool) -> None:
        now_s = self._clock.monotonic_s()
        due = closing or self._failure or now_s - self._sealed_s >= SYNC_S
        if due and self._writer.synced.mark != self._sealed:
            self._writer.seal()
            self._sealed, self._sealed_s = self._writer.synced.mark, now_s
            if self._is_used and now_s - self._told_s >= _HEAD_TOLD_S and not closing:
                self._told_s = now_s
                self._tell_head()
        if self._failure:
            self._failure = ""
            self._report(AuditLogResumed())

    def _fail(self, error: Exception, *, lines_are_safe: bool = False) -> None:
        """Tell everybody who waits; keep the lines for the next attempt."""
        said = f"{type(error).__name__}: {error}"
        if not lines_are_safe:
            self._writer.give_up()
            self._pending = self._unsynced + self._pending
            self._unsynced = []
        with self._arrived:
            begins, self._failure = not self._failure, said
            # Nobody may wait for a line that waits behind others.
            self._pending += self._waiting
            self._waiting.clear()
        for entry in self._pending:
            entry.tell(said)
        if begins:
            trace = "" if isinstance(error, OSError) else trace_of(error)
            self._report(AuditLogFailed(error=said, trace=trace))

    def _tell_head(self) -> None:
        end = self._writer.synced
        self._report(AuditHead(sequence=end.mark.sequence, mac=end.mark.mac, file=file_name(end.number)))
