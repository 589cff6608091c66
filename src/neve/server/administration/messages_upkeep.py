"""What operators ask about what may go, is damaged, or is to come back: the answers, and those requests that are quick.

Requests that begin long work stand in `messages_tasks`.
"""

from datetime import datetime

from neve.server.administration.messages import Request, View


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
