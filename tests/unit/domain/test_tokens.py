"""Tokens: what opens, and everything else that must not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neve.domain.blocks import BlockIndex, ChunkId
from neve.domain.identities import SnapshotId
from neve.domain.tokens import SALT_BYTES, TOKEN_KEY_BYTES, Stamp, TokenInvalid, TokenMint
from neve.limits import STANDARD

MINT = TokenMint(bytes(range(TOKEN_KEY_BYTES)))
SNAPSHOT = SnapshotId("snap-0123456789abcdef0")
OTHER = SnapshotId("snap-0123456789abcdef1")
CHUNK = ChunkId(b"c" * 32)
NOW = 1_790_000_000_000
LATER = NOW + 3_600_000
INDEX = BlockIndex(7)


def stamp(expires_ms: int = LATER, salt: bytes = bytes(SALT_BYTES)) -> Stamp:
    return Stamp(expires_ms=expires_ms, salt=salt)


def block_token() -> str:
    return MINT.block_token(stamp(), SNAPSHOT, INDEX, CHUNK)


@given(st.integers(0, 2**31 - 1), st.binary(min_size=32, max_size=32), st.binary(min_size=8, max_size=8))
def test_a_block_token_gives_back_its_chunk_and_fits_the_model(index: int, chunk: bytes, salt: bytes) -> None:
    token = MINT.block_token(stamp(salt=salt), SNAPSHOT, BlockIndex(index), ChunkId(chunk))
    assert MINT.read_block_token(token, SNAPSHOT, BlockIndex(index), now_ms=NOW) == chunk
    assert len(token) <= STANDARD.token_chars_max
    assert token.isalnum()
    assert token.isascii()


def test_a_token_of_another_snapshot_index_or_kind_is_invalid() -> None:
    page = MINT.page_token(stamp(), "ListSnapshotBlocks", [SNAPSHOT], 7)
    for token, snapshot, index in [
        (block_token(), OTHER, INDEX),
        (block_token(), SNAPSHOT, BlockIndex(8)),
        (page, SNAPSHOT, INDEX),
    ]:
        with pytest.raises(TokenInvalid):
            MINT.read_block_token(token, snapshot, index, now_ms=NOW)


def test_a_token_lives_until_its_expiry_and_not_at_it() -> None:
    assert MINT.read_block_token(block_token(), SNAPSHOT, INDEX, now_ms=LATER - 1) == CHUNK
    with pytest.raises(TokenInvalid):
        MINT.read_block_token(block_token(), SNAPSHOT, INDEX, now_ms=LATER)


@given(st.data())
def test_a_token_with_any_character_changed_is_invalid(data: st.DataObject) -> None:
    token = block_token()
    position = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("0123456789abcdefABCDEF+/=_-").filter(lambda c: c != token[position]))
    with pytest.raises(TokenInvalid):
        MINT.read_block_token(token[:position] + other + token[position + 1 :], SNAPSHOT, INDEX, now_ms=NOW)


@given(st.text(max_size=300))
def test_no_text_at_all_does_more_than_be_invalid(token: str) -> None:
    with pytest.raises(TokenInvalid):
        MINT.read_block_token(token, SNAPSHOT, INDEX, now_ms=NOW)
    with pytest.raises(TokenInvalid):
        MINT.read_page_token(token, "ListSnapshotBlocks", [SNAPSHOT], now_ms=NOW)


def test_a_token_of_another_key_is_invalid() -> None:
    with pytest.raises(TokenInvalid):
        TokenMint(bytes(TOKEN_KEY_BYTES)).read_block_token(block_token(), SNAPSHOT, INDEX, now_ms=NOW)


def test_two_answers_mint_different_tokens() -> None:
    other = MINT.block_token(stamp(salt=b"12345678"), SNAPSHOT, INDEX, CHUNK)
    assert other != block_token()


@pytest.mark.parametrize(
    ("operation", "subject"),
    [
        ("ListChangedBlocks", [SNAPSHOT]),
        ("ListSnapshotBlocks", [OTHER]),
        ("ListSnapshotBlocks", [SNAPSHOT, OTHER]),
        ("ListSnapshotBlocks", []),
    ],
)
def test_a_page_token_is_bound_to_operation_and_subject(operation: str, subject: list[str]) -> None:
    token = MINT.page_token(stamp(), "ListSnapshotBlocks", [SNAPSHOT], 99)
    assert MINT.read_page_token(token, "ListSnapshotBlocks", [SNAPSHOT], now_ms=NOW) == 99
    with pytest.raises(TokenInvalid):
        MINT.read_page_token(token, operation, subject, now_ms=NOW)
