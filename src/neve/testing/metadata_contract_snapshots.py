"""What every metadata store promises about accounts, and about starting snapshots."""
# ruff: noqa: S106 - a client token is no secret

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest

from neve.domain.identities import AccessKey, Account, AccountId
from neve.domain.snapshots import Snapshot, State
from neve.errors import (
    AccessKeyNotFound,
    ClientTokenMismatch,
    InvariantError,
    ParentLargerThanChild,
    PendingLimitReached,
    SnapshotLimitReached,
    SnapshotNotComplete,
    SnapshotNotFound,
)
from neve.stores.metadata.contract import MetadataStore, Started
from neve.testing.metadata_scene import (
    ACCOUNT,
    MINUTE_MS,
    OTHER_ACCOUNT,
    START_MS,
    Scene,
    snapshot_id,
)


def access_key(number: int, account_id: AccountId = ACCOUNT) -> AccessKey:
    return AccessKey(
        access_key_id=f"AKIA{number:016d}",
        account_id=account_id,
        sealed_secret=b"s" * number,
        created_ms=number,
    )


class AccountsContract:
    """Accounts, access keys, domains."""

    def test_an_account_recorded_again_stays_as_it_was(self, store: MetadataStore) -> None:
        first = Account(account_id=ACCOUNT, name="first", created_ms=1)
        store.create_account(first)
        store.create_account(replace(first, name="second", created_ms=2))
        assert store.accounts() == [first]

    def test_accounts_come_in_order_of_their_ids(self, store: MetadataStore) -> None:
        for account_id in ("3" * 12, "1" * 12, "2" * 12):
            store.create_account(Account(account_id=AccountId(account_id), name="", created_ms=1))
        assert [account.account_id for account in store.accounts()] == ["1" * 12, "2" * 12, "3" * 12]

    def test_an_access_key_comes_back_as_it_was_given(self, scene: Scene) -> None:
        key = replace(access_key(7), enabled=False)
        scene.store.add_access_key(key)
        assert scene.store.access_key(key.access_key_id) == key

    def test_an_access_key_added_again_is_replaced_whoever_had_it(self, scene: Scene) -> None:
        scene.store.add_access_key(access_key(7))
        scene.store.add_access_key(replace(access_key(7, OTHER_ACCOUNT), sealed_secret=b"new"))
        assert scene.store.access_key(access_key(7).access_key_id).sealed_secret == b"new"
        assert scene.store.access_keys(ACCOUNT) == []

    def test_an_account_has_its_own_access_keys_in_order(self, scene: Scene) -> None:
        for key in (access_key(2), access_key(1), access_key(3, OTHER_ACCOUNT)):
            scene.store.add_access_key(key)
        assert scene.store.access_keys(ACCOUNT) == [access_key(1), access_key(2)]

    def test_an_unknown_access_key_is_not_found(self, store: MetadataStore) -> None:
        with pytest.raises(AccessKeyNotFound):
            store.access_key("AKIAAAAAAAAAAAAAAAAA")

    def test_records_of_an_unknown_account_are_a_bug(self, store: MetadataStore) -> None:
        with pytest.raises(InvariantError):
            store.add_access_key(access_key(1))
        with pytest.raises(InvariantError):
            store.add_domain(account_id=ACCOUNT, kms_key_arn="", uid=bytes(16), sealed_id_key=b"k")
        assert store.domains() == []

    def test_an_account_and_a_key_have_one_domain(self, scene: Scene) -> None:
        before = scene.store.domains()
        again = scene.store.add_domain(account_id=ACCOUNT, kms_key_arn="", uid=b"n" * 16, sealed_id_key=b"n")
        same = scene.store.add_domain(
            account_id=ACCOUNT, kms_key_arn="", uid=before[0].uid, sealed_id_key=b"n"
        )
        assert again == same == before[0]
        assert scene.store.domains() == before
        assert [domain.key for domain in before] == sorted(domain.key for domain in before)

    def test_two_domains_with_one_uid_are_a_bug(self, scene: Scene) -> None:
        uid = scene.store.domains()[0].uid
        with pytest.raises(InvariantError):
            scene.store.add_domain(account_id=OTHER_ACCOUNT, kms_key_arn="k", uid=uid, sealed_id_key=b"n")


class StartContract:
    """Starting: parents, quotas."""

    def test_a_first_snapshot_is_its_own_lineage(self, scene: Scene) -> None:
        request = scene.request(description="d", tags={"b": "2", "a": ""}, volume_gib=7, timeout_minutes=11)
        snapshot = scene.store.start_snapshot(request).snapshot
        assert snapshot == Snapshot(
            key=snapshot.key,
            snapshot_id=request.snapshot_id,
            account_id=ACCOUNT,
            domain_key=scene.domain_key,
            lineage_id=request.snapshot_id,
            parent_id=None,
            state=State.PENDING,
            state_message="",
            volume_gib=7,
            description="d",
            timeout_minutes=11,
            started_ms=START_MS,
            last_write_ms=START_MS,
            completed_ms=None,
            base_root=None,
            base_block_count=0,
            root=None,
            block_count=0,
            claim=None,
            tags={"b": "2", "a": ""},
        )
        assert scene.look(snapshot) == snapshot

    def test_keys_ascend_in_order_of_start(self, scene: Scene) -> None:
        keys = [scene.start().key for _ in range(3)]
        assert keys == sorted(set(keys))

    def test_a_child_takes_lineage_domain_and_base_from_its_parent(self, scene: Scene) -> None:
        first = scene.complete(scene.start(domain_key=scene.sealed_domain_key), root=901, block_count=3)
        second = scene.complete(scene.start(parent_id=first.snapshot_id), root=902, block_count=4)
        third = scene.start(parent_id=second.snapshot_id, volume_gib=2)
        assert (second.base_root, second.base_block_count) == (first.root, 3)
        assert (third.base_root, third.base_block_count) == (second.root, 4)
        assert {second.lineage_id, third.lineage_id} == {first.snapshot_id}
        assert {second.domain_key, third.domain_key} == {scene.sealed_domain_key}
        assert third.parent_id == second.snapshot_id

    def test_a_child_keeps_its_base_when_the_parent_is_deleted(self, scene: Scene) -> None:
        parent = scene.complete(scene.start())
        child = scene.start(parent_id=parent.snapshot_id)
        scene.delete(parent)
        assert scene.look(child).base_root == parent.root

    def test_a_parent_that_cannot_be_seen_is_not_found(self, scene: Scene) -> None:
        foreign = scene.complete(scene.start(account_id=OTHER_ACCOUNT, domain_key=scene.other_domain_key))
        deleted = scene.complete(scene.start())
        scene.delete(deleted)
        before = scene.store.statistics()
        for parent_id in (snapshot_id(999), foreign.snapshot_id, deleted.snapshot_id):
            with pytest.raises(SnapshotNotFound, match=parent_id):
                scene.start(parent_id=parent_id)
        assert scene.store.statistics() == before

    def test_a_parent_in_error_is_not_found_even_if_only_its_deadline_says_so(self, scene: Scene) -> None:
        for parent in (scene.fail(scene.start()), scene.overdue()):
            with pytest.raises(SnapshotNotFound):
                scene.start(parent_id=parent.snapshot_id)

    def test_a_parent_must_be_completed(self, scene: Scene) -> None:
        for parent in (scene.start(), scene.accept(scene.start())):
            with pytest.raises(SnapshotNotComplete):
                scene.start(parent_id=parent.snapshot_id)

    def test_a_child_may_not_be_smaller(self, scene: Scene) -> None:
        parent = scene.complete(scene.start(volume_gib=5))
        with pytest.raises(ParentLargerThanChild):
            scene.start(parent_id=parent.snapshot_id, volume_gib=4)
        assert scene.start(parent_id=parent.snapshot_id, volume_gib=5).volume_gib == 5

    def test_pending_snapshots_are_limited_until_accepted_overdue_or_deleted(self, scene: Scene) -> None:
        pending = [scene.start(pending_max=3) for _ in range(3)]
        with pytest.raises(PendingLimitReached):
            scene.start(pending_max=3)
        scene.accept(pending[0])
        scene.start(pending_max=3)
        scene.delete(pending[1])
        scene.start(pending_max=3)
        with pytest.raises(PendingLimitReached):
            scene.start(pending_max=3)
        scene.now_ms += 60 * MINUTE_MS
        scene.start(pending_max=1)

    def test_snapshots_are_limited_until_deleted(self, scene: Scene) -> None:
        there = [scene.complete(scene.start()), scene.fail(scene.start()), scene.start()]
        with pytest.raises(SnapshotLimitReached):
            scene.start(snapshots_max=3)
        scene.delete(there[0])
        scene.start(snapshots_max=3)

    def test_limits_count_one_account(self, scene: Scene) -> None:
        scene.start()
        scene.start(
            account_id=OTHER_ACCOUNT, domain_key=scene.other_domain_key, pending_max=1, snapshots_max=1
        )

    def test_an_id_used_before_is_a_bug(self, scene: Scene) -> None:
        deleted = scene.start()
        scene.delete(deleted)
        with pytest.raises(InvariantError):
            scene.start(snapshot_id=deleted.snapshot_id)

    def test_a_domain_of_another_account_is_a_bug(self, scene: Scene) -> None:
        with pytest.raises(InvariantError):
            scene.start(domain_key=scene.other_domain_key)
        assert scene.store.snapshots(ACCOUNT, after=None, limit=10) == []


class ClientTokenContract:
    """A client token starts one snapshot, whatever happens meanwhile."""

    def test_a_token_used_again_gives_the_first_answer(self, scene: Scene) -> None:
        first = scene.started(client_token="t", tags={"z": "1", "a": "2"})
        again = scene.started(client_token="t", tags={"z": "1", "a": "2"})
        assert (first.replayed, again) == (False, Started(snapshot=first.snapshot, replayed=True))
        assert list(again.snapshot.tags) == ["z", "a"]
        assert len(scene.store.snapshots(ACCOUNT, after=None, limit=10)) == 1

    def test_a_replay_shows_nothing_of_what_happened_since(self, scene: Scene) -> None:
        parent = scene.complete(scene.start())
        first = scene.start(client_token="t", tags={"k": "v"}, parent_id=parent.snapshot_id)
        happenings = (
            lambda: scene.put(first, {0: 1}),
            lambda: scene.store.put_tags(ACCOUNT, [first.snapshot_id], {"k": "w", "l": "x"}, tags_max=50),
            lambda: scene.complete(first),
            lambda: scene.delete(parent),
            lambda: scene.delete(first),
        )
        for happen in happenings:
            scene.now_ms += MINUTE_MS
            happen()
            assert scene.started(client_token="t") == Started(snapshot=first, replayed=True)

    def test_a_replay_asks_for_no_parent_and_no_room(self, scene: Scene) -> None:
        first = scene.start(client_token="t")
        again = scene.started(client_token="t", parent_id=snapshot_id(999), pending_max=1, snapshots_max=1)
        assert again == Started(snapshot=first, replayed=True)

    def test_a_token_used_with_other_parameters_is_refused(self, scene: Scene) -> None:
        scene.start(client_token="t")
        with pytest.raises(ClientTokenMismatch):
            scene.start(client_token="t", fingerprint=b"other")

    def test_a_token_means_nothing_in_another_account(self, scene: Scene) -> None:
        first = scene.start(client_token="t")
        second = scene.started(
            client_token="t", account_id=OTHER_ACCOUNT, domain_key=scene.other_domain_key, fingerprint=b"o"
        )
        assert not second.replayed
        assert second.snapshot.snapshot_id != first.snapshot_id

    def test_a_refused_start_does_not_use_the_token_up(self, scene: Scene) -> None:
        with pytest.raises(SnapshotNotFound):
            scene.start(client_token="t", parent_id=snapshot_id(999))
        assert not scene.started(client_token="t", fingerprint=b"other").replayed

    def test_fifty_at_once_start_one(self, scene: Scene) -> None:
        requests = [scene.request(client_token="t") for _ in range(50)]
        together = Barrier(len(requests))

        def start(number: int) -> Started:
            together.wait()
            return scene.store.start_snapshot(requests[number])

        with ThreadPoolExecutor(len(requests)) as pool:
            answers = list(pool.map(start, range(len(requests))))
        assert len({answer.snapshot.snapshot_id for answer in answers}) == 1
        assert sorted(answer.replayed for answer in answers) == [False] + [True] * 49
        assert len(scene.store.snapshots(ACCOUNT, after=None, limit=100)) == 1

    def test_only_old_tokens_of_deleted_snapshots_are_forgotten(self, scene: Scene) -> None:
        kept = scene.start(client_token="kept")
        deleted = scene.start(client_token="deleted")
        scene.delete(deleted)
        scene.now_ms += 1
        scene.delete(scene.start(client_token="young"))
        assert scene.store.forget_client_tokens(used_before_ms=START_MS, limit=10) == 0
        assert scene.store.forget_client_tokens(used_before_ms=START_MS + 1, limit=10) == 1
        assert scene.started(client_token="kept") == Started(snapshot=kept, replayed=True)
        assert scene.started(client_token="young").replayed
        assert not scene.started(client_token="deleted").replayed

    def test_tokens_are_forgotten_a_few_at_a_time(self, scene: Scene) -> None:
        for number in range(5):
            scene.delete(scene.start(client_token=f"t{number}"))
        forgotten = [scene.store.forget_client_tokens(used_before_ms=START_MS + 1, limit=2) for _ in range(4)]
        assert forgotten == [2, 2, 1, 0]
