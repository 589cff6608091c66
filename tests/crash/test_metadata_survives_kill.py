"""SIGKILL in the middle of commits: everything acknowledged is there, and the store opens without help."""

import random
import subprocess
import sys
from pathlib import Path

from neve.limits import TINY
from neve.stores.metadata.sqlite import SqliteMetadataStore
from neve.testing.memory_metadata import FACTS
from neve.testing.metadata_scene import ACCOUNT, Scene, contents_of

ROUNDS = 6
PROGRAM = Path(__file__).with_name("commit_until_killed.py")


def test_everything_acknowledged_outlives_kills_in_a_row(tmp_path: Path) -> None:
    path = tmp_path / "metadata.db"
    store = SqliteMetadataStore.create(path, FACTS)
    snapshot = Scene(store).start(volume_gib=1000)
    store.close()
    chance = random.Random(7)
    acknowledged: set[int] = set()
    for round_number in range(ROUNDS):
        first = 1 + 100_000 * round_number
        acknowledged |= _commit_until_killed(path, first, kill_after=chance.randrange(1, 120))
        store = SqliteMetadataStore.open(path, limits=TINY)
        written = contents_of(store.blocks(snapshot.key, after=None, limit=100_000))
        chunks = store.statistics().chunk_rows
        assert store.snapshot(ACCOUNT, snapshot.snapshot_id) == snapshot
        store.close()
        assert acknowledged <= written.keys()
        assert all(index == number for index, number in written.items())
        assert chunks == len(written), "a batch is there whole or not at all"
    assert len(acknowledged) >= ROUNDS


def _commit_until_killed(path: Path, first: int, *, kill_after: int) -> set[int]:
    """Return every number the process said it had committed, those said while it died included."""
    with subprocess.Popen(
        [sys.executable, PROGRAM, path, str(first)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = [next(process.stdout) for _ in range(kill_after)]
        process.kill()
        said += list(process.stdout)
    assert process.returncode == -9
    return {int(line) for line in said if line.endswith("\n")}
