"""Where chunks lie: the words that metadata, segments and whoever reads both have in common."""

from dataclasses import dataclass
from enum import IntEnum
from typing import NewType

from neve.domain.blocks import ChunkId, ChunkKind
from neve.domain.identities import DomainKey

SegmentName = NewType("SegmentName", str)
"""32 lower-case hex digits, random; reserved before its bytes are written and never used twice."""


class Encoding(IntEnum):
    """How a chunk's bytes stand in its segment. Part of the format: the numbers never change."""

    RAW = 0
    ZSTD = 1
    SEALED_RAW = 2
    SEALED_ZSTD = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkRecord:
    """Where the bytes of a chunk lie: what a batch publishes and what a reader needs."""

    domain_key: DomainKey
    chunk_id: ChunkId
    kind: ChunkKind
    encoding: Encoding
    segment: SegmentName
    offset: int
    stored_bytes: int
    plain_bytes: int
