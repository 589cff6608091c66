"""Records of what may go: what collection, undoing and verification ask and change.

Part of what every metadata store promises; the promises of `contract` hold here too. The protocol these serve is the
design's section 6, and `storage.collection` follows it:

    begin ─▶ close_undo ─▶ cut ─▶ (mark) ─▶ drop_rows ─▶ drop_chunks ─▶ condemn, repoint ─▶ (bytes go) ─▶ forget

Words
    epoch       A number that only one collector has. Whoever begins takes the next one; from then on every method
                that is given an older one raises EpochLost and changes nothing. Nobody asks whether a collector lives.
    cut         One moment: what needed chunks then, whose rows that mark speaks for, and which chunk rows existed.
    unsettled   A completed snapshot, deleted since or not, some of whose block rows and holds may still be there.
    undo        What a completed snapshot leaves when it is deleted, for as long as the deletion can be undone. While it
                is there the snapshot needs its chunks; once it is gone, nothing brings the snapshot back. There is no
                other condition: which time that is stands in no safety argument.
    condemned   A segment that no chunk row names and none will ever name again. Its bytes may go at any time.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType, Protocol

from neve.domain.blocks import ChunkId, ChunkKind
from neve.domain.identities import AccountId, DomainKey, SnapshotId
from neve.domain.snapshots import Snapshot, SnapshotKey
from neve.stores.metadata.contract_needs import Need
from neve.stores.metadata.placement import ChunkRecord, SegmentName

Epoch = NewType("Epoch", int)
ChunkKey = NewType("ChunkKey", int)
"""Row number of a chunk, ascending in order of publication, never used twice."""
SegmentKey = NewType("SegmentKey", int)
"""Row number of a segment, ascending in order of reservation, never used twice."""


class SegmentState(StrEnum):
    """What a segment's record says. The words are stored."""

    RESERVED = "reserved"
    LIVE = "live"
    CANCELLED = "cancelled"
    CONDEMNED = "condemned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What a collector may take away, as far as integers tell."""

    newest_chunk: ChunkKey
    """Chunk rows above it were not there."""
    chunk_rows: int
    """How many there were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkEntry:
    """A chunk row, as whoever goes through all of them needs it."""

    chunk_key: ChunkKey
    chunk_id: ChunkId
    kind: ChunkKind
    stored_bytes: int
    bad: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """Chunk rows that went."""

    chunks: int = 0
    stored_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentUse:
    """A published segment, and what of it is needed."""

    segment_key: SegmentKey
    name: SegmentName
    state: SegmentState
    """Live or condemned."""
    size_bytes: int
    chunk_rows: int
    live_bytes: int
    """Sum of stored_bytes over its chunk rows."""
    verified_ms: int
    """When every byte of it was last found right; 0 for never."""
    condemned_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationStanding:
    """What there is to verify, and how long ago that was done."""

    segments: int
    size_bytes: int
    oldest_ms: int | None
    """When the segment that was verified longest ago was, or came to be if it never was; None without any."""
    newest_ms: int
    """When the segment that was verified last was; 0 if none ever was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredChunk:
    """A chunk row with its place, and whether it is bad."""

    record: ChunkRecord
    bad: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A chunk whose bytes were copied from one segment to another."""

    old: ChunkRecord
    new: ChunkRecord
    """The same content, in the segment being published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """A completed snapshot that was deleted and can still be brought back."""

    snapshot_id: SnapshotId
    account_id: AccountId
    key: SnapshotKey
    volume_gib: int
    description: str | None
    started_ms: int
    deleted_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkUse:
    """Who names a chunk directly: rows of snapshots being written or not settled yet."""

    snapshot_id: SnapshotId
    block_index: int | None
    """None for a hold."""


class CollectionRecords(Protocol):
    """What may go."""

    # --- epochs and the cut

    def begin(self) -> Epoch:
        """Take the next epoch. Every collector that began earlier has lost its own."""
        ...

    def cut(
        self,
        epoch: Epoch,
        *,
        needs: Callable[[Sequence[Need]], None],
        unsettled: Callable[[Sequence[SnapshotKey]], None],
    ) -> Cut:
        """Give `needs` and `unsettled` everything as it was at one moment, slice by slice, each ascending by key.

        `needs` gets what `NeedRecords.living` gives and, with state DELETED, every snapshot that has an undo. `unsettled`
        gets the snapshots that were completed then and have not been settled. Both ask nothing of this store, and are
        quick: until they have had all, what is read is kept from being cleared up.

        Raises:
            EpochLost
        """
        ...

    def needed(self, take: Callable[[Sequence[Need]], None]) -> Cut:
        """Give `take` what `cut` gives to its `needs`, and return what it returns, for whoever takes nothing away."""
        ...

    # --- letting rows go

    def drop_rows(self, epoch: Epoch, snapshot_key: SnapshotKey, *, limit: int) -> int:
        """Drop up to `limit` block rows and holds of a snapshot that the cut of this epoch called unsettled.

        Returns how many went; fewer than `limit` means that none are left, and it is settled. Only for after a mark that
        reached all the cut gave to `needs`. One that never completed is an InvariantError.

        Raises:
            EpochLost
        """
        ...

    def chunk_entries(
        self, domain_key: DomainKey, *, after: ChunkId | None, limit: int
    ) -> Sequence[ChunkEntry]:
        """Return up to `limit` chunk rows of a domain, ascending by id, the first one above `after`."""
        ...

    def drop_chunks(
        self, epoch: Epoch, domain_key: DomainKey, chunk_ids: Collection[ChunkId], *, newest: ChunkKey
    ) -> Dropped:
        """Drop those of these chunks' rows that are not above `newest` and that no block row and no hold names now.

        Raises:
            EpochLost
        """
        ...

    def forget_snapshots(self, epoch: Epoch, *, limit: int) -> Sequence[SnapshotId]:
        """Forget up to `limit` deleted snapshots, ascending by key, that have no undo and no client token any more, and
        no rows, as `drop_rows` or `MetadataStore.reap` have found.

        Raises:
            EpochLost
        """
        ...

    # --- segments

    def segments(self, *, after: SegmentKey | None, limit: int) -> Sequence[SegmentUse]:
        """Return up to `limit` live and condemned segments, ascending by key, the first one above `after`."""
        ...

    def segments_to_verify(
        self, *, verified_before_ms: int, limit: int, after: SegmentUse | None = None
    ) -> Sequence[SegmentUse]:
        """Return up to `limit` live segments last verified before then, the longest ago first, those of one moment
        ascending by key; the first one behind `after` as that was when it was returned.
        """
        ...

    def verification_standing(self) -> VerificationStanding:
        """Return what there is of live segments; takes time proportional to that."""
        ...

    def segment_states(self, names: Collection[SegmentName]) -> Mapping[SegmentName, SegmentState]:
        """Return the states of those of these segments that have a record."""
        ...

    def segment_chunks(self, name: SegmentName) -> Sequence[StoredChunk]:
        """Return the chunk rows that point into a segment, ascending by offset. There are at most 65,536."""
        ...

    def condemn(self, epoch: Epoch, names: Collection[SegmentName], *, now_ms: int) -> Sequence[SegmentName]:
        """Condemn those of these live segments that no chunk row names now; return which.

        Raises:
            EpochLost
        """
        ...

    def repoint(
        self, epoch: Epoch, segment: SegmentName, moved: Sequence[Moved], *, segment_bytes: int
    ) -> int:
        """Publish a segment of copies: it goes from reserved to live, and chunk rows that still say what `old` says
        point into it.

        Rows that say something else by now, bad ones and those that are gone stay as they are. Returns how many rows
        moved; a segment to which none did is live all the same, and condemned by the next round. Content that is not the
        old one's, or in another segment, is an InvariantError.

        Raises:
            EpochLost, ReservationCancelled: nothing changed.
        """
        ...

    def condemned(self, *, condemned_before_ms: int, limit: int) -> Sequence[SegmentName]:
        """Return up to `limit` segments condemned before then, the longest ago first."""
        ...

    def found_cancelled(
        self, names: Collection[SegmentName], *, now_ms: int, found_before_ms: int
    ) -> Sequence[SegmentName]:
        """Note of those of these segments that are cancelled that an object was found of them; return which of them that
        was noted of before `found_before_ms`.

        The first time counts. A database that was put back from an older copy takes names for cancelled under which a newer
        one had published since: those objects are to be there still when that is found out.
        """
        ...

    def forget_segment(self, name: SegmentName) -> bool:
        """Forget the record of a condemned segment whose bytes are gone. False, and nothing, in any other state."""
        ...

    def set_verified(self, name: SegmentName, *, now_ms: int) -> None:
        """Note that every byte of a live segment was just found right. Of any other one there is nothing to note."""
        ...

    def distrust_verified(self, *, after_ms: int) -> int:
        """Have segments that were verified after that moment count as never verified; return how many.

        For moments that have not come yet: a clock that was wrong noted them, and they would not be looked at again.
        """
        ...

    # --- what is bad

    def bad_chunks(self, *, after: ChunkKey | None, limit: int) -> Sequence[tuple[ChunkKey, StoredChunk]]:
        """Return up to `limit` bad chunk rows, ascending by key, the first one above `after`."""
        ...

    def clear_bad(self, record: ChunkRecord) -> bool:
        """Have a chunk whose bytes, where `record` says, were just proven right not be bad. False, and nothing, if the
        row says something else by now.
        """
        ...

    def uses(self, domain_key: DomainKey, chunk_id: ChunkId, *, limit: int) -> Sequence[ChunkUse]:
        """Return up to `limit` rows that name a chunk directly, by snapshot and index, its hold first; dropped ones are
        left out.
        """
        ...

    # --- undoing deletions

    def deletions(
        self, account_id: AccountId | None, *, after: SnapshotKey | None, limit: int
    ) -> Sequence[Deletion]:
        """Return up to `limit` deletions that can be undone, of one account or all, ascending by snapshot key."""
        ...

    def undelete(self, account_id: AccountId, snapshot_id: SnapshotId, *, now_ms: int) -> Snapshot:
        """Bring a deleted snapshot back, completed, with its tags, permissions and guests' tags; return it.

        Its client token, if it is not forgotten, names it again. A lock it had was over. Quotas are not asked.

        Raises:
            SnapshotNotFound: missing, foreign, not deleted, or its undo is gone.
        """
        ...

    def close_undo(self, epoch: Epoch, *, deleted_before_ms: int, limit: int) -> Sequence[SnapshotId]:
        """Let up to `limit` undos of deletions before then go, the longest ago first; return whose.

        Raises:
            EpochLost
        """
        ...
