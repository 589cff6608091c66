"""The metadata machines over SQLite: for the search itself, and for the planted bugs that prove it."""

from pathlib import Path

from neve.limits import TINY
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.sqlite import SqliteMetadataStore
from neve.testing.memory_metadata import FACTS
from neve.testing.metadata_machine_chunks import ChunksMachine
from neve.testing.metadata_machine_collection import CollectionMachine
from neve.testing.metadata_machine_lifecycle import LifecycleMachine


class SqliteRecords:
    """A database in a folder."""

    def create(self, path: Path) -> MetadataStore:
        return SqliteMetadataStore.create(path / "metadata.db", FACTS)

    def open(self, path: Path) -> MetadataStore:
        return SqliteMetadataStore.open(path / "metadata.db", limits=TINY)


class SqliteMachine(ChunksMachine):
    records = SqliteRecords()


class SqliteLifecycleMachine(LifecycleMachine):
    records = SqliteRecords()


class SqliteCollectionMachine(CollectionMachine):
    records = SqliteRecords()
