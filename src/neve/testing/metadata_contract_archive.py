"""What every metadata store promises about what the archive is to have.

Besides `store` a backend gives `spare`: another empty store of its own.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import pytest

from neve.domain.identities import AccessKey, Account, AccountId
from neve.domain.locks import LockMode
from neve.domain.snapshots import Sealed, Snapshot, State
from neve.errors import StoreUnusable
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.contract_archive import (
    ARCHIVE_ORDER,
    STORE_FACTS,
    ArchivedRecord,
    ArchiveKind,
    ArchiveName,
    Completion,
)
from neve.stores.metadata.contract_identities import AccountSettings
from neve.stores.metadata.contract_keys import DomainWrapping
from neve.testing.metadata_contract_bin import put_rule, recycle, rule_of
from neve.testing.metadata_contract_identities import policy, user
from neve.testing.metadata_contract_keys import alias, grant, kms_key, kms_key_id, material
from neve.testing.metadata_contract_locks import lock_of, put_lock
from neve.testing.metadata_scene import ACCOUNT, OTHER_ACCOUNT, START_MS, Scene, chunk_id, snapshot_id

ALL: Final = 10_000


def changed(store: MetadataStore) -> set[ArchiveName]:
    """Return what the archive is to have anew."""
    return {change.name for change in store.archive.changes(limit=ALL)}


def settle_all(store: MetadataStore) -> None:
    store.archive.settle(store.archive.changes(limit=ALL))
    assert not store.archive.changes(limit=ALL)


def name_of(snapshot: Snapshot) -> ArchiveName:
    return ArchiveName(ArchiveKind.SNAPSHOT, snapshot.snapshot_id)


def every_name(store: MetadataStore) -> list[ArchiveName]:
    """Return what the archive is to have, in the order of restoring."""
    return [
        ArchiveName(kind, name)
        for kind in ARCHIVE_ORDER
        for name in store.archive.names(kind, after=None, limit=ALL)
    ]


def everything(store: MetadataStore) -> list[ArchivedRecord]:
    """Return every record that the archive is to have, in the order of restoring."""
    records = [store.archive.export(name) for name in every_name(store)]
    assert [record for record in records if record is None] == []
    return [record for record in records if record is not None]


def completion_of(snapshot: Snapshot, now_ms: int) -> Completion:
    return Completion(key=snapshot.key, sealed=Sealed(root=chunk_id(900), block_count=5), now_ms=now_ms)


def wrapping_of(scene: Scene, generation: int = 1, seed: bytes = b"w") -> DomainWrapping:
    return DomainWrapping(
        domain_key=scene.sealed_domain_key,
        generation=generation,
        wrapping=seed * 90,
        key_version="1",
        created_ms=START_MS,
    )


OWN: Final = ArchiveName(ArchiveKind.ACCOUNT, ACCOUNT)
OTHER: Final = ArchiveName(ArchiveKind.ACCOUNT, OTHER_ACCOUNT)
KEYS: Final = {number: ArchiveName(ArchiveKind.KEY, kms_key_id(number)) for number in (1, 2, 3)}


class Furnished:
    """A scene with something of everything, and the archive up to date with it."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.store = scene, scene.store
        identities, keys = self.store.identities, self.store.keys
        for account_id in (ACCOUNT, OTHER_ACCOUNT):
            identities.add_user(user("bob", account_id))
            identities.put_policy(policy("reads", account_id))
            identities.attach_policy(account_id, "bob", "reads")
        identities.put_account_settings(AccountSettings(account_id=ACCOUNT, default_kms_key="arn"))
        self.store.add_access_key(self.access_key(1, user_name="bob"))
        put_rule(scene, rule_of(resource_tags=(), account_id=OTHER_ACCOUNT))
        for number in (1, 2):
            keys.add_kms_key(kms_key(number, tags={"for": "tests"}), material(number))
        keys.add_alias(alias("one", 1))
        keys.add_alias(alias("theirs", 1, OTHER_ACCOUNT))
        keys.add_grant(grant(1, 1, name="a grant"))
        keys.add_wrapping(wrapping_of(scene))
        self.plain = scene.complete(scene.start(tags={"a": "1"}, description="plain"))
        self.locked = scene.complete(scene.start(domain_key=scene.sealed_domain_key))
        put_lock(scene, self.locked, lock_of(mode=LockMode.COMPLIANCE, cool_off_hours=1))
        self.shared = scene.complete(scene.start(parent_id=self.plain.snapshot_id))
        self.store.modify_permissions(ACCOUNT, self.shared.snapshot_id, add=[OTHER_ACCOUNT])
        self.store.put_tags(OTHER_ACCOUNT, [self.shared.snapshot_id], {"theirs": "2"}, tags_max=9)
        self.recycled = recycle(scene, scene.start(tags={"b": "3"}))
        self.deleted = scene.complete(scene.start(tags={"c": "4"}))
        scene.delete(self.deleted)
        self.pending = scene.start(client_token="once", tags={"d": "5"})  # noqa: S106 - no secret
        scene.put(self.pending, {0: 1})
        settle_all(self.store)

    @staticmethod
    def access_key(number: int, **members: Any) -> AccessKey:
        return AccessKey(
            access_key_id=f"AKIA{number:016d}",
            account_id=ACCOUNT,
            sealed_secret=b"\x00secret\xff",
            created_ms=START_MS,
            **members,
        )

    def close_undo(self) -> None:
        collection = self.store.collection
        assert collection.close_undo(collection.begin(), deleted_before_ms=1 << 60, limit=ALL)


CHANGES: Final[Mapping[str, tuple[Callable[[Furnished], object], set[ArchiveName]]]] = {
    "a new account": (
        lambda it: it.store.create_account(
            Account(account_id=AccountId("777788889999"), name="new", created_ms=1)
        ),
        {ArchiveName(ArchiveKind.ACCOUNT, "777788889999")},
    ),
    "a new access key": (lambda it: it.store.add_access_key(it.access_key(2)), {OWN}),
    "a changed access key": (lambda it: it.store.add_access_key(it.access_key(1, enabled=False)), {OWN}),
    "an access key that goes": (lambda it: it.store.remove_access_key(f"AKIA{1:016d}"), {OWN}),
    "a new user": (lambda it: it.store.identities.add_user(user("eve", OTHER_ACCOUNT)), {OTHER}),
    "a user that goes": (lambda it: it.store.identities.remove_user(ACCOUNT, "bob"), {OWN}),
    "a changed policy": (lambda it: it.store.identities.put_policy(policy("reads", number=2)), {OWN}),
    "a new attachment": (lambda it: it.store.identities.attach_policy(ACCOUNT, "bob", "more"), {OWN}),
    "a detached policy": (lambda it: it.store.identities.detach_policy(ACCOUNT, "bob", "reads"), {OWN}),
    "changed settings": (
        lambda it: it.store.identities.put_account_settings(
            AccountSettings(account_id=ACCOUNT, encryption_by_default=True)
        ),
        {OWN},
    ),
    "a new rule": (lambda it: put_rule(it.scene, rule_of(rule_id="new")), {OWN}),
    "a rule that goes": (lambda it: it.store.lifecycle.remove_rule(OTHER_ACCOUNT, "rule"), {OTHER}),
    "a new key": (lambda it: it.store.keys.add_kms_key(kms_key(3), material(3)), {KEYS[3]}),
    "new material": (
        lambda it: it.store.keys.replace_kms_key(
            replace(it.store.keys.kms_key(kms_key_id(1)), material_version=2), new_material=material(1, 2)
        ),
        {KEYS[1]},
    ),
    "a key that is destroyed": (
        lambda it: it.store.keys.remove_kms_key(kms_key_id(1), revision=0),
        {KEYS[1]},
    ),
    "a new alias": (lambda it: it.store.keys.add_alias(alias("two", 2)), {KEYS[2]}),
    "an alias that moves": (
        lambda it: it.store.keys.move_alias(ACCOUNT, "alias/one", kms_key_id(2), now_ms=START_MS + 1),
        {KEYS[1], KEYS[2]},
    ),
    "an alias that goes": (lambda it: it.store.keys.remove_alias(ACCOUNT, "alias/one"), {KEYS[1]}),
    "a new grant": (lambda it: it.store.keys.add_grant(grant(2, 2)), {KEYS[2]}),
    "a grant that goes": (
        lambda it: it.store.keys.remove_grant(kms_key_id(1), grant(1, 1).grant_id),
        {KEYS[1]},
    ),
}
"""What is done, and what the archive is to have anew for it: of accounts and keys, whose names are known."""

CHANGES_OF_SNAPSHOTS: Final[Mapping[str, tuple[Callable[[Furnished], object], str]]] = {
    "a tag": (
        lambda it: it.store.put_tags(ACCOUNT, [it.plain.snapshot_id], {"a": "9"}, tags_max=9),
        "plain",
    ),
    "a tag that goes": (lambda it: it.store.remove_tags(ACCOUNT, [it.plain.snapshot_id], []), "plain"),
    "sharing": (
        lambda it: it.store.modify_permissions(ACCOUNT, it.plain.snapshot_id, add=[OTHER_ACCOUNT]),
        "plain",
    ),
    "sharing that ends": (
        lambda it: it.store.modify_permissions(ACCOUNT, it.shared.snapshot_id, remove=[OTHER_ACCOUNT]),
        "shared",
    ),
    "a guest's tag": (
        lambda it: it.store.put_tags(OTHER_ACCOUNT, [it.shared.snapshot_id], {"x": "y"}, tags_max=9),
        "shared",
    ),
    "a lock": (lambda it: put_lock(it.scene, it.plain, lock_of()), "plain"),
    "a changed lock": (lambda it: put_lock(it.scene, it.locked, lock_of(duration_days=2)), "locked"),
    "a lock that goes": (lambda it: put_lock(it.scene, it.locked, None), "locked"),
    "a deletion": (lambda it: it.scene.delete(it.plain), "plain"),
    "a restoration": (
        lambda it: it.store.lifecycle.restore(ACCOUNT, it.recycled.snapshot_id, now_ms=it.scene.now_ms),
        "recycled",
    ),
    "an emptied bin": (lambda it: it.store.lifecycle.empty_bin(now_ms=1 << 60, limit=ALL), "recycled"),
    "a deletion undone": (
        lambda it: it.store.collection.undelete(ACCOUNT, it.deleted.snapshot_id, now_ms=it.scene.now_ms),
        "deleted",
    ),
    "an undo that goes": (lambda it: it.close_undo(), "deleted"),
    "a completion": (lambda it: it.scene.complete(it.pending), "pending"),
}


class ArchiveChangesContract:
    """What is noted, and until when."""

    @pytest.fixture
    def furnished(self, scene: Scene) -> Furnished:
        return Furnished(scene)

    @pytest.mark.parametrize("what", CHANGES)
    def test_a_change_is_noted_under_the_name_of_what_changed(self, furnished: Furnished, what: str) -> None:
        act, names = CHANGES[what]
        act(furnished)
        assert changed(furnished.store) == names

    @pytest.mark.parametrize("what", CHANGES_OF_SNAPSHOTS)
    def test_a_change_of_a_snapshot_is_noted_under_its_id(self, furnished: Furnished, what: str) -> None:
        act, which = CHANGES_OF_SNAPSHOTS[what]
        act(furnished)
        assert changed(furnished.store) == {name_of(getattr(furnished, which))}

    def test_changes_of_domains_are_noted_under_their_keys(self, furnished: Furnished) -> None:
        store = furnished.store
        sealed = ArchiveName(ArchiveKind.DOMAIN, str(furnished.scene.sealed_domain_key))
        store.keys.add_wrapping(wrapping_of(furnished.scene, 2))
        assert changed(store) == {sealed}
        settle_all(store)
        store.keys.rewrap(wrapping_of(furnished.scene), wrapping_of(furnished.scene, seed=b"v"))
        assert changed(store) == {sealed}
        settle_all(store)
        made = store.add_domain(account_id=ACCOUNT, kms_key_arn="another", uid=b"u" * 16, sealed_id_key=b"k")
        assert changed(store) == {ArchiveName(ArchiveKind.DOMAIN, str(made.key))}

    def test_what_is_not_archived_is_no_change(self, furnished: Furnished) -> None:
        scene, store = furnished.scene, furnished.store
        snapshot = scene.start(tags={"a": "b"}, client_token="twice")  # noqa: S106 - no secret
        scene.put(snapshot, {0: 7})
        store.put_tags(ACCOUNT, [snapshot.snapshot_id], {"c": "d"}, tags_max=9)
        store.modify_permissions(ACCOUNT, snapshot.snapshot_id, add=[OTHER_ACCOUNT])
        scene.accept(snapshot)
        scene.delete(furnished.pending)
        store.reap(limit=ALL)
        assert changed(store) == set()

    def test_an_empty_store_has_its_facts_to_archive(self, store: MetadataStore) -> None:
        assert changed(store) == {STORE_FACTS}

    def test_a_change_after_a_look_is_not_settled_with_it(self, furnished: Furnished) -> None:
        store = furnished.store
        store.keys.add_alias(alias("two", 2))
        seen = store.archive.changes(limit=ALL)
        store.keys.add_alias(alias("three", 2))
        store.archive.settle(seen)
        (left,) = store.archive.changes(limit=ALL)
        assert left.name == KEYS[2]
        assert left.number > seen[-1].number

    def test_settling_one_name_settles_no_other(self, furnished: Furnished) -> None:
        store = furnished.store
        for number in (1, 2):
            store.keys.add_alias(alias(f"more-{number}", number))
        assert [change.name for change in store.archive.changes(limit=ALL)] == [KEYS[1], KEYS[2]]
        store.archive.settle(
            [change for change in store.archive.changes(limit=ALL) if change.name == KEYS[2]]
        )
        assert changed(store) == {KEYS[1]}

    def test_changes_come_in_order_as_many_and_of_such_kinds_as_wanted(self, furnished: Furnished) -> None:
        store, scene = furnished.store, furnished.scene
        store.keys.add_alias(alias("two", 2))
        first = store.archive.changes(limit=ALL)
        put_lock(scene, furnished.plain, lock_of())
        store.identities.add_user(user("eve"))
        found = store.archive.changes(limit=ALL)
        assert found[: len(first)] == first
        assert [change.number for change in found] == sorted({change.number for change in found})
        assert store.archive.changes(limit=1) == found[:1]
        for kinds in ([ArchiveKind.ACCOUNT, ArchiveKind.KEY], [ArchiveKind.SNAPSHOT], []):
            of_kinds = [change for change in found if change.name.kind in kinds]
            assert store.archive.changes(limit=ALL, kinds=kinds) == of_kinds
            assert store.archive.changes(limit=1, kinds=kinds) == of_kinds[:1]


class ArchiveExportContract:
    """Records as they stand."""

    @pytest.fixture
    def furnished(self, scene: Scene) -> Furnished:
        return Furnished(scene)

    def test_everything_there_is_has_a_record_that_says_whose_it_is(self, furnished: Furnished) -> None:
        names = every_name(furnished.store)
        assert {name.kind for name in names} == set(ArchiveKind)
        assert [record.name for record in everything(furnished.store)] == names

    def test_a_snapshot_has_a_record_from_completion_until_its_deletion_cannot_be_undone(
        self, scene: Scene
    ) -> None:
        export = scene.store.archive.export
        snapshot = scene.start()
        name = name_of(snapshot)
        assert export(name) is None
        scene.accept(snapshot)
        assert export(name) is None
        scene.complete_sealing(snapshot)
        assert export(name) is not None
        scene.delete(snapshot)
        assert export(name) is not None
        settle_all(scene.store)
        collection = scene.store.collection
        collection.close_undo(collection.begin(), deleted_before_ms=1 << 60, limit=ALL)
        assert export(name) is None
        assert name in changed(scene.store)

    def test_an_object_is_accounted_for_from_sealing_until_its_deletion_is_settled(
        self, scene: Scene
    ) -> None:
        store, collection = scene.store, scene.store.collection
        snapshot = scene.start()
        settle_all(store)
        assert not store.archive.accounts_for(snapshot.snapshot_id)
        assert not store.archive.accounts_for(snapshot_id(999))
        for act in (scene.accept, scene.complete_sealing, scene.delete):
            act(snapshot)
            assert store.archive.accounts_for(snapshot.snapshot_id)
            settle_all(store)
            assert store.archive.accounts_for(snapshot.snapshot_id)
        collection.close_undo(collection.begin(), deleted_before_ms=1 << 60, limit=ALL)
        assert store.archive.accounts_for(snapshot.snapshot_id), "somebody has to take it out of the archive"
        settle_all(store)
        assert not store.archive.accounts_for(snapshot.snapshot_id)

    def test_of_what_is_not_there_is_no_record(self, scene: Scene) -> None:
        for kind in ArchiveKind:
            for name in ("", "0", "1x", "999", "²", "9" * 40, "snap-0"):
                assert scene.store.archive.export(ArchiveName(kind, name)) is None

    def test_pages_of_names_meet_without_gap_or_overlap(self, furnished: Furnished) -> None:
        store = furnished.store
        for number in range(8):
            store.add_domain(
                account_id=OTHER_ACCOUNT,
                kms_key_arn=f"{number}",
                uid=bytes([number]) * 16,
                sealed_id_key=b"k",
            )
        for kind in ArchiveKind:
            for limit in (1, 2, 3, 4):
                found: list[str] = []
                while page := store.archive.names(kind, after=found[-1] if found else None, limit=limit):
                    found += page
                assert found == sorted(set(found))
                assert found == store.archive.names(kind, after=None, limit=ALL)

    def test_a_completion_has_the_record_that_it_will_have(self, furnished: Furnished) -> None:
        scene, store = furnished.scene, furnished.store
        snapshot = scene.start(tags={"a": "b"}, description="d", parent_id=furnished.plain.snapshot_id)
        store.modify_permissions(ACCOUNT, snapshot.snapshot_id, add=[OTHER_ACCOUNT])
        completion = completion_of(snapshot, scene.now_ms + 5)
        assert store.archive.export_completion(completion) is None
        scene.accept(snapshot)
        promised = store.archive.export_completion(completion)
        assert promised is not None
        assert promised.name == name_of(snapshot)
        assert store.archive.export(name_of(snapshot)) is None
        assert store.finish_completion(completion.key, completion.sealed, now_ms=completion.now_ms)
        assert store.archive.export(name_of(snapshot)) == promised
        assert store.archive.export_completion(completion) is None
        assert changed(store) >= {name_of(snapshot)}

    @pytest.mark.parametrize("is_deleted", [True, False])
    def test_one_that_leaves_sealing_without_being_completed_is_noted_so_that_it_goes(
        self, scene: Scene, *, is_deleted: bool
    ) -> None:
        store = scene.store
        snapshot = scene.start()
        scene.accept(snapshot)
        assert store.archive.export_completion(completion_of(snapshot, scene.now_ms)) is not None
        settle_all(store)
        if is_deleted:
            scene.delete(snapshot)
        else:
            store.fail_completion(snapshot.key, "no", now_ms=scene.now_ms)
        assert changed(store) == {name_of(snapshot)}
        assert store.archive.export(name_of(snapshot)) is None


Spoiled = Iterator[Sequence[ArchivedRecord]]


def without_a_table(record: ArchivedRecord, _: Sequence[ArchivedRecord]) -> Spoiled:
    for table in record.tables:
        yield [replace(record, tables={name: rows for name, rows in record.tables.items() if name != table})]


def with_a_foreign_table(record: ArchivedRecord, _: Sequence[ArchivedRecord]) -> Spoiled:
    yield [replace(record, tables={**record.tables, "a_table_of_tomorrow": []})]


def with_other_columns(record: ArchivedRecord, _: Sequence[ArchivedRecord]) -> Spoiled:
    first = next(table for table, rows in record.tables.items() if rows)
    row = record.tables[first][0]
    others = [{name: value for name, value in row.items() if name != column} for column in row]
    for other in [*others, {**row, "a_column_of_tomorrow": 1}]:
        yield [replace(record, tables={**record.tables, first: [other]})]


def under_another_name(record: ArchivedRecord, others: Sequence[ArchivedRecord]) -> Spoiled:
    for other in others:
        if other.name.kind is record.name.kind and other.name != record.name:
            yield [replace(record, name=other.name)]


def twice(record: ArchivedRecord, _: Sequence[ArchivedRecord]) -> Spoiled:
    if record.name != STORE_FACTS:
        yield [record, record]


def without_rows(record: ArchivedRecord, _: Sequence[ArchivedRecord]) -> Spoiled:
    yield [replace(record, tables=dict.fromkeys(record.tables, ()))]


SPOILED: Final = (
    without_a_table,
    with_a_foreign_table,
    with_other_columns,
    under_another_name,
    twice,
    without_rows,
)
"""Each yields what must not be restored in the place of a record, given all there are."""


class ArchiveRestoreContract:
    """Records put into an empty store."""

    @pytest.fixture
    def furnished(self, scene: Scene) -> Furnished:
        return Furnished(scene)

    def test_a_restored_store_exports_what_it_was_restored_from(
        self, furnished: Furnished, spare: MetadataStore
    ) -> None:
        records = everything(furnished.store)
        spare.archive.restore(iter(records))
        assert everything(spare) == records

    def test_a_restored_store_answers_as_the_old_one(
        self, furnished: Furnished, spare: MetadataStore
    ) -> None:
        spare.archive.restore(everything(furnished.store))
        assert answers(spare) == answers(furnished.store)

    def test_what_is_restored_counts_as_changed(self, furnished: Furnished, spare: MetadataStore) -> None:
        settle_all(spare)
        spare.archive.restore(everything(furnished.store))
        assert changed(spare) >= set(every_name(spare)) - {STORE_FACTS}

    def test_later_keys_are_above_all_that_were_restored(
        self, furnished: Furnished, spare: MetadataStore
    ) -> None:
        spare.archive.restore(everything(furnished.store))
        made = spare.start_snapshot(furnished.scene.request(snapshot_id=snapshot_id(500))).snapshot
        assert made.key > furnished.deleted.key
        domain = spare.add_domain(account_id=ACCOUNT, kms_key_arn="later", uid=b"l" * 16, sealed_id_key=b"k")
        assert domain.key > max(each.key for each in furnished.store.domains())

    def test_a_restored_snapshot_has_no_rows_and_needs_its_root(
        self, furnished: Furnished, spare: MetadataStore
    ) -> None:
        spare.archive.restore(everything(furnished.store))
        needs: list[Any] = []
        unsettled: list[Any] = []
        spare.collection.cut(spare.collection.begin(), needs=needs.extend, unsettled=unsettled.extend)
        assert unsettled == []
        whole = [furnished.plain, furnished.locked, furnished.shared, furnished.recycled, furnished.deleted]
        assert [need.key for need in needs] == [snapshot.key for snapshot in whole]
        assert {need.root for need in needs} == {chunk_id(900)}
        assert spare.statistics().block_rows == spare.statistics().holds == 0

    def test_a_deletion_can_be_undone_in_a_restored_store(
        self, furnished: Furnished, spare: MetadataStore
    ) -> None:
        spare.archive.restore(everything(furnished.store))
        undone = [
            store.collection.undelete(ACCOUNT, furnished.deleted.snapshot_id, now_ms=5)
            for store in (furnished.store, spare)
        ]
        assert undone[0] == undone[1]

    def test_an_alias_in_two_records_is_where_it_was_put_last(
        self, furnished: Furnished, spare: MetadataStore
    ) -> None:
        store = furnished.store
        before = everything(store)
        store.keys.move_alias(ACCOUNT, "alias/one", kms_key_id(2), now_ms=START_MS + 1)
        after = {record.name: record for record in everything(store)}
        for stale in (KEYS[1], KEYS[2]):
            assert after[stale] not in before
        mixed = [after[record.name] if record.name == KEYS[2] else record for record in before]
        spare.archive.restore(mixed)
        assert spare.keys.alias(ACCOUNT, "alias/one") == store.keys.alias(ACCOUNT, "alias/one")

    @pytest.mark.parametrize("spoil", SPOILED)
    def test_a_record_that_cannot_be_true_is_refused_and_nothing_restored(
        self,
        furnished: Furnished,
        spare: MetadataStore,
        spoil: Callable[[ArchivedRecord, Sequence[ArchivedRecord]], Spoiled],
    ) -> None:
        records = everything(furnished.store)
        for position, record in enumerate(records):
            for wrong in spoil(record, records):
                with pytest.raises(StoreUnusable):
                    spare.archive.restore([*records[:position], *wrong])
                assert spare.accounts() == []
                assert spare.domains() == []
        spare.archive.restore(records)
        assert everything(spare) == records

    def test_what_records_refer_to_must_be_there(self, furnished: Furnished, spare: MetadataStore) -> None:
        records = everything(furnished.store)
        for kind in (ArchiveKind.ACCOUNT, ArchiveKind.DOMAIN):
            with pytest.raises(StoreUnusable):
                spare.archive.restore([record for record in records if record.name.kind is not kind])
            assert spare.accounts() == []

    def test_a_store_in_use_is_not_restored_into(self, furnished: Furnished) -> None:
        records = everything(furnished.store)
        with pytest.raises(StoreUnusable):
            furnished.store.archive.restore(records)
        assert everything(furnished.store) == records

    def test_a_failure_while_records_are_read_leaves_nothing(
        self, furnished: Furnished, spare: MetadataStore
    ) -> None:
        def failing() -> Iterator[ArchivedRecord]:
            yield from everything(furnished.store)[:4]
            raise InterruptedError

        with pytest.raises(InterruptedError):
            spare.archive.restore(failing())
        assert spare.accounts() == []


def answers(store: MetadataStore) -> Mapping[str, Any]:
    """Return what a store says to whoever asks about what is archived: all but what was not completed."""
    accounts = [account.account_id for account in store.accounts()]
    keys = [key for each in accounts for key in store.keys.kms_keys(each, after=None, limit=ALL)]
    visible = [
        each
        for account_id in accounts
        for each in store.visible_snapshots(account_id, after=None, limit=ALL)
        if each.snapshot.state is State.COMPLETED
    ]
    return {
        "facts": store.facts(),
        "accounts": store.accounts(),
        "domains": store.domains(),
        "visible": visible,
        "permissions": [
            store.permissions(each.snapshot.account_id, each.snapshot.snapshot_id) for each in visible
        ],
        "keys": keys,
        "materials": [store.keys.key_materials(key.key_id) for key in keys],
        "grants": [store.keys.grants(key.key_id, after=None, limit=ALL) for key in keys],
        "wrappings": [store.keys.wrappings(domain.key) for domain in store.domains()],
        "deletions": store.collection.deletions(None, after=None, limit=ALL),
        **{account_id: _answers_to(store, account_id) for account_id in accounts},
    }


def _answers_to(store: MetadataStore, account_id: AccountId) -> Mapping[str, Any]:
    users = store.identities.users(account_id)
    return {
        "access keys": store.access_keys(account_id),
        "users": users,
        "attachments": [store.identities.attachments(account_id, each.user_name) for each in users],
        "policies": store.identities.policies(account_id),
        "settings": store.identities.account_settings(account_id),
        "aliases": store.keys.aliases(account_id, after=None, limit=ALL),
        "rules": store.lifecycle.rules(account_id),
        "recycled": store.lifecycle.recycled(account_id, after=None, limit=ALL),
        "locks": [
            each
            for each in store.lifecycle.locks(account_id, after=None, limit=ALL)
            if each.snapshot.state is State.COMPLETED
        ],
    }
