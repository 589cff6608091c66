"""What holds of all policies: laws of evaluation, and of wildcards, for whatever Hypothesis thinks of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, SupportsIndex

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neve.domain.kms_keys import Grant
from neve.domain.policies.documents import PolicyInvalid, PolicyKind, parse_policy
from neve.domain.policies.evaluation import Decision, Verdict
from neve.domain.policies.wildcards import Wildcard, tokens_of
from neve.domain.principals import Principal
from unit.domain.policies_scene import (
    AWAY,
    HOME,
    KEY,
    OTHER_SNAPSHOT,
    SNAPSHOT,
    KeyQuestion,
    Statement,
    ask,
    document,
    grant,
    identity,
    key_policy,
    root,
    session,
    user,
)

# --- statements and questions that meet often ---------------------------------------------------------

ACTIONS = st.sampled_from(["*", "ebs:*", "ebs:Put*", "ebs:GetSnapshotBlock", "kms:Decrypt", "kms:*", "ec2:*"])
RESOURCES = st.sampled_from(
    [
        "*",
        "arn:aws:ec2:*::snapshot/*",
        SNAPSHOT,
        OTHER_SNAPSHOT,
        KEY,
        "arn:aws:kms:*:*:key/*",
        "arn:aws:ec2:*::snapshot/${aws:RequestTag/team}",
        "arn:aws:ec2:*::snapshot/${aws:RequestTag/team, 'x'}*",
    ]
)
OPERATORS = st.sampled_from(
    [
        "StringEquals",
        "StringNotEquals",
        "StringLike",
        "StringNotLikeIfExists",
        "ForAllValues:StringLike",
        "ForAnyValue:StringNotEquals",
        "NumericLessThan",
        "NumericNotEquals",
        "Null",
    ]
)


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    operator = draw(OPERATORS)
    values: st.SearchStrategy[str]
    if operator == "Null":
        values = st.sampled_from(["true", "false"])
    elif operator.startswith("Numeric"):
        values = st.sampled_from(["1", "2"])
    else:
        values = st.sampled_from(["1", "red", "r*", "${aws:username}", "${aws:PrincipalTag/x}"])
    key = draw(st.sampled_from(["aws:RequestTag/team", "aws:ResourceTag/team", "kms:EncryptionContext:team"]))
    return {operator: {key: draw(st.lists(values, min_size=1, max_size=2))}}


@st.composite
def statements(draw: st.DrawFn, effect: str | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {
        "Effect": effect or draw(st.sampled_from(["Allow", "Deny"])),
        draw(st.sampled_from(["Action", "Action", "NotAction"])): draw(
            st.lists(ACTIONS, min_size=1, max_size=2)
        ),
        draw(st.sampled_from(["Resource", "Resource", "NotResource"])): draw(
            st.lists(RESOURCES, min_size=1, max_size=2)
        ),
    }
    if draw(st.booleans()):
        made["Condition"] = draw(conditions())
    return made


@st.composite
def key_statements(draw: st.DrawFn, effect: str | None = None) -> dict[str, Any]:
    made = draw(statements(effect=effect))
    names = st.sampled_from(
        ["*", HOME, AWAY, f"arn:aws:iam::{HOME}:user/bob", f"arn:aws:iam::{AWAY}:user/bob"]
    )
    element = (
        draw(st.sampled_from(["Principal", "NotPrincipal"])) if made["Effect"] == "Deny" else "Principal"
    )
    return {**made, element: {"AWS": draw(st.lists(names, min_size=1, max_size=2))}}


VALUES = st.lists(st.sampled_from(["1", "2", "red", "bob", "", "snap-0123456789abcdef0"]), max_size=2)
CONTEXTS = st.dictionaries(st.sampled_from(["aws:requesttag/team", "aws:resourcetag/team"]), VALUES)
ENCRYPTION_CONTEXTS = st.none() | st.dictionaries(
    st.sampled_from(["team", "TEAM"]), st.sampled_from(["1", "red"])
)
STATEMENTS = st.lists(statements(), min_size=1, max_size=3)
KEY_STATEMENTS = st.lists(key_statements(), min_size=1, max_size=3)
ASKED = st.tuples(
    st.sampled_from(["ebs:PutSnapshotBlock", "ebs:GetSnapshotBlock", "kms:Decrypt", "ec2:DescribeSnapshots"]),
    st.sampled_from([SNAPSHOT, OTHER_SNAPSHOT, KEY, "*"]),
)
GRANTS = st.lists(
    st.builds(
        grant,
        st.sampled_from([HOME, AWAY, f"arn:aws:iam::{HOME}:user/bob", f"arn:aws:iam::{AWAY}:root"]),
        st.sampled_from(["Decrypt", "Encrypt"]),
        context_equals=ENCRYPTION_CONTEXTS,
        context_subset=ENCRYPTION_CONTEXTS,
    ),
    max_size=2,
)
WHO = st.sampled_from(
    [
        lambda *own: user(identity(*own)),
        lambda *own: user(identity(*own), account_id=AWAY),
        lambda *own: user(identity(*own), bound=session({"Effect": "Allow", "Action": "*", "Resource": "*"})),
        lambda *own: user(identity(*own), bound=session(*own)),
        lambda *_: root(),
        lambda *_: root(AWAY),
    ]
)
Who = Callable[..., Principal]
Context = Mapping[str, Sequence[str]]
EVERYTHING: Statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
NOTHING: Statement = {"Effect": "Deny", "Action": "*", "Resource": "*"}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyScene:
    """Somebody who asks for a key, and everything that has a say in it."""

    who: Who
    own: list[Statement]
    by: list[Statement]
    grants: list[Grant]
    encryption_context: Mapping[str, str] | None
    context: Context

    @property
    def decision(self) -> Decision:
        return KeyQuestion(
            principal=self.who(*self.own),
            policy=key_policy(*self.by),
            grants=self.grants,
            encryption_context=self.encryption_context,
            context=self.context,
        ).decision()


KEY_SCENES = st.builds(
    KeyScene,
    who=WHO,
    own=STATEMENTS,
    by=KEY_STATEMENTS,
    grants=GRANTS,
    encryption_context=ENCRYPTION_CONTEXTS,
    context=CONTEXTS,
)


# --- the principal's own policies ---------------------------------------------------------------------


@given(own=STATEMENTS, extra=statements(effect="Deny"), asked=ASKED, context=CONTEXTS, data=st.data())
def test_another_deny_never_turns_a_no_into_a_yes(
    own: list[Statement], extra: Statement, asked: tuple[str, str], context: Context, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(own)))
    before = ask(user(identity(*own)), *asked, context)
    after = ask(user(identity(*own[:place], extra, *own[place:])), *asked, context)
    assert before.allowed or not after.allowed
    assert before.verdict is not Verdict.DENIED or after.verdict is Verdict.DENIED


@given(own=STATEMENTS, extra=statements(effect="Allow"), asked=ASKED, context=CONTEXTS)
def test_another_allow_never_turns_a_yes_into_a_no(
    own: list[Statement], extra: Statement, asked: tuple[str, str], context: Context
) -> None:
    before = ask(user(identity(*own)), *asked, context)
    after = ask(user(identity(*own, extra)), *asked, context)
    assert after.allowed or not before.allowed
    assert (before.verdict is Verdict.DENIED) == (after.verdict is Verdict.DENIED)


@given(own=STATEMENTS, asked=ASKED, context=CONTEXTS, data=st.data())
def test_an_explicit_deny_always_wins(
    own: list[Statement], asked: tuple[str, str], context: Context, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations([*own, EVERYTHING, NOTHING]))
    assert ask(user(identity(*shuffled)), *asked, context).verdict is Verdict.DENIED


@given(own=STATEMENTS, asked=ASKED, context=CONTEXTS, data=st.data())
def test_the_order_and_division_of_statements_is_no_matter(
    own: list[Statement], asked: tuple[str, str], context: Context, data: st.DataObject
) -> None:
    together = ask(user(identity(*own)), *asked, context)
    shuffled = data.draw(st.permutations(own))
    assert ask(user(identity(*shuffled)), *asked, context).verdict is together.verdict
    apart = user(*(identity(statement) for statement in shuffled))
    assert ask(apart, *asked, context).verdict is together.verdict


@given(own=STATEMENTS, bound=STATEMENTS, asked=ASKED, context=CONTEXTS)
def test_a_session_may_do_what_both_its_policies_allow(
    own: list[Statement], bound: list[Statement], asked: tuple[str, str], context: Context
) -> None:
    both = ask(user(identity(*own), bound=session(*bound)), *asked, context).allowed
    assert both == (
        ask(user(identity(*own)), *asked, context).allowed
        and ask(root(bound=session(*bound)), *asked, context).allowed
    )


@given(own=STATEMENTS, asked=ASKED, context=CONTEXTS)
def test_every_answer_has_its_reason(own: list[Statement], asked: tuple[str, str], context: Context) -> None:
    decision = ask(user(identity(*own)), *asked, context)
    assert bool(decision.because) is not decision.allowed
    assert decision.explanation.startswith("allowed: " if decision.allowed else "denied: ")
    assert asked[0] in decision.explanation


# --- keys ---------------------------------------------------------------------------------------------


@given(scene=KEY_SCENES, extra=key_statements(effect="Deny"), extra_own=statements(effect="Deny"))
def test_another_deny_anywhere_never_opens_a_key(
    scene: KeyScene, extra: Statement, extra_own: Statement
) -> None:
    before = scene.decision.allowed
    assert before or not replace(scene, by=[*scene.by, extra]).decision.allowed
    assert before or not replace(scene, own=[*scene.own, extra_own]).decision.allowed


@given(
    scene=KEY_SCENES,
    extra=key_statements(effect="Allow"),
    extra_own=statements(effect="Allow"),
    extra_grants=GRANTS,
)
def test_another_allow_or_grant_never_closes_a_key(
    scene: KeyScene, extra: Statement, extra_own: Statement, extra_grants: list[Grant]
) -> None:
    before = scene.decision.allowed
    assert not before or replace(scene, by=[*scene.by, extra]).decision.allowed
    assert not before or replace(scene, own=[*scene.own, extra_own]).decision.allowed
    assert not before or replace(scene, grants=[*extra_grants, *scene.grants]).decision.allowed


@given(scene=KEY_SCENES, data=st.data())
def test_an_explicit_deny_closes_a_key_to_everybody(scene: KeyScene, data: st.DataObject) -> None:
    both = [{**EVERYTHING, "Principal": "*"}, {**NOTHING, "Principal": "*"}]
    shuffled = data.draw(st.permutations([*scene.by, *both]))
    assert replace(scene, by=shuffled).decision.verdict is Verdict.DENIED


@given(scene=KEY_SCENES, data=st.data())
def test_the_order_of_statements_and_grants_is_no_matter_to_a_key(
    scene: KeyScene, data: st.DataObject
) -> None:
    shuffled = replace(
        scene,
        own=data.draw(st.permutations(scene.own)),
        by=data.draw(st.permutations(scene.by)),
        grants=data.draw(st.permutations(scene.grants)),
    )
    before, after = scene.decision, shuffled.decision
    assert (after.verdict, after.because) == (before.verdict, before.because)


@given(scene=KEY_SCENES)
def test_another_account_gets_no_further_than_its_own_policies_let(scene: KeyScene) -> None:
    stranger = user(identity(*scene.own), account_id=AWAY)
    alone = KeyQuestion(
        principal=stranger,
        policy=None,
        encryption_context=scene.encryption_context,
        context=scene.context,
    )
    let_in = replace(scene, who=lambda *_: stranger).decision.allowed
    assert not let_in or alone.decision().allowed


# --- wildcards ----------------------------------------------------------------------------------------

# Few characters on purpose: patterns and texts drawn from them meet often.
TEXTS = st.text(alphabet="ab", max_size=8) | st.text(alphabet="abA*?", max_size=12)
PATTERNS = st.text(alphabet="ab*?", max_size=8)


def naively(pattern: str, text: str) -> bool:
    """Match by trying everything."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(naively(pattern[1:], text[start:]) for start in range(len(text) + 1))
    return bool(text) and pattern[0] in {"?", text[0]} and naively(pattern[1:], text[1:])


@given(pattern=PATTERNS, text=TEXTS)
@example(pattern="a*a", text="a")
@example(pattern="*a?b*", text="aabb")
@example(pattern="*?a*", text="a")
@example(pattern="**", text="")
@example(pattern="*ab*b", text="ab")
@example(pattern="*a?*b", text="ab")
@example(pattern="*?b*a", text="aba")
def test_a_pattern_matches_exactly_what_trying_everything_finds(pattern: str, text: str) -> None:
    assert Wildcard(tokens_of(pattern)).match(text) == naively(pattern, text)


class CountedText(str):
    """A text that counts how often a character of it is looked at."""

    __slots__ = ("looks",)
    looks: int

    def __new__(cls, text: str) -> Self:
        made = super().__new__(cls, text)
        made.looks = 0
        return made

    def __getitem__(self, key: SupportsIndex | slice) -> str:
        found = super().__getitem__(key)
        self.looks += len(found)
        return found


@pytest.mark.parametrize("pattern", ["*?b*", "*b?*", "*a?a?b*", "*?*?*b?*"])
def test_a_place_among_thousands_is_not_looked_for_one_by_one(pattern: str) -> None:
    """A key policy has room for thousands of such patterns, and a request for such texts."""
    text = CountedText("a" * 8000)
    assert not Wildcard(tokens_of(pattern)).match(text)
    assert text.looks <= len(pattern)


@given(
    pieces=st.lists(
        st.sampled_from(["a", "?", "a?", "?a?a?a", "*", "*?*", "aaaab?"]), min_size=1, max_size=30
    ),
    length=st.integers(0, 300),
)
@example(pieces=["*?a"] * 200 + ["b"], length=2000)
@example(pieces=["*a"] * 200 + ["*?b*"], length=2000)
def test_no_pattern_looks_at_a_character_more_than_three_times(pieces: list[str], length: int) -> None:
    text = CountedText("a" * length)
    Wildcard(tokens_of("".join(pieces))).match(text)
    assert text.looks <= 3 * length


@given(value=st.text(max_size=20), text=st.text(max_size=20))
def test_what_a_variable_stands_for_is_taken_literally(value: str, text: str) -> None:
    policy = identity(
        {**EVERYTHING, "Condition": {"StringLike": {"aws:RequestTag/text": "${aws:RequestTag/value}"}}}
    )
    context = {"aws:requesttag/text": [text], "aws:requesttag/value": [value]}
    assert ask(user(policy), "ebs:PutSnapshotBlock", context=context).allowed == (text == value)


@given(pattern=st.text(alphabet="*?ab:", max_size=10), tail=st.text(alphabet="ab:", max_size=6))
def test_a_field_of_an_arn_is_matched_by_its_own_pattern_only(pattern: str, tail: str) -> None:
    try:
        parsed = parse_policy(
            document({**EVERYTHING, "Resource": f"arn:aws:ec2:{pattern}::x:{tail}"}), PolicyKind.IDENTITY
        )
    except PolicyInvalid:
        return
    if ask(user(parsed), "ebs:PutSnapshotBlock", f"arn:aws:ec2:ab::x:{tail}").allowed:
        assert naively(pattern, "ab")
