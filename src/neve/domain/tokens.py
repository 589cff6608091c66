"""Block tokens and page tokens: sealed, bound, expiring, and without a database row.

    token = hex( version 1 | AES-SIV( expiry, salt, payload; associated data = what it is bound to ) )

A block token is bound to its snapshot and index and carries the chunk id, so that redeeming one walks no
block map. A page token is bound to its operation and the request's subject and carries where to go on.
AES-SIV (RFC 5297) needs no nonce; the salt makes every list answer mint different tokens (contract 6.2).
Hex keeps to the SDK model's alphabet and needs no percent-encoding (contract 6.2, choice 43).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from neve.domain.blocks import BlockIndex, ChunkId
from neve.domain.identities import SnapshotId

TOKEN_KEY_BYTES = 64
SALT_BYTES = 8
_VERSION = "01"
_EXPIRY_BYTES = 6
_HEX = re.compile(r"(?:[0-9a-f]{2})+", re.ASCII)
_CHUNK_ID_BYTES = 32


class TokenInvalid(ValueError):
    """Forged, expired, altered, or bound to something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What the tokens of one answer share."""

    expires_ms: int
    salt: bytes

    def __post_init__(self) -> None:
        assert len(self.salt) == SALT_BYTES


class TokenMint:
    """Makes and reads tokens under one key. Immutable; safe from any thread."""

    def __init__(self, key: bytes) -> None:
        assert len(key) == TOKEN_KEY_BYTES
        self._siv = AESSIV(key)

    def block_token(self, stamp: Stamp, snapshot_id: SnapshotId, index: BlockIndex, chunk_id: ChunkId) -> str:
        """Return a token that reads one block of one snapshot until the stamp expires."""
        return self._mint(stamp, chunk_id, _block_binding(snapshot_id, index))

    def read_block_token(
        self, token: str, snapshot_id: SnapshotId, index: BlockIndex, *, now_ms: int
    ) -> ChunkId:
        """Return the chunk id inside a block token.

        Raises:
            TokenInvalid
        """
        payload = self._read(token, _block_binding(snapshot_id, index), now_ms)
        if len(payload) != _CHUNK_ID_BYTES:
            raise TokenInvalid
        return ChunkId(payload)

    def page_token(self, stamp: Stamp, operation: str, subject: Sequence[str], position: int) -> str:
        """Return a token with which `operation` on `subject` goes on at `position`."""
        return self._mint(stamp, position.to_bytes(8), _page_binding(operation, subject))

    def read_page_token(self, token: str, operation: str, subject: Sequence[str], *, now_ms: int) -> int:
        """Return the position inside a page token.

        Raises:
            TokenInvalid
        """
        payload = self._read(token, _page_binding(operation, subject), now_ms)
        if len(payload) != 8:
            raise TokenInvalid
        return int.from_bytes(payload)

    def _mint(self, stamp: Stamp, payload: bytes, binding: list[bytes]) -> str:
        plain = stamp.expires_ms.to_bytes(_EXPIRY_BYTES) + stamp.salt + payload
        return _VERSION + self._siv.encrypt(plain, binding).hex()

    def _read(self, token: str, binding: list[bytes], now_ms: int) -> bytes:
        if not token.startswith(_VERSION) or _HEX.fullmatch(token) is None:
            raise TokenInvalid
        try:
            plain = self._siv.decrypt(bytes.fromhex(token[len(_VERSION) :]), binding)
        except (InvalidTag, ValueError):
            raise TokenInvalid from None
        if len(plain) < _EXPIRY_BYTES + SALT_BYTES or now_ms >= int.from_bytes(plain[:_EXPIRY_BYTES]):
            raise TokenInvalid
        return plain[_EXPIRY_BYTES + SALT_BYTES :]


def _block_binding(snapshot_id: SnapshotId, index: BlockIndex) -> list[bytes]:
    return [b"block", snapshot_id.encode(), index.to_bytes(8)]


def _page_binding(operation: str, subject: Sequence[str]) -> list[bytes]:
    return [b"page", operation.encode(), *(part.encode() for part in subject), len(subject).to_bytes(2)]
