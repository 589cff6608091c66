"""No statement that is run while somebody waits reads a whole table that grows.

The planner is asked without statistics, as in production: nobody runs ANALYZE there, so plans never change by
themselves.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

from neve.stores.metadata import (
    statements,
    statements_archive,
    statements_collection,
    statements_lifecycle,
    statements_needs,
)
from neve.stores.metadata.archived_tables import ARCHIVED
from neve.stores.metadata.sqlite import SqliteMetadataStore
from neve.testing.memory_metadata import FACTS

GROWING: Final = {
    "snapshot",
    "tag",
    "client_token",
    "block",
    "hold",
    "chunk",
    "segment",
    "snapshot_permission",
    "guest_tag",
    "snapshot_lock",
    "snapshot_bin",
    "snapshot_undo",
    "bin_rule",
    "archive_change",
}
SMALL_INDEXES: Final = {"snapshot_sealing", "snapshot_reaping", "segment_reserved", "snapshot_deleted"}
"""Partial indexes of what is on its way: all of one may be read."""
UNHURRIED: Final[Mapping[str, ModuleType]] = {
    "COUNT_SNAPSHOTS": statements,
    "COUNT_SEGMENTS": statements,
    "COUNT_BLOCKS": statements,
    "COUNT_HOLDS": statements,
    "COUNT_CHUNKS": statements,
    "VERIFICATION_STANDING": statements_collection,
}
"""Of statistics(), the cut and verification_standing(), which may take their time: they keep no writer waiting."""

HURRIED: Final[Mapping[str, str]] = {
    f"{module.__name__.rpartition('.')[2]}.{name}": text
    for module in (
        statements,
        statements_archive,
        statements_collection,
        statements_lifecycle,
        statements_needs,
    )
    for name, text in vars(module).items()
    if name.isupper() and not name.startswith("_") and name not in UNHURRIED and isinstance(text, str)
} | {
    **{f"names of {kind} records": text for kind, text in statements_archive.NAMES.items()},
    **{
        f"archived rows of {table.table}": statements_archive.rows_of(table)
        for tables in ARCHIVED.values()
        for table in tables
    },
}

ADOPTING: Final = {"statements.ADD_ACCOUNT", "statements.ADD_DOMAIN"}
"""A new row might be what a row that names none was missing. The program has a way to look for such rows, since
triggers make these statements write twice; it is jumped over unless the statement itself wrote one that names none."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteMetadataStore]:
    opened = SqliteMetadataStore.create(tmp_path / "metadata.db", FACTS)
    yield opened
    opened.close()


def plan_of(store: SqliteMetadataStore, statement: str) -> list[str]:
    """Return the steps of a statement's plan."""
    with store._database.writing() as session:
        plan = session.rows(f"EXPLAIN QUERY PLAN {statement}", (None,) * statement.count("?"))
    return [str(step) for *_, step in plan]


def scans(store: SqliteMetadataStore, statement: str) -> list[str]:
    """Return the steps of its plan that read all of a growing table or of an index of it."""
    return [
        step
        for step in plan_of(store, statement)
        if step.startswith("SCAN ") and step.split()[1] in GROWING and step.split()[-1] not in SMALL_INDEXES
    ]


@pytest.mark.parametrize("name", HURRIED.keys() - ADOPTING)
def test_a_statement_finds_its_rows(store: SqliteMetadataStore, name: str) -> None:
    assert scans(store, HURRIED[name]) == []


@pytest.mark.parametrize("name", sorted(ADOPTING))
def test_a_new_row_is_added_without_looking_who_might_have_missed_it(
    store: SqliteMetadataStore, name: str
) -> None:
    assert scans(store, HURRIED[name]) != []
    assert reads_from_the_beginning(store, HURRIED[name]) == []


SORTED: Final = {
    "statements.OVERDUE",
    "statements.POSTPONE",
    "statements.VISIBLE_WITH_TAGS",
    "statements_collection.SEGMENT_CHUNKS",
    "statements_needs.HELD_NODES",
    "statements_archive.CHANGES_OF_KIND",
    "names of domain records",
}
"""What may be sorted, since it is little: snapshots past their deadline, the tags of one, the nodes of one, the chunks
of one segment, changes of accounts and keys that wait for the archive, domains."""


@pytest.mark.parametrize(
    "name", [name for name, text in HURRIED.items() if "ORDER BY" in text and name not in SORTED]
)
def test_a_page_comes_in_order_without_sorting_all_that_it_could_be_of(
    store: SqliteMetadataStore, name: str
) -> None:
    assert [step for step in plan_of(store, HURRIED[name]) if "TEMP B-TREE" in step] == []


@pytest.mark.parametrize("name", sorted(SORTED))
def test_sorting_is_seen(store: SqliteMetadataStore, name: str) -> None:
    assert [step for step in plan_of(store, HURRIED[name]) if "TEMP B-TREE" in step] != []


@pytest.mark.parametrize("name", ["statements.COUNT_PENDING"])
def test_what_every_start_counts_is_counted_from_an_index_alone(
    store: SqliteMetadataStore, name: str
) -> None:
    (step,) = plan_of(store, HURRIED[name])
    assert "COVERING INDEX" in step


@pytest.mark.parametrize("name", ["statements.SNAPSHOTS_TAGGED", "statements.VISIBLE_SNAPSHOTS_TAGGED"])
def test_a_page_of_tagged_snapshots_is_found_from_the_tags(store: SqliteMetadataStore, name: str) -> None:
    plan = plan_of(store, HURRIED[name])
    assert any("COVERING INDEX tag_by_key (tag_key=? AND snapshot_key>?)" in step for step in plan)
    assert not any("snapshot_by_account" in step for step in plan)


@pytest.mark.parametrize("name", UNHURRIED)
def test_a_scan_is_seen(store: SqliteMetadataStore, name: str) -> None:
    assert scans(store, vars(UNHURRIED[name])[name]) != []


def reads_from_the_beginning(store: SqliteMetadataStore, statement: str) -> list[str]:
    """Return the tables and indexes that the program of a statement reads, unless a foreign key finds no orphan counted.

    A foreign key's check is in no query plan, but in the program the statement becomes.
    """
    with store._database.writing() as session:
        names: dict[int, str] = dict(session.rows("SELECT rootpage, name FROM sqlite_master"))
        program = session.rows(f"EXPLAIN {statement}", (None,) * statement.count("?"))
    opened: dict[int, str] = {}
    skipped_until = 0
    found = []
    for place, opcode, first, second, *_ in program:
        if opcode in {"OpenRead", "OpenWrite"}:
            opened[first] = names[second]
        elif opcode == "OpenEphemeral":
            opened.pop(first, None)
        elif opcode == "FkIfZero":
            skipped_until = second
        elif (
            opcode == "Rewind"
            and place >= skipped_until
            and opened.get(first, "sqlite_sequence") != "sqlite_sequence"
        ):
            found.append(opened[first])
    return found


@pytest.mark.parametrize("table", ["block", "hold"])
def test_deleting_a_chunk_row_finds_who_refers_to_it(store: SqliteMetadataStore, table: str) -> None:
    with store._database.writing() as session:
        ((root_page,),) = session.rows(
            "SELECT rootpage FROM sqlite_master WHERE name = ?", (f"{table}_by_chunk",)
        )
        program = session.rows("EXPLAIN DELETE FROM chunk WHERE chunk_key = ?", (1,))
    assert root_page in {page for _, opcode, _, page, *_ in program if opcode == "OpenRead"}


@pytest.mark.parametrize(
    "name",
    [
        "DROP_CHUNK",
        "FORGET_SNAPSHOT",
        "FORGET_SEGMENT",
        "REMOVE_UNDO",
        "CONDEMN",
        "REPOINT_CHUNK",
        "FOUND_CANCELLED",
    ],
)
def test_what_is_taken_away_is_asked_after_by_index(store: SqliteMetadataStore, name: str) -> None:
    statement: str = getattr(statements_collection, name)
    assert reads_from_the_beginning(store, statement) == []


def test_a_read_from_the_beginning_is_seen(store: SqliteMetadataStore) -> None:
    assert reads_from_the_beginning(store, "DELETE FROM chunk WHERE plain_bytes = ?") == ["chunk"]
