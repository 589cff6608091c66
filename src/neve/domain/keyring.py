"""What is derived from a store's master key, and what is sealed under it.

    master key ─HKDF─▶ a key for each purpose ─AES-256-GCM─▶ sealed secrets, id keys, objects of the archive
                                              ─AES-SIV─────▶ tokens (domain/tokens.py)

The associated data of a sealed value names what it belongs to, so that a value moved to another row does not
open. Sealed form: version byte 1, 12-byte nonce, ciphertext and 16-byte tag (docs/format.md).
HKDF is RFC 5869, AES-GCM is NIST SP 800-38D.
"""

from enum import StrEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from neve.clock import Entropy
from neve.errors import StoreUnusable

MASTER_KEY_BYTES = 32
_VERSION = b"\x01"
_NONCE_BYTES = 12
_FINGERPRINT_BYTES = 4


class Purpose(StrEnum):
    """What a derived key is for. Part of the format: the words never change."""

    ACCESS_KEY_SECRET = "access key secret"  # noqa: S105 - a label
    DOMAIN_ID_KEY = "domain id key"
    TOKENS = "tokens"
    KMS_KEY_MATERIAL = "kms key material"
    SESSION_TOKENS = "session tokens"
    GRANT_TOKENS = "grant tokens"
    AUDIT_LOG = "audit log"
    ARCHIVE = "archive"


_FINGERPRINT = "fingerprint"
"""No purpose: nothing is ever sealed under what is derived for it, so that it may be shown."""


def master_key_fingerprint(master_key: bytes) -> str:
    """Return eight hex digits that tell master keys apart and may be known to anybody."""
    return _derived(master_key, _FINGERPRINT, _FINGERPRINT_BYTES).hex()


class Keyring:
    """The master key, and the keys derived from it. Immutable; safe from any thread."""

    def __init__(self, master_key: bytes, entropy: Entropy) -> None:
        if len(master_key) != MASTER_KEY_BYTES:
            raise StoreUnusable(f"a master key has {MASTER_KEY_BYTES} bytes, this one has {len(master_key)}")
        self._master_key = master_key
        self._entropy = entropy
        self._boxes = {purpose: AESGCM(self.derive(purpose, 32)) for purpose in Purpose}

    def derive(self, purpose: Purpose, size_bytes: int) -> bytes:
        """Return the key of `purpose`; the same for the same master key, for ever."""
        return _derived(self._master_key, purpose, size_bytes)

    def seal(self, purpose: Purpose, secret: bytes, *, belongs_to: str) -> bytes:
        """Return `secret` sealed so that it opens only for the same purpose and owner."""
        nonce = self._entropy.take(_NONCE_BYTES)
        return _VERSION + nonce + self._boxes[purpose].encrypt(nonce, secret, belongs_to.encode())

    def open(self, purpose: Purpose, sealed: bytes, *, belongs_to: str) -> bytes:
        """Return what `seal` was given.

        Raises:
            StoreUnusable: sealed under another master key, for another owner, or tampered with.
        """
        nonce, ciphertext = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            if sealed[:1] != _VERSION:
                raise InvalidTag
            return self._boxes[purpose].decrypt(nonce, ciphertext, belongs_to.encode())
        except (InvalidTag, ValueError):
            raise StoreUnusable(
                f"the {purpose} of {belongs_to} does not open: this is not the master key it was sealed under, "
                "or the record was altered. Start with the master key this store was created with."
            ) from None


def _derived(master_key: bytes, label: str, size_bytes: int) -> bytes:
    kdf = HKDF(algorithm=SHA256(), length=size_bytes, salt=None, info=b"neve/1 " + label.encode())
    return kdf.derive(master_key)
