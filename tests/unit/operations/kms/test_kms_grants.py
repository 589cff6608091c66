"""Grants: what they allow, to whom, for which contexts, and how they end. Over JSON."""

from typing import Any

import pytest

from kms_scene import ACCOUNT, OTHER_ACCOUNT, KmsScene, id_of, key_policy, paged, root, user

JOE = f"arn:aws:iam::{ACCOUNT}:user/joe"
ANN = f"arn:aws:iam::{ACCOUNT}:user/ann"
EVE = f"arn:aws:iam::{OTHER_ACCOUNT}:user/eve"


@pytest.fixture
def scene() -> KmsScene:
    return KmsScene()


@pytest.fixture
def key(scene: KmsScene) -> str:
    return scene.new_key()


def grant(scene: KmsScene, key: str, *operations: str, to: str = JOE, **members: Any) -> dict[str, str]:
    """Make a grant and return its id and token."""
    return scene.ask("CreateGrant", KeyId=key, GranteePrincipal=to, Operations=operations, **members)


def may_encrypt(scene: KmsScene, key: str, caller: Any, **context: str) -> bool:
    members = {"KeyId": key, "Plaintext": b"x", "EncryptionContext": context, "DryRun": True}
    return scene.code("Encrypt", caller, **members) == "DryRunOperationException"


def test_DOC_a_grant_allows_its_operations_to_its_grantee_at_once(scene: KmsScene, key: str) -> None:
    joe, ann = user("joe"), user("ann")
    assert not may_encrypt(scene, key, joe)
    grant(scene, key, "Encrypt", "DescribeKey")
    assert may_encrypt(scene, key, joe)
    assert not may_encrypt(scene, key, ann)
    assert not may_encrypt(scene, scene.new_key(), joe)
    assert scene.ask("DescribeKey", joe, KeyId=key)["KeyMetadata"]["Arn"] == key
    refused = scene.code("GenerateDataKey", joe, KeyId=key, KeySpec="AES_256")
    assert refused == "AccessDeniedException"


def test_DOC_a_deny_is_stronger_than_a_grant(scene: KmsScene, key: str) -> None:
    grant(scene, key, "Encrypt")
    assert not may_encrypt(scene, key, user("joe", {"Effect": "Deny", "Action": "kms:Encrypt"}))


def test_DOC_another_accounts_user_needs_a_policy_beside_the_grant(scene: KmsScene, key: str) -> None:
    grant(scene, key, "Encrypt", to=EVE)
    assert may_encrypt(scene, key, user("eve", {"Action": "kms:Encrypt"}, account_id=OTHER_ACCOUNT))
    assert not may_encrypt(scene, key, user("eve", account_id=OTHER_ACCOUNT))


@pytest.mark.parametrize(
    ("constraint", "right", "wrong"),
    [
        ("EncryptionContextEquals", [{"a": "1"}], [{}, {"a": "2"}, {"a": "1", "b": "2"}]),
        ("EncryptionContextSubset", [{"a": "1"}, {"a": "1", "b": "2"}], [{}, {"a": "2"}, {"b": "1"}]),
    ],
)
def test_DOC_a_constraint_holds_the_encryption_context(
    scene: KmsScene, key: str, constraint: str, right: list[dict[str, str]], wrong: list[dict[str, str]]
) -> None:
    grant(scene, key, "Encrypt", Constraints={constraint: {"a": "1"}})
    assert all(may_encrypt(scene, key, user("joe"), **context) for context in right)
    assert not any(may_encrypt(scene, key, user("joe"), **context) for context in wrong)


def test_DOC_grants_are_listed_with_all_they_say(scene: KmsScene, key: str) -> None:
    made = grant(
        scene,
        key,
        "Decrypt",
        "Encrypt",
        "Decrypt",
        Name="n",
        RetiringPrincipal=ANN,
        Constraints={"EncryptionContextSubset": {"a": "1"}},
    )
    (listed,) = scene.ask("ListGrants", KeyId=key)["Grants"]
    assert listed == {
        "KeyId": key,
        "GrantId": made["GrantId"],
        "Name": "n",
        "CreationDate": scene.clock.now_ms() / 1000,
        "GranteePrincipal": JOE,
        "RetiringPrincipal": ANN,
        "IssuingAccount": f"arn:aws:iam::{ACCOUNT}:root",
        "Operations": ["Decrypt", "Encrypt"],
        "Constraints": {"EncryptionContextSubset": {"a": "1"}},
    }


def test_grants_are_listed_page_by_page_and_by_what_is_asked_for(scene: KmsScene, key: str) -> None:
    made = [grant(scene, key, "Decrypt", to=JOE if number % 2 else ANN) for number in range(6)]
    ids = sorted(entry["GrantId"] for entry in made)
    for limit in (1, 4, 6, 7):
        listed = paged(scene, "ListGrants", "Grants", KeyId=key, Limit=limit)
        assert [entry["GrantId"] for entry in listed] == ids
        listed = paged(scene, "ListGrants", "Grants", KeyId=key, Limit=limit, GranteePrincipal=ANN)
        assert len(listed) == 3
    listed = paged(scene, "ListGrants", "Grants", KeyId=key, Limit=1, GrantId=ids[2])
    assert [entry["GrantId"] for entry in listed] == [ids[2]]
    assert scene.ask("ListGrants", KeyId=key, GranteeServicePrincipal="a.b.c")["Grants"] == []
    assert scene.code("ListGrants", KeyId=key, GrantId="no id") == "InvalidGrantIdException"


def test_DOC_a_named_grant_is_made_once_however_often_it_is_asked_for(scene: KmsScene, key: str) -> None:
    one = grant(scene, key, "Decrypt", Name="n")
    again = grant(scene, key, "Decrypt", Name="n")
    assert again["GrantId"] == one["GrantId"]
    others = [
        grant(scene, key, "Decrypt", Name="m"),
        grant(scene, key, "Encrypt", Name="n"),
        grant(scene, key, "Decrypt", Name="n", to=ANN),
        grant(scene, key, "Decrypt", Name="n", RetiringPrincipal=ANN),
        grant(scene, key, "Decrypt", Name="n", Constraints={"EncryptionContextEquals": {}}),
        grant(scene, scene.new_key(), "Decrypt", Name="n"),
    ]
    assert len({one["GrantId"], *(other["GrantId"] for other in others)}) == 7


def test_grants_without_a_name_are_different_grants(scene: KmsScene, key: str) -> None:
    assert grant(scene, key, "Decrypt")["GrantId"] != grant(scene, key, "Decrypt")["GrantId"]


def test_DOC_a_grants_token_is_taken_wherever_tokens_are(scene: KmsScene, key: str) -> None:
    token = grant(scene, key, "Encrypt")["GrantToken"]
    scene.ask("Encrypt", user("joe"), KeyId=key, Plaintext=b"x", GrantTokens=[token])


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"GranteePrincipal": None}, "ValidationException"),
        ({"GranteePrincipal": "joe"}, "InvalidArnException"),
        ({"GranteePrincipal": "arn:aws:s3:::bucket"}, "InvalidArnException"),
        ({"RetiringPrincipal": "arn:aws:iam::1:root"}, "InvalidArnException"),
        ({"Operations": []}, "ValidationException"),
        ({"Operations": ["Decrypt", "Sign"]}, "ValidationException"),
        ({"Operations": ["GenerateDataKeyPair"]}, "ValidationException"),
        ({"GranteeServicePrincipal": "ec2.amazonaws.com"}, "UnsupportedOperationException"),
        ({"RetiringServicePrincipal": "ec2.amazonaws.com"}, "UnsupportedOperationException"),
        (
            {"Constraints": {"SourceArn": f"arn:aws:ec2:us-east-1:{ACCOUNT}:volume/x"}},
            "UnsupportedOperationException",
        ),
        ({"GrantTokens": ["no token"]}, "InvalidGrantTokenException"),
        ({"DryRun": True}, "DryRunOperationException"),
    ],
    ids=str,
)
def test_a_grant_that_cannot_be_is_refused_and_leaves_nothing(
    scene: KmsScene, key: str, members: dict[str, Any], code: str
) -> None:
    asked = {"KeyId": key, "GranteePrincipal": JOE, "Operations": ["Decrypt"], **members}
    assert scene.code("CreateGrant", **asked) == code
    assert scene.ask("ListGrants", KeyId=key)["Grants"] == []


def test_grants_do_not_pile_up_for_ever(scene: KmsScene, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neve.operations.kms.grants.GRANTS_MAX", 2)
    for _ in range(2):
        grant(scene, key, "Decrypt")
    asked = {"KeyId": key, "GranteePrincipal": JOE, "Operations": ["Decrypt"]}
    assert scene.code("CreateGrant", **asked) == "LimitExceededException"


# --- grants that allow to grant


@pytest.mark.parametrize(
    ("held", "asked", "allowed"),
    [
        ({}, {}, True),
        ({}, {"EncryptionContextEquals": {"a": "1"}}, True),
        ({"EncryptionContextEquals": {"a": "1"}}, {"EncryptionContextEquals": {"a": "1"}}, True),
        ({"EncryptionContextEquals": {"a": "1"}}, {"EncryptionContextEquals": {"a": "2"}}, False),
        ({"EncryptionContextEquals": {"a": "1"}}, {"EncryptionContextSubset": {"a": "1"}}, False),
        ({"EncryptionContextEquals": {"a": "1"}}, {}, False),
        ({"EncryptionContextSubset": {"a": "1"}}, {"EncryptionContextSubset": {"a": "1"}}, True),
        ({"EncryptionContextSubset": {"a": "1"}}, {"EncryptionContextSubset": {"a": "1", "b": "2"}}, True),
        ({"EncryptionContextSubset": {"a": "1"}}, {"EncryptionContextEquals": {"a": "1", "b": "2"}}, True),
        ({"EncryptionContextSubset": {"a": "1"}}, {"EncryptionContextEquals": {"b": "2"}}, False),
        ({"EncryptionContextSubset": {"a": "1"}}, {}, False),
        (
            {"EncryptionContextEquals": {"a": "1"}, "EncryptionContextSubset": {"b": "2"}},
            {"EncryptionContextEquals": {"a": "1"}},
            False,
        ),
    ],
)
def test_DOC_whoever_grants_by_a_grant_grants_nothing_looser(
    scene: KmsScene, key: str, held: dict[str, Any], asked: dict[str, Any], allowed: bool
) -> None:
    grant(scene, key, "CreateGrant", "Decrypt", Constraints=held)
    members = {"KeyId": key, "GranteePrincipal": ANN, "Operations": ["Decrypt"], "Constraints": asked}
    expected = "DryRunOperationException" if allowed else "AccessDeniedException"
    assert scene.code("CreateGrant", user("joe"), DryRun=True, **members) == expected


@pytest.mark.parametrize("operations", [["Encrypt"], ["Decrypt", "Encrypt"], ["RetireGrant"]], ids=str)
def test_DOC_whoever_grants_by_a_grant_grants_no_more_operations(
    scene: KmsScene, key: str, operations: list[str]
) -> None:
    grant(scene, key, "CreateGrant", "Decrypt")
    members = {"KeyId": key, "GranteePrincipal": ANN, "Operations": operations}
    assert scene.code("CreateGrant", user("joe"), **members) == "AccessDeniedException"
    may_all = user("joe", {"Action": "kms:CreateGrant"})
    assert scene.ask("CreateGrant", may_all, **members)


def test_DOC_policies_may_ask_what_is_granted_and_to_whom(scene: KmsScene, key: str) -> None:
    condition = {
        "ForAllValues:StringEquals": {"kms:GrantOperations": ["Decrypt", "Encrypt"]},
        "StringEquals": {"kms:GranteePrincipal": ANN},
    }
    joe = user("joe", {"Action": "kms:CreateGrant", "Condition": condition})
    right = {"KeyId": key, "GranteePrincipal": ANN, "Operations": ["Decrypt"]}
    assert scene.ask("CreateGrant", joe, **right)
    for wrong in ({"GranteePrincipal": JOE}, {"Operations": ["Decrypt", "CreateGrant"]}):
        assert scene.code("CreateGrant", joe, **(right | wrong)) == "AccessDeniedException"


# --- how they end


def test_DOC_a_revoked_grant_allows_nothing_more(scene: KmsScene, key: str) -> None:
    made = grant(scene, key, "Encrypt")
    members = {"KeyId": key, "GrantId": made["GrantId"]}
    assert scene.code("RevokeGrant", DryRun=True, **members) == "DryRunOperationException"
    assert scene.code("RevokeGrant", user("joe"), **members) == "AccessDeniedException"
    assert may_encrypt(scene, key, user("joe"))
    assert scene.ask("RevokeGrant", **members) == {}
    assert not may_encrypt(scene, key, user("joe"))
    expected = ("NotFoundException", f"Grant ID {made['GrantId']} not found")
    assert scene.refusal("RevokeGrant", **members) == expected
    assert scene.code("RevokeGrant", KeyId=key, GrantId="no id") == "InvalidGrantIdException"


def test_a_grant_is_found_by_its_own_id_and_key_only(scene: KmsScene, key: str) -> None:
    made = [grant(scene, key, "Encrypt")["GrantId"] for _ in range(3)]
    for absent in ("0" * 64, "f" * 64, f"{int(made[0], 16) + 1:064x}"):
        assert scene.code("RevokeGrant", KeyId=key, GrantId=absent) == "NotFoundException"
    assert scene.code("RevokeGrant", KeyId=scene.new_key(), GrantId=made[0]) == "NotFoundException"
    assert len(scene.ask("ListGrants", KeyId=key)["Grants"]) == 3


@pytest.mark.parametrize("by_token", [True, False])
@pytest.mark.parametrize(
    ("operations", "who", "allowed"),
    [
        pytest.param(["Decrypt"], "ann", True, id="DOC-retiring-principal"),
        pytest.param(["Decrypt", "RetireGrant"], "joe", True, id="DOC-grantee-that-may"),
        pytest.param(["Decrypt"], "joe", False, id="DOC-grantee-that-may-not"),
        pytest.param(["Decrypt", "RetireGrant"], "bob", False, id="DOC-somebody-else"),
    ],
)
def test_a_grant_is_retired_by_whom_it_names(
    scene: KmsScene, key: str, *, operations: list[str], who: str, allowed: bool, by_token: bool
) -> None:
    made = grant(scene, key, *operations, RetiringPrincipal=ANN)
    grant(scene, key, "RetireGrant", to=f"arn:aws:iam::{ACCOUNT}:user/bob")
    named = {"GrantToken": made["GrantToken"]} if by_token else {"KeyId": key, "GrantId": made["GrantId"]}
    dry = "DryRunOperationException" if allowed else "AccessDeniedException"
    assert scene.code("RetireGrant", user(who), DryRun=True, **named) == dry
    if allowed:
        scene.ask("RetireGrant", user(who), **named)
        assert len(scene.ask("ListGrants", KeyId=key)["Grants"]) == 1


def test_DOC_a_deny_keeps_the_retiring_principal_from_retiring(scene: KmsScene, key: str) -> None:
    made = grant(scene, key, "Decrypt", RetiringPrincipal=ANN)
    ann = user("ann", {"Effect": "Deny", "Action": "kms:RetireGrant"})
    assert scene.code("RetireGrant", ann, GrantToken=made["GrantToken"]) == "AccessDeniedException"


def test_DOC_an_account_can_be_the_retiring_principal(scene: KmsScene, key: str) -> None:
    made = grant(scene, key, "Decrypt", RetiringPrincipal=f"arn:aws:iam::{OTHER_ACCOUNT}:root")
    stranger = user("eve", account_id=OTHER_ACCOUNT)
    assert scene.code("RetireGrant", stranger, GrantToken=made["GrantToken"]) == "AccessDeniedException"
    assert scene.ask("RetireGrant", root(OTHER_ACCOUNT), GrantToken=made["GrantToken"]) == {}


@pytest.mark.parametrize(
    "names",
    [(), ("KeyId",), ("GrantId",), ("GrantToken", "KeyId"), ("GrantToken", "KeyId", "GrantId")],
    ids=str,
)
def test_DOC_a_grant_to_retire_is_named_in_one_way(scene: KmsScene, key: str, names: tuple[str, ...]) -> None:
    made = {"KeyId": key, **grant(scene, key, "Decrypt")}
    assert scene.code("RetireGrant", **{name: made[name] for name in names}) == "ValidationException"


def test_grants_end_with_their_key(scene: KmsScene, key: str) -> None:
    made = grant(scene, key, "Decrypt", RetiringPrincipal=ANN)
    scene.keyring.remove(scene.records.kms_key(id_of(key)))
    assert scene.code("RetireGrant", user("ann"), GrantToken=made["GrantToken"]) == "NotFoundException"


def test_DOC_grants_work_across_accounts(scene: KmsScene) -> None:
    owner = {"AWS": f"arn:aws:iam::{OTHER_ACCOUNT}:root"}
    statement = {"Effect": "Allow", "Principal": owner, "Action": "kms:*Grant*", "Resource": "*"}
    key = scene.new_key(Policy=key_policy(statement))
    stranger = root(OTHER_ACCOUNT)
    made = scene.ask("CreateGrant", stranger, KeyId=key, GranteePrincipal=JOE, Operations=["Encrypt"])
    assert len(scene.ask("ListGrants", stranger, KeyId=key)["Grants"]) == 1
    assert may_encrypt(scene, key, user("joe"))
    scene.ask("RevokeGrant", stranger, KeyId=key, GrantId=made["GrantId"])
    assert not may_encrypt(scene, key, user("joe"))
