"""Marking: from the roots of what needs chunks to every chunk that they lead to.

    needs ─▶ claims, sorted by domain and lineage ─▶ each root: nodes not walked yet ─▶ their children ─▶ … ─▶ blocks

A chunk that bears a mark stays. A mark says nothing of when it was made: what hangs under a root never changes, so marks
made before the cut are right after it, and all that counts is that in the end every root of the cut is marked.

A node is marked once all that it leads to is, and a marked one is not walked again. Moreover a map is compared with the
one marked before it: what both have in the same place is marked already, so that a chain of a thousand snapshots
costs one of them and their changes.

Of what is being written, block rows and held nodes are marked, too. Nobody relies on that: foreign keys protect them. But
what would go is counted by the marks, and an upload that is under way is not to be counted.

Only nodes are read, and every one of them is proven. One that cannot be had ends the collection: what hangs under it, nobody
can say.
"""

import struct
from binascii import crc32
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple, TypeVar

from neve.domain.block_map import ROOT_LEVEL, Load, Node, unshared_children
from neve.domain.blocks import ZERO_CHUNK_ID, BlockIndex, ChunkId
from neve.domain.identities import DomainKey
from neve.domain.snapshots import SnapshotKey, State
from neve.errors import (
    ChunkDamaged,
    ChunkMissing,
    CollectionStopped,
    InvariantError,
    SegmentMissing,
    StoreUnusable,
)
from neve.limits import Limits
from neve.storage.chunk_store import ChunkStore
from neve.storage.collection.round import Round
from neve.storage.domains import Domains
from neve.storage.progress import Unit
from neve.stores.marks.contract import Mark, MarkStore
from neve.stores.metadata.contract_needs import Need

_WALKED: Final = Mark(1, 0)
"""On a node: it and all that it leads to is marked."""
_NEEDED: Final = Mark(2, 0)
"""On a block; and on a held node, which may not have been walked."""
_WINDOW: Final = 64
"""Nodes walked side by side: with those they are compared with, some 6 MiB at each level."""
_ID_BYTES: Final = 32
_CLAIM: Final = struct.Struct(">QIQB32s")
"""domain key, checksum of the lineage, snapshot key, what is claimed, root: packed, claims sort as they are walked."""
_ROOT: Final = 1
_ROWS: Final = 2
_HAS_ROOT_OF_ITS_OWN: Final = frozenset({State.COMPLETED, State.RECYCLED, State.DELETED})

_Item = TypeVar("_Item")


class Claim(NamedTuple):
    """What one snapshot needs of one domain."""

    domain_key: DomainKey
    snapshot_key: SnapshotKey
    root: ChunkId | None
    has_rows: bool


class Claims:
    """All claims of one moment, in some ninety bytes each. Nothing of it asks the store."""

    def __init__(self, *, without: Collection[SnapshotKey] = ()) -> None:
        """`without` are deleted snapshots whose deletion is about to be final: they claim nothing."""
        self._without = without
        self._packed: list[bytes] = []

    def __len__(self) -> int:
        return len(self._packed)

    def take(self, needs: Sequence[Need]) -> None:
        """Note what these need.

        Raises:
            CollectionStopped: it cannot be right.
        """
        for need in needs:
            if need.state is State.DELETED and need.key in self._without:
                continue
            if need.state in _HAS_ROOT_OF_ITS_OWN and need.root is None:
                raise _doubt(f"snapshot {need.snapshot_id} is {need.state} and has no block map")
            self._add(need, need.domain_key, need.root, has_rows=need.is_written)
            if need.source_domain_key is not None:
                if need.source_root is None:
                    raise _doubt(f"copy {need.snapshot_id} has a source without a block map")
                self._add(need, need.source_domain_key, need.source_root, has_rows=False)

    def in_order(self) -> Iterator[Claim]:
        """Yield all claims, those of a domain and in it of a lineage one after another."""
        self._packed.sort()
        for packed in self._packed:
            domain_key, _, snapshot_key, what, root = _CLAIM.unpack(packed)
            yield Claim(
                DomainKey(domain_key),
                SnapshotKey(snapshot_key),
                ChunkId(root) if what & _ROOT else None,
                bool(what & _ROWS),
            )

    def _add(self, need: Need, domain_key: DomainKey, root: ChunkId | None, *, has_rows: bool) -> None:
        if root is not None and len(root) != _ID_BYTES:
            raise _doubt(f"the root of snapshot {need.snapshot_id} has {len(root)} bytes")
        what = (_ROOT if root is not None else 0) | (_ROWS if has_rows else 0)
        if what:
            lineage = crc32(need.lineage_id.encode())
            self._packed.append(_CLAIM.pack(domain_key, lineage, need.key, what, root or b""))


class _Branch(NamedTuple):
    """A node to walk, and the one in the same place of a map that is marked as a whole."""

    node: ChunkId
    known: ChunkId | None


class Marking:
    """Marks for one collection. For one thread."""

    def __init__(
        self, of: Round, *, chunks: ChunkStore, domains: Domains, marks: MarkStore, limits: Limits
    ) -> None:
        """`marks` is empty. `chunks` is nobody else's: what it remembers takes no place from readers."""
        self._round = of
        self._chunks = chunks
        self._domains = domains
        self._marks = marks
        self._limits = limits
        self._latest: tuple[DomainKey, ChunkId] | None = None
        """The map that was marked last."""
        self.marked = 0
        """How many chunks bear a mark."""

    def mark(self, claims: Claims) -> None:
        """Mark all that these lead to.

        Raises:
            CollectionStopped: a node cannot be had, or is not what it should be. Nothing was taken away.
            EpochLost: … and it is another collection that took it.
            StoreUnavailable: something could not be read this time.
        """
        for done, claim in enumerate(claims.in_order()):
            self._round.tell("marking what is needed", done, len(claims), Unit.SNAPSHOTS)
            try:
                if claim.root is not None:
                    self._mark_map(claim.domain_key, claim.root)
            except (ChunkMissing, SegmentMissing, ChunkDamaged, StoreUnusable, InvariantError) as error:
                self._round.demand_epoch()
                name = self._name_of(claim.snapshot_key)
                raise _doubt(f"the block map that {name} needs cannot be read: {error}") from error
            if claim.has_rows:
                self._mark_rows(claim.snapshot_key)

    def is_marked(self, chunk_ids: Sequence[ChunkId]) -> Collection[ChunkId]:
        """Return those of these chunks that stay."""
        return self._marks.marks(chunk_ids).keys()

    # --- maps

    def _mark_map(self, domain_key: DomainKey, root: ChunkId) -> None:
        if self._unwalked([root]):
            load = self._chunks.loader(self._domains.by_key(domain_key))
            known = None
            if self._latest is not None and self._latest[0] == domain_key:
                known = self._latest[1]
            self._descend(load, [_Branch(root, known)], ROOT_LEVEL)
        self._latest = (domain_key, root)

    def _descend(self, load: Load, branches: Sequence[_Branch], level: int) -> None:
        """Mark these nodes, after all that they lead to."""
        self._round.check()
        wanted = list(dict.fromkeys(name for branch in branches for name in branch if name is not None))
        nodes = dict(zip(wanted, load(wanted), strict=True)) if wanted else {}
        for node in nodes.values():
            if node.level != level:
                raise ChunkDamaged(f"a node of level {node.level} is where one of level {level} should be")
        for branch in branches:
            known = None if branch.known is None else nodes[branch.known]
            children = unshared_children(nodes[branch.node], [] if known is None else [known])
            if level == 0:
                self._mark_needed(chunk_id for _, chunk_id in children)
            else:
                for window in _windows(children):
                    self._descend(load, self._branches(window, known), level - 1)
        self._mark_walked([branch.node for branch in branches])

    def _branches(self, window: Sequence[tuple[int, ChunkId]], known: Node | None) -> Sequence[_Branch]:
        """Return the children that are not walked yet, each once: a node may stand in several slots."""
        left = self._unwalked([child for _, child in window])
        branches = []
        for slot, child in window:
            if child in left:
                left.remove(child)
                branches.append(_Branch(child, None if known is None else known.child(slot)))
        return branches

    def _unwalked(self, nodes: Sequence[ChunkId]) -> set[ChunkId]:
        marks = self._marks.marks(nodes)
        return {chunk_id for chunk_id in nodes if marks.get(chunk_id) != _WALKED}

    def _mark_walked(self, nodes: Sequence[ChunkId]) -> None:
        self.marked += len(nodes) - len(self._marks.marks(nodes))
        self._marks.put(dict.fromkeys(nodes, _WALKED))

    def _mark_needed(self, chunk_ids: Iterable[ChunkId]) -> None:
        wanted = {chunk_id for chunk_id in chunk_ids if chunk_id != ZERO_CHUNK_ID}
        news = wanted.difference(self._marks.marks(wanted))
        self._marks.put(dict.fromkeys(news, _NEEDED))
        self.marked += len(news)

    # --- rows

    def _mark_rows(self, snapshot_key: SnapshotKey) -> None:
        limit = self._limits.seal_rows_max
        index: BlockIndex | None = None
        while rows := self._round.metadata.blocks(snapshot_key, after=index, limit=limit):
            self._round.check()
            self._mark_needed(row.chunk_id for row in rows)
            index = rows[-1].block_index
        held: ChunkId | None = None
        while nodes := self._round.metadata.needs.held_nodes(snapshot_key, after=held, limit=limit):
            self._round.check()
            self._mark_needed(nodes)
            held = nodes[-1]

    def _name_of(self, snapshot_key: SnapshotKey) -> str:
        """Return a snapshot's id, for a sentence: claims have no room for it."""
        found: list[str] = []

        def look(needs: Sequence[Need]) -> None:
            found.extend(need.snapshot_id for need in needs if need.key == snapshot_key)

        self._round.metadata.collection.needed(look)
        return found[0] if found else "a snapshot that is gone now"


def _windows(items: Iterable[_Item]) -> Iterator[Sequence[_Item]]:
    rest = iter(items)
    while window := list(islice(rest, _WINDOW)):
        yield window


def _doubt(what: str) -> CollectionStopped:
    return CollectionStopped(
        f"{what}. Nothing was taken away. `neve verify` says what is touched: mend it or delete what cannot be mended, and "
        "collect again"
    )
