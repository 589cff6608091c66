"""ListSnapshotBlocks, ListChangedBlocks, GetSnapshotBlock: contract sections 6 and 7, row by row."""

from collections.abc import Callable, Iterable
from functools import partial

import pytest

from neve.errors import RequestError
from neve.limits import TINY
from neve.messages.ebs import (
    GetSnapshotBlockRequest,
    ListChangedBlocksRequest,
    ListChangedBlocksResponse,
    ListSnapshotBlocksRequest,
    ListSnapshotBlocksResponse,
)
from neve.operations.ebs.get_snapshot_block import get_snapshot_block
from neve.operations.ebs.list_changed_blocks import list_changed_blocks
from neve.operations.ebs.list_snapshot_blocks import list_snapshot_blocks
from neve.testing.time_and_chance import ManualClock
from neve.testing.world import OTHER_ACCOUNT, World

UNKNOWN = "snap-0123456789abcdef0"


def block(fill: int) -> bytes:
    return bytes([fill]) * TINY.block_bytes


def snapshot_of(world: World, blocks: dict[int, int], *, parent: str | None = None) -> str:
    snapshot_id = world.start(parent=parent)
    for index, fill in blocks.items():
        world.put(snapshot_id, index, block(fill))
    world.complete(snapshot_id, count=len(blocks))
    return snapshot_id


def listed(world: World, snapshot_id: str, **members: object) -> ListSnapshotBlocksResponse:
    request = ListSnapshotBlocksRequest(snapshot_id=snapshot_id, **members)  # type: ignore[arg-type]
    return list_snapshot_blocks(world.context, world.caller(), request)


def changed(world: World, first: str | None, second: str, **members: object) -> ListChangedBlocksResponse:
    request = ListChangedBlocksRequest(
        first_snapshot_id=first,
        second_snapshot_id=second,
        **members,  # type: ignore[arg-type]
    )
    return list_changed_blocks(world.context, world.caller(), request)


def got(world: World, snapshot_id: str, index: int, token: str) -> bytes:
    request = GetSnapshotBlockRequest(snapshot_id=snapshot_id, block_index=index, block_token=token)
    return get_snapshot_block(world.context, world.caller(), request).block_data


def refusal(call: Callable[[], object]) -> tuple[int, str | None, str]:
    with pytest.raises(RequestError) as caught:
        call()
    return caught.value.status, getattr(caught.value, "reason", None), caught.value.message


# --- 6.1, 6.3: listing ---------------------------------------------------------------------------------


def test_LIVE_the_resolved_image_is_listed_own_and_inherited(world: World) -> None:
    root = snapshot_of(world, {0: 1, 1000: 1, 2047: 1})
    child = snapshot_of(world, {**dict.fromkeys(range(101), 2), 1000: 2}, parent=root)
    assert list(world.listed(child)) == [*range(101), 1000, 2047]


def test_LIVE_every_page_carries_sizes_and_expiry(make_world: Callable[..., World]) -> None:
    clock = ManualClock()
    world = make_world(clock=clock)
    snapshot_id = snapshot_of(world, dict.fromkeys(range(150), 1))
    page = listed(world, snapshot_id, max_results=100)
    assert (page.block_size, page.volume_size) == (TINY.block_bytes, 1)
    assert page.expiry_time_ms == clock.now_ms() + 7 * 24 * 3600 * 1000
    last = listed(world, snapshot_id, max_results=100, next_token=page.next_token)
    assert (last.block_size, last.volume_size, len(last.blocks), last.next_token) == (64, 1, 50, None)


def test_DOC_a_full_last_page_has_no_token(world: World) -> None:
    snapshot_id = snapshot_of(world, dict.fromkeys(range(100), 1))
    assert listed(world, snapshot_id, max_results=100).next_token is None


@pytest.mark.parametrize(
    ("start", "first"),
    [
        pytest.param(10, 10, id="LIVE-inclusive"),
        pytest.param(11, 20, id="LIVE-next-present"),
        pytest.param(21, None, id="LIVE-past-the-end"),
        pytest.param(2**31 - 1, None, id="LIVE-far-past-the-end"),
    ],
)
def test_a_starting_index(world: World, start: int, first: int | None) -> None:
    page = listed(world, snapshot_of(world, {10: 1, 20: 1}), starting_block_index=start)
    assert (page.blocks[0].block_index if page.blocks else None) == first
    assert page.next_token is None


def test_DOC_LIVE_a_page_token_beats_the_starting_index_and_may_be_replayed(world: World) -> None:
    snapshot_id = snapshot_of(world, dict.fromkeys(range(300), 1))
    token = listed(world, snapshot_id, max_results=100).next_token
    for _ in range(2):
        page = listed(world, snapshot_id, max_results=150, next_token=token, starting_block_index=5)
        assert [b.block_index for b in page.blocks] == list(range(100, 250))


def bad_page_tokens(world: World, snapshot_id: str, relative: str) -> Iterable[str]:
    yield "ABC"
    yield changed(world, relative, snapshot_id, max_results=100).next_token or ""
    yield listed(world, relative, max_results=100).next_token or ""
    yield (listed(world, snapshot_id, max_results=100).next_token or "")[:-1] + "g"


def test_LIVE_LIVE2_a_page_token_forged_or_from_elsewhere_is_invalid(world: World) -> None:
    relative = snapshot_of(world, dict.fromkeys(range(200), 1))
    snapshot_id = snapshot_of(world, dict.fromkeys(range(200), 2), parent=relative)
    for token in bad_page_tokens(world, snapshot_id, relative):
        assert token
        assert refusal(partial(listed, world, snapshot_id, next_token=token)) == (
            400, "INVALID_PAGE_TOKEN", f"The pagination token {token} is invalid.",
        )  # fmt: skip


def test_INFERRED_a_page_token_expires_after_an_hour(make_world: Callable[..., World]) -> None:
    clock = ManualClock()
    world = make_world(clock=clock)
    snapshot_id = snapshot_of(world, dict.fromkeys(range(200), 1))
    token = listed(world, snapshot_id, max_results=100).next_token
    clock.advance(minutes=59.9)
    listed(world, snapshot_id, next_token=token)
    clock.advance(minutes=0.1)
    assert refusal(lambda: listed(world, snapshot_id, next_token=token))[1] == "INVALID_PAGE_TOKEN"


def pending(world: World) -> str:
    return world.start()


def failed(world: World) -> str:
    snapshot_id = world.start()
    world.complete(snapshot_id, count=1)
    return snapshot_id


def deleted(world: World) -> str:
    snapshot_id = snapshot_of(world, {0: 1})
    world.delete(snapshot_id)
    return snapshot_id


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(pending, id="LIVE-pending"),
        pytest.param(failed, id="LIVE-error"),
        pytest.param(deleted, id="LIVE-deleted"),
        pytest.param(lambda _: UNKNOWN, id="LIVE-unknown"),
    ],
)
def test_a_snapshot_that_does_not_exist_for_readers(world: World, make: Callable[[World], str]) -> None:
    snapshot_id, readable = make(world), snapshot_of(world, {})
    missing = (404, "SNAPSHOT_NOT_FOUND", f"The snapshot '{snapshot_id}' does not exist.")
    assert refusal(lambda: listed(world, snapshot_id)) == missing
    assert refusal(lambda: got(world, snapshot_id, 0, "forged")) == missing
    for first, second in ((snapshot_id, readable), (readable, snapshot_id)):
        assert refusal(partial(changed, world, first, second)) == (
            404, "SNAPSHOT_NOT_FOUND", f"The snapshot '{first}' or '{second}' does not exist.",
        )  # fmt: skip


def test_LIVE_another_accounts_snapshot_answers_exactly_like_a_missing_one(world: World) -> None:
    mine = snapshot_of(world, {0: 1})
    token = world.listed(mine)[0]
    stranger = world.caller(OTHER_ACCOUNT)
    request = GetSnapshotBlockRequest(snapshot_id=mine, block_index=0, block_token=token)
    for call in (
        lambda: get_snapshot_block(world.context, stranger, request),
        lambda: list_snapshot_blocks(world.context, stranger, ListSnapshotBlocksRequest(snapshot_id=mine)),
    ):
        assert refusal(call) == (404, "SNAPSHOT_NOT_FOUND", f"The snapshot '{mine}' does not exist.")


# --- 6.4: changed blocks -------------------------------------------------------------------------------


def test_DOC_LIVE_each_side_has_a_token_where_it_has_a_block(world: World) -> None:
    parent = snapshot_of(world, {0: 1, 1: 1, 2: 1})
    child = snapshot_of(world, {1: 2, 5: 3}, parent=parent)
    assert {
        index: (
            None if first is None else got(world, parent, index, first),
            None if second is None else got(world, child, index, second),
        )
        for index, (first, second) in world.changed(parent, child).items()
    } == {1: (block(1), block(2)), 5: (None, block(3))}
    assert world.changed(child, parent).keys() == {1, 5}, "either order"


def test_ours_a_block_rewritten_with_equal_bytes_is_not_listed(world: World) -> None:
    """The live service lists rewrites (LIVE): docs/differences.md."""
    parent = snapshot_of(world, {0: 1})
    child = snapshot_of(world, {0: 1}, parent=parent)
    assert world.changed(parent, child) == {}


def test_DOC_LIVE_siblings_and_grandparents_are_related_whoever_was_deleted(world: World) -> None:
    root = snapshot_of(world, {0: 1})
    one = snapshot_of(world, {0: 2}, parent=root)
    two = snapshot_of(world, {0: 3}, parent=root)
    grandchild = snapshot_of(world, {1: 4}, parent=one)
    assert world.changed(root, grandchild).keys() == {0, 1}
    world.delete(root)
    world.delete(one)
    assert world.changed(two, grandchild).keys() == {0, 1}


def test_LIVE_snapshots_without_a_common_ancestor_are_unrelated(world: World) -> None:
    one, two = snapshot_of(world, {}), snapshot_of(world, {})
    assert refusal(lambda: changed(world, one, two)) == (
        400, "UNRELATED_SNAPSHOTS", f"The snapshot {one} and {two} are not related.",
    )  # fmt: skip


def test_LIVE_the_first_snapshot_is_mandatory_in_reality(world: World) -> None:
    assert refusal(lambda: changed(world, None, snapshot_of(world, {}))) == (
        400, "INVALID_SNAPSHOT_ID", "First snapshot should not be empty or null",
    )  # fmt: skip


def test_ours_a_snapshot_against_itself_is_one_empty_page_with_its_members_filled(world: World) -> None:
    snapshot_id = snapshot_of(world, {0: 1})
    page = changed(world, snapshot_id, snapshot_id)
    assert (page.changed_blocks, page.next_token) == ((), None)
    assert (page.block_size, page.volume_size) == (TINY.block_bytes, 1)


def test_INFERRED_a_larger_childs_volume_size_is_reported(world: World) -> None:
    parent = snapshot_of(world, {0: 1})
    child = world.start(parent=parent, volume_gib=2)
    world.put(child, 3000, block(1))
    world.complete(child, count=1)
    page = changed(world, parent, child)
    assert page.volume_size == 2
    assert [(b.block_index, b.first_block_token) for b in page.changed_blocks] == [(3000, None)]


# --- 7: reading ------------------------------------------------------------------------------------------


def test_LIVE_tokens_of_both_lists_read_the_same_block(world: World) -> None:
    parent = snapshot_of(world, {0: 1})
    child = snapshot_of(world, {0: 2}, parent=parent)
    _, second = world.changed(parent, child)[0]
    assert second is not None
    assert got(world, child, 0, second) == got(world, child, 0, world.listed(child)[0]) == block(2)


def test_LIVE_every_list_mints_other_tokens_and_earlier_ones_stay_good(world: World) -> None:
    snapshot_id = snapshot_of(world, {0: 1})
    first, second = world.listed(snapshot_id)[0], world.listed(snapshot_id)[0]
    assert first != second
    assert got(world, snapshot_id, 0, first) == got(world, snapshot_id, 0, second)


def test_LIVE_a_token_is_bound_to_snapshot_and_index(world: World) -> None:
    parent = snapshot_of(world, {0: 1, 1: 1})
    child = snapshot_of(world, {}, parent=parent)
    token = world.listed(parent)[0]
    for snapshot_id, index, bad in [
        (parent, 1, token),
        (child, 0, token),
        (parent, 7, token),
        (parent, 2**31 - 1, token),
        (parent, 0, "garbage"),
    ]:
        assert refusal(partial(got, world, snapshot_id, index, bad)) == (
            400, "INVALID_BLOCK_TOKEN", f"The block token {bad} is invalid.",
        )  # fmt: skip


def test_INFERRED_a_block_token_expires_after_seven_days(make_world: Callable[..., World]) -> None:
    clock = ManualClock()
    world = make_world(clock=clock)
    snapshot_id = snapshot_of(world, {0: 1})
    token = world.listed(snapshot_id)[0]
    clock.advance(minutes=7 * 24 * 60 - 1)
    assert got(world, snapshot_id, 0, token) == block(1)
    clock.advance(minutes=1)
    assert refusal(lambda: got(world, snapshot_id, 0, token))[1] == "INVALID_BLOCK_TOKEN"
