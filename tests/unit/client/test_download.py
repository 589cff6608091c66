"""Downloads from a service of dictionaries: what arrives, and what a failure leaves."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neve.client.download import download
from neve.client.errors import (
    AnswerDamaged,
    AnswerUnexpected,
    SnapshotFailed,
    SnapshotMissing,
    TargetUnusable,
)
from neve.client.parents import no_parent, open_parent
from neve.client.upload import UploadOrder, upload
from neve.limits import TINY
from neve.messages.ebs import (
    Block,
    GetSnapshotBlockRequest,
    GetSnapshotBlockResponse,
    ListSnapshotBlocksRequest,
    ListSnapshotBlocksResponse,
    StartSnapshotRequest,
)
from neve.testing.client_kit import MemorySource, MemoryTarget, client_over
from neve.testing.memory_ebs import MemoryEbs

BLOCK = TINY.block_bytes
VOLUME_BYTES = TINY.block_bytes * TINY.blocks_per_gib

fills = st.lists(st.integers(0, 2), min_size=1, max_size=60)


def image(block_fills: list[int]) -> bytes:
    return b"".join(bytes([fill]) * BLOCK for fill in block_fills)


def sent(api: MemoryEbs, folder: Path, content: bytes, *, send_zeros: bool = False) -> str:
    order = UploadOrder(send_zero_blocks=send_zeros)
    return upload(client_over(api, folder), MemorySource(content), no_parent(), order).snapshot_id


class Opener:
    """Opens one memory target and keeps it for looking at."""

    def __init__(self, *, in_order: bool = False, capacity_bytes: int | None = None) -> None:
        self.targets: list[MemoryTarget] = []
        self._make: Callable[[int], MemoryTarget] = lambda volume_bytes: MemoryTarget(
            volume_bytes, in_order=in_order, capacity_bytes=capacity_bytes
        )

    def __call__(self, volume_bytes: int) -> MemoryTarget:
        self.targets.append(self._make(volume_bytes))
        return self.targets[-1]

    @property
    def only(self) -> MemoryTarget:
        (target,) = self.targets
        return target


@settings(max_examples=40)
@given(block_fills=fills, send_zeros=st.booleans(), in_order=st.booleans(), page_results=st.integers(1, 30))
def test_the_whole_volume_arrives_zeros_included(
    tmp_path_factory: pytest.TempPathFactory,
    block_fills: list[int],
    send_zeros: bool,
    in_order: bool,
    page_results: int,
) -> None:
    folder = tmp_path_factory.mktemp("maps")
    api = MemoryEbs(page_results=page_results)
    snapshot_id = sent(api, folder, image(block_fills), send_zeros=send_zeros)
    opener = Opener(in_order=in_order)
    report = download(client_over(api, folder), snapshot_id, opener)
    assert opener.only.outcome == "committed"
    assert opener.only.content == image(block_fills).ljust(VOLUME_BYTES, b"\0")
    assert report.fetched_blocks == len(api.snapshots[snapshot_id].image)


def test_what_was_downloaded_is_remembered_for_the_next_upload(tmp_path: Path) -> None:
    api = MemoryEbs()
    snapshot_id = sent(api, tmp_path / "elsewhere", image([1, 2, 0, 1]))
    client = client_over(api, tmp_path)
    download(client, snapshot_id, Opener())
    reads = api.calls["get_snapshot_block"]
    report = upload(
        client, MemorySource(image([1, 2, 2, 1])), open_parent(client, snapshot_id), UploadOrder()
    )
    assert report.sent_blocks == 1
    assert api.calls["get_snapshot_block"] == reads


def test_a_listing_goes_on_when_its_page_token_has_expired(tmp_path: Path) -> None:
    class SlowEbs(MemoryEbs):
        """An hour passes after every fifth listing call."""

        def list_snapshot_blocks(self, request: ListSnapshotBlocksRequest) -> ListSnapshotBlocksResponse:
            if self.calls.get("list_snapshot_blocks", 0) % 5 == 4:
                self.expire_page_tokens()
            return super().list_snapshot_blocks(request)

    api = SlowEbs(page_results=7)
    block_fills = [1, 2, 0] * 30
    snapshot_id = sent(api, tmp_path, image(block_fills))
    opener = Opener()
    download(client_over(api, tmp_path), snapshot_id, opener)
    assert opener.only.content == image(block_fills).ljust(VOLUME_BYTES, b"\0")


def test_a_completed_snapshot_may_be_unreadable_for_a_while(tmp_path: Path) -> None:
    """LIVE, contract 3.1: EC2 may call a snapshot completed up to a minute before EBS knows it."""

    class SlowlyReadableEbs(MemoryEbs):
        def list_snapshot_blocks(self, request: ListSnapshotBlocksRequest) -> ListSnapshotBlocksResponse:
            if self.calls.get("list_snapshot_blocks", 0) < 3:
                self._count("list_snapshot_blocks")
                raise SnapshotMissing("not yet")
            return super().list_snapshot_blocks(request)

    api = SlowlyReadableEbs()
    snapshot_id = sent(api, tmp_path, image([1]))
    opener = Opener()
    download(client_over(api, tmp_path), snapshot_id, opener)
    assert opener.only.outcome == "committed"


# --- refusals


@pytest.mark.parametrize(
    ("state", "error", "says"),
    [
        ("pending", SnapshotMissing, "is pending"),
        ("error", SnapshotFailed, "Snapshot timed out"),
        ("gone", SnapshotMissing, "does not exist"),
    ],
)
def test_a_snapshot_that_cannot_be_read_says_why(
    tmp_path: Path, state: str, error: type[Exception], says: str
) -> None:
    api = MemoryEbs()
    snapshot_id = api.start_snapshot(StartSnapshotRequest(volume_size=1)).snapshot_id
    held = api.snapshots[snapshot_id]
    held.state, held.message = state, "Snapshot timed out"
    if state == "gone":
        del api.snapshots[snapshot_id]
    opener = Opener()
    with pytest.raises(error, match=says):
        download(client_over(api, tmp_path), snapshot_id, opener)
    assert opener.targets == []


class DamagingEbs(MemoryEbs):
    """Every answer for one block has a flipped bit."""

    def get_snapshot_block(self, request: GetSnapshotBlockRequest) -> GetSnapshotBlockResponse:
        answer = super().get_snapshot_block(request)
        if request.block_index != 3:
            return answer
        return replace(answer, block_data=bytes([answer.block_data[0] ^ 1]) + answer.block_data[1:])


@pytest.mark.parametrize("in_order", [False, True])
def test_a_block_that_stays_damaged_discards_everything(tmp_path: Path, in_order: bool) -> None:
    api = DamagingEbs()
    snapshot_id = sent(api, tmp_path / "elsewhere", image([1] * 9))
    opener = Opener(in_order=in_order)
    with pytest.raises(AnswerDamaged, match="block 3 "):
        download(client_over(api, tmp_path / "here"), snapshot_id, opener)
    assert opener.only.outcome == "discarded"
    assert list(tmp_path.glob("here/*/*")) == [], "nothing is remembered of it"


def test_a_listing_out_of_order_is_not_believed(tmp_path: Path) -> None:
    class ConfusedEbs(MemoryEbs):
        def list_snapshot_blocks(self, request: ListSnapshotBlocksRequest) -> ListSnapshotBlocksResponse:
            answer = super().list_snapshot_blocks(request)
            return replace(answer, blocks=(*answer.blocks, Block(0, answer.blocks[0].block_token)))

    api = ConfusedEbs()
    snapshot_id = sent(api, tmp_path, image([1, 1]))
    opener = Opener()
    with pytest.raises(AnswerUnexpected, match="block 0 after block 1"):
        download(client_over(api, tmp_path), snapshot_id, opener)
    assert opener.only.outcome == "discarded"


# --- targets smaller than the volume


def test_a_volume_goes_back_to_a_device_of_the_size_it_came_from(tmp_path: Path) -> None:
    api = MemoryEbs()
    content = image([1, 2, 0, 1]) + b"end of the device"
    snapshot_id = sent(api, tmp_path, content)
    opener = Opener(capacity_bytes=len(content))
    download(client_over(api, tmp_path), snapshot_id, opener)
    assert opener.only.content == content


@pytest.mark.parametrize("capacity_bytes", [3 * BLOCK + 5, 3 * BLOCK, 1])
def test_a_target_too_small_for_the_data_is_refused_before_it_is_touched(
    tmp_path: Path, capacity_bytes: int
) -> None:
    api = MemoryEbs()
    snapshot_id = sent(api, tmp_path, image([1, 2, 0, 1]))
    opener = Opener(capacity_bytes=capacity_bytes)
    with pytest.raises(TargetUnusable, match="data behind that"):
        download(client_over(api, tmp_path), snapshot_id, opener)
    assert opener.only.content == b"?" * capacity_bytes
