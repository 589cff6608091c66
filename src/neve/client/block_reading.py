"""Single blocks of a snapshot, as somebody asks for them: mostly ascending, with gaps."""

from collections.abc import Iterator

from neve.client.context import ClientContext
from neve.client.plan import ListedBlock
from neve.client.reading import list_blocks, read_block

_LISTED_ON_MAX = 20_000
"""Blocks that are passed over before the listing is begun anew further on: two pages."""


class BlockReader:
    """Reads blocks of one snapshot. For one thread."""

    def __init__(self, client: ClientContext, snapshot_id: str) -> None:
        self._client = client
        self._snapshot_id = snapshot_id
        self._listing: Iterator[ListedBlock] = iter(())
        self._next: ListedBlock | None = None
        self._reached = -1
        """What the listing says of blocks before it is behind us."""

    def read(self, index: int) -> bytes:
        """Return a block; nothing at all if the snapshot has none there.

        Raises:
            ClientError
        """
        block = self._listed(index)
        if block is None:
            return b""
        content, _ = read_block(self._client, self._snapshot_id, block)
        return content

    def _listed(self, index: int) -> ListedBlock | None:
        if not 0 <= index - self._reached <= _LISTED_ON_MAX or self._reached < 0:
            self._listing = list_blocks(self._client, self._snapshot_id, starting_at=index).blocks
            self._next = next(self._listing, None)
        self._reached = index
        while self._next is not None and self._next.index < index:
            self._next = next(self._listing, None)
        return self._next if self._next is not None and self._next.index == index else None
