"""Making, describing, listing, labelling keys and giving them policies, over JSON."""

from typing import Any

import pytest

from kms_scene import (
    ACCOUNT,
    OTHER_ACCOUNT,
    REGION,
    KmsScene,
    allow,
    id_of,
    key_policy,
    paged,
    root,
)
from neve.testing.world import World


@pytest.fixture
def scene() -> KmsScene:
    return KmsScene()


# --- keys


def test_DOC_a_new_key_is_symmetric_enabled_and_the_customers(scene: KmsScene) -> None:
    metadata = scene.ask("CreateKey", Description="disks")["KeyMetadata"]
    assert metadata.pop("CreationDate") == scene.clock.now_ms() / 1000
    arn = metadata["Arn"]
    assert metadata == {
        "AWSAccountId": ACCOUNT,
        "KeyId": id_of(arn),
        "Arn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{id_of(arn)}",
        "Enabled": True,
        "Description": "disks",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "KeyState": "Enabled",
        "Origin": "AWS_KMS",
        "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
        "MultiRegion": False,
    }
    assert scene.ask("DescribeKey", KeyId=arn)["KeyMetadata"]["Arn"] == arn


@pytest.mark.parametrize(
    "members",
    [
        {"KeySpec": "RSA_2048"},
        {"CustomerMasterKeySpec": "HMAC_256"},
        {"KeyUsage": "SIGN_VERIFY"},
        {"Origin": "EXTERNAL"},
        {"Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": "cks-1"},
        {"MultiRegion": True},
        {"XksKeyId": "x"},
    ],
    ids=str,
)
def test_any_other_kind_of_key_is_refused(scene: KmsScene, members: dict[str, Any]) -> None:
    assert scene.code("CreateKey", **members) == "UnsupportedOperationException"
    assert scene.ask("ListKeys")["Keys"] == []


def test_what_is_asked_for_may_be_said(scene: KmsScene) -> None:
    for members in (
        {"KeySpec": "SYMMETRIC_DEFAULT", "KeyUsage": "ENCRYPT_DECRYPT", "Origin": "AWS_KMS"},
        {"CustomerMasterKeySpec": "SYMMETRIC_DEFAULT", "MultiRegion": False},
    ):
        assert scene.new_key(**members)
    both = {"KeySpec": "SYMMETRIC_DEFAULT", "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT"}
    assert scene.code("CreateKey", **both) == "ValidationException"


def test_keys_are_listed_page_by_page_and_by_account(scene: KmsScene) -> None:
    arns = {scene.new_key() for _ in range(7)}
    scene.new_key(root(OTHER_ACCOUNT))
    for limit in (1, 3, 7, 8):
        listed = paged(scene, "ListKeys", "Keys", Limit=limit)
        assert [entry["KeyArn"] for entry in listed] == sorted(arns)
        assert [entry["KeyId"] for entry in listed] == [id_of(entry["KeyArn"]) for entry in listed]
    assert scene.ask("ListKeys", ResourceOwners=["OTHER_ACCOUNTS_VIA_RAM"])["Keys"] == []
    assert len(scene.ask("ListKeys", ResourceOwners=["SELF"])["Keys"]) == 7


LISTS = {
    "ListKeys": {},
    "ListAliases": {},
    "ListGrants": {"KeyId": ...},
    "ListKeyPolicies": {"KeyId": ...},
    "ListKeyRotations": {"KeyId": ...},
}


@pytest.mark.parametrize("operation", LISTS)
def test_DOC_a_marker_that_no_list_gave_is_refused(scene: KmsScene, operation: str) -> None:
    arn = scene.new_key()
    members = dict.fromkeys(LISTS[operation], arn)
    assert scene.code(operation, **members, Marker="no marker") == "InvalidMarkerException"


def test_a_description_can_be_changed_and_emptied(scene: KmsScene) -> None:
    arn = scene.new_key(Description="one")
    for description in ("two", ""):
        scene.ask("UpdateKeyDescription", KeyId=arn, Description=description)
        assert scene.ask("DescribeKey", KeyId=arn)["KeyMetadata"]["Description"] == description


def test_a_server_without_keys_of_its_own_says_where_they_are(scene: KmsScene) -> None:
    scene.context = World(scene.world.stores).context
    for operation, members in (("CreateKey", {}), ("ListKeys", {}), ("GenerateRandom", {"NumberOfBytes": 1})):
        code, message = scene.refusal(operation, **members)
        assert code == "UnsupportedOperationException"
        assert "keys in memory" in message


# --- tags


def tags_of(scene: KmsScene, arn: str) -> dict[str, str]:
    listed = paged(scene, "ListResourceTags", "Tags", KeyId=arn, Limit=2)
    return {tag["TagKey"]: tag["TagValue"] for tag in listed}


def tags(**pairs: str) -> list[dict[str, str]]:
    return [{"TagKey": key, "TagValue": value} for key, value in pairs.items()]


def test_tags_come_and_go(scene: KmsScene) -> None:
    arn = scene.new_key(Tags=tags(a="1", b="2"))
    scene.ask("TagResource", KeyId=arn, Tags=tags(b="3", c="4", d="", e="ä 1_.:/=+-@"))
    assert tags_of(scene, arn) == {"a": "1", "b": "3", "c": "4", "d": "", "e": "ä 1_.:/=+-@"}
    scene.ask("UntagResource", KeyId=arn, TagKeys=["a", "nobody"])
    assert set(tags_of(scene, arn)) == {"b", "c", "d", "e"}


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (tags(**{"aws:a": ""}), "TagException"),
        (tags(**{"AWS:a": ""}), "TagException"),
        (tags(a="<b>"), "TagException"),
        (tags(**{"a\n": ""}), "TagException"),
        (tags(a="") * 2, "TagException"),
        (tags(**{str(number): "" for number in range(51)}), "LimitExceededException"),
    ],
)
def test_DOC_tags_that_no_key_may_have_are_refused(
    scene: KmsScene, given: list[dict[str, str]], code: str
) -> None:
    arn = scene.new_key()
    assert scene.code("TagResource", KeyId=arn, Tags=given) == code
    assert scene.code("CreateKey", Tags=given) == code
    assert tags_of(scene, arn) == {}


def test_DOC_a_key_has_fifty_tags_at_most(scene: KmsScene) -> None:
    arn = scene.new_key(Tags=tags(**{str(number): "" for number in range(50)}))
    assert scene.code("TagResource", KeyId=arn, Tags=tags(more="")) == "LimitExceededException"
    scene.ask("TagResource", KeyId=arn, Tags=tags(**{"1": "x"}))


# --- policies


def test_a_key_has_the_policy_it_was_given_to_the_letter(scene: KmsScene) -> None:
    policy = key_policy(allow(Action="kms:Decrypt", Principal="*")) + "  "
    arn = scene.new_key(Policy=policy)
    assert scene.ask("GetKeyPolicy", KeyId=arn) == {"Policy": policy, "PolicyName": "default"}
    scene.ask("PutKeyPolicy", KeyId=arn, PolicyName="default", Policy=key_policy())
    assert scene.ask("GetKeyPolicy", KeyId=arn, PolicyName="default")["Policy"] == key_policy()
    assert scene.ask("ListKeyPolicies", KeyId=arn) == {"PolicyNames": ["default"], "Truncated": False}


def test_DOC_there_is_one_policy(scene: KmsScene) -> None:
    arn = scene.new_key()
    expected = ("NotFoundException", "No such policy exists")
    assert scene.refusal("GetKeyPolicy", KeyId=arn, PolicyName="other") == expected
    refused = scene.refusal("PutKeyPolicy", KeyId=arn, PolicyName="other", Policy=key_policy())
    assert refused == expected


LOCKED_OUT = (
    "MalformedPolicyDocumentException",
    "The new key policy will not allow you to update the key policy in the future.",
)


def test_DOC_nobody_locks_themselves_out_unless_they_say_so(scene: KmsScene) -> None:
    policy = f'{{"Statement": [{{"Effect": "Allow", "Principal": {{"AWS": "{OTHER_ACCOUNT}"}}, "Action": "kms:*", "Resource": "*"}}]}}'
    arn = scene.new_key()
    assert scene.refusal("PutKeyPolicy", KeyId=arn, Policy=policy) == LOCKED_OUT
    assert scene.refusal("CreateKey", Policy=policy) == LOCKED_OUT
    scene.ask("PutKeyPolicy", KeyId=arn, Policy=policy, BypassPolicyLockoutSafetyCheck=True)
    assert scene.code("GetKeyPolicy", KeyId=arn) == "AccessDeniedException"
    assert scene.new_key(Policy=policy, BypassPolicyLockoutSafetyCheck=True)


@pytest.mark.parametrize(
    ("policy", "code"),
    [
        ("no json", "MalformedPolicyDocumentException"),
        ("{}", "MalformedPolicyDocumentException"),
        ('{"Statement": []}', "MalformedPolicyDocumentException"),
        (key_policy() + " " * 33_000, "LimitExceededException"),
    ],
)
def test_DOC_what_is_no_policy_is_refused(scene: KmsScene, policy: str, code: str) -> None:
    arn = scene.new_key()
    for bypass in (True, False):
        members = {"Policy": policy, "BypassPolicyLockoutSafetyCheck": bypass}
        assert scene.code("PutKeyPolicy", KeyId=arn, **members) == code
        assert scene.code("CreateKey", **members) == code
    assert len(scene.ask("ListKeys")["Keys"]) == 1
