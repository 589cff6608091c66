"""Users, policies and account settings, kept in SQLite: one transaction around each function of `records`."""

from collections.abc import Callable, Sequence

from neve.domain.identities import AccountId
from neve.stores.metadata.contract_identities import AccountSettings, Attachment, ManagedPolicy, User
from neve.stores.metadata.records import identities
from neve.stores.metadata.sqlite_database import SqliteDatabase


class SqliteIdentityRecords:
    """`contract_identities.IdentityRecords` on the database of a metadata store, which opens and closes it."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    def add_user(self, user: User) -> None:
        with self._database.writing() as session:
            identities.add_user(session, user)

    def user(self, account_id: AccountId, user_name: str) -> User:
        with self._database.reading(one_statement=True) as session:
            return identities.user(session, account_id, user_name)

    def users(self, account_id: AccountId) -> Sequence[User]:
        with self._database.reading(one_statement=True) as session:
            return identities.users(session, account_id)

    def remove_user(self, account_id: AccountId, user_name: str) -> None:
        with self._database.writing() as session:
            identities.remove_user(session, account_id, user_name)

    def put_policy(self, policy: ManagedPolicy) -> None:
        with self._database.writing() as session:
            identities.put_policy(session, policy)

    def policy(self, account_id: AccountId, policy_name: str) -> ManagedPolicy:
        with self._database.reading(one_statement=True) as session:
            return identities.policy(session, account_id, policy_name)

    def policies(self, account_id: AccountId) -> Sequence[ManagedPolicy]:
        with self._database.reading(one_statement=True) as session:
            return identities.policies(session, account_id)

    def remove_policy(self, account_id: AccountId, policy_name: str) -> None:
        with self._database.writing() as session:
            identities.remove_policy(session, account_id, policy_name)

    def attach_policy(self, account_id: AccountId, user_name: str, policy_name: str) -> None:
        with self._database.writing() as session:
            identities.attach_policy(session, account_id, user_name, policy_name)

    def detach_policy(self, account_id: AccountId, user_name: str, policy_name: str) -> None:
        with self._database.writing() as session:
            identities.detach_policy(session, account_id, user_name, policy_name)

    def attachments(self, account_id: AccountId, user_name: str) -> Sequence[Attachment]:
        with self._database.reading(one_statement=True) as session:
            return identities.attachments(session, account_id, user_name)

    def account_settings(self, account_id: AccountId) -> AccountSettings:
        with self._database.reading(one_statement=True) as session:
            return identities.account_settings(session, account_id)

    def put_account_settings(self, settings: AccountSettings) -> None:
        with self._database.writing() as session:
            identities.put_account_settings(session, settings)

    def change_account_settings(
        self, account_id: AccountId, change: Callable[[AccountSettings], AccountSettings]
    ) -> AccountSettings:
        with self._database.writing() as session:
            return identities.change_account_settings(session, account_id, change)
