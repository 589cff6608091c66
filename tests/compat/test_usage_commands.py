"""What snapshots cost, as an operator sees it: foretold by `neve delete --dry-run`, and gone from `neve usage` after it."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fix_commands import Commands
from neve.limits import MIB
from neve.testing.server import ServerProcess

pytestmark = pytest.mark.slow

BLOCK = MIB // 2


def image_of(path: Path, seeds: list[int]) -> Path:
    """Write an image of half-compressible blocks, one for each seed; equal seeds are equal blocks, 0 is zeros."""
    with path.open("wb") as file:
        for seed in seeds:
            half = random.Random(seed).randbytes(BLOCK // 2) if seed else bytes(BLOCK // 2)
            file.write(half + bytes(BLOCK // 2))
    return path


def used(commands: Commands, *options: str) -> dict[str, Any]:
    (account,) = commands.done("usage", str(commands.server.directory), "--output", "json", *options).json
    return dict(account)


@pytest.fixture
def alone(make_commands: Callable[[ServerProcess], Commands], tmp_path: Path) -> Iterator[Commands]:
    """The commands, for a server without any snapshot."""
    with ServerProcess(tmp_path / "store") as server:
        yield make_commands(server)


def test_a_dry_run_says_exactly_what_deleting_frees(alone: Commands, tmp_path: Path) -> None:
    commands, store = alone, str(alone.server.directory)
    assert used(commands)["snapshots"] == 0
    assert used(commands)["unique_bytes"] == 0
    base = commands.upload(image_of(tmp_path / "base", [1, 2, 3, 4, 0, 5]), "--tag", "team=web")
    child = commands.upload(image_of(tmp_path / "child", [1, 9, 3, 4, 6, 5]), "--parent", base)
    twin = commands.upload(image_of(tmp_path / "twin", [9, 6, 7]), "--tag", "team=db")

    rows = used(commands, "--by-tag", "team", "--by-snapshot")
    assert {row["tag_value"]: row["snapshots"] for row in rows["by_tag"]} == {"web": 1, "db": 1, None: 1}
    assert [row["snapshot_id"] for row in rows["by_snapshot"]] == [base, child, twin]
    assert all(row["unique_bytes"] < rows["unique_bytes"] for row in rows["by_snapshot"])
    assert sum(row["logical_bytes"] for row in rows["by_snapshot"]) == rows["logical_bytes"]

    for names in ([child], [base, twin]):
        before = used(commands)["unique_bytes"]
        foretold = commands.done("delete", *names, "--dry-run", "--store", store, "--output", "json").json
        assert [row["outcome"] for row in foretold["snapshots"]] == ["deleted"] * len(names)
        assert used(commands)["unique_bytes"] == before
        commands.done("delete", *names)
        assert foretold["freed_bytes"] == before - used(commands)["unique_bytes"] > 0
    assert used(commands)["unique_bytes"] == 0


def test_a_dry_run_wants_the_store_and_deletes_nothing_without_it(commands: Commands, tmp_path: Path) -> None:
    name = commands.upload(image_of(tmp_path / "disk", [11, 12]))
    far_away = commands.run("delete", name, "--dry-run")
    assert far_away.status == 2
    assert "--store DIR" in far_away.err
    no_store = commands.run("delete", name, "--dry-run", "--store", str(tmp_path))
    assert no_store.status == 4
    unknown = commands.run(
        "delete", name, "snap-0fedcba9876543210", "--dry-run", "--store", str(commands.server.directory)
    )
    assert unknown.status == 3
    assert "nothing was" in unknown.err
    shown = commands.done("delete", name, "--dry-run", "--store", str(commands.server.directory))
    assert f"{name} would be deleted" in shown.out.decode()
    assert commands.run("delete", name, "--store", str(tmp_path)).status == 2
    assert name in commands.done("list").out.decode()


def test_usage_is_the_same_whether_a_server_has_the_store_open(alone: Commands, tmp_path: Path) -> None:
    commands, server = alone, alone.server
    commands.upload(image_of(tmp_path / "disk", [1, 2, 0]))
    served = used(commands, "--by-snapshot")
    text = commands.done("usage", str(server.directory)).out.decode()
    assert server.terminate() == 0
    assert used(commands, "--by-snapshot") == served
    assert commands.done("usage", str(server.directory)).out.decode() == text
    assert "1.0 MiB" in text
    assert commands.run("usage", str(server.directory), "--account-id", "000000000000").status == 1
    assert commands.run("usage", str(server.directory), "--by-tag", "").status == 2
