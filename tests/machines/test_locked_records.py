"""Must-show: no snapshot that a lock forbids to go is ever gone, over either store (machines.locked_records)."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from hypothesis import event, given, settings

from machines.locked_records import Program, attack, memory_store, programs, sqlite_store
from neve.stores.metadata.contract import MetadataStore


@pytest.mark.parametrize("opened", [pytest.param(sqlite_store, marks=pytest.mark.slow), memory_store])
@settings(max_examples=500)
@given(program=programs)
def test_no_snapshot_that_a_lock_forbids_to_go_is_ever_gone(
    opened: Callable[[], AbstractContextManager[MetadataStore]], program: Program
) -> None:
    with opened() as store:
        refused = attack(store, program)
    event("a deletion was refused" if refused else "none was refused")
