"""Users, policies and account settings in dictionaries, held to the same contract suite as the durable ones."""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from neve.domain.identities import AccessKey, Account, AccountId
from neve.errors import InvariantError, PolicyInUse, PolicyNotFound, UserExists, UserNotFound
from neve.stores.metadata.contract_archive import ArchiveKind
from neve.stores.metadata.contract_identities import AccountSettings, Attachment, ManagedPolicy, User
from neve.testing.memory_drawers import Drawer

Name = tuple[AccountId, str]


class MemoryIdentityRecords:
    """`contract_identities.IdentityRecords` in the memory store whose lock, accounts and access keys it is given."""

    def __init__(
        self,
        *,
        alone: Callable[[], AbstractContextManager[None]],
        accounts: Mapping[AccountId, Account],
        access_keys: MutableMapping[str, AccessKey],
    ) -> None:
        self._alone = alone
        self._accounts = accounts
        self._access_keys = access_keys
        self._users: dict[Name, User] = {}
        self._policies: dict[Name, ManagedPolicy] = {}
        self._attached: dict[Name, set[str]] = {}
        self._settings: dict[AccountId, AccountSettings] = {}

    def drawers(self) -> Sequence[Drawer]:
        """Return what the archive is to have of this, for whoever holds the store's lock."""
        kind = ArchiveKind.ACCOUNT
        return [
            Drawer(kind, "users", self._users, Name, User, lambda key, _: key[0]),
            Drawer(kind, "policies", self._policies, Name, ManagedPolicy, lambda key, _: key[0]),
            Drawer(kind, "attached", self._attached, Name, set[str], lambda key, _: key[0]),
            Drawer(kind, "settings", self._settings, AccountId, AccountSettings, lambda key, _: key),
        ]

    # --- users

    def add_user(self, user: User) -> None:
        with self._alone():
            self._demand_account(user.account_id)
            name = (user.account_id, user.user_name)
            if name in self._users:
                raise UserExists(f"account {user.account_id} has a user {user.user_name} already")
            if any(other.user_id == user.user_id for other in self._users.values()):
                raise InvariantError("two users have one id")
            self._users[name] = user
            self._attached[name] = set()

    def user(self, account_id: AccountId, user_name: str) -> User:
        with self._alone():
            return self.find_user(account_id, user_name)

    def find_user(self, account_id: AccountId, user_name: str) -> User:
        """Return a user, for whoever holds the store's lock."""
        if (account_id, user_name) not in self._users:
            raise UserNotFound(f"account {account_id} has no user {user_name}")
        return self._users[account_id, user_name]

    def users(self, account_id: AccountId) -> Sequence[User]:
        with self._alone():
            return [user for (owner, _), user in sorted(self._users.items()) if owner == account_id]

    def remove_user(self, account_id: AccountId, user_name: str) -> None:
        with self._alone():
            self.find_user(account_id, user_name)
            del self._users[account_id, user_name], self._attached[account_id, user_name]
            for key in list(self._access_keys.values()):
                if (key.account_id, key.user_name) == (account_id, user_name):
                    del self._access_keys[key.access_key_id]

    # --- policies

    def put_policy(self, policy: ManagedPolicy) -> None:
        with self._alone():
            self._demand_account(policy.account_id)
            name = (policy.account_id, policy.policy_name)
            before = self._policies.get(name, policy)
            self._policies[name] = replace(policy, created_ms=before.created_ms)

    def policy(self, account_id: AccountId, policy_name: str) -> ManagedPolicy:
        with self._alone():
            if (account_id, policy_name) not in self._policies:
                raise PolicyNotFound(f"account {account_id} has no policy {policy_name}")
            return self._policies[account_id, policy_name]

    def policies(self, account_id: AccountId) -> Sequence[ManagedPolicy]:
        with self._alone():
            return [policy for (owner, _), policy in sorted(self._policies.items()) if owner == account_id]

    def remove_policy(self, account_id: AccountId, policy_name: str) -> None:
        with self._alone():
            if (account_id, policy_name) not in self._policies:
                raise PolicyNotFound(f"account {account_id} has no policy {policy_name}")
            if any(
                policy_name in names for (owner, _), names in self._attached.items() if owner == account_id
            ):
                raise PolicyInUse(f"policy {policy_name} is attached to a user of account {account_id}")
            del self._policies[account_id, policy_name]

    # --- attachments

    def attach_policy(self, account_id: AccountId, user_name: str, policy_name: str) -> None:
        with self._alone():
            self.find_user(account_id, user_name)
            self._attached[account_id, user_name].add(policy_name)

    def detach_policy(self, account_id: AccountId, user_name: str, policy_name: str) -> None:
        with self._alone():
            self.find_user(account_id, user_name)
            self._attached[account_id, user_name].discard(policy_name)

    def attachments(self, account_id: AccountId, user_name: str) -> Sequence[Attachment]:
        with self._alone():
            self.find_user(account_id, user_name)
            return [
                Attachment(policy_name=name, document=self._document(account_id, name))
                for name in sorted(self._attached[account_id, user_name])
            ]

    def _document(self, account_id: AccountId, policy_name: str) -> str | None:
        found = self._policies.get((account_id, policy_name))
        return None if found is None else found.document

    # --- settings of accounts

    def account_settings(self, account_id: AccountId) -> AccountSettings:
        with self._alone():
            return self._settings.get(account_id, AccountSettings(account_id=account_id))

    def put_account_settings(self, settings: AccountSettings) -> None:
        with self._alone():
            self._demand_account(settings.account_id)
            self._settings[settings.account_id] = settings

    def change_account_settings(
        self, account_id: AccountId, change: Callable[[AccountSettings], AccountSettings]
    ) -> AccountSettings:
        with self._alone():
            self._demand_account(account_id)
            changed = change(self._settings.get(account_id, AccountSettings(account_id=account_id)))
            self._settings[account_id] = changed
            return changed

    def _demand_account(self, account_id: AccountId) -> None:
        if account_id not in self._accounts:
            raise InvariantError(f"account {account_id} is not recorded")
