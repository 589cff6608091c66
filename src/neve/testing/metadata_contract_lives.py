"""What every metadata store promises about the lives of snapshots: completion, expiry, deletion, tags."""
# ruff: noqa: S106 - a client token is no secret

from dataclasses import replace

import pytest

from neve.domain.blocks import ChunkId
from neve.domain.identities import AccountId
from neve.domain.snapshots import MESSAGE_TIMED_OUT, CompletionClaim, Sealed, Snapshot, State
from neve.errors import SnapshotNotFound, TagLimitReached
from neve.stores.metadata.contract import TagRemoval
from neve.testing.metadata_scene import (
    ACCOUNT,
    CLAIM,
    MINUTE_MS,
    OTHER_ACCOUNT,
    UNKNOWN_SNAPSHOT,
    Scene,
    snapshot_id,
)


class CompletionContract:
    """From pending to completed or error."""

    def test_accepting_keeps_the_first_claim(self, scene: Scene) -> None:
        snapshot = scene.start()
        accepted = scene.accept(snapshot)
        assert accepted == replace(snapshot, state=State.SEALING, claim=CLAIM)
        assert scene.accept(snapshot, CompletionClaim(changed_blocks_count=9, aggregate=None)) == accepted
        assert scene.look(snapshot) == accepted

    def test_a_claim_without_an_aggregate_comes_back_so(self, scene: Scene) -> None:
        claim = CompletionClaim(changed_blocks_count=0, aggregate=None)
        assert scene.look(scene.accept(scene.start(), claim)).claim == claim

    def test_accepting_an_overdue_snapshot_answers_an_error_and_writes_none(self, scene: Scene) -> None:
        snapshot = scene.overdue()
        accepted = scene.accept(snapshot)
        assert accepted == replace(snapshot, state=State.ERROR, state_message=MESSAGE_TIMED_OUT)
        assert scene.look(snapshot) == snapshot
        assert scene.store.sealing(limit=10) == []
        scene.now_ms = snapshot.deadline_ms - 1
        assert scene.accept(snapshot).state is State.SEALING

    def test_accepting_one_millisecond_before_the_deadline_stops_the_clock(self, scene: Scene) -> None:
        snapshot = scene.start(timeout_minutes=10)
        scene.now_ms = snapshot.deadline_ms - 1
        assert scene.accept(snapshot).state is State.SEALING
        scene.now_ms = snapshot.deadline_ms + 1
        assert scene.store.expire(now_ms=scene.now_ms, limit=10) == []

    def test_accepting_again_later_changes_nothing(self, scene: Scene) -> None:
        for snapshot in (scene.complete(scene.start()), scene.fail(scene.start())):
            scene.now_ms += MINUTE_MS
            assert scene.accept(snapshot) == snapshot == scene.look(snapshot)

    def test_sealing_snapshots_come_oldest_first(self, scene: Scene) -> None:
        snapshots = [scene.start(tags={"n": str(number)}) for number in range(3)]
        accepted = [scene.accept(snapshot) for snapshot in reversed(snapshots)]
        assert scene.store.sealing(limit=2) == list(reversed(accepted))[:2]
        scene.delete(snapshots[0])
        assert scene.store.sealing(limit=10) == list(reversed(accepted))[1:]

    def test_finishing_makes_it_completed_once(self, scene: Scene) -> None:
        snapshot = scene.start()
        scene.put(snapshot, {0: 1})
        accepted = scene.accept(snapshot)
        sealed = Sealed(root=ChunkId(b"r" * 32), block_count=8)
        done_ms = scene.now_ms + 5
        assert scene.store.finish_completion(snapshot.key, sealed, now_ms=done_ms)
        completed = replace(
            accepted, state=State.COMPLETED, completed_ms=done_ms, root=sealed.root, block_count=8
        )
        assert scene.look(snapshot) == completed
        assert not scene.store.finish_completion(snapshot.key, sealed, now_ms=done_ms + 1)
        assert not scene.store.fail_completion(snapshot.key, "late", now_ms=done_ms + 1)
        assert scene.look(snapshot) == completed
        assert scene.read(snapshot) == {0: 1}

    def test_failing_makes_it_an_error_and_its_rows_vanish(self, scene: Scene) -> None:
        snapshot = scene.start()
        scene.put(snapshot, {0: 1, 1: 2})
        scene.keep(900)
        accepted = scene.accept(snapshot)
        scene.hold(snapshot, 900)
        assert scene.store.fail_completion(snapshot.key, "wrong", now_ms=scene.now_ms)
        assert scene.look(snapshot) == replace(accepted, state=State.ERROR, state_message="wrong")
        assert not scene.store.fail_completion(snapshot.key, "again", now_ms=scene.now_ms)
        assert scene.read(snapshot) == {}
        assert scene.store.block_count(snapshot.key) == 0

    def test_only_a_sealing_snapshot_is_finished_or_failed(self, scene: Scene) -> None:
        deleted = scene.accept(scene.start())
        scene.delete(deleted)
        sealed = Sealed(root=ChunkId(b"r" * 32), block_count=0)
        for key in (scene.start().key, deleted.key, UNKNOWN_SNAPSHOT):
            assert not scene.store.finish_completion(key, sealed, now_ms=scene.now_ms)
            assert not scene.store.fail_completion(key, "no", now_ms=scene.now_ms)


class ExpiryContract:
    """Deadlines."""

    def test_only_overdue_pending_snapshots_expire_in_order_of_start(self, scene: Scene) -> None:
        accepted = scene.overdue(snapshot_id=snapshot_id(501))
        scene.store.accept_completion(ACCOUNT, accepted.snapshot_id, CLAIM, now_ms=accepted.started_ms)
        late = scene.start(timeout_minutes=20, now_ms=scene.now_ms - 30 * MINUTE_MS)
        later = scene.overdue()
        running = scene.start()
        assert scene.store.expire(now_ms=scene.now_ms, limit=10) == [late.snapshot_id, later.snapshot_id]
        assert scene.store.expire(now_ms=scene.now_ms, limit=10) == []
        assert scene.look(late).state_message == MESSAGE_TIMED_OUT
        assert [scene.look(each).state for each in (accepted, late, later, running)] == [
            State.SEALING,
            State.ERROR,
            State.ERROR,
            State.PENDING,
        ]

    def test_a_few_expire_at_a_time(self, scene: Scene) -> None:
        for _ in range(5):
            scene.overdue()
        assert [len(scene.store.expire(now_ms=scene.now_ms, limit=2)) for _ in range(4)] == [2, 2, 1, 0]

    def test_what_a_step_of_the_clock_put_past_its_deadline_has_its_time_anew(self, scene: Scene) -> None:
        early, first, second, later = (
            scene.start(timeout_minutes=10, now_ms=scene.now_ms + n) for n in range(4)
        )
        sealing = scene.accept(scene.start(timeout_minutes=10, now_ms=scene.now_ms + 1))
        after_ms, now_ms = early.deadline_ms, second.deadline_ms
        assert [scene.store.postpone(after_ms=after_ms, now_ms=now_ms, limit=1) for _ in range(3)] == [
            1,
            1,
            0,
        ]
        for each in (first, second):
            assert scene.look(each) == replace(each, last_write_ms=now_ms)
            assert scene.look(each).deadline_ms == now_ms + 10 * MINUTE_MS
        assert [scene.look(each) for each in (early, later, sealing)] == [early, later, sealing]
        expired = scene.store.expire(now_ms=later.deadline_ms, limit=10)
        assert expired == [early.snapshot_id, later.snapshot_id]

    @pytest.mark.parametrize("timeout_minutes", [10, 60, 4320])
    def test_the_deadline_is_the_timeout_after_the_last_block(
        self, scene: Scene, timeout_minutes: int
    ) -> None:
        snapshot = scene.start(timeout_minutes=timeout_minutes)
        scene.now_ms += 3 * MINUTE_MS
        scene.put(snapshot, {0: 1})
        deadline_ms = scene.now_ms + timeout_minutes * MINUTE_MS
        assert scene.look(snapshot).deadline_ms == deadline_ms
        assert scene.store.expire(now_ms=deadline_ms - 1, limit=10) == []
        assert scene.store.expire(now_ms=deadline_ms, limit=10) == [snapshot.snapshot_id]

    def test_blocks_of_an_expired_snapshot_vanish(self, scene: Scene) -> None:
        snapshot = scene.start(timeout_minutes=10)
        scene.put(snapshot, {0: 1})
        scene.now_ms += 10 * MINUTE_MS
        scene.store.expire(now_ms=scene.now_ms, limit=10)
        assert scene.read(snapshot) == {}


class DeletionContract:
    """Deleting, and what stays for collection."""

    def test_a_deleted_snapshot_is_not_found_by_anybody(self, scene: Scene) -> None:
        snapshots = [scene.start(), scene.accept(scene.start()), scene.complete(scene.start())]
        for snapshot in [*snapshots, scene.fail(scene.start())]:
            scene.delete(snapshot)
            self._is_not_found(scene, ACCOUNT, snapshot)
        assert scene.store.snapshots(ACCOUNT, after=None, limit=10) == []
        assert scene.store.sealing(limit=10) == []

    def test_another_accounts_snapshot_is_a_missing_one(self, scene: Scene) -> None:
        snapshot = scene.start()
        self._is_not_found(scene, OTHER_ACCOUNT, snapshot)
        assert scene.look(snapshot) == snapshot

    def _is_not_found(self, scene: Scene, account_id: AccountId, snapshot: Snapshot) -> None:
        name, now_ms = snapshot.snapshot_id, scene.now_ms
        for call in (
            lambda: scene.store.snapshot(account_id, name),
            lambda: scene.store.accept_completion(account_id, name, CLAIM, now_ms=now_ms),
            lambda: scene.store.delete_snapshot(account_id, name, now_ms=now_ms),
            lambda: scene.store.put_tags(account_id, [name], {"k": "v"}, tags_max=50),
            lambda: scene.store.remove_tags(account_id, [name], []),
        ):
            with pytest.raises(SnapshotNotFound):
                call()

    def test_a_completed_one_keeps_its_rows(self, scene: Scene) -> None:
        snapshot = scene.start()
        scene.keep(900)
        scene.put(snapshot, {0: 1})
        scene.accept(snapshot)
        scene.hold(snapshot, 900)
        scene.delete(scene.complete(snapshot))
        assert scene.store.reap(limit=100) == 0
        assert scene.read(snapshot) == {0: 1}
        assert scene.store.statistics().holds == 1

    def test_of_others_every_row_vanishes_at_once_and_goes_bit_by_bit(self, scene: Scene) -> None:
        dropped = [scene.start(), scene.start(), scene.overdue(), scene.start()]
        scene.put(dropped[0], {0: 1, 1: 2, 2: 3})
        scene.put(dropped[1], {0: 1, 1: 0})
        scene.put(dropped[3], {5: 1})
        scene.keep(900)
        scene.accept(dropped[1])
        scene.hold(dropped[1], 900)
        kept = scene.start()
        scene.put(kept, {0: 1, 1: 2, 2: 3})
        scene.delete(dropped[0])
        scene.delete(dropped[1])
        scene.store.expire(now_ms=scene.now_ms, limit=1)
        scene.fail(dropped[3])
        assert [scene.read(snapshot) for snapshot in dropped] == [{}] * 4
        assert [scene.store.reap(limit=2) for _ in range(5)] == [2, 2, 2, 1, 0]
        assert scene.store.statistics().block_rows == 3
        assert scene.store.statistics().holds == 0
        assert scene.read(kept) == {0: 1, 1: 2, 2: 3}


class TagsContract:
    """Tags."""

    def test_a_tag_that_is_there_takes_the_new_value(self, scene: Scene) -> None:
        snapshots = [scene.start(tags={"b": "1", "a": "1"}), scene.start()]
        ids = [snapshot.snapshot_id for snapshot in snapshots]
        scene.store.put_tags(ACCOUNT, ids, {"a": "2", "c": ""}, tags_max=50)
        assert list(scene.look(snapshots[0]).tags.items()) == [("a", "2"), ("b", "1"), ("c", "")]
        assert scene.look(snapshots[1]).tags == {"a": "2", "c": ""}

    def test_tags_hold_any_text(self, scene: Scene) -> None:
        tags = {"ключ 🧊": "névé\t'\"\\", "K" * 127: "v" * 255, "k": ""}
        snapshot = scene.start(tags=tags, client_token="t", description="Ж")
        assert scene.look(snapshot).tags == tags
        assert scene.started(client_token="t").snapshot == snapshot

    def test_tags_are_put_on_all_or_on_none(self, scene: Scene) -> None:
        full = scene.start(tags={"a": "1", "b": "2"})
        room = scene.start(tags={"a": "1"})
        with pytest.raises(TagLimitReached, match=full.snapshot_id):
            scene.store.put_tags(ACCOUNT, [room.snapshot_id, full.snapshot_id], {"c": "3"}, tags_max=2)
        with pytest.raises(SnapshotNotFound):
            scene.store.put_tags(ACCOUNT, [room.snapshot_id, snapshot_id(999)], {"c": "3"}, tags_max=2)
        assert scene.look(room) == room
        assert scene.look(full) == full

    def test_replacing_a_tag_needs_no_room(self, scene: Scene) -> None:
        full = scene.start(tags={"a": "1", "b": "2"})
        scene.store.put_tags(ACCOUNT, [full.snapshot_id, full.snapshot_id], {"b": "3"}, tags_max=2)
        assert scene.look(full).tags == {"a": "1", "b": "3"}

    def test_tags_are_removed_by_key_or_only_with_their_value(self, scene: Scene) -> None:
        tags = {"any": "1", "equal": "2", "other": "3", "empty": "", "stays": "4"}
        snapshot = scene.start(tags=tags)
        removals = [
            TagRemoval("any"),
            TagRemoval("equal", "2"),
            TagRemoval("other", "x"),
            TagRemoval("empty", ""),
            TagRemoval("stays", ""),
            TagRemoval("missing"),
        ]
        scene.store.remove_tags(ACCOUNT, [snapshot.snapshot_id], removals)
        assert scene.look(snapshot).tags == {"other": "3", "stays": "4"}

    def test_no_removals_mean_every_tag(self, scene: Scene) -> None:
        snapshots = [scene.start(tags={"a": "1", "b": "2"}), scene.start(tags={"c": "3"})]
        scene.store.remove_tags(ACCOUNT, [snapshots[0].snapshot_id], [])
        assert [scene.look(each).tags for each in snapshots] == [{}, {"c": "3"}]

    def test_tags_are_removed_from_all_or_from_none(self, scene: Scene) -> None:
        snapshot = scene.start(tags={"a": "1"})
        with pytest.raises(SnapshotNotFound):
            scene.store.remove_tags(ACCOUNT, [snapshot.snapshot_id, snapshot_id(999)], [])
        assert scene.look(snapshot) == snapshot
