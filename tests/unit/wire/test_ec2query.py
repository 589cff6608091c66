"""EC2 parameters: what botocore writes is read as it was meant, and what nobody understands is refused by name."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import botocore.loaders
import botocore.model
import botocore.serialize
import pytest
from botocore.utils import percent_encode_sequence
from hypothesis import given
from hypothesis import strategies as st

from neve.errors import Ec2Error, RequestError
from neve.messages import ec2
from neve.messages.ebs import Tag
from neve.messages.ec2_lifecycle import LifecycleRequest
from neve.messages.http import RequestHead
from neve.wire import ec2query, ec2xml
from neve.wire.query_parameters import Parameters

MODEL = botocore.model.ServiceModel(botocore.loaders.Loader().load_service_model("ec2", "service-2"), "ec2")
POST = RequestHead(
    method="POST",
    raw_target="/",
    headers=[("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")],
)
VERSION = "Version=2016-11-15"
SNAPSHOT = "snap-0123456789abcdef0"

texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=10)
some_texts = st.lists(texts, max_size=12).map(tuple)
filters = st.lists(
    st.builds(ec2.Filter, texts, st.lists(texts, min_size=1, max_size=12).map(tuple)), max_size=3
).map(tuple)
integers = st.none() | st.integers(-(10**17), 10**17)


def written(action: str, parameters: Mapping[str, Any]) -> bytes:
    """Return the form body botocore sends."""
    serializer = botocore.serialize.create_serializer("ec2", include_validation=False)
    request = serializer.serialize_to_request(dict(parameters), MODEL.operation_model(action))
    form: str = percent_encode_sequence(request["body"])
    return form.encode()


def read(body: bytes | str, head: RequestHead = POST) -> ec2.Ec2Request | LifecycleRequest:
    return ec2query.decode(head, body.encode() if isinstance(body, str) else body)[1]


def refusal(body: bytes | str, head: RequestHead = POST) -> Ec2Error:
    with pytest.raises(Ec2Error) as caught:
        read(body, head)
    return caught.value


def filter_parameters(message: tuple[ec2.Filter, ...]) -> list[dict[str, object]]:
    return [{"Name": each.name, "Values": list(each.values)} for each in message]


@given(
    st.builds(
        ec2.DescribeSnapshotsRequest,
        max_results=integers,
        next_token=st.none() | texts,
        owner_ids=some_texts,
        restorable_by_user_ids=some_texts,
        snapshot_ids=some_texts,
        dry_run=st.booleans(),
        filters=filters,
    )
)
def test_describe_snapshots_is_read_as_it_was_meant(message: ec2.DescribeSnapshotsRequest) -> None:
    parameters = {
        "OwnerIds": list(message.owner_ids),
        "RestorableByUserIds": list(message.restorable_by_user_ids),
        "SnapshotIds": list(message.snapshot_ids),
        "DryRun": message.dry_run,
        "Filters": filter_parameters(message.filters),
        **({} if message.max_results is None else {"MaxResults": message.max_results}),
        **({} if message.next_token is None else {"NextToken": message.next_token}),
    }
    assert read(written("DescribeSnapshots", parameters)) == message


@given(
    st.builds(
        ec2.CreateTagsRequest, resources=some_texts, tags=st.lists(st.builds(Tag, texts, texts)).map(tuple)
    )
)
def test_create_tags_is_read_as_it_was_meant(message: ec2.CreateTagsRequest) -> None:
    parameters = {
        "Resources": list(message.resources),
        "Tags": [{"Key": tag.key, "Value": tag.value} for tag in message.tags],
    }
    assert read(written("CreateTags", parameters)) == message


@given(
    st.builds(
        ec2.DeleteTagsRequest,
        resources=some_texts,
        tags=st.lists(st.builds(ec2.TagSelector, texts, st.none() | texts)).map(tuple),
    )
)
def test_delete_tags_tells_no_value_from_an_empty_one(message: ec2.DeleteTagsRequest) -> None:
    parameters = {
        "Resources": list(message.resources),
        "Tags": [
            {"Key": tag.key} | ({} if tag.value is None else {"Value": tag.value}) for tag in message.tags
        ],
    }
    assert read(written("DeleteTags", parameters)) == message


@given(
    st.builds(
        ec2.DescribeTagsRequest,
        filters=filters,
        max_results=integers,
        next_token=st.none() | texts,
        dry_run=st.booleans(),
    )
)
def test_describe_tags_is_read_as_it_was_meant(message: ec2.DescribeTagsRequest) -> None:
    parameters = {
        "Filters": filter_parameters(message.filters),
        "DryRun": message.dry_run,
        **({} if message.max_results is None else {"MaxResults": message.max_results}),
        **({} if message.next_token is None else {"NextToken": message.next_token}),
    }
    assert read(written("DescribeTags", parameters)) == message


@given(texts, st.booleans())
def test_delete_snapshot_is_read_as_it_was_meant(snapshot_id: str, dry_run: bool) -> None:
    body = written("DeleteSnapshot", {"SnapshotId": snapshot_id, "DryRun": dry_run})
    assert ec2query.decode(POST, body) == (
        "DeleteSnapshot",
        ec2.DeleteSnapshotRequest(snapshot_id=snapshot_id, dry_run=dry_run),
    )


def permission_parameters(message: tuple[ec2.CreateVolumePermission, ...]) -> list[dict[str, str]]:
    named = [{"UserId": each.user_id, "Group": each.group} for each in message]
    return [{key: text for key, text in each.items() if text is not None} for each in named]


permissions = st.lists(
    st.builds(ec2.CreateVolumePermission, user_id=texts) | st.builds(ec2.CreateVolumePermission, group=texts),
    max_size=12,
).map(tuple)


@given(
    st.builds(
        ec2.ModifySnapshotAttributeRequest,
        snapshot_id=texts,
        attribute=st.none() | texts,
        create_volume_permission=st.builds(
            ec2.CreateVolumePermissionModifications, add=permissions, remove=permissions
        ),
        group_names=some_texts,
        operation_type=st.none() | texts,
        user_ids=some_texts,
        dry_run=st.booleans(),
    )
)
def test_a_change_of_permissions_is_read_as_it_was_meant(message: ec2.ModifySnapshotAttributeRequest) -> None:
    modifications = {
        "Add": permission_parameters(message.create_volume_permission.add),
        "Remove": permission_parameters(message.create_volume_permission.remove),
    }
    parameters = {
        "SnapshotId": message.snapshot_id,
        "CreateVolumePermission": {key: named for key, named in modifications.items() if named},
        "GroupNames": list(message.group_names),
        "UserIds": list(message.user_ids),
        "DryRun": message.dry_run,
    }
    given = {"Attribute": message.attribute, "OperationType": message.operation_type}
    parameters |= {key: text for key, text in given.items() if text is not None}
    assert read(written("ModifySnapshotAttribute", parameters)) == message


@pytest.mark.parametrize(
    ("action", "make"),
    [
        ("DescribeSnapshotAttribute", ec2.DescribeSnapshotAttributeRequest),
        ("ResetSnapshotAttribute", ec2.ResetSnapshotAttributeRequest),
    ],
)
@given(text=texts, attribute=texts, dry_run=st.booleans())
def test_a_question_about_an_attribute_is_read_as_it_was_meant(
    action: str, make: Any, text: str, attribute: str, dry_run: bool
) -> None:
    body = written(action, {"SnapshotId": text, "Attribute": attribute, "DryRun": dry_run})
    assert read(body) == make(snapshot_id=text, attribute=attribute, dry_run=dry_run)


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    ("action", "make"),
    [
        ("EnableEbsEncryptionByDefault", ec2.EnableEbsEncryptionByDefaultRequest),
        ("DisableEbsEncryptionByDefault", ec2.DisableEbsEncryptionByDefaultRequest),
        ("GetEbsEncryptionByDefault", ec2.GetEbsEncryptionByDefaultRequest),
        ("GetEbsDefaultKmsKeyId", ec2.GetEbsDefaultKmsKeyIdRequest),
        ("ResetEbsDefaultKmsKeyId", ec2.ResetEbsDefaultKmsKeyIdRequest),
    ],
)
def test_a_call_about_the_account_is_read_as_it_was_meant(action: str, make: Any, dry_run: bool) -> None:
    assert read(written(action, {"DryRun": dry_run})) == make(dry_run=dry_run)


@given(texts, st.booleans())
def test_a_default_key_is_read_as_it_was_meant(name: str, dry_run: bool) -> None:
    body = written("ModifyEbsDefaultKmsKeyId", {"KmsKeyId": name, "DryRun": dry_run})
    assert read(body) == ec2.ModifyEbsDefaultKmsKeyIdRequest(kms_key_id=name, dry_run=dry_run)


@given(texts)
def test_a_form_and_a_query_say_the_same(text: str) -> None:
    parameters = f"Action=DeleteSnapshot&{VERSION}&SnapshotId={quote(text, safe='')}"
    head = RequestHead(method="GET", raw_target=f"/?{parameters}", headers=[])
    assert read(b"", head) == read(parameters)


def test_a_plus_is_a_blank_in_a_form_and_a_plus_in_a_query() -> None:
    parameters = f"Action=DeleteSnapshot&{VERSION}&SnapshotId=a+b"
    head = RequestHead(method="GET", raw_target=f"/?{parameters}", headers=[])
    assert read(parameters) == ec2.DeleteSnapshotRequest(snapshot_id="a b")
    assert read(b"", head) == ec2.DeleteSnapshotRequest(snapshot_id="a+b")


def test_the_parameters_of_a_presigned_query_are_not_the_actions() -> None:
    target = f"/?Action=DeleteSnapshot&{VERSION}&SnapshotId=a&X-Amz-Algorithm=x&X-Amz-Signature=y"
    head = RequestHead(method="GET", raw_target=target, headers=[])
    assert read(b"", head) == ec2.DeleteSnapshotRequest(snapshot_id="a")


def test_lists_are_in_the_order_of_their_numbers() -> None:
    body = f"Action=DescribeSnapshots&{VERSION}&SnapshotId.10=c&SnapshotId.2=b&SnapshotId.1=a"
    assert read(body) == ec2.DescribeSnapshotsRequest(snapshot_ids=("a", "b", "c"))


REFUSALS: list[Any] = [
    ("CLIENT-no-action", "", "MissingAction"),
    ("CLIENT-empty-action", f"Action=&{VERSION}", "MissingAction"),
    ("DOC-other-action", f"Action=CreateSnapshot&{VERSION}", "InvalidAction"),
    ("DOC-action-in-lower-case", f"Action=describesnapshots&{VERSION}", "InvalidAction"),
    ("INFERRED-no-version", "Action=DescribeSnapshots", "MissingParameter"),
    ("INFERRED-other-version", "Action=DescribeSnapshots&Version=2014-10-01", "NoSuchVersion"),
    ("DOC-unknown-parameter", f"Action=DescribeSnapshots&{VERSION}&Colour=red", "UnknownParameter"),
    ("DOC-unknown-list-member", f"Action=DescribeSnapshots&{VERSION}&Filter.1.Name=a&Filter.1.X=b", "UnknownParameter"),
    ("DOC-parameter-of-another-action", f"Action=DeleteSnapshot&{VERSION}&SnapshotId=a&Owner.1=b", "UnknownParameter"),
    ("DOC-list-without-number", f"Action=DescribeSnapshots&{VERSION}&SnapshotId=a", "UnknownParameter"),
    ("DOC-list-from-zero", f"Action=DescribeSnapshots&{VERSION}&SnapshotId.0=a", "UnknownParameter"),
    ("DOC-list-with-member", f"Action=DescribeSnapshots&{VERSION}&SnapshotId.member.1=a", "UnknownParameter"),
    ("DOC-list-with-other-digits", f"Action=DescribeSnapshots&{VERSION}&SnapshotId.%D9%A1=a", "UnknownParameter"),
    ("DOC-value-where-a-list-is", f"Action=DescribeSnapshots&{VERSION}&Filter.1=a", "MissingParameter"),
    ("DOC-deep-name", f"Action=DescribeSnapshots&{VERSION}&Filter.1.Name=a&Filter.1.Value.1.2.3=b", "UnknownParameter"),
    ("DOC-scalar-with-number", f"Action=DeleteSnapshot&{VERSION}&SnapshotId=a&SnapshotId.1=b", "UnknownParameter"),
    ("DOC-no-snapshot-id", f"Action=DeleteSnapshot&{VERSION}", "MissingParameter"),
    ("DOC-filter-without-name", f"Action=DescribeTags&{VERSION}&Filter.1.Value.1=a", "MissingParameter"),
    ("LIVE-no-attribute", f"Action=DescribeSnapshotAttribute&{VERSION}&SnapshotId=a", "MissingParameter"),
    ("LIVE-no-attribute-to-reset", f"Action=ResetSnapshotAttribute&{VERSION}&SnapshotId=a", "MissingParameter"),
    ("DOC-no-default-key", f"Action=ModifyEbsDefaultKmsKeyId&{VERSION}", "MissingParameter"),
    ("DOC-permission-of-nobody", f"Action=ModifySnapshotAttribute&{VERSION}&SnapshotId=a&CreateVolumePermission.Add.1=b", "UnknownParameter"),
    ("DOC-permission-set", f"Action=ModifySnapshotAttribute&{VERSION}&SnapshotId=a&CreateVolumePermission.Set.1.Group=all", "UnknownParameter"),
    ("DOC-setting-with-a-value", f"Action=EnableEbsEncryptionByDefault&{VERSION}&Enabled=false", "UnknownParameter"),
    ("DOC-tag-without-key", f"Action=CreateTags&{VERSION}&ResourceId.1=a&Tag.1.Value=b", "MissingParameter"),
    ("INFERRED-number-words", f"Action=DescribeSnapshots&{VERSION}&MaxResults=many", "InvalidParameterValue"),
    ("INFERRED-number-empty", f"Action=DescribeSnapshots&{VERSION}&MaxResults=", "InvalidParameterValue"),
    ("INFERRED-number-plus", f"Action=DescribeSnapshots&{VERSION}&MaxResults=%2B5", "InvalidParameterValue"),
    ("INFERRED-number-other-digits", f"Action=DescribeSnapshots&{VERSION}&MaxResults=%D9%A5", "InvalidParameterValue"),
    ("INFERRED-number-huge", f"Action=DescribeSnapshots&{VERSION}&MaxResults={'9' * 5000}", "InvalidParameterValue"),
    ("INFERRED-flag-words", f"Action=DescribeSnapshots&{VERSION}&DryRun=perhaps", "InvalidParameterValue"),
    ("INFERRED-flag-number", f"Action=DescribeSnapshots&{VERSION}&DryRun=1", "InvalidParameterValue"),
    ("INFERRED-given-twice", f"Action=DeleteSnapshot&{VERSION}&SnapshotId=a&SnapshotId=b", "MalformedQueryString"),
    ("INFERRED-action-twice", f"Action=DeleteSnapshot&Action=DescribeTags&{VERSION}", "MalformedQueryString"),
    ("INFERRED-broken-encoding", f"Action=DescribeTags&{VERSION}&NextToken=%2", "MalformedQueryString"),
    ("INFERRED-not-utf-8", f"Action=DescribeTags&{VERSION}&NextToken=%ff", "MalformedQueryString"),
    ("INFERRED-raw-bytes", b"Action=DescribeTags&NextToken=\xc3\xa9", "MalformedQueryString"),
    ("INFERRED-raw-blank", b"Action=DescribeTags &Version=2016-11-15", "MalformedQueryString"),
    ("INFERRED-json", '{"Action":"DescribeTags"}', "MissingAction"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "code"), [pytest.param(*row[1:], id=row[0]) for row in REFUSALS])
def test_what_is_no_request_is_refused(body: str | bytes, code: str) -> None:
    assert (refusal(body).code, refusal(body).status) == (code, 400)


def test_the_words_of_a_refusal() -> None:
    assert refusal(f"Action=CreateVolume&{VERSION}").message == (
        "The action CreateVolume is not valid for this web service."
    )
    assert (
        refusal(f"Action=DeleteSnapshot&{VERSION}").message
        == "The request must contain the parameter SnapshotId"
    )
    assert refusal(f"Action=CreateTags&{VERSION}&Tag.3.Value=x").message == (
        "The request must contain the parameter Tag.3.Key"
    )
    assert refusal(f"Action=DescribeTags&{VERSION}&Filter.1.Name=a&Filter.1.Value.x=b").message == (
        "The parameter Filter.1.Value.x is not recognized"
    )
    assert refusal(f"Action=DescribeTags&{VERSION}&MaxResults=many").message == (
        "Value ( many ) for parameter maxResults is invalid. Expecting an integer."
    )


def test_one_parameter_may_not_stand_in_the_query_and_in_the_form() -> None:
    head = RequestHead(method="POST", raw_target="/?Action=DescribeTags", headers=[])
    assert refusal(f"Action=DescribeTags&{VERSION}", head).code == "MalformedQueryString"
    assert read(VERSION, head) == ec2.DescribeTagsRequest()


names = st.lists(
    st.sampled_from(
        ["Action", "Version", "Filter", "Tag", "Name", "Value", "Key", "1", "2", "", "SnapshotId"]
    )
    | texts,
    max_size=6,
).map(".".join)
pieces = st.tuples(names, texts | st.sampled_from(sorted(ec2query._ACTIONS)))


@given(st.lists(pieces, max_size=8) | st.just([]), st.binary(max_size=60) | st.just(b""))
def test_whatever_the_form_holds_the_answer_is_clean(drawn: list[tuple[str, str]], tail: bytes) -> None:
    form = f"Action=DescribeTags&{VERSION}&" + "&".join(
        f"{quote(name)}={quote(text)}" for name, text in drawn
    )
    for body in (form.encode(), form.encode() + tail, tail):
        statuses = set()
        try:
            ec2query.decode(POST, body)
        except RequestError as told:
            statuses.add(ec2xml.encode_error(told, "id").status)
        assert statuses <= {400}


# --- times


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        pytest.param("2030-01-02T03:04:05Z", 1_893_553_445_000, id="CLIENT-boto3"),
        pytest.param("2030-01-02T03:04:05.678Z", 1_893_553_445_678, id="CLIENT-javascript"),
        pytest.param("2030-01-02T03:04:05.678901Z", 1_893_553_445_678, id="CLIENT-boto3-microseconds"),
        pytest.param("2030-01-02T05:04:05+02:00", 1_893_553_445_000, id="INFERRED-offset"),
        pytest.param("1969-12-31T23:59:59.999Z", -1, id="INFERRED-before-the-epoch"),
    ],
)
def test_a_time_is_read_to_the_millisecond(text: str, time_ms: int) -> None:
    parameters = Parameters()
    parameters.put("ExpirationDate", text)
    assert parameters.time_ms("ExpirationDate") == time_ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2030-01-02",
        "2030-01-02T03:04:05",
        "2030-02-30T03:04:05Z",
        "2030-01-02T24:04:05Z",
        "0000-01-02T03:04:05Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "2030-01-02T03:04:05+99:99",
        "1893553445",
        "٢٠٣٠-01-02T03:04:05Z",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    parameters = Parameters()
    parameters.put("ExpirationDate", text)
    with pytest.raises(Ec2Error) as caught:
        parameters.time_ms("ExpirationDate")
    assert (caught.value.code, "expirationDate" in caught.value.message) == ("InvalidParameterValue", True)
