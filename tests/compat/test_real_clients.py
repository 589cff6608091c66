"""Unmodified clients write and read real file systems, told nothing but endpoint, region and key."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from demo.surroundings import aws_settings, with_nothing_of_the_users

from compat.flexible_snapshot_proxy import FlexibleSnapshotProxy
from compat.image_blocks import BLOCK_BYTES, Base, differing_blocks
from compat.real_clients import CLIENTS, AwsCli, Client, Environment, JavaScript, Missing
from fix_images import CannotMount, Disk, Image, mounted, require_clean, sha256_of, tree_of
from neve.testing.server import ServerProcess


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server as an operator gets it: no setting changed."""
    with ServerProcess(tmp_path_factory.mktemp("server") / "store") as running:
        yield running


@pytest.fixture
def environment(server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """The variables a client runs with; for clients of this process, they are this process's own."""
    found = with_nothing_of_the_users(aws_settings(server)) | {"HOME": str(tmp_path)}
    for name in os.environ.keys() - found.keys():
        monkeypatch.delenv(name)
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


def make_client(name: str, environment: Environment) -> Client:
    """Return a client, or skip the test."""
    try:
        return CLIENTS[name](environment)
    except Missing as missing:
        pytest.skip(f"{name}: {missing}")


@dataclass(frozen=True, slots=True)
class Trip:
    """One client, one server, and a folder for what comes back."""

    client: Client
    server: ServerProcess
    folder: Path

    def there(self, image: Image, base: Base | None = None) -> str:
        """Upload an image; return the id of the completed snapshot."""
        snapshot_id = self.client.upload(image.path, base)
        wait_completed(self.server, snapshot_id)
        return snapshot_id

    def back(self, snapshot_id: str) -> Path:
        """Download a snapshot; return the file."""
        volume = self.folder / snapshot_id
        self.client.download(snapshot_id, volume)
        return volume


@pytest.fixture
def trip(
    request: pytest.FixtureRequest, environment: Environment, server: ServerProcess, tmp_path: Path
) -> Trip:
    """A trip with the client that the test is parametrized with."""
    return Trip(make_client(request.param, environment), server, tmp_path)


each_client = pytest.mark.parametrize("trip", CLIENTS, indirect=True)
each_quick_client = pytest.mark.parametrize(
    "trip", sorted(CLIENTS.keys() - {"aws-cli", "coldsnap"}), indirect=True
)
"""Without those that take a second for each call, or six for each wait."""


def wait_completed(server: ServerProcess, snapshot_id: str) -> None:
    waiter = server.client("ec2").get_waiter("snapshot_completed")
    waiter.wait(SnapshotIds=[snapshot_id], WaiterConfig={"Delay": 0.1, "MaxAttempts": 1000})


def require_holds(volume: Path, image: Image) -> None:
    """Return if a volume holds an image, which may be smaller than any volume, and nothing else."""
    with volume.open("rb") as got, image.path.open("rb") as expected:
        while data := expected.read(BLOCK_BYTES):
            assert got.read(BLOCK_BYTES) == data
        offset = expected.tell()
        with suppress(OSError):  # which says that only a hole follows
            while True:
                offset = os.lseek(got.fileno(), offset, os.SEEK_DATA)
                data = os.pread(got.fileno(), BLOCK_BYTES, offset)
                assert data == bytes(len(data))
                offset += len(data)


# --- two blocks: every change runs these -----------------------------------------------------------


@each_client
def test_a_small_file_system_comes_back(trip: Trip, small_disk: Disk) -> None:
    require_holds(trip.back(trip.there(small_disk.before)), small_disk.before)


@each_quick_client
def test_a_child_comes_back_and_its_parent_stays(trip: Trip, small_disk: Disk) -> None:
    parent = trip.there(small_disk.before)
    try:
        child = trip.there(small_disk.after, Base(parent, small_disk.before.path))
    except Missing as missing:
        pytest.skip(str(missing))
    require_holds(trip.back(parent), small_disk.before)
    require_holds(trip.back(child), small_disk.after)


# --- a gibibyte: what the clients are for ----------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(3600)
@each_client
def test_a_disk_of_a_gibibyte_and_its_next_day_come_back(
    trip: Trip, disk: Disk, subtests: pytest.Subtests, capsys: pytest.CaptureFixture[str]
) -> None:
    said = [trip.client.version()]
    parent, volume = _there_and_back(trip, disk.before, None, said)
    with subtests.test("the disk mounts"):
        require_same_tree(volume, disk.before, trip.folder)
    base = Base(parent, disk.before.path)
    try:
        child, volume = _there_and_back(trip, disk.after, base, said)
    except Missing as missing:
        pytest.skip(str(missing))
    with subtests.test("its next day mounts"):
        require_same_tree(volume, disk.after, trip.folder)

    differing = [index for index, _ in differing_blocks(disk.after.path, base)]
    assert changed_blocks(trip.server, parent, child) == differing
    with capsys.disabled():
        sys.stdout.write(f"\n{'; '.join(said)}; {len(differing)} blocks changed\n")


def _there_and_back(trip: Trip, image: Image, base: Base | None, said: list[str]) -> tuple[str, Path]:
    """Upload an image, download it, compare; return the snapshot's id and the file, and say how it went."""
    started = time.monotonic()
    snapshot_id = trip.there(image, base)
    uploaded = time.monotonic()
    volume = trip.back(snapshot_id)
    downloaded = time.monotonic()
    checksum = sha256_of(volume)
    assert checksum == sha256_of(image.path)
    require_clean(volume)
    said.append(
        f"{'child' if base else 'disk'} {checksum[:12]}: up {uploaded - started:.1f} s, "
        f"down {downloaded - uploaded:.1f} s, equal, clean"
    )
    return snapshot_id, volume


def require_same_tree(volume: Path, image: Image, folder: Path) -> None:
    """Mount a volume and compare it with the files that went into its image; skip where nothing mounts."""
    at = folder / "mounted"
    try:
        # The image itself first: a machine that mounts it has no excuse with the copy.
        with mounted(image.path, at) as root:
            original = tree_of(root)
    except CannotMount as reason:
        pytest.skip(f"equal and clean, but not mounted: {reason}")
    with mounted(volume, at) as root:
        assert tree_of(root) == original
    assert original == tree_of(image.files)


def changed_blocks(server: ServerProcess, first: str, second: str) -> list[int]:
    proxy = FlexibleSnapshotProxy(server.client("ebs"), server.client("ec2"))
    return [block["BlockIndex"] for block in proxy.changed(first, second)]


# --- what only one client does ---------------------------------------------------------------------


def test_the_javascript_sdk_knows_our_errors_by_name_and_reason(
    server: ServerProcess, environment: Environment, small_disk: Disk
) -> None:
    client = make_client("javascript", environment)
    assert isinstance(client, JavaScript)
    snapshot_id = client.upload(small_disk.before.path)
    wait_completed(server, snapshot_id)
    said = client.run("errors", snapshot_id)
    assert {name: (error["name"], error["reason"], error["status"]) for name, error in said.items()} == {
        "unknown": ("ResourceNotFoundException", "SNAPSHOT_NOT_FOUND", 404),
        "sealed": ("ValidationException", "INVALID_SNAPSHOT_ID", 400),
        "mismatch": ("InvalidSignatureException", None, 403),
        "token": ("ValidationException", "INVALID_BLOCK_TOKEN", 400),
        "volume": ("ValidationException", "INVALID_VOLUME_SIZE", 400),
        "results": ("ValidationException", None, 400),
    }
    assert said["unknown"]["message"] == "The snapshot 'snap-00000000000000000' does not exist."
    assert said["mismatch"]["message"].startswith("The value passed in as x-amz-Checksum does not match")
    assert {error["attempts"] for error in said.values()} == {1}


@pytest.mark.slow
def test_the_cli_and_javascript_list_the_changes_the_images_have(
    server: ServerProcess, environment: Environment, small_disk: Disk
) -> None:
    client = make_client("boto3", environment)
    parent = client.upload(small_disk.before.path)
    wait_completed(server, parent)
    base = Base(parent, small_disk.before.path)
    child = client.upload(small_disk.after.path, base)
    wait_completed(server, child)
    differing = [index for index, _ in differing_blocks(small_disk.after.path, base)]
    cli, javascript = (make_client(name, environment) for name in ("aws-cli", "javascript"))
    assert isinstance(cli, AwsCli)
    assert isinstance(javascript, JavaScript)
    assert cli.changed(parent, child) == differing
    assert javascript.run("changed", parent, child) == differing


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limited", "code"),
    [("s_max", "ThrottlingException"), ("snapshot_per_s_max", "RequestThrottledException")],
    ids=["account", "snapshot"],
)
def test_the_proxy_sees_the_codes_it_knows_and_gets_through(
    make_server: Callable[..., ServerProcess], small_disk: Disk, tmp_path: Path, limited: str, code: str
) -> None:
    server = make_server(**{f"{call}_snapshot_block_per_{limited}": 1 for call in ("put", "get")})
    # A client that hides no refusal from the program above it: boto3 itself would try again first.
    proxy = FlexibleSnapshotProxy(server.client("ebs"), server.client("ec2"))
    snapshot_id = proxy.upload(small_disk.before.path)
    wait_completed(server, snapshot_id)
    assert proxy.codes.keys() == {code}
    proxy.codes.clear()
    proxy.download(snapshot_id, tmp_path / "volume")
    assert proxy.codes.keys() == {code}
    require_holds(tmp_path / "volume", small_disk.before)
