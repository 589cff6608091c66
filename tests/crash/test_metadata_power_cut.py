"""Power cuts under the metadata: whatever part of the unsynced writes arrives, nothing acknowledged is lost.

Writes go through a file system that remembers them (neve.testing.faulty_sqlite); the files are made again as they may
be after a cut at each moment, and opened. The alarm is proven: with less than full syncs, or without the sync of
the directory, the same cuts lose what was acknowledged.
"""

import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from neve.errors import StoreUnusable
from neve.limits import TINY
from neve.stores.file_operations import FileOperations, SystemFileOperations
from neve.stores.metadata import sqlite_database
from neve.stores.metadata.sqlite import SqliteMetadataStore
from neve.testing.faulty_sqlite import Act, FaultySqlite, Operation, PowerCut
from neve.testing.memory_metadata import FACTS
from neve.testing.metadata_scene import ACCOUNT, Scene, contents_of

COMMITS = 30


class LoggedFileOperations(SystemFileOperations):
    """Notes the syncs of directories among SQLite's operations."""

    def __init__(self, log: FaultySqlite) -> None:
        self._log = log

    def sync_directory(self, path: str) -> None:
        self._log.note(Operation(act=Act.SYNC_DIRECTORY, path=path))


class ForgetfulFileOperations(SystemFileOperations):
    """Syncs no directory."""

    def sync_directory(self, path: str) -> None:
        del path


@dataclass(frozen=True, slots=True)
class History:
    """What reached the disk, and what had been acknowledged when."""

    operations: Sequence[Operation]
    acknowledged_at: Sequence[int]
    """How many operations there had been when commit 0, 1, … returned."""

    def cuts(self) -> range:
        return range(len(self.operations))


@pytest.fixture
def log() -> Iterator[FaultySqlite]:
    made = FaultySqlite("neve-power-cut")
    yield made
    made.unregister()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory: what a disk does is simulated here."""
    memory = Path("/dev/shm")  # noqa: S108 - TemporaryDirectory makes an unguessable folder in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as made:
        yield Path(made)


@pytest.fixture(autouse=True)
def _frequent_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_database, "_CHECKPOINT_FRAMES", 60)


def record(folder: Path, log: FaultySqlite, files: FileOperations, *, synchronous: str = "FULL") -> History:
    """Put a block in each commit; the checkpoints fall where they fall."""
    store = SqliteMetadataStore.create(folder / "metadata.db", FACTS, vfs=log.name, files=files)
    with store._database.writing() as session:
        before = session.rows("PRAGMA synchronous")
    assert before == [(2,)]
    assert store._database._writer is not None
    store._database._writer.execute(f"PRAGMA synchronous = {synchronous}")
    scene = Scene(store)
    snapshot = scene.start()
    acknowledged_at = []
    for index in range(COMMITS):
        scene.put(snapshot, {index: index + 1})
        acknowledged_at.append(len(log.operations))
    history = History(list(log.operations), acknowledged_at)
    store.close()
    return history


def lost_commits(history: History, cut_at: int, folder: Path, chance: random.Random) -> int:
    """Cut the power after so many operations, open what is left, and return how many commits are missing."""
    expected = sum(at <= cut_at for at in history.acknowledged_at)
    with tempfile.TemporaryDirectory(dir=folder) as left:
        PowerCut(history.operations[:cut_at]).leave(Path(left), chance)
        try:
            store = SqliteMetadataStore.open(Path(left) / "metadata.db", limits=TINY)
        except StoreUnusable:
            return expected
        with store._database.reading() as session:
            assert session.rows("PRAGMA integrity_check") == [("ok",)]
        written = {
            index
            for snapshot in store.snapshots(ACCOUNT, after=None, limit=1)
            for index in contents_of(store.blocks(snapshot.key, after=None, limit=100))
        }
        store.close()
    return len(set(range(expected)) - written)


@pytest.mark.slow
def test_no_cut_loses_what_was_acknowledged(folder: Path, log: FaultySqlite) -> None:
    history = record(folder, log, LoggedFileOperations(log))
    acts = Counter(operation.act for operation in history.operations if operation.path.endswith(".db"))
    assert acts[Act.SYNC] > 3, "there were checkpoints"
    chance = random.Random(1)
    assert [cut_at for cut_at in history.cuts() if lost_commits(history, cut_at, folder, chance)] == []


def test_the_alarm_rings_if_the_log_is_not_synced(folder: Path, log: FaultySqlite) -> None:
    history = record(folder, log, LoggedFileOperations(log), synchronous="NORMAL")
    chance = random.Random(1)
    assert any(lost_commits(history, cut_at, folder, chance) for cut_at in history.cuts())


def test_the_alarm_rings_if_the_directory_is_not_synced(folder: Path, log: FaultySqlite) -> None:
    history = record(folder, log, ForgetfulFileOperations())
    assert lost_commits(history, len(history.operations), folder, random.Random(1)) == COMMITS
