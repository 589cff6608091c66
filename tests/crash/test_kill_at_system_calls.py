"""The server is killed at the n-th call of a kind that writes, by strace, for n from 1 until it outlives that.

Two stretches are walked: a few puts up to the completion, and the completion alone. Where a kill at random needs
luck to fall between two calls, this needs none: the calls are all there are between a client and its disk.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from botocore.exceptions import BotoCoreError, WaiterError

from crash.load import ConnectionLost, Wire, Writing, read, wait_completed
from neve.testing.server import ServerProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

CALLS_MAX = {"writev": 20, "fsync": 20, "linkat": 20, "fdatasync": 20, "pwrite64": 60}
"""What the embedded stores call to write, and how many kills are tried of each: more than a stretch has."""
INDEXES = (0, 1500, 0)
"""A block in each leaf of the map, and one overwritten."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server of the test's own, with default settings."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    with ServerProcess(tmp_path / "store") as running:
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
    """A client of one snapshot that does not give up."""

    def __init__(self, server: ServerProcess, number: int) -> None:
        self._server = server
        self._ebs = server.client("ebs")
        started = self._ebs.start_snapshot(VolumeSize=1)
        self._writing = Writing(started["SnapshotId"], {})
        # Contents that no client had before: what is stored already is written to no segment.
        self._puts_left = [(index, 16 * number + 2 + step) for step, index in enumerate(INDEXES)]

    def put_all(self) -> None:
        wire = Wire(self._server)
        while self._puts_left:
            self._writing.put(wire, *self._puts_left[0])
            self._puts_left.pop(0)
        wire.close()

    def complete(self) -> None:
        self._writing.complete(self._ebs)
        wait_completed(self._server, self._writing.snapshot_id)

    def lost(self) -> list[int]:
        """Return the indexes at which the completed snapshot is not what was written."""
        return self._writing.lost(read(self._server, self._writing.snapshot_id, chance=Random(0)))


def survives(server: ServerProcess, client: Client, *, begins_at: str, call: str, number: int) -> bool:
    """Let the client do its work up to the completion, or die at a call; tell which."""
    try:
        if begins_at == "complete":
            client.put_all()
        with deadly(server, call, number):
            client.put_all()
            client.complete()
        return server.get("/healthz")[0] == 200
    except WaiterError:
        raise  # an answer, of the wrong kind
    except (ConnectionLost, BotoCoreError, OSError):
        return False


@pytest.mark.parametrize("begins_at", ["put", "complete"])
@pytest.mark.parametrize("call", CALLS_MAX)
def test_killed_at_any_call_that_writes_the_server_comes_back_whole(
    server: ServerProcess, call: str, begins_at: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(1, CALLS_MAX[call]):
        client = Client(server, number)
        if survives(server, client, begins_at=begins_at, call=call, number=number):
            break
        assert server.wait() == -9
        server.start()
        client.put_all()
        client.complete()
        assert client.lost() == []
    else:
        pytest.fail(f"more calls of {call} than {CALLS_MAX[call]}")
    assert number > 1, "there was no such call: nothing was tried"
    with capsys.disabled():
        sys.stdout.write(f"\nkilled at {number - 1} calls of {call} from {begins_at} on: nothing lost\n")
