"""From stores and keys to what collects, verifies and repairs: beside a server, or in a command when none runs.

Each has a chunk store of its own, so that what it reads does not take the place of what readers of the API will read
again.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from neve.clock import Clock, Entropy
from neve.domain.keyring import Keyring
from neve.errors import StoreError
from neve.events import ChunkFoundDamaged, Report
from neve.limits import MIB, Limits
from neve.processors import Processors
from neve.server.background import Work
from neve.server.collecting import Collections, Haste
from neve.server.upkeep import CollectionUpkeep, ScrubUpkeep
from neve.settings import Settings
from neve.storage.archiving import Archiver
from neve.storage.chunk_codec import ChunkCodec
from neve.storage.chunk_store import ChunkStore, OnDamage
from neve.storage.collection.collector import Collector
from neve.storage.collection.report import CollectionRules
from neve.storage.domains import Domains
from neve.storage.repairing import Repairer
from neve.storage.verification.verifier import Verifier
from neve.stores.archive.contract import ArchiveStore
from neve.stores.marks.contract import OpenMarks
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.placement import ChunkRecord
from neve.stores.segments.contract import SegmentStore

_NODE_CACHE_BYTES: Final = 4 * MIB
"""Whoever walks every map once meets a node again soon or never."""
_FOR_EVER_MS: Final = 36_500 * 24 * 3_600_000
"""At once is at once, whatever a clock that was wrong has noted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpkeepParts:
    """What upkeep works on, and with. Whoever opened it closes it."""

    metadata: MetadataStore
    segments: SegmentStore
    archive: ArchiveStore
    archiver: Archiver
    domains: Domains
    keyring: Keyring
    open_marks: OpenMarks
    settings: Settings
    limits: Limits
    processors: Processors
    clock: Clock
    entropy: Entropy


def verifier_on(parts: UpkeepParts, report: Report) -> Verifier:
    """Return what verifies a store. It tells by itself what is damaged."""
    return Verifier(
        metadata=parts.metadata,
        segments=parts.segments,
        chunks=_chunks_on(parts),
        domains=parts.domains,
        archive=parts.archive,
        keyring=parts.keyring,
        open_marks=parts.open_marks,
        clock=parts.clock,
        entropy=parts.entropy,
        limits=parts.limits,
        processors=parts.processors,
        report=report,
        scrub_period_s=parts.settings.scrub_period_s or 1,
    )


def collector_on(
    parts: UpkeepParts, haste: Haste, *, past_ms: Callable[[], int], report: Report
) -> Collector:
    """Return what collects a store. `past_ms` says which moment is past without doubt, for what goes by schedule."""
    keep = haste is not Haste.AT_ONCE
    ahead_ms = 0 if keep else _FOR_EVER_MS
    return Collector(
        metadata=parts.metadata,
        segments=parts.segments,
        chunks=_chunks_on(parts, damage_told_to(report)),
        domains=parts.domains,
        archiver=parts.archiver,
        open_marks=parts.open_marks,
        clock=parts.clock,
        past_ms=past_ms if haste is Haste.SCHEDULED else lambda: parts.clock.now_ms() + ahead_ms,
        entropy=parts.entropy,
        limits=parts.limits,
        rules=CollectionRules(
            deletion_undo_s=parts.settings.deletion_undo_s if keep else 0,
            condemned_keep_s=parts.settings.condemned_keep_s if keep else 0,
            share_max=parts.settings.collect_share_max,
        ),
        report=report,
    )


def repairer_on(parts: UpkeepParts, report: Report) -> Repairer:
    """Return what repairs a store."""
    return Repairer(
        verifier=verifier_on(parts, report),
        metadata=parts.metadata,
        segments=parts.segments,
        chunks=_chunks_on(parts),
        domains=parts.domains,
        archiver=parts.archiver,
        codec=ChunkCodec(level=parts.settings.zstd_level),
        open_marks=parts.open_marks,
        clock=parts.clock,
        entropy=parts.entropy,
        limits=parts.limits,
    )


def damage_told_to(report: Report) -> OnDamage:
    """Return what tells of each read that failed because bytes are wrong or gone."""

    def tell(record: ChunkRecord, error: StoreError) -> None:
        report(
            ChunkFoundDamaged(
                domain_key=record.domain_key,
                chunk_id=record.chunk_id.hex(),
                segment=record.segment,
                offset=record.offset,
                error=f"{type(error).__name__}: {error}",
            )
        )

    return tell


def _chunks_on(parts: UpkeepParts, on_damage: OnDamage = lambda _record, _error: None) -> ChunkStore:
    """Return a chunk store of its own. By itself it tells nobody what is damaged: verification does."""
    return ChunkStore(
        metadata=parts.metadata,
        segments=parts.segments,
        codec=ChunkCodec(),
        limits=replace(parts.limits, node_cache_bytes=_NODE_CACHE_BYTES),
        on_damage=on_damage,
    )


def upkeep_works(parts: UpkeepParts, collections: Collections, report: Report) -> list[Work]:
    """Return what is done in the background for the store as a whole, as far as it is wanted."""
    settings = parts.settings
    found = []
    if settings.collect_interval_s:
        collecting = CollectionUpkeep(collections, interval_s=settings.collect_interval_s, report=report)
        found.append(collecting.work())
    if settings.scrub_period_s:
        scrubbing = ScrubUpkeep(
            lambda: verifier_on(parts, report),
            period_s=settings.scrub_period_s,
            clock=parts.clock,
            report=report,
        )
        found.append(scrubbing.work())
    return found
