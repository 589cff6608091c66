"""The promises of `stores/keys/contract.py` about keys that change, and about whoever keeps them, as tests."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from neve.domain.kms_keys import KeyManager, KeyState
from neve.errors import KeyProviderUnavailable, KmsError
from neve.testing.key_provider_scene import (
    ACCOUNT,
    CONTEXT,
    Deed,
    KeyEngine,
    check_all_refused,
    every_use,
    needs,
    refusals,
    wrapped,
)


class KeyStates:
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
        assert {refusal.code for refusal in refusals(uses).values()} == {"InvalidArnException"}

    def test_DOC_an_absent_key_is_not_found_and_using_it_makes_none(self, engine: KeyEngine) -> None:
        arn, good = engine.absent_key(ACCOUNT), engine.make_key(ACCOUNT)
        for _ in range(2):
            uses = every_use(engine.provider, arn, wrapped(engine, good), good)
            check_all_refused(
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
        needs(engine, Deed.DISABLE)
        arn, good = engine.make_key(ACCOUNT), engine.make_key(ACCOUNT)
        wrapping = wrapped(engine, arn)
        for _ in range(2):
            uses = every_use(engine.provider, arn, wrapping, good)
            engine.disable(arn)
            check_all_refused(uses, "DisabledException", arn)
            assert engine.provider.describe(arn).state is KeyState.DISABLED
            engine.enable(arn)
            assert engine.provider.describe(arn).state is KeyState.ENABLED
            for use in uses.values():
                use()

    def test_DOC_a_key_pending_deletion_does_nothing(self, engine: KeyEngine) -> None:
        needs(engine, Deed.SCHEDULE_DELETION)
        arn, good = engine.make_key(ACCOUNT), engine.make_key(ACCOUNT)
        uses = every_use(engine.provider, arn, wrapped(engine, arn), good)
        engine.schedule_deletion(arn)
        check_all_refused(uses, "KMSInvalidStateException", arn)
        assert engine.provider.describe(arn).state is KeyState.PENDING_DELETION

    def test_DOC_a_removed_key_is_gone_for_ever(self, engine: KeyEngine) -> None:
        needs(engine, Deed.REMOVE)
        arn, good = engine.make_key(ACCOUNT), engine.make_key(ACCOUNT)
        uses = every_use(engine.provider, arn, wrapped(engine, arn), good)
        engine.remove(arn)
        for _ in range(2):
            check_all_refused(
                {**uses, "describe": lambda: engine.provider.describe(arn)}, "NotFoundException", arn
            )

    def test_after_a_rotation_old_wrappings_open_and_new_ones_name_new_material(
        self, engine: KeyEngine
    ) -> None:
        needs(engine, Deed.ROTATE)
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
        needs(engine, Deed.ROTATE)
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
        needs(engine, Deed.MAKE_ASYMMETRIC_KEYS)
        arn, good = engine.make_asymmetric_key(ACCOUNT), engine.make_key(ACCOUNT)
        assert not engine.provider.describe(arn).symmetric
        uses = every_use(engine.provider, arn, wrapped(engine, good), good)
        check_all_refused(uses, "InvalidKeyUsageException", arn)


class KeyKeepers:
    """What promises say of whoever keeps the keys."""

    def test_a_key_that_we_may_not_use_is_denied(self, engine: KeyEngine) -> None:
        needs(engine, Deed.DENY)
        arn, good = engine.make_key(ACCOUNT), engine.make_key(ACCOUNT)
        uses = every_use(engine.provider, arn, wrapped(engine, arn), good)
        engine.deny(arn)
        check_all_refused(
            {**uses, "describe": lambda: engine.provider.describe(arn)}, "AccessDeniedException", arn
        )
        engine.provider.generate_data_key(good, CONTEXT, size_bytes=32)

    def test_a_keeper_that_does_not_answer_is_unavailable_until_it_does(self, engine: KeyEngine) -> None:
        needs(engine, Deed.STOP_ANSWERING)
        arn = engine.make_key(ACCOUNT)
        default_arn = engine.provider.default_key_arn(ACCOUNT)
        uses = every_use(engine.provider, arn, wrapped(engine, arn), arn)
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
        needs(engine, Deed.RESTART)
        arn = engine.make_key(ACCOUNT)
        made = engine.provider.generate_data_key(arn, CONTEXT, size_bytes=32)
        engine.restart()
        assert engine.provider.decrypt(arn, made.wrapping, CONTEXT) == made.plaintext
        assert engine.provider.describe(arn).key_version == made.key_version

    def test_a_disabled_key_is_disabled_after_a_restart(self, engine: KeyEngine) -> None:
        needs(engine, Deed.RESTART)
        needs(engine, Deed.DISABLE)
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
        needs(engine, Deed.MAKE_DEFAULT_KEYS)
        described = [
            engine.provider.describe(engine.provider.default_key_arn(account)) for account in engine.accounts
        ]
        assert [one.account_id for one in described] == [*engine.accounts]
        assert {one.manager for one in described} == {KeyManager.AWS}

    def test_a_key_is_found_in_its_own_account_only_where_accounts_are_ours(self, engine: KeyEngine) -> None:
        if not engine.provider.accounts_are_ours:
            pytest.skip("whose a key is, is its keeper's to say")
        account, other = engine.accounts
        arn = engine.make_key(account)
        assert engine.provider.describe(arn).account_id == account
        elsewhere = arn.replace(f":{account}:", f":{other}:")
        uses = every_use(engine.provider, elsewhere, wrapped(engine, arn), arn)
        check_all_refused(
            {**uses, "describe": lambda: engine.provider.describe(elsewhere)}, "NotFoundException", elsewhere
        )

    def test_a_provider_has_a_name_and_says_whether_it_is_remote(self, engine: KeyEngine) -> None:
        assert engine.provider.name.strip()
        assert engine.provider.remote in {True, False}

    def test_closing_twice_changes_nothing(self, engine: KeyEngine) -> None:
        engine.provider.generate_data_key(engine.make_key(ACCOUNT), CONTEXT, size_bytes=32)
        engine.provider.close()
        engine.provider.close()
