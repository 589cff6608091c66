"""Bugs planted in how chunks are sealed, and the test that must catch each.

No program of the API notices these: what is sealed wrongly opens with the same mistake. So each names the test beside
the sealed bytes that fails under it.
"""

from collections.abc import Callable
from typing import Any

import pytest

from neve.domain.blocks import ChunkKind
from neve.storage import chunk_cipher, data_keys
from neve.storage.chunk_cipher import ChunkCipher, Unsealed
from neve.stores.metadata.placement import Encoding
from neve.testing.time_and_chance import SeededEntropy
from unit.storage import test_chunk_cipher, test_data_keys, test_segment_format

Plant = Callable[[pytest.MonkeyPatch], None]
Test = Callable[[], None]


def not_bound(position: int, value: object) -> Plant:
    """A part of the associated data is the same for all chunks."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        bound = ChunkCipher._bound

        def forgetful(self: ChunkCipher, *parts: Any) -> bytes:
            held = list(parts)
            held[position] = value
            return bound(self, *held)

        patch.setattr(ChunkCipher, "_bound", forgetful)

    return plant


def the_domain_is_not_bound(patch: pytest.MonkeyPatch) -> None:
    made = ChunkCipher.__init__
    patch.setattr(
        ChunkCipher, "__init__", lambda self, *, domain_uid, **rest: made(self, domain_uid=bytes(16), **rest)
    )


def what_was_sealed_is_not_opened_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(chunk_cipher, "_check_opens_again", lambda *_: None)


def nonces_repeat(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SeededEntropy, "take", lambda _self, size_bytes: bytes(size_bytes))


def all_chunks_share_a_key(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(chunk_cipher, "chunk_key", lambda generation_key, _chunk_id: generation_key)


def unsealed_chunks_pass_in_an_encrypted_domain(patch: pytest.MonkeyPatch) -> None:
    opened = ChunkCipher.open

    def lenient(self: ChunkCipher, chunk_id: Any, kind: Any, stored: Any) -> Any:
        if stored.encoding in {Encoding.RAW, Encoding.ZSTD}:
            return stored
        return opened(self, chunk_id, kind, stored)

    patch.setattr(ChunkCipher, "open", lenient)


def sealed_chunks_pass_in_an_unencrypted_domain(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Unsealed, "open", lambda _self, _chunk_id, _kind, stored: stored)


def new_chunks_are_sealed_under_the_oldest_generation(patch: pytest.MonkeyPatch) -> None:
    newest = data_keys._Generations.newest

    def oldest(self: data_keys._Generations) -> int:
        newest(self)
        return min(self._wrappings)

    patch.setattr(data_keys._Generations, "newest", oldest)


def golden() -> None:
    test_segment_format.test_the_golden_sealed_segment_is_read_down_to_the_same_blocks()


def comparison() -> None:
    with pytest.MonkeyPatch.context() as patch:
        test_chunk_cipher.test_a_ciphertext_of_other_bytes_is_a_bug_at_once(patch, 31)


def opening() -> None:
    with pytest.MonkeyPatch.context() as patch:
        test_chunk_cipher.test_a_ciphertext_that_does_not_open_is_a_bug_at_once(patch)


def unsealed_in_encrypted() -> None:
    test_chunk_cipher.test_an_unsealed_chunk_has_no_place_in_an_encrypted_domain(b"content")


def sealed_in_unencrypted() -> None:
    (sealed, *_) = test_chunk_cipher.SEALED.values()
    test_chunk_cipher.test_a_sealed_chunk_has_no_place_in_an_unencrypted_domain(sealed)


def renewal() -> None:
    test_data_keys.test_renewing_begins_a_generation_and_wraps_the_others_anew(test_data_keys.Scene())


PLANTED: dict[str, tuple[Plant, Test]] = {
    "the generation is not bound": (not_bound(0, 7), golden),
    "the chunk id is not bound": (not_bound(1, bytes(32)), golden),
    "the kind is not bound": (not_bound(2, ChunkKind.NODE), golden),
    "the encoding is not bound": (not_bound(3, Encoding.RAW), golden),
    "the length is not bound": (not_bound(4, 0), golden),
    "the domain is not bound": (the_domain_is_not_bound, golden),
    "all chunks share a key": (all_chunks_share_a_key, golden),
    "what was sealed is not compared": (what_was_sealed_is_not_opened_again, comparison),
    "what was sealed is not opened again": (what_was_sealed_is_not_opened_again, opening),
    "nonces repeat": (
        nonces_repeat,
        test_chunk_cipher.test_the_same_chunk_sealed_twice_has_two_nonces_and_nothing_in_common,
    ),
    "unsealed chunks pass": (unsealed_chunks_pass_in_an_encrypted_domain, unsealed_in_encrypted),
    "sealed chunks pass": (sealed_chunks_pass_in_an_unencrypted_domain, sealed_in_unencrypted),
    "new chunks go under the oldest generation": (new_chunks_are_sealed_under_the_oldest_generation, renewal),
}


@pytest.mark.parametrize(("plant", "test"), PLANTED.values(), ids=PLANTED)
def test_the_named_test_catches(plant: Plant, test: Test, monkeypatch: pytest.MonkeyPatch) -> None:
    test()
    plant(monkeypatch)
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - an assertion, or pytest's own Failed
        test()
    assert not isinstance(caught.value, AttributeError | TypeError | KeyboardInterrupt), (
        "the bug itself is broken"
    )
