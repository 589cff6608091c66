"""DescribeSnapshots: contract 9.2 and 9.3, row by row, and paging as a property. Ids begin with the label."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neve.domain.filters import SNAPSHOT_FILTERS
from neve.domain.identities import SnapshotId
from neve.domain.retention import RetentionRule
from neve.domain.snapshots import MESSAGE_COUNT, MESSAGE_TIMED_OUT
from neve.errors import Ec2Error
from neve.limits import TINY
from neve.messages.ebs import CompleteSnapshotRequest, StartSnapshotRequest, Tag
from neve.messages.ec2 import DescribeSnapshotsRequest, Filter, SnapshotDescription
from neve.operations.context import Quotas
from neve.operations.ebs.complete_snapshot import complete_snapshot
from neve.operations.ebs.start_snapshot import start_snapshot
from neve.operations.ec2.describe_snapshots import describe_snapshots
from neve.testing.time_and_chance import ManualClock
from neve.testing.world import ACCOUNT, OTHER_ACCOUNT, World

UNKNOWN = "snap-0123456789abcdef0"
EVERYTHING = DescribeSnapshotsRequest()


def describe(
    world: World, request: DescribeSnapshotsRequest = EVERYTHING, account_id: str = ACCOUNT
) -> Sequence[SnapshotDescription]:
    caller = world.caller(ACCOUNT if account_id == ACCOUNT else OTHER_ACCOUNT)
    answer = describe_snapshots(world.context, caller, request)
    assert answer.next_token is None
    return answer.snapshots


def ids(descriptions: Sequence[SnapshotDescription]) -> list[str]:
    return [each.snapshot_id for each in descriptions]


def refusal(world: World, request: DescribeSnapshotsRequest) -> tuple[str, int, str]:
    with pytest.raises(Ec2Error) as caught:
        describe(world, request)
    return caught.value.code, caught.value.status, caught.value.message


def start(world: World, **members: object) -> str:
    request = replace(StartSnapshotRequest(volume_size=1), **members)  # type: ignore[arg-type]
    return start_snapshot(world.context, world.caller(), request).snapshot_id


def completed(world: World, block_count: int = 2) -> str:
    snapshot_id = world.start()
    for index in range(block_count):
        world.put(snapshot_id, index, bytes([index + 1]) * TINY.block_bytes)
    world.complete(snapshot_id, count=block_count)
    return snapshot_id


# --- what is shown ----------------------------------------------------------------------------------


def test_LIVE_a_pending_snapshot_shows_what_it_was_started_with(world: World) -> None:
    snapshot_id = start(
        world, volume_size=2, description="d", tags=(Tag("b", "2"), Tag("a", "1"), Tag("B", "3"))
    )
    assert describe(world) == (
        SnapshotDescription(
            snapshot_id=snapshot_id,
            volume_id="vol-ffffffff",
            state="pending",
            state_message=None,
            start_time_ms=world.clock.now_ms(),
            progress="0%",
            owner_id=ACCOUNT,
            volume_size=2,
            description="d",
            encrypted=False,
            kms_key_id=None,
            tags=(Tag("B", "3"), Tag("a", "1"), Tag("b", "2")),
            storage_tier="standard",
            transfer_type="standard",
            completion_time_ms=None,
            full_snapshot_size_in_bytes=None,
        ),
    )


def test_INFERRED_a_missing_description_shows_as_empty(world: World) -> None:
    start(world)
    assert describe(world)[0].description == ""


def test_LIVE_a_completed_snapshot_shows_when_and_how_much(make_world: Callable[..., World]) -> None:
    clock = ManualClock()
    world = make_world(clock=clock)
    parent = completed(world, block_count=3)
    child = world.start(parent=parent)
    world.put(child, 7, b"x" * TINY.block_bytes)
    clock.advance(seconds=5)
    world.complete(child, count=1)
    shown = describe(world)[1]
    assert (shown.state, shown.progress, shown.state_message) == ("completed", "100%", None)
    assert shown.completion_time_ms == clock.now_ms()
    assert shown.start_time_ms == clock.now_ms() - 5000
    assert shown.full_snapshot_size_in_bytes == 4 * TINY.block_bytes


def test_LIVE_an_accepted_completion_still_shows_as_pending(world: World) -> None:
    request = CompleteSnapshotRequest(snapshot_id=world.start(), changed_blocks_count=0)
    complete_snapshot(world.context, world.caller(), request)
    assert [each.state for each in describe(world)] == ["pending"]
    world.seal()
    assert [each.state for each in describe(world)] == ["completed"]


def test_LIVE_a_wrong_count_shows_as_error_with_its_message(world: World) -> None:
    snapshot_id = world.start()
    world.complete(snapshot_id, count=5)
    shown = describe(world)[0]
    assert (shown.state, shown.state_message, shown.progress) == ("error", MESSAGE_COUNT, "0%")
    assert (shown.completion_time_ms, shown.full_snapshot_size_in_bytes) == (None, None)


def test_CHOICE_27_a_passed_deadline_shows_as_error_before_anybody_wrote_it_down(
    make_world: Callable[..., World],
) -> None:
    clock = ManualClock()
    world = make_world(clock=clock)
    start(world, timeout=10)
    clock.advance(minutes=10, seconds=-1)
    assert describe(world)[0].state == "pending"
    clock.advance(seconds=1)
    shown = describe(world)[0]
    assert (shown.state, shown.state_message) == ("error", MESSAGE_TIMED_OUT)


def test_LIVE_a_deleted_snapshot_is_gone_and_its_relatives_stay(world: World) -> None:
    parent = completed(world)
    child = world.start(parent=parent)
    world.delete(parent)
    assert ids(describe(world)) == [child]


def test_DOC_each_account_sees_its_own(world: World) -> None:
    snapshot_id = world.start()
    assert describe(world, account_id=OTHER_ACCOUNT) == ()
    assert ids(describe(world)) == [snapshot_id]


# --- ids --------------------------------------------------------------------------------------------


def test_DOC_snapshots_asked_for_by_id_come_once_each_oldest_first(world: World) -> None:
    first, second, _ = world.start(), world.start(), world.start()
    assert ids(describe(world, DescribeSnapshotsRequest(snapshot_ids=(second, first, second)))) == [
        first,
        second,
    ]


@pytest.mark.parametrize(
    ("snapshot_id", "code", "message"),
    [
        pytest.param(
            UNKNOWN,
            "InvalidSnapshot.NotFound",
            f"The snapshot '{UNKNOWN}' does not exist.",
            id="LIVE-unknown",
        ),
        pytest.param(
            "snap-01234567",
            "InvalidSnapshot.NotFound",
            "The snapshot 'snap-01234567' does not exist.",
            id="LIVE-unknown-short",
        ),
        pytest.param(
            "snap-0123",
            "InvalidSnapshotID.Malformed",
            'Invalid id: "snap-0123"',
            id="DOC-length",
        ),
        pytest.param(
            "snap-zzzzzzzz",
            "InvalidSnapshotID.Malformed",
            'Invalid id: "snap-zzzzzzzz"',
            id="DOC-not-hex",
        ),
        pytest.param(
            "snap-0123456789abcdef0\n",
            "InvalidSnapshotID.Malformed",
            'Invalid id: "snap-0123456789abcdef0\n"',
            id="DOC-trailing-newline",
        ),
        pytest.param(
            "vol-01234567",
            "InvalidParameterValue",
            "Value (vol-01234567) for parameter snapshotId is invalid. Expected: 'snap-...'.",
            id="LIVE-prefix",
        ),
        pytest.param(
            "snap-0123456789ABCDEF0",
            "InvalidParameterValue",
            "Value (snap-0123456789ABCDEF0) for parameter snapshotId is invalid. Expected: 'snap-...'.",
            id="LIVE-capitals",
        ),
        pytest.param(
            "",
            "InvalidParameterValue",
            "Value () for parameter snapshotId is invalid. Expected: 'snap-...'.",
            id="LIVE-empty",
        ),
    ],
)
def test_one_bad_id_fails_the_whole_call(world: World, snapshot_id: str, code: str, message: str) -> None:
    there = world.start()
    request = DescribeSnapshotsRequest(snapshot_ids=(there, snapshot_id))
    assert refusal(world, request) == (code, 400, message)


def test_CHOICE_70_somebody_elses_snapshot_does_not_exist(world: World) -> None:
    foreign = start_snapshot(
        world.context, world.caller(OTHER_ACCOUNT), StartSnapshotRequest(volume_size=1)
    ).snapshot_id
    code, _, message = refusal(world, DescribeSnapshotsRequest(snapshot_ids=(foreign,)))
    assert (code, message) == ("InvalidSnapshot.NotFound", f"The snapshot '{foreign}' does not exist.")


def test_filters_thin_out_what_was_asked_for_by_id(world: World) -> None:
    first, second = start(world, description="x"), start(world, description="y")
    request = DescribeSnapshotsRequest(snapshot_ids=(first, second), filters=(Filter("description", ("y",)),))
    assert ids(describe(world, request)) == [second]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"max_results": 5}, id="CHOICE-68-max-results"),
        pytest.param({"next_token": "x"}, id="INFERRED-next-token"),
    ],
)
def test_ids_and_paging_do_not_go_together(world: World, other: dict[str, object]) -> None:
    request = replace(DescribeSnapshotsRequest(snapshot_ids=(UNKNOWN,)), **other)  # type: ignore[arg-type]
    assert refusal(world, request)[0] == "InvalidParameterCombination"


def test_more_ids_than_a_page_has_are_refused(world: World) -> None:
    assert (
        refusal(world, DescribeSnapshotsRequest(snapshot_ids=(UNKNOWN,) * 1001))[0] == "InvalidParameterValue"
    )


# --- owners and restorers ---------------------------------------------------------------------------


@pytest.mark.parametrize("member", ["owner_ids", "restorable_by_user_ids"])
@pytest.mark.parametrize(
    ("asked", "own"),
    [
        pytest.param(("self",), True, id="DOC-self"),
        pytest.param((ACCOUNT,), True, id="DOC-own-account"),
        pytest.param((OTHER_ACCOUNT,), False, id="DOC-other-account"),
        pytest.param((OTHER_ACCOUNT, "self"), True, id="DOC-alternatives"),
    ],
)
def test_own_snapshots_are_shown_if_their_owner_is_asked_for(
    world: World, member: str, asked: tuple[str, ...], own: bool
) -> None:
    snapshot_id = world.start()
    request = replace(EVERYTHING, **{member: asked})  # type: ignore[arg-type]
    assert ids(describe(world, request)) == [snapshot_id] * own


def test_DOC_amazon_owns_nothing_here_and_nothing_is_public(world: World) -> None:
    world.start()
    assert describe(world, DescribeSnapshotsRequest(owner_ids=("amazon",))) == ()
    assert describe(world, DescribeSnapshotsRequest(restorable_by_user_ids=("all",))) == ()


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(DescribeSnapshotsRequest(owner_ids=("me",)), id="DOC-word"),
        pytest.param(DescribeSnapshotsRequest(owner_ids=("all",)), id="DOC-restorers-word"),
        pytest.param(DescribeSnapshotsRequest(owner_ids=("1234",)), id="DOC-digits"),
        pytest.param(DescribeSnapshotsRequest(restorable_by_user_ids=("amazon",)), id="DOC-owners-word"),
    ],
)
def test_an_owner_that_is_no_account_is_refused(world: World, request_: DescribeSnapshotsRequest) -> None:
    assert refusal(world, request_)[0] == "InvalidUserID.Malformed"


# --- filters ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("description", "nightly *", id="DOC-description"),
        pytest.param("encrypted", "false", id="DOC-encrypted"),
        pytest.param("owner-id", ACCOUNT, id="DOC-owner-id"),
        pytest.param("progress", "100%", id="DOC-progress"),
        pytest.param("start-time", "2026-09-21T14:13:20.000Z", id="DOC-start-time"),
        pytest.param("start-time", "2026-09-21*", id="DOC-start-day"),
        pytest.param("status", "completed", id="DOC-status"),
        pytest.param("storage-tier", "standard", id="DOC-storage-tier"),
        pytest.param("tag-key", "host", id="DOC-tag-key"),
        pytest.param("tag:host", "web-?", id="DOC-tag"),
        pytest.param("transfer-type", "standard", id="DOC-transfer-type"),
        pytest.param("volume-id", "vol-ffffffff", id="DOC-volume-id"),
        pytest.param("volume-size", "2", id="DOC-volume-size"),
    ],
)
def test_every_filter_compares_with_what_is_shown(world: World, name: str, value: str) -> None:
    snapshot_id = start(world, volume_size=2, description="nightly copy", tags=(Tag("host", "web-1"),))
    world.complete(snapshot_id, count=0)
    assert ids(describe(world, DescribeSnapshotsRequest(filters=(Filter(name, (value,)),)))) == [snapshot_id]
    assert describe(world, DescribeSnapshotsRequest(filters=(Filter(name, ("other",)),))) == ()


def test_DOC_owner_alias_is_for_snapshots_of_amazon_only(world: World) -> None:
    world.start()
    assert describe(world, DescribeSnapshotsRequest(filters=(Filter("owner-alias", ("*",)),))) == ()


def test_a_filter_by_id_finds_what_is_there_and_ignores_the_rest(world: World) -> None:
    first, _, third = world.start(), world.start(), world.start()
    wanted = Filter("snapshot-id", (third, UNKNOWN, "no id at all", first))
    assert ids(describe(world, DescribeSnapshotsRequest(filters=(wanted,)))) == [first, third]


def test_every_filter_of_the_contract_is_known_and_no_other(world: World) -> None:
    for name in SNAPSHOT_FILTERS:
        describe(world, DescribeSnapshotsRequest(filters=(Filter(name, ("x",)),)))
    code, _, message = refusal(world, DescribeSnapshotsRequest(filters=(Filter("state", ("x",)),)))
    assert (code, message) == ("InvalidParameterValue", "The filter 'state' is invalid")


# --- paging -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_results", [4, 0, -1])
def test_CHOICE_67_too_small_a_page_is_refused(world: World, max_results: int) -> None:
    assert refusal(world, DescribeSnapshotsRequest(max_results=max_results)) == (
        "InvalidParameterValue",
        400,
        f"Value ( {max_results} ) for parameter maxResults is invalid. Expecting a value greater than 5.",
    )


def test_CHOICE_67_too_large_a_page_is_capped(world: World) -> None:
    snapshot_id = world.start()
    assert ids(describe(world, DescribeSnapshotsRequest(max_results=10**9))) == [snapshot_id]


# What an account does between two pages, and to which of its snapshots.
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["start", "delete", "recycle", "restore", "tag", "untag", "overwrite"]),
        st.integers(0, 30),
    ),
    max_size=5,
)
WANTED = {
    "everything": (),
    "of a size": (Filter("volume-size", ("1",)),),
    "with a tag": (Filter("tag:k", ("*",)),),
    "with a tag key": (Filter("tag-key", ("k",)),),
    "with a tag's value": (Filter("tag:k", ("1",)), Filter("status", ("completed",))),
    "named": None,
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kinds=st.lists(st.tuples(st.sampled_from([1, 2]), st.sampled_from(["", "1", "2"])), max_size=25),
    page_size=st.integers(5, 12),
    own=st.booleans(),
    wanted=st.sampled_from(sorted(WANTED)),
    happenings=st.lists(EVENTS, max_size=6),
)
def test_pages_show_everything_that_was_there_all_along_exactly_once(
    make_world: Callable[..., World],
    *,
    kinds: list[tuple[int, str]],
    page_size: int,
    own: bool,
    wanted: str,
    happenings: list[list[tuple[str, int]]],
) -> None:
    account = Account(make_world(quotas=Quotas(pending_snapshots_max=0)))
    started = [account.start(size, value) for size, value in kinds]
    filters = WANTED[wanted]
    if filters is None:
        filters = (Filter("snapshot-id", tuple(started[::2]) or (UNKNOWN,)),)
    request = DescribeSnapshotsRequest(
        max_results=page_size, filters=filters, owner_ids=("self",) if own else ()
    )

    def all_there() -> set[str]:
        whole = replace(request, max_results=None, next_token=None)
        return set(ids(describe(account.world, whole)))

    steady = all_there()
    ever = set(steady)
    seen: list[str] = []
    while True:
        answer = describe_snapshots(account.world.context, account.world.caller(), request)
        assert len(answer.snapshots) <= page_size
        seen += ids(answer.snapshots)
        if answer.next_token is None:
            break
        assert len(answer.snapshots) == page_size, "a page is full if there is more"
        request = replace(request, next_token=answer.next_token)
        for event, pick in happenings.pop() if happenings else []:
            account.let_happen(event, pick)
            now = all_there()
            steady &= now
            ever |= now
    assert len(seen) == len(set(seen))
    assert steady <= set(seen) <= ever


class Account:
    """An account that changes its mind."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._living: list[str] = []
        self._binned: list[str] = []

    def start(self, size: int, value: str) -> str:
        """Start a snapshot, with a tag if there is a value for it, and complete it."""
        tags = (Tag("k", value),) if value else ()
        snapshot_id = start(self.world, volume_size=size, tags=tags)
        self.world.complete(snapshot_id, count=0)
        self._living.append(snapshot_id)
        return snapshot_id

    def let_happen(self, event: str, pick: int) -> None:
        """Do one thing to one snapshot, if there is one to do it to."""
        metadata = self.world.metadata
        if event == "start":
            self.start(1, "1")
        elif event == "restore":
            if self._binned:
                restored = self._binned.pop(pick % len(self._binned))
                metadata.lifecycle.restore(ACCOUNT, SnapshotId(restored), now_ms=self.world.clock.now_ms())
                self._living.append(restored)
        elif self._living:
            chosen = SnapshotId(self._living[pick % len(self._living)])
            if event in {"tag", "overwrite"}:
                tags = {"k": "1" if event == "tag" else "2"}
                metadata.put_tags(ACCOUNT, [chosen], tags, tags_max=50)
            elif event == "untag":
                metadata.remove_tags(ACCOUNT, [chosen], [])
            else:
                self._living.remove(chosen)
                self._delete(chosen, bin_it=event == "recycle")

    def _delete(self, snapshot_id: SnapshotId, *, bin_it: bool) -> None:
        if not bin_it:
            self.world.delete(snapshot_id)
            return
        lifecycle = self.world.metadata.lifecycle
        lifecycle.change_rules(ACCOUNT, lambda _rules: KEEP_ALL)
        self.world.delete(snapshot_id)
        lifecycle.remove_rule(ACCOUNT, KEEP_ALL.rule_id)
        self._binned.append(snapshot_id)


KEEP_ALL = RetentionRule(
    account_id=ACCOUNT,
    rule_id="rule",
    description="",
    retention_days=1,
    resource_tags=(),
    exclude_resource_tags=(),
    tags={},
    created_ms=0,
)


def test_what_is_in_the_recycle_bin_is_in_no_answer(world: World) -> None:
    account = Account(world)
    kept, binned = account.start(1, "1"), account.start(1, "1")
    account.let_happen("recycle", 1)
    for wanted in ((), (Filter("tag:k", ("1",)),), (Filter("snapshot-id", (kept, binned)),)):
        assert ids(describe(world, DescribeSnapshotsRequest(filters=wanted))) == [kept]
    assert refusal(world, DescribeSnapshotsRequest(snapshot_ids=(binned,)))[0] == "InvalidSnapshot.NotFound"
    account.let_happen("restore", 0)
    assert ids(describe(world)) == [kept, binned]
    assert describe(world)[1].tags == (Tag("k", "1"),)


def five_and_a_token(world: World, **members: object) -> tuple[DescribeSnapshotsRequest, str]:
    for _ in range(6):
        world.start()
    request = replace(DescribeSnapshotsRequest(max_results=5), **members)  # type: ignore[arg-type]
    token = describe_snapshots(world.context, world.caller(), request).next_token
    assert token is not None
    return request, token


def test_the_size_of_a_page_may_change_on_the_way(world: World) -> None:
    _, token = five_and_a_token(world)
    assert len(describe(world, DescribeSnapshotsRequest(next_token=token))) == 1


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"owner_ids": ("self",)}, id="INFERRED-owner"),
        pytest.param({"restorable_by_user_ids": ("self",)}, id="INFERRED-restorer"),
        pytest.param({"filters": (Filter("status", ("pending",)),)}, id="INFERRED-filter"),
    ],
)
def test_a_token_belongs_to_its_request(world: World, change: dict[str, object]) -> None:
    request, token = five_and_a_token(world)
    other = replace(request, next_token=token, **change)  # type: ignore[arg-type]
    assert refusal(world, other) == (
        "InvalidPaginationToken",
        400,
        "The specified pagination token is not valid or is expired.",
    )


def test_a_token_belongs_to_its_account(world: World) -> None:
    request, token = five_and_a_token(world)
    with pytest.raises(Ec2Error, match="not valid or is expired"):
        describe_snapshots(world.context, world.caller(OTHER_ACCOUNT), replace(request, next_token=token))


@pytest.mark.parametrize("token", ["", "x", "01", "01" + "0" * 80, "\u00e9"])
def test_a_forged_token_is_refused(world: World, token: str) -> None:
    code, _, _ = refusal(world, DescribeSnapshotsRequest(next_token=token))
    assert code == "InvalidPaginationToken"


def test_a_token_expires(make_world: Callable[..., World]) -> None:
    clock = ManualClock()
    world = make_world(clock=clock)
    request, token = five_and_a_token(world)
    clock.advance(seconds=TINY.page_token_age_s)
    assert refusal(world, replace(request, next_token=token))[0] == "InvalidPaginationToken"


@pytest.mark.parametrize(
    ("method", "asked"),
    [
        pytest.param("visible_snapshots", EVERYTHING, id="all-that-is-visible"),
        pytest.param("snapshots", DescribeSnapshotsRequest(owner_ids=("self",)), id="own"),
    ],
)
def test_an_account_is_read_in_slices_and_no_further_than_the_page(
    make_world: Callable[..., World],
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    asked: DescribeSnapshotsRequest,
) -> None:
    world = make_world(quotas=Quotas(pending_snapshots_max=0))
    for _ in range(1001):
        world.start()
    limits: list[int] = []
    read = getattr(world.metadata, method)

    def counted(account_id: object, *, limit: int, **asked: object) -> object:
        limits.append(limit)
        return read(account_id, limit=limit, **asked)

    monkeypatch.setattr(world.metadata, method, counted)
    describe_snapshots(world.context, world.caller(), replace(asked, max_results=5))
    assert len(limits) == 1
    answer = describe_snapshots(world.context, world.caller(), asked)
    assert len(answer.snapshots) == 1000
    assert answer.next_token is not None
    assert max(limits) <= 1000


# --- dry run ----------------------------------------------------------------------------------------


def test_DOC_a_dry_run_says_yes_with_an_error(world: World) -> None:
    assert refusal(world, DescribeSnapshotsRequest(dry_run=True)) == (
        "DryRunOperation",
        412,
        "Request would have succeeded, but DryRun flag is set.",
    )


def test_a_dry_run_of_what_would_fail_fails(world: World) -> None:
    assert refusal(world, DescribeSnapshotsRequest(dry_run=True, max_results=1))[0] == "InvalidParameterValue"
    unknown = DescribeSnapshotsRequest(dry_run=True, snapshot_ids=(UNKNOWN,))
    assert refusal(world, unknown)[0] == "InvalidSnapshot.NotFound"


def test_a_page_of_long_tags_ends_early_and_the_walk_still_shows_everything(
    make_world: Callable[..., World],
) -> None:
    world = make_world(limits=replace(TINY, describe_text_chars_max=100))
    tags = (Tag("key", "v" * 60),)
    started = [
        start_snapshot(
            world.context, world.caller(), StartSnapshotRequest(volume_size=1, tags=tags)
        ).snapshot_id
        for _ in range(7)
    ]
    shown: list[Sequence[str]] = []
    token = None
    while not shown or token is not None:
        answer = describe_snapshots(world.context, world.caller(), DescribeSnapshotsRequest(next_token=token))
        shown.append(ids(answer.snapshots))
        token = answer.next_token
    assert [len(page) for page in shown] == [2, 2, 2, 1]
    assert [snapshot_id for page in shown for snapshot_id in page] == started


def test_more_text_than_one_answer_carries_is_not_even_read(make_world: Callable[..., World]) -> None:
    """Clients that name snapshots, waiters above all, look for no second page: half an answer would mislead them."""
    world = make_world(limits=replace(TINY, describe_named_text_chars_max=100))
    snapshot_ids = [start(world, tags=(Tag("k", "v" * 48),)) for _ in range(3)]
    assert len(describe(world, DescribeSnapshotsRequest(snapshot_ids=tuple(snapshot_ids[:2])))) == 2
    code, status, message = refusal(world, DescribeSnapshotsRequest(snapshot_ids=tuple(snapshot_ids)))
    assert (code, status) == ("InvalidParameterValue", 400)
    assert message.endswith("name fewer")
    assert len(describe(world)) == 3
