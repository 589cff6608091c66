"""Sending a disk: start a snapshot, write the blocks that matter, complete it with the checksum over them.

    source ─read─▶ zeros? ─▶ same as the parent's? ─▶ put ─▶ in order: aggregate, count, digest map
            └───────────── in many threads ─────────────┘     └── in the caller's thread ──┘

What becomes of a snapshot that cannot be finished is `pending.py`'s to say.
"""

from dataclasses import dataclass
from typing import Final

from neve.client import plan
from neve.client.context import ClientContext
from neve.client.digest_maps import MapWriter
from neve.client.errors import AnswerDamaged, ClientError, SnapshotMissing, SourceUnusable
from neve.client.parents import Parent
from neve.client.pending import PendingSnapshot
from neve.client.plan import KnownBlock, ListedBlock, NoBlock, Step, Verdict
from neve.client.reading import read_block
from neve.client.retries import STEADY
from neve.client.sources import Source
from neve.domain.blocks import (
    BlockIndex,
    Digest,
    LinearAggregate,
    checksum_b64,
    digest,
    zero_block,
    zero_block_digest,
)
from neve.messages.ebs import PutSnapshotBlockRequest, StartSnapshotRequest, Tag

_WINDOW_FOR_EACH_WORKER: Final = 64
"""Finished steps hold a digest each, no data: a slow block may hold up the order, not the other workers."""
_APPEARS_WITHIN_S: Final = 120.0
"""Contract 3.1: to the live service's writers, a new snapshot may not exist for up to two minutes."""
_CLIENT_TOKEN_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadOrder:
    """What somebody wants uploaded, besides the bytes."""

    volume_gib: int = 0
    """0: the smallest that holds the image and the parent."""
    description: str = ""
    tags: tuple[Tag, ...] = ()
    timeout_minutes: int = 60
    """How long the service keeps an unfinished snapshot after its last block."""
    send_zero_blocks: bool = False
    keep_on_failure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadReport:
    """What an upload did."""

    snapshot_id: str
    parent_snapshot_id: str
    volume_gib: int
    status: str
    """What CompleteSnapshot answered."""
    sent_blocks: int
    kept_blocks: int
    """Equal to the parent's."""
    passed_blocks: int
    """Read, and zeros that need not be sent."""
    sent_bytes: int
    checksum: str
    """The LINEAR aggregate of what was sent, in the API's form."""


@dataclass(frozen=True, slots=True)
class _Looked:
    """A step after it was looked at."""

    index: BlockIndex
    digest: Digest
    verdict: Verdict
    fetched: bool
    """The parent's block was read back for it."""


def upload(client: ClientContext, source: Source, parent: Parent, order: UploadOrder) -> UploadReport:
    """Make a snapshot of `source` and complete it. Every call makes a new one.

    Raises:
        SourceUnusable, ClientError, KeyboardInterrupt: with a note on what became of the snapshot.
    """
    try:
        return _upload(client, source, parent, order)
    finally:
        parent.close()


def _upload(client: ClientContext, source: Source, parent: Parent, order: UploadOrder) -> UploadReport:
    try:
        volume_gib = plan.volume_gib_for(
            source.size_bytes, client.gib_bytes, wanted_gib=order.volume_gib, parent_gib=parent.volume_gib
        )
    except ValueError as error:
        raise SourceUnusable(
            f"--volume-size {order.volume_gib} is too small: {error}",
            advice="Leave it out, or give a larger one.",
        ) from error
    request = StartSnapshotRequest(
        volume_size=volume_gib,
        parent_snapshot_id=parent.snapshot_id or None,
        tags=order.tags or None,
        description=order.description or None,
        # One token for all attempts: an attempt whose answer was lost is answered again, not done again.
        client_token=client.engine.entropy.take(_CLIENT_TOKEN_BYTES).hex(),
        timeout=order.timeout_minutes,
    )
    pending = PendingSnapshot(client, request, keep_on_failure=order.keep_on_failure)
    try:
        pending.start()
        run = _Upload(client, source, pending.snapshot_id, send_zeros=order.send_zero_blocks)
        with client.maps.writer(
            pending.snapshot_id, volume_gib=volume_gib, block_bytes=client.limits.block_bytes
        ) as digest_map:
            run.send(parent, digest_map)
            aggregate = run.aggregate.digest()
            status = pending.complete(block_count=run.counts[Verdict.SEND], aggregate=aggregate)
            if digest_map.commit():
                client.maps.make_room()
    except BaseException as error:
        pending.abandon(error)
        raise
    return UploadReport(
        snapshot_id=pending.snapshot_id,
        parent_snapshot_id=parent.snapshot_id,
        volume_gib=volume_gib,
        status=status,
        sent_blocks=run.counts[Verdict.SEND],
        kept_blocks=run.counts[Verdict.KEEP],
        passed_blocks=run.counts[Verdict.PASS],
        sent_bytes=run.counts[Verdict.SEND] * client.limits.block_bytes,
        checksum=checksum_b64(aggregate),
    )


class _Upload:
    """One upload under way. `_look` runs in the workers, everything else in the caller's thread."""

    def __init__(self, client: ClientContext, source: Source, snapshot_id: str, *, send_zeros: bool) -> None:
        self._client = client
        self._source = source
        self._snapshot_id = snapshot_id
        self._send_zeros = send_zeros
        self._block_bytes = client.limits.block_bytes
        self._zeros = zero_block(self._block_bytes)
        self._zeros_digest = zero_block_digest(self._block_bytes)
        self._started_s = client.engine.clock.monotonic_s()
        self.aggregate = LinearAggregate()
        self.counts = dict.fromkeys(Verdict, 0)

    def send(self, parent: Parent, digest_map: MapWriter) -> None:
        """Write every block that has to be written."""
        client = self._client
        data_blocks = sum(map(len, plan.block_ranges(self._source.extents(), self._block_bytes)))
        client.meter.expect(data_blocks * self._block_bytes)
        ranges = plan.block_ranges(self._source.extents(), self._block_bytes)

        def finish(looked: _Looked) -> None:
            self._finish(looked, digest_map)

        client.engine.run_in_order(
            plan.steps(ranges, parent.blocks),
            lambda step: self._look(step, parent.snapshot_id),
            finish,
            window=_WINDOW_FOR_EACH_WORKER * client.engine.workers,
        )

    def _look(self, step: Step, parent_id: str) -> _Looked:
        """Find out what a block holds and what becomes of it; if it is to be sent, send it."""
        data, content = self._zeros, self._zeros_digest
        if step.has_data:
            read = self._source.read_block(step.index * self._block_bytes, self._block_bytes)
            if read != self._zeros:
                data, content = read, digest(read)
        match step.parent:
            case NoBlock():
                verdict = plan.verdict_without_parent(
                    is_zero=data is self._zeros, send_zeros=self._send_zeros
                )
            case KnownBlock(digest=held):
                verdict = plan.verdict_with_parent(content, held)
            case ListedBlock() as listed:
                _, held = read_block(self._client, parent_id, listed)
                verdict = plan.verdict_with_parent(content, held)
        if verdict is Verdict.SEND:
            self._put(step.index, data, content)
        return _Looked(step.index, content, verdict, fetched=isinstance(step.parent, ListedBlock))

    def _put(self, index: BlockIndex, data: bytes, content: Digest) -> None:
        checksum = checksum_b64(content)
        request = PutSnapshotBlockRequest(
            snapshot_id=self._snapshot_id,
            block_index=index,
            block_data=data,
            data_length=len(data),
            checksum=checksum,
            checksum_algorithm="SHA256",
        )

        def attempt() -> None:
            if self._client.api.put_snapshot_block(request).checksum != checksum:
                raise AnswerDamaged(f"block {index} arrived with another checksum than it was sent with")

        self._client.engine.call(attempt, STEADY, worth_repeating=self._worth_repeating)

    def _worth_repeating(self, error: ClientError) -> bool:
        if isinstance(error, SnapshotMissing):
            return self._client.engine.clock.monotonic_s() - self._started_s < _APPEARS_WITHIN_S
        return error.safe_to_retry

    def _finish(self, looked: _Looked, digest_map: MapWriter) -> None:
        self.counts[looked.verdict] += 1
        if looked.verdict is Verdict.SEND:
            self.aggregate.add(looked.digest)
        if looked.verdict is not Verdict.PASS:
            digest_map.add(looked.index, looked.digest)
        transfers = int(looked.verdict is Verdict.SEND) + int(looked.fetched)
        self._client.meter.advance(self._block_bytes, moved_bytes=transfers * self._block_bytes)
