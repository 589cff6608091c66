"""What snapshots cost, as operators ask for it: begun, asked after, stopped, and told row by row."""

from collections.abc import Callable
from typing import Any

import pytest

from copy_scene import block, source
from fix_administration import Office, administration_of
from neve.domain.identities import SnapshotId
from neve.errors import ChunkDamaged, StoreError
from neve.server.administration import task_desk as desk
from neve.server.administration.messages import AdministrationRefused, RefusedBecause
from neve.server.administration.messages_tasks import (
    ReckonFreed,
    ReckonUsage,
    ShowTask,
    StopTask,
    TaskView,
)
from neve.server.administration.messages_usage import FreedView, UsageRow
from neve.server.administration.service import Administration
from neve.testing.world import ACCOUNT, OTHER_ACCOUNT, World
from usage_scene import KEEP_ALL

UNKNOWN = "snap-0fedcba9876543210"


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()


@pytest.fixture
def administration(world: World) -> Any:
    """The administration of a world."""
    administration = administration_of(world)
    yield administration
    administration.close()


def finished(administration: Administration, request: Any) -> TaskView:
    """Begin a reckoning and ask after it until it is done."""
    task_id = administration.ask(request).task_id
    while True:
        view = administration.ask(ShowTask(task_id=task_id))
        if not view.running:
            return view


def usage(administration: Administration, **members: Any) -> list[UsageRow]:
    rows = finished(administration, ReckonUsage(**members)).rows
    return [row for row in rows if isinstance(row, UsageRow)]


def freed(administration: Administration, *snapshot_ids: str) -> FreedView:
    found = finished(administration, ReckonFreed(snapshot_ids=list(snapshot_ids))).outcome
    assert isinstance(found, FreedView)
    return found


# --- what is told


def test_every_account_has_a_row_and_one_that_is_named_only_its_own(
    world: World, administration: Administration
) -> None:
    source(world, {0: block(1), 1: block(2), 9: block(0)})
    first, second = usage(administration)
    assert (first.account_id, first.about, first.snapshots) == (ACCOUNT, "account", 1)
    assert first.logical_bytes == 3 * world.limits.block_bytes
    assert (second.account_id, second.snapshots, second.unique_bytes) == (OTHER_ACCOUNT, 0, 0)
    assert usage(administration, account_id=OTHER_ACCOUNT) == [second]


def test_a_tag_tells_snapshots_apart_in_the_bin_as_well(world: World, administration: Administration) -> None:
    tagged, binned, plain = (source(world, {0: block(fill)}) for fill in (1, 2, 3))
    for snapshot_id, team in ((tagged, "web"), (binned, "")):
        world.metadata.put_tags(ACCOUNT, [SnapshotId(snapshot_id)], {"team": team}, tags_max=50)
    world.metadata.lifecycle.change_rules(ACCOUNT, lambda _: KEEP_ALL)
    world.delete(binned)
    rows = usage(administration, account_id=ACCOUNT, tag_key="team", by_snapshot=True)
    assert [(row.about, row.tag_value, row.snapshots) for row in rows[:4]] == [
        ("account", None, 3),
        ("tag", "", 1),
        ("tag", "web", 1),
        ("tag", None, 1),
    ]
    assert [(row.snapshot_id, row.state) for row in rows[4:]] == [
        (tagged, "completed"),
        (binned, "recycled"),
        (plain, "completed"),
    ]


def test_what_is_being_written_counts_with_what_it_will_be(
    world: World, administration: Administration
) -> None:
    parent = source(world, {0: block(1), 20: block(2)})
    child = world.start(parent=parent)
    world.put(child, 20, block(5))
    world.put(child, 300, block(6))
    *_, row = usage(administration, account_id=ACCOUNT, by_snapshot=True)
    assert (row.snapshot_id, row.state) == (child, "pending")
    assert row.logical_bytes == 3 * world.limits.block_bytes


def test_more_rows_than_one_answer_holds_come_in_several(
    world: World, administration: Administration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "_ROWS_MAX", 2)
    names = [source(world, {0: block(fill)}) for fill in range(1, 4)]
    view = finished(administration, ReckonUsage(account_id=ACCOUNT, by_snapshot=True))
    assert (view.rows_kept, view.rows_found, len(view.rows)) == (4, 4, 2)
    ask = ShowTask(task_id=view.task_id, first_row=2)
    rows: list[Any] = [*view.rows, *administration.ask(ask).rows]
    assert [row.snapshot_id for row in rows] == ["", *names]


# --- what deleting would do


def test_what_would_go_stay_or_wait_in_the_bin_is_told_apart(
    world: World, administration: Administration
) -> None:
    rule, lock_of = KEEP_ALL, world.metadata.lifecycle
    completed = source(world, {0: block(1)})
    pending = world.start()
    world.put(pending, 0, block(2))
    at_once = freed(administration, completed, pending, pending)
    assert [(row.snapshot_id, row.outcome) for row in at_once.snapshots] == [
        (completed, "deleted"),
        (pending, "deleted"),
    ]
    lock_of.change_rules(ACCOUNT, lambda _: rule)
    later = freed(administration, completed, pending)
    assert [row.outcome for row in later.snapshots] == ["recycled", "deleted"]
    assert later.snapshots[0].until is not None
    assert later.freed_bytes + later.freed_from_bin_bytes == at_once.freed_bytes
    assert 0 < later.freed_bytes < at_once.freed_bytes


def test_a_snapshot_that_is_not_there_is_named(world: World, administration: Administration) -> None:
    known = source(world, {0: block(1)})
    for request, why in (
        (ReckonFreed(snapshot_ids=[known, UNKNOWN]), RefusedBecause.NOT_FOUND),
        (ReckonFreed(snapshot_ids=[]), RefusedBecause.INVALID),
        (ReckonFreed(snapshot_ids=[known] * 1_001), RefusedBecause.INVALID),
        (ReckonUsage(account_id="000000000000"), RefusedBecause.NOT_FOUND),
        (ReckonUsage(tag_key=""), RefusedBecause.INVALID),
        (ShowTask(task_id="00"), RefusedBecause.NOT_FOUND),
    ):
        with pytest.raises(AdministrationRefused) as caught:
            finished(administration, request)
        assert caught.value.why is why


def test_a_block_map_that_cannot_be_read_gives_no_number(
    world: World, administration: Administration, monkeypatch: pytest.MonkeyPatch
) -> None:
    source(world, {0: block(1)})

    def broken(*_: Any) -> Any:
        raise ChunkDamaged("not what it was")

    monkeypatch.setattr(world.context.chunks, "nodes", broken)
    with pytest.raises(StoreError, match="not what it was"):
        usage(administration)


def test_stopping_by_message_is_welcome_twice(office: Office) -> None:
    begun = office.administration.ask(ReckonUsage())
    for _ in range(2):
        office.administration.ask(StopTask(task_id=begun.task_id))
