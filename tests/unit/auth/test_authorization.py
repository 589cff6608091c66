"""The root of an account may do everything; everybody else, until there are policies, nothing."""

import pytest

from neve.auth.authorization import NO_PARENT, Identity, authorize, root_identity, snapshot_arn
from neve.domain.identities import AccountId
from neve.errors import AccessDeniedError

ACCOUNT = AccountId("111122223333")
RESOURCE = snapshot_arn("us-east-1", "snap-0123456789abcdef0")


def test_a_snapshots_name_has_no_account() -> None:
    assert RESOURCE == "arn:aws:ec2:us-east-1::snapshot/snap-0123456789abcdef0"
    assert snapshot_arn("eu-west-1", NO_PARENT) == "arn:aws:ec2:eu-west-1::snapshot/null"


def test_the_root_may_do_everything() -> None:
    authorize(root_identity(ACCOUNT, "AKIDEXAMPLE"), "ebs:PutSnapshotBlock", [RESOURCE])


@pytest.mark.parametrize("arn", ["arn:aws:iam::111122223333:user/joe", "arn:aws:iam::444455556666:root", ""])
def test_nobody_else_may_do_anything(arn: str) -> None:
    identity = Identity(account_id=ACCOUNT, access_key_id="AKIDEXAMPLE", arn=arn)
    with pytest.raises(AccessDeniedError) as denial:
        authorize(identity, "ebs:GetSnapshotBlock", [RESOURCE])
    assert denial.value.message == (
        f"User: {arn} is not authorized to perform: ebs:GetSnapshotBlock on resource: {RESOURCE} "
        "because no identity-based policy allows the ebs:GetSnapshotBlock action"
    )
    assert denial.value.reason is None
