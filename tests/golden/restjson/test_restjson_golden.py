"""The requests and answers in this folder, against the messages they stand for."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from neve.errors import (
    CommonError,
    ConflictError,
    InvariantError,
    ModelViolationError,
    Overloaded,
    ResourceNotFoundError,
    ResourceNotFoundReason,
)
from neve.messages import ebs
from neve.messages.http import RequestHead, Response
from neve.wire import restjson_requests, restjson_responses
from neve.wire.routes import route

FOLDER = Path(__file__).parent
REQUEST_ID = "11112222-3333-4444-5555-666677778888"

RESPONSES: Mapping[str, ebs.EbsResponse] = {
    "start-snapshot": ebs.StartSnapshotResponse(
        block_size=524_288,
        description="d",
        kms_key_arn=None,
        owner_id="111122223333",
        parent_snapshot_id=None,
        snapshot_id="snap-0123456789abcdef0",
        sse_type=None,
        start_time_ms=1_790_337_440_328,
        status="pending",
        tags=(ebs.Tag("k", "v"),),
        volume_size=1,
    ),
    "put-snapshot-block": ebs.PutSnapshotBlockResponse(
        checksum="M6FQvOsTwamSIx5ltPrRaBUhL8Bs20CJltMu6yzvnrs=", checksum_algorithm="SHA256"
    ),
    "complete-snapshot": ebs.CompleteSnapshotResponse(status="pending"),
    "list-snapshot-blocks": ebs.ListSnapshotBlocksResponse(
        blocks=(ebs.Block(0, "0161"), ebs.Block(7, "0162")),
        expiry_time_ms=1_790_942_240_500,
        volume_size=1,
        block_size=524_288,
        next_token=None,
    ),
    "list-changed-blocks": ebs.ListChangedBlocksResponse(
        changed_blocks=(ebs.ChangedBlock(0, "0161", None), ebs.ChangedBlock(7, None, "0162")),
        expiry_time_ms=1_790_942_240_000,
        volume_size=2,
        block_size=524_288,
        next_token="0163",
    ),
    "get-snapshot-block": ebs.GetSnapshotBlockResponse(
        data_length=4,
        block_data=b"abcd",
        checksum="iNQmb9TmM40TuEX88olXnSCciXgjuSF9o+Fhk28DFYk=",
        checksum_algorithm="SHA256",
    ),
}
ERRORS: Mapping[str, Exception] = {
    "error-service": ResourceNotFoundError(
        "The snapshot 'snap-0123456789abcdef0' does not exist.",
        reason=ResourceNotFoundReason.SNAPSHOT_NOT_FOUND,
    ),
    "error-service-without-reason": ConflictError(
        "Current request does not match request stored with this token."
    ),
    "error-validation": ModelViolationError(
        "Value '99' at 'maxResults' failed to satisfy constraint: "
        "Member must have value greater than or equal to 100"
    ),
    "error-authentication": CommonError(
        "UnrecognizedClientException", 403, "The security token included in the request is invalid."
    ),
    "error-busy": Overloaded("forty blocks are on their way"),
    "error-internal": InvariantError("the map of snap-0123456789abcdef0 has two roots"),
}


def written(response: Response) -> bytes:
    lines = [str(response.status), *(f"{name}: {value}" for name, value in response.headers)]
    return "\n".join(lines).encode() + b"\n\n" + response.body


def read_request(name: str) -> tuple[RequestHead, bytes]:
    text, _, body = (FOLDER / f"{name}.req").read_bytes().partition(b"\n\n")
    request_line, *lines = text.decode().split("\n")
    method, raw_target, _ = request_line.split(" ")
    headers = [(key, value.strip()) for key, _, value in (line.partition(":") for line in lines)]
    return RequestHead(method=method, raw_target=raw_target, headers=headers), body


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.req")))
def test_a_request_decodes_to_its_message(name: str) -> None:
    head, body = read_request(name)
    found = route(head)
    if found.carries_block:
        message: ebs.EbsRequest = restjson_requests.decode_put_head(found, head)
    else:
        message = restjson_requests.decode(found, head, body)
    assert name.startswith(snake(found.operation))
    expected = json.loads((FOLDER / f"{name}.json").read_bytes())
    assert json.loads(msgspec.json.encode(dataclasses.asdict(message))) == expected


def snake(operation: str) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in operation)[1:]


@pytest.mark.parametrize("name", sorted(RESPONSES))
def test_a_message_is_answered_as_written_down(name: str) -> None:
    answer = restjson_responses.encode(RESPONSES[name], REQUEST_ID)
    assert written(answer) == (FOLDER / f"{name}.resp").read_bytes()


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_an_error_is_answered_as_written_down(name: str) -> None:
    answer = restjson_responses.encode_error(ERRORS[name], REQUEST_ID)
    assert written(answer) == (FOLDER / f"{name}.resp").read_bytes()


def test_every_answer_written_down_is_given() -> None:
    assert {path.stem for path in FOLDER.glob("*.resp")} == RESPONSES.keys() | ERRORS.keys()
