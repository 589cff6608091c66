"""ListSnapshotsInRecycleBin, RestoreSnapshotFromRecycleBin, and DeleteSnapshot into the bin: contract 9.11.

Ids begin with the row's evidence label.
"""

import pytest

from lifecycle_scene import (
    BLOCK,
    UNKNOWN,
    code,
    completed,
    delete,
    exists,
    failed,
    in_bin,
    let_pass,
    lock,
    lock_states,
    locks,
    restore,
    rule,
    share,
    unlock,
)
from neve.domain.identities import SnapshotId
from neve.domain.locks import DAY_MS
from neve.errors import ResourceNotFoundError
from neve.messages import ebs, ec2, rbin
from neve.messages.ec2_lifecycle import RestoreSnapshotFromRecycleBinResponse, SnapshotRecycleBinInfo
from neve.operations.ec2.create_tags import create_tags
from neve.operations.rbin.rules import delete_rule
from neve.testing.world import ACCOUNT, OTHER_ACCOUNT, World

NOT_FOUND = "InvalidSnapshot.NotFound"


def tag(world: World, snapshot_id: str, **tags: str) -> None:
    pairs = tuple(ebs.Tag(key, value) for key, value in tags.items())
    create_tags(world.context, world.caller(), ec2.CreateTagsRequest(resources=(snapshot_id,), tags=pairs))


def binned(world: World) -> list[str]:
    return [each.snapshot_id for each in in_bin(world).snapshots]


def asked_for(key: str, value: str | None = None) -> tuple[rbin.ResourceTag, ...]:
    return (rbin.ResourceTag(resource_tag_key=key, resource_tag_value=value),)


# --- which go there, and for how long


def test_DOC_without_a_rule_a_deleted_snapshot_is_gone(world: World) -> None:
    delete(world, completed(world))
    assert binned(world) == []


def test_DOC_with_a_rule_for_all_it_is_in_the_bin_for_as_long_as_the_rule_says(world: World) -> None:
    rule(world, days=7)
    snapshot_id, now_ms = completed(world), world.clock.now_ms()
    delete(world, snapshot_id)
    assert in_bin(world).snapshots == (
        SnapshotRecycleBinInfo(
            snapshot_id=snapshot_id,
            recycle_bin_enter_time_ms=now_ms,
            recycle_bin_exit_time_ms=now_ms + 7 * DAY_MS,
            description="",
            volume_id="vol-ffffffff",
        ),
    )


def test_DOC_a_rule_for_a_tag_is_for_snapshots_that_have_it_now(world: World) -> None:
    rule(world, resource_tags=asked_for("keep", "yes"))
    rule(world, resource_tags=asked_for("any"))
    names = {name: completed(world) for name in ("yes", "no", "any", "none")}
    tag(world, names["yes"], keep="yes")
    tag(world, names["no"], keep="no")
    tag(world, names["any"], any="thing")
    for snapshot_id in names.values():
        delete(world, snapshot_id)
    assert binned(world) == [names["yes"], names["any"]]


def test_DOC_a_rule_for_all_may_leave_some_out(world: World) -> None:
    rule(world, exclude_resource_tags=asked_for("scratch"))
    kept, scratch = completed(world), completed(world)
    tag(world, scratch, scratch="")
    for snapshot_id in (kept, scratch):
        delete(world, snapshot_id)
    assert binned(world) == [kept]


def test_DOC_of_several_rules_the_longest_counts_and_is_the_accounts_own(world: World) -> None:
    rule(world, days=3)
    rule(world, days=9)
    rule(world, days=20, account_id=OTHER_ACCOUNT)
    delete(world, completed(world))
    (shown,) = in_bin(world).snapshots
    assert shown.recycle_bin_exit_time_ms - shown.recycle_bin_enter_time_ms == 9 * DAY_MS


def test_INFERRED_only_what_is_complete_goes_there(world: World) -> None:
    rule(world)
    for snapshot_id in (world.start(), failed(world)):
        delete(world, snapshot_id)
    assert binned(world) == []


def test_DOC_what_becomes_of_a_rule_moves_nothing_that_is_in_the_bin(world: World) -> None:
    rule_id = rule(world, days=2)
    snapshot_id = completed(world)
    delete(world, snapshot_id)
    delete_rule(world.context, world.caller(), rbin.DeleteRuleRequest(identifier=rule_id))
    let_pass(world, days=1)
    assert binned(world) == [snapshot_id]
    let_pass(world, days=1)
    assert binned(world) == []


# --- in it


def test_DOC_in_the_bin_it_is_there_for_nobody(world: World) -> None:
    rule(world)
    snapshot_id = completed(world)
    share(world, snapshot_id, OTHER_ACCOUNT)
    delete(world, snapshot_id)
    with pytest.raises(ResourceNotFoundError):
        world.listed(snapshot_id)
    for call in (
        lambda: delete(world, snapshot_id),
        lambda: delete(world, snapshot_id, dry_run=True),
        lambda: lock(world, snapshot_id, days=1),
        lambda: unlock(world, snapshot_id),
        lambda: locks(world, snapshot_id),
        lambda: tag(world, snapshot_id, k="v"),
        lambda: share(world, snapshot_id, OTHER_ACCOUNT),
        lambda: in_bin(world, snapshot_id, account_id=OTHER_ACCOUNT),
        lambda: restore(world, snapshot_id, account_id=OTHER_ACCOUNT),
    ):
        assert code(call) == NOT_FOUND
    assert binned(world) == [snapshot_id]


def test_its_relatives_do_not_notice(world: World) -> None:
    rule(world, days=1)
    parent = completed(world)
    child = world.start(parent=parent)
    world.complete(child, count=0)
    delete(world, parent)
    assert world.read(child) == {0: BLOCK}
    let_pass(world, days=1)
    world.metadata.lifecycle.empty_bin(now_ms=world.clock.now_ms(), limit=10)
    assert world.read(child) == {0: BLOCK}


# --- out of it


def test_DOC_restored_it_is_as_it_was(world: World) -> None:
    rule(world)
    snapshot_id = completed(world)
    tag(world, snapshot_id, k="v")
    share(world, snapshot_id, OTHER_ACCOUNT)
    before = world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id))
    delete(world, snapshot_id)
    let_pass(world, days=1)
    assert code(lambda: restore(world, snapshot_id, dry_run=True)) == "DryRunOperation"
    assert restore(world, snapshot_id) == RestoreSnapshotFromRecycleBinResponse(
        snapshot_id=snapshot_id,
        description="",
        encrypted=False,
        owner_id=ACCOUNT,
        progress="100%",
        start_time_ms=before.started_ms,
        state="completed",
        volume_id="vol-ffffffff",
        volume_size=1,
    )
    assert world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id)) == before
    assert world.metadata.permissions(ACCOUNT, SnapshotId(snapshot_id)) == [OTHER_ACCOUNT]
    assert world.read(snapshot_id) == {0: BLOCK}
    assert code(lambda: restore(world, snapshot_id)) == NOT_FOUND
    delete(world, snapshot_id)
    assert binned(world) == [snapshot_id]


def test_INFERRED_a_lock_that_had_expired_is_still_shown_after_a_restoration(world: World) -> None:
    rule(world)
    snapshot_id = completed(world)
    lock(world, snapshot_id, days=1)
    let_pass(world, days=1)
    delete(world, snapshot_id)
    assert lock_states(world) == {}
    restore(world, snapshot_id)
    assert lock_states(world) == {snapshot_id: "expired"}


def test_INFERRED_its_time_over_it_is_gone_whether_or_not_the_bin_was_emptied(world: World) -> None:
    rule(world, days=1)
    snapshot_id = completed(world)
    delete(world, snapshot_id)
    let_pass(world, days=1)
    assert binned(world) == []
    for call in (
        lambda: restore(world, snapshot_id),
        lambda: restore(world, snapshot_id, dry_run=True),
        lambda: in_bin(world, snapshot_id),
    ):
        assert code(call) == NOT_FOUND
    assert not exists(world, snapshot_id)


@pytest.mark.parametrize(
    ("snapshot_id", "expected"),
    [
        pytest.param(UNKNOWN, NOT_FOUND, id="INFERRED-unknown"),
        pytest.param("snap-12345", "InvalidSnapshotID.Malformed", id="DOC-malformed"),
        pytest.param("vol-12345678", "InvalidParameterValue", id="LIVE-no-snapshot"),
    ],
)
def test_only_what_is_in_the_bin_comes_out(world: World, snapshot_id: str, expected: str) -> None:
    assert code(lambda: restore(world, snapshot_id)) == expected
    assert code(lambda: in_bin(world, snapshot_id)) == expected


def test_INFERRED_what_is_not_deleted_is_not_in_the_bin(world: World) -> None:
    snapshot_id = completed(world)
    assert code(lambda: restore(world, snapshot_id)) == NOT_FOUND
    assert code(lambda: in_bin(world, snapshot_id)) == NOT_FOUND


# --- listing


def test_ids_choose_and_pages_show_everything_once(world: World) -> None:
    rule(world)
    expected = [completed(world) for _ in range(12)]
    for snapshot_id in reversed(expected):
        delete(world, snapshot_id)
    chosen = in_bin(world, expected[3], expected[1], expected[3]).snapshots
    assert [each.snapshot_id for each in chosen] == [expected[1], expected[3]]
    found: list[str] = []
    answer = in_bin(world, max_results=5)
    while True:
        found += [each.snapshot_id for each in answer.snapshots]
        if answer.next_token is None:
            break
        answer = in_bin(world, max_results=5, next_token=answer.next_token)
    assert found == expected
    assert code(lambda: in_bin(world, expected[0], max_results=5)) == "InvalidParameterCombination"
    assert code(lambda: in_bin(world, max_results=4)) == "InvalidParameterValue"
    assert code(lambda: in_bin(world, next_token="00")) == "InvalidPaginationToken"
    assert code(lambda: in_bin(world, dry_run=True)) == "DryRunOperation"
