"""Bugs planted one at a time in what SQLite is told of keys, and the contract's suite that catches each.

A planted bug is a piece of a statement and what stands there instead. Whoever weakens the suite finds one alive.
"""

import inspect
from pathlib import Path

import pytest

from neve.errors import InvariantError, RecordRefused
from neve.stores.metadata import statements_keys
from neve.stores.metadata.sqlite import SqliteMetadataStore
from neve.testing.memory_metadata import FACTS
from neve.testing.metadata_contract_keys import (
    AliasesContract,
    GrantsContract,
    KmsKeysContract,
    WrappingsContract,
    with_keys,
)
from neve.testing.metadata_scene import Scene

SUITES = (KmsKeysContract, AliasesContract, GrantsContract, WrappingsContract)

PLANTED = {
    "an account lists every account's keys": ("KEYS", "account_id = ? AND", "? IS NOT NULL AND"),
    "a page of keys begins with the last of the one before": ("KEYS", "key_id > ?", "key_id >= ?"),
    "a replaced record keeps its revision": ("REPLACE_KEY", "revision + 1", "revision"),
    "replacing one key replaces all": ("REPLACE_KEY", "WHERE key_id = ?", "WHERE ? IS NOT NULL"),
    "a policy is never replaced": ("REPLACE_KEY", "policy = ?", "policy = coalesce(policy, ?)"),
    "a removed key takes every material along": ("REMOVE_MATERIALS", "key_id = ?", "? IS NOT NULL"),
    "a removed key takes every alias along": ("REMOVE_ALIASES_OF_KEY", "key_id = ?", "? IS NOT NULL"),
    "a removed key takes every grant along": ("REMOVE_GRANTS", "key_id = ?", "? IS NOT NULL"),
    "a key is deleted a millisecond late": ("KEYS_TO_DELETE", "deletion_ms <= ?", "deletion_ms < ?"),
    "a disabled key is rotated": ("KEYS_TO_ROTATE", "state = 'Enabled' AND", ""),
    "a key is rotated a millisecond late": ("KEYS_TO_ROTATE", "<= ?", "< ?"),
    "an alias of another account is found": ("ALIAS", "account_id = ? AND", "? IS NOT NULL AND"),
    "moving one alias moves all": ("MOVE_ALIAS", "AND alias_name = ?", "AND ? IS NOT NULL"),
    "a grant added again replaces the first": (
        "ADD_GRANT",
        "DO NOTHING",
        "DO UPDATE SET operations = excluded.operations",
    ),
    "removing a grant reaches every key": ("REMOVE_GRANT", "key_id = ? AND", "? IS NOT NULL AND"),
    "whoever read an older wrapping puts theirs": ("REWRAP", "AND wrapping = ?", "AND ? IS NOT NULL"),
    "generations come in any order": ("WRAPPINGS", "ORDER BY generation", "ORDER BY generation DESC"),
}


def run_suites(directory: Path) -> None:
    """Keep each promise of the suites on a new store in SQLite, until one is broken."""
    for suite in SUITES:
        for name, promise in inspect.getmembers(suite(), inspect.ismethod):
            if not name.startswith("test_"):
                continue
            store = SqliteMetadataStore.create(directory / f"{name}.db", FACTS)
            try:
                wanted = inspect.signature(promise).parameters
                promise(
                    store
                    if "store" in wanted
                    else with_keys(Scene(store))
                    if "keys" in wanted
                    else Scene(store)
                )
            finally:
                store.close()


@pytest.mark.parametrize("bug", PLANTED)
def test_the_suite_of_keys_catches(bug: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name, sound, broken = PLANTED[bug]
    statement: str = getattr(statements_keys, name)
    planted = statement.replace(sound, broken, 1)
    assert planted != statement, "the statement has changed: plant the bug anew"
    monkeypatch.setattr(statements_keys, name, planted)
    # A promise is broken by an assertion, by a refusal that pytest.raises waited for in vain, or by one it did not.
    with pytest.raises((AssertionError, pytest.fail.Exception, RecordRefused, InvariantError)):
        run_suites(tmp_path)


def test_without_a_planted_bug_the_suite_of_keys_finds_nothing(tmp_path: Path) -> None:
    run_suites(tmp_path)
