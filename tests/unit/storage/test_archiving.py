"""The archive is there before a completion counts, keeps up with what changes, and loses what is gone."""

import base64
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Condition, Event
from typing import Any

import pytest

from copy_scene import ask, block
from fix_logs import Journal
from kms_scene import DAY_S, KmsScene, id_of
from neve.domain.identities import Account, AccountId, SnapshotId
from neve.domain.keyring import Keyring
from neve.domain.snapshots import CompletionClaim, State
from neve.errors import StoreError, StoreFull, StoreUnavailable
from neve.server.key_upkeep import KeyUpkeep
from neve.server.ripening import Ripening
from neve.storage.archive_format import open_text
from neve.storage.archiving import archived_names, read_record
from neve.stores.archive.contract import ArchiveStore
from neve.stores.metadata.contract_archive import ARCHIVE_ORDER, ArchivedRecord, ArchiveKind, ArchiveName
from neve.testing.memory_archive import MemoryArchiveStore
from neve.testing.metadata_contract_archive import every_name, everything
from neve.testing.time_and_chance import SeededEntropy
from neve.testing.world import ACCOUNT, MASTER_KEY, World

KEYRING = Keyring(MASTER_KEY, SeededEntropy())
PATIENCE_S = 60


@pytest.fixture
def archive() -> MemoryArchiveStore:
    return MemoryArchiveStore()


@pytest.fixture
def world(make_world: Callable[..., World], archive: MemoryArchiveStore) -> World:
    return make_world(archive=archive)


def archived(store: ArchiveStore) -> list[ArchivedRecord]:
    """Return everything that an archive has, in the order of restoring."""
    return [
        read_record(store, name, KEYRING) for kind in ARCHIVE_ORDER for name in archived_names(store, kind)
    ]


def name_of(snapshot_id: str) -> ArchiveName:
    return ArchiveName(ArchiveKind.SNAPSHOT, snapshot_id)


def accepted(world: World, **members: Any) -> str:
    """Return a snapshot of one block that waits for its completion to be finished."""
    snapshot_id = world.start(**members)
    world.put(snapshot_id, 0, block(1))
    claim = CompletionClaim(changed_blocks_count=1, aggregate=None)
    world.metadata.accept_completion(ACCOUNT, SnapshotId(snapshot_id), claim, now_ms=world.clock.now_ms())
    return snapshot_id


def state(world: World, snapshot_id: str) -> State:
    return world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id)).state


def tag(world: World, snapshot_id: str, value: str) -> None:
    world.metadata.put_tags(ACCOUNT, [SnapshotId(snapshot_id)], {"a": value}, tags_max=9)


# --- keeping up


def test_after_a_flush_the_archive_has_what_there_is_and_nothing_else(
    world: World, archive: MemoryArchiveStore
) -> None:
    first, second = accepted(world), accepted(world)
    world.seal()
    tag(world, first, "1")
    world.delete(second)
    assert world.archiver.flush() > 0
    assert archived(archive) == everything(world.metadata)
    assert {name.kind for name in every_name(world.metadata)} == set(ArchiveKind) - {ArchiveKind.KEY}
    collection = world.metadata.collection
    collection.close_undo(collection.begin(), deleted_before_ms=1 << 60, limit=9)
    assert world.archiver.flush() == 1
    assert archived(archive) == everything(world.metadata)
    assert f"snapshot/{second}" not in archive.contents()


def test_what_has_not_changed_is_not_written(world: World, archive: MemoryArchiveStore) -> None:
    accepted(world)
    world.seal()
    world.archiver.flush()
    before = archive.contents()
    assert world.archiver.flush() == world.archiver.flush_slice() == 0
    assert archive.contents() == before


def test_what_refers_to_something_is_written_after_it(world: World, archive: MemoryArchiveStore) -> None:
    accepted(world)
    world.seal()
    kinds = [name.partition("/")[0] for name in archive.writes]
    assert kinds[-1] == "snapshot"
    assert kinds.index("store") < kinds.index("account") < kinds.index("domain")


def test_a_backlog_is_brought_in_slices_and_by_one_flush(world: World, archive: MemoryArchiveStore) -> None:
    for number in range(250):
        account = Account(account_id=AccountId(f"{number:012}"), name="", created_ms=0)
        world.metadata.create_account(account)
    assert 0 < world.archiver.flush_slice() < 250
    world.archiver.flush()
    assert archived(archive) == everything(world.metadata)


def test_a_check_is_asked_before_each_object_and_ends_the_work(
    world: World, archive: MemoryArchiveStore
) -> None:
    for _ in range(3):
        accepted(world)
    world.seal()
    asked = 0

    def check() -> None:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        world.archiver.flush(check)
    left = {change.name for change in world.metadata.archive.changes(limit=100)}
    assert world.archiver.flush() == len(left) == 2
    assert archived(archive) == everything(world.metadata)


@pytest.mark.parametrize("failing_write", range(1, 6))
def test_what_a_failure_left_undone_is_found_again(
    make_world: Callable[..., World], failing_write: int
) -> None:
    class FailingArchive(MemoryArchiveStore):
        attempts = 0

        def write(self, name: str, content: bytes) -> None:
            self.attempts += 1
            if self.attempts == failing_write:
                raise StoreUnavailable("this once")
            super().write(name, content)

    archive = FailingArchive()
    world = make_world(archive=archive)
    snapshot_id = accepted(world)
    with pytest.raises(StoreUnavailable):
        world.seal()
    assert state(world, snapshot_id) is State.SEALING
    world.restart()
    world.seal()
    world.archiver.flush()
    assert archived(archive) == everything(world.metadata)


# --- completions


def test_a_completed_snapshot_was_in_the_archive_before_with_all_it_takes_to_read_it(
    world: World, archive: MemoryArchiveStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = world.keys.make_key(ACCOUNT)  # type: ignore[attr-defined]  # this world's are MemoryKeys
    snapshot_id = accepted(world, kms_key_arn=key)
    finish = world.metadata.finish_completion
    at_the_time: list[list[ArchivedRecord]] = []

    def looking(*arguments: Any, **named: Any) -> bool:
        at_the_time.append(archived(archive))
        return finish(*arguments, **named)

    monkeypatch.setattr(world.metadata, "finish_completion", looking)
    world.seal()
    assert state(world, snapshot_id) is State.COMPLETED
    assert at_the_time == [everything(world.metadata)]


def test_a_completion_is_written_once_unless_something_changed_meanwhile(
    world: World, archive: MemoryArchiveStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm = accepted(world)
    world.seal()
    busy = accepted(world)
    finish = world.metadata.finish_completion

    def tagging(*arguments: Any, **named: Any) -> bool:
        tag(world, busy, "meanwhile")
        return finish(*arguments, **named)

    monkeypatch.setattr(world.metadata, "finish_completion", tagging)
    world.seal()
    world.archiver.flush()
    assert archive.writes.count(f"snapshot/{calm}") == 1
    assert archive.writes.count(f"snapshot/{busy}") == 2
    assert archived(archive) == everything(world.metadata)


@pytest.mark.parametrize("failure", [StoreFull("no room"), StoreUnavailable("gone"), StoreError("odd")])
def test_while_the_archive_cannot_be_written_nothing_is_completed(
    world: World, archive: MemoryArchiveStore, failure: StoreError
) -> None:
    snapshot_id = accepted(world)
    archive.fail(failure)
    for _ in range(2):
        with pytest.raises(type(failure)):
            world.seal()
        assert state(world, snapshot_id) is State.SEALING
    archive.fail(None)
    world.seal()
    assert state(world, snapshot_id) is State.COMPLETED
    assert read_record(archive, name_of(snapshot_id), KEYRING) in everything(world.metadata)


@pytest.mark.parametrize("is_restarted", [False, True])
def test_one_deleted_before_it_was_completed_goes_from_the_archive(
    world: World, archive: MemoryArchiveStore, monkeypatch: pytest.MonkeyPatch, is_restarted: bool
) -> None:
    snapshot_id = accepted(world)
    finish = world.metadata.finish_completion

    def too_late(*arguments: Any, **named: Any) -> bool:
        if is_restarted:
            raise StoreUnavailable("the process ends here")
        world.delete(snapshot_id)
        return finish(*arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(world.metadata, "finish_completion", too_late)
        try:
            world.seal()
        except StoreUnavailable:
            world.restart()
            world.delete(snapshot_id)
    assert f"snapshot/{snapshot_id}" in archive.contents()
    world.archiver.flush()
    assert f"snapshot/{snapshot_id}" not in archive.contents()
    assert archived(archive) == everything(world.metadata)


def test_one_deleted_before_it_is_archived_never_comes_there(
    world: World, archive: MemoryArchiveStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot_id = accepted(world)
    export = world.metadata.archive.export_completion

    def too_late(*arguments: Any) -> ArchivedRecord | None:
        world.delete(snapshot_id)
        return export(*arguments)

    monkeypatch.setattr(world.metadata.archive, "export_completion", too_late)
    world.seal()
    assert f"snapshot/{snapshot_id}" not in archive.writes


def test_a_copy_is_in_the_archive_before_it_is_completed(world: World, archive: MemoryArchiveStore) -> None:
    source_id = accepted(world)
    world.seal()
    copy_id = ask(world, source_id).snapshot_id
    world.copy_all()
    assert state(world, copy_id) is State.COMPLETED
    assert read_record(archive, name_of(copy_id), KEYRING) == world.metadata.archive.export(name_of(copy_id))


# --- two at once


class NotingCondition(Condition):
    """Tells when somebody comes to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.asked.set()
        return super().wait(timeout)


def test_an_older_record_is_never_written_over_a_newer_one(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_the_middle, go_on = Event(), Event()

    class SlowArchive(MemoryArchiveStore):
        is_slow = False

        def write(self, name: str, content: bytes) -> None:
            if self.is_slow:
                self.is_slow = False
                in_the_middle.set()
                assert go_on.wait(PATIENCE_S)
            super().write(name, content)

    archive = SlowArchive()
    world = make_world(archive=archive)
    snapshot_id = accepted(world)
    world.seal()
    world.archiver.flush()
    condition = NotingCondition()
    monkeypatch.setattr(world.archiver, "_condition", condition)

    def second() -> None:
        try:
            world.archiver.flush()
        finally:
            condition.asked.set()

    tag(world, snapshot_id, "old")
    with ThreadPoolExecutor(2) as pool:
        archive.is_slow = True
        writing = pool.submit(world.archiver.flush)
        assert in_the_middle.wait(PATIENCE_S)
        tag(world, snapshot_id, "new")
        other = pool.submit(second)
        assert condition.asked.wait(PATIENCE_S)
        go_on.set()
        writing.result()
        other.result()
    assert archived(archive) == everything(world.metadata)


def test_objects_of_other_names_do_not_wait(make_world: Callable[..., World]) -> None:
    in_the_middle, go_on = Event(), Event()

    class SlowArchive(MemoryArchiveStore):
        slow_name = ""

        def write(self, name: str, content: bytes) -> None:
            if name == self.slow_name:
                in_the_middle.set()
                assert go_on.wait(PATIENCE_S)
            super().write(name, content)

    archive = SlowArchive()
    world = make_world(archive=archive)
    slow = accepted(world)
    world.seal()
    world.archiver.flush()
    archive.slow_name = f"snapshot/{slow}"
    tag(world, slow, "1")
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(world.archiver.flush)
        assert in_the_middle.wait(PATIENCE_S)
        quick = accepted(world)
        world.seal()
        assert state(world, quick) is State.COMPLETED
        go_on.set()
        writing.result()


# --- keys


def texts_of(archive: MemoryArchiveStore) -> str:
    """Return all that the archive tells who has the master key."""
    return " ".join(
        open_text(name, content, KEYRING).decode() for name, content in archive.contents().items()
    )


def test_a_destroyed_key_is_destroyed_in_the_archive_too(journal: Journal) -> None:
    scene = KmsScene()
    archive = scene.world.archive
    assert isinstance(archive, MemoryArchiveStore)
    arn = scene.new_key()
    snapshot_id = scene.world.start(kms_key_arn=arn)
    scene.world.put(snapshot_id, 0, block(1))
    scene.world.complete(snapshot_id, count=1)
    name = f"key/{id_of(arn)}"
    (material,) = scene.records.key_materials(id_of(arn))
    written = base64.b64encode(material.sealed_material).decode()
    assert name in archive.contents()
    assert written in texts_of(archive)
    scene.ask("ScheduleKeyDeletion", KeyId=arn, PendingWindowInDays=7)
    journal.announce("kms key deleted")
    upkeep = KeyUpkeep(
        metadata=scene.world.metadata,
        keyring=scene.keyring,
        clock=scene.clock,
        ripening=Ripening(scene.clock),
        report=journal.report,
    )
    for seconds in (7 * DAY_S, 0, 3_601):
        scene.clock.advance(seconds=seconds)
        destroyed = upkeep.delete_slice()
    assert destroyed == 1
    scene.world.archiver.flush()
    assert name not in archive.contents()
    assert written not in texts_of(archive)
    assert f"snapshot/{snapshot_id}" in archive.contents()
