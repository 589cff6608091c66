"""Documents that are refused, and what the refusal says; documents that are taken."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neve.domain.policies.documents import (
    IDENTITY_CHARS_MAX,
    KEY_BYTES_MAX,
    SESSION_CHARS_MAX,
    PolicyInvalid,
    PolicyKind,
    parse_policy,
)
from unit.domain.policies_scene import HOME, allow, document

KINDS = st.sampled_from(PolicyKind)
FOR_ALL = {"Principal": "*"}


def with_condition(operator: str, value: Any, key: str = "aws:RequestTag/x") -> dict[str, Any]:
    return {**allow(), "Condition": {operator: {key: value}}}


def without(element: str) -> dict[str, Any]:
    return {key: value for key, value in allow().items() if key != element}


# (what is wrong, the statement, the refusal)
STATEMENTS: list[tuple[str, Any, str]] = [
    ("no object", "Allow", "Statement 1: must be an object, not a string."),
    ("null", None, "Statement 1: must be an object, not null."),
    ("an unknown element", allow(Foo=1), 'Statement 1: "Foo" is no element of a policy.'),
    ("an element in lower case", allow(effect="Allow"), '"effect" is no element of a policy.'),
    ("no Effect", without("Effect"), "Statement 1: has no Effect."),
    ("an Effect in lower case", {**allow(), "Effect": "allow"}, 'Allow or Deny, not "allow".'),
    ("an Effect that is no string", {**allow(), "Effect": True}, "Effect: must be a string, not a boolean."),
    ("no Action", without("Action"), "has neither Action nor NotAction"),
    ("both Actions", allow(NotAction="ebs:*"), "has both Action and NotAction"),
    ("no Resource", without("Resource"), "has neither Resource nor NotResource"),
    ("both Resources", allow(NotResource="*"), "has both Resource and NotResource"),
    ("an empty Action", allow([]), "Statement 1: Action: the list is empty."),
    ("an empty Resource", allow(resource=[]), "Statement 1: Resource: the list is empty."),
    ("an action that is a number", {**allow(), "Action": 5}, "Action: must be a string, not a number."),
    (
        "an action in a list in a list",
        {**allow(), "Action": [["ebs:*"]]},
        "Action: must be a string, not a list.",
    ),
    ("an action without service", allow("PutSnapshotBlock"), '"PutSnapshotBlock" is no action'),
    ("an action of half a service", allow("e*:PutSnapshotBlock"), '"e*:PutSnapshotBlock" is no action'),
    ("an action with a blank", allow("ebs: Put*"), '"ebs: Put*" is no action'),
    ("an action of nothing", allow("ebs:"), '"ebs:" is no action'),
    ("an empty action", allow(""), '"" is no action'),
    ("an action with a variable", allow("ebs:${aws:username}"), "is no action"),
    ("an action with a line after it", allow("ebs:*\n"), "is no action"),
    ("a resource that is no ARN", allow(resource="snap-1"), '"snap-1" is neither * nor an ARN'),
    (
        "an ARN with too few fields",
        allow(resource="arn:aws:ec2:us-east-1:snapshot/*"),
        "is neither * nor an ARN",
    ),
    ("an ARN without resource", allow(resource="arn:aws:ec2:us-east-1::"), "is neither * nor an ARN"),
    ("an ARN without service", allow(resource="arn:aws:::1:x"), "is neither * nor an ARN"),
    ("an ARN without partition", allow(resource="arn::ec2:::x"), "is neither * nor an ARN"),
    ("an ARN that begins otherwise", allow(resource="a*:aws:ec2:::x"), "is neither * nor an ARN"),
    ("two stars for everything", allow(resource="**"), "is neither * nor an ARN"),
    ("an early variable", allow(resource="arn:aws:ec2:${aws:x}::s"), "variable before the fifth colon"),
    ("a variable with no end", allow(resource="arn:aws:ec2:::${aws:x"), "begins a policy variable with ${"),
    ("a variable in a variable", allow(resource="arn:aws:ec2:::${aws:${x}}"), "begins a policy variable"),
    ("a variable without prefix", allow(resource="arn:aws:ec2:::${username}"), "names no condition key"),
    ("a variable without name", allow(resource="arn:aws:ec2:::${}"), "names no condition key"),
    ("a default without quotes", allow(resource="arn:aws:ec2:::${aws:x, y}"), "names no condition key"),
    ("a Sid with a blank", allow(Sid="two words"), 'the Sid "two words" may have letters and digits only.'),
    ("a Sid that is a number", allow(Sid=5), "Sid: must be a string, not a number."),
    ("a Principal", allow(Principal="*"), "has a Principal, which only key policies have"),
    ("a NotPrincipal", allow(NotPrincipal="*"), "has a NotPrincipal, which only key policies have"),
    (
        "a Condition that is a list",
        allow(Condition=[]),
        "Condition: must be an object of operators, not a list.",
    ),
    (
        "an operator without keys",
        allow(Condition={"Bool": {}}),
        '"Bool" must be an object with at least one key.',
    ),
    ("an operator that is text", allow(Condition={"Bool": "x"}), '"Bool" must be an object with at least'),
    (
        "an unknown operator",
        with_condition("StringMatches", "x"),
        '"StringMatches" is no condition operator.',
    ),
    (
        "an operator in lower case",
        with_condition("stringequals", "x"),
        '"stringequals" is no condition operator.',
    ),
    ("an unknown qualifier", with_condition("ForSome:StringEquals", "x"), "is no condition operator."),
    ("a qualifier alone", with_condition("ForAllValues:", "x"), "is no condition operator."),
    ("two qualifiers", with_condition("ForAllValues:ForAnyValue:Bool", "x"), "is no condition operator."),
    ("no operator but IfExists", with_condition("IfExists", "x"), "is no condition operator."),
    ("IfExists twice", with_condition("BoolIfExistsIfExists", "true"), "is no condition operator."),
    ("Null with IfExists", with_condition("NullIfExists", "true"), "is no condition operator."),
    ("Null with a qualifier", with_condition("ForAnyValue:Null", "true"), "is no condition operator."),
    ("BinaryNotEquals", with_condition("BinaryNotEquals", "eA=="), "is no condition operator."),
    ("a key without prefix", with_condition("Bool", "true", "SourceIp"), '"SourceIp" is no condition key'),
    ("a key with an empty name", with_condition("Bool", "true", "aws:"), '"aws:" is no condition key'),
    ("a key with a line in it", with_condition("Bool", "true", "aws:a\nb"), "is no condition key"),
    ("a key with a colour in it", with_condition("Bool", "true", "aws:\x1b[31m"), "is no condition key"),
    ("a key without end", with_condition("Bool", "true", "aws:" + "x" * 257), "is no condition key"),
    ("a Sid without end", allow(Sid="x" * 129), "128 characters long at most."),
    ("no values", with_condition("StringEquals", []), "has no values."),
    ("a value that is null", with_condition("StringEquals", None), "a boolean, not null."),
    ("a value that is an object", with_condition("StringEquals", {"a": "b"}), "a boolean, not an object."),
    ("a number that is none", with_condition("NumericEquals", "abc"), '"abc" is not a decimal number.'),
    ("a number that is nothing", with_condition("NumericEquals", ""), '"" is not a decimal number.'),
    ("a number that is infinite", with_condition("NumericEquals", "Infinity"), "is not a decimal number."),
    ("a number with an exponent", with_condition("NumericEquals", "1e9"), "is not a decimal number."),
    ("a number in other digits", with_condition("NumericEquals", "\u0661"), "is not a decimal number."),
    ("a number without end", with_condition("NumericEquals", "9" * 41), "is not a decimal number."),
    ("a truth that is none", with_condition("Bool", "maybe"), '"maybe" is not true or false.'),
    ("a Null of neither", with_condition("Null", "no"), '"no" is not true or false.'),
    ("a date that is none", with_condition("DateLessThan", "tomorrow"), '"tomorrow" is not a date'),
    ("a date that never was", with_condition("DateLessThan", "2026-02-30"), "is not a date"),
    ("a time that never is", with_condition("DateLessThan", "2026-02-20T25:00:00Z"), "is not a date"),
    ("a time without zone", with_condition("DateLessThan", "2026-02-20T10:00:00"), "is not a date"),
    ("a zone that is nowhere", with_condition("DateLessThan", "2026-02-20T10:00:00+24:00"), "is not a date"),
    ("a zone of many minutes", with_condition("DateLessThan", "2026-02-20T10:00:00+01:60"), "is not a date"),
    ("the year 0", with_condition("DateLessThan", "0000-01-01"), "is not a date"),
    ("an address that is none", with_condition("IpAddress", "localhost"), '"localhost" is not an IP address'),
    ("a prefix that is too long", with_condition("IpAddress", "10.0.0.0/33"), "is not an IP address"),
    ("a prefix that is a mask", with_condition("IpAddress", "10.0.0.0/255.0.0.0"), "is not an IP address"),
    ("an address with a zone", with_condition("IpAddress", "fe80::1%eth0"), "is not an IP address"),
    ("an address of three parts", with_condition("IpAddress", "10.0.0/8"), "is not an IP address"),
    ("bytes that are no base64", with_condition("BinaryEquals", "?"), '"?" is not base64.'),
    ("bytes with a rest", with_condition("BinaryEquals", "a"), "is not base64."),
    ("an ARN that is none", with_condition("ArnLike", "bob"), '"bob" is neither * nor an ARN'),
    ("an ARN with a loose end", with_condition("ArnEquals", "arn:aws:iam::1"), "is neither * nor an ARN"),
    ("a variable with text around it", with_condition("ArnEquals", "${aws:x}y:z"), "is neither * nor an ARN"),
    ("a variable among numbers", with_condition("NumericEquals", "${aws:x}"), "is not a decimal number."),
    ("a text with half a variable", with_condition("StringLike", "a${b"), "begins a policy variable"),
]

KEY_STATEMENTS: list[tuple[str, Any, str]] = [
    ("a Sid with a colour in it", allow(Sid="\x1b[31m", Principal="*"), "must be printable"),
    ("nobody", allow(), "has neither Principal nor NotPrincipal"),
    ("both", allow(Principal="*", NotPrincipal="*"), "has both Principal and NotPrincipal"),
    ("NotPrincipal with Allow", allow(NotPrincipal="*"), "NotPrincipal cannot be used with Allow."),
    ("a bare name", allow(Principal="bob"), 'must be "*" or an object'),
    ("an empty object", allow(Principal={}), 'must be "*" or an object'),
    ("a list", allow(Principal=["*"]), 'must be "*" or an object like {"AWS": "…"}, not a list.'),
    ("an empty list", allow(Principal={"AWS": []}), '"AWS" names nobody.'),
    ("an unknown kind", allow(Principal={"GCP": "x"}), '"GCP" is no kind of principal.'),
    ("an id that is a number", allow(Principal={"AWS": 111122223333}), "must be a string, not a number."),
    ("a service that is a number", allow(Principal={"Service": [5]}), "must be a string, not a number."),
    ("an empty name", allow(Principal={"Service": ""}), "must be a string"),
    ("a short account", allow(Principal={"AWS": "123"}), '"123" is neither *, an account id'),
    ("half a root", allow(Principal={"AWS": f"{HOME}:root"}), "is neither *, an account id"),
    ("another half", allow(Principal={"AWS": f"arn:aws:iam::{HOME}"}), "is neither *, an account id"),
    ("a group", allow(Principal={"AWS": f"arn:aws:iam::{HOME}:group/x"}), "is neither *, an account id"),
    (
        "half a wildcard",
        allow(Principal={"AWS": f"arn:aws:iam::{HOME}:user/*"}),
        "cannot have wildcards in it.",
    ),
    ("no Resource", {"Effect": "Allow", "Action": "*", **FOR_ALL}, "has neither Resource nor NotResource"),
]


def refusal(text: str, kind: PolicyKind = PolicyKind.IDENTITY) -> str:
    with pytest.raises(PolicyInvalid) as refused:
        parse_policy(text, kind)
    return str(refused.value)


@pytest.mark.parametrize(
    ("statement", "says"), [row[1:] for row in STATEMENTS], ids=[row[0] for row in STATEMENTS]
)
def test_a_statement_is_refused_with_what_and_where(statement: Any, says: str) -> None:
    told = refusal(document(statement))
    assert says in told
    assert told.startswith("Statement 1: ")
    assert refusal(document(allow(), statement)).startswith("Statement 2: ")


@pytest.mark.parametrize(
    ("statement", "says"), [row[1:] for row in KEY_STATEMENTS], ids=[row[0] for row in KEY_STATEMENTS]
)
def test_a_statement_of_a_key_policy_is_refused_with_what_and_where(statement: Any, says: str) -> None:
    told = refusal(document(statement), PolicyKind.KEY)
    assert says in told
    assert told.startswith("Statement 1: ")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "The document is not JSON: Expecting value in line 1, column 1."),
        ("{", "The document is not JSON: "),
        ("[]", "The document must be an object, not a list."),
        ("null", "The document must be an object, not null."),
        ("5", "The document must be an object, not a number."),
        ("NaN", "NaN is no number."),
        ('{"Statement": Infinity}', "Infinity is no number."),
        ("{}", "The document has no Statement."),
        ('{"Statement": []}', "The document has no Statement: the list is empty."),
        ('{"Statement": {}, "Statements": []}', 'The document: "Statements" is no element of a policy.'),
        ('{"Version": "2012-10-18", "Statement": {}}', 'Version: "2012-10-18" is unknown'),
        ('{"Version": 2012, "Statement": {}}', "Version: must be a string, not a number."),
        ('{"Id": 5, "Statement": {}}', "Id: must be a string, not a number."),
        ('{"Statement": {"Effect": "Deny", "Effect": "Allow"}}', 'it has "Effect" twice in the same object.'),
        ('{"Statement": {}, "Statement": {}}', 'it has "Statement" twice in the same object.'),
        (document(allow()).replace('"*"', r'"\ud800"', 1), "half of a surrogate pair"),
        (document(allow()).replace('"Effect"', r'"\udc00"', 1), "half of a surrogate pair"),
        ("[" * 6_000, "nested too deeply"),
        (" " * 131_073, "longer than 131072 characters"),
    ],
)
def test_a_document_is_refused_with_what_and_where(text: str, says: str) -> None:
    assert says in refusal(text)


def test_two_statements_cannot_have_one_sid() -> None:
    said = refusal(document(allow(Sid="A"), allow(Sid="B"), allow(Sid="A")))
    assert said == 'Statement 3: another statement has the Sid "A" already.'
    parse_policy(document(allow(Sid=""), allow(Sid=""), allow()), PolicyKind.IDENTITY)


def test_a_refusal_quotes_no_more_than_a_line() -> None:
    for statement in (allow("x" * 5000), with_condition("x" * 5000, []), with_condition("Bool", "x" * 5000)):
        said = refusal(document(statement))
        assert len(said) < 300
        assert "…" in said
    assert refusal(document(allow("\x00\x1b[31m"))).isprintable()


@pytest.mark.parametrize(
    ("kind", "size_max"),
    [
        (PolicyKind.IDENTITY, IDENTITY_CHARS_MAX),
        (PolicyKind.SESSION, SESSION_CHARS_MAX),
        (PolicyKind.KEY, KEY_BYTES_MAX),
    ],
)
def test_a_document_may_be_as_large_as_it_may(kind: PolicyKind, size_max: int) -> None:
    statement = allow(**FOR_ALL) if kind is PolicyKind.KEY else allow()
    room = size_max - len(compact(statement, ""))
    parse_policy(compact(statement, "x" * room), kind)
    assert "too large" in refusal(compact(statement, "x" * (room + 1)), kind)
    if kind is PolicyKind.KEY:
        assert "too large" in refusal(compact(statement, "é" * room), kind)
    else:
        parse_policy(compact(statement, "é" * room) + " \n" * 1000, kind)


def compact(statement: Any, identifier: str) -> str:
    text = json.dumps({"Id": identifier, "Statement": statement}, separators=(",", ":"), ensure_ascii=False)
    assert " " not in text
    return text


@pytest.mark.parametrize(
    "statement",
    [
        allow(Principal={"AWS": HOME}),
        allow(Principal={"AWS": [HOME, f"arn:aws:iam::{HOME}:root", "*"]}),
        allow(Principal={"AWS": f"arn:aws:iam::{HOME}:user/a/path/bob"}),
        allow(Principal={"AWS": f"arn:aws:iam::{HOME}:role/r"}),
        allow(Principal={"AWS": f"arn:aws:sts::{HOME}:assumed-role/r/s"}),
        allow(Principal={"AWS": f"arn:aws:sts::{HOME}:federated-user/f"}),
        allow(Principal={"Service": ["ec2.amazonaws.com"], "Federated": "x", "CanonicalUser": "y"}),
        {**allow(NotPrincipal={"AWS": HOME}), "Effect": "Deny"},
        allow(Sid="Enable IAM User Permissions", **FOR_ALL),
    ],
)
def test_a_key_policy_may_name_all_of_awss_principals(statement: Any) -> None:
    [read] = parse_policy(document(statement), PolicyKind.KEY).statements
    assert read.principals is not None


def test_a_policy_is_its_name_text_and_kind() -> None:
    text = document(allow())
    assert parse_policy(text, PolicyKind.IDENTITY, name="a") == parse_policy(
        text, PolicyKind.IDENTITY, name="a"
    )
    assert parse_policy(text, PolicyKind.IDENTITY, name="a") != parse_policy(
        text, PolicyKind.IDENTITY, name="b"
    )
    assert parse_policy(text, PolicyKind.IDENTITY) != parse_policy(text, PolicyKind.SESSION)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
WORDS = st.sampled_from(
    [
        "Allow",
        "Deny",
        "*",
        "ebs:*",
        "arn:aws:ec2:*::snapshot/${aws:username}",
        "true",
        "5",
        "10.0.0.0/8",
        "2026-01-01",
    ]
)
ELEMENTS = st.sampled_from(
    [
        "Sid",
        "Effect",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Principal",
        "NotPrincipal",
        "Condition",
    ]
)
OPERATORS = st.sampled_from(
    ["StringLike", "Bool", "Null", "IpAddress", "DateLessThan", "ForAnyValue:ArnLike", "X"]
)
NEAR_VALUES = WORDS | st.lists(WORDS, max_size=2) | JSON_VALUES
NEAR_CONDITIONS = st.dictionaries(
    OPERATORS,
    st.dictionaries(st.sampled_from(["aws:x", "aws:RequestTag/y", "z"]), NEAR_VALUES, max_size=2),
    max_size=2,
)
NEAR_STATEMENTS = st.dictionaries(
    ELEMENTS,
    NEAR_VALUES | NEAR_CONDITIONS | st.dictionaries(st.just("AWS"), NEAR_VALUES, max_size=1),
    max_size=6,
)
NEAR_DOCUMENTS = st.fixed_dictionaries(
    {"Statement": NEAR_STATEMENTS | st.lists(NEAR_STATEMENTS, max_size=3)},
    optional={"Version": st.sampled_from(["2012-10-17", "2008-10-17", "x"]), "Id": NEAR_VALUES},
)


@given(value=JSON_VALUES | NEAR_DOCUMENTS, kind=KINDS)
def test_any_json_is_a_policy_or_invalid(value: Any, kind: PolicyKind) -> None:
    is_policy_or_invalid(json.dumps(value), kind)


@given(text=st.text() | st.text(alphabet='{}[]",:\\u0dAlow*$ '), kind=KINDS)
@example(text="\ud800", kind=PolicyKind.KEY)
@example(text='{"Id": "\ud800", "Statement": {}}', kind=PolicyKind.IDENTITY)
@example(text="[" * 131_072, kind=PolicyKind.KEY)
@example(text='{"a":' * 20_000, kind=PolicyKind.KEY)
@example(text="9" * 6000, kind=PolicyKind.IDENTITY)
@example(text='{"Id": ' + "9" * 5000 + "}", kind=PolicyKind.IDENTITY)
def test_any_text_is_a_policy_or_invalid(text: str, kind: PolicyKind) -> None:
    is_policy_or_invalid(text, kind)


@given(value=st.text(), operator=OPERATORS, kind=KINDS)
def test_any_value_of_a_condition_is_fit_or_invalid(value: str, operator: str, kind: PolicyKind) -> None:
    statement = with_condition(operator, value) | (FOR_ALL if kind is PolicyKind.KEY else {})
    is_policy_or_invalid(document(statement), kind)


def is_policy_or_invalid(text: str, kind: PolicyKind) -> None:
    complaint = ""
    try:
        parse_policy(text, kind)
    except PolicyInvalid as invalid:
        complaint = str(invalid)
    assert not complaint or complaint.isprintable()
    assert len(complaint) < 500
