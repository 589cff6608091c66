"""What every metadata store promises about KMS keys, aliases, grants and the wrapped data keys of domains."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any, Final

import pytest

from neve.domain.identities import AccountId, DomainKey
from neve.domain.kms_keys import Alias, Grant, KeyManager, KeyMaterial, KeyState, KmsKey, KmsKeyId, key_arn
from neve.errors import (
    AliasExists,
    AliasNotFound,
    GrantNotFound,
    InvariantError,
    KmsKeyChanged,
    KmsKeyNotFound,
)
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.contract_keys import DomainWrapping, KeyRecords
from neve.testing.metadata_scene import ACCOUNT, OTHER_ACCOUNT, START_MS, Scene

DAY_MS: Final = 24 * 60 * 60_000
NOBODY: Final = AccountId("999999999999")


def kms_key_id(number: int) -> KmsKeyId:
    return KmsKeyId(f"00000000-0000-4000-8000-{number:012x}")


def kms_key(number: int, account_id: AccountId = ACCOUNT, **changes: Any) -> KmsKey:
    """Return an enabled key as it is when it was just made, with `changes`."""
    key = KmsKey(
        key_id=kms_key_id(number),
        account_id=account_id,
        arn=key_arn("eu-north-1", account_id, kms_key_id(number)),
        description="",
        manager=KeyManager.CUSTOMER,
        state=KeyState.ENABLED,
        created_ms=START_MS,
        deletion_ms=None,
        rotation_days=None,
        rotated_ms=START_MS,
        material_version=1,
        policy="{}",
    )
    return replace(key, **changes)


def material(number: int, version: int = 1) -> KeyMaterial:
    return KeyMaterial(
        key_id=kms_key_id(number),
        version=version,
        sealed_material=bytes([number, version]) * 30,
        created_ms=START_MS + version,
    )


def alias(name: str, number: int, account_id: AccountId = ACCOUNT) -> Alias:
    return Alias(
        account_id=account_id,
        name=f"alias/{name}",
        key_id=kms_key_id(number),
        created_ms=START_MS,
        updated_ms=START_MS,
    )


def grant(number: int, of_key: int, **changes: Any) -> Grant:
    made = Grant(
        grant_id=f"{number:064x}",
        key_id=kms_key_id(of_key),
        grantee_principal=f"arn:aws:iam::{OTHER_ACCOUNT}:root",
        retiring_principal=None,
        operations=("Decrypt", "DescribeKey"),
        name=None,
        created_ms=START_MS,
    )
    return replace(made, **changes)


def wrapping(domain_key: DomainKey, generation: int, *, key_version: str = "1") -> DomainWrapping:
    return DomainWrapping(
        domain_key=domain_key,
        generation=generation,
        wrapping=f"wrapping {generation} by {key_version}".encode(),
        key_version=key_version,
        created_ms=START_MS + generation,
    )


def with_keys(scene: Scene) -> KeyRecords:
    """Return the records of a store with keys 1 and 2, and 3 of the other account."""
    keys = scene.store.keys
    for number, account_id in ((2, ACCOUNT), (1, ACCOUNT), (3, OTHER_ACCOUNT)):
        keys.add_kms_key(kms_key(number, account_id), material(number))
    return keys


class _WithKeys:
    @pytest.fixture
    def keys(self, scene: Scene) -> KeyRecords:
        return with_keys(scene)


class KmsKeysContract(_WithKeys):
    """Keys and their material."""

    def test_a_kms_key_comes_back_as_it_was_given(self, keys: KeyRecords) -> None:
        given = kms_key(
            7,
            OTHER_ACCOUNT,
            description="“disks”\n",
            manager=KeyManager.AWS,
            state=KeyState.PENDING_DELETION,
            deletion_ms=START_MS + DAY_MS,
            rotation_days=90,
            rotated_ms=START_MS + 1,
            material_version=4,
            policy='{"Statement": []}',
            tags={"k": "v", "ä": ""},
            revision=3,
        )
        keys.add_kms_key(given, material(7, 4))
        assert keys.kms_key(given.key_id) == given
        assert keys.key_materials(given.key_id) == [material(7, 4)]

    def test_an_unknown_kms_key_is_not_found(self, keys: KeyRecords) -> None:
        with pytest.raises(KmsKeyNotFound):
            keys.kms_key(kms_key_id(9))
        with pytest.raises(KmsKeyNotFound):
            keys.replace_kms_key(kms_key(9), new_material=material(9))
        with pytest.raises(KmsKeyNotFound):
            keys.remove_kms_key(kms_key_id(9), revision=0)
        assert keys.key_materials(kms_key_id(9)) == []

    def test_a_kms_key_id_used_before_is_a_bug(self, keys: KeyRecords) -> None:
        with pytest.raises(InvariantError):
            keys.add_kms_key(kms_key(1, OTHER_ACCOUNT), material(1, 2))
        assert keys.kms_key(kms_key_id(1)) == kms_key(1)
        assert keys.key_materials(kms_key_id(1)) == [material(1)]

    def test_a_kms_key_of_an_unknown_account_is_a_bug(self, keys: KeyRecords) -> None:
        with pytest.raises(InvariantError):
            keys.add_kms_key(kms_key(9, NOBODY), material(9))
        with pytest.raises(KmsKeyNotFound):
            keys.kms_key(kms_key_id(9))
        assert keys.key_materials(kms_key_id(9)) == []

    def test_another_kms_keys_material_is_a_bug(self, keys: KeyRecords) -> None:
        with pytest.raises(InvariantError):
            keys.add_kms_key(kms_key(9), material(1, 2))
        with pytest.raises(InvariantError):
            keys.replace_kms_key(kms_key(2), new_material=material(1, 2))
        assert keys.key_materials(kms_key_id(1)) == [material(1)]
        assert keys.kms_key(kms_key_id(2)) == kms_key(2)
        with pytest.raises(KmsKeyNotFound):
            keys.kms_key(kms_key_id(9))

    def test_an_account_has_its_own_kms_keys_in_pages(self, keys: KeyRecords) -> None:
        assert keys.kms_keys(ACCOUNT, after=None, limit=10) == [kms_key(1), kms_key(2)]
        assert keys.kms_keys(ACCOUNT, after=None, limit=1) == [kms_key(1)]
        assert keys.kms_keys(ACCOUNT, after=kms_key_id(1), limit=1) == [kms_key(2)]
        assert keys.kms_keys(ACCOUNT, after=kms_key_id(2), limit=1) == []
        assert keys.kms_keys(OTHER_ACCOUNT, after=None, limit=10) == [kms_key(3, OTHER_ACCOUNT)]

    def test_a_replaced_kms_key_has_the_next_revision(self, keys: KeyRecords) -> None:
        changed = kms_key(
            1,
            description="d",
            state=KeyState.PENDING_DELETION,
            deletion_ms=START_MS + 7,
            rotation_days=365,
            policy="{ }",
            tags={"k": "v"},
        )
        keys.replace_kms_key(changed)
        assert keys.kms_key(kms_key_id(1)) == replace(changed, revision=1)
        assert keys.kms_key(kms_key_id(2)) == kms_key(2)
        assert keys.key_materials(kms_key_id(1)) == [material(1)]

    def test_new_material_comes_with_the_record_that_names_it(self, keys: KeyRecords) -> None:
        keys.replace_kms_key(kms_key(1, material_version=2), new_material=material(1, 2))
        assert keys.kms_key(kms_key_id(1)).material_version == 2
        assert keys.key_materials(kms_key_id(1)) == [material(1), material(1, 2)]

    def test_a_version_of_material_is_written_once(self, keys: KeyRecords) -> None:
        with pytest.raises(InvariantError):
            keys.replace_kms_key(kms_key(1, description="d"), new_material=material(1))
        assert keys.kms_key(kms_key_id(1)) == kms_key(1)

    def test_whoever_read_an_older_record_changes_nothing(self, keys: KeyRecords) -> None:
        keys.replace_kms_key(kms_key(1, description="first"))
        with pytest.raises(KmsKeyChanged):
            keys.replace_kms_key(kms_key(1, description="second"), new_material=material(1, 2))
        with pytest.raises(KmsKeyChanged):
            keys.remove_kms_key(kms_key_id(1), revision=0)
        assert keys.kms_key(kms_key_id(1)).description == "first"
        assert keys.key_materials(kms_key_id(1)) == [material(1)]

    def test_of_several_who_read_the_same_record_one_writes(self, keys: KeyRecords) -> None:
        together = Barrier(4)

        def write(number: int) -> bool:
            together.wait()
            try:
                keys.replace_kms_key(kms_key(1, description=str(number)))
            except KmsKeyChanged:
                return False
            return True

        with ThreadPoolExecutor(4) as threads:
            written = list(threads.map(write, range(4)))
        assert sum(written) == 1
        assert keys.kms_key(kms_key_id(1)).description == str(written.index(True))

    def test_a_removed_kms_key_takes_all_that_is_its_own_along(self, keys: KeyRecords) -> None:
        for number in (1, 2):
            keys.add_alias(alias(f"of-{number}", number))
            keys.add_grant(grant(1, number))
        keys.remove_kms_key(kms_key_id(1), revision=0)
        with pytest.raises(KmsKeyNotFound):
            keys.kms_key(kms_key_id(1))
        assert keys.key_materials(kms_key_id(1)) == []
        assert keys.grants(kms_key_id(1), after=None, limit=10) == []
        assert keys.aliases(ACCOUNT, after=None, limit=10) == [alias("of-2", 2)]
        assert keys.key_materials(kms_key_id(2)) == [material(2)]
        assert keys.grants(kms_key_id(2), after=None, limit=10) == [grant(1, 2)]

    def test_kms_keys_whose_time_has_come_are_to_be_deleted(self, keys: KeyRecords) -> None:
        dying = {
            number: kms_key(number, state=KeyState.PENDING_DELETION, deletion_ms=START_MS + after_ms)
            for number, after_ms in ((11, 3), (12, 1), (13, 2), (14, 4))
        }
        for number, key in dying.items():
            keys.add_kms_key(key, material(number))
        assert keys.kms_keys_to_delete(now_ms=START_MS, limit=10) == []
        assert keys.kms_keys_to_delete(now_ms=START_MS + 3, limit=10) == [dying[12], dying[13], dying[11]]
        assert keys.kms_keys_to_delete(now_ms=START_MS + 3, limit=2) == [dying[12], dying[13]]

    def test_enabled_kms_keys_with_old_material_are_to_be_rotated(self, keys: KeyRecords) -> None:
        aging = {
            21: kms_key(21, rotation_days=90),
            22: kms_key(22, rotation_days=91),
            23: kms_key(23, rotation_days=90, rotated_ms=START_MS + 1),
            24: kms_key(24, rotation_days=90, state=KeyState.DISABLED),
            25: kms_key(25, OTHER_ACCOUNT, rotation_days=90),
        }
        for number, key in aging.items():
            keys.add_kms_key(key, material(number))
        after_90_days = START_MS + 90 * DAY_MS
        assert keys.kms_keys_to_rotate(now_ms=after_90_days - 1, limit=10) == []
        assert keys.kms_keys_to_rotate(now_ms=after_90_days, limit=10) == [aging[21], aging[25]]
        assert keys.kms_keys_to_rotate(now_ms=after_90_days, limit=1) == [aging[21]]


class AliasesContract(_WithKeys):
    """Aliases."""

    def test_an_alias_comes_back_as_it_was_given(self, keys: KeyRecords) -> None:
        keys.add_alias(alias("disks", 1))
        assert keys.alias(ACCOUNT, "alias/disks") == alias("disks", 1)

    def test_an_alias_is_its_accounts_own(self, keys: KeyRecords) -> None:
        keys.add_alias(alias("disks", 1))
        with pytest.raises(AliasNotFound):
            keys.alias(OTHER_ACCOUNT, "alias/disks")
        keys.add_alias(alias("disks", 3, OTHER_ACCOUNT))
        assert keys.alias(OTHER_ACCOUNT, "alias/disks").key_id == kms_key_id(3)
        assert keys.aliases(ACCOUNT, after=None, limit=10) == [alias("disks", 1)]

    def test_an_alias_is_there_once_in_an_account(self, keys: KeyRecords) -> None:
        keys.add_alias(alias("disks", 1))
        with pytest.raises(AliasExists):
            keys.add_alias(alias("disks", 2))
        assert keys.alias(ACCOUNT, "alias/disks").key_id == kms_key_id(1)

    def test_an_alias_names_a_recorded_kms_key(self, keys: KeyRecords) -> None:
        keys.add_alias(alias("disks", 1))
        with pytest.raises(KmsKeyNotFound):
            keys.add_alias(alias("tapes", 9))
        with pytest.raises(KmsKeyNotFound):
            keys.move_alias(ACCOUNT, "alias/disks", kms_key_id(9), now_ms=START_MS)
        assert keys.aliases(ACCOUNT, after=None, limit=10) == [alias("disks", 1)]

    def test_an_alias_of_an_unknown_account_is_a_bug(self, keys: KeyRecords) -> None:
        with pytest.raises(InvariantError):
            keys.add_alias(alias("disks", 1, NOBODY))

    def test_aliases_come_in_pages_by_name(self, keys: KeyRecords) -> None:
        for name in ("b", "a", "c"):
            keys.add_alias(alias(name, 1))
        assert keys.aliases(ACCOUNT, after=None, limit=2) == [alias("a", 1), alias("b", 1)]
        assert keys.aliases(ACCOUNT, after="alias/b", limit=2) == [alias("c", 1)]

    def test_a_moved_alias_names_the_other_kms_key(self, keys: KeyRecords) -> None:
        keys.add_alias(alias("disks", 1))
        keys.add_alias(alias("tapes", 1))
        keys.move_alias(ACCOUNT, "alias/disks", kms_key_id(2), now_ms=START_MS + 5)
        assert keys.alias(ACCOUNT, "alias/disks") == replace(alias("disks", 2), updated_ms=START_MS + 5)
        assert keys.alias(ACCOUNT, "alias/tapes") == alias("tapes", 1)

    def test_a_removed_alias_is_not_found(self, keys: KeyRecords) -> None:
        keys.add_alias(alias("disks", 1))
        keys.remove_alias(ACCOUNT, "alias/disks")
        with pytest.raises(AliasNotFound):
            keys.alias(ACCOUNT, "alias/disks")
        with pytest.raises(AliasNotFound):
            keys.remove_alias(ACCOUNT, "alias/disks")
        with pytest.raises(AliasNotFound):
            keys.move_alias(ACCOUNT, "alias/disks", kms_key_id(2), now_ms=START_MS)


class GrantsContract(_WithKeys):
    """Grants."""

    def test_a_grant_comes_back_as_it_was_given(self, keys: KeyRecords) -> None:
        given = grant(
            1, 1, retiring_principal="arn:r", name="n", context_equals={"a": "b"}, context_subset={"ä": ""}
        )
        keys.add_grant(given)
        keys.add_grant(grant(2, 1, context_equals={}))
        assert keys.grants(kms_key_id(1), after=None, limit=10) == [given, grant(2, 1, context_equals={})]

    def test_a_grant_added_again_stays_as_it_was(self, keys: KeyRecords) -> None:
        keys.add_grant(grant(1, 1))
        keys.add_grant(grant(1, 1, operations=("Encrypt",)))
        assert keys.grants(kms_key_id(1), after=None, limit=10) == [grant(1, 1)]

    def test_a_grant_of_an_unknown_kms_key_is_refused(self, keys: KeyRecords) -> None:
        with pytest.raises(KmsKeyNotFound):
            keys.add_grant(grant(1, 9))
        assert keys.grants(kms_key_id(9), after=None, limit=10) == []

    def test_grants_of_a_kms_key_come_in_pages(self, keys: KeyRecords) -> None:
        for number in (3, 1, 2):
            keys.add_grant(grant(number, 1))
        keys.add_grant(grant(1, 2))
        assert keys.grants(kms_key_id(1), after=None, limit=2) == [grant(1, 1), grant(2, 1)]
        assert keys.grants(kms_key_id(1), after=grant(2, 1).grant_id, limit=2) == [grant(3, 1)]

    def test_a_removed_grant_is_gone_from_its_kms_key_only(self, keys: KeyRecords) -> None:
        keys.add_grant(grant(1, 1))
        keys.add_grant(grant(1, 2))
        keys.remove_grant(kms_key_id(1), grant(1, 1).grant_id)
        assert keys.grants(kms_key_id(1), after=None, limit=10) == []
        assert keys.grants(kms_key_id(2), after=None, limit=10) == [grant(1, 2)]
        with pytest.raises(GrantNotFound):
            keys.remove_grant(kms_key_id(1), grant(1, 1).grant_id)


class WrappingsContract:
    """Data keys of domains."""

    def test_generations_of_a_data_key_come_back_in_order(self, scene: Scene) -> None:
        keys = scene.store.keys
        given = [wrapping(scene.sealed_domain_key, generation) for generation in (1, 2, 3)]
        assert [keys.add_wrapping(each) for each in given] == [True, True, True]
        assert keys.wrappings(scene.sealed_domain_key) == given
        assert keys.wrappings(scene.domain_key) == []

    def test_a_generation_that_is_there_stays(self, scene: Scene) -> None:
        keys = scene.store.keys
        for generation in (1, 2):
            keys.add_wrapping(wrapping(scene.sealed_domain_key, generation))
        for generation in (1, 2):
            assert not keys.add_wrapping(wrapping(scene.sealed_domain_key, generation, key_version="2"))
        assert [each.key_version for each in keys.wrappings(scene.sealed_domain_key)] == ["1", "1"]

    def test_of_several_who_add_a_generation_one_does(self, scene: Scene) -> None:
        together = Barrier(4)

        def add(number: int) -> bool:
            together.wait()
            return scene.store.keys.add_wrapping(
                wrapping(scene.sealed_domain_key, 1, key_version=str(number))
            )

        with ThreadPoolExecutor(4) as threads:
            added = list(threads.map(add, range(4)))
        assert sum(added) == 1
        (kept,) = scene.store.keys.wrappings(scene.sealed_domain_key)
        assert kept.key_version == str(added.index(True))

    def test_a_generation_out_of_order_is_a_bug(self, scene: Scene) -> None:
        for generation in (0, 2, -1):
            with pytest.raises(InvariantError):
                scene.store.keys.add_wrapping(wrapping(scene.sealed_domain_key, generation))
        assert scene.store.keys.wrappings(scene.sealed_domain_key) == []

    def test_a_data_key_of_an_unknown_domain_is_a_bug(self, store: MetadataStore) -> None:
        with pytest.raises(InvariantError):
            store.keys.add_wrapping(wrapping(DomainKey(77), 1))

    def test_a_data_key_wrapped_anew_stands_where_it_stood(self, scene: Scene) -> None:
        keys = scene.store.keys
        first, second = (wrapping(scene.sealed_domain_key, generation) for generation in (1, 2))
        newer = wrapping(scene.sealed_domain_key, 1, key_version="2")
        for each in (first, second):
            keys.add_wrapping(each)
        assert keys.rewrap(first, newer)
        assert keys.wrappings(scene.sealed_domain_key) == [newer, second]

    def test_what_is_no_longer_there_is_not_wrapped_anew(self, scene: Scene) -> None:
        keys = scene.store.keys
        first, newer, newest = (
            wrapping(scene.sealed_domain_key, 1, key_version=version) for version in ("1", "2", "3")
        )
        assert not keys.rewrap(first, newer)
        keys.add_wrapping(first)
        keys.rewrap(first, newer)
        assert not keys.rewrap(first, newest)
        assert keys.wrappings(scene.sealed_domain_key) == [newer]

    def test_a_wrapping_is_told_from_another_by_its_bytes_alone(self, scene: Scene) -> None:
        keys = scene.store.keys
        first = wrapping(scene.sealed_domain_key, 1, key_version="")
        newer, newest = replace(first, wrapping=b"newer"), replace(first, wrapping=b"newest")
        keys.add_wrapping(first)
        assert keys.rewrap(first, newer)
        assert not keys.rewrap(first, newest)
        assert keys.wrappings(scene.sealed_domain_key) == [newer]

    def test_a_generation_in_the_place_of_another_is_a_bug(self, scene: Scene) -> None:
        first = wrapping(scene.sealed_domain_key, 1)
        scene.store.keys.add_wrapping(first)
        with pytest.raises(InvariantError):
            scene.store.keys.rewrap(first, replace(first, generation=2))
        assert scene.store.keys.wrappings(scene.sealed_domain_key) == [first]
