"""Small programs of calls against the service, and the power cut at any moment of them.

Recorder      plays programs on a service whose disk is noted, each from one scene on: a completed snapshot, a
              deleted one, a pending one
Program.cuts  every moment of the program's last call, with what may be left of the disk then
survey        all of it, for many programs
"""

import os
import random
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from crash.store_examination import Examination, Findings
from crash.store_programs import CALLS, Knowledge, Player, set_the_scene
from fix_world import facts_for
from neve.clock import Entropy
from neve.limits import TINY
from neve.stores.archive.local import LocalArchiveStore
from neve.stores.metadata.sqlite import SqliteMetadataStore
from neve.stores.segments.local import LocalSegmentStore
from neve.testing.disk import Call, Disk, Names
from neve.testing.power_cut import DiskFiles, RecordingFiles, RecordingSqlite, leave_database
from neve.testing.time_and_chance import SeededEntropy
from neve.testing.world import World

DATABASE: Final = "metadata.db"
SEGMENTS: Final = "segments"
ARCHIVE: Final = "archive"
_WRITE_BYTES_MAX: Final = 512
"""A segment of these sizes takes one write or two."""
_GOES_ON_EVERY: Final = 16
"""One in so many of the disks that are examined is written to as well."""


class CutStores:
    """The stores of a `World`: the database on a real disk, in memory and noted; the segments on a `Disk` alone."""

    def __init__(self, disk: Disk, place: Path, *, vfs: str | None = None) -> None:
        self.disk = disk
        self._database = place / DATABASE
        self._vfs = vfs
        self._root = Path(disk.root)

    def create(self) -> None:
        SqliteMetadataStore.create(
            self._database, facts_for(TINY), vfs=self._vfs, files=RecordingFiles(self.disk)
        ).close()
        LocalSegmentStore.create(self._root / SEGMENTS, DiskFiles(self.disk))

    def open_metadata(self) -> SqliteMetadataStore:
        if self._vfs is None:
            return SqliteMetadataStore.open(self._database, limits=TINY)
        return SqliteMetadataStore.open(
            self._database, limits=TINY, vfs=self._vfs, files=RecordingFiles(self.disk)
        )

    def open_segments(self) -> LocalSegmentStore:
        return LocalSegmentStore(self._root / SEGMENTS, self._files())

    def open_world(self, entropy: Entropy) -> World:
        return World(self, entropy=entropy, archive=self.open_archive())

    def open_archive(self) -> LocalArchiveStore:
        return LocalArchiveStore(self._root / ARCHIVE, self._files())

    def _files(self) -> DiskFiles:
        return DiskFiles(self.disk, write_bytes_max=_WRITE_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class Program:
    """A program that was played, and its last call in detail."""

    names: Sequence[str]
    base: Disk
    calls: Sequence[Call]
    began_at: int
    """How many calls of `calls` there had been when the last call of the program began."""
    before: Knowledge
    after: Knowledge

    def cuts(self, names: Names, chance: random.Random, outcomes: int) -> Iterator[tuple[int, Disk]]:
        """Yield every moment from the last call's begin to its end, with what may be left of the disk."""
        disk = self.base.copied(names=names)
        disk.play(self.calls[: self.began_at])
        for moment in range(self.began_at, len(self.calls) + 1):
            for _ in range(1 if disk.is_settled else outcomes):
                yield moment, disk.cut(chance)
            disk.play(self.calls[moment : moment + 1])


class Recorder:
    """Plays programs, each on the same scene. Use it as a context manager, one at a time in a process."""

    def __init__(self) -> None:
        self._closing = ExitStack()
        memory = Path("/dev/shm")  # noqa: S108 - TemporaryDirectory makes an unguessable folder in it
        folder = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        place = Path(self._closing.enter_context(folder))
        self._played, self._left = place / "played", place / "left"
        for each in (self._played, self._left):
            each.mkdir()
        self.base = Disk(str(self._played), Names.STRICT)
        self._vfs = RecordingSqlite(f"neve-power-cut-{os.getpid()}", self.base)
        self._closing.callback(self._vfs.unregister)
        stores = CutStores(self.base, self._played, vfs=self._vfs.name)
        stores.create()
        with stores.open_world(SeededEntropy()) as world:
            self.knowledge = set_the_scene(world)
        self.base.settle()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()

    def open_on(self, disk: Disk, seed: int) -> World:
        """Open a world on a copy of `base`, as a start does: what it changes, it changes there."""
        leave_database(disk, self._played / DATABASE, self._played)
        self._vfs.disk = disk
        return CutStores(disk, self._played, vfs=self._vfs.name).open_world(SeededEntropy(seed))

    def left(self, disk: Disk) -> CutStores:
        """Return the stores that a cut left of such a copy, to be opened before the next ones are asked for."""
        leave_database(disk, self._played / DATABASE, self._left)
        return CutStores(disk, self._left)

    def play(self, names: Sequence[str]) -> Program | None:
        """Play a program; None if one of its calls has nothing to do."""
        calls: list[Call] = []
        with self.open_on(self.base.copied(calls=calls), _seed_of(names)) as world:
            player = Player(world, self.knowledge)
            began_at, before = len(calls), self.knowledge
            for name in names:
                began_at, before = len(calls), dict(player.knowledge)
                if not CALLS[name](player):
                    return None
            noted = list(calls)
        return Program(names, self.base, noted, began_at, before, player.knowledge)


def _seed_of(names: Sequence[str]) -> int:
    return random.Random(" ".join(names)).getrandbits(32)


def survey(programs: Sequence[Sequence[str]], *, seed: int, outcomes: int) -> Findings:
    """Play programs, cut the power at every moment of their last calls, and return what was found.

    Of programs that begin alike, the shorter ones are for the cuts in what they have in common.
    """
    chance = random.Random(seed)
    examination = Examination()
    with Recorder() as recorder:
        for program in filter(None, map(recorder.play, programs)):
            for names in Names:
                cuts = program.cuts(names, chance, outcomes)
                _survey_one(recorder, examination, program, cuts, chance)
    return examination.findings


def _survey_one(
    recorder: Recorder,
    examination: Examination,
    program: Program,
    cuts: Iterable[tuple[int, Disk]],
    chance: random.Random,
) -> None:
    """Look at what cuts left, once at what is left alike."""
    seen: set[tuple[bool, bytes]] = set()
    for moment, left in cuts:
        examination.findings.cuts += 1
        left.forget_nameless()
        is_over = moment == len(program.calls)
        state = is_over, left.fingerprint(program.base)
        if state in seen:
            continue
        seen.add(state)
        seed = chance.getrandbits(32)
        examination.examine(
            f"{' '.join(program.names)}, {left.names.value}, call {moment} of {len(program.calls)}: ",
            recorder.left(left),
            program.after if is_over else program.before,
            program.after,
            goes_on_with=None if seed % _GOES_ON_EVERY else seed,
        )
