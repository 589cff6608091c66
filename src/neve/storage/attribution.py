"""Attributing chunks: how many stored bytes does each of several parties need that nobody else does?

    party 0: roots, rows ─┐
    party 1: roots, rows ─┼─▶ every chunk reached: by whom? ─▶ bytes that each party alone needs
    all others ───────────┘

Every claim on a domain (a root, or the rows of a snapshot being written) is made for a party and marks each chunk it
reaches: with the party if nobody came before, as shared if another one did. What is known is not walked again, in two
ways. A node that bears this very party's mark, or is shared, has a subtree that says the same: it is left unread. And a
map is compared with those claimed just before it: what it has in common with its predecessor of the same party, or with
predecessors of two different ones, is marked rightly already. So a chain of a thousand snapshots costs one of them and
their changes, if claims come sorted by party and lineage.

Memory holds a few windows of nodes; the marks are in a `MarkStore`. It reads nodes only, never blocks, and needs no KMS
key.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeVar

from neve.domain.block_map import Load, Node, unshared_children
from neve.domain.blocks import ZERO_CHUNK_ID, ChunkId
from neve.domain.identities import DomainKey
from neve.stores.marks.contract import Mark, MarkStore
from neve.stores.metadata.contract import MetadataStore

OTHERS: Final = -1
"""The party of everybody whose bytes are not asked for. Its claims come last, so that blocks that only it needs leave no
mark."""
_SHARED: Final = -2
"""The label of a chunk that several parties need."""
_WINDOW: Final = 64
"""Nodes walked side by side: with those they are compared with, some 6 MiB at each level."""

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class _Claimed:
    """A map that was claimed as a whole."""

    party: int
    root: ChunkId


@dataclass(frozen=True, slots=True)
class _Branch:
    """A node to walk, and those in the same place of maps claimed before; what is in all of these is marked rightly."""

    node: ChunkId
    known: Sequence[ChunkId]


class Attribution:
    """Claims on one domain. For one thread."""

    def __init__(
        self,
        *,
        metadata: MetadataStore,
        load: Load,
        domain_key: DomainKey,
        marks: MarkStore,
        check: Callable[[], None],
    ) -> None:
        """`marks` is empty. `check` is called often; what it raises ends the claim, and with it all of this."""
        self._metadata = metadata
        self._load = load
        self._domain_key = domain_key
        self._marks = marks
        self._check = check
        self._latest: _Claimed | None = None
        self._before: _Claimed | None = None
        """The latest one of another party than `_latest`."""
        self._others_began = False
        self.alone: dict[int, int] = defaultdict(int)
        """Stored bytes of the chunks that a party needs and no other. Of `OTHERS` it says nothing."""

    def claim_map(self, party: int, root: ChunkId) -> None:
        """Claim a block map: its nodes and all they lead to.

        Raises:
            StoreError: a node cannot be read. Nothing can be said.
        """
        self._note(party)
        if self._mark(party, [root], are_nodes=True):
            self._descend(party, [_Branch(root, self._known_by(party))])
        if self._latest is not None and self._latest.party != party:
            self._before = self._latest
        self._latest = _Claimed(party, root)

    def claim_chunks(self, party: int, chunk_ids: Collection[ChunkId]) -> None:
        """Claim chunks by themselves: blocks, or nodes all of whose children the party claims too."""
        self._note(party)
        self._check()
        self._mark(party, chunk_ids, are_nodes=False)

    def _note(self, party: int) -> None:
        assert party == OTHERS or not self._others_began, "the others come last"
        self._others_began = party == OTHERS

    def _known_by(self, party: int) -> Sequence[ChunkId]:
        """Return roots of maps: whatever is in all of them, this party need not mark. None at all if nothing is."""
        if self._latest is None:
            return ()
        if self._latest.party == party:
            return (self._latest.root,)
        return () if self._before is None else (self._latest.root, self._before.root)

    def _descend(self, party: int, branches: Sequence[_Branch]) -> None:
        self._check()
        wanted = list(dict.fromkeys(name for each in branches for name in (each.node, *each.known)))
        nodes = dict(zip(wanted, self._load(wanted), strict=True))
        for branch in branches:
            node, known = nodes[branch.node], [nodes[name] for name in branch.known]
            children = unshared_children(node, known)
            if node.level == 0:
                self._mark(party, [block for _, block in children], are_nodes=False)
                continue
            for window in _windows(children):
                news = self._mark(party, [child for _, child in window], are_nodes=True)
                self._descend(party, list(_branches(window, news, known)))

    def _mark(self, party: int, chunk_ids: Collection[ChunkId], *, are_nodes: bool) -> set[ChunkId]:
        """Mark chunks with the party; return those whose mark was not right already."""
        wanted = [chunk_id for chunk_id in dict.fromkeys(chunk_ids) if chunk_id != ZERO_CHUNK_ID]
        known = self._marks.marks(wanted)
        changes: dict[ChunkId, Mark] = {}
        for chunk_id, mark in known.items():
            if mark.label not in {party, _SHARED}:
                changes[chunk_id] = Mark(_SHARED, mark.stored_bytes)
                self.alone[mark.label] -= mark.stored_bytes
        if are_nodes or party != OTHERS:
            for chunk_id, stored_bytes in self._sizes([each for each in wanted if each not in known]):
                changes[chunk_id] = Mark(party, stored_bytes)
                self.alone[party] += stored_bytes
        self._marks.put(changes)
        return set(changes)

    def _sizes(self, chunk_ids: Collection[ChunkId]) -> Iterator[tuple[ChunkId, int]]:
        """Yield each chunk with its stored bytes: none of one that was lost."""
        records = self._metadata.chunks(self._domain_key, chunk_ids) if chunk_ids else {}
        for chunk_id in chunk_ids:
            yield chunk_id, records[chunk_id].stored_bytes if chunk_id in records else 0


def _branches(
    window: Iterable[tuple[int, ChunkId]], news: set[ChunkId], known: Sequence[Node]
) -> Iterator[_Branch]:
    """Yield the children in `news` as branches, each once: a node may stand in several slots."""
    left = set(news)
    for slot, child in window:
        if child in left:
            left.remove(child)
            beside = [node.child(slot) for node in known]
            # Where one of them has nothing, nothing is in all of them.
            yield _Branch(child, () if None in beside else [each for each in beside if each is not None])


def _windows(items: Iterable[_Item]) -> Iterator[Sequence[_Item]]:
    rest = iter(items)
    while window := list(islice(rest, _WINDOW)):
        yield window
