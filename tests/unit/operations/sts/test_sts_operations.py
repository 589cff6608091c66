"""The STS calls: how long sessions last, what bounds them, and what is refused."""

import json
from dataclasses import replace
from typing import Any

import pytest

from neve.domain.identities import AccessKey
from neve.domain.principals import Principal, root_principal, user_arn
from neve.domain.sessions import Session
from neve.errors import StsError
from neve.messages import sts
from neve.operations.context import Caller
from neve.operations.sts.assume_role import assume_role
from neve.operations.sts.get_caller_identity import get_caller_identity
from neve.operations.sts.get_federation_token import get_federation_token
from neve.operations.sts.get_session_token import get_session_token
from neve.testing.world import ACCOUNT, World

KEY = AccessKey(access_key_id="AKIDEXAMPLE", account_id=ACCOUNT, sealed_secret=b"", created_ms=0)
JOE = Principal(account_id=ACCOUNT, arn=user_arn(ACCOUNT, "joe"), user_id="AIDAEXAMPLE", user_name="joe")
POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ebs:*", "Resource": "*"}]}
)


@pytest.fixture
def joe(world: World) -> Caller:
    world.metadata.add_access_key(KEY)
    return Caller(principal=JOE, access_key_id=KEY.access_key_id)


def session_of(world: World, credentials: sts.Credentials) -> Session:
    session = world.context.sessions.read(credentials.session_token, credentials.access_key_id)
    assert session.secret == credentials.secret_access_key
    assert session.expires_ms == credentials.expiration_ms
    assert session.issued_ms == world.clock.now_ms()
    return session


def lasts_s(session: Session) -> float:
    return (session.expires_ms - session.issued_ms) / 1000


def refusal(operation: Any, world: World, caller: Caller, request: Any) -> StsError:
    with pytest.raises(StsError) as caught:
        operation(world.context, caller, request)
    return caught.value


def test_a_caller_learns_their_own_names(world: World, joe: Caller) -> None:
    assert get_caller_identity(
        world.context, joe, sts.GetCallerIdentityRequest()
    ) == sts.GetCallerIdentityResponse(
        arn="arn:aws:iam::111122223333:user/joe", user_id="AIDAEXAMPLE", account="111122223333"
    )


@pytest.mark.parametrize(("asked_s", "given_s"), [(None, 43_200), (900, 900), (129_600, 129_600)])
def test_DOC_a_users_session_lasts_as_long_as_asked_or_half_a_day(
    world: World, joe: Caller, asked_s: int | None, given_s: int
) -> None:
    answer = get_session_token(world.context, joe, sts.GetSessionTokenRequest(duration_seconds=asked_s))
    session = session_of(world, answer.credentials)
    assert lasts_s(session) == given_s
    assert (session.parent_access_key_id, session.user_id) == ("AKIDEXAMPLE", "AIDAEXAMPLE")
    assert (session.federated_name, session.policy) == ("", None)


@pytest.mark.parametrize(("asked_s", "given_s"), [(None, 3600), (900, 900), (129_600, 3600)])
def test_DOC_the_roots_session_lasts_an_hour_at_most(
    world: World, joe: Caller, asked_s: int | None, given_s: int
) -> None:
    root = replace(joe, principal=root_principal(ACCOUNT))
    answer = get_session_token(world.context, root, sts.GetSessionTokenRequest(duration_seconds=asked_s))
    assert lasts_s(session_of(world, answer.credentials)) == given_s


def test_no_session_says_to_last_longer_than_its_key(world: World, joe: Caller) -> None:
    world.metadata.add_access_key(replace(KEY, expires_ms=world.clock.now_ms() + 5000))
    answer = get_session_token(world.context, joe, sts.GetSessionTokenRequest())
    assert lasts_s(session_of(world, answer.credentials)) == 5


def test_every_call_makes_another_session(world: World, joe: Caller) -> None:
    made = [get_session_token(world.context, joe, sts.GetSessionTokenRequest()) for _ in range(2)]
    assert len({answer.credentials.access_key_id for answer in made}) == 2
    assert len({answer.credentials.secret_access_key for answer in made}) == 2


def test_a_key_that_has_gone_meanwhile_issues_nothing(world: World, joe: Caller) -> None:
    world.metadata.remove_access_key(KEY.access_key_id)
    told = refusal(get_session_token, world, joe, sts.GetSessionTokenRequest())
    assert (told.code, told.status) == ("InvalidClientTokenId", 403)


@pytest.mark.parametrize(
    "request_",
    [
        sts.GetSessionTokenRequest(serial_number="GAHT12345678"),
        sts.GetSessionTokenRequest(token_code="123456"),
    ],
)
def test_a_code_that_nobody_can_check_is_refused(
    world: World, joe: Caller, request_: sts.GetSessionTokenRequest
) -> None:
    told = refusal(get_session_token, world, joe, request_)
    assert (told.code, told.status) == ("AccessDenied", 403)
    assert "there are no MFA devices here" in told.message


def test_a_session_issues_no_sessions(world: World, joe: Caller) -> None:
    in_session = replace(joe, principal=replace(JOE, session_issued_ms=0))
    for operation, request in (
        (get_session_token, sts.GetSessionTokenRequest()),
        (get_federation_token, sts.GetFederationTokenRequest(name="bob")),
    ):
        told = refusal(operation, world, in_session, request)
        assert (told.code, told.status) == ("AccessDenied", 403)


def test_a_federated_session_has_its_name_and_its_policy(world: World, joe: Caller) -> None:
    request = sts.GetFederationTokenRequest(name="bob", policy=POLICY, duration_seconds=900)
    answer = get_federation_token(world.context, joe, request)
    session = session_of(world, answer.credentials)
    assert (session.federated_name, session.policy, lasts_s(session)) == ("bob", POLICY, 900)
    assert session.user_id == "AIDAEXAMPLE"
    assert answer.federated_user == sts.FederatedUser(
        federated_user_id="111122223333:bob", arn="arn:aws:sts::111122223333:federated-user/bob"
    )
    assert answer.packed_policy_size == 5


def test_DOC_a_federated_session_without_a_policy_may_nothing(world: World, joe: Caller) -> None:
    answer = get_federation_token(world.context, joe, sts.GetFederationTokenRequest(name="bob"))
    policy = json.loads(session_of(world, answer.credentials).policy or "")
    (statement,) = policy["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "sts:GetCallerIdentity")
    assert answer.packed_policy_size == 0


@pytest.mark.parametrize(
    "policy", ["{", "{}", '{"Version": "2012-10-17"}', POLICY.replace("Resource", "Principal")]
)
def test_a_policy_that_is_none_is_malformed(world: World, joe: Caller, policy: str) -> None:
    told = refusal(get_federation_token, world, joe, sts.GetFederationTokenRequest(name="bob", policy=policy))
    assert (told.code, told.status) == ("MalformedPolicyDocument", 400)
    assert told.message


def test_there_are_no_roles(world: World, joe: Caller) -> None:
    role = "arn:aws:iam::111122223333:role/backup"
    told = refusal(assume_role, world, joe, sts.AssumeRoleRequest(role_arn=role))
    assert (told.code, told.status) == ("AccessDenied", 403)
    assert told.message.startswith(
        f"User: {JOE.arn} is not authorized to perform: sts:AssumeRole on resource: {role} because"
    )
