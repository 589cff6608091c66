"""docs/format.md names everything that has bytes: tables, encodings, kinds, keys, files."""

import inspect
import re
from pathlib import Path

import pytest

from neve.domain.blocks import ChunkKind
from neve.domain.keyring import Purpose
from neve.stores.metadata import schema, schema_access
from neve.stores.metadata.placement import Encoding

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "format.md").read_text(encoding="utf-8")
TABLES = sorted(
    table
    for module in (schema, schema_access)
    for table in re.findall(r"CREATE TABLE (\w+)", inspect.getsource(module))
)


@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_described(table: str) -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| `")]
    assert any(f"`{table}`" in row.split("|")[1] for row in rows)


@pytest.mark.parametrize("encoding", Encoding)
def test_every_encoding_is_described(encoding: Encoding) -> None:
    assert f"| {encoding.value} | {encoding.name.lower()} |" in TEXT


@pytest.mark.parametrize("kind", ChunkKind)
def test_every_kind_of_chunk_is_described(kind: ChunkKind) -> None:
    assert re.search(rf"kind: .*\b{kind.value} an? {kind.name.lower()}\b", TEXT)


@pytest.mark.parametrize("purpose", Purpose)
def test_every_derived_key_is_described(purpose: Purpose) -> None:
    assert f"| `{purpose}` |" in TEXT


def test_every_module_it_sends_the_reader_to_is_there() -> None:
    named = re.findall(r"`((?:src|tests)/[\w./-]+|stores/[\w./-]+)`", TEXT)
    paths = {name: ROOT / (f"src/neve/{name}" if name.startswith("stores/") else name) for name in named}
    assert paths
    assert [
        name for name, path in paths.items() if not path.exists() and name != "docs/configuration.md"
    ] == []
