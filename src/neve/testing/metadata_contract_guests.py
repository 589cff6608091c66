"""What every metadata store promises about the tags of guests, and about finding snapshots by a tag."""

from collections.abc import Mapping

import pytest

from neve.domain.identities import AccountId, SnapshotId
from neve.domain.snapshots import Snapshot
from neve.errors import SnapshotNotFound, TagLimitReached
from neve.stores.metadata.contract import EVERYBODY, TagRemoval
from neve.testing.metadata_contract_sharing import foreign, share, unshare
from neve.testing.metadata_scene import ACCOUNT, OTHER_ACCOUNT, Scene


def put(scene: Scene, account_id: AccountId, *snapshots: Snapshot, tags_max: int = 50, **tags: str) -> None:
    ids = [snapshot.snapshot_id for snapshot in snapshots]
    scene.store.put_tags(account_id, ids, tags, tags_max=tags_max)


def tags_seen(scene: Scene, account_id: AccountId, snapshot: Snapshot) -> Mapping[str, str]:
    """Return the tags that an account sees, having looked that a page shows the same, in order."""
    shown = scene.store.visible_snapshot(account_id, snapshot.snapshot_id)
    page = scene.store.visible_snapshots(account_id, after=None, limit=100)
    assert shown in page
    tags = shown.snapshot.tags
    assert list(tags) == sorted(tags)
    return tags


class GuestTagsContract:
    """Tags that an account gives to somebody else's snapshot."""

    def test_tag_sets_are_each_accounts_own(self, scene: Scene) -> None:
        snapshot = scene.start(tags={"k": "owner"})
        share(scene, snapshot, OTHER_ACCOUNT)
        assert tags_seen(scene, OTHER_ACCOUNT, snapshot) == {}
        put(scene, OTHER_ACCOUNT, snapshot, k="guest", a="1")
        assert tags_seen(scene, OTHER_ACCOUNT, snapshot) == {"a": "1", "k": "guest"}
        assert tags_seen(scene, ACCOUNT, snapshot) == scene.look(snapshot).tags == {"k": "owner"}
        put(scene, ACCOUNT, snapshot, b="2")
        put(scene, OTHER_ACCOUNT, snapshot, k="")
        assert tags_seen(scene, OTHER_ACCOUNT, snapshot) == {"a": "1", "k": ""}
        assert tags_seen(scene, ACCOUNT, snapshot) == {"b": "2", "k": "owner"}

    def test_what_is_public_takes_tags_of_guests_too(self, scene: Scene) -> None:
        snapshot = foreign(scene)
        share(scene, snapshot, EVERYBODY)
        put(scene, ACCOUNT, snapshot, k="v")
        assert tags_seen(scene, ACCOUNT, snapshot) == {"k": "v"}
        assert scene.look(snapshot).tags == {}

    def test_guests_take_off_their_own(self, scene: Scene) -> None:
        snapshot = scene.start(tags={"a": "1", "b": "2"})
        share(scene, snapshot, OTHER_ACCOUNT)
        put(scene, OTHER_ACCOUNT, snapshot, a="1", b="2", c="3", d="4")
        removals = [TagRemoval("a"), TagRemoval("b", "2"), TagRemoval("c", "x"), TagRemoval("missing")]
        scene.store.remove_tags(OTHER_ACCOUNT, [snapshot.snapshot_id], removals)
        assert tags_seen(scene, OTHER_ACCOUNT, snapshot) == {"c": "3", "d": "4"}
        scene.store.remove_tags(OTHER_ACCOUNT, [snapshot.snapshot_id], [])
        assert tags_seen(scene, OTHER_ACCOUNT, snapshot) == {}
        assert scene.look(snapshot) == snapshot

    def test_no_removals_of_the_owner_leave_the_guests_alone(self, scene: Scene) -> None:
        snapshot = scene.start(tags={"k": "v"})
        share(scene, snapshot, OTHER_ACCOUNT)
        put(scene, OTHER_ACCOUNT, snapshot, k="v")
        scene.store.remove_tags(ACCOUNT, [snapshot.snapshot_id], [])
        assert tags_seen(scene, OTHER_ACCOUNT, snapshot) == {"k": "v"}

    def test_each_account_has_room_of_its_own(self, scene: Scene) -> None:
        snapshot = scene.start(tags={"a": "1", "b": "2"})
        share(scene, snapshot, OTHER_ACCOUNT)
        put(scene, OTHER_ACCOUNT, snapshot, c="1", d="2", tags_max=2)
        with pytest.raises(TagLimitReached, match=snapshot.snapshot_id):
            put(scene, OTHER_ACCOUNT, snapshot, e="3", tags_max=2)
        put(scene, OTHER_ACCOUNT, snapshot, c="3", tags_max=2)
        assert tags_seen(scene, OTHER_ACCOUNT, snapshot) == {"c": "3", "d": "2"}

    def test_own_and_foreign_snapshots_change_together_or_not_at_all(self, scene: Scene) -> None:
        own, shared, private = scene.start(), foreign(scene), foreign(scene)
        share(scene, shared, ACCOUNT)
        with pytest.raises(SnapshotNotFound, match=private.snapshot_id):
            put(scene, ACCOUNT, own, shared, private, k="v")
        put(scene, ACCOUNT, shared, full="1")
        with pytest.raises(TagLimitReached, match=shared.snapshot_id):
            put(scene, ACCOUNT, own, shared, k="v", tags_max=1)
        with pytest.raises(SnapshotNotFound, match=private.snapshot_id):
            scene.store.remove_tags(ACCOUNT, [own.snapshot_id, shared.snapshot_id, private.snapshot_id], [])
        assert (tags_seen(scene, ACCOUNT, own), tags_seen(scene, ACCOUNT, shared)) == ({}, {"full": "1"})
        put(scene, ACCOUNT, own, shared, k="v")
        assert tags_seen(scene, ACCOUNT, own) == {"k": "v"}
        assert tags_seen(scene, ACCOUNT, shared) == {"full": "1", "k": "v"}

    def test_tags_of_guests_end_with_the_sharing(self, scene: Scene) -> None:
        snapshot = scene.start(tags={"k": "owner"})
        share(scene, snapshot, OTHER_ACCOUNT)
        put(scene, OTHER_ACCOUNT, snapshot, k="guest")
        unshare(scene, snapshot, OTHER_ACCOUNT)
        with pytest.raises(SnapshotNotFound):
            put(scene, OTHER_ACCOUNT, snapshot, k="v")
        share(scene, snapshot, OTHER_ACCOUNT)
        assert tags_seen(scene, OTHER_ACCOUNT, snapshot) == {}
        assert scene.look(snapshot).tags == {"k": "owner"}

    def test_they_stay_while_one_of_two_permissions_does(self, scene: Scene) -> None:
        snapshot = scene.start()
        share(scene, snapshot, OTHER_ACCOUNT, EVERYBODY)
        put(scene, OTHER_ACCOUNT, snapshot, k="v")
        unshare(scene, snapshot, OTHER_ACCOUNT)
        assert tags_seen(scene, OTHER_ACCOUNT, snapshot) == {"k": "v"}
        share(scene, snapshot, OTHER_ACCOUNT)
        unshare(scene, snapshot, EVERYBODY)
        assert tags_seen(scene, OTHER_ACCOUNT, snapshot) == {"k": "v"}
        unshare(scene, snapshot, OTHER_ACCOUNT)
        share(scene, snapshot, EVERYBODY)
        assert tags_seen(scene, OTHER_ACCOUNT, snapshot) == {}

    def test_one_guests_tags_are_not_taken_with_anothers_permission(self, scene: Scene) -> None:
        snapshot, other = scene.start(), scene.start()
        for each in (snapshot, other):
            share(scene, each, OTHER_ACCOUNT)
            put(scene, OTHER_ACCOUNT, each, k="v")
        unshare(scene, snapshot, EVERYBODY)
        unshare(scene, other, OTHER_ACCOUNT)
        assert tags_seen(scene, OTHER_ACCOUNT, snapshot) == {"k": "v"}


class TagKeyContract:
    """Narrowing pages to snapshots with a tag."""

    def test_only_those_with_the_tag_come_in_order_and_in_pages(self, scene: Scene) -> None:
        own = [
            scene.start(tags={"k": str(9 - number), "l": ""} if number % 2 else {"l": ""})
            for number in range(7)
        ]
        guests = [foreign(scene) for _ in range(4)]
        for each in guests:
            share(scene, each, *[EVERYBODY, ACCOUNT][each.key % 2 :])
        put(scene, ACCOUNT, guests[0], guests[2], k="")
        put(scene, ACCOUNT, guests[1], l="k")
        put(scene, OTHER_ACCOUNT, *guests, k="of the owner")
        deleted = scene.start(tags={"k": "v"})
        scene.delete(deleted)
        mine = [own[number].snapshot_id for number in (1, 3, 5)]
        visible = [*mine, guests[0].snapshot_id, guests[2].snapshot_id]
        for size in (1, 2, 3, 5, 6):
            assert self._own(scene, "k", size) == mine
            assert self._visible(scene, "k", size) == visible
        assert self._visible(scene, "none", 5) == self._own(scene, "none", 5) == []

    def test_what_is_shown_is_what_is_shown_without(self, scene: Scene) -> None:
        snapshot = scene.start(tags={"k": "1", "a": "2"})
        share(scene, snapshot, OTHER_ACCOUNT, EVERYBODY)
        put(scene, OTHER_ACCOUNT, snapshot, k="guest", z="1")
        for account_id in (ACCOUNT, OTHER_ACCOUNT):
            tagged = scene.store.visible_snapshots(account_id, after=None, limit=10, tag_key="k")
            assert tagged == scene.store.visible_snapshots(account_id, after=None, limit=10)
        assert scene.store.snapshots(ACCOUNT, after=None, limit=10, tag_key="k") == [scene.look(snapshot)]
        assert scene.store.snapshots(OTHER_ACCOUNT, after=None, limit=10, tag_key="k") == []

    def test_a_value_finds_those_whose_tag_has_it(self, scene: Scene) -> None:
        own = [scene.start(tags={"k": value, "other": "1"}) for value in ("1", "2", "1", "", "12", "1")]
        guest = foreign(scene)
        share(scene, guest, ACCOUNT)
        put(scene, OTHER_ACCOUNT, guest, k="1")
        for value, found in (("1", [0, 2, 5]), ("2", [1]), ("", [3]), ("nobody's", [])):
            wanted = [own[number].snapshot_id for number in found]
            after = None
            for snapshot_id in wanted:
                tag = {"tag_key": "k", "tag_value": value}
                (mine,) = scene.store.snapshots(ACCOUNT, after=after, limit=1, **tag)
                (seen,) = scene.store.visible_snapshots(ACCOUNT, after=after, limit=1, **tag)
                assert mine.snapshot_id == seen.snapshot.snapshot_id == snapshot_id
                after = mine.key
            assert scene.store.snapshots(ACCOUNT, after=after, limit=1, tag_key="k", tag_value=value) == []
        put(scene, ACCOUNT, guest, k="2")
        for value, count in (("1", 3), ("2", 2)):
            visible = scene.store.visible_snapshots(
                ACCOUNT, after=None, limit=10, tag_key="k", tag_value=value
            )
            assert len(visible) == count

    def test_other_accounts_tags_find_nothing(self, scene: Scene) -> None:
        snapshot = scene.start(tags={"owner": ""})
        share(scene, snapshot, OTHER_ACCOUNT)
        put(scene, OTHER_ACCOUNT, snapshot, guest="")
        for account_id, tag_key, count in (
            (ACCOUNT, "owner", 1),
            (ACCOUNT, "guest", 0),
            (OTHER_ACCOUNT, "guest", 1),
            (OTHER_ACCOUNT, "owner", 0),
        ):
            page = scene.store.visible_snapshots(account_id, after=None, limit=10, tag_key=tag_key)
            assert len(page) == count

    def _own(self, scene: Scene, tag_key: str, size: int) -> list[SnapshotId]:
        ids: list[SnapshotId] = []
        after = None
        while page := scene.store.snapshots(ACCOUNT, after=after, limit=size, tag_key=tag_key):
            ids += [each.snapshot_id for each in page]
            after = page[-1].key
        return ids

    def _visible(self, scene: Scene, tag_key: str, size: int) -> list[SnapshotId]:
        ids: list[SnapshotId] = []
        after = None
        while page := scene.store.visible_snapshots(ACCOUNT, after=after, limit=size, tag_key=tag_key):
            ids += [each.snapshot.snapshot_id for each in page]
            after = page[-1].snapshot.key
        return ids
