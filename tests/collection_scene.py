"""What tests of collection are made of: what is stored and what is needed, and stores that somebody comes between."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from typing import Any, cast

from copy_scene import ask
from neve.domain.blocks import digest
from neve.domain.identities import SnapshotId
from neve.domain.snapshots import CompletionClaim, SnapshotKey, State
from neve.errors import StoreUnavailable
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.contract_collection import SegmentState, SegmentUse
from neve.stores.metadata.placement import SegmentName
from neve.stores.segments.contract import SegmentStore
from neve.testing.memory_keys import MemoryKeys
from neve.testing.time_and_chance import ManualClock
from neve.testing.world import ACCOUNT, Stores, World
from usage_scene import Filled, Mark, Name

ALL = 100_000


def stored(world: World) -> set[Name]:
    """Return every chunk that has a row."""
    return {
        (domain.key, entry.chunk_id)
        for domain in world.metadata.domains()
        for entry in world.metadata.collection.chunk_entries(domain.key, after=None, limit=ALL)
    }


def needed(world: World) -> set[Name]:
    """Return every chunk that something leads to, by a mark too simple to be wrong. No deletion can be undone."""
    assert deletions(world) == []
    return set().union(*Mark(world).needed_by.values())


def deletions(world: World) -> list[SnapshotId]:
    """Return the snapshots whose deletion can be undone."""
    return [each.snapshot_id for each in world.metadata.collection.deletions(None, after=None, limit=ALL)]


def undelete(world: World, snapshot_id: str) -> None:
    """Bring a deleted snapshot back."""
    world.metadata.collection.undelete(ACCOUNT, SnapshotId(snapshot_id), now_ms=world.clock.now_ms())


def uses(world: World) -> Mapping[SegmentName, SegmentUse]:
    """Return every live and condemned segment."""
    found = world.metadata.collection.segments(after=None, limit=ALL)
    return {use.name: use for use in found}


def objects(world: World) -> set[SegmentName]:
    """Return every object that is there."""
    return set(world.segments.names(after=None, limit=ALL))


def keys_of(world: World) -> Mapping[str, SnapshotKey]:
    """Return the keys of the account's snapshots."""
    return {each.snapshot_id: each.key for each in world.metadata.snapshots(ACCOUNT, after=None, limit=ALL)}


def images(world: World) -> dict[str, dict[int, bytes]]:
    """Return every completed snapshot with all its blocks."""
    return {
        each.snapshot_id: world.read(each.snapshot_id)
        for each in world.metadata.snapshots(ACCOUNT, after=None, limit=ALL)
        if each.state is State.COMPLETED
    }


def pass_time(world: World) -> None:
    """Let a moment pass, so that what was over is over."""
    cast(Any, world.clock).advance(seconds=1)


def nothing_leaks(world: World) -> None:
    """Collect in peace, and hold what is stored to what is needed: two passes for rows, one more for the last bytes."""
    for _ in range(2):
        pass_time(world)
        world.collect()
    assert stored(world) == needed(world)
    pass_time(world)
    world.collect()
    assert {use.state for use in uses(world).values()} <= {SegmentState.LIVE}
    assert objects(world) == uses(world).keys()
    assert stored(world) == needed(world)


class Between:
    """Comes between a collector and its stores: `on_call` is asked before each call, `on_return` after it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.calls = 0
        self.on_call: Callable[[int, str], None] = lambda _number, _name: None
        self.on_return: Callable[[int, str], None] = lambda _number, _name: None

    @property
    def metadata(self) -> MetadataStore:
        return cast(MetadataStore, _Watched(self._world.metadata, self, "metadata"))

    @property
    def segments(self) -> SegmentStore:
        return cast(SegmentStore, _Watched(self._world.segments, self, "segments"))

    def collect(self, **options: Any) -> Any:
        """Collect through this."""
        collector = self._world.collector(metadata=self.metadata, segments=self.segments, **options)
        return collector.collect()

    def fail_at(self, number: int, *, after: bool) -> None:
        """Let one call fail: before it does anything, or after it did everything, and the answer is lost."""

        def fail(call: int, name: str) -> None:
            if call == number:
                raise StoreUnavailable(f"call {number}, {name}, failed for the test")

        if after:
            self.on_return = fail
        else:
            self.on_call = fail

    def do_at(self, number: int, act: Callable[[], object]) -> None:
        """Let somebody do something just before one call."""

        def maybe(call: int, _name: str) -> None:
            if call == number:
                act()

        self.on_call = maybe


class _Watched:
    """An object all of whose methods go by way of somebody."""

    def __init__(self, watched: Any, by: Between, name: str) -> None:
        self._watched, self._by, self._name = watched, by, name

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._watched, name)
        full_name = f"{self._name}.{name}"
        if not inspect.ismethod(found):
            return _Watched(found, self._by, full_name)

        def call(*args: Any, **options: Any) -> Any:
            self._by.calls += 1
            number = self._by.calls
            self._by.on_call(number, full_name)
            answer = found(*args, **options)
            self._by.on_return(number, full_name)
            return answer

        return call


# --- a store with everything in it that a collection meets


def block(fill: int) -> bytes:
    """Return a block that no other fill has, and that does not compress."""
    return digest(b"%d" % fill) + digest(b"other half of %d" % fill)


class Household:
    """A world in which something of everything lives, and something of everything was deleted."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.arn = cast(MemoryKeys, world.keys).make_key(ACCOUNT)
        self.parent = self._snapshot(range(20))
        self.child = self._snapshot([3, 300], parent=self.parent, fill=100)
        self.encrypted = self._snapshot([0, 1, 17], kms_key_arn=self.arn)
        self.grandchild = world.start(parent=self.child)
        """Pending."""
        self._put(self.grandchild, [5, 40], 200)
        self.copied = self._snapshot([7, 8], fill=300)
        self.copy = ask(world, self.copied, encrypted=True, kms_key_id=self.arn).snapshot_id
        """Under way, of a source that is deleted."""
        for under_way in world.metadata.lifecycle.copies(after=None, limit=10):
            world.copier.advance(under_way)
        self.lonely = self._snapshot(range(40, 50), fill=400)
        self.kept = self._snapshot([1, 2], fill=500)
        """To be deleted while a collection runs, or not."""
        self.sealing = world.start(parent=self.kept)
        self._put(self.sealing, [2, 9], 600)
        [sealing] = [
            each
            for each in world.metadata.snapshots(ACCOUNT, after=None, limit=ALL)
            if each.snapshot_id == self.sealing
        ]
        Filled.half_seal(world, sealing, CompletionClaim(changed_blocks_count=2, aggregate=None))
        world.archiver.flush()
        pass_time(world)
        for gone in (self.parent, self.lonely, self.copied):
            world.delete(gone)
        pass_time(world)
        self.images = images(world)
        """Of completed snapshots: they must stay so."""
        self.lonely_image = {index: block(400 + index) for index in range(40, 50)}
        self.kept_image = self.images[self.kept]
        self.to_complete = {self.grandchild: {5: block(205), 40: block(240)}}
        """Blocks written to snapshots that are pending."""
        self.bases = {self.grandchild: self.images[self.child]}
        """What pending snapshots started with."""

    def _snapshot(
        self,
        indexes: Iterable[int],
        *,
        parent: str | None = None,
        kms_key_arn: str | None = None,
        fill: int = 0,
    ) -> str:
        snapshot_id = self.world.start(parent=parent, kms_key_arn=kms_key_arn)
        count = self._put(snapshot_id, indexes, fill)
        assert self.world.complete(snapshot_id, count=count) is State.COMPLETED
        return snapshot_id

    def _put(self, snapshot_id: str, indexes: Iterable[int], fill: int) -> int:
        wanted = list(indexes)
        for index in wanted:
            self.world.put(snapshot_id, index, block(fill + index))
        return len(wanted)

    def twin(self, stores: Stores) -> "Household":
        """Return this household over stores that are a copy of its own."""
        twin = copy(self)
        clock = ManualClock(self.world.clock.now_ms())
        twin.world = World(stores, keys=self.world.keys, clock=clock, archive=self.world.archive)
        twin.images, twin.to_complete, twin.bases = (
            dict(self.images),
            dict(self.to_complete),
            dict(self.bases),
        )
        return twin

    def everything_is_right(self) -> None:
        """Start again, so that nothing is remembered; finish what is under way; read all of it."""
        self.world.restart()
        self.everything_is_as_it_was_read()
        self.world.copy_all()
        self.images[self.copy] = {index: block(300 + index) for index in (7, 8)}
        self.images[self.sealing] = {**self.kept_image, 2: block(602), 9: block(609)}
        for pending, blocks in self.to_complete.items():
            assert self.world.complete(pending, count=len(blocks)) is State.COMPLETED
            self.images[pending] = {**self.bases.get(pending, {}), **blocks}
        self.everything_is_as_it_was_read()

    def everything_is_as_it_was_read(self) -> None:
        """Start again, and read what is completed."""
        self.world.restart()
        found = images(self.world)
        assert {name: found[name] for name in self.images} == self.images
        assert self.world.damage == []

    def child_is_gone(self) -> None:
        """Expect no child any more, and its own child completed."""
        blocks = self.to_complete.pop(self.grandchild)
        self.images[self.grandchild] = {**self.images.pop(self.child), **blocks}
