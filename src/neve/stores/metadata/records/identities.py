"""Users, their policies, and the settings of accounts: few, small, and written by hand."""

from collections.abc import Callable, Sequence

from neve.domain.identities import AccountId
from neve.errors import PolicyInUse, PolicyNotFound, UserExists, UserNotFound
from neve.stores.metadata import statements_access as statements
from neve.stores.metadata.contract_identities import AccountSettings, Attachment, ManagedPolicy, User
from neve.stores.metadata.session import Row, Session

# --- users


def add_user(session: Session, user: User) -> None:
    if session.rows(statements.USER, (user.account_id, user.user_name)):
        raise UserExists(f"account {user.account_id} has a user {user.user_name} already")
    session.rows(statements.ADD_USER, (user.account_id, user.user_name, user.user_id, user.created_ms))


def user(session: Session, account_id: AccountId, user_name: str) -> User:
    rows = session.rows(statements.USER, (account_id, user_name))
    if not rows:
        raise _user_not_found(account_id, user_name)
    return _user_from(account_id, rows[0])


def users(session: Session, account_id: AccountId) -> Sequence[User]:
    return [_user_from(account_id, row) for row in session.rows(statements.USERS, (account_id,))]


def remove_user(session: Session, account_id: AccountId, user_name: str) -> None:
    user(session, account_id, user_name)
    # The user's own row goes last: attachments refer to it.
    for statement in (
        statements.REMOVE_ATTACHMENTS_OF_USER,
        statements.REMOVE_ACCESS_KEYS_OF_USER,
        statements.REMOVE_USER,
    ):
        session.rows(statement, (account_id, user_name))


# --- policies


def put_policy(session: Session, policy: ManagedPolicy) -> None:
    session.rows(
        statements.PUT_POLICY,
        (policy.account_id, policy.policy_name, policy.document, policy.created_ms, policy.updated_ms),
    )


def policy(session: Session, account_id: AccountId, policy_name: str) -> ManagedPolicy:
    rows = session.rows(statements.POLICY, (account_id, policy_name))
    if not rows:
        raise _policy_not_found(account_id, policy_name)
    return _policy_from(account_id, rows[0])


def policies(session: Session, account_id: AccountId) -> Sequence[ManagedPolicy]:
    return [_policy_from(account_id, row) for row in session.rows(statements.POLICIES, (account_id,))]


def remove_policy(session: Session, account_id: AccountId, policy_name: str) -> None:
    if not session.rows(statements.REMOVE_POLICY, (account_id, policy_name)):
        raise _policy_not_found(account_id, policy_name)
    if session.rows(statements.POLICY_IS_ATTACHED, (account_id, policy_name)):
        raise PolicyInUse(f"policy {policy_name} is attached to a user of account {account_id}")


# --- attachments


def attach_policy(session: Session, account_id: AccountId, user_name: str, policy_name: str) -> None:
    user(session, account_id, user_name)
    session.rows(statements.ATTACH_POLICY, (account_id, user_name, policy_name))


def detach_policy(session: Session, account_id: AccountId, user_name: str, policy_name: str) -> None:
    user(session, account_id, user_name)
    session.rows(statements.DETACH_POLICY, (account_id, user_name, policy_name))


def attachments(session: Session, account_id: AccountId, user_name: str) -> Sequence[Attachment]:
    rows = session.rows(statements.ATTACHMENTS, (account_id, user_name))
    if not rows:
        raise _user_not_found(account_id, user_name)
    return [Attachment(policy_name=name, document=document) for name, document in rows if name is not None]


# --- settings of accounts


def account_settings(session: Session, account_id: AccountId) -> AccountSettings:
    for encrypted, default_kms_key, public_access in session.rows(statements.ACCOUNT_SETTINGS, (account_id,)):
        return AccountSettings(
            account_id=account_id,
            encryption_by_default=bool(encrypted),
            default_kms_key=default_kms_key,
            public_access=public_access,
        )
    return AccountSettings(account_id=account_id)


def put_account_settings(session: Session, settings: AccountSettings) -> None:
    session.rows(
        statements.PUT_ACCOUNT_SETTINGS,
        (
            settings.account_id,
            int(settings.encryption_by_default),
            settings.default_kms_key,
            settings.public_access,
        ),
    )


def change_account_settings(
    session: Session, account_id: AccountId, change: Callable[[AccountSettings], AccountSettings]
) -> AccountSettings:
    changed = change(account_settings(session, account_id))
    put_account_settings(session, changed)
    return changed


def _user_from(account_id: AccountId, row: Row) -> User:
    user_name, user_id, created_ms = row
    return User(account_id=account_id, user_name=user_name, user_id=user_id, created_ms=created_ms)


def _policy_from(account_id: AccountId, row: Row) -> ManagedPolicy:
    policy_name, document, created_ms, updated_ms = row
    return ManagedPolicy(
        account_id=account_id,
        policy_name=policy_name,
        document=document,
        created_ms=created_ms,
        updated_ms=updated_ms,
    )


def _user_not_found(account_id: AccountId, user_name: str) -> UserNotFound:
    return UserNotFound(f"account {account_id} has no user {user_name}")


def _policy_not_found(account_id: AccountId, policy_name: str) -> PolicyNotFound:
    return PolicyNotFound(f"account {account_id} has no policy {policy_name}")
