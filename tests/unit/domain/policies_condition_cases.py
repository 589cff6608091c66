"""Every condition operator as a table: what it says of which values, alone in an Allow and alone in a Deny.

The labels are the contract's: DOC is what the IAM reference says ("IAM JSON policy elements: Condition operators" and
"Single-valued vs. multivalued context keys"), INFERRED is what it leaves open and we decided against the caller.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

ABSENT: Sequence[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionCase:
    """A condition, what the request says, and whether it holds."""

    name: str
    operator: str
    wanted: Any
    given: Sequence[str] | None
    holds: bool
    holds_in_deny: bool
    key: str


def case(
    name: str,
    operator: str,
    wanted: Any,
    given: Sequence[str] | None,
    holds: bool,
    *,
    in_deny: bool | None = None,
    key: str = "aws:RequestTag/team",
) -> ConditionCase:
    return ConditionCase(
        name=name,
        operator=operator,
        wanted=wanted,
        given=given,
        holds=holds,
        holds_in_deny=holds if in_deny is None else in_deny,
        key=key,
    )


STRINGS = [
    case("DOC: StringEquals holds for the same text", "StringEquals", "red", ["red"], True),
    case("DOC: StringEquals looks at case", "StringEquals", "red", ["Red"], False),
    case("DOC: StringEquals wants the whole text", "StringEquals", "red", ["reddish"], False),
    case("DOC: StringEquals takes a star for a star", "StringEquals", "re*", ["red"], False),
    case("DOC: StringEquals is met by a star", "StringEquals", "re*", ["re*"], True),
    case("DOC: one of several values is enough", "StringEquals", ["blue", "red"], ["red"], True),
    case("DOC: none of several values is not", "StringEquals", ["blue", "green"], ["red"], False),
    case("DOC: StringEquals fails without the key", "StringEquals", "red", ABSENT, False),
    case("DOC: an empty value is a value", "StringEquals", "", [""], True),
    case("DOC: a number is compared as text", "StringEquals", 5, ["5"], True),
    case("DOC: a boolean is compared as text", "StringEquals", True, ["true"], True),
    case("DOC: StringNotEquals fails for the same text", "StringNotEquals", "red", ["red"], False),
    case("DOC: StringNotEquals holds for another", "StringNotEquals", "red", ["blue"], True),
    case("DOC: negated values are a NOR", "StringNotEquals", ["red", "blue"], ["blue"], False),
    case("DOC: negated values all miss", "StringNotEquals", ["red", "blue"], ["green"], True),
    case("DOC: StringNotEquals holds without the key", "StringNotEquals", "red", ABSENT, True),
    case("DOC: IgnoreCase", "StringEqualsIgnoreCase", "RED", ["red"], True),
    case("DOC: IgnoreCase still compares", "StringEqualsIgnoreCase", "RED", ["blue"], False),
    case("DOC: IgnoreCase has no wildcards", "StringEqualsIgnoreCase", "R*", ["red"], False),
    case("DOC: NotEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "RED", ["red"], False),
    case("DOC: NotEqualsIgnoreCase holds for another", "StringNotEqualsIgnoreCase", "RED", ["blue"], True),
    case("DOC: NotEqualsIgnoreCase without the key", "StringNotEqualsIgnoreCase", "RED", ABSENT, True),
    case("DOC: StringLike star", "StringLike", "r*d", ["red"], True),
    case("DOC: a star may be nothing", "StringLike", "red*", ["red"], True),
    case("DOC: StringLike question mark", "StringLike", "r?d", ["red"], True),
    case("DOC: a question mark is never two characters", "StringLike", "r?d", ["reed"], False),
    case("DOC: StringLike looks at case", "StringLike", "R*", ["red"], False),
    case("DOC: StringLike fails without the key", "StringLike", "*", ABSENT, False),
    case("DOC: StringLike of an empty value", "StringLike", "*", [""], True),
    case("DOC: StringNotLike", "StringNotLike", "r*", ["red"], False),
    case("DOC: StringNotLike holds for another", "StringNotLike", "r*", ["blue"], True),
    case("DOC: StringNotLike holds without the key", "StringNotLike", "r*", ABSENT, True),
    case("DOC: ${*} is a star", "StringLike", "a${*}b", ["a*b"], True),
    case("DOC: ${*} is no wildcard", "StringLike", "a${*}b", ["axb"], False),
    case("DOC: ${?} is a question mark", "StringLike", "a${?}b", ["a?b"], True),
    case("DOC: ${?} is no wildcard", "StringLike", "a${?}b", ["axb"], False),
    case("DOC: ${$} is a dollar sign", "StringEquals", "${$}5", ["$5"], True),
    case("DOC: a dollar sign alone is itself", "StringEquals", "$5", ["$5"], True),
    case("DOC: a variable stands for its value", "StringEquals", "${aws:username}", ["bob"], True),
    case("DOC: variables ignore case", "StringEquals", "${AWS:UserName}", ["bob"], True),
    case("DOC: a variable within text", "StringLike", "team-${aws:username}-*", ["team-bob-1"], True),
    case(
        "DOC: a default where the key is missing", "StringEquals", "${aws:PrincipalTag/t, 'x'}", ["x"], True
    ),
    case("DOC: an empty default", "StringEquals", "${aws:PrincipalTag/t, ''}", [""], True),
    case("DOC: no default where the key is there", "StringEquals", "${aws:username, 'x'}", ["x"], False),
    case(
        "DOC: a variable without value matches nothing", "StringLike", "${aws:PrincipalTag/t}", ["x"], False
    ),
    case("INFERRED: …not even nothing", "StringEquals", "${aws:PrincipalTag/t}", [""], False),
    case(
        "INFERRED: …but another value still may", "StringEquals", ["${aws:PrincipalTag/t}", "x"], ["x"], True
    ),
    case(
        "INFERRED: a gap in a negated condition never grants",
        "StringNotEquals",
        "${aws:PrincipalTag/t}",
        ["x"],
        False,
        in_deny=True,
    ),
    case(
        "INFERRED: …nor ignoring case",
        "StringNotEqualsIgnoreCase",
        "${aws:PrincipalTag/t}",
        ["x"],
        False,
        in_deny=True,
    ),
    case("DOC: condition keys ignore case", "StringEquals", "red", ["red"], True, key="AWS:requestTAG/Team"),
]

NUMBERS = [
    case("DOC: NumericEquals", "NumericEquals", "10", ["10"], True),
    case("DOC: NumericEquals compares numbers", "NumericEquals", "10", ["10.0"], True),
    case("DOC: NumericEquals takes a JSON number", "NumericEquals", 10, ["10"], True),
    case("DOC: NumericEquals other", "NumericEquals", "10", ["11"], False),
    case("DOC: NumericEquals fails without the key", "NumericEquals", "10", ABSENT, False),
    case("DOC: NumericNotEquals", "NumericNotEquals", "10", ["10"], False),
    case("DOC: NumericNotEquals other", "NumericNotEquals", "10", ["9"], True),
    case("DOC: NumericNotEquals without the key", "NumericNotEquals", "10", ABSENT, True),
    case("DOC: NumericLessThan", "NumericLessThan", "10", ["9.99"], True),
    case("DOC: NumericLessThan not at the same", "NumericLessThan", "10", ["10"], False),
    case("DOC: NumericLessThanEquals at the same", "NumericLessThanEquals", "10", ["10"], True),
    case("DOC: NumericLessThanEquals above", "NumericLessThanEquals", "10", ["10.01"], False),
    case("DOC: NumericGreaterThan", "NumericGreaterThan", "10", ["11"], True),
    case("DOC: NumericGreaterThan not at the same", "NumericGreaterThan", "10", ["10"], False),
    case("DOC: NumericGreaterThanEquals at the same", "NumericGreaterThanEquals", "10", ["10"], True),
    case("DOC: NumericGreaterThanEquals below", "NumericGreaterThanEquals", "10", ["9"], False),
    case("DOC: numbers are not compared as text", "NumericLessThan", "9", ["10"], False),
    case("DOC: negative numbers", "NumericLessThan", "-1", ["-2"], True),
    case("INFERRED: what is no number equals none", "NumericEquals", "10", ["ten"], False),
    case(
        "INFERRED: what is no number is never granted", "NumericNotEquals", "10", ["ten"], False, in_deny=True
    ),
]

DATES = [
    case("DOC: DateEquals across spellings", "DateEquals", "2026-11-24T08:00:00Z", ["1795507200"], True),
    case("DOC: DateEquals across zones", "DateEquals", "2026-11-24T10:00:00+02:00", ["1795507200"], True),
    case("DOC: DateEquals west", "DateEquals", "2026-11-24T03:00:00-05:00", ["1795507200"], True),
    case("DOC: DateEquals other", "DateEquals", "2026-11-24T08:00:01Z", ["1795507200"], False),
    case("DOC: DateNotEquals", "DateNotEquals", "1795507200", ["2026-11-24T08:00:00Z"], False),
    case("DOC: DateNotEquals without the key", "DateNotEquals", "1795507200", ABSENT, True),
    case("DOC: DateLessThan", "DateLessThan", "2026-11-24T08:00:00Z", ["2026-11-24T07:59:59Z"], True),
    case("DOC: DateLessThan at the same", "DateLessThan", "2026-11-24", ["2026-11-24T00:00:00Z"], False),
    case("DOC: DateLessThanEquals", "DateLessThanEquals", "2026-11-24", ["2026-11-24T00:00:00Z"], True),
    case("DOC: DateGreaterThan", "DateGreaterThan", "2026-11", ["2026-11-01T00:00:00.5Z"], True),
    case("DOC: DateGreaterThan at the same", "DateGreaterThan", "2026-11", ["2026-11-01T00:00Z"], False),
    case("DOC: DateGreaterThanEquals", "DateGreaterThanEquals", "2026-11", ["2026-11-01T00:00Z"], True),
    case(
        "DOC: DateGreaterThanEquals before", "DateGreaterThanEquals", "2026-11", ["2026-10-31T23:59Z"], False
    ),
    case(
        "DOC: DateLessThanEquals after", "DateLessThanEquals", "2026-11-24", ["2026-11-24T00:00:01Z"], False
    ),
    case("DOC: a JSON number is seconds", "DateGreaterThan", 1795507200, ["1795507201"], True),
    case("DOC: dates fail without the key", "DateGreaterThan", "2026-11-24", ABSENT, False),
]

OTHERS = [
    case("DOC: Bool", "Bool", "true", ["true"], True),
    case("DOC: Bool other", "Bool", "true", ["false"], False),
    case("DOC: Bool takes a JSON boolean", "Bool", False, ["false"], True),
    case("DOC: Bool fails without the key", "Bool", "false", ABSENT, False),
    case("DOC: BinaryEquals", "BinaryEquals", "aGVsbG8=", ["aGVsbG8="], True),
    case("DOC: BinaryEquals other", "BinaryEquals", "aGVsbG8=", ["aGVsbG9v"], False),
    case("DOC: BinaryEquals without the key", "BinaryEquals", "aGVsbG8=", ABSENT, False),
    case("DOC: IpAddress in a range", "IpAddress", "203.0.113.0/24", ["203.0.113.7"], True),
    case("DOC: IpAddress out of it", "IpAddress", "203.0.113.0/24", ["203.0.114.7"], False),
    case("DOC: IpAddress alone is /32", "IpAddress", "203.0.113.7", ["203.0.113.7"], True),
    case("DOC: IpAddress alone is not its range", "IpAddress", "203.0.113.7", ["203.0.113.8"], False),
    case("DOC: IpAddress of version 6", "IpAddress", "2001:db8::/32", ["2001:db8:1::1"], True),
    case("DOC: IpAddress of version 6 out of range", "IpAddress", "2001:db8::/32", ["2001:db9::1"], False),
    case("DOC: versions do not mix", "IpAddress", "0.0.0.0/0", ["2001:db8::1"], False),
    case("INFERRED: version 4 in version 6", "IpAddress", "203.0.113.0/24", ["::ffff:203.0.113.7"], True),
    case("DOC: several ranges", "IpAddress", ["10.0.0.0/8", "2001:db8::/32"], ["10.1.2.3"], True),
    case("DOC: IpAddress without the key", "IpAddress", "0.0.0.0/0", ABSENT, False),
    case("INFERRED: what is no address is in no range", "IpAddress", "0.0.0.0/0", ["unix"], False),
    case("DOC: NotIpAddress in the range", "NotIpAddress", "203.0.113.0/24", ["203.0.113.7"], False),
    case("DOC: NotIpAddress out of it", "NotIpAddress", "203.0.113.0/24", ["198.51.100.1"], True),
    case("DOC: NotIpAddress without the key", "NotIpAddress", "203.0.113.0/24", ABSENT, True),
    case(
        "INFERRED: no address never grants", "NotIpAddress", "203.0.113.0/24", ["unix"], False, in_deny=True
    ),
    case("DOC: ArnEquals", "ArnEquals", "arn:aws:iam::1:user/bob", ["arn:aws:iam::1:user/bob"], True),
    case("DOC: ArnEquals other", "ArnEquals", "arn:aws:iam::1:user/bob", ["arn:aws:iam::1:user/al"], False),
    case("DOC: ArnNotEquals other", "ArnNotEquals", "arn:aws:iam::1:user/a", ["arn:aws:iam::1:user/b"], True),
    case(
        "DOC: ArnEquals has wildcards", "ArnEquals", "arn:aws:iam::*:user/*", ["arn:aws:iam::1:user/x"], True
    ),
    case("DOC: ArnLike", "ArnLike", "arn:aws:iam::*:user/b?b", ["arn:aws:iam::1:user/bob"], True),
    case(
        "DOC: ArnLike checks each field",
        "ArnLike",
        "arn:aws:*:user/bob:a:b",
        ["arn:aws:iam::1:user/bob"],
        False,
    ),
    case("DOC: a star does not cross a colon", "ArnLike", "arn:aws:*:2:3:x", ["arn:aws:iam::1:2:3:x"], False),
    case("DOC: …but in the last field", "ArnLike", "arn:aws:iam::1:*", ["arn:aws:iam::1:a:b"], True),
    case(
        "DOC: ArnLike looks at case", "ArnLike", "arn:aws:iam::1:user/Bob", ["arn:aws:iam::1:user/bob"], False
    ),
    case("DOC: ArnLike without the key", "ArnLike", "arn:aws:iam::1:*", ABSENT, False),
    case("DOC: ArnNotEquals", "ArnNotEquals", "arn:aws:iam::1:user/bob", ["arn:aws:iam::1:user/bob"], False),
    case("DOC: ArnNotLike", "ArnNotLike", "arn:aws:iam::1:user/*", ["arn:aws:iam::2:user/bob"], True),
    case("DOC: ArnNotLike without the key", "ArnNotLike", "arn:aws:iam::1:*", ABSENT, True),
    case("INFERRED: what is no ARN is like none", "ArnLike", "arn:aws:iam::1:*", ["bob"], False),
    case(
        "DOC: a variable in an ARN",
        "ArnLike",
        "arn:aws:iam::*:user/${aws:username}",
        ["arn:aws:iam::1:user/bob"],
        True,
    ),
    case(
        "DOC: a variable that is the ARN",
        "ArnEquals",
        "${aws:PrincipalArn}",
        ["arn:aws:iam::111122223333:user/bob"],
        True,
    ),
    case(
        "INFERRED: a gap in an ARN never grants",
        "ArnNotLike",
        "arn:aws:iam::1:user/${aws:PrincipalTag/t}",
        ["arn:aws:iam::1:user/x"],
        False,
        in_deny=True,
    ),
    case("DOC: Null true where the key is missing", "Null", "true", ABSENT, True),
    case("DOC: Null true where it is there", "Null", "true", ["red"], False),
    case("DOC: Null false where it is there", "Null", "false", ["red"], True),
    case("DOC: Null false where it is missing", "Null", "false", ABSENT, False),
    case("DOC: Null of an empty value", "Null", "true", [""], False),
    case("DOC: Null takes a JSON boolean", "Null", True, ABSENT, True),
]

IF_EXISTS = [
    case("DOC: IfExists holds without the key", "StringEqualsIfExists", "red", ABSENT, True),
    case("DOC: IfExists compares with the key", "StringEqualsIfExists", "red", ["blue"], False),
    case("DOC: IfExists compares with the key, and meets", "StringEqualsIfExists", "red", ["red"], True),
    case("DOC: negated IfExists holds without the key", "StringNotEqualsIfExists", "red", ABSENT, True),
    case("DOC: negated IfExists compares", "StringNotLikeIfExists", "r*", ["red"], False),
    case("DOC: NumericLessThanIfExists", "NumericLessThanIfExists", "5", ABSENT, True),
    case("DOC: NumericLessThanIfExists with the key", "NumericLessThanIfExists", "5", ["6"], False),
    case("DOC: DateGreaterThanIfExists", "DateGreaterThanIfExists", "2026-01-01", ABSENT, True),
    case("DOC: BoolIfExists", "BoolIfExists", "true", ABSENT, True),
    case("DOC: BoolIfExists with the key", "BoolIfExists", "true", ["false"], False),
    case("DOC: IpAddressIfExists", "IpAddressIfExists", "10.0.0.0/8", ABSENT, True),
    case("DOC: ArnLikeIfExists", "ArnLikeIfExists", "arn:aws:iam::1:*", ABSENT, True),
]

SETS = [
    case("DOC: ForAllValues, all within", "ForAllValues:StringEquals", ["a", "b"], ["a"], True),
    case("DOC: ForAllValues, one without", "ForAllValues:StringEquals", ["a", "b"], ["a", "c"], False),
    case("DOC: ForAllValues without the key", "ForAllValues:StringEquals", ["a", "b"], ABSENT, True),
    case("DOC: ForAllValues of no values", "ForAllValues:StringEquals", ["a", "b"], [], True),
    case("DOC: ForAllValues of an empty value", "ForAllValues:StringEquals", ["a"], [""], True),
    case("DOC: ForAllValues like", "ForAllValues:StringLike", ["team-*"], ["team-a", "team-b"], True),
    case("DOC: ForAllValues not", "ForAllValues:StringNotEquals", ["a", "b"], ["c", "d"], True),
    case("DOC: ForAllValues not, one is", "ForAllValues:StringNotEquals", ["a", "b"], ["c", "b"], False),
    case("DOC: ForAnyValue, one within", "ForAnyValue:StringEquals", ["a", "b"], ["c", "b"], True),
    case("DOC: ForAnyValue, none within", "ForAnyValue:StringEquals", ["a", "b"], ["c", "d"], False),
    case("DOC: ForAnyValue without the key", "ForAnyValue:StringEquals", ["a"], ABSENT, False),
    case("DOC: ForAnyValue of no values", "ForAnyValue:StringEquals", ["a"], [], False),
    case("DOC: ForAnyValue of an empty value", "ForAnyValue:StringLike", ["*"], [""], False),
    case("DOC: ForAnyValue not, one is other", "ForAnyValue:StringNotEquals", ["a"], ["a", "b"], True),
    case("DOC: ForAnyValue not, none is other", "ForAnyValue:StringNotEquals", ["a"], ["a"], False),
    case("DOC: ForAnyValue not, without the key", "ForAnyValue:StringNotEquals", ["a"], ABSENT, False),
    case(
        "DOC: ForAnyValue IfExists without the key", "ForAnyValue:StringEqualsIfExists", ["a"], ABSENT, True
    ),
    case(
        "DOC: ForAllValues IfExists without the key", "ForAllValues:StringEqualsIfExists", ["a"], ABSENT, True
    ),
    case("DOC: ForAllValues of numbers", "ForAllValues:NumericLessThan", "5", ["1", "4"], True),
    case("INFERRED: no qualifier, several values, all fit", "StringEquals", ["a", "b"], ["a", "b"], True),
    case("INFERRED: …and one does not", "StringEquals", "a", ["a", "b"], False, in_deny=True),
    case("INFERRED: …or is what it must not be", "StringNotEquals", "a", ["a", "b"], False, in_deny=True),
    case("INFERRED: …and all are what they must not be", "StringNotEquals", "a", ["a", "a"], False),
    case(
        "INFERRED: a variable with several values",
        "StringEquals",
        "${aws:RequestTag/team}",
        ["a", "b"],
        False,
    ),
]

CONDITION_CASES = [*STRINGS, *NUMBERS, *DATES, *OTHERS, *IF_EXISTS, *SETS]
