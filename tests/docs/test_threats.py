"""docs/threats.md can be checked: every file it names is there, and every row has a defence."""

import re

import pytest

from documents import ROOT, read

PATH = re.compile(r"`((?:src|tests|benchmarks|requirements)/[a-zA-Z0-9_./-]+)`")
TEXT = read("docs/threats.md")
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith("| threat ")]


@pytest.mark.parametrize("path", sorted(set(PATH.findall(TEXT))))
def test_every_file_it_names_is_there(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:40])
def test_every_threat_has_a_defence(row: str) -> None:
    threat, defence, _, _ = (cell.strip() for cell in row.strip("|").split("|"))
    assert threat
    assert defence
