"""Copies from the client's side: begun once, watched until they are done; no test waits for a clock."""

from dataclasses import replace
from pathlib import Path

import pytest

from neve.client.copies import start_copy, wait_until_copied
from neve.client.errors import ServiceBusy, ServiceUnreachable, SnapshotFailed, WaitTimedOut
from neve.client.parents import no_parent
from neve.client.upload import UploadOrder, upload
from neve.limits import TINY
from neve.messages.ebs import Tag
from neve.messages.ec2 import (
    CopySnapshotRequest,
    DescribeSnapshotsRequest,
    DescribeSnapshotsResponse,
    TagSpecification,
)
from neve.testing.client_kit import MemorySource, client_over
from neve.testing.memory_ebs import MemoryEbs
from neve.testing.unreliable_ebs import Fault, UnreliableEbs

UNKNOWN = "snap-0fedcba9876543210"


def source(api: MemoryEbs, folder: Path) -> str:
    content = MemorySource(b"x" * TINY.block_bytes)
    return upload(client_over(api, folder), content, no_parent(), UploadOrder()).snapshot_id


def of(source_id: str, **members: object) -> CopySnapshotRequest:
    return CopySnapshotRequest(source_region="", source_snapshot_id=source_id, **members)  # type: ignore[arg-type]


def test_a_copy_is_begun_as_it_was_asked_for_and_waited_for(tmp_path: Path) -> None:
    api = MemoryEbs()
    tags = (TagSpecification(resource_type="snapshot", tags=(Tag("a", "b"),)),)
    request = of(source(api, tmp_path), description="mine", tag_specifications=tags)
    client = client_over(api, tmp_path)
    copy_id = start_copy(client, request)
    found = wait_until_copied(client, copy_id, timeout_s=60)
    assert (found.snapshot_id, found.state, found.description, found.tags) == (
        copy_id,
        "completed",
        "mine",
        (Tag("a", "b"),),
    )


class Telling(MemoryEbs):
    """A service that says of copies how far they are, in these words, and then that they are done."""

    def __init__(self, *progress: str) -> None:
        super().__init__(pending_answers=len(progress))
        self._progress = iter(progress)

    def describe_snapshots(self, request: DescribeSnapshotsRequest) -> DescribeSnapshotsResponse:
        answer = super().describe_snapshots(request)
        (found,) = answer.snapshots
        if found.state == "pending":
            found = replace(found, progress=next(self._progress))
        return replace(answer, snapshots=(found,))


def counted(api: MemoryEbs, folder: Path) -> list[int]:
    """Return the percents that whoever waits for a copy was shown, at the end of each wait."""
    shown = []
    client = client_over(api, folder)

    def tick() -> None:
        shown.append(client.meter.progress().done_bytes)

    client.engine.on_tick = tick
    copy_id = start_copy(client, of(source(api, folder)))
    shown.clear()
    wait_until_copied(client, copy_id, timeout_s=60)
    progress = client.meter.progress()
    assert (progress.done_bytes, progress.total_bytes, progress.moved_bytes) == (100, 100, 0)
    return shown


def test_how_far_it_is_is_counted_in_percents(tmp_path: Path) -> None:
    assert counted(Telling("0%", "25%", "25%", "99%"), tmp_path) == [0, 25, 25, 99]


@pytest.mark.parametrize("text", ["", "%", "-5%", "many", "٤%", "7 %", "²%"])
def test_a_progress_that_is_none_counts_for_nothing(tmp_path: Path, text: str) -> None:
    assert counted(Telling("50%", text, "60%"), tmp_path) == [50, 50, 60]


def test_a_progress_that_goes_back_or_too_far_is_not_believed(tmp_path: Path) -> None:
    assert counted(Telling("50%", "20%", "1000%"), tmp_path) == [50, 50, 100]


def test_a_copy_that_ends_in_error_says_why_and_how_to_take_it_away(tmp_path: Path) -> None:
    client = client_over(MemoryEbs(), tmp_path)
    copy_id = start_copy(client, of(UNKNOWN))
    with pytest.raises(SnapshotFailed, match="Source snapshot is not found") as caught:
        wait_until_copied(client, copy_id, timeout_s=60)
    assert f"`neve delete {copy_id}`" in caught.value.advice


def test_waiting_ends_when_its_time_is_over_and_the_copy_goes_on(tmp_path: Path) -> None:
    api = MemoryEbs(pending_answers=1000)
    client = client_over(api, tmp_path)
    copy_id = start_copy(client, of(source(api, tmp_path)))
    with pytest.raises(WaitTimedOut, match="after 60 seconds") as caught:
        wait_until_copied(client, copy_id, timeout_s=60)
    assert caught.value.advice.startswith("The copy goes on")


def test_a_service_that_is_busy_is_asked_again(tmp_path: Path) -> None:
    api = MemoryEbs()
    source_id = source(api, tmp_path)
    faults = iter([Fault.BUSY, Fault.BUSY, Fault.NOTHING])
    start_copy(client_over(UnreliableEbs(api, lambda: next(faults)), tmp_path), of(source_id))
    assert api.calls["copy_snapshot"] == 1


def test_one_that_stays_busy_is_told_of(tmp_path: Path) -> None:
    client = client_over(UnreliableEbs(MemoryEbs(), lambda: Fault.BUSY), tmp_path)
    with pytest.raises(ServiceBusy):
        start_copy(client, of(UNKNOWN))


@pytest.mark.parametrize("fault", [Fault.ANSWER_LOST, Fault.REQUEST_LOST])
def test_an_answer_that_was_lost_begins_no_second_copy(tmp_path: Path, fault: Fault) -> None:
    api = MemoryEbs()
    client = client_over(UnreliableEbs(api, lambda: fault), tmp_path)
    with pytest.raises(ServiceUnreachable) as caught:
        start_copy(client, of(UNKNOWN))
    assert api.calls.get("copy_snapshot", 0) == (fault is Fault.ANSWER_LOST)
    assert caught.value.__notes__ == ["A copy may have been begun: `neve list` shows it then."]
