"""Stores of every format version there was, read by `neve-read` from a folder and from a bucket, and rebuilt by neve."""

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import botocore.session
import pytest

import neve_read
from moto_kms import CREDENTIALS, MotoServer
from neve import assemble_rebuild
from neve.limits import GIB, STANDARD
from neve.settings import Settings
from neve.storage.progress import unhurried, unwatched

STORES: Final = Path(__file__).parent / "stores"
VERSIONS: Final = sorted(path.name for path in STORES.iterdir() if path.is_dir())
BLOCK: Final = STANDARD.block_bytes
LINES_MAX: Final = 600
BUCKET: Final = "kept"

every_version = pytest.mark.parametrize("version", VERSIONS)


def expected(version: str) -> dict[str, dict[int, str]]:
    found = json.loads((STORES / version / "expected.json").read_text())
    return {name: {int(index): sha for index, sha in blocks.items()} for name, blocks in found.items()}


def blocks_of(image: Path, indexes: dict[int, str]) -> dict[int, str]:
    """Return the SHA-256 of some blocks of an image, having seen that there is nothing beside them."""
    found = {}
    with image.open("rb") as stream:
        for index in indexes:
            stream.seek(index * BLOCK)
            found[index] = hashlib.sha256(stream.read(BLOCK)).hexdigest()
    assert image.stat().st_size == GIB
    assert image.stat().st_blocks * 512 <= len(indexes) * BLOCK + 64 * 1024
    return found


def copy_of(version: str, folder: Path) -> Path:
    """Return a copy of a store with all of its folders: empty ones are not kept with the others."""
    store = folder / version
    shutil.copytree(STORES / version, store)
    for number in range(256):
        (store / "segments" / f"{number:02x}").mkdir(exist_ok=True)
    (store / "master.key").chmod(0o600)
    return store


@every_version
def test_neve_read_restores_every_snapshot(version: str, tmp_path: Path) -> None:
    for snapshot_id, blocks in expected(version).items():
        image = tmp_path / f"{snapshot_id}.img"
        assert neve_read.main([str(STORES / version), "restore", snapshot_id, str(image)]) == 0
        assert blocks_of(image, blocks) == blocks


@every_version
def test_neve_read_lists_every_snapshot(version: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert neve_read.main([str(STORES / version), "list"]) == 0
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {each["snapshot_id"] for each in shown} == set(expected(version))


@pytest.fixture(scope="module")
def bucket(moto_kms: MotoServer) -> Any:
    """An S3 endpoint that is not ours, with every store in a bucket."""
    session = botocore.session.Session()
    session.set_credentials(CREDENTIALS["aws_access_key_id"], CREDENTIALS["aws_secret_access_key"])
    client: Any = session.create_client("s3", endpoint_url=moto_kms.url, region_name="us-east-1")
    client.create_bucket(Bucket=BUCKET)
    for version in VERSIONS:
        for file in (STORES / version).rglob("*"):
            if file.is_file() and file.name != "master.key":
                key = f"stores/{file.relative_to(STORES).as_posix()}"
                client.put_object(Bucket=BUCKET, Key=key, Body=file.read_bytes())
    return client


@every_version
@pytest.mark.usefixtures("aws_credentials")
def test_neve_read_restores_from_a_bucket(
    version: str, bucket: Any, moto_kms: MotoServer, tmp_path: Path
) -> None:
    place = [f"s3://{BUCKET}/stores/{version}", "--endpoint-url", moto_kms.url]
    key = ["--master-key", str(STORES / version / "master.key")]
    for snapshot_id, blocks in expected(version).items():
        image = tmp_path / f"{snapshot_id}.img"
        assert neve_read.main([*place, *key, "restore", snapshot_id, str(image)]) == 0
        assert blocks_of(image, blocks) == blocks
    del bucket


@every_version
def test_neve_rebuilds_a_store_without_its_database(version: str, tmp_path: Path) -> None:
    store = copy_of(version, tmp_path)
    rebuilt = assemble_rebuild.rebuild_metadata(
        store, Settings(), replace=False, on_progress=unwatched, check=unhurried
    )
    assert rebuilt.report.left_out == []
    assert rebuilt.report.restored["snapshot"] == len(expected(version))
    assert rebuilt.verification.is_sound


class TestWhatIsLost:
    """A store of the newest version, with something taken from it."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Path:
        return copy_of(VERSIONS[-1], tmp_path)

    @pytest.fixture
    def snapshot_id(self) -> str:
        """One with blocks that are not zeros."""
        return next(iter(expected(VERSIONS[-1])))

    @pytest.fixture
    def lost(self, store: Path, snapshot_id: str) -> int:
        """The index of the one block of it that is damaged."""
        (index, *_) = expected(VERSIONS[-1])[snapshot_id]
        chunk_id = block_of(store, snapshot_id, index)
        assert spoil(store, lambda _, found: found == chunk_id) == 1
        return index

    def test_a_damaged_block_ends_the_restoration_and_leaves_no_file(
        self, store: Path, snapshot_id: str, lost: int, capsys: pytest.CaptureFixture[str]
    ) -> None:
        image = store.parent / "disk.img"
        assert neve_read.main([str(store), "restore", snapshot_id, str(image)]) == neve_read.DAMAGED
        assert not image.exists()
        assert f"blocks {lost} to {lost}: chunk " in capsys.readouterr().err

    def test_told_to_go_on_it_names_what_is_lost_and_restores_the_rest(
        self, store: Path, snapshot_id: str, lost: int, capsys: pytest.CaptureFixture[str]
    ) -> None:
        image = store.parent / "disk.img"
        words = [str(store), "restore", snapshot_id, str(image), "--skip-damaged"]
        assert neve_read.main(words) == neve_read.DAMAGED
        assert f"blocks {lost} to {lost}: chunk " in capsys.readouterr().err
        wanted = expected(VERSIONS[-1])[snapshot_id]
        zeros = hashlib.sha256(bytes(BLOCK)).hexdigest()
        assert blocks_of(image, wanted) == {**wanted, lost: zeros}

    def test_a_damaged_map_is_lost_and_named(
        self, store: Path, snapshot_id: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert spoil(store, lambda kind, _: kind == neve_read.NODE_KIND)
        assert neve_read.main([str(store), "check", snapshot_id]) == neve_read.DAMAGED
        assert "blocks 0 to " in capsys.readouterr().err

    def test_another_key_is_refused_and_named(self, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (store / "master.key").write_text("00" * 32 + "\n")
        assert neve_read.main([str(store), "list"]) == neve_read.UNUSABLE
        assert "Is the key given, " in capsys.readouterr().err

    def test_where_the_key_is_missing_it_is_said_how_to_give_it(
        self, store: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (store / "master.key").unlink()
        assert neve_read.main([str(store), "list"]) == neve_read.UNUSABLE
        assert "--master-key FILE" in capsys.readouterr().err

    @pytest.mark.parametrize("folder", ["archive", "segments"])
    def test_half_a_store_is_no_store(self, store: Path, snapshot_id: str, folder: str) -> None:
        shutil.rmtree(store / folder)
        assert neve_read.main([str(store), "check", snapshot_id]) in {neve_read.DAMAGED, neve_read.UNUSABLE}


def block_of(store: Path, snapshot_id: str, index: int) -> bytes:
    """Return the chunk id of a block."""
    archive = neve_read.Archive(neve_read.Folder(store), (store / "master.key").read_text())
    (row,) = archive.tables(f"snapshot/{snapshot_id}")["snapshot"]
    domain = neve_read.open_domain(archive, row["domain_key"], {})
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as rows:
        chunks = neve_read.Chunks(archive.store, domain, rows)
        return dict(neve_read.blocks(chunks, row["root"], archive.fanout, lambda *_: None))[index]


def spoil(store: Path, wanted: Callable[[int, bytes], bool]) -> int:
    """Flip a bit in every chunk whose kind and id are wanted; return how many there were."""
    spoilt = 0
    for segment in (store / "segments").rglob("*.seg"):
        content = bytearray(segment.read_bytes())
        table_offset = int.from_bytes(content[-56:-48], "big")
        for entry in neve_read._ENTRY.iter_unpack(bytes(content[table_offset:-56])):
            _, chunk_id, kind, _, _, offset, stored_bytes, _ = entry
            if wanted(kind, chunk_id):
                content[offset + stored_bytes // 2] ^= 0x40
                spoilt += 1
        segment.write_bytes(content)
    return spoilt


def test_the_stand_alone_reader_is_one_short_file_without_neve() -> None:
    source = Path(neve_read.__file__).read_text(encoding="utf-8")
    assert source.count("\n") < LINES_MAX
    assert "import neve" not in source
    assert "from neve" not in source
