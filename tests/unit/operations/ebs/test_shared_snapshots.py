"""What an account may do with somebody else's snapshots: contract 3.2, 6.2, 6.3, 9.6. Ids begin with the evidence label."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

import pytest

from neve.domain.blocks import checksum_b64, digest
from neve.domain.identities import SnapshotId
from neve.domain.principals import root_arn
from neve.errors import RequestError
from neve.limits import TINY
from neve.messages.ebs import (
    CompleteSnapshotRequest,
    GetSnapshotBlockRequest,
    ListChangedBlocksRequest,
    ListSnapshotBlocksRequest,
    PutSnapshotBlockRequest,
    StartSnapshotRequest,
)
from neve.operations.ebs.complete_snapshot import complete_snapshot
from neve.operations.ebs.get_snapshot_block import get_snapshot_block
from neve.operations.ebs.list_changed_blocks import list_changed_blocks
from neve.operations.ebs.list_snapshot_blocks import list_snapshot_blocks
from neve.operations.ebs.put_snapshot_block import put_snapshot_block
from neve.operations.ebs.start_snapshot import start_snapshot
from neve.stores.metadata.contract import EVERYBODY
from neve.stores.metadata.contract_identities import AccountSettings
from neve.testing.memory_keys import MemoryKeys
from neve.testing.world import ACCOUNT, OTHER_ACCOUNT, World

BLOCK: Final = b"o" * TINY.block_bytes
GIB: Final = StartSnapshotRequest(volume_size=1)
PUBLIC: Final = (400, "INVALID_SNAPSHOT_ID", "Public snapshots are not supported")
KEY_NOT_FOUND: Final = (404, "DEPENDENCY_RESOURCE_NOT_FOUND", "KMS key not found.")


def not_found(*snapshot_ids: str) -> tuple[int, str, str]:
    named = " or ".join(f"'{snapshot_id}'" for snapshot_id in snapshot_ids)
    return 404, "SNAPSHOT_NOT_FOUND", f"The snapshot {named} does not exist."


def refusal(call: Callable[[], object]) -> tuple[int, str | None, str]:
    with pytest.raises(RequestError) as caught:
        call()
    return caught.value.status, getattr(caught.value, "reason", None), caught.value.message


def share(world: World, snapshot_id: str, *grantees: str) -> None:
    world.metadata.modify_permissions(ACCOUNT, SnapshotId(snapshot_id), add=grantees)


def unshare(world: World, snapshot_id: str, *grantees: str) -> None:
    world.metadata.modify_permissions(ACCOUNT, SnapshotId(snapshot_id), remove=grantees)


@dataclass(frozen=True, slots=True)
class Recipient:
    """The other account, at work."""

    world: World

    def listed(self, snapshot_id: str) -> dict[int, str]:
        request = ListSnapshotBlocksRequest(snapshot_id=snapshot_id)
        answer = list_snapshot_blocks(self.world.context, self.world.caller(OTHER_ACCOUNT), request)
        return {block.block_index: block.block_token for block in answer.blocks}

    def changed(self, first: str, second: str) -> list[int]:
        request = ListChangedBlocksRequest(first_snapshot_id=first, second_snapshot_id=second)
        answer = list_changed_blocks(self.world.context, self.world.caller(OTHER_ACCOUNT), request)
        return [block.block_index for block in answer.changed_blocks]

    def get(self, snapshot_id: str, index: int, token: str) -> bytes:
        request = GetSnapshotBlockRequest(snapshot_id=snapshot_id, block_index=index, block_token=token)
        return get_snapshot_block(self.world.context, self.world.caller(OTHER_ACCOUNT), request).block_data

    def put(self, snapshot_id: str) -> None:
        request = PutSnapshotBlockRequest(
            snapshot_id=snapshot_id,
            block_index=0,
            block_data=BLOCK,
            data_length=len(BLOCK),
            checksum=checksum_b64(digest(BLOCK)),
            checksum_algorithm="SHA256",
        )
        put_snapshot_block(self.world.context, self.world.caller(OTHER_ACCOUNT), request)

    def complete(self, snapshot_id: str) -> None:
        request = CompleteSnapshotRequest(snapshot_id=snapshot_id, changed_blocks_count=0)
        complete_snapshot(self.world.context, self.world.caller(OTHER_ACCOUNT), request)

    def start(self, **members: object) -> str:
        request = replace(GIB, **members)  # type: ignore[arg-type]  # members by name
        caller = self.world.caller(OTHER_ACCOUNT)
        return start_snapshot(self.world.context, caller, request).snapshot_id


@pytest.fixture
def keys() -> MemoryKeys:
    return MemoryKeys()


@pytest.fixture
def world(make_world: Callable[..., World], keys: MemoryKeys) -> World:
    return make_world(keys=keys)


@pytest.fixture
def recipient(world: World) -> Recipient:
    return Recipient(world)


def completed(world: World, **more: str) -> str:
    snapshot_id = world.start(**more)  # type: ignore[arg-type]  # members by name
    world.put(snapshot_id, 3, BLOCK)
    world.complete(snapshot_id, count=1)
    return snapshot_id


# --- reading -------------------------------------------------------------------------------------------


def test_LIVE_a_recipient_lists_compares_and_reads(world: World, recipient: Recipient) -> None:
    parent = completed(world)
    child = world.start(parent=parent)
    world.put(child, 4, BLOCK)
    world.complete(child, count=1)
    share(world, parent, OTHER_ACCOUNT)
    share(world, child, OTHER_ACCOUNT)
    tokens = recipient.listed(child)
    assert {index: recipient.get(child, index, token) for index, token in tokens.items()} == {
        3: BLOCK,
        4: BLOCK,
    }
    assert recipient.changed(parent, child) == [4]


def test_LIVE_what_was_not_shared_does_not_exist(world: World, recipient: Recipient) -> None:
    shared, kept = completed(world), completed(world)
    share(world, shared, OTHER_ACCOUNT)
    assert refusal(lambda: recipient.listed(kept)) == not_found(kept)
    assert refusal(lambda: recipient.get(kept, 3, world.listed(kept)[3])) == not_found(kept)
    assert refusal(lambda: recipient.changed(shared, kept)) == not_found(shared, kept)
    assert refusal(lambda: recipient.changed(kept, shared)) == not_found(kept, shared)


def test_LIVE_a_shared_snapshot_is_read_when_it_is_complete(world: World, recipient: Recipient) -> None:
    snapshot_id = world.start()
    share(world, snapshot_id, OTHER_ACCOUNT)
    assert refusal(lambda: recipient.listed(snapshot_id)) == not_found(snapshot_id)
    world.complete(snapshot_id, count=0)
    assert recipient.listed(snapshot_id) == {}


def test_LIVE_tokens_are_anybodys_who_may_read(world: World, recipient: Recipient) -> None:
    snapshot_id = completed(world)
    owners_token = world.listed(snapshot_id)[3]
    share(world, snapshot_id, OTHER_ACCOUNT)
    assert recipient.get(snapshot_id, 3, owners_token) == BLOCK
    assert world.get(snapshot_id, 3, recipient.listed(snapshot_id)[3]) == BLOCK


def test_LIVE_tokens_die_when_access_is_revoked_and_revive_when_it_is_given_again(
    world: World, recipient: Recipient
) -> None:
    snapshot_id = completed(world)
    share(world, snapshot_id, OTHER_ACCOUNT)
    token = recipient.listed(snapshot_id)[3]
    for _ in range(2):
        unshare(world, snapshot_id, OTHER_ACCOUNT)
        assert refusal(lambda: recipient.get(snapshot_id, 3, token)) == not_found(snapshot_id)
        share(world, snapshot_id, OTHER_ACCOUNT)
        assert recipient.get(snapshot_id, 3, token) == BLOCK


def test_a_deleted_snapshots_tokens_are_dead_for_recipients_too(world: World, recipient: Recipient) -> None:
    snapshot_id = completed(world)
    share(world, snapshot_id, OTHER_ACCOUNT)
    token = recipient.listed(snapshot_id)[3]
    world.delete(snapshot_id)
    assert refusal(lambda: recipient.get(snapshot_id, 3, token)) == not_found(snapshot_id)


# --- public snapshots ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "grantees", [(EVERYBODY,), (EVERYBODY, OTHER_ACCOUNT)], ids=["LIVE-public", "LIVE-public-and-private"]
)
def test_a_foreign_public_snapshot_is_not_supported(
    world: World, recipient: Recipient, grantees: tuple[str, ...]
) -> None:
    snapshot_id, other = completed(world), completed(world)
    share(world, other, OTHER_ACCOUNT)
    token = world.listed(snapshot_id)[3]
    share(world, snapshot_id, *grantees)
    for call in (
        lambda: recipient.listed(snapshot_id),
        lambda: recipient.get(snapshot_id, 3, token),
        lambda: recipient.changed(snapshot_id, other),
        lambda: recipient.changed(other, snapshot_id),
    ):
        assert refusal(call) == PUBLIC


def test_LIVE_the_owner_of_a_public_snapshot_reads_it(world: World) -> None:
    snapshot_id = completed(world)
    share(world, snapshot_id, EVERYBODY)
    assert world.read(snapshot_id) == {3: BLOCK}


def test_a_snapshot_that_is_public_no_more_is_private_again(world: World, recipient: Recipient) -> None:
    snapshot_id = completed(world)
    share(world, snapshot_id, EVERYBODY, OTHER_ACCOUNT)
    unshare(world, snapshot_id, EVERYBODY)
    assert list(recipient.listed(snapshot_id)) == [3]
    unshare(world, snapshot_id, OTHER_ACCOUNT)
    assert refusal(lambda: recipient.listed(snapshot_id)) == not_found(snapshot_id)


# --- what sharing does not give ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "grantees", [(OTHER_ACCOUNT,), (EVERYBODY,)], ids=["LIVE-private", "INFERRED-public"]
)
def test_a_recipient_writes_and_completes_nothing(
    world: World, recipient: Recipient, grantees: tuple[str, ...]
) -> None:
    snapshot_id = world.start()
    share(world, snapshot_id, *grantees)
    assert refusal(lambda: recipient.put(snapshot_id)) == not_found(snapshot_id)
    assert refusal(lambda: recipient.complete(snapshot_id)) == not_found(snapshot_id)


@pytest.mark.parametrize("grantees", [(OTHER_ACCOUNT,), (EVERYBODY,), ()], ids=["private", "public", "not"])
@pytest.mark.parametrize("is_encrypted", [False, True], ids=["plain", "encrypted"])
@pytest.mark.parametrize("by_default", [False, True], ids=["default-off", "default-on"])
def test_LIVE_a_foreign_parent_is_not_found_whatever_else_is_given(
    world: World,
    keys: MemoryKeys,
    grantees: tuple[str, ...],
    is_encrypted: bool,
    by_default: bool,
) -> None:
    recipient = Recipient(world)
    key = keys.make_key(ACCOUNT)
    parent = completed(world, kms_key_arn=key) if is_encrypted else completed(world)
    share(world, parent, *grantees)
    world.metadata.identities.put_account_settings(
        AccountSettings(account_id=OTHER_ACCOUNT, encryption_by_default=by_default)
    )
    for encrypted, named in product((None, True, False), (None, key)):
        members = {"parent_snapshot_id": parent, "encrypted": encrypted, "kms_key_arn": named}
        assert refusal(lambda members=members: recipient.start(**members)) == not_found(parent)  # type: ignore[misc]
    assert world.metadata.snapshots(OTHER_ACCOUNT, after=None, limit=1) == []


# --- encrypted ones ------------------------------------------------------------------------------------


def key_policy(*actions: str) -> str:
    """Return a policy that lets the owner do everything, and the other account these actions."""
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": root_arn(account)}, "Action": allowed, "Resource": "*"}
        for account, allowed in ((ACCOUNT, ["kms:*"]), (OTHER_ACCOUNT, list(actions)))
        if allowed
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def test_DOC_a_recipient_of_an_encrypted_snapshot_needs_the_key_too(
    world: World, keys: MemoryKeys, recipient: Recipient
) -> None:
    key = keys.make_key(ACCOUNT, policy=key_policy())
    snapshot_id = completed(world, kms_key_arn=key)
    token = world.listed(snapshot_id)[3]
    share(world, snapshot_id, OTHER_ACCOUNT)
    assert refusal(lambda: recipient.listed(snapshot_id)) == KEY_NOT_FOUND
    assert refusal(lambda: recipient.get(snapshot_id, 3, token)) == KEY_NOT_FOUND
    keys.put_policy(key, key_policy("kms:DescribeKey"))
    assert list(recipient.listed(snapshot_id)) == [3]
    assert refusal(lambda: recipient.get(snapshot_id, 3, token)) == KEY_NOT_FOUND
    keys.put_policy(key, key_policy("kms:DescribeKey", "kms:Decrypt"))
    assert recipient.get(snapshot_id, 3, token) == BLOCK
    keys.disable(key)
    assert "is disabled" in refusal(lambda: recipient.get(snapshot_id, 3, token))[2]


def test_a_key_alone_gives_no_access_to_a_snapshot(
    world: World, keys: MemoryKeys, recipient: Recipient
) -> None:
    key = keys.make_key(ACCOUNT, policy=key_policy("kms:*"))
    snapshot_id = completed(world, kms_key_arn=key)
    assert refusal(lambda: recipient.listed(snapshot_id)) == not_found(snapshot_id)


def test_two_accounts_under_one_key_share_no_domain(
    world: World, keys: MemoryKeys, recipient: Recipient
) -> None:
    key = keys.make_key(ACCOUNT, policy=key_policy("kms:*"))
    completed(world, kms_key_arn=key)
    theirs = recipient.start(kms_key_arn=key)
    recipient.put(theirs)
    domains = {domain.account_id: domain.key for domain in world.metadata.domains() if domain.kms_key_arn}
    assert len(domains) == 2
    assert world.metadata.statistics().chunk_rows >= 2, "the same block is stored for each"
