"""Decisions about a KMS key, as a table: its policy, its grants, and the policies of whoever asks.

The labels are the contract's; DOC is "Determining access to AWS KMS keys", "Default key policy", "Grants in AWS KMS"
and "Allowing users in other accounts to use a KMS key" of the KMS developer guide.
"""

from typing import Any

from neve.domain.policies.documents import Policy, PolicyKind, parse_policy
from neve.domain.policies.ready_made import aws_managed_key_policy, default_key_policy
from unit.domain.policies_scene import (
    AWAY,
    HOME,
    KEY,
    OTHER_KEY,
    KeyQuestion,
    Statement,
    allow,
    deny,
    federated,
    grant,
    identity,
    key_policy,
    root,
    session,
    user,
)

YES = ""
DECRYPT = "kms:Decrypt"
NO_IDENTITY = "because no identity-based policy allows the kms:Decrypt action"
NO_RESOURCE = "because no resource-based policy allows the kms:Decrypt action"
NO_SESSION = "because no session policy allows the kms:Decrypt action"
DENIED_BY_KEY = "with an explicit deny in a resource-based policy"
DENIED_BY_IDENTITY = "with an explicit deny in an identity-based policy"
DENIED_BY_SESSION = "with an explicit deny in a session policy"

BOB = f"arn:aws:iam::{HOME}:user/bob"
HOME_ROOT = f"arn:aws:iam::{HOME}:root"
AWAY_ROOT = f"arn:aws:iam::{AWAY}:root"
AWAY_BOB = f"arn:aws:iam::{AWAY}:user/bob"

MAY = identity(allow("kms:*", KEY))
MUST_NOT = identity(allow("kms:*"), deny("kms:Decrypt"))
DEFAULT = parse_policy(default_key_policy(HOME), PolicyKind.KEY)
MANAGED = parse_policy(aws_managed_key_policy(HOME), PolicyKind.KEY)
THROUGH = {"kms:viaservice": ["ec2.us-east-1.amazonaws.com"]}


def to(principal: Any, **more: Any) -> Statement:
    return allow(**{"action": DECRYPT, "Principal": principal, **more})


def never(principal: Any, **more: Any) -> Statement:
    return deny(**{"action": DECRYPT, "Principal": principal, **more})


def aws(*names: str) -> dict[str, list[str]]:
    return {"AWS": list(names)}


def everybody_but(*names: str) -> Statement:
    return {"Effect": "Deny", "NotPrincipal": aws(*names), "Action": "kms:*", "Resource": "*"}


def q(principal: Any, policy: Policy | None, *grants: Any, **more: Any) -> KeyQuestion:
    return KeyQuestion(principal=principal, policy=policy, grants=grants, **more)


bob, bob_who_may, bob_who_must_not = user(), user(MAY), user(MUST_NOT)
stranger, stranger_who_may = user(account_id=AWAY), user(MAY, account_id=AWAY)

AT_HOME = {
    "DOC: the account's root by the default policy": (q(root(), DEFAULT), YES),
    "DOC: a user by the default policy and their own": (q(bob_who_may, DEFAULT), YES),
    "DOC: the default policy alone is not enough": (q(bob, DEFAULT), NO_IDENTITY),
    "DOC: an account's id is its root": (q(bob_who_may, key_policy(to(aws(HOME)))), YES),
    "DOC: a user's own policy alone is not enough": (q(bob_who_may, key_policy(to(aws(AWAY)))), NO_RESOURCE),
    "DOC: a key policy that names the user is enough": (q(bob, key_policy(to(aws(BOB)))), YES),
    "DOC: …also where it leaves others to the account": (
        q(bob, key_policy(to(aws(HOME)), to(aws(BOB)))),
        YES,
    ),
    "DOC: …and names nobody else": (q(user(MAY, name="alice"), key_policy(to(aws(BOB)))), NO_RESOURCE),
    "DOC: the root has no power it is not given": (q(root(), key_policy(to(aws(BOB)))), NO_RESOURCE),
    "DOC: everybody is everybody": (q(bob, key_policy(to("*"))), YES),
    "DOC: everybody, in the long form": (q(bob, key_policy(to(aws("*")))), YES),
    "DOC: everybody includes the root": (q(root(), key_policy(to("*"))), YES),
    "DOC: services are nobody here": (
        q(bob_who_may, key_policy(to({"Service": "ec2.amazonaws.com"}))),
        NO_RESOURCE,
    ),
    "DOC: federations are nobody here": (
        q(bob_who_may, key_policy(to({"Federated": "www.example.com"}))),
        NO_RESOURCE,
    ),
    "DOC: roles are others": (
        q(bob_who_may, key_policy(to(aws(f"arn:aws:iam::{HOME}:role/bob")))),
        NO_RESOURCE,
    ),
    "DOC: another partition's account is another": (
        q(bob_who_may, key_policy(to(aws(f"arn:aws-cn:iam::{HOME}:root")))),
        NO_RESOURCE,
    ),
    "DOC: another action": (q(bob, key_policy(to(aws(BOB), action="kms:Encrypt"))), NO_RESOURCE),
    "DOC: actions of a key policy have wildcards": (q(bob, key_policy(to(aws(BOB), action="kms:D*"))), YES),
    "DOC: a key policy may name its key": (q(bob, key_policy(to(aws(BOB), resource=KEY))), YES),
    "DOC: …and another key is another": (q(bob, key_policy(to(aws(BOB), resource=OTHER_KEY))), NO_RESOURCE),
    "DOC: the user's policy may be about another key": (
        q(user(identity(allow("kms:*", OTHER_KEY))), DEFAULT),
        NO_IDENTITY,
    ),
    "DOC: NotAction in a key policy": (
        q(
            bob,
            key_policy({"Effect": "Allow", "Principal": aws(BOB), "NotAction": "kms:Put*", "Resource": "*"}),
        ),
        YES,
    ),
    "DOC: the condition of a key policy": (
        q(bob, key_policy(to("*", Condition={"StringEquals": {"kms:CallerAccount": HOME}}))),
        YES,
    ),
    "DOC: …that does not hold": (
        q(bob, key_policy(to("*", Condition={"StringEquals": {"kms:CallerAccount": AWAY}}))),
        NO_RESOURCE,
    ),
    "DOC: aws:PrincipalArn tells whom everybody is": (
        q(
            bob,
            key_policy(to("*", Condition={"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{HOME}:user/b*"}})),
        ),
        YES,
    ),
    "DOC: an operation without context has none": (
        q(bob, key_policy(to("*", Condition={"Null": {"kms:EncryptionContextKeys": "true"}}))),
        YES,
    ),
    "DOC: kms:EncryptionContext": (
        q(
            bob,
            key_policy(to("*", Condition={"StringEquals": {"kms:EncryptionContext:App": "x"}})),
            encryption_context={"App": "x"},
        ),
        YES,
    ),
    "DOC: kms:EncryptionContext of another value": (
        q(
            bob,
            key_policy(to("*", Condition={"StringEquals": {"kms:EncryptionContext:App": "x"}})),
            encryption_context={"App": "y"},
        ),
        NO_RESOURCE,
    ),
    "DOC: kms:EncryptionContextKeys": (
        q(
            bob,
            key_policy(
                to("*", Condition={"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["A", "B"]}})
            ),
            encryption_context={"A": "x", "C": "y"},
        ),
        NO_RESOURCE,
    ),
    "INFERRED: two pairs whose names differ in case only": (
        q(
            bob,
            key_policy(to("*", Condition={"StringEquals": {"kms:EncryptionContext:App": "x"}})),
            encryption_context={"App": "x", "APP": "y"},
        ),
        NO_RESOURCE,
    ),
}

DENIALS = {
    "DOC: the key policy denies a user": (
        q(bob_who_may, key_policy(to("*"), never(aws(BOB)))),
        DENIED_BY_KEY,
    ),
    "DOC: …and no other": (q(user(name="alice"), key_policy(to("*"), never(aws(BOB)))), YES),
    "DOC: the key policy denies the root": (
        q(root(), key_policy(to("*"), never(aws(HOME_ROOT)))),
        DENIED_BY_KEY,
    ),
    "DOC: an account that is denied is everybody in it": (
        q(bob, key_policy(to("*"), never(aws(HOME)))),
        DENIED_BY_KEY,
    ),
    "DOC: the user's policy denies": (q(bob_who_must_not, key_policy(to(aws(BOB)))), DENIED_BY_IDENTITY),
    "DOC: the user's policy denies what the default gives": (
        q(bob_who_must_not, DEFAULT),
        DENIED_BY_IDENTITY,
    ),
    "DOC: a grant is no help against a deny": (
        q(bob_who_must_not, DEFAULT, grant(BOB, "Decrypt")),
        DENIED_BY_IDENTITY,
    ),
    "DOC: …nor against the key policy's": (
        q(bob, key_policy(to("*"), never("*")), grant(BOB, "Decrypt")),
        DENIED_BY_KEY,
    ),
    "DOC: everybody but the root and bob: bob": (
        q(bob, key_policy(to("*"), everybody_but(HOME_ROOT, BOB))),
        YES,
    ),
    "DOC: everybody but the root and bob: the root": (
        q(root(), key_policy(to("*"), everybody_but(HOME_ROOT, BOB))),
        YES,
    ),
    "DOC: everybody but the root and bob: alice": (
        q(user(name="alice"), key_policy(to("*"), everybody_but(HOME_ROOT, BOB))),
        DENIED_BY_KEY,
    ),
    "DOC: to be spared, one's account must be too": (
        q(bob, key_policy(to("*"), everybody_but(BOB))),
        DENIED_BY_KEY,
    ),
    "DOC: everybody but another account": (
        q(bob, key_policy(to("*"), everybody_but(AWAY_ROOT))),
        DENIED_BY_KEY,
    ),
    "DOC: a denied condition": (
        q(bob, key_policy(to("*"), never("*", Condition={"Null": {"kms:ViaService": "true"}}))),
        DENIED_BY_KEY,
    ),
    "DOC: a denied condition that does not hold": (
        q(
            bob,
            key_policy(to("*"), never("*", Condition={"Null": {"kms:ViaService": "true"}})),
            context=THROUGH,
        ),
        YES,
    ),
}

GRANTS = {
    "DOC: a grant is enough": (q(bob, DEFAULT, grant(BOB, "Decrypt")), YES),
    "DOC: …even where the key policy says nothing": (
        q(bob, key_policy(to(aws(AWAY))), grant(BOB, "Decrypt")),
        YES,
    ),
    "DOC: a grant of another operation": (q(bob, DEFAULT, grant(BOB, "Encrypt")), NO_IDENTITY),
    "DOC: a grant for another": (q(user(name="alice"), DEFAULT, grant(BOB, "Decrypt")), NO_IDENTITY),
    "DOC: one of several grants": (q(bob, DEFAULT, grant(BOB, "Encrypt"), grant(BOB, "Decrypt")), YES),
    "DOC: a grant for the account is for its root": (
        q(root(), key_policy(to(aws(BOB))), grant(HOME_ROOT, "Decrypt")),
        YES,
    ),
    "DOC: …and for those it lets": (
        q(bob_who_may, key_policy(to(aws(AWAY))), grant(HOME_ROOT, "Decrypt")),
        YES,
    ),
    "DOC: …and for no others": (q(bob, key_policy(to(aws(AWAY))), grant(HOME_ROOT, "Decrypt")), NO_IDENTITY),
    "DOC: exactly this context": (
        q(bob, DEFAULT, grant(BOB, "Decrypt", context_equals={"a": "1"}), encryption_context={"a": "1"}),
        YES,
    ),
    "DOC: more than this context": (
        q(
            bob,
            DEFAULT,
            grant(BOB, "Decrypt", context_equals={"a": "1"}),
            encryption_context={"a": "1", "b": "2"},
        ),
        NO_IDENTITY,
    ),
    "DOC: another value": (
        q(bob, DEFAULT, grant(BOB, "Decrypt", context_equals={"a": "1"}), encryption_context={"a": "2"}),
        NO_IDENTITY,
    ),
    "DOC: names of a context look at case": (
        q(bob, DEFAULT, grant(BOB, "Decrypt", context_equals={"a": "1"}), encryption_context={"A": "1"}),
        NO_IDENTITY,
    ),
    "DOC: no context is an empty one": (
        q(bob, DEFAULT, grant(BOB, "Decrypt", context_equals={"a": "1"})),
        NO_IDENTITY,
    ),
    "DOC: a subset of the context": (
        q(
            bob,
            DEFAULT,
            grant(BOB, "Decrypt", context_subset={"a": "1"}),
            encryption_context={"a": "1", "b": "2"},
        ),
        YES,
    ),
    "DOC: not a subset of the context": (
        q(bob, DEFAULT, grant(BOB, "Decrypt", context_subset={"a": "1"}), encryption_context={"b": "2"}),
        NO_IDENTITY,
    ),
    "DOC: a subset with another value": (
        q(bob, DEFAULT, grant(BOB, "Decrypt", context_subset={"a": "1"}), encryption_context={"a": "2"}),
        NO_IDENTITY,
    ),
    "DOC: a grant for the account before one for the user": (
        q(bob, DEFAULT, grant(HOME, "Decrypt"), grant(BOB, "Decrypt")),
        YES,
    ),
    "DOC: constraints are about operations with a context": (
        q(bob, DEFAULT, grant(BOB, "DescribeKey", context_equals={"a": "1"}), action="kms:DescribeKey"),
        YES,
    ),
}

FROM_AWAY = {
    "DOC: an account that is let in, and a user it lets": (
        q(stranger_who_may, key_policy(to(aws(AWAY_ROOT)))),
        YES,
    ),
    "DOC: the account's own side is wanted too": (q(stranger, key_policy(to(aws(AWAY_ROOT)))), NO_IDENTITY),
    "DOC: a user who is named needs their own side too": (
        q(stranger, key_policy(to(aws(AWAY_BOB)))),
        NO_IDENTITY,
    ),
    "DOC: a user who is named and may": (q(stranger_who_may, key_policy(to(aws(AWAY_BOB)))), YES),
    "DOC: everybody still needs their own side": (q(stranger, key_policy(to("*"))), NO_IDENTITY),
    "DOC: everybody, with their own side": (q(stranger_who_may, key_policy(to("*"))), YES),
    "DOC: the root of an account that is let in": (q(root(AWAY), key_policy(to(aws(AWAY)))), YES),
    "DOC: the root of an account that is not": (q(root(AWAY), DEFAULT), NO_RESOURCE),
    "DOC: full rights at home open no door away": (q(stranger_who_may, DEFAULT), NO_RESOURCE),
    "DOC: a user of the same name in another account": (
        q(stranger_who_may, key_policy(to(aws(BOB)))),
        NO_RESOURCE,
    ),
    "DOC: an own deny": (q(user(MUST_NOT, account_id=AWAY), key_policy(to(aws(AWAY)))), DENIED_BY_IDENTITY),
    "DOC: the key's deny": (q(stranger_who_may, key_policy(to(aws(AWAY)), never(aws(AWAY)))), DENIED_BY_KEY),
    "DOC: a grant and their own side": (q(stranger_who_may, DEFAULT, grant(AWAY_BOB, "Decrypt")), YES),
    "DOC: a grant alone": (q(stranger, DEFAULT, grant(AWAY_BOB, "Decrypt")), NO_IDENTITY),
    "DOC: a grant for the account": (q(stranger_who_may, DEFAULT, grant(AWAY_ROOT, "Decrypt")), YES),
    "DOC: a grant for the account, its root": (q(root(AWAY), DEFAULT, grant(AWAY, "Decrypt")), YES),
}

SESSIONS = {
    "DOC: a session policy bounds what the key policy gives": (
        q(user(bound=session(allow("kms:Encrypt"))), key_policy(to(aws(BOB)))),
        NO_SESSION,
    ),
    "DOC: …and what a grant gives": (
        q(user(bound=session(allow("kms:Encrypt"))), DEFAULT, grant(BOB, "Decrypt")),
        NO_SESSION,
    ),
    "DOC: a session within its bounds": (
        q(user(bound=session(allow(DECRYPT))), key_policy(to(aws(BOB)))),
        YES,
    ),
    "DOC: a session policy denies": (
        q(user(MAY, bound=session(allow(), deny(DECRYPT))), DEFAULT),
        DENIED_BY_SESSION,
    ),
    "DOC: a session policy bounds the root": (q(root(bound=session(allow("ebs:*"))), DEFAULT), NO_SESSION),
    "DOC: a key policy that names the user names their sessions": (
        q(federated(bound=session(allow())), key_policy(to(aws(BOB)))),
        YES,
    ),
    "DOC: …when it denies, too": (
        q(federated(MAY, bound=session(allow())), key_policy(to("*"), never(aws(BOB)))),
        DENIED_BY_KEY,
    ),
    "DOC: a session may be named itself": (
        q(
            federated(bound=session(allow())),
            key_policy(to(aws(f"arn:aws:sts::{HOME}:federated-user/guest"))),
        ),
        YES,
    ),
}

MANAGED_KEY = {
    "DOC: anybody in the account, through snapshots": (q(bob, MANAGED, context=THROUGH), YES),
    "DOC: nobody by hand": (q(bob_who_may, MANAGED), NO_RESOURCE),
    "DOC: not even the root": (q(root(), MANAGED), NO_RESOURCE),
    "DOC: the root through snapshots": (q(root(), MANAGED, context=THROUGH), YES),
    "DOC: nobody from another account": (q(stranger_who_may, MANAGED, context=THROUGH), NO_RESOURCE),
    "DOC: not another account's root": (q(root(AWAY), MANAGED, context=THROUGH), NO_RESOURCE),
    "DOC: through snapshots only": (
        q(bob_who_may, MANAGED, context={"kms:viaservice": ["s3.us-east-1.amazonaws.com"]}),
        NO_RESOURCE,
    ),
    "DOC: the account may look": (q(root(), MANAGED, action="kms:DescribeKey"), YES),
    "DOC: the account may change nothing": (
        q(root(), MANAGED, action="kms:DisableKey"),
        NO_RESOURCE.replace("Decrypt", "DisableKey"),
    ),
    "DOC: …not its policy either": (
        q(root(), MANAGED, action="kms:PutKeyPolicy", context=THROUGH),
        NO_RESOURCE.replace("Decrypt", "PutKeyPolicy"),
    ),
}

ELSEWHERE = {
    "INFERRED: without a key policy the user's own decide": (q(bob_who_may, None), YES),
    "INFERRED: without a key policy and without their own": (q(bob, None), NO_IDENTITY),
    "INFERRED: without a key policy the root may": (q(root(), None), YES),
    "INFERRED: without a key policy a deny denies": (q(bob_who_must_not, None), DENIED_BY_IDENTITY),
    "INFERRED: without a key policy a session is bounded": (
        q(root(bound=session(allow("ebs:*"))), None),
        NO_SESSION,
    ),
    "INFERRED: without a key policy there are no grants": (q(bob, None, grant(BOB, "Decrypt")), NO_IDENTITY),
    "INFERRED: without a key policy there are no borders": (q(stranger_who_may, None), YES),
}

KEY_CASES = {**AT_HOME, **DENIALS, **GRANTS, **FROM_AWAY, **SESSIONS, **MANAGED_KEY, **ELSEWHERE}
assert len(KEY_CASES) == sum(
    map(len, [AT_HOME, DENIALS, GRANTS, FROM_AWAY, SESSIONS, MANAGED_KEY, ELSEWHERE])
), "every name is used once"
