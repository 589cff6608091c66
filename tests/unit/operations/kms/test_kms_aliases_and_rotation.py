"""Aliases, which name keys, and rotation, which gives them new material."""

import pytest

from kms_scene import ABSENT, ACCOUNT, DAY_S, OTHER_ACCOUNT, REGION, KmsScene, id_of, paged, root, user


@pytest.fixture
def scene() -> KmsScene:
    return KmsScene()


# --- aliases


def test_an_alias_names_a_key_until_it_names_another(scene: KmsScene) -> None:
    one, other = scene.new_key(), scene.new_key()
    scene.ask("CreateAlias", AliasName="alias/a", TargetKeyId=one)
    assert scene.ask("DescribeKey", KeyId="alias/a")["KeyMetadata"]["Arn"] == one
    scene.clock.advance(seconds=5)
    scene.ask("UpdateAlias", AliasName="alias/a", TargetKeyId=other)
    (entry,) = scene.ask("ListAliases")["Aliases"]
    now_s = scene.clock.now_ms() / 1000
    assert entry == {
        "AliasName": "alias/a",
        "AliasArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/a",
        "TargetKeyId": id_of(other),
        "CreationDate": now_s - 5,
        "LastUpdatedDate": now_s,
    }
    scene.ask("DeleteAlias", AliasName="alias/a")
    assert scene.ask("ListAliases")["Aliases"] == []
    gone = ("NotFoundException", f"Alias arn:aws:kms:{REGION}:{ACCOUNT}:alias/a is not found.")
    assert scene.refusal("DescribeKey", KeyId="alias/a") == gone
    assert scene.refusal("DeleteAlias", AliasName="alias/a") == gone
    assert scene.refusal("UpdateAlias", AliasName="alias/a", TargetKeyId=one) == gone


def test_aliases_are_listed_by_name_and_by_key(scene: KmsScene) -> None:
    one, other = scene.new_key(), scene.new_key()
    for number in range(6):
        scene.ask("CreateAlias", AliasName=f"alias/{number}", TargetKeyId=one if number % 2 else other)
    for limit in (1, 2, 3, 6, 7):
        listed = paged(scene, "ListAliases", "Aliases", Limit=limit)
        assert [entry["AliasName"] for entry in listed] == [f"alias/{number}" for number in range(6)]
        listed = paged(scene, "ListAliases", "Aliases", Limit=limit, KeyId=one)
        assert [entry["AliasName"] for entry in listed] == ["alias/1", "alias/3", "alias/5"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        pytest.param("x", "ValidationException", id="INFERRED-no-prefix"),
        pytest.param("alias/", "ValidationException", id="INFERRED-empty"),
        pytest.param("alias/a:b", "ValidationException", id="INFERRED-colon"),
        pytest.param("alias/aws/mine", "InvalidAliasNameException", id="DOC-reserved"),
    ],
)
@pytest.mark.parametrize("operation", ["CreateAlias", "UpdateAlias", "DeleteAlias"])
def test_a_name_that_no_alias_may_have_is_refused(
    scene: KmsScene, operation: str, name: str, code: str
) -> None:
    members = {} if operation == "DeleteAlias" else {"TargetKeyId": scene.new_key()}
    assert scene.code(operation, AliasName=name, **members) == code


def test_DOC_an_alias_is_made_once(scene: KmsScene) -> None:
    arn = scene.new_key()
    scene.ask("CreateAlias", AliasName="alias/a", TargetKeyId=arn)
    expected = (
        "AlreadyExistsException",
        f"An alias with the name arn:aws:kms:{REGION}:{ACCOUNT}:alias/a already exists",
    )
    assert scene.refusal("CreateAlias", AliasName="alias/a", TargetKeyId=arn) == expected


@pytest.mark.parametrize("operation", ["CreateAlias", "UpdateAlias"])
def test_DOC_an_alias_names_a_living_key_of_its_own_account(scene: KmsScene, operation: str) -> None:
    if operation == "UpdateAlias":
        scene.ask("CreateAlias", AliasName="alias/a", TargetKeyId=scene.new_key())
    pending, foreign = scene.new_key(), scene.new_key(root(OTHER_ACCOUNT))
    scene.ask("ScheduleKeyDeletion", KeyId=pending)
    managed = scene.keyring.default_key_arn(ACCOUNT)
    for target, code in (
        (pending, "KMSInvalidStateException"),
        (foreign, "AccessDeniedException"),
        (managed, "AccessDeniedException"),
        (ABSENT, "NotFoundException"),
        ("alias/a", "ValidationException"),
    ):
        assert scene.code(operation, AliasName="alias/a", TargetKeyId=target) == code


def test_an_alias_of_a_key_pending_deletion_can_be_deleted(scene: KmsScene) -> None:
    arn = scene.new_key()
    scene.ask("CreateAlias", AliasName="alias/a", TargetKeyId=arn)
    scene.ask("ScheduleKeyDeletion", KeyId=arn)
    scene.ask("DeleteAlias", AliasName="alias/a")


ALIAS_ARN = f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/a"


@pytest.mark.parametrize("operation", ["CreateAlias", "UpdateAlias", "DeleteAlias"])
def test_DOC_what_an_alias_names_is_changed_with_leave_for_it_and_for_every_key(
    scene: KmsScene, operation: str
) -> None:
    old, new = scene.new_key(), scene.new_key()
    members = {"AliasName": "alias/a", "TargetKeyId": new}
    if operation != "CreateAlias":
        scene.ask("CreateAlias", AliasName="alias/a", TargetKeyId=old)
    if operation == "DeleteAlias":
        del members["TargetKeyId"]
    needed = {
        "CreateAlias": [ALIAS_ARN, new],
        "UpdateAlias": [ALIAS_ARN, old, new],
        "DeleteAlias": [ALIAS_ARN, old],
    }[operation]
    for missing in needed:
        rest = [arn for arn in needed if arn != missing]
        joe = user("joe", {"Action": f"kms:{operation}", "Resource": rest})
        code, message = scene.refusal(operation, joe, **members)
        assert (code, missing in message) == ("AccessDeniedException", True)
    scene.ask(operation, user("joe", {"Action": f"kms:{operation}", "Resource": needed}), **members)


# --- rotation


def test_DOC_rotation_is_off_until_it_is_enabled(scene: KmsScene) -> None:
    arn = scene.new_key()
    made_s = scene.clock.now_ms() / 1000
    status = {"KeyId": id_of(arn), "KeyRotationEnabled": False}
    assert scene.ask("GetKeyRotationStatus", KeyId=arn) == status
    scene.clock.advance(minutes=5)
    for members, days in (({}, 365), ({"RotationPeriodInDays": 90}, 90)):
        scene.ask("EnableKeyRotation", KeyId=arn, **members)
        assert scene.ask("GetKeyRotationStatus", KeyId=arn) == {
            "KeyId": id_of(arn),
            "KeyRotationEnabled": True,
            "RotationPeriodInDays": days,
            "NextRotationDate": made_s + days * DAY_S,
        }
    scene.ask("DisableKeyRotation", KeyId=arn)
    assert scene.ask("GetKeyRotationStatus", KeyId=arn) == status


def test_rotations_are_listed_with_or_without_the_first_material(scene: KmsScene) -> None:
    arn = scene.new_key()
    assert scene.ask("ListKeyRotations", KeyId=arn) == {"Rotations": [], "Truncated": False}
    dates = []
    for _ in range(4):
        scene.clock.advance(minutes=1)
        dates.append(scene.clock.now_ms() / 1000)
        assert scene.ask("RotateKeyOnDemand", KeyId=arn) == {"KeyId": id_of(arn)}
    for limit in (1, 3, 5):
        listed = paged(scene, "ListKeyRotations", "Rotations", KeyId=arn, Limit=limit)
        assert [entry["RotationDate"] for entry in listed] == dates
        listed = paged(
            scene,
            "ListKeyRotations",
            "Rotations",
            KeyId=arn,
            Limit=limit,
            IncludeKeyMaterial="ALL_KEY_MATERIAL",
        )
        assert [entry["KeyMaterialState"] for entry in listed] == ["NON_CURRENT"] * 4 + ["CURRENT"]
        assert [entry.get("RotationDate") for entry in listed] == [None, *dates]


def test_materials_do_not_pile_up_for_ever(scene: KmsScene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neve.domain.kms_changes.MATERIALS_MAX", 3)
    arn = scene.new_key()
    for _ in range(2):
        scene.ask("RotateKeyOnDemand", KeyId=arn)
    assert scene.code("RotateKeyOnDemand", KeyId=arn) == "LimitExceededException"
