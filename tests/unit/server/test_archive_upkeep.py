"""Changes are brought into the archive round after round, and it is said when that falls behind."""

from collections.abc import Callable

import pytest

from fix_logs import Journal
from neve.domain.identities import Account, AccountId
from neve.errors import StoreUnavailable
from neve.events import ArchiveBehind, ArchiveCaughtUp
from neve.server.archive_upkeep import ArchiveUpkeep
from neve.testing.memory_archive import MemoryArchiveStore
from neve.testing.time_and_chance import ManualClock
from neve.testing.world import World

INTERVAL_S = 5


class Scene:
    def __init__(self, make_world: Callable[..., World], journal: Journal) -> None:
        self.archive = MemoryArchiveStore()
        self.clock = ManualClock()
        self.world = make_world(archive=self.archive, clock=self.clock)
        self.upkeep = ArchiveUpkeep(
            archiver=self.world.archiver, interval_s=INTERVAL_S, clock=self.clock, report=journal.report
        )
        self._accounts = 0

    def change(self) -> None:
        self._accounts += 1
        account = Account(account_id=AccountId(f"{self._accounts:012}"), name="", created_ms=0)
        self.world.metadata.create_account(account)

    def fail_for(self, seconds: float) -> None:
        """Have rounds that fail until so much time has passed."""
        self.archive.fail(StoreUnavailable("no"))
        until_s = self.clock.monotonic_s() + seconds
        while True:
            with pytest.raises(StoreUnavailable):
                self.upkeep.do_slice()
            if self.clock.monotonic_s() >= until_s:
                break
            self.clock.advance(seconds=INTERVAL_S)
        self.archive.fail(None)


@pytest.fixture
def scene(make_world: Callable[..., World], journal: Journal) -> Scene:
    return Scene(make_world, journal)


def test_a_slice_brings_what_changed_and_says_how_much(scene: Scene, journal: Journal) -> None:
    assert scene.upkeep.do_slice() > 0
    assert scene.upkeep.do_slice() == 0
    scene.change()
    assert scene.upkeep.do_slice() == 1
    assert scene.upkeep.do_slice() == 0
    assert journal.events == []


def test_the_work_is_done_once_in_an_interval(scene: Scene) -> None:
    work = scene.upkeep.work()
    assert (work.name, work.pause_s) == ("archive", INTERVAL_S)
    assert work.do_slice() > 0


def test_a_failure_that_passes_soon_is_nobodys_trouble(scene: Scene, journal: Journal) -> None:
    for _ in range(3):
        scene.change()
        scene.fail_for(45)
        while scene.upkeep.do_slice():
            pass
    assert journal.events == []


def test_falling_behind_is_said_ever_more_rarely_and_so_is_that_it_is_over(
    scene: Scene, journal: Journal
) -> None:
    journal.announce("archive behind")
    scene.fail_for(600)
    assert journal.events == [ArchiveBehind(behind_s=behind_s) for behind_s in (65, 130, 260, 520)]
    while scene.upkeep.do_slice():
        pass
    assert journal.events[-1] == ArchiveCaughtUp(behind_s=600)
    assert scene.upkeep.do_slice() == 0
    assert len(journal.events) == 5


def test_changes_that_come_faster_than_they_are_brought_are_falling_behind(
    scene: Scene, journal: Journal
) -> None:
    journal.announce("archive behind")
    for _ in range(70):
        scene.change()
        scene.clock.advance(seconds=1)
        assert scene.upkeep.do_slice() > 0
    assert ArchiveBehind(behind_s=65) in journal.events
