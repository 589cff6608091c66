"""Requests of STS that are not right, and errors that are not STS's own."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neve.errors import CommonError, Overloaded, StoreUnavailable, StsError
from neve.messages import sts
from neve.messages.http import RequestHead
from neve.wire import sts_query, sts_xml

HEAD = RequestHead(method="POST", raw_target="/", headers=[])
SESSION = "Action=GetSessionToken&Version=2011-06-15"
FEDERATION = "Action=GetFederationToken&Version=2011-06-15"
VALIDATION = "1 validation error detected: Value "
UNSATISFIED = "failed to satisfy constraint: "


def refusal(form: str, *, head: RequestHead = HEAD) -> StsError:
    with pytest.raises(StsError) as caught:
        sts_query.decode(head, form.encode("utf-8", "surrogateescape"))
    assert caught.value.status == 400
    return caught.value


def test_a_get_has_everything_in_its_query() -> None:
    target = f"/?{SESSION}&DurationSeconds=900&X-Amz-Signature=0&X-Amz-Security-Token=t"
    head = RequestHead(method="GET", raw_target=target, headers=[])
    assert sts_query.decode(head, b"") == (
        "GetSessionToken",
        sts.GetSessionTokenRequest(duration_seconds=900),
    )


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ("", "MissingAction"),
        ("Version=2011-06-15", "MissingAction"),
        ("Action=&Version=2011-06-15", "MissingAction"),
        ("Action=AssumeRoleWithSAML&Version=2011-06-15", "InvalidAction"),
        ("Action=GetSessionToken&Version=2016-11-15", "InvalidAction"),
        ("Action=GetSessionToken", "InvalidAction"),
        (SESSION + "&Action=GetSessionToken", "MalformedQueryString"),
        (SESSION + "&DurationSeconds=900&DurationSeconds=900", "MalformedQueryString"),
        (SESSION + "&a=%zz", "MalformedQueryString"),
        (SESSION + "&a=%ff", "MalformedQueryString"),
        (SESSION + "&a=\xe9", "MalformedQueryString"),
        (SESSION + "&a=b c", "MalformedQueryString"),
        (SESSION + "&DurationSeconds=1h", "MalformedInput"),
        (SESSION + "&DurationSeconds=", "MalformedInput"),
        (SESSION + "&DurationSeconds=%D9%A9%D9%A9%D9%A9%D9%A9", "MalformedInput"),
        (SESSION + "&Nonsense=1", "ValidationError"),
        (SESSION + "&MinimumSessionTokenSize=4096", "ValidationError"),
    ],
)
def test_what_is_not_right_is_refused(form: str, code: str) -> None:
    assert refusal(form).code == code


@pytest.mark.parametrize(
    ("form", "value", "member", "constraint"),
    [
        (SESSION + "&DurationSeconds=899", "'899'", "durationSeconds", "value greater than or equal to 900"),
        (
            SESSION + "&DurationSeconds=129601",
            "'129601'",
            "durationSeconds",
            "value less than or equal to 129600",
        ),
        (FEDERATION + "&Name=b", "'b'", "name", "length greater than or equal to 2"),
        (FEDERATION + "&Name=" + "b" * 33, f"'{'b' * 33}'", "name", "length less than or equal to 32"),
        (FEDERATION + "&Name=bob&Policy=", "''", "policy", "length greater than or equal to 1"),
    ],
)
def test_a_bound_is_told_as_the_models_validator_tells_it(
    form: str, value: str, member: str, constraint: str
) -> None:
    told = refusal(form)
    assert told.code == "ValidationError"
    assert told.message == f"{VALIDATION}{value} at '{member}' {UNSATISFIED}Member must have {constraint}"


@pytest.mark.parametrize(
    ("form", "value", "member", "pattern"),
    [
        (FEDERATION + "&Name=a%2Fb", "a/b", "name", sts_query.NAME_PATTERN),
        (FEDERATION + "&Name=b%C3%A9", "b\xe9", "name", sts_query.NAME_PATTERN),
        (FEDERATION + "&Name=bob&Policy=%E2%82%AC", "\u20ac", "policy", sts_query.POLICY_PATTERN),
    ],
)
def test_a_pattern_is_told_as_the_models_validator_tells_it(
    form: str, value: str, member: str, pattern: str
) -> None:
    told = refusal(form)
    constraint = f"Member must satisfy regular expression pattern: {pattern}"
    assert told.message == f"{VALIDATION}'{value}' at '{member}' {UNSATISFIED}{constraint}"


@pytest.mark.parametrize(
    ("form", "member"), [(FEDERATION, "name"), ("Action=AssumeRole&Version=2011-06-15", "roleArn")]
)
def test_what_is_missing_is_null(form: str, member: str) -> None:
    told = refusal(form)
    assert told.message == f"{VALIDATION}null at '{member}' {UNSATISFIED}Member must not be null"


def test_a_policy_has_two_kilobytes_at_most() -> None:
    form = FEDERATION + "&Name=bob&Policy="
    sts_query.decode(HEAD, (form + quote("\xff" * 2048)).encode())
    assert "less than or equal to 2048" in refusal(form + "p" * 2049).message


def test_the_least_token_size_may_be_said_to_be_nothing() -> None:
    sts_query.decode(HEAD, (SESSION + "&MinimumSessionTokenSize=0").encode())


@given(st.binary(max_size=200))
def test_noise_is_refused_cleanly(body: bytes) -> None:
    with pytest.raises(StsError):
        sts_query.decode(HEAD, body)


@pytest.mark.parametrize(
    ("error", "status", "code", "kind"),
    [
        (CommonError("ThrottlingException", 400, "Rate exceeded"), 400, "Throttling", "Sender"),
        (CommonError("RequestEntityTooLargeException", 413, "x"), 413, "RequestEntityTooLarge", "Sender"),
        (Overloaded("in /a/path"), 503, "ServiceUnavailable", "Receiver"),
        (StoreUnavailable("in /a/path"), 503, "ServiceUnavailable", "Receiver"),
        (RuntimeError("in /a/path"), 500, "InternalFailure", "Receiver"),
    ],
)
def test_every_error_has_a_name_here(error: Exception, status: int, code: str, kind: str) -> None:
    response = sts_xml.encode_error(error, "1")
    body = response.body.decode()
    assert response.status == status
    assert f"<Type>{kind}</Type><Code>{code}</Code>" in body
    assert "path" not in body
    assert ("Retry-After" in dict(response.headers)) is (status == 503)
