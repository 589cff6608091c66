"""KMS keys, as operators ask for them."""

from typing import Any

import pytest

from fix_administration import ACCOUNT, Office, open_office
from neve.domain.identities import AccountId
from neve.domain.kms_keys import KeyState
from neve.server.administration.messages import (
    AdministrationRefused,
    CreateAccount,
    RefusedBecause,
    Request,
)
from neve.server.administration.messages_keys import (
    CancelKeyDeletion,
    CreateKey,
    ListKeys,
    PutKeyPolicy,
    RemoveKeyAlias,
    RotateKey,
    ScheduleKeyDeletion,
    SetKeyAlias,
    SetKeyEnabled,
    SetKeyRotation,
    ShowKey,
)
from neve.stores.keys.local import LocalKeyring

OTHER = "444455556666"
DAY_MS = 86_400_000
KEY_POLICY = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},'
    '"Action":"kms:*","Resource":"*"}]}'
)


def refusal(office: Office, request: Request[Any]) -> RefusedBecause:
    before = office.administration.ask(ListKeys())
    with pytest.raises(AdministrationRefused) as caught:
        office.administration.ask(request)
    assert office.administration.ask(ListKeys()) == before
    return caught.value.why


def key_id_of(office: Office) -> str:
    return office.administration.ask(CreateKey(alias="alias/disks")).key_id


def test_a_key_is_made_with_what_was_said_about_it(office: Office) -> None:
    request = CreateKey(alias="alias/disks", description="for disks", policy=KEY_POLICY, rotation_days=90)
    made = office.administration.ask(request)
    shown = office.administration.ask(ShowKey(key_id="alias/disks"))
    assert (shown.key_id, shown.aliases, shown.description) == (made.key_id, ["alias/disks"], "for disks")
    assert (shown.policy, shown.rotation_days, shown.state) == (KEY_POLICY, 90, "Enabled")
    assert office.administration.ask(ListKeys()) == [made]


def test_a_key_is_found_by_id_arn_and_alias(office: Office) -> None:
    made = office.administration.ask(CreateKey(alias="alias/disks"))
    for name in (made.key_id, made.arn, "alias/disks"):
        assert office.administration.ask(ShowKey(key_id=name)).arn == made.arn


def test_a_key_goes_through_its_states(office: Office) -> None:
    key_id = key_id_of(office)
    ask = office.administration.ask
    assert ask(SetKeyEnabled(key_id=key_id, enabled=False)).state == KeyState.DISABLED
    assert ask(SetKeyEnabled(key_id=key_id, enabled=True)).state == KeyState.ENABLED
    scheduled = ask(ScheduleKeyDeletion(key_id=key_id, days=7))
    assert scheduled.state == KeyState.PENDING_DELETION
    assert scheduled.deletion is not None
    assert scheduled.deletion.timestamp() * 1_000 == office.clock.now_ms() + 7 * DAY_MS
    cancelled = ask(CancelKeyDeletion(key_id=key_id))
    assert (cancelled.state, cancelled.deletion) == (KeyState.DISABLED, None)


def test_rotation_makes_new_material_and_a_rhythm_makes_none_yet(office: Office) -> None:
    key_id = key_id_of(office)
    assert office.administration.ask(RotateKey(key_id=key_id)).material_version == 2
    assert office.administration.ask(SetKeyRotation(key_id=key_id, days=365)).rotation_days == 365
    ended = office.administration.ask(SetKeyRotation(key_id=key_id, days=None))
    assert (ended.rotation_days, ended.material_version) == (None, 2)


def test_an_alias_moves_and_goes(office: Office) -> None:
    first, second = key_id_of(office), office.administration.ask(CreateKey()).key_id
    assert office.administration.ask(SetKeyAlias(key_id=second, alias="alias/disks")).aliases == [
        "alias/disks"
    ]
    assert office.administration.ask(ShowKey(key_id=first)).aliases == []
    office.administration.ask(RemoveKeyAlias(alias="alias/disks"))
    assert refusal(office, RemoveKeyAlias(alias="alias/disks")) is RefusedBecause.NOT_FOUND


def test_a_key_policy_is_replaced_by_one_that_is_one(office: Office) -> None:
    key_id = key_id_of(office)
    office.administration.ask(PutKeyPolicy(key_id=key_id, document=KEY_POLICY))
    for text in (
        "",
        "{",
        '{"Version":"2012-10-17","Statement":[]}',
        KEY_POLICY.replace("Principal", "Prince"),
    ):
        assert refusal(office, PutKeyPolicy(key_id=key_id, document=text)) is RefusedBecause.INVALID
    assert office.administration.ask(ShowKey(key_id=key_id)).policy == KEY_POLICY


@pytest.mark.parametrize("state", ["disabled", "pending deletion"])
def test_what_a_state_does_not_allow_is_refused(office: Office, state: str) -> None:
    key_id = key_id_of(office)
    refused: list[Request[Any]] = [RotateKey(key_id=key_id), SetKeyRotation(key_id=key_id, days=90)]
    if state == "disabled":
        office.administration.ask(SetKeyEnabled(key_id=key_id, enabled=False))
        refused.append(CancelKeyDeletion(key_id=key_id))
    else:
        office.administration.ask(ScheduleKeyDeletion(key_id=key_id, days=30))
        refused += [SetKeyEnabled(key_id=key_id, enabled=enabled) for enabled in (True, False)]
        refused.append(ScheduleKeyDeletion(key_id=key_id, days=7))
        refused.append(SetKeyAlias(key_id=key_id, alias="alias/other"))
    for request in refused:
        assert refusal(office, request) is RefusedBecause.CONFLICT


def test_an_accounts_default_key_changes_by_nobodys_hand(office: Office) -> None:
    keyring = LocalKeyring(
        records=office.metadata.keys,
        keyring=office.keyring,
        clock=office.clock,
        entropy=office.entropy,
        region="eu-north-1",
    )
    assert refusal(office, ShowKey(key_id="alias/aws/ebs")) is RefusedBecause.NOT_FOUND
    arn = keyring.default_key_arn(ACCOUNT)
    assert office.administration.ask(ShowKey(key_id="alias/aws/ebs")).arn == arn
    changes: list[Request[Any]] = [
        SetKeyEnabled(key_id=arn, enabled=False),
        ScheduleKeyDeletion(key_id=arn, days=7),
        RotateKey(key_id=arn),
        SetKeyRotation(key_id=arn, days=None),
        PutKeyPolicy(key_id=arn, document=KEY_POLICY),
        SetKeyAlias(key_id=arn, alias="alias/mine"),
    ]
    for request in changes:
        assert refusal(office, request) is RefusedBecause.CONFLICT


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (CreateKey(alias="disks"), RefusedBecause.INVALID),
        (CreateKey(alias="alias/aws/mine"), RefusedBecause.INVALID),
        (CreateKey(alias="alias/" + "a" * 251), RefusedBecause.INVALID),
        (CreateKey(description="d" * 8_193), RefusedBecause.INVALID),
        (CreateKey(policy="{"), RefusedBecause.INVALID),
        (CreateKey(rotation_days=89), RefusedBecause.INVALID),
        (CreateKey(alias="alias/disks"), RefusedBecause.CONFLICT),
        (ScheduleKeyDeletion(key_id="alias/disks", days=6), RefusedBecause.INVALID),
        (ScheduleKeyDeletion(key_id="alias/disks", days=31), RefusedBecause.INVALID),
        (SetKeyRotation(key_id="alias/disks", days=2_561), RefusedBecause.INVALID),
        (ShowKey(key_id="alias/nothing"), RefusedBecause.NOT_FOUND),
        (ShowKey(key_id="00000000-0000-4000-8000-000000000000"), RefusedBecause.NOT_FOUND),
        (ShowKey(key_id="arn:aws:kms:eu-north-1:1:key"), RefusedBecause.INVALID),
        (SetKeyAlias(key_id="alias/disks", alias="alias/aws/ebs"), RefusedBecause.INVALID),
        (RemoveKeyAlias(alias="alias/aws/ebs"), RefusedBecause.INVALID),
    ],
)
def test_what_cannot_be_is_refused_and_makes_no_key(
    office: Office, request_: Request[Any], why: RefusedBecause
) -> None:
    key_id_of(office)
    assert refusal(office, request_) is why


def test_another_accounts_key_is_asked_for_by_its_account(office: Office) -> None:
    office.administration.ask(CreateAccount(name="", account_id=OTHER))
    made = office.administration.ask(CreateKey(account_id=OTHER))
    assert refusal(office, ShowKey(account_id=ACCOUNT, key_id=made.arn)) is RefusedBecause.NOT_FOUND
    assert office.administration.ask(ShowKey(account_id=OTHER, key_id=made.arn)).key_id == made.key_id
    listed = office.administration.ask(ListKeys(account_id=AccountId(OTHER)))
    assert [key.key_id for key in listed] == [made.key_id]


def test_keys_that_somebody_else_keeps_are_managed_there() -> None:
    office = open_office(keeps_keys=False)
    with pytest.raises(AdministrationRefused, match="another key provider"):
        office.administration.ask(CreateKey())
