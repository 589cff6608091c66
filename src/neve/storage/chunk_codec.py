"""How a chunk's content becomes the bytes that stand in a segment, and back (docs/format.md, "Chunks").

    encode   content ─▶ one zstd frame if that is smaller, the content itself if not
    decode   stored bytes ─▶ content of exactly the length on record, or ChunkDamaged

It knows no keys: chunks of encrypted domains are sealed after they are encoded (`chunk_cipher`), and that the
content is the right one is for the caller to see from the chunk id. It does see to it that what leaves here can
come back (a frame is opened and compared before anybody may acknowledge it: compressors have had bugs), and that
what comes back cannot be larger than what was asked for.

Frames carry no zstd checksum. The chunk id says more, is checked on every read anyway, and covers both
encodings; the checksum would cost three times the decompression itself.
"""

from dataclasses import dataclass, field

import zstandard

from neve import limits
from neve.errors import ChunkDamaged, InvariantError
from neve.stores.metadata.placement import Encoding

PLAIN_BYTES_MAX = 16 * limits.MIB
"""Part of the format: no chunk's content is longer. A record that says more is damaged."""

SEALED_OVERHEAD_BYTES = 32
"""Part of the format: how much longer a chunk is once it is sealed, whatever it holds."""

_WINDOW_BYTES_MIN = 1024
"""RFC 8878, 3.1.1.1.2: the smallest window a frame can name, even if its content is shorter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A chunk as it will be stored or was found, and the length it will have again."""

    encoding: Encoding
    data: bytes | memoryview = field(repr=False)
    plain_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkCodec:
    """Encodes and decodes chunks. Immutable; safe from any thread.

    A zstd context belongs to one thread at a time. One is made for each call: measured, that costs no more
    than keeping one, and there is nothing to keep apart.
    """

    level: int = 1
    """zstd's level. Any reader opens what any level made."""

    def __post_init__(self) -> None:
        assert -100 <= self.level <= zstandard.MAX_COMPRESSION_LEVEL

    def encode(self, plain: bytes) -> Encoded:
        """Return `plain` compressed, or the very same object if compressing does not make it smaller.

        Raises:
            InvariantError: the frame just made does not open to `plain`. Nothing may be acknowledged.
        """
        assert 0 < len(plain) <= PLAIN_BYTES_MAX
        frame = self._compress(plain)
        if len(frame) >= len(plain):
            return Encoded(encoding=Encoding.RAW, data=plain, plain_bytes=len(plain))
        try:
            again = decode(Encoding.ZSTD, frame, len(plain))
        except ChunkDamaged as error:
            raise InvariantError("a zstd frame just made does not open") from error
        if again != plain:
            raise InvariantError("a zstd frame just made opens to other bytes")
        return Encoded(encoding=Encoding.ZSTD, data=frame, plain_bytes=len(plain))

    def decode(self, encoding: int, data: bytes | memoryview, plain_bytes: int) -> bytes:
        """As the function `decode`: opening depends on no setting."""
        return decode(encoding, data, plain_bytes)

    def _compress(self, plain: bytes) -> bytes:
        compressor = zstandard.ZstdCompressor(
            level=self.level, write_content_size=True, write_checksum=False, write_dict_id=False
        )
        return compressor.compress(plain)


def decode(encoding: int, data: bytes | memoryview, plain_bytes: int) -> bytes:
    """Return the content of `data`, which is exactly `plain_bytes` long.

    Never makes more than `plain_bytes` of it, whatever `data` is. Raw bytes come back as the same object.

    Raises:
        ChunkDamaged: not one whole chunk of that encoding and length.
    """
    if not 0 < plain_bytes <= PLAIN_BYTES_MAX:
        raise ChunkDamaged(f"a chunk of {plain_bytes} bytes is on record: no chunk has that length")
    match encoding:
        case Encoding.RAW:
            if len(data) != plain_bytes:
                raise ChunkDamaged(f"a raw chunk has {len(data)} bytes where {plain_bytes} were stored")
            return bytes(data)
        case Encoding.ZSTD:
            return _decompress(data, plain_bytes)
        case Encoding.SEALED_RAW | Encoding.SEALED_ZSTD:
            raise ChunkDamaged("a sealed chunk is where an opened one should be")
        case _:
            raise ChunkDamaged(f"a chunk has the encoding {encoding}, which this version does not know")


def _decompress(data: bytes | memoryview, plain_bytes: int) -> bytes:
    try:
        # The library's max_output_size does not bound a frame that declares its size (measured: 8 KiB
        # became 256 MiB), so the declaration is compared first. A frame without one, or another kind of
        # frame, declares something else.
        declared = zstandard.get_frame_parameters(data)
        if declared.content_size != plain_bytes:
            raise ChunkDamaged(f"a zstd frame does not declare the {plain_bytes} bytes that were stored")
        if declared.dict_id != 0 or declared.has_checksum:
            raise ChunkDamaged("a zstd frame wants a dictionary or has a checksum, which none of ours does")
        if declared.window_size > max(plain_bytes, _WINDOW_BYTES_MIN):
            raise ChunkDamaged("a zstd frame asks for more memory than its content has")
        plain = zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise ChunkDamaged(f"a zstd frame does not open: {error}") from error
    if len(plain) != plain_bytes:
        raise ChunkDamaged(f"a zstd frame opened to {len(plain)} bytes where {plain_bytes} were stored")
    return plain
