"""What people are told: explanations of decisions, and docs/policies.md."""

import json
from typing import Final

import pytest

from documents import code_blocks, read, table_rows
from neve.domain.policies.conditions import OPERATOR_NAMES
from neve.domain.policies.documents import (
    IDENTITY_CHARS_MAX,
    KEY_BYTES_MAX,
    SESSION_CHARS_MAX,
    PolicyKind,
    parse_policy,
)
from neve.domain.policies.ready_made import READY_MADE, default_key_policy
from neve.domain.principals import Principal
from unit.domain.policies_scene import (
    AWAY,
    HOME,
    KEY,
    SNAPSHOT,
    KeyQuestion,
    allow,
    ask,
    deny,
    grant,
    identity,
    key_policy,
    root,
    session,
    user,
)

PUT: Final = "ebs:PutSnapshotBlock"
PAGE: Final = read("docs/policies.md")
# Examples inside list items are indented.
EXAMPLES: Final = code_blocks(PAGE.replace("\n  ", "\n"), "json")


@pytest.mark.parametrize(
    ("principal", "says"),
    [
        (root(), f"allowed: {PUT} on {SNAPSHOT}: arn:aws:iam::{HOME}:root is the root"),
        (user(), f"denied: no statement allows {PUT} on {SNAPSHOT}"),
        (
            user(identity(allow("ebs:*", Sid="All"), name="w")),
            f'allowed: {PUT} on {SNAPSHOT}: statement 1 ("All") of policy "w"',
        ),
        (
            user(identity(allow(), deny(PUT), name="no-puts")),
            f'denied: statement 2 of policy "no-puts" denies {PUT} on {SNAPSHOT}',
        ),
        (
            user(identity(allow(PUT, "arn:aws:ec2:*::snapshot/x"), allow("ebs:Get*"), name="w")),
            (
                f"denied: no statement allows {PUT} on {SNAPSHOT}; "
                'statement 1 of policy "w" comes closest, but is about other resources'
            ),
        ),
        (
            user(
                identity(
                    allow(PUT, "arn:aws:ec2:*::snapshot/x"),
                    allow(
                        Condition={"Null": {"aws:username": "false"}, "Bool": {"aws:SecureTransport": "true"}}
                    ),
                    name="w",
                )
            ),
            (
                f"denied: no statement allows {PUT} on {SNAPSHOT}; statement 2 of "
                'policy "w" comes closest, but has a condition that does not hold (Bool of aws:SecureTransport)'
            ),
        ),
        (
            user(identity(allow()), bound=session(allow("ebs:Get*"))),
            f"denied: no statement of the session policy allows {PUT} on {SNAPSHOT}",
        ),
        (
            user(identity(allow(), name="w"), bound=session(allow())),
            f'allowed: {PUT} on {SNAPSHOT}: statement 1 of policy "w", and statement 1 of the session policy',
        ),
    ],
)
def test_a_decision_is_explained(principal: Principal, says: str) -> None:
    assert ask(principal, PUT).explanation == says


@pytest.mark.parametrize(
    ("question", "says"),
    [
        (
            KeyQuestion(principal=root(), policy=parse_policy(default_key_policy(HOME), PolicyKind.KEY)),
            (
                f"allowed: kms:Decrypt on {KEY}: arn:aws:iam::{HOME}:root is the root, and statement 1 "
                '("Enable IAM User Permissions") of the key policy leaves it to the account'
            ),
        ),
        (
            KeyQuestion(principal=root(), policy=key_policy(allow(Principal={"AWS": AWAY}))),
            f"denied: no statement of the key policy allows kms:Decrypt on {KEY}",
        ),
        (
            KeyQuestion(
                principal=user(),
                policy=key_policy(allow(Principal={"AWS": AWAY})),
                grants=[grant(f"arn:aws:iam::{HOME}:user/bob", "Decrypt")],
            ),
            f"allowed: kms:Decrypt on {KEY}: grant {'ab' * 32}",
        ),
        (
            KeyQuestion(principal=user(), policy=key_policy(deny(Principal="*"))),
            f"denied: statement 1 of the key policy denies kms:Decrypt on {KEY}",
        ),
    ],
)
def test_a_decision_about_a_key_is_explained(question: KeyQuestion, says: str) -> None:
    assert question.decision().explanation == says


@pytest.mark.parametrize("example", EXAMPLES, ids=[str(number) for number in range(1, len(EXAMPLES) + 1)])
def test_the_examples_of_the_page_are_policies(example: str) -> None:
    kind = PolicyKind.KEY if '"Principal"' in example else PolicyKind.IDENTITY
    assert parse_policy(example, kind).statements


def test_the_page_has_its_examples() -> None:
    assert len(EXAMPLES) == 5
    assert json.loads(default_key_policy(HOME))["Statement"][0] in [
        json.loads(text)["Statement"] for text in EXAMPLES
    ]


def test_the_page_names_every_operator() -> None:
    rows = [row for row in table_rows(PAGE.partition("## Conditions")[2].partition("##")[0]) if len(row) == 2]
    named = {name.strip("`") for row in rows[1:] for name in row[0].split(", ")}
    assert named == OPERATOR_NAMES


def test_the_page_names_every_ready_made_policy() -> None:
    rows = table_rows(PAGE.partition("## Ready-made policies")[2].partition("##")[0])
    assert {row[0].strip("`") for row in rows} - {"name"} == READY_MADE.keys()


@pytest.mark.parametrize("size_max", [IDENTITY_CHARS_MAX, SESSION_CHARS_MAX, KEY_BYTES_MAX])
def test_the_page_says_how_large_a_policy_may_be(size_max: int) -> None:
    assert f" {size_max:,} " in PAGE


@pytest.mark.parametrize("name", READY_MADE)
def test_a_ready_made_policy_is_one(name: str) -> None:
    assert parse_policy(READY_MADE[name], PolicyKind.IDENTITY, name=name).name == name
