"""Walking block maps: which are whole, and what of the others is lost.

    root ─▶ inner nodes ─▶ leaves ─▶ chunk rows of blocks: there, not bad, in a published segment

Every node is read from its segment and proven, whatever anybody has in memory; each one once, however many snapshots
share it: what was found out is a mark on it. So a first pass over all roots says which maps are whole, and a second one
over those that are not follows the marks down to what is lost and nowhere else. Memory holds a few windows of nodes.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import islice
from typing import Final, TypeVar

from neve.domain.block_map import ROOT_LEVEL, Node, decode_node
from neve.domain.blocks import ZERO_CHUNK_ID, ChunkId, ChunkKind
from neve.domain.identities import DomainKey
from neve.errors import ChunkDamaged, SegmentMissing
from neve.limits import Limits
from neve.storage.chunk_store import is_placeable, stretches
from neve.storage.progress import Check
from neve.storage.verification.proving import Prover, Verdict, placed
from neve.storage.verification.report import FindingKind, Findings
from neve.storage.verification.segment_checks import chunk_name
from neve.stores.marks.contract import Mark, MarkStore
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.contract_collection import SegmentState
from neve.stores.metadata.placement import ChunkRecord, SegmentName
from neve.stores.segments.contract import SegmentStore

_WINDOW: Final = 64
"""Nodes read side by side: some 2 MiB at each level."""
_LEVELS: Final = ROOT_LEVEL + 1
_SEGMENTS_REMEMBERED_MAX: Final = 100_000

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Blocks of one map that cannot be read, and the chunk whose fault that is."""

    first: int
    last: int
    kind: ChunkKind
    chunk_id: ChunkId


class TreeChecks:
    """Walks block maps of any domains. For one thread."""

    def __init__(
        self,
        *,
        metadata: MetadataStore,
        segments: SegmentStore,
        prover: Prover,
        marks: MarkStore,
        limits: Limits,
        findings: Findings,
        check: Check,
    ) -> None:
        """`marks` is empty."""
        self._metadata = metadata
        self._segments = segments
        self._prover = prover
        self._marks = marks
        self._limits = limits
        self._findings = findings
        self._check = check
        self._published: set[SegmentName] = set()

    def block_count(self, domain_key: DomainKey, root: ChunkId) -> int | None:
        """Return how many blocks a map has; None if it is not whole.

        Raises:
            StoreUnavailable: something could not be read this time. Nothing can be said.
        """
        label = self._labels(domain_key, [root], ROOT_LEVEL)[root]
        return label.blocks if label.fits(ROOT_LEVEL) else None

    def losses(self, domain_key: DomainKey, root: ChunkId) -> Iterator[Loss]:
        """Yield what a map that is not whole has lost, ascending.

        Raises:
            StoreUnavailable
        """
        label = self._labels(domain_key, [root], ROOT_LEVEL)[root]
        return self._losses(domain_key, root, label, ROOT_LEVEL, 0)

    def lost(self, domain_key: DomainKey, chunk_ids: Collection[ChunkId]) -> set[ChunkId]:
        """Return those of these blocks that are not there, are bad, or are in no segment that was published."""
        wanted = [chunk_id for chunk_id in dict.fromkeys(chunk_ids) if chunk_id != ZERO_CHUNK_ID]
        if not wanted:
            return set()
        good = self._metadata.stored(domain_key, wanted)
        records = self._metadata.chunks(domain_key, wanted)
        homeless = self._homeless({record.segment for record in records.values()})
        return {
            chunk_id
            for chunk_id in wanted
            if chunk_id not in good or chunk_id not in records or records[chunk_id].segment in homeless
        }

    # --- the first pass: marks

    def _labels(
        self, domain_key: DomainKey, chunk_ids: Sequence[ChunkId], level: int
    ) -> Mapping[ChunkId, "_Label"]:
        """Return what there is to say of these nodes, having looked at those that nobody looked at before."""
        self._check()
        marks = self._marks.marks(chunk_ids)
        labels = {chunk_id: _Label.from_mark(mark) for chunk_id, mark in marks.items()}
        news = [chunk_id for chunk_id in dict.fromkeys(chunk_ids) if chunk_id not in labels]
        made = {}
        for chunk_id, node in self._nodes(domain_key, news).items():
            made[chunk_id] = self._label(domain_key, node)
        for chunk_id in news:
            made.setdefault(chunk_id, _Label(level=level, state=_State.GONE, blocks=0))
        self._marks.put({chunk_id: label.as_mark() for chunk_id, label in made.items()})
        return {**labels, **made}

    def _label(self, domain_key: DomainKey, node: Node) -> "_Label":
        children = [child for _, child in node.children()]
        if node.level == 0:
            state = _State.BROKEN if self.lost(domain_key, children) else _State.WHOLE
            return _Label(level=0, state=state, blocks=len(children))
        state, blocks = _State.WHOLE, 0
        for window in _windows(children):
            labels = self._labels(domain_key, window, node.level - 1)
            for child in window:
                if not labels[child].fits(node.level - 1):
                    state = _State.BROKEN
                blocks += labels[child].blocks
        return _Label(level=node.level, state=state, blocks=blocks)

    # --- the second pass: what is lost

    def _losses(
        self, domain_key: DomainKey, chunk_id: ChunkId, label: "_Label", level: int, base: int
    ) -> Iterator[Loss]:
        self._check()
        node = None
        if label.state is not _State.GONE:
            node = self._nodes(domain_key, [chunk_id]).get(chunk_id)
        if node is None or node.level != level:
            last = base + self._limits.node_fanout ** (level + 1) - 1
            yield Loss(first=base, last=last, kind=ChunkKind.NODE, chunk_id=chunk_id)
        elif level == 0:
            yield from self._losses_of_leaf(domain_key, node, base)
        else:
            span = self._limits.node_fanout**level
            for window in _windows(node.children()):
                labels = self._labels(domain_key, [child for _, child in window], level - 1)
                for slot, child in window:
                    if not labels[child].fits(level - 1):
                        yield from self._losses(
                            domain_key, child, labels[child], level - 1, base + slot * span
                        )

    def _losses_of_leaf(self, domain_key: DomainKey, leaf: Node, base: int) -> Iterator[Loss]:
        lost = self.lost(domain_key, [child for _, child in leaf.children()])
        for slot, child in leaf.children():
            if child in lost:
                yield Loss(first=base + slot, last=base + slot, kind=ChunkKind.BLOCK, chunk_id=child)

    # --- nodes, from where they lie

    def _nodes(self, domain_key: DomainKey, chunk_ids: Sequence[ChunkId]) -> Mapping[ChunkId, Node]:
        """Return those of these nodes that are there and right."""
        records = self._metadata.chunks(domain_key, chunk_ids) if chunk_ids else {}
        found: dict[ChunkId, Node] = {}
        for stretch in stretches(filter(is_placeable, records.values())):
            start = stretch[0].offset
            size = stretch[-1].offset + stretch[-1].stored_bytes - start
            try:
                stored = memoryview(self._segments.read(stretch[0].segment, start, size))
            except (SegmentMissing, ChunkDamaged):
                continue  # one by one, each will say what is wrong with it
            for record in stretch:
                own = stored[record.offset - start :][: record.stored_bytes]
                node = self._decoded(record, own)
                if node is not None:
                    found[record.chunk_id] = node
        for chunk_id in chunk_ids:
            if chunk_id not in found:
                node = self._found_again(domain_key, chunk_id)
                if node is not None:
                    found[chunk_id] = node
        return found

    def _decoded(self, record: ChunkRecord, stored: bytes | memoryview) -> Node | None:
        proof = self._prover.prove(record, stored)
        if proof.content is None:
            return None
        try:
            return decode_node(proof.content.data, self._limits.node_fanout)
        except ChunkDamaged:
            return None

    def _found_again(self, domain_key: DomainKey, chunk_id: ChunkId) -> Node | None:
        """Read a node that was not to be had by itself; what is wrong with it is marked, told and found."""
        for _ in range(2):  # it may be moved while we look
            record = self._metadata.chunks(domain_key, [chunk_id]).get(chunk_id)
            name = f"domain {domain_key} chunk {chunk_id.hex()}"
            if record is None:
                self._findings.add(
                    FindingKind.NODE_LOST, name, "a block map names it, and there is no such chunk"
                )
                return None
            proof = self._prover.look(record)
            if proof.content is not None:
                try:
                    return decode_node(proof.content.data, self._limits.node_fanout)
                except ChunkDamaged as error:
                    self._findings.add(FindingKind.NODE_LOST, chunk_name(record), str(error))
                    return None
            if proof.verdict is Verdict.MOVED:
                continue
            why = placed(record, proof.why)
            is_news = chunk_id in self._metadata.stored(domain_key, [chunk_id])
            if is_news:
                self._prover.condemn(record, proof.why)
            self._findings.add(FindingKind.NODE_LOST, chunk_name(record), why, told=is_news)
            return None
        return None

    def _homeless(self, names: Collection[SegmentName]) -> set[SegmentName]:
        """Return those of these segments that are not published."""
        unknown = [name for name in names if name not in self._published]
        if not unknown:
            return set()
        states = self._metadata.collection.segment_states(unknown)
        published = {name for name, state in states.items() if state is SegmentState.LIVE}
        if len(self._published) + len(published) > _SEGMENTS_REMEMBERED_MAX:
            self._published.clear()
        self._published |= published
        return set(unknown) - published


class _State(IntEnum):
    """What became of a node."""

    WHOLE = 0
    BROKEN = 1
    """Something below it is lost."""
    GONE = 2
    """It cannot be had itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Label:
    """What is known of a node and all below it."""

    level: int
    """What it says of itself; of one that cannot be had, what it should be."""
    state: _State
    blocks: int
    """Below it, as far as they can be counted."""

    def fits(self, level: int) -> bool:
        """Return whether this is a whole node of that level."""
        return self.state is _State.WHOLE and self.level == level

    @staticmethod
    def from_mark(mark: Mark) -> "_Label":
        above, level = divmod(mark.label, _LEVELS)
        blocks, state = divmod(above, len(_State))
        return _Label(level=level, state=_State(state), blocks=blocks)

    def as_mark(self) -> Mark:
        return Mark((self.blocks * len(_State) + self.state) * _LEVELS + self.level, 0)


def _windows(items: Iterable[_Item]) -> Iterator[Sequence[_Item]]:
    rest = iter(items)
    while window := list(islice(rest, _WINDOW)):
        yield window
