"""What the archive is to have of the memory store, held to the same contract suite as the durable ones.

It notes nothing while it happens: asked for changes, it compares what there is with what there was when it was asked
last. Its tables are its own, a row for each entry of a dictionary, written as JSON.
"""

from collections.abc import (
    Callable,
    Collection,
    Container,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from typing import Any, Final

import msgspec

from neve.domain.identities import Account, AccountId, Domain, DomainKey, SnapshotId
from neve.domain.snapshots import Snapshot, SnapshotKey, State
from neve.errors import StoreUnusable
from neve.stores.metadata.contract import StoreFacts
from neve.stores.metadata.contract_archive import (
    ARCHIVE_ORDER,
    STORE_FACTS,
    ArchiveChange,
    ArchivedRecord,
    ArchiveKind,
    ArchiveName,
    Completion,
)
from neve.testing.memory_drawers import Drawer

_PROMISED: Final = ArchivedRecord(name=ArchiveName(ArchiveKind.SNAPSHOT, ""), tables={})
"""In the place of what was noted last of a snapshot whose completion was asked for: unlike whatever becomes of it."""
_RESTORABLE: Final = frozenset({State.COMPLETED, State.RECYCLED, State.DELETED})
_FIRST_TABLES: Final = {
    ArchiveKind.ACCOUNT: "accounts",
    ArchiveKind.DOMAIN: "domains",
    ArchiveKind.KEY: "keys",
    ArchiveKind.SNAPSHOT: "snapshots",
}


class MemoryArchiveRecords:
    """`contract_archive.ArchiveRecords` in the memory store whose lock and dictionaries it is given."""

    def __init__(
        self,
        *,
        alone: Callable[[], AbstractContextManager[None]],
        facts: StoreFacts,
        accounts: Mapping[AccountId, Account],
        domains: Mapping[DomainKey, Domain],
        snapshots: MutableMapping[SnapshotKey, Snapshot],
        undos: Container[SnapshotKey],
        drawers: Callable[[], Sequence[Drawer]],
        add: Callable[[Snapshot], None],
    ) -> None:
        self._alone = alone
        self._facts = facts
        self._accounts = accounts
        self._domains = domains
        self._snapshots = snapshots
        self._undos = undos
        self._drawers = drawers
        self._add = add
        self._changes: list[ArchiveChange] = []
        self._noted: dict[ArchiveName, ArchivedRecord | None] = {}
        self._newest_number = 0

    # --- changes

    def changes(
        self, *, limit: int, kinds: Collection[ArchiveKind] = ARCHIVE_ORDER
    ) -> Sequence[ArchiveChange]:
        with self._alone():
            self._note_changes(kinds)
            return [change for change in self._changes if change.name.kind in kinds][:limit]

    def settle(self, settled: Sequence[ArchiveChange]) -> None:
        with self._alone():
            for done in settled:
                self._changes = [
                    change
                    for change in self._changes
                    if change.name != done.name or change.number > done.number
                ]

    def _note_changes(self, kinds: Collection[ArchiveKind]) -> None:
        sealing = {each.snapshot_id for each in self._snapshots.values() if each.state is State.SEALING}
        for kind in (each for each in ARCHIVE_ORDER if each in kinds):
            names = {*self._names(kind), *(name.name for name in self._noted if name.kind is kind)}
            if kind is ArchiveKind.SNAPSHOT:
                names -= sealing
            for name in (ArchiveName(kind, each) for each in sorted(names)):
                record = self._export(name)
                if record != self._noted.get(name):
                    self._newest_number += 1
                    self._changes.append(ArchiveChange(number=self._newest_number, name=name))
                    self._noted[name] = record

    # --- records as they stand

    def export(self, name: ArchiveName) -> ArchivedRecord | None:
        with self._alone():
            return self._export(name)

    def export_completion(self, completion: Completion) -> ArchivedRecord | None:
        with self._alone():
            found = self._snapshots.get(completion.key)
            if found is None or found.state is not State.SEALING:
                return None
            name = ArchiveName(ArchiveKind.SNAPSHOT, found.snapshot_id)
            self._noted[name] = _PROMISED
            self._snapshots[completion.key] = replace(
                found,
                state=State.COMPLETED,
                completed_ms=completion.now_ms,
                root=completion.sealed.root,
                block_count=completion.sealed.block_count,
            )
            try:
                return self._export(name)
            finally:
                self._snapshots[completion.key] = found

    def names(self, kind: ArchiveKind, *, after: str | None, limit: int) -> Sequence[str]:
        with self._alone():
            return [name for name in self._names(kind) if after is None or name > after][:limit]

    def accounts_for(self, snapshot_id: SnapshotId) -> bool:
        name = ArchiveName(ArchiveKind.SNAPSHOT, snapshot_id)
        with self._alone():
            self._note_changes([ArchiveKind.SNAPSHOT])
            return (
                any(change.name == name for change in self._changes)
                or self._export(name) is not None
                or any(
                    each.snapshot_id == snapshot_id and each.state is State.SEALING
                    for each in self._snapshots.values()
                )
            )

    def _names(self, kind: ArchiveKind) -> Sequence[str]:
        if kind is ArchiveKind.STORE:
            return [STORE_FACTS.name]
        (first,) = [drawer for drawer in self._drawers_of(kind) if drawer.table == _FIRST_TABLES[kind]]
        return sorted(
            first.owner(key, value)
            for key, value in first.entries.items()
            if kind is not ArchiveKind.SNAPSHOT or self._is_archived(value)
        )

    def _is_archived(self, snapshot: Snapshot) -> bool:
        return snapshot.state in {State.COMPLETED, State.RECYCLED} or snapshot.key in self._undos

    def _export(self, name: ArchiveName) -> ArchivedRecord | None:
        if name.name not in self._names(name.kind):
            return None
        if name.kind is ArchiveKind.STORE:
            return ArchivedRecord(name=name, tables={"facts": [asdict(self._facts)]})
        tables = {
            drawer.table: [
                {"entry": _written(key), "content": _written(drawer.entries[key])}
                for key in sorted(drawer.entries)
                if drawer.owner(key, drawer.entries[key]) == name.name
            ]
            for drawer in self._drawers_of(name.kind)
        }
        return ArchivedRecord(name=name, tables=tables)

    def _drawers_of(self, kind: ArchiveKind) -> Sequence[Drawer]:
        return [drawer for drawer in self._drawers() if drawer.kind is kind]

    # --- records put back

    def restore(self, records: Iterable[ArchivedRecord]) -> None:
        with self._alone():
            if self._accounts:
                raise StoreUnusable("restore into a new store")
            drawers = self._drawers()
            before = [dict(drawer.entries) for drawer in drawers]
            try:
                for record in records:
                    self._restore(record)
            except BaseException:
                for drawer, entries in zip(drawers, before, strict=True):
                    _replace(drawer, entries.items())
                raise
            for drawer in drawers:
                _replace(drawer, sorted(drawer.entries.items(), key=lambda entry: entry[0]))
            for snapshot in list(self._snapshots.values()):
                self._add(snapshot)

    def _restore(self, record: ArchivedRecord) -> None:
        if record.name.kind is ArchiveKind.STORE:
            if record != self._export(STORE_FACTS):
                raise StoreUnusable("of another store")
            return
        drawers = self._drawers_of(record.name.kind)
        if record.tables.keys() != {drawer.table for drawer in drawers}:
            raise StoreUnusable("not the tables of such a record")
        if len(record.tables[_FIRST_TABLES[record.name.kind]]) != 1:
            raise StoreUnusable("about nothing, or about several")
        for drawer in drawers:
            for key, value in _entries(drawer, record.tables[drawer.table]):
                self._check(drawer, key, value)
                if not _is_older(value, drawer.entries.get(key)):
                    drawer.entries[key] = value
                if drawer.owner(key, value) != record.name.name:
                    raise StoreUnusable("somebody else's")

    def _check(self, drawer: Drawer, key: object, value: object) -> None:
        if isinstance(value, Snapshot):
            if value.completed_ms is None or value.state not in _RESTORABLE:
                raise StoreUnusable("not completed")
            if value.domain_key not in self._domains:
                raise StoreUnusable("in a domain that is not there")
        account_id = getattr(value, "account_id", None)
        if account_id is not None and not isinstance(value, Account) and account_id not in self._accounts:
            raise StoreUnusable("of an account that is not there")
        if key in drawer.entries and drawer.table not in {"aliases", "access_keys"}:
            raise StoreUnusable("there already")


def _is_older(value: object, other: object) -> bool:
    """Return whether something that moved was found where it had been."""
    for field in ("updated_ms", "created_ms"):
        if hasattr(value, field) and hasattr(other, field):
            return bool(getattr(value, field) <= getattr(other, field))
    return False


def _written(value: object) -> str:
    plain = msgspec.to_builtins(value, str_keys=True, order="sorted")
    return msgspec.json.encode(plain).decode()


def _entries(drawer: Drawer, rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Any, Any]]:
    for row in rows:
        if row.keys() != {"entry", "content"}:
            raise StoreUnusable("not the columns of such a row")
        try:
            key = msgspec.json.decode(row["entry"], type=drawer.key_type)
            value = msgspec.json.decode(row["content"], type=drawer.value_type)
        except (msgspec.MsgspecError, TypeError) as error:
            raise StoreUnusable(f"not a row of {drawer.table}: {error}") from error
        yield key, value


def _replace(drawer: Drawer, entries: Iterable[tuple[Any, Any]]) -> None:
    kept = list(entries)
    drawer.entries.clear()
    drawer.entries.update(kept)
