"""What every metadata store promises about copies under way."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from neve.domain.blocks import BlockIndex
from neve.domain.snapshots import NO_TIMEOUT_MINUTES, CompletionClaim, Origin, Snapshot, State, observed
from neve.errors import (
    CopyLimitReached,
    InvariantError,
    PendingLimitReached,
    SnapshotLimitReached,
    SnapshotNotComplete,
    SnapshotNotFound,
)
from neve.stores.metadata.contract import WriteOutcome
from neve.stores.metadata.contract_lifecycle import Copy, CopyStart
from neve.testing.metadata_contract_bin import recycle
from neve.testing.metadata_contract_locks import lock_of, locked, put_lock
from neve.testing.metadata_scene import (
    ACCOUNT,
    ALL_WRITTEN,
    CLAIM,
    OTHER_ACCOUNT,
    Scene,
    chunk_id,
    snapshot_id,
)

YEAR_MS = 366 * 24 * 3600 * 1000


def copy_start(scene: Scene, **changes: Any) -> CopyStart:
    """Return what CopySnapshot would have recorded, with an id nobody has, with `changes`."""
    start = CopyStart(
        snapshot_id=scene.request().snapshot_id,
        account_id=ACCOUNT,
        domain_key=scene.domain_key,
        source_id=snapshot_id(999),
        description=None,
        encrypted=False,
        kms_key="",
        refusal="",
        principal_arn="arn:aws:iam::111122223333:root",
        tags={},
        now_ms=scene.now_ms,
        copies_max=0,
        snapshots_max=0,
    )
    return replace(start, **changes)


def start_copy(scene: Scene, **changes: Any) -> Snapshot:
    return scene.store.lifecycle.start_copy(copy_start(scene, **changes))


def copy_of(scene: Scene, snapshot: Snapshot) -> Copy:
    found = scene.store.lifecycle.copy(snapshot.key)
    assert found is not None
    return found


def completed_source(scene: Scene, **changes: Any) -> Snapshot:
    return scene.complete(scene.start(**changes), root=900, block_count=5)


def resolve(scene: Scene, snapshot: Snapshot, source: Snapshot, *, sealed: bool = True) -> Snapshot:
    """Resolve a copy, to the encrypted domain unless told otherwise; return it as it then is."""
    domain_key = scene.sealed_domain_key if sealed else scene.domain_key
    copy = scene.store.lifecycle.resolve_copy(snapshot.key, source_key=source.key, domain_key=domain_key)
    assert copy is not None
    assert copy == copy_of(scene, snapshot)
    return copy.snapshot


def ways_to_end(scene: Scene) -> Sequence[Snapshot]:
    """Return copies that ended, one in every way."""
    source = completed_source(scene)
    finished, failed, deleted = (resolve(scene, start_copy(scene), source) for _ in range(3))
    assert scene.store.lifecycle.finish_copying(finished.key, now_ms=scene.now_ms)
    assert scene.store.lifecycle.fail_copy(failed.key, "no", now_ms=scene.now_ms)
    scene.delete(deleted)
    return finished, failed, deleted


class CopiesContract:
    """Copies: what starts them, what they become, how they end."""

    def test_a_copy_starts_as_a_pending_snapshot_that_nothing_is_known_of(self, scene: Scene) -> None:
        start = copy_start(scene, description="d", tags={"b": "1", "a": "2"})
        snapshot = scene.store.lifecycle.start_copy(start)
        assert snapshot == scene.look(snapshot)
        assert snapshot == Snapshot(
            key=snapshot.key,
            snapshot_id=start.snapshot_id,
            account_id=ACCOUNT,
            domain_key=scene.domain_key,
            lineage_id=start.snapshot_id,
            parent_id=None,
            state=State.PENDING,
            state_message="",
            volume_gib=0,
            description="d",
            timeout_minutes=NO_TIMEOUT_MINUTES,
            started_ms=scene.now_ms,
            last_write_ms=scene.now_ms,
            completed_ms=None,
            base_root=None,
            base_block_count=0,
            root=None,
            block_count=0,
            claim=None,
            origin=Origin.COPY,
            tags={"a": "2", "b": "1"},
        )
        assert list(snapshot.tags) == ["a", "b"]

    def test_a_copy_is_shown_as_it_was_asked_for(self, scene: Scene) -> None:
        start = copy_start(scene, encrypted=True, kms_key="arn:k", refusal="because", principal_arn="arn:p")
        snapshot = scene.store.lifecycle.start_copy(start)
        assert copy_of(scene, snapshot) == Copy(
            snapshot=snapshot,
            source_id=start.source_id,
            encrypted=True,
            kms_key="arn:k",
            refusal="because",
            principal_arn="arn:p",
            source_domain_key=None,
            source_root=None,
            source_block_count=0,
            next_index=BlockIndex(0),
            copied_count=0,
        )

    def test_every_other_snapshot_is_made_of_blocks(self, scene: Scene) -> None:
        assert scene.start().origin is Origin.DIRECT
        assert scene.complete(scene.start()).origin is Origin.DIRECT

    def test_copies_of_every_account_come_in_order_and_in_pages(self, scene: Scene) -> None:
        ended = ways_to_end(scene)
        there = [start_copy(scene), self._foreign(scene), start_copy(scene)]
        wanted = [copy_of(scene, each) for each in there]
        assert scene.store.lifecycle.copies(after=None, limit=10) == wanted
        assert scene.store.lifecycle.copies(after=there[0].key, limit=1) == wanted[1:2]
        assert [scene.store.lifecycle.copy(each.key) for each in ended] == [None] * 3

    def _foreign(self, scene: Scene, **changes: Any) -> Snapshot:
        return start_copy(
            scene, account_id=OTHER_ACCOUNT, domain_key=scene.other_domain_key, tags={"k": "v"}, **changes
        )

    def test_copies_under_way_are_limited_for_each_account(self, scene: Scene) -> None:
        source = completed_source(scene)
        first, second = start_copy(scene, copies_max=2), start_copy(scene, copies_max=2)
        scene.start()
        with pytest.raises(CopyLimitReached):
            start_copy(scene, copies_max=2)
        self._foreign(scene, copies_max=1)
        resolve(scene, first, source)
        scene.store.lifecycle.finish_copying(first.key, now_ms=scene.now_ms)
        start_copy(scene, copies_max=2)
        scene.delete(second)
        start_copy(scene, copies_max=2)
        with pytest.raises(CopyLimitReached):
            start_copy(scene, copies_max=2)

    def test_a_copy_that_is_refused_leaves_nothing(self, scene: Scene) -> None:
        scene.start()
        before = scene.store.statistics()
        with pytest.raises(SnapshotLimitReached):
            start_copy(scene, snapshots_max=1, tags={"k": "v"})
        assert scene.store.statistics() == before
        assert scene.store.lifecycle.copies(after=None, limit=10) == []
        start_copy(scene, snapshots_max=2)

    def test_a_copy_in_a_domain_of_another_account_is_a_bug(self, scene: Scene) -> None:
        with pytest.raises(InvariantError):
            start_copy(scene, domain_key=scene.other_domain_key)
        copy, source = start_copy(scene), completed_source(scene)
        with pytest.raises(InvariantError):
            scene.store.lifecycle.resolve_copy(
                copy.key, source_key=source.key, domain_key=scene.other_domain_key
            )
        assert copy_of(scene, copy).source_domain_key is None

    def test_an_id_used_before_is_a_bug(self, scene: Scene) -> None:
        with pytest.raises(InvariantError):
            start_copy(scene, snapshot_id=scene.start().snapshot_id)
        assert scene.store.lifecycle.copies(after=None, limit=10) == []

    def test_no_deadline_passes_for_a_copy(self, scene: Scene) -> None:
        copy = resolve(scene, start_copy(scene), completed_source(scene))
        scene.now_ms += 100 * YEAR_MS
        assert scene.store.expire(now_ms=scene.now_ms, limit=10) == []
        assert observed(scene.look(copy), scene.now_ms).state is State.PENDING
        assert set(scene.put(copy, {0: 1})) == ALL_WRITTEN
        assert scene.look(copy).last_write_ms == scene.now_ms
        assert scene.store.expire(now_ms=scene.now_ms + 100 * YEAR_MS, limit=10) == []

    def test_a_copy_takes_no_room_from_pending_snapshots(self, scene: Scene) -> None:
        start_copy(scene)
        scene.start(pending_max=1)
        with pytest.raises(PendingLimitReached):
            scene.start(pending_max=1)
        with pytest.raises(SnapshotLimitReached):
            scene.start(snapshots_max=2)

    def test_no_client_completes_a_copy(self, scene: Scene) -> None:
        copy, source = start_copy(scene), completed_source(scene)
        for _ in range(2):
            with pytest.raises(SnapshotNotFound, match=copy.snapshot_id):
                scene.accept(copy)
            assert scene.look(copy).claim is None
            copy = resolve(scene, copy, source)
        scene.store.lifecycle.finish_copying(copy.key, now_ms=scene.now_ms)
        with pytest.raises(SnapshotNotFound):
            scene.accept(copy, CLAIM)
        assert scene.look(copy).claim == CompletionClaim(changed_blocks_count=0, aggregate=None)

    def test_resolved_into_another_domain_it_has_everything_to_copy(self, scene: Scene) -> None:
        source = completed_source(scene, volume_gib=7, tags={"k": "v"}, description="d")
        copy = start_copy(scene, source_id=source.snapshot_id)
        resolved = resolve(scene, copy, source)
        assert resolved == replace(copy, domain_key=scene.sealed_domain_key, volume_gib=7)
        assert resolved == scene.look(copy)
        assert copy_of(scene, copy) == Copy(
            snapshot=resolved,
            source_id=source.snapshot_id,
            encrypted=False,
            kms_key="",
            refusal="",
            principal_arn="arn:aws:iam::111122223333:root",
            source_domain_key=scene.domain_key,
            source_root=source.root,
            source_block_count=5,
            next_index=BlockIndex(0),
            copied_count=0,
        )

    def test_resolved_into_the_sources_domain_it_has_nothing_to_copy(self, scene: Scene) -> None:
        source = completed_source(scene, volume_gib=7)
        copy = start_copy(scene)
        resolved = resolve(scene, copy, source, sealed=False)
        assert resolved == replace(copy, volume_gib=7, base_root=source.root, base_block_count=5)
        assert resolved.lineage_id == copy.snapshot_id

    def test_a_copy_of_another_accounts_snapshot_is_of_its_own_domain(self, scene: Scene) -> None:
        source = completed_source(scene, account_id=OTHER_ACCOUNT, domain_key=scene.other_domain_key)
        resolved = resolve(scene, start_copy(scene), source, sealed=False)
        assert resolved.domain_key == scene.domain_key
        assert resolved.base_root is None
        assert copy_of(scene, resolved).source_domain_key == scene.other_domain_key

    def test_a_copy_is_resolved_once(self, scene: Scene) -> None:
        first, second = completed_source(scene, volume_gib=1), completed_source(scene, volume_gib=2)
        copy = resolve(scene, start_copy(scene), first)
        scene.put(copy, {0: 1})
        scene.delete(second)
        assert resolve(scene, copy, second, sealed=False) == scene.look(copy)
        assert scene.look(copy).domain_key == scene.sealed_domain_key
        assert copy_of(scene, copy).source_block_count == 5

    def test_only_a_completed_source_is_one(self, scene: Scene) -> None:
        copy = start_copy(scene)
        recycled = scene.start()
        recycle(scene, recycled)
        deleted = completed_source(scene)
        scene.delete(deleted)
        for source in (scene.start(), scene.accept(scene.start()), scene.fail(scene.start()), copy):
            with pytest.raises(SnapshotNotFound, match=snapshot_id(999)):
                resolve(scene, copy, source)
        for source in (recycled, deleted):
            with pytest.raises(SnapshotNotFound, match=snapshot_id(999)):
                resolve(scene, copy, source)
        assert scene.look(copy) == copy

    def test_a_source_may_go_once_it_is_resolved(self, scene: Scene) -> None:
        source = completed_source(scene)
        copy = resolve(scene, start_copy(scene), source)
        before = copy_of(scene, copy)
        scene.delete(source)
        assert copy_of(scene, copy) == before
        assert before.source_root == chunk_id(900)

    def test_a_copy_with_blocks_before_it_is_known_of_what_is_a_bug(self, scene: Scene) -> None:
        copy, source = start_copy(scene), completed_source(scene)
        scene.put(copy, {0: 1})
        with pytest.raises(InvariantError):
            resolve(scene, copy, source)
        assert scene.look(copy).volume_gib == 0

    def test_a_copy_that_is_finished_before_it_is_resolved_is_a_bug(self, scene: Scene) -> None:
        copy = start_copy(scene)
        with pytest.raises(InvariantError):
            scene.store.lifecycle.finish_copying(copy.key, now_ms=scene.now_ms)
        assert copy_of(scene, copy).snapshot == copy

    def test_how_far_it_is_is_written_down(self, scene: Scene) -> None:
        copy = resolve(scene, start_copy(scene), completed_source(scene))
        for index, count in ((5, 3), (9, 4)):
            assert scene.store.lifecycle.note_copied(
                copy.key, next_index=BlockIndex(index), copied_count=count
            )
            found = copy_of(scene, copy)
            assert (found.next_index, found.copied_count) == (index, count)
            assert found.snapshot == copy

    def test_finished_it_is_completed_as_any_other(self, scene: Scene) -> None:
        copy = resolve(scene, start_copy(scene, tags={"k": "v"}), completed_source(scene))
        scene.put(copy, {0: 1, 1: 0, 7: 1})
        assert scene.store.lifecycle.finish_copying(copy.key, now_ms=scene.now_ms)
        claim = CompletionClaim(changed_blocks_count=3, aggregate=None)
        (sealing,) = scene.store.sealing(limit=10)
        assert sealing == replace(copy, state=State.SEALING, claim=claim)
        assert scene.refer(copy, 2, 0) is WriteOutcome.SNAPSHOT_SEALED
        completed = scene.complete_sealing(copy)
        assert (completed.origin, completed.lineage_id) == (Origin.COPY, copy.snapshot_id)
        child = scene.start(parent_id=copy.snapshot_id)
        assert (child.lineage_id, child.origin) == (copy.snapshot_id, Origin.DIRECT)
        assert child.domain_key == scene.sealed_domain_key

    def test_an_unfinished_copy_is_no_parent_yet(self, scene: Scene) -> None:
        copy = start_copy(scene)
        with pytest.raises(SnapshotNotComplete):
            scene.start(parent_id=copy.snapshot_id)

    def test_a_copy_that_fails_drops_its_rows_and_its_lock(self, scene: Scene) -> None:
        copy = resolve(scene, start_copy(scene), completed_source(scene))
        scene.put(copy, {0: 1})
        put_lock(scene, copy, lock_of())
        assert scene.store.lifecycle.fail_copy(copy.key, "it failed", now_ms=scene.now_ms)
        failed = scene.look(copy)
        assert (failed.state, failed.state_message) == (State.ERROR, "it failed")
        assert scene.read(copy) == {}
        assert scene.store.reap(limit=10) == 1
        assert locked(scene) == []

    def test_a_copy_fails_unresolved_too(self, scene: Scene) -> None:
        copy = start_copy(scene)
        assert scene.store.lifecycle.fail_copy(copy.key, "no source", now_ms=scene.now_ms)
        assert scene.look(copy).state_message == "no source"

    def test_deleting_a_copy_ends_it(self, scene: Scene) -> None:
        copy = resolve(scene, start_copy(scene), completed_source(scene))
        scene.put(copy, {0: 1})
        scene.delete(copy)
        assert scene.refer(copy, 1, 0) is WriteOutcome.SNAPSHOT_NOT_FOUND
        assert scene.store.reap(limit=10) == 1

    def test_nothing_is_done_to_a_copy_that_is_over_or_is_none(self, scene: Scene) -> None:
        lifecycle, now_ms = scene.store.lifecycle, scene.now_ms
        source = completed_source(scene)
        for each in (*ways_to_end(scene), scene.start(), source):
            before = scene.store.statistics()
            assert lifecycle.copy(each.key) is None
            assert (
                lifecycle.resolve_copy(each.key, source_key=source.key, domain_key=scene.domain_key) is None
            )
            assert not lifecycle.note_copied(each.key, next_index=BlockIndex(1), copied_count=1)
            assert not lifecycle.finish_copying(each.key, now_ms=now_ms)
            assert not lifecycle.fail_copy(each.key, "no", now_ms=now_ms)
            assert scene.store.statistics() == before
