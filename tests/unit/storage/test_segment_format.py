"""Segments: what was laid out is found again, and nothing else is taken for it."""

import hashlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from neve.domain.block_map import Node
from neve.domain.blocks import ZERO_CHUNK_ID, ChunkId, ChunkKind, chunk_id, digest
from neve.errors import ChunkDamaged, StoreUnavailable, StoreUnusable
from neve.storage.chunk_cipher import ChunkCipher
from neve.storage.chunk_codec import PLAIN_BYTES_MAX, ChunkCodec, Encoded, decode
from neve.storage.segment_format import (
    ENTRY_BYTES,
    FOOTER_BYTES,
    HEADER_BYTES,
    BuiltSegment,
    ChunkLocation,
    SegmentEntry,
    build,
    parse,
    read_table,
)
from neve.stores.metadata.placement import Encoding, SegmentName

GOLDEN = Path(__file__).parents[2] / "golden" / "segment-format" / "three-chunks.hex"
GOLDEN_SEALED = GOLDEN.with_name("sealed-chunks.hex")
FORMAT_DOCUMENT = Path(__file__).parents[3] / "docs" / "format.md"
NAME = SegmentName(bytes(range(16)).hex())
DOMAIN_UID = bytes(range(0x10, 0x20))
ID_KEY = bytes(range(0x20, 0x40))
CODEC = ChunkCodec()


def entry(
    content: bytes, kind: ChunkKind = ChunkKind.BLOCK, *, domain_uid: bytes = DOMAIN_UID
) -> SegmentEntry:
    return SegmentEntry(
        domain_uid=domain_uid,
        chunk_id=chunk_id(ID_KEY, digest(content)),
        kind=kind,
        encoded=CODEC.encode(content),
    )


def joined(segment: BuiltSegment) -> bytes:
    data = b"".join(segment.parts)
    assert len(data) == segment.size_bytes
    return data


def content_at(data: bytes, location: ChunkLocation) -> bytes:
    stored = data[location.offset : location.offset + location.stored_bytes]
    return decode(location.encoding, stored, location.plain_bytes)


def signed_again(data: bytes) -> bytes:
    """Return the segment with a digest that fits its header, table and footer: a writer that lies on purpose."""
    head = data[-FOOTER_BYTES : -FOOTER_BYTES + 16]
    table_offset, table_bytes = int.from_bytes(head[:8]), int.from_bytes(head[8:12])
    table = data[table_offset : table_offset + table_bytes]
    return data[:-40] + hashlib.sha256(data[:HEADER_BYTES] + table + head).digest() + data[-8:]


def changed(data: bytes, position: int, replacement: bytes) -> bytes:
    return data[:position] + replacement + data[position + len(replacement) :]


THREE = [entry(b"one" * 9), entry(b"two" * 30), entry(b"a node, let us say", ChunkKind.NODE)]
SEGMENT = joined(build(NAME, THREE))
TABLE_OFFSET = len(SEGMENT) - FOOTER_BYTES - 3 * ENTRY_BYTES

entries = st.lists(
    st.builds(
        lambda content, times, kind, uid: entry(content * times, kind, domain_uid=uid),
        st.binary(min_size=1, max_size=30),
        st.integers(1, 50),
        st.sampled_from(ChunkKind),
        st.binary(min_size=16, max_size=16),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda made: (made.domain_uid, made.chunk_id),
)
names = st.binary(min_size=16, max_size=16).map(lambda raw: SegmentName(raw.hex()))


@given(names, entries)
def test_a_table_says_what_was_laid_out_and_where(name: SegmentName, made: Sequence[SegmentEntry]) -> None:
    segment = build(name, made)
    data = joined(segment)
    assert parse(name, data) == segment.locations
    assert parse(name, memoryview(data)) == segment.locations
    for wanted, location in zip(made, segment.locations, strict=True):
        assert (location.domain_uid, location.chunk_id) == (wanted.domain_uid, wanted.chunk_id)
        assert location.kind is wanted.kind
        stored = data[location.offset : location.offset + location.stored_bytes]
        assert stored == wanted.encoded.data


def test_no_chunk_is_copied() -> None:
    segment = build(NAME, THREE)
    assert [id(part) for part in segment.parts[1:-1]] == [id(made.encoded.data) for made in THREE]


def test_every_truncation_is_detected() -> None:
    for length in range(len(SEGMENT)):
        with pytest.raises(ChunkDamaged):
            parse(NAME, SEGMENT[:length])


def test_anything_behind_or_before_is_detected() -> None:
    for data in (SEGMENT + b"\0", SEGMENT + SEGMENT, b"\0" + SEGMENT, SEGMENT + SEGMENT[-FOOTER_BYTES:]):
        with pytest.raises(ChunkDamaged):
            parse(NAME, data)


def test_every_flipped_bit_outside_the_chunks_is_detected() -> None:
    for data, position in flipped(SEGMENT):
        if HEADER_BYTES <= position < TABLE_OFFSET:
            assert parse(NAME, data) == parse(NAME, SEGMENT)
        else:
            with pytest.raises((ChunkDamaged, StoreUnusable)):
                parse(NAME, data)


def test_no_flipped_bit_inside_a_chunk_passes_for_its_content() -> None:
    locations = parse(NAME, SEGMENT)
    assert {location.encoding for location in locations} == {Encoding.RAW, Encoding.ZSTD}
    for data, position in flipped(SEGMENT):
        for location in locations:
            if not location.offset <= position < location.offset + location.stored_bytes:
                continue
            try:
                content = content_at(data, location)
            except ChunkDamaged:
                continue
            # A frame has a few bits that mean nothing: flipping one changes nothing that is served.
            is_unchanged = location.encoding is Encoding.ZSTD and content == content_at(SEGMENT, location)
            assert is_unchanged or chunk_id(ID_KEY, digest(content)) != location.chunk_id


def flipped(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield `data` with each of its bits flipped, and the byte the bit is in."""
    for position in range(len(data)):
        for bit in range(8):
            yield changed(data, position, bytes([data[position] ^ 1 << bit])), position


def test_another_segments_name_is_detected() -> None:
    with pytest.raises(ChunkDamaged, match="moved"):
        parse(SegmentName("f" * 32), SEGMENT)


def test_a_newer_version_is_refused_with_what_to_do() -> None:
    newer = signed_again(changed(SEGMENT, 8, (2).to_bytes(4)))
    with pytest.raises(StoreUnusable, match=r"format version 2, and this program reads version 1: use"):
        parse(NAME, newer)


ENTRY_1 = TABLE_OFFSET + ENTRY_BYTES
FOOTER = len(SEGMENT) - FOOTER_BYTES
LIES: dict[str, bytes] = {
    "reserved bytes of the header": changed(SEGMENT, 12, b"\1"),
    "a chunk id that is another entry's": changed(
        SEGMENT, ENTRY_1, SEGMENT[TABLE_OFFSET : TABLE_OFFSET + 48]
    ),
    "the zero block's id": changed(SEGMENT, ENTRY_1 + 16, ZERO_CHUNK_ID),
    "kind 0": changed(SEGMENT, ENTRY_1 + 48, b"\0"),
    "kind 3": changed(SEGMENT, ENTRY_1 + 48, b"\3"),
    "encoding 4": changed(SEGMENT, ENTRY_1 + 49, b"\4"),
    "a sealed chunk as long as its content": changed(SEGMENT, TABLE_OFFSET + 49, b"\2"),
    "a sealed frame shorter than any": changed(SEGMENT, ENTRY_1 + 49, b"\3"),
    "reserved bytes of an entry": changed(SEGMENT, ENTRY_1 + 51, b"\1"),
    "an offset one too far": changed(SEGMENT, ENTRY_1 + 52, (HEADER_BYTES + 28).to_bytes(8)),
    "an offset before the chunks": changed(SEGMENT, TABLE_OFFSET + 52, bytes(8)),
    "an offset beyond any file": changed(SEGMENT, ENTRY_1 + 52, b"\xff" * 8),
    "no stored bytes": changed(SEGMENT, ENTRY_1 + 60, bytes(4)),
    "a zstd chunk that did not shrink": changed(SEGMENT, ENTRY_1 + 64, SEGMENT[ENTRY_1 + 60 : ENTRY_1 + 64]),
    "a raw chunk of two lengths": changed(SEGMENT, ENTRY_1 + 49, b"\0"),
    "a chunk larger than any": changed(SEGMENT, ENTRY_1 + 64, (PLAIN_BYTES_MAX + 1).to_bytes(4)),
    "chunks that end before the table": changed(
        SEGMENT, TABLE_OFFSET + 2 * ENTRY_BYTES + 60, (17).to_bytes(4) * 2
    ),
    "no entries": changed(SEGMENT, FOOTER + 8, bytes(8)),
    "more entries than there are": changed(SEGMENT, FOOTER + 12, (4).to_bytes(4)),
    "more entries than any segment has": changed(
        SEGMENT, FOOTER + 8, (65_537 * ENTRY_BYTES).to_bytes(4) + (65_537).to_bytes(4)
    ),
    "a table before the chunks": changed(SEGMENT, FOOTER, bytes(8)),
    "a table beyond the file": changed(SEGMENT, FOOTER, b"\xff" * 8),
}


@pytest.mark.parametrize("data", LIES.values(), ids=LIES)
def test_a_lie_with_the_right_digest_is_refused_all_the_same(data: bytes) -> None:
    with pytest.raises(ChunkDamaged):
        parse(NAME, signed_again(data))


def test_the_lies_above_fail_for_what_they_say_and_not_for_their_digest() -> None:
    assert parse(NAME, signed_again(SEGMENT)) == parse(NAME, SEGMENT)


def test_a_store_that_cannot_be_read_is_not_called_damaged() -> None:
    def read(offset: int, size: int) -> bytes:
        raise StoreUnavailable("not now")

    with pytest.raises(StoreUnavailable):
        read_table(NAME, len(SEGMENT), read)


def test_no_chunk_is_read_for_the_table() -> None:
    ranges: list[tuple[int, int]] = []

    def read(offset: int, size: int) -> bytes:
        ranges.append((offset, size))
        return SEGMENT[offset : offset + size]

    read_table(NAME, len(SEGMENT), read)
    assert sorted(ranges) == [
        (0, HEADER_BYTES),
        (TABLE_OFFSET, 3 * ENTRY_BYTES),
        (len(SEGMENT) - FOOTER_BYTES, FOOTER_BYTES),
    ]


UNSOUND: dict[str, list[SegmentEntry]] = {
    "nothing": [],
    "the same chunk twice": [THREE[0], THREE[0]],
    "a zero block": [replace(THREE[0], chunk_id=ZERO_CHUNK_ID)],
    "a short id": [replace(THREE[0], chunk_id=ChunkId(b"short"))],
    "a short domain uid": [replace(THREE[0], domain_uid=b"short")],
    "a zstd chunk that did not shrink": [
        replace(THREE[0], encoded=Encoded(encoding=Encoding.ZSTD, data=b"12345", plain_bytes=5))
    ],
}


@pytest.mark.parametrize("made", UNSOUND.values(), ids=UNSOUND)
def test_what_no_reader_would_take_is_never_laid_out(made: list[SegmentEntry]) -> None:
    with pytest.raises(AssertionError):
        build(NAME, made)


@pytest.mark.parametrize("name", ["ab", "AB" * 16, "ab " * 16, "ab" * 17])
def test_a_name_that_is_none_is_never_written_into_a_segment(name: str) -> None:
    with pytest.raises(AssertionError):
        build(SegmentName(name), THREE)


# --- the golden file: bytes that every version must read


def golden_bytes(golden: Path = GOLDEN) -> bytes:
    """Read `offset: bytes  # what they are` lines, holding them to their offsets."""
    data = b""
    for line in golden.read_text(encoding="ascii").splitlines():
        given_bytes = line.split("#")[0].strip()
        if given_bytes:
            offset, _, digits = given_bytes.partition(":")
            assert int(offset, 16) == len(data)
            data += bytes.fromhex(digits)
    return data


COUNTING = bytes(range(64))
NEVE = b"neve" * 16


def test_the_golden_segment_is_read_down_to_its_blocks() -> None:
    data = golden_bytes()
    locations = parse(NAME, data)
    contents = [content_at(data, location) for location in locations]
    ids = [chunk_id(ID_KEY, digest(content)) for content in contents]
    leaf = Node(0, 16, array("H", [0, 9]), ids[0] + ids[1])
    assert contents == [COUNTING, NEVE, leaf.encode()]
    assert [location.chunk_id for location in locations] == ids
    assert [location.encoding for location in locations] == [Encoding.RAW, Encoding.ZSTD, Encoding.RAW]
    assert [location.kind for location in locations] == [ChunkKind.BLOCK, ChunkKind.BLOCK, ChunkKind.NODE]
    assert {location.domain_uid for location in locations} == {DOMAIN_UID}


def test_the_golden_segment_is_what_is_written_today() -> None:
    data = golden_bytes()
    # The frame is taken as it stands: another release of zstd may compress the same content otherwise.
    made = [
        SegmentEntry(
            domain_uid=DOMAIN_UID,
            chunk_id=location.chunk_id,
            kind=location.kind,
            encoded=Encoded(
                encoding=location.encoding,
                data=data[location.offset : location.offset + location.stored_bytes],
                plain_bytes=location.plain_bytes,
            ),
        )
        for location in parse(NAME, data)
    ]
    assert joined(build(NAME, made)) == data


@pytest.mark.parametrize("golden", [GOLDEN, GOLDEN_SEALED])
def test_the_document_shows_the_golden_segment(golden: Path) -> None:
    assert golden.read_text(encoding="ascii") in FORMAT_DOCUMENT.read_text(encoding="utf-8")


# --- the golden file of an encrypted domain

MAP_KEY = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"neve/1 map key").derive(ID_KEY)
GENERATION_KEYS = {0: MAP_KEY, 1: bytes(range(0x40, 0x60)), 2: bytes(range(0x60, 0x80))}


class Nonces:
    """The nonces of the golden file, in their order."""

    def __init__(self) -> None:
        self._starts = iter(range(0xA0, 0xC4, 12))

    def take(self, size_bytes: int) -> bytes:
        start = next(self._starts)
        return bytes(range(start, start + size_bytes))


def cipher(generation: int, nonces: Nonces) -> ChunkCipher:
    return ChunkCipher(
        domain_uid=DOMAIN_UID, seals_with=generation, key_of=GENERATION_KEYS.__getitem__, entropy=nonces
    )


def sealed_at(data: bytes, location: ChunkLocation) -> Encoded:
    stored = data[location.offset : location.offset + location.stored_bytes]
    return Encoded(encoding=location.encoding, data=stored, plain_bytes=location.plain_bytes)


def test_the_golden_sealed_segment_is_read_down_to_the_same_blocks() -> None:
    data, plain = golden_bytes(GOLDEN_SEALED), golden_bytes()
    locations = parse(NAME, data)
    opened = [cipher(1, Nonces()).open(at.chunk_id, at.kind, sealed_at(data, at)) for at in locations]
    contents = [decode(each.encoding, each.data, each.plain_bytes) for each in opened]
    assert contents == [content_at(plain, location) for location in parse(NAME, plain)]
    assert [chunk_id(ID_KEY, digest(content)) for content in contents] == [at.chunk_id for at in locations]
    assert [at.encoding for at in locations] == [
        Encoding.SEALED_RAW,
        Encoding.SEALED_ZSTD,
        Encoding.SEALED_RAW,
    ]


def test_the_golden_sealed_segment_is_what_is_written_today() -> None:
    data, nonces = golden_bytes(GOLDEN_SEALED), Nonces()
    made = []
    for generation, at in zip([1, 2, 0], parse(NAME, data), strict=True):
        # The frame is taken as it stands, as above.
        encoded = cipher(generation, nonces).open(at.chunk_id, at.kind, sealed_at(data, at))
        sealed = cipher(generation, nonces).seal(at.chunk_id, at.kind, encoded)
        made.append(SegmentEntry(domain_uid=DOMAIN_UID, chunk_id=at.chunk_id, kind=at.kind, encoded=sealed))
    assert joined(build(NAME, made)) == data


def test_the_document_names_the_golden_map_key() -> None:
    text = " ".join(FORMAT_DOCUMENT.read_text(encoding="utf-8").split())
    assert MAP_KEY.hex(" ") in text
