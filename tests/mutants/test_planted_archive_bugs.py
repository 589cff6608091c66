"""Bugs planted one at a time in what notes changes, what is archived and who archives it; programs must catch each."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from machines.archive_machine import ArchiveMachine
from neve.errors import StoreUnusable
from neve.storage.archive_format import object_name
from neve.storage.archiving import Archiver
from neve.stores.metadata import schema_collection
from neve.stores.metadata.archived_tables import ARCHIVED
from neve.stores.metadata.contract_archive import ArchiveName
from neve.stores.metadata.records import archiving
from neve.stores.metadata.schema import SQLITE, Dialect

Plant = Callable[[pytest.MonkeyPatch], None]


def triggers_without(pattern: str, replacement: str | None = None) -> Plant:
    """Replace something in the triggers that have it; leave those out without a replacement."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        sound = schema_collection._triggers
        changed = 0

        def broken(dialect: Dialect) -> Iterator[str]:
            nonlocal changed
            for statement in sound(dialect):
                if re.search(pattern, statement) is None:
                    yield statement
                    continue
                changed += 1
                if replacement is not None:
                    yield re.sub(pattern, replacement, statement)

        patch.setattr(schema_collection, "_triggers", broken)
        assert list(broken(SQLITE))
        assert changed, "the triggers have changed: plant the bug anew"

    return plant


def without_the_table(name: str) -> Plant:
    def plant(patch: pytest.MonkeyPatch) -> None:
        fewer = {
            kind: [table for table in tables if table.table != name] for kind, tables in ARCHIVED.items()
        }
        assert fewer != {kind: list(tables) for kind, tables in ARCHIVED.items()}
        patch.setattr(archiving, "ARCHIVED", fewer)

    return plant


def what_is_gone_stays(patch: pytest.MonkeyPatch) -> None:
    sound = Archiver._bring_one

    def broken(self: Archiver, name: ArchiveName) -> None:
        if self._metadata.archive.export(name) is not None:
            sound(self, name)

    patch.setattr(Archiver, "_bring_one", broken)


def a_completion_is_never_written_again(patch: pytest.MonkeyPatch) -> None:
    sound = Archiver._bring_one

    def broken(self: Archiver, name: ArchiveName) -> None:
        if name not in self._completed or self._metadata.archive.export(name) is None:
            sound(self, name)

    patch.setattr(Archiver, "_bring_one", broken)


def settled_though_it_was_not_written(patch: pytest.MonkeyPatch) -> None:
    def broken(self: Archiver, name: ArchiveName) -> None:
        record = self._metadata.archive.export(name)
        if record is not None and object_name(name) not in self._store.names(name.kind, after=None, limit=1):
            self._write(record)

    patch.setattr(Archiver, "_bring_one", broken)


def restored_without(column: str, value: Any) -> Plant:
    """Have a column of restored snapshots say something else."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        sound = archiving._check

        def broken(record: Any) -> None:
            sound(record)
            for row in record.tables.get("snapshot", ()):
                row[column] = value

        patch.setattr(archiving, "_check", broken)

    return plant


PLANTED: dict[str, Plant] = {
    "one that leaves sealing is not noted": triggers_without(" OR OLD.state = 'sealing'", ""),
    "where an alias was is not noted": triggers_without(r"archive_kms_alias_update_old"),
    "where an alias is now is not noted": triggers_without(r"archive_kms_alias_update_new"),
    **{
        f"changes of {table} are not noted": triggers_without(rf" ON {table} ")
        for table in (
            "snapshot",
            "account_settings",
            "access_key",
            "iam_user",
            "iam_policy",
            "iam_attachment",
            "bin_rule",
            "kms_key",
            "kms_alias",
            "kms_grant",
            "domain_wrapping",
            "tag",
            "snapshot_permission",
            "guest_tag",
            "snapshot_lock",
            "snapshot_undo",
        )
    },
    **{
        f"{table.table} is not archived": without_the_table(table.table)
        for tables in ARCHIVED.values()
        for table in tables[1:]
    },
    "what is gone stays in the archive": what_is_gone_stays,
    "a completion is never written again": a_completion_is_never_written_again,
    "an object that is there is not written anew": settled_though_it_was_not_written,
    "restored ones are not in the bin": restored_without("recycled", 0),
    "restored ones have no parent": restored_without("parent_id", None),
    "restored ones are empty": restored_without("block_count", 0),
}

SEARCH = settings(
    max_examples=400,
    stateful_step_count=40,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    derandomize=True,
    print_blob=False,
    database=None,
)


@pytest.mark.slow
@pytest.mark.parametrize("bug", PLANTED)
def test_the_archive_machine_catches(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    PLANTED[bug](monkeypatch)
    with pytest.raises((AssertionError, StoreUnusable)):
        run_state_machine_as_test(ArchiveMachine, settings=SEARCH)


@pytest.mark.slow
def test_without_a_planted_bug_the_archive_machine_finds_nothing() -> None:
    run_state_machine_as_test(ArchiveMachine, settings=settings(SEARCH, max_examples=30))
