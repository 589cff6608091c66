"""Bugs planted one at a time in what SQLite is told, and the metadata machine that must catch each.

A planted bug is a piece of a statement and what stands there instead. Whoever weakens the machine finds one alive.
"""

import re

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from machines.sqlite_records import SqliteMachine
from neve.stores.metadata import statements

PLANTED = {
    "a bad chunk is a deduplication hit": ("GOOD_CHUNK", " AND bad = 0", ""),
    "a bad chunk is never healed": ("PUBLISH_CHUNK", "WHERE chunk.bad = 1", "WHERE false"),
    "a good row is replaced by a later copy": ("PUBLISH_CHUNK", "WHERE chunk.bad = 1", "WHERE true"),
    "a cancelled writer may publish": ("PUBLISH_SEGMENT", "AND state = 'reserved'", "AND state <> 'live'"),
    "a block does not restart the clock": ("TOUCH_SNAPSHOT", "last_write_ms = ?", "reaping = ? * 0"),
    "a deadline is late by a millisecond": ("OVERDUE", "deadline_ms <= ?", "deadline_ms < ?"),
    "a completed snapshot's rows go at its deletion": ("DELETE_SNAPSHOT", "ELSE 0 END", "ELSE 1 END"),
    "rows of an error are still shown": ("ROWS_SHOWN", "'error', 'deleted'", "'deleted'"),
    "an overwritten block keeps its first content": ("PUT_BLOCK", "DO UPDATE SET .*", "DO NOTHING"),
    "a second claim replaces the first": ("ACCEPT_COMPLETION", "claim_count = ?", "claim_count = ? + 1"),
    "deleted snapshots take up room": ("COUNT_OF_ACCOUNT", " AND state <> 'deleted'", ""),
    "a token outlives its snapshot for ever": ("RELEASE_CLIENT_TOKEN", "released = 1", "released = 0"),
    "a tag goes whatever its value": ("REMOVE_TAG_OF_VALUE", "AND tag_value = ?", "AND ? IS NOT NULL"),
    "foreign snapshots are seen": ("SNAPSHOT_WITH_TAGS", "AND account_id = ?", "AND ? IS NOT NULL"),
    "a shared snapshot shows its tags": (
        "VISIBLE_WITH_TAGS",
        " AND found.account_id = ?",
        " AND ? IS NOT NULL",
    ),
    "what was shared with one is seen by all": (
        "VISIBLE_WITH_TAGS",
        "grantee IN (?, 'all')",
        "? IS NOT NULL",
    ),
    "permissions outlive their snapshot": ("REMOVE_PERMISSIONS", "snapshot_key = ?", "snapshot_key = -?"),
    "taking one permission back takes all": ("REMOVE_PERMISSION", "AND grantee = ?", "AND ? IS NOT NULL"),
    "pages leave out what is public": (
        "VISIBLE_SNAPSHOTS",
        "grantee = 'all' AND snapshot_key > ?",
        "snapshot_key < ?",
    ),
}


SEARCH = settings(
    max_examples=500,
    stateful_step_count=40,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    derandomize=True,
    print_blob=False,
    database=None,
)


@pytest.mark.slow
@pytest.mark.parametrize("bug", PLANTED)
def test_the_metadata_machine_catches(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, sound, broken = PLANTED[bug]
    statement: str = getattr(statements, name)
    planted = re.sub(sound if ".*" in sound else re.escape(sound), broken, statement, count=1)
    assert planted != statement, "the statement has changed: plant the bug anew"
    monkeypatch.setattr(statements, name, planted)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(SqliteMachine, settings=SEARCH)


def test_without_a_planted_bug_the_metadata_machine_finds_nothing() -> None:
    run_state_machine_as_test(SqliteMachine, settings=settings(SEARCH, max_examples=30))
