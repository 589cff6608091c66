"""What snapshots cost: the bytes of their volumes, those that they alone need, and those that deleting them would free.

    logical   blocks present in a snapshot, times the size of a block: what a full copy of it would hold
    unique    stored bytes of all chunks, blocks and nodes of block maps, that nothing else needs
    freed     the unique bytes of a set of snapshots: exactly what lives less once they are deleted

A chunk is needed by whatever leads to it (`stores.metadata.contract_needs`): snapshots of any account that are
completed or in the recycle bin, what is being written, what a copy reads. Stored bytes are those of chunks, compressed
and sealed: segments have tables and gaps beside.

The snapshots are those of one moment. What is written to a pending one meanwhile may count or not; what was completed
at that moment counts as it is. One small record for each snapshot of a domain is in memory at a time.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from neve.domain.block_map import merge
from neve.domain.blocks import ZERO_CHUNK_ID, BlockIndex, ChunkId
from neve.domain.identities import AccountId, DomainKey, SnapshotId
from neve.domain.snapshots import SnapshotKey, State
from neve.errors import ChunkMissing, StoreUnavailable
from neve.limits import Limits
from neve.storage.attribution import OTHERS, Attribution
from neve.storage.chunk_store import ChunkStore
from neve.storage.domains import Domains
from neve.stores.marks.contract import OpenMarks
from neve.stores.metadata.contract import BlockRow, MetadataStore
from neve.stores.metadata.contract_needs import Need

Watch = Callable[[int, int], None]
"""Told how many steps are done, and of how many; often. What it raises ends the reckoning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What some snapshots cost together."""

    snapshot_count: int
    logical_bytes: int
    unique_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotCost:
    """What one snapshot costs."""

    snapshot_id: SnapshotId
    state: State
    logical_bytes: int
    unique_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCost:
    """What the snapshots of an account cost: all together, and in groups as they were asked for."""

    total: Cost
    by_group: Mapping[str | None, Cost]
    by_snapshot: Sequence[SnapshotCost]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """How an account's snapshots are told apart."""

    group_of: Mapping[SnapshotKey, str] | None = None
    """Group of each snapshot, None for those that are left out; without a mapping there are no groups."""
    by_snapshot: bool = False


@dataclass(frozen=True, slots=True)
class _Claim:
    """What one snapshot needs of one domain."""

    party: int
    need: Need
    root: ChunkId | None
    has_rows: bool


class Reckoner:
    """Answers what snapshots cost. Safe from any thread; one answer may take minutes on a large store."""

    def __init__(
        self,
        *,
        metadata: MetadataStore,
        chunks: ChunkStore,
        domains: Domains,
        open_marks: OpenMarks,
        limits: Limits,
    ) -> None:
        self._metadata = metadata
        self._chunks = chunks
        self._domains = domains
        self._open_marks = open_marks
        self._limits = limits

    def living(self, wanted: Callable[[Need], bool]) -> list[Need]:
        """Return what of everything that lives is wanted, as it is at this moment, by key."""
        found: list[Need] = []
        self._metadata.needs.living(lambda needs: found.extend(filter(wanted, needs)))
        return found

    def freed_bytes(self, keys: Collection[SnapshotKey], watch: Watch) -> int:
        """Return how many stored bytes nothing would need any more if these snapshots were deleted.

        Raises:
            StoreError: a block map cannot be read, or changed meanwhile. Nothing can be said.
        """
        chosen = self.living(lambda need: need.key in keys)
        needs = self._needs_of({domain for need in chosen for domain in _domains_of(need)})
        alone = self._unique(needs, lambda need: 0 if need.key in keys else OTHERS, watch)
        return alone[0]

    def account_cost(self, account_id: AccountId, grouping: Grouping, watch: Watch) -> AccountCost:
        """Return what an account's snapshots cost, those in the recycle bin and those being written included.

        Raises:
            StoreError: as `freed_bytes`
        """
        own = self.living(lambda need: need.account_id == account_id)
        needs = self._needs_of({domain for need in own for domain in _domains_of(need)})
        own = [need for need in needs if need.account_id == account_id]
        logical = {need.key: self._logical_bytes(need) for need in own}
        total = self._unique(needs, lambda need: 0 if need.account_id == account_id else OTHERS, watch)
        return AccountCost(
            total=Cost(snapshot_count=len(own), logical_bytes=sum(logical.values()), unique_bytes=total[0]),
            by_group=self._by_group(needs, own, logical, grouping.group_of, watch),
            by_snapshot=self._by_snapshot(needs, own, logical, watch) if grouping.by_snapshot else (),
        )

    def _by_group(
        self,
        needs: Sequence[Need],
        own: Sequence[Need],
        logical: Mapping[SnapshotKey, int],
        group_of: Mapping[SnapshotKey, str] | None,
        watch: Watch,
    ) -> Mapping[str | None, Cost]:
        if group_of is None:
            return {}
        members: dict[str | None, list[SnapshotKey]] = defaultdict(list)
        for need in own:
            members[group_of.get(need.key)].append(need.key)
        groups = sorted(members, key=lambda group: (group is None, group or ""))
        party_of = {key: party for party, group in enumerate(groups) for key in members[group]}
        unique = self._unique(needs, lambda need: party_of.get(need.key, OTHERS), watch)
        return {
            group: Cost(
                snapshot_count=len(members[group]),
                logical_bytes=sum(logical[key] for key in members[group]),
                unique_bytes=unique[party],
            )
            for party, group in enumerate(groups)
        }

    def _by_snapshot(
        self, needs: Sequence[Need], own: Sequence[Need], logical: Mapping[SnapshotKey, int], watch: Watch
    ) -> Sequence[SnapshotCost]:
        place = {need.key: number for number, need in enumerate(sorted(own, key=_in_lineage))}
        unique = self._unique(needs, lambda need: place.get(need.key, OTHERS), watch)
        return [
            SnapshotCost(
                snapshot_id=need.snapshot_id,
                state=need.state,
                logical_bytes=logical[need.key],
                unique_bytes=unique[place[need.key]],
            )
            for need in own
        ]

    # --- what is needed

    def _needs_of(self, domains: Collection[DomainKey]) -> list[Need]:
        """Return everything that lives and needs something of these domains."""
        return self.living(lambda need: any(domain in domains for domain in _domains_of(need)))

    def _unique(
        self, needs: Sequence[Need], party_of: Callable[[Need], int], watch: Watch
    ) -> Mapping[int, int]:
        """Return how many stored bytes each party alone needs, over all domains."""
        by_domain: dict[DomainKey, list[_Claim]] = defaultdict(list)
        for need in needs:
            party = party_of(need)
            by_domain[need.domain_key].append(_Claim(party, need, need.root, need.is_written))
            if need.source_domain_key is not None:
                by_domain[need.source_domain_key].append(_Claim(party, need, need.source_root, False))
        steps = sum(map(len, by_domain.values()))
        done = 0
        alone: dict[int, int] = defaultdict(int)
        for domain_key, claims in by_domain.items():
            if all(claim.party == OTHERS for claim in claims):
                done += len(claims)
                continue
            for party, stored_bytes in self._unique_in(domain_key, claims, watch, done, steps).items():
                alone[party] += stored_bytes
            done += len(claims)
        return alone

    def _unique_in(
        self, domain_key: DomainKey, claims: Sequence[_Claim], watch: Watch, done: int, steps: int
    ) -> Mapping[int, int]:
        with closing(self._open_marks()) as marks:
            attribution = Attribution(
                metadata=self._metadata,
                load=self._chunks.loader(self._domains.by_key(domain_key)),
                domain_key=domain_key,
                marks=marks,
                check=lambda: watch(done, steps),
            )
            for claim in sorted(claims, key=_in_order):
                watch(done, steps)
                try:
                    self._make(attribution, claim)
                except ChunkMissing as error:
                    self._demand_living(claim.need, error)
                    raise
                done += 1
            return attribution.alone

    def _make(self, attribution: Attribution, claim: _Claim) -> None:
        if claim.root is not None:
            attribution.claim_map(claim.party, claim.root)
        if claim.has_rows:
            for rows in self._rows(claim.need.key):
                attribution.claim_chunks(claim.party, [row.chunk_id for row in rows])
            for nodes in self._held_nodes(claim.need.key):
                attribution.claim_chunks(claim.party, nodes)

    def _rows(self, key: SnapshotKey) -> Iterator[Sequence[BlockRow]]:
        after: BlockIndex | None = None
        while rows := self._metadata.blocks(key, after=after, limit=self._limits.seal_rows_max):
            yield rows
            after = rows[-1].block_index

    def _held_nodes(self, key: SnapshotKey) -> Iterator[Sequence[ChunkId]]:
        after: ChunkId | None = None
        limit = self._limits.seal_rows_max
        while nodes := self._metadata.needs.held_nodes(key, after=after, limit=limit):
            yield nodes
            after = nodes[-1]

    def _demand_living(self, need: Need, missing: ChunkMissing) -> None:
        """Return if a snapshot still needs what it needed: then a chunk that is missing is lost."""
        if need not in self.living(lambda each: each.key == need.key):
            raise StoreUnavailable(
                f"{need.snapshot_id} was deleted while its bytes were counted: ask again"
            ) from missing

    def _logical_bytes(self, need: Need) -> int:
        added = 0
        if need.is_written:
            written = ((row.block_index, row.chunk_id) for rows in self._rows(need.key) for row in rows)
            load = self._chunks.loader(self._domains.by_key(need.domain_key))
            # Its map as it would be if it were completed now; only how many blocks it has is of interest.
            merged = merge(load, lambda _: ZERO_CHUNK_ID, need.root, written, self._limits.node_fanout)
            added = merged.blocks_added
        return (need.block_count + added) * self._limits.block_bytes


def _domains_of(need: Need) -> tuple[DomainKey, ...]:
    if need.source_domain_key is None:
        return (need.domain_key,)
    return need.domain_key, need.source_domain_key


def _in_lineage(need: Need) -> tuple[str, int]:
    return need.lineage_id, need.key


def _in_order(claim: _Claim) -> tuple[bool, int, str, int]:
    return claim.party == OTHERS, claim.party, *_in_lineage(claim.need)
