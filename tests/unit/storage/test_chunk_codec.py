"""Chunks come back as they were, and what is no chunk is ChunkDamaged: never a crash, never a bomb."""

import subprocess
import sys
from dataclasses import dataclass

import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from neve.errors import ChunkDamaged, InvariantError
from neve.limits import MIB
from neve.storage.chunk_codec import PLAIN_BYTES_MAX, ChunkCodec, Encoded, decode
from neve.stores.metadata.placement import Encoding

CODEC = ChunkCodec()
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"

# Short patterns repeated, so that some shrink and some do not.
contents = st.builds(
    lambda pattern, times, tail: pattern * times + tail,
    st.binary(min_size=1, max_size=40),
    st.integers(1, 400),
    st.binary(max_size=40),
)


def frame_of(content: bytes) -> Encoded:
    encoded = CODEC.encode(content)
    assert encoded.encoding is Encoding.ZSTD
    return encoded


@given(contents, st.integers(-5, 4))
def test_what_was_encoded_decodes_to_the_same(content: bytes, level: int) -> None:
    encoded = ChunkCodec(level=level).encode(content)
    assert encoded.plain_bytes == len(content)
    assert len(encoded.data) <= len(content)
    assert CODEC.decode(encoded.encoding, encoded.data, encoded.plain_bytes) == content
    assert decode(encoded.encoding, memoryview(encoded.data), encoded.plain_bytes) == content


@given(st.binary(min_size=1, max_size=2000))
def test_what_does_not_shrink_is_kept_as_the_same_object(content: bytes) -> None:
    encoded = CODEC.encode(content)
    if encoded.encoding is Encoding.RAW:
        assert encoded.data is content
        assert decode(Encoding.RAW, encoded.data, len(content)) is content
    else:
        assert len(encoded.data) < len(content)


def test_a_block_of_text_is_compressed_and_a_block_of_noise_is_not() -> None:
    assert CODEC.encode(b"the same again " * 35_000).encoding is Encoding.ZSTD
    noise = bytes(index * index * 7919 % 65_521 % 256 for index in range(64))
    assert CODEC.encode(noise).encoding is Encoding.RAW


@given(contents, st.data())
def test_any_other_length_on_record_is_damage(content: bytes, data: st.DataObject) -> None:
    encoded = CODEC.encode(content)
    claimed = data.draw(
        st.one_of(st.integers(-1, 2 * len(content)), st.integers(0, 2**64)).filter(
            lambda n: n != len(content)
        )
    )
    with pytest.raises(ChunkDamaged):
        decode(encoded.encoding, encoded.data, claimed)


@given(contents, st.integers(-1, 300).filter(lambda number: number not in set(Encoding)))
def test_an_unknown_encoding_is_damage(content: bytes, encoding: int) -> None:
    with pytest.raises(ChunkDamaged):
        decode(encoding, content, len(content))


@given(contents, st.binary(min_size=1, max_size=20))
def test_anything_behind_a_frame_is_damage(content: bytes, tail: bytes) -> None:
    encoded = frame_of(content + bytes(200))
    for trailing in (tail, encoded.data, b"\x50\x2a\x4d\x18\x00\x00\x00\x00"):
        with pytest.raises(ChunkDamaged):
            decode(Encoding.ZSTD, bytes(encoded.data) + trailing, encoded.plain_bytes)


def test_every_truncation_of_a_frame_is_damage() -> None:
    encoded = frame_of(b"".join(b"line %d\n" % number for number in range(200)))
    for length in range(len(encoded.data)):
        with pytest.raises(ChunkDamaged):
            decode(Encoding.ZSTD, encoded.data[:length], encoded.plain_bytes)


def test_frames_of_another_make_are_damage() -> None:
    content = b"the same again " * 100
    dictionary = zstandard.ZstdCompressionDict(
        b"the same again " * 20, dict_type=zstandard.DICT_TYPE_RAWCONTENT
    )
    makers = {
        "a checksum": zstandard.ZstdCompressor(level=1, write_checksum=True),
        "no size": zstandard.ZstdCompressor(level=1, write_content_size=False),
        "no magic": zstandard.ZstdCompressor(
            compression_params=zstandard.ZstdCompressionParameters(format=zstandard.FORMAT_ZSTD1_MAGICLESS)
        ),
        "a dictionary": zstandard.ZstdCompressor(level=1, dict_data=dictionary),
    }
    came_out = {
        name: outcome(Encoding.ZSTD, maker.compress(content), len(content)) for name, maker in makers.items()
    }
    assert came_out == dict.fromkeys(makers)


def outcome(encoding: int, data: bytes, plain_bytes: int) -> bytes | None:
    """Return what comes out, None for damage; anything else is raised and fails the test."""
    try:
        plain = decode(encoding, data, plain_bytes)
    except ChunkDamaged:
        return None
    assert len(plain) == plain_bytes
    return plain


def test_no_flipped_bit_of_a_frame_does_worse_than_damage_or_other_bytes_of_that_length() -> None:
    encoded = frame_of(b"".join(b"line %d\n" % number for number in range(200)))
    outcomes = set()
    for position in range(len(encoded.data) * 8):
        flipped = bytearray(encoded.data)
        flipped[position >> 3] ^= 1 << (position & 7)
        outcomes.add(outcome(Encoding.ZSTD, bytes(flipped), encoded.plain_bytes) is None)
    # Both occur: without a checksum in the frame it takes the chunk id to catch the second kind.
    assert outcomes == {True, False}


@given(st.binary(max_size=300), st.integers(0, 70_000))
@example(b"", 1)
def test_no_bytes_crash_the_decoder(data: bytes, plain_bytes: int) -> None:
    outcome(Encoding.ZSTD, data, plain_bytes)
    outcome(Encoding.ZSTD, ZSTD_MAGIC + data, plain_bytes)


def bombs() -> dict[str, bytes]:
    """Return small frames that open to 32 MiB, or want to, as different writers would make them."""
    huge = bytes(32 * MIB)
    streamed = zstandard.ZstdCompressor(level=1).compressobj()
    blocks = (streamed.compress(huge) + streamed.flush())[6:]  # behind magic, descriptor and window
    thousand = (1000 - 256).to_bytes(2, "little")  # RFC 8878, 3.1.1.1.4
    return {
        "declares its size": zstandard.ZstdCompressor(level=1).compress(huge),
        "declares nothing": ZSTD_MAGIC + b"\x00\x48" + blocks,
        "declares 1000 bytes": ZSTD_MAGIC + b"\x60" + thousand + blocks,
        "asks for a window of 128 MiB": ZSTD_MAGIC + b"\x40\x88" + thousand + blocks,
        "is a skippable frame": b"\x50\x2a\x4d\x18" + (1000).to_bytes(4, "little") + bytes(1000),
    }


BOMBS = bombs()


def test_the_bombs_are_what_they_are_called() -> None:
    declared = {name: zstandard.get_frame_parameters(bomb) for name, bomb in BOMBS.items()}
    assert declared["declares its size"].content_size == 32 * MIB
    assert declared["declares nothing"].content_size == zstandard.CONTENTSIZE_UNKNOWN
    assert declared["declares 1000 bytes"].content_size == 1000
    assert declared["asks for a window of 128 MiB"].content_size == 1000
    assert declared["asks for a window of 128 MiB"].window_size == 128 * MIB
    assert declared["is a skippable frame"].content_size == 1000


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_damage(bomb: bytes) -> None:
    with pytest.raises(ChunkDamaged):
        decode(Encoding.ZSTD, bomb, 1000)


def test_bombs_take_no_memory() -> None:
    program = (
        "import resource, sys, zstandard\n"
        "from neve.errors import ChunkDamaged\n"
        "from neve.storage.chunk_codec import decode\n"
        "frames = [bytes.fromhex(line) for line in sys.stdin]\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "refused = 0\n"
        "for frame in frames:\n"
        "    try:\n"
        "        decode(1, frame, 1000)\n"
        "    except ChunkDamaged:\n"
        "        refused += 1\n"
        "print(refused, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    lines = "\n".join(bomb.hex() for bomb in BOMBS.values())
    done = subprocess.run(
        [sys.executable, "-c", program], input=lines, capture_output=True, text=True, check=True
    )
    refused, grown_kib = map(int, done.stdout.split())
    assert refused == len(BOMBS)
    assert grown_kib < 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenCodec(ChunkCodec):
    """A codec whose compressor has a bug."""

    frame: bytes

    def _compress(self, plain: bytes) -> bytes:
        return self.frame


def test_a_frame_that_does_not_open_to_its_content_is_never_handed_out() -> None:
    right = b"right " * 1000
    for frame in (
        frame_of(b"wrong " * 1000).data,
        frame_of(right).data[:-1],
        frame_of(right + b"and more").data,
        b"",
    ):
        with pytest.raises(InvariantError):
            BrokenCodec(frame=bytes(frame)).encode(right)


def test_a_length_beyond_any_chunk_is_damage_before_anything_is_opened() -> None:
    big = zstandard.ZstdCompressor(level=1).compress(bytes(PLAIN_BYTES_MAX + 1))
    with pytest.raises(ChunkDamaged):
        decode(Encoding.ZSTD, big, PLAIN_BYTES_MAX + 1)
    assert decode(Encoding.ZSTD, frame_of(bytes(PLAIN_BYTES_MAX)).data, PLAIN_BYTES_MAX) == bytes(
        PLAIN_BYTES_MAX
    )
