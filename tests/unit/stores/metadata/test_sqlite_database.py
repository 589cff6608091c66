"""The connections: how they are set up, what their failures mean, and that nothing waits or grows for ever."""

import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from neve.errors import InvariantError, NeveError, StoreFull, StoreUnavailable, StoreUnusable
from neve.stores.metadata import sqlite_database
from neve.stores.metadata.sqlite_database import (
    APPLICATION_ID,
    SqliteDatabase,
    check_library,
    create_file,
    translated,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.db"


@pytest.fixture
def database(path: Path) -> Iterator[SqliteDatabase]:
    create_file(path, sqlite_database.SYSTEM_FILES)
    opened = SqliteDatabase(path)
    with opened.writing() as session:
        session.rows(f"PRAGMA application_id = {APPLICATION_ID}")
        session.rows("CREATE TABLE parent (key INTEGER PRIMARY KEY)")
        session.rows("CREATE TABLE child (key INTEGER PRIMARY KEY REFERENCES parent)")
    yield opened
    opened.close()


def keys(database: SqliteDatabase) -> list[int]:
    with database.reading() as session:
        return [key for (key,) in session.rows("SELECT key FROM parent ORDER BY key")]


def add(database: SqliteDatabase, *new: int) -> None:
    with database.writing() as session:
        session.rows_of_each("INSERT INTO parent VALUES (?)", [(key,) for key in new])


class TestLibrary:
    @pytest.mark.parametrize("version", ["3.51.3", "3.54.1", "3.100.0", "4.0.0"])
    def test_a_fixed_library_is_taken(self, version: str) -> None:
        check_library(version)

    @pytest.mark.parametrize("version", ["3.7.0", "3.40.1", "3.51.2", "2.99.99"])
    def test_a_library_that_may_corrupt_a_database_is_refused(self, version: str) -> None:
        with pytest.raises(StoreUnusable, match=f"SQLite {version} may corrupt"):
            check_library(version)


class TestConnections:
    @pytest.mark.parametrize(
        ("pragma", "value"),
        [
            ("journal_mode", "wal"),
            ("synchronous", 2),
            ("foreign_keys", 1),
            ("secure_delete", 1),
            ("mmap_size", 0),
            ("query_only", 0),
        ],
    )
    def test_the_writer_is_durable_and_strict(
        self, database: SqliteDatabase, pragma: str, value: object
    ) -> None:
        with database.writing() as session:
            assert session.rows(f"PRAGMA {pragma}") == [(value,)]

    @pytest.mark.parametrize(
        ("pragma", "value"), [("query_only", 1), ("wal_autocheckpoint", 0), ("mmap_size", 0)]
    )
    def test_a_reader_only_reads(self, database: SqliteDatabase, pragma: str, value: object) -> None:
        with database.reading() as session:
            assert session.rows(f"PRAGMA {pragma}") == [(value,)]

    def test_a_reader_that_writes_is_refused(self, database: SqliteDatabase) -> None:
        with pytest.raises(StoreUnavailable), database.reading() as session:
            session.rows("INSERT INTO parent VALUES (1)")
        assert keys(database) == []

    def test_only_the_owner_may_read_the_file(self, database: SqliteDatabase, path: Path) -> None:
        add(database, 1)
        modes = {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()}
        assert set(modes.values()) == {0o600}

    def test_an_error_takes_everything_back(self, database: SqliteDatabase) -> None:
        with pytest.raises(KeyboardInterrupt):
            self._add_and_raise(database, 1, KeyboardInterrupt())
        add(database, 2)
        assert keys(database) == [2]

    def test_a_foreign_key_is_kept(self, database: SqliteDatabase) -> None:
        add(database, 1)
        with pytest.raises(InvariantError), database.writing() as session:
            session.rows_of_each("INSERT INTO child VALUES (?)", [(1,), (2,)])
        with database.reading() as session:
            assert session.rows("SELECT key FROM child") == []

    def _add_and_raise(self, database: SqliteDatabase, key: int, error: BaseException) -> None:
        with database.writing() as session:
            session.rows("INSERT INTO parent VALUES (?)", (key,))
            raise error

    def test_a_reader_stays_where_it_began(self, database: SqliteDatabase) -> None:
        add(database, 1)
        with database.reading() as session:
            before = session.rows("SELECT key FROM parent")
            add(database, 2)
            assert session.rows("SELECT key FROM parent") == before == [(1,)]
        assert keys(database) == [1, 2]

    def test_a_refusal_costs_no_connection(self, database: SqliteDatabase) -> None:
        keys(database)
        (reader,) = database._idle_readers
        with pytest.raises(KeyError), database.reading():
            raise KeyError
        assert database._idle_readers == [reader]
        assert keys(database) == []

    def test_more_threads_than_readers_take_turns(self, database: SqliteDatabase) -> None:
        add(database, 1)
        answers: list[list[int]] = []
        threads = [threading.Thread(target=lambda: answers.append(keys(database))) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [[1]] * 30
        assert len(database._idle_readers) <= sqlite_database.READERS_MAX

    def test_closing_folds_the_log_into_the_database(self, database: SqliteDatabase, path: Path) -> None:
        add(database, 1)
        keys(database)
        database.close()
        assert [each.name for each in path.parent.iterdir()] == [path.name]

    def test_many_may_close_at_once(self, database: SqliteDatabase) -> None:
        closers = [threading.Thread(target=database.close) for _ in range(10)]
        for closer in closers:
            closer.start()
        for closer in closers:
            closer.join()
        with pytest.raises(StoreUnavailable, match="closed"):
            add(database, 1)

    def test_closing_waits_for_a_reader(self, database: SqliteDatabase) -> None:
        add(database, 1)
        closer = threading.Thread(target=database.close)
        with database.reading() as session:
            closer.start()
            assert session.rows("SELECT key FROM parent") == [(1,)]
        closer.join()
        with pytest.raises(StoreUnavailable, match="closed"):
            keys(database)


class TestLog:
    def test_the_log_is_copied_back_as_it_grows(
        self, database: SqliteDatabase, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sqlite_database, "_CHECKPOINT_FRAMES", 20)
        for key in range(300):
            add(database, key)
        assert _log_frames(path) < 40

    def test_a_reader_in_the_way_delays_that_only_while_it_reads(
        self, database: SqliteDatabase, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sqlite_database, "_CHECKPOINT_FRAMES", 20)
        monkeypatch.setattr(sqlite_database, "_RESTART_FRAMES", 200)
        monkeypatch.setattr(sqlite_database, "_RESTART_TIMEOUT_MS", 1)
        with database.reading() as session:
            session.rows("SELECT key FROM parent")
            for key in range(300):
                add(database, key)
            grown = _log_frames(path)
            assert grown >= 300
        for key in range(300, 400):
            add(database, key)
        assert _log_frames(path) < grown + 40, "it begins anew, in the room it has"
        assert keys(database) == list(range(400))


class TestShedding:
    """What was removed is in no file any more, whoever reads the bytes themselves."""

    @pytest.fixture
    def secret(self, database: SqliteDatabase, path: Path) -> bytes:
        """Something that was written, moved about, and copied into the database."""
        secret = bytes(range(200, 248))
        with database.writing() as session:
            session.rows("CREATE TABLE secret (name TEXT PRIMARY KEY, content BLOB) WITHOUT ROWID")
            names = [f"{number:04}" for number in range(300)]
            session.rows_of_each("INSERT INTO secret VALUES (?, ?)", [(name, secret) for name in names])
        database.shed_log()
        assert secret in path.read_bytes()
        return secret

    def test_it_leaves_neither_in_the_database_nor_in_the_log(
        self, database: SqliteDatabase, path: Path, secret: bytes
    ) -> None:
        _remove_secrets(database)
        database.shed_log()
        assert _files_with(secret, path) == []
        add(database, 1)
        assert keys(database) == [1]

    def test_a_reader_in_the_way_delays_that_only_while_it_reads(
        self, database: SqliteDatabase, path: Path, secret: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sqlite_database, "_CHECKPOINT_FRAMES", 20)
        monkeypatch.setattr(sqlite_database, "_RESTART_TIMEOUT_MS", 1)
        with database.reading() as session:
            session.rows("SELECT key FROM parent")
            _remove_secrets(database)
            database.shed_log()
            assert _files_with(secret, path) == [path.name], "the reader may still ask for it"
        for key in range(30):
            add(database, key)
        assert _files_with(secret, path) == []

    def test_closing_leaves_none_of_it_either(
        self, database: SqliteDatabase, path: Path, secret: bytes
    ) -> None:
        _remove_secrets(database)
        database.close()
        assert _files_with(secret, path) == []


def _remove_secrets(database: SqliteDatabase) -> None:
    with database.writing() as session:
        session.rows("DELETE FROM secret")


def _files_with(content: bytes, path: Path) -> list[str]:
    return [each.name for each in sorted(path.parent.iterdir()) if content in each.read_bytes()]


def _log_frames(path: Path) -> int:
    return path.with_name(f"{path.name}-wal").stat().st_size // 4096


class TestErrors:
    @pytest.mark.parametrize(
        ("error", "meaning"),
        [
            (apsw.FullError("x"), StoreFull),
            (apsw.IOError("x"), StoreUnavailable),
            (apsw.BusyError("x"), StoreUnavailable),
            (apsw.CantOpenError("x"), StoreUnavailable),
            (apsw.ReadOnlyError("x"), StoreUnavailable),
            (apsw.NoMemError("x"), StoreUnavailable),
            (apsw.ConnectionClosedError("x"), StoreUnavailable),
            (apsw.CorruptError("x"), StoreUnusable),
            (apsw.NotADBError("x"), StoreUnusable),
            (apsw.SQLError("x"), StoreUnusable),
            (apsw.ConstraintError("x"), InvariantError),
            (OSError("x"), StoreUnavailable),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.__name__,
    )
    def test_each_failure_has_one_meaning(
        self, error: apsw.Error | OSError, meaning: type[NeveError]
    ) -> None:
        assert type(translated(error)) is meaning
        assert "x" in str(translated(error))

    def test_no_file_is_an_answer_that_helps(self, tmp_path: Path) -> None:
        with pytest.raises(StoreUnusable, match="bring its database back"):
            SqliteDatabase(tmp_path / "missing.db")

    def test_no_directory_is_an_answer_too(self, tmp_path: Path) -> None:
        with pytest.raises(StoreUnavailable):
            create_file(tmp_path / "missing" / "records.db", sqlite_database.SYSTEM_FILES)

    def test_a_file_of_something_else_is_damaged(self, path: Path) -> None:
        path.write_bytes(b"not a database, but long enough to look at" * 200)
        with pytest.raises(StoreUnusable, match="damaged"):
            SqliteDatabase(path)

    def test_a_database_of_something_else_is_left_alone(self, path: Path) -> None:
        stranger = apsw.Connection(str(path))
        stranger.execute("CREATE TABLE theirs (x)")
        stranger.close()
        before = path.read_bytes()
        with pytest.raises(StoreUnusable, match="something else"):
            SqliteDatabase(path)
        assert path.read_bytes() == before

    def test_a_database_cut_short_is_damaged_not_empty(self, database: SqliteDatabase, path: Path) -> None:
        add(database, *range(5000))
        database.close()
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        with pytest.raises(StoreUnusable, match="damaged"):
            SqliteDatabase(path)
