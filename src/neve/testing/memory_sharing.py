"""Whom snapshots in memory were shared with; part of `memory_metadata`, under whose lock every call is made."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from neve.domain.identities import AccountId
from neve.domain.snapshots import Snapshot, SnapshotKey, State
from neve.stores.metadata.contract import EVERYBODY, VisibleSnapshot
from neve.stores.metadata.contract_archive import ArchiveKind
from neve.testing.memory_drawers import Drawer


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """What a completed snapshot lost when it was deleted."""

    deleted_ms: int
    tags: Mapping[str, str]
    grantees: Collection[str]
    guest_tags: Mapping[AccountId, Mapping[str, str]]


class MemorySharing:
    """Grantees of each snapshot, and the tags that they gave it; and what of that a deletion can be undone with."""

    def __init__(self) -> None:
        self._grantees: dict[SnapshotKey, set[str]] = {}
        self._guest_tags: dict[SnapshotKey, dict[AccountId, Mapping[str, str]]] = {}
        self.undos: dict[SnapshotKey, Undo] = {}

    def drawers(self, snapshots: Mapping[SnapshotKey, Snapshot]) -> Sequence[Drawer]:
        """Return what the archive is to have of this."""
        tags = dict[AccountId, dict[str, str]]

        def snapshot_id(key: SnapshotKey, _: object) -> str:
            return snapshots[key].snapshot_id

        return [
            Drawer(ArchiveKind.SNAPSHOT, table, entries, SnapshotKey, value_type, snapshot_id)
            for table, entries, value_type in (
                ("grantees", self._grantees, set[str]),
                ("guest_tags", self._guest_tags, tags),
                ("undos", self.undos, Undo),
            )
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

    def forget(self, snapshot: Snapshot, *, now_ms: int) -> None:
        """Take everything from a snapshot that is deleted; for an undo, if it was completed."""
        grantees = self._grantees.pop(snapshot.key, set())
        guest_tags = self._guest_tags.pop(snapshot.key, {})
        if snapshot.completed_ms is not None:
            self.undos[snapshot.key] = Undo(
                deleted_ms=now_ms, tags=snapshot.tags, grantees=sorted(grantees), guest_tags=guest_tags
            )

    def put_back(self, snapshot: Snapshot) -> Mapping[str, str]:
        """Undo that; return the snapshot's own tags."""
        undo = self.undos.pop(snapshot.key)
        self._grantees[snapshot.key] = set(undo.grantees)
        self._guest_tags[snapshot.key] = dict(undo.guest_tags)
        return undo.tags

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
