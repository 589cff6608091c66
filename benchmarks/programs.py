"""The programs a benchmark runs: the two in C, compiled on the spot, and the server; and what they cost.

CPU time and peak memory are the kernel's numbers for the whole process, all its threads included.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from benchmarks.requests_file import Service

_HERE: Final = Path(__file__).resolve().parent
_READY_S_MAX: Final = 30
_STOP_S_MAX: Final = 60
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


class BenchmarkError(Exception):
    """The run cannot give numbers that mean anything; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What replay.c saw of one run."""

    requests: int
    as_expected: int
    broken: int
    statuses: dict[str, int]
    seconds: float
    p50_us: int
    p99_us: int
    max_us: int
    bytes_sent: int
    bytes_received: int
    cpu_s: float

    @property
    def failures(self) -> int:
        """Requests that were not answered as they should have been."""
        return self.requests - self.as_expected


class Programs:
    """The compiled load generator and floor."""

    def __init__(self, directory: Path) -> None:
        """Compile both. Without OpenSSL's headers the floor hashes in plain C, and says so."""
        compiler = shutil.which("cc")
        if compiler is None:
            raise BenchmarkError("The benchmark's load generator needs a C compiler named cc.")
        self._replay = directory / "replay"
        self.floor = directory / "floor"
        build: list[str | Path] = [compiler, "-O2", "-std=gnu11", "-Wall", "-Wextra"]
        subprocess.run([*build, "-o", self._replay, _HERE / "replay.c"], check=True)
        build_floor = [*build, "-o", self.floor, _HERE / "floor.c", "-pthread"]
        with_openssl = [*build_floor, "-DWITH_OPENSSL", "-lcrypto"]
        if subprocess.run(with_openssl, check=False, stderr=subprocess.DEVNULL).returncode:
            subprocess.run(build_floor, check=True)

    def replay(self, host: str, port: int, connections: int, requests: Path, pool: Path) -> Replayed:
        """Send a file of requests; return what became of them."""
        done = subprocess.run(
            [self._replay, host, str(port), str(connections), requests, pool],
            check=False,
            stdout=subprocess.PIPE,
        )
        if done.returncode:
            raise BenchmarkError("The load generator gave up; what it said stands above.")
        answer = json.loads(done.stdout)
        del answer["answered"]
        return Replayed(**answer)


class Process:
    """A running program, and what it has cost so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._proc = Path(f"/proc/{process.pid}")

    def cpu_s(self) -> float:
        """Seconds of CPU, user and system, since it started."""
        # The name in parentheses may hold blanks; what follows the last one is numbers, state first.
        fields = (self._proc / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    def peak_bytes(self) -> int:
        """Largest resident memory since the start, or since `forget_peak`."""
        return self._status_bytes("VmHWM")

    def resident_bytes(self) -> int:
        """Resident memory now."""
        return self._status_bytes("VmRSS")

    def _status_bytes(self, name: str) -> int:
        for line in (self._proc / "status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        raise BenchmarkError(f"{self._proc}/status has no {name}: has the program ended?")

    def forget_peak(self) -> None:
        """Let the peak start again from what is resident now, where the kernel allows it."""
        try:
            (self._proc / "clear_refs").write_text("5")
        except OSError:
            return

    def stop(self) -> None:
        """End it gracefully, or say that it would not."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise BenchmarkError(f"The server did not stop within {_STOP_S_MAX} s of SIGTERM.") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What of what `neve init` printed is needed to sign."""

    account_id: str
    access_key_id: str
    secret_access_key: str
    region: str


def create_store(directory: Path) -> Credentials:
    """Make an empty store."""
    done = subprocess.run(
        [_neve(), "init", directory, "--output", "json"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    printed = json.loads(done.stdout)
    return Credentials(**{each.name: printed[each.name] for each in fields(Credentials)})


@contextmanager
def serving(directory: Path, credentials: Credentials, log: Path) -> Iterator[tuple[Process, Service]]:
    """Run a server over a store for as long as the block lasts."""
    port = _free_port()
    with log.open("a") as sink:
        popen = subprocess.Popen(
            [_neve(), "serve", directory, "--listen", f"127.0.0.1:{port}"],
            stdout=sink,
            stderr=sink,
            text=True,
        )
    process = Process(popen)
    try:
        _wait_until_ready(popen, port, log)
        yield (
            process,
            Service(
                host="127.0.0.1",
                port=port,
                region=credentials.region,
                access_key_id=credentials.access_key_id,
                secret=credentials.secret_access_key,
            ),
        )
    finally:
        if popen.poll() is None:
            process.stop()


@contextmanager
def running_floor(program: Path, file: Path) -> Iterator[tuple[Process, int, str]]:
    """Run the floor over a file; give its process, its port, and whose SHA-256 it has."""
    popen = subprocess.Popen([program, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert popen.stdin is not None
    assert popen.stdout is not None
    try:
        port, _, hash_name = popen.stdout.readline().strip().partition(" ")
        yield Process(popen), int(port), hash_name
    finally:
        popen.stdin.close()
        popen.stdout.close()
        popen.wait()


def _neve() -> Path:
    return Path(sys.executable).parent / "neve"


def _free_port() -> int:
    import socket  # noqa: PLC0415 - nothing else here has to do with sockets

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(popen: subprocess.Popen[str], port: int, log: Path) -> None:
    deadline_s = time.monotonic() + _READY_S_MAX
    while time.monotonic() < deadline_s:
        if popen.poll() is not None:
            raise BenchmarkError(f"The server ended as it started; see {log}.")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise BenchmarkError(f"The server was not ready after {_READY_S_MAX} s; see {log}.")
