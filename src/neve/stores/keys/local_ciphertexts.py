"""What the local keyring's ciphertexts are made of (docs/format.md, "KMS ciphertexts").

    version 1 | key id 16 | material version 4 | salt 32 | AES-256-GCM ciphertext | tag 16
    └──────────────── header ─────────────────────────┘
    key 32, nonce 12 = HKDF-SHA-256(material, salt, "neve/1 kms ciphertext")
    associated data  = header | encryption context

Every ciphertext has a key and a nonce of its own, from 32 random bytes: one key may make 2^64 of them and the chance
that any two share their salt stays below 2^-128, where random 12-byte nonces under one key wear out after 2^32.
The header is bound, so that a ciphertext speaks the truth about its key or does not open.
"""

import uuid
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from neve.domain.kms_keys import EncryptionContext, KmsKeyId
from neve.stores.keys.key_arns import invalid_ciphertext

MATERIAL_BYTES: Final = 32
SALT_BYTES: Final = 32

_VERSION: Final = b"\x01"
_KEY_ID_BYTES: Final = 16
_MATERIAL_VERSION_BYTES: Final = 4
_LENGTH_BYTES: Final = 4
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_HEADER_BYTES: Final = len(_VERSION) + _KEY_ID_BYTES + _MATERIAL_VERSION_BYTES + SALT_BYTES
_INFO: Final = b"neve/1 kms ciphertext"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ciphertext:
    """A ciphertext taken apart. What it says of itself is proven by opening it, not before."""

    key_id: KmsKeyId
    material_version: int
    header: bytes = field(repr=False)
    salt: bytes = field(repr=False)
    sealed: bytes = field(repr=False)


def parse(ciphertext: bytes) -> Ciphertext:
    """Return the parts of a ciphertext.

    Raises:
        KmsError: InvalidCiphertextException if it is none of the local keyring's.
    """
    if ciphertext[:1] != _VERSION or len(ciphertext) < _HEADER_BYTES + _TAG_BYTES:
        raise invalid_ciphertext()
    header, sealed = ciphertext[:_HEADER_BYTES], ciphertext[_HEADER_BYTES:]
    id_end = len(_VERSION) + _KEY_ID_BYTES
    version_end = id_end + _MATERIAL_VERSION_BYTES
    return Ciphertext(
        key_id=KmsKeyId(str(uuid.UUID(bytes=header[len(_VERSION) : id_end]))),
        material_version=int.from_bytes(header[id_end:version_end]),
        header=header,
        salt=header[version_end:],
        sealed=sealed,
    )


def seal(
    plaintext: bytes,
    *,
    key_id: KmsKeyId,
    material_version: int,
    material: bytes,
    salt: bytes,
    context: EncryptionContext,
) -> bytes:
    """Return `plaintext` as a ciphertext. `salt` is fresh random bytes, never used before."""
    assert len(salt) == SALT_BYTES
    header = b"".join(
        (_VERSION, uuid.UUID(key_id).bytes, material_version.to_bytes(_MATERIAL_VERSION_BYTES), salt)
    )
    key, nonce = _key_and_nonce(material, salt)
    return header + AESGCM(key).encrypt(nonce, plaintext, header + canonical_context(context))


def unseal(ciphertext: Ciphertext, *, material: bytes, context: EncryptionContext) -> bytes:
    """Return what was sealed.

    Raises:
        KmsError: InvalidCiphertextException: altered, or another key's or context's.
    """
    key, nonce = _key_and_nonce(material, ciphertext.salt)
    try:
        return AESGCM(key).decrypt(nonce, ciphertext.sealed, ciphertext.header + canonical_context(context))
    except InvalidTag:
        raise invalid_ciphertext() from None


def canonical_context(context: EncryptionContext) -> bytes:
    """Return the one form of a context in bytes: no two contexts share theirs, and order does not matter."""
    pairs = sorted((name.encode(), value.encode()) for name, value in context.items())
    parts = [len(pairs).to_bytes(_LENGTH_BYTES)]
    for pair in pairs:
        for text in pair:
            parts += (len(text).to_bytes(_LENGTH_BYTES), text)
    return b"".join(parts)


def _key_and_nonce(material: bytes, salt: bytes) -> tuple[bytes, bytes]:
    kdf = HKDF(algorithm=SHA256(), length=_KEY_BYTES + _NONCE_BYTES, salt=salt, info=_INFO)
    derived = kdf.derive(material)
    return derived[:_KEY_BYTES], derived[_KEY_BYTES:]
