"""StartSnapshot: contract section 3, row by row. Ids begin with the row's evidence label."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from neve.domain.identities import SnapshotId
from neve.domain.snapshots import CompletionClaim
from neve.errors import (
    ConcurrentLimitExceededError,
    ConflictError,
    RequestError,
    ServiceQuotaExceededError,
)
from neve.messages.ebs import StartSnapshotRequest, StartSnapshotResponse, Tag
from neve.operations.context import Quotas
from neve.operations.ebs.start_snapshot import start_snapshot
from neve.testing.world import ACCOUNT, OTHER_ACCOUNT, World

KEY = "arn:aws:kms:us-east-1:111122223333:key/0123"
ONE_GIB = StartSnapshotRequest(volume_size=1)


def start(world: World, request: StartSnapshotRequest) -> StartSnapshotResponse:
    return start_snapshot(world.context, world.caller(), request)


def refusal(world: World, request: StartSnapshotRequest) -> tuple[str, str | None, str]:
    with pytest.raises(RequestError) as caught:
        start(world, request)
    error = caught.value
    return error.code, getattr(error, "reason", None), error.message


def test_DOC_LIVE_the_answer_has_every_member(world: World) -> None:
    request = StartSnapshotRequest(volume_size=1, description="d", tags=(Tag("k", "v"),))
    answer = start(world, request)
    assert answer == StartSnapshotResponse(
        block_size=world.limits.block_bytes,
        description="d",
        kms_key_arn=None,
        owner_id=ACCOUNT,
        parent_snapshot_id=None,
        snapshot_id=answer.snapshot_id,
        sse_type=None,
        start_time_ms=world.clock.now_ms(),
        status="pending",
        tags=(Tag("k", "v"),),
        volume_size=1,
    )
    assert len(answer.snapshot_id) == len("snap-") + 17


def test_LIVE_absent_members_of_the_answer_are_none(world: World) -> None:
    answer = start(world, replace(ONE_GIB, tags=()))
    assert (answer.description, answer.tags, answer.parent_snapshot_id) == (None, None, None)


# --- 3.2 parents ------------------------------------------------------------------------------------


def pending(world: World) -> str:
    return world.start()


def sealing(world: World) -> str:
    parent = world.start()
    claim = CompletionClaim(changed_blocks_count=0, aggregate=None)
    world.metadata.accept_completion(ACCOUNT, SnapshotId(parent), claim, now_ms=world.clock.now_ms())
    return parent


def failed(world: World) -> str:
    parent = world.start()
    world.complete(parent, count=5)
    return parent


def deleted(world: World) -> str:
    parent = world.start()
    world.complete(parent, count=0)
    world.delete(parent)
    return parent


def unknown(world: World) -> str:
    return "snap-0123456789abcdef0"


def foreign(world: World) -> str:
    answer = start_snapshot(world.context, world.caller(OTHER_ACCOUNT), ONE_GIB)
    return answer.snapshot_id


@pytest.mark.parametrize(
    ("make_parent", "code", "reason", "text"),
    [
        pytest.param(
            pending, "ValidationException", "INVALID_SNAPSHOT_ID", "Source snapshot ({0}) is not complete.",
            id="LIVE-pending",
        ),
        pytest.param(
            sealing, "ValidationException", "INVALID_SNAPSHOT_ID", "Source snapshot ({0}) is not complete.",
            id="LIVE-completion-accepted",
        ),
        pytest.param(
            failed, "ResourceNotFoundException", "SNAPSHOT_NOT_FOUND", "The snapshot '{0}' does not exist.",
            id="LIVE-error",
        ),
        pytest.param(
            deleted, "ResourceNotFoundException", "SNAPSHOT_NOT_FOUND", "The snapshot '{0}' does not exist.",
            id="LIVE-deleted",
        ),
        pytest.param(
            unknown, "ResourceNotFoundException", "SNAPSHOT_NOT_FOUND", "The snapshot '{0}' does not exist.",
            id="LIVE-unknown",
        ),
        pytest.param(
            foreign, "ResourceNotFoundException", "SNAPSHOT_NOT_FOUND", "The snapshot '{0}' does not exist.",
            id="LIVE-foreign",
        ),
    ],
)  # fmt: skip
def test_a_parent_that_cannot_be_one(
    world: World, make_parent: Callable[[World], str], code: str, reason: str, text: str
) -> None:
    parent = make_parent(world)
    request = replace(ONE_GIB, parent_snapshot_id=parent)
    assert refusal(world, request) == (code, reason, text.format(parent))


def test_INFERRED_a_child_may_be_larger_than_its_parent_and_not_smaller(world: World) -> None:
    parent = world.start(volume_gib=2)
    world.complete(parent, count=0)
    assert start(world, StartSnapshotRequest(volume_size=2, parent_snapshot_id=parent)).volume_size == 2
    assert refusal(world, replace(ONE_GIB, parent_snapshot_id=parent)) == (
        "ValidationException",
        "INVALID_VOLUME_SIZE",
        "Invalid volume size: 1",
    )


def test_LIVE_a_child_names_its_parent_and_keeps_its_blocks_when_the_parent_goes(world: World) -> None:
    block = b"p" * world.limits.block_bytes
    parent = world.start()
    world.put(parent, 3, block)
    world.complete(parent, count=1)
    child = start(world, replace(ONE_GIB, parent_snapshot_id=parent))
    assert child.parent_snapshot_id == parent
    world.delete(parent)
    world.complete(child.snapshot_id, count=0)
    assert world.read(child.snapshot_id) == {3: block}


def test_LIVE2_a_volume_larger_than_the_largest_is_refused(world: World) -> None:
    too_large = world.limits.volume_gib_max + 1
    assert refusal(world, StartSnapshotRequest(volume_size=too_large)) == (
        "ValidationException",
        "INVALID_VOLUME_SIZE",
        f"Invalid volume size: {too_large}",
    )


# --- 3.3 encryption: what is refused whatever the keys (the rest: test_encrypted_snapshots) -------------

PARENT_AND_KEY = "ParentSnapshotId and KmsKeyArn cannot be specified together"
PARENT_AND_ENCRYPT = "ParentSnapshotId and Encrypt cannot be specified together"


@pytest.mark.parametrize(
    ("with_parent", "encrypted", "key", "text"),
    [
        pytest.param(False, False, KEY, "Encrypt cannot be false when KmsKeyArn is specified", id="DOC-LIVE"),
        pytest.param(True, None, KEY, PARENT_AND_KEY, id="LIVE-parent-key"),
        pytest.param(True, True, None, PARENT_AND_ENCRYPT, id="LIVE-parent-true"),
        pytest.param(True, False, None, PARENT_AND_ENCRYPT, id="LIVE-parent-false"),
        pytest.param(True, True, KEY, PARENT_AND_KEY, id="LIVE-parent-true-key"),
        pytest.param(True, False, KEY, PARENT_AND_KEY, id="LIVE-parent-false-key"),
    ],
)
def test_a_combination_that_means_nothing_is_refused(
    world: World, with_parent: bool, encrypted: bool | None, key: str | None, text: str
) -> None:
    parent = None
    if with_parent:
        parent = world.start()
        world.complete(parent, count=0)
    request = StartSnapshotRequest(
        volume_size=1, parent_snapshot_id=parent, encrypted=encrypted, kms_key_arn=key
    )
    code, reason, message = refusal(world, request)
    assert (code, reason, message) == ("ValidationException", "INVALID_PARAMETER_VALUE", text)


def test_DOC_encrypted_false_without_a_parent_is_an_unencrypted_snapshot(world: World) -> None:
    assert start(world, replace(ONE_GIB, encrypted=False)).kms_key_arn is None


# --- 3.5 tags ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tags",
    [
        pytest.param(tuple(Tag(f"k{n}", "") for n in range(51)), id="INFERRED-51-tags"),
        pytest.param((Tag("aws:x", ""),), id="INFERRED-reserved-prefix"),
        pytest.param((Tag("k", "1"), Tag("k", "2")), id="INFERRED-repeated-key"),
    ],
)
def test_tags_that_may_not_be_leave_nothing_behind(world: World, tags: tuple[Tag, ...]) -> None:
    code, reason, _ = refusal(world, replace(ONE_GIB, tags=tags))
    assert (code, reason) == ("ValidationException", "INVALID_TAG")
    assert world.metadata.snapshots(ACCOUNT, after=None, limit=10) == []


# --- 3.6 client tokens ---------------------------------------------------------------------------------

WITH_TOKEN = StartSnapshotRequest(
    volume_size=1, client_token="t", description="d", tags=(Tag("a", "1"), Tag("b", "2"))
)


def test_DOC_LIVE_a_token_used_again_answers_the_same_in_every_later_state(world: World) -> None:
    first = start(world, WITH_TOKEN)
    assert start(world, WITH_TOKEN) == first
    world.restart()
    assert start(world, WITH_TOKEN) == first
    world.complete(first.snapshot_id, count=0)
    assert start(world, WITH_TOKEN) == first
    world.delete(first.snapshot_id)
    assert start(world, WITH_TOKEN) == first


def test_INFERRED_order_of_tags_and_the_default_timeout_make_no_difference(world: World) -> None:
    first = start(world, WITH_TOKEN)
    same = replace(WITH_TOKEN, tags=(Tag("b", "2"), Tag("a", "1")), timeout=60)
    assert start(world, same).snapshot_id == first.snapshot_id


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(WITH_TOKEN, description="other"), id="LIVE-description"),
        pytest.param(replace(WITH_TOKEN, volume_size=2), id="INFERRED-volume"),
        pytest.param(replace(WITH_TOKEN, tags=(Tag("a", "1"),)), id="INFERRED-tags"),
        pytest.param(replace(WITH_TOKEN, timeout=61), id="INFERRED-timeout"),
        pytest.param(replace(WITH_TOKEN, encrypted=False), id="INFERRED-encrypted"),
    ],
)
def test_a_token_used_with_other_parameters_is_a_conflict(world: World, other: StartSnapshotRequest) -> None:
    start(world, WITH_TOKEN)
    with pytest.raises(ConflictError, match="Current request does not match request stored with this token"):
        start(world, other)


def test_INFERRED_a_refused_request_does_not_use_up_its_token(world: World) -> None:
    refusal(world, replace(WITH_TOKEN, parent_snapshot_id="snap-0123456789abcdef0"))
    assert start(world, WITH_TOKEN).status == "pending"


def test_INFERRED_a_token_belongs_to_its_account(world: World) -> None:
    mine = start(world, WITH_TOKEN)
    theirs = start_snapshot(world.context, world.caller(OTHER_ACCOUNT), WITH_TOKEN)
    assert mine.snapshot_id != theirs.snapshot_id


def test_DOC_without_a_token_every_call_creates(world: World) -> None:
    assert start(world, ONE_GIB).snapshot_id != start(world, ONE_GIB).snapshot_id


def test_INFERRED_fifty_identical_requests_at_once_start_one_snapshot(world: World) -> None:
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: start(world, WITH_TOKEN), range(50)))
    assert set(answers) == {answers[0]}
    assert len(world.metadata.snapshots(ACCOUNT, after=None, limit=10)) == 1


# --- 3.8 quotas ----------------------------------------------------------------------------------------


def test_INFERRED_the_pending_quota_counts_pending_snapshots_only(make_world: Callable[..., World]) -> None:
    world = make_world(quotas=Quotas(pending_snapshots_max=2))
    first = world.start()
    world.start()
    with pytest.raises(ConcurrentLimitExceededError, match="limit on concurrent pending snapshots"):
        world.start()
    world.complete(first, count=0)
    world.start()


def test_INFERRED_the_snapshot_quota_counts_all_but_deleted_ones(make_world: Callable[..., World]) -> None:
    world = make_world(quotas=Quotas(snapshots_max=1))
    first = world.start()
    with pytest.raises(ServiceQuotaExceededError) as caught:
        world.start()
    assert caught.value.reason == "DEPENDENCY_SERVICE_QUOTA_EXCEEDED"
    world.delete(first)
    world.start()
