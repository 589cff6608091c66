"""The clock is set forward and back at random, by an hour, a day and ten years: what was acknowledged is there once it is
right again, and nothing that lives has gone.

Clients and the background work of a server go on meanwhile. What the clock may do is what `docs/operations.md` says:
ahead for less than an hour at a time, behind for as long as it likes; a server is not restarted while it is behind, and
nothing is deleted then. Snapshots that nobody writes to are ended by the right time, and by no other.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

import lifecycle_scene
from fix_logs import Journal
from fix_scoreboard import Figure
from fix_world import FolderStores, MemoryStores
from neve.domain.identities import SnapshotId
from neve.domain.snapshots import State
from neve.errors import RequestError, SnapshotNotFound, StoreError
from neve.server.background import Rhythm, SealingQueue, works
from neve.server.ripening import Ripening
from neve.testing.time_and_chance import ManualClock
from neve.testing.world import ACCOUNT, Stores, World

HOUR_S = 3600
DAY_S = 24 * HOUR_S
STEPS_S = [HOUR_S, DAY_S, 10 * 365 * DAY_S]
TIMEOUT_MINUTES = 30
KEPT_DAYS = 2
"""In the bin, or for an undo where there is none."""
ACTS_IN_A_PROGRAM = 150
LOOK_S = 900
"""How often the server of a program looks at its clock. A real one does so every few seconds."""


@dataclass
class Made:
    """A snapshot, as those who made it remember it."""

    snapshot_id: str
    last_write_s: float
    """By the clock that nobody can set."""
    blocks: dict[int, bytes] = field(default_factory=dict)
    completed: bool = False
    deleted_s: float | None = None

    def is_over(self, now_s: float) -> bool:
        """Say whether nobody wrote to it for its Timeout."""
        return now_s >= self.last_write_s + TIMEOUT_MINUTES * 60


class Program:
    """One world and its clock. `right` is what the clock says when it is right."""

    def __init__(self, world: World, journal: Journal, chance: Random, *, has_bin: bool) -> None:
        assert isinstance(world.clock, ManualClock)
        self.world, self.clock = world, world.clock
        self._journal = journal
        self._chance = chance
        self._offset_s = (self.clock.now_ms() - round(self.clock.monotonic_s() * 1000)) / 1000
        self._ahead_since_s: float | None = None
        self.made: list[Made] = []
        self.acknowledged = self.jumps = self.dropped = 0
        self.lost: list[str] = []
        self.trashed: list[str] = []
        self._has_bin = has_bin
        if has_bin:
            lifecycle_scene.rule(world, days=KEPT_DAYS)
        self._begin_working()

    def _begin_working(self) -> None:
        self._ripening = Ripening(self.clock)
        self._works = works(
            metadata=self.world.metadata,
            sealing=SealingQueue(self.world.metadata, self.world.sealer, self.clock, self._journal.report),
            clock=self.clock,
            ripening=self._ripening,
            report=self._journal.report,
            rhythm=Rhythm(expire_interval_s=15, reap_interval_s=600, client_token_age_s=DAY_S),
        )

    @property
    def _wrong_s(self) -> float:
        return (self.clock.now_ms() - round(self.clock.monotonic_s() * 1000)) / 1000 - self._offset_s

    def run(self) -> None:
        """Do as chance has it, then put the clock right, and look."""
        acts = [
            *(self._start, self._put, self._complete, self._delete),
            *(self._wait, self._wait_long, self._jump, self._restart, self._collect),
        ]
        weights = [4, 16, 2, 1, 4, 1, 3, 1, 2]
        for _ in range(ACTS_IN_A_PROGRAM):
            (act,) = self._chance.choices(acts, weights)
            act()
            self._work()
        self._put_right()
        self._work()
        for each in self.made:
            self._look_at(each)

    # --- clients

    def _start(self) -> None:
        snapshot_id = self.world.start(timeout=TIMEOUT_MINUTES)
        self.made.append(Made(snapshot_id, self.clock.monotonic_s()))

    def _pick(self, wanted: Callable[[Made], bool]) -> Made | None:
        return self._chance.choice([each for each in self.made if wanted(each)] or [None])

    def _put(self) -> None:
        now_s = self.clock.monotonic_s()
        with_the_late = self._chance.random() < 0.1
        found = self._pick(lambda each: not each.completed and (with_the_late or not each.is_over(now_s)))
        if found is None:
            return
        index, content = self._chance.randrange(4), bytes([self._chance.randrange(1, 5)]) * 64
        try:
            self.world.put(found.snapshot_id, index, content)
        except RequestError:
            if self._wrong_s == 0 and not found.is_over(self.clock.monotonic_s()):
                self.lost.append(found.snapshot_id)
            return
        found.blocks[index] = content
        found.last_write_s = self.clock.monotonic_s()
        self.acknowledged += 1

    def _complete(self) -> None:
        found = self._pick(lambda each: not each.completed)
        if found is not None:
            ended = self.world.complete(found.snapshot_id, count=len(found.blocks))
            found.completed = ended is State.COMPLETED

    def _delete(self) -> None:
        found = self._pick(lambda each: each.completed and each.deleted_s is None)
        if found is not None and self._wrong_s >= 0:
            lifecycle_scene.delete(self.world, found.snapshot_id)
            found.deleted_s = self.clock.monotonic_s()

    # --- time

    def _wait(self) -> None:
        self._let_pass(self._chance.choice([1, 60, 300, 600]))

    def _wait_long(self) -> None:
        self._let_pass(self._chance.choice([HOUR_S, DAY_S]))

    def _let_pass(self, seconds: float) -> None:
        """Let time pass as a server sees it that looks every few minutes; ahead it is for less than an hour."""
        while seconds > 0:
            if self._ahead_since_s is not None:
                left_s = self._ahead_since_s + HOUR_S - 1 - self.clock.monotonic_s()
                if left_s <= 0:
                    self._put_right()
                    continue
                passed_s = min(seconds, left_s, LOOK_S)
            else:
                passed_s = min(seconds, LOOK_S)
            self.clock.advance(seconds=passed_s)
            self._work()
            seconds -= passed_s

    def _jump(self) -> None:
        self.jumps += 1
        self.clock.step(seconds=self._chance.choice([-1, 1]) * self._chance.choice(STEPS_S))
        if self._chance.random() < 0.3:
            self._put_right()
        if self._wrong_s <= 0:
            self._ahead_since_s = None
        elif self._ahead_since_s is None:
            self._ahead_since_s = self.clock.monotonic_s()
        self._work()
        if self._chance.random() < 0.5:
            self._start()  # whose whole life so far is by the wrong clock
            self._put()

    def _put_right(self) -> None:
        self.clock.step(seconds=-self._wrong_s)
        self._ahead_since_s = None
        self._work()

    # --- the server

    def _restart(self) -> None:
        if self._wrong_s >= 0:
            self.world.restart()
            self._begin_working()

    def _collect(self) -> None:
        collector = self.world.collector(
            undo_s=KEPT_DAYS * DAY_S, keep_s=HOUR_S, past_ms=self._ripening.past_ms
        )
        self.dropped += collector.collect().chunks_dropped

    def _work(self) -> None:
        for work in self._works:
            while work.do_slice():
                pass

    # --- looking

    def _bring_back(self, each: Made) -> None:
        if self._has_bin:
            lifecycle_scene.restore(self.world, each.snapshot_id)
        else:
            now_ms = self.clock.now_ms()
            self.world.metadata.collection.undelete(ACCOUNT, SnapshotId(each.snapshot_id), now_ms=now_ms)

    def _look_at(self, each: Made) -> None:
        now_s = self.clock.monotonic_s()
        if each.deleted_s is not None:
            if now_s >= each.deleted_s + KEPT_DAYS * DAY_S:
                return  # gone, as was asked
            try:
                self._bring_back(each)
            except (RequestError, SnapshotNotFound):
                self.trashed.append(each.snapshot_id)
                return
        elif not each.completed:
            if each.is_over(now_s):
                return  # timed out, as it should
            if self.world.complete(each.snapshot_id, count=len(each.blocks)) is not State.COMPLETED:
                self.lost.append(each.snapshot_id)
                return
        try:
            if self.world.read(each.snapshot_id) != each.blocks:
                self.lost.append(each.snapshot_id)
        except (RequestError, StoreError):
            record = self.world.metadata.snapshot(ACCOUNT, SnapshotId(each.snapshot_id))
            self.lost.append(f"{each.snapshot_id} ({record.state})")


def stores(kind: str, path: Path) -> Stores:
    if kind == "memory":
        return MemoryStores()
    path.mkdir()
    return FolderStores(path)


@pytest.mark.row(13)
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["memory", "folder"])
def test_nothing_is_lost_by_a_clock_that_jumps(
    kind: str, tmp_path: Path, journal: Journal, full_size: bool, figure: Figure
) -> None:
    journal.announce("clock set forward")
    programs = {("memory", True): 2000, ("memory", False): 8, ("folder", True): 300, ("folder", False): 2}[
        kind, full_size
    ]
    acknowledged = jumps = dropped = 0
    for seed in range(programs):
        with ExitStack() as closing:
            world = closing.enter_context(World(stores(kind, tmp_path / str(seed)), clock=ManualClock()))
            program = Program(world, journal, Random(seed), has_bin=seed % 2 == 0)
            program.run()
            assert (program.lost, program.trashed) == ([], []), f"seed {seed}"
            acknowledged += program.acknowledged
            jumps += program.jumps
            dropped += program.dropped
    assert acknowledged > 0 < jumps
    assert dropped > 0, "collections that take nothing prove nothing"
    figure(
        f"{kind}: lost 0 of {acknowledged:,} acknowledged, trashed 0, in {programs:,} programs with {jumps:,} jumps; "
        f"{dropped:,} chunks collected meanwhile"
    )
