"""What operators change is written down or not done; what they look at is written down if that can be."""

import json
from pathlib import Path
from typing import Any

import pytest

from audit_scene import HastyFiles, Log
from fix_administration import ACCOUNT, Office
from fix_logs import Journal
from neve.clock import SystemClock
from neve.errors import StoreFull
from neve.server.administration import messages
from neve.server.administration.messages import AdministrationRefused
from neve.server.administration.messages_tasks import CollectGarbage, ReckonUsage, ShowTask, StopTask
from neve.server.audit.log import AuditLog
from neve.server.audit.operators import AuditedAdministrator


class Room(HastyFiles):
    free = 1 << 40

    def free_bytes(self, path: str) -> int:
        return self.free


class Desk:
    """An administrator who writes everything down."""

    def __init__(self, office: Office, files: Log, journal: Journal, *, via: str = "server") -> None:
        self.room = Room()
        self.files = files
        self.log = AuditLog(files.writer(self.room), clock=SystemClock(), report=journal.report)
        self.administrator = AuditedAdministrator(
            office.administration, lambda: self.log, operator_uid=1000, via=via, clock=office.clock
        )

    def told(self) -> list[dict[str, Any]]:
        self.log.close()
        lines = [json.loads(line) for line in self.files.lines()]
        return [line for line in lines if line["kind"] == "administration"]


@pytest.fixture
def files(tmp_path: Path) -> Log:
    return Log(tmp_path)


def test_a_change_is_written_down_with_whose_it_was_and_what_it_made(
    office: Office, files: Log, journal: Journal
) -> None:
    desk = Desk(office, files, journal)
    desk.administrator.ask(messages.CreateUser(user_name="anna"))
    made = desk.administrator.ask(messages.CreateAccessKey(user_name="anna"))
    rotated = desk.administrator.ask(messages.RotateAccessKey(access_key_id=made.access_key_id, grace="1h"))
    user, key, rotation = desk.told()
    assert (user["request"], user["operator_uid"], user["via"], user["outcome"]) == (
        "create-user",
        1000,
        "server",
        "done",
    )
    assert user["parameters"] == {"user_name": "anna", "account_id": ACCOUNT}
    assert key["parameters"]["access_key_id"] == made.access_key_id
    assert rotation["parameters"] == {
        "access_key_id": made.access_key_id,
        "grace": "1h",
        "new_access_key_id": rotated.new.access_key_id,
    }
    written = b"".join(files.lines()).decode()
    assert made.secret_access_key not in written
    assert rotated.new.secret_access_key not in written


def test_a_document_is_not_in_the_log(office: Office, files: Log, journal: Journal) -> None:
    desk = Desk(office, files, journal)
    document = (
        '{"Version":"2012-10-17","Statement":[{"Sid":"Mark","Effect":"Allow","Action":"*","Resource":"*"}]}'
    )
    desk.administrator.ask(messages.PutPolicy(policy_name="all", document=document))
    [told] = desk.told()
    assert told["parameters"] == {"policy_name": "all", "account_id": ACCOUNT}


def test_a_refusal_is_written_down_with_its_reason(office: Office, files: Log, journal: Journal) -> None:
    desk = Desk(office, files, journal)
    with pytest.raises(AdministrationRefused):
        desk.administrator.ask(messages.DeleteUser(user_name="nobody"))
    [told] = desk.told()
    assert told["outcome"] == "not-found"
    assert "nobody" in told["error"]


def test_without_room_nothing_changes_and_looking_goes_on(
    office: Office, files: Log, journal: Journal
) -> None:
    desk = Desk(office, files, journal)
    desk.room.free = 0
    with pytest.raises(StoreFull):
        desk.administrator.ask(messages.CreateUser(user_name="anna"))
    assert desk.administrator.ask(messages.ListUsers()) == []
    desk.room.free = 1 << 40
    desk.administrator.ask(messages.CreateUser(user_name="anna"))
    assert [each["request"] for each in desk.told()] == ["create-user"]


@pytest.mark.parametrize(("via", "requests"), [("server", ["list-users"]), ("command", [])])
def test_who_has_the_store_itself_may_look_unseen(
    office: Office, files: Log, journal: Journal, via: str, requests: list[str]
) -> None:
    desk = Desk(office, files, journal, via=via)
    desk.administrator.ask(messages.ListUsers())
    assert [each["request"] for each in desk.told()] == requests


def test_asking_how_far_work_is_is_not_written_down_its_beginning_and_its_end_are(
    office: Office, files: Log, journal: Journal
) -> None:
    desk = Desk(office, files, journal, via="server")
    task_id = desk.administrator.ask(ReckonUsage()).task_id
    for _ in range(3):
        desk.administrator.ask(ShowTask(task_id=task_id))
    desk.administrator.ask(StopTask(task_id=task_id))
    assert [each["request"] for each in desk.told()] == ["reckon-usage", "stop-task"]


def test_room_may_be_made_where_there_is_none_to_write_it_down(
    office: Office, files: Log, journal: Journal
) -> None:
    desk = Desk(office, files, journal)
    desk.room.free = 0
    desk.administrator.ask(CollectGarbage(dry_run=True))
