"""What every metadata store promises about locks."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from threading import Barrier
from typing import Any

import pytest

from neve.domain.identities import AccountId, SnapshotId
from neve.domain.locks import DAY_MS, Lock, LockMode
from neve.domain.snapshots import Snapshot
from neve.errors import SnapshotLimitReached, SnapshotLocked, SnapshotNotFound
from neve.stores.metadata.contract import EVERYBODY
from neve.stores.metadata.contract_lifecycle import LockedSnapshot
from neve.testing.metadata_scene import ACCOUNT, OTHER_ACCOUNT, START_MS, Scene, snapshot_id


def lock_of(**changes: Any) -> Lock:
    """Return a governance lock of one day, with `changes`."""
    lock = Lock(
        mode=LockMode.GOVERNANCE,
        created_ms=START_MS,
        duration_days=1,
        expires_ms=None,
        cool_off_hours=None,
    )
    return replace(lock, **changes)


def put_lock(scene: Scene, snapshot: Snapshot, lock: Lock | None) -> LockedSnapshot | None:
    return scene.store.lifecycle.change_lock(
        snapshot.account_id, snapshot.snapshot_id, lambda _snapshot, _lock: lock
    )


def locked(scene: Scene, account_id: AccountId = ACCOUNT) -> Sequence[SnapshotId]:
    """Return what has a lock, having looked that each is shown alike when asked for alone."""
    page = scene.store.lifecycle.locks(account_id, after=None, limit=100)
    for each in page:
        assert scene.store.lifecycle.lock(account_id, each.snapshot.snapshot_id) == each
    return [each.snapshot.snapshot_id for each in page]


class LocksContract:
    """Locks, and the deletions they forbid."""

    def test_a_lock_comes_back_as_it_was_given(self, scene: Scene) -> None:
        snapshot = scene.complete(scene.start(tags={"k": "v"}))
        for lock in (
            lock_of(),
            lock_of(mode=LockMode.COMPLIANCE, cool_off_hours=72),
            lock_of(duration_days=None, expires_ms=START_MS + 5),
        ):
            wanted = LockedSnapshot(snapshot=snapshot, lock=lock)
            assert put_lock(scene, snapshot, lock) == wanted
            assert scene.store.lifecycle.lock(ACCOUNT, snapshot.snapshot_id) == wanted

    def test_a_lock_that_is_taken_off_is_gone(self, scene: Scene) -> None:
        snapshot = scene.start()
        assert scene.store.lifecycle.lock(ACCOUNT, snapshot.snapshot_id) is None
        put_lock(scene, snapshot, lock_of())
        assert put_lock(scene, snapshot, None) is None
        assert put_lock(scene, snapshot, None) is None
        assert scene.store.lifecycle.lock(ACCOUNT, snapshot.snapshot_id) is None
        assert locked(scene) == []

    def test_a_change_is_given_what_is_there(self, scene: Scene) -> None:
        snapshot = scene.start()
        seen: list[tuple[Snapshot, Lock | None]] = []

        def change(found: Snapshot, lock: Lock | None) -> Lock:
            seen.append((found, lock))
            return lock_of(duration_days=len(seen))

        for _ in range(2):
            scene.store.lifecycle.change_lock(ACCOUNT, snapshot.snapshot_id, change)
        assert seen == [(snapshot, None), (snapshot, lock_of(duration_days=1))]

    def test_a_change_that_fails_changes_nothing(self, scene: Scene) -> None:
        snapshot = scene.start()
        put_lock(scene, snapshot, lock_of())

        def fail(_snapshot: Snapshot, _lock: Lock | None) -> Lock:
            raise SnapshotLimitReached("by the test")

        with pytest.raises(SnapshotLimitReached):
            scene.store.lifecycle.change_lock(ACCOUNT, snapshot.snapshot_id, fail)
        found = scene.store.lifecycle.lock(ACCOUNT, snapshot.snapshot_id)
        assert found is not None
        assert found.lock == lock_of()

    def test_locks_come_in_order_and_in_pages(self, scene: Scene) -> None:
        others = scene.start(account_id=OTHER_ACCOUNT, domain_key=scene.other_domain_key)
        snapshots = [scene.complete(scene.start()) for _ in range(4)]
        for snapshot in (snapshots[3], snapshots[0], snapshots[2], others):
            put_lock(scene, snapshot, lock_of())
        wanted = [snapshots[number].snapshot_id for number in (0, 2, 3)]
        assert locked(scene) == wanted
        assert locked(scene, OTHER_ACCOUNT) == [others.snapshot_id]
        first = scene.store.lifecycle.locks(ACCOUNT, after=None, limit=2)
        second = scene.store.lifecycle.locks(ACCOUNT, after=first[-1].snapshot.key, limit=2)
        assert [each.snapshot.snapshot_id for each in (*first, *second)] == wanted

    def test_nobody_but_the_owner_sees_or_changes_a_lock(self, scene: Scene) -> None:
        snapshot = scene.start()
        scene.store.modify_permissions(ACCOUNT, snapshot.snapshot_id, add=[OTHER_ACCOUNT, EVERYBODY])
        for name in (snapshot.snapshot_id, snapshot_id(999)):
            with pytest.raises(SnapshotNotFound, match=name):
                scene.store.lifecycle.lock(OTHER_ACCOUNT, name)
            with pytest.raises(SnapshotNotFound, match=name):
                scene.store.lifecycle.change_lock(OTHER_ACCOUNT, name, lambda _snapshot, lock: lock)

    @pytest.mark.parametrize("mode", LockMode)
    def test_a_locked_snapshot_stays_until_the_very_end_of_its_lock(
        self, scene: Scene, mode: LockMode
    ) -> None:
        snapshot = scene.complete(scene.start(tags={"k": "v"}))
        put_lock(scene, snapshot, lock_of(mode=mode))
        for now_ms in (START_MS, START_MS + DAY_MS - 1):
            scene.now_ms = now_ms
            with pytest.raises(SnapshotLocked, match=mode):
                scene.delete(snapshot)
        assert scene.look(snapshot) == snapshot
        assert locked(scene) == [snapshot.snapshot_id]
        scene.now_ms = START_MS + DAY_MS
        scene.delete(snapshot)
        assert locked(scene) == []
        with pytest.raises(SnapshotNotFound):
            scene.store.lifecycle.lock(ACCOUNT, snapshot.snapshot_id)

    def test_of_a_lock_and_a_deletion_at_once_one_comes_too_late(self, scene: Scene) -> None:
        def attempt(together: Barrier, act: Callable[[], object]) -> bool:
            together.wait()
            try:
                act()
            except (SnapshotLocked, SnapshotNotFound):
                return False
            return True

        for _ in range(20):
            snapshot, together = scene.complete(scene.start()), Barrier(2)
            with ThreadPoolExecutor(2) as threads:
                locking = threads.submit(attempt, together, partial(put_lock, scene, snapshot, lock_of()))
                deleting = threads.submit(attempt, together, partial(scene.delete, snapshot))
            assert locking.result() is not deleting.result()
            assert (snapshot.snapshot_id in locked(scene)) is locking.result()

    def test_a_compliance_lock_forbids_deletion_while_it_cools_off_too(self, scene: Scene) -> None:
        snapshot = scene.complete(scene.start())
        put_lock(scene, snapshot, lock_of(mode=LockMode.COMPLIANCE, cool_off_hours=1))
        with pytest.raises(SnapshotLocked):
            scene.delete(snapshot)

    def test_on_a_pending_one_the_duration_begins_with_its_completion(self, scene: Scene) -> None:
        snapshot = scene.start(timeout_minutes=3 * 24 * 60)
        put_lock(scene, snapshot, lock_of())
        scene.now_ms += 2 * DAY_MS
        with pytest.raises(SnapshotLocked):
            scene.delete(snapshot)
        scene.accept(snapshot)
        with pytest.raises(SnapshotLocked):
            scene.delete(snapshot)
        scene.complete_sealing(snapshot)
        scene.now_ms += DAY_MS - 1
        with pytest.raises(SnapshotLocked):
            scene.delete(snapshot)
        scene.now_ms += 1
        scene.delete(snapshot)

    def test_a_snapshot_that_fails_loses_its_lock(self, scene: Scene) -> None:
        failed, expired = scene.start(), scene.overdue()
        for snapshot in (failed, expired):
            put_lock(scene, snapshot, lock_of())
        scene.fail(failed)
        assert scene.store.expire(now_ms=scene.now_ms, limit=1) == [expired.snapshot_id]
        assert locked(scene) == []
        for snapshot in (failed, expired):
            scene.delete(snapshot)

    def test_a_deadline_that_has_passed_unlocks_whether_or_not_it_is_written_down(self, scene: Scene) -> None:
        snapshot = scene.overdue()
        put_lock(scene, snapshot, lock_of())
        scene.now_ms -= 1
        with pytest.raises(SnapshotLocked):
            scene.delete(snapshot)
        scene.now_ms += 1
        scene.delete(snapshot)

    def test_a_locked_snapshot_may_be_tagged_shared_and_built_on(self, scene: Scene) -> None:
        snapshot = scene.complete(scene.start())
        put_lock(scene, snapshot, lock_of())
        scene.store.put_tags(ACCOUNT, [snapshot.snapshot_id], {"k": "v"}, tags_max=50)
        scene.store.modify_permissions(ACCOUNT, snapshot.snapshot_id, add=[OTHER_ACCOUNT])
        assert scene.start(parent_id=snapshot.snapshot_id).base_root == snapshot.root
        assert locked(scene) == [snapshot.snapshot_id]
