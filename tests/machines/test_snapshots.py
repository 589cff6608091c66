"""The snapshot machine over each pair of stores: 0 differences is the only pass."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings

from fix_world import FolderStores, MemoryStores
from machines.snapshot_machine import SnapshotMachine


class OverMemory(SnapshotMachine):
    """Fast, so most programs run here: operations, block maps, tokens, committer."""

    make_stores = MemoryStores


class OverFolder(SnapshotMachine):
    """SQLite and a folder; a restart really closes and opens them."""

    @staticmethod
    def make_stores() -> FolderStores:
        return FolderStores(Path(tempfile.mkdtemp(prefix="neve-machine-")))

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            assert isinstance(self.world.stores, FolderStores)
            shutil.rmtree(self.world.stores.path)


PROGRAMS = settings().max_examples
"""100 while one works, 2,000 thoroughly: fix_hypothesis.py."""

TestSnapshotsOverMemory = OverMemory.TestCase
TestSnapshotsOverMemory.settings = settings(max_examples=PROGRAMS, stateful_step_count=30)
TestSnapshotsOverFolder = OverFolder.TestCase
TestSnapshotsOverFolder.settings = settings(max_examples=PROGRAMS // 4, stateful_step_count=30)
