"""A database with a bit flipped: nothing wrong is served, and whatever has changed is found.

Row 8 of the scoreboard, for `metadata.db`. Its pages carry no proof, so it is tried out: open it, read every snapshot,
describe them, finish one that is being written, and see what verification says. Many of its bytes mean nothing, or
nothing any more; those that change what anybody is shown must be found.
"""

import random
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import apsw
import pytest

from damage_scene import Contents, filled, raw
from fix_scoreboard import Figure
from fix_world import FolderStores
from neve.domain.identities import SnapshotId
from neve.domain.snapshots import Snapshot, State
from neve.errors import NeveError
from neve.storage.verification.report import FindingKind
from neve.stores.archive.local import LocalArchiveStore
from neve.testing.memory_keys import MemoryKeys
from neve.testing.time_and_chance import SeededEntropy
from neve.testing.world import ACCOUNT, World, aggregate_of

CI_FLIPS = 25
FULL_FLIPS = 5_000
PENDING: Contents = {0: raw("p"), 5: bytes(64), 6: raw("q")}


class Folder:
    """A folder with a store in it that is put back as it was before each try."""

    def __init__(self, path: Path) -> None:
        self.path = path / "store"
        self.path.mkdir()
        self._kept = path / "kept"
        self.keys = MemoryKeys()
        self.stores = FolderStores(self.path)
        with self.open(0) as world:
            key = self.keys.make_key(ACCOUNT)
            self.wanted = {**filled(world, None, "plain"), **filled(world, key, "sealed")}
            self.pending = world.start()
            for index, content in PENDING.items():
                world.put(self.pending, index, content)
            assert world.verify().is_sound
            self.described = described(world)
        shutil.copytree(self.path, self._kept)

    def open(self, seed: int) -> World:
        return World(
            self.stores,
            keys=self.keys,
            archive=LocalArchiveStore(self.path / "archive"),
            entropy=SeededEntropy(seed),
        )

    def put_back(self) -> Path:
        """Have everything as it was; return the database."""
        shutil.rmtree(self.path)
        shutil.copytree(self._kept, self.path)
        return self.path / "metadata.db"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def described(world: World) -> dict[str, Snapshot]:
    """Return what is shown of every snapshot."""
    found = world.metadata.snapshots(ACCOUNT, after=None, limit=1_000)
    return {snapshot.snapshot_id: snapshot for snapshot in found}


def outcomes(world: World, folder: Folder) -> Iterator[str]:
    """Yield what was noticed while everything was read; whatever is answered is right."""
    for snapshot_id, wanted in folder.wanted.items():
        try:
            tokens = world.listed(snapshot_id)
        except NeveError:
            yield "refused"
            continue
        assert set(tokens) == set(wanted), "a list is right or an error"
        for index, token in tokens.items():
            try:
                content = world.get(snapshot_id, index, token)
            except NeveError:
                yield "refused"
            else:
                assert content == wanted[index], "a block is right or an error"
    try:
        if described(world) != folder.described:
            yield "shown otherwise"
    except NeveError:
        yield "refused"


def completed(world: World, folder: Folder) -> str:
    """Complete what was being written; return what came of it. It has what was written, or is not completed."""
    try:
        state = world.complete(folder.pending, count=len(PENDING), aggregate=aggregate_of(PENDING))
        if state is State.COMPLETED:
            with suppress(NeveError):
                assert world.read(folder.pending) == PENDING
            return "completed"
    except NeveError:
        return "refused"
    return "in error"


def tried(folder: Folder, seed: int) -> tuple[set[str], bool]:
    """Start on the database as it is; return what was noticed by using it, and whether verification noticed."""
    try:
        world = folder.open(seed)
    except NeveError:
        return {"refused at the start"}, True
    try:
        noticed = set(outcomes(world, folder))
        try:
            report = world.verifier.verify(data=True)
            found = not report.is_sound or bool(report.unproven)
        except NeveError:
            found = True
        if (ended := completed(world, folder)) != "completed":
            noticed.add(ended)
        return noticed, found
    finally:
        with suppress(NeveError):
            world.close()


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
@pytest.mark.row(8)
def test_a_flipped_bit_of_the_database_serves_nothing_wrong_and_is_found_if_it_changes_anything(
    folder: Folder, full_size: bool, figure: Figure
) -> None:
    chance = random.Random(8)
    counts: Counter[str] = Counter()
    for number in range(FULL_FLIPS if full_size else CI_FLIPS):
        database = folder.put_back()
        content = bytearray(database.read_bytes())
        offset = chance.choice([at for at, value in enumerate(content) if value])
        bit = chance.randrange(8)
        content[offset] ^= 1 << bit
        database.write_bytes(content)
        noticed, found = tried(folder, number + 1)
        counts["found" if found else "harmless"] += 1
        counts["refused at the start"] += noticed == {"refused at the start"}
        assert found or not noticed, f"byte {offset}, bit {bit}: {noticed}, and verification says nothing"
    figure(
        f"metadata.db: wrong answers 0 of {counts.total() - counts['refused at the start']} flips; "
        f"{counts['found']} found, {counts['harmless']} change nothing that anybody is shown"
    )


@pytest.mark.row(8)
def test_a_snapshot_that_points_to_other_blocks_is_found(folder: Folder) -> None:
    """Every block it then has proves: only the archive tells."""
    database = apsw.Connection(str(folder.put_back()))
    first, second = list(folder.wanted)[:2]
    database.execute(
        "UPDATE snapshot SET (root, block_count) = (SELECT root, block_count FROM snapshot WHERE snapshot_id = ?) "
        "WHERE snapshot_id = ?",
        (second, first),
    )
    # What changes it in place takes no trigger along.
    database.execute("DELETE FROM archive_change")
    database.close()
    with folder.open(1) as world:
        (finding,) = world.verifier.verify().findings
    assert finding.kind is FindingKind.ARCHIVE_DIFFERS
    assert first in finding.subject
    assert "snapshot.root" in finding.what


@pytest.mark.row(8)
def test_a_row_that_refers_to_other_content_is_found_and_never_completed(folder: Folder) -> None:
    database = apsw.Connection(str(folder.put_back()))
    database.execute(
        "UPDATE block SET chunk_key = (SELECT min(chunk_key) FROM chunk WHERE kind = 1) WHERE block_index = 6 "
        "AND snapshot_key = (SELECT snapshot_key FROM snapshot WHERE snapshot_id = ?)",
        (folder.pending,),
    )
    database.close()
    with folder.open(1) as world:
        (finding,) = world.verifier.verify().findings
        assert finding.kind is FindingKind.BLOCK_ROW_WRONG
        assert finding.subject == f"{folder.pending} block 6"
        assert completed(world, folder) == "refused"
        assert world.metadata.snapshot(ACCOUNT, SnapshotId(folder.pending)).state is State.SEALING


@pytest.mark.row(8)
def test_a_snapshot_being_written_whose_record_cannot_be_read_is_found(folder: Folder) -> None:
    """Nothing leads to its blocks but their rows, and of the whole account no list can be made."""
    database = apsw.Connection(str(folder.put_back()))
    database.execute("UPDATE snapshot SET origin = 'di2ect' WHERE snapshot_id = ?", (folder.pending,))
    database.close()
    with folder.open(1) as world:
        (finding,) = world.verifier.verify().findings
    assert finding.kind is FindingKind.RECORDS_DAMAGED
    assert "di2ect" in finding.what
