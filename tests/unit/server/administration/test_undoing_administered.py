"""Deletions, as operators take them back: listed until when, undone whole, and refused with the reason."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from copy_scene import block, source
from fix_administration import administration_of
from neve.domain.identities import SnapshotId
from neve.server.administration import undoing
from neve.server.administration.messages import AdministrationRefused, RefusedBecause
from neve.server.administration.messages_tasks import ReckonFreed, ShowTask
from neve.server.administration.messages_upkeep import DeletionView, ListDeletions, UndeleteSnapshot
from neve.server.administration.messages_usage import FreedView
from neve.server.administration.service import Administration
from neve.testing.world import ACCOUNT, OTHER_ACCOUNT, World
from usage_scene import KEEP_ALL

UNDO_S = 600


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()


@pytest.fixture
def administration(world: World) -> Iterator[Administration]:
    administration = administration_of(world, deletion_undo_s=UNDO_S)
    yield administration
    administration.close()


def listed(administration: Administration, account_id: str | None = None) -> list[DeletionView]:
    return administration.ask(ListDeletions(account_id=account_id)).deletions


def test_what_is_deleted_is_listed_with_its_time_and_comes_back_as_it_was(
    world: World, administration: Administration
) -> None:
    snapshot_id = source(world, {0: block(1), 9: block(2)})
    world.metadata.put_tags(ACCOUNT, [SnapshotId(snapshot_id)], {"team": "web"}, tags_max=50)
    before = world.listed(snapshot_id).keys()
    assert listed(administration) == []
    world.delete(snapshot_id)
    (deletion,) = listed(administration)
    assert (deletion.snapshot_id, deletion.account_id) == (snapshot_id, ACCOUNT)
    assert deletion.until - deletion.deleted == timedelta(seconds=UNDO_S)
    assert listed(administration, OTHER_ACCOUNT) == []
    back = administration.ask(UndeleteSnapshot(snapshot_id=snapshot_id))
    assert (back.account_id, back.tags) == (ACCOUNT, {"team": "web"})
    assert world.listed(snapshot_id).keys() == before
    assert listed(administration) == []


def test_more_than_one_answer_holds_come_page_by_page(
    world: World, administration: Administration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undoing, "_PAGE", 2)
    names = [source(world, {0: block(fill)}) for fill in range(1, 6)]
    for name in names:
        world.delete(name)
    found: list[str] = []
    after = 0
    while True:
        page = administration.ask(ListDeletions(after=after))
        found += [each.snapshot_id for each in page.deletions]
        after = page.after
        if not after:
            break
    assert found == names


def test_what_cannot_come_back_says_why(world: World, administration: Administration) -> None:
    living = source(world, {0: block(1)})
    binned = source(world, {0: block(2)})
    pending = world.start()
    world.delete(pending)
    world.metadata.lifecycle.change_rules(ACCOUNT, lambda _: KEEP_ALL)
    world.delete(binned)
    for snapshot_id, why, sentence in (
        (living, RefusedBecause.CONFLICT, "not deleted"),
        (binned, RefusedBecause.CONFLICT, "neve bin restore"),
        (pending, RefusedBecause.NOT_FOUND, "never completed"),
        ("snap-0fedcba9876543210", RefusedBecause.NOT_FOUND, "can be undone"),
        ("\N{SNOWMAN}" * 100, RefusedBecause.NOT_FOUND, "can be undone"),
    ):
        with pytest.raises(AdministrationRefused, match=sentence) as caught:
            administration.ask(UndeleteSnapshot(snapshot_id=snapshot_id))
        assert caught.value.why is why


def test_a_dry_run_says_until_when_a_deletion_could_be_undone(
    world: World, administration: Administration
) -> None:
    completed, pending = source(world, {0: block(1)}), world.start()
    task_id = administration.ask(ReckonFreed(snapshot_ids=[completed, pending])).task_id
    while (view := administration.ask(ShowTask(task_id=task_id))).running:
        pass
    assert isinstance(view.outcome, FreedView)
    at, never = (row.until for row in view.outcome.snapshots)
    assert at is not None
    assert at.timestamp() * 1_000 == (world.clock.now_ms() // 1_000 + UNDO_S) * 1_000
    assert never is None
