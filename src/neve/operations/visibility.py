"""Which snapshots of others an account sees: those shared with it, and public ones, unless their owner blocks that.

`block-all-sharing` hides what an owner made public, and alters no permission (contract 9.10): for everybody else such a
snapshot is not there, unless it was shared with them by name too. Whoever asks for snapshots of others asks here, and
not the records, which know permissions only.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from neve.domain.identities import AccountId, SnapshotId
from neve.errors import SnapshotNotFound
from neve.operations.context import Context
from neve.stores.metadata.contract import VisibleSnapshot

UNBLOCKED = "unblocked"
BLOCK_NEW_SHARING = "block-new-sharing"
BLOCK_ALL_SHARING = "block-all-sharing"
"""Contract 9.10."""


class Sight:
    """What one account sees, for as long as one request takes. For one thread.

    Settings of owners are asked for once each, and only for what is public and somebody else's.
    """

    def __init__(self, ctx: Context, account_id: AccountId) -> None:
        self._ctx = ctx
        self._account_id = account_id
        self._blocked: dict[AccountId, bool] = {}

    def snapshot(self, snapshot_id: SnapshotId) -> VisibleSnapshot:
        """Return a snapshot that the account owns or that was shared with it, as its record stands.

        Raises:
            SnapshotNotFound: it is missing, deleted, not shared, or public and blocked.
        """
        seen = self._seen(self._ctx.metadata.visible_snapshot(self._account_id, snapshot_id))
        if seen is None:
            raise SnapshotNotFound(snapshot_id)
        return seen

    def of(self, records: Iterable[VisibleSnapshot]) -> Iterator[VisibleSnapshot]:
        """Yield those of the records that the account sees."""
        for record in records:
            seen = self._seen(record)
            if seen is not None:
                yield seen

    def _seen(self, record: VisibleSnapshot) -> VisibleSnapshot | None:
        owner_id = record.snapshot.account_id
        if not record.public or owner_id == self._account_id or not self._blocks(owner_id):
            return record
        return replace(record, public=False) if record.shared else None

    def _blocks(self, owner_id: AccountId) -> bool:
        if owner_id not in self._blocked:
            settings = self._ctx.metadata.identities.account_settings(owner_id)
            self._blocked[owner_id] = settings.public_access == BLOCK_ALL_SHARING
        return self._blocked[owner_id]
