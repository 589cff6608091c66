"""What needs chunks: the snapshots that live, and what they hold."""

from collections.abc import Callable, Sequence
from typing import Final

from neve.domain.blocks import ChunkId
from neve.domain.identities import AccountId, DomainKey, SnapshotId
from neve.domain.snapshots import SnapshotKey, State
from neve.stores.metadata import statements_needs as statements
from neve.stores.metadata.contract_needs import Need
from neve.stores.metadata.session import Row, Session

_SLICE: Final = 1_000
_BEFORE_THE_FIRST: Final = -1


def living(session: Session, take: Callable[[Sequence[Need]], None]) -> None:
    after = _BEFORE_THE_FIRST
    while rows := session.rows(statements.LIVING, (after, _SLICE)):
        take([need_from(row) for row in rows])
        after = rows[-1][0]


def held_nodes(
    session: Session, snapshot_key: SnapshotKey, *, after: ChunkId | None, limit: int
) -> Sequence[ChunkId]:
    rows = session.rows(statements.HELD_NODES, (snapshot_key, after or b"", limit))
    return [ChunkId(chunk_id) for (chunk_id,) in rows]


def need_from(row: Row) -> Need:
    """Return the need that a row of `statements.LIVING` is."""
    (
        key, snapshot_id, account_id, lineage_id, state, volume_gib, domain_key, base_root, base_block_count, root,
        block_count, source_domain_key, source_root,
    ) = row  # fmt: skip
    if root is None:
        root, block_count = base_root, base_block_count
    return Need(
        key=SnapshotKey(key),
        snapshot_id=SnapshotId(snapshot_id),
        account_id=AccountId(account_id),
        lineage_id=SnapshotId(lineage_id),
        state=State(state),
        volume_gib=volume_gib,
        domain_key=DomainKey(domain_key),
        root=None if root is None else ChunkId(root),
        block_count=block_count,
        source_domain_key=None if source_root is None else DomainKey(source_domain_key),
        source_root=None if source_root is None else ChunkId(source_root),
    )
