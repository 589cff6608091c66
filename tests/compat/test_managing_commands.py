"""`neve share`, `lock`, `bin` and `tag` against a real server, as a script sees them."""

import itertools
from pathlib import Path

import pytest

from fix_commands import Commands
from neve.limits import MIB

pytestmark = pytest.mark.slow

UNKNOWN = "snap-0fedcba9876543210"
FRIEND = "444455556666"
_seeds = itertools.count(1)


@pytest.fixture
def snapshot(commands: Commands, tmp_path: Path) -> str:
    """A completed snapshot of something that no other one has."""
    image = tmp_path / "disk.img"
    image.write_bytes(next(_seeds).to_bytes(4) * (MIB // 4))
    return commands.upload(image)


def test_a_snapshot_is_shared_and_that_is_taken_back(commands: Commands, snapshot: str) -> None:
    def shares() -> object:
        return commands.done("share", "list", snapshot, "--output", "json").json

    assert shares() == {"snapshot_id": snapshot, "public": False, "accounts": []}
    commands.done("share", "add", snapshot, FRIEND, "777788889999")
    assert shares() == {"snapshot_id": snapshot, "public": False, "accounts": [FRIEND, "777788889999"]}
    commands.done("share", "remove", snapshot, "777788889999")
    assert FRIEND in commands.done("share", "list", snapshot).out.decode()
    commands.done("share", "remove", snapshot, FRIEND)
    assert shares() == {"snapshot_id": snapshot, "public": False, "accounts": []}


def test_nobody_makes_a_snapshot_public_without_saying_so(commands: Commands, snapshot: str) -> None:
    unasked = commands.run("share", "public", snapshot)
    assert unasked.status == 2
    assert "--yes" in unasked.err
    assert commands.done("share", "list", snapshot, "--output", "json").json["public"] is False
    commands.done("share", "public", snapshot, "--yes")
    assert commands.done("share", "list", snapshot, "--output", "json").json["public"] is True
    commands.done("share", "public", snapshot, "--off")
    assert commands.done("share", "list", snapshot, "--output", "json").json["public"] is False


def test_a_locked_snapshot_stays_until_its_lock_is_off(commands: Commands, snapshot: str) -> None:
    lock = commands.done("lock", "set", snapshot, "--days", "3", "--output", "json").json
    assert (lock["snapshot_id"], lock["state"], lock["duration_days"]) == (snapshot, "governance", 3)
    refused = commands.run("delete", snapshot, "--yes")
    assert refused.status == 3
    assert "locked" in refused.err
    listed = commands.done("lock", "list", "--output", "json").json
    assert [each for each in listed if each["snapshot_id"] == snapshot] == [lock]
    assert f"{snapshot}  governance" in commands.done("lock", "list").out.decode()
    commands.done("lock", "remove", snapshot)
    assert snapshot not in commands.done("lock", "list").out.decode()
    commands.done("delete", snapshot)


def test_a_compliance_lock_is_asked_about_and_then_nobody_takes_it_off(
    commands: Commands, snapshot: str
) -> None:
    wish = ("lock", "set", snapshot, "--mode", "compliance", "--until", "2035-01-31")
    assert commands.run(*wish).status == 2
    assert snapshot not in commands.done("lock", "list").out.decode()
    cooling = commands.done(*wish, "--cool-off", "24", "--yes", "--output", "json").json
    assert (cooling["state"], cooling["cool_off_hours"]) == ("compliance-cooloff", 24)
    assert cooling["expires"] == "2035-01-31T00:00:00Z"
    assert "compliance" in commands.done(*wish, "--yes").out.decode()
    assert commands.run("lock", "remove", snapshot).status == 3
    assert commands.run("delete", snapshot).status == 3


def test_a_deleted_snapshot_comes_back_out_of_the_bin(commands: Commands, snapshot: str) -> None:
    commands.done("tag", "set", snapshot, "team=web")
    rule = commands.done(
        "bin", "add-rule", "--days", "7", "--tag", "team=web", "--description", "web"
    ).last_line
    try:
        (told,) = commands.done("bin", "rules", "--output", "json").json
        assert told["rule_id"] == rule
        assert (told["retention_days"], told["description"]) == (7, "web")
        assert (told["tags"], told["but_tags"]) == ([{"key": "team", "value": "web"}], [])
        assert "team=web" in commands.done("bin", "rules").out.decode()
        store = str(commands.server.directory)
        foretold = commands.done("delete", snapshot, "--dry-run", "--store", store, "--output", "json").json
        assert foretold["snapshots"][0]["outcome"] == "recycled"
        assert foretold["freed_bytes"] == 0
        assert foretold["freed_from_bin_bytes"] > 0
        commands.done("delete", snapshot)
        (binned,) = commands.done("bin", "list", "--output", "json").json
        assert binned["snapshot_id"] == snapshot
        assert foretold["snapshots"][0]["until"][:10] == binned["exits"][:10]
        assert snapshot not in commands.done("list").out.decode()
        assert commands.run("delete", snapshot, "--dry-run", "--store", store).status == 3
        commands.done("bin", "restore", snapshot)
        assert commands.run("bin", "restore", snapshot).status == 3
        assert snapshot in commands.done("list", "--tag", "team=web").out.decode()
    finally:
        commands.done("bin", "remove-rule", rule)
    assert commands.done("bin", "rules", "--output", "json").json == []
    assert commands.run("bin", "remove-rule", rule).status == 3


def test_tags_are_set_listed_and_taken_off(commands: Commands, snapshot: str) -> None:
    commands.done("tag", "set", snapshot, "team=web", "host=one=two", "empty=")
    found = commands.done("tag", "list", snapshot, "--output", "json").json
    assert {tag["key"]: tag["value"] for tag in found} == {"team": "web", "host": "one=two", "empty": ""}
    assert {tag["snapshot_id"] for tag in found} == {snapshot}
    commands.done("tag", "remove", snapshot, "team=db", "host", "never-there")
    left = commands.done("tag", "list", snapshot, "--output", "json").json
    assert sorted(tag["key"] for tag in left) == ["empty", "team"]
    assert snapshot in commands.done("tag", "list").out.decode()


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("share", "add", UNKNOWN, FRIEND), 3),
        (("share", "list", UNKNOWN), 3),
        (("lock", "set", UNKNOWN, "--days", "1"), 3),
        (("lock", "set", UNKNOWN), 2),
        (("lock", "set", UNKNOWN, "--days", "1", "--until", "2035-01-31"), 2),
        (("lock", "set", UNKNOWN, "--until", "tomorrow"), 2),
        (("lock", "set", UNKNOWN, "--days", "1", "--cool-off", "3"), 2),
        (("lock", "remove", UNKNOWN), 3),
        (("bin", "restore", UNKNOWN), 3),
        (("bin", "add-rule", "--days", "7", "--tag", "a", "--but-tag", "b"), 2),
        (("bin", "add-rule", "--days", "7", "--tag", "=b"), 2),
        (("bin", "add-rule", "--days", "99999"), 3),
        (("tag", "set", UNKNOWN, "a=b"), 3),
        (("tag", "set", UNKNOWN, "a"), 2),
        (("tag", "remove", UNKNOWN, "=b"), 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_cannot_be_ends_with_its_documented_status(
    commands: Commands, words: tuple[str, ...], status: int
) -> None:
    outcome = commands.run(*words)
    assert outcome.status == status, outcome.err
    assert outcome.err.startswith("neve: ")
    assert outcome.out == b""
