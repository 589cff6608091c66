"""What verification says: findings, what they touch, and how far it came.

Everything here is a value that JSON can hold. Lists are bounded, whatever befell a store; what is counted beside them is
not.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec

from neve.domain.identities import AccountId, SnapshotId
from neve.domain.snapshots import State
from neve.events import Report, VerificationFound

FINDINGS_MAX: Final = 10_000
"""As many are listed, and as many snapshots: whoever has more to mend has lost a disk, and needs no list of it."""
_REMEMBERED_MAX: Final = 100_000
RANGES_MAX: Final = 1_000
"""Of one snapshot."""


class FindingKind(StrEnum):
    """What is not as it should be. The words stand in reports and events."""

    SEGMENT_MISSING = "segment missing"
    """A published segment is not there. Its chunks are marked bad."""
    SEGMENT_SIZE = "segment size"
    """It is longer or shorter than it was when it was published."""
    SEGMENT_DAMAGED = "segment damaged"
    """Its header, table or footer is not what was written: it is another one, or was altered."""
    SEGMENT_UNREADABLE = "segment unreadable"
    """It could not be read this time: nothing is known of it."""
    SEGMENT_UNEXPLAINED = "segment unexplained"
    """It is there, and no record explains it. It may hold what a newer database knew."""
    ROW_WRONG = "chunk row wrong"
    """What the database says of a chunk is not what its segment says."""
    CHUNK_DAMAGED = "chunk damaged"
    """A chunk that is needed is lost or wrong. It is marked bad."""
    UNUSED_CHUNK_DAMAGED = "unused chunk damaged"
    """A chunk that no record points to any more is wrong: no harm, and a bad sign of the disk."""
    NODE_LOST = "node lost"
    """A node of a block map cannot be had, and nothing below it."""
    BLOCK_ROW_WRONG = "block row wrong"
    """A row of a snapshot that is being written refers to other content than was written. It will not be completed so."""
    RECORDS_DAMAGED = "records damaged"
    """The database's own structure is not sound, or it holds what nobody writes."""
    COUNT_WRONG = "block count wrong"
    """A block map has other than the blocks its snapshot says it has."""
    DOMAIN_UNUSABLE = "domain unusable"
    """A domain's keys do not open: nothing in it can be read."""
    ARCHIVE_MISSING = "archive object missing"
    ARCHIVE_DAMAGED = "archive object damaged"
    ARCHIVE_DIFFERS = "archive object differs"
    """What is archived is not what the database says: one of the two was altered, or is an older one."""
    ARCHIVE_UNEXPLAINED = "archive object unexplained"
    """The archive has something that the database knows nothing of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is not as it should be."""

    kind: FindingKind
    subject: str
    """A segment's name, a chunk with its domain, a snapshot id, an archive object's name."""
    what: str
    """A sentence for a person."""


@dataclass(frozen=True, slots=True)
class BlockRange:
    """Blocks one after another."""

    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchedSnapshot:
    """A snapshot some of whose blocks cannot be read."""

    snapshot_id: SnapshotId
    account_id: AccountId
    state: State
    """As verification saw it; deleted if its deletion can be undone."""
    ranges: Sequence[BlockRange]
    """Where they lie, ascending. Below a lost node nobody can say which blocks were ever written: all count."""
    ranges_left_out: int
    """How many ranges more there are."""
    blocks_lost: int
    """How many blocks that is, of all ranges."""
    nodes_lost: int
    of_copied: bool = False
    """It is a copy under way, and what cannot be read is what it copies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unproven:
    """Chunks that are sealed under a key that cannot be used now."""

    kms_key_arn: str
    chunks: int
    stored_bytes: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationReport:
    """What one verification came to."""

    started_ms: int
    ended_ms: int
    data: bool
    """Whether bytes were read, not only what says where they are."""
    sample: float | None
    finished: bool
    """False if time was up before all was read: what is left comes first next time."""
    segments: int
    """Looked at."""
    segments_read: int
    bytes_read: int
    chunks_proven: int
    unproven: Sequence[Unproven]
    chunks_cleared: int
    """Were marked bad and are right."""
    snapshots: int
    """Whose block maps were walked."""
    archive_objects: int
    """Compared with the database."""
    findings: Sequence[Finding]
    finding_counts: Mapping[FindingKind, int]
    """All of them, where `findings` has as many as are listed."""
    touched: Sequence[TouchedSnapshot]
    touched_count: int

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found. What was not proven may still be wrong."""
        return not self.finding_counts and not self.touched_count

    def as_json(self) -> Any:
        """Return it in dictionaries, lists, text and numbers."""
        return msgspec.to_builtins(self, str_keys=True)


class Findings:
    """Gathers findings, and reports each as it comes. For one thread."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.listed: list[Finding] = []
        self.counts: Counter[FindingKind] = Counter()
        self._known: set[tuple[FindingKind, str]] = set()

    def add(self, kind: FindingKind, subject: str, what: str, *, told: bool = False) -> None:
        """Take a finding; `told` if there was an event for it already. What was found before is no news."""
        if (kind, subject) in self._known:
            return
        if len(self._known) < _REMEMBERED_MAX:
            self._known.add((kind, subject))
        self.counts[kind] += 1
        if len(self.listed) >= FINDINGS_MAX:
            return  # nobody needs as many lines in a log either
        self.listed.append(Finding(kind=kind, subject=subject, what=what))
        if not told:
            self._report(VerificationFound(kind=kind, subject=subject, error=what))


class Tally:
    """Counts as verification goes. For one thread."""

    def __init__(self) -> None:
        self.segments = self.segments_read = self.bytes_read = 0
        self.proven = self.cleared = 0
        self.unproven: dict[str, Unproven] = {}

    def leave_unproven(self, kms_key_arn: str, stored_bytes: int, why: str) -> None:
        """Count a chunk whose key cannot be used."""
        before = self.unproven.get(kms_key_arn)
        self.unproven[kms_key_arn] = Unproven(
            kms_key_arn=kms_key_arn,
            chunks=1 + (before.chunks if before is not None else 0),
            stored_bytes=stored_bytes + (before.stored_bytes if before is not None else 0),
            why=before.why if before is not None else why,
        )
