"""The promises of `stores/keys/contract.py`, as tests that every key provider is held to.

    class TestKeyProviders(KeyProviderContract): ...      with a fixture `engine` for each provider

What happens to keys and to whoever keeps them happens outside of the contract: an operator disables a key, somebody
seals the Vault. A `KeyEngine` does that for one provider, and says which of it cannot be done there, and why: those
tests are skipped with that reason, and no other.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import Enum, auto
from typing import Protocol

import pytest

from neve.domain.identities import AccountId
from neve.domain.kms_keys import KeyManager, KeyState
from neve.errors import KeyProviderUnavailable, KmsError
from neve.stores.keys.contract import KeyProvider

ACCOUNT = AccountId("111122223333")
OTHER_ACCOUNT = AccountId("444455556666")
CONTEXT = {"neve:domain": "0f" * 16, "neve:generation": "1"}
UNUSUAL_CONTEXTS: Mapping[str, Mapping[str, str]] = {
    "empty": {},
    "one pair": {"a": "b"},
    "an empty value": {"a": ""},
    "what JSON must escape": {'"': '\\"\n\x7f', "{}": '{"a":"b"}'},
    "letters of many scripts": {"Schlüssel": "鍵", "ключ": "🔑"},
    "many pairs": {f"name{number}": "v" * number for number in range(8)},
}


class Deed(Enum):
    """What may befall a key or its keeper."""

    DISABLE = auto()
    SCHEDULE_DELETION = auto()
    REMOVE = auto()
    ROTATE = auto()
    DENY = auto()
    STOP_ANSWERING = auto()
    RESTART = auto()
    MAKE_ASYMMETRIC_KEYS = auto()
    MAKE_DEFAULT_KEYS = auto()


class KeyEngine(Protocol):
    """One provider, and a hand on whoever keeps its keys."""

    @property
    def provider(self) -> KeyProvider:
        """The provider under test. Another one after `restart`, where that is what a restart means."""
        ...

    @property
    def cannot(self) -> Mapping[Deed, str]:
        """What cannot be done here, and why. Whatever is not named is done, and tested."""
        ...

    @property
    def accounts(self) -> tuple[AccountId, AccountId]:
        """Two accounts that keys can be made in; the same one twice, where the keeper has no other."""
        ...

    def make_key(self, account_id: AccountId) -> str:
        """Return the ARN of a new enabled symmetric key."""
        ...

    def make_asymmetric_key(self, account_id: AccountId) -> str:
        """Return the ARN of a new key that signs."""
        ...

    def absent_key(self, account_id: AccountId) -> str:
        """Return a well-formed ARN under which there is no key."""
        ...

    def disable(self, key_arn: str) -> None: ...

    def enable(self, key_arn: str) -> None: ...

    def schedule_deletion(self, key_arn: str) -> None: ...

    def remove(self, key_arn: str) -> None: ...

    def rotate(self, key_arn: str) -> None: ...

    def deny(self, key_arn: str) -> None:
        """Let the keeper refuse us everything about the key."""
        ...

    def stop_answering(self) -> None: ...

    def answer_again(self) -> None: ...

    def restart(self) -> None:
        """Stop and start the keeper, which remembers its keys."""
        ...


def _needs(engine: KeyEngine, deed: Deed) -> None:
    if deed in engine.cannot:
        pytest.skip(engine.cannot[deed])


def _wrapped(engine: KeyEngine, key_arn: str) -> bytes:
    return engine.provider.generate_data_key(key_arn, CONTEXT, size_bytes=32).wrapping


def _every_use(
    provider: KeyProvider, key_arn: str, wrapping: bytes, good_arn: str
) -> Mapping[str, Callable[[], object]]:
    """Return everything that uses a key; `good_arn` is one that may be used."""
    good = provider.generate_data_key(good_arn, CONTEXT, size_bytes=32).wrapping

    def re_encrypt(arn: str, wrapped: bytes, to_arn: str) -> object:
        return provider.re_encrypt(arn, wrapped, CONTEXT, to_key_arn=to_arn, to_context=CONTEXT)

    return {
        "generate_data_key": lambda: provider.generate_data_key(key_arn, CONTEXT, size_bytes=32),
        "decrypt": lambda: provider.decrypt(key_arn, wrapping, CONTEXT),
        "re_encrypt from it": lambda: re_encrypt(key_arn, wrapping, good_arn),
        "re_encrypt to it": lambda: re_encrypt(good_arn, good, key_arn),
        "re_encrypt in place": lambda: re_encrypt(key_arn, wrapping, key_arn),
    }


def _refusals(uses: Mapping[str, Callable[[], object]]) -> dict[str, KmsError]:
    """Return how each use was refused."""
    refusals = {}
    for name, use in uses.items():
        with pytest.raises(KmsError) as refused:
            use()
        refusals[name] = refused.value
    return refusals


def _check_all_refused(uses: Mapping[str, Callable[[], object]], code: str, key_arn: str) -> None:
    refusals = _refusals(uses)
    assert {name: refusal.code for name, refusal in refusals.items()} == dict.fromkeys(uses, code)
    assert [name for name, refusal in refusals.items() if key_arn not in refusal.message] == []


class _Wrapping:
    """What wrappings promise."""

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
        wrapping = _wrapped(engine, arn)
        uses = {
            "decrypt": lambda: engine.provider.decrypt(arn, wrapping, context),
            "re_encrypt": lambda: engine.provider.re_encrypt(
                arn, wrapping, context, to_key_arn=arn, to_context=context
            ),
        }
        assert {refusal.code for refusal in _refusals(uses).values()} == {"InvalidCiphertextException"}

    def test_DOC_no_other_key_opens_a_wrapping(self, engine: KeyEngine) -> None:
        arn = engine.make_key(ACCOUNT)
        wrapping = _wrapped(engine, arn)
        for other in (engine.make_key(ACCOUNT), engine.make_key(engine.accounts[1])):
            with pytest.raises(KmsError) as refused:
                engine.provider.decrypt(other, wrapping, CONTEXT)
            assert refused.value.code == "InvalidCiphertextException"

    def test_DOC_an_altered_wrapping_does_not_open(self, engine: KeyEngine) -> None:
        arn = engine.make_key(ACCOUNT)
        wrapping = _wrapped(engine, arn)
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
        codes = {name: refusal.code for name, refusal in _refusals(uses).items()}
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


class _States:
    """What keys promise as they change."""

    def test_an_enabled_key_is_described(self, engine: KeyEngine) -> None:
        arn = engine.make_key(engine.accounts[1])
        described = engine.provider.describe(arn)
        assert (described.arn, described.account_id) == (arn, engine.accounts[1])
        assert (described.state, described.symmetric) == (KeyState.ENABLED, True)
        assert described.manager is KeyManager.CUSTOMER

    @pytest.mark.parametrize(
        "arn",
        [
            "",
            "key",
            "1234abcd-12ab-34cd-56ef-1234567890ab",
            "alias/aws/ebs",
            "arn:aws:kms:us-east-1:111122223333:alias/aws/ebs",
            "arn:aws:kms:us-east-1:1111:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "arn:aws:s3:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "arn:aws:kms:us-east-1:111122223333:key/",
            "arn:aws:kms:us-east-1:111122223333:key/../../sys/seal",
            "arn:aws:kms:us-east-1:111122223333:key/a?b=c",
            "arn:aws:kms:us-east-1:111122223333:key/a\n",
            "arn:aws:kms:us-east-1:\uff1111111111111:key/a",
            "arn:aws:kms:us-east-1:111122223333:key/" + "a" * 5000,
        ],
    )
    def test_what_is_no_key_arn_names_no_key(self, engine: KeyEngine, arn: str) -> None:
        uses = {
            "describe": lambda: engine.provider.describe(arn),
            "generate_data_key": lambda: engine.provider.generate_data_key(arn, CONTEXT, size_bytes=32),
            "decrypt": lambda: engine.provider.decrypt(arn, b"wrapping", CONTEXT),
        }
        assert {refusal.code for refusal in _refusals(uses).values()} == {"InvalidArnException"}

    def test_DOC_an_absent_key_is_not_found_and_using_it_makes_none(self, engine: KeyEngine) -> None:
        arn, good = engine.absent_key(ACCOUNT), engine.make_key(ACCOUNT)
        for _ in range(2):
            uses = _every_use(engine.provider, arn, _wrapped(engine, good), good)
            _check_all_refused(
                {"describe": lambda: engine.provider.describe(arn), **uses}, "NotFoundException", arn
            )

    def test_DOC_a_key_of_another_region_or_partition_is_not_ours(self, engine: KeyEngine) -> None:
        arn = engine.make_key(ACCOUNT)
        elsewhere = [arn.replace(":us-east-1:", ":eu-west-9:"), arn.replace("arn:aws:", "arn:aws-cn:")]
        for foreign in elsewhere:
            with pytest.raises(KmsError) as refused:
                engine.provider.generate_data_key(foreign, CONTEXT, size_bytes=32)
            assert refused.value.code in {"NotFoundException", "InvalidArnException"}

    def test_DOC_a_disabled_key_does_nothing_until_it_is_enabled(self, engine: KeyEngine) -> None:
        _needs(engine, Deed.DISABLE)
        arn, good = engine.make_key(ACCOUNT), engine.make_key(ACCOUNT)
        wrapping = _wrapped(engine, arn)
        for _ in range(2):
            uses = _every_use(engine.provider, arn, wrapping, good)
            engine.disable(arn)
            _check_all_refused(uses, "DisabledException", arn)
            assert engine.provider.describe(arn).state is KeyState.DISABLED
            engine.enable(arn)
            assert engine.provider.describe(arn).state is KeyState.ENABLED
            for use in uses.values():
                use()

    def test_DOC_a_key_pending_deletion_does_nothing(self, engine: KeyEngine) -> None:
        _needs(engine, Deed.SCHEDULE_DELETION)
        arn, good = engine.make_key(ACCOUNT), engine.make_key(ACCOUNT)
        uses = _every_use(engine.provider, arn, _wrapped(engine, arn), good)
        engine.schedule_deletion(arn)
        _check_all_refused(uses, "KMSInvalidStateException", arn)
        assert engine.provider.describe(arn).state is KeyState.PENDING_DELETION

    def test_DOC_a_removed_key_is_gone_for_ever(self, engine: KeyEngine) -> None:
        _needs(engine, Deed.REMOVE)
        arn, good = engine.make_key(ACCOUNT), engine.make_key(ACCOUNT)
        uses = _every_use(engine.provider, arn, _wrapped(engine, arn), good)
        engine.remove(arn)
        for _ in range(2):
            _check_all_refused(
                {**uses, "describe": lambda: engine.provider.describe(arn)}, "NotFoundException", arn
            )

    def test_after_a_rotation_old_wrappings_open_and_new_ones_name_new_material(
        self, engine: KeyEngine
    ) -> None:
        _needs(engine, Deed.ROTATE)
        arn = engine.make_key(ACCOUNT)
        made = [engine.provider.generate_data_key(arn, CONTEXT, size_bytes=32)]
        for _ in range(2):
            engine.rotate(arn)
            made.append(engine.provider.generate_data_key(arn, CONTEXT, size_bytes=32))
            assert engine.provider.describe(arn).key_version == made[-1].key_version
        assert len({one.key_version for one in made}) == 3
        for one in made:
            assert engine.provider.decrypt(arn, one.wrapping, CONTEXT) == one.plaintext

    def test_re_encrypting_after_a_rotation_gives_a_wrapping_of_the_newest_material(
        self, engine: KeyEngine
    ) -> None:
        _needs(engine, Deed.ROTATE)
        arn = engine.make_key(ACCOUNT)
        made = engine.provider.generate_data_key(arn, CONTEXT, size_bytes=32)
        engine.rotate(arn)
        rewrapped, version = engine.provider.re_encrypt(
            arn, made.wrapping, CONTEXT, to_key_arn=arn, to_context=CONTEXT
        )
        assert version == engine.provider.describe(arn).key_version
        assert version != made.key_version
        assert rewrapped != made.wrapping
        assert engine.provider.decrypt(arn, rewrapped, CONTEXT) == made.plaintext

    def test_DOC_an_asymmetric_key_says_so_and_wraps_nothing(self, engine: KeyEngine) -> None:
        _needs(engine, Deed.MAKE_ASYMMETRIC_KEYS)
        arn, good = engine.make_asymmetric_key(ACCOUNT), engine.make_key(ACCOUNT)
        assert not engine.provider.describe(arn).symmetric
        uses = _every_use(engine.provider, arn, _wrapped(engine, good), good)
        _check_all_refused(uses, "InvalidKeyUsageException", arn)


class _Keepers:
    """What promises say of whoever keeps the keys."""

    def test_a_key_that_we_may_not_use_is_denied(self, engine: KeyEngine) -> None:
        _needs(engine, Deed.DENY)
        arn, good = engine.make_key(ACCOUNT), engine.make_key(ACCOUNT)
        uses = _every_use(engine.provider, arn, _wrapped(engine, arn), good)
        engine.deny(arn)
        _check_all_refused(
            {**uses, "describe": lambda: engine.provider.describe(arn)}, "AccessDeniedException", arn
        )
        engine.provider.generate_data_key(good, CONTEXT, size_bytes=32)

    def test_a_keeper_that_does_not_answer_is_unavailable_until_it_does(self, engine: KeyEngine) -> None:
        _needs(engine, Deed.STOP_ANSWERING)
        arn = engine.make_key(ACCOUNT)
        default_arn = engine.provider.default_key_arn(ACCOUNT)
        uses = _every_use(engine.provider, arn, _wrapped(engine, arn), arn)
        uses = {**uses, "describe": lambda: engine.provider.describe(default_arn)}
        engine.stop_answering()
        try:
            for use in uses.values():
                with pytest.raises(KeyProviderUnavailable) as unavailable:
                    use()
                assert unavailable.value.safe_to_retry
        finally:
            engine.answer_again()
        for use in uses.values():
            use()

    def test_what_was_wrapped_opens_after_a_restart(self, engine: KeyEngine) -> None:
        _needs(engine, Deed.RESTART)
        arn = engine.make_key(ACCOUNT)
        made = engine.provider.generate_data_key(arn, CONTEXT, size_bytes=32)
        engine.restart()
        assert engine.provider.decrypt(arn, made.wrapping, CONTEXT) == made.plaintext
        assert engine.provider.describe(arn).key_version == made.key_version

    def test_a_disabled_key_is_disabled_after_a_restart(self, engine: KeyEngine) -> None:
        _needs(engine, Deed.RESTART)
        _needs(engine, Deed.DISABLE)
        arn = engine.make_key(ACCOUNT)
        engine.disable(arn)
        engine.restart()
        assert engine.provider.describe(arn).state is KeyState.DISABLED

    def test_the_default_key_is_the_same_each_time_and_works(self, engine: KeyEngine) -> None:
        with ThreadPoolExecutor(8) as pool:
            arns = set(pool.map(lambda _: engine.provider.default_key_arn(ACCOUNT), range(8)))
        (arn,) = arns
        made = engine.provider.generate_data_key(arn, CONTEXT, size_bytes=32)
        assert engine.provider.decrypt(arn, made.wrapping, CONTEXT) == made.plaintext
        assert engine.provider.default_key_arn(ACCOUNT) == arn

    def test_each_account_has_a_default_key_of_its_own(self, engine: KeyEngine) -> None:
        _needs(engine, Deed.MAKE_DEFAULT_KEYS)
        described = [
            engine.provider.describe(engine.provider.default_key_arn(account))
            for account in (ACCOUNT, OTHER_ACCOUNT)
        ]
        assert [one.account_id for one in described] == [ACCOUNT, OTHER_ACCOUNT]
        assert {one.manager for one in described} == {KeyManager.AWS}

    def test_a_provider_has_a_name_and_says_whether_it_is_remote(self, engine: KeyEngine) -> None:
        assert engine.provider.name.strip()
        assert engine.provider.remote in {True, False}

    def test_closing_twice_changes_nothing(self, engine: KeyEngine) -> None:
        engine.provider.generate_data_key(engine.make_key(ACCOUNT), CONTEXT, size_bytes=32)
        engine.provider.close()
        engine.provider.close()


class KeyProviderContract(_Wrapping, _States, _Keepers):
    """What must hold for any `KeyProvider`."""
