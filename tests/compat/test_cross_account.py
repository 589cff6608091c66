"""A second account with full rights in itself, and everything the first one has.

Every operation of the table has a row here: asked for what the first account has, it must answer exactly as for what
nobody has, and change nothing. An operation without a row fails `test_every_operation_has_a_row`.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
from botocore.exceptions import ClientError, WaiterError

from compat.people import People, Person, allow, told
from fix_scoreboard import Figure
from neve.domain.blocks import checksum_b64, digest
from neve.limits import STANDARD
from neve.server.operations import OPERATIONS
from neve.testing.server import ServerProcess

ABSENT_ACCOUNT = "999999999999"
ABSENT_SNAPSHOT = "snap-0123456789abcdef0"
ABSENT_KEY = "01234567-89ab-4cde-8f01-23456789abcd"
ABSENT_GRANT = "0123456789abcdef" * 4
_REQUEST_ID = re.compile("Request ID: [0-9a-f-]{36}")
NO_SNAPSHOT = "404 ResourceNotFoundException SNAPSHOT_NOT_FOUND "
NO_SNAPSHOT_OF_EC2 = "400 InvalidSnapshot.NotFound "
NO_KEY = "400 AccessDeniedException "
NO_RULE = "404 ResourceNotFoundException "
ABSENT_RULE = "0123456789A"
DAYS = {"RetentionPeriodValue": 1, "RetentionPeriodUnit": "DAYS"}
TAGS = [{"Key": "owner", "Value": "victim"}]
NOBODYS_POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}],
    }
)
GONE = {"ResourceTagKey": "gone", "ResourceTagValue": "yes"}
"""What the first account's retention rule is about."""
KMS_TAGS = [{"TagKey": "owner", "TagValue": "victim"}]
TOO_LARGE = {"much": "x" * 9000}
"""An encryption context."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What is asked for: somebody's, or nobody's."""

    account_id: str
    snapshot: str
    pending: str
    block_token: str
    """The first account's own, whoever is asked for."""
    key_id: str
    key_arn: str
    alias_name: str
    grant_id: str
    rule_id: str
    recycled: str
    """A snapshot in the recycle bin."""
    ciphertext: bytes
    own_snapshot: str
    """The intruder's own, completed."""
    own_key: str
    own_ciphertext: bytes

    def hidden_in(self, text: str) -> str:
        """Return a text with these names taken out, so that two answers can be compared."""
        for name in (
            self.snapshot,
            self.pending,
            self.recycled,
            self.alias_name,
            self.key_arn,
            self.key_id,
            self.grant_id,
            self.rule_id,
            self.account_id,
            self.key_arn.split(":")[4],
        ):
            text = text.replace(name, "*")
        return _REQUEST_ID.sub("Request ID: *", text)


Call = Callable[[Person, Names], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A call, and how its answer begins: status, code and Reason, or the answer itself."""

    call: Call
    answer: str


def block(fill: int) -> bytes:
    """Return a block that does not compress and that no other fill has."""
    return b"".join(digest(fill.to_bytes(8) + at.to_bytes(8)) for at in range(STANDARD.block_bytes // 32))


def put(person: Person, snapshot_id: str, content: bytes, index: int = 0) -> Any:
    return person.client("ebs").put_snapshot_block(
        SnapshotId=snapshot_id,
        BlockIndex=index,
        BlockData=content,
        DataLength=len(content),
        Checksum=checksum_b64(digest(content)),
        ChecksumAlgorithm="SHA256",
    )


def completed(person: Person, **more: Any) -> str:
    snapshot_id: str = person.client("ebs").start_snapshot(VolumeSize=1, **more)["SnapshotId"]
    put(person, snapshot_id, block(1))
    person.client("ebs").complete_snapshot(SnapshotId=snapshot_id, ChangedBlocksCount=1)
    waiter = person.client("ec2").get_waiter("snapshot_completed")
    waiter.config.delay, waiter.config.max_attempts = 0.05, 400
    waiter.wait(SnapshotIds=[snapshot_id])
    return snapshot_id


# --- the rows: operations on what the first account has


def ebs(operation: str, answer: str = NO_SNAPSHOT, **members: Callable[[Names], Any]) -> Row:
    return Row(call=_call("ebs", operation, members), answer=answer)


def ec2(operation: str, answer: str = NO_SNAPSHOT_OF_EC2, **members: Callable[[Names], Any]) -> Row:
    return Row(call=_call("ec2", operation, members), answer=answer)


def kms(operation: str, answer: str = NO_KEY, **members: Callable[[Names], Any]) -> Row:
    return Row(call=_call("kms", operation, members), answer=answer)


def rbin(operation: str, answer: str = NO_RULE, **members: Callable[[Names], Any]) -> Row:
    return Row(call=_call("rbin", operation, members), answer=answer)


def sts(operation: str, answer: str = "", **members: Callable[[Names], Any]) -> Row:
    return Row(call=_call("sts", operation, members), answer=answer)


def _call(service: str, operation: str, members: Mapping[str, Callable[[Names], Any]]) -> Call:
    def call(person: Person, names: Names) -> Any:
        given = {name: value_of(names) for name, value_of in members.items()}
        return getattr(person.client(service), operation)(**given)

    return call


def a(value: Any) -> Callable[[Names], Any]:
    """Return the same value whoever is asked for."""
    return lambda _names: value


def snapshot(names: Names) -> str:
    return names.snapshot


def pending(names: Names) -> str:
    return names.pending


def own_snapshot(names: Names) -> str:
    return names.own_snapshot


def own_key(names: Names) -> str:
    return names.own_key


def key(names: Names) -> str:
    return names.key_arn


def alias(names: Names) -> str:
    return f"{names.key_arn.partition(':key/')[0]}:{names.alias_name}"


def rule(names: Names) -> str:
    return names.rule_id


def rule_arn(names: Names) -> str:
    return f"arn:aws:rbin:us-east-1:{names.account_id}:rule/{names.rule_id}"


def recycled(names: Names) -> str:
    return names.recycled


def copied(person: Person, names: Names) -> Any:
    return copy_of(person, names.snapshot)


def copied_to_key(person: Person, names: Names) -> Any:
    return copy_of(person, names.own_snapshot, Encrypted=True, KmsKeyId=names.key_arn)


def copied_to_alias(person: Person, names: Names) -> Any:
    return copy_of(person, names.own_snapshot, Encrypted=True, KmsKeyId=alias(names))


def copy_of(person: Person, source: str, **members: Any) -> Any:
    """Copy, and return what became of the copy: the call itself succeeds whatever the source and the key."""
    client = person.client("ec2")
    copy = client.copy_snapshot(SourceRegion="us-east-1", SourceSnapshotId=source, **members)["SnapshotId"]
    waiter = client.get_waiter("snapshot_completed")
    waiter.config.delay, waiter.config.max_attempts = 0.05, 400
    with pytest.raises(WaiterError, match="terminal failure"):
        waiter.wait(SnapshotIds=[copy])
    found = client.describe_snapshots(SnapshotIds=[copy])
    (shown,) = found["Snapshots"]
    found["Snapshots"] = [
        {name: shown[name] for name in ("State", "StateMessage", "Encrypted", "VolumeSize")}
    ]
    return found


def ciphertext(names: Names) -> bytes:
    return names.ciphertext


def own_ciphertext(names: Names) -> bytes:
    return names.own_ciphertext


FOREIGN: Mapping[str, list[Row]] = {
    "StartSnapshot": [
        ebs("start_snapshot", VolumeSize=a(1), ParentSnapshotId=snapshot),
        ebs(
            "start_snapshot",
            "400 ValidationException INVALID_DEPENDENCY_REQUEST ",
            VolumeSize=a(1),
            Encrypted=a(True),
            KmsKeyArn=key,
        ),
    ],
    "PutSnapshotBlock": [
        Row(call=lambda person, names: put(person, names.pending, block(2)), answer=NO_SNAPSHOT)
    ],
    "CompleteSnapshot": [
        ebs("complete_snapshot", SnapshotId=pending, ChangedBlocksCount=a(0)),
        ebs("complete_snapshot", SnapshotId=snapshot, ChangedBlocksCount=a(1)),
    ],
    "ListSnapshotBlocks": [ebs("list_snapshot_blocks", SnapshotId=snapshot)],
    "ListChangedBlocks": [
        ebs("list_changed_blocks", FirstSnapshotId=snapshot, SecondSnapshotId=own_snapshot),
        ebs("list_changed_blocks", FirstSnapshotId=own_snapshot, SecondSnapshotId=snapshot),
        ebs("list_changed_blocks", FirstSnapshotId=snapshot, SecondSnapshotId=snapshot),
    ],
    "GetSnapshotBlock": [
        ebs(
            "get_snapshot_block",
            SnapshotId=snapshot,
            BlockIndex=a(0),
            BlockToken=lambda names: names.block_token,
        ),
        ebs(
            "get_snapshot_block",
            "400 ValidationException INVALID_BLOCK_TOKEN ",
            SnapshotId=own_snapshot,
            BlockIndex=a(0),
            BlockToken=lambda names: names.block_token,
        ),
    ],
    "DescribeSnapshots": [
        ec2("describe_snapshots", SnapshotIds=lambda names: [names.snapshot]),
        ec2(
            "describe_snapshots",
            "{'Snapshots': []}",
            Filters=lambda names: [{"Name": "snapshot-id", "Values": [names.snapshot]}],
        ),
        ec2("describe_snapshots", "{'Snapshots': []}", OwnerIds=lambda names: [names.account_id]),
    ],
    "DeleteSnapshot": [
        ec2("delete_snapshot", SnapshotId=snapshot),
        ec2("delete_snapshot", SnapshotId=snapshot, DryRun=a(True)),
    ],
    "CreateTags": [ec2("create_tags", Resources=lambda names: [names.snapshot], Tags=a(TAGS))],
    "DeleteTags": [ec2("delete_tags", Resources=lambda names: [names.snapshot], Tags=a(TAGS))],
    "DescribeTags": [
        ec2(
            "describe_tags",
            "{'Tags': []}",
            Filters=lambda names: [{"Name": "resource-id", "Values": [names.snapshot]}],
        )
    ],
    "ModifySnapshotAttribute": [
        ec2(
            "modify_snapshot_attribute",
            SnapshotId=snapshot,
            CreateVolumePermission=a({"Add": [{"Group": "all"}]}),
        )
    ],
    "DescribeSnapshotAttribute": [
        ec2("describe_snapshot_attribute", SnapshotId=snapshot, Attribute=a("createVolumePermission"))
    ],
    "ResetSnapshotAttribute": [
        ec2("reset_snapshot_attribute", SnapshotId=snapshot, Attribute=a("createVolumePermission"))
    ],
    "CopySnapshot": [
        Row(call=call, answer="{'Snapshots': [{'State': 'error', ")
        for call in (copied, copied_to_key, copied_to_alias)
    ],
    "LockSnapshot": [
        ec2("lock_snapshot", SnapshotId=snapshot, LockMode=a("governance"), LockDuration=a(1)),
        ec2(
            "lock_snapshot", SnapshotId=snapshot, LockMode=a("governance"), LockDuration=a(1), DryRun=a(True)
        ),
    ],
    "UnlockSnapshot": [
        ec2("unlock_snapshot", SnapshotId=snapshot),
        ec2("unlock_snapshot", SnapshotId=pending),  # this one is locked
        ec2("unlock_snapshot", SnapshotId=pending, DryRun=a(True)),
    ],
    "DescribeLockedSnapshots": [
        ec2("describe_locked_snapshots", SnapshotIds=lambda names: [names.pending, names.snapshot])
    ],
    "ListSnapshotsInRecycleBin": [
        ec2("list_snapshots_in_recycle_bin", SnapshotIds=lambda names: [names.recycled])
    ],
    "RestoreSnapshotFromRecycleBin": [
        ec2("restore_snapshot_from_recycle_bin", SnapshotId=snapshot),
        ec2("restore_snapshot_from_recycle_bin", SnapshotId=recycled),
        ec2("restore_snapshot_from_recycle_bin", SnapshotId=recycled, DryRun=a(True)),
    ],
    "GetRule": [rbin("get_rule", Identifier=rule)],
    "UpdateRule": [rbin("update_rule", Identifier=rule, Description=a("mine"))],
    "DeleteRule": [rbin("delete_rule", Identifier=rule)],
    "LockRule": [
        rbin(
            "lock_rule",
            "400 ",
            Identifier=rule,
            LockConfiguration=a({"UnlockDelay": {"UnlockDelayValue": 7, "UnlockDelayUnit": "DAYS"}}),
        )
    ],
    "UnlockRule": [rbin("unlock_rule", "400 ", Identifier=rule)],
    "ListTagsForResource": [rbin("list_tags_for_resource", ResourceArn=rule_arn)],
    "DescribeKey": [kms("describe_key", KeyId=key), kms("describe_key", KeyId=alias)],
    "UpdateKeyDescription": [kms("update_key_description", KeyId=key, Description=a("mine"))],
    "EnableKey": [kms("enable_key", KeyId=key)],
    "DisableKey": [kms("disable_key", KeyId=key)],
    "ScheduleKeyDeletion": [kms("schedule_key_deletion", KeyId=key, PendingWindowInDays=a(7))],
    "CancelKeyDeletion": [kms("cancel_key_deletion", KeyId=key)],
    "CreateAlias": [kms("create_alias", AliasName=a("alias/mine"), TargetKeyId=key)],
    "UpdateAlias": [kms("update_alias", AliasName=a("alias/own"), TargetKeyId=key)],
    "DeleteAlias": [kms("delete_alias", "400 NotFoundException ", AliasName=lambda names: names.alias_name)],
    "ListAliases": [kms("list_aliases", KeyId=key)],
    "EnableKeyRotation": [kms("enable_key_rotation", KeyId=key)],
    "DisableKeyRotation": [kms("disable_key_rotation", KeyId=key)],
    "GetKeyRotationStatus": [kms("get_key_rotation_status", KeyId=key)],
    "RotateKeyOnDemand": [kms("rotate_key_on_demand", KeyId=key)],
    "ListKeyRotations": [kms("list_key_rotations", KeyId=key)],
    "PutKeyPolicy": [kms("put_key_policy", KeyId=key, Policy=a(NOBODYS_POLICY))],
    "GetKeyPolicy": [kms("get_key_policy", KeyId=key)],
    "ListKeyPolicies": [kms("list_key_policies", KeyId=key)],
    "CreateGrant": [
        kms(
            "create_grant",
            KeyId=key,
            GranteePrincipal=a("arn:aws:iam::999999999999:root"),
            Operations=a(["Decrypt"]),
        ),
        kms(
            "create_grant",
            "400 ValidationException ",
            KeyId=key,
            GranteePrincipal=a("arn:aws:iam::999999999999:root"),
            Operations=a(["Verify"]),
        ),
        kms(
            "create_grant",
            "400 InvalidArnException ",
            KeyId=key,
            GranteePrincipal=a("nobody"),
            Operations=a(["Decrypt"]),
        ),
    ],
    "ListGrants": [kms("list_grants", KeyId=key)],
    "RevokeGrant": [kms("revoke_grant", KeyId=key, GrantId=lambda names: names.grant_id)],
    "RetireGrant": [
        kms("retire_grant", KeyId=key, GrantId=lambda names: names.grant_id),
        kms("retire_grant", KeyId=key, GrantId=a("0" * 64)),
    ],
    "GenerateDataKey": [
        kms("generate_data_key", KeyId=key, NumberOfBytes=a(32)),
        kms("generate_data_key", KeyId=alias, NumberOfBytes=a(32)),
    ],
    "GenerateDataKeyWithoutPlaintext": [
        kms("generate_data_key_without_plaintext", KeyId=key, NumberOfBytes=a(32))
    ],
    "Encrypt": [
        kms("encrypt", KeyId=key, Plaintext=a(b"x")),
        kms(
            "encrypt",
            "400 ValidationException ",
            KeyId=key,
            Plaintext=a(b"x"),
            EncryptionContext=a(TOO_LARGE),
        ),
        kms("encrypt", KeyId=key, Plaintext=a(b"x"), EncryptionAlgorithm=a("RSAES_OAEP_SHA_1")),
    ],
    "Decrypt": [
        kms("decrypt", CiphertextBlob=ciphertext),
        kms("decrypt", CiphertextBlob=ciphertext, KeyId=key),
        kms("decrypt", CiphertextBlob=a(b"no ciphertext"), KeyId=key),
        kms("decrypt", CiphertextBlob=a(b"no ciphertext"), KeyId=alias),
        kms("decrypt", CiphertextBlob=own_ciphertext, KeyId=key),
        kms("decrypt", "400 IncorrectKeyException ", CiphertextBlob=ciphertext, KeyId=own_key),
    ],
    "ReEncrypt": [
        kms("re_encrypt", CiphertextBlob=ciphertext, DestinationKeyId=own_key),
        kms("re_encrypt", CiphertextBlob=ciphertext, SourceKeyId=key, DestinationKeyId=own_key),
        kms("re_encrypt", CiphertextBlob=own_ciphertext, SourceKeyId=key, DestinationKeyId=own_key),
        kms("re_encrypt", CiphertextBlob=own_ciphertext, DestinationKeyId=key),
        kms("re_encrypt", CiphertextBlob=own_ciphertext, DestinationKeyId=alias),
    ],
    "TagResource": [
        kms("tag_resource", KeyId=key, Tags=a(KMS_TAGS)),
        rbin("tag_resource", ResourceArn=rule_arn, Tags=a(TAGS)),
    ],
    "UntagResource": [
        kms("untag_resource", KeyId=key, TagKeys=a(["owner"])),
        rbin("untag_resource", ResourceArn=rule_arn, TagKeys=a(["owner"])),
    ],
    "ListResourceTags": [kms("list_resource_tags", KeyId=key)],
    "AssumeRole": [
        sts(
            "assume_role",
            "403 AccessDenied ",
            RoleArn=lambda names: f"arn:aws:iam::{names.account_id}:role/backup",
            RoleSessionName=a("session"),
        )
    ],
}
"""Operations that name what somebody has."""

OWN: Mapping[str, Row] = {
    "EnableEbsEncryptionByDefault": ec2("enable_ebs_encryption_by_default", ""),
    "DisableEbsEncryptionByDefault": ec2("disable_ebs_encryption_by_default", ""),
    "GetEbsEncryptionByDefault": ec2("get_ebs_encryption_by_default", ""),
    "GetEbsDefaultKmsKeyId": ec2("get_ebs_default_kms_key_id", ""),
    "ModifyEbsDefaultKmsKeyId": ec2("modify_ebs_default_kms_key_id", "", KmsKeyId=own_key),
    "ResetEbsDefaultKmsKeyId": ec2("reset_ebs_default_kms_key_id", ""),
    "EnableSnapshotBlockPublicAccess": ec2(
        "enable_snapshot_block_public_access", "", State=a("block-all-sharing")
    ),
    "DisableSnapshotBlockPublicAccess": ec2("disable_snapshot_block_public_access", ""),
    "GetSnapshotBlockPublicAccessState": ec2("get_snapshot_block_public_access_state", ""),
    "DescribeLockedSnapshots": ec2("describe_locked_snapshots", ""),
    "ListSnapshotsInRecycleBin": ec2("list_snapshots_in_recycle_bin", ""),
    "CreateRule": rbin("create_rule", "", ResourceType=a("EBS_SNAPSHOT"), RetentionPeriod=a(DAYS)),
    "ListRules": rbin("list_rules", "", ResourceType=a("EBS_SNAPSHOT")),
    "CreateKey": kms("create_key", ""),
    "ListKeys": kms("list_keys", ""),
    "GenerateRandom": kms("generate_random", "", NumberOfBytes=a(8)),
    "DescribeSnapshots": ec2("describe_snapshots", ""),
    "DescribeTags": ec2("describe_tags", ""),
    "ListAliases": kms("list_aliases", ""),
    "GetCallerIdentity": sts("get_caller_identity"),
    "GetSessionToken": sts("get_session_token"),
    "GetFederationToken": sts("get_federation_token", Name=a("guest")),
}
"""Operations that name nothing of anybody's: they succeed, and show and change nothing of the first account's."""


def test_every_operation_has_a_row() -> None:
    assert {request.__name__.removesuffix("Request") for request in OPERATIONS} == {*FOREIGN, *OWN}


# --- the two accounts


class Victim:
    """The first account: it has one of everything."""

    def __init__(self, person: Person, own: "Intruder") -> None:
        self.person = person
        ebs, kms = person.client("ebs"), person.client("kms")
        metadata = kms.create_key(Tags=KMS_TAGS)["KeyMetadata"]
        self.key_arn = metadata["Arn"]
        kms.create_alias(AliasName="alias/victims", TargetKeyId=self.key_arn)
        grant = kms.create_grant(
            KeyId=self.key_arn,
            GranteePrincipal=f"arn:aws:iam::{person.account_id}:root",
            Operations=["Encrypt"],
        )
        self.snapshot = completed(person, Tags=TAGS, Encrypted=True, KmsKeyArn=self.key_arn)
        (entry,) = ebs.list_snapshot_blocks(SnapshotId=self.snapshot)["Blocks"]
        self.foreign = Names(
            account_id=person.account_id,
            snapshot=self.snapshot,
            pending=ebs.start_snapshot(VolumeSize=1)["SnapshotId"],
            block_token=entry["BlockToken"],
            key_id=metadata["KeyId"],
            key_arn=self.key_arn,
            alias_name="alias/victims",
            grant_id=grant["GrantId"],
            rule_id=person.client("rbin").create_rule(
                ResourceType="EBS_SNAPSHOT", RetentionPeriod=DAYS, ResourceTags=[GONE]
            )["Identifier"],
            recycled=completed(person, Tags=[{"Key": "gone", "Value": "yes"}]),
            ciphertext=kms.encrypt(KeyId=self.key_arn, Plaintext=b"secret")["CiphertextBlob"],
            own_snapshot=own.snapshot,
            own_key=own.key_arn,
            own_ciphertext=own.ciphertext,
        )
        ec2 = person.client("ec2")
        ec2.delete_snapshot(SnapshotId=self.foreign.recycled)
        ec2.lock_snapshot(SnapshotId=self.foreign.pending, LockMode="governance", LockDuration=1)
        self.before = self.photo()
        sealed = self.foreign.ciphertext
        self.absent = replace(
            self.foreign,
            account_id=ABSENT_ACCOUNT,
            snapshot=ABSENT_SNAPSHOT,
            pending=ABSENT_SNAPSHOT,
            key_id=ABSENT_KEY,
            # In the first account: whether that has the key is what nobody else may learn.
            key_arn=self.key_arn.replace(metadata["KeyId"], ABSENT_KEY),
            alias_name="alias/nobodys",
            grant_id=ABSENT_GRANT,
            rule_id=ABSENT_RULE,
            recycled=ABSENT_SNAPSHOT,
            ciphertext=sealed[:1] + UUID(ABSENT_KEY).bytes + sealed[17:],
        )

    def photo(self) -> str:
        """Return everything there is to see of the account."""
        ebs, ec2, kms = (self.person.client(service) for service in ("ebs", "ec2", "kms"))
        key = {"KeyId": self.key_arn}
        answers = [
            ec2.describe_snapshots(OwnerIds=["self"]),
            ec2.describe_tags(),
            ec2.describe_snapshot_attribute(SnapshotId=self.snapshot, Attribute="createVolumePermission"),
            ec2.get_ebs_encryption_by_default(),
            ec2.get_ebs_default_kms_key_id(),
            ec2.get_snapshot_block_public_access_state(),
            ec2.describe_locked_snapshots(),
            ec2.list_snapshots_in_recycle_bin(),
            self.person.client("rbin").list_rules(ResourceType="EBS_SNAPSHOT"),
            kms.list_keys(),
            kms.list_aliases(),
            kms.describe_key(**key),
            kms.get_key_policy(**key),
            kms.list_grants(**key),
            kms.list_resource_tags(**key),
            kms.list_key_rotations(**key),
            kms.get_key_rotation_status(**key),
        ]
        blocks = ebs.list_snapshot_blocks(SnapshotId=self.snapshot)["Blocks"]
        shown = [
            {name: value for name, value in each.items() if name != "ResponseMetadata"} for each in answers
        ]
        return repr([shown, [each["BlockIndex"] for each in blocks]])

    def names(self) -> list[str]:
        """Return everything that identifies it."""
        found = self.foreign
        return [
            found.account_id,
            found.snapshot,
            found.pending,
            found.recycled,
            found.key_id,
            found.grant_id,
            found.rule_id,
            found.alias_name,
        ]


class Intruder:
    """The second account: its root, a user whose policy allows everything, and one who may wrap but not unwrap."""

    def __init__(self, people: People) -> None:
        root = people.account("second")
        admin = people.user("admin", allow("*"), account_id=root.account_id)
        self.people = (root, admin)
        self.wrapper = people.user("wrapper", allow("kms:ReEncryptTo"), account_id=root.account_id)
        kms = root.client("kms")
        self.key_arn: str = kms.create_key()["KeyMetadata"]["Arn"]
        kms.create_alias(AliasName="alias/own", TargetKeyId=self.key_arn)
        self.ciphertext: bytes = kms.encrypt(KeyId=self.key_arn, Plaintext=b"own")["CiphertextBlob"]
        self.snapshot = completed(root)


@pytest.fixture(scope="module")
def intruder(server: ServerProcess) -> Intruder:
    return Intruder(People(server))


@pytest.fixture(scope="module")
def victim(server: ServerProcess, intruder: Intruder) -> Victim:
    return Victim(People(server).root, intruder)


def answer(row: Row, person: Person, names: Names) -> str:
    """Return status, code, Reason and message, or the answer: with what was asked for taken out."""
    try:
        found = row.call(person, names)
    except ClientError as error:
        status, code, message = told(error)
        return names.hidden_in(
            f"{status} {code} {error.response.get('Reason', '-')} {message}".replace(" - ", " ")
        )
    found.pop("ResponseMetadata")
    return names.hidden_in(repr(found))


ROWS = [
    pytest.param(row, id=f"{operation}-{number}")
    for operation, rows in sorted(FOREIGN.items())
    for number, row in enumerate(rows)
]


@pytest.mark.parametrize("row", ROWS)
def test_what_another_account_has_is_what_nobody_has(victim: Victim, intruder: Intruder, row: Row) -> None:
    for person in intruder.people:
        of_the_victims = answer(row, person, victim.foreign)
        assert of_the_victims.startswith(row.answer)
        assert of_the_victims == answer(row, person, victim.absent)
    assert victim.photo() == victim.before


@pytest.mark.slow
@pytest.mark.row(21)
def test_the_whole_matrix_leaks_nothing(victim: Victim, intruder: Intruder, figure: Figure) -> None:
    """The rows once more, in one go, so that they can be counted."""
    pairs = leaks = 0
    for parameter in ROWS:
        (row,) = parameter.values
        assert isinstance(row, Row)
        for person in intruder.people:
            of_the_victims = answer(row, person, victim.foreign)
            leaks += of_the_victims != answer(row, person, victim.absent)
            pairs += 1
    assert (leaks, victim.photo()) == (0, victim.before)
    figure(
        f"leaks {leaks} of {pairs} pairs of operation and person ({len(FOREIGN)} operations that name something)"
    )


def test_who_may_not_open_a_ciphertext_learns_nothing_of_the_key_it_is_to_be_wrapped_under(
    victim: Victim, intruder: Intruder
) -> None:
    row = kms("re_encrypt", CiphertextBlob=own_ciphertext, DestinationKeyId=key)
    of_the_victims = answer(row, intruder.wrapper, victim.foreign)
    assert "kms:ReEncryptFrom" in of_the_victims
    assert of_the_victims == answer(row, intruder.wrapper, victim.absent)


@pytest.mark.parametrize("row", [pytest.param(row, id=operation) for operation, row in sorted(OWN.items())])
def test_what_names_nothing_shows_and_changes_nothing_of_another_account(
    victim: Victim, intruder: Intruder, row: Row
) -> None:
    for person in intruder.people:
        found = repr(row.call(person, victim.foreign))
        assert [name for name in victim.names() if name in found] == []
    assert victim.photo() == victim.before


# --- blocks that both have


def stored_bytes(server: ServerProcess) -> int:
    return sum(file.stat().st_size for file in (server.directory / "segments").rglob("*") if file.is_file())


def put_and_measured(
    server: ServerProcess, person: Person, snapshot_id: str, content: bytes, index: int
) -> Any:
    """Return what a put answers, and about how much it stored."""
    before = stored_bytes(server)
    found = put(person, snapshot_id, content, index)
    metadata = found.pop("ResponseMetadata")
    headers = set(metadata["HTTPHeaders"])
    assert found.pop("Checksum") == checksum_b64(digest(content))
    return (
        found,
        metadata["HTTPStatusCode"],
        headers,
        round((stored_bytes(server) - before) / len(content), 1),
    )


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_block_that_another_account_has_is_stored_and_answered_like_any_other(
    server: ServerProcess, encrypted: bool
) -> None:
    known, unknown = block(100 + encrypted), block(200 + encrypted)
    people = People(server)
    first, person = people.account("holder"), people.account("other")
    theirs = first.client("ebs").start_snapshot(VolumeSize=1, Encrypted=encrypted)["SnapshotId"]
    put(first, theirs, known)
    own = person.client("ebs").start_snapshot(VolumeSize=1, Encrypted=encrypted)["SnapshotId"]
    of_known = put_and_measured(server, person, own, known, 0)
    of_unknown = put_and_measured(server, person, own, unknown, 1)
    assert of_known == of_unknown
    assert of_known[-1] == 1.0
    # The measure does see sharing, where it is: inside an account.
    assert put_and_measured(server, person, own, known, 2)[-1] == 0.0
