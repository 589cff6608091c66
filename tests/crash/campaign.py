"""A campaign: clients that keep one store busy, whose server dies again and again, and what they know of it.

One round: writers at work on a few pending snapshots, old and new; meanwhile snapshots are deleted ─▶ the server dies ─▶
start ─▶ some of the snapshots completed as a client would, now and then with one more death on top of the completion ─▶
read back whole.

How the server dies is the caller's: a kill, or a kill and the loss of all that was not synced.

An encrypted campaign rotates its KMS key while the writers are at work, so that its data keys are renewed beside
puts, at the next start or when that is killed in between, and blocks of all generations share their chunks.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from signal import SIGKILL
from threading import Event, Timer
from typing import Any, Final

from botocore.exceptions import WaiterError

from crash.load import INDEXES_MAX, WRITERS, Digests, Load, Wire, Writing, read, wait_completed
from neve.clock import SystemClock
from neve.server.administration.client import RunningServer
from neve.server.administration.messages import AdministrationRefused
from neve.server.administration.messages_upkeep import UndeleteSnapshot
from neve.testing.server import ServerDied, ServerProcess

PENDING = 3
"""Snapshots written to at the same time."""
START_S_MAX = 60
"""A start that takes longer is one that somebody has to look after."""
SAMPLE = 16
COMPLETED_MAX = 12
"""Beyond that many, completed snapshots are deleted: what a campaign reads in the end stays bounded."""
COLLECTING: Final = {
    "deletion_undo_s": 0,
    "condemned_keep_s": 0,
    "collect_interval_s": 1,
    "collect_share_max": 1.0,
}
"""Settings under which collections run all the time, and what is deleted is gone soon."""


@dataclass(slots=True)
class Tally:
    """What a campaign has seen."""

    kills: int = 0
    kills_while_sealing: int = 0
    deletions: int = 0
    undeletions: int = 0
    acknowledged: int = 0
    load_s: float = 0
    completed: int = 0
    lost: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    starts_needing_help: int = 0
    slowest_start_s: float = 0
    rotations: int = 0

    @property
    def figure(self) -> str:
        """What the scoreboard shows."""
        kills = self.kills + self.kills_while_sealing
        lost = len(self.lost) + len(self.changed)
        return f"lost {lost} of {self.acknowledged:,} puts in {kills} kills under {WRITERS} writers"

    def __str__(self) -> str:
        return (
            f"{self.kills} kills under {WRITERS} writers and {self.kills_while_sealing} while sealing, "
            f"{self.acknowledged} puts acknowledged ({self.acknowledged / self.load_s:.0f}/s), "
            f"{self.completed} snapshots completed and {self.deletions} deleted ({self.undeletions} undone); lost {len(self.lost)}, changed {len(self.changed)}, "
            f"starts that needed help {self.starts_needing_help} (slowest {self.slowest_start_s:.1f} s), "
            f"{self.rotations} rotations"
        )


class Campaign:
    """One store, and everything its clients know of it."""

    def __init__(
        self,
        server: ServerProcess,
        chance: Random,
        *,
        encrypted: bool = False,
        die: Callable[[ServerProcess], None] = ServerProcess.kill,
    ) -> None:
        """Ask a server that runs. `die` ends it as a crash does."""
        self._server = server
        self._die = die
        self._chance = chance
        self._encryption: dict[str, Any] = {}
        self._key_id = ""
        if encrypted:
            key = server.client("kms").create_key()["KeyMetadata"]
            self._key_id = key["KeyId"]
            self._encryption = {"Encrypted": True, "KmsKeyArn": key["Arn"]}
        self._pending: list[Writing] = []
        self._completed: dict[str, Digests] = {}
        self.tally = Tally()

    def round(self) -> None:
        """Load, kill, start, complete, read back."""
        while len(self._pending) < PENDING:
            self._pending.append(self._begun())
        self._kill_under_load()
        self._start()
        # Some stay pending, to be written to and killed again.
        finished = [writing for writing in self._pending if self._chance.random() < 0.7]
        self.finish(finished)
        for snapshot_id in self._chance.sample(sorted(self._completed), min(2, len(self._completed))):
            self._compare(snapshot_id, only=SAMPLE)

    def end(self) -> None:
        """Complete what is pending, and read every snapshot of the campaign once more, whole."""
        self.finish(list(self._pending))
        for snapshot_id in self._completed:
            self._compare(snapshot_id, only=0)

    def finish(self, writings: list[Writing]) -> None:
        """Complete snapshots as a client does that lost its connection, and read them back whole."""
        ebs = self._server.client("ebs")
        wire = Wire(self._server)
        for writing in writings:
            writing.ask_again(wire, self._chance)
            writing.complete(ebs)
        wire.close()
        if writings and self._chance.random() < 0.4:
            _pause(self._chance.uniform(0, 0.02))
            self._die(self._server)
            self.tally.kills_while_sealing += 1
            self._start()
        for writing in writings:
            self._pending.remove(writing)
            try:
                wait_completed(self._server, writing.snapshot_id)
            except WaiterError as error:  # its count or aggregate did not fit: something is missing
                last: Any = error.last_response
                self.tally.lost.append(f"{writing.snapshot_id}: {last['Snapshots'][0]['StateMessage']}")
                continue
            found = read(self._server, writing.snapshot_id, chance=self._chance)
            self.tally.lost += [f"{writing.snapshot_id}/{index}" for index in writing.lost(found)]
            self.tally.completed += 1
            self._completed[writing.snapshot_id] = found

    def _begun(self) -> Writing:
        """Start a snapshot, half of the time on a completed one."""
        basis = self._encryption
        inherited: Digests = {}
        if self._completed and self._chance.random() < 0.5:
            snapshot_id, inherited = self._chance.choice(list(self._completed.items()))
            basis = {"ParentSnapshotId": snapshot_id}
        started = self._server.client("ebs").start_snapshot(VolumeSize=1, **basis)
        return Writing(started["SnapshotId"], inherited)

    def _kill_under_load(self) -> None:
        load = Load(self._server, self._pending, self._chance)
        started = time.monotonic()
        load.start()
        load.wait_acknowledged(self._chance.randrange(1, INDEXES_MAX))
        self._rotate_now_and_then()
        self._delete_some()
        # An acknowledgement comes at the end of a commit: the kill may come at any point of the next ones.
        _pause(self._chance.uniform(0, 0.05))
        self.tally.acknowledged += load.end(lambda: self._die(self._server))
        self.tally.load_s += time.monotonic() - started
        self.tally.kills += 1

    def _rotate_now_and_then(self) -> None:
        if self._key_id and self._chance.random() < 0.7:
            self._server.client("kms").rotate_key_on_demand(KeyId=self._key_id)
            self.tally.rotations += 1

    def _delete_some(self) -> None:
        """Delete snapshots while the writers are at work: their chunks may be what those are about to share."""
        while self._completed and (len(self._completed) > COMPLETED_MAX or self._chance.random() < 0.3):
            snapshot_id = self._chance.choice(list(self._completed))
            self._server.client("ec2").delete_snapshot(SnapshotId=snapshot_id)
            self.tally.deletions += 1
            if self._chance.random() < 0.5 or not self._undelete(snapshot_id):
                del self._completed[snapshot_id]

    def _undelete(self, snapshot_id: str) -> bool:
        """Bring a deleted snapshot back, unless a collection was faster."""
        administrator = RunningServer(self._server.directory, SystemClock())
        try:
            administrator.ask(UndeleteSnapshot(snapshot_id=snapshot_id))
        except AdministrationRefused:
            return False
        self.tally.undeletions += 1
        return True

    def _start(self) -> None:
        """Start the server on what the kill left. Once more, should it need that: it counts."""
        watchdog = Timer(START_S_MAX, lambda: self._server.signal(SIGKILL))
        started = time.monotonic()
        watchdog.start()
        try:
            self._server.start()
        except ServerDied as died:
            self.tally.starts_needing_help += 1
            sys.stderr.write(f"a start needed help: {died}\n")
            self._server.start()
        finally:
            watchdog.cancel()
        self.tally.slowest_start_s = max(self.tally.slowest_start_s, time.monotonic() - started)
        assert self._server.get("/readyz")[0] == 200

    def _compare(self, snapshot_id: str, *, only: int) -> None:
        """Read a completed snapshot, or a sample of it, and note what is not as it was."""
        known = self._completed[snapshot_id]
        found = read(self._server, snapshot_id, only=only, chance=self._chance)
        expected = {index: known[index] for index in found} if only else known
        self.tally.changed += [
            f"{snapshot_id}/{index}"
            for index in expected.keys() | found.keys()
            if expected.get(index) != found.get(index)
        ]


def _pause(seconds: float) -> None:
    """Let some time pass. How much is an input of the test; no outcome depends on it."""
    Event().wait(seconds)
