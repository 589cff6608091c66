"""Does DescribeSnapshots grow with the number of snapshots? Its pages and walks, from 1,000 snapshots to 100,000.

For each number: a store with as many snapshots, a tenth of them pending and a few in error, each with two tags; then, on a
server that was just started, the first page and the whole walk of each call that clients make. Answers are counted and
not parsed, so that the times are the server's. Every snapshot must be shown exactly once, or there are no numbers.

The records are written by the metadata store's own functions, many to a transaction: through the API it would take
an hour, and read the same.
"""

import http.client
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final
from urllib.parse import quote, urlencode

from benchmarks import programs
from benchmarks.programs import BenchmarkError, Credentials, Process
from benchmarks.requests_file import Service
from benchmarks.throughput import ebs_client

from neve.auth import payload, sigv4
from neve.domain.blocks import ChunkId
from neve.domain.identities import AccountId, DomainKey, SnapshotId
from neve.domain.snapshots import CompletionClaim, Sealed
from neve.messages.http import RequestHead
from neve.stores.metadata.contract import SnapshotStart
from neve.stores.metadata.records import accounts, snapshots, starting
from neve.stores.metadata.session import Session
from neve.stores.metadata.sqlite_database import SqliteDatabase
from neve.wire.ec2query import API_VERSION

SNAPSHOT_COUNTS: Final = (1_000, 10_000, 100_000)
_TRANSACTION_SNAPSHOTS: Final = 1_000
_RARE_EACH: Final = 100
"""One snapshot in so many has the tag that is looked for."""
_PENDING_EACH: Final = 10
_ERROR_EACH: Final = 1_000
_FIRST_PAGES: Final = 9

CALLS: Final[Mapping[str, Mapping[str, str]]] = {
    "all, pages of 1000": {"MaxResults": "1000"},
    "all, pages of 100": {"MaxResults": "100"},
    "own, pages of 1000": {"Owner.1": "self", "MaxResults": "1000"},
    "a tag that 1 in 100 has": {"Filter.1.Name": "tag:rare", "Filter.1.Value.1": "*"},
    "the same, own": {"Owner.1": "self", "Filter.1.Name": "tag-key", "Filter.1.Value.1": "rare"},
    "a tag that none has": {"Filter.1.Name": "tag:nobody", "Filter.1.Value.1": "x"},
    "a tag's value, 1 in 500": {"Filter.1.Name": "tag:Name", "Filter.1.Value.1": "host-7"},
    "a tag's value, wildcard": {"Filter.1.Name": "tag:Name", "Filter.1.Value.1": "host-7?"},
    "status=error": {"Filter.1.Name": "status", "Filter.1.Value.1": "error"},
    "description=*9": {"Filter.1.Name": "description", "Filter.1.Value.1": "*9"},
    "DescribeTags": {"Action": "DescribeTags", "MaxResults": "1000"},
    "DescribeTags of a key": {"Action": "DescribeTags", "Filter.1.Name": "key", "Filter.1.Value.1": "rare"},
}
"""What is measured, by the name it has in the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMeasurement:
    """What one call took over one number of snapshots."""

    call: str
    snapshots: int
    found: int
    pages: int
    first_page_ms: float
    """Median of several."""
    first_page_cpu_ms: float
    """What the server spent on each of them."""
    page_ms: float
    """Median over the walk."""
    walk_s: float
    walk_cpu_s: float
    idle_bytes: int
    """Resident memory before the walk."""
    grown_bytes: int
    """What the walk added to that at its peak."""


class ManySnapshots:
    """The measurement of one number of snapshots after another, each on a store of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def measure(self, count: int) -> list[CallMeasurement]:
        """Make the store, start the server, make every call; leave nothing behind."""
        store, log = self._directory / "store", self._directory / "server.log"
        try:
            self._directory.mkdir(parents=True)
            credentials = programs.create_store(store)
            with programs.serving(store, credentials, log) as (_, service):
                ebs_client(service).start_snapshot(VolumeSize=1)  # makes the account's domain
            _fill(store / "metadata.db", credentials, count)
            with programs.serving(store, credentials, log) as (process, service):
                warm = _Walker(service)
                warm.walk({"MaxResults": "5"}, pages_max=3)
                return [
                    _measured(name, count, process, service, parameters) for name, parameters in CALLS.items()
                ]
        finally:
            shutil.rmtree(self._directory, ignore_errors=True)


def _measured(
    name: str, count: int, process: Process, service: Service, parameters: Mapping[str, str]
) -> CallMeasurement:
    walker = _Walker(service)
    began_cpu_s = process.cpu_s()
    firsts = [walker.walk(parameters, pages_max=1).page_s[0] for _ in range(_FIRST_PAGES)]
    firsts_cpu_s = process.cpu_s() - began_cpu_s
    process.forget_peak()
    idle_bytes, began_cpu_s = process.resident_bytes(), process.cpu_s()
    walk = walker.walk(parameters)
    if len(set(walk.found)) != len(walk.found):
        raise BenchmarkError(f"{name}: something was shown twice.")
    if name.startswith(("all", "own")) and len(walk.found) != count + 1:
        raise BenchmarkError(f"{name}: {len(walk.found)} of {count + 1} snapshots were shown.")
    return CallMeasurement(
        call=name,
        snapshots=count,
        found=len(walk.found),
        pages=len(walk.page_s),
        first_page_ms=1000 * median(firsts),
        first_page_cpu_ms=1000 * firsts_cpu_s / _FIRST_PAGES,
        page_ms=1000 * median(walk.page_s),
        walk_s=sum(walk.page_s),
        walk_cpu_s=process.cpu_s() - began_cpu_s,
        idle_bytes=idle_bytes,
        grown_bytes=process.peak_bytes() - idle_bytes,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walk:
    page_s: Sequence[float]
    found: Sequence[bytes]


class _Walker:
    """Asks page after page over one connection."""

    _ITEM: Final = re.compile(rb"<item><snapshotId>([^<]*)|<key>([^<]*)</key><resourceId>([^<]*)")
    _NEXT: Final = re.compile(rb"<nextToken>([^<]*)")

    def __init__(self, service: Service) -> None:
        self._service = service
        self._connection = http.client.HTTPConnection(service.host, service.port)

    def walk(self, parameters: Mapping[str, str], *, pages_max: int | None = None) -> _Walk:
        page_s: list[float] = []
        found: list[bytes] = []
        asked = {"Action": "DescribeSnapshots", "Version": API_VERSION, **parameters}
        while pages_max is None or len(page_s) < pages_max:
            head = self._signed(asked)
            began_s = time.perf_counter()
            self._connection.request("GET", head.raw_target, headers=dict(head.headers))
            answer = self._connection.getresponse()
            body = answer.read()
            page_s.append(time.perf_counter() - began_s)
            if answer.status != 200:
                raise BenchmarkError(f"{answer.status}: {body.decode()}")
            found += [b" ".join(match.groups(b"")) for match in self._ITEM.finditer(body)]
            token = self._NEXT.search(body)
            if token is None:
                break
            asked["NextToken"] = token[1].decode()
        return _Walk(page_s=page_s, found=found)

    def _signed(self, parameters: Mapping[str, str]) -> RequestHead:
        head = RequestHead(
            method="GET",
            raw_target=f"/?{urlencode(sorted(parameters.items()), quote_via=quote)}",
            headers=[("Host", f"{self._service.host}:{self._service.port}")],
        )
        added = sigv4.sign(
            head,
            access_key_id=self._service.access_key_id,
            secret=self._service.secret,
            region=self._service.region,
            service="ec2",
            now_ms=time.time_ns() // 1_000_000,
            payload_hash=payload.EMPTY_BODY_HASH,
        )
        return RequestHead(method="GET", raw_target=head.raw_target, headers=[*head.headers, *added])


# --- the store


def _fill(path: Path, credentials: Credentials, count: int) -> None:
    database = SqliteDatabase(path)
    try:
        with database.writing() as session:
            domain_key = accounts.domains(session)[0].key
        for first in range(0, count, _TRANSACTION_SNAPSHOTS):
            with database.writing() as session:
                for number in range(first, min(first + _TRANSACTION_SNAPSHOTS, count)):
                    _add(session, AccountId(credentials.account_id), domain_key, number)
    finally:
        database.close()


def _add(session: Session, account_id: AccountId, domain_key: DomainKey, number: int) -> None:
    now_ms = time.time_ns() // 1_000_000
    tags = {"Name": f"host-{number % 500}", "policy": ("daily", "weekly", "monthly")[number % 3]}
    if number % _RARE_EACH == 0:
        tags["rare"] = str(number)
    start = SnapshotStart(
        snapshot_id=SnapshotId(f"snap-{number:017x}"),
        account_id=account_id,
        domain_key=domain_key,
        parent_id=None,
        volume_gib=8,
        description=f"snapshot of vol-{number:017x} which ends with {number % 10}",
        timeout_minutes=60,
        tags=tags,
        now_ms=now_ms,
        client_token=None,
        fingerprint=b"",
        pending_max=0,
        snapshots_max=0,
    )
    key = starting.start_snapshot(session, start).snapshot.key
    if number % _PENDING_EACH:
        claim = CompletionClaim(changed_blocks_count=0, aggregate=None)
        snapshots.accept_completion(session, account_id, start.snapshot_id, claim, now_ms=now_ms)
        if number % _ERROR_EACH == 1:
            snapshots.fail_completion(session, key, "Checksum mismatch for snapshot", now_ms=now_ms)
        else:
            sealed = Sealed(root=ChunkId(number.to_bytes(32)), block_count=number % 16_384)
            snapshots.finish_completion(session, key, sealed, now_ms=now_ms)
