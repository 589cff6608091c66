"""Group commit: what shares a batch, what each failure does to whom, and what never happens."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from neve.domain.blocks import BlockIndex, digest
from neve.domain.identities import SnapshotId
from neve.domain.snapshots import CompletionClaim, Snapshot
from neve.errors import (
    InvariantError,
    KeyProviderUnavailable,
    KmsError,
    NeveError,
    SegmentMissing,
    SnapshotNotFound,
    SnapshotSealed,
    StoreFull,
    StoreUnavailable,
    StoreUnusable,
)
from neve.limits import TINY
from neve.stores.metadata.contract import Batch, PublishResult
from neve.stores.metadata.placement import SegmentName
from neve.testing.memory_keys import MemoryKeys
from neve.testing.time_and_chance import SeededEntropy
from neve.testing.world import ACCOUNT, REGION, World

Step = Callable[..., Any]


def block(fill: int) -> bytes:
    return bytes([fill]) * TINY.block_bytes


def record_of(world: World, snapshot_id: str) -> Snapshot:
    return world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id))


def put(world: World, snapshot: Snapshot, index: int, content: bytes) -> None:
    domain = world.context.domains.by_key(snapshot.domain_key)
    world.committer.put_block(domain, snapshot, BlockIndex(index), content, digest(content))


class Gate:
    """Stops a store's method until it is opened, and notes that somebody is there."""

    def __init__(self, method: Step) -> None:
        self._method = method
        self.reached = Event()
        self.opened = Event()

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.reached.set()
        assert self.opened.wait(30)
        return self._method(*arguments, **named)


def test_what_arrives_during_a_flush_shares_the_next_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = record_of(world, world.start())
    batches: list[int] = []
    publish = world.metadata.publish

    def counted(batch: Batch, *, now_ms: int) -> PublishResult:
        batches.append(len(batch.blocks))
        return publish(batch, now_ms=now_ms)

    gate = Gate(counted)
    monkeypatch.setattr(world.metadata, "publish", gate)
    with ThreadPoolExecutor(16) as pool:
        first = pool.submit(put, world, snapshot, 0, block(1))
        assert gate.reached.wait(30)
        second = pool.submit(put, world, snapshot, 1, block(2))
        while world.committer._batches_taken < 2:
            Event().wait(0.001)
        rest = [pool.submit(put, world, snapshot, index, block(index + 1)) for index in range(2, 16)]
        while len(world.committer._waiting) < len(rest):
            Event().wait(0.001)
        gate.opened.set()
        for future in [first, second, *rest]:
            future.result(30)
    assert batches == [1, 1, 14], "one before the gate, one beside it, and all that waited together"
    assert world.metadata.block_count(snapshot.key) == 16


def test_of_two_writes_to_one_index_the_later_one_wins_though_its_bytes_were_durable_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot_id = world.start()
    snapshot = record_of(world, snapshot_id)
    gate = Gate(world.segments.write)
    write = world.segments.write
    monkeypatch.setattr(world.segments, "write", gate)
    with ThreadPoolExecutor(2) as pool:
        earlier: Future[None] = pool.submit(put, world, snapshot, 0, block(1))
        assert gate.reached.wait(30)
        monkeypatch.setattr(world.segments, "write", write)
        later: Future[None] = pool.submit(put, world, snapshot, 0, block(2))
        while world.segments.statistics().segments_written < 1:
            Event().wait(0.001)
        gate.opened.set()
        earlier.result(30)
        later.result(30)
    world.complete(snapshot_id, count=1)
    assert world.read(snapshot_id) == {0: block(2)}


@pytest.mark.parametrize(
    "error", [StoreFull("no room"), StoreUnavailable("timed out"), InvariantError("bug")]
)
@pytest.mark.parametrize("where", ["segments.write", "metadata.publish", "metadata.reserve_segments"])
def test_a_store_that_fails_acknowledges_nothing_and_the_next_put_works(
    world: World, monkeypatch: pytest.MonkeyPatch, where: str, error: NeveError
) -> None:
    snapshot = record_of(world, world.start())

    def failing(*_arguments: object, **_named: object) -> None:
        raise error

    store, method = where.split(".")
    with monkeypatch.context() as broken:
        broken.setattr(getattr(world, store), method, failing)
        with pytest.raises(type(error), match=str(error)):
            put(world, snapshot, 0, block(1))
    assert world.metadata.block_count(snapshot.key) == 0
    put(world, snapshot, 0, block(1))
    assert world.metadata.block_count(snapshot.key) == 1


def test_a_bug_in_a_flush_is_an_error_for_its_batch_and_not_the_end_of_the_flusher(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = record_of(world, world.start())
    for _ in range(3):
        with monkeypatch.context() as broken:
            broken.setattr(world.metadata, "publish", None)
            with pytest.raises(InvariantError, match="unexpectedly"):
                put(world, snapshot, 0, block(1))
    world.committer.check_alive()
    put(world, snapshot, 0, block(1))


def test_a_cancelled_reservation_fails_the_batch_and_a_new_name_is_taken(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = record_of(world, world.start())
    write = world.segments.write
    names: list[str] = []

    def cancelling(name: SegmentName, parts: Sequence[bytes | memoryview]) -> None:
        names.append(name)
        write(name, parts)
        world.metadata.cancel_reservations()

    with monkeypatch.context() as swept:
        swept.setattr(world.segments, "write", cancelling)
        with pytest.raises(StoreUnavailable, match="taken back"):
            put(world, snapshot, 0, block(1))
    assert world.metadata.block_count(snapshot.key) == 0
    put(world, snapshot, 0, block(1))
    assert world.metadata.block_count(snapshot.key) == 1


def test_a_hit_that_vanishes_before_the_transaction_is_stored_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = record_of(world, world.start())
    monkeypatch.setattr(world.metadata, "stored", lambda _domain_key, chunk_ids: set(chunk_ids))
    put(world, snapshot, 0, block(1))
    assert world.segments.statistics().segments_written == 1
    assert world.metadata.block_count(snapshot.key) == 1


# --- hits in an encrypted domain that has had several data keys


@pytest.fixture
def encrypted(make_world: Callable[..., World]) -> tuple[World, MemoryKeys, str]:
    """A world, its keys, and a completed snapshot of one block that the key before the newest sealed."""
    keys = MemoryKeys(region=REGION, entropy=SeededEntropy(5))
    world = make_world(keys=keys)
    arn = keys.make_key(ACCOUNT)
    snapshot_id = world.start(kms_key_arn=arn)
    world.put(snapshot_id, 0, block(1))
    world.complete(snapshot_id, count=1)
    keys.rotate(arn)
    (domain,) = [each for each in world.metadata.domains() if each.kms_key_arn]
    assert world.data_keys.renew(domain)
    return world, keys, snapshot_id


def lose_first_data_key(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    decrypt = world.keys.decrypt

    def without_the_first(arn: str, wrapping: bytes, context: Mapping[str, str]) -> bytes:
        if context["neve:generation"] == "1":
            raise KmsError("InvalidCiphertextException", "its material is gone")
        return decrypt(arn, wrapping, context)

    monkeypatch.setattr(world.keys, "decrypt", without_the_first)


def test_what_an_older_data_key_sealed_is_a_hit(encrypted: tuple[World, MemoryKeys, str]) -> None:
    world, _, first = encrypted
    written = world.segments.statistics().segments_written
    child = world.start(parent=first)
    world.put(child, 1, block(1))
    assert world.segments.statistics().segments_written == written
    world.complete(child, count=1)
    assert world.read(child) == {0: block(1), 1: block(1)}


def test_what_only_a_lost_data_key_opens_is_no_hit_and_storing_it_anew_heals_what_has_it(
    encrypted: tuple[World, MemoryKeys, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, _, first = encrypted
    lose_first_data_key(world, monkeypatch)
    with pytest.raises(StoreUnusable, match="generation 1"):
        world.read(first)
    child = world.start(parent=first)
    world.put(child, 1, block(1))
    world.complete(child, count=1)
    assert world.read(child) == {0: block(1), 1: block(1)}
    assert world.read(first) == {0: block(1)}


def test_a_hit_whose_key_cannot_be_asked_for_is_not_acknowledged(
    encrypted: tuple[World, MemoryKeys, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, keys, first = encrypted
    child = record_of(world, world.start(parent=first))
    domain = world.context.domains.with_content(world.context.domains.by_key(child.domain_key))
    keys.go_away()
    with pytest.raises(KeyProviderUnavailable):
        world.committer.put_block(domain, child, BlockIndex(1), block(1), digest(block(1)))
    assert world.metadata.block_count(child.key) == 0
    keys.come_back()
    world.put(child.snapshot_id, 1, block(1))
    assert world.metadata.block_count(child.key) == 1


def test_a_hit_whose_segment_is_lost_is_stored_anew(
    encrypted: tuple[World, MemoryKeys, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, _, first = encrypted
    child = world.start(parent=first)

    def lost(*_arguments: object) -> bytes:
        raise SegmentMissing("it is not there")

    with monkeypatch.context() as gone:
        gone.setattr(world.segments, "read", lost)
        world.put(child, 1, block(1))
    assert world.read(first) == {0: block(1)}


def test_a_member_whose_snapshot_is_gone_fails_alone(world: World) -> None:
    gone, sealed, good = (record_of(world, world.start()) for _ in range(3))
    world.delete(gone.snapshot_id)
    claim = CompletionClaim(changed_blocks_count=0, aggregate=None)
    world.metadata.accept_completion(ACCOUNT, sealed.snapshot_id, claim, now_ms=world.clock.now_ms())
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(put, world, each, 0, block(7)) for each in (gone, sealed, good)]
    assert [type(future.exception()) for future in futures] == [SnapshotNotFound, SnapshotSealed, type(None)]


def test_closing_commits_what_waits_and_refuses_what_comes(world: World) -> None:
    snapshot = record_of(world, world.start())
    put(world, snapshot, 0, block(1))
    world.committer.close()
    world.committer.close()
    with pytest.raises(StoreUnavailable):
        put(world, snapshot, 1, block(1))
    with pytest.raises(StoreUnavailable):
        world.committer.check_alive()


def test_statistics_tell_zeros_hits_and_bytes_apart(world: World) -> None:
    snapshot = record_of(world, world.start())
    put(world, snapshot, 0, bytes(TINY.block_bytes))
    put(world, snapshot, 1, block(1))
    put(world, snapshot, 2, block(1))
    counts = world.committer.statistics()
    assert (counts.blocks, counts.zero_blocks, counts.deduplicated) == (3, 1, 1)
    assert counts.plain_bytes == 3 * TINY.block_bytes
    assert 0 < counts.stored_bytes < TINY.block_bytes
