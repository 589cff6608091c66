"""Tags on what others share: contract 9.3, tag sets are each account's own. Ids begin with the label."""

from collections.abc import Callable, Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neve.domain.identities import AccountId, SnapshotId
from neve.errors import Ec2Error
from neve.limits import TINY
from neve.messages.ebs import Tag
from neve.messages.ec2 import (
    CreateTagsRequest,
    DeleteTagsRequest,
    DescribeSnapshotsRequest,
    DescribeTagsRequest,
    Filter,
    TagSelector,
)
from neve.messages.ec2_lifecycle import (
    DisableSnapshotBlockPublicAccessRequest,
    EnableSnapshotBlockPublicAccessRequest,
)
from neve.operations.ec2.block_public_access import (
    disable_snapshot_block_public_access,
    enable_snapshot_block_public_access,
)
from neve.operations.ec2.create_tags import create_tags
from neve.operations.ec2.delete_tags import delete_tags
from neve.operations.ec2.describe_snapshots import describe_snapshots
from neve.operations.ec2.describe_tags import describe_tags
from neve.testing.world import ACCOUNT, OTHER_ACCOUNT, World

THIRD_ACCOUNT = AccountId("777788889999")
PEOPLE = (ACCOUNT, OTHER_ACCOUNT, THIRD_ACCOUNT)


@pytest.fixture
def shared(world: World) -> str:
    """A snapshot of the first account, shared with the other one."""
    snapshot_id = world.start()
    world.metadata.modify_permissions(ACCOUNT, SnapshotId(snapshot_id), add=[OTHER_ACCOUNT])
    return snapshot_id


def tag(
    world: World, account_id: AccountId, snapshot_id: str, tags: Mapping[str, str], *, dry_run: bool = False
) -> None:
    request = CreateTagsRequest(
        resources=(snapshot_id,),
        tags=tuple(Tag(key, value) for key, value in tags.items()),
        dry_run=dry_run,
    )
    create_tags(world.context, world.caller(account_id), request)


def untag(world: World, account_id: AccountId, snapshot_id: str, *selectors: TagSelector) -> None:
    request = DeleteTagsRequest(resources=(snapshot_id,), tags=selectors)
    delete_tags(world.context, world.caller(account_id), request)


def seen(world: World, account_id: AccountId, *wanted: Filter) -> dict[str, dict[str, str]]:
    """Return what an account sees, with its tags; DescribeTags must say the same."""
    caller = world.caller(account_id)
    answer = describe_snapshots(world.context, caller, DescribeSnapshotsRequest(filters=wanted))
    found = {each.snapshot_id: {tag.key: tag.value for tag in each.tags} for each in answer.snapshots}
    listed: dict[str, dict[str, str]] = {}
    for each in describe_tags(world.context, caller, DescribeTagsRequest()).tags:
        listed.setdefault(each.resource_id, {})[each.key] = each.value
    for snapshot_id, tags in found.items():
        assert listed.get(snapshot_id, {}) == tags
    return found


def refused(world: World, account_id: AccountId, snapshot_id: str) -> list[str]:
    """Return the codes with which an account's tags are refused; they must be."""
    codes = []
    calls: tuple[Callable[[], None], ...] = (
        lambda: tag(world, account_id, snapshot_id, {"k": "v"}),
        lambda: tag(world, account_id, snapshot_id, {"k": "v"}, dry_run=True),
        lambda: untag(world, account_id, snapshot_id),
    )
    for call in calls:
        with pytest.raises(Ec2Error) as caught:
            call()
        codes.append(caught.value.code)
    return codes


def test_LIVE_each_account_sees_the_tags_it_gave_and_no_others(world: World, shared: str) -> None:
    tag(world, ACCOUNT, shared, {"host": "web-1"})
    tag(world, OTHER_ACCOUNT, shared, {"host": "mine", "copied": ""})
    assert seen(world, ACCOUNT) == {shared: {"host": "web-1"}}
    assert seen(world, OTHER_ACCOUNT) == {shared: {"host": "mine", "copied": ""}}
    for wanted in (Filter("tag:host", ("mine",)), Filter("tag-key", ("copied",)), Filter("tag-key", ("c*",))):
        assert list(seen(world, OTHER_ACCOUNT, wanted)) == [shared]
        assert seen(world, ACCOUNT, wanted) == {}
    untag(world, OTHER_ACCOUNT, shared)
    assert seen(world, ACCOUNT) == {shared: {"host": "web-1"}}
    assert seen(world, OTHER_ACCOUNT) == {shared: {}}


def test_LIVE_each_account_has_room_for_fifty_tags_of_its_own(world: World, shared: str) -> None:
    tags = {f"key {number}": "" for number in range(TINY.tags_per_snapshot_max)}
    tag(world, ACCOUNT, shared, tags)
    tag(world, OTHER_ACCOUNT, shared, tags)
    for dry_run in (True, False):
        with pytest.raises(Ec2Error) as caught:
            tag(world, OTHER_ACCOUNT, shared, {"one more": ""}, dry_run=dry_run)
        assert caught.value.code == "TagLimitExceeded"
    tag(world, OTHER_ACCOUNT, shared, {"key 0": "changed"})
    assert seen(world, ACCOUNT)[shared] == tags
    assert seen(world, OTHER_ACCOUNT)[shared] == tags | {"key 0": "changed"}


def test_LIVE_whoever_does_not_see_a_snapshot_has_no_tags_on_it(world: World, shared: str) -> None:
    assert refused(world, THIRD_ACCOUNT, shared) == ["InvalidSnapshot.NotFound"] * 3


def test_tags_end_with_the_sharing_and_do_not_come_back_with_it(world: World, shared: str) -> None:
    tag(world, OTHER_ACCOUNT, shared, {"a": "1"})
    world.metadata.modify_permissions(ACCOUNT, SnapshotId(shared), remove=[OTHER_ACCOUNT])
    assert seen(world, OTHER_ACCOUNT) == {}
    assert refused(world, OTHER_ACCOUNT, shared) == ["InvalidSnapshot.NotFound"] * 3
    world.metadata.modify_permissions(ACCOUNT, SnapshotId(shared), add=[OTHER_ACCOUNT])
    assert seen(world, OTHER_ACCOUNT) == {shared: {}}


def test_DOC_what_blocked_public_access_hides_has_no_tags_for_others_until_it_is_back(world: World) -> None:
    snapshot_id = world.start()
    world.metadata.modify_permissions(ACCOUNT, SnapshotId(snapshot_id), add=["all"])
    tag(world, OTHER_ACCOUNT, snapshot_id, {"a": "1"})
    enable_snapshot_block_public_access(
        world.context, world.caller(), EnableSnapshotBlockPublicAccessRequest(state="block-all-sharing")
    )
    assert seen(world, OTHER_ACCOUNT) == {}
    assert describe_tags(world.context, world.caller(OTHER_ACCOUNT), DescribeTagsRequest()).tags == ()
    assert refused(world, OTHER_ACCOUNT, snapshot_id) == ["InvalidSnapshot.NotFound"] * 3
    disable_snapshot_block_public_access(
        world.context, world.caller(), DisableSnapshotBlockPublicAccessRequest()
    )
    assert seen(world, OTHER_ACCOUNT) == {snapshot_id: {"a": "1"}}


ACTS = st.lists(
    st.one_of(
        st.tuples(
            st.just("tag"),
            st.sampled_from(PEOPLE),
            st.dictionaries(st.sampled_from("abc"), st.sampled_from("12"), min_size=1),
        ),
        st.tuples(st.just("untag"), st.sampled_from(PEOPLE), st.sampled_from([*"abc", "all"])),
        st.tuples(
            st.sampled_from(["share", "unshare"]),
            st.just(ACCOUNT),
            st.sampled_from([OTHER_ACCOUNT, THIRD_ACCOUNT, "all"]),
        ),
    ),
    max_size=30,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS)
def test_tags_of_three_accounts_agree_with_three_dictionaries(
    world: World, acts: list[tuple[str, AccountId, object]]
) -> None:
    snapshot_id = world.start()
    grantees: set[str] = set()
    expected: dict[AccountId, dict[str, str]] = {account_id: {} for account_id in PEOPLE}
    for act, account_id, detail in acts:
        if act in {"share", "unshare"}:
            change = {"add" if act == "share" else "remove": [str(detail)]}
            world.metadata.modify_permissions(ACCOUNT, SnapshotId(snapshot_id), **change)
            grantees = grantees | {str(detail)} if act == "share" else grantees - {str(detail)}
            for guest in PEOPLE[1:]:
                if not grantees & {guest, "all"}:
                    expected[guest] = {}
        elif account_id != ACCOUNT and not grantees & {account_id, "all"}:
            assert "InvalidSnapshot.NotFound" in refused(world, account_id, snapshot_id)
        elif isinstance(detail, dict):
            tag(world, account_id, snapshot_id, detail)
            expected[account_id] |= detail
        elif detail == "all":
            untag(world, account_id, snapshot_id)
            expected[account_id] = {}
        else:
            untag(world, account_id, snapshot_id, TagSelector(str(detail), None))
            expected[account_id].pop(str(detail), None)
    for account_id in PEOPLE:
        is_visible = account_id == ACCOUNT or grantees & {account_id, "all"}
        found = seen(world, account_id).get(snapshot_id)
        assert found == (expected[account_id] if is_visible else None)
