"""Access keys as records: made with a secret, changed, and made anew. For the operator, not for the API."""

import base64
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from neve.clock import Clock, Entropy
from neve.domain.identities import AccessKey, AccountId, access_key_id_from
from neve.domain.keyring import Keyring
from neve.errors import NeveError
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
    user_name: str = ""
    expires_ms: int | None = None


class AccessKeys:
    """The access keys of a store. Whoever changes one sees to it that nobody else does meanwhile."""

    def __init__(self, metadata: MetadataStore, keyring: Keyring, clock: Clock, entropy: Entropy) -> None:
        self._metadata = metadata
        self._keyring = keyring
        self._clock = clock
        self._entropy = entropy

    def create(
        self, account_id: AccountId, *, user_name: str = "", expires_ms: int | None = None
    ) -> NewAccessKey:
        """Record a new access key of an account or of a user in it, and return it with its secret.

        Raises:
            UserNotFound
        """
        secret = base64.b64encode(self._entropy.take(_SECRET_BYTES)).decode("ascii")
        access_key_id = access_key_id_from(self._entropy.take(16))
        self._metadata.add_access_key(
            AccessKey(
                access_key_id=access_key_id,
                account_id=account_id,
                sealed_secret=seal_secret(self._keyring, access_key_id, secret),
                created_ms=self._clock.now_ms(),
                user_name=user_name,
                expires_ms=expires_ms,
            )
        )
        return NewAccessKey(
            account_id=account_id,
            access_key_id=access_key_id,
            secret_access_key=secret,
            user_name=user_name,
            expires_ms=expires_ms,
        )

    def set_enabled(self, access_key_id: str, *, enabled: bool) -> AccessKey:
        """Make an access key useless, or of use again. Repeating it changes nothing.

        Raises:
            AccessKeyNotFound
        """
        changed = replace(self._metadata.access_key(access_key_id), enabled=enabled)
        self._metadata.add_access_key(changed)
        return changed

    def rotate(
        self, old: AccessKey, *, grace_ms: int, expires_ms: int | None
    ) -> tuple[NewAccessKey, AccessKey]:
        """Record a new key for the same holder, and let the old one expire after `grace_ms` if not before.

        Raises:
            AccessKeyNotFound: the old key is gone.
        """
        until_ms = self._clock.now_ms() + grace_ms
        ending = replace(
            old, expires_ms=until_ms if old.expires_ms is None else min(old.expires_ms, until_ms)
        )
        new = self.create(old.account_id, user_name=old.user_name, expires_ms=expires_ms)
        try:
            self._metadata.access_key(old.access_key_id)
            self._metadata.add_access_key(ending)
        except NeveError:
            # Nobody will ever see its secret.
            with suppress(NeveError):
                self._metadata.remove_access_key(new.access_key_id)
            raise
        return new, ending
