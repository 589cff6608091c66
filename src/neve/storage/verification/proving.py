"""Proving chunks one by one, telling what is wrong from what nobody can say now.

    stored bytes ─▶ proven                              opened, decoded, and their hash has the chunk's id
                 ─▶ damaged ─ read once more, alone ─▶ damaged, or moved meanwhile, or right after all
                 ─▶ unproven                            the KMS key cannot be used now: says nothing about the bytes

Chunks are called bad after two reads that failed, and never because a store or a key could not be reached.
"""

from dataclasses import dataclass, replace
from enum import Enum
from threading import Lock
from typing import Final

from neve.clock import Clock
from neve.domain.blocks import ChunkKind
from neve.domain.identities import DomainKey
from neve.errors import (
    ChunkDamaged,
    InvariantError,
    KeyProviderUnavailable,
    KmsError,
    SegmentMissing,
    StoreUnusable,
)
from neve.events import ChunkFoundDamaged, Report
from neve.processors import Processors
from neve.storage.chunk_store import ChunkStore, Content, check_place
from neve.storage.domains import Domains, OpenDomain
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.placement import ChunkRecord
from neve.stores.segments.contract import SegmentStore

_REFUSAL_AGE_S: Final = 60
"""A key that was refused is not asked for again for each of a million chunks."""


class Verdict(Enum):
    """What there is to say of a chunk."""

    PROVEN = "proven"
    DAMAGED = "damaged"
    UNPROVEN = "unproven"
    MOVED = "moved"
    """It does not lie there any more: nothing is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A verdict, and why."""

    verdict: Verdict
    why: str = ""
    kms_key_arn: str = ""
    """Of one that is unproven; empty if it is its domain's own key that does not open."""
    segment_is_missing: bool = False
    content: Content | None = None
    """Of one that is proven."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    proof: Proof
    until_s: float


class Prover:
    """Proves chunks. Safe from any thread."""

    def __init__(
        self,
        *,
        metadata: MetadataStore,
        segments: SegmentStore,
        chunks: ChunkStore,
        domains: Domains,
        clock: Clock,
        processors: Processors,
        report: Report,
    ) -> None:
        self._metadata = metadata
        self._segments = segments
        self._chunks = chunks
        self._domains = domains
        self._clock = clock
        self._processors = processors
        self._report = report
        self._lock = Lock()
        self._by_uid: dict[bytes, DomainKey] = {}
        self._refusals: dict[DomainKey, _Refusal] = {}

    def domain_of(self, uid: bytes) -> DomainKey | None:
        """Return which domain a segment's table means; None if no record has it."""
        if uid not in self._by_uid:
            known = {domain.uid: domain.key for domain in self._metadata.domains()}
            with self._lock:
                self._by_uid = known
        return self._by_uid.get(uid)

    def refusal(self, record: ChunkRecord) -> Proof | None:
        """Return that a chunk cannot be proven now, if that is known before it is read."""
        opened = self._opened(record)
        return opened if isinstance(opened, Proof) and opened.verdict is Verdict.UNPROVEN else None

    def prove(self, record: ChunkRecord, stored: bytes | memoryview) -> Proof:
        """Say whether these are the bytes of a chunk.

        Raises:
            StoreUnavailable: the records cannot be read this time.
        """
        opened = self._opened(record)
        if isinstance(opened, Proof):
            return opened
        try:
            with self._processors.computing():
                content = self._chunks.prove(opened, record, stored)
        except ChunkDamaged as error:
            return _damaged(str(error))
        except (KeyProviderUnavailable, StoreUnusable) as error:
            # This generation's key cannot be had; another one's may, so nothing is remembered.
            return _unproven(opened, str(error))
        return Proof(verdict=Verdict.PROVEN, content=content)

    def look(self, record: ChunkRecord) -> Proof:
        """Read a chunk that a row points to, and say what there is to say. One that is found wrong is read twice.

        Raises:
            StoreUnavailable: it cannot be read this time.
        """
        first = self.read(record)
        return self.look_again(record) if first.verdict is Verdict.DAMAGED else first

    def look_again(self, record: ChunkRecord) -> Proof:
        """Read a chunk that a row points to and that was found wrong once more, by itself.

        Raises:
            StoreUnavailable: it cannot be read this time.
        """
        again = self.read(record)
        if again.verdict is Verdict.DAMAGED:
            found = self._metadata.chunks(record.domain_key, [record.chunk_id]).get(record.chunk_id)
            if found != record:
                return Proof(verdict=Verdict.MOVED)
        return again

    def read(self, record: ChunkRecord) -> Proof:
        """Read a chunk by itself, once, and say what there is to say.

        Raises:
            StoreUnavailable: it cannot be read this time.
        """
        if (refusal := self.refusal(record)) is not None:
            return refusal
        try:
            check_place(record)
            stored = self._segments.read(record.segment, record.offset, record.stored_bytes)
        except SegmentMissing as error:
            return replace(_damaged(str(error)), segment_is_missing=True)
        except ChunkDamaged as error:
            return _damaged(str(error))
        return self.prove(record, stored)

    def condemn(self, record: ChunkRecord, why: str) -> None:
        """Mark a chunk bad and tell: what `look_again` called damaged, or what cannot be there."""
        self._metadata.mark_bad(record.domain_key, record.chunk_id)
        self._report(
            ChunkFoundDamaged(
                domain_key=record.domain_key,
                chunk_id=record.chunk_id.hex(),
                segment=record.segment,
                offset=record.offset,
                error=why,
            )
        )

    def _opened(self, record: ChunkRecord) -> OpenDomain | Proof:
        """Return a chunk's domain with the keys that its kind takes, or why it cannot be had."""
        try:
            domain = self._domains.by_key(record.domain_key)
        except (InvariantError, StoreUnusable) as error:
            return Proof(verdict=Verdict.UNPROVEN, why=str(error))
        if record.kind is not ChunkKind.BLOCK or not domain.is_encrypted:
            return domain
        now_s = self._clock.monotonic_s()
        known = self._refusals.get(domain.key)
        if known is not None and now_s < known.until_s:
            return known.proof
        try:
            return self._domains.with_content(domain)
        except KmsError as error:
            proof = _unproven(domain, f"{error.code}: {error.message}")
        except (KeyProviderUnavailable, StoreUnusable) as error:
            proof = _unproven(domain, str(error))
        with self._lock:
            self._refusals[domain.key] = _Refusal(proof, now_s + _REFUSAL_AGE_S)
        return proof


def placed(record: ChunkRecord, why: str) -> str:
    """Return what is wrong with a chunk, and where it lies."""
    return why if record.segment in why else f"segment {record.segment} at {record.offset}: {why}"


def without_content(proof: Proof) -> Proof:
    """Return a proof that takes no memory: for whoever keeps many."""
    return replace(proof, content=None)


def _damaged(why: str) -> Proof:
    return Proof(verdict=Verdict.DAMAGED, why=why)


def _unproven(domain: OpenDomain, why: str) -> Proof:
    return Proof(verdict=Verdict.UNPROVEN, why=why, kms_key_arn=domain.kms_key_arn)
