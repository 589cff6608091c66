"""PutSnapshotBlock and CompleteSnapshot: contract sections 3.1, 3.7, 4 and 5, row by row."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from neve.domain.blocks import Digest, checksum_b64, digest, zero_block
from neve.domain.identities import SnapshotId
from neve.domain.snapshots import MESSAGE_CHECKSUM, MESSAGE_COUNT, MESSAGE_TIMED_OUT, State, observed
from neve.errors import RequestError
from neve.limits import STANDARD, TINY
from neve.messages.ebs import CompleteSnapshotRequest, PutSnapshotBlockRequest
from neve.operations.ebs.complete_snapshot import complete_snapshot
from neve.operations.ebs.put_snapshot_block import put_snapshot_block
from neve.testing.time_and_chance import ManualClock
from neve.testing.world import ACCOUNT, OTHER_ACCOUNT, World, aggregate_of

BLOCKS_OF_ONE_GIB = 2048


def block(fill: int) -> bytes:
    return bytes([fill]) * TINY.block_bytes


def put_request(snapshot_id: str, index: int = 0, content: bytes | None = None) -> PutSnapshotBlockRequest:
    data = block(1) if content is None else content
    return PutSnapshotBlockRequest(
        snapshot_id=snapshot_id,
        block_index=index,
        block_data=data,
        data_length=len(data),
        checksum=checksum_b64(digest(data)),
        checksum_algorithm="SHA256",
    )


def refused_put(world: World, request: PutSnapshotBlockRequest) -> tuple[int, str, str | None, str]:
    with pytest.raises(RequestError) as caught:
        put_snapshot_block(world.context, world.caller(), request)
    error = caught.value
    return error.status, error.code, getattr(error, "reason", None), error.message


def state(world: World, snapshot_id: str) -> tuple[State, str]:
    record = world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id))
    return record.state, record.state_message


# --- 4: checks and their order -----------------------------------------------------------------------


def test_DOC_the_answer_carries_the_servers_checksum(world: World) -> None:
    request = put_request(world.start())
    answer = put_snapshot_block(world.context, world.caller(), request)
    assert (answer.checksum, answer.checksum_algorithm) == (request.checksum, "SHA256")


def test_LIVE_a_short_body_is_refused_whatever_its_claimed_length(world: World) -> None:
    request = replace(put_request(world.start(), content=b"short"), data_length=TINY.block_bytes)
    assert refused_put(world, request)[1:] == (
        "ValidationException", "INVALID_PARAMETER_VALUE", "Failed to read block data",
    )  # fmt: skip


def test_LIVE_a_full_body_with_another_claimed_length_is_an_invalid_block(world: World) -> None:
    request = replace(put_request(world.start()), data_length=1)
    assert refused_put(world, request)[1:] == (
        "ValidationException", "INVALID_BLOCK", f"Block data length 1 is not valid, expected {TINY.block_bytes}",
    )  # fmt: skip


def test_LIVE_LIVE2_a_checksum_of_other_data_is_a_signature_error(world: World) -> None:
    wrong = checksum_b64(digest(block(2)))
    right = checksum_b64(digest(block(1)))
    snapshot_id = world.start()
    assert refused_put(world, replace(put_request(snapshot_id), checksum=wrong)) == (
        403, "InvalidSignatureException", None,
        (
            "The value passed in as x-amz-Checksum does not match the computed checksum. "
            f"Computed checksum: {right} expected checksum: {wrong}"
        ),
    )  # fmt: skip
    assert world.metadata.block_count(world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id)).key) == 0


def test_LIVE_another_algorithm_is_unsupported(world: World) -> None:
    request = replace(put_request(world.start()), checksum_algorithm="SHA1")
    assert refused_put(world, request)[1:] == (
        "ValidationException", "INVALID_PARAMETER_VALUE",
        "Unsupported Checksum Algorithm 'SHA1', supported algorithms are SHA256",
    )  # fmt: skip


def test_LIVE_LIVE2_an_index_beyond_the_volume_is_an_invalid_block(world: World) -> None:
    snapshot_id = world.start()
    put_snapshot_block(world.context, world.caller(), put_request(snapshot_id, BLOCKS_OF_ONE_GIB - 1))
    assert refused_put(world, put_request(snapshot_id, BLOCKS_OF_ONE_GIB))[1:] == (
        "ValidationException", "INVALID_BLOCK",
        f"Block index {BLOCKS_OF_ONE_GIB} is beyond the volume size extent",
    )  # fmt: skip


NOT_FOUND = (404, "ResourceNotFoundException", "SNAPSHOT_NOT_FOUND")
ALREADY_COMPLETED = (400, "ValidationException", "INVALID_SNAPSHOT_ID")


def completed(world: World) -> str:
    snapshot_id = world.start()
    world.complete(snapshot_id, count=0)
    return snapshot_id


def accepted(world: World) -> str:
    snapshot_id = world.start()
    request = CompleteSnapshotRequest(snapshot_id=snapshot_id, changed_blocks_count=0)
    complete_snapshot(world.context, world.caller(), request)
    return snapshot_id


def failed(world: World) -> str:
    snapshot_id = world.start()
    world.complete(snapshot_id, count=1)
    return snapshot_id


def deleted(world: World) -> str:
    snapshot_id = world.start()
    world.delete(snapshot_id)
    return snapshot_id


@pytest.mark.parametrize(
    ("make", "answer"),
    [
        pytest.param(completed, ALREADY_COMPLETED, id="LIVE-completed"),
        pytest.param(accepted, ALREADY_COMPLETED, id="LIVE-completion-accepted"),
        pytest.param(failed, NOT_FOUND, id="LIVE-error"),
        pytest.param(deleted, NOT_FOUND, id="INFERRED-deleted"),
        pytest.param(lambda _: "snap-0123456789abcdef0", NOT_FOUND, id="LIVE-unknown"),
    ],
)
def test_a_snapshot_that_takes_no_blocks(
    world: World, make: Callable[[World], str], answer: tuple[int, str, str]
) -> None:
    assert refused_put(world, put_request(make(world)))[:3] == answer


def test_LIVE_another_accounts_snapshot_is_not_found(world: World) -> None:
    snapshot_id = world.start()
    stranger = world.caller(OTHER_ACCOUNT)
    with pytest.raises(RequestError, match=f"The snapshot '{snapshot_id}' does not exist"):
        put_snapshot_block(world.context, stranger, put_request(snapshot_id))
    with pytest.raises(RequestError, match=f"The snapshot '{snapshot_id}' does not exist"):
        complete_snapshot(
            world.context, stranger, CompleteSnapshotRequest(snapshot_id=snapshot_id, changed_blocks_count=0)
        )


def test_DOC_LIVE_the_last_write_wins_and_counts_once(world: World) -> None:
    snapshot_id = world.start()
    for fill in (1, 1, 2):
        world.put(snapshot_id, 5, block(fill))
    assert world.complete(snapshot_id, count=1, aggregate=aggregate_of({5: block(2)})) is State.COMPLETED
    assert world.read(snapshot_id) == {5: block(2)}


def test_LIVE_a_block_of_zeros_is_present_like_any_other_and_costs_no_bytes(world: World) -> None:
    snapshot_id = world.start()
    zeros = zero_block(TINY.block_bytes)
    world.put(snapshot_id, 5, zeros)
    assert world.segments.statistics().segments_written == 0
    assert world.complete(snapshot_id, count=1, aggregate=aggregate_of({5: zeros})) is State.COMPLETED
    assert world.read(snapshot_id) == {5: zeros}


def test_equal_blocks_of_one_account_are_stored_once_and_of_two_accounts_twice(world: World) -> None:
    first, second = world.start(), world.start()
    world.put(first, 0, block(1))
    world.put(first, 1, block(1))
    world.put(second, 0, block(1))
    assert world.metadata.statistics().chunk_rows == 1


# --- 5: completion -------------------------------------------------------------------------------------


def answered(world: World, request: CompleteSnapshotRequest) -> str:
    return complete_snapshot(world.context, world.caller(), request).status


def test_LIVE_complete_answers_the_state_in_every_state_and_changes_nothing_twice(world: World) -> None:
    snapshot_id = world.start()
    world.put(snapshot_id, 0, block(1))
    right = CompleteSnapshotRequest(snapshot_id=snapshot_id, changed_blocks_count=1)
    wrong = replace(right, changed_blocks_count=9)
    assert answered(world, right) == "pending"
    assert answered(world, wrong) == "pending", "the first claim counts"
    assert world.seal_wishes == 2
    world.seal()
    assert answered(world, wrong) == "completed"
    assert (
        answered(world, CompleteSnapshotRequest(snapshot_id=failed(world), changed_blocks_count=0)) == "error"
    )


@pytest.mark.parametrize(
    ("count", "aggregate", "message"),
    [
        pytest.param(2, None, MESSAGE_COUNT, id="LIVE-LIVE2-count"),
        pytest.param(1, Digest(b"x" * 32), MESSAGE_CHECKSUM, id="LIVE-LIVE2-aggregate"),
        pytest.param(2, Digest(b"x" * 32), MESSAGE_CHECKSUM, id="INFERRED-both-wrong"),
        pytest.param(1, Digest(b"no digest"), MESSAGE_CHECKSUM, id="LIVE-aggregate-of-another-length"),
    ],
)
def test_a_wrong_claim_is_accepted_and_ends_in_error(
    world: World, count: int, aggregate: Digest | None, message: str
) -> None:
    snapshot_id = world.start()
    world.put(snapshot_id, 0, block(1))
    assert world.complete(snapshot_id, count=count, aggregate=aggregate) is State.ERROR
    assert state(world, snapshot_id) == (State.ERROR, message)


def test_LIVE_an_aggregate_that_is_no_base64_is_accepted_and_ends_in_error(world: World) -> None:
    snapshot_id = world.start()
    request = CompleteSnapshotRequest(
        snapshot_id=snapshot_id,
        changed_blocks_count=0,
        checksum="abc",
        checksum_algorithm="SHA256",
        checksum_aggregation_method="LINEAR",
    )
    assert answered(world, request) == "pending"
    world.seal()
    assert state(world, snapshot_id) == (State.ERROR, MESSAGE_CHECKSUM)


@pytest.mark.parametrize(
    ("checksum", "algorithm", "method", "missing"),
    [
        pytest.param("eA==", None, "LINEAR", "Checksum algorithm", id="LIVE-no-algorithm"),
        pytest.param("eA==", None, None, "Checksum algorithm", id="LIVE-checksum-alone"),
        pytest.param(None, "SHA256", None, "Snapshot checksum", id="LIVE-algorithm-alone"),
        pytest.param(None, None, "LINEAR", "Snapshot checksum", id="LIVE-method-alone"),
        pytest.param("eA==", "SHA256", None, "Checksum aggregation method", id="INFERRED-no-method"),
    ],
)
def test_checksum_headers_that_do_not_go_together_are_refused(
    world: World, checksum: str | None, algorithm: str | None, method: str | None, missing: str
) -> None:
    snapshot_id = world.start()
    request = CompleteSnapshotRequest(
        snapshot_id=snapshot_id,
        changed_blocks_count=0,
        checksum=checksum,
        checksum_algorithm=algorithm,
        checksum_aggregation_method=method,
    )
    with pytest.raises(RequestError) as caught:
        answered(world, request)
    assert caught.value.message == f"Invalid parameter combination. {missing} is missing."
    assert state(world, snapshot_id)[0] is State.PENDING


def test_LIVE_only_own_writes_count_and_inherited_blocks_are_resolved(world: World) -> None:
    parent = world.start()
    for index in (0, 1, 2):
        world.put(parent, index, block(1))
    world.complete(parent, count=3)
    child = world.start(parent=parent)
    world.put(child, 1, block(1))
    world.put(child, 9, block(3))
    written = {1: block(1), 9: block(3)}
    assert world.complete(child, count=2, aggregate=aggregate_of(written)) is State.COMPLETED
    assert world.metadata.snapshot(ACCOUNT, SnapshotId(child)).block_count == 4
    assert world.read(child) == {0: block(1), 1: block(1), 2: block(1), 9: block(3)}


VECTORS = {
    "one": ({0: 1}, "WMdo6rEAySZKmsHg1a4aMTgxRl4qPKCGvOe8thDa7vo="),
    "zero-then-one": ({0: 0, 1: 1}, "HFRGTdrSd+vfQo2s4W+AwgFjuBSYcNtoI3LPFCEQbPw="),
    "one-then-zero": ({3: 1, 7: 0}, "MLligFpT5fEWxXp80/WJECfzU1lVDoPeSvjppm7/MM0="),
    "nothing": ({}, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
}


@pytest.mark.parametrize(
    "vector", [pytest.param(vector, id=f"LIVE-13-{name}") for name, vector in VECTORS.items()]
)
def test_the_published_aggregates_of_whole_blocks(
    make_world: Callable[..., World], vector: tuple[dict[int, int], str]
) -> None:
    fills, aggregate_b64 = vector
    world = make_world(limits=STANDARD)
    snapshot_id = world.start()
    for index, fill in fills.items():
        world.put(snapshot_id, index, bytes([fill]) * STANDARD.block_bytes)
    request = CompleteSnapshotRequest(
        snapshot_id=snapshot_id,
        changed_blocks_count=len(fills),
        checksum=aggregate_b64,
        checksum_algorithm="SHA256",
        checksum_aggregation_method="LINEAR",
    )
    answered(world, request)
    world.seal()
    assert state(world, snapshot_id) == (State.COMPLETED, "")


WRONG_VECTORS = {
    "base64-texts": "vVtRvDJz2wbVMNFM88yznuxvLA8MMCDK7NGKMnokI0M=",
    "hex-texts": "MF8SA+cNh+j8lk6rGPiM/B3pv2jPppkXy3A/TjEeND4=",
}


@pytest.mark.parametrize("wrong", [pytest.param(v, id=f"LIVE-13-{k}") for k, v in WRONG_VECTORS.items()])
def test_an_aggregate_over_texts_ends_in_error(make_world: Callable[..., World], wrong: str) -> None:
    world = make_world(limits=STANDARD)
    snapshot_id = world.start()
    for index, fill in ((0, 0), (1, 1)):
        world.put(snapshot_id, index, bytes([fill]) * STANDARD.block_bytes)
    answered(
        world,
        CompleteSnapshotRequest(
            snapshot_id=snapshot_id,
            changed_blocks_count=2,
            checksum=wrong,
            checksum_algorithm="SHA256",
            checksum_aggregation_method="LINEAR",
        ),
    )
    world.seal()
    assert state(world, snapshot_id) == (State.ERROR, MESSAGE_CHECKSUM)


# --- 3.7: the timeout ----------------------------------------------------------------------------------


@pytest.mark.parametrize("restarted", [False, True])
def test_DOC_a_pending_snapshot_times_out_and_each_block_restarts_its_clock(
    make_world: Callable[..., World], restarted: bool
) -> None:
    clock = ManualClock()
    world = make_world(clock=clock)
    snapshot_id = world.start(timeout=10)
    clock.advance(minutes=9.9)
    world.put(snapshot_id, 0, block(1))
    clock.advance(minutes=9.9)
    world.put(snapshot_id, 1, block(1))
    if restarted:
        world.restart()
    clock.advance(minutes=10)
    assert refused_put(world, put_request(snapshot_id))[:3] == NOT_FOUND
    request = CompleteSnapshotRequest(snapshot_id=snapshot_id, changed_blocks_count=2)
    assert answered(world, request) == "error"
    record = world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id))
    seen = observed(record, clock.now_ms())
    assert (seen.state, seen.state_message) == (State.ERROR, MESSAGE_TIMED_OUT)


def test_DOC_the_sweeper_writes_passed_deadlines_down(make_world: Callable[..., World]) -> None:
    clock = ManualClock()
    world = make_world(clock=clock)
    short, long = world.start(timeout=10), world.start()
    clock.advance(minutes=10)
    assert world.metadata.expire(now_ms=clock.now_ms(), limit=10) == [short]
    assert state(world, short) == (State.ERROR, MESSAGE_TIMED_OUT)
    assert state(world, long)[0] is State.PENDING


def test_INFERRED_an_accepted_completion_stops_the_clock(make_world: Callable[..., World]) -> None:
    clock = ManualClock()
    world = make_world(clock=clock)
    snapshot_id = world.start(timeout=10)
    answered(world, CompleteSnapshotRequest(snapshot_id=snapshot_id, changed_blocks_count=0))
    clock.advance(minutes=60)
    world.metadata.expire(now_ms=clock.now_ms(), limit=10)
    world.seal()
    assert state(world, snapshot_id)[0] is State.COMPLETED


def test_a_snapshot_deleted_while_it_is_sealed_stays_deleted(world: World) -> None:
    snapshot_id = world.start()
    world.put(snapshot_id, 0, block(1))
    answered(world, CompleteSnapshotRequest(snapshot_id=snapshot_id, changed_blocks_count=1))
    (sealing,) = world.metadata.sealing(limit=10)
    world.delete(snapshot_id)
    world.sealer.seal(sealing)
    assert world.metadata.snapshots(ACCOUNT, after=None, limit=10) == []
