"""Ciphertexts of the local keyring, byte by byte."""

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from neve.domain.kms_keys import KmsKeyId
from neve.errors import KmsError
from neve.stores.keys import local_ciphertexts

KEY_ID = KmsKeyId("12345678-9abc-4def-8123-456789abcdef")
MATERIAL = bytes(range(32))
SALT = bytes(range(100, 132))
CONTEXT = {"neve:domain": "00ff", "a": ""}
GOLDEN = "d674c9974c1c880b2fe1abbbb5afde284f0919629f6a90ded6581c33b60de262"

contexts = st.dictionaries(
    st.text(st.characters(codec="utf-8"), max_size=4), st.text(st.characters(codec="utf-8"), max_size=4)
)


def sealed(plaintext: bytes = b"a data key") -> bytes:
    return local_ciphertexts.seal(
        plaintext, key_id=KEY_ID, material_version=7, material=MATERIAL, salt=SALT, context=CONTEXT
    )


def opened(ciphertext: bytes, *, material: bytes = MATERIAL, context: dict[str, str] = CONTEXT) -> bytes:
    return local_ciphertexts.unseal(local_ciphertexts.parse(ciphertext), material=material, context=context)


def hkdf_sha256(secret: bytes, salt: bytes, info: bytes, size_bytes: int) -> bytes:
    """RFC 5869, written out."""
    key = hmac.digest(salt, secret, "sha256")
    output, last, counter = b"", b"", 1
    while len(output) < size_bytes:
        last = hmac.digest(key, last + info + bytes([counter]), "sha256")
        output, counter = output + last, counter + 1
    return output[:size_bytes]


def test_the_bytes_are_what_the_document_says() -> None:
    header = b"\x01" + bytes.fromhex("123456789abc4def8123456789abcdef") + bytes([0, 0, 0, 7]) + SALT
    context = (
        b"\x00\x00\x00\x02\x00\x00\x00\x01a\x00\x00\x00\x00\x00\x00\x00\x0bneve:domain\x00\x00\x00\x0400ff"
    )
    derived = hkdf_sha256(MATERIAL, SALT, b"neve/1 kms ciphertext", 44)
    assert sealed() == header + AESGCM(derived[:32]).encrypt(derived[32:], b"a data key", header + context)


def test_the_bytes_have_not_changed_since_they_were_released() -> None:
    assert hashlib.sha256(sealed()).hexdigest() == GOLDEN


@given(plaintext=st.binary(max_size=64))
def test_what_was_sealed_opens(plaintext: bytes) -> None:
    ciphertext = sealed(plaintext)
    parsed = local_ciphertexts.parse(ciphertext)
    assert (parsed.key_id, parsed.material_version) == (KEY_ID, 7)
    assert opened(ciphertext) == plaintext


@given(position=st.integers(0, len(sealed()) - 1), flip=st.integers(1, 255))
def test_no_byte_may_change(position: int, flip: int) -> None:
    altered = bytearray(sealed())
    altered[position] ^= flip
    with pytest.raises(KmsError) as refusal:
        opened(bytes(altered))
    assert refusal.value.code == "InvalidCiphertextException"


@given(size_bytes=st.integers(0, len(sealed()) - 1))
def test_no_byte_may_be_missing(size_bytes: int) -> None:
    with pytest.raises(KmsError) as refusal:
        opened(sealed()[:size_bytes])
    assert refusal.value.code == "InvalidCiphertextException"


@given(context=contexts.filter(lambda context: context != CONTEXT))
def test_another_context_opens_nothing(context: dict[str, str]) -> None:
    with pytest.raises(KmsError):
        opened(sealed(), context=context)


def test_other_material_opens_nothing() -> None:
    with pytest.raises(KmsError):
        opened(sealed(), material=bytes(32))


@given(one=contexts, other=contexts)
def test_two_contexts_have_one_form_only_if_they_are_equal(
    one: dict[str, str], other: dict[str, str]
) -> None:
    same = local_ciphertexts.canonical_context(one) == local_ciphertexts.canonical_context(other)
    assert same == (one == other)


@given(context=contexts)
def test_the_order_of_a_context_does_not_matter(context: dict[str, str]) -> None:
    turned = dict(reversed(context.items()))
    assert local_ciphertexts.canonical_context(turned) == local_ciphertexts.canonical_context(context)
