"""The list of what the archive has and has not: complete, without overlap, and true."""

import itertools
from collections.abc import Iterator

import apsw
import pytest

from neve.stores.metadata import migrations
from neve.stores.metadata.archived_tables import ARCHIVED, NOT_ARCHIVED, ArchivedTable
from neve.stores.metadata.contract_archive import ARCHIVE_ORDER, ArchiveKind
from neve.stores.metadata.schema import SQLITE
from neve.stores.metadata.sqlite_database import SqliteSession

TABLES = {table.table: table for tables in ARCHIVED.values() for table in tables}


@pytest.fixture(scope="module")
def database() -> Iterator[apsw.Connection]:
    connection = apsw.Connection(":memory:")
    migrations.migrate(SqliteSession(connection), SQLITE)
    yield connection
    connection.close()


def columns_of(database: apsw.Connection) -> dict[str, list[str]]:
    """Return the columns of every table, whatever they are for."""
    tables = database.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    return {
        str(table): [str(name) for _, name, *_ in database.execute(f"PRAGMA table_info({table})")]
        for (table,) in tables
    }


def test_every_column_of_every_table_is_archived_or_said_not_to_be(database: apsw.Connection) -> None:
    there = {f"{table}.{column}" for table, columns in columns_of(database).items() for column in columns}
    archived = {f"{table.table}.{column}" for table in TABLES.values() for column in table.columns}
    left_out = {name for name in there if name in NOT_ARCHIVED or name.partition(".")[0] in NOT_ARCHIVED}
    assert archived | left_out == there
    assert archived & left_out == set()


def test_nothing_is_left_out_that_is_not_there_and_nothing_without_a_reason(
    database: apsw.Connection,
) -> None:
    columns = columns_of(database)
    for name, reason in NOT_ARCHIVED.items():
        table, _, column = name.partition(".")
        assert table in columns
        assert not column or column in columns[table]
        assert reason


def test_a_kind_for_each_kind_and_each_table_once() -> None:
    assert tuple(ARCHIVED) == ARCHIVE_ORDER
    assert len(TABLES) == sum(len(tables) for tables in ARCHIVED.values())


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_rows_come_in_the_order_of_the_primary_key(database: apsw.Connection, table: ArchivedTable) -> None:
    described = database.execute(f"PRAGMA table_info({table.table})").fetchall()
    key = [name for *_, place, name in sorted((place, name) for _, name, *_, place in described) if place]
    assert list(table.key) == key


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_what_a_restored_row_lacks_has_a_default(database: apsw.Connection, table: ArchivedTable) -> None:
    for _, name, _, is_demanded, default, _ in database.execute(f"PRAGMA table_info({table.table})"):
        is_given = name in table.columns or name in table.restored_as
        assert is_given or default is not None or not is_demanded


def test_nothing_refers_to_what_is_restored_later(database: apsw.Connection) -> None:
    order = [table.table for kind in ArchiveKind for table in ARCHIVED[kind]]
    for name in order:
        for _, _, referred, *_ in database.execute(f"PRAGMA foreign_key_list({name})"):
            assert order.index(referred) < order.index(name)


def test_every_change_of_an_archived_table_is_noted_by_the_database_itself(
    database: apsw.Connection,
) -> None:
    triggers = {
        (table, text.split("AFTER ")[1].split()[0])
        for table, text in database.execute("SELECT tbl_name, sql FROM sqlite_master WHERE type = 'trigger'")
    }
    expected = set(itertools.product(TABLES, ("INSERT", "UPDATE", "DELETE")))
    # The store's one row never changes but for its epoch, and never goes.
    assert triggers == expected - {("store", "UPDATE"), ("store", "DELETE")}
