"""What every metadata store promises about sharing, and about looking before a start."""
# ruff: noqa: S106 - a client token is no secret

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import pytest

from neve.domain.identities import AccountId, SnapshotId
from neve.domain.snapshots import Snapshot
from neve.errors import (
    ClientTokenMismatch,
    InvariantError,
    ParentLargerThanChild,
    PendingLimitReached,
    SnapshotLimitReached,
    SnapshotNotComplete,
    SnapshotNotFound,
)
from neve.stores.metadata.contract import EVERYBODY, StartCheck, Started, VisibleSnapshot
from neve.testing.metadata_scene import ACCOUNT, OTHER_ACCOUNT, Scene, snapshot_id

THIRD_ACCOUNT: Final = AccountId("777788889999")
"""Recorded nowhere: one may share with accounts that live elsewhere, or not yet."""


def seen(
    scene: Scene, account_id: AccountId, *, after: Snapshot | None = None, limit: int = 100
) -> Sequence[SnapshotId]:
    """Return the ids of what the account sees, having looked that each is shown alike when asked for alone."""
    page = scene.store.visible_snapshots(account_id, after=None if after is None else after.key, limit=limit)
    for each in page:
        assert scene.store.visible_snapshot(account_id, each.snapshot.snapshot_id) == each
    return [each.snapshot.snapshot_id for each in page]


def share(scene: Scene, snapshot: Snapshot, *grantees: str) -> None:
    scene.store.modify_permissions(snapshot.account_id, snapshot.snapshot_id, add=grantees)


def unshare(scene: Scene, snapshot: Snapshot, *grantees: str) -> None:
    scene.store.modify_permissions(snapshot.account_id, snapshot.snapshot_id, remove=grantees)


def foreign(scene: Scene) -> Snapshot:
    """Return a snapshot of the other account."""
    return scene.start(account_id=OTHER_ACCOUNT, domain_key=scene.other_domain_key)


class PermissionsContract:
    """Sharing, and what is seen because of it."""

    def test_nothing_is_shared_by_itself(self, scene: Scene) -> None:
        snapshot = scene.start()
        assert scene.store.permissions(ACCOUNT, snapshot.snapshot_id) == []
        assert seen(scene, OTHER_ACCOUNT) == []
        with pytest.raises(SnapshotNotFound, match=snapshot.snapshot_id):
            scene.store.visible_snapshot(OTHER_ACCOUNT, snapshot.snapshot_id)

    def test_permissions_come_in_order_and_each_once(self, scene: Scene) -> None:
        snapshot = scene.start()
        share(scene, snapshot, EVERYBODY, THIRD_ACCOUNT)
        share(scene, snapshot, OTHER_ACCOUNT, EVERYBODY)
        assert scene.store.permissions(ACCOUNT, snapshot.snapshot_id) == [
            OTHER_ACCOUNT,
            THIRD_ACCOUNT,
            EVERYBODY,
        ]

    def test_sharing_with_the_owner_changes_nothing(self, scene: Scene) -> None:
        snapshot = scene.start()
        share(scene, snapshot, ACCOUNT)
        assert scene.store.permissions(ACCOUNT, snapshot.snapshot_id) == []

    def test_taking_back_what_was_not_given_changes_nothing(self, scene: Scene) -> None:
        snapshot = scene.start()
        share(scene, snapshot, OTHER_ACCOUNT)
        unshare(scene, snapshot, THIRD_ACCOUNT, EVERYBODY, ACCOUNT)
        assert scene.store.permissions(ACCOUNT, snapshot.snapshot_id) == [OTHER_ACCOUNT]

    def test_what_is_shared_is_seen_until_that_is_taken_back(self, scene: Scene) -> None:
        snapshot = scene.start()
        share(scene, snapshot, OTHER_ACCOUNT)
        assert seen(scene, OTHER_ACCOUNT) == [snapshot.snapshot_id]
        assert seen(scene, THIRD_ACCOUNT) == []
        unshare(scene, snapshot, OTHER_ACCOUNT)
        assert seen(scene, OTHER_ACCOUNT) == []
        with pytest.raises(SnapshotNotFound):
            scene.store.visible_snapshot(OTHER_ACCOUNT, snapshot.snapshot_id)

    def test_what_is_public_is_seen_by_everybody_and_says_so(self, scene: Scene) -> None:
        snapshot, private = scene.start(), scene.start()
        share(scene, snapshot, EVERYBODY)
        share(scene, private, OTHER_ACCOUNT)
        for account_id in (OTHER_ACCOUNT, THIRD_ACCOUNT):
            assert scene.store.visible_snapshot(account_id, snapshot.snapshot_id).public
        assert not scene.store.visible_snapshot(OTHER_ACCOUNT, private.snapshot_id).public
        assert scene.store.visible_snapshot(ACCOUNT, snapshot.snapshot_id).public
        unshare(scene, snapshot, EVERYBODY)
        assert not scene.store.visible_snapshot(ACCOUNT, snapshot.snapshot_id).public
        assert seen(scene, THIRD_ACCOUNT) == []

    def test_what_is_public_says_too_whether_it_was_shared_with_whoever_looks(self, scene: Scene) -> None:
        snapshot = scene.start()
        share(scene, snapshot, EVERYBODY, OTHER_ACCOUNT)
        for account_id, shared in ((ACCOUNT, False), (OTHER_ACCOUNT, True), (THIRD_ACCOUNT, False)):
            shown = scene.store.visible_snapshot(account_id, snapshot.snapshot_id)
            assert (shown.public, shown.shared) == (True, shared)
        unshare(scene, snapshot, EVERYBODY)
        shown = scene.store.visible_snapshot(OTHER_ACCOUNT, snapshot.snapshot_id)
        assert (shown.public, shown.shared) == (False, True)

    def test_tags_are_shown_to_the_owner_alone(self, scene: Scene) -> None:
        snapshot = scene.start(tags={"b": "1", "a": "2"})
        share(scene, snapshot, OTHER_ACCOUNT, EVERYBODY)
        own = scene.store.visible_snapshot(ACCOUNT, snapshot.snapshot_id)
        assert own == VisibleSnapshot(snapshot=scene.look(snapshot), public=True, shared=False)
        assert list(own.snapshot.tags) == ["a", "b"]
        shared = scene.store.visible_snapshot(OTHER_ACCOUNT, snapshot.snapshot_id)
        assert shared.snapshot == replace(own.snapshot, tags={})
        assert seen(scene, ACCOUNT) == seen(scene, OTHER_ACCOUNT) == [snapshot.snapshot_id]

    def test_own_shared_and_public_ones_are_seen_once_each_in_order(self, scene: Scene) -> None:
        own = [scene.start(), scene.start()]
        others = [foreign(scene) for _ in range(4)]
        own.append(scene.start())
        share(scene, others[0], ACCOUNT)
        share(scene, others[1], EVERYBODY)
        share(scene, others[3], ACCOUNT, EVERYBODY)
        share(scene, own[1], EVERYBODY, OTHER_ACCOUNT)
        wanted = [own[0], own[1], others[0], others[1], others[3], own[2]]
        assert seen(scene, ACCOUNT) == [each.snapshot_id for each in wanted]
        for size in (1, 2, 3, 6, 7):
            pages, after = [], None
            while True:
                page = scene.store.visible_snapshots(ACCOUNT, after=after, limit=size)
                pages += [each.snapshot.snapshot_id for each in page]
                if len(page) < size:
                    break
                after = page[-1].snapshot.key
            assert pages == [each.snapshot_id for each in wanted]
        assert seen(scene, ACCOUNT, after=others[1], limit=1) == [others[3].snapshot_id]

    def test_a_shared_snapshot_is_shown_in_every_state_until_it_is_deleted(self, scene: Scene) -> None:
        pending, sealing = scene.start(), scene.start()
        completed, failed = scene.start(), scene.start()
        for snapshot in (pending, sealing, completed, failed):
            share(scene, snapshot, OTHER_ACCOUNT)
        scene.accept(sealing)
        scene.complete(completed)
        scene.fail(failed)
        for snapshot in (pending, sealing, completed, failed):
            shown = scene.store.visible_snapshot(OTHER_ACCOUNT, snapshot.snapshot_id)
            assert shown.snapshot == scene.look(snapshot)
            scene.delete(snapshot)
        assert seen(scene, OTHER_ACCOUNT) == seen(scene, ACCOUNT) == []

    def test_permissions_go_with_the_snapshot(self, scene: Scene) -> None:
        kept, deleted = scene.start(), scene.start()
        for snapshot in (kept, deleted):
            share(scene, snapshot, OTHER_ACCOUNT, EVERYBODY)
        scene.delete(deleted)
        for account_id in (ACCOUNT, OTHER_ACCOUNT, THIRD_ACCOUNT):
            assert seen(scene, account_id) == [kept.snapshot_id]
            with pytest.raises(SnapshotNotFound):
                scene.store.visible_snapshot(account_id, deleted.snapshot_id)
        assert scene.store.permissions(ACCOUNT, kept.snapshot_id) == [OTHER_ACCOUNT, EVERYBODY]

    def test_only_the_owner_shares_and_asks_with_whom(self, scene: Scene) -> None:
        snapshot, deleted = scene.start(), scene.start()
        share(scene, snapshot, OTHER_ACCOUNT)
        scene.delete(deleted)
        for account_id, name in (
            (OTHER_ACCOUNT, snapshot.snapshot_id),
            (ACCOUNT, deleted.snapshot_id),
            (ACCOUNT, snapshot_id(999)),
        ):
            with pytest.raises(SnapshotNotFound, match=name):
                scene.store.modify_permissions(account_id, name, add=[THIRD_ACCOUNT])
            with pytest.raises(SnapshotNotFound, match=name):
                scene.store.permissions(account_id, name)
        assert scene.store.permissions(ACCOUNT, snapshot.snapshot_id) == [OTHER_ACCOUNT]

    def test_whom_it_is_shared_with_may_look_and_nothing_else(self, scene: Scene) -> None:
        snapshot = scene.complete(scene.start())
        share(scene, snapshot, OTHER_ACCOUNT, EVERYBODY)
        name = snapshot.snapshot_id
        for call in (
            lambda: scene.store.snapshot(OTHER_ACCOUNT, name),
            lambda: scene.store.delete_snapshot(OTHER_ACCOUNT, name, now_ms=scene.now_ms),
            lambda: scene.start(account_id=OTHER_ACCOUNT, domain_key=scene.other_domain_key, parent_id=name),
        ):
            with pytest.raises(SnapshotNotFound):
                call()
        assert scene.store.snapshots(OTHER_ACCOUNT, after=None, limit=10) == []


class CheckStartContract:
    """Looking before a start: the same answers, nothing written."""

    def test_a_start_that_would_succeed_is_told_its_parent(self, scene: Scene) -> None:
        parent = scene.complete(scene.start(tags={"k": "v"}))
        assert scene.store.check_start(scene.request(domain_key=None)) == StartCheck(
            replayed=None, parent=None
        )
        request = scene.request(domain_key=None, parent_id=parent.snapshot_id)
        assert scene.store.check_start(request) == StartCheck(replayed=None, parent=parent)

    def test_looking_writes_nothing(self, scene: Scene) -> None:
        request = scene.request(client_token="t", pending_max=1)
        before = scene.store.statistics()
        for _ in range(2):
            assert scene.store.check_start(request).replayed is None
        assert scene.store.statistics() == before
        assert not scene.store.start_snapshot(request).replayed

    def test_a_token_that_was_used_is_told_its_first_answer(self, scene: Scene) -> None:
        first = scene.start(client_token="t", tags={"k": "v"})
        scene.delete(first)
        request = scene.request(client_token="t", parent_id=snapshot_id(999), pending_max=1)
        replayed = Started(snapshot=first, replayed=True)
        assert scene.store.check_start(request) == StartCheck(replayed=replayed, parent=None)

    def test_what_a_start_refuses_a_look_refuses_too(self, scene: Scene) -> None:
        large = scene.complete(scene.start(volume_gib=5)).snapshot_id
        pending = scene.start().snapshot_id
        shared = foreign(scene)
        scene.complete(shared)
        share(scene, shared, ACCOUNT)
        scene.start(client_token="t")
        for refusal, changes in (
            (ClientTokenMismatch, {"client_token": "t", "fingerprint": b"other"}),
            (SnapshotNotFound, {"parent_id": snapshot_id(999)}),
            (SnapshotNotFound, {"parent_id": shared.snapshot_id}),
            (SnapshotNotComplete, {"parent_id": pending}),
            (ParentLargerThanChild, {"parent_id": large}),
            (PendingLimitReached, {"pending_max": 2}),
            (SnapshotLimitReached, {"snapshots_max": 3}),
        ):
            with pytest.raises(refusal):
                scene.store.check_start(scene.request(**changes))
            with pytest.raises(refusal):
                scene.start(**changes)

    def test_a_child_needs_no_domain_and_takes_its_parents_whatever_it_is_given(self, scene: Scene) -> None:
        parent = scene.complete(scene.start(domain_key=scene.sealed_domain_key))
        for domain_key in (None, scene.domain_key):
            child = scene.start(domain_key=domain_key, parent_id=parent.snapshot_id)
            assert child.domain_key == scene.sealed_domain_key

    def test_a_first_snapshot_without_a_domain_is_a_bug(self, scene: Scene) -> None:
        with pytest.raises(InvariantError):
            scene.start(domain_key=None)
        assert scene.store.snapshots(ACCOUNT, after=None, limit=10) == []
