"""A real `neve serve` process on a loopback port: started, asked, stopped, killed, started again.

It keeps its directory, credentials and, after the first start, its port, so that a client made once stays good
over restarts. Nothing polls: the server says when it is ready, and its end is the end of a pipe.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from neve.assemble import create_store

REGION: Final = "us-east-1"
_ENDPOINT: Final = re.compile(r"export AWS_ENDPOINT_URL_EBS=(http://127\.0\.0\.1:([0-9]+)\S*)")
_READY: Final = "# Ready:"
_STOP_S_MAX: Final = 60
_COMMAND: Final = (sys.executable, "-m", "neve")


class ServerDied(Exception):
    """The server ended before it was ready. The message is what it said on standard error."""


class ServerProcess:
    """One store directory and the process that serves it. Use it as a context manager, or `terminate` it."""

    def __init__(self, directory: Path, *, settings: Mapping[str, object] | None = None) -> None:
        """Make a store in `directory` unless there is one. `settings` are those of neve.settings, by name."""
        self.directory = directory
        self.log = directory.parent / f"{directory.name}.log"
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("NEVE_", "AWS_"))
        } | {f"NEVE_{name.upper()}": str(value) for name, value in (settings or {}).items()}
        self._process: subprocess.Popen[str] | None = None
        self._listen = "127.0.0.1:0"
        self.endpoint = ""
        credentials = directory.parent / f"{directory.name}.json"
        if not directory.exists():
            # What `neve init` does, without a process of its own.
            made = create_store(directory, account_name="", region=REGION)
            credentials.write_text(json.dumps(asdict(made)))
        found: dict[str, str] = json.loads(credentials.read_text())
        self.account_id = found["account_id"]
        self.access_key_id = found["access_key_id"]
        self.secret_access_key = found["secret_access_key"]
        self.region = REGION

    # --- its life

    def start(self) -> Self:
        """Start serving and return when requests are taken.

        Raises:
            ServerDied
        """
        assert self._process is None, "it runs already"
        with self.log.open("a") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [*_COMMAND, "serve", str(self.directory), "--listen", self._listen],
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if found := _ENDPOINT.match(line):
                self.endpoint, self._listen = found[1], f"127.0.0.1:{found[2]}"
            if line.startswith(_READY):
                return self
        status = self.wait()
        raise ServerDied(f"exit status {status}: {self.log.read_text()}")

    def kill(self) -> None:
        """Kill the process as a crash would: no warning, no last word."""
        self.signal(signal.SIGKILL)
        self.wait()

    def terminate(self) -> int:
        """Ask the process to end; return its exit status once it has. 0 if it does not run."""
        if self._process is None:
            return 0
        self.signal(signal.SIGTERM)
        return self.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        assert self._process is not None, "it does not run"
        self._process.send_signal(number)

    def wait(self) -> int:
        """Return the exit status when the process has ended."""
        assert self._process is not None, "it does not run"
        try:
            return self._process.wait(timeout=_STOP_S_MAX)
        finally:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process is not None, "it does not run"
        return self._process.pid

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.terminate()

    # --- asking it

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, _, port = self._listen.rpartition(":")
        return host, int(port)

    def connect(self, timeout_s: float = 30) -> socket.socket:
        """Return a new connection to it."""
        return socket.create_connection(self.address, timeout=timeout_s)

    def get(self, path: str) -> tuple[int, bytes]:
        """Return status and body of an unsigned GET."""
        with self.connect() as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: neve\r\nConnection: close\r\n\r\n".encode())
            head, _, body = read_all(connection).partition(b"\r\n\r\n")
        return int(head.split()[1]), body

    def client(self, service: str, **options: Any) -> Any:
        """Return a boto3 client (`ebs`, `ec2`) that asks it once and retries nothing."""
        # Imported here: boto3 is there for tests only.
        import boto3  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415

        given: dict[str, Any] = {
            "endpoint_url": self.endpoint,
            "region_name": self.region,
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret_access_key,
            "config": Config(retries={"total_max_attempts": 1}, max_pool_connections=64),
        }
        make: Any = boto3.client  # its stubs want each service spelt out
        return make(service, **(given | options))

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the events of this name from its log, over all its lives."""
        lines = (json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{"))
        return [line for line in lines if line["event"] == name]


def read_all(connection: socket.socket) -> bytes:
    """Return everything that comes until the other side closes."""
    pieces = []
    while piece := connection.recv(65_536):
        pieces.append(piece)
    return b"".join(pieces)
