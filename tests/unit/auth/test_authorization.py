"""What a caller is told who may not, and that everything demanded must be allowed."""

from collections.abc import Mapping

import pytest

from neve.auth.authorization import NO_PARENT, Demand, Denied, authorize, snapshot_arn
from neve.auth.conditions import Conditions
from neve.domain.identities import AccountId
from neve.domain.policies.documents import PolicyKind, parse_policy
from neve.domain.principals import Principal, root_principal, user_arn

ACCOUNT = AccountId("111122223333")
RESOURCE = snapshot_arn("us-east-1", "snap-0123456789abcdef0")
READ = Demand(action="ebs:GetSnapshotBlock", resource=RESOURCE, snapshot_id="snap-0123456789abcdef0")
TAGGED = '"Condition": {"StringEquals": {"aws:ResourceTag/owner": "joe"}}'


def joe(*statements: str, session: str | None = None) -> Principal:
    return Principal(
        account_id=ACCOUNT,
        arn=user_arn(ACCOUNT, "joe"),
        user_id="AIDAEXAMPLE",
        user_name="joe",
        policies=tuple(
            parse_policy(_document(statement), PolicyKind.IDENTITY, name="p") for statement in statements
        ),
        session_policy=None if session is None else parse_policy(_document(session), PolicyKind.SESSION),
    )


def _document(statement: str) -> str:
    return f'{{"Version": "2012-10-17", "Statement": [{statement}]}}'


def allow(action: str, *, resource: str = "*", more: str = "") -> str:
    condition = f", {more}" if more else ""
    return f'{{"Effect": "Allow", "Action": "{action}", "Resource": "{resource}"{condition}}}'


def deny(action: str) -> str:
    return f'{{"Effect": "Deny", "Action": "{action}", "Resource": "*"}}'


def tags_of(_snapshot_id: str) -> Mapping[str, str]:
    return {"owner": "joe"}


CONDITIONS = Conditions({}, tags_of)


def denial(principal: Principal, *demands: Demand) -> str:
    with pytest.raises(Denied) as caught:
        authorize(principal, demands, CONDITIONS)
    return str(caught.value)


def test_a_snapshots_name_has_no_account() -> None:
    assert RESOURCE == "arn:aws:ec2:us-east-1::snapshot/snap-0123456789abcdef0"
    assert snapshot_arn("eu-west-1", NO_PARENT) == "arn:aws:ec2:eu-west-1::snapshot/null"


def test_the_root_may_do_everything_and_nothing_is_looked_up_for_it() -> None:
    def unasked(_snapshot_id: str) -> Mapping[str, str]:
        raise AssertionError

    authorize(root_principal(ACCOUNT), [READ], Conditions({}, unasked))


def test_LIVE_who_has_no_policy_is_told_that_none_allows_it() -> None:
    assert denial(joe(), READ) == (
        f"User: arn:aws:iam::111122223333:user/joe is not authorized to perform: ebs:GetSnapshotBlock "
        f"on resource: {RESOURCE} because no identity-based policy allows the ebs:GetSnapshotBlock action"
    )


def test_LIVE_an_explicit_deny_is_named() -> None:
    assert denial(joe(allow("*"), deny("ebs:Get*")), READ) == (
        "User: arn:aws:iam::111122223333:user/joe is not authorized to perform: ebs:GetSnapshotBlock "
        f"on resource: {RESOURCE} with an explicit deny in an identity-based policy"
    )


def test_an_action_without_resources_names_none() -> None:
    assert denial(joe(), Demand(action="ec2:DescribeSnapshots")) == (
        "User: arn:aws:iam::111122223333:user/joe is not authorized to perform: ec2:DescribeSnapshots "
        "because no identity-based policy allows the ec2:DescribeSnapshots action"
    )


def test_everything_that_is_demanded_must_be_allowed() -> None:
    other = Demand(action="ec2:CreateTags", resource=RESOURCE)
    authorize(joe(allow("ebs:*"), allow("ec2:*")), [READ, other], CONDITIONS)
    for half in ("ebs:*", "ec2:*"):
        with pytest.raises(Denied):
            authorize(joe(allow(half)), [READ, other], CONDITIONS)
    authorize(joe(), [], CONDITIONS)


def test_tags_are_the_demanded_snapshots_and_nobody_elses() -> None:
    tagged = joe(allow("ebs:*", more=TAGGED))
    authorize(tagged, [READ], CONDITIONS)
    assert "no identity-based policy" in denial(
        tagged, Demand(action="ebs:GetSnapshotBlock", resource=RESOURCE)
    )


def test_a_session_may_do_what_its_policy_allows_as_well() -> None:
    authorize(joe(allow("ebs:*"), session=allow("ebs:Get*")), [READ], CONDITIONS)
    assert denial(joe(allow("ebs:*"), session=allow("ebs:Put*")), READ).endswith(
        "because no session policy allows the ebs:GetSnapshotBlock action"
    )
