"""The Recycle Bin's JSON: what botocore writes is read, what is refused with which words, and what goes out."""

import json
from collections.abc import Mapping
from typing import Any

import botocore.loaders
import botocore.model
import botocore.parsers
import botocore.serialize
import pytest
from botocore.awsrequest import HeadersDict
from hypothesis import given
from hypothesis import strategies as st

from neve.errors import (
    AccessDeniedError,
    CommonError,
    InvariantError,
    ModelViolationError,
    Overloaded,
    RbinError,
    RbinReason,
    RequestError,
)
from neve.messages import rbin
from neve.messages.http import RequestHead, Response
from neve.wire import rbin_json
from neve.wire.routes import Service, route

SERVICE: Any = botocore.model.ServiceModel(
    botocore.loaders.Loader().load_service_model("rbin", "service-2"), "rbin"
)
REQUEST_ID = "11112222-3333-4444-5555-666677778888"
RULE = "a1B2c3D4e5F"
ARN = f"arn:aws:rbin:us-east-1:111122223333:rule/{RULE}"
PERIOD = {"RetentionPeriodValue": 7, "RetentionPeriodUnit": "DAYS"}
OUR_PERIOD = rbin.RetentionPeriod(retention_period_value=7, retention_period_unit="DAYS")
RESOURCE_TAGS = [{"ResourceTagKey": "a", "ResourceTagValue": "1"}, {"ResourceTagKey": "b"}]
OUR_RESOURCE_TAGS = (
    rbin.ResourceTag(resource_tag_key="a", resource_tag_value="1"),
    rbin.ResourceTag(resource_tag_key="b"),
)

REQUESTS: Mapping[str, tuple[str, dict[str, Any], rbin.RbinRequest]] = {
    "everything": (
        "CreateRule",
        {
            "RetentionPeriod": PERIOD,
            "ResourceType": "EBS_SNAPSHOT",
            "Description": "névé",
            "Tags": [{"Key": "k", "Value": ""}],
            "ResourceTags": RESOURCE_TAGS,
            "ExcludeResourceTags": [{"ResourceTagKey": "x"}],
            "LockConfiguration": {"UnlockDelay": {"UnlockDelayValue": 7, "UnlockDelayUnit": "DAYS"}},
        },
        rbin.CreateRuleRequest(
            retention_period=OUR_PERIOD,
            resource_type="EBS_SNAPSHOT",
            description="névé",
            tags=(rbin.Tag(key="k", value=""),),
            resource_tags=OUR_RESOURCE_TAGS,
            exclude_resource_tags=(rbin.ResourceTag(resource_tag_key="x"),),
            lock_configuration=rbin.LockConfiguration(
                unlock_delay=rbin.UnlockDelay(unlock_delay_value=7, unlock_delay_unit="DAYS")
            ),
        ),
    ),
    "get": ("GetRule", {"Identifier": RULE}, rbin.GetRuleRequest(identifier=RULE)),
    "list": (
        "ListRules",
        {"ResourceType": "EBS_SNAPSHOT", "MaxResults": 5, "NextToken": "0a/1"},
        rbin.ListRulesRequest(resource_type="EBS_SNAPSHOT", max_results=5, next_token="0a/1"),
    ),
    "update": (
        "UpdateRule",
        {"Identifier": RULE, "Description": "", "ResourceTags": []},
        rbin.UpdateRuleRequest(identifier=RULE, description="", resource_tags=()),
    ),
    "delete": ("DeleteRule", {"Identifier": RULE}, rbin.DeleteRuleRequest(identifier=RULE)),
    "unlock": ("UnlockRule", {"Identifier": RULE}, rbin.UnlockRuleRequest(identifier=RULE)),
    "tags": (
        "ListTagsForResource",
        {"ResourceArn": ARN},
        rbin.ListTagsForResourceRequest(resource_arn=ARN),
    ),
    "tag": (
        "TagResource",
        {"ResourceArn": ARN, "Tags": [{"Key": "k", "Value": "v"}]},
        rbin.TagResourceRequest(resource_arn=ARN, tags=(rbin.Tag(key="k", value="v"),)),
    ),
    "untag": (
        "UntagResource",
        {"ResourceArn": ARN, "TagKeys": ["a b", "c/d"]},
        rbin.UntagResourceRequest(resource_arn=ARN, tag_keys=("a b", "c/d")),
    ),
    "untag-nothing": (
        "UntagResource",
        {"ResourceArn": ARN, "TagKeys": ["k"]},
        rbin.UntagResourceRequest(resource_arn=ARN, tag_keys=("k",)),
    ),
}


def sent(operation: str, members: dict[str, Any]) -> tuple[RequestHead, bytes]:
    """Return what botocore sends."""
    serializer = botocore.serialize.create_serializer("rest-json")
    found = serializer.serialize_to_request(members, SERVICE.operation_model(operation))
    target = found["url_path"]
    if query := found["query_string"]:
        pairs = [
            (name, value)
            for name, values in query.items()
            for value in ([values] if isinstance(values, str) else values)
        ]
        target += "?" + "&".join(
            f"{name}={botocore.serialize.percent_encode(value)}" for name, value in pairs
        )
    body = found["body"]
    return RequestHead(method=found["method"], raw_target=target, headers=[]), (
        body.encode() if isinstance(body, str) else bytes(body)
    )


def decoded(head: RequestHead, body: bytes) -> tuple[str, rbin.RbinRequest]:
    found = route(head)
    assert found.service is Service.RBIN
    return rbin_json.decode(found, head, body)


def refusal(line: str, body: bytes = b"") -> RequestError:
    method, target = line.split(" ", 1)
    with pytest.raises(RequestError) as caught:
        decoded(RequestHead(method=method, raw_target=target, headers=[]), body)
    return caught.value


@pytest.mark.parametrize("name", REQUESTS)
def test_what_botocore_sends_is_read_as_it_was_meant(name: str) -> None:
    operation, members, message = REQUESTS[name]
    assert decoded(*sent(operation, members)) == (operation, message)


@pytest.mark.parametrize(
    ("line", "body", "code"),
    [
        ("POST /rules", b"{", "SerializationException"),
        ("POST /rules", b"[]", "SerializationException"),
        ("POST /rules", b'{"Retention": 7}', "SerializationException"),
        ("POST /rules?Description=x", b"{}", "SerializationException"),
        (f"GET /rules/{RULE}", b'{"Identifier": "x"}', "SerializationException"),
        (f"DELETE /tags/{ARN.replace('/', '%2F')}?tagkeys=k", b"", "SerializationException"),
        ("POST /rules", b'{"Description": "\\ud800"}', "SerializationException"),
        ("POST /rules", b'{"Description": 7}', "SerializationException"),
    ],
)
def test_what_the_model_does_not_have_is_refused(line: str, body: bytes, code: str) -> None:
    found = refusal(line, body)
    assert isinstance(found, CommonError)
    assert (found.code, found.status) == (code, 400)


@pytest.mark.parametrize(
    ("line", "body", "told"),
    [
        ("POST /rules", b"{}", "retentionPeriod"),
        ("POST /rules", b'{"ResourceType": "EBS"}', "enum value set"),
        ("GET /rules/short", b"", "identifier"),
        ("GET /rules/%C3%A9bcdefghijk", b"", "identifier"),
        ("GET /tags/arn%3Aaws", b"", "resourceArn"),
        (f"DELETE /tags/{ARN.replace('/', '%2F')}", b"", "tagKeys"),
        (f"PATCH /rules/{RULE}", b'{"RetentionPeriod": {"RetentionPeriodValue": 0}}', "retentionPeriodValue"),
    ],
)
def test_what_breaks_the_model_is_named(line: str, body: bytes, told: str) -> None:
    found = refusal(line, body)
    assert isinstance(found, ModelViolationError)
    assert told in found.message


def test_parameters_of_a_presigned_request_are_the_signatures() -> None:
    head = RequestHead(method="GET", raw_target=f"/rules/{RULE}?X-Amz-Signature=ab&X-Amz-Date=c", headers=[])
    assert decoded(head, b"")[0] == "GetRule"


@given(
    st.sampled_from(["POST /rules", "POST /list-rules", f"PATCH /rules/{RULE}", f"PATCH /rules/{RULE}/lock"]),
    st.binary(max_size=40)
    | st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5),
                   lambda inner: st.lists(inner, max_size=3)
                   | st.dictionaries(st.sampled_from(["RetentionPeriod", "ResourceTags", "ResourceType", "x"]), inner),
                   max_leaves=8).map(lambda value: json.dumps(value).encode()),
)  # fmt: skip
def test_whatever_is_sent_is_read_or_refused(line: str, body: bytes) -> None:
    method, target = line.split()
    try:
        decoded(RequestHead(method=method, raw_target=target, headers=[]), body)
    except RequestError as error:
        assert error.status == 400  # noqa: PT017 - nothing else may come of it


# --- answers


def seen(response: Response, operation: str) -> dict[str, Any]:
    """Return what botocore makes of an answer."""
    given = {
        "body": response.body,
        "headers": HeadersDict(dict(response.headers)),
        "status_code": response.status,
    }
    shape: Any = SERVICE.operation_model(operation).output_shape
    parsed: dict[str, Any] = botocore.parsers.create_parser("rest-json").parse(given, shape)
    metadata = parsed.pop("ResponseMetadata")
    assert metadata["RequestId"] == REQUEST_ID
    return parsed


def test_a_rule_is_read_by_botocore_as_it_is() -> None:
    message = rbin.GetRuleResponse(
        identifier=RULE,
        description="",
        resource_type="EBS_SNAPSHOT",
        retention_period=OUR_PERIOD,
        resource_tags=OUR_RESOURCE_TAGS,
        status="available",
        rule_arn=ARN,
        exclude_resource_tags=(),
    )
    answer = rbin_json.encode("GetRule", message, REQUEST_ID)
    assert answer.status == 200
    assert seen(answer, "GetRule") == {
        "Identifier": RULE,
        "Description": "",
        "ResourceType": "EBS_SNAPSHOT",
        "RetentionPeriod": PERIOD,
        "ResourceTags": RESOURCE_TAGS,
        "Status": "available",
        "RuleArn": ARN,
        "ExcludeResourceTags": [],
    }


def test_a_list_is_read_by_botocore_as_it_is() -> None:
    summary = rbin.RuleSummary(identifier=RULE, description="d", retention_period=OUR_PERIOD, rule_arn=ARN)
    answer = rbin_json.encode(
        "ListRules", rbin.ListRulesResponse(rules=(summary,), next_token="0a/1"), REQUEST_ID
    )
    assert seen(answer, "ListRules") == {
        "Rules": [{"Identifier": RULE, "Description": "d", "RetentionPeriod": PERIOD, "RuleArn": ARN}],
        "NextToken": "0a/1",
    }


@pytest.mark.parametrize(
    ("operation", "status", "body"),
    [("DeleteRule", 204, b""), ("UntagResource", 204, b""), ("TagResource", 201, b"{}")],
)
def test_nothing_is_said_with_the_models_status(operation: str, status: int, body: bytes) -> None:
    answer = rbin_json.encode(operation, rbin.EmptyResponse(), REQUEST_ID)
    assert (answer.status, answer.body) == (status, body)
    named = {name for name, _ in answer.headers}
    assert ("Content-Length" in named) == (status != 204)
    assert seen(answer, operation) == {}


@pytest.mark.parametrize(
    ("error", "status", "code", "told"),
    [
        (
            RbinError("ResourceNotFoundException", "none", reason=RbinReason.RULE_NOT_FOUND, status=404),
            404,
            "ResourceNotFoundException",
            {"Message": "none", "Reason": "RULE_NOT_FOUND"},
        ),
        (
            RbinError("ValidationException", "a \ud800", reason=RbinReason.INVALID_PARAMETER_VALUE),
            400,
            "ValidationException",
            {"Message": "a ?", "Reason": "INVALID_PARAMETER_VALUE"},
        ),
        (AccessDeniedError("no"), 403, "AccessDeniedException", {"Message": "no"}),
        (
            CommonError("SerializationException", 400, "bad"),
            400,
            "SerializationException",
            {"message": "bad"},
        ),
        (Overloaded("busy"), 503, "ServiceUnavailable", {"message": "The service is busy."}),
        (
            InvariantError("secret"),
            500,
            "InternalServerException",
            {"Message": "An internal error occurred."},
        ),
    ],
)
def test_an_error_is_the_models(error: Exception, status: int, code: str, told: dict[str, str]) -> None:
    answer = rbin_json.encode_error(error, REQUEST_ID)
    headers = dict(answer.headers)
    assert (answer.status, headers["x-amzn-ErrorType"].partition(":")[0]) == (status, code)
    assert json.loads(answer.body) == told
