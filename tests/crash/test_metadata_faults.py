"""A failing disk under SQLite: fail the n-th operation, for every n, and see that each call did all or nothing.

The same program of calls is run until a run meets no fault. A call that fails with a StoreError is looked at (on the
same store, once the disk is well), and repeated if it had no effect; at the end nothing is missing. What is there
before and after each call is known from a run on the store in memory.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import NamedTuple

import apsw
import pytest

from neve.domain.snapshots import Sealed
from neve.errors import StoreError, StoreFull, StoreUnavailable, StoreUnusable
from neve.limits import TINY
from neve.stores.metadata import sqlite_database
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.sqlite import SqliteMetadataStore
from neve.testing.faulty_sqlite import FaultySqlite
from neve.testing.memory_metadata import FACTS, MemoryMetadataStore
from neve.testing.metadata_contract_keys import alias, kms_key, kms_key_id, material, wrapping
from neve.testing.metadata_scene import ACCOUNT, CLAIM, Scene, chunk_id, node_hold, snapshot_id

Call = Callable[[Scene], object]


class Disease(NamedTuple):
    """How the disk fails."""

    error: type[apsw.Error]
    meaning: type[StoreError]
    is_lasting: bool

    def __str__(self) -> str:
        return f"{self.error.__name__} {'for good' if self.is_lasting else 'once'}"


DISEASES = (
    Disease(apsw.IOError, StoreUnavailable, is_lasting=False),
    Disease(apsw.IOError, StoreUnavailable, is_lasting=True),
    Disease(apsw.FullError, StoreFull, is_lasting=False),
    Disease(apsw.FullError, StoreFull, is_lasting=True),
)
FIRST, SECOND = snapshot_id(501), snapshot_id(502)


def _put(scene: Scene) -> None:
    scene.put(scene.store.snapshot(ACCOUNT, FIRST), {index: 1 + index % 3 for index in range(40)})


def _accept(scene: Scene) -> None:
    scene.store.accept_completion(ACCOUNT, FIRST, CLAIM, now_ms=scene.now_ms)


def _hold(scene: Scene) -> None:
    scene.publish(scene.batch(new=[900], holds=[node_hold(scene.store.snapshot(ACCOUNT, FIRST), 900)]))


def _finish(scene: Scene) -> None:
    sealed = Sealed(root=chunk_id(900), block_count=3)
    scene.store.finish_completion(scene.store.snapshot(ACCOUNT, FIRST).key, sealed, now_ms=scene.now_ms)


def _delete(scene: Scene) -> None:
    scene.store.delete_snapshot(ACCOUNT, SECOND, now_ms=scene.now_ms)


def _rotate(scene: Scene) -> None:
    scene.store.keys.replace_kms_key(kms_key(1, material_version=2), new_material=material(1, 2))


def _remove_key(scene: Scene) -> None:
    scene.store.keys.remove_kms_key(kms_key_id(2), revision=0)


def _add_wrapping(scene: Scene) -> None:
    scene.store.keys.add_wrapping(wrapping(scene.sealed_domain_key, 1))


PROGRAM: Sequence[Call] = (
    lambda scene: scene.start(snapshot_id=FIRST, tags={"k": "v"}, client_token="t"),
    _put,
    lambda scene: scene.start(snapshot_id=SECOND),
    _accept,
    _hold,
    _finish,
    _delete,
    lambda scene: scene.store.put_tags(ACCOUNT, [FIRST], {"l": "w"}, tags_max=50),
    lambda scene: scene.store.keys.add_kms_key(kms_key(1), material(1)),
    lambda scene: scene.store.keys.add_kms_key(kms_key(2), material(2)),
    lambda scene: scene.store.keys.add_alias(alias("a", 2)),
    _rotate,
    _remove_key,
    _add_wrapping,
)


def everything(store: MetadataStore) -> object:
    """Return what is there, but for reservations: a call that failed may have left one."""
    there = store.snapshots(ACCOUNT, after=None, limit=10)
    keys = store.keys.kms_keys(ACCOUNT, after=None, limit=10)
    return (
        there,
        keys,
        [store.keys.key_materials(each.key_id) for each in keys],
        store.keys.aliases(ACCOUNT, after=None, limit=10),
        [store.keys.wrappings(each.key) for each in store.domains()],
        [store.blocks(each.key, after=None, limit=100) for each in there],
        replace(store.statistics(), segments={}),
    )


@pytest.fixture(scope="module")
def faults() -> Iterator[FaultySqlite]:
    made = FaultySqlite("neve-faults")
    yield made
    made.unregister()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory: the faults are planted, the syncs may be free."""
    memory = Path("/dev/shm")  # noqa: S108 - TemporaryDirectory makes an unguessable folder in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as made:
        yield Path(made)


@pytest.fixture(autouse=True)
def _frequent_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_database, "_CHECKPOINT_FRAMES", 12)


@pytest.fixture(scope="module")
def states() -> Sequence[object]:
    """What is there before the first call and after each."""
    scene = Scene(MemoryMetadataStore())
    seen = [everything(scene.store)]
    for call in PROGRAM:
        call(scene)
        seen.append(everything(scene.store))
    return seen


def run(scene: Scene, faults: FaultySqlite, states: Sequence[object], meaning: type[StoreError]) -> int:
    """Run the program to its end, whatever fails; return how many operations failed."""
    for number, call in enumerate(PROGRAM):
        try:
            call(scene)
        except meaning:
            faults.heal()
            seen = everything(scene.store)
            assert seen in states[number : number + 2], f"call {number} did a part of it"
            if seen == states[number]:
                call(scene)
    failed = faults.heal()
    assert everything(scene.store) == states[-1]
    return failed


def is_intact(path: Path) -> bool:
    connection = apsw.Connection(str(path))
    try:
        answers = connection.execute("PRAGMA integrity_check; PRAGMA foreign_key_check").fetchall()
    finally:
        connection.close()
    return answers == [("ok",)]


@pytest.mark.slow
@pytest.mark.parametrize("disease", DISEASES, ids=str)
def test_a_call_does_all_or_nothing_wherever_the_disk_fails(
    faults: FaultySqlite, states: Sequence[object], folder: Path, disease: Disease
) -> None:
    for point in count(1):
        path = folder / f"{point}.db"
        store = SqliteMetadataStore.create(path, FACTS, vfs=faults.name)
        scene = Scene(store)
        faults.operations.clear()
        faults.fail(at=point, error=disease.error, is_lasting=disease.is_lasting)
        failed = run(scene, faults, states, disease.meaning)
        store.close()
        assert is_intact(path)
        again = SqliteMetadataStore.open(path, limits=TINY)
        assert everything(again) == states[-1]
        again.close()
        if not failed:
            break
    assert point > 100, "a program of calls has many operations"


@pytest.mark.slow
@pytest.mark.parametrize("is_lasting", [False, True], ids=["once", "lasting"])
def test_a_creation_that_fails_can_be_repeated(faults: FaultySqlite, folder: Path, is_lasting: bool) -> None:
    for point in count(1):
        path = folder / f"{point}.db"
        faults.operations.clear()
        faults.fail(at=point, error=apsw.IOError, is_lasting=is_lasting)
        try:
            SqliteMetadataStore.create(path, FACTS, vfs=faults.name).close()
        except StoreError:
            faults.heal()
            with suppress(StoreUnusable):  # it failed after everything was there
                SqliteMetadataStore.create(path, FACTS).close()
        failed = faults.heal()
        store = SqliteMetadataStore.open(path, limits=TINY)
        assert store.facts() == FACTS
        store.close()
        if not failed:
            break
    assert point > 50, "a creation has many operations"
