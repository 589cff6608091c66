"""The commands that administer a store, on a store that no server has open: results, exit statuses, sentences."""

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from neve import assemble
from neve.cli.administering import DOCUMENT_BYTES_MAX
from neve.cli.exit_codes import ExitCode
from neve.cli.main import main
from neve.server.access_keys import NewAccessKey
from neve.stores import directory

POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ebs:*","Resource":"*"}]}\n'
SNAPSHOT = "snap-0123456789abcdef0"


class Console:
    """Runs commands on one store and keeps what they said."""

    def __init__(self, path: Path, root: NewAccessKey, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = path
        self.root = root
        self._capsys = capsys

    def run(self, family: str, command: str, *arguments: str) -> tuple[int, str, str]:
        """Return exit status, standard output and standard error."""
        self._capsys.readouterr()
        status = main([family, command, str(self.path), *arguments])
        said = self._capsys.readouterr()
        return status, said.out, said.err

    def done(self, family: str, command: str, *arguments: str) -> str:
        status, out, err = self.run(family, command, *arguments)
        assert status == ExitCode.OK, err
        return out

    def json(self, family: str, command: str, *arguments: str) -> Any:
        return json.loads(self.done(family, command, *arguments, "--output", "json"))


@pytest.fixture
def console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Console:
    for name in [name for name in os.environ if name.startswith("NEVE_")]:
        monkeypatch.delenv(name)
    path = tmp_path / "store"
    made = assemble.create_store(path, account_name="home", region="eu-north-1")
    return Console(path, made, capsys)


@pytest.fixture
def policy_file(tmp_path: Path) -> Path:
    file = tmp_path / "policy.json"
    file.write_text(POLICY)
    return file


def test_a_user_from_making_to_deleting(console: Console) -> None:
    made = console.json("users", "create", "anna")
    assert made["arn"] == f"arn:aws:iam::{console.root.account_id}:user/anna"
    console.done("policies", "attach", "NeveReadOnly", "anna")
    key = console.json("access-keys", "create", "--user", "anna", "--expires", "90d")
    assert (key["user_name"], key["region"]) == ("anna", "eu-north-1")
    assert key["expires"].endswith("Z")
    shown = console.json("users", "show", "anna")
    assert shown["policies"] == ["NeveReadOnly"]
    assert [each["access_key_id"] for each in shown["access_keys"]] == [key["access_key_id"]]
    assert key["secret_access_key"] not in json.dumps(shown)
    assert console.json("users", "list") == [made]
    assert "anna" in console.done("users", "delete", "anna")
    assert console.json("users", "list") == []


def test_access_keys_are_listed_in_their_states(console: Console) -> None:
    spare = console.json("access-keys", "create")["access_key_id"]
    console.done("access-keys", "disable", spare)
    table = console.done("access-keys", "list").splitlines()
    assert table[0].split() == ["access", "key", "account", "name", "user", "state", "expires", "created"]
    states = {line.split()[0]: "disabled" in line for line in table[1:]}
    assert states == {spare: True, console.root.access_key_id: False}
    assert console.done("access-keys", "enable", spare) == f"{spare} is enabled.\n"
    assert all(key["enabled"] for key in console.json("access-keys", "list"))
    console.done("access-keys", "delete", spare)
    assert [key["access_key_id"] for key in console.json("access-keys", "list")] == [
        console.root.access_key_id
    ]


def test_a_rotated_key_is_shown_with_its_successor(console: Console) -> None:
    rotated = console.json("access-keys", "rotate", console.root.access_key_id, "--grace", "7d")
    assert rotated["old_access_key_id"] == console.root.access_key_id
    assert rotated["old_access_key_expires"].endswith("Z")
    listed = {key["access_key_id"]: key["expires"] for key in console.json("access-keys", "list")}
    assert listed == {
        console.root.access_key_id: rotated["old_access_key_expires"],
        rotated["access_key_id"]: None,
    }


def test_accounts_are_made_and_then_must_be_named(console: Console) -> None:
    other = console.json("accounts", "create", "--name", "second", "--account-id", "444455556666")
    assert {each["account_id"] for each in console.json("accounts", "list")} == {
        console.root.account_id,
        other["account_id"],
    }
    status, out, err = console.run("users", "create", "anna")
    assert (status, out) == (ExitCode.USAGE, "")
    assert "--account-id" in err
    console.done("users", "create", "anna", "--account-id", "444455556666")
    assert [user["account_id"] for user in console.json("users", "list")] == ["444455556666"]


def test_a_policy_is_put_from_a_file_or_from_standard_input_and_shown_as_it_was_put(
    console: Console, policy_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = console.json("policies", "put", "team", str(policy_file))
    assert (put["policy_name"], put["ready_made"]) == ("team", False)
    assert console.done("policies", "show", "team") == POLICY
    shown = console.json("policies", "show", "team")
    assert (shown["document"], shown["attached_to"]) == (json.loads(POLICY), [])
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(POLICY.encode())))
    console.done("policies", "put", "piped", "-")
    listed = {each["policy_name"]: each["ready_made"] for each in console.json("policies", "list")}
    assert {"team": False, "piped": False, "NeveReadOnly": True}.items() <= listed.items()
    console.done("policies", "delete", "team")
    assert "team" not in console.done("policies", "list")


def test_the_simulator_explains_a_decision_and_its_exit_status_says_it_too(console: Console) -> None:
    console.done("users", "create", "anna")
    console.done("policies", "attach", "NeveReadOnly", "anna")
    status, out, _ = console.run("policies", "simulate", "ebs:PutSnapshotBlock", SNAPSHOT, "--user", "anna")
    arn = f"arn:aws:ec2:eu-north-1::snapshot/{SNAPSHOT}"
    assert (status, out) == (
        ExitCode.REFUSED,
        f"denied: no statement allows ebs:PutSnapshotBlock on {arn}\n",
    )
    status, out, _ = console.run("policies", "simulate", "ebs:GetSnapshotBlock", SNAPSHOT, "--user", "anna")
    assert status == ExitCode.OK
    assert out.startswith("allowed: ")
    told = console.json("policies", "simulate", "ec2:DescribeSnapshots", "--context", "aws:SourceIp=::1")
    assert (told["allowed"], told["principal"]) == (True, f"arn:aws:iam::{console.root.account_id}:root")
    console.done("policies", "detach", "NeveReadOnly", "anna")
    status, _, _ = console.run("policies", "simulate", "ebs:GetSnapshotBlock", SNAPSHOT, "--user", "anna")
    assert status == ExitCode.REFUSED


def test_keys_are_made_changed_and_shown(console: Console, tmp_path: Path) -> None:
    made = console.json("keys", "create", "--alias", "alias/disks", "--rotate-every", "90")
    assert (made["state"], made["aliases"], made["rotation_days"]) == ("Enabled", ["alias/disks"], 90)
    console.done("keys", "disable", "alias/disks")
    assert "Disabled" in console.done("keys", "list")
    console.done("keys", "enable", "alias/disks")
    assert console.json("keys", "rotate", "alias/disks")["material_version"] == 2
    assert console.json("keys", "rotate", "alias/disks", "--every", "0")["rotation_days"] is None
    console.done("keys", "schedule-deletion", "alias/disks", "--days", "7")
    assert console.json("keys", "show", "alias/disks")["deletion"].endswith("Z")
    console.done("keys", "cancel-deletion", "alias/disks")
    assert "Disabled" in console.done("keys", "show", "alias/disks")
    policy = console.done("keys", "policy", "alias/disks")
    file = tmp_path / "key-policy.json"
    file.write_text(policy.replace("kms:*", "kms:Decrypt"))
    console.done("keys", "policy", "alias/disks", str(file))
    assert "kms:Decrypt" in console.done("keys", "policy", "alias/disks")
    console.done("keys", "alias", "alias/other", made["key_id"])
    console.done("keys", "alias", "alias/disks", "--remove")
    assert console.json("keys", "show", made["arn"])["aliases"] == ["alias/other"]


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("users", "create", "an na"), ExitCode.USAGE),
        (("users", "show", "nobody"), ExitCode.FAILURE),
        (("access-keys", "create", "--expires", "soon"), ExitCode.USAGE),
        (("access-keys", "create", "--user", "nobody"), ExitCode.FAILURE),
        (("access-keys", "disable", "AKIANOBODY"), ExitCode.FAILURE),
        (("access-keys", "rotate", "AKIANOBODY", "--grace", "a while"), ExitCode.USAGE),
        (("policies", "put", "p", "no-such-file"), ExitCode.USAGE),
        (("policies", "delete", "NeveReadOnly"), ExitCode.FAILURE),
        (("policies", "attach", "nothing", "nobody"), ExitCode.FAILURE),
        (("policies", "simulate", "sing", SNAPSHOT), ExitCode.USAGE),
        (("policies", "simulate", "ebs:GetSnapshotBlock", SNAPSHOT, "--context", "loud"), ExitCode.USAGE),
        (("accounts", "create", "--account-id", "12"), ExitCode.USAGE),
        (("keys", "create", "--alias", "disks"), ExitCode.USAGE),
        (("keys", "show", "alias/nothing"), ExitCode.FAILURE),
        (("keys", "alias", "alias/a"), ExitCode.USAGE),
        (("keys", "alias", "alias/a", "key", "--remove"), ExitCode.USAGE),
    ],
    ids=lambda words: "-".join(words[:2]) if isinstance(words, tuple) else "",
)
def test_a_refusal_is_a_sentence_an_exit_status_and_no_result(
    console: Console, words: tuple[str, ...], status: ExitCode
) -> None:
    before = console.json("users", "list"), console.json("access-keys", "list")
    ended, out, err = console.run(*words)
    assert (ended, out) == (status, "")
    assert err.startswith("neve: ")
    assert len(err.splitlines()) == 1
    assert (console.json("users", "list"), console.json("access-keys", "list")) == before


@pytest.mark.parametrize(
    "content",
    [b"{", b"\xff\xfe", b" " * (DOCUMENT_BYTES_MAX + 1), POLICY.replace("Allow", "Maybe").encode()],
    ids=["half", "no text", "oversize", "no such effect"],
)
def test_a_file_that_is_no_policy_is_refused(console: Console, policy_file: Path, content: bytes) -> None:
    policy_file.write_bytes(content)
    status, out, err = console.run("policies", "put", "p", str(policy_file))
    assert (status, out) == (ExitCode.USAGE, "")
    assert err.startswith("neve: ")
    assert "p" not in {each["policy_name"] for each in console.json("policies", "list")}


def test_a_place_without_a_store_is_told_as_what_it_is(tmp_path: Path, console: Console) -> None:
    console.path = tmp_path / "nowhere"
    status, _, err = console.run("users", "list")
    assert status == ExitCode.STORE_UNUSABLE
    assert "neve init" in err


def test_a_store_that_somebody_has_open_who_takes_no_requests_is_in_use(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assemble, "_STORE_IN_USE_S_MAX", 0.0)
    with directory.open_directory(console.path):
        status, _, err = console.run("users", "list")
    assert status == ExitCode.STORE_UNUSABLE
    assert f"pid {os.getpid()}" in err


def test_a_store_that_another_command_has_open_for_a_moment_is_waited_for(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = directory.open_directory(console.path)
    pauses: list[float] = []

    class Releasing:
        """Stands for the pause: the other command ends meanwhile."""

        def wait(self, timeout: float) -> None:
            pauses.append(timeout)
            held.close()

    waiting: Callable[[], Releasing] = Releasing
    monkeypatch.setattr(assemble, "Event", waiting)
    assert console.json("users", "list") == []
    assert len(pauses) == 1
