"""What every metadata store promises about what needs chunks."""

from neve.domain.blocks import BlockIndex
from neve.domain.retention import RetentionRule
from neve.domain.snapshots import Snapshot, State
from neve.stores.metadata.contract_lifecycle import CopyStart
from neve.stores.metadata.contract_needs import Need
from neve.testing.metadata_scene import (
    ACCOUNT,
    OTHER_ACCOUNT,
    UNKNOWN_SNAPSHOT,
    Scene,
    chunk_id,
    living_in,
    snapshot_id,
)


def living(scene: Scene) -> list[Need]:
    return living_in(scene.store)


def need_of(snapshot: Snapshot) -> Need:
    """Return what a snapshot that copies nothing needs."""
    whole = snapshot.root is not None
    return Need(
        key=snapshot.key,
        snapshot_id=snapshot.snapshot_id,
        account_id=snapshot.account_id,
        lineage_id=snapshot.lineage_id,
        state=snapshot.state,
        volume_gib=snapshot.volume_gib,
        domain_key=snapshot.domain_key,
        root=snapshot.root if whole else snapshot.base_root,
        block_count=snapshot.block_count if whole else snapshot.base_block_count,
        source_domain_key=None,
        source_root=None,
    )


class LivingContract:
    """Which snapshots need chunks, and where their needs begin."""

    def test_an_empty_store_needs_nothing(self, scene: Scene) -> None:
        assert living(scene) == []

    def test_whatever_is_neither_in_error_nor_deleted_lives(self, scene: Scene) -> None:
        pending = scene.start()
        sealing = scene.accept(scene.start(account_id=OTHER_ACCOUNT, domain_key=scene.other_domain_key))
        scene.fail(scene.start())
        completed = scene.complete(scene.start(), root=901, block_count=7)
        scene.delete(scene.complete(scene.start()))
        needs = living(scene)
        assert needs == [need_of(each) for each in (pending, sealing, completed)]
        assert [need.root for need in needs] == [None, None, chunk_id(901)]
        assert [need.is_written for need in needs] == [True, True, False]

    def test_a_child_needs_its_base_until_it_has_a_root_of_its_own(self, scene: Scene) -> None:
        parent = scene.complete(scene.start(), root=901, block_count=7)
        child = scene.start(parent_id=parent.snapshot_id)
        scene.delete(parent)
        (before,) = living(scene)
        assert (before.root, before.block_count) == (chunk_id(901), 7)
        scene.complete(child, root=902, block_count=8)
        (after,) = living(scene)
        assert (after.root, after.block_count, after.state) == (chunk_id(902), 8, State.COMPLETED)

    def test_one_in_the_bin_needs_what_it_did(self, scene: Scene) -> None:
        rule = RetentionRule(
            account_id=ACCOUNT,
            rule_id="all",
            description="",
            retention_days=1,
            resource_tags=(),
            exclude_resource_tags=(),
            tags={},
            created_ms=scene.now_ms,
        )
        scene.store.lifecycle.change_rules(ACCOUNT, lambda _: rule)
        snapshot = scene.complete(scene.start(), root=901)
        scene.delete(snapshot)
        (need,) = living(scene)
        assert (need.state, need.root, need.is_written) == (State.RECYCLED, chunk_id(901), False)
        gone_ms = scene.now_ms + 86_400_000
        assert scene.store.lifecycle.empty_bin(now_ms=gone_ms, limit=10) == [snapshot.snapshot_id]
        assert living(scene) == []

    def test_a_copy_under_way_needs_its_source_too(self, scene: Scene) -> None:
        source = scene.complete(scene.start(), root=901)
        copy = scene.store.lifecycle.start_copy(
            CopyStart(
                snapshot_id=snapshot_id(700),
                account_id=OTHER_ACCOUNT,
                domain_key=scene.other_domain_key,
                source_id=source.snapshot_id,
                description=None,
                encrypted=False,
                kms_key="",
                refusal="",
                principal_arn="",
                tags={},
                now_ms=scene.now_ms,
                copies_max=0,
                snapshots_max=0,
            )
        )
        assert living(scene)[-1] == need_of(copy)
        scene.store.lifecycle.resolve_copy(copy.key, source_key=source.key, domain_key=scene.other_domain_key)
        scene.delete(source)
        (need,) = living(scene)
        assert (need.source_domain_key, need.source_root) == (scene.domain_key, chunk_id(901))
        assert (need.domain_key, need.root, need.is_written) == (scene.other_domain_key, None, True)
        scene.store.lifecycle.note_copied(copy.key, next_index=BlockIndex(9), copied_count=0)
        assert scene.store.lifecycle.finish_copying(copy.key, now_ms=scene.now_ms)
        (need,) = living(scene)
        assert (need.source_domain_key, need.source_root, need.state) == (None, None, State.SEALING)

    def test_very_many_come_once_and_in_order(self, scene: Scene) -> None:
        keys = [scene.start().key for _ in range(1_003)]
        assert [need.key for need in living(scene)] == keys


class HeldNodesContract:
    """The nodes that a completion has made so far."""

    def test_they_come_in_order_a_few_at_a_time(self, scene: Scene) -> None:
        snapshot = scene.accept(scene.start())
        scene.keep(901, 902, 903, 904)
        for number in (903, 901, 904):
            scene.hold(snapshot, number)
        held = scene.store.needs.held_nodes
        assert held(snapshot.key, after=None, limit=2) == [chunk_id(901), chunk_id(903)]
        assert held(snapshot.key, after=chunk_id(903), limit=2) == [chunk_id(904)]
        assert held(snapshot.key, after=chunk_id(904), limit=2) == []

    def test_only_a_sealing_snapshot_has_any(self, scene: Scene) -> None:
        snapshot = scene.accept(scene.start())
        scene.keep(901)
        scene.hold(snapshot, 901)
        scene.delete(snapshot)
        for key in (snapshot.key, scene.start().key, UNKNOWN_SNAPSHOT):
            assert scene.store.needs.held_nodes(key, after=None, limit=10) == []
