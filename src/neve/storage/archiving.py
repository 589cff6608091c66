"""Keeping the archive: what changed in the records is written beside the segments, and what is gone goes there too.

    change noted ─▶ record exported ─▶ object durable, or gone ─▶ change settled          `flush`, `flush_slice`
    accounts, domains, keys up to date ─▶ the snapshot's object durable ─▶ finish_completion     `write_completion`

A completed snapshot is in the archive before anybody sees it completed, with all that reading it again takes. A change
is settled only once the archive has it, so all of this may die at any instant: what was left undone is found again.
Of one name there is one write at a time, from the export on: an older export never comes to lie over a newer one.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Condition
from typing import Final

from neve.domain.identities import SnapshotId
from neve.domain.keyring import Keyring
from neve.errors import ArchiveDamaged, ArchiveMissing
from neve.storage import archive_format
from neve.storage.archive_format import object_name
from neve.storage.progress import Check, unhurried
from neve.stores.archive.contract import ArchiveStore
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.contract_archive import (
    ARCHIVE_ORDER,
    ArchiveChange,
    ArchivedRecord,
    ArchiveKind,
    ArchiveName,
    Completion,
)

_SLICE_CHANGES: Final = 200
"""Settled in one transaction."""
_PAGE_NAMES: Final = 10_000
_BESIDE_SNAPSHOTS: Final = tuple(kind for kind in ARCHIVE_ORDER if kind is not ArchiveKind.SNAPSHOT)
_REMEMBERED_MAX: Final = 10_000


class Archiver:
    """Writes records of one store into its archive, the only one that does. Safe from any thread."""

    def __init__(self, *, metadata: MetadataStore, store: ArchiveStore, keyring: Keyring) -> None:
        self._metadata = metadata
        self._store = store
        self._keyring = keyring
        self._condition = Condition()
        self._busy: set[ArchiveName] = set()
        self._completed: dict[ArchiveName, bytes] = {}
        """Digests of what `write_completion` wrote: the change that completing notes then needs no second write."""

    def flush(self, check: Check = unhurried) -> int:
        """Bring the archive up to every change that was noted when this was called; return how many objects it took.

        `check` is called before each of them.

        Raises:
            StoreError: some may be done, the rest is not.
        """
        return self._flush(ARCHIVE_ORDER, check)

    def flush_slice(self) -> int:
        """Bring the archive up to some changes; return how many objects that took, 0 if there was nothing to do.

        Raises:
            StoreError: as `flush`.
        """
        return self._bring(self._metadata.archive.changes(limit=_SLICE_CHANGES), unhurried)

    def write_completion(self, snapshot_id: SnapshotId, completion: Completion) -> bool:
        """Put a sealing snapshot into the archive as it will be once `completion` is recorded, which may come next.

        With it go all changes of accounts, domains and keys: what reading the snapshot takes is there before it.
        False, and nothing written of it, if it is no longer sealing. Should it never be completed after this, the change
        that is noted when it leaves sealing has its object deleted again.

        Raises:
            StoreError: the archive may have it or not. It must not be completed now.
        """
        self._flush(_BESIDE_SNAPSHOTS, unhurried)
        name = ArchiveName(ArchiveKind.SNAPSHOT, snapshot_id)
        with self._alone_with(name):
            record = self._metadata.archive.export_completion(completion)
            if record is None:
                return False
            assert record.name == name, "a completion is of its snapshot"
            digest = self._write(record)
            if len(self._completed) >= _REMEMBERED_MAX:
                self._completed.clear()
            self._completed[name] = digest
            return True

    def renew(self, name: ArchiveName) -> bool:
        """Write an object as its record stands now, whatever the archive has of that name.

        False, and nothing written, if there is no such record.

        Raises:
            StoreError: the archive may have it or not.
        """
        with self._alone_with(name):
            record = self._metadata.archive.export(name)
            if record is not None:
                self._write(record)
            return record is not None

    def unaccounted(self, check: Check = unhurried) -> Iterator[SnapshotId]:
        """Yield the snapshots that the archive has and that the records know nothing of: these are older than it.

        `check` is called before each of the archive's snapshots.

        Raises:
            StoreError
        """
        for name in archived_names(self._store, ArchiveKind.SNAPSHOT):
            check()
            snapshot_id = SnapshotId(name.name)
            # In this order: what is settled, and so is not accounted for any more, is gone from the archive by then.
            if not self._metadata.archive.accounts_for(snapshot_id) and self._is_there(name):
                yield snapshot_id

    def _is_there(self, name: ArchiveName) -> bool:
        try:
            self._store.read(object_name(name))
        except ArchiveMissing:
            return False
        except ArchiveDamaged:
            pass  # there, and of no use for anything else
        return True

    def _flush(self, kinds: Sequence[ArchiveKind], check: Check) -> int:
        written = 0
        while changes := self._metadata.archive.changes(limit=_SLICE_CHANGES, kinds=kinds):
            written += self._bring(changes, check)
            if len(changes) < _SLICE_CHANGES:
                break
        return written

    def _bring(self, changes: Sequence[ArchiveChange], check: Check) -> int:
        """Bring the archive up to these changes, in order: what refers to another thing comes after it."""
        latest = {change.name: change for change in changes}
        done: list[ArchiveChange] = []
        try:
            for change in latest.values():
                check()
                self._bring_one(change.name)
                done.append(change)
        finally:
            if done:
                self._metadata.archive.settle(done)
        return len(done)

    def _bring_one(self, name: ArchiveName) -> None:
        with self._alone_with(name):
            written = self._completed.pop(name, None)
            record = self._metadata.archive.export(name)
            if record is None:
                self._store.delete(object_name(name))
            elif written is None or written != _digest(archive_format.plain_text(record)):
                self._write(record)

    def _write(self, record: ArchivedRecord) -> bytes:
        self._completed.pop(record.name, None)
        plain = archive_format.plain_text(record)
        self._store.write(object_name(record.name), archive_format.seal(record.name, plain, self._keyring))
        return _digest(plain)

    @contextmanager
    def _alone_with(self, name: ArchiveName) -> Iterator[None]:
        with self._condition:
            self._condition.wait_for(lambda: name not in self._busy)
            self._busy.add(name)
        try:
            yield
        finally:
            with self._condition:
                self._busy.discard(name)
                self._condition.notify_all()


def archived_names(store: ArchiveStore, kind: ArchiveKind) -> Iterator[ArchiveName]:
    """Yield the names of a kind that an archive has objects of, ascending.

    Raises:
        StoreUnavailable
    """
    after: str | None = None
    while names := store.names(kind, after=after, limit=_PAGE_NAMES):
        yield from (ArchiveName(kind, name) for name in names)
        if len(names) < _PAGE_NAMES:
            return
        after = names[-1]


def read_record(store: ArchiveStore, name: ArchiveName, keyring: Keyring) -> ArchivedRecord:
    """Return what the archive has under a name.

    Raises:
        ArchiveMissing, ArchiveDamaged, StoreUnusable, StoreUnavailable
    """
    return archive_format.open_record(name, store.read(object_name(name)), keyring)


def _digest(plain: bytes) -> bytes:
    return hashlib.sha256(plain).digest()
