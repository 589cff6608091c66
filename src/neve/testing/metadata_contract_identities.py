"""What every metadata store promises about users, their policies and keys, and the settings of accounts."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest

from neve.domain.identities import AccessKey, AccountId
from neve.errors import (
    AccessKeyNotFound,
    InvariantError,
    PolicyInUse,
    PolicyNotFound,
    StoreUnavailable,
    UserExists,
    UserNotFound,
)
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.contract_identities import AccountSettings, Attachment, ManagedPolicy, User
from neve.testing.metadata_scene import ACCOUNT, OTHER_ACCOUNT, Scene

NOBODY = AccountId("999999999999")


def user(name: str, account_id: AccountId = ACCOUNT, *, number: int = 1) -> User:
    return User(
        account_id=account_id, user_name=name, user_id=f"AIDA-{account_id}-{name}-{number}", created_ms=number
    )


def policy(name: str, account_id: AccountId = ACCOUNT, *, number: int = 1) -> ManagedPolicy:
    return ManagedPolicy(
        account_id=account_id,
        policy_name=name,
        document=f'{{"{name}": {number}}}',
        created_ms=number,
        updated_ms=number,
    )


def key_of(user_name: str, number: int, account_id: AccountId = ACCOUNT) -> AccessKey:
    return AccessKey(
        access_key_id=f"AKIA{number:016d}",
        account_id=account_id,
        sealed_secret=b"s",
        created_ms=number,
        user_name=user_name,
        expires_ms=number + 1,
    )


class UsersContract:
    """Users and the access keys they hold."""

    def test_a_user_comes_back_as_it_was_given(self, scene: Scene) -> None:
        scene.store.identities.add_user(user("anna"))
        assert scene.store.identities.user(ACCOUNT, "anna") == user("anna")

    def test_an_account_has_its_own_users_in_order(self, scene: Scene) -> None:
        for each in (user("b"), user("a"), user("B"), user("a", OTHER_ACCOUNT)):
            scene.store.identities.add_user(each)
        assert scene.store.identities.users(ACCOUNT) == [user("B"), user("a"), user("b")]
        assert scene.store.identities.users(NOBODY) == []

    def test_a_name_is_taken_once_in_an_account(self, scene: Scene) -> None:
        scene.store.identities.add_user(user("anna"))
        for again in (user("anna"), user("anna", number=2)):
            with pytest.raises(UserExists):
                scene.store.identities.add_user(again)
        assert scene.store.identities.users(ACCOUNT) == [user("anna")]

    def test_of_two_who_take_a_name_at_once_one_gets_it(self, scene: Scene) -> None:
        together = Barrier(2)

        def add(number: int) -> bool:
            together.wait()
            try:
                scene.store.identities.add_user(user("anna", number=number))
            except UserExists:
                return False
            return True

        with ThreadPoolExecutor(2) as threads:
            assert sorted(threads.map(add, (1, 2))) == [False, True]

    def test_a_user_of_no_account_and_a_user_id_used_before_are_bugs(self, scene: Scene) -> None:
        with pytest.raises(InvariantError):
            scene.store.identities.add_user(user("anna", NOBODY))
        scene.store.identities.add_user(user("anna"))
        with pytest.raises(InvariantError):
            scene.store.identities.add_user(replace(user("anna"), user_name="berta"))
        assert scene.store.identities.users(ACCOUNT) == [user("anna")]

    def test_a_user_that_is_not_there_is_not_found_by_anything(self, scene: Scene) -> None:
        identities = scene.store.identities
        identities.add_user(user("anna", OTHER_ACCOUNT))
        for name in ("anna", ""):
            for ask in (
                lambda name: identities.user(ACCOUNT, name),
                lambda name: identities.remove_user(ACCOUNT, name),
                lambda name: identities.attach_policy(ACCOUNT, name, "p"),
                lambda name: identities.detach_policy(ACCOUNT, name, "p"),
                lambda name: identities.attachments(ACCOUNT, name),
            ):
                with pytest.raises(UserNotFound):
                    ask(name)

    def test_a_removed_user_takes_attachments_and_access_keys_along_and_nobody_elses(
        self, scene: Scene
    ) -> None:
        identities = scene.store.identities
        kept = [key_of("", 1), key_of("berta", 2), key_of("anna", 3, OTHER_ACCOUNT)]
        for each in (user("anna"), user("berta"), user("anna", OTHER_ACCOUNT)):
            identities.add_user(each)
            identities.attach_policy(each.account_id, each.user_name, "p")
        for key in (*kept, key_of("anna", 4), key_of("anna", 5)):
            scene.store.add_access_key(key)
        identities.remove_user(ACCOUNT, "anna")
        with pytest.raises(UserNotFound):
            identities.user(ACCOUNT, "anna")
        assert [*scene.store.access_keys(ACCOUNT), *scene.store.access_keys(OTHER_ACCOUNT)] == kept
        assert identities.attachments(ACCOUNT, "berta") != []
        assert identities.attachments(OTHER_ACCOUNT, "anna") != []
        identities.add_user(user("anna", number=2))
        assert identities.user(ACCOUNT, "anna") == user("anna", number=2)
        assert identities.attachments(ACCOUNT, "anna") == []

    def test_an_account_is_no_user_to_remove(self, scene: Scene) -> None:
        scene.store.add_access_key(key_of("", 1))
        with pytest.raises(UserNotFound):
            scene.store.identities.remove_user(ACCOUNT, "")
        assert scene.store.access_keys(ACCOUNT) == [key_of("", 1)]

    def test_an_access_key_comes_back_with_its_user_and_expiry(self, scene: Scene) -> None:
        scene.store.identities.add_user(user("anna"))
        key = key_of("anna", 1)
        scene.store.add_access_key(key)
        assert scene.store.access_key(key.access_key_id) == key
        changed = replace(key, user_name="", expires_ms=None)
        scene.store.add_access_key(changed)
        assert scene.store.access_key(key.access_key_id) == changed

    def test_an_access_key_of_a_user_who_is_not_there_is_not_recorded(self, scene: Scene) -> None:
        scene.store.identities.add_user(user("anna", OTHER_ACCOUNT))
        with pytest.raises(UserNotFound):
            scene.store.add_access_key(key_of("anna", 1))
        assert scene.store.access_keys(ACCOUNT) == []

    def test_a_removed_access_key_is_gone_and_no_other(self, scene: Scene) -> None:
        for number in (1, 2):
            scene.store.add_access_key(key_of("", number))
        scene.store.remove_access_key(key_of("", 1).access_key_id)
        assert scene.store.access_keys(ACCOUNT) == [key_of("", 2)]
        with pytest.raises(AccessKeyNotFound):
            scene.store.access_key(key_of("", 1).access_key_id)
        with pytest.raises(AccessKeyNotFound):
            scene.store.remove_access_key(key_of("", 1).access_key_id)


class PoliciesContract:
    """Policies and whom they are attached to."""

    def test_a_policy_comes_back_as_it_was_given(self, scene: Scene) -> None:
        scene.store.identities.put_policy(policy("p"))
        assert scene.store.identities.policy(ACCOUNT, "p") == policy("p")

    def test_a_policy_put_again_is_as_old_as_it_was(self, scene: Scene) -> None:
        scene.store.identities.put_policy(policy("p"))
        scene.store.identities.put_policy(policy("p", number=2))
        assert scene.store.identities.policies(ACCOUNT) == [replace(policy("p", number=2), created_ms=1)]

    def test_an_account_has_its_own_policies_in_order(self, scene: Scene) -> None:
        for each in (policy("b"), policy("a"), policy("a", OTHER_ACCOUNT, number=7)):
            scene.store.identities.put_policy(each)
        assert scene.store.identities.policies(ACCOUNT) == [policy("a"), policy("b")]
        assert scene.store.identities.policy(OTHER_ACCOUNT, "a") == policy("a", OTHER_ACCOUNT, number=7)
        assert scene.store.identities.policies(NOBODY) == []

    def test_a_policy_of_no_account_is_a_bug(self, store: MetadataStore) -> None:
        with pytest.raises(InvariantError):
            store.identities.put_policy(policy("p"))
        assert store.identities.policies(ACCOUNT) == []

    def test_a_policy_that_is_not_there_is_not_found(self, scene: Scene) -> None:
        scene.store.identities.put_policy(policy("p", OTHER_ACCOUNT))
        with pytest.raises(PolicyNotFound):
            scene.store.identities.policy(ACCOUNT, "p")
        with pytest.raises(PolicyNotFound):
            scene.store.identities.remove_policy(ACCOUNT, "p")
        assert scene.store.identities.policies(OTHER_ACCOUNT) == [policy("p", OTHER_ACCOUNT)]

    def test_attachments_come_in_order_each_with_its_document_as_it_stands(self, scene: Scene) -> None:
        identities = scene.store.identities
        identities.add_user(user("anna"))
        assert identities.attachments(ACCOUNT, "anna") == []
        for name in ("b", "a", "Ready", "a"):
            identities.attach_policy(ACCOUNT, "anna", name)
        identities.put_policy(policy("a"))
        identities.put_policy(policy("b", OTHER_ACCOUNT))
        identities.put_policy(policy("a", number=2))
        assert identities.attachments(ACCOUNT, "anna") == [
            Attachment(policy_name="Ready", document=None),
            Attachment(policy_name="a", document=policy("a", number=2).document),
            Attachment(policy_name="b", document=None),
        ]

    def test_detaching_takes_one_policy_off_one_user(self, scene: Scene) -> None:
        identities = scene.store.identities
        for each in (user("anna"), user("berta"), user("anna", OTHER_ACCOUNT)):
            identities.add_user(each)
            for name in ("a", "b"):
                identities.attach_policy(each.account_id, each.user_name, name)
        for name in ("a", "a", "never"):
            identities.detach_policy(ACCOUNT, "anna", name)
        assert [each.policy_name for each in identities.attachments(ACCOUNT, "anna")] == ["b"]
        assert len(identities.attachments(ACCOUNT, "berta")) == 2
        assert len(identities.attachments(OTHER_ACCOUNT, "anna")) == 2

    def test_an_attached_policy_stays(self, scene: Scene) -> None:
        identities = scene.store.identities
        identities.add_user(user("anna"))
        identities.put_policy(policy("p"))
        identities.attach_policy(ACCOUNT, "anna", "p")
        with pytest.raises(PolicyInUse):
            identities.remove_policy(ACCOUNT, "p")
        assert identities.policies(ACCOUNT) == [policy("p")]
        identities.detach_policy(ACCOUNT, "anna", "p")
        identities.remove_policy(ACCOUNT, "p")
        assert identities.policies(ACCOUNT) == []

    def test_what_another_account_attached_holds_nothing_here(self, scene: Scene) -> None:
        identities = scene.store.identities
        identities.add_user(user("anna", OTHER_ACCOUNT))
        identities.attach_policy(OTHER_ACCOUNT, "anna", "p")
        for account_id in (ACCOUNT, OTHER_ACCOUNT):
            identities.put_policy(policy("p", account_id))
        identities.remove_policy(ACCOUNT, "p")
        assert identities.policies(ACCOUNT) == []
        assert identities.policies(OTHER_ACCOUNT) == [policy("p", OTHER_ACCOUNT)]


class AccountSettingsContract:
    """Settings of accounts, and the store itself."""

    def test_an_account_without_settings_has_the_defaults(self, scene: Scene) -> None:
        for account_id in (ACCOUNT, NOBODY):
            assert scene.store.identities.account_settings(account_id) == AccountSettings(
                account_id=account_id,
                encryption_by_default=False,
                default_kms_key="",
                public_access="unblocked",
            )

    def test_settings_are_replaced_as_a_whole_and_are_one_accounts(self, scene: Scene) -> None:
        identities = scene.store.identities
        for settings in (
            AccountSettings(account_id=ACCOUNT, encryption_by_default=True, default_kms_key="k"),
            AccountSettings(account_id=ACCOUNT, encryption_by_default=True),
            AccountSettings(account_id=ACCOUNT, default_kms_key="other"),
            AccountSettings(account_id=ACCOUNT, public_access="block-all-sharing"),
        ):
            identities.put_account_settings(settings)
            assert identities.account_settings(ACCOUNT) == settings
        assert identities.account_settings(OTHER_ACCOUNT) == AccountSettings(account_id=OTHER_ACCOUNT)

    def test_a_change_sees_what_is_there_and_is_returned(self, scene: Scene) -> None:
        identities = scene.store.identities
        identities.put_account_settings(AccountSettings(account_id=ACCOUNT, default_kms_key="k"))
        changed = identities.change_account_settings(
            ACCOUNT, lambda found: replace(found, encryption_by_default=True)
        )
        wanted = AccountSettings(account_id=ACCOUNT, encryption_by_default=True, default_kms_key="k")
        assert changed == identities.account_settings(ACCOUNT) == wanted

    def test_a_change_that_fails_changes_nothing(self, scene: Scene) -> None:
        def fail(_found: AccountSettings) -> AccountSettings:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            scene.store.identities.change_account_settings(ACCOUNT, fail)
        assert scene.store.identities.account_settings(ACCOUNT) == AccountSettings(account_id=ACCOUNT)

    def test_of_many_changes_at_once_none_is_lost(self, scene: Scene) -> None:
        def append(_number: int) -> None:
            scene.store.identities.change_account_settings(
                ACCOUNT, lambda found: replace(found, default_kms_key=f"{found.default_kms_key}.")
            )

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(append, range(40)))
        assert scene.store.identities.account_settings(ACCOUNT).default_kms_key == "." * 40

    def test_settings_of_no_account_are_a_bug(self, store: MetadataStore) -> None:
        with pytest.raises(InvariantError):
            store.identities.put_account_settings(AccountSettings(account_id=ACCOUNT, default_kms_key="k"))
        with pytest.raises(InvariantError):
            store.identities.change_account_settings(ACCOUNT, lambda found: found)
        assert store.identities.account_settings(ACCOUNT) == AccountSettings(account_id=ACCOUNT)

    def test_a_closed_store_knows_nobody(self, scene: Scene) -> None:
        scene.store.close()
        with pytest.raises(StoreUnavailable):
            scene.store.identities.user(ACCOUNT, "anna")
        with pytest.raises(StoreUnavailable):
            scene.store.identities.add_user(user("anna"))


class IdentitiesContract(UsersContract, PoliciesContract, AccountSettingsContract):
    """All of them."""
