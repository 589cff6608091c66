"""The bytes of a segment: header, chunks, a table of them, footer (docs/format.md, "Segments").

    0         header    magic, version, the segment's name
    32        chunks    stored bytes, one after another, nothing between
    T         table     one entry for each chunk, in the chunks' order
    T + n*68  footer    where the table is, SHA-256 of all but the chunks, magic

Pure: bytes and values in, bytes and values out. Opening a chunk is `chunk_cipher`'s and `chunk_codec`'s business, and
whether it is the right one is said by its id. The table is not needed for reading (the metadata store knows where
each chunk lies) but for verification, and for making the metadata again from the segments alone.
"""

import hashlib
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from neve import limits
from neve.domain.blocks import ZERO_CHUNK_ID, ChunkId, ChunkKind
from neve.errors import ChunkDamaged, StoreUnusable
from neve.storage.chunk_codec import PLAIN_BYTES_MAX, SEALED_OVERHEAD_BYTES, Encoded
from neve.stores.metadata.placement import Encoding, SegmentName

VERSION = 1
ENTRIES_MAX = 64 * limits.KIB
"""Part of the format, so that a reader knows how much memory a table can take (4.25 MiB)."""

DOMAIN_UID_BYTES = 16
CHUNK_ID_BYTES = 32

_HEADER_MAGIC = b"\x89NVS\r\n\x1a\n"
"""As PNG's: a transfer that strips a bit or changes line ends breaks it."""
_FOOTER_MAGIC = b"NVSEGEND"

_HEADER = struct.Struct(">8sII16s")
"""magic, version, reserved (zero), name"""
_ENTRY = struct.Struct(">16s32sBBHQII")
"""domain uid, chunk id, kind, encoding, reserved (zero), offset, stored bytes, plain bytes"""
_FOOTER_HEAD = struct.Struct(">QII")
"""table offset, table bytes, entry count"""
_DIGEST_BYTES = 32
FOOTER_BYTES = _FOOTER_HEAD.size + _DIGEST_BYTES + len(_FOOTER_MAGIC)
HEADER_BYTES = _HEADER.size
ENTRY_BYTES = _ENTRY.size

Read = Callable[[int, int], bytes]
"""Return `size` bytes from `offset` of one segment, or raise a StoreError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentEntry:
    """A chunk that shall stand in a segment."""

    domain_uid: bytes
    chunk_id: ChunkId
    kind: ChunkKind
    encoded: Encoded


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkLocation:
    """A chunk that stands in a segment: one row of its table."""

    domain_uid: bytes
    chunk_id: ChunkId
    kind: ChunkKind
    encoding: Encoding
    offset: int
    stored_bytes: int
    plain_bytes: int


class BuiltSegment(NamedTuple):
    """A segment ready to be written: the concatenation of `parts`."""

    parts: Sequence[bytes | memoryview]
    locations: Sequence[ChunkLocation]
    """Where each entry will lie, in the order given."""

    @property
    def size_bytes(self) -> int:
        return sum(len(part) for part in self.parts)


def build(name: SegmentName, entries: Sequence[SegmentEntry]) -> BuiltSegment:
    """Lay out a segment of `entries`, each (domain, chunk id) once. Copies no chunk's bytes."""
    assert 0 < len(entries) <= ENTRIES_MAX
    assert len({(entry.domain_uid, entry.chunk_id) for entry in entries}) == len(entries)
    locations = []
    offset = HEADER_BYTES
    for entry in entries:
        location = ChunkLocation(
            domain_uid=entry.domain_uid,
            chunk_id=entry.chunk_id,
            kind=entry.kind,
            encoding=entry.encoded.encoding,
            offset=offset,
            stored_bytes=len(entry.encoded.data),
            plain_bytes=entry.encoded.plain_bytes,
        )
        assert _is_sound(location)
        locations.append(location)
        offset += location.stored_bytes
    header = _HEADER.pack(_HEADER_MAGIC, VERSION, 0, _name_bytes(name))
    table = b"".join(map(_pack_entry, locations))
    footer = _footer(header, table, table_offset=offset, entry_count=len(locations))
    return BuiltSegment([header, *(entry.encoded.data for entry in entries), table + footer], locations)


def read_table(name: SegmentName, size_bytes: int, read: Read) -> Sequence[ChunkLocation]:
    """Return what a segment of `size_bytes` bytes says it holds, after checking all of it but the chunks.

    Raises:
        ChunkDamaged: it is not the segment `name` as it was written.
        StoreUnusable: it was written by a version that knows more.
        StoreError: whatever `read` raises.
    """
    if size_bytes < HEADER_BYTES + FOOTER_BYTES:
        raise _damaged(name, f"it has {size_bytes} bytes, which is less than an empty one has")
    header = read(0, HEADER_BYTES)
    _check_header(name, header)
    footer = read(size_bytes - FOOTER_BYTES, FOOTER_BYTES)
    table_offset, table_bytes, entry_count = _FOOTER_HEAD.unpack_from(footer)
    if not 0 < entry_count <= ENTRIES_MAX or table_bytes != entry_count * ENTRY_BYTES:
        raise _damaged(name, f"its footer speaks of {entry_count} entries in {table_bytes} bytes")
    if table_offset < HEADER_BYTES or table_offset + table_bytes + FOOTER_BYTES != size_bytes:
        raise _damaged(name, f"its footer does not end where the segment ends, at {size_bytes} bytes")
    table = read(table_offset, table_bytes)
    if footer != _footer(header, table, table_offset=table_offset, entry_count=entry_count):
        raise _damaged(name, "its header, table or footer is not what was written")
    return _check_table(name, table, table_offset)


def parse(name: SegmentName, data: bytes | memoryview) -> Sequence[ChunkLocation]:
    """As `read_table`, of a segment that is in memory as a whole."""
    view = memoryview(data)
    return read_table(name, len(view), lambda offset, size: bytes(view[offset : offset + size]))


def _check_header(name: SegmentName, header: bytes) -> None:
    magic, version, reserved, named = _HEADER.unpack(header)
    if magic != _HEADER_MAGIC:
        raise _damaged(name, "it does not begin as a segment begins")
    if version != VERSION:
        raise StoreUnusable(
            f"segment {name} has format version {version}, and this program reads version {VERSION}: "
            "use the version of neve that wrote it, or a newer one; if none did, the segment is damaged"
        )
    if named.hex() != name or reserved != 0:
        raise _damaged(name, f"it calls itself {named.hex()}: it was moved, or altered")


def _check_table(name: SegmentName, table: bytes, table_offset: int) -> Sequence[ChunkLocation]:
    """Read entries whose digest holds: what is wrong now was written wrongly, and is refused all the same."""
    locations: list[ChunkLocation] = []
    seen: set[tuple[bytes, bytes]] = set()
    expected_offset = HEADER_BYTES
    for uid, chunk_id, kind, encoding, reserved, offset, stored, plain in _ENTRY.iter_unpack(table):
        try:
            location = ChunkLocation(
                domain_uid=uid,
                chunk_id=ChunkId(chunk_id),
                kind=ChunkKind(kind),
                encoding=Encoding(encoding),
                offset=offset,
                stored_bytes=stored,
                plain_bytes=plain,
            )
        except ValueError:
            raise _damaged(
                name, f"entry {len(locations)} of its table has a kind or encoding unknown"
            ) from None
        if not _is_sound(location):
            raise _damaged(name, f"entry {len(locations)} of its table cannot be true")
        if offset != expected_offset or reserved != 0 or (uid, chunk_id) in seen:
            raise _damaged(name, f"entry {len(locations)} of its table does not follow from those before it")
        seen.add((uid, chunk_id))
        locations.append(location)
        expected_offset += stored
    if expected_offset != table_offset:
        raise _damaged(name, "its chunks do not reach to its table")
    return locations


def _is_sound(location: ChunkLocation) -> bool:
    """Return whether a chunk can be so, whatever stands before it."""
    if len(location.domain_uid) != DOMAIN_UID_BYTES or len(location.chunk_id) != CHUNK_ID_BYTES:
        return False
    if location.chunk_id == ZERO_CHUNK_ID or not 0 < location.plain_bytes <= PLAIN_BYTES_MAX:
        return False
    match location.encoding:
        case Encoding.RAW:
            return location.stored_bytes == location.plain_bytes
        case Encoding.ZSTD:
            return 0 < location.stored_bytes < location.plain_bytes
        case Encoding.SEALED_RAW:
            return location.stored_bytes == location.plain_bytes + SEALED_OVERHEAD_BYTES
        case Encoding.SEALED_ZSTD:
            return 0 < location.stored_bytes - SEALED_OVERHEAD_BYTES < location.plain_bytes


def _name_bytes(name: SegmentName) -> bytes:
    raw = bytes.fromhex(name)
    assert len(raw) == 16
    assert raw.hex() == name
    return raw


def _pack_entry(location: ChunkLocation) -> bytes:
    return _ENTRY.pack(
        location.domain_uid,
        location.chunk_id,
        location.kind,
        location.encoding,
        0,
        location.offset,
        location.stored_bytes,
        location.plain_bytes,
    )


def _footer(header: bytes, table: bytes, *, table_offset: int, entry_count: int) -> bytes:
    head = _FOOTER_HEAD.pack(table_offset, len(table), entry_count)
    return head + hashlib.sha256(header + table + head).digest() + _FOOTER_MAGIC


def _damaged(name: SegmentName, what: str) -> ChunkDamaged:
    return ChunkDamaged(f"segment {name} is damaged: {what}")
