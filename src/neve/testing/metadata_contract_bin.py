"""What every metadata store promises about the recycle bin and its rules."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import pytest

from neve.domain.identities import AccountId, SnapshotId
from neve.domain.locks import DAY_MS
from neve.domain.retention import ResourceTag, RetentionRule
from neve.domain.snapshots import CompletionClaim, Sealed, Snapshot, State
from neve.errors import InvariantError, RuleNotFound, SnapshotLimitReached, SnapshotLocked, SnapshotNotFound
from neve.stores.metadata.contract import EVERYBODY, WriteOutcome
from neve.stores.metadata.contract_lifecycle import RecycledSnapshot
from neve.testing.metadata_contract_locks import lock_of, locked, put_lock
from neve.testing.metadata_scene import (
    ACCOUNT,
    CLAIM,
    MINUTE_MS,
    OTHER_ACCOUNT,
    START_MS,
    Scene,
    chunk_id,
    snapshot_id,
)

NOBODY: Final = AccountId("999999999999")


def rule_of(**changes: Any) -> RetentionRule:
    """Return a rule that keeps every snapshot of the account for a day, with `changes`."""
    rule = RetentionRule(
        account_id=ACCOUNT,
        rule_id="rule",
        description="",
        retention_days=1,
        resource_tags=(),
        exclude_resource_tags=(),
        tags={},
        created_ms=START_MS,
    )
    return replace(rule, **changes)


def put_rule(scene: Scene, rule: RetentionRule) -> None:
    assert scene.store.lifecycle.change_rules(rule.account_id, lambda _rules: rule) == rule


def recycle(scene: Scene, snapshot: Snapshot, *, days: int = 1) -> Snapshot:
    """Complete the snapshot if need be, and take it to the bin by way of a rule for it alone."""
    completed = scene.complete(snapshot) if snapshot.state is State.PENDING else snapshot
    owner = snapshot.account_id
    put_rule(scene, rule_of(account_id=owner, rule_id="for-one", retention_days=days))
    assert delete(scene, completed) == scene.now_ms + days * DAY_MS
    scene.store.lifecycle.remove_rule(owner, "for-one")
    return replace(completed, state=State.RECYCLED)


def delete(scene: Scene, snapshot: Snapshot) -> int | None:
    return scene.store.delete_snapshot(snapshot.account_id, snapshot.snapshot_id, now_ms=scene.now_ms)


def restore(scene: Scene, snapshot: Snapshot) -> Snapshot:
    return scene.store.lifecycle.restore(snapshot.account_id, snapshot.snapshot_id, now_ms=scene.now_ms)


def binned(scene: Scene, account_id: AccountId = ACCOUNT) -> Sequence[SnapshotId]:
    """Return what is in the bin, having looked that each is shown alike when asked for alone."""
    page = scene.store.lifecycle.recycled(account_id, after=None, limit=100)
    for each in page:
        name = each.snapshot.snapshot_id
        assert scene.store.lifecycle.recycled_snapshot(account_id, name) == each
    return [each.snapshot.snapshot_id for each in page]


def own_calls(scene: Scene, account_id: AccountId, name: SnapshotId) -> Sequence[Callable[[], object]]:
    """Return a call of each method that finds a snapshot of one's own, or fails, and changes nothing by itself."""
    store, now_ms = scene.store, scene.now_ms
    return (
        lambda: store.snapshot(account_id, name),
        lambda: store.visible_snapshot(account_id, name),
        lambda: store.accept_completion(account_id, name, CLAIM, now_ms=now_ms),
        lambda: store.delete_snapshot(account_id, name, now_ms=now_ms),
        lambda: store.modify_permissions(account_id, name, add=[EVERYBODY]),
        lambda: store.permissions(account_id, name),
        lambda: store.put_tags(account_id, [name], {"k": "v"}, tags_max=50),
        lambda: store.remove_tags(account_id, [name], []),
        lambda: store.lifecycle.lock(account_id, name),
        lambda: store.lifecycle.change_lock(account_id, name, lambda _snapshot, _lock: lock_of()),
        lambda: store.check_start(scene.request(account_id=account_id, parent_id=name)),
    )


class RecycleBinContract:
    """The bin: who gets there, what that changes, and how it ends."""

    def test_a_snapshot_in_the_bin_is_shown_there_as_it_was(self, scene: Scene) -> None:
        snapshot = scene.complete(scene.start(tags={"b": "1", "a": "2"}))
        scene.now_ms += MINUTE_MS
        wanted = RecycledSnapshot(
            snapshot=recycle(scene, snapshot, days=3),
            entered_ms=scene.now_ms,
            exits_ms=scene.now_ms + 3 * DAY_MS,
        )
        assert scene.store.lifecycle.recycled_snapshot(ACCOUNT, snapshot.snapshot_id) == wanted
        assert scene.store.lifecycle.recycled(ACCOUNT, after=None, limit=10) == [wanted]
        assert scene.store.statistics().snapshots == {"recycled": 1}

    def test_it_is_missing_for_everybody_else(self, scene: Scene) -> None:
        snapshot = scene.start()
        scene.store.modify_permissions(ACCOUNT, snapshot.snapshot_id, add=[OTHER_ACCOUNT, EVERYBODY])
        recycle(scene, snapshot)
        for account_id in (ACCOUNT, OTHER_ACCOUNT, NOBODY):
            for call in own_calls(scene, account_id, snapshot.snapshot_id):
                with pytest.raises(SnapshotNotFound):
                    call()
            assert scene.store.visible_snapshots(account_id, after=None, limit=10) == []
        assert scene.store.snapshots(ACCOUNT, after=None, limit=10) == []
        assert scene.refer(snapshot, 0, 0) is WriteOutcome.SNAPSHOT_NOT_FOUND
        scene.keep(900)
        assert scene.hold(snapshot, 900) is WriteOutcome.SNAPSHOT_NOT_FOUND
        assert binned(scene) == [snapshot.snapshot_id]

    def test_a_page_of_what_is_visible_is_filled_past_the_bin(self, scene: Scene) -> None:
        snapshots = [scene.start(tags={"k": ""}) for _ in range(6)]
        for snapshot in snapshots:
            grantees = [OTHER_ACCOUNT, EVERYBODY][: 1 + snapshot.key % 2]
            scene.store.modify_permissions(ACCOUNT, snapshot.snapshot_id, add=grantees)
            scene.store.put_tags(OTHER_ACCOUNT, [snapshot.snapshot_id], {"k": ""}, tags_max=1)
        for snapshot in snapshots[:4]:
            recycle(scene, snapshot)
        wanted = [each.snapshot_id for each in snapshots[4:]]
        for account_id in (ACCOUNT, OTHER_ACCOUNT):
            for tag_key in (None, "k"):
                page = scene.store.visible_snapshots(account_id, after=None, limit=2, tag_key=tag_key)
                assert [each.snapshot.snapshot_id for each in page] == wanted
        own = scene.store.snapshots(ACCOUNT, after=None, limit=2, tag_key="k")
        assert [each.snapshot_id for each in own] == wanted

    def test_restored_it_is_what_it_was(self, scene: Scene) -> None:
        snapshot = scene.complete(scene.start(tags={"b": "1", "a": "2"}, client_token="t"))  # noqa: S106
        name = snapshot.snapshot_id
        put_lock(scene, snapshot, lock_of(duration_days=None, expires_ms=scene.now_ms))
        scene.store.modify_permissions(ACCOUNT, name, add=[OTHER_ACCOUNT, EVERYBODY])
        scene.store.put_tags(OTHER_ACCOUNT, [name], {"g": "h"}, tags_max=1)
        accounts = (ACCOUNT, OTHER_ACCOUNT, NOBODY)
        before = [scene.store.visible_snapshot(account_id, name) for account_id in accounts]
        lock = scene.store.lifecycle.lock(ACCOUNT, name)
        recycle(scene, snapshot)
        assert locked(scene) == []
        assert restore(scene, snapshot) == snapshot == scene.look(snapshot)
        assert [scene.store.visible_snapshot(account_id, name) for account_id in accounts] == before
        assert scene.store.permissions(ACCOUNT, name) == [OTHER_ACCOUNT, EVERYBODY]
        assert scene.store.lifecycle.lock(ACCOUNT, name) == lock
        assert binned(scene) == []
        assert scene.start(parent_id=name).base_root == snapshot.root
        with pytest.raises(SnapshotNotFound):
            restore(scene, snapshot)

    def test_its_time_over_it_cannot_be_restored(self, scene: Scene) -> None:
        first, second = scene.start(), scene.start()
        for snapshot in (first, second):
            recycle(scene, snapshot)
        scene.now_ms += DAY_MS - 1
        restore(scene, first)
        scene.now_ms += 1
        with pytest.raises(SnapshotNotFound, match=second.snapshot_id):
            restore(scene, second)
        assert binned(scene) == [second.snapshot_id]

    def test_the_bin_is_the_owners(self, scene: Scene) -> None:
        snapshot, other = scene.start(), scene.complete(scene.start())
        scene.store.modify_permissions(ACCOUNT, snapshot.snapshot_id, add=[OTHER_ACCOUNT])
        recycle(scene, snapshot)
        assert binned(scene, OTHER_ACCOUNT) == []
        for account_id, name in (
            (OTHER_ACCOUNT, snapshot.snapshot_id),
            (ACCOUNT, other.snapshot_id),
            (ACCOUNT, snapshot_id(999)),
        ):
            with pytest.raises(SnapshotNotFound, match=name):
                scene.store.lifecycle.recycled_snapshot(account_id, name)
            with pytest.raises(SnapshotNotFound, match=name):
                scene.store.lifecycle.restore(account_id, name, now_ms=scene.now_ms)
        assert scene.look(other) == other

    def test_the_bin_comes_in_order_and_in_pages(self, scene: Scene) -> None:
        snapshots = [scene.start() for _ in range(4)]
        for number in (3, 0, 2):
            recycle(scene, snapshots[number], days=number + 1)
        wanted = [snapshots[number].snapshot_id for number in (0, 2, 3)]
        assert binned(scene) == wanted
        first = scene.store.lifecycle.recycled(ACCOUNT, after=None, limit=2)
        second = scene.store.lifecycle.recycled(ACCOUNT, after=first[-1].snapshot.key, limit=2)
        assert [each.snapshot.snapshot_id for each in (*first, *second)] == wanted

    def test_the_bin_is_emptied_of_what_is_over_the_longest_over_first(self, scene: Scene) -> None:
        snapshots = [scene.start(tags={"k": "v"}) for _ in range(4)]
        for snapshot, days in zip(snapshots, (2, 1, 3, 1), strict=True):
            recycle(scene, snapshot, days=days)
        assert scene.store.lifecycle.empty_bin(now_ms=scene.now_ms + DAY_MS - 1, limit=10) == []
        over_ms = scene.now_ms + 2 * DAY_MS
        first, second = (scene.store.lifecycle.empty_bin(now_ms=over_ms, limit=2) for _ in range(2))
        assert [*first, *second] == [snapshots[number].snapshot_id for number in (1, 3, 0)]
        assert binned(scene) == [snapshots[2].snapshot_id]
        assert scene.store.statistics().snapshots == {"deleted": 3, "recycled": 1}

    def test_what_leaves_the_bin_is_deleted_with_all_that_went_with_it(self, scene: Scene) -> None:
        snapshot = scene.start(client_token="t")  # noqa: S106 - no secret
        scene.keep(900)
        scene.put(snapshot, {0: 1})
        scene.accept(snapshot)
        scene.hold(snapshot, 900)
        scene.store.modify_permissions(ACCOUNT, snapshot.snapshot_id, add=[OTHER_ACCOUNT])
        recycle(scene, scene.complete(snapshot))
        token_age_ms = scene.now_ms + 1
        assert scene.store.forget_client_tokens(used_before_ms=token_age_ms, limit=10) == 0
        assert scene.read(snapshot) == {0: 1}
        scene.now_ms += DAY_MS
        scene.store.lifecycle.empty_bin(now_ms=scene.now_ms, limit=10)
        with pytest.raises(SnapshotNotFound):
            restore(scene, snapshot)
        assert scene.store.forget_client_tokens(used_before_ms=token_age_ms, limit=10) == 1
        assert scene.store.reap(limit=10) == 0
        assert scene.read(snapshot) == {0: 1}, "collection needs the rows, as of any that was completed"
        assert scene.store.statistics().holds == 1

    def test_a_lock_keeps_from_the_bin_too(self, scene: Scene) -> None:
        snapshot = scene.complete(scene.start())
        put_rule(scene, rule_of())
        put_lock(scene, snapshot, lock_of())
        with pytest.raises(SnapshotLocked):
            scene.delete(snapshot)
        assert binned(scene) == []
        assert scene.look(snapshot) == snapshot

    def test_only_what_is_completed_goes_there(self, scene: Scene) -> None:
        put_rule(scene, rule_of())
        for snapshot in (scene.start(), scene.accept(scene.start()), scene.fail(scene.start())):
            assert delete(scene, snapshot) is None
        assert binned(scene) == []

    def test_it_counts_as_a_snapshot_of_the_account(self, scene: Scene) -> None:
        snapshot = scene.start()
        recycle(scene, snapshot)
        with pytest.raises(SnapshotLimitReached):
            scene.start(snapshots_max=1)
        scene.store.lifecycle.empty_bin(now_ms=scene.now_ms + DAY_MS, limit=10)
        scene.start(snapshots_max=1)

    def test_restored_and_deleted_anew_it_stays_anew(self, scene: Scene) -> None:
        snapshot = scene.complete(scene.start())
        for _ in range(3):
            scene.now_ms += MINUTE_MS
            recycle(scene, snapshot, days=2)
            restore(scene, snapshot)
        assert delete(scene, snapshot) is None
        assert scene.store.statistics().snapshots == {"deleted": 1}

    def test_nothing_moves_a_snapshot_that_is_in_the_bin(self, scene: Scene) -> None:
        snapshot = scene.start()
        recycle(scene, snapshot)
        sealed = Sealed(root=chunk_id(901), block_count=9)
        assert not scene.store.finish_completion(snapshot.key, sealed, now_ms=scene.now_ms)
        assert not scene.store.fail_completion(snapshot.key, "no", now_ms=scene.now_ms)
        assert scene.store.expire(now_ms=scene.now_ms + DAY_MS, limit=10) == []
        assert scene.store.sealing(limit=10) == []
        assert restore(scene, snapshot).root == chunk_id(900)

    def test_children_stay_whatever_becomes_of_it(self, scene: Scene) -> None:
        parent = scene.complete(scene.start())
        child = scene.start(parent_id=parent.snapshot_id)
        recycle(scene, parent)
        assert scene.accept(child, CompletionClaim(changed_blocks_count=0, aggregate=None)).claim is not None
        assert scene.look(child).base_root == parent.root


class RetentionRulesContract:
    """Retention rules, and which snapshots they keep for how long."""

    def test_a_rule_comes_back_as_it_was_given(self, scene: Scene) -> None:
        for rule in (
            rule_of(),
            rule_of(rule_id="tags", resource_tags=(ResourceTag("a"), ResourceTag("ключ", ""))),
            rule_of(
                rule_id="all",
                description="'\"\\ 🧊",
                retention_days=365,
                exclude_resource_tags=(ResourceTag("a", "b"),),
                tags={"b": "1", "a": "ж"},
                created_ms=5,
            ),
        ):
            put_rule(scene, rule)
            assert scene.store.lifecycle.rule(ACCOUNT, rule.rule_id) == rule

    def test_an_account_has_its_own_rules_in_order(self, scene: Scene) -> None:
        rules = [rule_of(rule_id=rule_id) for rule_id in ("b", "a", "c")]
        others = rule_of(rule_id="b", account_id=OTHER_ACCOUNT, retention_days=7)
        for rule in (*rules, others):
            put_rule(scene, rule)
        assert scene.store.lifecycle.rules(ACCOUNT) == [rules[1], rules[0], rules[2]]
        assert scene.store.lifecycle.rules(OTHER_ACCOUNT) == [others]
        scene.store.lifecycle.remove_rule(ACCOUNT, "b")
        assert scene.store.lifecycle.rules(ACCOUNT) == [rules[1], rules[2]]
        assert scene.store.lifecycle.rule(OTHER_ACCOUNT, "b") == others

    def test_a_rule_put_again_takes_the_place_of_the_first(self, scene: Scene) -> None:
        put_rule(scene, rule_of(tags={"a": "b"}, resource_tags=(ResourceTag("k"),)))
        changed = rule_of(description="changed", retention_days=2, created_ms=7)
        put_rule(scene, changed)
        assert scene.store.lifecycle.rules(ACCOUNT) == [changed]

    def test_a_change_is_given_what_is_there_and_one_that_fails_changes_nothing(self, scene: Scene) -> None:
        seen: list[Sequence[RetentionRule]] = []
        first, second = rule_of(rule_id="b"), rule_of(rule_id="a")
        put_rule(scene, rule_of(account_id=OTHER_ACCOUNT))

        def change(rules: Sequence[RetentionRule]) -> RetentionRule:
            seen.append(rules)
            if len(seen) > 2:
                raise RuleNotFound("by the test")
            return (first, second)[len(seen) - 1]

        for _ in range(2):
            scene.store.lifecycle.change_rules(ACCOUNT, change)
        with pytest.raises(RuleNotFound, match="by the test"):
            scene.store.lifecycle.change_rules(ACCOUNT, change)
        assert seen == [[], [first], [second, first]]
        assert scene.store.lifecycle.rules(ACCOUNT) == [second, first]

    def test_a_rule_that_is_not_there_is_said_not_to_be(self, scene: Scene) -> None:
        put_rule(scene, rule_of())
        scene.store.lifecycle.remove_rule(ACCOUNT, "rule")
        for rule_id in ("rule", "never"):
            with pytest.raises(RuleNotFound):
                scene.store.lifecycle.rule(ACCOUNT, rule_id)
            with pytest.raises(RuleNotFound):
                scene.store.lifecycle.remove_rule(ACCOUNT, rule_id)

    def test_a_rule_of_another_account_is_a_bug(self, scene: Scene) -> None:
        with pytest.raises(InvariantError):
            scene.store.lifecycle.change_rules(ACCOUNT, lambda _: rule_of(account_id=OTHER_ACCOUNT))
        assert scene.store.lifecycle.rules(ACCOUNT) == scene.store.lifecycle.rules(OTHER_ACCOUNT) == []

    def test_a_rule_of_no_account_is_a_bug(self, scene: Scene) -> None:
        with pytest.raises(InvariantError):
            put_rule(scene, rule_of(account_id=NOBODY))
        assert scene.store.lifecycle.rules(NOBODY) == []

    def test_the_rules_of_the_moment_decide_and_the_longest_counts(self, scene: Scene) -> None:
        put_rule(scene, rule_of(rule_id="a", resource_tags=(ResourceTag("a"),)))
        put_rule(scene, rule_of(rule_id="b", retention_days=9, resource_tags=(ResourceTag("b", "1"),)))
        put_rule(
            scene,
            rule_of(
                rule_id="c", retention_days=5, exclude_resource_tags=(ResourceTag("a"), ResourceTag("d"))
            ),
        )
        put_rule(scene, rule_of(account_id=OTHER_ACCOUNT, retention_days=300))
        for tags, days in (
            ({"a": "1"}, 1),
            ({"a": "1", "b": "2"}, 1),
            ({"a": "1", "b": "1"}, 9),
            ({}, 5),
            ({"d": ""}, None),
        ):
            wanted = None if days is None else scene.now_ms + days * DAY_MS
            assert delete(scene, scene.complete(scene.start(tags=tags))) == wanted, tags

    def test_what_is_in_the_bin_stays_as_long_as_it_was_to(self, scene: Scene) -> None:
        snapshot = scene.start()
        recycle(scene, snapshot, days=9)
        put_rule(scene, rule_of(retention_days=1))
        scene.store.lifecycle.remove_rule(ACCOUNT, "rule")
        found = scene.store.lifecycle.recycled_snapshot(ACCOUNT, snapshot.snapshot_id)
        assert found.exits_ms == scene.now_ms + 9 * DAY_MS
