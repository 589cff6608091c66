"""Encrypted snapshots and their KMS key: contract 3.3 and 3.4, row by row. Ids begin with the row's evidence label."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

import pytest

from neve.domain.blocks import checksum_b64, digest
from neve.domain.identities import AccountId
from neve.domain.policies.documents import PolicyKind, parse_policy
from neve.domain.policies.ready_made import default_key_policy
from neve.domain.principals import Principal, user_arn
from neve.errors import (
    ConcurrentLimitExceededError,
    ConflictError,
    KeyProviderUnavailable,
    KmsError,
    NeveError,
    RequestError,
)
from neve.limits import TINY
from neve.messages.ebs import (
    CompleteSnapshotRequest,
    GetSnapshotBlockRequest,
    ListChangedBlocksRequest,
    ListSnapshotBlocksRequest,
    PutSnapshotBlockRequest,
    StartSnapshotRequest,
    StartSnapshotResponse,
)
from neve.operations.context import Caller, Quotas
from neve.operations.ebs.complete_snapshot import complete_snapshot
from neve.operations.ebs.get_snapshot_block import get_snapshot_block
from neve.operations.ebs.list_changed_blocks import list_changed_blocks
from neve.operations.ebs.list_snapshot_blocks import list_snapshot_blocks
from neve.operations.ebs.put_snapshot_block import put_snapshot_block
from neve.operations.ebs.start_snapshot import start_snapshot
from neve.stores.keys.contract import KeyDescription
from neve.stores.metadata.contract_identities import AccountSettings
from neve.testing.memory_keys import MemoryKeys
from neve.testing.world import ACCOUNT, OTHER_ACCOUNT, World

BLOCK: Final = b"secret!!" * (TINY.block_bytes // 8)
GIB: Final = StartSnapshotRequest(volume_size=1)
ALL_ACTIONS: Final = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:GenerateDataKey",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)


class ThrottledKeys(MemoryKeys):
    """Keys of a provider that is asked too often, once a test says so."""

    throttled = False

    def describe(self, key_arn: str) -> KeyDescription:
        if self.throttled:
            raise KmsError("ThrottlingException", "Rate exceeded")
        return super().describe(key_arn)


def user(*actions: str, account_id: AccountId = ACCOUNT) -> Caller:
    """Return a user whose policies allow these actions on everything."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"} if actions else None
    document = {"Version": "2012-10-17", "Statement": [statement] if statement else []}
    policies = (parse_policy(json.dumps(document), PolicyKind.IDENTITY, name="p"),) if actions else ()
    principal = Principal(
        account_id=account_id,
        arn=user_arn(account_id, "u"),
        user_id="AIDAEXAMPLE",
        user_name="u",
        policies=policies,
    )
    return Caller(principal=principal, access_key_id="AKIDEXAMPLE")


@dataclass(frozen=True, slots=True)
class Scene:
    """An encrypted snapshot that is complete, one that is pending, and the tokens of before."""

    world: World
    keys: ThrottledKeys
    key: str
    completed: str
    pending: str
    token: str

    def first(self, caller: Caller) -> object:
        return start_snapshot(self.world.context, caller, replace(GIB, kms_key_arn=self.key))

    def child(self, caller: Caller) -> object:
        return start_snapshot(self.world.context, caller, replace(GIB, parent_snapshot_id=self.completed))

    def put(self, caller: Caller, snapshot_id: str = "") -> object:
        request = PutSnapshotBlockRequest(
            snapshot_id=snapshot_id or self.pending,
            block_index=1,
            block_data=BLOCK,
            data_length=len(BLOCK),
            checksum=checksum_b64(digest(BLOCK)),
            checksum_algorithm="SHA256",
        )
        return put_snapshot_block(self.world.context, caller, request)

    def get(self, caller: Caller) -> object:
        request = GetSnapshotBlockRequest(snapshot_id=self.completed, block_index=0, block_token=self.token)
        return get_snapshot_block(self.world.context, caller, request)

    def list(self, caller: Caller) -> object:
        request = ListSnapshotBlocksRequest(snapshot_id=self.completed)
        return list_snapshot_blocks(self.world.context, caller, request)

    def changed(self, caller: Caller) -> object:
        request = ListChangedBlocksRequest(
            first_snapshot_id=self.completed, second_snapshot_id=self.completed
        )
        return list_changed_blocks(self.world.context, caller, request)

    def complete(self, caller: Caller) -> object:
        request = CompleteSnapshotRequest(snapshot_id=self.pending, changed_blocks_count=0)
        return complete_snapshot(self.world.context, caller, request)


Call = Callable[[Scene, Caller], object]
CALLS: Final[Mapping[str, Call]] = {
    "first": Scene.first,
    "child": Scene.child,
    "put": Scene.put,
    "get": Scene.get,
    "list": Scene.list,
    "changed": Scene.changed,
    "complete": Scene.complete,
}
NEEDED: Final[Mapping[str, set[str]]] = {
    "first": {"kms:GenerateDataKey"},
    "child": {"kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:Decrypt"},
    "put": {"kms:Decrypt"},
    "get": {"kms:Decrypt", "kms:DescribeKey"},
    "list": {"kms:DescribeKey"},
    "changed": {"kms:DescribeKey"},
    "complete": set(),
}


@pytest.fixture
def keys() -> ThrottledKeys:
    return ThrottledKeys()


@pytest.fixture
def world(make_world: Callable[..., World], keys: ThrottledKeys) -> World:
    return make_world(keys=keys, quotas=Quotas(pending_snapshots_max=0))


@pytest.fixture
def scene(world: World, keys: ThrottledKeys) -> Scene:
    key = keys.make_key(ACCOUNT, policy=default_key_policy(ACCOUNT))
    completed = world.start(kms_key_arn=key)
    world.put(completed, 0, BLOCK)
    world.complete(completed, count=1)
    pending = world.start(kms_key_arn=key)
    token = world.listed(completed)[0]
    keys.calls.clear()
    return Scene(world, keys, key, completed, pending, token)


def refusal(call: Callable[[], object]) -> tuple[int, str, str | None, str]:
    with pytest.raises(RequestError) as caught:
        call()
    error = caught.value
    return error.status, error.code, getattr(error, "reason", None), error.message


def wrapped(java_class: str, message: str, code: str) -> re.Pattern[str]:
    """Return what quotes a refusal by KMS, whatever the request's id."""
    return re.compile(
        "Invalid parameters for a dependent service: com\\.amazonaws\\.services\\.kms\\.model\\."
        f"{java_class}: {re.escape(message)} \\(Service: AWSKMS; Status Code: 400; Error Code: {code}; "
        "Request ID: [0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}; Proxy: null\\)"
    )


def expect_wrapped(call: Callable[[], object], java_class: str, message: str, code: str) -> None:
    *head, text = refusal(call)
    assert head == [400, "ValidationException", "INVALID_DEPENDENCY_REQUEST"]
    assert wrapped(java_class, message, code).fullmatch(text), text


KEY_NOT_FOUND: Final = (
    404,
    "ResourceNotFoundException",
    "DEPENDENCY_RESOURCE_NOT_FOUND",
    "KMS key not found.",
)


# --- what an encrypted snapshot is --------------------------------------------------------------------


def test_DOC_LIVE_an_encrypted_snapshot_reads_as_it_was_written_and_names_its_key(scene: Scene) -> None:
    answer = start_snapshot(
        scene.world.context, scene.world.caller(), replace(GIB, encrypted=True, kms_key_arn=scene.key)
    )
    assert answer.kms_key_arn == scene.key
    assert scene.world.read(scene.completed) == {0: BLOCK}


def test_DOC_LIVE_a_child_is_encrypted_with_its_parents_key(scene: Scene) -> None:
    child = start_snapshot(
        scene.world.context, scene.world.caller(), replace(GIB, parent_snapshot_id=scene.completed)
    )
    assert child.kms_key_arn == scene.key
    scene.world.put(child.snapshot_id, 5, BLOCK[::-1])
    scene.world.delete(scene.completed)
    scene.world.complete(child.snapshot_id, count=1)
    assert scene.world.read(child.snapshot_id) == {0: BLOCK, 5: BLOCK[::-1]}


def test_a_zero_block_needs_the_key_like_any_other(scene: Scene) -> None:
    scene.keys.disable(scene.key)
    with pytest.raises(RequestError, match="is disabled"):
        scene.world.put(scene.pending, 0, bytes(TINY.block_bytes))


def test_an_unencrypted_snapshot_asks_no_key(world: World, keys: ThrottledKeys) -> None:
    keys.go_away()
    snapshot_id = world.start()
    world.put(snapshot_id, 0, BLOCK)
    world.complete(snapshot_id, count=1)
    assert world.read(snapshot_id) == {0: BLOCK}
    assert not keys.calls


# --- defaults ------------------------------------------------------------------------------------------


def set_default(world: World, key: str = "", *, on: bool = True) -> None:
    world.metadata.identities.put_account_settings(
        AccountSettings(account_id=ACCOUNT, encryption_by_default=on, default_kms_key=key)
    )


def start(world: World, request: StartSnapshotRequest) -> StartSnapshotResponse:
    return start_snapshot(world.context, world.caller(), request)


def test_DOC_the_default_key_is_the_accounts_choice_or_the_providers(
    world: World, keys: ThrottledKeys
) -> None:
    encrypted = replace(GIB, encrypted=True)
    providers = start(world, encrypted).kms_key_arn
    assert providers == keys.default_key_arn(ACCOUNT)
    chosen = keys.make_key(ACCOUNT)
    set_default(world, chosen, on=False)
    assert start(world, encrypted).kms_key_arn == chosen
    assert start(world, GIB).kms_key_arn is None
    set_default(world, chosen)
    assert start(world, GIB).kms_key_arn == chosen
    set_default(world)
    assert start(world, GIB).kms_key_arn == providers


def test_a_named_key_is_used_whatever_the_default(world: World, keys: ThrottledKeys) -> None:
    set_default(world, keys.make_key(ACCOUNT))
    named = keys.make_key(ACCOUNT)
    assert start(world, replace(GIB, kms_key_arn=named)).kms_key_arn == named
    assert not keys.calls["default_key_arn"]


def test_encryption_by_default_is_each_accounts_own(world: World) -> None:
    set_default(world)
    theirs = start_snapshot(world.context, world.caller(OTHER_ACCOUNT), GIB)
    assert theirs.kms_key_arn is None


# --- the state of the key ------------------------------------------------------------------------------

IN_USE: Final = ("first", "child", "put", "get")
"""What needs the key to work."""
LOOKING: Final = ("list", "changed")
"""What needs it to be there."""


@pytest.mark.parametrize("name", IN_USE)
def test_LIVE_a_disabled_key_stops_whatever_needs_it_at_once(scene: Scene, name: str) -> None:
    CALLS[name](scene, scene.world.caller())
    scene.keys.disable(scene.key)
    expect_wrapped(
        lambda: CALLS[name](scene, scene.world.caller()),
        "DisabledException",
        f"{scene.key} is disabled.",
        "DisabledException",
    )
    scene.keys.enable(scene.key)
    CALLS[name](scene, scene.world.caller())


@pytest.mark.parametrize("name", IN_USE)
def test_INFERRED_so_does_a_key_pending_deletion(scene: Scene, name: str) -> None:
    scene.keys.schedule_deletion(scene.key)
    expect_wrapped(
        lambda: CALLS[name](scene, scene.world.caller()),
        "KMSInvalidStateException",
        f"{scene.key} is pending deletion.",
        "KMSInvalidStateException",
    )


@pytest.mark.parametrize("stop", [MemoryKeys.disable, MemoryKeys.schedule_deletion])
@pytest.mark.parametrize("name", [*LOOKING, "complete"])
def test_LIVE_listing_and_completing_go_on(
    scene: Scene, name: str, stop: Callable[[MemoryKeys, str], None]
) -> None:
    stop(scene.keys, scene.key)
    CALLS[name](scene, scene.world.caller())


def test_LIVE_a_snapshot_completes_while_its_key_is_disabled(scene: Scene) -> None:
    scene.put(scene.world.caller())
    scene.keys.disable(scene.key)
    scene.world.complete(scene.pending, count=1)
    assert list(scene.world.listed(scene.pending)) == [1]
    scene.keys.enable(scene.key)
    assert scene.world.read(scene.pending) == {1: BLOCK}


@pytest.mark.parametrize("name", ["first", "child", "put"])
def test_INFERRED_a_missing_key_is_quoted_to_writers(scene: Scene, name: str) -> None:
    scene.keys.remove(scene.key)
    expect_wrapped(
        lambda: CALLS[name](scene, scene.world.caller()),
        "NotFoundException",
        f"Key '{scene.key}' does not exist",
        "NotFoundException",
    )


@pytest.mark.parametrize("name", ["get", *LOOKING])
def test_INFERRED_a_missing_key_is_not_found_by_readers(scene: Scene, name: str) -> None:
    scene.keys.remove(scene.key)
    assert refusal(lambda: CALLS[name](scene, scene.world.caller())) == KEY_NOT_FOUND


@pytest.mark.parametrize("name", ["first", "child", "put"])
def test_a_key_the_provider_keeps_from_us_is_quoted_to_writers(scene: Scene, name: str) -> None:
    scene.keys.deny(scene.key)
    *head, text = refusal(lambda: CALLS[name](scene, scene.world.caller()))
    assert head == [400, "ValidationException", "INVALID_DEPENDENCY_REQUEST"]
    assert "AWSKMSException" in text
    assert "Error Code: AccessDeniedException" in text


@pytest.mark.parametrize("name", ["get", *LOOKING])
def test_a_key_the_provider_keeps_from_us_is_not_found_by_readers(scene: Scene, name: str) -> None:
    scene.keys.deny(scene.key)
    assert refusal(lambda: CALLS[name](scene, scene.world.caller())) == KEY_NOT_FOUND


def test_INFERRED_an_asymmetric_key_is_refused(scene: Scene) -> None:
    wrong_kind = scene.keys.make_key(ACCOUNT, symmetric=False)
    *head, text = refusal(lambda: start(scene.world, replace(GIB, kms_key_arn=wrong_kind)))
    assert head == [400, "ValidationException", "INVALID_DEPENDENCY_REQUEST"]
    assert "com.amazonaws.services.kms.model.InvalidKeyUsageException" in text


def test_an_arn_that_names_no_key_is_refused(world: World) -> None:
    *head, text = refusal(
        lambda: start(world, replace(GIB, kms_key_arn="arn:aws:kms:x:111122223333:key/a b"))
    )
    assert head == [400, "ValidationException", "INVALID_DEPENDENCY_REQUEST"]
    assert "com.amazonaws.services.kms.model.InvalidArnException" in text


@pytest.mark.parametrize("name", [*IN_USE, *LOOKING])
def test_DOC_a_throttled_key_is_told_apart(scene: Scene, name: str) -> None:
    scene.keys.throttled = True
    assert refusal(lambda: CALLS[name](scene, scene.world.caller())) == (
        400,
        "RequestThrottledException",
        "DEPENDENCY_REQUEST_THROTTLED",
        "Rate exceeded",
    )


@pytest.mark.parametrize("name", [*IN_USE, *LOOKING])
def test_a_provider_that_is_away_is_our_trouble_and_not_the_callers(scene: Scene, name: str) -> None:
    scene.keys.go_away()
    with pytest.raises(KeyProviderUnavailable):
        CALLS[name](scene, scene.world.caller())
    scene.keys.come_back()
    CALLS[name](scene, scene.world.caller())


# --- permission ----------------------------------------------------------------------------------------


def is_allowed(call: Call, scene: Scene, caller: Caller) -> bool:
    try:
        call(scene, caller)
    except RequestError:
        return False
    return True


@pytest.mark.parametrize("name", CALLS)
def test_LIVE_each_operation_needs_its_permissions_and_no_others(scene: Scene, name: str) -> None:
    for count in range(len(ALL_ACTIONS) + 1):
        for actions in combinations(ALL_ACTIONS, count):
            expected = NEEDED[name] <= set(actions)
            assert is_allowed(CALLS[name], scene, user(*actions)) == expected, actions


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        pytest.param("first", "kms:GenerateDataKey", id="LIVE-first-GenerateDataKey"),
        pytest.param("child", "kms:ReEncryptFrom", id="INFERRED-child-ReEncryptFrom"),
        pytest.param("child", "kms:ReEncryptTo", id="INFERRED-child-ReEncryptTo"),
        pytest.param("put", "kms:Decrypt", id="INFERRED-put-Decrypt"),
    ],
)
def test_a_writer_without_a_permission_is_told_which(scene: Scene, name: str, missing: str) -> None:
    caller = user(*set(ALL_ACTIONS) - {missing})
    expect_wrapped(
        lambda: CALLS[name](scene, caller),
        "AWSKMSException",
        f"User: arn:aws:iam::{ACCOUNT}:user/u is not authorized to perform: {missing} on resource: {scene.key} "
        f"because no identity-based policy allows the {missing} action",
        "AccessDeniedException",
    )


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        pytest.param("child", "kms:Decrypt", id="LIVE-child-Decrypt"),
        pytest.param("get", "kms:Decrypt", id="LIVE-get-Decrypt"),
        pytest.param("get", "kms:DescribeKey", id="LIVE-get-DescribeKey"),
        pytest.param("list", "kms:DescribeKey", id="LIVE-list-DescribeKey"),
        pytest.param("changed", "kms:DescribeKey", id="LIVE-changed-DescribeKey"),
    ],
)
def test_whoever_may_not_read_with_a_key_finds_none(scene: Scene, name: str, missing: str) -> None:
    assert refusal(lambda: CALLS[name](scene, user(*set(ALL_ACTIONS) - {missing}))) == KEY_NOT_FOUND


def test_permission_comes_before_the_keys_state(scene: Scene) -> None:
    scene.keys.disable(scene.key)
    *_, text = refusal(lambda: scene.put(user()))
    assert "is not authorized" in text
    assert "is disabled" not in text


def test_LIVE_policies_see_the_snapshot_and_the_service_a_key_is_used_for(scene: Scene) -> None:
    other = scene.world.start(kms_key_arn=scene.key)
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": user_arn(ACCOUNT, "u")},
        "Action": "kms:Decrypt",
        "Resource": "*",
        "Condition": {
            "StringEquals": {
                "kms:EncryptionContext:aws:ebs:id": scene.pending,
                "kms:ViaService": "ec2.us-east-1.amazonaws.com",
                "kms:CallerAccount": ACCOUNT,
            }
        },
    }
    scene.keys.put_policy(scene.key, json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    scene.put(user())
    with pytest.raises(RequestError, match="is not authorized"):
        scene.put(user(), other)


def test_a_key_policys_deny_stops_the_root_too(scene: Scene) -> None:
    statement = {"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
    scene.keys.put_policy(scene.key, json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    with pytest.raises(RequestError, match="with an explicit deny in a resource-based policy"):
        scene.put(scene.world.caller())


# --- a refused start leaves nothing behind -------------------------------------------------------------

Spoil = Callable[[ThrottledKeys, str], None]
SPOILED: Final[Mapping[str, Spoil]] = {
    "disabled": MemoryKeys.disable,
    "pending deletion": MemoryKeys.schedule_deletion,
    "denied": MemoryKeys.deny,
    "away": lambda keys, _: keys.go_away(),
}
HEALED: Final[Mapping[str, Spoil]] = {
    "disabled": MemoryKeys.enable,
    "pending deletion": MemoryKeys.enable,
    "denied": MemoryKeys.allow,
    "away": lambda keys, _: keys.come_back(),
}


@pytest.mark.parametrize("trouble", SPOILED)
def test_INFERRED_a_start_that_its_key_refuses_leaves_nothing_behind(
    world: World, keys: ThrottledKeys, trouble: str
) -> None:
    key = keys.make_key(ACCOUNT)
    request = replace(GIB, kms_key_arn=key, client_token="t")
    SPOILED[trouble](keys, key)
    with pytest.raises(NeveError):
        start(world, request)
    assert world.metadata.snapshots(ACCOUNT, after=None, limit=10) == []
    assert world.metadata.domains() == []
    assert keys.calls["generate_data_key"] == 0
    HEALED[trouble](keys, key)
    assert start(world, request).kms_key_arn == key
    assert len(world.metadata.snapshots(ACCOUNT, after=None, limit=10)) == 1


def test_a_start_there_is_no_room_for_asks_no_key(
    make_world: Callable[..., World], keys: ThrottledKeys
) -> None:
    world = make_world(keys=keys, quotas=Quotas(pending_snapshots_max=1))
    world.start()
    with pytest.raises(ConcurrentLimitExceededError):
        start(world, replace(GIB, encrypted=True))
    assert not keys.calls


def test_a_start_that_is_refused_for_its_parameters_asks_no_key(scene: Scene) -> None:
    for request in (
        replace(GIB, parent_snapshot_id=scene.completed, kms_key_arn=scene.key),
        replace(GIB, kms_key_arn=scene.key, volume_size=TINY.volume_gib_max + 1),
        replace(GIB, kms_key_arn=scene.key, encrypted=False),
    ):
        refusal(lambda request=request: start(scene.world, request))  # type: ignore[misc]  # a default fixes it
    assert not scene.keys.calls


# --- 3.6 client tokens ---------------------------------------------------------------------------------


def test_DOC_LIVE_a_replay_answers_from_the_record_whatever_became_of_the_key(
    world: World, keys: ThrottledKeys
) -> None:
    request = replace(GIB, encrypted=True, client_token="t")
    first = start(world, request)
    assert first.kms_key_arn is not None
    set_default(world, keys.make_key(ACCOUNT))
    keys.remove(first.kms_key_arn)
    keys.go_away()
    world.restart()
    keys.calls.clear()
    assert start(world, request) == first
    assert not keys.calls


def test_a_replay_is_answered_though_its_combination_would_be_refused_by_now(world: World) -> None:
    parent = world.start()
    world.complete(parent, count=0)
    request = replace(GIB, parent_snapshot_id=parent, client_token="t")
    first = start(world, request)
    set_default(world)
    world.delete(parent)
    assert start(world, request) == first


@pytest.mark.parametrize(
    "change", [{"encrypted": True}, {"kms_key_arn": None, "encrypted": True}], ids=["Encrypted", "KmsKeyArn"]
)
def test_INFERRED_encryption_is_among_what_a_token_compares(scene: Scene, change: dict[str, object]) -> None:
    request = replace(GIB, kms_key_arn=scene.key, client_token="t")
    start(scene.world, request)
    with pytest.raises(ConflictError):
        start(scene.world, replace(request, **change))  # type: ignore[arg-type]  # members by name
