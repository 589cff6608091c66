"""Long work as operators ask for it: begun, then asked after, again and again.

    ReckonUsage, … ─▶ TaskView ─▶ ShowTask, until it no longer runs ─▶ StopTask

Rows come while a task runs, its outcome when it is done. One that failed answers ShowTask with its failure.
"""

from neve.server.administration.messages import Request
from neve.server.administration.messages_upkeep import (
    BackupOutcome,
    CollectionOutcome,
    FindingRow,
    RepairOutcome,
    SourceRow,
    StatusOutcome,
    TaskSummary,
    TouchedRow,
    UnprovenRow,
    VerificationOutcome,
    WantedBlock,
)
from neve.server.administration.messages_usage import FreedView, UsageOutcome, UsageRow

AnyRow = UsageRow | FindingRow | TouchedRow | UnprovenRow | SourceRow
AnyOutcome = (
    UsageOutcome
    | FreedView
    | StatusOutcome
    | VerificationOutcome
    | CollectionOutcome
    | RepairOutcome
    | BackupOutcome
)


class TaskView(TaskSummary, frozen=True, kw_only=True):
    """How far a task is, and what came of it so far."""

    rows: list[AnyRow]
    rows_kept: int
    """How many there are to ask for by now."""
    rows_found: int
    """More than are kept, if there are too many."""
    outcome: AnyOutcome | None
    """None while it runs."""
    wanted: WantedBlock | None = None
    """What it waits for: `FeedTask` gives it."""


class ShowTask(Request[TaskView], frozen=True, kw_only=True):
    """How far is it? One that was begun by a request and is not asked after for a minute ends by itself."""

    task_id: str
    first_row: int = 0
    """Rows from this one on: there may be more than one answer holds."""


class FeedTask(Request[None], frozen=True, kw_only=True):
    """Give a task the block that it waits for. One that it does not wait for is no error, and not used."""

    task_id: str
    number: int
    """Of the wish."""
    data: bytes
    """Empty if the volume has no such block."""
    failure: str = ""
    """Why the volume that it is wanted from cannot be read any more."""


class StopTask(Request[None], frozen=True, kw_only=True):
    """End it, done or not, and forget it. One that is not there is no error."""

    task_id: str


# --- what begins one


class ReckonUsage(Request[TaskView], frozen=True, kw_only=True):
    """What do an account's snapshots cost? Of every account where none is named."""

    account_id: str | None = None
    tag_key: str | None = None
    """Tell snapshots apart by the value of this tag, too."""
    by_snapshot: bool = False


class ReckonFreed(Request[TaskView], frozen=True, kw_only=True):
    """What would deleting these snapshots free?"""

    snapshot_ids: list[str]


class CountStore(Request[TaskView], frozen=True, kw_only=True):
    """How is the store?"""


class VerifyStore(Request[TaskView], frozen=True, kw_only=True):
    """Is everything there and right, and what is touched if it is not?"""

    data: bool = False
    """Read every byte, and not only what says where bytes are."""
    sample: str = ""
    """Of data, only a share of the segments that chance chooses: `5%`."""
    budget: str = ""
    """Of data, as much as this time allows, what was read longest ago first: `2h`."""


class CollectGarbage(Request[TaskView], frozen=True, kw_only=True):
    """Take away what nothing needs."""

    dry_run: bool = False
    """Only say what that would be."""
    share_max: str = ""
    """How much of all chunks may go, instead of the setting: `90%`."""
    at_once: bool = False
    """Keep nothing any longer: deletions become final, and bytes go, whatever the settings say."""


class BackUpMetadata(Request[TaskView], frozen=True, kw_only=True):
    """Copy the records, as they are at one moment, into a new file of the store's own machine."""

    path: str
    """The whole path."""


class RepairStore(Request[TaskView], frozen=True, kw_only=True):
    """Look for what is lost wherever it may still be, and store it anew."""

    replicas: list[str]
    """Directories of segments on the store's own machine."""
    volumes: list[str]
    """What to call volumes that whoever asks gives block by block: `wanted`, `FeedTask`."""
