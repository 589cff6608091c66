"""Session tokens: they carry everything, open for their own access key id only, and say nothing to anybody else."""

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neve.domain.identities import AccountId
from neve.domain.sessions import (
    SESSION_ENTROPY_BYTES,
    SESSION_KEY_BYTES,
    TOKEN_CHARS_MAX,
    Session,
    SessionMint,
    SessionTokenInvalid,
    new_session,
)

MINT = SessionMint(bytes(range(SESSION_KEY_BYTES)))
POLICY_CHARACTERS = st.characters(min_codepoint=0x20, max_codepoint=0xFF)


def made(entropy: bytes = bytes(SESSION_ENTROPY_BYTES), policy: str | None = None) -> Session:
    return new_session(
        entropy,
        parent_access_key_id="AKIDEXAMPLE",
        account_id=AccountId("111122223333"),
        user_id="AIDAEXAMPLE",
        issued_ms=1,
        expires_ms=2,
        federated_name="bob",
        policy=policy,
    )


SESSION = made()
TOKEN = MINT.token(SESSION)


def test_an_access_key_id_and_a_secret_have_the_forms_tools_expect() -> None:
    session = made(bytes(range(SESSION_ENTROPY_BYTES)))
    assert session.access_key_id.startswith("ASIA")
    assert len(session.access_key_id) == 20
    assert len(session.secret) == 40


@given(st.binary(min_size=SESSION_ENTROPY_BYTES, max_size=SESSION_ENTROPY_BYTES), st.text(POLICY_CHARACTERS))
def test_what_goes_in_comes_out(entropy: bytes, policy: str) -> None:
    session = made(entropy, policy)
    assert MINT.read(MINT.token(session), session.access_key_id) == session


@pytest.mark.parametrize("character", ['"', "\\", "\xff", "\t"])
def test_the_longest_policy_fits_whatever_it_is_made_of(character: str) -> None:
    session = made(policy=character * 2048)
    token = MINT.token(session)
    assert len(token) <= TOKEN_CHARS_MAX
    assert MINT.read(token, session.access_key_id) == session


def test_nothing_of_it_can_be_read() -> None:
    sealed = base64.b64decode(TOKEN)
    for text in (SESSION.secret, SESSION.parent_access_key_id, SESSION.account_id, "bob"):
        assert text.encode() not in sealed
    assert SESSION.secret not in repr(SESSION)


def test_it_opens_for_its_own_access_key_id_only() -> None:
    other = made(bytes([1]) + bytes(SESSION_ENTROPY_BYTES - 1))
    for access_key_id in (other.access_key_id, "AKIDEXAMPLE", "", SESSION.access_key_id.lower()):
        with pytest.raises(SessionTokenInvalid):
            MINT.read(TOKEN, access_key_id)


def test_another_store_does_not_open_it() -> None:
    with pytest.raises(SessionTokenInvalid):
        SessionMint(bytes(SESSION_KEY_BYTES)).read(TOKEN, SESSION.access_key_id)


@given(st.integers(0, len(base64.b64decode(TOKEN)) - 1), st.integers(1, 255))
def test_no_changed_byte_opens(at: int, change: int) -> None:
    sealed = bytearray(base64.b64decode(TOKEN))
    sealed[at] ^= change
    with pytest.raises(SessionTokenInvalid):
        MINT.read(base64.b64encode(sealed).decode(), SESSION.access_key_id)


@given(st.text() | st.text("ABab01+/=", max_size=80))
def test_noise_opens_nothing(noise: str) -> None:
    with pytest.raises(SessionTokenInvalid):
        MINT.read(noise, SESSION.access_key_id)


@pytest.mark.parametrize("spoil", [TOKEN[:-4], TOKEN + "AAAA", TOKEN + "\n", " " + TOKEN, "A" * 8193, ""])
def test_a_token_has_one_form(spoil: str) -> None:
    with pytest.raises(SessionTokenInvalid):
        MINT.read(spoil, SESSION.access_key_id)


def test_every_session_has_another_token() -> None:
    assert MINT.token(replace(SESSION, secret="another")) != TOKEN
