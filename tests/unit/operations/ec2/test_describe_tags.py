"""DescribeTags: contract 9.5, and paging as a property. Ids begin with the row's evidence label."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neve.domain.filters import TAG_FILTERS
from neve.domain.identities import AccountId, SnapshotId
from neve.errors import Ec2Error
from neve.limits import TINY
from neve.messages.ec2 import DescribeTagsRequest, Filter, TagDescription
from neve.operations.ec2.describe_tags import describe_tags
from neve.stores.metadata.contract import TagRemoval
from neve.testing.time_and_chance import ManualClock
from neve.testing.world import ACCOUNT, OTHER_ACCOUNT, World

UNKNOWN = "snap-0123456789abcdef0"


def tag(world: World, snapshot_id: str, **tags: str) -> None:
    world.metadata.put_tags(ACCOUNT, [SnapshotId(snapshot_id)], tags, tags_max=50)


def tagged(world: World, **tags: str) -> str:
    snapshot_id = world.start()
    tag(world, snapshot_id, **tags)
    return snapshot_id


def describe(
    world: World, *filters: Filter, account_id: AccountId = ACCOUNT
) -> Sequence[tuple[str, str, str]]:
    answer = describe_tags(world.context, world.caller(account_id), DescribeTagsRequest(filters=filters))
    assert answer.next_token is None
    return [(each.resource_id, each.key, each.value) for each in answer.tags]


def code_of(world: World, request: DescribeTagsRequest, account_id: AccountId = ACCOUNT) -> str:
    with pytest.raises(Ec2Error) as caught:
        describe_tags(world.context, world.caller(account_id), request)
    return caught.value.code


def test_DOC_every_tag_is_listed_with_its_resource(world: World) -> None:
    snapshot_id = tagged(world, b="2", a="1")
    answer = describe_tags(world.context, world.caller(), DescribeTagsRequest())
    assert answer.tags == (
        TagDescription(key="a", resource_id=snapshot_id, resource_type="snapshot", value="1"),
        TagDescription(key="b", resource_id=snapshot_id, resource_type="snapshot", value="2"),
    )


def test_DOC_each_account_sees_its_own(world: World) -> None:
    tagged(world, a="1")
    assert describe(world, account_id=OTHER_ACCOUNT) == []


def test_DOC_tags_of_a_deleted_snapshot_are_gone(world: World) -> None:
    world.delete(tagged(world, a="1"))
    assert describe(world) == []


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        pytest.param("key", ("h*",), [(0, "host", "web-1"), (1, "host", "web-2")], id="DOC-key"),
        pytest.param("value", ("web-?",), [(0, "host", "web-1"), (1, "host", "web-2")], id="DOC-value"),
        pytest.param("tag:host", ("web-2", "web-3"), [(1, "host", "web-2")], id="DOC-tag"),
        pytest.param("resource-type", ("snapshot",), "everything", id="DOC-resource-type"),
        pytest.param("resource-type", ("volume", "image"), [], id="DOC-other-resource-type"),
        pytest.param("key", ("Host",), [], id="DOC-case-sensitive"),
    ],
)
def test_filters_pick_single_tags(
    world: World, name: str, values: tuple[str, ...], expected: list[tuple[int, str, str]] | str
) -> None:
    snapshots = [tagged(world, host="web-1", zone="a"), tagged(world, host="web-2")]
    everything = [(0, "host", "web-1"), (0, "zone", "a"), (1, "host", "web-2")]
    wanted = everything if isinstance(expected, str) else expected
    assert describe(world, Filter(name, values)) == [
        (snapshots[number], key, value) for number, key, value in wanted
    ]


def test_DOC_a_resource_is_looked_up_by_its_id_and_others_are_ignored(world: World) -> None:
    first, second = tagged(world, a="1"), tagged(world, a="2")
    assert describe(world, Filter("resource-id", (second, UNKNOWN, "vol-1"))) == [(second, "a", "2")]
    assert describe(world, Filter("resource-id", ("snap-*",))) == [(first, "a", "1"), (second, "a", "2")]


def test_every_filter_of_the_contract_is_known_and_no_other(world: World) -> None:
    for name in TAG_FILTERS:
        describe(world, Filter(name, ("x",)))
    for name in ("tag-key", "status", "tag:"):
        request = DescribeTagsRequest(filters=(Filter(name, ("x",)),))
        assert code_of(world, request) == "InvalidParameterValue"


def test_CHOICE_67_too_small_a_page_is_refused(world: World) -> None:
    assert code_of(world, DescribeTagsRequest(max_results=4)) == "InvalidParameterValue"


def test_DOC_a_dry_run_says_yes_with_an_error(world: World) -> None:
    assert code_of(world, DescribeTagsRequest(dry_run=True)) == "DryRunOperation"


# What happens between two pages: one more tag (None), or the n-th tag that is left is taken away.
EVENTS = st.lists(st.one_of(st.none(), st.integers(0, 50)), max_size=3)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    counts=st.lists(st.integers(0, 9), max_size=6),
    page_size=st.integers(5, 8),
    happenings=st.lists(EVENTS, max_size=6),
)
def test_pages_show_every_tag_that_was_there_all_along_exactly_once(
    make_world: Callable[..., World],
    counts: list[int],
    page_size: int,
    happenings: list[list[int | None]],
) -> None:
    world = make_world()
    steady: list[tuple[str, str]] = []
    for count in counts:
        keys = {f"\u00fc{number}": "" for number in range(count)}
        snapshot_id = tagged(world, **keys) if keys else world.start()
        steady += [(snapshot_id, key) for key in keys]
    seen: list[tuple[str, str]] = []
    request = DescribeTagsRequest(max_results=page_size)
    while True:
        answer = describe_tags(world.context, world.caller(), request)
        assert len(answer.tags) <= page_size
        seen += [(each.resource_id, each.key) for each in answer.tags]
        if answer.next_token is None:
            break
        assert len(answer.tags) == page_size, "a page is full if there is more"
        request = replace(request, next_token=answer.next_token)
        for event in happenings.pop() if happenings else []:
            if event is None:
                tagged(world, new="")
            elif steady:
                resource, key = steady.pop(event % len(steady))
                world.metadata.remove_tags(ACCOUNT, [SnapshotId(resource)], [TagRemoval(key)])
    assert len(seen) == len(set(seen))
    assert set(steady) <= set(seen)


def page_and_token(world: World) -> tuple[DescribeTagsRequest, str]:
    tagged(world, **{f"key{number}": "" for number in range(7)})
    request = DescribeTagsRequest(max_results=5)
    token = describe_tags(world.context, world.caller(), request).next_token
    assert token is not None
    return request, token


def test_a_token_belongs_to_its_request_and_account(world: World) -> None:
    request, token = page_and_token(world)
    follow_up = replace(request, next_token=token)
    other = replace(follow_up, filters=(Filter("key", ("*",)),))
    assert code_of(world, other) == "InvalidPaginationToken"
    assert code_of(world, follow_up, OTHER_ACCOUNT) == "InvalidPaginationToken"


def test_a_token_expires(make_world: Callable[..., World]) -> None:
    clock = ManualClock()
    world = make_world(clock=clock)
    request, token = page_and_token(world)
    clock.advance(seconds=TINY.page_token_age_s)
    assert code_of(world, replace(request, next_token=token)) == "InvalidPaginationToken"


def test_no_character_of_a_token_can_be_altered(world: World) -> None:
    request, token = page_and_token(world)
    for position, character in enumerate(token):
        altered = token[:position] + ("0" if character != "0" else "1") + token[position + 1 :]
        assert code_of(world, replace(request, next_token=altered)) == "InvalidPaginationToken"
    for forged in ("", "-", token + "0", token.partition("-")[0], token + "-00"):
        assert code_of(world, replace(request, next_token=forged)) == "InvalidPaginationToken"
