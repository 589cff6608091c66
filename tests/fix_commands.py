"""The `neve` commands as a user runs them: processes, against a real server, with settings in the environment only."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from neve.limits import KIB
from neve.testing.server import ServerProcess

_WITH_PEAK = """
import sys
from neve.cli.main import main
status = main(sys.argv[1:])
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(peak, file=sys.stderr)
sys.exit(status)
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended."""

    status: int
    out: bytes
    err: str

    @property
    def last_line(self) -> str:
        """The last line on standard output."""
        return self.out.decode().splitlines()[-1]

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


class Commands:
    """Runs `neve` for the account of one server, with a home of its own."""

    def __init__(self, server: ServerProcess, home: Path) -> None:
        self.server = server
        self.home = home
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "NEVE_", "XDG_"))
        }
        self.environment = kept | {
            "HOME": str(home),
            "AWS_ACCESS_KEY_ID": server.access_key_id,
            "AWS_SECRET_ACCESS_KEY": server.secret_access_key,
            "AWS_REGION": server.region,
            "AWS_ENDPOINT_URL": server.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def start(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        stderr: int | IO[bytes] = subprocess.PIPE,
    ) -> "subprocess.Popen[bytes]":
        """Start a command."""
        return subprocess.Popen(
            [sys.executable, "-m", "neve", *arguments],
            env=self.environment if environment is None else dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )

    def run(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Outcome:
        """Run a command to its end."""
        process = self.start(*arguments, environment=environment)
        out, err = process.communicate()
        return Outcome(process.returncode, out, err.decode())

    def peak_memory_bytes(self, *arguments: str) -> int:
        """Return how much memory a command that must succeed held at most.

        It tells by itself: what the kernel says of a child includes the moment before exec, when it was us.
        """
        outcome = subprocess.run(
            [sys.executable, "-c", _WITH_PEAK, *arguments],
            env=self.environment,
            capture_output=True,
            check=True,
        )
        return int(outcome.stderr.split()[-1]) * KIB

    def done(self, *arguments: str) -> Outcome:
        """Run a command that must succeed."""
        outcome = self.run(*arguments)
        assert outcome.status == 0, outcome.err
        return outcome

    def upload(self, image: Path, *options: str) -> str:
        """Upload an image, wait for the snapshot, return its id."""
        return self.done("upload", str(image), "--wait", *options).last_line


@pytest.fixture(scope="module")
def command_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for the tests of a file."""
    with ServerProcess(tmp_path_factory.mktemp("server") / "store") as server:
        yield server


@pytest.fixture
def make_commands(tmp_path: Path) -> Callable[[ServerProcess], Commands]:
    """A function that makes the commands for a server."""

    def make(server: ServerProcess) -> Commands:
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        return Commands(server, home)

    return make


@pytest.fixture
def commands(command_server: ServerProcess, make_commands: Callable[[ServerProcess], Commands]) -> Commands:
    """The commands, for the file's own server."""
    return make_commands(command_server)
