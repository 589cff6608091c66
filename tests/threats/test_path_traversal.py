"""Names that would lead out of the store, in every place where a client puts a name: strace sees every path that is opened."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from fix_scoreboard import Figure
from neve.testing.server import ServerProcess, read_all

SECRET_FILE = "passwd-of-the-test"
NAMES = [
    f"../../{SECRET_FILE}",
    f"..%2f..%2f{SECRET_FILE}",
    f"%2e%2e%2f%2e%2e%2f{SECRET_FILE}",
    f"..%5c..%5c{SECRET_FILE}",
    f"..%c0%af..%c0%af{SECRET_FILE}",
    f"....//....//{SECRET_FILE}",
    f"%00../{SECRET_FILE}",
    f"snap-0123456789abcdef0/../../{SECRET_FILE}",
    f"snap-0123456789abcdef0%00.{SECRET_FILE}",
    f"file:///etc/{SECRET_FILE}",
    f"/etc/{SECRET_FILE}",
    f"snap-{'f' * 64}{SECRET_FILE}",
    f"~root/{SECRET_FILE}",
    f"|cat {SECRET_FILE}",
]
"""Each names a file that is there, two folders above the segments and elsewhere."""
_PATH = re.compile(r'"((?:[^"\\]|\\.)*)"')


def raw(server: ServerProcess, target: str, *, body: bytes = b"", header: str = "") -> None:
    """Send a target as no client would."""
    request = f"GET {target} HTTP/1.1\r\nHost: neve\r\nConnection: close\r\nContent-Length: {len(body)}\r\n{header}\r\n"
    with server.connect() as connection:
        connection.sendall(request.encode() + body)
        read_all(connection)


def signed(server: ServerProcess, name: str) -> None:
    """Send a name where clients put names, rightly signed."""
    ebs, ec2, kms = (server.client(service) for service in ("ebs", "ec2", "kms"))
    calls: tuple[Callable[[], object], ...] = (
        lambda: ebs.list_snapshot_blocks(SnapshotId=name[:64]),
        lambda: ebs.get_snapshot_block(SnapshotId=name[:64], BlockIndex=0, BlockToken=name[:250]),
        lambda: ebs.start_snapshot(VolumeSize=1, ParentSnapshotId=name[:64]),
        lambda: ebs.start_snapshot(VolumeSize=1, Description=name, Tags=[{"Key": "k", "Value": name}]),
        lambda: ec2.describe_snapshots(SnapshotIds=[name]),
        lambda: ec2.delete_snapshot(SnapshotId=name),
        lambda: ec2.copy_snapshot(SourceSnapshotId=name, SourceRegion=server.region),
        lambda: kms.describe_key(KeyId=name),
        lambda: kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=name),
    )
    for call in calls:
        try:
            call()
        except (ClientError, BotoCoreError, ValueError):
            continue  # refused, or the client would not send it; what is opened by it is what is asked


@pytest.mark.slow
@pytest.mark.row(18)
def test_no_name_leads_out_of_the_store(
    make_server: Callable[..., ServerProcess], tmp_path: Path, figure: Figure
) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    server = make_server()
    (tmp_path / SECRET_FILE).write_text("no client's business")
    seen = tmp_path / "seen"
    strace = subprocess.Popen(
        ["strace", "-f", "-qq", "-e", "trace=%file", "-o", str(seen), "-p", str(server.pid)],
        stderr=subprocess.PIPE,
        text=True,
    )
    with strace:
        for name in NAMES:
            for target in (
                f"/snapshots/{name}/blocks",
                f"/{name}",
                f"/snapshots/{quote(name, safe='')}/blocks",
            ):
                raw(server, target.replace(" ", "%20"))
            signed(server, name)
        assert server.terminate() == 0
        assert strace.stderr is not None
        said = strace.stderr.read()
    if not seen.exists() or not seen.stat().st_size:
        pytest.skip(f"strace may not look into a process here: {said.strip()}")
    paths = {path for line in seen.read_text(errors="replace").splitlines() for path in _PATH.findall(line)}
    assert [event for event in server.events("request") if event["status"] >= 500] == []
    # No text of a client's is part of any path, wherever it leads.
    assert not [path for path in paths if SECRET_FILE in path or "snap-" in path or "%2" in path]
    store = str(server.directory.resolve())
    assert any(path.startswith(store) for path in paths), "strace saw nothing at all"
    figure(
        f"paths with text of a client's, for {len(NAMES)} names in {len(NAMES) * 12} requests: 0 of {len(paths)}"
    )
