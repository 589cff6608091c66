"""Accounts, access keys and domains: few, small, and written by hand or once for each KMS key."""

from collections.abc import Sequence

from neve.domain.identities import AccessKey, Account, AccountId, Domain, DomainKey
from neve.errors import AccessKeyNotFound
from neve.stores.metadata import statements
from neve.stores.metadata.records import identities
from neve.stores.metadata.session import Row, Session


def create_account(session: Session, account: Account) -> None:
    session.rows(statements.ADD_ACCOUNT, (account.account_id, account.name, account.created_ms))


def accounts(session: Session) -> Sequence[Account]:
    return [
        Account(account_id=AccountId(account_id), name=name, created_ms=created_ms)
        for account_id, name, created_ms in session.rows(statements.ACCOUNTS)
    ]


def add_access_key(session: Session, key: AccessKey) -> None:
    if key.user_name:
        identities.user(session, key.account_id, key.user_name)
    session.rows(
        statements.PUT_ACCESS_KEY,
        (
            key.access_key_id,
            key.account_id,
            key.sealed_secret,
            key.created_ms,
            int(key.enabled),
            key.user_name,
            key.expires_ms,
        ),
    )


def access_key(session: Session, access_key_id: str) -> AccessKey:
    rows = session.rows(statements.ACCESS_KEY, (access_key_id,))
    if not rows:
        raise _access_key_not_found(access_key_id)
    return _access_key_from(rows[0])


def access_keys(session: Session, account_id: AccountId) -> Sequence[AccessKey]:
    return [_access_key_from(row) for row in session.rows(statements.ACCESS_KEYS, (account_id,))]


def remove_access_key(session: Session, access_key_id: str) -> None:
    if not session.rows(statements.REMOVE_ACCESS_KEY, (access_key_id,)):
        raise _access_key_not_found(access_key_id)


def add_domain(
    session: Session, *, account_id: AccountId, kms_key_arn: str, uid: bytes, sealed_id_key: bytes
) -> Domain:
    rows = session.rows(statements.DOMAIN, (account_id, kms_key_arn))
    if not rows:
        session.rows(statements.ADD_DOMAIN, (uid, account_id, kms_key_arn, sealed_id_key))
        rows = session.rows(statements.DOMAIN, (account_id, kms_key_arn))
    return _domain_from(rows[0])


def domains(session: Session) -> Sequence[Domain]:
    return [_domain_from(row) for row in session.rows(statements.DOMAINS)]


def _access_key_from(row: Row) -> AccessKey:
    access_key_id, account_id, sealed_secret, created_ms, enabled, user_name, expires_ms = row
    return AccessKey(
        access_key_id=access_key_id,
        account_id=AccountId(account_id),
        sealed_secret=sealed_secret,
        created_ms=created_ms,
        enabled=bool(enabled),
        user_name=user_name,
        expires_ms=expires_ms,
    )


def _access_key_not_found(access_key_id: str) -> AccessKeyNotFound:
    return AccessKeyNotFound(f"access key {access_key_id} is not there")


def _domain_from(row: Row) -> Domain:
    domain_key, uid, account_id, kms_key_arn, sealed_id_key = row
    return Domain(
        key=DomainKey(domain_key),
        uid=uid,
        account_id=AccountId(account_id),
        kms_key_arn=kms_key_arn,
        sealed_id_key=sealed_id_key,
    )
