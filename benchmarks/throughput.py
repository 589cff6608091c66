"""PutSnapshotBlock and GetSnapshotBlock by the number of connections, of the service and of the floor.

One repetition, on a store of its own that is removed afterwards:

    server  start ─▶ PUT with 1, 8, 32 connections ─▶ complete ─▶ list ─▶ GET with 1, 8, 32 ─▶ compare a sample
    floor   the same PUT requests ─▶ GETs

The server has two snapshots, one encrypted and one not, and takes turns: each step of the one is followed by the same
step of the other, so that whatever else goes on hits both.

Bodies are random and all different, so that nothing is saved by compression or deduplication. What is read was
just written: reads come out of the page cache, as they do of a server that restores what it took in.
"""

import hashlib
import os
import random
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import botocore.config
import botocore.session
from benchmarks import programs
from benchmarks.programs import BenchmarkError, Process, Programs, Replayed
from benchmarks.requests_file import (
    BLOCK_BYTES,
    Body,
    Pool,
    Request,
    Service,
    get_request,
    put_request,
    write_requests,
)

_VOLUME_GIB: Final = 64
_SAMPLE: Final = 16
_SEAL_S_MAX: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One run: who served what to how many connections, and what it took."""

    who: str
    """`neve`, `sealed` (the same server, an encrypted snapshot) or `floor`."""
    operation: str
    connections: int
    replayed: Replayed
    server_cpu_s: float
    server_peak_bytes: int

    @property
    def per_s(self) -> float:
        """Requests answered as they should be, a second."""
        return self.replayed.as_expected / self.replayed.seconds


@dataclass(frozen=True, slots=True)
class Plan:
    """How many requests a run has, by its number of connections."""

    counts: dict[int, int]


@dataclass(frozen=True, slots=True)
class _Target:
    """A running server or floor."""

    who: str
    process: Process
    port: int


@dataclass(frozen=True, slots=True)
class _Written:
    """A snapshot on its way, and what was written to it."""

    target: _Target
    snapshot_id: str
    bodies: list[Body] = field(default_factory=list)


_STATUS: Final = {"PUT": 201, "GET": 200}

SHORT: Final = Plan({1: 300, 8: 1000, 32: 2000})
FULL: Final = Plan({1: 1500, 8: 5000, 32: 10_000})


class Repetition:
    """One repetition in a directory of its own."""

    def __init__(
        self, tools: Programs, pool: Pool, directory: Path, plan: Plan, *, sealed_first: bool = False
    ) -> None:
        """`sealed_first` says whose turn comes first: repetitions take turns in that too."""
        self._order = ("sealed", "neve") if sealed_first else ("neve", "sealed")
        self._tools = tools
        self._pool = pool
        self._directory = directory
        self._plan = plan
        self._requests = directory / "requests"

    def run(self) -> Iterator[Measurement]:
        """Yield the measurements one after another; leave nothing behind."""
        try:
            self._directory.mkdir(parents=True)
            yield from self._service()
            _settle()
            yield from self._floor()
        finally:
            shutil.rmtree(self._directory, ignore_errors=True)
            _settle()

    def _service(self) -> Iterator[Measurement]:
        store = self._directory / "store"
        credentials = programs.create_store(store)
        with programs.serving(store, credentials, self._directory / "server.log") as (process, service):
            client = ebs_client(service)
            snapshots = [
                _Written(
                    _Target(who, process, service.port),
                    str(
                        client.start_snapshot(VolumeSize=_VOLUME_GIB, Encrypted=who == "sealed")["SnapshotId"]
                    ),
                )
                for who in self._order
            ]
            for connections, count in self._plan.counts.items():
                for snapshot in snapshots:
                    yield self._put(service, snapshot, connections, count)
                    _settle()
            for snapshot in snapshots:
                complete(client, snapshot.snapshot_id, len(snapshot.bodies))
            for connections, count in self._plan.counts.items():
                for snapshot in snapshots:
                    targets = _block_targets(client, snapshot.snapshot_id)
                    sample = random.Random(connections).sample(targets, count)
                    gets = [get_request(service, target) for target in sample]
                    yield self._measure(snapshot.target, "GET", connections, gets)
            for snapshot in snapshots:
                self._compare_sample(client, snapshot.snapshot_id, snapshot.bodies)

    def _put(self, service: Service, snapshot: "_Written", connections: int, count: int) -> Measurement:
        first = len(snapshot.bodies)
        snapshot.bodies.extend(self._pool.random_body() for _ in range(count))
        puts = [
            put_request(service, snapshot.snapshot_id, index, snapshot.bodies[index])
            for index in range(first, first + count)
        ]
        return self._measure(snapshot.target, "PUT", connections, puts)

    def _floor(self) -> Iterator[Measurement]:
        with programs.running_floor(self._tools.floor, self._directory / "floor.data") as (process, port, _):
            target = _Target("floor", process, port)
            service = Service(
                host="127.0.0.1",
                port=port,
                region="region",
                access_key_id="A" * 20,
                secret="unknown",  # noqa: S106 - the floor checks no signatures
            )
            snapshot_id = "snap-" + "0" * 17
            written = 0
            for connections, count in self._plan.counts.items():
                puts = [
                    put_request(service, snapshot_id, written + index, self._pool.random_body())
                    for index in range(count)
                ]
                written += count
                yield self._measure(target, "PUT", connections, puts)
                _settle()
            for connections, count in self._plan.counts.items():
                indexes = random.Random(connections).sample(range(written), count)
                token = "0" * 128
                gets = [
                    get_request(service, f"/snapshots/{snapshot_id}/blocks/{index}?blockToken={token}")
                    for index in indexes
                ]
                yield self._measure(target, "GET", connections, gets)

    def _measure(
        self, target: _Target, operation: str, connections: int, requests: Sequence[Request]
    ) -> Measurement:
        write_requests(self._requests, requests, status=_STATUS[operation])
        target.process.forget_peak()
        cpu_before_s = target.process.cpu_s()
        replayed = self._tools.replay("127.0.0.1", target.port, connections, self._requests, self._pool.path)
        return Measurement(
            who=target.who,
            operation=operation,
            connections=connections,
            replayed=replayed,
            server_cpu_s=target.process.cpu_s() - cpu_before_s,
            server_peak_bytes=target.process.peak_bytes(),
        )

    def _compare_sample(self, client: Any, snapshot_id: str, bodies: Sequence[Body]) -> None:
        """Read a few blocks back: numbers for wrong bytes are worth nothing."""
        tokens = dict(listed_blocks(client, snapshot_id))
        for index in random.Random(0).sample(range(len(bodies)), _SAMPLE):
            answer = client.get_snapshot_block(
                SnapshotId=snapshot_id, BlockIndex=index, BlockToken=tokens[index]
            )
            if hashlib.sha256(answer["BlockData"].read()).digest() != bodies[index].digest:
                raise BenchmarkError(f"Block {index} does not read as it was written.")


def ebs_client(service: Service) -> Any:
    """Return botocore's client: the few calls that are not measured go the way any client's do."""
    return botocore.session.Session().create_client(
        "ebs",
        region_name=service.region,
        endpoint_url=service.endpoint,
        aws_access_key_id=service.access_key_id,
        aws_secret_access_key=service.secret,
        config=botocore.config.Config(retries={"total_max_attempts": 1}, read_timeout=_SEAL_S_MAX),
    )


def complete(client: Any, snapshot_id: str, block_count: int) -> None:
    """Complete a snapshot and wait until it can be read."""
    client.complete_snapshot(SnapshotId=snapshot_id, ChangedBlocksCount=block_count)
    deadline_s = time.monotonic() + _SEAL_S_MAX
    while time.monotonic() < deadline_s:
        try:
            client.list_snapshot_blocks(SnapshotId=snapshot_id, MaxResults=100)
        except client.exceptions.ResourceNotFoundException:
            time.sleep(0.02)
        else:
            return
    raise BenchmarkError(f"The snapshot was not completed within {_SEAL_S_MAX} s.")


def listed_blocks(client: Any, snapshot_id: str) -> Iterator[tuple[int, str]]:
    """Yield index and token of every block of a snapshot."""
    parameters = {"SnapshotId": snapshot_id}
    while True:
        page = client.list_snapshot_blocks(**parameters)
        for block in page["Blocks"]:
            yield block["BlockIndex"], block["BlockToken"]
        if not page.get("NextToken"):
            return
        parameters["NextToken"] = page["NextToken"]


def _block_targets(client: Any, snapshot_id: str) -> list[str]:
    return [
        f"/snapshots/{snapshot_id}/blocks/{index}?blockToken={token}"
        for index, token in listed_blocks(client, snapshot_id)
    ]


def _settle() -> None:
    """Let the disk finish what was written: the next run starts from the same rest."""
    os.sync()


def mib_per_s(measurement: Measurement) -> float:
    """Return the rate of block bytes."""
    return measurement.per_s * BLOCK_BYTES / (1 << 20)
