"""Decisions by the principal's own policies, as a table: contract 11 and the IAM reference's evaluation logic."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from neve.domain.policies.documents import PolicyKind, parse_policy
from neve.domain.policies.ready_made import READY_MADE
from neve.domain.principals import Principal
from unit.domain.policies_scene import (
    HOME,
    KEY,
    OTHER_SNAPSHOT,
    SNAPSHOT,
    allow,
    deny,
    federated,
    identity,
    root,
    session,
    user,
)

YES = ""
NO_IDENTITY = "because no identity-based policy allows the {} action"
NO_SESSION = "because no session policy allows the {} action"
DENIED = "with an explicit deny in an identity-based policy"
DENIED_IN_SESSION = "with an explicit deny in a session policy"

NO_PARENT = "arn:aws:ec2:us-east-1::snapshot/null"
TAGGED_AT_START = "arn:aws:ec2:us-east-1::snapshot/*"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionCase:
    """Who asks what, and the end of the API's message; empty for a yes."""

    name: str
    principal: Principal
    action: str
    resource: str
    context: Mapping[str, Sequence[str]] = field(default_factory=dict)
    answer: str


def case(
    name: str,
    principal: Principal,
    action: str,
    resource: str,
    answer: str,
    **context: Sequence[str],
) -> DecisionCase:
    """Return a case; in the names of condition keys `__` stands for the colon."""
    return DecisionCase(
        name=name,
        principal=principal,
        action=action,
        resource=resource,
        context={key.replace("__", ":"): values for key, values in context.items()},
        answer=answer.format(action),
    )


def ready(name: str) -> Principal:
    return user(parse_policy(READY_MADE[name], PolicyKind.IDENTITY, name=name))


PUT = "ebs:PutSnapshotBlock"
GET = "ebs:GetSnapshotBlock"
START = "ebs:StartSnapshot"
ALL_OF_IT = allow("*", "*")
IN_ACCOUNT = "arn:aws:ec2:us-east-1:" + HOME + ":snapshot/*"
ANY_SNAPSHOT = "arn:aws:ec2:us-east-1::snapshot/*"


def able(*statements: Mapping[str, object]) -> Principal:
    return user(identity(*statements))


BASICS = [
    case("LIVE: the root may do everything", root(), PUT, SNAPSHOT, YES),
    case("LIVE: a user without policies may do nothing", user(), PUT, SNAPSHOT, NO_IDENTITY),
    case("LIVE: an allow is enough", able(allow(PUT, ANY_SNAPSHOT)), PUT, SNAPSHOT, YES),
    case("LIVE: a deny beats it", able(ALL_OF_IT, deny(PUT, ANY_SNAPSHOT)), PUT, SNAPSHOT, DENIED),
    case("DOC: a deny beats it in any order", able(deny(PUT), ALL_OF_IT), PUT, SNAPSHOT, DENIED),
    case(
        "DOC: a deny in another policy beats it",
        user(identity(ALL_OF_IT), identity(deny(PUT))),
        PUT,
        SNAPSHOT,
        DENIED,
    ),
    case(
        "DOC: an allow in another policy is enough",
        user(identity(allow(GET)), identity(allow(PUT))),
        PUT,
        SNAPSHOT,
        YES,
    ),
    case("DOC: a deny of something else does nothing", able(ALL_OF_IT, deny(GET)), PUT, SNAPSHOT, YES),
    case("DOC: a deny alone is a deny", able(deny(PUT)), PUT, SNAPSHOT, DENIED),
    case("DOC: a deny of something else alone is no yes", able(deny(GET)), PUT, SNAPSHOT, NO_IDENTITY),
]

ACTIONS = [
    case("DOC: another action is another", able(allow(GET)), PUT, SNAPSHOT, NO_IDENTITY),
    case("DOC: actions ignore case", able(allow("EBS:putsnapshotBLOCK")), PUT, SNAPSHOT, YES),
    case("DOC: a star in an action", able(allow("ebs:Put*")), PUT, SNAPSHOT, YES),
    case("DOC: a star in the middle", able(allow("ebs:*Snapshot*")), PUT, SNAPSHOT, YES),
    case("DOC: a question mark in an action", able(allow("ebs:?utSnapshotBlock")), PUT, SNAPSHOT, YES),
    case(
        "DOC: a question mark is one character",
        able(allow("ebs:?PutSnapshotBlock")),
        PUT,
        SNAPSHOT,
        NO_IDENTITY,
    ),
    case("DOC: a whole service", able(allow("ebs:*")), PUT, SNAPSHOT, YES),
    case("DOC: another service", able(allow("ec2:*")), PUT, SNAPSHOT, NO_IDENTITY),
    case("DOC: everything of everybody", able(allow("*:*")), PUT, SNAPSHOT, YES),
    case("DOC: an action is not its beginning", able(allow("ebs:Put")), PUT, SNAPSHOT, NO_IDENTITY),
    case("DOC: one of several actions", able(allow([GET, PUT])), PUT, SNAPSHOT, YES),
    case(
        "DOC: services nobody has here are no matter", able(allow(["s3:GetObject", PUT])), PUT, SNAPSHOT, YES
    ),
    case(
        "DOC: NotAction allows the others",
        able({"Effect": "Allow", "NotAction": GET, "Resource": "*"}),
        PUT,
        SNAPSHOT,
        YES,
    ),
    case(
        "DOC: NotAction does not allow the named one",
        able({"Effect": "Allow", "NotAction": [PUT, GET], "Resource": "*"}),
        PUT,
        SNAPSHOT,
        NO_IDENTITY,
    ),
    case(
        "DOC: NotAction with Deny spares the named one",
        able(ALL_OF_IT, {"Effect": "Deny", "NotAction": "ebs:*", "Resource": "*"}),
        PUT,
        SNAPSHOT,
        YES,
    ),
    case(
        "DOC: NotAction with Deny denies the others",
        able(ALL_OF_IT, {"Effect": "Deny", "NotAction": "ec2:*", "Resource": "*"}),
        PUT,
        SNAPSHOT,
        DENIED,
    ),
]

RESOURCES = [
    case(
        "LIVE: the account field of a snapshot is empty",
        able(allow(PUT, IN_ACCOUNT)),
        PUT,
        SNAPSHOT,
        NO_IDENTITY,
    ),
    case(
        "LIVE: a star in the account field is that too",
        able(allow(PUT, "arn:aws:ec2:*:*:snapshot/*")),
        PUT,
        SNAPSHOT,
        YES,
    ),
    case("DOC: exactly this snapshot", able(allow(PUT, SNAPSHOT)), PUT, SNAPSHOT, YES),
    case("DOC: another snapshot", able(allow(PUT, OTHER_SNAPSHOT)), PUT, SNAPSHOT, NO_IDENTITY),
    case("DOC: any region", able(allow(PUT, "arn:aws:ec2:*::snapshot/*")), PUT, SNAPSHOT, YES),
    case("DOC: another region", able(allow(PUT, "arn:aws:ec2:eu-*::snapshot/*")), PUT, SNAPSHOT, NO_IDENTITY),
    case("DOC: part of a region", able(allow(PUT, "arn:aws:ec2:us-????-1::snapshot/*")), PUT, SNAPSHOT, YES),
    case(
        "DOC: another partition", able(allow(PUT, "arn:aws-cn:ec2:*::snapshot/*")), PUT, SNAPSHOT, NO_IDENTITY
    ),
    case(
        "DOC: another kind of resource",
        able(allow(PUT, "arn:aws:ec2:*::volume/*")),
        PUT,
        SNAPSHOT,
        NO_IDENTITY,
    ),
    case(
        "DOC: resources look at case",
        able(allow(PUT, "arn:aws:ec2:*::Snapshot/*")),
        PUT,
        SNAPSHOT,
        NO_IDENTITY,
    ),
    case("DOC: an open end stands for the rest", able(allow(PUT, "arn:aws:ec2:*")), PUT, SNAPSHOT, YES),
    case("DOC: an open end of another service", able(allow(PUT, "arn:aws:s3:*")), PUT, SNAPSHOT, NO_IDENTITY),
    case(
        "DOC: a star stays in its field",
        able(allow(PUT, "arn:aws:*:us-east-1::snapshot/*")),
        PUT,
        SNAPSHOT,
        YES,
    ),
    case(
        "DOC: …and reaches over no colon",
        able(allow(PUT, "arn:aws:*::snapshot/*:x:*")),
        PUT,
        SNAPSHOT,
        NO_IDENTITY,
    ),
    case("DOC: a piece of an id", able(allow(PUT, "arn:aws:ec2:*::snapshot/snap-0123*")), PUT, SNAPSHOT, YES),
    case("DOC: one of several", able(allow(PUT, [OTHER_SNAPSHOT, SNAPSHOT])), PUT, SNAPSHOT, YES),
    case(
        "DOC: NotResource allows the others",
        able({"Effect": "Allow", "Action": PUT, "NotResource": OTHER_SNAPSHOT}),
        PUT,
        SNAPSHOT,
        YES,
    ),
    case(
        "DOC: NotResource does not allow the named one",
        able({"Effect": "Allow", "Action": PUT, "NotResource": SNAPSHOT}),
        PUT,
        SNAPSHOT,
        NO_IDENTITY,
    ),
    case(
        "DOC: NotResource with Deny denies the others",
        able(ALL_OF_IT, {"Effect": "Deny", "Action": "*", "NotResource": OTHER_SNAPSHOT}),
        PUT,
        SNAPSHOT,
        DENIED,
    ),
    case(
        "DOC: NotResource with Deny spares the named one",
        able(ALL_OF_IT, {"Effect": "Deny", "Action": "*", "NotResource": SNAPSHOT}),
        PUT,
        SNAPSHOT,
        YES,
    ),
    case(
        "DOC: actions without resources want a star",
        able(allow("ec2:DescribeSnapshots", ANY_SNAPSHOT)),
        "ec2:DescribeSnapshots",
        "*",
        NO_IDENTITY,
    ),
    case(
        "DOC: …and are allowed by one",
        able(allow("ec2:DescribeSnapshots")),
        "ec2:DescribeSnapshots",
        "*",
        YES,
    ),
    case(
        "LIVE: a start without parent is about snapshot/null",
        able(allow(START, NO_PARENT)),
        START,
        NO_PARENT,
        YES,
    ),
    case("LIVE: …and not about a parent", able(allow(START, NO_PARENT)), START, SNAPSHOT, NO_IDENTITY),
    case(
        "LIVE: reading needs no ec2:DescribeSnapshots", able(allow("ebs:*", ANY_SNAPSHOT)), GET, SNAPSHOT, YES
    ),
    case("LIVE: …nor does it give it", able(allow("ebs:*")), "ec2:DescribeSnapshots", "*", NO_IDENTITY),
]

VARIABLES = [
    case(
        "DOC: a user's own snapshot",
        able(allow(PUT, "arn:aws:ec2:*::snapshot/${aws:username}*")),
        PUT,
        "arn:aws:ec2:us-east-1::snapshot/bob1",
        YES,
    ),
    case(
        "DOC: …is not another's",
        able(allow(PUT, "arn:aws:ec2:*::snapshot/${aws:username}*")),
        PUT,
        SNAPSHOT,
        NO_IDENTITY,
    ),
    case(
        "DOC: version 2008-10-17 has no variables",
        user(identity(allow(PUT, "arn:aws:ec2:*::snapshot/${aws:username}"), version="2008-10-17")),
        PUT,
        "arn:aws:ec2:us-east-1::snapshot/bob",
        NO_IDENTITY,
    ),
    case(
        "DOC: …but takes them literally",
        user(identity(allow(PUT, "arn:aws:ec2:*::snapshot/${aws:username}"), version="2008-10-17")),
        PUT,
        "arn:aws:ec2:us-east-1::snapshot/${aws:username}",
        YES,
    ),
    case(
        "DOC: aws:userid",
        able(allow(PUT, "arn:aws:ec2:*::snapshot/${aws:userid}")),
        PUT,
        "arn:aws:ec2:us-east-1::snapshot/AIDAEXAMPLEEXAMPLEEX",
        YES,
    ),
    case(
        "DOC: aws:PrincipalAccount",
        able(allow(PUT, "arn:aws:ec2:*::snapshot/${aws:PrincipalAccount}")),
        PUT,
        f"arn:aws:ec2:us-east-1::snapshot/{HOME}",
        YES,
    ),
    case(
        "DOC: tags of principals there are none",
        able(allow(PUT, "arn:aws:ec2:*::snapshot/${aws:PrincipalTag/x}")),
        PUT,
        SNAPSHOT,
        NO_IDENTITY,
    ),
    case(
        "DOC: a default",
        able(allow(PUT, "arn:aws:ec2:*::snapshot/${aws:PrincipalTag/x, 'y'}")),
        PUT,
        "arn:aws:ec2:us-east-1::snapshot/y",
        YES,
    ),
    case(
        "INFERRED: a value's star is no wildcard",
        able(allow(PUT, "arn:aws:ec2:*::snapshot/${aws:RequestTag/x}")),
        PUT,
        SNAPSHOT,
        NO_IDENTITY,
        **{"aws:requesttag/x": ["*"]},
    ),
    case(
        "INFERRED: a gap in NotResource never grants",
        able(
            {"Effect": "Allow", "Action": PUT, "NotResource": "arn:aws:ec2:*::snapshot/${aws:PrincipalTag/x}"}
        ),
        PUT,
        SNAPSHOT,
        NO_IDENTITY,
    ),
    case(
        "INFERRED: …and excludes nothing from a Deny",
        able(
            ALL_OF_IT,
            {"Effect": "Deny", "Action": PUT, "NotResource": "arn:aws:ec2:*::snapshot/${aws:PrincipalTag/x}"},
        ),
        PUT,
        SNAPSHOT,
        DENIED,
    ),
    case(
        "DOC: a literal star in a resource",
        able(allow("ec2:CreateTags", "arn:aws:ec2:*::snapshot/${*}")),
        "ec2:CreateTags",
        TAGGED_AT_START,
        YES,
    ),
    case(
        "DOC: …is no wildcard",
        able(allow("ec2:CreateTags", "arn:aws:ec2:*::snapshot/${*}")),
        "ec2:CreateTags",
        SNAPSHOT,
        NO_IDENTITY,
    ),
]

BLUE_ONLY = {"StringEquals": {"aws:ResourceTag/team": "blue"}}
BOTH = {"StringEquals": {"aws:ResourceTag/team": "blue"}, "IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
TWO_KEYS = {"StringEquals": {"aws:ResourceTag/team": "blue", "aws:ResourceTag/stage": "test"}}

CONDITIONS = [
    case(
        "DOC: the tag of the resource",
        able(allow(PUT, Condition=BLUE_ONLY)),
        PUT,
        SNAPSHOT,
        YES,
        **{"aws:resourcetag/team": ["blue"]},
    ),
    case(
        "DOC: another tag",
        able(allow(PUT, Condition=BLUE_ONLY)),
        PUT,
        SNAPSHOT,
        NO_IDENTITY,
        **{"aws:resourcetag/team": ["red"]},
    ),
    case("DOC: no tag", able(allow(PUT, Condition=BLUE_ONLY)), PUT, SNAPSHOT, NO_IDENTITY),
    case(
        "DOC: a denied tag",
        able(ALL_OF_IT, deny(PUT, Condition=BLUE_ONLY)),
        PUT,
        SNAPSHOT,
        DENIED,
        **{"aws:resourcetag/team": ["blue"]},
    ),
    case(
        "DOC: a denied tag that is not there",
        able(ALL_OF_IT, deny(PUT, Condition=BLUE_ONLY)),
        PUT,
        SNAPSHOT,
        YES,
    ),
    case(
        "DOC: operators must all hold",
        able(allow(PUT, Condition=BOTH)),
        PUT,
        SNAPSHOT,
        YES,
        **{"aws:resourcetag/team": ["blue"], "aws:sourceip": ["10.1.1.1"]},
    ),
    case(
        "DOC: …one is not enough",
        able(allow(PUT, Condition=BOTH)),
        PUT,
        SNAPSHOT,
        NO_IDENTITY,
        **{"aws:resourcetag/team": ["blue"], "aws:sourceip": ["11.1.1.1"]},
    ),
    case(
        "DOC: keys must all hold",
        able(allow(PUT, Condition=TWO_KEYS)),
        PUT,
        SNAPSHOT,
        YES,
        **{"aws:resourcetag/team": ["blue"], "aws:resourcetag/stage": ["test"]},
    ),
    case(
        "DOC: …one key is not enough",
        able(allow(PUT, Condition=TWO_KEYS)),
        PUT,
        SNAPSHOT,
        NO_IDENTITY,
        **{"aws:resourcetag/team": ["blue"]},
    ),
    case("DOC: an empty Condition is none", able(allow(PUT, Condition={})), PUT, SNAPSHOT, YES),
    case(
        "DOC: ebs:VolumeSize",
        able(allow(START, Condition={"NumericLessThanEquals": {"ebs:VolumeSize": "100"}})),
        START,
        NO_PARENT,
        YES,
        **{"ebs:volumesize": ["100"]},
    ),
    case(
        "DOC: ebs:VolumeSize, too large",
        able(allow(START, Condition={"NumericLessThanEquals": {"ebs:VolumeSize": "100"}})),
        START,
        NO_PARENT,
        NO_IDENTITY,
        **{"ebs:volumesize": ["101"]},
    ),
    case(
        "DOC: ebs:Description",
        able(allow(START, Condition={"StringLike": {"ebs:Description": "nightly *"}})),
        START,
        NO_PARENT,
        YES,
        **{"ebs:description": ["nightly backup"]},
    ),
    case(
        "DOC: ebs:ParentSnapshot",
        able(allow(START, Condition={"ArnLike": {"ebs:ParentSnapshot": ANY_SNAPSHOT}})),
        START,
        SNAPSHOT,
        YES,
        **{"ebs:parentsnapshot": [SNAPSHOT]},
    ),
    case(
        "DOC: ebs:ParentSnapshot where there is none",
        able(allow(START, Condition={"Null": {"ebs:ParentSnapshot": "true"}})),
        START,
        NO_PARENT,
        YES,
    ),
    case(
        "DOC: aws:TagKeys",
        able(
            allow(
                "ec2:CreateTags", Condition={"ForAllValues:StringEquals": {"aws:TagKeys": ["team", "stage"]}}
            )
        ),
        "ec2:CreateTags",
        TAGGED_AT_START,
        YES,
        **{"aws:tagkeys": ["team"]},
    ),
    case(
        "DOC: aws:TagKeys, one too many",
        able(allow("ec2:CreateTags", Condition={"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}})),
        "ec2:CreateTags",
        TAGGED_AT_START,
        NO_IDENTITY,
        **{"aws:tagkeys": ["team", "x"]},
    ),
    case(
        "LIVE: tagging at the start",
        able(allow("ec2:CreateTags", ANY_SNAPSHOT)),
        "ec2:CreateTags",
        TAGGED_AT_START,
        YES,
    ),
    case(
        "LIVE: ec2:CreateAction StartSnapshot",
        able(allow("ec2:CreateTags", Condition={"StringEquals": {"ec2:CreateAction": "StartSnapshot"}})),
        "ec2:CreateTags",
        TAGGED_AT_START,
        NO_IDENTITY,
    ),
    case(
        "LIVE: ec2:CreateAction CreateSnapshot",
        able(allow("ec2:CreateTags", Condition={"StringEquals": {"ec2:CreateAction": "CreateSnapshot"}})),
        "ec2:CreateTags",
        TAGGED_AT_START,
        NO_IDENTITY,
    ),
    case(
        "DOC: aws:PrincipalArn",
        able(allow(PUT, Condition={"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/b*"}})),
        PUT,
        SNAPSHOT,
        YES,
    ),
    case(
        "DOC: aws:PrincipalType",
        able(allow(PUT, Condition={"StringEquals": {"aws:PrincipalType": "User"}})),
        PUT,
        SNAPSHOT,
        YES,
    ),
    case(
        "INFERRED: nobody else's word counts for the principal",
        able(allow(PUT, Condition={"StringEquals": {"aws:username": "alice"}})),
        PUT,
        SNAPSHOT,
        NO_IDENTITY,
        aws__username=["alice"],
    ),
    case(
        "DOC: a long-term key has no token time",
        able(allow(PUT, Condition={"Null": {"aws:TokenIssueTime": "true"}})),
        PUT,
        SNAPSHOT,
        YES,
    ),
    case(
        "DOC: a session has one",
        user(
            identity(allow(PUT, Condition={"DateLessThan": {"aws:TokenIssueTime": "1970-01-02"}})),
            issued_ms=1000,
        ),
        PUT,
        SNAPSHOT,
        YES,
    ),
    case(
        "DOC: old sessions can be denied",
        user(
            identity(ALL_OF_IT, deny(Condition={"DateLessThan": {"aws:TokenIssueTime": "2026-01-01"}})),
            issued_ms=1000,
        ),
        PUT,
        SNAPSHOT,
        DENIED,
    ),
    case(
        "DOC: …long-term keys are not",
        able(ALL_OF_IT, deny(Condition={"DateLessThan": {"aws:TokenIssueTime": "2026-01-01"}})),
        PUT,
        SNAPSHOT,
        YES,
    ),
    case(
        "DOC: a second factor was not shown",
        user(
            identity(ALL_OF_IT, deny(Condition={"Bool": {"aws:MultiFactorAuthPresent": "false"}})),
            issued_ms=1000,
        ),
        PUT,
        SNAPSHOT,
        DENIED,
    ),
    case(
        "DOC: a second factor nobody can say of a long-term key",
        able(ALL_OF_IT, deny(Condition={"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}})),
        PUT,
        SNAPSHOT,
        DENIED,
    ),
]

SESSIONS = [
    case(
        "DOC: a session has both or nothing",
        user(identity(ALL_OF_IT), bound=session(allow(PUT))),
        PUT,
        SNAPSHOT,
        YES,
    ),
    case(
        "DOC: the session policy bounds",
        user(identity(ALL_OF_IT), bound=session(allow(GET))),
        PUT,
        SNAPSHOT,
        NO_SESSION,
    ),
    case(
        "DOC: the session policy does not grant",
        user(identity(allow(GET)), bound=session(ALL_OF_IT)),
        PUT,
        SNAPSHOT,
        NO_IDENTITY,
    ),
    case(
        "DOC: the session policy denies",
        user(identity(ALL_OF_IT), bound=session(ALL_OF_IT, deny(PUT))),
        PUT,
        SNAPSHOT,
        DENIED_IN_SESSION,
    ),
    case(
        "DOC: the user's policy denies in a session",
        user(identity(ALL_OF_IT, deny(PUT)), bound=session(ALL_OF_IT)),
        PUT,
        SNAPSHOT,
        DENIED,
    ),
    case("DOC: a session of the root is bounded", root(bound=session(allow(GET))), PUT, SNAPSHOT, NO_SESSION),
    case(
        "DOC: a session of the root is denied",
        root(bound=session(ALL_OF_IT, deny(PUT))),
        PUT,
        SNAPSHOT,
        DENIED_IN_SESSION,
    ),
    case("DOC: a session of the root within its bounds", root(bound=session(allow(PUT))), PUT, SNAPSHOT, YES),
    case(
        "DOC: a federated session has no user name",
        federated(identity(allow(PUT, "arn:aws:ec2:*::snapshot/${aws:username}")), bound=session(ALL_OF_IT)),
        PUT,
        "arn:aws:ec2:us-east-1::snapshot/bob",
        NO_IDENTITY,
    ),
    case(
        "DOC: a federated session has its own id",
        federated(
            identity(allow(PUT, Condition={"StringEquals": {"aws:userid": HOME + ":guest"}})),
            bound=session(ALL_OF_IT),
        ),
        PUT,
        SNAPSHOT,
        YES,
    ),
    case(
        "DOC: a federated session's type",
        federated(
            identity(allow(PUT, Condition={"StringEquals": {"aws:PrincipalType": "FederatedUser"}})),
            bound=session(ALL_OF_IT),
        ),
        PUT,
        SNAPSHOT,
        YES,
    ),
]

THROUGH = {"kms:viaservice": ["ec2.us-east-1.amazonaws.com"]}
READER, WRITER, OPERATOR = ready("NeveReadOnly"), ready("NeveWriter"), ready("NeveOperator")
READY = [
    *(
        case(f"NeveReadOnly may {action}", READER, action, resource, YES)
        for action, resource in [
            (GET, SNAPSHOT),
            ("ebs:ListSnapshotBlocks", SNAPSHOT),
            ("ebs:ListChangedBlocks", SNAPSHOT),
            ("ec2:DescribeSnapshots", "*"),
            ("ec2:DescribeTags", "*"),
            ("ec2:DescribeSnapshotAttribute", SNAPSHOT),
        ]
    ),
    *(
        case(f"NeveReadOnly may not {action}", READER, action, resource, NO_IDENTITY)
        for action, resource in [
            (PUT, SNAPSHOT),
            (START, NO_PARENT),
            ("ebs:CompleteSnapshot", SNAPSHOT),
            ("ec2:CreateTags", TAGGED_AT_START),
            ("ec2:DeleteSnapshot", SNAPSHOT),
            ("ec2:DeleteTags", SNAPSHOT),
            ("ec2:ModifySnapshotAttribute", SNAPSHOT),
            ("kms:GenerateDataKey", KEY),
            ("kms:Decrypt", KEY),
        ]
    ),
    case("NeveReadOnly opens through snapshots", READER, "kms:Decrypt", KEY, YES, **THROUGH),
    case(
        "NeveReadOnly wraps nothing through snapshots",
        READER,
        "kms:GenerateDataKey",
        KEY,
        NO_IDENTITY,
        **THROUGH,
    ),
    *(
        case(f"NeveWriter may {action} on {resource}", WRITER, action, resource, YES)
        for action, resource in [
            (START, NO_PARENT),
            (START, SNAPSHOT),
            (PUT, SNAPSHOT),
            ("ebs:CompleteSnapshot", SNAPSHOT),
            ("ec2:CreateTags", TAGGED_AT_START),
            ("ec2:DescribeSnapshots", "*"),
        ]
    ),
    *(
        case(f"NeveWriter may not {action}", WRITER, action, resource, NO_IDENTITY)
        for action, resource in [
            (GET, SNAPSHOT),
            ("ebs:ListSnapshotBlocks", SNAPSHOT),
            ("ebs:ListChangedBlocks", SNAPSHOT),
            ("ec2:DeleteSnapshot", SNAPSHOT),
            ("ec2:CreateTags", SNAPSHOT),
            ("ec2:DeleteTags", SNAPSHOT),
            ("ec2:ModifySnapshotAttribute", SNAPSHOT),
            ("kms:Decrypt", KEY),
            ("kms:DisableKey", KEY),
        ]
    ),
    *(
        case(f"NeveWriter may {action} through snapshots", WRITER, action, KEY, YES, **THROUGH)
        for action in [
            "kms:GenerateDataKey",
            "kms:GenerateDataKeyWithoutPlaintext",
            "kms:Decrypt",
            "kms:ReEncryptFrom",
            "kms:ReEncryptTo",
            "kms:DescribeKey",
        ]
    ),
    *(
        case(f"NeveOperator may {action}", OPERATOR, action, resource, YES)
        for action, resource in [
            (GET, SNAPSHOT),
            (PUT, SNAPSHOT),
            ("ec2:DeleteSnapshot", SNAPSHOT),
            ("ec2:CreateTags", SNAPSHOT),
            ("ec2:ModifySnapshotAttribute", SNAPSHOT),
            ("ec2:EnableEbsEncryptionByDefault", "*"),
            ("ec2:ModifyEbsDefaultKmsKeyId", "*"),
            ("kms:ScheduleKeyDeletion", KEY),
            ("kms:CreateKey", "*"),
        ]
    ),
    case("NeveOperator has no say over other things", OPERATOR, "iam:CreateUser", "*", NO_IDENTITY),
]

DECISION_CASES = [*BASICS, *ACTIONS, *RESOURCES, *VARIABLES, *CONDITIONS, *SESSIONS, *READY]
