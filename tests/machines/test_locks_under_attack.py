"""No compliance-locked snapshot is ever gone before its date: the lock machine over each pair of stores."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from fix_world import FolderStores, MemoryStores
from machines.lock_machine import LockMachine
from neve.domain import lock_changes
from neve.domain.locks import Lock


class LocksOverMemory(LockMachine):
    make_stores = MemoryStores


class LocksOverFolder(LockMachine):
    """SQLite and a folder; a restart really closes and opens them."""

    @staticmethod
    def make_stores() -> FolderStores:
        return FolderStores(Path(tempfile.mkdtemp(prefix="neve-locks-")))

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            assert isinstance(self.world.stores, FolderStores)
            shutil.rmtree(self.world.stores.path)


PROGRAMS = max(settings().max_examples, 500)
"""500 while one works, 2,000 thoroughly."""

TestLocksOverMemory = LocksOverMemory.TestCase
TestLocksOverMemory.settings = settings(max_examples=PROGRAMS, stateful_step_count=30)
TestLocksOverFolder = LocksOverFolder.TestCase
TestLocksOverFolder.settings = settings(max_examples=PROGRAMS // 25, stateful_step_count=30)


@pytest.mark.slow
@pytest.mark.parametrize("bug", ["shortened", "unlocked", "deleted"])
def test_the_alarm_rings(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plant a bug, and see that some program finds it."""
    if bug == "shortened":
        monkeypatch.setattr(lock_changes, "_ends_no_earlier", lambda *_: True)
    elif bug == "unlocked":
        monkeypatch.setattr(lock_changes, "_REMOVABLE", {*lock_changes._REMOVABLE, "compliance"})
    else:
        monkeypatch.setattr(Lock, "forbids_deletion", lambda *_: False)
    searching = settings(
        max_examples=5000,
        stateful_step_count=30,
        phases=[Phase.generate],
        database=None,
        derandomize=True,
        print_blob=False,
        report_multiple_bugs=False,
    )
    with pytest.raises(AssertionError, match="it was promised to be there"):
        run_state_machine_as_test(LocksOverMemory, settings=searching)
