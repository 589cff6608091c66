"""The snapshot an upload builds on: which blocks it holds, and as far as known here, with which content.

From a digest map nothing needs to be read. Without one, the service lists the blocks and each is read back
to be compared: right with every service, at the price of reading the parent once.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from neve.client.context import ClientContext
from neve.client.digest_maps import MapDamaged, MapMissing, MapReader
from neve.client.plan import KnownBlock, ListedBlock
from neve.client.reading import list_blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """What an upload builds on. `blocks` ascends and can be walked once; the upload closes it."""

    snapshot_id: str
    """Empty: nothing."""
    volume_gib: int
    blocks: Iterator[KnownBlock | ListedBlock]
    close: Callable[[], None] = lambda: None


def no_parent() -> Parent:
    """Return the parent of a full upload."""
    return Parent(snapshot_id="", volume_gib=0, blocks=iter(()))


def open_parent(client: ClientContext, snapshot_id: str) -> Parent:
    """Return a completed snapshot as a parent, by its digest map if there is one.

    Raises:
        SnapshotMissing, ClientError: found out now only if there is no map; else by StartSnapshot.
    """
    try:
        known = client.maps.open(snapshot_id, client.limits.block_bytes)
    except MapMissing:
        client.tell(
            f"Nothing is remembered here of {snapshot_id}: its blocks are read back to find out what changed."
        )
        listing = list_blocks(client, snapshot_id)
        return Parent(snapshot_id=snapshot_id, volume_gib=listing.volume_gib, blocks=listing.blocks)
    return Parent(
        snapshot_id=snapshot_id,
        volume_gib=known.volume_gib,
        blocks=_remembered(client, snapshot_id, known),
        close=known.close,
    )


def _remembered(
    client: ClientContext, snapshot_id: str, known: MapReader
) -> Iterator[KnownBlock | ListedBlock]:
    """Yield what the map says; where it is damaged, go on with what the service says."""
    reached = -1
    try:
        for block in known.blocks():
            reached = block.index
            yield block
    except MapDamaged:
        client.tell(
            f"What is remembered here of {snapshot_id} is damaged from block {reached + 1} on: "
            "the rest is read back to find out what changed."
        )
    else:
        return
    client.maps.forget(snapshot_id)
    yield from list_blocks(client, snapshot_id, starting_at=reached + 1).blocks
