"""What each kind of bad signature is told (contract 1.5), and where the borders of time lie."""

import hmac
import itertools
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.sigv4 import signed_request
from golden.sigv4.signed_request import REGION, SECRET, SIGNED_MS, SignedRequest
from neve.auth import failures, payload, signature, sigv4
from neve.errors import CommonError
from neve.messages.http import RequestHead

LIST = signed_request.load("list-blocks")
PUT = signed_request.load("put-block-unsigned-payload")
PRESIGNED = signed_request.load("get-block-presigned")
DATE = "20260101T000000Z"
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
    "Access Key and signing method. Consult the service documentation for details."
)


def judge(
    head: RequestHead,
    *,
    secret: str | None = SECRET,
    region: str = REGION,
    service: str = "ebs",
    now_ms: int = SIGNED_MS,
    skew_s: int = sigv4.EBS_SKEW_S,
    unsigned_payload_allowed: bool = False,
) -> None:
    """Verify a request without a body, as the service would."""
    claim = signature.read(head)
    declared = payload.declared_hash(head, unsigned_payload_allowed=unsigned_payload_allowed)
    sigv4.verify(
        head,
        claim,
        secret,
        payload_hash=declared or payload.EMPTY_BODY_HASH,
        region=region,
        service=service,
        now_ms=now_ms,
        skew_s=skew_s,
    )


def refusal(head: RequestHead, **circumstances: Any) -> CommonError:
    """Return what a request is refused with."""
    with pytest.raises(CommonError) as caught:
        judge(head, **circumstances)
    assert caught.value.status == 403
    return caught.value


def resigned(request: SignedRequest, changes: Mapping[str, str]) -> RequestHead:
    """Return a request with texts of its Authorization header replaced."""
    headers = []
    for name, value in request.head.headers:
        text = value
        if name == "Authorization":
            for old, new in changes.items():
                assert old in value
                text = text.replace(old, new)
        headers.append((name, text))
    return RequestHead(method=request.head.method, raw_target=request.head.raw_target, headers=headers)


def without(head: RequestHead, name: str) -> RequestHead:
    headers = [pair for pair in head.headers if pair[0].lower() != name]
    return RequestHead(method=head.method, raw_target=head.raw_target, headers=headers)


def having(head: RequestHead, *headers: tuple[str, str]) -> RequestHead:
    return RequestHead(method=head.method, raw_target=head.raw_target, headers=[*head.headers, *headers])


def querying(head: RequestHead, old: str, new: str) -> RequestHead:
    assert old in head.raw_target
    return RequestHead(method=head.method, raw_target=head.raw_target.replace(old, new), headers=head.headers)


def test_an_unsigned_request_is_told_that_a_token_is_missing() -> None:
    told = refusal(without(LIST.head, "authorization"))
    assert (told.code, told.message) == (
        "MissingAuthenticationTokenException",
        "Missing Authentication Token",
    )


def test_the_parts_that_are_missing_are_named() -> None:
    told = refusal(
        RequestHead(
            method="GET",
            raw_target="/snapshots",
            headers=[("Authorization", "AWS4-HMAC-SHA256 Credential=a")],
        )
    )
    assert told.code == "IncompleteSignatureException"
    assert told.message == (
        "Authorization header requires 'Signature' parameter. "
        "Authorization header requires 'SignedHeaders' parameter. "
        "Authorization header requires existence of one 'X-Amz-Date' header."
    )


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic dXNlcjpwYXNz",
        "Bearer AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256",
        "AWS4-ECDSA-P256-SHA256 Credential=a/20260101/us-east-1/ebs/aws4_request, SignedHeaders=host, Signature=0",
        "AWS AKIDEXAMPLE:c2lnbmF0dXJl",
    ],
)
def test_another_scheme_is_incomplete(authorization: str) -> None:
    head = having(without(LIST.head, "authorization"), ("Authorization", authorization))
    assert refusal(head).code == "IncompleteSignatureException"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"AKIDEXAMPLE/": "/"}, "IncompleteSignatureException"),
        ({"AKIDEXAMPLE/": "AKID EXAMPLE/"}, "IncompleteSignatureException"),
        ({"AKIDEXAMPLE/": "AKIDEXAMPL\u00c9/"}, "IncompleteSignatureException"),
        ({"AKIDEXAMPLE/": "A" * 129 + "/"}, "IncompleteSignatureException"),
        ({"/us-east-1": ""}, "IncompleteSignatureException"),
        ({"aws4_request": "aws5_request"}, "InvalidSignatureException"),
        ({"host;x-amz-date": "x-amz-date;host"}, "IncompleteSignatureException"),
        ({"host;x-amz-date": "host;host;x-amz-date"}, "IncompleteSignatureException"),
        ({"host;x-amz-date": "Host;x-amz-date"}, "IncompleteSignatureException"),
        ({"host;x-amz-date": "host;;x-amz-date"}, "IncompleteSignatureException"),
        ({"host;x-amz-date": "host;x-amz-date;"}, "IncompleteSignatureException"),
        ({"host;x-amz-date": "x-amz-date"}, "InvalidSignatureException"),
        ({"host;x-amz-date": "host"}, "InvalidSignatureException"),
        ({"host;x-amz-date": "host;x-absent;x-amz-date"}, "InvalidSignatureException"),
        ({"Signature=7c": "Signature=7C"}, "IncompleteSignatureException"),
        ({"Signature=7c": "Signature="}, "IncompleteSignatureException"),
        ({"Signature=7c": "Signature=7d"}, "InvalidSignatureException"),
        ({"SignedHeaders=": "Signature=0, SignedHeaders="}, "IncompleteSignatureException"),
        ({"SignedHeaders=": "Region=us-east-1, SignedHeaders="}, "IncompleteSignatureException"),
    ],
)
def test_each_part_has_one_form(changes: dict[str, str], code: str) -> None:
    assert refusal(resigned(LIST, changes)).code == code


@pytest.mark.parametrize("separator", [",", ", ", ",  ", " , "])
def test_blanks_between_the_parts_do_not_matter(separator: str) -> None:
    head = resigned(LIST, {", ": separator})
    signed_request.judge(SignedRequest(name="list-blocks", head=head, body=b""))


def properly_signed(raw_target: str, *headers: tuple[str, str], signed_headers: str) -> RequestHead:
    """Return a request whose signature is right whatever may be wrong with what it covers."""
    values = {name.lower(): value for name, value in headers}
    names = signed_headers.split(";")
    lines = [*(f"{name}:{values[name]}" for name in names), "", signed_headers, payload.EMPTY_BODY_HASH]
    path, _, query = raw_target.partition("?")
    request = "\n".join(["GET", path, query, *lines])
    text = sigv4.string_to_sign(request.encode(), amz_date=DATE, region=REGION, service="ebs")
    key = sigv4.signing_key(SECRET, DATE[:8], REGION, "ebs")
    authorization = (
        f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{DATE[:8]}/{REGION}/ebs/aws4_request, "
        f"SignedHeaders={signed_headers}, Signature={hmac.digest(key, text.encode(), 'sha256').hex()}"
    )
    return RequestHead(
        method="GET", raw_target=raw_target, headers=[*headers, ("Authorization", authorization)]
    )


HOST, DATED, NOTE = ("Host", "ebs.example.test"), ("X-Amz-Date", DATE), ("x-amz-note", "k")


def test_a_proper_signature_is_accepted() -> None:
    judge(properly_signed("/a?b=c", HOST, DATED, NOTE, signed_headers="host;x-amz-date;x-amz-note"))


def test_host_must_be_signed_even_if_all_else_is_right() -> None:
    told = refusal(properly_signed("/a", HOST, DATED, signed_headers="x-amz-date"))
    assert told.message == "'Host' must be a 'SignedHeader' in the AWS Authorization."


def test_signed_headers_must_be_sorted_even_if_all_else_is_right() -> None:
    told = refusal(properly_signed("/a", HOST, DATED, signed_headers="x-amz-date;host"))
    assert told.code == "IncompleteSignatureException"


def test_the_parts_of_a_presigned_request_may_not_stand_beside_a_header() -> None:
    told = refusal(properly_signed("/a?X-Amz-Date=x", HOST, DATED, signed_headers="host;x-amz-date"))
    assert told.message == "A request must be signed once: by header or by query, not both."


def test_a_name_that_turns_into_another_in_lower_case_is_refused() -> None:
    assert "\u212a".lower() == "k"
    head = properly_signed("/a", HOST, DATED, ("x-amz-k", "1"), signed_headers="host;x-amz-date;x-amz-k")
    judge(head)
    headers = [
        ("x-amz-\u212a", value) if name == "x-amz-k" else (name, value) for name, value in head.headers
    ]
    told = refusal(RequestHead(method="GET", raw_target="/a", headers=headers))
    assert told.message == "Header names must be ASCII."


def test_two_signatures_are_one_too_many() -> None:
    ((_, authorization),) = [pair for pair in LIST.head.headers if pair[0] == "Authorization"]
    assert refusal(having(LIST.head, ("authorization", authorization))).code == "IncompleteSignatureException"


def test_a_second_date_is_one_too_many() -> None:
    assert (
        refusal(having(LIST.head, ("x-amz-date", "20260101T000000Z"))).code == "IncompleteSignatureException"
    )


@pytest.mark.parametrize(
    "date",
    [
        "",
        "20260101",
        "2026-01-01T00:00:00Z",
        "20260230T000000Z",
        "20260101T250000Z",
        "\u0662\u0660260101T000000Z",
    ],
)
def test_a_date_has_one_form(date: str) -> None:
    head = having(without(LIST.head, "x-amz-date"), ("X-Amz-Date", date))
    told = refusal(head)
    assert told.code == "IncompleteSignatureException"
    assert "basic format" in told.message


def test_a_wrong_secret_is_a_mismatch() -> None:
    told = refusal(LIST.head, secret="other")
    assert (told.code, told.message) == ("InvalidSignatureException", MISMATCH)


@pytest.mark.parametrize("head", [LIST.head, resigned(LIST, {"Signature=7c": "Signature=7d"})])
def test_an_unknown_access_key_is_unrecognized_whatever_its_signature(head: RequestHead) -> None:
    told = refusal(head, secret=None)
    assert told.code == "UnrecognizedClientException"
    assert told.message == "The security token included in the request is invalid."


def test_the_scope_must_name_this_region_this_service_and_the_day() -> None:
    told = refusal(LIST.head, region="eu-west-1")
    assert told.message == "Credential should be scoped to a valid Region, not 'us-east-1'. "
    told = refusal(LIST.head, service="ec2")
    assert told.message == "Credential should be scoped to correct service: 'ec2'. "
    told = refusal(resigned(LIST, {"/20260101/": "/20260102/"}))
    assert told.message.startswith("Date in Credential scope does not match YYYYMMDD from ISO-8601 version")


@pytest.mark.parametrize("skew_s", [sigv4.EBS_SKEW_S, sigv4.EC2_SKEW_S])
@pytest.mark.parametrize("direction", [-1, 1])
def test_the_clock_may_differ_by_the_skew_and_no_millisecond_more(skew_s: int, direction: int) -> None:
    edge_ms = SIGNED_MS + direction * skew_s * 1000
    for now_ms in (SIGNED_MS, edge_ms):
        judge(LIST.head, now_ms=now_ms, skew_s=skew_s)
    assert isinstance(refusal(LIST.head, now_ms=edge_ms + direction, skew_s=skew_s), failures.OutOfTime)


def test_the_answer_to_a_wrong_clock_has_the_servers_time() -> None:
    told = refusal(LIST.head, now_ms=SIGNED_MS + 301_000)
    assert (told.code, told.message) == (
        "InvalidSignatureException",
        "Signature expired: 20260101T000000Z is now earlier than 20260101T000001Z (20260101T000501Z - 5 min.)",
    )
    told = refusal(LIST.head, now_ms=SIGNED_MS - 901_000, skew_s=900)
    assert told.message == (
        "Signature not yet current: 20260101T000000Z is still later than 20251231T235959Z "
        "(20251231T234459Z + 15 min.)"
    )


def test_a_presigned_request_is_good_for_as_long_as_it_says() -> None:
    signed_request.judge(PRESIGNED, now_ms=SIGNED_MS + 900_000)
    assert isinstance(refusal(PRESIGNED.head, now_ms=SIGNED_MS + 900_001), failures.OutOfTime)
    signed_request.judge(PRESIGNED, now_ms=SIGNED_MS - 300_000)
    assert isinstance(refusal(PRESIGNED.head, now_ms=SIGNED_MS - 300_001), failures.OutOfTime)


@pytest.mark.parametrize(
    "expires", ["0", "604801", "-1", "+5", "9e2", "", "\u0669\u0660\u0660", "1_0", "99999999999"]
)
def test_a_presigned_request_is_good_for_a_second_to_a_week(expires: str) -> None:
    head = querying(PRESIGNED.head, "X-Amz-Expires=900", f"X-Amz-Expires={expires}")
    assert refusal(head).code == "IncompleteSignatureException"


@pytest.mark.parametrize("name", sorted(signature.PRESIGNED_PARAMETERS - {"X-Amz-Security-Token"}))
def test_a_presigned_request_needs_every_parameter_once(name: str) -> None:
    renamed = querying(PRESIGNED.head, f"{name}=", f"Y{name}=")
    assert refusal(renamed).message == f"Query requires '{name}' parameter."
    assert refusal(querying(PRESIGNED.head, f"{name}=", f"{name}=x&{name}=")).code == (
        "IncompleteSignatureException"
    )


def test_a_session_token_stands_once_and_where_the_signature_is() -> None:
    session = signed_request.load("session-token").head
    told = refusal(having(session, ("X-Amz-Security-Token", "another")))
    assert told.message == "A request has one 'X-Amz-Security-Token' at most."
    told = refusal(having(PRESIGNED.head, ("X-Amz-Security-Token", "another")))
    assert told.message == "A presigned request has its 'X-Amz-Security-Token' in the query."
    twice = signed_request.load("get-block-presigned-session").head
    added = querying(twice, "X-Amz-Security-Token=", "X-Amz-Security-Token=x&X-Amz-Security-Token=")
    assert refusal(added).code == "IncompleteSignatureException"


def test_a_session_token_must_be_signed() -> None:
    told = refusal(having(LIST.head, ("X-Amz-Security-Token", "FwoGZXIvYXdzEBY+/=")))
    assert told.message == "'x-amz-security-token' must be a 'SignedHeader' in the AWS Authorization."
    unsigned = querying(PRESIGNED.head, "&X-Amz-Signature", "&X-Amz-Security-Token=x&X-Amz-Signature")
    assert refusal(unsigned).message == MISMATCH


def test_host_must_be_there_once() -> None:
    assert "Host" in refusal(without(LIST.head, "host")).message
    assert "Host" in refusal(having(LIST.head, ("host", "ebs.example.test:8080"))).message


@pytest.mark.parametrize("name", ["x-amz-checksum", "X-Amz-Data-Length", "x-amz-anything"])
def test_an_unsigned_amz_header_is_refused_by_name(name: str) -> None:
    told = refusal(having(LIST.head, (name, "1")))
    assert told.code == "InvalidSignatureException"
    assert told.message == f"'{name.lower()}' must be a 'SignedHeader' in the AWS Authorization."


def test_other_headers_need_no_signature() -> None:
    head = having(LIST.head, ("User-Agent", "x"), ("x-amzn-trace-id", "Root=1"), ("amz-sdk-request", "1"))
    signed_request.judge(SignedRequest(name="list-blocks", head=head, body=b""))


@pytest.mark.parametrize(
    "literal",
    [
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "unsigned-payload",
        "UNSIGNED-PAYLOAD ,",
        "",
        "0" * 63,
        "A" * 64,
        "\u0660" * 64,
    ],
)
def test_a_payload_hash_has_one_of_two_forms(literal: str) -> None:
    head = having(without(PUT.head, "x-amz-content-sha256"), ("x-amz-content-sha256", literal))
    told = refusal(head, unsigned_payload_allowed=True)
    assert told.code == "InvalidSignatureException"
    assert "x-amz-content-sha256" in told.message


def test_an_unsigned_payload_is_refused_where_the_body_must_be_covered() -> None:
    assert "x-amz-content-sha256" in refusal(PUT.head, unsigned_payload_allowed=False).message


def test_a_payload_hash_is_declared_once_wherever_it_stands() -> None:
    twice = having(PUT.head, ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"))
    assert "once" in refusal(twice, unsigned_payload_allowed=True).message
    queried = querying(PUT.head, "/blocks/5", "/blocks/5?X-Amz-Content-Sha256=UNSIGNED-PAYLOAD")
    assert "once" in refusal(queried, unsigned_payload_allowed=True).message


@pytest.mark.parametrize(
    "checksum", [None, "not-base64!", "M6FQ", "M6FQvOsTwamSIx5ltPrRaBUhL8Bs20CJltMu6yzvnrs"]
)
def test_an_undeclared_hash_of_a_block_needs_a_checksum_to_be_told_from(checksum: str | None) -> None:
    head = without(PUT.head, "x-amz-checksum")
    if checksum is not None:
        head = having(head, ("x-amz-checksum", checksum))
    with pytest.raises(CommonError) as caught:
        payload.presumed_hash(head)
    assert caught.value.code == "InvalidSignatureException"


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_a_body_is_held_against_the_hash_that_was_signed(body: bytes, other: bytes) -> None:
    payload.require_body(payload.body_hash(body), body)
    if body != other:
        with pytest.raises(CommonError):
            payload.require_body(payload.body_hash(body), other)


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (failures.unsigned(), "MissingAuthenticationToken", 401),
        (failures.incomplete("x"), "AuthFailure", 401),
        (failures.mismatch(), "AuthFailure", 401),
        (failures.unrecognized(), "AuthFailure", 401),
        (failures.OutOfTime("x"), "RequestExpired", 400),
    ],
    ids=lambda value: value.code if isinstance(value, CommonError) else None,
)
def test_ec2_has_words_of_its_own(error: CommonError, code: str, status: int) -> None:
    told = failures.as_ec2(error)
    assert (told.code, told.status) == (code, status)


def test_keys_of_different_scopes_differ() -> None:
    parts = [("a", "b"), ("20260101", "20260102"), ("us-east-1", "us-east-2"), ("ebs", "ec2")]
    keys = {sigv4.signing_key(*scope) for scope in itertools.product(*parts)}
    assert len(keys) == 2 ** len(parts)
