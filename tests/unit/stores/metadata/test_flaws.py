"""A database that was altered: SQLite finds what contradicts itself, and what nobody writes comes out as a StoreError."""

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from neve.errors import StoreUnusable
from neve.limits import TINY
from neve.stores.metadata.sqlite import SqliteMetadataStore
from neve.testing.memory_metadata import FACTS
from neve.testing.metadata_scene import ACCOUNT, Scene


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metadata.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteMetadataStore]:
    opened = SqliteMetadataStore.create(path, FACTS)
    yield opened
    opened.close()


def alter(path: Path, statement: str) -> None:
    """Change the database as nobody does, and look at none of its conditions."""
    connection = apsw.Connection(str(path))
    try:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(statement)
    finally:
        connection.close()


def test_a_row_that_refers_to_nothing_is_said(store: SqliteMetadataStore, path: Path) -> None:
    scene = Scene(store)
    scene.put(scene.start(), {1: 7, 2: 8})
    alter(path, "UPDATE block SET chunk_key = 4711")
    flaws = store.flaws(lambda: None, limit=5)
    assert len(flaws) == 2
    assert all("of block names a row of chunk that is not there" in flaw for flaw in flaws)
    assert len(store.flaws(lambda: None, limit=1)) == 1


def test_an_index_that_contradicts_its_table_is_said(store: SqliteMetadataStore, path: Path) -> None:
    scene = Scene(store)
    scene.put(scene.start(), {1: 7})
    store.close()
    content = path.read_bytes()
    chunk = (7).to_bytes(32)
    assert content.count(chunk) == 2, "in the table, and in the index"
    path.write_bytes(content.replace(chunk, (9).to_bytes(32), 1))
    again = SqliteMetadataStore.open(path, limits=TINY)
    flaws = again.flaws(lambda: None, limit=5)
    again.close()
    assert any("missing from index" in flaw for flaw in flaws)


def test_a_trigger_that_was_altered_is_said(store: SqliteMetadataStore, path: Path) -> None:
    connection = apsw.Connection(str(path))
    ((statement,),) = connection.execute(
        "SELECT sql FROM sqlite_schema WHERE name = 'archive_tag_insert_new'"
    )
    connection.execute("DROP TRIGGER archive_tag_insert_new")
    missing = store.flaws(lambda: None, limit=5)
    connection.execute(str(statement).replace("'snapshot'", "'snapshop'"))
    altered = store.flaws(lambda: None, limit=5)
    connection.close()
    assert missing == ["trigger archive_tag_insert_new of the schema is not there: it was altered"]
    assert altered == [
        "trigger archive_tag_insert_new of the schema is not what its version says: it was altered"
    ]


class StopAsked(Exception):
    """Raised by a check."""


def test_a_check_ends_it_and_the_store_goes_on(store: SqliteMetadataStore) -> None:
    scene = Scene(store)
    scene.keep(*range(1, 3_000))

    def stop() -> None:
        raise StopAsked

    with pytest.raises(StopAsked):
        store.flaws(stop, limit=5)
    assert store.flaws(lambda: None, limit=5) == []


@pytest.mark.parametrize("statement", ["UPDATE snapshot SET origin = 'direcp'", "UPDATE chunk SET kind = 3"])
def test_a_value_that_nobody_writes_makes_the_store_unusable(
    store: SqliteMetadataStore, path: Path, statement: str
) -> None:
    scene = Scene(store)
    snapshot = scene.start()
    scene.put(snapshot, {1: 7})
    (row,) = store.blocks(snapshot.key, after=None, limit=9)
    alter(path, statement)

    def look() -> None:
        store.snapshot(ACCOUNT, snapshot.snapshot_id)
        store.chunks(snapshot.domain_key, [row.chunk_id])

    with pytest.raises(StoreUnusable, match="nobody writes"):
        look()
