"""Who holds an access key, and the secret that proves it.

Every request looks its key up in the metadata store, so that a disabled key stops at once. Only opened secrets
are kept, by their sealed form: a key that gets a new secret has a new sealed form.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from neve.auth.authorization import Identity, root_identity
from neve.domain.identities import AccessKey
from neve.domain.keyring import Keyring, Purpose
from neve.errors import AccessKeyNotFound
from neve.stores.metadata.contract import MetadataStore

_OPEN_SECRETS_MAX: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """An access key that may be used, opened."""

    identity: Identity
    secret: str = field(repr=False)


def seal_secret(keyring: Keyring, access_key_id: str, secret: str) -> bytes:
    """Return an access key's secret in the form its record keeps."""
    return keyring.seal(Purpose.ACCESS_KEY_SECRET, secret.encode("ascii"), belongs_to=access_key_id)


class Credentials:
    """Looks access keys up. Safe from any thread."""

    def __init__(self, metadata: MetadataStore, keyring: Keyring) -> None:
        self._metadata = metadata
        self._keyring = keyring
        self._lock = Lock()
        self._open: OrderedDict[bytes, str] = OrderedDict()

    def find(self, access_key_id: str) -> Credential | None:
        """Return the credential, or None if there is no such key or it is disabled.

        Raises:
            StoreError
        """
        try:
            key = self._metadata.access_key(access_key_id)
        except AccessKeyNotFound:
            return None
        if not key.enabled:
            return None
        return Credential(
            identity=root_identity(key.account_id, key.access_key_id), secret=self._secret_of(key)
        )

    def _secret_of(self, key: AccessKey) -> str:
        with self._lock:
            secret = self._open.get(key.sealed_secret)
            if secret is not None:
                self._open.move_to_end(key.sealed_secret)
                return secret
        opened = self._keyring.open(
            Purpose.ACCESS_KEY_SECRET, key.sealed_secret, belongs_to=key.access_key_id
        ).decode("ascii")
        with self._lock:
            self._open[key.sealed_secret] = opened
            while len(self._open) > _OPEN_SECRETS_MAX:
                self._open.popitem(last=False)
        return opened
