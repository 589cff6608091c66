"""Every statement about users and policies finds its rows by an index: each request of a user asks one of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from neve.stores.metadata import statements_access
from neve.stores.metadata.sqlite import SqliteMetadataStore
from neve.testing.memory_metadata import FACTS

STATEMENTS: Final[Mapping[str, str]] = {
    name: text
    for name, text in vars(statements_access).items()
    if name.isupper() and not name.startswith("_")
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_about_users_reads_no_whole_table(tmp_path: Path, name: str) -> None:
    store = SqliteMetadataStore.create(tmp_path / "metadata.db", FACTS)
    try:
        with store._database.writing() as session:
            statement = STATEMENTS[name]
            plan = session.rows(f"EXPLAIN QUERY PLAN {statement}", (None,) * statement.count("?"))
    finally:
        store.close()
    assert [step for *_, step in plan if str(step).startswith("SCAN ")] == []
