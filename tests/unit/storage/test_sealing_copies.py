"""Completing a copy: as many blocks as its source has, whether they were copied or were there already."""

from collections.abc import Callable

import pytest

from copy_scene import ask, block, record, source
from neve.domain.snapshots import CompletionClaim, State
from neve.limits import TINY
from neve.testing.memory_keys import MemoryKeys
from neve.testing.world import ACCOUNT, World

BLOCKS = {0: block(1), 1: bytes(TINY.block_bytes), 300: block(1), 2047: block(2)}
"""Among them a block of zeros, which is written and counts, and one that is there twice."""


@pytest.mark.parametrize("is_sealed", [False, True])
def test_a_copy_has_as_many_blocks_as_its_source(make_world: Callable[..., World], is_sealed: bool) -> None:
    keys = MemoryKeys()
    world = make_world(keys=keys)
    source_id = source(world, BLOCKS)
    key = keys.make_key(ACCOUNT) if is_sealed else None
    copy_id = ask(world, source_id, encrypted=is_sealed, kms_key_id=key).snapshot_id
    world.copy_all()
    claimed = record(world, copy_id).claim
    assert claimed == CompletionClaim(changed_blocks_count=len(BLOCKS) * is_sealed, aggregate=None)
    world.seal()
    copied, copied_from = record(world, copy_id), record(world, source_id)
    assert (copied.state, copied.block_count) == (State.COMPLETED, copied_from.block_count)
    assert copied.block_count == len(BLOCKS)
    assert (copied.root == copied_from.root) is not is_sealed
    assert world.read(copy_id) == BLOCKS


@pytest.mark.parametrize("is_sealed", [False, True])
def test_a_child_of_a_copy_counts_what_it_adds(make_world: Callable[..., World], is_sealed: bool) -> None:
    keys = MemoryKeys()
    world = make_world(keys=keys)
    key = keys.make_key(ACCOUNT) if is_sealed else None
    copy_id = ask(world, source(world, BLOCKS), encrypted=is_sealed, kms_key_id=key).snapshot_id
    world.copy_all()
    world.seal()
    child_id = world.start(parent=copy_id)
    for index in (1, 2):
        world.put(child_id, index, block(3))
    world.complete(child_id, count=2)
    world.seal()
    child = record(world, child_id)
    assert (child.block_count, child.lineage_id) == (len(BLOCKS) + 1, copy_id)
    assert world.read(child_id) == {**BLOCKS, 1: block(3), 2: block(3)}
