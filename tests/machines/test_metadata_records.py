"""SQLite against the store in memory: equal answers to every program (neve.testing.metadata_machine)."""

from pathlib import Path

from hypothesis import settings

from neve.limits import TINY
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.sqlite import SqliteMetadataStore
from neve.testing.memory_metadata import FACTS
from neve.testing.metadata_machine import MetadataMachine


class SqliteMachine(MetadataMachine):
    def create(self, path: Path) -> MetadataStore:
        return SqliteMetadataStore.create(path / "metadata.db", FACTS)

    def open(self, path: Path) -> MetadataStore:
        return SqliteMetadataStore.open(path / "metadata.db", limits=TINY)


TestSqliteRecords = SqliteMachine.TestCase
TestSqliteRecords.settings = settings(max_examples=settings().max_examples // 2, stateful_step_count=40)
