"""What the SQLite store adds to the contract: refusals at the door, keys the database keeps, plans, sick connections."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from neve.errors import InvariantError, StoreUnusable
from neve.limits import STANDARD, TINY
from neve.stores.metadata import statements
from neve.stores.metadata.sqlite import SqliteMetadataStore
from neve.testing.memory_metadata import FACTS
from neve.testing.metadata_contract_keys import kms_key, material
from neve.testing.metadata_scene import (
    ACCOUNT,
    Scene,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metadata.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteMetadataStore]:
    opened = SqliteMetadataStore.create(path, FACTS)
    yield opened
    opened.close()


@pytest.fixture
def scene(store: SqliteMetadataStore) -> Scene:
    return Scene(store)


def rows(store: SqliteMetadataStore, statement: str) -> list[tuple[object, ...]]:
    with store._database.reading() as session:
        return session.rows(statement)


def test_a_removed_key_leaves_no_bytes_in_any_file_of_a_running_store(scene: Scene, path: Path) -> None:
    records = scene.store.keys
    for number in range(1, 60):
        records.add_kms_key(kms_key(number), material(number))
    removed = material(30).sealed_material

    def holding() -> list[str]:
        return [each.name for each in sorted(path.parent.iterdir()) if removed in each.read_bytes()]

    assert holding()
    records.remove_kms_key(kms_key(30).key_id, revision=records.kms_key(kms_key(30).key_id).revision)
    assert holding() == []
    assert records.key_materials(kms_key(31).key_id) == [material(31)]


class TestOpening:
    def test_what_was_written_is_there_again(self, scene: Scene, path: Path) -> None:
        snapshot = scene.start(tags={"k": "v"}, client_token="t")
        scene.put(snapshot, {0: 1, 1: 0})
        before = scene.store.statistics()
        scene.store.close()
        again = SqliteMetadataStore.open(path, limits=TINY)
        assert again.facts() == FACTS
        assert again.statistics() == before
        assert again.snapshot(ACCOUNT, snapshot.snapshot_id).tags == {"k": "v"}
        again.close()

    def test_a_second_creation_is_refused_and_changes_nothing(self, scene: Scene, path: Path) -> None:
        scene.start()
        before = scene.store.statistics()
        with pytest.raises(StoreUnusable, match="there is a store at"):
            SqliteMetadataStore.create(path, replace(FACTS, store_id=bytes(16)))
        assert (scene.store.statistics(), scene.store.facts()) == (before, FACTS)

    def test_a_creation_that_was_cut_short_is_refused_and_can_be_repeated(self, path: Path) -> None:
        path.touch()
        with pytest.raises(StoreUnusable, match="is empty"):
            SqliteMetadataStore.open(path, limits=TINY)
        SqliteMetadataStore.create(path, FACTS).close()
        SqliteMetadataStore.open(path, limits=TINY).close()

    @pytest.mark.parametrize(
        ("limits", "sentence"),
        [
            (STANDARD, "blocks of 64 bytes, this service works with blocks of 524288"),
            (
                replace(TINY, node_fanout=32),
                "branch 16 ways, this service works with block maps that branch 32",
            ),
        ],
    )
    def test_other_sizes_than_those_it_was_made_with_are_refused(
        self, store: SqliteMetadataStore, path: Path, limits: object, sentence: str
    ) -> None:
        assert isinstance(limits, type(TINY))
        with pytest.raises(StoreUnusable, match=sentence):
            SqliteMetadataStore.open(path, limits=limits)

    def test_a_newer_schema_is_refused_with_what_to_do(self, store: SqliteMetadataStore, path: Path) -> None:
        with store._database.writing() as session:
            session.rows(statements.ADD_STEP, (99, "from the future"))
        for look in (
            lambda: SqliteMetadataStore.open(path, limits=TINY),
            lambda: SqliteMetadataStore.outstanding_migrations(path),
        ):
            with pytest.raises(StoreUnusable, match=r"version 99.*start a neve at least as new"):
                look()

    def test_an_up_to_date_store_has_no_outstanding_migrations(
        self, store: SqliteMetadataStore, path: Path
    ) -> None:
        assert SqliteMetadataStore.outstanding_migrations(path) == []

    def test_text_may_hold_a_null_character(self, scene: Scene) -> None:
        snapshot = scene.start(tags={"a\0b": "\0"}, description="\0d", client_token="t\0")
        assert scene.look(snapshot) == snapshot
        assert scene.started(client_token="t\0").snapshot == snapshot


class TestKeysTheDatabaseKeeps:
    """Foreign keys: what somebody refers to does not go, whoever asks (design, section 6)."""

    @pytest.fixture(autouse=True)
    def _everything_refers_to_something(self, scene: Scene) -> None:
        snapshot = scene.start(client_token="t", tags={"k": "v"})
        scene.put(snapshot, {0: 1})
        scene.keep(2, 3)
        scene.accept(snapshot)
        scene.hold(snapshot, 2)

    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM chunk WHERE chunk_key = 1",
            "DELETE FROM chunk WHERE chunk_key = 2",
            "DELETE FROM segment",
            "DELETE FROM snapshot",
            "DELETE FROM domain",
            "DELETE FROM account",
            "UPDATE chunk SET chunk_key = 99 WHERE chunk_key = 1",
            "UPDATE snapshot SET domain_key = 3",
            "INSERT INTO store SELECT 2, 1, x'00', 1, 1, 1, 1",
        ],
    )
    def test_a_row_that_is_needed_cannot_go(self, store: SqliteMetadataStore, statement: str) -> None:
        before = store.statistics()
        with pytest.raises(InvariantError), store._database.writing() as session:
            session.rows(statement)
        assert store.statistics() == before

    def test_a_chunk_row_nobody_refers_to_can(self, store: SqliteMetadataStore) -> None:
        with store._database.writing() as session:
            session.rows("DELETE FROM chunk WHERE chunk_key = 3")
        assert store.statistics().chunk_rows == 2

    def test_keys_are_never_used_twice(self, store: SqliteMetadataStore, scene: Scene) -> None:
        with store._database.writing() as session:
            session.rows("DELETE FROM chunk WHERE chunk_key = 3")
        scene.keep(4)
        assert rows(store, "SELECT max(chunk_key) FROM chunk") == [(4,)]

    def test_a_deleted_snapshot_keeps_no_tags(self, store: SqliteMetadataStore, scene: Scene) -> None:
        (snapshot,) = store.snapshots(ACCOUNT, after=None, limit=10)
        scene.delete(snapshot)
        assert rows(store, "SELECT * FROM tag") == []
