"""KMS keys in a dictionary: for tests, and held to the same contract as the providers that keep keys.

The cryptography is real: a wrapping opens only under its key and context. What a test wants to happen to a key
(`disable`, `rotate`, …) or to the provider (`go_away`, `deny`) is a method each.

    wrapping = version of the material (4 bytes) · nonce (12) · AES-256-GCM ciphertext and tag
"""

import json
import threading
import uuid
from collections import Counter
from dataclasses import dataclass, field, replace

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from neve.clock import Entropy, SystemEntropy
from neve.domain.identities import AccountId
from neve.domain.kms_keys import EncryptionContext, KeyManager, KeyState, key_arn
from neve.errors import KeyProviderUnavailable, KmsError
from neve.stores.keys.contract import DataKey, KeyDescription
from neve.stores.keys.key_arns import (
    DATA_KEY_BYTES_MAX,
    check_usable,
    invalid_ciphertext,
    key_not_found,
    parse_key_arn,
)

_VERSION_BYTES = 4
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class _Key:
    account_id: AccountId
    materials: tuple[bytes, ...] = field(repr=False)
    state: KeyState = KeyState.ENABLED
    manager: KeyManager = KeyManager.CUSTOMER
    policy: str | None = None
    symmetric: bool = True
    denied: bool = False


class MemoryKeys:
    """A `KeyProvider` whose keys last as long as the object."""

    def __init__(
        self,
        *,
        region: str = "us-east-1",
        entropy: Entropy | None = None,
        remote: bool = False,
        accounts_are_ours: bool = True,
    ) -> None:
        self._region = region
        self._entropy = entropy or SystemEntropy()
        self._remote = remote
        self._accounts_are_ours = accounts_are_ours
        self._lock = threading.Lock()
        self._keys: dict[str, _Key] = {}
        self._defaults: dict[AccountId, str] = {}
        self._away = False
        self.calls: Counter[str] = Counter()
        """How often each method of the contract was called, refusals included."""

    # --- what a test lets happen

    def make_key(
        self,
        account_id: AccountId,
        *,
        policy: str | None = None,
        symmetric: bool = True,
        manager: KeyManager = KeyManager.CUSTOMER,
    ) -> str:
        """Return the ARN of a new enabled key."""
        arn = key_arn(self._region, account_id, str(uuid.UUID(bytes=self._entropy.take(16), version=4)))
        made = _Key(
            account_id=account_id,
            materials=(self._entropy.take(32),),
            policy=policy,
            symmetric=symmetric,
            manager=manager,
        )
        with self._lock:
            self._keys[arn] = made
        return arn

    def disable(self, arn: str) -> None:
        """Let the key refuse everything until `enable`."""
        self._change(arn, state=KeyState.DISABLED)

    def enable(self, arn: str) -> None:
        """Let the key work again, whatever it was before."""
        self._change(arn, state=KeyState.ENABLED)

    def schedule_deletion(self, arn: str) -> None:
        """Let the key wait for its end; `enable` saves it."""
        self._change(arn, state=KeyState.PENDING_DELETION)

    def remove(self, arn: str) -> None:
        """Destroy the key."""
        with self._lock:
            del self._keys[arn]
            self._defaults = {account: held for account, held in self._defaults.items() if held != arn}

    def rotate(self, arn: str) -> None:
        """Give the key new material; old wrappings still open."""
        with self._lock:
            key = self._keys[arn]
            self._keys[arn] = replace(key, materials=(*key.materials, self._entropy.take(32)))

    def put_policy(self, arn: str, policy: str | None) -> None:
        """Replace the key's policy."""
        self._change(arn, policy=policy)

    def deny(self, arn: str) -> None:
        """Let the provider refuse us this key: AccessDeniedException, whatever is asked."""
        self._change(arn, denied=True)

    def allow(self, arn: str) -> None:
        """Take `deny` back."""
        self._change(arn, denied=False)

    def go_away(self) -> None:
        """Let nothing answer any more: KeyProviderUnavailable."""
        self._away = True

    def come_back(self) -> None:
        """Take `go_away` back."""
        self._away = False

    # --- the contract

    @property
    def name(self) -> str:
        return "keys in memory"

    @property
    def remote(self) -> bool:
        return self._remote

    @property
    def accounts_are_ours(self) -> bool:
        return self._accounts_are_ours

    def describe(self, key_arn: str) -> KeyDescription:
        self._count("describe")
        return self._described(key_arn, self._find(key_arn, "kms:DescribeKey"))

    def default_key_arn(self, account_id: AccountId) -> str:
        self._count("default_key_arn")
        with self._lock:
            known = self._defaults.get(account_id)
        if known is not None:
            return known
        made = self.make_key(account_id, manager=KeyManager.AWS)
        with self._lock:
            # Somebody may have been faster: then theirs it is, and ours was never told to anybody.
            chosen = self._defaults.setdefault(account_id, made)
            if chosen != made:
                del self._keys[made]
        return chosen

    def generate_data_key(self, key_arn: str, context: EncryptionContext, *, size_bytes: int) -> DataKey:
        assert 1 <= size_bytes <= DATA_KEY_BYTES_MAX
        self._count("generate_data_key")
        key = self._usable(key_arn, "kms:GenerateDataKey")
        plaintext = self._entropy.take(size_bytes)
        return DataKey(
            plaintext=plaintext,
            wrapping=self._wrap(key, key_arn, plaintext, context),
            key_version=str(len(key.materials)),
        )

    def decrypt(self, key_arn: str, wrapping: bytes, context: EncryptionContext) -> bytes:
        self._count("decrypt")
        return _unwrap(self._usable(key_arn, "kms:Decrypt"), key_arn, wrapping, context)

    def re_encrypt(
        self,
        key_arn: str,
        wrapping: bytes,
        context: EncryptionContext,
        *,
        to_key_arn: str,
        to_context: EncryptionContext,
    ) -> tuple[bytes, str]:
        self._count("re_encrypt")
        plaintext = _unwrap(self._usable(key_arn, "kms:ReEncryptFrom"), key_arn, wrapping, context)
        to_key = self._usable(to_key_arn, "kms:ReEncryptTo")
        return self._wrap(to_key, to_key_arn, plaintext, to_context), str(len(to_key.materials))

    def close(self) -> None:
        """Keep everything: a test may look again."""

    # --- helpers

    def _count(self, method: str) -> None:
        with self._lock:
            self.calls[method] += 1
        if self._away:
            raise KeyProviderUnavailable(f"{self.name} do not answer: let them come back")

    def _change(self, arn: str, **changes: object) -> None:
        with self._lock:
            self._keys[arn] = replace(self._keys[arn], **changes)  # type: ignore[arg-type]  # our own callers

    def _find(self, arn: str, action: str) -> _Key:
        parse_key_arn(arn)
        with self._lock:
            key = self._keys.get(arn)
        if key is None:
            raise key_not_found(arn)
        if key.denied:
            raise KmsError("AccessDeniedException", f"{self.name} do not let us call {action} on {arn}")
        return key

    def _usable(self, arn: str, action: str) -> _Key:
        key = self._find(arn, action)
        check_usable(self._described(arn, key))
        return key

    def _described(self, arn: str, key: _Key) -> KeyDescription:
        return KeyDescription(
            arn=arn,
            account_id=key.account_id,
            state=key.state,
            manager=key.manager,
            key_version=str(len(key.materials)),
            policy=key.policy,
            symmetric=key.symmetric,
        )

    def _wrap(self, key: _Key, arn: str, plaintext: bytes, context: EncryptionContext) -> bytes:
        version, nonce = len(key.materials), self._entropy.take(_NONCE_BYTES)
        sealed = AESGCM(key.materials[-1]).encrypt(nonce, plaintext, _bound(arn, context))
        return version.to_bytes(_VERSION_BYTES) + nonce + sealed


def _unwrap(key: _Key, arn: str, wrapping: bytes, context: EncryptionContext) -> bytes:
    version = int.from_bytes(wrapping[:_VERSION_BYTES])
    nonce = wrapping[_VERSION_BYTES : _VERSION_BYTES + _NONCE_BYTES]
    if not 1 <= version <= len(key.materials) or len(nonce) != _NONCE_BYTES:
        raise invalid_ciphertext()
    try:
        return AESGCM(key.materials[version - 1]).decrypt(
            nonce, wrapping[_VERSION_BYTES + _NONCE_BYTES :], _bound(arn, context)
        )
    except InvalidTag:
        raise invalid_ciphertext() from None


def _bound(arn: str, context: EncryptionContext) -> bytes:
    return json.dumps([arn, dict(context)], sort_keys=True, separators=(",", ":")).encode()
