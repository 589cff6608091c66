"""A database that was filled before step 3 or 4: opened, it shows all that was in it, and takes what the steps brought.

The rows are written in words of then, since the program of then is not here any more.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from neve.domain.blocks import ChunkId
from neve.domain.snapshots import CompletionClaim, Origin, Snapshot, SnapshotKey, State
from neve.errors import SnapshotNotFound
from neve.limits import TINY
from neve.stores.metadata.contract_identities import AccountSettings
from neve.stores.metadata.contract_lifecycle import LockedSnapshot
from neve.stores.metadata.contract_needs import Need
from neve.stores.metadata.migrations import STEPS, migrate, steps_taken
from neve.stores.metadata.records import reading
from neve.stores.metadata.schema import SQLITE
from neve.stores.metadata.session import Session
from neve.stores.metadata.sqlite import SqliteMetadataStore
from neve.stores.metadata.sqlite_database import APPLICATION_ID, SYSTEM_FILES, SqliteDatabase, create_file
from neve.stores.metadata.sqlite_schema import altered_schema
from neve.testing.memory_metadata import FACTS
from neve.testing.metadata_contract_bin import put_rule, rule_of
from neve.testing.metadata_contract_locks import lock_of
from neve.testing.metadata_scene import (
    ACCOUNT,
    MINUTE_MS,
    OTHER_ACCOUNT,
    START_MS,
    Scene,
    chunk_id,
    segment_name,
    snapshot_id,
)

SNAPSHOT = """
INSERT INTO snapshot (
    snapshot_key, snapshot_id, account_id, domain_key, lineage_id, state, state_message, changed_ms, volume_gib,
    timeout_minutes, started_ms, last_write_ms, deadline_ms, completed_ms, base_block_count, root, block_count,
    claim_count, reaping
) VALUES (?, ?, ?, 1, ?, ?, '', ?, 1, 60, ?, ?, ?, ?, 0, ?, ?, ?, 0)
"""
STATES = ("pending", "sealing", "completed", "error", "deleted")


def fill(session: Session) -> None:
    """Write what a program of step 2 or 3 would have, one snapshot in each state."""
    account = "INSERT INTO account (account_id, name, created_ms) VALUES (?, ?, 1)"
    for account_id in (ACCOUNT, OTHER_ACCOUNT):
        session.rows(account, (account_id, account_id[:4]))
    session.rows(
        "INSERT INTO domain (uid, account_id, kms_key_arn, sealed_id_key) VALUES (?, ?, '', ?)",
        (b"1" * 16, ACCOUNT, b"1" * 40),
    )
    session.rows(
        "INSERT INTO segment (name, state, reserved_ms, size_bytes) VALUES (?, 'live', 1, 9)",
        (segment_name(1),),
    )
    session.rows(
        "INSERT INTO chunk (domain_key, chunk_id, kind, encoding, segment_key, segment_offset, stored_bytes,"
        " plain_bytes, bad) VALUES (1, ?, 0, 1, 1, 0, 1, 10, 0)",
        (chunk_id(1),),
    )
    for key, state in enumerate(STATES, start=1):
        is_sealed = state in {"completed", "deleted"}
        completed = (START_MS, chunk_id(1), 1) if is_sealed else (None, None, 0)
        times = (START_MS, START_MS, START_MS, START_MS + 60 * MINUTE_MS)
        claim_count = None if state == "pending" else 1
        session.rows(
            SNAPSHOT,
            (key, snapshot_id(key), ACCOUNT, snapshot_id(key), state, *times, *completed, claim_count),
        )
        session.rows(
            "INSERT INTO block (snapshot_key, block_index, digest) VALUES (?, 0, ?)", (key, b"d" * 32)
        )
        if state != "deleted":
            session.rows(
                "INSERT INTO tag (snapshot_key, tag_key, tag_value) VALUES (?, 'k', ?)", (key, state)
            )
            session.rows(
                "INSERT INTO snapshot_permission (snapshot_key, grantee) VALUES (?, ?)", (key, OTHER_ACCOUNT)
            )
    session.rows(
        "INSERT INTO account_settings (account_id, encryption_by_default, default_kms_key) VALUES (?, 1, 'k')",
        (ACCOUNT,),
    )


@pytest.fixture(params=[2, 3])
def steps(request: pytest.FixtureRequest) -> int:
    """Return how many steps the program of then knew."""
    taken: int = request.param
    return taken


@pytest.fixture
def path(tmp_path: Path, steps: int) -> Path:
    """Return where a database of then lies, with data in it."""
    path = tmp_path / "metadata.db"
    create_file(path, SYSTEM_FILES)
    database = SqliteDatabase(path)
    try:
        with database.writing() as session:
            session.rows(f"PRAGMA application_id = {APPLICATION_ID}")
            migrate(session, SQLITE, STEPS[:steps])
            reading.add_facts(session, FACTS)
            fill(session)
    finally:
        database.close()
    return path


@pytest.fixture
def store(path: Path) -> Iterator[SqliteMetadataStore]:
    opened = SqliteMetadataStore.open(path, limits=TINY)
    yield opened
    opened.close()


def migrated(store: SqliteMetadataStore, state: str) -> Snapshot:
    return store.snapshot(ACCOUNT, snapshot_id(STATES.index(state) + 1))


def test_what_would_be_done_is_told_and_done_once(path: Path, steps: int) -> None:
    outstanding = [f"{step.number}: {step.title}" for step in STEPS[steps:]]
    assert SqliteMetadataStore.outstanding_migrations(path) == outstanding
    SqliteMetadataStore.open(path, limits=TINY).close()
    assert SqliteMetadataStore.outstanding_migrations(path) == []


def test_every_snapshot_is_what_it_was_and_made_of_blocks(store: SqliteMetadataStore) -> None:
    completed = migrated(store, "completed")
    assert completed == Snapshot(
        key=completed.key,
        snapshot_id=snapshot_id(3),
        account_id=ACCOUNT,
        domain_key=completed.domain_key,
        lineage_id=snapshot_id(3),
        parent_id=None,
        state=State.COMPLETED,
        state_message="",
        volume_gib=1,
        description=None,
        timeout_minutes=60,
        started_ms=START_MS,
        last_write_ms=START_MS,
        completed_ms=START_MS,
        base_root=None,
        base_block_count=0,
        root=ChunkId(chunk_id(1)),
        block_count=1,
        claim=CompletionClaim(changed_blocks_count=1, aggregate=None),
        origin=Origin.DIRECT,
        tags={"k": "completed"},
    )
    there = store.snapshots(ACCOUNT, after=None, limit=10)
    assert [each.state.value for each in there] == list(STATES[:-1])
    assert {each.origin for each in there} == {Origin.DIRECT}
    assert store.statistics().snapshots == dict.fromkeys(STATES, 1)
    assert store.statistics().block_rows == len(STATES)


def test_settings_block_no_sharing(store: SqliteMetadataStore) -> None:
    assert store.identities.account_settings(ACCOUNT) == AccountSettings(
        account_id=ACCOUNT, encryption_by_default=True, default_kms_key="k", public_access="unblocked"
    )


def test_tags_of_then_are_found_by_their_key(store: SqliteMetadataStore) -> None:
    found = store.snapshots(ACCOUNT, after=None, limit=10, tag_key="k")
    assert found == store.snapshots(ACCOUNT, after=None, limit=10)


def test_snapshots_of_then_are_locked_recycled_restored_and_tagged_by_guests(
    store: SqliteMetadataStore,
) -> None:
    completed = migrated(store, "completed")
    name = completed.snapshot_id
    lock = lock_of(duration_days=None, expires_ms=START_MS)
    assert store.lifecycle.change_lock(ACCOUNT, name, lambda *_: lock) == LockedSnapshot(
        snapshot=completed, lock=lock
    )
    store.put_tags(OTHER_ACCOUNT, [name], {"guest": "1"}, tags_max=1)
    put_rule(Scene(store), rule_of())
    assert store.delete_snapshot(ACCOUNT, name, now_ms=START_MS) is not None
    assert store.lifecycle.restore(ACCOUNT, name, now_ms=START_MS) == completed
    assert store.visible_snapshot(OTHER_ACCOUNT, name).snapshot.tags == {"guest": "1"}


def test_no_row_of_then_goes_before_a_mark_has_spoken_for_its_snapshot(store: SqliteMetadataStore) -> None:
    needs: list[Need] = []
    unsettled: list[SnapshotKey] = []
    epoch = store.collection.begin()
    cut = store.collection.cut(epoch, needs=needs.extend, unsettled=unsettled.extend)
    assert [need.state.value for need in needs] == ["pending", "sealing", "completed"]
    assert unsettled == [SnapshotKey(STATES.index(state) + 1) for state in ("completed", "deleted")]
    assert store.collection.forget_snapshots(epoch, limit=10) == []
    for key in unsettled:
        assert store.collection.drop_rows(epoch, key, limit=10) == 1
    assert store.collection.forget_snapshots(epoch, limit=10) == [snapshot_id(5)]
    domain_key = migrated(store, "completed").domain_key
    assert store.collection.drop_chunks(epoch, domain_key, [chunk_id(1)], newest=cut.newest_chunk).chunks == 1


def test_what_was_deleted_then_does_not_come_back_and_what_is_deleted_now_does(
    store: SqliteMetadataStore,
) -> None:
    assert store.collection.deletions(None, after=None, limit=10) == []
    with pytest.raises(SnapshotNotFound):
        store.collection.undelete(ACCOUNT, snapshot_id(5), now_ms=START_MS)
    completed = migrated(store, "completed")
    store.delete_snapshot(ACCOUNT, completed.snapshot_id, now_ms=START_MS)
    assert store.collection.undelete(ACCOUNT, completed.snapshot_id, now_ms=START_MS) == completed
    assert store.permissions(ACCOUNT, completed.snapshot_id) == [OTHER_ACCOUNT]


def test_the_database_is_whole_after_the_step(store: SqliteMetadataStore) -> None:
    with store._database.reading() as session:
        assert steps_taken(session, SQLITE) == len(STEPS)
        assert session.rows("PRAGMA foreign_key_check") == []
        assert session.rows("PRAGMA integrity_check") == [("ok",)]
        assert altered_schema(session) == []
