"""Bugs planted one at a time in what SQLite is told of users and policies, and the contract's suite that catches each.

A planted bug is a piece of a statement and what stands there instead. Whoever weakens the suite finds one alive.
"""

import inspect
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from neve.errors import RecordRefused
from neve.stores.metadata import statements, statements_access
from neve.stores.metadata.sqlite import SqliteMetadataStore
from neve.testing.memory_metadata import FACTS
from neve.testing.metadata_contract_identities import IdentitiesContract
from neve.testing.metadata_scene import Scene

PLANTED = {
    "another account's user is found": ("USER", "account_id = ? AND", "? IS NOT NULL AND"),
    "a removed user keeps attachments of every account": (
        "REMOVE_ATTACHMENTS_OF_USER",
        "account_id = ? AND",
        "? IS NOT NULL AND",
    ),
    "keys of a namesake go with a user": (
        "REMOVE_ACCESS_KEYS_OF_USER",
        "account_id = ? AND",
        "? IS NOT NULL AND",
    ),
    "a removed user's keys stay": ("REMOVE_ACCESS_KEYS_OF_USER", "user_name = ?", "user_name = ? AND false"),
    "a policy put again is new": ("PUT_POLICY", "SET document", "SET created_ms = excluded.created_ms, document"),
    "an attached policy may go": ("POLICY_IS_ATTACHED", "policy_name = ?", "policy_name = ? AND false"),
    "a foreign attachment holds a policy": ("POLICY_IS_ATTACHED", "account_id = ? AND", "? IS NOT NULL AND"),
    "detaching reaches every user": ("DETACH_POLICY", "user_name = ? AND", "? IS NOT NULL AND"),
    "a foreign document is read": (
        "ATTACHMENTS",
        "iam_policy.account_id = iam_attachment.account_id",
        "iam_policy.account_id IS NOT NULL",
    ),
    "a ready-made policy is left out": ("ATTACHMENTS", "LEFT JOIN iam_policy", "JOIN iam_policy"),
    "a default key stays for ever": (
        "PUT_ACCOUNT_SETTINGS",
        "default_kms_key = excluded.default_kms_key",
        "default_kms_key = account_settings.default_kms_key",
    ),
    "an access key keeps its user": ("PUT_ACCESS_KEY", "user_name = excluded.user_name", "user_name = access_key.user_name"),
    "an access key keeps its expiry": (
        "PUT_ACCESS_KEY",
        "expires_ms = excluded.expires_ms",
        "expires_ms = access_key.expires_ms",
    ),
    "removing an access key removes all": ("REMOVE_ACCESS_KEY", "access_key_id = ?", "? IS NOT NULL"),
}  # fmt: skip


def run_suite(directory: Path) -> None:
    """Run each promise of the suite on a new store in SQLite, until one is broken."""
    promises: Iterable[tuple[str, Callable[..., None]]] = inspect.getmembers(
        IdentitiesContract(), inspect.ismethod
    )
    for name, promise in promises:
        store = SqliteMetadataStore.create(directory / f"{name}.db", FACTS)
        try:
            wants_a_scene = "scene" in inspect.signature(promise).parameters
            promise(Scene(store) if wants_a_scene else store)
        finally:
            store.close()


@pytest.mark.parametrize("bug", PLANTED)
def test_the_suite_of_identities_catches(bug: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name, sound, broken = PLANTED[bug]
    module = statements_access if hasattr(statements_access, name) else statements
    statement: str = getattr(module, name)
    planted = statement.replace(sound, broken, 1)
    assert planted != statement, "the statement has changed: plant the bug anew"
    monkeypatch.setattr(module, name, planted)
    # A promise is broken by an assertion, by a refusal that pytest.raises waited for in vain, or by one it did not.
    with pytest.raises((AssertionError, pytest.fail.Exception, RecordRefused)):
        run_suite(tmp_path)


def test_without_a_planted_bug_the_suite_of_identities_finds_nothing(tmp_path: Path) -> None:
    run_suite(tmp_path)
