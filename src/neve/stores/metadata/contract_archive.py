"""Records for the archive: what is kept beside the segments so that the database can be made again.

Part of what every metadata store promises; the promises of `contract` hold here too. What changes in one transaction
is noted in the same one, so that nothing is forgotten; who writes it to the archive, and when, is
`storage.archiving`'s business.

    account    accounts, with settings, users, policies, access keys and retention rules
    domain     deduplication domains, with their wrapped data keys
    key        KMS keys of ours, with sealed materials, aliases and grants
    snapshot   completed snapshots, with tags, permissions, guests' tags, lock, place in the bin and undo
    store      the store's facts

Not in it: snapshots that are not completed, their rows, client tokens, and where chunks lie, which segments say
themselves. Every secret in it is sealed or wrapped already.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from neve.domain.identities import SnapshotId
from neve.domain.snapshots import Sealed, SnapshotKey
from neve.stores.metadata.session import Value


class ArchiveKind(StrEnum):
    """What an archived record is about. The words are names in the archive, and never change."""

    STORE = "store"
    ACCOUNT = "account"
    DOMAIN = "domain"
    KEY = "key"
    SNAPSHOT = "snapshot"


ARCHIVE_ORDER = tuple(ArchiveKind)
"""The order to restore in: nothing names what comes later. (A key belongs to an account, a snapshot to a domain.)"""


@dataclass(frozen=True, slots=True, order=True)
class ArchiveName:
    """What an archived record is called: its kind, and an account id, domain key in decimal, key id or snapshot id."""

    kind: ArchiveKind
    name: str


STORE_FACTS = ArchiveName(ArchiveKind.STORE, "facts")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedRecord:
    """Everything kept about one thing: rows by table, each row by column. What they mean stands in `schema`."""

    name: ArchiveName
    tables: Mapping[str, Sequence[Mapping[str, Value]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveChange:
    """That something changed. Numbers ascend in order of commitment, and are never used twice."""

    number: int
    name: ArchiveName


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A completion that is about to be recorded: `MetadataStore.finish_completion`'s arguments."""

    key: SnapshotKey
    sealed: Sealed
    now_ms: int


class ArchiveRecords(Protocol):
    """What the archive is to have."""

    def changes(
        self, *, limit: int, kinds: Collection[ArchiveKind] = ARCHIVE_ORDER
    ) -> Sequence[ArchiveChange]:
        """Return up to `limit` changes of these kinds that were not settled, oldest first.

        A snapshot that leaves sealing counts as changed wherever it goes: the archive may have it already, by way of
        `export_completion`, and is to lose it if it was not completed.
        """
        ...

    def settle(self, settled: Sequence[ArchiveChange]) -> None:
        """Forget, for each of these, every change of its name up to its number: what was exported since they were
        asked for is in the archive.
        """
        ...

    def export(self, name: ArchiveName) -> ArchivedRecord | None:
        """Return the record as it stands, from one moment; None if the archive is to have none of that name.

        That is of what is not there, and of a snapshot that was never completed or whose deletion cannot be undone.
        """
        ...

    def export_completion(self, completion: Completion) -> ArchivedRecord | None:
        """Return the record of a sealing snapshot as it will be once `completion` is recorded; None if it is not
        sealing. So that the archive has it first.
        """
        ...

    def names(self, kind: ArchiveKind, *, after: str | None, limit: int) -> Sequence[str]:
        """Return up to `limit` names of a kind that `export` has a record of, ascending, the first one above `after`."""
        ...

    def accounts_for(self, snapshot_id: SnapshotId) -> bool:
        """Say whether an object of this snapshot in the archive would be as it should.

        That is if `export` has a record, if the snapshot is sealing, or if a change of it was not settled. Whoever saw
        an object, gets False, and sees it still, has an archive that is newer than these records.
        """
        ...

    def restore(self, records: Iterable[ArchivedRecord]) -> None:
        """Put archived records into a store that has none but its facts, in one transaction.

        They come in `ARCHIVE_ORDER`. A completed snapshot comes back completed, with its own key and id; its chunks are
        its own affair. Later keys are above all that come back. What is restored counts as changed.

        Objects of the archive are written at different moments: an alias, say, that moved may be in two records, and the
        newer one counts.

        Raises:
            StoreUnusable: a record cannot be true, or is of a schema that this program does not know; the store has more
                than its facts, or others. Nothing was restored.
        """
        ...
