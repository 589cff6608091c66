"""Comparing the archive with the database: has it everything, is it what was written, and do the two say the same?

The database's own pages carry no proof: a disk that alters one may make a snapshot point to another one's blocks, each
of which proves. Objects of the archive are sealed under their names. So where the two differ and no change is on its
way, one of them was altered or is an older one, and this is what notices.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from neve.domain.keyring import Keyring
from neve.errors import ArchiveDamaged, ArchiveMissing, StoreUnusable
from neve.storage.archive_format import object_name, open_record
from neve.storage.progress import Check, OnProgress, Progress, Unit
from neve.storage.verification.report import FINDINGS_MAX, FindingKind, Findings
from neve.stores.archive.contract import NAME_PATTERN, ArchiveStore
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.contract_archive import ArchivedRecord, ArchiveKind, ArchiveName

_PAGE: Final = 500
_CHANGES_MAX: Final = 100_000
_SEALING_MAX: Final = 10_000
_COLUMNS_NAMED_MAX: Final = 10

Names = Callable[[str | None, int], Sequence[str]]
"""Return names above one, up to a number of them, ascending."""


@dataclass(frozen=True, slots=True)
class _Doubt:
    """What may be wrong with one object, unless a change of it is on its way."""

    kind: FindingKind
    what: str


class ArchiveChecks:
    """Compares the archive with the database. For one thread."""

    def __init__(
        self,
        *,
        metadata: MetadataStore,
        archive: ArchiveStore,
        keyring: Keyring,
        findings: Findings,
        check: Check,
    ) -> None:
        self._metadata = metadata
        self._archive = archive
        self._keyring = keyring
        self._findings = findings
        self._check = check

    def run(self, on_progress: OnProgress) -> int:
        """Compare everything; return how many objects there were.

        Raises:
            StoreUnavailable: the archive or the database cannot be read this time.
        """
        count = 0
        doubtful: list[ArchiveName] = []
        for kind in ArchiveKind:
            for name in self._names_of(kind):
                self._check()
                on_progress(Progress(phase="comparing the archive", done=count, total=0, unit=Unit.OBJECTS))
                count += 1
                if self._doubt(name) is not None and len(doubtful) < FINDINGS_MAX:
                    doubtful.append(name)
        self._look_again(doubtful)
        return count

    def _names_of(self, kind: ArchiveKind) -> Iterator[ArchiveName]:
        """Yield every name that the database or the archive has, ascending."""
        recorded = _all_names(
            lambda after, limit: self._metadata.archive.names(kind, after=after, limit=limit)
        )
        kept = _all_names(lambda after, limit: self._archive.names(kind, after=after, limit=limit))
        for name, _ in groupby(_merged(recorded, kept)):
            yield ArchiveName(kind, name)

    def _look_again(self, doubtful: Sequence[ArchiveName]) -> None:
        """Find what is still wrong with these, and has no change on its way.

        In this order: a change is settled after it was written, so that one that is settled by now is in the archive when
        that is read.
        """
        if not doubtful:
            return
        # A completion is in the archive before it is in the database.
        completing = {each.snapshot_id for each in self._metadata.sealing(limit=_SEALING_MAX)}
        changing = {change.name for change in self._metadata.archive.changes(limit=_CHANGES_MAX)}
        for name in doubtful:
            doubt = self._doubt(name)
            if doubt is None:
                continue
            is_on_its_way = name in changing or name.name in completing
            if not is_on_its_way or doubt.kind is FindingKind.ARCHIVE_DAMAGED:
                self._findings.add(doubt.kind, object_name(name), doubt.what)

    def _doubt(self, name: ArchiveName) -> _Doubt | None:
        if re.fullmatch(NAME_PATTERN, object_name(name)) is None:
            return _Doubt(
                FindingKind.ARCHIVE_DIFFERS, "the database has a name that nothing ever has: it was altered"
            )
        recorded = self._metadata.archive.export(name)
        try:
            kept = open_record(name, self._archive.read(object_name(name)), self._keyring)
        except ArchiveMissing:
            if recorded is None:
                return None
            return _Doubt(FindingKind.ARCHIVE_MISSING, "the database has it, and the archive does not")
        except (ArchiveDamaged, StoreUnusable) as error:
            return _Doubt(FindingKind.ARCHIVE_DAMAGED, str(error))
        return _difference(recorded, kept)


def _difference(recorded: ArchivedRecord | None, kept: ArchivedRecord) -> _Doubt | None:
    if recorded is None:
        return _Doubt(
            FindingKind.ARCHIVE_UNEXPLAINED, "the archive has it, and the database knows nothing of it"
        )
    found = _differences(recorded, kept)
    if not found:
        return None
    return _Doubt(
        FindingKind.ARCHIVE_DIFFERS,
        f"the database and the archive differ in {', '.join(found)}: one of them was altered, or put back",
    )


def _differences(recorded: ArchivedRecord, kept: ArchivedRecord) -> Sequence[str]:
    """Return in which tables, and columns where rows can be told apart, two records differ."""
    found = []
    for table in sorted(recorded.tables.keys() | kept.tables.keys()):
        ours, theirs = recorded.tables.get(table, ()), kept.tables.get(table, ())
        if len(ours) != len(theirs):
            found.append(f"the number of rows of {table}")
            continue
        columns = {
            column
            for our, their in zip(ours, theirs, strict=True)
            for column in our.keys() | their.keys()
            if column not in our or column not in their or our[column] != their[column]
        }
        found += [f"{table}.{column}" for column in sorted(columns)]
    return found[:_COLUMNS_NAMED_MAX]


def _all_names(names: Names) -> Iterator[str]:
    after: str | None = None
    while page := names(after, _PAGE):
        yield from page
        after = page[-1]


def _merged(first: Iterator[str], second: Iterator[str]) -> Iterator[str]:
    """Yield the items of two ascending iterators, ascending."""
    ours, theirs = next(first, None), next(second, None)
    while ours is not None or theirs is not None:
        if theirs is None or (ours is not None and ours <= theirs):
            assert ours is not None
            yield ours
            ours = next(first, None)
        else:
            yield theirs
            theirs = next(second, None)
