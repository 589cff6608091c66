"""What deleting would free is what it frees: the bytes that live, counted one by one before and after."""

from collections.abc import Callable

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from neve.storage.usage import Grouping
from neve.testing.memory_keys import MemoryKeys
from neve.testing.world import ACCOUNT, World
from usage_scene import Filled, Mark, Step, programs, reckoner, unwatched

often = settings(
    max_examples=2 * (settings.default or settings()).max_examples,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
_picks = st.lists(st.integers(min_value=0, max_value=1_000), min_size=1, max_size=6)


@often
@given(program=programs, sets=st.lists(_picks, min_size=1, max_size=4))
def test_a_set_of_snapshots_frees_what_was_foretold(
    make_world: Callable[..., World], program: list[Step], sets: list[list[int]]
) -> None:
    """Every set is looked at; the last one is deleted."""
    keys = MemoryKeys()
    with make_world(keys=keys) as world:
        Filled(world, keys).run(program)
        there = world.metadata.snapshots(ACCOUNT, after=None, limit=1_000)
        before = Mark(world)
        for picks in sets:
            chosen = {each.key: each for each in (there[pick % len(there)] for pick in picks if there)}
            foretold = reckoner(world).freed_bytes(chosen.keys(), unwatched)
            event(f"frees something: {foretold > 0}")
            assert foretold == before.unique_bytes(chosen.keys())
        for snapshot in chosen.values():
            world.delete(snapshot.snapshot_id)
        assert foretold == before.live_bytes() - Mark(world).live_bytes()


@often
@given(program=programs, groups=st.lists(st.sampled_from(["", "web", "db", "none"]), min_size=1))
def test_accounts_groups_and_snapshots_cost_what_nobody_else_needs(
    make_world: Callable[..., World], program: list[Step], groups: list[str]
) -> None:
    keys = MemoryKeys()
    with make_world(keys=keys) as world:
        Filled(world, keys).run(program)
        mark = Mark(world)
        own = sorted(
            key for key, account_id in mark.owner.items() if account_id == ACCOUNT and _lives(world, key)
        )
        group_of = {
            key: groups[number % len(groups)]
            for number, key in enumerate(own)
            if groups[number % len(groups)] != "none"
        }
        cost = reckoner(world).account_cost(ACCOUNT, Grouping(group_of=group_of, by_snapshot=True), unwatched)
        assert cost.total.snapshot_count == len(own)
        assert cost.total.unique_bytes == mark.unique_bytes(own)
        assert [each.unique_bytes for each in cost.by_snapshot] == [mark.unique_bytes([key]) for key in own]
        assert sum(each.logical_bytes for each in cost.by_snapshot) == cost.total.logical_bytes
        members = {group: [key for key in own if group_of.get(key) == group] for group in cost.by_group}
        assert sum(map(len, members.values())) == len(own)
        for group, found in cost.by_group.items():
            assert found.snapshot_count == len(members[group])
            assert found.unique_bytes == mark.unique_bytes(members[group])


def _lives(world: World, key: int) -> bool:
    return any(need.key == key for need in reckoner(world).living(lambda _: True))
