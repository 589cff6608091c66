"""Does anything grow with the volume's size? StartSnapshot with a parent, and ListChangedBlocks, from 1 GiB to 64 TiB.

For each size: a snapshot with blocks scattered over the whole volume, a child in which as many scattered blocks
differ, and then, on a server that was just started,

    ListChangedBlocks(parent, child)   the first call, which finds nothing in memory, and the median of many
    StartSnapshot(ParentSnapshotId)    the median of many

and the server's peak memory during all of it. The work of ListChangedBlocks follows the number of changes and of
block-map leaves they fall into; a volume of 1 GiB has two leaves, so its changes share them.
"""

import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks import programs
from benchmarks.programs import BenchmarkError, Programs, Replayed
from benchmarks.requests_file import (
    Pool,
    Request,
    Service,
    get_request,
    post_request,
    put_request,
    write_requests,
)
from benchmarks.throughput import complete, ebs_client

from neve.limits import STANDARD

SIZES_GIB: Final = (1, 64, 1024, 16_384, 65_536)
_CHANGES: Final = 1000
_WRITERS: Final = 8
_LISTS: Final = 50
_STARTS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeMeasurement:
    """What one volume size took."""

    volume_gib: int
    changed_blocks: int
    changed_leaves: int
    """Leaves of the block map that the changed blocks fall into: what the work follows."""
    start_p50_us: int
    start_max_us: int
    list_first_us: int
    list_p50_us: int
    list_max_us: int
    server_idle_bytes: int
    server_peak_bytes: int


class VolumeSizes:
    """The measurement of one size after another, each on a store of its own."""

    def __init__(self, tools: Programs, pool: Pool, directory: Path) -> None:
        self._tools = tools
        self._pool = pool
        self._directory = directory

    def measure(self, volume_gib: int) -> SizeMeasurement:
        """Prepare a pair of snapshots, start the server afresh, measure; leave nothing behind."""
        store, log = self._directory / "store", self._directory / "server.log"
        try:
            self._directory.mkdir(parents=True)
            credentials = programs.create_store(store)
            with programs.serving(store, credentials, log) as (_, service):
                parent, child = self._prepare(service, volume_gib)
            with programs.serving(store, credentials, log) as (process, service):
                idle_bytes = process.peak_bytes()
                changes = get_request(service, f"/snapshots/{child}/changedblocks?firstSnapshotId={parent}")
                first = self._replayed(service, [changes], 200)
                lists = self._replayed(service, [changes] * _LISTS, 200)
                starts = self._replayed(service, _starts(service, parent, volume_gib), 201)
                peak_bytes = process.peak_bytes()
                answer = ebs_client(service).list_changed_blocks(
                    FirstSnapshotId=parent, SecondSnapshotId=child
                )
            changed = [block["BlockIndex"] for block in answer["ChangedBlocks"]]
            return SizeMeasurement(
                volume_gib=volume_gib,
                changed_blocks=len(changed),
                changed_leaves=len({index // STANDARD.node_fanout for index in changed}),
                start_p50_us=starts.p50_us,
                start_max_us=starts.max_us,
                list_first_us=first.p50_us,
                list_p50_us=lists.p50_us,
                list_max_us=lists.max_us,
                server_idle_bytes=idle_bytes,
                server_peak_bytes=peak_bytes,
            )
        finally:
            shutil.rmtree(self._directory, ignore_errors=True)

    def _prepare(self, service: Service, volume_gib: int) -> tuple[str, str]:
        client = ebs_client(service)
        indexes = random.Random(volume_gib).sample(range(volume_gib * STANDARD.blocks_per_gib), _CHANGES)
        parent = self._written(client, service, {"VolumeSize": volume_gib}, indexes)
        child = self._written(
            client, service, {"VolumeSize": volume_gib, "ParentSnapshotId": parent}, indexes
        )
        return parent, child

    def _written(
        self, client: Any, service: Service, parameters: dict[str, Any], indexes: Sequence[int]
    ) -> str:
        snapshot_id = str(client.start_snapshot(**parameters)["SnapshotId"])
        puts = [put_request(service, snapshot_id, index, self._pool.sparse_body()) for index in indexes]
        self._replayed(service, puts, 201, connections=_WRITERS)
        complete(client, snapshot_id, len(indexes))
        return snapshot_id

    def _replayed(
        self, service: Service, requests: Sequence[Request], status: int, *, connections: int = 1
    ) -> Replayed:
        path = self._directory / "requests"
        write_requests(path, requests, status=status)
        replayed = self._tools.replay(service.host, service.port, connections, path, self._pool.path)
        if replayed.failures:
            raise BenchmarkError(f"{replayed.failures} requests failed: {replayed.statuses}.")
        return replayed


def _starts(service: Service, parent: str, volume_gib: int) -> list[Request]:
    body = json.dumps({"VolumeSize": volume_gib, "ParentSnapshotId": parent}).encode()
    return [post_request(service, "/snapshots", body) for _ in range(_STARTS)]
