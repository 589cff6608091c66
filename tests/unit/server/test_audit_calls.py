"""What the audit log says of a call, what it does not, and what is refused when it could say nothing."""

import json
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from audit_scene import HastyFiles, Log
from fix_logs import Journal
from neve.domain.audit import Recording
from neve.server.audit import calls, parameters
from neve.server.audit.calls import CallAudit, category_of, changes
from neve.server.audit.log import AuditLog
from neve.server.operations import OPERATIONS
from neve.testing.world import ACCOUNT, World
from pipeline_door import BLOCK, DESCRIBE, KEY_ID, Door, header

CREATE_TAGS = (
    b"Action=CreateTags&Version=2016-11-15&ResourceId.1={}&Tag.1.Key=secret-key&Tag.1.Value=secret-value"
)


class Room(HastyFiles):
    free = 1 << 40

    def free_bytes(self, path: str) -> int:
        return self.free


class Scene:
    """A pipeline with an audit log."""

    def __init__(self, door: Door, log: AuditLog, files: Log, room: Room) -> None:
        self.door = door
        self.log = log
        self.files = files
        self.room = room

    def record(self, recording: Recording) -> None:
        self.door.pipeline.audit = CallAudit(
            self.log, recording=recording, region="us-east-1", clock=self.door.world.clock
        )

    def ec2(self, body: bytes, **options: Any) -> int:
        return self.door.pipeline.answer(self.door.describe_head(body, **options), body).status

    def calls(self) -> list[dict[str, Any]]:
        """Return what was recorded, when all of it is there."""
        self.log.close()
        lines = [json.loads(line) for line in self.files.lines()]
        return [line for line in lines if line["kind"] == "call"]


@pytest.fixture
def scene(world: World, journal: Journal, tmp_path: Path) -> Iterator[Scene]:
    files, room = Log(tmp_path, clock=world.clock), Room()  # type: ignore[arg-type] # the world's is a manual one
    with AuditLog(files.writer(room), clock=world.clock, report=journal.report) as log:
        found = Scene(Door(world, journal), log, files, room)
        found.record(Recording.MANAGEMENT)
        yield found


def test_a_call_is_written_down_with_who_what_from_where_and_how_it_ended(scene: Scene) -> None:
    body = b'{"VolumeSize": 2, "Description": "free text", "Tags": [{"Key": "a", "Value": "b"}]}'
    head = scene.door.head("POST", "/snapshots", body=body, headers=[("User-Agent", "a-backup/1.0")])
    answer = scene.door.pipeline.answer(head, body)
    [said] = scene.calls()
    assert (said["service"], said["operation"], said["category"]) == ("ebs", "StartSnapshot", "management")
    assert (said["principal"], said["account_id"]) == (f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
    assert (said["access_key_id"], said["source_address"]) == (KEY_ID, "192.0.2.1")
    assert (said["user_agent"], said["region"]) == ("a-backup/1.0", "us-east-1")
    assert said["resources"] == [json.loads(answer.body)["SnapshotId"]]
    assert said["parameters"] == {"volume_size": 2, "tags_count": 1}
    assert (said["status"], said["request_id"]) == (201, header(answer, "x-amzn-requestid"))
    assert "free text" not in json.dumps(said)


def test_a_refusal_is_written_down_with_its_code(scene: Scene) -> None:
    assert scene.ec2(b"Action=DeleteSnapshot&Version=2016-11-15&SnapshotId=snap-0123456789abcdef0") == 400
    [said] = scene.calls()
    assert (said["status"], said["error_code"]) == (400, "InvalidSnapshot.NotFound")
    assert said["resources"] == ["snap-0123456789abcdef0"]


def test_tags_are_counted_and_not_repeated(scene: Scene) -> None:
    snapshot_id = scene.door.world.start()
    assert scene.ec2(CREATE_TAGS.replace(b"{}", snapshot_id.encode())) == 200
    [said] = scene.calls()
    assert (said["resources"], said["parameters"]) == ([snapshot_id], {"tags_count": 1})


def test_whom_a_snapshot_is_shared_with_is_written_down(scene: Scene) -> None:
    snapshot_id = scene.door.world.start()
    scene.ec2(
        b"Action=ModifySnapshotAttribute&Version=2016-11-15&Attribute=createVolumePermission&SnapshotId="
        + snapshot_id.encode()
        + b"&CreateVolumePermission.Add.1.UserId=444455556666"
    )
    [said] = scene.calls()
    assert said["parameters"]["create_volume_permission"] == {"add": [{"user_id": "444455556666"}]}


@pytest.mark.parametrize(("recording", "count"), [(Recording.MANAGEMENT, 0), (Recording.ALL, 1)])
def test_DOC_blocks_are_data_and_written_down_if_all_is(
    scene: Scene, recording: Recording, count: int
) -> None:
    snapshot_id = scene.door.world.start()
    scene.record(recording)
    assert scene.door.put(snapshot_id).status == 201
    found = scene.calls()
    assert len(found) == count
    for said in found:
        assert (said["operation"], said["category"]) == ("PutSnapshotBlock", "data")
        assert said["parameters"]["block_index"] == 0
        assert BLOCK.hex() not in json.dumps(said)


def test_DOC_starting_and_completing_manage_and_the_four_others_are_data() -> None:
    names = {
        request.__name__.removesuffix("Request")
        for request in OPERATIONS
        if request.__module__ == "neve.messages.ebs"
    }
    assert {name for name in names if category_of(name) == "management"} == {
        "StartSnapshot",
        "CompleteSnapshot",
    }
    assert len(names) == 6


def test_what_only_looks_is_told_from_what_changes_by_name() -> None:
    names = {request.__name__.removesuffix("Request") for request in OPERATIONS}
    looks = {name for name in names if not changes(name)}
    assert {"DescribeSnapshots", "ListKeys", "GetKeyPolicy", "GetCallerIdentity"} <= looks
    assert looks.isdisjoint(
        {"GetSessionToken", "GetFederationToken", "Decrypt", "GenerateDataKey", "DeleteSnapshot"}
    )


# --- who proves nothing


def test_who_proves_nothing_is_written_down_with_what_they_said(scene: Scene) -> None:
    assert scene.ec2(DESCRIBE, secret="wrong") == 401
    [said] = scene.calls()
    assert "principal" not in said
    assert (said["access_key_id"], said["error_code"]) == (KEY_ID, "AuthFailure")


def test_strangers_cannot_fill_the_log(scene: Scene) -> None:
    for _ in range(200):
        scene.ec2(DESCRIBE, secret="wrong")
    assert len(scene.calls()) == calls._UNPROVEN_AT_ONCE
    [note] = scene.files.verified().notes
    assert note.endswith(": 140 (unproven)")


def test_strangers_get_a_line_a_second(scene: Scene) -> None:
    for _ in range(100):
        scene.ec2(DESCRIBE, secret="wrong")
    scene.door.world.clock.advance(seconds=5)  # type: ignore[attr-defined]
    for _ in range(100):
        scene.ec2(DESCRIBE, secret="wrong")
    assert len(scene.calls()) == calls._UNPROVEN_AT_ONCE + 5


# --- when nothing can be written down


def test_without_room_nothing_changes_and_looking_goes_on(scene: Scene, journal: Journal) -> None:
    journal.announce("request failed")
    snapshot_id = scene.door.world.start()
    scene.room.free = 0
    assert scene.ec2(CREATE_TAGS.replace(b"{}", snapshot_id.encode())) == 503
    assert scene.door.world.metadata.snapshot(ACCOUNT, snapshot_id).tags == {}  # type: ignore[arg-type]
    assert scene.ec2(DESCRIBE) == 200
    assert scene.door.put(snapshot_id).status == 201
    scene.room.free = 1 << 40
    assert scene.ec2(CREATE_TAGS.replace(b"{}", snapshot_id.encode())) == 200


def test_a_log_that_is_closed_stops_blocks_only_if_they_are_recorded(scene: Scene, journal: Journal) -> None:
    snapshot_id = scene.door.world.start()
    scene.log.close()
    assert scene.door.put(snapshot_id).status == 201
    journal.announce("request failed")
    scene.record(Recording.ALL)
    assert scene.door.put(snapshot_id).status == 503


def test_who_changed_something_that_is_not_written_down_yet_is_not_told_of_it(
    scene: Scene, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.announce("request failed")
    snapshot_id = scene.door.world.start()
    monkeypatch.setattr(scene.log, "require_room", lambda: None)
    scene.log.close()
    assert scene.ec2(CREATE_TAGS.replace(b"{}", snapshot_id.encode())) == 503
    assert len(scene.door.answered()) == 1
    assert scene.door.answered()[0].error_code == "StoreUnavailable"


# --- what may stand there


def inner_types(hint: Any) -> Iterator[type]:
    """Yield every type in a hint."""
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        yield from inner_types(typing.get_args(hint)[0])
    elif origin in {types.UnionType, typing.Union} or origin is not None:
        for each in typing.get_args(hint):
            yield from inner_types(each)
    elif isinstance(hint, type):
        yield hint


def members(message: type, seen: set[type]) -> Iterator[tuple[str, set[type]]]:
    """Yield the members of a message and of what is in it, with their types."""
    if message in seen:
        return
    seen.add(message)
    hints = typing.get_type_hints(message, include_extras=True)
    for field in fields(message):
        found = set(inner_types(hints[field.name]))
        yield field.name, found
        if field.name not in parameters.COUNTED:
            for each in found:
                if is_dataclass(each):
                    yield from members(each, seen)


@pytest.mark.parametrize("request_type", OPERATIONS, ids=lambda request: request.__name__)
def test_of_every_member_it_is_decided_whether_it_may_stand_in_the_log(request_type: type) -> None:
    known = {
        *parameters.RESOURCES,
        *parameters.TEXTS,
        *parameters.COUNTED,
        *parameters.LEFT_OUT,
        *parameters.TREES,
    }
    undecided = {
        name
        for name, found in members(request_type, set())
        if not found <= {int, bool, type(None)} and name not in known
    }
    assert undecided == set()


def test_nothing_is_both_recorded_and_left_out() -> None:
    lists: list[set[str]] = [
        set(parameters.RESOURCES),
        set(parameters.TEXTS),
        set(parameters.COUNTED),
        set(parameters.LEFT_OUT),
    ]
    assert sum(map(len, lists)) == len(set().union(*lists))


def test_a_text_is_bounded_and_printable(make_world: Callable[..., World]) -> None:
    assert parameters.shown("a" * 1000) == "a" * 256
    assert parameters.shown("a\x1b[31m\ud800b\n") == "a?[31m?b?"
