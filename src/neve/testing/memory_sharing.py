"""Whom snapshots in memory were shared with; part of `memory_metadata`, under whose lock every call is made."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from neve.domain.identities import AccountId
from neve.domain.snapshots import Snapshot, SnapshotKey, State
from neve.stores.metadata.contract import EVERYBODY, VisibleSnapshot
from neve.stores.metadata.contract_archive import ArchiveKind
from neve.testing.memory_drawers import Drawer


class MemorySharing:
    """Grantees of each snapshot, and the tags that they gave it."""

    def __init__(self) -> None:
        self._grantees: dict[SnapshotKey, set[str]] = {}
        self._guest_tags: dict[SnapshotKey, dict[AccountId, Mapping[str, str]]] = {}

    def drawers(self, snapshots: Mapping[SnapshotKey, Snapshot]) -> Sequence[Drawer]:
        """Return what the archive is to have of this."""
        kind, tags = ArchiveKind.SNAPSHOT, dict[AccountId, dict[str, str]]
        return [
            Drawer(
                kind,
                "grantees",
                self._grantees,
                SnapshotKey,
                set[str],
                lambda key, _: snapshots[key].snapshot_id,
            ),
            Drawer(
                kind,
                "guest_tags",
                self._guest_tags,
                SnapshotKey,
                tags,
                lambda key, _: snapshots[key].snapshot_id,
            ),
        ]

    def modify(self, snapshot: Snapshot, *, add: Collection[str], remove: Collection[str]) -> None:
        grantees = self._grantees.setdefault(snapshot.key, set())
        grantees |= set(add) - {snapshot.account_id}
        grantees -= set(remove)
        for guest in list(self._guest_tags.get(snapshot.key, {})):
            if not grantees & {guest, EVERYBODY}:
                del self._guest_tags[snapshot.key][guest]

    def grantees(self, snapshot: Snapshot) -> Sequence[str]:
        return sorted(self._grantees.get(snapshot.key, ()))

    def forget(self, snapshot: Snapshot) -> None:
        self._grantees.pop(snapshot.key, None)
        self._guest_tags.pop(snapshot.key, None)

    def put_guest_tags(self, snapshot: Snapshot, guest: AccountId, tags: Mapping[str, str]) -> None:
        """Replace the tags that an account gave to somebody else's snapshot."""
        self._guest_tags.setdefault(snapshot.key, {})[guest] = tags

    def seen_by(self, account_id: AccountId, snapshots: Collection[Snapshot]) -> Sequence[VisibleSnapshot]:
        """Return those of the snapshots that the account may see, as it sees them."""
        seen = []
        for snapshot in snapshots:
            grantees = self._grantees.get(snapshot.key, set())
            is_own = snapshot.account_id == account_id
            is_there = snapshot.state not in {State.RECYCLED, State.DELETED}
            if is_there and (is_own or grantees & {account_id, EVERYBODY}):
                tags = self._guest_tags.get(snapshot.key, {}).get(account_id, {})
                seen.append(
                    VisibleSnapshot(
                        snapshot=snapshot if is_own else replace(snapshot, tags=tags),
                        public=EVERYBODY in grantees,
                        shared=account_id in grantees,
                    )
                )
        return seen
