"""An unmodified boto3 against a real server: every row of contract 3.3, with encryption by default off and on, in every
state a key may be in; and contract 3.4 for snapshots that are there. Ids begin with the row's evidence label.

Keys are the server's own, made with boto3 too. None of them is of the wrong kind, since a keyring of ours makes symmetric
keys only: a test says so, and tests/unit/operations/ebs has such keys of other providers.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError

from encryption_rows import EVERY_COMBINATION, MATRIX, SEALED, UNRECORDED, Row
from neve.clock import SystemClock
from neve.domain.blocks import checksum_b64, digest
from neve.domain.encryption import Outcome, Parent
from neve.domain.kms_keys import KmsKeyId
from neve.limits import STANDARD
from neve.server.administration.client import RunningServer
from neve.server.administration.messages import (
    AttachPolicy,
    CreateAccessKey,
    CreateAccount,
    CreateUser,
    NewAccessKey,
    PutPolicy,
)
from neve.stores.metadata.sqlite import SqliteMetadataStore
from neve.testing.server import ServerProcess

BLOCK: Final = b"\x5a" * STANDARD.block_bytes
ENABLED, DISABLED, PENDING_DELETION, MISSING, DENIED = (
    "enabled",
    "disabled",
    "pending deletion",
    "missing",
    "no permission",
)
STATES: Final = (ENABLED, DISABLED, PENDING_DELETION, MISSING, DENIED)
KMS_ACTIONS: Final = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:GenerateDataKey",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
Said = tuple[int, str, str | None, str]
"""Status, code, Reason, Message."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A key with what was made under it while it worked."""

    key: str
    completed: str
    pending: str
    token: str


@dataclass(frozen=True, slots=True)
class Service:
    """A server with keys in every state, snapshots under them, and people who may do more or less."""

    server: ServerProcess
    root: NewAccessKey
    users: Mapping[str, NewAccessKey]
    """Of the account: each may do everything but with keys, and with keys everything but its name."""
    other: NewAccessKey
    """Root of another account."""
    sealed: Mapping[str, Sealed]
    plain_parent: str
    shared_parents: Mapping[Parent, str]
    """Of the other account, shared with this one."""

    def client(self, service: str, who: NewAccessKey | None = None) -> Any:
        return client(self.server, service, who or self.root)

    def user_without(self, *actions: str) -> NewAccessKey:
        return self.users["+".join(actions)]

    def without_keys(self) -> NewAccessKey:
        return self.user_without(*KMS_ACTIONS)


def client(server: ServerProcess, service: str, who: NewAccessKey) -> Any:
    return server.client(
        service, aws_access_key_id=who.access_key_id, aws_secret_access_key=who.secret_access_key
    )


def put(ebs: Any, snapshot_id: str, index: int = 0) -> None:
    ebs.put_snapshot_block(
        SnapshotId=snapshot_id,
        BlockIndex=index,
        BlockData=BLOCK,
        DataLength=len(BLOCK),
        Checksum=checksum_b64(digest(BLOCK)),
        ChecksumAlgorithm="SHA256",
    )


def completed(server: ServerProcess, who: NewAccessKey, **members: Any) -> str:
    """Return a completed snapshot of one block."""
    ebs = client(server, "ebs", who)
    snapshot_id: str = ebs.start_snapshot(VolumeSize=1, **members)["SnapshotId"]
    put(ebs, snapshot_id)
    ebs.complete_snapshot(SnapshotId=snapshot_id, ChangedBlocksCount=1)
    waiter = client(server, "ec2", who).get_waiter("snapshot_completed")
    waiter.config.delay, waiter.config.max_attempts = 0.05, 400
    waiter.wait(SnapshotIds=[snapshot_id])
    return snapshot_id


def sealed_under(server: ServerProcess, who: NewAccessKey, key: str) -> Sealed:
    ebs = client(server, "ebs", who)
    done = completed(server, who, KmsKeyArn=key)
    (block,) = ebs.list_snapshot_blocks(SnapshotId=done)["Blocks"]
    pending = ebs.start_snapshot(VolumeSize=1, KmsKeyArn=key)["SnapshotId"]
    return Sealed(key, done, pending, block["BlockToken"])


def allowing(*kms_actions: str) -> str:
    statements = [{"Effect": "Allow", "Action": ["ebs:*", "ec2:*", *kms_actions], "Resource": "*"}]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def make_users(ask: Callable[[Any], Any], account_id: str) -> Mapping[str, NewAccessKey]:
    """Return a user who may use no key, and one for each action who may do all the others."""
    users = {}
    for number, lacking in enumerate([KMS_ACTIONS, *[(action,) for action in KMS_ACTIONS]]):
        name = f"user{number}"
        allowed = [action for action in KMS_ACTIONS if action not in lacking]
        ask(CreateUser(account_id=account_id, user_name=name))
        ask(PutPolicy(account_id=account_id, policy_name=name, document=allowing(*allowed)))
        ask(AttachPolicy(account_id=account_id, policy_name=name, user_name=name))
        users["+".join(lacking)] = ask(CreateAccessKey(account_id=account_id, user_name=name))
    return users


def root_of(server: ServerProcess, name: str) -> NewAccessKey:
    ask = RunningServer(server.directory, SystemClock()).ask
    account_id = ask(CreateAccount(name=name)).account_id
    return ask(CreateAccessKey(account_id=account_id))


def policy_for(owner: str, guest: str) -> str:
    """Return a key policy by which another account may do everything with the key too."""
    principals = [f"arn:aws:iam::{account_id}:root" for account_id in (owner, guest)]
    statement = {"Effect": "Allow", "Principal": {"AWS": principals}, "Action": "kms:*", "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def share(server: ServerProcess, owner: NewAccessKey, guest: NewAccessKey) -> Mapping[Parent, str]:
    """Return snapshots of the owner that the guest may read: one plain, one under a key it may use."""
    key = client(server, "kms", owner).create_key(Policy=policy_for(owner.account_id, guest.account_id))
    shared = {
        Parent.UNENCRYPTED: completed(server, owner),
        Parent.ENCRYPTED: completed(server, owner, KmsKeyArn=key["KeyMetadata"]["Arn"]),
    }
    for snapshot_id in shared.values():
        client(server, "ec2", owner).modify_snapshot_attribute(
            SnapshotId=snapshot_id,
            Attribute="createVolumePermission",
            OperationType="add",
            UserIds=[guest.account_id],
        )
    return shared


def destroy(server: ServerProcess, key: str) -> None:
    """Let a key be gone, which takes a week through the API."""
    server.terminate()
    metadata = SqliteMetadataStore.open(server.directory / "metadata.db", limits=STANDARD)
    key_id = KmsKeyId(key.rpartition("/")[2])
    metadata.keys.remove_kms_key(key_id, revision=metadata.keys.kms_key(key_id).revision)
    metadata.close()
    server.start()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    directory = tmp_path_factory.mktemp("matrix") / "store"
    with ServerProcess(directory, settings={"pending_snapshots_max": 0}) as server:
        root, other = root_of(server, "ours"), root_of(server, "theirs")
        kms = client(server, "kms", root)
        sealed = {
            state: sealed_under(server, root, kms.create_key()["KeyMetadata"]["Arn"]) for state in STATES
        }
        made = Service(
            server=server,
            root=root,
            users=make_users(RunningServer(directory, SystemClock()).ask, root.account_id),
            other=other,
            sealed=sealed,
            plain_parent=completed(server, root),
            shared_parents=share(server, other, root),
        )
        kms.disable_key(KeyId=sealed[DISABLED].key)
        kms.schedule_key_deletion(KeyId=sealed[PENDING_DELETION].key)
        destroy(server, sealed[MISSING].key)
        yield made


# --- what is said --------------------------------------------------------------------------------------


def refusal(call: Callable[[], object]) -> Said:
    with pytest.raises(ClientError) as caught:
        call()
    answer: Any = caught.value.response
    status = answer["ResponseMetadata"]["HTTPStatusCode"]
    return status, answer["Error"]["Code"], answer.get("Reason"), answer["Error"]["Message"]


def not_found(snapshot_id: str) -> Said:
    message = f"The snapshot '{snapshot_id}' does not exist."
    return 404, "ResourceNotFoundException", "SNAPSHOT_NOT_FOUND", message


KEY_NOT_FOUND: Final = (
    404,
    "ResourceNotFoundException",
    "DEPENDENCY_RESOURCE_NOT_FOUND",
    "KMS key not found.",
)


def quoted(key: str, state: str, action: str, principal: str) -> tuple[str, str, str]:
    """Return class, words and code of what KMS says of a key in this state."""
    match state:
        case "disabled":
            return "DisabledException", f"{key} is disabled.", "DisabledException"
        case "pending deletion":
            return "KMSInvalidStateException", f"{key} is pending deletion.", "KMSInvalidStateException"
        case "missing":
            return "NotFoundException", f"Key '{key}' does not exist", "NotFoundException"
        case _:
            words = (
                f"User: {principal} is not authorized to perform: {action} on resource: {key} "
                f"because no identity-based policy allows the {action} action"
            )
            return "AWSKMSException", words, "AccessDeniedException"


def expect_quoted(said: Said, key: str, state: str, action: str, who: NewAccessKey) -> None:
    principal = f"arn:aws:iam::{who.account_id}:user/{who.user_name}"
    java_class, words, code = quoted(key, state, action, principal)
    *head, message = said
    assert head == [400, "ValidationException", "INVALID_DEPENDENCY_REQUEST"]
    pattern = (
        "Invalid parameters for a dependent service: com\\.amazonaws\\.services\\.kms\\.model\\."
        f"{java_class}: {re.escape(words)} \\(Service: AWSKMS; Status Code: 400; Error Code: {code}; "
        "Request ID: [0-9a-f-]{36}; Proxy: null\\)"
    )
    assert re.fullmatch(pattern, message), message


# --- 3.3 -----------------------------------------------------------------------------------------------


def set_default(service: Service, *, on: bool, key: str) -> None:
    ec2 = service.client("ec2")
    ec2.modify_ebs_default_kms_key_id(KmsKeyId=key)
    change = ec2.enable_ebs_encryption_by_default if on else ec2.disable_ebs_encryption_by_default
    assert change()["EbsEncryptionByDefault"] is on


def members_of(encrypted: bool | None, key: str | None, parent: str | None) -> dict[str, Any]:
    members = {"VolumeSize": 1, "Encrypted": encrypted, "KmsKeyArn": key, "ParentSnapshotId": parent}
    return {name: value for name, value in members.items() if value is not None}


def parent_of(service: Service, row: Row, state: str) -> str | None:
    if row.parent is None:
        return None
    return service.sealed[state].completed if row.parent is SEALED else service.plain_parent


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("by_default", [False, True], ids=["default-off", "default-on"])
@pytest.mark.parametrize("row", MATRIX, ids=str)
def test_the_row(service: Service, row: Row, by_default: bool, state: str) -> None:
    key = service.sealed[state].key
    set_default(service, on=by_default, key=key)
    who = service.without_keys() if state == DENIED else service.root
    members = members_of(row.encrypted, key if row.has_key else None, parent_of(service, row, state))
    ebs = service.client("ebs", who)
    expected = row.expected(by_default=by_default)
    if isinstance(expected, str):
        status, code, reason, message = refusal(lambda: ebs.start_snapshot(**members))
        assert (status, code, reason) == (400, "ValidationException", "INVALID_PARAMETER_VALUE")
        assert expected in {message, UNRECORDED}
    elif expected is Outcome.UNENCRYPTED or state == ENABLED:
        answer = ebs.start_snapshot(**members)
        named = None if expected is Outcome.UNENCRYPTED else key
        assert answer.get("KmsKeyArn") == named
        (found,) = service.client("ec2").describe_snapshots(SnapshotIds=[answer["SnapshotId"]])["Snapshots"]
        assert (found["Encrypted"], found.get("KmsKeyId")) == (named is not None, named)
    else:
        action = "kms:ReEncryptFrom" if row.parent is SEALED else "kms:GenerateDataKey"
        expect_quoted(refusal(lambda: ebs.start_snapshot(**members)), key, state, action, who)


@pytest.mark.parametrize("by_default", [False, True], ids=["default-off", "default-on"])
@pytest.mark.parametrize("parent", Parent, ids=lambda parent: f"LIVE-{parent.value}")
def test_a_shared_parent_is_not_found_whatever_else_is_given(
    service: Service, parent: Parent, by_default: bool
) -> None:
    shared = service.shared_parents[parent]
    set_default(service, on=by_default, key=service.sealed[ENABLED].key)
    ebs = service.client("ebs")
    assert ebs.list_snapshot_blocks(SnapshotId=shared)["Blocks"], "it may be read"
    for _, encrypted, has_key in EVERY_COMBINATION:
        members = members_of(encrypted, service.sealed[ENABLED].key if has_key else None, shared)
        assert refusal(lambda members=members: ebs.start_snapshot(**members)) == not_found(shared)  # type: ignore[misc]


def test_LIVE_a_child_whose_starter_may_not_decrypt_finds_no_key(service: Service) -> None:
    ebs = service.client("ebs", service.user_without("kms:Decrypt"))
    parent = service.sealed[ENABLED].completed
    assert refusal(lambda: ebs.start_snapshot(VolumeSize=1, ParentSnapshotId=parent)) == KEY_NOT_FOUND


@pytest.mark.parametrize(
    "name", ["alias/disks", "arn:aws:kms:us-east-1:111122223333:alias/disks", "0123-4567"]
)
def test_INFERRED_only_a_key_arn_names_a_key(service: Service, name: str) -> None:
    _, code, reason, message = refusal(
        lambda: service.client("ebs").start_snapshot(VolumeSize=1, KmsKeyArn=name)
    )
    assert (code, reason) == ("ValidationException", None)
    assert "'kmsKeyArn' failed to satisfy constraint" in message


@pytest.mark.parametrize("spec", ["RSA_2048", "ECC_NIST_P256", "HMAC_256"])
def test_DOC_no_key_of_ours_is_of_a_kind_that_cannot_seal(service: Service, spec: str) -> None:
    usage = {"RSA_2048": "ENCRYPT_DECRYPT", "ECC_NIST_P256": "SIGN_VERIFY", "HMAC_256": "GENERATE_VERIFY_MAC"}
    with pytest.raises(ClientError):
        service.client("kms").create_key(KeySpec=spec, KeyUsage=usage[spec])


def test_DOC_the_default_key_is_made_at_its_first_use_and_managed_for_the_account(service: Service) -> None:
    root = root_of(service.server, "fresh")
    ec2, ebs, kms = (service.client(name, root) for name in ("ec2", "ebs", "kms"))
    assert kms.list_keys()["Keys"] == []
    assert ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"
    key = ebs.start_snapshot(VolumeSize=1, Encrypted=True)["KmsKeyArn"]
    assert kms.describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]["Arn"] == key
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyManager"] == "AWS"
    assert ebs.start_snapshot(VolumeSize=1, Encrypted=True)["KmsKeyArn"] == key
    snapshot_id = completed(service.server, root, Encrypted=True)
    (block,) = ebs.list_snapshot_blocks(SnapshotId=snapshot_id)["Blocks"]
    assert ebs.get_snapshot_block(SnapshotId=snapshot_id, **block)["BlockData"].read() == BLOCK


def test_INFERRED_a_refused_start_uses_up_no_token_and_leaves_nothing_behind(service: Service) -> None:
    root = root_of(service.server, "careful")
    ec2, ebs, kms = (service.client(name, root) for name in ("ec2", "ebs", "kms"))
    key = kms.create_key()["KeyMetadata"]["Arn"]
    members = {"VolumeSize": 1, "KmsKeyArn": key, "ClientToken": "once"}
    kms.disable_key(KeyId=key)
    refusal(lambda: ebs.start_snapshot(**members))
    assert ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"] == []
    kms.enable_key(KeyId=key)
    first = ebs.start_snapshot(**members)
    kms.schedule_key_deletion(KeyId=key)
    again = ebs.start_snapshot(**members)
    assert (again["SnapshotId"], again["KmsKeyArn"]) == (first["SnapshotId"], key)


# --- 3.4: snapshots that are there ---------------------------------------------------------------------

Call = Callable[[Any, Sealed], object]
WRITING: Final[Mapping[str, Call]] = {
    "put": lambda ebs, sealed: put(ebs, sealed.pending, 1),
}
READING: Final[Mapping[str, Call]] = {
    "get": lambda ebs, sealed: ebs.get_snapshot_block(
        SnapshotId=sealed.completed, BlockIndex=0, BlockToken=sealed.token
    ),
}
LISTING: Final[Mapping[str, Call]] = {
    "list": lambda ebs, sealed: ebs.list_snapshot_blocks(SnapshotId=sealed.completed),
    "changed": lambda ebs, sealed: ebs.list_changed_blocks(
        FirstSnapshotId=sealed.completed, SecondSnapshotId=sealed.completed
    ),
}
CALLS: Final[Mapping[str, Call]] = {**WRITING, **READING, **LISTING}


@pytest.mark.parametrize("name", CALLS)
def test_DOC_LIVE_an_enabled_key_lets_every_operation_pass(service: Service, name: str) -> None:
    CALLS[name](service.client("ebs"), service.sealed[ENABLED])


@pytest.mark.parametrize("state", [DISABLED, PENDING_DELETION])
@pytest.mark.parametrize("name", [*WRITING, *READING])
def test_LIVE_a_key_out_of_use_stops_writing_and_reading(service: Service, name: str, state: str) -> None:
    sealed = service.sealed[state]
    said = refusal(lambda: CALLS[name](service.client("ebs"), sealed))
    expect_quoted(said, sealed.key, state, "kms:Decrypt", service.root)


@pytest.mark.parametrize("state", [DISABLED, PENDING_DELETION])
@pytest.mark.parametrize("name", LISTING)
def test_LIVE_a_key_out_of_use_stops_no_listing(service: Service, name: str, state: str) -> None:
    CALLS[name](service.client("ebs"), service.sealed[state])


@pytest.mark.parametrize("name", WRITING)
def test_INFERRED_a_missing_key_is_quoted_to_writers(service: Service, name: str) -> None:
    sealed = service.sealed[MISSING]
    said = refusal(lambda: CALLS[name](service.client("ebs"), sealed))
    expect_quoted(said, sealed.key, MISSING, "kms:Decrypt", service.root)


@pytest.mark.parametrize("name", [*READING, *LISTING])
def test_INFERRED_a_missing_key_is_not_found_by_readers(service: Service, name: str) -> None:
    sealed = service.sealed[MISSING]
    assert refusal(lambda: CALLS[name](service.client("ebs"), sealed)) == KEY_NOT_FOUND


@pytest.mark.parametrize("name", WRITING)
def test_INFERRED_a_writer_who_may_not_decrypt_is_told(service: Service, name: str) -> None:
    who = service.user_without("kms:Decrypt")
    sealed = service.sealed[ENABLED]
    said = refusal(lambda: CALLS[name](service.client("ebs", who), sealed))
    expect_quoted(said, sealed.key, DENIED, "kms:Decrypt", who)


@pytest.mark.parametrize(
    ("name", "lacking"),
    [
        ("get", "kms:Decrypt"),
        ("get", "kms:DescribeKey"),
        ("list", "kms:DescribeKey"),
        ("changed", "kms:DescribeKey"),
    ],
)
def test_LIVE_whoever_may_not_read_with_a_key_finds_none(service: Service, name: str, lacking: str) -> None:
    ebs = service.client("ebs", service.user_without(lacking))
    assert refusal(lambda: CALLS[name](ebs, service.sealed[ENABLED])) == KEY_NOT_FOUND


def test_LIVE_completing_asks_no_key(service: Service) -> None:
    kms, ebs = service.client("kms"), service.client("ebs")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    snapshot_id = ebs.start_snapshot(VolumeSize=1, KmsKeyArn=key)["SnapshotId"]
    kms.disable_key(KeyId=key)
    without = service.client("ebs", service.without_keys())
    assert without.complete_snapshot(SnapshotId=snapshot_id, ChangedBlocksCount=0)["Status"] == "pending"


def test_a_disabled_key_works_again_once_it_is_enabled(service: Service) -> None:
    kms, ebs = service.client("kms"), service.client("ebs")
    sealed = sealed_under(service.server, service.root, kms.create_key()["KeyMetadata"]["Arn"])
    for _ in range(2):
        kms.disable_key(KeyId=sealed.key)
        assert refusal(lambda: CALLS["put"](ebs, sealed))[2] == "INVALID_DEPENDENCY_REQUEST"
        kms.enable_key(KeyId=sealed.key)
        CALLS["put"](ebs, sealed)
        CALLS["get"](ebs, sealed)


def test_no_key_is_named_in_the_log(service: Service) -> None:
    CALLS["put"](service.client("ebs"), service.sealed[ENABLED])
    refusal(lambda: CALLS["put"](service.client("ebs"), service.sealed[DISABLED]))
    log = service.server.log.read_text()
    assert "INVALID_DEPENDENCY_REQUEST" in log
    for sealed in service.sealed.values():
        assert sealed.key.rpartition("/")[2] not in log
