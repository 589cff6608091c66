"""How a store is, in numbers: each of them counts what it says."""

from collections.abc import Callable, Iterator

import pytest

from copy_scene import block, source
from fix_administration import administration_of
from neve.domain.identities import SnapshotId
from neve.server.administration.messages_tasks import CountStore, ShowTask
from neve.server.administration.messages_upkeep import StatusOutcome
from neve.server.administration.service import Administration
from neve.server.ledger import LastCollection, Ledger
from neve.testing.world import ACCOUNT, World


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def administration(world: World, ledger: Ledger) -> Iterator[Administration]:
    administration = administration_of(world, ledger=ledger)
    yield administration
    administration.close()


def status(administration: Administration) -> StatusOutcome:
    task_id = administration.ask(CountStore()).task_id
    while (view := administration.ask(ShowTask(task_id=task_id))).running:
        pass
    assert isinstance(view.outcome, StatusOutcome)
    return view.outcome


def test_an_empty_store_has_nothing_to_prove(administration: Administration) -> None:
    found = status(administration)
    assert (found.segments, found.segment_bytes, found.bad_chunks, found.condemned_segments) == (0, 0, 0, 0)
    assert found.oldest_proof is None
    assert found.last_collection is None
    assert found.tasks == []


def test_what_is_stored_bad_and_deleted_is_counted(world: World, administration: Administration) -> None:
    names = [source(world, {0: block(fill)}) for fill in (1, 2)]
    world.delete(names[1])
    kept = world.metadata.snapshot(ACCOUNT, SnapshotId(names[0]))
    assert kept.root is not None
    world.metadata.mark_bad(kept.domain_key, kept.root)
    found = status(administration)
    assert found.segments == len(world.segments.names(after=None, limit=100))
    assert found.segment_bytes == sum(
        world.segments.size(name) for name in world.segments.names(after=None, limit=100)
    )
    assert found.oldest_proof is not None
    assert found.newest_proof is None, "nothing was verified"
    assert (found.bad_chunks, found.deletions) == (1, 1)
    assert found.bad_bytes > 0
    assert found.archive_waiting == len(world.metadata.archive.changes(limit=1_000))


def test_what_is_condemned_is_counted_until_it_is_gone(world: World, administration: Administration) -> None:
    pending = world.start()
    world.put(pending, 0, block(7))
    world.delete(pending)
    records = world.metadata.collection
    epoch = records.begin()
    while world.metadata.reap(limit=100):
        pass
    cut = records.cut(epoch, needs=lambda _: None, unsettled=lambda _: None)
    for domain in world.metadata.domains():
        entries = records.chunk_entries(domain.key, after=None, limit=100)
        ids = [entry.chunk_id for entry in entries]
        records.drop_chunks(epoch, domain.key, ids, newest=cut.newest_chunk)
    names = [use.name for use in records.segments(after=None, limit=100)]
    assert records.condemn(epoch, names, now_ms=world.clock.now_ms()) == names
    found = status(administration)
    assert (found.segments, found.condemned_segments) == (0, len(names))
    assert found.condemned_bytes == sum(map(world.segments.size, names)) > 0
    for name in names:
        world.segments.delete(name)
    assert status(administration).condemned_bytes == 0


def test_the_last_collection_is_remembered(administration: Administration, ledger: Ledger) -> None:
    ledger.note_collection(LastCollection(ended_ms=5_000, summary="it stopped", failed=True, unexplained=3))
    found = status(administration)
    assert found.last_collection is not None
    assert found.last_collection.timestamp() == 5
    assert (found.last_collection_failed, found.last_collection_said) == (True, "it stopped")
    assert found.unexplained_objects == 3
