"""The contract every key provider keeps: the KMS operations a snapshot service needs (contract 10).

    generate_data_key ─▶ plaintext (used, cached briefly) + wrapping (stored) ─▶ decrypt ─▶ plaintext
                                                                  └─ re_encrypt ─▶ a newer wrapping

A provider knows keys and ciphertexts. It does not know who asks: whether a caller may use a key is decided before
it is asked, by policies and grants. What it refuses is a `KmsError` with KMS's own code; that it cannot be reached,
is sealed, or does not let *us* in is a `KeyProviderUnavailable`.

Promises (checked against every implementation by `neve.testing.key_provider_contract`)
    bound          a wrapping opens only with the encryption context and the key it was made with.
    at once        a key that is disabled, pending deletion or gone opens and wraps nothing more from the moment the
                   provider knows; `describe` never fails for a key that exists.
    rotation       after a key's material was rotated, old wrappings open, `key_version` differs, and `re_encrypt` gives
                   a wrapping of the newest version.
    shared         every method may be called from any number of threads at once.
    closed-mouthed no exception of a client library escapes; no key material in any message.

KMS codes raised: NotFoundException, DisabledException, KMSInvalidStateException, InvalidKeyUsageException,
InvalidCiphertextException, AccessDeniedException (the provider does not let us use this key), ThrottlingException.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from neve.domain.identities import AccountId
from neve.domain.kms_keys import EncryptionContext, KeyManager, KeyState


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyDescription:
    """What there is to know of a key without using it."""

    arn: str
    account_id: str
    """The account in the ARN."""
    state: KeyState
    manager: KeyManager
    key_version: str
    """Names the material new wrappings are made with; another text after a rotation. Empty if the provider does
    not tell."""
    policy: str | None
    """Key policy as JSON; None where the provider keeps to itself who may do what."""
    symmetric: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)
    """What policies may ask for as `aws:ResourceTag`; empty where the provider does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataKey:
    """A fresh key, in the clear and wrapped."""

    plaintext: bytes = field(repr=False)
    wrapping: bytes = field(repr=False)
    key_version: str
    """As `KeyDescription.key_version` was when it was wrapped."""


class KeyProvider(Protocol):
    """Keys, kept. See the module's text for the promises."""

    @property
    def name(self) -> str:
        """What operators call it: `local keyring`, `OpenBao at https://…`."""
        ...

    @property
    def remote(self) -> bool:
        """True if asking costs a network's round trip: then descriptions are remembered for a moment."""
        ...

    @property
    def accounts_are_ours(self) -> bool:
        """True if the account in a key's ARN is one of this service.

        Then a key is its account's: nobody else uses it unless its key policy or a grant says so, and nobody at all
        where there is neither. False where accounts are somebody else's, who alone knows what they mean.
        """
        ...

    def describe(self, key_arn: str) -> KeyDescription:
        """Return what there is to know of a key, whatever its state.

        Raises:
            KmsError: NotFoundException, AccessDeniedException, InvalidArnException.
            KeyProviderUnavailable
        """
        ...

    def default_key_arn(self, account_id: AccountId) -> str:
        """Return the key an account's snapshots are encrypted with when nobody names one; made at its first use.

        Raises:
            KmsError: NotFoundException where the provider makes no keys by itself and none is configured.
            KeyProviderUnavailable
        """
        ...

    def generate_data_key(self, key_arn: str, context: EncryptionContext, *, size_bytes: int) -> DataKey:
        """Return `size_bytes` (1 to 1024) fresh random bytes, and the same wrapped under the key.

        Raises:
            KmsError, KeyProviderUnavailable
        """
        ...

    def decrypt(self, key_arn: str, wrapping: bytes, context: EncryptionContext) -> bytes:
        """Return what a wrapping holds.

        Raises:
            KmsError: InvalidCiphertextException for another key's, another context's or an altered wrapping.
            KeyProviderUnavailable
        """
        ...

    def re_encrypt(
        self,
        key_arn: str,
        wrapping: bytes,
        context: EncryptionContext,
        *,
        to_key_arn: str,
        to_context: EncryptionContext,
    ) -> tuple[bytes, str]:
        """Return the same content wrapped under the newest material of another key (or the same), and its version.

        Raises:
            KmsError, KeyProviderUnavailable
        """
        ...

    def close(self) -> None:
        """Let go of connections and of key material in memory. Repeating it changes nothing."""
        ...
