"""Waiting for snapshots, describing and deleting them; no test waits for a clock."""

from pathlib import Path

import pytest

from neve.client.errors import ServiceUnreachable, SnapshotFailed, SnapshotMissing, WaitTimedOut
from neve.client.parents import no_parent
from neve.client.snapshots import delete, describe_all, wait_until_completed
from neve.client.upload import UploadOrder, upload
from neve.limits import TINY
from neve.messages.ebs import StartSnapshotRequest
from neve.messages.ec2 import DescribeSnapshotsRequest, DescribeSnapshotsResponse
from neve.testing.client_kit import MemorySource, client_over
from neve.testing.memory_ebs import MemoryEbs
from neve.testing.time_and_chance import ManualClock
from neve.testing.unreliable_ebs import Fault, UnreliableEbs


def completed(api: MemoryEbs, folder: Path) -> str:
    source = MemorySource(b"x" * TINY.block_bytes)
    return upload(client_over(api, folder), source, no_parent(), UploadOrder()).snapshot_id


def pending(api: MemoryEbs) -> str:
    return api.start_snapshot(StartSnapshotRequest(volume_size=1)).snapshot_id


def test_waiting_ends_when_the_snapshot_is_completed(tmp_path: Path) -> None:
    api = MemoryEbs(pending_answers=5)
    snapshot_id = completed(api, tmp_path)
    description = wait_until_completed(client_over(api, tmp_path), snapshot_id, timeout_s=60)
    assert description.state == "completed"
    assert api.calls["describe_snapshots"] == 6


def test_waiting_ends_when_the_snapshot_is_in_error_and_says_why(tmp_path: Path) -> None:
    api = MemoryEbs()
    snapshot_id = pending(api)
    held = api.snapshots[snapshot_id]
    held.state, held.message = "error", "Checksum mismatch for snapshot"
    with pytest.raises(SnapshotFailed, match="Checksum mismatch for snapshot"):
        wait_until_completed(client_over(api, tmp_path), snapshot_id, timeout_s=60)


@pytest.mark.parametrize("timeout_s", [0.0, 60.0])
def test_waiting_ends_when_its_time_is_over(tmp_path: Path, timeout_s: float) -> None:
    api, clock = MemoryEbs(), ManualClock()
    started_s = clock.monotonic_s()
    snapshot_id = pending(api)
    with pytest.raises(WaitTimedOut, match=f"after {timeout_s:g} seconds"):
        wait_until_completed(client_over(api, tmp_path, clock=clock), snapshot_id, timeout_s=timeout_s)
    assert timeout_s <= clock.monotonic_s() - started_s <= timeout_s + 2


def test_a_snapshot_that_is_not_there_is_not_waited_for(tmp_path: Path) -> None:
    api = MemoryEbs()
    with pytest.raises(SnapshotMissing):
        wait_until_completed(client_over(api, tmp_path), "snap-0", timeout_s=60)
    assert api.calls["describe_snapshots"] == 1


def test_a_new_snapshot_may_appear_late(tmp_path: Path) -> None:
    """CLIENT, contract 12.3: coldsnap, too, goes on when EC2 does not know the snapshot yet."""

    class LateEbs(MemoryEbs):
        def describe_snapshots(self, request: DescribeSnapshotsRequest) -> DescribeSnapshotsResponse:
            if self.calls.get("describe_snapshots", 0) < 3:
                self._count("describe_snapshots")
                raise SnapshotMissing("not yet")
            return super().describe_snapshots(request)

    api = LateEbs()
    snapshot_id = completed(api, tmp_path)
    client = client_over(api, tmp_path)
    assert wait_until_completed(client, snapshot_id, timeout_s=60, appears_within_s=120).state == "completed"


def test_every_page_of_snapshots_is_seen(tmp_path: Path) -> None:
    api = MemoryEbs(page_results=2)
    ids = [pending(api) for _ in range(7)]
    found = [each.snapshot_id for each in describe_all(client_over(api, tmp_path), ())]
    assert found == ids


def test_a_deletion_whose_answer_was_lost_is_a_deletion(tmp_path: Path) -> None:
    api = MemoryEbs()
    snapshot_id = pending(api)
    faults = iter([Fault.ANSWER_LOST])
    client = client_over(UnreliableEbs(api, lambda: next(faults, Fault.NOTHING)), tmp_path)
    delete(client, snapshot_id)
    assert api.snapshots == {}
    with pytest.raises(SnapshotMissing):
        delete(client, snapshot_id)


def test_a_service_that_stays_away_is_given_up(tmp_path: Path) -> None:
    client = client_over(UnreliableEbs(MemoryEbs(), lambda: Fault.REQUEST_LOST), tmp_path)
    with pytest.raises(ServiceUnreachable):
        delete(client, "snap-0")
    assert client.engine.statistics().retries == 3
