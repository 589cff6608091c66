"""What a temporary database does where there is no place for it, and where it puts what does not fit in memory."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from neve.errors import StoreFull, StoreUnavailable
from neve.stores.marks.contract import Mark
from neve.stores.marks.sqlite import SqliteMarkStore, _translated
from neve.testing.marks_contract import chunk_id


def test_what_does_not_fit_in_memory_is_in_a_file_without_a_name() -> None:
    with closing(SqliteMarkStore(cache_bytes=64 * 1024)) as marks:
        before = _nameless_bytes()
        marks.put({chunk_id(number): Mark(1, number) for number in range(20_000)})
        assert _nameless_bytes() - before > 20_000 * 32
        assert marks.marks([chunk_id(7)]) == {chunk_id(7): Mark(1, 7)}
    assert _nameless_bytes() == before


def test_the_file_lies_where_the_environment_says(tmp_path: Path) -> None:
    program = """
import os, sys
from neve.stores.marks.contract import Mark
from neve.stores.marks.sqlite import SqliteMarkStore
marks = SqliteMarkStore(cache_bytes=64 * 1024)
marks.put({number.to_bytes(32): Mark(1, 1) for number in range(20_000)})
print(*(os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if os.path.islink(f"/proc/self/fd/{name}")))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"TMPDIR": str(tmp_path), "SQLITE_TMPDIR": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(tmp_path) in done.stdout
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "meaning"),
    [(apsw.FullError("full"), StoreFull), (apsw.CantOpenError("no"), StoreUnavailable)],
    ids=["full", "cannot be opened"],
)
def test_failures_say_which_directory_to_look_at(error: apsw.Error, meaning: type[Exception]) -> None:
    translated = _translated(error)
    assert type(translated) is meaning
    assert "TMPDIR" in str(translated)


def _nameless_bytes() -> int:
    """Return the size of the deleted files this process has open."""
    size = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            if str(entry.readlink()).endswith(" (deleted)"):
                size += entry.stat().st_size
        except FileNotFoundError:  # the descriptor that listed the directory
            continue
    return size
