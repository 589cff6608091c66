"""Whom snapshots in memory were shared with; part of `memory_metadata`, under whose lock every call is made."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from neve.domain.identities import AccountId
from neve.domain.snapshots import Snapshot, SnapshotKey, State
from neve.stores.metadata.contract import EVERYBODY, VisibleSnapshot


class MemorySharing:
    """Grantees of each snapshot."""

    def __init__(self) -> None:
        self._grantees: dict[SnapshotKey, set[str]] = {}

    def modify(self, snapshot: Snapshot, *, add: Collection[str], remove: Collection[str]) -> None:
        grantees = self._grantees.setdefault(snapshot.key, set())
        grantees |= set(add) - {snapshot.account_id}
        grantees -= set(remove)

    def grantees(self, snapshot: Snapshot) -> Sequence[str]:
        return sorted(self._grantees.get(snapshot.key, ()))

    def forget(self, snapshot: Snapshot) -> None:
        self._grantees.pop(snapshot.key, None)

    def seen_by(self, account_id: AccountId, snapshots: Collection[Snapshot]) -> Sequence[VisibleSnapshot]:
        """Return those of the snapshots that the account may see, as it sees them."""
        seen = []
        for snapshot in snapshots:
            grantees = self._grantees.get(snapshot.key, set())
            is_own = snapshot.account_id == account_id
            if snapshot.state is not State.DELETED and (is_own or grantees & {account_id, EVERYBODY}):
                shown = snapshot if is_own else replace(snapshot, tags={})
                seen.append(
                    VisibleSnapshot(
                        snapshot=shown, public=EVERYBODY in grantees, shared=account_id in grantees
                    )
                )
        return seen
