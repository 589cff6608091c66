"""Records of keys in dictionaries, held to the same contract suite as the durable ones: a part of the store in memory."""

from collections.abc import Callable, Container, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Final

from neve.domain.identities import AccountId, DomainKey
from neve.domain.kms_keys import Alias, Grant, KeyMaterial, KeyState, KmsKey, KmsKeyId
from neve.errors import (
    AliasExists,
    AliasNotFound,
    GrantNotFound,
    InvariantError,
    KmsKeyChanged,
    KmsKeyNotFound,
)
from neve.stores.metadata.contract_archive import ArchiveKind
from neve.stores.metadata.contract_keys import DomainWrapping
from neve.testing.memory_drawers import Drawer

_DAY_MS: Final = 86_400_000


class MemoryKeyRecords:
    """`contract_keys.KeyRecords` until the process ends, under the lock of the store it is a part of."""

    def __init__(
        self,
        alone: Callable[[], AbstractContextManager[None]],
        *,
        accounts: Container[AccountId],
        domains: Container[DomainKey],
    ) -> None:
        """Take the lock, and what the store knows of accounts and domains, as it will be."""
        self._alone = alone
        self._accounts = accounts
        self._domains = domains
        self._keys: dict[KmsKeyId, KmsKey] = {}
        self._materials: dict[KmsKeyId, dict[int, KeyMaterial]] = {}
        self._aliases: dict[tuple[AccountId, str], Alias] = {}
        self._grants: dict[tuple[KmsKeyId, str], Grant] = {}
        self._wrappings: dict[DomainKey, list[DomainWrapping]] = {}

    def drawers(self) -> Sequence[Drawer]:
        """Return what the archive is to have of this, for whoever holds the store's lock."""
        key, domain = ArchiveKind.KEY, ArchiveKind.DOMAIN
        materials, owned, granted = dict[int, KeyMaterial], tuple[AccountId, str], tuple[KmsKeyId, str]
        return [
            Drawer(key, "keys", self._keys, KmsKeyId, KmsKey, lambda key_id, _: key_id),
            Drawer(key, "materials", self._materials, KmsKeyId, materials, lambda key_id, _: key_id),
            Drawer(key, "aliases", self._aliases, owned, Alias, lambda _, alias: alias.key_id),
            Drawer(key, "grants", self._grants, granted, Grant, lambda name, _: name[0]),
            Drawer(
                domain, "wrappings", self._wrappings, DomainKey, list[DomainWrapping], lambda key, _: str(key)
            ),
        ]

    # --- keys

    def add_kms_key(self, key: KmsKey, material: KeyMaterial) -> None:
        with self._alone():
            if key.key_id in self._keys or key.account_id not in self._accounts:
                raise InvariantError(f"{key.key_id} was used before, or {key.account_id} is not recorded")
            self._check_material(key, material)
            self._keys[key.key_id] = key
            self._materials[key.key_id] = {material.version: material}

    def kms_key(self, key_id: KmsKeyId) -> KmsKey:
        with self._alone():
            self._demand_key(key_id)
            return self._keys[key_id]

    def kms_keys(self, account_id: AccountId, *, after: KmsKeyId | None, limit: int) -> Sequence[KmsKey]:
        with self._alone():
            own = [key for key in self._in_order() if key.account_id == account_id]
            return [key for key in own if after is None or key.key_id > after][:limit]

    def replace_kms_key(self, key: KmsKey, *, new_material: KeyMaterial | None = None) -> None:
        with self._alone():
            self._demand_revision(key.key_id, key.revision)
            if key.account_id not in self._accounts:
                raise InvariantError(f"account {key.account_id} is not recorded")
            if new_material is not None:
                self._check_material(key, new_material)
                self._materials[key.key_id][new_material.version] = new_material
            self._keys[key.key_id] = replace(key, revision=key.revision + 1)

    def remove_kms_key(self, key_id: KmsKeyId, *, revision: int) -> None:
        with self._alone():
            self._demand_revision(key_id, revision)
            del self._keys[key_id], self._materials[key_id]
            self._aliases = {name: alias for name, alias in self._aliases.items() if alias.key_id != key_id}
            self._grants = {name: grant for name, grant in self._grants.items() if grant.key_id != key_id}

    def kms_keys_to_delete(self, *, now_ms: int, limit: int) -> Sequence[KmsKey]:
        with self._alone():
            due = [
                (key.deletion_ms, key.key_id, key)
                for key in self._keys.values()
                if key.state is KeyState.PENDING_DELETION
                and key.deletion_ms is not None
                and key.deletion_ms <= now_ms
            ]
            return [key for _, _, key in sorted(due, key=lambda each: each[:2])][:limit]

    def kms_keys_to_rotate(self, *, now_ms: int, limit: int) -> Sequence[KmsKey]:
        with self._alone():
            return [
                key
                for key in self._in_order()
                if key.state is KeyState.ENABLED
                and key.rotation_days is not None
                and key.rotated_ms + key.rotation_days * _DAY_MS <= now_ms
            ][:limit]

    def key_materials(self, key_id: KmsKeyId) -> Sequence[KeyMaterial]:
        with self._alone():
            return [material for _, material in sorted(self._materials.get(key_id, {}).items())]

    def _in_order(self) -> Sequence[KmsKey]:
        return [key for _, key in sorted(self._keys.items())]

    def _check_material(self, key: KmsKey, material: KeyMaterial) -> None:
        if material.key_id != key.key_id or material.version in self._materials.get(key.key_id, {}):
            raise InvariantError("another key's material, or a version that is there")

    def _demand_key(self, key_id: KmsKeyId) -> None:
        if key_id not in self._keys:
            raise KmsKeyNotFound(key_id)

    def _demand_revision(self, key_id: KmsKeyId, revision: int) -> None:
        self._demand_key(key_id)
        if self._keys[key_id].revision != revision:
            raise KmsKeyChanged(key_id)

    # --- aliases

    def add_alias(self, alias: Alias) -> None:
        with self._alone():
            if (alias.account_id, alias.name) in self._aliases:
                raise AliasExists(alias.name)
            self._demand_key(alias.key_id)
            if alias.account_id not in self._accounts:
                raise InvariantError(f"account {alias.account_id} is not recorded")
            self._aliases[alias.account_id, alias.name] = alias

    def alias(self, account_id: AccountId, name: str) -> Alias:
        with self._alone():
            self._demand_alias(account_id, name)
            return self._aliases[account_id, name]

    def aliases(self, account_id: AccountId, *, after: str | None, limit: int) -> Sequence[Alias]:
        with self._alone():
            own = [alias for (owner, _), alias in sorted(self._aliases.items()) if owner == account_id]
            return [alias for alias in own if after is None or alias.name > after][:limit]

    def move_alias(self, account_id: AccountId, name: str, key_id: KmsKeyId, *, now_ms: int) -> None:
        with self._alone():
            self._demand_alias(account_id, name)
            self._demand_key(key_id)
            moved = replace(self._aliases[account_id, name], key_id=key_id, updated_ms=now_ms)
            self._aliases[account_id, name] = moved

    def remove_alias(self, account_id: AccountId, name: str) -> None:
        with self._alone():
            self._demand_alias(account_id, name)
            del self._aliases[account_id, name]

    def _demand_alias(self, account_id: AccountId, name: str) -> None:
        if (account_id, name) not in self._aliases:
            raise AliasNotFound(name)

    # --- grants

    def add_grant(self, grant: Grant) -> None:
        with self._alone():
            self._demand_key(grant.key_id)
            self._grants.setdefault((grant.key_id, grant.grant_id), grant)

    def grants(self, key_id: KmsKeyId, *, after: str | None, limit: int) -> Sequence[Grant]:
        with self._alone():
            of_key = [grant for (key, _), grant in sorted(self._grants.items()) if key == key_id]
            return [grant for grant in of_key if after is None or grant.grant_id > after][:limit]

    def remove_grant(self, key_id: KmsKeyId, grant_id: str) -> None:
        with self._alone():
            if (key_id, grant_id) not in self._grants:
                raise GrantNotFound(grant_id)
            del self._grants[key_id, grant_id]

    # --- data keys of domains

    def add_wrapping(self, wrapping: DomainWrapping) -> bool:
        with self._alone():
            there = self._wrappings.get(wrapping.domain_key, [])
            if 1 <= wrapping.generation <= len(there):
                return False
            if wrapping.generation != len(there) + 1 or wrapping.domain_key not in self._domains:
                raise InvariantError("a generation follows the one before it, in a recorded domain")
            self._wrappings[wrapping.domain_key] = [*there, wrapping]
            return True

    def wrappings(self, domain_key: DomainKey) -> Sequence[DomainWrapping]:
        with self._alone():
            return list(self._wrappings.get(domain_key, []))

    def rewrap(self, old: DomainWrapping, new: DomainWrapping) -> bool:
        with self._alone():
            if (old.domain_key, old.generation) != (new.domain_key, new.generation):
                raise InvariantError("a generation is put in the place of another")
            there = self._wrappings.get(old.domain_key, [])
            if old not in there:
                return False
            there[old.generation - 1] = new
            return True
