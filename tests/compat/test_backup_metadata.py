"""`neve backup-metadata`, beside a server that is written to and without one; and what is restored from it."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from compat.people import People
from compat.test_rebuild import QUIET, bytes_of, filled, lose_the_database, neve, uploaded
from neve.testing.server import ServerProcess


def test_a_copy_made_beside_a_server_restores_what_there_was_then_and_rebuilding_all_there_is(
    make_server: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    server = make_server(**QUIET)
    owner, copy = People(server).root, tmp_path / "copy.db"
    before = uploaded(owner, {0: filled(1), 1: filled(2)})
    wanted = bytes_of(owner, before)

    made = neve("backup-metadata", server.directory, copy)
    assert made.returncode == 0, made.stderr
    assert copy.stat().st_mode & 0o777 == 0o600
    assert neve("backup-metadata", server.directory, copy).returncode == 4, "it is there already"

    # As many commits as there are names reserved ahead: the copy must not take what is written under them for cancelled.
    since = uploaded(owner, {index: filled(index + 3) for index in range(70)})
    server.terminate()
    lose_the_database(server.directory)
    shutil.copy(copy, server.directory / "metadata.db")

    collect = partial(neve, "gc", server.directory, "--at-once", "--yes", "--output", "json")
    refused = collect()
    assert refused.returncode == 1
    assert f"{since} among them" in refused.stderr
    assert "neve rebuild --replace" in refused.stderr
    server.start()
    assert bytes_of(owner, before) == wanted
    server.terminate()

    assert neve("rebuild", server.directory, "--replace").returncode == 0
    collected = collect()
    assert collected.returncode == 0, collected.stderr
    server.start()
    assert bytes_of(owner, before) == wanted
    assert list(bytes_of(owner, since)) == list(range(70))


def test_what_was_written_before_and_after_an_older_copy_was_put_back_comes_together_by_rebuilding(
    make_server: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    server = make_server(**QUIET)
    owner, copy = People(server).root, tmp_path / "copy.db"
    first = uploaded(owner, {0: filled(1)})
    assert neve("backup-metadata", server.directory, copy).returncode == 0
    since = [uploaded(owner, {0: filled(2), number: filled(3 + number)}) for number in (1, 2)]
    wanted = {snapshot_id: bytes_of(owner, snapshot_id) for snapshot_id in (first, *since)}
    server.terminate()
    lose_the_database(server.directory)
    shutil.copy(copy, server.directory / "metadata.db")

    # The database counts on from where it was: these get keys that those have.
    server.start()
    after = [uploaded(owner, {0: filled(2), number: filled(7 + number)}) for number in (1, 2, 3)]
    wanted |= {snapshot_id: bytes_of(owner, snapshot_id) for snapshot_id in after}
    server.terminate()

    rebuilt = neve("rebuild", server.directory, "--replace")
    assert rebuilt.returncode == 0, rebuilt.stderr
    for _ in range(2):
        assert neve("gc", server.directory, "--at-once", "--yes").returncode == 0
        server.start()
        newest = uploaded(owner, {0: filled(99)})
        wanted[newest] = bytes_of(owner, newest)
        assert {snapshot_id: bytes_of(owner, snapshot_id) for snapshot_id in wanted} == wanted
        server.terminate()
        assert neve("rebuild", server.directory, "--replace").returncode == 0, "the archive has the new keys"


def test_a_store_that_nobody_serves_is_copied_as_well(
    make_server: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    server = make_server(**QUIET)
    server.terminate()
    assert neve("backup-metadata", server.directory, tmp_path / "copy.db").returncode == 0
    assert sorted(file.name for file in tmp_path.glob("copy.db*")) == ["copy.db"]
