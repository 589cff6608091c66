"""DescribeSnapshots of what others share: contract 9.3 and 9.6, row by row. Ids begin with the label."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neve.domain.identities import AccountId, SnapshotId
from neve.errors import Ec2Error
from neve.messages.ebs import StartSnapshotRequest, Tag
from neve.messages.ec2 import (
    DescribeSnapshotsRequest,
    DescribeTagsRequest,
    Filter,
    SnapshotDescription,
)
from neve.operations.context import Quotas
from neve.operations.ebs.start_snapshot import start_snapshot
from neve.operations.ec2.describe_snapshots import describe_snapshots
from neve.operations.ec2.describe_tags import describe_tags
from neve.testing.memory_keys import MemoryKeys
from neve.testing.world import ACCOUNT, OTHER_ACCOUNT, World

THIRD_ACCOUNT = AccountId("777788889999")
EVERYTHING = DescribeSnapshotsRequest()


def start(world: World, account_id: AccountId = OTHER_ACCOUNT, **members: object) -> str:
    request = replace(StartSnapshotRequest(volume_size=1), **members)  # type: ignore[arg-type]
    return start_snapshot(world.context, world.caller(account_id), request).snapshot_id


def owner_of(world: World, snapshot_id: str) -> AccountId:
    """Return whose it is."""
    for account_id in (ACCOUNT, OTHER_ACCOUNT):
        for snapshot in world.metadata.snapshots(account_id, after=None, limit=1000):
            if snapshot.snapshot_id == snapshot_id:
                return account_id
    raise AssertionError(snapshot_id)


def share(world: World, snapshot_id: str, *grantees: str) -> str:
    world.metadata.modify_permissions(owner_of(world, snapshot_id), SnapshotId(snapshot_id), add=grantees)
    return snapshot_id


def unshare(world: World, snapshot_id: str, *grantees: str) -> None:
    world.metadata.modify_permissions(owner_of(world, snapshot_id), SnapshotId(snapshot_id), remove=grantees)


def described(
    world: World, request: DescribeSnapshotsRequest = EVERYTHING, account_id: AccountId = ACCOUNT
) -> Mapping[str, SnapshotDescription]:
    """Return what an account is shown, by id, walking all pages."""
    shown: dict[str, SnapshotDescription] = {}
    while True:
        answer = describe_snapshots(world.context, world.caller(account_id), request)
        assert not shown.keys() & {each.snapshot_id for each in answer.snapshots}
        shown |= {each.snapshot_id: each for each in answer.snapshots}
        if answer.next_token is None:
            return shown
        request = replace(request, next_token=answer.next_token)


@pytest.fixture
def keys() -> MemoryKeys:
    return MemoryKeys()


@pytest.fixture
def world(make_world: Callable[..., World], keys: MemoryKeys) -> World:
    return make_world(keys=keys, quotas=Quotas(pending_snapshots_max=0))


class Six:
    """Two own snapshots, the second public; four of the other account's: private, shared, public, and both."""

    def __init__(self, world: World) -> None:
        self.own = start(world, ACCOUNT)
        self.own_public = share(world, start(world, ACCOUNT), "all", THIRD_ACCOUNT)
        self.private = start(world)
        self.shared = share(world, start(world), ACCOUNT)
        self.public = share(world, start(world), "all")
        self.both = share(world, start(world), "all", ACCOUNT)

    def named(self, names: Collection[str]) -> list[str]:
        return [getattr(self, name) for name in names]


@pytest.fixture
def six(world: World) -> Six:
    return Six(world)


def test_DOC_without_arguments_own_shared_and_public_ones_are_shown(world: World, six: Six) -> None:
    assert list(described(world)) == six.named(["own", "own_public", "shared", "public", "both"])
    assert list(described(world, account_id=THIRD_ACCOUNT)) == six.named(["own_public", "public", "both"])


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        pytest.param({"owner_ids": ("self",)}, ["own", "own_public"], id="DOC-owner-self"),
        pytest.param({"owner_ids": (ACCOUNT,)}, ["own", "own_public"], id="DOC-owner-own-account"),
        pytest.param({"owner_ids": (OTHER_ACCOUNT,)}, ["shared", "public", "both"], id="DOC-owner-account"),
        pytest.param({"owner_ids": (THIRD_ACCOUNT,)}, [], id="DOC-owner-of-nothing"),
        pytest.param({"owner_ids": ("amazon",)}, [], id="DOC-owner-amazon"),
        pytest.param(
            {"owner_ids": ("self", OTHER_ACCOUNT)},
            ["own", "own_public", "shared", "public", "both"],
            id="DOC-owners-are-alternatives",
        ),
        pytest.param(
            {"restorable_by_user_ids": ("self",)},
            ["own", "own_public", "shared", "both"],
            id="DOC-restorable-by-self",
        ),
        pytest.param(
            {"restorable_by_user_ids": (ACCOUNT,)},
            ["own", "own_public", "shared", "both"],
            id="DOC-restorable-by-own-account",
        ),
        pytest.param(
            {"restorable_by_user_ids": ("all",)}, ["own_public", "public", "both"], id="DOC-restorable-by-all"
        ),
        pytest.param(
            {"restorable_by_user_ids": (THIRD_ACCOUNT,)}, ["own_public"], id="DOC-restorable-by-account"
        ),
        pytest.param({"restorable_by_user_ids": (OTHER_ACCOUNT,)}, [], id="DOC-restorable-by-nobody-else"),
        pytest.param(
            {"restorable_by_user_ids": (THIRD_ACCOUNT, "self")},
            ["own", "own_public", "shared", "both"],
            id="DOC-restorers-are-alternatives",
        ),
        pytest.param(
            {"owner_ids": (OTHER_ACCOUNT,), "restorable_by_user_ids": ("self",)},
            ["shared", "both"],
            id="DOC-owner-and-restorer-must-both-hold",
        ),
        pytest.param(
            {"owner_ids": ("self",), "restorable_by_user_ids": ("all",)}, ["own_public"], id="DOC-own-public"
        ),
        pytest.param({"filters": (Filter("owner-id", (OTHER_ACCOUNT,)),)}, ["shared", "public", "both"], id="DOC-filter-owner-id"),
    ],
)  # fmt: skip
def test_owners_and_restorers_choose_among_what_is_visible(
    world: World, six: Six, asked: dict[str, object], wanted: list[str]
) -> None:
    request = replace(EVERYTHING, **asked)  # type: ignore[arg-type]
    assert list(described(world, request)) == six.named(wanted)
    visible = tuple(six.named(["own", "own_public", "shared", "public", "both"]))
    assert list(described(world, replace(request, snapshot_ids=visible))) == six.named(wanted)


def test_LIVE_a_visible_snapshot_can_be_asked_for_by_id(world: World, six: Six) -> None:
    for name in ("shared", "public", "both"):
        snapshot_id = getattr(six, name)
        (shown,) = described(world, DescribeSnapshotsRequest(snapshot_ids=(snapshot_id,))).values()
        assert (shown.snapshot_id, shown.owner_id) == (snapshot_id, OTHER_ACCOUNT)
        wanted = Filter("snapshot-id", (snapshot_id, six.private, "snap-0123456789abcdef0"))
        assert list(described(world, DescribeSnapshotsRequest(filters=(wanted,)))) == [snapshot_id]


def test_LIVE_one_that_is_not_visible_fails_the_whole_call(world: World, six: Six) -> None:
    request = DescribeSnapshotsRequest(snapshot_ids=(six.own, six.private))
    with pytest.raises(Ec2Error, match=six.private) as caught:
        described(world, request)
    assert caught.value.code == "InvalidSnapshot.NotFound"


def test_what_is_shared_no_more_is_gone_at_once(world: World, six: Six) -> None:
    unshare(world, six.shared, ACCOUNT)
    unshare(world, six.both, "all")
    unshare(world, six.public, "all")
    assert list(described(world)) == six.named(["own", "own_public", "both"])
    with pytest.raises(Ec2Error):
        described(world, DescribeSnapshotsRequest(snapshot_ids=(six.shared,)))


def test_LIVE_tags_are_the_owners_own(world: World) -> None:
    snapshot_id = share(
        world, start(world, tags=(Tag("host", "web-1"),), description="nightly"), ACCOUNT, "all"
    )
    shown = described(world)[snapshot_id]
    assert (shown.tags, shown.description) == ((), "nightly")
    assert described(world, account_id=OTHER_ACCOUNT)[snapshot_id].tags == (Tag("host", "web-1"),)
    for wanted in (Filter("tag-key", ("host",)), Filter("tag:host", ("*",))):
        assert described(world, DescribeSnapshotsRequest(filters=(wanted,))) == {}
    assert describe_tags(world.context, world.caller(), DescribeTagsRequest()).tags == ()


def test_DOC_an_encrypted_snapshot_says_so_and_names_its_key_to_whoever_sees_it(
    world: World, keys: MemoryKeys
) -> None:
    key_arn = keys.make_key(ACCOUNT)
    plain, sealed = world.start(), world.start(kms_key_arn=key_arn)
    child = start(world, ACCOUNT, parent_snapshot_id=completed(world, sealed))
    for snapshot_id in (plain, sealed, child):
        share(world, snapshot_id, OTHER_ACCOUNT)
    for account_id in (ACCOUNT, OTHER_ACCOUNT):
        shown = described(world, account_id=account_id)
        told = {each.snapshot_id: (each.encrypted, each.kms_key_id) for each in shown.values()}
        assert told == {plain: (False, None), sealed: (True, key_arn), child: (True, key_arn)}
    keys.remove(key_arn)
    keys.go_away()
    for value, wanted in (("true", [sealed, child]), ("false", [plain])):
        request = DescribeSnapshotsRequest(filters=(Filter("encrypted", (value,)),))
        assert list(described(world, request)) == wanted


def completed(world: World, snapshot_id: str) -> str:
    world.complete(snapshot_id, count=0)
    return snapshot_id


# What happens between two pages: a snapshot of somebody is started, shared, unshared, made public.
EVENTS = st.lists(
    st.tuples(st.sampled_from(["start", "share", "unshare", "publish"]), st.integers(0, 30)), max_size=4
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kinds=st.lists(st.sampled_from(["own", "private", "shared", "public"]), max_size=20),
    page_size=st.integers(5, 9),
    happenings=st.lists(EVENTS, max_size=5),
)
def test_pages_show_what_was_visible_all_along_exactly_once_and_nothing_that_never_was(
    make_world: Callable[..., World],
    kinds: list[str],
    page_size: int,
    happenings: list[list[tuple[str, int]]],
) -> None:
    world = make_world(quotas=Quotas(pending_snapshots_max=0))
    grantees: dict[str, list[str]] = {"private": [], "shared": [ACCOUNT], "public": ["all"]}
    foreign = [start(world) for kind in kinds if kind != "own"]
    own = [start(world, ACCOUNT) for kind in kinds if kind == "own"]
    for snapshot_id, kind in zip(foreign, [kind for kind in kinds if kind != "own"], strict=True):
        share(world, snapshot_id, *grantees[kind])
    steady = set(described(world))
    ever = set(steady)
    request = DescribeSnapshotsRequest(max_results=page_size)
    seen: list[str] = []
    while True:
        answer = describe_snapshots(world.context, world.caller(), request)
        seen += [each.snapshot_id for each in answer.snapshots]
        if answer.next_token is None:
            break
        request = replace(request, next_token=answer.next_token)
        for event, pick in happenings.pop() if happenings else []:
            if event == "start":
                foreign.append(start(world))
            elif foreign:
                chosen = foreign[pick % len(foreign)]
                if event == "unshare":
                    unshare(world, chosen, ACCOUNT, "all")
                else:
                    share(world, chosen, "all" if event == "publish" else ACCOUNT)
        visible = set(described(world))
        steady &= visible
        ever |= visible
    assert len(seen) == len(set(seen))
    assert set(own) <= steady <= set(seen) <= ever
