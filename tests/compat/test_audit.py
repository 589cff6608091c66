"""Who did what to a real server, as boto3 and the console did it and `neve audit` tells it; and who touched the log."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from compat.people import People, allow
from fix_commands import Commands
from neve.cli.exit_codes import ExitCode
from neve.testing.server import ServerProcess

MakeServer = Callable[..., ServerProcess]
MakeCommands = Callable[[ServerProcess], Commands]


class Site:
    """A server with an audit log, people, and the console."""

    def __init__(self, server: ServerProcess, commands: Commands) -> None:
        self.server = server
        self.commands = commands
        self.people = People(server)

    def audit(self, command: str, *arguments: str, status: int = 0) -> Any:
        """Run `neve audit`, which must end as told; return its JSON."""
        outcome = self.commands.run(
            "audit", command, str(self.server.directory), *arguments, "--output", "json"
        )
        assert outcome.status == status, outcome.err
        return outcome.json

    def shown(self, *filters: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.audit("show", *filters)
        return found

    @property
    def file(self) -> Path:
        return self.server.directory / "audit" / "000001.jsonl"


@pytest.fixture
def site(make_server: MakeServer, make_commands: MakeCommands) -> Site:
    server = make_server(audit_log="all")
    return Site(server, make_commands(server))


def refused(call: Callable[..., Any], **members: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**members)
    code: str = caught.value.response["Error"]["Code"]
    return code


def test_the_log_tells_who_did_what_and_who_was_denied(site: Site) -> None:
    anna = site.people.user("anna", allow(["ebs:StartSnapshot", "ec2:DescribeSnapshots", "sts:*"]))
    started = anna.client("ebs").start_snapshot(VolumeSize=1)
    snapshot_id = started["SnapshotId"]
    anna.client("ec2").describe_snapshots(SnapshotIds=[snapshot_id])
    issued = anna.client("sts").get_session_token()["Credentials"]
    session = anna.with_session(issued)
    assert refused(session.client("ec2").delete_snapshot, SnapshotId=snapshot_id) == "UnauthorizedOperation"
    assert (
        refused(session.client("ebs").list_snapshot_blocks, SnapshotId=snapshot_id) == "AccessDeniedException"
    )
    site.people.root.client("ec2").delete_snapshot(SnapshotId=snapshot_id)

    told = site.shown("--snapshot", snapshot_id)
    arn = f"arn:aws:iam::{anna.account_id}:user/anna"
    assert [(each["operation"], each["principal"].rpartition(":")[2], each["status"]) for each in told] == [
        ("StartSnapshot", "user/anna", 201),
        ("DescribeSnapshots", "user/anna", 200),
        ("DeleteSnapshot", "user/anna", 403),
        ("ListSnapshotBlocks", "user/anna", 403),
        ("DeleteSnapshot", "root", 200),
    ]
    assert told[0]["request_id"] == started["ResponseMetadata"]["RequestId"]
    assert told[0]["source_address"] == "127.0.0.1"
    assert "Boto3" in told[0]["user_agent"]
    denied = told[2]
    assert (denied["access_key_id"], denied["error_code"]) == (issued["AccessKeyId"], "UnauthorizedOperation")
    assert "session_issued" in denied
    assert "session_issued" not in told[0]
    assert {each["category"] for each in told if each["operation"] != "ListSnapshotBlocks"} == {"management"}
    assert told[3]["category"] == "data"

    assert [each["resources"] for each in site.shown("--operation", "getsessiontoken")] == [
        [issued["AccessKeyId"]]
    ]
    assert {each["principal"] for each in site.shown("--principal", "anna")} == {arn}
    assert len(site.shown("--principal", arn, "--failed")) == 2
    assert len(site.shown("--principal", issued["AccessKeyId"])) == 2
    assert site.shown("--since", "2100-01-01") == []
    assert len(site.shown("--since", "1h")) == len(site.shown())


@pytest.mark.slow
def test_the_log_tells_what_operators_did_through_the_server_and_without_it(site: Site) -> None:
    site.commands.done("users", "create", str(site.server.directory), "anna")
    assert site.commands.run("users", "create", str(site.server.directory), "anna").status == 1
    key = site.commands.done(
        "access-keys", "create", str(site.server.directory), "--user", "anna", "--output", "json"
    ).json
    site.server.terminate()
    site.commands.done("users", "list", str(site.server.directory))
    site.commands.done("users", "create", str(site.server.directory), "ben")
    told = [each for each in site.shown() if each["kind"] == "administration"]
    assert [(each["request"], each["via"], each["outcome"]) for each in told] == [
        ("create-user", "server", "done"),
        ("create-user", "server", "conflict"),
        ("create-access-key", "server", "done"),
        ("create-user", "command", "done"),
    ]
    assert {each["operator_uid"] for each in told} == {site.file.stat().st_uid}
    assert told[0]["parameters"]["user_name"] == "anna"
    assert told[2]["parameters"]["access_key_id"] == key["access_key_id"]
    assert key["secret_access_key"] not in site.file.read_text()
    lives = [each["event"] for each in site.shown() if each["kind"] == "server"]
    assert lives == ["started", "stopped"]
    assert site.audit("verify")["whole"]


@pytest.mark.slow
def test_a_running_servers_log_is_verified_beside_it_and_survives_restarts(site: Site) -> None:
    ec2 = site.server.client("ec2")
    ec2.enable_ebs_encryption_by_default()
    first = site.audit("verify")
    assert first["whole"]
    site.server.kill()
    site.server.start()
    ec2.disable_ebs_encryption_by_default()
    mark = f"{first['last']['sequence']}:{first['last']['mac']}"
    assert site.audit("verify", "--expect", mark)["whole"]
    operations = [each["operation"] for each in site.shown() if each["kind"] == "call"]
    assert operations == ["EnableEbsEncryptionByDefault", "DisableEbsEncryptionByDefault"]
    site.server.terminate()
    heads = site.server.events("audit head")
    verified = site.audit("verify")
    assert heads[-1]["mac"] == verified["last"]["mac"] == verified["sealed"]["mac"]


def test_a_log_that_was_edited_is_told_apart_and_scripts_can_tell(site: Site) -> None:
    ec2 = site.server.client("ec2")
    ec2.enable_ebs_encryption_by_default()
    ec2.disable_ebs_encryption_by_default()
    site.server.terminate()
    whole = site.file.read_bytes()
    site.file.write_bytes(whole.replace(b'"DisableEbs', b'"Disable_bs'))
    [finding] = site.audit("verify", status=ExitCode.FAILURE)["findings"]
    assert (finding["kind"], finding["file"], finding["line"]) == ("altered", "000001.jsonl", 4)
    text = site.commands.run("audit", "verify", str(site.server.directory))
    assert text.status == ExitCode.FAILURE
    assert b"altered: line 4 is altered (000001.jsonl, line 4)" in text.out
    site.file.write_bytes(whole[: whole.rstrip().rfind(b"\n") + 1])
    assert [each["kind"] for each in site.audit("verify", status=1)["findings"]] == ["truncated"]
    site.file.write_bytes(whole)
    assert site.audit("verify")["whole"]
    text = site.commands.run("audit", "verify", str(site.server.directory))
    assert text.out.decode().splitlines()[-1] == "The log is whole."


def test_a_log_of_another_store_or_key_proves_nothing(
    make_server: MakeServer, site: Site, tmp_path: Path
) -> None:
    site.server.terminate()
    other = make_server("other")
    other.terminate()
    (other.directory / "audit" / "000001.jsonl").write_bytes(site.file.read_bytes())
    (other.directory / "audit" / "head").write_bytes((site.file.parent / "head").read_bytes())
    (other.directory / "master.key").write_bytes((site.server.directory / "master.key").read_bytes())
    outcome = site.commands.run("audit", "verify", str(other.directory))
    assert outcome.status == ExitCode.STORE_UNUSABLE, "the key is not that store's"
    assert "was created with master key" in outcome.err


def test_switched_off_there_is_no_log_and_where_there_is_one_it_says_so(
    make_server: MakeServer, make_commands: MakeCommands, tmp_path: Path
) -> None:
    server = make_server(audit_log="off")
    server.client("ec2").describe_snapshots()
    assert not (server.directory / "audit").exists()
    commands = make_commands(server)
    none = commands.run("audit", "verify", str(server.directory))
    assert none.status == ExitCode.FAILURE
    assert "there is no audit log" in none.err
    server.terminate()
    for recording in ("management", "off"):
        with ServerProcess(server.directory, settings={"audit_log": recording}) as again:
            again.client("ec2").enable_ebs_encryption_by_default()
    shown = json.loads(commands.run("audit", "show", str(server.directory), "--output", "json").out)
    assert [each.get("event") or each.get("operation") or each["kind"] for each in shown] == [
        "begin",
        "started",
        "EnableEbsEncryptionByDefault",
        "stopped",
        "not recording",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "--since", "yesterday"], "--since yesterday"),
        (["verify", "--expect", "12"], "--expect wants"),
    ],
)
def test_what_cannot_be_meant_is_refused(site: Site, arguments: list[str], said: str) -> None:
    outcome = site.commands.run("audit", arguments[0], str(site.server.directory), *arguments[1:])
    assert outcome.status == ExitCode.USAGE
    assert said in outcome.err
