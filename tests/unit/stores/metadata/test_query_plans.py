"""No statement that is run while somebody waits reads a whole table that grows.

The planner is asked without statistics, as in production: nobody runs ANALYZE there, so plans never change by
themselves.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from neve.stores.metadata import statements, statements_lifecycle, statements_needs
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
    "bin_rule",
}
SMALL_INDEXES: Final = {"snapshot_sealing", "snapshot_reaping", "segment_reserved"}
"""Partial indexes of what is on its way: all of one may be read."""
UNHURRIED: Final = {"COUNT_SNAPSHOTS", "COUNT_SEGMENTS", "COUNT_BLOCKS", "COUNT_HOLDS", "COUNT_CHUNKS"}
"""Of statistics(), which may take its time."""

HURRIED: Final[Mapping[str, str]] = {
    name: text
    for module in (statements, statements_lifecycle, statements_needs)
    for name, text in vars(module).items()
    if name.isupper() and not name.startswith("_") and name not in UNHURRIED
}


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


@pytest.mark.parametrize("name", HURRIED)
def test_a_statement_finds_its_rows(store: SqliteMetadataStore, name: str) -> None:
    assert scans(store, HURRIED[name]) == []


SORTED: Final = {"OVERDUE", "POSTPONE", "VISIBLE_WITH_TAGS", "HELD_NODES"}
"""What may be sorted, since it is little: snapshots past their deadline, the tags of one, the nodes of one."""


@pytest.mark.parametrize(
    "name", [name for name, text in HURRIED.items() if "ORDER BY" in text and name not in SORTED]
)
def test_a_page_comes_in_order_without_sorting_all_that_it_could_be_of(
    store: SqliteMetadataStore, name: str
) -> None:
    assert [step for step in plan_of(store, HURRIED[name]) if "TEMP B-TREE" in step] == []


@pytest.mark.parametrize("name", SORTED)
def test_sorting_is_seen(store: SqliteMetadataStore, name: str) -> None:
    assert [step for step in plan_of(store, HURRIED[name]) if "TEMP B-TREE" in step] != []


@pytest.mark.parametrize("name", ["COUNT_PENDING"])
def test_what_every_start_counts_is_counted_from_an_index_alone(
    store: SqliteMetadataStore, name: str
) -> None:
    (step,) = plan_of(store, HURRIED[name])
    assert "COVERING INDEX" in step


@pytest.mark.parametrize("name", ["SNAPSHOTS_TAGGED", "VISIBLE_SNAPSHOTS_TAGGED"])
def test_a_page_of_tagged_snapshots_is_found_from_the_tags(store: SqliteMetadataStore, name: str) -> None:
    plan = plan_of(store, HURRIED[name])
    assert any("COVERING INDEX tag_by_key (tag_key=? AND snapshot_key>?)" in step for step in plan)
    assert not any("snapshot_by_account" in step for step in plan)


@pytest.mark.parametrize("name", UNHURRIED)
def test_a_scan_is_seen(store: SqliteMetadataStore, name: str) -> None:
    assert scans(store, vars(statements)[name]) != []


@pytest.mark.parametrize("table", ["block", "hold"])
def test_deleting_a_chunk_row_finds_who_refers_to_it(store: SqliteMetadataStore, table: str) -> None:
    """A foreign key check is in no query plan, but in the program the statement becomes."""
    with store._database.writing() as session:
        ((root_page,),) = session.rows(
            "SELECT rootpage FROM sqlite_master WHERE name = ?", (f"{table}_by_chunk",)
        )
        program = session.rows("EXPLAIN DELETE FROM chunk WHERE chunk_key = ?", (1,))
    opcodes = [opcode for _, opcode, *_ in program]
    opened = {page for _, opcode, _, page, *_ in program if opcode == "OpenRead"}
    assert root_page in opened
    assert "Rewind" not in opcodes, "some table is read from its beginning"
