"""Archived objects: what was sealed is found again, under its own name alone, and nothing else is taken for it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from neve.domain.keyring import Keyring, Purpose
from neve.domain.kms_keys import KmsKeyId
from neve.errors import ArchiveDamaged, InvariantError, StoreUnusable
from neve.storage import archive_format
from neve.storage.archive_format import PLAIN_BYTES_MAX, object_name, open_record, plain_text, seal
from neve.stores.archive.contract import OBJECT_BYTES_MAX
from neve.stores.keys import local_ciphertexts
from neve.stores.metadata.archived_tables import ARCHIVED
from neve.stores.metadata.contract_archive import ArchivedRecord, ArchiveKind, ArchiveName
from neve.stores.metadata.session import Value
from neve.testing.time_and_chance import SeededEntropy

GOLDEN = Path(__file__).parents[2] / "golden" / "archive-format"
FORMAT_DOCUMENT = Path(__file__).parents[3] / "docs" / "format.md"
MASTER_KEY = bytes(range(32))
KEYRING = Keyring(MASTER_KEY, SeededEntropy())
KEY_ID = KmsKeyId("1234abcd-12ab-34cd-56ef-1234567890ab")
GOLDEN_NAMES = [
    ArchiveName(ArchiveKind.DOMAIN, "2"),
    ArchiveName(ArchiveKind.KEY, KEY_ID),
    ArchiveName(ArchiveKind.SNAPSHOT, "snap-0123456789abcdef0"),
]

values = st.one_of(
    st.none(), st.integers(-(1 << 63) + 1, (1 << 63) - 1), st.text(), st.binary(), st.just("hex")
)
rows = st.dictionaries(st.text(max_size=5), values, max_size=4)
names = st.builds(ArchiveName, st.sampled_from(ArchiveKind), st.sampled_from(["a", "snap-0", "1"]))
records: st.SearchStrategy[ArchivedRecord] = st.builds(
    ArchivedRecord,
    name=names,
    tables=st.dictionaries(st.text(max_size=5), st.lists(rows, max_size=3), max_size=3),
)


def sealed(record: ArchivedRecord, keyring: Keyring = KEYRING) -> bytes:
    return seal(record.name, plain_text(record), keyring)


RECORD = ArchivedRecord(
    name=ArchiveName(ArchiveKind.KEY, "k"), tables={"material": [{"version": 1, "sealed": b"\x00\xff"}]}
)
OBJECT = sealed(RECORD)


def with_frame(frame: bytes) -> bytes:
    """Return an object of `RECORD`'s name that holds any frame: what a writer with the key could make."""
    return OBJECT[:12] + KEYRING.seal(Purpose.ARCHIVE, frame, belongs_to="key/k")


def with_plain(plain: bytes) -> bytes:
    return with_frame(zstandard.ZstdCompressor().compress(plain))


@given(records)
def test_a_record_comes_back_as_it_was(record: ArchivedRecord) -> None:
    assert open_record(record.name, sealed(record), KEYRING) == record


@given(records)
def test_equal_records_have_equal_text_and_objects_that_show_no_equality(record: ArchivedRecord) -> None:
    assert plain_text(record) == plain_text(record)
    assert sealed(record) != sealed(record)


def test_every_flipped_bit_is_noticed() -> None:
    for position in range(len(OBJECT) * 8):
        flipped = bytearray(OBJECT)
        flipped[position // 8] ^= 1 << position % 8
        with pytest.raises((ArchiveDamaged, StoreUnusable)):
            open_record(RECORD.name, bytes(flipped), KEYRING)


def test_every_truncation_and_whatever_is_behind_is_noticed() -> None:
    for content in (*(OBJECT[:length] for length in range(len(OBJECT))), OBJECT + b"\0", OBJECT + OBJECT):
        with pytest.raises(ArchiveDamaged):
            open_record(RECORD.name, content, KEYRING)


@pytest.mark.parametrize("name", ["j", "K", "k2"])
@pytest.mark.parametrize("kind", ArchiveKind)
def test_an_object_that_was_moved_does_not_open(kind: ArchiveKind, name: str) -> None:
    with pytest.raises(ArchiveDamaged, match="does not open"):
        open_record(ArchiveName(kind, name), OBJECT, KEYRING)


def test_an_object_of_another_store_does_not_open() -> None:
    with pytest.raises(ArchiveDamaged, match="another master key"):
        open_record(RECORD.name, OBJECT, Keyring(bytes(32), SeededEntropy()))


def test_a_sealed_value_of_another_purpose_is_no_object() -> None:
    frame = zstandard.ZstdCompressor().compress(plain_text(RECORD))
    foreign = OBJECT[:12] + KEYRING.seal(Purpose.KMS_KEY_MATERIAL, frame, belongs_to="key/k")
    with pytest.raises(ArchiveDamaged):
        open_record(RECORD.name, foreign, KEYRING)


def test_an_object_of_a_later_version_is_called_that() -> None:
    with pytest.raises(StoreUnusable, match="version 2"):
        open_record(RECORD.name, OBJECT[:8] + bytes([0, 0, 0, 2]) + OBJECT[12:], KEYRING)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"no frame",
        zstandard.ZstdCompressor(write_content_size=False).compress(plain_text(RECORD)),
        zstandard.ZstdCompressor().compress(plain_text(RECORD))[:-3],
        zstandard.ZstdCompressor().compress(plain_text(RECORD)) + b"more",
        # Declares a GiB and holds nothing of it; then one that is longer by a byte.
        bytes.fromhex("28b52ffd a0 00000040 010000"),
        zstandard.ZstdCompressor().compress(bytes(PLAIN_BYTES_MAX + 1)),
    ],
    ids=["empty", "none", "without size", "cut", "more", "lying", "too large"],
)
def test_a_frame_that_is_not_one_of_ours_is_damage_and_takes_no_memory(
    frame: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    real = zstandard.ZstdDecompressor

    class Counting:
        def decompress(self, data: bytes, *, allow_extra_data: bool) -> bytes:
            content = real().decompress(data, allow_extra_data=allow_extra_data)
            made.append(len(content))
            return content

    monkeypatch.setattr(zstandard, "ZstdDecompressor", Counting)
    with pytest.raises(ArchiveDamaged):
        open_record(RECORD.name, with_frame(frame), KEYRING)
    assert all(size <= PLAIN_BYTES_MAX for size in made)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"kind":"key","name":"k"}',
        '{"kind":"key","name":"k","tables":{},"more":1}',
        '{"kind":"key","name":"j","tables":{}}',
        '{"kind":"domain","name":"k","tables":{}}',
        '{"kind":"nothing","name":"k","tables":{}}',
        '{"kind":"key","name":"k","tables":{"t":{}}}',
        '{"kind":"key","name":"k","tables":{"t":[[]]}}',
        '{"kind":"key","name":"k","tables":{"t":[{"c":true}]}}',
        '{"kind":"key","name":"k","tables":{"t":[{"c":1.5}]}}',
        '{"kind":"key","name":"k","tables":{"t":[{"c":9223372036854775808}]}}',
        '{"kind":"key","name":"k","tables":{"t":[{"c":-99999999999999999999}]}}',
        '{"kind":"key","name":"k","tables":{"t":[{"c":{"hex":"0"}}]}}',
        '{"kind":"key","name":"k","tables":{"t":[{"c":{"hex":"zz"}}]}}',
        '{"kind":"key","name":"k","tables":{"t":[{"c":{"hex":"00","more":1}}]}}',
        '{"kind":"key","name":"k","tables":{"t":[{"c":{}}]}}',
        '{"kind":"key","name":"k","tables":' + '{"t":' * 100_000,
    ],
)
def test_what_is_no_record_is_damage(text: str) -> None:
    with pytest.raises(ArchiveDamaged):
        open_record(RECORD.name, with_plain(text.encode()), KEYRING)


def test_text_that_is_not_utf_8_is_damage() -> None:
    with pytest.raises(ArchiveDamaged):
        open_record(RECORD.name, with_plain(b'{"kind":"key","name":"k\xff","tables":{}}'), KEYRING)


def test_a_record_longer_than_any_is_not_sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_format, "PLAIN_BYTES_MAX", len(plain_text(RECORD)) - 1)
    with pytest.raises(InvariantError):
        plain_text(RECORD)


def test_the_longest_record_fits_into_an_object() -> None:
    head = len(OBJECT) - len(zstandard.ZstdCompressor().compress(plain_text(RECORD)))
    assert PLAIN_BYTES_MAX + PLAIN_BYTES_MAX // 256 + 64 + head <= OBJECT_BYTES_MAX


def test_an_object_that_does_not_open_to_its_text_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    real = zstandard.ZstdCompressor

    class Broken:
        def __init__(self, **_: object) -> None:
            pass

        def compress(self, data: bytes) -> bytes:
            return real().compress(data[:-1] + b"?")

    monkeypatch.setattr(zstandard, "ZstdCompressor", Broken)
    with pytest.raises(InvariantError):
        sealed(RECORD)


def test_nothing_of_a_record_shows_in_its_object() -> None:
    secret = ArchivedRecord(name=RECORD.name, tables={"t": [{"c": b"\x11\x22\x33\x44" * 4, "d": "a-secret"}]})
    content = sealed(secret)
    for shown in (b"a-secret", b"\x11\x22\x33\x44", b"tables", b"hex", MASTER_KEY):
        assert shown not in content


# --- the golden files


def golden_object(name: ArchiveName) -> bytes:
    """Read `offset: bytes  # what they are` lines, holding them to their offsets."""
    data = b""
    for line in (GOLDEN / f"{name.kind}.hex").read_text(encoding="ascii").splitlines():
        if given_bytes := line.split("#")[0].strip():
            offset, _, digits = given_bytes.partition(":")
            assert int(offset, 16) == len(data)
            data += bytes.fromhex(digits)
    return data


def golden_rows(name: ArchiveName, table: str) -> list[dict[str, Value]]:
    record = open_record(name, golden_object(name), KEYRING)
    return [dict(row) for row in record.tables[table]]


@pytest.mark.parametrize("name", GOLDEN_NAMES, ids=object_name)
def test_a_golden_object_holds_what_the_document_says(name: ArchiveName) -> None:
    content = golden_object(name)
    record = open_record(name, content, KEYRING)
    shown = (GOLDEN / f"{name.kind}.json").read_text(encoding="utf-8")
    assert json.loads(plain_text(record)) == json.loads(shown)
    assert archive_format.open_text(object_name(name), content, KEYRING) == plain_text(record)
    document = FORMAT_DOCUMENT.read_text(encoding="utf-8")
    assert f"```json\n{shown}```" in document


def test_the_document_shows_a_golden_object() -> None:
    shown = (GOLDEN / "domain.hex").read_text(encoding="ascii")
    assert f"```\n{shown}```" in FORMAT_DOCUMENT.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", GOLDEN_NAMES, ids=object_name)
def test_a_golden_object_has_the_tables_and_columns_of_today(name: ArchiveName) -> None:
    record = open_record(name, golden_object(name), KEYRING)
    assert list(record.tables) == [table.table for table in ARCHIVED[name.kind]]
    for table in ARCHIVED[name.kind]:
        for row in record.tables[table.table]:
            assert list(row) == list(table.columns)


def test_golden_objects_lead_from_the_master_key_to_the_keys_of_a_snapshot() -> None:
    domain_name, key_name, snapshot_name = GOLDEN_NAMES
    (snapshot,) = golden_rows(snapshot_name, "snapshot")
    assert str(snapshot["domain_key"]) == domain_name.name
    (domain,) = golden_rows(domain_name, "domain")
    uid, sealed_id_key, arn = (domain[column] for column in ("uid", "sealed_id_key", "kms_key_arn"))
    assert isinstance(uid, bytes)
    assert isinstance(sealed_id_key, bytes)
    assert str(arn).rpartition("/")[2] == key_name.name
    id_key = KEYRING.open(Purpose.DOMAIN_ID_KEY, sealed_id_key, belongs_to=uid.hex())
    assert id_key == bytes(range(0x20, 0x40))
    (material,) = golden_rows(key_name, "kms_material")
    sealed_material = material["sealed_material"]
    assert isinstance(sealed_material, bytes)
    opened = KEYRING.open(Purpose.KMS_KEY_MATERIAL, sealed_material, belongs_to=f"{KEY_ID} 1")
    data_keys = {}
    for row in golden_rows(domain_name, "domain_wrapping"):
        assert isinstance(row["wrapping"], bytes)
        context = {"neve:domain": uid.hex(), "neve:generation": str(row["generation"])}
        parsed = local_ciphertexts.parse(row["wrapping"])
        data_keys[row["generation"]] = local_ciphertexts.unseal(parsed, material=opened, context=context)
    assert data_keys == {1: bytes(range(0x40, 0x60)), 2: bytes(range(0x60, 0x80))}


def test_the_document_says_how_much_a_reader_may_take() -> None:
    document = FORMAT_DOCUMENT.read_text(encoding="utf-8")
    grouped: Callable[[int], str] = "{:,}".format
    assert grouped(PLAIN_BYTES_MAX) in document
    assert grouped(OBJECT_BYTES_MAX) in document
