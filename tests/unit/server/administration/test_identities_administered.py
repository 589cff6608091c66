"""Accounts, users and access keys, as operators ask for them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from fix_administration import ACCOUNT, REGION, Office
from neve.domain.keyring import Purpose
from neve.server.administration.access_keys import KEYS_PER_HOLDER_MAX
from neve.server.administration.messages import (
    AdministrationRefused,
    AttachPolicy,
    CreateAccessKey,
    CreateAccount,
    CreateUser,
    DeleteAccessKey,
    DeleteUser,
    ListAccessKeys,
    ListAccounts,
    ListUsers,
    RefusedBecause,
    Request,
    RotateAccessKey,
    SetAccessKeyEnabled,
    ShowUser,
)

OTHER = "444455556666"


def refusal(office: Office, request: Request[Any]) -> RefusedBecause:
    """Return why a request is refused, having seen that it changed nothing."""
    before = state(office)
    with pytest.raises(AdministrationRefused) as caught:
        office.administration.ask(request)
    assert state(office) == before
    assert str(caught.value)
    return caught.value.why


def state(office: Office) -> object:
    accounts = office.metadata.accounts()
    identities = office.metadata.identities
    return [
        (
            account,
            office.metadata.access_keys(account.account_id),
            identities.policies(account.account_id),
            [
                (user, identities.attachments(account.account_id, user.user_name))
                for user in identities.users(account.account_id)
            ],
        )
        for account in accounts
    ]


class TestAccounts:
    def test_an_account_may_choose_its_id(self, office: Office) -> None:
        made = office.administration.ask(CreateAccount(name="second", account_id=OTHER))
        assert (made.account_id, made.name) == (OTHER, "second")
        assert [each.account_id for each in office.administration.ask(ListAccounts())] == [ACCOUNT, OTHER]

    def test_an_account_that_does_not_choose_gets_an_id_of_twelve_digits(self, office: Office) -> None:
        made = office.administration.ask(CreateAccount(name=""))
        assert made.account_id.isdecimal()
        assert len(made.account_id) == 12

    @pytest.mark.parametrize(
        ("request_", "why"),
        [
            (CreateAccount(name="again", account_id=ACCOUNT), RefusedBecause.CONFLICT),
            (CreateAccount(name="", account_id="12345678901"), RefusedBecause.INVALID),
            (CreateAccount(name="", account_id="12345678901x"), RefusedBecause.INVALID),
            (CreateAccount(name="two\nlines"), RefusedBecause.INVALID),
            (CreateAccount(name="n" * 129), RefusedBecause.INVALID),
            (CreateAccount(name="\udc80"), RefusedBecause.INVALID),
        ],
    )
    def test_an_account_that_cannot_be_is_refused(
        self, office: Office, request_: CreateAccount, why: RefusedBecause
    ) -> None:
        assert refusal(office, request_) is why

    def test_which_account_is_meant_must_be_clear(self, office: Office) -> None:
        office.administration.ask(CreateAccount(name="second", account_id=OTHER))
        assert refusal(office, CreateUser(user_name="anna")) is RefusedBecause.INVALID
        assert refusal(office, CreateUser(account_id="9" * 12, user_name="a")) is RefusedBecause.NOT_FOUND
        assert office.administration.ask(CreateUser(account_id=OTHER, user_name="anna")).account_id == OTHER


class TestUsers:
    def test_a_user_is_made_shown_listed_and_deleted_with_all_that_was_theirs(self, office: Office) -> None:
        made = office.administration.ask(CreateUser(user_name="anna"))
        assert made.arn == f"arn:aws:iam::{ACCOUNT}:user/anna"
        assert made.user_id.startswith("AIDA")
        assert len(made.user_id) == 21
        office.administration.ask(AttachPolicy(policy_name="NeveReadOnly", user_name="anna"))
        key = office.administration.ask(CreateAccessKey(user_name="anna"))
        shown = office.administration.ask(ShowUser(user_name="anna"))
        assert shown.policies == ["NeveReadOnly"]
        assert [each.access_key_id for each in shown.access_keys] == [key.access_key_id]
        assert office.administration.ask(ListUsers()) == [made]
        office.administration.ask(DeleteUser(user_name="anna"))
        assert office.administration.ask(ListUsers()) == []
        assert office.metadata.access_keys(ACCOUNT) == []

    def test_a_name_is_given_once(self, office: Office) -> None:
        office.administration.ask(CreateUser(user_name="anna"))
        assert refusal(office, CreateUser(user_name="anna")) is RefusedBecause.CONFLICT

    @pytest.mark.parametrize("name", ["", "an na", "a" * 65, "a/b", "añna", "anna\n", "\udcff"])
    def test_a_name_that_iam_does_not_have_is_refused(self, office: Office, name: str) -> None:
        assert refusal(office, CreateUser(user_name=name)) is RefusedBecause.INVALID

    @pytest.mark.parametrize(
        "request_",
        [
            ShowUser(user_name="nobody"),
            DeleteUser(user_name="nobody"),
            DeleteUser(user_name=""),
            CreateAccessKey(user_name="nobody"),
            ListAccessKeys(user_name="nobody"),
            AttachPolicy(policy_name="NeveReadOnly", user_name="nobody"),
        ],
        ids=lambda request: type(request).__name__,
    )
    def test_nobody_is_not_found(self, office: Office, request_: Request[Any]) -> None:
        assert refusal(office, request_) is RefusedBecause.NOT_FOUND


class TestAccessKeys:
    def test_a_new_key_comes_with_the_secret_that_its_record_seals(self, office: Office) -> None:
        made = office.administration.ask(CreateAccessKey(expires="2d"))
        record = office.metadata.access_key(made.access_key_id)
        opened = office.keyring.open(
            Purpose.ACCESS_KEY_SECRET, record.sealed_secret, belongs_to=made.access_key_id
        )
        assert opened.decode() == made.secret_access_key
        assert made.secret_access_key not in repr(made)
        assert made.region == REGION
        assert record.expires_ms == office.clock.now_ms() + 2 * 86_400_000

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("90d", datetime(2026, 12, 20, 14, 13, 20, tzinfo=UTC)),
            ("12h", datetime(2026, 9, 22, 2, 13, 20, tzinfo=UTC)),
            ("2w", datetime(2026, 10, 5, 14, 13, 20, tzinfo=UTC)),
            ("2027-01-31", datetime(2027, 1, 31, tzinfo=UTC)),
            ("2027-01-31T12:00:00Z", datetime(2027, 1, 31, 12, tzinfo=UTC)),
            ("2027-01-31T12:00:00+02:00", datetime(2027, 1, 31, 10, tzinfo=UTC)),
            ("never", None),
            ("", None),
        ],
    )
    def test_when_a_key_expires_is_written_as_people_do(
        self, office: Office, text: str, expected: datetime | None
    ) -> None:
        assert office.administration.ask(CreateAccessKey(expires=text)).expires == expected

    @pytest.mark.parametrize(
        "text", ["soon", "90", "d", "-1d", "0s", "1d1h", "2020-01-01", "9" * 9 + "w", "9999-12-31", "٣d"]
    )
    def test_a_time_that_is_none_is_refused(self, office: Office, text: str) -> None:
        assert refusal(office, CreateAccessKey(expires=text)) is RefusedBecause.INVALID

    def test_a_key_is_disabled_and_enabled_again_as_often_as_one_likes(self, office: Office) -> None:
        made = office.administration.ask(CreateAccessKey())
        for enabled in (False, False, True, True):
            request = SetAccessKeyEnabled(access_key_id=made.access_key_id, enabled=enabled)
            assert office.administration.ask(request).enabled is enabled
            assert office.metadata.access_key(made.access_key_id).enabled is enabled

    def test_a_deleted_key_is_gone(self, office: Office) -> None:
        made = office.administration.ask(CreateAccessKey())
        office.administration.ask(DeleteAccessKey(access_key_id=made.access_key_id))
        assert office.administration.ask(ListAccessKeys()) == []

    def test_keys_are_listed_by_whose_they_are(self, office: Office) -> None:
        office.administration.ask(CreateUser(user_name="anna"))
        own = office.administration.ask(CreateAccessKey()).access_key_id
        hers = office.administration.ask(CreateAccessKey(user_name="anna")).access_key_id

        def listed(user_name: str | None) -> set[str]:
            found = office.administration.ask(ListAccessKeys(user_name=user_name))
            return {key.access_key_id for key in found}

        assert (listed(None), listed("anna"), listed("")) == ({own, hers}, {hers}, {own})

    def test_a_rotated_key_has_a_successor_for_the_same_holder_and_ends_after_the_grace(
        self, office: Office
    ) -> None:
        office.administration.ask(CreateUser(user_name="anna"))
        old = office.administration.ask(CreateAccessKey(user_name="anna"))
        rotated = office.administration.ask(RotateAccessKey(access_key_id=old.access_key_id, grace="1h"))
        assert (rotated.new.user_name, rotated.new.expires) == ("anna", None)
        assert rotated.new.access_key_id != old.access_key_id
        record = office.metadata.access_key(old.access_key_id)
        assert (record.enabled, record.expires_ms) == (True, office.clock.now_ms() + 3_600_000)
        office.clock.advance(minutes=60)
        expired = {key.access_key_id: key.expired for key in office.administration.ask(ListAccessKeys())}
        assert expired == {old.access_key_id: True, rotated.new.access_key_id: False}

    def test_a_grace_makes_no_key_live_longer(self, office: Office) -> None:
        old = office.administration.ask(CreateAccessKey(expires="1h"))
        request = RotateAccessKey(access_key_id=old.access_key_id, grace="7d", expires="never")
        assert office.administration.ask(request).old.expires == old.expires

    def test_a_key_that_expires_is_not_followed_by_one_that_does_not_unless_somebody_says_so(
        self, office: Office
    ) -> None:
        old = office.administration.ask(CreateAccessKey(expires="1h"))
        request = RotateAccessKey(access_key_id=old.access_key_id, grace="1h")
        assert refusal(office, request) is RefusedBecause.INVALID

    def test_a_key_of_no_use_is_not_rotated(self, office: Office) -> None:
        disabled = office.administration.ask(CreateAccessKey()).access_key_id
        expired = office.administration.ask(CreateAccessKey(expires="1s")).access_key_id
        office.administration.ask(SetAccessKeyEnabled(access_key_id=disabled, enabled=False))
        office.clock.advance(seconds=1)
        for key_id in (disabled, expired):
            request = RotateAccessKey(access_key_id=key_id, grace="1h", expires="1d")
            assert refusal(office, request) is RefusedBecause.CONFLICT

    @pytest.mark.parametrize(
        "request_",
        [
            SetAccessKeyEnabled(access_key_id="AKIANOBODY", enabled=True),
            DeleteAccessKey(access_key_id="AKIANOBODY"),
            RotateAccessKey(access_key_id="AKIANOBODY", grace="1h"),
        ],
        ids=lambda request: type(request).__name__,
    )
    def test_a_key_that_is_not_there_is_not_found(self, office: Office, request_: Request[Any]) -> None:
        assert refusal(office, request_) is RefusedBecause.NOT_FOUND

    def test_nobody_gathers_keys_without_end(self, office: Office) -> None:
        office.administration.ask(CreateUser(user_name="anna"))
        for _ in range(KEYS_PER_HOLDER_MAX):
            office.administration.ask(CreateAccessKey(user_name="anna"))
        assert refusal(office, CreateAccessKey(user_name="anna")) is RefusedBecause.CONFLICT
        office.administration.ask(CreateAccessKey())
