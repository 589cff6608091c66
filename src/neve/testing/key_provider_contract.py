"""The promises of `stores/keys/contract.py`, as tests that every key provider is held to.

    class TestKeyProviders(KeyProviderContract): ...      with a fixture `engine` for each provider

Here is what wrappings promise; what keys and their keepers do is read in a second sitting, key_provider_contract_states.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from neve.errors import KmsError
from neve.testing.key_provider_contract_states import KeyKeepers, KeyStates
from neve.testing.key_provider_scene import ACCOUNT, CONTEXT, KeyEngine, refusals, wrapped

UNUSUAL_CONTEXTS: Mapping[str, Mapping[str, str]] = {
    "empty": {},
    "one pair": {"a": "b"},
    "an empty value": {"a": ""},
    "what JSON must escape": {'"': '\\"\n\x7f', "{}": '{"a":"b"}'},
    "letters of many scripts": {"Schlüssel": "鍵", "ключ": "🔑"},
    "many pairs": {f"name{number}": "v" * number for number in range(8)},
}


class KeyProviderContract(KeyStates, KeyKeepers):
    """What must hold for any `KeyProvider`."""

    @pytest.mark.parametrize("size_bytes", [1, 16, 32, 64, 1024])
    def test_DOC_a_data_key_has_the_size_asked_for_and_its_wrapping_opens(
        self, engine: KeyEngine, size_bytes: int
    ) -> None:
        arn = engine.make_key(ACCOUNT)
        made = engine.provider.generate_data_key(arn, CONTEXT, size_bytes=size_bytes)
        assert len(made.plaintext) == size_bytes
        assert engine.provider.decrypt(arn, made.wrapping, CONTEXT) == made.plaintext

    def test_a_wrapping_hides_its_key_and_no_representation_shows_it(self, engine: KeyEngine) -> None:
        made = engine.provider.generate_data_key(engine.make_key(ACCOUNT), CONTEXT, size_bytes=32)
        assert made.plaintext not in made.wrapping
        assert made.plaintext.hex() not in repr(made)
        assert repr(made.plaintext) not in repr(made)

    def test_no_two_data_keys_or_wrappings_are_the_same(self, engine: KeyEngine) -> None:
        arn = engine.make_key(ACCOUNT)
        made = [engine.provider.generate_data_key(arn, CONTEXT, size_bytes=32) for _ in range(8)]
        assert len({one.plaintext for one in made}) == 8
        assert len({one.wrapping for one in made}) == 8

    def test_a_data_key_names_the_material_that_describe_names(self, engine: KeyEngine) -> None:
        arn = engine.make_key(ACCOUNT)
        version = engine.provider.generate_data_key(arn, CONTEXT, size_bytes=32).key_version
        assert version == engine.provider.describe(arn).key_version

    @pytest.mark.parametrize("context", UNUSUAL_CONTEXTS.values(), ids=UNUSUAL_CONTEXTS.keys())
    def test_a_wrapping_opens_with_whatever_context_it_was_made_with(
        self, engine: KeyEngine, context: Mapping[str, str]
    ) -> None:
        arn = engine.make_key(ACCOUNT)
        made = engine.provider.generate_data_key(arn, context, size_bytes=32)
        in_other_order = dict(reversed(tuple(context.items())))
        assert engine.provider.decrypt(arn, made.wrapping, in_other_order) == made.plaintext

    @pytest.mark.parametrize(
        "context",
        [
            {},
            {"neve:domain": "0f" * 16},
            {"neve:domain": "0f" * 16, "neve:generation": "2"},
            {"neve:domain": "0f" * 16, "neve:generation": "1", "more": ""},
            {"neve:domain": "1", "neve:generation": "0f" * 16},
            {"neve:domain": "0F" * 16, "neve:generation": "1"},
        ],
        ids=["none", "a pair less", "another value", "a pair more", "values swapped", "another case"],
    )
    def test_DOC_no_other_context_opens_a_wrapping(
        self, engine: KeyEngine, context: Mapping[str, str]
    ) -> None:
        arn = engine.make_key(ACCOUNT)
        wrapping = wrapped(engine, arn)
        uses = {
            "decrypt": lambda: engine.provider.decrypt(arn, wrapping, context),
            "re_encrypt": lambda: engine.provider.re_encrypt(
                arn, wrapping, context, to_key_arn=arn, to_context=context
            ),
        }
        assert {refusal.code for refusal in refusals(uses).values()} == {"InvalidCiphertextException"}

    def test_DOC_no_other_key_opens_a_wrapping(self, engine: KeyEngine) -> None:
        arn = engine.make_key(ACCOUNT)
        wrapping = wrapped(engine, arn)
        for other in (engine.make_key(ACCOUNT), engine.make_key(engine.accounts[1])):
            with pytest.raises(KmsError) as refused:
                engine.provider.decrypt(other, wrapping, CONTEXT)
            assert refused.value.code == "InvalidCiphertextException"

    def test_DOC_an_altered_wrapping_does_not_open(self, engine: KeyEngine) -> None:
        arn = engine.make_key(ACCOUNT)
        wrapping = wrapped(engine, arn)
        # Every sixth byte: each part of any layout is met, and a remote engine answers in good time.
        altered = [
            wrapping[:at] + bytes([wrapping[at] ^ 1 << at % 8]) + wrapping[at + 1 :]
            for at in {*range(0, len(wrapping), 6), len(wrapping) - 1}
        ]
        altered += [wrapping[:size] for size in (0, 1, 4, 16, len(wrapping) // 2, len(wrapping) - 1)]
        altered += [
            wrapping + b"\0",
            b"\0" + wrapping,
            bytes(len(wrapping)),
            b"\xff" * 4096,
            b"vault:v1:AAAA",
        ]
        uses = {repr(bad): lambda bad=bad: engine.provider.decrypt(arn, bad, CONTEXT) for bad in altered}
        codes = {name: refusal.code for name, refusal in refusals(uses).items()}
        assert codes == dict.fromkeys(uses, "InvalidCiphertextException")

    def test_re_encrypting_moves_a_data_key_to_another_key_and_context(self, engine: KeyEngine) -> None:
        arn, to_arn = engine.make_key(ACCOUNT), engine.make_key(ACCOUNT)
        made = engine.provider.generate_data_key(arn, CONTEXT, size_bytes=32)
        to_context = {"neve:domain": "new"}
        moved, version = engine.provider.re_encrypt(
            arn, made.wrapping, CONTEXT, to_key_arn=to_arn, to_context=to_context
        )
        assert engine.provider.decrypt(to_arn, moved, to_context) == made.plaintext
        assert version == engine.provider.describe(to_arn).key_version
        assert engine.provider.decrypt(arn, made.wrapping, CONTEXT) == made.plaintext
        for wrong_arn, wrong_context in ((to_arn, CONTEXT), (arn, to_context)):
            with pytest.raises(KmsError) as refused:
                engine.provider.decrypt(wrong_arn, moved, wrong_context)
            assert refused.value.code == "InvalidCiphertextException"

    def test_many_threads_wrap_and_open_at_once(self, engine: KeyEngine) -> None:
        arns = [engine.make_key(ACCOUNT), engine.make_key(engine.accounts[1])]

        def wrap_and_open(number: int) -> bool:
            arn, context = arns[number % 2], {"number": str(number)}
            made = engine.provider.generate_data_key(arn, context, size_bytes=32)
            return engine.provider.decrypt(arn, made.wrapping, context) == made.plaintext

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(wrap_and_open, range(32)))
