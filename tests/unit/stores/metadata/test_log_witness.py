"""A log that was taken away is missed whenever something would be lost by it, and no alarm is ever false."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neve.errors import StoreUnusable
from neve.stores.metadata import log_witness
from neve.stores.metadata.log_witness import LogWitness
from neve.stores.metadata.sqlite_database import SqliteDatabase

MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108 - as a file system in memory; the name is made by tempfile
LOG = "metadata.db-wal"
NOTE = "metadata.db-needs-log"
ACTS = ["commit", "commit", "commit", "checkpoint", "shed", "reopen", "look", "idle", "kill"]
programs = st.lists(st.sampled_from(ACTS), max_size=12)


class Store:
    """A database of one table, in a folder that a kill copies as it is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "0"
        self.folder.mkdir()
        (self.folder / "metadata.db").touch()
        self.rows = 0
        self.database = self._open()
        with self.database.writing() as session:
            session.rows(f"PRAGMA application_id = {int.from_bytes(b'neve')}")
            session.rows("CREATE TABLE t (a)")

    def _open(self) -> SqliteDatabase:
        return SqliteDatabase(self.folder / "metadata.db")

    def do(self, act: str) -> None:
        match act:
            case "commit":
                with self.database.writing() as session:
                    session.rows("INSERT INTO t VALUES (randomblob(5000))")
                self.rows += 1
            case "checkpoint":
                with self.database._lock:
                    self.database._checkpoint(self.database._usable_writer(), now=True)
            case "shed":
                self.database.shed_log()
            case "reopen":
                self.database.close()
                self.database = self._open()
            case "look":
                self.count()
            case "idle":
                with self.database.writing():
                    pass
            case _:
                self.kill()
                self.database = self._open()

    def kill(self) -> None:
        """Leave everything as a kill would: what comes later happens in a copy, with all its times."""
        killed, self.folder = self.folder, self.folder.with_name(str(int(self.folder.name) + 1))
        shutil.copytree(killed, self.folder, ignore=shutil.ignore_patterns("*-shm"))
        self.database.close()

    def count(self) -> int:
        with self.database.reading() as session:
            ((count,),) = session.rows("SELECT count(*) FROM t")
        return int(count)

    def look_with_a_tool(self) -> None:
        """What anybody does who has SQLite: the last to close the database folds the log in and removes it."""
        tool = apsw.Connection(str(self.folder / "metadata.db"))
        tool.execute("SELECT count(*) FROM t").fetchall()
        tool.close()


def run(program: Sequence[str], folder: Path) -> Store:
    store = Store(folder)
    for act in program:
        store.do(act)
    store.kill()
    return store


@given(program=programs, tool=st.booleans())
def test_no_alarm_is_false(program: list[str], tool: bool) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None) as folder:
        store = run(program, Path(folder))
        if tool:
            store.look_with_a_tool()
            assert not (store.folder / LOG).exists()
        store.database = store._open()
        assert store.count() == store.rows
        store.database.close()
        assert not (store.folder / NOTE).exists()


@given(program=programs)
def test_whatever_would_be_lost_is_missed(program: list[str]) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None) as folder:
        store = run(program, Path(folder))
        (store.folder / LOG).unlink(missing_ok=True)
        try:
            store.database = store._open()
        except StoreUnusable as refusal:
            assert LOG in str(refusal)  # noqa: PT017 - that it may be refused is not what is asked
            return
        assert store.count() == store.rows
        store.database.close()


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """The folder of a database whose process was killed behind a commit."""
    return run(["commit", "checkpoint", "commit"], tmp_path).folder


def test_the_message_says_what_to_do_and_doing_it_helps(left: Path) -> None:
    log, away = left / LOG, left.parent / "away"
    log.rename(away)
    for _ in range(2):
        with pytest.raises(StoreUnusable, match="is missing, and what was written last is in it alone"):
            SqliteDatabase(left / "metadata.db")
    shutil.copy2(away, log)
    SqliteDatabase(left / "metadata.db").close()


def test_who_has_lost_it_goes_on_without_the_note(left: Path) -> None:
    (left / LOG).unlink()
    (left / NOTE).unlink()
    SqliteDatabase(left / "metadata.db").close()


def test_a_database_brought_back_from_a_copy_needs_no_log(left: Path) -> None:
    copy = left.parent / "copy.db"
    source = apsw.Connection(str(left / "metadata.db"))
    source.execute("VACUUM INTO ?", (str(copy),))
    source.close()
    shutil.copyfile(copy, left / "metadata.db")  # over the old one: even its inode is the same
    (left / LOG).unlink(missing_ok=True)
    SqliteDatabase(left / "metadata.db").close()


@pytest.mark.parametrize("content", [b"", b"\0" * 40, b"1 2\n", b"x" * 500, "\u00e9".encode()])
def test_a_note_that_is_torn_says_nothing(left: Path, content: bytes) -> None:
    (left / NOTE).write_bytes(content)
    (left / LOG).unlink()
    SqliteDatabase(left / "metadata.db").close()


def test_what_cannot_be_noted_is_no_reason_not_to_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    syncs = []

    def sync(descriptor: int) -> None:
        syncs.append(descriptor)
        raise OSError(5, "planted")

    store.database._witness.clear()
    monkeypatch.setattr(log_witness.os, "fsync", sync)  # type: ignore[attr-defined]
    for _ in range(3):
        store.do("commit")
    assert len(syncs) == 1, "a sync that failed is not tried again"
    store.database.close()
    assert (store.folder / LOG).exists(), "the log stays while the note may"
    monkeypatch.undo()
    again = store._open()
    store.database = again
    assert store.count() == 3
    again.close()


def test_a_note_that_cannot_be_removed_keeps_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    store.do("commit")

    def unlink(_path: Path) -> None:
        raise PermissionError(13, "planted")

    monkeypatch.setattr(log_witness.Path, "unlink", unlink)  # type: ignore[attr-defined]
    store.database.close()
    monkeypatch.undo()
    assert {LOG, NOTE} <= set(os.listdir(store.folder))  # noqa: PTH208 - names are what is asked
    store.database = store._open()
    assert store.count() == 1
    store.database.close()


def test_nothing_is_read_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "metadata.db").write_bytes(b"x")
    (tmp_path / "elsewhere").write_bytes(b"precious")
    (tmp_path / NOTE).symlink_to(tmp_path / "elsewhere")
    LogWitness(tmp_path / "metadata.db").note()
    assert (tmp_path / "elsewhere").read_bytes() == b"precious"
