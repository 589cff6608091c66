"""Policies, and what they would say, as operators ask."""

import json
from dataclasses import replace
from typing import Any

import pytest

from fix_administration import ACCOUNT, REGION, Office
from neve.domain.identities import SnapshotId
from neve.domain.kms_keys import KmsKeyId
from neve.domain.policies.ready_made import READY_MADE
from neve.server.administration.messages import (
    AdministrationRefused,
    AttachPolicy,
    CreateAccount,
    CreateUser,
    DecisionView,
    DeletePolicy,
    DetachPolicy,
    ListPolicies,
    PutPolicy,
    RefusedBecause,
    Request,
    ShowPolicy,
    SimulateRequest,
)
from neve.server.administration.messages_keys import CreateKey
from neve.server.administration.policies import ATTACHED_MAX
from neve.stores.metadata.contract import SnapshotStart
from neve.stores.metadata.contract_identities import ManagedPolicy

SNAPSHOT = "snap-0123456789abcdef0"
SNAPSHOT_ARN = f"arn:aws:ec2:{REGION}::snapshot/{SNAPSHOT}"


def document(action: str = "ebs:*", effect: str = "Allow", **members: Any) -> str:
    statement = {"Effect": effect, "Action": action, "Resource": "*"} | members
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def refusal(office: Office, request: Request[Any]) -> AdministrationRefused:
    before = office.administration.ask(ListPolicies())
    with pytest.raises(AdministrationRefused) as caught:
        office.administration.ask(request)
    assert office.administration.ask(ListPolicies()) == before
    return caught.value


def own_policies(office: Office) -> dict[str, str]:
    return {each.policy_name: each.document for each in office.metadata.identities.policies(ACCOUNT)}


@pytest.fixture
def anna(office: Office) -> Office:
    """The office with a user anna."""
    office.administration.ask(CreateUser(user_name="anna"))
    return office


class TestPolicies:
    def test_a_policy_is_put_shown_put_anew_and_deleted(self, anna: Office) -> None:
        put = anna.administration.ask(PutPolicy(policy_name="p", document=document()))
        anna.clock.advance(seconds=5)
        again = anna.administration.ask(PutPolicy(policy_name="p", document=document("ec2:*")))
        assert (again.created, again.updated) != (put.created, put.updated)
        assert again.created == put.created
        anna.administration.ask(AttachPolicy(policy_name="p", user_name="anna"))
        shown = anna.administration.ask(ShowPolicy(policy_name="p"))
        assert (shown.document, shown.attached_to) == (document("ec2:*"), ["anna"])
        assert refusal(anna, DeletePolicy(policy_name="p")).why is RefusedBecause.CONFLICT
        anna.administration.ask(DetachPolicy(policy_name="p", user_name="anna"))
        anna.administration.ask(DeletePolicy(policy_name="p"))
        assert own_policies(anna) == {}

    def test_ready_made_policies_are_listed_shown_and_attached_by_name(self, anna: Office) -> None:
        listed = anna.administration.ask(ListPolicies())
        assert [each.policy_name for each in listed] == sorted(READY_MADE)
        assert all(each.ready_made for each in listed)
        for name, text in READY_MADE.items():
            anna.administration.ask(AttachPolicy(policy_name=name, user_name="anna"))
            assert anna.administration.ask(ShowPolicy(policy_name=name)).document == text

    @pytest.mark.parametrize("name", READY_MADE)
    def test_a_ready_made_policy_is_nobodys_to_change(self, office: Office, name: str) -> None:
        for request in (PutPolicy(policy_name=name, document=document()), DeletePolicy(policy_name=name)):
            assert refusal(office, request).why is RefusedBecause.CONFLICT

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "{",
            "[]",
            "[" * 100_000,
            "{}",
            document(effect="Perhaps"),
            document(Resource="arn:aws"),
            document(Condition={"StringAlmostEquals": {"aws:SourceIp": "x"}}),
            document(Principal="*"),
            document("ebs:" + "x" * 100_000),
            document("\udc80"),
        ],
        ids=[
            "nothing",
            "half of JSON",
            "a list",
            "deep",
            "no statement",
            "unknown effect",
            "malformed ARN",
            "unknown operator",
            "a principal",
            "oversize",
            "a lone surrogate",
        ],
    )
    def test_a_document_that_is_no_policy_is_refused_with_a_sentence_and_nothing_changes(
        self, anna: Office, text: str
    ) -> None:
        anna.administration.ask(PutPolicy(policy_name="p", document=document()))
        refused = refusal(anna, PutPolicy(policy_name="p", document=text))
        assert refused.why is RefusedBecause.INVALID
        assert len(str(refused)) < 1_000
        assert own_policies(anna) == {"p": document()}

    @pytest.mark.parametrize("name", ["", "a b", "n" * 129, "a/b", "p\n"])
    def test_a_name_that_iam_does_not_have_is_refused(self, office: Office, name: str) -> None:
        request = PutPolicy(policy_name=name, document=document())
        assert refusal(office, request).why is RefusedBecause.INVALID

    def test_a_policy_that_is_not_there_is_not_found(self, anna: Office) -> None:
        for request in (
            ShowPolicy(policy_name="p"),
            DeletePolicy(policy_name="p"),
            AttachPolicy(policy_name="p", user_name="anna"),
        ):
            assert refusal(anna, request).why is RefusedBecause.NOT_FOUND

    def test_a_user_has_no_more_policies_than_a_request_can_evaluate(self, anna: Office) -> None:
        for number in range(ATTACHED_MAX + 1):
            anna.administration.ask(PutPolicy(policy_name=f"p{number}", document=document()))
        for number in range(ATTACHED_MAX):
            anna.administration.ask(AttachPolicy(policy_name=f"p{number}", user_name="anna"))
        anna.administration.ask(AttachPolicy(policy_name="p0", user_name="anna"))
        one_more = AttachPolicy(policy_name=f"p{ATTACHED_MAX}", user_name="anna")
        assert refusal(anna, one_more).why is RefusedBecause.CONFLICT


class TestSimulation:
    def ask(self, office: Office, action: str, resource: str = SNAPSHOT, **context: str) -> DecisionView:
        given = {key.replace("_", ":"): [value] for key, value in context.items()}
        return office.administration.ask(
            SimulateRequest(user_name="anna", action=action, resource=resource, context=given)
        )

    def test_it_says_that_no_statement_allows_and_what_a_client_would_be_told(self, anna: Office) -> None:
        anna.administration.ask(AttachPolicy(policy_name="NeveReadOnly", user_name="anna"))
        decision = self.ask(anna, "ebs:PutSnapshotBlock")
        assert not decision.allowed
        assert decision.explanation == f"denied: no statement allows ebs:PutSnapshotBlock on {SNAPSHOT_ARN}"
        assert decision.message == (
            f"User: arn:aws:iam::{ACCOUNT}:user/anna is not authorized to perform: ebs:PutSnapshotBlock on resource: "
            f"{SNAPSHOT_ARN} because no identity-based policy allows the ebs:PutSnapshotBlock action"
        )

    def test_it_names_the_statement_that_decides(self, anna: Office) -> None:
        anna.administration.ask(PutPolicy(policy_name="all", document=document()))
        anna.administration.ask(
            PutPolicy(policy_name="no-puts", document=document("ebs:Put*", effect="Deny"))
        )
        for name in ("all", "no-puts"):
            anna.administration.ask(AttachPolicy(policy_name=name, user_name="anna"))
        allowed, denied = self.ask(anna, "ebs:GetSnapshotBlock"), self.ask(anna, "ebs:PutSnapshotBlock")
        assert (allowed.allowed, allowed.message) == (True, "")
        assert '"all"' in allowed.explanation
        assert (denied.allowed, denied.verdict) == (False, "denied")
        assert '"no-puts"' in denied.explanation

    def test_the_root_may_do_everything(self, office: Office) -> None:
        request = SimulateRequest(user_name="", action="ec2:DeleteSnapshot", resource=SNAPSHOT_ARN)
        assert office.administration.ask(request).allowed

    def test_the_tags_of_a_snapshot_that_is_there_are_looked_up(self, anna: Office) -> None:
        condition = {"StringEquals": {"aws:ResourceTag/team": "red"}}
        anna.administration.ask(PutPolicy(policy_name="p", document=document(Condition=condition)))
        anna.administration.ask(AttachPolicy(policy_name="p", user_name="anna"))
        missing = self.ask(anna, "ebs:GetSnapshotBlock")
        assert (missing.allowed, len(missing.notes)) == (False, 1)
        start_snapshot(anna, tags={"team": "red"})
        found = self.ask(anna, "ebs:GetSnapshotBlock")
        assert (found.allowed, found.notes) == (True, [])

    def test_a_snapshot_that_is_only_shared_has_no_tags_as_for_requests(self, anna: Office) -> None:
        other = anna.administration.ask(CreateAccount(name="other")).account_id
        condition = {"StringEquals": {"aws:ResourceTag/team": "red"}}
        anna.administration.ask(CreateUser(account_id=other, user_name="otto"))
        put = PutPolicy(account_id=other, policy_name="p", document=document(Condition=condition))
        anna.administration.ask(put)
        anna.administration.ask(AttachPolicy(account_id=other, policy_name="p", user_name="otto"))
        start_snapshot(anna, tags={"team": "red"})
        anna.metadata.modify_permissions(ACCOUNT, SnapshotId(SNAPSHOT), add=[other])
        asked = SimulateRequest(
            account_id=other, user_name="otto", action="ebs:GetSnapshotBlock", resource=SNAPSHOT_ARN
        )
        found = anna.administration.ask(asked)
        assert (found.allowed, len(found.notes)) == (False, 1)

    def test_what_is_given_goes_before_what_is_looked_up_and_keys_have_no_case(self, anna: Office) -> None:
        condition = {
            "StringEquals": {"aws:ResourceTag/team": "red"},
            "IpAddress": {"aws:SourceIp": "10.0.0.0/8"},
        }
        anna.administration.ask(PutPolicy(policy_name="p", document=document(Condition=condition)))
        anna.administration.ask(AttachPolicy(policy_name="p", user_name="anna"))
        start_snapshot(anna, tags={"team": "blue"})
        given = {"AWS:resourcetag/TEAM": ["red"], "aws:sourceip": ["10.1.2.3"]}
        for context, allowed in ((given, True), ({}, False), (given | {"aws:SourceIp": ["8.8.8.8"]}, False)):
            request = SimulateRequest(
                user_name="anna", action="ebs:GetSnapshotBlock", resource=SNAPSHOT_ARN, context=context
            )
            assert anna.administration.ask(request).allowed is allowed

    def test_a_keys_own_policy_decides_with_the_users(self, anna: Office) -> None:
        key = anna.administration.ask(CreateKey(alias="alias/disks"))
        assert not self.ask(anna, "kms:Decrypt", "alias/disks").allowed
        anna.administration.ask(PutPolicy(policy_name="p", document=document("kms:Decrypt")))
        anna.administration.ask(AttachPolicy(policy_name="p", user_name="anna"))
        for name in ("alias/disks", key.key_id, key.arn):
            decision = self.ask(anna, "kms:Decrypt", name)
            assert (decision.allowed, decision.resource) == (True, key.arn)

    def test_the_tags_of_a_key_are_known_without_being_told(self, anna: Office) -> None:
        key = anna.administration.ask(CreateKey())
        condition = {"StringEquals": {"aws:ResourceTag/team": "red", "kms:KeySpec": "SYMMETRIC_DEFAULT"}}
        anna.administration.ask(
            PutPolicy(policy_name="p", document=document("kms:Decrypt", Condition=condition))
        )
        anna.administration.ask(AttachPolicy(policy_name="p", user_name="anna"))
        assert not self.ask(anna, "kms:Decrypt", key.key_id).allowed
        record = anna.metadata.keys.kms_key(KmsKeyId(key.key_id))
        anna.metadata.keys.replace_kms_key(replace(record, tags={"team": "red"}))
        assert self.ask(anna, "kms:Decrypt", key.key_id).allowed

    def test_to_ask_about_a_default_key_makes_none(self, anna: Office) -> None:
        request = SimulateRequest(user_name="anna", action="kms:Decrypt", resource="alias/aws/ebs")
        assert refusal(anna, request).why is RefusedBecause.NOT_FOUND
        assert anna.metadata.keys.kms_keys(ACCOUNT, after=None, limit=10) == []

    @pytest.mark.parametrize(
        ("action", "resource", "context"),
        [
            ("PutSnapshotBlock", SNAPSHOT, {}),
            ("s3:GetObject", SNAPSHOT, {}),
            ("ebs:*", SNAPSHOT, {}),
            ("ebs:GetSnapshotBlock", "snapshot", {}),
            ("ebs:GetSnapshotBlock", "", {}),
            ("ebs:GetSnapshotBlock", "arn:aws:ec2", {}),
            ("ebs:GetSnapshotBlock", SNAPSHOT, {"SourceIp": ["1.1.1.1"]}),
            ("ebs:GetSnapshotBlock", SNAPSHOT, {f"aws:RequestTag/{n}": ["x"] for n in range(101)}),
            ("kms:Decrypt", "arn:aws:kms:eu-north-1:1:key", {}),
        ],
    )
    def test_a_question_that_makes_no_sense_is_refused(
        self, anna: Office, action: str, resource: str, context: dict[str, list[str]]
    ) -> None:
        request = SimulateRequest(user_name="anna", action=action, resource=resource, context=context)
        assert refusal(anna, request).why is RefusedBecause.INVALID

    def test_a_policy_that_cannot_be_read_any_more_is_named(self, anna: Office) -> None:
        anna.metadata.identities.put_policy(
            ManagedPolicy(account_id=ACCOUNT, policy_name="old", document="{", created_ms=1, updated_ms=1)
        )
        anna.administration.ask(AttachPolicy(policy_name="old", user_name="anna"))
        request = SimulateRequest(user_name="anna", action="ebs:GetSnapshotBlock", resource=SNAPSHOT)
        refused = refusal(anna, request)
        assert refused.why is RefusedBecause.CONFLICT
        assert "policy old" in str(refused)


def start_snapshot(office: Office, *, tags: dict[str, str]) -> None:
    domain = office.metadata.add_domain(account_id=ACCOUNT, kms_key_arn="", uid=bytes(16), sealed_id_key=b"k")
    office.metadata.start_snapshot(
        SnapshotStart(
            snapshot_id=SnapshotId(SNAPSHOT),
            account_id=ACCOUNT,
            domain_key=domain.key,
            parent_id=None,
            volume_gib=1,
            description=None,
            timeout_minutes=60,
            tags=tags,
            now_ms=office.clock.now_ms(),
            client_token=None,
            fingerprint=bytes(32),
            pending_max=0,
            snapshots_max=0,
        )
    )
