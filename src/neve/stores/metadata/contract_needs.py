"""Records of what needs chunks: where whoever reckons or collects begins.

Part of what every metadata store promises; the promises of `contract` hold here too. A chunk lives as long as one of
these leads to it:

    completed, or in the bin   its root
    pending, sealing           its base's root, its block rows (`MetadataStore.blocks`), and the nodes it holds
    a copy under way           the root of what it copies, beside its own
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from neve.domain.blocks import ChunkId
from neve.domain.identities import AccountId, DomainKey, SnapshotId
from neve.domain.snapshots import SnapshotKey, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One snapshot that needs chunks."""

    key: SnapshotKey
    snapshot_id: SnapshotId
    account_id: AccountId
    lineage_id: SnapshotId
    state: State
    """Pending, sealing, completed or recycled."""
    volume_gib: int
    domain_key: DomainKey
    root: ChunkId | None
    """Its own once it is completed, else its base's."""
    block_count: int
    """Blocks present under `root`."""
    source_domain_key: DomainKey | None
    source_root: ChunkId | None
    """Of a copy under way that is resolved: what it copies."""

    @property
    def is_written(self) -> bool:
        """Whether it is being written: block rows and held nodes of it are needed, too."""
        return self.state in {State.PENDING, State.SEALING}


class NeedRecords(Protocol):
    """What needs chunks."""

    def living(self, take: Callable[[Sequence[Need]], None]) -> None:
        """Give `take` every snapshot that needs chunks, as they were at one moment, a slice at a time.

        Ascending by key. `take` asks nothing of this store, and is quick: until it has had all, what is read is kept
        from being cleared up.
        """
        ...

    def held_nodes(
        self, snapshot_key: SnapshotKey, *, after: ChunkId | None, limit: int
    ) -> Sequence[ChunkId]:
        """Return up to `limit` of the nodes that a sealing snapshot holds, ascending, the first one above `after`.

        None of a snapshot in another state: what its rows hold then, nobody needs for its sake.
        """
        ...
