"""The collection machine over each pair of stores: what lives reads as written, and what does not is gone."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings

from fix_world import FolderStores, MemoryStores
from machines.collection_machine import CollectionMachine


class OverMemory(CollectionMachine):
    """Fast, so most programs run here."""

    make_stores = MemoryStores


class OverFolder(CollectionMachine):
    """SQLite and a folder: its transactions, foreign keys and files."""

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

TestCollectionOverMemory = OverMemory.TestCase
TestCollectionOverMemory.settings = settings(max_examples=PROGRAMS // 6, stateful_step_count=30)
TestCollectionOverFolder = OverFolder.TestCase
TestCollectionOverFolder.settings = settings(max_examples=PROGRAMS // 40, stateful_step_count=20)
