"""Which operation a request line names (contract 1.2), and that everything else names none."""

import pytest

from neve.errors import CommonError
from neve.messages.http import RequestHead
from neve.wire.routes import EBS_OPERATIONS, Route, Service, route

SNAPSHOT = "snap-0123456789abcdef0"


def routed(line: str, *headers: tuple[str, str], base_path: str = "") -> Route:
    method, _, raw_target = line.partition(" ")
    head = RequestHead(method=method, raw_target=raw_target, headers=headers)
    return route(head, base_path=base_path)


def refusal(line: str, *headers: tuple[str, str], base_path: str = "") -> CommonError:
    with pytest.raises(CommonError) as caught:
        routed(line, *headers, base_path=base_path)
    return caught.value


@pytest.mark.parametrize(
    ("line", "operation", "parameters"),
    [
        ("POST /snapshots", "StartSnapshot", {}),
        (
            f"PUT /snapshots/{SNAPSHOT}/blocks/5",
            "PutSnapshotBlock",
            {"snapshotId": SNAPSHOT, "blockIndex": "5"},
        ),
        (f"POST /snapshots/completion/{SNAPSHOT}", "CompleteSnapshot", {"snapshotId": SNAPSHOT}),
        (f"GET /snapshots/{SNAPSHOT}/blocks?maxResults=100", "ListSnapshotBlocks", {"snapshotId": SNAPSHOT}),
        (f"GET /snapshots/{SNAPSHOT}/changedblocks", "ListChangedBlocks", {"secondSnapshotId": SNAPSHOT}),
        (
            f"GET /snapshots/{SNAPSHOT}/blocks/5",
            "GetSnapshotBlock",
            {"snapshotId": SNAPSHOT, "blockIndex": "5"},
        ),
        ("GET /snapshots/completion/blocks", "ListSnapshotBlocks", {"snapshotId": "completion"}),
    ],
)
def test_a_request_line_names_its_operation(line: str, operation: str, parameters: dict[str, str]) -> None:
    assert routed(line) == Route(service=Service.EBS, operation=operation, path_parameters=parameters)


@pytest.mark.parametrize(
    ("line", "operation", "parameters"),
    [
        ("POST /rules", "CreateRule", {}),
        ("POST /list-rules", "ListRules", {}),
        ("GET /rules/a1B2c3D4e5F", "GetRule", {"identifier": "a1B2c3D4e5F"}),
        ("PATCH /rules/a1B2c3D4e5F", "UpdateRule", {"identifier": "a1B2c3D4e5F"}),
        ("DELETE /rules/a1B2c3D4e5F", "DeleteRule", {"identifier": "a1B2c3D4e5F"}),
        ("PATCH /rules/a1B2c3D4e5F/lock", "LockRule", {"identifier": "a1B2c3D4e5F"}),
        ("PATCH /rules/a1B2c3D4e5F/unlock", "UnlockRule", {"identifier": "a1B2c3D4e5F"}),
        ("GET /tags/arn%3Ax%2Fy", "ListTagsForResource", {"resourceArn": "arn:x/y"}),
        ("POST /tags/arn%3Ax%2Fy", "TagResource", {"resourceArn": "arn:x/y"}),
        ("DELETE /tags/arn%3Ax%2Fy?tagKeys=a", "UntagResource", {"resourceArn": "arn:x/y"}),
    ],
)
def test_the_recycle_bin_has_paths_of_its_own(line: str, operation: str, parameters: dict[str, str]) -> None:
    assert routed(line) == Route(service=Service.RBIN, operation=operation, path_parameters=parameters)


@pytest.mark.parametrize(
    "line",
    ["GET /rules", "PUT /rules", "POST /rules/", "GET /list-rules", "POST /rules/x", "PATCH /rules/x/Lock",
     "GET /tags", "PUT /tags/x", "GET /tags/x/y", "GET /Rules/x"],
)  # fmt: skip
def test_the_recycle_bin_has_no_others(line: str) -> None:
    assert (refusal(line).code, refusal(line).status) == ("UnknownOperationException", 404)


def test_an_encoded_slash_stays_inside_its_segment() -> None:
    found = routed("GET /snapshots/not%20a%2Fsnap/blocks")
    assert found.path_parameters == {"snapshotId": "not a/snap"}


@pytest.mark.parametrize(
    "line",
    [
        "GET /snapshots", "PUT /snapshots", "POST /snapshots/", "POST /snapshots//", "POST /Snapshots",
        "POST //snapshots", "POST /snapshots/completion", f"GET /snapshots/completion/{SNAPSHOT}",
        f"PUT /snapshots/completion/{SNAPSHOT}", f"GET /snapshots/{SNAPSHOT}", f"DELETE /snapshots/{SNAPSHOT}/blocks/5",
        f"HEAD /snapshots/{SNAPSHOT}/blocks", f"get /snapshots/{SNAPSHOT}/blocks",
        f"GET /snapshots/{SNAPSHOT}/blocks/5/", f"GET /snapshots/{SNAPSHOT}/%62locks", f"GET /./snapshots/{SNAPSHOT}/blocks",
        f"GET /x/../snapshots/{SNAPSHOT}/blocks", "POST /%73napshots", "GET /", "GET /?action=DescribeSnapshots",
        "PUT /", "DELETE /?Action=DescribeSnapshots", "GET /favicon.ico", "POST /;x", "OPTIONS /snapshots",
    ],
)  # fmt: skip
def test_another_request_line_names_none(line: str) -> None:
    told = refusal(line)
    assert (told.code, told.status) == ("UnknownOperationException", 404)


@pytest.mark.parametrize(
    "target",
    ["", "*", "snapshots", "http://ebs.example.test/snapshots", "/snapshots#x", "/snap shots", "/snapshots\x00",
     "/snapshots\x7f", "/snapsh\u00f6ts", "/snapshots\udcff", "/snapshots\t", "/snapshots\n"],
)  # fmt: skip
def test_a_target_is_an_absolute_path_of_printable_ascii(target: str) -> None:
    told = refusal(f"POST {target}")
    assert (told.code, told.status) == ("MalformedHttpRequestException", 400)


@pytest.mark.parametrize(
    "line",
    ["POST /", "POST /?x=1", "GET /?Action=DescribeSnapshots", "GET /?Version=1&%41ction=x", "GET /?Action"],
)
def test_the_root_is_ec2s(line: str) -> None:
    found = routed(line)
    assert found == Route(service=Service.EC2)
    assert not found.carries_block


def scoped(service: str) -> tuple[str, str]:
    credential = f"AKIDEXAMPLE/20260101/us-east-1/{service}/aws4_request"
    return "Authorization", f"AWS4-HMAC-SHA256 SignedHeaders=host, Credential={credential}, Signature=0"


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("sts", Service.STS),
        ("ec2", Service.EC2),
        ("ebs", Service.EC2),
        ("sts2", Service.EC2),
        ("", Service.EC2),
    ],
)
def test_the_query_protocol_is_for_whom_the_signature_is(service: str, expected: Service) -> None:
    assert routed("POST /", scoped(service)) == Route(service=expected)
    assert routed("GET /?Action=x", scoped(service)) == Route(service=expected)
    credential = f"X-Amz-Credential=AKIDEXAMPLE%2F20260101%2Fus-east-1%2F{service}%2Faws4_request"
    assert routed(f"GET /?Action=x&{credential}") == Route(service=expected)


def test_a_scope_moves_nothing_away_from_its_path() -> None:
    assert routed("POST /snapshots", scoped("sts")).service is Service.EBS


def test_a_target_names_the_operation_of_kms() -> None:
    target = ("X-Amz-Target", "TrentService.GenerateDataKey")
    assert routed("POST /", target) == Route(service=Service.KMS, operation="GenerateDataKey")


@pytest.mark.parametrize(
    ("line", "targets"),
    [
        ("POST /", ["DynamoDB_20120810.ListTables"]),
        ("POST /", ["TrentService."]),
        ("POST /", ["TrentService.Decrypt.Decrypt"]),
        ("POST /", ["trentservice.Decrypt"]),
        ("POST /", ["TrentService." + "x" * 65]),
        ("POST /", [""]),
        ("POST /", ["TrentService.Decrypt", "TrentService.Decrypt"]),
        ("GET /?Action=DescribeSnapshots", ["TrentService.Decrypt"]),
    ],
)
def test_another_target_names_none(line: str, targets: list[str]) -> None:
    told = refusal(line, *(("X-Amz-Target", target) for target in targets))
    assert (told.code, told.status) == ("UnknownOperationException", 404)


@pytest.mark.parametrize("path", ["/snapshots", "/", ""])
def test_a_base_path_comes_before_every_path(path: str) -> None:
    assert routed(f"POST /base{path}", base_path="/base").service in Service
    assert refusal(f"POST {path or '/'}", base_path="/base").status == 404
    assert refusal(f"POST /bass{path}", base_path="/base").status == 404


def test_a_base_path_ends_where_a_segment_ends() -> None:
    assert refusal("POST /basesnapshots", base_path="/base").status == 404


def test_only_a_put_carries_a_block() -> None:
    carrying = [
        name
        for name, operation in EBS_OPERATIONS.items()
        if Route(service=Service.EBS, operation=name).carries_block
    ]
    assert carrying == ["PutSnapshotBlock"]
