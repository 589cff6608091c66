"""Records of KMS keys and of the wrapped data keys of domains: part of what every metadata store promises.

The promises of `contract` hold here too: atomic, durable, consistent, bounded, shared, closed-mouthed. Every secret
comes sealed and stays so. What a state allows is the keyring's business: here a record is replaced by whoever
knows its revision.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from neve.domain.identities import AccountId, DomainKey
from neve.domain.kms_keys import Alias, Grant, KeyMaterial, KmsKey, KmsKeyId


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainWrapping:
    """One generation of a domain's data key, wrapped by the domain's KMS key."""

    domain_key: DomainKey
    generation: int
    """From 1. New chunks are sealed under the newest; older ones open what they sealed."""
    wrapping: bytes = field(repr=False)
    key_version: str
    """Which material of the KMS key wrapped it, as the key provider names it."""
    created_ms: int


class KeyRecords(Protocol):
    """KMS keys of the local keyring with their aliases and grants; wrapped data keys of every provider's domains."""

    # --- keys

    def add_kms_key(self, key: KmsKey, material: KeyMaterial) -> None:
        """Record a key of a recorded account with its first material. An id used before is an InvariantError."""
        ...

    def kms_key(self, key_id: KmsKeyId) -> KmsKey:
        """Return a key, whoever's it is.

        Raises:
            KmsKeyNotFound
        """
        ...

    def kms_keys(self, account_id: AccountId, *, after: KmsKeyId | None, limit: int) -> Sequence[KmsKey]:
        """Return up to `limit` of the account's keys, ascending by id, the first one above `after`."""
        ...

    def replace_kms_key(self, key: KmsKey, *, new_material: KeyMaterial | None = None) -> None:
        """Write a record that was read, changed; and with it, in the same transaction, the key's next material.

        `key.revision` says which record was read; the stored one gets the next number.

        Raises:
            KmsKeyNotFound
            KmsKeyChanged: somebody was faster. Nothing was written: read again.
        """
        ...

    def remove_kms_key(self, key_id: KmsKeyId, *, revision: int) -> None:
        """Forget a key with its material, aliases and grants, for good.

        Raises:
            KmsKeyNotFound, KmsKeyChanged
        """
        ...

    def kms_keys_to_delete(self, *, now_ms: int, limit: int) -> Sequence[KmsKey]:
        """Return up to `limit` keys pending deletion whose time has come, the earliest first."""
        ...

    def kms_keys_to_rotate(self, *, now_ms: int, limit: int) -> Sequence[KmsKey]:
        """Return up to `limit` enabled keys whose rotated_ms is rotation_days or more ago, by id."""
        ...

    def key_materials(self, key_id: KmsKeyId) -> Sequence[KeyMaterial]:
        """Return every version of a key's material, ascending; none of a key that is not there."""
        ...

    # --- aliases

    def add_alias(self, alias: Alias) -> None:
        """Record an alias of a recorded key.

        Raises:
            AliasExists: the account has one of this name.
            KmsKeyNotFound
        """
        ...

    def alias(self, account_id: AccountId, name: str) -> Alias:
        """Return an alias.

        Raises:
            AliasNotFound
        """
        ...

    def aliases(self, account_id: AccountId, *, after: str | None, limit: int) -> Sequence[Alias]:
        """Return up to `limit` of the account's aliases, ascending by name, the first one above `after`."""
        ...

    def move_alias(self, account_id: AccountId, name: str, key_id: KmsKeyId, *, now_ms: int) -> None:
        """Let an alias name another recorded key.

        Raises:
            AliasNotFound, KmsKeyNotFound
        """
        ...

    def remove_alias(self, account_id: AccountId, name: str) -> None:
        """Forget an alias.

        Raises:
            AliasNotFound
        """
        ...

    # --- grants

    def add_grant(self, grant: Grant) -> None:
        """Record a grant of a recorded key. Repeating it with the same id changes nothing.

        Raises:
            KmsKeyNotFound
        """
        ...

    def grants(self, key_id: KmsKeyId, *, after: str | None, limit: int) -> Sequence[Grant]:
        """Return up to `limit` grants of a key, ascending by id, the first one above `after`."""
        ...

    def remove_grant(self, key_id: KmsKeyId, grant_id: str) -> None:
        """Forget a grant.

        Raises:
            GrantNotFound
        """
        ...

    # --- data keys of domains

    def add_wrapping(self, wrapping: DomainWrapping) -> bool:
        """Record the next generation of a recorded domain's data key.

        False, and nothing written, if the domain has that generation already: somebody was faster.
        A generation that leaves a gap is an InvariantError.
        """
        ...

    def wrappings(self, domain_key: DomainKey) -> Sequence[DomainWrapping]:
        """Return every generation of a domain's data key, ascending."""
        ...

    def rewrap(self, old: DomainWrapping, new: DomainWrapping) -> bool:
        """Put `new` in the place of `old`: the same generation under newer material.

        False, and nothing written, if what stands there is no longer `old`.
        """
        ...
