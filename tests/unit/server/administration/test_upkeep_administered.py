"""Collection, verification and repair, as operators ask for them: begun, told, refused, and ended with a client that goes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from copy_scene import block, source
from damage_scene import FileStores
from fix_administration import administration_of
from neve.domain.blocks import digest
from neve.domain.identities import SnapshotId
from neve.errors import StoreError
from neve.limits import TINY
from neve.server.administration.messages import AdministrationRefused, Outcome, RefusedBecause, Request
from neve.server.administration.messages_tasks import (
    CollectGarbage,
    FeedTask,
    RepairStore,
    ShowTask,
    TaskView,
    VerifyStore,
)
from neve.server.administration.messages_upkeep import (
    CollectionOutcome,
    FindingRow,
    RepairOutcome,
    SourceRow,
    TouchedRow,
    VerificationOutcome,
)
from neve.server.administration.service import Administration
from neve.testing.world import ACCOUNT, World

OutcomeT = TypeVar("OutcomeT", bound=Outcome)
BLOCKS = {0: block(1), 1: block(2), 300: block(3)}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose segments are files."""
    with World(FileStores(tmp_path)) as world:
        yield world


@pytest.fixture
def administration(world: World) -> Iterator[Administration]:
    administration = administration_of(world, deletion_undo_s=0)
    yield administration
    administration.close()


def done(
    administration: Administration,
    request: Request[TaskView],
    kind: type[OutcomeT],
    volume: Callable[[int], bytes] = lambda _: b"",
) -> tuple[TaskView, OutcomeT]:
    """Begin a task, give it the blocks that it wants, and return what came of it."""
    task_id = administration.ask(request).task_id
    given = 0
    while (view := administration.ask(ShowTask(task_id=task_id))).running:
        if view.wanted is not None and view.wanted.number != given:
            given = view.wanted.number
            data = volume(view.wanted.block_index)
            administration.ask(FeedTask(task_id=task_id, number=given, data=data))
    assert isinstance(view.outcome, kind)
    return view, view.outcome


def lose(world: World, snapshot_id: str, index: int) -> None:
    """Flip a byte of one of a snapshot's blocks, where it is stored."""
    snapshot = world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id))
    domain = world.context.domains.by_key(snapshot.domain_key)
    token = world.listed(snapshot_id)[index]
    content = world.get(snapshot_id, index, token)
    chunk_id = domain.chunk_id(digest(content))
    record = world.metadata.chunks(snapshot.domain_key, [chunk_id])[chunk_id]
    assert isinstance(world.stores, FileStores)
    file = world.stores.path / "segments" / record.segment[:2] / f"{record.segment}.seg"
    data = bytearray(file.read_bytes())
    data[record.offset] ^= 1
    file.chmod(0o600)
    file.write_bytes(data)


# --- collection


def test_a_dry_run_foretells_what_a_collection_does(world: World, administration: Administration) -> None:
    kept, deleted = source(world, {0: block(1)}), source(world, {0: block(1), 5: block(9)})
    before = world.read(kept)
    world.delete(deleted)
    world.clock.advance(seconds=1)  # type: ignore[attr-defined]  # a clock that stands
    _, foretold = done(administration, CollectGarbage(dry_run=True), CollectionOutcome)
    assert (foretold.dry_run, foretold.undos_closed) == (True, 1)
    view, collected = done(administration, CollectGarbage(share_max="100%"), CollectionOutcome)
    assert collected.chunks_dropped == foretold.chunks_dropped > 0
    assert view.rows == []
    assert world.read(kept) == before


@pytest.mark.parametrize("share", ["0%", "101%", "x", "5", "-1%", "1e3%"])
def test_what_is_no_share_is_refused(administration: Administration, share: str) -> None:
    for request in (CollectGarbage(share_max=share), VerifyStore(sample=share)):
        with pytest.raises(AdministrationRefused, match="no share") as caught:
            administration.ask(request)
        assert caught.value.why is RefusedBecause.INVALID


# --- verification and repair


def test_what_is_lost_is_named_by_snapshot_and_blocks(world: World, administration: Administration) -> None:
    snapshot_id = source(world, BLOCKS)
    _, sound = done(administration, VerifyStore(data=True), VerificationOutcome)
    assert (sound.findings, sound.touched, sound.snapshots, sound.finished) == (0, 0, 1, True)
    assert sound.bytes_read > 0
    lose(world, snapshot_id, 300)
    view, found = done(administration, VerifyStore(sample="100%"), VerificationOutcome)
    assert (found.findings, found.touched) == (1, 1)
    (finding,) = [row for row in view.rows if isinstance(row, FindingRow)]
    assert finding.kind == "chunk damaged"
    (touched,) = [row for row in view.rows if isinstance(row, TouchedRow)]
    assert (touched.snapshot_id, touched.ranges) == (snapshot_id, [(300, 300)])
    assert view.rows_found == len(view.rows)


def test_a_budget_that_is_over_leaves_the_rest_for_next_time(
    world: World, administration: Administration
) -> None:
    source(world, BLOCKS)
    _, found = done(administration, VerifyStore(budget="0s"), VerificationOutcome)
    assert (found.data, found.finished, found.bytes_read) == (True, False, 0)
    with pytest.raises(AdministrationRefused, match="no length of time"):
        administration.ask(VerifyStore(budget="soon"))


def test_what_is_lost_comes_back_from_a_volume_block_by_block(
    world: World, administration: Administration
) -> None:
    snapshot_id = source(world, BLOCKS)
    before = world.read(snapshot_id)
    for index in (1, 300):
        lose(world, snapshot_id, index)
    done(administration, VerifyStore(data=True), VerificationOutcome)
    asked: list[int] = []

    def volume(index: int) -> bytes:
        asked.append(index)
        return BLOCKS.get(index, bytes(TINY.block_bytes))

    view, repaired = done(administration, RepairStore(replicas=[], volumes=["disk"]), RepairOutcome, volume)
    assert (repaired.chunks_restored, repaired.touched) == (2, 0)
    assert asked == [1, 300]
    sources = {row.name: row.restored for row in view.rows if isinstance(row, SourceRow)}
    assert sources["disk"] == 2
    assert world.read(snapshot_id) == before


def test_a_volume_that_fails_says_so_and_the_rest_stays_lost(
    world: World, administration: Administration
) -> None:
    snapshot_id = source(world, BLOCKS)
    lose(world, snapshot_id, 0)
    done(administration, VerifyStore(data=True), VerificationOutcome)
    task_id = administration.ask(RepairStore(replicas=[], volumes=["disk"])).task_id
    while (view := administration.ask(ShowTask(task_id=task_id))).running:
        if view.wanted is not None:
            ask = FeedTask(task_id=task_id, number=view.wanted.number, data=b"", failure="it is gone")
            administration.ask(ask)
    assert isinstance(view.outcome, RepairOutcome)
    assert view.outcome.touched == 1
    (disk,) = [row for row in view.rows if isinstance(row, SourceRow) and row.name == "disk"]
    assert "it is gone" in disk.failure


def test_a_repair_whose_client_has_gone_ends(world: World, administration: Administration) -> None:
    snapshot_id = source(world, BLOCKS)
    lose(world, snapshot_id, 0)
    done(administration, VerifyStore(data=True), VerificationOutcome)
    begun = administration.ask(RepairStore(replicas=[], volumes=["disk"])).task_id
    while administration.ask(ShowTask(task_id=begun)).wanted is None:
        pass
    world.clock.advance(seconds=61)  # type: ignore[attr-defined]  # a clock that stands
    (task,) = (task for task in administration._tasks.under_way())
    task.over.wait()
    with pytest.raises(StoreError, match="stopped"):
        administration.ask(ShowTask(task_id=begun))
    done(administration, VerifyStore(), VerificationOutcome)


def test_a_copy_of_the_segments_will_do_and_what_is_none_is_refused(
    world: World, administration: Administration, tmp_path: Path
) -> None:
    snapshot_id = source(world, BLOCKS)
    before = world.read(snapshot_id)
    names = world.segments.names(after=None, limit=100)
    copied = {name: world.segments.read(name, 0, world.segments.size(name)) for name in names}
    copy = tmp_path / "copy"
    for number in range(256):
        (copy / f"{number:02x}").mkdir(parents=True)
    for name, data in copied.items():
        (copy / name[:2] / f"{name}.seg").write_bytes(data)
    lose(world, snapshot_id, 1)
    done(administration, VerifyStore(data=True), VerificationOutcome)
    _, repaired = done(administration, RepairStore(replicas=[str(copy)], volumes=[]), RepairOutcome)
    assert (repaired.chunks_restored, repaired.touched) == (1, 0)
    assert world.read(snapshot_id) == before
    with pytest.raises(AdministrationRefused) as caught:
        done(administration, RepairStore(replicas=[str(copy / "00")], volumes=[]), RepairOutcome)
    assert caught.value.why is RefusedBecause.INVALID


@pytest.mark.parametrize("names", [[""], ["a"] * 17, ["a\0b"], ["a" * 5_000]])
def test_sources_that_cannot_be_are_refused(administration: Administration, names: list[str]) -> None:
    for members in ({"replicas": names, "volumes": []}, {"replicas": [], "volumes": names}):
        request: Any = RepairStore(**members)
        with pytest.raises(AdministrationRefused) as caught:
            administration.ask(request)
        assert caught.value.why is RefusedBecause.INVALID
