"""Copying in the background: cut off anywhere it goes on, deleted it ends, and it copies what was there when it began."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from copy_scene import ask, block, record, source, under_way
from neve.domain.blocks import BlockIndex
from neve.domain.identities import SnapshotId
from neve.domain.snapshots import State
from neve.errors import KeyProviderUnavailable, NeveError, StoreFull, StoreUnavailable
from neve.limits import TINY
from neve.storage.copying import Advance, Step
from neve.testing.memory_keys import MemoryKeys
from neve.testing.world import ACCOUNT, World

BLOCKS = {index: block(index % 7) for index in range(0, 2048, 90)}
NOT_ACCESSIBLE = "Given key ID is not accessible"
LOST = "Source snapshot cannot be read"


@pytest.fixture
def keys() -> MemoryKeys:
    return MemoryKeys()


@pytest.fixture
def world(make_world: Callable[..., World], keys: MemoryKeys) -> World:
    return make_world(keys=keys, key_state_age_s=0, data_key_age_s=0)


def begun(world: World, keys: MemoryKeys) -> tuple[str, str]:
    """Ask for a copy of a sealed snapshot under another key; return the source and the copy."""
    source_id = source(world, BLOCKS, kms_key_arn=keys.make_key(ACCOUNT))
    copy_id = ask(world, source_id, encrypted=True, kms_key_id=keys.make_key(ACCOUNT)).snapshot_id
    return source_id, copy_id


def advance(world: World, copy_id: str, times: int = 1) -> Advance:
    found = Advance(step=Step.GONE)
    for _ in range(times):
        found = world.copier.advance(under_way(world, copy_id))
    return found


def key_of(world: World, snapshot_id: str) -> str:
    return world.context.domains.by_key(record(world, snapshot_id).domain_key).kms_key_arn


@contextmanager
def failing(
    monkeypatch: pytest.MonkeyPatch, holder: Any, method: str, *, call: int, error: NeveError
) -> Iterator[None]:
    """Let one call of a method fail, the `call`-th."""
    work = getattr(holder, method)
    calls = iter(range(1, 10_000))

    def once(*arguments: Any, **named: Any) -> Any:
        if next(calls) == call:
            raise error
        return work(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(holder, method, once)
        yield


# --- step by step -----------------------------------------------------------------------------------


def test_each_call_is_one_step_and_writes_down_how_far_it_came(world: World, keys: MemoryKeys) -> None:
    source_id, copy_id = begun(world, keys)
    assert advance(world, copy_id) == Advance(step=Step.RESOLVED)
    found = under_way(world, copy_id)
    assert (found.source_block_count, found.next_index, found.copied_count) == (len(BLOCKS), 0, 0)
    copied = 0
    while advance(world, copy_id).step is Step.COPIED:
        copied = min(copied + TINY.copy_slice_blocks, len(BLOCKS))
        found = under_way(world, copy_id)
        assert (found.copied_count, found.next_index) == (copied, sorted(BLOCKS)[copied - 1] + 1)
        if copied == len(BLOCKS):
            break
    assert advance(world, copy_id) == Advance(step=Step.FINISHED)
    assert record(world, copy_id).state is State.SEALING
    world.seal()
    assert world.read(copy_id) == BLOCKS
    assert key_of(world, copy_id) != key_of(world, source_id)


def test_in_one_domain_no_data_is_read_and_none_written(
    world: World, keys: MemoryKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    source_id = source(world, BLOCKS)
    copy_id = ask(world, source_id).snapshot_id
    before = world.committer.statistics()
    with failing(monkeypatch, world.segments, "read", call=1, error=StoreUnavailable("nobody reads")):
        assert [advance(world, copy_id).step for _ in range(2)] == [Step.RESOLVED, Step.FINISHED]
    world.seal()
    after = world.committer.statistics()
    assert (after.blocks, after.stored_bytes) == (before.blocks, before.stored_bytes)
    assert record(world, copy_id).root == record(world, source_id).root
    assert world.read(copy_id) == BLOCKS


def test_blocks_of_zeros_stay_so_and_equal_blocks_are_written_once(world: World, keys: MemoryKeys) -> None:
    before = world.committer.statistics()
    _, copy_id = begun(world, keys)
    of_source = world.committer.statistics()
    world.copy_all()
    of_copy = world.committer.statistics()
    zeros = sum(content == block(0) for content in BLOCKS.values())
    assert of_copy.zero_blocks - of_source.zero_blocks == of_source.zero_blocks - before.zero_blocks == zeros
    contents = len(set(BLOCKS.values()) - {block(0)})
    rows = world.metadata.statistics().chunk_rows
    nodes = len(BLOCKS) and of_copy.nodes
    assert rows == 2 * contents + nodes
    assert world.read(copy_id) == BLOCKS


def test_the_copys_domain_shares_what_it_has_already(world: World, keys: MemoryKeys) -> None:
    """Whatever is in the target's domain is not stored a second time."""
    key = keys.make_key(ACCOUNT)
    source(world, BLOCKS, kms_key_arn=key)
    copy_id = ask(world, source(world, BLOCKS), encrypted=True, kms_key_id=key).snapshot_id
    before = world.committer.statistics()
    world.copy_all()
    assert world.committer.statistics().stored_bytes == before.stored_bytes
    assert world.read(copy_id) == BLOCKS


# --- the source meanwhile ---------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_source_may_be_deleted_once_it_is_known(world: World, keys: MemoryKeys, steps: int) -> None:
    source_id, copy_id = begun(world, keys)
    advance(world, copy_id, steps)
    world.delete(source_id)
    world.copy_all()
    assert world.read(copy_id) == BLOCKS


def test_a_source_that_was_deleted_before_is_not_found(world: World, keys: MemoryKeys) -> None:
    source_id, copy_id = begun(world, keys)
    world.delete(source_id)
    assert advance(world, copy_id) == Advance(step=Step.FAILED, message="Source snapshot is not found")


def test_a_source_that_is_deleted_just_as_it_is_looked_at_is_not_found(
    world: World, keys: MemoryKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    source_id, copy_id = begun(world, keys)
    encrypted = world.context.domains.encrypted

    def deleting(*arguments: Any) -> Any:
        world.delete(source_id)
        return encrypted(*arguments)

    monkeypatch.setattr(world.context.domains, "encrypted", deleting)
    assert advance(world, copy_id).message == "Source snapshot is not found"
    assert record(world, copy_id).state is State.ERROR


def test_the_source_is_as_it_was(world: World, keys: MemoryKeys) -> None:
    source_id, _ = begun(world, keys)
    before = record(world, source_id)
    world.copy_all()
    assert record(world, source_id) == before
    assert world.read(source_id) == BLOCKS


# --- deletion ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [0, 1, 2, 4])
def test_deleting_a_copy_ends_it(world: World, keys: MemoryKeys, steps: int) -> None:
    source_id, copy_id = begun(world, keys)
    advance(world, copy_id, steps)
    stale = under_way(world, copy_id)
    world.delete(copy_id)
    assert world.metadata.lifecycle.copies(after=None, limit=1) == []
    assert world.copier.advance(stale) == Advance(step=Step.GONE)
    assert [each.snapshot_id for each in world.metadata.snapshots(ACCOUNT, after=None, limit=9)] == [
        source_id
    ]
    assert world.metadata.blocks(stale.snapshot.key, after=None, limit=1) == []


def test_a_deletion_in_the_middle_of_a_slice_wins(
    world: World, keys: MemoryKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, copy_id = begun(world, keys)
    advance(world, copy_id)
    stale = under_way(world, copy_id)
    put_block = world.committer.put_block

    def deleting(*arguments: Any) -> None:
        put_block(*arguments)
        if record_exists(world, copy_id):
            world.delete(copy_id)

    monkeypatch.setattr(world.committer, "put_block", deleting)
    assert world.copier.advance(stale) == Advance(step=Step.GONE)


def record_exists(world: World, snapshot_id: str) -> bool:
    snapshots = world.metadata.snapshots(ACCOUNT, after=None, limit=9)
    return SnapshotId(snapshot_id) in {each.snapshot_id for each in snapshots}


def test_whoever_was_slower_changes_nothing(world: World, keys: MemoryKeys) -> None:
    """Two copiers at one copy: the second finds done what it would do, or does it again."""
    _, copy_id = begun(world, keys)
    fresh = under_way(world, copy_id)
    advance(world, copy_id)
    assert world.copier.advance(fresh).step is Step.RESOLVED
    resolved = under_way(world, copy_id)
    advance(world, copy_id, 2)
    assert world.copier.advance(resolved).step is Step.COPIED
    world.copy_all()
    assert world.read(copy_id) == BLOCKS
    assert world.copier.advance(resolved) == Advance(step=Step.GONE)
    assert world.copier.advance(replace(resolved, next_index=BlockIndex(4096))) == Advance(step=Step.GONE)


# --- cut off ----------------------------------------------------------------------------------------

PLACES = (
    "segments.write",
    "segments.read",
    "metadata.publish",
    "metadata.chunks",
    "metadata.visible_snapshot",
    "metadata.lifecycle.resolve_copy",
    "metadata.lifecycle.note_copied",
    "metadata.lifecycle.finish_copying",
)


@pytest.mark.parametrize("failing_call", [1, 2, 5])
@pytest.mark.parametrize("where", PLACES)
def test_a_copy_that_fails_anywhere_goes_on_from_there(
    world: World, keys: MemoryKeys, monkeypatch: pytest.MonkeyPatch, where: str, failing_call: int
) -> None:
    source_id, copy_id = begun(world, keys)
    holder: Any = world
    *path, method = where.split(".")
    for name in path:
        holder = getattr(holder, name)
    failed = False
    with failing(monkeypatch, holder, method, call=failing_call, error=StoreFull("this once")):
        while not failed and record(world, copy_id).state is State.PENDING:
            try:
                advance(world, copy_id)
            except StoreFull:
                failed = True
    assert failed or failing_call > 1, "the first call of each is made"
    world.restart()
    world.copy_all()
    assert world.read(copy_id) == world.read(source_id) == BLOCKS


def test_one_that_is_interrupted_stays_where_it_is_and_goes_on_after_the_next_start(
    world: World, keys: MemoryKeys
) -> None:
    _, copy_id = begun(world, keys)
    advance(world, copy_id, 3)
    before = under_way(world, copy_id)
    world.copier.interrupt()
    with pytest.raises(StoreUnavailable):
        advance(world, copy_id)
    assert under_way(world, copy_id) == before
    world.restart()
    world.copy_all()
    assert world.read(copy_id) == BLOCKS


def test_what_was_written_down_is_not_copied_again(world: World, keys: MemoryKeys) -> None:
    _, copy_id = begun(world, keys)
    advance(world, copy_id, 3)
    copied = under_way(world, copy_id).copied_count
    world.restart()
    world.copy_all()
    assert world.committer.statistics().blocks == len(BLOCKS) - copied


# --- keys and damage --------------------------------------------------------------------------------

PASSING: dict[str, tuple[Callable[[MemoryKeys, str], None], Callable[[MemoryKeys, str], None]]] = {
    "disabled": (MemoryKeys.disable, MemoryKeys.enable),
    "pending deletion": (MemoryKeys.schedule_deletion, MemoryKeys.enable),
    "kept from us": (MemoryKeys.deny, MemoryKeys.allow),
    "out of reach": (lambda keys, _: keys.go_away(), lambda keys, _: keys.come_back()),
}


@pytest.mark.parametrize("steps", [0, 1, 3])
@pytest.mark.parametrize("whose", ["source's", "copy's"])
@pytest.mark.parametrize("state", sorted(PASSING))
def test_a_key_that_may_come_back_is_waited_for(
    world: World, keys: MemoryKeys, state: str, whose: str, steps: int
) -> None:
    source_id, copy_id = begun(world, keys)
    target = under_way(world, copy_id).kms_key
    advance(world, copy_id, steps)
    take_away, give_back = PASSING[state]
    arn = key_of(world, source_id) if whose == "source's" else target
    take_away(keys, arn)
    outcome = None
    try:
        outcome = advance(world, copy_id, 2)  # resolving needs the copy's key only
    except StoreUnavailable as error:
        assert isinstance(error, KeyProviderUnavailable) or arn in str(error)  # noqa: PT017 - as it comes
    assert outcome is None
    assert record(world, copy_id).state is State.PENDING
    give_back(keys, arn)
    world.copy_all()
    assert world.read(copy_id) == BLOCKS


@pytest.mark.parametrize("steps", [0, 1, 3])
@pytest.mark.parametrize("whose", ["source's", "copy's"])
def test_a_key_that_is_gone_for_good_is_the_end(
    world: World, keys: MemoryKeys, whose: str, steps: int
) -> None:
    source_id, copy_id = begun(world, keys)
    target = under_way(world, copy_id).kms_key
    advance(world, copy_id, steps)
    keys.remove(key_of(world, source_id) if whose == "source's" else target)
    world.copy_all()
    found = record(world, copy_id)
    assert (found.state, found.state_message) == (State.ERROR, NOT_ACCESSIBLE)
    assert world.metadata.blocks(found.key, after=None, limit=1) == []


def test_a_block_that_is_lost_is_the_end_and_the_operator_is_told_which(
    world: World, keys: MemoryKeys
) -> None:
    source_id, copy_id = begun(world, keys)
    advance(world, copy_id)
    chunk_id = world.metadata.blocks(record(world, source_id).key, after=BlockIndex(1799), limit=1)[0]
    domain_key = record(world, source_id).domain_key
    (chunk,) = world.metadata.chunks(domain_key, [chunk_id.chunk_id]).values()
    world.segments.damage(chunk.segment, chunk.offset, bytes(8))  # type: ignore[attr-defined]
    found = Advance(step=Step.COPIED)
    while found.step is Step.COPIED:
        found = advance(world, copy_id)
    assert (found.step, found.message) == (Step.FAILED, LOST)
    assert found.error.startswith("ChunkDamaged: ")
    assert record(world, copy_id).state_message == LOST
    assert [each.chunk_id for each, _ in world.damage] == [chunk.chunk_id]
