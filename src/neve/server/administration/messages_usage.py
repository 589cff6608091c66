"""What an operator may ask about what snapshots cost. It may take minutes, so a reckoning is begun and then asked after.

    ReckonUsage, ReckonFreed ─▶ ReckoningView ─▶ ShowReckoning, again and again, until finished ─▶ StopReckoning

Bytes as `storage.usage` has them: logical, unique, freed.
"""

from datetime import datetime

from neve.server.administration.messages import Request, View


class UsageRow(View, frozen=True, kw_only=True):
    """What some snapshots of an account cost together."""

    account_id: str
    about: str
    """`account`, `tag` for those with one value of the tag that was asked for, or `snapshot`."""
    snapshot_id: str = ""
    state: str = ""
    """Of the snapshot: pending, completed, or recycled for one in the recycle bin."""
    tag_value: str | None = None
    """None for those without the tag, too."""
    snapshots: int
    logical_bytes: int
    unique_bytes: int


class FreedRow(View, frozen=True, kw_only=True):
    """What deleting a snapshot would do to it."""

    snapshot_id: str
    outcome: str
    """`deleted`, `recycled` if it would go to the recycle bin, or `locked` if it would stay."""
    until: datetime | None = None
    """When it would leave the bin, or may be deleted; None for a lock whose end is open."""


class FreedView(View, frozen=True, kw_only=True):
    """What deleting some snapshots would free."""

    freed_bytes: int
    """At once: of those that would be deleted."""
    freed_from_bin_bytes: int
    """Besides, once those that would go to the recycle bin have left it."""
    snapshots: list[FreedRow]


class ReckoningView(View, frozen=True, kw_only=True):
    """How far a reckoning is, and what came of it."""

    reckoning_id: str
    finished: bool
    steps_done: int
    steps: int
    """Of the part it is at; there may be another one."""
    usage: list[UsageRow]
    rows: int
    """How many there are of `usage`."""
    freed: FreedView | None = None


class ReckonUsage(Request[ReckoningView], frozen=True, kw_only=True):
    """What do an account's snapshots cost? Of every account where none is named."""

    account_id: str | None = None
    tag_key: str | None = None
    """Tell snapshots apart by the value of this tag, too."""
    by_snapshot: bool = False


class ReckonFreed(Request[ReckoningView], frozen=True, kw_only=True):
    """What would deleting these snapshots free?"""

    snapshot_ids: list[str]


class ShowReckoning(Request[ReckoningView], frozen=True, kw_only=True):
    """How far is it? One that is not asked after for a minute ends by itself."""

    reckoning_id: str
    first_row: int = 0
    """Of `usage`, from this one on: there may be more than one answer holds."""


class StopReckoning(Request[None], frozen=True, kw_only=True):
    """End it, finished or not, and forget it. One that is not there is no error."""

    reckoning_id: str
