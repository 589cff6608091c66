"""The access keys of a store: made, listed, disabled. For the operator, not for the API."""

import base64
from dataclasses import dataclass, field, replace
from typing import Final

from neve.clock import Clock, Entropy
from neve.domain.identities import AccessKey, Account, AccountId, access_key_id_from
from neve.domain.keyring import Keyring
from neve.server.credentials import seal_secret
from neve.stores.metadata.contract import MetadataStore

_SECRET_BYTES: Final = 30
"""Forty characters of base64, the length that every tool expects of a secret access key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccessKey:
    """An access key as its holder gets to see it: once."""

    account_id: AccountId
    access_key_id: str
    secret_access_key: str = field(repr=False)


class AccessKeys:
    """The access keys of a store that no server has open."""

    def __init__(self, metadata: MetadataStore, keyring: Keyring, clock: Clock, entropy: Entropy) -> None:
        self._metadata = metadata
        self._keyring = keyring
        self._clock = clock
        self._entropy = entropy

    def accounts(self) -> list[Account]:
        """Return every account."""
        return list(self._metadata.accounts())

    def of(self, account_id: AccountId) -> list[AccessKey]:
        """Return an account's access keys."""
        return list(self._metadata.access_keys(account_id))

    def create(self, account_id: AccountId) -> NewAccessKey:
        """Record a new access key and return it with its secret."""
        secret = base64.b64encode(self._entropy.take(_SECRET_BYTES)).decode("ascii")
        access_key_id = access_key_id_from(self._entropy.take(16))
        self._metadata.add_access_key(
            AccessKey(
                access_key_id=access_key_id,
                account_id=account_id,
                sealed_secret=seal_secret(self._keyring, access_key_id, secret),
                created_ms=self._clock.now_ms(),
            )
        )
        return NewAccessKey(account_id=account_id, access_key_id=access_key_id, secret_access_key=secret)

    def disable(self, access_key_id: str) -> AccessKey:
        """Make an access key useless. Repeating it changes nothing.

        Raises:
            AccessKeyNotFound
        """
        disabled = replace(self._metadata.access_key(access_key_id), enabled=False)
        self._metadata.add_access_key(disabled)
        return disabled
