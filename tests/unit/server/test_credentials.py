"""Access keys and sessions: whom they prove, and that whatever stops one stops it at once."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fix_logs import Journal
from neve.domain.identities import AccessKey
from neve.domain.keyring import Keyring
from neve.domain.policies.documents import PolicyKind
from neve.domain.policies.evaluation import Question, Verdict, decide
from neve.domain.policies.ready_made import READY_MADE
from neve.domain.principals import Principal, root_principal, user_arn
from neve.domain.sessions import SESSION_ENTROPY_BYTES, Session, new_session
from neve.errors import CommonError
from neve.events import PolicyUnreadable
from neve.server.credentials import Credential, Credentials, seal_secret
from neve.stores.metadata.contract_identities import ManagedPolicy, User
from neve.testing.world import ACCOUNT, MASTER_KEY, OTHER_ACCOUNT, World

USER = User(account_id=ACCOUNT, user_name="joe", user_id="AIDAEXAMPLE", created_ms=0)
KEY_ID, SECRET = "AKIDEXAMPLE", "secret"
NOW_MS = 1_000_000


class Desk:
    """Credentials over a world with one user, who has one key and one session."""

    def __init__(self, world: World, journal: Journal) -> None:
        self.metadata = world.metadata
        self.identities = world.metadata.identities
        self.mint = world.context.sessions
        self.journal = journal
        keyring = Keyring(MASTER_KEY, world.entropy)
        self.credentials = Credentials(self.metadata, keyring, self.mint, journal.report)
        self.identities.add_user(USER)
        self.key = AccessKey(
            access_key_id=KEY_ID,
            account_id=ACCOUNT,
            sealed_secret=seal_secret(keyring, KEY_ID, SECRET),
            created_ms=0,
            user_name="joe",
        )
        self.metadata.add_access_key(self.key)
        self.session = self.issue()

    def issue(self, **changes: Any) -> Session:
        issued = new_session(
            bytes(SESSION_ENTROPY_BYTES),
            parent_access_key_id=KEY_ID,
            account_id=ACCOUNT,
            user_id=USER.user_id,
            issued_ms=NOW_MS,
            expires_ms=NOW_MS + 1000,
        )
        return replace(issued, **changes)

    def attach(self, name: str, document: str | None) -> None:
        if document is not None:
            self.identities.put_policy(
                ManagedPolicy(
                    account_id=ACCOUNT, policy_name=name, document=document, created_ms=0, updated_ms=0
                )
            )
        self.identities.attach_policy(ACCOUNT, "joe", name)

    def find(self, session: Session | None = None, *, now_ms: int = NOW_MS) -> Credential | None:
        if session is None:
            return self.credentials.find(KEY_ID, None, now_ms=now_ms)
        return self.credentials.find(session.access_key_id, self.mint.token(session), now_ms=now_ms)

    def principal(self, session: Session | None = None, *, now_ms: int = NOW_MS) -> Principal:
        credential = self.find(session, now_ms=now_ms)
        assert credential is not None
        return self.credentials.principal(credential, now_ms=now_ms)


@pytest.fixture
def desk(world: World, journal: Journal) -> Desk:
    return Desk(world, journal)


def allow(action: str) -> str:
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}
    )


def verdict(principal: Principal, action: str = "ebs:PutSnapshotBlock") -> Verdict:
    question = Question(principal=principal, action=action, resource="*", context={})
    return decide(question).verdict


# --- whom a key proves


def test_a_key_of_the_account_is_the_roots(desk: Desk) -> None:
    desk.metadata.add_access_key(replace(desk.key, user_name=""))
    assert desk.principal() == root_principal(ACCOUNT)


def test_a_key_of_a_user_is_the_users_with_everything_attached(desk: Desk) -> None:
    desk.attach("puts", allow("ebs:Put*"))
    desk.attach("NeveReadOnly", None)
    principal = desk.principal()
    assert (principal.arn, principal.user_id) == (user_arn(ACCOUNT, "joe"), "AIDAEXAMPLE")
    assert [policy.name for policy in principal.policies] == ["NeveReadOnly", "puts"]
    assert {policy.kind for policy in principal.policies} == {PolicyKind.IDENTITY}
    assert principal.policies[0].text == READY_MADE["NeveReadOnly"]
    assert verdict(principal) is Verdict.ALLOWED
    assert verdict(principal, "ec2:DeleteSnapshot") is Verdict.NOT_ALLOWED


def test_a_user_without_policies_may_do_nothing(desk: Desk) -> None:
    assert verdict(desk.principal()) is Verdict.NOT_ALLOWED


def test_an_accounts_own_policy_stands_before_a_ready_made_one_of_its_name(desk: Desk) -> None:
    desk.attach("NeveReadOnly", allow("ebs:*"))
    assert verdict(desk.principal()) is Verdict.ALLOWED


def test_a_policy_that_changes_counts_from_the_next_request_on(desk: Desk) -> None:
    desk.attach("p", allow("ebs:Put*"))
    assert verdict(desk.principal()) is Verdict.ALLOWED
    desk.attach("p", allow("ebs:Get*"))
    assert verdict(desk.principal()) is Verdict.NOT_ALLOWED
    desk.attach("p", allow("ebs:Put*"))
    desk.identities.detach_policy(ACCOUNT, "joe", "p")
    assert verdict(desk.principal()) is Verdict.NOT_ALLOWED


@pytest.mark.parametrize("document", ["{}", "", '{"Version": "2099-01-01", "Statement": []}', None])
def test_a_policy_that_cannot_be_read_denies_everything_and_is_reported_once(
    desk: Desk, document: str | None
) -> None:
    desk.journal.announce("policy unreadable")
    desk.attach("all", allow("*"))
    desk.attach("broken", document)
    for _ in range(3):
        assert verdict(desk.principal()) is Verdict.DENIED
    (event,) = [event for event in desk.journal.events if isinstance(event, PolicyUnreadable)]
    assert (event.principal, event.policy) == (user_arn(ACCOUNT, "joe"), "broken")
    decision = decide(
        Question(principal=desk.principal(), action="ebs:ListSnapshotBlocks", resource="*", context={})
    )
    assert 'policy "broken (which cannot be read: ' in decision.explanation
    assert decision.because == "with an explicit deny in an identity-based policy"


# --- what stops a key, and with it its sessions


def disable(desk: Desk) -> None:
    desk.metadata.add_access_key(replace(desk.key, enabled=False))


def expire(desk: Desk) -> None:
    desk.metadata.add_access_key(replace(desk.key, expires_ms=NOW_MS))


def delete(desk: Desk) -> None:
    desk.metadata.remove_access_key(KEY_ID)


def remove_user(desk: Desk) -> None:
    desk.identities.remove_user(ACCOUNT, "joe")


STOPPING = [disable, expire, delete, remove_user]


@pytest.mark.parametrize("stop", STOPPING)
def test_what_stops_a_key_stops_it_and_its_sessions_at_once(desk: Desk, stop: Callable[[Desk], None]) -> None:
    assert desk.find() is not None
    assert desk.find(desk.session) is not None
    stop(desk)
    assert desk.find() is None
    assert desk.find(desk.session) is None


def test_a_key_expires_at_the_millisecond(desk: Desk) -> None:
    expire(desk)
    assert desk.find(now_ms=NOW_MS - 1) is not None
    assert desk.find(now_ms=NOW_MS) is None


@pytest.mark.parametrize("is_session", [False, True])
def test_a_user_who_goes_between_two_steps_is_unrecognized(desk: Desk, is_session: bool) -> None:
    credential = desk.find(desk.session if is_session else None)
    assert credential is not None
    remove_user(desk)
    with pytest.raises(CommonError) as refusal:
        desk.credentials.principal(credential, now_ms=NOW_MS)
    assert refusal.value.code == "UnrecognizedClientException"


def test_a_namesake_inherits_no_session(desk: Desk) -> None:
    remove_user(desk)
    desk.identities.add_user(replace(USER, user_id="AIDAANOTHER"))
    desk.metadata.add_access_key(desk.key)
    with pytest.raises(CommonError) as refusal:
        desk.principal(desk.session)
    assert refusal.value.code == "UnrecognizedClientException"


# --- sessions


def test_a_session_is_who_its_key_is_since_when_it_was_issued(desk: Desk) -> None:
    desk.attach("puts", allow("ebs:Put*"))
    principal = desk.principal(desk.session)
    assert principal == replace(desk.principal(), session_issued_ms=NOW_MS)
    credential = desk.find(desk.session)
    assert credential is not None
    assert (credential.access_key_id, credential.secret) == (desk.session.access_key_id, desk.session.secret)
    assert desk.session.secret not in repr(credential)


def test_a_session_policy_bounds_the_user(desk: Desk) -> None:
    desk.attach("puts", allow("ebs:Put*"))
    principal = desk.principal(desk.issue(federated_name="bob", policy=allow("ebs:*")))
    assert (principal.arn, principal.user_id) == (
        f"arn:aws:sts::{ACCOUNT}:federated-user/bob",
        f"{ACCOUNT}:bob",
    )
    assert verdict(principal) is Verdict.ALLOWED
    assert verdict(principal, "ebs:GetSnapshotBlock") is Verdict.NOT_ALLOWED
    elsewhere = desk.principal(desk.issue(federated_name="bob", policy=allow("ebs:Get*")))
    assert verdict(elsewhere) is Verdict.NOT_ALLOWED


def test_a_session_policy_bounds_the_root_too(desk: Desk) -> None:
    desk.metadata.add_access_key(replace(desk.key, user_name=""))
    session = desk.issue(user_id=ACCOUNT, federated_name="bob", policy=allow("ebs:Put*"))
    assert verdict(desk.principal(session)) is Verdict.ALLOWED
    assert verdict(desk.principal(session), "ebs:GetSnapshotBlock") is Verdict.NOT_ALLOWED


def test_a_session_policy_that_cannot_be_read_denies_everything(desk: Desk) -> None:
    desk.journal.announce("policy unreadable")
    desk.attach("all", allow("*"))
    assert verdict(desk.principal(desk.issue(policy="{}"))) is Verdict.DENIED


def test_a_sessions_time_is_over_at_the_millisecond_and_told_to_its_holder_only(desk: Desk) -> None:
    desk.principal(desk.session, now_ms=NOW_MS + 999)
    assert desk.find(desk.session, now_ms=NOW_MS + 1000) is not None
    with pytest.raises(CommonError) as refusal:
        desk.principal(desk.session, now_ms=NOW_MS + 1000)
    assert (refusal.value.code, refusal.value.status) == ("ExpiredTokenException", 403)
    assert refusal.value.message == "The security token included in the request is expired"


def test_a_token_belongs_to_its_access_key_id_and_the_other_way_round(desk: Desk) -> None:
    session, token = desk.session, desk.mint.token(desk.session)
    find = desk.credentials.find
    assert find(session.access_key_id, token, now_ms=NOW_MS) is not None
    assert find(session.access_key_id, None, now_ms=NOW_MS) is None
    assert find(session.access_key_id, "", now_ms=NOW_MS) is None
    assert find(session.access_key_id, token[:-4] + "AAA=", now_ms=NOW_MS) is None
    assert find(KEY_ID, token, now_ms=NOW_MS) is None
    assert find(KEY_ID, "", now_ms=NOW_MS) is None
    assert find("AKIDNOBODY", token, now_ms=NOW_MS) is None


def test_a_session_of_another_account_than_its_keys_is_none(desk: Desk) -> None:
    assert desk.find(desk.issue(account_id=OTHER_ACCOUNT)) is None


def test_a_session_of_no_key_is_none(desk: Desk) -> None:
    assert desk.find(desk.issue(parent_access_key_id="AKIDNOBODY")) is None
