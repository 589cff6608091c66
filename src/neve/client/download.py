"""Fetching a volume: list its blocks, read and verify each, put them where they belong.

    listing ─▶ get ─▶ checksum right? ─▶ write ─▶ in order: zeros in between, streams, digest map
                └─────── in many threads ──────┘   └────────── in the caller's thread ─────────┘

A target is committed only when every block was verified; otherwise it is discarded, and nothing that looks
whole is left behind.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from neve.client.context import ClientContext
from neve.client.digest_maps import MapWriter
from neve.client.errors import ClientError, TargetUnusable
from neve.client.plan import ListedBlock
from neve.client.reading import Listing, list_blocks, read_block
from neve.client.retries import Patience
from neve.client.snapshots import describe
from neve.client.targets import Target
from neve.domain.blocks import BlockIndex, Digest, zero_block_digest

_WINDOW_FOR_EACH_WORKER: Final = 64
_WINDOW_FOR_EACH_WORKER_IN_ORDER: Final = 2
"""Blocks of a stream wait in memory for those before them: two a worker keep everybody busy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadReport:
    """What a download did."""

    snapshot_id: str
    volume_gib: int
    volume_bytes: int
    fetched_blocks: int
    fetched_bytes: int


@dataclass(frozen=True, slots=True)
class _Fetched:
    index: BlockIndex
    digest: Digest
    data: bytes
    """Empty if it was written already."""


def download(client: ClientContext, snapshot_id: str, target_for: Callable[[int], Target]) -> DownloadReport:
    """Write the volume of a completed snapshot to the target that `target_for` makes for its size in bytes.

    Raises:
        SnapshotMissing, SnapshotFailed, TargetUnusable, ClientError, KeyboardInterrupt: the target was discarded.
    """
    listing = list_blocks(client, snapshot_id)
    volume_bytes = listing.volume_gib * client.gib_bytes
    client.meter.expect(_present_bytes(client, snapshot_id))
    target = target_for(volume_bytes)
    try:
        target.prepare()
        if target.capacity_bytes < volume_bytes:
            _check_fits(client, snapshot_id, target, volume_bytes)
        run = _Download(client, snapshot_id, target)
        with client.maps.writer(
            snapshot_id, volume_gib=listing.volume_gib, block_bytes=client.limits.block_bytes
        ) as digest_map:
            run.fetch(listing, digest_map, volume_bytes)
            target.commit()
            if digest_map.commit():
                client.maps.make_room()
    except BaseException:
        target.discard()
        raise
    return DownloadReport(
        snapshot_id=snapshot_id,
        volume_gib=listing.volume_gib,
        volume_bytes=volume_bytes,
        fetched_blocks=run.fetched_blocks,
        fetched_bytes=run.fetched_blocks * client.limits.block_bytes,
    )


def _present_bytes(client: ClientContext, snapshot_id: str) -> int:
    """Return how much will be fetched, 0 if the service does not say: it is for the progress bar only."""
    with suppress(ClientError):
        return describe(client, snapshot_id, Patience(attempts_max=1)).full_snapshot_size_in_bytes or 0
    return 0


def _check_fits(client: ClientContext, snapshot_id: str, target: Target, volume_bytes: int) -> None:
    """Refuse, before anything is overwritten, a target too small for what the volume holds.

    Raises:
        TargetUnusable
    """
    block_bytes = client.limits.block_bytes
    last, room = divmod(target.capacity_bytes, block_bytes)
    for block in list_blocks(client, snapshot_id, starting_at=last).blocks:
        if block.index == last and not any(read_block(client, snapshot_id, block)[0][room:]):
            continue  # the end of what was uploaded lies in this block, and the rest of it is padding
        raise TargetUnusable(
            f"the target has {target.capacity_bytes} bytes, and the volume of {volume_bytes} has data behind that",
            advice="Choose a larger device, or download to a file.",
        )


class _Download:
    """One download under way. `_get` runs in the workers, everything else in the caller's thread."""

    def __init__(self, client: ClientContext, snapshot_id: str, target: Target) -> None:
        self._client = client
        self._snapshot_id = snapshot_id
        self._target = target
        self._block_bytes = client.limits.block_bytes
        self._zeros_digest = zero_block_digest(self._block_bytes)
        self._reached = 0
        self.fetched_blocks = 0

    def fetch(self, listing: Listing, digest_map: MapWriter, volume_bytes: int) -> None:
        """Write the whole volume to the target."""

        def finish(fetched: _Fetched) -> None:
            self._finish(fetched, digest_map)

        engine = self._client.engine
        per_worker = _WINDOW_FOR_EACH_WORKER_IN_ORDER if self._target.in_order else _WINDOW_FOR_EACH_WORKER
        engine.run_in_order(listing.blocks, self._get, finish, window=per_worker * engine.workers)
        self._zero_until(volume_bytes)

    def _get(self, block: ListedBlock) -> _Fetched:
        data, content = read_block(self._client, self._snapshot_id, block)
        if self._target.in_order:
            return _Fetched(block.index, content, data)
        self._client.engine.check()  # a stopped transfer must not touch the target any more
        offset = block.index * self._block_bytes
        if content == self._zeros_digest:
            self._target.zero(offset, offset + self._block_bytes)
        else:
            self._target.write(offset, data)
        return _Fetched(block.index, content, b"")

    def _finish(self, fetched: _Fetched, digest_map: MapWriter) -> None:
        offset = fetched.index * self._block_bytes
        self._zero_until(offset)
        if fetched.data:
            self._target.write(offset, fetched.data)
        self._reached = offset + self._block_bytes
        digest_map.add(fetched.index, fetched.digest)
        self.fetched_blocks += 1
        self._client.meter.advance(self._block_bytes, moved_bytes=self._block_bytes)

    def _zero_until(self, offset: int) -> None:
        if offset > self._reached:
            self._target.zero(self._reached, offset)
            self._reached = offset
