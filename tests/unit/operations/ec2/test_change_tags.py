"""CreateTags and DeleteTags: contract 9.5, row by row, and against a dictionary. Ids begin with the label."""

from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neve.domain.identities import AccountId, SnapshotId
from neve.errors import Ec2Error
from neve.messages.ebs import Tag
from neve.messages.ec2 import CreateTagsRequest, DeleteTagsRequest, TagSelector
from neve.operations.ec2.create_tags import create_tags
from neve.operations.ec2.delete_tags import delete_tags
from neve.testing.world import ACCOUNT, OTHER_ACCOUNT, World

UNKNOWN = "snap-0123456789abcdef0"


def tags_of(world: World, snapshot_id: str) -> Mapping[str, str]:
    return dict(world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id)).tags)


def create(
    world: World,
    resources: Sequence[str],
    tags: Mapping[str, str],
    *,
    account_id: AccountId = ACCOUNT,
    dry_run: bool = False,
) -> None:
    request = CreateTagsRequest(
        resources=tuple(resources),
        tags=tuple(Tag(key, value) for key, value in tags.items()),
        dry_run=dry_run,
    )
    create_tags(world.context, world.caller(account_id), request)


def delete(world: World, resources: Sequence[str], *selectors: TagSelector, dry_run: bool = False) -> None:
    request = DeleteTagsRequest(resources=tuple(resources), tags=selectors, dry_run=dry_run)
    delete_tags(world.context, world.caller(), request)


def code_of(call: Callable[[], None]) -> str:
    with pytest.raises(Ec2Error) as caught:
        call()
    return caught.value.code


def numbered(count: int) -> dict[str, str]:
    return {f"key {number}": "" for number in range(count)}


def test_DOC_create_tags_overwrites_by_key_on_every_resource(world: World) -> None:
    first, second = world.start(), world.start()
    create(world, [first], {"a": "1", "b": "2"})
    create(world, [first, second, first], {"b": "3", "c": ""})
    assert tags_of(world, first) == {"a": "1", "b": "3", "c": ""}
    assert tags_of(world, second) == {"b": "3", "c": ""}


@pytest.mark.parametrize(
    ("selectors", "left"),
    [
        pytest.param([TagSelector("a", None)], {"b": "2", "c": ""}, id="DOC-key-only"),
        pytest.param([TagSelector("a", "1")], {"b": "2", "c": ""}, id="DOC-equal-value"),
        pytest.param([TagSelector("a", "2")], {"a": "1", "b": "2", "c": ""}, id="DOC-other-value"),
        pytest.param([TagSelector("a", "")], {"a": "1", "b": "2", "c": ""}, id="DOC-empty-is-not-any"),
        pytest.param([TagSelector("c", "")], {"a": "1", "b": "2"}, id="DOC-empty-if-empty"),
        pytest.param([TagSelector("x", None)], {"a": "1", "b": "2", "c": ""}, id="DOC-missing-is-no-error"),
        pytest.param([TagSelector("A", None)], {"a": "1", "b": "2", "c": ""}, id="DOC-case-sensitive"),
        pytest.param([], {}, id="DOC-no-tag-is-all"),
    ],
)
def test_delete_tags_takes_what_its_selectors_say(
    world: World, selectors: list[TagSelector], left: dict[str, str]
) -> None:
    snapshot_id = world.start()
    create(world, [snapshot_id], {"a": "1", "b": "2", "c": ""})
    delete(world, [snapshot_id], *selectors)
    assert tags_of(world, snapshot_id) == left


def test_DOC_a_snapshot_in_any_state_has_tags(world: World) -> None:
    completed, failed = world.start(), world.start()
    world.complete(completed, count=0)
    world.complete(failed, count=1)
    create(world, [completed, failed], {"a": "1"})
    assert [tags_of(world, each) for each in (completed, failed)] == [{"a": "1"}] * 2


@pytest.mark.parametrize("dry_run", [False, True])
def test_DOC_fifty_tags_are_the_most_and_one_too_many_changes_nothing(world: World, dry_run: bool) -> None:
    full, empty = world.start(), world.start()
    create(world, [full], numbered(50))
    code = code_of(lambda: create(world, [empty, full], {"new": ""}, dry_run=dry_run))
    assert code == "TagLimitExceeded"
    assert tags_of(world, empty) == {}
    create(world, [full], {"key 7": "replaced"})
    assert len(tags_of(world, full)) == 50


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    ("resource", "code"),
    [
        pytest.param(UNKNOWN, "InvalidSnapshot.NotFound", id="INFERRED-unknown"),
        pytest.param("snap-xyz", "InvalidID", id="INFERRED-malformed"),
        pytest.param("snap-0123456789ABCDEF0", "InvalidID", id="INFERRED-capitals"),
        pytest.param("vol-0123456789abcdef0", "InvalidID", id="INFERRED-other-resource"),
        pytest.param("", "InvalidID", id="INFERRED-empty"),
    ],
)
def test_a_resource_that_is_no_snapshot_fails_the_whole_call(
    world: World, resource: str, code: str, dry_run: bool
) -> None:
    there = world.start()
    create(world, [there], {"a": "1"})
    assert code_of(lambda: create(world, [there, resource], {"b": "2"}, dry_run=dry_run)) == code
    assert code_of(lambda: delete(world, [there, resource], dry_run=dry_run)) == code
    assert tags_of(world, there) == {"a": "1"}


def test_INFERRED_the_refusal_names_the_resource(world: World) -> None:
    with pytest.raises(Ec2Error, match=r"^The ID 'vol-1' is not valid$"):
        create(world, ["vol-1"], {"a": "1"})


def test_LIVE_somebody_elses_snapshot_does_not_exist(world: World) -> None:
    snapshot_id = world.start()
    code = code_of(lambda: create(world, [snapshot_id], {"a": "1"}, account_id=OTHER_ACCOUNT))
    assert code == "InvalidSnapshot.NotFound"
    assert tags_of(world, snapshot_id) == {}


def test_DOC_a_thousand_resources_are_the_most(world: World) -> None:
    assert code_of(lambda: create(world, [UNKNOWN] * 1001, {"a": "1"})) == "InvalidParameterValue"
    assert code_of(lambda: delete(world, [UNKNOWN] * 1001)) == "InvalidParameterValue"


def test_DOC_resources_are_required(world: World) -> None:
    assert code_of(lambda: create(world, [], {"a": "1"})) == "MissingParameter"
    assert code_of(lambda: delete(world, [])) == "MissingParameter"


def test_DOC_tags_are_required_to_create_them(world: World) -> None:
    assert code_of(lambda: create(world, [world.start()], {})) == "MissingParameter"


def test_DOC_a_dry_run_says_yes_and_changes_nothing(world: World) -> None:
    snapshot_id = world.start()
    create(world, [snapshot_id], {"a": "1"})
    assert code_of(lambda: create(world, [snapshot_id], {"b": "2"}, dry_run=True)) == "DryRunOperation"
    assert code_of(lambda: delete(world, [snapshot_id], dry_run=True)) == "DryRunOperation"
    assert tags_of(world, snapshot_id) == {"a": "1"}


# Few keys and values on purpose: they meet often.
KEYS, VALUES = st.sampled_from(["a", "b", "A"]), st.sampled_from(["", "1", "2"])
STEPS = st.lists(
    st.one_of(
        st.dictionaries(KEYS, VALUES, min_size=1, max_size=3),
        st.lists(st.builds(TagSelector, KEYS, st.one_of(st.none(), VALUES)), max_size=2),
    ),
    max_size=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_tags_behave_like_a_dictionary(
    make_world: Callable[..., World], steps: list[dict[str, str] | list[TagSelector]]
) -> None:
    world = make_world()
    snapshot_id = world.start()
    model: dict[str, str] = {}
    for step in steps:
        if isinstance(step, dict):
            create(world, [snapshot_id], step)
            model |= step
            continue
        delete(world, [snapshot_id], *step)
        for key in list(model) if not step else []:
            del model[key]
        for selector in step:
            if selector.value is None or model.get(selector.key) == selector.value:
                model.pop(selector.key, None)
        assert tags_of(world, snapshot_id) == model
    assert tags_of(world, snapshot_id) == model
