"""What the archive is to have: changes noted, records as they stand, and records put back."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from neve.domain.identities import SnapshotId
from neve.errors import StoreUnusable
from neve.stores.metadata import statements as common
from neve.stores.metadata import statements_archive as statements
from neve.stores.metadata.archived_tables import ARCHIVED, ArchivedTable
from neve.stores.metadata.contract_archive import (
    ARCHIVE_ORDER,
    STORE_FACTS,
    ArchiveChange,
    ArchivedRecord,
    ArchiveKind,
    ArchiveName,
    Completion,
)
from neve.stores.metadata.session import Row, Session, Value

_SINGLETON: Final = 1
_DIGITS_MAX: Final = 18
"""Of a domain's key in decimal: more than that no database gave."""
_COMPLETED: Final = "completed"
_RESTORABLE: Final = frozenset({_COMPLETED, "deleted"})


def changes(session: Session, *, limit: int, kinds: Collection[ArchiveKind]) -> Sequence[ArchiveChange]:
    if set(kinds) == set(ARCHIVE_ORDER):
        rows = session.rows(statements.CHANGES, (limit,))
    else:
        of_each = [(kind, limit) for kind in sorted(set(kinds))]
        rows = sorted(session.rows_of_each(statements.CHANGES_OF_KIND, of_each))[:limit]
    return [
        ArchiveChange(number=number, name=ArchiveName(ArchiveKind(kind), name)) for number, kind, name in rows
    ]


def settle(session: Session, settled: Sequence[ArchiveChange]) -> None:
    values = [(change.name.kind, change.name.name, change.number) for change in settled]
    session.rows_of_each(statements.SETTLE, values)


def export(session: Session, name: ArchiveName) -> ArchivedRecord | None:
    owner = _owner(session, name)
    return None if owner is None else _record(session, name, owner)


def export_completion(session: Session, completion: Completion) -> ArchivedRecord | None:
    rows = session.rows(statements.SEALING_SNAPSHOT, (completion.key,))
    if not rows:
        return None
    ((snapshot_id,),) = rows
    record = _record(session, ArchiveName(ArchiveKind.SNAPSHOT, snapshot_id), completion.key)
    assert record is not None
    # What `snapshots.finish_completion` changes.
    finished: Mapping[str, Value] = {
        "state": _COMPLETED,
        "changed_ms": completion.now_ms,
        "completed_ms": completion.now_ms,
        "root": completion.sealed.root,
        "block_count": completion.sealed.block_count,
    }
    (snapshot,) = record.tables["snapshot"]
    return ArchivedRecord(name=record.name, tables={**record.tables, "snapshot": [{**snapshot, **finished}]})


def names(session: Session, kind: ArchiveKind, *, after: str | None, limit: int) -> Sequence[str]:
    return [name for (name,) in session.rows(statements.NAMES[kind], (after or "", limit))]


def accounts_for(session: Session, snapshot_id: SnapshotId) -> bool:
    return bool(session.rows(statements.ACCOUNTED_FOR, (snapshot_id, snapshot_id)))


def restore(session: Session, records: Iterable[ArchivedRecord]) -> None:
    ((accounts,),) = session.rows(common.COUNT_ACCOUNTS)
    if accounts:
        raise StoreUnusable("the database is in use already: restore into a new one")
    for record in records:
        _check(record)
        if record.name.kind is ArchiveKind.STORE:
            _check_facts(session, record)
            continue
        for table in ARCHIVED[record.name.kind]:
            rows = record.tables[table.table]
            fixed = tuple(table.restored_as.values())
            values = [(*(row[column] for column in table.columns), *fixed) for row in rows]
            session.rows_of_each(statements.restore_into(table), values)


def _owner(session: Session, name: ArchiveName) -> Value:
    """Return what the naming columns of a record's tables say; None if there can be no such record."""
    match name.kind:
        case ArchiveKind.STORE:
            return _SINGLETON if name == STORE_FACTS else None
        case ArchiveKind.ACCOUNT | ArchiveKind.KEY:
            return name.name
        case ArchiveKind.DOMAIN:
            is_number = name.name.isascii() and name.name.isdigit() and len(name.name) <= _DIGITS_MAX
            return int(name.name) if is_number else None
        case ArchiveKind.SNAPSHOT:
            for (key,) in session.rows(statements.ARCHIVED_SNAPSHOT, (name.name,)):
                return int(key)
            return None


def _record(session: Session, name: ArchiveName, owner: Value) -> ArchivedRecord | None:
    tables = {
        table.table: [_by_column(table, row) for row in session.rows(statements.rows_of(table), (owner,))]
        for table in ARCHIVED[name.kind]
    }
    is_there = bool(tables[ARCHIVED[name.kind][0].table])
    return ArchivedRecord(name=name, tables=tables) if is_there else None


def _by_column(table: ArchivedTable, row: Row) -> Mapping[str, Value]:
    return dict(zip(table.columns, row, strict=True))


def _check(record: ArchivedRecord) -> None:
    """Return if a record has the tables and columns that one of its kind has, and is about what it is called.

    What stands in the columns, the database itself checks: types, references, and that a key is there once.
    """
    _check_columns(record)
    name, (first, *others) = record.name, ARCHIVED[record.name.kind]
    if len(record.tables[first.table]) != 1:
        raise _untrue(name, f"it has {len(record.tables[first.table])} rows of {first.table}")
    (row,) = record.tables[first.table]
    if name.kind in _NAMED_AFTER and (about := f"{row[_NAMED_AFTER[name.kind]]!s}") != name.name:
        raise _untrue(name, f"it is about {about}")
    for table in others:
        if any(part[table.named_by] != row[first.named_by] for part in record.tables[table.table]):
            raise _untrue(name, f"it has somebody else's rows of {table.table}")
    if name.kind is ArchiveKind.SNAPSHOT and (row["state"] not in _RESTORABLE or row["completed_ms"] is None):
        raise _untrue(name, "it was not completed")


def _check_columns(record: ArchivedRecord) -> None:
    tables = ARCHIVED[record.name.kind]
    if record.tables.keys() != {table.table for table in tables}:
        raise _untrue(record.name, f"it has the tables {', '.join(sorted(record.tables))}")
    for table in tables:
        for row in record.tables[table.table]:
            if row.keys() != set(table.columns):
                raise _untrue(record.name, f"a row of {table.table} has the columns {', '.join(sorted(row))}")


_NAMED_AFTER: Final = {
    ArchiveKind.ACCOUNT: "account_id",
    ArchiveKind.DOMAIN: "domain_key",
    ArchiveKind.KEY: "key_id",
    ArchiveKind.SNAPSHOT: "snapshot_id",
}
"""The column of each kind's first table that its records are called after."""


def _check_facts(session: Session, record: ArchivedRecord) -> None:
    if record != _record(session, STORE_FACTS, _SINGLETON):
        raise _untrue(record.name, "it is of another store than the database was made for")


def _untrue(name: ArchiveName, what: str) -> StoreUnusable:
    return StoreUnusable(
        f"the archived record {name.kind}/{name.name} cannot be restored: {what}. If a newer neve wrote it, use that one"
    )
