"""Sealed chunks: what comes back is what went in, under the one name it was sealed as, or it is refused."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given
from hypothesis import strategies as st

from neve.domain.blocks import ChunkId, ChunkKind, digest
from neve.errors import ChunkDamaged, InvariantError
from neve.storage import chunk_cipher
from neve.storage.chunk_cipher import MAP_GENERATION, ChunkCipher, Locked, Unsealed, chunk_key
from neve.storage.chunk_codec import SEALED_OVERHEAD_BYTES, ChunkCodec, Encoded
from neve.stores.metadata.placement import Encoding
from neve.testing.time_and_chance import SeededEntropy

UID = bytes(range(16))
ID = ChunkId(bytes(range(32)))
KEYS = {1: bytes([1]) * 32, 2: bytes([2]) * 32}
CODEC = ChunkCodec()


def key_of(generation: int) -> bytes:
    try:
        return KEYS[generation]
    except KeyError:
        raise ChunkDamaged("no such generation") from None


def cipher(*, uid: bytes = UID, seals_with: int = 1, seed: int = 0) -> ChunkCipher:
    return ChunkCipher(domain_uid=uid, seals_with=seals_with, key_of=key_of, entropy=SeededEntropy(seed))


def opened(sealed: Encoded, chunk_id: ChunkId = ID, kind: ChunkKind = ChunkKind.BLOCK, **of: Any) -> Encoded:
    return cipher(**of).open(chunk_id, kind, sealed)


CONTENTS = {"raw": digest(b"one") + digest(b"two"), "zstd": b"neve" * 16}
SEALED = {
    name: cipher().seal(ID, ChunkKind.BLOCK, CODEC.encode(content)) for name, content in CONTENTS.items()
}

contents = st.builds(
    lambda piece, times: piece * times, st.binary(min_size=1, max_size=80), st.integers(1, 60)
)


@given(
    contents, st.sampled_from(ChunkKind), st.sampled_from(sorted(KEYS)), st.binary(min_size=32, max_size=32)
)
def test_what_was_sealed_opens_under_any_newer_generation(
    content: bytes, kind: ChunkKind, generation: int, name: bytes
) -> None:
    encoded, chunk_id = CODEC.encode(content), ChunkId(name)
    sealed = cipher(seals_with=generation).seal(chunk_id, kind, encoded)
    assert len(sealed.data) == len(encoded.data) + SEALED_OVERHEAD_BYTES
    assert sealed.plain_bytes == encoded.plain_bytes == len(content)
    assert cipher(seals_with=2).open(chunk_id, kind, sealed) == encoded
    assert CODEC.decode(encoded.encoding, encoded.data, len(content)) == content


@given(contents)
def test_no_stretch_of_the_content_shows(content: bytes) -> None:
    sealed = cipher().seal(ID, ChunkKind.BLOCK, CODEC.encode(content))
    assert all(content[at : at + 8] not in bytes(sealed.data) for at in range(len(content) - 7))


def test_the_encoding_says_what_is_inside() -> None:
    assert SEALED["raw"].encoding is Encoding.SEALED_RAW
    assert SEALED["zstd"].encoding is Encoding.SEALED_ZSTD


def test_the_same_chunk_sealed_twice_has_two_nonces_and_nothing_in_common() -> None:
    sealer = cipher()
    first, second = (sealer.seal(ID, ChunkKind.BLOCK, CODEC.encode(CONTENTS["raw"])).data for _ in range(2))
    assert first[:4] == second[:4] == (1).to_bytes(4)
    assert first[4:16] != second[4:16]
    assert first[16:] != second[16:]


def test_a_sealed_chunk_opens_with_nothing_but_what_the_document_says() -> None:
    sealed = SEALED["zstd"]
    generation, nonce, ciphertext = sealed.data[:4], bytes(sealed.data[4:16]), bytes(sealed.data[16:])
    assert generation == (1).to_bytes(4)
    key = HKDFExpand(algorithm=SHA256(), length=32, info=b"neve/1 chunk key" + ID).derive(KEYS[1])
    bound = b"neve/1 sealed chunk" + UID + (1).to_bytes(4) + ID + b"\x01" + b"\x01" + (64).to_bytes(4)
    frame = AESGCM(key).decrypt(nonce, ciphertext, bound)
    assert CODEC.decode(Encoding.ZSTD, frame, 64) == CONTENTS["zstd"]


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_a_chunk_key_is_hkdf_expand(generation_key: bytes, name: bytes) -> None:
    expand = HKDFExpand(algorithm=SHA256(), length=32, info=b"neve/1 chunk key" + name)
    assert chunk_key(generation_key, ChunkId(name)) == expand.derive(generation_key)


# --- what is refused


def flipped(data: bytes) -> Iterator[bytes]:
    for position, bit in product(range(len(data)), range(8)):
        yield data[:position] + bytes([data[position] ^ 1 << bit]) + data[position + 1 :]


@pytest.mark.parametrize("sealed", SEALED.values(), ids=SEALED)
def test_every_flipped_bit_is_refused(sealed: Encoded) -> None:
    refused = 0
    for data in flipped(bytes(sealed.data)):
        with pytest.raises(ChunkDamaged):
            opened(replace(sealed, data=data))
        refused += 1
    assert refused == 8 * len(sealed.data)


@pytest.mark.parametrize("sealed", SEALED.values(), ids=SEALED)
def test_every_truncation_and_anything_added_is_refused(sealed: Encoded) -> None:
    data = bytes(sealed.data)
    for other in [*(data[:length] for length in range(len(data))), data + b"\0", b"\0" + data, data + data]:
        with pytest.raises(ChunkDamaged):
            opened(replace(sealed, data=other))


ELSEWHERE: dict[str, dict[str, Any]] = {
    "another chunk's name": {"chunk_id": ChunkId(b"x" * 32)},
    "another kind": {"kind": ChunkKind.NODE},
    "another domain": {"uid": b"x" * 16},
}


@pytest.mark.parametrize("place", ELSEWHERE.values(), ids=ELSEWHERE)
@pytest.mark.parametrize("sealed", SEALED.values(), ids=SEALED)
def test_a_chunk_that_was_moved_is_refused(sealed: Encoded, place: dict[str, Any]) -> None:
    with pytest.raises(ChunkDamaged):
        opened(sealed, **place)


@pytest.mark.parametrize("sealed", SEALED.values(), ids=SEALED)
def test_a_chunk_opens_under_its_own_generation_only(sealed: Encoded) -> None:
    for generation in (MAP_GENERATION, 2, 3, 2**32 - 1):
        with pytest.raises(ChunkDamaged):
            opened(replace(sealed, data=generation.to_bytes(4) + bytes(sealed.data[4:])))


@pytest.mark.parametrize("sealed", SEALED.values(), ids=SEALED)
def test_another_encoding_or_length_on_record_is_refused(sealed: Encoded) -> None:
    others = {Encoding.SEALED_RAW, Encoding.SEALED_ZSTD} - {sealed.encoding}
    for lie in [*(replace(sealed, encoding=other) for other in others), replace(sealed, plain_bytes=63)]:
        with pytest.raises(ChunkDamaged):
            opened(lie)


@pytest.mark.parametrize("sealed", SEALED.values(), ids=SEALED)
def test_a_sealed_chunk_has_no_place_in_an_unencrypted_domain(sealed: Encoded) -> None:
    with pytest.raises(ChunkDamaged, match="not encrypted"):
        Unsealed().open(ID, ChunkKind.BLOCK, sealed)


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_an_unsealed_chunk_has_no_place_in_an_encrypted_domain(content: bytes) -> None:
    with pytest.raises(ChunkDamaged, match="not sealed"):
        opened(CODEC.encode(content))


def test_a_sealed_chunk_that_reaches_the_codec_is_refused() -> None:
    for sealed in SEALED.values():
        with pytest.raises(ChunkDamaged, match="opened"):
            CODEC.decode(sealed.encoding, sealed.data, sealed.plain_bytes)


def test_chunks_of_an_unencrypted_domain_pass_as_they_are() -> None:
    encoded = CODEC.encode(CONTENTS["zstd"])
    assert Unsealed().seal(ID, ChunkKind.BLOCK, encoded) is encoded
    assert Unsealed().open(ID, ChunkKind.BLOCK, encoded) is encoded


def test_blocks_without_their_data_keys_are_a_bug_and_never_data() -> None:
    with pytest.raises(InvariantError):
        Locked().seal(ID, ChunkKind.BLOCK, CODEC.encode(CONTENTS["raw"]))
    with pytest.raises(InvariantError):
        Locked().open(ID, ChunkKind.BLOCK, SEALED["raw"])


# --- nothing is acknowledged that does not come back


def test_a_ciphertext_that_does_not_open_is_a_bug_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Flips:
        def __init__(self, key: bytes) -> None:
            self._box = AESGCM(key)

        def encrypt_into(self, nonce: bytes, data: bytes, bound: bytes, into: memoryview) -> None:
            self._box.encrypt_into(nonce, data, bound, into)
            into[-1] ^= 1

        def decrypt_into(self, *arguments: Any) -> None:
            self._box.decrypt_into(*arguments)

    monkeypatch.setattr(chunk_cipher, "AESGCM", Flips)
    with pytest.raises(InvariantError, match="does not open"):
        cipher().seal(ID, ChunkKind.BLOCK, CODEC.encode(CONTENTS["raw"]))


@pytest.mark.parametrize("at", [0, 31, 63])
def test_a_ciphertext_of_other_bytes_is_a_bug_at_once(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    class Other:
        def __init__(self, key: bytes) -> None:
            self._box = AESGCM(key)

        def encrypt_into(self, nonce: bytes, data: bytes, bound: bytes, into: memoryview) -> None:
            changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            self._box.encrypt_into(nonce, changed, bound, into)

        def decrypt_into(self, *arguments: Any) -> None:
            self._box.decrypt_into(*arguments)

    monkeypatch.setattr(chunk_cipher, "AESGCM", Other)
    with pytest.raises(InvariantError, match="other bytes"):
        cipher().seal(ID, ChunkKind.BLOCK, CODEC.encode(CONTENTS["raw"]))


def test_many_threads_that_seal_at_once_do_not_mix_their_chunks_up() -> None:
    contents = [bytes([fill]) * size for fill, size in enumerate(range(1000, 1032))]

    def sealed_and_opened(content: bytes) -> bytes:
        raw = Encoded(encoding=Encoding.RAW, data=content, plain_bytes=len(content))
        return bytes(opened(cipher().seal(ID, ChunkKind.BLOCK, raw)).data)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(sealed_and_opened, contents * 50)) == contents * 50
    assert 0 < len(chunk_cipher._scratch) <= chunk_cipher._SCRATCH_KEPT_MAX
