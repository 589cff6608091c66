"""From stores and keys to a service: what stands on what. Knows contracts only, whoever keeps them.

metadata, segments, keys ─▶ domains, committer, chunks, sealer ─▶ background, context ─▶ pipeline
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock

from neve.assemble_keys import Keys
from neve.assemble_upkeep import (
    UpkeepParts,
    collector_on,
    damage_told_to,
    repairer_on,
    upkeep_works,
    verifier_on,
)
from neve.clock import Clock, Entropy
from neve.domain.audit import Recording
from neve.domain.keyring import Keyring, Purpose
from neve.domain.rates import RateLimiter, Rates
from neve.domain.sessions import SESSION_KEY_BYTES, SessionMint
from neve.domain.tokens import TOKEN_KEY_BYTES, TokenMint
from neve.errors import StoreError, StoreFull
from neve.events import Report
from neve.limits import Limits
from neve.operations.context import Context, Quotas
from neve.processors import Processors
from neve.server.administration.backing_up import BackUp
from neve.server.administration.repairing import OpenReplica
from neve.server.administration.service import Administered, Administration
from neve.server.administration.tasks import Tasks
from neve.server.archive_upkeep import ArchiveUpkeep
from neve.server.audit.calls import CallAudit
from neve.server.audit.log import AuditLog
from neve.server.background import Background, Rhythm, SealingQueue, Work, works
from neve.server.collecting import Collections
from neve.server.copy_queue import CopyQueue
from neve.server.credentials import Credentials
from neve.server.key_upkeep import key_works
from neve.server.ledger import Ledger
from neve.server.pipeline import Pipeline, Rules
from neve.server.ripening import Ripening
from neve.settings import Settings
from neve.storage.archiving import Archiver
from neve.storage.chunk_codec import ChunkCodec
from neve.storage.chunk_store import ChunkStore
from neve.storage.committer import Committer
from neve.storage.copying import Copier
from neve.storage.data_keys import DataKeys
from neve.storage.domains import Domains
from neve.storage.sealing import Sealer
from neve.storage.usage import Reckoner
from neve.stores.archive.contract import ArchiveStore
from neve.stores.marks.contract import OpenMarks
from neve.stores.metadata.contract import MetadataStore
from neve.stores.segments.contract import SegmentStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundation:
    """What a service stands on. Whoever opened it closes it."""

    metadata: MetadataStore
    segments: SegmentStore
    archive: ArchiveStore
    back_up: BackUp
    open_replica: OpenReplica
    """Opens segments elsewhere, to read from."""
    open_marks: OpenMarks
    keyring: Keyring
    keys: Keys
    settings: Settings
    limits: Limits
    """With what an operator set: `limits_of`."""
    clock: Clock
    entropy: Entropy
    report: Report
    audit: AuditLog | None = None
    """None if nothing is recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Everything of one running store but its sockets."""

    context: Context
    pipeline: Pipeline
    background: Background
    """Not started."""
    segments: SegmentStore
    processors: Processors
    administration: Administration
    audit: AuditLog | None

    def unready_reason(self) -> str:
        """Return why a put would not be taken now; empty if it would."""
        try:
            self.context.committer.check_alive()
        except StoreError:
            return "the committer is not running"
        try:
            self.context.metadata.accounts()
        except StoreError:
            return "the metadata store does not answer"
        try:
            self.segments.check_writable()
        except StoreFull:
            return "there is no room for segments"
        except StoreError:
            return "segments cannot be written"
        try:
            if self.audit is not None:
                self.audit.require_room()
        except StoreError:
            return "the audit log cannot be written"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Storage:
    """What writes and reads content."""

    data_keys: DataKeys
    domains: Domains
    committer: Committer
    chunks: ChunkStore
    archiver: Archiver
    sealer: Sealer
    copier: Copier


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    """What operators see of long work, theirs and the server's own."""

    tasks: Tasks
    ledger: Ledger
    collections: Collections


def build_service(on: Foundation) -> Service:
    """Return a service whose committer runs; its background work does not yet."""
    processors = Processors(on.settings.computing_threads_max or len(os.sched_getaffinity(0)) + 1)
    storage = _storage(on, processors)
    ripening = Ripening(on.clock)
    upkeep = _upkeep(on, storage, processors)
    standing = _standing(on, upkeep, ripening)
    background = _background(on, storage, ripening, upkeep_works(upkeep, standing.collections, on.report))
    context = _context(on, storage, background)
    return Service(
        context=context,
        pipeline=_pipeline(on, context, processors),
        background=background,
        segments=on.segments,
        processors=processors,
        administration=_administration(on, upkeep, standing),
        audit=on.audit,
    )


def _administration(on: Foundation, upkeep: UpkeepParts, standing: _Standing) -> Administration:
    return Administration(
        Administered(
            metadata=on.metadata,
            keyring=on.keyring,
            keys=on.keys.managed,
            open_reckoner=lambda: reckoner_on(
                metadata=on.metadata,
                segments=on.segments,
                open_marks=on.open_marks,
                keyring=on.keyring,
                entropy=on.entropy,
                limits=on.limits,
                report=on.report,
            ),
            open_verifier=lambda report: verifier_on(upkeep, report),
            open_repairer=lambda report: repairer_on(upkeep, report),
            open_replica=on.open_replica,
            back_up=on.back_up,
            clock=on.clock,
            entropy=on.entropy,
            report=on.report,
            region=on.settings.region,
            segments=on.segments,
            limits=on.limits,
            tasks=standing.tasks,
            collections=standing.collections,
            ledger=standing.ledger,
            deletion_undo_s=on.settings.deletion_undo_s,
        )
    )


def _standing(on: Foundation, upkeep: UpkeepParts, ripening: Ripening) -> _Standing:
    tasks, ledger = Tasks(on.clock, on.entropy), Ledger()
    collections = Collections(
        lambda haste: collector_on(upkeep, haste, past_ms=ripening.past_ms, report=on.report),
        tasks,
        ledger,
        on.clock,
    )
    return _Standing(tasks=tasks, ledger=ledger, collections=collections)


def _upkeep(on: Foundation, storage: _Storage, processors: Processors) -> UpkeepParts:
    return UpkeepParts(
        metadata=on.metadata,
        segments=on.segments,
        archive=on.archive,
        archiver=storage.archiver,
        domains=storage.domains,
        keyring=on.keyring,
        open_marks=on.open_marks,
        settings=on.settings,
        limits=on.limits,
        processors=processors,
        clock=on.clock,
        entropy=on.entropy,
    )


def _storage(on: Foundation, processors: Processors) -> _Storage:
    codec = ChunkCodec(level=on.settings.zstd_level)
    data_keys = DataKeys(
        metadata=on.metadata,
        provider=on.keys.provider,
        clock=on.clock,
        entropy=on.entropy,
        processors=processors,
        data_key_age_s=on.settings.data_key_age_s,
        key_state_age_s=on.settings.key_state_age_s,
    )
    domains = Domains(on.metadata, on.keyring, on.entropy, data_keys)
    committer = Committer(
        metadata=on.metadata,
        segments=on.segments,
        codec=codec,
        clock=on.clock,
        entropy=on.entropy,
        limits=on.limits,
        processors=processors,
    )
    chunks = ChunkStore(
        metadata=on.metadata,
        segments=on.segments,
        codec=codec,
        limits=on.limits,
        on_damage=damage_told_to(on.report),
    )
    archiver = Archiver(metadata=on.metadata, store=on.archive, keyring=on.keyring)
    sealer = Sealer(
        metadata=on.metadata,
        committer=committer,
        chunks=chunks,
        domains=domains,
        archiver=archiver,
        clock=on.clock,
        limits=on.limits,
    )
    copier = Copier(
        metadata=on.metadata,
        committer=committer,
        chunks=chunks,
        domains=domains,
        clock=on.clock,
        limits=on.limits,
        processors=processors,
    )
    return _Storage(
        data_keys=data_keys,
        domains=domains,
        committer=committer,
        chunks=chunks,
        archiver=archiver,
        sealer=sealer,
        copier=copier,
    )


def _background(
    on: Foundation, storage: _Storage, ripening: Ripening, of_store: Sequence[Work]
) -> Background:
    of_snapshots = works(
        metadata=on.metadata,
        sealing=SealingQueue(on.metadata, storage.sealer, on.clock, on.report),
        clock=on.clock,
        ripening=ripening,
        report=on.report,
        rhythm=Rhythm(
            expire_interval_s=on.settings.expire_interval_s,
            reap_interval_s=on.settings.reap_interval_s,
            client_token_age_s=on.limits.client_token_age_s_min,
        ),
    )
    of_keys = key_works(
        metadata=on.metadata,
        provider=on.keys.provider,
        keyring=on.keys.managed,
        renew=storage.data_keys.renew,
        forget_old=storage.data_keys.forget_old,
        clock=on.clock,
        ripening=ripening,
        report=on.report,
    )
    copies = CopyQueue(
        metadata=on.metadata,
        copier=storage.copier,
        clock=on.clock,
        report=on.report,
        on_copied=lambda: background.wake(),  # noqa: PLW0108 - there is one when this is called, and none yet
    )
    archive = ArchiveUpkeep(
        archiver=storage.archiver,
        interval_s=on.settings.archive_interval_s,
        clock=on.clock,
        report=on.report,
    )
    background = Background([*of_snapshots, copies.work(), *of_keys, archive.work(), *of_store], on.report)
    return background


def _context(on: Foundation, storage: _Storage, background: Background) -> Context:
    return Context(
        region=on.settings.region,
        limits=on.limits,
        quotas=Quotas(
            pending_snapshots_max=on.settings.pending_snapshots_max,
            snapshots_max=on.settings.snapshots_max,
            snapshot_copies_max=on.settings.snapshot_copies_max,
        ),
        clock=on.clock,
        entropy=on.entropy,
        metadata=on.metadata,
        committer=storage.committer,
        chunks=storage.chunks,
        domains=storage.domains,
        keys=on.keys.provider,
        keyring=on.keys.managed,
        tokens=TokenMint(on.keyring.derive(Purpose.TOKENS, TOKEN_KEY_BYTES)),
        sessions=SessionMint(on.keyring.derive(Purpose.SESSION_TOKENS, SESSION_KEY_BYTES)),
        wake_background=background.wake,
    )


def _pipeline(on: Foundation, context: Context, processors: Processors) -> Pipeline:
    audit = None
    if on.audit is not None:
        audit = CallAudit(
            on.audit,
            recording=Recording(on.settings.audit_log),
            region=on.settings.region,
            clock=on.clock,
            processors=processors,
        )
    return Pipeline(
        context=context,
        credentials=Credentials(on.metadata, on.keyring, context.sessions, on.report),
        limiter=RateLimiter(rates_of(on.settings), lock=Lock()),
        rules=Rules(
            region=on.settings.region,
            base_path=on.settings.base_path,
            clock_skew_ebs_s=on.settings.clock_skew_ebs_s,
            clock_skew_ec2_s=on.settings.clock_skew_ec2_s,
        ),
        report=on.report,
        audit=audit,
    )


def reckoner_on(
    *,
    metadata: MetadataStore,
    segments: SegmentStore,
    open_marks: OpenMarks,
    keyring: Keyring,
    entropy: Entropy,
    limits: Limits,
    report: Report,
) -> Reckoner:
    """Return what says what snapshots cost. Nodes that it reads are not remembered in the place of readers' own."""
    chunks = ChunkStore(
        metadata=metadata,
        segments=segments,
        codec=ChunkCodec(),
        limits=limits,
        on_damage=damage_told_to(report),
    )
    domains = Domains(metadata, keyring, entropy, None)
    return Reckoner(metadata=metadata, chunks=chunks, domains=domains, open_marks=open_marks, limits=limits)


def limits_of(settings: Settings, limits: Limits) -> Limits:
    """Return the limits with what an operator set."""
    return replace(
        limits,
        block_token_age_s=settings.block_token_age_s,
        page_token_age_s=settings.page_token_age_s,
        node_cache_bytes=settings.node_cache_bytes,
    )


def rates_of(settings: Settings) -> Rates:
    """Return the rates an operator set."""
    return Rates(
        per_account={
            "StartSnapshot": settings.start_snapshot_per_s_max,
            "CompleteSnapshot": settings.complete_snapshot_per_s_max,
            "ListSnapshotBlocks": settings.list_snapshot_blocks_per_s_max,
            "ListChangedBlocks": settings.list_changed_blocks_per_s_max,
            "GetSnapshotBlock": settings.get_snapshot_block_per_s_max,
            "PutSnapshotBlock": settings.put_snapshot_block_per_s_max,
        },
        per_snapshot={
            "GetSnapshotBlock": settings.get_snapshot_block_per_snapshot_per_s_max,
            "PutSnapshotBlock": settings.put_snapshot_block_per_snapshot_per_s_max,
        },
    )
