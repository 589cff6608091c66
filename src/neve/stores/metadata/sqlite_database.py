"""One SQLite database: its connections, its transactions, and what its failures mean.

    writing()   the one writer connection, behind a lock; BEGIN IMMEDIATE … COMMIT, then perhaps a checkpoint
    reading()   one of a few reader connections, which see the last commit and wait for nobody

Durability is WAL with synchronous=FULL: the log is synced at every commit, so a commit that returned outlives a
power cut (NORMAL would lose it). The directory is synced once the files are there. Only the writer checkpoints:
two connections doing so at once is how SQLite up to 3.51.2 could corrupt a database, which is also why an older
library is refused. What is removed is overwritten (secure_delete): a destroyed key shall not lie in a free page.
Memory-mapped reads stay off: an I/O error would be a signal instead of an exception.

A log that somebody left is written over itself before anything is added to it. They may have died of a sync that failed:
then its end is read from memory, lies on no medium, and what comes behind it would be lost with it.
A full disk and one that takes no writes (`sqlite_access`) do not keep anybody from reading. A log that was taken away
(`log_witness`) keeps everybody out.

It knows no table. Everything apsw raises ends here, in `translated`.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeGuard

import apsw

from neve.errors import InvariantError, NeveError, StoreFull, StoreUnavailable, StoreUnusable
from neve.stores.file_operations import FileOperations, SystemFileOperations
from neve.stores.metadata.log_witness import LOG_SUFFIX, LogWitness
from neve.stores.metadata.session import Row, Session, Value
from neve.stores.metadata.sqlite_access import Access, connect, lacks_shared_memory, takes_no_writes

OLDEST_LIBRARY: Final = (3, 51, 3)
"""The first release without the WAL-reset corruption bug."""

APPLICATION_ID: Final = int.from_bytes(b"neve")
"""Stands in the database's header, so that `file` and we know whose it is."""

READERS_MAX: Final = 4
"""Reader connections. Reads are short and mostly served from the page cache; two cores gain nothing from more."""

SYSTEM_FILES: Final = SystemFileOperations()

_BUSY_TIMEOUT_MS: Final = 5_000
"""One process owns the store, so only a stray tool that looks into the database can make anybody wait."""
_WRITER_CACHE_KIB: Final = 16 * 1024
_READER_CACHE_KIB: Final = 2 * 1024
_STEPS_BETWEEN_CHECKS: Final = 100_000
"""Of SQLite's machine: a few milliseconds."""
_CHECKPOINT_FRAMES: Final = 2_000
"""Log frames (pages of 4 KiB) between checkpoints: 8 MiB, so that a page changed by several commits is copied once."""
_RESTART_FRAMES: Final = 16 * _CHECKPOINT_FRAMES
"""From here on a checkpoint waits for readers, briefly, so that the log can begin anew: 128 MiB."""
_RESTART_TIMEOUT_MS: Final = 100
_LOG_PIECE_BYTES: Final = 64 * 1024
"""SQLite's own file system takes less than 128 KiB at a time."""
_LOG_BYTES_KEPT: Final = 64 * 1024 * 1024
"""A log that had to grow beyond this is cut back when it begins anew."""


def check_library(version: str) -> None:
    """Return if this SQLite is one to trust with a store.

    Raises:
        StoreUnusable
    """
    if tuple(int(part) for part in version.split(".")[:3]) < OLDEST_LIBRARY:
        oldest = ".".join(str(part) for part in OLDEST_LIBRARY)
        raise StoreUnusable(
            f"SQLite {version} may corrupt a database in WAL mode: install an apsw with SQLite {oldest} or newer"
        )


def translated(error: apsw.Error | OSError | ValueError) -> NeveError:
    """Return what a driver's failure means to us. The one place that decides it."""
    sentence = f"{type(error).__name__}: {error}"
    match error:
        case apsw.FullError():
            return StoreFull(f"no room for the metadata ({sentence})")
        case apsw.CorruptError() | apsw.NotADBError() | apsw.FormatError():
            return StoreUnusable(
                f"the metadata is damaged, or was read wrongly this time ({sentence}): stop the server, check the disk, start it "
                "again, and if it says the same then, bring back a copy of the database"
            )
        case ValueError():
            return StoreUnusable(
                f"the metadata has a value that nobody writes there ({sentence}): it was altered, by a failing disk, say; "
                "bring back a copy of the database, or make it anew"
            )
        case apsw.SQLError():
            return StoreUnusable(f"the metadata is not what its version says ({sentence}): it was altered")
        case apsw.ConstraintError() | apsw.MismatchError():
            return InvariantError(f"the metadata refused a record that only a bug can make ({sentence})")
        case _:
            return StoreUnavailable(f"the metadata cannot be reached ({sentence})")


def _is_of_a_record(error: BaseException) -> TypeGuard[ValueError]:
    """Return whether an error says that a value in the database is none that stands there.

    Text that cannot be encoded was on its way in: whoever brought it has a bug.
    """
    return isinstance(error, ValueError) and not isinstance(error, UnicodeEncodeError)


class SqliteSession:
    """One open transaction on one connection."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    @property
    def connection(self) -> apsw.Connection:
        """What a copy of the database is made from; nothing else needs it."""
        return self._connection

    def rows(self, statement: str, values: Sequence[Value] = ()) -> list[Row]:
        return self._connection.execute(statement, values).fetchall()

    def rows_of_each(self, statement: str, many: Iterable[Sequence[Value]]) -> list[Row]:
        return self._connection.executemany(statement, many).fetchall()

    def flaws(self, check: Callable[[], None], *, limit: int) -> Sequence[str]:
        """Return what SQLite finds wrong with the database, in up to `limit` sentences; `check` is called often."""

        def go_on() -> bool:
            check()
            return False

        self._connection.set_progress_handler(go_on, _STEPS_BETWEEN_CHECKS)
        try:
            found = [text for (text,) in self.rows(f"PRAGMA integrity_check({limit})") if text != "ok"]
            dangling = self.rows("SELECT * FROM pragma_foreign_key_check LIMIT ?", (limit,))
        finally:
            self._connection.set_progress_handler(None)
        found += [
            f"row {row} of {table} names a row of {parent} that is not there"
            for table, row, parent, _ in dangling
        ]
        return found[:limit]


class SqliteDatabase:
    """The connections to one database file. Safe from any thread."""

    def __init__(
        self,
        path: Path,
        *,
        readers_max: int = READERS_MAX,
        vfs: str | None = None,
        files: FileOperations = SYSTEM_FILES,
    ) -> None:
        """Open the database file, which must be there; an empty one will do.

        `vfs` names another SQLite file system than the platform's and `files` does what SQLite leaves to us;
        tests put faults into both.

        Raises:
            StoreUnusable: it is missing, damaged, somebody else's, its log was taken away, or this SQLite is too old.
            StoreUnavailable: it could not be read or written this time.
        """
        check_library(apsw.sqlite_lib_version())
        self._path = path
        self._vfs = vfs
        self._lock = threading.Lock()
        self._closed = False
        self._log_frames = 0
        self._log_frames_seen = 0
        self._log_grew = False
        self._log_is_sound = False
        self._sheds_log = False
        self._readers_max = readers_max
        self._reader_slots = threading.Semaphore(readers_max)
        self._idle_readers: list[apsw.Connection] = []
        if not path.exists():
            raise StoreUnusable(
                f"there is no metadata at {path}: if there was a store here, bring its database back from a copy, "
                "or make it again with `neve rebuild`"
            )
        self._witness = LogWitness(path)
        self._witness.check()
        self._access = Access.READ_ONLY if vfs is None and takes_no_writes(path) else Access.SHARED
        self._writer = self._open_first()
        sync_directory(path.parent, files)

    @property
    def is_read_only(self) -> bool:
        """True if nothing could be written where the database lies when it was opened: nothing will be."""
        return self._access is Access.READ_ONLY

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Run the block in a transaction of its own, alone among writers; durable when it is left.

        Whatever leaves the block as an exception takes everything back.

        Raises:
            StoreFull, StoreUnavailable, StoreUnusable
        """
        with self._lock:
            writer = self._usable_writer()
            try:
                writer.execute("BEGIN IMMEDIATE")
                yield SqliteSession(writer)
                writer.execute("COMMIT")
            except BaseException as error:
                self._take_back(writer, error)
                if isinstance(error, apsw.Error) or _is_of_a_record(error):
                    raise translated(error) from error
                raise
            if self._log_grew:
                self._log_grew = False
                self._witness.note()
                self._checkpoint(writer)

    @contextmanager
    def reading(self, *, one_statement: bool = False) -> Iterator["SqliteSession"]:
        """Run the block on the last committed state, unmoved by what is committed meanwhile.

        A block of one statement sees one state without a transaction around it, for a third of the cost.

        Raises:
            StoreUnavailable, StoreUnusable
        """
        with self._reader_slots:
            reader = self._take_reader()
            is_sound = True
            try:
                if not one_statement:
                    reader.execute("BEGIN")
                try:
                    yield SqliteSession(reader)
                finally:
                    if reader.in_transaction:  # SQLite may have ended it by itself, with the error
                        reader.execute("ROLLBACK")
            except apsw.Error as error:
                is_sound = False
                _end(reader)
                raise translated(error) from error
            except ValueError as error:
                if _is_of_a_record(error):
                    raise translated(error) from error
                raise
            finally:
                if is_sound:
                    self._idle_readers.append(reader)

    def flaws(self, check: Callable[[], None], *, limit: int) -> Sequence[str]:
        """Return what SQLite finds wrong with its pages, indexes and references, in up to `limit` sentences.

        Raises:
            StoreUnavailable, StoreUnusable; whatever `check` does, which is called often.
        """
        with self.reading(one_statement=True) as session:
            return session.flaws(check, limit=limit)

    def shed_log(self) -> None:
        """Leave nothing in the log that is no longer in the database.

        Readers may hold that up: then it is done with one of the next checkpoints, or when the database is closed.
        """
        with self._lock:
            self._sheds_log = True
            self._checkpoint(self._usable_writer(), now=True)

    def close(self) -> None:
        """Let every call that is under way finish, then close. Repeating it changes nothing.

        The writer goes last: whoever goes last folds the log into the database, and that is its work.
        """
        self._closed = True
        with self._lock:
            for _ in range(self._readers_max):
                self._reader_slots.acquire()
            while self._idle_readers:
                _end(self._idle_readers.pop())
            self._discard_writer(keep_log=self.is_read_only or not self._witness.clear())
            self._reader_slots.release(self._readers_max)

    # --- the writer

    def _usable_writer(self) -> apsw.Connection:
        self._check_open()
        if self.is_read_only:
            raise StoreUnavailable(
                f"{self._path} was on a file system that takes no writes when it was opened: mount it for writing, or give "
                "leave to write, and start again"
            )
        if self._writer is None:
            self._writer = self._open_writer()
        if not self._log_is_sound:
            self._renew_log(self._writer)
            self._log_is_sound = True
        return self._writer

    def _take_back(self, writer: apsw.Connection, error: BaseException) -> None:
        """Roll back, and give the connection up if there is any doubt about it.

        SQLite may or may not have rolled back by itself. After a failed commit its frames are behind the end of the
        log, where the next commit writes over them; a new connection begins without a cache and reads what the
        log says, so nothing of what failed can be taken for true.
        """
        doubtful = isinstance(error, apsw.Error) and not isinstance(
            error, apsw.ConstraintError | apsw.FullError
        )
        try:
            if writer.in_transaction:
                writer.execute("ROLLBACK")
        except apsw.Error:
            doubtful = True
        if doubtful:
            self._discard_writer(keep_log=True)

    def _discard_writer(self, *, keep_log: bool) -> None:
        """Close the writer; unless the log is to be kept, it is folded into the database and removed."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with suppress(apsw.Error):
                writer.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, int(keep_log))
            _end(writer)

    def _checkpoint(self, writer: apsw.Connection, *, now: bool = False) -> None:
        """Copy the log into the database once enough has gathered.

        The commit before it is durable either way, so a failure here fails nobody: the log stays as it is and the
        next checkpoint starts over.
        """
        if self._log_frames < self._log_frames_seen:
            self._log_frames_seen = 0
        if self._log_frames - self._log_frames_seen < _CHECKPOINT_FRAMES and not now:
            return
        self._log_frames_seen = self._log_frames
        try:
            self._checkpoint_some(writer)
        except apsw.Error:
            self._witness.note(database_changed=True)

    def _checkpoint_some(self, writer: apsw.Connection) -> None:
        if self._log_frames < _RESTART_FRAMES and not self._sheds_log:
            writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            self._witness.note(database_changed=True)
            return
        restart, truncate = apsw.SQLITE_CHECKPOINT_RESTART, apsw.SQLITE_CHECKPOINT_TRUNCATE
        writer.set_busy_timeout(_RESTART_TIMEOUT_MS)
        try:
            writer.wal_checkpoint(mode=truncate if self._sheds_log else restart)
        finally:
            writer.set_busy_timeout(_BUSY_TIMEOUT_MS)
        if self._sheds_log:
            self._sheds_log = False
            self._witness.clear()  # there is nothing in the log to be missed
        else:
            self._witness.note(database_changed=True)

    def _note_log(self, _connection: apsw.Connection, _name: str, frames: int) -> int:
        self._log_frames = frames
        self._log_grew = True
        return apsw.SQLITE_OK

    def _renew_log(self, writer: apsw.Connection) -> None:
        """Write the log over itself, byte for byte, and sync it: what is seen of it is on the medium from here on.

        Repeating it after a failure is no second try of a sync that failed: the bytes are written once more as well.
        """
        try:
            writer.execute("BEGIN IMMEDIATE")  # keeps every other writer out
            try:
                self._write_log_again()
            finally:
                writer.execute("ROLLBACK")
        except apsw.Error as error:
            raise translated(error) from error

    def _write_log_again(self) -> None:
        flags = [apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_WAL, 0]
        log = apsw.VFSFile(self._vfs or "unix", f"{self._path}{LOG_SUFFIX}", flags)
        try:
            size = log.xFileSize()
            for offset in range(0, size, _LOG_PIECE_BYTES):
                log.xWrite(log.xRead(min(_LOG_PIECE_BYTES, size - offset), offset), offset)
            if size > 0:
                log.xSync(apsw.SQLITE_SYNC_NORMAL)
        finally:
            log.xClose()

    # --- connections

    def _open_first(self) -> apsw.Connection | None:
        """Return the writer; None, having looked whether the database is ours, where there can be none."""
        if self.is_read_only:
            reader = self._open_reader()
            try:
                self._check_ownership(reader)
            except BaseException as error:
                _end(reader)
                if isinstance(error, apsw.Error):
                    raise translated(error) from error
                raise
            self._idle_readers.append(reader)
            return None
        try:
            return self._open_writer()
        except (StoreUnavailable, StoreFull) as refusal:
            if self._vfs is not None or not lacks_shared_memory(refusal.__cause__):
                raise
        self._access = Access.ALONE
        return self._open_writer()

    def _open_writer(self) -> apsw.Connection:
        connection = self._connect()
        try:
            self._check_ownership(connection)
            ((mode,),) = connection.execute("PRAGMA journal_mode = WAL").fetchall()
            if mode != "wal":
                raise StoreUnusable(f"{self._path} is on a file system without what SQLite's WAL mode needs")
            for pragma in (
                "synchronous = FULL",
                "foreign_keys = ON",
                "secure_delete = ON",
                f"cache_size = -{_WRITER_CACHE_KIB}",
                f"journal_size_limit = {_LOG_BYTES_KEPT}",
            ):
                connection.execute(f"PRAGMA {pragma}").fetchall()
            connection.set_wal_hook(self._note_log)
        except BaseException as error:
            _end(connection)
            if isinstance(error, apsw.Error):
                raise translated(error) from error
            raise
        return connection

    def _check_ownership(self, connection: apsw.Connection) -> None:
        ((application_id,),) = connection.execute("PRAGMA application_id").fetchall()
        ((tables,),) = connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
        if tables and application_id != APPLICATION_ID:
            raise StoreUnusable(f"{self._path} is a database of something else: correct the path")

    def _take_reader(self) -> apsw.Connection:
        self._check_open()
        try:
            return self._idle_readers.pop()
        except IndexError:
            return self._open_reader()

    def _open_reader(self) -> apsw.Connection:
        connection = self._connect()
        try:
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            for pragma in ("query_only = ON", f"cache_size = -{_READER_CACHE_KIB}", "wal_autocheckpoint = 0"):
                connection.execute(f"PRAGMA {pragma}").fetchall()
        except apsw.Error as error:
            _end(connection)
            raise translated(error) from error
        return connection

    def _connect(self) -> apsw.Connection:
        try:
            connection = connect(self._path, self._access, self._vfs)
            connection.set_busy_timeout(_BUSY_TIMEOUT_MS)
            for pragma in ("mmap_size = 0", "cell_size_check = ON", "trusted_schema = OFF"):
                connection.execute(f"PRAGMA {pragma}").fetchall()
        except apsw.Error as error:
            raise translated(error) from error
        return connection

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the metadata store is closed")


def create_file(path: Path, files: FileOperations) -> None:
    """Create an empty file that only its owner may read: it will hold sealed secrets. One that is there stays."""
    try:
        files.close(files.create_named(str(path)))
    except FileExistsError:
        return
    except OSError as error:
        raise translated(error) from error


def sync_directory(path: Path, files: FileOperations) -> None:
    """Make the names in a directory durable: without it, a power cut may take the whole database away."""
    try:
        files.sync_directory(str(path))
    except OSError as error:
        raise translated(error) from error


def _end(connection: apsw.Connection) -> None:
    """Close a connection, whatever state it is in. What was committed is committed."""
    with suppress(apsw.Error):
        connection.close(force=True)
