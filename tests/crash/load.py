"""Writers that keep a server busy until it is killed, and remember exactly what it acknowledged.

    acknowledged    a put that was answered 201: must be there after any crash
    unanswered      a put that was on its way when the server died: may be there or not

Each writer owns the indexes that leave its number as remainder, so that puts of one index never overtake each
other and the last one acknowledged is the one that counts. Contents follow from a seed: most are small once
compressed, so that a long campaign fits on a disk; some are not, some are zeros, some come again and again.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from random import Random
from threading import Condition, Event
from typing import Any
from urllib.parse import quote

from neve.auth import sigv4
from neve.auth.payload import EMPTY_BODY_HASH, UNSIGNED_PAYLOAD
from neve.clock import SystemClock
from neve.domain.blocks import Digest, LinearAggregate, checksum_b64, digest
from neve.limits import KIB, STANDARD
from neve.messages.http import RequestHead
from neve.testing.server import ServerProcess

WRITERS = 32
READERS = 8
PATIENCE_S = 60
"""A server that says nothing for so long is stuck, on the slowest machine."""

_SEEDS = 1 << 40
_POPULAR_SEEDS = 64
_ROWS = (0, 1, 2, 3, 31, 32, 33, 63)
"""Which of its indexes a writer uses: few, so that many are overwritten, and in both leaves of a 1 GiB volume."""
INDEXES_MAX = len(_ROWS) * WRITERS

Digests = Mapping[int, Digest]


def content(seed: int) -> bytes:
    """Return the block that a seed stands for."""
    if seed % 16 == 0:
        return bytes(STANDARD.block_bytes)
    noise_bytes = STANDARD.block_bytes if seed % 16 == 1 else 8 * KIB
    noise = hashlib.shake_128(seed.to_bytes(8)).digest(noise_bytes)
    return noise + bytes(STANDARD.block_bytes - noise_bytes)


class ConnectionLost(Exception):
    """The server closed the connection, or is not there, before it answered."""


class Wire:
    """One connection that signs for itself: a fraction of what an SDK costs, so that the server is the one at work."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        host, port = server.address
        self._host = f"{host}:{port}"
        self._connection = HTTPConnection(host, port, timeout=PATIENCE_S)

    def put(self, snapshot_id: str, index: int, data: bytes) -> Digest:
        """Write one block; return its digest once it is acknowledged.

        Raises:
            ConnectionLost: nobody knows what became of it.
        """
        found = digest(data)
        headers = [
            ("x-amz-Data-Length", str(len(data))),
            ("x-amz-Checksum", checksum_b64(found)),
            ("x-amz-Checksum-Algorithm", "SHA256"),
        ]
        target = f"/snapshots/{snapshot_id}/blocks/{index}"
        status, answer = self._ask("PUT", target, headers, data)
        assert status == 201, answer
        return found

    def get(self, snapshot_id: str, index: int, token: str) -> bytes:
        """Read one block."""
        target = f"/snapshots/{snapshot_id}/blocks/{index}?blockToken={quote(token, safe='')}"
        status, answer = self._ask("GET", target, [], b"")
        assert status == 200, answer
        return answer

    def close(self) -> None:
        self._connection.close()

    def _ask(
        self, method: str, target: str, headers: list[tuple[str, str]], body: bytes
    ) -> tuple[int, bytes]:
        head = RequestHead(method=method, raw_target=target, headers=[("Host", self._host), *headers])
        added = sigv4.sign(
            head,
            access_key_id=self._server.access_key_id,
            secret=self._server.secret_access_key,
            region=self._server.region,
            service="ebs",
            now_ms=SystemClock().now_ms(),
            payload_hash=UNSIGNED_PAYLOAD if body else EMPTY_BODY_HASH,
        )
        try:
            self._connection.request(method, target, body or None, dict([*head.headers, *added]))
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (OSError, HTTPException) as error:
            self._connection.close()
            raise ConnectionLost(repr(error)) from error


@dataclass(slots=True)
class Writing:
    """A pending snapshot, as those who write it remember it."""

    snapshot_id: str
    inherited: Digests
    acknowledged: dict[int, Digest] = field(default_factory=dict)
    unanswered: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Seeds by index, the newest last: none of them was answered, any may be what the server has."""

    def put(self, wire: Wire, index: int, seed: int) -> None:
        """Write one block and remember how it went.

        Raises:
            ConnectionLost
        """
        self.unanswered[index].append(seed)
        self.acknowledged[index] = wire.put(self.snapshot_id, index, content(seed))
        del self.unanswered[index]

    def ask_again(self, wire: Wire, chance: Random) -> None:
        """Send what was not answered once more, as a client does; now and then only where it must be.

        An index that was never acknowledged must be: otherwise nobody could say how many blocks there are.
        """
        leave_some = chance.random() < 0.5
        for index, seeds in list(self.unanswered.items()):
            if not (leave_some and index in self.acknowledged):
                self.put(wire, index, seeds[-1])

    def complete(self, ebs: Any) -> None:
        """Complete the snapshot: with an aggregate if every block is certain, with the count alone if not."""
        claim = {}
        if not self.unanswered:
            aggregate = LinearAggregate()
            for index in sorted(self.acknowledged):
                aggregate.add(self.acknowledged[index])
            claim = {
                "Checksum": checksum_b64(aggregate.digest()),
                "ChecksumAlgorithm": "SHA256",
                "ChecksumAggregationMethod": "LINEAR",
            }
        ebs.complete_snapshot(SnapshotId=self.snapshot_id, ChangedBlocksCount=len(self.acknowledged), **claim)

    def lost(self, found: Digests) -> list[int]:
        """Return the indexes at which a completed snapshot is not what it may be."""
        allowed = {index: {known} for index, known in {**self.inherited, **self.acknowledged}.items()}
        for index, seeds in self.unanswered.items():
            allowed[index] |= {digest(content(seed)) for seed in seeds}
        indexes = allowed.keys() | found.keys()
        return sorted(index for index in indexes if found.get(index) not in allowed.get(index, ()))


class Load:
    """The writers, at work on a few snapshots from `start` until the server is gone."""

    def __init__(self, server: ServerProcess, writings: Sequence[Writing], chance: Random) -> None:
        self._server = server
        self._writings = writings
        self._seeds = [chance.randrange(_SEEDS) for _ in range(WRITERS)]
        self._progress = Condition()
        self._acknowledged = 0
        self._running = 0
        self._going = Event()
        self._pool = ThreadPoolExecutor(WRITERS)
        self._writers: list[Future[None]] = []

    def start(self) -> None:
        """Let the writers go."""
        self._running = WRITERS
        self._writers = [self._pool.submit(self._write, number) for number in range(WRITERS)]

    def wait_acknowledged(self, count: int) -> None:
        """Return when so many puts were acknowledged."""
        with self._progress:
            arrived = self._progress.wait_for(
                lambda: self._acknowledged >= count or self._running < WRITERS, timeout=PATIENCE_S
            )
        assert arrived, f"{self._acknowledged} of {count} puts in {PATIENCE_S} s"

    def end(self, die: Callable[[], None]) -> int:
        """Let the server `die`; return how many puts it had acknowledged. The writers find out by themselves."""
        self._going.set()
        die()
        self._pool.shutdown()
        for writer in self._writers:
            writer.result()
        return self._acknowledged

    def _write(self, number: int) -> None:
        chance = Random(self._seeds[number])
        wire = Wire(self._server)
        try:
            while True:
                index = number + WRITERS * chance.choice(_ROWS)
                seeds = _POPULAR_SEEDS if chance.random() < 0.1 else _SEEDS
                chance.choice(self._writings).put(wire, index, chance.randrange(seeds))
                with self._progress:
                    self._acknowledged += 1
                    self._progress.notify()
        except ConnectionLost:
            if not self._going.is_set():
                raise
        finally:
            wire.close()
            with self._progress:
                self._running -= 1
                self._progress.notify()


def read(server: ServerProcess, snapshot_id: str, *, only: int = 0, chance: Random) -> dict[int, Digest]:
    """Return the digest of what every block of a completed snapshot really holds, or of `only` so many."""
    # One page holds more blocks than a campaign writes.
    listed = server.client("ebs").list_snapshot_blocks(SnapshotId=snapshot_id)
    assert "NextToken" not in listed
    tokens = {block["BlockIndex"]: block["BlockToken"] for block in listed["Blocks"]}
    indexes = sorted(tokens)
    if 0 < only < len(indexes):
        indexes = chance.sample(indexes, only)

    def read_some(mine: Iterable[int]) -> dict[int, Digest]:
        wire = Wire(server)
        try:
            return {index: digest(wire.get(snapshot_id, index, tokens[index])) for index in mine}
        finally:
            wire.close()

    with ThreadPoolExecutor(READERS) as pool:
        parts = pool.map(read_some, [indexes[number::READERS] for number in range(READERS)])
        return {index: found for part in parts for index, found in part.items()}


def wait_completed(server: ServerProcess, snapshot_id: str) -> None:
    """Return when a snapshot is completed; an error is an error."""
    waiter = server.client("ec2").get_waiter("snapshot_completed")
    waiter.wait(SnapshotIds=[snapshot_id], WaiterConfig={"Delay": 0.05, "MaxAttempts": 1200})
