"""Says that a database needs its log, so that a log that was taken away is missed.

SQLite finds the log (`-wal`) beside the database or takes it that there was nothing in it: what was acknowledged since
the last checkpoint would be gone, and nobody would hear of it. So while the log holds what the database has not,
`metadata.db-needs-log` lies beside both and says which state of the database that is: the time of its last change.

    commit ─▶ note      checkpoint ─▶ note anew      close ─▶ clear, durably, ─▶ the log is folded in and removed

No alarm is false. Only a checkpoint changes the database, and whoever removes the log (SQLite, ours or a stray tool's, when
the last connection is closed) has made one of everything in it: then the time is another, and the note is about nothing
that is there. So it is with a database that was brought back from a copy with means of SQLite's. A copy that keeps times
to the nanosecond (`cp -a`, `rsync -a`) is missed its log like the original. What cannot be noted (no room, no leave) is a
watch less, and no reason not to serve.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from neve.errors import StoreUnusable
from neve.stores.file_operations import FILE_MODE

LOG_SUFFIX: Final = "-wal"
SUFFIX: Final = "-needs-log"
_TEXT_BYTES_MAX: Final = 64


class LogWitness:
    """The note beside one database. For whoever holds the writer's lock."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._log = database.with_name(database.name + LOG_SUFFIX)
        self._note = database.with_name(database.name + SUFFIX)
        self._stands = False
        """Whether the note says how things are."""
        self._is_given_up = False

    def check(self) -> None:
        """Return if the log is there, or need not be. To be called before SQLite opens the database.

        Raises:
            StoreUnusable: it was taken away.
        """
        noted = self._read()
        if noted and noted == self._state() and not self._log.exists():
            raise StoreUnusable(
                f"{self._log} is missing, and what was written last is in it alone: the last process did not end by itself "
                f"and left it there. Bring it back to where {self._database} is. If it is gone for good, remove {self._note} "
                "to go on without it: what was acknowledged since the last checkpoint is lost then"
            )

    def note(self, *, database_changed: bool = False) -> None:
        """Note that the log has what the database has not; at once if it stands noted."""
        if self._is_given_up or (self._stands and not database_changed):
            return
        if not self._log_has_pages():
            return
        state = self._state()
        if state and self._write(state):
            self._stands = True
            return
        # A sync that failed is not tried again. A note about another state says nothing, so it may stay.
        self._is_given_up = True

    def clear(self) -> bool:
        """Take the note away, durably; return whether it is gone, so that the log may go."""
        try:
            self._note.unlink()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        self._stands = False
        try:
            self._sync_directory()
        except OSError:
            return False
        return True

    def _log_has_pages(self) -> bool:
        """Return whether there is anything in the log: who folds in an empty one does not change the database."""
        try:
            return self._log.stat().st_size > 0
        except OSError:
            return False

    def _state(self) -> str:
        try:
            found = self._database.stat()
        except OSError:
            return ""
        return f"{found.st_size} {found.st_mtime_ns}\n"

    def _read(self) -> str:
        try:
            with self._note.open("rb") as opened:
                return opened.read(_TEXT_BYTES_MAX).decode("ascii", "replace")
        except OSError:
            return ""

    def _write(self, state: str) -> bool:
        """Write the note in place: one that is torn by a power cut says nothing."""
        is_new = not self._note.exists()
        try:
            descriptor = os.open(
                self._note, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE
            )
        except OSError:
            return False
        try:
            os.pwrite(descriptor, state.encode("ascii"), 0)
            os.ftruncate(descriptor, len(state))
            os.fsync(descriptor)
            if is_new:
                self._sync_directory()
        except OSError:
            return False
        finally:
            with suppress(OSError):
                os.close(descriptor)
        return True

    def _sync_directory(self) -> None:
        descriptor = os.open(self._database.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
