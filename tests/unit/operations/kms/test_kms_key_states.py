"""What the state of a key allows, row by row (KMS developer guide, "Key states"), and whose key it is."""

from dataclasses import replace

import pytest

from kms_scene import (
    ABSENT,
    ACCOUNT,
    ALWAYS,
    BY_ALIAS,
    CHANGES,
    DAY_S,
    OTHER_ACCOUNT,
    USES,
    KmsScene,
    allow,
    id_of,
    key_policy,
    user,
)


@pytest.fixture
def scene() -> KmsScene:
    return KmsScene()


# --- states


def test_DOC_a_disabled_key_is_enabled_again(scene: KmsScene) -> None:
    arn = scene.new_key()
    for operation, state in (("DisableKey", "Disabled"), ("EnableKey", "Enabled")):
        for _ in range(2):
            scene.ask(operation, KeyId=arn)
            metadata = scene.ask("DescribeKey", KeyId=arn)["KeyMetadata"]
            assert (metadata["KeyState"], metadata["Enabled"]) == (state, state == "Enabled")


@pytest.mark.parametrize(("members", "days"), [({}, 30), ({"PendingWindowInDays": 7}, 7)])
def test_DOC_a_key_waits_for_its_end_and_can_be_saved(
    scene: KmsScene, members: dict[str, int], days: int
) -> None:
    arn = scene.new_key()
    answer = scene.ask("ScheduleKeyDeletion", KeyId=arn, **members)
    deletion_date = scene.clock.now_ms() / 1000 + days * DAY_S
    assert answer == {
        "KeyId": arn,
        "DeletionDate": deletion_date,
        "KeyState": "PendingDeletion",
        "PendingWindowInDays": days,
    }
    assert scene.ask("DescribeKey", KeyId=arn)["KeyMetadata"]["DeletionDate"] == deletion_date
    assert scene.ask("CancelKeyDeletion", KeyId=arn) == {"KeyId": arn}
    metadata = scene.ask("DescribeKey", KeyId=arn)["KeyMetadata"]
    assert (metadata["KeyState"], metadata.get("DeletionDate")) == ("Disabled", None)


@pytest.mark.parametrize("days", [1, 6, 31, 365])
def test_DOC_the_window_is_between_7_and_30_days(scene: KmsScene, days: int) -> None:
    arn = scene.new_key()
    assert scene.code("ScheduleKeyDeletion", KeyId=arn, PendingWindowInDays=days) == "ValidationException"
    assert scene.state(arn) == "Enabled"


def test_DOC_only_a_key_that_waits_for_its_end_can_be_saved(scene: KmsScene) -> None:
    arn = scene.new_key()
    expected = ("KMSInvalidStateException", f"{arn} is not pending deletion.")
    assert scene.refusal("CancelKeyDeletion", KeyId=arn) == expected


@pytest.mark.parametrize("operation", USES)
def test_DOC_a_disabled_key_refuses_its_uses(scene: KmsScene, operation: str) -> None:
    arn = scene.new_key()
    scene.ask("DisableKey", KeyId=arn)
    expected = ("DisabledException", f"{arn} is disabled.")
    assert scene.refusal(operation, KeyId=arn, **USES[operation]) == expected


@pytest.mark.parametrize("operation", CHANGES | ALWAYS)
def test_DOC_a_disabled_key_can_be_looked_at_and_changed(scene: KmsScene, operation: str) -> None:
    arn = scene.new_key()
    scene.ask("DisableKey", KeyId=arn)
    scene.ask(operation, KeyId=arn, **(CHANGES | ALWAYS)[operation])


@pytest.mark.parametrize("operation", USES | CHANGES)
def test_DOC_a_key_pending_deletion_refuses_uses_and_changes(scene: KmsScene, operation: str) -> None:
    arn = scene.new_key()
    scene.ask("ScheduleKeyDeletion", KeyId=arn)
    expected = ("KMSInvalidStateException", f"{arn} is pending deletion.")
    assert scene.refusal(operation, KeyId=arn, **(USES | CHANGES)[operation]) == expected


@pytest.mark.parametrize("operation", ALWAYS)
def test_DOC_a_key_pending_deletion_can_be_looked_at(scene: KmsScene, operation: str) -> None:
    arn = scene.new_key()
    scene.ask("ScheduleKeyDeletion", KeyId=arn)
    scene.ask(operation, KeyId=arn, **ALWAYS[operation])


@pytest.mark.parametrize("operation", USES | CHANGES | ALWAYS)
def test_DOC_a_key_that_is_not_there_is_not_found(scene: KmsScene, operation: str) -> None:
    members = (USES | CHANGES | ALWAYS)[operation]
    expected = ("NotFoundException", f"Key '{ABSENT}' does not exist")
    assert scene.refusal(operation, KeyId=ABSENT, **members) == expected


@pytest.mark.parametrize("operation", USES | CHANGES | ALWAYS)
def test_DOC_only_uses_take_an_alias_for_a_key(scene: KmsScene, operation: str) -> None:
    scene.ask("CreateAlias", AliasName="alias/x", TargetKeyId=scene.new_key())
    members = (USES | CHANGES | ALWAYS)[operation]
    if operation in BY_ALIAS:
        scene.ask(operation, KeyId="alias/x", **members)
    else:
        assert scene.code(operation, KeyId="alias/x", **members) == "NotFoundException"


# --- the account's own default key


@pytest.mark.parametrize("operation", [*USES, *CHANGES, "PutKeyPolicy"])
def test_DOC_nobody_changes_or_uses_the_managed_key_by_hand(scene: KmsScene, operation: str) -> None:
    arn = scene.ask("DescribeKey", KeyId="alias/aws/ebs")["KeyMetadata"]["Arn"]
    before = scene.records.kms_key(id_of(arn))
    members = (USES | CHANGES | ALWAYS)[operation]
    if operation == "GetKeyRotationStatus":
        assert scene.ask(operation, KeyId=arn)["KeyRotationEnabled"] is True
    else:
        assert scene.code(operation, KeyId=arn, **members) == "AccessDeniedException"
    assert scene.records.kms_key(id_of(arn)) == before


@pytest.mark.parametrize("operation", ["DisableKey", "ScheduleKeyDeletion", "TagResource", "PutKeyPolicy"])
def test_not_even_a_wider_policy_would_let_the_managed_key_be_changed(
    scene: KmsScene, operation: str
) -> None:
    arn = scene.keyring.default_key_arn(ACCOUNT)
    policy = key_policy()
    scene.keyring.update(id_of(arn), lambda key: replace(key, policy=policy))
    members = (CHANGES | ALWAYS)[operation]
    assert scene.code(operation, KeyId=arn, **members) == "UnsupportedOperationException"


# --- other accounts


CONFINED = {
    name: members
    for name, members in (USES | CHANGES | ALWAYS).items()
    if name not in BY_ALIAS | {"CreateGrant", "ListGrants", "GetKeyRotationStatus"}
}
"""What is done with keys of the own account only (KMS API reference, "Cross-account use")."""


@pytest.mark.parametrize("operation", CONFINED)
def test_DOC_what_is_confined_to_the_own_account_stays_so_whatever_policies_say(
    scene: KmsScene, operation: str
) -> None:
    everybody = key_policy(allow(Action="kms:*", Principal="*"))
    arn = scene.new_key(Policy=everybody)
    before = scene.records.kms_key(id_of(arn))
    stranger = user("eve", {}, account_id=OTHER_ACCOUNT)
    code, message = scene.refusal(operation, stranger, KeyId=arn, **CONFINED[operation])
    assert code == "AccessDeniedException"
    absent = scene.refusal(operation, stranger, KeyId=ABSENT, **CONFINED[operation])
    assert absent == (code, message.replace(arn, ABSENT))
    assert scene.records.kms_key(id_of(arn)) == before
