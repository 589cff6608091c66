"""Reading what a service holds: listings without end or gap, and blocks that are what they claim to be."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from neve.client.context import ClientContext
from neve.client.errors import AnswerDamaged, AnswerUnexpected, PageTokenRefused
from neve.client.plan import ListedBlock
from neve.client.retries import STEADY
from neve.client.snapshots import once_readable
from neve.domain.blocks import BlockIndex, Digest, checksum_b64, digest
from neve.messages.ebs import (
    Block,
    ChangedBlock,
    GetSnapshotBlockRequest,
    ListChangedBlocksRequest,
    ListChangedBlocksResponse,
    ListSnapshotBlocksRequest,
    ListSnapshotBlocksResponse,
)

PageT = TypeVar("PageT", ListSnapshotBlocksResponse, ListChangedBlocksResponse)
ItemT = TypeVar("ItemT", Block, ChangedBlock)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A completed snapshot, and an iterator over the blocks present in it, ascending."""

    volume_gib: int
    blocks: Iterator[ListedBlock]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two related snapshots, and an iterator over the blocks in which they differ, ascending."""

    volume_gib: int
    """Of the second snapshot; 0 if the service does not say, because nothing differs."""
    blocks: Iterator[ChangedBlock]


def list_blocks(client: ClientContext, snapshot_id: str, *, starting_at: int = 0) -> Listing:
    """Return the listing of a snapshot. The first page is asked for now, the others as they are needed.

    Raises:
        SnapshotMissing, SnapshotFailed: there is no such snapshot, or it is not completed.
        AnswerUnexpected: its blocks are not of our size.
        ClientError
    """

    def ask(token: str | None, start: int) -> ListSnapshotBlocksResponse:
        return client.api.list_snapshot_blocks(
            ListSnapshotBlocksRequest(
                snapshot_id=snapshot_id,
                next_token=token,
                max_results=client.limits.page_results_max,
                starting_block_index=None if token else start,
            )
        )

    first = once_readable(client, snapshot_id, partial(ask, None, starting_at))
    check_block_size(client, first.block_size)
    pages = _pages(client, ask, first, starting_at, lambda page: _last_index(page.blocks))
    blocks = _ascending((block for page in pages for block in page.blocks), starting_at)
    return Listing(
        volume_gib=first.volume_size,
        blocks=(ListedBlock(BlockIndex(block.block_index), block.block_token) for block in blocks),
    )


def list_changed_blocks(client: ClientContext, first_id: str, second_id: str) -> Comparison:
    """Return in which blocks two snapshots differ. The first page is asked for now.

    Raises:
        SnapshotMissing, SnapshotFailed: one of them is not there, or not completed.
        ServiceRefused: they are not related.
        ClientError
    """

    def ask(token: str | None, start: int) -> ListChangedBlocksResponse:
        return client.api.list_changed_blocks(
            ListChangedBlocksRequest(
                first_snapshot_id=first_id,
                second_snapshot_id=second_id,
                next_token=token,
                max_results=client.limits.page_results_max,
                starting_block_index=None if token else start,
            )
        )

    first = once_readable(client, second_id, partial(ask, None, 0))
    if first.changed_blocks:
        check_block_size(client, first.block_size)
    pages = _pages(client, ask, first, 0, lambda page: _last_index(page.changed_blocks))
    return Comparison(
        volume_gib=first.volume_size,
        blocks=_ascending((block for page in pages for block in page.changed_blocks), 0),
    )


def check_block_size(client: ClientContext, block_bytes: int) -> None:
    """Refuse a service that cuts volumes into other pieces than the API says (contract 1.2).

    Raises:
        AnswerUnexpected
    """
    if block_bytes != client.limits.block_bytes:
        raise AnswerUnexpected(
            f"the service's blocks have {block_bytes} bytes, those of the EBS direct APIs {client.limits.block_bytes}",
            advice="Some emulators do that; neve cannot use them.",
        )


def read_block(client: ClientContext, snapshot_id: str, block: ListedBlock) -> tuple[bytes, Digest]:
    """Return a block's bytes and their SHA-256, which is the one the service claims.

    Raises:
        AnswerDamaged: not even asking again brought the right bytes.
        ClientError
    """
    request = GetSnapshotBlockRequest(
        snapshot_id=snapshot_id, block_index=block.index, block_token=block.token
    )

    def attempt() -> tuple[bytes, Digest]:
        answer = client.api.get_snapshot_block(request)
        found = digest(answer.block_data)
        if len(answer.block_data) != client.limits.block_bytes or checksum_b64(found) != answer.checksum:
            raise AnswerDamaged(
                f"block {block.index} of {snapshot_id} does not match its checksum",
                advice="It was not used. If it stays so, look at the service's storage and at the network.",
            )
        return answer.block_data, found

    return client.engine.call(attempt, STEADY)


def _pages(
    client: ClientContext,
    ask: Callable[[str | None, int], PageT],
    first: PageT,
    starting_at: int,
    last_index: Callable[[PageT], int],
) -> Iterator[PageT]:
    """Yield `first` and the pages after it.

    A page token lives an hour (contract 6.1), and a page of a slow transfer can take longer: the listing then
    goes on by index. Pages may be empty and yet not the last (contract 6.1).
    """
    page, reached = first, starting_at - 1
    while True:
        yield page
        reached = max(reached, last_index(page))
        token = page.next_token
        if token is None:
            return
        try:
            page = client.engine.call(partial(ask, token, 0), STEADY)
        except PageTokenRefused:
            page = client.engine.call(partial(ask, None, reached + 1), STEADY)


def _last_index(items: tuple[Block, ...] | tuple[ChangedBlock, ...]) -> int:
    return items[-1].block_index if items else -1


def _ascending(items: Iterator[ItemT], starting_at: int) -> Iterator[ItemT]:
    """Yield the items as they come, for as long as their indexes ascend.

    Raises:
        AnswerUnexpected: they do not. A checksum over the blocks, or a stream of them, would be wrong.
    """
    reached = starting_at - 1
    for item in items:
        if item.block_index <= reached:
            raise AnswerUnexpected(f"the service lists block {item.block_index} after block {reached}")
        reached = item.block_index
        yield item
