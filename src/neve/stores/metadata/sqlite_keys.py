"""The records of keys, kept in SQLite: each method is one transaction around one function of `records.keys`."""

from collections.abc import Sequence
from contextlib import suppress

from neve.domain.identities import AccountId, DomainKey
from neve.domain.kms_keys import Alias, Grant, KeyMaterial, KmsKey, KmsKeyId
from neve.errors import StoreError
from neve.stores.metadata.contract_keys import DomainWrapping
from neve.stores.metadata.records import keys
from neve.stores.metadata.sqlite_database import SqliteDatabase


class SqliteKeyRecords:
    """`contract_keys.KeyRecords` on SQLite: a part of `SqliteMetadataStore`, which closes the database."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    # --- keys

    def add_kms_key(self, key: KmsKey, material: KeyMaterial) -> None:
        with self._database.writing() as session:
            keys.add_kms_key(session, key, material)

    def kms_key(self, key_id: KmsKeyId) -> KmsKey:
        with self._database.reading(one_statement=True) as session:
            return keys.kms_key(session, key_id)

    def kms_keys(self, account_id: AccountId, *, after: KmsKeyId | None, limit: int) -> Sequence[KmsKey]:
        with self._database.reading(one_statement=True) as session:
            return keys.kms_keys(session, account_id, after=after, limit=limit)

    def replace_kms_key(self, key: KmsKey, *, new_material: KeyMaterial | None = None) -> None:
        with self._database.writing() as session:
            keys.replace_kms_key(session, key, new_material=new_material)

    def remove_kms_key(self, key_id: KmsKeyId, *, revision: int) -> None:
        with self._database.writing() as session:
            keys.remove_kms_key(session, key_id, revision=revision)
        # The key is gone; what follows only sees that its material is, and may fail without harm.
        with suppress(StoreError):
            self._database.shed_log()

    def kms_keys_to_delete(self, *, now_ms: int, limit: int) -> Sequence[KmsKey]:
        with self._database.reading(one_statement=True) as session:
            return keys.kms_keys_to_delete(session, now_ms=now_ms, limit=limit)

    def kms_keys_to_rotate(self, *, now_ms: int, limit: int) -> Sequence[KmsKey]:
        with self._database.reading(one_statement=True) as session:
            return keys.kms_keys_to_rotate(session, now_ms=now_ms, limit=limit)

    def key_materials(self, key_id: KmsKeyId) -> Sequence[KeyMaterial]:
        with self._database.reading(one_statement=True) as session:
            return keys.key_materials(session, key_id)

    # --- aliases

    def add_alias(self, alias: Alias) -> None:
        with self._database.writing() as session:
            keys.add_alias(session, alias)

    def alias(self, account_id: AccountId, name: str) -> Alias:
        with self._database.reading(one_statement=True) as session:
            return keys.alias(session, account_id, name)

    def aliases(self, account_id: AccountId, *, after: str | None, limit: int) -> Sequence[Alias]:
        with self._database.reading(one_statement=True) as session:
            return keys.aliases(session, account_id, after=after, limit=limit)

    def move_alias(self, account_id: AccountId, name: str, key_id: KmsKeyId, *, now_ms: int) -> None:
        with self._database.writing() as session:
            keys.move_alias(session, account_id, name, key_id, now_ms=now_ms)

    def remove_alias(self, account_id: AccountId, name: str) -> None:
        with self._database.writing() as session:
            keys.remove_alias(session, account_id, name)

    # --- grants

    def add_grant(self, grant: Grant) -> None:
        with self._database.writing() as session:
            keys.add_grant(session, grant)

    def grants(self, key_id: KmsKeyId, *, after: str | None, limit: int) -> Sequence[Grant]:
        with self._database.reading(one_statement=True) as session:
            return keys.grants(session, key_id, after=after, limit=limit)

    def remove_grant(self, key_id: KmsKeyId, grant_id: str) -> None:
        with self._database.writing() as session:
            keys.remove_grant(session, key_id, grant_id)

    # --- data keys of domains

    def add_wrapping(self, wrapping: DomainWrapping) -> bool:
        with self._database.writing() as session:
            return keys.add_wrapping(session, wrapping)

    def wrappings(self, domain_key: DomainKey) -> Sequence[DomainWrapping]:
        with self._database.reading(one_statement=True) as session:
            return keys.wrappings(session, domain_key)

    def rewrap(self, old: DomainWrapping, new: DomainWrapping) -> bool:
        with self._database.writing() as session:
            return keys.rewrap(session, old, new)
