"""Every statement about users, policies and keys finds its rows by an index: each request may ask one of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from neve.stores.metadata import statements_access, statements_keys
from neve.stores.metadata.sqlite import SqliteMetadataStore
from neve.testing.memory_metadata import FACTS

UNHURRIED: Final = {"KEYS_TO_DELETE", "KEYS_TO_ROTATE"}
"""Of background work, over the keys of every account."""
STATEMENTS: Final[Mapping[str, str]] = {
    name: text
    for module in (statements_access, statements_keys)
    for name, text in vars(module).items()
    if name.isupper() and not name.startswith("_") and name not in UNHURRIED
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_about_access_reads_no_whole_table(tmp_path: Path, name: str) -> None:
    store = SqliteMetadataStore.create(tmp_path / "metadata.db", FACTS)
    try:
        with store._database.writing() as session:
            statement = STATEMENTS[name]
            plan = session.rows(f"EXPLAIN QUERY PLAN {statement}", (None,) * statement.count("?"))
    finally:
        store.close()
    assert [step for *_, step in plan if str(step).startswith("SCAN ")] == []
