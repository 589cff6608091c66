"""The states of a snapshot, and what each answers.

    pending ──complete accepted──▶ sealing ──count and aggregate right──▶ completed ◀──▶ recycled
       │                              └──────count or aggregate wrong──▶ error
       ├──no block for Timeout minutes──▶ error
    any state ──delete──▶ deleted ──undone, for a while, if it was completed──▶ completed

`sealing` is ours: the API shows it as `pending` (contract 3.1). `deleted` is what a row says until
collection has taken back what it referred to; until it begins to, an operator can undo that (`neve undelete`). A deadline that has passed counts as passed whether or not
anybody has written it down yet (choice 27): everybody looks at a snapshot through `observed`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, NewType

from neve.domain.blocks import ChunkId, Digest
from neve.domain.identities import AccountId, DomainKey, SnapshotId

SnapshotKey = NewType("SnapshotKey", int)
"""Row number of a snapshot in its metadata store, ascending in order of start, never used twice."""

MESSAGE_TIMED_OUT: Final = "Snapshot timed out"
MESSAGE_CHECKSUM: Final = "Checksum mismatch for snapshot"
MESSAGE_COUNT: Final = "Changed blocks count mismatch for snapshot"
"""Contract 3.1: the texts seen through EC2."""


NO_VOLUME: Final = "vol-ffffffff"
"""What a snapshot shows as its volume that was made of blocks or of another snapshot (contract 9.3)."""
MINUTE_MS: Final = 60_000
NO_TIMEOUT_MINUTES: Final = 1_000_000_000_000
"""Timeout of a snapshot that waits for no client, which is a copy: its deadline is some two million years away."""


class Origin(StrEnum):
    """What a snapshot is made of. The words are stored."""

    DIRECT = "direct"
    """Blocks that a client writes."""
    COPY = "copy"
    """Another snapshot: it takes no blocks from clients."""


class State(StrEnum):
    """Where a snapshot is in its life. The words are stored: they never change."""

    PENDING = "pending"
    SEALING = "sealing"
    COMPLETED = "completed"
    ERROR = "error"
    RECYCLED = "recycled"
    DELETED = "deleted"


TRANSITIONS: Final[Mapping[State, frozenset[State]]] = {
    State.PENDING: frozenset({State.SEALING, State.ERROR, State.DELETED}),
    State.SEALING: frozenset({State.COMPLETED, State.ERROR, State.DELETED}),
    State.COMPLETED: frozenset({State.RECYCLED, State.DELETED}),
    State.RECYCLED: frozenset({State.COMPLETED, State.DELETED}),
    State.ERROR: frozenset({State.DELETED}),
    State.DELETED: frozenset({State.COMPLETED}),
}

API_STATUS: Final[Mapping[State, str]] = {
    State.PENDING: "pending",
    State.SEALING: "pending",
    State.COMPLETED: "completed",
    State.ERROR: "error",
}
"""What the API calls each state; a deleted snapshot has no status, it is not found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionClaim:
    """What CompleteSnapshot said was written."""

    changed_blocks_count: int
    aggregate: Digest | None
    """None: the caller gave no checksum and only the count is compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One snapshot, as its records stand."""

    key: SnapshotKey
    snapshot_id: SnapshotId
    account_id: AccountId
    domain_key: DomainKey
    lineage_id: SnapshotId
    """The first ancestor's id. Snapshots with the same one are related, whoever was deleted since."""
    parent_id: SnapshotId | None
    state: State
    state_message: str
    volume_gib: int
    description: str | None
    timeout_minutes: int
    started_ms: int
    last_write_ms: int
    """When the newest block was accepted, or the start."""
    completed_ms: int | None
    base_root: ChunkId | None
    """Root of the parent's block map, None without a parent. Kept, since parents may be deleted."""
    base_block_count: int
    root: ChunkId | None
    """Root of this snapshot's block map once completed."""
    block_count: int
    """Blocks present in the resolved image once completed, inherited ones included."""
    claim: CompletionClaim | None
    origin: Origin = Origin.DIRECT
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def deadline_ms(self) -> int:
        """When a pending snapshot times out if no block arrives (contract 3.7).

        It never passes for one with `NO_TIMEOUT_MINUTES`; there it is a number to compare with, and no date.
        """
        return self.last_write_ms + self.timeout_minutes * MINUTE_MS


def observed(snapshot: Snapshot, now_ms: int) -> Snapshot:
    """Return the snapshot as everybody must see it at `now_ms`: a passed deadline is an error."""
    if snapshot.state is State.PENDING and now_ms >= snapshot.deadline_ms:
        return replace(snapshot, state=State.ERROR, state_message=MESSAGE_TIMED_OUT)
    return snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What a completion produced."""

    root: ChunkId
    block_count: int
