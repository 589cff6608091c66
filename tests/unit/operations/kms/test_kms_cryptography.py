"""Encrypting, decrypting, data keys and random bytes, over JSON."""

from typing import Any

import pytest

from kms_scene import ABSENT, ACCOUNT, OTHER_ACCOUNT, KmsScene, allow, id_of, key_policy, root, user

CONTEXT = {"disk": "7", "ä": ""}


@pytest.fixture
def scene() -> KmsScene:
    return KmsScene()


@pytest.fixture
def key(scene: KmsScene) -> str:
    return scene.new_key()


def encrypted(scene: KmsScene, key: str, plaintext: bytes = b"secret", **members: Any) -> bytes:
    ciphertext: bytes = scene.ask("Encrypt", KeyId=key, Plaintext=plaintext, **members)["CiphertextBlob"]
    return ciphertext


@pytest.mark.parametrize("size_bytes", [1, 4095, 4096])
def test_DOC_what_was_encrypted_is_decrypted(scene: KmsScene, key: str, size_bytes: int) -> None:
    plaintext = bytes(size_bytes)
    answer = scene.ask("Encrypt", KeyId=key, Plaintext=plaintext, EncryptionContext=CONTEXT)
    ciphertext = answer.pop("CiphertextBlob")
    assert answer == {"KeyId": key, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}
    assert len(ciphertext) <= 6144
    expected = {"KeyId": key, "Plaintext": plaintext, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}
    for members in ({}, {"KeyId": key}, {"KeyId": id_of(key), "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}):
        found = scene.ask("Decrypt", CiphertextBlob=ciphertext, EncryptionContext=CONTEXT, **members)
        assert found == expected


@pytest.mark.parametrize("context", [{}, {"disk": "7"}, {**CONTEXT, "b": ""}, {"DISK": "7", "ä": ""}])
def test_DOC_another_context_is_an_invalid_ciphertext(
    scene: KmsScene, key: str, context: dict[str, str]
) -> None:
    ciphertext = encrypted(scene, key, EncryptionContext=CONTEXT)
    refused = scene.code("Decrypt", CiphertextBlob=ciphertext, EncryptionContext=context)
    assert refused == "InvalidCiphertextException"


def test_DOC_garbage_is_an_invalid_ciphertext(scene: KmsScene, key: str) -> None:
    for ciphertext in (b"x", bytes(6144), encrypted(scene, key)[:-1]):
        assert scene.code("Decrypt", CiphertextBlob=ciphertext) == "InvalidCiphertextException"


def test_DOC_another_key_than_the_ciphertexts_is_incorrect(scene: KmsScene, key: str) -> None:
    ciphertext, other = encrypted(scene, key), scene.new_key()
    assert scene.code("Decrypt", CiphertextBlob=ciphertext, KeyId=other) == "IncorrectKeyException"
    refused = scene.code("ReEncrypt", CiphertextBlob=ciphertext, SourceKeyId=other, DestinationKeyId=key)
    assert refused == "IncorrectKeyException"


def test_a_ciphertext_of_a_key_that_is_gone_says_no_more_than_one_of_a_key_that_is_not_ours(
    scene: KmsScene, key: str
) -> None:
    ciphertext = encrypted(scene, key)
    scene.keyring.remove(scene.records.kms_key(id_of(key)))
    code, message = scene.refusal("Decrypt", CiphertextBlob=ciphertext)
    assert code == "AccessDeniedException"
    assert message.startswith("The ciphertext refers to a customer master key that does not exist")


def test_DOC_re_encrypting_moves_a_plaintext_to_another_key_and_context(scene: KmsScene, key: str) -> None:
    other = scene.new_key()
    answer = scene.ask(
        "ReEncrypt",
        CiphertextBlob=encrypted(scene, key, EncryptionContext=CONTEXT),
        SourceEncryptionContext=CONTEXT,
        SourceKeyId=key,
        DestinationKeyId=other,
        DestinationEncryptionContext={"new": "context"},
    )
    ciphertext = answer.pop("CiphertextBlob")
    assert answer == {
        "SourceKeyId": key,
        "KeyId": other,
        "SourceEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "DestinationEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
    }
    found = scene.ask("Decrypt", CiphertextBlob=ciphertext, EncryptionContext={"new": "context"})
    assert (found["Plaintext"], found["KeyId"]) == (b"secret", other)


def test_DOC_re_encrypting_needs_both_keys(scene: KmsScene, key: str) -> None:
    other, ciphertext = scene.new_key(), encrypted(scene, key)
    for stopped in (key, other):
        scene.ask("DisableKey", KeyId=stopped)
        refused = scene.refusal("ReEncrypt", CiphertextBlob=ciphertext, DestinationKeyId=other)
        assert refused == ("DisabledException", f"{stopped} is disabled.")
        scene.ask("EnableKey", KeyId=stopped)


@pytest.mark.parametrize(
    ("members", "size_bytes"),
    [
        ({"KeySpec": "AES_256"}, 32),
        ({"KeySpec": "AES_128"}, 16),
        ({"NumberOfBytes": 1}, 1),
        ({"NumberOfBytes": 1024}, 1024),
    ],
)
def test_DOC_a_data_key_comes_in_the_clear_and_wrapped(
    scene: KmsScene, key: str, members: dict[str, Any], size_bytes: int
) -> None:
    made = scene.ask("GenerateDataKey", KeyId=key, EncryptionContext=CONTEXT, **members)
    assert (len(made["Plaintext"]), made["KeyId"]) == (size_bytes, key)
    found = scene.ask("Decrypt", CiphertextBlob=made["CiphertextBlob"], EncryptionContext=CONTEXT)
    assert found["Plaintext"] == made["Plaintext"]
    wrapped = scene.ask("GenerateDataKeyWithoutPlaintext", KeyId=key, **members)
    assert set(wrapped) == {"CiphertextBlob", "KeyId"}
    assert len(scene.ask("Decrypt", CiphertextBlob=wrapped["CiphertextBlob"])["Plaintext"]) == size_bytes


@pytest.mark.parametrize("members", [{}, {"KeySpec": "AES_256", "NumberOfBytes": 32}])
@pytest.mark.parametrize("operation", ["GenerateDataKey", "GenerateDataKeyWithoutPlaintext"])
def test_DOC_a_data_key_has_one_size(
    scene: KmsScene, key: str, operation: str, members: dict[str, Any]
) -> None:
    expected = ("ValidationException", "Please specify either number of bytes or key spec.")
    assert scene.refusal(operation, KeyId=key, **members) == expected


def test_random_bytes_are_as_many_as_asked_for(scene: KmsScene) -> None:
    assert len(scene.ask("GenerateRandom", NumberOfBytes=1024)["Plaintext"]) == 1024
    assert scene.code("GenerateRandom") == "ValidationException"
    refused = scene.code("GenerateRandom", NumberOfBytes=1, CustomKeyStoreId="cks-1")
    assert refused == "UnsupportedOperationException"


def test_DOC_an_encryption_context_has_8192_bytes_at_most(scene: KmsScene, key: str) -> None:
    encrypted(scene, key, EncryptionContext={"a": "b" * 8191})
    refused = scene.code("Encrypt", KeyId=key, Plaintext=b"x", EncryptionContext={"a": "ä" * 4096})
    assert refused == "ValidationException"


def test_a_symmetric_key_has_one_algorithm(scene: KmsScene, key: str) -> None:
    ciphertext, other = encrypted(scene, key), "RSAES_OAEP_SHA_256"
    uses: list[tuple[str, dict[str, Any]]] = [
        ("Encrypt", {"KeyId": key, "Plaintext": b"x", "EncryptionAlgorithm": other}),
        ("Decrypt", {"CiphertextBlob": ciphertext, "EncryptionAlgorithm": other}),
    ]
    for end in ("Source", "Destination"):
        members = {"CiphertextBlob": ciphertext, "DestinationKeyId": key, f"{end}EncryptionAlgorithm": other}
        uses.append(("ReEncrypt", members))
    for operation, members in uses:
        assert scene.code(operation, **members) == "InvalidKeyUsageException"


def test_nothing_is_answered_for_an_enclave(scene: KmsScene, key: str) -> None:
    recipient = {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": b"d"}
    uses: dict[str, dict[str, Any]] = {
        "Decrypt": {"CiphertextBlob": encrypted(scene, key)},
        "GenerateDataKey": {"KeyId": key, "KeySpec": "AES_256"},
        "GenerateRandom": {"NumberOfBytes": 1},
    }
    for operation, members in uses.items():
        refused = scene.code(operation, Recipient=recipient, **members)
        assert refused == "UnsupportedOperationException"


# --- questions


def uses_of(scene: KmsScene, key: str) -> dict[str, dict[str, Any]]:
    ciphertext = encrypted(scene, key)
    return {
        "Encrypt": {"KeyId": key, "Plaintext": b"x"},
        "Decrypt": {"CiphertextBlob": ciphertext},
        "ReEncrypt": {"CiphertextBlob": ciphertext, "DestinationKeyId": key},
        "GenerateDataKey": {"KeyId": key, "KeySpec": "AES_256"},
        "GenerateDataKeyWithoutPlaintext": {"KeyId": key, "KeySpec": "AES_256"},
    }


USES_OF_A_KEY = ("Encrypt", "Decrypt", "ReEncrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext")


@pytest.mark.parametrize("operation", USES_OF_A_KEY)
def test_DOC_a_question_is_answered_by_an_error_that_says_yes(
    scene: KmsScene, key: str, operation: str
) -> None:
    members = uses_of(scene, key)[operation]
    code, _ = scene.refusal(operation, DryRun=True, **members)
    assert code == "DryRunOperationException"
    assert scene.code(operation, user("nobody"), DryRun=True, **members) == "AccessDeniedException"
    scene.ask("DisableKey", KeyId=key)
    assert scene.code(operation, DryRun=True, **members) == "DisabledException"
    assert scene.ask("EnableKey", KeyId=key) == {}
    scene.ask(operation, DryRun=False, **members)


@pytest.mark.parametrize(("operation", "name"), [("Decrypt", "KeyId"), ("ReEncrypt", "SourceKeyId")], ids=str)
def test_DOC_a_question_may_go_without_its_ciphertext(
    scene: KmsScene, key: str, operation: str, name: str
) -> None:
    rest = {"DestinationKeyId": key} if operation == "ReEncrypt" else {}
    asked: dict[str, Any] = {"DryRunModifiers": ["IGNORE_CIPHERTEXT"], **rest}
    assert scene.code(operation, DryRun=True, **{name: key}, **asked) == "DryRunOperationException"
    assert (
        scene.code(operation, user("nobody"), DryRun=True, **{name: key}, **asked) == "AccessDeniedException"
    )
    assert scene.code(operation, DryRun=True, **asked) == "ValidationException"
    assert scene.code(operation, **{name: key}, **asked) == "ValidationException"
    assert scene.code(operation, **{name: key}, **rest) == "ValidationException"


# --- who may


@pytest.mark.parametrize("operation", USES_OF_A_KEY)
def test_a_user_needs_leave_for_each_operation(scene: KmsScene, key: str, operation: str) -> None:
    members = uses_of(scene, key)[operation]
    action = "kms:ReEncrypt*" if operation == "ReEncrypt" else f"kms:{operation}"
    scene.ask(operation, user("joe", {"Action": action, "Resource": key}), **members)
    for refused in (
        user("joe"),
        user("joe", {"Action": "kms:DescribeKey"}),
        user("joe", {"Action": action, "Resource": ABSENT}),
        user("joe", {}, {"Effect": "Deny", "Action": action}),
    ):
        code, message = scene.refusal(operation, refused, **members)
        assert code == "AccessDeniedException"
        assert message.startswith(f"User: arn:aws:iam::{ACCOUNT}:user/joe is not authorized to perform: kms:")
        assert key in message


@pytest.mark.parametrize("operation", USES_OF_A_KEY)
def test_DOC_another_account_needs_leave_of_both_sides(scene: KmsScene, key: str, operation: str) -> None:
    members = uses_of(scene, key)[operation]
    action = "kms:ReEncrypt*" if operation == "ReEncrypt" else f"kms:{operation}"
    with_leave = user("eve", {"Action": action}, account_id=OTHER_ACCOUNT)
    assert scene.code(operation, with_leave, **members) == "AccessDeniedException"
    account = {"AWS": f"arn:aws:iam::{OTHER_ACCOUNT}:root"}
    scene.ask("PutKeyPolicy", KeyId=key, Policy=key_policy(allow(Action=action, Principal=account)))
    scene.ask(operation, with_leave, **members)
    scene.ask(operation, root(OTHER_ACCOUNT), **members)
    assert scene.code(operation, user("eve", account_id=OTHER_ACCOUNT), **members) == "AccessDeniedException"


def test_DOC_re_encrypting_takes_leave_for_both_keys(scene: KmsScene, key: str) -> None:
    other, ciphertext = scene.new_key(), encrypted(scene, key)
    from_here = {"Action": "kms:ReEncryptFrom", "Resource": key}
    to_there = {"Action": "kms:ReEncryptTo", "Resource": other}
    members = {"CiphertextBlob": ciphertext, "DestinationKeyId": other}
    for statement, missing in ((from_here, "kms:ReEncryptTo"), (to_there, "kms:ReEncryptFrom")):
        code, message = scene.refusal("ReEncrypt", user("joe", statement), **members)
        assert (code, missing in message) == ("AccessDeniedException", True)
    scene.ask("ReEncrypt", user("joe", from_here, to_there), **members)


def test_another_accounts_alias_does_not_tell_its_key_to_whom_it_is_denied(scene: KmsScene, key: str) -> None:
    foreign = scene.new_key(root(OTHER_ACCOUNT))
    scene.ask("CreateAlias", root(OTHER_ACCOUNT), AliasName="alias/theirs", TargetKeyId=foreign)
    alias_arn = foreign.replace(f"key/{id_of(foreign)}", "alias/theirs")
    uses: dict[str, dict[str, Any]] = {
        "Encrypt": {"KeyId": alias_arn, "Plaintext": b"x"},
        "ReEncrypt": {"CiphertextBlob": encrypted(scene, key), "DestinationKeyId": alias_arn},
        "DescribeKey": {"KeyId": alias_arn},
    }
    for operation, members in uses.items():
        code, message = scene.refusal(operation, **members)
        assert code == "AccessDeniedException"
        assert alias_arn in message
        assert id_of(foreign) not in message


def test_DOC_policies_may_ask_for_the_encryption_context(scene: KmsScene, key: str) -> None:
    condition = {"StringEquals": {"kms:EncryptionContext:disk": "7"}}
    joe = user("joe", {"Action": "kms:*", "Condition": condition})
    ciphertext = encrypted(scene, key, EncryptionContext={"disk": "7"})
    found = scene.ask("Decrypt", joe, CiphertextBlob=ciphertext, EncryptionContext={"disk": "7"})
    assert found["Plaintext"] == b"secret"
    for context in ({}, {"disk": "8"}):
        refused = scene.code("Encrypt", joe, KeyId=key, Plaintext=b"x", EncryptionContext=context)
        assert refused == "AccessDeniedException"


def test_DOC_policies_may_ask_for_the_alias_that_was_named(scene: KmsScene, key: str) -> None:
    scene.ask("CreateAlias", AliasName="alias/disks", TargetKeyId=key)
    condition = {"StringEquals": {"kms:RequestAlias": "alias/disks"}}
    joe = user("joe", {"Action": "kms:Encrypt", "Condition": condition})
    scene.ask("Encrypt", joe, KeyId="alias/disks", Plaintext=b"x")
    assert scene.code("Encrypt", joe, KeyId=key, Plaintext=b"x") == "AccessDeniedException"


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("Decrypt", {"KeyId": "alias/disks"}),
        ("ReEncrypt", {"SourceKeyId": "alias/disks", "DestinationKeyId": "alias/disks"}),
    ],
)
def test_DOC_policies_may_ask_for_the_alias_that_a_ciphertexts_key_was_named_by(
    scene: KmsScene, key: str, operation: str, members: dict[str, str]
) -> None:
    scene.ask("CreateAlias", AliasName="alias/disks", TargetKeyId=key)
    ciphertext = encrypted(scene, key)
    by_alias = {"StringEquals": {"kms:RequestAlias": "alias/disks"}}
    joe = user("joe", {"Action": "kms:*", "Condition": by_alias})
    ann = user("ann", {}, {"Effect": "Deny", "Condition": by_alias})
    scene.ask(operation, joe, CiphertextBlob=ciphertext, **members)
    assert scene.code(operation, ann, CiphertextBlob=ciphertext, **members) == "AccessDeniedException"
    by_id = dict.fromkeys(members, key)
    scene.ask(operation, ann, CiphertextBlob=ciphertext, **by_id)
    assert scene.code(operation, joe, CiphertextBlob=ciphertext, **by_id) == "AccessDeniedException"


def test_DOC_policies_may_ask_whether_a_key_stays_the_same(scene: KmsScene, key: str) -> None:
    condition = {"Bool": {"kms:ReEncryptOnSameKey": "true"}}
    joe = user("joe", {"Action": "kms:ReEncrypt*", "Condition": condition})
    ciphertext = encrypted(scene, key)
    scene.ask("ReEncrypt", joe, CiphertextBlob=ciphertext, DestinationKeyId=key)
    refused = scene.code("ReEncrypt", joe, CiphertextBlob=ciphertext, DestinationKeyId=scene.new_key())
    assert refused == "AccessDeniedException"


def test_DOC_policies_may_ask_for_the_tags_of_a_key(scene: KmsScene) -> None:
    condition = {"StringEquals": {"aws:ResourceTag/team": "disks"}}
    joe = user("joe", {"Action": "kms:Encrypt", "Condition": condition})
    ours = scene.new_key(Tags=[{"TagKey": "team", "TagValue": "disks"}])
    scene.ask("Encrypt", joe, KeyId=ours, Plaintext=b"x")
    assert scene.code("Encrypt", joe, KeyId=scene.new_key(), Plaintext=b"x") == "AccessDeniedException"


def test_a_token_that_nobody_gave_is_refused_wherever_tokens_are_taken(scene: KmsScene, key: str) -> None:
    uses: dict[str, dict[str, Any]] = {**uses_of(scene, key), "DescribeKey": {"KeyId": key}}
    for operation, members in uses.items():
        refused = scene.code(operation, GrantTokens=["no token"], **members)
        assert refused == "InvalidGrantTokenException"
