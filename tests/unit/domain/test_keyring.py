"""What is sealed under the master key opens for its owner and for nobody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neve.clock import SystemEntropy
from neve.domain.keyring import Keyring, Purpose
from neve.errors import StoreUnusable

KEYRING = Keyring(bytes(32), SystemEntropy())


@given(st.binary(max_size=80), st.text(max_size=20))
def test_a_sealed_secret_opens_for_its_owner_and_shows_nothing(secret: bytes, owner: str) -> None:
    sealed = KEYRING.seal(Purpose.ACCESS_KEY_SECRET, secret, belongs_to=owner)
    assert KEYRING.open(Purpose.ACCESS_KEY_SECRET, sealed, belongs_to=owner) == secret
    assert len(secret) < 4 or secret not in sealed


@pytest.mark.parametrize("purpose", list(Purpose))
def test_sealing_twice_gives_two_different_values(purpose: Purpose) -> None:
    assert KEYRING.seal(purpose, b"s", belongs_to="x") != KEYRING.seal(purpose, b"s", belongs_to="x")


@given(st.data())
def test_a_sealed_value_altered_anywhere_does_not_open(data: st.DataObject) -> None:
    sealed = bytearray(KEYRING.seal(Purpose.DOMAIN_ID_KEY, b"secret", belongs_to="x"))
    position = data.draw(st.integers(0, len(sealed) - 1))
    sealed[position] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(StoreUnusable):
        KEYRING.open(Purpose.DOMAIN_ID_KEY, bytes(sealed), belongs_to="x")


def test_a_value_moved_to_another_owner_purpose_or_store_does_not_open() -> None:
    sealed = KEYRING.seal(Purpose.DOMAIN_ID_KEY, b"secret", belongs_to="x")
    other = Keyring(b"1" * 32, SystemEntropy())
    for keyring, purpose, owner in [
        (KEYRING, Purpose.DOMAIN_ID_KEY, "y"),
        (KEYRING, Purpose.ACCESS_KEY_SECRET, "x"),
        (other, Purpose.DOMAIN_ID_KEY, "x"),
    ]:
        with pytest.raises(StoreUnusable):
            keyring.open(purpose, sealed, belongs_to=owner)


@pytest.mark.parametrize("size", [0, 1, 12, 13, 28])
def test_a_sealed_value_cut_short_does_not_open(size: int) -> None:
    sealed = KEYRING.seal(Purpose.DOMAIN_ID_KEY, b"secret", belongs_to="x")[:size]
    with pytest.raises(StoreUnusable):
        KEYRING.open(Purpose.DOMAIN_ID_KEY, sealed, belongs_to="x")


def test_a_master_key_of_another_length_is_refused() -> None:
    with pytest.raises(StoreUnusable):
        Keyring(b"short", SystemEntropy())


def test_derivations_never_change() -> None:
    """A golden value: stores sealed last year must open next year."""
    assert KEYRING.derive(Purpose.TOKENS, 8).hex() == "9aefea97bde99208"
