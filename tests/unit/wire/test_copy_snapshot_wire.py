"""CopySnapshot on the wire: read as botocore writes it, and its answer as botocore sees it."""

from typing import Any

import botocore.loaders
import botocore.model
import botocore.parsers
import botocore.serialize
import pytest
from botocore.utils import percent_encode_sequence
from hypothesis import given
from hypothesis import strategies as st

from neve.errors import Ec2Error
from neve.messages import ec2
from neve.messages.ebs import Tag
from neve.messages.http import RequestHead
from neve.wire import ec2query, ec2xml

MODEL = botocore.model.ServiceModel(botocore.loaders.Loader().load_service_model("ec2", "service-2"), "ec2")
OPERATION = MODEL.operation_model("CopySnapshot")
POST = RequestHead(method="POST", raw_target="/", headers=[])

texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=10)
tags = st.lists(st.builds(Tag, texts, texts), max_size=12).map(tuple)
MEMBERS = {
    "source_region": "SourceRegion",
    "source_snapshot_id": "SourceSnapshotId",
    "description": "Description",
    "destination_outpost_arn": "DestinationOutpostArn",
    "destination_region": "DestinationRegion",
    "encrypted": "Encrypted",
    "kms_key_id": "KmsKeyId",
    "presigned_url": "PresignedUrl",
    "completion_duration_minutes": "CompletionDurationMinutes",
    "destination_availability_zone": "DestinationAvailabilityZone",
    "dry_run": "DryRun",
}


@given(
    st.builds(
        ec2.CopySnapshotRequest,
        source_region=texts,
        source_snapshot_id=texts,
        description=st.none() | texts,
        destination_outpost_arn=st.none() | texts,
        destination_region=st.none() | texts,
        encrypted=st.booleans(),
        kms_key_id=st.none() | texts,
        presigned_url=st.none() | texts,
        tag_specifications=st.lists(
            st.builds(ec2.TagSpecification, resource_type=texts, tags=tags), max_size=3
        ).map(tuple),
        completion_duration_minutes=st.none() | st.integers(-(10**17), 10**17),
        destination_availability_zone=st.none() | texts,
        dry_run=st.booleans(),
    )
)
def test_a_copy_is_read_as_it_was_meant(message: ec2.CopySnapshotRequest) -> None:
    given_members: dict[str, Any] = {name: getattr(message, member) for member, name in MEMBERS.items()}
    parameters = {name: value for name, value in given_members.items() if value is not None}
    if message.tag_specifications:
        parameters["TagSpecifications"] = [
            {
                "ResourceType": each.resource_type,
                "Tags": [{"Key": tag.key, "Value": tag.value} for tag in each.tags],
            }
            for each in message.tag_specifications
        ]
    serializer = botocore.serialize.create_serializer("ec2", include_validation=False)
    form = percent_encode_sequence(serializer.serialize_to_request(parameters, OPERATION)["body"])
    assert ec2query.decode(POST, form.encode()) == ("CopySnapshot", message)


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        pytest.param("SourceRegion=r", "MissingParameter", id="LIVE-no-source"),
        pytest.param("SourceSnapshotId=s", "MissingParameter", id="DOC-no-region"),
        pytest.param(
            "SourceRegion=r&SourceSnapshotId=s&Encrypted=yes", "InvalidParameterValue", id="DOC-flag"
        ),
        pytest.param(
            "SourceRegion=r&SourceSnapshotId=s&CompletionDurationMinutes=x",
            "InvalidParameterValue",
            id="DOC-number",
        ),
        pytest.param("SourceRegion=r&SourceSnapshotId=s&Tag.1.Key=k", "UnknownParameter", id="DOC-unknown"),
        pytest.param(
            "SourceRegion=r&SourceSnapshotId=s&TagSpecification.1.Tag.1.Value=v",
            "MissingParameter",
            id="DOC-tag",
        ),
        pytest.param(
            "SourceRegion=r&SourceSnapshotId=s&TagSpecification.1.Tag.1.Key.1=k",
            "MissingParameter",
            id="DOC-deep",
        ),
    ],
)
def test_what_cannot_be_read_is_refused(parameters: str, code: str) -> None:
    with pytest.raises(Ec2Error) as caught:
        ec2query.decode(POST, f"Action=CopySnapshot&Version=2016-11-15&{parameters}".encode())
    assert caught.value.code == code


@given(
    tags=tags.filter(lambda each: all(text.isprintable() for tag in each for text in (tag.key, tag.value)))
)
def test_its_answer_is_seen_as_it_is(tags: tuple[Tag, ...]) -> None:
    message = ec2.CopySnapshotResponse(tags=tags, snapshot_id="snap-0123456789abcdef0")
    response = ec2xml.encode("CopySnapshot", message, "11112222-3333-4444-5555-666677778888")
    assert OPERATION.output_shape is not None
    parser: Any = botocore.parsers.create_parser("ec2")
    parsed = parser.parse(
        {"status_code": response.status, "headers": dict(response.headers), "body": response.body},
        OPERATION.output_shape,
    )
    assert parsed["SnapshotId"] == message.snapshot_id
    assert parsed.get("Tags", []) == [{"Key": tag.key, "Value": tag.value} for tag in tags]
