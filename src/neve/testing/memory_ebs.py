"""A service of dictionaries behind the client's own contract.

It knows nothing of chunks, stores or HTTP: tests of the client compare what arrived there with what was to be
sent. It is held to the same suite (`ebs_api_contract.py`) as the real client against a real server.
"""

import threading
from dataclasses import dataclass, field

from neve.client.errors import (
    AnswerDamaged,
    PageTokenRefused,
    ServiceRefused,
    SnapshotMissing,
)
from neve.domain.blocks import Digest, LinearAggregate, checksum_b64, digest
from neve.domain.copies import MESSAGE_SOURCE_NOT_FOUND
from neve.domain.snapshots import MESSAGE_CHECKSUM, MESSAGE_COUNT
from neve.limits import TINY, Limits
from neve.messages.ebs import (
    Block,
    ChangedBlock,
    CompleteSnapshotRequest,
    CompleteSnapshotResponse,
    GetSnapshotBlockRequest,
    GetSnapshotBlockResponse,
    ListChangedBlocksRequest,
    ListChangedBlocksResponse,
    ListSnapshotBlocksRequest,
    ListSnapshotBlocksResponse,
    PutSnapshotBlockRequest,
    PutSnapshotBlockResponse,
    StartSnapshotRequest,
    StartSnapshotResponse,
    Tag,
)
from neve.messages.ec2 import (
    CopySnapshotRequest,
    CopySnapshotResponse,
    DeleteSnapshotRequest,
    DescribeSnapshotsRequest,
    DescribeSnapshotsResponse,
    SnapshotDescription,
)

_OWNER = "111122223333"


@dataclass(kw_only=True)
class HeldSnapshot:
    """One snapshot: what was written to it, and the whole image."""

    snapshot_id: str
    lineage: str
    volume_gib: int
    description: str
    tags: tuple[Tag, ...]
    image: dict[int, bytes]
    written: dict[int, Digest] = field(default_factory=dict)
    state: str = "pending"
    message: str = ""
    describes_until_known: int = 0


class MemoryEbs:
    """`EbsApi` over dictionaries."""

    endpoint = "memory:"

    def __init__(
        self, limits: Limits = TINY, *, page_results: int = 10_000, pending_answers: int = 0
    ) -> None:
        """Pages hold `page_results` at most; `pending_answers` descriptions still say pending after completion."""
        self.limits = limits
        self.page_results = page_results
        self.pending_answers = pending_answers
        self.snapshots: dict[str, HeldSnapshot] = {}
        self.calls: dict[str, int] = {}
        self._started: dict[str, StartSnapshotResponse] = {}
        self._page_epoch = 0
        self._lock = threading.Lock()

    def expire_page_tokens(self) -> None:
        """Let an hour pass for every page token given out."""
        self._page_epoch += 1

    def held(self, snapshot_id: str, *states: str) -> HeldSnapshot:
        """Return a snapshot that is in one of the states.

        Raises:
            SnapshotMissing
        """
        snapshot = self.snapshots.get(snapshot_id)
        if snapshot is None or (states and snapshot.state not in states):
            raise SnapshotMissing(
                f"The snapshot '{snapshot_id}' does not exist.", reason="SNAPSHOT_NOT_FOUND"
            )
        return snapshot

    def start_snapshot(self, request: StartSnapshotRequest) -> StartSnapshotResponse:
        with self._lock:
            self._count("start_snapshot")
            if request.client_token in self._started:
                return self._started[request.client_token]
            image: dict[int, bytes] = {}
            snapshot_id = f"snap-{len(self._started):017x}"
            lineage = snapshot_id
            if request.parent_snapshot_id:
                parent = self.held(request.parent_snapshot_id, "completed")
                if request.volume_size < parent.volume_gib:
                    raise ServiceRefused("too small", reason="INVALID_VOLUME_SIZE")
                image, lineage = dict(parent.image), parent.lineage
            self.snapshots[snapshot_id] = HeldSnapshot(
                snapshot_id=snapshot_id,
                lineage=lineage,
                volume_gib=request.volume_size,
                description=request.description or "",
                tags=request.tags or (),
                image=image,
            )
            answer = StartSnapshotResponse(
                block_size=self.limits.block_bytes,
                description=request.description,
                kms_key_arn=None,
                owner_id=_OWNER,
                parent_snapshot_id=request.parent_snapshot_id,
                snapshot_id=snapshot_id,
                sse_type=None,
                start_time_ms=0,
                status="pending",
                tags=request.tags,
                volume_size=request.volume_size,
            )
            self._started[request.client_token or snapshot_id] = answer
            return answer

    def put_snapshot_block(self, request: PutSnapshotBlockRequest) -> PutSnapshotBlockResponse:
        content = digest(request.block_data)
        with self._lock:
            self._count("put_snapshot_block")
            if checksum_b64(content) != request.checksum or request.data_length != self.limits.block_bytes:
                raise AnswerDamaged("the checksum does not match")
            snapshot = self.held(request.snapshot_id, "pending")
            if request.block_index >= snapshot.volume_gib * self.limits.blocks_per_gib:
                raise ServiceRefused("beyond the volume", reason="INVALID_BLOCK")
            snapshot.written[request.block_index] = content
            snapshot.image[request.block_index] = bytes(request.block_data)
            return PutSnapshotBlockResponse(checksum=request.checksum, checksum_algorithm="SHA256")

    def complete_snapshot(self, request: CompleteSnapshotRequest) -> CompleteSnapshotResponse:
        with self._lock:
            self._count("complete_snapshot")
            snapshot = self.held(request.snapshot_id)
            if snapshot.state != "pending":
                return CompleteSnapshotResponse(status=snapshot.state)
            aggregate = LinearAggregate()
            for index in sorted(snapshot.written):
                aggregate.add(snapshot.written[index])
            snapshot.state = "completed"
            snapshot.describes_until_known = self.pending_answers
            if request.changed_blocks_count != len(snapshot.written):
                snapshot.state, snapshot.message = "error", MESSAGE_COUNT
            if request.checksum not in {None, checksum_b64(aggregate.digest())}:
                snapshot.state, snapshot.message = "error", MESSAGE_CHECKSUM
            return CompleteSnapshotResponse(status="pending")

    def list_snapshot_blocks(self, request: ListSnapshotBlocksRequest) -> ListSnapshotBlocksResponse:
        with self._lock:
            self._count("list_snapshot_blocks")
            snapshot = self.held(request.snapshot_id, "completed")
            page, token = self._page(
                sorted(snapshot.image), request.next_token, request.starting_block_index or 0
            )
            return ListSnapshotBlocksResponse(
                blocks=tuple(Block(index, self._token(snapshot, index)) for index in page),
                expiry_time_ms=0,
                volume_size=snapshot.volume_gib,
                block_size=self.limits.block_bytes,
                next_token=token,
            )

    def list_changed_blocks(self, request: ListChangedBlocksRequest) -> ListChangedBlocksResponse:
        with self._lock:
            self._count("list_changed_blocks")
            first = self.held(request.first_snapshot_id or "", "completed")
            second = self.held(request.second_snapshot_id, "completed")
            if first.lineage != second.lineage:
                raise ServiceRefused("not related", reason="UNRELATED_SNAPSHOTS")
            indexes = sorted(
                index
                for index in first.image.keys() | second.image.keys()
                if first.image.get(index) != second.image.get(index)
            )
            page, token = self._page(indexes, request.next_token, request.starting_block_index or 0)
            return ListChangedBlocksResponse(
                changed_blocks=tuple(
                    ChangedBlock(
                        index,
                        self._token(first, index) if index in first.image else None,
                        self._token(second, index) if index in second.image else None,
                    )
                    for index in page
                ),
                expiry_time_ms=0,
                volume_size=second.volume_gib,
                block_size=self.limits.block_bytes,
                next_token=token,
            )

    def get_snapshot_block(self, request: GetSnapshotBlockRequest) -> GetSnapshotBlockResponse:
        with self._lock:
            self._count("get_snapshot_block")
            snapshot = self.held(request.snapshot_id, "completed")
            if request.block_token != self._token(snapshot, request.block_index):
                raise ServiceRefused("wrong token", reason="INVALID_BLOCK_TOKEN")
            data = snapshot.image[request.block_index]
            return GetSnapshotBlockResponse(
                data_length=len(data),
                block_data=data,
                checksum=checksum_b64(digest(data)),
                checksum_algorithm="SHA256",
            )

    def describe_snapshots(self, request: DescribeSnapshotsRequest) -> DescribeSnapshotsResponse:
        with self._lock:
            self._count("describe_snapshots")
            ids = request.snapshot_ids or tuple(sorted(self.snapshots))
            held = [self.held(snapshot_id) for snapshot_id in ids]
            page, token = self._page(list(range(len(held))), request.next_token, 0)
            return DescribeSnapshotsResponse(
                snapshots=tuple(self._described(held[number]) for number in page), next_token=token
            )

    def copy_snapshot(self, request: CopySnapshotRequest) -> CopySnapshotResponse:
        """Begin a copy, which is done after `pending_answers` descriptions, each a bit further than the one before."""
        with self._lock:
            self._count("copy_snapshot")
            source = self.snapshots.get(request.source_snapshot_id)
            snapshot_id = f"snap-c{len(self.snapshots):016x}"
            copy = HeldSnapshot(
                snapshot_id=snapshot_id,
                lineage=snapshot_id,
                volume_gib=0 if source is None else source.volume_gib,
                description=request.description or "",
                tags=tuple(tag for each in request.tag_specifications for tag in each.tags),
                image={} if source is None else dict(source.image),
                state="completed",
                describes_until_known=self.pending_answers,
            )
            if source is None:
                copy.state, copy.message = "error", MESSAGE_SOURCE_NOT_FOUND
            self.snapshots[snapshot_id] = copy
            return CopySnapshotResponse(tags=copy.tags, snapshot_id=snapshot_id)

    def delete_snapshot(self, request: DeleteSnapshotRequest) -> None:
        with self._lock:
            self._count("delete_snapshot")
            self.held(request.snapshot_id)
            if request.dry_run:
                raise ServiceRefused("would have succeeded", code="DryRunOperation")
            del self.snapshots[request.snapshot_id]

    def _count(self, operation: str) -> None:
        self.calls[operation] = self.calls.get(operation, 0) + 1

    def _page(self, indexes: list[int], token: str | None, start: int) -> tuple[list[int], str | None]:
        """Return one page of the indexes and the token of the next; every page is followed by an empty one."""
        if token is not None:
            epoch, start, empty = map(int, token.split("x"))
            if epoch != self._page_epoch:
                raise PageTokenRefused("The pagination token is invalid.", reason="INVALID_PAGE_TOKEN")
            if empty:
                return [], f"{epoch}x{start}x0"
        found = [index for index in indexes if index >= start]
        page = found[: self.page_results]
        more = len(found) > len(page)
        return page, f"{self._page_epoch}x{page[-1] + 1}x1" if more else None

    @staticmethod
    def _token(snapshot: HeldSnapshot, index: int) -> str:
        return f"{snapshot.snapshot_id[5:]}x{index}"

    def _described(self, snapshot: HeldSnapshot) -> SnapshotDescription:
        state, percent = snapshot.state, 0
        if snapshot.describes_until_known:
            if snapshot.snapshot_id.startswith("snap-c"):
                percent = 100 - 100 * snapshot.describes_until_known // self.pending_answers
            snapshot.describes_until_known -= 1
            state = "pending"
        done = state == "completed"
        return SnapshotDescription(
            snapshot_id=snapshot.snapshot_id,
            volume_id="vol-ffffffff",
            state=state,
            state_message=snapshot.message if state == "error" else None,
            start_time_ms=0,
            progress="100%" if done else f"{percent}%",
            owner_id=_OWNER,
            volume_size=snapshot.volume_gib,
            description=snapshot.description,
            encrypted=False,
            kms_key_id=None,
            tags=snapshot.tags,
            storage_tier="standard",
            transfer_type="standard",
            completion_time_ms=0 if done else None,
            full_snapshot_size_in_bytes=len(snapshot.image) * self.limits.block_bytes if done else None,
        )
