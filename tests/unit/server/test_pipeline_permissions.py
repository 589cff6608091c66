"""Users and sessions at the door: what they may, what they are told, and what stops them."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from fix_logs import Journal
from neve.auth import canonical, sigv4
from neve.auth.payload import EMPTY_BODY_HASH
from neve.auth.signature import amz_date_text
from neve.domain.identities import AccessKey
from neve.domain.sessions import SESSION_ENTROPY_BYTES, Session, new_session
from neve.messages.http import RequestHead, Response
from neve.server.credentials import Credentials, seal_secret
from neve.stores.metadata.contract_identities import ManagedPolicy, User
from neve.testing.time_and_chance import ManualClock
from neve.testing.world import ACCOUNT, OTHER_ACCOUNT, World
from pipeline_door import BLOCK, DESCRIBE, KEY_ID, SECRET, Door, header, told

JOES_KEY, JOES_SECRET = "AKIDJOE", "joes secret"
JOE = f"User: arn:aws:iam::{ACCOUNT}:user/joe is not authorized to perform: "
NO_POLICY = "because no identity-based policy allows the {} action"
SNAPSHOT = "snap-0123456789abcdef0"


class JoesDoor(Door):
    """A door at which a user knocks, with a policy of the test's choice."""

    def __init__(self, world: World, journal: Journal) -> None:
        super().__init__(world, journal)
        identities = world.metadata.identities
        identities.add_user(User(account_id=ACCOUNT, user_name="joe", user_id="AIDAEXAMPLE", created_ms=0))
        self.joes_key = AccessKey(
            access_key_id=JOES_KEY,
            account_id=ACCOUNT,
            sealed_secret=seal_secret(self.keyring, JOES_KEY, JOES_SECRET),
            created_ms=0,
            user_name="joe",
        )
        world.metadata.add_access_key(self.joes_key)

    def head(self, method: str, target: str, *, body: bytes = b"", **options: Any) -> RequestHead:
        return super().head(
            method, target, body=body, **({"key_id": JOES_KEY, "secret": JOES_SECRET} | options)
        )

    def may(self, *statements: Mapping[str, Any]) -> None:
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        self.world.metadata.identities.put_policy(
            ManagedPolicy(account_id=ACCOUNT, policy_name="p", document=document, created_ms=0, updated_ms=0)
        )
        self.world.metadata.identities.attach_policy(ACCOUNT, "joe", "p")

    def ask(self, method: str, target: str, body: bytes = b"", **options: Any) -> Response:
        return self.pipeline.answer(self.head(method, target, body=body, **options), body)

    def start(self, **members: Any) -> Response:
        return self.ask("POST", "/snapshots", json.dumps({"VolumeSize": 1} | members).encode())

    def ec2(self, action: str, **parameters: str) -> Response:
        form = urlencode({"Action": action, "Version": "2016-11-15"} | parameters).encode()
        return self.ask("POST", "/", form, service="ec2")

    def sts(self, action: str, *, options: Mapping[str, Any] | None = None, **parameters: str) -> Response:
        form = urlencode({"Action": action, "Version": "2011-06-15"} | parameters).encode()
        return self.ask("POST", "/", form, service="sts", **(options or {}))

    def tagged(self, **tags: str) -> str:
        """Return a snapshot of the account with tags."""
        snapshot_id = self.world.start()
        self.world.metadata.put_tags(ACCOUNT, [_id(snapshot_id)], tags, tags_max=50)
        return snapshot_id


def _id(snapshot_id: str) -> Any:
    return snapshot_id


@pytest.fixture
def door(world: World, journal: Journal) -> JoesDoor:
    return JoesDoor(world, journal)


def allow(action: str | list[str], resource: str = "*", **condition: Any) -> Mapping[str, Any]:
    return _statement("Allow", action, resource, condition)


def deny(action: str | list[str], resource: str = "*", **condition: Any) -> Mapping[str, Any]:
    return _statement("Deny", action, resource, condition)


def _statement(effect: str, action: str | list[str], resource: str, condition: Any) -> Mapping[str, Any]:
    more = {"Condition": condition} if condition else {}
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def arn(snapshot_id: str) -> str:
    return f"arn:aws:ec2:us-east-1::snapshot/{snapshot_id}"


def text_of(response: Response, element: str) -> str:
    found = re.search(f"<{element}>(.*?)</{element}>", response.body.decode())
    assert found is not None, response.body
    return found[1]


# --- what a denial is told


def test_LIVE_ebs_says_who_may_not_do_what_to_which(door: JoesDoor) -> None:
    response = door.put(SNAPSHOT)
    assert response.status == 403
    assert header(response, "x-amzn-ErrorType").startswith("AccessDeniedException:")
    assert told(response) == {
        "Message": f"{JOE}ebs:PutSnapshotBlock on resource: {arn(SNAPSHOT)} "
        + NO_POLICY.format("ebs:PutSnapshotBlock")
    }


def test_LIVE_ebs_names_an_explicit_deny(door: JoesDoor) -> None:
    door.may(allow("*"), deny("ebs:PutSnapshotBlock"))
    assert told(door.put(SNAPSHOT))["Message"].endswith("with an explicit deny in an identity-based policy")


def test_DOC_ec2_has_a_code_of_its_own(door: JoesDoor) -> None:
    response = door.ec2("DeleteSnapshot", SnapshotId=SNAPSHOT)
    assert (response.status, text_of(response, "Code")) == (403, "UnauthorizedOperation")
    assert text_of(response, "Message") == (
        f"You are not authorized to perform this operation. {JOE}ec2:DeleteSnapshot on resource: {arn(SNAPSHOT)} "
        + NO_POLICY.format("ec2:DeleteSnapshot")
    )


def test_DOC_a_rehearsal_of_what_is_denied_is_denied(door: JoesDoor) -> None:
    snapshot_id = door.world.start()
    refused = door.ec2("DeleteSnapshot", SnapshotId=snapshot_id, DryRun="true")
    assert text_of(refused, "Code") == "UnauthorizedOperation"
    door.may(allow("ec2:DeleteSnapshot"))
    promised = door.ec2("DeleteSnapshot", SnapshotId=snapshot_id, DryRun="true")
    assert text_of(promised, "Code") == "DryRunOperation"


def test_an_action_without_resources_is_allowed_on_everything_only(door: JoesDoor) -> None:
    door.may(allow("ec2:DescribeSnapshots", "arn:aws:ec2:*::snapshot/*"))
    refused = door.ec2("DescribeSnapshots")
    assert "ec2:DescribeSnapshots because no" in text_of(refused, "Message")
    door.may(allow("ec2:DescribeSnapshots"))
    assert door.ec2("DescribeSnapshots").status == 200


@pytest.mark.parametrize("effect", [deny, None])
def test_INFERRED_a_snapshot_that_is_not_there_is_denied_before_it_is_missed(
    door: JoesDoor, effect: Any
) -> None:
    missing = f"/snapshots/{SNAPSHOT}/blocks"
    if effect is not None:
        door.may(allow("*"), effect("ebs:List*"))
    assert door.ask("GET", missing).status == 403
    door.may(allow("*"))
    assert told(door.ask("GET", missing))["Reason"] == "SNAPSHOT_NOT_FOUND"


def test_coral_validation_comes_before_authorization(door: JoesDoor) -> None:
    assert told(door.ask("GET", "/snapshots/nonsense/blocks")).keys() == {"message"}


# --- what policies can ask about


def test_tags_of_a_resource_decide(door: JoesDoor) -> None:
    door.may(allow("ebs:*", StringEquals={"aws:ResourceTag/Owner": "joe"}))
    assert door.put(door.tagged(Owner="joe")).status == 201
    for snapshot_id in (door.tagged(Owner="ann"), door.tagged(), SNAPSHOT):
        assert door.put(snapshot_id).status == 403


def test_tags_of_somebody_elses_snapshot_are_none(door: JoesDoor) -> None:
    snapshot_id = door.tagged(Owner="joe")
    door.world.metadata.modify_permissions(ACCOUNT, _id(snapshot_id), add=[OTHER_ACCOUNT])
    world = door.world
    world.metadata.identities.add_user(
        User(account_id=OTHER_ACCOUNT, user_name="eve", user_id="AIDAEVE", created_ms=0)
    )
    world.metadata.identities.put_policy(
        ManagedPolicy(
            account_id=OTHER_ACCOUNT,
            policy_name="p",
            document=json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": [allow("ebs:*", StringEquals={"aws:ResourceTag/Owner": "joe"})],
                }
            ),
            created_ms=0,
            updated_ms=0,
        )
    )
    world.metadata.identities.attach_policy(OTHER_ACCOUNT, "eve", "p")
    sealed = seal_secret(door.keyring, "AKIDEVE", "eves secret")
    world.metadata.add_access_key(
        AccessKey(
            access_key_id="AKIDEVE",
            account_id=OTHER_ACCOUNT,
            sealed_secret=sealed,
            created_ms=0,
            user_name="eve",
        )
    )
    eve: dict[str, Any] = {"key_id": "AKIDEVE", "secret": "eves secret"}
    assert door.ask("GET", f"/snapshots/{snapshot_id}/blocks", **eve).status == 403


def test_LIVE_a_start_without_a_parent_is_asked_about_on_null(door: JoesDoor) -> None:
    door.may(allow("ebs:StartSnapshot", arn("null")))
    assert door.start().status == 201
    assert f"on resource: {arn(SNAPSHOT)} because" in told(door.start(ParentSnapshotId=SNAPSHOT))["Message"]
    door.may(allow("ebs:StartSnapshot", arn("snap-*")))
    assert f"on resource: {arn('null')} because" in told(door.start())["Message"]


def test_LIVE_a_start_with_a_parent_is_asked_about_on_the_parent_and_its_tags(door: JoesDoor) -> None:
    door.may(allow("ebs:StartSnapshot", StringEquals={"aws:ResourceTag/Owner": "joe"}))
    parent = door.tagged(Owner="joe")
    door.world.complete(parent, count=0)
    assert door.start(ParentSnapshotId=parent).status == 201
    assert door.start().status == 403


@pytest.mark.parametrize(
    ("condition", "fitting", "unfitting"),
    [
        (
            {"StringLike": {"ebs:Description": "nightly *"}},
            {"Description": "nightly 1"},
            {"Description": "x"},
        ),
        ({"Null": {"ebs:Description": "false"}}, {"Description": "x"}, {}),
        ({"NumericLessThanEquals": {"ebs:VolumeSize": "1"}}, {}, {"VolumeSize": 2}),
        ({"Null": {"ebs:ParentSnapshot": "true"}}, {}, {"ParentSnapshotId": SNAPSHOT}),
        (
            {"StringEquals": {"aws:RequestTag/team": "a"}},
            {"Tags": [{"Key": "team", "Value": "a"}]},
            {"Tags": [{"Key": "team", "Value": "b"}]},
        ),
        (
            {"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}},
            {"Tags": [{"Key": "team", "Value": "a"}]},
            {"Tags": [{"Key": "other", "Value": "a"}]},
        ),
        ({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, {}, None),
        ({"IpAddress": {"aws:SourceIp": "198.51.100.0/24"}}, None, {}),
        ({"Bool": {"aws:SecureTransport": "true"}}, None, {}),
        ({"StringEquals": {"aws:username": "${aws:username}", "aws:RequestedRegion": "us-east-1"}}, {}, None),
        ({"DateGreaterThan": {"aws:CurrentTime": "2026-09-21T00:00:00Z"}}, {}, None),
        ({"Null": {"aws:TokenIssueTime": "false"}}, None, {}),
        ({"Null": {"ec2:CreateAction": "false"}}, None, {"Tags": [{"Key": "team", "Value": "a"}]}),
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_a_start_can_be_bound_to(
    door: JoesDoor,
    condition: dict[str, Any],
    fitting: dict[str, Any] | None,
    unfitting: dict[str, Any] | None,
) -> None:
    door.may(allow(["ebs:StartSnapshot", "ec2:CreateTags"], **condition))
    if fitting is not None:
        assert door.start(**fitting).status == 201
    if unfitting is not None:
        assert door.start(**unfitting).status == 403


def test_a_start_can_be_bound_to_its_parent(door: JoesDoor) -> None:
    parent = door.world.start()
    door.world.complete(parent, count=0)
    door.may(allow("ebs:StartSnapshot", ArnEquals={"ebs:ParentSnapshot": arn(parent)}))
    assert door.start(ParentSnapshotId=parent).status == 201
    assert door.start(ParentSnapshotId=SNAPSHOT).status == 403
    assert door.start().status == 403


def test_LIVE_tags_at_the_start_demand_create_tags_and_only_if_there_are_any(door: JoesDoor) -> None:
    door.may(allow("ebs:StartSnapshot"))
    assert door.start().status == 201
    assert door.start(Tags=[]).status == 201
    refused = door.start(Tags=[{"Key": "k", "Value": "v"}])
    assert f"ec2:CreateTags on resource: {arn('*')} because" in told(refused)["Message"]
    door.may(allow("ebs:StartSnapshot"), allow("ec2:CreateTags"))
    assert door.start(Tags=[{"Key": "k", "Value": "v"}]).status == 201


def test_LIVE_changes_must_be_allowed_on_both_snapshots(door: JoesDoor) -> None:
    first, second = door.world.start(), door.world.start()
    for snapshot_id in (first, second):
        door.world.complete(snapshot_id, count=0)
    target = f"/snapshots/{second}/changedblocks?firstSnapshotId={first}"
    for one, other in ((first, second), (second, first)):
        door.may(allow("ebs:ListChangedBlocks", arn(one)))
        assert f"on resource: {arn(other)} because" in told(door.ask("GET", target))["Message"]
    door.may(allow("ebs:ListChangedBlocks", arn(first)), allow("ebs:ListChangedBlocks", arn(second)))
    assert "AccessDenied" not in str(told(door.ask("GET", target)))
    assert door.ask("GET", target).status != 403


def test_tags_must_be_allowed_on_every_resource_and_with_every_key(door: JoesDoor) -> None:
    one, other = door.world.start(), door.world.start()
    tags = {"ResourceId.1": one, "ResourceId.2": other, "Tag.1.Key": "team", "Tag.1.Value": "a"}
    door.may(allow("ec2:CreateTags", arn(one)))
    assert f"on resource: {arn(other)} because" in text_of(door.ec2("CreateTags", **tags), "Message")
    keys: dict[str, Any] = {"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}
    door.may(allow(["ec2:CreateTags", "ec2:DeleteTags"], **keys))
    assert door.ec2("CreateTags", **tags).status == 200
    assert door.ec2("CreateTags", **(tags | {"Tag.2.Key": "x", "Tag.2.Value": ""})).status == 403
    assert door.ec2("DeleteTags", **{"ResourceId.1": one, "Tag.1.Key": "x"}).status == 403
    assert door.ec2("DeleteTags", **{"ResourceId.1": one, "Tag.1.Key": "team"}).status == 200


def test_who_may_take_some_tags_off_may_not_take_all_by_naming_none(door: JoesDoor) -> None:
    only: dict[str, Any] = {"ForAllValues:StringEquals": {"aws:TagKeys": ["team", "stage"]}}
    kept: dict[str, Any] = {"ForAnyValue:StringEquals": {"aws:TagKeys": "keep"}}
    tagged, kept_for_ever = door.tagged(team="a", stage="b"), door.tagged(team="a", keep="forever")
    for statements in (
        [allow("ec2:DeleteTags", **only)],
        [allow("ec2:DeleteTags"), deny("ec2:DeleteTags", **kept)],
    ):
        door.may(*statements)
        refused = door.ec2("DeleteTags", **{"ResourceId.1": tagged, "ResourceId.2": kept_for_ever})
        assert f"on resource: {arn(kept_for_ever)} " in text_of(refused, "Message")
        assert door.world.metadata.snapshot(ACCOUNT, _id(tagged)).tags != {}
    assert door.ec2("DeleteTags", **{"ResourceId.1": tagged}).status == 200
    assert door.world.metadata.snapshot(ACCOUNT, _id(tagged)).tags == {}
    assert door.ec2("DeleteTags", **{"ResourceId.1": tagged}).status == 200


SHARING = [
    {"Attribute": "createVolumePermission", "OperationType": "{verb}", "UserId.1": "{user}"},
    {"Attribute": "createVolumePermission", "OperationType": "{verb}", "UserGroup.1": "{group}"},
    {"CreateVolumePermission.{Verb}.1.UserId": "{user}"},
    {"CreateVolumePermission.{Verb}.1.Group": "{group}"},
]


@pytest.mark.parametrize("verb", ["add", "remove"])
@pytest.mark.parametrize("form", SHARING, ids=["users", "groups", "named users", "named groups"])
def test_DOC_policies_may_ask_whom_a_snapshot_is_shared_with(
    door: JoesDoor, form: Mapping[str, str], verb: str
) -> None:
    snapshot_id = door.tagged(team="a")
    names = {"verb": verb, "Verb": verb.title(), "user": OTHER_ACCOUNT, "group": "all"}
    asked = {name.format(**names): text.format(**names) for name, text in form.items()}
    asked["SnapshotId"] = snapshot_id
    key = f"ec2:{verb.title()}/{'userId' if '{user}' in form.values() else 'group'}"
    value = OTHER_ACCOUNT if key.endswith("userId") else "all"
    everything = allow("ec2:ModifySnapshotAttribute")
    for statements, status in (
        ([allow("ec2:ModifySnapshotAttribute", StringEquals={key: value})], 200),
        ([allow("ec2:ModifySnapshotAttribute", StringEquals={key: "999999999999"})], 403),
        ([everything, deny("ec2:ModifySnapshotAttribute", StringEquals={key: value})], 403),
        ([everything, deny("ec2:ModifySnapshotAttribute", StringEquals={key: "999999999999"})], 200),
    ):
        door.may(*statements)
        assert door.ec2("ModifySnapshotAttribute", **asked).status == status


def test_who_may_share_with_one_account_may_not_with_another_beside(door: JoesDoor) -> None:
    door.may(allow("ec2:ModifySnapshotAttribute", StringEquals={"ec2:Add/userId": OTHER_ACCOUNT}))
    both = {
        "SnapshotId": door.tagged(team="a"),
        "Attribute": "createVolumePermission",
        "OperationType": "add",
        "UserId.1": OTHER_ACCOUNT,
    }
    for more in ({"UserId.2": "999999999999"}, {"CreateVolumePermission.Add.1.UserId": "999999999999"}):
        assert door.ec2("ModifySnapshotAttribute", **(both | more)).status == 403
    assert door.ec2("ModifySnapshotAttribute", **both).status == 200


# --- what it costs


class Counting:
    """A metadata store that counts what it is asked."""

    def __init__(self, metadata: Any) -> None:
        self._metadata = metadata
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._metadata, name)
        self.asked.append(name)
        return found


def test_who_asks_costs_the_root_one_look_up_and_a_user_three(door: JoesDoor) -> None:
    counting: Any = Counting(door.world.metadata)
    door.pipeline.credentials = Credentials(
        counting, door.keyring, door.world.context.sessions, door.journal.report
    )
    door.pipeline.context = replace(door.world.context, metadata=counting)
    root = door.pipeline.begin(door.put_head(SNAPSHOT, key_id=KEY_ID, secret=SECRET))
    assert root.admit() is None
    assert counting.asked == ["access_key"]
    counting.asked.clear()
    door.may(allow("ebs:Put*"))
    assert door.pipeline.begin(door.put_head(SNAPSHOT)).admit() is None
    assert counting.asked == ["access_key", "identities"]


def test_no_policy_is_looked_up_for_who_proves_nothing(door: JoesDoor) -> None:
    counting: Any = Counting(door.world.metadata)
    door.pipeline.credentials = Credentials(
        counting, door.keyring, door.world.context.sessions, door.journal.report
    )
    assert door.put(SNAPSHOT, secret="wrong").status == 403
    assert door.put(SNAPSHOT, key_id="AKIDNOBODY").status == 403
    assert counting.asked == ["access_key", "access_key"]


# --- sessions


class Sessions:
    """Sessions of joe, and the options to knock with them."""

    def __init__(self, door: JoesDoor, **changes: Any) -> None:
        now_ms = door.world.clock.now_ms()
        issued = new_session(
            bytes(SESSION_ENTROPY_BYTES),
            parent_access_key_id=JOES_KEY,
            account_id=ACCOUNT,
            user_id="AIDAEXAMPLE",
            issued_ms=now_ms,
            expires_ms=now_ms + 60_000,
        )
        self.session: Session = replace(issued, **changes)
        self.token = door.world.context.sessions.token(self.session)
        self.options: dict[str, Any] = {
            "key_id": self.session.access_key_id,
            "secret": self.session.secret,
            "session_token": self.token,
        }


def test_a_session_may_what_its_user_may_and_is_named_in_the_log(door: JoesDoor) -> None:
    door.may(allow("ebs:Put*", Null={"aws:TokenIssueTime": "false"}))
    session = Sessions(door)
    snapshot_id = door.world.start()
    assert door.put(snapshot_id, **session.options).status == 201
    assert door.put(snapshot_id).status == 403
    with_session, without = door.answered()
    assert with_session.principal == without.principal == f"arn:aws:iam::{ACCOUNT}:user/joe"
    assert with_session.access_key_id == session.session.access_key_id
    for secret in (session.token, session.session.secret):
        assert secret not in repr(door.journal.events)


def test_DOC_a_session_whose_time_is_over_is_told_so(door: JoesDoor) -> None:
    door.may(allow("*"))
    session = Sessions(door)
    clock = door.world.clock
    assert isinstance(clock, ManualClock)
    clock.advance(seconds=60)
    response = door.put(SNAPSHOT, **session.options)
    assert (response.status, told(response)) == (
        403,
        {"message": "The security token included in the request is expired"},
    )
    assert header(response, "x-amzn-ErrorType").startswith("ExpiredTokenException:")
    ec2 = door.pipeline.answer(door.describe_head(DESCRIBE, **session.options), DESCRIBE)
    assert (ec2.status, text_of(ec2, "Code")) == (400, "RequestExpired")
    sts = door.sts("GetCallerIdentity", options=session.options)
    assert (sts.status, text_of(sts, "Code")) == (403, "ExpiredToken")
    wrong = door.put(SNAPSHOT, **(session.options | {"secret": "wrong"}))
    assert header(wrong, "x-amzn-ErrorType").startswith("InvalidSignatureException:")


@pytest.mark.parametrize(
    "change",
    [
        {"session_token": None},
        {"session_token": "bm9uc2Vuc2U="},
        {"key_id": JOES_KEY, "secret": JOES_SECRET},
        {"key_id": "ASIANOBODY"},
    ],
    ids=["no token", "no token of ours", "a long-term key with a token", "another key"],
)
def test_a_token_that_is_not_the_keys_is_unrecognized(door: JoesDoor, change: dict[str, Any]) -> None:
    door.may(allow("*"))
    options = Sessions(door).options | change
    response = door.put(SNAPSHOT, **options)
    assert header(response, "x-amzn-ErrorType").startswith("UnrecognizedClientException:")
    assert told(response) == {"message": "The security token included in the request is invalid."}
    ec2 = door.pipeline.answer(door.describe_head(DESCRIBE, **options), DESCRIBE)
    assert (ec2.status, text_of(ec2, "Code")) == (401, "AuthFailure")
    sts = door.sts("GetCallerIdentity", options=options)
    assert (sts.status, text_of(sts, "Code")) == (403, "InvalidClientTokenId")


def test_a_presigned_request_has_its_token_in_the_query(door: JoesDoor) -> None:
    door.may(allow("ebs:List*"))
    session = Sessions(door)
    snapshot_id = door.world.start()
    door.world.complete(snapshot_id, count=0)
    target = presigned(door, f"/snapshots/{snapshot_id}/blocks", session)
    head = RequestHead(method="GET", raw_target=target, headers=[("Host", "neve.example")])
    assert door.pipeline.answer(head, b"").status == 200
    disabled = replace(door.joes_key, enabled=False)
    door.world.metadata.add_access_key(disabled)
    assert door.pipeline.answer(head, b"").status == 403


def presigned(door: JoesDoor, path: str, session: Sessions) -> str:
    date = amz_date_text(door.world.clock.now_ms())
    scope = f"{date[:8]}/us-east-1/ebs/aws4_request"
    query = "&".join(
        f"{name}={quote(value, safe='')}"
        for name, value in {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{session.session.access_key_id}/{scope}",
            "X-Amz-Date": date,
            "X-Amz-Expires": "600",
            "X-Amz-Security-Token": session.token,
            "X-Amz-SignedHeaders": "host",
        }.items()
    )
    head = RequestHead(method="GET", raw_target=f"{path}?{query}", headers=[("Host", "neve.example")])
    request = canonical.canonical_request(
        head,
        canonical.header_values(head),
        signed_headers=["host"],
        query=canonical.canonical_queries(query)[0],
        payload_hash=EMPTY_BODY_HASH,
    )
    key = sigv4.signing_key(session.session.secret, date[:8], "us-east-1", "ebs")
    text = sigv4.string_to_sign(request, amz_date=date, region="us-east-1", service="ebs")
    return f"{path}?{query}&X-Amz-Signature={sigv4.signature_hex(key, text)}"


# --- STS and KMS


def test_everybody_may_ask_who_they_are(door: JoesDoor) -> None:
    door.may(deny("*"))
    response = door.sts("GetCallerIdentity")
    assert text_of(response, "Arn") == f"arn:aws:iam::{ACCOUNT}:user/joe"
    assert text_of(response, "UserId") == "AIDAEXAMPLE"
    assert text_of(response, "Account") == ACCOUNT


def credentials_in(response: Response) -> dict[str, Any]:
    assert response.status == 200, response.body
    return {
        "key_id": text_of(response, "AccessKeyId"),
        "secret": text_of(response, "SecretAccessKey"),
        "session_token": text_of(response, "SessionToken"),
    }


def test_a_session_is_issued_used_and_issues_none(door: JoesDoor) -> None:
    door.may(allow("*"))
    options = credentials_in(door.sts("GetSessionToken", DurationSeconds="900"))
    assert door.put(door.world.start(), **options).status == 201
    assert (
        text_of(door.sts("GetCallerIdentity", options=options), "Arn") == f"arn:aws:iam::{ACCOUNT}:user/joe"
    )
    for action, parameters in {"GetSessionToken": {}, "GetFederationToken": {"Name": "bob"}}.items():
        refused = door.sts(action, options=options, **parameters)
        assert (refused.status, text_of(refused, "Code")) == (403, "AccessDenied")
        assert text_of(refused, "Message") == f"Cannot call {action} with session credentials"


def test_a_federated_session_is_demanded_named_and_bounded(door: JoesDoor) -> None:
    bound = json.dumps({"Version": "2012-10-17", "Statement": [allow("ebs:Get*")]})
    refused = door.sts("GetFederationToken", Name="bob", Policy=bound)
    federated = f"arn:aws:sts::{ACCOUNT}:federated-user/bob"
    assert (refused.status, text_of(refused, "Code")) == (403, "AccessDenied")
    assert f"sts:GetFederationToken on resource: {federated} because" in text_of(refused, "Message")
    door.may(allow("ebs:*"), allow("sts:GetFederationToken", federated))
    options = credentials_in(door.sts("GetFederationToken", Name="bob", Policy=bound))
    denied = door.put(SNAPSHOT, **options)
    assert told(denied)["Message"] == (
        f"User: {federated} is not authorized to perform: ebs:PutSnapshotBlock on resource: {arn(SNAPSHOT)} "
        "because no session policy allows the ebs:PutSnapshotBlock action"
    )
    assert door.ask("GET", f"/snapshots/{SNAPSHOT}/blocks/0?blockToken=00", **options).status == 404
    assert door.answered()[-1].principal == federated


def test_sts_and_ec2_are_told_apart_by_whom_the_signature_is_for(door: JoesDoor) -> None:
    form = b"Action=GetCallerIdentity&Version=2011-06-15"
    assert text_of(door.ask("POST", "/", form, service="ec2"), "Code") == "InvalidAction"
    wrong = door.ask("POST", "/", form, service="ebs")
    assert text_of(wrong, "Code") == "AuthFailure"
    assert door.ask("GET", f"/?{form.decode()}", service="sts").status == 200


def test_unproven_requests_are_told_in_the_words_of_sts(door: JoesDoor) -> None:
    wrong = door.sts("GetCallerIdentity", options={"secret": "wrong"})
    assert (wrong.status, text_of(wrong, "Code")) == (403, "SignatureDoesNotMatch")
    assert text_of(wrong, "Type") == "Sender"


def test_keys_that_somebody_else_keeps_are_not_managed_here(door: JoesDoor) -> None:
    door.may(allow("*"))
    target = {"headers": [("X-Amz-Target", "TrentService.ListKeys")], "service": "kms"}
    response = door.ask("POST", "/", b"{}", **target)
    assert response.status == 400
    assert told(response)["__type"] == "UnsupportedOperationException"
    assert "keeps no keys" in told(response)["message"]
    wrong = door.ask("POST", "/", b"{}", **target, secret="wrong")
    assert (wrong.status, told(wrong)["__type"]) == (400, "InvalidSignatureException")


def test_a_block_is_still_a_block_for_a_session(door: JoesDoor) -> None:
    door.may(allow("ebs:Put*"))
    exchange = door.pipeline.begin(door.put_head(door.world.start(), **Sessions(door).options))
    assert exchange.admit() is None
    assert exchange.answer(BLOCK).status == 201
