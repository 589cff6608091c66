"""Calls that small programs are made of, and what a client knows once each was answered.

Used by power_cut_scene.py. Every call says whether there was anything to do; one that failed can be made again, as
clients do.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, Self

from neve.domain.blocks import digest
from neve.domain.identities import SnapshotId
from neve.domain.snapshots import State
from neve.errors import SnapshotNotFound
from neve.limits import TINY
from neve.testing.time_and_chance import ManualClock
from neve.testing.world import ACCOUNT, World, aggregate_of


@dataclass(frozen=True, slots=True)
class Known:
    """What a client knows of one snapshot."""

    state: State
    blocks: Mapping[int, bytes] = field(default_factory=dict)
    written: frozenset[int] = frozenset()
    """Which of them it wrote, rather than inherited."""

    def with_block(self, index: int, content: bytes) -> Self:
        return replace(self, blocks={**self.blocks, index: content}, written=self.written | {index})


Knowledge = Mapping[str, Known]
"""By snapshot id."""


class Player:
    """One client at work."""

    def __init__(self, world: World, knowledge: Knowledge) -> None:
        self.world = world
        self.knowledge = dict(knowledge)
        self._contents = sum(len(known.written) for known in knowledge.values())
        self.is_again = False
        """The call is made because it failed before: that it was done then is no surprise."""

    def only(self, state: State) -> str | None:
        """Return the newest snapshot in a state."""
        return next((name for name, known in reversed(self.knowledge.items()) if known.state is state), None)

    def learn(self, snapshot_id: str, known: Known) -> None:
        self.knowledge[snapshot_id] = known

    @contextmanager
    def unless_done(self) -> Iterator[None]:
        """Take for done what cannot be done again."""
        try:
            yield
        except SnapshotNotFound:
            if not self.is_again:
                raise

    def new_content(self) -> bytes:
        self._contents += 1
        return content_of(self._contents)

    def put(self, snapshot_id: str, index: int, content: bytes) -> None:
        self.world.put(snapshot_id, index, content)
        self.learn(snapshot_id, self.knowledge[snapshot_id].with_block(index, content))


def content_of(number: int) -> bytes:
    """Return a block that compresses badly."""
    return digest(number.to_bytes(8)) * (TINY.block_bytes // 32)


_SHARED: Final = content_of(1000)
_DELETED: Final = 2
"""Number of the content that only the deleted snapshot of the scene has."""


# --- the calls programs are made of; each says whether there was anything to do


def start(player: Player) -> bool:
    player.learn(player.world.start(), Known(State.PENDING))
    return True


def start_child(player: Player) -> bool:
    parent = player.only(State.COMPLETED)
    if parent is None:
        return False
    child = player.world.start(parent=parent)
    player.learn(child, Known(State.PENDING, player.knowledge[parent].blocks))
    return True


def put(player: Player) -> bool:
    pending = player.only(State.PENDING)
    if pending is None:
        return False
    unwritten = next(i for i in range(0, 2048, 17) if i not in player.knowledge[pending].blocks)
    player.put(pending, unwritten, player.new_content())
    return True


def put_what_is_stored(player: Player) -> bool:
    """Put what only the deleted snapshot has: a deduplication hit for as long as it is not collected."""
    pending = player.only(State.PENDING)
    if pending is None:
        return False
    player.put(pending, 40, content_of(_DELETED))
    return True


def put_again(player: Player) -> bool:
    """Put other content in the place of a block that is there."""
    pending = player.only(State.PENDING)
    if pending is None or not player.knowledge[pending].written:
        return False
    player.put(pending, min(player.knowledge[pending].written), player.new_content())
    return True


def complete(player: Player) -> bool:
    pending = player.only(State.PENDING)
    if pending is None:
        return False
    known = player.knowledge[pending]
    written = {index: known.blocks[index] for index in known.written}
    state = player.world.complete(pending, count=len(written), aggregate=aggregate_of(written))
    assert state is State.COMPLETED
    player.learn(pending, replace(known, state=state))
    return True


def delete(player: Player) -> bool:
    return _delete(player, State.COMPLETED)


def delete_pending(player: Player) -> bool:
    return _delete(player, State.PENDING)


def _delete(player: Player, state: State) -> bool:
    snapshot_id = player.only(state)
    if snapshot_id is None:
        return False
    with player.unless_done():
        player.world.delete(snapshot_id)
    if state is State.COMPLETED:
        player.learn(snapshot_id, replace(player.knowledge[snapshot_id], state=State.DELETED))
    else:
        player.learn(snapshot_id, Known(State.DELETED))
    return True


def undelete(player: Player) -> bool:
    snapshot_id = next(
        (name for name, known in player.knowledge.items() if known.state is State.DELETED and known.blocks),
        None,
    )
    if snapshot_id is None:
        return False
    with player.unless_done():
        player.world.metadata.collection.undelete(
            ACCOUNT, SnapshotId(snapshot_id), now_ms=player.world.clock.now_ms()
        )
    player.learn(snapshot_id, replace(player.knowledge[snapshot_id], state=State.COMPLETED))
    return True


def archive(player: Player) -> bool:
    """Bring the archive up to everything that changed."""
    player.world.archiver.flush()
    return True


def collect(player: Player) -> bool:
    """Take away what nothing needs; what was deleted before cannot be undone any more."""
    _collect(player, undo_s=0)
    for snapshot_id, known in player.knowledge.items():
        if known.state is State.DELETED:
            player.learn(snapshot_id, Known(State.DELETED))
    return True


def collect_but_undo(player: Player) -> bool:
    """Take away what nothing needs and nobody may want back."""
    _collect(player, undo_s=3600)
    return True


def _collect(player: Player, *, undo_s: int) -> None:
    # What was deleted at this very moment would stay until the next collection.
    assert isinstance(player.world.clock, ManualClock)
    player.world.clock.advance(seconds=1)
    player.world.collect(undo_s=undo_s)


CALLS: Final[Mapping[str, Callable[[Player], bool]]] = MappingProxyType(
    {
        call.__name__: call
        for call in (
            start,
            start_child,
            put,
            put_what_is_stored,
            put_again,
            complete,
            delete,
            delete_pending,
            undelete,
            archive,
            collect,
            collect_but_undo,
        )
    }
)


def set_the_scene(world: World) -> Knowledge:
    """Leave one completed snapshot, a deleted one that shares a block with it, and a pending one."""
    player = Player(world, {})
    for indexes in ((0, 20), (1, 20)):
        snapshot_id = world.start()
        player.learn(snapshot_id, Known(State.PENDING))
        for index in indexes:
            player.put(snapshot_id, index, _SHARED if index == 20 else player.new_content())
        complete(player)
    delete(player)
    start(player)
    put(player)
    return player.knowledge
