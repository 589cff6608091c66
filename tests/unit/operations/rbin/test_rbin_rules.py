"""CreateRule, GetRule, ListRules, UpdateRule, DeleteRule, tags of rules; locks of rules, which are refused."""

from collections.abc import Callable
from threading import Barrier, Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fix_world import MemoryStores
from lifecycle_scene import code, let_pass, refusal
from neve.domain.identities import AccountId
from neve.errors import RbinError
from neve.messages import rbin
from neve.operations.rbin.rules import (
    create_rule,
    delete_rule,
    get_rule,
    list_rules,
    refuse_rule_lock,
    update_rule,
)
from neve.operations.rbin.tagging import list_tags_for_resource, tag_resource, untag_resource
from neve.testing.world import ACCOUNT, OTHER_ACCOUNT, World

VALIDATION, MISSING, QUOTA = (
    "ValidationException",
    "ResourceNotFoundException",
    "ServiceQuotaExceededException",
)
UNKNOWN = "0123456789a"
UNLOCK_DELAY = rbin.UnlockDelay(unlock_delay_value=7, unlock_delay_unit="DAYS")


def period(days: int) -> rbin.RetentionPeriod:
    return rbin.RetentionPeriod(retention_period_value=days, retention_period_unit="DAYS")


def tags(*names: str, value: str | None = None) -> tuple[rbin.ResourceTag, ...]:
    return tuple(rbin.ResourceTag(resource_tag_key=name, resource_tag_value=value) for name in names)


def create(
    world: World, *, days: int = 7, account_id: AccountId = ACCOUNT, **more: Any
) -> rbin.CreateRuleResponse:
    given: dict[str, Any] = {"retention_period": period(days), "resource_type": "EBS_SNAPSHOT"}
    return create_rule(world.context, world.caller(account_id), rbin.CreateRuleRequest(**(given | more)))


def get(world: World, rule_id: str, account_id: AccountId = ACCOUNT) -> rbin.GetRuleResponse:
    return get_rule(world.context, world.caller(account_id), rbin.GetRuleRequest(identifier=rule_id))


def update(
    world: World, rule_id: str, account_id: AccountId = ACCOUNT, **changes: Any
) -> rbin.UpdateRuleResponse:
    request = rbin.UpdateRuleRequest(identifier=rule_id, **changes)
    return update_rule(world.context, world.caller(account_id), request)


def remove(world: World, rule_id: str, account_id: AccountId = ACCOUNT) -> rbin.EmptyResponse:
    return delete_rule(world.context, world.caller(account_id), rbin.DeleteRuleRequest(identifier=rule_id))


def listed(world: World, account_id: AccountId = ACCOUNT, **asked: Any) -> rbin.ListRulesResponse:
    request = rbin.ListRulesRequest(**({"resource_type": "EBS_SNAPSHOT"} | asked))
    return list_rules(world.context, world.caller(account_id), request)


def ids(answer: rbin.ListRulesResponse) -> list[str]:
    return [rule.identifier for rule in answer.rules]


# --- rules


def test_DOC_a_rule_is_answered_as_it_was_asked_for(world: World) -> None:
    given: dict[str, Any] = {"description": "all hosts", "resource_tags": tags("host", value="web")}
    made = create(world, days=30, tags=(rbin.Tag(key="team", value="ops"),), **given)
    arn = f"arn:aws:rbin:us-east-1:{ACCOUNT}:rule/{made.identifier}"
    assert made == rbin.CreateRuleResponse(
        identifier=made.identifier,
        retention_period=period(30),
        tags=(rbin.Tag(key="team", value="ops"),),
        resource_type="EBS_SNAPSHOT",
        status="available",
        rule_arn=arn,
        exclude_resource_tags=(),
        **given,
    )
    assert get(world, made.identifier) == rbin.GetRuleResponse(
        identifier=made.identifier,
        resource_type="EBS_SNAPSHOT",
        retention_period=period(30),
        status="available",
        rule_arn=arn,
        exclude_resource_tags=(),
        **given,
    )
    assert listed(world).rules == (
        rbin.RuleSummary(
            identifier=made.identifier,
            description="all hosts",
            retention_period=period(30),
            rule_arn=arn,
        ),
    )


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({"resource_type": "EC2_IMAGE"}, id="INFERRED-images"),
        pytest.param({"resource_type": "EBS_VOLUME"}, id="INFERRED-volumes"),
        pytest.param({"days": 366}, id="DOC-a-day-too-long"),
        pytest.param(
            {"lock_configuration": rbin.LockConfiguration(unlock_delay=UNLOCK_DELAY)}, id="INFERRED-lock"
        ),
        pytest.param(
            {"resource_tags": tags("a"), "exclude_resource_tags": tags("b")}, id="DOC-tags-and-exclusions"
        ),
        pytest.param({"tags": (rbin.Tag(key="aws:x", value=""),)}, id="DOC-reserved-tag"),
        pytest.param({"tags": (rbin.Tag(key="AWS:x", value=""),)}, id="INFERRED-reserved-in-capitals"),
        pytest.param(
            {"tags": (rbin.Tag(key="k", value="1"), rbin.Tag(key="k", value="2"))}, id="DOC-repeated-tag"
        ),
        pytest.param({"tags": (rbin.Tag(key="k", value="a\nb"),)}, id="DOC-characters-of-tags"),
        pytest.param({"tags": (rbin.Tag(key="k*", value=""),)}, id="DOC-characters-of-keys"),
    ],
)
def test_a_rule_that_cannot_be_is_not_made(world: World, asked: dict[str, Any]) -> None:
    found = refusal(lambda: create(world, **asked))
    assert isinstance(found, RbinError)
    assert (found.code, found.status, found.reason) == (VALIDATION, 400, "INVALID_PARAMETER_VALUE")
    assert listed(world).rules == ()


def test_DOC_a_year_is_the_longest(world: World) -> None:
    assert create(world, days=365).retention_period == period(365)


def test_DOC_an_account_has_fifty_rules_at_most(world: World) -> None:
    made = [create(world).identifier for _ in range(50)]
    assert len(set(made)) == 50
    found = refusal(lambda: create(world))
    assert isinstance(found, RbinError)
    assert (found.code, found.status, found.reason) == (QUOTA, 402, "SERVICE_QUOTA_EXCEEDED")
    create(world, account_id=OTHER_ACCOUNT)
    remove(world, made[0])
    create(world)


def test_rules_made_at_once_do_not_exceed_the_limit(world: World) -> None:
    for _ in range(48):
        create(world)
    start, refused = Barrier(8), []

    def make() -> None:
        start.wait()
        try:
            create(world)
        except RbinError as refusal:
            refused.append(refusal.code)

    threads = [Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == [QUOTA] * 6
    assert len(listed(world).rules) == 50


@pytest.mark.parametrize(
    "call",
    [get, remove, lambda world, rule_id, account_id: update(world, rule_id, account_id, description="x")],
    ids=["get", "remove", "update"],
)
def test_INFERRED_somebody_elses_rule_is_not_there(world: World, call: Callable[..., object]) -> None:
    made = create(world)
    for rule_id, account_id in ((made.identifier, OTHER_ACCOUNT), (UNKNOWN, ACCOUNT)):
        found = refusal(lambda: call(world, rule_id, account_id))  # noqa: B023 - called at once
        assert isinstance(found, RbinError)
        assert (found.code, found.status, found.reason) == (MISSING, 404, "RULE_NOT_FOUND")
    assert listed(world, OTHER_ACCOUNT).rules == ()
    assert get(world, made.identifier).description == ""


def test_DOC_an_update_changes_what_it_gives_and_nothing_else(world: World) -> None:
    made = create(
        world, days=5, description="d", resource_tags=tags("a"), tags=(rbin.Tag(key="k", value="v"),)
    )
    rule_id = made.identifier
    assert update(world, rule_id).retention_period == period(5)
    assert update(world, rule_id, retention_period=period(9)).retention_period == period(9)
    assert update(world, rule_id, description="").description == ""
    assert update(world, rule_id, resource_tags=tags("b", "c")).resource_tags == tags("b", "c")
    assert update(world, rule_id, resource_tags=()).resource_tags == ()
    assert update(world, rule_id, exclude_resource_tags=tags("x")).exclude_resource_tags == tags("x")
    found = get(world, rule_id)
    assert (found.retention_period, found.exclude_resource_tags) == (period(9), tags("x"))
    assert tags_of(world, made.rule_arn) == {"k": "v"}


@pytest.mark.parametrize(
    "changes",
    [
        {"resource_type": "EC2_IMAGE"},
        {"retention_period": period(366)},
        {"resource_tags": tags("a"), "exclude_resource_tags": tags("b")},
        {"exclude_resource_tags": tags("b")},
    ],
)
def test_DOC_an_update_that_cannot_be_changes_nothing(world: World, changes: dict[str, Any]) -> None:
    rule_id = create(world, resource_tags=tags("a")).identifier
    before = get(world, rule_id)
    assert code(lambda: update(world, rule_id, description="new", **changes)) == VALIDATION
    assert get(world, rule_id) == before


def test_two_updates_at_once_both_count(world: World) -> None:
    rule_id = create(world).identifier
    for round_number in range(20):
        start = Barrier(2)

        def change(start: Barrier = start, **changes: Any) -> None:
            start.wait()
            update(world, rule_id, **changes)

        both = [
            Thread(target=change, kwargs={"description": str(round_number)}),
            Thread(target=change, kwargs={"retention_period": period(round_number + 1)}),
        ]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        found = get(world, rule_id)
        assert (found.description, found.retention_period) == (str(round_number), period(round_number + 1))


@pytest.mark.parametrize(
    "request_",
    [
        rbin.LockRuleRequest(
            identifier=UNKNOWN, lock_configuration=rbin.LockConfiguration(unlock_delay=UNLOCK_DELAY)
        ),
        rbin.UnlockRuleRequest(identifier=UNKNOWN),
    ],
)
def test_rules_are_never_locked(
    world: World, request_: rbin.LockRuleRequest | rbin.UnlockRuleRequest
) -> None:
    found = refusal(lambda: refuse_rule_lock(world.context, world.caller(), request_))
    assert (found.code, "cannot be locked" in found.message) == (VALIDATION, True)


# --- lists


def test_DOC_rules_are_chosen_by_the_tags_they_are_for(world: World) -> None:
    both = create(world, resource_tags=(*tags("a", value="1"), *tags("b"))).identifier
    one = create(world, resource_tags=tags("a", value="1")).identifier
    excluding = create(world, exclude_resource_tags=tags("x")).identifier
    assert set(ids(listed(world))) == {both, one, excluding}
    assert set(ids(listed(world, resource_tags=tags("a", value="1")))) == {both, one}
    assert ids(listed(world, resource_tags=(*tags("b"), *tags("a", value="1")))) == [both]
    assert ids(listed(world, resource_tags=tags("a"))) == []
    assert ids(listed(world, exclude_resource_tags=tags("x"))) == [excluding]
    assert ids(listed(world, lock_state="unlocked")) == []
    assert code(lambda: listed(world, resource_type="EC2_IMAGE")) == VALIDATION


@given(count=st.integers(0, 12), size=st.integers(1, 5))
def test_pages_show_every_rule_once(count: int, size: int) -> None:
    with World(MemoryStores()) as world:
        made = {create(world).identifier for _ in range(count)}
        answer = listed(world, max_results=size)
        found = ids(answer)
        while answer.next_token is not None:
            answer = listed(world, max_results=size, next_token=answer.next_token)
            assert 0 < len(answer.rules) <= size
            found += ids(answer)
        assert found == sorted(made)


def test_pages_go_on_though_rules_go(world: World) -> None:
    made = sorted(create(world).identifier for _ in range(6))
    answer = listed(world, max_results=3)
    assert answer.next_token is not None
    remove(world, made[0])
    remove(world, made[2])
    assert ids(listed(world, next_token=answer.next_token)) == made[3:]


def test_INFERRED_a_page_token_is_for_its_own_request_and_for_an_hour(world: World) -> None:
    for _ in range(2):
        create(world)
    token = listed(world, max_results=1).next_token
    assert token is not None
    other = token[:-1] + ("0" if token[-1] != "0" else "1")
    for call in (
        lambda: listed(world, next_token=other),
        lambda: listed(world, next_token="00"),
        lambda: listed(world, next_token=token, resource_tags=tags("a")),
        lambda: listed(world, OTHER_ACCOUNT, next_token=token),
    ):
        found = refusal(call)
        assert isinstance(found, RbinError)
        assert (found.code, found.reason) == (VALIDATION, "INVALID_PAGE_TOKEN")
    let_pass(world, hours=1)
    assert code(lambda: listed(world, next_token=token)) == VALIDATION


# --- tags of rules


def tags_of(world: World, arn: str, account_id: AccountId = ACCOUNT) -> dict[str, str]:
    request = rbin.ListTagsForResourceRequest(resource_arn=arn)
    answer = list_tags_for_resource(world.context, world.caller(account_id), request)
    return {tag.key: tag.value for tag in answer.tags}


def tag(world: World, arn: str, account_id: AccountId = ACCOUNT, **pairs: str) -> None:
    given = tuple(rbin.Tag(key=key, value=value) for key, value in pairs.items())
    request = rbin.TagResourceRequest(resource_arn=arn, tags=given)
    tag_resource(world.context, world.caller(account_id), request)


def untag(world: World, arn: str, *keys: str, account_id: AccountId = ACCOUNT) -> None:
    request = rbin.UntagResourceRequest(resource_arn=arn, tag_keys=keys)
    untag_resource(world.context, world.caller(account_id), request)


def test_DOC_tags_of_a_rule_are_set_replaced_and_taken_off(world: World) -> None:
    arn = create(world).rule_arn
    tag(world, arn, a="1", b="2")
    tag(world, arn, b="3", c="névé")
    assert tags_of(world, arn) == {"a": "1", "b": "3", "c": "névé"}
    untag(world, arn, "a", "absent")
    assert tags_of(world, arn) == {"b": "3", "c": "névé"}


def test_DOC_a_rule_has_fifty_tags_at_most(world: World) -> None:
    arn = create(world).rule_arn
    tag(world, arn, ACCOUNT, **{f"k{number}": "" for number in range(50)})
    assert code(lambda: tag(world, arn, more="")) == QUOTA
    assert code(lambda: tag(world, arn, ACCOUNT, **{f"x{number}": "" for number in range(51)})) == QUOTA
    tag(world, arn, k1="replaced")
    assert len(tags_of(world, arn)) == 50


def test_INFERRED_rules_of_others_elsewhere_and_of_nobody_have_no_tags(world: World) -> None:
    made = create(world)
    elsewhere = made.rule_arn.replace("us-east-1", "us-west-2")
    nobodys = made.rule_arn.replace(made.identifier, UNKNOWN)
    cases = [(made.rule_arn, OTHER_ACCOUNT), (elsewhere, ACCOUNT), (nobodys, ACCOUNT)]
    for arn, account_id in cases:
        for call in (
            lambda: tags_of(world, arn, account_id),  # noqa: B023 - called at once
            lambda: tag(world, arn, account_id, a="1"),  # noqa: B023
            lambda: untag(world, arn, "a", account_id=account_id),  # noqa: B023
        ):
            assert code(call) == MISSING
    assert tags_of(world, made.rule_arn) == {}
