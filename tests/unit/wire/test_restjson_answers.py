"""Answers read back by botocore's own parser: what a client sees is what was said."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.loaders
import botocore.model
import botocore.parsers
import pytest
from botocore.awsrequest import HeadersDict
from hypothesis import given
from hypothesis import strategies as st

from neve import errors
from neve.messages import ebs
from neve.messages.http import Response
from neve.wire import restjson_responses

MODEL = botocore.model.ServiceModel(botocore.loaders.Loader().load_service_model("ebs", "service-2"), "ebs")
REQUEST_ID = "11112222-3333-4444-5555-666677778888"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Far enough for any life of this product; botocore reads times as floats.
moments = st.integers(0, 4_102_444_800_000)
tokens = st.text(alphabet="0123456789abcdef", min_size=2, max_size=24)
texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12)
indexes = st.integers(0, 2**31 - 1)


class Body:
    """A streaming body, as botocore's parser wants one."""

    def __init__(self, content: bytes) -> None:
        self.content = content


def seen(response: Response, operation: str) -> dict[str, Any]:
    """Return what botocore makes of an answer."""
    shape: Any = MODEL.operation_model(operation).output_shape
    body: Any = response.body
    if operation == "GetSnapshotBlock" and response.status == 200:
        body = Body(response.body)
    parser = botocore.parsers.create_parser("rest-json")
    answer = {"body": body, "headers": HeadersDict(dict(response.headers)), "status_code": response.status}
    parsed: dict[str, Any] = parser.parse(answer, shape)
    if response.status >= 300:
        # As botocore's endpoint does: an error is read once more, as the shape its code names.
        error_shape: Any = MODEL.shape_for_error_code(parsed["Error"]["Code"])
        if error_shape is not None:
            parsed.update(parser.parse(answer, error_shape))
    metadata = parsed.pop("ResponseMetadata")
    assert metadata["HTTPStatusCode"] == response.status
    assert metadata["RequestId"] == REQUEST_ID
    return parsed


def when(time_ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=time_ms)


def present(**members: object) -> dict[str, object]:
    """Return the members a client sees: absent ones are null on the wire and not there in Python."""
    return {name: value for name, value in members.items() if value is not None}


def about(parsed: Mapping[str, Any], name: str, time_ms: int) -> None:
    assert abs(parsed[name] - when(time_ms)) < timedelta(milliseconds=1)


@given(
    st.builds(
        ebs.StartSnapshotResponse,
        block_size=st.just(524_288),
        description=texts | st.none(),
        kms_key_arn=st.none(),
        owner_id=st.just("111122223333"),
        parent_snapshot_id=st.just("snap-0") | st.none(),
        snapshot_id=st.just("snap-1"),
        sse_type=st.none(),
        start_time_ms=moments,
        status=st.sampled_from(["pending", "completed", "error"]),
        tags=st.none() | st.lists(st.builds(ebs.Tag, texts, texts), min_size=1, max_size=3).map(tuple),
        volume_size=st.integers(1, 65_536),
    )
)
def test_a_started_snapshot_is_seen_as_it_is(message: ebs.StartSnapshotResponse) -> None:
    parsed = seen(restjson_responses.encode(message, REQUEST_ID), "StartSnapshot")
    about(parsed, "StartTime", message.start_time_ms)
    del parsed["StartTime"]
    tags = None if message.tags is None else [{"Key": tag.key, "Value": tag.value} for tag in message.tags]
    assert parsed == present(
        BlockSize=message.block_size,
        Description=message.description,
        KmsKeyArn=message.kms_key_arn,
        OwnerId=message.owner_id,
        ParentSnapshotId=message.parent_snapshot_id,
        SnapshotId=message.snapshot_id,
        SseType=message.sse_type,
        Status=message.status,
        Tags=tags,
        VolumeSize=message.volume_size,
    )


@given(st.lists(st.builds(ebs.Block, indexes, tokens), max_size=5), moments, tokens | st.none())
def test_a_page_of_blocks_is_seen_as_it_is(
    blocks: list[ebs.Block], expiry_ms: int, token: str | None
) -> None:
    message = ebs.ListSnapshotBlocksResponse(
        blocks=tuple(blocks), expiry_time_ms=expiry_ms, volume_size=1, block_size=524_288, next_token=token
    )
    parsed = seen(restjson_responses.encode(message, REQUEST_ID), "ListSnapshotBlocks")
    about(parsed, "ExpiryTime", expiry_ms)
    del parsed["ExpiryTime"]
    listed = [{"BlockIndex": block.block_index, "BlockToken": block.block_token} for block in blocks]
    assert parsed == present(BlockSize=524_288, Blocks=listed, NextToken=token, VolumeSize=1)


@given(
    st.lists(st.builds(ebs.ChangedBlock, indexes, tokens | st.none(), tokens | st.none()), max_size=5),
    moments,
    tokens | st.none(),
)
def test_a_page_of_changes_is_seen_as_it_is(
    changes: list[ebs.ChangedBlock], expiry_ms: int, token: str | None
) -> None:
    message = ebs.ListChangedBlocksResponse(
        changed_blocks=tuple(changes),
        expiry_time_ms=expiry_ms,
        volume_size=1,
        block_size=64,
        next_token=token,
    )
    parsed = seen(restjson_responses.encode(message, REQUEST_ID), "ListChangedBlocks")
    about(parsed, "ExpiryTime", expiry_ms)
    del parsed["ExpiryTime"]
    listed = [
        present(
            BlockIndex=change.block_index,
            FirstBlockToken=change.first_block_token,
            SecondBlockToken=change.second_block_token,
        )
        for change in changes
    ]
    assert parsed == present(BlockSize=64, ChangedBlocks=listed, NextToken=token, VolumeSize=1)


def test_a_block_is_seen_as_it_is() -> None:
    message = ebs.GetSnapshotBlockResponse(
        data_length=3, block_data=b"\x00\xff\n", checksum="c=", checksum_algorithm="SHA256"
    )
    parsed = seen(restjson_responses.encode(message, REQUEST_ID), "GetSnapshotBlock")
    assert parsed.pop("BlockData").content == b"\x00\xff\n"
    assert parsed == {"DataLength": 3, "Checksum": "c=", "ChecksumAlgorithm": "SHA256"}


def test_an_accepted_block_and_a_completion_are_seen_as_they_are() -> None:
    accepted = ebs.PutSnapshotBlockResponse(checksum="c=", checksum_algorithm="SHA256")
    parsed = seen(restjson_responses.encode(accepted, REQUEST_ID), "PutSnapshotBlock")
    assert parsed == {"Checksum": "c=", "ChecksumAlgorithm": "SHA256"}
    completed = ebs.CompleteSnapshotResponse(status="completed")
    assert seen(restjson_responses.encode(completed, REQUEST_ID), "CompleteSnapshot") == {
        "Status": "completed"
    }


ERRORS: list[Any] = [
    pytest.param(
        errors.ValidationError("m", reason=errors.ValidationReason.INVALID_BLOCK),
        {"Error": {"Code": "ValidationException", "Message": "m"}, "Reason": "INVALID_BLOCK", "Message": "m"},
        id="CLIENT-service-error-with-reason",
    ),
    pytest.param(
        errors.AccessDeniedError("User: a"),
        {"Error": {"Code": "AccessDeniedException", "Message": "User: a"}, "Message": "User: a"},
        id="LIVE-denied-without-reason",
    ),
    pytest.param(
        errors.ModelViolationError("v"),
        {"Error": {"Code": "ValidationException", "Message": "1 validation error detected: v"}},
        id="LIVE-model-violation",
    ),
    pytest.param(
        errors.CommonError("ThrottlingException", 400, "Rate exceeded"),
        {"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}},
        id="DOC-throttled",
    ),
]


@pytest.mark.parametrize(("error", "expected"), ERRORS)
def test_an_error_is_seen_with_its_code_message_and_reason(
    error: errors.RequestError, expected: dict[str, Any]
) -> None:
    answer = restjson_responses.encode_error(error, REQUEST_ID)
    assert answer.status == error.status
    assert seen(answer, "StartSnapshot") == expected


SECRET = "no such file: chunk 5f of account 111122223333"
UNSPOKEN: list[tuple[Exception, int, bool]] = [
    (errors.StoreUnavailable(SECRET), 503, True),
    (errors.StoreFull(SECRET), 503, True),
    (errors.Overloaded(SECRET), 503, True),
    (errors.ChunkDamaged(SECRET), 500, False),
    (errors.SegmentMissing(SECRET), 500, False),
    (errors.StoreUnusable(SECRET), 500, False),
    (errors.InvariantError(SECRET), 500, False),
    (errors.SnapshotNotFound(SECRET), 500, False),
    (KeyError(SECRET), 500, False),
    (RecursionError(SECRET), 500, False),
]


@pytest.mark.parametrize(("error", "status", "again"), UNSPOKEN, ids=lambda value: type(value).__name__)
def test_what_is_not_the_callers_fault_is_not_explained_to_it(
    error: Exception, status: int, again: bool
) -> None:
    answer = restjson_responses.encode_error(error, REQUEST_ID)
    assert answer.status == status
    assert SECRET.encode() not in answer.body
    headers = dict(answer.headers)
    assert ("Retry-After" in headers) == again
    if again:
        assert int(headers["x-amz-retry-after"]) == 1000 * int(headers["Retry-After"])


@pytest.mark.parametrize("error_type", [errors.ModelViolationError, errors.ValidationError])
def test_a_message_that_quotes_undecodable_bytes_can_be_sent(
    error_type: type[errors.ModelViolationError | errors.ValidationError],
) -> None:
    answer = restjson_responses.encode_error(error_type("Value '\udcff\ud800' at"), REQUEST_ID)
    assert "Value '??' at" in answer.body.decode()
    json.loads(answer.body)
