"""The client commands against a real server: what a script sees of them, and bytes that are equal at the end."""

import hashlib
import json
import os
import pty
import random
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fix_commands import Commands
from neve.client.boto import BotoEbsApi, Connection
from neve.limits import GIB, MIB
from neve.messages.ebs import CompleteSnapshotRequest, StartSnapshotRequest
from neve.testing.server import ServerProcess

pytestmark = pytest.mark.slow

UNKNOWN = "snap-0fedcba9876543210"
PIECE_BYTES = 3 * MIB + 12_345
"""No multiple of a block: extents begin and end anywhere."""


def write_pieces(path: Path, size_bytes: int, offsets: list[int], seed: int = 1) -> None:
    """Write a sparse image with random data at the offsets."""
    source = random.Random(seed)
    with path.open("wb") as file:
        file.truncate(size_bytes)
        for offset in offsets:
            file.seek(offset)
            file.write(source.randbytes(PIECE_BYTES))


def volume_sha256(image: bytes) -> str:
    """Return the SHA-256 of the volume of 1 GiB that an image is the beginning of."""
    return hashlib.sha256(image.ljust(GIB, b"\0")).hexdigest()


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.fixture
def api(command_server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> BotoEbsApi:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", command_server.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", command_server.secret_access_key)
    return BotoEbsApi(Connection(endpoint_url=command_server.endpoint, region=command_server.region), {})


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    write_pieces(path, 200 * MIB + 777, [0, 50 * MIB + 99, 190 * MIB])
    return path


# --- bytes


def test_an_image_and_its_changed_child_come_back_equal(
    commands: Commands, image: Path, tmp_path: Path
) -> None:
    first = commands.upload(image)
    before = image.read_bytes()
    with image.open("r+b") as file:
        file.seek(MIB)
        file.write(b"changed")
        file.seek(50 * MIB)
        file.write(bytes(2 * MIB))  # what the parent holds becomes zeros
        file.seek(120 * MIB)
        file.write(b"new")
    after = image.read_bytes()
    uploaded = commands.done("upload", str(image), "--parent", first, "--wait", "--output", "json").json
    assert uploaded["sent_blocks"] == 1 + 4 + 1
    assert uploaded["status"] == "completed"

    for snapshot_id, content in ((first, before), (uploaded["snapshot_id"], after)):
        target = tmp_path / f"{snapshot_id}.img"
        commands.done("download", snapshot_id, str(target))
        assert file_sha256(target) == volume_sha256(content)
        assert target.stat().st_blocks * 512 < 20 * MIB, "holes stay holes"


def test_a_parent_unknown_here_is_read_back_and_gives_the_same_child(commands: Commands, image: Path) -> None:
    first = commands.upload(image)
    with image.open("r+b") as file:
        file.seek(MIB)
        file.write(b"changed")
    outcome = commands.done("upload", str(image), "--parent", first, "--no-cache", "--output", "json")
    assert outcome.json["sent_blocks"] == 1
    assert "read back" in outcome.err


def test_a_volume_goes_to_standard_output_in_order_with_its_zeros(commands: Commands, image: Path) -> None:
    outcome = commands.done("download", commands.upload(image), "-")
    assert len(outcome.out) == GIB
    assert hashlib.sha256(outcome.out).hexdigest() == volume_sha256(image.read_bytes())


def test_an_upload_outlives_the_servers_sudden_death(
    make_commands: Callable[[ServerProcess], Commands], tmp_path: Path
) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(random.Random(2).randbytes(100 * MIB))
    with ServerProcess(tmp_path / "store") as server:
        commands = make_commands(server)
        process = commands.start("upload", str(image), "--wait", "--tag", "host=dying")
        wait_for_a_snapshot(commands, process, "dying")
        server.kill()
        server.start()
        out, err = process.communicate()
        assert process.returncode == 0, err
        snapshot_id = out.decode().splitlines()[-1]
        commands.done("download", snapshot_id, str(tmp_path / "back.img"))
    assert file_sha256(tmp_path / "back.img") == volume_sha256(image.read_bytes())


def wait_for_a_snapshot(commands: Commands, process: "subprocess.Popen[bytes]", host: str) -> str:
    """Return the id of the pending snapshot with this tag as soon as there is one."""
    ec2 = commands.server.client("ec2")
    filters = [{"Name": "status", "Values": ["pending"]}, {"Name": "tag:host", "Values": [host]}]
    while process.poll() is None:
        if found := ec2.describe_snapshots(Filters=filters)["Snapshots"]:
            return str(found[0]["SnapshotId"])
    raise AssertionError("it ended before its snapshot was seen")


def test_a_device_goes_up_and_comes_back(commands: Commands, tmp_path: Path) -> None:
    with loop_device(tmp_path / "source.img", 40 * MIB + 512) as (source, _):
        content = random.Random(3).randbytes(40 * MIB + 512)
        Path(source).write_bytes(content)
        snapshot_id = commands.upload(Path(source))
        assert commands.run("download", snapshot_id, source).status == 1, "a device wants --force"
        with loop_device(tmp_path / "target.img", 40 * MIB + 512) as (target, _):
            Path(target).write_bytes(b"rubbish" * 1000)
            commands.done("download", snapshot_id, target, "--force")
            assert Path(target).read_bytes() == content
        with loop_device(tmp_path / "small.img", 30 * MIB) as (small, small_file):
            refused = commands.run("download", snapshot_id, small, "--force")
            assert refused.status == 1
            assert "data behind that" in refused.err
            assert not any(small_file.read_bytes())


class loop_device:  # noqa: N801 - used like a function
    """A block device over a file; the test is skipped where there can be none."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path = path
        with path.open("wb") as file:
            file.truncate(size_bytes)

    def __enter__(self) -> tuple[str, Path]:
        try:
            made = subprocess.run(
                ["losetup", "--find", "--show", str(self._path)], capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            pytest.skip("losetup is not installed")
        if made.returncode != 0:
            pytest.skip(f"no loop device to be had (root needed): {made.stderr.strip()}")
        self._device = made.stdout.strip()
        return self._device, self._path

    def __exit__(self, *_: object) -> None:
        subprocess.run(["losetup", "--detach", self._device], check=True)


def test_a_volume_of_many_terabytes_takes_little_memory(commands: Commands, tmp_path: Path) -> None:
    image = tmp_path / "huge.img"
    size_bytes = 15 << 40  # ext4 files end at 16 TiB
    try:
        write_pieces(image, size_bytes, [0, 7 << 40, size_bytes - PIECE_BYTES])
    except OSError as error:
        pytest.skip(f"no sparse files of 15 TiB in the temporary folder: {error}")
    uploading_bytes = commands.peak_memory_bytes("upload", str(image), "--wait", "--tag", "size=huge")
    (huge,) = commands.done("list", "--tag", "size=huge", "--output", "json").json
    back = tmp_path / "back.img"
    downloading_bytes = commands.peak_memory_bytes("download", huge["snapshot_id"], str(back))
    assert max(uploading_bytes, downloading_bytes) < 200 * MIB
    assert back.stat().st_size == size_bytes
    assert list(data_pieces(back)) == list(data_pieces(image))


def data_pieces(path: Path) -> Iterator[tuple[int, str]]:
    """Yield where each piece of data lies and its SHA-256, zeros at its ends left out."""
    with path.open("rb") as file:
        end = 0
        while True:
            try:
                start = os.lseek(file.fileno(), end, os.SEEK_DATA)
            except OSError:
                return
            end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            data = os.pread(file.fileno(), end - start, start)
            leading = len(data) - len(data.lstrip(b"\0"))
            yield start + leading, hashlib.sha256(data.strip(b"\0")).hexdigest()


# --- what scripts rely on


def test_the_id_is_all_that_goes_to_standard_output(commands: Commands, image: Path) -> None:
    outcome = commands.done("upload", str(image))
    assert outcome.out.decode() == f"{outcome.last_line}\n"
    assert outcome.last_line.startswith("snap-")
    assert "Sent" in outcome.err
    quiet = commands.done("upload", str(image), "--quiet")
    assert quiet.err == ""


def test_at_a_terminal_progress_is_drawn_and_the_result_is_still_bare(
    commands: Commands, image: Path
) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "wb", buffering=0) as terminal:
        process = commands.start("upload", str(image), stderr=terminal)
    out, _ = process.communicate()
    drawn = b""
    try:
        while piece := os.read(ours, 65_536):
            drawn += piece
    except OSError:  # the terminal's other end is closed, and all of it was read
        pass
    os.close(ours)
    assert process.returncode == 0
    assert out.startswith(b"snap-")
    assert b"100 %" in drawn


def test_what_was_ordered_is_listed(commands: Commands, image: Path) -> None:
    snapshot_id = commands.upload(
        image, "--description", "nightly", "--tag", "host=db", "--tag", "empty=", "--volume-size", "3"
    )
    listed = commands.done("list", "--tag", "host=d*", "--state", "completed", "--output", "json").json
    (found,) = [each for each in listed if each["snapshot_id"] == snapshot_id]
    assert found["description"] == "nightly"
    assert found["volume_size_gib"] == 3
    assert found["tags"] == {"host": "db", "empty": ""}
    assert snapshot_id in commands.done("list").out.decode()
    assert commands.done("list", "--tag", "host=none", "--output", "json").json == []


def test_a_difference_is_told_as_stretches_and_as_a_sum(commands: Commands, image: Path) -> None:
    first = commands.upload(image)
    with image.open("r+b") as file:
        file.seek(MIB)
        file.write(b"changed".ljust(MIB, b"!"))
        file.seek(120 * MIB)
        file.write(b"new")
    second = commands.upload(image, "--parent", first)
    told = commands.done("diff", first, second, "--output", "json").json
    assert told["stretches"] == [
        {"change": "changed", "offset": MIB, "length": MIB, "first_block": 2, "blocks": 2},
        {"change": "added", "offset": 120 * MIB, "length": MIB // 2, "first_block": 240, "blocks": 1},
    ]
    assert told["differing_bytes"] == 3 * MIB // 2
    summed = commands.done("diff", first, second, "--summary", "--output", "json").json
    assert summed == {name: value for name, value in told.items() if name != "stretches"}
    text = commands.done("diff", first, second).out.decode().splitlines()
    assert [line.split()[0] for line in text] == ["change", "changed", "added"]
    assert commands.done("diff", first, first, "--output", "json").json["stretches"] == []


def test_deleting_goes_on_past_one_that_is_not_there(commands: Commands, image: Path) -> None:
    first, second = commands.upload(image), commands.upload(image)
    outcome = commands.run("delete", first, UNKNOWN, second, "--output", "json")
    assert outcome.status == 3
    assert [each["deleted"] for each in outcome.json] == [True, False, True]
    left = {each["snapshot_id"] for each in commands.done("list", "--output", "json").json}
    assert not left & {first, second}


# --- exit statuses


def test_the_exit_status_of_waiting_tells_what_became_of_the_snapshot(
    commands: Commands, image: Path, api: BotoEbsApi
) -> None:
    assert commands.done("wait", commands.upload(image)).out.decode().split()[-1] == "completed"
    pending = api.start_snapshot(StartSnapshotRequest(volume_size=1)).snapshot_id
    assert commands.run("wait", pending, "--timeout", "0").status == 6
    api.complete_snapshot(CompleteSnapshotRequest(snapshot_id=pending, changed_blocks_count=7))
    failed = commands.run("wait", pending)
    assert failed.status == 1
    assert "Changed blocks count mismatch" in failed.err
    assert commands.run("wait", UNKNOWN).status == 3


@pytest.mark.parametrize(
    "row",
    [
        (2, ["upload"], "Missing argument"),
        (2, ["upload", "IMAGE", "--tag", "nonsense"], "KEY=VALUE"),
        (2, ["upload", "IMAGE", "--timeout-minutes", "9"], "10"),
        (2, ["download", UNKNOWN, "-", "--output", "json"], "standard output"),
        (2, ["list", "--profile", "nobody"], "nobody"),
        (2, ["list", "--endpoint-url", "localhost:1"], "http://"),
        (1, ["upload", "/nonexistent"], "Check the path"),
        (1, ["download", UNKNOWN, "IMAGE"], "--force"),
        (3, ["download", UNKNOWN, "new.img"], "does not exist"),
        (3, ["upload", "IMAGE", "--parent", UNKNOWN], "does not exist"),
        (3, ["diff", UNKNOWN, UNKNOWN], "does not exist"),
        (3, ["delete", UNKNOWN], "neve list"),
        (3, ["list", "--region", "us-west-7"], "region"),
        (5, ["list", "--endpoint-url", "http://127.0.0.1:1"], "AWS_ENDPOINT_URL"),
    ],
)
def test_a_command_that_fails_says_why_and_what_to_do(
    commands: Commands, image: Path, tmp_path: Path, row: tuple[int, list[str], str]
) -> None:
    status, arguments, says = row
    given = [
        str(image) if word == "IMAGE" else str(tmp_path / word) if word == "new.img" else word
        for word in arguments
    ]
    outcome = commands.run(*given)
    assert outcome.status == status, outcome.err
    assert says in outcome.err
    assert "Traceback" not in outcome.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk.img", "home"]


def test_without_credentials_a_command_says_what_to_set(commands: Commands) -> None:
    environment = {name: value for name, value in commands.environment.items() if name != "AWS_ACCESS_KEY_ID"}
    outcome = commands.run("list", environment=environment)
    assert outcome.status == 2
    assert "AWS_ACCESS_KEY_ID" in outcome.err


def test_a_profile_is_all_that_is_needed(commands: Commands, command_server: ServerProcess) -> None:
    folder = commands.home / ".aws"
    folder.mkdir()
    (folder / "config").write_text(
        f"[profile mine]\nregion = {command_server.region}\nendpoint_url = {command_server.endpoint}\n"
    )
    (folder / "credentials").write_text(
        f"[mine]\naws_access_key_id = {command_server.access_key_id}\n"
        f"aws_secret_access_key = {command_server.secret_access_key}\n"
    )
    environment = {name: value for name, value in commands.environment.items() if not name.startswith("AWS_")}
    outcome = commands.run("list", "--profile", "mine", "--output", "json", environment=environment)
    assert outcome.status == 0, outcome.err
    json.loads(outcome.out)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_upload_deletes_what_it_began(
    commands: Commands, tmp_path: Path, number: signal.Signals
) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(random.Random(4).randbytes(100 * MIB))
    process = commands.start("upload", str(image), "--workers", "1", "--tag", f"host={number.name}")
    snapshot_id = wait_for_a_snapshot(commands, process, number.name)
    process.send_signal(number)
    out, err = process.communicate()
    assert process.returncode == 130, err
    assert out == b""
    assert f"{snapshot_id} was deleted" in err.decode()
    assert commands.run("wait", snapshot_id).status == 3


def test_an_interrupted_download_leaves_no_file(commands: Commands, tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(random.Random(5).randbytes(100 * MIB))
    snapshot_id = commands.upload(image)
    folder = tmp_path / "target"
    folder.mkdir()
    process = commands.start("download", snapshot_id, str(folder / "disk.img"), "--workers", "1")
    while not list(folder.iterdir()):
        assert process.poll() is None, "it ended before it began"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130, err
    assert list(folder.iterdir()) == []
