"""Records older than the archive: whoever collected by them would take what newer snapshots share with deleted ones."""

import pytest

from collection_scene import block, deletions, pass_time, stored
from fix_world import MemoryStores
from neve.domain.snapshots import State
from neve.errors import CollectionStopped
from neve.events import CollectionRefused
from neve.testing.time_and_chance import SeededEntropy
from neve.testing.world import World


def completed(world: World) -> str:
    snapshot_id = world.start()
    world.put(snapshot_id, 1, block(1))
    world.complete(snapshot_id, count=1)
    return snapshot_id


@pytest.mark.parametrize("dry_run", [False, True])
def test_nothing_goes_while_the_archive_has_a_snapshot_that_the_records_do_not_know(
    world: World, *, dry_run: bool
) -> None:
    world.delete(completed(world))
    pass_time(world)
    with World(MemoryStores(), entropy=SeededEntropy(1)) as newer:
        unknown = completed(newer)
        name = f"snapshot/{unknown}"
        world.archive.write(name, newer.archive.read(name))
    before, undoable = stored(world), deletions(world)
    assert before
    assert undoable
    with pytest.raises(CollectionStopped, match=f"{unknown} among them.*neve rebuild --replace"):
        world.collector().collect(dry_run=dry_run)
    assert (stored(world), deletions(world)) == (before, undoable)
    assert [type(event) for event in world.found] == [CollectionRefused]

    world.archive.delete(name)
    world.collector().collect()
    assert deletions(world) == []


def test_what_is_being_completed_is_no_reason_to_stop(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The archive has it before the records do, and for good if they never do until it has failed."""
    monkeypatch.setattr(world, "seal", lambda: None)
    snapshot_id = world.start()
    world.put(snapshot_id, 1, block(2))
    assert world.complete(snapshot_id, count=1) is State.SEALING
    world.archive.write(f"snapshot/{snapshot_id}", b"written before the completion that may never come")
    assert list(world.archiver.unaccounted()) == []
    world.collect()
