"""Users, their policies and their sessions through an unmodified boto3, against a real server process."""

import json
import re
import uuid
from collections.abc import Callable, Mapping
from http.client import HTTPConnection
from typing import Any

import pytest
from botocore.exceptions import ClientError

from compat.people import People, Person, allow, deny, told
from neve.domain.blocks import checksum_b64, digest
from neve.limits import STANDARD
from neve.server.administration import messages
from neve.testing.server import ServerProcess

BLOCK = bytes(range(256)) * (STANDARD.block_bytes // 256)


@pytest.fixture(scope="module")
def people(server: ServerProcess) -> People:
    return People(server)


@pytest.fixture
def name() -> str:
    """A user's name that no other test has."""
    return f"u-{uuid.uuid4().hex[:8]}"


def put(person: Person, snapshot_id: str, index: int = 0) -> Any:
    return person.client("ebs").put_snapshot_block(
        SnapshotId=snapshot_id,
        BlockIndex=index,
        BlockData=BLOCK,
        DataLength=len(BLOCK),
        Checksum=checksum_b64(digest(BLOCK)),
        ChecksumAlgorithm="SHA256",
    )


def start(person: Person, **more: Any) -> str:
    snapshot_id: str = person.client("ebs").start_snapshot(VolumeSize=1, **more)["SnapshotId"]
    return snapshot_id


def completed(person: Person) -> str:
    snapshot_id = start(person)
    put(person, snapshot_id)
    person.client("ebs").complete_snapshot(SnapshotId=snapshot_id, ChangedBlocksCount=1)
    waiter = person.client("ec2").get_waiter("snapshot_completed")
    waiter.config.delay, waiter.config.max_attempts = 0.05, 400
    waiter.wait(SnapshotIds=[snapshot_id])
    return snapshot_id


def refusal(call: Callable[..., Any], *arguments: Any, **members: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        call(*arguments, **members)
    return told(caught.value)


def fetched(server: ServerProcess, url: str) -> tuple[int, dict[str, Any]]:
    """Return status and answer of a presigned address, as a client that signs nothing gets them."""
    connection = HTTPConnection(*server.address, timeout=30)
    try:
        connection.request("GET", url.removeprefix(server.endpoint))
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
    finally:
        connection.close()
    return response.status, answer


def arn(snapshot_id: str) -> str:
    return f"arn:aws:ec2:us-east-1::snapshot/{snapshot_id}"


# --- policies


def test_a_user_without_policies_may_nothing_and_learns_why(people: People, name: str) -> None:
    joe, snapshot_id = people.user(name), start(people.root)
    user = f"arn:aws:iam::{people.root.account_id}:user/{name}"
    status, code, message = refusal(put, joe, snapshot_id)
    assert (status, code) == (403, "AccessDeniedException")
    assert message == (
        f"User: {user} is not authorized to perform: ebs:PutSnapshotBlock on resource: {arn(snapshot_id)} "
        "because no identity-based policy allows the ebs:PutSnapshotBlock action"
    )
    status, code, message = refusal(joe.client("ec2").describe_snapshots)
    assert (status, code) == (403, "UnauthorizedOperation")
    assert message == (
        f"You are not authorized to perform this operation. User: {user} is not authorized to perform: "
        "ec2:DescribeSnapshots because no identity-based policy allows the ec2:DescribeSnapshots action"
    )


def test_puts_can_be_bound_to_a_tag(people: People, name: str) -> None:
    own: dict[str, Any] = {"StringEquals": {"aws:ResourceTag/owner": "${aws:username}"}}
    joe = people.user(name, allow("ebs:PutSnapshotBlock", **own))
    his = start(people.root, Tags=[{"Key": "owner", "Value": name}])
    other = start(people.root, Tags=[{"Key": "owner", "Value": "ann"}])
    put(joe, his)
    assert refusal(put, joe, other)[:2] == (403, "AccessDeniedException")
    people.root.client("ec2").create_tags(Resources=[other], Tags=[{"Key": "owner", "Value": name}])
    put(joe, other)


def test_a_deny_wins(people: People, name: str) -> None:
    joe = people.user(name, allow("*"), deny("ec2:DeleteSnapshot"))
    snapshot_id = start(joe)
    status, code, message = refusal(joe.client("ec2").delete_snapshot, SnapshotId=snapshot_id)
    assert (status, code) == (403, "UnauthorizedOperation")
    assert message.endswith("with an explicit deny in an identity-based policy")
    dry = refusal(joe.client("ec2").delete_snapshot, SnapshotId=snapshot_id, DryRun=True)
    assert dry[1] == "UnauthorizedOperation"
    missing = refusal(joe.client("ec2").delete_snapshot, SnapshotId="snap-0123456789abcdef0")
    assert missing[:2] == (403, "UnauthorizedOperation")
    people.root.client("ec2").delete_snapshot(SnapshotId=snapshot_id)


def test_changes_must_be_allowed_on_both(people: People, name: str) -> None:
    first, second = completed(people.root), completed(people.root)
    joe = people.user(name, allow("ebs:ListChangedBlocks", arn(second)))
    compare = {"FirstSnapshotId": first, "SecondSnapshotId": second}
    status, code, message = refusal(joe.client("ebs").list_changed_blocks, **compare)
    assert (status, code) == (403, "AccessDeniedException")
    assert f"on resource: {arn(first)} because" in message
    people.permit(
        name, allow("ebs:ListChangedBlocks", arn(first)), allow("ebs:ListChangedBlocks", arn(second))
    )
    assert refusal(joe.client("ebs").list_changed_blocks, **compare)[1] == "ValidationException"


def test_tags_at_the_start_are_create_tags(people: People, name: str) -> None:
    joe = people.user(name, allow("ebs:StartSnapshot"))
    start(joe)
    status, code, message = refusal(start, joe, Tags=[{"Key": "k", "Value": "v"}])
    assert (status, code) == (403, "AccessDeniedException")
    assert f"ec2:CreateTags on resource: {arn('*')} because" in message
    people.permit(name, allow("ebs:StartSnapshot"), allow("ec2:CreateTags", arn("*")))
    start(joe, Tags=[{"Key": "k", "Value": "v"}])


@pytest.mark.parametrize(
    ("policy", "allowed"),
    [
        ("NeveReadOnly", {"list", "get", "describe"}),
        ("NeveWriter", {"start", "put", "complete", "describe"}),
        ("NeveOperator", {"start", "put", "complete", "list", "get", "describe", "delete"}),
    ],
)
def test_ready_made_policies_do_what_their_names_say(
    people: People, name: str, policy: str, allowed: set[str]
) -> None:
    joe, snapshot_id = people.user(name), completed(people.root)
    pending = start(people.root)
    people.office.ask(
        messages.AttachPolicy(account_id=people.root.account_id, policy_name=policy, user_name=name)
    )
    ebs, ec2 = joe.client("ebs"), joe.client("ec2")
    (entry,) = people.root.client("ebs").list_snapshot_blocks(SnapshotId=snapshot_id)["Blocks"]
    calls: Mapping[str, Callable[[], Any]] = {
        "start": lambda: start(joe),
        "put": lambda: put(joe, pending),
        "complete": lambda: ebs.complete_snapshot(SnapshotId=pending, ChangedBlocksCount=1),
        "list": lambda: ebs.list_snapshot_blocks(SnapshotId=snapshot_id),
        "get": lambda: ebs.get_snapshot_block(SnapshotId=snapshot_id, **entry),
        "describe": lambda: ec2.describe_snapshots(SnapshotIds=[snapshot_id]),
        "delete": lambda: ec2.delete_snapshot(SnapshotId=snapshot_id),
    }
    for call, make in calls.items():
        if call in allowed:
            make()
        else:
            assert refusal(make)[1] in {"AccessDeniedException", "UnauthorizedOperation"}, call


# --- sessions


def test_a_session_is_used_for_everything_and_for_no_other_session(people: People, name: str) -> None:
    joe = people.user(name, allow("*"))
    issued = joe.client("sts").get_session_token(DurationSeconds=900)["Credentials"]
    assert issued["AccessKeyId"].startswith("ASIA")
    session = joe.with_session(issued)
    snapshot_id = completed(session)
    assert session.client("ec2").describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"]
    identity = session.client("sts").get_caller_identity()
    assert identity["Arn"] == f"arn:aws:iam::{people.root.account_id}:user/{name}"
    assert identity["Account"] == people.root.account_id
    assert refusal(session.client("sts").get_session_token)[:2] == (403, "AccessDenied")


def test_the_root_is_who_it_is(people: People) -> None:
    identity = people.root.client("sts").get_caller_identity()
    account_id = people.root.account_id
    assert identity["Arn"] == f"arn:aws:iam::{account_id}:root"
    assert identity["UserId"] == identity["Account"] == account_id


def test_a_federated_session_has_what_both_allow(people: People, name: str) -> None:
    joe = people.user(name, allow(["ebs:*", "sts:GetFederationToken"]))
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow(["ebs:StartSnapshot", "ec2:*"])]})
    answer = joe.client("sts").get_federation_token(Name="guest", Policy=policy, DurationSeconds=900)
    guest = joe.with_session(answer["Credentials"])
    arn_of_guest = f"arn:aws:sts::{people.root.account_id}:federated-user/guest"
    assert answer["FederatedUser"]["Arn"] == arn_of_guest == guest.client("sts").get_caller_identity()["Arn"]
    snapshot_id = start(guest)
    _, _, message = refusal(put, guest, snapshot_id)
    assert message.startswith(f"User: {arn_of_guest} is not authorized")
    assert message.endswith("because no session policy allows the ebs:PutSnapshotBlock action")
    assert refusal(guest.client("ec2").describe_snapshots)[1] == "UnauthorizedOperation"


@pytest.mark.parametrize("how", ["disable", "delete", "remove the user"])
def test_a_session_ends_with_its_key(people: People, server: ServerProcess, name: str, how: str) -> None:
    joe = people.user(name, allow("*"))
    session = joe.with_session(joe.client("sts").get_session_token()["Credentials"])
    snapshot_id = start(session)
    url = session.client("ebs").generate_presigned_url(
        "list_snapshot_blocks", Params={"SnapshotId": snapshot_id}, HttpMethod="GET"
    )
    asked: Mapping[str, messages.Request[Any]] = {
        "disable": messages.SetAccessKeyEnabled(access_key_id=joe.access_key_id, enabled=False),
        "delete": messages.DeleteAccessKey(access_key_id=joe.access_key_id),
        "remove the user": messages.DeleteUser(account_id=joe.account_id, user_name=name),
    }
    people.office.ask(asked[how])
    assert refusal(put, session, snapshot_id)[:2] == (403, "UnrecognizedClientException")
    assert refusal(session.client("ec2").describe_snapshots)[:2] == (401, "AuthFailure")
    assert refusal(session.client("sts").get_caller_identity)[:2] == (403, "InvalidClientTokenId")
    assert fetched(server, url)[0] == 403


def test_a_presigned_address_carries_its_session(people: People, server: ServerProcess, name: str) -> None:
    joe = people.user(name, allow("ebs:ListSnapshotBlocks"))
    session = joe.with_session(joe.client("sts").get_session_token()["Credentials"])
    snapshot_id = completed(people.root)
    url = session.client("ebs").generate_presigned_url(
        "list_snapshot_blocks", Params={"SnapshotId": snapshot_id}, HttpMethod="GET"
    )
    assert "X-Amz-Security-Token=" in url
    status, answer = fetched(server, url)
    assert (status, len(answer["Blocks"])) == (200, 1)
    without = re.sub("&X-Amz-Security-Token=[^&]*", "", url)
    assert fetched(server, without) == (
        403,
        {"message": "The security token included in the request is invalid."},
    )


def test_a_role_is_told_not_to_be_there(people: People) -> None:
    role = f"arn:aws:iam::{people.root.account_id}:role/backup"
    status, code, message = refusal(
        people.root.client("sts").assume_role, RoleArn=role, RoleSessionName="session"
    )
    assert (status, code) == (403, "AccessDenied")
    assert "there are no roles here" in message


def test_secrets_stay_out_of_the_log_and_names_come_into_it(
    people: People, server: ServerProcess, name: str
) -> None:
    joe = people.user(name, allow("*"))
    issued = joe.client("sts").get_session_token()["Credentials"]
    start(joe.with_session(issued))
    log = server.log.read_text()
    for secret in (issued["SecretAccessKey"], issued["SessionToken"], issued["SessionToken"][8:72]):
        assert secret not in log
    line = server.events("request")[-1]
    assert line["principal"] == f"arn:aws:iam::{people.root.account_id}:user/{name}"
    assert line["access_key_id"] == issued["AccessKeyId"]
