"""Decisions, against three tables of them."""

from collections import Counter
from typing import Any

import pytest

from neve.domain.kms_keys import Grant
from neve.domain.policies.conditions import OPERATOR_NAMES
from neve.domain.policies.evaluation import Question, Verdict, decide_for_key
from unit.domain.policies_condition_cases import CONDITION_CASES, ConditionCase
from unit.domain.policies_decision_cases import DECISION_CASES, DecisionCase
from unit.domain.policies_key_cases import KEY_CASES
from unit.domain.policies_scene import HOME, KeyQuestion, allow, ask, deny, identity, user


@pytest.mark.parametrize("case", DECISION_CASES, ids=lambda case: case.name)
def test_a_principal_may_do_what_their_policies_say_together(case: DecisionCase) -> None:
    decision = ask(case.principal, case.action, case.resource, case.context)
    assert decision.because == case.answer
    assert decision.allowed == (not case.answer)


@pytest.mark.parametrize("name", KEY_CASES)
def test_a_key_may_be_used_by_whom_its_policy_its_grants_and_their_own_policies_let(name: str) -> None:
    question, answer = KEY_CASES[name]
    decision = question.decision()
    assert decision.because == answer
    assert decision.allowed == (not answer)


@pytest.mark.parametrize("case", CONDITION_CASES, ids=lambda case: case.name)
def test_an_allow_is_one_where_its_condition_holds(case: ConditionCase) -> None:
    principal = user(identity(allow(Condition=condition_of(case))))
    assert ask(principal, "ebs:PutSnapshotBlock", context=context_of(case)).allowed == case.holds


@pytest.mark.parametrize("case", CONDITION_CASES, ids=lambda case: case.name)
def test_a_deny_is_one_where_its_condition_holds(case: ConditionCase) -> None:
    principal = user(identity(allow(), deny(Condition=condition_of(case))))
    verdict = ask(principal, "ebs:PutSnapshotBlock", context=context_of(case)).verdict
    assert verdict is (Verdict.DENIED if case.holds_in_deny else Verdict.ALLOWED)


def condition_of(case: ConditionCase) -> dict[str, Any]:
    return {case.operator: {case.key: case.wanted}}


def context_of(case: ConditionCase) -> dict[str, Any]:
    return {} if case.given is None else {"aws:requesttag/team": case.given}


def test_the_tables_try_every_operator_both_ways() -> None:
    tried = {
        (case.operator.rpartition(":")[2].removesuffix("IfExists"), case.holds) for case in CONDITION_CASES
    }
    assert tried == {(name, holds) for name in OPERATOR_NAMES for holds in (True, False)}


def test_the_tables_have_no_name_twice_and_two_hundred_decisions() -> None:
    names = Counter([case.name for case in DECISION_CASES] + [case.name for case in CONDITION_CASES])
    assert [name for name, count in names.items() if count > 1] == []
    assert len(DECISION_CASES) + len(KEY_CASES) + len(CONDITION_CASES) >= 200


@pytest.mark.parametrize("given", [None, ["red"]])
def test_a_value_that_costs_a_look_up_is_asked_for_once(given: list[str] | None) -> None:
    calls = 0

    def look_up() -> list[str] | None:
        nonlocal calls
        calls += 1
        return given

    both = {"StringEquals": {"aws:ResourceTag/team": "red"}, "Null": {"aws:ResourceTag/team": "false"}}
    principal = user(identity(allow(Condition=both), deny(Condition=both), allow(Condition=both)))
    ask(principal, "ebs:PutSnapshotBlock", context={"aws:resourcetag/team": look_up})
    assert calls == 1


def test_a_value_nobody_asks_about_is_not_looked_up() -> None:
    def look_up() -> list[str]:
        raise AssertionError

    elsewhere = {"StringEquals": {"aws:ResourceTag/team": "red"}}
    principal = user(identity(allow("ebs:*"), deny("ec2:*", Condition=elsewhere)))
    assert ask(principal, "ebs:PutSnapshotBlock", context={"aws:resourcetag/team": look_up}).allowed


@pytest.mark.parametrize(
    "name", ["DOC: the account's root by the default policy", "DOC: the user's policy denies"]
)
def test_grants_are_not_looked_up_where_policies_decide(name: str) -> None:
    question, _ = KEY_CASES[name]
    asked: list[KeyQuestion] = []

    def look_up() -> list[Grant]:
        asked.append(question)
        return []

    decide_for_key(
        Question(
            principal=question.principal, action=question.action, resource=question.resource, context={}
        ),
        key_policy=question.policy,
        key_account_id=HOME,
        grants=look_up,
        encryption_context=None,
    )
    assert asked == []
