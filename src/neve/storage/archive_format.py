"""The bytes of an archived object: a record as JSON, compressed and sealed (docs/format.md, "The archive").

    0    magic      8 bytes
    8    version    4 bytes
    12   sealed     the record's JSON in one zstd frame, under the master key; belongs to the object's full name

Pure: records in, bytes out, and back. Sealed under its own name, an object that was altered, moved or taken from
another store does not open. Nobody who lacks the master key learns more from one than its length and its name; who has
it finds every secret in it sealed or wrapped once more.
"""

import struct
from typing import Final

import msgspec
import zstandard

from neve import limits
from neve.domain.keyring import Keyring, Purpose
from neve.errors import ArchiveDamaged, InvariantError, StoreUnusable
from neve.stores.archive.contract import OBJECT_BYTES_MAX
from neve.stores.metadata.contract_archive import ArchivedRecord, ArchiveKind, ArchiveName
from neve.stores.metadata.session import Value

VERSION: Final = 1
PLAIN_BYTES_MAX: Final = OBJECT_BYTES_MAX - limits.MIB
"""Of a record's JSON: whatever it is, it fits into an object once it is sealed."""

_MAGIC: Final = b"\x89NVA\r\n\x1a\n"
"""As a segment's: a transfer that strips a bit or changes line ends breaks it."""
_HEAD: Final = struct.Struct(">8sI")
"""magic, version"""
_LEVEL: Final = 3
_INTEGER_BITS: Final = 63
"""What a column of integers takes, beside the sign."""


class _Bytes(msgspec.Struct, forbid_unknown_fields=True):
    """Bytes, where JSON has none."""

    hex: str


class _Object(msgspec.Struct, forbid_unknown_fields=True):
    """What is sealed, of version 1."""

    kind: str
    name: str
    tables: dict[str, list[dict[str, int | str | _Bytes | None]]]


def object_name(name: ArchiveName) -> str:
    """Return what the object of a record is called in an archive store."""
    return f"{name.kind}/{name.name}"


def plain_text(record: ArchivedRecord) -> bytes:
    """Return a record's JSON; the same for equal records.

    Raises:
        InvariantError: it is longer than any record gets.
    """
    written = _Object(
        kind=record.name.kind,
        name=record.name.name,
        tables={
            table: [{column: _written(value) for column, value in row.items()} for row in rows]
            for table, rows in record.tables.items()
        },
    )
    plain = msgspec.json.encode(written)
    if len(plain) > PLAIN_BYTES_MAX:
        raise InvariantError(
            f"the record {object_name(record.name)} has {len(plain)} bytes, and none has more than {PLAIN_BYTES_MAX}"
        )
    return plain


def seal(name: ArchiveName, plain: bytes, keyring: Keyring) -> bytes:
    """Return the object of the record `name`, whose JSON is `plain`.

    Raises:
        InvariantError: it does not open to what was sealed. It must not be kept.
    """
    compressor = zstandard.ZstdCompressor(
        level=_LEVEL, write_content_size=True, write_checksum=False, write_dict_id=False
    )
    frame = compressor.compress(plain)
    full_name = object_name(name)
    content = _HEAD.pack(_MAGIC, VERSION) + keyring.seal(Purpose.ARCHIVE, frame, belongs_to=full_name)
    if open_text(full_name, content, keyring) != plain:
        raise InvariantError(f"the object {full_name} just made opens to something else")
    return content


def open_record(name: ArchiveName, content: bytes, keyring: Keyring) -> ArchivedRecord:
    """Return the record that an object was made of.

    Raises:
        ArchiveDamaged: it is not what was written under this name, or was sealed under another master key.
        StoreUnusable: a newer version wrote it.
    """
    full_name = object_name(name)
    plain = open_text(full_name, content, keyring)
    try:
        written = msgspec.json.decode(plain, type=_Object)
        tables = {
            table: [{column: _read(value) for column, value in row.items()} for row in rows]
            for table, rows in written.tables.items()
        }
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _damaged(full_name, f"what it holds is no record: {error}") from error
    if (written.kind, written.name) != (name.kind, name.name):
        raise _damaged(full_name, f"it calls itself {written.kind}/{written.name}")
    return ArchivedRecord(name=ArchiveName(ArchiveKind(written.kind), written.name), tables=tables)


def open_text(full_name: str, content: bytes, keyring: Keyring) -> bytes:
    """Return the JSON in the object of this full name.

    Raises:
        ArchiveDamaged, StoreUnusable: as `open_record`.
    """
    if len(content) < _HEAD.size:
        raise _damaged(full_name, f"it has {len(content)} bytes")
    magic, version = _HEAD.unpack_from(content)
    if magic != _MAGIC:
        raise _damaged(full_name, "it does not begin as an object of the archive begins")
    if version != VERSION:
        raise StoreUnusable(
            f"archive object {full_name} has format version {version}, and this program reads version {VERSION}: use "
            "the version of neve that wrote it, or a newer one; if none did, the object is damaged"
        )
    try:
        frame = keyring.open(Purpose.ARCHIVE, content[_HEAD.size :], belongs_to=full_name)
    except StoreUnusable as error:
        raise _damaged(
            full_name,
            "it does not open: it was altered, was moved here from another name or store, or was sealed under another "
            "master key",
        ) from error
    return _decompressed(full_name, frame)


def _decompressed(full_name: str, frame: bytes) -> bytes:
    try:
        # The library's max_output_size does not bound a frame that declares its size: the declaration is what counts,
        # and a frame without one declares more than anybody may have.
        declared = zstandard.get_frame_parameters(frame)
        if declared.content_size > PLAIN_BYTES_MAX or declared.window_size > PLAIN_BYTES_MAX:
            raise _damaged(full_name, f"it declares {declared.content_size} bytes")
        return zstandard.ZstdDecompressor().decompress(frame, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise _damaged(full_name, f"its zstd frame does not open: {error}") from error


def _written(value: Value) -> int | str | _Bytes | None:
    return _Bytes(value.hex()) if isinstance(value, bytes) else value


def _read(value: int | str | _Bytes | None) -> Value:
    if isinstance(value, _Bytes):
        return bytes.fromhex(value.hex)
    if isinstance(value, int) and value.bit_length() > _INTEGER_BITS:
        raise ValueError(f"{value} is no integer of a column")
    return value


def _damaged(full_name: str, what: str) -> ArchiveDamaged:
    return ArchiveDamaged(f"archive object {full_name} is damaged: {what}")
