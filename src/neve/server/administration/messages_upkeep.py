"""What operators ask about what may go, is damaged, or is to come back: the answers, and those requests that are quick.

Requests that begin long work stand in `messages_tasks`.
"""

from datetime import datetime

from neve.server.administration.messages import Outcome, Request, Row, View


class DeletionView(View, frozen=True, kw_only=True):
    """A completed snapshot that was deleted and can be had back."""

    snapshot_id: str
    account_id: str
    volume_gib: int
    description: str
    started: datetime
    deleted: datetime
    until: datetime
    """The first collection after that makes it final; until then it can be undone all the same."""


class DeletionsPage(View, frozen=True, kw_only=True):
    deletions: list[DeletionView]
    after: int
    """What to ask for next; 0 if these were the last."""


class ListDeletions(Request[DeletionsPage], frozen=True, kw_only=True):
    """Deletions that can be undone, of one account or all, in the order in which the snapshots were started."""

    account_id: str | None = None
    after: int = 0


class UndeletedView(View, frozen=True, kw_only=True):
    """A snapshot that is back."""

    snapshot_id: str
    account_id: str
    volume_gib: int
    description: str
    tags: dict[str, str]


class UndeleteSnapshot(Request[UndeletedView], frozen=True, kw_only=True):
    """Bring a deleted snapshot back as it was: completed, with its tags and permissions."""

    snapshot_id: str


# --- verification


class FindingRow(Row, frozen=True, kw_only=True, tag="finding"):
    """Something that is not as it should be."""

    kind: str
    """A `storage.verification.report.FindingKind`."""
    subject: str
    what: str


class TouchedRow(Row, frozen=True, kw_only=True, tag="touched"):
    """A snapshot some of whose blocks cannot be read."""

    snapshot_id: str
    account_id: str
    state: str
    """Deleted, if its deletion can be undone."""
    ranges: list[tuple[int, int]]
    """First and last block of each, ascending. Below a lost node all blocks count that may have been there."""
    ranges_left_out: int
    blocks_lost: int
    nodes_lost: int
    of_copied: bool
    """It is a copy under way, and what cannot be read is what it copies."""


class UnprovenRow(Row, frozen=True, kw_only=True, tag="unproven"):
    """What is sealed under a key that cannot be used now: nothing is known of it."""

    kms_key_arn: str
    chunks: int
    stored_bytes: int
    why: str


class VerificationOutcome(Outcome, frozen=True, kw_only=True, tag="verification"):
    """How far a verification came; rows say what it found."""

    started: datetime
    ended: datetime
    data: bool
    finished: bool
    """False if time was up before all was read: what is left comes first next time."""
    segments: int
    segments_read: int
    bytes_read: int
    chunks_proven: int
    chunks_cleared: int
    """Were marked bad, and are right."""
    snapshots: int
    archive_objects: int
    findings: int
    """All there were; rows have the first ten thousand."""
    touched: int
    """Snapshots, likewise."""


# --- collection


class CollectionOutcome(Outcome, frozen=True, kw_only=True, tag="collection"):
    """What a collection did, as `storage.collection.report` says it; of a dry run, what one would do."""

    dry_run: bool
    overtaken: bool
    undos_closed: int
    snapshots_settled: int
    chunks_dropped: int
    bytes_dropped: int
    snapshots_forgotten: int
    segments_condemned: int
    bytes_condemned: int
    segments_deleted: int
    bytes_deleted: int
    segments_rewritten: int
    bytes_rewritten: int
    segments_left: int
    out_of_room: bool
    unexplained: int
    unexplained_names: list[str]
    """The first ones."""
    missing: int
    missing_names: list[str]


# --- repair


class SourceRow(Row, frozen=True, kw_only=True, tag="source"):
    """What a source was good for."""

    name: str
    candidates: int
    restored: int
    failure: str
    """Why it could not go on; empty if it could."""


class RepairOutcome(Outcome, frozen=True, kw_only=True, tag="repair"):
    """What a repair came to; rows say what is still lost."""

    chunks_wanted: int
    chunks_restored: int
    stored_bytes: int
    chunks_moved: int
    objects_renewed: int
    without_key: int
    findings: int
    """Left."""
    touched: int
    """Snapshots, likewise."""


class WantedBlock(View, frozen=True, kw_only=True):
    """A block that a task wants from a volume that whoever began it has."""

    number: int
    """Of the wish: the same block may be wanted again."""
    volume: int
    """Which of those that were named, from 0 on."""
    block_index: int


# --- copies of the records


class BackupOutcome(Outcome, frozen=True, kw_only=True, tag="backup"):
    """A copy that was made."""

    path: str
    size_bytes: int


# --- how a store is


class TaskSummary(View, frozen=True, kw_only=True):
    """How far a task is."""

    task_id: str
    kind: str
    """A `TaskKind`."""
    running: bool
    by_itself: bool
    """The server began it, nobody asked for it."""
    begun: datetime
    elapsed_s: float
    phase: str
    done: int
    total: int
    """Of this phase; 0 if nobody knows."""
    unit: str
    """A `storage.progress.Unit`."""


class StatusOutcome(Outcome, frozen=True, kw_only=True, tag="status"):
    """How a store is, in numbers that an operator may want to watch."""

    segments: int
    segment_bytes: int
    """Of live segments."""
    oldest_proof: datetime | None
    """When the bytes that were proven longest ago were, or were written if they never were; None without any."""
    newest_proof: datetime | None
    condemned_segments: int
    condemned_bytes: int
    """What nothing needs any more, and goes when `condemned_keep_s` is over."""
    bad_chunks: int
    bad_bytes: int
    """What cannot be read, or could not when it was tried: data loss until it is repaired."""
    deletions: int
    """How many can be undone."""
    archive_waiting: int
    """Changes that the archive does not have yet; as many as are counted, if there are very many."""
    last_collection: datetime | None
    """Since the process started; None if there was none."""
    last_collection_failed: bool
    last_collection_said: str
    unexplained_objects: int
    """That the last collection found."""
    tasks: list[TaskSummary]
    """What is under way."""
