"""The server is killed at the n-th call of a kind that writes, by strace, for n from 1 until it outlives that.

Four stretches are walked: a few puts up to the completion, the completion alone, a deletion, and a collection that takes
away what was deleted and rewrites what is left. Where a kill at random needs luck to fall between two calls, this needs
none: the calls are all there are between a client and its disk. After each kill the server is started again, the client
does the rest of what it was about to, and every stored byte is proven.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import takewhile
from pathlib import Path
from random import Random
from typing import Final

import pytest
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from crash.load import ConnectionLost, Wire, Writing, read, wait_completed
from fix_scoreboard import Figure
from neve.cli.tasks import awaited
from neve.clock import SystemClock
from neve.errors import StoreUnavailable
from neve.server.administration.client import NobodyListens, RunningServer
from neve.server.administration.messages_tasks import CollectGarbage, VerifyStore
from neve.server.administration.messages_upkeep import VerificationOutcome
from neve.testing.server import ServerProcess

pytestmark = [pytest.mark.row(2), pytest.mark.timeout(1800)]

CALLS: Final = (
    "writev",
    "write",
    "fsync",
    "fdatasync",
    "pwrite64",
    "linkat",
    "rename",
    "unlink",
    "ftruncate",
)
"""What the embedded stores call to write."""
CALLS_MAX: Final = 400
"""How many kills are tried of each: more than a stretch has."""
INDEXES: Final = (0, 1500, 0)
"""A block in each leaf of the map, and one overwritten."""
SAMPLE: Final = (("put", "fsync", 2), ("complete", "pwrite64", 9), ("collect", "unlink", 1))
"""What make test tries."""
QUIET: Final = {"collect_interval_s": 0, "scrub_period_s": 0, "collect_share_max": 1.0}
"""Nothing works by itself, so that the n-th call is the stretch's own."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server of the test's own."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    with ServerProcess(tmp_path / "store", settings=QUIET) as running:
        yield running


@contextmanager
def deadly(server: ServerProcess, call: str, number: int) -> Iterator[None]:
    """Kill the server when one of its threads makes its `number`-th call from here on, or at no time at all."""
    strace = subprocess.Popen(
        [
            *("strace", "-f", "-p", str(server.pid), "-o", os.devnull),
            *("-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    with strace:
        assert strace.stderr is not None
        said = strace.stderr.readline()
        if "attached" not in said:
            pytest.skip(f"strace may not look into a process here: {said.strip()}")
        try:
            yield
        finally:
            # Asked politely it may wait for ever: for a thread that died just as it was let go.
            strace.kill()


class Client:
    """A client of two snapshots that share a block, which does not give up. All it does can be done again."""

    def __init__(self, server: ServerProcess, number: int) -> None:
        self._server = server
        self._number = number
        self._ebs = server.client("ebs")
        self._kept = self._begun()
        self._doomed = self._begun()
        self._deletes = False
        self._left = {
            id(writing): [(index, self._seed(which, step)) for step, index in enumerate(INDEXES)]
            for which, writing in enumerate((self._kept, self._doomed))
        }

    def _begun(self) -> Writing:
        return Writing(self._ebs.start_snapshot(VolumeSize=1)["SnapshotId"], {})

    def _seed(self, which: int, step: int) -> int:
        """Return a content no other client had, but that both snapshots end in the same one."""
        own = 0 if step == len(INDEXES) - 1 else 4 * which
        return 16 * (8 * self._number + own + step) + 2

    def prepare(self, stretch: str) -> None:
        """Do all that comes before a stretch."""
        for step in STRETCHES:
            if step == stretch:
                return
            STRETCHES[step](self)

    def put(self) -> None:
        """Write the blocks of both snapshots."""
        for writing in (self._kept, self._doomed):
            self._put_all(writing)

    def complete(self) -> None:
        """Complete both, or the one that was not to be deleted yet."""
        for writing in [self._kept] if self._deletes else [self._kept, self._doomed]:
            writing.complete(self._ebs)
            wait_completed(self._server, writing.snapshot_id)

    def delete(self) -> None:
        """Delete one of them."""
        is_again, self._deletes = self._deletes, True
        try:
            self._server.client("ec2").delete_snapshot(SnapshotId=self._doomed.snapshot_id)
        except ClientError as error:
            if not is_again or error.response["Error"]["Code"] != "InvalidSnapshot.NotFound":
                raise

    def collect(self) -> None:
        awaited(self._administrator(), CollectGarbage(at_once=True), lambda _: None)

    def lost(self) -> list[int]:
        """Return the indexes at which the completed snapshot is not what was written."""
        return self._kept.lost(read(self._server, self._kept.snapshot_id, chance=Random(0)))

    def findings(self) -> int:
        """Prove everything stored; return how much is not as it should be."""
        outcome = awaited(self._administrator(), VerifyStore(data=True), lambda _: None).outcome
        assert isinstance(outcome, VerificationOutcome)
        return outcome.findings

    def _administrator(self) -> RunningServer:
        return RunningServer(self._server.directory, SystemClock())

    def _put_all(self, writing: Writing) -> None:
        wire = Wire(self._server)
        left = self._left[id(writing)]
        while left:
            writing.put(wire, *left[0])
            left.pop(0)
        wire.close()


STRETCHES: Final[Mapping[str, Callable[[Client], None]]] = {
    "put": Client.put,
    "complete": Client.complete,
    "delete": Client.delete,
    "collect": Client.collect,
}


def survives(server: ServerProcess, client: Client, stretch: str, call: str, number: int) -> bool:
    """Let the client go through a stretch, or the server die at a call; tell which."""
    client.prepare(stretch)
    try:
        with deadly(server, call, number):
            STRETCHES[stretch](client)
        return server.get("/healthz")[0] == 200
    except WaiterError:
        raise  # an answer, of the wrong kind
    except (ConnectionLost, BotoCoreError, OSError, StoreUnavailable, NobodyListens):
        return False


def dies_and_comes_back(server: ServerProcess, stretch: str, call: str, number: int) -> bool:
    """Kill the server at a call of a stretch, and see that nothing is lost; False if there are not so many calls."""
    client = Client(server, number)
    if survives(server, client, stretch, call, number):
        return False
    assert server.wait() == -9
    server.start()
    for step in STRETCHES.values():
        step(client)
    assert client.lost() == []
    assert client.findings() == 0
    return True


@pytest.mark.parametrize(("stretch", "call", "number"), SAMPLE)
def test_killed_at_a_call_that_writes_the_server_comes_back_whole(
    server: ServerProcess, stretch: str, call: str, number: int, figure: Figure
) -> None:
    assert dies_and_comes_back(server, stretch, call, number), (
        "there are not so many calls: nothing was tried"
    )
    figure(f"lost 0 at call {number} of {call} in {stretch}")


def numbers(full_size: bool) -> Iterator[int]:
    """Yield which calls a server is killed at: all of them, or 1, 2, 5, 10, 17 …"""
    return iter(range(1, CALLS_MAX) if full_size else (1 + step * step for step in range(CALLS_MAX)))


@pytest.mark.slow
@pytest.mark.parametrize("stretch", STRETCHES)
def test_killed_at_any_call_that_writes_the_server_comes_back_whole(
    server: ServerProcess, stretch: str, full_size: bool, figure: Figure
) -> None:
    kills = {
        call: len(list(takewhile(partial(dies_and_comes_back, server, stretch, call), numbers(full_size))))
        for call in CALLS
    }
    figure(f"lost 0, dangling 0, unreadable 0 in {sum(kills.values())} kills in {stretch}")
    assert kills["fsync"] > 0, kills
    assert kills["pwrite64"] > 0, kills
