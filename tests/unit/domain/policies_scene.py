"""What the tests of policies are made of: two accounts, their people, one key."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from neve.domain.identities import AccountId
from neve.domain.kms_keys import Grant, KmsKeyId
from neve.domain.policies.documents import Policy, PolicyKind, parse_policy
from neve.domain.policies.evaluation import Decision, Question, RequestContext, decide, decide_for_key
from neve.domain.principals import Principal, federated_arn, federated_user_id, root_principal, user_arn

HOME = AccountId("111122223333")
AWAY = AccountId("444455556666")
SNAPSHOT = "arn:aws:ec2:us-east-1::snapshot/snap-0123456789abcdef0"
OTHER_SNAPSHOT = "arn:aws:ec2:us-east-1::snapshot/snap-0fedcba9876543210"
KEY = f"arn:aws:kms:us-east-1:{HOME}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
OTHER_KEY = f"arn:aws:kms:us-east-1:{HOME}:key/00000000-12ab-34cd-56ef-1234567890ab"

Statement = Mapping[str, Any]


def document(*statements: Statement, version: str = "2012-10-17") -> str:
    return json.dumps({"Version": version, "Statement": statements})


def identity(*statements: Statement, name: str = "p", version: str = "2012-10-17") -> Policy:
    return parse_policy(document(*statements, version=version), PolicyKind.IDENTITY, name=name)


def session(*statements: Statement) -> Policy:
    return parse_policy(document(*statements), PolicyKind.SESSION)


def key_policy(*statements: Statement) -> Policy:
    return parse_policy(document(*statements), PolicyKind.KEY)


def allow(action: str | Sequence[str] = "*", resource: str | Sequence[str] = "*", **more: Any) -> Statement:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: str | Sequence[str] = "*", resource: str | Sequence[str] = "*", **more: Any) -> Statement:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def root(account_id: AccountId = HOME, bound: Policy | None = None) -> Principal:
    made = root_principal(account_id)
    return Principal(account_id=made.account_id, arn=made.arn, user_id=made.user_id, session_policy=bound)


def user(
    *policies: Policy,
    name: str = "bob",
    account_id: AccountId = HOME,
    bound: Policy | None = None,
    issued_ms: int | None = None,
) -> Principal:
    return Principal(
        account_id=account_id,
        arn=user_arn(account_id, name),
        user_id="AIDAEXAMPLEEXAMPLEEX",
        user_name=name,
        policies=policies,
        session_policy=bound,
        session_issued_ms=issued_ms,
    )


def federated(*policies: Policy, name: str = "guest", of: str = "bob", bound: Policy | None) -> Principal:
    """Return a session for somebody else, bounded by what `of` may do."""
    return Principal(
        account_id=HOME,
        arn=federated_arn(HOME, name),
        user_id=federated_user_id(HOME, name),
        user_name=of,
        policies=policies,
        session_policy=bound,
        session_issued_ms=0,
    )


def grant(grantee: str, *operations: str, **more: Any) -> Grant:
    return Grant(
        grant_id="ab" * 32,
        key_id=KmsKeyId("1234abcd-12ab-34cd-56ef-1234567890ab"),
        grantee_principal=grantee,
        retiring_principal=None,
        operations=operations,
        name=None,
        created_ms=0,
        **more,
    )


def ask(
    principal: Principal, action: str, resource: str = SNAPSHOT, context: RequestContext | None = None
) -> Decision:
    return decide(Question(principal=principal, action=action, resource=resource, context=context or {}))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyQuestion:
    """May somebody do something with the key?"""

    principal: Principal
    policy: Policy | None
    action: str = "kms:Decrypt"
    resource: str = KEY
    grants: Sequence[Grant] = ()
    encryption_context: Mapping[str, str] | None = None
    context: RequestContext = field(default_factory=dict)

    def decision(self) -> Decision:
        return decide_for_key(
            Question(
                principal=self.principal, action=self.action, resource=self.resource, context=self.context
            ),
            key_policy=self.policy,
            key_account_id=HOME,
            grants=lambda: self.grants,
            encryption_context=self.encryption_context,
        )
