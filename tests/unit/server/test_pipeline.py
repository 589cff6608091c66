"""The pipeline over a world without sockets: who gets in, in which order things are asked, what is said of it."""

from dataclasses import replace
from typing import Any

import pytest

from fix_logs import Journal
from neve.auth.payload import body_hash
from neve.domain.blocks import checksum_b64, digest
from neve.domain.rates import Rates
from neve.errors import ChunkMissing, InvariantError, Overloaded, StoreUnavailable
from neve.messages.http import RequestHead
from neve.server.bodies import BodyFault
from neve.server.credentials import seal_secret
from neve.server.pipeline import Exchange
from neve.testing.time_and_chance import ManualClock
from neve.testing.world import ACCOUNT, World
from pipeline_door import BLOCK, DESCRIBE, KEY_ID, Door, header, told


@pytest.fixture
def door(world: World, journal: Journal) -> Door:
    return Door(world, journal)


def test_a_request_goes_all_the_way_and_leaves_one_line(door: Door) -> None:
    body = b'{"VolumeSize": 1}'
    response = door.pipeline.answer(door.head("POST", "/snapshots", body=body), body)
    assert response.status == 201
    snapshot_id = told(response)["SnapshotId"]
    (line,) = door.answered()
    assert (line.status, line.operation, line.service) == (201, "StartSnapshot", "ebs")
    assert (line.account_id, line.access_key_id, line.snapshot_id) == (ACCOUNT, KEY_ID, snapshot_id)
    assert (line.bytes_in, line.bytes_out, line.peer) == (len(body), len(response.body), "192.0.2.1")
    assert header(response, "x-amzn-RequestId") == line.request_id
    assert header(response, "Date") == "Mon, 21 Sep 2026 14:13:20 GMT"


def test_a_block_is_admitted_by_its_head_and_answered_with_its_body(door: Door) -> None:
    snapshot_id = door.world.start()
    exchange = door.pipeline.begin(door.put_head(snapshot_id, 7))
    assert exchange.carries_block
    assert exchange.body_bytes_max == len(BLOCK)
    assert exchange.admit() is None
    assert exchange.answer(BLOCK).status == 201
    (line,) = door.answered()
    assert (line.operation, line.snapshot_id, line.bytes_in) == ("PutSnapshotBlock", snapshot_id, len(BLOCK))


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"secret": "wrong"}, 403, "InvalidSignatureException"),
        ({"key_id": "AKIDNOBODY"}, 403, "UnrecognizedClientException"),
        ({"service": "ec2"}, 403, "InvalidSignatureException"),
        ({"checksum": "not-base64!"}, 400, "ValidationException"),
        ({"index": -1}, 400, "ValidationException"),
    ],
)
def test_a_head_that_will_not_do_is_refused_before_any_body(
    door: Door, options: dict[str, Any], status: int, code: str
) -> None:
    exchange = door.pipeline.begin(door.put_head(door.world.start(), **options))
    refusal = exchange.admit()
    assert refusal is not None
    assert refusal.status == status
    assert header(refusal, "x-amzn-ErrorType").split(":")[0] == code
    assert [line.error_code for line in door.answered()] == [code]


def test_nobody_is_named_in_the_log_who_did_not_prove_it(door: Door) -> None:
    door.put(door.world.start(), secret="wrong")
    (line,) = door.answered()
    assert (line.account_id, line.access_key_id) == ("", "")


def test_a_declared_hash_binds_the_body(door: Door) -> None:
    snapshot_id = door.world.start()
    other = b"\x02" * 64
    hash_of_block = body_hash(BLOCK)
    assert door.put(snapshot_id, BLOCK, payload_hash=hash_of_block).status == 201
    assert door.put(snapshot_id, other, payload_hash=hash_of_block).status == 403
    assert door.put(snapshot_id, other, checksum=checksum_b64(digest(BLOCK))).status == 403


def test_a_disabled_key_stops_at_once(door: Door) -> None:
    snapshot_id = door.world.start()
    assert door.put(snapshot_id).status == 201
    door.world.metadata.add_access_key(replace(door.key, enabled=False))
    assert header(door.put(snapshot_id), "x-amzn-ErrorType").startswith("UnrecognizedClientException:")
    door.world.metadata.add_access_key(door.key)
    assert door.put(snapshot_id).status == 201


def test_a_key_with_a_new_secret_forgets_the_old_one(door: Door) -> None:
    snapshot_id = door.world.start()
    assert door.put(snapshot_id).status == 201
    changed = seal_secret(door.keyring, KEY_ID, "another")
    door.world.metadata.add_access_key(replace(door.key, sealed_secret=changed))
    assert door.put(snapshot_id).status == 403
    assert door.put(snapshot_id, secret="another").status == 201


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("POST", "/snapshots", 403),
        ("PUT", "/snapshots/snap-1/blocks/0", 403),
        ("POST", "/snapshots/completion/snap-1", 403),
        ("GET", "/snapshots/snap-1/blocks", 403),
        ("GET", "/snapshots/snap-1/changedblocks", 403),
        ("GET", "/snapshots/snap-1/blocks/0", 403),
        ("POST", "/", 401),
        ("GET", "/?Action=DescribeSnapshots", 401),
        ("GET", "/", 404),
        ("DELETE", "/snapshots/snap-1", 404),
    ],
)
def test_without_a_signature_nothing_opens(door: Door, method: str, target: str, status: int) -> None:
    head = RequestHead(method=method, raw_target=target, headers=[("Host", "neve.example")])
    assert door.pipeline.answer(head, b"").status == status
    assert door.failed() == []


def test_each_service_has_its_own_patience_with_clocks(door: Door) -> None:
    clock = door.world.clock
    assert isinstance(clock, ManualClock)
    describe, listing = door.describe_head(DESCRIBE), door.head("GET", "/snapshots/snap-1/blocks")
    clock.advance(seconds=301)
    assert door.pipeline.answer(listing, b"").status == 403
    assert door.pipeline.answer(describe, DESCRIBE).status == 200
    clock.advance(seconds=600)
    assert b"RequestExpired" in door.pipeline.answer(describe, DESCRIBE).body


def test_ec2_is_answered_in_its_own_protocol(door: Door) -> None:
    response = door.pipeline.answer(door.describe_head(DESCRIBE), DESCRIBE)
    assert (response.status, header(response, "Content-Type")) == (200, "text/xml;charset=UTF-8")
    assert header(response, "Server") == "AmazonEC2"
    refused = door.pipeline.answer(door.describe_head(DESCRIBE, secret="wrong"), DESCRIBE)
    assert refused.status == 401
    assert b"<Code>AuthFailure</Code>" in refused.body
    assert [(line.service, line.operation) for line in door.answered()] == [
        ("ec2", "DescribeSnapshots"),
        ("ec2", ""),
    ]


def test_what_ec2_is_sent_as_an_id_stays_short_in_the_log(door: Door) -> None:
    body = b"Action=DeleteSnapshot&Version=2016-11-15&SnapshotId=" + b"x" * 10_000
    door.pipeline.answer(door.describe_head(body), body)
    (line,) = door.answered()
    assert line.snapshot_id == "x" * 64


def test_a_rate_is_spent_only_by_who_proved_to_be_its_owner(world: World, journal: Journal) -> None:
    door = Door(world, journal)
    door.pipeline = door.make(rates=Rates(per_account={"PutSnapshotBlock": 1}))
    snapshot_id = world.start()
    for _ in range(3):
        assert door.put(snapshot_id, secret="wrong").status == 403
    assert door.put(snapshot_id).status == 201
    throttled = door.put(snapshot_id)
    assert (throttled.status, told(throttled)) == (400, {"message": "Rate exceeded"})


def test_a_base_path_is_demanded_and_signed(world: World, journal: Journal) -> None:
    door = Door(world, journal, base_path="/base")
    snapshot_id = world.start()
    outside = door.head("GET", f"/snapshots/{snapshot_id}/blocks")
    inside = door.head("GET", f"/base/snapshots/{snapshot_id}/blocks")
    assert told(door.pipeline.answer(outside, b""))["message"] == "The requested operation is not known here."
    assert told(door.pipeline.answer(inside, b""))["Reason"] == "SNAPSHOT_NOT_FOUND"


# --- what is nobody's fault but ours


class Broken:
    """A metadata store of which every method fails in the same way."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        def fail(*_arguments: Any, **_options: Any) -> Any:
            raise self._error

        return fail


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        pytest.param(RuntimeError("in /a/path with a secret"), (500, True), id="a bug"),
        pytest.param(InvariantError("in /a/path"), (500, True), id="an invariant"),
        pytest.param(ChunkMissing("chunk 1234 in /a/path"), (500, False), id="data loss"),
        pytest.param(StoreUnavailable("disk at /a/path"), (503, False), id="a fault that may pass"),
    ],
)
@pytest.mark.parametrize("service", ["ebs", "ec2"])
def test_our_own_trouble_is_logged_and_not_told(
    world: World, journal: Journal, error: Exception, outcome: tuple[int, bool], service: str
) -> None:
    status, has_trace = outcome
    journal.announce("request failed")
    door = Door(world, journal)
    door.pipeline = door.make(context=replace(world.context, metadata=Broken(error)))
    if service == "ebs":
        response = door.put("snap-0123456789abcdef0")
    else:
        response = door.pipeline.answer(door.describe_head(DESCRIBE), DESCRIBE)
    assert response.status == status
    assert b"path" not in response.body
    assert type(error).__name__.encode() not in response.body
    (line,), (failure,) = door.answered(), door.failed()
    assert line.request_id == failure.request_id == header(response, "x-amzn-RequestId")
    assert str(error) in failure.error
    assert ("Traceback" in failure.trace) is has_trace


def test_overload_is_told_to_come_again_and_troubles_no_operator(door: Door) -> None:
    exchange = door.pipeline.begin(door.put_head(door.world.start()))
    assert exchange.admit() is None
    response = exchange.refuse(Overloaded("full"))
    assert (response.status, header(response, "Retry-After")) == (503, "1")
    assert door.failed() == []
    assert [line.error_code for line in door.answered()] == ["Overloaded"]


# --- bodies that cannot be had


def admitted_put(door: Door, **options: Any) -> Exchange:
    exchange = door.pipeline.begin(door.put_head(door.world.start(), **options))
    assert exchange.admit() is None
    return exchange


def test_a_body_that_made_way_is_asked_to_come_again(door: Door) -> None:
    response = admitted_put(door).fail_body(BodyFault.MADE_WAY)
    assert (response.status, header(response, "Retry-After")) == (503, "1")


@pytest.mark.parametrize("fault", sorted(set(BodyFault) - {BodyFault.MADE_WAY}, key=str))
def test_live_a_block_that_cannot_be_read_is_told_in_the_words_tools_match(
    door: Door, fault: BodyFault
) -> None:
    response = admitted_put(door).fail_body(fault)
    assert (response.status, told(response)) == (
        400,
        {"Message": "Failed to read block data", "Reason": "INVALID_PARAMETER_VALUE"},
    )


def test_choice_23_a_block_too_long_whose_length_header_agrees_with_nothing(door: Door) -> None:
    response = admitted_put(door, data_length=65).fail_body(BodyFault.TOO_LONG)
    assert (response.status, told(response)) == (
        400,
        {"Message": "Block data length 65 is not valid, expected 64", "Reason": "INVALID_BLOCK"},
    )


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (BodyFault.ENDED_EARLY, 400, "MalformedHttpRequestException"),
        (BodyFault.MALFORMED, 400, "MalformedHttpRequestException"),
        (BodyFault.STALLED, 408, "RequestTimeoutException"),
        (BodyFault.TOO_LONG, 413, "RequestEntityTooLargeException"),
    ],
)
def test_other_bodies_that_cannot_be_read_have_common_errors(
    door: Door, fault: BodyFault, status: int, code: str
) -> None:
    exchange = door.pipeline.begin(door.head("POST", "/snapshots"))
    assert exchange.admit() is None
    response = exchange.fail_body(fault)
    assert (response.status, header(response, "x-amzn-ErrorType").split(":")[0]) == (status, code)
    ec2 = door.pipeline.begin(door.describe_head(DESCRIBE)).fail_body(fault)
    assert ec2.status == status
    assert b"<Response><Errors><Error><Code>" in ec2.body


def test_each_operation_says_how_large_a_body_may_be(door: Door) -> None:
    limits = door.world.limits
    sizes = {
        "/snapshots": limits.json_body_bytes_max,
        "/": limits.form_body_bytes_max,
        "/nowhere": limits.json_body_bytes_max,
    }
    for target, size in sizes.items():
        head = RequestHead(method="POST", raw_target=target, headers=[])
        assert door.pipeline.begin(head).body_bytes_max == size
