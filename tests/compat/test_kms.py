"""KMS through an unmodified boto3 and the AWS CLI against a real server process.

What keys, grants and policies allow is held to row by row in tests/unit/operations/kms; here it goes over the wire.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from compat.people import People, Person, allow, told
from neve.domain.blocks import checksum_b64, digest
from neve.limits import STANDARD
from neve.testing.server import ServerProcess

BLOCK = bytes(range(256)) * (STANDARD.block_bytes // 256)
DAY_S = 24 * 60 * 60


@pytest.fixture(scope="module")
def people(server: ServerProcess) -> People:
    return People(server)


@pytest.fixture
def kms(server: ServerProcess) -> Any:
    return server.client("kms")


@pytest.fixture
def key(kms: Any) -> str:
    """A key of the account, by its ARN."""
    arn: str = kms.create_key(Description="disks")["KeyMetadata"]["Arn"]
    return arn


def refusal(call: Callable[..., Any], **members: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        call(**members)
    return told(caught.value)


def unique(prefix: str) -> str:
    return f"{prefix}{uuid.uuid4().hex[:8]}"


# --- the subset of contract 10


def test_DOC_describe_key(kms: Any, server: ServerProcess, key: str) -> None:
    metadata = kms.describe_key(KeyId=key)["KeyMetadata"]
    assert metadata.pop("CreationDate").tzinfo is not None
    assert metadata == {
        "AWSAccountId": server.account_id,
        "KeyId": key.rpartition("/")[2],
        "Arn": key,
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


def test_DOC_generate_data_key_and_decrypt(kms: Any, key: str) -> None:
    context = {"a": "b"}
    made = kms.generate_data_key(KeyId=key, NumberOfBytes=64, EncryptionContext=context)
    assert (len(made["Plaintext"]), made["KeyId"]) == (64, key)
    found = kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext=context)
    assert (found["Plaintext"], found["KeyId"]) == (made["Plaintext"], key)
    assert found["EncryptionAlgorithm"] == "SYMMETRIC_DEFAULT"
    hidden = kms.generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_128")
    assert len(kms.decrypt(CiphertextBlob=hidden["CiphertextBlob"])["Plaintext"]) == 16


def test_DOC_re_encrypt(kms: Any, key: str) -> None:
    other = kms.create_key()["KeyMetadata"]["Arn"]
    ciphertext = kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"a": "b"})["CiphertextBlob"]
    moved = kms.re_encrypt(
        CiphertextBlob=ciphertext,
        SourceEncryptionContext={"a": "b"},
        DestinationKeyId=other,
        DestinationEncryptionContext={"c": "d"},
    )
    assert (moved["SourceKeyId"], moved["KeyId"]) == (key, other)
    found = kms.decrypt(CiphertextBlob=moved["CiphertextBlob"], EncryptionContext={"c": "d"})
    assert found["Plaintext"] == b"x"


def test_DOC_a_key_has_four_names(kms: Any, server: ServerProcess, key: str) -> None:
    name = unique("alias/")
    kms.create_alias(AliasName=name, TargetKeyId=key)
    alias_arn = f"arn:aws:kms:{server.region}:{server.account_id}:{name}"
    for named in (key, key.rpartition("/")[2], name, alias_arn):
        assert kms.describe_key(KeyId=named)["KeyMetadata"]["Arn"] == key


def test_DOC_another_context_is_an_invalid_ciphertext(kms: Any, key: str) -> None:
    ciphertext = kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"a": "b"})["CiphertextBlob"]
    status, code, _ = refusal(kms.decrypt, CiphertextBlob=ciphertext)
    assert (status, code) == (400, "InvalidCiphertextException")


@pytest.mark.parametrize(
    ("stop", "code", "words"),
    [
        pytest.param("disable_key", "DisabledException", "is disabled.", id="DOC-disabled"),
        pytest.param(
            "schedule_key_deletion", "KMSInvalidStateException", "is pending deletion.", id="DOC-pending"
        ),
    ],
)
def test_a_state_is_told_in_kms_words(kms: Any, key: str, stop: str, code: str, words: str) -> None:
    ciphertext = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    getattr(kms, stop)(KeyId=key)
    expected = (400, code, f"{key} {words}")
    assert refusal(kms.generate_data_key, KeyId=key, KeySpec="AES_256") == expected
    assert refusal(kms.decrypt, CiphertextBlob=ciphertext) == expected
    assert refusal(kms.re_encrypt, CiphertextBlob=ciphertext, DestinationKeyId=key) == expected
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["Enabled"] is False


def test_DOC_what_is_not_there_is_not_found(kms: Any, server: ServerProcess) -> None:
    prefix = f"arn:aws:kms:{server.region}:{server.account_id}:"
    absent = f"{prefix}key/{uuid.uuid4()}"
    expected = (400, "NotFoundException", f"Key '{absent}' does not exist")
    assert refusal(kms.describe_key, KeyId=absent) == expected
    expected = (400, "NotFoundException", f"Alias {prefix}alias/none is not found.")
    assert refusal(kms.describe_key, KeyId="alias/none") == expected


def test_DOC_a_dry_run_is_412(kms: Any, key: str) -> None:
    status, code, _ = refusal(kms.generate_data_key, KeyId=key, KeySpec="AES_256", DryRun=True)
    assert (status, code) == (412, "DryRunOperationException")


def test_DOC_a_grant_works_and_is_retired(kms: Any, people: People, key: str) -> None:
    name = unique("u-")
    joe = people.user(name)
    members = {"KeyId": key, "Plaintext": b"x"}
    assert refusal(joe.client("kms").encrypt, **members)[1] == "AccessDeniedException"
    made = kms.create_grant(
        KeyId=key,
        GranteePrincipal=f"arn:aws:iam::{joe.account_id}:user/{name}",
        Operations=["Encrypt", "RetireGrant"],
        Constraints={"EncryptionContextSubset": {"a": "b"}},
    )
    assert joe.client("kms").encrypt(
        **members, EncryptionContext={"a": "b"}, GrantTokens=[made["GrantToken"]]
    )
    assert refusal(joe.client("kms").encrypt, **members)[1] == "AccessDeniedException"
    joe.client("kms").retire_grant(GrantToken=made["GrantToken"])
    assert kms.list_grants(KeyId=key)["Grants"] == []


def test_DOC_the_default_key_is_made_when_it_is_named(kms: Any) -> None:
    metadata = kms.describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]
    assert metadata["KeyManager"] == "AWS"
    aliases = {entry["AliasName"]: entry["TargetKeyId"] for entry in kms.list_aliases()["Aliases"]}
    assert aliases["alias/aws/ebs"] == metadata["KeyId"]
    status, code, _ = refusal(kms.schedule_key_deletion, KeyId=metadata["KeyId"])
    assert (status, code) == (400, "AccessDeniedException")


# --- the wire


def test_DOC_boto3_pages_through_every_list(kms: Any, key: str) -> None:
    prefix = unique("alias/")
    names = [f"{prefix}-{number}" for number in range(5)]
    for name in names:
        kms.create_alias(AliasName=name, TargetKeyId=key)
    paginator = kms.get_paginator("list_aliases")
    pages = paginator.paginate(KeyId=key, PaginationConfig={"PageSize": 2})
    assert [entry["AliasName"] for page in pages for entry in page["Aliases"]] == names
    pages = kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 1})
    assert key in [entry["KeyArn"] for page in pages for entry in page["Keys"]]


def test_DOC_an_operation_that_is_not_served_is_unknown(kms: Any, key: str) -> None:
    status, code, _ = refusal(kms.sign, KeyId=key, Message=b"x", SigningAlgorithm="RSASSA_PSS_SHA_256")
    assert (status, code) == (400, "UnknownOperationException")


def test_DOC_a_wrong_secret_is_400(server: ServerProcess) -> None:
    stranger = server.client("kms", aws_secret_access_key="wrong")
    status, code, _ = refusal(stranger.list_keys)
    assert (status, code) == (400, "InvalidSignatureException")


def test_DOC_a_broken_constraint_is_a_validation_exception(server: ServerProcess, key: str) -> None:
    unchecked = server.client("kms", config=Config(parameter_validation=False))
    status, code, message = refusal(unchecked.generate_data_key, KeyId=key, NumberOfBytes=0)
    assert (status, code) == (400, "ValidationException")
    assert "'numberOfBytes'" in message


WITHOUT_A_KEY: dict[str, dict[str, Any]] = {
    "create_key": {},
    "list_keys": {},
    "list_aliases": {},
    "generate_random": {"NumberOfBytes": 8},
}
"""Operations that no key policy has a say in, with members to ask them."""


@pytest.mark.parametrize("operation", WITHOUT_A_KEY)
def test_a_user_needs_a_policy_for_what_is_about_no_key(people: People, operation: str) -> None:
    action = "kms:" + "".join(word.capitalize() for word in operation.split("_"))
    members = WITHOUT_A_KEY[operation]
    name = unique("u-")
    joe = people.user(name, allow("kms:DescribeKey"))
    call = getattr(joe.client("kms"), operation)
    status, code, message = refusal(call, **members)
    assert (status, code) == (400, "AccessDeniedException")
    assert message.endswith(f"because no identity-based policy allows the {action} action")
    people.permit(name, allow(action))
    assert call(**members)


def test_DOC_to_make_a_key_with_tags_takes_leave_to_tag(people: People) -> None:
    name = unique("u-")
    tags = [{"TagKey": "team", "TagValue": "disks"}]
    joe = people.user(name, allow("kms:CreateKey"))
    assert "kms:TagResource" in refusal(joe.client("kms").create_key, Tags=tags)[2]
    statement = allow(["kms:CreateKey", "kms:TagResource"])
    statement["Condition"] = {"StringEquals": {"aws:RequestTag/team": "disks"}}
    people.permit(name, statement)
    assert joe.client("kms").create_key(Tags=tags)
    assert refusal(joe.client("kms").create_key)[1] == "AccessDeniedException"


# --- keys and snapshots


def put(person: Person, snapshot_id: str) -> Any:
    return person.client("ebs").put_snapshot_block(
        SnapshotId=snapshot_id,
        BlockIndex=0,
        BlockData=BLOCK,
        DataLength=len(BLOCK),
        Checksum=checksum_b64(digest(BLOCK)),
        ChecksumAlgorithm="SHA256",
    )


def test_a_snapshot_reads_as_before_after_its_key_rotated_and_its_data_keys_were_renewed(
    make_server: Callable[..., ServerProcess],
) -> None:
    server = make_server()
    root = People(server).root
    kms, ebs, ec2 = (root.client(service) for service in ("kms", "ebs", "ec2"))
    arn = kms.create_key()["KeyMetadata"]["Arn"]
    snapshot_id = ebs.start_snapshot(VolumeSize=1, Encrypted=True, KmsKeyArn=arn)["SnapshotId"]
    put(root, snapshot_id)
    ebs.complete_snapshot(SnapshotId=snapshot_id, ChangedBlocksCount=1)
    waiter = ec2.get_waiter("snapshot_completed")
    waiter.config.delay, waiter.config.max_attempts = 0.05, 400
    waiter.wait(SnapshotIds=[snapshot_id])
    kms.rotate_key_on_demand(KeyId=arn)
    server.terminate()
    server.start()
    (entry,) = ebs.list_snapshot_blocks(SnapshotId=snapshot_id)["Blocks"]
    found = ebs.get_snapshot_block(SnapshotId=snapshot_id, **entry)["BlockData"].read()
    assert found == BLOCK
    child = ebs.start_snapshot(VolumeSize=1, ParentSnapshotId=snapshot_id)["SnapshotId"]
    put(root, child)
    # Background work begins with the server, and a stop waits for the slice that is under way.
    server.terminate()
    assert [event["account_id"] for event in server.events("data keys renewed")] == [server.account_id]


# --- the AWS CLI


class Cli:
    """The AWS CLI with a server's root credentials."""

    def __init__(self, server: ServerProcess, home: Path) -> None:
        beside_python = str(Path(sys.executable).parent)
        self._command = shutil.which("aws", path=beside_python) or pytest.skip("the AWS CLI is not installed")
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "AWS_ACCESS_KEY_ID": server.access_key_id,
            "AWS_SECRET_ACCESS_KEY": server.secret_access_key,
            "AWS_DEFAULT_REGION": server.region,
            "AWS_ENDPOINT_URL_KMS": server.endpoint,
            "AWS_PAGER": "",
            "AWS_MAX_ATTEMPTS": "1",
        }

    def __call__(self, *arguments: str) -> Any:
        done = subprocess.run(
            [self._command, "kms", *arguments, "--output", "json"],
            env=self._environment,
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout or b"null")


@pytest.mark.slow
def test_CLIENT_a_key_lives_its_life_in_the_aws_cli(server: ServerProcess, tmp_path: Path) -> None:
    aws = Cli(server, tmp_path)
    name = unique("alias/")
    arn = aws("create-key", "--description", "disks", "--tags", "TagKey=a,TagValue=b")["KeyMetadata"]["Arn"]
    aws("create-alias", "--alias-name", name, "--target-key-id", arn)
    plaintext = tmp_path / "plaintext"
    plaintext.write_bytes(b"secret")
    encrypted = aws("encrypt", "--key-id", name, "--plaintext", f"fileb://{plaintext}")["CiphertextBlob"]
    ciphertext = tmp_path / "ciphertext"
    ciphertext.write_bytes(base64.b64decode(encrypted))
    found = aws("decrypt", "--ciphertext-blob", f"fileb://{ciphertext}")
    assert base64.b64decode(found["Plaintext"]) == b"secret"
    aws("enable-key-rotation", "--key-id", arn, "--rotation-period-in-days", "90")
    assert aws("get-key-rotation-status", "--key-id", arn)["RotationPeriodInDays"] == 90
    aws("schedule-key-deletion", "--key-id", arn, "--pending-window-in-days", "7")
    assert aws("describe-key", "--key-id", arn)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    aws("cancel-key-deletion", "--key-id", arn)
    assert aws("describe-key", "--key-id", arn)["KeyMetadata"]["KeyState"] == "Disabled"
