"""Bugs planted one at a time in what SQLite is told about what may go, and the programs that must catch each.

Most are a piece of a statement and what stands there instead; the others have a method of the records take whatever
epoch it is given. The foreign keys catch some of them, too, and refuse: that is another answer, and counts.
"""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from machines.sqlite_records import SqliteCollectionMachine
from neve.stores.metadata import statements, statements_collection
from neve.stores.metadata.records import collection
from neve.stores.metadata.session import Session

HERE = statements_collection
NAMED = "AND segment_key = (SELECT segment_key FROM segment WHERE name = ?)"
WITH_UNDO = (
    "AND NOT EXISTS (SELECT 1 FROM snapshot_undo WHERE snapshot_undo.snapshot_key = snapshot.snapshot_key)"
)
WITH_TOKEN = (
    "AND NOT EXISTS (SELECT 1 FROM client_token WHERE client_token.snapshot_key = snapshot.snapshot_key)"
)
FORGETTING = ("FORGETTABLE", "FORGET_SNAPSHOT")

PLANTED: dict[str, tuple[ModuleType, Sequence[str], str, str]] = {
    "what can be undone is not needed": (HERE, ["NEEDED"], "OR EXISTS", "OR false AND EXISTS"),
    "what is being written is not needed": (HERE, ["NEEDED"], "'pending', ", ""),
    "deleted ones are never settled": (
        HERE,
        ["UNSETTLED"],
        "unsettled = 1",
        "unsettled = 1 AND state <> 'deleted'",
    ),
    "completed ones are settled already": (
        statements,
        ["FINISH_COMPLETION"],
        "unsettled = 1",
        "unsettled = 0",
    ),
    "nothing is ever settled": (HERE, ["SETTLE"], "unsettled = 0", "unsettled = 1"),
    "rows of one that never completed may go": (HERE, ["STANDING"], "completed_ms", "1"),
    "what a block names is dropped": (HERE, ["DROP_CHUNK"], "block.chunk_key = chunk.chunk_key", "false"),
    "what a hold names is dropped": (HERE, ["DROP_CHUNK"], "hold.chunk_key = chunk.chunk_key", "false"),
    "what came after the cut is dropped": (HERE, ["DROP_CHUNK"], "chunk_key <= ?", "? IS NOT NULL"),
    "the newest chunk is not noted": (HERE, ["NEWEST_CHUNK"], "max(chunk_key)", "max(chunk_key) - 1"),
    "an equal name in another domain goes": (HERE, ["DROP_CHUNK"], "domain_key = ?", "? IS NOT NULL"),
    "snapshots are forgotten before their undo": (HERE, FORGETTING, WITH_UNDO, ""),
    "snapshots are forgotten before their token": (HERE, FORGETTING, WITH_TOKEN, ""),
    "snapshots are forgotten before they are settled": (HERE, FORGETTING, "unsettled = 0 AND ", ""),
    "living snapshots are forgotten": (HERE, FORGETTING, "state = 'deleted' AND ", ""),
    "a segment with chunks is condemned": (
        HERE,
        ["CONDEMN"],
        "chunk.segment_key = segment.segment_key",
        "false",
    ),
    "a reserved segment is condemned": (HERE, ["CONDEMN"], "state = 'live'", "state <> 'condemned'"),
    "a condemned segment lives on": (HERE, ["CONDEMN"], "state = 'condemned',", "state = state,"),
    "a healed row is pointed to the old copy": (HERE, ["REPOINT_CHUNK"], NAMED, "AND ? IS NOT NULL"),
    "a bad row is pointed to a copy": (HERE, ["REPOINT_CHUNK"], " AND bad = 0", ""),
    "a row is pointed to a copy of other bytes": (
        HERE,
        ["REPOINT_CHUNK"],
        "AND segment_offset = ?",
        "AND ? IS NOT NULL",
    ),
    "a copy's row says where the old bytes were": (
        HERE,
        ["REPOINT_CHUNK"],
        "segment_offset = ?, stored_bytes = ?\n",
        "segment_offset = segment_offset + 0 * ?, stored_bytes = ?\n",
    ),
    "segments come a moment early": (HERE, ["CONDEMNED"], "condemned_ms < ?", "condemned_ms <= ?"),
    "living segments are forgotten": (
        HERE,
        ["FORGET_SEGMENT"],
        "state = 'condemned'",
        "state <> 'reserved'",
    ),
    "what was proven elsewhere is good": (HERE, ["CLEAR_BAD"], NAMED, "AND ? IS NOT NULL"),
    "strangers undo": (HERE, ["UNDO"], "AND snapshot.account_id = ?", "AND ? IS NOT NULL"),
    "an undo outlives itself": (HERE, ["REMOVE_UNDO"], "snapshot_key = ?", "snapshot_key = -?"),
    "undos go a moment early": (HERE, ["OLD_UNDOS"], "deleted_ms < ?", "deleted_ms <= ?"),
    "what never completed can be undone": (
        HERE,
        ["COMPLETED_OWNER"],
        " AND completed_ms IS NOT NULL",
        "",
    ),
    "deletions leave no undo": (HERE, ["COMPLETED_OWNER"], "IS NOT NULL", "IS NULL AND false"),
    "guests' tags are lost": (HERE, ["ALL_GUEST_TAGS"], "snapshot_key = ?", "snapshot_key = -?"),
    "a token is not held again": (HERE, ["HOLD_CLIENT_TOKEN"], "released = 0", "released = 1"),
    "only live segments are told": (HERE, ["SEGMENTS"], "'live', 'condemned'", "'live'"),
    "dropped rows are uses": (HERE, ["USES"], "'error', 'deleted'", "'deleted'"),
    "condemned segments are verified": (HERE, ["SET_VERIFIED"], " AND state = 'live'", ""),
}
DEMANDING = ("cut", "drop_rows", "drop_chunks", "forget_snapshots", "condemn", "repoint")

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
def test_the_collection_machine_catches(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, names, sound, broken = PLANTED[bug]
    for name in names:
        statement: str = getattr(module, name)
        planted = statement.replace(sound, broken, 1)
        assert planted != statement, "the statement has changed: plant the bug anew"
        monkeypatch.setattr(module, name, planted)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(SqliteCollectionMachine, settings=SEARCH)


def deaf(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of the records that takes any epoch for the newest."""

    def planted(session: Session, _epoch: object, *arguments: Any, **options: Any) -> Any:
        ((newest,),) = session.rows(statements_collection.EPOCH)
        return method(session, newest, *arguments, **options)

    return planted


@pytest.mark.slow
@pytest.mark.parametrize("method", DEMANDING)
def test_the_collection_machine_catches_whoever_asks_for_no_epoch(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection, method, deaf(getattr(collection, method)))
    with pytest.raises(AssertionError):
        run_state_machine_as_test(SqliteCollectionMachine, settings=SEARCH)


@pytest.mark.slow
def test_the_collection_machine_catches_epochs_that_nobody_demands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collection, "demand", lambda _session, _epoch: None)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(SqliteCollectionMachine, settings=SEARCH)


def test_without_a_planted_bug_the_collection_machine_finds_nothing() -> None:
    run_state_machine_as_test(SqliteCollectionMachine, settings=settings(SEARCH, max_examples=10))
