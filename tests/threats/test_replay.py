"""Each of the six operations sent once more, as whoever listened could within the window: nothing changes by it."""

from collections.abc import Callable

import pytest

from fix_logs import Journal
from fix_scoreboard import Figure
from neve.domain.blocks import checksum_b64, digest
from neve.domain.identities import SnapshotId
from neve.messages.http import RequestHead, Response
from neve.testing.time_and_chance import ManualClock
from neve.testing.world import ACCOUNT, World
from pipeline_door import BLOCK, Door, told

REPLAYS = 5


def state(world: World) -> object:
    """Return everything that a request could have changed."""
    metadata = world.metadata
    snapshots = metadata.snapshots(ACCOUNT, after=None, limit=100)
    blocks = [metadata.blocks(each.key, after=None, limit=100) for each in snapshots]
    segments = [(name, world.segments.size(name)) for name in world.segments.names(after=None, limit=100)]
    return snapshots, blocks, segments, metadata.statistics()


class Listener:
    """Sends requests, and sends what was heard once more."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.replayed: list[str] = []

    def send(self, name: str, head: RequestHead, body: bytes = b"") -> Response:
        answer = self.door.pipeline.answer(head, body)
        assert answer.status < 300, (name, bytes(answer.body))
        self.door.world.seal()
        before = state(self.door.world)
        for _ in range(REPLAYS):
            again = self.door.pipeline.answer(head, body)
            self.door.world.seal()
            assert again.status < 300 or name == "PutSnapshotBlock"
            assert state(self.door.world) == before, f"{name} sent once more changed something"
        self.replayed.append(name)
        return answer


@pytest.mark.row(16)
def test_a_replayed_request_changes_nothing(
    make_world: Callable[..., World], journal: Journal, figure: Figure
) -> None:
    door = Door(make_world(), journal)
    listener = Listener(door)
    body = b'{"VolumeSize": 1, "ClientToken": "token"}'
    started = told(listener.send("StartSnapshot", door.head("POST", "/snapshots", body=body), body))
    snapshot_id = started["SnapshotId"]
    listener.send("PutSnapshotBlock", door.put_head(snapshot_id, 3), BLOCK)
    complete = door.head(
        "POST",
        f"/snapshots/completion/{snapshot_id}",
        headers=[("x-amz-ChangedBlocksCount", "1")],
    )
    listener.send("CompleteSnapshot", complete)
    assert door.world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id)).block_count == 1
    listed = listener.send("ListSnapshotBlocks", door.head("GET", f"/snapshots/{snapshot_id}/blocks"))
    token = told(listed)["Blocks"][0]["BlockToken"]
    target = f"/snapshots/{snapshot_id}/blocks/3?blockToken={token}"
    listener.send("GetSnapshotBlock", door.head("GET", target))
    changed = f"/snapshots/{snapshot_id}/changedblocks?firstSnapshotId={snapshot_id}"
    listener.send("ListChangedBlocks", door.head("GET", changed))
    assert len(listener.replayed) == 6
    figure(f"changed by {REPLAYS} replays of each of {len(listener.replayed)} operations: nothing")


def test_an_old_put_sent_once_more_after_a_newer_one_is_what_the_newest_request_says(
    make_world: Callable[..., World], journal: Journal
) -> None:
    """Within the window a put that is heard can be put back over a newer one, until completion: the aggregate tells."""
    door = Door(make_world(), journal)
    world = door.world
    snapshot_id = world.start()
    heard = door.put_head(snapshot_id, 0)
    assert door.pipeline.answer(heard, BLOCK).status == 201
    newer = b"\2" * 64
    world.put(snapshot_id, 0, newer)
    assert door.pipeline.answer(heard, BLOCK).status == 201
    aggregate = digest(digest(newer))
    head = door.head(
        "POST",
        f"/snapshots/completion/{snapshot_id}",
        headers=[
            ("x-amz-ChangedBlocksCount", "1"),
            ("x-amz-Checksum", checksum_b64(aggregate)),
            ("x-amz-Checksum-Algorithm", "SHA256"),
            ("x-amz-Checksum-Aggregation-Method", "LINEAR"),
        ],
    )
    assert door.pipeline.answer(head, b"").status == 202
    world.seal()
    assert world.metadata.snapshot(ACCOUNT, SnapshotId(snapshot_id)).state_message.startswith(
        "Checksum mismatch"
    )


def test_past_the_window_nothing_is_heard(make_world: Callable[..., World], journal: Journal) -> None:
    clock = ManualClock()
    door = Door(make_world(clock=clock), journal)
    body = b'{"VolumeSize": 1}'
    head = door.head("POST", "/snapshots", body=body)
    clock.advance(seconds=301)
    assert door.pipeline.answer(head, body).status == 403
    assert door.world.metadata.statistics().snapshots == {}
