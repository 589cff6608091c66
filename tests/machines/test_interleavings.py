"""The real code of puts, completions, deletions and collections of two servers, interleaved by seeds; row 11.

A failure has its seed and its last steps in its notes. TEST_INTERLEAVING=seed repeats just that one.
"""

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from fix_scoreboard import Figure
from fix_world import MemoryStores
from interleaving_scene import Interleaving, interleaved
from machines.sqlite_records import SqliteRecords
from neve.stores.metadata.contract import MetadataStore
from neve.stores.segments.contract import SegmentStore
from neve.testing.memory_segments import MemorySegmentStore
from neve.testing.metadata_machine import MEMORY_FOLDER
from neve.testing.world import Stores

ONE_SEED = "TEST_INTERLEAVING"


class SqliteAndMemory:
    """Records in SQLite, objects in memory: what is looked for is between the two, and not below them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._objects = MemoryStores()
        SqliteRecords().create(folder).close()

    def open_metadata(self) -> MetadataStore:
        return SqliteRecords().open(self._folder)

    def open_segments(self) -> SegmentStore:
        segments: MemorySegmentStore = self._objects.open_segments()
        return segments


@contextmanager
def in_memory() -> Iterator[Stores]:
    yield MemoryStores()


@contextmanager
def on_sqlite() -> Iterator[Stores]:
    with tempfile.TemporaryDirectory(dir=MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None) as name:
        yield SqliteAndMemory(Path(name))


Place = Callable[[], AbstractContextManager[Stores]]
PLACES: dict[str, Place] = {"memory": in_memory, "sqlite": on_sqlite}
QUICK = {"memory": 12, "sqlite": 4}
FULL = {"memory": 4_500, "sqlite": 1_000}


def run_seeds(place: Place, seeds: Iterable[int]) -> Counter[str]:
    """Run seeds, each over new stores; return how often what happened."""
    happened: Counter[str] = Counter()
    if (only := os.environ.get(ONE_SEED)) is not None:
        seeds = [int(only)]
    for seed in seeds:
        with place() as stores:
            happened.update(interleaved(seed, stores))
        happened["seeds"] += 1
    return happened


def told(happened: Counter[str], place: str) -> str:
    """Return what row 11 came to."""
    counted = ", ".join(
        f"{happened[what]:,} {what}"
        for what in (
            "steps",
            "crashes",
            "pauses",
            "blocks",
            "collections",
            "chunks dropped",
            "segments rewritten",
        )
    )
    return f"acknowledged lost 0, bytes leaked 0 in {happened['seeds']:,} seeds over {place}: {counted}"


@pytest.mark.row(11)
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("place", PLACES)
def test_whatever_comes_between_nothing_acknowledged_is_lost_and_nothing_leaks(
    place: str, full_size: bool, figure: Figure
) -> None:
    happened = run_seeds(PLACES[place], range((FULL if full_size else QUICK)[place]))
    if ONE_SEED not in os.environ:
        for what in ("crashes", "pauses", "completions", "deletions", "collections", "chunks dropped"):
            assert happened[what], f"no {what}: the runs show nothing"
    figure(told(happened, place))


def test_a_seed_takes_the_same_steps_again() -> None:
    traces = []
    for _ in range(2):
        run = Interleaving(3, MemoryStores())
        run.run()
        traces.append(run.scheduler.trace)
    assert traces[0] == traces[1]
