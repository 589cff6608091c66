"""What operators reach for on the worst day, beside a server and without one: undelete, gc, verify, repair, status.

What a snapshot holds is read over boto3, before and after.
"""

import io
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from fix_commands import Outcome
from neve.cli.main import main
from neve.limits import MIB
from neve.testing.server import ServerProcess

BLOCK = MIB // 2
QUIET = {"collect_interval_s": 0, "scrub_period_s": 0}
"""Nothing happens by itself."""


@pytest.fixture(params=["served", pytest.param("alone", marks=pytest.mark.slow)])
def served(request: pytest.FixtureRequest) -> bool:
    """Whether a server has the store open while commands are run."""
    return bool(request.param == "served")


class Operator:
    """Runs commands on one store, whose server stands still meanwhile if it is to."""

    def __init__(
        self, server: ServerProcess, capsys: pytest.CaptureFixture[str], tmp_path: Path, *, served: bool
    ) -> None:
        self.server = server
        self.directory = server.directory
        self._capsys = capsys
        self._tmp_path = tmp_path
        self._served = served

    def run(self, word: str, *arguments: str) -> Outcome:
        """Run a command of an operator."""
        if not self._served:
            assert self.server.terminate() == 0
        try:
            return self.call(word, str(self.directory), *arguments)
        finally:
            if not self._served:
                self.server.start()

    def call(self, *arguments: str) -> Outcome:
        """Run any command, in this process: that takes a tenth of the time."""
        self._capsys.readouterr()
        status = main(list(arguments))
        said = self._capsys.readouterr()
        return Outcome(status, said.out.encode(), said.err)

    def json(self, word: str, *arguments: str) -> Any:
        outcome = self.run(word, *arguments, "--output", "json")
        assert outcome.status in {0, 7}, outcome.err
        return outcome.json

    def upload(self, *seeds: int, parent: str = "") -> str:
        """Upload an image of these blocks; return the snapshot's id."""
        image = image_of(self._tmp_path / "-".join(map(str, seeds)), *seeds)
        options = ["--parent", parent] if parent else []
        outcome = self.call("upload", str(image), "--wait", "--quiet", "--no-cache", *options)
        assert outcome.status == 0, outcome.err
        return outcome.last_line

    def delete(self, snapshot_id: str) -> Outcome:
        outcome = self.call("delete", snapshot_id, "--yes")
        assert outcome.status == 0, outcome.err
        return outcome

    def read(self, snapshot_id: str) -> bytes:
        """Return what a snapshot holds, over boto3."""
        ebs = boto3.client(
            "ebs",
            endpoint_url=self.server.endpoint,
            region_name=self.server.region,
            aws_access_key_id=self.server.access_key_id,
            aws_secret_access_key=self.server.secret_access_key,
        )
        blocks = ebs.list_snapshot_blocks(SnapshotId=snapshot_id)["Blocks"]
        return b"".join(
            ebs.get_snapshot_block(
                SnapshotId=snapshot_id, BlockIndex=block["BlockIndex"], BlockToken=block["BlockToken"]
            )["BlockData"].read()
            for block in blocks
        )

    @property
    def stored_bytes(self) -> int:
        return sum(file.stat().st_size for file in (self.directory / "segments").rglob("*.seg"))


@pytest.fixture
def make_operator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], served: bool
) -> Iterator[Callable[..., Operator]]:
    """A function that makes a store and starts its server; keywords are settings."""
    opened: list[ServerProcess] = []

    def make(**settings: Any) -> Operator:
        server = ServerProcess(tmp_path / "store", settings=QUIET | settings)
        opened.append(server)
        server.start()
        for name in [name for name in os.environ if name.startswith(("NEVE_", "AWS_"))]:
            monkeypatch.delenv(name)
        for name, value in (QUIET | settings).items():
            monkeypatch.setenv(f"NEVE_{name.upper()}", str(value))
        for name, value in (
            ("ACCESS_KEY_ID", server.access_key_id),
            ("SECRET_ACCESS_KEY", server.secret_access_key),
            ("REGION", server.region),
            ("ENDPOINT_URL", server.endpoint),
        ):
            monkeypatch.setenv(f"AWS_{name}", value)
        monkeypatch.setattr("sys.stdin", io.StringIO())
        return Operator(server, capsys, tmp_path, served=served)

    yield make
    for server in opened:
        server.terminate()


def image_of(path: Path, *seeds: int) -> Path:
    """Write an image of blocks that do not compress, one for each seed; that of 0 is zeros."""
    path.write_bytes(
        b"".join(random.Random(seed).randbytes(BLOCK) if seed else bytes(BLOCK) for seed in seeds)
    )
    return path


def flip_a_byte_of(operator: Operator, content: bytes) -> None:
    """Flip a byte of a stored block, which is stored as it is since it does not compress."""
    for file in (operator.directory / "segments").rglob("*.seg"):
        data = bytearray(file.read_bytes())
        position = data.find(content[:4096])
        if position >= 0:
            data[position + 1234] ^= 1
            file.chmod(0o600)
            file.write_bytes(data)
            return
    raise AssertionError("no segment has this block")


def test_what_is_deleted_by_mistake_comes_back_with_the_same_bytes(
    make_operator: Callable[..., Operator],
) -> None:
    operator = make_operator(deletion_undo_s=3_600, condemned_keep_s=0)
    snapshot_id = operator.upload(1, 0, 2, 3)
    before = operator.read(snapshot_id)
    assert "neve undelete" in operator.delete(snapshot_id).err
    (deletion,) = operator.json("undelete", "--list")
    assert deletion["snapshot_id"] == snapshot_id
    assert deletion["until"] > deletion["deleted"]
    collected = operator.json("gc")
    assert (collected["undos_closed"], collected["chunks_dropped"]) == (0, 0)
    assert f"{snapshot_id} is back." in operator.run("undelete", snapshot_id).out.decode()
    assert operator.read(snapshot_id) == before
    again = operator.run("undelete", snapshot_id)
    assert again.status == 1
    assert "not deleted" in again.err
    assert operator.run("verify", "--data").status == 0


@pytest.mark.slow
def test_bytes_are_free_when_the_time_for_undoing_is_over(make_operator: Callable[..., Operator]) -> None:
    operator = make_operator(deletion_undo_s=0, condemned_keep_s=0)
    kept = operator.upload(1, 2)
    before, alone_bytes = operator.read(kept), operator.stored_bytes
    operator.delete(operator.upload(1, 3, 4, 5))
    assert operator.stored_bytes > alone_bytes + 3 * BLOCK
    foretold = operator.json("gc", "--dry-run")
    assert (foretold["dry_run"], foretold["undos_closed"]) == (True, 1)
    assert operator.stored_bytes > alone_bytes + 3 * BLOCK
    assert operator.json("gc")["bytes_dropped"] == foretold["bytes_dropped"] > 3 * BLOCK
    operator.json("gc")  # what was rewritten goes now
    assert operator.stored_bytes < alone_bytes + BLOCK
    assert operator.json("undelete", "--list") == []
    assert operator.read(kept) == before
    assert operator.run("verify", "--data").status == 0


@pytest.mark.slow
def test_a_full_disk_gets_its_room_at_once(make_operator: Callable[..., Operator]) -> None:
    operator = make_operator(deletion_undo_s=3_600, condemned_keep_s=3_600)
    operator.delete(operator.upload(1, 2, 3))
    assert operator.run("gc", "--at-once").status == 2, "nobody is there to be asked"
    assert operator.json("gc", "--at-once", "--yes")["undos_closed"] == 1
    assert operator.stored_bytes == 0
    assert operator.json("undelete", "--list") == []


def test_a_flipped_byte_is_found_named_and_healed_from_the_image(
    make_operator: Callable[..., Operator], tmp_path: Path
) -> None:
    operator = make_operator()
    snapshot_id = operator.upload(1, 2, 3, 4)
    child_id = operator.upload(1, 2, 3, 9, parent=snapshot_id)
    before = operator.read(snapshot_id)
    flip_a_byte_of(operator, before[2 * BLOCK :])
    assert operator.run("verify").status == 0, "only reading it tells"
    found = operator.run("verify", "--data")
    assert found.status == 7, found.err
    account_id = operator.server.account_id
    for name in (snapshot_id, child_id):
        sentence = f"lost: {name} (account {account_id}, completed): 1 blocks cannot be read: 2"
        assert sentence in found.out.decode().splitlines()
    told = operator.json("verify")
    assert {each["snapshot_id"]: each["ranges"] for each in told["touched"]} == {
        snapshot_id: [[2, 2]],
        child_id: [[2, 2]],
    }
    assert operator.json("status")["bad_chunks"] == 1

    wrong = operator.run("repair", "--from-image", str(image_of(tmp_path / "wrong", 5, 6, 7, 8)))
    assert wrong.status == 7, wrong.err
    healed = operator.run("repair", "--from-image", str(tmp_path / "1-2-3-4"))
    assert healed.status == 0, healed.err
    assert "Everything is whole." in healed.out.decode()
    assert operator.read(snapshot_id) == before
    assert operator.json("status")["bad_chunks"] == 0
    left = operator.json("verify", "--data")
    assert left["touched"] == []
    assert {each["kind"] for each in left["findings"]} == {"unused chunk damaged"}, "it still lies there"


@pytest.mark.slow
def test_what_is_lost_comes_back_from_a_copy_of_the_store_and_from_another_service(
    make_operator: Callable[..., Operator], tmp_path: Path
) -> None:
    operator = make_operator()
    snapshot_id = operator.upload(1, 2, 3)
    before = operator.read(snapshot_id)
    copy = tmp_path / "copy"
    shutil.copytree(operator.directory / "segments", copy / "segments")

    flip_a_byte_of(operator, before)
    assert operator.run("verify", "--data").status == 7
    nowhere = operator.run("repair", "--from-store", str(tmp_path))
    assert nowhere.status == 2
    assert "is the right disk mounted?" in nowhere.err
    assert operator.run("repair", "--from-store", str(copy)).status == 0
    assert operator.read(snapshot_id) == before

    with ServerProcess(tmp_path / "other") as other:
        flip_a_byte_of(operator, before[BLOCK:])
        assert operator.run("verify", "--data").status == 7
        home = {name: os.environ[name] for name in os.environ if name.startswith("AWS_")}
        os.environ |= {"AWS_ACCESS_KEY_ID": other.access_key_id, "AWS_ENDPOINT_URL": other.endpoint}
        os.environ["AWS_SECRET_ACCESS_KEY"] = other.secret_access_key
        elsewhere = operator.upload(1, 2, 3)
        unknown = operator.run("repair", "--from-snapshot", "snap-0fedcba9876543210")
        assert unknown.status == 3, unknown.err
        healed = operator.run("repair", "--from-snapshot", elsewhere, "--endpoint-url", other.endpoint)
        assert healed.status == 0, healed.err
        os.environ |= home
    assert operator.read(snapshot_id) == before
