"""What needs chunks, looked up in dictionaries; part of `memory_metadata`, whose lock and dictionaries it is given."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager

from neve.domain.blocks import ChunkId
from neve.domain.identities import DomainKey
from neve.domain.snapshots import Snapshot, SnapshotKey, State
from neve.stores.metadata.contract_lifecycle import Copy
from neve.stores.metadata.contract_needs import Need

_SLICE = 3
"""Few, so that nobody relies on getting all at once."""


class MemoryNeedRecords:
    """`contract_needs.NeedRecords` in the memory store."""

    def __init__(
        self,
        *,
        alone: Callable[[], AbstractContextManager[None]],
        snapshots: Mapping[SnapshotKey, Snapshot],
        holds: Mapping[SnapshotKey, Collection[tuple[DomainKey, ChunkId]]],
        copy_under_way: Callable[[SnapshotKey], Copy | None],
    ) -> None:
        self._alone = alone
        self._snapshots = snapshots
        self._holds = holds
        self._copy_under_way = copy_under_way

    def living(self, take: Callable[[Sequence[Need]], None]) -> None:
        with self._alone():
            found = self.all_needs()
            for start in range(0, len(found), _SLICE):
                take(found[start : start + _SLICE])

    def all_needs(self, beside: Collection[SnapshotKey] = ()) -> Sequence[Need]:
        """Return every need, for whoever holds the store's lock, and the ones of these snapshots beside."""
        return [
            self._need(self._snapshots[key])
            for key in sorted(self._snapshots)
            if key in beside or self._snapshots[key].state not in {State.ERROR, State.DELETED}
        ]

    def held_nodes(
        self, snapshot_key: SnapshotKey, *, after: ChunkId | None, limit: int
    ) -> Sequence[ChunkId]:
        with self._alone():
            snapshot = self._snapshots.get(snapshot_key)
            if snapshot is None or snapshot.state is not State.SEALING:
                return []
            held = sorted(chunk_id for _, chunk_id in self._holds[snapshot_key])
            return [chunk_id for chunk_id in held if after is None or chunk_id > after][:limit]

    def _need(self, snapshot: Snapshot) -> Need:
        copy = self._copy_under_way(snapshot.key)
        is_whole = snapshot.root is not None
        return Need(
            key=snapshot.key,
            snapshot_id=snapshot.snapshot_id,
            account_id=snapshot.account_id,
            lineage_id=snapshot.lineage_id,
            state=snapshot.state,
            volume_gib=snapshot.volume_gib,
            domain_key=snapshot.domain_key,
            root=snapshot.root if is_whole else snapshot.base_root,
            block_count=snapshot.block_count if is_whole else snapshot.base_block_count,
            source_domain_key=None if copy is None else copy.source_domain_key,
            source_root=None if copy is None else copy.source_root,
        )
