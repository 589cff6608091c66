"""What an operator is told of what snapshots cost. Bytes as `storage.usage` has them: logical, unique, freed."""

from datetime import datetime

from neve.server.administration.messages import Outcome, Row, View


class UsageRow(Row, frozen=True, kw_only=True, tag="usage"):
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
    """When it would leave the bin, or may be deleted, or until when its deletion could be undone; None for a lock whose end
    is open, and for one that was never completed.
    """


class UsageOutcome(Outcome, frozen=True, kw_only=True, tag="usage"):
    """All rows of usage were told."""

    accounts: int


class FreedView(Outcome, frozen=True, kw_only=True, tag="freed"):
    """What deleting some snapshots would free."""

    freed_bytes: int
    """Of those that would be deleted, once that cannot be undone any more."""
    freed_from_bin_bytes: int
    """Besides, once those that would go to the recycle bin have left it."""
    snapshots: list[FreedRow]
