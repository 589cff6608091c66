"""How a chunk of an encrypted domain becomes bytes that say nothing, and back (docs/format.md, "Sealed chunks").

    encoded chunk ─▶ generation (4) · nonce (12) · AES-256-GCM ciphertext · tag (16) ─▶ encoded chunk, or ChunkDamaged

Each chunk has a key of its own, made from its generation's key and its id by HKDF-Expand (RFC 5869, 2.3: one
HMAC; the keys that go in are uniformly random, so there is nothing to extract). A random nonce then only has to be
new among the few times that one chunk is sealed, not among all chunks of a domain. The associated data names
everything a stored chunk can be confused in: its domain, generation, id, kind, encoding and length.

It knows no key provider and no records: keys come from whoever makes a cipher. Domains that are not encrypted have
`Unsealed` in its place, so that whoever stores or reads chunks does the same for both.
"""

import hmac
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from neve.clock import Entropy
from neve.domain.blocks import ChunkId, ChunkKind
from neve.errors import ChunkDamaged, InvariantError
from neve.storage.chunk_codec import SEALED_OVERHEAD_BYTES, Encoded
from neve.stores.metadata.placement import Encoding

GENERATION_BYTES: Final = 4
"""What a sealed chunk begins with: enough to say which key opens it."""
MAP_GENERATION: Final = 0
"""Stands where a generation of the data key stands, in chunks sealed under the domain's map key."""
KEY_BYTES: Final = 32

_HEAD = struct.Struct(">I12s")
"""generation, nonce"""
_NONCE_BYTES = 12
_TAG_BYTES = 16
assert _HEAD.size + _TAG_BYTES == SEALED_OVERHEAD_BYTES

_BOUND = struct.Struct(">19s16sI32sBBI")
"""label and version, domain uid, generation, chunk id, kind, encoding of what is sealed, plain bytes"""
_BOUND_LABEL = b"neve/1 sealed chunk"
_KEY_LABEL = b"neve/1 chunk key"
_FIRST_BLOCK = b"\x01"
"""RFC 5869, 2.3: T(1) is the whole output where as much is wanted as the hash gives."""

_SEALED: Final = {Encoding.RAW: Encoding.SEALED_RAW, Encoding.ZSTD: Encoding.SEALED_ZSTD}
_OPENED: Final = {sealed: encoding for encoding, sealed in _SEALED.items()}

KeyOf = Callable[[int], bytes]
"""Return the key of a generation.

Raises:
    ChunkDamaged: there is no such generation.
"""
HasKey = Callable[[int], bool]
"""Return whether the key of a generation can be had."""


class ChunkSeal(Protocol):
    """What stands between encoded chunks and segments. Safe from any thread."""

    def seal(self, chunk_id: ChunkId, kind: ChunkKind, encoded: Encoded) -> Encoded:
        """Return the chunk as it may be stored.

        Raises:
            InvariantError: it would not open again. Nothing may be acknowledged.
        """
        ...

    def open(self, chunk_id: ChunkId, kind: ChunkKind, stored: Encoded) -> Encoded:
        """Return the chunk as it was encoded.

        Raises:
            ChunkDamaged: it is not that chunk, or not as it was stored.
        """
        ...

    @property
    def has_older_keys(self) -> bool:
        """True if chunks may be sealed under other keys than the one that new ones are sealed under."""
        ...

    def has_key_of(self, head: bytes) -> bool:
        """Return whether the key can be had of a stored chunk that begins with these GENERATION_BYTES.

        Raises:
            StoreError: nobody can say just now.
        """
        ...


class Unsealed:
    """Chunks of a domain that is not encrypted pass as they are."""

    def seal(self, chunk_id: ChunkId, kind: ChunkKind, encoded: Encoded) -> Encoded:
        """Return `encoded`."""
        del chunk_id, kind
        assert encoded.encoding in _SEALED
        return encoded

    def open(self, chunk_id: ChunkId, kind: ChunkKind, stored: Encoded) -> Encoded:
        """Return `stored`, unless it is sealed: none of this domain's is."""
        del kind
        if stored.encoding in _OPENED:
            raise ChunkDamaged(f"chunk {chunk_id.hex()} is sealed, and its domain is not encrypted")
        return stored

    has_older_keys = False

    def has_key_of(self, head: bytes) -> bool:
        """Return True: it takes none."""
        del head
        return True


class Locked:
    """Stands for the blocks of an encrypted domain for as long as nobody asked for its data keys."""

    def seal(self, chunk_id: ChunkId, kind: ChunkKind, encoded: Encoded) -> Encoded:
        """Refuse."""
        del chunk_id, kind, encoded
        raise InvariantError("a block of an encrypted domain is written without its data keys")

    def open(self, chunk_id: ChunkId, kind: ChunkKind, stored: Encoded) -> Encoded:
        """Refuse."""
        del chunk_id, kind, stored
        raise InvariantError("a block of an encrypted domain is read without its data keys")

    has_older_keys = True

    def has_key_of(self, head: bytes) -> bool:
        """Refuse."""
        del head
        raise InvariantError("a block of an encrypted domain is looked for without its data keys")


class ChunkCipher:
    """Seals chunks of one domain under one generation, and opens those of every generation it has keys of."""

    def __init__(
        self,
        *,
        domain_uid: bytes,
        seals_with: int,
        key_of: KeyOf,
        entropy: Entropy,
        has_key: HasKey = lambda _: True,
    ) -> None:
        self._domain_uid = domain_uid
        self._seals_with = seals_with
        self._key_of = key_of
        self._has_key = has_key
        self._entropy = entropy

    def seal(self, chunk_id: ChunkId, kind: ChunkKind, encoded: Encoded) -> Encoded:
        """Return the chunk sealed, after it was opened again and compared.

        Raises:
            InvariantError: it opened to something else.
            StoreError: whatever else `key_of` raises.
        """
        generation = self._seals_with
        box = AESGCM(chunk_key(self._key_of(generation), chunk_id))
        nonce = self._entropy.take(_NONCE_BYTES)
        bound = self._bound(generation, chunk_id, kind, encoded.encoding, encoded.plain_bytes)
        sealed = bytearray(len(encoded.data) + SEALED_OVERHEAD_BYTES)
        _HEAD.pack_into(sealed, 0, generation, nonce)
        view = memoryview(sealed)
        box.encrypt_into(nonce, encoded.data, bound, view[_HEAD.size :])
        _check_opens_again(box, nonce, view[_HEAD.size :], bound, encoded.data)
        return Encoded(
            encoding=_SEALED[encoded.encoding], data=view.toreadonly(), plain_bytes=encoded.plain_bytes
        )

    def open(self, chunk_id: ChunkId, kind: ChunkKind, stored: Encoded) -> Encoded:
        """Return what `seal` was given.

        Raises:
            ChunkDamaged: not sealed, or altered, cut, or sealed as another chunk than this.
            StoreError: whatever else `key_of` raises.
        """
        encoding = _OPENED.get(stored.encoding)
        if encoding is None:
            raise ChunkDamaged(f"chunk {chunk_id.hex()} is not sealed, and its domain is encrypted")
        if len(stored.data) <= SEALED_OVERHEAD_BYTES:
            raise ChunkDamaged(f"chunk {chunk_id.hex()} is shorter than any that is sealed")
        generation, nonce = _HEAD.unpack_from(stored.data)
        box = AESGCM(chunk_key(self._key_of(generation), chunk_id))
        bound = self._bound(generation, chunk_id, kind, encoding, stored.plain_bytes)
        try:
            data = box.decrypt(nonce, memoryview(stored.data)[_HEAD.size :], bound)
        except InvalidTag:
            raise ChunkDamaged(
                f"chunk {chunk_id.hex()} does not open under generation {generation}: altered, or another chunk"
            ) from None
        return Encoded(encoding=encoding, data=data, plain_bytes=stored.plain_bytes)

    @property
    def has_older_keys(self) -> bool:
        """True if this is not the first generation that seals blocks."""
        return self._seals_with > MAP_GENERATION + 1

    def has_key_of(self, head: bytes) -> bool:
        """Return whether the key can be had of a stored chunk that begins with these GENERATION_BYTES.

        Raises:
            StoreError: whatever `has_key` raises.
        """
        return self._has_key(int.from_bytes(head))

    def _bound(
        self, generation: int, chunk_id: ChunkId, kind: ChunkKind, encoding: Encoding, plain_bytes: int
    ) -> bytes:
        return _BOUND.pack(_BOUND_LABEL, self._domain_uid, generation, chunk_id, kind, encoding, plain_bytes)


def chunk_key(generation_key: bytes, chunk_id: ChunkId) -> bytes:
    """Return HKDF-Expand-SHA-256(generation key, label and chunk id, 32 bytes)."""
    assert len(generation_key) == KEY_BYTES
    return hmac.digest(generation_key, _KEY_LABEL + chunk_id + _FIRST_BLOCK, "sha256")


_scratch: list[bytearray] = []
"""Where what was just sealed is opened, used again by whoever seals next: the one that was used last is still in the
processor's cache. As many as threads compute at once."""
_SCRATCH_KEPT_MAX: Final = 8


def _check_opens_again(
    box: AESGCM, nonce: bytes, ciphertext: memoryview, bound: bytes, expected: bytes | memoryview
) -> None:
    size = len(expected)
    opened = bytearray()
    with suppress(IndexError):
        opened = _scratch.pop()
    if len(opened) < size:
        opened = bytearray(size)
    try:
        box.decrypt_into(nonce, ciphertext, bound, memoryview(opened)[:size])
    except InvalidTag:
        raise InvariantError("a chunk just sealed does not open") from None
    if not opened.startswith(expected):
        raise InvariantError("a chunk just sealed opens to other bytes")
    if len(_scratch) < _SCRATCH_KEPT_MAX:
        _scratch.append(opened)
