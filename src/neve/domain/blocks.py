"""Blocks and chunks: indexes, checksums, identities.

A block is one aligned piece of a volume. A chunk is the stored form of some content: a block's bytes,
or one node of a block map. What a chunk is called follows from what it holds (`chunk_id`).
"""

import base64
import hashlib
import hmac
from enum import IntEnum
from functools import lru_cache
from typing import NewType

BlockIndex = NewType("BlockIndex", int)
"""Position of a block in its volume, from 0."""

Digest = NewType("Digest", bytes)
"""SHA-256 of some content, 32 bytes."""

ChunkId = NewType("ChunkId", bytes)
"""Identity of some content inside one domain, 32 bytes: see `chunk_id`."""

ZERO_CHUNK_ID = ChunkId(bytes(32))
"""A written block of zeros. It has no bytes in any segment and no chunk row (docs/format.md)."""


class ChunkKind(IntEnum):
    """What a chunk's content is. Part of the format: the numbers never change."""

    BLOCK = 1
    NODE = 2


def digest(content: bytes) -> Digest:
    """Return SHA-256 of `content`."""
    return Digest(hashlib.sha256(content).digest())


def chunk_id(id_key: bytes, content_digest: Digest) -> ChunkId:
    """Return HMAC-SHA-256(domain id key, SHA-256(content)).

    The API demands the SHA-256 anyway, so identity costs one short HMAC more; keying it by domain keeps
    equal contents of two domains apart, so that nobody learns what another account holds.
    """
    return ChunkId(hmac.digest(id_key, content_digest, "sha256"))


@lru_cache(maxsize=4)
def zero_block(block_bytes: int) -> bytes:
    """Return a block of zeros."""
    return bytes(block_bytes)


@lru_cache(maxsize=4)
def zero_block_digest(block_bytes: int) -> Digest:
    """Return SHA-256 of a block of zeros."""
    return digest(zero_block(block_bytes))


def checksum_b64(content_digest: Digest) -> str:
    """Return the API's form of a checksum: base64 of the 32 digest bytes, padded."""
    return base64.b64encode(content_digest).decode("ascii")


class LinearAggregate:
    """The LINEAR checksum of a snapshot (contract 5.1).

    SHA-256 over the raw 32-byte digests of the blocks written to it, each once, in ascending index order.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, content_digest: Digest) -> None:
        """Take the digest of the next block; the caller goes in ascending index order."""
        self._hash.update(content_digest)

    def digest(self) -> Digest:
        """Return the aggregate of the digests so far."""
        return Digest(self._hash.digest())
