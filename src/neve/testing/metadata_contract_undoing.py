"""What every metadata store promises about undoing deletions."""
# ruff: noqa: S106 - a client token is no secret

from collections.abc import Sequence

import pytest

from neve.domain.identities import SnapshotId
from neve.domain.locks import DAY_MS
from neve.domain.snapshots import Snapshot, State
from neve.errors import SnapshotNotFound
from neve.stores.metadata.contract import EVERYBODY
from neve.stores.metadata.contract_collection import Deletion
from neve.testing.metadata_contract_bin import recycle
from neve.testing.metadata_contract_collection import MANY, settle
from neve.testing.metadata_contract_locks import lock_of, put_lock
from neve.testing.metadata_scene import ACCOUNT, OTHER_ACCOUNT, Scene, chunk_id


def undelete(scene: Scene, snapshot: Snapshot) -> Snapshot:
    return scene.store.collection.undelete(snapshot.account_id, snapshot.snapshot_id, now_ms=scene.now_ms)


def undoable(scene: Scene) -> Sequence[SnapshotId]:
    return [each.snapshot_id for each in scene.store.collection.deletions(None, after=None, limit=MANY)]


def close(scene: Scene, *, before_ms: int, limit: int = 10) -> Sequence[SnapshotId]:
    epoch = scene.store.collection.begin()
    return scene.store.collection.close_undo(epoch, deleted_before_ms=before_ms, limit=limit)


def furnished(scene: Scene) -> Snapshot:
    """Return a completed snapshot with tags, shared with everybody and one guest, who tagged it, too."""
    snapshot = scene.start(tags={"b": "1", "a": 'ü"'})
    scene.put(snapshot, {0: 1, 7: 2})
    completed = scene.complete(snapshot)
    scene.store.modify_permissions(ACCOUNT, completed.snapshot_id, add=[EVERYBODY, OTHER_ACCOUNT])
    scene.store.put_tags(OTHER_ACCOUNT, [completed.snapshot_id], {"guest": "", "a": "2"}, tags_max=9)
    return completed


class UndoingContract:
    """Deleted snapshots that come back."""

    def test_a_snapshot_comes_back_whole(self, scene: Scene) -> None:
        completed = furnished(scene)
        owner, guest = (
            scene.store.visible_snapshot(account, completed.snapshot_id)
            for account in (ACCOUNT, OTHER_ACCOUNT)
        )
        scene.delete(completed)
        scene.now_ms += 1
        assert undelete(scene, completed) == completed
        assert list(scene.look(completed).tags) == ["a", "b"]
        assert scene.store.permissions(ACCOUNT, completed.snapshot_id) == [OTHER_ACCOUNT, EVERYBODY]
        assert scene.store.visible_snapshot(ACCOUNT, completed.snapshot_id) == owner
        assert scene.store.visible_snapshot(OTHER_ACCOUNT, completed.snapshot_id) == guest
        assert scene.store.snapshots(ACCOUNT, after=None, limit=10, tag_key="b") == [completed]
        assert scene.read(completed) == {0: 1, 7: 2}
        assert undoable(scene) == []
        with pytest.raises(SnapshotNotFound):
            undelete(scene, completed)

    def test_while_it_is_deleted_nothing_of_it_is_seen(self, scene: Scene) -> None:
        completed = furnished(scene)
        scene.delete(completed)
        for account in (ACCOUNT, OTHER_ACCOUNT):
            assert scene.store.visible_snapshots(account, after=None, limit=10) == []
            assert scene.store.visible_snapshots(account, after=None, limit=10, tag_key="a") == []
            with pytest.raises(SnapshotNotFound):
                scene.store.visible_snapshot(account, completed.snapshot_id)

    def test_one_deleted_again_comes_back_as_it_was_last(self, scene: Scene) -> None:
        completed = furnished(scene)
        scene.delete(completed)
        undelete(scene, completed)
        scene.store.put_tags(ACCOUNT, [completed.snapshot_id], {"c": "3"}, tags_max=9)
        scene.store.modify_permissions(ACCOUNT, completed.snapshot_id, remove=[EVERYBODY, OTHER_ACCOUNT])
        scene.now_ms += 1
        scene.delete(completed)
        assert undelete(scene, completed).tags == {**completed.tags, "c": "3"}
        assert scene.store.permissions(ACCOUNT, completed.snapshot_id) == []

    def test_one_that_left_the_bin_comes_back_completed(self, scene: Scene) -> None:
        completed = furnished(scene)
        recycle(scene, completed)
        with pytest.raises(SnapshotNotFound):
            undelete(scene, completed)
        scene.now_ms += DAY_MS
        assert scene.store.lifecycle.empty_bin(now_ms=scene.now_ms, limit=10) == [completed.snapshot_id]
        (deletion,) = scene.store.collection.deletions(ACCOUNT, after=None, limit=10)
        assert deletion.deleted_ms == scene.now_ms
        assert undelete(scene, completed) == completed
        assert scene.store.permissions(ACCOUNT, completed.snapshot_id) == [OTHER_ACCOUNT, EVERYBODY]
        assert scene.store.lifecycle.recycled(ACCOUNT, after=None, limit=10) == []

    def test_what_never_completed_is_gone(self, scene: Scene) -> None:
        gone = [scene.start(), scene.accept(scene.start()), scene.fail(scene.start())]
        for snapshot in gone:
            scene.delete(snapshot)
        assert undoable(scene) == []
        for snapshot in gone:
            with pytest.raises(SnapshotNotFound):
                undelete(scene, snapshot)

    def test_only_the_owner_undoes_and_only_a_deletion(self, scene: Scene) -> None:
        deleted, there = furnished(scene), furnished(scene)
        scene.delete(deleted)
        for account, snapshot in ((OTHER_ACCOUNT, deleted), (ACCOUNT, there)):
            with pytest.raises(SnapshotNotFound):
                scene.store.collection.undelete(account, snapshot.snapshot_id, now_ms=scene.now_ms)
        assert scene.look(there) == there
        assert undelete(scene, deleted) == deleted

    def test_its_client_token_names_it_again(self, scene: Scene) -> None:
        request = scene.request(client_token="once", tags={"a": "b"})
        started = scene.store.start_snapshot(request)
        completed = scene.complete(started.snapshot)
        scene.delete(completed)
        undelete(scene, completed)
        assert scene.store.forget_client_tokens(used_before_ms=scene.now_ms + 1, limit=10) == 0
        assert scene.store.start_snapshot(request).snapshot == started.snapshot
        scene.delete(completed)
        assert scene.store.forget_client_tokens(used_before_ms=scene.now_ms + 1, limit=10) == 1
        assert undelete(scene, completed) == completed, "its token may be forgotten"

    def test_its_lock_is_over(self, scene: Scene) -> None:
        completed = furnished(scene)
        put_lock(scene, completed, lock_of(duration_days=None, expires_ms=scene.now_ms))
        scene.delete(completed)
        undelete(scene, completed)
        assert scene.store.lifecycle.lock(ACCOUNT, completed.snapshot_id) is None
        scene.delete(completed)

    def test_it_comes_back_above_every_quota_and_counts_again(self, scene: Scene) -> None:
        completed = furnished(scene)
        scene.delete(completed)
        scene.start(snapshots_max=1)
        assert undelete(scene, completed).state is State.COMPLETED
        assert scene.store.statistics().snapshots == {"completed": 1, "pending": 1}

    def test_a_settled_one_comes_back_and_has_no_rows(self, scene: Scene) -> None:
        completed = furnished(scene)
        settle(scene, scene.store.collection.begin(), completed)
        scene.delete(completed)
        assert undelete(scene, completed) == completed
        assert scene.read(completed) == {}

    def test_children_start_from_one_that_came_back(self, scene: Scene) -> None:
        completed = furnished(scene)
        scene.delete(completed)
        with pytest.raises(SnapshotNotFound):
            scene.start(parent_id=completed.snapshot_id)
        undelete(scene, completed)
        assert scene.start(parent_id=completed.snapshot_id).base_root == chunk_id(900)


class DeletionsContract:
    """What can be undone, and for how long."""

    def test_deletions_come_by_account_a_few_at_a_time(self, scene: Scene) -> None:
        first = scene.complete(scene.start(volume_gib=3, description="d"))
        other = scene.complete(scene.start(account_id=OTHER_ACCOUNT, domain_key=scene.other_domain_key))
        last = scene.complete(scene.start())
        scene.complete(scene.start())
        scene.now_ms += 5
        for snapshot in (last, other, first):
            scene.delete(snapshot)
        everything = scene.store.collection.deletions(None, after=None, limit=10)
        assert [each.key for each in everything] == [first.key, other.key, last.key]
        assert everything[0] == Deletion(
            snapshot_id=first.snapshot_id,
            account_id=ACCOUNT,
            key=first.key,
            volume_gib=3,
            description="d",
            started_ms=scene.now_ms - 5,
            deleted_ms=scene.now_ms,
        )
        page = scene.store.collection.deletions
        assert page(ACCOUNT, after=None, limit=10) == [everything[0], everything[2]]
        assert page(OTHER_ACCOUNT, after=None, limit=10) == [everything[1]]
        assert page(ACCOUNT, after=first.key, limit=10) == [everything[2]]
        assert page(None, after=first.key, limit=1) == [everything[1]]
        assert page(None, after=last.key, limit=1) == []

    def test_the_longest_ago_go_first_and_do_not_come_back(self, scene: Scene) -> None:
        snapshots = [scene.complete(scene.start()) for _ in range(4)]
        for snapshot in reversed(snapshots):
            scene.delete(snapshot)
            scene.now_ms += 10
        at_ms = scene.now_ms - 10
        ids = [snapshot.snapshot_id for snapshot in reversed(snapshots)]
        assert close(scene, before_ms=at_ms, limit=2) == ids[:2]
        assert close(scene, before_ms=at_ms) == ids[2:3]
        assert close(scene, before_ms=at_ms) == []
        assert undoable(scene) == ids[3:]
        for snapshot in snapshots[1:]:
            with pytest.raises(SnapshotNotFound):
                undelete(scene, snapshot)
        assert undelete(scene, snapshots[0]) == snapshots[0]
        assert close(scene, before_ms=scene.now_ms) == []

    def test_time_alone_closes_nothing(self, scene: Scene) -> None:
        completed = furnished(scene)
        scene.delete(completed)
        scene.now_ms += 10_000 * DAY_MS
        assert undelete(scene, completed) == completed
