"""Uploads into a service of dictionaries: what arrives, what is passed over, and what a failure leaves."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neve.client.context import ClientContext
from neve.client.errors import (
    AnswerUnexpected,
    ServiceRefused,
    SnapshotFailed,
    SnapshotMissing,
    SourceUnusable,
)
from neve.client.parents import Parent, no_parent, open_parent
from neve.client.upload import UploadOrder, UploadReport, upload
from neve.domain.blocks import LinearAggregate, checksum_b64, digest
from neve.limits import STANDARD, TINY
from neve.messages.ebs import (
    PutSnapshotBlockRequest,
    PutSnapshotBlockResponse,
    StartSnapshotRequest,
    StartSnapshotResponse,
    Tag,
)
from neve.testing.client_kit import MemorySource, client_over
from neve.testing.memory_ebs import MemoryEbs

BLOCK = TINY.block_bytes
VOLUME_BYTES = TINY.block_bytes * TINY.blocks_per_gib

fills = st.lists(st.integers(0, 2), min_size=1, max_size=40)
"""One byte for each block: few contents on purpose, zeros among them."""


def image(block_fills: list[int]) -> bytes:
    return b"".join(bytes([fill]) * BLOCK for fill in block_fills)


def read_volume(api: MemoryEbs, snapshot_id: str) -> bytes:
    volume = bytearray(api.snapshots[snapshot_id].volume_gib * VOLUME_BYTES)
    for index, data in api.snapshots[snapshot_id].image.items():
        volume[index * BLOCK : (index + 1) * BLOCK] = data
    return bytes(volume)


def send(
    client: ClientContext,
    content: bytes,
    parent: Parent | None = None,
    order: UploadOrder | None = None,
    extents: list[tuple[int, int]] | None = None,
) -> UploadReport:
    return upload(client, MemorySource(content, extents), parent or no_parent(), order or UploadOrder())


def forgetful(api: MemoryEbs, folder: Path) -> ClientContext:
    """A client that remembers nothing."""
    return client_over(api, folder / "empty")


# --- what arrives


@settings(max_examples=40)
@given(block_fills=fills, tail=st.binary(max_size=BLOCK - 1), send_zeros=st.booleans())
def test_the_image_arrives_with_the_checksum_over_what_was_sent(
    tmp_path_factory: pytest.TempPathFactory, block_fills: list[int], tail: bytes, send_zeros: bool
) -> None:
    api = MemoryEbs()
    client = client_over(api, tmp_path_factory.mktemp("maps"))
    content = image(block_fills) + tail
    report = send(client, content, order=UploadOrder(send_zero_blocks=send_zeros))
    held = api.snapshots[report.snapshot_id]
    assert held.state == "completed"
    assert read_volume(api, report.snapshot_id) == content.ljust(VOLUME_BYTES, b"\0")
    naive = LinearAggregate()
    for start in range(0, len(content), BLOCK):
        block = content[start : start + BLOCK].ljust(BLOCK, b"\0")
        if send_zeros or any(block):
            naive.add(digest(block))
    assert report.checksum == checksum_b64(naive.digest())
    assert report.sent_blocks == len(held.written)


@settings(max_examples=40)
@given(before=fills, after=fills, remembered=st.booleans())
def test_a_child_sends_exactly_the_blocks_that_differ(
    tmp_path_factory: pytest.TempPathFactory, before: list[int], after: list[int], remembered: bool
) -> None:
    folder = tmp_path_factory.mktemp("maps")
    api = MemoryEbs(page_results=7)
    client = client_over(api, folder)
    parent_id = send(client, image(before)).snapshot_id
    if not remembered:
        client = forgetful(api, folder)
    report = send(client, image(after), open_parent(client, parent_id))
    length = max(len(before), len(after))
    was, now = (each + [0] * (length - len(each)) for each in (before, after))
    assert set(api.snapshots[report.snapshot_id].written) == {
        index for index in range(length) if was[index] != now[index]
    }
    assert read_volume(api, report.snapshot_id) == image(after).ljust(VOLUME_BYTES, b"\0")
    assert ("get_snapshot_block" in api.calls) == (not remembered and any(before))


def test_generations_are_compared_by_memory_alone(tmp_path: Path) -> None:
    api = MemoryEbs()
    block_fills = [1, 2, 0, 1]
    client = client_over(api, tmp_path)
    snapshot_id = send(client, image(block_fills)).snapshot_id
    for index, fill in [(0, 0), (2, 1), (3, 2)]:
        block_fills[index] = fill
        client = client_over(api, tmp_path)
        report = send(client, image(block_fills), open_parent(client, snapshot_id))
        snapshot_id = report.snapshot_id
        assert report.sent_blocks == 1
    assert "get_snapshot_block" not in api.calls
    assert "list_snapshot_blocks" not in api.calls
    assert read_volume(api, snapshot_id) == image(block_fills).ljust(VOLUME_BYTES, b"\0")


def test_holes_are_not_read_and_hide_what_the_parent_holds(tmp_path: Path) -> None:
    api = MemoryEbs()
    client = client_over(api, tmp_path)
    parent_id = send(client, image([1, 1, 1, 1])).snapshot_id
    source = MemorySource(image([1, 0, 0, 1]), [(0, BLOCK), (3 * BLOCK, 4 * BLOCK)])
    report = upload(client, source, open_parent(client, parent_id), UploadOrder())
    assert sorted(source.reads) == [0, 3 * BLOCK]
    assert set(api.snapshots[report.snapshot_id].written) == {1, 2}
    assert read_volume(api, report.snapshot_id) == image([1, 0, 0, 1]).ljust(VOLUME_BYTES, b"\0")


def test_a_damaged_memory_is_made_good_by_reading_the_rest_back(tmp_path: Path) -> None:
    api = MemoryEbs()
    client = client_over(api, tmp_path)
    before = [1] * 1500
    parent_id = send(client, image(before)).snapshot_id
    (map_file,) = tmp_path.glob("*/*")
    map_file.write_bytes(map_file.read_bytes()[:-500])  # the second page of 1024 blocks
    told: list[str] = []
    client = client_over(api, tmp_path, told=told)
    after = [*before]
    after[10], after[1400] = 2, 2
    report = send(client, image(after), open_parent(client, parent_id))
    assert set(api.snapshots[report.snapshot_id].written) == {10, 1400}
    assert api.calls["get_snapshot_block"] == 1500 - 1024
    assert len(told) == 1
    assert "damaged from block 1024 on" in told[0]


def test_a_smaller_image_on_a_larger_parent_keeps_the_parents_size_and_zeroes_the_rest(
    tmp_path: Path,
) -> None:
    api = MemoryEbs()
    client = client_over(api, tmp_path)
    parent_id = send(client, image([1] * (TINY.blocks_per_gib + 3))).snapshot_id
    report = send(client, image([1, 1]), open_parent(client, parent_id))
    assert report.volume_gib == 2
    assert read_volume(api, report.snapshot_id) == image([1, 1]).ljust(2 * VOLUME_BYTES, b"\0")


def test_what_was_ordered_reaches_the_service(tmp_path: Path) -> None:
    api = MemoryEbs()
    order = UploadOrder(volume_gib=2, description="nightly", tags=(Tag("host", "db"),), timeout_minutes=10)
    report = send(client_over(api, tmp_path), image([1]), order=order)
    held = api.snapshots[report.snapshot_id]
    assert (held.volume_gib, held.description, held.tags) == (2, "nightly", (Tag("host", "db"),))


def test_a_volume_size_too_small_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    api = MemoryEbs()
    content = image([1] * (TINY.blocks_per_gib + 1))
    with pytest.raises(SourceUnusable, match="the image needs 2 GiB"):
        send(client_over(api, tmp_path), content, order=UploadOrder(volume_gib=1))
    assert api.calls == {}


# --- what a failure leaves


class RefusingEbs(MemoryEbs):
    """Refuses one block for good."""

    def put_snapshot_block(self, request: PutSnapshotBlockRequest) -> PutSnapshotBlockResponse:
        if request.block_index == 20:
            raise ServiceRefused("no more room for you")
        return super().put_snapshot_block(request)


def notes(error: BaseException) -> str:
    return " ".join(getattr(error, "__notes__", []))


def test_a_snapshot_that_cannot_be_finished_is_deleted(tmp_path: Path) -> None:
    api = RefusingEbs()
    with pytest.raises(ServiceRefused, match="no more room") as failure:
        send(client_over(api, tmp_path), image([1] * 40))
    assert api.snapshots == {}
    assert "was deleted" in notes(failure.value)
    assert list(tmp_path.glob("*/*")) == []


def test_a_snapshot_that_cannot_be_finished_is_left_if_so_ordered(tmp_path: Path) -> None:
    api = RefusingEbs()
    with pytest.raises(ServiceRefused) as failure:
        send(client_over(api, tmp_path), image([1] * 40), order=UploadOrder(keep_on_failure=True))
    assert [held.state for held in api.snapshots.values()] == ["pending"]
    assert "was left" in notes(failure.value)


def test_an_interrupted_upload_is_cleaned_up(tmp_path: Path) -> None:
    api = MemoryEbs()
    client = client_over(api, tmp_path)

    class InterruptedSource(MemorySource):
        def read_block(self, offset: int, block_bytes: int) -> bytes:
            if offset == 20 * BLOCK:
                raise KeyboardInterrupt
            return super().read_block(offset, block_bytes)

    with pytest.raises(KeyboardInterrupt) as interruption:
        upload(client, InterruptedSource(image([1] * 40)), no_parent(), UploadOrder())
    assert api.snapshots == {}
    assert "was deleted" in notes(interruption.value)


def test_a_start_that_is_interrupted_is_taken_back(tmp_path: Path) -> None:
    class InterruptedEbs(MemoryEbs):
        """Ctrl-C is pressed while the answer is on its way."""

        def start_snapshot(self, request: StartSnapshotRequest) -> StartSnapshotResponse:
            answer = super().start_snapshot(request)
            if self.calls["start_snapshot"] == 1:
                raise KeyboardInterrupt
            return answer

    api = InterruptedEbs()
    with pytest.raises(KeyboardInterrupt) as interruption:
        send(client_over(api, tmp_path), image([1]))
    assert api.calls["delete_snapshot"] == 1
    assert api.snapshots == {}
    assert "was deleted" in notes(interruption.value)


def test_a_snapshot_that_timed_out_while_sending_says_so(tmp_path: Path) -> None:
    class TimingOutEbs(MemoryEbs):
        def put_snapshot_block(self, request: PutSnapshotBlockRequest) -> PutSnapshotBlockResponse:
            if request.block_index == 20:
                held = self.snapshots[request.snapshot_id]
                held.state, held.message = "error", "Snapshot timed out"
            return super().put_snapshot_block(request)

    api = TimingOutEbs()
    with pytest.raises(SnapshotMissing) as failure:
        send(client_over(api, tmp_path), image([1] * 40))
    assert "ended in error: Snapshot timed out" in notes(failure.value)
    assert api.snapshots == {}


def test_a_snapshot_in_error_at_completion_is_a_failure(tmp_path: Path) -> None:
    class TimedOutEbs(MemoryEbs):
        def put_snapshot_block(self, request: PutSnapshotBlockRequest) -> PutSnapshotBlockResponse:
            answer = super().put_snapshot_block(request)
            held = self.snapshots[request.snapshot_id]
            held.state, held.message = "error", "Snapshot timed out"
            return answer

    with pytest.raises(SnapshotFailed, match="Snapshot timed out"):
        send(client_over(TimedOutEbs(), tmp_path), image([1]))


def test_a_new_snapshot_may_be_unknown_for_a_while(tmp_path: Path) -> None:
    """REPORT, contract 3.1: a Put just after StartSnapshot may be told that the snapshot does not exist."""

    class SlowlyKnownEbs(MemoryEbs):
        def put_snapshot_block(self, request: PutSnapshotBlockRequest) -> PutSnapshotBlockResponse:
            if self.calls.get("put_snapshot_block", 0) < 3:
                self._count("put_snapshot_block")
                raise SnapshotMissing("not yet")
            return super().put_snapshot_block(request)

    api = SlowlyKnownEbs()
    report = send(client_over(api, tmp_path), image([1, 2]))
    assert api.snapshots[report.snapshot_id].state == "completed"


def test_a_service_with_other_blocks_is_refused_and_left_clean(tmp_path: Path) -> None:
    api = MemoryEbs(STANDARD)
    with pytest.raises(AnswerUnexpected, match="524288"):
        send(client_over(api, tmp_path), image([1]))
    assert api.snapshots == {}


def test_a_parent_that_is_not_there_is_named(tmp_path: Path) -> None:
    client = client_over(MemoryEbs(), tmp_path)
    with pytest.raises(SnapshotMissing, match="snap-0123456789abcdef0"):
        open_parent(client, "snap-0123456789abcdef0")
