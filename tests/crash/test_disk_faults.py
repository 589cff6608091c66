"""The disk fails at the n-th change, for every n: an answer is right or an error, and nothing acknowledged is lost.

    a program of calls ─▶ one fails ─▶ perhaps killed and started again ─▶ it and the rest ─▶ power cut

A sync that failed is one whose bytes never arrive, whatever later syncs say (neve.testing.faulty_disk): that is what
the power cut in the end is for.
"""

import errno
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

import pytest

from crash.power_cut_scene import Recorder
from crash.store_examination import Examination
from crash.store_programs import CALLS, Knowledge, Known, Player
from fix_scoreboard import Figure
from neve.domain.snapshots import State
from neve.errors import StoreError
from neve.testing.disk import Names
from neve.testing.faulty_disk import FaultyDisk
from neve.testing.world import ACCOUNT, World

PROGRAM = (
    "put",
    "start_child",
    "put",
    "put_what_is_stored",
    "put_again",
    "complete",
    "delete",
    "archive",
    "undelete",
    "collect_but_undo",
    "start",
    "put",
    "delete_pending",
    "complete",
    "delete",
    "collect",
    "archive",
    "collect",
)
POINTS_MAX = 2_000
"""More changes than the program makes."""
STRIDE = 40
"""In the short form every so-manieth change fails."""


@dataclass(frozen=True, slots=True)
class Disease:
    error: int
    is_lasting: bool

    def __str__(self) -> str:
        return f"{errno.errorcode[self.error]} {'from there on' if self.is_lasting else 'once'}"


@dataclass(frozen=True, slots=True)
class Fault:
    disease: Disease
    point: int
    """Number of the change that fails."""
    kills: bool
    """Whether the service is killed then, and started again."""


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    with Recorder() as made:
        yield made


class Service:
    """A service on a faulty disk, and a client that makes each call again that failed."""

    def __init__(self, recorder: Recorder, disk: FaultyDisk, chance: random.Random) -> None:
        self._recorder = recorder
        self._chance = chance
        self.disk = disk
        self.world = recorder.open_on(disk, chance.getrandbits(32))
        self.player = Player(self.world, recorder.knowledge)

    def run(self, names: Sequence[str], *, dies: bool) -> None:
        """Make calls; one that fails once more, on a service that was killed and started again if it `dies`."""
        for name in names:
            try:
                assert CALLS[name](self.player)
            except StoreError:
                assert self.disk.failed, "nothing was planted"
                self.disk.heal()
                if dies:
                    self.start_again()
                self.player.is_again = True
                assert CALLS[name](self.player)
                self.player.is_again = False

    def start_again(self) -> None:
        """Begin anew on what everybody sees of the disk, as after a kill: nothing was folded, nothing synced."""
        failed = list(self.disk.failed)
        seen = self.disk.copied()
        self.world.close()
        self.disk, self.world = seen, self._recorder.open_on(seen, self._chance.getrandbits(32))
        self.disk.failed += failed
        self.player.world = self.world


def with_unanswered(world: World, knowledge: Knowledge) -> Knowledge:
    """Return what may be there besides: a start that failed may have begun a snapshot that nobody knows."""
    found = {each.snapshot_id for each in world.metadata.snapshots(ACCOUNT, after=None, limit=100)}
    return {**knowledge, **{unknown: Known(State.PENDING) for unknown in sorted(found - knowledge.keys())}}


def run(
    recorder: Recorder,
    examination: Examination,
    fault: Fault,
    chance: random.Random,
    program: Sequence[str] = PROGRAM,
) -> bool:
    """Let the disk fail at a change; return whether the program came that far."""
    disease, point = fault.disease, fault.point
    disk = FaultyDisk(recorder.base.root, chance.choice(list(Names)), state=recorder.base.shared_state())
    service = Service(recorder, disk, chance)
    disk.fail(at=point, error=disease.error, is_lasting=disease.is_lasting)
    service.run(program, dies=fault.kills)
    disk.heal()
    service.run(("start", "put"), dies=False)
    known = service.player.knowledge
    perhaps = with_unanswered(service.world, known)
    left = service.disk.cut(chance)
    service.world.close()
    where = f"{disease} at change {point} ({' '.join(service.disk.failed)}): "
    stores, seed = recorder.left(left), chance.getrandbits(32)
    examination.examine(where, stores, known, perhaps, goes_on_with=seed)
    assert service.disk.retried == [], f"{where}a sync that failed was tried again"
    return bool(service.disk.failed)


def walk(
    recorder: Recorder, disease: Disease, stride: int = 1, program: Sequence[str] = PROGRAM
) -> Examination:
    """Let every so-manieth change fail in turn, until the program comes to its end before it does."""
    examination = Examination()
    chance = random.Random(str(disease))
    for point in range(1 + chance.randrange(stride), POINTS_MAX, stride):
        examination.findings.cuts += 1
        fault = Fault(disease, point, kills=chance.random() < 0.5)
        if not run(recorder, examination, fault, chance, program):
            break
    else:
        pytest.fail("the program makes more changes than were tried")
    return examination


def judge(examinations: list[Examination], figure: Figure) -> None:
    findings = [each.findings for each in examinations]
    assert [each.lost + each.dangling + each.unreadable for each in findings] == [[] for _ in findings]
    assert all(each.cuts > 1 for each in findings)
    figure(f"wrong answers 0, lost 0, retried syncs 0 of {sum(each.cuts for each in findings)} faults")


@pytest.mark.row(6)
def test_what_is_acknowledged_after_a_kill_does_not_stand_on_a_sync_that_failed(
    recorder: Recorder, figure: Figure
) -> None:
    examination = Examination()
    chance = random.Random(6)
    once = Disease(errno.EIO, is_lasting=False)
    points = range(1, POINTS_MAX)
    faults = (Fault(once, point, kills=True) for point in points)
    tried = list(takewhile(lambda fault: run(recorder, examination, fault, chance, ["put"]), faults))
    assert examination.findings.are_none, examination.findings.lost
    assert len(tried) > 10
    figure(f"lost 0 of {len(tried)} kills after a fault")


@pytest.mark.row(6)
def test_no_answer_is_wrong_wherever_the_disk_fails(
    recorder: Recorder, full_size: bool, figure: Figure
) -> None:
    diseases = [Disease(errno.EIO, is_lasting) for is_lasting in (False, True)]
    judge([walk(recorder, each, 1 if full_size else STRIDE) for each in diseases], figure)


@pytest.mark.row(7)
def test_a_full_disk_that_gets_room_again_needs_nobodys_help(
    recorder: Recorder, full_size: bool, figure: Figure
) -> None:
    once, lasting = (Disease(errno.ENOSPC, is_lasting) for is_lasting in (False, True))
    examined = [walk(recorder, each, 1 if full_size else STRIDE) for each in (once, lasting)]
    judge([*examined, walk(recorder, once, program=["put"])], figure)
