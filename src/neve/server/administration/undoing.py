"""Deletions that can still be undone: which there are, and undoing one."""

from typing import Final

from neve.clock import Clock
from neve.domain.identities import AccountId, SnapshotId
from neve.domain.snapshots import SnapshotKey
from neve.errors import SnapshotNotFound
from neve.server.administration.accounts import Accounts
from neve.server.administration.messages import AdministrationRefused
from neve.server.administration.messages_upkeep import (
    DeletionsPage,
    DeletionView,
    ListDeletions,
    UndeletedView,
    UndeleteSnapshot,
)
from neve.server.administration.texts import conflict, moment, not_found, shown
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.contract_collection import Deletion

_PAGE: Final = 2_000
"""Of deletions in one answer: a MiB or so."""


class UndoingDesk:
    """What operators ask about deletions."""

    def __init__(
        self, metadata: MetadataStore, accounts: Accounts, clock: Clock, *, deletion_undo_s: int
    ) -> None:
        self._metadata = metadata
        self._accounts = accounts
        self._clock = clock
        self._undo_ms = deletion_undo_s * 1_000

    def listed(self, request: ListDeletions) -> DeletionsPage:
        account_id = None
        if request.account_id is not None:
            account_id = self._accounts.the(request.account_id).account_id
        after = SnapshotKey(request.after) if request.after else None
        found = self._metadata.collection.deletions(account_id, after=after, limit=_PAGE)
        return DeletionsPage(
            deletions=[self._view(deletion) for deletion in found],
            after=found[-1].key if len(found) == _PAGE else 0,
        )

    def undelete(self, request: UndeleteSnapshot) -> UndeletedView:
        for account in self._accounts.every(None):
            try:
                snapshot = self._metadata.collection.undelete(
                    account.account_id, SnapshotId(request.snapshot_id), now_ms=self._clock.now_ms()
                )
            except SnapshotNotFound:
                continue
            return UndeletedView(
                snapshot_id=snapshot.snapshot_id,
                account_id=snapshot.account_id,
                volume_gib=snapshot.volume_gib,
                description=snapshot.description or "",
                tags=dict(snapshot.tags),
            )
        raise self._why_not(SnapshotId(request.snapshot_id))

    def _why_not(self, snapshot_id: SnapshotId) -> AdministrationRefused:
        """Return why there is nothing to undo, as far as records tell."""
        for account in self._accounts.every(None):
            if self._is_there(account.account_id, snapshot_id):
                return conflict(f"{snapshot_id} is not deleted: there is nothing to undo")
            if self._is_in_bin(account.account_id, snapshot_id):
                return conflict(
                    f"{snapshot_id} is in the recycle bin: `neve bin restore {snapshot_id}` brings it back"
                )
        return not_found(
            f"no deletion of {shown(snapshot_id)} can be undone: its time is over, it was never completed, or there was no "
            "such snapshot"
        )

    def _is_there(self, account_id: AccountId, snapshot_id: SnapshotId) -> bool:
        try:
            self._metadata.snapshot(account_id, snapshot_id)
        except SnapshotNotFound:
            return False
        return True

    def _is_in_bin(self, account_id: AccountId, snapshot_id: SnapshotId) -> bool:
        try:
            self._metadata.lifecycle.recycled_snapshot(account_id, snapshot_id)
        except SnapshotNotFound:
            return False
        return True

    def _view(self, deletion: Deletion) -> DeletionView:
        return DeletionView(
            snapshot_id=deletion.snapshot_id,
            account_id=deletion.account_id,
            volume_gib=deletion.volume_gib,
            description=deletion.description or "",
            started=moment(deletion.started_ms),
            deleted=moment(deletion.deleted_ms),
            until=moment(deletion.deleted_ms + self._undo_ms),
        )
