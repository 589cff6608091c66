"""Looking for what was lost, from source to source, and storing anew what is proven.

Each round walks all block maps for what is lost of them, asks every source in turn, and stores what it found. A node
that came back shows what is below it, which the next round then knows of; and it may be what another node could not be
made without, so nodes are looked for again after it. What was looked for in vain is marked, so rounds come to an end
whatever was lost, and memory holds one round's wishes.
"""

from dataclasses import dataclass
from typing import Final

from neve.domain.block_map import decode_node
from neve.domain.blocks import BlockIndex, ChunkId, ChunkKind, digest
from neve.domain.identities import DomainKey
from neve.errors import (
    ChunkDamaged,
    InvariantError,
    KeyProviderUnavailable,
    KmsError,
    NeveError,
    StoreUnusable,
)
from neve.limits import Limits
from neve.storage.domains import Domains, OpenDomain
from neve.storage.progress import Check, OnProgress, Progress, Unit
from neve.storage.repair_sources import (
    Candidate,
    Place,
    RepairSource,
    StoredCandidate,
    Wanted,
    WantedName,
)
from neve.storage.restoring import Restorer
from neve.storage.verification.proving import Verdict
from neve.storage.verification.trees import Loss
from neve.storage.verification.verifier import Verifier
from neve.stores.marks.contract import Mark, MarkStore
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.contract_collection import ChunkKey
from neve.stores.metadata.contract_needs import Need

_WANTED_MAX: Final = 32_768
"""Looked for at once: what is known of them takes some 20 MiB."""
_PLACES_MAX: Final = 64
"""Of one chunk. One that a volume is full of is found at the first of them, or nowhere."""
_PAGE: Final = 1_000
_TRIED_FOR_GOOD: Final = -1
"""What a block is marked with whose places were known. Nodes, and blocks that nobody knew where they belong, are marked
with how many nodes had come back by then: with one more they may be found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReport:
    """What one source was good for."""

    name: str
    candidates: int
    """How many it offered."""
    restored: int
    """How many of these were what was looked for."""
    failure: str
    """Why it could not go on; empty if it could."""


class Trying:
    """A source, and what it has been good for so far."""

    def __init__(self, source: RepairSource) -> None:
        self.source = source
        self.candidates = self.restored = 0
        self.failure = ""

    def report(self) -> SourceReport:
        """Return what it was good for."""
        return SourceReport(
            name=self.source.name,
            candidates=self.candidates,
            restored=self.restored,
            failure=self.failure,
        )


class RepairSearch:
    """One search. For one thread, once."""

    def __init__(
        self,
        *,
        verifier: Verifier,
        metadata: MetadataStore,
        domains: Domains,
        restorer: Restorer,
        tried: MarkStore,
        limits: Limits,
        on_progress: OnProgress,
        check: Check,
    ) -> None:
        """`tried` is empty."""
        self._verifier = verifier
        self._metadata = metadata
        self._domains = domains
        self._restorer = restorer
        self._tried = tried
        self._limits = limits
        self._on_progress = on_progress
        self._check = check
        self._nodes_back = 0
        self.wanted_count = self.restored_count = 0
        self.without_key = 0
        """Candidates that nobody could prove or seal: their KMS key cannot be used now."""

    def run(self, tries: list[Trying]) -> None:
        """Look until nothing is left that was not looked for everywhere.

        Raises:
            StoreError: this store could not be read or written this time.
        """
        while wishes := self._wishes():
            labels = {name: self._label(wanted) for name, wanted in wishes.items()}
            for trying in tries:
                if wishes:
                    self._ask(trying, wishes)
            self._restorer.flush()
            self._tried.put({chunk_id: Mark(label, 0) for (_, chunk_id), label in labels.items()})

    # --- what is wanted

    def _wishes(self) -> dict[WantedName, Wanted]:
        wishes: dict[WantedName, Wanted] = {}

        def on_loss(need: Need, domain_key: DomainKey, loss: Loss) -> None:
            span = loss.last - loss.first + 1
            wanted = self._wish(wishes, domain_key, loss.chunk_id, loss.kind, span)
            if wanted is not None and len(wanted.places) < _PLACES_MAX:
                index = BlockIndex(loss.first)
                if all(place.block_index != index for place in wanted.places):
                    wanted.places.append(Place(need.account_id, need.snapshot_id, index))

        self._verifier.search_losses(on_loss, self._on_progress, self._check)
        after: ChunkKey | None = None
        while page := self._metadata.collection.bad_chunks(after=after, limit=_PAGE):
            for _, stored in page:
                record = stored.record
                self._wish(wishes, record.domain_key, record.chunk_id, record.kind, 0)
            after = page[-1][0]
        return wishes

    def _wish(
        self,
        wishes: dict[WantedName, Wanted],
        domain_key: DomainKey,
        chunk_id: ChunkId,
        kind: ChunkKind,
        span: int,
    ) -> Wanted | None:
        """Return a chunk among the wishes, put there if need be; None if it is not looked for this time."""
        name = domain_key, chunk_id
        if name in wishes or len(wishes) >= _WANTED_MAX:
            return wishes.get(name)
        tried = self._tried.marks([chunk_id]).get(chunk_id)
        if tried is not None and tried.label in {_TRIED_FOR_GOOD, self._nodes_back}:
            return None
        try:
            domain = self._domains.by_key(domain_key)
        except (InvariantError, StoreUnusable):
            return None  # verification says that it cannot be opened
        self.wanted_count += tried is None
        wishes[name] = Wanted(domain=domain, chunk_id=chunk_id, kind=kind, block_span=span)
        return wishes[name]

    def _label(self, wanted: Wanted) -> int:
        is_placed_block = wanted.kind is ChunkKind.BLOCK and wanted.places
        return _TRIED_FOR_GOOD if is_placed_block else self._nodes_back

    # --- what is found

    def _ask(self, trying: Trying, wishes: dict[WantedName, Wanted]) -> None:
        found = trying.source.candidates(wishes, self._check)
        while True:
            try:
                candidate = next(found, None)
            except NeveError as error:
                trying.failure = f"{type(error).__name__}: {error}"
                return
            if candidate is None:
                return
            trying.candidates += 1
            wanted = wishes.get(candidate.name)
            if wanted is not None and self._restore(wanted, candidate):
                del wishes[wanted.name]
                trying.restored += 1
                self.restored_count += 1
                self._nodes_back += wanted.kind is ChunkKind.NODE
                self._on_progress(
                    Progress(
                        phase="restoring what was lost",
                        done=self.restored_count,
                        total=self.wanted_count,
                        unit=Unit.CHUNKS,
                    )
                )

    def _restore(self, wanted: Wanted, candidate: Candidate) -> bool:
        """Store a candidate anew if it is what is wanted; return whether it is."""
        domain = self._with_keys(wanted)
        content = None if domain is None else self._content(wanted, candidate)
        if domain is None or content is None or not self._is_whole(wanted.kind, content):
            return False
        self._restorer.add(domain, wanted.chunk_id, wanted.kind, content)
        return True

    def _with_keys(self, wanted: Wanted) -> OpenDomain | None:
        if wanted.kind is ChunkKind.NODE:
            return wanted.domain
        try:
            return self._domains.with_content(wanted.domain)
        except (KmsError, KeyProviderUnavailable, StoreUnusable):
            self.without_key += 1
            return None

    def _content(self, wanted: Wanted, candidate: Candidate) -> bytes | None:
        if isinstance(candidate, StoredCandidate):
            if candidate.record.kind is not wanted.kind:
                return None
            proof = self._verifier.prover.prove(candidate.record, candidate.data)
            self.without_key += proof.verdict is Verdict.UNPROVEN
            return None if proof.content is None else proof.content.data
        is_it = wanted.domain.chunk_id(digest(candidate.data)) == wanted.chunk_id
        return candidate.data if is_it else None

    def _is_whole(self, kind: ChunkKind, content: bytes) -> bool:
        """Return whether content is what its kind says: its id says only that it is what was once stored."""
        if kind is ChunkKind.BLOCK:
            return len(content) == self._limits.block_bytes
        try:
            decode_node(content, self._limits.node_fanout)
        except ChunkDamaged:
            return False
        return True
