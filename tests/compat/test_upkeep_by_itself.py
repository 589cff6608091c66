"""What a server does for its store without being asked: collects, and proves what it stored, beside requests."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from fix_commands import Commands
from neve.limits import MIB
from neve.testing.server import ServerProcess

pytestmark = pytest.mark.slow

LOOK_EVERY_S = 0.2


def events(server: ServerProcess, name: str) -> list[dict[str, Any]]:
    """Return the events of this name that stand in the log so far."""
    lines = [line for line in server.log.read_text().splitlines(keepends=True) if line.endswith("\n")]
    told = [json.loads(line) for line in lines if line.startswith("{")]
    return [event for event in told if event["event"] == name]


def test_a_server_collects_and_proves_by_itself(
    make_server: Callable[..., ServerProcess],
    make_commands: Callable[[ServerProcess], Commands],
    tmp_path: Path,
) -> None:
    server = make_server(collect_interval_s=1, scrub_period_s=1, deletion_undo_s=0, reap_interval_s=0.5)
    commands = make_commands(server)
    image = tmp_path / "disk"
    image.write_bytes(random.Random(1).randbytes(2 * MIB))
    snapshot_id = commands.upload(image)
    before = commands.done("download", snapshot_id, "-").out
    commands.done("delete", snapshot_id, "--yes")
    commands.done("undelete", str(server.directory), snapshot_id)
    assert server.terminate() == 0, "a stop waits for neither"
    server.start()  # one that found nothing to prove looks again in an hour
    pause = Event()
    while not events(server, "collection ended"):
        pause.wait(LOOK_EVERY_S)
    while commands.done("status", str(server.directory), "--output", "json").json["newest_proof"] is None:
        pause.wait(LOOK_EVERY_S)
    status = commands.done("status", str(server.directory), "--output", "json").json
    assert status["last_collection"] is not None
    assert not status["last_collection_failed"]
    assert commands.done("download", snapshot_id, "-").out == before
    assert server.terminate() == 0
    assert events(server, "background work failed") == []
