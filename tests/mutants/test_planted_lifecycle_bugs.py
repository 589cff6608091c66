"""Bugs planted one at a time in locks, the bin, copies and guests' tags, and the programs that must catch each.

What SQLite is told is caught by the metadata machine; what both stores take from `domain.locks`, by the attack on locked
records, which does its own arithmetic.
"""

import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis.stateful import run_state_machine_as_test

from machines.locked_records import Program, attack, memory_store, programs
from machines.sqlite_records import SqliteLifecycleMachine
from neve.domain.locks import Lock
from neve.domain.snapshots import Snapshot
from neve.stores.metadata import statements, statements_lifecycle

IN_THE_BIN = "snapshot_bin.snapshot_key = snapshot_permission.snapshot_key"
PLANTED: dict[str, tuple[ModuleType, str, str, str]] = {
    "what is in the bin is found": (statements, "SNAPSHOT_WITH_TAGS", " AND recycled = 0", ""),
    "pages show what is in the bin": (statements, "SNAPSHOTS_OF_ACCOUNT", " AND recycled = 0", ""),
    "pages by tag show what is in the bin": (statements, "SNAPSHOTS_TAGGED", " AND recycled = 0", ""),
    "guests find what is in the bin": (statements, "VISIBLE_WITH_TAGS", " AND recycled = 0", ""),
    "guests' pages show what is in the bin": (statements, "VISIBLE_SNAPSHOTS", IN_THE_BIN, "false"),
    "guests' pages by tag show what is in the bin": (
        statements,
        "VISIBLE_SNAPSHOTS_TAGGED",
        "snapshot_bin.snapshot_key = guest_tag.snapshot_key",
        "false",
    ),
    "the bin takes up no room": (
        statements,
        "COUNT_OF_ACCOUNT",
        "state <> 'deleted'",
        "state <> 'deleted' AND recycled = 0",
    ),
    "what is in the bin is sealed to writers": (statements, "STANDING", "recycled", "0 AS recycled"),
    "deleted ones stay recycled": (statements, "DELETE_SNAPSHOT", "recycled = 0", "recycled = recycled"),
    "copies take room from pending ones": (
        statements,
        "COUNT_PENDING",
        "AND deadline_ms < ?",
        "AND ? IS NOT NULL",
    ),
    "copies are like any other": (
        statements,
        "ADD_SNAPSHOT",
        "?, 0, 0)",
        "substr(?, 1, 0) || 'direct', 0, 0)",
    ),
    "strangers see guests' tags": (
        statements,
        "VISIBLE_WITH_TAGS",
        "AND guest_tag.account_id = ?",
        "AND ? IS NOT NULL",
    ),
    "guests' tags outlive the sharing": (
        statements,
        "REMOVE_TAGS_OF_THE_GONE",
        "snapshot_key = ?",
        "snapshot_key = -?",
    ),
    "guests' tags go though the snapshot is still public": (
        statements,
        "REMOVE_TAGS_OF_THE_GONE",
        "grantee IN (guest_tag.account_id, 'all')",
        "grantee = guest_tag.account_id",
    ),
    "guests' tags outlive the snapshot": (
        statements,
        "REMOVE_ALL_GUEST_TAGS",
        "snapshot_key = ?",
        "snapshot_key = -?",
    ),
    "guests have room without end": (statements, "COUNT_GUEST_TAGS", "count(*)", "count(*) * 0"),
    "a guest takes off whatever the value": (
        statements,
        "REMOVE_GUEST_TAG_OF_VALUE",
        "AND tag_value = ?",
        "AND ? IS NOT NULL",
    ),
    "a lock stays what it was first": (
        statements_lifecycle,
        "PUT_LOCK",
        "expires_ms = excluded.expires_ms",
        "expires_ms = snapshot_lock.expires_ms",
    ),
    "a lock is never taken off": (
        statements_lifecycle,
        "REMOVE_LOCK",
        "snapshot_key = ?",
        "snapshot_key = -?",
    ),
    "locks in the bin are listed": (statements_lifecycle, "LOCKS", " AND recycled = 0", ""),
    "everybody's bin is listed": (statements_lifecycle, "RECYCLED", "account_id = ?", "? IS NOT NULL"),
    "anybody restores": (
        statements_lifecycle,
        "RECYCLED_BY_ID",
        "AND snapshot_bin.account_id = ?",
        "AND ? IS NOT NULL",
    ),
    "the bin is emptied late by a millisecond": (
        statements_lifecycle,
        "OVER_IN_BIN",
        "exits_ms <= ?",
        "exits_ms < ?",
    ),
    "a restored one stays hidden": (statements_lifecycle, "RESTORE", "recycled = 0", "recycled = recycled"),
    "rules of all accounts decide": (statements_lifecycle, "RULES", "account_id = ?", "? IS NOT NULL"),
    "a rule that is put again keeps its days": (
        statements_lifecycle,
        "PUT_RULE",
        "retention_days = excluded.retention_days",
        "retention_days = bin_rule.retention_days",
    ),
    "copies of all accounts count": (statements_lifecycle, "COUNT_COPIES", "account_id = ?", "? IS NOT NULL"),
    "a copy in its source's domain has no base": (
        statements_lifecycle,
        "RESOLVE_SNAPSHOT",
        "base_root = ?",
        "base_root = substr(?, 1, 0)",
    ),
    "a copy forgets how far it is": (
        statements_lifecycle,
        "NOTE_COPIED",
        "next_index = ?",
        "next_index = ? * 0",
    ),
    "an ended copy is still under way": (
        statements_lifecycle,
        "REMOVE_COPY",
        "snapshot_key = ?",
        "snapshot_key = -?",
    ),
}


SEARCH = settings(
    max_examples=600,
    stateful_step_count=40,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    derandomize=True,
    print_blob=False,
    database=None,
)


@pytest.mark.slow
@pytest.mark.parametrize("bug", PLANTED)
def test_the_lifecycle_machine_catches(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, name, sound, broken = PLANTED[bug]
    statement: str = getattr(module, name)
    planted = re.sub(re.escape(sound), broken, statement, count=1)
    assert planted != statement, "the statement has changed: plant the bug anew"
    monkeypatch.setattr(module, name, planted)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(SqliteLifecycleMachine, settings=SEARCH)


@pytest.mark.slow
def test_without_a_planted_bug_the_lifecycle_machine_finds_nothing() -> None:
    run_state_machine_as_test(SqliteLifecycleMachine, settings=settings(SEARCH, max_examples=30))


def _from_the_lock_on(lock: Lock, snapshot: Snapshot) -> int | None:
    return None if snapshot.completed_ms is None else lock.created_ms


def _from_completion_on(_lock: Lock, snapshot: Snapshot) -> int | None:
    return snapshot.completed_ms


def _at_once(lock: Lock, _snapshot: Snapshot) -> int | None:
    return lock.created_ms


def _always(_lock: Lock, _snapshot: Snapshot, _now_ms: int) -> bool:
    return True


def _never(_lock: Lock, _snapshot: Snapshot, _now_ms: int) -> bool:
    return False


def _to_the_end_and_on(lock: Lock, snapshot: Snapshot, now_ms: int) -> bool:
    ends_ms = lock.ends_ms(snapshot)
    return ends_ms is None or now_ms <= ends_ms


def _almost_to_the_end(lock: Lock, snapshot: Snapshot, now_ms: int) -> bool:
    ends_ms = lock.ends_ms(snapshot)
    return ends_ms is None or now_ms < ends_ms - 1


PLANTED_IN_LOCKS: dict[str, tuple[str, Callable[..., Any]]] = {
    "the duration does not wait for completion": ("duration_start_ms", _at_once),
    "the duration begins with the lock though it was pending": ("duration_start_ms", _from_the_lock_on),
    "the duration begins with a completion before the lock": ("duration_start_ms", _from_completion_on),
    "locks forbid nothing": ("forbids_deletion", _never),
    "locks forbid for ever": ("forbids_deletion", _always),
    "locks end a millisecond late": ("forbids_deletion", _to_the_end_and_on),
    "locks end a millisecond early": ("forbids_deletion", _almost_to_the_end),
}


@pytest.mark.slow
@pytest.mark.parametrize("bug", PLANTED_IN_LOCKS)
def test_the_attack_on_locked_records_catches(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, broken = PLANTED_IN_LOCKS[bug]
    monkeypatch.setattr(Lock, name, broken)

    @settings(SEARCH)
    @given(program=programs)
    def search(program: Program) -> None:
        with memory_store() as store:
            attack(store, program)

    with pytest.raises(AssertionError):
        search()
