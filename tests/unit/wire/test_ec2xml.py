"""EC2 answers read back by botocore's own parser, and never malformed, whatever a tag holds."""

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.loaders
import botocore.model
import botocore.parsers
import pytest
from botocore.awsrequest import HeadersDict
from hypothesis import example, given
from hypothesis import strategies as st

from neve import errors
from neve.messages import ec2
from neve.messages.ebs import Tag
from neve.messages.http import Response
from neve.wire import ec2xml

MODEL = botocore.model.ServiceModel(botocore.loaders.Loader().load_service_model("ec2", "service-2"), "ec2")
REQUEST_ID = "11112222-3333-4444-5555-666677778888"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

carried = st.text(
    alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\ufffe\uffff").filter(
        lambda character: character >= " " or character in "\t\n\r"
    ),
    max_size=12,
)
moments = st.integers(0, 4_102_444_800_000)


def seen(response: Response, action: str) -> dict[str, Any]:
    """Return what botocore makes of an answer."""
    shape: Any = MODEL.operation_model(action).output_shape
    parser = botocore.parsers.create_parser("ec2")
    headers = HeadersDict(dict(response.headers))
    assert headers["Content-Length"] == str(len(response.body))
    assert headers["Content-Type"] == "text/xml;charset=UTF-8"
    answer = {"body": response.body, "headers": headers, "status_code": response.status}
    parsed: dict[str, Any] = parser.parse(answer, shape)
    assert parsed.pop("ResponseMetadata")["RequestId"] == REQUEST_ID
    return parsed


def present(**members: object) -> dict[str, object]:
    return {name: value for name, value in members.items() if value is not None}


def when(time_ms: int | None) -> datetime | None:
    return None if time_ms is None else EPOCH + timedelta(milliseconds=time_ms)


descriptions = st.builds(
    ec2.SnapshotDescription,
    snapshot_id=carried,
    volume_id=st.just("vol-ffffffff"),
    state=st.sampled_from(["pending", "completed", "error"]),
    state_message=st.none() | carried.filter(bool),
    start_time_ms=moments,
    progress=st.sampled_from(["0%", "100%"]),
    owner_id=st.just("111122223333"),
    volume_size=st.integers(1, 65_536),
    description=carried,
    encrypted=st.booleans(),
    kms_key_id=st.none() | carried.filter(bool),
    tags=st.lists(st.builds(Tag, carried, carried), max_size=3).map(tuple),
    storage_tier=st.just("standard"),
    transfer_type=st.just("standard"),
    completion_time_ms=st.none() | moments,
    full_snapshot_size_in_bytes=st.none() | st.integers(0, 2**46),
)


@given(st.lists(descriptions, max_size=3), st.none() | carried.filter(bool))
def test_described_snapshots_are_seen_as_they_are(
    snapshots: list[ec2.SnapshotDescription], token: str | None
) -> None:
    message = ec2.DescribeSnapshotsResponse(snapshots=tuple(snapshots), next_token=token)
    parsed = seen(ec2xml.encode("DescribeSnapshots", message, REQUEST_ID), "DescribeSnapshots")
    expected = [
        present(
            SnapshotId=each.snapshot_id,
            VolumeId=each.volume_id,
            State=each.state,
            StateMessage=each.state_message,
            StartTime=when(each.start_time_ms),
            Progress=each.progress,
            OwnerId=each.owner_id,
            VolumeSize=each.volume_size,
            Description=each.description,
            Encrypted=each.encrypted,
            KmsKeyId=each.kms_key_id,
            Tags=[{"Key": tag.key, "Value": tag.value} for tag in each.tags] or None,
            StorageTier=each.storage_tier,
            TransferType=each.transfer_type,
            CompletionTime=when(each.completion_time_ms),
            FullSnapshotSizeInBytes=each.full_snapshot_size_in_bytes,
        )
        for each in snapshots
    ]
    assert parsed == present(Snapshots=expected, NextToken=token)


@given(st.lists(st.builds(ec2.TagDescription, key=carried, resource_id=carried, resource_type=st.just("snapshot"),
                          value=carried), max_size=3), st.none() | carried.filter(bool))  # fmt: skip
def test_described_tags_are_seen_as_they_are(tags: list[ec2.TagDescription], token: str | None) -> None:
    message = ec2.DescribeTagsResponse(tags=tuple(tags), next_token=token)
    parsed = seen(ec2xml.encode("DescribeTags", message, REQUEST_ID), "DescribeTags")
    expected = [
        {
            "Key": each.key,
            "ResourceId": each.resource_id,
            "ResourceType": each.resource_type,
            "Value": each.value,
        }
        for each in tags
    ]
    assert parsed == present(Tags=expected, NextToken=token)


permissions = st.lists(
    st.builds(ec2.CreateVolumePermission, user_id=carried.filter(bool))
    | st.just(ec2.CreateVolumePermission(group="all")),
    max_size=3,
).map(tuple)
product_codes = st.lists(
    st.builds(ec2.ProductCode, product_code_id=carried, product_code_type=st.just("marketplace")), max_size=2
).map(tuple)


@given(permissions)
def test_permissions_are_seen_as_they_are(permissions: tuple[ec2.CreateVolumePermission, ...]) -> None:
    message = ec2.DescribeSnapshotAttributeResponse(
        snapshot_id="snap-0", create_volume_permissions=permissions
    )
    parsed = seen(
        ec2xml.encode("DescribeSnapshotAttribute", message, REQUEST_ID), "DescribeSnapshotAttribute"
    )
    expected = [present(UserId=each.user_id, Group=each.group) for each in permissions]
    assert parsed == {"SnapshotId": "snap-0", "CreateVolumePermissions": expected}


@given(product_codes)
def test_product_codes_are_seen_as_they_are(product_codes: tuple[ec2.ProductCode, ...]) -> None:
    message = ec2.DescribeSnapshotAttributeResponse(snapshot_id="snap-0", product_codes=product_codes)
    parsed = seen(
        ec2xml.encode("DescribeSnapshotAttribute", message, REQUEST_ID), "DescribeSnapshotAttribute"
    )
    expected = [
        {"ProductCodeId": each.product_code_id, "ProductCodeType": each.product_code_type}
        for each in product_codes
    ]
    assert parsed == {"SnapshotId": "snap-0", "ProductCodes": expected}


@pytest.mark.parametrize("enabled", [False, True])
@pytest.mark.parametrize("action", ["EnableEbsEncryptionByDefault", "DisableEbsEncryptionByDefault"])
def test_a_changed_default_is_seen_as_it_is(action: str, enabled: bool) -> None:
    message = ec2.EbsEncryptionByDefaultResponse(ebs_encryption_by_default=enabled)
    parsed = seen(ec2xml.encode(action, message, REQUEST_ID), action)
    assert parsed == {"EbsEncryptionByDefault": enabled}


@pytest.mark.parametrize(("enabled", "sse_type"), [(False, "none"), (True, "sse-kms")])
def test_the_default_is_seen_as_it_is(enabled: bool, sse_type: str) -> None:
    action = "GetEbsEncryptionByDefault"
    message = ec2.GetEbsEncryptionByDefaultResponse(ebs_encryption_by_default=enabled, sse_type=sse_type)
    parsed = seen(ec2xml.encode(action, message, REQUEST_ID), action)
    assert parsed == {"EbsEncryptionByDefault": enabled, "SseType": sse_type}


@pytest.mark.parametrize(
    "action", ["GetEbsDefaultKmsKeyId", "ModifyEbsDefaultKmsKeyId", "ResetEbsDefaultKmsKeyId"]
)
def test_a_default_key_is_seen_as_it_is(action: str) -> None:
    message = ec2.EbsDefaultKmsKeyIdResponse(kms_key_id="alias/aws/ebs")
    assert seen(ec2xml.encode(action, message, REQUEST_ID), action) == {"KmsKeyId": "alias/aws/ebs"}


@pytest.mark.parametrize(
    "action",
    ["DeleteSnapshot", "CreateTags", "DeleteTags", "ModifySnapshotAttribute", "ResetSnapshotAttribute"],
)
def test_a_call_that_answers_nothing_says_true(action: str) -> None:
    answer = ec2xml.encode(action, ec2.VoidResponse(), REQUEST_ID)
    assert answer.body.decode() == (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
        f"<requestId>{REQUEST_ID}</requestId><return>true</return></{action}Response>"
    )
    assert seen(answer, action) == {}


@given(st.text(max_size=20))
@example("\x00\x1f\ud800\udfff\ufffe\uffff")
@example("]]> &amp; <!-- <?xml")
def test_whatever_a_tag_holds_the_answer_is_well_formed(text: str) -> None:
    tag = ec2.TagDescription(key=text, resource_id="snap-0", resource_type="snapshot", value=text)
    answer = ec2xml.encode("DescribeTags", ec2.DescribeTagsResponse(tags=(tag,), next_token=None), REQUEST_ID)
    root = ET.fromstring(answer.body)  # noqa: S314 - our own document
    (value,) = root.iter("{http://ec2.amazonaws.com/doc/2016-11-15/}value")
    read = value.text or ""
    assert len(read) == len(text)
    assert all(got in {sent, "\ufffd"} for got, sent in zip(read, text, strict=True))


ERRORS: list[Any] = [
    (
        errors.Ec2Error("InvalidSnapshot.NotFound", "The snapshot 'a' does not exist."),
        "InvalidSnapshot.NotFound",
        400,
    ),
    (errors.Ec2Error("DryRunOperation", "yes", status=412), "DryRunOperation", 412),
    (errors.AccessDeniedError("User: a"), "UnauthorizedOperation", 403),
    (errors.CommonError("ThrottlingException", 400, "Rate exceeded"), "RequestLimitExceeded", 503),
    (errors.CommonError("RequestEntityTooLargeException", 413, "too large"), "RequestEntityTooLarge", 413),
    (errors.CommonError("ServiceUnavailable", 503, "busy", retry_after_s=7), "Unavailable", 503),
    (errors.Overloaded("secret"), "Unavailable", 503),
    (errors.StoreFull("secret"), "Unavailable", 503),
    (errors.ChunkDamaged("secret"), "InternalError", 500),
    (errors.SnapshotNotFound("secret"), "InternalError", 500),
    (ZeroDivisionError("secret"), "InternalError", 500),
]


@pytest.mark.parametrize(("error", "code", "status"), ERRORS, ids=lambda value: getattr(value, "code", None))
def test_an_error_is_seen_with_its_code(error: Exception, code: str, status: int) -> None:
    answer = ec2xml.encode_error(error, REQUEST_ID)
    assert answer.status == status
    told = seen(answer, "DescribeSnapshots")["Error"]
    assert told["Code"] == code
    assert "secret" not in told["Message"]
    if status == 503:
        assert int(dict(answer.headers)["Retry-After"]) in {1, 5, 7}


def test_an_error_looks_as_it_does_live() -> None:
    error = errors.Ec2Error("InvalidAction", "The action <x> is not valid for this web service.")
    assert ec2xml.encode_error(error, REQUEST_ID).body.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error><Code>InvalidAction</Code>'
        "<Message>The action &lt;x&gt; is not valid for this web service.</Message></Error></Errors>"
        f"<RequestID>{REQUEST_ID}</RequestID></Response>"
    )
