"""Which snapshots have lost something, and which blocks of them.

    needs ─▶ maps that are not whole ─▶ what they lost        completed snapshots, in the bin, and those to be undone
          ─▶ block rows of those being written                 beside what the maps they build on lost

Asked after everything that could be found was marked, it walks all maps together (`trees`). What is lost of the base of
a snapshot that is being written counts unless the block was written anew. Nodes that such a one holds need no look: its
completion makes what is lost of them again.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from neve.domain.blocks import BlockIndex, ChunkId, ChunkKind
from neve.domain.identities import DomainKey
from neve.domain.snapshots import SnapshotKey
from neve.errors import ChunkDamaged, InvariantError, StoreUnusable
from neve.limits import BLOCK_MAP_DEPTH, Limits
from neve.storage.domains import Domains
from neve.storage.progress import OnProgress, Progress, Unit
from neve.storage.sealing import means_what_it_says
from neve.storage.verification.report import (
    FINDINGS_MAX,
    RANGES_MAX,
    BlockRange,
    FindingKind,
    Findings,
    TouchedSnapshot,
)
from neve.storage.verification.trees import Loss, TreeChecks
from neve.stores.metadata.contract import BlockRow, MetadataStore
from neve.stores.metadata.contract_needs import Need

_Claim = tuple[SnapshotKey, ChunkId | None, ChunkId | None]
"""A snapshot, and the roots of what it needs."""

OnLoss = Callable[[Need, DomainKey, Loss], None]
"""Told of everything that is lost, snapshot by snapshot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """What a walk over everything found."""

    snapshots: int
    """How many were walked."""
    touched: Sequence[TouchedSnapshot]
    touched_count: int


class LossSearch:
    """Looks through all that needs chunks. For one thread, once."""

    def __init__(
        self,
        *,
        metadata: MetadataStore,
        domains: Domains,
        trees: TreeChecks,
        limits: Limits,
        findings: Findings,
    ) -> None:
        self._metadata = metadata
        self._domains = domains
        self._trees = trees
        self._limits = limits
        self._findings = findings
        self._unusable: dict[DomainKey, bool] = {}
        self._noted: list[tuple[_Claim, TouchedSnapshot]] = []
        self._beyond: set[_Claim] = set()
        """Touched ones that are no longer listed."""

    def run(self, on_progress: OnProgress, on_loss: OnLoss) -> Losses:
        """Walk every map and every row that is needed.

        Raises:
            StoreUnavailable: something could not be read this time.
        """
        needs: list[Need] = []
        self._metadata.collection.needed(needs.extend)
        needs.sort(key=lambda need: (need.domain_key, need.lineage_id, need.key))
        for number, need in enumerate(needs):
            on_progress(
                Progress(phase="walking block maps", done=number, total=len(needs), unit=Unit.SNAPSHOTS)
            )
            self._look(need, on_loss)
        still: set[_Claim] = set()
        if self._noted:
            # One that was deleted meanwhile may have lost its chunks rightly.
            self._metadata.collection.needed(lambda some: still.update(map(_claim_of, some)))
        return Losses(
            snapshots=len(needs),
            touched=[touched for claim, touched in self._noted if claim in still],
            touched_count=sum(claim in still for claim, _ in self._noted) + len(self._beyond & still),
        )

    def _look(self, need: Need, on_loss: OnLoss) -> None:
        own = _Lost(self._blocks_of(need))
        for loss in self._own(need):
            own.add(loss)
            on_loss(need, need.domain_key, loss)
        self._note(need, own, of_copied=False)
        if need.source_domain_key is None or need.source_root is None:
            return
        copied = _Lost(self._blocks_of(need))
        for loss in self._of_map(need.source_domain_key, need.source_root):
            copied.add(loss)
            on_loss(need, need.source_domain_key, loss)
        self._note(need, copied, of_copied=True)

    def _blocks_of(self, need: Need) -> int:
        return need.volume_gib * self._limits.blocks_per_gib

    def _own(self, need: Need) -> Iterator[Loss]:
        """Yield what a snapshot lost, ascending in two parts: of its map, and of its rows."""
        if need.root is not None:
            losses = self._of_map(need.domain_key, need.root, need)
            yield from self._not_written_since(need.key, losses) if need.is_written else losses
        if need.is_written and not self._is_unusable(need.domain_key):
            for rows in self._rows(need.key, None):
                lost = self._trees.lost(need.domain_key, [row.chunk_id for row in rows])
                for row in rows:
                    self._look_at_row(need, row)
                    if row.chunk_id in lost:
                        yield _of_block(row.block_index, row.chunk_id)

    def _look_at_row(self, need: Need, row: BlockRow) -> None:
        domain = self._domains.by_key(need.domain_key)
        try:
            is_right = means_what_it_says(row, domain, self._limits)
        except ChunkDamaged:
            is_right = False
        if not is_right:
            what = (
                "its row refers to other content than was written: it was altered, and is to be written again"
            )
            self._findings.add(
                FindingKind.BLOCK_ROW_WRONG, f"{need.snapshot_id} block {row.block_index}", what
            )

    def _of_map(self, domain_key: DomainKey, root: ChunkId, own: Need | None = None) -> Iterator[Loss]:
        if self._is_unusable(domain_key):
            last = self._limits.node_fanout**BLOCK_MAP_DEPTH - 1
            yield Loss(first=0, last=last, kind=ChunkKind.NODE, chunk_id=root)
            return
        count = self._trees.block_count(domain_key, root)
        if count is None:
            yield from self._trees.losses(domain_key, root)
        elif own is not None and count != own.block_count:
            what = f"its block map has {count} blocks, and it should have {own.block_count}"
            self._findings.add(FindingKind.COUNT_WRONG, own.snapshot_id, what)

    def _not_written_since(self, key: SnapshotKey, losses: Iterator[Loss]) -> Iterator[Loss]:
        """Yield what is lost of a base and was not written anew."""
        for loss in losses:
            if loss.kind is ChunkKind.NODE:
                yield loss  # its completion needs the node itself
                continue
            after = None if loss.first == 0 else BlockIndex(loss.first - 1)
            written = self._metadata.blocks(key, after=after, limit=1)
            if not written or written[0].block_index != loss.first:
                yield loss

    def _rows(self, key: SnapshotKey, after: BlockIndex | None) -> Iterator[Sequence[BlockRow]]:
        while rows := self._metadata.blocks(key, after=after, limit=self._limits.seal_rows_max):
            yield rows
            after = rows[-1].block_index

    def _note(self, need: Need, lost: "_Lost", *, of_copied: bool) -> None:
        if not lost.blocks:
            return
        if len(self._noted) >= FINDINGS_MAX:
            self._beyond.add(_claim_of(need))
            return
        touched = TouchedSnapshot(
            snapshot_id=need.snapshot_id,
            account_id=need.account_id,
            state=need.state,
            ranges=lost.ranges(),
            ranges_left_out=lost.left_out,
            blocks_lost=lost.blocks,
            nodes_lost=lost.nodes,
            of_copied=of_copied,
        )
        self._noted.append((_claim_of(need), touched))

    def _is_unusable(self, domain_key: DomainKey) -> bool:
        if domain_key not in self._unusable:
            try:
                self._domains.by_key(domain_key)
            except (InvariantError, StoreUnusable) as error:
                self._findings.add(FindingKind.DOMAIN_UNUSABLE, f"domain {domain_key}", str(error))
                self._unusable[domain_key] = True
            else:
                self._unusable[domain_key] = False
        return self._unusable[domain_key]


@dataclass(slots=True)
class _Lost:
    """What one snapshot lost, compressed to ranges as it comes."""

    block_count: int
    """Of its volume: below a lost node everything counts, but nothing behind the end."""
    blocks: int = 0
    nodes: int = 0
    left_out: int = 0
    _ranges: list[BlockRange] = field(default_factory=list)

    def add(self, loss: Loss) -> None:
        found = BlockRange(loss.first, min(loss.last, self.block_count - 1))
        self.blocks += found.last - found.first + 1
        self.nodes += loss.kind is ChunkKind.NODE
        if self._ranges and self._ranges[-1].last + 1 == found.first:
            self._ranges[-1] = BlockRange(self._ranges[-1].first, found.last)
        elif len(self._ranges) < RANGES_MAX:
            self._ranges.append(found)
        else:
            self.left_out += 1

    def ranges(self) -> Sequence[BlockRange]:
        joined: list[BlockRange] = []
        for each in sorted(self._ranges, key=lambda each: each.first):
            if joined and joined[-1].last + 1 >= each.first:
                joined[-1] = BlockRange(joined[-1].first, max(joined[-1].last, each.last))
            else:
                joined.append(each)
        return joined


def _claim_of(need: Need) -> _Claim:
    return need.key, need.root, need.source_root


def _of_block(index: BlockIndex, chunk_id: ChunkId) -> Loss:
    return Loss(first=index, last=index, kind=ChunkKind.BLOCK, chunk_id=chunk_id)
